"""What heads accept: arrays or tensors of any float dtype, checked once, and all that a training has to learn from."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml._rows import RowsOnDisk
from affectml.errors import BadArray, BadInput

ArrayLike: TypeAlias = Tensor | NDArray[np.generic]
Features: TypeAlias = ArrayLike | RowsOnDisk
Pair: TypeAlias = tuple[Features, ArrayLike]

_TRACED: ContextVar[bool] = ContextVar("traced", default=False)
PART = 65_536  # rows per matrix product
SUM_TOLERANCE = 1e-3  # published shares are rounded to three or four digits


@contextmanager
def traced() -> Iterator[None]:
    """Inside, inputs are tensors that are taken as they are: an export follows arithmetic, and no checks of values."""
    token = _TRACED.set(True)
    try:
        yield
    finally:
        _TRACED.reset(token)


def in_parts(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """The rows, at most `size` at a time; all at once inside `traced`, where their number is not known."""
    return (rows,) if _TRACED.get() else torch.split(rows, size)


def as_matrix(values: Features, name: str, dtype: torch.dtype | None = None) -> Tensor:
    """A finite 2-d CPU tensor; half precision and integers become float32 unless `dtype` says otherwise.

    Raises BadArray naming the first row that is not finite, or the shape that came instead of a matrix.
    """
    if _TRACED.get() and isinstance(values, Tensor):
        return values if dtype is None else values.to(dtype)
    if hasattr(values, "toarray"):
        raise BadArray(f"{name}: a sparse matrix is not supported; give {name}.toarray()")
    try:
        tensor = values.detach().cpu() if isinstance(values, Tensor) else torch.from_numpy(_plain(values))
    except (TypeError, ValueError) as error:
        raise BadArray(f"{name}: not a numeric array or tensor ({error})") from None
    if tensor.is_complex():
        raise BadArray(f"{name}: complex data are not supported, expected real numbers, got {tensor.dtype}")
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise BadArray(f"{name}: expected a matrix with rows and columns, got shape {tuple(tensor.shape)}")
    kept = tensor.dtype if tensor.dtype in (torch.float32, torch.float64) else torch.float32
    tensor = tensor.to(dtype or kept)
    if not (torch.stack(tensor.aminmax()) * 0 == 0).all():  # a tenth of the time of asking every value
        refuse_rows(~tensor.isfinite(), name, "has a value that is NaN or infinite")
    return tensor


def refuse_rows(wrong: Tensor, name: str, why: str) -> None:
    """Raise BadArray for the first row of a table in which a value is wrong, [N, C] bool; why: what it has or is."""
    rows = wrong.any(dim=1)
    if rows.any():
        raise BadArray(f"{name}: row {int(rows.long().argmax())} {why}")


def _plain(values: Features) -> NDArray[np.generic]:
    """An array that torch reads where it lies, or a copy; objects, as of data frames, become float64 where numbers."""
    array = np.asarray(values)
    if not array.flags.writeable or min(array.strides, default=0) < 0:
        array = array.copy()
    if array.dtype != object:
        return array
    text = next((value for value in array.flat if isinstance(value, str | bytes)), None)
    if text is not None:
        raise TypeError(f"it holds the text {text!r}")
    return array.astype(np.float64)


def as_features(features: Features, columns: int | None = None, name: str = "X") -> Tensor:
    """Features as a tensor [N, D].

    Args:
        features: [N, D]: an array, tensor, list or data frame of numbers.
        columns: the D that the head was fitted on, where it was.
        name: what they are called in messages.

    Raises:
        BadArray: for another shape, what is no number, nan, infinity, or another D.
    """
    tensor = as_matrix(features, name)
    check_columns(tensor.shape[1], columns, name)
    return tensor


def feature_parts(features: Features, columns: int | None, size: int = PART) -> Iterator[Tensor]:
    """The same, at most `size` rows at a time; of rows on disk no more than these are in memory."""
    rows = on_disk(features, "X")
    if rows is None:
        yield from in_parts(as_features(features, columns), size)
        return
    check_columns(rows.shape[1], columns, "X")
    for part in rows.parts(size):
        yield torch.from_numpy(part)


def on_disk(features: Features, name: str) -> RowsOnDisk | None:
    """Features that are read from a file when asked for; None where they are in memory."""
    if isinstance(features, np.memmap) and features.ndim == 2 and features.dtype.kind in "fiu" and len(features):
        return RowsOnDisk.of(features, name)
    return features if isinstance(features, RowsOnDisk) else None


def check_columns(count: int, columns: int | None, name: str) -> None:
    """Raise BadArray for another number of features than a head was fitted on."""
    if columns is not None and count != columns:
        raise BadArray(
            f"{name}: {count} features per row, but this head was fitted on {columns}; "
            "embed with the encoder it was trained with"
        )


def _check_answers(targets: ArrayLike, name: str) -> None:
    """Raises BadArray for answers by name or number, which scikit-learn takes and heads do not."""
    rows = targets.tolist() if getattr(targets, "ndim", 0) == 1 and hasattr(targets, "tolist") else targets
    for row in rows if isinstance(rows, list | tuple) else ():
        way = "pandas.get_dummies(y)" if isinstance(row, str | int | float) else ""
        if isinstance(row, list | tuple | set) and any(isinstance(label, str) for label in row):
            way = "sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y)"
        if way:
            raise BadArray(f"{name}: expected a matrix with a column per label, got {row!r} as a row; {way} makes one")


def as_shares(targets: ArrayLike, rows: int, columns: int | None = None, name: str = "targets") -> Tensor:
    """Targets [N, C] in [0, 1] as float64; raises BadArray naming the first row outside."""
    _check_answers(targets, name)
    tensor = as_matrix(targets, name, torch.float64)
    if len(tensor) != rows:
        raise BadArray(f"{name}: {len(tensor)} rows for {rows} rows of features")
    if columns is not None and tensor.shape[1] != columns:
        raise BadArray(f"{name}: {tensor.shape[1]} labels, expected {columns}")
    outside = (tensor < 0) | (tensor > 1 + SUM_TOLERANCE)
    refuse_rows(outside, name, "has a value outside 0..1; divide votes by people asked")
    return tensor.clamp(max=1)


def is_distribution(shares: Tensor) -> bool:
    """Whether every row sums to one, within the rounding of published shares."""
    return bool(((shares.sum(dim=1) - 1).abs() <= SUM_TOLERANCE).all())


def as_distribution(targets: ArrayLike, rows: int, columns: int | None = None, name: str = "targets") -> Tensor:
    """Targets [N, C] whose rows sum to one, renormalised to do so exactly."""
    shares = as_shares(targets, rows, columns, name)
    sums = shares.sum(dim=1)
    off = (sums - 1).abs() > SUM_TOLERANCE
    if off.any():
        row = int(off.long().argmax())
        raise BadArray(
            f"{name}: row {row} sums to {float(sums[row]):.4g}, not to 1: this head takes one-hot labels or "
            "distributions; for sets or rates take SigmoidHead"
        )
    return shares / sums[:, None]


def as_weights(weights: ArrayLike | None, shape: torch.Size, per_cell: bool) -> Tensor:
    """Weights as float64 [N, 1] or, where `per_cell` allows it, [N, C]; ones where none are given."""
    rows, labels = shape
    if weights is None:
        return alike(rows)
    table = weights if isinstance(weights, Tensor) else np.asarray(weights)
    flat = table[:, None] if table.ndim == 1 else table
    tensor = as_matrix(flat, "weights", torch.float64)
    wanted = [(rows, 1), (rows, labels)] if per_cell else [(rows, 1)]
    if tuple(tensor.shape) not in wanted:
        allowed = f"[{rows}]" + (f" or [{rows}, {labels}]" if per_cell else "")
        raise BadArray(f"weights: expected shape {allowed}, got {list(table.shape)}")
    refuse_rows(tensor < 0, "weights", "is negative")
    if not tensor.sum() > 0:
        raise BadArray("weights: all are zero, so there is nothing to learn from")
    return tensor


def weighted_mean(shares: Tensor, mass: Tensor) -> Tensor:
    """The mean [C] of shares [N, C], each cell by its weight, [N, 1] or [N, C]."""
    cells = mass.expand_as(shares)
    return (cells * shares).sum(dim=0) / cells.sum(dim=0).clamp(min=1e-300)


def alike(rows: int) -> Tensor:
    """The weights [N, 1] of rows that all count the same."""
    return torch.ones(rows, 1, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Rows:
    """What a head is fitted on, checked and turned into CPU tensors.

    X: features [N, D], float32 or float64; Blocks of a head that reads them, where X is large, and then those of val
    are too. targets: [N, C] float64. val: X and targets of other rows, for choices.
    weights: [N, 1] or [N, C] float64; None where none were given.
    """

    X: Tensor
    targets: Tensor
    val: tuple[Tensor, Tensor] | None = None
    weights: Tensor | None = None

    @property
    def mass(self) -> Tensor:
        """The weights, [N, 1] or [N, C]: ones where none were given."""
        return alike(len(self.X)) if self.weights is None else self.weights

    @property
    def prevalence(self) -> list[float]:
        """Each label's mean share, cells that weigh nothing left out."""
        return weighted_mean(self.targets, self.mass).tolist()

    def need(self, least: int, instead: str) -> None:
        """Raise BadArray where rows must be kept out and there are fewer than `least`; instead: the way out."""
        if self.val is None and len(self.X) < least:
            few = "one row is" if len(self.X) == 1 else f"{len(self.X)} rows are"
            raise BadArray(f"X: {few} too few to keep any out for choices; {instead}")


