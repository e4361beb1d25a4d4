"""For whom and with how much a system works: subgroups, single people, training images."""

from collections.abc import Sequence
from dataclasses import replace

from affectml.judging.figures import Evaluation, Figure
from affectml.page.section import Section, Shown, curve, section
from affectml.page.sections.overview import chosen
from affectml.page.tables import Table, arrow, metric, number, p_value, parts_of, pivot
from affectml.page.words import called, first_of, of_first, sentence_of, told

SHOWN = 5  # findings in words, and differences that are not beyond chance
KNOWING = "rate_cross_entropy"
OVER = "levels differ in how much people agree: read the excess over each level's own floor, which alone is tested"
SYSTEMS = (
    "k: answers known beforehand; anybody: the model knowing nothing of the person; no_person: the same head, knowing "
    "nobody; own_share: a logistic regression on the person's own share; other_people: the smoothed share of others"
)
PARTS = {"floor": ", excess over the floor", "person": " less a person's", "rest": ", people"}


def subgroups(evaluation: Evaluation, _: Shown) -> Section | None:
    """For whom the first system fails: by columns of the images, and by who answered."""
    content, tests, made = evaluation.facts.get("subgroups") or {}, [], []
    for column, kind in content.get("columns", {}).items():
        rows = [each for each in of_first(evaluation, column) if not each.metric.startswith("promise_")]
        tests += [each for each in rows if each.p is not None]
        rows = [each for each in rows if each.p is None and " less " not in each.level]
        made.append(_levels(column, kind, [each for each in rows if not each.label]))
        bias = [each for each in rows if each.metric == "label_bias"]
        made.append(pivot(f"Label bias by {column}", bias, "label", "level"))
    return section("subgroups", "Subgroups", sentence_of(subgroup_lines(evaluation)), (), [_tests(tests), *made])


def subgroup_lines(evaluation: Evaluation) -> list[str]:
    """The first of what was found; that nothing was; or that there was nothing to compare; [] where none was asked."""
    content = evaluation.facts.get("subgroups")
    if not content:
        return []
    columns, found = ", ".join(content["columns"]), told(evaluation, content.get("findings", []))
    if found:
        return [*found[:SHOWN], *([f"{len(found) - SHOWN} more differences beyond chance"] if found[SHOWN:] else [])]
    if not columns:
        return ["no column of few levels to judge subgroups by"]
    tested = f"no difference beyond chance ({content.get('tests')} test{'s' * (content.get('tests') != 1)}, Holm, 5 %)"
    return [f"subgroups by {columns}: {tested if content.get('tests') else 'too few images or people to compare them'}"]


def _tests(tests: Sequence[Figure]) -> Table | None:
    """Differences between levels, those beyond chance first."""
    ranked = sorted(tests, key=lambda each: each.p or 0)
    kept = [each for each in ranked if each.found] or ranked[:SHOWN]
    rows = []
    for each in kept:
        what = f"bias: {each.label}" if each.label else f"{each.name}{PARTS.get(each.against, '')}"
        ends = f"{number(each.value)} [{number(each.ends[0])}, {number(each.ends[1])}]"
        sure = "yes" if each.found else ""
        rows.append((f"{each.by}: {each.level}", what, ends, p_value(each.p), p_value(each.p_holm), sure))
    title = "What differs" if kept and kept[0].found else "The least likely differences, none of them beyond chance"
    note = f"{len(kept)} of {len(tests)} tests; [95 % interval] of each difference by itself, p (Holm) of all together"
    heads = ("levels", "in", "difference", "p", "p (Holm)", "beyond chance")
    return Table(title, heads, tuple(rows), note) if rows else None


def _levels(column: str, kind: str, rows: Sequence[Figure]) -> Table | None:
    """A level a row: the first system's scores, the excess over its floor, people's own; how many images or people."""
    sizes = {each.level: f"{each.n if kind == 'images' else each.units}" for each in rows if each.n}
    sizes |= {each.level: f"{each.value:.0f}" for each in rows if each.metric in ("images", "people")}
    large = {each.level for each in rows if each.metric not in ("images", "people")}  # small levels have a size alone
    order = list(dict.fromkeys(each.level for each in rows))
    rows = [each for each in rows if each.metric not in ("images", "people") or each.level not in large]

    def score(figure: Figure) -> str:
        return f"{metric(figure)}{', floor' if figure.system == 'floor' else PARTS.get(figure.against, '')}"

    title = f"Agreement with people by {column}" if kind == "people" else f"Scores by {column}"
    note = OVER if any(each.against == "floor" for each in rows) else ""
    ranked = sorted(rows, key=lambda each: order.index(each.level))
    named = [replace(each, level=f"{each.level} ({sizes.get(each.level, '–')})") for each in ranked]
    return pivot(title, named, "level", score, head=f"{column} ({kind})", note=note)


