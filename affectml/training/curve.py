"""A learning curve: the same head fitted on shares of the training images, and judged on the same test images."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.data.splits import Split
from affectml.errors import AffectmlError
from affectml.judging.figures import Evaluation
from affectml.judging.scoring import Answers, add_means, answers_of, row_scores
from affectml.training.fit import fit_model
from affectml.training.steps import Judged, Prepared

SHARES = (0.1, 0.2, 0.4, 0.7)


def learning_curve(judged: Judged, say: Say = lambda line: None) -> Evaluation:
    """What the head scores on the test images when it learns from fewer training images.

    Every smaller part lies in the larger ones, and groups stay whole. Validation stays as it is, and so do the sets
    that votes are cut into: what moves is what the head learned from.

    Args:
        judged: the training; what its model answers about the test images is the curve's last point.
        say: called for a part on which the head cannot be fitted, which is left out.

    Returns:
        Its evaluation with the metrics that are means over images, `by` training_images, n and `level` being how many
        these are, fewest first; and in learning_curve each level's share. Shares of as many images are one point.
    """
    prepared, found = judged.prepared, judged.evaluation
    train = prepared.train.image_id
    order = _order(prepared, train)
    points: dict[int, tuple[float, Answers]] = {}
    for share in SHARES:
        kept = order[: max(1, round(share * len(order)))]
        images = np.isin(train, np.concatenate(kept)) if len(kept) else np.zeros(len(train), dtype=bool)
        try:
            points.setdefault(int(images.sum()), (share, _answers(_part(prepared, train[images]))))
        except AffectmlError as error:
            say(f"learning curve: no point at {share:.0%} of the training images ({error})")
    points[len(train)] = (1.0, judged.answers["model"])
    rows, truth = found.rows(by="training_images"), prepared.test
    for count, (_, answers) in points.items():
        add_means(rows, row_scores(answers, truth), truth.groups, level=str(count), n=count)
    return found.with_(rows.rows, learning_curve=[share for share, _ in points.values()])


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
