"""Each figure of a study as a mean over answers: how far people, images and answers differ in it, in the pilot.

A mean over answers has variance P / people + I / images + C / answers, whatever the answers are (Hoeffding 1948), so
the variances of a pilot's people, images and cells say how far the figure of any other study may be off.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from affectml.planning._alpha import Influence, alpha_influence
from affectml.planning._design import Design
from affectml.planning._models import Predicted
from affectml.planning._pilot import Pilot
from affectml.planning._uncertainty import open_variances
from affectml_metrics import TwoWayVariances, two_way_variances

Array = NDArray[Any]
LEVEL = 0.95
PLAN_LEVEL = 0.9
DRAWS = 2000


class Width(NamedTuple):
    """Half the width of a figure's 95 % interval, and the plan's own 90 % interval of it; nan where it is not known."""

    half: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Figures:
    """M figures of a pilot. labels: how many of the first are the labels' rates.

    variances: fields [M]. draws: fields [B, M], what they may be as well, None where all is assumed. pairs: [M], of
    `Influence`; nan for all but alpha.
    """

    names: tuple[str, ...]
    labels: int
    variances: TwoWayVariances
    draws: TwoWayVariances | None
    pairs: Tensor

    def expected(self, design: Design, *, these_images: bool = False) -> dict[str, float]:
        """`widths` without the plan's own interval, which takes a hundredth of the time."""
        halves = self._halves(self.variances, design, these_images).tolist()
        return dict(zip((*self.names, "label_rates", "image_rates"), halves, strict=True))

    def widths(self, design: Design, *, these_images: bool = False) -> dict[str, Width]:
        """Half the width of each figure's 95 % interval: expected, and the plan's own 90 % interval of it.

        `label_rates` is the mean over labels of their rates'; `image_rates` that of an image's own rate.
        these_images: for other people alone, about the very same images.
        """
        expected = self.expected(design, these_images=these_images)
        if self.draws is None:
            return {name: Width(half, math.nan, math.nan) for name, half in expected.items()}
        tails = torch.tensor([(1 - PLAN_LEVEL) / 2, (1 + PLAN_LEVEL) / 2], dtype=torch.float64)
        drawn = self._halves(self.draws, design, these_images)
        # a mean over labels of what is skewed gathers around its mean, not around what was found
        drawn[:, -2:] *= torch.tensor([*expected.values()][-2:], dtype=torch.float64) / drawn[:, -2:].median(0).values
        ends = torch.quantile(drawn, tails, dim=0).T.tolist()
        return {name: Width(half, *each) for (name, half), each in zip(expected.items(), ends, strict=True)}

    def _halves(self, of: TwoWayVariances, design: Design, these: bool) -> Tensor:
        """[..., M + 2]."""
        n = design.people
        more = (2 * self.pairs / (n - 1)).nan_to_num() if n > 1 else torch.where(self.pairs.isnan(), 0.0, torch.nan)
        images = torch.zeros_like(of.images) if these else of.images
        ratio = design.all_people / design.images  # where one is estimated below 0, so much of the other is noise too
        people = (of.people + images.clamp(max=0) * ratio).clamp(min=0)
        images = (images + of.people.clamp(max=0) / ratio).clamp(min=0)
        error, freedom = of._replace(cells=of.cells.clamp(min=0) + more, people=people, images=images).expected(
            design.all_people, design.images, design.answers
        )
        half = error * torch.from_numpy(np.asarray(stats.t.ppf(0.5 + LEVEL / 2, freedom.numpy())))
        rates = half[..., : self.labels]
        within = (of.people + of.cells).clamp(min=0)[..., : self.labels] / n
        own = stats.norm.ppf(0.5 + LEVEL / 2) * within.sqrt()
        return torch.cat([half, rates.nanmean(-1, True), own.nanmean(-1, True)], dim=-1)


def figures_of(
    pilot: Pilot, model: Predicted | None = None, other: Predicted | None = None, *, seed: int = 0, draws: int = DRAWS
) -> Figures:
    """Rates of the labels, alpha, and a model's set F1 and cross-entropy against people, with differences from another.

    A figure that the pilot cannot tell has variances of nan.
    """
    columns: dict[str, Array] = {f"rate:{label}": pilot.chosen[:, at] for at, label in enumerate(pilot.labels)}
    alpha: Influence | None = None
    scores: dict[str, Array] = {}
    if pilot.sets:
        alpha = alpha_influence(pilot)
        columns["alpha"] = np.full(len(pilot.image), np.nan) if alpha is None else alpha.values
        for figure, values in {} if model is None else model.scores(pilot).items():
            scores[figure] = values
            if other is not None:
                scores[f"{figure}_difference"] = values - other.scores(pilot)[figure]
    tables = [(np.stack(list(columns.values()), axis=1), pilot.image)]
    if scores and model is not None:
        tables.append((np.stack(list(scores.values()), axis=1), model.unit))
    found = [two_way_variances(values, pilot.person, unit) for values, unit in tables]
    drawn = None
    if not pilot.assumed:
        open_ = [
            open_variances(of, values, pilot.person, unit, count=draws, seed=seed)
            for of, (values, unit) in zip(found, tables, strict=True)
        ]
        drawn = _joined(open_, pilot, alpha)
    names = (*columns, *scores)
    pairs = torch.full((len(names),), torch.nan, dtype=torch.float64)
    if alpha is not None:
        pairs[names.index("alpha")] = alpha.pairs
    return Figures(names, len(pilot.labels), _joined(found, pilot, alpha), drawn, pairs)


def _joined(tables: list[TwoWayVariances], pilot: Pilot, alpha: Influence | None) -> TwoWayVariances:
    """The variances of all figures; nan where no answer differs, as then nobody knows how far they may differ."""
    all_ = TwoWayVariances(*(torch.cat(fields, dim=-1) for fields in zip(*tables, strict=True)))
    people = torch.zeros_like(all_.cells) if pilot.anonymous else all_.people
    spreads = torch.stack([people, all_.images, all_.cells])
    if alpha is not None:
        spreads[1, ..., len(pilot.labels)] -= alpha.images
        spreads[2, ..., len(pilot.labels)] -= alpha.cells
    spreads = spreads.where((spreads != 0).any(0), torch.nan)
    return all_._replace(people=spreads[0], images=spreads[1], cells=spreads[2])
