"""explain: the command around `affectml.explanation`."""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from affectml._options import Argument, Help, Seed, Threads
from affectml.cli._command import Json, there
from affectml.cli._print import print_json, show


def explain(
    run: Annotated[Path, Argument("Run folder.")],
    image: Annotated[str, Argument("Image file, or its address (https://...).")],
    label: Annotated[str | None, Help("Which of the run's labels to explain.", default="the likeliest")] = None,
    against: Annotated[
        str | None, Help("Label to compare the map with.", default="the one that the image has least of")
    ] = None,
    out: Annotated[
        Path | None, Help("A .png or .svg file to draw map and curves in, or a folder.", default="no picture")
    ] = None,
    steps: Annotated[int, Ge(2), Help("Steps in which the image is covered.")] = 16,
    random: Annotated[int, Ge(1), Help("Random maps to compare with.")] = 19,
    seed: Seed = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Show which parts of an image speak for a label, and whether that map is better than maps that know nothing."""
    there(runs=[run])
    from affectml.explanation import explain_image
    from affectml.plots.paper import picture_path

    if out is not None:
        picture_path(out, image, label or "label")  # said before the work, not after it
    found = explain_image(
        run, image, label=label, against=against, steps=steps, random=random, seed=seed, threads=threads
    )  # fmt: skip
    drawn = None if out is None else found.save(out)
    if json:
        print_json(found.to_json() | ({} if drawn is None else {"picture": str(drawn)}))
        return
    show(found.table())
    print(found.sentence())
    if drawn is not None:
        print(f"picture: {drawn}")
