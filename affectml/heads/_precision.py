"""A cut for a precision with high probability: Learn-then-Test (Angelopoulos, Bates, Candès, Jordan & Lei 2021).

As sets grow, the share of their labels that nobody chose may rise and fall, so no cut can be read off a curve. Instead
each cut has the hypothesis that sets cut there are not precise enough, and a p value. The cuts are tested from a
cautious one downwards, each at the whole 1 - probability, until the first that is not rejected (fixed sequence).
"""

import math
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_STAKE = 0.75  # of what a bet may lose at most, as Waudby-Smith & Ramdas advise
_TESTS = 1000  # cuts that are tested at most; a finer grid moves no set that matters


def p_value(lost: Array, alpha: float, probability: float) -> float:
    """How well losses fit "the expected loss is above alpha"; 1 where there is none.

    Valid for independent losses between 0 and 1 of any distribution and number. A gambler bets in turn that the next
    loss is below alpha, the more the less the losses so far differ; if it is not, a fortune of 1 reaches 1 / p with
    probability p at most. So losses that differ little, as shares of a set do, need far fewer units than a bound that
    takes each for right or wrong. The order is drawn with a fixed seed.

    Source: Waudby-Smith & Ramdas 2024, theorem 3 and eq. 24, for one side.

    Args:
        lost: [n], of the units that have a loss.
        alpha: the largest expected loss that would keep the promise.
        probability: for which the bets are made; any leaves p valid.
    """
    count = len(lost)
    if not count:
        return 1.0
    lost = np.random.default_rng(0).permutation(lost)
    seen = np.arange(2, count + 2)
    mean = (0.5 + lost.cumsum()) / seen
    variance = (0.25 + ((lost - mean) ** 2).cumsum()) / seen
    before = np.append(0.25, variance[:-1])
    bets = np.minimum(np.sqrt(-2 * math.log(1 - probability) / (count * before)), _STAKE / (1 - alpha))
    return math.exp(-max(0.0, float(np.log1p(bets * (alpha - lost)).cumsum().max())))


def rejected(lost: Array, alpha: float, probability: float) -> bool:
    """Whether losses speak so much against "the expected loss is above alpha" that the opposite may be promised."""
    return p_value(lost, alpha, probability) <= 1 - probability + 1e-12


def cuts_to_test(scores: Array, empty: float) -> Array:
    """Cuts between the scores of [M, C], falling, from the first that leaves at most the share `empty` without a label.

    The last lets every label in.
    """
    highest = np.sort(scores.max(axis=1))
    values = np.unique(scores)[::-1]
    values = values[values <= highest[math.floor(empty * len(highest) + 1e-9)]]
    cuts = np.append((values[:-1] + values[1:]) / 2, -math.inf)
    return np.asarray(cuts[np.unique(np.linspace(0, len(cuts) - 1, _TESTS).astype(int))])


def lowest_cut(cuts: Array, lost_at: Callable[[float], Array], alpha: float, probability: float) -> float | None:
    """The last of `cuts` before the first whose p value is above 1 - probability; None where that is the first.

    lost_at: the losses of the units that have one at a cut.
    """
    kept = list(takewhile(lambda cut: rejected(lost_at(cut), alpha, probability), cuts.tolist()))
    return kept[-1] if kept else None
