"""train, runs, demo: the commands around a run."""

from pathlib import Path
from typing import Annotated

import typer
from annotated_types import Ge

from affectml._options import Argument, Help, Seed
from affectml.cli._command import Json, Verbose, device_there, say, there
from affectml.cli._print import print_json
from affectml.cli._runs_print import print_runs, print_trained
from affectml.runs import TrainConfig
from affectml.runs.config import with_settings

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
    config = with_settings(config)
    device_there(config.device)
    there(datasets=[config.dataset] if config.dataset else [])
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
