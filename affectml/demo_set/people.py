"""The demo set's people, how they feel and what they say.

Where a painting stands among the emotion words, and what that makes true of it.

A feeling is a point: valence, arousal and dominance, each on [-1, 1] (Russell & Mehrabian 1977). Dominance
is there because anger and fear share a place on the valence-arousal plane; it parts them. The nearer a
painting's feeling is to a word, the larger the share of people who would choose that word: its TRUE rate.

Panels: groups of people who look at the same paintings, and where each group's words lie.

`textbook` is the panel of the published places: every word where Russell & Mehrabian (1977) found it, or where
we put it, and no word more common than another. An encoder that learned these places, as affect-tiny did, has nothing
to learn from this panel.

`local` is a group with a way of feeling of its own, as any real group has. Its words lie elsewhere: a smooth
displacement of the valence-arousal plane moves each word, so that words that are alike stay alike, and a second smooth
function makes some words more common than others. Both are drawn from a random stream of their own, the same
for every seed of the demo set: all demo sets are judged by one local group, and what
is learned on one holds on another.

That groups differ is known: in the feelings that people want (Tsai 2007, ideal affect), and in which emotion words lie
near each other (Jackson et al. 2019, over 2,474 languages). How this group differs is our own invention, and
copies no people's way of feeling.

Twelve simulated people who look at the paintings and say what they feel.

Each has habits: talkativeness (a low threshold for every label), a leaning towards some labels and away from
others, decisiveness (a clear-cut answer, or a noisy one), and hesitancy (how often "unsure"). The panel as a
whole is fair: averaged over its people, the chance to choose a label is exactly that label's true rate. So
votes of people picked at random are unbiased, while any one person, and any five, are not.

What three simulated models answer about a demo set, in files for `affectml evaluate`.

calibrated.jsonl: it sees each label's log-odds through noise, and states the rate that is to be expected then.
overconfident.jsonl: it sees the same, and states it too surely.
words-only.jsonl: it knows how often people say each label, not the picture; it names a set, several times.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from affectml.demo_set.painting import FloatArray, group_stream
from affectml.errors import BadInput
from affectml.taxonomies import Taxonomy

AXES = ("valence", "arousal", "dominance")
AXIS_WEIGHTS = np.array([1.0, 1.0, 0.7])  # dominance counts less: our own choice
PEAK, STEEPNESS = 2.6, 1.3  # log-odds: at its very place 93 % choose a word, one reach away 79 %, two 7 %
RARE = 0.002  # no label is impossible: somebody somewhere feels it
SPREAD = 0.2  # how far a painting strays from the word it starts from
ANYWHERE = 0.15  # share of paintings that start from no word: some evoke nothing in particular


@dataclass(frozen=True)
class Words:
    """A taxonomy's labels as points.

    places: [C, 3], rows of nan where a label has no place. lift: what is added to each label's log-odds, [C] or one
    for all; above 0, the word is said more readily.
    """

    labels: tuple[str, ...]
    places: FloatArray
    lift: FloatArray | float = 0.0

    @property
    def placed(self) -> npt.NDArray[np.bool_]:
        """Which labels have a place, [C]."""
        return ~np.isnan(self.places[:, 0])

    @classmethod
    def of(cls, taxonomy: Taxonomy) -> "Words":
        """The words of a taxonomy at their published places; a place without dominance has dominance 0.

        Raises:
            BadInput: fewer than two labels have a place.
        """
        places = np.full((len(taxonomy), 3), np.nan)
        for row, label in enumerate(taxonomy.labels):
            if label in taxonomy.places:
                place = taxonomy.places[label]
                places[row] = place.valence, place.arousal, place.dominance or 0.0
        words = cls(taxonomy.labels, places)
        if words.placed.sum() < 2:
            raise BadInput(
                f"taxonomy {taxonomy.name}: a demo set needs at least two labels with a place on the "
                "valence-arousal plane; give them a 'place' or use a built-in taxonomy"
            )
        return words


def draw_feeling(places: FloatArray, rng: np.random.Generator) -> FloatArray:
    """One painting's feeling [3]: near one of the places [P, 3], chosen at random, or now and then anywhere."""
    start = places[rng.integers(len(places))]
    near = start + rng.normal(0.0, SPREAD, size=3)
    far = rng.uniform(-0.85, 0.85, size=3)
    return np.clip(far if rng.random() < ANYWHERE else near, -1.0, 1.0)


