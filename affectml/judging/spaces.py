"""Judging in other labels than a model's or a data set's own: where two taxonomies meet, and what answers are there.

`find_space` says in which labels: one side mapped to the other's taxonomy, or both to a coarser one, or why not.
`people_in` and `in_space` bring people's answers and a system's there. `coarser` judges a run at the coarser levels of
its own labels, a view of `affectml.judging.evaluate`.
"""

from collections.abc import Mapping as Dict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectml.data import Dataset, Targets
from affectml.errors import BadInput, NoMapping, UnknownLabel
from affectml.judging.figures import Rows
from affectml.judging.scoring import Answers, add_scores
from affectml.judging.truth import Array, Floats, Ints, Truth, cut_sets, hits_of
from affectml.judging.views import Case
from affectml.taxonomies import Mapping, Taxonomy, ancestors, mapping
from affectml_annotation import count_votes, fit_beta_prior


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
    keep: Ints
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
            ways = (_same(side) if goal is side else choices.mapping(side, goal) for side in (model, truth))
            spaces.append(space_of(*ways))
        except NoMapping as error:
            refused.append(str(error))
    return spaces, refused


def _lost(space: Space) -> float:
    """The share of both sides' labels that go nowhere."""
    return float(np.mean([1 - to.matrix[:, space.keep].any(axis=1).mean() for to in (space.of_model, space.of_truth)]))


def _same(taxonomy: Taxonomy) -> Mapping:
    source = dict.fromkeys(taxonomy.labels, "itself")
    return Mapping(taxonomy, taxonomy, np.eye(len(taxonomy)), source, (), (taxonomy.name,))


def space_of(of_model: Mapping, of_truth: Mapping) -> Space:
    """The space that both are mapped to; raises NoMapping where they share fewer than two of its labels."""
    whole, sides = of_truth.target, (of_model, of_truth)
    reached = of_model.matrix.any(axis=0) & of_truth.matrix.any(axis=0)
    keep = np.flatnonzero(reached)
    if len(keep) < 2:
        both = " and ".join(dict.fromkeys(to.origin.name for to in sides))
        raise NoMapping(f"{both} share fewer than two labels of {whole.name}")
    shown = dict.fromkeys(line for to in sides if to.origin.labels != to.target.labels for line in to.lines())
    labels, missed = (tuple(np.array(whole.labels, dtype=object)[on]) for on in (reached, ~reached))
    part = whole
    if missed:
        kept = ("parents", "synonyms", "places", "displays")
        details: dict[str, Any] = {
            what: {label: detail for label, detail in getattr(whole, what).items() if label in labels} for what in kept
        }
        part = replace(whole, labels=labels, wheel=(), **details)
    return Space(of_model, of_truth, part, keep, missed, tuple(shown))


@dataclass(frozen=True)
class People:
    """A data set's answers in a space: truth of the images that have any, and the mass that was mapped, in [0, 1].

    notes: that the rates of merged labels are only known to lie between bounds, so that they order the labels at most.
    """

    truth: Truth
    mass: float
    notes: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What shares are compared with here: the kind of the truth; "" where no share can be."""
        return "" if self.notes else self.truth.kind


def people_in(
    dataset: Dataset, targets: Targets, image_ids: Array, train_ids: Array, to: Mapping, space: Space, tau: float
) -> People:
    """What people said of these images, in the space's labels.

    Single labels, sets and distributions are mapped as they are; an image whose whole mass is dropped or unreachable is
    left out, a distribution's rest is renormalised. Rates are counted anew from single judgements, which is exact;
    without them and where labels merge, the middle of what is possible is taken, for an order of the labels only.

    Raises NoMapping where a label is shared among several and only masses could be.
    """
    part, kind, no_sets, sets, beta = targets.take(image_ids), targets.kind, "", None, None
    votes, n, shares, notes = _mapped(dataset, part, to, space)
    inside, whole = part.table @ to.matrix[:, space.keep].sum(axis=1), part.table.sum(axis=1)
    mass = float((inside[whole > 0] / whole[whole > 0]).mean()) if (whole > 0).any() else 0.0
    rest = shares.sum(axis=1, keepdims=True)
    if kind == "distribution":
        shares = np.divide(shares, rest, out=np.zeros_like(shares), where=rest > 0)
    here = (rest[:, 0] > 0) | (kind in ("rates", "sets"))
    here &= True if n is None else n[:, 0] > 0
    if not here.any():
        raise NoMapping(f"no judged image of {dataset.name} has a label of {', '.join(space.taxonomy.labels)}")
    ids, shares = part.image_id[here], shares[here]
    votes, n = (None if table is None else table[here] for table in (votes, n))
    if kind == "rates" and votes is not None:
        known, asked, _, _ = _mapped(dataset, targets.take(train_ids), to, space)
        assert known is not None
        assert asked is not None
        beta = fit_beta_prior(known[asked[:, 0] > 0], asked[asked[:, 0] > 0])
    elif kind != "sets":
        no_sets = "rates without counts of people" if kind == "rates" else f"a {kind} target has no sets"
    sets = None if no_sets else cut_sets(kind, shares, votes, n, beta, tau)
    truth = Truth(kind, space.taxonomy.labels, ids, shares, *hits_of(kind, shares), sets, no_sets, tau)
    truth = replace(truth, vote_rule=part.meta.vote_rule, votes=votes, people=n, groups=dataset.groups(ids), beta=beta)
    return People(replace(truth, no_judgements="not asked for across data sets"), mass, tuple(notes))


def _mapped(
    dataset: Dataset, part: Targets, to: Mapping, space: Space
) -> tuple[Ints | None, Ints | None, Floats, list[str]]:
    """Votes and people where counted, shares, all [N, T] of the space's labels, and notes."""
    judgements, plain, keep, notes = dataset.judgements, to.origin is to.target, space.keep, list[str]()
    if part.kind != "rates":
        shares = to.map_sets(part.table) if part.kind in ("single", "sets") else to.map_distribution(part.shares())
        return None, None, shares[:, keep], notes
    votes, n = part.votes, part.n
    if not plain or votes is None or n is None or n.ndim > 1:
        votes, n, shares = None, None, part.shares()
        if judgements is not None:
            ours = judgements[judgements["image_id"].isin(set(part.image_id))]
            counted = count_votes(ours if plain else to.map_judgements(ours), to.target.labels, list(part.image_id))
            votes, n = counted.votes, counted.n
        elif not plain:
            shares = np.nan_to_num(to.bound_rates(shares)).mean(axis=0)
            if merged := [label for label, children in to.merged.items() if len(children) > 1]:
                notes = [
                    f"{dataset.name}: no single judgements, so the rates of {', '.join(merged)} are only bounded; "
                    "their middle orders the labels and no metric of rates is given"
                ]
    if votes is None or n is None:
        return None, None, shares[:, keep], notes
    return votes[:, keep], np.repeat(n[:, None], len(keep), axis=1), (votes / np.maximum(n, 1)[:, None])[:, keep], notes


