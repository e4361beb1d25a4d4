"""predict: the command around `affectml.predicting` and the files that it writes."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from affectml._options import Argument, Device, Help, Threads
from affectml.cli._command import Json, Workers, device_there, say, there


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
    from affectml.cli._runs_print import SHOWN, print_predictions, print_written, say_unreadable
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
