"""Every score, differences between systems, coarser labels, and several data sets."""

from affectml.judging.figures import Evaluation, in_order
from affectml.page.section import Section, Shown
from affectml.page.tables import (
    arrow,
    differences_table,
    is_of_sets,
    matrix,
    number,
    pivot,
    rows_of,
    scores_table,
    tau_table,
)
from affectml.page.words import called, capital, first_of
from affectml_metrics.table import better, find, shown

BESIDE = {  # whom systems are set beside: what a table of them says
    "people": "",
    "rest": "each person in turn is left out; what the others said is the target, for the person and the systems alike",
    "person": "what the person who is left out said is the target; consensus: what the rest of the panel says as one answer",
    "half": "half of each panel is the target of the other half",
}


def every_score(evaluation: Evaluation, _: Shown) -> Section | None:
    """A table for each kind of target: who was judged on other targets stands in a table of their own."""
    tables = [scores_table(evaluation, against, note=note) for against, note in BESIDE.items()]
    found = tuple(table for table in (*tables, tau_table(evaluation)) if table is not None)
    words = "One table for all who were judged on the same targets, so that its columns can be compared."
    return Section("systems", "Every score", words, tables=found, folded=True) if found else None


def differences(evaluation: Evaluation, _: Shown) -> Section | None:
    """Each system less others on the same images, or ways of training over their seeds."""
    made = [
        differences_table(evaluation),
        differences_table(evaluation, "Differences over seeds", by="seeds", level=None),
    ]
    means = [each for each in rows_of(evaluation, by="seeds") if each.against == "people"]
    made.append(pivot("Means over seeds", means, lambda f: arrow(f.name), head="metric"))
    tables = tuple(table for table in made if table is not None)
    tested = [cell for table in made[:2] if table is not None for row in table.rows for cell in row[1:] if cell != "–"]
    sure = sum(len(table.best) for table in made[:2] if table is not None)
    words = f"{sure or 'None'} of {len(tested)} differences {'is' if sure == 1 else 'are'} beyond chance."
    return Section("differences", "Differences", words, tables=tables, folded=True) if tables else None


def levels(evaluation: Evaluation, _: Shown) -> Section | None:
    """The systems at the coarser levels of the labels: top-1, set F1 and macro F1."""
    known, first = evaluation.facts.get("levels", {}), first_of(evaluation)
    found, notes, told = [], [], []
    for space, about in known.items():
        every = list(evaluation.where(space=space, against="people"))
        for name in shown((each.name for each in every), "headline"):
            ranked = is_of_sets(name) or ((spec := find(name)) is not None and spec.kinds[0] == "ranking")
            found += [each for each in every if each.name == name and ranked]
        notes += [f"{space}: {line}" for line in about.get("lines", ())]
        inside = {f.system: f for f in evaluation.where(space=space, metric="errors_inside_parent")}
        if first in inside and "chance" in inside and inside["chance"].value > 0:  # 0: each parent has one child
            told.append(
                f"at {space}, {number(inside[first].value)} of {called(first)}'s {inside[first].n} wrong first labels have "
                f"the right parent, at random {number(inside['chance'].value)}"
            )
    systems = in_order(dict.fromkeys(each.system for each in found))
    note = "; ".join(["each system's fine answers, mapped", *notes])
    table = pivot("Systems at each coarser level", found, lambda f: f"{f.space} ({len(known[f.space]['labels'])}): {arrow(f.name)}",
                  head="level", columns=systems, note=note, name="systems", best=True)  # fmt: skip
    words = f"{capital('; '.join(told))}." if told else "The same answers, counted at labels that hold several others."
    return Section("levels", "At coarser levels", words, tables=(table,), folded=True) if table else None


def data_sets(evaluation: Evaluation, _: Shown) -> Section | None:
    """Systems by data sets in every main metric but the first, which the page begins with."""
    tables = tuple(matrix(evaluation)[1:])
    words = "Each cell is one system on one data set."
    return (
        Section("matrix", "Systems and data sets in other metrics", words, tables=tables, folded=True)
        if tables
        else None
    )


def parts(evaluation: Evaluation, _: Shown) -> Section | None:
    """Answers to each wording and draw alone, and a liking for places in a list."""
    tables, told = [], []
    for by, what in (("wordings", "wording"), ("draws", "draw")):
        rows = rows_of(evaluation, by=by, level=None)
        for system in in_order(dict.fromkeys(each.system for each in rows)):
            mine = [each for each in rows if each.system == system]
            head = mine[0]
            values = [f.value for f in mine if f.name == head.name and f.level]
            told += (
                [f"{system}'s {head.name} lies between {number(min(values))} and {number(max(values))} over its {by}"]
                if values
                else []
            )
            tables.append(
                pivot(f"{system} by {what}", mine, lambda f: f.level or "mean", lambda f: arrow(f.name), head=what)
            )
    places = [each for each in rows_of(evaluation, metric="place_bias")]
    tables.append(
        pivot(
            "Liking for places in the list of labels", places, lambda f: f.system, lambda _: "place bias", head="system"
        )
    )
    found = tuple(table for table in tables if table is not None)
    words = f"{capital('; '.join(told[:2]))}." if told else "Labels early in the list may be named more often."
    return Section("wordings", "Wordings, draws and places", words, tables=found, folded=True) if found else None
