"""The last step of an import onto a data set that exists: what was read is added, and nothing there changes."""

import shutil
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import ne
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectml._files import read_json, with_column, write_json, write_parquet
from affectml.data import Asked, Dataset, DatasetMeta, TargetMeta
from affectml.data.matching import match_images
from affectml.data.schema import SCHEMA
from affectml.data.targets import read_targets
from affectml.errors import BadInput, option
from affectml.importers._judgements import apart, count
from affectml.importers._summary import ImportSummary
from affectml.importers._write import target_meta, write_store
from affectml.importers.draft import Draft, Embedded

_TEMPORARY = ".joining."
_NAMES = ("image_id", "file", "url")
_SHARED = ("split", "group")  # all targets of a data set have the same


def call(draft: Draft, name: str | None) -> None:
    """Call the draft's target `name`; of several each is NAME-KIND. Raises BadInput for a name that cannot be."""
    if name is None:
        return
    from affectml_annotation.exchange.dataset_folder import NAME

    if not draft.targets:
        raise BadInput(f"{draft.where}: no labels in it, so there is no target to call {option('target', name)}")
    if not NAME.fullmatch(name):
        raise BadInput(f"{option('target', name)} is no name of a target; use letters, digits, - and _, at most 100")
    new = {kind: f"{name}-{kind}" if len(draft.targets) > 1 else name for kind in draft.targets}
    draft.targets = {
        new[kind]: ({**entry, "file": f"targets-{new[kind]}.parquet"}, table)
        for kind, (entry, table) in draft.targets.items()
    }


@dataclass
class Addition:
    """What is to be added to a data set, checked and not yet written.

    targets: what dataset.json will say of each, and its table. annotations: all judgements that the data set then has,
    None where none are added. asked: what the people in them were asked. columns: of images.parquet, whole.
    """

    targets: dict[str, tuple[TargetMeta, pd.DataFrame]] = field(default_factory=dict)
    annotations: Any = None
    asked: Asked | None = None
    embedded: Embedded | None = None
    columns: dict[str, pa.Array] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


def join(draft: Draft, dataset: Dataset, target: str | None = None) -> ImportSummary:
    """Add a draft's targets, judgements and embeddings to a data set, joined by its images' names.

    target: see `call`.

    dataset.json is written last: killed before, the data set is as it was, but for files that nothing names and, where
    columns, judgements or embeddings came in, for those. Raises BadInput, and then nothing was written: no image in
    common, names that could mean two images, a target, a store, judgements or another split in the way.
    """
    from affectml_annotation.exchange.files import writing_in_turn

    with writing_in_turn(dataset.root):
        for old in dataset.root.glob(f"{_TEMPORARY}*"):  # of a join that was killed
            shutil.rmtree(old, ignore_errors=True)
        dataset = Dataset.open(dataset.root)
        ImportSummary.of(dataset)  # what cannot be read is said before anything is written
        image_of = _image_of(draft, dataset)
        addition = _plan(draft, dataset, image_of, target)
        _write(addition, draft, dataset)
    there = set(image_of.values())
    skipped = {reason: list(names) for reason, names in draft.skipped.items() if names}
    source = Path(draft.where).name
    strange = [name for name in draft.images["image_id"] if name not in image_of]
    bare = [image for image in dataset.images["image_id"] if image not in there]
    if strange:
        skipped[f"images of {source} that {dataset.root.name} has not"] = strange
    if bare:
        skipped[f"images of {dataset.root.name} that {source} has not"] = bare
    own = [str(name) for name in draft.images if name in dataset.images and name not in (*_NAMES, *_SHARED)]
    left = [f"columns left out, because the data set has its own of that name: {', '.join(own)}"] if own else []
    summary = ImportSummary.of(Dataset.open(dataset.root), None, skipped, None, tuple(draft.warnings))
    return replace(summary, notes=(*left, *draft.notes), added=tuple(addition.said))


