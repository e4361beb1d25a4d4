"""Several readings of one image: where runs disagree, and what people said there."""

from affectml.comparison._compare import Comparison, Reading, Seen, compare_runs
from affectml.comparison._gallery import write_gallery

__all__ = ["Comparison", "Reading", "Seen", "compare_runs", "write_gallery"]
