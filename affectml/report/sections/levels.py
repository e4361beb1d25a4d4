"""The systems at the coarser levels of the labels."""

from dataclasses import replace

from affectml.report.data import ReportData
from affectml.report.section import Section
from affectml.report.tables import levels_table


def levels(data: ReportData) -> Section | None:
    """None where the taxonomy has no coarser level."""
    table = levels_table(data.info.levels)
    if table is None:
        return None
    table = replace(table, title="Systems at each coarser level", name="systems")
    return Section("levels", "At coarser levels", tables=(table,), open=True)
