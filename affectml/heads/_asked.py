"""What a promise asks for: which risk, how little of it, and whether so few images can have it."""

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from affectml.errors import BadInput, did_you_mean, option
from affectml.heads._precision import rejected

Risk: TypeAlias = Literal["recall", "extra", "precision"]
RISKS: tuple[Risk, ...] = get_args(Risk)

EXACT = 1e-9  # 1 - .8 is a little less than .2
_SHARES_OF_FALSE = ("false", "fdr", "fdp", "false_discovery", "false_share")


@dataclass(frozen=True)
class Asked:
    """What is promised: `risk` and its `level`, as "recall=.8" says it.

    Of a precision also: with what `probability` over draws of calibration units it holds, and how large a share of the
    calibration images may have an `empty` set, which has no precision.
    """

    risk: Risk
    level: float
    probability: float = 0.9
    empty: float = 0.5

    def __post_init__(self) -> None:
        """Raises BadInput for a probability or share that cannot be, or that this promise does not have."""
        given = option("promise_level", self.probability), option("promise_empty", self.empty)
        if self.risk != "precision":
            for said, value, usual in zip(given, (self.probability, self.empty), (0.9, 0.5), strict=True):
                if value != usual:
                    raise BadInput(f"{said} belongs to {option('promise', 'precision=.8')}, not to {self.risk}")
        if not 0.5 <= self.probability < 1:
            raise BadInput(f"{given[0]}: expected a probability of at least .5 and below 1, as in .9")
        if not 0 <= self.empty < 1:
            raise BadInput(f"{given[1]}: expected a share of the images of at least 0 and below 1, as in .5")

    @classmethod
    def parse(cls, text: str, *, probability: float = 0.9, empty: float = 0.5) -> "Asked":
        """Read "recall=.8", "extra=.5" or "precision=.8".

        Raises:
            BadInput: for anything else; for a share of false labels, with the way to say it.
        """
        name, equals, value = (part.strip() for part in str(text).partition("="))
        given = option("promise", text)
        if name.lower() in _SHARES_OF_FALSE:
            raise BadInput(
                f"{given}: at most a share X of false labels is a precision of at least 1 - X; take "
                f"{option('promise', 'precision=.8')} for a fifth"
            )
        if not equals or name not in RISKS:
            near = "" if name in RISKS else did_you_mean(name, RISKS)
            raise BadInput(
                f"{given}: expected recall=X or precision=X (0 < X < 1) or extra=X (labels, X > 0){near}, "
                "e.g. recall=.8"
            )
        try:
            level = float(value)
        except ValueError:
            raise BadInput(f"{given}: {value!r} is no number; expected e.g. {name}=.8") from None
        if name != "extra" and not 0 < level < 1:
            way = "; every choice of every image is in the set of all labels alone" if level == 1 else ""
            way = way if name == "recall" else ""
            raise BadInput(f"{given}: expected a share above 0 and below 1, as in {name}=.8{way}")
        if name == "extra" and not (level > 0 and math.isfinite(level)):
            raise BadInput(f"{given}: expected a number of labels above 0, as in extra=.5")
        return cls(name, level, probability, empty)

    def __str__(self) -> str:
        return f"{self.risk}={self.level:g}"

    @property
    def alpha(self) -> float:
        """The largest expected loss: 1 - recall, 1 - precision, or extra labels."""
        return self.level if self.risk == "extra" else 1 - self.level

    def bound(self, labels: int) -> int:
        """The largest loss there can be: all choices missed, no label right, or every label extra."""
        return labels if self.risk == "extra" else 1

    def check_units(self, units: int, labels: int, what: str = "images", where: str = "") -> None:
        """Raises BadInput where so few calibration units can promise nothing of this kind, saying what they can.

        Args:
            units: how many there are.
            labels: how many labels there are to choose among.
            what: images or groups.
            where: which of them, where a level of a column is meant.
        """
        if self.risk == "precision":
            if self._had(units, self.alpha):
                return
            needed = bisect_left(range(10**6), True, key=lambda count: self._had(count, self.alpha))
            least = next((1 - level / 1000 for level in range(999, 0, -1) if self._had(units, 1 - level / 1000)), 1.0)
        else:
            needed = math.ceil(self.bound(labels) / self.alpha - 1 - EXACT)
            least = self.bound(labels) / (units + 1)
            if units >= needed:
                return
        can = "nothing" if least >= self.bound(labels) or units == 0 else f"{self.risk}={_cautious(self.risk, least)}"
        raise BadInput(
            f"{option('promise', str(self))}: {units} calibration {what}{where} are too few: {can} is the most that "
            f"they can promise, and this takes {needed}; promise less, or collect more images"
        )

    def _had(self, units: int, alpha: float) -> bool:
        """Whether so many units can promise a precision of 1 - alpha at all: where none loses anything."""
        return rejected(np.zeros(units), alpha, self.probability)


def _cautious(risk: Risk, alpha: float) -> str:
    """A level that this alpha allows, rounded to the safe side."""
    thousandths = math.ceil(alpha * 1000) if risk == "extra" else math.floor((1 - alpha) * 1000 + EXACT)
    return f"{thousandths / 1000:g}"
