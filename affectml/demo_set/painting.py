"""From a feeling to a look, and from a look to pixels; and the random streams that all is drawn from.

Random streams, each for one purpose: what is drawn from one is the same whatever is drawn from another.

The first word of the entropy says whether a stream is a demo set's, an encoder's training or a group of people's. A
demo seed is only ever the words after it, so no seed of `affectml demo` reaches the stream that affect-tiny was
trained on.

What carries the feeling, and who found it:

    brightness, saturation   Valdez & Mehrabian 1994: pleasure = .69 B + .22 S, arousal = -.31 B + .60 S
                             (standardised; inverted here), with HSV standing in for Munsell value and chroma
    round or jagged shapes   Bar & Neta 2006: people like curved objects more than pointed ones
    clutter                  Berlyne 1971: the more there is to see, the more arousing
    hue                      our own convention: from blue (controlled) over green to red (in control)
"""

import colorsys
from dataclasses import dataclass, replace
from enum import IntEnum
from math import cos, pi, sin

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from affectml.errors import BadInput

FloatArray = npt.NDArray[np.float64]

_DEMO = 0x0DE30
_TRAINING = 0x7124
_GROUP = 0x6709
_SEEDS = 2**64  # as many as leave seed and purpose words of their own in the entropy


class Purpose(IntEnum):
    """What a demo set's stream is for. A number keeps its meaning, and a stream the order of its draws, for good.

    What is drawn in a new way takes a new purpose, so that everything drawn so far stays as it is. 2 was captions'.
    """

    PAINTING = 0  # an image's feeling, its look and its brush
    PEOPLE = 1  # the twelve annotators' habits, who judges which image, their answers and their seconds
    PANEL = 3  # a further panel of people, by its number
    FAULT = 4  # mistakes planted for a tool to find
    MODELS = 5  # what simulated models see and answer


def demo_stream(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """The numbers of a demo set for one purpose.

    Args:
        seed: the demo set's.
        purpose: what they are for.
        place: the image's or panel's number, where each has numbers of its own.

    Raises:
        BadInput: the seed is below 0 or has more than 64 bits.
    """
    return _stream(_DEMO, seed, (int(purpose), *place))


def training_stream(seed: int, index: int) -> np.random.Generator:
    """The numbers behind painting `index` of an encoder's training; apart from every demo set."""
    return _stream(_TRAINING, seed, (int(Purpose.PAINTING), index))


def group_stream(number: int) -> np.random.Generator:
    """The numbers behind a group of people's way of feeling, the same for every demo set that it judges."""
    return _stream(_GROUP, number, ())


def _stream(first: int, seed: int, key: tuple[int, ...]) -> np.random.Generator:
    if not 0 <= seed < _SEEDS:
        raise BadInput(f"seed: expected a whole number of at least 0 and below 2^64, got {seed}")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([first, seed], spawn_key=key)))


SIZE = 256  # pixels; 96 in the sets that say nothing of it, which were drawn before
_COLOUR_TO_AFFECT = np.array([[0.69, 0.22], [-0.31, 0.60]])
_AFFECT_TO_COLOUR = np.linalg.inv(_COLOUR_TO_AFFECT)
_SMOOTHING = 2  # shapes are drawn this much larger and averaged down, so that edges are not stairs

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """What a painting looks like, before any of it is drawn.

    brightness, saturation and hue: HSV on [0, 1], the picture's mean. jaggedness: the chance of a shape to be
    jagged, and how sharp it is then, on [0, 1]. shapes: how many.
    """

    brightness: float
    saturation: float
    hue: float
    jaggedness: float
    shapes: int


def look_of(feeling: FloatArray, rng: np.random.Generator) -> Look:
    """The look of a feeling [valence, arousal, dominance], with the freedom that a painter takes."""
    valence, arousal, dominance = feeling
    bright, saturated = _AFFECT_TO_COLOUR @ feeling[:2]
    mood = rng.normal(size=5)
    return Look(
        brightness=float(np.clip(0.52 + 0.30 * bright + 0.02 * mood[0], 0.1, 0.95)),
        saturation=float(np.clip(0.48 + 0.26 * saturated + 0.025 * mood[1], 0.08, 0.95)),
        hue=float(np.clip(0.36 - 0.6 * dominance + 0.015 * mood[2], 0.0, 0.75)),
        jaggedness=float(np.clip(0.5 - 0.6 * valence + 0.08 * mood[3], 0.0, 1.0)),
        shapes=max(1, round(4.0 * float(np.exp(1.1 * arousal + 0.12 * mood[4])))),
    )


