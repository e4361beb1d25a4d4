"""What a reader sees first: one sentence, the systems on three metrics, and three images."""

from affectml.judging.figures import Evaluation, Figure
from affectml.page.section import Drawing, Section, Shown, drawing
from affectml.page.sections.images import three
from affectml.page.tables import (
    Table,
    arrow,
    empty_line,
    is_difference,
    is_of_sets,
    matrix,
    number,
    percent,
)
from affectml.page.words import called, capital, first_of, them
from affectml.plots import intervals
from affectml_metrics.table import better, shown

PLOTS = 3
NAMED = 2  # systems of a sentence
WORDS = {
    "top_1_accuracy": "First label right",
    "set_f1_judgements": "Set against one person's answer (F1)",
    "set_f1": "Set against {theirs} set (F1)",
    "label_f1_macro": "F1, mean over labels",
    "rate_cross_entropy": "Rates against {theirs} (cross-entropy)",
    "kl_divergence": "Shares against {theirs} (KL)",
    "cross_entropy": "Shares against {theirs} (cross-entropy)",
    "total_variation": "Shares against {theirs} (total variation)",
}


def overview(evaluation: Evaluation, shown_with: Shown) -> Section:
    """The sentence, the intervals of the main metrics, and three images."""
    drawn = tuple(picture(evaluation, metric) for metric in chosen(evaluation)[:PLOTS])
    tables = tuple(matrix(evaluation)[:1])
    return Section(
        "overview", "At a glance", sentence(evaluation), drawn, three(evaluation, shown_with), tables, open=True
    )


def chosen(evaluation: Evaluation) -> list[str]:
    """The main metrics: sets against one person's, first labels and shares first."""
    first = first_of(evaluation)
    found = shown((each.name for each in evaluation.where(system=first, against="people")), "headline")
    before = [name for name in ("set_f1_judgements", "top_1_accuracy") if name in found]
    return list(dict.fromkeys([*before, *[name for name in found if better(name) == "lower"][:1], *found]))


def beside(evaluation: Evaluation, metric: str) -> tuple[list[Figure], str]:
    """Who is judged on the same targets in a metric, and what those are: the rest of a panel where a person is.

    Single people's answers are the same targets for all: there systems that have no row beside the rest of the panel
    stand with theirs beside people, and the rest of the panel with its row beside the person left out.
    """
    person = evaluation.get(metric, "person", "rest")
    against = "rest" if person is not None else "people"
    names = evaluation.systems(against) if person is None else evaluation.systems("people") + ["person", "consensus"]
    single = metric == "set_f1_judgements" and person is not None
    found = []
    for who in dict.fromkeys(names):
        each = evaluation.get(metric, who, against)
        if each is None and single and who != "half":
            each = evaluation.get(metric, who, "person" if who == "consensus" else "people")
        found += [each] if each is not None and not is_difference(evaluation, each) else []
    what = "one person's answer" if single else "the rest of a panel" if person is not None else ""
    return found, what


def picture(evaluation: Evaluation, metric: str) -> Drawing:
    """One metric of everybody who is judged on the same targets, as values with intervals."""
    found, what = beside(evaluation, metric)
    words = WORDS.get(metric, "").format(theirs="people's" if them(evaluation) == "people" else "the images'")
    ends = [(f.system, {"value": f.value, "low": f.ends[0], "high": f.ends[1]}) for f in found]
    alt = "; ".join(
        f"{who} {number(at['value'])}, 95 % interval {number(at['low'])} to {number(at['high'])}" for who, at in ends
    )
    notes = [f"All beside {what}."] if what else []
    half = evaluation.get(metric, "half", "half")
    notes += [f"Half of a panel beside the other half: {number(half.value)}."] if half and not what else []
    notes += [f"{capital(empty_line(evaluation))}."] if is_of_sets(metric) and empty_line(evaluation) else []
    title = f"{words}: {arrow(metric)}" if words else arrow(metric)
    return drawing(title, intervals(ends, f"{metric} of each system: {alt}"), " ".join(notes))


