"""What was said instead of what, and which labels go together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from affectml.judging.figures import Evaluation, Figure
from affectml.judging.views import NOTHING
from affectml.page.section import Drawing, Section, Shown, drawing
from affectml.page.tables import Table, number, percent, pivot, rows_of
from affectml.page.words import called, capital, first_of
from affectml.plots import grid

TIED = 3  # equally common mistakes that are named
FEW = 10  # answers or images with a label, from which a share of them is worth a word
WHO = {"person": "People: single answers", "people": "People: sets of the images"}


def instead(evaluation: Evaluation, _: Shown) -> Section | None:
    """What the first system said instead of what people said, and one person beside the rest of the panel."""
    first, drawn, tables, parts = first_of(evaluation), [], [], []
    every = rows_of(evaluation, by="instead_of", level=None, label=None)
    names = [*evaluation.facts.get("labels", ()), NOTHING]
    names = [name for name in names if any(name in (each.level, each.label) for each in every)]
    for who in (first, "person"):
        rows = [each for each in every if each.system == who]
        if not rows:
            continue
        title = (
            f"{capital(called(who))}, in images"
            if who == first
            else "One person beside the rest of the panel, in images"
        )
        missed, added = (_total(rows, lambda f, at=at: getattr(f, at) == NOTHING) for at in ("label", "level"))
        often = _often(rows, evaluation.n)
        parts += [f"{called(who)} most often says {often}"] if often else []
        if missed + added > 0 and who == first:
            parts.append(
                f"{called(who)} leaves out {missed:.0f} labels without naming another, and adds {added:.0f} that no label was missed for"
            )
        show = _grid(
            title,
            rows,
            names,
            names,
            "model" if who == first else "people",
            ("people's label", "what was said"),
            whole=True,
        )
        drawn.append(show)
        rows.sort(key=lambda each: names.index(each.level))
        tables.append(pivot(title, rows, lambda f: f.level, lambda f: f.label, head="people's label", columns=names,
                            name=who, write=_count, note=_RULE if who == first else _WEIGHT))  # fmt: skip
    words = f"{capital('; '.join(parts))}." if parts else ""
    return (
        Section("instead", "What was mistaken for what", words, tuple(drawn), (), tuple(filter(None, tables)))
        if drawn
        else None
    )


_RULE = (
    "a label of both counts on the diagonal; a label that was left out is shared evenly by the labels said instead; "
    f"the row {NOTHING} has labels added to sets that were otherwise whole"
)
_WEIGHT = "the answers to one image count one together"


def _total(rows: Sequence[Figure], inside: "object") -> float:
    return sum(each.value for each in rows if inside(each))  # type: ignore[operator]


def _count(figure: Figure | None) -> str:
    return "0" if figure is None else f"{figure.value:.1f}".removesuffix(".0")


def _often(rows: Sequence[Figure], images: int) -> str:
    """The commonest label in place of another with its count; "" where none is said twice, or too many tie."""
    wrong = [f for f in rows if f.level != f.label and NOTHING not in (f.level, f.label)]
    most = max((each.value for each in wrong), default=0)
    tied = [f"{f.label} in place of {f.level}" for f in wrong if f.value > most - 1e-9]
    if most < 2 or len(tied) > TIED:
        return ""
    count = f"{most:.1f}".removesuffix(".0")
    return f"{' and '.join(tied)} ({count} of {images:,} images{' each' if len(tied) > 1 else ''})"


def _grid(
    title: str,
    rows: Sequence[Figure],
    down: Sequence[str],
    across: Sequence[str],
    hue: str,
    axis: tuple[str, str],
    *,
    whole: bool = False,
) -> Drawing:
    """Figures as squares, by level and label."""
    values: NDArray[np.float64] = np.full((len(down), len(across)), 0.0 if whole else np.nan)
    for each in rows:
        values[down.index(each.level), across.index(each.label)] = each.value
    apart = sorted((f for f in rows if f.level != f.label), key=lambda f: -f.value)[:5]
    alt = "; ".join(f"{each.level}, {each.label} {_count(each) if whole else number(each.value)}" for each in apart)
    picture = grid(values, down, across, f"{title}. Most: {alt or 'none'}", hue=hue, axis=axis, whole=whole)
    return drawing(title, picture)


def co_occurrence(evaluation: Evaluation, _: Shown) -> Section | None:
    """Labels that one answer has together, people's beside the first system's; None where no answer has several."""
    first, labels = first_of(evaluation), list(evaluation.facts.get("labels", ()))
    drawn: list[Drawing] = []
    tables: list[Table | None] = []
    known = {
        who: rows_of(evaluation, by="with", level=None, label=None, system=who) for who in ("person", "people", first)
    }
    for who, rows in known.items():
        if rows:
            title = WHO.get(who, f"The sets of {called(who)}")
            axis = ("answers with this label", "that have this as well")
            drawn.append(_grid(title, rows, labels, labels, "model" if who == first else "people", axis))
            tables.append(
                pivot(
                    title,
                    rows,
                    lambda f: f"{f.level} ({f.n})",
                    lambda f: f.label,
                    head="label",
                    columns=labels,
                    name=who,
                )
            )
    if not known[first]:
        return None
    words = _together(known["person"] or known["people"], known["people"], known[first], called(first))
    return Section(
        "together", "Which labels go together", words, tuple(drawn), (), tuple(filter(None, tables)), folded=True
    )


def _together(people: Sequence[Figure], alike: Sequence[Figure], model: Sequence[Figure], who: str) -> str:
    """The label that most often comes with another, and where the system's sets are farthest from people's sets."""
    enough = [each for each in people if (each.n or 0) >= FEW]
    most = max(enough, key=lambda each: each.value, default=None)
    if most is None:
        return ""
    if most.value == 0:
        return "No answer here has two labels."
    said = f"Of people's answers with {most.level}, {percent(most.value)} have {most.label} as well"
    its = {(each.level, each.label): each for each in model if (each.n or 0) >= FEW}
    pairs = [
        (each, its[each.level, each.label])
        for each in alike
        if (each.n or 0) >= FEW and (each.level, each.label) in its
    ]
    if pairs:
        theirs, mine = max(pairs, key=lambda pair: abs(pair[0].value - pair[1].value))
        said += (
            f"; of the sets with {mine.level}, {percent(mine.value)} of {who}'s {mine.n} and {percent(theirs.value)} of "
            f"people's {theirs.n} have {mine.label}, the largest gap"
        )
    return f"{said}."
