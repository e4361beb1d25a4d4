"""Label by label."""

from affectml.report.data import ReportData
from affectml.report.section import Section
from affectml.report.tables import per_label_table


def per_label(data: ReportData) -> Section:
    """What the model scores on each label."""
    return Section("labels", "Label by label", tables=(per_label_table(data.metrics),), open=True)
