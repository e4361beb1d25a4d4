"""What a training has for a head to learn from, in one object: a head takes the parts that it learns from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from affectml.errors import BadInput
from affectml.heads.inputs import ArrayLike, Features, Pair


def _lacking(what: str) -> Callable[[], Any]:
    def ask() -> Any:
        raise BadInput(f"material: no {what}, which this head learns from")

    return ask


NO_SETS, NO_TEXTS, NO_PEOPLE = map(_lacking, ("label sets", "texts", "answers of single people"))


@dataclass(frozen=True, eq=False)
class Material:
    """N training images and what is known of them.

    kind: of the target: single, sets, rates or distribution. X, shares: features [N, D] and the target's shares [N, C].
    val: the same of other images. val_sets: the label sets of those, 0/1; None where there are none. votes: people
    behind each row, [N]; None where that is not known. uneven: whether these differ so much that a share of few must
    count less than a share of many. generator: for everything random.

    What takes long is made when a head asks for it, and raises BadInput where there is none. sets: of the training and
    of the validation images. texts: `prompts` and `captions` of `TextHead.fit`. people: `answers`, `val_answers` and
    `groups` of `ByPersonHead.fit`.
    """

    kind: str
    X: Features
    shares: ArrayLike
    val: Pair
    val_sets: ArrayLike | None = None
    votes: NDArray[Any] | None = None
    uneven: bool = False
    generator: torch.Generator | None = None
    sets: Callable[[], tuple[ArrayLike, ArrayLike]] = NO_SETS
    texts: Callable[[], Mapping[str, Any]] = NO_TEXTS
    people: Callable[[], Mapping[str, Any]] = NO_PEOPLE

    def counted(self, always: bool) -> dict[str, Any]:
        """`weights` for `fit`: the votes, where they differ much or a head counts them `always`; else nothing."""
        return {"weights": self.votes} if always or self.uneven else {}
