"""What earlier versions kept of a task, made the file of now: a function for each group of keys that changed."""

from collections.abc import Mapping
from typing import Any

Settings = dict[str, Any]


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


# Of schema 5, and what each is called in a task's file since; a dot stands between a part and its key.
_SETTINGS = {
    "lease_seconds": "lease", "check_rate": "checks.rate", "repeat_rate": "repeats.rate", "repeat_gap": "repeats.gap",
    "control_share": "page.control", "chip_order": "page.chips", "backup_hours": "backups.hours",
    "backups_kept": "backups.keep", "backup_days": "backups.days",
}  # fmt: skip
_PREFERENCES = {
    "definitions": "words", "instructions": "page.instructions", "content_warning": "page.warning",
    "blur": "page.blur", "min_view_seconds": "page.seconds", "break_minutes": "breaks", "intensity": "page.intensity",
    "valence_arousal": "page.valence_arousal", "valence_colours": "page.valence_colours",
    "show_original": "page.show_original", "blind_first": "page.blind_first",
}  # fmt: skip


def task_file(settings: Any, preferences: Any, study: Any) -> Settings:
    """The content of a task's file, of schema 2, from what schema 5 kept in three places.

    settings: as any version kept them. preferences: what the lead chose for the page, if anything; the people whose
    entry is closed are not in a file. study: the newest version of its file, of schema 1, where a study runs: all but
    what the settings say. Raises TypeError, AttributeError or LookupError for what is damaged.
    """
    now = dict(one_overlap(backups(settings)))
    chosen = {key: value for key, value in (preferences or {}).items() if key != "closed"}
    file: Settings = {"schema": 2}
    words: Settings = {}
    if study:  # which says some of it itself
        words = study.get("labels", {})
        file = {**one_overlap(study), "schema": 2, "recruit": {"panel": "links", **study.get("recruit", {})}}
        now.pop("lease_seconds", None)
        for key in ("languages", "texts", "break_minutes"):
            chosen.pop(key, None)
    if "lease_seconds" in now:
        now["lease_seconds"] /= 60
    if now.get("taxonomy") is None:
        now.pop("taxonomy", None)
    meant = {label: {"definition": meaning} for label, meaning in chosen.get("definitions", {}).items()}
    chosen["definitions"] = {label: {**words.get(label, {}), **meant.get(label, {})} for label in (*words, *meant)}
    warning = {"content_warning": "warning"}
    texts = chosen.get("texts", {}).items()
    chosen["texts"] = {code: {warning.get(key, key): said for key, said in own.items()} for code, own in texts}
    for names, values in ((_SETTINGS, now), (_PREFERENCES, chosen)):
        for key, value in values.items():
            part, dot, name = str(names.get(key, key)).rpartition(".")
            if dot:
                file[part] = {**file.get(part, {}), name: value}
            else:
                file[name] = value
    return {**file, "labels": list(settings["labels"])}
