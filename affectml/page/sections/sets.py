"""Which labels go together, and what was said instead of what."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.judging.people import against_the_rest
from affectml.page.data import ReportData
from affectml.page.numbers import first_instead, instead, together
from affectml.page.section import Drawing, Section, drawing
from affectml.page.tables import Table, number, percent
from affectml.plots import grid

Array = NDArray[Any]
NOTHING = "(nothing)"
SINGLE = "single answers"
PANEL = "sets cut from the votes of each image"
TIED = 3  # equally common mistakes that are named
FEW = 10  # answers or images with a label, from which a share of them is worth a word


def co_occurrence(data: ReportData) -> Section | None:
    """Labels that one answer has together, people's beside the model's; None where no answer has several."""
    people, who = _answers(data)
    if people is None or data.model.sets is None:
        return None
    model = data.model.sets.numpy()
    alike = people if data.truth.sets is None else data.truth.sets
    drawn, tables = [], []
    title = f"People: {who}" if data.them == "people" else who.capitalize()
    shown = [("people", title, people), ("model", "The model's sets", model)]
    if who == SINGLE:  # a panel's set is of the same kind as the model's, a single answer is not
        shown.insert(1, ("panel", f"People: {PANEL}", alike))
    for name, words, answers in shown:
        share = together(answers)
        largest = _largest(
            share, lambda row, column, value: f"{data.labels[row]} with {data.labels[column]} {number(value)}"
        )
        alt = f"{words}. Of the answers with the first label, the share that has the second: {largest or 'none'}"
        hue = "model" if name == "model" else "people"
        axis = ("answers with this label", "that have this as well")
        drawn.append(drawing(words, grid(share, data.labels, data.labels, alt, hue=hue, axis=axis)))
        rows = tuple(
            (label, str(int(answers[:, c].sum())), *("" if np.isnan(v) else number(float(v)) for v in share[c]))
            for c, label in enumerate(data.labels)
        )
        tables.append(Table(words, ("label", "answers", *data.labels), rows, name=name))
    note = (
        "The model's set stands for what a panel says, and is compared with the panel's: single answers are smaller or "
        "larger than sets of a panel, which alone makes their shares differ."
    )
    notes = (note,) if who == SINGLE else ()
    words = _together_sentence(data, people, alike, model)
    return Section("together", "Which labels go together", words, tuple(drawn), (), tuple(tables), notes)


def _answers(data: ReportData) -> tuple[Array | None, str]:
    """People's sets, one a row: single answers where they are known, else the images' sets."""
    truth = data.truth
    if truth.kind == "distribution" or truth.sets is None:
        return None, ""
    if truth.chosen is not None and truth.asked is not None:
        return truth.chosen[truth.asked.astype(bool)], SINGLE
    return truth.sets, "the images' own sets" if truth.kind == "sets" else PANEL


def _largest(values: Array, say: Callable[[int, int, float], str], count: int = 5) -> str:
    """The largest cells above 0 in words; nan counts as 0. say: of a row, a column and the value there."""
    flat = np.nan_to_num(values)
    places = [np.unravel_index(at, flat.shape) for at in np.argsort(-flat, axis=None, kind="stable")[:count]]
    return "; ".join(
        say(int(row), int(column), float(flat[row, column])) for row, column in places if flat[row, column] > 0
    )


def _together_sentence(data: ReportData, people: Array, alike: Array, model: Array) -> str:
    """The label that most often comes with another, and where the model's sets are farthest from people's sets.

    people: answers; alike: sets of the same kind as the model's. Only labels given FEW times or more are named.
    """
    theirs = together(people)
    enough = (people.sum(axis=0) >= FEW)[:, None] & ~np.isnan(theirs)
    if not enough.any():
        return ""
    row, column = np.unravel_index(np.argmax(np.where(enough, theirs, -1)), theirs.shape)
    if theirs[row, column] <= 0:
        return "No answer here has two labels."
    labels = data.labels
    whose = "people's answers" if data.them == "people" else "the images' sets"
    aside = "" if (people.sum(axis=0) >= FEW).all() else f" (labels with fewer than {FEW} aside)"
    out = (
        f"Of {whose} with {labels[row]}, {percent(theirs[row, column])} have {labels[column]} as well: "
        f"no label is joined by another more often{aside}."
    )
    theirs, its = together(alike), together(model)
    both = ((alike.sum(axis=0) >= FEW) & (model.sum(axis=0) >= FEW))[:, None] & ~np.isnan(theirs) & ~np.isnan(its)
    if both.any():
        other = "the panels'" if data.them == "people" else "the images' own"
        gap = np.where(both, np.abs(its - theirs), -1)
        row, column = np.unravel_index(np.argmax(gap), gap.shape)
        out += (
            f" The model's sets are farthest from {other} on {labels[column]} beside {labels[row]}: of those with "
            f"{labels[row]}, {percent(its[row, column])} of the model's {model[:, row].sum():,.0f} and "
            f"{percent(theirs[row, column])} of {other} {alike[:, row].sum():,.0f} have both."
        )
    return out


def confusion(data: ReportData) -> Section | None:
    """What the model said instead of what people said, and what one person did beside the rest of the panel.

    None where neither sets nor single labels are.
    """
    truth = data.truth
    beside = against_the_rest(truth)
    theirs: Array | None = None
    if truth.sets is not None and data.model.sets is not None:
        found = instead(truth.sets, data.model.sets.numpy())
        what = "label of the image's set" if truth.kind == "sets" else "label of the panel's set"
        rule = (
            "A label that both sets have counts on the diagonal. A label that was missed counts one, shared evenly by "
            f"the labels that were said instead; {NOTHING} where no other was. The last row has labels added to sets "
            "that were had in full. Rows sum to how many images have the label."
        )
        if beside is not None:
            _, rest, one, weight = beside
            theirs = instead(rest, one, weight)
    elif truth.kind in ("single", "distribution"):
        found = first_instead(truth.hits, data.model.scores.argmax(dim=1).numpy())
        what = "label" if truth.kind == "single" else "most chosen label"
        rule = (
            "The model's first label. Where several labels are right, an image counts one: on the diagonal if the "
            "model named one of them, else shared by them."
        )
        if beside is not None and (beside[2].sum(axis=1) == 1).all():
            _, rest, one, weight = beside
            theirs = first_instead(rest, one.argmax(axis=1), weight)
    else:
        return None
    names = _named(data.labels, found, theirs)
    shown = [_matrix(found, names, what, "what the model said", "The model, in images", rule, "model", "images")]
    words = _instead_sentence(_off(found), data.labels, len(truth.image_id), None if theirs is None else _off(theirs))
    if theirs is not None:
        what, said = f"{what}, the rest", "what one person said"
        head = "One person beside the rest of the panel, in images"
        note = "One person's answer against the rest of the panel's; the answers to one image count one together."
        shown.append(_matrix(theirs, names, what, said, head, note, "people", "people"))
    drawn, tables = zip(*shown, strict=True)
    return Section("instead", "What was said instead of what", words, drawn, (), tables)


def _named(labels: tuple[str, ...], *found: Array | None) -> list[tuple[int, str]]:
    """The labels that any of these matrices has, and at the end nothing where one has it."""
    given = [each for each in found if each is not None]
    named = [*labels, NOTHING]
    return [(c, name) for c, name in enumerate(named) if any(each[c].any() or each[:, c].any() for each in given)]


def _off(found: Array) -> Array:
    """Without the diagonal."""
    out = found.copy()
    np.fill_diagonal(out, 0)
    return out


def _matrix(
    found: Array, names: list[tuple[int, str]], down: str, across: str, title: str, note: str, hue: str, name: str
) -> tuple[Drawing, Table]:
    """A picture and a table of what was said instead of what."""
    at, shown = [c for c, _ in names], [label for _, label in names]
    place = dict(names)
    often = _largest(_off(found), lambda row, column, value: f"{place[column]} for {place[row]}, {value:.1f}")
    part = found[np.ix_(at, at)]
    picture = grid(
        part, shown, shown, f"{title}. Instead: {often or 'never another'}", hue=hue, axis=(down, across), whole=True
    )
    rows = tuple((label, *(f"{v:.1f}".removesuffix(".0") for v in row)) for label, row in zip(shown, part, strict=True))
    return drawing(title, picture, note), Table(title, (down, *shown), rows, note, name=name)


def _instead_sentence(off: Array, labels: tuple[str, ...], images: int, people: Array | None = None) -> str:
    """The commonest label in place of another, where one is, and how often labels were missed or added alone.

    off, people: counts without the diagonal, of the model and of one person beside the rest of the panel.
    """
    end = len(labels)
    said = _commonest(off[:end, :end], labels, images)
    parts = [f"the model most often says {said}"] if said else []
    if off[:end, end].sum() or off[end].sum():
        parts.append(
            f"the model misses {off[:end, end].sum():.0f} labels with nothing in their place, and adds "
            f"{off[end].sum():.0f} to sets that are otherwise whole"
        )
    theirs = "" if people is None else _commonest(people[:end, :end], labels, images)
    parts += [f"one person beside the rest of a panel most often says {theirs}"] if theirs else []
    return f"{(text := '; '.join(parts))[:1].upper()}{text[1:]}." if parts else ""


def _commonest(inside: Array, labels: tuple[str, ...], images: int) -> str:
    """The commonest label in place of another with its count; "" where none is said twice, or too many tie."""
    if inside.max() < 2:
        return ""
    most = np.argwhere(inside > inside.max() - 1e-9)
    if len(most) > TIED:
        return ""
    named = " and ".join(f"{labels[column]} in place of {labels[row]}" for row, column in most)
    count = f"{inside.max():.1f}".removesuffix(".0")
    return f"{named} ({count} of {images:,} images{' each' if len(most) > 1 else ''})"
