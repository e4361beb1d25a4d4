"""What ranking metrics share: who stands above whom, and which labels are among the top k.

Comparing all pairs of labels costs C^2 a row, but in plain vectorised compares: at 25 labels that is faster than a
sort, and ties are seen for what they are.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import one_of, whole_number
from affectml_metrics._inputs import wide

Ties = Literal["first", "expected"]

_CELLS = 1 << 22  # compared at once: small enough to stay in cache, large enough to keep all threads busy


def chunks(rows: int, labels: int) -> Iterator[slice]:
    """Slices of rows whose [n, C, C] comparisons fit the budget."""
    step = max(1, _CELLS // (labels * labels))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def right_labels(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Of each right label, the row it is in, [M], and its score, [M, 1]: mostly few of the C labels are right."""
    flat = t.flatten()
    on_cpu = flat.device.type == "cpu"  # there numpy is twice as fast
    where = torch.from_numpy(np.flatnonzero(flat.numpy())) if on_cpu else flat.nonzero()[:, 0]
    return where // p.shape[1], p.flatten().index_select(0, where)[:, None]


def count(comparisons: Tensor) -> Tensor:
    """Sum along the last dimension, as int32 (torch's default int64 sum over bools is far slower)."""
    return comparisons.sum(-1, dtype=torch.int32)


def places(scores: Tensor) -> tuple[Tensor, Tensor]:
    """How many labels stand above each label, and how many share its place (itself included): int32 [N, C] each."""
    above = torch.empty_like(scores, dtype=torch.int32)
    tied = torch.empty_like(above)
    for part in chunks(*scores.shape):
        mine, other = scores[part, :, None], scores[part, None, :]
        above[part] = count(other > mine)
        tied[part] = count(other == mine)
    return above, tied


def agreement(p: Tensor, t: Tensor) -> Tensor:
    """How p and t [N, C] order the labels of each row, wide float [5, N, C].

    For each label: how many labels stand to it in one order less how many in opposite ones; how many are not tied with
    it in p, and in t; its place from 1 by p, ties there by t, and by t, ties there by p (tied in both, by index).
    """
    pairs = torch.empty(5, *p.shape, dtype=wide(p.device), device=p.device)
    first = torch.ones(p.shape[1], p.shape[1], dtype=torch.bool, device=p.device).tril(-1)  # the other is before it
    for part in chunks(*p.shape):
        below, two_below = (x[part, :, None] < x[part, None, :] for x in (p, t))
        above, two_above = below.mT, two_below.mT
        level, two_level = ~(below | above), ~(two_below | two_above)
        pairs[0, part] = count((below & two_below) | (above & two_above)) - count(
            (below & two_above) | (above & two_below)
        )
        pairs[1, part], pairs[2, part] = count(~level), count(~two_level)
        last = level & two_level & first
        pairs[3, part] = 1 + count(below | (level & two_below) | last)
        pairs[4, part] = 1 + count(two_below | (two_level & below) | last)
    return pairs


def top_k(scores: Tensor, k: int, ties: Ties) -> tuple[Tensor, Tensor, Tensor]:
    """The labels surely in the top k, those tied for its last places, and how many such places there are.

    Returns bool [N, C], bool [N, C] and int32 [N]. With ties="first" the places go to the lowest indices, and the
    second is empty.
    """
    one_of("ties", ties, ("first", "expected"))
    k = whole_number("k", k, 1, scores.shape[1])
    last = _kth_largest(scores, k)
    sure = scores >= last
    crowded = (count(sure) > k).nonzero()[:, 0]  # rows whose last place is shared by more labels than there are places
    tied, left = torch.zeros_like(sure), torch.zeros(len(scores), dtype=torch.int32, device=scores.device)
    if len(crowded):
        some, edge = scores[crowded], last[crowded]
        above, level = some > edge, some == edge
        places = k - count(above)
        if ties == "first":
            above |= level & (level.cumsum(-1) <= places[:, None])
        else:
            tied[crowded], left[crowded] = level, places
        sure[crowded] = above
    return sure, tied, left


def _kth_largest(scores: Tensor, k: int) -> Tensor:
    """The k-th largest score of each row, [N, 1]; the value is well defined, which index torch.topk gives it is not."""
    if k == 1:
        return scores.amax(-1, keepdim=True)
    if scores.device.type != "cpu":
        return scores.topk(k, dim=-1).values[:, -1:]
    at = scores.shape[1] - k  # numpy's partition is three times as fast
    return torch.from_numpy(np.partition(scores.detach().numpy(), at, axis=-1)[:, at : at + 1].copy())


def descending(scores: Tensor) -> Tensor:
    """Indices of the labels from the highest score to the lowest, the lower index first among equals: int64 [N, C]."""
    if scores.device.type != "cpu":
        return scores.argsort(dim=-1, descending=True, stable=True)
    values = scores.detach().numpy()
    order = np.argsort(-values, axis=-1)  # not stable, but several times faster
    ordered = np.take_along_axis(values, order, axis=-1)
    again = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(-1))
    if len(again):
        order[again] = np.argsort(-values[again], axis=-1, kind="stable")
    return torch.from_numpy(order)


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
