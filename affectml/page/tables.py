"""Figures as tables of plain cells: the terminal and the page print the same ones."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import product
from operator import attrgetter

from affectml._html import plain, table
from affectml.judging.figures import Evaluation, Figure, in_order
from affectml_annotation.exchange.files import csv_text
from affectml_metrics.table import better, find, shown

Key = str | Callable[[Figure], str]  # a field of figures, or what to say of one
LONG = 40  # characters of a cell that is a sentence
ROWS = 8  # of the one table that a terminal shows
STAR = (
    "* rests on fewer than 30 images or groups: its interval is rough, and cut where the score's range ends; mean "
    "average precision counts images that have a label, with so few of which it reads too high"
)
HALF = "± is half the width of the 95 % interval"
FOUND = "bold: beyond chance (5 %, Holm)"
MANY_EMPTY = 0.1  # share of empty sets from which it stands beside every set score
BESIDE = {  # whom systems are set beside, and who is among them: a title
    "people": "",
    "rest": "Beside the rest of the panel: each person in turn is left out, and judged like the systems",
    "person": "Beside the person left out; consensus: what the others say as one answer",
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


def arrow(metric: str) -> str:
    """The metric's name with the direction that is better, where there is one."""
    way = {"higher": "↑", "lower": "↓"}.get(better(metric), "")
    return f"{metric} {way}".rstrip()


def metric(figure: Figure) -> str:
    """A figure's metric as tables show it."""
    return arrow(figure.name)


def rows_of(evaluation: Evaluation, **key: str | None) -> list[Figure]:
    """The figures of a key (`Evaluation.where`) in the evaluation's own labels, not in coarser ones."""
    space = evaluation.facts.get("space")
    return list(evaluation.where(**({} if space is None else {"space": space}), **key))


def parts_of(evaluation: Evaluation, by: str | None, **key: str | None) -> list[Figure]:
    """The same of parts: rows by a column, of all its levels and labels; None is any column, and none."""
    return rows_of(evaluation, by=by, level=None, label=None, **key)


def reader(key: Key) -> Callable[[Figure], str]:
    """What a key says of a figure: the field that it names, or what it returns."""
    return attrgetter(key) if isinstance(key, str) else key


def pivot(
    title: str,
    figures: Iterable[Figure],
    down: Key,
    across: Key = "system",
    *,
    head: str = "",
    columns: Iterable[str] = (),
    note: str = "",
    name: str = "",
    none: str = "–",
    best: bool = False,
) -> Table | None:
    """A table of figures, one a cell; None without any. What is found beyond chance is bold.

    down, across: the row and the column of a figure. Rows and columns stand as they first come, systems in their order,
    `columns` before others. head: the first column's; "" is the name of `down`. none: a cell without a figure. best:
    whether the best of each row are bold instead, of systems that compete.
    """
    row, column, rows = reader(down), reader(across), dict[str, dict[str, Figure]]()
    for each in figures:
        rows.setdefault(row(each), {})[column(each)] = each
    if down == "system":
        rows = {who: rows[who] for who in in_order(rows)}
    there = dict.fromkeys(name for found in rows.values() for name in found)
    kept = [name for name in dict.fromkeys([*columns, *in_order(there)]) if name in there]
    cells = tuple((at, *(cell(found[c]) if c in found else none for c in kept)) for at, found in rows.items())
    bold = frozenset(
        (at, kept.index(who) + 1)
        for at, found in enumerate(rows.values())
        for who in (leading(found) if best else [who for who, each in found.items() if each.found])
    )
    notes = [HALF] if any("±" in text for texts in cells for text in texts) else []
    notes += [FOUND] if bold and not best else []
    heads = (head or (down if isinstance(down, str) else down.__name__), *kept)
    star = f"\n  {STAR}" if any(text.endswith("*") for texts in cells for text in texts) else ""
    made = Table(title, heads, cells, f"{'; '.join(filter(None, [*notes, note]))}{star}".strip(), bold, name)
    return None if not rows else made if best else replace(made, bold="")


def leading(figures: Mapping[str, Figure]) -> list[str]:
    """Who has the best of two or more figures of one metric, and everyone whose interval overlaps with the best's.

    The oracle and the floor know the truth, and do not compete.
    """
    rivals = {name: each for name, each in figures.items() if each.system not in ("oracle", "floor")}
    way = better(next(iter(figures.values())).name)
    if len(rivals) < 2 or not way:
        return []
    low, high = (max if way == "higher" else min)(rivals.values(), key=lambda each: each.value).ends
    return [name for name, each in rivals.items() if each.ends[0] <= high and each.ends[1] >= low]


def is_difference(evaluation: Evaluation, figure: Figure) -> bool:
    """Whether it is a system less another; beside `person` both are scored on the rest of the panel, where they are."""
    if figure.against == "person":
        return evaluation.get(figure.name, figure.system, "rest") is not None
    return figure.against not in ("people", "rest", "half", "floor")


