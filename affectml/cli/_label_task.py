"""What `affectml label` needs to turn data sets, runs and files into calls of `affectml_annotation`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from affectml._files import need_file
from affectml.data import Dataset
from affectml.data.choose import image_finder
from affectml.data.dataset import STOPPED
from affectml.errors import BadDataset, BadInput, did_you_mean
from affectml.importers.find import read_lines
from affectml.importers.read import read_table
from affectml.judging.answers import SystemAnswers
from affectml.people.labelling import taxonomy_of, with_files
from affectml_annotation import (
    AnnotationError,
    LabelStore,
    StoreError,
    aggregate,
    found_labels,
    read_judgements,
    validate_judgements,
    write_judgements,
)
from affectml_annotation.agreement.by_group import pooled_words
from affectml_annotation.exchange import format_of
from affectml_annotation.exchange.dataset_folder import Collected, note_written, write_dataset_folder
from affectml_annotation.judgements import only_data
from affectml_annotation.store import is_database
from affectml_annotation.store.place import dataset_of, default_database, find_database, holds_task, shown
from affectml_annotation.uncertainty import model_uncertainty

PREDICTIONS = (".csv", ".parquet", ".jsonl")  # a text file lists images


@dataclass(frozen=True, eq=False)
class Source:
    """Judgements and what goes with them, wherever they lie. stopped: what is to be said where images stopped early."""

    where: str
    judgements: pd.DataFrame
    labels: tuple[str, ...]
    checks: pd.DataFrame | None = None
    repeats: pd.DataFrame | None = None
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stopped: str | None = None

    def grouped(self, by: str) -> tuple[pd.DataFrame, str]:
        """The judgements with a column to compare by, and its name: their language, or an attribute of who answered.

        Raises BadInput where nothing of that name is known.
        """
        if by == "language" and by in self.judgements and self.judgements[by].notna().any():
            return self.judgements, by
        values = {who: mine[by] for who, mine in self.attributes.items() if mine.get(by) is not None}
        if not values:
            known = sorted({name for mine in self.attributes.values() for name in mine})
            raise BadInput(
                f"--by {by}: {self.where} knows that of nobody{did_you_mean(by, known)} (known of people: "
                f"{', '.join(known) or 'nothing'}; of answers: language, where it was kept)"
            )
        column = f"{by} of who answered" if by in self.judgements else by
        return self.judgements.assign(**{column: self.judgements["annotator_id"].map(values)}), column


def open_source(source: str | None, empty: str | None = None) -> Source:
    """A label database (without a name the only one here), a data set folder with judgements, or a file of them.

    empty: what a row of a file without labels and without a kind is.
    """
    if source is None or is_database(source):
        with open_task(source, to_read=True) as store:
            rounds, checks, people = store.rounds(), store.checks(), store.annotators()
            return Source(
                where=store.database.where,
                judgements=store.judgements(),
                labels=store.task.labels,
                checks=checks if len(checks) else None,
                repeats=rounds[rounds["purpose"] == "repeat"],
                attributes=dict(zip(people["annotator_id"], people["attributes"], strict=True)),
                stopped=None if store.stopping is None else STOPPED,
            )
    path = Path(source)
    if not path.is_dir():
        need_file(path)
    judgements = read_judgements(path, empty=empty)
    with _said_of(path):
        found = found_labels(judgements)
        validate_judgements(judgements, found)
    if format_of(path) != "dataset":
        return Source(source, judgements, found)
    dataset = Dataset.open(path)
    labels = taxonomy_of(dataset).labels
    if dataset.meta.taxonomy is not None and not set(found) <= set(labels):
        labels = found  # people were given others than the data set's own
    people = pd.DataFrame() if dataset.annotators is None else dataset.annotators.set_index("annotator_id")
    rows = people.rename(index=str).iterrows()
    attributes = {str(who): {str(k): v for k, v in row.dropna().items()} for who, row in rows}
    stopped = None if dataset.meta.stopping is None else STOPPED
    return Source(source, judgements, labels, attributes=attributes, stopped=stopped)


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """What is wrong with a table inside is said of the file that it was read from."""
    try:
        yield
    except AnnotationError as error:
        raise BadInput(f"{path}: {error}") from None


def new_database(db: str | None, dataset: Dataset) -> str:
    """Where a new task's answers go: what was named, else the data set's default, unless a task lies there."""
    if db is not None:
        return db
    path = default_database(dataset.root)
    if holds_task(path):
        raise BadInput(
            f"{dataset.root} has a task already, in {shown(path)}: `affectml label --on {dataset.root}` opens it, "
            "`affectml label assign` steers it; a second task on the same data set needs a database of its own: "
            "--db OTHER.db"
        )
    return shown(path)


def to_show(dataset: Dataset, images: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The images of a new task, those with a file as on the page, and what is to be said of the others.

    Where none has a file, all of them: judgements made elsewhere can be imported.
    """
    try:
        shown_ones = with_files(dataset, images)
    except BadDataset:
        return images, "no image has a file on this machine: judgements can be imported, the page cannot show any"
    left_out = len(images) - len(shown_ones)
    return shown_ones, f"{left_out} images without a file on this machine are left out" if left_out else ""


