"""Judged answers as files: one page, everything as JSON, a long table, and the table for a paper."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from affectml._files import try_file, write_json, write_parquet, write_text
from affectml.answers import _tables as tables
from affectml.answers._estimates import FEW_IMAGES
from affectml.answers._gaps import Gap
from affectml.answers._result import JudgedAnswers
from affectml.answers._spread import place_table, spread_table
from affectml.answers._views import Alone, ByDisagreement, StatedCalibration
from affectml.comparison.page import pictures, who_is_better
from affectml.comparison.readings import said_by, words
from affectml.data import Dataset, was_asked
from affectml.errors import BadInput, few, option
from affectml.page.data import thumbnail
from affectml.page.numbers import Point
from affectml.page.section import Card, Cards, Drawing, Section, drawing
from affectml.page.sections.overview import picture
from affectml.page.tables import Table, arrow, main_table, notes, number, people_table, percent
from affectml.page.write import write_page
from affectml.plots import dots
from affectml_annotation.exchange.files import table_csv

PICTURES = 3  # main metrics that are drawn
PAIRS = 16  # differences of a picture: of more, those of judged systems and one person
IMAGES = 12
NAMED = 6  # differences in words


def sections(judged: JudgedAnswers, dataset: Dataset) -> list[Section]:
    """The page's sections in their order, without those that there is nothing for.

    dataset: where the images are.
    """
    slopes = [] if judged.stated is None else [each.slope for each in judged.stated.systems.values() if each.slope]
    sure = "No system that states shares is over- or underconfident, beyond chance"
    sure = sure if all(slope.tested for slope in slopes) else FEW_IMAGES
    alike = "People disagree on all images alike"
    made = (
        _overview(judged), _differences(judged),
        _view("disagreement", "Where people agree, and where they do not", judged.disagreement, alike),
        _view("stated", "What stated shares are worth", judged.stated, sure),
        _alone(judged, dataset), _labels(judged), _orders(judged), _read(judged), _scores(judged),
    )  # fmt: skip
    return [section for section in made if section is not None]


def in_words(judged: JudgedAnswers) -> str:
    """Who leads, who cannot be told from it, who is ahead and behind, and how many labels are said too often."""
    said: dict[str, list[str]] = {}
    for name, place in judged.standing.items():
        said.setdefault(place, []).append("one person" if name == "human" else name)
    best, by = next(iter(judged.systems)), judged.by
    value = number(judged.metrics["systems"][best][by]["value"])
    one = len(judged.systems) == 1
    leads = f"{best} has {by} {value}" if one else f"{best} has the best {by} ({value}) of the judged systems"
    parts = [f"On {_images(judged)}, {leads}."]
    for place, what in (
        ("ahead", "Ahead of it beyond chance"),
        ("tied", "Not told apart from it"),
        ("behind", "Behind it beyond chance"),
        ("not known", "Too few images to tell from it"),
    ):
        if place in said:
            parts.append(f"{what}: {few(said[place], 8)}.")
    biased = {name: sum(each.found for each in system.bias) for name, system in judged.systems.items()}
    told = [f"{name} {count} of {len(judged.systems[name].bias)}" for name, count in biased.items() if count]
    return f"{' '.join(parts)} Labels said more or less often than people say them: {', '.join(told) or 'none'}."


def _images(judged: JudgedAnswers) -> str:
    n, split = judged.metrics["n"], judged.metrics["split"]
    return f"all {n} images" if split == "all" else f"{n} {split} images"


def _overview(judged: JudgedAnswers) -> Section:
    who, scores = tables.everyone(judged), judged.metrics["systems"]
    drawn = [
        picture(metric, [(name, scores[name][metric]) for name in who if metric in scores[name]])
        for metric in tables.main(judged)[:PICTURES]
    ]
    table = tables.ranking(judged)
    return Section("overview", "Who leads", in_words(judged), tuple(drawn), tables=(table,), open=True)


def _differences(judged: JudgedAnswers) -> Section | None:
    if not judged.gaps:
        return None
    gaps = list(judged.gaps)
    if sum(gap.metric == judged.by for gap in gaps) > PAIRS:
        gaps = [gap for gap in gaps if gap.other in (*judged.systems, *judged.runs, "human")]
    drawn = pictures(tables.main(judged)[:PICTURES], [(gap.metric, (gap.system, gap.other), gap.score) for gap in gaps])
    sure = [_better(gap) for gap in gaps if gap.metric == judged.by and gap.found]
    found = sum(gap.found for gap in judged.gaps)
    said = f"{found} of {len(judged.gaps)} differences are beyond chance, corrected for all of them together."
    more = f"; and {len(sure) - NAMED} more" if len(sure) > NAMED else ""
    if not tables.compared_by(judged):
        said += f" Nobody is compared by {judged.by}, which is no mean over images."
    else:
        said += f" In {judged.by}: {'; '.join(sure[:NAMED])}{more}." if sure else f" In {judged.by} none is."
    if all(gap.p is None for gap in gaps):
        said = f"{FEW_IMAGES}."
    return Section("differences", "Differences on the same images", said, drawn, (), tuple(tables.differences(judged)))


def _better(gap: Gap) -> str:
    return who_is_better((gap.system, gap.other), "is", gap.metric, gap.score["value"]).replace(f" in {gap.metric}", "")


def _view(name: str, heading: str, view: ByDisagreement | StatedCalibration | None, none: str = "") -> Section | None:
    """A view with its picture and its table; none: what is said where it found nothing."""
    if view is None:
        return None
    said = f"{'. '.join(view.findings) or none}."
    drawn = view.drawing()
    return Section(name, heading, said, (drawn,) if drawn else (), (), (view.table(),), open=True)


def _alone(judged: JudgedAnswers, dataset: Dataset) -> Section | None:
    view = judged.alone
    if view is None:
        return None
    images, people = dataset.images.set_index("image_id"), dataset.target(judged.target)
    first: dict[str, Alone] = {}
    for each in view.images:
        first.setdefault(each.image_id, each)
    cards = []
    for image, each in list(first.items())[:IMAGES]:
        said = tuple((name, ", ".join(labels)) for name, labels in each.said.items())
        theirs = ("people", words(said_by(people, image, 3), ", "))
        line = f"{image} · all say {each.label}, {percent(each.people)} of people do"
        cards.append(Card(image, thumbnail(dataset, images, image), line, said=(theirs, *said)))
    more = f", {IMAGES} of {len(first)}" if len(first) > IMAGES else ""
    note = f"The labels that fewest people say come first{more}."
    return Section(
        "alone", "Images where all systems stand alone", f"{view.findings[0].capitalize()}.",
        galleries=(Cards("", tuple(cards), note),) if cards else (),
    )  # fmt: skip


def _labels(judged: JudgedAnswers) -> Section:
    """How often each label is said beside people, and scores by label."""
    labels = [b.label for b in next(iter(judged.systems.values())).bias]
    often = {name: [(b.difference, b.low, b.high) for b in system.bias] for name, system in judged.systems.items()}
    drawn = [_by_label("How often it is said, less how often people say it", labels, often, "share of images")]
    made = tables.bias(judged)
    for metric in ("label_f1", "rate_cross_entropy"):
        scores = {
            name: [None if (s := of.get(metric)) is None else (s["value"], s["low"], s["high"]) for of in each.values()]
            for name, each in ((name, system.per_label) for name, system in judged.systems.items())
        }
        known = {name: row for name, row in scores.items() if any(row)}
        if known:
            drawn.append(_by_label(arrow(metric), labels, known, metric))
            values = zip(*([None if p is None else p[0] for p in row] for row in known.values()), strict=True)
            rows = tuple((label, *map(number, row)) for label, row in zip(labels, values, strict=True))
            made.append(Table(f"{arrow(metric)} by label", ("label", *known), rows, name=metric))
    said = ". ".join(judged.bias_in_words())
    return Section("labels", "Label by label", f"{said}.", tuple(drawn), (), tuple(made))


def _by_label(title: str, labels: list[str], series: Mapping[str, Sequence[Point | None]], axis: str) -> Drawing:
    alt = f"{title}: " + "; ".join(
        f"{name} " + ", ".join(f"{label} {number(p[0])}" for label, p in zip(labels, row, strict=True) if p)
        for name, row in series.items()
    )
    return drawing(title, dots(labels, series, alt, axis=axis))


def _orders(judged: JudgedAnswers) -> Section | None:
    """Spread over wordings and draws, and the liking for places."""
    liking = {name: system.places for name, system in judged.systems.items() if system.places is not None}
    spread = spread_table({name: s.spread for name, s in judged.systems.items()}, judged.metrics["systems"])
    made = tuple(table for table in (spread, place_table(liking)) if table is not None)
    if not made:
        return None
    none = "No system prefers labels for where they stand in the list that it is shown, beyond chance"
    none = none if all(each.tested for each in liking.values()) else FEW_IMAGES
    said = ". ".join(each.in_words(name) for name, each in liking.items() if each.found) or none
    told = f"{said}." if liking else ""
    return Section("orders", "Wordings, draws, and the order of labels", told, tables=made, open=True)


def _read(judged: JudgedAnswers) -> Section:
    read = {name: system.received for name, system in judged.systems.items()}
    counts = [
        f"{name}: {r['used']} of {r['rows']} {r['what']} count, on {r['answered']} of {r['judged']} images"
        for name, r in read.items()
    ]
    made = tuple(t for t in (*tables.problems(judged), tables.as_empty(judged)) if t)
    said, more = f"{'; '.join(counts)}.", tuple(judged.summary())
    return Section("read", "How answers were read", said, tables=made, notes=more, open=True)


def _scores(judged: JudgedAnswers) -> Section:
    made = tuple(table for table in (main_table(judged.metrics), people_table(judged.metrics)) if table is not None)
    return Section("systems", "Every score", tables=made, notes=tuple(notes(judged.metrics)), open=True)


def _page(judged: JudgedAnswers, file: Path) -> None:
    dataset = Dataset.open(judged.folder)
    question = dataset.meta.targets[judged.target].question
    asked = [f"people were asked: “{question}”"] if was_asked(question) else []
    demo = ["This is a demo set: paintings drawn by code, judged by simulated people. Nothing here is about people."]
    write_page(
        file,
        sections(judged, dataset),
        title=f"{judged.dataset} – systems judged",
        heading=f"{judged.dataset}, target {judged.target}: {few(list(judged.systems), 6)} judged beside people",
        about=[_images(judged), *asked],
        caveats=[*([judged.warning] if judged.warning else []), *(demo if dataset.truth is not None else [])],
    )


WRITERS: dict[str, Callable[[JudgedAnswers, Path], None]] = {
    ".html": _page,
    ".json": lambda judged, file: write_json(file, judged.to_json()),
    ".parquet": lambda judged, file: write_parquet(file, tables.long(judged)),
    ".csv": lambda judged, file: write_text(file, table_csv(tables.long(judged))),
    ".tex": lambda judged, file: write_text(file, tables.ranking(judged).to_tex()),
    ".md": lambda judged, file: write_text(file, f"{tables.ranking(judged).to_markdown()}\n"),
}
"""By a file's ending: the page, everything, the long table (two kinds), the table for a paper (two kinds)."""


def try_out(file: Path) -> None:
    """Raises BadInput for a file of an unknown kind, one that exists, and one that cannot be written."""
    if file.suffix.lower() not in WRITERS:
        raise BadInput(f"{option('out', str(file))}: expected a file that ends in {', '.join(WRITERS)}")
    try_file(file)
