"""affectml label: set a labelling task up, hand images out, watch agreement, bring judgements in and out.

Each command parses, calls `affectml_annotation` and prints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from affectml._options import Count, Help, Seed
from affectml.cli import _label_task as tasks
from affectml.cli._command import App, Parts, Table, about, command_of, frame
from affectml.cli.pages import Address, Labelling, Port, start_page
from affectml.data import Dataset
from affectml.errors import BadInput, spelled
from affectml.people.erasing import erase_people
from affectml.people.labelling import fitted, make_task, queued_words, task_file, task_words
from affectml_annotation import LabelStore, annotator_report
from affectml_annotation import aggregate as aggregate_judgements
from affectml_annotation.agreement import agreement_report
from affectml_annotation.agreement.alpha import plain_rows
from affectml_annotation.agreement.by_group import pooled_words
from affectml_annotation.exchange.dataset_folder import make_target_again, write_target
from affectml_annotation.store import backup as backups
from affectml_annotation.store import keeping
from affectml_annotation.store.checking import INVARIANTS, check_store
from affectml_annotation.store.place import dataset_of, way_back
from affectml_annotation.store.versions import newest
from affectml_annotation.study.file import changed_keys
from affectml_annotation.study.folder import as_yaml
from affectml_annotation.study.terms import so_many

app = App(invoke_without_command=True)
remove = App(no_args_is_help=True, help="Take people off the list, out of what counts, or out of everything.")
app.add_typer(remove, name="remove")

ONLY = "the only one under this folder"
DB_HELP = "The task's database: a file, postgresql://USER@HOST/NAME, or its data set's folder."
Db = Annotated[str | None, Help(DB_HELP, default=ONLY, env="AFFECTML_LABELS")]
BESIDE = "DATASET-labels.db beside the folder"
NewDb = Annotated[
    str | None,
    Help("The task's database: a file, or postgresql://USER@HOST/NAME.", default=BESIDE, env="AFFECTML_LABELS"),
]
SOURCE = "A label database, a data set folder (the judgements in it), or a file of judgements."
Source = Annotated[str | None, Help(SOURCE, default=f"the database: {ONLY}")]
EMPTY = "How to read a row without labels and without a kind: none (no label applies) or skip (no answer)."
Empty = Annotated[str | None, Help(EMPTY, default="an error")]
Replace = Annotated[bool, Help("Write over what is there; the old file is kept beside the new one.")]
TASK_FILE = "The task's file, as `label show` writes it. Keys that it leaves out stay, or have their default."
TaskFile = Annotated[Path | None, Help(TASK_FILE, default="none")]
Rounds = Annotated[str, Help("Which of a person's answers to an image counts: first, last, or a round's number.")]
Invite = Annotated[Sequence[str] | None, Help("Annotators to invite.")]
Files = Annotated[tuple[str, ...], Help(metavar="DB")]
Folders = Annotated[tuple[Path, ...], Help(metavar="FOLDER")]
People = Annotated[tuple[str, ...], Help("The names that they label under.", metavar="NAME...")]
TORN = {"file", "backup", "schema", "keys"}  # invariants that a file breaks which is damaged or not ours
GROUP_ROWS = 8  # of the comparison of groups; --json has all


@app.callback()
@command_of
def label(context: typer.Context, asked: Labelling, *, address: Address = "127.0.0.1", port: Port = 8501) -> None:
    """Start the page, unless a command of `label` is called."""
    if context.invoked_subcommand is None:
        if asked.images is None and asked.named is not None:
            Dataset.open(asked.named)
        start_page("relabel", asked, address=address, port=port)
        return
    sources = {name: context.get_parameter_source(name) for name in context.params}
    if given := [spelled(name) for name, source in sources.items() if source and source.name == "COMMANDLINE"]:
        word = context.invoked_subcommand
        raise BadInput(f"{', '.join(given)}: `label {word}` opens no page; leave it out, or put it behind {word}")


@app.command()
def init(
    dataset: Path,
    *,
    db: NewDb = None,
    taxonomy: str | None = None,
    target: str | None = None,
    overlap: Count | None = None,
    file: TaskFile = None,
    invite: Invite = None,
) -> Parts:
    """Set up a task in which people label a data set's images. An option overrides the file.

    With --invite only those people may label, unless the file says otherwise (invited_only).

    Args:
        dataset: Data set folder whose images are to be labelled.
        taxonomy: A built-in taxonomy or a YAML file. Default: that of the data set's target.
        target: Target whose labels people choose from.
        overlap: How many people answer each image. Default: 3.
    """
    opened = Dataset.open(dataset)
    where = tasks.new_database(db, opened)
    given = _given(target=target, overlap=overlap)
    if invite and "invited_only" not in task_file(file)[0].model_fields_set:
        given["invited_only"] = True
    task, images = make_task(opened, *task_file(file, taxonomy, **given))
    images, left_out = tasks.to_show(opened, images)
    with LabelStore(where) as store:
        store.init_task(task, images, dataset=opened.root)
        store.invite(invite or [])
        yield from _status(store)
        yield from _begun(store, dataset, people=len(set(invite or ())))
    if left_out:
        typer.echo(left_out, err=True)


@app.command()
def show(*, db: Db = None) -> Parts:
    """Show the task's file, with every key and what it means; `label assign --file` makes the next version of it."""
    with tasks.open_task(db, to_read=True) as store:
        yield store.task.model_dump(mode="json", by_alias=True)
        yield from as_yaml(store.task)


