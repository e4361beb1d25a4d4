"""Starting a page in the browser, from an installed package: what relabel and explore share."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

AllowHost: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Host name under which others reach this server; may be given several times."),
]
Address: TypeAlias = Annotated[str, typer.Option(help="Address to listen on.")]
Port: TypeAlias = Annotated[int, typer.Option(help="Port to listen on.")]


def start_page(entry: str, given: Mapping[str, object], words: Sequence[str] = (), *, address: str, port: int) -> None:
    """Run a page with Streamlit, until it is stopped.

    entry: the script in affectml_apps/entry. given: its options by name; None is left out, a list is one option given
    several times. words: what comes before them.
    """
    from streamlit.web.cli import main as streamlit

    arguments = []
    for name, value in given.items():
        several = value if isinstance(value, list) else [] if value is None else [value]
        arguments += [f"--{name}={each}" for each in several]
    options = ["--server.address", address, "--server.port", str(port)]
    streamlit(["run", str(_script(entry)), *options, "--", *words, *arguments])


def _script(entry: str) -> Path:
    """The script that Streamlit runs, found without importing the pages."""
    spec = find_spec("affectml_apps")
    if spec is None or not spec.submodule_search_locations:
        raise typer.BadParameter("the package affectml_apps is not installed; install affectml again")
    return Path(spec.submodule_search_locations[0]) / "entry" / f"{entry}.py"
