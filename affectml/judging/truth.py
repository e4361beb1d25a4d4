"""What people said of the images to be judged, in the forms that the scores need."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.data import Dataset, Targets
from affectml.errors import BadDataset
from affectml_annotation import (
    BadJudgement,
    BetaPrior,
    Panel,
    UnknownLabel,
    encode,
    fit_beta_prior,
    fit_dirichlet_prior,
    label_sets,
    label_sets_from_shares,
)

DEFAULT_TAU = 1 / 3
TAUS = (0.2, 1 / 3, 0.5)  # every report shows how the set scores move with the cut

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
# why single judgements are not known, by the kind of the target
UNKNOWN = {
    "rates": "no single judgements (annotations.parquet) in the data set",
    "single": "one label per image says nothing of how people agree",
    "sets": "one agreed set per image says nothing of how people agree",
    "distribution": "shares without exact counts of people who chose one label each",
}


@dataclass(frozen=True)
class Truth:
    """N images over C labels, as people (or a folder name) see them. Every array has a row per image.

    shares [N, C]: rates, or a distribution, or 0/1. hits [N, C]: the labels that count as right for top-k, by
    `hit_rule`. sets [N, C]: the label set of each image at `tau`, None where there can be none (`no_sets` says
    why). chosen [N, A, C] and asked [N, A]: single judgements, None where unknown. oracle [N, C]: the true
    rates, on demo sets only. votes, people [N, C]: counts where known. groups [N]: whom intervals keep
    together. prior: fitted on training images, used wherever votes become sets. wheel: the columns in the order of the
    taxonomy's circle, () where it has none; wheel_rule says which order that is, and what others there are.
    pooled, stopped: what is to be said where answers are in several languages, and where images stopped early.
    """

    kind: str
    labels: tuple[str, ...]
    image_id: Array
    shares: Array
    hits: Array
    hit_rule: str = ""
    sets: Array | None = None
    no_sets: str = ""
    tau: float = DEFAULT_TAU
    vote_rule: str | None = None
    votes: Array | None = None
    people: Array | None = None
    chosen: Array | None = None
    asked: Array | None = None
    no_judgements: str = ""
    oracle: Array | None = None
    groups: Array | None = None
    beta: BetaPrior | None = None
    single_positive: bool = False
    wheel: tuple[int, ...] = ()
    wheel_rule: str = ""
    pooled: str | None = None
    stopped: str | None = None

    @property
    def panels(self) -> tuple[Tensor, Tensor] | None:
        """chosen and asked, where single judgements of at least two people of one image are known."""
        if self.chosen is None or self.asked is None or int(self.asked.sum(axis=1).max()) < 2:
            return None
        return torch.from_numpy(self.chosen), torch.from_numpy(self.asked)

    def plausible(self, generator: np.random.Generator) -> Array | None:
        """One draw of what the unknown truth may be, [N, C]: from each image's posterior, given its votes.

        Means of the posterior would be too even and observed shares too extreme to stand in for a truth. None where
        the votes are not those of independent people, or not known.
        """
        if self.votes is None:
            return None
        if self.kind == "rates" and self.people is not None and self.beta is not None:
            yes, no = self.votes + self.beta.alpha, self.people - self.votes + self.beta.beta
            return np.asarray(generator.beta(yes, no))
        if self.kind == "distribution" and self.vote_rule == "one_choice":
            weights = generator.gamma(self.votes + fit_dirichlet_prior(self.votes).alpha)
            return np.asarray(weights / weights.sum(axis=1, keepdims=True))
        return None


def part_of(truth: Truth, index: Array) -> Truth:
    """The same for some of the images."""
    parts: dict[str, Any] = {name: rows[index] for name, rows in vars(truth).items() if isinstance(rows, np.ndarray)}
    return replace(truth, **parts)


def fit_prior(train: Targets) -> BetaPrior | None:
    """The Beta prior of each label's rate, from the votes on training images; None without counts."""
    if train.kind != "rates" or train.votes is None or train.people is None:
        return None
    return fit_beta_prior(train.votes, train.people)


def cut_sets(
    kind: str, shares: Array, votes: Array | None, people: Array | None, beta: BetaPrior | None, tau: float
) -> Array:
    """Label sets [N, C] bool: given sets as they are, votes by the posterior rule, bare shares at the cut."""
    if kind == "sets":
        return shares > 0.5
    if votes is not None and people is not None and beta is not None:
        return np.asarray(label_sets(votes, people, beta, tau))
    return np.asarray(label_sets_from_shares(shares, tau))


