"""The boundary: whatever a caller holds becomes a tensor of a known shape, dtype and domain, or a clear error.

Six domains cover every metric of the library:

labels          0/1 (bool, integer or float) in every cell; comes back as bool
scores          real numbers that rank the labels; infinite is allowed, NaN is not
logits          what a softmax turns into shares: below +inf, and in every row one above -inf
mass            counts, rates or shares: finite, 0 or more
rates           each cell in [0, 1]
distribution    rates whose rows sum to 1 (within 1e-4; within 1e-2 for half precision)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import DomainError, ShapeError
from affectml_metrics._options import real_number

ArrayLike: TypeAlias = "Tensor | np.ndarray[Any, Any] | Sequence[Any]"
"""Tensors, numpy arrays, nested lists and pandas frames are taken; tensors come back."""

Domain: TypeAlias = Literal["labels", "scores", "logits", "mass", "rates", "distribution"]

_trusted: ContextVar[bool] = ContextVar("affectml_metrics_trusted", default=False)

_WAY_OUT = {
    "labels": "turn shares into sets first, for instance `target >= 1 / 3` or `modes(target)`; predicted rates with "
    "threshold=",
    "scores": "drop or repair the rows that have no score",
    "logits": "a softmax of it has no value; a label that cannot be is -inf, and each row needs one that can",
    "mass": "drop or repair the rows that have no votes",
    "rates": "divide votes by the people asked, or pass from_logits=True for raw outputs",
    "distribution": "divide each row by its sum and drop rows without votes, or pass from_logits=True for raw outputs",
}
_EXPECTED = {
    "labels": "0 or 1",
    "scores": "a number",
    "logits": "a number below infinity (and above -inf somewhere in the row)",
    "mass": "a finite number of 0 or more",
    "rates": "a rate in [0, 1]",
    "distribution": "a share in [0, 1]",
}


@contextmanager
def unchecked() -> Iterator[None]:
    """Inside this context the values of inputs are trusted: no scan for NaN, range or row sums.

    Shapes are still compared. Saves two passes over the data, and on CUDA the waits for the device; what comes out
    for values outside their domain is undefined.

    >>> import torch
    >>> from affectml_metrics import unchecked
    >>> from affectml_metrics.functional import total_variation
    >>> with unchecked():
    ...     total_variation(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.5000])
    """
    token = _trusted.set(True)
    try:
        yield
    finally:
        _trusted.reset(token)


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
        raise ShapeError(f"{name}: expected rows of one length, but received a ragged table ({error})") from None
    if array.dtype == object and all(isinstance(cell, (int, float, np.number, np.bool_)) for cell in array.flat):
        array = array.astype(np.float64)  # a frame of bools beside numbers, or of pandas' nullable dtypes
    if array.dtype.kind not in "biuf":
        raise DomainError(f"{name}: expected numbers, but received an array of dtype {array.dtype}")
    if array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    tensor = torch.from_numpy(array)
    return _signed(tensor) if tensor.dtype in _UNSIGNED else tensor


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

    scan=False leaves the values to the caller, who looks at them block by block with `clean`.
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
        return _labels(tensor, name)
    if scan:
        clean(tensor, tensor, name, domain)
    return tensor


def clean(part: Tensor, whole: Tensor, name: str, domain: Domain) -> None:
    """Raise DomainError unless the rows `part` of the matrix `whole` lie within `domain`; part may be wider.

    One look that finds nothing wrong, and only then the search for the first wrong cell.
    """
    if _trusted.get() or not part.numel() or (part.dtype == torch.bool and domain != "distribution"):
        return
    if not _looks_clean(part.detach(), domain, whole.dtype):
        _check_floats(whole.detach(), name, domain)


def _looks_clean(part: Tensor, domain: Domain, dtype: torch.dtype) -> bool:
    half = dtype in (torch.float16, torch.bfloat16)
    if domain == "distribution":
        part = part if part.dtype in (torch.float32, torch.float64) else part.float()
        # no share below 0, and a sum of 1, leave no room above 1; NaN comes through both
        low, high = torch.aminmax(part @ part.new_ones(part.shape[1]))
        slack = 1e-2 if half else 1e-4
        return _least(part) >= 0 and low.item() >= 1 - slack and high.item() <= 1 + slack
    low, high = torch.aminmax(part)
    lowest, highest = low.item(), high.item()
    if domain == "scores":
        return lowest == lowest
    if domain == "logits":
        return highest < float("inf") and lowest > -float("inf")
    if domain == "mass":
        return lowest >= 0 and highest < float("inf")
    return lowest >= 0 and highest <= 1 + (1e-2 if half else 1e-6)


def trusted() -> bool:
    """Whether values are taken as they come, inside `unchecked`."""
    return _trusted.get()


def pair(
    preds: ArrayLike,
    target: ArrayLike,
    preds_domain: Domain,
    target_domain: Domain,
    threshold: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Both matrices, checked, of one shape, on one device and (labels apart) of one float dtype.

    Where one label a row is right, the target may be the labels' indices, [N]. threshold: where preds are due as sets
    and come as rates, a label is in from this rate on.
    """
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
    if preds.shape != target.shape:
        raise ShapeError(
            f"{names[0]} and {names[1]}: expected one shape [N, C], "
            f"but received {list(preds.shape)} and {list(target.shape)}"
        )
    if preds.device != target.device:
        raise ShapeError(
            f"{names[0]} and {names[1]}: expected one device, but received {preds.device} and {target.device}"
        )


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
    """Weights of the rows of `like` as a wide float [N], or None; a bootstrap replicate is such a vector of counts."""
    if weights is None:
        return None
    tensor = as_tensor(weights, "weights").to(dtype=wide(like.device), device=like.device)
    if tensor.shape != like.shape[:1]:
        raise ShapeError(f"weights: expected [{like.shape[0]}] (one a row), but received {list(tensor.shape)}")
    if not _trusted.get() and not bool((tensor >= 0).all() & torch.isfinite(tensor).all()):
        raise DomainError("weights: expected finite numbers of 0 or more, but received negative ones or NaN")
    return tensor


