"""train, evaluate, predict, explain, runs, demo: the commands around a run, and how they print it."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from annotated_types import Ge

from affectml._options import Argument, Device, Help, Seed, Threads
from affectml.cli._command import Json, Verbose, Workers, device_there, say, there
from affectml.cli._print import print_json, print_lines, print_table, show, show_result
from affectml.evaluating import EvaluateConfig
from affectml.runs import TrainConfig
from affectml.runs.config import with_settings

if TYPE_CHECKING:
    from pathlib import Path

    from affectml.errors import BadRun
    from affectml.judging.figures import Evaluation
    from affectml.pictures import Bad
    from affectml.predicting import Prediction
    from affectml.predicting.files import PredictionFile
    from affectml.runs import RunFolder


# Headings of `affectml train --help`.
TRAIN_PANELS = {
    "Data": ("multilabel", "target", "encoder", "device", "fold"),
    "Head": ("head", "options", "by_person", "promise", "seed", "threads"),
    "Judging": ("tau", "groups", "out", "verbose", "json"),
}


def train(
    config: TrainConfig,
    out: Annotated[Path | None, Help("Run folder to write.", default="runs/NAME-NNN")] = None,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Train a head and judge it on the test split, beside the prior, zero-shot and people."""
    device_there(config.device)
    there(datasets=[config.dataset] if config.dataset else [])
    config = with_settings(config)
    from affectml.page import WRITERS
    from affectml.training import train_run

    print_trained(train_run(config, out=out, say=say, writers=WRITERS), as_json=json, verbose=verbose)


def runs(folder: Annotated[Path, Argument("Folder of runs.")] = Path("runs"), json: Json = False) -> None:
    """List the runs in a folder, each with its data set, its head and its first scores on the test images."""
    from affectml.runs import runs_in

    print_runs(*runs_in(folder), as_json=json)


