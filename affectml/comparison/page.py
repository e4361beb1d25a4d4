"""Several runs in one page: how far apart they are, what is beyond chance, and images that they read differently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectml._files import try_file, try_folder, try_page
from affectml._progress import Say
from affectml.comparison._differences import Gain, SeedGap, by_seed, gains_of, seed_gaps
from affectml.comparison.readings import Comparison, compare_runs, names_of, words
from affectml.data import Dataset
from affectml.encoders import TINY_SPEC
from affectml.errors import BadInput, option
from affectml.judging.scoring import Score, row_scores
from affectml.judging.truth import part_of
from affectml.page import ReportData, Section, Table, read_again, write_page, write_tables
from affectml.page.data import thumbnail
from affectml.page.section import Card, Cards, Drawing, drawing
from affectml.page.tables import arrow, as_html, cell, headline, number, order, p_value, starred
from affectml.plots import fitted, intervals
from affectml.runs import RunFolder
from affectml_metrics.table import better

IMAGES = 24
SHOWN = 12  # images of a report
PAIR = 12  # letters of a run's name in a picture of differences
NONE = "–"
CAVEAT = (
    "Different readings of one image are not errors by themselves: people differ too. No reading says what any one "
    "person feels."
)
SeedPair = tuple[tuple[str, str], tuple[int, int]]


@dataclass(frozen=True, repr=False)
class RunsCompared:
    """The page of several runs, and what stands in it."""

    page: Path
    gains: tuple[Gain, ...]
    seeds: tuple[SeedGap, ...]
    sections: tuple[Section, ...]

    def tables(self) -> list[Table]:
        """Every table of the page."""
        return [table for section in self.sections for table in section.tables]

    @property
    def first(self) -> list[Section]:
        """What a terminal and a notebook show of them: the differences, between runs or over seeds."""
        return [section for section in self.sections if section.name in ("seeds", "differences")]

    def __repr__(self) -> str:
        return f"<RunsCompared {self.page}: {len(self.gains)} differences>"

    def _repr_html_(self) -> str:
        """For notebooks: the differences, and where the page is."""
        lines = [f"<p>Runs compared · <code>{escape(str(self.page))}</code></p>"]
        for section in self.first:
            lines += [*map(as_html, section.tables), f"<p>{escape(section.sentence)}</p>"]
        return "".join(lines)


def report_runs(
    runs: Sequence[str | PathLike[str]],
    *,
    out: str | Path | None = None,
    tables: str | Path | None = None,
    dataset: str | Path | None = None,
    seeds: bool = False,
    say: Say = lambda line: None,
) -> RunsCompared:
    """Compare runs of one data set in a page, as `affectml report RUN RUN2` does.

    Args:
        runs: at least two runs, or their folders, that learned the same target of the same data set.
        out: the file; None is differences.html in the first run's folder.
        tables: a folder that gets every table as CSV and LaTeX.
        dataset: where the data set is now; None is where it was.
        seeds: whether runs that differ only in their seed are one way of training.
        say: called with what a user should know.

    Returns:
        RunsCompared: the page, and the differences and tables in it.

    Raises:
        BadInput: for fewer than two runs, for runs of different data, targets or cuts, without a test image in common,
            with `seeds` for runs that are all one way of training, and where no page or no folder for the tables can
            be written.
        BadRun: see `affectml.page.read_again`.
    """
    if len(runs) < 2:
        raise BadInput(f"report: expected at least two runs to compare, got {len(runs)}")
    if tables is not None:
        try_folder(Path(tables))
    opened = [RunFolder.open(run) for run in runs]
    page = Path(out) if out is not None else opened[0].folder / "differences.html"
    try_page(page)
    _check_alike(opened)
    groups = by_seed(opened) if seeds else {}
    if seeds and len(groups) < 2:
        way = option("seeds", True)
        raise BadInput(
            f"report: {way} compares ways of training over their seeds, and these runs differ in nothing but the seed: "
            "name runs of another head or other options as well"
        )
    data = [read_again(run, dataset=dataset, say=say) for run in opened]
    metrics = _metrics(opened)
    gaps = seed_gaps(groups, metrics) if groups else []
    found = [_seeds(groups, gaps, metrics)] if groups else []
    names = names_of(opened)
    ids = _common(data)
    gains: list[Gain] = []
    if len(ids) and not (groups and any(len(each.truth.image_id) > len(ids) for each in data)):
        gains = _gains(data, names, ids)
        found += [_differences(gains, len(ids)), _scores(opened, names)]
        found.append(disputed(compare_runs([run.folder for run in opened], dataset=dataset, say=say), SHOWN))
    elif not groups:
        raise BadInput(
            "report: no image is in the test split of every run: train them with the same "
            f"{option('seed')}, or add {option('seeds', True)}"
        )
    write_page(
        page,
        found,
        title=f"{data[0].info.data.name} – runs compared",
        heading=f"{data[0].info.data.name}: {len(runs)} runs compared",
        about=[
            f"target: {data[0].info.data.target}",
            *(f"{name}: {run.info.command}" for name, run in zip(names, opened, strict=True)),
        ],
        caveats=of_demo(data[0].dataset),
    )
    if tables is not None:
        write_tables(found, Path(tables))
    return RunsCompared(page, tuple(gains), tuple(gaps), tuple(found))


def _check_alike(runs: Sequence[RunFolder]) -> None:
    """Raises BadInput for the first run whose figures cannot stand beside those of the first run."""
    first = runs[0].info
    for run in runs[1:]:
        info = run.info
        for what, one, other in (
            ("data set", first.data.fingerprint, info.data.fingerprint),
            ("target", first.data.target, info.data.target),
            (option("tau"), first.config.tau, info.config.tau),
        ):
            if one != other:
                raise BadInput(
                    f"{run.folder}: another {what} than {runs[0].folder}, so scores do not compare: `affectml compare` "
                    "shows where runs of different data read images differently"
                )


def _metrics(runs: Sequence[RunFolder]) -> list[str]:
    """The main metrics that every run's model has."""
    scores = [run.metrics["systems"]["model"] for run in runs]
    return [name for name in headline({"": scores[0]}) if all(name in each for each in scores)]


