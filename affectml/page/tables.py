"""Figures as tables of plain cells: the terminal and the page print the same ones."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TypeVar

from affectml._html import plain, table
from affectml.judging.figures import Evaluation, Figure, in_order
from affectml_annotation.exchange.files import csv_text
from affectml_metrics.table import better, find, shown

Name = TypeVar("Name")
LONG = 40  # characters of a cell that is a sentence
ROWS = 8  # of the one table that a terminal shows
STAR = (
    "* rests on fewer than 30 images or groups: its interval is rough, and cut where the score's range ends; mean "
    "average precision counts images that have a label, with so few of which it reads too high"
)
HALF = "± is half the width of the 95 % interval"
MANY_EMPTY = 0.1  # share of empty sets from which it stands beside every set score
BESIDE = {  # titles of tables by whom the systems in them are set beside
    "rest": "One person and the systems beside the rest of the panel",
    "person": "The rest of the panel and the systems beside the person left out",
    "half": "Half of a panel beside the other half",
}


@dataclass(frozen=True)
class Table:
    """A title, column names, rows of text, and a line to read under it. best: (row, column) of cells to print bold.

    name: what its file is called; "" is made from the title. bold: what a page says of those cells; "" where the note
    does.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    best: frozenset[tuple[int, int]] = frozenset()
    name: str = ""
    bold: str = "bold: the best of the systems, and those whose interval overlaps with its interval"

    def to_markdown(self) -> str:
        """Columns and rows alone, bold cells bold."""
        lines = ["| " + " | ".join(map(plain, self.columns)) + " |", "|" + "---|" * len(self.columns)]
        for row, cells in enumerate(self.rows):
            found = [plain(cell) for cell in cells]
            bold = (f"**{cell}**" if (row, at) in self.best else cell for at, cell in enumerate(found))
            lines.append("| " + " | ".join(bold) + " |")
        return "\n".join(lines)

    def to_csv(self) -> str:
        """Columns and cells, no notes: `.623 ±.018` becomes two columns of numbers, a dash an empty cell."""
        wide = [any("±" in row[i] for row in self.rows) for i in range(len(self.columns))]
        rows = [[part for i, c in enumerate(self.columns) for part in ((c, f"{c} ±") if wide[i] else (c,))]]
        for row in self.rows:
            cells = [cell.partition("±") if wide[i] else (cell,) for i, cell in enumerate(row)]
            rows.append([_plain(part) for cell in cells for part in cell[::2]])
        return csv_text(rows)

    def to_tex(self) -> str:
        """A booktabs table; the title and the note stand as comments above it, bold cells are bold."""
        lines = []
        for row, cells in enumerate((self.columns, *self.rows), -1):
            found = [escape_tex(cell) for cell in cells]
            bold = (rf"\textbf{{{cell}}}" if (row, at) in self.best else cell for at, cell in enumerate(found))
            lines.append(rf"{' & '.join(bold)} \\")
        above = [f"% {' '.join(line.split())}" for line in (self.title, *self.note.splitlines()) if line.strip()]
        begin = [r"\begin{tabular}{l" + "r" * (len(self.columns) - 1) + "}", r"\toprule", lines[0], r"\midrule"]
        return "\n".join([*above, *begin, *lines[1:], r"\bottomrule", r"\end{tabular}", ""])

    @property
    def prose(self) -> frozenset[int]:
        """Columns, but for the first, that hold sentences: a page breaks their lines.

        >>> sorted(Table("", ("a", "b"), (("1", "said joy; sadness was not chosen, expected 97 %"),)).prose)
        [1]
        """
        return frozenset(
            at for row in self.rows for at, cell in enumerate(row) if at and len(cell) > LONG and " " in cell
        )

    @property
    def file_name(self) -> str:
        """What its file is called, without an ending: lower case, digits and dashes.

        >>> Table("Model by group", (), ()).file_name
        'model-by-group'
        """
        return re.sub(r"[^\w]+", "-", (self.name or self.title).lower()).strip("-_") or "table"