def in_space(answers: Answers, to: Mapping, space: Space, *, rates: bool, kind: str) -> Answers:
    """A system's answers in the space's labels.

    rates: whether scores are rates, each label on its own, and not a distribution. A parent's rate then is that of any
    child, taken as independent within an image: 1 - prod(1 - rate), which lies within what is possible. A
    distribution's masses add up. kind: of the truth it will meet, see `People.kind`; shares are given where they mean
    the same. A set has a label where it has any child.
    """
    scores, shares, sets = _carry(answers.scores, to, space, rates), None, None
    if kind in ("rates", "sets") and answers.shares is not None and rates:
        shares = _carry(answers.shares, to, space, rates)
    elif kind in ("single", "distribution") and not rates:
        total = scores.sum(dim=1, keepdim=True)
        shares = torch.where(total > 0, scores / total.clamp(min=1e-300), torch.full_like(scores, 1 / scores.shape[1]))
    if answers.sets is not None and not to.split:
        sets = torch.from_numpy(np.asarray(to.map_sets(answers.sets.numpy()))[:, space.keep]).long()
    return Answers(scores, shares, sets)


def _carry(scores: Tensor, to: Mapping, space: Space, rates: bool) -> Tensor:
    matrix, values = torch.from_numpy(to.matrix[:, space.keep]).double(), scores.double()
    if not rates:
        return values @ matrix
    if to.origin is to.target:
        return values[:, torch.from_numpy(space.keep)]
    out = torch.ones(len(values), matrix.shape[1], dtype=torch.float64)
    for label, row in enumerate(matrix):
        out *= 1 - values[:, label : label + 1] * row
    return 1 - out


def coarser(case: Case) -> dict[str, Any]:
    """Every system judged at the coarser levels of its taxonomy: a view of `evaluate`; nothing without such levels.

    Of `Case.more` it needs `data` and `targets` (the data set and its target of the case's truth), `train` (image_id of
    the training images, for the prior by which votes become sets) and `rates` (names of systems whose scores are rates,
    each label on its own, and not a distribution). People's coarse answers are counted anew from their judgements where
    there are any. A level whose mapping shares a label among several is left out.

    Adds the same scores with the coarser taxonomy as `space`.

    Returns:
        levels: {SPACE: {"labels", "images": how many, "mass": the part of people's choices that is mapped, "lines"}}.
    """
    if "targets" not in case.more:
        return {}
    data, targets, ids = case.more["data"], case.more["targets"], case.truth.image_id
    facts: dict[str, Any] = {}
    place = {image: row for row, image in enumerate(ids)}
    for to in (mapping(targets.taxonomy, coarse, drop=True) for coarse in ancestors(targets.taxonomy)):
        try:
            space = space_of(to, to)
            people = people_in(data, targets, ids, case.more["train"], to, space, case.truth.tau)
        except NoMapping:
            continue
        truth, rows = people.truth, Rows(**{**case.rows.key, "space": to.target.name})
        index = np.array([place[image] for image in truth.image_id])
        for name, answer in case.answers.items():
            if name != "oracle":
                mapped = in_space(answer.rows(index), to, space, rates=name in case.more["rates"], kind=people.kind)
                add_scores(rows, mapped, truth, system=name)
        case.rows.rows += rows.rows
        lines = [*to.lines(), *people.notes]
        about = {"labels": list(space.taxonomy.labels), "images": len(index), "mass": people.mass, "lines": lines}
        facts[to.target.name] = about
    return {"levels": facts}
