"""What coverage-guided damage (by atheris) found in its time, read again.

An input is a line of corpus/READER.jsonl, as JSON: by name what of the reader's files is not as in its base, a text,
compressed bytes in a list, null if it is gone.
"""

import base64
import json
import zlib
from pathlib import Path

import pytest

from . import test_fuzz_imports, test_fuzz_own, test_fuzz_people
from .reading import check, files_of

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.jsonl"))
READERS = test_fuzz_imports.READERS | test_fuzz_own.READERS | test_fuzz_people.READERS


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
