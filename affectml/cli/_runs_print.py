"""How a run, an evaluation and predictions look in the terminal."""

from typing import TYPE_CHECKING, Any

from affectml.cli._print import print_json, print_table

if TYPE_CHECKING:
    from affectml.predicting import Prediction
    from affectml.report.tables import Table
    from affectml.runs import RunFolder


def print_trained(run: "RunFolder", *, as_json: bool) -> None:
    """The table of a finished training and where the run is."""
    if as_json:
        print_json({"run": str(run.folder), **run.metrics})
        return
    data = run.info.data
    print(f"\n{data.name} ({data.construct}), target {data.target}: {data.kind}; head {run.head.name}")
    _print_metrics(run.metrics, run.info.set_f1_by_tau, run.info.levels)
    print(f"run:    {run.folder}\nreport: {run.folder / 'report.html'}")


def print_metrics(result: "tuple[dict[str, Any], dict[str, dict[str, float]]]", *, as_json: bool) -> None:
    """The table of an evaluation."""
    metrics, by_tau = result
    print_json(metrics) if as_json else _print_metrics(metrics, by_tau)


def print_predictions(predictions: "list[Prediction]", *, as_json: bool) -> None:
    """Each image with its set (or its best label) and the scores of its first labels."""
    if as_json:
        print_json([prediction.to_json() for prediction in predictions])
        return
    rows = [
        (
            p.image,
            ", ".join(p.labels) if p.labels is not None else p.best[0][0],
            "  ".join(f"{label} {value:.2f}" for label, value in p.best[:4]),
            *([] if p.certainty is None else [f"as after {p.certainty:.0f} votes"]),
        )
        for p in predictions
    ]
    sure = ("how sure",) if predictions and predictions[0].certainty is not None else ()
    print_table("", ("image", "labels", "scores", *sure), rows, numbers=False)


def _print_metrics(
    metrics: dict[str, Any], by_tau: dict[str, dict[str, float]], levels: dict[str, Any] | None = None
) -> None:
    from affectml.report.tables import levels_table, main_table, notes, people_table, tau_table

    # Results per label and per subgroup are in the report: here the figures have to fit a screen.
    tables = [main_table(metrics, brief=True), people_table(metrics), levels_table(levels or {}), tau_table(by_tau)]
    for table in tables:
        if table is not None:
            _show(table)
    for line in notes(metrics):
        print(f"  {line}")
    print()


def _show(table: "Table") -> None:
    print_table(table.title, table.columns, table.rows)
    if table.note:
        print(f"  {table.note}\n")
