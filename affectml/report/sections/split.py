"""How the images were parted."""

from affectml.report.data import ReportData
from affectml.report.section import Section
from affectml.report.tables import Table, number


def split(data: ReportData) -> Section:
    """The label shares of each part, and how the split was made."""
    rows = data.info.split.table
    columns = tuple(rows[0])
    cells = tuple(tuple(number(r[c]) if isinstance(r[c], float) else str(r[c]) for c in columns) for r in rows)
    return Section(
        "split",
        "The split",
        tables=(Table("Label shares by split", columns, cells),),
        notes=tuple(data.info.split.notes),
    )
