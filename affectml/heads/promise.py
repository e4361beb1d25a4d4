"""Sets with a promise: conformal risk control on what people chose (Angelopoulos, Bates, Fisch, Lei & Schuster 2022).

    recall=.8   on average the set holds at least 80 % of the choices that a panel makes of an image
    extra=.5    on average the set holds at most half a label that nobody of the panel chose

The unit is the image, or its group where images come in groups; every unit weighs the same. As its sets grow, what is
lost on a unit never grows (recall) or never shrinks (extra), and it lies between 0 and `bound`. Sets are cut where the
mean loss over n calibration units has n / (n + 1) * mean + bound / (n + 1) <= alpha. The expected loss of another unit
is then at most alpha, whatever the head is worth, as long as that unit is exchangeable with the calibration units.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.errors import BadInput, did_you_mean, option
from affectml.heads.inputs import ArrayLike, as_matrix

Risk: TypeAlias = Literal["recall", "extra"]
Family: TypeAlias = Literal["rates", "shares"]
RISKS: tuple[Risk, ...] = get_args(Risk)
FAMILIES: tuple[Family, ...] = get_args(Family)
# What makes small sets: a missed label costs its share of the choices, an extra one the same whatever else is chosen.
OF_RISK: Mapping[Risk, Family] = {"recall": "shares", "extra": "rates"}
Array: TypeAlias = NDArray[Any]

_EXACT = 1e-9  # 1 - .8 is a little less than .2
_LAST_DIGITS = 1e-6  # of a score: what rounding may change
_ALL = -1e6  # a cut that every label reaches, in any family
_SHARES_OF_FALSE = ("precision", "false", "fdr", "fdp", "false_discovery", "false_share", "accuracy", "f1")


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is promised: `risk` and its `level`, as "recall=.8" says it."""

    risk: Risk
    level: float

    @classmethod
    def parse(cls, text: str) -> "Asked":
        """Read "recall=.8" or "extra=.5".

        Raises:
            BadInput: for anything else; for a share of false labels, with the reason and the method that could.
        """
        name, equals, value = (part.strip() for part in str(text).partition("="))
        given = option("promise", text)
        if name.lower() in _SHARES_OF_FALSE:
            raise BadInput(
                f"{given}: a share of false labels can rise and fall as sets grow, so conformal risk control promises "
                "nothing of it; Learn-then-Test (Angelopoulos et al. 2021) could, and is not here: take extra=X, the "
                "number of labels that nobody chose, or recall=X"
            )
        if not equals or name not in RISKS:
            near = "" if name in RISKS else did_you_mean(name, RISKS)
            raise BadInput(f"{given}: expected recall=X (0 < X < 1) or extra=X (labels, X > 0){near}, e.g. recall=.8")
        try:
            level = float(value)
        except ValueError:
            raise BadInput(f"{given}: {value!r} is no number; expected e.g. {name}=.8") from None
        if name == "recall" and not 0 < level < 1:
            way = "; every choice of every image is in the set of all labels alone" if level == 1 else ""
            raise BadInput(f"{given}: expected a share above 0 and below 1, as in recall=.8{way}")
        if name == "extra" and not (level > 0 and math.isfinite(level)):
            raise BadInput(f"{given}: expected a number of labels above 0, as in extra=.5")
        return cls("recall" if name == "recall" else "extra", level)

    def __str__(self) -> str:
        return f"{self.risk}={self.level:g}"

    @property
    def alpha(self) -> float:
        """The largest expected loss: 1 - recall, or extra labels."""
        return 1 - self.level if self.risk == "recall" else self.level

    def bound(self, labels: int) -> int:
        """The largest loss there can be: all choices missed, or every label extra."""
        return 1 if self.risk == "recall" else labels

    def least_alpha(self, units: int, labels: int) -> float:
        """The smallest alpha that so many calibration units can promise; one needs bound / alpha - 1 units."""
        return self.bound(labels) / (units + 1)

    def check_units(self, units: int, labels: int, what: str = "images", where: str = "") -> None:
        """Raises BadInput where so few calibration units can promise nothing of this kind, saying what they can.

        Args:
            units: how many there are.
            labels: how many labels there are to choose among.
            what: images or groups.
            where: which of them, where a level of a column is meant.
        """
        least = self.least_alpha(units, labels)
        if least <= self.alpha + _EXACT:
            return
        needed = math.ceil(self.bound(labels) / self.alpha - 1 - _EXACT)
        can = "nothing" if least >= self.bound(labels) or units == 0 else f"{self.risk}={_cautious(self.risk, least)}"
        raise BadInput(
            f"{option('promise', str(self))}: {units} calibration {what}{where} are too few: {can} is the most that "
            f"they can promise, and this takes {needed}; promise less, or collect more images"
        )


