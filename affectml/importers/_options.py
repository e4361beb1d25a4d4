"""Options as a command line has them: FROM=TO and A,B,C."""

from collections.abc import Iterable, Sequence

from affectml.errors import BadInput, did_you_mean


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
