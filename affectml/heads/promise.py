"""Sets with a promise: conformal risk control on what people chose (Angelopoulos, Bates, Fisch, Lei & Schuster 2022).

    recall=.8      on average the set holds at least 80 % of the choices that a panel makes of an image
    extra=.5       on average the set holds at most half a label that nobody of the panel chose

The unit is the image, or its group where images come in groups; every unit weighs the same. As its sets grow, what is
lost on a unit never grows (recall) or never shrinks (extra), and it lies between 0 and `bound`. Sets are cut where the
mean loss over n calibration units has n / (n + 1) * mean + bound / (n + 1) <= alpha. The expected loss of another unit
is then at most alpha, whatever the head is worth, as long as that unit is exchangeable with the calibration units.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml._options import check_choice
from affectml.errors import BadInput, did_you_mean, option
from affectml.heads.inputs import ArrayLike, as_matrix

Risk: TypeAlias = Literal["recall", "extra"]
Family: TypeAlias = Literal["rates", "shares"]
Array: TypeAlias = NDArray[Any]
RISKS: tuple[Risk, ...] = get_args(Risk)
# What makes small sets: a missed label costs its share of the choices, an extra one the same whatever else is chosen.
OF_RISK: Mapping[Risk, Family] = {"recall": "shares", "extra": "rates"}

EXACT = 1e-9  # 1 - .8 is a little less than .2
_LAST_DIGITS = 1e-6  # of a score: what rounding may change
_DRAWS = 40  # of the calibration units, for the spread: it is known to a tenth then
_ALL = -1e6  # a cut that every label reaches, in any family


@dataclass(frozen=True)
class Asked:
    """What is promised: `risk` and its `level`, as "recall=.8" says it."""

    risk: Risk
    level: float

    @classmethod
    def parse(cls, text: str) -> "Asked":
        """Read "recall=.8" or "extra=.5"; raises BadInput for anything else."""
        name, _, value = (part.strip() for part in str(text).partition("="))
        with suppress(ValueError):
            level = float(value)
            if name in RISKS and 0 < level < (1 if name == "recall" else math.inf):
                return cls(name, level)
        asked, near = option("promise", text), "" if name in RISKS else did_you_mean(name, RISKS)
        raise BadInput(f"{asked}: expected recall=X (0 < X < 1) or extra=X (labels, X > 0), e.g. recall=.8{near}")

    def __str__(self) -> str:
        return f"{self.risk}={self.level:g}"

    @property
    def alpha(self) -> float:
        """The largest expected loss: 1 - recall, or extra labels."""
        return self.level if self.risk == "extra" else 1 - self.level

    def bound(self, labels: int) -> int:
        """The largest loss there can be: all choices missed, or every label extra."""
        return labels if self.risk == "extra" else 1

    def kept(self, mean: Array | float, units: int, labels: int) -> Array:
        """Whether a mean loss over `units`, with room for one more unit at its worst, is at most alpha."""
        return np.asarray((units * mean + self.bound(labels)) / (units + 1) <= self.alpha + EXACT)

    def units(self, choices: Array, groups: Array | None, where: str = "") -> tuple[Array, Array]:
        """Which calibration rows count, and the units that these are of.

        Args:
            choices: votes, shares or 0/1 [N, C]. For recall, rows without a choice do not count.
            groups: the group of each row, which is a unit, or None: then each row is one.
            where: which rows these are, for the message.

        Returns:
            [N] bool; and for each row that counts a number from 0.

        Raises:
            BadInput: for so few units that they can promise nothing of this kind, saying what they can.
        """
        counts = choices.sum(axis=1) > 0 if self.risk == "recall" else np.ones(len(choices), dtype=bool)
        unit = _units(groups, counts)
        units, labels = len(np.unique(unit)), choices.shape[1]
        if self.kept(0, units, labels):
            return counts, unit
        strictest_first = range(1, 1000 * labels) if self.risk == "extra" else range(999, 0, -1)
        weaker = (replace(self, level=thousandths / 1000) for thousandths in strictest_first)
        most = next((str(asked) for asked in weaker if asked.kept(0, units, labels)), "nothing")
        needed = math.ceil(self.bound(labels) / (self.alpha + EXACT)) - 1
        whose = f"{units} calibration {'images' if groups is None else 'groups'}{where} are too few"
        can = f"{most} is the most that they can promise, and this takes {needed}"
        raise BadInput(f"{option('promise', str(self))}: {whose}: {can}; promise less, or collect more images")


@dataclass(frozen=True)
class Cut:
    """Where sets are cut: labels whose score in the family is at least `value`.

    units: calibration images or groups that count. mean: their mean loss at this cut. spread: by how much (one SD) the
    expected loss moves from one draw of so many calibration units to another, each with the cut that it chooses.
    """

    value: float
    units: int
    mean: float
    spread: float


@dataclass(frozen=True)
class Promise:
    """A promise and the cuts that keep it.

    family: which score is cut, see `family_scores`. cut: of all images, or where there are levels the most cautious of
    theirs. unit: images or groups. left_out: calibration images without a choice, which do not count. column, levels:
    the column whose levels have a cut each.
    """

    asked: Asked
    family: Family
    cut: Cut
    unit: str
    left_out: int
    column: str | None = None
    levels: Mapping[str, Cut] = field(default_factory=dict)

    @property
    def spread(self) -> float:
        """One SD of the expected loss between draws of the calibration units; see `Cut`."""
        cuts = self.levels.values() or (self.cut,)
        return math.sqrt(sum((cut.units / self.cut.units * cut.spread) ** 2 for cut in cuts))

    def words(self, *, people: bool = True) -> str:
        """The promise in one sentence, and what it does not say.

        people: whether images have people's answers; else labels of their own, such as the words they were found by.
        """
        asked, units, alone = self.asked, f"{self.cut.units} calibration {self.unit}", self.unit == "images"
        over = "images like these" if alone else "groups of images like these"
        whose = "nobody in a panel like this one chooses" if people else "an image does not have"
        what = f"at most {asked.level:g} labels that {whose}"
        if asked.risk == "recall":
            over += " that somebody chooses a label for," if people else " that have a label,"
            of = "the choices that a panel like this one makes of an image" if people else "an image's labels"
            what = f"at least {100 * asked.level:g} % of {of}"
        sentence = f"on average over {over} and over draws of {units}, the set holds {what}"
        within, other = (f"within each level of {self.column}, ", "other ") if self.column else ("", "")
        return f"{within}{sentence}; it is not said for each image nor for each {other}subgroup"

    def where_levels_are_unknown(self) -> str:
        """What a set made without its image's level is, in a sentence; "" where all images share one cut."""
        if not self.levels:
            return ""
        ways = {"recall": "larger, and miss less", "extra": "smaller, and hold less that nobody chose"}
        way = ways[self.asked.risk]
        unseen = "for a level that calibration did not see nothing is promised"
        gets = f"gets the most cautious cut of all: its sets are {way} than those of images whose level is known"
        return f"without the level of {self.column} an image {gets}; {unseen}"

    def cuts(self, levels: Array | None, rows: int) -> Array:
        """The cut of each row, [N, 1]; a level that is unknown, or None, has the most cautious one."""
        known, other = {name: self.careful(cut) for name, cut in self.levels.items()}, self.careful(self.cut)
        of_rows = [None] * rows if levels is None else levels
        return np.array([known.get(str(level), other) for level in of_rows], dtype=np.float64).reshape(-1, 1)

    def careful(self, cut: Cut) -> float:
        """Where sets are cut: a millionth to the side that keeps the promise, since some image's score lies on `cut`.

        There the last digit would decide, which differs between machines, batches and graphs.
        """
        return cut.value * (1 + {"recall": -_LAST_DIGITS, "extra": _LAST_DIGITS}[self.asked.risk])

    def to_json(self) -> dict[str, Any]:
        """Plain values, for head.json."""
        fields = asdict(self)
        del fields["asked"]
        return {"promise": str(self.asked), **fields}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Promise":
        """What `to_json` gave."""
        asked, cut = Asked.parse(plain["promise"]), Cut(**plain["cut"])
        levels = {name: Cut(**level) for name, level in plain["levels"].items()}
        return cls(asked, plain["family"], cut, plain["unit"], plain["left_out"], plain["column"], levels)


