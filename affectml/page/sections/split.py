"""How the images were parted."""

from affectml.page.data import ReportData
from affectml.page.section import Section, drawing
from affectml.page.tables import Table, number
from affectml.plots import dots


def split(data: ReportData) -> Section | None:
    """The label shares of each part, and how the split was made; None for weights from elsewhere."""
    rows = data.info.split.table
    columns = tuple(rows[0]) if rows else ()
    cells = tuple(tuple(number(r[c]) if isinstance(r[c], float) else str(r[c]) for c in columns) for r in rows)
    labels = [label for label in data.labels if label in columns]
    if not labels:
        return None
    parts = {str(row["split"]): [(row[label],) * 3 for label in labels] for row in rows}
    title = "Mean share of each label, by part of the split"
    alt = f"{title}: " + "; ".join(
        f"{label} {', '.join(f'{part} {number(points[i][0])}' for part, points in parts.items())}"
        for i, label in enumerate(labels)
    )
    sizes = ", ".join(f"{row['images']:,} {row['split']}" for row in rows)
    widest = max(labels, key=lambda label: max(r[label] for r in rows) - min(r[label] for r in rows))
    spread = max(r[widest] for r in rows) - min(r[widest] for r in rows)
    words = (
        f"The images are {sizes}. Of all labels' mean shares that of {widest} differs most between the parts, "
        f"by {number(spread)}."
    )
    copies = [note for note in data.info.split.notes if "pixels" in note]
    words += "".join(f" {note[0].upper()}{note[1:]}." for note in copies)
    picture = drawing(title, dots(labels, parts, alt, axis="mean share"))
    table = Table("Label shares by split", columns, cells)
    return Section("split", "Split and duplicates", words, (picture,), (), (table,), tuple(data.info.split.notes))
