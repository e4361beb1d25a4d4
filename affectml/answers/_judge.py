"""Judging the answers of any system beside the prior, zero-shot, runs and people, on the same images."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.answers._answered import AnswerFile, bias_of, has_ties, judged_as, read_file
from affectml.answers._beside import beside
from affectml.answers._config import JudgeConfig
from affectml.answers._estimates import for_all
from affectml.answers._gaps import best_first, compared, gaps_of, sorting
from affectml.answers._page import WRITERS, try_out
from affectml.answers._parts import Parts, parts_of, store_of, target_of
from affectml.answers._result import AsEmpty, JudgedAnswers, JudgedSystem, received_json
from affectml.answers._said import Said
from affectml.answers._spread import Only, of_others, place_bias_of, read_orders, spreads
from affectml.answers._views import agreed_alone, by_disagreement, stated_calibration
from affectml.data import Dataset, Targets
from affectml.embeddings import EmbeddingStore, ensure_embeddings
from affectml.encoders.threads import set_threads
from affectml.errors import BadInput, option
from affectml.importers import get_importer
from affectml.importers.registry import PUBLISHED
from affectml.judging.asked import answers_on
from affectml.judging.bias import LabelBias, holm
from affectml.judging.evaluate import KNOWN, evaluate, in_order
from affectml.judging.scoring import Answers, intervals, per_label, row_scores
from affectml.judging.truth import Truth, fit_prior, part_of, read_truth
from affectml.runs import RunFolder


@dataclass(frozen=True, eq=False)
class _Case:
    """Everything the answers are judged by. runs: by name, on their own images.

    promises: by name, what the sets of a run are cut to promise.
    """

    config: JudgeConfig
    dataset: Dataset
    targets: Targets
    parts: Parts
    store: EmbeddingStore | None
    runs: dict[str, tuple[np.ndarray[Any, Any], Answers]]
    promises: dict[str, str]


def judge_answers(
    dataset: str | Path,
    answers: Mapping[str, str | Path],
    config: JudgeConfig,
    *,
    out: Sequence[Path] = (),
    say: Say = print,
) -> JudgedAnswers:
    """Judge the answers of one system or several; see JudgeConfig.

    Args:
        dataset: the data set's folder.
        answers: by the name of each system its file: a table, JSON lines, or responses to the requests of `ask`; see
            `named`.
        config: how.
        out: files to write, which must not exist yet; see `affectml.answers._page.WRITERS`.
        say: called with what one should know meanwhile.

    Raises:
        BadInput: for a file or an option that cannot be used, and where no judged image has an answer of every system.
        BadDataset: for a data set without a fitting target.
        BadRun: for a run that is none.
    """
    for file in out:
        try_out(file)
    case = _open(dataset, list(answers), config, say)
    files = {name: read_file(Path(file), case.dataset, case.targets, config) for name, file in answers.items()}
    source = published_source(case.dataset.meta.source)
    result = _judged(case, files, source)
    if source:
        say(result.warning)
    for file in out:
        WRITERS[file.suffix.lower()](result, file)
    return result


def named(files: Sequence[str | Path], names: Sequence[str]) -> dict[str, Path]:
    """Each file by its system's name: the names in their order, or without any the files' own.

    Raises:
        BadInput: for no file, two of one name, another number of names, and names of what stands beside systems.

    >>> sorted(named(["gpt.jsonl", "old/qwen.csv"], []))
    ['gpt', 'qwen']
    """
    if not files:
        raise BadInput("judge: expected at least one file of answers")
    if names and len(names) != len(files):
        raise BadInput(f"{option('name')}: {len(names)} names for {len(files)} files; expected one for each, or none")
    given = list(names) or [Path(file).stem for file in files]
    for name, count in Counter(given).items():
        if count > 1:
            raise BadInput(f"{count} files are called {name!r}; tell them apart: {option('name')}, once for each file")
        if name in KNOWN or name.endswith("_loo") or not name.strip():
            raise BadInput(f"{option('name', name)}: that is the name of another system; choose another")
    return dict(zip(given, map(Path, files), strict=True))


def published_source(source: str) -> str | None:
    """What a published set is called, from dataset.json's source; None for a source that no importer states."""
    for name, line in PUBLISHED.items():
        if get_importer(name).about.source in source:
            return line.partition(":")[0]
    return None


