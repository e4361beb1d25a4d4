"""Label by label: scores, how common each is, how often systems name it, and what is said instead."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from affectml.judging.figures import Figure
from affectml.judging.views import NOTHING
from affectml.page.section import Drawing, Page, Section, called, capital, spots
from affectml.page.tables import Table, cell, clear, crossed, grouped, number, pivot, which_images
from affectml.plots import grid

SCORED = {  # of labels: a title, and a line under the picture
    "label_f1_judgements": ("F1 of each label against one person's answer", "person: one against another."),
    "label_f1": ("F1 of each label against the set or label of the image", ""),
    "average_precision": ("Average precision: how well a label's images come first", "prior: a random order."),
    "absolute_error": ("How far each label's share is off; lower is better", "prior: one share for every image."),
}
ALSO = ("prevalence", "set_share", "mean_share", "rate_cross_entropy")
TIED = 3  # equally common mistakes that are named
RULE = (
    "a label that both name counts on the diagonal; a missed label is shared evenly among those named instead; the row "
    f"{NOTHING} has labels added to sets that were otherwise complete; all answers to one image together count one"
)


def labels(page: Page) -> Section | None:
    """The systems beside people on each label, the commonest first."""
    rows = [figure for figure in page.here(label=None) if figure.label and figure.against in ("people", "rest")]
    common = {figure.label: -figure.value for figure in rows if figure.metric == "prevalence"}
    by = grouped(sorted(rows, key=lambda figure: common.get(figure.label, 0)), "metric")
    hidden, parts = "label_f1" if "label_f1_judgements" in by else "", list[Any]()
    rivals = {name: [f for f in by[name] if f.system != "oracle"] for name in SCORED if name in by and name != hidden}
    for name, figures in rivals.items():
        title, note = SCORED[name]
        there = note.partition(":")[0] in {figure.system for figure in figures}
        parts.append(spots(page, title, figures, "label", note * there))
    how = "set_share" if "set_share" in by else "mean_share"
    shares = [figure for figure in by.get(how, ()) if figure.system == page.first]
    note = f"{capital(page.them)}: the mean share, {which_images(page)}."
    note += f" {page.first}: {'how often its sets have it' if how == 'set_share' else 'its mean share'}." * bool(shares)
    parts.append(spots(page, "How common each label is", [*by.get("prevalence", ()), *shares], "label", note))
    parts += [pivot(f"{name} of each label", by.get(name, ()), "label") for name in (*SCORED, *ALSO)]
    return Section.of("labels", "Label by label", _best(page.first, next(iter(rivals.values()), [])), parts)


def _best(first: str, rows: Sequence[Figure]) -> list[str]:
    """The best and the worst label of the first system, and on how many it does better than others."""
    mine = {figure.label: figure for figure in rows if figure.system == first}
    if len(mine) < 2:
        return []
    sign, who = -1 if rows[0].metric == "absolute_error" else 1, called(first)

    def ahead(figure: Figure, other: Figure) -> bool:
        """Whether the first is ahead beyond what intervals leave open."""
        return figure.bounded and other.bounded and clear(figure, other) == sign

    worst, *_, best = sorted(mine.values(), key=lambda figure: sign * figure.value)
    if best.value == worst.value:
        return [f"{who} does the same at all labels: {number(best.value)}"]
    apart = "these intervals overlap" if best.bounded and worst.bounded else "no interval tells them apart"
    ends = f"{best.label} ({number(best.value)}), worst at {worst.label} ({number(worst.value)})"
    told = [f"{who} does best at {ends}{f', but {apart}' * (not ahead(best, worst))}"]
    for other in ("person", "prior"):
        pairs = [(mine[figure.label], figure) for figure in rows if figure.system == other and figure.label in mine]
        better = sum(sign * (ours.value - theirs.value) > 0 for ours, theirs in pairs)
        sure = f" ({sum(ahead(*pair) for pair in pairs) or 'none'} of them clearly)" * (better > 0)
        told += [f"it beats {called(other)} on {better} of {len(pairs)} labels{sure}"] if pairs else []
    return told


def bias(page: Page) -> Section | None:
    """How often systems name each label, less how often people do."""
    rows = page.here(metric="label_bias", label=None)
    title = "How often each label is named, less how often people name it"
    named_by = grouped([figure for figure in rows if figure.found], "system")
    counts = ", ".join(f"{called(who)} names {len(figures)}" for who, figures in named_by.items())
    told = f"of {len(grouped(rows, 'label'))} labels, {counts} more often or less often than people"
    told = told if named_by else "no system is shown to name a label more often or less often than people do"
    parts = [spots(page, title, rows, "label"), pivot(title, rows, "label")]
    return Section.of("bias", "Labels named too often or too seldom", [told], parts)


def instead(page: Page) -> Section | None:
    """What the first system said instead of what people said, and one person beside the rest of the panel."""
    every, parts, told = page.parts("instead_of"), list[Any](), list[str]()
    head = "people's label" if page.them == "people" else "the image's label"
    used = {name for figure in every for name in (figure.level, figure.label)}
    names = [name for name in (*page.facts.get("labels", ()), NOTHING) if name in used]
    for who in dict.fromkeys((page.first, "person")):
        rows = [figure for figure in every if figure.system == who]
        if often := _often(rows, page.facts.get("n", 0)):
            told.append(f"{called(who)} most often says {often}")
        left, added = (sum(f.value for f in rows if getattr(f, at) == NOTHING) for at in ("label", "level"))
        if left + added and who == page.first:
            missed = f"{left:.0f} label{'s' * (round(left) != 1)} without naming another"
            told.append(f"{called(who)} leaves out {missed}, and adds {added:.0f} to sets that are otherwise complete")
        parts += _grid(
            f"{capital(called(who))}, in images", rows, names, "model" if who == page.first else "people", head
        )
    return Section.of("instead", "What was mistaken for what", told, parts)


def _often(rows: Sequence[Figure], images: int) -> str:
    """The commonest label in place of another with its count; "" where none is said twice, or too many tie."""
    wrong = [figure for figure in rows if figure.level != figure.label and NOTHING not in (figure.level, figure.label)]
    most = max((figure.value for figure in wrong), default=0.0)
    tied = [figure for figure in wrong if figure.value > most - 1e-9]
    words = " and ".join(f"{figure.label} in place of {figure.level}" for figure in tied)
    counted = f"{words} ({cell(tied[0])} of {images:,} images{' each' * (len(tied) > 1)})" if tied else ""
    return counted if most >= 2 and len(tied) <= TIED else ""


def _grid(title: str, rows: Sequence[Figure], names: Sequence[str], hue: str, head: str) -> list[Drawing | Table]:
    """Counts of one system by level and label, as squares and as a table."""
    if not rows:
        return []
    counts, used = crossed(rows, "level", "label"), grouped(rows, "label")
    values = [[counts[at][name].value if name in counts.get(at, {}) else 0.0 for name in names] for at in names]
    most = sorted((figure for figure in rows if figure.level != figure.label), key=lambda figure: -figure.value)[:5]
    alt = f"{title}. Most: {'; '.join(f'{f.level}, {f.label} {cell(f)}' for f in most) or 'none'}"
    across, cells = [name for name in names if name in used], list[tuple[str, ...]]()
    for at in (name for name in names if name in counts):
        cells.append((at, *(cell(counts[at][name]) if name in counts[at] else "0" for name in across)))
    picture = grid(np.array(values), names, alt, hue=hue, axis=(head, "what was said"))
    return [Drawing(title, picture), Table(title, (head, *across), tuple(cells), RULE)]
