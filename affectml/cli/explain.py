"""explain: the command around `affectml.explanation`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli._there import there
from affectml.cli.runs import Json, Seed, Threads


def explain(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    image: Annotated[str, typer.Argument(help="Image file, or its address (https://...).")],
    label: Annotated[
        str | None, typer.Option(help="Which of the run's labels to explain.", show_default="the likeliest")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Label whose map the label's is compared with.", show_default="the one that the image has least of"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A .png or .svg file to draw map and curves in, or a folder.", show_default="no picture"),
    ] = None,
    steps: Annotated[int, typer.Option(min=2, help="Steps that the image is covered in.")] = 16,
    random: Annotated[int, typer.Option(min=1, help="Random maps to compare with.")] = 19,
    seed: Seed = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Show which parts of an image speak for a label, and whether that map is better than maps that know nothing."""
    there(runs=[run])
    from affectml.cli._print import print_json, print_table
    from affectml.explanation import explain_image
    from affectml.explanation.explanation import picture_path

    if out is not None:
        picture_path(out, image, label or "label")  # said before the work, not after it
    found = explain_image(
        run, image, label=label, against=against, steps=steps, random=random, seed=seed, threads=threads
    )  # fmt: skip
    drawn = None if out is None else found.save(out)
    if json:
        print_json(found.to_json() | ({} if drawn is None else {"picture": str(drawn)}))
        return
    table = found.table()
    print_table(table.title, table.columns, table.rows)
    print(f"  {table.note}\n")
    print(found.sentence())
    if drawn is not None:
        print(f"picture: {drawn}")