def _open(folder: str | Path, systems: Sequence[str], config: JudgeConfig, say: Say) -> _Case:
    _check(config)
    data = Dataset.open(folder)
    targets = target_of(data, config.target)
    threads = set_threads(config.threads)
    store = ensure_embeddings(data, config.encoder, threads=threads, say=say) if config.encoder else store_of(data)
    promises: dict[str, str] = {}
    parts = None if config.run else parts_of(data, targets, config.split, config.seed, store)
    runs: dict[str, tuple[np.ndarray[Any, Any], Answers]] = {}
    for path in config.run:
        run = RunFolder.open(path)
        name = _free(run.folder.resolve().name, [*runs, *systems])
        ids, given, split = answers_on(run, data, targets.name, threads=threads, say=say)
        runs[name] = (ids, given)
        if run.head.promise_ is not None:
            promises[name] = str(run.head.promise_.asked)
        parts = _with_run(parts, run, targets, ids, split)
    assert parts is not None
    if not len(parts.judged):
        raise BadInput(f"{option('run')}: no image of {data.root} is in the test split of every run")
    return _Case(config, data, targets, parts, store, runs, promises)


def _check(config: JudgeConfig) -> None:
    if not 0 < config.tau < 1:
        raise BadInput(f"{option('tau', config.tau)}: expected a rate between 0 and 1")
    if config.k is not None and config.k < 1:
        raise BadInput(f"{option('k', config.k)}: expected a number of labels, at least 1")
    if config.empty not in (None, "none", "skip"):
        raise BadInput(f"{option('empty', config.empty)}: expected none (no label applies) or skip (no answer)")
    if config.run and config.split != "test":
        raise BadInput(
            f"{option('split', config.split)}: with {option('run')} the runs' own test images are judged; leave one out"
        )


def _free(name: str, taken: Sequence[str]) -> str:
    """A name for a run that no other system has."""
    used = {*taken, *KNOWN}
    return name if name not in used else next(f"{name} ({i})" for i in range(2, 99) if f"{name} ({i})" not in used)


def _with_run(parts: Parts | None, run: RunFolder, targets: Targets, ids: np.ndarray[Any, Any], split: str) -> Parts:
    """The images that this run may be judged by too; the first run says which others there are."""
    if parts is not None:
        return replace(parts, judged=parts.judged[np.isin(parts.judged, ids)])
    known = targets.image_id
    if split == "test" and run.has_answers:
        said = run.model_answers
        here = pd.Index(said.image_id).isin(known)
        val, train = (said.image_id[here & (said.split == name)] for name in ("val", "train"))
        if len(train):
            return Parts(ids, val, train, split)
    others = known[~np.isin(known, ids)]
    return Parts(ids, known[:0], others if len(others) else known, split)


