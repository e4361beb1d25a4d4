"""Heads made of heads: a weighted pool of different ones, or the mean of one kind fitted N times."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Self

import torch
from pydantic import Field
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads.base import HEADS, Head
from affectml.heads.config import HeadConfig
from affectml.heads.inputs import ArrayLike, Features, Material, Rows, as_shares
from affectml.heads.objective import ScoreKind, logits_of, probabilities
from affectml.heads.registry import find_head


@dataclasses.dataclass(frozen=True)
class BlendConfig(HeadConfig):
    """kind: "distribution" or "rates", of every member."""

    kind: ScoreKind = "distribution"


class CompositeHead(Head):
    """A head with fitted heads inside, saved with it: their tensors by number, their choices in the report."""

    config: BlendConfig
    members_: tuple[Head, ...] = ()

    def scores(self, X: Features) -> Tensor:
        """The pooled distribution or rates, [N, C] float64."""
        weights, rates = self._fitted()["weights"], self.config.kind == "rates"
        predicted = [member.predict_rates(X) if rates else member.predict_distribution(X) for member in self.members_]
        return self._pool(predicted, weights)

    def _pool(self, predicted: Sequence[Tensor], weights: Tensor) -> Tensor:
        """Logarithmic opinion pool (Genest & Zidek 1986): probabilities of the weighted sum of logits, [N, C].

        Weights need not sum to one: a sum below one makes the pool more cautious than its members, as a temperature
        above one would; a constant member (the prior) draws everything towards itself.
        """
        kind = self.config.kind
        logits = (weight * logits_of(kind, member) for weight, member in zip(weights, predicted, strict=True))
        return probabilities(kind, sum(logits, torch.zeros(())))

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
            member = find_head(described["head"])
            if member is None:
                raise BadInput(f"member {number}: no head {described['head']!r}")
            members.append(member.from_saved(described["config"], described["report"], own))
        head = super().from_saved(config, report, tensors)
        head.members_ = tuple(members)
        return head


@dataclasses.dataclass(frozen=True)
class MemberConfig(BlendConfig):
    """head: the name of the head inside; options: its own options."""

    head: str = "softmax"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def fits(cls, head: type[Head]) -> bool:
        """Whether such a head can be inside."""
        return bool(head.learns) and head.scores_of == "people" and not issubclass(head, CompositeHead)

    def check(self) -> None:
        """HeadConfig.check, and that there is such a member, which takes these options and predicts this kind."""
        super().check()
        fitting = sorted(name for name, head in HEADS.items() if self.fits(head))
        if self.head not in fitting:
            raise BadInput(f"{type(self).__name__}: no {self.head!r} head can be inside (heads: {', '.join(fitting)})")
        member = HEADS[self.head]
        if self.kind not in member.kinds() or self.options.get("kind", self.kind) != self.kind:
            raise BadInput(f"{type(self).__name__}: {member.described()} inside does not predict {self.kind}")
        self.member().config.check()

    def member(self) -> Head:
        """A head for inside, not fitted."""
        head = HEADS[self.head]
        options: dict[str, Any] = self.options | ({"kind": self.kind} if len(head.kinds()) > 1 else {})
        return head(**options)


@dataclasses.dataclass(frozen=True)
class EnsembleConfig(MemberConfig):
    """One head fitted `count` times. head: softmax, sigmoid or kernel; options: its own options."""

    count: Annotated[int, Field(ge=2)] = 5


class EnsembleHead(CompositeHead, name="ensemble"):
    """The mean prediction of one head fitted several times (Lakshminarayanan et al. 2017).

    Hidden layers differ by their seeds: first weights, batches, dropout, and which rows stop them. Linear and
    kernel heads would come out the same each time, so theirs are fitted on bootstrap samples (Breiman 1996).
    Options: EnsembleConfig. Degenerate rows and labels are as its members take them.
    """

    says = "averages heads of another name, as many as `ensemble` says"

    config_class = EnsembleConfig
    config: EnsembleConfig

    def from_material(self, material: Material) -> dict[str, Any]:
        """Votes where people per image differ much."""
        return super().from_material(material) | material.counted()

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """Every member with a seed of its own."""
        seeds = torch.randint(2**31, (self.config.count,), generator=generator)
        members = []
        for seed in seeds.tolist():
            own = torch.Generator().manual_seed(seed)
            weights = rows.weights
            if not self.config.options.get("hidden"):
                weighing = (rows.mass > 0).any(dim=1).nonzero()[:, 0]
                drawn = weighing[torch.randint(len(weighing), (len(weighing),), generator=own)]
                weights = rows.mass * torch.bincount(drawn, minlength=len(rows.X))[:, None]
            member = self.config.member()
            members.append(member.fit(rows.X, rows.targets, val=rows.val, weights=weights, generator=own))
        self.members_ = tuple(members)
        self._state = {"weights": torch.full((len(members),), 1 / len(members), dtype=torch.float64)}
        self.report_ = {key: members[0].report_[key] for key in ("rows", "prevalence")} | {"members": self._described()}

    def _checked(self, targets: ArrayLike, rows: int, columns: int | None, name: str) -> Tensor:
        """The members check what they learn."""
        return as_shares(targets, rows, columns, name)

    def _pool(self, predicted: Sequence[Tensor], weights: Tensor) -> Tensor:
        return torch.einsum("m,mnc->nc", weights, torch.stack([p.double() for p in predicted]))
