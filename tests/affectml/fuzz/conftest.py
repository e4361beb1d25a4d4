"""Each test of a reader runs for every reader of its file."""

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "reader" in metafunc.fixturenames:
        readers = metafunc.module.READERS
        slow = {"encoder"}  # its library alone takes seconds
        metafunc.parametrize(
            "reader",
            [pytest.param(made, id=name, marks=[pytest.mark.slow] * (name in slow)) for name, made in readers.items()],
        )
