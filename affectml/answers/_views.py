"""Where systems and people part: by how far people disagree, in stated shares, and where all systems stand alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affectml.answers._estimates import Estimate, for_all, jackknifed, slope_of
from affectml.answers._left_out import halves, persons
from affectml.errors import few
from affectml.judging.bias import LEVEL, firsts
from affectml.judging.scoring import Answers
from affectml.judging.truth import Truth
from affectml.page.numbers import Bin, bins
from affectml.page.section import Drawing, drawing
from affectml.page.tables import Table, number, p_value
from affectml.plots import intervals, reliability
from affectml_metrics import FEW, table_interval
from affectml_metrics.functional.calibration import debiased_calibration
from affectml_metrics.intervals import Bounds

Floats = NDArray[np.float64]
THIRDS = ("people agree", "in between", "people disagree")
BINS, DRAWN = 5, 10  # of the calibration error, label by label, and of a picture of all labels together
TRUE = "a system that states people's true rates"
_CELLS = 2**25  # drawn to tell what chance makes of a count, in at least 39 and at most 199 draws


@dataclass(frozen=True)
class ByDisagreement:
    """Scores on images by how far people disagree.

    human: whether one person is compared with too; else the score is a squared error, and no change of it is tested, as
    it is larger where rates are near a half, whoever states them. score: what it is. scores: by system, and human, for
    each of `THIRDS`. slopes: by system, how much its score, less one person's, changes from the image on which people
    agree most to the one on which they agree least. Its p value is the largest of three: that the change is none
    beside one person, beside a system that states the true rates, and beside the system's own answers to other images,
    which know nothing of this one. For the consensus of people beats one person where they disagree, and whoever knows
    nothing loses most where they agree. true: whether people's true rates could be drawn.
    """

    human: bool
    score: str
    scores: dict[str, tuple[Estimate | None, ...]]
    slopes: dict[str, Estimate]
    true: bool = False

    @property
    def beside(self) -> str:
        """With what the change of a system is compared, all of it together."""
        rates = ", the true rates" if self.true else ""
        return f"one person{rates} and answers that know nothing of the image"

    @property
    def measure(self) -> str:
        """What the scores are."""
        if self.human:
            return f"agreement with one person ({self.score})"
        return f"{self.score} of rates, less what chance in the votes adds"

    @property
    def findings(self) -> tuple[str, ...]:
        """In words: each system that fails more where people agree, or disagree; and the others."""
        if not self.human:
            return (
                "By votes alone nobody can say where systems fail more: a squared error is larger where rates are near "
                "a half, and so where people disagree",
            )
        found = [
            f"{name} fails more where people {'disagree' if slope.value < 0 else 'agree'}, beside {self.beside} "
            f"({self.score}: change {number(slope.value)}, {number(slope.low)} to {number(slope.high)})"
            for name, slope in self.slopes.items()
            if slope.found
        ]
        rest = few([name for name, slope in self.slopes.items() if not slope.found], 8)
        tested = all(slope.tested for slope in self.slopes.values())
        no = "No change beyond chance" if tested else f"Too few images (below {FEW}) to test the change"
        alike = f"{no} from where people agree to where they do not, beside {self.beside}: {rest}"
        return (*found, alike) if rest else tuple(found)

    def table(self) -> Table:
        """A row a system."""
        rows = []
        for name, thirds in self.scores.items():
            cells = ("–" if third is None else str(third) for third in thirds)
            rows.append((name, *cells, *_with_p(self.slopes.get(name))))
        than = f", of the difference to one person; p: of none beside {self.beside}" if self.human else ""
        note = (
            f"{self.measure}; change: from where people agree most to where they agree least{than}; how far people "
            "disagree is told by answers that are not scored here; ± is half the width of the 95 % interval"
        )
        columns = ("system", *THIRDS, "change", "p (Holm)")
        return Table("By disagreement of people", columns, tuple(rows), note)

    def drawing(self) -> Drawing | None:
        """The change by system, beside none; None where people disagree on all images alike, and nothing can change."""
        if not self.slopes:
            return None
        title = "Change from where people agree to where they disagree"
        shown = [(name, asdict(each)) for name, each in self.slopes.items()]
        alt = f"{title}: " + "; ".join(f"{name} {each}" for name, each in self.slopes.items())
        return drawing(title, intervals(shown, alt, zero=True), f"Of {self.measure}.")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"measure": self.measure, "thirds": list(THIRDS), **asdict(self), "findings": list(self.findings)}


@dataclass(frozen=True)
class Stated:
    """What one system's shares are worth.

    error: squared calibration error, mean over labels, without the bias of few images. slope: how much higher people's
    share is where the stated one is 1 higher, within labels; None where a system states the same of every image. bins:
    of all labels together.
    """

    error: Estimate
    slope: Estimate | None
    bins: tuple[Bin, ...] = field(repr=False)


@dataclass(frozen=True)
class StatedCalibration:
    """Stated shares against people's, by system."""

    systems: dict[str, Stated]

    @property
    def findings(self) -> tuple[str, ...]:
        """In words: the systems that are overconfident or underconfident, beyond chance."""
        return tuple(
            f"{name} is {'over' if each.slope.value < 1 else 'under'}confident: where it states .10 more for a label, "
            f"people's share is {number(each.slope.value / 10)} higher "
            f"(95 % interval {number(each.slope.low / 10)} to {number(each.slope.high / 10)})"
            for name, each in self.systems.items()
            if each.slope is not None and each.slope.found
        )

    def table(self) -> Table:
        """A row a system."""
        rows = tuple((name, *_with_p(each.slope), str(each.error)) for name, each in self.systems.items())
        note = (
            "slope: 1 where shares mean what they say, lower for overconfident ones, within labels, so that naming a "
            "label too often does not count; p: of a slope of 1; calibration error: squared, mean over labels, without "
            "the bias of few images; ± is half the width of the 95 % interval"
        )
        return Table("Stated shares against people's", ("system", "slope", "p (Holm)", "calibration error"), rows, note)

    def drawing(self) -> Drawing:
        """A panel a system: what was stated across, what people said up."""
        panels = [(name, [(b.said, b.seen, b.low, b.high) for b in each.bins]) for name, each in self.systems.items()]
        alt = "People's share against the stated one: " + "; ".join(
            f"{name} " + ", ".join(f"{number(said)} is {number(seen)}" for said, seen, *_ in each)
            for name, each in panels
        )
        picture = reliability(panels, alt, axis=("stated share", "people's share"))
        return drawing(
            "Do stated shares mean what they say?", picture, "On the dashed line they do. All labels together."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"systems": {name: asdict(each) for name, each in self.systems.items()}, "findings": list(self.findings)}


