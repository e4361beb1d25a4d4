"""Where people disagree: whether systems are undecided there, how they score there, what few answers cost."""

from affectml.judging.figures import Evaluation, in_order
from affectml.page.section import Section, Shown
from affectml.page.sections.labels import picture
from affectml.page.tables import arrow, number, pivot, rows_of
from affectml.page.words import called, capital, first_of

CHANGE = "change"  # the level of a slope over all images


def disagreement(evaluation: Evaluation, _: Shown) -> Section | None:
    """None where nothing is known of people's disagreement."""
    entropy = "entropy_rank_correlation"
    rank = rows_of(evaluation, metric=entropy)
    levels = [each for each in rows_of(evaluation, by="disagreement", level=None)]
    asked = rows_of(evaluation, by="people_asked", level=None)
    drawn, tables = [], []
    if rank:
        names = in_order(each.system for each in rank)
        series = {each.system: [each] for each in rank}
        drawn.append(
            picture(
                "Rank correlation of people's entropy and the system's", ["all images"], {n: series[n] for n in names}
            )
        )
        middle = rows_of(evaluation, by="quantile", level=None)
        title = "Between which entropies nine in ten images lie"
        tables.append(
            pivot(
                "Rank correlation with people's entropy",
                rank,
                lambda f: f.system,
                lambda _: "correlation",
                head="system",
            )
        )
        tables.append(pivot(title, middle, lambda f: f.system, lambda f: f"{float(f.level):.0%}", head="whose"))
    for rows, title, head in (
        (levels, "by how much people disagree", "people"),
        (asked, "by people asked", "people asked"),
    ):
        for metric in dict.fromkeys(each.name for each in rows):
            here = [each for each in rows if each.name == metric]
            order = [level for level in dict.fromkeys(each.level for each in here) if level != CHANGE]
            at = {(each.system, each.level): each for each in here}
            systems = in_order(dict.fromkeys(each.system for each in here))
            series = {who: [at.get((who, level)) for level in order] for who in systems}
            named = f"{arrow(metric)} {title}"
            drawn.append(picture(named, order, series))
            tables.append(pivot(named, here, lambda f: f.level, head=head, columns=systems, bold=lambda f: f.found,
                                note="change: per unit of disagreement; bold: beyond chance" if levels is rows else ""))  # fmt: skip
    if not drawn:
        return None
    words = _sentence(evaluation)
    return Section("disagreement", "Where people disagree", words, tuple(drawn), (), tuple(filter(None, tables)))


def _sentence(evaluation: Evaluation) -> str:
    """Whether the first system is undecided where people are, whose scores change there, and what few answers cost."""
    first, parts = first_of(evaluation), []
    rank = evaluation.get("entropy_rank_correlation", first)
    if rank is not None:
        low, high = rank.ends
        how = "is more undecided where people are" if low > 0 else "is more decided where people are not"
        how = how if low > 0 or high < 0 else "may or may not be undecided where people are"
        parts.append(f"{called(first)} {how} (rank correlation {number(rank.value)}, {number(low)} to {number(high)})")
    changes = [f for f in rows_of(evaluation, by="disagreement", level=CHANGE) if f.found]
    parts += [
        f"{called(f.system)}'s {f.name} {'falls' if f.value < 0 else 'grows'} as people disagree more"
        for f in changes[:2]
    ]
    asked = rows_of(evaluation, by="people_asked", level=None, system=first)
    if len(asked) > 1:
        fewer, more = asked[0], asked[-1]
        apart = (
            ""
            if fewer.ends[0] > more.ends[1] or fewer.ends[1] < more.ends[0]
            else ", which these images hardly tell apart"
        )
        parts.append(
            f"its shares are off by {number(fewer.value)} where {fewer.level} people were asked and by "
            f"{number(more.value)} where {more.level} were{apart}"
        )
    return f"{capital('; '.join(parts))}." if parts else ""
