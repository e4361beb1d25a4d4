"""What coverage-guided damage found (guided.py), read again."""

import random

import pytest

from .damage import damaged
from .guided import CORPUS, TARGETS, base_of, corpus, pack, read, unpack


@pytest.mark.parametrize("name", TARGETS)
def test_a_kept_input_is_read_or_is_an_error_of_ours(name):
    assert corpus(name)
    for data in corpus(name):
        read(name, data)


@pytest.mark.parametrize("name", ["study", "data set"])
def test_an_input_holds_all_that_damage_did(name):
    base = base_of(name)
    for seed in range(20):
        files = damaged(base, random.Random(seed))
        assert unpack(pack(files, base), base) == files


def test_the_corpus_is_small():
    assert sum(file.stat().st_size for file in CORPUS.iterdir()) < 300_000
