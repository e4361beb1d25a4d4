"""A by-person head judged crosswise: people it has seen and people it has not, about images it has seen and new ones.

People are parted in folds, and each fold's people are unseen by a fit on the answers of the others. What a fit knows of
an unseen person are k of their answers about training images, the first k of one random order, so that 5 are among 20.
Beside it stand what it says of anybody before it knows something of the person, so that the difference is what knowing
them is worth; the head that knows no person; a logistic regression on each person's own share and the image's score;
and for images it has seen what other people say.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml._progress import Say, Watch
from affectml.heads import ByPersonHead, Material, PersonAnswers, choose_thresholds
from affectml.heads.mixed_logit import Images, Normals, person_rates, posterior
from affectml.judging.figures import Rows
from affectml.judging.scoring import SURE, bounds_of
from affectml.training.learned import uneven_panels
from affectml.training.steps import Prepared
from affectml_annotation import fit_beta_prior
from affectml_metrics import Interval, two_way_interval
from affectml_metrics import functional as F

FOLDS = 3  # of people
KNOWN = (0, 5, 20)  # answers of an unseen person
HELD = 10  # one in so many answers about training images is kept from the fit, to be judged on
METRICS: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "rate_cross_entropy": lambda rates, sets, said: F.rate_cross_entropy(rates, said),
    "rate_brier_score": lambda rates, sets, said: F.rate_brier_score(rates, said),
    "set_f1": lambda rates, sets, said: F.set_f1(sets, said.long()),
}
# By name, answers in a cell of the table, some from each fold: person, image and unit [M, 3], and each system's metrics
# [M, 3]. A unit is what is drawn anew of images: a group of them where the data set has some, else the image itself.
Cells = dict[str, list[tuple[Tensor, dict[str, Tensor]]]]


def crosswise(
    prepared: Prepared, head: ByPersonHead, rows: Rows, say: Say = lambda line: None
) -> dict[str, dict[str, int]]:
    """What is found of people told apart.

    Args:
        prepared: what the head was fitted on.
        head: of it only its options are taken; everything is fitted and chosen anew without the people that are judged.
        rows: gets figures `by` answers_known, `level` being the cell: each system's scores against people, the model's
            less each other system's, answer by answer (`against` that system), and how many people they are. Intervals
            are for other people and other images, or groups of them, see `two_way_interval`. A cell of fewer than two
            of either is absent. Answers of seen people about new images are judged by several fits each.
        say: a `Watch` is told how far it is.

    Returns:
        By cell the numbers of people, images and answers, and groups where images have some.
    """
    judges = prepared.judges
    generator = torch.Generator().manual_seed(prepared.plan.config.seed)
    answered = torch.stack([torch.bincount(a.person, minlength=a.people) for a in judges.parts.values()]).sum(0) > 0
    fold = torch.full((len(judges.names),), -1)
    fold[answered] = torch.randperm(int(answered.sum()), generator=generator) % FOLDS
    cells: Cells = {}
    with Watch.of(say).bar("judging by person", FOLDS, "folds") as bar:
        for k in range(FOLDS):
            _Fold(prepared, head, fold == k, generator).judge(cells)
            bar.advance()
    return _scored(cells, rows, grouped=prepared.plan.dataset.groups(prepared.split.ids("test")) is not None)


class _Fold:
    """A fit without some people, and what it is judged on.

    known, new: training and validation images, and test images. own: what the fit knows, by rows of `known`; held:
    answers of the same people about those images that it does not know; unseen: answers of the others about them, in an
    order. test: answers about `new`. log_odds_known, log_odds_new: the head inside's, out of fold for training images.
    no_person_cut: chosen on the answers about validation images that cut the head's own sets.
    """

    def __init__(self, prepared: Prepared, head: ByPersonHead, strangers: Tensor, generator: torch.Generator) -> None:
        store, parts = prepared.store, prepared.judges.parts
        train, val = parts["train"], parts["val"]
        seen = ~strangers[train.person]
        held = seen & (torch.randint(HELD, (len(train),), generator=generator) == 0)
        own = train.take((seen & ~held).nonzero()[:, 0])
        own_val = val.take((~strangers[val.person]).nonzero()[:, 0])
        ids = {part: prepared.split.ids(part) for part in parts}
        kept, fit_on = _with_answers(own, len(ids["train"]))
        kept_val, fit_val = _with_answers(own_val, len(ids["val"]))
        X, X_val = store.features(ids["train"][kept]), store.features(ids["val"][kept_val])
        votes, people = _panel_rates(fit_on, len(kept))
        votes_val, people_val = _panel_rates(fit_val, len(kept_val))
        groups = prepared.plan.dataset.groups(ids["train"][kept])
        material = Material(
            "rates",
            X,
            votes / people[:, None],
            (X_val, votes_val / people_val[:, None]),
            votes=people,
            uneven=uneven_panels(people),
            generator=generator,
            people=lambda: {"answers": fit_on, "val_answers": fit_val, "groups": groups},
        )
        made = ByPersonHead(head.config).learn(material)
        assert made.fit_ is not None
        fit, population, member = made.fit_, made.population, made.members_[0]
        place, place_val = _places(kept, len(ids["train"])), _places(kept_val, len(ids["val"])) + len(kept)
        rest, rest_val = train.take((held | ~seen).nonzero()[:, 0]), val.take(strangers[val.person].nonzero()[:, 0])
        others = _moved(rest, place).joined(_moved(rest_val, place_val, len(kept)), 0)
        strange = strangers[others.person]
        X_new = store.features(ids["test"])
        rates_val = member.predict_rates(X_val).double()
        self.head, self.strangers, self.generator = made, strangers, generator
        self.known, self.new = _double(fit.images), made.images(X_new)
        self.own, self.test = fit_on.joined(fit_val, len(kept)), parts["test"]
        self.held = others.take((~strange).nonzero()[:, 0])
        self.unseen = others.take(strange.nonzero()[:, 0])
        self.order = _rank(self.unseen, generator)
        self.rates_known = torch.cat([member.predict_rates(X).double(), rates_val])
        self.rates_new = member.predict_rates(X_new).double()
        self.log_odds_known = (fit.images.base.double() - population.offset) / population.scale
        self.log_odds_new = self.rates_new.clamp(SURE, 1 - SURE).logit()
        self.no_person_cut = choose_thresholds(rates_val[fit_val.image], fit_val.chosen.long())
        self.ids_known = torch.cat([torch.from_numpy(kept), torch.from_numpy(kept_val) + len(ids["train"])])
        self.unit_known, self.unit_new = _units(prepared, "train", "val")[self.ids_known], _units(prepared, "test")

    def judge(self, cells: Cells) -> None:
        """Add this fold's answers to the cells."""
        fit = self.head.fit_
        assert fit is not None
        people = Normals(fit.people.mean.double(), fit.people.covariance.double())
        sums = _sums(self.own)
        self._add(cells, "seen_people_{}_images", self.test, self.held, sums, sums[1] > 0, people, None)
        new = self.test.take(self.strangers[self.test.person].nonzero()[:, 0])
        later = self.unseen.take((self.order >= max(KNOWN)).nonzero()[:, 0])
        for k in KNOWN:
            told = self.unseen.take((self.order < k).nonzero()[:, 0])
            sums = _sums(told)
            enough = sums[1] >= k
            if not enough.any() or not (_sums(self.own)[1] > k).any():
                continue  # nobody to judge, or nobody to fit the regression to
            people = posterior(self.head.population, self.known, told)
            self._add(cells, f"unseen_people_{{}}_images_k{k}", new, later, sums, enough, people, k)

    def _regression(self, k: int | None) -> "_Logistic":
        """A logistic regression of each label on a person's own share and the image's score, at k answers a person.

        k: None takes all of a person's answers but the one that is predicted; 0 takes the image's score alone.
        """
        own, total, asked = self.own, *_sums(self.own)
        mean = (total.sum(0) + 0.5) / (asked.sum() + 1)
        if k is None:
            rows, said = own, own.chosen.double()
            share = _logit_share(total[own.person] - said, asked[own.person] - 1, mean)
        else:
            order = _rank(own, self.generator)
            rows = own.take((order >= k).nonzero()[:, 0])
            told = own.take((order < k).nonzero()[:, 0])
            first, count = _sums(told)
            said, share = rows.chosen.double(), _logit_share(first[rows.person], count[rows.person], mean)
        return _Logistic(share, self.log_odds_known[rows.image], said, mean, alone=k == 0)

    def _add(
        self,
        cells: Cells,
        names: str,
        new: PersonAnswers,
        seen: PersonAnswers,
        sums: tuple[Tensor, Tensor],
        enough: Tensor,
        people: Normals,
        k: int | None,
    ) -> None:
        """Answers about new and about seen images of the people with `enough` of them, whose known ones are `sums`."""
        regression = self._regression(k)
        share = _logit_share(*sums, regression.mean)
        for which, every in (("new", new), ("seen", seen)):
            answers = every.take(enough[every.person].nonzero()[:, 0])
            if not len(answers):
                continue
            at, who, said = answers.image, answers.person, answers.chosen.double()
            images, image, unit = self.new, at, self.unit_new
            no_person, log_odds = self.rates_new, self.log_odds_new
            if which == "seen":
                images, image, unit = self.known, self.ids_known[at], self.unit_known
                no_person, log_odds = self.rates_known, self.log_odds_known
            own_cut = self.head._fitted()["own_thresholds"]
            answered = {"model": (person_rates(images.take(at), people.take(who)), own_cut)}
            if k != 0:  # there the model knows nothing of them either
                answered["anybody"] = person_rates(images.take(at), self.head.everybody()), own_cut
            answered["no_person"] = no_person[at], self.no_person_cut
            answered["own_share"] = regression.rates(share[who], log_odds[at]), regression.cut
            if which == "seen":
                answered["other_people"] = self._others[0][at], self._others[1]
            rows = {}
            for system, (rates, cut) in answered.items():
                kept, sets = rates.clamp(SURE, 1 - SURE), (rates >= cut).long()
                rows[system] = torch.stack([of(kept, sets, said) for of in METRICS.values()], dim=1)
            cells.setdefault(names.format(which), []).append((torch.stack([who, image, unit[at]], dim=1), rows))

    @cached_property
    def _others(self) -> tuple[Tensor, Tensor]:
        """The smoothed share of the people whom the fit knows, of the images that it has seen [N, C], and its cut."""
        votes, asked = _panel_rates(self.own, len(self.known.base))
        prior = fit_beta_prior(votes, asked)
        alpha, beta = torch.from_numpy(prior.alpha), torch.from_numpy(prior.beta)
        v, n = torch.from_numpy(votes), torch.from_numpy(asked)[:, None]
        said = self.own.chosen.double()
        without = (v[self.own.image] - said + alpha) / (n[self.own.image] - 1 + alpha + beta)
        return (v + alpha) / (n + alpha + beta), choose_thresholds(without, said.long())


