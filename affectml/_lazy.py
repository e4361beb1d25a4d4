"""Names of a package that are found when they are asked for, so that nothing loads torch for its neighbour."""

import ast
import inspect
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any


def lazily(package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562): what it imports under TYPE_CHECKING, imported when it is asked for.

    Those imports are read from its source, so that type checkers and Python find every name in the same place.
    """

    @cache
    def homes() -> dict[str, tuple[str, str]]:
        tree = ast.parse(inspect.getsource(sys.modules[package]))
        guarded = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
        imports = [node for block in guarded for node in block.body if isinstance(node, ast.ImportFrom)]
        return {alias.asname or alias.name: (node.module or "", alias.name) for node in imports for alias in node.names}

    def asked(name: str) -> Any:
        if name.startswith("__") or name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home, own = homes()[name]
        found = import_module(f"{home}.{own}") if home == package else getattr(import_module(home), own)
        setattr(sys.modules[package], name, found)
        return found

    return asked
