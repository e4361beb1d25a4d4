"""Every metric of every system as tables, and the systems at the coarser levels of the labels."""

from dataclasses import replace

from affectml.page.data import ReportData
from affectml.page.section import Section
from affectml.page.tables import levels_table, main_table, notes, people_table, tau_table


def systems(data: ReportData) -> Section:
    """All scores, people beside them on the same targets, how set scores move with the cut, and the rules."""
    metrics = data.metrics
    tables = (main_table(metrics), people_table(metrics), tau_table(data.judged.result.by_tau))
    shown = tuple(table for table in tables if table is not None)
    return Section("systems", "Every score", tables=shown, notes=tuple(notes(metrics)), open=True)


def levels(data: ReportData) -> Section | None:
    """None where the taxonomy has no coarser level."""
    table = levels_table(data.info.levels)
    if table is None:
        return None
    table = replace(table, title="Systems at each coarser level", name="systems")
    return Section("levels", "At coarser levels", tables=(table,), open=True)
