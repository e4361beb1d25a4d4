"""Several runs in one page: how far apart they are, what is beyond chance, and images that they read differently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path

import numpy as np

from affectml._files import try_file, try_folder, try_page
from affectml._progress import Say
from affectml.comparison._compare import Comparison, Reading, compare_runs, names_of
from affectml.comparison._differences import Gain, SeedGap, by_seed, gains_of, seed_gaps
from affectml.encoders import TINY_SPEC
from affectml.errors import BadInput, option
from affectml.evaluation.scoring import Score, row_scores
from affectml.evaluation.truth import part_of
from affectml.plots import fitted, intervals
from affectml.report import ReportData, Section, Table, read_again, write_page, write_tables
from affectml.report.pictures import thumbnail
from affectml.report.section import Card, Cards, drawing
from affectml.report.tables import arrow, as_html, cell, headline, number, order, p_value, starred
from affectml.runs import RunFolder
from affectml_metrics.table import better

IMAGES = 24
SHOWN = 12  # images of a report
PAIR = 12  # letters of a run's name in a picture of differences
NONE = "–"
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
        BadRun: see `affectml.report.read_again`.
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
    found = [_seeds(groups, _metrics(opened))] if groups else []
    gaps = seed_gaps(groups, _metrics(opened)) if groups else []
    data = [read_again(run, dataset=dataset, say=say) for run in opened]
    ids = _common(data)
    gains: list[Gain] = []
    if len(ids) and not (groups and any(len(each.truth.image_id) > len(ids) for each in data)):
        names = names_of(opened)
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
        about=(
            f"target: {data[0].info.data.target}",
            *(f"{n}: {r.info.command}" for n, r in zip(names_of(opened), opened, strict=True)),
        ),
        caveats=_caveats_of(data[0]),
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
                    f"shows "
                    "where runs of different data read images differently"
                )


def _metrics(runs: Sequence[RunFolder]) -> list[str]:
    """The main metrics that every run's model has."""
    scores = [run.metrics["systems"]["model"] for run in runs]
    return [name for name in headline({"": scores[0]}) if all(name in each for each in scores)]


def _common(data: Sequence[ReportData]) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """Images in the test split of every run, in the order of the first."""
    kept = data[0].truth.image_id
    for each in data[1:]:
        kept = kept[np.isin(kept, each.truth.image_id)]
    return np.asarray(kept, dtype=object)


def _gains(
    data: Sequence[ReportData], names: Sequence[str], ids: "np.ndarray[tuple[int], np.dtype[np.object_]]"
) -> list[Gain]:
    """Every pair on every metric that is a mean over images, judged by what the first run is judged by."""
    at = [np.array([{i: r for r, i in enumerate(each.truth.image_id)}[i] for i in ids]) for each in data]
    truth = part_of(data[0].truth, at[0])
    rows = [row_scores(each.model.rows(index), truth) for each, index in zip(data, at, strict=True)]
    shown = order({"": dict.fromkeys(rows[0])})
    ordered = [{metric: each[metric] for metric in shown if metric in each} for each in rows]
    return gains_of(names, ordered, truth.groups, data[0].info.config.seed)


def _differences(gains: Sequence[Gain], images: int) -> Section:
    """Each pair on the main metrics as a picture, and on all metrics as a table."""
    main = headline({"": {gain.metric: None for gain in gains}})
    drawn = []
    for metric in main:
        scores = [(pair(gain.runs), gain.score) for gain in gains if gain.metric == metric]
        words = "; ".join(f"{n} {number(s['value'])} ({number(s['low'])} to {number(s['high'])})" for n, s in scores)
        drawn.append(
            drawing(f"Difference in {arrow(metric)}", intervals(scores, f"{metric}: {words}", zero=True, width=380))
        )
    rows = tuple(
        (
            " − ".join(g.runs),
            arrow(g.metric),
            cell(g.score),
            p_value(g.p),
            p_value(g.p_holm),
            _verdict(g),
            str(g.images),
        )
        for g in gains
    )
    note = (
        "first run less second, on the same images: ± is half the width of the 95 % interval of each difference by "
        "itself; p: how often chance alone would set two runs of one quality as far apart (runs change sides at random "
        f"on each image or group); p (Holm): corrected for all differences in {', '.join(main)} together, and likewise "
        "for all in the other metrics. It decides, also where an interval by itself would not reach 0. It is about "
        "these fits: another seed trains another head"
    )
    table = starred(
        Table(
            "Differences on the same test images",
            ("runs", "metric", "difference", "p", "p (Holm)", "beyond chance", "images"),
            rows,
            note,
            name="pairs",
        )
    )
    return Section(
        "differences",
        "Differences between these fits",
        in_words(gains, main, images),
        tuple(drawn),
        (),
        (table,),
        open=True,
    )


