"""affectml label: set a labelling task up, hand images out, watch agreement, bring judgements in and out.

Each command parses, calls `affectml_annotation` and prints.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from annotated_types import Ge

from affectml._options import MOST_SEED, Argument, Help
from affectml.cli._command import App, Json, command_of
from affectml.cli._print import print_json
from affectml.cli.pages import Address, Labelling, Port, start_page
from affectml.errors import BadInput, spelled

if TYPE_CHECKING:
    from affectml.cli._labels_task import Source as Given
    from affectml_annotation import LabelStore

app = App(
    invoke_without_command=True,
    help="Label images with several people: alone it opens the page in the browser; its commands set a task up, "
    "compare what people said, and make targets of it.",
)
remove = App(no_args_is_help=True, help="Take people off the list, out of what counts, or out of everything.")
app.add_typer(remove, name="remove")

ONLY = "the only one under this folder"
DB_HELP = "The task's database: a file, postgresql://USER@HOST/NAME, or its data set's folder."
Db = Annotated[str | None, Help(DB_HELP, default=ONLY, env="AFFECTML_LABELS")]
NewDb = Annotated[
    str | None,
    Help(
        "The task's database: a file, or postgresql://USER@HOST/NAME.",
        default="DATASET-labels.db beside the folder",
        env="AFFECTML_LABELS",
    ),
]
Source = Annotated[
    str | None,
    Argument(
        "A label database, a data set folder (the judgements in it), or a file of judgements.",
        default=f"the database: {ONLY}",
    ),
]
SourceDb = Annotated[str | None, Help(DB_HELP, default=ONLY)]
Empty = Annotated[
    str | None,
    Help(
        "What a row of a file without labels and without a kind is: none (no label applies) or skip (no answer).",
        default="an error",
    ),
]
Replace = Annotated[bool, Help("Write over what is there; the old file is kept beside the new one.")]
TaskFile = Annotated[
    Path | None,
    Help(
        "The task's file, as `label show` writes it; what it leaves out has its default, or stays as it is.",
        default="none",
    ),
]
Rounds = Annotated[str, Help("Which of a person's answers to an image counts: first, last, or a round's number.")]


@app.callback()
@command_of
def label(context: typer.Context, asked: Labelling, address: Address = "127.0.0.1", port: Port = 8501) -> None:
    """Start the page, unless a command of `label` is called."""
    if context.invoked_subcommand is None:
        start_page("relabel", asked, address=address, port=port)
        return
    sources = {name: context.get_parameter_source(name) for name in context.params}
    if given := [
        spelled(name) for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"
    ]:
        word = context.invoked_subcommand
        raise BadInput(f"{', '.join(given)}: `label {word}` opens no page; leave it out, or put it behind {word}")


@app.command()
def init(
    dataset: Annotated[Path, Argument("Data set folder whose images are to be labelled.")],
    db: NewDb = None,
    taxonomy: Annotated[
        str | None, Help("A built-in taxonomy or a YAML file.", default="that of the data set's target")
    ] = None,
    target: Annotated[str | None, Help("Target whose labels people choose from.")] = None,
    construct: Annotated[
        str | None,
        Help("What the answers are about: evoked, expressed or intended.", default="the target's, or evoked"),
    ] = None,
    question: Annotated[
        str | None, Help("What people are asked, word for word.", default="the target's, or by the construct")
    ] = None,
    overlap: Annotated[int | None, Ge(1), Help("How many people answer each image.", default="3")] = None,
    file: TaskFile = None,
    invite: Annotated[Sequence[str] | None, Help("Annotators to invite.")] = None,
    seed: Annotated[
        int | None, Ge(0), Help("Of every random choice; same seed, same order.", default="0", most=MOST_SEED)
    ] = None,
    json: Json = False,
) -> None:
    """Set up a task in which people label a data set's images. An option goes before the file."""
    from affectml.cli._labels_task import new_database, to_show
    from affectml.data import Dataset
    from affectml.people.labelling import make_task, task_file
    from affectml_annotation import LabelStore

    opened = Dataset.open(dataset)
    where = new_database(db, opened)
    given = _given(target=target, construct=construct, question=question, overlap=overlap, seed=seed)
    task, images = make_task(opened, *task_file(file, taxonomy, **given))
    images, said = to_show(opened, images)
    with LabelStore(where) as store:
        store.init_task(task, images, dataset=opened.root)
        store.invite(invite or [])
        _show_status(store, json)
    if said:
        typer.echo(said, err=True)


