"""report: the command around `affectml.page` and, for several runs, `affectml.comparison`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml._options import Argument, Help
from affectml.cli._command import Verbose, say, there
from affectml.cli._print import show_result


def report(
    runs: Annotated[tuple[Path, ...], Argument("Run folder; several of one data set are compared.")],
    out: Annotated[
        Path | None, Help("File to write.", default="report.html in the run, differences.html in the first of several")
    ] = None,
    tables: Annotated[Path | None, Help("Write every table as CSV and LaTeX there as well.", metavar="FOLDER")] = None,
    seeds: Annotated[bool, Help("Take runs that differ only in their seed as one way of training.")] = False,
    dataset: Annotated[Path | None, Help("Data set folder.", default="the run's")] = None,
    open_: Annotated[bool, Help("Show the page in the browser.")] = False,
    verbose: Verbose = False,
) -> None:
    """Make a run's report again, or compare several runs on the same images: what differs beyond chance?"""
    there(runs=runs)
    from affectml.errors import BadInput
    from affectml.page import report_run

    if len(runs) == 1 and seeds:
        raise BadInput("--seeds compares several runs: name at least two ways of training")
    if len(runs) == 1:
        page = report_run(runs[0], out=out, tables=tables, dataset=dataset, say=say)
    else:
        from affectml.comparison import report_runs

        compared = report_runs(runs, out=out, tables=tables, dataset=dataset, seeds=seeds, say=say)
        page = compared.page
        main, *others = (table for section in compared.first for table in section.tables)
        show_result(main, others, verbose=verbose, numbers=False)
        for section in compared.sections:
            if section.sentence:
                print(f"  {section.sentence}\n")
    print(f"report: {page}")
    if open_:
        typer.launch(page.absolute().as_uri())
