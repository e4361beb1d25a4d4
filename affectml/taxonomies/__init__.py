"""Taxonomies: ordered tuples of emotion labels, with what their sources know about each label, and how they map.

A taxonomy is a YAML file; the built-in ones lie beside this module and a data set may carry its own.
"""

from affectml.taxonomies._builtin import builtin_names, get_taxonomy, infer_taxonomy
from affectml.taxonomies._decide import describe, mapping
from affectml.taxonomies._mapping import Choice, Mapping
from affectml.taxonomies._names import LabelName, is_read
from affectml.taxonomies._route import ancestors, polarity_of
from affectml.taxonomies.taxonomy import Place, Taxonomy

__all__ = [
    "Choice",
    "LabelName",
    "Mapping",
    "Place",
    "Taxonomy",
    "ancestors",
    "builtin_names",
    "describe",
    "get_taxonomy",
    "infer_taxonomy",
    "is_read",
    "mapping",
    "polarity_of",
]
