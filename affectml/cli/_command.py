"""What commands are made of: functions whose parameters are arguments and options, and that yield what is printed:
tables and lines for people, JSON for programs.

A parameter given by its place is an argument, one given by name an option, and so is each field of one that is a
dataclass; `affectml._options` says where their help stands. A function that yields has --json: its first part is the
content for programs, the others are lines and tables for people (`print_parts`). A command that does what a function
of `affectml` does takes its parameters from there and says only how the result is shown (`shows`).
"""

import functools
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from os import PathLike
from pathlib import Path
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin

import typer
from typer.core import TyperCommand

from affectml._options import Argument, Help, Option, documented, options_asked, parse_list, parse_mapping
from affectml._progress import QUIET
from affectml.errors import command_line, spelled

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table as RichTable

    from affectml.page.tables import Table as Shown

Function = Callable[..., Any]
Parts = Iterator[Any]
JSON = Option("json", bool, False, Help("Print JSON for programs instead of tables."))
Verbose = Annotated[bool, Help("Print every table whole, and how each figure was counted.")]
LOG_WIDTH = 140  # columns; prose in a cell wraps there
PROSE = 30  # columns of a terminal below which no words are squeezed
LINES = 3  # about how to read a result
NUMBER = re.compile(r"[-+<±]?[\d.]|[-–]?$")  # how a number begins, or where there is none


def say(line: str) -> None:
    """Progress in words, on standard error, so that --json output stays clean; none with --quiet."""
    if not QUIET.get():
        typer.echo(line, err=True)


class Later(TyperCommand):
    """Stands for a command in a list, which needs its name and a line alone; it is made once it is called."""

    def __init__(self, name: str, make: Callable[[], Any], **settings: Any) -> None:
        super().__init__(name, **settings)
        self._make = make

    @classmethod
    def of(cls, module: str, name: str, line: str, heading: str | None = None) -> "Later":
        """The command `name` in a module of affectml.cli: its function of that name, or its `app` with all commands."""

        def make() -> Any:
            found, holder = import_module(f"affectml.cli.{module}"), App(add_completion=False)
            if hasattr(found, "app"):
                holder.add_typer(found.app, name=name, help=line)
                return typer.main.get_command(holder).commands[name]  # type: ignore[attr-defined]
            holder.command(name)(getattr(found, name))
            return typer.main.get_command(holder)

        return cls(name, make, help=line, rich_help_panel=heading)

    @property
    def whole(self) -> Any:
        """The command with its arguments, its options and the commands below it."""
        return self._make()

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command that was made."""
        return self.whole.make_context(info_name, args, parent, **extra)


class App(typer.Typer):
    """Commands that are made of functions."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Function], Function]:  # type: ignore[override]
        """As Typer's."""
        add = super().command(name, **settings)

        def register(function: Function) -> Function:
            add(command_of(function))
            return function

        return register


def command_of(function: Function) -> Function:
    """The function, with the values of what Typer reads; its first parameter may be a typer.Context.

    Its attribute `headings` may say below which heading of --help an option stands.
    """
    headings = getattr(function, "headings", {})
    contexts = [each for each in inspect.signature(function).parameters.values() if each.annotation is typer.Context]
    every = list(options_asked(function, after=len(contexts)))
    asked = [each for each in every if not each[2].help.rare]
    rare = {option.name for *_, option in every if option.help.rare}
    holders = {parameter: holder for parameter, holder, _ in asked if holder is not None}

    def run(*, json: bool = False, **given: Any) -> None:
        values: dict[str, Any] = {each.name: given[each.name] for each in contexts}
        held: dict[str, dict[str, Any]] = {parameter: {} for parameter in holders}
        for parameter, _, option in asked:
            held.get(parameter, values)[option.name] = value_of(option, given[option.name])
        with command_line(by_set=rare):
            values |= {parameter: holder(**held[parameter]) for parameter, holder in holders.items()}
            if (parts := function(**values)) is not None:
                print_parts(parts, as_json=json)

    functools.update_wrapper(run, function)
    run.__doc__ = documented(function)[0]
    options = [option for *_, option in asked] + [JSON] * inspect.isgeneratorfunction(function)
    sign(run, [*contexts, *(parameter_of(option, headings.get(option.name)) for option in options)])
    return run