def demo(
    out: Annotated[Path, Argument("Folder to write.")],
    images: Annotated[int, Ge(20), Help("How many paintings.")] = 2000,
    taxonomy: Annotated[str, Help("Labels: a built-in taxonomy or a YAML file.")] = "mikels-8",
    look: Annotated[str, Help("Manner of painting: plain, dark, pale or busy; the feelings stay the same.")] = "plain",
    answers: Annotated[
        str, Help("What people choose: sets (all labels that apply) or one (the label that applies most).")
    ] = "sets",
    panel: Annotated[
        str,
        Help(
            "Who judges: local (people with a way of feeling of their own) or textbook (people who use each word "
            "as the literature does)."
        ),
    ] = "local",
    models: Annotated[
        bool, Help("Also write what three simulated models answer into OUT/answers, for `affectml evaluate`.")
    ] = False,
    size: Annotated[int, Ge(16), Help("Pixels of each side of a painting.")] = 256,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Draw the demo set: abstract paintings with known true rates, judged by simulated annotators."""
    from affectml._progress import Progress
    from affectml.demo_set import write_demo

    with Progress("painting", images, "images") as bar:
        dataset = write_demo(
            out,
            images=images,
            seed=seed,
            taxonomy=taxonomy,
            look=look,
            answers=answers,
            panel=panel,
            models=models,
            size=size,
            progress=bar.advance,
        )
    judgements = dataset.judgements
    summary = {"dataset": str(out), "images": images, "judgements": 0 if judgements is None else len(judgements)}
    if json:
        print_json(summary)
    else:
        also = ", answers of three simulated models" if models else ""
        typer.echo(f"{images} paintings, {summary['judgements']} judgements{also}: {out}")


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


def predict(
    run: Annotated[Path, Argument("Run folder.")],
    images: Annotated[
        tuple[str, ...],
        Argument(
            "Image files, folders of them at any depth, patterns (photos/**/*.jpg), data set folders, addresses "
            "(https://...); - reads such names from standard input, one a line."
        ),
    ] = (),
    missing: Annotated[
        Path | None, Help("Images of this data set that nobody has answered.", default="none", metavar="DATASET")
    ] = None,
    labels: Annotated[
        Sequence[str] | None,
        Help(
            "Choose among these labels, which need not be the run's own; for contrastive and zero-shot heads.",
            default="the run's own labels",
        ),
    ] = None,
    taxonomy: Annotated[str | None, Help("The same with the labels of a taxonomy.")] = None,
    out: Annotated[
        Path | None,
        Help(
            "A .csv, .parquet or .jsonl file to write, for any number of images; the same command goes on where "
            "one was stopped.",
            default="a table on the screen",
        ),
    ] = None,
    replace: Annotated[bool, Help("Replace an existing file; the old one is kept beside it.")] = False,
    person: Annotated[
        str | None,
        Help(
            "Predict what this person would choose; a run by person must have learned from them.",
            default="what people choose",
            metavar="ID",
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        Help(
            "Predict what a new person would choose, from their answers: a table of images and labels.",
            default="what people choose",
            metavar="FILE",
        ),
    ] = None,
    dataset: Annotated[
        Path | None, Help("With --answers: the data set whose image_ids the table names.", default="the run's own")
    ] = None,
    workers: Workers = None,
    strict: Annotated[bool, Help("Exit with code 1 if any image could not be read.")] = False,
    threads: Threads = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Predict labels for images with a trained run. Images that cannot be read are listed; the others are predicted."""
    device_there(device, workers)
    from affectml.errors import BadInput
    from affectml.taxonomies import get_taxonomy

    if labels is not None and taxonomy is not None:
        raise BadInput("--labels and --taxonomy both say what to choose among: give one of them")
    if person is not None and answers is not None:
        raise BadInput("--person and --answers both say whose answers to predict: give one of them")
    whose = "--person" if person is not None else None if answers is None else "--answers"
    if whose is not None and workers is not None:
        raise BadInput(f"{whose}: a person is predicted where their data are: leave --workers out")
    if dataset is not None and answers is None:
        raise BadInput("--dataset belongs to --answers")
    for name, asked_for in {"--replace": replace, "--workers": workers is not None}.items():
        if asked_for and out is None:
            raise BadInput(f"{name} belongs to --out")
    if not images and missing is None:
        raise BadInput("which images? Name files, folders, addresses or data sets, - for standard input, or --missing")
    if missing is not None and workers is not None:
        raise BadInput("--missing is for one machine: leave --workers out")
    asked = labels if taxonomy is None else list(get_taxonomy(taxonomy).labels)
    there(runs=[run], datasets=[] if missing is None else [missing])
    from affectml._progress import Progress
    from affectml.pictures import Bad, ImageLike, pictures, unanswered
    from affectml.predicting import predict_images
    from affectml.predicting.files import predict_to_file

    named = _named(images)
    given: list[ImageLike] = [*named, *([] if missing is None else unanswered(missing))]
    somebody = None
    if whose is not None:
        from affectml.predicting.features import run_encoder
        from affectml.predicting.person import for_person
        from affectml.runs import RunFolder

        opened = RunFolder.open(run)
        somebody = for_person(
            opened, answers if person is None else person, dataset=dataset, threads=threads,
            encoder_factory=lambda: run_encoder(opened, threads, device=device), say=say,
        )  # fmt: skip
    bad: Bad = []
    if out is not None:
        if workers is not None:
            from affectml.ray_engine import predict_with_ray

            predict_with_ray(run, named, out, threads=threads, say=say, labels=asked, replace=replace)
        written = predict_to_file(
            run, given, out, labels=asked, replace=replace, threads=threads, device=device, person=somebody, say=say
        )
        bad = written.bad
        print_written(written, as_json=json)
    else:
        found = pictures(given, bad=bad, once=True, say=say)
        most = len(found) if json else min(len(found), SHOWN)
        shown = predict_images(
            run, found, labels=asked, threads=threads, device=device, bad=bad, at_most=most, person=somebody,
            bar=Progress("predicting", most, "images"), say=say,
        )  # fmt: skip
        print_predictions(shown, len(found), as_json=json)
        say_unreadable(bad)
    if strict and bad:
        raise typer.Exit(1)


def _named(images: Sequence[str]) -> list[str]:
    """What was named, with the lines of standard input for -."""
    named = []
    for name in images:
        lines = sys.stdin.buffer.read().splitlines() if name == "-" else []
        named += [os.fsdecode(line) for line in lines if line.strip()] if name == "-" else [name]
    return named


def explain(
    run: Annotated[Path, Argument("Run folder.")],
    image: Annotated[str, Argument("Image file, or its address (https://...).")],
    label: Annotated[str | None, Help("Which of the run's labels to explain.", default="the likeliest")] = None,
    against: Annotated[
        str | None, Help("Label to compare the map with.", default="the one that the image has least of")
    ] = None,
    out: Annotated[
        Path | None, Help("A .png or .svg file to draw map and curves in, or a folder.", default="no picture")
    ] = None,
    steps: Annotated[int, Ge(2), Help("Steps in which the image is covered.")] = 16,
    random: Annotated[int, Ge(1), Help("Random maps to compare with.")] = 19,
    seed: Seed = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Show which parts of an image speak for a label, and whether that map is better than maps that know nothing."""
    there(runs=[run])
    from affectml.explanation import explain_image
    from affectml.plots.paper import picture_path

    if out is not None:
        picture_path(out, image, label or "label")  # said before the work, not after it
    found = explain_image(
        run, image, label=label, against=against, steps=steps, random=random, seed=seed, threads=threads
    )  # fmt: skip
    drawn = None if out is None else found.save(out)
    if json:
        print_json(found.to_json() | ({} if drawn is None else {"picture": str(drawn)}))
        return
    show(found.table())
    print(found.sentence())
    if drawn is not None:
        print(f"picture: {drawn}")


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
