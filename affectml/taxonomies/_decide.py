"""`mapping`: the way from one taxonomy to another with every decision on it taken, or why not."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from affectml.errors import NoMapping, UnknownLabel, did_you_mean
from affectml.taxonomies._mapping import DROP, Choice, Mapping
from affectml.taxonomies._route import Decision, Hop, by_names, find_hop, find_route
from affectml.taxonomies.taxonomy import Taxonomy, get_taxonomy

USER = "chosen by the user"
DROPPED = "dropped by the user"
UNDECIDED = Decision({}, None)


class Way(NamedTuple):
    """Where a label of one stage of a route may go, and the number of the stage that it goes to."""

    decision: Decision
    to: int


class Picks(NamedTuple):
    """What the user chose: by stage and label an option and the stage that it is of; and what may be dropped."""

    options: dict[tuple[int, str], tuple[str, int]]
    drop: frozenset[str] = frozenset()
    drop_rest: bool = False


@dataclass(frozen=True)
class Route:
    """The taxonomies that labels pass, from origin to target, and for each but the last the ways on from its labels.

    path: the names of those that lie between steps. A step through another taxonomy has that as a stage, too, which
    some labels skip.
    """

    stages: list[Taxonomy]
    ways: list[dict[str, Way]]
    path: tuple[str, ...]

    @classmethod
    def of(cls, hops: list[Hop]) -> "Route":
        """The route of a chain of steps."""
        stages, ways = [hops[0].start], list[dict[str, Way]]()
        for hop in hops:
            at = len(ways)
            parts = [hop] if hop.via is None else [find_hop(hop.start, hop.via), find_hop(hop.via, hop.end)]
            for part in filter(None, parts):
                ways.append(
                    {label: Way(part.decisions.get(label, UNDECIDED), len(stages)) for label in part.start.labels}
                )
                stages.append(part.end)
            ways[at] |= {label: Way(decision, len(ways)) for label, decision in hop.decisions.items()}
        return cls(stages, ways, (hops[0].start.name, *(hop.end.name for hop in hops)))


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
        hops = [by_names(start, goal)]
        given = {_key(name) for name in choices}
        if not hops[0].decisions and not {_key(label) for label in start.labels} <= given:
            raise NoMapping(
                f"nothing leads from {start.name} to {goal.name}: no table, no common parent, no equal label; "
                "say where each label goes (LABEL=TARGET), or give your taxonomy parents in its YAML file"
            )
    route = Route.of(hops)
    return _follow(route, _read_picks(route, drop, choices))


def _refuse_finer(start: Taxonomy, goal: Taxonomy) -> None:
    back = find_route(goal, start)
    if back is None:
        return
    children = _follow(Route.of(back), Picks({}, drop_rest=True)).merged
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


def _read_picks(route: Route, drop: bool | Collection[str], choices: dict[str, str]) -> Picks:
    """What the user chose, each choice at the first stage that lists it, else from the origin to the target."""
    start = route.stages[0]
    drop = (drop,) if isinstance(drop, str) else drop
    picks = Picks({}, frozenset() if isinstance(drop, bool) else frozenset(drop), drop is True)
    known = {_key(label): label for stage in reversed(route.stages) for label in stage.labels}
    for name in picks.drop:
        if name not in known.values():
            raise UnknownLabel(f"drop: {start.name} has no label {name!r}{did_you_mean(name, start.labels)}")
    for name, option in choices.items():
        label = known.get(_key(name))
        if label is None:
            raise UnknownLabel(
                f"choice {name}={option}: {start.name} has no label {name!r}{did_you_mean(name, list(known.values()))}"
            )
        at, to = _stages_of(route, label, option, name)
        picks.options[at, label] = option, to
    return picks


def _stages_of(route: Route, label: str, option: str, name: str) -> tuple[int, int]:
    """The stage at which a choice is made, and the one that it leads to; name: what the user called the label."""
    ways = [(at, each[label]) for at, each in enumerate(route.ways) if label in each]
    listed = [(at, way) for at, way in ways if len(way.decision.options) > 1]
    for at, way in listed:
        if option in way.decision.options:
            return at, way.to
    for at, to in [(0, len(route.ways)), *((at, way.to) for at, way in ways)]:
        if label in route.stages[at].labels and set(_parts(option)) <= set(route.stages[to].labels):
            return at, to
    goal, offered = route.stages[-1], listed[0][1].decision.options if listed else ()
    raise NoMapping(
        f"choice {name}={option}: {goal.name} has no label {option!r}{did_you_mean(option, goal.labels)}; "
        f"expected {', '.join(dict.fromkeys([*offered, *goal.labels, DROP]))}"
    )


def _follow(route: Route, picks: Picks) -> Mapping:
    """The mapping of a route: what reaches a stage goes on from there, each label as was decided."""
    start, goal = route.stages[0], route.stages[-1]
    mass = [np.zeros((len(start), len(stage))) for stage in route.stages]
    np.fill_diagonal(mass[0], 1)
    why, choices = dict.fromkeys(start.labels, ""), list[Choice]()
    for at, stage in enumerate(route.stages[:-1]):
        here = mass[at]
        taken = _take(route, picks, at, [label for column, label in enumerate(stage.labels) if here[:, column].any()])
        for label, (choice, to) in taken.items():
            parts = _parts(choice.taken)
            for part in parts:
                mass[to][:, route.stages[to].index(part)] += here[:, stage.index(label)] / len(parts)
        onward = np.sum([later.sum(axis=1) for later in mass[at + 1 :]], axis=0)
        for label, row, kept in zip(start.labels, here, onward, strict=True):
            if 0 < kept < 1 - 1e-9:
                reached = route.stages[at + 1].name
                raise NoMapping(f"{start.name}: only {kept:.2g} of {label!r} reaches {reached}; choose one")
            reasons = [taken[stage.labels[column]][0].why for column in np.flatnonzero(row)]
            why[label] = "; then ".join(filter(None, dict.fromkeys([why[label], *reasons])))
        choices += [choice for choice, _ in taken.values() if choice.by]
    order = {label: place for place, label in enumerate(start.labels)}
    choices.sort(key=lambda choice: order.get(choice.label, len(order)))
    return Mapping(start, goal, mass[-1], why, tuple(choices), route.path)


def _take(route: Route, picks: Picks, at: int, reached: Iterable[str]) -> dict[str, tuple[Choice, int]]:
    """For each label of a stage what is taken, and the stage it goes to; `by` is empty where there was no choice."""
    taken, undecided = dict[str, tuple[Choice, int]](), []
    for label in reached:
        decision, to = route.ways[at][label]
        option, end = picks.options.get((at, label), (decision.take, to))
        # an origin's label that is dropped drops no namesake further on
        if label in picks.drop and (at == 0 or label not in route.stages[0].labels):
            taken[label] = Choice(label, DROP, DROPPED, ""), to
        elif option is not None:
            options = decision.options if end == to else {}
            others = {other: reason for other, reason in options.items() if other != option}
            by = "user" if (at, label) in picks.options else "default" if others else ""
            taken[label] = Choice(label, option, options.get(option, USER), by, others), end
        elif picks.drop_rest:
            taken[label] = Choice(label, DROP, DROPPED, ""), to
        else:
            undecided.append(label)
    if undecided:
        raise NoMapping(_without_target(route, at, undecided))
    return taken


def _without_target(route: Route, at: int, undecided: list[str]) -> str:
    """The message for labels that go nowhere, with the options of the first."""
    decision, to = route.ways[at][undecided[0]]
    lost = [label for label in undecided if route.ways[at][label].to == to]
    start, end = route.stages[at], route.stages[to]
    offer = f"{_key(lost[0])}=" + " | ".join(decision.options or [*end.labels, DROP])
    shown = ", ".join(map(repr, lost))
    few, them = ("has no target", "it") if len(lost) == 1 else ("have no target", "them")
    return (
        f"{start.name} -> {end.name}: {shown} {few}; choose one ({offer}), "
        f"or leave {them} out: drop=[{shown}] or drop=True"
    )