def direction(metric: str) -> str:
    """An arrow up or down, whichever is better; "" where neither is."""
    return {"higher": "↑", "lower": "↓", "": ""}[better(metric)]


def arrow(metric: str) -> str:
    """The metric's name with the direction that is better, where there is one."""
    return f"{metric} {direction(metric)}".rstrip()


def rows_of(evaluation: Evaluation, **key: str | None) -> list[Figure]:
    """The figures of a key (`Evaluation.where`) in the evaluation's own labels, not in coarser ones."""
    space = evaluation.facts.get("space")
    return list(evaluation.where(**({} if space is None else {"space": space}), **key))


def pivot(
    title: str,
    figures: Iterable[Figure | None],
    down: Callable[[Figure], str],
    across: Callable[[Figure], str] = lambda figure: figure.system,
    *,
    head: str,
    columns: Iterable[str] = (),
    note: str = "",
    name: str = "",
    write: Callable[[Figure | None], str] | None = None,
    bold: Callable[[Figure], bool] | None = None,
    best: bool = False,
) -> Table | None:
    """A table of figures, one a cell; None without any.

    down, across: the row and the column of a figure; rows and columns stand as they first come, `columns` before others.
    write: a figure as a cell. bold: which cells are. best: whether the best of each row are, of systems that compete.
    """
    rows: dict[str, dict[str, Figure]] = {}
    for each in filter(None, figures):
        rows.setdefault(down(each), {})[across(each)] = each
    there = dict.fromkeys(column for row in rows.values() for column in row)
    kept = [column for column in dict.fromkeys([*columns, *there]) if column in there]
    cells = tuple((row, *((write or cell)(found.get(column)) for column in kept)) for row, found in rows.items())
    strong: set[tuple[int, int]] = set()
    for at, found in enumerate(rows.values()):
        rivals = {column: each for column, each in found.items() if each.system not in ("oracle", "floor", "half")}
        names = leading(rivals) if best else [c for c, each in found.items() if bold is not None and bold(each)]
        strong |= {(at, kept.index(column) + 1) for column in names}
    made = Table(title, (head, *kept), cells, note, frozenset(strong), name)
    return starred(made if best else replace(made, bold="")) if rows else None


def leading(figures: Mapping[Name, Figure]) -> list[Name]:
    """Who has the best of two or more figures of one metric, and everyone whose interval overlaps with the best's."""
    direction = better(next(iter(figures.values())).name) if figures else ""
    if len(figures) < 2 or not direction:
        return []
    pick = max if direction == "higher" else min
    low, high = pick(figures.values(), key=lambda each: each.value).ends
    return [name for name, each in figures.items() if each.ends[0] <= high and each.ends[1] >= low]


def is_difference(evaluation: Evaluation, figure: Figure) -> bool:
    """Whether it is a system less another; beside `person` both are scored on the rest of the panel, where they are."""
    if figure.against == "person":
        return evaluation.get(figure.name, figure.system, "rest") is not None
    return figure.against not in ("people", "rest", "half", "floor")


def scores_table(
    evaluation: Evaluation, against: str = "people", *, metrics: Sequence[str] | None = None, note: str = ""
) -> Table | None:
    """Metrics down, systems across, all judged on the same targets; None where nobody was.

    against: whom they are set beside. metrics: those to show, in their order; None is all. Where many sets are empty,
    a row below the set metrics says whose.
    """
    names = [name for name in metrics or evaluation.names(against) if find(name) is not None]
    every = [evaluation.get(name, who, against) for name in names for who in evaluation.systems(against)]
    found = [each for each in every if each is not None and not is_difference(evaluation, each)]
    if against == "person":  # each person's own answer is the target of this metric in both tables
        agreed = [each.name for each in found if each.system == "consensus"]
        found += [f for name in agreed for who in evaluation.systems("rest") if who != "person"
                  and (f := evaluation.get(name, who, "rest")) is not None]  # fmt: skip
    systems = in_order(dict.fromkeys(each.system for each in found))
    notes = [HALF, "↑ higher is better, ↓ lower is better", *filter(None, [note])]
    sets = [at for at, each in enumerate(found) if is_of_sets(each.name)]
    shares = empty_shares(evaluation) if sets else {}
    if shares:
        found[sets[-1] + 1 : sets[-1] + 1] = [each for who, each in shares.items() if who in systems]
        notes.append(empty_words(evaluation))
    title = which_images(evaluation) if against == "people" else BESIDE[against]
    row = f"empty sets (people's {number(shares['people'].value)})" if "people" in shares else "empty sets"
    return pivot(title, found, lambda f: row if f.metric == "empty_share" else arrow(f.name), head="metric",
                 columns=systems, note="; ".join(notes), name="systems" if against == "people" else against, best=True)  # fmt: skip


