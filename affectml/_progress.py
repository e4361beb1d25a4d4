"""Progress bars with a rate, for anything that takes longer than a breath: on terminals and in notebooks."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from html import escape
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Say = Callable[[str], None]  # called with what a user should know, a line at a time
QUIET: ContextVar[bool] = ContextVar("quiet", default=False)  # whether the command line asked for no word meanwhile
PAUSE = 0.1  # seconds between two drawings in a notebook


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
        self._bar: _Bar | None = None
        if total == 0 or QUIET.get():
            return
        if _in_a_notebook():
            self._bar = _NotebookBar(what, total, unit)
        elif sys.stderr.isatty():
            self._bar = _TerminalBar(what, total, unit)

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int = 1) -> None:
        """Count `count` more as done."""
        if self._bar is not None:
            self._bar.advance(count)


def track(items: Iterable[T], what: str, total: int, unit: str) -> Iterator[T]:
    """Yield `items` under a progress bar."""
    with Progress(what, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()


class Counted(Protocol):
    """A piece of work while it goes on, as a context manager."""

    def __enter__(self) -> "Counted": ...
    def __exit__(self, *error: object) -> None: ...
    def advance(self, count: int = 1) -> None:
        """Count `count` more as done."""


class Watch:
    """Who watches a training, given wherever it takes `say`: what is said, how far it is, and what it cost.

    One of your own extends this and answers to what it wants to know; a function in its place is told the lines alone.
    """

    def __init__(self, say: Say = lambda line: None) -> None:
        self._say = say

    @classmethod
    def of(cls, say: Say) -> "Watch":
        """Itself, or a function with bars where somebody watches."""
        return say if isinstance(say, Watch) else cls(say)

    def __call__(self, line: str) -> None:
        """What a user should know."""
        self._say(line)

    def bar(self, what: str, total: int | None, unit: str) -> Counted:
        """How far it is; see Progress for the arguments."""
        return Progress(what, total, unit)

    def cost(self, step: str, seconds: float) -> None:
        """What a step cost, once it has ended: "embed", "fit", "evaluate" and what else run.json's `seconds` has."""


class _Bar(Protocol):
    def start(self) -> None: ...
    def advance(self, count: int) -> None: ...
    def stop(self) -> None: ...


class _TerminalBar:
    """Drawn by rich."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._unit = unit
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(what, total=total, rate="")

    def start(self) -> None:
        self._bar.start()

    def advance(self, count: int) -> None:
        self._bar.advance(self._task, count)
        speed = self._bar.tasks[0].speed
        if speed:
            self._bar.update(self._task, rate=f"{speed:,.0f} {self._unit}/s")

    def stop(self) -> None:
        self._bar.stop()


class _NotebookBar:
    """An HTML <progress> that is replaced as it grows; needs no widgets, which rich does."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._done, self._started, self._drawn = 0, 0.0, 0.0
        self._shown: Any = None

    def start(self) -> None:
        from IPython.display import HTML, display

        self._started = time.monotonic()
        self._shown = display(HTML(self._html()), display_id=True)

    def advance(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._drawn > PAUSE:
            self._draw(self._html())

    def stop(self) -> None:
        self._draw("")

    def _draw(self, page: str) -> None:
        from IPython.display import HTML

        self._drawn = time.monotonic()
        self._shown.update(HTML(page))

    def _html(self) -> str:
        of = "" if self._total is None else f"/{self._total}"
        value = "" if self._total is None else f' value="{self._done}" max="{self._total}"'
        bar = f"<progress{value}></progress>"
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        pace = f" · {rate:,.0f} {escape(self._unit)}/s" if self._done else ""
        return f"{escape(self._what)} {bar} {self._done}{of}{pace}"


def _in_a_notebook() -> bool:
    """Whether a notebook's kernel runs this, which shows HTML; IPython on a terminal does not."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return hasattr(get_ipython(), "kernel")
