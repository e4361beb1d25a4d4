"""Rankings against sets and against shares: do the labels people chose stand above those they did not?

preds are scores [N, C] of any scale (probabilities or logits: only their order counts), target is 0/1 [N, C], or shares
of people. A row metric returns float64 [N]. A row without right labels has no ranking to get right: it is `no_labels`,
nan by default, and streaming counts it apart.

Ties. `ties="first"` gives the lower index the better place, always the same; `ties="expected"` is the mean over all
ways to break them, which is what a person's 0/1 answer needs, since the order of the labels says nothing about it.
"""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import ArgumentError, in_one_order, one_of, real_number, share, whole_number
from affectml_metrics._inputs import ArrayLike, as_float, as_tensor, matrix, of_indices, on_asked_labels, pair, wide
from affectml_metrics.functional import order
from affectml_metrics.functional.order import Ties, count, top_k
from affectml_metrics.functional.rows import by_rows, row_sum

__all__ = ["set_size", "top_k_accuracy", "top_k_chance", "top_k_precision", "top_k_recall"]
__all__ += ["human_mass_at_k", "kendall_tau_b", "modes", "ndcg", "weighted_kendall_tau"]
__all__ += ["coverage_error", "label_ranking_average_precision", "one_error", "ranking_loss"]

ModeTies = Literal["all", "first", "random"]
Gain = Literal["linear", "exponential"]
Match = Literal["any", "all"]
PlaceTies = Literal["expected", "lowest"]


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
def top_k_accuracy(
    preds: ArrayLike,
    target: ArrayLike,
    k: int = 1,
    *,
    match: Match = "any",
    ties: Ties = "expected",
    no_labels: float = math.nan,
) -> Tensor:
    """1 where the k best labels meet the right ones (match="any"), or hold as many as can be (match="all"), per row.

    "all" asks for min(k, |Y|) hits. "any" grows with |Y|: show `set_size` and `top_k_chance` beside it.

    preds: scores [N, C]; target: 0/1 [N, C], or counts, rates or shares: the most chosen labels are right, all
    that tie (`modes`); k: 1..C. Returns float64 [N], 0 or 1 (with ties="expected" the chance). On single labels it is
    scikit-learn's top_k_accuracy_score. Raises MetricInputError.

    >>> top_k_accuracy([[0.6, 0.3, 0.1]], [[0, 1, 1]], k=2)
    tensor([1.], dtype=torch.float64)
    >>> top_k_accuracy([[0.6, 0.3, 0.1]], [[0, 1, 1]], k=2, match="all")
    tensor([0.], dtype=torch.float64)
    >>> top_k_accuracy([[0.6, 0.3, 0.1]], [[0.2, 0.4, 0.4]], k=2)
    tensor([1.], dtype=torch.float64)
    """
    one_of("match", match, ("any", "all"))
    no_labels = share("no_labels", no_labels)
    p, t = pair(preds, _right(target, preds), "scores", "labels")

    def hit(p: Tensor, t: Tensor) -> Tensor:
        sure, tied, left = top_k(p, k, ties)
        right, hits = count(t), count(sure & t)
        wanted = torch.ones_like(hits) if match == "any" else right.clamp(max=k)
        result = (hits >= wanted).to(wide(p.device))
        if ties == "expected":
            pool, right_in_pool = count(tied), count(tied & t)
            by_luck = _by_luck(pool, right_in_pool, left, wanted - hits, match)
            result = torch.where((hits < wanted) & (pool > 0), by_luck, result)
        return result.masked_fill(right == 0, no_labels)

    return by_rows(hit, p, t)


@on_asked_labels
def top_k_recall(
    preds: ArrayLike, target: ArrayLike, k: int = 1, *, ties: Ties = "expected", no_labels: float = math.nan
) -> Tensor:
    """Share of the right labels among the k best, |top k and Y| / |Y|, per row; 1 can need k >= |Y|.

    preds: scores [N, C]; target: 0/1 [N, C] or shares, as in `top_k_accuracy`; k: 1..C. Returns float64 [N] in [0, 1].
    (PyLDL divides by C.) Raises MetricInputError.

    >>> top_k_recall([[0.6, 0.3, 0.1]], [[0, 1, 1]], k=2)
    tensor([0.5000], dtype=torch.float64)
    """
    no_labels = share("no_labels", no_labels)
    p, t = pair(preds, _right(target, preds), "scores", "labels")
    right = count(t)
    return (_hits(p, t, k, ties) / right).masked_fill(right == 0, no_labels)


@on_asked_labels
def top_k_precision(
    preds: ArrayLike, target: ArrayLike, k: int = 1, *, ties: Ties = "expected", no_labels: float = math.nan
) -> Tensor:
    """Share of the k best labels that are right, |top k and Y| / k, per row; at most |Y| / k.

    preds: scores [N, C]; target: 0/1 [N, C] or shares, as in `top_k_accuracy`; k: 1..C. Returns float64 [N] in [0, 1].
    Raises MetricInputError.

    >>> top_k_precision([[0.6, 0.3, 0.1]], [[0, 1, 1]], k=2)
    tensor([0.5000], dtype=torch.float64)
    """
    no_labels = share("no_labels", no_labels)
    p, t = pair(preds, _right(target, preds), "scores", "labels")
    return (_hits(p, t, k, ties) / k).masked_fill(count(t) == 0, no_labels)


