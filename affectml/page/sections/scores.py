"""Every score, differences between systems, coarser labels, several data sets, and answers asked for several times."""

from dataclasses import replace
from typing import Any

from affectml.judging.figures import Figure
from affectml.page.section import Page, Section, called
from affectml.page.tables import BESIDE, grouped, is_difference, matrix, metric, number, percent, pivot, scores_table
from affectml_metrics.table import find, shown


def every_score(page: Page) -> Section | None:
    """A table for each kind of target, and how set F1 moves with the cut, beside the share of people's empty sets."""
    cuts = sorted(page.parts("tau"), key=lambda each: (float(each.level), each.system == "people"))
    note = "tau: the rate from which a label belongs to an image's set; people: the share of empty sets"
    tables = [scores_table(page, against) for against in BESIDE]
    tables.append(pivot("set_f1 by tau", cuts, "level", head="tau", note=note))
    tables.append(pivot("Images without an answer as empty sets", page.parts("unanswered"), metric))
    words = ["all in one table were judged on the same targets, so its columns can be compared"]
    return Section.of("systems", "Every score", words, tables)


def differences(page: Page) -> Section | None:
    """Each system less others on the same images, or ways of training over their seeds."""
    rows = {by: page.parts(by) for by in ("", "seeds", "agreement")}
    apart = {by: [each for each in rows[by] if is_difference(page, each)] for by in ("", "seeds")}
    alike, means = rows["agreement"], grouped(rows["seeds"], "against")
    tables = [
        pivot("Differences on the same images", apart[""], metric, _two),
        pivot("Differences over seeds", apart["seeds"], metric, _two),
        pivot("How alike two systems answer", alike, metric, _two, note="total_variation: 0 where alike"),
        pivot("Means over seeds", means.get("people", ()), metric),
        pivot("Means over seeds, beside the rest of a panel", means.get("rest", ()), metric),
    ]
    tested = [each for found in apart.values() for each in found if each.p is not None]
    sure, told = sum(each.found for each in tested), "too few images or groups to test a difference"
    if tested:
        told = f"{sure or 'none'} of {len(tested)} differences {'is' if sure == 1 else 'are'} beyond chance"
    return Section.of("differences", "Differences", [told], tables)


def _two(figure: Figure) -> str:
    return f"{figure.system} {'and' if figure.by == 'agreement' else '−'} {figure.against}"


def levels(page: Page) -> Section | None:
    """The systems at the coarser levels of the labels, in main metrics of first labels and sets."""
    first, rows, told, notes = page.first, list[Figure](), list[str](), ["each system's fine answers, mapped"]
    for space, about in page.facts.get("levels", {}).items():
        every = grouped(page.where(space=space, against="people"), "name")
        for name in shown(every, "headline"):
            spec = find(name)
            if spec is not None and spec.kinds[0] in ("ranking", "sets"):
                rows += [
                    replace(each, level=f"{space} ({len(about['labels'])}): {metric(each)}") for each in every[name]
                ]
        notes += [f"{space}: {line}" for line in about.get("lines", ())]
        inside = {each.system: each for each in every.get("errors_inside_parent", ())}
        if first in inside and "chance" in inside and inside["chance"].value > 0:  # 0: each parent has one child
            wrong = f"{percent(inside[first].value)} of {inside[first].n} wrong first labels have the right parent"
            told.append(f"at {space}, {wrong}; of random ones {percent(inside['chance'].value)} would")
    table = pivot("Systems at each coarser level", rows, "level", note="; ".join(notes), best=True)
    plain = "the same answers, counted at labels that hold several others"
    return Section.of("levels", "At coarser levels", told or [plain], [table])


def data_sets(page: Page) -> Section | None:
    """Systems by data sets in every main metric, and what runs lose away from their own data."""
    drops = pivot("Drops", page.parts("dataset"), metric, lambda f: f"{f.system}: {f.level}")
    words = ["a row is a data set, a column a system"]
    return Section.of("matrix", "Systems and data sets", words, [*matrix(page), drops])


def repeats(page: Page) -> Section | None:
    """Answers to each wording and draw alone, and a liking for places in a list."""
    tables, told, places = list[Any](), list[str](), page.found(metric="place_bias")
    for by in ("wordings", "draws"):
        for system, mine in grouped(page.parts(by), "system").items():
            tables.append(pivot(f"{system} by {by}", mine, lambda f: f.level or "mean", metric, head=by))
            values = [each.value for each in mine if each.level and each.name == mine[0].name]
            ends = f"{number(min(values))} and {number(max(values))}" if values else ""
            told += [f"{called(system)}'s {mine[0].name} lies between {ends} over {by}"] if values else []
    tables.append(pivot("Liking for places in the list of labels", places, "system", "metric"))
    plain = "a system may name labels more often because of their place in a list"
    return Section.of("wordings", "Wordings, draws and places", told[:2] or [plain], tables)
