"""Giving a run or a data set to others: as an ONNX graph, in Hugging Face's form.

_onnx.py     a head as one graph, checked against torch
_hub.py      what `affectml export` asks for; a folder with weights, configuration and model card, there and back
_dataset.py  a data set as Parquet with the images in it
_cards.py    the cards of both
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.sharing._dataset import SharedSet, share_dataset
    from affectml.sharing._hub import AffectModel, Exported, export
    from affectml.sharing._onnx import OnnxExport, export_onnx

__all__ = [
    "AffectModel",
    "Exported",
    "OnnxExport",
    "SharedSet",
    "export",
    "export_onnx",
    "share_dataset",
]
__getattr__ = lazily(__name__)
