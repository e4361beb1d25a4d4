"""How a formula runs over a table: in float64, some thousand rows at a time, each block looked at while it is in cache.

A float32 table gives the float64 value of its numbers, rounded once at the end: sums and differences of entropies
would lose half their digits otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from affectml_metrics._domains import Domain, watch
from affectml_metrics._inputs import ArrayLike, as_float, as_tensor, matrix, of_indices, same, wide

_BLOCK = 4096  # rows worked on at once where a formula makes only tables of [N, C]

Formula = Callable[[Tensor, Tensor], Tensor]
Soft = Literal["distribution", "rates"]


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
