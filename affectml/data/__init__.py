"""Data set folders: what lies in them, how they are read, checked and written, and how they are split."""

from affectml.data.dataset import Dataset, check_new, write_dataset
from affectml.data.schema import Asked, DatasetMeta, TargetMeta, was_asked
from affectml.data.targets import Targets

__all__ = [
    "Asked", "Dataset", "DatasetMeta", "TargetMeta", "Targets", "check_new", "was_asked", "write_dataset",
]  # fmt: skip
