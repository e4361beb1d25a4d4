"""A training in TensorBoard: what was asked for, the loss on validation by epoch, and the scores of every system.

Its files are written by torch itself: no server, no account, no network; other trackers read them.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from affectml._files import try_folder
from affectml.errors import MissingExtra, option
from affectml.runs import RunFolder

CURVE = "held_out_curve"  # in a head's report: the loss on rows kept out, by epoch


def check_log(folder: str | None) -> None:
    """Raise MissingExtra without tensorboard, and BadInput for a folder that cannot be written."""
    if folder is None:
        return
    if find_spec("tensorboard") is None:
        raise MissingExtra("tensorboard", "log", option("log", folder))
    try_folder(Path(folder))


def write_log(run: RunFolder, folder: Path) -> Path:
    """Write what TensorBoard shows of a run into a new folder below `folder`, named as the run, and return it.

    text: the command and the configuration. validation/loss: by epoch, where the head has epochs; of several heads
    in one, each its own. SYSTEM/METRIC: every score of metrics.json; the model's are the hyperparameters' too.
    """
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

    place = _free(folder, run.folder.resolve().name)
    info, metrics = run.info, run.metrics
    config = {name: _plain(value) for name, value in asdict(info.config).items()}
    scores = {
        f"{system}/{metric}": score["value"]
        for system, found in metrics["systems"].items()
        for metric, score in found.items()
    }
    with SummaryWriter(log_dir=str(place)) as writer:
        writer.add_text("command", f"`{info.command}`")
        writer.add_text("config", f"```json\n{json.dumps(asdict(info.config), indent=2, default=str)}\n```")
        for name, curve in curves(info.head.report):
            for epoch, loss in enumerate(curve, start=1):
                writer.add_scalar(f"validation/loss{name}", loss, epoch)
        for name, value in scores.items():
            writer.add_scalar(name, value, 0)
        of_model = {name: value for name, value in scores.items() if name.startswith("model/")}
        for summary in hparams(config, of_model):  # type: ignore[no-untyped-call]
            writer.file_writer.add_summary(summary)
    return place


def curves(report: Any, name: str = "") -> Iterator[tuple[str, list[float]]]:
    """The curve of a head's report, and those of the heads inside it, each with its place (/0, /1) or ""."""
    if isinstance(report, dict):
        if CURVE in report:
            yield name, report[CURVE]
        for key, value in report.items():
            if key != CURVE:
                yield from curves(value, name)
    elif isinstance(report, list):
        for at, value in enumerate(report):
            yield from curves(value, f"{name}/{at}")


def _plain(value: Any) -> bool | int | float | str:
    """What a table of hyperparameters can hold."""
    if isinstance(value, bool | int | float | str):
        return value
    return "" if value is None else json.dumps(value, default=str)


def _free(folder: Path, name: str) -> Path:
    """folder/name, or the first folder/name-2, -3, ... that is not there: two runs in one would be one line."""
    place, number = folder / name, 1
    while place.exists():
        number += 1
        place = folder / f"{name}-{number}"
    return place
