"""What a row of the table of metrics says, and how conventions read in words."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, TypeAlias

from torch import Tensor

from affectml_metrics.functional.rows import Sums

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
    (metrics.json), there in the "brief" table of the terminal and among the "headline" figures (plots, subgroups; of
    several k the smallest), and for "people" beside models. targets: kinds of target it is reported on, by default
    those of its kinds. right: what a ranking in a report must find, the label set or the most chosen labels. sums,
    prepared: faster ways to the same figure for many row weights; prepared takes (preds, target) and returns a function
    of weights. cls: its class in `affectml_metrics`. formula, range, source: for the page. worked: its value on
    the example of its first kind (scripts/metrics_page.py), by hand: arithmetic with the functions of `math`. H(...) is
    the entropy of shares, J(p, q) the Jensen-Shannon divergence of (p, 1 - p) and (q, 1 - q), I(v, m, d) the bits in a
    chance to pass v under a normal distribution of mean m and deviation d, x and y are the entropies of the rows of
    preds and of target.
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
