"""Names that are found when they are asked for: a package's own, so that nothing loads torch for its neighbour, and
modules that have moved, by their earlier names.
"""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# A module's earlier name, and the one that it has now. The earlier ones go with 0.3.
MOVED = {
    "affectml.ablate": "affectml.cross_evaluation.ablate",
    "affectml.erasing": "affectml.people.erasing",
    "affectml.evaluating": "affectml.evaluation.run",
    "affectml.labelling": "affectml.people.labelling",
    "affectml.person": "affectml.predicting.person",
}


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


class Moved(MetaPathFinder, Loader):
    """Imports a module of `MOVED` by its earlier name, with a DeprecationWarning that says the one to use."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Where the import system asks, after all that it finds by itself."""
        return ModuleSpec(name, self) if name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Both names are one module; it is whole before another thread can find it by the earlier one."""
        module = import_module(MOVED[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Warn; the import system has put this import's spec in the place of the module's own."""
        earlier = module.__spec__
        if earlier is not None:
            module.__spec__ = earlier.loader_state
            now = f"{earlier.name} is now {module.__name__}; the earlier name goes with 0.3"
            warnings.warn(now, DeprecationWarning, 2)
