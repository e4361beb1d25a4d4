"""A head's options as words, from a command line say, to values of the types that its config declares."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from affectml.errors import BadInput, did_you_mean, option
from affectml.heads.base import HEADS, Head
from affectml.heads.config import in_words, nearest, reading_of, typed_fields

# Options that follow from others of `train`, and which.
_FOLLOWS = {"kind": "multilabel", "seed": "seed", "hidden": "hidden", "k": "k"}


def typed_options(cls: type[Head], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `train --set OPTION=VALUE` as values: "0.1" becomes .1 for a number, "none" None.

    Values that are of the right type already stay as they are; a tuple is given as its parts with commas between.
    Raises BadInput for an option that the head does not have, that `train` has an option of its own for, or whose
    value is of another type; the config itself says which values are possible.
    """
    hints = {key: hint for key, (hint, _) in typed_fields(cls.config_class).items()}
    free = free_options(cls)
    found = {}
    for name, value in given.items():
        here = option(name, value, of_head=True)
        if name in set(hints) - set(free):
            raise BadInput(f"{here}: this is what {option(_FOLLOWS[name])} says; leave it out")
        if name not in free:
            choices = f"options: {', '.join(free)}" if free else "it has none"
            raise BadInput(f"{here}: {cls.described()} has no option {name!r}{did_you_mean(name, free)} ({choices})")
        found[name] = _typed(name, value, hints[name])
    return found


def free_options(cls: type[Head]) -> list[str]:
    """The options that `train` has no option of its own for, in alphabetical order."""
    of_train = {"kind", "seed", *({"hidden", "k"} & set(cls.takes))}
    return sorted(set(typed_fields(cls.config_class)) - of_train)


def options_of_heads() -> set[str]:
    """What any head that has been imported has for options."""
    return {name for head in HEADS.values() for name in free_options(head)}


def option_words(value: Any) -> str:
    """A value as `typed_options` reads it."""
    if isinstance(value, tuple | list):
        return ",".join(map(option_words, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _may_be_several(hint: Any) -> bool:
    """Whether one of a type's alternatives is a tuple."""
    return get_origin(hint) is tuple or any(map(_may_be_several, get_args(hint)))


def _typed(name: str, value: Any, hint: Any) -> Any:
    if isinstance(value, str) and value.lower() == "none" and type(None) in get_args(hint):
        return None
    several = get_origin(hint) is tuple or (isinstance(value, str) and "," in value and _may_be_several(hint))
    if isinstance(value, str) and several:
        value = tuple(part.strip() for part in value.split(","))
    try:
        return reading_of(hint).validate_python(value)
    except ValidationError:
        wanted = in_words(hint).replace("None", "none")
        near = nearest(value, hint)
        raise BadInput(f"{option(name, option_words(value), of_head=True)}: expected {wanted}{near}") from None
