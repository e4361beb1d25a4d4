"""Where people disagree: whether systems are undecided there, how they score there, what few answers cost."""

from affectml.judging.figures import Evaluation
from affectml.page.section import Cards, Section, Shown, section, spots, whiskers
from affectml.page.sections.images import cards
from affectml.page.tables import Table, arrow, number, parts_of, percent, pivot, rows_of
from affectml.page.words import called, first_of, sentence_of, told

IMAGES = 12
CHANGE = "change"  # the level of a slope over all images


def disagreement(evaluation: Evaluation, _: Shown) -> Section | None:
    """None where nothing is known of people's disagreement."""
    first, told = first_of(evaluation), []
    rank = rows_of(evaluation, metric="entropy_rank_correlation")
    middle, levels, asked = (parts_of(evaluation, by) for by in ("quantile", "disagreement", "people_asked"))
    title = "Rank correlation of people's entropy and the system's"
    drawn, tables = [whiskers(title, rank)] if rank else [], [pivot(title, rank, "system", "metric")]
    tables.append(pivot("Entropies below which 5 % and 95 % of images lie", middle, "system", "level"))
    for rows, what in ((levels, "by how much people disagree"), (asked, "by people asked")):
        for name in dict.fromkeys(each.name for each in rows):
            here = [each for each in rows if each.name == name]
            drawn.append(spots(f"{arrow(name)} {what}", [each for each in here if each.level != CHANGE], "level"))
            tables.append(pivot(f"{arrow(name)} {what}", here, "level"))
    for each in [each for each in rank if each.system == first]:
        low, high = each.ends
        way = "more undecided" if low > 0 else "more decided" if high < 0 else ""
        how = way if way and each.bounded else "not shown to be more undecided"
        measured = f"rank correlation {number(each.value)}, {number(low)} to {number(high)}"
        told.append(f"{called(first)} is {how} where people are undecided ({measured})")
    mine = [each for each in asked if each.system == first]
    if len(mine) > 1:
        few, more = mine[0], mine[-1]
        apart = few.ends[0] > more.ends[1] or few.ends[1] < more.ends[0]
        off = f"{number(few.value)} with {few.level} people asked and {number(more.value)} with {more.level}"
        told.append(f"its shares are off by {off}{', which may be chance' * (not apart)}")
    return section("disagreement", "Where people disagree", sentence_of(told), drawn, tables)


def findings(evaluation: Evaluation, _: Shown) -> Section | None:
    """What holds beyond chance, a sentence each."""
    found = told(evaluation, evaluation.facts.get("findings", ()))
    table = Table("Beyond chance", ("", "finding"), tuple((str(at), line) for at, line in enumerate(found, 1)))
    return section("findings", "What holds beyond chance", sentence_of(found[:1]), (), [table] if found else ())


def alone(evaluation: Evaluation, also: Shown) -> Section | None:
    """The images on which all systems say a label that people's answers do not support."""
    known = evaluation.facts.get("alone")
    if known is None:
        return None
    rows, truth = [], also.truth
    for each in known["images"]:
        said = "; ".join(f"{name}: {', '.join(labels)}" for name, labels in each["said"].items())
        rows.append((each["image_id"], each["label"], percent(each["people"]), said))
    ids = [] if truth is None else list(map(str, truth.image_id))
    lines = {ids.index(row[0]): f"all say {row[1]}, {row[2]} of people do" for row in rows[:IMAGES] if row[0] in ids}
    made = cards(evaluation, also, lines)
    count, chance = len({row[0] for row in rows}), known["chance"][1]
    words = f"On {count} of {known['of']} images all systems say a label that people do not; by chance on {chance:.1f}."
    table = Table("Where all stand alone", ("image", "label", "people", "said"), tuple(rows))
    galleries = (Cards("", made),) if made else ()
    return Section("alone", "Images where all systems stand alone", words, (), galleries, (table,) if rows else ())
