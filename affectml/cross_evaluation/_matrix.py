"""The matrix of a cross-dataset evaluation: rows are what was trained, columns what was judged."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from affectml._files import new_folder, write_json
from affectml.cross_evaluation._grid import Entry, Grid, grid_of
from affectml.cross_evaluation._run import Cell, CrossResult
from affectml.data import check_new
from affectml.errors import BadInput, did_you_mean, option
from affectml.judging.scoring import Score
from affectml.page.tables import Table, arrow, booktabs, cell, escape_tex, number, order, starred
from affectml.plots import Square, draw_matrix
from affectml_annotation.exchange.files import csv_text
from affectml_metrics.table import better

EMPTY = "–"


def main_metric(result: CrossResult, name: str | None = None) -> str:
    """The metric asked for, if any cell has it; else the first in reading order that the cells share."""
    found = order({str(i): c.scores for i, c in enumerate(result.cells)})
    if not found:
        reasons = "; ".join(dict.fromkeys(f"{c.train} -> {c.test}: {c.reason}" for c in result.cells))
        raise BadInput(f"crosseval: no pair could be compared: {reasons}")
    if name is None:
        return found[0]
    if name not in found:
        raise BadInput(f"no metric {name!r}{did_you_mean(name, found)} (metrics: {', '.join(found)})")
    return name


def matrix_table(result: CrossResult, metric: str) -> Table:
    """What was trained down, what was judged across; a refused pair is a dash, and its reason in the note."""
    grid = grid_of(result, metric)
    rows = tuple((name, *map(_text, entries)) for name, entries in grid.rows)
    reasons = dict.fromkeys(f"{c.train} -> {c.test}: {c.reason}" for c in result.cells if c.reason)
    note = (
        "rows: head, data set it was trained on; ± is half the width of the 95 % interval; without a number in "
        "brackets: in the test set's own labels"
    )
    choose, drop = option("choices"), option("drop", True)
    decide = (
        [f"–: {choose} says what an ambiguous label becomes; {drop} leaves undecided labels out"] if reasons else []
    )
    note = "\n  ".join([note, *grid.legend("bold in matrix.tex, pictures and terminals"), *reasons, *decide])
    best = frozenset(
        (row, column + 1)
        for row, (_, entries) in enumerate(grid.rows)
        for column, entry in enumerate(entries)
        if entry and entry.best
    )
    return starred(Table(f"{arrow(metric)} across data sets", ("trained", *grid.tests), rows, note, best))


def _text(entry: Entry | None) -> str:
    return EMPTY if entry is None else cell(entry.score) + entry.in_brackets


def cells_table(result: CrossResult, metric: str) -> Table:
    """Pair by pair: labels compared, mass, the model across and at home in these labels, the drop, the references."""
    rows = []
    for c in result.cells:
        if c.reason or c.train == c.test:
            continue
        what = (f"{c.head}, {c.train} -> {c.test}", f"{len(c.labels)} of {c.taxonomy}", str(c.images), number(c.mass))
        model = (c.scores.get(metric), c.in_domain.get(metric), c.drop(metric))
        rows.append((*what, *map(cell, (*model, c.zero_shot.get(metric), c.prior.get(metric)))))
    columns = ("pair", "labels", "images", "mass", "across", "in domain", "drop", "zero_shot", "prior")
    shown = dict.fromkeys(
        f"{c.train} -> {c.test}: {line}"
        for c in result.cells
        for line in (*c.lines, *([f"only one side has: {', '.join(c.unreachable)}"] if c.unreachable else []))
    )
    note = (
        "all in the pair's labels; in domain: the same model on its own test images; mass: the part of people's "
        "choices that lies on these labels"
    )
    return starred(Table(f"{arrow(metric)}, pair by pair", columns, tuple(rows), "\n  ".join([note, *shown])))


def write_crosseval(result: CrossResult, out: Path, metric: str) -> None:
    """Write crosseval.json, cells.csv (every metric), matrix.csv, matrix.tex, heatmap.svg and .png: a new folder."""
    check_new(out)
    with new_folder(out) as folder:
        write_json(folder / "crosseval.json", result.to_json())
        (folder / "cells.csv").write_text(_cells_csv(result.cells), encoding="utf-8")
        (folder / "matrix.csv").write_text(_matrix_csv(result, metric), encoding="utf-8")
        (folder / "matrix.tex").write_text(latex(result, metric), encoding="utf-8")
        draw_heatmap(grid_of(result, metric), [folder / "heatmap.svg", folder / "heatmap.png"])


def draw_heatmap(grid: Grid, paths: Sequence[Path]) -> None:
    """Draw the matrix into each of `paths`: a refused pair hatched, a cell in fewer labels pale and with its mark."""
    draw_matrix(
        arrow(grid.metric),
        grid.tests,
        [(name, list(map(_square, entries))) for name, entries in grid.rows],
        paths,
        below=grid.below(),
        downwards=better(grid.metric) == "lower",
    )


def _square(entry: Entry | None) -> Square | None:
    if entry is None:
        return None
    text = f"{number(entry.score['value'])}{'*' if 'few' in entry.score else ''}{entry.in_brackets}"
    return Square(entry.score["value"], text, entry.best, bool(entry.mark))


def _matrix_csv(result: CrossResult, metric: str) -> str:
    """Values and intervals, and at the end the mark of each; no mark, the test set's own labels."""
    grid = grid_of(result, metric)
    parts = [f"{test}{part}" for test in grid.tests for part in ("", " low", " high")]
    rows: list[list[Any]] = [["trained", *parts, *(f"{test} labels" for test in grid.tests)]]
    for name, entries in grid.rows:
        numbers = ["" if e is None else e.score[key] for e in entries for key in ("value", "low", "high")]
        rows.append([name, *numbers, *("" if e is None else e.mark for e in entries)])
    return csv_text(rows)


