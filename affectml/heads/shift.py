"""Whether images are like those that a promise was made on: a conformal test martingale (Vovk et al. 2005).

A promise holds for images that are exchangeable with the calibration images. Those come first, then the new ones,
shuffled. Each new one has a p value, its rank among those before it with ties at random; while all are exchangeable,
p values are independent and uniform. Who bets against that with a stake of 1 has 1/a at any time with a probability of
at most a (Ville 1939). One such bet runs on each label's scores, and one on what people chose where that is known; they
share a. Within each level of a column that has cuts of its own, images are ranked by themselves.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectml.heads.inputs import ArrayLike
from affectml.heads.promise import Array, Promise

ALPHA = 0.01  # in how many sets of exchangeable images a shift is called, at most: a warning must be worth reading
KEPT, SEEN = 500, 1000  # calibration and new images that are looked at; more show no shift that would matter
LEAST = 20  # new images below which no bet can win much
_BETS = np.array([-0.9, -0.4, 0.4, 0.9])[:, None]


@dataclasses.dataclass(frozen=True)
class Shift:
    """What a martingale found. calibration, images: how many (of each group one). people: whether what people chose was
    seen too. evidence: its highest value over the number of martingales, at most 1e12. where: whose scores gave it; why
    nothing can be found, where no image has a level that the promise knows.
    """

    calibration: int
    images: int
    people: bool
    evidence: float
    where: str

    @property
    def found(self) -> bool | None:
        """Whether the images are not exchangeable with the calibration images, at `ALPHA`; None: not known."""
        return self.evidence >= 1 / ALPHA if self.calibration else None

    def words(self) -> str:
        """What was found, in a sentence."""
        images, calibration = f"{self.images:,}", f"{self.calibration:,} calibration images"
        if self.found is None:
            return f"whether the promise's ground has shifted cannot be seen: {self.where}"
        few = f" (fewer than {LEAST} show none)" if self.images < LEAST else ""
        sentence = f"no shift of the promise's ground seen in {images} images beside {calibration}{few}"
        if self.found:
            unlike = f"By {self.where}, these {images} images are not like the {calibration}"
            chance = f"by chance, at most {100 * ALPHA:g} data set in 100 would look so"
            sentence = f"the promise's ground has shifted: do not rely on it here. {unlike} ({chance})"
        unseen = "; only scores were seen, and what people choose may differ all the same"
        return sentence if self.people else sentence + unseen

    def to_json(self) -> dict[str, Any]:
        """Plain values, for facts.json."""
        return {"found": self.found, "words": self.words(), **dataclasses.asdict(self)}


def make_ground(
    promise: Promise, scores: Tensor, choices: ArrayLike, *, groups: Array | None = None, levels: Array | None = None
) -> Tensor:
    """What a head keeps of its calibration images, float32 [U, 2 + C]: level, what was chosen, scores by label.

    Of each group one image; at most `KEPT`. Each column is sorted by itself within a level: no row is an image.

    Args:
        promise: that was made on them.
        scores: [N, C].
        choices: votes, shares or 0/1 [N, C].
        groups: [N], or None.
        levels: [N] in the promise's column, or None.
    """
    table = _drawn(KEPT, promise, scores, choices, groups, levels)
    for column in range(1, table.shape[1]):
        table[:, column] = table[np.lexsort((table[:, column], table[:, 0])), column]
    table[:, 0].sort()
    return torch.from_numpy(table)


def find_shift(
    promise: Promise,
    ground: Tensor,
    labels: Sequence[str],
    scores: ArrayLike,
    *,
    choices: ArrayLike | None = None,
    groups: Array | None = None,
    levels: Array | None = None,
) -> Shift:
    """Whether images are exchangeable with a promise's calibration images.

    Args:
        promise: a head's.
        ground: what `make_ground` kept.
        labels: C names.
        scores: the head's scores [N, C].
        choices: what people chose of them [N, C], as the promise has it; None where it is not known.
        groups: [N]; of each group one image is looked at. None where each image is one.
        levels: [N] in the promise's column; images of another level are left out, as nothing is promised of them.
    """
    table = _drawn(SEEN, promise, torch.as_tensor(scores), choices, groups, levels)
    if not len(table) and (why := promise.where_levels_are_unknown()):
        return Shift(0, len(scores), False, 0.0, why)
    names = ["what people chose", *(f"the scores of {label}" for label in labels)]
    generator, martingales = np.random.default_rng(0), {}
    for column, name in enumerate(names, 1):
        if column == 1 and choices is None:
            continue
        before, after = (rows[~np.isnan(rows[:, column])] for rows in (ground.numpy(), table))
        ranks = np.zeros(len(after))
        for level in np.unique(after[:, 0]):
            (known, new), here = (rows[rows[:, 0] == level, column] for rows in (before, after)), after[:, 0] == level
            ranks[here] = p_values(known, new, generator)
        martingales[name] = log_martingale(ranks)
    where = max(martingales, key=lambda name: martingales[name])
    evidence = math.exp(min(martingales[where] - math.log(len(martingales)), math.log(1e12)))
    return Shift(len(ground), len(table), choices is not None, evidence, where)


def p_values(before: Array, after: Array, generator: np.random.Generator) -> Array:
    """The conformal p value of each of `after`: its rank among `before`, those of `after` up to it and itself."""
    known, earlier = np.sort(before), np.tri(len(after), k=-1, dtype=bool)
    below = np.searchsorted(known, after) + (earlier & (after < after[:, None])).sum(axis=1)
    ties = np.searchsorted(known, after, "right") - np.searchsorted(known, after)
    ties += (earlier & (after == after[:, None])).sum(axis=1) + 1
    count = len(known) + 1 + np.arange(len(after))
    return np.asarray((below + generator.uniform(size=len(after)) * ties) / count)


def log_martingale(ranks: Array) -> float:
    """The logarithm of the most that a stake of 1 became at any time, at least 0.

    Equal parts of it bet on high, on low, on outer and on inner p values: 1 + e (2 p - 1), and the same of |2 p - 1|.
    """
    if not len(ranks):
        return 0.0
    sides = 2 * ranks - 1
    bets = np.concatenate([1 + _BETS * sides, 1 + _BETS * (2 * np.abs(sides) - 1)])
    return max(0.0, float((np.logaddexp.reduce(np.log(bets).cumsum(axis=1)) - math.log(len(bets))).max()))


def _drawn(
    most: int, promise: Promise, scores: Tensor, choices: ArrayLike | None, groups: Array | None, levels: Array | None
) -> Array:
    """Columns as `make_ground` has them, float32 [U, 2 + C], of `most` rows drawn at random, one of each group at most.

    What was chosen: for recall the mean score of the choices, nan without one; else the highest score of a label that
    nobody chose, nan where there is none. Rows of a level that the promise does not know are left out.
    """
    known = scores.numpy().astype(np.float32)
    chosen, level = np.full(len(known), np.nan), np.zeros(len(known))
    if choices is not None:
        votes = np.asarray(choices, dtype=np.float64)
        chosen = np.fmax.reduce(np.where(votes > 0, np.nan, known), axis=1)
        if promise.asked.risk == "recall":
            chosen = (votes * known).sum(axis=1) / np.where(votes.any(axis=1), votes.sum(axis=1), np.nan)
    if promise.levels:
        code = {name: float(at) for at, name in enumerate(sorted(promise.levels))}
        level = np.array([code.get(str(name), np.nan) for name in ([None] * len(known) if levels is None else levels)])
    order = np.random.default_rng(0).permutation(np.flatnonzero(~np.isnan(level)))
    if groups is not None:
        _, first = np.unique(np.asarray(groups)[order].astype(str), return_index=True)
        order = order[np.sort(first)]
    return np.asarray(np.column_stack([level, chosen, known])[order[:most]], dtype=np.float32)
