"""train, runs, evaluate, demo-data: the commands around a run, and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from affectml._options import MOST_SEED, MOST_THREADS
from affectml.cli._options import taking
from affectml.cli._there import there
from affectml.runs import TrainConfig

Seed = Annotated[int, typer.Option(help="Seed of every random choice; same seed, same result.", min=0, max=MOST_SEED)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables.")]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_THREADS,
        help="Threads for torch; part of what makes a result repeatable.",
        show_default="cores - 1",
    ),
]


def _there_is(device: str | None) -> str | None:
    """Refuses a device that this machine has not, before anything is read."""
    if device is not None:
        from affectml.encoders.threads import usable_device

        usable_device(device)
    return device


Device = Annotated[
    str | None,
    typer.Option(
        help="Where the encoder runs: cpu, cuda, cuda:1, mps.", show_default="cuda where there is one, else cpu",
        callback=_there_is,
    ),
]  # fmt: skip
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="K/N",
        help="Do only part K of N, e.g. 3/16; each part may run on another machine, and is kept for --merge.",
        show_default="all images",
    ),
]
Merge = Annotated[bool, typer.Option("--merge", help="Join what --shard made; says which images no shard has.")]
CheckImages = Annotated[
    bool,
    typer.Option(
        "--check-images/--no-check-images",
        help="With --merge, read the image files that are here and compare them with those that the shards read.",
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        metavar="ray", help="Do the parts on a Ray cluster and join them (extra: ray).", show_default="this process"
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Address of the Ray cluster.", show_default="RAY_ADDRESS, else one that is started on this machine"
    ),
]
Hidden = Annotated[int, typer.Option(min=0, help="Units of the hidden layer; 0 for a linear head.")]
Tau = Annotated[float, typer.Option(help="Lowest rate at which a label belongs to an image's set.", show_default="1/3")]
Encoder = Annotated[str | None, typer.Option(help="Encoder.", show_default="the one that the data is embedded with")]
Prompts = Annotated[
    str,
    typer.Option(help="Texts that a text head learns from: sentiment (the labels), synonyms, captions, joined by +."),
]
Group = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of images.parquet, or of annotators.parquet, to judge the model by; may be given several times.",
        show_default="all columns of 2 to 12 levels",
    ),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        help='Sentence that a label is put into, e.g. "a photo that evokes {label}"; several are averaged.',
        show_default="the taxonomy's first",
    ),
]


@taking(TrainConfig, argument="dataset")
def train(
    config: TrainConfig,
    out: Annotated[Path | None, typer.Option(help="Run folder to write.", show_default="runs/NAME-NNN")] = None,
    json: Json = False,
) -> None:
    """Train a head and judge it on the test split, beside the prior, zero-shot and people."""
    from affectml.cli._runs_print import print_trained

    _there_is(config.device)
    there(datasets=[Path(config.dataset)] if config.dataset else [])
    from affectml.report import WRITERS
    from affectml.training import train_run

    print_trained(train_run(config, out=out, say=_say, writers=WRITERS), as_json=json)


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of runs.")] = Path("runs"),
    json: Json = False,
) -> None:
    """List the runs in a folder, each with its data set, its head and its first scores on the test images."""
    from affectml.cli._runs_print import print_runs
    from affectml.runs import runs_in

    print_runs(*runs_in(folder), as_json=json)


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    dataset: Annotated[Path, typer.Argument(help="Data set folder; it must have the run's labels.")],
    target: Annotated[str | None, typer.Option(help="Target of the data set to judge by.")] = None,
    group: Group = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write with the scores.")] = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Judge a trained run on a data set: its test split, or all of it where it has none."""
    there(runs=[run], datasets=[dataset])
    from affectml.cli._runs_print import print_metrics
    from affectml.evaluation.run import evaluate_run

    judged = evaluate_run(run, dataset, target=target, groups=group or (), out=out, threads=threads, say=_say)
    print_metrics(judged, as_json=json)


def demo_data(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    images: Annotated[int, typer.Option(min=20, help="How many paintings.")] = 2000,
    taxonomy: Annotated[str, typer.Option(help="Labels: a built-in taxonomy or a YAML file.")] = "mikels-8",
    look: Annotated[
        str, typer.Option(help="Manner of painting: plain, dark, pale or busy; the feelings stay the same.")
    ] = "plain",
    answers: Annotated[
        str, typer.Option(help="What people choose: sets (all labels that apply) or one (the label that applies most).")
    ] = "sets",
    panel: Annotated[
        str,
        typer.Option(
            help="Who judges: local (people with a way of feeling of their own) or textbook (people who use each word "
            "as the literature does)."
        ),
    ] = "local",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Draw the demo set: abstract paintings with known true rates, judged by simulated annotators."""
    from affectml._progress import Progress
    from affectml.cli._print import print_json
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
            progress=bar.advance,
        )
    judgements = dataset.judgements
    summary = {"dataset": str(out), "images": images, "judgements": 0 if judgements is None else len(judgements)}
    if json:
        print_json(summary)
    else:
        typer.echo(f"{images} paintings, {summary['judgements']} judgements: {out}")


def _say(line: str) -> None:
    """Progress in words, on standard error, so that --json output stays clean; none with --quiet."""
    from affectml._progress import QUIET

    if not QUIET.get():
        typer.echo(line, err=True)
