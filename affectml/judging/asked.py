"""A run judged on a data set: its own or another, on images that it did not learn from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from affectml._files import try_file, write_json
from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.dataset import SPLITS
from affectml.data.levels import levels_of
from affectml.data.splits import CALIBRATION
from affectml.embeddings import EmbeddingStore
from affectml.encoders.threads import set_threads
from affectml.errors import BadDataset, BadRun, option
from affectml.judging.answerers import answerers
from affectml.judging.evaluate import Result, evaluate
from affectml.judging.promise import add_promise
from affectml.judging.scoring import Answers, unsure
from affectml.judging.subgroups import check_groups, subgroups
from affectml.judging.systems import answers_of
from affectml.judging.truth import read_truth
from affectml.predicting.features import FromFiles, run_encoder, store_of
from affectml.predicting.predictor import Array, scores_by
from affectml.runs import RunFolder
from affectml.runs.schema import BetaInfo, PriorInfo
from affectml_annotation import BetaPrior

# Scores of an image that are closer than this are those of the same image: embedded in one precision, or in any that
# agrees with fp32.
ONE_PRECISION, ANY_PRECISION = 1e-4, 2e-2


def evaluate_run(
    run: str | Path,
    dataset: str | Path,
    *,
    target: str | None = None,
    groups: Sequence[str] = (),
    out: Path | None = None,
    threads: int | None = None,
    say: Say = lambda line: None,
) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Score a run's head and its training prior on a data set with the same labels, beside people.

    It judges the images of the data set's test split; on the very data that the run was trained on, the run's own test
    images; and where there is no split, all images.

    Args:
        run: the run's folder.
        dataset: the data set's folder.
        target: which of its targets to judge by. None takes the one of the run's kind; a run of rates can be judged by
            sets as well.
        groups: the columns of images.parquet and annotators.parquet to judge the model by; none takes all of few
            levels.
        out: a file to write metrics.json to; it must not exist yet.
        threads: torch's; None is one less than the cores.
        say: called with what one should know.

    Returns:
        metrics.json's content, with what subgroups.json holds as `subgroups`, and how set_f1 moves with tau.

    Raises:
        BadDataset: for a data set without a target that fits, or without an image to judge.
        BadInput: where `out` exists or cannot be written, and for a column that makes no subgroups.
    """
    opened = RunFolder.open(run)
    if out is not None:
        try_file(out)
    data = Dataset.open(dataset)
    targets = _fitting_target(opened, data, target)
    check_groups(data, groups)
    ids, answered, split = answers_on(opened, data, targets.name, threads=threads, say=say)
    info = opened.info
    single_positive = targets.kind == "single" and bool(info.config.multilabel)
    beta, tau = _beta(info.beta_prior), info.config.tau
    truth = read_truth(data, targets, ids, beta=beta, tau=tau, single_positive=single_positive)
    answers = {"model": answered}
    if info.prior is not None:
        answers = {"prior": _prior_answers(info.prior, len(ids), targets.kind), **answers}
    why = {"zero_shot": "not scored here: `affectml train` on this data set shows it"}
    result: Result = evaluate(answers, truth, split=split, seed=info.config.seed, why_not=why)
    own = targets.name == info.data.target and data.has_fingerprint(info.data.fingerprint, info.data.target)
    add_promise(result.metrics, opened.head, answered, truth, data.images, own=own, kind=info.data.kind)
    if targets.kind != info.data.kind:
        say(f"the run learned {info.data.kind} and is judged by {targets.kind} ({targets.name})")
    if targets.meta.construct != info.data.construct:
        say(
            f"across constructs: the run learned {info.data.construct} labels and is judged by "
            f"{targets.meta.construct} ones"
        )
    found = subgroups(
        answered, truth, data.images, answerers(data, truth), columns=groups, split=split, seed=info.config.seed
    )
    metrics = {**result.metrics, "subgroups": found}
    if out is not None:
        write_json(out, metrics)
    return metrics, result.by_tau


