"""Options declared once, as parameters or fields: what is said of each, and how a command line spells it.

An option is a parameter that is given by name, or a field of a dataclass. Its help stands under `Args:` in the
docstring, where a last sentence "Default: ..." says what holds without it. Options that several functions share, or
that need more than words, are annotated with `Help`.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from numbers import Integral, Real
from typing import Annotated, Any, Literal, get_args, get_type_hints

from annotated_types import Ge

from affectml.errors import BadInput, did_you_mean, option

MOST_SEED = 2**32 - 1  # numpy's
MOST_THREADS = 1_024  # with more than it can start torch crashes
_KINDS: dict[Any, tuple[type, str]] = {
    bool: (bool, "true or false"), int: (Integral, "a whole number"), float: (Real, "a number"), str: (str, "text"),
}  # fmt: skip


@dataclass(frozen=True)
class Help:
    """What the command line says of an option, as metadata of `Annotated`.

    default: what holds without the option, where its value does not say so. metavar: what its value looks like. most:
    the largest number allowed; the smallest is the type's own (annotated_types.Ge). read: makes the value of the words
    of an option that may be given several times. path: whether a text names a file or folder, which shells complete.
    env: an environment variable that says it too. rare: whether it is set by `--set NAME=VALUE` alone, as a head's
    options are.
    """

    text: str = ""
    default: str = ""
    metavar: str | None = None
    most: int | None = None
    read: Callable[..., Any] | None = None
    path: bool = False
    env: str | None = None
    rare: bool = False


@dataclass(frozen=True)
class Argument(Help):
    """The same of what is given by its place, without a name."""


# What several commands ask.
Seed = Annotated[int, Ge(0), Help("Seed of every random choice; same seed, same result.", most=MOST_SEED)]
Threads = Annotated[
    Annotated[int, Ge(1)] | None,
    Help("Threads for torch; part of what makes a result repeatable.", default="cores - 1", most=MOST_THREADS),
]
MoreThreads = Annotated[Annotated[int, Ge(1)] | None, Help(most=MOST_THREADS)]
Count = Annotated[int, Ge(1)]
Workers = Annotated[
    Literal["ray"] | None,
    Help("Hand the parts to the workers of a running Ray cluster (extra: ray).", default="this process"),
]
Device = Annotated[
    str | None, Help("Where the encoder runs: cpu, cuda, cuda:1, mps.", default="cuda where there is one, else cpu")
]
Groups = Annotated[
    tuple[str, ...],
    Help(
        "Column of images.parquet to judge the model by; may be given several times.",
        default="all columns of 2 to 12 levels",
    ),
]


@dataclass(frozen=True)
class Option:
    """An option: its name, type, default value and help, and the smallest number allowed."""

    name: str
    type: Any
    default: Any
    help: Help
    least: float | None = None


def documented(thing: Any) -> tuple[str, dict[str, Help]]:
    """What the docstring of a function or a dataclass says of the whole, and of each entry under `Args:`.

    >>> def draw(size):
    ...     \"\"\"Draw.
    ...
    ...     Args:
    ...         size: Pixels of a side. Default: 256.
    ...     \"\"\"
    >>> documented(draw)[1]["size"].text, documented(draw)[1]["size"].default
    ('Pixels of a side.', '256')

    Raises BadInput where Python left the docstrings out.
    """
    if sys.flags.optimize > 1:
        raise BadInput("options are read from docstrings, which this Python leaves out: run it without -OO, or with "
                       "PYTHONOPTIMIZE at most 1")  # fmt: skip
    whole, _, rest = (inspect.getdoc(thing) or "").partition("\n\nArgs:\n")
    words = re.split(r"^    (\w+): ", rest.partition("\n\n")[0], flags=re.MULTILINE)[1:]
    entries = {}
    for name, text in zip(words[::2], words[1::2], strict=True):
        said, _, default = " ".join(text.split()).partition(" Default: ")
        entries[name] = Help(said, default=default.removesuffix("."))
    return whole, entries


def option_of(name: str, hint: Any, default: Any, entry: Help | None = None) -> Option:
    """The option that a field or parameter declares; entry: what the docstring says of it."""
    marks = list(getattr(hint, "__metadata__", ()))
    kind = getattr(hint, "__origin__", hint) if marks else hint
    for part in get_args(kind):  # a bound inside, of a number that may also be None
        marks += getattr(part, "__metadata__", ())
    said = next((mark for mark in marks if isinstance(mark, Help)), Help())
    if entry is not None:
        said = replace(said, text=entry.text, default=entry.default or said.default)
    least = next((mark.ge for mark in marks if hasattr(mark, "ge")), None)
    return Option(name, kind, default, said, least)


def options_of(holder: type) -> list[Option]:
    """The options that a dataclass declares: its fields, in their order, before those that it inherits."""
    hints: Any = get_type_hints(holder, include_extras=True)
    entries = {name: entry for kind in reversed(holder.__mro__) for name, entry in documented(kind)[1].items()}
    every: Any = sorted(fields(holder), key=lambda field: field.name not in vars(holder).get("__annotations__", ()))
    asked = [field for field in every if field.name in entries or hasattr(hints[field.name], "__metadata__")]
    return [option_of(field.name, hints[field.name], _default(field), entries.get(field.name)) for field in asked]


def _default(field: Any) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default


def options_asked(function: Callable[..., Any], *, after: int = 0) -> Iterator[tuple[str, type | None, Option]]:
    """(parameter, dataclass with the option as its field, option) for each parameter after the first few.

    A parameter that is given by its place is an argument. `**options: Annotated[Any, Config]` are the fields of Config.
    """
    hints = get_type_hints(function, include_extras=True)
    _, entries = documented(function)
    for name, parameter in list(inspect.signature(function).parameters.items())[after:]:
        hint = hints[name]
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            yield from ((name, None, option) for option in options_of(hint.__metadata__[0]))
            continue
        if is_dataclass(hint) and isinstance(hint, type):
            yield from ((name, hint, option) for option in options_of(hint))
            continue
        option = option_of(name, hint, parameter.default, entries.get(name))
        by_place = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        yield name, None, replace(option, help=Argument(**vars(option.help))) if by_place else option


def parse_mapping(pairs: Iterable[str], *, option: str = "--map", example: str = "happy=joy") -> dict[str, str]:
    """A mapping from texts FROM=TO.

    Args:
        pairs: such as "happy=joy".
        option: what error messages call it.
        example: for the words of an error.

    Raises:
        BadInput: for another text, and for two texts that differ in what stands behind the sign.

    >>> parse_mapping(["happy=joy", "0 = anger"])
    {'happy': 'joy', '0': 'anger'}
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        before, mark, after = (part.strip() for part in pair.partition("="))
        if not (before and mark and after):
            raise BadInput(f"{option} {pair!r}: expected a pair, such as {example}")
        if mapping.setdefault(before, after) != after:
            raise BadInput(f"{option}: {before!r} is both {mapping[before]!r} and {after!r}; give one of them")
    return mapping


