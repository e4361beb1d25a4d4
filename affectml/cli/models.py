"""train, evaluate, predict, explain, runs: the commands around a run, and how they print it."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectml import api
from affectml._options import Device, Help, Threads, Workers
from affectml.cli._command import (
    Parts,
    Table,
    Verbose,
    print_lines,
    say,
    show,
    show_result,
    shows,
)
from affectml.errors import BadInput
from affectml.evaluating import EvaluateConfig
from affectml.runs import TrainConfig
from affectml.runs.config import with_settings

if TYPE_CHECKING:
    from affectml.explanation import Explanation
    from affectml.judging.figures import Evaluation
    from affectml.pictures import Bad
    from affectml.predicting import Prediction

PICTURE = Annotated[
    Path | None, Help("A .png or .svg file to draw map and curves in, or a folder.", default="no picture")
]
SHOWN = 50  # images of a table; --out has all
SHOWN_BAD = 10
FIRST = 3  # scores of a run in a list of them


def train(config: TrainConfig, *, out: Path | None = None, verbose: Verbose = False) -> Parts:
    """Train a head and judge it on the test split, beside the prior, zero-shot and people.

    Args:
        out: Run folder to write. Default: runs/NAME-NNN.
    """
    from affectml.page import WRITERS
    from affectml.training import train_run

    run = train_run(with_settings(config), out=out, say=say, writers=WRITERS)
    data = run.info.data
    yield {"run": str(run.folder), **run.evaluation.to_json()}
    yield f"\n{data.name} ({data.construct}), target {data.target}: {data.kind}; head {run.head.name}"
    yield lambda: print_evaluation(run.evaluation, verbose=verbose)
    yield f"run:    {run.folder}\nreport: {run.folder / 'report.html'}"


train.headings = {  # type: ignore[attr-defined]
    **dict.fromkeys(("multilabel", "target", "encoder", "device", "fold"), "Data"),
    **dict.fromkeys(("head", "options", "by_person", "promise", "seed", "threads"), "Head"),
    **dict.fromkeys(("tau", "groups", "out", "verbose", "json"), "Judging"),
}


def runs(folder: Path = Path("runs")) -> Parts:
    """List the runs in a folder, each with its data set, its head and its first scores on the test images.

    Args:
        folder: Folder of runs.
    """
    from affectml.page.tables import arrow, cell
    from affectml.runs import runs_in
    from affectml_metrics.table import shown

    content: list[dict[str, Any]] = []
    rows = []
    found, bad = runs_in(folder)
    for run in found:
        info, data = run.info, run.info.data
        scores = {each.name: each for each in run.evaluation.scores_of("model")} if run.has_figures else {}
        first = [scores[name] for name in shown(scores, "headline")[:FIRST]]
        content.append({
            "run": str(run.folder), "data": data.name, "target": data.target, "kind": data.kind,
            "head": info.head.name, "at": info.at,
            "scores": {each.name: {"value": each.value, "low": each.low, "high": each.high} for each in first},
        })  # fmt: skip
        words = "; ".join(f"{arrow(each.name)} {cell(each)}" for each in first)
        rows.append((run.folder, f"{data.name}, {data.target or 'no target'}", info.head.name, words or "-"))
    yield content
    yield Table("", ("run", "data", "head", "model's first scores"), rows)
    for error in bad:
        print(f"cannot be read: {error}", file=sys.stderr)


def evaluate(
    config: EvaluateConfig,
    systems: tuple[str, ...] = (),
    *,
    out: Path | None = None,
    verbose: Verbose = False,
) -> Parts:
    """Judge systems beside people: runs, and any model's answers, on their own data or on others.

    For one run alone, its page is written again. Several runs of the same data are compared by their stored scores.
    With --on, every system is judged on these data sets, in the labels that both sides have.

    Args:
        systems: Run folders, or files of answers: CSV, TSV, Parquet, JSON lines, or responses to what `ask` wrote;
            NAME=PATH names one.
        out: Folder for everything, or a file: .html (the page), .parquet or .csv (the figures), .tex or .md (a table
            for a paper). Default: report.html of a run alone, else runs/evaluation-NNN.
    """
    from affectml.evaluating import evaluate_systems

    found = evaluate_systems(systems, config, out=out, say=say)
    yield {"written": str(found.file), **found.evaluation.to_json()}
    yield lambda: print_evaluation(found.evaluation, verbose=verbose)
    yield f"written: {found.file}"


def predict(
    run: Path,
    images: tuple[str, ...],
    *,
    labels: Sequence[str] | None = None,
    out: Path | None = None,
    replace: bool = False,
    person: Annotated[str | None, Help(metavar="ID|FILE")] = None,
    dataset: Path | None = None,
    workers: Workers = None,
    strict: bool = False,
    threads: Threads = None,
    device: Device = None,
) -> Parts:
    """Predict labels for images with a trained run. Images that cannot be read are listed; the others are predicted.

    Args:
        run: Run folder.
        images: Image files, folders of them at any depth, patterns (photos/**/*.jpg), data set folders; - reads such
            names from standard input, one a line.
        labels: Choose among these labels, or among those of a taxonomy; they need not be the run's own. For contrastive
            and zero-shot heads. Default: the run's own labels.
        out: A .csv, .parquet or .jsonl file to write, for any number of images; the same command continues after an
            interruption. Default: a table on the screen.
        replace: Replace an existing file; the old one is kept beside it.
        person: Predict what one person would choose: the id of somebody that a run by person learned from, or a new
            person's answers, a table of images and labels. Default: what people choose.
        dataset: The data set whose image_ids the table names. Default: the run's own.
        strict: Exit with code 1 if any image could not be read.
    """
    from affectml.taxonomies import get_taxonomy

    if workers is not None and (out is None or person is not None or device is not None):
        raise BadInput("--workers belongs to --out, and goes with neither --person nor --device")
    from affectml._progress import Progress
    from affectml.pictures import Bad, pictures
    from affectml.predicting import predict_images
    from affectml.predicting.features import run_encoder
    from affectml.predicting.files import predict_to_file
    from affectml.predicting.person import for_person
    from affectml.runs import RunFolder

    named = list(_named(images))
    if labels is not None and len(labels) == 1:
        labels = get_taxonomy(labels[0]).labels
    how: dict[str, Any] = {"labels": labels, "threads": threads, "say": say}
    if out is not None and workers is not None:
        from affectml.ray_engine import predict_with_ray

        predict_with_ray(run, named, out, replace=replace, **how)
    how["device"] = device
    if person is not None:
        opened, file = RunFolder.open(run), Path(person)
        how["person"] = for_person(
            opened, file if file.is_file() else person, dataset=dataset, threads=threads, say=say,
            encoder_factory=lambda: run_encoder(opened, threads, device=device),
        )  # fmt: skip
    bad: Bad = []
    if out is not None:
        made = predict_to_file(run, named, out, replace=replace, **how)
        bad = made.bad
        yield made.to_json()
        yield f"{made.images:,} images: {made.file}"
        yield from (f"  {words}" for words in (made.alike, made.shift) if words)
        if made.kept is not None:
            yield f"  the file that was there is {made.kept}"
        yield lambda: say_unreadable(bad, made.listed)
    else:
        found = pictures(named, bad=bad, once=True, say=say)

        def answered(most: int) -> "list[Prediction]":
            bar = Progress("predicting", most, "images")
            return predict_images(run, found, bad=bad, at_most=most, bar=bar, **how)

        yield lambda: [prediction.to_json() for prediction in answered(len(found))]
        yield lambda: show_predictions(answered(min(len(found), SHOWN)), len(found))
        say_unreadable(bad)
    if strict and bad:
        raise typer.Exit(1)


@shows(api.explain)
def explain(found: "Explanation", *, out: PICTURE = None) -> Parts:
    """The verdict, and the picture that was drawn."""
    drawn = None if out is None else found.save(out)
    yield found.to_json() | ({} if drawn is None else {"picture": str(drawn)})
    yield found.table()
    yield found.sentence()
    if drawn is not None:
        yield f"picture: {drawn}"


def print_evaluation(evaluation: "Evaluation", *, verbose: bool) -> None:
    """Its main table and what it says in words; verbose: all tables of scores, and how each figure was counted.

    Of ways of training whose runs were tested on different images the main table has their means over seeds.
    """
    from affectml.page import brief, terminal_lines
    from affectml.page.tables import metric, pivot
    from affectml.page.write import printed

    rules = evaluation.facts["rules"].items()
    rules = [f"{name}: {f'{words:.3g}' if isinstance(words, float) else words}" for name, words in rules]
    lines = terminal_lines(evaluation)
    seeds = {"by": "seeds", "level": None, "against": "people"}
    ways = evaluation.here(**seeds) if "ways" in evaluation.facts else []
    main = pivot("Means over seeds", ways, metric) or brief(evaluation)
    tables = [main, *(table for table in printed(evaluation) if table.title != main.title)]
    for line in lines:  # a table's note need not say it as well
        said = f"; {line[:1].lower()}{line[1:].removesuffix('.')}"
        tables = [replace(table, note=table.note.replace(said, "")) for table in tables]
    show_result(tables[0], tables[1:], rules, verbose=verbose)
    print_lines(lines)


def _named(images: Sequence[str]) -> Iterator[str]:
    """What was named, with the lines of standard input for -."""
    for name in images:
        if name != "-":
            yield name
            continue
        yield from (os.fsdecode(line) for line in sys.stdin.buffer.read().splitlines() if line.strip())


def show_predictions(predictions: "list[Prediction]", images: int) -> None:
    """Each image with its set (or its best label), and the scores of that and of the first labels.

    images: how many there are.
    """
    rows = []
    for p in predictions:
        chosen = p.best[0][:1] if p.labels is None else p.labels
        ranked = [label for label, _ in p.best if label in chosen]
        scores = [f"{label} {value:.2f}" for at, (label, value) in enumerate(p.best) if at < 4 or label in chosen]
        rows.append((p.image, ", ".join(ranked), "  ".join(scores)))
    show(Table("", ("image", "labels", "scores"), rows))
    if images > SHOWN:
        print(
            f"  {len(rows)} of {images:,} images; --out answers.csv predicts and writes them all (.parquet, .jsonl too)"
        )


def say_unreadable(bad: "Bad", listed: Path | None = None) -> None:
    """Images that could not be read, each with its reason, on standard error; of many the first."""
    for image, reason in bad[:SHOWN_BAD]:
        print(f"cannot be read: {image}: {reason}", file=sys.stderr)
    if listed is not None:
        print(f"could not be read: {len(bad):,}, listed in {listed}", file=sys.stderr)
    elif len(bad) > SHOWN_BAD:
        print(f"... and {len(bad) - SHOWN_BAD:,} more", file=sys.stderr)
