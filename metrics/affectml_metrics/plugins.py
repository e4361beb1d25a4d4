"""What installed packages bring by entry points: names are read when first asked for, and what is used imported."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from affectml_metrics._errors import MetricInputError


class BadPlugin(MetricInputError):
    """What a package brings cannot be used; says which package, and what to do."""


@cache
def plugins(group: str) -> dict[str, list[EntryPoint]]:
    """The entry points of a group, such as `affectml.heads`, by name; nothing is imported."""
    entries: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=group):
        entries.setdefault(entry.name, []).append(entry)
    return entries


def package_of(entry: EntryPoint) -> str:
    """The package that brings it, with its version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def load_plugin(group: str, name: str, fits: Callable[[Any], bool], wanted: str, *, ours: bool = False) -> Any:
    """Import what a package brings under a name.

    Args:
        group: of entry points.
        name: one of `plugins(group)`.
        fits: whether what is found is of the right kind.
        wanted: what that is, in words.
        ours: whether affectml has something of this name itself.

    Raises:
        BadPlugin: where the name is not its alone, it cannot be imported, or it does not fit.
    """
    entries, what = plugins(group)[name], f"{group.removeprefix('affectml.').removesuffix('s')} {name!r}"
    if ours or len(entries) > 1:
        owners = [*(["affectml"] if ours else []), *map(package_of, entries)]
        way = "the package" if ours else "all but one"
        raise BadPlugin(f"{what}: {' and '.join(owners)} have one of this name; uninstall {way}")
    package = package_of(entries[0])
    try:
        plugin = entries[0].load()
        right = fits(plugin)
    except Exception as error:  # whatever a package does when it is imported
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadPlugin(f"{what}: package {package} fails ({why}); mend, update or uninstall it") from error
    if not right:
        raise BadPlugin(f"{what}: package {package} names {entries[0].value}, expected {wanted}; mend or uninstall it")
    return plugin
