"""How often a system names each label beside how often people do, and for which labels that is more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LabelBias:
    """One label. system, people: mean over images of how often each names it. difference: system less people.

    low, high: its 95 % interval; p: of no difference; p_holm: the same, corrected for the number of labels (Holm 1979).
    """

    label: str
    system: float
    people: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def found(self) -> bool:
        """Whether the difference is beyond chance at 5 %, all labels together."""
        return self.p_holm < LEVEL

    def in_words(self, name: str, what: str) -> str:
        """The finding as a sentence; what: naming it, or naming it first."""
        more = "more" if self.difference > 0 else "less"
        never = "never" if self.system == 0 else f"on {self.system:.1%} of the images"
        return (
            f"{name} {what} {self.label} {more} often than people: {never}, people {self.people:.1%} "
            f"(difference {self.difference:+.1%}, {self.low:+.1%} to {self.high:+.1%})"
        )


def label_bias(
    system: Floats, people: Floats, labels: Sequence[str], groups: NDArray[np.object_] | None
) -> list[LabelBias]:
    """The bias of each label, from how often system and people name it, both [N, C] in 0..1.

    The interval is the adjusted Wald interval for paired proportions (Bonett & Price 2012): one image more on which the
    system alone names the label, and one on which people alone do. It holds for labels that hardly anyone names, where
    resampling images would find a difference in no answer at all. Groups of images count as one unit each.
    """
    from scipy.special import stdtr, stdtrit  # scipy.stats takes half a second to load

    d = np.asarray(system, dtype=np.float64) - people
    unit = np.arange(len(d)) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(unit.max()) + 1
    sums = np.zeros((units, d.shape[1]))
    np.add.at(sums, unit, d)
    sizes = np.bincount(unit, minlength=units)[:, None]
    n = len(d) + 2
    middle = d.sum(axis=0) / n
    squares = ((sums - sizes * middle) ** 2).sum(axis=0) + (1 - middle) ** 2 + (1 + middle) ** 2
    error = np.sqrt(squares) / n
    freedom = units + 1
    half = stdtrit(freedom, 1 - LEVEL / 2) * error
    p = 2 * stdtr(freedom, -np.abs(middle) / error)
    corrected = holm(p)
    return [
        LabelBias(
            label=label,
            system=float(np.mean(system[:, c])),
            people=float(np.mean(people[:, c])),
            difference=float(d[:, c].mean()),
            low=max(-1.0, float(middle[c] - half[c])),
            high=min(1.0, float(middle[c] + half[c])),
            p=float(p[c]),
            p_holm=float(corrected[c]),
        )
        for c, label in enumerate(labels)
    ]


def holm(p: Sequence[float] | Floats) -> Floats:
    """P values of several tests, each corrected so that the chance of any false finding is kept (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    steps = given[order] * np.arange(len(given), 0, -1)
    out = np.empty_like(given)
    out[order] = np.maximum.accumulate(np.minimum(steps, 1.0))
    return out


def corrected_for_all(p: Sequence[float | None]) -> list[float | None]:
    """The same where some differences have no p value: None stays None, and the others are corrected without it."""
    found = iter(holm([each for each in p if each is not None]).tolist())
    return [None if each is None else next(found) for each in p]


def firsts(scores: Floats) -> Floats:
    """The first label of each row as 1, shared among those that tie; a row of zeros names none."""
    best = (scores == scores.max(axis=1, keepdims=True)) & (scores > 0)
    return np.asarray(best / np.maximum(best.sum(axis=1, keepdims=True), 1))
