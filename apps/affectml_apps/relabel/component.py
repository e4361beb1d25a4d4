"""The labelling page's component: what Streamlit mounts, and what it tells the browser at the start."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamlit import config

from affectml.errors import UnknownLabel, UnknownTaxonomy
from affectml.taxonomies import NEGATIONS, Taxonomy, ancestors
from affectml_annotation import Task
from affectml_annotation.languages import _, client_texts, current
from affectml_apps.relabel.identity import make_token
from affectml_apps.relabel.task import LabelTask
from affectml_apps.serving import client_version, component, prefixed

CLIENT = Path(__file__).parent / "client"


def mount(task: LabelTask, who: str, round_number: int, *, study: Mapping[str, Any] | None = None) -> None:
    """Show the labelling component for this person and round. study: as `start_data` takes it.

    The page is drawn anew where a participant's visit has moved on, and where they choose another language: in a study
    with its images, within which words may stand.
    """
    place = f"relabel-{study['phase']}-{current()}" if study else f"relabel-{round_number}-{who}"
    data = start_data(task, who, round_number, base=config.get_option("server.baseUrlPath"), study=study)
    component("relabel", CLIENT)(key=place, data=data, on_moved_change=lambda: None)


def start_data(
    task: LabelTask, who: str, round_number: int, *, base: str, study: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All that the browser needs to begin: who, what is asked, the labels in this person's order. No image yet.

    study: a participant's phase, question, instructions (HTML) and breaks (minutes).
    """
    file = task.file
    practice = study is not None and study["phase"] == "practice"  # whose tries must not be sent as answers
    order, offered = task.store.chip_order(who), task.offered(who)
    return {
        "base": prefixed(base),
        "identity": f"{task.secret[:8]}:{who}{':practice' if practice else ''}",
        "version": client_version(CLIENT),
        "token": make_token(task.secret, who),
        "round": round_number,
        "spoken": client_texts(current()),
        "labels": chips(order, task.taxonomy_for(who), file, language=current(), offered=offered),
        "task": {
            "question": (study or {}).get("question") or task.text("question"),
            "instructions": "" if study else task.text("instructions"),
            "negations": NEGATIONS,
            "finished": "" if study else _("Nothing is left for you in this round. Thank you."),
        },
        "study": study,
        "settings": {
            "blur": file.page.blur,
            "minView": file.page.seconds,
            "breakMinutes": study["breaks"] if study else file.breaks,
            "practice": practice,
            "intensity": file.page.intensity,
            "valenceArousal": file.page.valence_arousal,
        },
    }


def chips(
    order: Sequence[str], taxonomy: Taxonomy, file: Task, *, language: str = "en", offered: Sequence[str] = ("en",)
) -> list[dict[str, Any]]:
    """The labels as the page shows them: in this person's order, those of one parent together.

    A grouping by pleasant and unpleasant would prime people, so it shows only where valence colours do.

    language: that of names and meanings; `language` in a chip is that which its name has. offered: all that a person
    may choose, the task's own first: search finds what a label is called (`also`: name, language) in each of them.
    """
    by_valence = set(taxonomy.parents.values()) <= {"negative", "neutral", "positive"}
    use_groups = bool(taxonomy.parents) and (file.page.valence_colours or not by_valence)
    group_of = {label: _group(taxonomy, label, language) if use_groups else "" for label in order}
    groups = list(dict.fromkeys(group_of.values()))
    found = []
    for label in sorted(order, key=lambda label: groups.index(group_of[label])):
        name, translation = taxonomy.display(label, language), taxonomy.translation(label, language)
        also = taxonomy.called(label, [language, *offered])
        spoken = also.pop(name)
        meant = file.words[label].definition if label in file.words else None
        if language != offered[0] and translation and translation.definition:
            meant = translation.definition  # the lead says what is meant in the task's own language
        synonyms = ", ".join(taxonomy.synonyms_in(label, language))
        found.append({
            "label": label,
            "name": name,
            "language": spoken,
            "group": group_of[label],
            "tone": _tone(taxonomy, label) if file.page.valence_colours else None,
            "meaning": meant or taxonomy.definition(label, language) or synonyms or None,
            "also": list(also.items()),
        })  # fmt: skip
    return found


def _group(taxonomy: Taxonomy, label: str, language: str) -> str:
    parent = taxonomy.parents.get(label)
    if parent is None:
        # Translators: the heading above labels (feelings) that belong to no group.
        return _("other")
    with suppress(UnknownTaxonomy, UnknownLabel):  # a parent that is not here still groups, under the name given
        for above in ancestors(taxonomy)[:1]:
            return above.display(parent, language)
    return parent


def _tone(taxonomy: Taxonomy, label: str) -> str | None:
    place = taxonomy.places.get(label)
    if place is None or place.valence == 0:
        return None
    return "pleasant" if place.valence > 0 else "unpleasant"
