"""Judgements in and out: tables, JSON lines, Label Studio, Hugging Face folders, and affectml's own data sets."""

from affectml_annotation.exchange.formats import FORMATS, read_counts, read_judgements, write_judgements
from affectml_annotation.exchange.tables import import_problems

__all__ = ["FORMATS", "import_problems", "read_counts", "read_judgements", "write_judgements"]
