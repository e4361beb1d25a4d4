"""What a reader sees first: one sentence, every system on the main metrics, and three images."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.judging.people import consensus_rows, has_panels
from affectml.judging.promise import from_people, held
from affectml.judging.scoring import Score, apart_within, intervals, mean_over_people, row_scores
from affectml.page.data import ReportData
from affectml.page.section import Card, Cards, Drawing, Section, drawing
from affectml.page.sections.galleries import differences
from affectml.page.sections.per_label import by_votes
from affectml.page.tables import arrow, chosen, headline, number, percent, shown_systems
from affectml.plots import intervals as plot
from affectml.predicting.alike import Alike
from affectml_metrics import functional as F
from affectml_metrics import human_reference, paired_difference
from affectml_metrics.table import better

PLOTS = 3
WORDS = {
    "top_1_accuracy": "First label right",
    "set_f1_judgements": "Set against one person's answer (F1)",
    "set_f1": "Set against the panel's set (F1)",
    "label_f1_macro": "F1, mean over labels",
    "rate_cross_entropy": "Rates against people's (cross-entropy)",
    "kl_divergence": "Shares against people's (KL)",
    "cross_entropy": "Shares against people's (cross-entropy)",
    "total_variation": "Shares against people's (total variation)",
}

MEASURES = {"kl_divergence": "KL divergence", "rate_cross_entropy": "cross-entropy of rates"}


def overview(data: ReportData) -> Section:
    """The sentence, the intervals of the main metrics, and three images."""
    drawn = tuple(plots(data, chosen(data.systems)[:PLOTS]))
    return Section("overview", "At a glance", sentence(data), drawn, tuple(three(data)))


def plots(data: ReportData, metrics: list[str]) -> list[Drawing]:
    """Each metric as values with intervals; people's consensus beside them where it has a score."""
    found = []
    for metric in metrics:
        scores = [(n, data.systems[n][metric]) for n in shown_systems(data.systems) if metric in data.systems[n]]
        if metric == "set_f1_judgements" and (agreed := consensus(data)) is not None:
            at = next((i for i, (name, _) in enumerate(scores) if name == "oracle"), len(scores))
            scores.insert(at, ("consensus", agreed))
        panel = "the image's" if data.truth.kind == "sets" else "the panel's"
        found.append(picture(metric, scores, data.theirs, panel))
    return found


def picture(
    metric: str, scores: Sequence[tuple[str, Score]], theirs: str = "people's", panel: str = "the panel's"
) -> Drawing:
    """One metric of several systems as values with intervals, and who the people among them are.

    theirs, panel: whose shares and whose sets the systems are compared with.
    """
    lines = "; ".join(
        f"{name} {number(s['value'])}, 95 % interval {number(s['low'])} to {number(s['high'])}" for name, s in scores
    )
    words = WORDS.get(metric, "").replace("people's", theirs).replace("the panel's", panel)
    title = f"{words}: {arrow(metric)}" if words else arrow(metric)
    note = _who([name for name, _ in scores], metric)
    return drawing(title, plot(scores, f"{metric} of each system: {lines}"), note)


def _who(names: list[str], metric: str) -> str:
    """Who the people of a picture are, and whether their figures are of the same targets as the systems'."""
    alike = metric == "set_f1_judgements"
    words = {
        "human": "one person against another" if alike else "one person against the rest of the panel",
        "consensus": "the rest of a panel against one person",
        "half_panel": "half of a panel against the other half",
    }
    said = [f"{name}: {words[name]}" for name in names if name in words]
    if said and not alike:
        said.append("their targets count fewer people than the systems'")
    if "human" in names and not alike:
        said.append("both on the same targets: the second table of “Every score”")
    return "; ".join(said) + "." if said else ""


def consensus(data: ReportData) -> Score | None:
    """What the set of the rest of a panel scores against the person left out; None without panels or sets."""
    if "set_f1_judgements" not in data.systems.get("human", {}) or not has_panels(data.truth):
        return None
    rows = consensus_rows(data.truth, {})["consensus"]["set_f1_judgements"]
    return intervals({"set_f1": rows}, data.truth).get("set_f1")


def sentence(data: ReportData) -> str:
    """What these data say in a sentence or two; nothing of people where nobody was asked."""
    little = Alike.of(data.labels, data.model.scores, data.model.sets).words
    return f"{little[:1].upper()}{little[1:]}{'. ' * bool(little)}{_sentence(data)}{_promised(data)}"


