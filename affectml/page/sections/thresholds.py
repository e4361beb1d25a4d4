"""How sets would fare with one threshold for all labels."""

import numpy as np
import torch

from affectml.judging.scoring import mean_over_people
from affectml.page.data import ReportData
from affectml.page.section import Section, drawing
from affectml.page.tables import Table, number
from affectml.plots import curves
from affectml_metrics import functional as F

CUTS = tuple(round(0.05 * k, 2) for k in range(1, 20))


def thresholds(data: ReportData) -> Section | None:
    """None where the model's sets are not what thresholds cut from its scores."""
    truth = data.truth
    if truth.sets is None or data.model.sets is None or data.judged.systems.model.thresholds_ is None:
        return None
    people = truth.chosen is not None
    metric = "set_f1_judgements" if people else "set_f1"
    series: dict[str, tuple[list[float], list[float]]] = {}
    chosen: dict[str, float] = {}
    for name in ("model", "zero_shot"):
        answers = data.answers.get(name)
        if answers is None or answers.sets is None or metric not in data.systems.get(name, {}):
            continue
        series[name] = (list(CUTS), [_score(data, answers.scores >= cut) for cut in CUTS])
        chosen[name] = data.systems[name][metric]["value"]
    if "model" not in series:
        return None
    best = {name: max(zip(ys, xs, strict=True)) for name, (xs, ys) in series.items()}
    against = "one person's answer" if people else "the image's set"
    title = f"Set F1 against {against}, by one threshold for all labels"
    alt = f"{title}: " + "; ".join(
        f"{name} at best {number(best[name][0])} at {best[name][1]:g}, with its own thresholds {number(chosen[name])}"
        for name in series
    )
    promise = data.judged.systems.model.promise_
    own = "the thresholds of each system, one a label, chosen on validation."
    if promise is not None:
        own = f"the sets that keep the promise ({promise.asked}), and zero-shot's by its own thresholds."
    picture = drawing(
        title,
        curves(series, alt, axis=("threshold", "set F1"), levels=chosen, level_name="own"),
        f"Dashed: {own} The curve is of the test images: its top was not there to be chosen.",
    )
    value, cut = best["model"]
    means = "With thresholds chosen on validation" if promise is None else f"Cut to keep {promise.asked},"
    words = (
        f"{means} the model's sets reach {number(chosen['model'])}; the best single threshold, seen afterwards on "
        f"these test images, is {cut:g} and would reach {number(value)}."
    )
    words += "" if promise is None else " Sets with a promise are not made for the best F1."
    rows = tuple((f"{cut:g}", *(number(ys[i]) for _, ys in series.values())) for i, cut in enumerate(CUTS))
    table = Table(title, ("threshold", *series), rows, name="curve")
    return Section("thresholds", "What another threshold would give", words, (picture,), (), (table,))


def _score(data: ReportData, sets: torch.Tensor) -> float:
    """Mean set F1 on the test images, against single answers where they are known."""
    truth = data.truth
    if truth.chosen is not None:
        return float(mean_over_people(sets.long(), truth).nanmean())
    assert truth.sets is not None
    return float(F.set_f1(sets.long(), torch.from_numpy(truth.sets.astype(np.int64))).nanmean())
