"""crosseval: the command around `affectml.cross_evaluation`."""

from pathlib import Path
from typing import Annotated

from affectml._options import Help
from affectml.cli._command import Json, Verbose, say, there
from affectml.cli._print import print_json, show_result
from affectml.cross_evaluation import CrossConfig


def crosseval(
    config: CrossConfig,
    metric: Annotated[
        str | None, Help("Metric that the matrix shows; cells.csv has all.", default="top_1_accuracy")
    ] = None,
    out: Annotated[Path | None, Help("Folder to write.", default="runs/crosseval-NNN")] = None,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Train on some data sets and judge on others: a matrix with intervals, drops, zero-shot and priors."""
    there(datasets=[*config.train, *config.test])
    from affectml.cross_evaluation import cells_table, main_metric, matrix_table, write_crosseval
    from affectml.cross_evaluation import crosseval as cross
    from affectml.data import check_new
    from affectml.errors import BadInput, did_you_mean
    from affectml.runs import next_run_folder
    from affectml_metrics.table import find, specs

    if metric is not None and find(metric) is None:  # before everything is trained, not after
        near = did_you_mean(metric, [spec.name for spec in specs()])
        raise BadInput(f"--metric {metric}: no such metric{near} (docs/metrics.md has all)")
    folder = out if out is not None else next_run_folder("crosseval")
    check_new(folder)
    result = cross(config, say=say)
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
    show_result(matrix_table(result, chosen), [cells_table(result, chosen)], verbose=verbose, bold=True)
    print(f"written: {folder}")
