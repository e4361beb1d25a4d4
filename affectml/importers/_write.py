"""The last step of every import: from a draft to a data set folder, all or nothing."""

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from affectml._files import need_file, new_folder
from affectml._options import check_choice
from affectml.data import Asked, Dataset, DatasetMeta, TargetMeta, check_new, write_dataset
from affectml.data.schema import Construct
from affectml.errors import BadInput, option
from affectml.importers._images import place_images
from affectml.importers._summary import ImportSummary
from affectml.importers.draft import About, Draft, Embedded, Source
from affectml.importers.find import need_folder
from affectml.importers.labels import taxonomy_entry
from affectml.importers.registry import Importer

NO_FILE = "images: a url and no file"


def open_source(address: str | Path, out: Path, about: About, images: str, importer: Importer) -> Source:
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
    if importer.folder:
        need_folder(path)
    if importer.folder and out.resolve().is_relative_to(path.resolve()):
        raise BadInput(f"{out} lies inside {path}, which is being read; choose a place outside")
    whole = [part for part in path.parts if not re.search(r"[*?\[]", part)]  # of folder/*.parquet: folder
    named = about.name or (path.resolve().name if path.is_dir() or not whole else Path(whole[-1]).stem)
    how = "none" if onto is not None else images
    return Source(path, replace(about, name=named), how, str(address), out, onto)


def settle(draft: Draft, images: str) -> None:
    """Finish a published set: a split of one part alone is not kept, and images that have a url alone are counted."""
    table = draft.images
    if "split" in table.columns and len(parts := table["split"].dropna().unique()) < 2:
        draft.images = table = table.drop(columns="split")
        draft.notes += [f"only the split {part} is there, and it is not kept: training makes its own" for part in parts]
    if "url" in table.columns and images != "none":
        draft.url_suffices = True
        files = table["file"] if "file" in table.columns else pd.Series([None] * len(table))
        told = {image for reason, names in draft.skipped.items() if reason.startswith(NO_FILE) for image in names}
        only = [image for image in table["image_id"][files.isna() & table["url"].notna()] if image not in told]
        draft.skipped[f"{NO_FILE}; they cannot be embedded until they are downloaded"] = only


def write(draft: Draft, out: Path, *, images: str, strict: bool) -> ImportSummary:
    """Bring the images in and write the folder; rows whose image cannot be used are left out and named.

    Raises BadInput if `out` is taken, if no image can be used, if a target keeps no row, or, with `strict`,
    at the first image that cannot be used; nothing is left behind then.
    """
    skipped = defaultdict(list, {reason: list(names) for reason, names in draft.skipped.items() if names})
    check_new(out)
    with new_folder(out) as temporary:
        if images == "none":
            table, gone = draft.images.drop(columns="file", errors="ignore"), False
        else:
            table, gone = _bring_in(draft, temporary, skipped, images, strict)
        kept = set(table["image_id"])
        targets = {name: of_images(content, kept) if gone else content for name, (_, content) in draft.targets.items()}
        annotations = draft.annotations
        if annotations is not None and gone:
            annotations = of_images(annotations, kept)
        for name, target in targets.items():
            if target.empty:
                why = "; ".join(f"{len(names):,} {reason} (first: {names[0]})" for reason, names in skipped.items())
                raise BadInput(f"{draft.where}: target {name}: no row is left: {why or 'there was none'}")
        dataset = write_dataset(temporary, _meta(draft), table, targets, annotations)
        if draft.embedded is not None:
            mine = [row for row, image in enumerate(draft.embedded.ids) if image in kept]
            ids = [draft.embedded.ids[row] for row in mine]
            write_store(replace(draft.embedded, ids=ids, rows=draft.embedded.rows[mine]), temporary)
        people = None
        if annotations is not None and draft.people_named:
            people = int(annotations["annotator_id"].nunique())
        return ImportSummary.of(dataset, out, dict(skipped), people, tuple(draft.warnings))


def _meta(draft: Draft) -> DatasetMeta:
    about = draft.about
    to_ask = not draft.targets and about.construct != "query"
    return DatasetMeta(
        name=about.name,
        source=about.source,
        licence=about.licence,
        targets={name: target_meta(about, entry) for name, (entry, _) in draft.targets.items()},
        notes=list(dict.fromkeys([*about.notes, *draft.notes])),
        judgements=draft.asked or (Asked(about.construct, about.question) if to_ask and about.construct else None),
        taxonomy=None if draft.taxonomy is None else taxonomy_entry(draft.taxonomy),
        stopping=draft.stopping,
    )


def target_meta(about: About, entry: dict[str, Any]) -> TargetMeta:
    """What dataset.json says of a target: what the importer found, and what else is said of all of them."""
    return TargetMeta(**{"construct": about.construct or "query", "question": about.question, **entry})


def _bring_in(
    draft: Draft, folder: Path, skipped: defaultdict[str, list[str]], images: str, strict: bool
) -> tuple[pd.DataFrame, bool]:
    """The rows that stay, their images in `folder`; and whether any went. `skipped` gets those that did."""
    table = draft.images.reset_index(drop=True)
    if "file" not in table.columns:
        return table, False
    files = [None if pd.isna(file) else str(file) for file in table["file"]]
    spool = None if draft.spool is None else Path(draft.spool.name)
    problems = place_images(draft.sources, files, folder, images, draft.boxes, spool)
    bad = [row for row, problem in enumerate(problems) if problem is not None]
    by_url = {row for row in bad if draft.url_suffices and not pd.isna(table["url"].iloc[row])}
    if bad and (strict or len(bad) - len(by_url) == len(table)):
        raise BadInput(_unusable(bad, problems, draft))
    for row in bad:
        kept_as = ", so its url alone is kept" if row in by_url else ""
        skipped[f"images: {problems[row]}{kept_as}"].append(_told(draft, row, files[row]))
    if not bad:
        return table, False
    table = table.assign(file=table["file"].mask(np.isin(np.arange(len(table)), list(by_url)), None))
    gone = set(bad) - by_url
    return table[[row not in gone for row in range(len(table))]].reset_index(drop=True), True


def _told(draft: Draft, row: int, file: str | None) -> str:
    """What a message calls an image: its path, or its name where it had no file of its own."""
    path = draft.sources[row]
    spooled = draft.spool is not None and path is not None and Path(draft.spool.name) in path.parents
    return f"{draft.where}: {str(file).removeprefix('images/')}" if spooled else str(path)


def of_images(table: pd.DataFrame, kept: set[str]) -> pd.DataFrame:
    """The rows of a table that are about these images."""
    return table[table["image_id"].isin(kept)].reset_index(drop=True)


def write_store(embedded: Embedded, folder: Path) -> Path:
    """Write embeddings below a data set's folder; returns the store's."""
    from affectml.embeddings import write_store as write

    return write(folder, embedded.identity, embedded.ids, [embedded.rows], specs=embedded.specs).folder


def _unusable(bad: list[int], problems: list[str | None], draft: Draft) -> str:
    total = len(draft.sources)
    count = f"{len(bad):,} of {total:,} images cannot"
    way_out = f"mend them, or leave {option('strict')} out and they are skipped"
    if len(bad) == total:
        count = f"none of its {total:,} images can"
        way_out = draft.way_out
        if draft.targets:
            way_out += f", or take the labels alone ({option('images', 'none')})"
    first = f"{_told(draft, bad[0], draft.images['file'].iloc[bad[0]])}: {problems[bad[0]]}"
    return f"{draft.where}: {count} be used (first: {first}); nothing was written: {way_out}"
