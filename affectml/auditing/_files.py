"""Whether the files of a data set keep what they promise: nothing is written, no torch is loaded."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from affectml.data import Dataset
from affectml.duplicates import read_each
from affectml.embeddings.store import AGAIN, FOLDER, EmbeddingStore
from affectml.errors import AffectmlError, BadInput
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
    """Look at every promise of a data set's files; every image is read, and nothing is written.

    Args:
        place: the folder. Its stores of embeddings are looked at, too.

    Returns:
        The promises in order, with at most 20 lines each. What says what the others are (dataset.json) comes first;
        where that is damaged, it is all.

    Raises:
        BadInput: where the place is no data set.
    """
    if not (Path(place) / "dataset.json").exists():
        raise BadInput(f"{place}: no dataset.json there; name a data set or a label database")
    return looked_at(of_dataset(Path(place)))


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
