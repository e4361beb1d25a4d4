"""What a head is told: its own options, the tasks it may be given, and what a training run asks of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias, get_args

from affectml.errors import BadInput, did_you_mean
from affectml.heads._kinds import Kind

# What a head may learn: one label per image; shares of one-choice answers; each label's rate; label sets; and one
# label per image where the absent ones are unknown, not wrong. The last three give several labels per image.
Task: TypeAlias = Literal["single", "distribution", "rates", "sets", "single-positive"]
TASKS: tuple[Task, ...] = get_args(Task)
MULTILABEL: tuple[Task, ...] = ("rates", "sets", "single-positive")
# Options of `affectml train` that only some heads take.
Option: TypeAlias = Literal["hidden", "k", "ensemble"]
OPTIONS: tuple[Option, ...] = get_args(Option)


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """Choices that belong to a head and are saved with it; heads with choices extend this."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from plain values; an unknown key is BadInput that names the nearest one."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise BadInput(f"{cls.__name__}: no option {key!r}{did_you_mean(key, known)}")
        return cls(**values)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a training run asks of a head.

    target: single, sets, rates or distribution; multilabel: whether several labels of an image may hold. hidden: units
    of a hidden layer, 0 for the head's own default. k: labels to answer with; None leaves it to the head. ensemble:
    how many heads to average, 0 for one alone. options: more of the head's config, by name, as values or as words (see
    typed_options). assumed_negatives: see SigmoidConfig. count_votes: whether `fit` will be given numbers of people
    asked as weights. logit_scale: what the encoder multiplies cosines by.
    """

    target: str = "single"
    multilabel: bool = False
    hidden: int = 0
    k: int | None = None
    ensemble: int = 0
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    assumed_negatives: float | None = None
    count_votes: bool = False
    logit_scale: float | None = None

    @property
    def task(self) -> str:
        """The target, or single-positive for single labels of which several may hold."""
        return "single-positive" if self.multilabel and self.target == "single" else self.target

    @property
    def kind(self) -> Kind:
        """What the head predicts."""
        return "rates" if self.multilabel else "distribution"
