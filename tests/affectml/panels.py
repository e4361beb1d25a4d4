"""What people said of images, made of single judgements."""

import numpy as np

from affectml.evaluation import Truth
from affectml.evaluation.truth import hits_of
from affectml_annotation import BetaPrior, label_sets


def truth_of(chosen, *, kind="rates", groups=None):
    """Of judgements [N, A, C], by everybody of every image; "distribution": one label a person."""
    chosen = np.asarray(chosen, dtype=np.uint8)
    images, people, labels = chosen.shape
    votes, n = chosen.sum(axis=1).astype(np.int64), np.full((images, labels), people)
    prior = BetaPrior(np.ones(labels), np.ones(labels), np.zeros(labels, dtype=bool)) if kind == "rates" else None
    hits, rule = hits_of(kind, votes / n)
    return Truth(
        kind=kind, labels=tuple("abcdefgh"[:labels]), image_id=np.arange(images).astype(str), shares=votes / n,
        hits=hits, hit_rule=rule, sets=None if prior is None else label_sets(votes, n, prior), no_sets="", tau=1 / 3,
        vote_rule="one_choice" if prior is None else None, votes=votes, people=None if prior is None else n,
        chosen=chosen, asked=np.ones((images, people), dtype=bool), no_judgements="", oracle=None, groups=groups,
        beta=prior,
    )  # fmt: skip
