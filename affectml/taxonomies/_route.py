"""From one taxonomy to another: the tables of decisions in `mappings/*.yaml`, read once (where a label goes, why, and
what else it could be), and which tables, parents and equal names lead there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from affectml.errors import UnknownLabel, UnknownTaxonomy, did_you_mean
from affectml.taxonomies._names import builtin_names, own_yaml
from affectml.taxonomies.taxonomy import Taxonomy, get_taxonomy

_MOST_HOPS = 4
_POLES = frozenset({"negative", "neutral", "positive"})
Kind = Literal["parents", "table", "names"]  # in this order: one's own parents before what another source says


@dataclass(frozen=True)
class Decision:
    """Options for one label, each with its why, and the one taken by default (None: the user must say)."""

    options: Mapping[str, str]
    take: str | None


@dataclass(frozen=True)
class Hop:
    """One step between two taxonomies, by a table, by parents or by equal names.

    decisions: where labels may go; of one that has none nothing says. via: the taxonomy through which these go.
    refines: it leads to finer labels, so no chain of mappings passes here.
    """

    start: Taxonomy
    end: Taxonomy
    kind: Kind
    decisions: Mapping[str, Decision]
    via: Taxonomy | None = None
    refines: bool = False


@cache
def tables() -> dict[tuple[str, str], Hop]:
    """The step of every built-in table, by the names of both taxonomies."""
    found: dict[tuple[str, str], Hop] = {}
    for file in files("affectml.taxonomies").joinpath("mappings").iterdir():
        for table in own_yaml(file.read_text(encoding="utf-8")):
            start, end = get_taxonomy(table["source"]), get_taxonomy(table["target"])
            above = _to_parents(start) if table.get("base") == "parents" else {}
            decisions = above | {label: _decision(entry) for label, entry in table["labels"].items()}
            via = get_taxonomy(table["via"]) if "via" in table else None
            kind: Kind = "parents" if above else "table"
            found[start.name, end.name] = Hop(start, end, kind, decisions, via, table.get("refines", False))
    return found


def _decision(entry: dict[str, Any]) -> Decision:
    if "to" in entry:
        return Decision({entry["to"]: entry["why"]}, entry["to"])
    return Decision(entry["options"], entry.get("take"))


def by_names(start: Taxonomy, end: Taxonomy) -> Hop:
    """The step on which each label goes to its namesake."""
    return Hop(
        start, end, "names", {name: Decision({name: "same word"}, name) for name in start.labels if name in end.labels}
    )


def ancestors(taxonomy: Taxonomy) -> list[Taxonomy]:
    """The coarser taxonomies above, nearest first."""
    found: list[Taxonomy] = []
    here = _parent(taxonomy)
    while here is not None and here.name not in {taxonomy.name, *(t.name for t in found)}:
        found.append(here)
        here = _parent(here)
    return found


def find_route(start: Taxonomy, goal: Taxonomy) -> list[Hop] | None:
    """The shortest chain of steps; one that refines goes with equal names only, never after or before merging."""
    nodes = [get_taxonomy(name) for name in builtin_names()]
    nodes = [*ancestors(start), *(node for node in nodes if node.name not in {start.name, goal.name})]
    for length in range(1, _MOST_HOPS + 1):
        for hops in _chains([], start, goal, nodes, length):
            if not any(hop.refines for hop in hops) or all(hop.kind == "names" or hop.refines for hop in hops):
                return hops
    return None


def find_hop(start: Taxonomy, end: Taxonomy) -> Hop | None:
    """The single step between two taxonomies, if there is one."""
    here, there = set(start.labels), set(end.labels)
    parent = _parent(start)
    if table := tables().get((_known(start), _known(end))):
        return replace(table, start=start, end=end)
    if here == there:
        return by_names(start, end)
    if parent is not None and set(parent.labels) == there:
        return Hop(start, end, "parents", _to_parents(start))
    if (here < there or there < here) and start.name not in {above.name for above in ancestors(end)}:
        return by_names(start, end)
    return None


def _chains(
    so_far: list[Hop], start: Taxonomy, goal: Taxonomy, nodes: list[Taxonomy], length: int
) -> Iterator[list[Hop]]:
    if length == 1:
        last = find_hop(start, goal)
        if last is not None:
            yield [*so_far, last]
        return
    passed = {start.name, *(hop.start.name for hop in so_far)}
    steps = [hop for node in nodes if node.name not in passed and (hop := find_hop(start, node)) is not None]
    for step in sorted(steps, key=lambda hop: get_args(Kind).index(hop.kind)):
        yield from _chains([*so_far, step], step.end, goal, nodes, length - 1)


def _parent(taxonomy: Taxonomy) -> Taxonomy | None:
    if taxonomy.parent is None or not taxonomy.parents:
        return None
    try:
        parent = taxonomy.parent if isinstance(taxonomy.parent, Taxonomy) else get_taxonomy(taxonomy.parent)
    except UnknownTaxonomy as error:
        raise UnknownTaxonomy(f"taxonomy {taxonomy.name}: its parent: {error}") from None
    for label, above in taxonomy.parents.items():
        if above not in parent.labels:
            raise UnknownLabel(
                f"taxonomy {taxonomy.name}: the parent {above!r} of {label!r} is no label of {parent.name}"
                f"{did_you_mean(above, parent.labels)}"
            )
    return parent


def _to_parents(taxonomy: Taxonomy) -> dict[str, Decision]:
    """Each label that has a parent goes there."""
    return {label: Decision({above: _why_parent(taxonomy, label)}, above) for label, above in taxonomy.parents.items()}


def _why_parent(taxonomy: Taxonomy, label: str) -> str:
    if set(taxonomy.parents.values()) <= _POLES and label in taxonomy.places and taxonomy.parent != "parrott-2":
        place = taxonomy.places[label]
        return f"its valence {place.valence:+.2f} ({place.source})"
    return taxonomy.source or f"the parents given in {taxonomy.name}"


def _known(taxonomy: Taxonomy) -> str:
    """The built-in taxonomy whose name and labels these are, in whatever order; empty where there is none."""
    known = taxonomy.name in builtin_names() and {*get_taxonomy(taxonomy.name).labels} == {*taxonomy.labels}
    return taxonomy.name if known else ""
