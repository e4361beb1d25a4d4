"""The section on subgroups: what differs beyond chance, in words, and a table per column and attribute."""

from collections.abc import Mapping
from typing import Any

from affectml.judging.subgroups import AGREEMENT, NO_FLOOR
from affectml.page.data import ReportData
from affectml.page.section import Section
from affectml.page.tables import Table, arrow, cell, direction, number, p_value, starred
from affectml_metrics.table import shown

SHOWN = 5  # findings in words, and differences that are not beyond chance


def subgroups(data: ReportData) -> Section | None:
    """For whom the model fails: by columns of the images, and by who answered."""
    content = data.judged.subgroups
    tables = tuple(subgroup_tables(content))
    if not tables:
        return None
    sentence = "; ".join(subgroup_lines(content))
    notes = tuple(f"{name}: {rule}" for name, rule in content["rules"].items())
    return Section(
        "subgroups", "Subgroups", f"{sentence[:1].upper()}{sentence[1:]}.", tables=tables, notes=notes, open=True
    )


def subgroup_lines(content: Mapping[str, Any] | None) -> list[str]:
    """The first of what was found, in sentences; that nothing was; or that there was nothing to compare."""
    if not content:
        return []
    columns = ", ".join([*content["images"], *content["people"]])
    if not columns:
        return ["no column of few levels to judge subgroups by"]
    if content["findings"]:
        found = content["findings"]
        more = [f"{len(found) - SHOWN} more differences beyond chance"] if len(found) > SHOWN else []
        return [*found[:SHOWN], *more]
    if not content["gaps"]:
        return [f"subgroups by {columns}: too few images or people in each level to compare them"]
    tests = f"{content['tests']} tests, Holm, 5 %"
    return [f"subgroups by {columns}: no difference beyond chance in {_tested(content)} ({tests})"]


def _tested(content: Mapping[str, Any]) -> str:
    """What was compared between levels: scores, label bias, agreement; other scores are shown and not tested."""
    over = "" if content["rules"]["excess"] == NO_FLOOR else " over its floor"
    names = {AGREEMENT: "agreement with people", None: "label bias"}
    *most, last = dict.fromkeys(names.get(gap["metric"], f"{gap['metric']}{over}") for gap in content["gaps"])
    return f"{', '.join(most)} and {last}" if most else last


def subgroup_tables(content: Mapping[str, Any] | None) -> list[Table]:
    """Of subgroups.json: the differences beyond chance, each column's levels, biases, and people; [] without any."""
    if not content:
        return []
    tables = [_gaps(content)] if content["gaps"] else []
    for column, levels in content["images"].items():
        tables.append(_levels(column, levels))
        tables += [_bias(column, levels, content)] if any("bias" in entry for entry in levels.values()) else []
    return tables + [_people(name, levels, content) for name, levels in content["people"].items()]


def _gaps(content: Mapping[str, Any]) -> Table:
    """Differences between levels, those beyond chance first."""
    gaps = sorted(content["gaps"], key=lambda gap: gap["p"])
    kept = [gap for gap in gaps if gap["found"]] or gaps[:SHOWN]
    rows = tuple(
        (f"{gap['column']}: {gap['level']} less {gap['against']}", gap["metric"] or f"bias: {gap['label']}",
         f"{number(gap['value'])} [{number(gap['low'])}, {number(gap['high'])}]",
         p_value(gap["p"]), p_value(gap["p_holm"]), "yes" if gap["found"] else "")
        for gap in kept
    )  # fmt: skip
    more = "" if len(kept) == len(gaps) else f" of {len(gaps)} tests; all are in subgroups.json"
    title = "What differs" if kept[0]["found"] else "The least likely differences, none of them beyond chance"
    columns = ("levels", "in", "difference", "p", "p (Holm)", "beyond chance")
    note = f"{len(kept)}{more}; [95 % interval] of each difference by itself, p (Holm) of all together"
    return Table(title, columns, rows, note)


def _levels(column: str, levels: Mapping[str, Mapping[str, Any]]) -> Table:
    """The model on each level of one of the user's columns: scores, and the excess over the level's own floor."""
    metrics = shown([m for entry in levels.values() for m in entry.get("scores", {})], "report")
    over, human = (
        [m for m in metrics if any(m in entry.get(kind, {}) for entry in levels.values())]
        for kind in ("excess", "human")
    )
    rows = tuple(
        (level, str(entry["n"]), *(cell(entry.get("scores", {}).get(m)) for m in metrics),
         *(cell(entry.get("excess", {}).get(m)) for m in over), *(cell(entry.get("human", {}).get(m)) for m in human))
        for level, entry in levels.items()
    )  # fmt: skip
    note = (
        "levels differ in how much people agree, so raw scores mislead: read the excess over each level's own floor, "
        "which alone is tested"
    )
    excess, people = (f"{m}, excess {direction(m)}" for m in over), (f"{m}, people" for m in human)
    heads = (column, "images", *map(arrow, metrics), *excess, *people)
    return starred(Table(f"Model by {column}", heads, rows, note if over else RAW))


RAW = "levels differ in how much people agree, and no floor is known here: a lower score is not yet a worse model"


def _bias(column: str, levels: Mapping[str, Mapping[str, Any]], content: Mapping[str, Any]) -> Table:
    """How much more or less often than people the model names each label, level by level."""
    known = {level: entry["bias"] for level, entry in levels.items() if "bias" in entry}
    labels = list(next(iter(known.values())))
    rows = tuple((label, *(_signed(bias.get(label)) for bias in known.values())) for label in labels)
    note = f"{content['rules']['bias']}; ± is half the width of the 95 % interval"
    return Table(f"Label bias by {column}", ("label", *known), rows, note)


def _people(attribute: str, levels: Mapping[str, Mapping[str, Any]], content: Mapping[str, Any]) -> Table:
    """The model's agreement with people of each level of an attribute, beside that of other people."""
    rows = tuple(
        (level, f"{entry['people']}{' (few)' if entry.get('small') else ''}", str(entry["answers"]),
         *(cell(entry.get(part)) for part in ("model", "others", "excess")))
        for level, entry in levels.items()
    )  # fmt: skip
    heads = (f"people's {attribute}", "people", "answers", "model ↑", "other people ↑", "excess ↑")
    return starred(Table(f"Agreement with people by {attribute}", heads, rows, content["rules"]["agreement"]))


def _signed(bias: Mapping[str, float] | None) -> str:
    if bias is None:
        return "–"
    value = round(bias["difference"], 3) + 0.0
    return f"{'+' if value > 0 else ''}{number(value)} ±{number((bias['high'] - bias['low']) / 2)}"
