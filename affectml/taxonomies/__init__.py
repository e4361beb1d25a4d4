"""Taxonomies: ordered tuples of emotion labels, with what their sources know about each label, and how they map.

A taxonomy is a YAML file; the built-in ones lie beside this module and a data set may carry its own.
"""

from affectml.taxonomies._decide import mapping
from affectml.taxonomies._mapping import Choice, Mapping
from affectml.taxonomies._names import NEGATIONS, LabelName, builtin_names, is_read, nearest
from affectml.taxonomies._route import ancestors
from affectml.taxonomies.taxonomy import Place, Taxonomy, get_taxonomy, infer_taxonomy

__all__ = [
    "NEGATIONS",
    "Choice",
    "LabelName",
    "Mapping",
    "Place",
    "Taxonomy",
    "ancestors",
    "builtin_names",
    "get_taxonomy",
    "infer_taxonomy",
    "is_read",
    "mapping",
    "nearest",
]
