"""Options declared once, as annotated fields or parameters: what is said of each, and how a command line spells it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_args, get_type_hints

from affectml.errors import BadInput, did_you_mean

MOST_SEED = 2**32 - 1  # numpy's
MOST_THREADS = 1_024  # with more than it can start torch crashes


@dataclass(frozen=True)
class Help:
    """What the command line says of an option, as metadata of `Annotated`.

    default: what holds without the option, where its value does not say so. metavar: what its value looks like. most:
    the largest number allowed; the smallest is the type's own (annotated_types.Ge). read: makes the value of the words
    of an option that may be given several times.
    """

    text: str
    default: str = ""
    metavar: str | None = None
    most: int | None = None
    read: Callable[[Sequence[str]], Any] | None = None


@dataclass(frozen=True)
class Option:
    """An option: its name, type, default value and help, and the smallest number allowed."""

    name: str
    type: Any
    default: Any
    help: Help
    least: int | None = None


def option_of(name: str, hint: Any, default: Any) -> Option:
    """The option that an annotated field or parameter declares."""
    marks = list(getattr(hint, "__metadata__", ()))
    kind = getattr(hint, "__origin__", hint) if marks else hint
    for part in get_args(kind):  # a bound inside, of a number that may also be None
        marks += getattr(part, "__metadata__", ())
    said = next((mark for mark in marks if isinstance(mark, Help)), Help(""))
    least = next((mark.ge for mark in marks if hasattr(mark, "ge")), None)
    return Option(name, kind, default, said, least)


def options_of(holder: type) -> list[Option]:
    """The options that a dataclass declares: its annotated fields, in their order."""
    hints: Any = get_type_hints(holder, include_extras=True)
    every: Any = fields(holder)
    return [
        option_of(f.name, hints[f.name], f.default if f.default_factory is MISSING else f.default_factory())
        for f in every
        if hasattr(hints[f.name], "__metadata__")
    ]


def parse_mapping(pairs: Iterable[str], *, option: str = "--map") -> dict[str, str]:
    """A mapping from texts FROM=TO.

    Args:
        pairs: such as "happy=joy".
        option: what error messages call it.

    Raises:
        BadInput: for another text, and for one label that is renamed to two.

    >>> parse_mapping(["happy=joy", "0 = anger"])
    {'happy': 'joy', '0': 'anger'}
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        before, mark, after = (part.strip() for part in pair.partition("="))
        if not (before and mark and after):
            raise BadInput(f"{option} {pair!r}: expected FROM=TO, such as happy=joy")
        if mapping.setdefault(before, after) != after:
            raise BadInput(f"{option}: {before!r} is renamed to both {mapping[before]!r} and {after!r}; give one")
    return mapping


def parse_settings(words: Iterable[str], *, option: str = "--set") -> dict[str, str]:
    """OPTION=VALUE, each option once.

    >>> parse_settings(["l2 = 0.1", "weight-decay=1"])
    {'l2': '0.1', 'weight_decay': '1'}
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.strip().replace("-", "_")
        if not (name and equals):
            raise BadInput(f"{option} {word}: expected OPTION=VALUE, e.g. {option} l2=0.1")
        if name in found:
            raise BadInput(f"{option} {word}: {name} is set twice; leave one out")
        found[name] = value.strip()
    return found


def parse_list(text: str | None) -> list[str] | None:
    """A list from a text A,B,C, without the spaces around each; None stays None.

    >>> parse_list("joy, awe")
    ['joy', 'awe']
    """
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Raise BadInput, naming the nearest choice, unless `value` is one of them."""
    if value not in choices:
        raise BadInput(f"{option}: no {value!r}{did_you_mean(value, choices)} (expected one of {', '.join(choices)})")
