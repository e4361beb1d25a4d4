"""evaluate: the command around `affectml.evaluating`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml._options import Argument, Help
from affectml.cli._command import Json, Verbose, say, there
from affectml.cli._print import print_json
from affectml.cli._runs_print import print_evaluation
from affectml.evaluating import EvaluateConfig


def evaluate(
    config: EvaluateConfig,
    systems: Annotated[
        tuple[str, ...],
        Argument(
            "Run folders, or files of answers: CSV, TSV, Parquet, JSON lines, or responses to what `ask` wrote; "
            "NAME=PATH names one."
        ),
    ] = (),
    out: Annotated[
        Path | None,
        Help(
            "Folder for everything, or a file: .html (the page), .parquet or .csv (the figures), .tex or .md (a table "
            "for a paper).",
            default="report.html of a run alone, else runs/evaluation-NNN",
        ),
    ] = None,
    open_: Annotated[bool, Help("Show the page in the browser.")] = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Judge systems beside people: runs, and any model's answers, on their own data or on others.

    One run alone: its page is written again. Several runs of the same data are compared by their stored scores. With
    --on, every system is judged on these data sets, in the labels that both sides have.
    """
    from affectml._files import need_file

    paths = [Path(each if Path(each).exists() else each.partition("=")[2] or each) for each in systems]
    for path in paths:
        if path.exists() and not path.is_dir():
            need_file(path)
    there(datasets=[*config.on, *config.train], runs=[path for path in paths if not path.exists()])
    from affectml.evaluating import evaluate_systems

    found = evaluate_systems(systems, config, out=out, say=say)
    page = found.file / "report.html" if found.file.is_dir() else found.file
    if json:
        print_json({"written": str(found.file), **found.evaluation.to_json()})
    else:
        print_evaluation(found.evaluation, verbose=verbose)
        print(f"written: {found.file}")
    if open_:
        typer.launch(page.absolute().as_uri())
