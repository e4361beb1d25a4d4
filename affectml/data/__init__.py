"""Data set folders: what lies in them, how they are read, checked and written, and how they are split."""

from affectml.data._dataset import Dataset, check_new, write_dataset
from affectml.data._schema import DatasetMeta, TargetMeta
from affectml.data._targets import Targets

__all__ = ["Dataset", "DatasetMeta", "TargetMeta", "Targets", "check_new", "write_dataset"]
