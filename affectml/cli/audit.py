"""audit: the command around `affectml.auditing`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml._options import MOST_SEED
from affectml.cli._there import there
from affectml.cli.runs import Json, _say

SHOWN = 10  # rows of a check on the screen; the files have all


def audit(
    dataset: Annotated[Path, typer.Argument(help="Data set folder.")],
    run: Annotated[
        Path | None,
        typer.Option(
            help="Run folder whose target, encoder and kind of head are taken.", show_default="a linear head"
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Target to look at.", show_default="the only one")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Encoder whose embeddings are taken.", show_default="the one the data set is embedded with"),
    ] = None,
    people: Annotated[
        int | None,
        typer.Option(
            min=1, help="Read shares as those of so many people an image.",
            show_default="shares without a number of people are not checked",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, help="Images, and answers, to keep in the table, beyond chance or not.")
    ] = 100,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the page and the table.", show_default="DATASET-audit beside the data set"),
    ] = None,
    queue: Annotated[
        int | None,
        typer.Option(
            min=1, help="Queue so many images for people, with as many controls, in random order.", show_default="none"
        ),
    ] = None,
    more: Annotated[int, typer.Option(min=1, help="With --queue: at least so many more people answer each image.")] = 1,
    db: Annotated[
        str | None,
        typer.Option(
            "--db", envvar="AFFECTML_LABELS", help="With --queue: the labelling task's database.",
            show_default="DATASET-labels.db beside the data set",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of the folds and of the queue's order.")] = 0,
    json: Json = False,
) -> None:  # fmt: skip
    """List what deserves a second look: copies, odd answers, people, labels, files and small groups."""
    there(datasets=[dataset], runs=[] if run is None else [run])
    from affectml._files import try_folder
    from affectml.auditing import CHECKS, audit_dataset, queue_audit, write_audit
    from affectml.cli._labels_task import open_task
    from affectml.cli._print import print_json, print_table
    from affectml.data import Dataset
    from affectml.people.labelling import queued_words
    from affectml.runs import RunFolder

    folder = out if out is not None else dataset.resolve().with_name(f"{dataset.resolve().name}-audit")
    try_folder(folder)
    if queue is not None:
        open_task(db or str(dataset)).close()  # before minutes of work, not after
    found = audit_dataset(
        Dataset.open(dataset), None if run is None else RunFolder.open(run), target=target, encoder=encoder,
        people=people, queues=folder, top=top, seed=seed, say=_say,
    )  # fmt: skip
    files = write_audit(found, folder)
    queued = None
    if queue is not None:
        with open_task(db or str(dataset)) as store:
            queued = queue_audit(found, store, folder, count=queue, more=more, seed=seed)
    if json:
        told = {"files": [str(file) for file in files]} | ({} if queued is None else {"queue": str(queued.file)})
        print_json(found.to_json() | told)
        return
    for check, title in CHECKS.items():
        rows = found.listed[found.listed["check"] == check].astype(object)
        rows = rows.where(rows.notna(), "")
        named = [n for n in ("image_id", "other_id", "annotator_id", "label", "group") if (rows[n] != "").any()]
        if len(rows):
            shown = rows.head(SHOWN)[["rank", *named, "evidence"]].to_numpy()
            print_table(f"{title} ({len(rows):,})", ("rank", *named, "evidence"), shown, numbers=False)
    print(found.summary())
    for line in () if found.again is None else found.again.lines:
        print(f"asked again: {line}")
    print(f"page: {files[0]}")
    if queued is not None:
        listed = int((queued.table["role"] == "listed").sum())
        asked = "" if listed == queue else f" ({queue:,} were asked for)"
        print(
            f"queued, to be shown first: the {listed:,} most surprising images{asked} and "
            f"{len(queued.table) - listed:,} controls; which is which is in {queued.file}"
        )
        print(f"  {queued_words(len(queued.table), queued.raised, more)}")
