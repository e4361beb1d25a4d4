"""What became of a promise on images that it was not made on: the risk with its interval, and how large sets are."""

from itertools import chain
from typing import Any

import numpy as np

from affectml.data.levels import levels_of
from affectml.heads import Head
from affectml.heads.promise import losses, unit_means
from affectml.heads.shift import find_shift
from affectml.judging.subgroups import column_of_images, columns_of, each_level
from affectml.judging.views import Case
from affectml_metrics import mean_interval


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


def kept_promise(case: Case) -> dict[str, Any]:
    """What the first system's sets keep of its head's promise: a view of `evaluate`; nothing where it promises nothing.

    It needs `Case.images`, and of `Case.more` the `head`; `own`: whether these images and what people said of them come
    from the data that the promise was made on; and `made_on`: the kind of target of that data, since what people chose
    counts for a shift of the promise's ground only where it is of the same kind.

    Adds promise_recall, promise_precision (1 less the mean loss) or promise_extra (the mean loss) over images, or over
    groups where the promise is about groups, with a 95 % interval at the cuts as they are; promise_size, the labels per
    set; and of a precision promise_empty, the share of empty sets. The same `by` the columns that make subgroups, with
    n images and the units that count. Without any that counts, as where nobody chose a label, there is no figure. A
    level of few images has their number alone, which `subgroups` has added where it came before.

    Returns:
        promise: its words, what it was made on, spread (one SD of the expected loss between draws of the calibration
        images, which the intervals do not hold), and shift, which says whether its ground has shifted; and in rules,
        whose sets keep it.
    """
    head: Head | None = case.more.get("head")
    if head is None or head.promise_ is None or case.images is None:
        return {}
    promise, ground, truth, sets = head.promise_, head.ground_, case.truth, case.model.sets
    assert sets is not None
    assert ground is not None
    asked, own, scores, groups = promise.asked, case.more["own"], case.model.scores, truth.groups
    choices = truth.shares if truth.votes is None else truth.votes
    rows, size = losses(asked.risk, sets, choices), sets.sum(dim=1).double().numpy()
    unit = groups if promise.unit == "groups" else None
    most = {"size": sets.shape[1], "empty": 1, asked.risk: asked.bound(sets.shape[1])}

    table = case.images.set_index("image_id").reindex(truth.image_id)
    columns = {column_of_images(name): levels for name, levels in columns_of(table, promise.column).items()}
    for found, at in chain([(case.rows, np.arange(len(rows)))], each_level(case, columns)):
        here = None if unit is None else unit[at]
        lost = unit_means(rows[at], here)
        figures = {asked.risk: lost, "size": unit_means(size[at], here)}
        if asked.risk == "precision":
            figures["empty"] = unit_means((size[at] == 0).astype(float), here)
        for name, values in figures.items() if len(lost) else ():
            one = mean_interval(values, bounds=[(0, most[name])])
            if name in ("recall", "precision"):
                one = one._replace(value=1 - one.value, low=1 - one.high, high=1 - one.low)
            found.add(f"promise_{name}", one, system=case.first, n=len(at))
    chosen = choices if truth.kind == case.more["made_on"] else None
    own_levels = levels_of(case.images, promise.column, truth.image_id)
    shift = find_shift(promise, ground, truth.labels, scores, choices=chosen, groups=groups, levels=own_levels)
    elsewhere = "other data or another target: nothing is promised here, this is what came out"
    made = {
        "promise": str(asked),
        "risk": asked.risk,
        "level": asked.level,
        "words": promise.words(people=from_people(truth.kind)),
        "made_on": "images of this data set" if own else elsewhere,
        **({"probability": asked.probability} if asked.risk == "precision" else {}),
        "family": promise.family,
        "unit": promise.unit,
        "column": None if promise.column is None else column_of_images(promise.column),
        "calibration": promise.cut.units,
        "without_choices": promise.left_out,
        "spread": promise.spread,
        "shift": shift.to_json(),
    }
    cut = f"the model's {'keep' if own else 'are cut for'} its promise ({asked}); the others' by thresholds chosen on "
    return {"promise": made, "rules": {"predicted_sets": f"{cut}validation, the oracle's from tau"}}