# What a painter of another school does to every look, whatever is felt: brightness and saturation added, hue turned,
# shapes multiplied. Feelings and rates stay the same, so that a model trained on one school is wrong on another.
SCHOOLS: dict[str, tuple[float, float, float, float]] = {
    "plain": (0.0, 0.0, 0.0, 1.0),
    "dark": (-0.14, 0.0, 0.0, 1.0),
    "pale": (0.08, -0.14, 0.0, 1.0),
    "busy": (0.0, 0.0, 0.06, 1.8),
}


def of_school(look: Look, school: str) -> Look:
    """The look as this school would paint it."""
    brightness, saturation, hue, shapes = SCHOOLS[school]
    return replace(
        look,
        brightness=float(np.clip(look.brightness + brightness, 0.05, 0.98)),
        saturation=float(np.clip(look.saturation + saturation, 0.04, 0.98)),
        hue=(look.hue + hue) % 1.0,
        shapes=max(1, round(look.shapes * shapes)),
    )


def paint(look: Look, rng: np.random.Generator, size: int = SIZE) -> Image.Image:
    """A square RGB painting with that look, `size` pixels wide: a ground, shapes on it, the canvas' grain."""
    canvas = _ground(look, rng, size * _SMOOTHING)
    brush = ImageDraw.Draw(canvas)
    largest = 0.34 / look.shapes**0.35
    for _ in range(look.shapes):
        centre = rng.uniform(0.08, 0.92, size=2) * canvas.width
        radius = rng.uniform(0.5, 1.0) * largest * canvas.width
        if rng.random() < look.jaggedness:
            outline = _star(radius, 0.3 + 0.4 * look.jaggedness, rng)
        else:
            outline = _blob(radius, rng)
        brush.polygon([(centre[0] + x, centre[1] + y) for x, y in outline], fill=_colour(look, rng, 0.14))
    return _grain(canvas.reduce(_SMOOTHING), rng)


def _colour(look: Look, rng: np.random.Generator, spread: float) -> Colour:
    """A colour of the picture's palette: around its mean, a little to either side in hue."""
    shift = spread * rng.uniform(-1.0, 1.0, size=3)
    saturation, brightness = np.clip((look.saturation + shift[0], look.brightness + shift[1]), 0.0, 1.0)
    rgb = colorsys.hsv_to_rgb((look.hue + 0.3 * shift[2]) % 1.0, float(saturation), float(brightness))
    return (round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2]))


def _ground(look: Look, rng: np.random.Generator, size: int) -> Image.Image:
    """Two colours of the palette that run into each other, from edge to edge in a random direction."""
    first, second = (Image.new("RGB", (size, size), _colour(look, rng, 0.07)) for _ in range(2))
    blend = Image.linear_gradient("L").rotate(90 * int(rng.integers(4))).resize((size, size))
    return Image.composite(first, second, blend)


def _star(radius: float, sharpness: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """A jagged outline: points and notches in turn, uneven, around the origin."""
    corners = 2 * int(rng.integers(4, 8))
    turn = rng.uniform(0, 2 * pi)
    reaches = radius * rng.uniform(0.8, 1.2, size=corners)
    reaches[1::2] *= 1 - sharpness
    return _outline(reaches, turn)


def _blob(radius: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """A round outline: a circle with a slow swell, around the origin."""
    angles = np.linspace(0, 2 * pi, 28, endpoint=False)
    phases = rng.uniform(0, 2 * pi, size=2)
    swell = 0.16 * np.cos(2 * angles + phases[0]) + 0.07 * np.cos(3 * angles + phases[1])
    return _outline(0.8 * radius * (1 + swell), 0.0)


def _outline(reaches: FloatArray, turn: float) -> list[tuple[float, float]]:
    step = 2 * pi / len(reaches)
    return [(r * cos(turn + i * step), r * sin(turn + i * step)) for i, r in enumerate(reaches.tolist())]


def _grain(canvas: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The canvas showing through: the same small noise on all three channels."""
    pixels = np.asarray(canvas, dtype=np.int16)
    noise = rng.integers(-6, 7, size=(*pixels.shape[:2], 1), dtype=np.int16)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
