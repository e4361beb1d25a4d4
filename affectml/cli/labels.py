"""affectml labels: set a labelling task up, hand images out, watch agreement, bring judgements in and out.

Each command parses, calls `affectml_annotation` and prints.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectml._options import MOST_SEED
from affectml.cli.runs import Json

if TYPE_CHECKING:
    import pandas as pd

    from affectml_annotation import LabelStore

app = typer.Typer(
    no_args_is_help=True, help="Collect the judgements of several people, compare them, and make targets of them."
)

ONLY = "the only one under this folder"
DB_HELP = "The task's database: a file, postgresql://USER@HOST/NAME, or its data set's folder."
Db = Annotated[str | None, typer.Option("--db", envvar="AFFECTML_LABELS", help=DB_HELP, show_default=ONLY)]
NewDb = Annotated[
    str | None,
    typer.Option(
        "--db", envvar="AFFECTML_LABELS", help="The task's database: a file, or postgresql://USER@HOST/NAME.",
        show_default="DATASET-labels.db beside the folder",
    ),
]  # fmt: skip
Source = Annotated[
    str | None,
    typer.Argument(
        help="A label database, a data set folder (the judgements in it), or a file of judgements.",
        show_default=f"the database: {ONLY}",
    ),
]
SourceDb = Annotated[str | None, typer.Option("--db", help=DB_HELP, show_default=ONLY)]
Empty = Annotated[
    str | None,
    typer.Option(
        help="What a row of a file without labels and without a kind is: none (no label applies) or skip (no answer).",
        show_default="an error",
    ),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Write over what is there; the old file is kept beside the new one.")
]
Rounds = Annotated[
    str, typer.Option(help="Which of a person's answers to an image counts: first, last, or a round's number.")
]


@app.command()
def init(
    dataset: Annotated[Path, typer.Argument(help="Data set folder whose images are to be labelled.")],
    db: NewDb = None,
    taxonomy: Annotated[
        str | None,
        typer.Option(help="A built-in taxonomy or a YAML file.", show_default="that of the data set's target"),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Target whose labels people choose from.")] = None,
    construct: Annotated[
        str | None,
        typer.Option(
            help="What the answers are about: evoked, expressed or intended.", show_default="the target's, or evoked"
        ),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(help="What people are asked, word for word.", show_default="the target's, or by the construct"),
    ] = None,
    overlap: Annotated[int, typer.Option(min=1, help="How many people answer each image.")] = 3,
    strategy: Annotated[
        str, typer.Option(help="Order of images: random, fill, stratified, priority or queue.")
    ] = "random",
    stratum: Annotated[
        str | None,
        typer.Option(help="With the order stratified: the column of images.parquet to go by.", show_default="none"),
    ] = None,
    lease: Annotated[
        float, typer.Option(help="Minutes after which an image that somebody holds goes to others.")
    ] = 15.0,
    check_rate: Annotated[float, typer.Option(help="Share of attention checks among what a person sees.")] = 0.0,
    repeat_rate: Annotated[float, typer.Option(help="Share of images that a person sees a second time.")] = 0.0,
    invite: Annotated[str, typer.Option(metavar="A,B,...", help="Annotators to invite.")] = "",
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of every random choice; same seed, same order.")] = 0,
    json: Json = False,
) -> None:
    """Set up a task in which people label a data set's images."""
    from affectml.cli._labels_task import new_database, to_show
    from affectml.data import Dataset
    from affectml.people.labelling import make_task
    from affectml_annotation import LabelStore

    opened = Dataset.open(dataset)
    where = new_database(db, opened)
    settings, images = make_task(
        opened, taxonomy=taxonomy, target=target, construct=construct, question=question, stratum=stratum,
        overlap=overlap, strategy=strategy, lease_seconds=lease * 60, check_rate=check_rate, repeat_rate=repeat_rate,
        seed=seed,
    )  # fmt: skip
    images, said = to_show(opened, images)
    with LabelStore(where) as store:
        store.init_task(settings, images, dataset=opened.root)
        store.invite(_names(invite))
        _show_status(store, json)
    if said:
        typer.echo(said, err=True)


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
        str | None, typer.Option(help="Attribute of the annotators; groups of it are compared.", show_default="none")
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates for the intervals; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of the replicates.")] = 0,
    empty: Empty = None,
    json: Json = False,
) -> None:
    """Show how well people agree: on sets, on each label, person by person, group by group."""
    from affectml.cli._labels_print import show_agreement
    from affectml.cli._labels_task import open_source
    from affectml_annotation.agreement.report import agreement_report

    given = open_source(source, _one_of(source, db), empty)
    report = agreement_report(
        given.judgements, given.labels, rounds=_rounds(rounds), bootstrap=bootstrap, seed=seed,
        checks=given.checks, repeats=given.repeats, attribute=given.attribute(by),
    )  # fmt: skip
    show_agreement(given.where, report, json)


