"""Data set folders: what lies in them, how they are read, checked and written, and how they are split."""

from affectml.data._dataset import Dataset, check_new, write_dataset
from affectml.data._schema import Asked, DatasetMeta, TargetMeta, was_asked
from affectml.data._targets import Targets
from affectml.data.duplicates import Duplicates, find_duplicates

__all__ = [
    "Asked",
    "Dataset",
    "DatasetMeta",
    "Duplicates",
    "TargetMeta",
    "Targets",
    "check_new",
    "find_duplicates",
    "was_asked",
    "write_dataset",
]
