"""ask: the command around `affectml.vlm`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml._options import Argument, Help
from affectml.cli._command import Json, say
from affectml.cli._print import print_json
from affectml.vlm import AskConfig


def ask(
    dataset: Annotated[Path, Argument("Data set folder.")],
    config: AskConfig,
    out: Annotated[Path, Help("JSON lines file to write; split into several if it gets too large.")],
    json: Json = False,
) -> None:
    """Write the question that people were asked as batch requests for a vision-language model; nothing is sent."""
    from affectml.vlm import ask as write

    asked = write(dataset, config, out, say=say)
    if json:
        print_json(asked.to_json())
        return
    typer.echo(f"{asked.requests} requests about {asked.images} images: {', '.join(map(str, asked.files))}")
    typer.echo(f"order of labels in each: {asked.index}\n\n{asked.prompt}")
