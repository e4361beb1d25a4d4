"""The functions of the door: `affectml.train`, `affectml.predict`, ... Each is what the command of its name does."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from affectml._options import options_of
from affectml._progress import Progress, Say
from affectml.data import Dataset
from affectml.errors import BadInput, did_you_mean
from affectml.heads.option_words import options_of_heads
from affectml.judging.asked import evaluate_run
from affectml.page import WRITERS
from affectml.pictures import ImageLike
from affectml.predicting.predictions import Predictions
from affectml.run import Run
from affectml.runs import RunFolder, TrainConfig
from affectml.runs.schema import score_table
from affectml.training import open_or_draw, train_run

if TYPE_CHECKING:
    from affectml.answers import Asked, JudgedAnswers
    from affectml.checkup import Finding
    from affectml.comparison import Comparison
    from affectml.cross_evaluation import CrossResult
    from affectml.explanation import Explanation
    from affectml.fetching import FetchSummary
    from affectml.planning import Plan


def train(
    dataset: str | Path | Dataset | None = None, *, out: str | Path | None = None, say: Say = print, **options: Any
) -> Run:
    """Train a head on a data set and judge it beside the prior, zero-shot and people, as `affectml train` does.

    Args:
        dataset: a data set or its folder; None is the demo set in data/demo, drawn where it is not there.
        out: the folder to write; None takes the next free runs/NAME-NNN.
        say: called with what one should know meanwhile, a line at a time.
        options: those of TrainConfig, as `affectml train` has them (head, hidden, seed, tau, ...), and of the head (l2,
            dropout, ...). Without `multilabel` the only target that fits decides: rates and sets are learned as several
            labels, single labels and distributions as one.

    Returns:
        A Run: its scores, its predictions, and its answers for new images.

    Raises:
        AffectmlError: one of its subclasses, for what can be mended; then nothing was written.
    """
    known = signature(train).parameters.keys() - {"options"}
    of_head = {name: value for name, value in options.items() if name not in known}
    head = options.get("head")
    if head is not None and not isinstance(head, str):
        raise BadInput(f'head: expected a name, or "package.module:Class" for your own, got {head!r}')
    unknown = set() if ":" in (head or "") else of_head.keys() - options_of_heads()
    for name in unknown:  # a slip in an option of train; of all others the head says which there are
        if near := did_you_mean(name, known):
            raise BadInput(f"train: no option {name!r}{near}")
    given = {"multilabel": None} | {name: value for name, value in options.items() if name not in of_head}
    for name in ("templates", "groups"):
        if isinstance(given.get(name), list | str):
            given[name] = (given[name],) if isinstance(given[name], str) else (*given[name],)
    config = TrainConfig(dataset=_folder(dataset), options=of_head, **given)
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
        BadRun: where it is none, or of another version.
    """
    return Run(RunFolder.open(path))


def predict(
    run: str | Path | Run,
    images: ImageLike | Iterable[ImageLike],
    *,
    labels: Sequence[str] | None = None,
    errors: Literal["raise", "skip"] = "raise",
) -> Predictions:
    """What a run says of images; to ask a run several times, open it once with `load_run`.

    Args:
        run: the run or its folder.
        images: one of these or several, see `Run.predict`; for very many see `Run.predict_to_file`.
        labels: choose among these instead of the run's own, see `Run.predict`.
        errors: "raise" for the first image that cannot be read, or "skip", see `Run.predict`.

    Returns:
        Predictions: a DataFrame with a row per image, and a score per label.

    Raises:
        BadRun: where it is no run.
        BadInput: for the first image that cannot be read, or where none can, and for `labels` with a head that has no
            texts.
    """
    return _run(run).predict(images, labels=labels, errors=errors)


def evaluate(
    run: str | Path | Run,
    dataset: str | Path | Dataset,
    *,
    target: str | None = None,
    groups: Sequence[str] = (),
    out: str | Path | None = None,
    threads: int | None = None,
    say: Say = print,
) -> pd.DataFrame:
    """Judge a run on a data set with the same labels.

    Args:
        run: the run or its folder.
        dataset: the data set or its folder: its test split is judged, or all of it where it has none.
        target: which of its targets to judge by, where several fit.
        groups: columns that split the images, or the people who answered; none takes all of few levels.
        out: a file to write metrics.json to, with the subgroups.
        threads: torch's; None is one less than the cores.
        say: called with what one should know meanwhile.

    Returns:
        A DataFrame with a row per system, and per metric columns value, low and high, as `Run.scores`.

    Raises:
        BadRun: where it is no run.
        BadDataset: for a data set without a target that fits, or without an image to judge.
        BadInput: for a place where `out` cannot be written.
    """
    file = None if out is None else Path(out)
    _several(groups, "groups")
    metrics, _ = evaluate_run(
        _run(run).folder, str(_folder(dataset)), target=target, groups=groups, out=file, threads=threads, say=say
    )
    return score_table(metrics)