class _Logistic:
    """One regression a label: coefficients [C, 4] of 1, share, score and their product; alone: of 1 and score.

    mean: everybody's shares [C]. cut: chosen on the answers that it is fitted to.
    """

    def __init__(self, share: Tensor, score: Tensor, said: Tensor, mean: Tensor, *, alone: bool) -> None:
        from sklearn.linear_model import LogisticRegression

        out = torch.zeros(said.shape[1], 4, dtype=torch.float64)
        for c in range(said.shape[1]):
            y = said[:, c].numpy()
            if y.min() == y.max():
                out[c, 0] = float(np.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5)))
                continue
            columns = [2] if alone else [1, 2, 3]
            table = _terms(share[:, c], score[:, c])[:, columns].numpy()
            found = LogisticRegression(max_iter=1000).fit(table, y)
            out[c, 0], out[c, columns] = float(found.intercept_[0]), torch.from_numpy(found.coef_[0])
        self.coefficients, self.mean = out, mean
        self.cut = choose_thresholds(self.rates(share, score), said.long())

    def rates(self, share: Tensor, score: Tensor) -> Tensor:
        """[N, C]."""
        return (_terms(share, score) * self.coefficients).sum(-1).sigmoid()


def _terms(share: Tensor, score: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(share), share, score, share * score], dim=-1)


