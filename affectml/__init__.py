"""affectml: several emotions per image, from several people; trained, judged and compared as such."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from affectml._lazy import Moved
from affectml._version import __version__

if TYPE_CHECKING:
    from affectml.api import (
        ask,
        audit,
        compare,
        crosseval,
        demo,
        doctor,
        evaluate,
        explain,
        fetch,
        judge,
        load_run,
        predict,
        train,
    )
    from affectml.data import Dataset
    from affectml.predicting import Person
    from affectml.run import Run

__all__ = [
    "Dataset",
    "Person",
    "Run",
    "__version__",
    "ask",
    "audit",
    "compare",
    "crosseval",
    "demo",
    "doctor",
    "evaluate",
    "explain",
    "fetch",
    "judge",
    "load_run",
    "predict",
    "train",
]

sys.meta_path.append(Moved())

# 0.1.0 was one wheel. pip removes it after it has installed the two that were parted from it, and their files with it.
_parts = [find_spec(part) for part in ("affectml_annotation", "affectml_metrics")]
if not all(part and part.origin for part in _parts):
    _why = ", of which pip's upgrade from 0.1.0 took files" if all(_parts) else ""
    raise ImportError(
        f"affectml needs affectml-annotation and affectml-metrics{_why}: pip install "
        f"{'--force-reinstall --no-deps ' if _why else ''}"
        f"affectml-annotation=={__version__} affectml-metrics=={__version__}"
    )


def __getattr__(name: str) -> Any:
    """What `__all__` names, and `affectml.errors` to catch, imported when it is first asked for."""
    if name == "errors":
        return import_module("affectml.errors")
    if name not in __all__:
        raise AttributeError(f"module 'affectml' has no attribute {name!r}")
    home = {"Dataset": "affectml.data", "Person": "affectml.predicting", "Run": "affectml.run"}.get(
        name, "affectml.api"
    )
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return __all__
