"""Label by label: F1, average precision, how common it is, and how often systems name it beside people."""

from collections.abc import Sequence
from dataclasses import replace

from affectml.judging.figures import Evaluation, Figure
from affectml.page.section import Section, Shown, section, spots
from affectml.page.tables import number, pivot, rows_of
from affectml.page.words import called, capital, first_of, sentence_of, them

SCORED = {  # of labels: a title, and a line under the picture
    "label_f1_judgements": ("F1 of each label against one person's answer", "person: one against another."),
    "label_f1": ("F1 of each label against the set or label of the image", ""),
    "average_precision": ("Average precision: how well a label's images come first", "prior: a random order."),
    "absolute_error": ("How far each label's share is off; lower is better", "prior: one share for every image."),
}
ALSO = ("prevalence", "set_share", "mean_share", "rate_cross_entropy", "threshold")


def labels(evaluation: Evaluation, _: Shown) -> Section | None:
    """The systems beside people on each label, the commonest first."""
    rows = [each for each in rows_of(evaluation, label=None) if each.label and each.against in ("people", "rest")]
    common = {each.label: each.value for each in rows if each.metric == "prevalence"}
    rows.sort(key=lambda each: -common.get(each.label, 0))
    by = {name: [each for each in rows if each.metric == name] for name in (*SCORED, *ALSO)}
    hidden, first = "label_f1" if by["label_f1_judgements"] else "", first_of(evaluation)
    rivals = {name: [f for f in by[name] if f.system != "oracle"] for name in SCORED if by[name] and name != hidden}
    drawn = []
    for name, found in rivals.items():
        title, note = SCORED[name]
        there = note.partition(":")[0] in {each.system for each in found}
        drawn.append(spots(title, found, "label", note=note * there))
    said = [each for each in by["set_share"] or by["mean_share"] if each.system == first]
    cuts = [replace(each, system="threshold") for each in by["threshold"] if each.system == first]
    if how := [*by["prevalence"], *said, *cuts]:
        note = f"{capital(them(evaluation))}: the mean share."
        note += f" {first}: {'how often its sets have it' if by['set_share'] else 'its mean share'}." * bool(said)
        drawn.append(spots("How common each label is", how, "label", note=note))
    tables = [pivot(f"{name} of each label", found, "label", name=name.replace("_", "-")) for name, found in by.items()]
    words = _sentence(first, next(iter(rivals.values()), []))
    return section("labels", "Label by label", words, drawn, tables)


def _sentence(first: str, rows: Sequence[Figure]) -> str:
    """The best and the worst label of the first system, and on how many it does better than others."""
    mine = {each.label: each for each in rows if each.system == first}
    if len(mine) < 2:
        return ""
    sign, who = -1 if rows[0].metric == "absolute_error" else 1, capital(called(first))
    worst, *_, best = sorted(mine.values(), key=lambda each: sign * each.value)
    if best.value == worst.value:
        return f"{who} does the same at all labels: {number(best.value)}."
    known = best.bounded and worst.bounded
    apart = ", but these intervals overlap" if known else ", but no interval tells them apart"
    apart = "" if _clear(best, worst, sign) else apart
    ends = f"{best.label} ({number(best.value)}), worst at {worst.label} ({number(worst.value)})"
    told = [f"{who} does best at {ends}{apart}"]
    for other in ("person", "prior"):
        pairs = [(mine[each.label], each) for each in rows if each.system == other and each.label in mine]
        ahead = sum(sign * (one.value - two.value) > 0 for one, two in pairs)
        sure = f" ({sum(_clear(*pair, sign) for pair in pairs) or 'none'} of them clearly)" if ahead else ""
        told += [f"it beats {called(other)} on {ahead} of {len(pairs)} labels{sure}"] if pairs else []
    return sentence_of(told)


def _clear(one: Figure, other: Figure, sign: int) -> bool:
    """Whether the first is ahead by intervals that do not overlap; sign: -1 where lower is better."""
    if not (one.bounded and other.bounded):
        return False
    return one.ends[0] > other.ends[1] if sign > 0 else one.ends[1] < other.ends[0]


def bias(evaluation: Evaluation, _: Shown) -> Section | None:
    """How often systems name each label, less how often people do."""
    rows = rows_of(evaluation, metric="label_bias", label=None)
    title, found = "How often each label is named, less how often people name it", [each for each in rows if each.found]
    counts = {each.system: sum(f.system == each.system for f in found) for each in found}
    told = ", ".join(f"{called(who)} names {count}" for who, count in counts.items())
    words = "No system is shown to name a label more often or less often than people do."
    words = f"Of {len({f.label for f in rows})} labels, {told} more often or less often than people." if told else words
    drawn = [spots(title, rows, "label")] if rows else []
    return section("bias", "Labels named too often or too seldom", words, drawn, [pivot(title, rows, "label")])
