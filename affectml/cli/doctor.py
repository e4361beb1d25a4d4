"""doctor: the command around `affectml.checkup.checkup`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli.runs import Json, _say


def doctor(
    folder: Annotated[Path, typer.Argument(help="Folder whose free space is told.")] = Path(),
    encoder: Annotated[
        str | None,
        typer.Option(help="Measure, once on this machine, how fast this encoder embeds; its weights are loaded."),
    ] = None,
    json: Json = False,
) -> None:
    """Say what this machine has: versions, extras, cores, GPU, what images are embedded in, what tests need."""
    from affectml.checkup import checkup
    from affectml.cli._print import print_json

    found = checkup(folder, encoder=encoder, say=_say)
    if json:
        print_json({each.name: each.value for each in found})
    else:
        for each in found:
            print(f"{each.name:<11} {each.text}")
