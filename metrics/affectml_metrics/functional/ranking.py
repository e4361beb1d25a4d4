"""Rankings against sets: do the labels people chose stand above those they did not?

preds are scores [N, C] of any scale (probabilities or logits: only their order counts), target is 0/1 [N, C]. A row
metric returns float64 [N]. A row without right labels has no ranking to get right: it is `no_labels`, nan by
default, and streaming counts it apart.

Ties. `ties="first"` gives the lower index the better place, always the same; `ties="expected"` is the mean over all
ways to break them, which is what a person's 0/1 answer needs, since the order of the labels says nothing about it.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from affectml_metrics._errors import one_of, real_number, share, whole_number
from affectml_metrics._inputs import ArrayLike, matrix, on_asked_labels, pair, wide
from affectml_metrics.functional.order import Ties, chance_of_hits, count, inclusion, right_labels, sum_by_row, top_k
from affectml_metrics.functional.rows import by_rows

__all__ = [
    "coverage_error",
    "label_ranking_average_precision",
    "one_error",
    "ranking_loss",
    "set_size",
    "top_k_accuracy",
    "top_k_chance",
    "top_k_precision",
    "top_k_recall",
]

Match = Literal["any", "all"]
PlaceTies = Literal["expected", "lowest"]


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

    preds: scores [N, C]; target: 0/1 [N, C]; k: 1..C. Returns float64 [N], 0 or 1 (with ties="expected" the chance).
    On single labels it is scikit-learn's top_k_accuracy_score. Raises MetricInputError.

    >>> top_k_accuracy([[0.6, 0.3, 0.1]], [[0, 1, 1]], k=2)
    tensor([1.], dtype=torch.float64)
    >>> top_k_accuracy([[0.6, 0.3, 0.1]], [[0, 1, 1]], k=2, match="all")
    tensor([0.], dtype=torch.float64)
    """
    one_of("match", match, ("any", "all"))
    no_labels = share("no_labels", no_labels)
    p, t = pair(preds, target, "scores", "labels")

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

    preds: scores [N, C]; target: 0/1 [N, C]; k: 1..C. Returns float64 [N] in [0, 1]. (PyLDL divides by C.) Raises
    MetricInputError.

    >>> top_k_recall([[0.6, 0.3, 0.1]], [[0, 1, 1]], k=2)
    tensor([0.5000], dtype=torch.float64)
    """
    no_labels = share("no_labels", no_labels)
    p, t = pair(preds, target, "scores", "labels")
    right = count(t)
    return (_hits(p, t, k, ties) / right).masked_fill(right == 0, no_labels)


@on_asked_labels
def top_k_precision(
    preds: ArrayLike, target: ArrayLike, k: int = 1, *, ties: Ties = "expected", no_labels: float = math.nan
) -> Tensor:
    """Share of the k best labels that are right, |top k and Y| / k, per row; at most |Y| / k.

    preds: scores [N, C]; target: 0/1 [N, C]; k: 1..C. Returns float64 [N] in [0, 1]. Raises MetricInputError.

    >>> top_k_precision([[0.6, 0.3, 0.1]], [[0, 1, 1]], k=2)
    tensor([0.5000], dtype=torch.float64)
    """
    no_labels = share("no_labels", no_labels)
    p, t = pair(preds, target, "scores", "labels")
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

    target: 0/1 [N, C]; k: 1..C. Returns float64 [N]: the hypergeometric chance of a hit, or of min(k, |Y|) hits.
    Raises MetricInputError.

    >>> top_k_chance([[1, 1, 0, 0]], k=1)
    tensor([0.5000], dtype=torch.float64)
    """
    one_of("match", match, ("any", "all"))
    no_labels = share("no_labels", no_labels)
    t = matrix(target, "target", "labels")
    k = whole_number("k", k, 1, t.shape[1])
    right = count(t)
    labels, drawn = torch.full_like(right, t.shape[1]), torch.full_like(right, k)
    return _by_luck(labels, right, drawn, right.clamp(max=k), match).masked_fill(right == 0, no_labels)


def _by_luck(tied: Tensor, right: Tensor, drawn: Tensor, wanted: Tensor, match: Match) -> Tensor:
    """The chance that those drawn meet the right ones, or hold as many of them as are wanted."""
    if match == "any":
        return 1 - chance_of_hits(tied, right, drawn, torch.zeros_like(drawn))
    return chance_of_hits(tied, right, drawn, wanted)


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
        rows, mine = right_labels(p, t)
        others, right = p.index_select(0, rows), t.index_select(0, rows)
        as_high = others >= mine
        place, right_place = count(as_high), count(as_high & right)
        share = right_place.to(wide(p.device)) / place
        if ties == "expected":
            above = others > mine
            tied = place - count(above)
            some = (tied > 1).nonzero()[:, 0]
            if len(some):
                found = right_place[some] - count(above[some] & right[some])
                share[some] = _precision_among_ties(place[some], right_place[some], tied[some], found)
        return sum_by_row(share, rows, p)

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
        rows, mine = right_labels(p, t)
        others = p.masked_fill(t, math.nan).index_select(0, rows)  # nan is neither above nor tied
        if tie_cost == 0.5:  # above counts twice and tied once: one sum in place of two
            twice = (others > mine).view(torch.int8) + (others >= mine).view(torch.int8)
            cost = count(twice).to(dtype) / 2
        elif tie_cost == 1:
            cost = count(others >= mine).to(dtype)
        else:
            cost = count(others > mine) + tie_cost * count(others == mine).to(dtype)
        return sum_by_row(cost, rows, p)

    right = count(t)
    pairs = right * (t.shape[1] - right)
    return (by_rows(wrong, p, t) / pairs).masked_fill(pairs == 0, no_labels)


def one_error(preds: ArrayLike, target: ArrayLike, *, ties: Ties = "expected", no_labels: float = math.nan) -> Tensor:
    """1 where the best label is not a right one, per row: 1 - `top_k_accuracy` at k = 1.

    preds: scores [N, C]; target: 0/1 [N, C]. Returns float64 [N]. Source: Schapire & Singer 2000. Raises
    MetricInputError.

    >>> one_error([[0.6, 0.3, 0.1]], [[0, 1, 1]])
    tensor([1.], dtype=torch.float64)
    """
    return 1 - top_k_accuracy(preds, target, 1, ties=ties, no_labels=1 - share("no_labels", no_labels))


def _hits(preds: Tensor, target: Tensor, k: int, ties: Ties) -> Tensor:
    return by_rows(lambda p, t: (inclusion(p, k, ties) * t).sum(-1), preds, target)
