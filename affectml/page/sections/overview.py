"""What a reader sees first: one sentence, everybody on three metrics, and three images."""

from collections.abc import Sequence

from affectml.judging.figures import Figure
from affectml.page.section import CALLED, Drawing, Page, Section, called, capital, sentence_of, spots
from affectml.page.sections.images import three
from affectml.page.tables import Table, arrow, empty_line, is_difference, is_of_sets, matrix, number, percent
from affectml_metrics.table import better

PLOTS = 3
NAMED = 2  # systems of a sentence
WORDS = {
    "top_1_accuracy": "First label right",
    "set_f1_judgements": "Set against one person's answer",
    "set_f1": "Set against the image's own",
    "rate_cross_entropy": "Rates against the image's own",
}
TOLD = {  # how a metric is said of the first system, of people, and of others
    "set_f1_judgements": ("{who}'s mean F1 with one person's set is {}", "people's with each other {}", "{}'s {}"),
    "set_f1": ("{who}'s mean F1 with the images' own sets is {}", "one person's {}", "{}'s {}"),
    "top_1_accuracy": ("{who}'s first label is {right} in {} of cases", "one person's in {}", "{}'s in {}"),
}
RIGHT = {"people": "what most people chose", "rest": "what most of the others chose", "": "the image's own label"}


def overview(page: Page) -> Section:
    """The sentence, the intervals of the main metrics, and three images; of several data sets a table."""
    several = tuple(matrix(page)[:1])
    drawn = () if several else tuple(filter(None, (picture(page, metric) for metric in page.chosen[:PLOTS])))
    return Section("overview", "At a glance", sentence(page), drawn, three(page), several, open=True)


def beside(page: Page, metric: str) -> tuple[list[Figure], str]:
    """Who is judged on the same targets in a metric, and what those are: the rest of a panel where a person is.

    Single people's answers are the same targets for all: there systems that have no row beside the rest of the panel
    stand with theirs beside people, and the rest of the panel with its row beside the person left out. Of runs that
    were tested on different images, their means over seeds, and people's.
    """
    judged, single, every = page.systems(), metric == "set_f1_judgements", list[Figure]()
    means = [f for f in page.parts("seeds", against="people") if f.name == metric]
    if means and not {*page.facts.get("systems", ())} <= {*judged}:
        rest = {f.system: f for f in page.parts("seeds", against="rest") if f.name == metric}
        if "person" in rest:
            means = [rest.get(f.system, f) for f in means if single or f.system in rest] + [rest["person"]]
        what = ("one person's answer" if single else "the rest of a panel") if "person" in rest else "people"
        return means, f"{what}, on the test images of each seed"
    if page.get(metric, "person", "rest") is None:
        return [found for who in judged if (found := page.get(metric, who)) is not None], ""
    for who in dict.fromkeys([*judged, "person", "consensus"]):
        each = page.get(metric, who, "rest")
        if each is None and single:
            each = page.get(metric, who, "person" if who == "consensus" else "people")
        every += [each] if each is not None else []
    return every, "one person's answer" if single else "the rest of a panel"


def picture(page: Page, metric: str) -> Drawing | None:
    """One metric of everybody who is judged on the same targets."""
    found, what = beside(page, metric)
    words = WORDS.get(metric, "Shares against the image's own" * (better(metric) == "lower"))
    words = words.replace("the image's own", "people's") if page.them == "people" else words
    half, notes = page.get(metric, "half", "half"), [f"All beside {what}"] if what else []
    if half is not None and not what:
        notes.append(f"Half of a panel beside the other half: {number(half.value)}")
    empty = empty_line(page) if is_of_sets(metric) and not any(each.by for each in found) else ""
    notes += [capital(empty)] if empty else []
    title = ": ".join(filter(None, [words, arrow(metric)]))
    return spots(page, title, found, note=" ".join(f"{note}." for note in notes))


def sentence(page: Page) -> str:
    """What these data say in one sentence of at most 35 words; nothing of people where nobody was asked."""
    if several := matrix(page):
        return _of_data_sets(several[0])
    metric, first = page.main, page.first
    found = {each.system: each for each in beside(page, metric)[0]} if metric else {}
    if first not in found:
        return ""
    lower = f"{{who}} has {metric.replace('_', ' ')} {{}} ({better(metric)} is better)"
    said, person, others = TOLD.get(metric, (lower, "one person {}", "{} {}"))
    right = RIGHT["" if page.facts.get("kind") == "single" else found[first].against]
    by, over, rivals = found[first].by, "", ["prior", "floor"] if "person" in found else ["zero_shot", "prior", "floor"]
    if by == "seeds":
        counts = sorted({each.n or 1 for who, each in found.items() if who != "person"})
        over = f"over {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} seeds, "
        rivals = [who for who in found if who not in (first, "person") and not who.startswith("zero_shot of ")][:NAMED]
    write = percent if metric == "top_1_accuracy" else number
    parts = [capital(over + said.format(write(found[first].value), who=called(first), right=right))]
    parts += [person.format(write(found["person"].value))] if "person" in found else []
    parts += [others.format(called(who), write(found[who].value)) for who in rivals if who in found]
    return f"{', '.join(parts)}{_verdict(page, metric, by)}."


def _verdict(page: Page, metric: str, by: str) -> str:
    """How the first system stands to the prior, people and others, as far as differences were tested."""
    who, images, ahead = called(page.first), f"{page.n:,} images", dict[str, bool | None]()
    for each in page.parts(by, system=page.first):
        if each.name == metric and each.p is not None and is_difference(page, each):
            ahead[each.against] = (each.value > 0) == (better(metric) == "higher") if each.found else None
    if not ahead.get("prior", True):
        even = f"{images} do not show it to be better than"
        return f"; {even if ahead['prior'] is None else 'it is worse than'} a constant answer"
    told = []
    for words, how in (("ahead of", True), ("behind", False), ("not clearly different from", None)):
        names = [name for name, well in ahead.items() if well is how and name not in CALLED]
        told += [f"{words} {_named(names)}"] if names else []
    if told or "person" not in ahead:
        return f"; it is {', '.join(told)}" if told else ""
    if ahead["person"] is None:
        return f"; {images} cannot tell {who} from people"
    return f"; {who} does {'better' if ahead['person'] else 'worse'} than a person, beyond chance"


def _named(names: Sequence[str]) -> str:
    return " and ".join(map(called, names)) if len(names) <= NAMED else f"{len(names)} systems"


def _of_data_sets(table: Table) -> str:
    """Who leads on the first data sets of a matrix."""
    best: dict[str, list[str]] = {}
    for row, at in sorted(table.best):
        best.setdefault(table.rows[row][0], []).append(table.columns[at])
    told = [f"{_named(who)} lead{'s' * (len(who) == 1)} on {name}" for name, who in best.items()]
    return sentence_of([f"by {table.title.split()[0]}, {told[0]}", *told[1:NAMED]]) if told else ""