def scores_table(
    evaluation: Evaluation, against: str = "people", *, metrics: Sequence[str] | None = None
) -> Table | None:
    """Metrics down, systems across, all judged on the same targets; None where nobody was.

    against: whom they are set beside. metrics: those to show, in their order; None is all. Where many sets are empty,
    a row below the set metrics says whose.
    """
    names = [name for name in metrics or evaluation.names(against) if find(name) is not None]
    if against == "person":  # beside one person others have differences too
        names = [name for name in names if evaluation.get(name, "consensus", against) is not None]
    found = []
    for name, who in product(names, evaluation.systems(against)):
        single = against == "person" and name == "set_f1_judgements" and who != "consensus"  # the same target as beside
        each = evaluation.get(name, who, "rest" if single else against)
        found += [each] if each is not None else []
    sets, shares = [at for at, each in enumerate(found) if is_of_sets(each.name)], empty_shares(evaluation)
    note = "↑ higher is better, ↓ lower is better"
    if sets and shares:
        systems = {each.system for each in found}
        found[sets[-1] + 1 : sets[-1] + 1] = [each for who, each in shares.items() if who in systems]
        note = f"{note}; {empty_words(evaluation)}"
    name = "systems" if against == "people" else against
    return pivot(BESIDE[against] or which_images(evaluation), found, metric, note=note, name=name, best=True)


def is_of_sets(name: str) -> bool:
    """Whether a metric compares label sets."""
    return (spec := find(name)) is not None and spec.kinds[0] == "sets"


def empty_shares(evaluation: Evaluation) -> dict[str, Figure]:
    """The share of empty sets of each system, of images (people) and of single answers (person), where it matters."""
    shares = {each.system: each for each in rows_of(evaluation, metric="empty_share", against="people")}
    watched = ("people", evaluation.facts.get("first"), "prior")
    return shares if any(shares[who].value > MANY_EMPTY for who in watched if who in shares) else {}


def empty_line(evaluation: Evaluation, name: str = "set_f1") -> str:
    """How many sets of people, the first system and the prior are empty; "" where few are, or a metric has no sets."""
    shares = empty_shares(evaluation) if is_of_sets(name) else {}
    who = [name for name in ("people", evaluation.facts.get("first"), "prior") if name in shares]
    return f"empty sets: {', '.join(f'{name} {percent(shares[name].value)}' for name in who)}" if who else ""


def empty_words(evaluation: Evaluation) -> str:
    """The same, what it does to scores of sets, and which set the prior gives every image."""
    line, sets = empty_line(evaluation), rows_of(evaluation, metric="set_share", system="prior", label=None)
    given = evaluation.facts.get("prior_set", [each.label for each in sets if each.value == 1] if sets else None)
    named = "" if given is None else f"; the prior's answer to every image is {', '.join(given) or 'the empty set'}"
    return f"{line}; an empty set beside an empty set scores 1{named}" if line else ""


def brief(evaluation: Evaluation) -> Table:
    """The one table that a terminal shows: at most eight metrics of every system, or one on every data set."""
    names = shown(evaluation.names(), "brief")
    first = list(dict.fromkeys([*shown(names, "headline"), *names]))[: ROWS - bool(empty_shares(evaluation))]
    table = scores_table(evaluation, metrics=[name for name in names if name in first])
    several = matrix(evaluation) if "datasets" in evaluation.facts else []
    return next(iter(several), table) or Table(which_images(evaluation), ("metric",), ())


def places(evaluation: Evaluation) -> dict[str, Evaluation]:
    """Each data set, and each label space of it, by its name: its figures and scores with its own facts.

    facts: `datasets` {NAME: facts} where there are several, and in each `spaces` {NAME: facts} likewise.
    """
    found, figures, scores = {}, evaluation.figures, evaluation.scores
    home = {figures[0].dataset if figures else "": evaluation.facts}
    for name, facts in evaluation.facts.get("datasets", home).items():
        spaces = facts.get("spaces", {facts.get("space"): facts})
        for space, own in spaces.items():
            rows = scores[(scores["dataset"] == name) & scores["space"].isin([space])]
            title = f"{name}, {space}" if len(spaces) > 1 else name
            found[title] = Evaluation(tuple(each for each in figures if each.dataset == name), rows, own)
    return found


def matrix(evaluation: Evaluation) -> list[Table]:
    """A table for each main metric of several data sets, or label spaces, which stand below each other; else []."""
    spaces = dict.fromkeys(str(each.facts.get("space", "")) for each in places(evaluation).values())
    every = [f for f in evaluation.where(against="people") if find(f.name) is not None and f.space in spaces]
    several, made = len(spaces) > 1, []
    every = [replace(f, level=f"{f.dataset}, {f.space}" if several else f.dataset) for f in every]
    for name in shown((each.name for each in every), "headline"):
        rows = [each for each in every if each.name == name]
        made.append(pivot(f"{arrow(name)} on each data set", rows, "level", head="data set", name=name, best=True))
    return [table for table in made if table is not None] if len({each.level for each in every}) > 1 else []


def which_images(evaluation: Evaluation) -> str:
    """`test split, 45 images`, or where there is no split `all 300 images`."""
    split, n = evaluation.facts.get("split", "all"), evaluation.facts.get("n", 0)
    return f"all {n:,} images" if split == "all" else f"{split} split, {n:,} images"


def cell(figure: Figure) -> str:
    """`.623 ±.018`, a difference with its sign, a count as it is; a star where few images or groups carry it."""
    if figure.metric in ("images", "people"):
        return f"{figure.value:.1f}".removesuffix(".0")
    apart = figure.metric == "label_bias" or figure.p is not None
    text = f"{'+' * (apart and round(figure.value, 3) > 0)}{number(figure.value)}"
    low, high = figure.ends
    return f"{text}{f' ±{number((high - low) / 2)}' * figure.bounded}{'*' * figure.few}"


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
    number = re.fullmatch(r"\+?(-?)(\d*\.?\d+)\*?", text)
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
