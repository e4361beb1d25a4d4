"""Images with what people and systems said of them; none where pictures or answers are not at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from affectml.judging.answers import Array, Floats, SystemAnswers
from affectml.judging.figures import Evaluation, column
from affectml.judging.views import entropies
from affectml.page.section import Bar, Card, Cards, Section, Shown, thumbnail
from affectml.page.tables import is_of_sets, number, percent
from affectml.page.words import called, first_of, them
from affectml_metrics.table import better, shown

SHOWN, MANY = 4, 24  # images of a gallery
BARS = 12  # labels of an image: of more, those with the largest shares
SYSTEMS = 3  # further systems of a card
PLACES = {"a good answer": 1 / 6, "a middling one": 1 / 2, "a poor one": 5 / 6}


def images(evaluation: Evaluation, also: Shown) -> Section | None:
    """Images on which the first system and people agree most, and least, and on which people disagree most."""
    truth, (metric, lines) = also.truth, _ranked(evaluation, also)
    if truth is None or not lines:
        return None
    ranked = list(lines)
    few, who, whose = (
        min(MANY if also.gallery else SHOWN, max(1, len(ranked) // 3)),
        called(first_of(evaluation)),
        them(evaluation),
    )
    key = f"By {metric}. Blue: {whose}; orange: {who}"
    key += "; ● and ○: in their sets" * (truth.sets is not None)
    key += "; upright line: the truth" * (truth.oracle is not None)
    rows = {f"Where {who} and {whose} agree most": ranked, f"Where {who} and {whose} agree least": ranked[::-1]}
    if truth.kind in ("rates", "distribution") and truth.vote_rule != "moments":
        order = np.argsort(-entropies(truth.shares, rates=truth.kind == "rates"), kind="stable")
        rows["Where people disagree most among themselves"] = [row for row in order.tolist() if row in lines]
    if "total_variation" in evaluation.scores:  # of each two systems
        apart = evaluation.scores.groupby("image_id", sort=False)["total_variation"].mean()
        order = np.argsort(-apart.reindex(truth.image_id).fillna(0).to_numpy(), kind="stable")
        rows["Where systems disagree most"] = [row for row in order.tolist() if row in lines]
    galleries = list[Cards]()
    for title, each in rows.items():  # bars say what people and the first system say
        made = cards(evaluation, also, {row: lines[row] for row in each[:few]})
        note = "" if galleries else f"{key}."
        others = (replace(c, said=tuple(each for each in c.said if each[0] not in (whose, who))) for c in made)
        galleries.append(Cards(title, tuple(others), note))
    return Section("images", "Images", galleries=tuple(galleries))


def three(evaluation: Evaluation, also: Shown) -> tuple[Cards, ...]:
    """A good, a middling and a poor answer; none without pictures."""
    ranked = list(lines := _ranked(evaluation, also)[1])
    rows = [ranked[min(len(ranked) - 1, round(place * (len(ranked) - 1)))] for place in PLACES.values() if ranked]
    made = cards(evaluation, also, {row: f"{words}: {lines[row]}" for words, row in zip(PLACES, rows, strict=False)})
    made = tuple(replace(card, line=card.line.partition(" · ")[2], bars=(), rest="") for card in made)
    return (Cards("", made),) if made and all(card.picture for card in made) else ()


def cards(evaluation: Evaluation, also: Shown, lines: Mapping[int, str]) -> tuple[Card, ...]:
    """Images of the truth with what was said of them; lines: by its row in the truth, what stands under each."""
    truth, dataset = also.truth, also.dataset
    if truth is None or dataset is None or not lines:
        return ()
    first, whose, named = first_of(evaluation), them(evaluation), dataset.images.set_index("image_id")
    none = np.full(truth.shares.shape, np.nan)
    right = truth.hits if truth.kind == "single" else truth.sets
    true, theirs = (none if table is None else table for table in (truth.oracle, right))
    systems = {name: each for name, each in (also.answers or {}).items() if name != "prior" or name == first}
    given = {name: _aligned(each, truth.image_id) for name, each in systems.items()}
    said, (shares, sets), made = {whose: (truth.shares, theirs), **given}, given[first], []
    percents = [np.round(100 * np.asarray(table, dtype=np.float64), 1) for table in (truth.shares, shares, true)]
    for row, line in lines.items():
        image_id, largest = str(truth.image_id[row]), np.maximum(truth.shares[row], shares[row])
        kept = np.sort(np.argsort(-largest, kind="stable")[:BARS])
        left, bars = np.delete(largest, kept), []
        for c in kept.tolist():
            people, its, rate = (float(table[row, c]) for table in percents)
            inside = bool(theirs[row, c] > 0), bool(sets[row, c] > 0)
            bars.append(Bar(truth.labels[c], people, its, None if np.isnan(rate) else rate, *inside))
        told = tuple((name, _words(truth.labels, *(table[row] for table in tables))) for name, tables in said.items())
        asked = "" if truth.people is None else f" · {int(truth.people[row].max())} people"
        rest = f"{len(left)} other labels: at most {percent(float(left.max()))}" if len(left) else ""
        picture, told = thumbnail(dataset, named, image_id), told[: SYSTEMS + 2]
        made.append(Card(image_id, picture, f"{image_id} · {line}{asked}", tuple(bars), told, whose, rest))
    return tuple(made)


def _aligned(answers: SystemAnswers, ids: Array) -> tuple[Floats, Floats]:
    """Of these images the shares, or else the scores, and the sets, [N, C] each; nan where there are none."""
    none = np.full_like(answers.scores, np.nan)
    tables = (none if table is None else table for table in (answers.scores, answers.shares, answers.sets))
    scores, shares, sets = (pd.DataFrame(table, index=answers.image_id).reindex(ids) for table in tables)
    return shares.fillna(scores).to_numpy(), sets.to_numpy()


def _words(labels: Sequence[str], shares: Floats, inside: Floats) -> str:
    """A set, or else the two largest shares."""
    if np.isnan(inside).all():
        order = np.argsort(-shares, kind="stable")[:2]
        return ", ".join(f"{labels[c]} {percent(float(shares[c]))}" for c in order if shares[c] > 0) or "none of these"
    return ", ".join(label for label, here in zip(labels, inside, strict=True) if here > 0) or "none of these"


def _ranked(evaluation: Evaluation, also: Shown) -> tuple[str, dict[int, str]]:
    """A metric, of shares if there is one, and by row of the truth its score of the first system, the best first."""
    rows, first = evaluation.scores, first_of(evaluation)
    names = {each.name for each in evaluation.where(system=first, against="people")}
    known = [name for name in shown(names, "report") if better(name) and column(name) in rows]
    metric = next((name for name in known if not is_of_sets(name) and better(name) == "lower"), "".join(known[:1]))
    if also.truth is None or also.dataset is None or first not in (also.answers or {}) or not metric:
        return metric, {}
    mine = rows[(rows["system"] == first) & (rows["against"] == "people")].set_index("image_id")[column(metric)]
    scores = mine.reindex(also.truth.image_id).to_numpy()
    order = np.argsort(scores if better(metric) == "lower" else -scores, kind="stable").tolist()
    return metric, {row: f"{metric} {number(scores[row])}" for row in order if not np.isnan(scores[row])}