@dataclass(frozen=True)
class Alone:
    """An image on which every system says a label that people do not.

    people: their share. said: all labels, by system.
    """

    image_id: str
    label: str
    people: float
    said: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class AgreedAlone:
    """Those images, the ones on which fewest people say the label first. of: how many images there are.

    chance: on how many there would be one on average, if systems stated people's true rates (None where those cannot be
    drawn), and if each knew nothing of the image or of the others. p: how often chance makes as many, the larger of
    both.
    """

    images: tuple[Alone, ...]
    of: int
    chance: tuple[float | None, float]
    p: float

    @property
    def findings(self) -> tuple[str, ...]:
        """On how many of the images, and whether that is more than chance makes."""
        count = len({each.image_id for each in self.images})
        said = (
            f"on {count or 'none'} of {self.of} images all systems say the same label, which people's answers do not "
        )
        if not count:
            return (f"{said}support",)
        true, nothing = self.chance
        rates = "" if true is None else f"systems that state people's true rates ({true:.1f} on average) and of "
        more = "more" if self.p < LEVEL else "no more"
        blind = f"systems that know nothing of the image or of each other ({nothing:.1f})"
        return (f"{said}support, {more} than chance makes of {rates}{blind}",)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "findings": list(self.findings)}


def by_disagreement(systems: Mapping[str, Answers], truth: Truth, *, seed: int = 0) -> ByDisagreement | None:
    """Do systems fail where people agree, or where they do not?

    Where single judgements are known, one person of an image is the target of the system and of another person, and all
    the others say how far people disagree, by the expected entropy of their rates or shares given their votes. Answers
    that said both would make people look good where they happen to agree. Where votes alone are known, one half of them
    is the target of stated rates, and the other half says how far people disagree; no change is tested then.

    Args:
        systems: their answers; one without what is compared (sets, or rates) is left out.
        truth: what people said of the same images.
        seed: of who is compared with whom.

    Returns:
        None where votes are not known, fewer than three people answered any image, or no system can be compared.
    """
    rng = np.random.default_rng(seed)
    panels = truth.panels
    nulls = {} if panels is None else _nulls(systems, truth, np.random.default_rng((seed, 1)))
    found = persons({**systems, **nulls}, truth, rng) if panels is not None else halves(systems, truth, rng)
    if found is None or not set(found[2]) - {"human", *nulls}:
        return None
    image, disagreement, rows = found
    images, image = np.unique(image, return_inverse=True)
    groups = None if truth.groups is None else truth.groups[images]
    _, place, count = np.unique(disagreement.round(9), return_inverse=True, return_counts=True)
    rank = ((count.cumsum() - (count - 1) / 2 - 0.5) / len(place))[place]
    third = np.minimum((3 * rank).astype(int), 2)
    each = 1 / np.bincount(image)[image]  # an image counts one

    def by_image(*values: Floats) -> Floats:
        return np.stack([np.bincount(image, each * v) for v in values], axis=1)

    inside = [(third == t).astype(np.float64) for t in range(3)]
    within: Bounds = (
        (None, None) if panels is None else (0, 1)
    )  # of votes an estimate of an error, which may be below 0
    scores: dict[str, tuple[Estimate | None, ...]] = {}
    slopes: dict[str, Estimate | None] = {}

    def slope(gap: Floats, null: float | None) -> Estimate | None:
        return jackknifed(by_image(np.ones_like(gap), rank, gap, rank**2, rank * gap), slope_of, groups, null)[0]

    for name, row in rows.items():
        if name in nulls:
            continue
        columns = by_image(*inside, *(row * at for at in inside))
        scores[name] = tuple(jackknifed(columns, lambda sums: sums[:, 3:] / sums[:, :3], groups, bounds=within))
        if name != "human":
            slopes[name] = slope(row - rows.get("human", 0.0), 0.0 if "human" in rows else None)
            beside = (slope(row - rows[null], 0.0) for null in (TRUE, _shuffled(name)) if null in rows)
            for other in beside:
                slopes[name] = _in_both(slopes[name], other)
    score = "squared error" if panels is None else "first label right" if truth.sets is None else "set F1"
    return ByDisagreement("human" in rows, score, scores, for_all(slopes), TRUE in rows)


