"""Everything that is known of a taxonomy, as plain values."""

from typing import Any

from affectml.errors import NoMapping
from affectml.taxonomies._builtin import builtin_names
from affectml.taxonomies._decide import mapping
from affectml.taxonomies._route import polarity_of
from affectml.taxonomies.taxonomy import PLACE_KEYS, Taxonomy


def describe(taxonomy: Taxonomy) -> dict[str, Any]:
    """Name, source, parent, prompts, wheels, and for each label parent, polarity, synonyms and place, for JSON.

    mappings: for each other built-in taxonomy that this one maps to, "complete" or what has to be decided first.
    """
    polarity = polarity_of(taxonomy)
    labels = {}
    for label in taxonomy.labels:
        place = taxonomy.places.get(label)
        labels[label] = {
            "display": taxonomy.display(label),
            "parent": taxonomy.parents.get(label),
            "polarity": polarity.get(label),
            "synonyms": list(taxonomy.synonyms.get(label, ())),
            "place": None if place is None else {key: getattr(place, key) for key in PLACE_KEYS},
        }
    return {
        "name": taxonomy.name,
        "title": taxonomy.title,
        "source": taxonomy.source,
        "parent": getattr(taxonomy.parent, "name", taxonomy.parent),
        "templates": list(taxonomy.templates),
        "wheel": list(taxonomy.wheel),
        "wheel_source": taxonomy.wheel_source,
        "other_wheels": {
            name: {"order": list(wheel.order), "source": wheel.source} for name, wheel in taxonomy.other_wheels.items()
        },
        "labels": labels,
        "mappings": {name: state for name in builtin_names() if (state := _state(taxonomy, name)) is not None},
    }


def _state(taxonomy: Taxonomy, name: str) -> str | None:
    """How far a mapping to a built-in taxonomy is decided; None where none leads there by a table or by parents."""
    if name == taxonomy.name:
        return None
    try:
        found = mapping(taxonomy, name, drop=True)
    except NoMapping:
        return None
    if len(found.drops) * 2 > len(taxonomy):
        return None
    choices = ", ".join(f"{choice.label} -> {choice.taken}" for choice in found.choices)
    undecided = ", ".join(label for label in found.drops if found.source[label] == "dropped by the user")
    parts = {"choices": choices, "to decide or drop": undecided}
    return "; ".join(f"{what}: {labels}" for what, labels in parts.items() if labels) or "complete"
