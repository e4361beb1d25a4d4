"""Importers: other people's folders and tables become data set folders."""

from affectml.importers._options import parse_list, parse_mapping
from affectml.importers._summary import ImportSummary
from affectml.importers.folder import import_folder
from affectml.importers.oasis import import_oasis
from affectml.importers.table import import_table

__all__ = ["ImportSummary", "import_folder", "import_oasis", "import_table", "parse_list", "parse_mapping"]
