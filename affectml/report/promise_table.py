"""A promise as a table: what was promised, what came out on the test images, and in each subgroup."""

from collections.abc import Mapping
from typing import Any

from affectml.report.tables import Table, cell, number, starred


def promise_table(metrics: Mapping[str, Any], *, brief: bool = False) -> Table | None:
    """One row for all images and one per level of each column; None without a promise. brief: without the levels."""
    made = metrics.get("promise")
    if made is None:
        return None
    shown = "recall" if "recall" in made else "extra"
    head = ("images", made["unit"] if made["unit"] != "images" else "counted", shown, "labels per set")
    rows = [_row(f"all {metrics['n']} of the {metrics['split']} split", made, shown)]
    if not brief:
        for column, levels in made["by_subgroup"].items():
            rows += [_row(f"{column}: {level} ({entry['n']})", entry, shown) for level, entry in levels.items()]
    name, level = made["promise"].split("=")
    sign = "at least" if name == "recall" else "at most"
    note = (
        f"promised: {made['words']}. Made on {made['made_on']}. ± is half the width of the 95 % interval over these "
        f"images with the sets as they are; other calibration images would move the {shown} by "
        f"{number(made['spread'])} (one SD)"
    )
    if made["without_choices"]:
        note += f"; {made['without_choices']} calibration images without a choice did not count"
    return starred(Table(f"Promise: {name} {sign} {level}", head, tuple(rows), note))


def _row(name: str, entry: Mapping[str, Any], shown: str) -> tuple[str, ...]:
    return (name, str(entry.get("units", "–")), cell(entry.get(shown)), cell(entry.get("size")))
