"""Images with what people and systems said of them; none where pictures or answers are not at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.judging.figures import Evaluation, column
from affectml.judging.views import entropies
from affectml.page.section import Bar, Card, Cards, Section, Shown, thumbnail
from affectml.page.tables import number, percent
from affectml.page.words import first_of, them
from affectml_metrics.table import better, shown

SHOWN = 6  # images of a gallery
BARS = 12  # labels of an image: of more, those with the largest shares
SYSTEMS = 3  # further systems of a card
NONE = "none of these"
PLACES = {"a good answer": 1 / 6, "a middling one": 1 / 2, "a poor one": 5 / 6}
WITHOUT = "Pictures of images need the data set: add --on."
"""What a page says once where it cannot show images."""


def images(evaluation: Evaluation, shown_with: Shown) -> Section | None:
    """Images on which the first system and people agree most, and least, and on which people disagree most."""
    ranked, metric = _ranked(evaluation, shown_with)
    if not ranked:
        return None
    truth, few = shown_with.truth, min(SHOWN, max(1, len(ranked) // 3))
    assert truth is not None
    who, whose = first_of(evaluation), them(evaluation)
    key = [f"blue: {'people' if whose == 'people' else 'the label'}", f"orange: {who}"]
    key += ["upright line: the true rate"] if truth.oracle is not None else []
    key += [f"●: in the set of {whose}", f"○: in the set of {who}"] if truth.sets is not None else []
    found = [
        (f"Where {who} and {whose} agree most", ranked[:few], f"By {metric}. {'; '.join(key)}."),
        (f"Where {who} and {whose} agree least", ranked[::-1][:few], ""),
    ]
    if truth.kind in ("rates", "distribution") and truth.vote_rule != "moments":
        apart = entropies(truth.shares, rates=truth.kind == "rates")
        rows = [row for row in np.argsort(-apart, kind="stable").tolist() if row in ranked]
        found.append(("Where people disagree most among themselves", rows[:few], ""))
    galleries = tuple(Cards(title, cards(evaluation, shown_with, rows, metric), note) for title, rows, note in found)
    return Section("images", "Images", galleries=galleries)


def three(evaluation: Evaluation, shown_with: Shown) -> tuple[Cards, ...]:
    """A good, a middling and a poor answer; none without pictures."""
    ranked, metric = _ranked(evaluation, shown_with)
    if not ranked:
        return ()
    rows = [ranked[min(len(ranked) - 1, round(place * (len(ranked) - 1)))] for place in PLACES.values()]
    made = tuple(
        replace(card, line=f"{words}: {card.line.partition(' · ')[2]}", bars=(), rest="")
        for words, card in zip(PLACES, cards(evaluation, shown_with, rows, metric), strict=True)
    )
    return (Cards("", made),) if all(card.picture for card in made) else ()


def cards(evaluation: Evaluation, shown_with: Shown, rows: Sequence[int], metric: str) -> tuple[Card, ...]:
    """These images of the truth, with what was said of them."""
    truth, answers = shown_with.truth, shown_with.answers
    assert truth is not None
    assert answers is not None
    assert shown_with.dataset is not None
    first, named = first_of(evaluation), shown_with.dataset.images.set_index("image_id")
    at = {name: {str(image): row for row, image in enumerate(each.image_id)} for name, each in answers.items()}
    score = _scores(evaluation, metric)
    made = []
    for row in rows:
        image_id = str(truth.image_id[row])
        others = [name for name in answers if name not in (first, "prior") and image_id in at[name]][:SYSTEMS]
        given = {name: _of(answers[name], at[name][image_id]) for name in (first, *others)}
        shares, inside = given[first]
        largest = np.maximum(truth.shares[row], shares)
        kept = np.sort(np.argsort(-largest, kind="stable")[:BARS])
        bars = tuple(
            Bar(truth.labels[c], _percent(truth.shares[row, c]), _percent(shares[c]),
                None if truth.oracle is None else _percent(truth.oracle[row, c]),
                truth.sets is not None and bool(truth.sets[row, c]), inside is not None and bool(inside[c]))
            for c in map(int, kept)
        )  # fmt: skip
        theirs = _words(truth.labels, truth.shares[row], None if truth.sets is None else truth.sets[row])
        said = ((them(evaluation), theirs), *((name, _words(truth.labels, *each)) for name, each in given.items()))
        left = np.delete(largest, kept)
        rest = f"{len(left)} other labels: at most {percent(float(left.max()))}" if len(left) else ""
        people = "" if truth.people is None else f" · {int(truth.people[row].max())} people"
        line = f"{image_id} · {metric} {number(score[image_id])}{people}"
        picture = thumbnail(shown_with.dataset, named, image_id)
        made.append(Card(image_id, picture, line, bars, said, them(evaluation), rest, first))
    return tuple(made)


def _percent(share: Any) -> float:
    return round(100 * float(share), 1)


def _of(answers: Any, row: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """A system's shares, or else its scores, and its set of one image."""
    shares = answers.scores if answers.shares is None or np.isnan(answers.shares[row]).all() else answers.shares
    sets = None if answers.sets is None or np.isnan(answers.sets[row]).all() else answers.sets[row]
    return np.nan_to_num(shares[row]), sets


def _words(labels: Sequence[str], shares: NDArray[Any], inside: NDArray[Any] | None) -> str:
    """A set, or else the two largest shares."""
    if inside is not None:
        return ", ".join(label for label, here in zip(labels, inside, strict=True) if here > 0) or NONE
    order = np.argsort(-shares, kind="stable")[:2]
    return ", ".join(f"{labels[c]} {percent(float(shares[c]))}" for c in order if shares[c] > 0) or NONE


def _scores(evaluation: Evaluation, metric: str) -> Mapping[str, float]:
    """The first system's score of each image."""
    rows = evaluation.scores
    mine = rows[(rows["system"] == first_of(evaluation)) & (rows["against"] == "people")]
    return dict(zip(mine["image_id"].map(str), mine[column(metric)], strict=True))


def _ranked(evaluation: Evaluation, shown_with: Shown) -> tuple[list[int], str]:
    """Images of the truth, those that the first system answered best first, and by which metric."""
    first, rows = first_of(evaluation), evaluation.scores
    names = {each.name for each in evaluation.where(system=first, against="people")}
    known = [name for name in shown(names, "report") if better(name) and column(name) in rows]
    metric = next((name for name in known if better(name) == "lower"), known[0] if known else "")
    if not (shown_with.pictures and metric):
        return [], metric
    assert shown_with.truth is not None
    score, sign = _scores(evaluation, metric), 1 if better(metric) == "lower" else -1
    there = [(sign * score[str(image)], row) for row, image in enumerate(shown_with.truth.image_id)
             if not np.isnan(score.get(str(image), np.nan))]  # fmt: skip
    return [row for _, row in sorted(there)], metric
