"""plan and ask: how many people a study takes, and what a vision-language model is asked."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from annotated_types import Ge

from affectml._options import Argument, Help
from affectml.cli._command import Json, say, there
from affectml.cli._print import print_json, print_table, show
from affectml.planning import PlanConfig
from affectml.vlm import AskConfig

if TYPE_CHECKING:
    import pandas as pd


SHOWN = 20  # images of a queue; the file and --json have all


def plan(
    config: PlanConfig,
    dataset: Annotated[
        Path | None, Argument("Data set folder with a pilot's answers.", default="nothing but assumptions")
    ] = None,
    next_: Annotated[
        int | None,
        Ge(1),
        Help("Instead of a plan: the images that this many answers should go to next.", default="none"),
    ] = None,
    out: Annotated[
        Path | None, Help("With --next: text file of these images for `label assign --queue`.", default="none")
    ] = None,
    json: Json = False,
) -> None:
    """Plan a study from a pilot: how many people, how many images, how exact, and what it costs."""
    there(datasets=[] if dataset is None else [dataset])
    from affectml._files import try_file
    from affectml.cli._labels_task import PREDICTIONS
    from affectml.data import Dataset
    from affectml.errors import BadInput
    from affectml.planning import next_images, plan_study

    opened = None if dataset is None else Dataset.open(dataset)
    if next_ is not None:
        if opened is None:
            raise BadInput("--next chooses among the images of a data set: name it")
        if out is not None:
            if out.suffix.lower() in PREDICTIONS:
                raise BadInput(
                    f"--out {out}: expected a text file, such as {out.with_suffix('.txt').name}; "
                    f"`label assign --queue` takes a {out.suffix} for a model's predictions"
                )
            try_file(out)
        _show_next(next_images(opened, next_, target=config.target), out, json)
        return
    if out is not None:
        raise BadInput("--out belongs to --next; a plan is printed, as JSON with --json")
    found = plan_study(opened, config)
    if json:
        print_json(found.to_json())
        return
    show(found.table(), keys=3)
    for table in (found.within_table(), found.figures_table()):
        if table is not None:
            show(table)
    for title, lines in (("Assumed", found.assumed), ("What the pilot cannot tell", found.limits)):
        if lines:
            print("\n  - ".join([f"{title}:", *lines]))


def _show_next(queue: "pd.DataFrame", out: Path | None, json: bool) -> None:
    from affectml._files import write_text

    if out is not None:
        write_text(out, "".join(f"{image}\n" for image in queue["image_id"]))
    if json:
        print_json({"next": queue.to_dict("records"), "file": None if out is None else str(out)})
        return
    rows = [(image, people, f"{change:.3f}") for image, people, change in queue.head(SHOWN).itertuples(index=False)]
    count = f"{len(queue):,}" if len(queue) <= SHOWN else f"{SHOWN} of {len(queue):,}"
    print_table(f"Images for the next answers ({count})", ("image_id", "people so far", "expected change"), rows)
    if out is not None:
        print(f"queue: {out}; `affectml label assign --queue {shlex.quote(str(out))} --more 1` shows them first")


def ask(
    dataset: Annotated[Path, Argument("Data set folder.")],
    config: AskConfig,
    out: Annotated[Path, Help("JSON lines file to write; split into several if it gets too large.")],
    json: Json = False,
) -> None:
    """Write the question that people were asked as batch requests for a vision-language model; nothing is sent."""
    from affectml.vlm import ask as write

    asked = write(dataset, config, out, say=say)
    if json:
        print_json(asked.to_json())
        return
    typer.echo(f"{asked.requests} requests about {asked.images} images: {', '.join(map(str, asked.files))}")
    typer.echo(f"order of labels in each: {asked.index}\n\n{asked.prompt}")