def stated_calibration(systems: Mapping[str, Answers], truth: Truth) -> StatedCalibration | None:
    """Do stated shares mean what they say?

    Args:
        systems: their answers; one without shares is left out.
        truth: what people said of the same images, as rates or a distribution.

    Returns:
        None where people's shares are not known, or no system states any.
    """
    stated = {name: given.shares.double().numpy() for name, given in systems.items() if given.shares is not None}
    if not stated or truth.kind not in ("rates", "distribution"):
        return None
    seen, labels = np.asarray(truth.shares, dtype=np.float64), len(truth.labels)
    people = truth.people
    if people is None and truth.votes is not None:
        people = np.repeat(truth.votes.sum(axis=1, keepdims=True), labels, axis=1)
    units = np.arange(len(seen)) if truth.groups is None else np.unique(truth.groups, return_inverse=True)[1]
    found = {}
    for name, said in stated.items():
        error = table_interval(debiased_calibration(said, seen, bins=BINS), len(seen), groups=truth.groups)
        sums = np.stack([np.ones_like(said), said, seen, said**2, said * seen], axis=1).reshape(len(seen), -1)
        slope = jackknifed(sums, slope_of, truth.groups, null=1.0)[0]
        flat = None if people is None else people.ravel()
        every = bins(said.ravel(), seen.ravel(), flat, groups=np.repeat(units, labels), most=DRAWN)
        found[name] = Stated(Estimate(*(float(part) for part in error[:3])), slope, tuple(every))
    slopes = for_all({name: each.slope for name, each in found.items()})
    return StatedCalibration({name: replace(each, slope=slopes.get(name)) for name, each in found.items()})


