"""Judgements in and out: tables, JSON lines, Label Studio, Hugging Face folders, and affectml's own data sets."""

from affectml_annotation.exchange.checking import import_problems
from affectml_annotation.exchange.counts import read_counts
from affectml_annotation.exchange.formats import FORMATS, read_judgements, write_judgements

__all__ = ["FORMATS", "import_problems", "read_counts", "read_judgements", "write_judgements"]
