"""What a system's answers score against people, image by image, and with which intervals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.evaluation.truth import Truth
from affectml_metrics import bootstrap, bootstrap_table
from affectml_metrics import functional as F

Array = NDArray[Any]
Score = dict[str, float]  # value, low, high
RowMeasure = Callable[[Tensor, Tensor], Tensor]

REPLICATES = 1000
TOP = (1, 2, 3)


@dataclass(frozen=True)
class Answers:
    """What one system says of N images over C labels.

    scores [N, C] rank the labels. shares [N, C]: rates or a distribution, as the target is; None where the
    system has none (one person). sets [N, C]: 0/1; None where it predicts no sets.
    """

    scores: Tensor
    shares: Tensor | None = None
    sets: Tensor | None = None

    def rows(self, index: Array) -> "Answers":
        """The same for some of the images."""
        at = torch.from_numpy(np.asarray(index))
        return Answers(
            self.scores[at],
            None if self.shares is None else self.shares[at],
            None if self.sets is None else self.sets[at],
        )


def ranking_measures(labels: int) -> dict[str, RowMeasure]:
    """Measures that need only an order of the labels. A tie counts as the average over its orders."""
    top: dict[str, RowMeasure] = {
        f"top_{k}_accuracy": partial(F.top_k_accuracy, k=k, ties="expected") for k in TOP if k < labels
    }
    return {**top, "label_ranking_average_precision": F.label_ranking_average_precision}


SET_MEASURES: dict[str, RowMeasure] = {
    "set_f1": F.set_f1,
    "set_precision": F.set_precision,
    "set_recall": F.set_recall,
    "set_jaccard": F.set_jaccard,
    "exact_match": F.exact_match,
    "hamming_loss": F.hamming_loss,
}
# eps only matters for a system that says 0 or 1 of a label, and turns an infinite loss into a large one
RATE_MEASURES: dict[str, RowMeasure] = {
    "rate_cross_entropy": partial(F.rate_cross_entropy, eps=1e-6),
    "rate_brier_score": F.rate_brier_score,
    "rate_manhattan": F.rate_manhattan,
}
DISTRIBUTION_MEASURES: dict[str, RowMeasure] = {
    "kl_divergence": partial(F.kl_divergence, eps=1e-6),
    "cross_entropy": partial(F.cross_entropy, eps=1e-6),
    "total_variation": F.total_variation,
    "js_divergence": F.js_divergence,
    "brier_score": F.brier_score,
    "entropy_error": F.entropy_error,
}
SINGLE_MEASURES: dict[str, RowMeasure] = {
    name: DISTRIBUTION_MEASURES[name] for name in ("cross_entropy", "brier_score")
}
SHARE_MEASURES: Mapping[str, dict[str, RowMeasure]] = {
    "rates": RATE_MEASURES,
    "sets": RATE_MEASURES,
    "distribution": DISTRIBUTION_MEASURES,
    "single": SINGLE_MEASURES,
}


def share_measures(truth: Truth) -> dict[str, RowMeasure]:
    """The measures of rates or distributions that this target allows."""
    measures = {} if truth.single_positive else SHARE_MEASURES[truth.kind]
    if truth.kind != "distribution" or not truth.wheel:
        return measures
    around = list(truth.wheel)

    def along_the_circle(preds: Tensor, target: Tensor) -> Tensor:
        return F.earth_movers_distance(preds[:, around], target[:, around], "circle")

    return {**measures, "earth_movers_distance": along_the_circle}


def score(answers: Answers, truth: Truth, generator: torch.Generator) -> dict[str, Score]:
    """Every measure that these answers and this truth allow, each with a 95 % bootstrap interval."""
    rows = row_scores(answers, truth)
    out = intervals(rows, truth, generator)
    table = _label_f1(answers, truth)
    if table is not None:
        interval = bootstrap_table(
            lambda weights: F.label_f1(*table, weights=weights),
            len(table[0]),
            groups=truth.groups,
            replicates=REPLICATES,
            generator=generator,
        )
        out["label_f1_macro"] = as_score(interval.value, interval.low, interval.high)
    return out


def row_scores(answers: Answers, truth: Truth) -> dict[str, Tensor]:
    """Each measure image by image, [N]; nan where it is not defined for an image."""
    hits = torch.from_numpy(truth.hits)
    scores = answers.scores
    rows = {name: f(scores, hits) for name, f in ranking_measures(scores.shape[1]).items() if "ranking" not in name}
    ranked = hits if truth.sets is None else torch.from_numpy(truth.sets.astype(np.int64))
    if truth.sets is not None or truth.kind == "single":
        rows["label_ranking_average_precision"] = F.label_ranking_average_precision(scores, ranked)
    if truth.single_positive:
        rows["coverage_error"] = F.coverage_error(scores, hits)
        rows["ranking_loss"] = F.ranking_loss(scores, hits)
    if answers.shares is not None:
        observed = torch.from_numpy(truth.shares)
        rows |= {name: f(answers.shares, observed) for name, f in share_measures(truth).items()}
    if answers.sets is not None and truth.sets is not None:
        rows |= {name: f(answers.sets, ranked) for name, f in SET_MEASURES.items()}
        if truth.chosen is not None and truth.asked is not None:
            rows["set_f1_judgements"] = mean_over_people(answers.sets, truth)
    return rows


def mean_over_people(sets: Tensor, truth: Truth, measure: RowMeasure = F.set_f1) -> Tensor:
    """A set measure against each person's own answer, averaged over the people of each image: [N].

    It needs no cut on rates. An image that nobody answered is nan.
    """
    assert truth.chosen is not None
    assert truth.asked is not None
    chosen, asked = torch.from_numpy(truth.chosen), torch.from_numpy(truth.asked)
    image, person = asked.nonzero(as_tuple=True)
    each = measure(sets[image], chosen[image, person].long())
    total = torch.zeros(len(sets), dtype=torch.float64).index_add_(0, image, each)
    return total / asked.sum(dim=1)


def intervals(rows: Mapping[str, Tensor], truth: Truth, generator: torch.Generator) -> dict[str, Score]:
    """Means of rows with 95 % intervals; groups are drawn whole. A measure without a defined row is left out."""
    names = [name for name, values in rows.items() if not values.isnan().all()]
    if not names:
        return {}
    table = torch.stack([rows[name].double() for name in names], dim=1)
    interval = bootstrap(table, groups=truth.groups, replicates=REPLICATES, generator=generator)
    return {name: as_score(interval.value[i], interval.low[i], interval.high[i]) for i, name in enumerate(names)}


def per_label(answers: Answers, truth: Truth, generator: torch.Generator) -> dict[str, dict[str, Any]]:
    """For each label its prevalence (mean share of people, or of images) and what the system scores on it."""
    out: dict[str, dict[str, Any]] = {
        label: {"prevalence": float(truth.shares[:, c].mean())} for c, label in enumerate(truth.labels)
    }
    table = _label_f1(answers, truth)
    if table is not None:
        interval = bootstrap_table(
            lambda weights: F.label_f1(*table, average="none", weights=weights),
            len(table[0]),
            groups=truth.groups,
            replicates=REPLICATES,
            generator=generator,
        )
        for c, label in enumerate(truth.labels):
            out[label]["label_f1"] = as_score(interval.value[c], interval.low[c], interval.high[c])
    if answers.shares is not None and truth.kind != "single":
        observed = torch.from_numpy(truth.shares)
        columns = {
            label: RATE_MEASURES["rate_cross_entropy"](answers.shares[:, c : c + 1], observed[:, c : c + 1])
            for c, label in enumerate(truth.labels)
        }
        for label, value in intervals(columns, truth, generator).items():
            out[label]["rate_cross_entropy"] = value
    return out


def _label_f1(answers: Answers, truth: Truth) -> tuple[Tensor, Tensor] | None:
    """Predicted and true 0/1 labels for F1 by label: sets, or the single answer where there is one."""
    if answers.sets is not None and truth.sets is not None:
        return answers.sets.long(), torch.from_numpy(truth.sets.astype(np.int64))
    if truth.kind == "single" and not truth.single_positive:
        best = answers.scores.argsort(dim=1, descending=True, stable=True)[:, :1]
        return torch.zeros_like(answers.scores, dtype=torch.int64).scatter_(1, best, 1), torch.from_numpy(truth.hits)
    return None


def as_score(value: Tensor, low: Tensor, high: Tensor) -> Score:
    """A value and its interval as plain floats."""
    return {"value": float(value), "low": float(low), "high": float(high)}
