"""Heads made of heads: a weighted pool of different ones, or the mean of one kind fitted N times."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads._base import HEADS, Head, seeded
from affectml.heads._config import HeadConfig
from affectml.heads._inputs import ArrayLike, Pair, as_features, as_weights
from affectml.heads._kinds import Kind, check_kind, logits_of, probabilities
from affectml.heads._objective import Objective
from affectml.heads._threads import one_thread_if_small


@dataclasses.dataclass(frozen=True)
class BlendConfig(HeadConfig):
    """kind: "distribution" or "rates", of every member."""

    kind: Kind = "distribution"

    def __post_init__(self) -> None:
        check_kind(self.kind, type(self).__name__)


class CompositeHead(Head):
    """A head with fitted heads inside, saved with it: their tensors by number, their choices in the report."""

    config: BlendConfig
    members_: tuple[Head, ...] = ()

    def scores(self, X: ArrayLike) -> Tensor:
        """The pooled distribution or rates, [N, C] float64."""
        weights = self._fitted()["weights"]
        return self._pool([self._of(member, X) for member in self.members_], weights)

    def predict_distribution(self, X: ArrayLike) -> Tensor:
        """The pooled distribution, [N, C]; raises BadInput for a head of rates."""
        return self.scores(X) if self.config.kind == "distribution" else super().predict_distribution(X)

    def predict_rates(self, X: ArrayLike) -> Tensor:
        """The pooled rates, [N, C]; raises BadInput for a head of distributions."""
        return self.scores(X) if self.config.kind == "rates" else super().predict_rates(X)

    def _of(self, member: Head, X: ArrayLike) -> Tensor:
        return member.predict_distribution(X) if self.config.kind == "distribution" else member.predict_rates(X)

    def _pool(self, predicted: Sequence[Tensor], weights: Tensor) -> Tensor:
        return pooled(self.config.kind, [logits_of(self.config.kind, p) for p in predicted], weights)

    def _state_keys(self) -> tuple[str, ...]:
        return ("weights",)

    def _saved(self) -> dict[str, Tensor]:
        tensors = dict(self._fitted())
        for number, member in enumerate(self.members_):
            tensors |= {f"{number}.{key}": value for key, value in member._saved().items()}
        return tensors

    def _forget(self) -> None:
        super()._forget()
        self.members_ = ()

    def _described(self) -> list[dict[str, Any]]:
        """What the report says of the members, enough to read them back."""
        return [{"head": m.name, "config": dataclasses.asdict(m.config), "report": m.report_} for m in self.members_]

    @classmethod
    def from_saved(cls, config: dict[str, Any], report: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The head that `save` wrote; see Head.from_saved."""
        members = []
        for number, described in enumerate(report.get("members", [])):
            prefix = f"{number}."
            own = {key.removeprefix(prefix): tensors.pop(key) for key in list(tensors) if key.startswith(prefix)}
            if described["head"] not in HEADS:
                raise BadInput(f"member {number}: no head {described['head']!r}")
            members.append(HEADS[described["head"]].from_saved(described["config"], described["report"], own))
        head = super().from_saved(config, report, tensors)
        head.members_ = tuple(members)
        return head


def pooled(kind: Kind, logits: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Logarithmic opinion pool (Genest & Zidek 1986): probabilities of the weighted sum of logits, [N, C].

    Weights need not sum to one: a sum below one makes the pool more cautious than its members, as a
    temperature above one would; a constant member (the prior) draws everything towards itself.
    """
    return probabilities(kind, sum((w * z for w, z in zip(weights, logits, strict=True)), torch.zeros(())))


def fit_pool(logits: Sequence[Tensor], objective: Objective) -> tuple[Tensor, float]:
    """Weights [M], none below zero, of the pool with the least mean loss on rows kept out; and that loss.

    logits: M of [N, C], of rows that no member was fitted on. The loss is convex in the weights.
    """
    from scipy.optimize import minimize

    stack = torch.stack([z.double() for z in logits])

    def value_and_gradient(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = torch.einsum("m,mnc->nc", torch.from_numpy(weights), stack)
        gradient = (stack * objective.gradient(z)).sum(dim=(1, 2)) / objective.total
        return float(objective.loss(z)) / objective.total, gradient.numpy()

    start = np.full(len(logits), 1 / len(logits))
    bounds = [(0.0, None)] * len(logits)
    options = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8}
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return torch.from_numpy(np.asarray(found.x)), float(found.fun)


@dataclasses.dataclass(frozen=True)
class EnsembleConfig(BlendConfig):
    """One head fitted `count` times. head: one with the option "ensemble", as softmax; options: its own options."""

    head: str = "softmax"
    count: int = 5
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 2:
            raise BadInput(f"EnsembleConfig: count must be at least 2, got {self.count!r}")
        fitting = [name for name, head in HEADS.items() if "ensemble" in head.options]
        if self.head not in fitting:
            raise BadInput(f"EnsembleConfig: no ensembles of {self.head!r} (heads: {', '.join(sorted(fitting))})")
        member = HEADS[self.head]
        kinds = member.kinds()
        wanted = self.options.get("kind", self.kind) if len(kinds) > 1 else kinds[0]
        if wanted != self.kind:
            raise BadInput(f"EnsembleConfig: {member.described()} of {wanted} in an ensemble of {self.kind}")


class EnsembleHead(CompositeHead, name="ensemble"):
    """The mean prediction of one head fitted several times (Lakshminarayanan et al. 2017).

    Hidden layers differ by their seeds: first weights, batches, dropout, and which rows stop them. Linear and
    kernel heads would come out the same each time, so theirs are fitted on bootstrap samples (Breiman 1996).
    """

    config_class = EnsembleConfig
    config: EnsembleConfig

    def counts_votes(self, uneven: bool) -> bool:
        """Where people per image differ much, or a member's `rho` asks for them."""
        return uneven or self.config.options.get("rho") is not None

    @one_thread_if_small
    def fit(
        self,
        X: ArrayLike,
        targets: ArrayLike,
        *,
        val: Pair | None = None,
        weights: ArrayLike | None = None,
        generator: torch.Generator | None = None,
    ) -> Self:
        """Fit every member afresh, each with a seed drawn from `generator`; arguments as the member's own fit."""
        generator = seeded(generator)
        rows = len(as_features(X))
        seeds = torch.randint(2**31, (self.config.count,), generator=generator)
        members = []
        for seed in seeds.tolist():
            own = torch.Generator().manual_seed(seed)
            mass = weights
            if not self.config.options.get("hidden"):
                drawn = torch.bincount(torch.randint(rows, (rows,), generator=own), minlength=rows).double()
                mass = as_weights(weights, torch.Size((rows, np.shape(targets)[1])), per_cell=True) * drawn[:, None]
                mass = mass[:, 0] if mass.shape[1] == 1 else mass
            members.append(self._member().fit(X, targets, val=val, weights=mass, generator=own))
        self._forget()
        self.members_ = tuple(members)
        self._state = {"weights": torch.full((len(members),), 1 / len(members), dtype=torch.float64)}
        self.report_ = {
            "rows": members[0].report_["rows"],
            "prevalence": members[0].report_["prevalence"],
            "members": self._described(),
        }
        return self

    def _member(self) -> Head:
        head = HEADS[self.config.head]
        options = dict(self.config.options)
        if len(head.kinds()) > 1:
            options["kind"] = self.config.kind
        return head(head.config_class.from_dict(options))

    def _pool(self, predicted: Sequence[Tensor], weights: Tensor) -> Tensor:
        return torch.einsum("m,mnc->nc", weights, torch.stack([p.double() for p in predicted]))
