"""affectml labels: set a labelling task up, hand images out, watch agreement, bring judgements in and out.

Each command parses, calls `affectml_annotation` and prints.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from affectml_annotation import LabelStore

app = typer.Typer(no_args_is_help=True, help="Judgements of several people: collect, compare, aggregate, exchange.")

Db = Annotated[
    str,
    typer.Option("--db", envvar="AFFECTML_LABELS", help="The task's database: a file, or postgresql://USER@HOST/NAME."),
]
Source = Annotated[
    str, typer.Argument(help="A label database, a data set folder, or a file of judgements.", show_default="labels.db")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables.")]
Rounds = Annotated[str, typer.Option(help="Which looks count: first, last, or a round's number.")]
DEFAULT_DB = "labels.db"


@app.command()
def init(
    dataset: Annotated[Path, typer.Argument(help="Data set folder whose images are to be labelled.")],
    db: Db = DEFAULT_DB,
    taxonomy: Annotated[
        str | None,
        typer.Option(help="A built-in taxonomy or a YAML file.", show_default="that of the data set's first target"),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(help="What people are asked, word for word.", show_default="the data set's question"),
    ] = None,
    overlap: Annotated[int, typer.Option(min=1, help="How many people answer each image.")] = 3,
    strategy: Annotated[
        str, typer.Option(help="Order of images: random, fill, stratified, priority or queue.")
    ] = "random",
    stratum: Annotated[
        str | None, typer.Option(help="Column of images.parquet to stratify by.", show_default="none")
    ] = None,
    lease: Annotated[float, typer.Option(help="Minutes until a claimed image goes to somebody else.")] = 15.0,
    check_rate: Annotated[float, typer.Option(help="Share of attention checks.")] = 0.0,
    repeat_rate: Annotated[float, typer.Option(help="Share of images shown to a person again.")] = 0.0,
    invite: Annotated[str, typer.Option(metavar="A,B,...", help="Annotators to invite.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random order.")] = 0,
    json: Json = False,
) -> None:
    """Make a labelling task of a data set's images."""
    from affectml.cli._labels_task import make_task
    from affectml_annotation import LabelStore

    settings, images = make_task(
        dataset, taxonomy=taxonomy, question=question, stratum=stratum, overlap=overlap, strategy=strategy,
        lease_seconds=lease * 60, check_rate=check_rate, repeat_rate=repeat_rate, seed=seed,
    )  # fmt: skip
    with LabelStore(db) as store:
        store.init_task(settings, images)
        store.invite(_names(invite))
        _show_status(store, json)


@app.command()
def status(db: Db = DEFAULT_DB, json: Json = False) -> None:
    """Show how far the task is, how fast it goes, and how long it will take."""
    from affectml_annotation import LabelStore

    with LabelStore(db, must_exist=True) as store:
        _show_status(store, json)