def _common(data: Sequence[ReportData]) -> NDArray[np.object_]:
    """Images in the test split of every run, in the order of the first."""
    kept = data[0].truth.image_id
    for each in data[1:]:
        kept = kept[np.isin(kept, each.truth.image_id)]
    return np.asarray(kept, dtype=object)


def _gains(data: Sequence[ReportData], names: Sequence[str], ids: NDArray[np.object_]) -> list[Gain]:
    """Every pair on every metric that is a mean over images, judged by what the first run is judged by."""
    at = [np.array([{i: r for r, i in enumerate(each.truth.image_id)}[i] for i in ids]) for each in data]
    truth = part_of(data[0].truth, at[0])
    rows = [row_scores(each.model.rows(index), truth) for each, index in zip(data, at, strict=True)]
    shown = order({"": dict.fromkeys(rows[0])})
    ordered = [{metric: each[metric] for metric in shown if metric in each} for each in rows]
    return gains_of(names, ordered, truth.groups)


def _differences(gains: Sequence[Gain], images: int) -> Section:
    """Each pair on the main metrics as a picture, and on all metrics as a table."""
    main = headline({"": {gain.metric: None for gain in gains}})
    rows = tuple(
        (" − ".join(g.runs), arrow(g.metric), cell(g.score), *map(p_value, (g.p, g.p_holm)), _verdict(g), str(g.images))
        for g in gains
    )
    note = (
        "first run less second, on the same images: ± is half the width of the 95 % interval of each difference by "
        "itself; p: how often chance alone would set two runs of one quality as far apart (runs change sides at random "
        f"on each image or group); p (Holm): corrected for all differences in {', '.join(main)} together, and likewise "
        "for all in the other metrics. It decides, also where an interval by itself would not reach 0. It is about "
        "these fits: another seed trains another head"
    )
    columns = ("runs", "metric", "difference", "p", "p (Holm)", "beyond chance", "images")
    table = starred(Table("Differences on the same test images", columns, rows, note, name="pairs"))
    drawn = pictures(main, [(gain.metric, gain.runs, gain.score) for gain in gains])
    said = in_words(gains, main, images)
    return Section("differences", "Differences between these fits", said, drawn, (), (table,), open=True)


