"""What the import commands share: their common options, and how they say what came in."""

from pathlib import Path
from typing import Annotated, Any

import typer

Out = Annotated[Path, typer.Argument(help="Data set folder to write; must not exist yet.")]
Taxonomy = Annotated[
    str | None,
    typer.Option(help="A built-in taxonomy or a YAML file.", show_default="inferred from the labels"),
]
Name = Annotated[str | None, typer.Option(help="The data set's name.", show_default="the source's name")]
Construct = Annotated[
    str,
    typer.Option(help="What the labels are about: evoked, expressed, intended, or query (the search word)."),
]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FROM=TO", help="Rename a label; may be given several times."),
]
Question = Annotated[str, typer.Option(help="The question people were asked, word for word.")]
Source = Annotated[str, typer.Option(help="Where the data come from.")]
Licence = Annotated[str, typer.Option(help="The licence they are under.")]
Images = Annotated[str, typer.Option(help="How images come in: copy or hardlink.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at an image that cannot be used instead of leaving it out.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Native = Annotated[Path, typer.Argument(help="The set's folder, as it is published.")]
NativeImages = Annotated[
    str, typer.Option(help="How images come in: copy, hardlink, or none (embeddings come from elsewhere).")
]
Partial = Annotated[bool, typer.Option("--partial", help="Take what there is where a part of the set is missing.")]
ImagesRoot = Annotated[Path | None, typer.Option(help="Folder that holds the images.", show_default="the set's folder")]


def show(summary: Any, as_json: bool) -> None:
    """Print an ImportSummary as a table or as JSON."""
    from affectml.cli._print import print_json, print_table

    if as_json:
        print_json(summary.to_json())
    else:
        print_table(f"imported {summary.name}", ("what", "value"), summary.rows(), numbers=False)