def _image_of(draft: Draft, dataset: Dataset) -> dict[str, str]:
    """The data set's image_id of each of the draft's; those that it lacks are not there."""
    columns = [draft.images[name] for name in _NAMES if name in draft.images.columns]
    names = [[str(cell) for cell in row if not pd.isna(cell)] for row in zip(*columns, strict=True)]
    at = match_images(dataset.images, names, draft.where)
    ids = dataset.images["image_id"].tolist()
    found = {mine: ids[row] for mine, row in zip(draft.images["image_id"], at, strict=True) if row >= 0}
    if not found:
        raise BadInput(
            f"{draft.where}: none of its {len(names):,} images is in {dataset.root} (first: {names[0][0]!r}; there: "
            f"{', '.join(map(repr, ids[:3]))}); images are joined by their image_id, else by their path"
        )
    return found


def _plan(draft: Draft, dataset: Dataset, image_of: dict[str, str], target: str | None) -> Addition:
    """Check everything that would be written; raises BadInput or BadDataset."""
    addition = Addition()
    if draft.annotations is not None:
        _plan_judgements(draft, dataset, image_of, addition)
    call(draft, target)
    taken = [name for name in draft.targets if name in dataset.meta.targets]
    if taken:
        there = dataset.meta.targets[taken[0]]
        raise BadInput(
            f"{dataset.root}: has a target {taken[0]!r} already ({there.kind}, {there.construct}), and it stays as it "
            f"is; call the new one otherwise: {option('target', 'NAME')}"
        )
    for name, (entry, table) in draft.targets.items():
        mine = _of_dataset(table, image_of)
        if mine.empty:
            raise BadInput(f"{draft.where}: target {name}: none of its images is in {dataset.root}")
        meta = replace(target_meta(draft.about, entry), source=draft.about.source or Path(draft.where).name)
        read_targets(mine, name, meta, f"{draft.where}, target {name}")
        if addition.asked is not None:
            meta = replace(meta, question=addition.asked.question)
        addition.targets[name] = (meta, mine)
        addition.said.append(f"target {name} ({meta.kind}, {meta.construct}) of {len(mine):,} images")
    if draft.embedded is not None:
        _plan_store(draft.embedded, dataset, image_of, addition)
    _plan_columns(draft, dataset, image_of, addition)
    if not addition.said:
        raise BadInput(f"{draft.where}: nothing in it that {dataset.root} has not; nothing was written")
    return addition


def _of_dataset(table: pd.DataFrame, image_of: dict[str, str]) -> pd.DataFrame:
    """The rows about the data set's images, under its ids."""
    mine = table[table["image_id"].isin(list(image_of))]
    return mine.assign(image_id=mine["image_id"].map(image_of)).reset_index(drop=True)


