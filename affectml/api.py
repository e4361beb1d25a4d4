"""The functions of the door: `affectml.train`, `affectml.predict`, ... Each is what the command of its name does."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from inspect import Parameter, Signature, signature
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from affectml._options import options_of
from affectml._progress import Progress, Say
from affectml.data import Dataset
from affectml.encoders import DEFAULT_SPEC
from affectml.errors import BadInput, did_you_mean
from affectml.heads.registry import options_of_heads
from affectml.page import WRITERS
from affectml.pictures import ImageLike
from affectml.predicting.predictions import Predictions
from affectml.run import Run
from affectml.runs import RunFolder, TrainConfig, runs_in
from affectml.training import open_or_draw, train_run

if TYPE_CHECKING:
    from affectml import exploring
    from affectml.embeddings import EmbedSummary
    from affectml.evaluating import Evaluated
    from affectml.explanation import Explanation
    from affectml.fetching import FetchSummary
    from affectml.planning import Plan
    from affectml.vlm import Asked

T = TypeVar("T")


def train(
    dataset: str | Path | Dataset | None = None, *, out: str | Path | None = None, say: Say = print, **options: Any
) -> Run:
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
    return Run(train_run(config, out=None if out is None else Path(out), say=say, writers=WRITERS))


def _with_options(plain: Signature) -> Signature:
    """A signature that shows every option of a training."""
    named = {each.name: each for each in options_of(TrainConfig) if each.name not in plain.parameters}
    named["multilabel"] = replace(named["multilabel"], default=None)  # the target decides
    shown = [Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default) for each in named.values()]
    dataset, *others, rest = plain.parameters.values()
    return plain.replace(parameters=[dataset, *shown, *others, rest])


train.__signature__ = _with_options(signature(train))  # type: ignore[attr-defined]


def load_run(path: str | Path) -> Run:
    """Open a run folder.

    Returns:
        The Run, as `train` gave it.

    Raises:
        BadRun: if the folder is not a run, or a run of another version.
    """
    return Run(RunFolder.open(path))


def predict(
    run: str | Path | Run,
    images: ImageLike | Iterable[ImageLike],
    *,
    labels: Sequence[str] | None = None,
    errors: Literal["raise", "skip"] = "raise",
) -> Predictions:
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
    systems: str | Path | Run | Sequence[str | Path | Run] | Mapping[str, str | Path | Run] = (),
    *,
    on: str | Path | Dataset | Sequence[str | Path | Dataset] = (),
    train: str | Path | Dataset | Sequence[str | Path | Dataset] = (),
    out: str | Path | None = None,
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
    from affectml.evaluating import EvaluateConfig, evaluate_systems

    named = systems.items() if isinstance(systems, Mapping) else [("", each) for each in _listed(systems)]
    given = [f"{name}={fspath(each)}" if name else fspath(each) for name, each in named]
    datasets: Any = {"on": tuple(map(fspath, _listed(on))), "train": tuple(map(fspath, _listed(train)))}
    return evaluate_systems(given, _config(EvaluateConfig, "evaluate", options, **datasets), out=out, say=say)


def explain(run: str | Path | Run, image: ImageLike, *, label: str | None = None, **options: Any) -> "Explanation":
    """Show which parts of an image speak for a label, and whether to believe it, as `affectml explain` does.

    Args:
        run: the run or its folder.
        image: one: a path, a PIL image or an array [H, W, 3].
        label: one of the run's; None takes the likeliest.
        options: see `Run.explain`.

    Returns:
        An Explanation: maps, their curves beside those of controls, and the verdict in words.

    Raises:
        AffectmlError: a subclass, for anything that you can put right.
    """
    known = [name for name in signature(Run.explain).parameters if name != "self"]
    _check("explain", options, known)
    return _run(run).explain(image, label=label, **options)


def demo(folder: str | Path | None = None, *, say: Say = print, **options: Any) -> Dataset:
    """Open the demo set in a folder; draw it first if it does not exist.

    Args:
        folder: None is data/demo.
        say: called with each line for the user.
        options: of the drawing (images, seed, taxonomy, look, answers, panel, models, size), see `demo -h`.

    Returns:
        The Dataset.

    Raises:
        BadInput: if an option does not exist, or the folder holds something else.
    """
    if folder is None and not options:
        return open_or_draw(None, say)
    from affectml.demo_set import Drawing
    from affectml.demo_set.write import holds_demo, write_demo
    from affectml.training import DEMO

    where, drawing = DEMO if folder is None else Path(folder), _config(Drawing, "demo", options)
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
    dataset: str | Path | Dataset,
    encoder: str = DEFAULT_SPEC,
    *,
    precision: str = "auto",
    workers: Literal["ray"] | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    decode_threads: int | None = None,
    device: str | None = None,
    say: Say = print,
) -> "EmbedSummary":
    """Embed a data set's new and changed images, as `affectml embed` does.

    Args:
        dataset: the data set or its folder.
        encoder: a spec, see `affectml.encoders.load_encoder`.
        precision: "auto", "fp32", "fp16" or "bf16".
        workers: "ray" hands the parts to a running Ray cluster.
        batch_size: images per batch; None is 16 on a CPU, 64 elsewhere.
        threads: for encoding; None is one for each core.
        decode_threads: for reading and resizing images; None is as many, at least two.
        device: cpu, cuda, cuda:1, mps; None is cuda if the machine has it, else cpu.
        say: called with each line for the user.

    Returns:
        An EmbedSummary: how many were embedded, and which could not be read.

    Raises:
        EncoderUnavailable: if the weights cannot be found.
        BadDataset: if no image could be embedded.
        MissingExtra: if Ray is asked for and not installed.
    """
    from affectml.embeddings import embed_dataset
    from affectml.encoders import load_encoder

    opened = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    how: dict[str, Any] = {"batch_size": batch_size, "decode_threads": decode_threads}
    if workers is not None:
        from affectml.ray_engine import embed_with_ray

        embed_with_ray(opened.root, encoder, precision=precision, threads=threads, say=say, **how)
    loaded = load_encoder(encoder, precision=precision, device=device, threads=threads, mapped=True)
    return embed_dataset(opened, loaded, say=say, **how)


def explore(
    dataset: str | Path | Dataset, runs: str | Path | Run | Sequence[str | Path | Run] = (), **options: Any
) -> "exploring.Collection":
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

    return exploring.Collection(dataset, [_run(run).folder for run in _listed(runs)], **options)


def list_runs(folder: str | Path = "runs") -> list[Run]:
    """List the runs in a folder, as `affectml runs` does.

    Returns:
        A list of Run, sorted by name, without those that cannot be read.

    Raises:
        BadRun: if the folder does not exist or holds no run.
    """
    return [Run(each) for each in runs_in(folder)[0]]


def fetch(dataset: str | Path | Dataset, **options: Any) -> "FetchSummary":
    """Download the images that a data set has only as urls, as `affectml import fetch` does.

    Args:
        dataset: the data set or its folder.
        options: of FetchConfig (per_host, jobs, delay, tries, deadline, max_mb, contact, ...).

    Returns:
        A FetchSummary: what came, and what failed and why.

    Raises:
        BadDataset: if there is no data set, it has no urls, or another process downloads its images.
        BadInput: if an option does not exist or its value is impossible.
    """
    from affectml.fetching import FetchConfig, fetch_images

    return fetch_images(dataset, _config(FetchConfig, "fetch", options))


def plan(dataset: str | Path | Dataset | None = None, **options: Any) -> "Plan":
    """Plan from a pilot how exact a study will be and what it costs, as `affectml plan` does.

    Args:
        dataset: the data set with the pilot's answers, or its folder; None plans from assumptions alone.
        options: of PlanConfig (people, images, each, budget, per_hour, ...).

    Returns:
        A Plan: studies with the half widths of each figure's 95 % interval and the plan's own 90 % interval of these,
        and in words what was assumed and what the pilot cannot tell.

    Raises:
        BadDataset: if nothing can be planned from the pilot.
        BadInput: if an option does not exist or its value is impossible.
    """
    from affectml.planning import PlanConfig, plan_study

    opened = dataset if dataset is None or isinstance(dataset, Dataset) else Dataset.open(dataset)
    return plan_study(opened, _config(PlanConfig, "plan", options))


def ask(dataset: str | Path | Dataset, out: str | Path, *, model: str, say: Say = print, **options: Any) -> "Asked":
    """Write the question that people were asked as batch requests for a model, as `affectml ask` does.

    Args:
        dataset: the data set or its folder.
        out: the JSON lines file to write; it must not exist yet.
        model: its name on the server.
        say: called with each line for the user.
        options: of AskConfig (samples, target, split, question, ...).

    Returns:
        Asked: the files and what is in them. Nothing was sent.

    Raises:
        AffectmlError: a subclass, for anything that you can put right.
    """
    from affectml.vlm import AskConfig
    from affectml.vlm import ask as write

    return write(fspath(dataset), _config(AskConfig, "ask", options, model=model), Path(out), say=say)


def _config(kind: type[T], function: str, options: Mapping[str, Any], **own: Any) -> T:
    """A configuration of a function's options, and of those that are its own parameters."""
    _check(function, options, [each.name for each in fields(kind) if each.name not in own])  # type: ignore[arg-type]
    return kind(**own, **options)


def _check(function: str, options: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises BadInput for an option that the function does not have."""
    for name in options:
        if name not in known:
            raise BadInput(f"{function}: no option {name!r}{did_you_mean(name, known)} (options: {', '.join(known)})")


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, str | PathLike) else list(given)


def _run(run: str | Path | Run) -> Run:
    return run if isinstance(run, Run) else load_run(run)
