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
LINES = 3  # about how to read a result
NUMBER = re.compile(r"[-+<]?[\d.]|[-–]?$")  # how a number begins, or where there is none


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

    In a pipe or a log it is as wide as it needs to be, up to LOG_WIDTH. On a terminal too narrow for it,
    intervals move under their values, names break after an underscore, and columns whose words would not fit
    go on in a table below, after the first `keys` columns again.
    """
    from rich.console import Console

    title, columns, cells = table.title, table.columns, [[str(cell) for cell in row] for row in table.rows]
    whole = _rich_table(title, columns, cells)
    needed = Console(width=10_000).measure(whole).maximum
    console = Console(highlight=False)
    if not console.is_terminal:
        Console(highlight=False, width=min(max(needed, len(title)), LOG_WIDTH)).print(whole)
    elif needed <= console.width:
        console.print(whole)
    else:
        cells = [[_broken(row[0], 20), *(cell.replace(" ±", "\n±") for cell in row[1:])] for row in cells]
        columns = [_broken(column, 8) for column in columns]
        for number, part in enumerate(_parts(columns, cells, getattr(table, "keys", 1), console.width)):
            these = [[row[at] for at in part] for row in cells]
            said = f"{title}, continued" if number else title
            console.print(_rich_table(said, [columns[at] for at in part], these, whole=True))
    if table.note:
        print(f"  {table.note}\n")


def _least(cells: Sequence[str]) -> int:
    """The width of a column in which no word breaks, but those that are very long."""
    return min(max(map(len, " ".join(cells).split()), default=0), 24)


def _parts(columns: Sequence[str], rows: Sequence[Sequence[str]], keys: int, width: int) -> list[list[int]]:
    """The columns of each table that a `width` takes; the first `keys` in all."""
    least = [_least(column) + 3 for column in zip(columns, *rows, strict=True)]  # a space on both sides, and a rule's
    parts = [list(range(keys))]
    for at in range(keys, len(columns)):
        if len(parts[-1]) > keys and sum(least[i] for i in (*parts[-1], at)) > width:
            parts.append(parts[0][:keys])
        parts[-1].append(at)
    return parts


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
    width = _width() - 2
    parts = [part for line in note.splitlines() for part in line.strip().split("; ")]
    parts.sort(key=lambda part: not part.startswith("*"))
    whole = [wrap("; ".join(parts[:count]), width) for count in range(len(parts) + 1)]
    lines = [lines for lines in whole if len(lines) < LINES][-1]
    return lines, lines == whole[-1]


def _rich_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: bool = False
) -> "RichTable":
    """whole: names wrap between words, and columns of short words keep their width."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        cells = [row[place] for row in rows]
        least = _least([column, *cells])
        keeps = whole and max((len(line) for cell in cells for line in cell.split("\n")), default=0) <= least
        name = fill(column, least) if keeps and "\n" not in column else column
        side: Any = "right" if place and all(map(NUMBER.match, cells)) else "left"
        table.add_column(escape(name), justify=side, overflow="fold", no_wrap=keeps)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _broken(name: str, width: int) -> str:
    """A name_of_many_words on lines of about `width`; other text stays as it is."""
    if " " in name.rstrip(" ↑↓") or "_" not in name:
        return name
    lines = [""]
    for part in name.replace("_", "_\0").split("\0"):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
