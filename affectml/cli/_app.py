"""The Typer application and its commands. Nothing heavy is imported until a command runs."""

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from affectml._progress import QUIET
from affectml._version import __version__
from affectml.cli._command import App, Parts
from affectml.cli.data import audit, embed, export, split
from affectml.cli.import_ import app as import_app
from affectml.cli.labels import app as label_app
from affectml.cli.models import TRAIN_PANELS, demo, evaluate, explain, predict, runs, train
from affectml.cli.pages import explore
from affectml.cli.plan import ask, plan
from affectml.cli.study import app as study_app
from affectml.cli.taxonomy import app as taxonomy_app


def doctor(folder: Path = Path()) -> Parts:
    """Say what this machine has: versions, extras, cores, GPU, what images are embedded in, what tests need.

    Args:
        folder: Folder whose free space is told.
    """
    from affectml.checkup import checkup

    found = checkup(folder)
    yield {each.name: each.value for each in found}
    yield from (f"{each.name:<11} {each.text}" for each in found)


# What is there when a command is stopped, beside what the interruption's notes say; what others wrote is whole.
THERE = {
    **dict.fromkeys(("train", "evaluate", "predict", "embed"), "no result was written"),
    **dict.fromkeys(("demo", "import", "ask", "split"), "nothing was written"),
}


UsageError: Any = typer.BadParameter.__base__  # click's, which Typer brings along or asks for, by version
# The commands that left before 0.3.0 -> what to type in their place.
LEFT: Final = {
    "check": "audit PLACE --files",
    "demo-data": "demo",
    "fetch": "import fetch",
    "relabel": "label --on DATASET",
    "labels": "label",
    "duplicates": "audit DATASET",
    "report": "evaluate RUN, which writes its page again, or evaluate RUN RUN2, which compares runs",
    "compare": "evaluate RUN RUN2 --on DATASET --gallery",
    "judge": "evaluate ANSWERS... --on DATASET; a run beside them is one more of these",
    "crosseval": "evaluate --train DATASET... --on DATASET...",
    "ablate": "evaluate --train DATASET --head contrastive --prompts MIX --prompts MIX2 --seeds 5",
    "label check": "audit DB --files",
    "label erase": "label remove erase DATASET NAME",
    "label restore": "label backup --restore BACKUP DB",
    "label uninvite": "label remove uninvite NAME",
    "label withdraw": "label remove withdraw NAME",
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
            path = error.ctx.command_path.partition(" ")[2] if error.ctx is not None else ""
            unknown = re.match(r"No such command '(.+?)'", error.message)
            if unknown and (now := LEFT.get(f"{path} {unknown[1]}".strip())):
                error.message = f"{unknown[0]}: use {now}"
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
