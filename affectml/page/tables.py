"""Figures as tables of plain cells: the terminal and the page print the same ones."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, product

from affectml._html import plain
from affectml.judging.figures import Evaluation, Figure, in_order
from affectml_metrics.table import better, find, shown

Key = str | Callable[[Figure], str]  # a field of figures, or what to say of one
Figures = Iterable[Figure]
LONG = 40  # characters of a cell that is a sentence
NAMED = 48  # characters of a title that are in its file's name
ROWS = 8  # of the one table that a terminal shows
STAR = "* rests on fewer than 30 images or groups: its interval is rough, and cut where the score's range ends"
PRECISION = "mean average precision counts the images that have a label; with so few of them it reads too high"
HALF = "± is half the width of the 95 % interval, which may be lopsided: metrics.csv has its ends"
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

    bold: what a page says of those cells; "" where the note does.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    best: frozenset[tuple[int, int]] = frozenset()
    bold: str = "bold: the best of the systems, and all whose intervals overlap the best one's"

    def marked(self, write: Callable[[str], str], bold: str) -> list[list[str]]:
        """Cells as `write` has them, those of `best` inside a pattern like `**{}**`."""
        return [
            [bold.format(write(cell)) if (row, at) in self.best else write(cell) for at, cell in enumerate(cells)]
            for row, cells in enumerate(self.rows)
        ]

    def to_markdown(self) -> str:
        """Columns and rows alone, bold cells bold."""
        rows = (map(plain, self.columns), *self.marked(plain, "**{}**"))
        head, *lines = (f"| {' | '.join(cells)} |" for cells in rows)
        return "\n".join([head, f"|{'---|' * len(self.columns)}", *lines])

    def to_tex(self) -> str:
        """A booktabs table; the title and the note stand as comments above it, bold cells are bold."""
        rows = (map(escape_tex, self.columns), *self.marked(escape_tex, r"\textbf{{{}}}"))
        head, *lines = (rf"{' & '.join(cells)} \\" for cells in rows)
        above = [f"% {' '.join(line.split())}" for line in (self.title, *self.note.splitlines()) if line.strip()]
        begin = [r"\begin{tabular}{l" + "r" * (len(self.columns) - 1) + "}", r"\toprule", head, r"\midrule"]
        return "\n".join([*above, *begin, *lines, r"\bottomrule", r"\end{tabular}", ""])

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
        return re.sub(r"\W+", "-", self.title[:NAMED].lower()).strip("-_") or "table"


def arrow(metric: str) -> str:
    """The metric's name with the direction that is better, where there is one."""
    way = {"higher": "↑", "lower": "↓"}.get(better(metric), "")
    return f"{metric} {way}".rstrip()


def metric(figure: Figure) -> str:
    """A figure's metric as tables show it."""
    return arrow(figure.name)


def grouped(figures: Figures, key: Key) -> dict[str, list[Figure]]:
    """Figures by what a key says of them, in the order in which it first says so."""
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(getattr(figure, key) if isinstance(key, str) else key(figure), []).append(figure)
    return groups


def crossed(figures: Figures, down: Key, across: Key) -> dict[str, dict[str, Figure]]:
    """Figures by row and column, both as they first come; systems in their order."""
    rows = grouped(figures, down)
    order = in_order(rows) if down == "system" else rows
    return {at: {what: group[-1] for what, group in grouped(rows[at], across).items()} for at in order}


def pivot(
    title: str, rows: Figures, down: Key, across: Key = "system", *, head: str = "", note: str = "", best: bool = False
) -> Table | None:
    """A table of figures, one a cell; None without any. What is found beyond chance is bold.

    down, across: the row and the column of a figure. Rows and columns stand as they first come, systems in their order.
    head: the first column's; "" is the name of `down`. best: whether the best of each row are bold instead, of systems
    that compete.
    """
    every = crossed(rows, down, across)
    kept = in_order(dict.fromkeys(chain(*every.values())))
    cells = tuple((at, *(cell(row[name]) if name in row else "–" for name in kept)) for at, row in every.items())
    bold = [leading(row) if best else [name for name, figure in row.items() if figure.found] for row in every.values()]
    marked = frozenset((at, kept.index(name) + 1) for at, names in enumerate(bold) for name in names)
    texts = list(chain(*cells))
    notes = [HALF * any("±" in text for text in texts), FOUND * (bool(marked) and not best), note]
    starred = [at for at, row in every.items() if any(figure.few for figure in row.values())]
    precision = any(name.startswith("mean_average_precision") for name in (*starred, *kept))
    star = f"\n  {STAR}{f'; {PRECISION}' * precision}" * bool(starred)
    heads = (head or (down if isinstance(down, str) else down.__name__), *kept)
    words = f"{'; '.join(filter(None, notes))}{star}".strip()
    return Table(title, heads, cells, words, marked, Table.bold * best) if every else None


