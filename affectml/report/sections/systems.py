"""Every metric of every system as tables."""

from affectml.report.data import ReportData
from affectml.report.section import Section
from affectml.report.tables import main_table, notes, people_table, tau_table


def systems(data: ReportData) -> Section:
    """All scores, people beside them on the same targets, how set scores move with the cut, and the rules."""
    metrics = data.metrics
    tables = (main_table(metrics), people_table(metrics), tau_table(data.judged.result.by_tau))
    return Section(
        "systems",
        "Every score",
        tables=tuple(table for table in tables if table is not None),
        notes=tuple(notes(metrics)),
        open=True,
    )
