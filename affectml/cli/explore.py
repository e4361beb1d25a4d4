"""explore: the page that shows all images of a data set, and the map that is made for it beforehand."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli._page import Address, AllowHost, Port, start_page
from affectml.cli._there import there
from affectml.cli.runs import _say


def explore(
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="DATASET", help="Data set folder.", show_default="the demo set, drawn in data/demo"),
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(help="Run folder to show beside people; may be given several times.", show_default="none"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Target whose answers are people's.", show_default="the first run's, or the only one"),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Encoder whose embeddings are mapped and searched.", show_default="the first run's, or the only one"
        ),
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(
            envvar="AFFECTML_LABELS", help="The labelling task's database, for flags, notes and the queue.",
            show_default="DATASET-labels.db beside the data set",
        ),
    ] = None,
    make_map: Annotated[
        bool,
        typer.Option("--map", help="Make the map by UMAP, keep it in the data set, and end; minutes for many images."),
    ] = False,
    allow_host: AllowHost = None,
    address: Address = "127.0.0.1",
    port: Port = 8501,
) -> None:  # fmt: skip
    """See a data set's images on a map with what people and runs say of them; filter, search, keep."""
    there(datasets=[] if dataset is None else [dataset], runs=run or [])
    if make_map:
        if dataset is None:
            raise typer.BadParameter("--map: of which data set? Name its folder")
        from affectml.exploring.opening import map_by_umap

        print(f"map: {map_by_umap(dataset, run or [], encoder=encoder, say=_say)}")
        return
    given = {"run": run, "target": target, "encoder": encoder, "db": db, "allow-host": allow_host}
    start_page("explore", given, [] if dataset is None else [str(dataset)], address=address, port=port)
