"""duplicates: the command around `affectml.duplicates.find_duplicates`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectml._options import Argument, Help
from affectml.cli._command import Json
from affectml.cli._print import print_json, print_table

if TYPE_CHECKING:
    from affectml.duplicates import Duplicates

SHOWN = 20  # rows of a table; --json has all


def duplicates(
    dataset: Annotated[Path, Argument("Data set folder.")],
    near: Annotated[
        bool, Help("Find images that were resized, cut or compressed anew, too; needs embeddings.")
    ] = False,
    cosine: Annotated[
        float | None,
        Help(
            "With --near: how alike embeddings must be for pixels to be compared.",
            default=".90; .95 among images without a file",
        ),
    ] = None,
    encoder: Annotated[
        str | None, Help("Encoder whose embeddings are compared.", default="the one the data set is embedded with")
    ] = None,
    write: Annotated[bool, Help("Write the duplicates as groups into images.parquet; the old file is kept.")] = False,
    json: Json = False,
) -> None:
    """Find images that a data set holds more than once, where its split parts them, and where their labels differ."""
    from affectml.data import Dataset
    from affectml.duplicates import find_duplicates
    from affectml.errors import BadInput

    if cosine is not None and not near:
        raise BadInput("--cosine belongs to --near: copies are found by their pixels alone")
    found = find_duplicates(Dataset.open(dataset), near=near, cosine=cosine, encoder=encoder)
    kept = found.write() if write else None
    if json:
        print_json(found.to_json() | ({"kept": None if kept is None else str(kept)} if write else {}))
        return
    _print(found)
    if write:
        said = "every one is in one group already" if kept is None else f"groups written; the old file is {kept}"
        typer.echo(f"  {found.dataset.root / 'images.parquet'}: {said}")


def _print(found: "Duplicates") -> None:
    for line in found.notes():
        typer.echo(f"  {line}")
    groups = [(g.kind, len(g.image_ids), f"{g.likeness:.3f}", _some(g.image_ids)) for g in found.groups]
    _table(f"Duplicates in {found.dataset.name}", ("kind", "images", "likeness", "image_id"), groups)
    crossings = [(c.kind, f"{c.image_id} ({c.part})", f"{c.other_id} ({c.other_part})") for c in found.crossings()]
    _table("Pairs that the split parts", ("kind", "image_id", "image_id"), crossings)
    differing = [
        (c.kind, c.target, _some([f"{image}: {'+'.join(labels) or 'none'}" for image, labels in c.answers]))
        for c in found.contradictions()
    ]
    _table("Groups with contradicting labels", ("kind", "target", "image_id: labels"), differing)


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    count = f"{len(rows):,}" if len(rows) <= SHOWN else f"{SHOWN} of {len(rows):,}; --json has all"
    print_table(f"{title} ({count})", columns, rows[:SHOWN], numbers=False)


def _some(names: "tuple[str, ...] | list[str]") -> str:
    return "  ".join(names[:6]) + (f"  and {len(names) - 6} more" if len(names) > 6 else "")
