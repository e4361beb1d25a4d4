"""What ranking measures share: who stands above whom, and which labels are among the top k.

Comparing all pairs of labels costs C^2 a row, but in plain vectorised compares: at 25 labels that is faster than a
sort, and ties are seen for what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import one_of
from affectml_metrics._inputs import whole_number, wide

Ties = Literal["first", "expected"]

_BLOCK = 4096  # rows worked on at once where a formula makes only tables of [N, C]
_CELLS = 1 << 22  # compared at once: small enough to stay in cache, large enough to keep all threads busy


def chunks(rows: int, labels: int) -> Iterator[slice]:
    """Slices of rows whose [n, C, C] comparisons fit the budget."""
    step = max(1, _CELLS // (labels * labels))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def by_rows(formula: Callable[[Tensor, Tensor], Tensor], p: Tensor, t: Tensor) -> Tensor:
    """`formula(p, t)`, a few thousand rows at a time on a CPU: what it makes on the way stays in the cache.

    On tables of a hundred thousand rows that is several times faster, and needs hardly any memory.
    """
    if p.device.type != "cpu" or len(p) <= _BLOCK:
        return formula(p, t)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(p), _BLOCK)]
    return torch.cat([formula(p[block], t[block]) for block in blocks])


def right_labels(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Of each right label, the row it is in, [M], and its score, [M, 1]: mostly few of the C labels are right."""
    flat = t.flatten()
    on_cpu = flat.device.type == "cpu"  # there numpy is twice as fast
    where = torch.from_numpy(np.flatnonzero(flat.numpy())) if on_cpu else flat.nonzero()[:, 0]
    return where // p.shape[1], p.flatten().index_select(0, where)[:, None]


def sum_by_row(values: Tensor, rows: Tensor, like: Tensor) -> Tensor:
    """Sums of the values that belong to each row of `like`, [N]."""
    return values.new_zeros(len(like)).index_add_(0, rows, values)


def count(comparisons: Tensor) -> Tensor:
    """Trues along the last dimension, as int32 (torch's default int64 sum over bools is far slower)."""
    return comparisons.sum(-1, dtype=torch.int32)


def places(scores: Tensor, ties: Ties) -> tuple[Tensor, Tensor]:
    """How many labels stand above each label, and how many share its place (itself included): int32 [N, C] each.

    With ties="first" the lower index stands above the higher, so every place is held by one label.
    """
    one_of("ties", ties, ("first", "expected"))
    rows, labels = scores.shape
    above = scores.new_empty(rows, labels, dtype=torch.int32)
    index = torch.arange(labels, device=scores.device)
    earlier = index < index[:, None]  # [j, c]: c comes before j
    tied = torch.ones_like(above)
    for part in chunks(rows, labels):
        mine, other = scores[part, :, None], scores[part, None, :]
        if ties == "first":
            above[part] = count((other > mine) | ((other == mine) & earlier))
        else:
            above[part] = count(other > mine)
            tied[part] = count(other == mine)
    return above, tied


def top_k(scores: Tensor, k: int, ties: Ties) -> tuple[Tensor, Tensor, Tensor]:
    """The labels surely in the top k, those tied for its last places, and how many such places there are.

    Returns bool [N, C], bool [N, C] and int32 [N]. With ties="first" the places go to the lowest indices, and the
    second is empty.
    """
    one_of("ties", ties, ("first", "expected"))
    whole_number("k", k, 1, scores.shape[1])
    # the k-th largest value is well defined; which index torch.topk gives for it is not
    last = scores.topk(k, dim=-1).values[:, -1:] if k > 1 else scores.amax(-1, keepdim=True)
    sure, tied = scores > last, scores == last
    left = k - count(sure)
    crowded = count(tied) > left
    sure |= tied & ~crowded[:, None]
    tied &= crowded[:, None]
    if ties == "first" and bool(crowded.any()):
        contested = tied[crowded]
        sure[crowded] |= contested & (contested.cumsum(-1) <= left[crowded, None])
        tied = torch.zeros_like(tied)
    return sure, tied, left * crowded


def inclusion(scores: Tensor, k: int, ties: Ties) -> Tensor:
    """The chance that each label is in the top k, ties broken at random: wide float [N, C], rows sum to k."""
    sure, tied, left = top_k(scores, k, ties)
    dtype = wide(scores.device)
    share = left.to(dtype) / count(tied).clamp(min=1)
    return sure.to(dtype) + tied * share[:, None]


def chance_of_hits(tied: Tensor, right: Tensor, drawn: Tensor, hits: Tensor) -> Tensor:
    """P(exactly `hits` right ones | `drawn` of `tied` are drawn, `right` of them are right): hypergeometric, [N]."""
    impossible = (hits < 0) | (hits > right) | (hits > drawn) | (drawn - hits > tied - right)
    log_p = _log_choose(right, hits) + _log_choose(tied - right, drawn - hits) - _log_choose(tied, drawn)
    return torch.where(impossible, torch.zeros_like(log_p), log_p.exp())


def _log_choose(n: Tensor, k: Tensor) -> Tensor:
    # clamped, because the impossible cases are masked by the caller and must not give nan first
    n, k, rest = (x.clamp(min=0).to(wide(x.device)) for x in (n, k, n - k))
    return torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(rest + 1)
