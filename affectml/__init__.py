"""affectml: several emotions per image, from several people; trained, judged and compared as such."""

from typing import TYPE_CHECKING

from affectml._lazy import lazily
from affectml._version import __version__

if TYPE_CHECKING:
    from affectml import errors as errors  # to catch; the module, which `__all__` leaves out
    from affectml.api import (
        ask,
        demo,
        doctor,
        evaluate,
        explain,
        fetch,
        load_run,
        plan,
        predict,
        train,
    )
    from affectml.auditing import audit
    from affectml.data import Dataset
    from affectml.predicting import Person
    from affectml.run import Run
    from affectml.splitting import split

__all__ = [
    "Dataset",
    "Person",
    "Run",
    "__version__",
    "ask",
    "audit",
    "demo",
    "doctor",
    "evaluate",
    "explain",
    "fetch",
    "load_run",
    "plan",
    "predict",
    "split",
    "train",
]

__getattr__ = lazily(__name__)


def __dir__() -> list[str]:
    return __all__