def _promised(data: ReportData) -> str:
    """What the model's sets are made for, where that is a promise and not the best score."""
    made = data.metrics.get("promise")
    if made is None:
        return ""
    risk, _, level = made["promise"].partition("=")
    people = from_people(data.truth.kind)
    figure = f"at most {level}" if risk == "extra" else f"at least {100 * float(level):g} %"
    what = held(risk, figure, people=people)
    if risk == "recall":
        what = f"{figure} of {'a panel' if people else 'an image'}'s "
        what += "choices" if people else "labels"
    return f" Its sets are cut to hold {what} on average (“The promise”), not for the best score."


def _sentence(data: ReportData) -> str:
    truth, systems = data.truth, data.systems
    scores = systems["model"]
    if has_panels(truth) and "set_f1_judgements" in scores and "set_f1_judgements" in systems.get("human", {}):
        return _of_people(data)
    main = headline(systems)
    lower = next((metric for metric in main if better(metric) == "lower"), "")
    if truth.kind in ("single", "distribution") and "top_1_accuracy" in scores:
        right = _percent(scores["top_1_accuracy"])
        of = f"the {data.metrics['n']} test images{_others(data, 'top_1_accuracy', _percent)}."
        if truth.kind == "single":
            what = "the word that it was found by" if data.info.data.construct == "query" else "its label"
            metric, said = "top_1_accuracy", f"The model's first label of an image is {what} on {right} of {of}"
        else:
            metric, said = lower, f"The label that was chosen most comes first in the model's answer on {right} of {of}"
            said += _of_one(data)
            said += f" Between its shares and people's the {_figure(data, lower)}." if lower else ""
    elif "set_f1" in scores:
        agrees = number(scores["set_f1"]["value"])
        metric, said = "set_f1", f"The model's set of labels agrees with an image's own to {agrees} on average "
        said += f"(set F1: 1 the same labels, 0 none in common){_others(data, 'set_f1', _plain)}."
    elif main:
        metric = lower or main[0]
        said = f"The model's {_figure(data, metric)}."
    else:
        return ""
    return f"{said}{_beyond(data, metric) if metric else ''} {_why_no_people(data)}".strip()


def _of_people(data: ReportData) -> str:
    """Sets of the model and of people, all against single people's answers."""
    systems, truth = data.systems, data.truth
    metric = "set_f1_judgements"
    model = systems.get("model_loo", {}).get(metric, systems["model"][metric])
    people = systems["human"][metric]
    parts = [
        f"The model's set of labels agrees with one person's to {number(model['value'])} on average",
        f"people's sets agree with each other's to {number(people['value'])}",
    ]
    agreed = consensus(data)
    if agreed is not None:
        parts.append(f"one person's with the consensus of the rest to {number(agreed['value'])}")
    if metric in systems.get("oracle", {}):
        parts.append(f"the oracle, who knows the true rates, reaches {number(systems['oracle'][metric]['value'])}")
    assert truth.chosen is not None
    assert truth.asked is not None
    sets = data.model.sets
    assert sets is not None
    rows = human_reference(
        torch.from_numpy(truth.chosen), torch.from_numpy(truth.asked), F.set_f1, {"model": sets}, against="people"
    ).rows
    versus = _versus(rows["model_loo"], rows["human"], data, "people agree with each other")
    return f"{'; '.join(parts)} (set F1: 1 the same labels, 0 none in common).{versus}{_beyond(data, metric)}"


def _of_one(data: ReportData) -> str:
    """One person's answer and the model's first label, both against what the rest of the panel chose most."""
    metric = "top_1_accuracy"
    person, model = (data.systems.get(name, {}).get(metric) for name in ("human", "model_loo"))
    if person is None or model is None:
        return ""
    return (
        f" One person's answer is what the rest of the panel chose most in {_percent(person)} of answers, the model's "
        f"first label in {_percent(model)} of the same."
    )


def _versus(model: Tensor, other: Tensor, data: ReportData, what: str) -> str:
    """Whether the model agrees with a person more or less than `what`, as far as these test images can tell."""
    found = paired_difference(model, other, groups=data.truth.groups, bounds=[(-1, 1)])  # shares of images
    if bool(found.value.isnan()) or bool(found.p.isnan()):
        return ""
    if float(found.p) >= 0.05:
        return f" Whether the model agrees with a person more or less than {what} is beyond what these images can tell."
    word = "more" if float(found.value) > 0 else "less"
    return f" The model agrees with a person {word} than {what}, by more than chance in these test images would make."


