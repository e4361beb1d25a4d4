"""affectml: several emotions per image, from several people; trained, judged and compared as such."""

from typing import TYPE_CHECKING, Any

from affectml._lazy import lazily
from affectml._version import __version__

if TYPE_CHECKING:
    from affectml import errors as errors  # to catch; the module, which `__all__` leaves out
    from affectml.api import (
        ask,
        demo,
        embed,
        evaluate,
        explain,
        explore,
        fetch,
        list_runs,
        load_run,
        plan,
        predict,
        train,
    )
    from affectml.auditing import audit
    from affectml.checkup import doctor
    from affectml.data import Dataset
    from affectml.predicting import Person
    from affectml.run import Run
    from affectml.sharing import export
    from affectml.splitting import split
    from affectml.taxonomies import get_taxonomy as taxonomy

__all__ = [
    "Dataset",
    "Person",
    "Run",
    "__version__",
    "ask",
    "audit",
    "demo",
    "doctor",
    "embed",
    "evaluate",
    "explain",
    "explore",
    "export",
    "fetch",
    "list_runs",
    "load_run",
    "plan",
    "predict",
    "split",
    "taxonomy",
    "train",
]
_listed = lazily(__name__)


def __getattr__(name: str) -> Any:
    """A name of `__all__`, or `import_NAME`, an importer: `affectml.import_table("votes.csv", "mydata")`."""
    kind, _, importer = name.partition("import_")
    if kind or not importer:
        return _listed(name)
    from affectml.importers import get_importer, names

    known = {each.replace("-", "_"): each for each in names()}
    if importer not in known:
        from affectml.errors import did_you_mean

        raise AttributeError(f"module 'affectml' has no importer {importer!r}{did_you_mean(importer, known)}")
    return get_importer(known[importer])


def __dir__() -> list[str]:
    from affectml.importers import names

    return [*__all__, *(f"import_{name.replace('-', '_')}" for name in names())]
