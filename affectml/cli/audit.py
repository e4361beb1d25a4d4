"""audit: the command around `affectml.audit`, and around `labels check` for a label database."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from annotated_types import Ge

from affectml._options import MOST_SEED, Argument, Help, options_of
from affectml.cli import labels
from affectml.cli._command import Json, say, there
from affectml.cli._print import print_json, show
from affectml.errors import BadInput, spelled

SHOWN = 10  # rows of a check on the screen; the files have all


@dataclass(frozen=True)
class Look:
    """Options of a whole audit; `--files` takes none of them."""

    run: Annotated[
        Path | None, Help("Run folder to take target, encoder and kind of head from.", default="a linear head")
    ] = None
    target: Annotated[str | None, Help("Target to look at.", default="the only one")] = None
    encoder: Annotated[
        str | None, Help("Encoder whose embeddings to use.", default="the one the data set is embedded with")
    ] = None
    people: Annotated[
        int | None,
        Ge(1),
        Help(
            "How many people stand behind an image's shares.",
            default="shares without a number of people are not checked",
        ),
    ] = None
    top: Annotated[int, Ge(1), Help("How many images and answers to keep in the table, beyond chance or not.")] = 100
    out: Annotated[
        Path | None, Help("Folder for the page and the table.", default="DATASET-audit beside the data set")
    ] = None
    write_groups: Annotated[
        bool,
        Help("Write copies as groups into images.parquet, so that no new split separates them; the old file is kept."),
    ] = False
    queue: Annotated[
        int | None,
        Ge(1),
        Help("Queue this many images for people, and as many controls, in random order.", default="none"),
    ] = None
    more: Annotated[int, Ge(1), Help("With --queue: at least this many more people answer each image.")] = 1
    db: Annotated[
        str | None,
        Help(
            "With --queue: the labelling task's database.",
            default="DATASET-labels.db beside the data set",
            env="AFFECTML_LABELS",
        ),
    ] = None
    seed: Annotated[int, Ge(0), Help("Seed of the folds and of the queue's order.", most=MOST_SEED)] = 0


def audit(
    place: Annotated[
        str,
        Argument("A data set; with --files also a run, a store of embeddings, a label database or a backup."),
    ],
    files: Annotated[
        bool, Help("Only check that files keep what they promise; exit code 1 if not. Nothing is written.")
    ] = False,
    *,
    look: Look,
    json: Json = False,
) -> None:
    """List what deserves a second look: copies, odd answers, people, labels, files and small groups."""
    if files:
        _files(place, look, json)
    else:
        _audit(Path(place), look, json)


def _files(place: str, look: Look, json: bool) -> None:
    from affectml.auditing import audit_files
    from affectml_annotation.store.label_store import is_database

    fixed = {each.name: (each.default, os.environ.get(each.help.env or "")) for each in options_of(Look)}
    if given := [spelled(name) for name, values in fixed.items() if getattr(look, name) not in values]:
        raise BadInput(f"{', '.join(given)}: not with --files, which looks at files alone: leave one of them out")
    if is_database(place):
        labels.check(place, json=json)
    found = audit_files(place)
    wrong = [each for each in found if each.wrong]
    if json:
        print_json({"place": place, "promises": [asdict(each) for each in found]})
    else:
        for each in found:
            print(f"{'WRONG' if each.wrong else 'kept '}  {each.promise}", *each.wrong, sep="\n         ")
        print(f"{place}: {len(found) - len(wrong)} of {len(found)} promises are kept")
    raise typer.Exit(1 if wrong else 0)


def _audit(place: Path, look: Look, json: bool) -> None:
    there(datasets=[place], runs=[] if look.run is None else [look.run])
    import affectml
    from affectml._files import try_folder
    from affectml.auditing import listed_tables, queue_audit, write_audit
    from affectml.cli._labels_task import open_task
    from affectml.people.labelling import queued_words

    folder = look.out if look.out is not None else place.resolve().with_name(f"{place.resolve().name}-audit")
    try_folder(folder)
    if look.queue is not None:
        open_task(look.db or str(place)).close()  # before minutes of work, not after
    found = affectml.audit(
        place, look.run, target=look.target, encoder=look.encoder, people=look.people, queues=folder, top=look.top,
        seed=look.seed, say=say,
    )  # fmt: skip
    files = write_audit(found, folder)
    queued = None
    if look.queue is not None:
        with open_task(look.db or str(place)) as store:
            queued = queue_audit(found, store, folder, count=look.queue, more=look.more, seed=look.seed)
    kept = found.write_groups() if look.write_groups else None
    if json:
        told = {"files": [str(file) for file in files]} | ({} if queued is None else {"queue": str(queued.file)})
        print_json(found.to_json() | told | ({"kept": kept and str(kept)} if look.write_groups else {}))
        return
    for _, table in listed_tables(found, SHOWN):
        show(table, numbers=False)
    print(found.summary())
    for line in () if found.again is None else found.again.lines:
        print(f"asked again: {line}")
    print(f"page: {files[0]}")
    if queued is not None:
        listed = int((queued.table["role"] == "listed").sum())
        asked = "" if listed == look.queue else f" ({look.queue:,} were asked for)"
        print(
            f"queued, to be shown first: the {listed:,} most surprising images{asked} and "
            f"{len(queued.table) - listed:,} controls; which is which is in {queued.file}"
        )
        print(f"  {queued_words(len(queued.table), queued.raised, look.more)}")
    if look.write_groups:
        words = "no copies, or all in groups already"
        if kept is not None:
            words = f"groups of copies written; the old file is {kept}"
        print(f"{place / 'images.parquet'}: {words}")
