"""People as the reference: what a person, or half a panel, would score where the model is scored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from affectml_metrics._arguments import one_of, whole_number
from affectml_metrics._errors import ArgumentError, ShapeError
from affectml_metrics._inputs import ArrayLike
from affectml_metrics._panel import Against, Panel

RowMetric: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""`(preds, target) -> [N]`: a function of `affectml_metrics.functional`, with options bound by a lambda or partial."""


@dataclass(frozen=True)
class HumanReference:
    """Rows of people and of other systems on the same targets; pass them to mean_interval for values and intervals.

    rows: {"human" or "half_panel": [N], "<system>_loo" or "<system>_half": [N]}, one value an image, the mean over
    the people left out of it (or over the draws of a half); nan where too few were asked. images: how many have a
    value. predictor: "person", "rest" or "half", as it was asked for.
    """

    predictor: str
    rows: dict[str, Tensor] = field(repr=False)
    images: int

    def mean(self, system: str) -> float:
        """Mean over the images that have a value."""
        return float(self.rows[system].nanmean())


def human_reference(
    judgements: ArrayLike,
    asked: ArrayLike,
    metric: RowMetric,
    preds: Mapping[str, ArrayLike] | None = None,
    *,
    against: Against = "set",
    predictor: Literal["person", "rest", "half"] = "person",
    tau: float = 1 / 3,
    smoothing: float = 1.0,
    base: ArrayLike | None = None,
    draws: int = 10,
    generator: torch.Generator | None = None,
) -> HumanReference:
    """How well people do at a metric, with other systems on the very same targets.

    predictor says who predicts whom, and every system of `preds` meets the same targets:

    - "person": each person in turn predicts the rest of the panel by their 0/1 answer, which fits set and ranking
      metrics (for top-k use ties="expected": the order of labels says nothing about an answer).
    - "rest": the other people's smoothed shares predict the person left out: the reference for proper scores
      (cross-entropy, Brier), which one person's answer cannot have.
    - "half": half the panel, drawn at random, predicts the other half; named "half_panel", so that nobody takes it for
      one person. Needs `generator`; the mean over `draws` halvings.

    against says what the predicted people's answers are made into:

    - "people": nothing; the score is the mean over them one by one, which needs no cut.
    - "set": the labels that at least `tau` of them chose.
    - "rates": votes / n.
    - "distribution": votes / all their votes; images whose people chose nothing drop out.
    - a function `(votes [M, C], n [M]) -> target [M, C]`: a rule of your own.

    With "half" the predicting half is made by the same rule, but smoothed for "rates" and "distribution"; with "rest"
    only these two are possible.

    judgements: 0/1 [N, A, C], what each person chose; asked: 0/1 [N, A], who was asked (unsure and skipped are not
    asked; an asked person who chose nothing said "none of these"). metric: `(preds, target) -> [M]`, a value a row.
    preds: {name: [N, C] or [C]}, such as {"model": ..., "prior": ...}; for set metrics these are sets. smoothing: how
    many imaginary people who answer like `base` ([C] rates; the average of all judgements but those predicted if not
    given) are added to shares that predict. Images with fewer than 2 people are nan. Raises MetricInputError.

    >>> from affectml_metrics.functional import set_f1
    >>> answers = torch.tensor([[[1, 0], [1, 0], [1, 1]]])  # one image, three people, two labels
    >>> reference = human_reference(answers, torch.ones(1, 3), set_f1, {"model": [[1, 0]]}, against="people")
    >>> round(reference.mean("human"), 4), round(reference.mean("model_loo"), 4)
    (0.7778, 0.8889)
    """
    one_of("predictor", predictor, ("person", "rest", "half"))
    if not callable(against):
        one_of("against", against, ("people", "set", "rates", "distribution"))
    if predictor == "rest" and against not in ("rates", "distribution"):
        raise ArgumentError(
            "against: expected 'rates' or 'distribution' with predictor='rest' (the shares that predict), "
            f"but received {against!r}"
        )
    if predictor == "half" and against == "people":
        raise ArgumentError("against: expected one target a half with predictor='half', but received 'people'")
    panel = Panel.of(judgements, asked, base, smoothing, tau)
    systems = {name: panel.system(name, value) for name, value in (preds or {}).items()}
    scores = _Scores(panel, metric, systems, "half_panel" if predictor == "half" else "human")
    if predictor == "half":
        draws = whole_number("draws", draws, 1)
        if generator is None:
            raise ArgumentError("generator: expected a torch.Generator with predictor='half', but received None")
        _halves(scores, panel, against, draws, generator)
    elif against == "people":
        _each_other(scores, panel)
    else:
        _one_and_rest(scores, panel, against, by_rest=predictor == "rest")
    rows = scores.means("_half" if predictor == "half" else "_loo")
    return HumanReference(predictor, rows, int((~rows[scores.name].isnan()).sum()))


