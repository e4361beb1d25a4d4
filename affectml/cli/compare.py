"""compare: the command around `affectml.comparison`."""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from affectml._options import Argument, Help, Threads
from affectml.cli._command import Json, Verbose, say, there
from affectml.cli._print import print_json, show_result


def compare(
    runs: Annotated[tuple[Path, ...], Argument("Run folders, at least two.")],
    gallery: Annotated[bool, Help("Write a page of the most disputed images, with each run's labels.")] = False,
    out: Annotated[Path | None, Help("File of that page.", default="compare.html in the first run")] = None,
    dataset: Annotated[Path | None, Help("Data set folder.", default="the first run's")] = None,
    count: Annotated[int, Ge(1), Help("How many images the page shows.")] = 24,
    k: Annotated[int, Ge(1), Help("How many labels of each run are shown.")] = 3,
    threads: Threads = None,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Compare runs on the same images: where they disagree, beside what people said."""
    there(runs=runs)
    from affectml._files import try_file
    from affectml.comparison import compare_runs, write_gallery

    page = out if out is not None else runs[0] / "compare.html"
    if gallery:
        try_file(page)
    result = compare_runs(runs, dataset=dataset, k=k, threads=threads, say=say)
    if gallery:
        write_gallery(result, page, count=count)
    if json:
        print_json(result.to_json())
        return
    others = (result.gains_table(), result.images_table(min(count, 10)))
    show_result(result.pairs_table(), others, verbose=verbose, numbers=False)
    if gallery:
        print(f"gallery: {page}")
