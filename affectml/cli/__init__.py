"""The command line. Commands parse, call the library and print; they decide nothing.

The list of commands is lines alone: a command's module is imported when it is called, and torch when it is needed. Only
here do errors become exit codes: 2 for what the user can mend, in one line on standard error; 130 after Ctrl-C.
"""

import atexit
import errno
import gc
import os
import re
import sys
import warnings
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from affectml._progress import QUIET
from affectml._version import __version__
from affectml.cli._command import App, Later

__all__ = ["app", "main"]

# The commands as `affectml --help` has them: heading -> name -> (module of affectml.cli, what it does).
COMMANDS: Final = {
    "Models": {
        "train": ("models", "Train a head and judge it on the test split, beside the prior, zero-shot and people."),
        "predict": ("models", "Predict labels for images with a trained run."),
        "evaluate": ("models", "Judge systems beside people: runs, and any model's answers."),
        "explain": ("models", "Show which parts of an image speak for a label, and whether to believe it."),
        "runs": ("models", "List the runs in a folder with their first scores."),
    },
    "Data": {
        "import": ("import_", "Make a data set folder of your own images or labels, or of a published set."),
        "embed": ("data", "Embed a data set's new and changed images."),
        "split": ("data", "Write the split that all targets of a data set share, or show the existing one."),
        "audit": ("data", "List what deserves a second look: copies, odd answers, people, labels and files."),
        "explore": ("pages", "Show a data set's images on a map with people's and runs' answers."),
        "export": ("data", "Share a run or a data set."),
        "taxonomy": ("taxonomy", "List taxonomies, or show one: its labels, their parents and places, its mappings."),
    },
    "People": {
        "label": (
            "label",
            "Label images with several people. Alone it opens the page in the browser; its commands set up a task, "
            "compare what people said, and make targets from it.",
        ),
        "study": ("study", "Let people take part in a study: consent, practice, images, payment."),
        "plan": ("data", "Plan a study from a pilot: how many people, how many images, how exact, what it costs."),
        "ask": ("data", "Write the question that people were asked as requests for a vision-language model."),
    },
    "This program": {
        "demo": ("data", "Draw the demo set: abstract paintings with known true rates, and simulated annotators."),
        "doctor": ("data", "Say what this machine has: versions, extras, cores, GPU, what tests need."),
    },
}
# What is there when a command is stopped, beside what the interruption's notes say; what others wrote is whole.
THERE = {
    **dict.fromkeys(("train", "evaluate", "predict", "embed"), "no result was written"),
    **dict.fromkeys(("demo", "import", "ask", "split"), "nothing was written"),
}


UsageError: Any = typer.BadParameter.__base__  # click's, which Typer brings along or asks for, by version
# The commands that left before 0.3.0 -> what to type in their place.
LEFT: Final = {
    "check": "audit PLACE --files",
    "duplicates": "audit DATASET",
    "report": "evaluate RUN, which writes its page again, or evaluate RUN RUN2, which compares runs",
    "compare": "evaluate RUN RUN2 --on DATASET --gallery",
    "judge": "evaluate ANSWERS... --on DATASET; a run beside them is one more of these",
    "crosseval": "evaluate --train DATASET... --on DATASET...",
    "ablate": "evaluate --train DATASET --head contrastive --prompts MIX --prompts MIX2 --seeds 5",
    "demo-data": "demo",
    "fetch": "import fetch",
    "relabel": "label --on DATASET",
    "labels": "label",
    "label check": "audit DB --files",
    "label erase": "label remove erase DATASET NAME",
    "label restore": "label backup --restore BACKUP DB",
    "label uninvite": "label remove uninvite NAME",
    "label withdraw": "label remove withdraw NAME",
}


class Commands(TyperGroup):
    """The commands. One that Ctrl-C stops says in one line how to go on, and ends with 130."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {
            name: Later.of(module, name, line, heading)
            for heading, listed in COMMANDS.items()
            for name, (module, line) in listed.items()
        }

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
            help="With any command, before or after its name: print no progress and draw no bar; "
            "results, warnings and errors stay.",
        ),
    ] = False,
) -> None:
    before = QUIET.set(quiet)
    ctx.call_on_close(lambda: QUIET.reset(before))
    for module in modules or ():
        from affectml._own import import_module

        import_module(module)


# what the user can do about what the disk refuses
WAYS_OUT = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some space, or write elsewhere"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "write elsewhere, or allow it there"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG), "name another place"),
}


def main() -> None:
    """Entry point of the `affectml` command."""
    from affectml.errors import command_line

    warnings.formatwarning = _one_line
    _spare_collections()
    try:
        with command_line():
            app()
    except Exception as error:
        if not _users(error):
            raise
        print(f"{type(error).__name__}: {' '.join(_words(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None


def _spare_collections() -> None:
    """Look for garbage less often, and not once more at the end: together a second of torch's million objects."""
    gc.set_threshold(5_000)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def _one_line(message: Warning | str, category: type[Warning], *place: object, **more: object) -> str:
    """A warning as a user reads it: what it says, and not which line of code said it."""
    return f"{'warning' if category is UserWarning else category.__name__}: {message}\n"


def _words(error: Exception) -> str:
    """What went wrong; of the disk's errors the file, the reason and the way out."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    place = f"{error.filename}: " if error.filename is not None else ""
    way = WAYS_OUT.get(error.errno)
    return f"{place}{error.strerror or os.strerror(error.errno)}{f'; {way}' if way else ''}"


def _users(error: Exception) -> bool:
    """Whether the user can mend it. Asked only once something went wrong: these imports are not light."""
    from affectml.errors import AffectmlError
    from affectml_annotation import AnnotationError
    from affectml_metrics import MetricInputError

    if isinstance(error, OSError) and error.errno is not None:
        return error.filename is not None or error.errno in WAYS_OUT
    return isinstance(error, AffectmlError | AnnotationError | MetricInputError)