class _Scores:
    """Sums of rows per image, of the reference (`name`) and of each system, for the mean over people or draws."""

    def __init__(self, panel: Panel, metric: RowMetric, systems: Mapping[str, Tensor], name: str) -> None:
        if name in systems:
            raise ArgumentError(f"preds: expected names other than {name!r}, which is the reference's own")
        self.metric, self.systems, self.name = metric, systems, name
        nothing = torch.zeros(len(panel.answers), dtype=torch.float64, device=panel.answers.device)
        self.sums = {each: (nothing.clone(), nothing.clone()) for each in (name, *systems)}  # of values, of times

    def add(self, name: str, where: Tensor, preds: Tensor, target: Tensor) -> None:
        rows = self.metric(preds, target)
        if list(rows.shape) != [int(where.sum())]:
            raise ShapeError(
                f"metric: expected one value a row, [{int(where.sum())}], but received shape {list(rows.shape)}; "
                "metrics over the table have no human reference by rows"
            )
        defined = ~rows.isnan()
        total, times = self.sums[name]
        total[where] += rows.double().masked_fill(~defined, 0.0)
        times[where] += defined

    def add_systems(self, where: Tensor, target: Tensor) -> None:
        for name, preds in self.systems.items():
            self.add(name, where, preds[where], target)

    def means(self, suffix: str) -> dict[str, Tensor]:
        """By name; 0 / 0 is nan: no value."""
        return {
            name if name == self.name else name + suffix: total / times for name, (total, times) in self.sums.items()
        }


def _one_and_rest(scores: _Scores, panel: Panel, against: Against, *, by_rest: bool) -> None:
    """Each person in turn against the rest of the panel, who are predicted by this answer, or predict it."""
    votes, n = panel.answers.sum(1), panel.asked.sum(1)
    for person in range(panel.asked.shape[1]):
        mine = panel.answers[:, person]
        rest, one = (votes - mine, n - 1), (mine, torch.ones_like(n))
        predicted = one if by_rest else rest
        where = panel.asked[:, person] & (n > 1) & panel.usable(*predicted, against)
        if not bool(where.any()):
            continue
        target = panel.target(predicted[0][where], predicted[1][where], against)
        preds = mine[where]
        if by_rest:
            preds = panel.smoothed(rest[0][where], rest[1][where], against, (preds, one[1][where]))
        scores.add(scores.name, where, preds, target)
        scores.add_systems(where, target)


def _each_other(scores: _Scores, panel: Panel) -> None:
    several = panel.asked.sum(1) > 1
    for person in range(panel.asked.shape[1]):
        where = panel.asked[:, person] & several
        if not bool(where.any()):
            continue
        # the mean over those left out of the mean over the rest: each counts once
        scores.add_systems(where, panel.answers[where, person])
        for other in range(panel.asked.shape[1]):
            both = where & panel.asked[:, other]
            if other != person and bool(both.any()):
                scores.add(scores.name, both, panel.answers[both, other], panel.answers[both, person])


def _halves(scores: _Scores, panel: Panel, against: Against, draws: int, generator: torch.Generator) -> None:
    half = panel.asked.sum(1) // 2
    for _ in range(draws):
        order = torch.rand(panel.asked.shape, generator=generator, device=generator.device, dtype=torch.float64)
        order = order.to(panel.asked.device).masked_fill(~panel.asked, 2.0)
        place = order.argsort(1).argsort(1)
        first = (place < half[:, None]).to(panel.answers.dtype)
        second = ((place >= half[:, None]) & (place < 2 * half[:, None])).to(panel.answers.dtype)
        guess = torch.einsum("na,nac->nc", first, panel.answers)
        truth = torch.einsum("na,nac->nc", second, panel.answers)
        where = panel.usable(truth, half, against)
        if not bool(where.any()):
            continue
        target = panel.target(truth[where], half[where], against)
        if against in ("rates", "distribution"):
            preds = panel.smoothed(guess[where], half[where], against, (truth[where], half[where]))
        else:
            preds = panel.target(guess[where], half[where], against)
        scores.add(scores.name, where, preds, target)
        scores.add_systems(where, target)