def _beyond(data: ReportData, metric: str) -> str:
    """Whether the model beats the prior on this metric, on the same images; "" where that cannot be said by rows."""
    rows = {name: _rows(data, name, metric) for name in ("model", "prior")}
    if rows["model"] is None or rows["prior"] is None or not better(metric):
        return ""
    within = [apart_within(metric)]
    found = paired_difference(rows["model"], rows["prior"], groups=data.truth.groups, bounds=within)
    if bool(found.p.isnan()):
        return ""
    alone = "an answer that is the same for every image (the prior)"
    if float(found.p) >= 0.05:
        return f" These test images do not show the model to be better or worse than {alone}."
    good = (float(found.value) > 0) == (better(metric) == "higher")  # as expected of a model that learned something
    return "" if good else f" The model does worse than {alone}."


def _rows(data: ReportData, system: str, metric: str) -> Tensor | None:
    answers = data.answers[system]
    if metric == "set_f1_judgements":
        return None if answers.sets is None else mean_over_people(answers.sets, data.truth)
    return row_scores(answers, data.truth).get(metric)


def _others(data: ReportData, metric: str, write: Callable[[Score], str]) -> str:
    """; what the prior and zero-shot reach on this metric."""
    named = {"zero_shot": "the encoder without training (zero-shot)", "prior": "the same answer for every image"}
    return "".join(
        f"; {words} reaches {write(data.systems[name][metric])}"
        for name, words in named.items()
        if metric in data.systems.get(name, {})
    )


def _figure(data: ReportData, metric: str) -> str:
    """A metric of the model and of the prior, where lower is better."""
    scores = data.systems
    way = "lower is better" if better(metric) == "lower" else "higher is better"
    prior = scores.get("prior", {}).get(metric)
    beside = "" if prior is None else f"; the same shares for every image would give {number(prior['value'])}"
    name = MEASURES.get(metric, metric.replace("_", " "))
    return f"{name} is {number(scores['model'][metric]['value'])} ({way}){beside}"


def _why_no_people(data: ReportData) -> str:
    """That there is no figure of people to compare with, and why."""
    reason = str(data.metrics["rules"].get("human", "")).removeprefix("not available: ")
    if has_panels(data.truth) or not reason:
        return ""
    if by_votes(data):
        return f"How far people's whole answers agree is not known ({reason}); label by label it is: “Label by label”."
    who = "people agree" if data.truth.kind in ("single", "sets") else "one person agrees with another"
    return f"How far {who} is not known ({reason})."


def _percent(score: Score) -> str:
    return percent(score["value"])


def _plain(score: Score) -> str:
    return number(score["value"])


def three(data: ReportData) -> list[Cards]:
    """A good, a middling and a poor answer, by how far the model's shares are from people's; none without pictures."""
    distance = differences(data)
    ranked = np.argsort(distance, kind="stable")
    what, its = data.theirs, "rates" if data.truth.kind in ("rates", "sets") else "shares"
    places = {"less than on most images": 1 / 6, "about the median": 1 / 2, "more than on most images": 5 / 6}
    cards = []
    for words, place in places.items():
        row = int(ranked[min(len(ranked) - 1, round(place * (len(ranked) - 1)))])
        image_id = str(data.truth.image_id[row])
        picture = data.thumbnail(image_id)
        if picture is None:
            return []
        line = f"the model's {its} are {number(float(distance[row]))} off {what} on average: {words}"
        cards.append(Card(image_id, picture, line, said=said(data, row)))
    return [Cards("", tuple(cards))]


def said(data: ReportData, row: int) -> tuple[tuple[str, str], ...]:
    """What people and the model say of an image: their sets, else their largest shares, else the label."""
    truth, model = data.truth, data.model
    labels = truth.labels
    if truth.kind == "single":
        people = [label for label, right in zip(labels, truth.shares[row] > 0.5, strict=True) if right]
        first = labels[int(model.scores[row].argmax())]
        return (("labels", ", ".join(people)), ("model", f"{first} {percent(float(model.scores[row].max()))}"))
    shares = (model.shares if model.shares is not None else model.scores)[row].numpy()
    return (
        (data.them, _set_or_shares(labels, None if truth.sets is None else truth.sets[row], truth.shares[row])),
        ("model", _set_or_shares(labels, None if model.sets is None else model.sets[row].numpy(), shares)),
    )


def _set_or_shares(labels: tuple[str, ...], inside: NDArray[Any] | None, shares: NDArray[Any]) -> str:
    if inside is not None:
        return ", ".join(label for label, here in zip(labels, inside, strict=True) if here) or "none of these"
    order = np.argsort(-shares, kind="stable")[:2]
    return ", ".join(f"{labels[c]} {percent(float(shares[c]))}" for c in order if shares[c] > 0) or "none of these"
