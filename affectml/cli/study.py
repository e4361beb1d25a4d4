"""affectml study: a study from one file. Each command parses, calls `affectml_annotation.study` and prints."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from annotated_types import Ge, Gt

from affectml._options import Argument, Help, parse_list
from affectml.cli._command import App, Json
from affectml.cli._print import print_json, print_table
from affectml.cli.pages import Address, AllowHost, Labelling, Lead, Port, start_page

app = App(no_args_is_help=True, help="Let people take part in a study: consent, practice, images, payment.")
Folder = Annotated[Path, Argument("The study's folder, with study.yaml.", metavar="OUT")]
Db = Annotated[
    str | None,
    Help(
        "The study's database: a file, or postgresql://USER@HOST/NAME.",
        default="DATASET-labels.db beside the data set",
        env="AFFECTML_LABELS",
    ),
]
LEAD = "the command line"  # who changed something, where nobody signs in


@app.command()
def init(
    dataset: Annotated[Path, Argument("Data set folder whose images people are to label.")],
    out: Folder,
    languages: Annotated[
        str, Help("Languages that people may read it in, by their codes, as in en,de. The first is the study's own.")
    ] = "en",
) -> None:
    """Write study.yaml, with every key and its default, and the texts that people read."""
    from affectml.data import Dataset
    from affectml_annotation.study.folder import write_study

    for path in write_study(Dataset.open(dataset).root, out, parse_list(languages) or ()):
        typer.echo(f"wrote {path}")
    typer.echo(f"edit them; then `affectml study check {out}` says what is missing")


@app.command()
def check(
    out: Folder,
    summary: Annotated[bool, Help("Print a data-protection summary instead.")] = False,
    json: Json = False,
) -> None:
    """Say what is missing, and what a person will see in which order."""
    from affectml.people import studies
    from affectml_annotation.study import terms
    from affectml_annotation.study.folder import read_study

    study = read_study(out)
    if summary:
        typer.echo(terms.summary(study))
        return
    found, minutes = studies.check(out), terms.announced_minutes(study)
    if json:
        print_json({**asdict(found), "minutes": minutes, "per_hour": str(terms.hourly(study))})
        raise typer.Exit(1 if found.refused else 0)
    rows = [(step.phase, step.what, f"{step.minutes:.1f}") for step in found.steps]
    print_table(
        f"{out}: what a person sees, about {minutes} minutes", ("phase", "what", "minutes"), rows, numbers=False
    )
    if found.people and found.most_people:
        few, many = (f"{n} people ({n * study.file.pay.per_person:.2f})" for n in (found.people, found.most_people))
        typer.echo(f"it takes {few}; if every image is skipped as often as `skips` counts, {many}")
    for sentence in found.warnings:
        typer.echo(f"warning: {sentence}")
    for sentence in found.missing:
        typer.echo(f"- {sentence}")
    for sentence in found.refused:
        typer.echo(f"refused: {sentence}")
    if not found.missing and not found.refused:
        typer.echo("nothing is missing")
    raise typer.Exit(1 if found.refused else 0)


@app.command()
def run(
    out: Folder,
    db: Db = None,
    address: Address = "127.0.0.1",
    port: Port = 8501,
    lead: Lead = (),
    allow_host: AllowHost = (),
) -> None:
    """Start the study's page, or go on with it; what changed in its files is what newcomers see."""
    from affectml.people import studies
    from affectml_annotation.errors import BadTask

    found = studies.check(out)
    for sentence in found.warnings:
        typer.echo(f"warning: {sentence}")
    for sentence in found.missing:
        typer.echo(f"still missing: {sentence}")
    if found.refused:
        raise BadTask(found.refused[0])
    start_page("relabel", Labelling(study=out, db=db, lead=lead, allow_host=allow_host), address=address, port=port)


@app.command()
def status(out: Folder, db: Db = None, json: Json = False) -> None:
    """Show how it goes: who came, how far they got, where they left, how people work, what still wants people."""
    from affectml.cli._labels_print import records, show_people
    from affectml.people.labelling import task_words
    from affectml.people.studies import open_running
    from affectml_annotation.erasing import erasures_asked
    from affectml_annotation.store import keeping
    from affectml_annotation.study import overview
    from affectml_annotation.study.running import images_wanting

    with open_running(out, db) as store:
        people, asked = overview.people(store), erasures_asked(store)
        if json:
            tables = {"people": people, "images": images_wanting(store), "changes": overview.changes(store)}
            more = {name: records(table) for name, table in tables.items()}
            about = {"erasures": asked, "skipped": store.skipped_images(), "backups": keeping.about(store)}
            print_json({"db": store.database.where, **asdict(overview.overview(store)), **more, **about})
            return
        _show(store, json)
        for words in task_words(store, store.annotators()):
            typer.echo(words)
        show_people(people)
        typer.echo(keeping.said(store))
        if asked:
            typer.echo(f"to be erased, as they asked (`affectml label remove erase`): {', '.join(asked)}")


@app.command()
def steer(
    out: Folder,
    state: Annotated[str, Argument("running, paused or ended: whether newcomers are let in; the others go on.")],
    db: Db = None,
    json: Json = False,
) -> None:
    """Let newcomers in, keep them out for now, or for good."""
    from affectml.people.studies import open_running
    from affectml_annotation.study.running import change_state

    with open_running(out, db) as store:
        change_state(store, state, by=LEAD)
        _show(store, json)


