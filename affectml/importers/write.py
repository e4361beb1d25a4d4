"""The last step of every import: a draft becomes a data set folder or is joined to one, all of it or nothing."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import ne
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectml._files import need_file, new_folder, read_json, with_column, write_json, write_parquet
from affectml._options import check_choice
from affectml.data import Asked, Dataset, DatasetMeta, TargetMeta, check_new, write_dataset
from affectml.data.choose import match_images
from affectml.data.schema import SCHEMA, Construct
from affectml.data.targets import read_targets
from affectml.errors import BadInput, option
from affectml.importers.draft import About, Draft, Embedded, ImportSummary, Source
from affectml.importers.find import need_folder, place_images
from affectml.importers.labels import taxonomy_entry
from affectml_annotation.exchange.files import keep, writing_in_turn

if TYPE_CHECKING:
    from affectml.importers.registry import Importer

NO_FILE = "images: a url and no file"
_TEMPORARY = ".joining."
_NAMES = ("image_id", "file", "url")
_SHARED = ("split", "group")  # all targets of a data set have the same


def open_source(address: str | Path, out: Path, about: About, images: str, importer: "Importer") -> Source:
    """What an importer reads, once the request is known to be a possible one; raises BadInput."""
    path = Path(address)
    if about.construct is not None:
        check_choice("construct", about.construct, get_args(Construct))
    if importer.placements and images not in importer.placements:
        raise BadInput(f"images: expected {' or '.join(importer.placements)}, but received {images!r}")
    onto = Dataset.open(out) if importer.joins and (out / "dataset.json").is_file() else None
    if onto is None:
        check_new(out)
    if path.exists() and not path.is_dir():
        need_file(path)
    if importer.folder and out.resolve().is_relative_to(need_folder(path).resolve()):
        raise BadInput(f"{out} lies inside {path}, which is being read; choose a place outside")
    name = path.resolve().name if path.is_dir() else path.stem
    if path.is_file() and onto is None:  # what a file is called says nothing of its images
        name = out.resolve().name
    return Source(path, replace(about, name=about.name or name), "none" if onto else images, out, onto)


def settle(draft: Draft, images: str) -> None:
    """Finish a published set: a split of one part alone is not kept, and images that have a url alone are counted."""
    table = draft.images
    if "split" in table.columns and len(parts := table["split"].dropna().unique()) < 2:
        draft.images = table = table.drop(columns="split")
        draft.notes += [f"only the split {part} is there, and it is not kept: training makes its own" for part in parts]
    if "url" in table.columns and images != "none":
        draft.url_suffices = True
        told = {image for reason, names in draft.skipped.items() if reason.startswith(NO_FILE) for image in names}
        bare = table["url"].notna() & (table["file"].isna() if "file" in table.columns else True)
        only = [image for image in table["image_id"][bare] if image not in told]
        draft.skipped[f"{NO_FILE}; they cannot be embedded until they are downloaded"] = only


def call(draft: Draft, name: str | None) -> None:
    """Call the draft's target `name`; of several each is NAME-KIND. Raises BadInput for a name that cannot be."""
    if name is None:
        return
    from affectml_annotation.exchange.dataset_folder import NAME

    if not draft.targets:
        raise BadInput(f"{draft.where}: no labels in it, so there is no target to call {option('target', name)}")
    if not NAME.fullmatch(name):
        raise BadInput(f"{option('target', name)} is no name of a target; use letters, digits, - and _, at most 100")
    targets, draft.targets = draft.targets, {}
    for kind, (entry, table) in targets.items():
        new = f"{name}-{kind}" if len(targets) > 1 else name
        draft.targets[new] = ({**entry, "file": f"targets-{new}.parquet"}, table)


