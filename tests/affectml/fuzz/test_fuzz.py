"""Every reader, given its files as they are, damaged, and as coverage-guided damage (by atheris) left them in its time.

Such an input is a line of corpus/READER.jsonl, as JSON: by name what of the reader's files is not as in its base, a
text, compressed bytes in a list, null if it is gone.
"""

import base64
import json
import os
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from . import importers, own, people
from .damage import damaged
from .reading import check, files_of

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.jsonl"))
READERS = importers.READERS | own.READERS | people.READERS
every = pytest.mark.parametrize("name", READERS)


@every
def test_without_damage_it_is_read(name, tmp_path):
    assert check(READERS[name], files_of(READERS[name]), tmp_path) is None


@every
@given(draw=st.randoms(use_true_random=False))
@settings(max_examples=int(os.environ.get("AFFECTML_FUZZ", "3")))  # more by hand: one may find what is not mended yet
def test_with_any_damage_it_is_read_or_is_an_error_of_ours(name, draw):
    with tempfile.TemporaryDirectory() as top:
        check(READERS[name], damaged(files_of(READERS[name]), draw), Path(top))


@pytest.mark.parametrize("file", CORPUS, ids=[file.stem for file in CORPUS])
def test_a_kept_input_is_read_or_is_an_error_of_ours(file, tmp_path):
    kept = READERS[file.stem]
    for number, line in enumerate(file.read_bytes().splitlines()):
        files = dict(files_of(kept))
        for name, content in json.loads(line).items():
            files.pop(name, None)
            if content is not None:
                text = isinstance(content, str)
                files[name] = content.encode() if text else zlib.decompress(base64.b85decode(content[0]))
        (tmp_path / str(number)).mkdir()
        check(kept, files, tmp_path / str(number))
