"""Random streams: one per image and one per panel, so that nothing depends on how many images are drawn.

The first word of the entropy says what a stream is for. A demo seed is only ever the second word, so no seed
of `affectml demo-data` reaches the stream that the affect-tiny encoder was trained on.
"""

import numpy as np

from affectml.errors import BadInput

_DEMO = 0x0DE30
_TRAINING = 0x7124
_PAINTING, _PEOPLE = 0, 1


def painting_stream(seed: int, index: int) -> np.random.Generator:
    """The numbers behind image `index` of the demo set `seed`: its feeling, its look and its brush."""
    return _stream(_DEMO, seed, (_PAINTING, index))


def people_stream(seed: int) -> np.random.Generator:
    """The numbers behind the annotators of the demo set `seed` and their judgements."""
    return _stream(_DEMO, seed, (_PEOPLE,))


def training_stream(seed: int, index: int) -> np.random.Generator:
    """The numbers behind painting `index` of an encoder's training; apart from every demo set."""
    return _stream(_TRAINING, seed, (_PAINTING, index))


def _stream(purpose: int, seed: int, key: tuple[int, ...]) -> np.random.Generator:
    if seed < 0:
        raise BadInput(f"seed: expected a whole number of at least 0, got {seed}")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([purpose, seed], spawn_key=key)))
