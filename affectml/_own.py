"""Python code from elsewhere: modules of the user's own, and what installed packages bring, of heads and importers."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

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


def plugin_names(group: str) -> dict[str, str]:
    """What installed packages bring to a group of entry points: name -> the packages; none of them is imported."""
    from affectml_metrics.plugins import package_of, plugins

    return {name: " and ".join(map(package_of, entries)) for name, entries in plugins(group).items()}


def plugin(group: str, name: str, fits: Callable[[Any], bool], wanted: str, *, ours: bool = False) -> Any:
    """What an installed package brings under a name; None where none does.

    Args:
        group: of entry points: affectml.heads or affectml.importers.
        name: what is asked for.
        fits: whether what is found is of the right kind.
        wanted: what that is, in words.
        ours: whether affectml has something of this name itself.

    Raises:
        BadInput: naming the package, where the name is taken, or it cannot be imported or used.
    """
    from affectml_metrics.plugins import BadPlugin, load_plugin

    if name not in plugin_names(group):
        return None
    try:
        return load_plugin(group, name, fits, wanted, ours=ours)
    except BadPlugin as error:
        raise BadInput(str(error)) from error
