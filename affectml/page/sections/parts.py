"""For whom and with how much a system works: disagreement, subgroups, people; and how it was made."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from affectml.judging.figures import Figure
from affectml.page.section import Page, Section, called, spots
from affectml.page.tables import Table, arrow, cell, grouped, metric, number, p_value, pivot, span
from affectml.runs import RunInfo

SHOWN = 5  # findings in words, and differences that are not beyond chance
KNOWING = "rate_cross_entropy"
OVER = "levels differ in how much people agree: read the excess over each level's own floor, which alone is tested"
SYSTEMS = (
    "k: answers known beforehand; anybody: the model knowing nothing of the person; no_person: the same head, knowing "
    "nobody; other_people: the smoothed share of others"
)
PARTS = {"floor": ", excess over the floor", "rest": ", people"}


def disagreement(page: Page) -> Section | None:
    """Where people disagree: whether systems are undecided there, and how they score there."""
    first, told = page.first, list[str]()
    rank = page.here(metric="entropy_rank_correlation")
    levels = page.parts("disagreement")
    title = "Rank correlation of people's entropy and the system's"
    parts = [spots(page, title, rank), pivot(title, rank, "system", "metric")]
    for name, here in grouped(levels, "name").items():
        title = f"{arrow(name)} by how much people disagree"
        parts.append(spots(page, title, here, "level"))
        parts.append(pivot(title, here, "level"))
    for figure in [figure for figure in rank if figure.system == first]:
        low, high = figure.ends
        way = "more undecided" if low > 0 else "more decided" if high < 0 else ""
        how = way if way and figure.bounded else "not shown to be more undecided"
        told.append(f"{called(first)} is {how} where people are undecided (rank correlation {span(figure)})")
    return Section.of("disagreement", "Where people disagree", told, parts)


def findings(page: Page) -> Section | None:
    """What holds beyond chance, a sentence each."""
    lines = page.told(page.facts.get("findings", ()))
    table = Table("Beyond chance", ("", "finding"), tuple((str(at), line) for at, line in enumerate(lines, 1)))
    return Section.of("findings", "What holds beyond chance", lines[:1], [table] if lines else [])


def subgroups(page: Page) -> Section | None:
    """For whom the first system fails: by columns of the images."""
    tests, parts = list[Figure](), list[Any]()
    for column in (page.facts.get("subgroups") or {}).get("columns", ()):
        rows = [figure for figure in page.of_first(column) if not figure.metric.startswith("promise_")]
        tests += [figure for figure in rows if figure.p is not None]
        rows = [figure for figure in rows if figure.p is None and " less " not in figure.level]
        parts.append(_levels(column, [figure for figure in rows if not figure.label]))
        parts.append(pivot(f"Label bias by {column}", [figure for figure in rows if figure.label], "label", "level"))
    return Section.of("subgroups", "Subgroups", subgroup_lines(page), [_tests(tests), *parts])


def subgroup_lines(page: Page) -> list[str]:
    """The first of what was found; that nothing was; or that there was nothing to compare; [] where none was asked."""
    content = page.facts.get("subgroups")
    if not content:
        return []
    columns, tests = ", ".join(content["columns"]), content.get("tests")
    lines = page.told(content.get("findings", []))
    if lines:
        return [*lines[:SHOWN], *[f"{len(lines) - SHOWN} more differences beyond chance"] * (len(lines) > SHOWN)]
    if not columns:
        return ["no column of few levels to judge subgroups by"]
    tested = f"no difference beyond chance ({tests} test{'s' * (tests != 1)}, Holm, 5 %)"
    return [f"subgroups by {columns}: {tested if tests else 'too few images to compare them'}"]


def _tests(tests: Sequence[Figure]) -> Table | None:
    """Differences between levels, those beyond chance first."""
    ranked = sorted(tests, key=lambda figure: figure.p or 0)
    kept, rows = [figure for figure in ranked if figure.found] or ranked[:SHOWN], []
    for gap in kept:
        what = f"bias: {gap.label}" if gap.label else f"{gap.name}{PARTS.get(gap.against, '')}"
        ends = f"{number(gap.value)} [{number(gap.ends[0])}, {number(gap.ends[1])}]"
        rows.append((f"{gap.by}: {gap.level}", what, ends, p_value(gap.p), p_value(gap.p_holm), "yes" * gap.found))
    title = "What differs" if kept and kept[0].found else "The least likely differences, none of them beyond chance"
    note = f"{len(kept)} of {len(tests)} tests; [95 % interval] of each difference by itself, p (Holm) of all together"
    heads = ("levels", "in", "difference", "p", "p (Holm)", "beyond chance")
    return Table(title, heads, tuple(rows), note) if rows else None


def _levels(column: str, rows: Sequence[Figure]) -> Table | None:
    """A level a row: the first system's scores, the excess over its floor, people's own; how many images."""
    sizes = {figure.level: cell(figure) for figure in rows if figure.metric == "images"}
    scored = {figure.level for figure in rows if figure.metric != "images"}  # a small level has its size alone
    shown = [f for level in sizes for f in rows if f.level == level and (f.metric != "images" or level not in scored)]
    shown = [replace(figure, level=f"{figure.level} ({sizes[figure.level]})") for figure in shown]

    def score(figure: Figure) -> str:
        return f"{metric(figure)}{', floor' if figure.system == 'floor' else PARTS.get(figure.against, '')}"

    note = OVER * any(figure.against == "floor" for figure in rows)
    return pivot(f"Scores by {column}", shown, "level", score, head=f"{column} (images)", note=note)


def by_person(page: Page) -> Section | None:
    """What knowing the person is worth: of people seen and never seen, about images seen and new ones."""
    rows, parts, told = page.parts("answers_known"), list[Any](), list[str]()
    sizes = {figure.level: cell(figure) for figure in rows if figure.metric == "people"}
    scores = grouped([figure for figure in rows if figure.metric != "people"], "name")

    def whom(figure: Figure) -> str:
        return f"{figure.level.replace('_', ' ')} ({sizes.get(figure.level, '–')})"

    def who(figure: Figure) -> str:
        return figure.system if figure.against == "people" else f"{figure.system} − {figure.against}"

    for name, figures in scores.items():
        parts.append(pivot(f"By person: {arrow(name)}", figures, whom, who, head="whom (people)", note=SYSTEMS))
    for figure in scores.get(KNOWING, ()):
        start, _, k = figure.level.partition("_images_k")
        new = figure.level == "seen_people_new_images" or (start == "unseen_people_new" and k != "0")
        if new and (figure.system, figure.against) == (page.first, "anybody"):
            gain = replace(figure, value=-figure.value, low=-figure.ends[1], high=-figure.ends[0])  # lower is better
            worth = "" if gain.ends[0] > 0 else " less than nothing" if gain.ends[1] < 0 else " nothing beyond chance"
            what = f"{k} answers of a new person are" if k else f"what {called(page.first)} learned of a person is"
            told.append(f"{what} worth{worth} ({span(gain)})")
    unknown = "too few people or new images have answers to say what knowing the person is worth"
    told = [*told, f"in {KNOWING} about new images"] if told else [unknown]
    return Section.of("by-person", "Person by person", told, parts)


LISTED = 5  # places of each problem with a file of answers


def cost(info: RunInfo) -> str:
    """What was trained; and where a meter ran, what that took, and whether it was measured."""
    assert info.parameters is not None
    trained = info.parameters
    size = f"the head keeps {trained['trained']:,} numbers"
    if trained["share"] is None:
        size += ", and the encoder was not trained."
    else:
        size += f", {100 * trained['share']:.2g} % of all; the encoder's {trained['frozen']:,} were not trained."
    if info.energy is None:
        return f"{size[0].upper()}{size[1:]}"
    took, by = watt_hours(info.energy["kwh"]), f"{info.energy['how']} (by {info.energy['by']})"
    took = took if info.energy["measured"] else f"an estimated {took}"
    return f"Training and judging took {took}; {size} {by[0].upper()}{by[1:]}."


def watt_hours(kwh: float) -> str:
    """With two digits that say something: `0.011 Wh`, `1,200 Wh`."""
    value = kwh * 1000
    return f"{value:,.0f} Wh" if value >= 100 else f"{float(f'{value:.2g}'):g} Wh"


def made(page: Page) -> Section | None:
    """What a run cost, how the images were parted and figures counted, and what repeats a run, in one table."""
    facts, info, rows = page.facts, page.shown.info, list[tuple[str, str]]()
    if info is not None and info.parameters is not None:
        seconds = "; ".join(f"{step.replace('_', ' ')} {value:.1f} s" for step, value in info.seconds.items())
        rows.append(("footprint", f"{cost(info)} {seconds}".strip()))
    parts = page.parts("split")
    sizes = {figure.level: f"{figure.value:,.0f}" for figure in parts if figure.metric == "images"}
    for part, size in sizes.items():
        shares = (f"{f.label} {number(f.value)}" for f in parts if f.level == part and f.metric == "prevalence")
        rows.append((f"split: {part}, {size} images", ", ".join(shares)))
    rows += [("split", note) for note in facts.get("split_notes", () if info is None else info.split.notes)]
    for name, content in facts.get("received", {}).items():
        told = [f"{content['answered']} of {content['judged']} images answered", *content.get("notes", ())]
        told += [f"unknown label {label}: {count}" for label, count in content.get("unknown_labels", {}).items()]
        told += [f"{why}: {len(at)} ({', '.join(at[:LISTED])})" for why, at in content.get("problems", {}).items()]
        rows.append((f"answers of {name}", "; ".join(told)))
    rules = {**facts.get("rules", {}), **(facts.get("subgroups") or {}).get("rules", {})}
    rows += [(name, number(words) if isinstance(words, float) else str(words)) for name, words in rules.items()]
    if info is not None:
        threads = f"{info.threads} thread{'s' * (info.threads != 1)}"
        machine = f"{info.hardware.processor}, {info.hardware.cores} cores; {threads}, seed {info.config.seed}"
        versions = "; ".join(f"{name} {value}" for name, value in info.versions.items())
        hashes = {**info.data.fingerprint, "encoder weights": str(info.encoder.identity["weights_sha256"])}
        rows += [("machine", machine), ("versions", versions)]
        rows += [(f"{name} (sha256)", at) for name, at in hashes.items()]
    table = Table("How it was made", ("what", "how"), tuple(rows))
    words = f"split: {', '.join(f'{part} {size} images' for part, size in sizes.items())}. " * bool(sizes)
    words += "Costs, rules, versions and hashes, in one table"
    return Section.of("made", "How it was made", [words], [table] if rows else ())
