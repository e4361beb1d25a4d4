"""What every test may ask for: the real test data, where this checkout has it, and the rule for skips."""

import os
from pathlib import Path

import pytest


def _real_data_folder() -> Path:
    return Path(os.environ.get("AFFECTML_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real test data; skips where it is absent (see CONTRIBUTING.md)."""
    folder = _real_data_folder()
    if not folder.is_dir():
        pytest.skip(f"no real test data at {folder}; set AFFECTML_TEST_DATA to a folder that has it")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """With CI set, a skip is a failure: a check that did not run has not passed."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