def _judged(case: _Case, files: Mapping[str, AnswerFile], source: str | None) -> JudgedAnswers:
    config, parts, targets = case.config, case.parts, case.targets
    orders = read_orders(config.index, targets.taxonomy.labels)
    for file in files.values():
        if of_others(file.rows.rows, orders):
            raise BadInput(
                f"{option('index', ', '.join(map(str, config.index)))}: written with other requests than {file.path} "
                "answers, so that labels stood in other orders (another seed, or other labels); give the index that "
                "`ask` wrote with those, or leave it out"
            )
    said = {name: file.said() for name, file in files.items()}
    rows = {name: pd.Index(each.image_id).get_indexer(pd.Index(parts.judged)) for name, each in said.items()}
    at = _answered_by_all(said, rows, parts)
    beta = fit_prior(targets.take(parts.train))
    everything = read_truth(case.dataset, targets, parts.judged, beta=beta, tau=config.tau)
    val = read_truth(case.dataset, targets, parts.val, beta=beta, tau=config.tau) if len(parts.val) else None
    others, why = beside(targets, parts, everything, val, case.store)
    for name, (ids, given) in case.runs.items():
        others[name] = given.rows(pd.Index(ids).get_indexer(pd.Index(parts.judged)))
    mine, rules = {}, {}
    for name, each in said.items():
        mine[name], rules[f"answers of {name}"] = judged_as(each, rows[name], everything, val, config.tau)
    truth = part_of(everything, at)
    here = {name: given.rows(at) for name, given in {**mine, **others}.items()}
    metrics = evaluate(here, truth, split=parts.split, seed=config.seed, why_not=why, consensus=True).metrics
    scores = metrics["systems"]
    if truth.kind == "single" and (tied := [name for name in mine if has_ties(here[name].scores)]):
        for name in tied:
            scores[name].pop("label_f1_macro", None)
        for of_label in metrics["per_label"].values() if next(iter(mine)) in tied else ():
            of_label.pop("label_f1", None)
    metrics["rules"] |= rules
    if val is None and truth.sets is not None:
        cut = f"labels with a rate of at least tau ({config.tau:.3g})"
        metrics["rules"]["predicted_sets"] = f"where a system gives none: {cut}"
    if case.promises and truth.sets is not None:
        kept = ", ".join(f"those of {name} are cut for its promise ({asked})" for name, asked in case.promises.items())
        metrics["rules"]["predicted_sets"] = f"{metrics['rules'].get('predicted_sets', 'as given')}; {kept}"
    if parts.split == "all":
        knowing = "the prior knows" if truth.sets is None else "the prior, and the Beta prior of label sets, know"
        metrics["rules"]["split"] = f"all: {knowing} the judged images"
    by = sorting(scores, list(said), config.by)
    ranked = best_first(scores, by)
    metrics["systems"] = {name: scores[name] for name in in_order(dict.fromkeys([*ranked, *scores]))}
    names = [name for name in ranked if name in said]
    bias = _biases({name: bias_of(said[name], rows[name][at], truth) for name in names})
    every = all((found >= 0).all() for found in rows.values())

    def part_of_file(file: AnswerFile, only: Only) -> tuple[NDArray[np.bool_], Answers] | None:
        chosen = file.part(only)
        if chosen is None:
            return None
        place = pd.Index(chosen.image_id).get_indexer(pd.Index(parts.judged))
        return place[at] >= 0, judged_as(chosen, place, everything, val, config.tau)[0].rows(at)

    liking = for_all(
        {n: place_bias_of(file.rows.rows, file.part, orders, case.dataset.groups) for n, file in files.items()}
    )
    for name in said if orders else ():
        if name not in liking:
            said[name].received.notes.append(f"{option('index')} has too few of its requests: no word of places")
    answering = {name: here[name] for name in [*names, *case.runs]}
    stating = {n: each for n, each in answering.items() if n not in said or said[n].received.shape != "sets"}
    systems = {
        name: JudgedSystem(
            received_json(said[name].received, parts.judged, rows[name] >= 0, said[name].image_id),
            *bias[name],
            per_label=per_label(here[name], truth),
            spread=tuple(spreads(files[name].rows.rows, partial(part_of_file, files[name]), truth, by)),
            places=liking.get(name),
        )
        for name in names
    }
    return JudgedAnswers(
        dataset=case.dataset.name,
        folder=case.dataset.root,
        target=targets.name,
        metrics=metrics,
        by=by,
        systems=systems,
        runs=tuple(case.runs),
        gaps=tuple(gaps_of(here, names, truth, by, config.seed)),
        disagreement=by_disagreement(answering, truth, seed=config.seed),
        stated=stated_calibration(stating, truth),
        alone=agreed_alone({name: here[name] for name in names}, truth, seed=config.seed) if len(names) > 1 else None,
        as_empty=None if every else _as_empty(mine, rows, others, everything, config),
        source=source,
    )


def _answered_by_all(
    said: Mapping[str, Said], rows: Mapping[str, np.ndarray[Any, Any]], parts: Parts
) -> np.ndarray[Any, Any]:
    """Which of the judged images have an answer of every system."""
    for name, found in rows.items():
        if not (found >= 0).any():
            raise BadInput(
                f"{name}: none of the {len(said[name].image_id)} images with an answer is among the "
                f"{len(parts.judged)} of the {parts.split} split; {option('split', 'all')} judges all images"
            )
    at = np.flatnonzero(np.all([found >= 0 for found in rows.values()], axis=0))
    if not len(at):
        of = "" if parts.split == "all" else f" of the {parts.split} split"
        counts = ", ".join(f"{name} {int((found >= 0).sum())}" for name, found in rows.items())
        raise BadInput(f"no image{of} has an answer of every system (images with one: {counts}); judge them one by one")
    return at


def _biases(found: Mapping[str, tuple[list[LabelBias], bool]]) -> dict[str, tuple[tuple[LabelBias, ...], bool]]:
    """The same with p values corrected for the labels of all systems together."""
    corrected = iter(holm([each.p for of_system, _ in found.values() for each in of_system]).tolist())
    return {
        name: (tuple(replace(each, p_holm=next(corrected)) for each in of_system), first)
        for name, (of_system, first) in found.items()
    }


def _as_empty(
    mine: Mapping[str, Answers],
    rows: Mapping[str, np.ndarray[Any, Any]],
    others: Mapping[str, Answers],
    truth: Truth,
    config: JudgeConfig,
) -> AsEmpty:
    """Sets and rankings on all judged images, an image without an answer counted as the empty set."""
    found = {name: row_scores(replace(given, shares=None), truth) for name, given in {**mine, **others}.items()}
    wanted = {metric for name in mine for metric in found[name] if compared(metric)}
    scores = {}
    for name, of_system in found.items():
        kept = {metric: values for metric, values in of_system.items() if metric in wanted}
        scores[name] = intervals(kept, truth)
    unanswered = {name: int((each < 0).sum()) for name, each in rows.items()}
    return AsEmpty(images=len(truth.image_id), unanswered=unanswered, systems=scores)
