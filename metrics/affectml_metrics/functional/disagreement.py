"""Does the model know how much, and in what order, people disagree? Entropies and rankings of shares.

A distribution has one entropy. Rates, where each label is a yes/no question of its own, have one for each label: that
of its (yes, no) pair.
"""

from typing import Literal

import torch
from torch import Tensor

from affectml_metrics._errors import one_of
from affectml_metrics._inputs import ArrayLike, on_asked_labels, pair_asked, row_weights, wide
from affectml_metrics.functional.logs import Unit, distributions, pair_entropy, per, row_entropy
from affectml_metrics.functional.order import descending
from affectml_metrics.functional.rates import row_mean
from affectml_metrics.functional.rows import Sums, soft_rows
from affectml_metrics.intervals import Batched

__all__ = ["entropy_correlation", "entropy_error", "entropy_similarity", "rank_cs"]
__all__ += ["rate_entropy_correlation", "rate_entropy_error"]

RankTies = Literal["free", "first"]
Correlation = Literal["pearson", "spearman"]


def entropy_error(
    preds: ArrayLike, target: ArrayLike, *, signed: bool = False, unit: Unit = "nats", from_logits: bool = False
) -> Tensor:
    """How far the model's uncertainty is from people's: |H(preds) - H(target)|, per row.

    preds, target: distributions [N, C]. Returns [N] in 0..log C. signed=True keeps the sign: above 0 the model is
    less sure than people are divided (Baan et al. 2022 call the difference EntCE). The entropy of few votes is biased
    low. Raises MetricInputError.

    >>> entropy_error(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]), unit="bits")
    tensor([1.])
    """
    scale = per(unit)

    def error(p: Tensor, t: Tensor) -> Tensor:
        surplus = (row_entropy(p) - row_entropy(t)) * scale
        return surplus if signed else surplus.abs()

    return soft_rows(error, preds, target, "distribution", from_logits)


@on_asked_labels
def rate_entropy_error(
    preds: ArrayLike, target: ArrayLike, *, signed: bool = False, unit: Unit = "nats", from_logits: bool = False
) -> Tensor:
    """How far the model's uncertainty of each label is from people's: `entropy_error` of its (yes, no) pair.

    preds, target: rates [N, C]. Returns the mean over labels, [N] in 0..log 2. signed=True keeps each label's sign:
    above 0 the model is less sure than people are divided, and labels may cancel. A rate of .2 for .8 costs nothing.
    The entropy of few votes is biased low. Source: Baan et al. 2022, label by label. Raises MetricInputError.

    >>> rate_entropy_error(torch.tensor([[0.5, 0.2]]), torch.tensor([[1.0, 0.8]]), unit="bits")
    tensor([0.5000])
    """
    scale = per(unit)

    def error(p: Tensor, t: Tensor) -> Tensor:
        surplus = (pair_entropy(p) - pair_entropy(t)) * scale
        return row_mean(surplus if signed else surplus.abs())

    return soft_rows(error, preds, target, "rates", from_logits)


def rank_cs(preds: ArrayLike, target: ArrayLike, *, ties: RankTies = "free", from_logits: bool = False) -> Tensor:
    """1 where the model ranks all labels as people do, 0 elsewhere, per row; the mean is RankCS of Baan et al. 2022.

    preds, target: distributions [N, C]. Returns float64 [N]. ties="free": labels with equal shares may come in any
    order, but unequal ones must be strictly ordered; "first": both sides are sorted with the lower index first among
    equals, as an argsort does, which punishes the model for an order that people never gave. Raises MetricInputError.

    >>> rank_cs(torch.tensor([[0.5, 0.2, 0.3]]), torch.tensor([[0.4, 0.3, 0.3]]))
    tensor([1.], dtype=torch.float64)
    """
    one_of("ties", ties, ("free", "first"))
    free = ties == "free"

    def same(p: Tensor, t: Tensor) -> Tensor:
        # neighbouring columns settle nearly all rows that are ranked otherwise; only the others are sorted
        p1, p2, t1, t2 = p[:, :-1], p[:, 1:], t[:, :-1], t[:, 1:]
        wrong = ((t1 > t2) & (p1 <= p2)) | ((t1 < t2) & (p1 >= p2)) if free else (t1 >= t2) != (p1 >= p2)
        left = (~wrong.any(-1)).nonzero()[:, 0]
        result = torch.zeros(len(p), dtype=p.dtype, device=p.device)
        if len(left):
            p, t = p[left], t[left]
            alike = _ranked(p, t) if free else (descending(p) == descending(t)).all(-1)
            result[left] = alike.to(p.dtype)
        return result

    rows = soft_rows(same, preds, target, "distribution", from_logits)
    return rows.to(wide(rows.device))


