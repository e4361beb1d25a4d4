"""Several readings of one image: where runs disagree, and what people said there."""

from affectml.compare._compare import Comparison, Reading, Seen, compare_runs
from affectml.compare._gallery import write_gallery

__all__ = ["Comparison", "Reading", "Seen", "compare_runs", "write_gallery"]
