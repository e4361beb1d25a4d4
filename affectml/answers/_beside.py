"""What stands beside a system's answers without having been trained for it: the prior, and the encoder's own texts."""

from dataclasses import replace

import numpy as np

from affectml.answers._parts import Parts
from affectml.data import Targets
from affectml.data.choose import SEVERAL
from affectml.embeddings import EmbeddingStore
from affectml.errors import EncoderUnavailable, option
from affectml.heads import Head, PriorHead, ZeroShotConfig, ZeroShotHead
from affectml.judging.scoring import Answers
from affectml.judging.systems import answers_of
from affectml.judging.truth import Truth
from affectml.prompts import Prompts, label_features
from affectml.training import text_encoder


def beside(
    targets: Targets, parts: Parts, truth: Truth, val: Truth | None, store: EmbeddingStore | None
) -> tuple[dict[str, Answers], dict[str, str]]:
    """The prior, and zero-shot where embeddings are at hand: what each answers on the judged images, and why not.

    Args:
        targets: what people said.
        parts: which images are for what.
        truth: of the judged images.
        val: of the validation images, None where there are none.
        store: the data set's embeddings.
    """
    kind, n = targets.kind, len(parts.judged)
    prior = PriorHead().fit(np.zeros((len(parts.train), 1)), targets.take(parts.train).shares())
    if val is not None and val.sets is not None:
        prior.tune_thresholds(np.zeros((len(parts.val), 1)), val.sets.astype(np.int64))
    found = {"prior": _cut(answers_of(prior, np.zeros((n, 1)), kind), truth)}
    why: dict[str, str] = {}
    needed = np.concatenate([parts.judged, parts.val])
    if store is None:
        why["zero_shot"] = f"not available: no embeddings; {option('encoder')} makes them"
    elif store.missing(needed):
        why["zero_shot"] = f"not available: {len(set(store.missing(needed)))} images have no embedding"
    elif val is None and kind in SEVERAL:
        why["zero_shot"] = "not available: its rates are calibrated on validation images, and there are none"
    else:
        try:
            head = _zero_shot(store, targets, parts, val)
        except EncoderUnavailable:
            why["zero_shot"] = "not available: no text features by this encoder"
        else:
            found["zero_shot"] = answers_of(head, store.rows(parts.judged), kind)
    return found, why


def _zero_shot(store: EmbeddingStore, targets: Targets, parts: Parts, val: Truth | None) -> Head:
    """The encoder's own texts, calibrated and cut on validation as in a training."""
    texts = label_features(Prompts.parse("sentiment", ()), targets.taxonomy, text_encoder(store))
    head = ZeroShotHead(texts, ZeroShotConfig(logit_scale=store.logit_scale or 100.0))
    if val is not None and targets.kind in SEVERAL:
        X = store.rows(parts.val)
        head.fit(X, val.shares)
        if val.sets is not None:
            head.tune_thresholds(X, val.sets.astype(np.int64))
    return head


def _cut(given: Answers, truth: Truth) -> Answers:
    """With sets of the rates that reach tau, where it has none and nothing chose its thresholds."""
    if given.sets is not None or given.shares is None or truth.sets is None:
        return given
    return replace(given, sets=(given.shares >= truth.tau - 1e-9).long())
