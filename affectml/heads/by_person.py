"""A head that knows who answers: thresholds and tastes of each person, over another head's rates."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads.base import Head
from affectml.heads.config import defaults_of
from affectml.heads.ensemble import CompositeHead, MemberConfig
from affectml.heads.inputs import ArrayLike, Features, Material, Rows, as_features, refuse_rows
from affectml.heads.mixed_logit import (
    Fit,
    ImageEffects,
    Images,
    Normals,
    PersonAnswers,
    Population,
    fit_mixed_logit,
    person_rates,
    posterior,
)
from affectml.heads.thresholds import apply_thresholds, choose_thresholds

FOLDS = 5
DIRECTIONS = 128  # principal ones of the features, which tastes follow
_SOME = 20_000  # rows tell them well enough
_EDGE = 1e-6
_POPULATION = tuple(field.name for field in dataclasses.fields(Population))
_SAVED = (*_POPULATION, "centre", "directions", "own_thresholds")


@dataclass(frozen=True)
class ByPersonConfig(MemberConfig):
    """A head whose people are told apart. head: one that predicts rates; options: its own options.

    tastes: how many ways in which people's answers depend on the image; 0 leaves each a threshold per label. ridge: how
    strongly tastes are held back, the precision of what a taste adds to an image's log-odds.
    """

    kind: Literal["rates"] = "rates"
    head: str = "sigmoid"
    tastes: Annotated[int, Field(ge=0)] = 8
    ridge: Annotated[float, Field(gt=0)] = 40.0

    @classmethod
    def fits(cls, head: type[Head]) -> bool:
        """Whether it predicts people's rates and cuts its sets from them."""
        return "rates" in head.learns and head.scores_of == "people"


class ByPersonHead(CompositeHead, name="by_person"):
    """A mixed logit over another head's log-odds: who answers has own thresholds and tastes; see `mixed_logit`.

    `scores` and `predict_rates` are the population's: the integral over people, and not what a mean person would say.
    `person` is what is believed of somebody after some answers, `person_rates` what they would choose.

    Targets: rates, as the head inside takes them. `fit` also takes answers: who chose what, of rows of X; val_answers:
    the same of rows of val's X, by the same people, which also choose how a person's set is cut; and groups [N]: the
    head inside says of no row what it learned from a row of the same group. Options: ByPersonConfig. Degenerate: a
    label that nobody or everybody chose gets thresholds near none; somebody without answers is as everybody.
    """

    says = "tells people apart over another head; add `by_person` to that"
    config_class = ByPersonConfig
    config: ByPersonConfig
    fit_: Fit  # people, and training and validation images, as `fit` leaves them; not saved

    @classmethod
    def over(cls, member: Head, **options: Any) -> Self:
        """Not fitted, with this head inside, its name and what is not at its default; options: see ByPersonConfig."""
        defaults = defaults_of(member.config_class)
        inside = {key: value for key, value in vars(member.config).items() if key != "kind" and value != defaults[key]}
        return cls(head=member.name, options=inside, **options)

    def from_material(self, material: Material) -> dict[str, Any]:
        """What the head inside takes, and who answered what."""
        return {**self.config.member().from_material(material), **material.people()}

    def told(self) -> list[str]:
        """See Head.told."""
        people, answers = self.report_["people"], self.report_["answers"]
        return [f"by person: thresholds and {self.config.tastes} tastes of {people} people, from {answers:,} answers"]

    def _fit(
        self,
        rows: Rows,
        generator: torch.Generator,
        answers: PersonAnswers | None = None,
        val_answers: PersonAnswers | None = None,
        groups: NDArray[Any] | None = None,
    ) -> None:
        """The head inside, its log-odds out of fold, and the mixed logit over them."""
        labels = rows.targets.shape[1]
        if answers is None:
            raise BadInput("answers: a by_person head learns who chose what: give answers=PersonAnswers(...)")
        _check_answers(answers, len(rows.X), labels, "answers")
        member = self._fitted_member(rows, slice(None), generator)
        f = self._out_of_fold(rows, groups, generator)
        self.members_ = (member,)
        centre, directions = _basis(rows.X)
        own = torch.full((labels,), 0.5, dtype=torch.float64)
        self._state = {"centre": centre, "directions": directions, "own_thresholds": own}
        z = self._along(rows.X)
        every = answers
        if val_answers is not None:
            if rows.val is None:
                raise BadInput("val_answers: they are about rows of val: give val")
            _check_answers(val_answers, len(rows.val[0]), labels, "val_answers")
            f, z = (torch.cat(pair) for pair in zip((f, z), self._seen(rows.val[0]), strict=True))
            every = answers.joined(val_answers, len(rows.X))
        fit = fit_mixed_logit(f, z, every, tastes=self.config.tastes, ridge=self.config.ridge)
        self.fit_ = fit
        self._state |= {key: getattr(fit.population, key).contiguous() for key in _POPULATION}
        if val_answers is not None and rows.val is not None:
            images, people = self.images(rows.val[0]).take(val_answers.image), fit.people.take(val_answers.person)
            self._state["own_thresholds"] = choose_thresholds(person_rates(images, people), val_answers.chosen)
        self.report_ = {
            **{key: member.report_[key] for key in ("rows", "prevalence") if key in member.report_},
            "people": int(torch.bincount(every.person).count_nonzero()),
            "answers": len(every),
            "steps": fit.steps,
            "threshold_sd": fit.population.covariance.diagonal()[:labels].sqrt().tolist(),
            # over people, of what tastes add to each label's log-odds: root mean square over images
            "taste_sd": fit.images.loads.square().sum(-1).mean(0).sqrt().tolist(),
            "image_sd": fit.population.image_variance.sqrt().tolist(),
            "members": self._described(),
        }

    def _fitted_member(self, rows: Rows, kept: Tensor | slice, generator: torch.Generator) -> Head:
        """The head inside, fitted on some of the rows."""
        member, weights = self.config.member(), None if rows.weights is None else rows.weights[kept]
        return member.fit(rows.X[kept], rows.targets[kept], val=rows.val, weights=weights, generator=generator)

    def _out_of_fold(self, rows: Rows, groups: NDArray[Any] | None, generator: torch.Generator) -> Tensor:
        """The head inside's log-odds of each row, by fits on rows of other groups, [N, C]."""
        unit = np.arange(len(rows.X)) if groups is None else np.unique(groups.astype(str), return_inverse=True)[1]
        fold = torch.randperm(int(unit.max()) + 1, generator=generator)[torch.from_numpy(unit)] % FOLDS
        out = torch.empty(rows.targets.shape, dtype=torch.float64)
        for k in range(int(fold.max()) + 1):
            left = fold == k
            out[left] = _log_odds(self._fitted_member(rows, ~left, generator).predict_rates(rows.X[left]))
        return out

    def _along(self, X: Features) -> Tensor:
        """Features along the principal directions, [N, d]."""
        return (as_features(X, None, "X").double() - self._state["centre"]) @ self._state["directions"]

    def _seen(self, X: Features) -> tuple[Tensor, Tensor]:
        """The head inside's log-odds [N, C] and the directions [N, d]."""
        return _log_odds(self.members_[0].predict_rates(X)), self._along(X)

    @property
    def population(self) -> Population:
        """What holds for everybody."""
        state = self._fitted()
        return Population(*(state[key] for key in _POPULATION))

    def images(self, X: Features, effects: ImageEffects | None = None) -> Images:
        """Images as the mixed logit sees them; effects: what is known of them from answers, of training images say."""
        return self.population.images(*self._seen(X), effects)

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

    def __getstate__(self) -> dict[str, Any]:
        """For pickles, which hold no people: those are kept apart, see affectml.people.known."""
        return {name: value for name, value in vars(self).items() if name != "fit_"}