@on_asked_labels
def set_size(target: ArrayLike) -> Tensor:
    """Number of right labels |Y| of each row: float64 [N]; its mean belongs beside every "any" score.

    >>> set_size([[1, 1, 0], [0, 0, 0]])
    tensor([2., 0.], dtype=torch.float64)
    """
    t = matrix(target, "target", "labels")
    return count(t).to(wide(t.device))


@on_asked_labels
def top_k_chance(target: ArrayLike, k: int = 1, *, match: Match = "any", no_labels: float = math.nan) -> Tensor:
    """What `top_k_accuracy` gives a ranking drawn at random, per row.

    target: 0/1 [N, C] or shares, as in `top_k_accuracy`; k: 1..C. Returns float64 [N]: the hypergeometric chance of a
    hit, or of min(k, |Y|) hits. Raises MetricInputError.

    >>> top_k_chance([[1, 1, 0, 0]], k=1)
    tensor([0.5000], dtype=torch.float64)
    """
    one_of("match", match, ("any", "all"))
    no_labels = share("no_labels", no_labels)
    t = matrix(_right(target), "target", "labels")
    k = whole_number("k", k, 1, t.shape[1])
    right = count(t)
    labels, drawn = torch.full_like(right, t.shape[1]), torch.full_like(right, k)
    return _by_luck(labels, right, drawn, right.clamp(max=k), match).masked_fill(right == 0, no_labels)


def _right(target: ArrayLike, preds: ArrayLike | None = None) -> Tensor:
    """The labels that are right, as they came in 0/1; of counts, rates or shares their `modes`."""
    in_one_order(preds, target)
    t = as_tensor(target, "target")
    t = t if preds is None else of_indices(t, preds)
    if t.dtype == torch.bool or t.ndim != 2:
        return t
    labels = t.bool()
    return labels if torch.equal(labels.to(t.dtype), t) else modes(t)


def _by_luck(tied: Tensor, right: Tensor, drawn: Tensor, wanted: Tensor, match: Match) -> Tensor:
    """The chance that those drawn meet the right ones, or hold as many of them as are wanted."""
    if match == "any":
        return 1 - order.chance_of_hits(tied, right, drawn, torch.zeros_like(drawn))
    return order.chance_of_hits(tied, right, drawn, wanted)


@on_asked_labels
def label_ranking_average_precision(
    preds: ArrayLike, target: ArrayLike, *, ties: PlaceTies = "expected", no_labels: float = math.nan
) -> Tensor:
    """For each right label, the share of right ones among it and all labels ranked above it; the mean, per row.

    preds: scores [N, C]; target: 0/1 [N, C]. Returns float64 [N] in (0, 1]. ties="expected" is the mean over the orders
    of labels with equal scores, in closed form; "lowest" gives all of them the last of their places, as scikit-learn
    and torchmetrics do, which score a row without labels 1 (`no_labels=1`). Source: Schapire & Singer 2000; Tsoumakas
    et al. 2010. Raises MetricInputError.

    >>> label_ranking_average_precision([[0.6, 0.3, 0.1]], [[0, 1, 1]])
    tensor([0.5833], dtype=torch.float64)
    """
    one_of("ties", ties, ("expected", "lowest"))
    no_labels = share("no_labels", no_labels)
    p, t = pair(preds, target, "scores", "labels")

    def precision(p: Tensor, t: Tensor) -> Tensor:
        rows, mine = order.right_labels(p, t)
        others, right = p.index_select(0, rows), t.index_select(0, rows)
        as_high = others >= mine
        place, right_place = count(as_high), count(as_high & right)
        share = right_place.to(wide(p.device)) / place
        if ties == "expected":
            above = others > mine
            tied = place - count(above)
            some = (tied > 1).nonzero()[:, 0]
            if len(some):
                right_tied = right_place[some] - count(above[some] & right[some])
                share[some] = _precision_among_ties(place[some], right_place[some], tied[some], right_tied)
        return share.new_zeros(len(p)).index_add_(0, rows, share)

    right = count(t)
    return (by_rows(precision, p, t) / right).masked_fill(right == 0, no_labels)


