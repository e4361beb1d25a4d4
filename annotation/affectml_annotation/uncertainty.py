"""Which images are worth another look: where a model is unsure, or where people disagree."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from affectml_annotation.agreement.alpha import similar_pairs
from affectml_annotation.errors import BadCounts
from affectml_annotation.judgements import encode


def model_uncertainty(predictions: pd.DataFrame, labels: Sequence[str]) -> "pd.Series[float]":
    """Mean binary entropy (nats) of a model's rates over the labels, by image, highest first.

    Args:
        predictions: image_id and one column of rates in [0, 1] per label.
        labels: the labels to look at.

    Returns:
        One number per image, indexed by image_id. Ties keep the table's order.

    Raises:
        BadCounts: a label has no column, or a rate is not in [0, 1].
    """
    missing = [label for label in labels if label not in predictions.columns]
    if missing:
        raise BadCounts(f"predictions: no column for label {missing[0]!r}; was the run trained on other labels?")
    try:
        rates = predictions[list(labels)].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadCounts(f"predictions: a column of a label is not numeric ({error})") from None
    bad = ~((rates >= 0) & (rates <= 1))
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise BadCounts(f"predictions: image {predictions['image_id'].iloc[row]!r} has a rate outside [0, 1]")
    inside = rates.clip(1e-12, 1 - 1e-12)
    entropy = -(inside * np.log(inside) + (1 - inside) * np.log(1 - inside)).mean(axis=1)
    index = pd.Index(predictions["image_id"].astype("str"), name="image_id")
    return pd.Series(entropy, index=index, name="uncertainty").sort_values(ascending=False, kind="stable")


def disagreement(judgements: pd.DataFrame, labels: Sequence[str]) -> "pd.Series[float]":
    """Mean MASI distance between the answers of every two people to an image, highest first.

    Args:
        judgements: a judgement table.
        labels: all labels in use.

    Returns:
        One number in [0, 1] per image that two or more people answered, indexed by image_id.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables.
        UnknownLabel: a row has a label that is not in `labels`.
    """
    panel = encode(judgements, labels).answers()
    total, pairs = np.zeros(len(panel.image_ids)), np.zeros(len(panel.image_ids))
    for i, _, alike in similar_pairs(panel.image, panel.chosen):
        total += np.bincount(panel.image[i], weights=1 - alike, minlength=len(total))
        pairs += np.bincount(panel.image[i], minlength=len(total))
    index = pd.Index(panel.image_ids[pairs > 0], name="image_id")
    found = pd.Series(total[pairs > 0] / pairs[pairs > 0], index=index, name="disagreement")
    return found.sort_values(ascending=False, kind="stable")
