"""Inputs so small that a metric of each kind can be worked by hand: what `worked` of a row of the table works with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from affectml_metrics.spec import Figure, Given, Kind, MetricSpec
from affectml_metrics.table import _options

Rows: TypeAlias = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Example:
    """Inputs so small that a metric of their kind can be worked by hand; given: what some metrics need besides."""

    preds: Rows
    target: Rows
    given: Mapping[str, Rows | Sequence[int] | str | int] = field(default_factory=dict)


EXAMPLES: Mapping[Kind, Example] = {
    "sets": Example(
        [[1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]],
        [[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]],
        {"similarity": [[1, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 1]]},
    ),
    "ranking": Example(
        [[0.6, 0.3, 0.1, 0], [0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]],
        [[0, 1, 0, 1], [0, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]],
        {"k": [2], "shares": [[1, 5, 1, 3], [1, 1, 3, 0], [0, 2, 3, 5], [0, 0, 0, 0]]},
    ),
    "distribution": Example(
        [[0.5, 0.25, 0.25, 0], [0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]],
        [[0.25, 0.75, 0, 0], [0.2, 0.2, 0.2, 0.4], [0.5, 0.5, 0, 0]],
        {"ground": "line"},
    ),
    "rates": Example(
        [[0.2, 0.5], [0.2, 0.9], [0.6, 0.5], [0.6, 0.9]],
        [[0.25, 0.5], [0, 1], [0.5, 0.25], [1, 0.75]],
        {"votes": [[1, 2], [0, 4], [2, 1], [4, 3]], "n": [4, 4, 4, 4]},
    ),
    "perspectives": Example(
        [[0, 2, 2], [3, 0, 0]], [[0, 1, 0], [1, 0, 2]], {"asked": [[1, 1, 1], [1, 1, 0]], "scale": 3}
    ),
}


def on_example(spec: MetricSpec) -> Tensor:
    """A metric's figure on the example of its first kind: the mean over the rows on which it is defined."""
    kind = spec.kinds[0]
    example = EXAMPLES[kind]
    tables = {name: torch.tensor(rows) for name, rows in example.given.items() if name in ("shares", "votes", "n")}
    given = Given(**{**example.given, **tables})  # type: ignore[arg-type]
    k = given.k[0] if "k" in spec.needs else None
    figure = Figure(spec.named(k), spec, kind, given, _options(spec, given, k))
    return figure.of(*(torch.tensor(rows, dtype=torch.float64) for rows in (example.preds, example.target))).nanmean()
