"""What can go wrong, as one small tree.

AnnotationError (a ValueError: one line that says what was wanted, what came, and the way out)
├── BadJudgement     a row of a judgement table breaks the contract; the row is named
├── UnknownLabel     a label that the task does not have
├── BadCounts        votes, numbers of people asked or shares that cannot be
├── MissingExtra     an optional dependency that is not installed
├── StoreError       the label store cannot do what was asked
│   ├── BadTask           a task's file, or a text beside it, that cannot be used
│   └── DatabaseFailed    its database failed, whatever was asked of it
│       └── DatabaseAway  for now: the same call may be made again
├── BadImport        a file of judgements that cannot be taken as it is; each bad row is named
└── BadExport        an export that has nothing to say, or would replace what is there; nothing was written
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

SHOWN = 20  # problems that a message names
_AT_ROW = re.compile(r"((?:row|line) \d+: |)(.*)", re.DOTALL)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The end of a message about a name that is not known: the nearest one that is, if any is near."""
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class AnnotationError(ValueError):
    """Base of every error this package raises on purpose. Its message is one line, whatever it quotes."""

    def __str__(self) -> str:
        return " ".join(line.strip() for line in super().__str__().splitlines())


class BadJudgement(AnnotationError):
    """A row of a judgement table breaks the contract of `affectml_annotation.judgements`."""


class UnknownLabel(AnnotationError):
    """A label that is not among the labels in use."""

    @classmethod
    def named(cls, label: object, labels: Sequence[str], where: str = "") -> "UnknownLabel":
        """The error for `label`, with the nearest known one; `where` says which row or file had it."""
        place = f"{where}: " if where else ""
        return cls(f"{place}no label {label!r}{did_you_mean(str(label), labels)} (labels: {', '.join(labels)})")


def check_labels(given: Iterable[str], labels: Sequence[str], where: str) -> None:
    """Raise UnknownLabel for the first label given that is not among `labels`."""
    for label in given:
        if label not in labels:
            raise UnknownLabel.named(label, labels, where)


class BadCounts(AnnotationError):
    """Votes, numbers of people asked, or shares that cannot be."""


class MissingExtra(AnnotationError):
    """An optional dependency that is not installed."""


class StoreError(AnnotationError):
    """The label store cannot do what was asked: wrong settings, unknown image or annotator, newer database."""


class BadTask(StoreError):
    """A task's file, or a text beside it, that cannot be used as it is. The message names the key."""


class DatabaseFailed(StoreError):
    """The label store's database failed, whatever was asked of it. The message names the place and the user."""


class DatabaseAway(DatabaseFailed):
    """It failed for now: restarting, out of connections, locked by others, out of room.

    What was begun is undone, or was done a moment before: a call that may be made twice may be made again.
    """


class _Refused(AnnotationError):
    """Something that was refused whole. `problems` has one line for each, `way_out` what would help.

    The message says those that are equal but for the row once, and how often.
    """

    _one = _many = ""  # begins what is said of one problem, and of several

    def __init__(self, where: str, problems: Sequence[str], way_out: str = "") -> None:
        rows: dict[str, list[str]] = {}
        for problem in problems:
            row, what = _AT_ROW.fullmatch(problem).groups()  # type: ignore[union-attr]
            rows.setdefault(what, []).append(row)
        lines = [
            f"{at[0]}{what}" if len(at) == 1 else f"{at[0].removesuffix(': ')} and {len(at) - 1} more: {what}"
            for what, at in rows.items()
        ]
        begins = (self._many if len(problems) > 1 else self._one).format(len(problems))
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        super().__init__(f"{where}: {begins}{'; '.join([*lines[:SHOWN], *more, *([way_out] if way_out else [])])}")
        self.problems = tuple(problems)
        self.way_out = way_out


class BadImport(_Refused):
    """A file of judgements that cannot be taken as it is. Nothing was imported."""

    _many = "{} problems, nothing was imported: "


class BadExport(_Refused):
    """An export that cannot be, or that would replace what is there without being asked. Nothing was written."""

    _one = _many = "nothing was written: "
