"""The routes beside Streamlit's own; all of them only read.

    GET explore/client/FILE        the page's own part in the browser
    GET explore/map                float32 x, y of every image, nan without an embedding; little endian
    GET explore/ids                image_ids (JSON)
    GET explore/shown?VIEW         how many images are shown (uint32), their places (uint32) in order, and with a search
                                   how well each fits (float32)
    GET explore/colours?colour=    length of a JSON legend (uint32), the legend, a uint8 code per image (255: unknown);
                                   of a number then its float32 per image
    GET explore/thumb?i=7          a small picture (WebP); explore/image?i=7 the large one
    GET explore/detail?i=7         what is known of one image (JSON)
    GET explore/explain?i=7&run=RUN&label=LABEL    the map of an explanation and its verdict (JSON)

What cannot be answered is 400 with the reason in words, or 404 and 422 for an image that is not there or not one.
`affectml_apps.serving` says who may call.
"""

import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from streamlit import config

from affectml.cli.pages import Exploring, read_page
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder
from affectml.errors import AffectmlError, BadInput
from affectml.exploring import Collection, Column, Detail, Near, View
from affectml.plots import overlay
from affectml.training import open_or_draw
from affectml_apps import serving
from affectml_apps.explore.state import UNKNOWN, Explorer, coded, current
from affectml_apps.pictures import BadImage, as_webp, data_uri, thumbnail

CLIENT = Path(__file__).parent / "client"
PAGE = Path(__file__).parent / "page.py"
THUMB = 256  # pixels: a cell of the grid on a screen of two pixels a point
BINARY = "application/octet-stream"
PARTS = {"train": "training", "val": "validation", "calibration": "calibration", "test": "test"}
# Packing what hardly gets smaller takes longer than sending it within one machine.
AS_IT_IS = {"content-encoding": "identity"}
LASTING = {"cache-control": "private, max-age=86400, immutable"}  # asked for with a version that is new at every start
_one_at_a_time = threading.Lock()  # encoders: two at once take twice the memory and no less time


def app_parts(arguments: Sequence[str]) -> dict[str, Any]:
    """What the entry script hands to `st.App` beside `PAGE`.

    Opens the data set and makes its map at once, so that a wrong folder ends the program before anything is served.
    """
    options = read_page("explore", Exploring, arguments)
    serving.hold_little()
    explorer = serving.opened(lambda: _explorer(options))
    return {
        "routes": make_routes(config.get_option("server.baseUrlPath")),
        "middleware": serving.make_middleware(options.allow_host),
        "lifespan": partial(lifespan, explorer),
        "exception_handlers": serving.TOLD,
    }


def _explorer(options: Exploring) -> Explorer:
    data = open_or_draw(options.dataset, serving.say)
    if options.dataset is None and options.encoder is None:
        embed_dataset(data, load_encoder("affect-tiny"), say=serving.say)
    if not serving.only_here(options.allow_host):
        serving.say(
            "others can reach this page, and it asks nobody to sign in: whoever does sees all images and answers, "
            "though not who gave them; put a proxy that asks in front of it, or leave it on 127.0.0.1"
        )
    opens = partial(
        Collection, data.root, options.run, target=options.target, encoder=options.encoder, db=options.db,
        say=serving.say,
    )  # fmt: skip
    return Explorer(opens)


def make_routes(base: str = "") -> list[BaseRoute]:
    """The app's routes under server.baseUrlPath."""
    handlers = {
        "map": places, "ids": ids, "shown": shown, "colours": colours, "thumb": thumb, "image": image,
        "detail": detail, "explain": explain,
    }  # fmt: skip
    return serving.make_routes(f"{serving.prefixed(base)}/explore", CLIENT, handlers)


@asynccontextmanager
async def lifespan(explorer: Explorer, _app: Any) -> AsyncIterator[None]:
    """Serve this explorer while the server runs."""
    current.use(explorer)
    yield
    current.use(None)


def places(_request: Request) -> Response:
    """The map."""
    return Response(current().places.tobytes(), media_type=BINARY, headers=LASTING | AS_IT_IS)


def ids(_request: Request) -> Response:
    """Every image_id, in the order of all other arrays."""
    return JSONResponse([str(name) for name in current().found.image_id], headers=LASTING | AS_IT_IS)


def shown(request: Request) -> Response:
    """The images of a view."""
    view = View.from_query(dict(request.query_params))
    rows, fits = current().shown(view)
    content = len(rows).to_bytes(4, "little") + rows.tobytes() + (b"" if fits is None else fits.tobytes())
    return Response(content, media_type=BINARY, headers={"cache-control": "no-store"} | AS_IT_IS)


