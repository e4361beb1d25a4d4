"""What stopping early does to figures: an image whose first answers agree by luck gets no more of them.

Shares of all answers, and how far people are apart in them, are too low then. What the first `min` people said was not
selected by what anybody said, and a posterior goes by counts alone; the images that kept `max` show whether that is so.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectml_annotation.agreement.values import FloatArray
from affectml_annotation.judgements import count_votes, encode, sum_by_image
from affectml_annotation.smoothing import fit_beta_prior, smoothed_rates
from affectml_annotation.stopping import Until, expected_change, posterior_entropy


def first_answers(judgements: pd.DataFrame, minimum: int | None) -> pd.DataFrame:
    """The judgements that no stopping has selected: those that every image gets.

    Args:
        judgements: a judgement table, `order` being each one's place among those of its image and round.
        minimum: how many every image gets, None where no image stops early: then it is the whole table.

    Returns:
        Without those that came later in round 1, and further looks of the same people at those images. What has no
        place was said in no task whose images stop, and stays.

    >>> table = pd.DataFrame({"image_id": "a", "annotator_id": ["u", "v", "v"], "round": [1, 1, 2], "order": [1, 2, 1]})
    >>> first_answers(table, 1)["annotator_id"].tolist()
    ['u']
    """
    if minimum is None or "order" not in judgements:
        return judgements
    who = pd.MultiIndex.from_frame(judgements[["image_id", "annotator_id"]])
    later = (pd.to_numeric(judgements["order"]) > minimum) & (judgements["round"] == 1)
    return judgements[~who.isin(who[later.fillna(False).to_numpy(dtype=bool)])]


def late_comers(judgements: pd.DataFrame, minimum: int | None) -> set[str]:
    """Who came to no image among its first `minimum` people: they saw but those on which the first were undecided.

    judgements, minimum: as of `first_answers`. Empty where no image stops early.
    """
    if minimum is None or "order" not in judgements:
        return set()
    said = judgements[judgements["round"] == 1]
    if "purpose" in said:
        said = said[said["purpose"] != "check"]  # everybody sees those
    first = pd.to_numeric(said["order"]).groupby(said["annotator_id"].to_numpy()).min()
    return set(first.index[(first > minimum).fillna(False).to_numpy(dtype=bool)])


@dataclass(frozen=True, eq=False)
class Replayed:
    """W images that kept `max`, seen as if they had stopped early too, less what all their answers say: each [W].

    image_id: which. rates: posterior means, mean over labels, less the shares of all answers. entropy:
    `posterior_entropy` less that of all answers. raw_rates, raw_entropy: the same of shares as they are. people: how
    many are asked before the stop.
    """

    image_id: npt.NDArray[np.object_]
    rates: FloatArray
    raw_rates: FloatArray
    entropy: FloatArray
    raw_entropy: FloatArray
    people: FloatArray

    def table(self) -> FloatArray:
        """rates, raw_rates, entropy, raw_entropy as columns, [W, 4]."""
        return np.column_stack([self.rates, self.raw_rates, self.entropy, self.raw_entropy])


def replay(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    whole: Collection[str],
    *,
    minimum: int,
    maximum: int,
    until: Until = "F1",
) -> Replayed | None:
    """Stop the images that kept `max` after the fact, as often and as early as the others were.

    Args:
        judgements: a judgement table with `order`.
        labels: the C labels in order.
        whole: the images that kept `max`; those that do not have it yet are left out.
        minimum: how many answers every image gets.
        maximum: how many those images get.
        until: what a further answer is to change.

    Returns:
        The differences, None where there are not two such images or no others. Priors are fitted on all images.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables.
        UnknownLabel: a row has a label that is not in `labels`.
    """
    judgements = judgements[judgements["round"] == 1]
    order = pd.to_numeric(judgements["order"]).to_numpy(dtype=float, na_value=np.nan)
    reached = judgements["image_id"][order >= maximum].unique()
    names = [image for image in reached if image in set(whole)]
    asked = judgements["image_id"][(order > 0) & ~judgements["image_id"].isin(list(whole)).to_numpy()].value_counts()
    if len(names) < 2 or not len(asked):
        return None
    every = count_votes(judgements, labels)
    prior = fit_beta_prior(every.votes, every.n)
    panel = encode(judgements, labels, names).answers()

    def first(places: int) -> tuple[FloatArray, FloatArray]:
        early = order[panel.row] <= places
        found = sum_by_image(panel, np.column_stack([panel.chosen, np.ones(len(early))]) * early[:, None])
        return found[:, :-1], found[:, -1]

    steps = [first(places) for places in range(minimum, maximum + 1)]
    change = np.stack([expected_change(k, n, prior, until) for k, n in steps[:-1]])
    goes_on = np.minimum.accumulate(change, axis=0)  # who stopped once has stopped
    further = round((asked.mean() - minimum) * len(names))
    best_first = np.sort(goes_on, axis=None)[::-1]
    limit = best_first[min(max(further, 0), len(best_first) - 1)]
    stop = (goes_on > limit).sum(axis=0)
    rows = np.arange(len(names))
    k, n = (np.stack(part)[stop, rows] for part in zip(*steps, strict=True))
    shares, all_shares = (votes / np.maximum(people, 1)[:, None] for votes, people in ((k, n), steps[-1]))
    return Replayed(
        panel.image_ids,
        rates=smoothed_rates(k, n, prior).mean(axis=1) - all_shares.mean(axis=1),
        raw_rates=shares.mean(axis=1) - all_shares.mean(axis=1),
        entropy=posterior_entropy(k, n, prior) - posterior_entropy(*steps[-1], prior),
        raw_entropy=_entropy(shares) - _entropy(all_shares),
        people=n,
    )


def _entropy(shares: FloatArray) -> FloatArray:
    """Of "chosen or not" in bits, mean over labels, [N]."""
    from scipy.special import entr

    return np.asarray((entr(shares) + entr(1 - shares)).mean(axis=1) / np.log(2))
