"""The two kinds of scores that a head may give, and their losses on targets turned into masses.

distribution   rows sum to one; softmax; the labels compete
rates          each label in 0..1 on its own, 0/1 for sets; sigmoid

With z the logits of a row, A the mass for each label and B the mass against it:

    softmax   - sum_c A_c log softmax(z)_c                           (soft cross-entropy; B is empty)
    sigmoid     sum_c A_c softplus(-z_c) + B_c softplus(z_c)         (binary cross-entropy)
              = sum_c (A_c + B_c) softplus(z_c) - A_c z_c

Rows' weights, labels' weights and votes are all factors of the masses, so the solvers know none of them.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import softplus

from affectml.errors import BadInput
from affectml.heads.inputs import is_distribution


@dataclass(frozen=True)
class Sums:
    """Over rows: the loss, [C] by label or [1] of a softmax; slopes; how the loss curves by the logits, [C] or [C, C].

    slope: by the logits of each row, [N, C], or by weights and biases, [D + 1, C].
    """

    loss: Tensor
    slope: Tensor
    bend: Tensor


@dataclass(frozen=True)
class Objective:
    """Masses [N, C] for the labels, and against them (sigmoid) or None (softmax)."""

    positive: Tensor
    negative: Tensor | None

    @cached_property
    def total(self) -> float:
        """What the summed loss is divided by: the number of rows, when every weight is one."""
        if self.negative is None:
            return float(self.positive.sum())
        return float((self.positive + self.negative).sum()) / self.positive.shape[1]

    def rows(self, index: Tensor | slice) -> Self:
        """The same objective on some of the rows; those of a slice are not copied."""
        negative = None if self.negative is None else self.negative[index]
        return replace(self, positive=self.positive[index], negative=negative)

    def by_label(self) -> Self:
        """The same objective, each label's masses side by side in memory, as products of few labels leave logits."""
        negative = None if self.negative is None else self.negative.T.contiguous().T
        return replace(self, positive=self.positive.T.contiguous().T, negative=negative)

    def to(self, dtype: torch.dtype) -> Self:
        """The same objective with masses of another float type."""
        negative = None if self.negative is None else self.negative.to(dtype)
        return replace(self, positive=self.positive.to(dtype), negative=negative)

    def pseudo_row(self) -> Self:
        """A row, of average mass, that favours no label: Jeffreys' half a case for, half against.

        Placed at the average image (standardised features of zero) it keeps the intercept of a label that
        nobody chose, or that everybody chose, finite.
        """
        rows, labels = self.positive.shape
        mass = self.total / rows
        if self.negative is None:
            return replace(self, positive=torch.full((1, labels), mass / labels, dtype=self.positive.dtype))
        half = torch.full((1, labels), mass / 2, dtype=self.positive.dtype)
        return replace(self, positive=half, negative=half)

    def loss(self, logits: Tensor) -> Tensor:
        """Summed loss of logits [N, C]; divide by `total` for the mean."""
        if self.negative is None:
            return -(self.positive * logits.log_softmax(dim=1)).sum()
        return ((self.positive + self.negative) * softplus(logits) - self.positive * logits).sum()

    def sums(self, logits: Tensor) -> Sums:
        """Loss, slopes by the logits and curvatures in one go, of logits [N, C]."""
        if self.negative is None:
            logs = logits.log_softmax(dim=1)
            q = logs.exp()
            expected = q * self.positive.sum(dim=1, keepdim=True)
            bend = expected.sum(dim=0).diag() - expected.T @ q
            return Sums(-(logs * self.positive).sum()[None], expected - self.positive, bend)
        mass = self.positive + self.negative
        q = logits.sigmoid()
        slope = (q * mass).sub_(self.positive)
        loss = softplus(logits).mul_(mass).sub_(logits * self.positive).sum(dim=0)
        bend = mass.mul_(q).mul_(q.neg_().add_(1)).sum(dim=0)
        return Sums(loss, slope, bend)

    def gradient(self, logits: Tensor) -> Tensor:
        """Derivative of the summed loss by the logits, [N, C]."""
        if self.negative is None:
            return logits.softmax(dim=1) * self.positive.sum(dim=1, keepdim=True) - self.positive
        return logits.sigmoid() * (self.positive + self.negative) - self.positive

    def intercept(self) -> Tensor:
        """The logits [C] of the best constant prediction; finite, as the pseudo row counts too."""
        even = self.pseudo_row()
        positive = self.positive.sum(dim=0) + even.positive[0]
        if self.negative is None or even.negative is None:
            return positive.log()
        return positive.log() - (self.negative.sum(dim=0) + even.negative[0]).log()

    def centred(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [D, C] and bias [C] without what the loss cannot see: a softmax's constant, made to sum to zero."""
        if self.negative is None:
            return weight - weight.mean(dim=1, keepdim=True), bias - bias.mean()
        return weight, bias


ScoreKind: TypeAlias = Literal["distribution", "rates"]
SCORE_KINDS: tuple[ScoreKind, ...] = get_args(ScoreKind)

_TINY = 1e-9  # probabilities closer to 0 or 1 than this are taken as this far away


def only_shares(shares: Tensor) -> bool:
    """Whether rates [N, C] are the shares of one choice: every row sums to 1, over several labels in some."""
    return len(shares) > 1 and is_distribution(shares) and bool(((shares > 0) & (shares < 1)).any())


def refuse_distributions(shares: Tensor, name: str) -> None:
    """For heads that need rates or sets: raises BadInput where every row is a distribution with several labels."""
    if only_shares(shares):
        raise BadInput(
            f"{name}: every row sums to 1, so these are distributions and say nothing of sets: give rates or sets, "
            'or take SoftmaxHead, KernelHead or AutoHead(kind="distribution")'
        )


def masses(kind: ScoreKind, shares: Tensor, weights: Tensor | None = None) -> Objective:
    """Targets [N, C] and weights as the masses of the kind's log loss; every row alike without weights."""
    mass = torch.ones(len(shares), 1, dtype=shares.dtype) if weights is None else weights
    if kind == "distribution":
        return Objective(shares * mass, None)
    return Objective(shares * mass, (1 - shares) * mass)


def probabilities(kind: ScoreKind, logits: Tensor) -> Tensor:
    """Softmax or sigmoid of logits [N, C]."""
    return logits.softmax(dim=1) if kind == "distribution" else logits.sigmoid()


def logits_of(kind: ScoreKind, predicted: Tensor) -> Tensor:
    """Logits [N, C] that give these probabilities; a distribution's are its logarithms."""
    inside = predicted.double().clamp(_TINY, 1 - _TINY)
    return inside.log() if kind == "distribution" else inside.logit()
