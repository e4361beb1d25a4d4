"""Python code of the user's own: modules that define a head or an importer."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

from affectml.errors import BadInput


def import_module(name: str) -> ModuleType:
    """A module of the user's, perhaps of the working folder: the heads and importers that it defines are known then.

    Raises:
        BadInput: where there is no such module.
    """
    here = str(Path.cwd())
    sys.path.insert(0, here)  # a console script's own folder stands there instead
    try:
        return importlib.import_module(name)
    except (ImportError, TypeError, ValueError) as error:
        raise BadInput(f"cannot import {name!r} ({error}); name a module of this folder or an installed one") from None
    finally:
        sys.path.remove(here)
