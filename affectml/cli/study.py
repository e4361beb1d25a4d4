"""affectml study: a study from one file. Each command parses, calls `affectml_annotation.study` and prints."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from annotated_types import Gt

from affectml._options import Count, Help, parse_list
from affectml.cli._command import App, Parts, Table, frame
from affectml.cli.pages import Address, AllowHost, Labelling, Lead, Port, start_page
from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.people import studies
from affectml.people.erasing import erase_people
from affectml.people.labelling import task_words
from affectml.people.studies import open_running
from affectml_annotation.agreement.alpha import plain_rows
from affectml_annotation.erasing import erasures_asked, named_by, still_named
from affectml_annotation.errors import BadTask
from affectml_annotation.exchange.files import csv_rows
from affectml_annotation.store import keeping
from affectml_annotation.store.place import shown
from affectml_annotation.study import door, overview, terms
from affectml_annotation.study import pay as paying
from affectml_annotation.study.folder import read_study, write_study
from affectml_annotation.study.running import change_state, images_wanting, more_places

app = App(no_args_is_help=True)
Folder = Annotated[Path, Help("The study's folder, with study.yaml.", metavar="OUT")]
BESIDE = "DATASET-labels.db beside the data set"
Db = Annotated[
    str | None,
    Help("The study's database: a file, or postgresql://USER@HOST/NAME.", default=BESIDE, env="AFFECTML_LABELS"),
]
HERE = "http://127.0.0.1:8501/"  # where the page answers, unless it is told otherwise
LEAD = "the command line"  # who changed something, where nobody signs in


@app.command()
def init(dataset: Path, out: Folder, *, languages: str = "en") -> None:
    """Write study.yaml, with every key and its default, and the texts that people read.

    Args:
        dataset: Data set folder whose images people are to label.
        languages: Languages that people may read it in, by their codes, as in en,de. The first is the study's own.
    """
    for path in write_study(Dataset.open(dataset).root, out, parse_list(languages) or ()):
        typer.echo(f"wrote {path}")
    typer.echo(f"edit them; then `affectml study check {out}` says what is missing")


@app.command()
def check(out: Folder, *, summary: bool = False) -> Parts:
    """Say what is missing, and what a person will see in which order.

    Args:
        summary: Print a data-protection summary instead.
    """
    study = read_study(out)
    if summary:
        yield {"summary": terms.summary(study)}
        yield terms.summary(study)
        return
    found, minutes = studies.check(out), terms.announced_minutes(study)
    yield {**asdict(found), "minutes": minutes, "per_hour": str(terms.hourly(study))}
    rows = [(step.phase, step.what, f"{step.minutes:.1f}") for step in found.steps]
    yield Table(f"{out}: what a person sees, about {minutes} minutes", ("phase", "what", "minutes"), rows)
    if found.people and found.most_people:
        pay = study.file.pay
        few, many = (f"{n} people ({n * pay.per_person:.2f} {pay.currency})" for n in (found.people, found.most_people))
        yield f"it takes {few}; if every image is skipped as often as `skips` counts, {many}"
    yield from (f"warning: {sentence}" for sentence in found.warnings)
    yield from (f"- {sentence}" for sentence in (*found.unfilled, *found.missing))
    yield from (f"refused: {sentence}" for sentence in found.refused)
    if not (found.missing or found.unfilled or found.refused):
        yield "nothing is missing"
    raise typer.Exit(1 if found.refused else 0)


@app.command()
def run(
    out: Folder,
    *,
    db: Db = None,
    address: Address = "127.0.0.1",
    port: Port = 8501,
    lead: Lead = (),
    allow_host: AllowHost = (),
) -> None:
    """Start the study's page, or continue it. Newcomers see its files as they are now."""
    found = studies.check(out)
    for sentence in found.warnings:
        typer.echo(f"warning: {sentence}")
    for sentence in (*found.unfilled, *found.missing):
        typer.echo(f"still missing: {sentence}")
    for sentence in (*found.refused, *(found.unfilled if allow_host else ())):
        raise BadTask(sentence)
    start_page("relabel", Labelling(study=out, db=db, lead=lead, allow_host=allow_host), address=address, port=port)


@app.command()
def status(out: Folder, *, db: Db = None) -> Parts:
    """Show how it goes: who came, how far they got, where they left, how they work, which images still need people."""
    with open_running(out, db) as store:
        people, asked = overview.people(store), erasures_asked(store)
        tables = {"people": people, "images": images_wanting(store), "changes": overview.changes(store)}
        content, *parts = _progress(store)
        content |= {name: plain_rows(table) for name, table in tables.items()}
        yield content | {"erasures": asked, "skipped": store.skipped_images(), "backups": keeping.about(store)}
        yield from parts
        yield from task_words(store, store.annotators())
        if len(people):
            yield frame("People", overview.as_text(people))
        yield keeping.said(store)
        if asked:
            yield f"to be erased, as they asked (`affectml label remove erase`): {', '.join(asked)}"