def write(draft: Draft, out: Path, *, images: str, strict: bool) -> ImportSummary:
    """Bring the images in and write the folder; rows whose image cannot be used are left out and named.

    Raises BadInput if `out` is taken, if no image can be used, if a target keeps no row, or, with `strict`,
    at the first image that cannot be used; nothing is left behind then.
    """
    skipped = defaultdict(list, {reason: list(names) for reason, names in draft.skipped.items() if names})
    about, annotations = draft.about, draft.annotations
    check_new(out)
    with new_folder(out) as temporary:
        if images == "none":
            table = draft.images.drop(columns="file", errors="ignore")
        else:
            table = _bring_in(draft, temporary, skipped, images, strict)
        kept = set(table["image_id"])
        gone = set(draft.images["image_id"]) - kept
        targets = {name: of_images(of, set(of["image_id"]) - gone) for name, (_, of) in draft.targets.items()}
        for name, target in targets.items():
            if target.empty:
                why = "; ".join(f"{len(names):,} {reason} (first: {names[0]})" for reason, names in skipped.items())
                raise BadInput(f"{draft.where}: target {name}: no row is left: {why or 'there was none'}")
        to_ask = about.construct if not targets and about.construct != "query" else None
        meta = DatasetMeta(
            name=about.name,
            source=about.source,
            licence=about.licence,
            targets={name: target_meta(about, entry) for name, (entry, _) in draft.targets.items()},
            notes=list(dict.fromkeys([*about.notes, *draft.notes])),
            judgements=Asked(to_ask, about.question) if to_ask else None,
            taxonomy=None if draft.taxonomy is None else taxonomy_entry(draft.taxonomy),
        )
        people = None
        if annotations is not None:
            annotations = of_images(annotations, set(annotations["image_id"]) - gone)
            people = int(annotations["annotator_id"].nunique()) if draft.people_named else None
        write_dataset(temporary, meta, table, targets, annotations)
        if draft.embedded is not None:
            _write_store(_embedded_of(draft.embedded, {image: image for image in kept}), temporary)
    return ImportSummary.of(Dataset.open(out), dict(skipped), people, tuple(draft.warnings))


def target_meta(about: About, entry: dict[str, Any]) -> TargetMeta:
    """What dataset.json says of a target: what the importer found, and what else is said of all of them."""
    return TargetMeta(**{"construct": about.construct or "query", "question": about.question, **entry})


def of_images(table: pd.DataFrame, kept: set[str]) -> pd.DataFrame:
    """The rows of a table that are about these images."""
    return table[table["image_id"].isin(kept)].reset_index(drop=True)


def _bring_in(
    draft: Draft, folder: Path, skipped: defaultdict[str, list[str]], images: str, strict: bool
) -> pd.DataFrame:
    """The rows that stay, their images in `folder`. `skipped` gets those that go, and those that keep only a url."""
    table = draft.images.reset_index(drop=True)
    if "file" not in table.columns:
        return table
    files = [None if pd.isna(file) else str(file) for file in table["file"]]
    spool = None if draft.spool is None else Path(draft.spool.name)
    problems = pd.Series(place_images(draft.sources, files, folder, images, draft.boxes, spool), dtype=object).dropna()
    by_url = problems.index[table["url"][problems.index].notna()] if draft.url_suffices else problems.index[:0]
    names = {}  # what a message calls an image: its path, or its name where it had no file of its own
    for row in problems.index:
        path = Path(str(draft.sources[row]))
        spooled = f"{draft.where}: {str(files[row]).removeprefix('images/')}"
        names[row] = spooled if spool in path.parents else str(path)
    bad, every = len(problems), len(table)
    if bad and (strict or bad - len(by_url) == every):
        way_out = f"mend them, or leave {option('strict')} out and they are skipped"
        if bad == every:
            labels = f", or take the labels alone ({option('images', 'none')})" if draft.targets else ""
            way_out = draft.way_out + labels
        which = f"none of its {every:,} images can" if bad == every else f"{bad:,} of {every:,} images cannot"
        first = f"{next(iter(names.values()))}: {problems.iloc[0]}"
        raise BadInput(f"{draft.where}: {which} be used (first: {first}); nothing was written: {way_out}")
    for row, problem in problems.items():
        skipped[f"images: {problem}{', so its url alone is kept' if row in by_url else ''}"].append(names[row])
    table["file"] = table["file"].mask(table.index.isin(by_url), None)
    return table.drop(index=problems.index.difference(by_url)).reset_index(drop=True)


def _embedded_of(embedded: Embedded, image_of: Mapping[str, str]) -> Embedded:
    """The embeddings of these images, under the ids that they have here."""
    rows = [row for row, name in enumerate(embedded.ids) if name in image_of]
    return replace(embedded, ids=[image_of[embedded.ids[row]] for row in rows], rows=embedded.rows[rows])


def _write_store(embedded: Embedded, folder: Path) -> Path:
    """Write embeddings below a data set's folder; returns the store's."""
    from affectml.embeddings import write_store

    return write_store(folder, embedded.identity, embedded.ids, [embedded.rows], specs=embedded.specs).folder


