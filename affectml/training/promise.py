"""A training's promise: checked before any work, then kept on the calibration part, which nothing else touches."""

from affectml._progress import Say
from affectml.data.choose import from_people, levels_in
from affectml.errors import BadInput, did_you_mean, option
from affectml.heads import Head
from affectml.heads.registry import heads_that
from affectml.judging.subgroups import MAX_LEVELS, OURS
from affectml.training.steps import Plan, Prepared


def check_promise(plan: Plan) -> None:
    """Raise BadInput for a promise that this head or data set does not allow, with the way out."""
    config, head, targets, dataset = plan.config, plan.head, plan.targets, plan.dataset
    if config.promise is None:
        raise BadInput(f"{option('promise_group')} belongs to a promise: add {option('promise', 'recall=.8')}")
    asked, labels, name, why = plan.promise, len(targets.taxonomy), targets.name, ""
    if head.scores_of == "sets":
        way = heads_that(lambda other: other.scores_of != "sets" and targets.kind in other.learns)
        why = f"{head.described()} decides its sets otherwise; take {option('head')} {way}"
    elif targets.meta.vote_rule == "moments":
        why = f"target {name} has rates made from means and SDs, which nobody chose; take one of votes or of labels"
    elif asked.risk != "recall" and targets.kind == "single":
        way = f"where an absent label is not one that nobody would choose; take {option('promise', 'recall=.8')}"
        why = f"target {name} has one label per image, {way}"
    elif asked.risk == "extra" and asked.level >= labels:
        why = f"there are only {labels} labels, so that promises nothing"
    if why:
        raise BadInput(f"{option('promise', config.promise)}: {why}")
    if (column := config.promise_group) is not None:
        words, own = option("promise_group", column), [name for name in dataset.images.columns if name not in OURS]
        if column not in own:
            have = f"{did_you_mean(column, own)} (it has: {', '.join(own) or 'no column of your own'})"
            raise BadInput(f"{words}: no such column in {dataset.root / 'images.parquet'}{have}")
        count, most = len(levels_in(dataset.images, column, targets.image_id)), MAX_LEVELS
        if not 2 <= count <= most:
            raise BadInput(f"{words}: {count} levels; expected 2 to {most}, each with calibration images of its own")


def check_calibration(prepared: Prepared) -> None:
    """Raise BadInput where the calibration part is too small for the promise."""
    plan, part = prepared.plan, prepared.calibration
    groups, column = plan.dataset.groups(part.image_id), plan.config.promise_group
    plan.promise.units(part.table, groups)
    for level in levels_in(plan.dataset.images, column, plan.targets.image_id):
        here = plan.levels(part.image_id) == level
        own = None if groups is None else groups[here]
        plan.promise.units(part.table[here], own, f" with {column} {level!r}")


def keep_promise(head: Head, prepared: Prepared, say: Say) -> None:
    """Cut its sets on the calibration part, and say what they promise."""
    plan, part = prepared.plan, prepared.calibration
    head.keep_promise(
        plan.promise,
        prepared.store.features(part.image_id),
        part.table,
        groups=plan.dataset.groups(part.image_id),
        column=plan.config.promise_group,
        levels=plan.levels(part.image_id),
    )
    promise = head.promise_
    assert promise is not None
    say(f"promise {plan.promise}: {promise.words(people=from_people(part.kind))}")
    if promise.left_out:
        say(f"{promise.left_out} calibration images that nobody chose a label for do not count in it")
