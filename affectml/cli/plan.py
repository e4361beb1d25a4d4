"""plan and ask: how many people a study takes, and what a vision-language model is asked."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from affectml.cli._command import Parts, say, there
from affectml.cli._print import Table
from affectml.errors import BadInput
from affectml.planning import PlanConfig
from affectml.vlm import AskConfig

if TYPE_CHECKING:
    from affectml.data import Dataset

SHOWN = 20  # images of a queue; the file and --json have all
Count = Annotated[int, Ge(1)]


def plan(
    config: PlanConfig,
    dataset: Path | None = None,
    *,
    next_: Count | None = None,
    until: str = "F1",
    out: Path | None = None,
) -> Parts:
    """Plan a study from a pilot: how many people, how many images, how exact, and what it costs.

    Args:
        dataset: Data set folder with a pilot's answers. Default: nothing but assumptions.
        next_: Instead of a plan: the images that this many answers should go to next. Default: none.
        until: With --next: what one more answer should change, F1 (of the label set) or entropy.
        out: With --next: text file of these images for `label assign --queue`. Default: none.
    """
    there(datasets=[dataset])
    from affectml.data import Dataset
    from affectml.planning import plan_study

    opened = None if dataset is None else Dataset.open(dataset)
    if next_ is not None:
        yield from _next(opened, next_, until, config.target, out)
        return
    if out is not None:
        raise BadInput("--out belongs to --next; a plan is printed, as JSON with --json")
    found = plan_study(opened, config)
    yield found.to_json()
    table = found.table()
    yield Table(table.title, table.columns, table.rows, table.note, keys=3)
    yield from filter(None, (found.within_table(), found.figures_table()))
    for title, lines in (("Assumed", found.assumed), ("What the pilot cannot tell", found.limits)):
        if lines:
            yield "\n  - ".join([f"{title}:", *lines])


def _next(dataset: "Dataset | None", answers: int, until: str, target: str | None, out: Path | None) -> Parts:
    from affectml._files import try_file, write_text
    from affectml.cli._labels_task import PREDICTIONS
    from affectml.planning import next_images

    if dataset is None:
        raise BadInput("--next chooses among the images of a data set: name it")
    if out is not None:
        if out.suffix.lower() in PREDICTIONS:
            raise BadInput(
                f"--out {out}: expected a text file, such as {out.with_suffix('.txt').name}; "
                f"`label assign --queue` takes a {out.suffix} for a model's predictions"
            )
        try_file(out)
    queue = next_images(dataset, answers, until=until, target=target)  # type: ignore[arg-type]
    if out is not None:
        write_text(out, "".join(f"{image}\n" for image in queue["image_id"]))
    yield {"next": queue.to_dict("records"), "file": out and str(out)}
    rows = [(image, people, f"{change:.3f}") for image, people, change in queue.head(SHOWN).itertuples(index=False)]
    count = f"{len(queue):,}" if len(queue) <= SHOWN else f"{SHOWN} of {len(queue):,}"
    yield Table(f"Images for the next answers ({count})", ("image_id", "people so far", "expected change"), rows)
    if out is not None:
        yield f"queue: {out}; `affectml label assign --queue {shlex.quote(str(out))} --more 1` shows them first"


def ask(dataset: Path, config: AskConfig, *, out: Path) -> Parts:
    """Write the question that people were asked as batch requests for a vision-language model; nothing is sent.

    Args:
        dataset: Data set folder.
        out: JSON lines file to write; split into several if it gets too large.
    """
    from affectml.vlm import ask as write

    asked = write(dataset, config, out, say=say)
    yield asked.to_json()
    yield f"{asked.requests} requests about {asked.images} images: {', '.join(map(str, asked.files))}"
    yield f"order of labels in each: {asked.index}\n\n{asked.prompt}"
