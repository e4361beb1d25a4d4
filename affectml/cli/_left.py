"""Commands and options that left before 0.3.0, and what does their work now: their names are refused with it."""

import re
from collections.abc import Mapping
from typing import Any, Final

import typer

UsageError: Any = typer.BadParameter.__base__  # click's, which Typer brings along or asks for, by version
# the command, and of an option the command with it, as somebody would type them -> what to type in their place
LEFT: Final[Mapping[str, str]] = {
    "check": "audit PLACE --files",
    "duplicates": "audit DATASET",
}


def successor(error: Any) -> str:
    """What to type in place of the command or option that a usage error calls unknown; empty for what never was."""
    path = error.ctx.command_path.partition(" ")[2] if error.ctx is not None else ""
    name = getattr(error, "option_name", None)
    if name is None:
        unknown = re.match(r"No such command '(.+?)'", error.message)
        name = unknown[1] if unknown else ""
    return LEFT.get(f"{path} {name}".strip(), "")
