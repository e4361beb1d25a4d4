"""Rankings against soft labels: shares of people rather than a set."""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import ArgumentError, one_of, real_number, share, whole_number
from affectml_metrics._inputs import ArrayLike, as_float, matrix, on_asked_labels, pair, wide
from affectml_metrics.functional.order import Ties, agreement, descending, inclusion, places
from affectml_metrics.functional.rows import by_rows, row_sum

__all__ = ["human_mass_at_k", "kendall_tau_b", "modes", "ndcg", "weighted_kendall_tau"]

ModeTies = Literal["all", "first", "random"]
Gain = Literal["linear", "exponential"]


def modes(
    target: ArrayLike, *, ties: ModeTies = "all", tolerance: float = 1e-6, generator: torch.Generator | None = None
) -> Tensor:
    """The most chosen label or labels of each row, as a 0/1 set for the ranking and set metrics.

    target: counts, rates or shares [N, C]. Returns bool [N, C]. ties: "all" keeps every label within `tolerance` of
    the highest (relative to it), "first" the lowest index among them, "random" one of them by `generator`. A row of
    zeros has no mode: an empty set. With few votes ties are common (a quarter of the images of ArtEmis), and the rule
    alone can move top-1 accuracy by 10 points: name it with the score. Raises MetricInputError.

    >>> modes([[0.4, 0.4, 0.2]])
    tensor([[ True,  True, False]])
    >>> modes([[0.4, 0.4, 0.2]], ties="first")
    tensor([[ True, False, False]])
    """
    one_of("ties", ties, ("all", "first", "random"))
    real_number("tolerance", tolerance, 0, 1)
    t = as_float(matrix(target, "target", "mass"))
    highest = t.amax(-1, keepdim=True)
    tied = (t >= highest * (1 - tolerance)) & (highest > 0)
    if ties == "all":
        return tied
    if ties == "first":
        return tied & (tied.cumsum(-1) == 1)
    if generator is None:
        raise ArgumentError("generator: expected a torch.Generator with ties='random', but received None")
    draw = torch.rand(t.shape, generator=generator, device=generator.device).to(t.device).masked_fill(~tied, -1.0)
    chosen = torch.zeros_like(tied).scatter_(-1, draw.argmax(-1, keepdim=True), True)
    return chosen & tied


@on_asked_labels
def ndcg(
    preds: ArrayLike,
    target: ArrayLike,
    k: int | None = None,
    *,
    gain: Gain = "linear",
    ties: Ties = "expected",
    no_labels: float = math.nan,
) -> Tensor:
    """Normalised discounted cumulative gain of each row: are the labels most people chose ranked first?

    DCG = sum over places 1..k of gain / log2(place + 1), divided by that of the best ranking.

    preds: scores [N, C]; target: shares, rates or counts >= 0 [N, C]; k: 1..C or None for C. Returns float64 [N] in
    [0, 1]. gain: "linear" takes the target itself (as scikit-learn), "exponential" 2^target - 1 (Burges et al. 2005),
    which is scaled by the row's largest where thousands of votes would overflow.
    ties="expected" averages over tied predictions (McSherry & Najork 2008; scikit-learn's default). A row of zeros is
    `no_labels` (scikit-learn: 0). Source: Jarvelin & Kekalainen 2002. Raises MetricInputError.

    >>> ndcg([[0.1, 0.9]], [[0.7, 0.3]])
    tensor([0.8340], dtype=torch.float64)
    """
    one_of("gain", gain, ("linear", "exponential"))
    no_labels = share("no_labels", no_labels)
    one_of("ties", ties, ("first", "expected"))
    p, t = _scores_and_mass(preds, target)
    labels = t.shape[1]
    k = labels if k is None else k
    k = whole_number("k", k, 1, labels)
    place = torch.arange(1, labels + 1, device=t.device, dtype=t.dtype)
    discount = (1 / torch.log2(place + 1)).masked_fill(place > k, 0.0)
    summed = torch.cat([discount.new_zeros(1), discount.cumsum(0)])

    def share_of_best(p: Tensor, t: Tensor) -> Tensor:
        gains = t if gain == "linear" else _exponential(t)
        best = row_sum(_ascending(gains) * discount.flip(0))
        if ties == "first":
            reached = row_sum(gains.gather(-1, descending(p)) * discount)
        else:
            above, tied = places(p)
            # the mean discount of the places a label may take
            reached = row_sum(gains * (summed[above + tied] - summed[above]) / tied)
        return (reached / best).masked_fill(best == 0, no_labels)

    return by_rows(share_of_best, p, t)


