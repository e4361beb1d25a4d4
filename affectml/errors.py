"""The errors a user can cause. Each message says what came, what was wanted, and the way out.

    AffectmlError
    ├── UnknownLabel         a label that its taxonomy does not have
    ├── UnknownTaxonomy      a taxonomy name that nobody defined
    ├── BadDataset           a data set folder, or a file in it, that cannot be used
    ├── BadInput             a file, option or array given by the user that cannot be used
    │   ├── BadArray         an array of the wrong shape, type or values; a ValueError too, as for scikit-learn
    │   └── NoMapping        labels that cannot be mapped as asked: coarse to fine, or without a target
    ├── EncoderUnavailable   an encoder whose weights cannot be had, or cannot be trusted
    ├── BadRun               a run folder that cannot be read back
    └── MissingExtra         an optional dependency that is not installed

Only the command line turns them into exit codes (2, one line, no traceback).

Messages name options by `option`, which spells them as the user gave them: `head="topk"` from Python, `--head topk` on
the command line.
"""

import difflib
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_ABSENT: Final = object()
# On the command line the options that it takes by `--set NAME=VALUE`; None elsewhere.
_ON_THE_COMMAND_LINE: ContextVar[frozenset[str] | None] = ContextVar("on_the_command_line", default=None)
# Where the command line's name is not Python's.
_SPELLED: Final = {
    "templates": "template",
    "groups": "group",
    "options": "set",
    "mapping": "map",
    "heads": "head",
}


class AffectmlError(Exception):
    """Base of every error that the user can mend. Its message is one line, also where it quotes a library's several."""

    def __str__(self) -> str:
        return " ".join(line.strip() for line in super().__str__().splitlines())


class UnknownLabel(AffectmlError):
    """A label that its taxonomy does not have."""


class UnknownTaxonomy(AffectmlError):
    """A taxonomy name that is neither built in nor a file."""


class BadDataset(AffectmlError):
    """A data set folder that cannot be used as it is."""


class BadInput(AffectmlError):
    """A user's file, option or array that cannot be used as it is."""


class BadArray(BadInput, ValueError):
    """An array that cannot be learned from or predicted for; a ValueError too, as scikit-learn asks of estimators."""


class NoMapping(BadInput):
    """Labels of one taxonomy that cannot be mapped to another's as asked."""


class EncoderUnavailable(AffectmlError):
    """An encoder whose weights cannot be had, or would be wrong."""


class BadRun(AffectmlError):
    """A run folder that cannot be read back."""


class MissingExtra(AffectmlError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}: pip install 'affectml[{extra}]'")


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """The middle of an error message: the nearest choice, or nothing when none is near."""
    near = difflib.get_close_matches(name.lower(), list(choices), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def few(names: Sequence[str], most: int, between: str = ", ") -> str:
    """The first names, as many as a message has room for, and ... where there are more.

    >>> few(["joy", "awe", "fear"], 2)
    'joy, awe, ...'
    """
    return between.join([*names[:most], *(["..."] if len(names) > most else [])])


@contextmanager
def command_line(by_set: Collection[str] = ()) -> Iterator[None]:
    """Inside, messages spell options as the command line does. by_set: those it takes by `--set NAME=VALUE`, if any."""
    before = _ON_THE_COMMAND_LINE.set(frozenset(by_set))
    try:
        yield
    finally:
        _ON_THE_COMMAND_LINE.reset(before)


def option(name: str, value: object = _ABSENT, *, of_head: bool = False) -> str:
    """An option for a message, in the words of whoever reads it.

    Args:
        name: as Python has it.
        value: what to give; without one, the option alone. On the command line True is a switch, False the switch that
            takes it back, a list A,B,C and a mapping FROM=TO.
        of_head: one of the head's own, which the command line takes by `--set`.

    >>> option("head", "topk"), option("multilabel", True), option("target"), option("l2", 0.1, of_head=True)
    ("head='topk'", 'multilabel=True', 'target', 'l2=0.1')
    >>> with command_line():
    ...     option("head", "topk"), option("multilabel", True), option("target"), option("l2", 0.1, of_head=True)
    ('--head topk', '--multilabel', '--target', '--set l2=0.1')
    >>> with command_line():
    ...     option("mapping", {"happpy": "happy"}), option("label_columns", ["joy", "awe"])
    ('--map happpy=happy', '--label-columns joy,awe')
    >>> with command_line():
    ...     option("json_schema", False)
    '--no-json-schema'
    """
    by_set = _ON_THE_COMMAND_LINE.get()
    if by_set is None:
        return name if value is _ABSENT else f"{name}={value!r}"
    if of_head or name in by_set:
        if isinstance(value, tuple | list):
            value = ",".join(map(str, value))
        value = str(value).lower() if isinstance(value, bool) else value
        return f"--set {name}" if value is _ABSENT else f"--set {shlex.quote(f'{name}={value}')}"
    words = spelled(name if value is not False else f"no_{name}")
    if value is False or value is _ABSENT or value is True:
        return words
    if isinstance(value, Mapping):
        value = " ".join(f"{before}={after}" for before, after in value.items())
    elif isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return f"{words} {shlex.quote(str(value))}"


def spelled(name: str) -> str:
    """How the command line spells an option that Python calls `name`: `--by-person` of by_person."""
    return f"--{_SPELLED.get(name, name).rstrip('_').replace('_', '-')}"
