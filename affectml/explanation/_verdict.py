"""What the curves say of a map, in words: is it better than what knows nothing of the label?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from affectml.explanation._curves import Curve
from affectml.report.tables import number

LEAST = 0.02  # by how much covering the whole image must lower the rate for a curve to tell anything
_COVER = {"blur": "the blur", "mean": "the mean colour"}

ByFilling = Mapping[str, Curve]


@dataclass(frozen=True)
class Verdict:
    """Whether a map is better than its controls.

    words: a clause to print. holds: by at least one filling that tells anything, and by all that do, the map's gain
    (insertion area less deletion area) is above that of every control. falls: by filling, how far covering the whole
    image lowers the rate. lost: by filling that tells anything, the controls that do as well: "centre", "other label",
    "random" with how many of them.
    """

    words: str
    holds: bool
    falls: Mapping[str, float]
    lost: Mapping[str, Mapping[str, int]]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def judge(own: ByFilling, *, centre: ByFilling, other: ByFilling, random: Sequence[ByFilling], label: str) -> Verdict:
    """Compare a map's curves with its controls'.

    Args:
        own: the map's curves, by filling.
        centre: those of a blob in the middle of the image.
        other: those of the map of another label.
        random: those of maps drawn at random.
        label: the other label's name.
    """
    falls = {filling: float(curve.deletion[0] - curve.deletion[-1]) for filling, curve in own.items()}
    lost: dict[str, dict[str, int]] = {}
    for filling, curve in own.items():
        if falls[filling] < LEAST:
            continue
        as_good = {
            "centre": int(centre[filling].gain >= curve.gain),
            "other label": int(other[filling].gain >= curve.gain),
            "random": sum(each[filling].gain >= curve.gain for each in random),
        }
        lost[filling] = {name: count for name, count in as_good.items() if count}
    holds = bool(lost) and not any(lost.values())
    return Verdict(_words(falls, lost, len(random), label), holds, falls, lost)


def _words(falls: Mapping[str, float], lost: Mapping[str, Mapping[str, int]], random: int, label: str) -> str:
    if not lost:
        moved = ", ".join(f"{_COVER[filling]} {_moved(fall)}" for filling, fall in falls.items())
        least = f"{LEAST:.2f}".lstrip("0")
        return f"nothing can be told: covering the whole image does not lower the rate by {least} ({moved})"
    if len(lost) == len(falls) and not any(lost.values()):
        return "better than all controls, with either filling"
    said = []
    for filling, fall in falls.items():
        if filling not in lost:
            found = f"nothing can be told (it {_moved(fall, 'the rate')})"
        elif lost[filling]:
            found = f"no better than {_controls(lost[filling], random, label)}"
        else:
            found = "better than all controls"
        said.append(f"with {_COVER[filling]} {found}")
    return "; ".join(said)


def _controls(found: Mapping[str, int], random: int, label: str) -> str:
    names = {
        "centre": "the centre of the image",
        "other label": f"the map of {label}",
        "random": f"{found.get('random')} of {random} random maps",
    }
    *first, last = (names[name] for name in found)
    return f"{', '.join(first)} and {last}" if first else last


def _moved(fall: float, what: str = "it") -> str:
    return f"lowers {what} by {number(fall)}" if fall >= 0 else f"raises {what} by {number(-fall)}"
