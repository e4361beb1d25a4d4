"""Sets with a promise: conformal risk control on what people chose (Angelopoulos, Bates, Fisch, Lei & Schuster 2022).

    recall=.8      on average the set holds at least 80 % of the choices that a panel makes of an image
    extra=.5       on average the set holds at most half a label that nobody of the panel chose
    precision=.8   with high probability, on average at least 80 % of a set's labels are chosen by somebody of the panel

The unit is the image, or its group where images come in groups; every unit weighs the same. As its sets grow, what is
lost on a unit never grows (recall) or never shrinks (extra), and it lies between 0 and `bound`. Sets are cut where the
mean loss over n calibration units has n / (n + 1) * mean + bound / (n + 1) <= alpha. The expected loss of another unit
is then at most alpha, whatever the head is worth, as long as that unit is exchangeable with the calibration units.
A set's precision may rise and fall as it grows, so it takes another method, see `affectml.heads._precision`.
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
from affectml.heads._asked import EXACT, Asked, Risk
from affectml.heads._precision import cuts_to_test, lowest_cut
from affectml.heads.inputs import ArrayLike, as_matrix

Family: TypeAlias = Literal["rates", "shares"]
FAMILIES: tuple[Family, ...] = get_args(Family)
# What makes small sets: a missed label costs its share of the choices, an extra one the same whatever else is chosen.
OF_RISK: Mapping[Risk, Family] = {"recall": "shares", "extra": "rates", "precision": "rates"}
Array: TypeAlias = NDArray[Any]

_LAST_DIGITS = 1e-6  # of a score: what rounding may change
_GRID = 125  # of the cuts of a precision, that many in each draw: finer ones move the spread by less than is known
_DRAWS = 40  # of the calibration units, for the spread: it is known to a tenth then
_ALL = -1e6  # a cut that every label reaches, in any family


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where sets are cut: labels whose score in the family is at least `value`.

    units: calibration images or groups that count. mean: their mean loss at this cut. spread: by how much (one SD) the
    expected loss moves from one draw of so many calibration units to another, each with the cut that it chooses. empty:
    of a precision, the share of a unit's images whose set is empty, the mean over units; these count among the units
    and not in the mean.
    """

    value: float
    units: int
    mean: float
    spread: float
    empty: float | None = None


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
        within = f"within each level of {self.column}, " if self.column else ""
        not_said = f"each {'other ' if self.column else ''}subgroup"
        if self.asked.risk == "recall":
            of = "the choices that a panel like this one makes of an image" if people else "an image's labels"
            what = f"holds at least {100 * level:g} % of {of}"
            over += " that somebody chooses a label for," if people else " that have a label,"
        elif self.asked.risk == "precision":
            return self._precision_words(people, within, over, not_said)
        else:
            whose = "nobody in a panel like this one chooses" if people else "an image does not have"
            what = f"holds at most {level:g} labels that {whose}"
        return (
            f"{within}on average over {over} and over draws of {self.cut.units} calibration {self.unit}, the set "
            f"{what}; it is not said for each image nor for {not_said}"
        )

    def _precision_words(self, people: bool, within: str, over: str, not_said: str) -> str:
        chosen = "that somebody in a panel like this one chooses" if people else "that an image has"
        shares = {name: cut.empty for name, cut in (self.levels or {"": self.cut}).items()}
        empty = ", ".join(f"{100 * (share or 0):.0f} %{f' of {name}' * bool(name)}" for name, share in shares.items())
        of = "the calibration images" if self.unit == "images" else "a calibration group's images on average"
        return (
            f"{within}with a probability of {100 * self.asked.probability:g} % over draws of {self.cut.units} "
            f"calibration {self.unit}, at least {100 * self.asked.level:g} % of a set's labels are labels {chosen}, on "
            f"average over {over} whose set is not empty (of {of}, {empty} have an empty one); it is not said for "
            f"each image nor for {not_said}"
        )

    def where_levels_are_unknown(self) -> str:
        """What a set made without its image's level is, in a sentence; "" where all images share one cut."""
        if not self.levels:
            return ""
        way = "larger, and miss less" if self.asked.risk == "recall" else "smaller, and hold less that nobody chose"
        way = "smaller, and more of them empty," if self.asked.risk == "precision" else way
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

        There the last digit would decide, which differs between machines, batches and graphs. A precision has no such
        side, and its cut lies between scores: it is the one that was tested.
        """
        if self.asked.risk == "precision":
            return cut.value
        return cut.value * (1 - _LAST_DIGITS if self.asked.risk == "recall" else 1 + _LAST_DIGITS)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for head.json."""
        plain = dataclasses.asdict(self)
        asked = plain.pop("asked")
        more = {key: asked[key] for key in ("probability", "empty") if self.asked.risk == "precision"}
        return {"promise": str(self.asked), **more, **plain}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Promise":
        """What `to_json` gave."""
        values = dict(plain)
        more = {key: values.pop(key) for key in ("probability", "empty") if key in values}
        levels = {name: Cut(**cut) for name, cut in values.pop("levels").items()}
        return cls(Asked.parse(values.pop("promise"), **more), cut=Cut(**values.pop("cut")), levels=levels, **values)


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

    An image without a choice has nothing to miss: nan for recall; for extra all labels of its set count. Of a precision
    it is the share of the set's labels that nobody chose, and nan for an empty set.

    Args:
        risk: recall, extra or precision.
        sets: 0/1 [N, C].
        choices: votes, shares or 0/1 [N, C].
    """
    chosen, inside = _table(choices, "choices"), _table(sets, "sets") > 0
    lost, total = (inside & (chosen <= 0)).sum(axis=1).astype(np.float64), inside.sum(axis=1)
    if risk == "extra":
        return np.asarray(lost)
    if risk == "recall":
        lost, total = np.where(inside, 0.0, chosen).sum(axis=1), chosen.sum(axis=1)
    return np.asarray(np.divide(lost, total, out=np.full(len(total), np.nan), where=total > 0))


def unit_means(rows: Array, groups: Array | None) -> Array:
    """The mean of each unit's rows that are defined: images as they are, or groups; units without any are left out.

    Args:
        rows: [N], nan where not defined.
        groups: the group of each row, or None.
    """
    kept = ~np.isnan(rows)
    if groups is None:
        return np.asarray(rows[kept])
    named = np.asarray(groups)[kept]
    _, place = np.unique(named.astype(str) if named.dtype == object else named, return_inverse=True)
    return np.asarray(np.bincount(place, weights=rows[kept]) / np.bincount(place))


def find_cut(
    asked: Asked,
    scores: ArrayLike,
    choices: ArrayLike,
    *,
    groups: Array | None = None,
    where: str = "",
    start: ArrayLike | None = None,
) -> Cut:
    """The cut that keeps a promise with the smallest sets (recall) or the largest (extra, precision).

    Sources: Angelopoulos et al. 2022, theorem 1 and eq. 4, with the loss's bound B = 1, or the number of labels.

    Args:
        asked: the promise.
        scores: [N, C] of calibration rows, which nothing else may have touched; higher enters a set sooner.
        choices: votes, shares or 0/1 [N, C]. For recall, rows without a choice do not count.
        groups: [N]; rows of one group are one unit, and rows of a group weigh the same in it.
        where: for the message, which rows these are.
        start: of a precision, scores of other rows [M, C]: cuts between these are tested, from the most cautious that
            leaves at most the share `asked.empty` of their sets empty. None, or no row, takes the calibration rows:
            then the cuts are not fixed beforehand, and that the probability holds is simulated and not proven.

    Returns:
        The cut.

    Raises:
        BadInput: for too few units, saying what they could promise; for shapes that differ; for a precision that cannot
            be had from these rows, or with more empty sets only.
    """
    table, chosen = _table(scores, "scores"), _table(choices, "choices")
    if table.shape != chosen.shape:
        raise BadInput(f"choices: expected one cell per score, shape {list(table.shape)}, got {list(chosen.shape)}")
    if groups is not None and len(groups) != len(table):
        raise BadInput(f"groups: {len(groups)} for {len(table)} rows")
    counts = chosen.sum(axis=1) > 0 if asked.risk == "recall" else np.ones(len(table), dtype=bool)
    unit = None if groups is None else np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
    units = int(counts.sum()) if unit is None else len(np.unique(unit[counts]))
    what = "images" if groups is None else "groups"
    asked.check_units(units, table.shape[1], what, where)
    table, chosen = table[counts], chosen[counts]
    unit = None if unit is None else np.unique(unit[counts], return_inverse=True)[1]
    cuts = np.zeros(0)
    if asked.risk == "precision":
        others = table if start is None else _table(start, "start")
        cuts = cuts_to_test(others if len(others) else table, asked.empty)
    value = _cut_at(asked, table, chosen, unit, cuts)

    def lost_at(cut: float) -> Array:
        return unit_means(losses(asked.risk, table >= cut, chosen), unit)

    if asked.risk != "precision":
        assert value is not None
        return Cut(value, units, float(lost_at(value).mean()), _spread(asked, table, chosen, unit, cuts))
    tried = max(float(cuts[0]) if value is None else value, _ALL)
    found, bare = lost_at(tried), unit_means((table < tried).all(axis=1).astype(float), unit)
    given = option("promise", str(asked))
    if value is None:
        of = f"; {100 * (1 - found.mean()):.0f} % of their labels are chosen" if len(found) else ""
        raise BadInput(
            f"{given}: cut so that at most {100 * asked.empty:g} % of the sets are empty, {len(found)} calibration "
            f"{what}{where} have one that is not{of}: too little to say it with a probability of "
            f"{100 * asked.probability:g} %; promise less, allow more empty sets ({option('promise_empty')}), or "
            "collect more images"
        )
    if bare.mean() > asked.empty + EXACT:
        raise BadInput(
            f"{given}: on average over calibration {what}{where} {100 * bare.mean():.0f} % of the sets would be empty, "
            f"more than {option('promise_empty', asked.empty)} allows; allow more, or promise less"
        )
    return Cut(tried, len(bare), float(found.mean()), _spread(asked, table, chosen, unit, cuts), float(bare.mean()))


def _cut_at(asked: Asked, table: Array, chosen: Array, unit: Array | None, cuts: Array) -> float | None:
    """The cut from rows, where each `unit` [N], or row, weighs the same; None if no precision can be promised."""
    if asked.risk == "precision":
        return lowest_cut(
            cuts, lambda cut: unit_means(losses(asked.risk, table >= cut, chosen), unit), asked.alpha, asked.probability
        )
    of_unit = np.ones(len(table)) if unit is None else np.bincount(unit)
    each = 1 / (of_unit if unit is None else of_unit[unit])[:, None] / len(of_unit)  # weights of rows, sum one
    if asked.risk == "recall":
        return _largest(table, chosen / chosen.sum(axis=1, keepdims=True) * each, asked, len(of_unit))
    return _least(table, (chosen <= 0) * each, asked, len(of_unit))


def _spread(asked: Asked, table: Array, chosen: Array, unit: Array | None, cuts: Array) -> float:
    """SD of the mean loss of these units over draws of as many of them, each of which chooses the cut (Efron 1979).

    The error at the chosen cut alone would leave out that the cut itself moves, most for a precision.
    """
    generator = np.random.default_rng(0)
    rows_of = np.split(np.argsort(unit, kind="stable"), np.bincount(unit).cumsum()[:-1]) if unit is not None else []
    cuts = cuts[:: max(1, len(cuts) // _GRID)]
    expected = []
    for _ in range(_DRAWS):
        count = len(rows_of) or len(table)
        rows, again = generator.integers(count, size=count), None
        if unit is not None:
            drawn = [rows_of[each] for each in rows]
            rows, again = np.concatenate(drawn), np.repeat(np.arange(count), [len(each) for each in drawn])
        cut = _cut_at(asked, table[rows], chosen[rows], again, cuts)
        lost = np.zeros(0) if cut is None else unit_means(losses(asked.risk, table >= cut, chosen), unit)
        expected += [float(lost.mean())] if len(lost) else []
    return float(np.std(expected)) if expected else 0.0


def _kept(asked: Asked, mean: Array, units: int, labels: int) -> Array:
    """Whether a mean loss over `units`, with room for one more unit at its worst, is at most alpha."""
    return np.asarray((units * mean + asked.bound(labels)) / (units + 1) <= asked.alpha + EXACT)


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
    start: Tensor | None = None,
    start_levels: Array | None = None,
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
        start, start_levels: of a precision, scores and levels of other rows, see `find_cut`; a level that none of them
            has takes them all.

    Raises:
        BadInput: for too few calibration units, of a level too.
    """
    family = OF_RISK[asked.risk] if family is None else family
    if family not in FAMILIES:
        raise BadInput(f"family: no {family!r}{did_you_mean(family, FAMILIES)} (choices: {', '.join(FAMILIES)})")
    table = family_scores(family, scores).numpy()
    others = None if start is None else family_scores(family, start).numpy()
    chosen = _table(choices, "choices")
    unit = "images" if groups is None else "groups"
    left_out = int((chosen.sum(axis=1) <= 0).sum()) if asked.risk == "recall" else 0
    if column is None or levels is None:
        return Promise(asked, family, find_cut(asked, table, chosen, groups=groups, start=others), unit, left_out)
    names = sorted({str(level) for level in levels if level is not None})
    cuts: dict[str, Cut] = {}
    for name in names:
        rows = _at(levels, name)
        own = None if groups is None else np.asarray(groups)[rows]
        where = f" with {column} {name!r}"
        begin = others
        if others is not None and start_levels is not None and (at := _at(start_levels, name)).any():
            begin = others[at]
        cuts[name] = find_cut(asked, table[rows], chosen[rows], groups=own, where=where, start=begin)
    if not cuts:
        raise BadInput(f"{option('promise_group', column)}: no calibration image has a value there")
    pick = min if asked.risk == "recall" else max
    careful = pick(cuts.values(), key=lambda cut: cut.value)
    careful = dataclasses.replace(careful, units=sum(cut.units for cut in cuts.values()))
    return Promise(asked, family, careful, unit, left_out, column, cuts)


def _at(levels: Array, name: str) -> Array:
    return np.array([level is not None and str(level) == name for level in levels], dtype=bool)


def _table(values: ArrayLike, name: str) -> Array:
    return np.asarray(as_matrix(values, name, torch.float64).numpy())


def held(risk: str, figure: str, *, people: bool) -> str:
    """What sets hold, with the figure: so much of the choices, so many labels too many, or what share of right ones."""
    if risk == "recall":
        return f"{figure} of the choices" if people else f"{figure} of the images' labels"
    if risk == "precision":
        return f"labels of which {figure} {'are chosen by somebody' if people else 'are labels of the image'}"
    return f"{figure} labels that {'nobody chose' if people else 'the image does not have'}"


__all__ = ["Asked", "Cut", "Promise", "family_scores", "find_cut", "losses", "make_promise", "unit_means"]