def join(draft: Draft, dataset: Dataset, target: str | None = None) -> ImportSummary:
    """Add a draft's targets, columns and embeddings to a data set, joined by its images' names.

    target: see `call`.

    dataset.json is written last: killed before, the data set is as it was, but for files that nothing names and, where
    columns or embeddings came in, for those. Raises BadInput, and then nothing was written: no image in common, names
    that could mean two images, people's single judgements, a target, a store or another split in the way.
    """
    with writing_in_turn(dataset.root):
        for old in dataset.root.glob(f"{_TEMPORARY}*"):  # of a join that was killed
            shutil.rmtree(old, ignore_errors=True)
        dataset = Dataset.open(dataset.root)
        ImportSummary.of(dataset)  # what cannot be read is said before anything is written
        addition = _Addition(draft, dataset)
        addition.plan(target)
        addition.write()
    image_of, here, there = addition.image_of, Path(draft.where).name, dataset.root.name
    theirs = set(image_of.values())
    others = {
        f"images of {here} that {there} has not": [name for name in draft.images["image_id"] if name not in image_of],
        f"images of {there} that {here} has not": [id_ for id_ in dataset.images["image_id"] if id_ not in theirs],
    }
    skipped = {reason: list(names) for reason, names in {**draft.skipped, **others}.items() if names}
    own = [str(name) for name in draft.images if name in dataset.images and name not in (*_NAMES, *_SHARED)]
    left = [f"columns left out, because the data set has its own of that name: {', '.join(own)}"] if own else []
    summary = ImportSummary.of(Dataset.open(dataset.root), skipped, None, tuple(draft.warnings))
    return replace(summary, notes=(*left, *draft.notes), added=tuple(addition.said))


