"""A target of a data set folder: made of judgements, compared with what is there, written, named in dataset.json."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from affectml_annotation.aggregation import Aggregate
from affectml_annotation.errors import BadExport
from affectml_annotation.exchange.files import keep, make_way, read_parquet, write_json, write_parquet

if TYPE_CHECKING:  # the store imports the exchange
    from affectml_annotation.study.file import Task

META = "dataset.json"
MakeTarget = Callable[[pd.DataFrame], Aggregate]


def aggregates(folder: Path, targets: Mapping[str, MakeTarget], judgements: pd.DataFrame) -> dict[str, Aggregate]:
    """Each target made of these judgements; BadExport for one that would have no image."""
    made = {name: make(judgements) for name, make in targets.items()}
    for name, one in made.items():
        if not len(one.image_id):
            why = "; ".join(f"{count} images: {reason}" for reason, count in one.left_out.items())
            raise BadExport(str(folder), [f"target {name} would have no image ({why or 'nobody gave an answer'})"])
    return made


def state_of(folder: Path, entry: Mapping[str, Any] | None, made: Aggregate, task: "Task") -> str:
    """How a target of that name compares with what was made: new, same or other. An unknown question is no other."""
    if entry is None:
        return "new"
    if (entry["construct"], entry.get("question") or task.question) != (task.about, task.question):
        return "other"
    if (entry["kind"], entry["values"], entry.get("vote_rule")) != (made.kind, made.values_are, made.vote_rule):
        return "other"
    path = folder / entry["file"]
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        return "other"
    table = read_parquet(path)
    assert table is not None
    old, new = table.to_pandas(), made.table()
    if set(old.columns) != set(new.columns) or len(old) != len(new):
        return "other"
    one, two = (table.assign(image_id=table["image_id"].astype("str")).set_index("image_id") for table in (old, new))
    if set(one.index) != set(two.index):
        return "other"
    one = one.loc[two.index, two.columns]
    return "same" if (one.to_numpy(dtype=float) == two.to_numpy(dtype=float)).all() else "other"


def put_target(folder: Path, meta: dict[str, Any], name: str, made: Aggregate, fresh: Mapping[str, Any]) -> list[Path]:
    """Write one target, and its entry after it. While its file is replaced, the entry names the one that is kept."""
    kept, entry, file = [], meta["targets"].get(name), file_of(name)
    if entry is not None:
        if (folder / entry["file"]).exists() and entry["file"] == file:
            kept.append(keep(folder / file))
            meta["targets"][name] = entry | {"file": kept[-1].name}
            write_json(folder / META, meta)
    elif (folder / file).exists():  # what no entry names
        kept.append(keep(folder / file))
    write_parquet(folder / file, made.table())
    meta["targets"][name] = dict(fresh)
    write_json(folder / META, meta)
    return kept


def asked_of(task: "Task") -> dict[str, str]:
    """What dataset.json says of what people were asked."""
    return {"construct": task.about, "question": task.question}


def entry_of(name: str, made: Aggregate, task: "Task") -> dict[str, Any]:
    """What dataset.json says of a task's target."""
    taxonomy = task.taxonomy
    if not taxonomy:
        taxonomy = {"name": task.name, "labels": {label: {} for label in task.labels}}
    return {
        "kind": made.kind,
        "construct": task.about,
        "taxonomy": taxonomy if isinstance(taxonomy, str) else dict(taxonomy),
        "question": task.question,
        **made_of(name, made),
    }


def made_of(name: str, made: Aggregate) -> dict[str, Any]:
    """The part of its entry that says how it was made."""
    return {
        "kind": made.kind,
        "values": made.values_are,
        "file": file_of(name),
        **({} if made.vote_rule is None else {"vote_rule": made.vote_rule}),
        "made_by": f"{made.method}: {made.made_by}",
    }


def file_of(name: str) -> str:
    """The file of its table."""
    return f"targets-{name}.parquet"


def people_of(made: Aggregate) -> str:
    """How many images and answers it has, in words."""
    return f"{len(made.image_id)} images, {made.n.mean():.1f} answers each"


def said_of(name: str, made: Aggregate, judgements: int) -> str:
    """What is said of a target that was written."""
    left_out = "".join(f"; {count} left out: {why}" for why, count in made.left_out.items())
    return f"target {name}: {people_of(made)}, from all {judgements} judgements in the data set{left_out}"


def write_target(path: str | Path, made: Aggregate, *, replace: bool = False) -> None:
    """Write a target as a Parquet file of its own: image_id, n, then one column per label.

    Raises BadExport where a file is there and `replace`, which keeps it beside the new one, was not asked for.
    """
    make_way(Path(path), replace=replace)
    write_parquet(Path(path), made.table())