def explain(run: str | Path | Run, image: ImageLike, *, label: str | None = None, **options: Any) -> "Explanation":
    """Which parts of an image speak for a label, and whether to believe it, as `affectml explain` does.

    Args:
        run: the run or its folder.
        image: one: a path, a PIL image or an array [H, W, 3].
        label: one of the run's; None takes the likeliest.
        options: see `Run.explain`.

    Returns:
        An Explanation: maps, their curves beside those of controls, and the verdict in words.

    Raises:
        AffectmlError: one of its subclasses, for what can be mended.
    """
    known = [name for name in signature(Run.explain).parameters if name != "self"]
    _check("explain", options, known)
    return _run(run).explain(image, label=label, **options)


def demo(folder: str | Path | None = None, *, say: Say = print, **options: Any) -> Dataset:
    """The demo set in a folder, drawn where it is not there yet.

    Args:
        folder: None is data/demo.
        say: called with what one should know meanwhile.
        options: of the drawing (images, seed, taxonomy, look, answers, panel, models), as in `affectml demo-data`.

    Returns:
        The Dataset.

    Raises:
        BadInput: for an option that there is not, and for a folder that holds something else.
    """
    if folder is None and not options:
        return open_or_draw(None, say)
    from affectml.demo_set.write import holds_demo, write_demo
    from affectml.training import DEMO

    _check("demo", options, [name for name in signature(write_demo).parameters if name not in ("out", "progress")])
    where = DEMO if folder is None else Path(folder)
    if not (where / "dataset.json").exists():
        with Progress("painting", options.get("images", 2000), "images") as bar:
            return write_demo(where, progress=bar.advance, **options)
    dataset = Dataset.open(where)
    if options and not holds_demo(dataset, **options):
        raise BadInput(
            f"{where} holds a data set that was not drawn with these options: leave out {', '.join(options)} to open "
            "it, or name another folder"
        )
    return dataset


def fetch(dataset: str | Path | Dataset, *, progress: bool = True, **options: Any) -> "FetchSummary":
    """Download the images that a data set knows by url alone, as `affectml fetch` does.

    Args:
        dataset: the data set or its folder.
        progress: whether to show a bar, where somebody watches.
        options: of FetchConfig (per_host, jobs, delay, tries, deadline, max_mb, contact, ...).

    Returns:
        A FetchSummary: what came, and what failed and why.

    Raises:
        BadDataset: for no data set, one without urls, or one that another process downloads.
        BadInput: for an option that there is not, or with a value that cannot be.
    """
    from affectml.fetching import FetchConfig, fetch_images

    _check("fetch", options, [each.name for each in fields(FetchConfig)])
    return fetch_images(dataset, FetchConfig(**options), progress=progress)


def crosseval(
    train: Sequence[str | Path | Dataset], test: Sequence[str | Path | Dataset], *, say: Say = print, **options: Any
) -> "CrossResult":
    """Train on each of some data sets and judge on each of others, as `affectml crosseval` does.

    Args:
        train: data sets or their folders.
        test: data sets or their folders.
        say: called with what one should know meanwhile.
        options: of CrossConfig (heads, target, choices, drop, seed, ...).

    Returns:
        A CrossResult: a cell for each pair of data sets and each head.

    Raises:
        AffectmlError: one of its subclasses, for what can be mended.
    """
    from affectml.cross_evaluation import CrossConfig
    from affectml.cross_evaluation import crosseval as cross

    _check("crosseval", options, [each.name for each in fields(CrossConfig)])
    _several(train, "train")
    _several(test, "test")
    first, second = (tuple(str(_folder(each)) for each in given) for given in (train, test))
    return cross(CrossConfig(train=first, test=second, **options), say=say)


def compare(
    runs: Sequence[str | Path | Run],
    *,
    dataset: str | Path | Dataset | None = None,
    k: int = 3,
    threads: int | None = None,
    say: Say = print,
) -> "Comparison":
    """Where several runs read the same images differently, beside what people said, as `affectml compare` does.

    Args:
        runs: at least two runs or their folders.
        dataset: the data set or its folder; None is the one that the first run learned from.
        k: labels of each reading.
        threads: torch's; None is one less than the cores.
        say: called with what one should know meanwhile.

    Returns:
        A Comparison: how alike the runs are, and the images on which they differ most.

    Raises:
        AffectmlError: one of its subclasses, for what can be mended.
    """
    from affectml.comparison import compare_runs

    _several(runs, "runs")
    folders = [_run(run).folder for run in runs]
    where = None if dataset is None else Path(str(_folder(dataset)))
    return compare_runs(folders, dataset=where, k=k, threads=threads, say=say)


