"""A mapping between two taxonomies as a matrix, and what it does to distributions, sets, judgements and rates."""

from collections.abc import Mapping as Dict
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectml.errors import NoMapping
from affectml.taxonomies.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
DROP = "drop"


@dataclass(frozen=True)
class Choice:
    """An ambiguous decision that was taken: where `label` goes ("drop": nowhere), why, and what else was possible.

    by: "default" or "user". alternatives: the options not taken, each with its citation or reasoning.
    """

    label: str
    taken: str
    why: str
    by: str
    alternatives: Dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        others = "; ".join(f"{option} ({why})" for option, why in self.alternatives.items())
        return f"{self.label} -> {self.taken} ({self.by}: {self.why})" + (f"; else {others}" if others else "")


@dataclass(frozen=True, eq=False)
class Mapping:
    """Where the labels of `origin` go among those of `target`.

    matrix: [S, T], row s says how the mass of origin label s is shared among the target labels; rows sum to 1,
    or to 0 for labels that are dropped. source: for each origin label the citation, or "our reasoning: ...".
    choices: ambiguous decisions taken, for reports to print. path: the taxonomies passed, from origin to target.
    """

    origin: Taxonomy
    target: Taxonomy
    matrix: Floats
    source: Dict[str, str]
    choices: tuple[Choice, ...] = ()
    path: tuple[str, ...] = ()

    @property
    def drops(self) -> tuple[str, ...]:
        """Origin labels without a target: their mass is lost, and who chose only them chose none."""
        return tuple(label for label, row in zip(self.origin.labels, self.matrix, strict=True) if not row.any())

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Target labels that no origin label reaches: nobody was asked about them, so they have no score."""
        return tuple(label for label, got in zip(self.target.labels, self.matrix.T, strict=True) if not got.any())

    @property
    def merged(self) -> dict[str, tuple[str, ...]]:
        """For each reachable target label, the origin labels that reach it."""
        return {
            label: tuple(np.array(self.origin.labels, dtype=object)[column > 0])
            for label, column in zip(self.target.labels, self.matrix.T, strict=True)
            if column.any()
        }

    @property
    def split(self) -> tuple[str, ...]:
        """Origin labels shared among several target labels: masses map, sets and judgements do not."""
        several = (self.matrix > 0).sum(axis=1) > 1
        return tuple(label for label, on in zip(self.origin.labels, several, strict=True) if on)

    def map_distribution(self, distribution: ArrayLike) -> Floats:
        """Shares of the origin's labels as shares of the target's; a row keeps the mass that is not dropped.

        Exact where people chose one label each, and for a model's probabilities; rates are not shares, see
        `bound_rates`.

        Args:
            distribution: [N, S].

        Returns:
            [N, T].

        Raises:
            NoMapping: there is not a column per label.
        """
        return self._columns(distribution, "shares") @ self.matrix

    def map_sets(self, sets: ArrayLike) -> Floats:
        """Sets of the origin's labels as sets of the target's: a label is in where any that leads to it is.

        A set of dropped labels only becomes the empty set: no target label applies.

        Args:
            sets: 0/1 [N, S].

        Returns:
            0/1 [N, T].

        Raises:
            NoMapping: a label is shared among several (half a label is in no set), or there is not a column per label.
        """
        self._refuse_split("sets")
        return (self._columns(sets, "sets") @ self.matrix > 0).astype(np.float64)

    def map_judgements(self, judgements: "pd.DataFrame") -> "pd.DataFrame":
        """A judgement table with the target's labels; votes counted from it are exact for every target label.

        Each person counts once for a parent, however many of its children they chose; an answer whose labels are all
        dropped says that no target label applies. Where a label stands beside intensities, the largest is kept.

        Args:
            judgements: with the columns `kind` and `labels`, and perhaps `intensities`.

        Returns:
            A copy with these columns mapped.

        Raises:
            UnknownLabel: a label that the origin lacks.
            NoMapping: a label is shared among several.
        """
        import pandas as pd

        from affectml_annotation.columns import COLUMNS

        self._refuse_split("judgements")
        to = {
            label: None if not row.any() else self.target.labels[int(row.argmax())]
            for label, row in zip(self.origin.labels, self.matrix, strict=True)
        }
        out, rows = judgements.copy(), zip(judgements["kind"], judgements["labels"], strict=True)
        chosen = [tuple(labels) if kind == "labels" and labels is not None else () for kind, labels in rows]
        self.origin.check(dict.fromkeys(chain.from_iterable(chosen)), where="judgements")

        @cache
        def reached(names: tuple[str, ...]) -> tuple[str, ...]:
            goals = {to[name] for name in names}
            return tuple(label for label in self.target.labels if label in goals)

        mapped = [list(reached(names)) for names in chosen]
        out["kind"] = [
            "none" if kind == "labels" and not labels else kind
            for kind, labels in zip(out["kind"], mapped, strict=True)
        ]
        out["labels"] = pd.Series(mapped, index=out.index, dtype=object)
        for name in (column.name for column in COLUMNS if column.type == "numbers" and column.name in out):
            beside = zip(chosen, out[name], mapped, strict=True)
            largest = [_largest(names, strengths, to, labels) for names, strengths, labels in beside]
            out[name] = pd.Series(largest, index=out.index, dtype=object)
        return out

    def bound_rates(self, rates: ArrayLike) -> tuple[Floats, Floats]:
        """What the origin's rates alone say of the target's.

        A parent's rate is the share of people who chose any child. Rates do not say who chose several, so it is
        known only to lie in [max, min(1, sum)] over the children (Frechet's bounds); with one child it is exact.
        `map_judgements` gives the exact one.

        Args:
            rates: [N, S].

        Returns:
            (low, high), each [N, T]; unreachable labels are nan: nobody was asked.

        Raises:
            NoMapping: a label is shared among several, or there is not a column per label.
        """
        self._refuse_split("rates")
        given, leads = self._columns(rates, "rates"), self.matrix > 0
        low = np.stack([given[:, children].max(axis=1, initial=-np.inf) for children in leads.T], axis=1)
        reached = leads.any(axis=0)
        return np.where(reached, low, np.nan), np.where(reached, np.minimum(1.0, given @ leads), np.nan)

    def lines(self) -> list[str]:
        """What a report prints: path, choices, drops and unreachable labels, a line each."""
        out = [" -> ".join(self.path)]
        out += [f"choice: {choice}" for choice in self.choices]
        if self.drops:
            out.append(f"dropped: {', '.join(self.drops)}")
        if self.unreachable:
            out.append(f"not reached: {', '.join(self.unreachable)}")
        return out

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a report or JSON: the matrix as label -> {label: share}."""
        return {
            "origin": self.origin.name,
            "target": self.target.name,
            "path": list(self.path),
            "matrix": {
                label: {self.target.labels[t]: float(row[t]) for t in np.flatnonzero(row)}
                for label, row in zip(self.origin.labels, self.matrix, strict=True)
            },
            "source": dict(self.source),
            "choices": [asdict(choice) for choice in self.choices],
            "drops": list(self.drops),
            "unreachable": list(self.unreachable),
        }

    def _columns(self, values: ArrayLike, what: str) -> Floats:
        table = np.asarray(values, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.origin):
            raise NoMapping(
                f"{what}: expected [N, {len(self.origin)}], a column per label of {self.origin.name}, "
                f"but received {list(table.shape)}"
            )
        return table

    def _refuse_split(self, what: str) -> None:
        if self.split:
            label = self.split[0]
            among = " and ".join(self.target.labels[t] for t in np.flatnonzero(self.matrix[self.origin.index(label)]))
            raise NoMapping(
                f"{what}: {label!r} is shared between {among}, which only masses can be; "
                f"choose one of them for {label!r}, or drop it"
            )


def _largest(
    names: tuple[str, ...], strengths: Any, to: dict[str, str | None], mapped: list[str]
) -> list[float] | None:
    """The largest intensity of each mapped label; None where none are given."""
    if strengths is None or len(strengths) != len(names):
        return None
    return [max(s for name, s in zip(names, strengths, strict=True) if to[name] == label) for label in mapped]