def leading(figures: Mapping[str, Figure]) -> list[str]:
    """Who has the best of two or more figures of one metric, and everyone whose interval overlaps with the best's.

    The oracle and the floor know the truth, and do not compete.
    """
    rivals = {name: figure for name, figure in figures.items() if figure.system not in ("oracle", "floor")}
    way = better(next(iter(figures.values())).name)
    if len(rivals) < 2 or not way:
        return []
    low, high = (max if way == "higher" else min)(rivals.values(), key=lambda figure: figure.value).ends
    return [name for name, figure in rivals.items() if figure.ends[0] <= high and figure.ends[1] >= low]


def clear(one: Figure, other: Figure) -> int:
    """1 where the first's interval lies above the other's, -1 where it lies below, 0 where they overlap."""
    return (one.ends[0] > other.ends[1]) - (one.ends[1] < other.ends[0])


def is_difference(evaluation: Evaluation, figure: Figure) -> bool:
    """Whether it is a system less another; beside `person` both are scored on the rest of the panel, where they are."""
    if figure.against == "person":
        return evaluation.get(figure.name, figure.system, "rest") is not None
    return figure.against not in ("people", "rest", "half", "floor")


def scores_table(evaluation: Evaluation, against: str = "people", *, metrics: Iterable[str] = ()) -> Table | None:
    """Metrics down, systems across, all judged on the same targets; None where nobody was.

    against: whom they are set beside. metrics: those to show, in their order; none is all. Where many sets are empty,
    a row below the set metrics says whose.
    """
    names, figures = [name for name in metrics or evaluation.names(against) if find(name) is not None], list[Figure]()
    if against == "person":  # beside one person others have differences too
        names = [name for name in names if evaluation.get(name, "consensus", against) is not None]
    for name, who in product(names, evaluation.systems(against)):
        single = against == "person" and name == "set_f1_judgements" and who != "consensus"  # the same target as beside
        figure = evaluation.get(name, who, "rest" if single else against)
        figures += [figure] if figure is not None else []
    sets = [at for at, figure in enumerate(figures, 1) if is_of_sets(figure.name)]
    shares, note = empty_shares(evaluation) if sets else {}, "↑ higher is better, ↓ lower is better"
    if shares:
        figures[sets[-1] : sets[-1]] = [shares[who] for who in shares if who in {figure.system for figure in figures}]
        note = f"{note}; {empty_words(evaluation)}"
    return pivot(BESIDE[against] or which_images(evaluation), figures, metric, note=note, best=True)


def is_of_sets(name: str) -> bool:
    """Whether a metric compares label sets."""
    return (spec := find(name)) is not None and spec.kinds[0] == "sets"


def empty_shares(evaluation: Evaluation) -> dict[str, Figure]:
    """The share of empty sets of each system, of images (people) and of single answers (person), where it matters."""
    shares = {figure.system: figure for figure in evaluation.here(metric="empty_share", against="people")}
    watched = [shares[who].value for who in ("people", evaluation.facts.get("first"), "prior") if who in shares]
    return shares if max(watched, default=0) > MANY_EMPTY else {}


def empty_line(evaluation: Evaluation) -> str:
    """How many sets of people, the first system and the prior are empty; "" where few are."""
    shares, watched = empty_shares(evaluation), ("people", evaluation.facts.get("first"), "prior")
    who = [f"{name} {percent(shares[name].value)}" for name in watched if name in shares]
    return f"empty sets: {', '.join(who)}" if who else ""


def empty_words(evaluation: Evaluation) -> str:
    """The same, what it does to scores of sets, and which set the prior gives every image."""
    line, sets = empty_line(evaluation), evaluation.here(metric="set_share", system="prior", label=None)
    same = evaluation.facts.get("prior_set", [share.label for share in sets if share.value == 1] if sets else None)
    named = "" if same is None else f"; the prior's answer to every image is {', '.join(same) or 'the empty set'}"
    return f"{line}; an empty set beside an empty set scores 1{named}" if line else ""


