"""Whether rates mean what they say: what the model said against what people chose, label by label."""

import numpy as np
from numpy.typing import NDArray

from affectml.page.data import ReportData
from affectml.page.numbers import Bin, bins
from affectml.page.section import Section, drawing
from affectml.page.tables import Table, number
from affectml.plots import reliability as plot

SHOWN = 12  # labels of the picture; the table has all


def reliability(data: ReportData) -> Section | None:
    """None where the model has no rates or shares to take at their word."""
    truth = data.truth
    said = data.model.shares
    if said is None or truth.single_positive:
        return None
    people = _people(data)
    found = {}
    for c, label in enumerate(data.labels):
        seen, asked = truth.shares[:, c], None if people is None else people[:, c]
        if seen.any():
            found[label] = bins(said[:, c].numpy(), seen, asked, groups=truth.groups)
    if not found:
        return None
    common = [data.labels[c] for c in np.argsort(-data.prevalence, kind="stable") if data.labels[c] in found]
    panels = [(label, [(b.said, b.seen, b.low, b.high) for b in found[label]]) for label in common[:SHOWN]]
    its = "rate" if truth.kind in ("rates", "sets") else "share"
    what = "people's share" if truth.kind in ("rates", "distribution") else "share of images"
    alt = "Reliability by label: " + "; ".join(f"{label} {_worst(found[label])}" for label in common[:SHOWN])
    more = f" The {SHOWN} commonest of {len(found)} labels." if len(found) > SHOWN else ""
    picture = drawing(
        f"{what.capitalize()} against the model's {its}",
        plot(panels, alt, axis=(f"the model's {its}", what)),
        f"On the dashed line, {its}s mean what they say; above it, the model says too little.{more} Bands: 95 % "
        "interval of the mean in each bin.",
    )
    rows = tuple(
        (label, str(b.images), number(b.said), f"{number(b.seen)} ±{number((b.high - b.low) / 2)}")
        for label in data.labels
        for b in found.get(label, [])
    )
    table = Table("Reliability in bins", ("label", "images", "said", "seen"), rows, name="bins")
    grouped = "" if truth.groups is None else " Images of one group count as one that is larger."
    notes = (
        "Bins hold about equally many images. The band is Student's t of the differences between what was seen and "
        "what the model said inside the bin, which for shares of votes scatter less than 0/1 outcomes would; where "
        f"the number of votes is known it is at least what drawing their votes would make.{grouped}",
    )
    return Section("reliability", "Do rates mean what they say?", _sentence(found), (picture,), (), (table,), notes)


def _people(data: ReportData) -> NDArray[np.float64] | None:
    """How many answers each share is of, [N, C]; ones where targets are 0/1, None where it is not known."""
    truth = data.truth
    if truth.kind in ("single", "sets"):
        return np.ones(truth.shares.shape)
    if truth.votes is None:
        return None
    if truth.kind == "distribution":
        return np.repeat(truth.votes.sum(axis=1, keepdims=True), len(truth.labels), axis=1).astype(np.float64)
    return None if truth.people is None else np.asarray(truth.people, dtype=np.float64)


def _off(b: Bin) -> bool:
    return not b.low <= b.said <= b.high


def _worst(found: list[Bin]) -> str:
    at = max(found, key=lambda b: abs(b.said - b.seen))
    return f"farthest off where it says {number(at.said)} and {number(at.seen)} are seen"


def _sentence(found: dict[str, list[Bin]]) -> str:
    """How many bands miss the diagonal, and how many would by chance."""
    every = [b for each in found.values() for b in each if b.units > 1]
    off = sum(map(_off, every))
    chance = 0.05 * len(every)
    if not off:
        widest = number(max(((b.high - b.low) / 2 for b in every), default=0.0))
        return (
            f"All {len(every)} bands reach the line on which rates mean what they say; the widest is ±{widest}, and "
            "errors smaller than their bands are not seen here."
        )
    out = (
        f"{off} of {len(every)} bands do not reach the line on which rates mean what they say; if all rates "
        f"did, about {max(1, round(chance))} would not by chance."
    )
    if off > 2 * chance + 2:
        worst = {
            label: max((abs(b.said - b.seen) for b in each if _off(b)), default=0) for label, each in found.items()
        }
        label = max(worst, key=worst.__getitem__)
        out += f" The farthest off is {label}, by {number(worst[label])}."
    return out
