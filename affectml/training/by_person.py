"""People told apart in a training: checked before any work, learned over the head, judged crosswise, and written.

Crosswise: people it has seen and people it has not, about images it has seen and new ones. People are parted in folds,
and each fold's people are unseen by a fit on the answers of the others. What a fit knows of an unseen person are k of
their answers about training images, the first k of one random order, so that 5 are among 20. Beside it stand what it
says of anybody before it knows something of the person, so that the difference is what knowing them is worth; the head
that knows no person; and for images it has seen what other people say.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectml._progress import Say, Watch
from affectml.errors import BadInput, option
from affectml.heads import ByPersonHead, ImageEffects, Material, PersonAnswers, choose_thresholds
from affectml.heads.by_person import as_by_person, cuts_rates
from affectml.heads.inputs import Features
from affectml.heads.mixed_logit import Fit, Images, Normals, person_rates, posterior
from affectml.heads.registry import heads_that
from affectml.judging.figures import Evaluation, Rows
from affectml.judging.scoring import SURE, bounds_of
from affectml.people.known import write_image_effects, write_people
from affectml.runs import RunFolder
from affectml.training.steps import Judged, Plan, Prepared, uneven_panels
from affectml_annotation import fit_beta_prior
from affectml_metrics import functional as F
from affectml_metrics import two_way_interval
from affectml_metrics.intervals import Interval, limits

LEAST = 6  # people: two for each fold of the judging


def check_by_person(plan: Plan) -> None:
    """Raise BadInput where people cannot be told apart with this head, target or data set, with the way out."""
    head, targets, dataset, why = plan.head, plan.targets, plan.dataset, ""
    if targets.kind != "rates":
        kind = f"target {targets.name} is of kind {targets.kind}"
        why = f"learns who chose which labels, and {kind}: take a target of rates, or leave it out"
    elif not cuts_rates(head):
        why = f"{head.described()} has no rates to begin with; take {option('head')} {heads_that(cuts_rates)}"
    elif dataset.judgements is None:
        why = f"{dataset.root} has no annotations.parquet, which says who chose what: leave it out"
    elif (people := dataset.judgements["annotator_id"].nunique()) < LEAST:
        why = f"{dataset.root} has answers of {people} people; it takes at least {LEAST} to compare them"
    if why:
        raise BadInput(f"{option('by_person', True)}: {why}")


def judge_by_person(judged: Judged, say: Say) -> Evaluation:
    """What was found of a training, and what `crosswise` finds; what that returns is the fact by_person."""
    rows = judged.evaluation.rows()
    by_person = crosswise(judged.prepared, _learned(judged)[0], rows, say)
    return judged.evaluation.with_(rows.rows, by_person=by_person)


def _learned(judged: Judged) -> tuple[ByPersonHead, Fit]:
    """The head, and what its fit knows of images and people."""
    head = as_by_person(judged.systems.model)
    assert head is not None  # see fit
    assert head.fit_ is not None
    return head, head.fit_


def write_effects(run: RunFolder, judged: Judged) -> None:
    """Write what answers said of the training and validation images beyond their features into the run's folder."""
    prepared, images = judged.prepared, _learned(judged)[1].images
    every = np.concatenate([prepared.train.image_id, prepared.val.image_id])
    effects = ImageEffects(images.effect, images.effect_variance)
    write_image_effects(run.folder, every, prepared.targets.taxonomy.labels, effects, prepared.store.features(every))


def write_judges(run: RunFolder, judged: Judged) -> None:
    """Write what the head learned of each person whose answers it had, beside the run's folder."""
    (names, parts), people = judged.prepared.judges, _learned(judged)[1].people
    counts = torch.bincount(torch.cat([parts[part].person for part in ("train", "val")]), minlength=len(names))
    who = torch.nonzero(counts)[:, 0]
    write_people(run, [names[row] for row in who.tolist()], people.take(who), counts[who])


