"""affectml relabel: the labelling page in a browser, from an installed package."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer


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
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Host name under which others reach this server; may be given several times."),
    ] = None,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
) -> None:
    """Start the page on which people label images, in the browser."""
    from streamlit.web.cli import main as streamlit

    if folder is not None and dataset not in (None, folder):
        raise typer.BadParameter(f"two data sets, {folder} and {dataset}: name one")
    dataset = folder or dataset
    given = {"dataset": dataset, "images": images, "db": db, "model": model, "target": target, "taxonomy": taxonomy}
    given |= {"check-labels": check_labels}
    arguments = [f"--{name}={value}" for name, value in given.items() if value is not None]
    arguments += [f"--lead={name}" for name in lead or ()] + [f"--allow-host={name}" for name in allow_host or ()]
    options = ["--server.address", address, "--server.port", str(port)]
    streamlit(["run", str(_entry()), *options, "--", *arguments])


def _entry() -> Path:
    """The script that Streamlit runs, found without importing the pages."""
    spec = find_spec("affectml_apps")
    if spec is None or not spec.submodule_search_locations:
        raise typer.BadParameter("the package affectml_apps is not installed; install affectml again")
    return Path(spec.submodule_search_locations[0]) / "entry" / "relabel.py"
