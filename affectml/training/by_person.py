"""People told apart in a training: checked before any work, learned over the head, judged crosswise, and written.

Crosswise: people it has seen and people it has not, about images it has seen and new ones. People are parted in folds,
and each fold's people are unseen by a fit on the answers of the others. What a fit knows of an unseen person are k of
their answers about training images, the first k of one random order, so that 5 are among 20. Beside it stand what it
says of anybody before it knows something of the person, so that the difference is what knowing them is worth; the head
that knows no person; and for images it has seen what other people say.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectml._progress import Progress
from affectml.errors import BadInput, option
from affectml.heads import ByPersonHead, ImageEffects, Material, PersonAnswers, choose_thresholds
from affectml.heads.by_person import ByPersonConfig, as_by_person
from affectml.heads.inputs import Features
from affectml.heads.mixed_logit import Images, Normals, person_rates, posterior
from affectml.heads.registry import heads_that
from affectml.judging.figures import Evaluation, Rows
from affectml.judging.scoring import SURE, bounds_of
from affectml.people.known import write_image_effects, write_people
from affectml.runs import RunFolder
from affectml.training.steps import Judged, Plan, Prepared, uneven_panels
from affectml_annotation import fit_beta_prior
from affectml_metrics import functional as F
from affectml_metrics import two_way_interval
from affectml_metrics.intervals import limits

LEAST = 6  # people: two for each fold of the judging


def check_by_person(plan: Plan) -> None:
    """Raise BadInput where people cannot be told apart with this head, target or data set, with the way out."""
    head, targets, dataset, why = plan.head, plan.targets, plan.dataset, ""
    if targets.kind != "rates":
        kind = f"target {targets.name} is of kind {targets.kind}"
        why = f"learns who chose which labels, and {kind}: take a target of rates, or leave it out"
    elif not ByPersonConfig.fits(head):
        why = f"{head.described()} has no rates to begin with; take {option('head')} {heads_that(ByPersonConfig.fits)}"
    elif dataset.judgements is None:
        why = f"{dataset.root} has no annotations.parquet, which says who chose what: leave it out"
    elif (people := dataset.judgements["annotator_id"].nunique()) < LEAST:
        why = f"{dataset.root} has answers of {people} people; it takes at least {LEAST} to compare them"
    if why:
        raise BadInput(f"{option('by_person', True)}: {why}")


def write_effects(run: RunFolder, judged: Judged) -> None:
    """Write what answers said of the training and validation images beyond their features into the run's folder."""
    prepared, images = judged.prepared, as_by_person(judged.systems.model).fit_.images
    image_ids = np.concatenate([prepared.train.image_id, prepared.val.image_id])
    labels, effects = prepared.targets.taxonomy.labels, ImageEffects(images.effect, images.effect_variance)
    write_image_effects(run.folder, image_ids, labels, effects, prepared.store.features(image_ids))


def write_judges(run: RunFolder, judged: Judged) -> None:
    """Write what the head learned of each person whose answers it had, beside the run's folder."""
    (names, answers), split = judged.prepared.judges, judged.prepared.split
    learned = answers.part(0, len(split.ids("train")) + len(split.ids("val")))
    counts = torch.bincount(learned.person, minlength=len(names))
    who = counts.nonzero()[:, 0]
    people = as_by_person(judged.systems.model).fit_.people.take(who)
    write_people(run, [names[row] for row in who.tolist()], people, counts[who])


FOLDS = 3  # of people
KNOWN = (0, 5, 20)  # answers of an unseen person
HELD = 10  # one in so many answers about training images is kept from the fit, to be judged on
METRICS = ["rate_cross_entropy", "rate_brier_score", "set_f1"]
CELLS = (
    *(f"seen_people_{images}_images" for images in ("new", "seen")),
    *(f"unseen_people_{images}_images_k{k}" for images in ("new", "seen") for k in KNOWN),
)