def _cautious(risk: Risk, alpha: float) -> str:
    """A level that this alpha allows, rounded to the safe side."""
    return f"{math.floor((1 - alpha) * 1000) / 1000:g}" if risk == "recall" else f"{math.ceil(alpha * 1000) / 1000:g}"


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where sets are cut: labels whose score in the family is at least `value`.

    units: calibration images or groups that count. mean: their mean loss at this cut. spread: by how much (one SD) the
    expected loss moves from one draw of so many calibration units to another.
    """

    value: float
    units: int
    mean: float
    spread: float


@dataclasses.dataclass(frozen=True)
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
    levels: Mapping[str, Cut] = dataclasses.field(default_factory=dict)

    @property
    def spread(self) -> float:
        """One SD of the expected loss between draws of the calibration units; see `Cut`."""
        if not self.levels:
            return self.cut.spread
        return math.sqrt(sum((cut.units / self.cut.units * cut.spread) ** 2 for cut in self.levels.values()))

    def words(self, *, people: bool = True) -> str:
        """The promise in one sentence, and what it does not say.

        people: whether images have people's answers; else labels of their own, such as the words they were found by.
        """
        level = self.asked.level
        over = "images like these" if self.unit == "images" else "groups of images like these"
        if self.asked.risk == "recall":
            of = "the choices that a panel like this one makes of an image" if people else "an image's labels"
            what = f"holds at least {100 * level:g} % of {of}"
            over += " that somebody chooses a label for," if people else " that have a label,"
        else:
            whose = "nobody in a panel like this one chooses" if people else "an image does not have"
            what = f"holds at most {level:g} labels that {whose}"
        within = f"within each level of {self.column}, " if self.column else ""
        not_said = f"each {'other ' if self.column else ''}subgroup"
        return (
            f"{within}on average over {over} and over draws of {self.cut.units} calibration {self.unit}, the set "
            f"{what}; it is not said for each image nor for {not_said}"
        )

    def where_levels_are_unknown(self) -> str:
        """What a set made without its image's level is, in a sentence; "" where all images share one cut."""
        if not self.levels:
            return ""
        way = "larger, and miss less" if self.asked.risk == "recall" else "smaller, and hold less that nobody chose"
        return (
            f"without the level of {self.column} an image gets the most cautious cut of all: its sets are {way} "
            f"than those of images whose level is known; for a level that calibration did not see nothing is promised"
        )

    def cuts(self, levels: Array | None, rows: int) -> Array:
        """The cut of each row, [N, 1]; a level that is unknown, or None, has the most cautious one."""
        other = self.careful(self.cut)
        if levels is None or not self.levels:
            return np.full((rows, 1), other)
        known = {name: self.careful(cut) for name, cut in self.levels.items()}
        return np.array([known.get(str(level), other) for level in levels], dtype=np.float64).reshape(-1, 1)

    def careful(self, cut: Cut) -> float:
        """Where sets are cut: a millionth to the side that keeps the promise, since some image's score lies on `cut`.

        There the last digit would decide, which differs between machines, batches and graphs.
        """
        return cut.value * (1 - _LAST_DIGITS if self.asked.risk == "recall" else 1 + _LAST_DIGITS)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for head.json."""
        plain = dataclasses.asdict(self)
        return {"promise": str(self.asked), **{key: value for key, value in plain.items() if key != "asked"}}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Promise":
        """What `to_json` gave."""
        values = {key: value for key, value in plain.items() if key != "promise"}
        levels = {name: Cut(**cut) for name, cut in values.pop("levels").items()}
        return cls(Asked.parse(plain["promise"]), cut=Cut(**values.pop("cut")), levels=levels, **values)


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
    chosen, inside = _table(choices, "choices"), _table(sets, "sets") > 0
    if risk == "extra":
        return np.asarray((inside & (chosen <= 0)).sum(axis=1), dtype=np.float64)
    total = chosen.sum(axis=1)
    missed = np.where(inside, 0.0, chosen).sum(axis=1)
    return np.asarray(np.divide(missed, total, out=np.full(len(total), np.nan), where=total > 0))


def unit_means(rows: Array, groups: Array | None) -> Array:
    """The mean of each unit's rows that are defined: images as they are, or groups; units without any are left out.

    Args:
        rows: [N], nan where not defined.
        groups: the group of each row, or None.
    """
    kept = ~np.isnan(rows)
    if groups is None:
        return np.asarray(rows[kept])
    _, place = np.unique(np.asarray(groups)[kept].astype(str), return_inverse=True)
    return np.asarray(np.bincount(place, weights=rows[kept]) / np.bincount(place))


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
    table, chosen = _table(scores, "scores"), _table(choices, "choices")
    if table.shape != chosen.shape:
        raise BadInput(f"choices: expected one cell per score, shape {list(table.shape)}, got {list(chosen.shape)}")
    if groups is not None and len(groups) != len(table):
        raise BadInput(f"groups: {len(groups)} for {len(table)} rows")
    total = chosen.sum(axis=1)
    counts = total > 0 if asked.risk == "recall" else np.ones(len(total), dtype=bool)
    unit = (
        np.arange(len(table)) if groups is None else np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
    )
    of_unit = np.bincount(unit[counts], minlength=int(unit.max(initial=-1)) + 1)
    units = int((of_unit > 0).sum())
    asked.check_units(units, table.shape[1], "images" if groups is None else "groups", where)
    each = np.divide(1.0, of_unit[unit] * units, out=np.zeros(len(table)), where=counts)  # weights of rows, sum one
    cells: Array = (chosen <= 0) * each[:, None]
    if asked.risk == "recall":
        cells = chosen / np.where(counts, total, 1.0)[:, None] * each[:, None]
    value = _largest(table, cells, asked, units) if asked.risk == "recall" else _least(table, cells, asked, units)
    found = unit_means(losses(asked.risk, table >= value, chosen), groups)
    spread = float(found.std(ddof=1)) / math.sqrt(units) if units > 1 else math.nan
    return Cut(value, units, float(found.mean()), spread if math.isfinite(spread) else 0.0)


def _kept(asked: Asked, mean: Array, units: int, labels: int) -> Array:
    """Whether a mean loss over `units`, with room for one more unit at its worst, is at most alpha."""
    return np.asarray((units * mean + asked.bound(labels)) / (units + 1) <= asked.alpha + _EXACT)


def _largest(scores: Array, cells: Array, asked: Asked, units: int) -> float:
    """The largest cut that misses little enough; cells: what missing each label costs."""
    values, mass = _by_value(scores, cells)
    missed = np.maximum(1.0 - mass[::-1].cumsum(), 0.0)  # with the cut at each value, from the highest down
    missed[-1] = 0.0
    return float(values[::-1][int(_kept(asked, missed, units, scores.shape[1]).argmax())])


def _least(scores: Array, cells: Array, asked: Asked, units: int) -> float:
    """The least cut that lets little enough in; cells: what letting each label in costs."""
    if not (cells > 0).any():
        return _ALL
    values, mass = _by_value(scores, cells)
    above = np.append(mass[::-1].cumsum()[::-1], 0.0)  # let in by a cut at each value, and above all of them
    fitting = int(_kept(asked, above, units, scores.shape[1]).argmax())
    return _ALL if fitting == 0 else float(np.nextafter(values[fitting - 1], np.inf))


def _by_value(scores: Array, cells: Array) -> tuple[Array, Array]:
    """Distinct scores of cells that cost something, rising, and what those of each cost together."""
    some = cells > 0
    values, place = np.unique(scores[some], return_inverse=True)
    return np.asarray(values), np.bincount(place, weights=cells[some])


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
        family: see `family_scores`; None takes shares for recall and rates for extra, which make small sets.
        groups: [N], or None.
        column: whose levels have a cut each.
        levels: the level of each row, [N]; a row at None belongs to none.

    Raises:
        BadInput: for too few calibration units, of a level too.
    """
    family = OF_RISK[asked.risk] if family is None else family
    if family not in FAMILIES:
        raise BadInput(f"family: no {family!r}{did_you_mean(family, FAMILIES)} (choices: {', '.join(FAMILIES)})")
    table = family_scores(family, scores).numpy()
    chosen = _table(choices, "choices")
    unit = "images" if groups is None else "groups"
    left_out = int((chosen.sum(axis=1) <= 0).sum()) if asked.risk == "recall" else 0
    if column is None or levels is None:
        return Promise(asked, family, find_cut(asked, table, chosen, groups=groups), unit, left_out)
    names = sorted({str(level) for level in levels if level is not None})
    cuts: dict[str, Cut] = {}
    for name in names:
        rows = np.array([level is not None and str(level) == name for level in levels])
        own = None if groups is None else np.asarray(groups)[rows]
        where = f" with {column} {name!r}"
        cuts[name] = find_cut(asked, table[rows], chosen[rows], groups=own, where=where)
    if not cuts:
        raise BadInput(f"{option('promise_group', column)}: no calibration image has a value there")
    pick = min if asked.risk == "recall" else max
    careful = pick(cuts.values(), key=lambda cut: cut.value)
    careful = dataclasses.replace(careful, units=sum(cut.units for cut in cuts.values()))
    return Promise(asked, family, careful, unit, left_out, column, cuts)


def _table(values: ArrayLike, name: str) -> Array:
    return np.asarray(as_matrix(values, name, torch.float64).numpy())


__all__ = ["Asked", "Cut", "Promise", "family_scores", "find_cut", "losses", "make_promise", "unit_means"]
