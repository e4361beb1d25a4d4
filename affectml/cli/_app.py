"""The Typer application and its commands. Nothing heavy is imported until a command runs."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from affectml._options import Argument
from affectml._progress import QUIET
from affectml._version import __version__
from affectml.cli._command import App, Json
from affectml.cli._left import UsageError, successor
from affectml.cli._print import print_json
from affectml.cli.data import audit, embed, export, split
from affectml.cli.import_ import app as import_app
from affectml.cli.labels import app as label_app
from affectml.cli.models import TRAIN_PANELS, demo, evaluate, explain, predict, runs, train
from affectml.cli.pages import explore
from affectml.cli.plan import ask, plan
from affectml.cli.study import app as study_app
from affectml.cli.taxonomy import app as taxonomy_app


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


# What is there when a command is stopped, beside what the interruption's notes say; what others wrote is whole.
THERE = {
    **dict.fromkeys(("train", "evaluate", "predict", "embed"), "no result was written"),
    **dict.fromkeys(("demo", "import", "ask", "split"), "nothing was written"),
}


class Commands(TyperGroup):
    """The commands. One that Ctrl-C stops says in one line how to go on, and ends with 130."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take --quiet wherever it stands: it belongs to every command."""
        own = args[: args.index("--")] if "--" in args else args
        if "--quiet" in own:
            args = ["--quiet", *(word for word in own if word != "--quiet"), *args[len(own) :]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            if now := successor(error):
                error.message, error.possibilities = f"{error.message.split('. ')[0].rstrip('.')}: use {now}", None
            raise
        except KeyboardInterrupt as stop:
            there, kept = THERE.get(ctx.invoked_subcommand), getattr(stop, "__notes__", [])
            way = "goes on from there" if kept else "starts again"
            words = "; ".join([there or "what was written is whole", *kept])
            typer.echo(f"stopped: {words}" + (f": the same command {way}" if there else ""), err=True)
            raise typer.Exit(130) from None


app = App(
    cls=Commands,
    name="affectml",
    help="Predict the emotions that images evoke, where several answers are right: train small heads on frozen CLIP "
    "embeddings, and judge them beside people.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
# The commands as `affectml --help` has them; what has commands of its own is an App.
COMMANDS: dict[str, dict[str, Any]] = {
    "Models": {"train": train, "predict": predict, "evaluate": evaluate, "explain": explain, "runs": runs},
    "Data": {
        "import": import_app, "embed": embed, "split": split, "audit": audit, "explore": explore, "export": export,
        "taxonomy": taxonomy_app,
    },
    "People": {"label": label_app, "study": study_app, "plan": plan, "ask": ask},
    "This program": {"demo": demo, "doctor": doctor},
}  # fmt: skip
for heading, commands in COMMANDS.items():
    for name, command in commands.items():
        if isinstance(command, App):
            app.add_typer(command, name=name, rich_help_panel=heading)
        else:
            app.command(name, rich_help_panel=heading, panels=TRAIN_PANELS if command is train else {})(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"affectml {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    modules: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="MODULE",
            help="Import a Python module first, such as one with a head or importer of your own.",
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            help="With any command, before or after its name: say nothing meanwhile and draw no bar; "
            "results, warnings and errors stay.",
        ),
    ] = False,
) -> None:
    before = QUIET.set(quiet)
    ctx.call_on_close(lambda: QUIET.reset(before))
    for module in modules or ():
        from affectml._own import import_module

        import_module(module)
