"""What a reader sees first: one sentence, everybody on three metrics, and three images."""

from collections.abc import Sequence

from affectml.judging.figures import Evaluation, Figure
from affectml.page.section import Drawing, Section, Shown, whiskers
from affectml.page.sections.images import three
from affectml.page.tables import Table, arrow, empty_line, is_difference, matrix, number, percent, places, rows_of
from affectml.page.words import CALLED, called, capital, first_of, sentence_of, them
from affectml_metrics.table import better, shown

PLOTS = 3
NAMED = 2  # systems of a sentence
WORDS = {
    "top_1_accuracy": "First label right",
    "set_f1_judgements": "Set against one person's answer",
    "set_f1": "Set against the image's own",
    "rate_cross_entropy": "Rates against the image's own",
}
TOLD = {  # how a metric is said of the first system, of people, and of others
    "set_f1_judgements": ("{who} agrees with one person's set to {} (F1)", "people with each other to {}", "{} to {}"),
    "set_f1": ("{who} agrees with the images' own sets to {} (F1)", "one person to {}", "{} to {}"),
    "top_1_accuracy": ("{who}'s first label is {right} in {} of cases", "one person's in {}", "{}'s in {}"),
}
RIGHT = {"people": "what most people chose", "rest": "what most of the others chose", "": "the image's own label"}


def overview(evaluation: Evaluation, also: Shown) -> Section:
    """The sentence, the intervals of the main metrics, and three images; of several data sets a table."""
    several = tuple(matrix(evaluation)[:1]) if len(places(evaluation)) > 1 else ()
    drawn = () if several else tuple(picture(evaluation, metric) for metric in chosen(evaluation)[:PLOTS])
    return Section("overview", "At a glance", sentence(evaluation), drawn, three(evaluation, also), several, open=True)


def chosen(evaluation: Evaluation) -> list[str]:
    """The main metrics: sets against one person's, first labels and shares first."""
    mine = rows_of(evaluation, system=first_of(evaluation), against="people")
    found = shown((each.name for each in mine), "headline")
    first = [name for name in (evaluation.facts.get("sort"), "set_f1_judgements", "top_1_accuracy") if name in found]
    return list(dict.fromkeys([*first, *[name for name in found if better(name) == "lower"][:1], *found]))


def beside(evaluation: Evaluation, metric: str) -> tuple[list[Figure], str]:
    """Who is judged on the same targets in a metric, and what those are: the rest of a panel where a person is.

    Single people's answers are the same targets for all: there systems that have no row beside the rest of the panel
    stand with theirs beside people, and the rest of the panel with its row beside the person left out.
    """
    person = evaluation.get(metric, "person", "rest")
    if person is None:
        every = [evaluation.get(metric, who) for who in evaluation.systems()]
        return [each for each in every if each is not None], ""
    single, found = metric == "set_f1_judgements", []
    for who in dict.fromkeys([*evaluation.systems(), "person", "consensus"]):
        each = evaluation.get(metric, who, "rest")
        if each is None and single:
            each = evaluation.get(metric, who, "person" if who == "consensus" else "people")
        found += [each] if each is not None else []
    return found, "one person's answer" if single else "the rest of a panel"


def picture(evaluation: Evaluation, metric: str) -> Drawing:
    """One metric of everybody who is judged on the same targets."""
    found, what = beside(evaluation, metric)
    words = WORDS.get(metric, "Shares against the image's own" if better(metric) == "lower" else "")
    words = words.replace("the image's own", "people's") if them(evaluation) == "people" else words
    half = evaluation.get(metric, "half", "half")
    notes = [f"All beside {what}."] if what else []
    notes += [f"Half of a panel beside the other half: {number(half.value)}."] if half and not what else []
    notes += [f"{capital(empty)}."] if (empty := empty_line(evaluation, metric)) else []
    return whiskers(f"{words}: {arrow(metric)}" if words else arrow(metric), found, " ".join(notes))


def sentence(evaluation: Evaluation) -> str:
    """What these data say in one sentence of at most 35 words; nothing of people where nobody was asked."""
    names, kind, first = chosen(evaluation), evaluation.facts.get("kind"), first_of(evaluation)
    if len(places(evaluation)) > 1:
        return _of_data_sets(matrix(evaluation)[0])
    order = [name for name in TOLD if name != "top_1_accuracy" or kind in ("single", "distribution")]
    metric = next((name for name in (*order, *names) if name in names), "")
    found = {each.system: each for each in beside(evaluation, metric)[0]} if metric else {}
    if first not in found:
        return ""
    lower = f"{{who}} has {metric.replace('_', ' ')} {{}} ({better(metric)} is better)"
    said, person, others = TOLD.get(metric, (lower, "one person {}", "{} {}"))
    right = RIGHT["" if kind == "single" else found[first].against]
    write = percent if metric == "top_1_accuracy" else number
    parts = [capital(said.format(write(found[first].value), who=called(first), right=right))]
    parts += [person.format(write(found["person"].value))] if "person" in found else []
    rivals = ("prior", "floor") if "person" in found else ("zero_shot", "prior", "floor")
    parts += [others.format(called(who), write(found[who].value)) for who in rivals if who in found]
    return f"{', '.join(parts)}{_verdict(evaluation, metric)}."


def _verdict(evaluation: Evaluation, metric: str) -> str:
    """How the first system stands to the prior, people and others, as far as differences were tested."""
    first, images, ahead = first_of(evaluation), f"{evaluation.n:,} images", dict[str, bool | None]()
    for each in rows_of(evaluation, system=first):
        if each.name == metric and each.p is not None and is_difference(evaluation, each):
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
        return f"; {images} cannot tell {called(first)} from people"
    return f"; {called(first)} does {'better' if ahead['person'] else 'worse'} than a person, beyond chance"


def _named(names: Sequence[str]) -> str:
    return " and ".join(map(called, names)) if len(names) <= NAMED else f"{len(names)} systems"


def _of_data_sets(table: Table) -> str:
    """Who leads on the first data sets of a matrix."""
    best: dict[str, list[str]] = {}
    for row, at in sorted(table.best):
        best.setdefault(table.rows[row][0], []).append(table.columns[at])
    told = [f"{_named(who)} lead{'s' * (len(who) == 1)} on {name}" for name, who in best.items()]
    return sentence_of([f"by {table.name}, {told[0]}", *told[1:NAMED]]) if told else ""
