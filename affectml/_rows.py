"""Rows that stay on disk: read when they are asked for, so that memory holds some of them at a time."""

import mmap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.errors import AffectmlError, BadArray

BIG = 20_000_000  # values; up to here all of X is held in memory, standardised in float64: 160 MB
PART = 16_384  # rows read at a time by those who go through all of them


class RowsOnDisk:
    """Rows [N, D] of memory-mapped arrays, as float32: a slice or an array of row numbers reads those.

    Heads take it for X: those that can, read it in blocks where it is large; `numpy.asarray` reads all of it. Reading
    raises what `named` makes of the first row asked for that has a value that is NaN or infinite.

    Args:
        shards: arrays [M, D] by number, memory-mapped.
        shard: the number of each row's array, [N].
        row: the row there, [N].
        named: from a row number to the error to raise.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(
        self,
        shards: Mapping[int, NDArray[Any]],
        shard: NDArray[np.int64],
        row: NDArray[np.int64],
        columns: int,
        named: Callable[[int], AffectmlError],
    ) -> None:
        self._shards, self._shard, self._row, self._named = shards, shard, row, named
        self.shape = (len(row), columns)

    @classmethod
    def of(cls, array: NDArray[Any], name: str = "X") -> "RowsOnDisk":
        """All rows of one memory-mapped array [N, D]; name: what it is called in messages."""
        count, columns = array.shape

        def named(row: int) -> AffectmlError:
            return BadArray(f"{name}: row {row} has a value that is NaN or infinite")

        return cls({0: array}, np.zeros(count, dtype=np.int64), np.arange(count), columns, named)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"RowsOnDisk({self.shape[0]} x {self.shape[1]})"

    def take(self, rows: NDArray[np.int64]) -> "RowsOnDisk":
        """Some of the rows, in this order, still on disk."""
        named = self._named
        return RowsOnDisk(
            self._shards, self._shard[rows], self._row[rows], self.shape[1], lambda row: named(int(rows[row]))
        )

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        shard, row = self._shard[index], self._row[index]
        out = np.empty((len(row), self.shape[1]), dtype=np.float32)
        if not len(row):
            return out
        if (shard == shard[0]).all() and (np.diff(row) > 0).all():  # the usual case: nothing to put in order
            _into(out, _read(self._shards[int(shard[0])], row))
        else:
            order = np.lexsort((row, shard))  # each shard once, front to back
            starts = np.flatnonzero(np.diff(shard[order], prepend=-1))
            for here in np.split(order, starts[1:]):
                part = np.empty((len(here), self.shape[1]), dtype=np.float32)
                _into(part, _read(self._shards[int(shard[here[0]])], row[here]))
                out[here] = part
        if not (np.isfinite(out.min()) and np.isfinite(out.max())):
            bad = int((~np.isfinite(out)).any(axis=1).argmax())
            raise self._named(int(np.arange(self.shape[0])[index][bad]))
        return out

    def parts(self, size: int = PART) -> Iterator[NDArray[np.float32]]:
        """All rows in their order, at most `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def let_go(self) -> None:
        """Take what was read of files out of this process's memory; the system may still have it."""
        for shard in self._shards.values():
            if isinstance(shard, np.memmap) and shard.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
                shard._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("rows on disk cannot be had without reading them")
        out = np.empty(self.shape, dtype=np.float32)
        for start in range(0, len(self), PART):
            out[start : start + PART] = self[start : start + PART]
        return out if dtype is None else out.astype(dtype, copy=False)


def taken(X: Any, rows: NDArray[np.int64]) -> Any:
    """Some rows of features, in this order: of rows on disk, which stay there, of an array or of a tensor."""
    return X.take(rows) if isinstance(X, RowsOnDisk) else X[rows]


def _read(shard: NDArray[Any], row: NDArray[np.int64]) -> NDArray[Any]:
    """Rows of one array, in ascending order; neighbours are one piece of the file."""
    first, last = int(row[0]), int(row[-1])
    if last - first + 1 == len(row):
        return shard[first : last + 1]
    return np.take(shard, row, axis=0)


def _into(out: NDArray[np.float32], values: NDArray[Any]) -> None:
    """Copy numbers as float32; torch turns half precision into it twenty times as fast as numpy."""
    if values.dtype != np.float16:
        out[:] = values
        return
    import torch

    given = values if values.flags.writeable else np.array(values)  # what is memory-mapped cannot be written to
    torch.from_numpy(out).copy_(torch.from_numpy(given))