def held(risk: str, figure: str, *, people: bool) -> str:
    """What sets hold, with the figure: so much of the choices, or so many labels too many."""
    if risk == "recall":
        return f"{figure} of the choices" if people else f"{figure} of the images' labels"
    return f"{figure} labels that {'nobody chose' if people else 'the image does not have'}"


def family_scores(family: Family, scores: Tensor) -> Tensor:
    """What is cut in each nested family of sets, [N, C] float64; a set holds the labels at or above one cut.

    Args:
        family: rates, the scores as they are; or shares, each score over its row's sum: the share of the choices that
            are expected, which is what a missed label costs. Of a distribution the two are the same.
        scores: probabilities [N, C].
    """
    table = scores.double()
    return table if family == "rates" else table / table.sum(dim=1, keepdim=True).clamp(min=1e-12)


def losses(risk: Risk, sets: ArrayLike, choices: ArrayLike) -> Array:
    """What each row's set loses, [N]: the share of its choices that it misses, or its labels that nobody chose.

    An image without a choice has nothing to miss: nan for recall; for extra all labels of its set count.

    Args:
        risk: recall or extra.
        sets: 0/1 [N, C].
        choices: votes, shares or 0/1 [N, C].
    """
    chosen, inside = _matrix(choices, "choices"), _matrix(sets, "sets") > 0
    if risk == "extra":
        return np.asarray((inside & (chosen <= 0)).sum(axis=1).astype(np.float64))
    lost, total = np.where(inside, 0.0, chosen).sum(axis=1), chosen.sum(axis=1)
    return np.asarray(np.divide(lost, total, out=np.full(len(total), np.nan), where=total > 0))


