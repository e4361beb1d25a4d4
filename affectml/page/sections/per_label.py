"""Label by label: F1, average precision, how common it is, and the threshold that lets it in."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from affectml.page.data import ReportData
from affectml.page.numbers import Point, chance_of_order, f1_by_label, means, one_against_another, over_table
from affectml.page.section import Section, drawing
from affectml.page.tables import Table, number, per_label_table
from affectml.plots import dots
from affectml_metrics.functional.average_precision import prepared_average_precision

if TYPE_CHECKING:
    from affectml.judging.scoring import Answers

Points = list[Point | None]
SYSTEMS = ("model", "zero_shot", "prior")
CELLS = 1_000_000  # images times labels, up to which average precision gets intervals: some seconds


def per_label(data: ReportData) -> Section:
    """The model beside zero-shot and people on each label, the commonest first."""
    order = [int(c) for c in np.argsort(-data.prevalence, kind="stable")]
    labels = [data.labels[c] for c in order]
    found = {"f1": f1(data), "ap": precision(data), "off": distances(data)}
    common = commonness(data)
    ranked = (
        "Images are ranked by the label's score. The mark “prior” is what a random order reaches on average: a little "
        f"more than the label's share.{' Whiskers: 95 % interval.' if data.truth.shares.size <= CELLS else ''}"
    )
    alike = "The prior gives every image the same share. Whiskers: 95 % interval."
    how_common, share = "How common each label is", "share"
    if "threshold" in common:
        how_common, share = f"{how_common}, and its threshold", "share, and score of the threshold"
    drawn = []
    for systems, title, axis, note in (
        (found["f1"], _f1_title(data), "F1", _f1_note(data)),
        (found["ap"], "How well each label's images come first: average precision", "average precision", ranked),
        (
            found["off"],
            "How far each label's share is off people's",
            "mean absolute difference; lower is better",
            alike,
        ),
        (common, how_common, share, _common_note(data, common)),
    ):
        series = {who: [points[c] for c in order] for who, points in systems.items()}
        if series:
            alt, named = _alt(title, labels, series), {"people": data.them}
            drawn.append(drawing(title, dots(labels, series, alt, axis=axis, named=named), note))
    tables = (_table(data, found, common), per_label_table(data.metrics))
    return Section("labels", "Label by label", _sentence(data, found), tuple(drawn), (), tables, _notes(data))


def _common_note(data: ReportData, common: dict[str, Points]) -> str:
    """Whose shares are drawn of how common each label is."""
    note = "People: the mean share of people who chose it."
    if data.truth.kind == "distribution":
        note = "People: the mean of their shares."
    if data.truth.vote_rule == "moments":
        note = "People: the mean share, made from means and SDs of their ratings."
    if data.them == "labels":
        note = "Labels: the share of test images that have it."
    if "model" in common:
        note += " Model: the share of images whose set has it." if _in_sets(data) else " Model: its mean share."
    if "threshold" in common:
        note += " Threshold: the score from which the model lets it in, chosen on validation."
    return note


def f1(data: ReportData) -> dict[str, Points]:
    """F1 by label of each system: against single people's answers where votes are known, else against sets."""
    truth, groups, both = data.truth, data.truth.groups, None
    given = {name: each.sets.numpy().astype(float) for name, each in _ranking(data).items() if each.sets is not None}
    if truth.kind == "single" and not truth.single_positive:
        right = truth.hits.astype(float)
        each_one = np.eye(len(truth.labels))
        given = {name: each_one[each.scores.argmax(dim=1).numpy()] for name, each in _ranking(data).items()}
    elif truth.sets is None or not given:
        return {}
    elif by_votes(data):
        assert truth.votes is not None
        assert truth.people is not None
        kept = (truth.people >= 2).all(axis=1)
        votes, people = truth.votes[kept], truth.people[kept]
        groups = None if groups is None else groups[kept]
        right, given = votes / people, {name: sets[kept] for name, sets in given.items()}
        both = one_against_another(votes.astype(float), people.astype(float))
    else:
        right = truth.sets.astype(float)
    found = {name: f1_by_label(s, right, s * right, groups) for name, s in given.items()}
    if both is not None:
        found["people"] = f1_by_label(right, right, both, groups)
    return found


