"""What was said instead of what, and which labels go together."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from affectml.judging.figures import Evaluation, Figure
from affectml.judging.views import NOTHING
from affectml.page.section import Drawing, Section, Shown, drawing, section
from affectml.page.tables import cell, parts_of, percent, pivot
from affectml.page.words import called, capital, first_of, sentence_of, them
from affectml.plots import grid

TIED = 3  # equally common mistakes that are named
FEW = 10  # answers or images with a label, from which a share of them is worth a word
RULE = (
    "a label of both counts on the diagonal; one left out is shared evenly by the labels said instead; the row "
    f"{NOTHING} has labels added to sets that were otherwise complete; the answers to one image count one together"
)


def instead(evaluation: Evaluation, _: Shown) -> Section | None:
    """What the first system said instead of what people said, and one person beside the rest of the panel."""
    first, drawn, tables, told = first_of(evaluation), [], [], []
    head = "people's label" if them(evaluation) == "people" else "the image's label"
    every = parts_of(evaluation, "instead_of")
    used = {name for each in every for name in (each.level, each.label)}
    names = [name for name in (*evaluation.facts.get("labels", ()), NOTHING) if name in used]
    every.sort(key=lambda each: names.index(each.level))
    for who in dict.fromkeys((first, "person")):
        rows, title = [each for each in every if each.system == who], f"{capital(called(who))}, in images"
        often = _often(rows, evaluation.facts.get("n", 0))
        told += [f"{called(who)} most often says {often}"] if often else []
        left, added = (sum(f.value for f in rows if getattr(f, at) == NOTHING) for at in ("label", "level"))
        if left + added and who == first:
            whole = f"{added:.0f} to sets that are otherwise complete"
            missed = f"{left:.0f} label{'' if round(left) == 1 else 's'}"
            told.append(f"{called(who)} leaves out {missed} without naming another, and adds {whole}")
        drawn += [_grid(title, rows, names, first, (head, "what was said"))] if rows else []
        tables.append(pivot(title, rows, "level", "label", head=head, columns=names, name=who, none="0", note=RULE))
    return section("instead", "What was mistaken for what", sentence_of(told), drawn, tables)


def _often(rows: Sequence[Figure], images: int) -> str:
    """The commonest label in place of another with its count; "" where none is said twice, or too many tie."""
    wrong = [each for each in rows if each.level != each.label and NOTHING not in (each.level, each.label)]
    most = max(wrong, key=lambda each: each.value, default=None)
    if most is None or most.value < 2:
        return ""
    tied = [f"{each.label} in place of {each.level}" for each in wrong if each.value > most.value - 1e-9]
    count = f"{cell(most)} of {images:,} images{' each' * (len(tied) > 1)}"
    return f"{' and '.join(tied)} ({count})" if len(tied) <= TIED else ""


def _grid(title: str, rows: Sequence[Figure], names: Sequence[str], first: str, axis: tuple[str, str]) -> Drawing:
    """Figures of one system as squares, by level and label; images are counts, and none is 0."""
    whole, hue = rows[0].metric == "images", "model" if rows[0].system == first else "people"
    values = np.full((len(names), len(names)), 0.0 if whole else np.nan)
    for each in rows:
        values[names.index(each.level), names.index(each.label)] = each.value
    most = sorted((each for each in rows if each.level != each.label), key=lambda each: -each.value)[:5]
    alt = f"{title}. Most: {'; '.join(f'{f.level}, {f.label} {cell(f)}' for f in most) or 'none'}"
    return drawing(title, grid(values, names, names, alt, hue=hue, axis=axis, whole=whole))


def co_occurrence(evaluation: Evaluation, _: Shown) -> Section | None:
    """Labels that one answer has together, people's beside the first system's; None where no answer has several."""
    first, labels, drawn, tables = first_of(evaluation), list(evaluation.facts.get("labels", ())), [], []
    titles = {"person": "Single answers of people", "people": "Sets of the images", first: f"Sets of {called(first)}"}
    known, axis = dict[str, dict[tuple[str, str], Figure]](), ("answers with this label", "that have this as well")
    for who, title in titles.items():
        rows = parts_of(evaluation, "with", system=who)
        known[who] = {(each.level, each.label): each for each in rows if (each.n or 0) >= FEW}
        drawn += [_grid(title, rows, labels, first, axis)] if rows else []
        named = [replace(each, level=f"{each.level} ({each.n})") for each in rows]
        tables.append(pivot(title, named, "level", "label", head="label (answers)", columns=labels, name=who))
    people, told = known["person"] or known["people"], []
    if people:
        most = max(people.values(), key=lambda each: each.value)
        whose = "people's answers" if known["person"] else "the images' sets"
        often = f"of {whose} with {most.level}, {percent(most.value)} have {most.label} as well"
        told.append(often if most.value else "no answer here has two labels")
    if both := [(known[first][at], each) for at, each in known["people"].items() if at in known[first]]:
        its, theirs = max(both, key=lambda pair: abs(pair[0].value - pair[1].value))
        mine = f"{percent(its.value)} of {called(first)}'s {its.n} sets"
        mine += f", {percent(theirs.value)} of the images' {theirs.n}"
        told.append(f"the largest gap is {its.label} beside {its.level}: {mine}")
    return section("together", "Which labels go together", sentence_of(told), drawn, tables)