def unit_means(rows: Array, groups: Array | None) -> Array:
    """The mean of each unit's rows that are defined: images as they are, or groups; units without any are left out.

    Args:
        rows: [N], nan where not defined.
        groups: the group of each row, or None.
    """
    kept = ~np.isnan(rows)
    unit = _units(groups, kept)
    return np.asarray(np.bincount(unit, weights=rows[kept]) / np.bincount(unit))


@dataclass(frozen=True, eq=False)
class _Calibration:
    """Rows that count for a promise: scores and choices [N, C], and the number of each row's unit."""

    asked: Asked
    scores: Array
    choices: Array
    unit: Array

    def lost(self, cut: float) -> Array:
        """The mean loss of each unit that has one, where sets are cut there."""
        return unit_means(losses(self.asked.risk, self.scores >= cut, self.choices), self.unit)

    def best(self) -> float:
        """The cut with the smallest sets (recall) or the largest (extra)."""
        recall, rows = self.asked.risk == "recall", np.bincount(self.unit)
        shares = self.choices / self.choices.sum(axis=1, keepdims=True) if recall else self.choices <= 0
        cells = shares / rows[self.unit][:, None] / len(rows)  # what missing each label costs, or letting it in
        first = 1 if recall else -1  # the lowest score is missed first, the highest let in
        values, place = np.unique(first * self.scores[cells > 0], return_inverse=True)
        lost = np.append(0.0, np.bincount(place, weights=cells[cells > 0]).cumsum())  # with none of them, one, two, ...
        fitting = int(self.asked.kept(lost, len(rows), self.scores.shape[1]).sum()) - 1
        if recall:
            return float(values[min(fitting, len(values) - 1)])
        return _ALL if fitting == len(values) else float(np.nextafter(-values[fitting], np.inf))

    def spread(self) -> float:
        """SD of the mean loss over draws of as many of these units; each draw chooses its own cut (Efron 1979)."""
        generator, expected = np.random.default_rng(0), []
        rows_of = np.split(np.argsort(self.unit, kind="stable"), np.bincount(self.unit).cumsum()[:-1])
        for _ in range(_DRAWS):
            drawn = [rows_of[unit] for unit in generator.integers(len(rows_of), size=len(rows_of))]
            rows, unit = np.concatenate(drawn), np.repeat(np.arange(len(drawn)), [len(group) for group in drawn])
            again = replace(self, scores=self.scores[rows], choices=self.choices[rows], unit=unit)
            expected.append(float(self.lost(again.best()).mean()))
        return float(np.std(expected))


