"""Encoders: frozen open_clip models behind a spec, checked so that no wrong weights go unnoticed.

A spec is `affect-tiny`, `ARCH:TAG`, `ARCH:/path/to/weights`, `local-dir:FOLDER` or `hf-hub:ORG/NAME`.
Importing this package loads neither torch nor open_clip; `load_encoder` does.
"""

from affectml.encoders._encoder import Encoder, load_encoder
from affectml.encoders._spec import DEFAULT_SPEC, TINY_SPEC, check_spec, local_weights
from affectml.encoders.identity import PRECISIONS, EncoderIdentity, Ran
from affectml.encoders.images import read_image

__all__ = [
    "DEFAULT_SPEC",
    "PRECISIONS",
    "TINY_SPEC",
    "Encoder",
    "EncoderIdentity",
    "Ran",
    "check_spec",
    "load_encoder",
    "local_weights",
    "read_image",
]