def named_database(db: str | None) -> str:
    """The database that a command means: what was named, that of a data set folder, else the only one here."""
    if db is None:
        return shown(find_database())
    if not is_database(db) and (Path(db) / "dataset.json").is_file():
        return shown(default_database(db))
    return db


def open_task(db: str | None, *, to_read: bool = False) -> LabelStore:
    """The label store that a command means; it must be there. to_read: one that cannot be written is good enough."""
    where = named_database(db)
    try:
        return LabelStore(where, must_exist=True)
    except StoreError as error:
        if to_read and Path(where).is_file():
            with suppress(StoreError):
                return LabelStore(where, must_exist=True, reads_only=True)
        raise error from None


def named_image(store: LabelStore, file: Path) -> Callable[[str], str]:
    """From what a file calls an image to the task's image_id, where it has such an image: `0.jpg` to `0`."""
    images = store.images()
    find, ids = image_finder(images, str(file)), images["image_id"].tolist()
    return lambda name: name if (row := find([name])) < 0 else ids[row]


def own_dataset(store: LabelStore) -> Path:
    """The data set whose task a store is; BadInput where its database lies beside none."""
    folder = dataset_of(store.database.where)
    if folder is None:
        raise BadInput(f"{store.database.where} lies beside no data set of its own: say where to write: --to")
    return Path(shown(folder))


def export_store(
    store: LabelStore, to: Path, *, target: str, method: Any, rounds: Any, images: Path | None, replace: bool
) -> dict[str, Any]:  # fmt: skip
    """Write a store's judgements; returns how many and what is to be said of it.

    target, method, images: of a data set, the target, how it is aggregated, and the folder of the image files.
    """
    kind, task, own = format_of(to), store.task, store.dataset
    told: dict[str, Any] = {"db": store.database.where, "to": str(to), "format": kind}
    if kind == "dataset":
        collected = Collected.of(store)
        make = partial(aggregate, labels=task.labels, method=method, rounds=rounds)
        done = write_dataset_folder(to, collected, {target: make}, images_root=images, replace=replace)
        told |= {"rows": len(collected.judgements)} | asdict(done)
        pooled = pooled_words(read_judgements(to), to)
        notes = [*told["notes"], *([pooled] if pooled else [])]
    else:
        judgements, notes = only_data(store.judgements(), "; `affectml label attention` shows how people did on them")
        write_judgements(judgements, to, replace=replace)
        told["rows"] = len(judgements)
    if own is not None and own.resolve() != to.resolve() and not note_written(own, to):
        notes = [*notes, f"no note of this export can be kept beside {own}"]
    return told | {"notes": notes}


def images_to_queue(store: LabelStore, queue: Path, top: int, *, people: int | None) -> list[str]:
    """Image ids: from a text file, or from a model's predictions (most uncertain first).

    Predictions are those in a run's folder (shares, else scores), or the table that `affectml predict --out` wrote.
    people: pass over the predicted images that so many have answered, since they would take places and be shown to
    nobody; None for none.
    """
    labels, known = store.task.labels, set(store.images()["image_id"])
    if queue.is_dir():
        run = SystemAnswers.read(queue)
        rates = run.scores if run.shares is None else run.shares
        table = pd.DataFrame(rates, columns=list(run.labels)).assign(image_id=run.image_id)
    elif queue.suffix.lower() in PREDICTIONS:
        table = read_table(queue).frame.rename(columns={"image": "image_id"})
    else:
        need_file(queue)
        lines = read_lines(queue)
        for number, line in lines:
            if line not in known:
                raise BadInput(f"{queue}, line {number}: no image {line!r} in this task{did_you_mean(line, known)}")
        return list(dict.fromkeys(line for _, line in lines))
    if "image_id" not in table:
        raise BadInput(f"{queue}: no column image; expected the table that `affectml predict --out` writes")
    with _said_of(queue):
        found = [str(image) for image in model_uncertainty(table, labels).index if image in known]
    if not found:
        raise BadInput(f"{queue}: none of its images is in this task")
    said = store.judgements(rounds=[1])
    counts = said["image_id"][said["kind"].isin(["labels", "none"])].value_counts()
    wanting = [image for image in found if people is None or counts.get(image, 0) < people]
    if not wanting:
        raise BadInput(f"{queue}: all its images have the answers that were asked for; ask more people with --more 1")
    return wanting[:top]


def read_checks(path: Path) -> pd.DataFrame:
    """A table of attention checks."""
    table = read_table(path).frame
    missing = [name for name in ("image_id", "accepted", "forbidden") if name not in table]
    if missing:
        raise BadInput(f"{path}: no column {missing[0]} (expected image_id, accepted, forbidden)")
    for name in ("accepted", "forbidden"):
        lists = [[label for label in cell.split("|") if label] for cell in table[name]]
        table[name] = pd.Series(lists, dtype=object)
    return table
