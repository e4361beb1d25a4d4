"""The fourth step: what the fitted systems score on the test images, beside people."""

from affectml._progress import Say
from affectml.judging.evaluate import evaluate
from affectml.judging.systems import Systems
from affectml.predicting.alike import Alike
from affectml.spaces import by_level
from affectml.training.steps import Judged, Prepared


def judge(prepared: Prepared, systems: Systems, say: Say = lambda line: None) -> Judged:
    """Score every system on the test images, and at the coarser levels of the labels.

    Args:
        prepared: what to judge by.
        systems: what `fit` gave, or systems of one's own; what a head promises or knows of people is judged where the
            plan asks for it.
        say: called with what a user should know.

    Returns:
        The answers and their scores.
    """
    plan, split = prepared.plan, prepared.split
    test = split.ids("test")
    answers = systems.answers(prepared.store.features(test), plan.levels(test))
    if little := Alike.of(prepared.test.labels, answers["model"].scores, answers["model"].sets).words:
        say(f"on the test images {little}")
    result = evaluate(answers, prepared.test, split="test", seed=plan.config.seed, why_not=systems.why_not)
    # the systems whose scores are rates, each label on its own; those of text heads are always distributions
    with_rates = ["prior"] if systems.model.scores_of == "texts" else ["prior", "model"]
    levels = by_level(
        plan.dataset,
        prepared.targets,
        test,
        split.ids("train"),
        answers,
        rates=with_rates if plan.rates else [],
        tau=plan.config.tau,
    )
    judged = Judged(prepared, systems, answers, result, levels)
    for step in plan.steps:
        step.judge(judged, say)
    return judged
