"""What the entry scripts hand to `st.App`: the page, the routes, the guard, and the collection's opening."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from affectml.cli.pages import Exploring, read_page
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder
from affectml.errors import AffectmlError
from affectml.exploring import Collection
from affectml.training import open_or_draw
from affectml_annotation import AnnotationError
from affectml_apps import serving
from affectml_apps.explore import web
from affectml_apps.explore.state import Explorer

PAGE = Path(__file__).parent / "page.py"


def app_parts(arguments: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """The page's path, and st.App's other arguments.

    Opens the data set and makes its map at once, so that a wrong folder ends the program with one line before anything
    is served; exits with code 2 for wrong arguments, else 1.
    """
    from streamlit import config

    options = read_page("explore", Exploring, arguments)
    serving.hold_little()
    pa.set_memory_pool(pa.system_memory_pool())  # pyarrow's own keeps what reading a large table took

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        data = open_or_draw(options.dataset, say)
        if options.dataset is None and options.encoder is None:
            embed_dataset(data, load_encoder("affect-tiny"), say=say)
        opens = partial(
            Collection, data.root, options.run, target=options.target, encoder=options.encoder, db=options.db,
            say=say,
        )  # fmt: skip
        alone = serving.only_here(options.allow_host)
        if not alone:
            say(
                "others can reach this page, and it asks nobody to sign in: whoever does sees all images and answers, "
                "though not who gave them; put a proxy that asks in front of it, or leave it on 127.0.0.1"
            )
        explorer = Explorer(opens, names=alone, say=say)
    except (AffectmlError, AnnotationError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    serving.give_back_memory()
    return PAGE, {
        "routes": web.make_routes(config.get_option("server.baseUrlPath")),
        "middleware": serving.make_middleware(options.allow_host),
        "lifespan": web.make_lifespan(explorer),
    }