def judge_by_person(judged: Judged) -> Evaluation:
    """What was found of a training, and of the people whom its head tells apart.

    Of the head only its options are taken: everything is fitted and chosen anew without the people that are judged.
    Figures `by` answers_known have the cell as `level`: each system's scores against people, the model's less each
    other system's, answer by answer (`against` that system), and how many people they are. Intervals are for other
    people and other images, or groups of them, see `two_way_interval`. A cell of fewer than two of either is absent.
    Answers of seen people about new images are judged by several fits each. The fact by_person has by cell the numbers
    of people, images and answers, and groups where images have some.
    """
    panel, head, rows = _Panel(judged.prepared), as_by_person(judged.systems.model), judged.evaluation.rows()
    generator = torch.Generator().manual_seed(judged.prepared.plan.config.seed)
    answered = torch.bincount(panel.answers.person, minlength=panel.answers.people) > 0
    fold = torch.full((len(answered),), -1)
    fold[answered] = torch.randperm(int(answered.sum()), generator=generator) % FOLDS
    tables: list[pd.DataFrame] = []
    with Progress("judging by person", FOLDS, "folds") as bar:
        for k in range(FOLDS):
            tables += _Fold(panel, head, fold == k, generator).scores()
            bar.advance()
    sizes = _add_cells(pd.concat(tables), rows, grouped=panel.groups is not None) if tables else {}
    return judged.evaluation.with_(rows.rows, by_person=sizes)


