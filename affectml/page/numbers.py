"""What the report's pictures show, computed: counts and means of plain tables, each small enough to work by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor

from affectml_metrics import Interval, mean_interval, sums_interval, table_interval

Floats = NDArray[np.float64]
Array = NDArray[Any]
Point = tuple[float, float, float]  # value, low, high


def together(answers: Array) -> Floats:
    """Of the answers with the row's label, how many have the column's as well: [C, C]; the diagonal is nan.

    answers: 0/1 [M, C], one person's or system's set a row. A row is nan where nobody gave its label.
    """
    chosen = answers.astype(np.float64)
    both = chosen.T @ chosen
    times = np.diag(both).copy()
    share = np.divide(both, times[:, None], out=np.full_like(both, np.nan), where=times[:, None] > 0)
    np.fill_diagonal(share, np.nan)
    return share


def instead(people: Array, model: Array, weights: Array | None = None) -> Floats:
    """What was said instead of what, in images: [C + 1, C + 1]; rows are people's labels, columns the model's.

    A label that both have counts one on the diagonal. Each label that only people have counts one in its row, shared
    evenly by the labels that only the model has, and in the last column ("nothing") where there is none. A label that
    only the model has, on an image where people's set has no other, counts one in the last row. So the first C rows sum
    to how many images have each label in people's set. In the manner of Heydarian, Doyle & Samavi 2022 (MLCM), who let
    each wrong label count in full.

    people, model: 0/1 [N, C]. weights: [N], how much each row counts; None where each is one image.
    """
    labels = people.shape[1]
    there, said = people.astype(bool), model.astype(bool)
    missed, added = there & ~said, said & ~there
    counts = np.ones((len(there), 1)) if weights is None else np.asarray(weights, dtype=np.float64)[:, None]
    found = np.zeros((labels + 1, labels + 1))
    found[np.arange(labels), np.arange(labels)] = (counts * (there & said)).sum(axis=0)
    more = added.sum(axis=1, keepdims=True)
    spread = np.divide(added, more, out=np.zeros(added.shape), where=more > 0)
    found[:labels, :labels] += (counts * missed).T @ spread
    found[:labels, labels] = (counts * missed)[~added.any(axis=1)].sum(axis=0)
    found[labels, :labels] = (counts * added)[~missed.any(axis=1)].sum(axis=0)
    return found


def first_instead(hits: Array, first: Array, weights: Array | None = None) -> Floats:
    """The same for systems that name one label: [C + 1, C + 1], nothing in the last row and column.

    hits: 0/1 [N, C], the labels that count as right; an image with several counts one on the diagonal where the model
    named one of them, else its one is shared by them. Images without any are left out. first: [N], the column that the
    model named. weights: [N], how much each row counts; None where each is one image.
    """
    labels = hits.shape[1]
    found = np.zeros((labels + 1, labels + 1))
    counts = np.ones(len(hits)) if weights is None else weights
    for right, named, count in zip(hits.astype(bool), first, counts, strict=True):
        if right[named]:
            found[named, named] += count
        elif right.any():
            found[:labels, named] += count * right / right.sum()
    return found


@dataclass(frozen=True)
class Bin:
    """Images of which the model said about the same: means of what it said and of what was seen, and their number.

    low, high: the 95 % interval of the mean seen, from the differences between seen and said inside the bin. units: how
    many images or groups of images alike it has.
    """

    said: float
    seen: float
    low: float
    high: float
    images: int
    units: int


def bins(
    said: Array,
    seen: Array,
    people: Array | None = None,
    *,
    groups: Array | None = None,
    most: int = 8,
    least: int = 15,
) -> list[Bin]:
    """Reliability of one label: images sorted by what the model said, in up to `most` bins of at least `least` images.

    said, seen: [N], rates of the model and shares of people (votes of n, or 0/1). people: [N], how many were asked
    (ones for 0/1 outcomes); None where that is not known. groups: [N], images that are alike, whose residuals are then
    summed before they are taken to scatter; None where each image is by itself. Bins are of equal size; images of equal
    rates stay in one bin, so a constant rate has one.

    The interval is Student's t of the mean residual seen - said in the bin, kept within [0, 1]. Its standard error is
    that of the residuals themselves, since shares of votes scatter less than 0/1 outcomes would; and at least what
    drawing the votes would make if the rates were right, the root of the sum of said (1 - said) / people over the
    number of images, without which a bin that nobody voted in would be certain. A bin of one image or group
    whose people are not known has no interval: low and high are the value.
    """
    from scipy.special import stdtrit

    order = np.argsort(said, kind="stable")
    count = max(1, min(most, len(said) // least))
    edges = [round(len(said) * k / count) for k in range(1, count)]
    cuts = sorted({int(np.searchsorted(said[order], said[order][e], side="left")) for e in edges} - {0})
    found = []
    for part in np.split(order, cuts):
        residual, size = seen[part] - said[part], len(part)
        centre = float(seen[part].mean())
        centred = residual - residual.mean()
        if groups is not None:
            centred = np.bincount(np.unique(groups[part], return_inverse=True)[1], weights=centred)
        units = len(centred)
        error = float(np.sqrt((centred**2).sum() * units / (units - 1)) / size) if units > 1 else 0.0
        if people is not None:
            drawn = said[part] * (1 - said[part]) / np.maximum(people[part], 1)
            error = max(error, float(np.sqrt(drawn.sum()) / size))
        half = float(stdtrit(max(units - 1, 1), 0.975)) * error
        low, high = max(0.0, centre - half), min(1.0, centre + half)
        found.append(Bin(float(said[part].mean()), centre, low, high, size, units))
    return found


def f1_by_label(taken: Array, right: Array, expected: Array, groups: Array | None) -> list[Point | None]:
    """F1 of each label over images, 2 TP / (taken + right), with its 95 % interval; None where a label has neither.

    taken [N, C]: how often each image's label was given, 0/1 for a set, a mean over people for people. right [N, C]:
    how often it is right, 0/1 or a share of people. expected [N, C]: how often both.
    """
    columns = torch.from_numpy(np.concatenate([2 * expected, taken + right], axis=1).astype(np.float64))
    labels = taken.shape[1]

    def ratio(sums: Tensor) -> Tensor:
        return sums[:, :labels] / sums[:, labels:]

    return _points(sums_interval(columns, ratio, groups=groups, bounds=[(0, 1)] * labels))


def _points(found: Interval) -> list[Point | None]:
    """None where there is no value; the value for ends that are not known."""
    low, high = (torch.where(end.isnan(), found.value, end) for end in (found.low, found.high))
    points = zip(found.value.tolist(), low.tolist(), high.tolist(), strict=True)
    return [None if np.isnan(point[0]) else point for point in points]


def over_table(
    metric: Callable[[Tensor], Tensor],
    count: int,
    groups: Array | None,
    rests: Array,
    *,
    drawn: bool = True,
) -> list[Point | None]:
    """A metric [C] in 0..1 over `count` images, by row weights, with its 95 % interval; None where it is nan.

    rests [C]: on how many images each figure rests. drawn: whether there are intervals; else both ends are the value.
    """
    if not drawn:
        values = metric(torch.ones(count, dtype=torch.float64)).tolist()
        return [None if np.isnan(v) else (v, v, v) for v in values]
    return _points(table_interval(metric, count, groups=groups, bounds=[(0, 1)] * len(rests), rests=rests))


def means(values: Array, groups: Array | None) -> list[Point]:
    """The mean of each column of values [N, C] of 0..1 over images with its 95 % interval, or over groups [N]."""
    found = _points(mean_interval(values, groups=groups, bounds=[(0, 1)] * values.shape[1]))
    return [point for point in found if point is not None]


def chance_of_order(positives: Array, images: int) -> Floats:
    """The average precision to expect of a random order of `images`, of which `positives` [C] have the label; [C].

    (n - 1) / (N - 1) * (N - H) / N + H / N, with H = 1 + 1/2 + ... + 1/N; nan for a label that none has.
    Source: Bestgen 2015, "Exact expected average precision of the random baseline for system evaluation".
    """
    harmonic = (1 / np.arange(1, images + 1)).sum() / images
    others = (positives - 1) / max(images - 1, 1)
    return np.where(positives > 0, others * (1 - harmonic) + harmonic, np.nan)


def one_against_another(votes: Array, people: Array) -> Floats:
    """How often two different people of an image both gave a label: v (v - 1) / (n (n - 1)), [N, C].

    votes, people: counts [N, C]; people at least 2.
    """
    return np.asarray(votes * (votes - 1) / (people * (people - 1)), dtype=np.float64)


def entropies(shares: Array, *, rates: bool) -> Floats:
    """How undecided each image's shares are, [N], from 0 (everybody alike) to 1.

    rates [N, C]: the mean over labels of the entropy in bits of "chosen or not". Otherwise a distribution: its entropy
    over the logarithm of the number of labels.
    """
    p = np.clip(shares.astype(np.float64), 0, 1)
    if rates:
        return np.asarray((entr(p) + entr(1 - p)).mean(axis=1) / np.log(2))
    return np.asarray(entr(p).sum(axis=1) / np.log(p.shape[1]))


def among_themselves(shares: Array, *, rates: bool) -> Floats:
    """How often two people of an image differ, [N]: on a label on average (rates), or in their one label.

    2 p (1 - p), mean over labels; 1 - sum p^2 for a distribution.
    """
    p = shares.astype(np.float64)
    if rates:
        return np.asarray((2 * p * (1 - p)).mean(axis=1))
    return np.asarray(1 - (p**2).sum(axis=1))
