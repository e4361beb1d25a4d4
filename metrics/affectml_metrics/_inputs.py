"""The boundary: whatever a caller holds becomes a tensor of a known shape, dtype and domain, or a clear error."""

import functools
import inspect
from collections.abc import Callable, Sequence, Sized
from contextlib import suppress
from typing import Any, ParamSpec, TypeAlias

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._domains import Domain, labels, trusted, watch
from affectml_metrics._errors import DomainError, ShapeError, in_one_order, real_number

ArrayLike: TypeAlias = Tensor | np.ndarray[Any, Any] | Sequence[Any]
"""Tensors, numpy arrays, nested lists and pandas frames are taken; tensors come back."""


def wide(device: torch.device) -> torch.dtype:
    """float64 where the device has it; float32 on Apple's MPS, which does not."""
    return torch.float32 if device.type == "mps" else torch.float64


def as_tensor(value: ArrayLike, name: str) -> Tensor:
    """`value` as a tensor of whatever dtype it has; memory is shared where that is safe.

    Unsigned integers, which torch cannot compare, become int64 (float64 where that is too small), and numpy's long
    double float64.
    """
    if isinstance(value, Tensor):
        return _signed(value) if value.dtype in _UNSIGNED else value
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:  # numpy: rows of several lengths
        raise ShapeError(f"{name}: expected rows of one length, but received {_ragged(value, error)}") from None
    if array.dtype == object and all(isinstance(cell, (int, float, np.number, np.bool_)) for cell in array.flat):
        array = array.astype(np.float64)  # a frame of bools beside numbers, or of pandas' nullable dtypes
    if array.dtype.kind not in "biuf":
        raise DomainError(f"{name}: expected numbers, but received {_no_number(array)}")
    if array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    tensor = torch.from_numpy(array)
    return _signed(tensor) if tensor.dtype in _UNSIGNED else tensor


def _ragged(value: ArrayLike, error: Exception) -> str:
    """What is wrong with rows that numpy cannot stack."""
    rows = list(value)
    lengths = [len(row) if isinstance(row, Sized) else 1 for row in rows]
    odd = next((row for row, length in enumerate(lengths) if length != lengths[0]), None)
    if odd is None:
        return f"a ragged table ({str(error).splitlines()[0]})"
    return f"{lengths[odd]} values in row {odd} and {lengths[0]} in row 0"


def _no_number(array: np.ndarray[Any, Any]) -> str:
    """The first cell of a table that holds no number, or the dtype of anything else than a table."""
    for (row, label), cell in np.ndenumerate(array) if array.ndim == 2 else ():
        if not isinstance(cell, (int, float, np.number, np.bool_)):
            return f"{repr(str(cell)) if isinstance(cell, str) else cell} in row {row}, label {label}"
    return f"an array of dtype {array.dtype}"


_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)


def _signed(tensor: Tensor) -> Tensor:
    signed = tensor.to(torch.int64)
    too_small = tensor.dtype == torch.uint64 and bool((signed < 0).any())
    return tensor.to(wide(tensor.device)) if too_small else signed


