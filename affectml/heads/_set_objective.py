"""What the top-k head is fitted by: a ranking loss on label logits beside a cross-entropy on set sizes."""

import dataclasses
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import softplus

from affectml.heads._objective import Objective
from affectml.heads._set_model import log_symmetric, size_distribution

SetLoss: TypeAlias = Literal["cardinality", "choose_k", "bce", "pairwise", "softmax"]
SET_LOSSES: tuple[SetLoss, ...] = get_args(SetLoss)

_CHUNK = 16_384  # rows whose recursion is kept for the gradient


@dataclass(frozen=True)
class SetObjective(Objective):
    """Objective over [label logits | size logits]; `positive` is [membership | size distribution] times weight.

    "cardinality" is - log P(Y) of the logistic model with a cardinality potential, P(Y) ~ exp(sum of z over Y +
    u_|Y|) (Tarlow, Swersky, Zemel, Adams & Frey 2012): plain logistic regressions where u is 0. The others fit the
    sizes by cross-entropy of u, and the labels by: "choose_k", - log P(Y given |Y|) of the n-choose-k model;
    "bce", a logistic loss per label; "pairwise", the logistic loss of (in, out) pairs over their number (Zhang &
    Zhou 2006, logistic); "softmax", the mean log softmax of the labels that are in (Lapin, Hein & Schiele 2018).
    """

    labels: int = 0
    loss_name: SetLoss = "cardinality"

    @classmethod
    def of(cls, membership: Tensor, weights: Tensor, most: int, loss_name: SetLoss) -> "SetObjective":
        """From membership [N, C] in 0..1 and weights [N, 1], for sets of up to `most` labels."""
        sizes = size_distribution(membership, most)
        return cls(torch.cat([membership, sizes], dim=1) * weights, None, membership.shape[1], loss_name)

    @property
    def total(self) -> float:
        """The rows' summed weight."""
        return float(self.positive[:, self.labels :].sum())

    def rows(self, index: Tensor) -> Self:
        """The same objective on some of the rows."""
        return dataclasses.replace(self, positive=self.positive[index])

    def to(self, dtype: torch.dtype) -> Self:
        """The same objective with masses of another float type."""
        return dataclasses.replace(self, positive=self.positive.to(dtype))

    def with_pseudo_row(self) -> Self:
        """One more row of average weight at the average image: every size as likely, every label as likely."""
        most = self.positive.shape[1] - self.labels - 1
        mass = self.total / len(self.positive)
        row = torch.empty(1, self.positive.shape[1], dtype=self.positive.dtype)
        row[:, : self.labels] = mass * most / (2 * self.labels)
        row[:, self.labels :] = mass / (most + 1)
        return dataclasses.replace(self, positive=torch.cat([self.positive, row]))

    def intercept(self) -> Tensor:
        """Logits of the mean membership and of the mean size distribution, after `with_pseudo_row`."""
        mean = self.positive.sum(dim=0) / self.total
        inside = mean[: self.labels].clamp(1e-6, 1 - 1e-6)
        if self.loss_name == "cardinality":
            return torch.cat([inside.logit(), torch.zeros_like(mean[self.labels :])])
        return torch.cat([inside.logit(), mean[self.labels :].clamp(min=1e-12).log()])

    def centred(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """As they are: label and size logits are tied to each other."""
        return weight, bias

    def loss(self, logits: Tensor) -> Tensor:
        """Summed loss of [label logits | size logits], [N, C + K + 1]."""
        parts = zip(torch.split(self.positive, _CHUNK), torch.split(logits, _CHUNK), strict=True)
        return torch.stack([self._loss(target, given) for target, given in parts]).sum()

    def gradient(self, logits: Tensor) -> Tensor:
        """Derivative of the summed loss by the logits."""
        out = torch.empty_like(logits)
        parts = zip(*(torch.split(x, _CHUNK) for x in (self.positive, logits, out)), strict=True)
        for target, given, into in parts:
            with torch.enable_grad():
                z = given.detach().requires_grad_()
                into.copy_(torch.autograd.grad(self._loss(target, z), z)[0])
        if self.loss_name == "cardinality":
            # a constant in z and a slope in u cancel, so the potentials of sizes 0 and 1 stay at 0
            out[:, self.labels : self.labels + 2] = 0
        return out

    def _loss(self, positive: Tensor, logits: Tensor) -> Tensor:
        inside, sizes = positive[:, : self.labels], positive[:, self.labels :]
        z, u = logits[:, : self.labels], logits[:, self.labels :]
        weight = sizes.sum(dim=1, keepdim=True)
        if self.loss_name == "cardinality":
            possible = (u + log_symmetric(z, u.shape[1] - 1)).logsumexp(dim=1)
            return (weight[:, 0] * possible).sum() - (inside * z).sum() - (sizes * u).sum()
        loss = -(sizes * u.log_softmax(dim=1)).sum()
        if self.loss_name == "bce":
            return loss + (inside * softplus(-z) + (weight - inside) * softplus(z)).sum()
        if self.loss_name == "softmax":
            return loss - (inside * z.log_softmax(dim=1) * (weight / inside.sum(dim=1, keepdim=True).clamp(min=1e-9))
                           ).sum()  # fmt: skip
        if self.loss_name == "pairwise":
            share = inside / weight.clamp(min=1e-300)
            pairs = share[:, :, None] * (1 - share[:, None, :])
            pairs = pairs * (weight / pairs.sum(dim=(1, 2))[:, None].clamp(min=1e-9))[:, :, None]
            return loss + (pairs * softplus(z[:, None, :] - z[:, :, None])).sum()
        return loss - (inside * z).sum() + (sizes * log_symmetric(z, sizes.shape[1] - 1)).sum()
