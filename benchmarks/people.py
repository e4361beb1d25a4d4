"""People told apart by a mixed logit: planted ones, none, OASIS' raters, and ten million answers.

    python benchmarks/people.py planted     demo paintings, planted people, beside the Bayes-optimal predictor; 5 seeds
                                            [--features affect-tiny: of the pixels, and the optimum given these]
    python benchmarks/people.py null        400 small sets of people who do not differ: how often a gain is claimed
    python benchmarks/people.py oasis       who finds which photograph beautiful: seen and unseen people, new images
    python benchmarks/people.py identify    how well a person's parameters tell who they are
    python benchmarks/people.py scale       seconds and memory at a million answers and at ten

Prints Markdown; docs/training.md says what it means. `oasis` and `identify` read oasis/ in --data. Needs
`pip install -e ".[dev-all]"`.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.demo_set.people import AXES, Words, true_rates
from affectml.embeddings import EmbeddingStore, embed_dataset
from affectml.encoders import load_encoder
from affectml.heads import ByPersonHead
from affectml.heads.mixed_logit import (
    Images,
    Normals,
    PersonAnswers,
    Population,
    person_rates,
    posterior,
)
from affectml_metrics import two_way_interval

EDGE = 1e-9
DRAWS = 1_000  # of importance sampling, a person
MANY = 20_000  # paintings that tell what features say of feelings


def nats(p: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of rates p against rates or choices y, in nats a cell."""
    inside = p.double().clamp(EDGE, 1 - EDGE)
    return -(y * inside.log() + (1 - y) * (1 - inside).log())


def shares(answers: PersonAnswers, images: int) -> tuple[Tensor, Tensor]:
    """People's rates [N, C] and how many answered [N]."""
    n = torch.bincount(answers.image, minlength=images).double()
    total = torch.zeros(images, answers.chosen.shape[1], dtype=torch.float64)
    return total.index_add_(0, answers.image, answers.chosen.double()) / n.clamp(min=1)[:, None], n


