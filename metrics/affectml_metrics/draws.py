"""Draws of bootstrap replicates: how often each replicate has each unit, and the sums of rows which that gives.

Inside `shared_counts` they are drawn once for all figures. From `QUICK_FROM` units on they are drawn the quick way.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor

QUICK_FROM = 50_000
"""Units from which on replicates are drawn the quick way: of the same distribution, from another stream."""
AT_ONCE = 128
"""Replicates handed on at a time."""
_AT_ONCE = 32  # of fewer units: reads the rows once for all of them, and keeps the counts small
_CELLS = 16_384  # counted in one call: fewer calls where units are few, and small enough for the cache where many
_PIECE = 1024  # units in one product of quick draws
_ROOM = 2**29  # bytes that counts may take which several figures share
_SHORT = 5.0  # standard deviations by which a quick draw stays below the number of units, before the rest is drawn
_WORDS = 2**16


@dataclass(frozen=True)
class _Kept:
    """Counts [replicates, units], the generator's state behind them, and what `bootstrap_sums` added up of columns."""

    counts: Tensor
    after: Tensor
    sums: dict[bytes, Tensor] = field(default_factory=dict)


_shared: ContextVar[dict[tuple[bytes, int, int], _Kept] | None] = ContextVar("_shared", default=None)


@contextmanager
def shared_counts() -> Iterator[None]:
    """Inside, figures whose generators are in the same state draw once; each gets what it would get outside.

    From `QUICK_FROM` units on all figures whose generators have the same seed draw once, the first replicates of that
    seed, and leave the generators as they are. Counts are kept, a byte a unit and replicate, as long as all of them fit
    into half a gigabyte, and so are sums of columns of whole numbers, of which every system has the target's.
    """
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def counts_in_bytes(
    units: int, replicates: int, generator: torch.Generator, at_once: int = AT_ONCE
) -> Iterator[Tensor]:
    """How often each unit is drawn, [b, units] for b replicates at a time.

    A byte is enough: of up to 255 units none is drawn more often, and of more units none with any chance at all.
    """
    kept = kept_counts(units, replicates, generator)
    if kept is not None:
        yield from torch.split(kept.counts, at_once)
        return
    room = torch.empty(min(at_once, replicates), units, dtype=torch.uint8)
    yield from _drawn(room, replicates, _source(units, generator))


def _source(units: int, generator: torch.Generator) -> torch.Generator:
    """What figures draw from: their generator, or for many shared units one of its seed."""
    own = units < QUICK_FROM or _shared.get() is None
    return generator if own else torch.Generator().manual_seed(generator.initial_seed())


def kept_counts(units: int, replicates: int, generator: torch.Generator) -> _Kept | None:
    """Counts that figures share, drawn where they are not yet; None where nothing is shared, or there is no room."""
    kept = _shared.get()
    if kept is None:
        return None
    source = _source(units, generator)
    key = source.get_state().numpy().tobytes(), units, replicates
    if key not in kept:
        if sum(each.counts.numel() for each in kept.values()) + replicates * units > _ROOM:
            return None
        counts = torch.empty(replicates, units, dtype=torch.uint8)
        for _ in _drawn(counts, replicates, source):
            pass
        kept[key] = _Kept(counts, source.get_state())
    source.set_state(kept[key].after)
    return kept[key]


def sums_of_draws(tables: list[Tensor], replicates: int, generator: torch.Generator) -> Iterator[list[Tensor]]:
    """Sums of the rows of tables [units, M] in each replicate, [b, M] for b replicates at a time."""
    units = len(tables[0])
    if units >= QUICK_FROM:
        yield from (in_pieces(part, tables) for part in counts_in_bytes(units, replicates, generator))
        return
    room = tables[0].new_empty(min(_AT_ONCE, replicates), units)
    for part in counts_in_bytes(units, replicates, generator, _AT_ONCE):
        counts = room[: len(part)].copy_(part)
        yield [counts @ table for table in tables]


def in_pieces(part: Tensor, tables: list[Tensor]) -> list[Tensor]:
    """Products of counts in bytes [b, units] and tables, of some units at a time: so counts in floats stay in cache."""
    found = [table.new_zeros(len(part), table.shape[1]) for table in tables]
    room = tables[0].new_empty(len(part) * _PIECE)
    for start in range(0, part.shape[1], _PIECE):
        some = part[:, start : start + _PIECE]
        counts = room[: some.numel()].view(some.shape).copy_(some)
        for sums, table in zip(found, tables, strict=True):
            sums.addmm_(counts, table[start : start + _PIECE])
    return found


