"""A promise in a training: checked before any work, then kept on the calibration part, which nothing else touches."""

import numpy as np

from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.choose import from_people
from affectml.data.levels import levels_in
from affectml.errors import BadInput, did_you_mean, option
from affectml.heads import Head
from affectml.heads.build import heads_that
from affectml.heads.promise import Asked
from affectml.judging.subgroups import MAX_LEVELS, OURS
from affectml.runs import TrainConfig
from affectml.training.steps import Plan, Prepared, Step


class Promise(Step):
    """A promise, kept by cuts that are made on the calibration part; `kept_promise` says what came of it."""

    def asked(self, config: TrainConfig) -> bool:
        """With `promise`, or what belongs to one."""
        return config.promise is not None or bool(_belonging(config))

    def check(self, plan: Plan) -> None:
        """Raise BadInput for a promise that this head or data set does not allow, with the way out."""
        config, head, targets, dataset = plan.config, plan.head, plan.targets, plan.dataset
        if config.promise is None:
            way = option("promise", "recall=.8" if config.promise_group is not None else "precision=.8")
            raise BadInput(f"{option(_belonging(config)[0])} belongs to a promise: add {way}")
        asked, given = plan.promise, option("promise", config.promise)
        if head.scores_of == "sets":
            way = heads_that(lambda other: other.scores_of != "sets" and targets.kind in other.learns)
            raise BadInput(f"{given}: {head.described()} decides its sets otherwise; take {option('head')} {way}")
        if targets.meta.vote_rule == "moments":
            raise BadInput(
                f"{given}: target {targets.name} has rates made from means and SDs, which nobody chose; take a target "
                " of votes, sets or single labels"
            )
        if asked.risk != "recall" and targets.kind == "single":
            raise BadInput(
                f"{given}: target {targets.name} has one label per image, and a label that is absent is not one "
                f"that nobody would choose; take {option('promise', 'recall=.8')}"
            )
        if asked.risk == "extra" and asked.level >= len(targets.taxonomy):
            raise BadInput(f"{given}: there are only {len(targets.taxonomy)} labels, so that promises nothing")
        if config.promise_group is not None:
            _check_column(config.promise_group, dataset, targets)

    def check_parts(self, prepared: Prepared) -> None:
        """Raise BadInput where the calibration part is too small for the promise."""
        plan, part = prepared.plan, prepared.calibration
        asked, levels, groups = plan.promise, plan.levels(part.image_id), plan.dataset.groups(part.image_id)
        unit, what = (part.image_id, "images") if groups is None else (groups, "groups")
        counts = part.table.sum(axis=1) > 0 if asked.risk == "recall" else np.ones(len(unit), dtype=bool)
        asked.check_units(len(set(unit[counts])), len(part.taxonomy), what)
        if levels is not None:
            column = plan.config.promise_group
            for level in levels_in(plan.dataset.images, column, plan.targets.image_id):
                here = set(unit[counts & (levels == level)])
                asked.check_units(len(here), len(part.taxonomy), what, f" with {column} {level!r}")

    def fitted(self, head: Head, prepared: Prepared, say: Say) -> None:
        """Cut its sets on the calibration part, and say what they promise."""
        plan, part = prepared.plan, prepared.calibration
        head.keep_promise(
            plan.promise,
            prepared.store.features(part.image_id),
            part.table,
            groups=plan.dataset.groups(part.image_id),
            column=plan.config.promise_group,
            levels=plan.levels(part.image_id),
            start=prepared.store.features(prepared.val.image_id),
            start_levels=plan.levels(prepared.val.image_id),
        )
        promise = head.promise_
        assert promise is not None
        say(f"promise {plan.promise}: {promise.words(people=from_people(part.kind))}")
        if promise.left_out:
            say(f"{promise.left_out} calibration images that nobody chose a label for do not count in it")


def _belonging(config: TrainConfig) -> list[str]:
    """The options that are given and mean nothing without a promise."""
    without = {"promise_group": None, "promise_level": Asked.probability, "promise_empty": Asked.empty}
    return [name for name, value in without.items() if getattr(config, name) != value]


def _check_column(column: str, dataset: Dataset, targets: Targets) -> None:
    given = option("promise_group", column)
    known = [name for name in dataset.images.columns if name not in OURS]
    if column not in known:
        have = ", ".join(known) or "no column of your own"
        near = did_you_mean(column, known)
        raise BadInput(f"{given}: no such column in {dataset.root / 'images.parquet'}{near} (it has: {have})")
    count = len(levels_in(dataset.images, column, targets.image_id))
    if not 2 <= count <= MAX_LEVELS:
        raise BadInput(f"{given}: {count} levels; expected 2 to {MAX_LEVELS}, each with calibration images of its own")
