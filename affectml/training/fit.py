"""The third step: the head, the prior and zero-shot fitted on train and validation, with thresholds for sets."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affectml._progress import Say
from affectml._rows import taken
from affectml.errors import BadInput, EncoderUnavailable, option
from affectml.evaluation import Systems
from affectml.evaluation.truth import cut_sets
from affectml.heads import (
    Head,
    Material,
    PriorHead,
    ZeroShotConfig,
    ZeroShotHead,
    build_plain,
)
from affectml.prompts import caption_features, encoded, label_features
from affectml.training.learned import learned, uneven
from affectml.training.prepare import text_encoder
from affectml.training.steps import Prepared


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
    plan, head = prepared.plan, unfitted_head(prepared)
    for step in plan.steps:
        head = step.unfitted(head)
    head.learn(material_of(prepared, plan.config.judgements), say)
    for step in plan.steps:
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
    return Systems(head, PriorHead().learn(material), zero_shot, kind=prepared.targets.kind, why_not=why)


def unfitted_head(prepared: Prepared) -> Head:
    """The plan's head, not fitted; text heads have their labels' text features, made or from the store's cache.

    Raises:
        EncoderUnavailable: for a head that needs texts where no text tower is.
    """
    plan, store = prepared.plan, prepared.store
    wanted = replace(plan.wanted, logit_scale=store.logit_scale, count_votes=uneven(prepared.targets))
    if plan.head.scores_of != "texts":
        return build_plain(plan.head, wanted)
    try:
        texts = label_features(plan.prompts, prepared.targets.taxonomy, text_encoder(store, plan.config.device))
    except EncoderUnavailable as error:
        raise EncoderUnavailable(
            f"{plan.head.described()} compares images with texts, which needs the encoder's text tower: {error}; embed "
            f"with an encoder that has one, or take {option('head', 'softmax')} or {option('head', 'sigmoid')}"
        ) from None
    return build_plain(plan.head, wanted, texts)


def material_of(prepared: Prepared, judgements: str | None = None) -> Material:
    """What there is for a head to learn from.

    Args:
        prepared: what to fit on.
        judgements: see TrainConfig.judgements; they make the training images' shares, and never validation's.
    """
    plan, store, train, val = prepared.plan, prepared.store, prepared.train, prepared.val
    X = store.features(train.image_id)

    def sets() -> tuple[NDArray[Any], NDArray[Any]]:
        if val.sets is None:
            way = option("head", "sigmoid")
            raise BadInput(f"{plan.head.described()} learns sets, and here are none ({val.no_sets}): take {way}")
        made = cut_sets(train.kind, train.shares(), train.votes, train.people, val.beta, val.tau)
        return made.astype(np.float64), val.sets.astype(np.float64)

    def texts() -> dict[str, Any]:
        encode = text_encoder(store, plan.config.device)
        captions = None
        if "captions" in plan.prompts.kinds:
            captions = caption_features(plan.dataset.images, train.image_id, encode, str(plan.dataset.root))
        return {"prompts": encoded(plan.prompts.learned(prepared.targets.taxonomy), encode), "captions": captions}

    def people() -> dict[str, Any]:
        answers, groups = prepared.judges.parts, plan.dataset.groups(train.image_id)
        return {"answers": answers["train"], "val_answers": answers["val"], "groups": groups}

    rows, shares, votes = learned(plan.dataset, train, judgements)
    return Material(
        train.kind,
        X if rows is None else taken(X, rows),
        shares,
        (store.features(val.image_id), val.shares),
        val_sets=None if val.sets is None else val.sets.astype(np.int64),
        votes=votes,
        uneven=uneven(prepared.targets),
        generator=torch.Generator().manual_seed(plan.config.seed),
        sets=sets,
        texts=texts,
        people=people,
    )


def _zero_shot(prepared: Prepared, say: Say) -> tuple[ZeroShotHead | None, dict[str, str]]:
    """The encoder's text tower as a head, or why there is none."""
    plan, store = prepared.plan, prepared.store
    try:
        texts = label_features(plan.prompts, prepared.targets.taxonomy, text_encoder(store, plan.config.device))
    except EncoderUnavailable as error:
        # metrics.json holds no paths, which the error may: it is said instead
        say(f"no zero-shot: {error}")
        return None, {"zero_shot": "not available: no text features by this encoder"}
    return ZeroShotHead(texts, ZeroShotConfig(logit_scale=store.logit_scale or 100.0)), {}