def pair(names: tuple[str, str]) -> str:
    """A difference of two runs as a picture names it, where long names are cut in the middle."""
    return " − ".join(fitted(names, PAIR))


def in_words(gains: Sequence[Gain], metrics: Sequence[str], images: int) -> str:
    """Which differences on the main metrics are beyond chance among the test images, and which are not."""
    sure, pairs = [], 0
    for gain in gains:
        if gain.metric not in metrics:
            continue
        pairs += 1
        if not gain.found:
            continue
        first, second = gain.runs
        ahead = (gain.score["value"] > 0) == (better(gain.metric) == "higher")
        one, other = (first, second) if ahead else (second, first)
        sure.append(f"{one} is better than {other} in {gain.metric} by {number(abs(gain.score['value']))}")
    of = f"{images} test image{'s' if images > 1 else ''}"
    named = ", ".join(metrics)
    others = [gain for gain in gains if gain.metric not in metrics]
    beyond = sum(gain.found for gain in others)
    below = (
        f" In other metrics {beyond} of {len(others)} difference{'s' if len(others) > 1 else ''} "
        f"{'is' if beyond == 1 else 'are'} beyond chance, corrected for all of these together."
        if beyond
        else ""
    )
    if pairs and all(gain.p is None for gain in gains):
        return f"The {of} are too few for a p value of any difference in {named} (below 30): read the intervals."
    if not sure:
        return f"The {of} tell none of these runs apart in {named}: chance alone could make such differences.{below}"
    rest = pairs - len(sure)
    more = f" The other {rest} of {pairs} differences in {named} could be chance." if rest else ""
    return f"Beyond what chance among the {of} would make, {'; '.join(sure)}.{more}{below}"


def _verdict(gain: Gain) -> str:
    return "yes" if gain.found else "no"


def _scores(runs: Sequence[RunFolder], names: Sequence[str]) -> Section:
    """What each run's model scores on its own test images."""
    scores: dict[str, Mapping[str, Score]] = {
        name: run.metrics["systems"]["model"] for name, run in zip(names, runs, strict=True)
    }
    metrics = order(scores)
    rows = tuple((arrow(m), *(cell(scores[name].get(m)) for name in names)) for m in metrics)
    note = "each run's model on its own test images; ± is half the width of the 95 % interval"
    table = starred(Table("Scores of each run", ("metric", *names), rows, note, name="runs"))
    return Section("scores", "Every score", tables=(table,), open=True)


def _seeds(groups: Mapping[str, Sequence[RunFolder]], metrics: Sequence[str]) -> Section:
    """Ways of training over their seeds: means, spreads, and differences."""
    gaps = seed_gaps(groups, metrics)
    rows = []
    for name, runs in groups.items():
        for metric in metrics:
            values = [run.metrics["systems"]["model"][metric]["value"] for run in runs]
            spread = number(float(np.std(values, ddof=1))) if len(values) > 1 else NONE
            rows.append((name, str(len(runs)), arrow(metric), number(float(np.mean(values))), spread))
    means = Table(
        "Ways of training, over their seeds", ("runs like", "seeds", "metric", "mean", "SD"), tuple(rows), name="means"
    )
    drawn = []
    for metric in metrics:
        scores = [(pair(g.names), g.score) for g in gaps if g.metric == metric and g.score is not None]
        if scores:
            words = "; ".join(
                f"{n} {number(s['value'])} ({number(s['low'])} to {number(s['high'])})" for n, s in scores
            )
            drawn.append(
                drawing(
                    f"Difference in {arrow(metric)}, over seeds",
                    intervals(scores, f"{metric}: {words}", zero=True, width=380),
                )
            )
    table = Table(
        "Differences between ways of training",
        ("runs like", "metric", "difference", "p", "p (Holm)", "seeds", "how", "beyond the seeds' spread"),
        tuple(
            (
                " − ".join(g.names),
                arrow(g.metric),
                number(g.value) if g.score is None else cell(g.score),
                NONE if g.score is None else p_value(g.p),
                NONE if g.score is None else p_value(g.p_holm),
                f"{g.seeds[0]} and {g.seeds[1]}",
                "seed by seed" if g.paired else "two means",
                "not known" if g.score is None else "yes" if g.found else "no",
            )
            for g in gaps
        ),
        "± is half the width of the 95 % interval over seeds (Student's t), p of its test, p (Holm): corrected "
        "for this table; "
        "a handful of seeds makes them rough, and with a single one no spread is known",
        name="gaps",
    )
    return Section("seeds", "Differences over seeds", seeds_in_words(gaps), tuple(drawn), (), (means, table), open=True)