@app.command()
def status(*, db: Db = None) -> Parts:
    """Show how far the task is, how fast it goes, and how long it will take."""
    with tasks.open_task(db, to_read=True) as store:
        yield from _status(store)


@app.command()
def agreement(
    source: Source = None,
    *,
    rounds: Rounds = "first",
    by: str | None = None,
    seed: Seed = 0,
    empty: Empty = None,
) -> Parts:
    """Show how well people agree: on sets, on each label, person by person, group by group.

    Args:
        by: Compare groups of answers: by language, or by an attribute of the annotators. Default: none.
        seed: Seed of the permutations of --by.
    """
    given = _open(source, empty)
    judgements, column = (given.judgements, None) if by is None else given.grouped(by)
    report = agreement_report(
        judgements, given.labels, rounds=_rounds(rounds), seed=seed,
        checks=given.checks, repeats=given.repeats, by=column,
    )  # fmt: skip
    yield {"of": given.where, **report.to_dict()}
    yield f"judgements of {given.where}"
    alphas = {**{f"sets, {name}": alpha for name, alpha in report.sets.items()}, **report.numbers}
    rows = [(name, alpha, alpha.images, alpha.judgements) for name, alpha in alphas.items()]
    yield Table("Krippendorff's alpha", ("of", "alpha [95 %]", "images", "judgements"), rows)
    yield frame("Each label", report.labels)
    yield frame(
        "Each annotator; with_others, expected_by_chance: 1 - MASI distance to others' sets",
        report.annotators.filter(regex="^(?!use:)"),
    )
    if (compared := report.groups) is not None:
        if len(compared.differences):
            title = f"Rates by {compared.by}, the largest differences first"
            yield frame(title, compared.differences.head(GROUP_ROWS))
        yield from compared.words()


