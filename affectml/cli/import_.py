"""affectml import: folders, tables, published sets and embeddings become data set folders.

Each importer (affectml/importers) is a command, made of its options when it is called: the list of commands needs none.
"""

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from affectml._options import Help, Option
from affectml.cli._options import parameter_of, sign, value_of
from affectml.importers import Importer, get_importer, names, parse_list
from affectml.importers.registry import OWN, PUBLISHED

STRICT = Option("strict", bool, False, Help("Stop at an image that cannot be used instead of leaving it out."))
TARGET = Option("target", str | None, None, Help("Name of the new target.", default="its kind"))
JSON = Option("json", bool, False, Help("Print JSON for programs instead of a table."))


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


app = typer.Typer(cls=ImportGroup, no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make a data set folder of your own images, labels or embeddings, or of a published set.

    An importer of your own is called by `package.module:NAME`.
    """


def command_of(importer: Importer) -> Any:
    """A Typer command with the importer's options: parse, call, print."""
    from rich.markup import escape

    called = "The data set's name" + (", or that of the embeddings joined to one." if importer.joins else ".")
    named = Help(called, default=importer.about.name or "the source's name")
    options = [*importer.options(), Option("name", str | None, None, named)]
    if importer.joins:
        options.append(TARGET)
    if importer.placements:
        last = ", or none (embeddings come from elsewhere)" if "none" in importer.placements else ""
        how = "copy, hardlink" if last else "copy or hardlink"
        options += [Option("images", str, "copy", Help(f"How images come in: {how}{last}.")), STRICT]
    options.append(JSON)

    def run(path: Any, out: Path, **given: Any) -> None:
        values = {option.name: value_of(option, given[option.name]) for option in options[:-1]}
        _show(importer(path, out, **values), given["json"])

    out_help = "Data set folder to write; must not exist yet."
    if importer.joins:
        out_help = "Data set folder to write, or one that exists, to join to."
    places = {"path": importer.path_help, "out": out_help}
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    kinds = {"path": str if importer.addresses else Path, "out": Path}  # a Path makes s3:/x of s3://x
    parameters = [
        inspect.Parameter(name, positional, annotation=Annotated[kinds[name], typer.Argument(help=text)])
        for name, text in places.items()
    ] + [*map(parameter_of, options)]
    sign(run, parameters)
    alone = typer.Typer(add_completion=False)
    paragraphs = [" ".join(part.split()) for part in str(importer.__doc__).split("\n\n")]
    alone.command(importer.name, help=escape("\n\n".join(paragraphs)))(run)
    return typer.main.get_command(alone)


def _show(summary: Any, as_json: bool) -> None:
    """Print an ImportSummary as a table or as JSON."""
    from affectml.cli._print import print_json, print_table

    if as_json:
        print_json(summary.to_json())
    else:
        print_table(f"imported {summary.name}", ("what", "value"), summary.rows(), numbers=False)


@app.command("clip-e")
def clip_e(
    file: Annotated[Path, typer.Argument(help="clip-e_25cat.hdf5, _6cat, _binary or _contrastive.")],
    run: Annotated[Path, typer.Argument(help="Run folder to write; must not exist yet.")],
    labels: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Labels of the outputs.", show_default="the published models'"),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="For contrastive weights: save the labels' text features by this encoder with the run."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON.help.text)] = False,
) -> None:
    """A run of the weights that CLIP-E's authors published (Keras 2 HDF5), for `affectml predict`."""
    from affectml.cli._print import print_json
    from affectml.importers.clip_e import import_clip_e

    made = import_clip_e(file, run, labels=parse_list(labels), encoder=encoder)
    summary = {"run": str(made.folder), "head": made.head.name, "labels": list(made.taxonomy.labels)}
    if json:
        print_json(summary)
    else:
        typer.echo(f"{made.head.name} head over {made.taxonomy.name}: {made.folder}")
