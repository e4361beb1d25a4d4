"""For whom and with how much a system works: subgroups, single people, training images."""

from collections.abc import Sequence

from affectml.judging.figures import Evaluation, Figure, in_order
from affectml.page.section import Drawing, Section, Shown, drawing
from affectml.page.sections.overview import chosen
from affectml.page.tables import HALF, Table, arrow, cell, number, p_value, pivot, rows_of, signed, starred
from affectml.page.words import called, capital, first_of
from affectml.plots import curves

SHOWN = 5  # findings in words, and differences that are not beyond chance
PLOTS = 3
KNOWING = "rate_cross_entropy"
OVER = "levels differ in how much people agree: read the excess over each level's own floor, which alone is tested"


def subgroups(evaluation: Evaluation, _: Shown) -> Section | None:
    """For whom the first system fails: by columns of the images, and by who answered."""
    content = evaluation.facts.get("subgroups") or {}
    columns = content.get("columns", {})
    rows = {name: rows_of(evaluation, by=name, level=None, label=None) for name in columns}
    tests = sorted((f for each in rows.values() for f in each if f.p is not None), key=lambda f: f.p or 0)
    made = [_tests(tests)] if tests else []
    for column, kind in columns.items():
        levels = [
            f for f in rows[column] if f.p is None and " less " not in f.level and not f.metric.startswith("promise_")
        ]
        made += [_levels(column, levels, kind), _biases(column, levels)]
    tables = tuple(table for table in made if table is not None)
    words = f"{capital('; '.join(subgroup_lines(evaluation)))}."
    return Section("subgroups", "Subgroups", words, tables=tables, folded=True) if tables else None


def subgroup_lines(evaluation: Evaluation) -> list[str]:
    """The first of what was found; that nothing was; or that there was nothing to compare."""
    content = evaluation.facts.get("subgroups")
    if not content:
        return []
    columns, findings = ", ".join(content["columns"]), content.get("findings", [])
    if not columns:
        return ["no column of few levels to judge subgroups by"]
    if findings:
        more = [f"{len(findings) - SHOWN} more differences beyond chance"] if len(findings) > SHOWN else []
        return [*findings[:SHOWN], *more]
    if not content.get("tests"):
        return [f"subgroups by {columns}: too few images or people in each level to compare them"]
    return [f"subgroups by {columns}: no difference beyond chance ({content['tests']} tests, Holm, 5 %)"]


def _tests(tests: Sequence[Figure]) -> Table:
    """Differences between levels, those beyond chance first."""
    kept = [each for each in tests if each.found] or list(tests[:SHOWN])
    rows = tuple(
        (f"{f.by}: {f.level}", f"bias: {f.label}" if f.label else f"{f.name}{' over the floor' if f.against == 'floor' else ''}",
         f"{number(f.value)} [{number(f.ends[0])}, {number(f.ends[1])}]", p_value(f.p), p_value(f.p_holm), "yes" if f.found else "")
        for f in kept
    )  # fmt: skip
    title = "What differs" if kept[0].found else "The least likely differences, none of them beyond chance"
    note = f"{len(kept)} of {len(tests)} tests; [95 % interval] of each difference by itself, p (Holm) of all together"
    return Table(title, ("levels", "in", "difference", "p", "p (Holm)", "beyond chance"), rows, note)


def _levels(column: str, rows: Sequence[Figure], kind: str) -> Table | None:
    """A level a row: the first system's scores, the excess over its floor, people's own; how many images or people."""
    scores = [f for f in rows if not f.label and f.metric not in ("images", "people")]
    sizes = {f.level: f"{f.value:.0f}" for f in rows if f.metric in ("images", "people")}
    sizes |= {f.level: str(f.n if kind == "images" else f.units) for f in scores if f.n is not None}
    extra = [f for f in rows if f.metric in ("images", "people")]  # a level that is too small has nothing else
    what = {"floor": ", excess", "person": " less a person's", "rest": ", people"}

    def across(figure: Figure) -> str:
        if figure.metric in ("images", "people"):
            return figure.metric
        beside = " at the floor" if figure.system == "floor" else what.get(figure.against, "")
        return f"{arrow(figure.name)}{beside}"

    excess = any(f.against == "floor" for f in scores)
    title = f"{'Agreement with people by' if kind == 'people' else 'Images by'} {column}"
    return pivot(title, [*scores, *extra], lambda f: f"{f.level} ({sizes[f.level]})", across, head=f"{column} ({kind})",
                 note=f"{HALF}; {OVER}" if excess else HALF)  # fmt: skip


def _biases(column: str, rows: Sequence[Figure]) -> Table | None:
    """How much more or less often than people the first system names each label, level by level."""
    bias = [each for each in rows if each.label]
    note = f"how often it is named, less how often people choose it; {HALF}"
    return pivot(
        f"Label bias by {column}", bias, lambda f: f.label, lambda f: f.level, head="label", note=note, write=signed
    )


