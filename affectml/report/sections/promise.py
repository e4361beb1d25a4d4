"""What the run promises of its sets, and what came of it on the test images."""

from affectml.report.data import ReportData
from affectml.report.promised import promise_table
from affectml.report.section import Section


def promise(data: ReportData) -> Section | None:
    """None where the run promises nothing."""
    table = promise_table(data.metrics)
    return None if table is None else Section("promise", "The promise", tables=(table,), open=True)
