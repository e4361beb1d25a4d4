"""doctor: the command around `affectml.checkup.checkup`."""

from pathlib import Path
from typing import Annotated

from affectml._options import Argument
from affectml.cli._command import Json
from affectml.cli._print import print_json


def doctor(
    folder: Annotated[Path, Argument("Folder whose free space is told.")] = Path(),
    json: Json = False,
) -> None:
    """Say what this machine has: versions, extras, cores, GPU, what images are embedded in, what tests need."""
    from affectml.checkup import checkup

    found = checkup(folder)
    if json:
        print_json({each.name: each.value for each in found})
    else:
        for each in found:
            print(f"{each.name:<11} {each.text}")
