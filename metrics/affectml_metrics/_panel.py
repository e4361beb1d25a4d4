"""Judgements of a panel, and how the answers of some of its people become a target."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from affectml_metrics._arguments import real_number
from affectml_metrics._errors import ArgumentError, DomainError, ShapeError
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
        judgements: ArrayLike,
        asked: ArrayLike,
        base: ArrayLike | None = None,
        smoothing: float = 1.0,
        tau: float = 1 / 3,
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
        """What the answers of n people are made into."""
        if callable(against):
            return against(votes, n)
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
