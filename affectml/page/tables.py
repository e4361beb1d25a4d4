"""The tables of a run, as plain cells: the terminal and the page print the same ones."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, TypeVar

from affectml._html import plain, table
from affectml_annotation.exchange.files import csv_text
from affectml_metrics.table import better, find, shown

Name = TypeVar("Name")
SYSTEMS = ("model", "zero_shot", "prior", "human", "half_panel", "oracle")  # the model where a phone shows it
LONG = 40  # characters of a cell that is a sentence
ROWS = 8  # of the one table that a terminal shows
STAR = (
    "* rests on fewer than 30 images or groups: its interval is rough, and cut where the score's range ends; mean "
    "average precision counts images that have a label, with so few of which it reads too high"
)


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
            lines.append(" & ".join(rf"\textbf{{{c}}}" if (row, i) in self.best else c for i, c in enumerate(found)))
        return booktabs(lines, columns=len(self.columns), comments=[self.title, *self.note.splitlines()])

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


def booktabs(lines: Sequence[str], *, columns: int, comments: Sequence[str] = (), below: Sequence[str] = ()) -> str:
    """A LaTeX table of lines of cells, the first its header; comments stand above it, `below` are further lines."""
    head, *body = (rf"{line} \\" for line in lines)
    above = [f"% {' '.join(line.split())}" for line in comments if line.strip()]
    begin = [r"\begin{tabular}{l" + "r" * (columns - 1) + "}", r"\toprule", head, r"\midrule"]
    return "\n".join([*above, *begin, *body, r"\bottomrule", *below, r"\end{tabular}", ""])


def direction(metric: str) -> str:
    """An arrow up or down, whichever is better; "" where neither is."""
    return {"higher": "↑", "lower": "↓", "": ""}[better(metric)]


def arrow(metric: str) -> str:
    """The metric's name with the direction that is better, where there is one."""
    return f"{metric} {direction(metric)}".rstrip()


def main_table(metrics: Mapping[str, Any], *, brief: bool = False) -> Table:
    """Metrics down, systems across: value and half the width of its 95 % interval; the floor where there is one.

    brief: at most eight metrics, the headlines among them.
    """
    systems = metrics["systems"]
    shown = shown_systems(systems)
    floor = metrics["sampling_floor"]
    names = order(systems, brief=brief)
    if brief:
        kept = list(dict.fromkeys([*headline(systems), *names]))[:ROWS]
        names = [name for name in names if name in kept]
    columns: tuple[str, ...] = ("metric", *shown)
    rows = _scores(systems, names, shown)
    if floor:
        columns = (*columns, "sampling_floor")
        rows = tuple((*row, number(floor.get(metric))) for metric, row in zip(names, rows, strict=True))
    note = "± is half the width of the 95 % interval; ↑ higher is better, ↓ lower is better"
    if "human" in systems:
        note += "; human: one person against the rest of the panel"
        note += ", half_panel: half against half" if "half_panel" in systems else ""
        note += ", on targets of their own" if brief else " (the same targets for all: next table)"
    return starred(Table(which_images(metrics), columns, rows, note, best_cells(systems, names, shown), "systems"))


def which_images(metrics: Mapping[str, Any]) -> str:
    """`test split, 45 images`, or where there is no split `all 300 images`."""
    split, n = metrics["split"], metrics["n"]
    return f"all {n} images" if split == "all" else f"{split} split, {n} images"


def people_table(metrics: Mapping[str, Any]) -> Table | None:
    """People beside the model and the prior on the very same leave-one-out targets; None without people."""
    systems = metrics["systems"]
    if "human" not in systems:
        return None
    others = [name for name in systems if name.endswith("_loo") and name not in ("prior_loo", "model_loo")]
    shown = [name for name in ("model_loo", *others, "prior_loo", "human", "consensus") if name in systems]
    names = order({name: systems[name] for name in shown})
    rows = _scores(systems, names, shown)
    note = "each person in turn is left out; what the others said is the target, for the person and the systems alike"
    if "consensus" in systems:
        note += "; consensus: what the others said as one answer, against the person left out (as all rates are)"
    title = "People and systems on the same leave-one-out targets"
    return starred(Table(title, ("metric", *shown), rows, note, best_cells(systems, names, shown), "people"))


