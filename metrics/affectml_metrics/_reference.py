"""What a score can be compared with: people themselves, and the truth seen through a few votes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from affectml_metrics._errors import ArgumentError, DomainError, ShapeError, one_of
from affectml_metrics._inputs import ArrayLike, as_tensor, matrix, whole_number

RowMeasure: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""`(preds, target) -> [N]`: a function of `affectml_metrics.functional`, with options bound by a lambda or partial."""

TargetRule: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""`(votes [M, C], n [M]) -> target [M, C]`: how the answers of n people become a target."""

Against: TypeAlias = "Literal['people', 'set', 'rates', 'distribution'] | TargetRule"

_SLACK = 1e-9  # a share of exactly tau passes, however it was rounded


@dataclass(frozen=True)
class HumanReference:
    """Rows of people and of other systems on the same targets; pass them to `bootstrap` for values and
    intervals.

    rows: {"human" or "half_panel": [N], "<system>_loo" or "<system>_half": [N]}, one value an image, the mean
    over the people left out of it (or over the draws of a half); nan where too few were asked. images: how
    many have a value. predictor: "person", "rest" or "half", as it was asked for.
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
    metric: RowMeasure,
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
    """How well people do at a measure, with other systems on the very same targets.

    predictor="person": each person in turn predicts the rest of the panel. The person's 0/1 answer is the
    prediction, so it fits set and ranking measures (for top-k use ties="expected": the order of labels says
    nothing about an answer). Every system of `preds` meets the same leave-one-out targets. predictor="rest":
    the other people's smoothed shares predict the person left out: the reference for proper scores
    (cross-entropy, Brier), which one person's answer cannot have. Systems meet the same single answers.
    predictor="half": half the panel, drawn at random, predicts the other half: a reference made of half
    panels, and named so. Needs `generator`; the mean over `draws` halvings.

    judgements: 0/1 [N, A, C], what each person chose; asked: 0/1 [N, A], who was asked (unsure and skipped
    are not asked; an asked person who chose nothing said "none of these"). metric: `(preds, target) -> [M]`.
    preds: {name: [N, C] or [C]}, such as {"model": ..., "prior": ...}; for set measures these are sets.
    against: what the target side is made into: "people" scores against each of its people one by one and
    takes the mean, which needs no cut; "set" has the labels that at least `tau` of them chose; "rates" votes
    / n; "distribution" votes / all their votes (images without a vote drop out); or a rule of your own. With
    predictor="half" the predicting half is made by the same rule, unless against="distribution" or "rates",
    where it is smoothed; with predictor="rest" only "rates" and "distribution" (the form of the smoothed
    shares) are possible. smoothing: how many imaginary people who answer like `base` ([C] rates; the average
    of all judgements if not given) are added to shares that predict. Images with fewer than 2 people are nan
    (for "distribution", also those whose people chose nothing). Raises MetricInputError.

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
    panel = _Panel.of(judgements, asked, base, smoothing, tau)
    systems = {name: panel.system(name, value) for name, value in (preds or {}).items()}
    if predictor == "half":
        whole_number("draws", draws, 1)
        if generator is None:
            raise ArgumentError("generator: expected a torch.Generator with predictor='half', but received None")
        return _halves(panel, metric, systems, against, draws, generator)
    if predictor == "rest":
        return _rest(panel, metric, systems, against)
    if against == "people":
        return _each_other(panel, metric, systems)
    return _person(panel, metric, systems, against)


def judgements_from_counts(counts: ArrayLike) -> tuple[Tensor, Tensor]:
    """One-choice votes as judgements: bool [N, A, C] and asked bool [N, A], with A the largest number of
    votes.

    counts: whole numbers [N, C], where each person gave exactly one vote; then who the people were does not
    matter to `human_reference`, and this is exact. It is not possible for people who chose sets: their counts
    do not say which labels came from one person. Raises MetricInputError.

    >>> judgements_from_counts([[2, 1]])[0].int()
    tensor([[[1, 0],
             [1, 0],
             [0, 1]]], dtype=torch.int32)
    """
    votes = matrix(counts, "counts", "mass")
    if bool((votes != votes.round() if votes.is_floating_point() else torch.zeros(1)).any()):
        raise DomainError("counts: expected whole numbers of votes, but received fractions; pass counts, not shares")
    votes = votes.long()
    ends = votes.cumsum(-1)
    n = ends[:, -1]
    seats = torch.arange(int(n.max()) if len(n) else 0, device=votes.device)
    asked = seats < n[:, None]
    choice = (seats[None, :, None] >= ends[:, None, :]).sum(-1).clamp(max=votes.shape[1] - 1)
    return torch.nn.functional.one_hot(choice, votes.shape[1]).bool() & asked[..., None], asked


def sampling_floor(
    target: ArrayLike,
    n: int | ArrayLike,
    metric: Callable[[Tensor, Tensor], Tensor],
    *,
    kind: Literal["distribution", "rates"] = "distribution",
    repeats: int = 10,
    generator: torch.Generator,
) -> Tensor:
    """What the truth itself would score against the answers of n people: no model can be expected to do
    better.

    target: the truth, or its best stand-in, [N, C]: a distribution (each person gives one vote) or rates
    (each label is chosen independently with its rate). n: people an image, one number or [N], at least 1.
    metric: `(preds, target)` to [N] or 0-dim; it is called with the truth as preds and drawn shares as
    target. repeats: tables drawn; the result is the mean over rows and repeats, 0-dim float64. Shares
    observed from n people and taken as the truth are more extreme than the truth, so the floor from them is a
    little low. Raises MetricInputError.

    >>> from affectml_metrics.functional import total_variation
    >>> truth = torch.full((200, 4), 0.25)
    >>> few = sampling_floor(truth, 5, total_variation, generator=torch.Generator().manual_seed(0))
    >>> many = sampling_floor(truth, 500, total_variation, generator=torch.Generator().manual_seed(0))
    >>> bool(few > 5 * many)
    True
    """
    one_of("kind", kind, ("distribution", "rates"))
    whole_number("repeats", repeats, 1)
    truth = matrix(target, "target", kind).detach().to("cpu", torch.float64)
    people = torch.as_tensor(n if isinstance(n, int) else as_tensor(n, "n")).to("cpu", torch.int64)
    if people.ndim > 1 or (people.ndim == 1 and len(people) != len(truth)):
        raise ShapeError(f"n: expected one number or [{len(truth)}], but received shape {list(people.shape)}")
    if people.numel() and int(people.min()) < 1:
        raise DomainError(f"n: expected at least 1 person an image, but received {int(people.min())}")
    people = people.expand(len(truth))
    draw = _vote if kind == "distribution" else _answer
    scores = [metric(truth, draw(truth, people, generator)).double().nanmean() for _ in range(repeats)]
    return torch.stack(scores).mean()


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


@dataclass(frozen=True)
class _Panel:
    """The judgements of one data set, with what every reference needs of them."""

    answers: Tensor  # float64 [N, A, C], 0 where not asked
    asked: Tensor  # bool [N, A]
    base: Tensor  # rates [C]
    smoothing: float
    tau: float

    @staticmethod
    def of(judgements: ArrayLike, asked: ArrayLike, base: ArrayLike | None, smoothing: float, tau: float) -> _Panel:
        answers = as_tensor(judgements, "judgements")
        present = as_tensor(asked, "asked")
        if answers.ndim != 3 or list(present.shape) != list(answers.shape[:2]):
            raise ShapeError(
                "judgements and asked: expected [N, A, C] and [N, A], "
                f"but received {list(answers.shape)} and {list(present.shape)}"
            )
        if not smoothing >= 0:
            raise ArgumentError(f"smoothing: expected 0 or more, but received {smoothing!r}")
        if not 0 < tau <= 1:
            raise ArgumentError(f"tau: expected a share in (0, 1], but received {tau!r}")
        n, people, labels = answers.shape
        chosen = matrix(answers.reshape(n * people, labels), "judgements", "labels").reshape(answers.shape)
        here = matrix(present, "asked", "labels") if people else present.bool()
        stray = (chosen & ~here[..., None]).any(-1)
        if bool(stray.any()):
            row, person = (int(x) for x in stray.nonzero()[0])
            raise DomainError(
                f"judgements: expected no labels from people who were not asked, but person {person} has some for "
                f"row {row} with asked = 0"
            )
        votes = chosen.to(torch.float64)
        if base is None:
            total = here.sum()
            # half a vote more, so that a label that nobody ever chose is rare and not impossible
            rates = (votes.sum((0, 1)) + 0.5) / (total + 1)
        else:
            rates = as_tensor(base, "base").to(votes.device, torch.float64)
            if list(rates.shape) != [labels]:
                raise ShapeError(f"base: expected [{labels}], but received shape {list(rates.shape)}")
        return _Panel(votes, here, rates, smoothing, tau)

    def system(self, name: str, value: ArrayLike) -> Tensor:
        n, _, labels = self.answers.shape
        tensor = as_tensor(value, f"preds[{name!r}]")
        if list(tensor.shape) == [labels]:
            tensor = tensor.expand(n, labels)
        if list(tensor.shape) != [n, labels]:
            raise ShapeError(
                f"preds[{name!r}]: expected [{n}, {labels}] or [{labels}], but received {list(tensor.shape)}"
            )
        return tensor.to(self.answers.device)

    def target(self, votes: Tensor, n: Tensor, against: Against) -> Tensor:
        if callable(against):
            return against(votes, n)
        if against == "set":
            return votes >= self.tau * n[:, None] - _SLACK
        return votes / (n[:, None] if against == "rates" else votes.sum(-1, keepdim=True))

    def smoothed(self, votes: Tensor, n: Tensor, against: Against) -> Tensor:
        rates = (votes + self.smoothing * self.base) / (n[:, None] + self.smoothing)
        return rates / rates.sum(-1, keepdim=True) if against == "distribution" else rates

    def usable(self, votes: Tensor, n: Tensor, against: Against) -> Tensor:
        """Rows where this many votes make a target."""
        return (n > 0) & (votes.sum(-1) > 0) if against == "distribution" else n > 0


class _Rows:
    """Sums of rows per image, for the mean over people or draws."""

    def __init__(self, n: int, device: torch.device) -> None:
        self.total = torch.zeros(n, dtype=torch.float64, device=device)
        self.times = torch.zeros_like(self.total)

    def add(self, where: Tensor, rows: Tensor) -> None:
        if list(rows.shape) != [int(where.sum())]:
            raise ShapeError(
                f"metric: expected one value a row, [{int(where.sum())}], but received shape {list(rows.shape)}; "
                "measures over the table have no human reference by rows"
            )
        defined = ~rows.isnan()
        self.total[where] += rows.double().masked_fill(~defined, 0.0)
        self.times[where] += defined

    def mean(self) -> Tensor:
        return self.total / self.times  # 0 / 0 is nan: no value


def _result(predictor: str, first: str, suffix: str, sums: dict[str, _Rows]) -> HumanReference:
    rows = {(name if name == first else name + suffix): row.mean() for name, row in sums.items()}
    return HumanReference(predictor, rows, int((~rows[first].isnan()).sum()))


def _sums(panel: _Panel, first: str, systems: Mapping[str, Tensor]) -> dict[str, _Rows]:
    if first in systems:
        raise ArgumentError(f"preds: expected names other than {first!r}, which is the reference's own")
    return {name: _Rows(len(panel.answers), panel.answers.device) for name in (first, *systems)}


def _person(panel: _Panel, metric: RowMeasure, systems: Mapping[str, Tensor], against: Against) -> HumanReference:
    sums = _sums(panel, "human", systems)
    votes, n = panel.answers.sum(1), panel.asked.sum(1)
    for person in range(panel.asked.shape[1]):
        mine = panel.answers[:, person]
        where = panel.asked[:, person] & panel.usable(votes - mine, n - 1, against)
        if not bool(where.any()):
            continue
        target = panel.target((votes - mine)[where], (n - 1)[where], against)
        for name, row in sums.items():
            row.add(where, metric((mine if name == "human" else systems[name])[where], target))
    return _result("person", "human", "_loo", sums)


def _each_other(panel: _Panel, metric: RowMeasure, systems: Mapping[str, Tensor]) -> HumanReference:
    sums = _sums(panel, "human", systems)
    several = panel.asked.sum(1) > 1
    for person in range(panel.asked.shape[1]):
        where = panel.asked[:, person] & several
        if not bool(where.any()):
            continue
        target = panel.answers[where, person]
        for (
            name,
            preds,
        ) in systems.items():  # the mean over those left out of the mean over the rest: each counts once
            sums[name].add(where, metric(preds[where], target))
        for other in range(panel.asked.shape[1]):
            both = where & panel.asked[:, other]
            if other != person and bool(both.any()):
                sums["human"].add(both, metric(panel.answers[both, other], panel.answers[both, person]))
    return _result("person", "human", "_loo", sums)


def _rest(panel: _Panel, metric: RowMeasure, systems: Mapping[str, Tensor], against: Against) -> HumanReference:
    sums = _sums(panel, "human", systems)
    votes, n = panel.answers.sum(1), panel.asked.sum(1)
    for person in range(panel.asked.shape[1]):
        mine = panel.answers[:, person]
        where = panel.asked[:, person] & (n > 1) & panel.usable(mine, n, against)
        if not bool(where.any()):
            continue
        shares = panel.smoothed((votes - mine)[where], (n - 1)[where], against)
        target = panel.target(mine[where], torch.ones_like(n)[where], against)
        for name, row in sums.items():
            row.add(where, metric(shares if name == "human" else systems[name][where], target))
    return _result("rest", "human", "_loo", sums)


def _halves(
    panel: _Panel,
    metric: RowMeasure,
    systems: Mapping[str, Tensor],
    against: Against,
    draws: int,
    generator: torch.Generator,
) -> HumanReference:
    sums = _sums(panel, "half_panel", systems)
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
        make = panel.smoothed if against in ("rates", "distribution") else panel.target
        preds = make(guess[where], half[where], against)
        for name, row in sums.items():
            row.add(where, metric(preds if name == "half_panel" else systems[name][where], target))
    return _result("half", "half_panel", "_half", sums)
