"""Both sides of a comparison, brought into the space: what people said, and what a system says."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.data import Dataset, Targets
from affectml.errors import NoMapping
from affectml.judging.scoring import Answers
from affectml.judging.truth import Truth, cut_sets, hits_of
from affectml.spaces._space import Space
from affectml.taxonomies import Mapping
from affectml_annotation import BetaPrior, count_votes, fit_beta_prior

Floats = NDArray[np.float64]
Ids = NDArray[np.object_]


@dataclass(frozen=True)
class People:
    """A data set's answers in a space: truth of the images that have any, and the mass that was mapped, in [0, 1].

    bounded: the rates of merged labels are only known to lie between bounds, so that they order the labels at most.
    """

    truth: Truth
    mass: float
    notes: tuple[str, ...]
    bounded: bool = False


def people_in(
    dataset: Dataset,
    targets: Targets,
    image_ids: NDArray[np.object_],
    train_ids: NDArray[np.object_],
    to: Mapping,
    space: Space,
    tau: float,
) -> People:
    """What people said of these images, in the space's labels.

    Single labels, sets and distributions are mapped as they are; an image whose whole mass is dropped or unreachable is
    left out, a distribution's rest is renormalised. Rates are counted anew from single judgements, which is exact;
    without them and where labels merge, the middle of what is possible is taken, for an order of the labels only.

    Raises NoMapping where a label is shared among several and only masses could be.
    """
    part = targets.take(image_ids)
    votes, n, shares, notes = _mapped(dataset, part, to)
    whole = part.table.sum(axis=1)
    kept = shares[:, space.keep]
    mass = _mean_mass(part, to, space, whole)
    if part.kind == "distribution":
        rest = kept.sum(axis=1, keepdims=True)
        kept = np.divide(kept, rest, out=np.zeros_like(kept), where=rest > 0)
    here = np.ones(len(kept), dtype=bool) if part.kind in ("rates", "sets") else kept.sum(axis=1) > 0
    if n is not None:
        here &= n > 0
    if not here.any():
        raise NoMapping(f"no judged image of {dataset.name} has a label of {', '.join(space.taxonomy.labels)}")
    counted = None if votes is None else votes[:, space.keep][here]
    people = None if n is None else np.repeat(n[here][:, None], len(space.keep), axis=1)
    sets, no_sets, beta = None, f"a {part.kind} target has no sets", None
    if part.kind == "sets":
        sets = kept[here] > 0.5
    elif part.kind == "rates" and counted is not None:
        beta = _beta(dataset, targets, train_ids, to, space)
        sets = cut_sets("rates", kept[here], counted, people, beta, tau)
    elif part.kind == "rates":
        no_sets = "rates without counts of people"
    hits, rule = hits_of(part.kind, kept[here])
    truth = Truth(
        kind=part.kind,
        vote_rule=part.meta.vote_rule,
        labels=space.taxonomy.labels,
        image_id=part.image_id[here],
        shares=kept[here],
        hits=hits,
        hit_rule=rule,
        sets=sets,
        no_sets=no_sets,
        tau=tau,
        votes=counted,
        people=people,
        chosen=None,
        asked=None,
        no_judgements="not asked for across data sets",
        oracle=None,
        groups=dataset.groups(part.image_id[here]),
        beta=beta,
    )
    return People(truth, mass, tuple(notes), bounded=bool(notes))


def _mapped(
    dataset: Dataset, part: Targets, to: Mapping
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None, Floats, list[str]]:
    """Votes and people where counted, shares [N, T], notes."""
    judgements = dataset.judgements
    plain = to.origin is to.target
    if part.kind != "rates":
        if part.kind in ("single", "sets"):
            return None, None, np.asarray(to.map_sets(part.table)), []
        return None, None, np.asarray(to.map_distribution(part.shares())), []
    if plain and part.votes is not None and part.n is not None and part.n.ndim == 1:
        return part.votes, part.n, part.shares(), []
    if judgements is not None:
        ours = judgements[judgements["image_id"].isin(set(part.image_id))]
        counted = count_votes(ours if plain else to.map_judgements(ours), to.target.labels, list(part.image_id))
        shares = counted.votes / np.maximum(counted.n, 1)[:, None]
        return counted.votes, counted.n, shares, []
    if plain:
        return None, None, part.shares(), []
    low, high = (np.nan_to_num(np.asarray(bound)) for bound in to.bound_rates(part.shares()))
    merged = [label for label, children in to.merged.items() if len(children) > 1]
    note = (
        f"{dataset.name}: no single judgements, so the rates of {', '.join(merged)} are only bounded; "
        "their middle orders the labels and no metric of rates is given"
    )
    return None, None, (low + high) / 2, [note] if merged else []


def _mean_mass(part: Targets, to: Mapping, space: Space, whole: Floats) -> float:
    """The part of people's choices that lies on labels of the space, mean over images that have any."""
    inside = part.table @ to.matrix[:, space.keep].sum(axis=1)
    chosen = whole > 0
    return float((inside[chosen] / whole[chosen]).mean()) if chosen.any() else 0.0


def _beta(dataset: Dataset, targets: Targets, train_ids: Ids, to: Mapping, space: Space) -> BetaPrior:
    votes, n, _, _ = _mapped(dataset, targets.take(train_ids), to)
    assert votes is not None
    assert n is not None
    asked = n > 0
    people = np.repeat(n[asked][:, None], len(space.keep), axis=1)
    return fit_beta_prior(votes[:, space.keep][asked], people)


def system_in(answers: Answers, to: Mapping, space: Space, *, rates: bool, kind: str) -> Answers:
    """A system's answers in the space's labels.

    rates: whether scores are rates, each label on its own, and not a distribution. A parent's rate then is that of any
    child, taken as independent within an image: 1 - prod(1 - rate), which lies within what is possible. A
    distribution's masses add up. kind: of the truth it will meet; shares are given where they mean the same.
    A set has a label where it has any child.
    """
    scores = _carry(answers.scores, to, space, rates)
    shares = None
    if kind in ("rates", "sets") and answers.shares is not None and rates:
        shares = _carry(answers.shares, to, space, rates=True)
    elif kind in ("single", "distribution") and not rates:
        total = scores.sum(dim=1, keepdim=True)
        shares = torch.where(total > 0, scores / total.clamp(min=1e-300), torch.full_like(scores, 1 / scores.shape[1]))
    sets = None
    if answers.sets is not None and not to.split:
        sets = torch.from_numpy(np.asarray(to.map_sets(answers.sets.numpy()))[:, space.keep]).long()
    return Answers(scores, shares, sets)


def _carry(scores: Tensor, to: Mapping, space: Space, rates: bool) -> Tensor:
    matrix = torch.from_numpy(to.matrix[:, space.keep]).double()
    given = scores.double()
    if not rates:
        return given @ matrix
    if to.origin is to.target:
        return given[:, torch.from_numpy(space.keep)]
    out = torch.ones(len(given), matrix.shape[1], dtype=torch.float64)
    for label, row in enumerate(matrix):
        out *= 1 - given[:, label : label + 1] * row
    return 1 - out
