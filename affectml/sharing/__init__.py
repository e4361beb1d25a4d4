"""Giving a run to others: as an ONNX graph, and as a folder in Hugging Face's form.

_module.py  a head, or an encoder and a head, as one torch module
_onnx.py    that module as ONNX, checked against torch
_hub.py     a folder with weights, configuration and model card, written and read back
_card.py    the model card
"""

from affectml.sharing._hub import AffectModel
from affectml.sharing._onnx import OnnxExport, export_onnx

__all__ = ["AffectModel", "OnnxExport", "export_onnx"]
