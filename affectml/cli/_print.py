"""Tables and lines for people and JSON for programs, printed the same way by every command."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table as RichTable

    from affectml.page.tables import Table as Shown

LOG_WIDTH = 140  # columns; prose in a cell wraps there
PROSE = 30  # columns of a terminal below which no words are squeezed
LINES = 3  # about how to read a result
NUMBER = re.compile(r"[-+<±]?[\d.]|[-–]?$")  # how a number begins, or where there is none


class Table(NamedTuple):
    """A table of what stands in its cells. keys: its first columns stand again where a terminal has to part it."""

    title: str
    columns: Sequence[str]
    rows: Iterable[Sequence[object]]
    note: str = ""
    keys: int = 1


def about(title: str, rows: Iterable[Sequence[object]]) -> Table:
    """A table of facts, each with its value."""
    return Table(title, ("what", "value"), rows)


def frame(title: str, found: "pd.DataFrame") -> Table:
    """A table of a data frame; a dash where nothing is known."""
    rows = known(found).itertuples(index=False)
    cells = [["-" if c is None else f"{c:.3f}" if isinstance(c, float) else c for c in row] for row in rows]
    return Table(title, list(found.columns), cells)


def records(found: "pd.DataFrame") -> list[dict[Any, Any]]:
    """Rows as plain values, for JSON."""
    return known(found).to_dict("records")


def known(found: "pd.DataFrame") -> "pd.DataFrame":
    """The same; None where nothing is known."""
    return found.astype(object).where(found.notna(), None)


def print_parts(parts: Iterator[Any], *, as_json: bool) -> None:
    """What a command yields: content for programs first; then, for people, lines, tables, and functions that print.

    The content may be a function, too, that makes it. Whichever is printed, the command goes on to its end.
    """
    content = next(parts)
    if as_json:
        content = content() if callable(content) else content
        print(json.dumps(content, indent=2, ensure_ascii=False, default=str))
    for part in parts:
        if as_json:
            continue
        if callable(part):
            part()
        elif isinstance(part, str):
            print(part)
        else:
            show(part)


def show(table: "Table | Shown") -> None:
    """A table, with its note below; columns of numbers are right-aligned.

    In a pipe or a log it is as wide as it needs to be, up to LOG_WIDTH. Where that or the terminal is too narrow, the
    columns that do not fit go on in a table below, after the first `keys` columns again.
    """
    from rich.console import Console

    rows = [[str(cell) for cell in row] for row in (table.columns, *table.rows)]
    console, every = Console(highlight=False), [list(range(len(table.columns)))]
    needed = max(Console(width=10_000).measure(_rich_table(table.title, rows)).maximum, len(table.title))
    if not console.is_terminal:
        console = Console(highlight=False, width=min(needed, LOG_WIDTH))
    if console.is_terminal or needed > LOG_WIDTH:
        widths = [_width_of(*column) for column in zip(*rows, strict=True)]
        rows[0] = [fill(n, width, break_on_hyphens=False) for n, width in zip(rows[0], widths, strict=True)]
        every = _parts(widths, getattr(table, "keys", 1), console.width)
    for number, part in enumerate(every):
        title = f"{table.title}, continued" if number else table.title
        console.print(_rich_table(title, [[row[at] for at in part] for row in rows]))
    if table.note:
        print(f"  {table.note}\n")


def _width_of(name: str, *cells: str) -> int:
    """The width of a column in which no word of its name breaks, and none of a cell but in prose."""
    return max(1, *map(len, name.split()), min(max(map(len, cells), default=0), PROSE))


def _parts(widths: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """The columns of each table that a `width` takes; the first `keys` in all."""
    parts = [list(range(keys))]
    for at in range(keys, len(widths)):
        if len(parts[-1]) > keys and sum(widths[i] + 3 for i in (*parts[-1], at)) > width:  # with the space around it
            parts.append(parts[0][:keys])
        parts[-1].append(at)
    return parts


def _rich_table(title: str, rows: Sequence[Sequence[str]]) -> "RichTable":
    """rows: the columns' names first."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, (name, *cells) in enumerate(zip(*rows, strict=True)):
        side: Any = "right" if place and all(map(NUMBER.match, cells)) else "left"
        table.add_column(escape(name), justify=side, overflow="fold")
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    return table


def show_result(
    main: "Shown", others: "Iterable[Shown | None]" = (), rules: Sequence[str] = (), *, verbose: bool
) -> None:
    """What a command found: its main table as far as a screen takes it, and at most three lines about how to read it.

    others: further tables, those that there are. rules: how figures were counted. verbose: all tables whole, with their
    notes, and the rules; else the last of the lines says what that would add.
    """
    from affectml.page.tables import ROWS

    more = [table for table in others if table is not None and table.rows]
    if verbose:
        for table in (main, *more):
            show(table)
        print("".join(f"  {line}\n" for line in rules))
        return
    show(replace(main, rows=main.rows[:ROWS], note=""))
    lines, whole = _reading(main.note)
    counts = {"row": len(main.rows) - ROWS, "table": len(more)}
    left = [f"{count} more {what}{'s' * (count > 1)}" for what, count in counts.items() if count > 0]
    left += [] if whole and not rules else ["how each figure was counted"]
    for line in (*lines, *([f"--verbose: {', '.join(left)}"] if left else [])):
        print(f"  {line}")
    print()


def print_lines(lines: Iterable[str]) -> None:
    """Sentences, each on a line of its own, broken where the terminal ends; then an empty line."""
    for line in lines:
        print(fill(line, _width(), initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
    print()


def _width() -> int:
    """How wide sentences may be."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal else LOG_WIDTH


def _reading(note: str) -> tuple[list[str], bool]:
    """As much of a note as the lines hold, what a star means above all; and whether that is all of it."""
    parts = [part for line in note.splitlines() for part in line.strip().split("; ")]
    text, width = "; ".join(sorted(parts, key=lambda part: not part.startswith("*"))), _width() - 2
    return wrap(text, width, max_lines=LINES - 1, placeholder=" ..."), len(wrap(text, width)) < LINES
