"""The gallery: images on which runs disagree, each reading under them, in one self-contained page."""

from importlib.resources import files
from pathlib import Path

import numpy as np

from affectml._files import replacing, try_file
from affectml.comparison._compare import Comparison, Reading
from affectml.encoders import TINY_SPEC
from affectml.report.pictures import thumbnail

IMAGES = 24


def write_gallery(comparison: Comparison, out: Path, *, count: int = IMAGES) -> None:
    """Write a page with the `count` most disputed images, thumbnails inside; text from the data is escaped."""
    import jinja2

    try_file(out)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    source = files("affectml.comparison").joinpath("gallery.html.j2").read_text(encoding="utf-8")
    named = comparison.dataset.images.set_index("image_id")
    cards = [
        {
            "image_id": seen.image_id,
            "picture": thumbnail(comparison.dataset, named, seen.image_id),
            "distance": f"{seen.distance:.2f}",
            "readings": [_bars(reading) for reading in seen.readings],
            "people": None if seen.people is None else _bars(seen.people),
        }
        for seen in comparison.images[:count]
    ]
    page = environment.from_string(source).render(
        comparison=comparison, cards=cards, pairs=comparison.pairs_table(), caveats=_caveats(comparison)
    )
    with replacing(out) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _bars(reading: Reading) -> dict[str, object]:
    return {
        "who": reading.who,
        "bars": [
            {"label": label, "value": f"{value:.2f}", "width": round(100 * float(np.clip(value, 0, 1)), 1)}
            for label, value in reading.best
        ],
    }


def _caveats(comparison: Comparison) -> list[str]:
    out = [
        "Different readings of one image are not errors by themselves: people differ too. No reading says what any one "
        "person feels."
    ]
    if comparison.dataset.truth is not None:
        out.append(
            f"This is a demo set: paintings drawn by code, judged by simulated people, seen by {TINY_SPEC} or another "
            "encoder. Nothing here is about people."
        )
    return out
