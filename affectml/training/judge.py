"""The fourth step: what the fitted systems score on the test images, beside people."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from affectml._progress import Say
from affectml.data.levels import levels_of
from affectml.evaluation import Answers, Result, Systems, evaluate
from affectml.evaluation.answerers import answerers
from affectml.evaluation.kept_promise import add_promise
from affectml.evaluation.subgroups import subgroups
from affectml.heads.by_person import as_by_person
from affectml.predicting.alike import Alike
from affectml.spaces import by_level
from affectml.training.crosswise import crosswise
from affectml.training.prepare import Prepared


@dataclass(frozen=True, eq=False)
class Judged:
    """A training with its scores.

    answers: of the test images. levels: scores at coarser labels, see `by_level`. curve: see `learning_curve`.
    """

    prepared: Prepared
    systems: Systems
    answers: Mapping[str, Answers]
    result: Result
    levels: dict[str, dict[str, Any]]
    curve: tuple[dict[str, Any], ...] = ()

    @cached_property
    def subgroups(self) -> dict[str, Any]:
        """For whom the model fails, see `affectml.evaluation.subgroups`; subgroups.json's content."""
        plan, truth = self.prepared.plan, self.prepared.test
        people = answerers(plan.dataset, truth)
        columns, seed = plan.config.groups, plan.config.seed
        return subgroups(self.answers["model"], truth, plan.dataset.images, people, columns=columns, seed=seed)


def judge(prepared: Prepared, systems: Systems, say: Say = lambda line: None) -> Judged:
    """Score every system on the test images, and at the coarser levels of the labels.

    Args:
        prepared: what to judge by.
        systems: what `fit` gave, or systems of one's own.
        say: called with what a user should know.

    Returns:
        The answers and their scores.
    """
    plan, split = prepared.plan, prepared.split
    images, test = plan.dataset.images, split.ids("test")
    answers = systems.answers(prepared.store.features(test), levels_of(images, plan.config.promise_group, test))
    if little := Alike.of(prepared.test.labels, answers["model"].scores, answers["model"].sets).words:
        say(f"on the test images {little}")
    result = evaluate(answers, prepared.test, split="test", seed=plan.config.seed, why_not=systems.why_not)
    add_promise(result.metrics, systems.model, answers["model"], prepared.test, images, plan.config.seed, own=True)
    if (knows_people := as_by_person(systems.model)) is not None:
        result.metrics.update(crosswise(prepared, knows_people, say))
    levels = by_level(
        plan.dataset,
        prepared.targets,
        split.ids("test"),
        split.ids("train"),
        answers,
        rates=_with_rates(prepared, systems),
        tau=plan.config.tau,
        seed=plan.config.seed,
    )
    return Judged(prepared, systems, answers, result, levels)


def _with_rates(prepared: Prepared, systems: Systems) -> list[str]:
    """The systems whose scores are rates, each label on its own; those of text heads are always distributions."""
    if not prepared.plan.rates:
        return []
    return ["prior"] if systems.model.scores_of == "texts" else ["prior", "model"]
