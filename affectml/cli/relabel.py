"""affectml relabel: the labelling page in a browser, from an installed package."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli._page import Address, AllowHost, Port, start_page


def relabel(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DATASET", help="Data set folder.", show_default="the demo set, drawn in data/demo"),
    ] = None,
    dataset: Annotated[Path | None, typer.Option(metavar="DATASET", help="The same, as an option.")] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="PHOTOS",
            help="Folder of photographs that nobody has labelled, for --taxonomy; labelling begins at once. Their data "
            "set is DATASET, or data/NAME.",
        ),
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(help="SQLite file or postgresql:// URL.", show_default="DATASET-labels.db beside the folder"),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Run folder; its predictions may be shown as suggestions.")] = None,
    target: Annotated[str | None, typer.Option(help="Target whose labels people choose from.")] = None,
    taxonomy: Annotated[
        str | None, typer.Option(help="Labels to choose from instead: a built-in taxonomy or a YAML file.")
    ] = None,
    check_labels: Annotated[
        str | None,
        typer.Option(
            help="Ask of one label at a time whether it fits the image: those of a target, by its name, or those that "
            "--model predicts, by the word model."
        ),
    ] = None,
    lead: Annotated[
        list[str] | None,
        typer.Option(
            help="Who may see the lead's pages; may be given several times.", show_default="everybody on this machine"
        ),
    ] = None,
    allow_host: AllowHost = None,
    address: Address = "127.0.0.1",
    port: Port = 8501,
) -> None:
    """Start the page on which people label images, in the browser."""
    if folder is not None and dataset not in (None, folder):
        raise typer.BadParameter(f"two data sets, {folder} and {dataset}: name one")
    given: dict[str, object] = {
        "dataset": folder or dataset,
        "images": images,
        "db": db,
        "model": model,
        "target": target,
    }
    given |= {"taxonomy": taxonomy, "check-labels": check_labels, "lead": lead, "allow-host": allow_host}
    start_page("relabel", given, address=address, port=port)