FOLDS = 3  # of people
KNOWN = (0, 5, 20)  # answers of an unseen person
HELD = 10  # one in so many answers about training images is kept from the fit, to be judged on
METRICS: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "rate_cross_entropy": lambda rates, sets, said: F.rate_cross_entropy(rates, said),
    "rate_brier_score": lambda rates, sets, said: F.rate_brier_score(rates, said),
    "set_f1": lambda rates, sets, said: F.set_f1(sets, said.long()),
}
CELLS = (
    *(f"seen_people_{images}_images" for images in ("new", "seen")),
    *(f"unseen_people_{images}_images_k{k}" for images in ("new", "seen") for k in KNOWN),
)
# Answers in a cell of the table, of one fold: person, image and unit [M, 3], and each system's metrics [M, 3]. A unit
# is what is drawn anew of images: a group of them where the data set has some, else the image itself.
Cell = tuple[Tensor, dict[str, Tensor]]


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
    panel = _Panel(prepared)
    generator = torch.Generator().manual_seed(prepared.plan.config.seed)
    answered = torch.bincount(panel.answers.person, minlength=panel.answers.people) > 0
    fold = torch.full((len(answered),), -1)
    fold[answered] = torch.randperm(int(answered.sum()), generator=generator) % FOLDS
    cells: dict[str, list[Cell]] = {}
    with Watch.of(say).bar("judging by person", FOLDS, "folds") as bar:
        for k in range(FOLDS):
            _Fold(panel, head, fold == k, generator).judge(cells)
            bar.advance()
    return _scored(cells, rows, grouped=panel.groups is not None)


class _Panel:
    """Who answered what: ids of the training, then validation, then test images, and answers by their rows.

    val, test: the first row of each. groups: None where there are none. unit: a number for each image, see Cell.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.store, (_, parts) = prepared.store, prepared.judges
        train, val, test = (prepared.split.ids(part) for part in ("train", "val", "test"))
        self.ids = np.concatenate([train, val, test])
        self.val, self.test = len(train), len(train) + len(val)
        self.answers = parts["train"].joined(parts["val"], self.val).joined(parts["test"], self.test)
        self.groups = prepared.plan.dataset.groups(self.ids)
        units = self.ids if self.groups is None else self.groups
        self.unit = torch.from_numpy(np.unique(units.astype(str), return_inverse=True)[1])


class _Fold:
    """A fit without some people, and what it is judged on.

    own: the answers that it knows, about images that are then known, too. held: other answers of the same people about
    these; unseen: those of the strangers about these, in an `order`; new: answers about test images. images: as the fit
    sees them; rates: of the head inside, which knows no person.
    """

    def __init__(self, panel: _Panel, head: ByPersonHead, strangers: Tensor, generator: torch.Generator) -> None:
        answers, strange = panel.answers, strangers[panel.answers.person]
        held = (torch.randint(HELD, (len(answers),), generator=generator) == 0) & (answers.image < panel.val)
        learned = ~strange & ~held & (answers.image < panel.test)
        self.panel, self.strangers, self.generator, self.own = panel, strangers, generator, answers.take(learned)
        known = torch.from_numpy(np.unique(self.own.image.numpy()))
        rest = ~learned & torch.isin(answers.image, known)
        self.held, self.unseen = answers.take(rest & ~strange), answers.take(rest & strange)
        self.new = answers.take(answers.image >= panel.test)
        self.order = _order(self.unseen, generator)

        X = panel.store.features(panel.ids)
        self.head = ByPersonHead(**head.get_params()).learn(self._material(known, X))
        fit = self.head.fit_
        assert fit is not None
        self.people = fit.people
        both = zip(vars(self.head.images(X)).values(), vars(fit.images).values(), strict=True)
        self.images = Images(*(new.index_copy(0, known, fitted) for new, fitted in both))
        self.rates = self.head.members_[0].predict_rates(X).double()
        val = self.own.take(self.own.image >= panel.val)
        self.cut = choose_thresholds(self.rates[val.image], val.chosen)

    def _material(self, known: Tensor, X: Features) -> Material:
        """What is learned from: the known answers about the known images."""
        by_place = replace(self.own, image=torch.searchsorted(known, self.own.image))
        trained, parts = int((known < self.panel.val).sum()), list[Any]()
        for rows, first in ((known[:trained], 0), (known[trained:], trained)):
            place = by_place.image - first
            there = (place >= 0) & (place < len(rows))
            answers = replace(by_place.take(there), image=place[there])
            votes, people = _votes(answers, answers.image, len(rows))
            parts.append(((X[rows.numpy()], votes / people[:, None]), people.numpy(), answers))
        ((train, shares), people, answers), (val, _, val_answers) = parts
        groups = None if self.panel.groups is None else self.panel.groups[known[:trained].numpy()]
        by_person, uneven = {"answers": answers, "val_answers": val_answers, "groups": groups}, uneven_panels(people)
        return Material(
            "rates", train, shares, val, votes=people, uneven=uneven, generator=self.generator, people=lambda: by_person
        )

    def judge(self, cells: dict[str, list[Cell]]) -> None:
        """Add this fold's answers to the cells."""
        for k in (None, *KNOWN):
            known = self.own if k is None else self.unseen.take(self.order < k)
            count = torch.bincount(known.person, minlength=known.people)
            enough = count > 0 if k is None else self.strangers & (count >= k)
            people = self.people if k is None else posterior(self.head.population, self.images, known)
            seen = self.held if k is None else self.unseen.take(self.order >= max(KNOWN))
            name = "seen_people_{}_images" if k is None else f"unseen_people_{{}}_images_k{k}"
            for images, answers in (("new", self.new), ("seen", seen)):
                judged = answers.take(enough[answers.person])
                if len(judged):
                    cells.setdefault(name.format(images), []).append(self._cell(judged, people, anybody=k != 0))

    def _cell(self, answers: PersonAnswers, people: Normals, *, anybody: bool) -> Cell:
        """Answers about new or about seen images, and the scores of what systems predict of them: rates and a cut.

        anybody: whether the model is set beside itself before it knows anything of the people.
        """
        at, who, images = answers.image, answers.person, self.images.take(answers.image)
        own_cut = self.head._fitted()["own_thresholds"]
        predictions = {"model": (person_rates(images, people.take(who)), own_cut)}
        if anybody:
            predictions["anybody"] = person_rates(images, self.head.everybody()), own_cut
        predictions["no_person"] = self.rates[at], self.cut
        if int(at[0]) < self.panel.test:
            predictions["other_people"] = self._others[0][at], self._others[1]
        scores, chosen = {}, answers.chosen.double()
        for system, (rates, cut) in predictions.items():
            inside, sets = rates.clamp(SURE, 1 - SURE), (rates >= cut).long()
            scores[system] = torch.stack([metric(inside, sets, chosen) for metric in METRICS.values()], dim=1)
        return torch.stack([who, at, self.panel.unit[at]], dim=1), scores

    @cached_property
    def _others(self) -> tuple[Tensor, Tensor]:
        """The smoothed share of the people whom the fit knows, of the images that it has seen [N, C], and its cut."""
        votes, count = _votes(self.own, self.own.image, len(self.panel.ids))
        prior, at = fit_beta_prior(votes.numpy(), count.numpy()), self.own.image
        alpha, beta = torch.from_numpy(prior.alpha), torch.from_numpy(prior.beta)
        without = (votes[at] - self.own.chosen.double() + alpha) / (count[at, None] - 1 + alpha + beta)
        return (votes + alpha) / (count[:, None] + alpha + beta), choose_thresholds(without, self.own.chosen)


