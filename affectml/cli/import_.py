"""affectml import: folders, tables, published sets and embeddings become data set folders.

Each importer (affectml/importers) is a command, made of its options when it is called: the list of commands needs none.
"""

from collections.abc import Sequence
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from affectml._options import Argument, Help, Option, option_of
from affectml.cli._command import App, parameter_of, sign, value_of
from affectml.cli._print import print_json, print_table
from affectml.fetching import FetchConfig
from affectml.importers import Importer, get_importer, names
from affectml.importers.registry import OWN, PUBLISHED

STRICT = Option("strict", bool, False, Help("Stop at an image that cannot be used instead of leaving it out."))
TARGET = Option("target", str | None, None, Help("Name of the new target.", default="its kind"))
NEEDED = Parameter.empty
Json = Annotated[bool, Help("Print JSON for programs instead of a table.")]


class ImportCommand(TyperCommand):
    """Stands for an importer in the list of commands; its arguments and options are made once it is called."""

    @property
    def whole(self) -> Any:
        """The command with its arguments and options."""
        return command_of(get_importer(str(self.name)))

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command made of the importer."""
        return self.whole.make_context(info_name, args, parent, **extra)


class ImportGroup(TyperGroup):
    """The commands of all importers: ours, installed packages', those of modules that were imported, and
    `package.module:NAME`."""

    def __init__(self, *, commands: Any = None, **settings: Any) -> None:
        super().__init__(**settings)
        own, published = ({name: self._stand_in(name, line, panel) for name, line in table.items()}
                          for table, panel in ((OWN, None), (PUBLISHED, "Published sets")))  # fmt: skip
        self.commands = {**own, **(commands or {}), **published}

    def list_commands(self, ctx: Any) -> list[str]:
        """Every importer, those of installed packages and imported modules last."""
        return list(dict.fromkeys([*self.commands, *names()]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of an importer; None where there is none."""
        known = self.commands.get(cmd_name)
        if known or not (":" in cmd_name or cmd_name in names()):
            return known
        return self._stand_in(cmd_name, names().get(cmd_name), "From elsewhere")

    def _stand_in(self, name: str, line: str | None, panel: str | None) -> ImportCommand:
        return ImportCommand(name, help=line, rich_help_panel=panel)


app = App(cls=ImportGroup, no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make a data set folder of your own images, labels or embeddings, or of a published set.

    An importer of your own is called by `package.module:NAME`.
    """


def command_of(importer: Importer) -> Any:
    """A Typer command with the importer's options: parse, call, print."""
    from rich.markup import escape

    places = "Data set folder to write; must not exist yet."
    if importer.joins:
        places = "Data set folder to write, or one that exists, to join to."
    called = "The data set's name" + (", or that of the embeddings joined to one." if importer.joins else ".")
    options = [
        Option("path", Path, NEEDED, Argument(importer.path_help)),
        Option("out", Path, NEEDED, Argument(places)),
        *importer.options(),
        Option("name", str | None, None, Help(called, default=importer.about.name or "the source's name")),
    ]
    if importer.joins:
        options.append(TARGET)
    if importer.placements:
        last = ", or none (embeddings come from elsewhere)" if "none" in importer.placements else ""
        how = "copy, hardlink" if last else "copy or hardlink"
        options += [Option("images", str, "copy", Help(f"How images come in: {how}{last}.")), STRICT]

    def run(json: bool, **given: Any) -> None:
        _show(importer(**{option.name: value_of(option, given[option.name]) for option in options}), json)

    sign(run, [*map(parameter_of, options), parameter_of(option_of("json", Json, False))])
    alone = typer.Typer(add_completion=False)
    paragraphs = [" ".join(part.split()) for part in str(importer.__doc__).split("\n\n")]
    alone.command(importer.name, help=escape("\n\n".join(paragraphs)))(run)
    return typer.main.get_command(alone)


def _show(summary: Any, as_json: bool) -> None:
    """Print an ImportSummary as a table or as JSON."""
    if as_json:
        print_json(summary.to_json())
    else:
        print_table(f"imported {summary.name}", ("what", "value"), summary.rows(), numbers=False)


@app.command()
def fetch(dataset: Annotated[Path, Argument("Data set folder.")], config: FetchConfig, json: Json = False) -> None:
    """Download the images that a data set knows by url alone. What is there is kept, so a stopped command goes on."""
    from affectml.fetching import fetch_images

    try:
        summary = fetch_images(dataset, config)
    except KeyboardInterrupt:
        typer.echo("stopped: images downloaded so far are kept: the same command goes on from there", err=True)
        raise typer.Exit(130) from None
    if json:
        print_json(summary.to_json())
        return
    print_table(f"Images of {dataset}", ("what", "value"), summary.rows(), numbers=False)
    if len(summary.failures):
        print_table("Why images have no file", ("reason", "images", "again", "for example"), summary.reasons(),
                    numbers=False)  # fmt: skip


@app.command("clip-e")
def clip_e(
    file: Annotated[Path, Argument("clip-e_25cat.hdf5, _6cat, _binary or _contrastive.")],
    run: Annotated[Path, Argument("Run folder to write; must not exist yet.")],
    labels: Annotated[Sequence[str] | None, Help("Labels of the outputs.", default="the published models'")] = None,
    json: Json = False,
) -> None:
    """A run of the weights that CLIP-E's authors published (Keras 2 HDF5), for `affectml predict`."""
    from affectml.importers.clip_e import import_clip_e

    made = import_clip_e(file, run, labels=labels)
    summary = {"run": str(made.folder), "head": made.head.name, "labels": list(made.taxonomy.labels)}
    if json:
        print_json(summary)
    else:
        typer.echo(f"{made.head.name} head over {made.taxonomy.name}: {made.folder}")
