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
from affectml_metrics._inputs import ArrayLike, as_float, as_tensor, matrix, of_indices, row_weights, same, wide

_BLOCK = 4096  # rows worked on at once where a formula makes only tables of [N, C]
EXACT = 2**24  # up to there float32 holds every whole number
_BYTE_BAGS = getattr(torch.ops.quantized, "embedding_bag_byte_rowwise_offsets", None)  # not in every build of torch

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


def table_of(weights: Tensor, device: torch.device) -> Tensor:
    """Weights [B, N] of B replicates as a table [N, B], of which a row is read in one piece for all of them.

    Whole numbers come in float32 where that holds their sums. Counts in bytes stay bytes on a CPU, a quarter of that;
    behind each row of them are then 8 bytes more, the scale 1 and the offset 0 that `run_sums` wants.
    """
    if weights.dtype == torch.uint8:
        if _BYTE_BAGS and device.type == "cpu" and weights.shape[1] * int(weights.max()) < EXACT:
            end = torch.tensor([1.0, 0.0]).view(torch.uint8)
            return torch.cat([weights.T, end.expand(weights.shape[1], -1)], dim=1)
        weights = weights.to(torch.int32)
    weights = weights.to(device, wide(device))
    whole = bool((weights == weights.round()).all()) and float(weights.sum(dim=1).max()) < EXACT
    return weights.to(torch.float32 if whole else weights.dtype).T.contiguous()


def run_sums(table: Tensor, rows: Tensor, firsts: Tensor, by: Tensor | None = None) -> Tensor:
    """Sums [K, B] over K runs of rows of a table from `table_of`, each row times its own `by`.

    rows: int32 [n], the runs one after the other. firsts: int32 [K], where each begins; a run may be empty.
    """
    if not len(rows):
        replicates = table.shape[1] - (8 if table.dtype == torch.uint8 else 0)
        return table.new_zeros(len(firsts), replicates, dtype=torch.promote_types(table.dtype, torch.float32))
    if _BYTE_BAGS is None or table.dtype != torch.uint8:
        return torch.nn.functional.embedding_bag(rows, table, firsts, mode="sum", per_sample_weights=by)
    found: Tensor = _BYTE_BAGS(table, rows, firsts, False, 0, False, by)
    return found


def row_sum(x: Tensor) -> Tensor:
    """Sum over labels, [N]; as a product with ones, which is faster than a reduction of few columns."""
    return x.mv(x.new_ones(x.shape[1]))