def _logit_share(chosen: Tensor, asked: Tensor, mean: Tensor) -> Tensor:
    """Log-odds of shares drawn to everybody's as two answers would."""
    return ((chosen + 2 * mean) / (asked[:, None] + 2)).clamp(SURE, 1 - SURE).logit()


def _sums(answers: PersonAnswers) -> tuple[Tensor, Tensor]:
    """How often each person chose each label [J, C], and of how many answers [J]."""
    total = torch.zeros(answers.people, answers.chosen.shape[1], dtype=torch.float64)
    total.index_add_(0, answers.person, answers.chosen.double())
    return total, torch.bincount(answers.person, minlength=answers.people).double()


def _rank(answers: PersonAnswers, generator: torch.Generator) -> Tensor:
    """The place of each answer in a random order of its person's."""
    mixed = torch.randperm(len(answers), generator=generator)
    by_person = mixed[torch.argsort(answers.person[mixed], stable=True)]
    person = answers.person[by_person]
    counts = torch.bincount(person, minlength=answers.people)
    starts = (counts.cumsum(0) - counts)[person]
    out = torch.empty(len(answers), dtype=torch.long)
    out[by_person] = torch.arange(len(answers)) - starts
    return out


def _with_answers(answers: PersonAnswers, images: int) -> tuple[Any, PersonAnswers]:
    """The rows of images that have answers, and the answers by the places of those rows."""
    kept = np.unique(answers.image.numpy())
    return kept, _moved(answers, _places(kept, images))


