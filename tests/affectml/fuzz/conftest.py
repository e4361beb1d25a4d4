"""Each test of a reader runs for every reader of its file."""

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "reader" in metafunc.fixturenames:
        readers = metafunc.module.READERS
        metafunc.parametrize("reader", readers.values(), ids=readers)