def colours(request: Request) -> Response:
    """A code per image for one column, with what the codes mean."""
    explorer = current()
    name = request.query_params.get("colour") or explorer.colour
    unknown = np.full(len(explorer.found), UNKNOWN, np.uint8)
    column = explorer.found.column(name) if name else None
    codes, legend = coded(column) if column is not None else (unknown, {"unknown": len(unknown)})
    head = json.dumps(legend).encode()
    content = len(head).to_bytes(4, "little") + head + codes.tobytes()
    if column is not None and not column.levels:
        content += column.values.astype("<f4").tobytes()
    return Response(content, media_type=BINARY, headers=LASTING | AS_IT_IS)


def _index(request: Request) -> int:
    text, most = request.query_params.get("i", ""), len(current().found) - 1
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > most:
        raise BadInput(f"i={text[:20]}: expected the place of an image, a whole number from 0 to {most}")
    return int(text)


def _file(request: Request) -> Path:
    try:
        return current().found.path(_index(request))
    except AffectmlError as error:
        raise BadImage(f"no such file: {error}") from None


def thumb(request: Request) -> Response:
    """A small picture."""
    return Response(thumbnail(_file(request), THUMB), media_type="image/webp", headers=LASTING)


def image(request: Request) -> Response:
    """The image itself, converted where browsers do not show it."""
    return serving.picture(_file(request), LASTING)


def detail(request: Request) -> Response:
    """What is known of one image."""
    explorer = current()
    with _one_at_a_time:
        told = explorer.found.detail(_index(request))
    return JSONResponse(image_details(explorer, told), headers={"cache-control": "no-store"})


def image_details(explorer: Explorer, told: Detail) -> dict[str, Any]:
    """What the browser is told of an image: text and numbers, rates by the place of their label."""
    taxonomy = explorer.found.taxonomy
    known, show = ((), str) if taxonomy is None else (taxonomy.labels, taxonomy.display)
    labels = list(dict.fromkeys([*known, *(name for run in told.runs for name in run.rates)]))
    facts = [["file", told.file]] if told.file else []
    facts += [[each.title, text] for each in explorer.found.columns.values() if each.group == "images"
             if (text := _value(each, told.index))]  # fmt: skip
    people = told.people
    best = max(told.runs[0].rates, key=told.runs[0].rates.__getitem__) if told.runs else None

    def part(name: str) -> str:
        return f"in its {PARTS[name]} part" if name in PARTS else name

    return {
        "id": told.image_id,
        "facts": [*facts, *(["audit", line] for line in told.listed), *(["note", line] for line in told.notes)],
        "labels": labels,
        "best": best,
        "people": None if people is None else {
            "words": "" if people.n is None else f"{people.n:,} asked",
            "rates": [people.shares.get(label) for label in labels],
            "answers": [[who, said if turn == 1 else f"{said} (round {turn})"] for who, turn, said in people.answers],
            "remarks": [list(remark) for remark in people.remarks],
        },
        "runs": [
            {
                "name": run.run,
                "rates": [run.rates.get(label) for label in labels],
                "set": None if run.labels is None else [label in run.labels for label in labels],
                "words": ". ".join(filter(None, [part(run.part), run.promise])),
            }
            for run in told.runs
        ],
        "nearest": [_near(each, show) for each in told.nearest],
    }  # fmt: skip


def _value(column: Column, index: int) -> str:
    """A column's value of one image, as text; "" where it is unknown or says nothing."""
    value = column.values[index]
    if column.levels:
        return column.levels[value] if value >= 0 and column.levels[value] not in ("no", "not listed") else ""
    return "" if np.isnan(value) or (column.name == "notes" and value == 0) else f"{value:.4g}"


def _near(other: Near, show: Callable[[str], str]) -> dict[str, Any]:
    said = sorted(((share, label) for label, share in other.shares.items() if share > 0), key=lambda pair: -pair[0])
    words = ", ".join(f"{show(label)} {share:.0%}" for share, label in said[:3])
    like = f"cosine {other.cosine:.2f}"
    return {"index": other.index, "id": other.image_id, "like": like, "words": words or "no answers"}


def explain(request: Request) -> Response:
    """Where a run sees a label, and whether its map is worth more than chance."""
    asked = request.query_params
    with _one_at_a_time:
        found = current().found.explain(_index(request), asked.get("run", ""), asked.get("label", ""))
    picture = as_webp(Image.fromarray(overlay(found.pixels, found.map)[0]))
    colours = f"Red speaks for {found.label}, blue against it."
    words = " ".join([colours, *([] if found.holds else ["This map is not to be relied on."]), found.sentence()])
    return JSONResponse({"picture": data_uri(picture), "words": words}, headers={"cache-control": "no-store"})
