"""Tables for people and JSON for programs, printed the same way by every command."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


LOG_WIDTH = 140  # columns; prose in a cell wraps there


def print_json(value: Any) -> None:
    """`value` as indented JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: bool = True,
    best: Collection[tuple[int, int]] = (),
) -> None:
    """A table on standard output; columns after the first are right-aligned unless `numbers` is false.

    best: (row, column) of cells that a terminal shows bold.

    In a pipe or a log it is as wide as it needs to be, up to LOG_WIDTH. On a terminal too narrow for it,
    intervals move under their values, and names break after an underscore.
    """
    from rich.console import Console

    cells = [[str(cell) for cell in row] for row in rows]
    needed = Console(width=10_000).measure(_table(title, columns, cells, numbers, best)).maximum
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=min(max(needed, len(title)), LOG_WIDTH))
    elif needed > console.width:
        cells = [[_broken(row[0], 20), *(cell.replace(" ±", "\n±") for cell in row[1:])] for row in cells]
        columns = [_broken(column, 8) for column in columns]
    console.print(_table(title, columns, cells, numbers, best))


def _table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: bool,
    best: Collection[tuple[int, int]],
) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(escape(column), justify="right" if place and numbers else "left", overflow="fold")
    for at, row in enumerate(rows):
        table.add_row(*(f"[b]{escape(cell)}[/b]" if (at, c) in best else escape(cell) for c, cell in enumerate(row)))
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
