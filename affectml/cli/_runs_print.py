"""How a run, an evaluation and predictions look in the terminal."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from affectml.cli._print import print_json, print_lines, print_table, show_result

if TYPE_CHECKING:
    from pathlib import Path

    from affectml.errors import BadRun
    from affectml.judging.figures import Evaluation
    from affectml.pictures import Bad
    from affectml.predicting import Prediction
    from affectml.predicting.files import PredictionFile
    from affectml.runs import RunFolder

SHOWN = 50  # images of a table; --out has all
SHOWN_BAD = 10
FIRST = 3  # scores of a run in a list of them


def print_trained(run: "RunFolder", *, as_json: bool, verbose: bool) -> None:
    """The table of a finished training and where the run is."""
    if as_json:
        print_json({"run": str(run.folder), **run.evaluation.to_json()})
        return
    data = run.info.data
    print(f"\n{data.name} ({data.construct}), target {data.target}: {data.kind}; head {run.head.name}")
    print_evaluation(run.evaluation, verbose=verbose)
    print(f"run:    {run.folder}\nreport: {run.folder / 'report.html'}")


def print_evaluation(evaluation: "Evaluation", *, verbose: bool) -> None:
    """Its main table and what it says in words; verbose: all tables of scores, and how each figure was counted.

    Of ways of training whose runs were tested on different images the main table has their means over seeds.
    """
    from affectml.page import brief, terminal_lines
    from affectml.page.tables import metric, pivot, rows_of
    from affectml.page.write import printed

    rules = [f"{name}: {words}" for name, words in evaluation.facts["rules"].items()]
    lines = terminal_lines(evaluation)
    seeds = {"by": "seeds", "level": None, "against": "people"}
    ways = rows_of(evaluation, **seeds) if "ways" in evaluation.facts else []
    main = pivot("Means over seeds", ways, metric) or brief(evaluation)
    tables = [main, *(table for table in printed(evaluation) if table.title != main.title)]
    for line in lines:  # a table's note need not say it as well
        said = f"; {line[:1].lower()}{line[1:].removesuffix('.')}"
        tables = [replace(table, note=table.note.replace(said, "")) for table in tables]
    show_result(tables[0], tables[1:], rules, verbose=verbose)
    print_lines(lines)


def print_runs(runs: "list[RunFolder]", bad: "list[BadRun]", *, as_json: bool) -> None:
    """A line per run; those that cannot be read on standard error."""
    from affectml.page.tables import arrow, cell
    from affectml_metrics.table import shown

    lines = []
    for run in runs:
        scores = {each.name: each for each in run.evaluation.scores_of("model")} if run.has_figures else {}
        lines.append((run, [scores[name] for name in shown(scores, "headline")[:FIRST]]))
    if as_json:
        print_json(
            [
                {"run": str(run.folder), "data": run.info.data.name, "target": run.info.data.target,
                 "kind": run.info.data.kind, "head": run.info.head.name, "at": run.info.at,
                 "scores": {each.name: {"value": each.value, "low": each.low, "high": each.high} for each in scores}}
                for run, scores in lines
            ]
        )  # fmt: skip
    else:
        rows = [
            (run.folder, f"{run.info.data.name}, {run.info.data.target or 'no target'}", run.info.head.name,
             "; ".join(f"{arrow(each.name)} {cell(each)}" for each in scores) or "-")
            for run, scores in lines
        ]  # fmt: skip
        print_table("", ("run", "data", "head", "model's first scores"), rows, numbers=False)
    for error in bad:
        print(f"cannot be read: {error}", file=sys.stderr)


def print_predictions(predictions: "list[Prediction]", images: int, *, as_json: bool) -> None:
    """Each image with its set (or its best label) and the scores of its first labels; images: how many there are."""
    import numpy as np

    from affectml.predicting.checks import Alike

    labels = sorted(dict(predictions[0].best))
    answers = Alike(labels)
    scores = np.array([[dict(p.best)[label] for label in labels] for p in predictions])
    answers.add(scores, None if predictions[0].labels is None else [p.labels or () for p in predictions])
    if answers.words:
        print(answers.words, file=sys.stderr)
    if as_json:
        print_json([prediction.to_json() for prediction in predictions])
        return
    rows = [
        (
            p.image,
            ", ".join(p.labels) if p.labels is not None else p.best[0][0],
            "  ".join(f"{label} {value:.2f}" for label, value in p.best[:4]),
        )
        for p in predictions
    ]
    print_table("", ("image", "labels", "scores"), rows, numbers=False)
    if images > SHOWN:
        print(
            f"  {len(rows)} of {images:,} images; --out answers.csv predicts and writes them all (.parquet, .jsonl too)"
        )


def print_written(made: "PredictionFile", *, as_json: bool) -> None:
    """What was written, and what could not be read."""
    if as_json:
        print_json(made.to_json())
        return
    print(f"{made.images:,} images: {made.file}")
    for words in filter(None, (made.alike, made.shift)):
        print(f"  {words}")
    if made.kept is not None:
        print(f"  the file that was there is {made.kept}")
    say_unreadable(made.bad, made.listed)


def say_unreadable(bad: "Bad", listed: "Path | None" = None) -> None:
    """Images that could not be read, each with its reason, on standard error; of many the first."""
    for image, reason in bad[:SHOWN_BAD]:
        print(f"cannot be read: {image}: {reason}", file=sys.stderr)
    if listed is not None:
        print(f"could not be read: {len(bad):,}, listed in {listed}", file=sys.stderr)
    elif len(bad) > SHOWN_BAD:
        print(f"... and {len(bad) - SHOWN_BAD:,} more", file=sys.stderr)
