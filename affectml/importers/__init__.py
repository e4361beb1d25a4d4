"""Importers: other people's folders and tables become data set folders.

`import_NAME(path, out, **options)` is the importer that `affectml import NAME` calls; none is loaded before it is asked
for. `importer` registers one of your own.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from affectml._lazy import lazily
from affectml._options import Help, parse_list, parse_mapping
from affectml.importers.registry import OWN, PUBLISHED, Importer, get_importer, importer, names

if TYPE_CHECKING:
    from affectml.importers.draft import About, Draft, ImportSummary, Source
    from affectml.importers.read import TableSpec

__all__ = ["About", "Draft", "Source", "TableSpec"]
__all__ += ["Help", "ImportSummary", "Importer", "get_importer", "importer", "names", "parse_list", "parse_mapping"]
__all__ += [f"import_{name}" for name in (*OWN, *PUBLISHED)]


_of_others = lazily(__name__)


def __getattr__(name: str) -> Any:
    called = name.removeprefix("import_")
    if called == name or called not in names():
        return _of_others(name)
    found = get_importer(called)
    return getattr(import_module(found.read.__module__), name, found)