def is_of_sets(name: str) -> bool:
    """Whether a metric compares label sets."""
    return (spec := find(name)) is not None and spec.kinds[0] == "sets"


def empty_shares(evaluation: Evaluation) -> dict[str, Figure]:
    """The share of empty sets of each system, of images (people) and of single answers (person), where it matters."""
    shares = {each.system: each for each in rows_of(evaluation, metric="empty_share", against="people")}
    watched = [shares[name].value for name in ("people", evaluation.facts.get("first"), "prior") if name in shares]
    return shares if any(value > MANY_EMPTY for value in watched) else {}


def empty_line(evaluation: Evaluation) -> str:
    """How many sets of people, the first system and the prior are empty; "" where they are few."""
    shares, facts = empty_shares(evaluation), evaluation.facts
    who = [name for name in ("people", facts.get("first"), "prior") if name in shares]
    return f"empty sets: {', '.join(f'{name} {percent(shares[name].value)}' for name in who)}" if who else ""


def empty_words(evaluation: Evaluation) -> str:
    """The same, what it does to scores of sets, and which set the prior gives every image."""
    line, sets = empty_line(evaluation), rows_of(evaluation, metric="set_share", system="prior", label=None)
    given = evaluation.facts.get("prior_set", [each.label for each in sets if each.value == 1] if sets else None)
    parts = [line, "an empty set beside an empty set scores 1"]
    if given is not None:
        parts.append(f"the prior gives every image the same answer, {', '.join(given) or 'the empty set'}")
    return "; ".join(parts) if line else ""


def tau_table(evaluation: Evaluation) -> Table | None:
    """How set F1 moves with the cut that makes label sets, beside the share of people's empty sets."""
    rows = rows_of(evaluation, by="tau", level=None)
    systems = in_order(dict.fromkeys(each.system for each in rows if each.system != "people"))
    note = "tau: the rate from which a label belongs to an image's set; predicted sets stay as they are"
    return pivot(
        "set_f1 by tau", rows, lambda f: f.level, lambda f: "people's empty sets" if f.system == "people" else f.system,
        head="tau", columns=systems, note=note,
    )  # fmt: skip


def differences_table(
    evaluation: Evaluation, title: str = "Differences on the same images", **key: str | None
) -> Table | None:
    """Each system less each other, metrics down; key: of differences over a part."""
    order = evaluation.names(None, **key)
    rows = [each for each in evaluation.where(**key) if is_difference(evaluation, each)]
    rows.sort(key=lambda each: order.index(each.name))
    note = f"the first less the second; {HALF}; bold: beyond chance (5 %, Holm)"
    return pivot(title, rows, lambda f: arrow(f.name), lambda f: f"{f.system} − {f.against}", head="metric",
                 note=note, write=signed, bold=lambda f: f.found)  # fmt: skip


def brief(evaluation: Evaluation) -> Table:
    """The one table that a terminal shows: at most eight metrics of every system, or a row for each data set."""
    found = matrix(evaluation)
    if found:
        return found[0]
    names = shown(evaluation.names(), "brief")
    first = [*shown(names, "headline"), *names]
    kept = list(dict.fromkeys(first))[:ROWS]
    table = scores_table(evaluation, metrics=[name for name in names if name in kept])
    return table or Table(which_images(evaluation), ("metric",), ())