def by_person(evaluation: Evaluation, _: Shown) -> Section | None:
    """What knowing the person is worth: of people seen and never seen, about images seen and new ones."""
    every, first = parts_of(evaluation, "answers_known"), first_of(evaluation)
    sizes = {each.level: f"{each.value:.0f}" for each in every if each.metric == "people"}
    rows, drawn, tables = [each for each in every if each.metric != "people"], [], []

    named = []
    for each in rows:
        level = f"{each.level.replace('_', ' ')} ({sizes.get(each.level, '–')})"
        system = each.system if each.against == "people" else f"{each.system} − {each.against}"
        named.append(replace(each, level=level, system=system))
    for name in dict.fromkeys(each.name for each in rows):
        mine = [each for each in named if each.name == name]
        tables.append(pivot(f"By person: {arrow(name)}", mine, "level", head="whom (people)", note=SYSTEMS))
    for images, what in (("new", "new images"), ("seen", "images it has seen")):
        start = f"unseen_people_{images}_images_k"
        known = [each for each in rows if each.name == KNOWING and each.against == "people"]
        points = [replace(f, level=f.level.removeprefix(start)) for f in known if f.level.startswith(start)]
        if sum(each.system == first for each in points) > 1:
            drawn.append(curve(f"{arrow(KNOWING)} of people never seen, {what}", points, first, "answers known"))
    return section("by-person", "Person by person", _worth(rows, first), drawn, tables)


def _worth(rows: Sequence[Figure], first: str) -> str:
    """What knowing the person is worth in these data, and where it is worth nothing beyond chance."""
    said = []
    for each in [f for f in rows if (f.system, f.against, f.name) == (first, "anybody", KNOWING)]:
        start, _, k = each.level.partition("_images_k")
        if each.level == "seen_people_new_images" or (start == "unseen_people_new" and k != "0"):
            low, high = -each.ends[1], -each.ends[0]
            worth = "worth" if low > 0 else "worth less than nothing" if high < 0 else "worth nothing beyond chance"
            what = f"{k} answers of a new person are" if k else f"what {called(first)} learned of a person is"
            said.append(f"{what} {worth} ({number(-each.value)}, {number(low)} to {number(high)})")
    unknown = "too few people or new images have answers to say what knowing the person is worth"
    return sentence_of([*said, f"in {KNOWING} about new images"] if said else [unknown])


def learning(evaluation: Evaluation, _: Shown) -> Section | None:
    """How the scores grow with the training images; None where no learning curve was asked for."""
    rows, first = of_first(evaluation, "training_images"), first_of(evaluation)
    rows.sort(key=lambda each: int(each.level))
    sizes, words = list(dict.fromkeys(each.level for each in rows)), ""
    if len(sizes) < 2:
        return None
    by = {name: [each for each in rows if each.name == name] for name in chosen(evaluation)}
    whole = {name: found for name, found in by.items() if len(found) == len(sizes)}
    titles = {name: f"{arrow(name)} by training images" for name in list(whole)[:3]}
    drawn = [curve(title, whole[name], first, "training images", log=True) for name, title in titles.items()]
    if whole:
        name, (before, after) = next(iter(whole)), next(iter(whole.values()))[-2:]
        inside = before.ends[0] <= after.value <= before.ends[1] and after.ends[0] <= before.value <= after.ends[1]
        words = f"With {before.level} training images {name} is {number(before.value)}, with all {after.level} "
        words += f"{number(after.value)}{', which may be chance' * inside}; each point is one fit."
    shares = dict(zip(sizes, evaluation.facts.get("learning_curve", ()), strict=False))

    named = []
    for each in rows:
        share = f" ({shares[each.level]:.0%})" if each.level in shares else ""
        named.append(replace(each, level=f"{each.level} images{share}"))
    table = pivot("Learning curve", named, metric, "level", name="curve")
    return section("learning", "With fewer training images", words, drawn, [table])
