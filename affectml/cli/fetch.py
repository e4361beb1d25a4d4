"""fetch: the command around `affectml.fetching.fetch_images`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli.runs import Json


def fetch(
    dataset: Annotated[Path, typer.Argument(help="Data set folder.")],
    jobs: Annotated[int, typer.Option(min=1, help="Most requests at a time.")] = 16,
    per_host: Annotated[int, typer.Option(min=1, help="Most requests at a time to one host.")] = 2,
    delay: Annotated[float, typer.Option(help="Seconds between the starts of two requests to one host.")] = 0.2,
    tries: Annotated[int, typer.Option(min=1, help="Tries for each image in this run.")] = 4,
    max_wait: Annotated[
        float, typer.Option(help="Longest pause in seconds; a host that asks for more is put off to the next run.")
    ] = 60.0,
    connect_timeout: Annotated[float, typer.Option(help="Seconds until a connection stands.")] = 10.0,
    read_timeout: Annotated[float, typer.Option(help="Seconds until further bytes come.")] = 20.0,
    deadline: Annotated[float, typer.Option(help="Seconds for an image, all its tries together.")] = 120.0,
    max_mb: Annotated[float, typer.Option(help="Most megabytes of an image.")] = 32.0,
    max_pixels: Annotated[int, typer.Option(min=1, help="Most pixels of an image.")] = 89_478_485,
    redirects: Annotated[int, typer.Option(min=0, help="Redirects to follow at most.")] = 5,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also ask this machine and its network, and every port.")
    ] = False,
    retry_all: Annotated[
        bool, typer.Option("--retry-all", help="Ask again for images that failed for good in an earlier run.")
    ] = False,
    contact: Annotated[
        str, typer.Option(help="Address or page for the User-Agent, so that a host can reach you.", show_default="none")
    ] = "",
    json: Json = False,
) -> None:
    """Download the images that a data set knows by url alone. What is there is kept, so a stopped command goes on."""
    from affectml.cli._print import print_json, print_table
    from affectml.fetching import FetchConfig, fetch_images

    config = FetchConfig(
        jobs=jobs,
        per_host=per_host,
        delay=delay,
        tries=tries,
        max_wait=max_wait,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        deadline=deadline,
        max_mb=max_mb,
        max_pixels=max_pixels,
        redirects=redirects,
        allow_private=allow_private,
        retry_all=retry_all,
        contact=contact,
    )
    summary = fetch_images(dataset, config)
    if json:
        print_json(summary.to_json())
        return
    print_table(f"Images of {dataset}", ("what", "value"), summary.rows(), numbers=False)
    if summary.failures:
        print_table("Why images have no file", ("reason", "images", "again", "for example"), summary.reasons(),
                    numbers=False)  # fmt: skip