def scores_of(
    run: RunFolder, data: Dataset, *, threads: int | None = None, say: Say = lambda line: None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A run's scores of a data set's images, whatever was judged.

    Contrastive weights without texts are asked with the run's own labels.

    Args:
        run: the run.
        data: the data set.
        threads: torch's; None is one less than the cores.
        say: called with what one should know.

    Returns:
        image_id [N] of the images that can be embedded, and their scores [N, C].

    Raises:
        BadDataset: where no image has features that the run can read.
    """
    count = set_threads(threads)
    store = store_of(run, data, threads, say)
    ids = _embedded(store, data.images["image_id"].to_numpy(dtype=object))
    if not len(ids):
        raise BadDataset(f"{data.root}: no image has features that {run.folder} can read")
    scores = scores_by(run, lambda: run_encoder(run, count))
    return ids, scores(store.features(ids)).double().numpy()


def answers_on(
    run: RunFolder, data: Dataset, target: str, *, threads: int | None = None, say: Say = lambda line: None
) -> tuple[Array, Answers, str]:
    """What a run answers on the images of a data set that it may be judged by.

    Args:
        run: the run.
        data: the data set.
        target: which of its targets it is judged by.
        threads: torch's; None is one less than the cores.
        say: called with what one should know.

    Returns:
        image_id [N] of those images, without what the run learned from; its answers; and the name of that part.

    Raises:
        BadDataset: for a target that does not fit, or without an image to judge.
    """
    targets = _fitting_target(run, data, target)
    set_threads(threads)
    store = store_of(run, data, threads, say)
    judged, split = _judged(run, data, targets, store, say)
    ids = _embedded(store, judged)
    if len(ids) < len(judged):
        say(f"{len(judged) - len(ids)} of {len(judged)} images have no embedding and are left out")
    if not len(ids):
        raise BadDataset(f"{data.root}: no image on which {run.folder} can be judged by target {targets.name}")
    levels = levels_of(data.images, run.info.config.promise_group, ids)
    return ids, answers_of(run.head, store.features(ids), targets.kind, levels), split


def _embedded(store: "EmbeddingStore | FromFiles", image_ids: Array) -> Array:
    """Those of the images that have an embedding."""
    missing = set(store.missing(image_ids))
    return np.array([i for i in image_ids if i not in missing], dtype=object)


def _fitting_target(run: RunFolder, data: Dataset, name: str | None) -> Targets:
    """The target of the run's labels and kind, or of sets for a run of rates: it predicts those too."""
    data.need_targets()
    own, labels = run.info.data.kind, run.taxonomy.labels
    kinds = (own, "sets") if own == "rates" else (own,)
    for kind in kinds:
        names = [name] if name is not None else [k for k, entry in data.meta.targets.items() if entry.kind == kind]
        fitting = [t for t in map(data.target, names) if t.kind == kind and t.taxonomy.labels == labels]
        if len(fitting) > 1:
            would = ", ".join(each.name for each in fitting)
            raise BadDataset(f"{data.root}: targets {would} would do; choose with {option('target')}")
        if fitting:
            return fitting[0]
    if name is not None:
        given = data.target(name)
        raise BadDataset(
            f"{data.root}: target {name} does not fit: it is of kind {given.kind} with the labels of "
            f"{given.taxonomy.name} ({', '.join(given.taxonomy.labels)}), and the run predicts {own} of "
            f"{run.taxonomy.name} ({', '.join(labels)})"
        )
    have = ", ".join(f"{k} ({e.kind}, {e.resolve_taxonomy().name})" for k, e in data.meta.targets.items())
    raise BadDataset(
        f"{data.root}: no target of kind {' or '.join(kinds)} with the run's labels "
        f"({run.taxonomy.name}: {', '.join(labels)}); it has {have or 'none'}"
    )


def _judged(
    run: RunFolder, data: Dataset, targets: Targets, store: "EmbeddingStore | FromFiles", say: Say
) -> tuple[Array, str]:
    """Which images to judge, and the name of that part."""
    if data.has_fingerprint(run.info.data.fingerprint, run.info.data.target):
        if not run.has_answers:
            raise BadRun(
                f"{run.folder}: a shared run does not say which images of {data.root} it learned from, so judging it "
                "there would flatter it: evaluate the run that it was made of"
            )
        test = run.model_answers.image_id[run.model_answers.split == "test"]
        return test[pd.Index(test).isin(targets.image_id)], "test"
    images = data.images.set_index("image_id")
    parted = "split" in images.columns and bool(images["split"].isin(SPLITS).any())
    ids = targets.image_id
    if parted:
        ids = ids[images["split"].reindex(ids).to_numpy(dtype=object) == "test"]
    learned = _learned_from(run, store, ids) if run.has_answers else set()
    if learned:
        say(f"{len(learned)} images that the run was trained or tuned on are left out; the rest is judged")
        ids = np.array([i for i in ids if i not in learned], dtype=object)
    elif not parted:
        say("this data set has no split: all of its images are judged")
    return ids, "test" if parted else "unseen" if learned else "all"


def _learned_from(run: RunFolder, store: "EmbeddingStore | FromFiles", image_ids: Array) -> set[str]:
    """Those of `image_ids` that the run learned from, see `learned_from`; none for a head that has no texts."""
    ids = _embedded(store, image_ids)
    if not len(ids) or run.head.lacks_texts:
        return set()
    scores = run.head.scores(store.features(ids)).double().numpy()
    return learned_from(run, pd.DataFrame(scores, index=ids, columns=list(run.taxonomy.labels)))


def learned_from(run: RunFolder, scores: pd.DataFrame) -> set[str]:
    """Images that the run learned from, calibration and validation too: of the same image_id, and scored the same.

    Other collections may use the same ids; another image under a known id gets other scores.

    Args:
        run: the run, with its answers.
        scores: the head's scores now, a column per label, by image_id.

    Returns:
        Their image_ids.
    """
    said = run.model_answers
    table = said.frame[np.isin(said.split, ("train", CALIBRATION, "val"))]
    ids = table.index.intersection(scores.index)
    far = np.abs(scores.loc[ids, table.columns].to_numpy(np.float64) - table.loc[ids].to_numpy(np.float64))
    near = ANY_PRECISION if run.info.encoder.identity["precision"] == "auto" else ONE_PRECISION
    return set(ids[far.max(axis=1) < near]) if len(ids) else set()


def _beta(found: BetaInfo | None) -> BetaPrior | None:
    if found is None:
        return None
    alpha, beta = np.array(found.alpha), np.array(found.beta)
    return BetaPrior(alpha, beta, np.zeros(len(alpha), dtype=bool))


def _prior_answers(prior: PriorInfo, n: int, kind: str) -> Answers:
    scores = torch.tensor(prior.shares, dtype=torch.float64).expand(n, -1)
    sets = None if prior.set is None else torch.tensor(prior.set).expand(n, -1)
    return Answers(scores, unsure(scores, rates=kind in ("rates", "sets")), sets)
