"""Options of importers: what is said of each, and how a command line spells them: FROM=TO and A,B,C."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from affectml.errors import BadInput, did_you_mean


@dataclass(frozen=True)
class Help:
    """What the command line says of an option, as metadata of `Annotated`.

    default: what holds without the option, where its value does not say so. flag: the option's name, where it is not
    the parameter's. least: the smallest number allowed.
    """

    text: str
    default: str = ""
    flag: str = ""
    least: int | None = None


@dataclass(frozen=True)
class Option:
    """One keyword of an importer: its name, type, default value and help."""

    name: str
    type: Any
    default: Any
    help: Help


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
