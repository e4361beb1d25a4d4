"""Least squares on shares: the kernel head's loss that needs no iterations."""

import torch
from torch import Tensor

from affectml.heads._linear import L2Path
from affectml.heads._objective import Objective
from affectml.heads.kinds import ScoreKind, clipped, logits_of


class RidgePath(L2Path):
    """Like L2Path, for mean squared error + l2 |W|^2 in closed form; its logits are of clipped probabilities.

    With features centred by the rows' weights, W = (F'wF / total + l2 I)^-1 F'w(Y - mean Y) / total, for each
    label its own weights where they differ by label (Hoerl & Kennard 1970).
    """

    def __init__(self, features: Tensor, objective: Objective, kind: ScoreKind) -> None:
        super().__init__(features, objective)
        self.kind, self.table = kind, features
        if objective.negative is None:
            total = objective.positive.sum(dim=1, keepdim=True)
            self.mass = total
        else:
            total = objective.positive + objective.negative
            same = bool((total == total[:, :1]).all())
            self.mass = total[:, :1] if same else total
        self.shares = objective.positive / total.clamp(min=1e-300)

    def step(self, l2: float) -> None:
        """Solve for one penalty."""
        weights, biases = [], []
        columns = range(self.mass.shape[1])
        for column in columns:
            shares = self.shares if len(columns) == 1 else self.shares[:, column : column + 1]
            weight, bias = self._solve(self.mass[:, column : column + 1], shares, l2)
            weights.append(weight)
            biases.append(bias)
        self.parameters = torch.cat([torch.cat(weights, dim=1), torch.cat(biases)[None]])

    def _solve(self, mass: Tensor, shares: Tensor, l2: float) -> tuple[Tensor, Tensor]:
        features = self.table.double()
        part = mass / mass.sum()
        centre, level = (part * features).sum(dim=0), (part * shares).sum(dim=0)
        centred = features - centre
        gram = centred.T @ (part * centred)
        gram.diagonal().add_(l2)
        weight = torch.cholesky_solve(centred.T @ (part * (shares - level)), torch.linalg.cholesky(gram))
        return weight, level - centre @ weight

    def logits(self, features: Tensor) -> Tensor:
        """Logits of the clipped predictions, [N, C]."""
        return logits_of(self.kind, clipped(self.kind, super().logits(features)))