def fit(
    X: Tensor, answers: PersonAnswers, val: Tensor, groups: np.ndarray | None = None, **options: object
) -> tuple[ByPersonHead, Tensor, Tensor]:
    """A head fitted to answers about the rows of X that are not in val [N], 0/1; val's are learned from, too.

    Returns it and the rows that it knows, [N'], in the order of its images: training rows, then val's.
    """
    asked = torch.bincount(answers.image, minlength=len(X)) > 0
    parts, order = [], []
    for mask in (asked & ~val, asked & val):
        rows = mask.nonzero()[:, 0]
        at = torch.full((len(X),), -1)
        at[rows] = torch.arange(len(rows))
        inside = answers.take(mask[answers.image].nonzero()[:, 0])
        parts.append((rows, PersonAnswers(at[inside.image], inside.person, inside.chosen, inside.people)))
        order.append(rows)
    (train, first), (held, second) = parts
    said, n = shares(first, len(train))
    head = ByPersonHead(**options).fit(
        X[train], said, val=(X[held], shares(second, len(held))[0]), weights=n, answers=first, val_answers=second,
        groups=None if groups is None else groups[train.numpy()], generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    rows = torch.cat(order)
    place = torch.full((len(X),), -1)
    place[rows] = torch.arange(len(rows))
    return head, rows, place


def mean_se(values: Sequence[float], digits: int = 4) -> str:
    """Mean and its standard error over seeds."""
    se = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{np.mean(values):.{digits}f} ± {se:.{digits}f}"


# planted people


@dataclass(frozen=True)
class Planted:
    """People whose truth is known. truth: what holds for all of them; b and u: theirs; see `Population`."""

    truth: Population
    mean: Tensor

    @classmethod
    def draw(cls, labels: int, directions: int, people: int, rank: int, generator: torch.Generator) -> Planted:
        """Thresholds of SD 0.8, correlated by a common readiness; tastes of SD about 0.8 along the directions."""
        covariance = torch.eye(labels + rank, dtype=torch.float64)
        covariance[:labels, :labels] = 0.64 * (0.6 * torch.eye(labels) + 0.4)
        axes = torch.randn(directions, labels, rank, generator=generator, dtype=torch.float64)
        axes *= 0.8 / math.sqrt(rank * directions)
        none = torch.zeros(labels, dtype=torch.float64)
        truth = Population(none, none + 1, axes, covariance, none)
        root = torch.linalg.cholesky(covariance)
        drawn = torch.randn(people, labels + rank, generator=generator, dtype=torch.float64)
        return cls(truth, drawn @ root.T)

    def rates(self, images: Images, person: Tensor) -> Tensor:
        """The true rates [N, C] of one person for each image."""
        known = Normals(self.mean[person], torch.zeros(len(person), *self.truth.covariance.shape, dtype=torch.float64))
        return person_rates(images, known)


def optimal(
    truth: Population, seen: Images, chosen: Tensor, generator: torch.Generator, *new: tuple[Tensor, Tensor]
) -> list[Tensor]:
    """The rates [N, C] that a person would have in the mean, given their answers and the planted truth.

    Importance sampling from Student's t of 8 degrees around the variational posterior. new: log-odds [..., N, C] and
    loads [..., N, C, R] of new images as they are, or DRAWS of what is believed of them; for each its rates.
    """
    answers = PersonAnswers(torch.arange(len(chosen)), torch.zeros(len(chosen), dtype=torch.long), chosen, 1)
    guess = posterior(truth, seen, answers)
    labels, size = chosen.shape[1], len(truth.covariance)
    root = torch.linalg.cholesky(1.2 * guess.covariance[0])
    normal = torch.randn(DRAWS, size, generator=generator, dtype=torch.float64)
    stretch = (8 / torch.distributions.Chi2(torch.tensor(8.0)).sample((DRAWS, 1)).double()).sqrt()
    drawn = guess.mean[0] + (normal * stretch) @ root.T
    away = (normal * stretch).square().sum(1)
    proposal = -(8 + size) / 2 * (away / 8).log1p()
    prior = -0.5 * (drawn @ torch.linalg.inv(truth.covariance) * drawn).sum(1)

    def log_odds(base: Tensor, loads: Tensor) -> Tensor:
        tastes = torch.einsum("ncr,sr->snc" if loads.ndim == 3 else "sncr,sr->snc", loads, drawn[:, labels:])
        return base + drawn[:, None, :labels] + tastes

    sign = 2.0 * chosen.double() - 1
    likely = torch.nn.functional.logsigmoid(sign * log_odds(seen.base, seen.loads)).sum((1, 2))
    weight = (likely + prior - proposal).softmax(0)
    return [torch.einsum("s,snc->nc", weight, log_odds(*each).sigmoid()) for each in new]


def demo(folder: Path, images: int, seed: int = 17) -> tuple[Tensor, Tensor, Words]:
    """Features [N, D] and feelings [N, 3] of a demo set, and its words."""
    if not (folder / "dataset.json").exists():
        write_demo(folder, images=images, seed=seed, size=96)
    dataset = Dataset.open(folder)
    embed_dataset(dataset, load_encoder("affect-tiny"), progress=False)
    truth = pd.read_parquet(folder / "truth.parquet").set_index("image_id")
    ids = dataset.images["image_id"]
    words = pd.read_parquet(folder / "truth-words.parquet")
    X = torch.from_numpy(np.asarray(EmbeddingStore.for_dataset(dataset).rows(ids)))
    feelings = torch.tensor(truth.loc[ids, list(AXES)].to_numpy())
    return X, feelings, Words(tuple(words["label"]), words[list(AXES)].to_numpy(), words["lift"].to_numpy())


def log_odds(feelings: Tensor, words: Words) -> Tensor:
    """Of the true rates, [..., C], for feelings [..., 3]."""
    rates = torch.from_numpy(true_rates(feelings.reshape(-1, 3).numpy(), words))
    return rates.logit().reshape(*feelings.shape[:-1], -1)


def believed_feelings(X: Tensor, many: Tensor, known: Tensor, epochs: int = 40) -> Tensor:
    """DRAWS [DRAWS, N, 3] of what features X [N, D] leave open of feelings, learned from many others' [M, D], [M, 3].

    A net says a normal's mean and precision for each painting, by maximum likelihood, so no predictor that has only the
    features knows much more. The draws are Sobol's points.
    """
    torch.manual_seed(0)
    centre, scale, size = many.mean(0), many.std(0), known.std(0).float()
    rows, target = (many - centre) / scale, known.float() / size
    linear = torch.nn.Linear
    net = torch.nn.Sequential(linear(rows.shape[1], 256), torch.nn.GELU(), linear(256, 256), torch.nn.GELU(),
                              linear(256, 9))  # fmt: skip

    def normals(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean [N, 3], root of the precision [N, 3, 3], and the logarithm of its determinant [N]."""
        out = net(rows)
        root = torch.diag_embed(out[:, 3:6].exp())
        below, beside = torch.tril_indices(3, 3, -1)
        root[:, below, beside] = out[:, 6:]
        return out[:, :3], root, out[:, 3:6].sum(1)

    step = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
    pace = torch.optim.lr_scheduler.OneCycleLR(step, 2e-3, total_steps=epochs * -(-len(rows) // 256))
    for _ in range(epochs):
        for part in torch.randperm(len(rows)).split(256):
            mean, root, size_ = normals(rows[part])
            apart = (root @ (target[part] - mean)[..., None])[..., 0]
            loss = (apart.square().sum(1) / 2 - size_).mean()
            step.zero_grad()
            loss.backward()
            step.step()
            pace.step()
    with torch.no_grad():
        mean, root, _ = (part.double() for part in normals((X - centre) / scale))
    even = torch.quasirandom.SobolEngine(3, scramble=True, seed=0).draw(DRAWS, dtype=torch.float64)
    normal = torch.special.ndtri(even.clamp(1e-6, 1 - 1e-6))
    drawn = mean + torch.einsum("nab,sb->sna", torch.linalg.inv(root), normal)
    return (drawn * size).clamp(-1, 1)


def of_planted(args: argparse.Namespace) -> Iterator[str]:
    """The share of the gap that the head and the Bayes-optimal predictor close, at k answers.

    The latter knows the planted prior and each image as it is, or of new images only what the features say.
    """
    ks, rank, trained, unseen, given = (5, 20, 50, 150), 2, args.people, 40, 150
    found: dict[int, dict[str, list[float]]] = {k: defaultdict(list) for k in (0, *ks)}
    angles = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.cache) if args.cache else Path(temporary) / "demo"
        X, felt, words = demo(folder, args.images)
        base, middle, spread = log_odds(felt, words), felt.mean(0), felt.std(0)
        feelings = (felt - middle) / spread
        if args.features == "latent":
            X = torch.cat([feelings, *(feelings * feelings[:, [c]] for c in range(3))], dim=1)
            drawn = felt[None]
        else:
            many, known, _ = demo(Path(f"{folder}-many"), MANY, seed=18)
            drawn = believed_feelings(X, many, known)
        drawn_base, drawn = log_odds(drawn, words), (drawn - middle) / spread
        for seed in range(args.seeds or 5):
            g = torch.Generator().manual_seed(seed)
            torch.manual_seed(seed)
            n, labels = base.shape
            people = Planted.draw(labels, 3, trained + unseen, rank, g)
            loads = torch.einsum("nd,dcr->ncr", feelings, people.truth.axes)
            images = Images(base, loads, torch.zeros_like(base), torch.zeros_like(base))
            order = torch.randperm(n, generator=g)
            new, old = order[: n // 4], order[n // 4 :]
            person = torch.arange(trained + unseen).repeat_interleave(given)
            image = torch.cat([old[torch.randperm(len(old), generator=g)[:given]] for _ in range(trained + unseen)])
            rates = people.rates(images.take(image), person)
            answers = PersonAnswers(
                image, person, (torch.rand(rates.shape, generator=g) < rates).long(), len(people.mean)
            )
            val = torch.zeros(n, dtype=torch.bool)
            val[old[: len(old) // 8]] = True
            head, rows, place = fit(X, answers.take((person < trained).nonzero()[:, 0]), val, head=args.head)
            known = head.fit_.images
            new = new[:150]
            mine = head.images(X[new])
            said = torch.einsum("nd,dcr->ncr", head._along(X[new]), head.population.axes)
            angles.append(correlation(images.loads[new], said))
            as_they_are = images.base[new], images.loads[new]
            as_they_look = drawn_base[:, new], torch.einsum("snd,dcr->sncr", drawn[:, new], people.truth.axes)
            for k in (0, *ks):
                own = torch.cat([torch.arange(j * given, j * given + k) for j in range(trained, trained + unseen)])
                few = answers.take(own)
                inside = PersonAnswers(place[few.image], few.person - trained, few.chosen, unseen)
                believed = posterior(head.population, known.take(torch.arange(len(rows))), _known(inside))
                for j in range(unseen):
                    truth = people.rates(images.take(new), torch.full((len(new),), trained + j))
                    here = few.take((few.person == trained + j).nonzero()[:, 0])
                    seen = images.take(here.image)
                    best, fair = optimal(people.truth, seen, here.chosen, g, as_they_are, as_they_look)
                    one = Normals(believed.mean[j : j + 1], believed.covariance[j : j + 1])
                    found[k]["truth"].append(float(nats(truth, truth).mean()))
                    found[k]["bayes"].append(float(nats(best, truth).mean()))
                    found[k]["fair"].append(float(nats(fair, truth).mean()))
                    found[k]["head"].append(float(nats(person_rates(mine, one), truth).mean()))

    def of(k: int, name: str) -> np.ndarray:
        return np.asarray(found[k][name]).reshape(-1, unseen).mean(1)

    gap = of(0, "bayes") - of(0, "truth")
    yield (
        f"{len(gap)} seeds of {trained} people with {given} answers each and {unseen} unseen ones, 8 labels, {rank} "
        f"tastes; {len(X)} demo paintings, features: {args.features}, a quarter new; head: {args.head}. Closed: of the "
        f"gap between the population's answer and the true person's rates, {mean_se(gap)} nats a label. "
        "Canonical correlations of planted and fitted loads on new images: "
        f"{', '.join(mean_se([a[r] for a in angles], 3) for r in range(rank))}. What is not known of new "
        f"images costs {mean_se((of(0, 'fair') - of(0, 'bayes')) / gap, 2)} of the gap given the features at best, and "
        f"the head {mean_se((of(0, 'head') - of(0, 'bayes')) / gap, 2)}."
    )
    yield ""
    yield (
        "| answers k | Bayes-optimal closes | given the features of new images | the head closes, from its own "
        "population's | share of Bayes-optimal | with errors about images |"
    )
    yield "|--:|--:|--:|--:|--:|--:|"
    for k in ks:
        bayes, fair, head = ((of(0, name) - of(k, name)) / gap for name in ("bayes", "fair", "head"))
        strict = (of(0, "bayes") - of(k, "head")) / gap
        cells = (mean_se(x, 3) for x in (bayes, fair, head, head / bayes, strict))
        yield f"| {k} | {' | '.join(cells)} |"


def _known(answers: PersonAnswers) -> PersonAnswers:
    """Answers about images that the head knows."""
    return answers.take((answers.image >= 0).nonzero()[:, 0])


def correlation(planted: Tensor, fitted: Tensor) -> list[float]:
    """Canonical correlations of loads [N, C, R] and [N, C, R']: whether one is the other, turned. Needs R' >= R."""
    a, b = (torch.linalg.qr(x.flatten(0, 1).double())[0] for x in (planted, fitted))
    found = torch.linalg.svdvals(a.T @ b).tolist()
    return found + [0.0] * (planted.shape[2] - len(found))


# people who do not differ


def of_null(args: argparse.Namespace) -> Iterator[str]:
    """How often a gain is claimed where people do not differ."""
    claims, gains = 0, []
    seeds = args.seeds or 400
    for seed in range(seeds):
        g = torch.Generator().manual_seed(seed)
        people, n, labels, given = 30, 300, 4, 60
        X = torch.randn(n, 8, generator=g, dtype=torch.float64)
        rates = (X @ torch.randn(8, labels, generator=g, dtype=torch.float64) / 2 - 0.5
                 + 0.4 * torch.randn(n, labels, generator=g, dtype=torch.float64)).sigmoid()  # fmt: skip
        image = torch.cat([torch.randperm(n, generator=g)[:given] for _ in range(people)])
        person = torch.arange(people).repeat_interleave(given)
        chosen = (torch.rand(len(image), labels, generator=g) < rates[image]).long()
        answers = PersonAnswers(image, person, chosen, people)
        new, val = torch.arange(n) >= 210, (torch.arange(n) >= 180) & (torch.arange(n) < 210)
        head, _, _ = fit(X, answers.take((~new[image]).nonzero()[:, 0]), val, head="sigmoid", options={"l2": 0.01})
        test = answers.take(new[image].nonzero()[:, 0])
        images, y = head.images(X).take(test.image), test.chosen
        everybody = nats(person_rates(images, head.everybody()), y).mean(1)
        own = nats(person_rates(images, head.fit_.people.take(test.person)), y).mean(1)
        found = two_way_interval(everybody - own, test.person, test.image)
        claims += bool(found.low > 0)
        gains.append(float(found.value))
    yield (
        f"{seeds} seeds: 30 people who do not differ, 60 answers each about 300 images, 4 labels. A gain is claimed in "
        f"**{claims}** (bar: {int(0.07 * seeds)}); mean gain {mean_se(gains, 5)} nats a label."
    )


# OASIS


class Oasis:
    """491 people's answers about 598 photographs: beautiful (5 or more of 7) and ugly (3 or less), in four lists."""

    def __init__(self, data: Path) -> None:
        answers = pd.read_csv(data / "oasis" / "beauty_by_person.csv.gz")
        features = np.load(data / "oasis" / "oasis_mobilenet_v2.npz", allow_pickle=False)
        row = {name: i for i, name in enumerate(features["image"])}
        self.X = torch.from_numpy(features["embedding"].astype(np.float64))
        image, person = answers["image"].map(row).to_numpy(), answers["person"].astype("category").cat.codes.to_numpy()
        self.people = int(person.max()) + 1
        chosen = np.stack([answers["beauty"] >= 5, answers["beauty"] <= 3], axis=1).astype(np.int64)
        self.answers = PersonAnswers(
            torch.from_numpy(image.astype(np.int64)), torch.from_numpy(person.astype(np.int64)),
            torch.from_numpy(chosen), self.people,
        )  # fmt: skip
        self.theme = np.array([Path(str(name)).stem.rstrip("0123456789 ") for name in features["image"]])
        n = len(self.X)
        joined = coo_array((np.ones(len(image)), (image, person + n)), shape=(n + self.people,) * 2)
        lists = connected_components(joined, directed=False)[1]
        self.list_of_image, self.list_of_person = lists[:n], lists[n:]

    def split(self, seed: int, grouped: bool) -> tuple[Tensor, Tensor, Tensor, np.ndarray]:
        """New images [N] and unseen people [J] (three in ten of each list), val [N] (an eighth of the rest), groups."""
        rng = np.random.default_rng(seed)
        groups = self.theme if grouped else np.arange(len(self.X)).astype(str)
        new, val = np.zeros(len(self.X), dtype=bool), np.zeros(len(self.X), dtype=bool)
        unseen = np.zeros(self.people, dtype=bool)
        for name in np.unique(self.list_of_image):
            mine = self.list_of_image == name
            new |= _share_of(groups, mine, 0.3, rng)
            people = rng.permutation(np.flatnonzero(self.list_of_person == name))
            unseen[people[: round(0.3 * len(people))]] = True
        val = _share_of(groups, ~new, 1 / 8, rng) & ~new
        return torch.from_numpy(new), torch.from_numpy(unseen), torch.from_numpy(val), groups


def _share_of(groups: np.ndarray, among: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Whole groups at random, until they hold the share of those among."""
    taken = np.zeros(len(groups), dtype=bool)
    for group in rng.permutation(np.unique(groups[among])):
        if taken.sum() >= share * among.sum():
            break
        taken |= among & (groups == group)
    return taken


class OwnShare:
    """How often a person chooses a label beside the image's log-odds, in a logistic regression for each label."""

    def __init__(self, f: Tensor, answers: PersonAnswers) -> None:
        self.f, self.mean = f, answers.chosen.double().mean(0)
        self.answers = answers

    def share(self, answers: PersonAnswers, less: Tensor | None = None) -> Tensor:
        """Each person's smoothed share [J, C]; with `less` [A, C], for each answer without it [A, C]."""
        n = torch.bincount(answers.person, minlength=answers.people).double()[:, None]
        total = torch.zeros(answers.people, len(self.mean), dtype=torch.float64)
        total.index_add_(0, answers.person, answers.chosen.double())
        if less is not None:
            n, total = n[answers.person] - 1, total[answers.person] - less
        return (total + 2 * self.mean) / (n + 2)

    def fitted(self, share: Tensor, answers: PersonAnswers) -> Callable[[Tensor, PersonAnswers], Tensor]:
        """Fitted to answers and shares [A, C]; a function of other shares and answers."""
        models = []
        for c in range(len(self.mean)):
            model = LogisticRegression(C=1e4, max_iter=1000)
            models.append(model.fit(self._columns(share, answers, c), answers.chosen[:, c].numpy()))

        def said(share: Tensor, answers: PersonAnswers) -> Tensor:
            columns = [m.predict_proba(self._columns(share, answers, c))[:, 1] for c, m in enumerate(models)]
            return torch.from_numpy(np.stack(columns, axis=1))

        return said

    def _columns(self, share: Tensor, answers: PersonAnswers, c: int) -> np.ndarray:
        own, f = share[:, c].logit(), self.f[answers.image, c]
        return torch.stack([own, f, own * f], dim=1).numpy()

    def at(self, k: int | None, few: PersonAnswers, target: PersonAnswers, generator: torch.Generator) -> Tensor:
        """Rates for target by people's `few` answers, as a regression on people with k answers (None: all) has them."""
        if k == 0:
            nothing = self.mean.expand(len(self.answers), -1)
            return self.fitted(nothing, self.answers)(self.mean.expand(len(target), -1), target)
        if k is None:
            share = self.share(self.answers, self.answers.chosen.double())
            return self.fitted(share, self.answers)(self.share(few)[target.person], target)
        first = first_answers(self.answers, k, generator)
        share, rest = self.share(self.answers.take(first)), torch.ones(len(self.answers), dtype=torch.bool)
        rest[first] = False
        others = self.answers.take(rest.nonzero()[:, 0])
        return self.fitted(share[others.person], others)(self.share(few)[target.person], target)


def first_answers(answers: PersonAnswers, k: int, generator: torch.Generator) -> Tensor:
    """Row numbers of k random answers of each person; the same generator's state makes them nested in k."""
    order = torch.randperm(len(answers), generator=generator)
    place = pd.Series(answers.person[order].numpy()).groupby(answers.person[order].numpy()).cumcount().to_numpy()
    return order[torch.from_numpy(place < k)]


def of_oasis(args: argparse.Namespace) -> Iterator[str]:
    """Seen and unseen people, new and seen images, beside the simpler systems."""
    oasis, seeds = Oasis(args.data), args.seeds or 5
    yield (
        f"{seeds} splits: 30 % of the images and of the people of each list are new. Head inside: {args.head}. Log "
        "loss in nats of no person, and of the head; what a person's own share x image, logistic, loses beyond the "
        "head, ± SE over splits; and of how many splits the paired two-way interval of that leaves out 0. New images "
        "come at random or by theme."
    )
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for grouped in (False, True):
        found: dict[tuple[int, str, str], list[float]] = defaultdict(list)
        claimed: dict[tuple[int, str], int] = defaultdict(int)
        for seed in range(seeds):
            for (where, system), values in judged(oasis, seed, grouped, args).items():
                for c in (0, 1):
                    found[c, where, system].append(float(values[0][:, c].mean()))
                    if system == "by person":
                        found[c, where, "gain"].append(float((values[1] - values[0])[:, c].mean()))
                        gain = two_way_interval((values[1] - values[0])[:, c], values[2].person, values[2].image)
                        claimed[c, where] += bool(gain.low > 0)
        for c, label in enumerate(("beautiful", "ugly")):
            column = f"{label}, {'theme' if grouped else 'random'}"
            for where in dict.fromkeys(key[1] for key in found if key[0] == c):
                base, head = (f"{np.mean(found[c, where, system]):.4f}" for system in ("no person", "by person"))
                gain = mean_se(found[c, where, "gain"])
                cells[where][column] = f"{base}, {head}; {gain} ({claimed[c, where]})"
    columns = list(next(iter(cells.values())))
    yield f"\n| people, images | {' | '.join(columns)} |"
    yield "|---|" + "--:|" * len(columns)
    for where, row in cells.items():
        yield f"| {where} | {' | '.join(row[column] for column in columns)} |"


Judged = dict[tuple[str, str], tuple[Tensor, Tensor, PersonAnswers]]


def judged(oasis: Oasis, seed: int, grouped: bool, args: argparse.Namespace) -> Judged:
    """(Where, system): losses [A, C] of one split, those of the own share beside, and the answers."""
    new, unseen, val, groups = oasis.split(seed, grouped)
    answers, g = oasis.answers, torch.Generator().manual_seed(seed)
    fresh, strange = new[answers.image], unseen[answers.person]
    kept = torch.rand(len(answers), generator=g) < 0.9  # a tenth of the seen people's are kept for "seen images"
    learned = answers.take((~fresh & ~strange & kept).nonzero()[:, 0])
    head, rows, _ = fit(oasis.X, learned, val, groups, head=args.head)
    images = head.images(oasis.X)
    f = images.base.clone()
    f[rows] = head.fit_.images.base
    loads, effect, variance = images.loads.clone(), images.effect.clone(), images.effect_variance.clone()
    effect[rows], variance[rows] = head.fit_.images.effect, head.fit_.images.effect_variance
    known = Images(f, loads, effect, variance)
    simple = OwnShare(f, learned)
    alone = head.members_[0].predict_rates(oasis.X)
    population = head.population
    alone[rows] = ((f[rows] - population.offset) / population.scale).sigmoid()
    others, n = shares(learned, len(oasis.X))
    others = (others * n[:, None] + 2 * simple.mean) / (n[:, None] + 2)
    out: Judged = {}

    def put(where: str, target: PersonAnswers, people: Normals, k: int | None, few: PersonAnswers) -> None:
        y, seen_images = target.chosen, "seen images" in where
        own = nats(simple.at(k, few, target, torch.Generator().manual_seed(seed)), y)
        mine = person_rates((known if seen_images else images).take(target.image), people.take(target.person))
        systems = {"no person": nats(alone[target.image], y), "own share": own, "by person": nats(mine, y)}
        if seen_images:
            systems["other people"] = nats(others[target.image], y)
        for system, losses in systems.items():
            out[where, system] = losses, own, target

    def of(mask: Tensor) -> PersonAnswers:
        return answers.take(mask.nonzero()[:, 0])

    people = head.fit_.people
    put("seen, new", of(fresh & ~strange), people, None, learned)
    old = of(~fresh & strange)
    for k in (0, 5, 20):
        few = old.take(first_answers(old, k, torch.Generator().manual_seed(seed + 100)))
        put(f"unseen, new, k = {k}", of(fresh & strange), posterior(head.population, known, few), k, few)
    put("seen, seen images", of(~fresh & ~strange & ~kept), people, None, learned)
    first = first_answers(old, 20, torch.Generator().manual_seed(seed + 100))
    rest = torch.ones(len(old), dtype=torch.bool)
    rest[first] = False
    few = old.take(first)
    put("unseen, seen images, k = 20", old.take(rest.nonzero()[:, 0]), posterior(head.population, known, few), 20, few)
    return out


def of_identify(args: argparse.Namespace) -> Iterator[str]:
    """People's parameters from one half of their answers, matched to those from the other half."""
    oasis, seeds = Oasis(args.data), args.seeds or 5
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        g = torch.Generator().manual_seed(seed)
        half = torch.rand(len(oasis.answers), generator=g) < 0.5
        one, two = (oasis.answers.take(part.nonzero()[:, 0]) for part in (half, ~half))
        groups = np.arange(len(oasis.X)).astype(str)
        val = torch.from_numpy(_share_of(groups, np.ones(len(groups), dtype=bool), 1 / 8, np.random.default_rng(seed)))
        head, rows, _ = fit(oasis.X, one, val, groups, head=args.head)
        images = head.images(oasis.X)
        images.base[rows], images.effect[rows] = head.fit_.images.base, head.fit_.images.effect
        published = head.fit_.people
        again = posterior(head.population, images, two)
        for name in np.unique(oasis.list_of_person):
            who = torch.from_numpy(np.flatnonzero(oasis.list_of_person == name))
            a, b = published.take(who), again.take(who)
            apart = a.mean[:, None] - b.mean[None]
            spread = a.covariance[:, None] + b.covariance[None]
            inverse = torch.linalg.inv(spread)
            likely = -0.5 * ((apart[..., None, :] @ inverse)[..., 0, :] * apart).sum(-1) - 0.5 * torch.logdet(spread)
            better = (likely > likely.diagonal()).sum(0)  # among the published, for each of the others
            found["people"].append(len(who))
            found["top 1"].append(float((better < 1).double().mean()))
            found["top 5"].append(float((better < 5).double().mean()))
    people = np.asarray(found["people"])
    yield (
        f"OASIS, {seeds} seeds, four lists of {people.min():.0f} to {people.max():.0f} people; half of each person's "
        "answers (about 75) make the parameters that are known, the other half those that are looked for among them."
    )
    yield ""
    yield "| | found | chance |"
    yield "|---|--:|--:|"
    for k in (1, 5):
        yield f"| top {k} | {np.mean(found[f'top {k}']):.1%} | {np.mean(k / people):.1%} |"


# ten million answers


def synthetic(
    count: int, people: int, images: int, labels: int, rank: int, d: int
) -> tuple[Tensor, Tensor, PersonAnswers]:
    """Features [N, d], true population log-odds [N, C], and answers of planted people, chosen as uint8."""
    g = torch.Generator().manual_seed(0)
    X = torch.randn(images, d, generator=g) / torch.arange(1, d + 1).sqrt()
    f = X @ torch.randn(d, labels, generator=g) / 2 - 1 + 0.4 * torch.randn(images, labels, generator=g)
    loads = (X @ torch.randn(d, labels * rank, generator=g)).reshape(images, labels, rank) * 0.4 / math.sqrt(rank)
    b, u = 0.8 * torch.randn(people, labels, generator=g), torch.randn(people, rank, generator=g)
    person, image = torch.randint(people, (count,), generator=g), torch.randint(images, (count,), generator=g)
    chosen = torch.empty(count, labels, dtype=torch.uint8)
    for part in torch.arange(count).split(100_000):
        i, j = image[part], person[part]
        rates = (f[i] + b[j] + (loads[i] * u[j][:, None]).sum(-1)).sigmoid()
        chosen[part] = (torch.rand(rates.shape, generator=g) < rates).to(torch.uint8)
    return X, f, PersonAnswers(image, person, chosen, people)


def of_scale(args: argparse.Namespace) -> Iterator[str]:
    """One size in a process of its own; without --answers, a million and ten."""
    if not args.answers:
        yield "| answers | people | images | MiB before | at the peak, MiB | steps of EM | whole head, CPU s |"
        yield "|--:|--:|--:|--:|--:|--:|--:|"
        for count in (1_000_000, 10_000_000):
            command = [sys.executable, __file__, "scale", "--answers", str(count)]
            yield subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        return
    count = args.answers
    people, images = count // 1000, count // 100
    X, _, answers = synthetic(count, people, images, 8, 6, 64)
    said, n = shares(answers, images)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.process_time()
    head = ByPersonHead(options={"l2": 0.001}).fit(X, said, weights=n, answers=answers)
    whole = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield f"| {count:,} | {people:,} | {images:,} | {before:.0f} | {peak:.0f} | {head.report_['steps']} | {whole:.0f} |"


TOPICS = {"planted": of_planted, "null": of_null, "oasis": of_oasis, "identify": of_identify, "scale": of_scale}


def main() -> None:
    """Print one topic."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topic", choices=TOPICS)
    parser.add_argument("--seeds", type=int, help="how many seeds or splits")
    parser.add_argument("--images", type=int, default=1_200, help="demo paintings of `planted`")
    parser.add_argument("--people", type=int, default=200, help="people that `planted` learns from")
    parser.add_argument("--head", default="kernel", help="the head inside")
    parser.add_argument("--answers", type=int, help="`scale` at this size alone")
    parser.add_argument("--features", default="latent", choices=("latent", "affect-tiny"),
                        help="of `planted`: valence, arousal, dominance and products, or of the pixels")  # fmt: skip
    parser.add_argument("--cache", help="a folder that keeps the demo set of `planted`; FOLDER-many the others")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("AFFECTML_TEST_DATA", "../shared/data")), help="real data"
    )
    args = parser.parse_args()
    for line in TOPICS[args.topic](args):
        print(line, flush=True)


if __name__ == "__main__":
    main()
