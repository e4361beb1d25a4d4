"""Studies that are simulated, planned from pilots of people like theirs: `benchmarks/planning.py`, a few of them."""

import argparse
from importlib import import_module
from pathlib import Path

import pytest


@pytest.mark.slow
def test_studies_turn_out_as_planned(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    planning = import_module("planning")
    printed = planning.of_studies(argparse.Namespace(runs=30, alphas=40))
    (line,) = (text for text in printed if text.startswith("| all "))
    holds, covers, widths = ([float(cell) for cell in line.split("|")[at : at + 3]] for at in (2, 5, 8))
    assert all(90 <= share <= 99 for share in holds)  # of planned 95 % intervals
    assert all(78 <= share <= 97 for share in covers)  # of the plan's own 90 % intervals
    assert all(0.9 <= ratio <= 1.1 for ratio in widths)
