"""Giving a run or a data set to others: as an ONNX graph, in Hugging Face's form, as Label Studio's tasks.

_onnx.py     a head, or an encoder and a head, as one graph, checked against torch
_hub.py      a folder with weights, configuration and model card, written and read back
_dataset.py  a data set as Parquet with the images in it
_cards.py    the cards of both
_export.py   any of these, as `affectml export` asks for it
_tasks.py    a run's predictions as pre-annotations for Label Studio
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.sharing._dataset import SharedSet, share_dataset
    from affectml.sharing._export import Exported, export
    from affectml.sharing._hub import AffectModel
    from affectml.sharing._onnx import OnnxExport, export_onnx
    from affectml.sharing._tasks import WrittenTasks, write_tasks

__all__ = [
    "AffectModel",
    "Exported",
    "OnnxExport",
    "SharedSet",
    "WrittenTasks",
    "export",
    "export_onnx",
    "share_dataset",
    "write_tasks",
]
__getattr__ = lazily(__name__)
