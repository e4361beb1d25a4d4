"""Data set folders: what lies in them, how they are read, checked and written, and how they are split."""

from affectml.data._dataset import Dataset, check_new, write_dataset
from affectml.data._schema import Asked, DatasetMeta, TargetMeta, was_asked
from affectml.data._targets import Targets

__all__ = [
    "Asked",
    "Dataset",
    "DatasetMeta",
    "TargetMeta",
    "Targets",
    "check_new",
    "was_asked",
    "write_dataset",
]
