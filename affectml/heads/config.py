"""What a head is told: its own options, the tasks it may be given, and what a training run asks of it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self, TypeAlias, get_args, get_type_hints

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from affectml.errors import BadInput, did_you_mean
from affectml.heads.objective import ScoreKind

# What a head may learn: one label per image; shares of one-choice answers; each label's rate; label sets; and one
# label per image where the absent ones are unknown, not wrong. The last three give several labels per image.
Task: TypeAlias = Literal["single", "distribution", "rates", "sets", "single-positive"]
TASKS: tuple[Task, ...] = get_args(Task)
MULTILABEL: tuple[Task, ...] = ("rates", "sets", "single-positive")
MOST_HIDDEN = 65_536  # on 1,024 features half a gigabyte of weights and their gradients; more would be a slip


_TYPED: dict[type, dict[str, tuple[Any, TypeAdapter[Any]]]] = {}


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """Choices that belong to a head and are saved with it; heads with choices extend this.

    A field's type says which values are possible, `l2: NonNegativeFloat | None` for instance. Values are stored as
    they come; `check` looks at them, and `fit` calls it.
    """

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, list):  # as JSON has it
                object.__setattr__(self, name, tuple(value))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values, which `check` has still to look at.

        Raises:
            BadInput: if an option does not exist; names the nearest one.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise BadInput(f"{cls.__name__}: no option {key!r}{did_you_mean(key, known)}")
        return cls(**values)

    def check(self) -> None:
        """Raise BadInput for values that are not possible; configs with rules among options extend this."""
        check_fields(self, lambda name, value, wanted: f"{type(self).__name__}: {name} must be {wanted}, got {value!r}")


def check_fields(config: Any, words: Callable[[str, Any, str], str]) -> None:
    """Raise BadInput for the first field of a dataclass with a value that its type does not allow.

    words: the message, of the field's name, its value and what it should be.
    """
    for name, (hint, adapter) in typed_fields(type(config)).items():
        value = getattr(config, name)
        try:
            adapter.validate_python(value.item() if isinstance(value, np.generic) else value, strict=True)
        except ValidationError as error:
            raise BadInput(words(name, value, expected(error, hint))) from None


def plain(config: Any) -> Any:
    """The same dataclass of options, numpy's numbers as Python's, which JSON can hold."""
    scalars = {name: value.item() for name, value in vars(config).items() if isinstance(value, np.generic)}
    return dataclasses.replace(config, **scalars) if scalars else config


def defaults_of(cls: type[HeadConfig]) -> dict[str, Any]:
    """The value that each option has unless it is given."""
    return vars(cls()).copy()


def typed_fields(cls: Any) -> dict[str, tuple[Any, TypeAdapter[Any]]]:
    """The type of each option by its name, and pydantic's reading of it, which is made once."""
    if cls not in _TYPED:
        hints = get_type_hints(cls, include_extras=True)
        _TYPED[cls] = {f.name: (hints[f.name], reading_of(hints[f.name])) for f in dataclasses.fields(cls)}
    return _TYPED[cls]


def reading_of(hint: Any) -> TypeAdapter[Any]:
    """Pydantic's reading of a type, whose numbers are finite."""
    return TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))


def read_value(value: Any, hint: Any, where: str) -> Any:
    """A value of a type, made of words where need be; where: what a BadInput begins with if it is none."""
    try:
        return reading_of(hint).validate_python(value)
    except ValidationError as error:
        raise BadInput(f"{where}: it should be {expected(error, hint).replace('None', 'none')}") from None


def expected(error: ValidationError, hint: Any) -> str:
    """What a value of this type had to be, in pydantic's words: "a valid number or None"."""
    messages = dict.fromkeys(problem["msg"].removeprefix("Input should be ") for problem in error.errors())
    words = " or ".join([*messages, *(["None"] if type(None) in get_args(hint) else [])])
    return words.replace("a valid tuple", "several with commas between")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a training run asks of a head.

    target: single, sets, rates or distribution; multilabel: whether several labels of an image may hold. options: of
    the head's config, by name, as values or as words (see typed_options). assumed_negatives: see SigmoidConfig.
    logit_scale: what the encoder multiplies cosines by.
    """

    target: str = "single"
    multilabel: bool = False
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    assumed_negatives: float | None = None
    logit_scale: float | None = None

    @property
    def task(self) -> str:
        """The target, or single-positive if single labels are given and several may hold."""
        return "single-positive" if self.multilabel and self.target == "single" else self.target

    @property
    def kind(self) -> ScoreKind:
        """What the head predicts."""
        return "rates" if self.multilabel else "distribution"