@app.command()
def aggregate(
    source: Source = None,
    db: SourceDb = None,
    method: Annotated[
        str,
        typer.Option(
            help="votes, shares, smoothed, weighted; one_choice, one_choice_smoothed, set_split, normalised; "
            "posterior, majority, quorum, minimum_votes; mode; dawid_skene, mace (docs/annotation.md)."
        ),
    ] = "votes",
    tau: Annotated[float, typer.Option(help="With posterior: the lowest rate at which a label belongs to the set.")] = 1
    / 3,
    share: Annotated[float, typer.Option(help="With quorum: the share of people who must choose a label.")] = 0.5,
    votes: Annotated[int, typer.Option(help="With minimum_votes: how many people must choose a label.")] = 2,
    minimum_people: Annotated[int, typer.Option(min=1, help="Leave out images with fewer answers.")] = 1,
    rounds: Rounds = "first",
    out: Annotated[
        Path | None, typer.Option(help="Parquet file for the result.", show_default="print a summary only")
    ] = None,
    empty: Empty = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Make this target of the data set anew, with --replace.", show_default="print a summary only"
        ),
    ] = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Make a target of the judgements, and show what it holds."""
    from functools import partial

    from affectml.cli._labels_print import show_aggregate
    from affectml.cli._labels_task import open_source
    from affectml.data import Dataset
    from affectml.errors import BadInput
    from affectml_annotation import aggregate as aggregate_judgements
    from affectml_annotation.exchange.dataset_folder import make_target_again
    from affectml_annotation.exchange.targets import write_target

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
        typer.Option(
            "--to",
            help="Data set folder, or a file: .parquet, .csv, .jsonl, .json.",
            show_default="the data set that is labelled",
        ),
    ] = None,
    db: Db = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="dataset, table, label-studio or hugging-face.", show_default="by the path"),
    ] = None,
    target: Annotated[str, typer.Option(help="Name of the data set's new target.")] = "labels",
    method: Annotated[str, typer.Option(help="How the target is made: a method of `labels aggregate`.")] = "votes",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the image files, for a new data set.", show_default="none")
    ] = None,
    rounds: Rounds = "first",
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Add the judgements to a data set, ready for `affectml train --multilabel`, or write them to a file.

    What the data set has stays; the new target counts all the judgements that it then has.
    """
    from affectml.cli._labels_print import show_export
    from affectml.cli._labels_task import Export, export_store, open_task, own_dataset

    with open_task(db, to_read=True) as store:
        to = own_dataset(store) if to is None else to
        told = export_store(store, Export(to, format_, target, method, images, _rounds(rounds), replace))
    show_export(told, json)


