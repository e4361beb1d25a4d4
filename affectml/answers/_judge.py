"""Judging the answers of any system beside the prior, zero-shot, runs and people, on the same images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectml._files import try_file, write_json
from affectml._progress import Say
from affectml.answers._beside import beside
from affectml.answers._config import JudgeConfig
from affectml.answers._names import Names
from affectml.answers._parts import Parts, parts_of, store_of, target_of
from affectml.answers._result import AsEmpty, Gap, JudgedAnswers, received_json
from affectml.answers._rows import Reading, read_rows
from affectml.answers._said import Said, gather
from affectml.answers._words import Words
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.embeddings import EmbeddingStore, ensure_embeddings
from affectml.encoders.threads import set_threads
from affectml.errors import BadInput, option
from affectml.evaluation import Answers, Truth, evaluate, fit_prior, read_truth
from affectml.evaluation.bias import LabelBias, corrected_for_all, firsts, label_bias
from affectml.evaluation.human_reference import consensus_rows, people_rows
from affectml.evaluation.judge import KNOWN
from affectml.evaluation.run import answers_on
from affectml.evaluation.scoring import as_scores, intervals, row_scores, unsure
from affectml.evaluation.truth import part_of
from affectml.heads import apply_thresholds, choose_thresholds
from affectml.importers import get_importer
from affectml.importers.registry import PUBLISHED
from affectml.runs import RunFolder
from affectml_metrics import paired_difference
from affectml_metrics.table import find

FEWEST_VAL = 20  # validation images with an answer, from which thresholds are chosen


@dataclass(frozen=True, eq=False)
class _Case:
    """Everything the answers are judged by. said: None until they are read; runs: by name, on their own images.

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
    dataset: str | Path, answers: str | Path, config: JudgeConfig, *, out: Path | None = None, say: Say = print
) -> JudgedAnswers:
    """Judge a file of answers; see JudgeConfig.

    Args:
        dataset: the data set's folder.
        answers: a table, JSON lines, or responses to the requests of `ask`.
        config: how.
        out: a JSON file to write with everything; it must not exist yet.
        say: called with what one should know meanwhile.

    Raises:
        BadInput: for a file or an option that cannot be used, and where no answer is about a judged image.
        BadDataset: for a data set without a fitting target.
        BadRun: for a run that is none.
    """
    if out is not None:
        try_file(out)
    case = _open(dataset, config, say)
    said = _read(case, Path(answers))
    source = published_source(case.dataset.meta.source)
    result = _judged(case, said, source)
    if source:
        say(result.warning)
    if out is not None:
        write_json(out, result.to_json())
    return result


def published_source(source: str) -> str | None:
    """What a published set is called, from dataset.json's source; None for a source that no importer states."""
    for name, line in PUBLISHED.items():
        if get_importer(name).about.source in source:
            return line.partition(":")[0]
    return None


def _open(folder: str | Path, config: JudgeConfig, say: Say) -> _Case:
    _check(config)
    data = Dataset.open(folder)
    targets = target_of(data, config.target)
    threads = set_threads(config.threads)
    store = ensure_embeddings(data, config.encoder, threads=threads, say=say) if config.encoder else store_of(data)
    promises: dict[str, str] = {}
    parts = None if config.runs else parts_of(data, targets, config.split, config.seed, store)
    runs: dict[str, tuple[np.ndarray[Any, Any], Answers]] = {}
    for path in config.runs:
        run = RunFolder.open(path)
        name = _free(run.folder.resolve().name, [*runs, config.name])
        ids, given, split = answers_on(run, data, targets.name, threads=threads, say=say)
        runs[name] = (ids, given)
        if run.head.promise_ is not None:
            promises[name] = str(run.head.promise_.asked)
        parts = _with_run(parts, run, targets, ids, split)
    assert parts is not None
    if not len(parts.judged):
        raise BadInput(f"{option('runs')}: no image of {data.root} is in the test split of every run")
    return _Case(config, data, targets, parts, store, runs, promises)


def _check(config: JudgeConfig) -> None:
    if config.name in KNOWN or config.name.endswith("_loo") or not config.name.strip():
        raise BadInput(f"{option('name', config.name)}: that is the name of another system; choose another")
    if not 0 < config.tau < 1:
        raise BadInput(f"{option('tau', config.tau)}: expected a rate between 0 and 1")
    if config.k is not None and config.k < 1:
        raise BadInput(f"{option('k', config.k)}: expected a number of labels, at least 1")
    if config.empty not in (None, "none", "skip"):
        raise BadInput(f"{option('empty', config.empty)}: expected none (no label applies) or skip (no answer)")
    if config.runs and config.split != "test":
        raise BadInput(f"{option('split', config.split)}: with {option('runs')} the runs' own test images are judged")


def _free(name: str, taken: Sequence[str]) -> str:
    """A name for a run that no other system has."""
    used = {*taken, *KNOWN}
    return name if name not in used else next(f"{name} ({i})" for i in range(2, 99) if f"{name} ({i})" not in used)


