"""What knowing the person is worth: of people seen and never seen, about images seen and new ones."""

from collections.abc import Mapping
from typing import Any

from affectml.page.data import ReportData
from affectml.page.section import Drawing, Section, drawing
from affectml.page.tables import arrow, by_person_tables, number
from affectml.plots import curves

METRIC = "rate_cross_entropy"
SYSTEMS = {
    "model": "model: the person's own thresholds and tastes",
    "anybody": "anybody: the model knowing nothing of the person; model − anybody is what knowing them is worth",
    "no_person": "no_person: the same head, knowing nobody",
    "own_share": "own_share: a logistic regression on the person's own share of answers and the image's score",
    "other_people": "other_people: the smoothed share of others who answered about that image",
}


def by_person(data: ReportData) -> Section | None:
    """None where people were not told apart."""
    cells = data.metrics.get("by_person")
    if not cells:
        return None
    drawn = tuple(picture for images in ("new", "seen") if (picture := _by_answers(cells, images)))
    names = {system for systems in cells.values() for system in systems}
    notes = tuple(words for system, words in SYSTEMS.items() if system in names)
    return Section(
        "by-person", "Person by person", in_words(data.metrics), drawn, (), by_person_tables(data.metrics), notes
    )


def in_words(metrics: Mapping[str, Any]) -> str:
    """What knowing the person is worth in these data, and where it is worth nothing beyond chance."""
    apart, sizes = metrics["by_person_differences"], metrics["by_person_sizes"]
    said = []
    if "seen_people_new_images" in apart:
        found = apart["seen_people_new_images"]["anybody"][METRIC]
        said.append(f"About new images, what it has learned of a person {_worth(found, 'is')}")
    for cell, differences in apart.items():
        if cell.startswith("unseen_people_new_images_k") and not cell.endswith("_k0"):
            k = cell.rpartition("_k")[2]
            said.append(f"{k} answers of a person it has never seen {_worth(differences['anybody'][METRIC], 'are')}")
    if not said:
        return "Too few people or new images have answers to say what knowing the person is worth."
    people = max(size["people"] for size in sizes.values())
    rivals = apart.get("seen_people_new_images", {})
    beside = "".join(
        f" Beside {words} the model {_beside(rivals[rival][METRIC])}."
        for rival, words in (
            ("own_share", "a regression on each person's own share"),
            ("no_person", "the head inside, whose rates it also corrects,"),
        )
        if rival in rivals
    )
    return (
        f"{'; '.join(said)}. These are nats of {METRIC} (lower is better), with 95 % intervals for other people and "
        f"other images; {people} people were judged.{beside}"
    )


def _worth(found: Mapping[str, float], verb: str) -> str:
    interval = f"interval {number(-found['high'])} to {number(-found['low'])}"
    if found["high"] < 0:
        return f"{verb} worth {number(-found['value'])} ({interval})"
    if found["low"] > 0:
        return f"{verb} worth less than nothing: {number(-found['value'])} ({interval})"
    return f"{verb} worth nothing beyond chance ({number(-found['value'])}, {interval})"


def _beside(found: Mapping[str, float]) -> str:
    interval = f"({number(found['value'])}, interval {number(found['low'])} to {number(found['high'])})"
    if found["high"] < 0:
        return f"is better beyond chance {interval}"
    return f"is worse beyond chance {interval}" if found["low"] > 0 else f"is not told apart from it {interval}"


def _by_answers(cells: Mapping[str, Any], images: str) -> Drawing | None:
    """The cross-entropy of unseen people by how many of their answers are known."""
    start = f"unseen_people_{images}_images_k"
    ks = [int(name.removeprefix(start)) for name in cells if name.startswith(start)]
    if len(ks) < 2:
        return None
    found = {s: [cells[f"{start}{k}"][s][METRIC] for k in ks] for s in cells[f"{start}{ks[0]}"]}
    values = {s: [f"{number(x['value'])} at {k}" for k, x in zip(ks, xs, strict=True)] for s, xs in found.items()}
    words = "; ".join(f"{system} {', '.join(each)}" for system, each in values.items())
    what = "new images" if images == "new" else "images it has seen"
    picture = curves(
        {system: (ks, [score["value"] for score in scores]) for system, scores in found.items()},
        f"{METRIC} of people never seen, about {what}, by how many of their answers are known: {words}",
        axis=("answers known", METRIC),
        bands={"model": ([s["low"] for s in found["model"]], [s["high"] for s in found["model"]])},
    )
    return drawing(f"{arrow(METRIC)}, people never seen, {what}", picture, "Band: 95 % interval of the model.")
