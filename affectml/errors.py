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
"""

import difflib
from collections.abc import Iterable


class AffectmlError(Exception):
    """Base of every error that the user can mend."""


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
