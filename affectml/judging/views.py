"""What a page shows beside scores, as figures: by label, of sets, what was said instead, what stated shares are worth.

Each view is a function of a `Case` that adds to its rows, or returns facts; without what it needs it adds nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import entr
from torch import Tensor

from affectml.judging.figures import Rows
from affectml.judging.scoring import Answers, against_the_rest, first_label, set_pair
from affectml.judging.truth import TAUS, Array, Floats, Truth, cut_sets, part_of
from affectml_metrics import Interval, mean_interval, sums_interval, table_interval
from affectml_metrics import functional as F
from affectml_metrics.functional.average_precision import prepared_ranking
from affectml_metrics.functional.disagreement import prepared_correlation
from affectml_metrics.table import find

CELLS = 1_000_000  # images times labels, up to which average precision gets intervals: some seconds
NOTHING = "(nothing)"
PART = 16_384  # images whose answers are set beside the rest of their panels at once
MOST, LEAST = 8, 15  # bins of a label, and images of a bin


@dataclass(frozen=True, eq=False)
class Case:
    """What views make figures from.

    answers: of the images of `truth`, by the system's name, the oracle's among them. first: whom the page is about.
    images: the data set's images.parquet, for its columns; None where none are asked for. rows: to be added to. more:
    what a view of its own needs besides.
    """

    answers: Mapping[str, Answers]
    truth: Truth
    first: str
    seed: int
    rows: Rows
    images: pd.DataFrame | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> Answers:
        """What the first system says."""
        return self.answers[self.first]

    @property
    def own(self) -> dict[str, Answers]:
        """The systems whose answers differ from image to image, but for the oracle."""
        return {name: answer for name, answer in self.answers.items() if name not in ("prior", "oracle")}


def by_tau(case: Case) -> None:
    """Mean set F1 against the label sets of other cuts; predicted sets stay as they are."""
    truth = case.truth
    if truth.sets is None or truth.kind == "sets":
        return
    for tau in TAUS:
        sets = cut_sets(truth.kind, truth.shares, truth.votes, truth.people, truth.beta, tau)
        rows = Rows(**case.rows.key | {"by": "tau", "level": f"{tau:.3g}", "tau": tau})
        rows.add("empty_share", (sets.sum(axis=1) == 0).mean(), system="people")
        for name, answer in case.answers.items():
            if answer.sets is not None:
                rows.add("set_f1", F.set_f1(answer.sets, torch.from_numpy(sets.astype(np.int64))).mean(), system=name)
        case.rows.rows += rows.rows


def by_label(case: Case) -> None:
    """By label: how common it is, F1, average precision, and how far shares are off."""
    truth, labels, groups = case.truth, case.truth.labels, case.truth.groups
    bounds = [(0.0, 1.0)] * len(labels)

    def add(metric: str, values: Any, **key: Any) -> None:
        case.rows.add_labels(metric, labels, values, **key)

    add("prevalence", truth.shares.mean(axis=0), system="people")
    f1 = find("label_f1_macro")
    assert f1 is not None
    assert f1.sums is not None
    by_label = partial(f1.sums.statistic, average="none")
    for name, answer in case.answers.items():
        pair = set_pair(answer, truth)
        if pair is not None:
            values = sums_interval(f1.sums.columns(*pair), by_label, groups=groups, bounds=bounds)
            add("label_f1", values, system=name)
            add("set_share", pair[0].double().mean(dim=0), system=name)
        if answer.shares is not None and truth.kind != "single":
            shares, theirs = answer.shares, torch.from_numpy(truth.shares)
            add("mean_share", shares.double().mean(dim=0), system=name)
            costs = F.rate_cross_entropy(shares.reshape(-1, 1), theirs.reshape(-1, 1)).view(shares.shape)
            values = mean_interval(costs, groups=groups, bounds=[(0, None)] * len(labels))
            add("rate_cross_entropy", values, system=name)
            if truth.sets is None:
                add("absolute_error", mean_interval((shares - theirs).abs(), groups=groups, bounds=bounds), system=name)
    right = truth.hits if truth.kind == "single" else truth.sets
    if right is not None:
        target = torch.from_numpy(right.astype(np.int64))
        for name, answer in case.own.items():
            of = prepared_ranking(answer.scores, target, mean=False)
            add("average_precision", _over_table(of, truth, right.sum(axis=0), target.numel() <= CELLS), system=name)
        add("average_precision", chance_of_order(right.sum(axis=0), len(right)), system="prior")
    _f1_with_one_person(case)


def _f1_with_one_person(case: Case) -> None:
    """F1 of each label against one person's answer, of systems and of another person of the same image.

    Pairs of a set and one person's answer are counted over the images, each image with the same weight. It needs no cut
    that makes one set of a panel's votes. Nothing where single people's answers are not known as votes, of at least two
    people on two images or more.
    """
    truth = case.truth
    if truth.kind != "rates" or truth.votes is None or truth.people is None or truth.sets is None:
        return
    kept = (truth.people >= 2).all(axis=1)
    if kept.sum() < 2:
        return
    votes, people, labels = truth.votes[kept].astype(float), truth.people[kept].astype(float), len(truth.labels)
    right = votes / people
    how: dict[str, Any] = {"groups": None if truth.groups is None else truth.groups[kept], "bounds": [(0, 1)] * labels}
    both = votes * (votes - 1) / (people * (people - 1))  # how often two different people of an image both gave a label
    sets = {name: answer.sets for name, answer in case.answers.items() if answer.sets is not None}
    for name in (*sets, "person"):  # one at a time, for less memory
        named = right if name == "person" else sets[name].numpy()[kept].astype(float)
        columns = np.concatenate([2 * (both if name == "person" else named * right), named + right], axis=1)
        f1 = sums_interval(torch.from_numpy(columns), lambda sums: sums[:, :labels] / sums[:, labels:], **how)
        against = "rest" if name == "person" else "people"
        case.rows.add_labels("label_f1_judgements", truth.labels, f1, system=name, against=against)


def _over_table(of: Callable[[Tensor], Tensor], truth: Truth, rests: Array, drawn: bool) -> Any:
    """A metric [C] in 0..1 by row weights, with intervals where these are `drawn`. rests [C]: images each rests on."""
    count = len(truth.image_id)
    if not drawn:
        return of(torch.ones(count, dtype=torch.float64))
    return table_interval(of, count, groups=truth.groups, bounds=[(0, 1)] * len(rests), rests=rests)


def chance_of_order(positives: Array, images: int) -> Floats:
    """The expected average precision of a random order, [C]: `positives` [C] of `images` have the label.

    (n - 1) / (N - 1) * (N - H) / N + H / N, with H = 1 + 1/2 + ... + 1/N; nan if no image has the label.
    Source: Bestgen 2015, "Exact expected average precision of the random baseline for system evaluation".
    """
    harmonic = (1 / np.arange(1, images + 1)).sum() / images
    others = (positives - 1) / max(images - 1, 1)
    return np.where(positives > 0, others * (1 - harmonic) + harmonic, np.nan)


def of_sets(case: Case) -> None:
    """How many labels sets hold, and how many of them are empty: of systems, of images, and of single people."""
    for name, sets in _sets(case).items():
        size = sets.sum(axis=1)
        case.rows.add("empty_share", float((size == 0).mean()), system=name, n=len(size))
        case.rows.add("labels_per_set", float(size.mean()), system=name, n=len(size))


def _sets(case: Case) -> dict[str, Array]:
    """0/1 sets of labels: of each system that has some, of the images (people), and single answers (person)."""
    truth = case.truth
    if truth.sets is None:
        return {}
    of_systems = {name: answer.sets.numpy() for name, answer in case.answers.items() if answer.sets is not None}
    alone = {} if truth.chosen is None or truth.asked is None else {"person": truth.chosen[truth.asked.astype(bool)]}
    return {**of_systems, "people": truth.sets, **alone}


def instead_of(case: Case) -> None:
    """What the first system said instead of what people said, and one person beside the rest, in images.

    A row `by` instead_of: level is people's label or NOTHING, label what was said or NOTHING.
    """
    truth, tables = case.truth, dict[str, Floats | None]()
    if truth.sets is not None and case.model.sets is not None:
        tables[case.first] = instead(truth.sets, case.model.sets.numpy())
        tables["person"] = _one_person(truth, instead)
    elif truth.kind in ("single", "distribution"):
        tables[case.first] = first_instead(truth.hits, first_label(case.model.scores).numpy())
        tables["person"] = _one_person(truth, first_instead)
    names = (*truth.labels, NOTHING)
    for who, table in tables.items():
        for (row, column), value in () if table is None else np.ndenumerate(table):
            if value > 0:
                key = {"level": names[row], "label": names[column], "against": "rest" if who == "person" else "people"}
                case.rows.add("images", value, system=who, by="instead_of", **key)


def _one_person(truth: Truth, count: Callable[[Array, Array, Array], Floats]) -> Floats | None:
    """What one person said instead of the rest of their panel, some images at a time for less memory.

    None where nobody has a panel, and where people name one label each and somebody named another number of them.
    """
    counted: Floats | None = None
    for part in np.split(np.arange(len(truth.image_id)), range(PART, len(truth.image_id), PART)):
        beside = against_the_rest(part_of(truth, part))
        if beside is not None:
            _, rest, answer, weight = beside
            if truth.sets is None and (answer.sum(axis=1) != 1).any():
                return None
            counted = count(rest, answer, weight) + (0 if counted is None else counted)
    return counted


def instead(people: Array, model: Array, weights: Array | None = None) -> Floats:
    """What was said instead of what, in images: [C + 1, C + 1]; rows are people's labels, columns the model's.

    A label that both have counts one on the diagonal. Each label that only people have counts one in its row, shared
    evenly by the labels that only the model has, and in the last column ("nothing") where there is none. A label that
    only the model has, on an image where people's set has no other, counts one in the last row. So the first C rows sum
    to how many images have each label in people's set. In the manner of Heydarian, Doyle & Samavi 2022 (MLCM), who let
    each wrong label count in full.

    people: 0/1 [N, C], or what each label counts. model: 0/1 [N, C]. weights: [N], how much each row counts; None where
    each is one image.
    """
    labels, there, named = people.shape[1], people.astype(bool), model.astype(bool)
    counts = np.ones((len(there), 1)) if weights is None else np.asarray(weights, dtype=np.float64)[:, None]
    missed, added = counts * people * ~named, named & ~there
    table = np.zeros((labels + 1, labels + 1))
    more = np.maximum(added.sum(axis=1, keepdims=True), 1)
    table[:labels, :labels] = missed.T @ (added / more) + np.diag((counts * people * named).sum(axis=0))
    table[:labels, labels] = missed[~added.any(axis=1)].sum(axis=0)
    table[labels, :labels] = (counts * added)[~missed.any(axis=1)].sum(axis=0)
    return table


def first_instead(hits: Array, first: Array, weights: Array | None = None) -> Floats:
    """The same for systems that name one label: nothing in the last row and column.

    hits: 0/1 [N, C], the labels that count as right; an image with several counts one on the diagonal where the model
    named one of them, else its one is shared by them. Images without any are left out. first: 0/1 [N, C], the label
    that the model named.
    """
    right, kept = np.where((hits * first).any(axis=1, keepdims=True), first, hits), hits.any(axis=1)
    shares = right[kept] / right[kept].sum(axis=1, keepdims=True)
    return instead(shares, first[kept], None if weights is None else np.asarray(weights)[kept])


def stated(case: Case) -> None:
    """Whether shares mean what they say, label by label: rows `by` bin, the mean stated share beside what was seen.

    Images are sorted by what the system said, in up to 8 bins of at least 15 images; equal shares stay in one bin. The
    interval is Student's t of the mean residual seen - stated in the bin, kept within [0, 1]. Its standard error is
    that of the residuals themselves, since shares of votes scatter less than 0/1 outcomes would; and at least the
    error of drawing the votes if the rates were right, so that a bin that nobody voted in is not taken for certain.
    """
    truth, shares = case.truth, case.model.shares
    if shares is None or truth.single_positive:
        return
    people = people_behind(truth)
    for c, label in enumerate(truth.labels):
        seen, asked = truth.shares[:, c], None if people is None else people[:, c]
        if seen.any():
            add_bins(case.rows, shares[:, c].numpy(), seen, asked, truth.groups, system=case.first, label=label)


def add_bins(
    rows: Rows, said: Array, seen: Array, people: Array | None, groups: Array | None, *, most: int = MOST, **key: Any
) -> None:
    """Rows `by` bin of what was said and seen, of how many people, each [N]; see `stated`. most: how many bins."""
    for at, part in enumerate(_bins(said, most), start=1):
        place = {"by": "bin", "level": str(at), "n": len(part), **key}
        rows.add("stated_share", said[part].mean(), **place)
        rows.add("seen_share", _seen(said, seen, people, part, groups), **place)


def people_behind(truth: Truth) -> Floats | None:
    """How many answers each share is of, [N, C]; ones where targets are 0/1, None where it is not known."""
    if truth.kind in ("single", "sets"):
        return np.ones(truth.shares.shape)
    if truth.votes is None:
        return None
    if truth.kind == "distribution":
        return np.repeat(truth.votes.sum(axis=1, keepdims=True), len(truth.labels), axis=1).astype(np.float64)
    return None if truth.people is None else np.asarray(truth.people, dtype=np.float64)


def _bins(said: Array, most: int) -> list[Array]:
    """The rows of each bin; images of equal shares stay in one."""
    order = np.argsort(said, kind="stable")
    count = max(1, min(most, len(said) // LEAST))
    edges = [round(len(said) * k / count) for k in range(1, count)]
    cuts = sorted({int(np.searchsorted(said[order], said[order][e], side="left")) for e in edges} - {0})
    return np.split(order, cuts)


def _seen(said: Array, seen: Array, people: Array | None, part: Array, groups: Array | None) -> Interval:
    """The mean seen of a bin with its interval; without one where one image or group tells nothing of its spread."""
    from scipy.special import stdtrit

    residual, size, centre = seen[part] - said[part], len(part), float(seen[part].mean())
    centred = residual - residual.mean()
    if groups is not None:
        centred = np.bincount(np.unique(groups[part], return_inverse=True)[1], weights=centred)
    units = len(centred)
    error = float(np.sqrt((centred**2).sum() * units / (units - 1)) / size) if units > 1 else 0.0
    if people is not None:
        drawn = said[part] * (1 - said[part]) / np.maximum(people[part], 1)
        error = max(error, float(np.sqrt(drawn.sum()) / size))
    half = float(stdtrit(max(units - 1, 1), 0.975)) * error
    ends = (centre, max(0.0, centre - half), min(1.0, centre + half), size, 0, max(units, 2))
    return Interval(*(torch.tensor(x, dtype=torch.float64) for x in ends))


def undecided(case: Case) -> None:
    """The rank correlation between people's entropy and the system's, image by image."""
    truth, rates = case.truth, case.truth.kind == "rates"
    if truth.kind in ("single", "sets") or len(truth.image_id) < 3:
        return
    theirs = entropies(truth.shares, rates=rates)
    for name, answer in case.own.items():
        its = None if answer.shares is None else entropies(answer.shares.numpy(), rates=rates)
        if its is not None and theirs.std() and its.std():
            rank = prepared_correlation(torch.from_numpy(its), torch.from_numpy(theirs), "spearman")
            correlation = table_interval(rank, len(theirs), groups=truth.groups, bounds=[(-1.0, 1.0)])
            case.rows.add("entropy_rank_correlation", correlation, system=name)


def entropies(shares: Array, *, rates: bool) -> Floats:
    """How undecided each image's shares are, [N], from 0 (everybody alike) to 1.

    rates [N, C]: the mean over labels of the entropy in bits of "chosen or not". Otherwise a distribution: its entropy
    over the logarithm of the number of labels.
    """
    p = np.clip(shares.astype(np.float64), 0, 1)
    if rates:
        return np.asarray((entr(p) + entr(1 - p)).mean(axis=1) / np.log(2))
    return np.asarray(entr(p).sum(axis=1) / np.log(p.shape[1]))
