"""The third step: the head, the prior and zero-shot fitted on train and validation, with thresholds for sets."""

from dataclasses import replace
from typing import cast

import numpy as np
import torch

from affectml._progress import Say
from affectml._rows import taken
from affectml.errors import BadInput, EncoderUnavailable, option
from affectml.evaluation import Systems
from affectml.heads import Head, PriorHead, TextHead, ZeroShotConfig, ZeroShotHead, build_plain
from affectml.prompts import caption_features, encoded, label_features
from affectml.training.by_person import fit_by_person
from affectml.training.learned import held_out, learned, uneven
from affectml.training.prepare import Prepared, text_encoder
from affectml.training.promised import keep


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
    head = unfitted_head(prepared)
    if prepared.plan.config.by_person:
        head = fit_by_person(head, prepared, say)
    else:
        fit_head(head, prepared, say)
    tune_sets(prepared, head)
    if prepared.plan.config.promise is not None:
        keep(head, prepared, say)
    return head


def tune_sets(prepared: Prepared, head: Head) -> None:
    """Choose a head's thresholds on validation, where sets are cut by them."""
    if prepared.val.sets is not None and head.uses_thresholds:
        head.tune_thresholds(prepared.store.features(prepared.val.image_id), prepared.val.sets.astype(np.int64))


def fit_beside(head: Head, prepared: Prepared, say: Say) -> Systems:
    """The prior and, where the encoder has a text tower, zero-shot fitted beside a head that is fitted already.

    Args:
        head: the fitted head; it is not changed.
        prepared: what to fit on.
        say: called with what a user should know.
    """
    X, X_val = prepared.store.features(prepared.train.image_id), prepared.store.features(prepared.val.image_id)
    prior = PriorHead().fit(X, prepared.train.shares())
    zero_shot, why = _zero_shot(prepared, say)
    if zero_shot is not None and prepared.plan.rates:
        zero_shot.fit(X_val, prepared.val.shares)
    systems = Systems(head, prior, zero_shot, kind=prepared.targets.kind, why_not=why)
    for system in (prior, zero_shot):
        if system is not None:
            tune_sets(prepared, system)
    return systems


def unfitted_head(prepared: Prepared) -> Head:
    """The plan's head, not fitted; text heads have their labels' text features, made or from the store's cache.

    Raises:
        EncoderUnavailable: for a head that needs texts where no text tower is.
    """
    plan, store = prepared.plan, prepared.store
    wanted = replace(plan.wanted, logit_scale=store.logit_scale, count_votes=uneven(prepared.targets))
    if not plan.head.needs_texts:
        return build_plain(plan.head, wanted)
    try:
        texts = label_features(plan.prompts, prepared.targets.taxonomy, text_encoder(store, plan.config.device))
    except EncoderUnavailable as error:
        raise EncoderUnavailable(
            f"{plan.head.described()} compares images with texts, which needs the encoder's text tower: {error}; embed "
            f"with an encoder that has one, or take {option('head', 'softmax')} or {option('head', 'sigmoid')}"
        ) from None
    return build_plain(plan.head, wanted, texts)


def fit_head(head: Head, prepared: Prepared, say: Say) -> None:
    """Fit one head on train, with validation for its choices; raises BadInput where it learns sets and none are."""
    store, train, val = prepared.store, prepared.train, prepared.val
    X, held_X = store.features(train.image_id), store.features(val.image_id)
    generator = torch.Generator().manual_seed(prepared.plan.config.seed)
    if head.needs_texts and head.trained:
        _fit_with_texts(cast("TextHead", head), prepared, generator)
        return
    if not head.trained:
        if prepared.plan.rates:
            head.fit(X, train.shares(), val=(held_X, val.shares), generator=generator)
        return
    if not head.uses_thresholds and val.sets is None:
        way = option("head", "sigmoid")
        raise BadInput(f"{head.described()} learns sets, and here are none ({val.no_sets}): take {way}")
    many = uneven(prepared.targets)
    by = prepared.plan.config.judgements
    what = learned(head, prepared.plan.dataset, train, val, by=by, votes=head.counts_votes(many))
    if what.people is not None and many:
        say("people per image differ much: votes count as votes of n, not as shares")
    held = (held_X, held_out(head, prepared.targets.take(val.image_id), val))
    for line in head.foretold(len(what.values)):
        say(line)
    head.fit(taken(X, what.rows), what.values, val=held, weights=what.people, generator=generator)
    for line in head.report_.get("why", []):
        say(line)


def _fit_with_texts(head: TextHead, prepared: Prepared, generator: torch.Generator) -> None:
    """A head that learns from texts: those of the labels, and the images' own where captions are asked for."""
    plan, store, train, val = prepared.plan, prepared.store, prepared.train, prepared.val
    encode = text_encoder(store, plan.config.device)
    captions = None
    if "captions" in plan.prompts.kinds:
        captions = caption_features(plan.dataset.images, train.image_id, encode, str(plan.dataset.root))
    head.fit(
        store.features(train.image_id),
        train.shares(),
        val=(store.features(val.image_id), val.shares),
        generator=generator,
        prompts=encoded(plan.prompts.learned(prepared.targets.taxonomy), encode),
        captions=captions,
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
