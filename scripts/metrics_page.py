"""The tables of docs/metrics.md, from the table of metrics: `python scripts/metrics_page.py docs/metrics.md`."""

import inspect
import sys
from pathlib import Path

from affectml_metrics._errors import ArgumentError
from affectml_metrics.spec import KINDS, Kind
from affectml_metrics.table import ROWS

BAR = r"\|"  # inside a cell


def markdown(kind: Kind) -> str:
    """The rows of a kind as a Markdown table; a metric of two kinds is with the first."""
    lines, told = ["| Metric | Function, class | Formula; options | Range | Source |", "|" + "---|" * 5], ""
    for spec in (spec for spec in ROWS if spec.kinds[0] == kind):
        mark = {"higher": "↑", "lower": "↓", "": ""}[spec.better]
        mark += "‡" if "brief" in spec.shown else "†" if "report" in spec.shown else ""
        called = [name for name in (spec.function.__name__, spec.cls) if name and name != spec.name]
        code = ", ".join(f"`{name}`" for name in called) if spec.cls != told else ""
        usual = inspect.signature(spec.function).parameters
        others = (f"`{name}={value!r}`" for name, value in spec.options.items() if value != usual[name].default)
        cells = (f"`{spec.name}`{mark}", code, "; ".join([spec.formula, *others]), spec.range, spec.source)
        lines.append(f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |")
        told = spec.cls
    return "\n".join(lines)


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