def _places(kept: Any, images: int) -> Tensor:
    out = torch.full((images,), -1)
    out[torch.from_numpy(kept)] = torch.arange(len(kept))
    return out


def _moved(answers: PersonAnswers, places: Tensor, least: int = 0) -> PersonAnswers:
    """Answers by other places of their images, without those of images that have none."""
    moved = places[answers.image]
    there = (moved >= least).nonzero()[:, 0]
    return replace(answers.take(there), image=moved[there])


def _panel_rates(answers: PersonAnswers, images: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Votes [N, C] and people asked [N] of each image."""
    votes = torch.zeros(images, answers.chosen.shape[1], dtype=torch.float64)
    votes.index_add_(0, answers.image, answers.chosen.double())
    return votes.numpy(), torch.bincount(answers.image, minlength=images).double().numpy()


def _units(prepared: Prepared, *parts: str) -> Tensor:
    """A number for each image of these parts, the same for images of a group."""
    ids = np.concatenate([prepared.split.ids(part) for part in parts])
    groups = prepared.plan.dataset.groups(ids)
    units = ids if groups is None else groups
    return torch.from_numpy(np.unique(units.astype(str), return_inverse=True)[1])


def _double(images: Images) -> Images:
    return Images(*(getattr(images, name).double() for name in ("base", "loads", "effect", "effect_variance")))


def _scored(cells: Cells, rows: Rows, *, grouped: bool) -> dict[str, dict[str, int]]:
    sizes: dict[str, dict[str, int]] = {}
    for name in sorted(cells, key=_order):
        person, image, unit = torch.cat([ids for ids, _ in cells[name]]).T
        if min(_count(person), _count(unit)) < 2:
            continue
        answers = _count(person * (int(image.max()) + 1) + image)  # several fits judge one
        sizes[name] = {"people": _count(person), "images": _count(image), "answers": answers}
        if grouped:
            sizes[name]["groups"] = _count(unit)
        place = {"by": "answers_known", "level": name}
        rows.add("people", _count(person), system="people", **place)
        scores = {system: torch.cat([part[system] for _, part in cells[name]]) for system in cells[name][0][1]}
        for system, values in scores.items():
            _add(rows, values, person, unit, system=system, **place)
            if system != "model":
                _add(rows, scores["model"] - values, person, unit, against=system, **place)
    return sizes


def _count(ids: Tensor) -> int:
    return len(np.unique(ids.numpy()))


def _order(name: str) -> tuple[bool, bool, int]:
    return name.startswith("unseen"), "seen_images" in name, int(name.rpartition("_k")[2]) if "_k" in name else 0


def _add(rows: Rows, values: Tensor, person: Tensor, unit: Tensor, **key: str) -> None:
    """Add the mean of each metric, which ends where the metric does, or of differences, which end nowhere."""
    made = two_way_interval(values, person, unit)
    bounds = [(None, None) if "against" in key else bounds_of(metric) for metric in METRICS]
    least, most = (
        torch.tensor([end if bound is None else bound for bound in each])
        for each, end in zip(zip(*bounds, strict=True), (-torch.inf, torch.inf), strict=True)
    )
    units = torch.minimum(made.people, made.images)
    found = Interval(made.value, made.low.clamp(min=least), made.high.clamp(max=most), made.rows, made.skipped, units)
    rows.add_all(list(METRICS), found, **key)