@on_asked_labels
def human_mass_at_k(
    preds: ArrayLike, target: ArrayLike, k: int = 1, *, ties: Ties = "expected", no_labels: float = math.nan
) -> Tensor:
    """Share of people's answers that fall on the k best labels, per row; grows with k and is 1 at k = C.

    preds: scores [N, C]; target: shares, rates or counts >= 0 [N, C], divided by their sum. Returns float64 [N] in
    [0, 1]. At k = 1 it is the chance that a person drawn at random agrees with the model's first label, and the
    mode's share is the most that any model can reach. A row of zeros is `no_labels`. Raises MetricInputError.

    >>> human_mass_at_k([[0.1, 0.6, 0.3]], [[0.5, 0.3, 0.2]], k=2)
    tensor([0.5000], dtype=torch.float64)
    """
    no_labels = share("no_labels", no_labels)
    p, t = _scores_and_mass(preds, target)
    mass = t.sum(-1)
    shared = by_rows(lambda p, t: (inclusion(p, k, ties) * t).sum(-1), p, t)
    return (shared / mass).masked_fill(mass == 0, no_labels)


@on_asked_labels
def kendall_tau_b(preds: ArrayLike, target: ArrayLike) -> Tensor:
    """Kendall's tau-b of the model's ranking and people's, per row: do pairs of labels stand in one order?

    (pairs in one order - pairs in opposite orders) / sqrt(pairs untied in preds * pairs untied in target)

    preds: scores [N, C]; target: shares, rates or counts >= 0 [N, C]. Returns float64 [N] in [-1, 1]; nan where one
    side has all labels tied. The same as scipy's kendalltau. All pairs count alike, the many at the bottom too: see
    `weighted_kendall_tau`. Source: Kendall 1945. Raises MetricInputError.

    >>> kendall_tau_b([[0.6, 0.3, 0.1]], [[0.5, 0.2, 0.3]])
    tensor([0.3333], dtype=torch.float64)
    """

    def tau(p: Tensor, t: Tensor) -> Tensor:
        both, ours, theirs, *_ = agreement(p, t).sum(-1).unbind()
        return both / (ours * theirs).sqrt()

    return by_rows(tau, *_scores_and_mass(preds, target))


@on_asked_labels
def weighted_kendall_tau(preds: ArrayLike, target: ArrayLike) -> Tensor:
    """`kendall_tau_b` in which a pair weighs 1 / place + 1 / place of its labels, so the top counts most, per row.

    Places go by one side, ties there by the other, and the value is the mean of both ways.

    preds: scores [N, C]; target: shares, rates or counts >= 0 [N, C]. Returns float64 [N] in [-1, 1]; nan where one
    side has all labels tied. The same as scipy's weightedtau. Source: Vigna 2015, additive hyperbolic. Raises
    MetricInputError.

    >>> weighted_kendall_tau([[0.6, 0.3, 0.1]], [[0.5, 0.2, 0.3]])
    tensor([0.5455], dtype=torch.float64)
    """

    def tau(p: Tensor, t: Tensor) -> Tensor:
        found = agreement(p, t)
        both, ours, theirs = (found[:3, None] / found[3:]).sum(-1).unbind()  # [2, N] each, by either side's places
        return (both / (ours * theirs).sqrt()).clamp(-1, 1).mean(0)

    return by_rows(tau, *_scores_and_mass(preds, target))


def _ascending(x: Tensor) -> Tensor:
    return torch.from_numpy(np.sort(x.detach().numpy(), axis=-1)) if x.device.type == "cpu" else x.sort(-1).values


def _exponential(t: Tensor) -> Tensor:
    """2^t - 1 up to a factor a row, which NDCG does not see: 1, or 2^-max where that would overflow."""
    most = t.amax(-1, keepdim=True)
    most = torch.where(most > 500, most, torch.zeros_like(most))
    return torch.where(most > 0, torch.exp2(t - most) - torch.exp2(-most), torch.expm1(t * math.log(2)))


def _scores_and_mass(preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
    p, t = pair(preds, target, "scores", "mass")
    return p, t.to(wide(t.device))
