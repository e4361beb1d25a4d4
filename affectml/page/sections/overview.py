"""What a reader sees first: one sentence, everybody on three metrics, three images; and further images below."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from affectml.judging.answers import Array, Floats, SystemAnswers
from affectml.judging.figures import Figure, column
from affectml.judging.views import entropies
from affectml.page.section import (
    CALLED,
    Card,
    Cards,
    Drawing,
    Page,
    Section,
    called,
    capital,
    sentence_of,
    spots,
    thumbnail,
)
from affectml.page.tables import (
    Table,
    arrow,
    empty_line,
    is_difference,
    is_of_sets,
    matrix,
    number,
    percent,
    which_images,
)
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
    "top_1_accuracy": ("in {} of cases {who}'s first label is {right}", "one person's in {}", "{}'s in {}"),
}
RIGHT = {"people": "what most people chose", "rest": "what most of the others chose", "": "the image's own label"}
SHOWN, MANY = 4, 24  # images of a gallery
BARS = 12  # labels of an image: of more, those with the largest shares
SYSTEMS = 3  # further systems of a card
PLACES = (1 / 6, 1 / 2, 5 / 6)  # of three images, from the best score to the worst
ANSWERS = ("a good answer", "a middling one", "a poor one")
CLOSE = ("close to each person", "in between", "far from most people")  # people may differ: no fault of the answer's


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
        return [figure for who in judged if (figure := page.get(metric, who)) is not None], ""
    for who in dict.fromkeys([*judged, "person", "consensus"]):
        figure = page.get(metric, who, "rest")
        if figure is None and single:
            figure = page.get(metric, who, "person" if who == "consensus" else "people")
        every += [figure] if figure is not None else []
    return every, "one person's answer" if single else "the rest of a panel"


def picture(page: Page, metric: str) -> Drawing | None:
    """One metric of everybody who is judged on the same targets."""
    figures, what = beside(page, metric)
    words = WORDS.get(metric, "Shares against the image's own" * (better(metric) == "lower"))
    words = words.replace("the image's own", "people's") if page.them == "people" else words
    half, notes = page.get(metric, "half", "half"), [f"All beside {what}"] if what else []
    if half is not None and not what:
        notes.append(f"Half of a panel beside the other half: {number(half.value)}")
    empty = empty_line(page) if is_of_sets(metric) and not any(figure.by for figure in figures) else ""
    notes += [capital(empty)] if empty else []
    title = ": ".join(filter(None, [words, arrow(metric)]))
    return spots(page, title, figures, note=" ".join(f"{note}." for note in notes))


def sentence(page: Page) -> str:
    """What these data say in one sentence of at most 35 words; nothing of people where nobody was asked."""
    if several := matrix(page):
        return _of_data_sets(several[0])
    metric = page.main
    scores = {figure.system: figure for figure in beside(page, metric)[0]} if metric else {}
    first = page.first if page.first in scores else page.way
    if first not in scores:
        return ""
    lower = f"{{who}} has {metric.replace('_', ' ')} {{}} ({better(metric)} is better)"
    template, person, others = TOLD.get(metric, (lower, "one person {}", "{} {}"))
    right = RIGHT["" if page.facts.get("kind") == "single" else scores[first].against]
    rivals = ["prior", "floor"] if "person" in scores else ["zero_shot", "prior", "floor"]
    if scores[first].by == "seeds":
        rivals = [who for who in scores if who not in (first, "person") and not who.startswith("zero_shot of ")][:NAMED]
    elif len(systems := page.facts.get("systems", ())) == 2:
        rivals = [*(who for who in systems if who != first), *rivals]
    write = percent if metric == "top_1_accuracy" else number
    parts = [capital(template.format(write(scores[first].value), who=called(first), right=right))]
    parts += [person.format(write(scores["person"].value))] if "person" in scores else []
    parts += [others.format(called(who), write(scores[who].value)) for who in rivals if who in scores]
    return f"{', '.join(parts)}{_verdict(page, scores[first])}."


def _verdict(page: Page, score: Figure) -> str:
    """How the first system stands to the prior, people and others, as far as differences were tested."""
    who, images, ahead = called(score.system), f"{page.n:,} images", dict[str, bool | None]()
    for figure in page.parts(score.by, system=score.system):
        if figure.name == score.name and figure.p is not None and is_difference(page, figure):
            ahead[figure.against] = (figure.value > 0) == (better(score.name) == "higher") if figure.found else None
    if not ahead and score.few and not score.by:
        units = f"{score.units} {'images' if score.units == score.n else 'groups'}"
        return f"; {units} are too few to tell a difference from chance"
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


# Images with what people and systems said of them; none where pictures or answers are not at hand


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
        shares = "rates" if truth.kind == "rates" else "shares"
        most[f"Where people disagree most: entropy of their {shares}, {which_images(page)}"] = entropies(
            truth.shares, rates=truth.kind == "rates"
        )
    judged = [answer for name, answer in (page.shown.answers or {}).items() if name in page.facts.get("systems", ())]
    if page.shown.gallery and len(judged) > 1:
        most["Where systems disagree most"] = apart([answer.scores for answer in judged])
    rows = {f"Where {who} and {whose} agree most": order, f"Where {who} and {whose} agree least": order[::-1]}
    for title, values in most.items():
        rows[title] = [row for row in np.argsort(-values, kind="stable").tolist() if row in lines]
    galleries = list[Cards]()
    for title, places in rows.items():  # bars say what people and the first system say
        made = cards(page, {row: lines[row] for row in places[:few]})
        others = (replace(c, said=tuple(line for line in c.said if line[0] not in (whose, page.first))) for c in made)
        galleries.append(Cards(title, tuple(others), "" if galleries else f"{key}."))
    return Section.of("images", "Images", [], galleries)


def apart(scores: Sequence[Floats]) -> Floats:
    """The mean total variation between each two systems' scores [N, C], as shares of their sum, image by image [N]."""
    shares = [np.clip(table, 0, None) + 1e-9 for table in scores]
    shares = [table / table.sum(axis=1, keepdims=True) for table in shares]
    return np.asarray(np.mean([np.abs(a - b).sum(axis=1) / 2 for a, b in combinations(shares, 2)], axis=0))


