"""Whether the model is undecided where people are, and what it costs to have asked few people."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from affectml.page.data import ReportData
from affectml.page.numbers import entropies, means
from affectml.page.section import Section, drawing
from affectml.page.tables import Table, number
from affectml.plots import dots, scatter
from affectml_metrics import table_interval
from affectml_metrics.functional.disagreement import prepared_correlation

if TYPE_CHECKING:
    from affectml.judging.truth import Truth

DOTS = 400
GROUPS = 6
LEAST = 10  # images of a group, from which their mean is worth a word
MANY = 20  # votes from which their entropy is hardly lower than people's
SPREAD = 1.5  # how many times as many people some images have had to be asked for a word about it


def entropy(data: ReportData) -> Section | None:
    """People's entropy against the model's, image by image; None where people's shares are not known."""
    truth, said = data.truth, data.model.shares
    if said is None or truth.kind in ("single", "sets") or len(truth.image_id) < 3:
        return None
    rates = truth.kind == "rates"
    theirs, its = entropies(truth.shares, rates=rates), entropies(said.numpy(), rates=rates)
    if theirs.std() == 0 or its.std() == 0:
        return None
    rank = prepared_correlation(torch.from_numpy(its), torch.from_numpy(theirs), "spearman")
    found = table_interval(rank, len(theirs), groups=truth.groups)
    value, low, high = (float(part) for part in found[:3])
    shown = np.unique(np.linspace(0, len(theirs) - 1, min(DOTS, len(theirs))).round().astype(int))
    of = f"{len(shown)} of {len(theirs)} images" if len(shown) < len(theirs) else f"{len(theirs)} images"
    alt = f"People's entropy across, the model's up, {of}; rank correlation {number(value)}"
    measure = "mean over labels, in bits" if rates else "as a share of the largest possible"
    picture = drawing(
        f"Undecided people, undecided model? {of}",
        scatter(theirs[shown], its[shown], alt, axis=(f"people's entropy ({measure})", "the model's entropy")),
        "Few people's votes look more decided than people are: that alone puts dots above the line."
        if truth.votes is not None and float(np.median(people_of(truth))) <= MANY
        else "",
    )
    strength = "whether it is more undecided where people are, these images cannot tell"
    if low > 0 or high < 0:
        strength = "it is more undecided where people are" if low > 0 else "it is more decided where people are not"
    words = (
        f"Between people's entropy and the model's the rank correlation is {number(value)} (95 % interval "
        f"{number(low)} to {number(high)}): {strength}. Nine in ten images have {_middle(theirs)} of people's and "
        f"{_middle(its)} of the model's."
    )
    images = zip(truth.image_id, theirs.tolist(), its.tolist(), strict=True)
    rows = tuple((str(image), number(a), number(b)) for image, a, b in images)
    table = Table("Entropy by image", ("image", "people", "model"), rows, name="images")
    return Section("entropy", "Where people are undecided", words, (picture,), (), (table,))


def _middle(values: NDArray[np.float64]) -> str:
    """Between which values the middle nine tenths lie."""
    low, high = np.quantile(values, [0.05, 0.95])
    return f"{number(float(low))} to {number(float(high))}"


def people_of(truth: "Truth") -> NDArray[np.int64]:
    """How many people were asked about each image, [N], where votes are known."""
    assert truth.votes is not None
    people = truth.votes.sum(axis=1) if truth.people is None else truth.people.max(axis=1)
    return np.asarray(people, dtype=np.int64)


def asked(data: ReportData) -> Section | None:
    """The model's error by the number of people asked; None where that is not known or much alike."""
    truth, said = data.truth, data.model.shares
    if said is None or truth.people is None:
        return None
    n = truth.people.max(axis=1).astype(int)
    if n.max() < SPREAD * max(1, n.min()):
        return None
    groups = groups_of(n)
    if len(groups) < 2:
        return None
    off = np.abs(said.numpy() - truth.shares).mean(axis=1)
    points, rows = [], []
    for name, inside in groups:
        units = None if truth.groups is None else truth.groups[inside]
        (point,) = means(off[inside, None], units)
        mean, low, high = point
        points.append((mean, low, high))
        rows.append((name, str(len(inside)), f"{number(mean)} ±{number((high - low) / 2)}"))
    names = [f"{name} people ({rows[i][1]} images)" for i, (name, _) in enumerate(groups)]
    title = "Mean absolute difference to people's shares, by people asked"
    alt = f"{title}: " + "; ".join(f"{name} {number(p[0])}" for name, p in zip(names, points, strict=True))
    picture = drawing(
        title,
        dots(names, {"model": points}, alt, axis="difference; lower is better"),
        "Shares of few votes are rough: part of the difference is people's, not the model's. Whiskers: 95 % interval.",
    )
    (first, *_), (last, *_) = rows[0], rows[-1]
    fewer, more = points[0], points[-1]
    verdict = "The intervals overlap: these images hardly tell the two apart."
    if fewer[1] > more[2]:
        verdict = "Shares of fewer votes are rougher, which alone makes them differ more."
    elif fewer[2] < more[1]:
        verdict = "Rough shares of few votes would make the opposite difference."
    words = (
        f"On images with {first} people the model is off by {number(fewer[0])} on average, on those with {last} people "
        f"by {number(more[0])}. {verdict}"
    )
    table = Table(title, ("people", "images", "difference"), tuple(rows), name="people")
    return Section("people", "Errors by number of people asked", words, (picture,), (), (table,))


def groups_of(n: NDArray[np.int64]) -> list[tuple[str, NDArray[np.intp]]]:
    """Images by people asked: each number alone where there are up to six, else in up to six ranges of similar size.

    A group of fewer than LEAST images joins the next larger number of people, the last one the one before it.

    n: [N]. Returns names (`5`, `3 to 4`) with the rows of each, fewest people first.
    """
    values = np.unique(n)
    if len(values) > GROUPS:
        values = np.unique([*np.quantile(n, np.linspace(0, 1, GROUPS + 1)[1:-1], method="lower"), n.max()])
    part = np.searchsorted(values, n, side="left")
    found: list[NDArray[np.intp]] = []
    few: list[NDArray[np.intp]] = []
    for group in np.unique(part):
        few.append(np.flatnonzero(part == group))
        if sum(map(len, few)) >= LEAST:
            found.append(np.concatenate(few))
            few = []
    if few:
        found = [*found[:-1], np.concatenate([*found[-1:], *few])]
    named = []
    for rows in map(np.sort, found):
        low, high = int(n[rows].min()), int(n[rows].max())
        named.append((f"{low}" if low == high else f"{low} to {high}", rows))
    return named
