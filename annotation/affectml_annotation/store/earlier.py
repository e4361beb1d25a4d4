"""Task settings as earlier versions kept them, made those of now: a function for each group of keys that changed."""

from collections.abc import Callable, Mapping
from typing import Any

Settings = dict[str, Any]


def as_now(settings: Any) -> Any:
    """What is kept under the key `task` as this version keeps it; what is so already, or is damaged, stays as it is."""
    for change in CHANGES:
        settings = change(settings)
    return settings


def backups(settings: Any) -> Any:
    """Of 0.3.0.dev0 until backups were made hourly: once a day, and the newest seven kept, unless somebody chose else.

    What was not chosen becomes what it is now. A schedule of which somebody chose a part goes on as it was.
    """
    before = {"backup_hours": 24.0, "backups_kept": 7}
    if not isinstance(settings, dict) or "backup_days" in settings or not before.keys() & settings.keys():
        return settings
    rest = {name: value for name, value in settings.items() if name not in before}
    chosen = before | {name: settings[name] for name in before if name in settings}
    return rest if chosen == before else {**rest, **chosen, "backup_days": 0}


def one_overlap(kept: Any) -> Any:
    """A task's settings, or a study's file, with one number of people for every image; all else as it is kept.

    Until schema 5 images could stop early: {min, max, mean, until}. New ones get `min`; those that are there keep what
    their slots want.
    """
    overlap = kept.get("overlap") if isinstance(kept, Mapping) else None
    return {**kept, "overlap": overlap["min"]} if isinstance(overlap, Mapping) and "min" in overlap else kept


def stopped_early(task: Any, former: Any, whole: Any) -> Settings | None:
    """How a task's images stopped early, as dataset.json says it; None if they did not.

    task: its settings as schema 4 kept them. former: the rule of before, if the lead left it. whole: images that keep
    all people whatever the first ones say.
    """
    rule = task.get("overlap") if isinstance(task, Mapping) else None
    if not isinstance(rule, Mapping):
        rule = former.get("rule") if isinstance(former, Mapping) else None
    return {**rule, "whole": list(whole or ())} if isinstance(rule, Mapping) else None


CHANGES: tuple[Callable[[Any], Any], ...] = (backups, one_overlap)
