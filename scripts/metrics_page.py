"""The tables of docs/metrics.md, from the table of metrics: `python scripts/metrics_page.py docs/metrics.md`."""

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from affectml_metrics._errors import ArgumentError
from affectml_metrics.spec import KINDS, Figure, Given, Kind, MetricSpec
from affectml_metrics.table import ROWS, _options

MARKED = r"\|"  # a bar inside a cell
Rows: TypeAlias = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Example:
    """Inputs so small that a metric of their kind can be worked by hand; given: what some metrics need besides."""

    preds: Rows
    target: Rows
    given: Mapping[str, Rows | Sequence[int] | str | int] = field(default_factory=dict)


EXAMPLES: Mapping[Kind, Example] = {
    "sets": Example(
        [[1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]],
        [[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]],
        {"similarity": [[1, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 1]]},
    ),
    "ranking": Example(
        [[0.6, 0.3, 0.1, 0], [0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]],
        [[0, 1, 0, 1], [0, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]],
        {"k": [2], "shares": [[1, 5, 1, 3], [1, 1, 3, 0], [0, 2, 3, 5], [0, 0, 0, 0]]},
    ),
    "distribution": Example(
        [[0.5, 0.25, 0.25, 0], [0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]],
        [[0.25, 0.75, 0, 0], [0.2, 0.2, 0.2, 0.4], [0.5, 0.5, 0, 0]],
        {"ground": "line"},
    ),
    "rates": Example(
        [[0.2, 0.5], [0.2, 0.9], [0.6, 0.5], [0.6, 0.9]],
        [[0.25, 0.5], [0, 1], [0.5, 0.25], [1, 0.75]],
        {"votes": [[1, 2], [0, 4], [2, 1], [4, 3]], "n": [4, 4, 4, 4]},
    ),
    "perspectives": Example(
        [[0, 2, 2], [3, 0, 0]], [[0, 1, 0], [1, 0, 2]], {"asked": [[1, 1, 1], [1, 1, 0]], "scale": 3}
    ),
}
"""What `worked` of a row of the table works with."""


def on_example(spec: MetricSpec) -> Tensor:
    """A metric's figure on the example of its first kind: the mean over the rows on which it is defined."""
    kind = spec.kinds[0]
    example = EXAMPLES[kind]
    tables = {name: torch.tensor(rows) for name, rows in example.given.items() if name in ("shares", "votes", "n")}
    given = Given(**{**example.given, **tables})  # type: ignore[arg-type]
    k = given.k[0] if "k" in spec.needs else None
    figure = Figure(spec.named(k), spec, kind, given, _options(spec, given, k))
    return figure.of(*(torch.tensor(rows, dtype=torch.float64) for rows in (example.preds, example.target))).nanmean()


def markdown(kind: Kind) -> str:
    """The rows of a kind as a Markdown table and its example; a metric of two kinds is with the first."""
    example, lines, told = EXAMPLES[kind], [], ""
    for spec in (spec for spec in ROWS if spec.kinds[0] == kind):
        mark = {"higher": "↑", "lower": "↓", "": ""}[spec.better]
        mark += "‡" if "brief" in spec.shown else "†" if "report" in spec.shown else ""
        called = [name for name in (spec.function.__name__, spec.cls) if name and name != spec.name]
        code = ", ".join(f"`{name}`" for name in called) if spec.cls != told else ""
        usual = inspect.signature(spec.function).parameters
        others = (f"`{name}={value!r}`" for name, value in spec.options.items() if value != usual[name].default)
        formula = "; ".join([spec.formula, *others])
        cells = (f"`{spec.name}`{mark}", code, formula, spec.range, f"{float(on_example(spec)):.4g}", spec.source)
        lines.append(f"| {' | '.join(cell.replace('|', MARKED) for cell in cells)} |")
        told = spec.cls
    given = {"preds": example.preds, "target": example.target, **example.given}
    inputs = ", ".join(f"{name} `{_written(value)}`" for name, value in given.items())
    head = ["| Metric | Function, class | Formula; options | Range | Example | Source |", "|" + "---|" * 6]
    return "\n".join([*head, *lines, "", f"The example: {inputs}."])


def _written(value: object) -> str:
    """As one writes it by hand, without the 0 before a point."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(_written, value))}]"
    return str(value).replace("0.", ".") if isinstance(value, float) and value < 1 else str(value)


def page(text: str) -> str:
    """The text of docs/metrics.md with the table of each kind between its markers."""
    for kind in KINDS:
        start, end = f"<!-- table: {kind} -->", "<!-- end -->"
        before, found, rest = text.partition(start)
        if not found or end not in rest:
            raise ArgumentError(f"page: expected {start} and then {end}, but they are not there")
        text = f"{before}{start}\n{markdown(kind)}\n{rest[rest.index(end) :]}"
    return text


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
