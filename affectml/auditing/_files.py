"""Whether the files of a data set, a run or a store of embeddings keep what they promise."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml._progress import track
from affectml.data import Dataset
from affectml.embeddings.store import AGAIN, FOLDER, EmbeddingStore, shard_path
from affectml.encoders.images import read_image
from affectml.errors import AffectmlError, BadDataset, BadInput
from affectml.judging.answers import FILE as ANSWERS
from affectml.people.known import people_file, read_people
from affectml.runs import RunFolder
from affectml_annotation.errors import AnnotationError
from affectml_annotation.exchange.checking import import_problems
from affectml_annotation.exchange.formats import read_judgements
from affectml_annotation.judgements import found_labels

# A promise, and what looks at it: it raises for a damaged file, or gives what is wrong, one line or several.
Look = tuple[str, Callable[[], Any]]
EXAMPLES = 20
SHARDS = "shard-*.npy"


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
    folder = Path(place)
    kinds = {"dataset.json": of_dataset, "run.json": _of_run, "encoder.json": _of_store}
    looks = next((looks for name, looks in kinds.items() if (folder / name).exists()), None)
    if looks is None:
        folders = "dataset.json (a data set), run.json (a run) or encoder.json (a store of embeddings)"
        raise BadInput(f"{place}: no files of affectml there; name a label database, or a folder with {folders}")
    return looked_at(looks(folder))


def looked_at(looks: Iterator[Look]) -> list[FilePromise]:
    """The promises, each with what is wrong."""
    found = []
    for promise, look in looks:
        try:
            said = look()
            wrong = tuple(islice(said, EXAMPLES)) if isinstance(said, Iterator) else (said,) * isinstance(said, str)
        except (AffectmlError, AnnotationError, OSError) as error:
            wrong = (str(error),)
        found.append(FilePromise(promise, wrong))
    return found


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
            yield f"{chosen.file} holds selection {name}", partial(_selection, data, chosen.file)
    kept = {path.parent for name in ("encoder.json", SHARDS) for path in folder.glob(f"{FOLDER}/*/{name}")}
    for store in sorted(kept):
        yield from ((f"{store.name}: {promise}", look) for promise, look in _of_store(store))


def _images(data: Dataset) -> Iterator[str]:
    named = data.images.get("file", pd.Series(dtype=object)).dropna()
    for name in track(named, "reading images", len(named), "images"):
        try:
            read_image(data.image_path(str(name)))
        except AffectmlError as error:
            yield f"{error}; put it there from a copy, or take its row out"


def _judgements(data: Dataset) -> Iterator[str]:
    if data.judgements is not None:
        table, file = read_judgements(data.root), data.root / "annotations.parquet"
        for problem in import_problems(table, found_labels(table), images=data.images["image_id"]):
            yield f"{file}: {problem}; mend it, or take it out"


def _people(data: Dataset) -> Iterator[str]:
    if data.annotators is not None:
        for who in data.annotators["annotator_id"][data.annotators["annotator_id"].duplicated()]:
            yield f"{data.root / 'annotators.parquet'}: {who!r} has two rows; take one out"


def _selection(data: Dataset, file: str) -> Iterator[str]:
    path = data.image_path(file)
    try:
        chosen = pd.read_parquet(path, columns=["image_id"])["image_id"].astype(str)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise BadDataset(f"{path}: cannot be read ({error}); take it out of dataset.json") from None
    for image in chosen[~chosen.isin(data.images["image_id"])]:
        yield f"{path}: image {image!r} is not in images.parquet; take it out"


def _of_store(folder: Path) -> Iterator[Look]:
    yield "encoder.json says what made the embeddings", partial(EmbeddingStore.open, folder)
    with suppress(AffectmlError):
        store = EmbeddingStore.open(folder)
        yield "ids.parquet names each image once", lambda: store.table
        yield "the shards have a finite embedding of each", partial(_shards, store)
        yield "provenance.json says what computed which shard", lambda: store.provenance
        yield "unreadable.csv says which images could not be read", lambda: store.unreadable


def _shards(store: EmbeddingStore) -> Iterator[str]:
    ids = store.folder / "ids.parquet"
    if store.table.empty and any(store.folder.glob(SHARDS)):
        yield f"{ids}: names no image, so that nobody knows whose the embeddings are; {AGAIN}"
    for number, rows in store.table.groupby("shard"):
        path = shard_path(store.folder, int(str(number)))
        try:
            shard = store.array(int(str(number)))
        except BadDataset as error:
            yield str(error)
            continue
        if rows["row"].duplicated().any():
            yield f"{ids}: two images have one row of {path.name}; {AGAIN}"
        for image in rows["image_id"][~np.isfinite(shard[rows["row"].to_numpy()]).all(axis=1)]:
            yield f"{path}: the embedding of image {image!r} is not finite; {AGAIN}"


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


def _same_data(run: RunFolder, dataset: Path) -> Iterator[str]:
    if not Dataset.open(dataset).has_fingerprint(run.info.data.fingerprint, run.info.data.target):
        what = f"target {run.info.data.target}, the split or image files were changed since the run was trained"
        yield f"{dataset}: {what}; put them back, or train again"
