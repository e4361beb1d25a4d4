"""The third step: the head, the prior and zero-shot fitted on train and validation, with thresholds for sets."""

from dataclasses import replace

import numpy as np
import torch

from affectml._progress import Say
from affectml.errors import EncoderUnavailable, option
from affectml.heads import Head, Material, PriorHead, ZeroShotConfig, ZeroShotHead, build_plain
from affectml.training.learned import people_behind, uneven
from affectml.training.steps import Prepared, Systems


def fit(prepared: Prepared, say: Say = lambda line: None) -> Systems:
    """Fit the head, the prior, and zero-shot where the encoder has a text tower.

    Validation and test are judged by the target's own values, whatever `judgements` the head learns from.

    Args:
        prepared: what to fit on.
        say: called with what a user should know.

    Returns:
        The fitted systems, with thresholds where sets are cut; the head's keep the promise where there is one.

    Raises:
        BadInput: for a head that learns sets where there are none.
        EncoderUnavailable: for one that needs texts where no text tower is.
    """
    return fit_beside(fit_model(prepared, say), prepared, say)


def fit_model(prepared: Prepared, say: Say = lambda line: None) -> Head:
    """The head alone as the plan asks for it: fitted, its sets cut by thresholds or a promise.

    Args:
        prepared: what to fit on.
        say: called with what a user should know.

    Raises:
        BadInput: for a head that learns sets where there are none.
        EncoderUnavailable: for one that needs texts where no text tower is.
    """
    head, material, steps = unfitted_head(prepared), material_of(prepared), prepared.plan.steps
    for step in steps:
        head, material = step.unfitted(head), step.material(material, prepared)
    head.learn(material, say)
    for step in steps:
        step.fitted(head, prepared, say)
    return head


def fit_beside(head: Head, prepared: Prepared, say: Say) -> Systems:
    """The prior and, where the encoder has a text tower, zero-shot fitted beside a head that is fitted already.

    Args:
        head: the fitted head; it is not changed.
        prepared: what to fit on.
        say: called with what a user should know.
    """
    material = material_of(prepared)
    zero_shot, why = _zero_shot(prepared, say)
    if zero_shot is not None:
        zero_shot.learn(material)
    prior = PriorHead().learn(replace(material, shares=prepared.train.shares()))
    return Systems(head, prior, zero_shot, kind=prepared.targets.kind, why_not=why)


def unfitted_head(prepared: Prepared) -> Head:
    """The plan's head, not fitted; text heads have their labels' text features.

    Raises:
        EncoderUnavailable: for a head that needs texts where no text tower is.
    """
    head, logit_scale = prepared.plan.head, prepared.store.logit_scale
    wanted = replace(prepared.plan.wanted, logit_scale=logit_scale, count_votes=uneven(prepared.targets))
    try:
        return build_plain(head, wanted, prepared.label_features if head.scores_of == "texts" else None)
    except EncoderUnavailable as error:
        raise EncoderUnavailable(
            f"{head.described()} compares images with texts, which needs the encoder's text tower: {error}; embed "
            f"with an encoder that has one, or take {option('head', 'softmax')} or {option('head', 'sigmoid')}"
        ) from None


def material_of(prepared: Prepared) -> Material:
    """What there is for a head to learn from: the target's own values."""
    store, train, val = prepared.store, prepared.train, prepared.val
    return Material(
        train.kind,
        store.features(train.image_id),
        train.shares(),
        (store.features(val.image_id), val.shares),
        val_sets=None if val.sets is None else val.sets.astype(np.int64),
        votes=people_behind(train),
        uneven=uneven(prepared.targets),
        generator=torch.Generator().manual_seed(prepared.plan.config.seed),
        sets=prepared._sets,
        texts=prepared._texts,
        people=prepared._people,
    )


def _zero_shot(prepared: Prepared, say: Say) -> tuple[ZeroShotHead | None, dict[str, str]]:
    """The encoder's text tower as a head, or why there is none."""
    config = ZeroShotConfig(logit_scale=prepared.store.logit_scale or 100.0)
    try:
        return ZeroShotHead(prepared.label_features, config), {}
    except EncoderUnavailable as error:
        # metrics.json holds no paths, which the error may: it is said instead
        say(f"no zero-shot: {error}")
        return None, {"zero_shot": "not available: no text features by this encoder"}
