"""Taxonomies: ordered tuples of emotion labels, with what their sources know about each label.

A taxonomy is a YAML file; the built-in ones lie beside this module and a data set may carry its own.
"""

from affectml.taxonomies._builtin import builtin_names, get_taxonomy, infer_taxonomy
from affectml.taxonomies._taxonomy import Place, Taxonomy

__all__ = ["Place", "Taxonomy", "builtin_names", "get_taxonomy", "infer_taxonomy"]
