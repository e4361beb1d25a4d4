"""The functions of the door: `affectml.train`, `affectml.predict`, ... Each is what the command of its name does.

Commands whose options are all here are made of these functions (`affectml.cli._command.shows`), so that none loads
torch before it is called; a config annotates the options that are its fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from inspect import Parameter, Signature, signature
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

from affectml._options import Count, Device, MoreThreads, Seed, Threads, Workers, options_of
from affectml._progress import Progress, Say
from affectml.data import Dataset
from affectml.demo_set import Drawing
from affectml.encoders import DEFAULT_SPEC
from affectml.errors import BadInput, did_you_mean
from affectml.evaluating import EvaluateConfig
from affectml.fetching import FetchConfig
from affectml.pictures import ImageLike
from affectml.planning import PlanConfig
from affectml.runs import RunFolder, TrainConfig, runs_in
from affectml.vlm import AskConfig

if TYPE_CHECKING:
    from affectml import exploring
    from affectml.embeddings import EmbedSummary
    from affectml.evaluating import Evaluated
    from affectml.explanation import Explanation
    from affectml.fetching import FetchSummary
    from affectml.planning import Plan
    from affectml.predicting.predictions import Predictions
    from affectml.run import Run
    from affectml.vlm import Asked

T = TypeVar("T")
Place: TypeAlias = str | PathLike[str]  # a folder or a file; Dataset and Run stand for theirs


def train(dataset: Place | None = None, *, out: Place | None = None, say: Say = print, **options: Any) -> "Run":
    """Train a head on a data set and judge it beside the prior, zero-shot and people, as `affectml train` does.

    Args:
        dataset: a data set or its folder; None is the demo set in data/demo, which is drawn if it does not exist.
        out: the folder to write; None takes the next free runs/NAME-NNN.
        say: called with each line for the user.
        options: those of TrainConfig, as `affectml train` has them (head, hidden, seed, tau, ...), and of the head (l2,
            dropout, ...). Without `multilabel` the only target that fits decides: rates and sets are learned as several
            labels, single labels and distributions as one.

    Returns:
        A Run: its scores, its predictions, and its answers for new images.

    Raises:
        AffectmlError: a subclass, for anything that you can put right; nothing is written then.
    """
    from affectml.heads.registry import options_of_heads
    from affectml.page import WRITERS
    from affectml.run import Run
    from affectml.training import train_run

    known = signature(train).parameters.keys() - {"options"}
    of_head = {name: value for name, value in options.items() if name not in known}
    head = options.get("head")
    if head is not None and not isinstance(head, str):
        raise BadInput(f"head: expected a name, got {head!r}")
    own = options_of_heads()
    for name in of_head.keys() - own:  # what is near none, the head itself refuses
        if near := did_you_mean(name, [*known, *own]):
            raise BadInput(f"train: no option {name!r}{near}")
    given = {"multilabel": None} | {name: value for name, value in options.items() if name not in of_head}
    for name in ("templates", "groups"):
        if isinstance(given.get(name), list | str):
            given[name] = (given[name],) if isinstance(given[name], str) else (*given[name],)
    folder = None if dataset is None else fspath(dataset)
    config = TrainConfig(dataset=folder, options=of_head, **given)
    return Run(train_run(config, out=_path(out), say=say, writers=WRITERS))


def _with_options(plain: Signature) -> Signature:
    """A signature that shows every option of a training."""
    named = {each.name: each for each in options_of(TrainConfig) if each.name not in plain.parameters}
    named["multilabel"] = replace(named["multilabel"], default=None)  # the target decides
    shown = [Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default) for each in named.values()]
    dataset, *others, rest = plain.parameters.values()
    return plain.replace(parameters=[dataset, *shown, *others, rest])


train.__signature__ = _with_options(signature(train))  # type: ignore[attr-defined]


def load_run(path: Place) -> "Run":
    """Open a run folder.

    Returns:
        The Run, as `train` gave it.

    Raises:
        BadRun: if the folder is not a run, or a run of another version.
    """
    from affectml.run import Run

    return Run(RunFolder.open(Path(path)))


def predict(
    run: Place,
    images: ImageLike | Iterable[ImageLike],
    *,
    labels: Sequence[str] | None = None,
    errors: Literal["raise", "skip"] = "raise",
) -> "Predictions":
    """Predict the labels of images. To ask a run several times, open it once with `load_run`.

    Args:
        run: the run or its folder.
        images: one or several, see `Run.predict`; for very many see `Run.predict_to_file`.
        labels: choose among these instead of the run's own, see `Run.predict`.
        errors: "raise" at the first image that cannot be read, or "skip" it, see `Run.predict`.

    Returns:
        Predictions: a DataFrame with a row per image, and a score per label.

    Raises:
        BadRun: if the folder is not a run.
        BadInput: at the first image that cannot be read, if none can be read, and for `labels` with a head without
            texts.
    """
    return _run(run).predict(images, labels=labels, errors=errors)


def evaluate(
    systems: Place | Sequence[Place] | Mapping[str, Place] = (),
    *,
    on: Place | Sequence[Place] = (),
    train: Place | Sequence[Place] = (),
    out: Place | None = None,
    say: Say = print,
    **options: Any,
) -> "Evaluated":
    """Judge systems beside people, the prior and zero-shot, as `affectml evaluate` does.

    Args:
        systems: one run or file of answers, or several by the names that they get.
        on: data sets to judge them on; without one, runs are compared by their stored scores.
        train: data sets to train runs on first.
        out: a folder for everything, or a file (.html, .parquet, .csv, .tex, .md); None is report.html in
            the run if there is one run and no `on`, else runs/evaluation-NNN.
        say: called with each line for the user.
        options: of EvaluateConfig (target, groups, sort, mapping, shape, k, heads, seeds, ...).

    Returns:
        Evaluated: its `evaluation` has the figures, and `evaluation.across()` the scores as a DataFrame.

    Raises:
        AffectmlError: a subclass, for anything that you can put right.
    """
    from affectml.evaluating import evaluate_systems

    named = systems.items() if isinstance(systems, Mapping) else [("", each) for each in _listed(systems)]
    given = [f"{name}={fspath(each)}" if name else fspath(each) for name, each in named]
    datasets: Any = {"on": tuple(map(fspath, _listed(on))), "train": tuple(map(fspath, _listed(train)))}
    return evaluate_systems(given, _config(EvaluateConfig, "evaluate", options, **datasets), out=_path(out), say=say)


def explain(
    run: Place,
    image: ImageLike,
    *,
    label: str | None = None,
    seed: Seed = 0,
    threads: Threads = None,
) -> "Explanation":
    """Show which parts of an image speak for a label, and whether that map is better than maps that know nothing.

    Args:
        run: Run folder.
        image: Image file; in Python a PIL image or an array [H, W, 3] too.
        label: Which of the run's labels to explain. Default: the likeliest.

    Returns:
        An Explanation: maps, their curves beside those of controls, and the verdict in words.

    Raises:
        AffectmlError: a subclass, for anything that you can put right.
    """
    return _run(run).explain(image, label=label, seed=seed, threads=threads)


def demo(folder: Place | None = None, *, say: Say = print, **options: Annotated[Any, Drawing]) -> Dataset:
    """Draw the demo set: abstract paintings with known true rates, judged by simulated annotators.

    If the folder holds the demo set that these options draw, it is opened.

    Args:
        folder: Folder to write. Default: data/demo.

    Returns:
        The Dataset.

    Raises:
        BadInput: if an option does not exist, or the folder holds something else.
    """
    from affectml.demo_set.write import holds_demo, write_demo

    if folder is None and not options:
        from affectml.training import open_or_draw

        return open_or_draw(None, say)
    where, drawing = Path(folder or "data/demo"), _config(Drawing, "demo", options)
    if not (where / "dataset.json").exists():
        with Progress("painting", drawing.images, "images") as bar:
            return write_demo(where, progress=bar.advance, **options)
    dataset = Dataset.open(where)
    if options and not holds_demo(dataset, drawing):
        raise BadInput(
            f"{where} holds a data set that was not drawn with these options: leave out {', '.join(options)} to open "
            "it, or name another folder"
        )
    return dataset


def embed(
    dataset: Place,
    *,
    encoder: str = DEFAULT_SPEC,
    precision: str = "auto",
    workers: Workers = None,
    batch_size: Count | None = None,
    threads: MoreThreads = None,
    decode_threads: MoreThreads = None,
    device: Device = None,
    say: Say = print,
) -> "EmbedSummary":
    """Embed a data set's new and changed images. The same command continues after an interruption.

    It may run several times at once, on any machines that share the folder; they share the work.

    Args:
        dataset: Data set folder.
        encoder: affect-tiny, ARCH:TAG, ARCH:/path/to/weights, local-dir:FOLDER or hf-hub:ORG/NAME.
        precision: fp32, fp16, bf16 or auto. auto takes bf16 where the hardware has it, else fp16 on a GPU, and fp32 if
            the features of the first images differ from those of fp32.
        batch_size: Images per batch. Default: 16 on a CPU, 64 elsewhere.
        threads: Threads for encoding. Default: as many as cores.
        decode_threads: Threads for reading and resizing images. Default: as many as --threads, at least 2.

    Returns:
        An EmbedSummary: how many were embedded, and which could not be read.

    Raises:
        EncoderUnavailable: if the weights cannot be found.
        BadDataset: if no image could be embedded.
        MissingExtra: if Ray is asked for and not installed.
    """
    if device is not None and workers is not None:
        raise BadInput("--device is for this machine; workers of a cluster take their own: leave it out")
    opened = Dataset.open(Path(dataset))
    from affectml.embeddings import embed_dataset
    from affectml.embeddings.embed import need_files
    from affectml.encoders import load_encoder

    need_files(opened, encoder)
    how: dict[str, Any] = {"batch_size": batch_size, "decode_threads": decode_threads}
    if workers is not None:
        from affectml.ray_engine import embed_with_ray

        embed_with_ray(opened.root, encoder, precision=precision, threads=threads, say=say, **how)
    loaded = load_encoder(encoder, precision=precision, device=device, threads=threads, mapped=True)
    return embed_dataset(opened, loaded, say=say, **how)


def explore(dataset: Place, runs: Place | Sequence[Place] = (), **options: Any) -> "exploring.Collection":
    """Open a data set's images with people's and runs' answers, to filter and search as `affectml explore` does.

    Args:
        dataset: the data set or its folder.
        runs: one or several, trained on it or on a data set with the same images.
        options: of Collection (target, encoder, db).

    Returns:
        A Collection.

    Raises:
        BadDataset: if several targets could be meant.
        BadRun: if something is not a run.
    """
    from affectml import exploring

    return exploring.Collection(Path(dataset), [_run(run).folder for run in _listed(runs)], **options)


def list_runs(folder: Place = "runs") -> "list[Run]":
    """List the runs in a folder, as `affectml runs` does.

    Returns:
        A list of Run, sorted by name, without those that cannot be read.

    Raises:
        BadRun: if the folder does not exist or holds no run.
    """
    from affectml.run import Run

    return [Run(each) for each in runs_in(Path(folder))[0]]


def fetch(dataset: Place, **options: Annotated[Any, FetchConfig]) -> "FetchSummary":
    """Download the images that a data set has only as urls. The same command continues after an interruption.

    Args:
        dataset: Data set folder.

    Returns:
        A FetchSummary: what came, and what failed and why.

    Raises:
        BadDataset: if there is no data set, it has no urls, or another process downloads its images.
        BadInput: if an option does not exist or its value is impossible.
    """
    from affectml.fetching import fetch_images

    return fetch_images(Path(dataset), _config(FetchConfig, "fetch", options))


def plan(dataset: Place | None = None, **options: Annotated[Any, PlanConfig]) -> "Plan":
    """Plan a study from a pilot: how many people, how many images, how exact, and what it costs.

    Args:
        dataset: Data set folder with a pilot's answers. Default: nothing but assumptions.

    Returns:
        A Plan: studies with the half widths of each figure's 95 % interval and the plan's own 90 % interval of these,
        and in words what was assumed and what the pilot cannot tell.

    Raises:
        BadDataset: if nothing can be planned from the pilot.
        BadInput: if an option does not exist or its value is impossible.
    """
    from affectml.planning import plan_study

    return plan_study(None if dataset is None else Dataset.open(Path(dataset)), _config(PlanConfig, "plan", options))


def ask(dataset: Place, *, out: Place, say: Say = print, **options: Annotated[Any, AskConfig]) -> "Asked":
    """Write the question that people were asked as batch requests for a vision-language model; nothing is sent.

    Args:
        dataset: Data set folder.
        out: JSON lines file to write; split into several if it gets too large.

    Returns:
        Asked: the files and what is in them.

    Raises:
        AffectmlError: a subclass, for anything that you can put right.
    """
    from affectml.vlm import ask as write

    return write(fspath(dataset), _config(AskConfig, "ask", options), Path(out), say=say)


def _config(kind: type[T], function: str, options: Mapping[str, Any], **own: Any) -> T:
    """A configuration of a function's options, and of those that are its own parameters."""
    known = [each.name for each in fields(kind) if each.name not in own]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            raise BadInput(f"{function}: no option {name!r}{did_you_mean(name, known)} (options: {', '.join(known)})")
    return kind(**own, **options)


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, str | PathLike) else list(given)


def _path(place: Place | None) -> Path | None:
    return None if place is None else Path(place)


def _run(run: Place) -> "Run":
    from affectml.run import Run

    return run if isinstance(run, Run) else load_run(run)
