"""Panels: groups of people who look at the same paintings, and where each group's words lie.

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
"""

from dataclasses import replace

import numpy as np

from affectml.demo_set.feelings import FloatArray, Words
from affectml.demo_set.streams import group_stream
from affectml.errors import BadInput, did_you_mean
from affectml.taxonomies import Taxonomy

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
        BadInput: there is no such panel, or fewer than two labels have a place.
    """
    if panel not in PANELS:
        raise BadInput(f"no panel {panel!r}{did_you_mean(panel, PANELS)} (panels: {', '.join(PANELS)})")
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
