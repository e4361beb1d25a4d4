"""Random streams, each for one purpose: what is drawn from one is the same whatever is drawn from another.

The first word of the entropy says whether a stream is a demo set's, an encoder's training or a group of people's. A
demo seed is only ever the words after it, so no seed of `affectml demo` reaches the stream that affect-tiny was
trained on.
"""

from enum import IntEnum

import numpy as np

from affectml.errors import BadInput

_DEMO = 0x0DE30
_TRAINING = 0x7124
_GROUP = 0x6709
_SEEDS = 2**64  # as many as leave seed and purpose words of their own in the entropy


class Purpose(IntEnum):
    """What a demo set's stream is for. A number keeps its meaning, and a stream the order of its draws, for good.

    What is drawn in a new way takes a new purpose, so that everything drawn so far stays as it is.
    """

    PAINTING = 0  # an image's feeling, its look and its brush
    PEOPLE = 1  # the twelve annotators' habits, who judges which image, their answers and their seconds
    CAPTION = 2  # an image's captions
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