def true_rates(feelings: FloatArray, words: Words) -> FloatArray:
    """The share of people who would choose each label, [N, C], at least RARE and at most 1 - RARE.

    The log-odds fall with the squared distance between feeling and word, the slower the coarser the taxonomy.
    A label without a place (neutral, "something else") takes what the others leave: the chance that none of
    them applies.

    Args:
        feelings: valence, arousal and dominance of each painting, [N, 3].
        words: where the labels lie for the people who choose.
    """
    placed = words.placed
    lift = np.broadcast_to(words.lift, len(words.labels))[placed]
    distances = squared_distances(feelings, words.places[placed]) / reach(words) ** 2
    rates = np.empty((len(feelings), len(words.labels)))
    rates[:, placed] = expit(PEAK + lift - STEEPNESS * distances)
    rates[:, ~placed] = np.prod(1 - rates[:, placed], axis=1, keepdims=True)
    return np.asarray(np.clip(rates, RARE, 1 - RARE))


def squared_distances(feelings: FloatArray, places: FloatArray) -> FloatArray:
    """Squared distance of every feeling [N, 3] to every place [M, 3], with dominance weighing less: [N, M]."""
    return np.asarray((((feelings[:, None] - places[None]) * AXIS_WEIGHTS) ** 2).sum(axis=2))


def reach(words: Words) -> float:
    """How far a word's meaning reaches: 0.8 of the median distance to the next word, in [0.25, 0.6]."""
    places = words.places[words.placed]
    between = squared_distances(places, places)
    np.fill_diagonal(between, np.inf)
    return float(np.clip(0.8 * np.median(np.sqrt(between.min(axis=1))), 0.25, 0.6))


PANELS = ("local", "textbook")
NOTES = {
    "local": "The people are the demo's local panel: for them many emotion words lie elsewhere on the valence-arousal "
    "plane than in the textbook, and some words are more common. affectml invented the difference; it copies no real "
    "group. An encoder that knows the textbook places has to learn this panel's.",
}

_GROUP = 1  # of the first groups, the one whose people say "none of these" about as often as the textbook's
_MOVE = 0.5  # standard deviation of the displacement, on valence and on arousal
_LIFT = 0.5  # standard deviation of a word's log-odds
_SCALE = 0.8  # how far apart two words must lie to move independently
_WAVES = 64
_EDGE = 0.95  # no word leaves the plane


def words_of(taxonomy: Taxonomy, panel: str) -> Words:
    """The taxonomy's words as a panel places them.

    Args:
        taxonomy: at least two of its labels have a place.
        panel: one of `PANELS`.

    Raises:
        BadInput: fewer than two labels have a place.
    """
    words = Words.of(taxonomy)
    return _moved(words) if panel == "local" else words


def _moved(words: Words) -> Words:
    """The words where the local group has them; a label without a place stays without one."""
    placed = words.placed
    field = _field(words.places[placed])
    places, lift = words.places.copy(), np.zeros(len(words.labels))
    places[placed, :2] = np.clip(places[placed, :2] + _MOVE * field[:, :2], -_EDGE, _EDGE).round(3)
    lift[placed] = (_LIFT * field[:, 2]).round(3)
    return replace(words, places=places, lift=lift)


def _field(places: FloatArray) -> FloatArray:
    """Three smooth random functions of unit variance at places [P, 3]: shifts of valence, arousal and log-odds, [P, 3].

    Gaussian processes with a squared-exponential kernel, by random Fourier features (Rahimi & Recht 2007).
    """
    rng = group_stream(_GROUP)
    frequencies = rng.normal(size=(_WAVES, 3)) / _SCALE
    phases = rng.uniform(0, 2 * np.pi, size=_WAVES)
    amplitudes = rng.normal(size=(_WAVES, 3)) * np.sqrt(2 / _WAVES)
    return np.asarray(np.cos(places @ frequencies.T + phases) @ amplitudes)


ANSWERS = ("sets", "one")  # all labels that apply, or the one that applies most
PEOPLE = 12
JUDGES = 5  # of them look at each image
SKIPS = 0.01
_FIRST_DAY = pd.Timestamp("2026-01-05T09:00:00Z")  # simulated, like all else here; the same on every run