def _ranking(data: ReportData) -> "dict[str, Answers]":
    """The systems whose answers differ from image to image."""
    return {name: data.answers[name] for name in ("model", "zero_shot") if name in data.answers}


def _in_sets(data: ReportData) -> bool:
    return data.model.sets is not None and data.truth.sets is not None


def by_votes(data: ReportData) -> bool:
    """Whether single people's answers are known as votes of at least two people an image."""
    truth = data.truth
    exact = truth.kind == "rates" and truth.votes is not None and truth.people is not None
    return exact and bool((np.asarray(truth.people) >= 2).all(axis=1).sum() >= 2)


def precision(data: ReportData) -> dict[str, Points]:
    """Average precision by label of model and zero-shot against the sets or single labels; {} without either.

    A label that no image has is None.
    """
    truth = data.truth
    right = truth.hits if truth.kind == "single" else truth.sets
    if right is None:
        return {}
    target = torch.from_numpy(right.astype(np.int64))
    found: dict[str, Points] = {}
    for name, answers in _ranking(data).items():
        of = prepared_average_precision(answers.scores, target)
        found[name] = over_table(of, len(target), truth.groups, right.sum(axis=0), drawn=target.numel() <= CELLS)
    chance = chance_of_order(right.sum(axis=0), len(right)).tolist()
    found["prior"] = [None if np.isnan(v) else (v, v, v) for v in chance]
    return found


def distances(data: ReportData) -> dict[str, Points]:
    """Mean absolute difference by label between shares and people's, where no sets are; {} where there are."""
    truth = data.truth
    if truth.sets is not None or truth.kind == "single":
        return {}
    found: dict[str, Points] = {}
    for name in SYSTEMS:
        answers = data.answers.get(name)
        if answers is not None and answers.shares is not None:
            off = np.abs(answers.shares.numpy() - truth.shares)
            found[name] = [*means(off, truth.groups)]
    return found


def commonness(data: ReportData) -> dict[str, Points]:
    """People's mean shares, how often the model's sets have each label, or else its mean shares, and its thresholds."""
    truth = data.truth
    found: dict[str, Points] = {"people": [(v, v, v) for v in data.prevalence.tolist()]}
    if data.model.sets is not None and truth.sets is not None:
        found["model"] = _mean_points(data.model.sets)
        cuts = data.judged.systems.model.thresholds_
        if cuts is not None and data.judged.systems.model.promise_ is None:  # a promise cuts its sets elsewhere
            found["threshold"] = [(v, v, v) if v <= 1 else None for v in cuts.tolist()]
    elif data.model.shares is not None and truth.kind != "single":
        found["model"] = _mean_points(data.model.shares)
    return found


def _mean_points(rows: torch.Tensor) -> Points:
    """Each label's mean over the rows [N, C], without an interval."""
    return [(v, v, v) for v in rows.double().mean(dim=0).tolist()]


def _f1_title(data: ReportData) -> str:
    if by_votes(data):
        return "F1 of each label against one person's answer"
    return "F1 of each label" if data.truth.kind in ("single", "sets") else "F1 of each label against the panel's set"


def _f1_note(data: ReportData) -> str:
    if not by_votes(data):
        return "Whiskers: 95 % interval."
    return (
        "All on the same targets: what single people said. People: one person against another of the same image. "
        "Whiskers: 95 % interval."
    )


