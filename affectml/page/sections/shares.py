"""What a system's numbers are worth: whether shares mean what they say, other thresholds, and promises."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from affectml.data.choose import from_people
from affectml.heads.promise import held
from affectml.judging.figures import Evaluation, Figure
from affectml.page.section import Section, Shown, curve, drawing, section
from affectml.page.tables import number, parts_of, pivot, rows_of
from affectml.page.words import called, capital, first_of, of_first, sentence_of
from affectml.plots import reliability as plot

PANELS = 12  # labels of the picture; the table has all


def reliability(evaluation: Evaluation, _: Shown) -> Section | None:
    """What was said against what was seen, label by label; None where no system has shares to take at their word."""
    first, rows = first_of(evaluation), parts_of(evaluation, "bin")
    whole = [replace(each, label=f"{each.system}, all labels") for each in rows if not each.label]
    rows = [*(each for each in rows if each.label and each.system == first), *whole]
    said = {(each.label, each.level): each for each in rows if each.metric == "stated_share"}
    bins = [(said[each.label, each.level], each) for each in rows if each.metric == "seen_share"]
    panels: dict[str, list[tuple[float, float, float, float]]] = {}
    for told, seen in bins:
        panels.setdefault(seen.label, []).append((told.value, seen.value, *seen.ends))
    shown = list(panels.items())[:PANELS]
    alt = "; ".join(f"{label} {', '.join(f'{number(x)} seen {number(y)}' for x, y, *_ in at)}" for label, at in shown)
    picture = plot(shown, f"Reliability by label: {alt}", axis=("said", "seen"))
    line = "Above the dashed line, the system says too little."
    drawn = [drawing("Seen against said", picture, line)] if bins else []
    note = "seen_share: Student's t of the differences in a bin, and at least what drawing the votes would make"
    named = [replace(each, level=f"{each.label} {each.level} ({each.n})", units=None) for each in rows]
    table = pivot("Reliability in bins (images)", named, "level", "metric", head="bin", note=note, name="bins")
    slopes = [each for name in ("calibration_slope", "calibration_error") for each in rows_of(evaluation, metric=name)]
    sloped = pivot("Calibration", slopes, "system", "metric", note="slope: 1 where shares mean what they say")
    return section("reliability", "Do shares mean what they say?", bands(bins), drawn, [table, sloped])


def bands(bins: Sequence[tuple[Figure, Figure]]) -> str:
    """How many bands miss the diagonal, and how many would by chance; bins: what was said, and what was seen."""
    every = [(said.value, seen) for said, seen in bins if seen.ends[0] < seen.ends[1]]
    off = [(abs(said - f.value), f.label) for said, f in every if not f.ends[0] <= said <= f.ends[1]]
    chance, line = max(1, round(0.05 * len(every))), "the line on which shares mean what they say"
    if not off:
        return f"All {len(every)} bands reach {line}." if every else ""
    far = f"; the farthest off is {max(off)[1]}, by {number(max(off)[0])}" if len(off) > 2 * chance + 2 else ""
    return f"{len(off)} of {len(every)} bands miss{'es' * (len(off) == 1)} {line}; about {chance} would by chance{far}."


def thresholds(evaluation: Evaluation, _: Shown) -> Section | None:
    """How sets would fare with one threshold for all labels."""
    rows, first = parts_of(evaluation, "threshold"), first_of(evaluation)
    mine, whose = [each for each in rows if each.system == first], capital(called(first))
    own = {each.system: evaluation.get(each.name, each.system) for each in rows}
    kept = {who: each.value for who, each in own.items() if each is not None}
    if not mine or first not in kept:
        return None
    best, title = max(mine, key=lambda each: each.value), f"{rows[0].name} by one threshold for all labels"
    later = f"one threshold for all labels ({best.level}), chosen afterwards on these very images, {number(best.value)}"
    drawn = [curve(title, rows, first, "threshold", levels=kept, level_name="own")]
    words, table = f"{whose}'s sets reach {number(kept[first])}; {later}.", pivot(title, rows, "level", name="curve")
    return section("thresholds", "What another threshold would give", words, drawn, [table])


def promise(evaluation: Evaluation, _: Shown) -> Section | None:
    """What a run promises of its sets, and what came of it; None without a promise."""
    made = evaluation.facts.get("promise")
    if made is None:
        return None
    people, unit = from_people(str(evaluation.facts.get("kind"))), made.get("unit", "images")
    somebody = "chosen by somebody" if people else "labels of the image"  # set_precision is another figure
    names = {"recall": "recall", "extra": "extra labels", "precision": somebody}
    names |= {"size": "labels per set", "empty": "empty sets"}
    rows = [each for each in of_first(evaluation, None) if each.metric.startswith("promise_")]
    rows.sort(key=lambda each: (each.by != "", list(names).index(_risk(each))))
    notes = [made.get("shift", {}).get("words"), f"promised: {made['words']}", f"made on {made['made_on']}"]
    if rows and rows[0].units != rows[0].n:  # groups, or images without those of which nobody chose a label
        notes.append(f"{rows[0].units} {unit} count")
    if "spread" in made:
        notes.append(f"other calibration images would move it by {number(made['spread'])} (one SD)")
    if left := made.get("without_choices"):
        notes.append(f"{left} calibration images without a choice did not count")
    if made["promise"].startswith("precision") and people:
        notes.append("chosen by somebody: one person is enough; set_precision counts labels of the panel's set")

    note, title, named = "; ".join(filter(None, notes)), f"Promise: {made['promise']}", []
    for each in rows:
        images = f"{each.by}: {each.level} ({each.n})" if each.by else f"all {each.n} images"
        named.append(replace(each, level=images))
    table = pivot(title, named, "level", lambda f: names[_risk(f)], head="images", note=note, name="promise")
    words = promised(made, rows, people=people)
    return Section("promise", "The promise", words, tables=() if table is None else (table,))


def _risk(figure: Figure) -> str:
    return figure.metric.removeprefix("promise_")


def promised(made: Mapping[str, Any], rows: Sequence[Figure], *, people: bool) -> str:
    """What came out beside what was promised, and whether these images speak against it.

    made: facts["promise"]. rows: promise_* of all images, then of parts. people: whether images have people's answers.
    """
    risk, _, level = made["promise"].partition("=")
    mine = [each for each in rows if _risk(each) == risk]
    if not mine or mine[0].by:
        return "No image counts for the promise."
    found, (low, high), column, draws = mine[0], mine[0].ends, made.get("column"), made.get("probability")
    sure = [each for each in mine if each.bounded]
    wrong = [f for f in sure if (f.ends[0] > float(level) if risk == "extra" else f.ends[1] < float(level))]
    worse = ", ".join(each.level for each in wrong if column and each.by == column)
    told = [made["shift"]["words"]] if made.get("shift", {}).get("found") else []
    told.append(f"the sets hold {held(risk, number(found.value), people=people)} ({number(low)} to {number(high)})")
    surely = f" with a probability of {100 * draws:g} %" if draws else ""
    within = f" within each level of {column}" if column else ""
    sign = "at most" if risk == "extra" else "at least"
    told.append(f"{sign} {float(level):g} was promised on average{surely}{within}")
    alone = "the choice of images alone does not explain the difference"
    alone += f"; {100 * (1 - draws):g} % of draws of calibration images may come out so" if draws else ""
    told.append(alone if found in wrong else "nothing here speaks against it")
    return sentence_of([*told, f"{worse} did worse"] if worse else told)