def _votes(answers: PersonAnswers, key: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Of each image or person, how often each label was chosen [N, C], and of how many answers [N]."""
    total = torch.zeros(count, answers.chosen.shape[1], dtype=torch.float64)
    return total.index_add_(0, key, answers.chosen.double()), torch.bincount(key, minlength=count).double()


def _order(answers: PersonAnswers, generator: torch.Generator) -> Tensor:
    """The place of each answer in a random order of its person's."""
    mixed = torch.randperm(len(answers), generator=generator)
    person = answers.person[mixed].numpy()
    places = torch.from_numpy(pd.Series(person).groupby(person).cumcount().to_numpy(copy=True))
    return torch.empty_like(mixed).index_copy_(0, mixed, places)


def _scored(cells: dict[str, list[Cell]], rows: Rows, *, grouped: bool) -> dict[str, dict[str, int]]:
    sizes: dict[str, dict[str, int]] = {}
    for name in CELLS:
        parts = cells.get(name, [])
        person, image, unit = torch.cat([torch.empty(0, 3, dtype=torch.long), *(ids for ids, _ in parts)]).T
        if min(_count(person), _count(unit)) < 2:
            continue
        answers = _count(person * (int(image.max()) + 1) + image)  # several fits judge one
        sizes[name] = {"people": _count(person), "images": _count(image), "answers": answers}
        if grouped:
            sizes[name]["groups"] = _count(unit)
        place = {"by": "answers_known", "level": name}
        rows.add("people", _count(person), system="people", **place)
        scores = {system: torch.cat([part[system] for _, part in parts]) for system in parts[0][1]}
        for system, values in scores.items():
            comparisons = [({"system": system}, values, [bounds_of(metric) for metric in METRICS])]
            if system != "model":
                comparisons.append(({"against": system}, scores["model"] - values, []))
            for key, table, bounds in comparisons:
                made, (lowest, highest) = two_way_interval(table, person, unit), limits(bounds, len(METRICS))
                ends, units = (made.low.maximum(lowest), made.high.minimum(highest)), made.people.minimum(made.images)
                interval = Interval(made.value, *ends, made.rows, made.skipped, units)
                rows.add_all(list(METRICS), interval, **place, **key)
    return sizes


def _count(ids: Tensor) -> int:
    return len(np.unique(ids.numpy()))
