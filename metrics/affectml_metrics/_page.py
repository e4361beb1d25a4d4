"""The tables of docs/metrics.md, written from the table of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from affectml_metrics._errors import ArgumentError
from affectml_metrics.kinds import on_example
from affectml_metrics.spec import EXAMPLES, KINDS, Kind
from affectml_metrics.table import ROWS


def markdown(kind: Kind) -> str:
    """The rows of a kind as Markdown tables, with the values worked by hand; one of two kinds is with the first."""
    rows = [spec for spec in ROWS if spec.kinds[0] == kind]
    lines = ["| Name | Function, class | Formula | Conventions | Range | Source | In reports |", "|" + "---|" * 7]
    for spec in rows:
        arrow = {"higher": " ↑", "lower": " ↓", "": ""}[spec.better]
        options = ", ".join(f"`{name}={value!r}`" for name, value in spec.options.items())
        where = "yes, brief" if "brief" in spec.shown else "yes" if "report" in spec.shown else ""
        cells = (spec.formula, options, spec.range, spec.source, where)
        code = ", ".join(f"`{name}`" for name in (spec.function.__name__, spec.cls) if name)
        lines.append(f"| `{spec.name}`{arrow} | {code} | " + " | ".join(x.replace("|", r"\|") for x in cells) + " |")
    example = EXAMPLES[kind]
    given = {"preds": example.preds, "target": example.target, **example.given}
    inputs = ", ".join(f"{name} `{_written(value)}`" for name, value in given.items())
    lines += ["", f"Worked by hand on {inputs}:", "", "| Name | Worked | Value |", "|" + "---|" * 3]
    lines += [f"| `{spec.name}` | `{spec.worked}` | {float(on_example(spec)):.4g} |" for spec in rows if spec.worked]
    return "\n".join(lines)


def _written(value: object) -> str:
    """As one writes it by hand, without the 0 before a point."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_written, value))}]"
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


def write(paths: Sequence[str]) -> None:
    """Write the tables into a page, or print them where none is named."""
    if not paths:
        print("\n\n".join(map(markdown, KINDS)))
    for path in map(Path, paths):
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
