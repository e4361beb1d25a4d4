"""A head that knows who answers: thresholds and tastes of each person, over another head's rates."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads.base import HEADS, Head
from affectml.heads.config import defaults_of
from affectml.heads.ensemble import BlendConfig, CompositeHead
from affectml.heads.inputs import ArrayLike, Features, Material, Pair, Rows, as_features
from affectml.heads.mixed_logit import (
    Fit,
    Images,
    Normals,
    PersonAnswers,
    Population,
    fit_mixed_logit,
    person_rates,
    posterior,
)
from affectml.heads.objective import ScoreKind
from affectml.heads.thresholds import apply_thresholds, choose_thresholds

FOLDS = 5
TASTES = 8
RIDGES = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0)  # tried in turn until the loss rises
_SOME = 20_000  # rows tell the principal directions well enough
_MANY = 2_000_000  # answers x labels from which float32 does
_CHOOSERS = 1_000_000  # answers, about, that choose tastes and ridge
_WORTH = 1e-4  # nats a label: tastes that gain less are none
_EDGE = 1e-6
_SAVED = ("offset", "scale", "axes", "covariance", "image_variance", "centre", "directions", "own_thresholds")


@dataclass(frozen=True)
class ByPersonConfig(BlendConfig):
    """A head whose people are told apart. head: one that predicts rates; options: its own options.

    tastes: how many ways in which people's answers depend on the image; 0 leaves each a threshold per label. ridge: how
    strongly tastes are held back. None of either: answers about validation images choose. directions: principal
    directions of the features that tastes may follow. steps: of EM, at most.
    """

    kind: ScoreKind = "rates"
    head: str = "sigmoid"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    tastes: Annotated[int, Field(ge=0)] | None = None
    ridge: Annotated[float, Field(gt=0)] | None = None
    directions: Annotated[int, Field(ge=1)] = 128
    steps: Annotated[int, Field(ge=1)] = 60

    def check(self) -> None:
        """HeadConfig.check, and that there is such a head, which takes these options and predicts rates."""
        super().check()
        fitting = sorted(name for name, head in HEADS.items() if cuts_rates(head))
        if self.kind != "rates" or self.head not in fitting:
            raise BadInput(
                f"ByPersonConfig: no rates of {self.head!r} to begin with as {self.kind} (heads: {', '.join(fitting)})"
            )
        self.member().config.check()

    @classmethod
    def around(cls, member: Head, **own: Any) -> Self:
        """With this head inside: its name and what is not at its default; own: options beside."""
        given = {name: value for name, value in vars(member.config).items() if name != "kind"}
        options = {name: value for name, value in given.items() if value != defaults_of(member.config_class)[name]}
        return cls(head=member.name, options=options, **own)

    def member(self) -> Head:
        """The head, not fitted."""
        head = HEADS[self.head]
        return head(**(self.options | ({"kind": "rates"} if len(head.kinds()) > 1 else {})))


def cuts_rates(head: type[Head]) -> bool:
    """Whether it predicts people's rates and cuts its sets from them."""
    return "rates" in head.learns and head.scores_of == "people"


@dataclass(frozen=True, eq=False)
class ImageEffects:
    """What answers say of N images beyond their features: mean and variance [N, C], in log-odds."""

    mean: Tensor
    variance: Tensor


