"""Images with what people and systems said of them; none where pictures or answers are not at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from affectml.judging.answers import Array, Floats, SystemAnswers
from affectml.judging.figures import column
from affectml.judging.views import entropies
from affectml.page.section import Card, Cards, Page, Section, called, thumbnail
from affectml.page.tables import number, percent
from affectml_metrics.table import better

SHOWN, MANY = 4, 24  # images of a gallery
BARS = 12  # labels of an image: of more, those with the largest shares
SYSTEMS = 3  # further systems of a card
PLACES = {"a good answer": 1 / 6, "a middling one": 1 / 2, "a poor one": 5 / 6}


def images(page: Page) -> Section | None:
    """Images on which the first system and people agree most, and least, and on which people disagree most."""
    truth, whose, who, (metric, lines) = page.shown.truth, page.them, called(page.first), ranked(page)
    if truth is None or not lines:
        return None
    order, most = list(lines), dict[str, Array]()
    few = min(MANY if page.shown.gallery else SHOWN, max(1, len(order) // 3))
    key = f"By {metric}. Blue: {whose}; orange: {who}"
    key += "'s scores, which rank labels and are no shares" * (page.first in _ranks(page))
    key += "; ● and ○: in their sets" * (truth.sets is not None)
    key += "; upright line: the truth" * (truth.oracle is not None)
    if truth.kind in ("rates", "distribution") and truth.vote_rule != "moments":
        most["Where people disagree most among themselves"] = entropies(truth.shares, rates=truth.kind == "rates")
    if "total_variation" in page.scores:  # of each two systems
        apart = page.scores.groupby("image_id", sort=False)["total_variation"].mean()
        most["Where systems disagree most"] = apart.reindex(truth.image_id).fillna(0).to_numpy()
    rows = {f"Where {who} and {whose} agree most": order, f"Where {who} and {whose} agree least": order[::-1]}
    for title, values in most.items():
        rows[title] = [row for row in np.argsort(-values, kind="stable").tolist() if row in lines]
    galleries = list[Cards]()
    for title, each in rows.items():  # bars say what people and the first system say
        made = cards(page, {row: lines[row] for row in each[:few]})
        others = (replace(c, said=tuple(each for each in c.said if each[0] not in (whose, page.first))) for c in made)
        galleries.append(Cards(title, tuple(others), "" if galleries else f"{key}."))
    return Section.of("images", "Images", [], galleries)


def three(page: Page) -> tuple[Cards, ...]:
    """A good, a middling and a poor answer; none without pictures."""
    order = list(lines := ranked(page)[1])
    rows = [order[min(len(order) - 1, round(place * (len(order) - 1)))] for place in PLACES.values() if order]
    made = cards(page, {row: f"{words}: {lines[row]}" for words, row in zip(PLACES, rows, strict=False)})
    made = tuple(replace(card, line=card.line.partition(" · ")[2], bars=(), rest="") for card in made)
    return (Cards("", made),) if made and all(card.picture for card in made) else ()


def cards(page: Page, lines: Mapping[int, str]) -> tuple[Card, ...]:
    """Images of the truth with what was said of them; lines: by its row in the truth, what stands under each."""
    truth, dataset, answers, first = page.shown.truth, page.shown.dataset, page.shown.answers or {}, page.first
    if truth is None or dataset is None or not lines:
        return ()
    named, ranks, none = dataset.images.set_index("image_id"), _ranks(page), np.full(truth.shares.shape, np.nan)
    right = truth.hits if truth.kind == "single" else truth.sets
    true, theirs = (none if table is None else table for table in (truth.oracle, right))
    said, inks = {page.them: (truth.shares, theirs)}, {first: "model", page.them: "people"}
    said |= {n: _aligned(each, truth.image_id) for n, each in answers.items() if n != "prior" or n == first}
    (shares, sets), made = said[first], list[Card]()
    percents = [np.round(100 * np.asarray(table, dtype=np.float64), 1) for table in (truth.shares, shares, true)]
    of, its = (" of the scale", "system's score") if first in ranks else ("", "system")
    for row, line in lines.items():
        image_id, largest = str(truth.image_id[row]), np.maximum(truth.shares[row], shares[row])
        kept = np.sort(np.argsort(-largest, kind="stable")[:BARS])
        left, bars = np.delete(largest, kept), []
        for c in kept.tolist():
            people, model, rate = (float(table[row, c]) for table in percents)
            inside = bool(theirs[row, c] > 0), bool(sets[row, c] > 0)
            bars.append((truth.labels[c], people, model, None if np.isnan(rate) else rate, *inside))
        told = [
            (name, _words(truth.labels, each[row], inside[row], name in ranks), inks.get(name, ""))
            for name, (each, inside) in said.items()
        ]
        asked = "" if truth.people is None else f" · {int(truth.people[row].max())} people"
        rest = f"{len(left)} other labels: at most {percent(float(left.max()))}{of}" if len(left) else ""
        words, picture = tuple(told[: SYSTEMS + 2]), thumbnail(dataset, named, image_id)
        made.append(Card(image_id, picture, f"{image_id} · {line}{asked}", tuple(bars), words, page.them, rest, its))
    return tuple(made)


def _ranks(page: Page) -> set[str]:
    """Systems whose scores rank labels and are no shares."""
    return {name for name, each in (page.shown.answers or {}).items() if each.shares is None}


def _aligned(answers: SystemAnswers, ids: Array) -> tuple[Floats, Floats]:
    """Of these images the shares, or else the scores as far as needed drawn into 0..1, and the sets, [N, C]."""
    none, (low, high) = np.full_like(answers.scores, np.nan), np.nanquantile(answers.scores, (0, 1))
    low, high = min(low, 0.0), max(high, 1.0)
    scores = (answers.scores - low) / (high - low)
    tables = (scores if answers.shares is None else answers.shares, none if answers.sets is None else answers.sets)
    shares, sets = (pd.DataFrame(table, index=answers.image_id).reindex(ids).to_numpy() for table in tables)
    return shares, sets


def _words(labels: Sequence[str], shares: Floats, inside: Floats, ranks: bool) -> str:
    """A set, or else the two labels with the largest shares."""
    if not np.isnan(inside).all():
        said = [label for label, here in zip(labels, inside, strict=True) if here > 0]
    else:
        best = [c for c in np.argsort(-shares, kind="stable")[:2] if shares[c] > 0]
        said = [f"{labels[c]} {(number if ranks else percent)(float(shares[c]))}" for c in best]
    return ", ".join(said) or "none of these"


def ranked(page: Page) -> tuple[str, dict[int, str]]:
    """A metric, and by row of the truth its score of the first system, the best first.

    It is what systems are sorted by, or the metric of the first sentence, or another one that single images have; the
    others decide between equal images.
    """
    rows, first, truth = page.scores, page.first, page.shown.truth
    names = dict.fromkeys((page.facts.get("sort"), page.main, *page.chosen))
    known = [name for name in names if name and better(name) and column(name) in rows]
    if truth is None or page.shown.dataset is None or first not in (page.shown.answers or {}) or not known:
        return "", {}
    mine = rows[(rows["system"] == first) & (rows["against"] == "people")].set_index("image_id").reindex(truth.image_id)
    losses = [mine[column(name)].to_numpy() * (1 if better(name) == "lower" else -1) for name in known]
    scores = mine[column(known[0])].to_numpy()
    order = [row for row in np.lexsort(losses[::-1]).tolist() if not np.isnan(scores[row])]
    return known[0], {row: f"{known[0]} {number(scores[row])}" for row in order}