def _scores(
    systems: Mapping[str, Mapping[str, Any]], metrics: Sequence[str], shown: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    """Metrics down, systems across."""
    return tuple((arrow(metric), *(cell(systems[name].get(metric)) for name in shown)) for metric in metrics)


def best_cells(
    systems: Mapping[str, Mapping[str, Any]], metrics: Sequence[str], shown: Sequence[str]
) -> frozenset[tuple[int, int]]:
    """(row, column) of the best system of each metric, and of every one whose interval overlaps with the best's.

    The oracle, who knows the truth, does not compete, nor do people on targets of their own beside systems on others:
    both are there to compare with.
    """
    alike = any(name.endswith("_loo") for name in shown)
    rivals = [name for name in shown if name not in ("oracle", "half_panel") and (alike or name != "human")]
    found: list[tuple[int, int]] = []
    for row, metric in enumerate(metrics):
        scores = {name: systems[name][metric] for name in rivals if metric in systems[name]}
        found += [(row, shown.index(name) + 1) for name in leading(scores, metric)]
    return frozenset(found)


def leading(scores: Mapping[Name, Mapping[str, float]], metric: str) -> list[Name]:
    """Who has the best of two or more scores, and everyone whose interval overlaps with the best's."""
    direction = better(metric)
    if len(scores) < 2 or not direction:
        return []
    pick = max if direction == "higher" else min
    top = pick(scores.values(), key=lambda score: score["value"])
    return [name for name, score in scores.items() if score["low"] <= top["high"] and score["high"] >= top["low"]]


def shown_systems(systems: Mapping[str, Any]) -> list[str]:
    """The systems of the tables and plots: the usual ones, then others by the names they were given."""
    others = [name for name in systems if name not in (*SYSTEMS, "consensus") and not name.endswith("_loo")]
    usual = [name for name in SYSTEMS if name in systems]
    at = int("model" in usual)
    return [*usual[:at], *others, *usual[at:]]


def per_label_table(metrics: Mapping[str, Any]) -> Table:
    """One row per label: prevalence, how often it is in people's and in the model's sets, scores."""
    per_label = metrics["per_label"]
    keys = list(dict.fromkeys(key for entry in per_label.values() for key in entry))
    rows = tuple(
        (label, *(cell(v) if isinstance(v := entry.get(key), dict) else number(v) for key in keys))
        for label, entry in per_label.items()
    )
    return starred(Table("Per label", ("label", *keys), rows, "prevalence: mean share of people, or of images"))


def tau_table(by_tau: Mapping[str, Mapping[str, float]]) -> Table | None:
    """How set F1 moves with the cut that makes label sets; None where no sets are cut."""
    if not by_tau:
        return None
    systems = shown_systems(next(iter(by_tau.values())))
    rows = tuple((tau, *(number(scores.get(name)) for name in systems)) for tau, scores in by_tau.items())
    note = "tau: the rate from which a label belongs to an image's set; predicted sets stay as they are"
    return Table("set_f1 by tau", ("tau", *systems), rows, note)


def levels_table(levels: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """The systems at the coarser levels of the labels: top-1, set F1 and macro F1; None without any level."""
    if not levels:
        return None
    shown = shown_systems({name: None for level in levels.values() for name in level["systems"]})
    rows, lines = [], []
    for name, level in levels.items():
        metrics = [m for m in headline(level["systems"]) if (spec := find(m)) and spec.kinds[0] in ("ranking", "sets")]
        for metric in metrics:
            cells = (cell(level["systems"].get(system, {}).get(metric)) for system in shown)
            rows.append((f"{name} ({len(level['labels'])})", arrow(metric), *cells))
        inside = level["errors_inside"]
        if inside is not None:
            lines.append(
                f"{name}: {number(inside['share'])} of the model's {inside['errors']} wrong first labels have the "
                f"right parent; wrong guesses at random would have {number(inside['chance'])}"
            )
        lines += [f"{name}: {line}" for line in level["lines"][1:]]
    note = "each system's fine answers, mapped; people's are counted anew from their judgements where there are any"
    return starred(Table("At coarser levels", ("level", "metric", *shown), tuple(rows), "\n  ".join([note, *lines])))


def by_person_tables(metrics: Mapping[str, Any]) -> tuple[Table, ...]:
    """A table a metric: who answers about what, with how many answers known, down; systems across; none without any."""
    cells, apart = metrics.get("by_person") or {}, metrics.get("by_person_differences") or {}
    systems = list(dict.fromkeys(system for scores in cells.values() for system in scores))
    names = list(dict.fromkeys(m for scores in cells.values() for found in scores.values() for m in found))
    others = [system for system in systems if system != "model"]
    out = []
    for metric in names:
        rows = tuple(
            (
                cell_name.replace("_", " "),
                f"{metrics['by_person_sizes'][cell_name]['people']}",
                *(cell(found.get(system, {}).get(metric)) for system in systems),
                *(cell(apart[cell_name].get(system, {}).get(metric)) for system in others),
            )
            for cell_name, found in cells.items()
        )
        columns = ("who, about what", "people", *systems, *(f"model − {system}" for system in others))
        note = (
            "± is half the width of the 95 % interval, for other people and other images; k: answers known beforehand"
        )
        title = f"By person: {arrow(metric)}"
        out.append(starred(Table(title, columns, rows, note, name=f"by-person-{metric.replace('_', '-')}")))
    return tuple(out)


def promise_table(metrics: Mapping[str, Any]) -> Table | None:
    """What was promised and what came of it, a row for all images and one per level of a column; None without one."""
    made = metrics.get("promise")
    if made is None:
        return None
    shown, _, level = made["promise"].partition("=")
    counted, empty = made["unit"] if made["unit"] != "images" else "counted", ["empty"] * ("probability" in made)
    head = ("images", counted, shown, "labels per set", *empty)
    where = "images" if metrics["split"] == "all" else f"of the {metrics['split']} split"
    rows = [_promise_row(f"all {metrics['n']} {where}", made, head)]
    for column, levels in made["by_subgroup"].items():
        rows += [_promise_row(f"{column}: {level} ({entry['n']})", entry, head) for level, entry in levels.items()]
    sign = "at most" if shown == "extra" else "at least"
    note = (
        f"{made['shift']['words']}. promised: {made['words']}. Made on {made['made_on']}. ± is half the width of the "
        f"95 % interval over these images with the sets as they are; other calibration images would move the {shown} "
        f"by {number(made['spread'])} (one SD)"
    )
    if made["without_choices"]:
        note += f"; {made['without_choices']} calibration images without a choice did not count"
    return starred(Table(f"Promise: {shown} {sign} {level}", head, tuple(rows), note))


def promise_lines(metrics: Mapping[str, Any]) -> list[str]:
    """What was promised, and what came of it on all images; none without a promise."""
    table = promise_table(metrics)
    if table is None:
        return []
    made, figures = metrics["promise"], zip(table.columns[1:], table.rows[0][1:], strict=True)
    came = f"{table.title}: {table.rows[0][0]}: {', '.join(f'{name} {figure}' for name, figure in figures)}"
    return [made["shift"]["words"], f"promised: {made['words']}", came]


def _promise_row(name: str, entry: Mapping[str, Any], head: tuple[str, ...]) -> tuple[str, ...]:
    shown = (head[2], "size", *head[4:])
    return (name, str(entry.get("units", "–")), *(cell(entry.get(each)) for each in shown))


def order(systems: Mapping[str, Mapping[str, Any]], *, brief: bool = False) -> list[str]:
    """The metrics that any of the systems has, in reading order."""
    found = list(dict.fromkeys(metric for scores in systems.values() for metric in scores))
    first = shown(found, "brief")
    return first if brief else [*first, *(metric for metric in found if metric not in first)]


def headline(systems: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The few metrics that plots and small tables have room for, as far as any of the systems has them."""
    return shown([metric for scores in systems.values() for metric in scores], "headline")


def chosen(systems: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The same, those first that a page begins with: sets against one person's, first labels, and shares."""
    names = headline(systems)
    first = [name for name in ("set_f1_judgements", "top_1_accuracy") if name in names]
    shares = [name for name in names if better(name) == "lower"][:1]
    return list(dict.fromkeys([*first, *shares, *names]))


def cell(score: Mapping[str, float] | None) -> str:
    """`.623 ±.018`, or a dash for a score that a system cannot have; a star where few images or groups carry it."""
    if score is None:
        return "–"
    if score.get("few") == 1 and score["low"] == score["high"]:
        return f"{number(score['value'])}*"  # of one image nobody knows how far others are from it
    return f"{number(score['value'])} ±{number((score['high'] - score['low']) / 2)}{'*' if 'few' in score else ''}"


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


def notes(metrics: Mapping[str, Any]) -> Sequence[str]:
    """The rules behind the numbers as lines `name: text`; numbers rounded."""
    return [
        f"{name}: {number(value) if isinstance(value, float) else value}" for name, value in metrics["rules"].items()
    ]


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
