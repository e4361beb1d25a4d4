"""The Open Affective Standardized Image Set (Kurdi, Lozano & Banaji 2017): shares from the mean and SD of ratings."""

from collections.abc import Sequence
from itertools import compress

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from affectml.errors import BadInput
from affectml.importers.draft import Draft, Source, draft, image_table, label_table
from affectml.importers.find import find, locate, relative_names, repeated
from affectml.importers.read import first_row, numbers, read_table
from affectml.importers.registry import importer, published
from affectml.taxonomies import Taxonomy, get_taxonomy

Floats = NDArray[np.float64]

POINTS = 7
MOMENT_TOLERANCE = 1e-6  # on the mean and the SD of every row, in scale points
_EDGE = 1e-9  # closer than this to the edge of what is possible, only two points are left
_SCALES = ("Valence", "Arousal")
_NUMBERS = tuple(f"{scale}_{what}" for scale in _SCALES for what in ("mean", "SD", "N"))
# affect-4: the label, the scale whose end it is, and the first of the three points of that end.
_ENDS = (("negative", "Valence", 0), ("positive", "Valence", 4), ("calm", "Arousal", 0), ("aroused", "Arousal", 4))
_END = "the axis's end, by definition"
_AFFECT = {
    "name": "affect-4",
    "title": "the ends of valence and arousal",
    "source": "the axes of Russell 1980; labels and cuts by affectml",
    "templates": ["a photo that evokes a {label} feeling", "{label}"],
    "labels": {
        "negative": {"synonyms": ["unpleasant"], "place": {"valence": -1.0, "arousal": 0.0, "source": _END}},
        "positive": {"synonyms": ["pleasant"], "place": {"valence": 1.0, "arousal": 0.0, "source": _END}},
        "calm": {"synonyms": ["peaceful", "sleepy"], "place": {"valence": 0.0, "arousal": -1.0, "source": _END}},
        "aroused": {"synonyms": ["excited", "intense"], "place": {"valence": 0.0, "arousal": 1.0, "source": _END}},
    },
}


@importer("oasis", published("oasis"), images=("copy", "hardlink"), folder=False)
def oasis(source: Source) -> Draft:
    """OASIS (Kurdi, Lozano & Banaji 2017): PATH holds OASIS.csv and Images/THEME.jpg.

    Targets, both by the vote rule `moments`: `polarity`, a distribution over polarity-3 (negative is 1-3 of
    the seven points, neutral 4, positive 5-7), and `affect`, rates over affect-4 (negative, positive, calm is
    arousal 1-3, aroused 5-7) with the number of raters of each label's scale. `group` is the theme without
    its number. Images that are not there are counted and left out, so a part of the set imports too.
    """
    table = read_table(source.path / "OASIS.csv" if source.path.is_dir() else source.path)
    root, where = table.path.parent, table.places()
    table.need(("Theme", "Category", *_NUMBERS), "OASIS.csv as published")
    cells = numbers(table, _NUMBERS)
    no_people = ((cells != np.round(cells)) | (cells < 1)) & [name.endswith("_N") for name in _NUMBERS]
    table.refuse(no_people, _NUMBERS, cells, "expected a whole number of people")
    given = dict(zip(_NUMBERS, cells.T, strict=True))
    counts = {name: given[name].astype(np.int64) for name in given if name.endswith("_N")}
    themes = relative_names(table.frame["Theme"].tolist(), root, where)
    repeated(themes, where, "take one of the two out")
    located = locate(themes, find(root, ["Images"], folder=True) or root, table.path, where, source.images)
    here = np.array(located.there)
    shares = {}
    for scale in _SCALES:
        places = [f"{place}: {scale}" for place in where]
        shares[scale] = maximum_entropy_shares(given[f"{scale}_mean"], given[f"{scale}_SD"], POINTS, places)
    images = image_table(
        themes,
        located.files,
        group=pd.Series(themes).str.replace(r"\s*\d+$", "", regex=True),
        category=table.frame["Category"].astype(str).str.strip(),
        **{name.lower(): values for name, values in (given | counts).items()},
    )
    images = images[here].reset_index(drop=True)
    result = draft(source, images, list(compress(located.places, here)), root)
    result.skipped["images: not in the folder"] = list(compress(themes, ~here))
    entry = {"values": "shares", "vote_rule": "moments"}
    valence = shares["Valence"]
    parts = np.stack([valence[:, part].sum(axis=1) for part in (slice(3), slice(3, 4), slice(4, None))], axis=1)
    polarity = label_table(themes, parts, get_taxonomy("polarity-3"))
    polarity.insert(1, "n", counts["Valence_N"])
    made_by = "maximum entropy from valence mean and SD: negative 1-3, neutral 4, positive 5-7"
    result.add("polarity", "distribution", polarity[here], get_taxonomy("polarity-3"), **entry, made_by=made_by)
    ends = np.stack([shares[scale][:, start : start + 3].sum(axis=1) for _, scale, start in _ENDS], axis=1)
    taxonomy = Taxonomy.from_dict(_AFFECT)
    affect = label_table(themes, ends, taxonomy)
    for at, (label, scale, _) in enumerate(_ENDS, start=1):
        affect.insert(at, f"n:{label}", counts[f"{scale}_N"])
    made_by = "maximum entropy from mean and SD: valence 1-3 and 5-7, arousal 1-3 and 5-7"
    result.add("affect", "rates", affect[here], taxonomy, **entry, made_by=made_by)
    return result