def _plan_judgements(draft: Draft, dataset: Dataset, image_of: dict[str, str], addition: Addition) -> None:
    """Merge judgements as exports do, by event id, else by image, person and round; targets count all of them."""
    from affectml_annotation import AnnotationError
    from affectml_annotation.exchange.files import read_parquet
    from affectml_annotation.exchange.merging import merge_judgements

    first = next(iter(draft.targets.values()))[0]
    meta = target_meta(draft.about, first)
    asked = dataset.meta.judgements
    there = read_parquet(dataset.root / "annotations.parquet")
    if asked is not None:
        if asked.construct != meta.construct:
            raise BadInput(
                f"{dataset.root}: its people judge what is {asked.construct}, and these are said to be of what is "
                f"{meta.construct}; say {option('construct', asked.construct)}, or import them to a new folder"
            )
        if draft.about.question and asked.question and draft.about.question != asked.question:
            raise BadInput(
                f"{dataset.root}: its judgements answer {asked.question!r}; answers to two questions cannot be counted "
                "together: import them to a new folder"
            )
    assert draft.annotations is not None
    fresh = _of_dataset(draft.annotations, image_of)
    where = str(dataset.root / "annotations.parquet")
    try:
        merged = merge_judgements(there, fresh, where)
        known = not merged.new and not merged.conflicts
    except AnnotationError:
        known = False
    try:
        if not known:  # another file's line 3 is not this one's
            merged = merge_judgements(there, apart(fresh, Path(draft.where).stem), where)
    except AnnotationError as error:
        raise BadInput(str(error).replace("export to a new folder", "import them to a new folder")) from None
    if merged.conflicts:
        more = f" (and {len(merged.conflicts) - 1:,} more)" if len(merged.conflicts) > 1 else ""
        raise BadInput(
            f"{dataset.root}: nothing was written: judgement in conflict: {merged.conflicts[0]}{more}; take these rows "
            "out, or give them another round"
        )
    labels = _taxonomy_of(meta, draft, dataset, merged.judgements)
    counted = count(merged.judgements, labels, draft.where)
    for name, (said, _) in list(draft.targets.items()):
        if said["kind"] == "distribution" and not counted.one_choice:
            del draft.targets[name]
        else:
            draft.targets[name] = (said, counted.rates)
    addition.annotations = merged.content if merged.new else None
    addition.asked = Asked(meta.construct, draft.about.question or (asked.question if asked else ""))
    every = {image: image for image in dataset.images["image_id"]}
    image_of.update({image: image for image in counted.rates["image_id"] if image in every})
    if asked is not None and asked.question and not draft.about.question:
        draft.notes.append(f"question taken to be the one that people are asked there: {asked.question}")
    addition.said.append(f"{merged.new:,} judgements, {merged.same:,} were there already")


def _taxonomy_of(meta: TargetMeta, draft: Draft, dataset: Dataset, judgements: pd.DataFrame) -> tuple[str, ...]:
    """The labels to count; BadInput where judgements there have others."""
    labels = meta.resolve_taxonomy().labels
    used = dict.fromkeys(label for given in judgements["labels"] for label in given)
    others = [label for label in used if label not in labels]
    if others:
        theirs = f"its judgements have labels that those of {draft.where} have not ({', '.join(others)})"
        raise BadInput(f"{dataset.root}: {theirs}; name a taxonomy that has all of them ({option('taxonomy')})")
    return labels


def _plan_store(embedded: Embedded, dataset: Dataset, image_of: dict[str, str], addition: Addition) -> None:
    kept = [row for row, name in enumerate(embedded.ids) if name in image_of]
    names = [image_of[embedded.ids[row]] for row in kept]
    folder = dataset.root / "embeddings" / embedded.identity.slug
    if folder.exists():
        from affectml.embeddings import EmbeddingStore

        store = EmbeddingStore.open(folder)
        if addition.targets and store.identity == embedded.identity and store.ids.tolist() == names:
            addition.said.append(f"embeddings {folder.name}: there already, of the same file")
            return
        raise BadInput(
            f"{dataset.root}: has embeddings {folder.name!r} already, and they stay as they are; call the new ones "
            f"otherwise: {option('name', 'NAME')}"
        )
    addition.embedded = replace(embedded, ids=names, rows=embedded.rows[kept])
    addition.said.append(f"embeddings {folder.name}: {len(names):,} x {embedded.identity.dim}")


def _plan_columns(draft: Draft, dataset: Dataset, image_of: dict[str, str], addition: Addition) -> None:
    """The columns that images.parquet lacks, and what its split and groups lack; BadInput where these differ."""
    row_of = {image_of[name]: row for row, name in enumerate(draft.images["image_id"]) if name in image_of}
    rows = pa.array([row_of.get(image) for image in dataset.images["image_id"]], pa.int64())
    for name in draft.images.columns.difference(list(_NAMES), sort=False):
        column = pa.Array.from_pandas(draft.images[name]).take(rows)
        new = len(column) - column.null_count
        if name == "content_warning" and not set(map(type, column.to_pylist())) <= {str, type(None)}:
            raise BadInput(f"{draft.where}: column {name}: expected texts, got {column.type}; rename the column")
        if name in dataset.images:
            if name not in _SHARED:
                continue
            had = pa.Array.from_pandas(dataset.images[name]).cast(pa.string()).to_pylist()
            agreed = _agreed(draft.where, dataset, name, had, column.cast(pa.string()).to_pylist())
            column, new = pa.array(agreed, pa.string()), sum(map(ne, agreed, had))
        if new:
            addition.columns[name] = column
            addition.said.append(f"column {name} of {new:,} images")


