"""Which values a metric is defined on, and the look at a table that finds those outside.

Six domains cover every metric of the library:

labels          0/1 (bool, integer or float) in every cell; comes back as bool
scores          real numbers that rank the labels; infinite is allowed, NaN is not
logits          what a softmax turns into shares: below +inf, and in every row one above -inf
mass            counts, rates or shares: finite, 0 or more
rates           each cell in [0, 1]
distribution    rates whose rows sum to 1 (within 1e-4; within 1e-2 for half precision)
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from affectml_metrics._errors import DomainError

Domain: TypeAlias = Literal["labels", "scores", "logits", "mass", "rates", "distribution"]

_trusted: ContextVar[bool] = ContextVar("affectml_metrics_trusted", default=False)

_RULES: dict[Domain, tuple[str, str]] = {
    "labels": (
        "0 or 1",
        "turn shares into sets first, for instance `target >= 1 / 3` or `modes(target)`; predicted rates with "
        "threshold=",
    ),
    "scores": ("a number", "drop or repair the rows that have no score"),
    "logits": (
        "a number below infinity (and above -inf somewhere in the row)",
        "a softmax of it has no value; a label that cannot be is -inf, and each row needs one that can",
    ),
    "mass": ("a finite number of 0 or more", "drop or repair the rows that have no votes"),
    "rates": ("a rate in [0, 1]", "divide votes by the people asked"),
    "distribution": ("a share in [0, 1]", "divide each row by its sum and drop rows without votes"),
}
"""What is expected in every cell, and the way out."""


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


def trusted() -> bool:
    """Whether values are taken as they come, inside `unchecked`."""
    return _trusted.get()


def watch(whole: Tensor, name: str, domain: Domain) -> Callable[[Tensor], None]:
    """A function that raises DomainError unless the rows it gets of the matrix `whole` lie within `domain`.

    The rows may be of a wider dtype, and come block by block. One look that finds nothing wrong, and only then the
    search of the whole for the first wrong cell.
    """
    if trusted() or (whole.dtype == torch.bool and domain != "distribution"):
        return lambda rows: None
    half = whole.dtype in (torch.float16, torch.bfloat16)
    top, slack = (1 + 1e-2, 1e-2) if half else (1 + 1e-6, 1e-4)  # renormalised shares overshoot 1 by rounding
    searched = False

    def look(rows: Tensor) -> None:
        nonlocal searched
        if searched or not len(rows):
            return
        clean = rows.detach() if rows.dtype in (torch.float32, torch.float64) else rows.detach().float()
        if domain == "distribution":
            # no share below 0, and a sum of 1, leave no room above 1, and NaN fails both. The least comes first: it is
            # the quickest look, and brings the rows into the cache
            fine = float(clean.amin()) >= 0 and all(abs(float(end) - 1) <= slack for end in clean.sum(-1).aminmax())
        else:
            low, high = map(float, clean.aminmax())
            fine = _inside(low, domain, top) and _inside(high, domain, top) and (low, domain) != (-math.inf, "logits")
        if not fine:
            _search(whole.detach(), name, domain, top, slack)
            searched = True  # and nothing was wrong with it

    return look


def labels(tensor: Tensor, name: str) -> Tensor:
    """`tensor` as bool; DomainError unless each cell is 0 or 1."""
    if tensor.dtype == torch.bool:
        return tensor
    right = tensor.bool()
    if not trusted() and not torch.equal(right.to(tensor.dtype), tensor):
        _complain(tensor, tensor != right, name, "labels")
    return right


def _inside(value: Any, domain: Domain, top: float) -> Any:
    """Whether a cell of this domain may have this value, a float or each of a tensor."""
    if domain == "scores":
        return value == value
    if domain == "logits":
        return value < math.inf
    return (value >= 0) & (value < math.inf if domain == "mass" else value <= top)


def _search(tensor: Tensor, name: str, domain: Domain, top: float, slack: float) -> None:
    """Name the first cell or row outside `domain`, if there is one."""
    wrong: Tensor = ~_inside(tensor, domain, top)
    if domain == "logits":
        wrong |= (tensor == -math.inf).all(-1, keepdim=True)
    if bool(wrong.any()):
        _complain(tensor, wrong, name, domain)
    if domain == "distribution":
        sums = tensor.sum(-1, dtype=tensor.dtype if tensor.dtype == torch.float64 else torch.float32)
        if bool((off := ~((sums - 1).abs() <= slack)).any()):
            row = int(off.int().argmax())
            came = f"row {row} sums to {float(sums[row]):.6g}"
            raise DomainError(f"{name}: expected rows that sum to 1, but {came}; {_way_out(name, domain)}")


def _complain(tensor: Tensor, wrong: Tensor, name: str, domain: Domain) -> None:
    row, label = (int(x) for x in wrong.nonzero()[0])
    if domain == "distribution" and float(tensor[row, label]) == -1:
        raise DomainError(
            f"{name}: expected a share in every cell, but received -1 in row {row}, label {label}; the shares of a "
            "distribution answer one question with all its labels on offer: drop the label, or the row, or score rates"
        )
    raise DomainError(
        f"{name}: expected {_RULES[domain][0]} in every cell, but received {float(tensor[row, label]):.6g} "
        f"in row {row}, label {label}; {_way_out(name, domain)}"
    )


def _way_out(name: str, domain: Domain) -> str:
    logits = ", or pass from_logits=True for raw outputs" * (name == "preds" and domain in ("rates", "distribution"))
    return _RULES[domain][1] + logits
