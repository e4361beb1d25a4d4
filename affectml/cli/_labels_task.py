"""What `affectml labels` needs to turn data sets, runs and files into calls of `affectml_annotation`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.taxonomies import Taxonomy, get_taxonomy
from affectml_annotation import LabelStore, TaskSettings, aggregate, found_labels, read_judgements, write_judgements
from affectml_annotation.exchange.dataset_folder import write_dataset_folder
from affectml_annotation.exchange.formats import guess_format
from affectml_annotation.store.label_store import is_database
from affectml_annotation.uncertainty import disagreement, model_uncertainty


@dataclass(frozen=True, eq=False)
class Source:
    """Judgements and what goes with them, wherever they lie."""

    judgements: pd.DataFrame
    labels: tuple[str, ...]
    checks: pd.DataFrame | None = None
    repeats: pd.DataFrame | None = None
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def attribute(self, name: str | None) -> dict[str, object] | None:
        """Annotator to their value of an attribute; None where none was asked for."""
        if name is None:
            return None
        return {who: values[name] for who, values in self.attributes.items() if values.get(name) is not None}


def open_source(source: str) -> Source:
    """A label database, a data set folder with judgements, or a file of them."""
    if is_database(source):
        with LabelStore(source, must_exist=True) as store:
            rounds, checks, people = store.rounds(), store.checks(), store.annotators()
            return Source(
                judgements=store.judgements(),
                labels=store.settings.labels,
                checks=checks if len(checks) else None,
                repeats=rounds[rounds["purpose"] == "repeat"],
                attributes=dict(zip(people["annotator_id"], people["attributes"], strict=True)),
            )
    path = Path(source)
    if not path.exists():
        raise BadInput(f"{source}: no such file or folder")
    judgements = read_judgements(path)
    if guess_format(path) != "dataset":
        return Source(judgements, found_labels(judgements))
    dataset = Dataset.open(path)
    shared = path / "annotators.parquet"
    people = pd.read_parquet(shared).set_index("annotator_id") if shared.exists() else pd.DataFrame()
    return Source(
        judgements,
        _taxonomy_of(dataset).labels,
        attributes={str(who): {str(k): v for k, v in row.dropna().items()} for who, row in people.iterrows()},
    )


def _taxonomy_of(dataset: Dataset) -> Taxonomy:
    for target in dataset.meta.targets.values():
        return target.resolve_taxonomy()
    raise BadInput(f"{dataset.root}: the data set has no target to take labels from; name a --taxonomy")


def make_task(
    folder: Path, *, taxonomy: str | None, question: str | None, stratum: str | None, **options: Any
) -> tuple[TaskSettings, pd.DataFrame]:
    """Settings and images of a task on a data set's images."""
    dataset = Dataset.open(folder)
    chosen = get_taxonomy(taxonomy) if taxonomy else _taxonomy_of(dataset)
    asked = question or dataset.meta.question
    if not asked:
        raise BadInput(f"{folder}: the data set does not say what people were asked; give --question")
    images = dataset.images
    if stratum is not None:
        if stratum not in images:
            raise BadInput(f"{folder}: images.parquet has no column {stratum!r} to stratify by")
        images = images.assign(stratum=images[stratum])
    named = chosen.name if taxonomy in (None, chosen.name) and _is_builtin(chosen.name) else chosen.to_dict()
    settings = TaskSettings(
        labels=chosen.labels,
        question=asked,
        construct=dataset.meta.construct,
        name=dataset.name,
        taxonomy=named,
        **options,
    )
    return settings, images[[name for name in ("image_id", "file", "stratum") if name in images]]


def _is_builtin(name: str) -> bool:
    from affectml.taxonomies import builtin_names

    return name in builtin_names()


def export_store(
    store: LabelStore,
    to: Path,
    kind: str | None,
    *,
    target: str,
    method: Any,
    images_root: Path | None,
    rounds: Any,
) -> dict[str, Any]:
    """Write a store's judgements; returns how many and what is to be said of it."""
    judgements, settings = store.judgements(), store.settings
    if kind is None:
        kind = "dataset" if to.suffix == "" else guess_format(to)
    notes: list[str] = []
    if kind == "dataset":
        weights: Literal["agreement"] | None = "agreement" if method == "weighted" else None
        made = aggregate(judgements, settings.labels, method, weights=weights, rounds=rounds)
        people = store.annotators()
        shared = pd.DataFrame({"annotator_id": people["annotator_id"]})
        shared = pd.concat([shared, pd.DataFrame(people["attributes"].tolist(), index=shared.index)], axis=1)
        notes = write_dataset_folder(
            to, settings, store.images(), judgements, {target: made}, annotators=shared, images_root=images_root
        )
        notes += [f"{count} images left out of target {target}: {why}" for why, count in made.left_out.items()]
    else:
        notes = write_judgements(judgements, to, kind, name=settings.name, question=settings.question)  # type: ignore[arg-type]
    return {"rows": len(judgements), "to": str(to), "format": kind, "notes": notes}


def images_to_queue(store: LabelStore, queue: Path | None, top: int) -> list[str]:
    """Image ids: from a text file, from a run's predictions (most uncertain first), or by people's disagreement."""
    labels = store.settings.labels
    if queue is None:
        return [str(i) for i in disagreement(store.judgements(), labels).index[:top]]
    if queue.is_dir():
        path = queue / "predictions.parquet"
        if not path.exists():
            raise BadInput(f"{queue}: no predictions.parquet in it, so it is no run folder")
        known = set(store.images()["image_id"])
        found = [str(i) for i in model_uncertainty(pd.read_parquet(path), labels).index if i in known]
        if not found:
            raise BadInput(f"{queue}: none of the run's images is in this task")
        return found[:top]
    if not queue.exists():
        raise BadInput(f"{queue}: no such file or run folder")
    lines = [line.strip() for line in queue.read_text(encoding="utf-8").splitlines()]
    return list(dict.fromkeys(line for line in lines if line))


def read_checks(path: Path) -> pd.DataFrame:
    """A CSV of attention checks."""
    table = pd.read_csv(path, dtype="str", keep_default_na=False)
    missing = [name for name in ("image_id", "accepted", "forbidden") if name not in table]
    if missing:
        raise BadInput(f"{path}: no column {missing[0]} (expected image_id, accepted, forbidden)")
    for name in ("accepted", "forbidden"):
        lists = [[label for label in cell.split("|") if label] for cell in table[name]]
        table[name] = pd.Series(lists, dtype=object)
    return table
