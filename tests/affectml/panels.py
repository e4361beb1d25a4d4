"""What people said of images: made of single judgements, or any votes."""

import numpy as np
from hypothesis import strategies as st

from affectml.judging.truth import Truth, hits_of
from affectml_annotation import BetaPrior, label_sets


def truth_of(chosen, *, kind="rates", groups=None):
    """Of judgements [N, A, C], by everybody of every image; "distribution": one label a person."""
    chosen = np.asarray(chosen, dtype=np.uint8)
    images, people, labels = chosen.shape
    votes, n = chosen.sum(axis=1).astype(np.int64), np.full((images, labels), people)
    prior = BetaPrior(np.ones(labels), np.ones(labels), np.zeros(labels, dtype=bool)) if kind == "rates" else None
    own = {"vote_rule": "one_choice"} if prior is None else {"sets": label_sets(votes, n, prior), "people": n}
    own |= {"votes": votes, "chosen": chosen, "asked": np.ones((images, people), dtype=bool), "groups": groups}
    names, ids, hits = tuple("abcdefgh"[:labels]), np.arange(images).astype(str), hits_of(kind, votes / n)
    return Truth(kind, names, ids, votes / n, *hits, beta=prior, **own)


@st.composite
def samples(draw):
    """scores and votes [n, c] with many ties, and groups [n] or None."""
    n, c = draw(st.integers(1, 14)), draw(st.integers(1, 4))
    cells = st.lists(st.integers(0, 5), min_size=n * c, max_size=n * c)
    scores = np.array(draw(cells)).reshape(n, c) / 5
    votes = np.array(draw(cells)).reshape(n, c).astype(float)
    return scores, votes, draw(st.none() | st.lists(st.sampled_from("abcde"), min_size=n, max_size=n).map(np.array))
