"""affectml's data set folder: judgements and targets added to one, or a new one made. Nothing is lost on the way.

Judgements are only ever added to. What would replace something is refused, all of it named, until it is asked for;
then the old file stays beside the new one, as `annotations.replaced-20260105T090000Z.parquet`.
DATASET-exports.jsonl, beside the data set, says where exports of it were written, and which targets count somebody who
was erased; no name is in it.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from dataclasses import replace as dataclasses_replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from affectml_annotation.aggregation import Aggregate
from affectml_annotation.errors import BadExport, BadImport
from affectml_annotation.exchange import files
from affectml_annotation.exchange.merging import Merged, merge_judgements, merge_people
from affectml_annotation.exchange.tables import from_files
from affectml_annotation.judgements import are_data, only_data

if TYPE_CHECKING:  # the store imports the exchange
    from affectml_annotation.store import LabelStore, Task

NAME = re.compile(r"\w[\w .+-]{0,99}")
NO_IMAGES = "no image files were copied: name their folder (--images) when you make the data set"
ANNOTATIONS, ANNOTATORS = "annotations.parquet", "annotators.parquet"
META, SCHEMA = "dataset.json", 2
MakeTarget = Callable[[pd.DataFrame], Aggregate]


@dataclass(frozen=True, eq=False)
class Collected:
    """What a task has collected. images: image_id and file. annotators: annotator_id and the attributes they share.

    withdrawn: the event ids of people who withdrew since, and who they are. stopping: how images stopped early, in a
    task from when they could. notes: what is to be said of what was left out.
    """

    task: "Task"
    images: pd.DataFrame
    judgements: pd.DataFrame
    annotators: tuple[Mapping[str, Any], ...] = ()
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    stopping: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, store: "LabelStore") -> "Collected":
        """The current answers in a store, of people who did not withdraw.

        Images that a study made for practice and checks, and what was said of them, are left out, unless people were
        asked about them as about others. Checks and repeats on other images stay: their `purpose` says what they are.
        """
        people, images, every = store.annotators(), store.images(), store.judgements()
        made = store.dictated() - set(every["image_id"][are_data(every)])
        judgements = every[~every["image_id"].isin(made)]
        left = len(every) - len(judgements)
        words = f"left out: {left} answers to images that say what to choose; `affectml label attention` judges them"
        notes = only_data(judgements, "; annotations.parquet has them, with their `purpose`")[1] + [words] * (left > 0)
        answered = people[people["annotator_id"].isin(judgements["annotator_id"])]
        events = store.events(people=list(people["annotator_id"][people["withdrawn"]]))
        pairs = zip(answered["annotator_id"], answered["attributes"], strict=True)
        shared = tuple({"annotator_id": who, **attributes} for who, attributes in pairs)
        withdrawn = dict(zip(events["event_id"], events["annotator_id"], strict=True))
        images = images[~images["image_id"].isin(made)]
        return cls(store.task, images, judgements, shared, withdrawn, store.stopping, tuple(notes))


@dataclass(frozen=True)
class Exported:
    """What an export did: judgements new, the same as there, and written over; files kept; what else is to be said."""

    new: int
    same: int
    replaced: int = 0
    kept: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write_dataset_folder(
    folder: str | Path,
    collected: Collected,
    targets: Mapping[str, MakeTarget],
    *,
    images_root: str | Path | None = None,
    replace: bool = False,
) -> Exported:
    """Add what a task has collected to a data set: annotations.parquet, targets-NAME.parquet and, last, dataset.json.

    An existing data set keeps everything it has: judgements are merged (see `merge_judgements`), and each target is
    made from all judgements the data set then has, by calling it with their table. replace: judgements in conflict, and
    targets of that name with other content, are written over, and the old files are kept beside the new; without it
    they are refused. A new folder gets images.parquet from `images` and, with `images_root`, copies of the files.

    Raises BadExport, all or nothing: no answers, another construct, question or labels than the judgements there, an
    image that the folder lacks, judgements of people who withdrew since, or what would be replaced.
    """
    folder = Path(folder)
    if collected.judgements.empty:
        raise BadExport(str(folder), ["the task has no answers yet"])
    for name in targets:
        if not NAME.fullmatch(name):
            allowed = "use letters, digits, - and _, at most 100"
            raise BadExport(str(folder), [f"{name!r} is no name of a target"], allowed)
    if (folder / META).is_file():
        with files.writing_in_turn(folder), files.all_or_none(folder):
            done = _extend(folder, collected, targets, replace)
        if images_root is None:
            return done
        stay = "no image files were copied: the data set is there already, and its images stay as they are"
        return dataclasses_replace(done, notes=(stay, *done.notes))
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise BadExport(str(folder), ["exists, and is no data set (no dataset.json)"], "name a new folder")
    return _make(folder, collected, targets, images_root)


def _make(
    folder: Path, collected: Collected, targets: Mapping[str, MakeTarget], images_root: str | Path | None
) -> Exported:
    table = pd.DataFrame({"image_id": collected.images["image_id"].astype("str")})
    if images_root is not None and (own := files.read_parquet(Path(images_root) / "images.parquet")) is not None:
        # of a data set its columns come along: its split, its groups, what to be warned of
        theirs = own.to_pandas(ignore_metadata=True).drop(columns="file", errors="ignore")
        table = table.merge(theirs.astype({"image_id": "str"}), on="image_id", how="left")
    if "file" in collected.images and images_root is not None:
        table["file"] = collected.images["file"]
    with files.new_folder(folder) as fresh:
        for file in table["file"].dropna() if "file" in table else []:
            source = Path(str(images_root)) / file
            if not source.is_file() or not source.resolve().is_relative_to(Path(str(images_root)).resolve()):
                raise BadExport(str(source), ["no such image file under the images' folder"])
            (fresh / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, fresh / file)
        files.write_parquet(fresh / "images.parquet", table)
        about = {"name": collected.task.name, "source": "labelled with affectml"}
        files.write_json(fresh / META, {"schema": SCHEMA, **about, "targets": {}})
        try:
            done = _extend(fresh, collected, targets, replace=False)
        except BadExport as error:
            raise BadExport(str(folder), error.problems, error.way_out) from None
    return dataclasses_replace(done, notes=(*(() if "file" in table else (NO_IMAGES,)), *done.notes))


def _extend(folder: Path, collected: Collected, targets: Mapping[str, MakeTarget], replace: bool) -> Exported:
    there = files.read_parquet(folder / ANNOTATIONS)
    meta = _read_meta(folder)
    merged = merge_judgements(there, collected.judgements, str(folder / ANNOTATIONS))
    _check(folder, meta, collected, there, merged)
    people, otherwise = merge_people(files.read_parquet(folder / ANNOTATORS), collected.annotators)
    made = aggregates(folder, targets, merged.judgements)
    task = collected.task
    state = {name: state_of(folder, meta["targets"].get(name), one, task) for name, one in made.items()}
    problems = [f"judgement in conflict: {line}" for line in merged.conflicts]
    problems += [f"annotator in conflict: {line}" for line in otherwise]
    problems += [
        f"target {name} has other content ({people_of(made[name])} now), or answers another question"
        for name in state
        if state[name] == "other"
    ]
    if problems and not replace:
        raise BadExport(str(folder), problems, files.WAY_OUT)
    kept, notes = [], []
    asked = {"construct": task.about, "question": task.question}
    said = meta.get("judgements") == asked and (collected.stopping is None or "stopping" in meta)
    if "other" in state.values():
        kept.append(files.keep(folder / META))
    if not said:  # before the judgements: what is written of them is never missing
        meta["judgements"] = asked
        if collected.stopping is not None:
            meta.setdefault("stopping", dict(collected.stopping))
        files.write_json(folder / META, meta)
    changed = merged.content if merged.new or merged.conflicts else None
    for name, table, differs in ((ANNOTATIONS, changed, merged.conflicts), (ANNOTATORS, people, otherwise)):
        if table is not None:
            kept += [files.keep(folder / name)] if differs else []
            files.write_parquet(folder / name, table)
    for name, one in made.items():
        if state[name] == "same":
            notes.append(f"target {name} is there already, with the same content")
            continue
        kept += put_target(folder, meta, name, one, entry_of(name, one, about_of(task)))
        out = "".join(f"; {count} left out: {why}" for why, count in one.left_out.items())
        every = are_data(merged.judgements).sum()
        notes.append(f"target {name}: {people_of(one)}, from all {every} judgements in the data set{out}")
    notes += collected.notes
    return Exported(merged.new, merged.same, len(merged.conflicts), tuple(path.name for path in kept), tuple(notes))


def _check(folder: Path, meta: Mapping[str, Any], collected: Collected, there: pa.Table | None, merged: Merged) -> None:
    """Raise BadExport for what cannot stand in one data set, asked for or not."""
    task, elsewhere = collected.task, "export to a new folder"
    asked = meta.get("judgements") or {}
    if there is not None and asked.get("construct", task.about) != task.about:
        what = f"holds judgements of what is {asked['construct']}, the task asked for what is {task.about}"
        raise BadExport(str(folder), [what], elsewhere)
    images = files.read_parquet(folder / "images.parquet")
    if images is not None and "image_id" not in images.column_names:
        raise BadExport(str(folder / "images.parquet"), ["no column image_id"])
    known = set() if images is None else {str(image) for image in images["image_id"].to_pylist()}
    strange = [image for image in collected.judgements["image_id"] if image not in known]
    if strange:
        raise BadExport(str(folder), [f"has no image {strange[0]!r} ({len(set(strange))} such)"], elsewhere)
    if there is None:
        return
    labels = dict.fromkeys(label for given in merged.judgements["labels"] for label in given)
    others = [label for label in labels if label not in task.labels]
    if others:
        what = f"its judgements have labels that the task has not ({', '.join(others)})"
        raise BadExport(str(folder), [what], elsewhere)
    old = len(merged.judgements) - merged.new - merged.same - len(merged.conflicts)
    if old and asked.get("question") and asked["question"] != task.question:
        what = f"{old} of its judgements answer {asked['question']!r}, the task's {task.question!r}"
        raise BadExport(str(folder), [what], f"answers to two questions cannot be counted together: {elsewhere}")
    if "event_id" in there.column_names:
        gone = [collected.withdrawn[e] for e in there["event_id"].to_pylist() if e in collected.withdrawn]
        if gone:
            names = ", ".join(sorted(set(gone)))
            what = f"holds {len(gone)} judgements of people who withdrew since ({names})"
            new = f"`affectml label export --to NEW --images {folder} --target NAME` makes a data set without them"
            erase = f"`affectml label remove erase {folder} NAME ...` takes them out, for good"
            raise BadExport(str(folder), [what], f"{new} (a withdrawal can be undone for a week); {erase}")


def make_target_again(folder: str | Path, name: str, make: MakeTarget) -> tuple[str, ...]:
    """Make a target anew of the judgements that a data set has now; returns the names of the old files, which are kept.

    What its labels are about, and what people were asked, stays. Raises BadExport where there is no such target, or it
    would have no image, and BadImport where there are no judgements.
    """
    folder = Path(folder)
    with files.writing_in_turn(folder), files.all_or_none(folder):
        meta = _read_meta(folder)
        if name not in meta["targets"]:
            have = ", ".join(meta["targets"]) or "none"
            raise BadExport(str(folder), [f"has no target {name!r} to make again (it has: {have})"])
        made = aggregates(folder, {name: make}, read_dataset_judgements(folder))[name]
        kept = [files.keep(folder / META)]
        kept += put_target(folder, meta, name, made, entry_of(name, made, meta["targets"][name]))
        return tuple(path.name for path in kept)


def _read_meta(folder: Path) -> dict[str, Any]:
    """dataset.json. Raises BadExport if it has another schema or is not a data set's description."""
    try:
        stored = json.loads((folder / META).read_text(encoding="utf-8"))
        json.dumps(stored, ensure_ascii=False, allow_nan=False).encode()  # it is written again
    except (ValueError, RecursionError) as error:
        raise BadExport(str(folder / META), [f"not valid JSON ({error})"]) from None
    if isinstance(stored, dict) and (schema := stored.get("schema", SCHEMA)) != SCHEMA:
        what = f"schema {schema!r}, but this affectml writes {SCHEMA}"
        raise BadExport(str(folder / META), [what], "use the version that wrote it, or a new folder")
    meta = {"schema": SCHEMA, **stored} if isinstance(stored, dict) else {"targets": None}
    targets = meta.setdefault("targets", {})
    whole = isinstance(targets, dict) and all(
        isinstance(entry, dict) and {"kind", "construct", "values", "file"} <= set(entry) for entry in targets.values()
    )
    if not whole or not isinstance(meta.get("judgements") or {}, dict):
        raise BadExport(str(folder / META), ["is not a data set's description"], "Dataset.open says what is wrong")
    return meta