@app.command()
def agreement(
    source: Source = DEFAULT_DB,
    rounds: Rounds = "first",
    by: Annotated[
        str | None, typer.Option(help="Attribute of annotators to compare groups by.", show_default="none")
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates for the intervals; 0 for none.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the replicates.")] = 0,
    json: Json = False,
) -> None:
    """Say how well people agree: on sets, on each label, person by person, group by group."""
    from affectml.cli._labels_print import show_agreement
    from affectml.cli._labels_task import open_source
    from affectml_annotation.agreement.report import agreement_report

    given = open_source(source)
    report = agreement_report(
        given.judgements, given.labels, rounds=_rounds(rounds), bootstrap=bootstrap, seed=seed,
        checks=given.checks, repeats=given.repeats, attribute=given.attribute(by),
    )  # fmt: skip
    show_agreement(report, json)


@app.command()
def aggregate(
    source: Source = DEFAULT_DB,
    method: Annotated[
        str,
        typer.Option(
            help="votes, shares, smoothed, weighted; one_choice, one_choice_smoothed, set_split, normalised; "
            "posterior, majority, quorum, minimum_votes; mode; dawid_skene, mace."
        ),
    ] = "votes",
    tau: Annotated[float, typer.Option(help="posterior: the rate from which a label belongs to the set.")] = 1 / 3,
    share: Annotated[float, typer.Option(help="quorum: the share of people needed.")] = 0.5,
    votes: Annotated[int, typer.Option(help="minimum_votes: how many are needed.")] = 2,
    minimum_people: Annotated[int, typer.Option(min=1, help="Leave out images with fewer answers.")] = 1,
    rounds: Rounds = "first",
    out: Annotated[
        Path | None, typer.Option(help="Parquet file for the result.", show_default="print a summary only")
    ] = None,
    json: Json = False,
) -> None:
    """Aggregate judgements into a target and say what came of it."""
    from affectml.cli._labels_print import show_aggregate
    from affectml.cli._labels_task import open_source
    from affectml_annotation import aggregate as aggregate_judgements

    given = open_source(source)
    made = aggregate_judgements(
        given.judgements, given.labels, method, tau=tau, share=share, votes=votes, minimum_people=minimum_people,  # type: ignore[arg-type]
        weights="agreement" if method == "weighted" else None, rounds=_rounds(rounds),
    )  # fmt: skip
    show_aggregate(made, out, json)


@app.command()
def export(
    to: Annotated[Path, typer.Option("--to", help="Data set folder, or a file: .parquet, .csv, .jsonl, .json.")],
    db: Db = DEFAULT_DB,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="dataset, table, label-studio or hugging-face.", show_default="by the path"),
    ] = None,
    target: Annotated[str, typer.Option(help="Name of the target that a data set gets.")] = "labels",
    method: Annotated[str, typer.Option(help="How that target is aggregated.")] = "votes",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the image files, to copy into a new data set.", show_default="none")
    ] = None,
    rounds: Rounds = "first",
    json: Json = False,
) -> None:
    """Write the judgements: into a data set folder ready for `affectml train --multilabel`, or to a file."""
    from affectml.cli._labels_task import export_store
    from affectml.cli._print import print_json
    from affectml_annotation import LabelStore

    with LabelStore(db, must_exist=True) as store:
        told = export_store(
            store, to, format_, target=target, method=method, images_root=images, rounds=_rounds(rounds)
        )
    if json:
        print_json(told)
    else:
        typer.echo(f"{told['rows']} judgements written to {to}")
        for note in told["notes"]:
            typer.echo(f"  {note}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="File or folder of judgements.")],
    db: Db = DEFAULT_DB,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="table, label-studio, hugging-face or dataset.", show_default="by the path"),
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="THEIRS=OURS", help="Rename a column; may be repeated.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of CSV and JSONL files.")] = "utf-8-sig",
    invite: Annotated[bool, typer.Option("--invite", help="Let the file's annotators in.")] = False,
    json: Json = False,
) -> None:
    """Take a file of judgements in: all of it, or nothing with every bad row named."""
    from affectml.cli._print import print_json
    from affectml_annotation import LabelStore

    rename = dict(pair.split("=", 1) for pair in map_ or [])
    with LabelStore(db, must_exist=True) as store:
        rows = store.import_file(file, invite=invite, format=format_, rename=rename, encoding=encoding)
    if json:
        print_json({"rows": rows})
    else:
        typer.echo(f"{rows} judgements imported from {file}")


@app.command()
def assign(
    db: Db = DEFAULT_DB,
    invite: Annotated[str, typer.Option(metavar="A,B,...", help="Annotators to invite.")] = "",
    queue: Annotated[
        Path | None,
        typer.Option(help="Images to serve first: a text file of ids, or a run folder (its most uncertain ones)."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many images a run or the disagreement puts in.")] = 100,
    disagreement: Annotated[
        bool, typer.Option("--disagreement", help="Queue the images that people disagree about most.")
    ] = False,
    more: Annotated[
        int | None, typer.Option(min=1, help="More people for queued images.", show_default="as many as wanted before")
    ] = None,
    overlap: Annotated[int | None, typer.Option(min=1, help="New overlap.", show_default="unchanged")] = None,
    strategy: Annotated[str | None, typer.Option(help="New order of images.", show_default="unchanged")] = None,
    release: Annotated[bool, typer.Option("--release", help="Give expired claims back now.")] = False,
    json: Json = False,
) -> None:
    """Steer who sees what: invite people, queue images, change overlap or order."""
    from affectml.cli._labels_task import images_to_queue
    from affectml_annotation import LabelStore

    with LabelStore(db, must_exist=True) as store:
        store.invite(_names(invite))
        changes = {"overlap": overlap, "strategy": strategy}
        if any(value is not None for value in changes.values()):
            store.update_settings(**{name: value for name, value in changes.items() if value is not None})
        if queue is not None or disagreement:
            store.enqueue(images_to_queue(store, queue, top), more=more)
        if release:
            store.release_expired()
        _show_status(store, json)


@app.command()
def check(
    db: Db = DEFAULT_DB,
    add: Annotated[
        Path | None,
        typer.Option(help="CSV of checks: image_id, accepted, forbidden (labels joined by |).", show_default="none"),
    ] = None,
    json: Json = False,
) -> None:
    """Show attention checks and repeats, person by person; --add makes images checks."""
    from affectml.cli._labels_print import show_checks
    from affectml.cli._labels_task import open_source, read_checks
    from affectml_annotation import LabelStore, annotator_report

    with LabelStore(db, must_exist=True) as store:
        if add is not None:
            store.add_checks(read_checks(add))
    given = open_source(db)
    report = annotator_report(given.judgements, given.labels, checks=given.checks, repeats=given.repeats)
    show_checks(report, given.checks, json)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _rounds(text: str) -> Any:
    return int(text) if text.isdigit() else text


def _show_status(store: "LabelStore", json: bool) -> None:
    from affectml.cli._labels_print import show_status

    people: pd.DataFrame = store.annotators()
    show_status(store.progress(), people, json)
