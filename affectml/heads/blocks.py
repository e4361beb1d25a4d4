"""Many feature rows: standardised and read a block at a time, from disk or from memory, and never held twice.

Heads that read blocks take this path where X has more than `BIG` values. What they do depends on the rows alone and
not on where they are: on disk and in memory the same fit gives the same weights, to the last bit.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml._rows import RowsOnDisk, taken
from affectml.heads.inputs import Features, as_features, check_columns, on_disk

PART = 2048  # rows of one matrix product: with 512 features 4 MB, which a cache holds
RUN = 256  # neighbouring rows that stay together when an epoch's order is drawn: one piece of the file
RUNS = 256  # runs in memory at once, whose rows are mixed: with 512 features 134 MB


class Blocks:
    """Standardised feature rows [N, D], float32, read when they are asked for.

    source: where the raw rows are. at: which of them, in order; None all. standard: what is taken off and
    divided by, [D] each; None leaves them as they are.
    """

    def __init__(
        self,
        source: Tensor | RowsOnDisk,
        at: NDArray[np.int64] | None = None,
        standard: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self._source, self._at, self._standard = source, at, standard
        self.shape = (source.shape[0] if at is None else len(at), source.shape[1])

    @classmethod
    def of(cls, X: Features, columns: int | None, name: str) -> "Blocks":
        """From what a head was given; see `as_features` for what is refused."""
        rows = on_disk(X, name)
        if rows is None:
            return cls(as_features(X, columns, name))
        check_columns(rows.shape[1], columns, name)
        return cls(rows)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor) -> "Blocks":
        """Some of the rows, in this order."""
        here = rows.numpy()
        return Blocks(self._source, here if self._at is None else self._at[here], self._standard)

    def standardised(self, mean: Tensor, deviation: Tensor) -> "Blocks":
        """The same rows, less `mean` [D] and over `deviation` [D] when they are read."""
        return Blocks(self._source, self._at, (mean.float(), deviation.float()))

    def raw(self) -> Tensor | RowsOnDisk:
        """The rows as they were given, where they are."""
        if self._at is None:
            return self._source
        rows: Tensor | RowsOnDisk = taken(self._source, self._at)
        return rows

    def numel(self) -> int:
        """How many values there are."""
        return self.shape[0] * self.shape[1]

    def read(self, rows: slice | NDArray[np.int64]) -> Tensor:
        """Some of the rows as a tensor of its own, [n, D] float32."""
        where: Any = rows if self._at is None else self._at[rows]
        if isinstance(self._source, RowsOnDisk):
            part = torch.from_numpy(self._source[where])
        else:
            rows_of = self._source
            part = rows_of[where] if isinstance(where, slice) else rows_of.index_select(0, torch.from_numpy(where))
        if self._standard is None:
            return part.to(torch.float32, copy=True)
        mean, deviation = self._standard
        return torch.sub(part.float(), mean).mul_(1 / deviation)

    def parts(self) -> Iterator[tuple[slice, Tensor]]:
        """All rows in their order, some at a time, and which they are."""
        for start in range(0, len(self), PART):
            here = slice(start, min(start + PART, len(self)))
            yield here, self.read(here)

    def sample(self, count: int) -> NDArray[np.int64]:
        """The numbers of about `count` rows, in evenly spaced runs, or of all where there are no more."""
        runs = -(-len(self) // RUN)
        step = max(1, runs // max(1, count // RUN))
        return _rows_of(np.arange(0, runs, step), len(self))

    def epoch(
        self, batch_size: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Every row once in batches of about `batch_size`, in an order that the generator draws: numbers [B], rows.

        Runs of neighbouring rows are drawn, and the rows of many runs mixed: a file is read in pieces, and only these
        rows are in memory. The batches of one mixture are of equal size, to one row.
        """
        order = torch.randperm(-(-len(self) // RUN), generator=generator).numpy()
        for runs in np.array_split(order, -(-len(order) // RUNS)):
            rows = _rows_of(np.sort(runs), len(self))
            held, numbers = torch.empty(len(rows), self.shape[1], dtype=dtype), torch.from_numpy(rows)
            for at in range(0, len(rows), PART):
                held[at : at + PART] = self.read(rows[at : at + PART])
            mixed = torch.randperm(len(rows), generator=generator)
            for batch in torch.tensor_split(mixed, max(1, round(len(rows) / batch_size))):
                yield numbers[batch], held.index_select(0, batch)


def _rows_of(runs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    rows = (runs[:, None] * RUN + np.arange(RUN)).ravel()
    return rows[rows < count]


# Values in X. Below, two threads on two idle cores were slower than one: fitting `auto` on 1,584 x 168 took 47 s
# against 19, and the tests of all heads on a few hundred rows over ten minutes against one and a half.
_SMALL = 4_000_000


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch works with one thread; afterwards it has its own number again."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_thread_if_small(features: Tensor | Blocks) -> AbstractContextManager[None]:
    """`one_thread` on few features."""
    return one_thread() if features.numel() < _SMALL else nullcontext()
