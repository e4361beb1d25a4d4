"""`mapping`, the way from one taxonomy to another with every decision on it taken, or why not; and `describe`,
all that is known of a taxonomy as plain values.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from affectml.errors import NoMapping, UnknownLabel, did_you_mean
from affectml.taxonomies._builtin import builtin_names, get_taxonomy
from affectml.taxonomies._mapping import DROP, Choice, Floats, Mapping
from affectml.taxonomies._route import Hop, find_hop, find_route, polarity_of
from affectml.taxonomies.taxonomy import PLACE_KEYS, Taxonomy


@dataclass
class Picks:
    """What the user chose: for (hop, label) an option, for origin labels a final place, and what may be dropped."""

    at_hop: dict[tuple[int, str], str] = field(default_factory=dict)
    final: dict[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    drop_rest: bool = False


def mapping(
    source: str | Taxonomy, target: str | Taxonomy, *, drop: bool | Collection[str] = (), **choices: str
) -> Mapping:
    """The mapping of `source`'s labels to `target`'s; both are names, YAML files or taxonomies.

    Built-in tables come first, then parents (composed over several levels), then equal names.

    Args:
        source: the taxonomy that the labels are of.
        target: the taxonomy that they go to.
        drop: labels to leave out, or True for all without a target.
        choices: for a label the option to take: a target label, "a+b" for equal shares, or "drop"; a label that is no
            Python name may be written with underscores (doubt_confusion).

    Raises:
        NoMapping: the target is finer (which child is meant is not known), nothing leads there, or a label has no
            target.
        UnknownLabel: a choice or `drop` about no label.
        UnknownTaxonomy: there is no taxonomy of that name.

    >>> mapping("mikels-8", "polarity-2").matrix.sum(axis=0).tolist()
    [4.0, 4.0]
    >>> [str(choice.label) for choice in mapping("parrott-25", "parrott-2", disgust="drop").choices]
    ['disgust']
    """
    start = get_taxonomy(source) if isinstance(source, str) else source
    goal = get_taxonomy(target) if isinstance(target, str) else target
    hops = find_route(start, goal)
    if hops is None:
        _refuse_finer(start, goal)
        hops = [Hop(start, goal, "names")]
        given = {_key(name) for name in choices}
        shared = set(start.labels) & set(goal.labels)
        if not shared and not {_key(label) for label in start.labels} <= given:
            raise NoMapping(
                f"nothing leads from {start.name} to {goal.name}: no table, no common parent, no equal label; "
                "say where each label goes (LABEL=TARGET), or give your taxonomy parents in its YAML file"
            )
    picks = _read_picks(hops, drop, choices)
    return _build(hops, picks)


def _refuse_finer(start: Taxonomy, goal: Taxonomy) -> None:
    back = find_route(goal, start)
    if back is None:
        return
    children = _build(back, Picks(drop_rest=True)).merged
    several = {label: names for label, names in children.items() if len(names) > 1}
    if several:
        label, names = next(iter(several.items()))
        raise NoMapping(
            f"{start.name} is coarser than {goal.name}: {label!r} stands for {', '.join(names)}, and which of them is "
            f"meant is not known; map {goal.name} to {start.name} instead and compare there"
        )


def _key(label: str) -> str:
    return re.sub(r"\W+", "_", label).casefold()


def _parts(option: str) -> list[str]:
    return [] if option == DROP else option.split("+")


def _read_picks(hops: list[Hop], drop: bool | Collection[str], choices: dict[str, str]) -> Picks:
    """Sort the user's choices to the step that lists them, else to the whole way from origin to target."""
    if isinstance(drop, str):
        drop = (drop,)
    start, goal = hops[0].start, hops[-1].end
    stages = [start, *(hop.end for hop in hops[:-1])]
    picks = Picks(drop_rest=drop is True, drop=frozenset() if isinstance(drop, bool) else frozenset(drop))
    known = {_key(label): label for stage in reversed(_stages(hops)) for label in stage.labels}
    for name in picks.drop:
        if name not in known.values():
            raise UnknownLabel(f"drop: {start.name} has no label {name!r}{did_you_mean(name, start.labels)}")
    for name, option in choices.items():
        label = known.get(_key(name))
        if label is None:
            raise UnknownLabel(
                f"choice {name}={option}: {start.name} has no label {name!r}{did_you_mean(name, list(known.values()))}"
            )
        listed = [i for i, hop in enumerate(hops) if option in _options(hop, label)]
        if listed:
            picks.at_hop[listed[0], label] = option
        elif label in start.labels and set(_parts(option)) <= set(goal.labels):
            picks.final[label] = option
        elif found := [
            i for i, hop in enumerate(hops) if label in stages[i].labels and set(_parts(option)) <= set(hop.end.labels)
        ]:
            picks.at_hop[found[0], label] = option
        else:
            offered = next((list(_options(hop, label)) for hop in hops if _options(hop, label)), [])
            raise NoMapping(
                f"choice {name}={option}: {goal.name} has no label {option!r}{did_you_mean(option, goal.labels)}; "
                f"expected {', '.join([*offered, *(x for x in (*goal.labels, DROP) if x not in offered)])}"
            )
    return picks


