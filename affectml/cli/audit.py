"""audit: the command around `affectml.auditing`."""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from affectml._options import MOST_SEED, Argument, Help
from affectml.cli._command import Json, say, there
from affectml.cli._print import print_json, print_table

SHOWN = 10  # rows of a check on the screen; the files have all


def audit(
    dataset: Annotated[Path, Argument("Data set folder.")],
    run: Annotated[
        Path | None, Help("Run folder whose target, encoder and kind of head are taken.", default="a linear head")
    ] = None,
    target: Annotated[str | None, Help("Target to look at.", default="the only one")] = None,
    encoder: Annotated[
        str | None, Help("Encoder whose embeddings are taken.", default="the one the data set is embedded with")
    ] = None,
    people: Annotated[
        int | None,
        Ge(1),
        Help(
            "Read shares as those of so many people an image.",
            default="shares without a number of people are not checked",
        ),
    ] = None,
    top: Annotated[int, Ge(1), Help("Images, and answers, to keep in the table, beyond chance or not.")] = 100,
    out: Annotated[
        Path | None, Help("Folder for the page and the table.", default="DATASET-audit beside the data set")
    ] = None,
    queue: Annotated[
        int | None,
        Ge(1),
        Help("Queue so many images for people, with as many controls, in random order.", default="none"),
    ] = None,
    more: Annotated[int, Ge(1), Help("With --queue: at least so many more people answer each image.")] = 1,
    db: Annotated[
        str | None,
        Help(
            "With --queue: the labelling task's database.",
            default="DATASET-labels.db beside the data set",
            env="AFFECTML_LABELS",
        ),
    ] = None,
    seed: Annotated[int, Ge(0), Help("Seed of the folds and of the queue's order.", most=MOST_SEED)] = 0,
    json: Json = False,
) -> None:
    """List what deserves a second look: copies, odd answers, people, labels, files and small groups."""
    there(datasets=[dataset], runs=[] if run is None else [run])
    from affectml._files import try_folder
    from affectml.auditing import CHECKS, audit_dataset, queue_audit, write_audit
    from affectml.cli._labels_task import open_task
    from affectml.data import Dataset
    from affectml.people.labelling import queued_words
    from affectml.runs import RunFolder

    folder = out if out is not None else dataset.resolve().with_name(f"{dataset.resolve().name}-audit")
    try_folder(folder)
    if queue is not None:
        open_task(db or str(dataset)).close()  # before minutes of work, not after
    found = audit_dataset(
        Dataset.open(dataset), None if run is None else RunFolder.open(run), target=target, encoder=encoder,
        people=people, queues=folder, top=top, seed=seed, say=say,
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
