"""Agreement on each label by itself, and the kappa family for answers taken as categories.

Alpha and kappa collapse on rare labels however well people agree on them, so each label comes with its
prevalence and Gwet's AC1, which does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from affectml_annotation.agreement.intervals import blocks_of, interval, without_each
from affectml_annotation.agreement.values import FloatArray, group_numbers, set_values
from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import Rounds, Votes, count_votes, encode, found_labels


def _per_label(weights: FloatArray, votes: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Prevalence, alpha and AC1 of each label, [B, C], for weights [B, N] of images."""
    paired = n >= 2
    k, m = votes[paired], n[paired][:, None]
    w = weights[:, paired]
    with np.errstate(divide="ignore", invalid="ignore"):
        # alpha over pairable answers
        apart = w @ (2 * k * (m - k) / (m - 1))
        yes, total = w @ k, w @ m
        expected = 2 * yes * (total - yes)
        alpha = np.where(expected > 0, 1 - (total - 1) * apart / expected, np.nan)
        # AC1: agreement over images with pairs, prevalence over every image with an answer
        agreed = (w @ ((k * (k - 1) + (m - k) * (m - k - 1)) / (m * (m - 1)))) / w.sum(axis=1, keepdims=True)
        any_ = n >= 1
        share = (weights[:, any_] @ (votes[any_] / n[any_][:, None])) / weights[:, any_].sum(axis=1, keepdims=True)
        chance = 2 * share * (1 - share)
        ac1 = (agreed - chance) / (1 - chance)
    return share, alpha, ac1


def label_agreement(
    judgements: pd.DataFrame | Votes,
    labels: Sequence[str] | None = None,
    *,
    rounds: Rounds = "first",
    intervals: bool = False,
    level: float = 0.95,
    groups: Mapping[str, object] | None = None,
) -> pd.DataFrame:
    """One row per label: how many answers hold it, and how well people agree on whether it applies.

    Columns: label, answers (that hold it), prevalence (mean share over images), alpha (nominal Krippendorff on
    yes and no), ac1 (Gwet 2008), and alpha_low, alpha_high, ac1_low, ac1_high where `intervals` over images
    were asked for. alpha is nan (undefined) for a label that everybody or nobody chose; both are nan
    where no image has two answers. Vote counts will do, as this needs to know how many, not who. Arguments
    otherwise as for `krippendorff_alpha`.
    """
    if isinstance(judgements, Votes):
        counted = judgements
    else:
        names = tuple(labels) if labels is not None else found_labels(judgements)
        counted = count_votes(judgements, names, rounds=rounds)
    votes, n = counted.votes.astype(np.float64), counted.n.astype(np.float64)
    share, alpha, ac1 = (part[0] for part in _per_label(np.ones((1, len(n))), votes, n))
    found = pd.DataFrame({
        "label": counted.labels,
        "answers": counted.votes.sum(axis=0),
        "prevalence": share,
        "alpha": alpha,
        "ac1": ac1,
    })  # fmt: skip
    if intervals:
        together = group_numbers(counted.image_id, groups)
        paired = n >= 2
        units = len(np.unique(np.arange(len(n))[paired] if together is None else together[paired]))
        parts = [_per_label(part, votes, n)[1:] for part in without_each(blocks_of(len(n), together))]
        left_out = [np.concatenate(each)[: len(n) * (units > 1)] for each in zip(*parts, strict=True)]
        with np.errstate(divide="ignore"):
            lowest = {"alpha": 1 - 1 / (2 * share * (1 - share)), "ac1": np.full(len(share), -1.0)}
        for name, without in zip(lowest, left_out, strict=True):
            spans = [
                interval(value, each, units=units, level=level, bounds=(low, 1.0))
                for value, each, low in zip(found[name], without.T, lowest[name], strict=True)
            ]
            found[f"{name}_low"] = np.array([span.low for span in spans], dtype=np.float64)
            found[f"{name}_high"] = np.array([span.high for span in spans], dtype=np.float64)
    return found


@dataclass(frozen=True)
class NominalAgreement:
    """Agreement on answers as categories: share of agreeing pairs, and three ways to correct it for chance."""

    percent: float
    fleiss_kappa: float
    conger_kappa: float
    gwet_ac1: float
    categories: int


def nominal_agreement(
    judgements: pd.DataFrame, *, labels: Sequence[str] | None = None, rounds: Rounds = "first"
) -> NominalAgreement:
    """Percent agreement, Fleiss' and Conger's kappa and Gwet's AC1 over whole answers as categories.

    Two answers agree when their sets are equal. Missing answers are allowed, as in Gwet (2014, ch. 2-5):
    agreement over images with two answers or more, category shares over every image with one.

    Args:
        judgements: a judgement table.
        labels: all labels in use; without it, those that occur.
        rounds: which looks count; see `encode`.

    Returns:
        The four coefficients. One is nan where chance agreement is 1, or where no image has two answers.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables, or rounds is "all".
        UnknownLabel: a row has a label that is not in `labels`.
    """
    names = tuple(labels) if labels is not None else (found_labels(judgements) or ("none",))
    if rounds == "all":
        raise BadJudgement("nominal_agreement: rounds='all' would pair a person with themselves; choose a round")
    panel = encode(judgements, names, rounds=rounds).answers()
    values = set_values(panel)
    categories = len(values.names)
    if not categories:
        return NominalAgreement(*(float("nan"),) * 4, categories=0)
    counts: FloatArray = np.zeros((len(panel.image_ids), categories))
    np.add.at(counts, (values.image, values.value), 1)
    n = counts.sum(axis=1)
    many, some = n >= 2, n >= 1
    pairs = (n * (n - 1))[many]
    agreed = float(((counts * (counts - 1)).sum(axis=1)[many] / pairs).mean()) if many.any() else float("nan")
    share = (counts[some] / n[some, None]).mean(axis=0)
    own = np.zeros((len(panel.annotator_ids), categories))
    np.add.at(own, (panel.annotator, values.value), 1)
    own = own[own.sum(axis=1) > 0]
    own = own / own.sum(axis=1, keepdims=True)
    raters = len(own)
    spread = own.var(axis=0, ddof=1) if raters > 1 else np.zeros(categories)
    by_chance = {
        "fleiss_kappa": float((share**2).sum()),
        "conger_kappa": float((own.mean(axis=0) ** 2 - spread / raters).sum()),
        "gwet_ac1": float((share * (1 - share)).sum() / (categories - 1)) if categories > 1 else 0.0,
    }
    corrected = {
        name: (agreed - chance) / (1 - chance) if chance < 1 - 1e-12 else float("nan")
        for name, chance in by_chance.items()
    }
    return NominalAgreement(percent=agreed, categories=categories, **corrected)