def _shuffled(name: str) -> str:
    return f"{name}'s answers to other images"


def _true_rates(truth: Truth, rng: np.random.Generator) -> Answers | None:
    """What people's votes leave possible of their rates, as a system; None where that is not known."""
    rates = truth.oracle if truth.oracle is not None else truth.plausible(rng)
    if rates is None:
        return None
    table = torch.from_numpy(np.asarray(rates, dtype=np.float64))
    return Answers(table, table, None if truth.sets is None else (table >= truth.tau - 1e-9).long())


def _nulls(systems: Mapping[str, Answers], truth: Truth, rng: np.random.Generator) -> dict[str, Answers]:
    """A system that states the true rates, where they can be drawn, and each system with its answers dealt out anew."""
    true, images = _true_rates(truth, rng), len(truth.image_id)
    shuffled = {_shuffled(name): given.rows(rng.permutation(images)) for name, given in systems.items()}
    return shuffled if true is None else {TRUE: true, **shuffled}


def _in_both(one: Estimate | None, other: Estimate | None) -> Estimate | None:
    """The first, with the larger p value of the two, or 1 where they point to opposite sides."""
    if one is None or other is None or one.p is None or other.p is None:
        return one
    return replace(one, p=max(one.p, other.p) if one.value * other.value > 0 else 1.0)


def agreed_alone(systems: Mapping[str, Answers], truth: Truth, *, seed: int = 0) -> AgreedAlone:
    """The images on which every system says a label that is not in people's set.

    A system says the labels of its set, or without sets its first label. People's set is the data set's own, or, where
    there is none, the label that most of them chose, and those with a share of at least tau. How many such images
    chance makes is drawn: of systems that state people's true rates, as far as votes tell them, and so are right where
    votes are not; and of systems that know nothing of the image, each with its own answers dealt out anew.

    Args:
        systems: their answers.
        truth: what people said of the same images.
        seed: of these draws.
    """
    said = {name: _said(given) for name, given in systems.items()}
    theirs = (truth.shares >= truth.tau) | (truth.hits > 0) if truth.sets is None else truth.sets.astype(bool)
    image, label = np.nonzero(np.logical_and.reduce([*said.values(), ~theirs]))
    count, rng, unsupported = len(np.unique(image)), np.random.default_rng(seed), ~theirs
    draws = int(np.clip(_CELLS // max(theirs.size * len(said), 1), 39, 199))
    true, nothing = [], []
    for _ in range(draws):
        dealt = [rows[rng.permutation(len(rows))] for rows in said.values()]
        nothing.append(int(np.logical_and.reduce([*dealt, unsupported]).any(axis=1).sum()))
        if (rates := _true_rates(truth, rng)) is not None:
            sets = [
                _said(replace(rates, sets=rates.sets if given.sets is not None else None)) for given in systems.values()
            ]
            true.append(int(np.logical_and.reduce([*sets, unsupported]).any(axis=1).sum()))
    p = max((1 + sum(made >= count for made in drawn)) / (1 + draws) for drawn in (true, nothing) if drawn)
    chance = float(np.mean(true)) if true else None, float(np.mean(nothing))
    order = np.argsort(truth.shares[image, label], kind="stable")
    named = np.array(truth.labels, dtype=object)
    images = tuple(
        Alone(
            str(truth.image_id[i]), truth.labels[c], float(truth.shares[i, c]),
            {name: tuple(named[row[i]]) for name, row in said.items()},
        )
        for i, c in zip(image[order].tolist(), label[order].tolist(), strict=True)
    )  # fmt: skip
    return AgreedAlone(images, len(truth.image_id), chance, p)


def _said(given: Answers) -> NDArray[np.bool_]:
    """The labels that a system says, its set or without one its first label, [N, C]."""
    rows = firsts(given.scores.double().numpy()) if given.sets is None else given.sets.numpy()
    return np.asarray(rows > 0)


def _with_p(slope: Estimate | None) -> tuple[str, str]:
    return ("–", "–") if slope is None else (str(slope), p_value(slope.p_holm))
