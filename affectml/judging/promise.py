"""What became of a promise on images that it was not made on: the risk with its interval, and how large sets are."""

from typing import Any

import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.data.levels import levels_of
from affectml.heads import Head, Promise
from affectml.heads.promise import losses, unit_means
from affectml.heads.shift import find_shift
from affectml.judging.scoring import Answers, Score, as_scores
from affectml.judging.subgroups import MIN_IMAGES, columns_of
from affectml.judging.truth import Truth
from affectml_metrics import mean_interval

Array = NDArray[Any]


def from_people(kind: str) -> bool:
    """Whether a target of this kind holds people's answers, and not labels that images have."""
    return kind in ("rates", "distribution")


def held(risk: str, figure: str, *, people: bool) -> str:
    """What sets hold, with the figure: so much of the choices, so many labels too many, or what share of right ones."""
    if risk == "recall":
        return f"{figure} of the choices" if people else f"{figure} of the images' labels"
    if risk == "precision":
        return f"labels of which {figure} {'are chosen by somebody' if people else 'are labels of the image'}"
    return f"{figure} labels that {'nobody chose' if people else 'the image does not have'}"


def add_promise(
    metrics: dict[str, Any],
    head: Head,
    answers: Answers,
    truth: Truth,
    images: pd.DataFrame,
    *,
    own: bool,
    kind: str,
) -> None:
    """Add `promise` to metrics.json's content where the head promises something, and say whose sets keep it.

    `shift` in it says whether its ground has shifted; what people chose counts there where `truth` is of the `kind`
    that the promise was made on.
    """
    promise = head.promise_
    if promise is None:
        return
    assert answers.sets is not None
    assert head.ground_ is not None
    metrics["rules"]["predicted_sets"] = (
        f"the model's {'keep' if own else 'are cut for'} its promise ({promise.asked}); the others' by thresholds "
        "chosen on validation, the oracle's from tau"
    )
    choices = (truth.shares if truth.votes is None else truth.votes) if truth.kind == kind else None
    levels = levels_of(images, promise.column, truth.image_id)
    shift = find_shift(
        promise, head.ground_, truth.labels, answers.scores, choices=choices, groups=truth.groups, levels=levels
    )
    made = promised(promise, answers.sets, truth, images, own=own)
    metrics["promise"] = {"shift": shift.to_json(), **made}


def promised(promise: Promise, sets: Tensor, truth: Truth, images: pd.DataFrame, *, own: bool) -> dict[str, Any]:
    """The entry `promise` of metrics.json.

    risk: the mean loss over images, or over groups where the promise is about groups, with a 95 % interval over these
    images at the cuts as they are; beside it recall or precision (its complement) or extra, and the mean size of the
    sets; with a precision also the share of images whose set is empty. spread: one SD of the expected loss between
    draws of the calibration images, which that interval does not hold.

    Args:
        promise: the head's.
        sets: 0/1 [N, C] of the images of `truth`.
        truth: what people said of them.
        images: the data set's, for its subgroups.
        own: whether these images and what people said of them come from the data that the promise was made on.
    """
    choices = truth.votes if truth.votes is not None else truth.shares
    asked = promise.asked
    rows = losses(asked.risk, sets, choices)
    size = sets.sum(dim=1).double().numpy()
    groups = truth.groups if promise.unit == "groups" else None
    table = images.set_index("image_id").reindex(truth.image_id)
    by: dict[str, dict[str, Any]] = {}
    for column, levels in columns_of(table, promise.column).items():
        by[column] = {}
        for level in sorted(levels.dropna().unique()):
            here = (levels == level).to_numpy()
            own_groups = None if groups is None else groups[here]
            entry = {"n": int(here.sum())}
            if entry["n"] >= MIN_IMAGES:
                entry |= _figures(promise, rows[here], size[here], own_groups, labels=sets.shape[1])
            by[column][str(level)] = entry
    elsewhere = "other data or another target: nothing is promised here, this is what came out"
    return {
        "promise": str(promise.asked),
        "words": promise.words(people=from_people(truth.kind)),
        "made_on": "images of this data set" if own else elsewhere,
        **({"probability": asked.probability} if asked.risk == "precision" else {}),
        "family": promise.family,
        "unit": promise.unit,
        "calibration": promise.cut.units,
        "without_choices": promise.left_out,
        "spread": promise.spread,
        **_figures(promise, rows, size, groups, labels=sets.shape[1]),
        "by_subgroup": by,
    }


def _figures(promise: Promise, rows: Array, size: Array, groups: Array | None, *, labels: int) -> dict[str, Any]:
    """units, risk, recall, extra or precision with empty, and size; no more than units where none counts."""
    lost = unit_means(rows, groups)
    if not len(lost):
        return {"units": 0}
    risk = _interval(lost, most=promise.asked.bound(labels))
    large = _interval(unit_means(size, groups), most=labels)
    out: dict[str, Any] = {"units": len(lost), "risk": risk}
    if promise.asked.risk == "extra":
        out["extra"] = risk
    else:
        out[promise.asked.risk] = {
            **risk,
            "value": 1 - risk["value"],
            "low": 1 - risk["high"],
            "high": 1 - risk["low"],
        }
    if promise.asked.risk == "precision":
        out["empty"] = _interval(unit_means((size == 0).astype(float), groups), most=1)
    return {**out, "size": large}


def _interval(values: Array, *, most: float) -> Score:
    """Their mean; the interval lies between 0 and the most that a unit can have."""
    return as_scores(mean_interval(torch.from_numpy(values)[:, None], bounds=[(0, most)]))[0]