def pictures(
    metrics: Sequence[str], differences: Sequence[tuple[str, tuple[str, str], Score | None]], over: str = ""
) -> tuple[Drawing, ...]:
    """A picture of each metric's differences, as far as they have an interval: metric, the two names, and the score.

    Long names are cut in the middle.
    """
    drawn = []
    for metric in metrics:
        scores = [
            (" − ".join(fitted(names, PAIR)), score) for of, names, score in differences if of == metric and score
        ]
        if scores:
            said = "; ".join(f"{n} {number(s['value'])} ({number(s['low'])} to {number(s['high'])})" for n, s in scores)
            picture = intervals(scores, f"{metric}: {said}", zero=True, width=380)
            drawn.append(drawing(f"Difference in {arrow(metric)}{over}", picture))
    return tuple(drawn)


def in_words(gains: Sequence[Gain], metrics: Sequence[str], images: int) -> str:
    """Which differences on the main metrics are beyond chance among the test images, and which are not."""
    main = [gain for gain in gains if gain.metric in metrics]
    others = [gain for gain in gains if gain.metric not in metrics]
    sure = [who_is_better(gain.runs, "is", gain.metric, gain.score["value"]) for gain in main if gain.found]
    of = f"{images} test image{'s' if images > 1 else ''}"
    named = ", ".join(metrics)
    beyond = sum(gain.found for gain in others)
    below = (
        f" In other metrics {beyond} of {len(others)} difference{'s' if len(others) > 1 else ''} "
        f"{'is' if beyond == 1 else 'are'} beyond chance, corrected for all of these together."
        if beyond
        else ""
    )
    if main and all(gain.p is None for gain in gains):
        return f"The {of} are too few for a p value of any difference in {named} (below 30): read the intervals."
    if not sure:
        return f"The {of} tell none of these runs apart in {named}: chance alone could make such differences.{below}"
    rest = len(main) - len(sure)
    more = f" The other {rest} of {len(main)} differences in {named} could be chance." if rest else ""
    return f"Beyond what chance among the {of} would make, {'; '.join(sure)}.{more}{below}"


def who_is_better(names: Sequence[str], verb: str, metric: str, value: float) -> str:
    """Which of two is better in a metric, and by how much. value: that of the first less that of the second."""
    one, other = names if (value > 0) == (better(metric) == "higher") else reversed(names)
    return f"{one} {verb} better than {other} in {metric} by {number(abs(value))}"


def _verdict(difference: Gain | SeedGap) -> str:
    return "not known" if difference.score is None else "yes" if difference.found else "no"


def _scores(runs: Sequence[RunFolder], names: Sequence[str]) -> Section:
    """What each run's model scores on its own test images."""
    scores = {name: run.metrics["systems"]["model"] for name, run in zip(names, runs, strict=True)}
    rows = tuple((arrow(m), *(cell(scores[name].get(m)) for name in names)) for m in order(scores))
    note = "each run's model on its own test images; ± is half the width of the 95 % interval"
    table = starred(Table("Scores of each run", ("metric", *names), rows, note, name="runs"))
    return Section("scores", "Every score", tables=(table,), open=True)


def _seeds(groups: Mapping[str, Sequence[RunFolder]], gaps: Sequence[SeedGap], metrics: Sequence[str]) -> Section:
    """Ways of training over their seeds: means, spreads, and differences."""
    rows = []
    for name, runs in groups.items():
        for metric in metrics:
            values = [run.metrics["systems"]["model"][metric]["value"] for run in runs]
            spread = number(float(np.std(values, ddof=1))) if len(values) > 1 else NONE
            rows.append((name, str(len(runs)), arrow(metric), number(float(np.mean(values))), spread))
    heads = ("runs like", "seeds", "metric", "mean", "SD")
    means = Table("Ways of training, over their seeds", heads, tuple(rows), name="means")
    note = (
        "± is half the width of the 95 % interval over seeds (Student's t), p of its test, p (Holm): corrected for "
        "this table; a handful of seeds makes them rough, and with a single one no spread is known"
    )
    columns = ("runs like", "metric", "difference", "p", "p (Holm)", "seeds", "how", "beyond the seeds' spread")
    cells = []
    for g in gaps:
        unknown = (number(g.value), NONE, NONE)
        told = unknown if g.score is None else (cell(g.score), p_value(g.p), p_value(g.p_holm))
        how = (f"{g.seeds[0]} and {g.seeds[1]}", "seed by seed" if g.paired else "two means", _verdict(g))
        cells.append((" − ".join(g.names), arrow(g.metric), *told, *how))
    table = Table("Differences between ways of training", columns, tuple(cells), note, name="gaps")
    drawn = pictures(metrics, [(gap.metric, gap.names, gap.score) for gap in gaps], ", over seeds")
    return Section("seeds", "Differences over seeds", seeds_in_words(gaps), drawn, (), (means, table), open=True)