def read_dataset_judgements(folder: str | Path, empty: str | None = None) -> pd.DataFrame:
    """The judgements of a data set folder. empty: see `from_files`."""
    path = Path(folder) / ANNOTATIONS
    if not path.is_file():
        what = "no annotations.parquet: this data set holds no judgements; `affectml label export` adds a task's"
        raise BadImport(str(folder), [what])
    with files.readable(path):
        table = files.read_frame(path)
    return from_files(table, str(path), empty)


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
    asked = (entry["construct"], entry.get("question") or task.question)
    how, path = (entry["kind"], entry["values"], entry.get("vote_rule")), folder / entry["file"]
    if asked != (task.about, task.question) or how != (made.kind, made.values_are, made.vote_rule):
        return "other"
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        return "other"
    old, new = (
        table.astype({"image_id": "str"}).set_index("image_id").astype(float).sort_index().sort_index(axis="columns")
        for table in (pd.read_parquet(path), made.table())
    )
    return "same" if old.equals(new) else "other"


def put_target(folder: Path, meta: dict[str, Any], name: str, made: Aggregate, fresh: dict[str, Any]) -> list[Path]:
    """Write one target, and its entry after it. While its file is replaced, the entry names the one that is kept."""
    kept, entry, file = [], meta["targets"].get(name), file_of(name)
    if entry is not None:
        if (folder / entry["file"]).exists() and entry["file"] == file:
            kept.append(files.keep(folder / file))
            meta["targets"][name] = entry | {"file": kept[-1].name}
            files.write_json(folder / META, meta)
    elif (folder / file).exists():  # what no entry names
        kept.append(files.keep(folder / file))
    files.write_parquet(folder / file, made.table())
    meta["targets"][name] = fresh
    files.write_json(folder / META, meta)
    return kept


