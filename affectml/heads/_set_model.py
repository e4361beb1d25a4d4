"""A distribution over label sets: how many labels, then which of them; its likelihood, and the best set under it.

Given logits z [N, C] and size logits u [N, K + 1],

    P(Y) = softmax(u)_{|Y|} * exp(sum of z over Y) / e_{|Y|}(exp z),

with e_s the s-th elementary symmetric polynomial: the n-choose-k model of Swersky, Tarlow, Adams, Zemel & Frey
2012 (conditional Bernoulli: Chen, Dempster & Liu 1994). With one label in every set it is the softmax; with
u_s = v_s + log e_s(exp z) it is the logistic model with a cardinality potential v. Fitting it to uncertain sets, and
deciding by expected F1 under it, are our extensions.
"""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from affectml.heads._objective import Objective, Sums

_CHUNK = 16_384  # rows whose recursion is kept for the gradient
_NONE = -1e30  # log of nothing, finite so that gradients stay numbers


def log_symmetric(logits: Tensor, most: int) -> Tensor:
    """log e_s(exp z) of each row for s = 0..most: logits [N, C] -> [N, most + 1]; -1e30 where s > C."""
    table = torch.full((len(logits), most + 1), _NONE, dtype=logits.dtype)
    table[:, 0] = 0.0
    nothing = torch.full((len(logits), 1), _NONE, dtype=logits.dtype)
    for label in range(logits.shape[1]):
        grown = torch.cat([nothing, table[:, :-1] + logits[:, label : label + 1]], dim=1)
        table = torch.logaddexp(table, grown)
    return table


def size_distribution(membership: Tensor, most: int) -> Tensor:
    """How many of independent labels are in: membership [N, C] in 0..1 -> [N, most + 1], Poisson binomial.

    Sizes above `most` count as `most`. For 0/1 rows it is one-hot.
    """
    table = torch.zeros(len(membership), most + 1, dtype=membership.dtype)
    table[:, 0] = 1.0
    for label in range(membership.shape[1]):
        p = membership[:, label : label + 1]
        grown = torch.zeros_like(table)
        grown[:, 1:] = table[:, :-1]
        grown[:, -1] += table[:, -1]
        table = table * (1 - p) + grown * p
    return table


def joint(logits: Tensor, size_logits: Tensor) -> Tensor:
    """P(label in the set and the set has s labels), [N, C, K + 1]."""
    sizes = size_logits.softmax(dim=1)
    most = sizes.shape[1] - 1
    with torch.enable_grad():
        z = logits.detach().double().requires_grad_()
        table = log_symmetric(z, most)
        # the chance of a label given the size is the derivative of log e_s
        given = [
            torch.autograd.grad(table[:, s].sum(), z, retain_graph=s < most)[0] if s else torch.zeros_like(z)
            for s in range(most + 1)
        ]
    return torch.stack(given, dim=2).detach() * sizes[:, None, :].double()


def best_sets(together: Tensor, empty: Tensor) -> Tensor:
    """The sets of the highest expected F1, 0/1 int64 [N, C] (Dembczynski, Waegeman, Cheng & Huellermeier 2011).

    together: `joint`'s [N, C, K + 1]; empty: P(no label) [N]. For each number h of labels the best h are those with
    the largest sum over s of P(label, s) * 2 / (s + h); an empty answer is worth P(no label). Ties go to fewer
    labels, and to the first.
    """
    rows, labels, sizes = together.shape
    s = torch.arange(sizes, dtype=together.dtype)
    best, value = torch.zeros(rows, labels, dtype=torch.int64), empty.clone()
    for h in range(1, labels + 1):
        gain = together @ (2 / (s + h))
        order = gain.argsort(dim=1, descending=True, stable=True)[:, :h]
        worth = gain.gather(1, order).sum(dim=1)
        better = worth > value + 1e-12
        chosen = torch.zeros_like(best).scatter_(1, order, 1)
        best = torch.where(better[:, None], chosen, best)
        value = torch.where(better, worth, value)
    return best


@dataclass(frozen=True)
class SetObjective(Objective):
    """Objective over [label logits | size logits]; `positive` is [membership | size distribution] times weight.

    - log P(Y) of the logistic model with a cardinality potential, P(Y) ~ exp(sum of z over Y + u_|Y|) (Tarlow,
    Swersky, Zemel, Adams & Frey 2012): plain logistic regressions where u is 0.
    """

    labels: int = 0

    @classmethod
    def of(cls, membership: Tensor, weights: Tensor, most: int) -> "SetObjective":
        """From membership [N, C] in 0..1 and weights [N, 1], for sets of up to `most` labels."""
        sizes = size_distribution(membership, most)
        return cls(torch.cat([membership, sizes], dim=1) * weights, None, membership.shape[1])

    @cached_property
    def total(self) -> float:
        """The rows' summed weight."""
        return float(self.positive[:, self.labels :].sum())

    def pseudo_row(self) -> Self:
        """A row of average weight at the average image: every size as likely, every label as likely."""
        most = self.positive.shape[1] - self.labels - 1
        mass = self.total / len(self.positive)
        row = torch.empty(1, self.positive.shape[1], dtype=self.positive.dtype)
        row[:, : self.labels] = mass * most / (2 * self.labels)
        row[:, self.labels :] = mass / (most + 1)
        return dataclasses.replace(self, positive=row)

    def intercept(self) -> Tensor:
        """Logits of the mean membership, with the pseudo row; no potentials."""
        even = self.pseudo_row()
        mean = (self.positive.sum(dim=0) + even.positive[0]) / (self.total + even.total)
        return torch.cat([mean[: self.labels].clamp(1e-6, 1 - 1e-6).logit(), torch.zeros_like(mean[self.labels :])])

    def centred(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """As they are: label and size logits are tied to each other."""
        return weight, bias

    def loss(self, logits: Tensor) -> Tensor:
        """Summed loss of [label logits | size logits], [N, C + K + 1]."""
        parts = zip(torch.split(self.positive, _CHUNK), torch.split(logits, _CHUNK), strict=True)
        return torch.stack([self._loss(target, given) for target, given in parts]).sum()

    def gradient(self, logits: Tensor) -> Tensor:
        """Derivative of the summed loss by the logits, but for the potentials of sizes 0 and 1, which stay at 0.

        A constant in z and a slope in u would cancel.
        """
        out = torch.empty_like(logits)
        parts = zip(*(torch.split(x, _CHUNK) for x in (self.positive, logits, out)), strict=True)
        for target, given, into in parts:
            with torch.enable_grad():
                z = given.detach().requires_grad_()
                into.copy_(torch.autograd.grad(self._loss(target, z), z)[0])
        out[:, self.labels : self.labels + 2] = 0
        return out

    def sums(self, logits: Tensor) -> Sums:
        """See Objective.sums; slopes' products are the curvatures of a log likelihood in the mean (Fisher)."""
        slope = self.gradient(logits)
        return Sums(self.loss(logits)[None], slope, slope.T @ slope)

    def _loss(self, positive: Tensor, logits: Tensor) -> Tensor:
        inside, sizes = positive[:, : self.labels], positive[:, self.labels :]
        z, u = logits[:, : self.labels], logits[:, self.labels :]
        possible = (u + log_symmetric(z, u.shape[1] - 1)).logsumexp(dim=1)
        return (sizes.sum(dim=1) * possible).sum() - (inside * z).sum() - (sizes * u).sum()
