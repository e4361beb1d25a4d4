"""Twelve simulated people who look at the paintings and say what they feel.

Each has habits: talkativeness (a low threshold for every label), a leaning towards some labels and away from
others, decisiveness (a clear-cut answer, or a noisy one), and hesitancy (how often "unsure"). The panel as a
whole is fair: averaged over its people, the chance to choose a label is exactly that label's true rate. So
votes of people picked at random are unbiased, while any one person, and any five, are not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from affectml.demo_set.feelings import FloatArray

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
    names = np.array(labels, dtype=object)
    table = pd.DataFrame(
        {
            "event_id": "",
            "image_id": np.repeat(image_ids, judges),
            "annotator_id": np.array(panel.ids, dtype=object)[who.ravel()],
            "round": 1,
            "kind": kind,
            "labels": [list(names[row]) for row in chosen.reshape(-1, len(labels))],
            "suggestions_visible": False,
            "seconds": _seconds(chosen.sum(axis=2).ravel(), rng),
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


def _seconds(chosen: npt.NDArray[np.int64], rng: np.random.Generator) -> FloatArray:
    return np.round((2.0 + 1.2 * chosen) * np.exp(rng.normal(0.0, 0.35, size=len(chosen))), 2)
