"""fetch: the command around `affectml.fetching.fetch_images`."""

from pathlib import Path
from typing import Annotated

from affectml._options import Argument
from affectml.cli._command import Json
from affectml.cli._print import print_json, print_table
from affectml.fetching import FetchConfig


def fetch(dataset: Annotated[Path, Argument("Data set folder.")], config: FetchConfig, json: Json = False) -> None:
    """Download the images that a data set knows by url alone. What is there is kept, so a stopped command goes on."""
    from affectml.fetching import fetch_images

    summary = fetch_images(dataset, config)
    if json:
        print_json(summary.to_json())
        return
    print_table(f"Images of {dataset}", ("what", "value"), summary.rows(), numbers=False)
    if len(summary.failures):
        print_table("Why images have no file", ("reason", "images", "again", "for example"), summary.reasons(),
                    numbers=False)  # fmt: skip