def _ranked(p: Tensor, t: Tensor) -> Tensor:
    """Where every label with a larger share than another has a larger pred, too."""
    order = descending(t)
    p, t = p.gather(-1, order), t.gather(-1, order)
    lowest_before, highest_after = p.cummin(-1).values, p.flip(-1).cummax(-1).values.flip(-1)
    return ((t[:, :-1] == t[:, 1:]) | (lowest_before[:, :-1] > highest_after[:, 1:])).all(-1)


def entropy_correlation(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    method: Correlation = "pearson",
    from_logits: bool = False,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Correlation over rows between the model's entropy and people's: is it unsure where they disagree?

    preds, target: distributions [N, C]; weights: [N], how often each row counts. Returns a 0-dim float64 tensor in
    [-1, 1], nan with fewer than two rows or where one side never varies. method: "pearson" (Uma et al. 2021) or
    "spearman" (mean ranks for ties; weights there must be whole). Needs all rows at once. Raises MetricInputError.

    >>> people = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.8, 0.2]])
    >>> entropy_correlation(people, people)
    tensor(1., dtype=torch.float64)
    """
    x, y = row_entropies(preds, target, from_logits)
    return correlation(x, y, method, row_weights(weights, x))


def rate_entropy_correlation(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    method: Correlation = "pearson",
    average: Literal["macro", "none"] = "macro",
    from_logits: bool = False,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Correlation over rows between the model's entropy of a label and people's, and its mean over labels.

    preds, target: rates [N, C]; weights: [N], how often each row counts. Returns a 0-dim float64 tensor in [-1, 1]
    ("macro"), or [C] ("none"). A label is nan with fewer than two rows or where one side never varies, and left out of
    the mean. method: as in `entropy_correlation`. Needs all rows at once. Source: Kurniawan et al. 2025, the multilabel
    form, whose code is nan where one label is. Raises MetricInputError.

    >>> people = torch.tensor([[1.0, 0.2], [0.5, 0.5], [0.8, 0.9]])
    >>> rate_entropy_correlation(1 - people, people).round(decimals=4)
    tensor(1., dtype=torch.float64)
    """
    one_of("average", average, ("macro", "none"))
    p, t, asked = pair_asked(preds, target, "scores" if from_logits else "rates", "rates")
    p = p.to(wide(p.device))
    w = row_weights(weights, p)
    by_label = _by_label(p.sigmoid() if from_logits else p, t, asked, method)
    correlations = by_label(torch.ones_like(p[:, 0]) if w is None else w)
    return correlations.nanmean() if average == "macro" else correlations


def prepared_entropy_correlation(preds: Tensor, target: Tensor) -> Batched:
    """`entropy_correlation` of shares for many weights, [B, N] to [B]."""
    return prepared_correlation(*row_entropies(preds, target), "pearson")


def prepared_rate_correlation(preds: Tensor, target: Tensor) -> Batched:
    """`rate_entropy_correlation` of rates for many weights, [B, N] to [B]."""
    by_label = _by_label(*pair_asked(preds, target, "rates", "rates"), "pearson")
    return Batched(lambda weights: by_label.of(weights).nanmean(1), by_label.at_once)


def _by_label(p: Tensor, t: Tensor, asked: Tensor | None, method: Correlation) -> Batched:
    """Each label's correlation of entropies over the rows that were asked about it: weights [B, N] to [B, C]."""
    x, y = (pair_entropy(rates.to(wide(rates.device))) for rates in (p, t))
    everywhere = torch.ones_like(x, dtype=torch.bool) if asked is None else asked
    there = [column.nonzero()[:, 0] for column in everywhere.T]
    each = [prepared_correlation(x[rows, label], y[rows, label], method) for label, rows in enumerate(there)]

    def of(weights: Tensor) -> Tensor:
        w = weights.to(x.device, x.dtype)
        return torch.stack([label.of(w[:, rows]) for label, rows in zip(each, there, strict=True)], dim=1)

    return Batched(of, each[0].at_once)