@dataclass(frozen=True)
class Annotators:
    """A panel of A people over C labels; all habits are on the log-odds scale except hesitancy (a rate).

    talkativeness [A], leaning [A, C], decisiveness [A] (a factor, 1 is the panel's middle), hesitancy [A].
    """

    ids: tuple[str, ...]
    talkativeness: FloatArray
    leaning: FloatArray
    decisiveness: FloatArray
    hesitancy: FloatArray

    @classmethod
    def draw(cls, labels: int, rng: np.random.Generator, people: int = PEOPLE) -> "Annotators":
        """A panel drawn at random: habits for `labels` labels of `people` people."""
        return cls(
            ids=tuple(f"a{number:02d}" for number in range(1, people + 1)),
            talkativeness=rng.normal(0.0, 0.5, size=people),
            leaning=rng.normal(0.0, 0.5, size=(people, labels)),
            decisiveness=np.exp(rng.normal(0.0, 0.25, size=people)),
            hesitancy=rng.uniform(0.0, 0.12, size=people),
        )


def choice_chances(rates: FloatArray, panel: Annotators) -> FloatArray:
    """Each person's chance to choose each label of each image.

    Log-odds of person k: decisiveness_k * logit(rate) + talkativeness_k + leaning_k + c, where c, the same
    for all people, is solved by bisection so that the mean over people is the true rate.

    Args:
        rates: the true rates, [N, C] in (0, 1).
        panel: the A people.

    Returns:
        [A, N, C].
    """
    habit = panel.talkativeness[:, None, None] + panel.leaning[:, None, :]
    evidence = panel.decisiveness[:, None, None] * logit(rates) + habit
    low, high = np.full_like(rates, -15.0), np.full_like(rates, 15.0)
    for _ in range(45):
        middle = (low + high) / 2
        too_high = expit(evidence + middle).mean(axis=0) > rates
        low, high = np.where(too_high, low, middle), np.where(too_high, middle, high)
    return np.asarray(expit(evidence + (low + high) / 2))


def single_choices(rates: FloatArray, panel: Annotators) -> FloatArray:
    """Each person's chance to name each label where only one may be named.

    In proportion to the chances of choosing it where several may be chosen (Luce 1959). The mean over people is the
    true distribution of one-choice answers.

    Args:
        rates: the true rates, [N, C] in (0, 1).
        panel: the A people.

    Returns:
        [A, N, C]; rows sum to 1.
    """
    chances = choice_chances(rates, panel)
    return np.asarray(chances / chances.sum(axis=2, keepdims=True))


def judge(
    rates: FloatArray,
    labels: tuple[str, ...],
    image_ids: npt.NDArray[np.object_],
    panel: Annotators,
    rng: np.random.Generator,
    judges: int = JUDGES,
    answers: str = "sets",
) -> pd.DataFrame:
    """The judgements of a few people per image, picked at random: rows of annotations.parquet.

    The less clear an image is, the more often people are unsure.

    Args:
        rates: the true rates, [N, C] in (0, 1).
        labels: C names.
        image_ids: [N].
        panel: the people to pick from.
        rng: who judges what, their answers and their seconds.
        judges: how many people judge each image.
        answers: "sets", each label chosen or not, or "one", a single label drawn by `single_choices`.
    """
    images = len(image_ids)
    who = np.sort(rng.random((images, len(panel.ids))).argsort(axis=1)[:, :judges], axis=1)
    rows = np.arange(images)[:, None]
    if answers == "one":
        steps = single_choices(rates, panel)[who, rows].cumsum(axis=2)
        first = (rng.random((images, judges, 1)) * steps[..., -1:] < steps).argmax(axis=2)
        chosen = first[..., None] == np.arange(len(labels))
    else:
        chosen = rng.random((images, judges, len(labels))) < choice_chances(rates, panel)[who, rows]
    unclear = 1 - rates.max(axis=1, keepdims=True)
    unsure = rng.random(who.shape) < panel.hesitancy[who] * (0.2 + unclear)
    skip = rng.random(who.shape) < SKIPS
    answered = np.where(chosen.any(axis=2), "labels", "none")
    kind = np.select([skip, unsure], ["skip", "unsure"], answered).ravel()
    chosen[skip | unsure] = False
    names, seconds = np.array(labels, dtype=object), 2.0 + 1.2 * chosen.sum(axis=2).ravel()
    table = pd.DataFrame(
        {
            "event_id": "",
            "image_id": np.repeat(image_ids, judges),
            "annotator_id": np.array(panel.ids, dtype=object)[who.ravel()],
            "round": 1,
            "kind": kind,
            "labels": [list(names[row]) for row in chosen.reshape(-1, len(labels))],
            "suggestions_visible": False,
            "seconds": np.round(seconds * np.exp(rng.normal(0.0, 0.35, size=len(seconds))), 2),
        }
    )
    table["event_id"] = table["image_id"] + "-" + table["annotator_id"]
    worked = table.groupby("annotator_id")["seconds"].cumsum()
    table["at"] = (_FIRST_DAY + pd.to_timedelta(worked, unit="s")).astype("datetime64[ms, UTC]")
    return table


