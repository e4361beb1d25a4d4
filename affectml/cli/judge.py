"""judge: the command around `affectml.answers`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli._there import there
from affectml.cli.runs import Json, Seed, Tau, Threads, _say


def judge(
    dataset: Annotated[Path, typer.Argument(help="Data set folder.")],
    answers: Annotated[
        Path, typer.Argument(help="The answers: CSV, TSV, Parquet, JSON lines, or responses to what `ask` wrote.")
    ],
    name: Annotated[str, typer.Option(help="What the system is called.")],
    target: Annotated[str | None, typer.Option(help="Target of the data set to judge by.")] = None,
    runs: Annotated[
        list[Path] | None, typer.Option(help="Run folder to stand beside it; may be given several times.")
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(help="sets, ranked, rates or distribution.", show_default="what the answers look like"),
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", help="Of ranked lists, the first K labels are the set.", show_default="no sets")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="WORD=LABEL", help="Label that a word stands for; may be given several times."),
    ] = None,
    split: Annotated[str, typer.Option(help="Images to judge: test, val or all.")] = "test",
    encoder: Annotated[
        str | None,
        typer.Option(help="Encoder for zero-shot; embeds the images.", show_default="the embeddings that are there"),
    ] = None,
    image_column: Annotated[
        str | None, typer.Option(help="Column of a table that names the image.", show_default="found by its name")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Column of a table with the labels.", show_default="found by its name")
    ] = None,
    empty: Annotated[
        str | None,
        typer.Option(help="What an empty cell is: none (no label applies) or skip.", show_default="skip"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write with everything.")] = None,
    tau: Tau = 1 / 3,
    seed: Seed = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Judge any system's answers beside the prior, zero-shot, runs and people, and find its bias by label."""
    there(datasets=[dataset], runs=runs or ())
    from affectml.answers import JudgeConfig, judge_answers
    from affectml.cli._print import print_json
    from affectml.cli._runs_print import print_judged
    from affectml.importers import parse_mapping

    config = JudgeConfig(
        name=name, target=target, runs=tuple(map(str, runs or ())), shape=shape, k=k,
        mapping=parse_mapping(map_ or []), split=split, encoder=encoder, image_column=image_column,
        label_column=label_column, empty=empty, tau=tau, seed=seed, threads=threads,
    )  # fmt: skip
    result = judge_answers(dataset, answers, config, out=out, say=_say)
    print_json(result.to_json()) if json else print_judged(result)
