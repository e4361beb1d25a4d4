"""What a system's numbers are worth: whether shares mean what they say, other thresholds, and promises."""

from collections.abc import Mapping
from typing import Any

from affectml.judging.figures import Evaluation, Figure
from affectml.page.section import Section, Shown, drawing
from affectml.page.tables import HALF, Table, cell, number, pivot, rows_of, starred
from affectml.page.words import called, capital, first_of
from affectml.plots import curves
from affectml.plots import reliability as plot

SHOWN = 12  # labels of the picture; the table has all


def reliability(evaluation: Evaluation, _: Shown) -> Section | None:
    """What was said against what was seen, label by label; None where no system has shares to take at their word."""
    bins: dict[tuple[str, str], dict[str, Figure]] = {}
    for each in rows_of(evaluation, by="bin", level=None, label=None):
        bins.setdefault((each.label, each.level), {})[each.metric] = each
    pairs = [(label, b["stated_share"], b["seen_share"]) for (label, _), b in bins.items() if len(b) == 2]
    slopes = [each for name in ("calibration_slope", "calibration_error") for each in rows_of(evaluation, metric=name)]
    sloped = pivot("Calibration of each system", slopes, lambda f: f.system, lambda f: f.metric.replace("_", " "), head="system",
                   bold=lambda f: f.found, note="slope: 1 where shares mean what they say; bold: beyond chance not 1")  # fmt: skip
    drawn = []
    if pairs:
        panels: dict[str, list[tuple[float, float, float, float]]] = {}
        for label, said, seen in pairs:
            panels.setdefault(label, []).append((said.value, seen.value, *seen.ends))
        first = [*panels][:SHOWN]
        alt = "; ".join(
            f"{label} {', '.join(f'{number(x)} {number(y)}' for x, y, *_ in panels[label])}" for label in first
        )
        picture = plot(
            [(label, panels[label]) for label in first], f"Reliability by label: {alt}", axis=("said", "seen")
        )
        note = "On the dashed line, shares mean what they say; above it, the system says too little."
        drawn.append(drawing("What was seen against what was said", picture, note))
    rows = tuple((label, f"{said.n}", number(said.value), cell(seen)) for label, said, seen in pairs)
    note = "bands: Student's t of the differences in a bin, and at least what drawing the votes would make"
    table = Table("Reliability in bins", ("label", "images", "said", "seen"), rows, note, name="bins") if rows else None
    tables = tuple(made for made in (table, sloped) if made is not None)
    return (
        Section("reliability", "Do shares mean what they say?", _bands(pairs), tuple(drawn), (), tables, folded=True)
        if tables
        else None
    )


def _bands(pairs: list[tuple[str, Figure, Figure]]) -> str:
    """How many bands miss the diagonal, and how many would by chance."""
    every = [(label, said, seen) for label, said, seen in pairs if seen.low is not None and seen.ends[0] < seen.ends[1]]
    off = [
        (abs(said.value - seen.value), label)
        for label, said, seen in every
        if not seen.ends[0] <= said.value <= seen.ends[1]
    ]
    if not every:
        return ""
    if not off:
        return f"All {len(every)} bands reach the line on which shares mean what they say."
    chance = max(1, round(0.05 * len(every)))
    far, label = max(off)
    worst = f"; the farthest off is {label}, by {number(far)}" if len(off) > 2 * chance + 2 else ""
    return f"{len(off)} of {len(every)} bands miss the line on which shares mean what they say, about {chance} would by chance{worst}."


def thresholds(evaluation: Evaluation, _: Shown) -> Section | None:
    """How sets would fare with one threshold for all labels."""
    rows, first = rows_of(evaluation, by="threshold", level=None), first_of(evaluation)
    series: dict[str, tuple[list[float], list[float]]] = {}
    for each in rows:
        xs, ys = series.setdefault(each.system, ([], []))
        xs.append(float(each.level))
        ys.append(each.value)
    own = {name: f.value for name in series if (f := evaluation.get(rows[0].name, name)) is not None}
    if first not in own:
        return None
    value, cut = max(zip(*reversed(series[first]), strict=True))
    against = "one person's answer" if rows[0].name == "set_f1_judgements" else "the image's set"
    title = f"Set F1 against {against}, by one threshold for all labels"
    best = f"{first} at best {number(value)} at {cut:g}, with its own thresholds {number(own[first])}"
    picture = curves(series, f"{title}: {best}", axis=("threshold", "set F1"), levels=own, level_name="own")
    words = (
        f"{capital(called(first))}'s sets reach {number(own[first])} as they are cut; one threshold of {cut:g} for all labels, "
        f"chosen afterwards on these very images, would reach {number(value)}."
    )
    table = pivot(title, rows, lambda f: f.level, head="threshold", name="curve")
    drawn = drawing(title, picture, "Dashed: the sets as they are.")
    return Section(
        "thresholds", "What another threshold would give", words, (drawn,), (), (table,) if table else (), folded=True
    )


