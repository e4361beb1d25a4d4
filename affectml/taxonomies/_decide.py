"""`mapping`: the way from one taxonomy to another with every decision on it taken, or why not."""

import re
from collections.abc import Collection
from collections.abc import Mapping as Dict

import numpy as np

from affectml.errors import NoMapping, UnknownLabel, did_you_mean
from affectml.taxonomies._mapping import DROP, Choice, Floats, Mapping
from affectml.taxonomies._route import Decision, Hop, by_names, find_hop, find_route
from affectml.taxonomies.taxonomy import Taxonomy, get_taxonomy

USER = "chosen by the user"
DROPPED = "dropped by the user"
UNDECIDED = Decision({}, None)


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
    return _Route(hops, drop, choices).mapping()


def _refuse_finer(start: Taxonomy, goal: Taxonomy) -> None:
    back = find_route(goal, start)
    children = {} if back is None else _Route(back, True, {}).mapping().merged
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


class _Route:
    """The taxonomies that labels pass, from origin to target, and where each of them goes from one to the next.

    stages: these taxonomies. A step through another one has that as a stage, too, which some labels skip. ways: for
    each stage but the last where its labels may go, and the number of the stage that this is of. picks: by stage and
    label the option that the user chose, and its stage. undecided: by stage the labels that go nowhere.
    """

    def __init__(self, hops: list[Hop], drop: bool | Collection[str], choices: Dict[str, str]) -> None:
        self.stages, self.path = [hops[0].start], (hops[0].start.name, *(hop.end.name for hop in hops))
        self.ways: list[dict[str, tuple[Decision, int]]] = []
        for hop in hops:
            at = len(self.ways)
            parts = [hop] if hop.via is None else [find_hop(hop.start, hop.via), find_hop(hop.via, hop.end)]
            for part in filter(None, parts):
                to = len(self.stages)
                self.ways.append({label: (part.decisions.get(label, UNDECIDED), to) for label in part.start.labels})
                self.stages.append(part.end)
            self.ways[at] |= {label: (decision, len(self.ways)) for label, decision in hop.decisions.items()}
        self.drop_rest = drop is True
        self.drop = set() if isinstance(drop, bool) else {drop} if isinstance(drop, str) else set(drop)
        self.picks: dict[tuple[int, str], tuple[str, int]] = {}
        self.taken: dict[tuple[int, str], Choice] = {}
        self.undecided: dict[int, list[str]] = {}
        self._read_picks(choices)

    def _read_picks(self, choices: Dict[str, str]) -> None:
        """Each choice at the first stage that lists it, else from the origin to the target, else wherever it fits."""
        start, goal = self.stages[0], self.stages[-1]
        known = {_key(label): label for stage in reversed(self.stages) for label in stage.labels}
        for name in sorted(self.drop - {*known.values()}):
            raise UnknownLabel(f"drop: {start.name} has no label {name!r}{did_you_mean(name, start.labels)}")
        for name, option in choices.items():
            choice, label = f"choice {name}={option}", known.get(_key(name))
            if label is None:
                near = did_you_mean(name, list(known.values()))
                raise UnknownLabel(f"{choice}: {start.name} has no label {name!r}{near}")
            ways = [(at, *way[label]) for at, way in enumerate(self.ways) if label in way]
            listed = [(at, decision.options, to) for at, decision, to in ways if len(decision.options) > 1]
            fitting = [(at, to) for at, options, to in listed if option in options]
            for at, to in [(0, len(self.ways)), *((at, to) for at, _, to in ways)]:
                if label in self.stages[at].labels and set(_parts(option)) <= set(self.stages[to].labels):
                    fitting.append((at, to))
            if not fitting:
                expected = dict.fromkeys([*(listed[0][1] if listed else ()), *goal.labels, DROP])
                near = did_you_mean(option, goal.labels)
                raise NoMapping(f"{choice}: {goal.name} has no label {option!r}{near}; expected {', '.join(expected)}")
            at, to = fitting[0]
            self.picks[at, label] = option, to

    def mapping(self) -> Mapping:
        """What reaches a stage goes on from there, each label as was decided."""
        start, goal = self.stages[0], self.stages[-1]
        ends = {label: self._follow(0, label) for label in start.labels}
        if self.undecided:
            raise NoMapping(self._without_target(min(self.undecided)))
        for label, (row, _) in ends.items():
            if 0 < row.sum() < 1 - 1e-9:
                raise NoMapping(f"{start.name}: only {row.sum():.2g} of {label!r} reaches {goal.name}; choose one")
        order = {label: place for place, label in enumerate(start.labels)}
        places = sorted(self.taken, key=lambda place: (order.get(place[1], len(order)), place[0]))
        choices = tuple(self.taken[place] for place in places if self.taken[place].by)
        why = {label: "; then ".join(dict.fromkeys(reasons)) for label, (_, reasons) in ends.items()}
        return Mapping(start, goal, np.stack([row for row, _ in ends.values()]), why, choices, self.path)

    def _follow(self, at: int, label: str) -> tuple[Floats, list[str]]:
        """How a label of a stage is shared among the target's labels, and the reasons on its way."""
        row, reasons = np.zeros(len(self.stages[-1])), list[str]()
        if at == len(self.ways):
            row[self.stages[-1].index(label)] = 1
            return row, reasons
        choice, to = self._take(at, label)
        reasons.append(choice.why)
        parts = _parts(choice.taken)
        for part in parts:
            share, more = self._follow(to, part)
            row += share / len(parts)
            reasons += more
        return row, reasons

    def _take(self, at: int, label: str) -> tuple[Choice, int]:
        """What is taken for a label of a stage, and the stage it goes to; `by` is empty where there was no choice."""
        decision, to = self.ways[at][label]
        option, end = self.picks.get((at, label), (decision.take, to))
        # an origin's label that is dropped drops no namesake further on
        if label in self.drop and (at == 0 or label not in self.stages[0].labels):
            choice = Choice(label, DROP, DROPPED, "")
        elif option is not None:
            options = decision.options if end == to else {}
            others = {other: reason for other, reason in options.items() if other != option}
            by = "user" if (at, label) in self.picks else "default" if others else ""
            choice, to = Choice(label, option, options.get(option, USER), by, others), end
        else:
            choice = Choice(label, DROP, DROPPED, "")
            if not self.drop_rest:
                self.undecided.setdefault(at, []).append(label)
        self.taken[at, label] = choice
        return choice, to

    def _without_target(self, at: int) -> str:
        """The message for labels of a stage that go nowhere, with the options of the first."""
        undecided = dict.fromkeys(self.undecided[at])  # several labels may have come to one
        decision, to = self.ways[at][next(iter(undecided))]
        lost = [label for label in undecided if self.ways[at][label][1] == to]
        start, end = self.stages[at], self.stages[to]
        offer = f"{_key(lost[0])}=" + " | ".join(decision.options or [*end.labels, DROP])
        shown = ", ".join(map(repr, lost))
        few, them = ("has no target", "it") if len(lost) == 1 else ("have no target", "them")
        return (
            f"{start.name} -> {end.name}: {shown} {few}; choose one ({offer}), "
            f"or leave {them} out: drop=[{shown}] or drop=True"
        )