@app.command()
def more(
    out: Folder,
    people: Annotated[int, Ge(1), Help("How many more people.")],
    db: Db = None,
    json: Json = False,
) -> None:
    """Open places for more people; they are given the images that still want somebody."""
    from affectml.people.studies import open_running
    from affectml_annotation.study.running import more_places

    with open_running(out, db) as store:
        more_places(store, people, by=LEAD)
        _show(store, json)


@app.command()
def links(
    out: Folder,
    people: Annotated[int | None, Help("Make so many links, for one person each.", default="none")] = None,
    days: Annotated[float, Gt(0), Help("How many days they open the study.")] = 30,
    address: Annotated[str, Help("Where the page answers people.")] = "http://127.0.0.1:8501/",
    revoke: Annotated[int | None, Help("Let this link open nothing any more, by its number.", default="none")] = None,
    db: Db = None,
    json: Json = False,
) -> None:
    """Make signed links, one person's each, or revoke one. Whoever has a link is let in by it."""
    import time

    from affectml.errors import BadInput
    from affectml.people.studies import open_running
    from affectml_annotation.study import door

    if (people is None) == (revoke is None):
        raise BadInput("say how many links to make, --people 20, or which one to revoke, --revoke 3")
    with open_running(out, db) as store:
        if revoke is not None:
            door.revoke_link(store, revoke)
            print_json({"revoked": revoke}) if json else typer.echo(f"link {revoke} opens nothing any more")
            return
        made = [
            f"{address}{'&' if '?' in address else '?'}link={token}"
            for token in door.make_links(store, people or 0, time.time() + days * 86_400)
        ]
    print_json(made) if json else typer.echo("\n".join(made))


@app.command()
def pay(
    out: Folder,
    bulk: Annotated[bool, Help("Only id and amount of who is not paid yet, for the panel's bulk payments.")] = False,
    paid: Annotated[
        tuple[str, ...], Help("Note that this person was paid, by their id at the panel; may be given several times.")
    ] = (),
    paid_list: Annotated[
        Path | None, Help("Note that everybody on this list was paid: what --bulk printed, kept.", default="none")
    ] = None,
    forget: Annotated[
        bool, Help("Forget the ids of all who are paid, or are due nothing; it cannot be undone.")
    ] = False,
    db: Db = None,
    json: Json = False,
) -> None:
    """Print who is due what, as CSV: this alone joins people's ids at the panel with their visits."""
    from affectml.people.studies import open_running
    from affectml_annotation.erasing import still_named
    from affectml_annotation.exchange.files import csv_rows
    from affectml_annotation.study import pay as paying

    with open_running(out, db) as store:
        if paid_list is not None:
            paid += tuple(row[0] for row in csv_rows(paid_list.read_text("utf-8-sig")) if row)
        if paid or paid_list is not None:
            noted = paying.mark_paid(store, paid)
            print_json({"noted": noted}) if json else typer.echo(f"noted for {noted} of {len(set(paid))}")
            return
        if forget:
            kept, gone = paying.forget_ids(store, by=LEAD)
            named = still_named(store.dataset or out, gone, [store], [out])
            said = [f"forgotten; {kept} ids are kept, of people who are not through, or not paid"]
            said += [f"  {file} still has some that are forgotten: yours to delete" for file in named]
            print_json({"kept": kept, "named": [*map(str, named)]}) if json else typer.echo("\n".join(said))
            return
        rows = paying.pay_rows(store)
    if json:
        print_json([asdict(row) for row in rows])
    else:
        typer.echo(paying.as_bulk(rows) if bulk else paying.as_csv(rows), nl=False)


@app.command()
def erase(
    out: Folder,
    people: Annotated[tuple[str, ...], Argument("Who, by their ids at the panel.", metavar="ID...")],
    db: Db = None,
    json: Json = False,
) -> None:
    """Erase people who asked for it, by the ids that they have at their panel; else as `label remove erase`.

    Whoever is not paid yet stays on the pay table, by that id and the amount alone. Given again, it goes on.
    """
    from affectml.people.erasing import erase_people
    from affectml.people.studies import open_running
    from affectml_annotation.erasing import named_by
    from affectml_annotation.study.folder import read_study

    with open_running(out, db) as store:
        names = named_by(store, people)
    dataset = out / read_study(out).file.dataset
    done = erase_people(dataset, names, db=db, near=[out])
    if json:
        print_json({"dataset": str(dataset), **done.to_json()})
    else:
        told = done.told(dataset, names) if names else ["erased before; the database's files are clean"]
        typer.echo("\n".join(told))


def _show(store: Any, json: bool) -> None:
    from affectml_annotation.study.overview import funnel, overview

    now = overview(store)
    if json:
        print_json({"db": store.database.where, **asdict(now)})
        return
    fates = {
        str(step): ", ".join(rows["fate"].str.replace("_", " ") + " " + rows["people"].astype(str))
        for step, rows in funnel(now).groupby("step", sort=False)
    }
    title = f"{store.database.where}: version {now.version}, {now.state}"
    print_table(title, ("step", "people who reached it"), [*fates.items()], numbers=False)
    if now.minutes is not None:
        typer.echo(f"median of who completed it: {now.minutes:.1f} minutes")
    typer.echo(
        f"{now.wanting} images want people, {now.answers} answers in all; {now.free} of {now.places} places are free, "
        f"and {now.full} people came when none was"
    )
