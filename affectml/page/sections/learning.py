"""How the scores grow with the training images."""

from typing import Any

from affectml.page.data import ReportData
from affectml.page.section import Section, drawing
from affectml.page.tables import Table, arrow, cell, chosen, number, order, starred
from affectml.plots import curves
from affectml_metrics.table import better

PLOTS = 3


def learning(data: ReportData) -> Section | None:
    """None where no learning curve was asked for."""
    points = data.info.learning_curve
    if len(points) < 2:
        return None
    shared = [m for m in chosen(data.systems) if all(m in point["scores"] for point in points)][:PLOTS]
    images = [point["images"] for point in points]
    drawn = []
    for metric in shared:
        scores = [point["scores"][metric] for point in points]
        words = "; ".join(f"{n:,} images {number(s['value'])}" for n, s in zip(images, scores, strict=True))
        picture = curves(
            {"model": (images, [s["value"] for s in scores])},
            f"{metric} by training images: {words}",
            axis=("training images", metric),
            bands={"model": ([s["low"] for s in scores], [s["high"] for s in scores])},
            log=True,
        )
        drawn.append(
            drawing(f"{arrow(metric)} by training images", picture, "Band: 95 % interval over the test images.")
        )
    metrics = order({str(i): point["scores"] for i, point in enumerate(points)})
    rows = tuple((arrow(m), *(cell(p["scores"].get(m)) for p in points)) for m in metrics)
    sizes = (f"{p['images']:,} images ({p['share']:.0%})" for p in points)
    note = "training images, and their share of all; ± is half the width of the 95 % interval"
    table = starred(Table("Learning curve", ("metric", *sizes), rows, note, name="curve"))
    return Section("learning", "With fewer training images", _sentence(points, shared), tuple(drawn), (), (table,))


def _sentence(points: "list[dict[str, Any]]", metrics: list[str]) -> str:
    """The first and the last two points in the first metric, and whether their difference may be chance."""
    if not metrics:
        return ""
    metric = metrics[0]
    scores = [point["scores"][metric] for point in points]
    first, before, after = scores[0], scores[-2], scores[-1]
    way = "higher" if better(metric) == "higher" else "lower"
    inside = before["low"] <= after["value"] <= before["high"] and after["low"] <= before["value"] <= after["high"]
    chance = (
        "each of the last two lies in the other's interval, so their difference may be chance. Each point is one fit"
    )
    last = chance if inside else "each point is one fit"
    return (
        f"With {points[0]['images']:,} training images {metric} is {number(first['value'])}, with "
        f"{points[-2]['images']:,} {number(before['value'])} and with all {points[-1]['images']:,} "
        f"{number(after['value'])} ({way} is better); {last}."
    )