def _labels(tensor: Tensor, name: str) -> Tensor:
    if tensor.dtype == torch.bool:
        return tensor
    labels = tensor.bool()
    if _trusted.get() or not tensor.numel():
        return labels
    lowest, highest = (float(x) for x in torch.aminmax(tensor))
    inside = lowest >= 0 and highest <= 1
    if not inside or (tensor.is_floating_point() and not torch.equal(labels.to(tensor.dtype), tensor)):
        _complain(tensor, tensor != labels, name, "labels")
    return labels


def _check_floats(tensor: Tensor, name: str, domain: Domain) -> None:
    """Name the first cell or row outside `domain`, if there is one."""
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    top = 1 + (1e-2 if half else 1e-6)  # renormalised shares overshoot 1 by rounding
    if domain == "scores":
        wrong = torch.isnan(tensor)
    elif domain == "logits":
        lost = (tensor == -torch.inf).all(-1, keepdim=True)
        wrong = ~(tensor < torch.inf) | lost
    elif domain == "mass":
        wrong = ~((tensor >= 0) & torch.isfinite(tensor))
    else:
        wrong = ~((tensor >= 0) & (tensor <= top))
    if bool(wrong.any()):
        _complain(tensor, wrong, name, domain)
    if domain == "distribution":
        sums = tensor.sum(-1, dtype=tensor.dtype if tensor.dtype == torch.float64 else torch.float32)
        off = ~((sums - 1).abs() <= (1e-2 if half else 1e-4))
        if bool(off.any()):
            row = int(off.int().argmax())
            raise DomainError(
                f"{name}: expected rows that sum to 1, but row {row} sums to {float(sums[row]):.6g}; "
                f"{_WAY_OUT['distribution']}"
            )


def _complain(tensor: Tensor, wrong: Tensor, name: str, domain: Domain) -> None:
    row, label = (int(x) for x in wrong.nonzero()[0])
    if domain == "distribution" and float(tensor[row, label]) == -1:
        raise DomainError(
            f"{name}: expected a share in every cell, but received -1 in row {row}, label {label}; the shares of a "
            "distribution answer one question with all its labels on offer: drop the label, or the row, or score rates"
        )
    raise DomainError(
        f"{name}: expected {_EXPECTED[domain]} in every cell, but received {float(tensor[row, label]):.6g} "
        f"in row {row}, label {label}; {_WAY_OUT[domain]}"
    )


def _least(part: Tensor) -> float:
    return float(part.numpy().min()) if part.device.type == "cpu" else float(part.amin())  # numpy is faster