@app.command()
def steer(out: Folder, state: str, *, db: Db = None) -> Parts:
    """Let newcomers in, keep them out for now, or for good.

    Args:
        state: running, paused or ended: whether newcomers are let in; the others go on.
    """
    with open_running(out, db) as store:
        change_state(store, state, by=LEAD)
        yield from _progress(store)


@app.command()
def more(out: Folder, *, people: Count, db: Db = None) -> Parts:
    """Open places for more people; they are given the images that still need somebody.

    Args:
        people: How many more people.
    """
    with open_running(out, db) as store:
        more_places(store, people, by=LEAD)
        yield from _progress(store)


@app.command()
def links(
    out: Folder,
    *,
    people: int | None = None,
    days: Annotated[float, Gt(0)] = 30,
    address: str = HERE,
    revoke: int | None = None,
    db: Db = None,
) -> Parts:
    """Make signed links, each for one person, or revoke one. Whoever has a link is let in.

    Args:
        people: How many links to make, each for one person.
        days: How many days the links open the study.
        address: Where the page answers people.
        revoke: Number of the link to revoke.
    """
    if (people is None) == (revoke is None):
        raise BadInput("say how many links to make, --people 20, or which one to revoke, --revoke 3")
    with open_running(out, db) as store:
        if revoke is not None:
            door.revoke_link(store, revoke)
            yield {"revoked": revoke}
            yield f"link {revoke} opens nothing any more"
            return
        tokens = door.make_links(store, people or 0, ends_at := time.time() + days * 86_400)
    made = [f"{address}{'&' if '?' in address else '?'}link={token}" for token in tokens]
    yield made
    for token, link in zip(tokens, made, strict=True):
        yield f"link {token.partition('.')[0]}, until {time.strftime('%Y-%m-%d', time.gmtime(ends_at))}: {link}"
    yield "note whom you send which: affectml never knows"
    if address == HERE:
        yield f"they open {HERE}; a page on another port or machine needs --address"


@app.command()
def pay(
    out: Folder,
    *,
    bulk: bool = False,
    paid: tuple[str, ...] = (),
    paid_list: Path | None = None,
    forget: bool = False,
    db: Db = None,
) -> Parts:
    """Print what each person is due, as CSV. Only this command joins people's ids at the panel with their visits.

    Args:
        bulk: Only the id and the amount of those who are not paid yet, for the panel's bulk payments.
        paid: Note that this person was paid, by their id at the panel; may be given several times.
        paid_list: Note that everybody on this list was paid: a file of what --bulk printed. Default: none.
        forget: Forget the ids of all who are paid, or are owed nothing; it cannot be undone.
    """
    with open_running(out, db) as store:
        if paid_list is not None:
            paid += tuple(row[0] for row in csv_rows(paid_list.read_text("utf-8-sig")) if row)
        if paid or paid_list is not None:
            noted = paying.mark_paid(store, paid)
            yield {"noted": noted}
            yield f"noted for {noted} of {len(set(paid))}"
            return
        if forget:
            kept, gone = paying.forget_ids(store, by=LEAD)
            named = still_named(store.dataset or out, gone, [store], [out])
            yield {"kept": kept, "named": [*map(str, named)]}
            yield f"forgotten; {kept} ids are kept, of people who have not finished, or are not paid"
            yield from (f"  {file} still has some that are forgotten: yours to delete" for file in named)
            return
        rows = paying.pay_rows(store)
    yield [asdict(row) for row in rows]
    yield lambda: typer.echo(paying.as_bulk(rows) if bulk else paying.as_csv(rows), nl=False)


@app.command()
def erase(out: Folder, people: Annotated[tuple[str, ...], Help(metavar="ID...")], *, db: Db = None) -> Parts:
    """Erase people who asked for it, by their ids at the panel, as `label remove erase` does by their names.

    Whoever is not paid yet stays on the pay table, with that id and the amount alone. The same command continues after
    an interruption.

    Args:
        people: Who, by their ids at the panel.
    """
    with open_running(out, db) as store:
        names = named_by(store, people)
    dataset = Path(shown((out / read_study(out).file.dataset).resolve()))
    done = erase_people(dataset, names, db=db, near=[out])
    yield {"dataset": str(dataset), **done.to_json()}
    yield from done.told(dataset, names) if names else ["erased before; the database's files are clean"]


def _progress(store: Any) -> Parts:
    now = overview.overview(store)
    yield {"db": store.database.where, **asdict(now)}
    fates = {
        str(step): ", ".join(rows["fate"].str.replace("_", " ") + " " + rows["people"].astype(str))
        for step, rows in overview.funnel(now).groupby("step", sort=False)
    }
    title = f"{store.database.where}: version {now.version}, {now.state}"
    yield Table(title, ("step", "people who reached it"), fates.items())
    if now.minutes is not None:
        yield f"median of who completed it: {now.minutes:.1f} minutes"
    yield (
        f"{now.wanting} images need people, {now.answers} answers beside those that people are giving now; "
        f"{now.free} of {now.places} places are free, and {now.full} people came when all were taken"
    )