def parse_settings(words: Iterable[str], *, option: str = "--set", example: str = "l2=0.1") -> dict[str, str]:
    """A mapping of names as Python has them from texts OPTION=VALUE.

    >>> parse_settings(["l2 = 0.1", "weight-decay=1"])
    {'l2': '0.1', 'weight_decay': '1'}
    """
    settings = parse_mapping(words, option=option, example=example)
    return {name.replace("-", "_"): value for name, value in settings.items()}


def parse_list(text: str | None) -> list[str] | None:
    """A list from a text A,B,C, without the spaces around each; None stays None.

    >>> parse_list("joy, awe")
    ['joy', 'awe']
    """
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def check_range(config: Any) -> None:
    """Raise BadInput for a value of a config that is of another type than its option, or a number that it cannot take.

    Such a number is below the least or above the most that the option takes, or infinite.
    """
    for each in options_of(type(config)):
        value, least, most = getattr(config, each.name), each.least, each.help.most
        kind, wanted = _KINDS.get(each.type, (object, ""))
        right = isinstance(value, kind)
        if right and (
            value is None or least is None or least <= value <= (sys.float_info.max if most is None else most)
        ):
            continue
        if right:
            wanted = f"at least {least}" if most is None else f"{least} to {most:,}"
        raise BadInput(f"{option(each.name, value)}: expected {wanted}")


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Raise BadInput, naming the nearest choice, unless `value` is one of them."""
    if value not in choices:
        raise BadInput(f"{option}: no {value!r}{did_you_mean(value, choices)} (expected one of {', '.join(choices)})")