@app.command()
def aggregate(
    source: Source = None,
    *,
    method: str = "votes",
    tau: float = 1 / 3,
    rounds: Rounds = "first",
    out: Path | None = None,
    empty: Empty = None,
    target: str | None = None,
    replace: Replace = False,
) -> Parts:
    """Make a target from the judgements, and show it.

    Args:
        method: votes, shares, smoothed, weighted; one_choice, set_split, normalised; posterior,
            majority; mode (docs/labelling.md).
        tau: With posterior: the lowest rate at which a label belongs to the set. Default: 1/3.
        out: Parquet file for the result. Default: print a summary only.
        target: Make this target of the data set anew, with --replace. Default: print a summary only.
    """
    if target is not None and not replace:
        raise BadInput(f"--target {target}: it is written over, and the old one kept beside it; say so: --replace")
    if target is not None and tau != 1 / 3:
        raise BadInput("--target goes by the method's own --tau: leave it out")
    given = _open(source, empty)
    labels = given.labels if target is None else Dataset.open(given.where).target(target).taxonomy.labels
    make = partial(
        aggregate_judgements, labels=labels, method=method, tau=tau,  # type: ignore[arg-type]
        rounds=_rounds(rounds),
    )  # fmt: skip
    made = make(given.judgements)
    if not len(made.image_id):
        raise BadInput(f"{given.where}: no answers to aggregate (rounds: {rounds})")
    if out is not None:
        write_target(out, made, replace=replace)
    if target is not None:
        make_target_again(given.where, target, make)
    values = np.asarray(made.values, dtype=float)
    mean = values.sum(axis=0) / (made.n.sum() if made.values_are == "votes" else max(len(values), 1))
    means = dict(zip(made.labels, mean.tolist(), strict=True))
    told = {
        "of": given.where, "method": made.method, "kind": made.kind, "values": made.values_are,
        "vote_rule": made.vote_rule, "images": len(made.image_id), "made_by": made.made_by,
        "left_out": made.left_out, "out": out and str(out),
    }  # fmt: skip
    people = made.annotators
    yield {**told, "mean": means, "annotators": None if people is None else plain_rows(people)}
    yield about("Aggregated", [(name, value) for name, value in told.items() if value])
    yield Table("Labels", ("label", "mean"), [(name, f"{share:.3f}") for name, share in means.items()])
    if people is not None:
        yield frame("Annotators", people)


@app.command()
def export(
    *,
    to: Path | None = None,
    db: Db = None,
    target: str = "labels",
    method: str = "votes",
    images: Path | None = None,
    rounds: Rounds = "first",
    replace: Replace = False,
) -> Parts:
    """Add the judgements to a data set, ready for `affectml train --multilabel`, or write them to a file.

    What the data set has stays; the new target counts all its judgements.

    Args:
        to: Data set folder, or a file: .parquet, .csv, .jsonl, .json. Default: the data set that is labelled.
        target: Name of the data set's new target.
        method: How the target is made: a method of `label aggregate`.
        images: Folder of the image files, for a new data set. Default: none.
    """
    with tasks.open_task(db, to_read=True) as store:
        to = tasks.own_dataset(store) if to is None else to
        told = tasks.export_store(
            store, to, target=target, method=method, rounds=_rounds(rounds), images=images, replace=replace
        )
    yield told
    if told["format"] != "dataset":
        yield f"{told['rows']} judgements written to {told['to']}, from {told['db']}"
    else:
        yield f"{told['to']} holds the {told['rows']} judgements of {told['db']}"
        over = "" if not told["replaced"] else ", written over by the new ones"
        yield f"  {told['new']} new, {told['same']} there already, {told['replaced']} in conflict{over}"
    yield from (f"  {note}" for note in told["notes"])
    yield from (f"  kept: {name}" for name in told.get("kept", ()))


@remove.command()
def erase(dataset: Path, people: People, *, runs: Folders = (), db: NewDb = None) -> Parts:
    """Erase people who asked for it from a data set, its label database and runs by person.

    This is for good: answers, attributes, thresholds and tastes go, also from old files that were kept.

    Args:
        dataset: Data set folder with the judgements.
        people: Whom to erase.
        runs: Look for runs' people files here too, at any depth; may be given several times. Default: beside the data
            set, here, and in runs/ of both.
    """
    done = erase_people(dataset, people, runs=runs, db=db)
    yield {"dataset": str(dataset), **done.to_json()}
    yield from done.told(dataset, people)


