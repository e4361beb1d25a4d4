"""Captions: what three people might write under a painting, from its look and from what it evokes in them.

Each wording names a feeling: a label, drawn in proportion to the share of people who would choose it, or one of the
label's synonyms; where none applies, "nothing in particular". The rest says how the painting looks. The templates are
our own. A caption is one person's word for it, so it agrees with the most chosen label about as often as people do.
"""

import numpy as np

from affectml.demo_set.feelings import FloatArray, Words
from affectml.demo_set.painting import Look
from affectml.taxonomies import Taxonomy

TEMPLATES = (
    "{amount} {form} shapes in {light} {hue}: a painting that evokes {feeling}",
    "a {light} {hue} painting that evokes {feeling}",
    "{feeling}, in {amount} {form} shapes",
)
NOTHING = "nothing in particular"

# The highest value that still goes by the name; HSV hue on [0, 1], red again above the last.
_HUES = ((0.06, "red"), (0.11, "orange"), (0.2, "yellow"), (0.45, "green"), (0.69, "blue"), (0.9, "violet"))
_LIGHTS = ((0.4, "dark"), (0.62, "muted"))
_AMOUNTS = ((2, "few"), (6, "several"))


def captions(look: Look, rates: FloatArray, words: Words, taxonomy: Taxonomy, rng: np.random.Generator) -> list[str]:
    """The captions of one painting, one for each of `TEMPLATES`.

    Args:
        look: the painting's.
        rates: the true rate of each label, [C].
        words: the labels; those without a place are never named.
        taxonomy: where the labels' synonyms are.
        rng: the image's caption stream.
    """
    seen = {
        "amount": _name(look.shapes, _AMOUNTS, "many"),
        "form": "jagged" if look.jaggedness > 0.5 else "round",
        "light": _name(look.brightness, _LIGHTS, "bright"),
        "hue": _name(look.hue, _HUES, "red"),
    }
    placed = np.flatnonzero(words.placed)
    none = float(np.prod(1 - rates[placed]))
    steps = rates[placed].cumsum()
    out = []
    for template in TEMPLATES:
        any_at_all, which, wording = rng.random(3)
        label = words.labels[placed[int((which * steps[-1] < steps).argmax())]]
        names = (label, *taxonomy.synonyms.get(label, ()))
        feeling = NOTHING if any_at_all < none else names[int(wording * len(names))]
        out.append(template.format(feeling=feeling, **seen))
    return out


def _name(value: float, names: tuple[tuple[float, str], ...], last: str) -> str:
    """The name of the first range that holds the value."""
    return next((name for highest, name in names if value <= highest), last)
