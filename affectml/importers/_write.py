"""From an importer's tables to a data set folder, all or nothing."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from affectml._files import new_folder
from affectml.data import DatasetMeta, check_new, write_dataset
from affectml.errors import BadInput
from affectml.importers._images import Box, place_images
from affectml.importers._summary import ImportSummary


@dataclass
class Draft:
    """A data set in memory, its images still where the user has them.

    images: as images.parquet. sources: for each of its rows the image's path, None for a row without a file.
    targets: the tables, by name. skipped: for each reason, what was left out. people_named: whether
    annotator_id tells people apart. boxes: the part of each row's image to keep, None for all of it. native: a
    published set: a row whose file cannot be used stays where its url is known, and errors name no option of tables.
    """

    meta: DatasetMeta
    images: pd.DataFrame
    sources: list[Path | None]
    targets: dict[str, pd.DataFrame]
    annotations: pd.DataFrame | None = None
    skipped: dict[str, list[str]] = field(default_factory=dict)
    people_named: bool = True
    boxes: list[Box | None] | None = None
    native: bool = False


def target_file(name: str) -> str:
    """The file of a target, as dataset.json names it."""
    return f"targets-{name}.parquet"


def write_draft(draft: Draft, out: str | Path, *, images: str, strict: bool, where: str) -> ImportSummary:
    """Bring the images in and write the folder; rows whose image cannot be used are left out and named.

    Raises BadInput if `out` is taken, if no image can be used, if a target keeps no row, or, with `strict`,
    at the first image that cannot be used; nothing is left behind then.
    """
    folder = Path(out)
    check_new(folder)
    skipped: defaultdict[str, list[str]] = defaultdict(list)
    skipped.update({reason: list(names) for reason, names in draft.skipped.items()})
    with new_folder(folder) as temporary:
        table, targets, annotations = draft.images, dict(draft.targets), draft.annotations
        if images != "none" and "file" in table.columns:
            files = [None if pd.isna(file) else str(file) for file in table["file"]]
            problems = place_images(draft.sources, files, temporary, images, draft.boxes)
            bad = [row for row, problem in enumerate(problems) if problem is not None]
            has_url = draft.native and "url" in table.columns
            by_url = {row for row in bad if has_url and not pd.isna(table["url"].iloc[row])}
            if bad and (strict or len(bad) - len(by_url) == len(table)):
                raise BadInput(_unusable(bad, problems, draft, where))
            for row in bad:
                kept_as = ", so its url alone is kept" if row in by_url else ""
                skipped[f"images: {problems[row]}{kept_as}"].append(str(draft.sources[row]))
            if bad:
                table = table.assign(file=table["file"].mask(np.isin(np.arange(len(table)), list(by_url)), None))
                gone = set(bad) - by_url
                table = table[[row not in gone for row in range(len(table))]].reset_index(drop=True)
                kept = set(table["image_id"])
                targets = {name: _of(target, kept) for name, target in targets.items()}
                annotations = None if annotations is None else _of(annotations, kept)
        for name, target in targets.items():
            if target.empty:
                why = "; ".join(f"{len(names):,} {reason} (first: {names[0]})" for reason, names in skipped.items())
                raise BadInput(f"{where}: target {name}: no row is left: {why or 'there was none'}")
        dataset = write_dataset(temporary, draft.meta, table, targets, annotations)
        people = None
        if annotations is not None and draft.people_named:
            people = int(annotations["annotator_id"].nunique())
        return ImportSummary.of(dataset, folder, dict(skipped), people)


def _of(table: pd.DataFrame, kept: set[str]) -> pd.DataFrame:
    return table[table["image_id"].isin(kept)].reset_index(drop=True)


def _unusable(bad: list[int], problems: list[str | None], draft: Draft, where: str) -> str:
    first = f"{draft.sources[bad[0]]}: {problems[bad[0]]}"
    total = len(draft.sources)
    if len(bad) == total:
        way_out = "put them there" if draft.native else "name the folder that holds the images (--images-root)"
        return (
            f"{where}: none of its {total:,} images can be used (first: {first}); "
            f"nothing was written: {way_out}, or take the labels alone (--images none)"
        )
    return (
        f"{where}: {len(bad):,} of {total:,} images cannot be used (first: {first}); "
        "nothing was written: mend them, or leave --strict out and they are skipped"
    )