@remove.command()
def uninvite(people: People, *, db: Db = None) -> Parts:
    """Take people off the list, so that they cannot come in again. An unused invitation is removed.

    Answers that were given already stay and count. Inviting somebody again lets them in again.
    """
    with tasks.open_task(db) as store:
        closed, where = store.uninvite(people), store.database.where
    removed = [who for who in dict.fromkeys(people) if who not in closed]
    yield {"db": where, "removed": removed, "closed": closed}
    if removed:
        yield f"{', '.join(removed)}: the invitation is removed from {where}"
    if closed:
        yield f"{', '.join(closed)}: their entry is closed; their answers stay and count"


@remove.command()
def withdraw(people: People, *, db: Db = None, undo: bool = False) -> Parts:
    """Withdraw people who asked for it from the task: none of their answers is counted or exported.

    It is final after a week; until then --undo takes it back.

    Args:
        undo: Take their withdrawal back: their answers count again.
    """
    with tasks.open_task(db) as store:
        (store.undo_withdrawal if undo else store.withdraw)(*people)
        where = store.database.where
    yield {"db": where, "back" if undo else "withdrawn": people}
    if undo:
        yield f"{', '.join(people)}: back in {where}; their answers count again"
        return
    yield f"{', '.join(people)}: withdrawn from {where}; none of their answers is counted or exported"
    yield "  for a week `affectml label remove withdraw --undo NAME ...` takes it back; then it is final"
    yield "  a data set that has them already keeps them, and so do runs by person on it: export into a new one"
    yield "  (`affectml label export --to NEW --images DATASET`), or `affectml label remove erase DATASET NAME ...`"
    yield "  takes them out for good"


@app.command("import")
def import_(
    file: Path,
    *,
    db: Db = None,
    map_: Annotated[Mapping[str, str] | None, Help(metavar="THEIRS=OURS")] = None,
    delimiter: str = "|",
    empty: Empty = None,
    invite: bool = False,
) -> Parts:
    """Add a file of judgements to the task: all of it, or nothing, with every bad row named.

    Args:
        file: File or folder of judgements.
        map_: Rename a column; may be repeated.
        delimiter: What joins the labels in a cell of CSV.
        invite: Invite the people in the file who are not invited yet.
    """
    with tasks.open_task(db) as store:
        rows = store.import_file(
            file, invite=invite, image_of=tasks.named_image(store, file), rename=map_, delimiter=delimiter, empty=empty
        )
        where = store.database.where
    yield {"rows": rows, "db": where}
    yield f"{rows} judgements imported from {file} into {where}"


@app.command()
def assign(
    *,
    db: Db = None,
    invite: Invite = None,
    queue: Path | None = None,
    top: Count = 100,
    more: Count | None = None,
    overlap: Count | None = None,
    file: TaskFile = None,
    lower: bool = False,
) -> Parts:
    """Decide who sees what: invite people, queue images, change the overlap, or use a changed task file.

    Args:
        queue: Images to show first: a text file of their ids; or a run folder or the table that `predict --out` wrote,
            for those that the model is least sure of.
        top: How many images of the run to queue.
        more: At least so many more people answer each queued image. Default: none.
        overlap: How many people answer each image from now on. Default: unchanged.
        lower: With --more, --overlap or --file: also lower the number of people where more were planned.
    """
    with tasks.open_task(db) as store:
        last = store.database.reading(newest)
        before = last.file
        said = None if file is None else fitted(task_file(file)[0], before, file.parent)
        then = overlap or (before if said is None else said).overlap
        if then < before.overlap and not lower:
            raise BadInput(
                f"--overlap {then}: images wait for {before.overlap} people each; to lower that, add --lower"
            )
        people = None if more else then
        queued = [] if queue is None else tasks.images_to_queue(store, queue, top, people=people)
        raised = store.steer(
            invite=invite or [], file=said, changes=_given(overlap=overlap), queue=queued, more=more, lower=lower,
            since=None if said is None else last.number,
        )  # fmt: skip
        if keys := changed_keys(before, store.task):
            typer.echo(f"the task's file has a new version: {', '.join(keys)}", err=True)
        if queue is not None:
            words = queued_words(len(queued), raised, None if lower else more)
            typer.echo(f"queued, to be shown first: {words}", err=True)
        yield from _status(store)