@app.command()
def erase(
    dataset: Annotated[Path, typer.Argument(help="Data set folder with the judgements.")],
    people: Annotated[list[str], typer.Argument(metavar="NAME...", help="Who is to be taken out.")],
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Look for runs' people files here too, at any depth; may be given several times.",
            show_default="beside the data set, here, and in runs/ of both",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Take people who asked for it out of a data set, and of what runs by person on it know of them; for good.

    Their judgements and attributes, thresholds and tastes go, kept old files included.
    """
    from affectml.cli._labels_print import show_erased
    from affectml.cli._print import print_json
    from affectml.people.erasing import erase_people

    done = erase_people(dataset, people, runs=runs or ())
    if json:
        print_json({"dataset": str(dataset), **done.to_json()})
        return
    show_erased(dataset, people, done)


People = Annotated[list[str], typer.Argument(metavar="NAME...", help="Who, by the names they label under.")]


@app.command()
def uninvite(people: People, db: Db = None, json: Json = False) -> None:
    """Take people off the list: an invitation that nobody used is removed.

    Whoever has answered keeps their answers, which count, and their entry is closed; inviting them again opens it.
    """
    from affectml.cli._labels_task import open_task
    from affectml.cli._print import print_json

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


@app.command()
def withdraw(
    people: People,
    db: Db = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take their withdrawal back: their answers count again.")
    ] = False,
    json: Json = False,
) -> None:
    """Withdraw people who asked for it from the task: none of their answers is counted or exported.

    It is final after a week; until then --undo takes it back, as for somebody who did not mean it, or did not do it.
    """
    from affectml.cli._labels_task import open_task
    from affectml.cli._print import print_json

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
    typer.echo("  for a week `affectml labels withdraw --undo NAME ...` takes it back; then it is final")
    typer.echo("  a data set that has them already keeps them, and so do runs by person on it:")
    typer.echo("  `affectml labels erase DATASET NAME ...` takes them out")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="File or folder of judgements.")],
    db: Db = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="table, label-studio, hugging-face or dataset.", show_default="by the path"),
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="THEIRS=OURS", help="Rename a column; may be repeated.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of CSV and JSONL files.")] = "utf-8-sig",
    delimiter: Annotated[str, typer.Option(help="What joins the labels in a cell of CSV.")] = "|",
    empty: Empty = None,
    invite: Annotated[
        bool, typer.Option("--invite", help="Invite the people in the file who are not invited yet.")
    ] = False,
    json: Json = False,
) -> None:
    """Add a file of judgements to the task: all of it, or nothing, with every bad row named."""
    from affectml.cli._labels_task import named_image, open_task
    from affectml.cli._print import print_json

    for pair in map_ or []:
        if "=" not in pair:
            raise typer.BadParameter(f"expected THEIRS=OURS, but received {pair!r}", param_hint="--map")
    rename = dict(pair.split("=", 1) for pair in map_ or [])
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
    invite: Annotated[str, typer.Option(metavar="A,B,...", help="Annotators to invite.")] = "",
    queue: Annotated[
        Path | None,
        typer.Option(
            help="Images to show first: a text file of ids; or those that a model is least sure of: a run folder, or "
            "the table that `affectml predict --out` wrote."
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, help="How many images of the run, or of those in dispute, to queue.")
    ] = 100,
    disagreement: Annotated[
        bool, typer.Option("--disagreement", help="Queue the images that people disagree about most.")
    ] = False,
    more: Annotated[
        int | None,
        typer.Option(min=1, help="At least so many more people answer each queued image.", show_default="none"),
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(min=1, help="How many people answer each image from now on.", show_default="unchanged")
    ] = None,
    lower: Annotated[
        bool,
        typer.Option(
            "--lower",
            help="With --more or --overlap: images that were to be answered by more people are not any longer.",
        ),
    ] = False,
    strategy: Annotated[str | None, typer.Option(help="Order of images from now on.", show_default="unchanged")] = None,
    release: Annotated[bool, typer.Option("--release", help="Take images back whose time is up, at once.")] = False,
    json: Json = False,
) -> None:
    """Decide who sees what: invite people, queue images, change the overlap or the order."""
    from affectml.cli._labels_task import images_to_queue, open_task
    from affectml.errors import BadInput
    from affectml.people.labelling import queued_words

    with open_task(db) as store:
        if lower and overlap is None and more is None:
            raise BadInput("--lower says how --more or --overlap is meant: give one of them too")
        changes = {"overlap": overlap, "strategy": strategy}
        people = None if more else overlap or store.settings.overlap
        asked = queue is not None or disagreement
        queued = images_to_queue(store, queue, top, people=people) if asked else []
        raised = store.steer(
            invite=_names(invite),
            settings={name: value for name, value in changes.items() if value is not None},
            queue=queued,
            more=more,
            lower=lower,
        )
        if asked:
            said = queued_words(len(queued), raised, None if lower else more)
            typer.echo(f"queued, to be shown first: {said}", err=True)
        if release:
            store.release_expired()
        _show_status(store, json)


@app.command()
def check(
    db: Db = None,
    add: Annotated[
        Path | None,
        typer.Option(help="CSV of checks: image_id, accepted, forbidden (labels joined by |).", show_default="none"),
    ] = None,
    json: Json = False,
) -> None:
    """Show how people did on attention checks and repeats; --add makes images attention checks."""
    from affectml.cli._labels_print import show_checks
    from affectml.cli._labels_task import named_database, open_source, open_task, read_checks
    from affectml_annotation import annotator_report

    where = named_database(db)
    if add is not None:
        with open_task(where) as store:
            store.add_checks(read_checks(add))
    given = open_source(None, where)
    report = annotator_report(given.judgements, given.labels, checks=given.checks, repeats=given.repeats)
    show_checks(given.where, report, given.checks, json)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _one_of(source: str | None, db: str | None) -> str | None:
    if source is not None and db is not None:
        raise typer.BadParameter(f"names {db}, and SOURCE names {source}; give one of them", param_hint="--db")
    return db


def _rounds(text: str) -> Any:
    return int(text) if text.isdecimal() else text


def _show_status(store: "LabelStore", json: bool) -> None:
    from affectml.cli._labels_print import show_status

    people: pd.DataFrame = store.annotators()
    show_status(store.database.where, store.progress(), people, json)
