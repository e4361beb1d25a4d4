"""Importers: other people's folders and tables become data set folders."""

from affectml.importers._summary import ImportSummary
from affectml.importers.folder import import_folder
from affectml.importers.oasis import import_oasis

__all__ = ["ImportSummary", "import_folder", "import_oasis"]
