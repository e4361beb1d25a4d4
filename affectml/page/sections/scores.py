"""Every score, differences between systems, coarser labels, several data sets, and answers asked for several times."""

from dataclasses import replace

from affectml.judging.figures import Evaluation, Figure
from affectml.page.section import Section, Shown, section
from affectml.page.tables import BESIDE, is_difference, matrix, metric, number, parts_of, pivot, rows_of, scores_table
from affectml.page.words import called, first_of, sentence_of
from affectml_metrics.table import find, shown


def every_score(evaluation: Evaluation, _: Shown) -> Section | None:
    """A table for each kind of target, and how set F1 moves with the cut, beside the share of people's empty sets."""
    tables = [scores_table(evaluation, against) for against in BESIDE]
    cuts = parts_of(evaluation, "tau")
    cuts.sort(key=lambda each: (float(each.level), each.system == "people"))
    note = "tau: the rate from which a label belongs to an image's set; people: the share of empty sets"
    tables.append(pivot("set_f1 by tau", cuts, "level", head="tau", note=note))
    tables.append(pivot("Images without an answer as empty sets", parts_of(evaluation, "unanswered"), metric))
    words = "All in one table were judged on the same targets, so its columns can be compared."
    return section("systems", "Every score", words, (), tables)


def differences(evaluation: Evaluation, _: Shown) -> Section | None:
    """Each system less others on the same images, or ways of training over their seeds."""
    rows = [each for each in parts_of(evaluation, None) if each.by in ("", "seeds")]
    apart = [each for each in rows if is_difference(evaluation, each)]
    titles, tables = {"": "Differences on the same images", "seeds": "Differences over seeds"}, []
    for by, title in titles.items():
        here = [replace(each, system=f"{each.system} − {each.against}") for each in apart if each.by == by]
        tables.append(pivot(title, here, metric))
    alike = [replace(f, system=f"{f.system} and {f.against}") for f in parts_of(evaluation, "agreement")]
    tables.append(pivot("How alike two systems answer", alike, metric, note="total_variation: 0 where alike"))
    means = [each for each in rows if each.by == "seeds" and each.against == "people"]
    sure, tested = sum(each.found for each in apart), sum(each.p is not None for each in apart)
    words = f"{sure or 'None'} of {tested} differences {'is' if sure == 1 else 'are'} beyond chance."
    words = words if tested else "Too few images or groups to test a difference."
    return section("differences", "Differences", words, (), [*tables, pivot("Means over seeds", means, metric)])


def levels(evaluation: Evaluation, _: Shown) -> Section | None:
    """The systems at the coarser levels of the labels, in main metrics of first labels and sets."""
    first, rows, told, notes = first_of(evaluation), list[Figure](), [], ["each system's fine answers, mapped"]
    for space, about in evaluation.facts.get("levels", {}).items():
        every = list(evaluation.where(space=space, against="people"))
        for name in shown((each.name for each in every), "headline"):
            spec = find(name)
            there = [each for each in every if each.name == name and spec and spec.kinds[0] in ("ranking", "sets")]
            rows += [replace(f, level=f"{space} ({len(about['labels'])}): {metric(f)}") for f in there]
        notes += [f"{space}: {line}" for line in about.get("lines", ())]
        inside = {each.system: each for each in evaluation.where(space=space, metric="errors_inside_parent")}
        if first in inside and "chance" in inside and inside["chance"].value > 0:  # 0: each parent has one child
            share, chance = inside[first], f"{100 * inside['chance'].value:.0f} %"
            wrong = f"{100 * share.value:.0f} % of {share.n} wrong first labels have the right parent"
            told.append(f"at {space}, {wrong}; of random ones {chance} would")
    table = pivot("Systems at each coarser level", rows, "level", note="; ".join(notes), name="systems", best=True)
    words = sentence_of(told or ["the same answers, counted at labels that hold several others"])
    return section("levels", "At coarser levels", words, (), [table])


def data_sets(evaluation: Evaluation, _: Shown) -> Section | None:
    """Systems by data sets in every main metric, and what runs lose away from their own data."""
    drops = [replace(each, system=f"{each.system}: {each.level}") for each in parts_of(evaluation, "dataset")]
    words = "A row is a data set, a column a system."
    return section("matrix", "Systems and data sets", words, (), [*matrix(evaluation), pivot("Drops", drops, metric)])


def repeats(evaluation: Evaluation, _: Shown) -> Section | None:
    """Answers to each wording and draw alone, and a liking for places in a list."""
    tables, told = [], []
    for by in ("wordings", "draws"):
        rows = parts_of(evaluation, by)
        for system in dict.fromkeys(each.system for each in rows):
            mine = [each for each in rows if each.system == system]
            tables.append(pivot(f"{system} by {by}", mine, lambda f: f.level or "mean", metric, head=by))
            values = sorted(each.value for each in mine if each.level and each.name == mine[0].name)
            ends = f"{number(values[0])} and {number(values[-1])}" if values else ""
            told += [f"{called(system)}'s {mine[0].name} lies between {ends} over {by}"] if values else []
    places = rows_of(evaluation, metric="place_bias")
    tables.append(pivot("Liking for places in the list of labels", places, "system", "metric"))
    words = sentence_of(told[:2] or ["a system may name labels more often for where they stand in a list"])
    return section("wordings", "Wordings, draws and places", words, (), tables)
