"""Where systems and people part: by disagreement and in stated shares; by place.

Views of every evaluation, for `evaluate(..., also=VIEWS)`; each looks at the systems that answer of themselves
(`answering`), and without what it needs adds nothing. P values are corrected for all of them (Holm 1979), and findings
are the sentences that hold beyond chance. What `Case.more` may hold for them:

smoothed    names of systems whose shares are smoothed counts of few answers: nothing is said of their calibration
requests    {SYSTEM: Requests}: what each of a system's requests gave to labels, and where it showed them
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from affectml.judging.compare import LEVEL, corrected, firsts, summed
from affectml.judging.figures import Figure, Rows
from affectml.judging.scoring import Answers
from affectml.judging.truth import Array, Floats, Ints, Truth
from affectml.judging.views import Case
from affectml_annotation import fit_beta_prior, fit_dirichlet_prior
from affectml_annotation.smoothing import posterior_entropy
from affectml_metrics import FEW, Difference, paired_difference
from affectml_metrics import functional as F
from affectml_metrics.intervals import Bounds, interval_of

OfSums = Callable[[Floats], Floats]
# the image, the disagreement and the scores of each comparison
Compared = tuple[Ints, Floats, dict[str, Floats]]

THIRDS = ("most agree", "between", "least agree")
NEIGHBOURS = 2  # others whom each person of an image is compared with, of five people that is everybody


class Requests(NamedTuple):
    """R requests: whether each label was named, or its share [R, C]; where it stood, from 0 [R, C]; the image [R].

    groups: [R], images that are no independent evidence; None: each image is its own.
    """

    given: Floats
    places: Array
    images: Array
    groups: Array | None = None


def answering(case: Case) -> dict[str, Answers]:
    """The systems that answer of themselves: all but the prior, zero-shot and the oracle, which stand beside them."""
    return {name: answer for name, answer in case.answers.items() if name not in ("prior", "zero_shot", "oracle")}


def by_disagreement(case: Case) -> dict[str, Any] | None:
    """How systems score where people agree, and where they do not: rows `by` disagreement, of systems and of `person`.

    Levels: `THIRDS` of the comparisons. One person of an image is the target of the system and of another person
    (set_f1_judgements, or top_1_accuracy where there are no sets), and all the others say how far people disagree, by
    the expected entropy of their rates or shares given their votes. Answers that said both would make people look good
    where they happen to agree. Read a system beside `person`: whoever answers scores less where people disagree.

    Nothing where single judgements are not known, where fewer than three people answered any image, or no system can be
    compared. The seed says who is compared with whom.
    """
    truth, systems = case.truth, answering(case)
    compared = None if truth.panels is None else persons(systems, truth, np.random.default_rng(case.seed))
    if compared is None or not systems.keys() & compared[2].keys():
        return None
    image, disagreement, scores = compared
    images, image = np.unique(image, return_inverse=True)
    units = images if truth.groups is None else truth.groups[images]
    weight = 1 / np.bincount(image)[image]  # an image counts one
    rank = (pd.Series(disagreement.round(9)).rank().to_numpy() - 0.5) / len(disagreement)
    third = np.minimum((3 * rank).astype(int), 2)
    what = "first label right" if truth.sets is None else "set F1"
    metric = "top_1_accuracy" if truth.sets is None else "set_f1_judgements"
    for name, row in scores.items():
        for t, level in enumerate(THIRDS):
            inside = weight * (third == t)
            sums = [np.bincount(image, inside), np.bincount(image, inside * row)]
            columns = np.stack(sums, axis=1).astype(np.float64)
            score = jackknifed(columns, lambda sums: sums[:, 1:] / sums[:, :1], units, bounds=[(0, 1)])
            here = columns[:, 0] > 0
            key = {"by": "disagreement", "n": int(here.sum()), "units": len(np.unique(units[here]))}
            case.rows.add(metric, score, system=name, level=level, **key)
    return {"rules": {"disagreement": f"{what} of one person's answer"}}


def _tested(case: Case, rows: Rows, words: Callable[[Figure], str]) -> list[dict[str, str]]:
    """Add figures with p values corrected for all of them; the findings of those beyond chance."""
    figures = corrected(rows.rows)
    case.rows.rows += figures
    return [{"system": figure.system, "words": words(figure)} for figure in figures if figure.found]


def persons(systems: Mapping[str, Answers], truth: Truth, rng: np.random.Generator) -> Compared | None:
    """One person as the target of systems and of another person; the rest say how far people disagree."""
    assert truth.chosen is not None
    assert truth.asked is not None
    order = np.where(truth.asked, rng.random(truth.asked.shape), np.inf).argsort(axis=1)  # seats may stand by answer
    chosen = np.take_along_axis(truth.chosen, order[:, :, None], axis=1).astype(np.int64)
    people = truth.asked.sum(axis=1)
    image, seat = np.nonzero((np.arange(chosen.shape[1]) < people[:, None]) & (people >= 3)[:, None])
    if not len(image):
        return None
    other = np.concatenate([(seat + k) % people[image] for k in range(1, NEIGHBOURS + 1)])
    image, seat = np.tile(image, NEIGHBOURS), np.tile(seat, NEIGHBOURS)
    answer, another = chosen[image, seat], chosen[image, other]
    votes, n = chosen.sum(axis=1)[image] - answer - another, people[image] - 2
    if truth.kind == "distribution":
        alpha = fit_dirichlet_prior(chosen.sum(axis=1)).alpha + votes
        first = {name: firsts(system.scores.double().numpy())[image] for name, system in systems.items()}
        rows = {name: (row * answer).sum(axis=1) for name, row in first.items()}
        return image, shares_entropy(alpha), {**rows, "person": (another * answer).sum(axis=1).astype(np.float64)}
    prior = truth.beta or fit_beta_prior(chosen.sum(axis=1), people)
    target = torch.from_numpy(answer)
    sets = {name: system.sets[torch.from_numpy(image)] for name, system in systems.items() if system.sets is not None}
    rows = {name: F.set_f1(row, target).numpy() for name, row in {**sets, "person": torch.from_numpy(another)}.items()}
    return image, posterior_entropy(votes, n, prior), rows


def shares_entropy(alpha: Floats) -> Floats:
    """E H(p) in nats, [M], for p ~ Dirichlet(alpha), alpha [M, C] (Wolpert & Wolf 1995)."""
    from scipy.special import digamma

    total = alpha.sum(axis=1, keepdims=True)
    return np.asarray((alpha / total * (digamma(total + 1) - digamma(alpha + 1))).sum(axis=1))


def jackknifed(
    columns: Floats, statistic: OfSums, groups: Array | None, null: float | None = None, bounds: Sequence[Bounds] = ()
) -> Difference:
    """A statistic [B, 1] of sums [B, M] of the columns [N, M], with its interval and the p value of `null`.

    Images or groups are left out one by one. p: nan without a null and below 30 of them. bounds: one pair, the lowest
    and the highest value; none: no ends.
    """
    sums = columns if groups is None else summed(columns, groups)
    total, units = sums.sum(axis=0, keepdims=True), torch.tensor([len(sums)])
    with np.errstate(invalid="ignore", divide="ignore"):
        value, left_out = (torch.from_numpy(statistic(part)) for part in (total, total - sums))
    low, high, p = interval_of(value[0], left_out, units, 1 - LEVEL, bounds, null or 0.0)
    low, high = (torch.where(end.isnan(), value[0], end) for end in (low, high))  # one unit says nothing of others
    p = p if null is not None and len(sums) >= FEW else torch.full_like(p, torch.nan)
    return Difference(*(part[0] for part in (value[0], low, high, p, torch.tensor([len(columns)]), 0 * units, units)))


def slope_of(sums: Floats) -> Floats:
    """[B, 1] from sums of 1, x, y, x² and xy of one or more strata, [B, 5 S], each stratum about its own means."""
    n, x, y, xx, xy = np.split(sums, 5, axis=1)
    below = (xx - x * x / n).sum(axis=1, keepdims=True)
    flat = below <= 1e-9 * xx.sum(axis=1, keepdims=True)
    return np.asarray(np.where(flat, np.nan, (xy - x * y / n).sum(axis=1, keepdims=True) / np.where(flat, 1, below)))


def stated_calibration(case: Case) -> dict[str, Any] | None:
    """Whether stated shares mean what they say.

    calibration_slope: how much higher people's share is where the stated one is 1 higher, within labels, so that naming
    a label too often does not count; p: of a slope of 1; none where a system states the same of every image. Nothing
    where people's shares are not known.
    """
    truth, slopes = case.truth, Rows(**case.rows.key)
    if truth.kind not in ("rates", "distribution"):
        return None
    seen = np.asarray(truth.shares, dtype=np.float64)
    for name, answer in answering(case).items():
        if answer.shares is None or name in case.more.get("smoothed", ()):
            continue
        stated = answer.shares.double().numpy()
        sums = np.stack([np.ones_like(stated), stated, seen, stated**2, stated * seen], axis=1).reshape(len(seen), -1)
        slopes.add("calibration_slope", jackknifed(sums, slope_of, truth.groups, null=1.0), system=name)

    def words(each: Figure) -> str:
        over, (low, high) = "over" if each.value < 1 else "under", each.ends
        higher = f"{each.value / 10:.3f} higher (95 % interval {low / 10:.3f} to {high / 10:.3f})"
        return f"is {over}confident: where it states 0.10 more for a label, people's share is {higher}"

    return {"findings": _tested(case, slopes, words)}


def liking_for_places(case: Case) -> dict[str, Any] | None:
    """Whether systems prefer labels for where they are shown: `place_bias`, n of requests; needs `requests`."""
    rows = Rows(**case.rows.key)
    for name, requests in case.more.get("requests", {}).items():
        if (liking := place_bias(*requests)) is not None:
            rows.add("place_bias", liking, system=name)

    def words(each: Figure) -> str:
        half = "first" if each.value > 0 else "second"
        gap = f"{each.value:+.1%}, {each.ends[0]:+.1%} to {each.ends[1]:+.1%}"
        return f"prefers labels that stand in the {half} half of the list it is shown (difference {gap})"

    return {"findings": _tested(case, rows, words)}


def place_bias(given: Floats, places: Array, images: Array, groups: Array | None = None) -> Difference | None:
    """How much more R requests give to labels in the first half of their places than to those in the second.

    In shares of answers to a label, mean over requests; None where fewer than two images or groups have one. What a
    request gives its labels is taken against what can be expected of the image without it: the mean of the image's
    other requests and, as one more of them, of all other requests. As orders are drawn at random, the mean difference
    of a system that does not look at places is 0 whatever is expected.

    Args:
        given: whether each label is named, or its share [R, C].
        places: where each label stood, from 0 [R, C]. Of an odd number the middle place counts for neither half.
        images: which image each request is about [R].
        groups: images that are no independent evidence [R]; None: each image is its own. The interval is over them.
    """
    n, labels = given.shape
    units = images if groups is None else groups
    if len(np.unique(units)) < 2:
        return None
    image = np.unique(images, return_inverse=True)[1]
    sums, sizes = summed(given, image), np.bincount(image)
    rest = (given.sum(axis=0) - given) / (n - 1)
    over = given - (sums[image] - given + rest) / sizes[image][:, None]
    half = labels // 2
    sign = np.where(places < half, 1, np.where(places >= labels - half, -1, 0))
    gaps = ((over * sign).sum(axis=1) / max(half, 1)).round(12)
    return paired_difference(gaps, np.zeros_like(gaps), groups=units)


VIEWS = (by_disagreement, stated_calibration, liking_for_places)