def three(page: Page) -> tuple[Cards, ...]:
    """A good, a middling and a poor answer; none without pictures."""
    metric, lines = ranked(page)
    order, captions = list(lines), CLOSE if metric == "set_f1_judgements" else ANSWERS
    rows = [order[round(place * (len(order) - 1))] for place in PLACES if order]
    made = cards(page, {row: f"{words}: {lines[row]}" for words, row in zip(captions, rows, strict=False)})
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
    tables, inks = {page.them: (truth.shares, theirs)}, {first: "model", page.them: "people"}
    tables |= {n: _aligned(answer, truth.image_id) for n, answer in answers.items() if n != "prior" or n == first}
    (shares, sets), made = tables[first], list[Card]()
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
            (name, _words(truth.labels, table[row], inside[row], name in ranks), inks.get(name, ""))
            for name, (table, inside) in tables.items()
        ]
        asked = "" if truth.people is None else f" · {int(truth.people[row].max())} people"
        rest = f"{len(left)} other labels: at most {percent(float(left.max()))}{of}" if len(left) else ""
        words, picture = tuple(told[: SYSTEMS + 2]), thumbnail(dataset, named, image_id)
        made.append(Card(image_id, picture, f"{image_id} · {line}{asked}", tuple(bars), words, page.them, rest, its))
    return tuple(made)


def _ranks(page: Page) -> set[str]:
    """Systems whose scores rank labels and are no shares."""
    return {name for name, answer in (page.shown.answers or {}).items() if answer.shares is None}


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
        words = [label for label, here in zip(labels, inside, strict=True) if here > 0]
    else:
        best = [c for c in np.argsort(-shares, kind="stable")[:2] if shares[c] > 0]
        words = [f"{labels[c]} {(number if ranks else percent)(float(shares[c]))}" for c in best]
    return ", ".join(words) or "none of these"


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
