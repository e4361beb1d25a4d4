"""From scores to label sets: one threshold per label, chosen on validation to maximise the mean set F1."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads.inputs import ArrayLike, as_matrix, refuse_rows

Floats = NDArray[np.float64]

_GLOBAL_CANDIDATES = 200
_SWEEPS = 5


def choose_thresholds(scores: ArrayLike, sets: ArrayLike, *, shrinkage: float = 50.0) -> Tensor:
    """Thresholds [C] for scores [N, C] in [0, 1], so that `scores >= thresholds` has the best mean set F1.

    First one threshold for all labels; then, label by label and given the sets of the other labels, the exact best
    cut, repeated until nothing moves (at most five sweeps). A label's threshold is then drawn back towards the common
    one, on the logit scale, with weight positives / (positives + shrinkage): a label with few positives keeps nearly
    the common threshold, one with none keeps it exactly. Set F1 of two empty sets is 1, of one empty set 0.

    Per-label thresholds that maximise each label's own F1 are the usual alternative (Lipton et al. 2014); they
    put uninformative labels into every set.

    Args:
        scores: probabilities [N, C], of rows that the head was not fitted on.
        sets: the true label sets, 0/1 [N, C].
        shrinkage: how many positives a label needs to be trusted half.

    Returns:
        A threshold for each label, [C] float64.

    Raises:
        BadInput: for shapes that differ, scores outside 0..1, or sets that are not 0/1.
    """
    scores, sets = as_matrix(scores, "scores", torch.float64), as_matrix(sets, "sets", torch.float64)
    if scores.shape != sets.shape:
        raise BadInput(f"sets: expected one 0/1 cell per score, shape {list(scores.shape)}, got {list(sets.shape)}")
    refuse_rows((sets != 0) & (sets != 1), "sets", "has a value that is neither 0 nor 1")
    refuse_rows((scores < 0) | (scores > 1), "scores", "has a value outside 0..1; give probabilities")
    if not shrinkage >= 0:
        raise BadInput(f"shrinkage: expected a number of positives, at least 0, got {shrinkage}")
    score, truth = scores.numpy(), sets.numpy()
    common = _common_threshold(score, truth)
    own = _own_thresholds(score, truth, common)
    positives = truth.sum(axis=0)
    # shrinkage 0 would make 0/0 of a label without positives: it keeps the common threshold
    trust = np.divide(positives, positives + shrinkage, out=np.zeros_like(positives), where=positives > 0)
    logits = trust * _logit(own) + (1 - trust) * _logit(np.full_like(own, common))
    # exact where nothing is drawn: a cut above 1, which lets nothing in, does not survive the logit
    exact = [(trust == 0) | (own == common), trust == 1]
    return torch.from_numpy(np.select(exact, [np.full_like(own, common), own], 1 / (1 + np.exp(-logits))))


def apply_thresholds(scores: ArrayLike, thresholds: ArrayLike) -> Tensor:
    """Label sets: a label is in where its score reaches its threshold.

    Args:
        scores: [N, C].
        thresholds: [C].

    Returns:
        0/1 int64 [N, C]; sets may be empty.

    Raises:
        BadInput: where there is not one threshold per label.
    """
    score_table = as_matrix(scores, "scores", torch.float64)
    cuts = as_matrix(thresholds[None], "thresholds", torch.float64)[0]
    if len(cuts) != score_table.shape[1]:
        raise BadInput(f"thresholds: {len(cuts)} for {score_table.shape[1]} labels")
    return (score_table >= cuts).long()


def _f1(hits: Floats, predicted: Floats, present: Floats) -> Floats:
    """Set F1 per row from counts; two empty sets agree."""
    size = predicted + present
    return np.divide(2 * hits, size, out=np.ones_like(size), where=size > 0)


def _common_threshold(score: Floats, truth: Floats) -> float:
    """The best of up to 200 cuts spread evenly over the observed scores; ties go to the higher one."""
    values = np.unique(score)
    if len(values) > _GLOBAL_CANDIDATES:
        values = values[np.linspace(0, len(values) - 1, _GLOBAL_CANDIDATES).round().astype(int)]
    present = truth.sum(axis=1)
    best, best_value = 0.5, -1.0
    for cut in _between(values)[::-1]:
        chosen = score >= cut
        value = _f1((chosen * truth).sum(axis=1), chosen.sum(axis=1).astype(np.float64), present).mean()
        if value > best_value + 1e-12:
            best, best_value = float(cut), float(value)
    return best


def _own_thresholds(score: Floats, truth: Floats, common: float) -> Floats:
    """Coordinate ascent: for each label the cut that is best while the other labels' sets stay as they are."""
    cuts = np.full(score.shape[1], common)
    chosen = (score >= cuts).astype(np.float64)
    present = truth.sum(axis=1)
    for _ in range(_SWEEPS):
        before = cuts.copy()
        for label in range(score.shape[1]):
            others = chosen.copy()
            others[:, label] = 0
            hits, predicted = (others * truth).sum(axis=1), others.sum(axis=1)
            gain = _f1(hits + truth[:, label], predicted + 1, present) - _f1(hits, predicted, present)
            cuts[label] = _best_cut(score[:, label], gain, cuts[label])
            chosen[:, label] = score[:, label] >= cuts[label]
        if (cuts == before).all():
            break
    return cuts


def _best_cut(score: Floats, gain: Floats, current: float) -> float:
    """The threshold whose rows above it have the largest summed gain; `current` where none is better."""
    values, inverse = np.unique(score, return_inverse=True)
    by_value = np.bincount(inverse, weights=gain, minlength=len(values))
    # total[i]: the gain of letting in every row with at least the i-th value; the last entry lets in none
    total = np.append(by_value[::-1].cumsum()[::-1], 0.0)
    now = gain[score >= current].sum()
    best = int(total.argmax())
    return float(_between(values)[best]) if total[best] > now + 1e-12 else current


def _between(values: Floats) -> Floats:
    """Cuts around sorted distinct values in [0, 1]: below all, between neighbours, above all."""
    edges = np.concatenate([[0.0], values, [1.0]])
    cuts = (edges[:-1] + edges[1:]) / 2
    if values[-1] == 1.0:
        cuts[-1] = np.nextafter(1.0, 2.0)
    return np.asarray(cuts)


def _logit(p: Floats) -> Floats:
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(p) - np.log1p(-p))
