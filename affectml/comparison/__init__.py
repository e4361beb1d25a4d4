"""Several readings of one image: where runs disagree, and what people said there."""

from affectml.comparison._differences import Gain, SeedGap
from affectml.comparison.page import RunsCompared, report_runs, write_gallery
from affectml.comparison.readings import Comparison, Reading, Seen, compare_runs

__all__ = [
    "Comparison",
    "Gain",
    "Reading",
    "RunsCompared",
    "SeedGap",
    "Seen",
    "compare_runs",
    "report_runs",
    "write_gallery",
]
