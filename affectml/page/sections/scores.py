"""Every score, differences, coarser labels, data sets, repeats; what shares are worth, and promises."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from affectml.data.choose import from_people
from affectml.heads.promise import held
from affectml.judging.figures import Figure
from affectml.judging.subgroups import HERE
from affectml.page.section import Drawing, Page, Section, sentence_of
from affectml.page.tables import BESIDE, grouped, is_difference, matrix, metric, number, pivot, scores_table
from affectml.plots import reliability as plot
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
    rows = {by: page.parts(by) for by in ("", "seeds")}
    apart = {by: [figure for figure in rows[by] if is_difference(page, figure)] for by in rows}
    means = grouped(rows["seeds"], "against")
    tables = [
        pivot("Differences on the same images", apart[""], metric, _two),
        pivot("Differences over seeds", apart["seeds"], metric, _two),
        pivot("Means over seeds", means.get("people", ()), metric),
        pivot("Means over seeds, beside the rest of a panel", means.get("rest", ()), metric),
    ]
    tested = [figure for figures in apart.values() for figure in figures if figure.p is not None]
    sure, told = sum(figure.found for figure in tested), "too few images or groups to test a difference"
    if tested:
        told = f"{sure or 'none'} of {len(tested)} differences {'is' if sure == 1 else 'are'} beyond chance"
    return Section.of("differences", "Differences", [told], tables)


def _two(figure: Figure) -> str:
    return f"{figure.system} − {figure.against}"


def levels(page: Page) -> Section | None:
    """The systems at the coarser levels of the labels, in main metrics of first labels and sets."""
    rows, notes = list[Figure](), ["each system's fine answers, mapped"]
    for space, about in page.facts.get("levels", {}).items():
        every = grouped(page.where(space=space, against="people"), "name")
        for name in shown(every, "headline"):
            spec = find(name)
            if spec is not None and spec.kinds[0] in ("ranking", "sets"):
                title = f"{space} ({len(about['labels'])})"
                rows += [replace(figure, level=f"{title}: {metric(figure)}") for figure in every[name]]
        notes += [f"{space}: {line}" for line in about.get("lines", ())]
    table = pivot("Systems at each coarser level", rows, "level", note="; ".join(notes), best=True)
    plain = "the same answers, counted at labels that hold several others"
    return Section.of("levels", "At coarser levels", [plain], [table])


def data_sets(page: Page) -> Section | None:
    """Systems by data sets in every main metric, a run on its own data in the same labels too."""
    return Section.of("matrix", "Systems and data sets", ["a row is a data set, a column a system"], matrix(page))


def places(page: Page) -> Section | None:
    """A liking for places in the list of labels."""
    table = pivot("Liking for places in the list of labels", page.here(metric="place_bias"), "system", "metric")
    words = ["a system may name labels more often because of their place in a list"]
    return Section.of("places", "Places of labels", words, [table])


PANELS = 12  # labels of the picture; the table has all


def reliability(page: Page) -> Section | None:
    """What was said against what was seen, label by label; None where no system has shares to take at their word."""
    rows = [figure for figure in page.parts("bin") if figure.label and figure.system == page.first]
    metrics, panels = grouped(rows, "metric"), dict[str, list[Any]]()
    bins = list(zip(metrics.get("stated_share", ()), metrics.get("seen_share", ()), strict=True))
    for stated, seen in bins:
        panels.setdefault(seen.label, []).append((stated.value, (seen.value, *seen.ends)))
    shown = dict(list(panels.items())[:PANELS])
    told = [f"{name} {', '.join(f'{number(x)} seen {number(y)}' for x, (y, *_) in at)}" for name, at in shown.items()]
    picture = plot(shown, f"Reliability by label: {'; '.join(told)}")
    drawn = [Drawing("Seen against said", picture, "Above the dashed line, it understates.")] if bins else []
    note = "seen_share: Student's t of the differences in a bin, and at least the error of drawing the votes"
    rows = [replace(figure, level=f"{figure.label} {figure.level} ({figure.n})", units=None) for figure in rows]
    table = pivot("Reliability in bins (images)", rows, "level", "metric", head="bin", note=note)
    slopes = page.here(metric="calibration_slope")
    sloped = pivot("Calibration", slopes, "system", "metric", note="slope: 1 where shares mean what they say")
    return Section.of("reliability", "Do shares mean what they say?", bands(bins), [*drawn, table, sloped])


def bands(bins: Sequence[tuple[Figure, Figure]]) -> list[str]:
    """How many bands miss the diagonal, and how many would by chance; bins: what was said, and what was seen."""
    every = [(stated.value, seen) for stated, seen in bins if seen.ends[0] < seen.ends[1]]
    off = [(abs(stated - f.value), f.label) for stated, f in every if not f.ends[0] <= stated <= f.ends[1]]
    chance, line = max(1, round(0.05 * len(every))), "the line on which shares mean what they say"
    if not off:
        return [f"all {len(every)} bands reach {line}"] if every else []
    far = [f"the farthest off is {max(off)[1]}, by {number(max(off)[0])}"] if len(off) > 2 * chance + 2 else []
    missed = f"{len(off)} of {len(every)} bands miss{'es' * (len(off) == 1)} {line}"
    return [missed, f"about {chance} would by chance", *far]


def promise(page: Page) -> Section | None:
    """What a run promises of its sets, and what came of it; None without a promise."""
    made, people = page.facts.get("promise"), from_people(str(page.facts.get("kind")))
    if made is None:
        return None
    names = {"promise_recall": "recall", "promise_extra": "extra labels", "promise_size": "labels per set"}
    rows = [figure for figure in page.of_first(None) if figure.metric in names]
    rows.sort(key=lambda figure: (figure.by != "", list(names).index(figure.metric)))
    notes = [made.get("shift", {}).get("words"), f"promised: {made['words']}", f"made on {made['made_on']}"]
    if rows and rows[0].units != rows[0].n:  # groups, or only images with a chosen label
        notes.append(f"{rows[0].units} {made.get('unit', 'images')} count")
    if "spread" in made:
        notes.append(f"other calibration images would move it by {number(made['spread'])} (one SD)")
    if left := made.get("without_choices"):
        notes.append(f"{left} calibration images without a choice did not count")
    named = [replace(f, level=f"{f.by}: {f.level} ({f.n})" if f.by else f"all {f.n} images") for f in rows]
    title, note = f"Promise: {made['promise']}", "; ".join(filter(None, notes))
    table = pivot(title, named, "level", lambda figure: names[figure.metric], head="images", note=note)
    told = sentence_of(_kept(made, rows, people))
    return Section("promise", "The promise", told, tables=() if table is None else (table,))


def _kept(made: Mapping[str, Any], rows: Sequence[Figure], people: bool) -> list[str]:
    """What came out beside what was promised, and whether these images speak against it.

    made: facts["promise"]. rows: promise_* of all images, then of parts. people: whether images have people's answers.
    """
    risk, _, level = made["promise"].partition("=")
    mine = [figure for figure in rows if figure.metric == f"promise_{risk}"]
    told = [made["shift"]["words"]] if made.get("shift", {}).get("found") else []
    told += [made["made_on"]] if made["made_on"] != HERE else []
    if not mine or mine[0].by:
        return [*told, "no image counts for the promise"]
    overall, column = mine[0], made.get("column")
    sign, most = (1, "at most") if risk == "extra" else (-1, "at least")
    wrong = [f for f in mine if f.bounded and min(sign * end for end in f.ends) > sign * float(level)]
    (low, high), sets = map(number, overall.ends), held(risk, number(overall.value), people=people)
    within = f" within each level of {column}" if column else ""
    told.append(f"the sets hold {sets} ({low} to {high})")
    told.append(f"{most} {float(level):g} was promised on average{within}")
    chance = "the choice of images alone does not explain the difference"
    told.append(chance if overall in wrong else "nothing here speaks against it")
    worse = ", ".join(figure.level for figure in wrong if column and figure.by == column)
    return [*told, f"{worse} did worse"] if worse else told