def _drawn(room: Tensor, replicates: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Draws into the room [b, units], b at a time and from its start again where all replicates do not fit."""
    units = room.shape[1]
    if units >= QUICK_FROM:
        yield from _quickly_drawn(room, replicates, generator)
        return
    few = max(1, min(_AT_ONCE, _CELLS // units))
    drawn = torch.empty(few, units, dtype=torch.int32)
    own = units * torch.arange(few, dtype=torch.int32)[:, None]  # each replicate counts in cells of its own
    ones = torch.ones(few * units, dtype=torch.uint8)
    for start in range(0, replicates, len(room)):
        part = room[: replicates - start].zero_()
        for some in torch.split(part, few):
            cells = drawn[: len(some)].random_(0, units, generator=generator).add_(own[: len(some)])
            some.view(-1).index_add_(0, cells.view(-1), ones[: some.numel()])
        yield part


def _quickly_drawn(room: Tensor, replicates: int, generator: torch.Generator) -> Iterator[Tensor]:
    """The same from two words of the generator: each unit's count is Poisson's, and what their sum lacks is drawn.

    Poisson numbers are multinomial given their sum, and stay so with more units drawn on top, so this is the bootstrap
    itself. Their rate is just below 1; a replicate with too large a sum is drawn again. Source: Brown & Bromberg 1984.
    """
    units = room.shape[1]
    seed = torch.randint(2**63 - 1, (2,), generator=generator).tolist()
    rng = np.random.Generator(np.random.SFC64(seed))
    beyond = _WORDS * _poisson_tails(1 - _SHORT / math.sqrt(units))
    for start in range(0, replicates, len(room)):
        part = room[: replicates - start]
        for row in part.numpy():
            while (rest := units - _poissons(row, beyond, rng)) < 0:
                pass
            np.add.at(row, rng.integers(units, size=rest), np.uint8(1))
        yield part


def _poissons(row: np.ndarray[Any, Any], beyond: np.ndarray[Any, Any], rng: np.random.Generator) -> int:
    """Fills a row with Poisson counts, and returns their sum. beyond[k]: 2**16 times the chance of more than k.

    A count is the number of k whose `beyond` lies above a number in [0, 2**16). Its whole part, a word of 16 bits, is
    mostly enough to tell; the others, those of large counts among them, get 53 bits more.
    """
    words = rng.bit_generator.random_raw(-(-len(row) // 4)).view(np.uint16)[: len(row)]
    edges = beyond[:5].astype(np.uint16)
    row[:] = words < edges[0]
    unsure = words <= edges[-1]
    for edge in edges[1:]:
        row += words < edge
    for edge in edges[:-1]:
        unsure |= words == edge
    places = np.flatnonzero(unsure)
    numbers = words[places] + rng.random(len(places))
    row[places] = len(beyond) - np.searchsorted(beyond[::-1], numbers, side="right")
    return int(row.sum(dtype=np.int64))


def _poisson_tails(rate: float) -> np.ndarray[Any, Any]:
    """The chance of more than k, for k from 0 on as long as it is no less than 1e-30."""
    chances = [math.exp(k * math.log(rate) - rate - math.lgamma(k + 1)) for k in range(64)]
    tails = np.cumsum(chances[:0:-1])[::-1]  # the small ones first, so that none is lost
    return tails[tails > 1e-30]


def once(rows: Tensor, added: Callable[[Tensor], Tensor], found: dict[bytes, Tensor]) -> Tensor:
    """`added(rows)` [A, M] of rows of whole numbers [M, N], each row added up once.

    Such sums are the same in whatever company they are made; `found` holds them by the rows' contents.
    """
    kind = str(rows.dtype).encode()
    names = [blake2b(row.view(torch.uint8).numpy(), key=kind).digest() for row in rows]
    new = {name: place for place, name in enumerate(names) if name not in found}
    if new:
        found.update(zip(new, added(rows[list(new.values())]).T, strict=True))
    return torch.stack([found[name] for name in names], dim=1)