def _lacking() -> Any:
    raise BadInput("material: it lacks what this head learns from: sets, texts or people")


@dataclass(frozen=True, eq=False)
class Material:
    """N training images and what is known of them.

    kind: of the target: single, sets, rates or distribution. X, shares: features [N, D] and the target's shares [N, C].
    val: the same of other images. val_sets: the label sets of those, 0/1; None where there are none. votes: people
    behind each row, [N]; None where that is not known. uneven: whether these differ so much that a share of few must
    count less than a share of many. generator: for everything random.

    What takes long is made when a head asks for it, and raises BadInput where there is none. sets: of the training and
    of the validation images. texts: `prompts` of `TextHead.fit`. people: `answers`, `val_answers` and
    `groups` of `ByPersonHead.fit`.
    """

    kind: str
    X: Features
    shares: ArrayLike
    val: Pair
    val_sets: ArrayLike | None = None
    votes: NDArray[Any] | None = None
    uneven: bool = False
    generator: torch.Generator | None = None
    sets: Callable[[], tuple[ArrayLike, ArrayLike]] = _lacking
    texts: Callable[[], Mapping[str, Any]] = _lacking
    people: Callable[[], Mapping[str, Any]] = _lacking

    def counted(self) -> dict[str, Any]:
        """`weights` for `fit`: the votes, where they differ much; else nothing."""
        return {"weights": self.votes} if self.uneven else {}
