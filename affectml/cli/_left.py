"""Commands and options that left before 0.3.0, and what does their work now: their names are refused with it."""

import re
from collections.abc import Mapping
from typing import Any, Final

import typer

UsageError: Any = typer.BadParameter.__base__  # click's, which Typer brings along or asks for, by version
_BY_ANSWERS = ("--most", "--mean", "--until")
_IN_THE_FILE = {
    "skips": "skips", "strategy": "strategy", "stratum": "stratum", "lease": "lease", "check-rate": "checks.rate",
    "repeat-rate": "repeats.rate", "backup-hours": "backups.hours", "backups-kept": "backups.keep",
    "backup-days": "backups.days",
}  # fmt: skip
_BY_SET = ("hidden", "k", "ensemble", "judgements", "promise-group", "promise-level", "promise-empty", "prompts")
# the command, and of an option the command with it, as somebody would type them -> what to type in their place
LEFT: Final[Mapping[str, str]] = {
    "check": "audit PLACE --files",
    "demo-data": "demo",
    "fetch": "import fetch",
    "relabel": "label --on DATASET",
    "labels": "label",
    **{f"label {name}": f"label remove {name} NAME" for name in ("uninvite", "withdraw")},
    "label erase": "label remove erase DATASET NAME",
    **{
        f"label {command} --{name}": f"label {command} --file task.yaml, with the key {key} (label show has all)"
        for command in ("init", "assign")
        for name, key in _IN_THE_FILE.items()
    },
    "label restore": "label backup --restore BACKUP DB",
    "label check": "audit DB --files",
    **{f"train --{name}": f"train --set {name.replace('-', '_')}=VALUE" for name in _BY_SET},
    "duplicates": "audit DATASET",
    **{f"label init {name}": "--overlap, one number of people for every image" for name in _BY_ANSWERS},
    **{
        f"label assign {name}": "plan DATASET --next N --out FILE, then label assign --queue FILE --more 1"
        for name in _BY_ANSWERS
    },
    "train --template": "train --set templates=SENTENCE",
    "train --learning-curve": "train --set learning_curve=true",
    "label agreement --bootstrap": "label agreement alone: it has intervals, for which nothing is drawn",
    "report": "evaluate RUN, which writes its page again, or evaluate RUN RUN2, which compares runs",
    "compare": "evaluate RUN RUN2 --on DATASET --gallery",
    "judge": "evaluate ANSWERS... --on DATASET; a run beside them is one more of these",
    "crosseval": "evaluate --train DATASET... --on DATASET...",
    "ablate": "evaluate --train DATASET --head contrastive --prompts MIX --prompts MIX2 --seeds 5",
    "doctor --encoder": "embed DATASET --encoder SPEC, which says how many images a second it took",
}


def successor(error: Any) -> str:
    """What to type in place of the command or option that a usage error calls unknown; empty for what never was."""
    path = error.ctx.command_path.partition(" ")[2] if error.ctx is not None else ""
    name = getattr(error, "option_name", None)
    if name is None:
        unknown = re.match(r"No such command '(.+?)'", error.message)
        name = unknown[1] if unknown else ""
    return LEFT.get(f"{path} {name}".strip(), "")
