"""Labels nobody was asked about: -1 in the target, at the one gate through which every metric takes its tables.

What an unasked cell means. Over rows (sets, rankings, rates): the label is left out for that row, so the row is scored
on the labels that were asked; a row without any is nan, left out of means and counted. Over the table (F1, precision,
AUROC, calibration): the cell does not count for its label. A distribution has none: its shares are of one question,
with all labels on offer, so -1 is refused.
"""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec

import torch
from torch import Tensor

from affectml_metrics._domains import Domain, trusted
from affectml_metrics._errors import DomainError
from affectml_metrics._inputs import ArrayLike, as_tensor, matrix, of_indices, pair, same, wide

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
            try:
                return function(*args, **kwargs)
            except DomainError:
                given = signature.bind(*args, **kwargs).arguments
                asked = _asked(given)
                if asked is None:  # the target is not to blame
                    raise
        else:
            given = signature.bind(*args, **kwargs).arguments
            asked = _asked(given)
            if asked is None:
                return function(*args, **kwargs)
        return _by_pattern(function, given, asked)

    return metric


def pair_asked(
    preds: ArrayLike, target: ArrayLike, preds_domain: Domain, target_domain: Domain, threshold: float | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """`pair`, and which cells were asked, or None for all; where not, target is 0, and sets and rates as preds too."""
    preds = as_tensor(preds, "preds")
    t, asked = _parted(target, preds, target_domain)
    p, t = pair(preds, t, preds_domain, target_domain, threshold)
    if asked is not None and preds_domain in ("labels", "rates"):
        p = p.masked_fill(~asked, 0)
    return p, t, asked


def target_asked(target: ArrayLike, preds: Tensor, domain: Domain) -> tuple[Tensor, Tensor | None]:
    """A checked target beside preds [N, C], and which of its cells were asked, or None for all; where not, it is 0."""
    t, asked = _parted(target, preds, domain)
    t = matrix(t, "target", domain).detach()
    same(preds, t)
    return t, asked


def _parted(target: ArrayLike, preds: Tensor, domain: Domain) -> tuple[Tensor, Tensor | None]:
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


def _asked(given: dict[str, object]) -> Tensor | None:
    """Which cells of the target were asked, [N, C], or None where all were; `given` gets its target as a matrix."""
    name = "votes" if "votes" in given else "target"
    preds = as_tensor(given["preds"], "preds") if "preds" in given else None  # type: ignore[arg-type]
    target = as_tensor(given[name], name)  # type: ignore[arg-type]
    if preds is not None:
        target = of_indices(target, preds)
    if target.ndim != 2 or not holds_unasked(target):
        return None
    given[name] = target
    return target != UNASKED


def _by_pattern(function: Callable[..., Tensor], given: dict[str, object], asked: Tensor) -> Tensor:
    """Rows with one set of asked labels at a time, on these labels alone."""
    name = "votes" if "votes" in given else "target"
    target = given[name]
    assert isinstance(target, Tensor)
    # all rows with every label first: what is wrong elsewhere is named by its own row, and full rows are done
    result = function(**{**given, name: target.masked_fill(~asked, 0)}).clone()
    partial = (~asked).any(-1).nonzero()[:, 0]
    which = _same_questions(asked[partial])
    order = which.argsort(stable=True)
    for rows in torch.split(partial[order], which.bincount().tolist()):
        labels = asked[rows[0]].nonzero()[:, 0]
        if len(labels):
            result[rows] = function(**{key: _part(key, value, rows, labels) for key, value in given.items()})
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


def _part(name: str, value: object, rows: Tensor, labels: Tensor) -> object:
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
