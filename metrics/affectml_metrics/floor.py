"""The sampling floor: the truth seen through a few votes."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import DomainError, ShapeError, one_of, whole_number
from affectml_metrics._inputs import ArrayLike, as_tensor, matrix


def sampling_floor(
    target: ArrayLike,
    n: int | ArrayLike,
    metric: Callable[[Tensor, Tensor], Tensor],
    *,
    kind: Literal["distribution", "rates"] = "distribution",
    repeats: int = 10,
    generator: torch.Generator,
) -> Tensor:
    """What the truth itself would score against the answers of n people: no model can be expected to do better.

    target: the truth, or its best stand-in, [N, C]: a distribution (each person gives one vote) or rates (each label
    is chosen independently with its rate). n: people an image, one number or [N], at least 1. metric: `(preds,
    target)` to [N] or 0-dim; it is called with the truth as preds and drawn shares as target. repeats: tables drawn;
    the result is the mean over rows and repeats, 0-dim float64. Shares observed from n people and taken as the truth
    are more extreme than the truth, so the floor from them is a little low. Raises MetricInputError.

    >>> from affectml_metrics.functional import total_variation
    >>> truth = torch.full((200, 4), 0.25)
    >>> few = sampling_floor(truth, 5, total_variation, generator=torch.Generator().manual_seed(0))
    >>> many = sampling_floor(truth, 500, total_variation, generator=torch.Generator().manual_seed(0))
    >>> bool(few > 5 * many)
    True
    """
    return sampling_floors(target, n, {"": metric}, kind=kind, repeats=repeats, generator=generator)[""]


def sampling_floors(
    target: ArrayLike,
    n: int | ArrayLike,
    metrics: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
    *,
    kind: Literal["distribution", "rates"] = "distribution",
    repeats: int = 10,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """`sampling_floor` of several metrics, on the same draws."""
    one_of("kind", kind, ("distribution", "rates"))
    whole_number("repeats", repeats, 1)
    truth = matrix(target, "target", kind).detach().to("cpu", torch.float64)
    asked = as_tensor(np.asarray(n) if isinstance(n, (int, float)) else n, "n").to("cpu")
    people = asked.to(torch.int64)
    if bool((people != asked).any()):
        raise DomainError(f"n: expected whole numbers of people, but received {float(asked[people != asked][0]):.6g}")
    if people.ndim > 1 or (people.ndim == 1 and len(people) != len(truth)):
        raise ShapeError(f"n: expected one number or [{len(truth)}], but received shape {list(people.shape)}")
    if people.numel() and int(people.min()) < 1:
        raise DomainError(f"n: expected at least 1 person an image, but received {int(people.min())}")
    people = people.expand(len(truth))
    scores: dict[str, list[Tensor]] = {name: [] for name in metrics}
    for _ in range(repeats):
        drawn = (_vote if kind == "distribution" else _answer)(truth, people, generator)
        for name, metric in metrics.items():
            scores[name].append(metric(truth, drawn).double().nanmean())
    return {name: torch.stack(draws).mean() for name, draws in scores.items()}


def _vote(truth: Tensor, n: Tensor, generator: torch.Generator) -> Tensor:
    """Shares of n votes drawn from each row."""
    seats = int(n.max()) if len(n) else 0
    if not seats:
        return truth
    drawn = torch.multinomial(truth, seats, replacement=True, generator=generator)
    counted = (torch.arange(seats) < n[:, None]).to(truth.dtype)
    return torch.zeros_like(truth).scatter_add_(1, drawn, counted) / n[:, None]


def _answer(truth: Tensor, n: Tensor, generator: torch.Generator) -> Tensor:
    """Rates among n people who say yes to each label with its rate."""
    people = n[:, None].to(truth.dtype).expand_as(truth).contiguous()
    return torch.binomial(people, truth.clamp(max=1), generator=generator) / people