def _agreed(where: str, dataset: Dataset, name: str, had: list[str | None], new: list[str | None]) -> list[Any]:
    """The split or group that both say of each image; a split without val agrees with one whose val was its train."""
    cut = name == "split" and not ("val" in had and "val" in new)
    parts = [sorted(filter(None, {one, other})) for one, other in zip(had, new, strict=True)]
    parts = [["val"] if cut and each == ["train", "val"] else each for each in parts]
    if differ := [row for row, each in enumerate(parts) if len(each) > 1]:
        image = dataset.images["image_id"].iloc[differ[0]]
        raise BadInput(
            f"{where}: {name} of image {image!r} is {new[differ[0]]!r}, and {had[differ[0]]!r} in {dataset.root} "
            f"({len(differ):,} images differ), where all targets share one: import it to a new folder, or rename the "
            f"column {name} to keep the data set's"
        )
    return [next(iter(each), None) for each in parts]


def _write(addition: Addition, draft: Draft, dataset: Dataset) -> None:
    """Write what was planned: all that takes long first, under names that nothing reads, dataset.json last."""
    from affectml_annotation.exchange.files import keep

    root, described = dataset.root, _described(dataset)
    with TemporaryDirectory(dir=root, prefix=_TEMPORARY, suffix=".tmp", ignore_cleanup_errors=True) as scratch:
        store = None
        if addition.embedded is not None:
            store = write_store(addition.embedded, Path(scratch))
            (root / "embeddings").mkdir(exist_ok=True)
        if addition.columns:
            there = pq.read_table(root / "images.parquet")
            there = reduce(lambda table, new: with_column(table, *new), addition.columns.items(), there)
            write_parquet(root / "images.parquet", there)
        if addition.asked is not None:
            _write_judgements(addition, addition.asked, root, described)
        for meta, table in addition.targets.values():
            if (root / meta.file).exists():  # of a join that was killed: no entry names it
                keep(root / meta.file)
            write_parquet(root / meta.file, table)
        if store is not None:
            store.replace(root / "embeddings" / store.name)
        if not addition.targets and addition.annotations is None:
            return
        said = DatasetMeta("", {name: meta for name, (meta, _) in addition.targets.items()}).to_json()
        described["targets"] |= said["targets"]
        terms = [f"licence: {draft.about.licence}"] if draft.about.licence else []
        about = f"joined from {Path(draft.where).name}"
        described["notes"] = [*described.get("notes", ()), *(f"{about}: {note}" for note in [*terms, *draft.notes])]
        write_json(root / "dataset.json", described)


def _write_judgements(addition: Addition, asked: Asked, root: Path, described: dict[str, Any]) -> None:
    """Say in dataset.json what was asked, then write the judgements: what is written of them is never missing."""
    said = {"construct": asked.construct, "question": asked.question}
    if described.get("judgements") != said:
        described["judgements"] = said
        write_json(root / "dataset.json", described)
    if addition.annotations is not None:
        write_parquet(root / "annotations.parquet", addition.annotations)


def _described(dataset: Dataset) -> dict[str, Any]:
    """dataset.json as it stands."""
    described: dict[str, Any] = {"schema": SCHEMA, **read_json(dataset.root / "dataset.json")}
    described.setdefault("targets", {})
    return described
