"""The labelling page's component: what Streamlit mounts, and what it tells the browser at the start."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from affectml.taxonomies import Taxonomy
from affectml_annotation.languages import _
from affectml_apps.relabel.identity import make_token
from affectml_apps.relabel.preferences import Preferences
from affectml_apps.relabel.task import LabelTask
from affectml_apps.serving import client_version, loader, prefixed

CLIENT = Path(__file__).parent / "client"


def mount(task: LabelTask, who: str, round_number: int, *, base: str, study: Mapping[str, Any] | None = None) -> None:
    """Show the labelling component for this person and round. study: as `start_data` takes it.

    The page is drawn anew where a participant's visit has moved on.
    """
    css = (CLIENT / "relabel.css").read_text(encoding="utf-8")
    render = st.components.v2.component(
        "affectml-relabel", html='<div class="mount"></div>', css=css, js=loader("relabel")
    )
    place = f"relabel-{study['phase']}" if study else f"relabel-{round_number}"
    data = start_data(task, who, round_number, base=base, study=study)
    render(key=place, data=data, on_moved_change=lambda: None)


def start_data(
    task: LabelTask, who: str, round_number: int, *, base: str, study: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All that the browser needs to begin: who, what is asked, the labels in this person's order. No image yet.

    study: a participant's phase, instructions (HTML) and breaks (minutes).
    """
    preferences = task.preferences
    practice = study is not None and study["phase"] == "practice"  # whose tries must not be sent as answers
    order = task.store.chip_order(who)
    return {
        "base": prefixed(base),
        "identity": f"{task.secret[:8]}:{who}{':practice' if practice else ''}",
        "version": client_version(CLIENT),
        "token": make_token(task.secret, who),
        "round": round_number,
        "labels": chips(order, task.taxonomy, preferences, grouped=not task.verifying),
        "task": {
            "question": task.settings.question,
            "instructions": "" if study else preferences.instructions,
            "finished": "" if study else _("Nothing is left for you in this round. Thank you."),
        },
        "study": study,
        "settings": {
            "blur": preferences.blur,
            "minView": preferences.min_view_seconds,
            "breakMinutes": study["breaks"] if study else preferences.break_minutes,
            "practice": practice,
            "intensity": preferences.intensity and not task.verifying,
            "valenceArousal": preferences.valence_arousal and not task.verifying,
            "blindFirst": preferences.blind_first,
            "single": task.verifying,
        },
    }


def chips(order: Sequence[str], taxonomy: Taxonomy, preferences: Preferences, *, grouped: bool) -> list[dict[str, Any]]:
    """The labels as the page shows them: in this person's order, those of one parent together.

    A grouping by pleasant and unpleasant would prime people, so it shows only where valence colours do.
    """
    by_valence = set(taxonomy.parents.values()) <= {"negative", "neutral", "positive"}
    use_groups = grouped and bool(taxonomy.parents) and (preferences.valence_colours or not by_valence)
    group_of = {label: taxonomy.parents.get(label, "other") if use_groups else "" for label in order}
    groups = list(dict.fromkeys(group_of.values()))
    shown = sorted(order, key=lambda label: groups.index(group_of[label]))
    return [
        {
            "label": label,
            "name": taxonomy.display(label),
            "group": group_of[label],
            "tone": _tone(taxonomy, label) if preferences.valence_colours else None,
            "meaning": preferences.definitions.get(label) or ", ".join(_synonyms(taxonomy, label)) or None,
            "also": _synonyms(taxonomy, label),
        }
        for label in shown
    ]


def _synonyms(taxonomy: Taxonomy, label: str) -> list[str]:
    return [name for name in taxonomy.synonyms.get(label, ()) if name != taxonomy.display(label)]


def _tone(taxonomy: Taxonomy, label: str) -> str | None:
    place = taxonomy.places.get(label)
    if place is None or place.valence == 0:
        return None
    return "pleasant" if place.valence > 0 else "unpleasant"