def brief(evaluation: Evaluation) -> Table:
    """The one table that a terminal shows: at most eight metrics of every system, or one on every data set."""
    names = shown(evaluation.names(), "brief")
    first = list(dict.fromkeys([*shown(names, "headline"), *names]))[: ROWS - bool(empty_shares(evaluation))]
    table = scores_table(evaluation, metrics=[name for name in names if name in first])
    return next(iter(matrix(evaluation)), table) or Table(which_images(evaluation), ("metric",), ())


def places(evaluation: Evaluation) -> dict[str, Evaluation]:
    """Each data set, and each label space of it, by its name: its figures and scores with its own facts.

    facts: `datasets` {NAME: facts} where there are several, and in each `spaces` {NAME: facts} likewise.
    """
    parts, figures, scores = {}, grouped(evaluation.figures, "dataset"), evaluation.scores
    for name, facts in evaluation.facts.get("datasets", {next(iter(figures), ""): evaluation.facts}).items():
        spaces = facts.get("spaces", {facts.get("space"): facts})
        for space, own in spaces.items():
            rows = scores[(scores["dataset"] == name) & scores["space"].isin([space])]
            title = f"{name}, {space}" if len(spaces) > 1 else name
            parts[title] = Evaluation(tuple(figures.get(name, ())), rows, own)
    return parts


def matrix(evaluation: Evaluation) -> list[Table]:
    """A table for each main metric of several data sets, or label spaces, which stand below each other; else [].

    Where labels differ, each row names its own: only within a row do figures compare.
    """
    alone, head, names = places(evaluation), "data set", dict[tuple[str, str], str]()
    spaces = {str(part.facts.get("space", "")) for part in alone.values()}
    for at, part in alone.items():
        space = str(part.facts.get("space", ""))
        data = next((figure.dataset for figure in part.figures), at)
        names[data, space] = f"{data}, {space}" if len(spaces) > 1 else data
    rows = evaluation.where(against="people")
    figures = [replace(f, level=names[f.dataset, f.space]) for f in rows if (f.dataset, f.space) in names]
    by = grouped(figures, "name") if len(alone) > 1 else {}
    titles = {name: f"{arrow(name)} on each data set" for name in shown(by, "headline")}
    tables = (pivot(title, by[name], "level", head=head, best=True) for name, title in titles.items())
    return [table for table in tables if table is not None]


def which_images(evaluation: Evaluation) -> str:
    """`test split, 45 images`, or where there is no split `all 300 images`."""
    split, n = evaluation.facts.get("split", "all"), evaluation.facts.get("n", 0)
    return f"all {n:,} images" if split == "all" else f"{split} split, {n:,} images"


def cell(figure: Figure) -> str:
    """`.623 ±.018`, a difference with its sign, a count as it is; a star where few images or groups carry it."""
    if figure.metric in ("images", "people"):
        return f"{figure.value:.1f}".removesuffix(".0")
    apart = figure.metric == "label_bias" or figure.p is not None
    text, (low, high) = number(figure.value), figure.ends
    sign = "+" * (apart and round(figure.value, 3) > 0)
    return f"{sign}{text}{f' ±{number((high - low) / 2)}' * figure.bounded}{'*' * figure.few}"


def number(value: float | None) -> str:
    """Three digits after the point, no leading zero: `.623`, `1.204`."""
    if value is None:
        return "–"
    text = f"{value:.3f}" if abs(value) >= 0.0005 else "0.000"
    return re.sub(r"^(-?)0\.", r"\1.", text)


def span(figure: Figure) -> str:
    """A figure with its interval: `.623, .600 to .650`."""
    return f"{number(figure.value)}, {number(figure.ends[0])} to {number(figure.ends[1])}"


def p_value(value: float | None) -> str:
    """Three digits after the point, below them `<.001`; a dash where none is given."""
    return "<.001" if value is not None and value < 0.001 else number(value)


def percent(share: float) -> str:
    """A share as whole per cent: `66 %`."""
    return f"{100 * share:.0f} %"


_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", ">": "$>$", "<": "$<$", "±": r"$\pm$",
        "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "[": "{[}", "|": r"\textbar{}"}  # fmt: skip


def escape_tex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_TEX.get(letter, letter) for letter in text)