def _with_run(parts: Parts | None, run: RunFolder, targets: Targets, ids: np.ndarray[Any, Any], split: str) -> Parts:
    """The images that this run may be judged by too; the first run says which others there are."""
    if parts is not None:
        return replace(parts, judged=parts.judged[np.isin(parts.judged, ids)])
    known = targets.image_id
    if split == "test" and (run.folder / "predictions.parquet").exists():
        table = run.predictions
        here = table[table["image_id"].isin(known)]
        val, train = (here["image_id"][here["split"] == name].to_numpy(dtype=object) for name in ("val", "train"))
        if len(train):
            return Parts(ids, val, train, split)
    others = known[~np.isin(known, ids)]
    return Parts(ids, known[:0], others if len(others) else known, split)


def _read(case: _Case, path: Path) -> Said:
    """The answers, in the target's labels."""
    config = case.config
    words = Words(case.targets.taxonomy, config.mapping)
    reading = Reading(words, Names(case.dataset.images), config.image_column, config.label_column, config.empty)
    one_label = case.targets.kind in ("single", "distribution")
    try:
        return gather(read_rows(path, reading), words, one_label=one_label, shape=config.shape, k=config.k)
    except BadInput as error:
        raise error if str(path) in str(error) else BadInput(f"{path}: {error}") from None


def _judged(case: _Case, said: Said, source: str | None) -> JudgedAnswers:
    config, parts, targets = case.config, case.parts, case.targets
    rows = pd.Index(said.image_id).get_indexer(pd.Index(parts.judged))
    answered = rows >= 0
    if not answered.any():
        raise BadInput(
            f"none of the {len(said.image_id)} images with an answer is among the {len(parts.judged)} of the "
            f"{parts.split} split; {option('split', 'all')} judges all images"
        )
    beta = fit_prior(targets.take(parts.train))
    everything = read_truth(case.dataset, targets, parts.judged, beta=beta, tau=config.tau)
    val = read_truth(case.dataset, targets, parts.val, beta=beta, tau=config.tau) if len(parts.val) else None
    systems, why = beside(targets, parts, everything, val, case.store)
    for name, (ids, given) in case.runs.items():
        systems[name] = given.rows(pd.Index(ids).get_indexer(pd.Index(parts.judged)))
    mine, rule = _answers(said, rows, everything, val, config.tau)
    at = np.flatnonzero(answered)
    truth = part_of(everything, at)
    here = {config.name: mine.rows(at), **{name: given.rows(at) for name, given in systems.items()}}
    result = evaluate(here, truth, split=parts.split, seed=config.seed, why_not=why, consensus=True)
    metrics = result.metrics
    if truth.kind == "single" and _ties(here[config.name].scores):
        metrics["systems"][config.name].pop("label_f1_macro", None)
        for scores in metrics["per_label"].values():
            scores.pop("label_f1", None)
    metrics["rules"] |= {f"answers of {config.name}": rule}
    if val is None:
        cut = f"labels with a rate of at least tau ({config.tau:.3g})"
        metrics["rules"]["predicted_sets"] = f"where a system gives none: {cut}"
    if case.promises and truth.sets is not None:
        kept = ", ".join(f"those of {name} are cut for its promise ({asked})" for name, asked in case.promises.items())
        metrics["rules"]["predicted_sets"] = f"{metrics['rules'].get('predicted_sets', 'as given')}; {kept}"
    if parts.split == "all":
        metrics["rules"]["split"] = "all: the prior, and the Beta prior of label sets, know the judged images"
    bias, first = _bias(said, rows[at], truth)
    return JudgedAnswers(
        name=config.name,
        dataset=case.dataset.name,
        target=targets.name,
        metrics=metrics,
        received=received_json(said.received, parts.judged, answered, said.image_id),
        gaps=tuple(_gaps(here, truth, config)),
        bias=tuple(bias),
        first=first,
        as_empty=None if answered.all() else _as_empty(mine, answered, systems, everything, config),
        source=source,
    )


def _answers(
    said: Said, rows: np.ndarray[Any, Any], truth: Truth, val: Truth | None, tau: float
) -> tuple[Answers, str]:
    """What the system answers on the judged images, zeros where it says nothing, and by which rules, in words."""
    fits = said.shape == ("rates" if truth.kind in SEVERAL else "distribution")
    asked = rows >= 0

    def placed(values: np.ndarray[Any, Any]) -> Tensor:
        out = np.zeros((len(rows), values.shape[1]), dtype=values.dtype)
        out[asked] = values[rows[asked]]
        return torch.from_numpy(out)

    scores = placed(said.scores)
    shares = unsure(placed(said.shares), rates=truth.kind in SEVERAL) if fits and said.shares is not None else None
    said_how = _how(said, fits, truth)
    if truth.sets is None or (said.shape == "ranked" and said.sets is None):
        return Answers(scores, shares), said_how
    if said.sets is not None:
        return Answers(scores, shares, placed(said.sets)), f"{said_how}; sets as it gives them"
    at = np.zeros(0, dtype=int) if val is None else pd.Index(said.image_id).get_indexer(pd.Index(val.image_id))
    have = np.flatnonzero(at >= 0)
    if val is not None and val.sets is not None and len(have) >= FEWEST_VAL:
        cuts = choose_thresholds(said.scores[at[have]], val.sets[have].astype(np.int64))
        how = f"thresholds chosen on its answers to {len(have)} validation images"
        sets = apply_thresholds(scores, cuts) * torch.from_numpy(asked)[:, None]
        return Answers(scores, shares, sets), f"{said_how}; {how}"
    if not fits:
        return Answers(scores, shares), f"{said_how}; no sets: too few validation images ({len(have)}) have an answer"
    how = (
        f"its sets are the labels with a rate of at least tau ({tau:.3g}): {len(have)} validation images have an answer"
    )
    return Answers(scores, shares, (scores >= tau - 1e-9).long()), f"{said_how}; {how}"