def find_cut(
    asked: Asked, scores: ArrayLike, choices: ArrayLike, *, groups: Array | None = None, where: str = ""
) -> Cut:
    """The cut that keeps a promise with the smallest sets (recall) or the largest (extra).

    Sources: Angelopoulos et al. 2022, theorem 1 and eq. 4, with the loss's bound B = 1, or the number of labels.

    Args:
        asked: the promise.
        scores: [N, C] of calibration rows, which nothing else may have touched; higher enters a set sooner.
        choices: votes, shares or 0/1 [N, C]. For recall, rows without a choice do not count.
        groups: [N]; rows of one group are one unit, and rows of a group weigh the same in it.
        where: for the message, which rows these are.

    Returns:
        The cut.

    Raises:
        BadInput: for too few units, saying what they could promise; for shapes that differ.
    """
    table, chosen = _matrix(scores, "scores"), _matrix(choices, "choices")
    if table.shape != chosen.shape:
        raise BadInput(f"choices: expected one cell per score, shape {list(table.shape)}, got {list(chosen.shape)}")
    if groups is not None and len(groups) != len(table):
        raise BadInput(f"groups: {len(groups)} for {len(table)} rows")
    counts, unit = asked.units(chosen, groups, where)
    rows = _Calibration(asked, table[counts], chosen[counts], unit)
    value = rows.best()
    return Cut(value, int(unit.max()) + 1, float(rows.lost(value).mean()), rows.spread())


def make_promise(
    asked: Asked,
    scores: Tensor,
    choices: ArrayLike,
    *,
    family: Family | None = None,
    groups: Array | None = None,
    column: str | None = None,
    levels: Array | None = None,
) -> Promise:
    """The promise with its cut, or with one for each level of a column; see `find_cut`.

    Args:
        asked: what is promised.
        scores: a head's scores [N, C] of the calibration rows.
        choices: [N, C].
        family: see `family_scores`; None takes shares for recall, which make small sets, and else rates.
        groups: [N], or None.
        column: whose levels have a cut each.
        levels: the level of each row, [N]; a row at None belongs to none.

    Raises:
        BadInput: for too few calibration units, of a level too.
    """
    family = OF_RISK[asked.risk] if family is None else family
    check_choice("family", family, get_args(Family))
    table, chosen = family_scores(family, scores).numpy(), _matrix(choices, "choices")
    unit = "images" if groups is None else "groups"
    left_out = int((chosen.sum(axis=1) <= 0).sum()) if asked.risk == "recall" else 0
    if column is None or levels is None:
        return Promise(asked, family, find_cut(asked, table, chosen, groups=groups), unit, left_out)
    cuts: dict[str, Cut] = {}
    for name in sorted({str(level) for level in levels if level is not None}):
        rows = np.array([level is not None and str(level) == name for level in levels], dtype=bool)
        own, where = None if groups is None else np.asarray(groups)[rows], f" with {column} {name!r}"
        cuts[name] = find_cut(asked, table[rows], chosen[rows], groups=own, where=where)
    if not cuts:
        raise BadInput(f"{option('promise_group', column)}: no calibration image has a value there")
    cautious = (min if asked.risk == "recall" else max)(cuts.values(), key=lambda cut: cut.value)
    whole = replace(cautious, units=sum(cut.units for cut in cuts.values()))
    return Promise(asked, family, whole, unit, left_out, column, cuts)


def _units(groups: Array | None, kept: Array) -> Array:
    """The unit of each row that is kept [N], numbered from 0 in the order of their names: its group, or itself."""
    names = np.arange(len(kept)) if groups is None else np.asarray(groups)
    names = names.astype(str) if names.dtype == object else names
    return np.asarray(np.unique(names[kept], return_inverse=True)[1])


def _matrix(values: ArrayLike, name: str) -> Array:
    return np.asarray(as_matrix(values, name, torch.float64).numpy())


__all__ = ["Asked", "Cut", "Promise", "family_scores", "find_cut", "losses", "make_promise", "unit_means"]