class ByPersonHead(CompositeHead, name="by_person"):
    """A mixed logit over another head's log-odds: who answers has own thresholds and tastes; see `mixed_logit`.

    `scores` and `predict_rates` are the population's: the integral over people, and not what a mean person would say.
    `person` is what is believed of somebody after some answers, `person_rates` what they would choose.

    Targets: rates, as the head inside takes them; `fit` wants `answers` beside. Options: ByPersonConfig. Degenerate: a
    label that nobody or everybody chose gets thresholds near none; somebody without answers is as everybody.
    """

    says = "tells people apart over another head; add `by_person` to that"
    config_class = ByPersonConfig
    config: ByPersonConfig
    fit_: Fit | None = None  # people, and training and validation images, as the fit left them; not saved

    @classmethod
    def over(cls, member: Head, **options: Any) -> Self:
        """Not fitted, with this head inside; options: its own, see ByPersonConfig."""
        return cls(ByPersonConfig.around(member, **options))

    def from_material(self, material: Material) -> dict[str, Any]:
        """What the head inside takes, and who answered what."""
        return {**self.config.member().from_material(material), **material.people()}

    def told(self) -> list[str]:
        """See Head.told."""
        tastes = f"{self.report_['tastes']} tastes" if self.report_["tastes"] else "thresholds alone"
        return [f"by person: {tastes} of {self.report_['people']} people, from {self.report_['answers']:,} answers"]

    def fit(
        self,
        X: Features,
        targets: ArrayLike,
        *,
        val: Pair | None = None,
        weights: ArrayLike | None = None,
        generator: torch.Generator | None = None,
        answers: PersonAnswers | None = None,
        val_answers: PersonAnswers | None = None,
        groups: NDArray[Any] | None = None,
    ) -> Self:
        """Fit afresh; see Head.fit.

        Args:
            X: features, [N, D].
            targets: rates [N, C].
            val: (X, targets) of other rows.
            weights: as the head inside takes them.
            generator: of the head inside and of the folds.
            answers: who chose what, of rows of X.
            val_answers: the same of rows of val's X, by the same people: they choose `tastes` and `ridge`, and how a
                person's set is cut; then the mixed logit is fitted to all answers.
            groups: [N]; the head inside says of no row what it learned from a row of the same group.

        Raises:
            BadInput: without answers, for some that name no row, person or label, and as Head.fit does.
        """
        if answers is None:
            raise BadInput("answers: a by_person head learns who chose what: give answers=PersonAnswers(...)")
        return self._fit_afresh(X, targets, val, weights, generator, answers=answers, chosen_by=val_answers,
                                groups=groups)  # fmt: skip

    def _fit(
        self,
        rows: Rows,
        generator: torch.Generator,
        answers: PersonAnswers | None = None,
        chosen_by: PersonAnswers | None = None,
        groups: NDArray[Any] | None = None,
    ) -> None:
        """The head inside, its log-odds out of fold, and the mixed logit over them."""
        assert answers is not None
        _check_answers(answers, len(rows.X), rows.targets.shape[1], "answers")
        if chosen_by is not None:
            if rows.val is None:
                raise BadInput("val_answers: they are about rows of val: give val")
            _check_answers(chosen_by, len(rows.val[0]), rows.targets.shape[1], "val_answers")
        config = self.config
        member = _fitted_member(config, rows, None, generator)
        dtype = torch.float64 if answers.chosen.numel() <= _MANY else torch.float32
        f = _out_of_fold(config, rows, groups, generator).to(dtype)
        self.members_ = (member,)
        centre, directions = _basis(rows.X, config.directions)
        self._state = {"centre": centre, "directions": directions.contiguous()}
        z = self._along(rows.X).to(dtype)
        tastes, ridge, tried = self._choose(f, z, answers, rows, chosen_by, generator)
        own = torch.full((f.shape[1],), 0.5, dtype=torch.float64)
        fit = partial(fit_mixed_logit, rank=tastes, ridge=ridge, steps=config.steps)
        found = fit(f, z, answers)
        self._keep(found.population)
        if chosen_by is not None and rows.val is not None:
            people = found.people.take(chosen_by.person)
            people = Normals(people.mean.double(), people.covariance.double())
            said = person_rates(self.images(rows.val[0]).take(chosen_by.image), people)
            own = choose_thresholds(said, chosen_by.chosen.long()).double()
            more_f, more_z = self._seen(rows.val[0], dtype)
            answers = answers.joined(chosen_by, len(f))
            found = fit(torch.cat([f, more_f]), torch.cat([z, more_z]), answers)
            self._keep(found.population)
        self._state["own_thresholds"] = own
        self.fit_ = found
        who = torch.bincount(answers.person, minlength=answers.people) > 0
        self.report_ = {
            **{key: member.report_[key] for key in ("rows", "prevalence") if key in member.report_},
            "people": int(who.sum()),
            "answers": len(answers),
            "tastes": tastes,
            "ridge": ridge,
            "steps": found.steps,
            "tried": tried,
            "threshold_sd": found.population.covariance.diagonal()[: f.shape[1]].sqrt().tolist(),
            # over people, of what tastes add to each label's log-odds: root mean square over images
            "taste_sd": found.images.loads.square().sum(-1).mean(0).sqrt().tolist(),
            "image_sd": found.population.image_variance.sqrt().tolist(),
            "members": self._described(),
        }

    def _keep(self, population: Population) -> None:
        """What is saved of it."""
        self._state |= {key: getattr(population, key).double().contiguous() for key in _SAVED[:5]}

    def _choose(
        self, f: Tensor, z: Tensor, answers: PersonAnswers, rows: Rows, chosen_by: PersonAnswers | None,
        generator: torch.Generator,
    ) -> tuple[int, float, list[dict[str, Any]]]:  # fmt: skip
        """How many tastes and which ridge, by answers about validation images, and what was tried.

        Tastes are taken where they gain more than one standard error over people. Of many answers those of some people
        are asked.
        """
        config = self.config
        if chosen_by is None or rows.val is None or (config.tastes is not None and config.ridge is not None):
            return TASTES if config.tastes is None else config.tastes, config.ridge or RIDGES[1], []
        ridges = RIDGES if config.ridge is None else (config.ridge,)
        candidates = [(0, ridges[0])] if not config.tastes else []
        candidates += [(config.tastes or TASTES, ridge) for ridge in ridges] if config.tastes != 0 else []
        some = torch.randperm(answers.people, generator=generator) < _CHOOSERS * answers.people / len(answers)
        answers, chosen_by = (each.take(some[each.person].nonzero()[:, 0]) for each in (answers, chosen_by))
        losses: list[Tensor] = []
        mean: list[float] = []
        for tastes, ridge in candidates:
            found = fit_mixed_logit(f, z, answers, rank=tastes, ridge=ridge, steps=config.steps)
            losses.append(self._losses(found, rows.val[0], chosen_by))
            mean.append(float(losses[-1].mean()))
            if mean[-1] > min(mean) + _WORTH and len(mean) > 2:
                break
        best = min(range(len(mean)), key=lambda i: mean[i])
        if candidates[0][0] == 0 and best:
            best *= _surely_gained(losses[0] - losses[best], chosen_by.person)
        tried = [{"tastes": t, "ridge": r, "loss": loss} for (t, r), loss in zip(candidates, mean, strict=False)]
        return *candidates[best], tried

    def _losses(self, found: Fit, X: Features, answers: PersonAnswers) -> Tensor:
        """Log loss of each answer about other images, in nats a label, [A]."""
        images = found.population.images(*self._seen(X, found.people.mean.dtype))
        said = person_rates(images.take(answers.image), found.people.take(answers.person)).clamp(_EDGE, 1 - _EDGE)
        chosen = answers.chosen.to(said.dtype)
        return -(chosen * said.log() + (1 - chosen) * (1 - said).log()).mean(1)

    def _along(self, X: Features) -> Tensor:
        """Features along the principal directions, [N, d]."""
        return (as_features(X, None, "X").double() - self._state["centre"]) @ self._state["directions"]

    def _seen(self, X: Features, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """The head inside's log-odds [N, C] and the directions [N, d]."""
        return _log_odds(self.members_[0].predict_rates(X)).to(dtype), self._along(X).to(dtype)

    @property
    def population(self) -> Population:
        """What holds for everybody."""
        state = self._fitted()
        return Population(*(state[key] for key in _SAVED[:5]))

    def images(self, X: Features, effects: ImageEffects | None = None) -> Images:
        """Images as the mixed logit sees them; effects: what is known of them from answers, of training images say."""
        seen = self.population.images(*self._seen(X))
        if effects is None:
            return seen
        return dataclasses.replace(seen, effect=effects.mean, effect_variance=effects.variance)

    def person(self, X: Features, chosen: ArrayLike, effects: ImageEffects | None = None) -> Normals:
        """What is believed of one person after answers: mean [1, K] and covariance [1, K, K].

        Args:
            X: features of the images that they answered about, [k, D].
            chosen: what they chose, 0/1 [k, C].
            effects: of these images, where they are training images.
        """
        table = torch.as_tensor(np.asarray(chosen))
        answers = PersonAnswers(torch.arange(len(table)), torch.zeros(len(table), dtype=torch.long), table, 1)
        return posterior(self.population, self.images(X, effects), answers)

    def everybody(self) -> Normals:
        """What is believed of somebody who has not answered."""
        return self.population.everybody(1)

    def person_rates(self, X: Features, people: Normals, effects: ImageEffects | None = None) -> Tensor:
        """The probability that a person chooses each label of each row, [N, C]; people: one, or one a row."""
        return person_rates(self.images(X, effects), people)

    def person_sets(self, rates: Tensor) -> Tensor:
        """Sets 0/1 [N, C] of a person's rates, by thresholds chosen on people's own answers about validation images."""
        return apply_thresholds(rates, self._fitted()["own_thresholds"])

    def scores(self, X: Features) -> Tensor:
        """The population's rates, [N, C] float64: the integral over people."""
        return person_rates(self.images(X), self.everybody())

    def _state_keys(self) -> tuple[str, ...]:
        return _SAVED

    def _forget(self) -> None:
        super()._forget()
        self.fit_ = None

    def __getstate__(self) -> dict[str, Any]:
        """For pickles, which hold no people: those are kept apart, see affectml.people.known."""
        return {**self.__dict__, "fit_": None}

    def __repr__(self) -> str:
        inside = self.members_[0] if self.members_ else self.config.member()
        return f"ByPersonHead({inside!r})"


def as_by_person(head: Head) -> ByPersonHead | None:
    """The head where it tells people apart, else None."""
    return head if isinstance(head, ByPersonHead) else None


def _check_answers(answers: PersonAnswers, rows: int, labels: int, name: str) -> None:
    """Raise BadInput where answers are none, are not of C labels, or name a row or a person that is not there."""
    if not len(answers):
        raise BadInput(f"{name}: none; a by_person head learns who chose what")
    shape, wanted = list(answers.chosen.shape), [len(answers), labels]
    if shape != wanted or len(answers.person) != len(answers):
        raise BadInput(
            f"{name}: expected chosen {wanted} and a person for each, got {shape}, {len(answers.person)} persons"
        )
    for what, each, most in (("image", answers.image, rows), ("person", answers.person, answers.people)):
        wrong = ((each < 0) | (each >= most)).nonzero()
        if len(wrong):
            row = int(wrong[0])
            raise BadInput(f"{name}: row {row}: {what} {int(each[row])}, expected 0 to {most - 1}")
    odd = ((answers.chosen != 0) & (answers.chosen != 1)).any(dim=1).nonzero()
    if len(odd):
        raise BadInput(f"{name}: row {int(odd[0])}: chosen must be 0 or 1 for each label")


def _surely_gained(gain: Tensor, person: Tensor) -> bool:
    """Whether the mean of gains [A] is above its standard error over people, and worth a number."""
    each = torch.bincount(person, (gain - gain.mean()).double())
    return bool(gain.sum() > each.square().sum().sqrt()) and bool(gain.mean() > _WORTH)


def _log_odds(rates: Tensor) -> Tensor:
    return rates.double().clamp(_EDGE, 1 - _EDGE).logit()


def _fitted_member(config: ByPersonConfig, rows: Rows, kept: Tensor | None, generator: torch.Generator) -> Head:
    """The head inside, fitted on some of the rows; None: on all."""
    X, targets, weights = rows.X, rows.targets, rows.weights
    if kept is not None:
        X, targets, weights = X[kept], targets[kept], None if weights is None else weights[kept]
    return config.member().fit(X, targets, val=rows.val, weights=weights, generator=generator)


def _out_of_fold(config: ByPersonConfig, rows: Rows, groups: NDArray[Any] | None, generator: torch.Generator) -> Tensor:
    """The head inside's log-odds of each row, by fits on rows of other groups, [N, C]."""
    n = len(rows.X)
    unit = np.arange(n) if groups is None else np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
    fold = torch.randperm(int(unit.max()) + 1, generator=generator)[torch.from_numpy(unit)] % FOLDS
    out = torch.empty(rows.targets.shape, dtype=torch.float64)
    for k in range(FOLDS):
        left = fold == k
        if left.any():
            out[left] = _log_odds(_fitted_member(config, rows, ~left, generator).predict_rates(rows.X[left]))
    return out


def _basis(X: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Mean [D] and principal directions [D, d], so scaled that the first has variance 1."""
    wide = X[:: -(-len(X) // _SOME)].double()
    centre = wide.mean(0)
    variance, directions = torch.linalg.eigh((wide - centre).T @ (wide - centre) / len(wide))
    keep = min(most, len(wide) - 1, int((variance > 1e-12 * variance[-1]).sum()))
    return centre, directions.flip(1)[:, : max(keep, 1)] / variance[-1].clamp(min=1e-30).sqrt()
