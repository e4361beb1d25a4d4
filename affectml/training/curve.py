"""A learning curve: the same head fitted on shares of the training images, and judged on the same test images."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.data.splits import Split
from affectml.errors import AffectmlError
from affectml.judging.scoring import Answers, intervals, row_scores
from affectml.judging.systems import answers_of
from affectml.training.fit import fit_model
from affectml.training.steps import Prepared

SHARES = (0.1, 0.2, 0.4, 0.7)


def learning_curve(prepared: Prepared, model: Answers, say: Say = lambda line: None) -> list[dict[str, Any]]:
    """What the head scores on the test images when it learns from fewer training images.

    Every smaller part lies in the larger ones, and groups stay whole. Validation stays as it is, and so do the sets
    that votes are cut into: what moves is what the head learned from.

    Args:
        prepared: what the run was fitted on.
        model: the run's own answers for the test images, the curve's last point.
        say: called for a part on which the head cannot be fitted, which is left out.

    Returns:
        A point per share, smallest first: share, images, and scores {METRIC: {value, low, high}} of the metrics that
        are means over images.
    """
    train = prepared.train.image_id
    order = _order(prepared, train)
    made = []
    for share in SHARES:
        kept = order[: max(1, round(share * len(order)))]
        images = np.isin(train, np.concatenate(kept)) if len(kept) else np.zeros(len(train), dtype=bool)
        try:
            part = _part(prepared, train[images])
            made.append((share, int(images.sum()), _answers(part)))
        except AffectmlError as error:
            say(f"learning curve: no point at {share:.0%} of the training images ({error})")
    truth = prepared.test
    return [
        {
            "share": share,
            "images": images,
            "scores": intervals(row_scores(answers, truth), truth),
        }
        for share, images, answers in [*made, (1.0, len(train), model)]
    ]


def _order(prepared: Prepared, train: NDArray[np.object_]) -> list[NDArray[np.object_]]:
    """The training images, whole groups at a time, in an order that the seed draws."""
    groups = prepared.plan.dataset.groups(train)
    parts = (
        [train[groups == name] for name in dict.fromkeys(groups)]
        if groups is not None
        else [train[i : i + 1] for i in range(len(train))]
    )
    return [parts[i] for i in np.random.default_rng(prepared.plan.config.seed).permutation(len(parts))]


def _part(prepared: Prepared, kept: NDArray[np.object_]) -> Prepared:
    """The same with fewer training images; the prior by which votes become sets stays that of all."""
    split = prepared.split
    gone = (split.assignment == "train") & ~np.isin(split.image_id, kept)
    part = replace(prepared, split=Split(split.image_id, np.where(gone, "unused", split.assignment), split.notes))
    vars(part)["beta"] = prepared.beta
    return part


def _answers(part: Prepared) -> Answers:
    test, plan = part.split.ids("test"), part.plan
    head = fit_model(part)
    return answers_of(head, part.store.features(test), part.targets.kind, plan.levels(test))