def _check_answers(answers: PersonAnswers, rows: int, labels: int, name: str) -> None:
    """Raise BadInput where answers are none, are not of C labels, or name a row or a person that is not there."""
    if not len(answers):
        raise BadInput(f"{name}: none; a by_person head learns who chose what")
    shape, wanted, persons = list(answers.chosen.shape), [len(answers), labels], len(answers.person)
    if shape != wanted or persons != len(answers):
        raise BadInput(f"{name}: expected chosen {wanted} and a person for each, got {shape}, {persons} persons")
    for what, numbers, most in (("image", answers.image, rows), ("person", answers.person, answers.people)):
        refuse_rows(((numbers < 0) | (numbers >= most))[:, None], name, f"names no {what}, expected 0 to {most - 1}")
    refuse_rows((answers.chosen != 0) & (answers.chosen != 1), name, "must choose 0 or 1 for each label")


def _log_odds(rates: Tensor) -> Tensor:
    return rates.double().clamp(_EDGE, 1 - _EDGE).logit()


def _basis(X: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [D] and principal directions [D, d], so scaled that rows have mean square length 1 along all of them."""
    wide = X[:: -(-len(X) // _SOME)].double()
    centre = wide.mean(0)
    variance, directions = torch.linalg.eigh((wide - centre).T @ (wide - centre) / len(wide))
    keep = max(1, min(DIRECTIONS, len(wide) - 1, int((variance > 1e-12 * variance[-1]).sum())))
    length = variance[-keep:].sum().clamp(min=1e-30).sqrt()
    return centre, (directions.flip(1)[:, :keep] / length).contiguous()


def as_by_person(head: Head) -> ByPersonHead:
    """The head, which tells people apart; BadInput where it does not."""
    if not isinstance(head, ByPersonHead):
        raise BadInput(f"a {head.name} head, which tells no people apart")
    return head
