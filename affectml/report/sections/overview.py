"""What a reader sees first: one sentence, every system on the main metrics, and three images."""

from affectml.plots import intervals
from affectml.report.data import ReportData
from affectml.report.section import Section, drawing
from affectml.report.tables import arrow, headline, number, shown_systems


def overview(data: ReportData) -> Section:
    """The sentence, the intervals of the main metrics, and three images."""
    plots = []
    for metric in headline(data.systems):
        found = [
            (name, data.systems[name][metric]) for name in shown_systems(data.systems) if metric in data.systems[name]
        ]
        lines = "; ".join(
            f"{name} {number(s['value'])} ({number(s['low'])} to {number(s['high'])})" for name, s in found
        )
        plots.append(drawing(arrow(metric), intervals(found, f"{metric}: {lines}")))
    return Section("overview", "At a glance", drawings=tuple(plots))
