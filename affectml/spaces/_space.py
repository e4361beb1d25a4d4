"""Where a model of one taxonomy and the answers of another can be compared: the space of a pair of data sets."""

from collections.abc import Mapping as Dict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.errors import BadInput, NoMapping, UnknownLabel
from affectml.taxonomies import Mapping, Taxonomy, ancestors, mapping


@dataclass(frozen=True)
class Space:
    """The labels that both sides reach.

    of_model: the train set's labels to the space; of_truth: the test set's. Unless the two meet in a coarser taxonomy,
    one of them changes nothing (each label to itself). taxonomy: the space's labels that both sides reach, in the
    order of its taxonomy; keep: their columns. unreachable: labels of the space that only one side has. lines: the
    paths, the choices taken and what is dropped.
    """

    of_model: Mapping
    of_truth: Mapping
    taxonomy: Taxonomy
    keep: NDArray[np.int64]
    unreachable: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Choices:
    """What the user decided about ambiguous labels: label -> option, and whether undecided labels may be dropped."""

    options: Dict[str, str]
    drop: bool = False

    def mapping(self, start: Taxonomy, goal: Taxonomy) -> Mapping:
        """The mapping with those choices that speak of it."""
        return mapping(start, goal, drop=self.drop, **self.fitting(start, goal))

    def fitting(self, start: Taxonomy, goal: Taxonomy) -> dict[str, str]:
        """The choices that are possible on this way."""
        fit = {}
        for label, option in self.options.items():
            with suppress(BadInput, UnknownLabel):
                mapping(start, goal, drop=True, **{label: option})
                fit[label] = option
        return fit

    def check(self, taxonomies: list[Taxonomy]) -> None:
        """Raise BadInput for a choice that fits no way between any two of these taxonomies."""
        for label, option in self.options.items():
            alone = Choices({label: option})
            if not any(alone.fitting(start, goal) for start in taxonomies for goal in taxonomies):
                names = ", ".join(dict.fromkeys(taxonomy.name for taxonomy in taxonomies))
                raise BadInput(f"choice {label}={option}: no mapping between {names} offers it")


def find_space(model: Taxonomy, truth: Taxonomy, choices: Choices) -> Space:
    """The test set's labels if the model's map to them, else the model's own if the test set's map to those.

    Failing that, the finest of the coarser taxonomies above either that both map to. Only where all of that is refused
    does `choices.drop` leave undecided labels out, on the way that loses the fewest. Raises NoMapping with the reasons
    of both direct ways.
    """
    ways, refused = _ways(model, truth, replace(choices, drop=False))
    if not ways and choices.drop:
        ways, refused = _ways(model, truth, choices)
        ways.sort(key=_lost)
    if not ways:
        raise NoMapping(f"{refused[0]}; the other way, {refused[1]}")
    return ways[0]


def _ways(model: Taxonomy, truth: Taxonomy, choices: Choices) -> tuple[list[Space], list[str]]:
    """Every space of the two, best first, and why the others are none."""
    above = {coarse.name: coarse for side in (model, truth) for coarse in ancestors(side)}
    coarser = [above[name] for name in above if name not in (model.name, truth.name)]
    spaces, refused = [], []
    for goal in (truth, model, *sorted(coarser, key=len, reverse=True)):
        try:
            of_model = _same(model) if goal is model else choices.mapping(model, goal)
            of_truth = _same(truth) if goal is truth else choices.mapping(truth, goal)
            spaces.append(_space(of_model, of_truth, goal))
        except NoMapping as error:
            refused.append(str(error))
    return spaces, refused


def _lost(space: Space) -> float:
    """The share of both sides' labels that go nowhere."""
    return float(np.mean([1 - to.matrix[:, space.keep].any(axis=1).mean() for to in (space.of_model, space.of_truth)]))


def space_of(to: Mapping) -> Space:
    """The space of one data set's own coarser labels: both its model and its people are mapped the same way."""
    keep = np.flatnonzero(to.matrix.any(axis=0))
    if len(keep) < 2:
        raise NoMapping(f"{to.origin.name} reaches fewer than two labels of {to.target.name}")
    return Space(to, to, _part(to.target, keep), keep, to.unreachable, tuple(to.lines()))


def _space(of_model: Mapping, of_truth: Mapping, taxonomy: Taxonomy) -> Space:
    reached = of_model.matrix.any(axis=0) & of_truth.matrix.any(axis=0)
    keep = np.flatnonzero(reached)
    if len(keep) < 2:
        both = f"{of_model.origin.name} and {of_truth.origin.name}"
        raise NoMapping(f"{both} share fewer than two labels of {taxonomy.name}")
    shown = [line for to in (of_model, of_truth) if to.origin.labels != to.target.labels for line in to.lines()]
    missed = tuple(np.array(taxonomy.labels, dtype=object)[~reached])
    return Space(of_model, of_truth, _part(taxonomy, keep), keep, missed, tuple(dict.fromkeys(shown)))


def _same(taxonomy: Taxonomy) -> Mapping:
    eye = np.eye(len(taxonomy))
    return Mapping(taxonomy, taxonomy, eye, dict.fromkeys(taxonomy.labels, "itself"), (), (taxonomy.name,))


def _part(taxonomy: Taxonomy, keep: NDArray[np.int64]) -> Taxonomy:
    """Some of a taxonomy's labels, with their synonyms, places and prompts."""
    if len(keep) == len(taxonomy):
        return taxonomy
    labels = tuple(taxonomy.labels[c] for c in keep)

    kept: dict[str, Any] = {}
    for what in ("parents", "synonyms", "places", "displays"):
        said = getattr(taxonomy, what)
        kept[what] = {label: said[label] for label in labels if label in said}
    return replace(taxonomy, labels=labels, wheel=(), other_wheels={}, **kept)
