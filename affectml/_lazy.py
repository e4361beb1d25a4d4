"""Packages whose names are imported when they are first asked for, so that nothing loads torch for its neighbour."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562).

    homes: by module, what it has for the package's `__all__`. Type checkers read the same imports under TYPE_CHECKING.
    """
    module_of = {name: module for module, names in homes.items() for name in names}

    def asked(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(module_of[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return asked