def by_person(evaluation: Evaluation, _: Shown) -> Section | None:
    """What knowing the person is worth: of people seen and never seen, about images seen and new ones."""
    rows, first = rows_of(evaluation, by="answers_known", level=None), first_of(evaluation)
    if not rows:
        return None
    sizes = {each.level: f"{each.value:.0f}" for each in rows if each.metric == "people"}
    scores = [each for each in rows if each.metric != "people"]
    systems = in_order(dict.fromkeys(each.system for each in scores if each.against == "people"))
    tables = []
    for metric in dict.fromkeys(each.name for each in scores):
        mine = [each for each in scores if each.name == metric]
        tables.append(
            pivot(f"By person: {arrow(metric)}", mine, lambda f: f"{f.level.replace('_', ' ')} ({sizes.get(f.level, '–')})",
                  lambda f: f.system if f.against == "people" else f"{f.system} − {f.against}", head="who, about what (people)",
                  columns=systems, note=f"{HALF}, for other people and other images; k: answers known beforehand; {_KNOWN}",
                  name=f"by-person-{metric.replace('_', '-')}")
        )  # fmt: skip
    drawn = tuple(picture for images in ("new", "seen") if (picture := _by_answers(scores, images, first)))
    return Section(
        "by-person", "Person by person", _worth(scores, first), drawn, (), tuple(filter(None, tables)), folded=True
    )


_KNOWN = (
    "anybody: the model knowing nothing of the person; no_person: the same head, knowing nobody; own_share: a logistic "
    "regression on the person's own share; other_people: the smoothed share of others"
)


def _worth(rows: Sequence[Figure], first: str) -> str:
    """What knowing the person is worth in these data, and where it is worth nothing beyond chance."""
    apart = {f.level: f for f in rows if f.against == "anybody" and f.name == KNOWING}
    said = []
    for level, each in apart.items():
        k = level.rpartition("_k")[2] if level.startswith("unseen_people_new_images_k") else ""
        if level == "seen_people_new_images" or (k and k != "0"):
            low, high = -each.ends[1], -each.ends[0]
            worth = "worth" if low > 0 else "worth less than nothing" if high < 0 else "worth nothing beyond chance"
            what = f"{k} answers of a new person are" if k else f"what {called(first)} learned of a person is"
            said.append(f"{what} {worth} ({number(-each.value)}, {number(low)} to {number(high)})")
    if not said:
        return "Too few people or new images have answers to say what knowing the person is worth."
    return f"{capital('; '.join(said))}, in nats of {KNOWING} about new images."


def _by_answers(rows: Sequence[Figure], images: str, first: str) -> Drawing | None:
    """The cross-entropy of unseen people by how many of their answers are known."""
    start = f"unseen_people_{images}_images_k"
    points: dict[str, list[tuple[int, Figure]]] = {}
    for each in rows:
        if each.level.startswith(start) and each.name == KNOWING and each.against == "people":
            points.setdefault(each.system, []).append((int(each.level.removeprefix(start)), each))
    what = "new images" if images == "new" else "images it has seen"
    title = f"{arrow(KNOWING)}, people never seen, {what}"
    return curve(title, points, first, "answers known") if len(points.get(first, ())) > 1 else None


def curve(
    title: str, points: "dict[str, list[tuple[int, Figure]]]", first: str, axis: str, *, log: bool = False
) -> Drawing:
    """Figures over a number, with the interval of the first system as a band."""
    series = {who: ([x for x, _ in each], [f.value for _, f in each]) for who, each in points.items()}
    bands = {first: ([f.ends[0] for _, f in points[first]], [f.ends[1] for _, f in points[first]])}
    alt = "; ".join(
        f"{who} {', '.join(f'{number(f.value)} at {x:,}' for x, f in each)}" for who, each in points.items()
    )
    return drawing(
        title, curves(series, f"{title}: {alt}", axis=(axis, "score"), bands=bands, log=log), "Band: 95 % interval."
    )


def learning(evaluation: Evaluation, _: Shown) -> Section | None:
    """How the scores grow with the training images; None where no learning curve was asked for."""
    rows, first = rows_of(evaluation, by="training_images", level=None), first_of(evaluation)
    sizes = sorted({int(each.level) for each in rows})
    if len(sizes) < 2:
        return None
    at = {(each.name, int(each.level)): each for each in rows}
    whole = [name for name in chosen(evaluation) if all((name, n) in at for n in sizes)][:PLOTS]
    drawn = tuple(
        curve(
            f"{arrow(name)} by training images",
            {first: [(n, at[name, n]) for n in sizes]},
            first,
            "training images",
            log=True,
        )
        for name in whole
    )
    shares = dict(zip(sizes, evaluation.facts.get("learning_curve", ()), strict=False))
    heads = {n: f"{n:,} images{f' ({shares[n]:.0%})' if n in shares else ''}" for n in sizes}
    table = pivot("Learning curve", sorted(rows, key=lambda f: int(f.level)), lambda f: arrow(f.name), lambda f: heads[int(f.level)],
                  head="metric", note=HALF, name="curve")  # fmt: skip
    words = ""
    if whole:
        before, after = (at[whole[0], n] for n in sizes[-2:])
        inside = before.ends[0] <= after.value <= before.ends[1] and after.ends[0] <= before.value <= after.ends[1]
        words = (
            f"With {sizes[-2]:,} training images {whole[0]} is {number(before.value)}, with all {sizes[-1]:,} "
            f"{number(after.value)}{', which may be chance' if inside else ''}; each point is one fit."
        )
    return Section("learning", "With fewer training images", words, drawn, (), (table,) if table else (), folded=True)