def read_truth(
    dataset: Dataset,
    targets: Targets,
    image_ids: Array | Sequence[str],
    *,
    beta: BetaPrior | None,
    tau: float = DEFAULT_TAU,
    single_positive: bool = False,
) -> Truth:
    """Gather what the data set knows of these images under one target."""
    part = targets.take(image_ids)
    kind, shares, rule = part.kind, part.shares(), part.meta.vote_rule
    wheel, source = part.taxonomy.wheel, part.taxonomy.wheel_source
    no_sets = ""
    if single_positive:
        no_sets = "single labels: labels that are absent are unknown, not wrong"
    elif kind in ("single", "distribution"):
        no_sets = f"a {kind} target has one answer or shares of it, not sets"
    elif rule == "moments":
        no_sets = "rates made from a mean and an SD are marginals only"
    sets = None if no_sets else cut_sets(kind, shares, part.votes, part.people, beta, tau)
    labels, ids, hits = part.taxonomy.labels, part.image_id, hits_of(kind, shares)
    chosen, asked, why = _judgements(dataset, part)
    truth = Truth(
        kind, labels, ids, shares, *hits, sets, no_sets, tau, rule, part.votes, part.people, chosen, asked, why,
        _oracle(dataset, part), dataset.groups(ids), beta,
    )  # fmt: skip
    return replace(
        truth,
        single_positive=single_positive,
        wheel=tuple(map(part.taxonomy.index, wheel)),
        wheel_rule=f"along the wheel: {', '.join(wheel)}{f' ({source})' if source else ''}" if wheel else "",
        pooled=dataset.pooled(part),
        stopped=dataset.stopped(part),
    )


def hits_of(kind: str, shares: Array) -> tuple[Array, str]:
    """Which labels count as right for top-k: the set's labels, else the most chosen ones, ties all counting."""
    if kind == "sets":
        return (shares > 0.5).astype(np.int64), "any label of the image's set"
    if kind == "single":
        return shares.astype(np.int64), "the label"
    from affectml_metrics.functional import modes

    voted = shares.sum(axis=1) > 0
    hits = np.zeros(shares.shape, dtype=np.int64)
    hits[voted] = modes(shares[voted], ties="all").numpy()
    return (hits, "the most chosen label, any of them where several tie; images nobody chose a label for are left out")


def _judgements(dataset: Dataset, part: Targets) -> tuple[Array | None, Array | None, str]:
    """Single judgements, chosen [N, A, C] and asked [N, A], or why there are none."""
    rule = part.meta.vote_rule
    if rule == "moments":
        return None, None, "only means and SDs of people's ratings are known"
    if part.kind == "distribution" and rule == "one_choice" and part.votes is not None:
        from affectml_metrics import judgements_from_counts

        counted, present = judgements_from_counts(part.votes)
        return counted.numpy(), present.numpy(), ""
    if dataset.judgements is None or part.kind not in ("rates", "sets"):
        return None, None, UNKNOWN[part.kind]
    panel = answers_of_people(dataset, part.taxonomy.labels, part.image_id)
    if panel is None:
        return None, None, "the judgements are in other labels than this target"
    chosen, asked = _seated(panel, len(part.image_id))
    if asked.sum(axis=1).max(initial=0) < 2:
        return None, None, "no image with answers of two people"
    return chosen, asked, ""


def answers_of_people(dataset: Dataset, labels: Sequence[str], image_id: Array) -> Panel | None:
    """Single answers to these images; None where there are none, or they are in other labels."""
    judgements = dataset.judgements
    if judgements is None:
        return None
    try:
        return encode(judgements[judgements["image_id"].isin(image_id)], labels, list(image_id)).answers()
    except UnknownLabel:
        return None
    except BadJudgement as error:
        raise BadDataset(f"{dataset.root / 'annotations.parquet'}: {error}") from None


def _seated(panel: Panel, images: int) -> tuple[Array, Array]:
    """chosen [N, S, C] and asked [N, S], S being the largest number of people that answered one image.

    Who they were does not matter to one against the rest, and a seat per person of a large collection would not fit
    into memory.
    """
    order = np.lexsort((panel.annotator, panel.image))
    image = panel.image[order]
    seat = pd.Series(image).groupby(image).cumcount().to_numpy()
    asked = np.zeros((images, int(seat.max(initial=-1)) + 1), dtype=bool)
    chosen = np.zeros((*asked.shape, panel.chosen.shape[1]), dtype=np.uint8)
    chosen[image, seat], asked[image, seat] = panel.chosen[order], True
    return chosen, asked


def _oracle(dataset: Dataset, part: Targets) -> Array | None:
    truth = dataset.truth
    one_choice = part.kind == "distribution" and part.meta.vote_rule == "one_choice"
    if truth is None or not (one_choice or part.kind == "rates") or not set(part.taxonomy.labels) <= set(truth.columns):
        return None
    rows = pd.Index(truth["image_id"].astype(str)).get_indexer(pd.Index(part.image_id))
    if (rows < 0).any():
        return None
    values = truth[list(part.taxonomy.labels)].to_numpy(dtype=np.float64)[rows]
    # where people named one label each, the truth is a distribution; where they chose all that apply, it is not
    return values if one_choice == bool(np.allclose(values.sum(axis=1), 1)) else None