@app.command()
def attention(*, db: Db = None, add: Path | None = None) -> Parts:
    """Show how people did on attention checks and repeats; --add makes images attention checks.

    Args:
        add: CSV of checks: image_id, accepted, forbidden (labels joined by |). Default: none.
    """
    where = tasks.named_database(db)
    if add is not None:
        with tasks.open_task(where) as store:
            store.add_checks(tasks.read_checks(add))
    given = tasks.open_source(where)
    report = annotator_report(given.judgements, given.labels, checks=given.checks, repeats=given.repeats)
    columns = ["annotator_id", "judgements", "checks", "checks_failed", "repeats", "self_agreement"]
    people, checks = report.filter(columns), 0 if given.checks is None else len(given.checks)
    yield {"db": given.where, "checks": checks, "annotators": plain_rows(people)}
    yield f"judgements of {given.where}"
    yield frame(f"Attention checks ({checks}) and repeats", people)


@app.command()
def backup(
    source: str, out: str | None = None, *, restore: bool = False, erased: Files = (), replace: Replace = False
) -> Parts:
    """Write a whole task to one file and check that it can be read again, while people go on labelling.

    A copy of the database's file is not a backup: the latest answers are in another file beside it. A restored database
    leaves out the people who were erased since the backup was made.

    Args:
        source: The task's database: a file, postgresql://USER@HOST/NAME, or its data set's folder. With --restore: a
            file that `label backup` wrote.
        out: The backup's file. With --restore: the database to make, a file that nobody has open or
            postgresql://USER@HOST/NAME without a task. Default: one more in the folder of the task's schedule.
        restore: Make a database from a backup, on SQLite or PostgreSQL, whichever it came from.
        erased: With --restore: another database or backup of the task, which records who was erased since; may be given
            several times. Default: what is replaced or lies near, and their backups.
    """
    if restore:
        if out is None:
            raise BadInput("--restore: name the database to make, behind the backup")
        done = backups.restore(source, out, erased=erased, replace=replace)
        if not done.asked:
            typer.echo("WARNING: people erased after this backup may be back: give --erased OLD.db, or erase them "
                       "again (no other copy of the task lies near)", err=True)  # fmt: skip
        yield asdict(done)
        yield f"{done.to}: {_contents(out, done.counts)}, as in {done.backup.file}"
        yield f"  digest of the answers: {done.digest}"
        if done.erased:
            were = f"{so_many(done.erased, 'person', 'people')} {'was' if done.erased == 1 else 'were'}"
            yield (f"  {were} erased since it was made, and not restored; the backup still has them, and is yours to "
                   "delete")  # fmt: skip
        if done.kept is not None:
            yield f"  kept: {done.kept}"
        return
    if erased:
        raise BadInput("--erased: belongs to --restore")
    with tasks.open_task(source, to_read=True) as store:
        made = keeping.keep_backup(store) if out is None else backups.write_backup(store, Path(out), replace=replace)
    yield made and asdict(made)
    if made is not None:
        images, answers = so_many(made.counts["image"], "image"), _contents(made.file, made.counts)
        size = f"{made.bytes / 1e6:,.1f} MB"
        yield f"{made.file}: all of {made.of}, {images}, {answers}, {size}, read again and found to be right"
        yield f"  digest of the answers: {made.digests['event']}"


