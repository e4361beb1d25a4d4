"""People as the reference: what a person, or half a panel, would score where the model is scored."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from affectml_metrics._errors import ArgumentError, DomainError, ShapeError, one_of, real_number, whole_number
from affectml_metrics._inputs import ArrayLike, as_tensor, matrix

TargetRule: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""`(votes [M, C], n [M]) -> target [M, C]`: how the answers of n people become a target."""

Against: TypeAlias = "Literal['people', 'set', 'rates', 'distribution'] | TargetRule"

_SLACK = 1e-9  # a share of exactly tau passes, however it was rounded


@dataclass(frozen=True)
class Panel:
    """The judgements of one data set, with what every reference needs of them."""

    answers: Tensor  # float64 [N, A, C], 0 where not asked
    asked: Tensor  # bool [N, A]
    base: Tensor | None  # rates [C]; None: of all other judgements
    smoothing: float
    tau: float

    @staticmethod
    def of(
        judgements: ArrayLike, asked: ArrayLike, base: ArrayLike | None, smoothing: float = 1.0, tau: float = 1 / 3
    ) -> "Panel":
        """A checked panel; `base` defaults to the average of all judgements but the predicted. Raises
        MetricInputError."""
        answers = as_tensor(judgements, "judgements")
        present = as_tensor(asked, "asked")
        if answers.ndim != 3 or list(present.shape) != list(answers.shape[:2]):
            raise ShapeError(
                "judgements and asked: expected [N, A, C] and [N, A], "
                f"but received {list(answers.shape)} and {list(present.shape)}"
            )
        real_number("smoothing", smoothing, 0)
        if real_number("tau", tau, 0, 1) == 0:
            raise ArgumentError(f"tau: expected a share above 0, but received {tau!r}")
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
        rates = None if base is None else as_tensor(base, "base").to(votes.device, torch.float64)
        if rates is not None and list(rates.shape) != [labels]:
            raise ShapeError(f"base: expected [{labels}], but received shape {list(rates.shape)}")
        return Panel(votes, here, rates, smoothing, tau)

    def votes(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Votes [N, C] and people asked [N], each person counted `weights` [A] times."""
        return torch.einsum("a,nac->nc", weights, self.answers), self.asked.to(weights.dtype) @ weights

    def system(self, name: str, value: ArrayLike) -> Tensor:
        """The predictions of another system for each image, [N, C]."""
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
        """What the answers of n people are made into; of one person alone, with "people", nothing."""
        if callable(against):
            return against(votes, n)
        if against == "people":
            return votes
        if against == "set":
            return votes >= self.tau * n[:, None] - _SLACK
        return votes / (n[:, None] if against == "rates" else votes.sum(-1, keepdim=True))

    def smoothed(self, votes: Tensor, n: Tensor, against: Against, unseen: tuple[Tensor, Tensor]) -> Tensor:
        """Shares that predict: with `smoothing` imaginary people who answer like the base.

        unseen: the votes [M, C] and people [M] who are predicted, and must not shape the base of their own row.
        """
        base = self.base
        if base is None:
            theirs, people = unseen
            # half a vote more, so that a label that nobody ever chose is rare and not impossible
            base = (self.answers.sum((0, 1)) - theirs + 0.5) / (self.asked.sum() - people + 1)[:, None]
        rates = (votes + self.smoothing * base) / (n[:, None] + self.smoothing)
        return rates / rates.sum(-1, keepdim=True) if against == "distribution" else rates

    def usable(self, votes: Tensor, n: Tensor, against: Against) -> Tensor:
        """Rows where this many votes make a target."""
        return (n > 0) & (votes.sum(-1) > 0) if against == "distribution" else n > 0


def judgements_from_counts(counts: ArrayLike) -> tuple[Tensor, Tensor]:
    """One-choice votes as judgements: bool [N, A, C] and asked bool [N, A], with A the largest number of votes.

    counts: whole numbers [N, C], where each person gave exactly one vote; then who the people were does not matter to
    `human_reference`, and this is exact. It is not possible for people who chose sets: their counts do not say which
    labels came from one person. Raises MetricInputError.

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


# What each predictor can be set against; the shares of the rest predict nothing but shares.
_TARGETS = {
    "person": ("people", "set", "rates", "distribution"),
    "rest": ("rates", "distribution"),
    "half": ("set", "rates", "distribution"),
}
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
    one_of("predictor", predictor, _TARGETS)
    if predictor == "rest" or not callable(against):
        one_of(f"against, with predictor={predictor!r}", against, _TARGETS[predictor])
    panel = Panel.of(judgements, asked, base, smoothing, tau)
    systems = {name: panel.system(name, value) for name, value in (preds or {}).items()}
    name = "half_panel" if predictor == "half" else "human"
    if name in systems:
        raise ArgumentError(f"preds: expected names other than {name!r}, which is the reference's own")
    if predictor == "half":
        whole_number("draws", draws, 1)
        if generator is None:
            raise ArgumentError("generator: expected a torch.Generator with predictor='half', but received None")
        rounds = _halves(panel, draws, generator)
    else:
        rounds = _each_other(panel) if against == "people" else _one_and_rest(panel, by_rest=predictor == "rest")
    nothing = torch.zeros(len(panel.answers), dtype=torch.float64, device=panel.answers.device)
    sums = {system: (nothing.clone(), nothing.clone()) for system in (name, *systems)}  # of values, of times
    for where, guess, truth, for_systems in rounds:
        where = where & panel.usable(*truth, against)
        if not bool(where.any()):
            continue
        votes, n = (x[where] for x in truth)
        target = panel.target(votes, n, against)
        predicted = {system: value[where] for system, value in systems.items() if for_systems}
        if guess is not None:
            guessed, guessing = (x[where] for x in guess)
            if predictor == "person":
                predicted[name] = guessed
            elif against in ("rates", "distribution"):
                predicted[name] = panel.smoothed(guessed, guessing, against, (votes, n))
            else:
                predicted[name] = panel.target(guessed, guessing, against)
        for system, value in predicted.items():
            values = metric(value, target)
            if list(values.shape) != [len(target)]:
                raise ShapeError(
                    f"metric: expected one value a row, [{len(target)}], but received shape {list(values.shape)}; "
                    "metrics over the table have no human reference by rows"
                )
            total, times = sums[system]
            total[where] += values.double().masked_fill(values.isnan(), 0.0)
            times[where] += ~values.isnan()
    suffix = "_half" if predictor == "half" else "_loo"
    rows = {  # 0 / 0 is nan: no value
        system if system == name else system + suffix: total / times for system, (total, times) in sums.items()
    }
    return HumanReference(predictor, rows, int((~rows[name].isnan()).sum()))


Answers: TypeAlias = tuple[Tensor, Tensor]
"""Votes [N, C] of some people on each image, and of how many, [N]."""
Round: TypeAlias = tuple[Tensor, Answers | None, Answers, bool]
"""On which images, who predicts (None: only the systems), who is predicted, and whether the systems predict them."""


def _one_and_rest(panel: Panel, *, by_rest: bool) -> Iterator[Round]:
    """Each person in turn against the rest of the panel, who are predicted by this answer, or predict it."""
    votes, n = panel.answers.sum(1), panel.asked.sum(1)
    for person in range(panel.asked.shape[1]):
        mine = panel.answers[:, person]
        rest, alone = (votes - mine, n - 1), (mine, torch.ones_like(n))
        yield panel.asked[:, person] & (n > 1), rest if by_rest else alone, alone if by_rest else rest, True


def _each_other(panel: Panel) -> Iterator[Round]:
    """Each person by each other; systems predict a person once, so that each counts once in the mean over the rest."""
    n = panel.asked.sum(1)
    for person in range(panel.asked.shape[1]):
        where, mine = panel.asked[:, person] & (n > 1), (panel.answers[:, person], torch.ones_like(n))
        yield where, None, mine, True
        for other in range(panel.asked.shape[1]):
            if other != person:
                yield where & panel.asked[:, other], (panel.answers[:, other], torch.ones_like(n)), mine, False


def _halves(panel: Panel, draws: int, generator: torch.Generator) -> Iterator[Round]:
    half = panel.asked.sum(1) // 2
    for _ in range(draws):
        order = torch.rand(panel.asked.shape, generator=generator, device=generator.device, dtype=torch.float64)
        order = order.to(panel.asked.device).masked_fill(~panel.asked, 2.0)
        place = order.argsort(1).argsort(1)
        first, second = place < half[:, None], (place >= half[:, None]) & (place < 2 * half[:, None])
        guess, truth = (torch.einsum("na,nac->nc", x.to(panel.answers.dtype), panel.answers) for x in (first, second))
        yield half > 0, (guess, half), (truth, half), True
