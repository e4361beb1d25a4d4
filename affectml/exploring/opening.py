"""Opening a data set for exploring: whose answers, whose embeddings, which runs."""

from collections.abc import Sequence
from pathlib import Path

from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.choose import choose_target
from affectml.embeddings import EmbeddingStore
from affectml.errors import AffectmlError, BadDataset, BadInput, option
from affectml.exploring import _map
from affectml.exploring._collection import Collection
from affectml.predicting.features import store_there
from affectml.runs import RunFolder


def open_collection(
    dataset: str | Path | Dataset,
    runs: Sequence[str | Path] = (),
    *,
    target: str | None = None,
    encoder: str | None = None,
    db: str | None = None,
    say: Say = lambda line: None,
) -> Collection:
    """Open a data set for exploring, with what runs say of its images; nothing is embedded, predicted or written.

    Args:
        dataset: a data set's folder.
        runs: run folders, trained on it or on one with the same images under the same image_ids.
        target: whose answers are shown; None takes the first run's, else the only one.
        encoder: whose embeddings are searched and mapped; None takes the first run's, else the only ones.
        db: the labelling task's database, for flags and notes; None takes DATASET-labels.db where it is there.
        say: called with what one should know; it stands in `notes` too.

    Raises:
        BadDataset: for a folder that is none, and where several targets or encoders would do.
        BadRun: for a folder that is no run, has no predictions, or has those of other images.
    """
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    opened = [RunFolder.open(run) for run in runs]
    notes: list[str] = []

    def tell(line: str) -> None:
        notes.append(line)
        say(line)

    targets = _targets(data, opened, target)
    store = _store(data, opened, encoder, tell)
    named = dict(zip(_names(opened), opened, strict=True))
    return Collection(data, targets, store, named, db, notes, tell)


def map_by_umap(
    dataset: str | Path, runs: Sequence[str | Path] = (), *, encoder: str | None = None, say: Say = lambda line: None
) -> Path:
    """Make the map by UMAP and keep it in the data set: its file. Whose answers are shown does not matter to it.

    Raises:
        BadInput: without any embeddings.
        BadDataset, BadRun: as `open_collection` does.
        MissingExtra: where UMAP is not installed.
    """
    data = Dataset.open(dataset)
    store = _store(data, [RunFolder.open(run) for run in runs], encoder, say)
    if store is None:
        raise BadInput(f"{data.root}: no embeddings to make a map of; run `affectml embed {data.root}`")
    _map.make_map(data.root, store, "umap", say)
    return _map.file_of(data.root, store, "umap")


def _names(runs: Sequence[RunFolder]) -> list[str]:
    """Each run's folder name; the folder before it, where several are called alike or as what is no run."""
    names = [run.folder.resolve().name for run in runs]
    taken = {"people", "runs", "image", "split", "flagged", "notes", "listed"}
    found: list[str] = []
    for run, name in zip(runs, names, strict=True):
        full = f"{run.folder.resolve().parent.name}/{name}" if names.count(name) > 1 or name in taken else name
        again = sum(other == full or other.startswith(f"{full} (") for other in found)
        found.append(f"{full} ({again + 1})" if again else full)
    return found


def _targets(data: Dataset, runs: Sequence[RunFolder], name: str | None) -> Targets | None:
    if name is None:
        name = next((run.info.data.target for run in runs if run.info.data.target in data.meta.targets), None)
    if name is None and not data.meta.targets:
        return None
    if name is None and len(data.meta.targets) > 1:
        raise BadDataset(
            f"{data.root}: whose answers? It has {', '.join(data.meta.targets)}: choose with {option('target')}"
        )
    return choose_target(data, multilabel=None, name=name)


def _store(data: Dataset, runs: Sequence[RunFolder], encoder: str | None, say: Say) -> EmbeddingStore | None:
    """The embeddings that were asked for, those of the first run that has some, or the only ones."""
    if encoder is not None:
        return EmbeddingStore.for_dataset(data, encoder)
    for run in runs:
        try:
            store = store_there(run, data, say)
        except AffectmlError:
            continue
        if store is not None:
            return store
    if not any((data.root / "embeddings").glob("*/encoder.json")):
        say(f"no embeddings, so no map and no search: `affectml embed {data.root}` makes them")
        return None
    try:
        return EmbeddingStore.for_dataset(data)
    except BadDataset as error:
        raise BadDataset(f"{error}; choose with {option('encoder')}") from None