def check(database: str) -> Parts:
    """Check that a label database or a backup is sound, also while people label; exit code 1 if not."""
    with LabelStore(tasks.named_database(database), must_exist=True, reads_only=True) as store:
        broken, where = check_store(store), store.database.where
    yield {"db": where, "checked": [*INVARIANTS], "broken": [asdict(each) for each in broken]}
    for each in broken:
        more = f" (the first {len(each.rows)} of {each.count})" if each.count > len(each.rows) else ""
        yield f"{each.invariant}: does not hold: {each.says}{more}"
        for row in each.rows:
            yield f"  {' '.join(f'{name}={value}' for name, value in row.items())}"
    if not broken:
        yield f"{where}: all {len(INVARIANTS)} invariants hold"
    elif TORN & {each.invariant for each in broken}:
        yield way_back(where)
    else:
        yield f"{where}: the file and its log of answers are whole: keep it, no backup has more"
    raise typer.Exit(1 if broken else 0)


def _contents(where: str | Path, counts: Mapping[str, int]) -> str:
    """How many answers and skips a database or backup holds now, from how many people, and how many were corrected."""
    with LabelStore(where, reads_only=True) as store:
        answers = store.annotators()["answers"]
    people = so_many(int((answers > 0).sum()), "person", "people")
    corrected = counts["event"] - int(answers.sum())
    return f"{so_many(int(answers.sum()), 'answer')} from {people}" + f" ({corrected} corrected)" * (corrected > 0)


def _begun(store: LabelStore, dataset: Path, *, people: int) -> Parts:
    """What people are asked in a new task, who may come, and the command that follows."""
    task = store.task
    yield f"question: {task.question}"
    if task.invited_only:
        yield "only people who are invited may label (invited_only); `label assign --invite NAME` adds somebody"
    if 0 < people < task.overlap:
        invited = f"{so_many(people, 'person', 'people')} {'is' if people == 1 else 'are'} invited"
        yield f"warning: {invited}, and each image waits for {task.overlap}: invite more, or set a lower overlap"
    own = "" if dataset_of(store.database.where) else f" --db {store.database.where}"
    yield f"next: affectml label --on {dataset}{own}"


def _given(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if value is not None}


def _open(source: str | None, empty: str | None) -> tasks.Source:
    """The judgements that a command means; says first what whoever reads rates and agreement of them has to know."""
    given = tasks.open_source(source, empty)
    for words in (given.stopped, pooled_words(given.judgements, given.where)):
        if words:
            typer.echo(words, err=True)
    return given


def _rounds(text: str) -> Any:
    return int(text) if text.isdecimal() else text


def _status(store: LabelStore) -> Parts:
    """Progress of the task, who did what, and its backups."""
    where, progress, people = store.database.where, store.progress(), store.annotators()
    rows = people.drop(columns=["chip_order", "attributes"])
    counts = {name: None if pd.isna(value) else value for name, value in asdict(progress).items()}
    yield {"db": where, **counts, "people": plain_rows(rows), "skipped": store.skipped_images(),
           "backups": keeping.about(store)}  # fmt: skip
    share = progress.answered / progress.wanted if progress.wanted else 1.0
    left = "unknown until people answer"
    if counts["seconds_left"] is not None:
        hours, minutes = divmod(round(progress.seconds_left / 60), 60)
        left = f"{hours} h {minutes:02d} min"
    yield about(
        "Progress",
        [
            ("database", where),
            ("answers", f"{progress.answered} of {progress.wanted} ({share:.1%})"),
            ("images complete", f"{progress.complete} of {progress.images}"),
            ("out now", progress.claimed),
            ("open conflicts", progress.conflicts),
            ("rate", "-" if counts["rate"] is None else f"{progress.rate:.0f} answers an hour"),
            ("time left at this rate", left),
        ],
    )
    yield keeping.said(store)
    yield from task_words(store, people)
    spoken = people["answered_in"].map(", ".join)
    rows = rows.drop(columns=["language", "answered_in"]).assign(**({"languages": spoken} if spoken.any() else {}))
    yield frame("Annotators", rows.assign(last_answer=rows["last_answer"].dt.strftime("%Y-%m-%d %H:%M")))
