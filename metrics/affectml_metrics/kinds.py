"""From rows of the table to figures that can be computed: each need bound, k spelled in, logits taken where said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from affectml_metrics._inputs import ArrayLike, wide
from affectml_metrics.functional.transport import Ground
from affectml_metrics.spec import Kind, MetricSpec, Place
from affectml_metrics.table import specs


@dataclass(frozen=True)
class Given:
    """What some metrics need beyond preds and target; a metric whose need is not met is left out.

    eps: where given, in place of the table's own. wheel: the columns in their order around a circle, a ground distance.
    """

    k: Sequence[int] = (1, 2, 3)
    from_logits: bool = False
    eps: float | None = None
    shares: Tensor | None = None
    votes: Tensor | None = None
    n: Tensor | None = None
    similarity: ArrayLike | None = None
    ground: Ground | None = None
    wheel: tuple[int, ...] = ()
    asked: ArrayLike | None = None
    scale: float | None = None

    def meets(self, spec: MetricSpec) -> bool:
        """Whether all that the metric cannot do without is given."""
        have = {
            "shares": self.shares is not None,
            "votes": self.votes is not None and self.n is not None,
            "similarity": self.similarity is not None,
            "ground": self.ground is not None or bool(self.wheel),
            "judgements": False,
            "scale": self.scale is not None,
        }
        return all(have.get(need, True) for need in spec.needs)


@dataclass(frozen=True)
class Figure:
    """A metric with everything bound. name: with k spelled in. `of(preds, target)` is [N], or 0-dim over the table."""

    name: str
    spec: MetricSpec
    kind: Kind
    given: Given
    options: dict[str, object]

    def of(self, p: Tensor, t: Tensor, **more: object) -> Tensor:
        """The values of the rows, or the figure over the table (`weights=`)."""
        spec, given = self.spec, self.given
        logits = given.from_logits and self.kind in ("distribution", "rates")
        if logits and spec.over == "rows" and spec.takes("from_logits"):
            more["from_logits"] = True
        elif logits:
            p = self._shares(p)
        if given.shares is not None and not {"shares", "shares?"}.isdisjoint(spec.needs):
            t = given.shares
        if given.wheel and "ground" in spec.needs:
            p, t = p[:, list(given.wheel)], t[:, list(given.wheel)]
        args = (t,) if spec.of_target else (p, given.votes, given.n) if "votes" in spec.needs else (p, t)
        return spec.function(*args, **self.options, **more)

    def weighted(self, p: Tensor, t: Tensor) -> Callable[[Tensor], Tensor]:
        """The figure over the table as a function of row weights; what does not depend on them is worked out once."""
        if self.spec.prepared is not None:
            return self.spec.prepared(self._shares(p), t)
        return lambda weights: self.of(p, t, weights=weights)

    def rests(self, t: Tensor) -> list[int] | None:
        """On how many rows a ranking over the table rests: on those of a label's rarer side. None: on all."""
        right = (t > 0).sum(0)
        rarer = torch.minimum(right, len(t) - right)[right > 0]
        return [int(rarer.min())] if self.kind == "ranking" and len(rarer) else None

    def added(self, p: Tensor, t: Tensor) -> Tensor:
        """What each row adds to the sums that the figure needs, [N, M]."""
        assert self.spec.sums is not None
        return self.spec.sums.columns(self._shares(p), t)

    def of_sums(self, sums: Tensor) -> Tensor:
        """The figure of each of B rows of sums, [B]."""
        assert self.spec.sums is not None
        return self.spec.sums.statistic(sums, **self.options)

    def _shares(self, p: Tensor) -> Tensor:
        if not self.given.from_logits:
            return p
        p = p.to(wide(p.device))
        return p.softmax(-1) if self.kind == "distribution" else p.sigmoid() if self.kind == "rates" else p


def figures(kind: Kind, given: Given, labels: int, place: Place = "score") -> list[Figure]:
    """Every metric of a kind that is shown in a place and whose needs are met, in the order of the table.

    Metrics that take k come once for each k of at most `labels`, those of one k together.
    """
    out = []
    for by_k, group in groupby(specs(kind, place), key=lambda spec: "k" in spec.needs):
        some = [spec for spec in group if given.meets(spec)]
        for k in [k for k in dict.fromkeys(given.k) if k <= labels] if by_k else [None]:
            out += [Figure(spec.named(k), spec, kind, given, _options(spec, given, k)) for spec in some]
    return out


def _options(spec: MetricSpec, given: Given, k: int | None) -> dict[str, object]:
    ground = "circle" if given.wheel else given.ground
    needed = {"k": k, "similarity": given.similarity, "ground": ground, "scale": given.scale}
    taken = {"eps": given.eps, "asked": given.asked}
    return {
        **spec.options,
        **{need: needed[need] for need in spec.needs if need in needed},
        **{name: value for name, value in taken.items() if value is not None and spec.takes(name)},
    }