def about_of(task: "Task") -> dict[str, Any]:
    """What dataset.json says of a task's targets, however they are made."""
    taxonomy = task.taxonomy or {"name": task.name, "labels": {label: {} for label in task.labels}}
    taxonomy = taxonomy if isinstance(taxonomy, str) else dict(taxonomy)
    return {"construct": task.about, "taxonomy": taxonomy, "question": task.question}


def entry_of(name: str, made: Aggregate, about: Mapping[str, Any]) -> dict[str, Any]:
    """What dataset.json says of a target: what it is about, and how it was made."""
    entry = {key: value for key, value in about.items() if key != "vote_rule"}
    entry |= {"kind": made.kind, "values": made.values_are, "file": file_of(name)}
    rule = {} if made.vote_rule is None else {"vote_rule": made.vote_rule}
    return {**entry, **rule, "made_by": f"{made.method}: {made.made_by}"}


def file_of(name: str) -> str:
    """The file of its table."""
    return f"targets-{name}.parquet"


def people_of(made: Aggregate) -> str:
    """How many images and answers it has, in words."""
    return f"{len(made.image_id)} images, {made.n.mean():.1f} answers each"


def write_target(path: str | Path, made: Aggregate, *, replace: bool = False) -> None:
    """Write a target as a Parquet file of its own: image_id, n, then one column per label.

    Raises BadExport where a file is there and `replace`, which keeps it beside the new one, was not asked for.
    """
    files.make_way(Path(path), replace=replace)
    files.write_parquet(Path(path), made.table())


def note_export(folder: str | Path, **what: Any) -> bool:
    """Add a line to what a data set's exports have written; False where none can be written beside it."""
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **what}
    try:
        with _notes_of(folder).open("a", encoding="utf-8") as out:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError:
        return False
    return True


def note_written(folder: str | Path, to: str | Path) -> bool:
    """Remember that an export of a data set was written to a file or folder; see `note_export`."""
    place = os.path.relpath(Path(to).resolve(), _notes_of(folder).parent)
    return any(line.get("wrote") == place for line in noted(folder)) or note_export(folder, wrote=place)


def noted(folder: str | Path) -> list[dict[str, Any]]:
    """The lines that `note_export` added, oldest first; one that a killed command left half is passed over."""
    found = []
    with suppress(OSError):
        for text in _notes_of(folder).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(text))
    return [line for line in found if isinstance(line, dict)]


def _notes_of(folder: str | Path) -> Path:
    folder = Path(folder).resolve()
    return folder.with_name(f"{folder.name}-exports.jsonl")
