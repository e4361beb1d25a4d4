"""Images that stop early: what was done about it, and how far off figures would be."""

from affectml.evaluation.stopping import FIGURES, in_words
from affectml.plots import dots
from affectml.report.data import ReportData
from affectml.report.section import Section, drawing
from affectml.report.tables import Table, number

NAMES = ("mean rate, posterior mean", "mean rate, shares", "entropy, expected", "entropy, of shares")


def stopping(data: ReportData) -> Section | None:
    """None where every image has as many people as others, whatever was said."""
    entry = data.metrics.get("stopping")
    if entry is None:
        return None
    words = in_words(entry)
    if not entry["whole"]:
        return Section("stopping", "Images that stop early", words)
    scores = [entry[name] for name in FIGURES]
    points = [(s["value"], s["low"], s["high"]) for s in scores]
    title = f"Off by, had {entry['whole']} images with all their people stopped early"
    alt = f"{title}: " + "; ".join(f"{n} {p[0]:+.3f}" for n, p in zip(NAMES, points, strict=True))
    rows = tuple((n, *map(number, p)) for n, p in zip(NAMES, points, strict=True))
    table = Table(title, ("figure", "difference", "low", "high"), rows, name="stopping")
    picture = drawing(title, dots(NAMES, {"difference": points}, alt, axis="0: as all their people say"))
    return Section("stopping", "Images that stop early", words, (picture,), (), (table,))
