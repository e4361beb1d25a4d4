"""affectml import: folders, tables, published sets and embeddings become data set folders.

Each importer (affectml/importers) is a command, made of its options when it is called: the list of commands needs none.
"""

from inspect import Parameter
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from affectml._options import Argument, Help, Option, documented
from affectml.cli._command import JSON, App, Later, Parts, about, parameter_of, print_parts, sign, value_of
from affectml.importers import Importer, get_importer, names
from affectml.importers.registry import OWN, PUBLISHED

NEEDED = Parameter.empty


class ImportGroup(TyperGroup):
    """The commands of all importers: ours, installed packages', those of modules that were imported, and
    `package.module:NAME`."""

    def __init__(self, *, commands: Any = None, **settings: Any) -> None:
        super().__init__(**settings)
        own, published = ({name: self._stand_in(name, line, panel) for name, line in table.items()}
                          for table, panel in ((OWN, None), (PUBLISHED, "Published sets")))  # fmt: skip
        fetch = Later.of("data", "fetch", "Download the images that a data set has only as urls.")
        self.commands = {**own, "fetch": fetch, **(commands or {}), **published}

    def list_commands(self, ctx: Any) -> list[str]:
        """Every importer, those of installed packages and imported modules last."""
        return list(dict.fromkeys([*self.commands, *names()]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of an importer; None where there is none."""
        known = self.commands.get(cmd_name)
        if known or not (":" in cmd_name or cmd_name in names()):
            return known
        return self._stand_in(cmd_name, names().get(cmd_name), "From elsewhere")

    def _stand_in(self, name: str, line: str | None, panel: str | None) -> Later:
        return Later(name, lambda: command_of(get_importer(name)), help=line, rich_help_panel=panel)


app = App(cls=ImportGroup, no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make a data set folder of your own images, labels or embeddings, or of a published set.

    An importer of your own is called by `package.module:NAME`.
    """


def command_of(importer: Importer) -> Any:
    """A Typer command with the importer's options: parse, call, print."""
    from rich.markup import escape

    joined = importer.joins
    places = f"Data set folder to write{', or one that exists, to join to' if joined else '; must not exist yet'}."
    called = "The data set's name" + (", or that of the embeddings joined to one." if joined else ".")
    options = [
        Option("path", Path, NEEDED, Argument(importer.path_help)),
        Option("out", Path, NEEDED, Argument(places)),
        *importer.options(),
        Option("name", str | None, None, Help(called, default=importer.about.name or "the source's or OUT's folder")),
    ]
    if joined:
        options.append(Option("target", str | None, None, Help("Name of the new target.", default="its kind")))
    if importer.placements:
        last = ", or none (embeddings come from elsewhere)" if "none" in importer.placements else ""
        how = "copy, hardlink" if last else "copy or hardlink"
        options.append(Option("images", str, "copy", Help(f"How images come in: {how}{last}.")))
        stop = Help("Stop at an image that cannot be used instead of leaving it out.")
        options.append(Option("strict", bool, False, stop))

    def run(json: bool, **given: Any) -> None:
        summary = importer(**{option.name: value_of(option, given[option.name]) for option in options})
        parts = [summary.to_json(), about(f"imported {summary.name}", summary.rows())]
        print_parts(iter(parts), as_json=json)

    sign(run, list(map(parameter_of, [*options, JSON])))
    alone = typer.Typer(add_completion=False)
    paragraphs = [" ".join(part.split()) for part in documented(importer.read)[0].split("\n\n")]
    alone.command(importer.name, help=escape("\n\n".join(paragraphs)))(run)
    return typer.main.get_command(alone)


@app.command("clip-e")
def clip_e(file: Path, run: Path) -> Parts:
    """Make a run of the weights that CLIP-E's authors published (Keras 2, HDF5), for `affectml predict`.

    Args:
        file: The published file: clip-e_25cat.hdf5, or the same with _6cat, _binary or _contrastive.
        run: Run folder to write; must not exist yet.
    """
    from affectml.importers.clip_e import import_clip_e

    made = import_clip_e(file, run)
    yield {"run": str(made.folder), "head": made.head.name, "labels": list(made.taxonomy.labels)}
    yield f"{made.head.name} head over {made.taxonomy.name}: {made.folder}"
