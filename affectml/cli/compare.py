"""compare: the command around `affectml.comparison`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli._there import there
from affectml.cli.runs import Json, Threads, _say


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, at least two.")],
    gallery: Annotated[
        bool, typer.Option("--gallery", help="Write a page of the most disputed images, with each run's labels.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="File of that page.", show_default="compare.html in the first run")
    ] = None,
    dataset: Annotated[Path | None, typer.Option(help="Data set folder.", show_default="the first run's")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many images the page shows.")] = 24,
    k: Annotated[int, typer.Option(min=1, help="How many labels of each run are shown.")] = 3,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Compare runs on the same images: where they disagree, beside what people said."""
    there(runs=runs)
    from affectml._files import try_file
    from affectml.cli._print import print_json, print_table
    from affectml.comparison import compare_runs, write_gallery

    page = out if out is not None else runs[0] / "compare.html"
    if gallery:
        try_file(page)
    result = compare_runs(runs, dataset=dataset, k=k, threads=threads, say=_say)
    if gallery:
        write_gallery(result, page, count=count)
    if json:
        print_json(result.to_json())
        return
    for table in (result.pairs_table(), result.gains_table(), result.images_table(min(count, 10))):
        if table is None:
            continue
        print_table(table.title, table.columns, table.rows, numbers=False)
        if table.note:
            print(f"  {table.note}\n")
    if gallery:
        print(f"gallery: {page}")
