"""The model by the columns that the user keeps beside the images."""

from affectml.evaluation.subgroups import by_subgroup
from affectml.report.data import ReportData
from affectml.report.section import Section
from affectml.report.tables import subgroup_table


def subgroups(data: ReportData) -> Section | None:
    """None where no column splits the test images into a few groups."""
    found = by_subgroup(data.model, data.truth, data.dataset.images, data.generator())
    tables = tuple(subgroup_table(column, levels) for column, levels in found.items())
    return Section("subgroups", "Subgroups", tables=tables, open=True) if tables else None
