"""The fourth step: what the fitted systems score on the test images, beside people."""

from dataclasses import replace

from affectml._progress import Say
from affectml.data.splits import Split, split_table
from affectml.data.targets import Targets
from affectml.judging.evaluate import evaluate
from affectml.judging.figures import Rows
from affectml.judging.systems import Systems
from affectml.predicting.alike import Alike
from affectml.training.steps import Judged, Prepared


def judge(prepared: Prepared, systems: Systems, say: Say = lambda line: None) -> Judged:
    """Score every system on the test images, at the coarser levels of the labels, and by subgroup.

    Args:
        prepared: what to judge by.
        systems: what `fit` gave, or systems of one's own; what a head promises or knows of people is judged where the
            plan asks for it.
        say: called with what a user should know.

    Returns:
        The answers and what was found of them.
    """
    plan, split, truth = prepared.plan, prepared.split, prepared.test
    test = split.ids("test")
    answers = systems.answers(prepared.store.features(test), plan.levels(test))
    if little := Alike.of(truth.labels, answers["model"].scores, answers["model"].sets).words:
        say(f"on the test images {little}")
    key = {"dataset": plan.dataset.name, "target": prepared.targets.name, "space": prepared.targets.taxonomy.name}
    rows = Rows(**key)
    _of_split(rows, split, prepared.targets)
    found = evaluate(
        answers, truth, split="test", seed=plan.config.seed, why_not=systems.why_not, images=plan.dataset.images,
        thresholds=None if systems.model.promise_ is not None else systems.model.thresholds_,
        dataset=key["dataset"], target=key["target"], space=key["space"],
    )  # fmt: skip
    judged = Judged(prepared, systems, answers, found.with_(rows.rows, split_notes=list(split.notes)))
    for step in plan.steps:
        judged = replace(judged, evaluation=step.judge(judged, say))
    return judged


def _of_split(rows: Rows, split: Split, targets: Targets) -> None:
    """Add how many images each part has, and each label's mean share there."""
    for part in split_table(split, targets).to_dict("records"):
        key = {"system": "people", "by": "split", "level": part["split"], "n": part["images"]}
        rows.add("images", part["images"], **key)
        for label in targets.taxonomy.labels:
            rows.add("prevalence", part[label], label=label, **key)