def shows(door: Function) -> Callable[[Callable[..., Parts]], Function]:
    """Make a command of a function of `affectml`: the decorated function yields what is printed of its result.

    Parameters of the decorated function, after the result, are further options: of what is printed or written.
    """

    def decorate(show_result: Callable[..., Parts]) -> Function:
        _, *own = inspect.signature(show_result).parameters.values()
        parameters = dict(inspect.signature(door).parameters)
        spoken = {"say": say} if parameters.pop("say", None) else {}

        @functools.wraps(door)
        def command(**values: Any) -> Parts:
            shown = {each.name: values.pop(each.name) for each in own}
            yield from show_result(door(**values, **spoken), **shown)

        command.__name__ = show_result.__name__
        sign(command, [*parameters.values(), *own])
        return command

    return decorate


def sign(function: Any, parameters: Sequence[inspect.Parameter]) -> None:
    """Give a function the parameters that Typer is to see."""
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {each.name: each.annotation for each in parameters}


def parameter_of(option: Option, heading: str | None = None) -> inspect.Parameter:
    """What Typer is told of an option or an argument."""
    kinds, said, default = _kinds(option), option.help, option.default
    settings: dict[str, Any] = {"help": said.text, "show_default": said.default or True}
    settings |= {"rich_help_panel": heading} if heading else {}
    kind: Any = str | None
    if several := kinds & {Mapping, tuple}:
        each = Path if said.path or Path in kinds else str
        kind, default = list[each], default if default is inspect.Parameter.empty else None  # type: ignore[valid-type]
        if not isinstance(said, Argument):
            settings["metavar"] = "FROM=TO" if Mapping in several else "PATH" if each is Path else "TEXT"
    elif Sequence in kinds:
        settings["metavar"] = "A,B,..."
    elif number := kinds & {bool, int, float}:
        kind = number.pop() | None if type(None) in kinds else number.pop()
        settings.update({key: most for key, most in (("min", option.least), ("max", said.most)) if most is not None})
        if type(None) in kinds and isinstance(default, float):
            settings |= {"parser": _number_or_none, "metavar": "NUMBER|none"}  # the config checks its range
    elif said.path or Path in kinds:
        kind = Path | None
    elif default is not None:
        kind = str
    settings |= {key: value for key, value in (("metavar", said.metavar), ("envvar", said.env)) if value}
    name = spelled(option.name)
    names = f"{name}/{spelled(f'no_{option.name}')}" if default is True else name
    told = typer.Argument(**settings) if isinstance(said, Argument) else typer.Option(names, **settings)
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(option.name, keyword, default=default, annotation=Annotated[kind, told])


def value_of(option: Option, given: Any) -> Any:
    """The value of what Typer read."""
    kinds = _kinds(option)
    if Mapping in kinds:
        return (option.help.read or parse_mapping)(given or [], option=spelled(option.name))
    if tuple in kinds:
        return tuple(_text(option, each) for each in given) if given else option.default
    return parse_list(given) if Sequence in kinds else _text(option, given)


def _number_or_none(given: str) -> float | None:
    return None if given == "none" else float(given)


def _text(option: Option, given: Any) -> Any:
    """A place as a text, where that is its type. Raises BadInput for a pipe, a socket or a device."""
    if isinstance(given, Path) and given.exists() and not (given.is_file() or given.is_dir()):
        from affectml._files import need_file

        need_file(given)
    return str(given) if isinstance(given, Path) and option.help.path else given


def _kinds(option: Option) -> set[Any]:
    """The types that an option's is made of, such as {tuple, Path, NoneType}."""
    origin = get_origin(option.type)
    parts = (option.type,) if origin in (None, Mapping, Sequence, tuple) else get_args(option.type)
    kinds = {kind for part in parts for kind in (getattr(part, "__origin__", part), *get_args(part))}
    return kinds | {Path} if PathLike in kinds else kinds


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
    from affectml_annotation.agreement.alpha import plain_rows

    rows = [row.values() for row in plain_rows(found)]
    cells = [["-" if c is None else f"{c:.3f}" if isinstance(c, float) else c for c in row] for row in rows]
    return Table(title, list(found.columns), cells)


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

    Where the terminal, or LOG_WIDTH in a pipe or a log, is too narrow, the columns that do not fit go on in a table
    below, after the first `keys` columns again.
    """
    from rich.console import Console

    rows = [[str(cell) for cell in row] for row in (table.columns, *table.rows)]
    console, every = Console(highlight=False), [list(range(len(table.columns)))]
    if not console.is_terminal:
        console = Console(highlight=False, width=LOG_WIDTH)
    columns = list(zip(*rows, strict=True))
    if sum(max(map(len, column)) + 3 for column in columns) > console.width:
        widths = [_width_of(*column) for column in columns]
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
