"""report: the command around `affectml.report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="report.html in the run")] = None,
    tables: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write every table as CSV and LaTeX there as well.")
    ] = None,
    dataset: Annotated[Path | None, typer.Option(help="Data set folder.", show_default="the run's")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Make the report of a run again: one page with pictures, tables and images."""
    from affectml.report import report_run

    page = report_run(run, out=out, tables=tables, dataset=dataset, say=lambda line: typer.echo(line, err=True))
    print(f"report: {page}")
    if open_:
        typer.launch(page.absolute().as_uri())