class _Panel:
    """Who answered what: ids of the training, then validation, then test images, and answers by their rows.

    val, test: the first row of each. groups: None where there are none. unit: a number for each image, of what is drawn
    anew of images: a group of them where the data set has some, else the image itself.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.store, (_, self.answers) = prepared.store, prepared.judges
        train, val, test = (prepared.split.ids(part) for part in ("train", "val", "test"))
        self.ids = np.concatenate([train, val, test])
        self.val, self.test = len(train), len(train) + len(val)
        self.groups = prepared.plan.dataset.groups(self.ids)
        units = self.ids if self.groups is None else self.groups
        self.unit = np.unique(units.astype(str), return_inverse=True)[1]


class _Fold:
    """A fit without some people, and what it is judged on.

    own: the answers that it knows, about images that are then known, too. held: other answers of the same people about
    these; unseen: those of the strangers about these; order: the place of each in a random order of its person's, from
    1; new: answers about test images. images: as the fit sees them; rates: of the head inside, which knows no person.
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
        place = pd.Series(torch.randperm(len(self.unseen), generator=generator).argsort().numpy())
        self.order = torch.from_numpy(place.groupby(self.unseen.person.numpy()).rank().to_numpy(copy=True))

        X = panel.store.features(panel.ids)
        self.head = ByPersonHead(**head.get_params()).learn(self._material(known, X))
        self.people = self.head.fit_.people
        both = zip(vars(self.head.images(X)).values(), vars(self.head.fit_.images).values(), strict=True)
        self.images = Images(*(new.index_copy(0, known, fitted) for new, fitted in both))
        self.rates = self.head.members_[0].predict_rates(X).double()
        val = self.own.take(self.own.image >= panel.val)
        self.cut = choose_thresholds(self.rates[val.image], val.chosen)

    def _material(self, known: Tensor, X: Features) -> Material:
        """What is learned from: the known answers about the known images."""
        X, trained = X[known.numpy()], int((known < self.panel.val).sum())
        own = replace(self.own, image=torch.searchsorted(known, self.own.image))
        votes, people = _votes(own, len(known))
        shares, asked = votes / people[:, None], people[:trained].numpy()
        groups = None if self.panel.groups is None else self.panel.groups[known[:trained].numpy()]
        answers = {"answers": own.part(0, trained), "val_answers": own.part(trained, len(known) - trained)}
        train, val = (X[:trained], shares[:trained]), (X[trained:], shares[trained:])
        more: dict[str, Any] = {"votes": asked, "uneven": uneven_panels(asked), "generator": self.generator}
        return Material("rates", *train, val, people=lambda: {**answers, "groups": groups}, **more)

    def scores(self) -> Iterator[pd.DataFrame]:
        """Of each cell the answers that are judged here: a row for each system, with the cell as `level`."""
        for k in (None, *KNOWN):
            known = self.own if k is None else self.unseen.take(self.order <= k)
            count = torch.bincount(known.person, minlength=known.people)
            enough = count > 0 if k is None else self.strangers & (count >= k)
            people = self.people if k is None else posterior(self.head.population, self.images, known)
            seen = self.held if k is None else self.unseen.take(self.order > max(KNOWN))
            level = "seen_people_{}_images" if k is None else f"unseen_people_{{}}_images_k{k}"
            for images, answers in (("new", self.new), ("seen", seen)):
                judged = answers.take(enough[answers.person])
                if len(judged):
                    yield self._cell(judged, people, anybody=k != 0).assign(level=level.format(images))

    def _cell(self, answers: PersonAnswers, people: Normals, *, anybody: bool) -> pd.DataFrame:
        """Answers about new or about seen images, each with the scores of what every system predicts of it.

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
        ids = pd.DataFrame({"person": who.numpy(), "image": at.numpy(), "unit": self.panel.unit[at.numpy()]})
        tables, chosen = [], answers.chosen.double()
        for system, (rates, cut) in predictions.items():
            inside = rates.clamp(SURE, 1 - SURE)
            losses = F.rate_cross_entropy(inside, chosen), F.rate_brier_score(inside, chosen)
            scores = torch.stack([*losses, F.set_f1((rates >= cut).long(), answers.chosen.long())], dim=1)
            tables.append(ids.assign(system=system).join(pd.DataFrame(scores.numpy(), columns=METRICS)))
        return pd.concat(tables)

    @cached_property
    def _others(self) -> tuple[Tensor, Tensor]:
        """The smoothed share of the people whom the fit knows, of the images that it has seen [N, C], and its cut."""
        votes, count = _votes(self.own, len(self.panel.ids))
        prior, at = fit_beta_prior(votes.numpy(), count.numpy()), self.own.image
        alpha, beta = torch.from_numpy(prior.alpha), torch.from_numpy(prior.beta)
        without = (votes[at] - self.own.chosen.double() + alpha) / (count[at, None] - 1 + alpha + beta)
        return (votes + alpha) / (count[:, None] + alpha + beta), choose_thresholds(without, self.own.chosen)


def _votes(answers: PersonAnswers, images: int) -> tuple[Tensor, Tensor]:
    """Of each image how often each label was chosen [N, C], and of how many answers [N]."""
    total = torch.zeros(images, answers.chosen.shape[1], dtype=torch.float64)
    votes = total.index_add_(0, answers.image, answers.chosen.double())
    return votes, torch.bincount(answers.image, minlength=images).double()


def _add_cells(scores: pd.DataFrame, rows: Rows, *, grouped: bool) -> dict[str, dict[str, int]]:
    """Add each cell's figures to rows; returns the cells' sizes. See `judge_by_person`."""
    sizes: dict[str, dict[str, int]] = {}
    lowest, highest = limits([bounds_of(metric) for metric in METRICS], len(METRICS))
    for level in CELLS:
        systems = dict(list(scores[scores["level"] == level].groupby("system", sort=False)))
        answers = systems.get("model", scores[:0])
        people, units = answers["person"], answers["unit"]
        if min(people.nunique(), units.nunique()) < 2:
            continue
        answered = len(answers.drop_duplicates(["person", "image"]))  # several fits judge one
        sizes[level] = {"people": people.nunique(), "images": answers["image"].nunique(), "answers": answered}
        if grouped:
            sizes[level]["groups"] = units.nunique()
        place = {"by": "answers_known", "level": level}
        rows.add("people", people.nunique(), system="people", **place)
        for system, table in systems.items():
            values, ids = table[METRICS].to_numpy(), (people.to_numpy(), units.to_numpy())
            mean = two_way_interval(values, *ids)
            mean = mean._replace(low=mean.low.maximum(lowest), high=mean.high.minimum(highest))
            rows.add_all(METRICS, mean, system=system, **place)
            if system != "model":
                apart = two_way_interval(answers[METRICS].to_numpy() - values, *ids)
                rows.add_all(METRICS, apart, against=system, **place)
    return sizes