def as_float(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """`tensor` in the float dtype to compute in: float64 and float32 stay, halves become float32.

    Integers and bools follow `like`, and are float64 without it or when it is no float either.
    """
    if tensor.is_floating_point():
        return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
    if like is not None and like.is_floating_point():
        return tensor.to(torch.float32 if like.dtype != torch.float64 else torch.float64)
    return tensor.to(wide(tensor.device))


def matrix(value: ArrayLike, name: str, domain: Domain, *, scan: bool = True) -> Tensor:
    """`value` as [N, C] within `domain`, in its own float dtype (labels: bool).

    scan=False leaves the values to the caller, who looks at them block by block with `watch`.
    """
    tensor = as_tensor(value, name)
    if tensor.ndim != 2:
        hint = f"; one row is `{name}[None]`" if tensor.ndim == 1 else ""
        raise ShapeError(f"{name}: expected [N, C] (rows x labels), but received shape {list(tensor.shape)}{hint}")
    if tensor.shape[1] == 0:
        raise ShapeError(f"{name}: expected at least one label, but received shape {list(tensor.shape)}")
    if tensor.is_complex():
        raise DomainError(f"{name}: expected real numbers, but received dtype {tensor.dtype}")
    if domain == "labels":
        return labels(tensor, name)
    if scan:
        watch(tensor, name, domain)(tensor)
    return tensor


def columns_of(value: ArrayLike, name: str, rows: str = "N") -> tuple[Tensor, bool]:
    """`value`, [N] or [N, M], as float64 [N, M] on the CPU, and whether it was [N]."""
    table = as_tensor(value, name).detach().to("cpu", torch.float64)
    if table.ndim not in (1, 2):
        raise ShapeError(f"{name}: expected [{rows}] or [{rows}, M], but received shape {list(table.shape)}")
    return (table[:, None], True) if table.ndim == 1 else (table, False)


def pair(
    preds: ArrayLike, target: ArrayLike, preds_domain: Domain, target_domain: Domain, threshold: float | None = None
) -> tuple[Tensor, Tensor]:
    """Both matrices, checked, of one shape, on one device and (labels apart) of one float dtype.

    Where one label a row is right, the target may be the labels' indices, [N]. threshold: where preds are due as sets
    and come as rates, a label is in from this rate on.
    """
    in_one_order(preds, target)
    p = matrix(preds, "preds", preds_domain) if threshold is None else at_least(preds, threshold)
    t = as_tensor(target, "target")
    t = matrix(of_indices(t, p) if target_domain != "rates" else t, "target", target_domain)
    same(p, t)
    if p.dtype != torch.bool or preds_domain != "labels":
        p = as_float(p, t)
    if t.dtype != torch.bool or target_domain != "labels":
        t = as_float(t, p)
    if preds_domain != "labels" and target_domain != "labels" and p.dtype != t.dtype:
        p, t = p.to(torch.promote_types(p.dtype, t.dtype)), t.to(torch.promote_types(p.dtype, t.dtype))
    return p, t


def at_least(preds: ArrayLike, threshold: float) -> Tensor:
    """The set of the labels whose rate is `threshold` or more, bool [N, C]."""
    return matrix(preds, "preds", "rates") >= real_number("threshold", threshold, 0, 1)


def of_indices(target: Tensor, preds: ArrayLike) -> Tensor:
    """Indices of the right labels [N] as 0/1 [N, C], bool; a row of -1 where the index is -1 (int8 then).

    Anything else than whole numbers beside preds [N, C] comes back as it is.
    """
    whole = not target.is_floating_point() and target.dtype != torch.bool
    if target.ndim != 1 or not whole:
        return target
    shape = as_tensor(preds, "preds").shape
    if len(shape) != 2 or len(target) != shape[0]:
        return target
    target = target.to(torch.int64)  # bytes hold neither -1 nor every number of labels, and torch wraps what they don't
    wrong = (target < -1) | (target >= shape[1])
    if bool(wrong.any()):
        row = int(wrong.int().argmax())
        raise DomainError(
            f"target: expected indices of labels, 0 to {shape[1] - 1} (or -1 where nobody was asked), "
            f"but received {int(target[row])} in row {row}"
        )
    right = target[:, None] == torch.arange(shape[1], device=target.device)
    unknown = target == -1
    return right.to(torch.int8).masked_fill(unknown[:, None], -1) if bool(unknown.any()) else right


def same(preds: Tensor, target: Tensor, names: tuple[str, str] = ("preds", "target")) -> None:
    """Raise ShapeError unless both have one shape and lie on one device."""
    expected = f"{' and '.join(names)}: expected one"
    if preds.shape != target.shape:
        raise ShapeError(f"{expected} shape [N, C], but received {list(preds.shape)} and {list(target.shape)}")
    if preds.device != target.device:
        raise ShapeError(f"{expected} device, but received {preds.device} and {target.device}")


def square(value: ArrayLike, name: str, labels: int, like: Tensor) -> Tensor:
    """A finite [C, C] matrix between labels (costs, similarities), in the dtype and on the device of `like`."""
    tensor = as_tensor(value, name)
    if list(tensor.shape) != [labels, labels]:
        raise ShapeError(f"{name}: expected [{labels}, {labels}], but received shape {list(tensor.shape)}")
    tensor = tensor.to(dtype=like.dtype, device=like.device)
    if not bool(torch.isfinite(tensor).all()):
        raise DomainError(
            f"{name}: expected finite numbers between every two labels, but received NaN or infinity; "
            "a label that has no place needs an explicit cost to each other label"
        )
    return tensor


def row_weights(weights: ArrayLike | None, like: Tensor) -> Tensor | None:
    """Weights of the rows of `like` as a wide float [N], or None; 0 leaves a row out."""
    if weights is None:
        return None
    tensor = as_tensor(weights, "weights").to(dtype=wide(like.device), device=like.device)
    if tensor.shape != like.shape[:1]:
        raise ShapeError(f"weights: expected [{like.shape[0]}] (one a row), but received {list(tensor.shape)}")
    wrong = ~((tensor >= 0) & torch.isfinite(tensor))
    if not trusted() and bool(wrong.any()):
        row = int(wrong.int().argmax())
        raise DomainError(
            f"weights: expected finite numbers of 0 or more, but received {float(tensor[row]):.6g} in row {row}"
        )
    return tensor


UNASKED = -1

P = ParamSpec("P")


def on_asked_labels(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Let a row metric take -1 in its target: such a row is scored by `function` on the labels that were asked.

    Costs nothing where there is no -1; otherwise one call for each different set of labels asked.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def metric(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        if not trusted():
            with suppress(DomainError):  # it may be that of a -1
                return function(*args, **kwargs)
        arguments = signature.bind(*args, **kwargs).arguments
        asked = _asked_cells(arguments)
        return function(*args, **kwargs) if asked is None else _by_labels_asked(function, arguments, asked)

    return metric


def pair_asked(
    preds: ArrayLike, target: ArrayLike, preds_domain: Domain, target_domain: Domain, threshold: float | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`pair`, and which cells were asked, or None for all; where not, target is 0, and sets and rates as preds too."""
    in_one_order(preds, target)
    preds = as_tensor(preds, "preds")
    t, asked = _known_and_asked(target, preds, target_domain)
    p, t = pair(preds, t, preds_domain, target_domain, threshold)
    if asked is not None and preds_domain in ("labels", "rates"):
        p = p.masked_fill(~asked, 0)
    return p, t, asked


def mass_beside(value: ArrayLike | None, name: str, preds: Tensor) -> Tensor | None:
    """An optional [N, C] matrix of counts or shares that goes with preds; -1 is a label nobody was asked about."""
    if value is None:
        return None
    tensor = as_tensor(value, name)
    known = tensor.masked_fill(tensor == UNASKED, 0) if holds_unasked(tensor) else tensor
    same(preds, matrix(known, name, "mass"), ("preds", name))
    return tensor


def _known_and_asked(target: ArrayLike, preds: Tensor, domain: Domain) -> tuple[Tensor, Tensor | None]:
    t = as_tensor(target, "target")
    t = t if domain == "rates" else of_indices(t, preds)
    if domain not in ("labels", "rates") or not holds_unasked(t):
        return t, None
    asked = t != UNASKED
    return t.masked_fill(~asked, 0), asked


def marked(target: Tensor, asked: Tensor | None) -> Tensor:
    """A target with its unasked cells at -1 again."""
    return target if asked is None else target.to(wide(target.device)).masked_fill(~asked, UNASKED)


def holds_unasked(target: Tensor) -> bool:
    """Whether a cell says that nobody was asked."""
    if target.dtype in (torch.bool, torch.uint8) or not target.numel():  # uint8 holds no -1: torch compares with 255
        return False
    return bool((target == UNASKED).any())


def _asked_cells(arguments: dict[str, object]) -> Tensor | None:
    """Which cells of the target were asked, [N, C], or None where all were; `given` gets its target as a matrix."""
    name = "votes" if "votes" in arguments else "target"
    preds = as_tensor(arguments["preds"], "preds") if "preds" in arguments else None  # type: ignore[arg-type]
    target = as_tensor(arguments[name], name)  # type: ignore[arg-type]
    target = target if preds is None else of_indices(target, preds)
    if target.ndim != 2 or not holds_unasked(target):
        return None
    arguments[name] = target
    return target != UNASKED


def _by_labels_asked(function: Callable[..., Tensor], arguments: dict[str, object], asked: Tensor) -> Tensor:
    """Rows with one set of asked labels at a time, on these labels alone."""
    name = "votes" if "votes" in arguments else "target"
    target = arguments[name]
    assert isinstance(target, Tensor)
    # all rows with every label first: what is wrong elsewhere is named by its own row, and full rows are done
    result = function(**{**arguments, name: target.masked_fill(~asked, 0)}).clone()
    partial = (~asked).any(-1).nonzero()[:, 0]
    which = _same_questions(asked[partial])
    order = which.argsort(stable=True)
    for rows in torch.split(partial[order], which.bincount().tolist()):
        labels = asked[rows[0]].nonzero()[:, 0]
        if len(labels):
            result[rows] = function(**{key: _restricted(key, value, rows, labels) for key, value in arguments.items()})
        else:
            result[rows] = torch.nan
    return result


def _same_questions(asked: Tensor) -> Tensor:
    """A number for each row [N], from 0 up, the same for rows with the same labels asked."""
    labels = asked.shape[1]
    if labels <= 52 and asked.device.type != "mps":  # what a float64 counts exactly
        asked = asked.double() @ torch.exp2(torch.arange(labels, dtype=torch.float64, device=asked.device))
    number: Tensor = torch.unique(asked, dim=0, return_inverse=True)[1]
    return number


def _restricted(name: str, value: object, rows: Tensor, labels: Tensor) -> object:
    """An argument for some rows and labels."""
    if name == "k" and value is not None:
        return min(int(value), len(labels))  # type: ignore[call-overload]
    if name not in ("preds", "target", "votes", "n", "similarity"):
        return value
    table = as_tensor(value, name)  # type: ignore[arg-type]
    if name == "similarity":
        return table[labels.to(table.device)][:, labels.to(table.device)]
    table = table[rows]
    return table[:, labels] if (table.ndim == 2 and table.shape[1] > 1) or name != "n" else table
