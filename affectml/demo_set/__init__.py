"""The demo data set: abstract paintings whose truth is known, because our own code made it up.

    painting.py    a random stream for each purpose; from a feeling to a look (light, colour, shapes, clutter), from a
                   look to pixels
    people.py      where a painting stands among the emotion words, the true rate of each label there; panels of people,
                   what twelve of them say, and what three simulated models answer
    write.py       all of it as an ordinary data set folder

It is a test of machinery, not a benchmark: no figure measured on it says anything about people.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from affectml._lazy import lazily
from affectml._options import Seed

if TYPE_CHECKING:
    from affectml.demo_set.write import write_demo

__all__ = ["Drawing", "write_demo"]
__getattr__ = lazily(__name__)


@dataclass(frozen=True)
class Drawing:
    """What demo set to draw.

    The same drawing has the same content, and image i of a seed is the same whatever `images`, `answers` and `panel`
    are; another size draws the same shapes, larger or smaller. A look shifts every painting's brightness, saturation,
    hue or clutter, and leaves its truth alone. What models see of an image goes by all others.

    Args:
        images: How many paintings.
        taxonomy: Labels: a built-in taxonomy or a YAML file.
        look: Manner of painting: plain, dark, pale or busy; the feelings stay the same.
        answers: What people choose: sets (all labels that apply) or one (the label that applies most).
        panel: Who judges: local (people with a way of feeling of their own) or textbook (people who use each word as
            the literature does).
        models: Also write what three simulated models answer into OUT/answers, for `affectml evaluate`.
        size: Pixels of each side of a painting.
    """

    images: Annotated[int, Ge(20)] = 2000
    taxonomy: str = "mikels-8"
    look: str = "plain"
    answers: str = "sets"
    panel: str = "local"
    models: bool = False
    size: Annotated[int, Ge(16)] = 256
    seed: Seed = 0