def seeds_in_words(gaps: Sequence[SeedGap]) -> str:
    """Which differences are beyond the seeds' own spread, how many seeds there were, and what they cannot say."""
    sure: list[str] = []
    unsure: dict[SeedPair, list[str]] = {}
    unknown: dict[SeedPair, list[str]] = {}
    for gap in gaps:
        if not gap.found:
            (unknown if gap.score is None else unsure).setdefault((gap.names, gap.seeds), []).append(gap.metric)
        else:
            like = [f"runs like {name}" for name in gap.names]
            sure.append(f"{who_is_better(like, 'are', gap.metric, gap.value)} ({_count(gap.seeds)})")
    parts = [f"Beyond the seeds' own spread, {'; '.join(sure)}."] if sure else []
    parts += [
        f"{_count(seeds)} do not tell runs like {one} from runs like {other} in {', '.join(metrics)}."
        for ((one, other), seeds), metrics in unsure.items()
    ]
    parts += [
        f"With a single seed on one side nothing can be said of runs like {one} and runs like {other} in "
        f"{', '.join(metrics)}."
        for ((one, other), _), metrics in unknown.items()
    ]
    return " ".join(parts)


def _count(seeds: tuple[int, int]) -> str:
    """How many seeds two ways of training have: `3 seeds each`, `3 and 2 seeds`."""
    return f"{seeds[0]} seeds each" if seeds[0] == seeds[1] else f"{seeds[0]} and {seeds[1]} seeds"


def disputed(comparison: Comparison, count: int) -> Section:
    """The images on which runs disagree most, with what each says."""
    named = comparison.dataset.images.set_index("image_id")
    cards = []
    for seen in comparison.images[:count]:
        readings = [*([] if seen.people is None else [seen.people]), *seen.readings]
        said = tuple((reading.who, words(reading, ", ")) for reading in readings)
        picture = thumbnail(comparison.dataset, named, seen.image_id)
        cards.append(Card(seen.image_id, picture, f"{seen.image_id} · distance {seen.distance:.2f}", said=said))
    note = (
        "distance: total variation between the runs' normalised scores, 0 alike and 1 disjoint, the mean over pairs; "
        "beside each label its score, and for people their share"
    )
    shown = (Cards("", tuple(cards), note),)
    return Section("disputed", "The most disputed images", galleries=shown, tables=(comparison.pairs_table(),))


def write_gallery(comparison: Comparison, out: Path, *, count: int = IMAGES) -> None:
    """Write a page with the `count` most disputed images, thumbnails inside; text from the data is escaped."""
    try_file(out)
    tables = tuple(table for table in (comparison.pairs_table(), comparison.gains_table()) if table is not None)
    pairs = Section("pairs", "The runs as a whole", tables=tables, open=True)
    write_page(
        out,
        [pairs, replace(disputed(comparison, count), tables=())],
        title=f"{comparison.dataset.name} – readings compared",
        heading=f"{comparison.dataset.name}: where {', '.join(comparison.runs)} disagree",
        caveats=[CAVEAT, *of_demo(comparison.dataset)],
    )


def of_demo(dataset: Dataset) -> list[str]:
    """What is to be said of a demo set, as no page may be taken for one about people; nothing of others."""
    if dataset.truth is None:
        return []
    return [
        f"This is a demo set: paintings drawn by code, judged by simulated people, seen by {TINY_SPEC} or another "
        "encoder. Nothing here is about people."
    ]
