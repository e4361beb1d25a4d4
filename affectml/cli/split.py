"""split: the command around `affectml.split`."""

from json import loads
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from affectml._options import MOST_SEED, Argument, Help
from affectml.cli._command import Json
from affectml.cli._print import print_json, print_lines, print_table


def split(
    dataset: Annotated[Path, Argument("Data set folder.")],
    seed: Annotated[Annotated[int, Ge(0)] | None, Help("Seed of the draw.", default="0", most=MOST_SEED)] = None,
    folds: Annotated[int | None, Help("Write K folds for `train --fold` instead.", default="none", metavar="K")] = None,
    val: Annotated[float | None, Help("Share of the images for validation.", default=".15")] = None,
    test: Annotated[float | None, Help("Share of the images for the test.", default=".15")] = None,
    target: Annotated[tuple[str, ...], Help("Target to stratify by; may be given several times.", default="all")] = (),
    group: Annotated[str | None, Help("Column of images.parquet whose groups stay whole.", default="group")] = None,
    new: Annotated[bool, Help("Give a part to images that have none; no other image moves.")] = False,
    replace: Annotated[bool, Help("Split all images anew; the old images.parquet is kept beside the new one.")] = False,
    json: Json = False,
) -> None:
    """Write the split that all targets of a data set share, or show the existing one."""
    from affectml.page.tables import number
    from affectml.splitting import split as part

    found = part(
        dataset, seed=seed, folds=folds, val=val, test=test, target=target, group=group, new=new, replace=replace
    )
    if json:
        tables = {name: loads(table.to_json(orient="records")) for name, table in found.tables.items()}
        print_json({"targets": tables, "notes": found.notes})
        return
    for name, table in found.tables.items():
        rows = [(part, f"{images:,}", *map(number, shares)) for part, images, *shares in table.itertuples(index=False)]
        print_table(f"target {name}", ("part", *table.columns[1:]), rows)
    print_lines(found.notes)
