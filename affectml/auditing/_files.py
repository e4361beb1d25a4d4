"""Whether the files of a data set, a run or a store keep what they promise: nothing is written, no torch is loaded."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from affectml.data import Dataset
from affectml.duplicates import read_each
from affectml.embeddings.store import AGAIN, FOLDER, EmbeddingStore
from affectml.errors import AffectmlError, BadInput
from affectml.judging.answers import FILE as ANSWERS
from affectml.people.known import people_file, read_people
from affectml.runs import RunFolder
from affectml_annotation.errors import AnnotationError
from affectml_annotation.exchange import read_judgements
from affectml_annotation.exchange.tables import import_problems
from affectml_annotation.judgements import found_labels

Look = tuple[str, Callable[[], Any]]
EXAMPLES = 20


@dataclass(frozen=True)
class FilePromise:
    """A promise of the files at a place. wrong: in what it is not kept, each with the file and the way out."""

    promise: str
    wrong: tuple[str, ...]


def audit_files(place: str | Path) -> list[FilePromise]:
    """Look at every promise of a data set's, a run's or a store's files; nothing is written.

    Args:
        place: the folder. Of a data set every image is read, and its stores of embeddings are looked at, too; of a run
            its people file, and whether its data set is as it was, where that is found.

    Returns:
        The promises in order, with at most 20 lines each. What says what the others are (dataset.json, run.json,
        encoder.json) comes first; where that is damaged, it is all.

    Raises:
        BadInput: where the place is none of these.
    """
    for name, looks in (("dataset.json", of_dataset), ("run.json", _of_run), ("encoder.json", _of_store)):
        if (Path(place) / name).exists():
            return looked_at(looks(Path(place)))
    folders = "dataset.json (a data set), run.json (a run) or encoder.json (a store of embeddings)"
    raise BadInput(f"{place}: no files of affectml there; name a label database, or a folder with {folders}")


def looked_at(looks: Iterator[Look]) -> list[FilePromise]:
    """The promises, each with what is wrong."""
    promises = []
    for promise, look in looks:
        try:
            told = look()
            wrong = tuple(islice(told, EXAMPLES)) if isinstance(told, Iterator) else (told,) * isinstance(told, str)
        except (AffectmlError, AnnotationError, OSError) as error:
            wrong = (str(error),)
        promises.append(FilePromise(promise, wrong))
    return promises


def of_dataset(folder: Path, *, images: bool = True) -> Iterator[Look]:
    """The promises of a data set and its stores. images: whether every image is read."""
    yield "dataset.json describes a data set", lambda: Dataset.open(folder).meta.resolve_taxonomy()
    with suppress(AffectmlError):
        data = Dataset.open(folder)
        yield "images.parquet names each image once", lambda: data.images
        if images:
            yield "every image file can be read", partial(_images, data)
        for name, entry in data.meta.targets.items():
            yield f"{entry.file} holds target {name}", partial(data.target, name)
            yield f"target {name} counts answers that are there", partial(data.outdated, name)
        if (folder / "annotations.parquet").exists():
            yield "annotations.parquet has a person's answer to an image in a round once", partial(_judgements, data)
        if (folder / "annotators.parquet").exists():
            yield "annotators.parquet names each person once", partial(_people, data)
        for name, chosen in data.meta.selections.items():
            yield f"{chosen.file} holds selection {name}", partial(_selection, data, name)
    for store in sorted(
        {path.parent for name in ("encoder.json", "*.npy") for path in folder.glob(f"{FOLDER}/*/{name}")}
    ):
        yield from ((f"{store.name}: {promise}", look) for promise, look in _of_store(store))


def _images(data: Dataset) -> Iterator[str]:
    names = [] if "file" not in data.images else map(str, data.images["file"].dropna())
    for _, error in read_each({name: data.image_path(name) for name in names}, "reading images"):
        if isinstance(error, BadInput):
            yield f"{error}; put it there from a copy, or take its row out"


def _judgements(data: Dataset) -> Iterator[str]:
    table = read_judgements(data.root)
    for problem in import_problems(table, found_labels(table), images=data.images["image_id"]):
        yield f"{data.root / 'annotations.parquet'}: {problem}; mend it, or take it out"


def _people(data: Dataset) -> Iterator[str]:
    people = data.annotators
    if people is not None:
        for who in people["annotator_id"][people["annotator_id"].duplicated()]:
            yield f"{data.root / 'annotators.parquet'}: {who!r} has two rows; take one out"


def _selection(data: Dataset, name: str) -> Iterator[str]:
    path = data.image_path(data.meta.selections[name].file)
    for image in sorted({*data.selection(name)} - {*data.images["image_id"]}):
        yield f"{path}: image {image!r} is not in images.parquet; take it out"


def _of_store(folder: Path) -> Iterator[Look]:
    yield "encoder.json says what made the embeddings", partial(EmbeddingStore.open, folder)
    with suppress(AffectmlError):
        store = EmbeddingStore.open(folder)
        yield "the lists say which image has which row", lambda: store.table
        yield "the parts have a finite embedding of each", partial(_parts, store)
        yield "the parts say what computed them", lambda: store.ran


def _parts(store: EmbeddingStore) -> Iterator[str]:
    table = store.table
    for name in store.misfits():
        yield f"{store.folder / name}: no list names its images, so that nobody knows whose they are; {AGAIN}"
    for image in table["image_id"][table.duplicated(["part", "row"])]:
        yield f"{store.folder}: image {image!r} has the row of another; {AGAIN}"
    for _ in store.on_disk(table["image_id"]).parts():  # raises for a part that is damaged
        pass


def _of_run(folder: Path) -> Iterator[Look]:
    yield "run.json says what was trained", lambda: RunFolder.open(folder).taxonomy
    with suppress(AffectmlError):
        run = RunFolder.open(folder)
        dataset = Path(run.info.config.dataset or "")
        yield "the head loads", lambda: run.head
        if run.info.command is not None:  # a shared run and imported weights have no scores
            yield "metrics.csv, scores.parquet and facts.json hold what was found", lambda: run.evaluation
            yield f"{ANSWERS} has a finite score of each label", partial(_answers, run)
        if people_file(folder).exists():
            yield f"{people_file(folder).name} is this head's", partial(read_people, run)
        if (dataset / "dataset.json").is_file():
            yield f"{dataset} is as the run learned from it", partial(_same_data, run, dataset)


def _answers(run: RunFolder) -> Iterator[str]:
    for label, scores in run.model_answers.frame.items():
        if not np.isfinite(scores).all():
            yield f"{run.folder / ANSWERS}: no finite score of {label!r} for each image: train again"


def _same_data(run: RunFolder, dataset: Path) -> str | None:
    what = f"target {run.info.data.target}, the split or image files were changed since the run was trained"
    same = Dataset.open(dataset).has_fingerprint(run.info.data.fingerprint, run.info.data.target)
    return None if same else f"{dataset}: {what}; put them back, or train again"