@app.command()
def show(
    db: Db = None,
    out: Annotated[Path | None, Help("Write it to this file.", default="print it")] = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Show the task's file, with every key and what it means; `label assign --file` makes the next version of it."""
    from affectml.cli._labels_task import open_task
    from affectml_annotation.exchange.files import make_way, write_text
    from affectml_annotation.study.folder import as_yaml

    with open_task(db, to_read=True) as store:
        task = store.task
    if json:
        print_json(task.model_dump(mode="json", by_alias=True))
        return
    text = "\n".join(as_yaml(task))
    if out is None:
        typer.echo(text)
        return
    make_way(out, replace=replace)
    write_text(out, text + "\n")
    typer.echo(f"wrote {out}")


@app.command()
def status(db: Db = None, json: Json = False) -> None:
    """Show how far the task is, how fast it goes, and how long it will take."""
    from affectml.cli._labels_task import open_task

    with open_task(db, to_read=True) as store:
        _show_status(store, json)


@app.command()
def agreement(
    source: Source = None,
    db: SourceDb = None,
    rounds: Rounds = "first",
    by: Annotated[
        str | None,
        Help("Compare groups of answers: by language, or by an attribute of the annotators.", default="none"),
    ] = None,
    seed: Annotated[int, Ge(0), Help("Seed of the permutations of --by.", most=MOST_SEED)] = 0,
    empty: Empty = None,
    json: Json = False,
) -> None:
    """Show how well people agree: on sets, on each label, person by person, group by group."""
    from affectml.cli._labels_print import show_agreement
    from affectml.cli._labels_task import open_source
    from affectml_annotation.agreement import agreement_report

    given = open_source(source, _one_of(source, db), empty)
    judgements, column = (given.judgements, None) if by is None else given.grouped(by)
    _say_first(given)
    report = agreement_report(
        judgements, given.labels, rounds=_rounds(rounds), seed=seed,
        checks=given.checks, repeats=given.repeats, by=column,
    )  # fmt: skip
    show_agreement(given.where, report, json)


@app.command()
def aggregate(
    source: Source = None,
    db: SourceDb = None,
    method: Annotated[
        str,
        Help(
            "votes, shares, smoothed, weighted; one_choice, one_choice_smoothed, set_split, normalised; "
            "posterior, majority, quorum, minimum_votes; mode (docs/labelling.md)."
        ),
    ] = "votes",
    tau: Annotated[float, Help("With posterior: the lowest rate at which a label belongs to the set.")] = 1 / 3,
    share: Annotated[float, Help("With quorum: the share of people who must choose a label.")] = 0.5,
    votes: Annotated[int, Help("With minimum_votes: how many people must choose a label.")] = 2,
    minimum_people: Annotated[int, Ge(1), Help("Leave out images with fewer answers.")] = 1,
    rounds: Rounds = "first",
    out: Annotated[Path | None, Help("Parquet file for the result.", default="print a summary only")] = None,
    empty: Empty = None,
    target: Annotated[
        str | None, Help("Make this target of the data set anew, with --replace.", default="print a summary only")
    ] = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Make a target from the judgements, and show it."""
    from affectml.cli._labels_print import show_aggregate
    from affectml.cli._labels_task import open_source
    from affectml.data import Dataset
    from affectml_annotation import aggregate as aggregate_judgements
    from affectml_annotation.exchange.dataset_folder import make_target_again, write_target

    if target is not None and not replace:
        raise BadInput(f"--target {target}: it is written over, and the old one kept beside it; say so: --replace")
    if target is not None and (tau, share, votes, minimum_people) != (1 / 3, 0.5, 2, 1):
        raise BadInput("--target goes by the method's own --tau, --share, --votes and --minimum-people: leave them out")
    given = open_source(source, _one_of(source, db), empty)
    labels = given.labels if target is None else Dataset.open(given.where).target(target).taxonomy.labels
    make = partial(
        aggregate_judgements, labels=labels, method=method, tau=tau, share=share, votes=votes,  # type: ignore[arg-type]
        minimum_people=minimum_people, weights="agreement" if method == "weighted" else None, rounds=_rounds(rounds),
    )  # fmt: skip
    _say_first(given)
    made = make(given.judgements)
    if not len(made.image_id):
        raise BadInput(f"{given.where}: no answers to aggregate (rounds: {rounds})")
    if out is not None:
        write_target(out, made, replace=replace)
    if target is not None:
        make_target_again(given.where, target, make)
    show_aggregate(given.where, made, out, json)


@app.command()
def export(
    to: Annotated[
        Path | None,
        Help("Data set folder, or a file: .parquet, .csv, .jsonl, .json.", default="the data set that is labelled"),
    ] = None,
    db: Db = None,
    format_: Annotated[str | None, Help("dataset, table or label-studio.", default="by the path")] = None,
    target: Annotated[str, Help("Name of the data set's new target.")] = "labels",
    method: Annotated[str, Help("How the target is made: a method of `label aggregate`.")] = "votes",
    images: Annotated[Path | None, Help("Folder of the image files, for a new data set.", default="none")] = None,
    rounds: Rounds = "first",
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Add the judgements to a data set, ready for `affectml train --multilabel`, or write them to a file.

    What the data set has stays; the new target counts all its judgements.
    """
    from affectml.cli._labels_print import show_export
    from affectml.cli._labels_task import export_store, open_task, own_dataset

    with open_task(db, to_read=True) as store:
        to = own_dataset(store) if to is None else to
        told = export_store(
            store, to, kind=format_, target=target, method=method, rounds=_rounds(rounds), images=images,
            replace=replace,
        )  # fmt: skip
    show_export(told, json)


@remove.command()
def erase(
    dataset: Annotated[Path, Argument("Data set folder with the judgements.")],
    people: Annotated[tuple[str, ...], Argument("Whom to erase.", metavar="NAME...")],
    runs: Annotated[
        tuple[Path, ...],
        Help(
            "Look for runs' people files here too, at any depth; may be given several times.",
            default="beside the data set, here, and in runs/ of both",
            metavar="FOLDER",
        ),
    ] = (),
    db: NewDb = None,
    json: Json = False,
) -> None:
    """Erase people who asked for it from a data set, its label database and runs by person.

    This is for good: answers, attributes, thresholds and tastes go, also from old files that were kept.
    """
    from affectml.people.erasing import erase_people

    done = erase_people(dataset, people, runs=runs, db=db)
    if json:
        print_json({"dataset": str(dataset), **done.to_json()})
        return
    typer.echo("\n".join(done.told(dataset, people)))


People = Annotated[tuple[str, ...], Argument("Who, by the names they label under.", metavar="NAME...")]


@remove.command()
def uninvite(people: People, db: Db = None, json: Json = False) -> None:
    """Take people off the list: an invitation that nobody used is removed.

    Whoever has answered keeps their answers, which count, and their entry is closed; inviting them again opens it.
    """
    from affectml.cli._labels_task import open_task

    with open_task(db) as store:
        closed = store.uninvite(people)
        where = store.database.where
    removed = [who for who in dict.fromkeys(people) if who not in closed]
    if json:
        print_json({"db": where, "removed": removed, "closed": closed})
        return
    if removed:
        typer.echo(f"{', '.join(removed)}: the invitation is removed from {where}")
    if closed:
        typer.echo(f"{', '.join(closed)}: their entry is closed; their answers stay and count")


@remove.command()
def withdraw(
    people: People,
    db: Db = None,
    undo: Annotated[bool, Help("Take their withdrawal back: their answers count again.")] = False,
    json: Json = False,
) -> None:
    """Withdraw people who asked for it from the task: none of their answers is counted or exported.

    It is final after a week; until then --undo takes it back.
    """
    from affectml.cli._labels_task import open_task

    with open_task(db) as store:
        (store.undo_withdrawal if undo else store.withdraw)(*people)
        where = store.database.where
    if json:
        print_json({"db": where, "back" if undo else "withdrawn": people})
        return
    if undo:
        typer.echo(f"{', '.join(people)}: back in {where}; their answers count again")
        return
    typer.echo(f"{', '.join(people)}: withdrawn from {where}; none of their answers is counted or exported")
    typer.echo("  for a week `affectml label remove withdraw --undo NAME ...` takes it back; then it is final")
    typer.echo("  a data set that has them already keeps them, and so do runs by person on it:")
    typer.echo("  `affectml label remove erase DATASET NAME ...` takes them out")


@app.command("import")
def import_(
    file: Annotated[Path, Argument("File or folder of judgements.")],
    db: Db = None,
    format_: Annotated[str | None, Help("table, label-studio or dataset.", default="by the path")] = None,
    map_: Annotated[tuple[str, ...], Help("Rename a column; may be repeated.", metavar="THEIRS=OURS")] = (),
    encoding: Annotated[str, Help("Encoding of CSV and JSON lines.")] = "utf-8",
    delimiter: Annotated[str, Help("What joins the labels in a cell of CSV.")] = "|",
    empty: Empty = None,
    invite: Annotated[bool, Help("Invite the people in the file who are not invited yet.")] = False,
    json: Json = False,
) -> None:
    """Add a file of judgements to the task: all of it, or nothing, with every bad row named."""
    from affectml.cli._labels_task import named_image, open_task

    for pair in map_:
        if "=" not in pair:
            raise typer.BadParameter(f"expected THEIRS=OURS, but received {pair!r}", param_hint="--map")
    rename = dict(pair.split("=", 1) for pair in map_)
    with open_task(db) as store:
        rows = store.import_file(
            file, invite=invite, image_of=named_image(store, file), format=format_, rename=rename, encoding=encoding,
            delimiter=delimiter, empty=empty,
        )  # fmt: skip
        where = store.database.where
    if json:
        print_json({"rows": rows, "db": where})
    else:
        typer.echo(f"{rows} judgements imported from {file} into {where}")


@app.command()
def assign(
    db: Db = None,
    invite: Annotated[Sequence[str] | None, Help("Annotators to invite.")] = None,
    queue: Annotated[
        Path | None,
        Help(
            "Images to show first: a text file of ids; or those that a model is least sure of: a run folder, or "
            "the table that `affectml predict --out` wrote."
        ),
    ] = None,
    top: Annotated[int, Ge(1), Help("How many images of the run, or of those in dispute, to queue.")] = 100,
    disagreement: Annotated[bool, Help("Queue the images that people disagree about most.")] = False,
    more: Annotated[
        int | None, Ge(1), Help("At least so many more people answer each queued image.", default="none")
    ] = None,
    overlap: Annotated[
        int | None, Ge(1), Help("How many people answer each image from now on.", default="unchanged")
    ] = None,
    file: TaskFile = None,
    lower: Annotated[
        bool, Help("With --more or --overlap: also lower the number of people where more were planned.")
    ] = False,
    release: Annotated[bool, Help("Take back images whose time is up, at once.")] = False,
    json: Json = False,
) -> None:
    """Decide who sees what: invite people, queue images, change the overlap, or all that the task's file says."""
    from affectml.cli._labels_task import images_to_queue, open_task
    from affectml.people.labelling import fitted, queued_words, task_file
    from affectml_annotation.store.versions import newest
    from affectml_annotation.study.file import changed_keys

    with open_task(db) as store:
        if lower and overlap is None and more is None:
            raise BadInput("--lower says how --more or --overlap is meant: give one of them too")
        last = store.database.reading(newest)
        before = last.file
        said = None if file is None else fitted(task_file(file)[0], before, file.parent)
        people = None if more else overlap or before.overlap
        asked = queue is not None or disagreement
        queued = images_to_queue(store, queue, top, people=people) if asked else []
        raised = store.steer(
            invite=invite or [],
            file=said,
            changes=_given(overlap=overlap),
            queue=queued,
            more=more,
            lower=lower,
            since=None if said is None else last.number,
        )
        if keys := changed_keys(before, store.task):
            typer.echo(f"the task's file has a new version: {', '.join(keys)}", err=True)
        if asked:
            words = queued_words(len(queued), raised, None if lower else more)
            typer.echo(f"queued, to be shown first: {words}", err=True)
        if release:
            store.release_expired()
        _show_status(store, json)


@app.command()
def attention(
    db: Db = None,
    add: Annotated[
        Path | None, Help("CSV of checks: image_id, accepted, forbidden (labels joined by |).", default="none")
    ] = None,
    json: Json = False,
) -> None:
    """Show how people did on attention checks and repeats; --add makes images attention checks."""
    from affectml.cli._labels_print import show_attention
    from affectml.cli._labels_task import named_database, open_source, open_task, read_checks
    from affectml_annotation import annotator_report

    where = named_database(db)
    if add is not None:
        with open_task(where) as store:
            store.add_checks(read_checks(add))
    given = open_source(None, where)
    report = annotator_report(given.judgements, given.labels, checks=given.checks, repeats=given.repeats)
    show_attention(given.where, report, given.checks, json)


@app.command()
def backup(
    source: Annotated[str, Argument(f"{DB_HELP} With --restore: a file that `label backup` wrote.")],
    out: Annotated[
        str | None,
        Argument(
            "The backup's file. With --restore: the database to make, a file that nobody has open or "
            "postgresql://USER@HOST/NAME without a task.",
            default="one more in the folder of the task's schedule",
        ),
    ] = None,
    restore: Annotated[
        bool, Help("Make a database from a backup, on SQLite or PostgreSQL, whichever it came from.")
    ] = False,
    erased: Annotated[
        tuple[str, ...],
        Help(
            "With --restore: another database or backup of the task, which knows who was erased since; may be given "
            "several times.",
            default="what is replaced or lies near, and their backups",
            metavar="DB",
        ),
    ] = (),
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Write all of a task to one file while people label, and read it again to be sure; nobody waits.

    A copy of the database's file is not a backup: the latest answers are in another file beside it. A database that is
    restored is without the people who were erased since the backup was made.
    """
    from affectml.cli._labels_print import show_backup, show_restored
    from affectml.cli._labels_task import open_task, watching
    from affectml_annotation.store import backup as backups
    from affectml_annotation.store.keeping import keep_backup

    if restore:
        if out is None:
            raise BadInput("--restore: name the database to make, behind the backup")
        with watching("restoring"):
            restored = backups.restore(source, out, erased=erased, replace=replace)
        show_restored(restored, json)
        return
    if erased:
        raise BadInput("--erased: belongs to --restore")
    with open_task(source, to_read=True) as store, watching("backing up"):
        made = keep_backup(store) if out is None else backups.write_backup(store, Path(out), replace=replace)
    if made is not None:
        show_backup(made, json)


def check(database: str, json: bool) -> None:
    """Check that a label database or a backup is sound, also while people label; exit code 1 if not."""
    from affectml.cli._labels_print import show_check
    from affectml.cli._labels_task import named_database, watching
    from affectml_annotation import LabelStore
    from affectml_annotation.store.checking import check_store

    with LabelStore(named_database(database), must_exist=True, reads_only=True) as store:
        with watching("checking"):
            broken = check_store(store)
        show_check(store.database.where, broken, json)
    raise typer.Exit(1 if broken else 0)


def _one_of(source: str | None, db: str | None) -> str | None:
    if source is not None and db is not None:
        raise typer.BadParameter(f"names {db}, and SOURCE names {source}; give one of them", param_hint="--db")
    return db


def _given(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if value is not None}


def _say_first(given: "Given") -> None:
    """What whoever reads rates and agreement of these judgements has to know."""
    from affectml_annotation import pooled_words

    for words in (given.stopped, pooled_words(given.judgements, given.where)):
        if words:
            typer.echo(words, err=True)


def _rounds(text: str) -> Any:
    return int(text) if text.isdecimal() else text


def _show_status(store: "LabelStore", json: bool) -> None:
    from affectml.cli._labels_print import show_status

    show_status(store, json)
