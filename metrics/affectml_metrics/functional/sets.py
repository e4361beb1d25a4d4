"""Sets against sets: how well the predicted labels of a row match the labels people chose.

Everything here takes 0/1 matrices [N, C], or with `threshold` rates as preds: a label is in from that rate on. The
target may be [N], the index of the one right label of each row; -1 in it is a label nobody was asked about, which is
left out for that row. A row metric returns float64 [N].
"""

import torch
from torch import Tensor

from affectml_metrics._errors import DomainError, share
from affectml_metrics._inputs import ArrayLike, on_asked_labels, pair, square, wide

__all__ = ["exact_match", "hamming_loss", "semantic_set_f1", "set_f1", "set_jaccard", "set_precision", "set_recall"]


@on_asked_labels
def set_f1(
    preds: ArrayLike, target: ArrayLike, *, both_empty: float = 1, one_empty: float = 0, threshold: float | None = None
) -> Tensor:
    """Example-based F1 of each row: 2 |P and Y| / (|P| + |Y|), in [0, 1].

    preds, target: 0/1 [N, C]. Returns float64 [N]. Two empty sets agree and score `both_empty`; an empty set against
    labels scores `one_empty`: 0 as by the formula, or nan to leave such rows out. The mean over rows is scikit-learn's
    samples average with zero_division=both_empty.
    Source: Godbole & Sarawagi 2004; Zhang & Zhou 2014, section 2.2.2. Raises MetricInputError.

    >>> set_f1([[1, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]])
    tensor([0.6667, 1.0000], dtype=torch.float64)
    """
    hits, chosen, right = _counts(preds, target, threshold)
    return _fill(2 * hits / (chosen + right), chosen, right, both_empty, one_empty)


@on_asked_labels
def set_precision(
    preds: ArrayLike, target: ArrayLike, *, both_empty: float = 1, one_empty: float = 0, threshold: float | None = None
) -> Tensor:
    """Share of the predicted labels that are right, |P and Y| / |P|, per row.

    preds, target: 0/1 [N, C]. Returns float64 [N] in [0, 1]. Two empty sets agree and score `both_empty`. Nothing
    predicted against labels is 0/0 and scores `one_empty`; labels against an empty target are 0, whatever `one_empty`
    is. Both at x are scikit-learn's zero_division=x. Source: Godbole & Sarawagi 2004. Raises MetricInputError.

    >>> set_precision([[1, 1, 0]], [[1, 0, 0]])
    tensor([0.5000], dtype=torch.float64)
    """
    hits, chosen, right = _counts(preds, target, threshold)
    return _share(hits, chosen, right, both_empty, one_empty)


@on_asked_labels
def set_recall(
    preds: ArrayLike, target: ArrayLike, *, both_empty: float = 1, one_empty: float = 0, threshold: float | None = None
) -> Tensor:
    """Share of the right labels that were predicted, |P and Y| / |Y|, per row.

    preds, target: 0/1 [N, C]. Returns float64 [N] in [0, 1]. Two empty sets agree and score `both_empty`. Labels
    against an empty target are 0/0 and score `one_empty`; nothing predicted against labels is 0, whatever `one_empty`
    is. Both at x are scikit-learn's zero_division=x. Source: Godbole & Sarawagi 2004. Raises MetricInputError.

    >>> set_recall([[1, 1, 0]], [[1, 0, 0]])
    tensor([1.], dtype=torch.float64)
    """
    hits, chosen, right = _counts(preds, target, threshold)
    return _share(hits, right, chosen, both_empty, one_empty)


@on_asked_labels
def set_jaccard(
    preds: ArrayLike, target: ArrayLike, *, both_empty: float = 1, one_empty: float = 0, threshold: float | None = None
) -> Tensor:
    """Jaccard index |P and Y| / |P or Y| of each row, in [0, 1]; `set_f1` is 2J / (1 + J).

    preds, target: 0/1 [N, C]. Returns float64 [N]. Empty sets as in `set_f1`. Source: Jaccard 1912; Zhang & Zhou 2014
    call it accuracy. Raises MetricInputError.

    >>> set_jaccard([[1, 1, 0]], [[1, 0, 1]])
    tensor([0.3333], dtype=torch.float64)
    """
    hits, chosen, right = _counts(preds, target, threshold)
    return _fill(hits / (chosen + right - hits), chosen, right, both_empty, one_empty)


@on_asked_labels
def exact_match(preds: ArrayLike, target: ArrayLike, *, threshold: float | None = None) -> Tensor:
    """1 where the two sets of a row are the same, 0 elsewhere (subset accuracy); two empty sets are the same.

    preds, target: 0/1 [N, C]. Returns float64 [N]. Source: Zhang & Zhou 2014. Raises MetricInputError.

    >>> exact_match([[1, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]])
    tensor([0., 1.], dtype=torch.float64)
    """
    p, t = pair(preds, target, "labels", "labels", threshold)
    return (p == t).all(-1).to(wide(p.device))


