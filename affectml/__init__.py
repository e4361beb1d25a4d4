"""affectml: several emotions per image, from several people; trained, judged and compared as such."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from affectml._lazy import lazily
from affectml._version import __version__

if TYPE_CHECKING:
    from affectml import errors as errors  # to catch; the module, which `__all__` leaves out
    from affectml.api import (
        ask,
        compare,
        crosseval,
        demo,
        doctor,
        evaluate,
        explain,
        fetch,
        judge,
        load_run,
        plan,
        predict,
        train,
    )
    from affectml.auditing import audit
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
    "plan",
    "predict",
    "train",
]

# 0.1.0 was one wheel. pip removes it after it has installed the two that were parted from it, and their files with it.
_parts = [find_spec(part) for part in ("affectml_annotation", "affectml_metrics")]
if not all(part and part.origin for part in _parts):
    _why = ", of which pip's upgrade from 0.1.0 took files" if all(_parts) else ""
    raise ImportError(
        f"affectml needs affectml-annotation and affectml-metrics{_why}: pip install "
        f"{'--force-reinstall --no-deps ' if _why else ''}"
        f"affectml-annotation=={__version__} affectml-metrics=={__version__}"
    )


__getattr__ = lazily(__name__)


def __dir__() -> list[str]:
    return __all__
