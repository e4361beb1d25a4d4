"""Which values a metric is defined on, and the look at a table that finds those outside.

Six domains cover every metric of the library:

labels          0/1 (bool, integer or float) in every cell; comes back as bool
scores          real numbers that rank the labels; infinite is allowed, NaN is not
logits          what a softmax turns into shares: below +inf, and in every row one above -inf
mass            counts, rates or shares: finite, 0 or more
rates           each cell in [0, 1]
distribution    rates whose rows sum to 1 (within 1e-4; within 1e-2 for half precision)
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from affectml_metrics._errors import DomainError

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
    if domain == "distribution":
        looks_clean = _sum_to_one(1e-2 if half else 1e-4)
    else:
        looks_clean = _within(domain, 1 + (1e-2 if half else 1e-6))
    searched = False

    def look(rows: Tensor) -> None:
        nonlocal searched
        if not searched and len(rows) and not looks_clean(rows.detach() if rows.requires_grad else rows):
            _check_floats(whole.detach(), name, domain)
            searched = True  # and nothing was wrong with it

    return look


def _sum_to_one(slack: float) -> Callable[[Tensor], bool]:
    def looks_clean(rows: Tensor) -> bool:
        rows = rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
        # no share below 0, and a sum of 1, leave no room above 1; NaN fails both. The least comes first: it is the
        # quickest look, and brings the rows into the cache
        if not float(rows.amin()) >= 0:
            return False
        low, high = _ends(rows.sum(-1))
        return low >= 1 - slack and high <= 1 + slack

    return looks_clean


def _within(domain: Domain, top: float) -> Callable[[Tensor], bool]:
    def looks_clean(rows: Tensor) -> bool:
        low, high = _ends(rows)
        if domain == "scores":
            return low == low
        if domain == "logits":
            return high < float("inf") and low > -float("inf")
        return low >= 0 and (high < float("inf") if domain == "mass" else high <= top)

    return looks_clean


def labels(tensor: Tensor, name: str) -> Tensor:
    """`tensor` as bool; DomainError unless each cell is 0 or 1."""
    if tensor.dtype == torch.bool:
        return tensor
    found = tensor.bool()
    if _trusted.get() or not tensor.numel():
        return found
    lowest, highest = _ends(tensor)
    inside = lowest >= 0 and highest <= 1
    if not inside or (tensor.is_floating_point() and not torch.equal(found.to(tensor.dtype), tensor)):
        _complain(tensor, tensor != found, name, "labels")
    return found


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


def _ends(part: Tensor) -> tuple[float, float]:
    """The lowest and the highest value; both are nan where one is."""
    low, high = torch.aminmax(part)
    return float(low), float(high)