def sd_bounds(mean: Floats, points: int = POINTS) -> tuple[Floats, Floats]:
    """The smallest and the largest SD that whole answers 1 to `points` with a mean [N] can have, each [N].

    Smallest: everybody on the two points around the mean. Largest: everybody on the two ends (Bhatia &
    Davis 2000).
    """
    part = mean - np.floor(mean)
    return np.sqrt(part * (1 - part)), np.sqrt(np.maximum((mean - 1) * (points - mean), 0))


def maximum_entropy_shares(mean: Floats, sd: Floats, points: int = POINTS, where: Sequence[str] = ()) -> Floats:
    """The distribution on 1 to `points` of largest entropy that has this mean and SD, per row.

    Its form is exp(ax + bx^2) (Jaynes 1957): a discretised bell for b < 0, flat for b = 0, U-shaped for b > 0, where
    the SD asks for it. Where mean and SD leave no freedom (an SD at its bound) it is the one distribution on two
    points, or on one. The moments are checked to 1e-6.

    Args:
        mean: [N], in scale points.
        sd: [N], in scale points.
        points: of the scale.
        where: what error messages call each row.

    Returns:
        [N, points], rows sum to 1.

    Raises:
        BadInput: for a pair that no answers on the scale can have.

    >>> maximum_entropy_shares(np.array([4.0]), np.array([2.0])).round(4).tolist()
    [[0.1429, 0.1429, 0.1429, 0.1429, 0.1429, 0.1429, 0.1429]]
    """
    where = where or [f"row {row}" for row in range(len(mean))]
    if (row := first_row(~((mean >= 1) & (mean <= points)))) is not None:
        raise BadInput(f"{where[row]}: a mean of {mean[row]:g} is not on the scale from 1 to {points}")
    low, high = sd_bounds(mean, points)
    if (row := first_row(~((sd >= low - MOMENT_TOLERANCE) & (sd <= high + MOMENT_TOLERANCE)))) is not None:
        raise BadInput(
            f"{where[row]}: no whole answers from 1 to {points} have mean {mean[row]:g} and SD {sd[row]:g} "
            f"(with this mean the SD lies between {low[row]:.3f} and {high[row]:.3f}); mend the row or take it out"
        )
    at_low, at_high = sd**2 - low**2 < _EDGE, high**2 - sd**2 < _EDGE
    # at an edge, all mass on two points: the ones around the mean, or the ends
    left = np.where(at_low, np.minimum(np.floor(mean), points - 1), 1).astype(int)
    right = np.where(at_low, left + 1, points)
    upper = (mean - left) / (right - left)
    rows, shares = np.arange(len(mean)), np.zeros((len(mean), points))
    shares[rows, left - 1], shares[rows, right - 1] = 1 - upper, upper
    middle, half = (points + 1) / 2, (points - 1) / 2
    first = (mean - middle) / half
    inside = ~at_low & ~at_high
    shares[inside] = _solve(np.stack([first, (sd / half) ** 2 + first**2], axis=1)[inside], points)

    scale = np.arange(1, points + 1)
    found = shares @ scale
    spread = np.sqrt(np.maximum(((scale - found[:, None]) ** 2 * shares).sum(axis=1), 0))
    # Near an SD of nothing, the SD's own rounding is the square root of the variance's.
    off_sd = (np.abs(spread - sd) > MOMENT_TOLERANCE) & (np.abs(spread**2 - sd**2) > _EDGE * 2)
    if (row := first_row((np.abs(found - mean) > MOMENT_TOLERANCE) | off_sd)) is not None:
        raise BadInput(
            f"{where[row]}: found no distribution with mean {mean[row]!r} and SD {sd[row]!r} "
            f"(reached {found[row]!r} and {spread[row]!r})"
        )
    return shares


def _solve(wanted: Floats, points: int) -> Floats:
    """The shares with these means of x and x^2 [N, 2], x on [-1, 1].

    Newton on the convex dual log Z(theta) - theta . wanted, all rows at once; overshooting steps halve. The Hessian is
    the covariance of (x, x^2), so a tiny ridge is enough to keep rows near the edge solvable.
    """
    x = np.linspace(-1.0, 1.0, points)
    statistics = np.stack([x, x * x], axis=1)

    def dual(theta: Floats) -> Floats:
        return np.asarray(logsumexp(theta @ statistics.T, axis=1) - (theta * wanted).sum(axis=1))

    theta = np.zeros_like(wanted)
    for _ in range(200):
        shares: Floats = softmax(theta @ statistics.T, axis=1)
        mean = shares @ statistics
        if np.abs(mean - wanted).max(initial=0.0) < 1e-13:
            break
        second = np.einsum("nk,ki,kj->nij", shares, statistics, statistics)
        hessian = second - mean[:, :, None] * mean[:, None, :] + 1e-15 * np.eye(2)
        step = np.linalg.solve(hessian, (mean - wanted)[:, :, None])[:, :, 0]
        value = dual(theta)
        for _ in range(60):
            overshoot = ~(dual(theta - step) <= value + 1e-14 * np.abs(value))
            if not overshoot.any():
                break
            step[overshoot] /= 2
        step[overshoot] = 0.0
        theta = theta - step
    return shares