def matrix(evaluation: Evaluation) -> list[Table]:
    """A table for each main metric of several data sets: systems down, data sets across; [] for one data set."""
    if len({each.dataset for each in evaluation.figures}) < 2:
        return []
    every = [each for each in evaluation.where(against="people") if find(each.name) is not None]
    spaces = len({each.space for each in every}) > 1

    def place(figure: Figure) -> str:
        return f"{figure.dataset}, {figure.space}" if spaces else figure.dataset

    made = []
    for name in shown({each.name: None for each in every}, "headline"):
        rows = [each for each in every if each.name == name]
        rows = [each for who in in_order({f.system: None for f in rows}) for each in rows if each.system == who]
        columns = {at: {f.system: f for f in rows if place(f) == at} for at in map(place, rows)}
        first = {(who, at) for at, column in columns.items() for who in leading(column)}
        note = f"{HALF}; bold: the best of a column, and those whose interval overlaps with its interval"
        table = pivot(f"{arrow(name)} on each data set", rows, lambda f: f.system, place, head="system", note=note,
                      name=name, bold=lambda f, first=first: (f.system, place(f)) in first)  # type: ignore[misc]  # fmt: skip
        made.append(table)
    return [table for table in made if table is not None]


def which_images(evaluation: Evaluation) -> str:
    """`test split, 45 images`, or where there is no split `all 300 images`."""
    split, n = evaluation.facts.get("split", "all"), evaluation.facts.get("n", 0)
    return f"all {n:,} images" if split == "all" else f"{split} split, {n:,} images"


def cell(figure: Figure | None) -> str:
    """`.623 ±.018`, or a dash for a figure that is not there; a star where few images or groups carry it."""
    if figure is None:
        return "–"
    star = "*" if figure.few else ""
    low, high = figure.ends
    if figure.low is None or (figure.few and low == high):  # of one image nobody knows how far others are from it
        return f"{number(figure.value)}{star}"
    return f"{number(figure.value)} ±{number((high - low) / 2)}{star}"


def signed(figure: Figure | None) -> str:
    """The same with a plus."""
    text = cell(figure)
    return f"+{text}" if figure is not None and round(figure.value, 3) > 0 else text.replace("-.000", ".000")


def starred(table: Table) -> Table:
    """The table with its stars explained under it."""
    if not any(text.endswith("*") for row in table.rows for text in row):
        return table
    return replace(table, note=f"{table.note}\n  {STAR}" if table.note else STAR)


def number(value: float | None) -> str:
    """Three digits after the point, no leading zero: `.623`, `1.204`."""
    if value is None:
        return "–"
    text = f"{value:.3f}" if abs(value) >= 0.0005 else "0.000"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def p_value(value: float | None) -> str:
    """Three digits after the point, below them `<.001`; a dash where none is given."""
    return "<.001" if value is not None and value < 0.001 else number(value)


def percent(share: float) -> str:
    """A share as whole per cent: `66 %`."""
    return f"{100 * share:.0f} %"


def _plain(cell: str) -> str:
    """A cell for programs: `.623 ` as 0.623, a dash as nothing, words as they are.

    >>> [_plain(cell) for cell in (".623 ", "-.1", "12*", "–", "joy")]
    ['0.623', '-0.1', '12', '', 'joy']
    """
    text = cell.strip()
    number = re.fullmatch(r"(-?)(\d*\.?\d+)\*?", text)
    if number is None:
        return "" if text == "–" else text
    return f"{number[1]}{'0' if number[2].startswith('.') else ''}{number[2]}"


_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", ">": "$>$", "<": "$<$", "±": r"$\pm$",
        "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "[": "{[}", "|": r"\textbar{}"}  # fmt: skip


def escape_tex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_TEX.get(letter, letter) for letter in text)


def as_html(shown: Table) -> str:
    """A table of plain cells, the best of them bold, with its title and its note below."""
    rows = [
        [f"<b>{escape(cell)}</b>" if (at, column) in shown.best else escape(cell) for column, cell in enumerate(row)]
        for at, row in enumerate(shown.rows)
    ]
    below = "; ".join(escape(line) for line in (shown.title, shown.note) if line)
    return f"{table(shown.columns, rows)}<p><small>{below}</small></p>"
