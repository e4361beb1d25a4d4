"""The fourth step: what the fitted systems score on the test images, beside people."""

from dataclasses import replace

from affectml._progress import Say
from affectml.data.splits import Split, split_table
from affectml.data.targets import Targets
from affectml.judging.evaluate import evaluate
from affectml.judging.figures import Figure, Rows
from affectml.judging.readings import VIEWS
from affectml.judging.spaces import coarser
from affectml.judging.subgroups import answerers, kept_promise, subgroups
from affectml.predicting.checks import Alike
from affectml.training.steps import Judged, Prepared, Systems


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
    plan, split, truth, model = prepared.plan, prepared.split, prepared.test, systems.model
    test = split.ids("test")
    answers = systems.answers(prepared.store.features(test), plan.levels(test))
    little = Alike.of(truth.labels, answers["model"].scores, answers["model"].sets).words
    if little:
        say(f"on the test images {little}")
    # the systems whose scores are rates, each label on its own; those of text heads are always distributions
    with_rates = ["prior"] if model.scores_of == "texts" else ["prior", "model"]
    found = evaluate(
        answers,
        truth,
        split="test",
        seed=plan.config.seed,
        dataset=plan.dataset.name,
        target=prepared.targets.name,
        space=prepared.targets.taxonomy.name,
        why_not=systems.why_not,
        also=(subgroups, kept_promise, coarser, *VIEWS),
        images=plan.dataset.images,
        answerers=answerers(plan.dataset, truth),
        groups=plan.config.groups,
        head=model,
        own=True,
        made_on=truth.kind,
        data=plan.dataset,
        targets=prepared.targets,
        train=split.ids("train"),
        rates=with_rates if plan.rates else [],
        thresholds=None if model.promise_ is not None else model.thresholds_,
    )
    facts = {"split_notes": list(split.notes), "warnings": [f"On the test images {little}"] if little else []}
    judged = Judged(prepared, systems, answers, found.with_(_of_split(found.rows(), split, prepared.targets), **facts))
    for step in plan.steps:
        judged = replace(judged, evaluation=step.judge(judged, say))
    return judged


def _of_split(rows: Rows, split: Split, targets: Targets) -> list[Figure]:
    """How many images each part has, and each label's mean share there."""
    for part in split_table(split, targets).to_dict("records"):
        key = {"system": "people", "by": "split", "level": part["split"], "n": part["images"]}
        rows.add("images", part["images"], **key)
        for label in targets.taxonomy.labels:
            rows.add("prevalence", part[label], label=label, **key)
    return rows.rows
