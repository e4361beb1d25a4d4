"""crosseval: the command around `affectml.cross_evaluation`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli._there import there
from affectml.cli.runs import Encoder, Hidden, Json, Prompts, Seed, Tau, Template, Threads, _say


def crosseval(
    train: Annotated[list[Path], typer.Option(help="Data set folder to train on; may be given several times.")],
    test: Annotated[list[Path], typer.Option(help="Data set folder to judge on; may be given several times.")],
    head: Annotated[
        list[str] | None,
        typer.Option(
            help="plain (sigmoid or softmax, as the target needs) or any head of train; may be given several times.",
            show_default="plain and contrastive",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Target to use in each data set that has one of this name.")
    ] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=OPTION", help="Which label an ambiguous one becomes; may be given several times."),
    ] = None,
    drop_undecided: Annotated[
        bool,
        typer.Option(
            "--drop-undecided",
            help="Leave out labels that become none of the other set's, instead of the whole pair of sets.",
        ),
    ] = False,
    metric: Annotated[
        str | None, typer.Option(help="Metric that the matrix shows; cells.csv has all.", show_default="top_1_accuracy")
    ] = None,
    measure: Annotated[str | None, typer.Option(hidden=True, help="Former name of --metric.")] = None,
    hidden: Hidden = 0,
    prompts: Prompts = "sentiment",
    template: Template = None,
    encoder: Encoder = None,
    tau: Tau = 1 / 3,
    out: Annotated[Path | None, typer.Option(help="Folder to write.", show_default="runs/crosseval-NNN")] = None,
    seed: Seed = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Train on some data sets and judge on others: a matrix with intervals, drops, zero-shot and priors."""
    there(datasets=[*train, *test])
    from affectml.cli._print import print_json, print_table
    from affectml.cross_evaluation import (
        CrossConfig,
        cells_table,
        crosseval,
        main_metric,
        matrix_table,
        write_crosseval,
    )
    from affectml.data import check_new
    from affectml.errors import BadInput, did_you_mean
    from affectml.importers import parse_mapping
    from affectml.runs import next_run_folder
    from affectml_metrics.table import find, specs

    if measure is not None:  # its name in 0.1
        typer.echo("--measure is now called --metric; the old name goes with version 0.3", err=True)
        metric = metric or measure
    if metric is not None and find(metric) is None:  # before everything is trained, not after
        near = did_you_mean(metric, [spec.name for spec in specs()])
        raise BadInput(f"--metric {metric}: no such metric{near} (docs/metrics.md has all)")
    folder = out if out is not None else next_run_folder("crosseval")
    check_new(folder)
    config = CrossConfig(
        train=tuple(map(str, train)), test=tuple(map(str, test)), heads=tuple(head or CrossConfig.heads),
        target=target, choices=parse_mapping(choose or [], option="--choose"), drop=drop_undecided, hidden=hidden,
        prompts=prompts, templates=tuple(template or ()), encoder=encoder, tau=tau, seed=seed, threads=threads,
    )  # fmt: skip
    result = crosseval(config, say=_say)
    try:
        chosen = main_metric(result, metric)
    except BadInput as error:
        if metric is None:
            raise
        write_crosseval(result, folder, main_metric(result))
        raise BadInput(f"{error}; {folder} has the matrix of {main_metric(result)}") from None
    write_crosseval(result, folder, chosen)
    if json:
        print_json({"folder": str(folder), **result.to_json()})
        return
    for table in (matrix_table(result, chosen), cells_table(result, chosen)):
        if not table.rows:
            continue
        print_table(table.title, table.columns, table.rows, best=table.best)
        print(f"  {table.note}\n")
    print(f"written: {folder}")
