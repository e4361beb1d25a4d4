"""Label by label: F1, average precision, how common it is, and how often systems name it beside people."""

from collections.abc import Mapping, Sequence

from affectml.judging.figures import Evaluation, Figure, in_order
from affectml.page.section import Drawing, Section, Shown, drawing
from affectml.page.tables import HALF, Table, number, pivot, rows_of, signed
from affectml.page.words import called, capital, first_of, them
from affectml.plots import dots

Series = Mapping[str, Sequence[Figure | None]]  # by system, a figure for each label
DRAWN = 6  # systems of a picture
METRICS = {  # of a label: what a table calls it
    "label_f1_judgements": "F1 of each label against one person's answer",
    "label_f1": "F1 of each label against the set or label of the image",
    "average_precision": "How well each label's images come first: average precision",
    "absolute_error": "How far each label's share is off",
    "prevalence": "How common each label is",
    "set_share": "How often each label is in sets",
    "mean_share": "The mean share of each label",
    "rate_cross_entropy": "Cross-entropy of each label's rates",
    "threshold": "The threshold of each label",
}
NOTES = {
    "label_f1_judgements": "Everybody against what single people said. person: one against another of the same image.",
    "average_precision": "prior: what a random order reaches on average.",
    "absolute_error": "Lower is better; the prior gives every image the same share.",
}


def labels(evaluation: Evaluation, _: Shown) -> Section | None:
    """The systems beside people on each label, the commonest first."""
    common = {each.label: each for each in rows_of(evaluation, metric="prevalence", label=None)}
    order = sorted(common, key=lambda label: -common[label].value)
    if not order:
        return None
    found = {name: series for name in METRICS if (series := by_label(evaluation, name, order))}
    scored = [name for name in METRICS if name in found][:3]
    scored = [
        name for name in scored if name in ("label_f1_judgements", "label_f1", "average_precision", "absolute_error")
    ]
    if "label_f1_judgements" in scored and "label_f1" in scored:
        scored.remove("label_f1")  # against a set cut from votes: in the tables alone
    drawn = [picture(METRICS[name], order, found[name], NOTES.get(name, "")) for name in scored]
    first, whose = first_of(evaluation), them(evaluation)
    said = next((name for name in ("set_share", "mean_share") if name in found), None)
    how = {
        whose: found["prevalence"]["people"],
        **({first: found[said][first]} if said and first in found[said] else {}),
    }
    how |= {"threshold": found["threshold"][first]} if first in found.get("threshold", {}) else {}
    note = f"{whose}: the mean share. {first}: {'how often its sets have it' if said == 'set_share' else 'its mean share'}."
    note += " threshold: the score from which it is in the set, chosen on validation." if "threshold" in how else ""
    drawn.append(picture(METRICS["prevalence"], order, how, note if first in how else note.partition(". ")[0] + "."))
    words = _sentence(evaluation, found[scored[0]], scored[0] == "absolute_error") if scored else ""
    tables = (label_table(evaluation, name, order) for name in found)
    return Section("labels", "Label by label", words, tuple(drawn), (), tuple(filter(None, tables)))


def by_label(evaluation: Evaluation, metric: str, order: Sequence[str]) -> dict[str, list[Figure | None]]:
    """A metric's figures by system and label, in this order of labels, of everybody but the oracle."""
    rows = [f for f in rows_of(evaluation, metric=metric, label=None) if f.label and f.system != "oracle"]
    at = {(each.system, each.label): each for each in rows if each.against in ("people", "rest")}
    return {who: [at.get((who, label)) for label in order] for who in in_order(dict.fromkeys(who for who, _ in at))}


def label_table(evaluation: Evaluation, metric: str, order: Sequence[str]) -> Table | None:
    """Labels down, systems across."""
    rows = [f for f in rows_of(evaluation, metric=metric, label=None) if f.against in ("people", "rest")]
    rows.sort(key=lambda each: order.index(each.label) if each.label in order else len(order))
    columns = in_order(dict.fromkeys(each.system for each in rows))
    return pivot(METRICS[metric], rows, lambda f: f.label, head="label", columns=columns, name=metric.replace("_", "-"))


def picture(title: str, order: Sequence[str], series: Series, note: str = "", axis: str = "") -> Drawing:
    """Systems on labels, or on other parts, with their intervals."""
    kept = dict(list(series.items())[:DRAWN])
    points = {who: [None if f is None else (f.value, *f.ends) for f in row] for who, row in kept.items()}
    told = (
        "; ".join(f"{label} {number(f.value)}" for label, f in zip(order, row, strict=True) if f)
        for row in kept.values()
    )
    alt = ". ".join(f"{who}: {words}" for who, words in zip(kept, told, strict=True))
    return drawing(title, dots(order, points, f"{title}. {alt}", axis=axis), note)


def _sentence(evaluation: Evaluation, series: Series, lower: bool) -> str:
    """The best and the worst label of the first system, and on how many it does better than others."""
    first = first_of(evaluation)
    mine = {each.label: each for each in series.get(first, ()) if each is not None}
    if len(mine) < 2:
        return ""
    ranked = sorted(mine.values(), key=lambda each: each.value if lower else -each.value)
    best, worst = ranked[0], ranked[-1]
    if best.value == worst.value:
        return f"{capital(called(first))} does the same at all labels: {number(best.value)}."
    apart = "" if _clear(best, worst, lower) else ", but these intervals overlap"
    said = f"{capital(called(first))} does best at {best.label} ({number(best.value)}) and worst at {worst.label} ({number(worst.value)}){apart}"
    for other in ("person", "zero_shot", "prior"):
        pairs = [(mine[f.label], f) for f in series.get(other, ()) if f is not None and f.label in mine]
        ahead = sum(m.value < o.value if lower else m.value > o.value for m, o in pairs)
        clear = sum(_clear(m, o, lower) for m, o in pairs)
        if pairs and other != "zero_shot":
            clearly = f" (clearly on {clear or 'none'})" if any(m.low is not None for m, _ in pairs) else ""
            said += f"; it beats {called(other)} on {ahead} of {len(pairs)}{clearly}"
    return f"{said}."


def _clear(one: Figure, other: Figure, lower: bool) -> bool:
    """Whether the first is ahead by intervals that do not overlap."""
    return one.ends[1] < other.ends[0] if lower else one.ends[0] > other.ends[1]


def bias(evaluation: Evaluation, _: Shown) -> Section | None:
    """How often systems name each label, less how often people do."""
    rows = rows_of(evaluation, metric="label_bias", label=None)
    names = in_order(dict.fromkeys(each.system for each in rows))
    order = list(dict.fromkeys(each.label for each in rows))
    title = "How often each label is named, less how often people name it"
    note = f"share of images; {HALF}; bold: beyond chance (5 %, Holm)"
    table = pivot(
        title, rows, lambda f: f.label, head="label", columns=names, note=note, write=signed, bold=lambda f: f.found
    )
    if table is None:
        return None
    told = [f"{called(who)} on {count} of {len(order)}" for who in names
            if (count := sum(each.found for each in rows if each.system == who))]  # fmt: skip
    words = f"Labels are named more or less often than people name them: {', '.join(told)}." if told else (
        "No system is shown to name a label more or less often than people do.")  # fmt: skip
    at = {(each.system, each.label): each for each in rows}
    series = {who: [at.get((who, label)) for label in order] for who in names}
    return Section(
        "bias",
        "Labels named too often or too seldom",
        words,
        (picture(title, order, series),),
        (),
        (table,),
        folded=True,
    )
