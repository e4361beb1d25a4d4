"""The systems at the coarser levels of the labels."""

from affectml.report.data import ReportData
from affectml.report.section import Section
from affectml.report.tables import levels_table


def levels(data: ReportData) -> Section | None:
    """None where the taxonomy has no coarser level."""
    table = levels_table(data.info.levels)
    return None if table is None else Section("levels", "At coarser levels", tables=(table,), open=True)
