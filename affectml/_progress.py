"""Progress bars with a rate, for anything that takes longer than a breath: on terminals and in notebooks."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
Say = Callable[[str], None]  # called with each line for the user
QUIET: ContextVar[bool] = ContextVar("quiet", default=False)  # whether the command line asked for no word meanwhile


class Progress:
    """One bar: `with Progress("embedding", total, "images") as bar: bar.advance(64)`.

    Gone when the work ends. Nothing is drawn where nobody watches (in a log, a pipe, a test, with `--quiet`) or
    nothing is to be done.

    Args:
        what: what is done, before the bar.
        total: how many there are to do, None where nobody knows.
        unit: of what, for the rate.
    """

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self._quiet = not (sys.stderr.isatty() or _in_a_notebook()) or total == 0 or QUIET.get()
        self._said: dict[str, Any] = {"desc": what, "total": total, "unit": f" {unit}"}

    def __enter__(self) -> "Progress":
        from tqdm import tqdm

        self._bar = tqdm(**self._said, leave=False, disable=self._quiet)
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def advance(self, count: int = 1) -> None:
        """Count `count` more as done."""
        self._bar.update(count)


def _in_a_notebook() -> bool:
    """Whether a notebook's kernel runs this, not only somewhere in this process."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def track(items: Iterable[T], what: str, total: int, unit: str) -> Iterator[T]:
    """Yield `items` under a progress bar."""
    with Progress(what, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()