def habits(panel: Annotators, labels: tuple[str, ...]) -> pd.DataFrame:
    """The panel's hidden habits, one row per person: what an aggregation method may try to recover."""
    own = {name: getattr(panel, name) for name in ("talkativeness", "decisiveness", "hesitancy")}
    table = pd.DataFrame({"annotator_id": panel.ids, **own})
    leaning = pd.DataFrame(panel.leaning, columns=[f"leaning:{label}" for label in labels])
    return pd.concat([table, leaning], axis=1)


NOISE = 2.0  # SD of what is seen of a label's log-odds
TOO_SURE = 2.5  # by which log-odds are multiplied
SAMPLES = 5
GRID = 256  # rates that stand for all images' own


def write_answers(
    folder: Path,
    shares: FloatArray,
    labels: tuple[str, ...],
    image_ids: npt.NDArray[np.object_],
    rng: np.random.Generator,
) -> None:
    """Write calibrated.jsonl, overconfident.jsonl and words-only.jsonl into a new folder.

    Args:
        folder: must not exist yet.
        shares: what is true of each image, [N, C]: rates, or distributions where all rows sum to 1.
        labels: C names.
        image_ids: [N].
        rng: of what is seen, and what is drawn.
    """
    one = bool(np.allclose(shares.sum(axis=1), 1))
    true = np.clip(shares, 1e-4, 1 - 1e-4)
    seen = logit(true) + rng.normal(0.0, NOISE, size=true.shape)
    expected = np.stack([_expected(*columns) for columns in zip(seen.T, true.T, strict=True)], axis=1)
    folder.mkdir()
    for name, said in (("calibrated", expected), ("overconfident", expit(TOO_SURE * logit(expected)))):
        stated = (said / said.sum(axis=1, keepdims=True) if one else said).round(2).tolist()
        shares_of = [dict(zip(labels, row, strict=True)) for row in stated]
        replies = [(f"s1h-p-{image}", json.dumps(each)) for image, each in zip(image_ids, shares_of, strict=True)]
        _write(folder / f"{name}.jsonl", replies)
    often = shares.mean(axis=0)
    size = (SAMPLES, len(labels))
    replies = []
    for image in image_ids:
        drawn = rng.multinomial(1, often / often.sum(), SAMPLES) if one else rng.random(size) < often
        sets = [[labels[at] for at in np.flatnonzero(row)] for row in drawn]
        replies += [(f"s{k}-p-{image}", json.dumps({"labels": each})) for k, each in enumerate(sets, start=1)]
    _write(folder / "words-only.jsonl", replies)


def _expected(seen: FloatArray, true: FloatArray) -> FloatArray:
    """What a label's rate is expected to be on each image [N], given what was seen of it and all images' rates [N]."""
    rates = np.quantile(true, (np.arange(GRID) + 0.5) / GRID)
    likely = np.exp(-0.5 * ((seen[:, None] - logit(rates)) / NOISE) ** 2)
    return np.asarray(likely @ rates / likely.sum(axis=1))


def _write(path: Path, replies: list[tuple[str, str]]) -> None:
    """Responses to batch requests, from the custom_id of each and what it answers; see `affectml ask`."""
    with path.open("w", encoding="utf-8") as file:
        for request, reply in replies:
            choice = {"message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}
            answer = {"custom_id": request, "response": {"status_code": 200, "body": {"choices": [choice]}}}
            file.write(json.dumps(answer) + "\n")