def judge(
    dataset: str | Path | Dataset,
    answers: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
    *,
    name: str | Sequence[str] = (),
    say: Say = print,
    **options: Any,
) -> "JudgedAnswers":
    """Judge any systems' answers beside the prior, zero-shot, runs and people, as `affectml judge` does.

    Args:
        dataset: the data set or its folder.
        answers: a file of answers, several, or several by the names of their systems: CSV, TSV, Parquet, JSON lines, or
            responses to what `ask` wrote.
        name: what the system is called, or each of several in the order of their files; the files' names without.
        say: called with what one should know meanwhile.
        options: of JudgeConfig (target, run, by, shape, k, mapping, split, ...), and `out`, a file to write or several.

    Returns:
        JudgedAnswers: `scores`, `differences` and `label_bias` as DataFrames, and what could not be used.

    Raises:
        AffectmlError: one of its subclasses, for what can be mended.
    """
    from affectml.answers import JudgeConfig, judge_answers, named

    out = options.pop("out", ())
    _check("judge", options, [each.name for each in fields(JudgeConfig) if each.name != "name"])
    if "run" in options:
        _several(options["run"], "run")
        options["run"] = tuple(str(_run(run).folder) for run in options["run"])
    if isinstance(answers, Mapping):
        name, answers = list(answers), list(answers.values())
    files, names, written = ([x] if isinstance(x, str | Path) else x for x in (answers, name, out))
    config = JudgeConfig(name=tuple(map(str, names)), **options)
    return judge_answers(
        str(_folder(dataset)), named(files, config.name), config, out=[Path(each) for each in written], say=say
    )


def plan(
    dataset: str | Path | Dataset | None = None,
    *,
    runs: Sequence[str | Path | Run] = (),
    say: Say = print,
    **options: Any,
) -> "Plan":
    """How exact a study of some size will be, and what it costs, planned from a pilot, as `affectml plan` does.

    Args:
        dataset: the data set with the pilot's answers, or its folder; None plans from assumptions alone.
        runs: up to two runs whose scores against people are planned, the second to be compared with; without any,
            stand-ins are made of the pilot.
        say: called with what one should know meanwhile.
        options: of PlanConfig (people, images, each, budget, within, per_hour, ...).

    Returns:
        A Plan: studies with the half widths of each figure's 95 % interval and the plan's own 90 % interval of these,
        and in words what was assumed and what the pilot cannot tell.

    Raises:
        BadDataset: for a pilot that nothing can be planned from.
        BadInput: for an option that there is not, or with a value that cannot be.
    """
    from affectml.planning import PlanConfig, plan_study

    _check("plan", options, [each.name for each in fields(PlanConfig)])
    _several(runs, "runs")
    opened = dataset if dataset is None or isinstance(dataset, Dataset) else Dataset.open(dataset)
    return plan_study(opened, PlanConfig(**options), runs=[_run(run).folder for run in runs], say=say)


def ask(dataset: str | Path | Dataset, out: str | Path, *, model: str, say: Say = print, **options: Any) -> "Asked":
    """Write the question that people were asked as batch requests for a model, as `affectml ask` does.

    Args:
        dataset: the data set or its folder.
        out: the JSON lines file to write; it must not exist yet.
        model: the name that the server knows it by.
        say: called with what one should know meanwhile.
        options: of AskConfig (samples, target, split, question, ...).

    Returns:
        Asked: the files and what is in them. Nothing was sent.

    Raises:
        AffectmlError: one of its subclasses, for what can be mended.
    """
    from affectml.answers import AskConfig
    from affectml.answers import ask as write

    _check("ask", options, [each.name for each in fields(AskConfig) if each.name != "model"])
    return write(str(_folder(dataset)), AskConfig(model=model, **options), Path(out), say=say)


def doctor(folder: str | Path = ".") -> "list[Finding]":
    """What this machine has for affectml, as `affectml doctor` says it.

    Args:
        folder: whose free space is told.

    Returns:
        A list of Finding, one a line: its name, words, and plain value.
    """
    from affectml.checkup import checkup

    return checkup(folder)


def _several(given: Any, name: str) -> None:
    """Raises BadInput for one alone where several belong: a path's letters would be taken for paths."""
    if isinstance(given, str | Path | Run | Dataset):
        raise BadInput(f"{name}: expected a list, got {given!r} alone: write {name}=[...]")


def _check(function: str, options: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises BadInput for an option that the function does not have."""
    for name in options:
        if name not in known:
            raise BadInput(f"{function}: no option {name!r}{did_you_mean(name, known)} (options: {', '.join(known)})")


def _folder(dataset: str | Path | Dataset | None) -> str | None:
    if dataset is None:
        return None
    return str(dataset.root if isinstance(dataset, Dataset) else dataset)


def _run(run: str | Path | Run) -> Run:
    return run if isinstance(run, Run) else load_run(run)