def _cells_csv(cells: Sequence[Cell]) -> str:
    """Long form: one row per pair, head, system and metric; a refused pair is one row with its reason."""
    rows: list[list[Any]] = [
        ["head", "train", "test", "taxonomy", "labels", "images", "mass", "system", "metric", "value", "low", "high",
         "reason"]
    ]  # fmt: skip
    for c in cells:
        start = [c.head, c.train, c.test]
        if c.reason:
            rows.append([*start, "", "", "", "", "", "", "", "", "", c.reason])
        systems: Mapping[str, Mapping[str, Score]] = {
            "model": c.scores, "in_domain": c.in_domain, "prior": c.prior, "zero_shot": c.zero_shot
        }  # fmt: skip
        for system, scores in systems.items():
            for metric, s in scores.items():
                what = [c.taxonomy, "+".join(c.labels), c.images, c.mass, system, metric]
                rows.append([*start, *what, s["value"], s["low"], s["high"], ""])
    return csv_text(rows)


def latex(result: CrossResult, metric: str) -> str:
    """A booktabs table with what marks, stars and bold mean; reasons and mappings stand as comments above it."""
    grid = grid_of(result, metric)
    comments = [
        f"{metric}; 95 % intervals, half width; encoder {result.encoder}; seed {result.config.seed}",
        *result.notes,
        *dict.fromkeys(f"{c.train} -> {c.test}: {line}" for c in result.cells for line in c.lines),
        *dict.fromkeys(f"empty: {c.train} -> {c.test}: {c.reason}" for c in result.cells if c.reason),
    ]
    rows = [["trained", *map(escape_tex, grid.tests)]]
    rows += [[escape_tex(name), *map(_tex, entries)] for name, entries in grid.rows]
    width = len(grid.tests) + 1
    below = [rf"\multicolumn{{{width}}}{{l}}{{\scriptsize {escape_tex(line)}}} \\" for line in grid.below()]
    return booktabs([" & ".join(row) for row in rows], columns=width, comments=comments, below=below)


def _tex(entry: Entry | None) -> str:
    if entry is None:
        return "--"
    value, half = number(entry.score["value"]), number((entry.score["high"] - entry.score["low"]) / 2)
    shown = rf"\textbf{{{value}}}" if entry.best else value
    shown = shown.replace("-", "$-$", 1) if value.startswith("-") else shown
    star = "*" if "few" in entry.score else ""
    return rf"{shown}{{\scriptsize$\,\pm\,{half}${star}{entry.in_brackets}}}"