@dataclass
class _Addition:
    """What is to be added to a data set: planned and checked first, then written.

    image_of: the data set's image_id of each of the draft's; those that it lacks are not there. targets: what
    dataset.json will say of each, and its table. columns: of images.parquet, whole. said: for the summary.
    """

    draft: Draft
    dataset: Dataset
    image_of: dict[str, str] = field(default_factory=dict)
    targets: dict[str, tuple[TargetMeta, pd.DataFrame]] = field(default_factory=dict)
    embedded: Embedded | None = None
    columns: dict[str, pa.Array] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def plan(self, target: str | None) -> None:
        """Check everything that would be written; raises BadInput or BadDataset."""
        draft, root, meta = self.draft, self.dataset.root, self.dataset.meta
        names = [draft.images[name] for name in _NAMES if name in draft.images.columns]
        called = [[str(cell) for cell in row if not pd.isna(cell)] for row in zip(*names, strict=True)]
        ids = self.dataset.images["image_id"].tolist()
        rows = match_images(self.dataset.images, called, draft.where)
        self.image_of = {mine: ids[row] for mine, row in zip(draft.images["image_id"], rows, strict=True) if row >= 0}
        if not self.image_of:
            raise BadInput(
                f"{draft.where}: none of its {len(called):,} images is in {root} (first: {called[0][0]!r}; there: "
                f"{', '.join(map(repr, ids[:3]))}); images are joined by their image_id, else by their path"
            )
        if draft.annotations is not None:
            raise BadInput(
                f"{draft.where}: each row is one person's judgement; people's answers are merged into {root} by "
                "`affectml label import`, or import these to a new folder"
            )
        call(draft, target)
        for name in draft.targets:
            if name in meta.targets:
                there = meta.targets[name]
                raise BadInput(
                    f"{root}: has a target {name!r} already ({there.kind}, {there.construct}), and it stays as it "
                    f"is; call the new one otherwise: {option('target', 'NAME')}"
                )
        for name, (entry, table) in draft.targets.items():
            mine = of_images(table, set(self.image_of))
            mine["image_id"] = mine["image_id"].map(self.image_of)
            if mine.empty:
                raise BadInput(f"{draft.where}: target {name}: none of its images is in {root}")
            said = replace(target_meta(draft.about, entry), source=draft.about.source or Path(draft.where).name)
            read_targets(mine, name, said, f"{draft.where}, target {name}")
            self.targets[name] = (said, mine)
            self.said.append(f"target {name} ({said.kind}, {said.construct}) of {len(mine):,} images")
        if draft.embedded is not None:
            self._plan_store(_embedded_of(draft.embedded, self.image_of))
        self._plan_columns()
        if not self.said:
            raise BadInput(f"{draft.where}: nothing in it that {root} has not; nothing was written")

    def _plan_store(self, embedded: Embedded) -> None:
        from affectml.embeddings import EmbeddingStore

        folder = self.dataset.root / "embeddings" / embedded.identity.slug
        if not folder.exists():
            self.embedded = embedded
            self.said.append(f"embeddings {folder.name}: {len(embedded.ids):,} x {embedded.identity.dim}")
            return
        store = EmbeddingStore.open(folder)  # of this very file: a join that was stopped goes on
        if not (self.targets and store.identity == embedded.identity and store.ids.tolist() == embedded.ids):
            stay = f"has embeddings {folder.name!r} already, and they stay as they are"
            raise BadInput(f"{self.dataset.root}: {stay}; call the new ones otherwise: {option('name', 'NAME')}")
        self.said.append(f"embeddings {folder.name}: there already, of the same file")

    def _plan_columns(self) -> None:
        """The columns that images.parquet lacks, and what its split and groups lack; BadInput where these differ."""
        mine, images, where = self.draft.images, self.dataset.images, self.draft.where
        row_of = {self.image_of[name]: row for row, name in enumerate(mine["image_id"]) if name in self.image_of}
        rows = pa.array([row_of.get(image) for image in images["image_id"]], pa.int64())
        for name in mine.columns.difference(list(_NAMES), sort=False):
            column = pa.Array.from_pandas(mine[name]).take(rows)
            new = len(column) - column.null_count
            if name == "content_warning" and not set(map(type, column.to_pylist())) <= {str, type(None)}:
                raise BadInput(f"{where}: column {name}: expected texts, got {column.type}; rename the column")
            if name in images:
                if name not in _SHARED:
                    continue
                had = pa.Array.from_pandas(images[name]).cast(pa.string()).to_pylist()
                agreed = self._agreed(name, had, column.cast(pa.string()).to_pylist())
                column, new = pa.array(agreed, pa.string()), sum(map(ne, agreed, had))
            if new:
                self.columns[name] = column
                self.said.append(f"column {name} of {new:,} images")

    def _agreed(self, name: str, had: list[str | None], new: list[str | None]) -> list[Any]:
        """The split or group that both say of each image; one without val agrees with one whose val was its train."""
        cut = name == "split" and not ("val" in had and "val" in new)
        parts = [sorted(filter(None, {one, other})) for one, other in zip(had, new, strict=True)]
        parts = [["val"] if cut and each == ["train", "val"] else each for each in parts]
        if differ := [row for row, each in enumerate(parts) if len(each) > 1]:
            image = self.dataset.images["image_id"].iloc[differ[0]]
            raise BadInput(
                f"{self.draft.where}: {name} of image {image!r} is {new[differ[0]]!r}, and {had[differ[0]]!r} in "
                f"{self.dataset.root} ({len(differ):,} images differ), where all targets share one: import it to a new "
                f"folder, or rename the column {name} to keep the data set's"
            )
        return [next(iter(each), None) for each in parts]

    def write(self) -> None:
        """Write what was planned: all that takes long first, under names that nothing reads, dataset.json last."""
        draft, root, store = self.draft, self.dataset.root, None
        described: dict[str, Any] = {"schema": SCHEMA, **read_json(root / "dataset.json")}
        described.setdefault("targets", {})
        with TemporaryDirectory(dir=root, prefix=_TEMPORARY, suffix=".tmp", ignore_cleanup_errors=True) as scratch:
            if self.embedded is not None:
                store = _write_store(self.embedded, Path(scratch))
                (root / "embeddings").mkdir(exist_ok=True)
            if self.columns:
                there = pq.read_table(root / "images.parquet")
                there = reduce(lambda table, new: with_column(table, *new), self.columns.items(), there)
                write_parquet(root / "images.parquet", there)
            for meta, table in self.targets.values():
                if (root / meta.file).exists():  # of a join that was killed: no entry names it
                    keep(root / meta.file)
                write_parquet(root / meta.file, table)
            if store is not None:
                store.replace(root / "embeddings" / store.name)
            if not self.targets:
                return
            entries = DatasetMeta("", {name: meta for name, (meta, _) in self.targets.items()}).to_json()
            described["targets"] |= entries["targets"]
            terms = [f"licence: {draft.about.licence}"] if draft.about.licence else []
            notes = [f"joined from {Path(draft.where).name}: {note}" for note in [*terms, *draft.notes]]
            described["notes"] = [*described.get("notes", ()), *notes]
            write_json(root / "dataset.json", described)
