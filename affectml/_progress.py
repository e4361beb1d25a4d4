"""Progress bars with a rate, on standard error, for anything that takes longer than a breath."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Progress:
    """One bar: `with Progress("embedding", total, "images") as bar: bar.advance(64)`.

    Drawn by rich on a terminal; elsewhere (a log, a pipe, a test) nothing is drawn.
    """

    def __init__(self, what: str, total: int, unit: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import (
            Progress as RichProgress,
        )

        console = Console(stderr=True)
        self._unit = unit
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(what, total=total, rate="")

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, count: int = 1) -> None:
        """Count `count` more as done."""
        self._bar.advance(self._task, count)
        speed = self._bar.tasks[0].speed
        if speed:
            self._bar.update(self._task, rate=f"{speed:,.0f} {self._unit}/s")


def track(items: Iterable[T], what: str, total: int, unit: str) -> Iterator[T]:
    """Yield `items` under a progress bar."""
    with Progress(what, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()
