"""How a formula runs over a table: in float64, some thousand rows at a time, each block looked at while it is in cache.

A float32 table gives the float64 value of its numbers, rounded once at the end: sums and differences of entropies
would lose half their digits otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from affectml_metrics._domains import Domain, watch
from affectml_metrics._errors import in_one_order
from affectml_metrics._inputs import ArrayLike, as_float, as_tensor, matrix, of_indices, row_weights, same, wide

_BLOCK = 4096  # rows worked on at once where a formula makes only tables of [N, C]

Formula = Callable[[Tensor, Tensor], Tensor]
Soft = Literal["distribution", "rates"]


@dataclass(frozen=True)
class Sums:
    """A metric over the table that needs only sums over rows, so that its interval takes one pass.

    columns: (preds, target) to what each row adds, [N, M]. statistic: sums [B, M] and the row's options to [B].
    counts: where there are as many of each sum as labels, a faster way to these: (preds, target, weights) to several
    [C], which M columns are in this order.
    """

    columns: Callable[..., Tensor]
    statistic: Callable[..., Tensor]
    counts: Callable[..., Sequence[Tensor]] | None = None

    def of_table(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None, **options: Any) -> Tensor:
        """The sums over the rows, wide float [M]; options: those of `columns`."""
        if self.counts is not None:
            return torch.cat(list(self.counts(preds, target, weights=weights, **options)))
        columns = self.columns(preds, target, **options)
        w = row_weights(weights, columns)
        return columns.sum(0) if w is None else w @ columns


def by_rows(formula: Formula, p: Tensor, t: Tensor) -> Tensor:
    """`formula(p, t)`, block by block on a CPU: what it makes on the way stays in the cache.

    On tables of a hundred thousand rows that is several times faster, and needs hardly any memory.
    """
    if p.device.type != "cpu" or len(p) <= _BLOCK:
        return formula(p, t)
    return torch.cat([formula(p[i : i + _BLOCK], t[i : i + _BLOCK]) for i in range(0, len(p), _BLOCK)])


def soft_rows(formula: Formula, preds: ArrayLike, target: ArrayLike, kind: Soft, from_logits: bool | None) -> Tensor:
    """`formula(p, t)` over checked distributions or rates [N, C], both float64: [N], in the wider of their dtypes.

    from_logits=True hands the formula what the softmax or the sigmoid makes of preds. None hands it the logits
    themselves, for formulas that stay in the logarithm.
    """
    in_one_order(preds, target)
    logits = from_logits is not False
    domain: Domain = kind if not logits else "logits" if kind == "distribution" else "scores"
    p, t = matrix(preds, "preds", domain, scan=False), as_tensor(target, "target")
    t = matrix(of_indices(t, p) if kind == "distribution" else t, "target", kind, scan=False)
    same(p, t)
    dtype = wide(p.device)
    look_at_preds, look_at_target = watch(p, "preds", domain), watch(t, "target", kind)

    def block(a: Tensor, b: Tensor) -> Tensor:
        x, y = a.to(dtype), b.to(dtype)
        look_at_preds(x)
        look_at_target(y)
        if from_logits:
            x = x.softmax(-1) if kind == "distribution" else x.sigmoid()
        return formula(x, y)

    return by_rows(block, p, t).to(float_of(p, t))


def float_of(p: Tensor, t: Tensor) -> torch.dtype:
    """The dtype of a result: the wider of the two, at least float32; integers follow the other, or are float64."""
    a, b = as_float(p[:0], t), as_float(t[:0], p)
    return torch.promote_types(a.dtype, b.dtype)


def row_sum(x: Tensor) -> Tensor:
    """Sum over labels, [N]; as a product with ones, which is faster than a reduction of few columns."""
    return x.mv(x.new_ones(x.shape[1]))
