"""ask and judge: the commands around `affectml.answers`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml._options import Argument, Help
from affectml.answers import AskConfig, JudgeConfig
from affectml.cli._command import Json, Verbose, say, there
from affectml.cli._print import print_json
from affectml.cli._runs_print import print_judged


def ask(
    dataset: Annotated[Path, Argument("Data set folder.")],
    config: AskConfig,
    out: Annotated[Path, Help("JSON lines file to write; more than one where it gets too large.")],
    json: Json = False,
) -> None:
    """Write the question that people were asked as batch requests for a vision-language model; nothing is sent."""
    from affectml.answers import ask as write

    asked = write(dataset, config, out, say=say)
    if json:
        print_json(asked.to_json())
        return
    typer.echo(f"{asked.requests} requests about {asked.images} images: {', '.join(map(str, asked.files))}")
    typer.echo(f"order of labels in each: {asked.index}\n\n{asked.prompt}")


def judge(
    dataset: Annotated[Path, Argument("Data set folder.")],
    answers: Annotated[
        tuple[Path, ...],
        Argument("Each system's answers: CSV, TSV, Parquet, JSON lines, or responses to what `ask` wrote."),
    ],
    config: JudgeConfig,
    out: Annotated[
        tuple[Path, ...],
        Help(
            "File to write: .html (the page), .json (everything), .parquet or .csv (scores), .tex or .md (a table for "
            "a paper); may be given several times."
        ),
    ] = (),
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Judge any systems' answers beside the prior, zero-shot, runs and people, and find their bias by label."""
    there(datasets=[dataset], runs=config.run)
    from affectml.answers import judge_answers, named

    result = judge_answers(dataset, named(answers, config.name), config, out=out, say=say)
    print_json(result.to_json()) if json else print_judged(result, verbose=verbose)