@on_asked_labels
def hamming_loss(preds: ArrayLike, target: ArrayLike, *, threshold: float | None = None) -> Tensor:
    """Share of the C labels on which the two sets of a row differ, in [0, 1].

    preds, target: 0/1 [N, C]. Returns float64 [N]. On rare labels it is small for anyone who predicts nothing: read
    it beside the prior's. Source: Schapire & Singer 2000. Raises MetricInputError.

    >>> hamming_loss([[1, 1, 0, 0]], [[1, 0, 0, 0]])
    tensor([0.2500], dtype=torch.float64)
    """
    p, t = pair(preds, target, "labels", "labels", threshold)
    return _size(p ^ t) / p.shape[1]


@on_asked_labels
def semantic_set_f1(
    preds: ArrayLike,
    target: ArrayLike,
    similarity: ArrayLike,
    *,
    both_empty: float = 1,
    one_empty: float = 0,
    threshold: float | None = None,
) -> Tensor:
    """F1 that gives partial credit for a label close to a right one, per row.

    Precision is the mean, over predicted labels, of the similarity to the nearest right label; recall the mean, over
    right labels, of the similarity to the nearest predicted one; the score is their harmonic mean.

    preds, target: 0/1 [N, C]; similarity: [C, C] in [0, 1], row = predicted label, 1 on the diagonal (the identity
    gives `set_f1`). Returns float64 [N] in [0, 1]. Empty sets as in `set_f1`. A harmonic mean has no meaning below 0,
    so similarities that can be negative (cosines, correlations) are refused: say yourself whether opposites are as
    far as strangers (`similarity.clamp(min=0)`) or farther (`(1 + similarity) / 2`). Source: Chochlakis et al. 2025
    (Semantic F1). Raises MetricInputError.

    >>> close = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> semantic_set_f1([[0, 1, 0]], [[1, 0, 0]], close)
    tensor([0.5000], dtype=torch.float64)
    """
    p, t = pair(preds, target, "labels", "labels", threshold)
    near = square(similarity, "similarity", p.shape[1], torch.empty(0, dtype=wide(p.device), device=p.device))
    if bool(((near < 0) | (near > 1 + 1e-6)).any()):
        raise DomainError(
            f"similarity: expected numbers in [0, 1], but received {float(near.min()):.4g} to {float(near.max()):.4g}; "
            "for cosines take similarity.clamp(min=0), or (1 + similarity) / 2 if opposites are farther than strangers"
        )
    best_for_pred = _nearest(near.clamp(max=1), t)
    best_for_target = _nearest(near.clamp(max=1).T, p)
    chosen, right = _size(p), _size(t)
    precision = (best_for_pred * p).sum(-1) / chosen
    recall = (best_for_target * t).sum(-1) / right
    total = precision + recall
    f1 = torch.where(total == 0, torch.zeros_like(total), 2 * precision * recall / total)
    return _fill(f1, chosen, right, both_empty, one_empty)


def _size(sets: Tensor) -> Tensor:
    # int32 first: torch's default int64 sum over bools is fifty times slower
    return sets.sum(-1, dtype=torch.int32).to(wide(sets.device))


def _counts(preds: ArrayLike, target: ArrayLike, threshold: float | None) -> tuple[Tensor, Tensor, Tensor]:
    p, t = pair(preds, target, "labels", "labels", threshold)
    return _size(p & t), _size(p), _size(t)


def _fill(score: Tensor, chosen: Tensor, right: Tensor, both_empty: float, one_empty: float) -> Tensor:
    both_empty, one_empty = share("both_empty", both_empty), share("one_empty", one_empty)
    no_preds, no_target = chosen == 0, right == 0
    score = score.masked_fill(no_preds ^ no_target, one_empty)
    return score.masked_fill(no_preds & no_target, both_empty)


def _share(hits: Tensor, whole: Tensor, other: Tensor, both_empty: float, one_empty: float) -> Tensor:
    """hits / whole; where that is 0/0, what the caller says, by whether the other set is empty too."""
    both_empty, one_empty = share("both_empty", both_empty), share("one_empty", one_empty)
    nothing = whole == 0
    score = (hits / whole).masked_fill(nothing, one_empty)
    return score.masked_fill(nothing & (other == 0), both_empty)


def _nearest(similarity: Tensor, sets: Tensor) -> Tensor:
    """For each row and each label c, the similarity of c to the nearest label of the row's set (-inf if empty)."""
    best = similarity.new_full(sets.shape, -torch.inf)
    for label in range(sets.shape[1]):  # a loop over labels keeps memory at [N, C]
        candidate = torch.where(sets[:, label : label + 1], similarity[:, label], -torch.inf)
        best = torch.maximum(best, candidate)
    return best.masked_fill(~sets.any(-1, keepdim=True), 0.0)