def _how(said: Said, fits: bool, truth: Truth) -> str:
    """What the answers are, in words."""
    received = said.received
    if received.shape == "sets" and said.shape != "sets":
        rule = "(k + 1/2) / (n + 1)" if said.shape == "rates" else f"(k + 1/2) / (n + {len(truth.labels)}/2)"
        return f"k of n answers to an image name a label: {said.shape} {rule}, Jeffreys' rule"
    told = {"sets": "a set has no rates, so no cross-entropy", "ranked": "a ranking has no rates, so no cross-entropy"}
    if said.shape in told:
        return told[said.shape]
    several = ", the mean of several answers to an image" if received.samples > 1 else ""
    if fits:
        return f"{said.shape}{several}"
    return f"{said.shape}{several}; people's answers are {truth.kind}, so it is judged by its ranking"


def _ties(scores: Tensor) -> bool:
    """Whether some image has no single first label."""
    return bool(((scores == scores.amax(dim=1, keepdim=True)).sum(dim=1) > 1).any())


def _bias(said: Said, rows: np.ndarray[Any, Any], truth: Truth) -> tuple[list[LabelBias], bool]:
    """How often each label is named, by the system and by people; or named first, where that alone can be compared."""
    several = truth.kind in SEVERAL
    first = said.shape == "ranked" or said.shape == ("distribution" if several else "rates")
    often, people = said.often[rows], truth.shares
    if first:
        often, people = firsts(often if said.shape == "ranked" else said.scores[rows]), firsts(truth.shares)
    return label_bias(often, people, truth.labels, truth.groups), first


def _gaps(answers: Mapping[str, Answers], truth: Truth, config: JudgeConfig) -> list[Gap]:
    """The system less each other one, on the same images: metrics by rows, with people on the leave-one-out targets."""
    rows = {name: row_scores(given, truth) for name, given in answers.items()}
    mine = rows.pop(config.name)
    pairs = [
        (other, metric, mine[metric], values[metric])
        for other, values in rows.items()
        for metric in values
        if metric in mine
    ]
    beside = {config.name: answers[config.name]}
    loo = f"{config.name}_loo"
    for rows_of, person in (
        (people_rows(truth, beside, torch.Generator().manual_seed(config.seed)), "human"),
        (consensus_rows(truth, beside), "consensus"),
    ):
        ours = {name: mine[name] for name in ("set_f1_judgements",) if name in mine} | rows_of.get(loo, {})
        pairs += [(person, m, ours[m], values) for m, values in rows_of.get(person, {}).items() if m in ours]
    kept = [pair for pair in pairs if _compared(pair[1])]
    if not kept:
        return []
    one = torch.stack([ours.double() for _, _, ours, _ in kept], dim=1)
    two = torch.stack([theirs.double() for _, _, _, theirs in kept], dim=1)
    generator = torch.Generator().manual_seed(config.seed)
    found = paired_difference(one, two, groups=truth.groups, generator=generator)
    gaps = [
        Gap(other, metric, score, None if np.isnan(p) else p)
        for (other, metric, *_), score, p in zip(kept, as_scores(found), found.p.tolist(), strict=True)
        if np.isfinite(score["value"])
    ]
    corrected = corrected_for_all([gap.p for gap in gaps])
    return [replace(gap, p_holm=p) for gap, p in zip(gaps, corrected, strict=True)]


def _compared(metric: str) -> bool:
    """Whether systems are compared by it: it is shown in brief tables, and says which value is better."""
    spec = find(metric)
    return spec is not None and spec.better != "" and "brief" in spec.shown


def _as_empty(
    mine: Answers, answered: np.ndarray[Any, Any], systems: Mapping[str, Answers], truth: Truth, config: JudgeConfig
) -> AsEmpty:
    """Sets and rankings on all judged images, an image without an answer counted as the empty set."""
    every = {config.name: mine, **systems}
    rows = {name: row_scores(replace(given, shares=None), truth) for name, given in every.items()}
    wanted = [metric for metric in rows[config.name] if _compared(metric)]
    scores = {}
    for name, found in rows.items():
        kept = {metric: found[metric] for metric in wanted if metric in found}
        scores[name] = intervals(kept, truth, torch.Generator().manual_seed(config.seed))
    return AsEmpty(images=len(answered), unanswered=int((~answered).sum()), systems=scores)