def _stages(hops: list[Hop]) -> list[Taxonomy]:
    """Every taxonomy that a label of the way may belong to, those passed inside a table included."""
    passed = [stage for hop in hops for stage in (hop.via, hop.end) if stage is not None]
    return [hops[0].start, *passed]


def _options(hop: Hop, label: str) -> dict[str, str]:
    """Options that a step lists for a label, through the taxonomy it passes by too."""
    decision = hop.decision(label)
    if decision is not None:
        return dict(decision.options) if decision.ambiguous else {}
    return next((found for inner in _inner(hop) if (found := _options(inner, label))), {})


def _inner(hop: Hop) -> list[Hop]:
    """The two steps of a step through another taxonomy; none of one that goes straight there."""
    ways = () if hop.via is None else ((hop.start, hop.via), (hop.via, hop.end))
    return [found for start, end in ways if (found := find_hop(start, end)) is not None]


def _build(hops: list[Hop], picks: Picks) -> Mapping:
    """The chain's mapping; final picks replace whole rows."""
    start, goal = hops[0].start, hops[-1].end
    need = {label for label in start.labels if label not in picks.final and label not in picks.drop}
    built: Mapping | None = None
    # an origin's label that is dropped drops no namesake further on
    later = replace(picks, drop=picks.drop - set(start.labels))
    for i, hop in enumerate(hops):
        chosen = {label: option for (at, label), option in picks.at_hop.items() if at == i}
        step = _step(hop, need, chosen, later)
        built = step if built is None else built.then(step)
        need = set(built.merged)
    assert built is not None
    matrix, why = built.matrix.copy(), dict(built.source)
    choices = list(built.choices)
    for label, option in picks.final.items():
        matrix[start.labels.index(label)] = _row(option, goal)
        why[label] = "chosen by the user"
        choices.append(Choice(label, option, "chosen by the user", "user"))
    for label in picks.drop & set(start.labels):
        why[label] = "dropped by the user"
    order = {label: place for place, label in enumerate(start.labels)}
    choices.sort(key=lambda choice: order.get(choice.label, len(order)))
    return Mapping(start, goal, matrix, why, tuple(choices), built.path)


def _step(hop: Hop, need: Collection[str], chosen: dict[str, str], picks: Picks) -> Mapping:
    """One step's mapping: rows of the labels in `need`, zero for the others."""
    start, end = hop.start, hop.end
    matrix = np.zeros((len(start), len(end)))
    why = dict.fromkeys(start.labels, "not needed")
    choices: list[Choice] = []
    through: set[str] = set()
    for at, label in enumerate(start.labels):
        if label not in need or label in picks.drop:
            continue
        decision = hop.decision(label)
        if decision is None and label not in chosen and hop.via is not None:
            through.add(label)
            continue
        options = dict(decision.options) if decision is not None else {}
        option = chosen.get(label) or (decision.take if decision is not None else None)
        if option is None:
            if not picks.drop_rest:
                raise NoMapping(_without_target(hop, need, chosen, picks))
            why[label] = "dropped by the user"
            continue
        matrix[at] = _row(option, end)
        why[label] = options.get(option, "chosen by the user")
        if len(options) > 1 or label in chosen:
            by = "user" if label in chosen else "default"
            others = {other: reason for other, reason in options.items() if other != option}
            choices.append(Choice(label, option, why[label], by, others))
    if through:
        first, second = _inner(hop)
        later = {label: option for label, option in chosen.items() if label in second.start.labels}
        inner = _step(first, through, chosen, picks)
        inner = inner.then(_step(second, set(inner.merged), later, picks))
        for label in through:
            matrix[start.labels.index(label)] = inner.matrix[start.labels.index(label)]
            why[label] = inner.source[label]
        choices += inner.choices
    return Mapping(start, end, matrix, why, tuple(choices), (start.name, end.name))


def _row(option: str, target: Taxonomy) -> Floats:
    row = np.zeros(len(target))
    parts = _parts(option)
    for part in parts:
        row[target.index(part)] += 1 / len(parts)
    return row


def _without_target(hop: Hop, need: Collection[str], chosen: dict[str, str], picks: Picks) -> str:
    """The message for labels that go nowhere, each with its options where there are any."""
    asked = [label for label in hop.start.labels if label in need and label not in {*picks.drop, *chosen}]
    decisions = {label: hop.decision(label) for label in asked}
    lost = [label for label, it in decisions.items() if (hop.via is None if it is None else it.take is None)]
    first = decisions[lost[0]]
    offer = f"{_key(lost[0])}=" + " | ".join([*hop.end.labels, DROP] if first is None else first.options)
    shown = ", ".join(map(repr, lost))
    few, them = ("has no target", "it") if len(lost) == 1 else ("have no target", "them")
    return (
        f"{hop.start.name} -> {hop.end.name}: {shown} {few}; choose one ({offer}), "
        f"or leave {them} out: drop=[{shown}] or drop=True"
    )


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