def sentence(evaluation: Evaluation) -> str:
    """What these data say in one sentence of at most 35 words; nothing of people where nobody was asked."""
    names = chosen(evaluation)
    if not names:
        return ""
    several, kind = matrix(evaluation), evaluation.facts.get("kind")
    if several:
        return _of_data_sets(several[0])
    metric = next(
        (name for name in _TOLD if name in names and (name != _TOLD[1] or kind in ("single", "distribution"))), names[0]
    )
    found = {each.system: each for each in beside(evaluation, metric)[0]}
    first, share = first_of(evaluation), metric == "top_1_accuracy"
    if first not in found:
        return ""
    who, of = capital(called(first)), percent if share else number
    value = of(found[first].value)
    people, rest = f"people with each other to {{}}", "{} to {}"
    if metric == "set_f1_judgements":
        said = f"{who} agrees with one person's set to {value} (set F1, 0 to 1)"
    elif metric == "set_f1":
        said = f"{who}'s sets agree with the images' own to {value} (set F1, 0 to 1)"
    elif share:
        right = "what the rest of a panel chose most" if "person" in found else "what most people chose"
        right = "its own label" if kind == "single" else right
        said, people, rest = (
            f"{who}'s first label of an image is {right} in {value} of cases",
            "one person's in {}",
            "{}'s in {}",
        )
    else:
        said, people, rest = (
            f"{who} has {metric.replace('_', ' ')} {value} ({better(metric)} is better)",
            "one person {}",
            "{} {}",
        )
    parts = [said]
    for other in ("person", "zero_shot", "prior", "floor"):
        if other in found and (other != "zero_shot" or "person" not in found):
            figure = of(found[other].value)
            parts.append(people.format(figure) if other == "person" else rest.format(called(other), figure))
    return f"{', '.join(parts)}{_verdict(evaluation, metric)}."


_TOLD = ("set_f1_judgements", "top_1_accuracy", "set_f1")


def _verdict(evaluation: Evaluation, metric: str) -> str:
    """How the first system stands to the prior, people and others, as far as differences were tested."""
    first, sign = first_of(evaluation), 1 if better(metric) == "higher" else -1
    tests = {each.against: each for each in evaluation.where(system=first) if each.name == metric
             and each.p is not None and is_difference(evaluation, each)}  # fmt: skip
    images = f"{evaluation.n:,} images"
    if (prior := tests.pop("prior", None)) is not None and not (prior.found and sign * prior.value > 0):
        return (
            f"; {'it is worse than' if prior.found else f'{images} do not show it to be better than'} a constant answer"
        )
    person, _ = tests.pop("person", None), tests.pop("zero_shot", None)
    if tests:
        ahead = [name for name, each in tests.items() if each.found and sign * each.value > 0]
        behind = [name for name, each in tests.items() if each.found and sign * each.value < 0]
        even = [name for name in tests if name not in (*ahead, *behind)]
        groups = (("ahead of", ahead), ("behind", behind), ("not told apart from", even))
        return "; " + ", ".join(f"{words} {_named(names)}" for words, names in groups if names)
    if person is None:
        return ""
    if not person.found:
        return f"; {images} cannot tell {called(first)} from people"
    return f"; {called(first)} does {'better' if sign * person.value > 0 else 'worse'} than a person, beyond chance"


def _named(names: list[str]) -> str:
    return " and ".join(names) if len(names) <= NAMED else f"{len(names)} others"


def _of_data_sets(table: Table) -> str:
    """Who leads on the first data sets of a matrix."""
    told = []
    for at, name in enumerate(table.columns[1:], 1):
        best = [row[0] for number, row in enumerate(table.rows) if (number, at) in table.best]
        told += [f"{_named(best)} lead{'s' * (len(best) == 1)} on {name}"] if best else []
    return f"By {table.name}, {'; '.join(told[:NAMED])}." if told else ""
