"""doctor: the command around `affectml.checkup.checkup`."""

from pathlib import Path
from typing import Annotated

from affectml._options import Argument, Help
from affectml.cli._command import Json, say
from affectml.cli._print import print_json


def doctor(
    folder: Annotated[Path, Argument("Folder whose free space is told.")] = Path(),
    encoder: Annotated[
        str | None, Help("Measure, once on this machine, how fast this encoder embeds; its weights are loaded.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what this machine has: versions, extras, cores, GPU, what images are embedded in, what tests need."""
    from affectml.checkup import checkup

    found = checkup(folder, encoder=encoder, say=say)
    if json:
        print_json({each.name: each.value for each in found})
    else:
        for each in found:
            print(f"{each.name:<11} {each.text}")
