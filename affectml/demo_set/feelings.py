"""Where a painting stands among the emotion words, and what that makes true of it.

A feeling is a point: valence, arousal and dominance, each on [-1, 1] (Russell & Mehrabian 1977). Dominance
is there because anger and fear share a place on the valence-arousal plane; it parts them. The nearer a
painting's feeling is to a word, the larger the share of people who would choose that word: its TRUE rate.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from affectml.errors import BadInput
from affectml.taxonomies import Taxonomy

FloatArray = npt.NDArray[np.float64]

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