def entropy_similarity(
    preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False, weights: ArrayLike | None = None
) -> Tensor:
    """Cosine over rows between the model's entropies and people's (Uma et al. 2021).

    preds, target: distributions [N, C]; weights: [N], how often each row counts. Returns a 0-dim float64 tensor in
    [0, 1], nan where one side has no entropy in any row. Entropies are never negative, so a model that is equally
    unsure of every row comes out high: read it beside `entropy_correlation`. Raises MetricInputError.

    >>> people = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    >>> entropy_similarity(torch.tensor([[0.5, 0.5], [0.5, 0.5]]), people)
    tensor(0.7071, dtype=torch.float64)
    """
    sums = SIMILARITY.of_table(preds, target, weights, from_logits=from_logits)
    return SIMILARITY.statistic(sums)


def row_entropies(preds: ArrayLike, target: ArrayLike, from_logits: bool = False) -> tuple[Tensor, Tensor]:
    """The model's entropy and people's of each row, two wide floats [N]."""
    p, t = distributions(preds, target, from_logits)
    return row_entropy(p.to(wide(p.device))), row_entropy(t.to(wide(t.device)))


def _entropy_products(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    x, y = row_entropies(preds, target, from_logits)
    return torch.stack([x * y, x * x, y * y], dim=1)


SIMILARITY = Sums(_entropy_products, lambda sums: (sums[..., 0] / (sums[..., 1] * sums[..., 2]).sqrt()).clamp(max=1))


def correlation(x: Tensor, y: Tensor, method: Correlation, weights: Tensor | None = None) -> Tensor:
    """Pearson's or Spearman's coefficient of two [N] vectors, 0-dim; nan where it is not defined."""
    return prepared_correlation(x, y, method)(torch.ones_like(x) if weights is None else weights)


def prepared_correlation(x: Tensor, y: Tensor, method: Correlation) -> Batched:
    """`correlation` for many weights, [B, N] to [B]: values are sorted once."""
    one_of("method", method, ("pearson", "spearman"))
    ranked = [_places(values) for values in (x, y)] if method == "spearman" else []
    a, b = x - x.mean(), y - y.mean()
    products = torch.stack([a, b, a * a, b * b, a * b], dim=1)
    least, two_least = 1e-20 * (x * x).mean(), 1e-20 * (y * y).mean()

    def by_sums(weights: Tensor) -> Tensor:
        """Pearson's r from sums; where these cancel, or values hardly vary, from every row."""
        w = weights.to(x.device, x.dtype)
        (one, two, squares, two_squares, both), n = (w @ products).unbind(1), w.sum(1)
        spread, two_spread = squares - one * one / n, two_squares - two * two / n
        cancels = ~((spread > 0.01 * squares + least * n) & (two_spread > 0.01 * two_squares + two_least * n))
        r = ((both - one * two / n) / (spread * two_spread).masked_fill(cancels, 1.0).sqrt()).clamp(-1, 1)
        if bool(cancels.any()):
            r[cancels] = of(w[cancels])
        return r

    def of(weights: Tensor) -> Tensor:
        w = weights.to(x.device, x.dtype)
        one, two = (_mean_ranks(*places, w) for places in ranked) if ranked else (x[None], y[None])
        (one, spread, varies), (two, two_spread, two_varies) = _centred(one, w), _centred(two, w)
        defined = varies & two_varies
        r = (w * one * two).sum(1) / (spread * two_spread).masked_fill(~defined, 1.0).sqrt()  # no slope of a root of 0
        return torch.where(defined, r.clamp(-1, 1), torch.full_like(r, torch.nan))

    return Batched(of) if ranked else Batched(by_sums, 32)


def _centred(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values less their mean, the weighted sum of their squares, and whether they vary by more than rounding does."""
    level = (w * x * x).sum(1)
    x = x - ((w * x).sum(1) / w.sum(1))[:, None]
    spread = (w * x * x).sum(1)
    return x, spread, spread > 1e-26 * level


def _places(values: Tensor) -> tuple[Tensor, int]:
    """Which of how many distinct values each is, from the lowest up."""
    # the same shares in another order have the same entropy but for the last bits: a tie all the same
    distinct, where = torch.unique(values.round(decimals=12), return_inverse=True)
    return where, len(distinct)


def _mean_ranks(where: Tensor, count: int, weights: Tensor) -> Tensor:
    size = weights.new_zeros(len(weights), count).index_add_(1, where, weights)
    return (size.cumsum(1) - (size - 1) / 2).index_select(1, where)
