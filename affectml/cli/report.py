"""report: the command around `affectml.report` and, for several runs, `affectml.comparison`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli._there import there


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folder; several of one data set are compared.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write.", show_default="report.html in the run, differences.html in the first of several"
        ),
    ] = None,
    tables: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write every table as CSV and LaTeX there as well.")
    ] = None,
    seeds: Annotated[
        bool, typer.Option("--seeds", help="Take runs that differ only in their seed as one way of training.")
    ] = False,
    dataset: Annotated[Path | None, typer.Option(help="Data set folder.", show_default="the run's")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Make a run's report again, or compare several runs on the same images: what differs beyond chance?"""
    there(runs=runs)
    from affectml.cli._print import print_table
    from affectml.cli.runs import _say
    from affectml.errors import BadInput
    from affectml.report import report_run

    if len(runs) == 1 and seeds:
        raise BadInput("--seeds compares several runs: name at least two ways of training")
    if len(runs) == 1:
        page = report_run(runs[0], out=out, tables=tables, dataset=dataset, say=_say)
    else:
        from affectml.comparison import report_runs

        compared = report_runs(runs, out=out, tables=tables, dataset=dataset, seeds=seeds, say=_say)
        page = compared.page
        for section in compared.sections:
            for table in section.tables if section in compared.first else ():
                print_table(table.title, table.columns, table.rows, numbers=False)
            if section.sentence:
                print(f"  {section.sentence}\n")
    print(f"report: {page}")
    if open_:
        typer.launch(page.absolute().as_uri())
