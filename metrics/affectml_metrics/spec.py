"""What a row of the table of metrics says, how conventions read in words, and a row with all it needs: a figure."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from affectml_metrics._inputs import ArrayLike, wide
from affectml_metrics.functional.rows import Sums
from affectml_metrics.functional.transport import Ground

Kind: TypeAlias = Literal["sets", "ranking", "distribution", "rates", "perspectives"]
Better: TypeAlias = Literal["higher", "lower", ""]
Need: TypeAlias = Literal["k", "shares", "shares?", "votes", "similarity", "ground", "judgements", "scale"]
Place: TypeAlias = Literal["score", "report", "brief", "headline", "people"]

KINDS: tuple[Kind, ...] = ("sets", "ranking", "distribution", "rates", "perspectives")
BETTER: tuple[Better, ...] = ("higher", "lower", "")
TARGETS: Mapping[Kind, tuple[str, ...]] = {
    "sets": ("sets", "rates"),
    "ranking": ("sets", "rates", "distribution", "single", "single_positive"),
    "distribution": ("distribution",),
    "rates": ("sets", "rates"),
    "perspectives": (),
}
"""Kinds of target that metrics of each kind are reported on, where their row does not say."""

RULES: Mapping[str, Mapping[object, str]] = {
    "ties": {"expected": "labels of equal scores count as the mean over their orders; coverage_error counts them all"},
    "eps": {None: "a share of exactly 0 that someone chose costs infinity"},
    "both_empty": {1.0: "two empty sets score 1, an empty set against labels 0"},
}
"""What the options of the table mean, in words, for the rules of a report."""


@dataclass(frozen=True)
class MetricSpec:
    """A row of the table.

    name: as in `score` and in reports, with "{k}" where k is spelled in. function: `(preds, target, ...)`, both [N, C],
    to [N]; or, over the table, with `weights=` [N] to a 0-dim tensor. kinds: what preds and target are. better:
    "higher", "lower", or "" for a figure to read others by. options: the conventions under this name (ties, eps, empty
    sets), passed to `function`. needs: what must be given besides; without it the metric is left out ("shares?": taken
    as the target where given). of_target: `function` takes the target alone. shown: by "score", in a run's "report"
    (metrics.csv), there in the "brief" table of the terminal and among the "headline" figures (plots, subgroups; of
    several k the smallest), and for "people" beside models. targets: kinds of target it is reported on, by default
    those of its kinds. right: what a ranking in a report must find, the label set or the most chosen labels. sums,
    prepared: faster ways to the same figure for many row weights; prepared takes (preds, target) and returns a function
    of weights. cls: its class in `affectml_metrics`. formula, range, source: for the page. worked: its value on
    the example of its first kind (tests/metrics/test_metrics_facts.py), by hand: arithmetic with the functions of
    `math`. H(...) is the entropy of shares, J(p, q) the Jensen-Shannon divergence of (p, 1 - p) and (q, 1 - q),
    I(v, m, d) the bits in a chance to pass v under a normal distribution of mean m and deviation d, x and y are the
    entropies of the rows of preds and of target.
    """

    name: str
    function: Callable[..., Tensor]
    _: KW_ONLY
    kinds: tuple[Kind, ...]
    better: Better
    over: Literal["rows", "table"] = "rows"
    options: Mapping[str, object] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    of_target: bool = False
    shown: tuple[Place, ...] = ("score", "report")
    targets: tuple[str, ...] = ()
    right: Literal["sets", "modes"] = "sets"
    sums: Sums | None = None
    prepared: Callable[[Tensor, Tensor], Callable[[Tensor], Tensor]] | None = None
    cls: str = ""
    formula: str = ""
    range: str = ""
    source: str = ""
    worked: str = ""

    def named(self, k: int | None = None) -> str:
        """The name with k spelled in."""
        return self.name if k is None else self.name.format(k=k)

    def on(self, target: str) -> bool:
        """Whether it is reported on this kind of target."""
        return target in (self.targets or [t for kind in self.kinds for t in TARGETS[kind]])

    def takes(self, argument: str) -> bool:
        """Whether its function has an argument of this name."""
        return argument in inspect.signature(self.function).parameters

    def bounds(self) -> tuple[float | None, float | None]:
        """The lowest and the highest value, where the range names them as numbers."""
        ends = [*re.split(r"\.\.| or ", self.range.split(",")[0].replace("−", "-")), ""][:2]
        low, high = (float(end) if re.fullmatch(r"-?\d+", end) else None for end in ends)
        return low, high

    def rules(self) -> dict[str, str]:
        """Its conventions in words, by option."""
        return {name: RULES[name][value] for name, value in self.options.items() if value in RULES.get(name, {})}


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
        absent = {"judgements", *(name for name, value in vars(self).items() if value is None)}
        absent |= {"votes"} if self.n is None else set()
        absent -= {"ground"} if self.wheel else set()
        return absent.isdisjoint(spec.needs)


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