def _sentence(data: ReportData, found: dict[str, dict[str, Points]]) -> str:
    """The best and the worst label of the model, and how it stands to people and zero-shot, in counts of labels."""
    points = found["f1"] or found["ap"] or found["off"]
    lower = not found["f1"] and not found["ap"]
    measure = "F1" if found["f1"] else "average precision"
    known = {label: p[0] for label, p in zip(data.labels, points.get("model", []), strict=True) if p is not None}
    if len(known) < 2:
        return ""
    least, most = (min(known, key=known.__getitem__), max(known, key=known.__getitem__))
    if known[least] == known[most]:
        what = "its share is off by" if lower else f"its {measure} is"
        return f"The model does the same at all labels: {what} {number(known[most])}."
    out = f"The model is best at {most} ({measure} {number(known[most])}) and worst at {least} ({number(known[least])})"
    at = {label: p for label, p in zip(data.labels, points["model"], strict=True) if p is not None}
    out += "; their intervals overlap." if at[least][2] >= at[most][1] and at[least][1] < at[least][2] else "."
    if lower:
        out = (
            f"The model's share is off least for {least} (by {number(known[least])} on average) and most for {most} "
            f"({number(known[most])})"
        )
        prior = dict(zip(data.labels, points.get("prior", []), strict=False))
        if (one := prior.get(least)) is not None and (other := prior.get(most)) is not None:
            out += f"; one share for every image would be off by {number(one[0])} and {number(other[0])} there"
        out += "."
    for who, words in (("people", "one person against another"), ("zero_shot", "zero-shot"), ("prior", "the prior")):
        if who not in points or (who == "prior" and not lower):
            continue
        pairs = [(m, o) for m, o in zip(points["model"], points[who], strict=True) if m is not None and o is not None]
        ahead = sum((m[0] < o[0]) if lower else (m[0] > o[0]) for m, o in pairs)
        out += f" It does better than {words} on {ahead} of {len(pairs)} labels"
        if any(m[1] < m[2] for m, _ in pairs):
            clear = sum((m[2] < o[1]) if lower else (m[1] > o[2]) for m, o in pairs)
            out += f", and on {clear or 'none'} of them by intervals that do not overlap"
        out += "."
    return out


def _alt(title: str, labels: list[str], series: dict[str, Points]) -> str:
    """The figures in words."""
    lines = []
    for c, label in enumerate(labels):
        told = [f"{who} {number(p[c][0])}" for who, p in series.items() if p[c] is not None]  # type: ignore[index]
        lines.append(f"{label}: {', '.join(told) or 'none'}")
    return f"{title}. {'; '.join(lines)}"


def _table(data: ReportData, found: dict[str, dict[str, Points]], common: dict[str, Points]) -> Table:
    names = {"f1": "F1 with one person" if by_votes(data) else "F1", "ap": "AP", "off": "difference"}
    heads = {"people": f"{data.them}: prevalence", "model": f"model: {'in sets' if _in_sets(data) else 'mean share'}"}
    columns = [(heads.get(who, who), points) for who, points in common.items()]
    if _in_sets(data) and data.model.shares is not None and not data.truth.single_positive:
        columns.append(("model: mean share", _mean_points(data.model.shares)))
    columns += [(f"{who}: {names[kind]}", points) for kind, systems in found.items() for who, points in systems.items()]
    columns.sort(key=lambda column: not column[0].startswith("model"))  # the model where a phone shows it
    rows = tuple((label, *(_cell(points[c]) for _, points in columns)) for c, label in enumerate(data.labels))
    title = "Systems and people by label" if data.them == "people" else "Systems by label"
    return Table(title, ("label", *(head for head, _ in columns)), rows, name="systems")


def _cell(point: Point | None) -> str:
    if point is None:
        return "–"
    value, low, high = point
    return number(value) if low == high else f"{number(value)} ±{number((high - low) / 2)}"


def _notes(data: ReportData) -> tuple[str, ...]:
    if not by_votes(data):
        return ()
    return (
        "F1 against one person's answer: pairs of a system's set and one person's answer are counted over the images, "
        "each image with the same weight; for people, pairs of two people's answers to one image. It needs no cut that "
        "makes one set of a panel's votes.",
    )