def promise(evaluation: Evaluation, _: Shown) -> Section | None:
    """What a run promises of its sets, and what came of it; None without a promise."""
    made, people = evaluation.facts.get("promise"), evaluation.facts.get("kind") in ("rates", "distribution")
    if made is None:
        return None
    rows = [each for each in rows_of(evaluation, by=None, level=None) if each.metric.startswith("promise_")]
    risk = made["promise"].partition("=")[0]
    somebody = "chosen by somebody" if people else "a label of the image"  # set_precision is another figure
    names = {"promise_recall": "recall", "promise_extra": "extra labels", "promise_precision": somebody,
             "promise_size": "labels per set", "promise_empty": "empty sets"}  # fmt: skip
    order = [*names]
    rows.sort(key=lambda each: order.index(each.metric))
    counted = made.get("unit", "images")
    note = (
        f"{made['shift']['words']}. Promised: {made['words']}. Made on {made['made_on']}. {HALF}"
        if "shift" in made
        else HALF
    )
    if "spread" in made:
        note += f"; other calibration images would move it by {number(made['spread'])} (one SD)"
    if made.get("without_choices"):
        note += f"; {made['without_choices']} calibration images without a choice did not count"
    if risk == "precision":
        note += (
            f"; {somebody}: at least one person is enough, set_precision counts labels of the panel's set"
            if people
            else ""
        )
    table = pivot(f"Promise: {made['promise']}", sorted(rows, key=lambda f: f.by != ""),
                  lambda f: f"{f.by}: {f.level} ({f.n})" if f.by else f"all {f.n} {counted}",
                  lambda f: names[f.metric], head="images", note=note, name="promise")  # fmt: skip
    main = evaluation.get(f"promise_{risk}", first_of(evaluation))
    words = promised(made, main, rows, people=people)
    return Section("promise", "The promise", words, tables=(starred(table),) if table else (), folded=True)


def promised(made: Mapping[str, Any], found: Figure | None, rows: list[Figure], *, people: bool) -> str:
    """What came out beside what was promised, and whether these images speak against it."""
    if found is None:
        return "No image counts for the promise."
    risk, _, level = made["promise"].partition("=")
    sign = "at most" if risk == "extra" else "at least"
    column, against = made.get("column"), "these images do not speak against it"
    worse = [
        each.level
        for each in rows
        if column and each.by == column and each.metric == f"promise_{risk}" and _misses(each, risk, level)
    ]
    if _misses(found, risk, level):
        against = "the choice of images alone does not explain the difference"
        if made.get("probability"):
            against += f"; {100 * (1 - made['probability']):g} % of draws of calibration images may come out so"
    surely = f" with a probability of {100 * made['probability']:g} %" if made.get("probability") else ""
    within = f" within each level of {column}" if column else ""
    alone = f"; {', '.join(worse)}, taken alone, did worse than promised" if worse else ""
    warned = f"{capital(made['shift']['words'])}: " if made.get("shift", {}).get("found") else ""
    low, high = found.ends
    return (
        f"{warned}{'the' if warned else 'The'} sets hold {held(risk, number(found.value), people=people)} (95 % interval "
        f"{number(low)} to {number(high)}), and {sign} {float(level):g} on average was promised{surely}{within}: {against}{alone}."
    )


def held(risk: str, figure: str, *, people: bool) -> str:
    """What sets hold, with the figure: so much of the choices, so many labels too many, or what share of right ones."""
    if risk == "recall":
        return f"{figure} of the choices" if people else f"{figure} of the images' labels"
    if risk == "precision":
        return f"labels of which {figure} {'are chosen by somebody' if people else 'are labels of the image'}"
    return f"{figure} labels that {'nobody chose' if people else 'the image does not have'}"


def _misses(figure: Figure, risk: str, level: str) -> bool:
    """Whether the whole interval lies on the wrong side of what was promised."""
    low, high = figure.ends
    return low > float(level) if risk == "extra" else high < float(level)