def seeds_in_words(gaps: Sequence[SeedGap]) -> str:
    """Which differences are beyond the seeds' own spread, how many seeds there were, and what they cannot say."""
    sure: list[str] = []
    unsure: dict[SeedPair, list[str]] = {}
    unknown: dict[SeedPair, list[str]] = {}
    for gap in gaps:
        if not gap.found:
            (unknown if gap.score is None else unsure).setdefault((gap.names, gap.seeds), []).append(gap.metric)
            continue
        first, second = gap.names
        good = (gap.value > 0) == (better(gap.metric) == "higher")
        one, other = (first, second) if good else (second, first)
        sure.append(
            f"runs like {one} are better than runs like {other} in {gap.metric} by {number(abs(gap.value))} "
            f"({_count(gap.seeds)})"
        )
    parts = [f"Beyond the seeds' own spread, {'; '.join(sure)}."] if sure else []
    for (names, seeds), metrics in unsure.items():
        parts.append(
            f"{_count(seeds)} do not tell runs like {names[0]} from runs like {names[1]} in {', '.join(metrics)}."
        )
    for (names, _), metrics in unknown.items():
        parts.append(
            f"With a single seed on one side nothing can be said of runs like {names[0]} and runs like {names[1]} in "
            f"{', '.join(metrics)}."
        )
    return " ".join(parts)


def _count(seeds: tuple[int, int]) -> str:
    """How many seeds two ways of training have: `3 seeds each`, `3 and 2 seeds`."""
    return f"{seeds[0]} seeds each" if seeds[0] == seeds[1] else f"{seeds[0]} and {seeds[1]} seeds"


def disputed(comparison: Comparison, count: int) -> Section:
    """The images on which runs disagree most, with what each says."""
    named = comparison.dataset.images.set_index("image_id")
    cards = []
    for seen in comparison.images[:count]:
        people = [("people", _words(seen.people))] if seen.people is not None else []
        said = [*people, *((reading.who, _words(reading)) for reading in seen.readings)]
        picture = thumbnail(comparison.dataset, named, seen.image_id)
        cards.append(Card(seen.image_id, picture, f"{seen.image_id} · distance {seen.distance:.2f}", said=tuple(said)))
    note = (
        "distance: total variation between the runs' normalised scores, 0 alike and 1 disjoint, the mean over pairs; "
        "beside each label its score, and for people their share"
    )
    return Section(
        "disputed",
        "The most disputed images",
        galleries=(Cards("", tuple(cards), note),),
        tables=(comparison.pairs_table(),),
    )


def _words(reading: Reading) -> str:
    return ", ".join(f"{label} {value:.2f}" for label, value in reading.best) or "nothing applies"


def write_gallery(comparison: Comparison, out: Path, *, count: int = IMAGES) -> None:
    """Write a page with the `count` most disputed images, thumbnails inside; text from the data is escaped."""
    try_file(out)
    gains = comparison.gains_table()
    tables = [comparison.pairs_table(), *([gains] if gains is not None else [])]
    section = disputed(comparison, count)
    pairs = Section("pairs", "The runs as a whole", tables=tuple(tables), open=True)
    write_page(
        out,
        [pairs, Section(section.name, section.heading, galleries=section.galleries)],
        title=f"{comparison.dataset.name} – readings compared",
        heading=f"{comparison.dataset.name}: where {', '.join(comparison.runs)} disagree",
        caveats=_caveats(comparison),
    )


def _caveats(comparison: Comparison) -> list[str]:
    out = [
        "Different readings of one image are not errors by themselves: people differ too. No reading says what any one "
        "person feels."
    ]
    return [*out, *_demo(comparison.dataset.truth is not None)]


def _caveats_of(data: ReportData) -> list[str]:
    return _demo(data.dataset.truth is not None)


def _demo(drawn: bool) -> list[str]:
    if not drawn:
        return []
    return [
        f"This is a demo set: paintings drawn by code, judged by simulated people, seen by {TINY_SPEC} or another "
        "encoder. Nothing here is about people."
    ]