def _precision_among_ties(place: Tensor, right_place: Tensor, tied: Tensor, right_tied: Tensor) -> Tensor:
    """Expected precision at a right label whose score `tied` >= 2 labels share, `right_tied` of them right: [M].

    It is equally likely at each of their places a + 1..a + m; of the j - 1 tied labels before it, (g - 1) / (m - 1) are
    right in the mean, so the sum over j of (r + 1 + (j - 1)(g - 1) / (m - 1)) / (a + j) needs harmonic numbers only.
    """
    dtype = wide(place.device)
    whole = torch.arange(1, int(place.max()) + 1, device=place.device, dtype=dtype)
    harmonic = torch.cat([whole.new_zeros(1), whole.reciprocal().cumsum(0)])
    above, m = (place - tied).to(dtype), tied.to(dtype)
    h = harmonic[place.long()] - harmonic[(place - tied).long()]
    more = (right_tied - 1).to(dtype) / (m - 1) * (m - (above + 1) * h)
    return ((right_place - right_tied + 1).to(dtype) * h + more) / m


@on_asked_labels
def coverage_error(preds: ArrayLike, target: ArrayLike, *, no_labels: float = math.nan) -> Tensor:
    """How many of the best labels must be taken to have all right ones, per row; at best |Y|.

    preds: scores [N, C]; target: 0/1 [N, C]. Returns float64 [N] in 1..C, counted from 1 as in scikit-learn and
    torchmetrics (Zhang & Zhou 2014 count from 0); labels tied with the last right one are counted. Both score a row
    without labels 0 (`no_labels=0`). Source: Tsoumakas et al. 2010. Raises MetricInputError.

    >>> coverage_error([[0.6, 0.3, 0.1]], [[1, 0, 0]])
    tensor([1.], dtype=torch.float64)
    """
    no_labels = real_number("no_labels", no_labels, 0, nan=True)
    p, t = pair(preds, target, "scores", "labels")

    def depth(p: Tensor, t: Tensor) -> Tensor:
        return count(p >= p.masked_fill(~t, math.inf).amin(-1, keepdim=True))

    return by_rows(depth, p, t).to(wide(p.device)).masked_fill(count(t) == 0, no_labels)


@on_asked_labels
def ranking_loss(preds: ArrayLike, target: ArrayLike, *, tie_cost: float = 0.5, no_labels: float = math.nan) -> Tensor:
    """Share of (right, wrong) label pairs in the wrong order, per row.

    preds: scores [N, C]; target: 0/1 [N, C]. Returns float64 [N] in [0, 1]; a row with no right or no wrong labels
    has no pairs and is `no_labels`. A tie costs `tie_cost`: half, as 1 - AUC; scikit-learn counts it as wrong (1,
    with `no_labels=0`). Source: Zhang & Zhou 2014, section 2.2.2; Schapire & Singer 2000. Raises MetricInputError.

    >>> ranking_loss([[0.6, 0.3, 0.1]], [[0, 1, 0]])
    tensor([0.5000], dtype=torch.float64)
    """
    tie_cost, no_labels = real_number("tie_cost", tie_cost, 0, 1), share("no_labels", no_labels)
    p, t = pair(preds, target, "scores", "labels")
    dtype = wide(p.device)

    def wrong(p: Tensor, t: Tensor) -> Tensor:
        rows, mine = order.right_labels(p, t)
        others = p.masked_fill(t, math.nan).index_select(0, rows)  # nan is neither above nor tied
        if tie_cost == 0.5:  # above counts twice and tied once: one sum in place of two
            twice = (others > mine).view(torch.int8) + (others >= mine).view(torch.int8)
            cost = count(twice).to(dtype) / 2
        elif tie_cost == 1:
            cost = count(others >= mine).to(dtype)
        else:
            cost = count(others > mine) + tie_cost * count(others == mine).to(dtype)
        return cost.new_zeros(len(p)).index_add_(0, rows, cost)

    right = count(t)
    pairs = right * (t.shape[1] - right)
    return (by_rows(wrong, p, t) / pairs).masked_fill(pairs == 0, no_labels)


def one_error(preds: ArrayLike, target: ArrayLike, *, ties: Ties = "expected", no_labels: float = math.nan) -> Tensor:
    """1 where the best label is not a right one, per row: 1 - `top_k_accuracy` at k = 1.

    preds: scores [N, C]; target: 0/1 [N, C] or shares, as in `top_k_accuracy`. Returns float64 [N]. Source: Schapire &
    Singer 2000. Raises MetricInputError.

    >>> one_error([[0.6, 0.3, 0.1]], [[0, 1, 1]])
    tensor([1.], dtype=torch.float64)
    """
    return 1 - top_k_accuracy(preds, target, 1, ties=ties, no_labels=1 - share("no_labels", no_labels))


def _hits(preds: Tensor, target: Tensor, k: int, ties: Ties) -> Tensor:
    return by_rows(lambda p, t: (order.inclusion(p, k, ties) * t).sum(-1), preds, target)


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
            reached = row_sum(gains.gather(-1, order.descending(p)) * discount)
        else:
            above, tied = order.places(p)
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
    shared = by_rows(lambda p, t: (order.inclusion(p, k, ties) * t).sum(-1), p, t)
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
        both, ours, theirs, *_ = order.agreement(p, t).sum(-1).unbind()
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
        pairs = order.agreement(p, t)
        both, ours, theirs = (pairs[:3, None] / pairs[3:]).sum(-1).unbind()  # [2, N] each, by either side's places
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
