"""What leaves: files of answers, and in a study pay, people who asked to be erased, and who changed what.

This page alone shows people's ids at their panel.
"""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from affectml.people.erasing import erase_people
from affectml_annotation import DatabaseAway, aggregate
from affectml_annotation.agreement.by_group import pooled_words
from affectml_annotation.erasing import erase_people as erase_from_store
from affectml_annotation.erasing import erasures_asked
from affectml_annotation.judgements import are_data
from affectml_annotation.store.people import to_clean
from affectml_annotation.store.place import default_database
from affectml_annotation.store.setup import note_change
from affectml_annotation.study import overview, pay
from affectml_annotation.study.terms import so_many
from affectml_apps.relabel import lead
from affectml_apps.relabel.pages.drawing import begin, download, folded, section, submit, table
from affectml_apps.relabel.pages.who import lead_name
from affectml_apps.relabel.task import PATIENCE, LabelTask, current
from affectml_apps.text import attempt, plain, sentence

ERASED = "Erased. What stays to be done, if anything, stands below."


def draw() -> None:
    """Draw it."""
    task = current()
    begin("Out")
    judgements = task.store.judgements()
    rows, asked = [], []
    with section():
        if task.is_study:
            rows, asked = pay.pay_rows(task.store), erasures_asked(task.store)
        data = judgements[are_data(judgements)]
        st.markdown(f"**{lead.out_words(len(data), data['annotator_id'].nunique(), rows, len(asked))}**")
    if len(data):
        _answers(task, judgements)
    if rows:
        _pay(task, rows)
    if task.is_study:
        _erasures(task, asked)
    _changes(task)


def _answers(task: LabelTask, judgements: pd.DataFrame) -> None:
    st.subheader("Answers")
    with section():
        kind = st.selectbox("Format", list(lead.SUFFIXES), width=240)
        names = st.checkbox("With people's names (otherwise a1, a2, ...)")
        content, apart = lead.export_bytes(judgements, kind, names=names)
        download("Download the answers", content, f"judgements{lead.SUFFIXES[kind]}", type="primary")
        for line in apart:
            st.caption(plain(sentence(line)))
    with section():
        votes = lead.as_csv(aggregate(judgements, task.file.labels).table())
        if words := pooled_words(judgements):
            st.write(plain(words))
        download("Download votes per image (CSV)", votes, "votes.csv")
    with section():
        decisions = task.store.decisions()
        if len(decisions):
            download("Download the decisions (CSV)", lead.as_csv(decisions), "decisions.csv")
    with section():
        where, root = str(task.store.database.where), task.dataset.root.resolve()
        to = f"{shlex.quote(str(root))} --target collected"
        words = "Into the data set, ready to be trained on; what it has stays, and the answers are added to it:"
        if "://" not in where and Path(where).resolve() != default_database(root):
            to = shlex.quote(str(Path(where).resolve().with_suffix(".csv")))
            words = "Into a table: this is not the data set's own database, and a rehearsal's answers stay out of it."
        command = f"affectml label export --db {shlex.quote(where)} --to {to}"
        st.write(words)
        st.code(command, language=None, wrap_lines=True)


@section()
def _pay(task: LabelTask, rows: Sequence[pay.PayRow]) -> None:
    st.subheader("Pay")
    st.write(
        "What is due follows from status, images and minutes, never from what somebody answered; failed checks are "
        "noted, and of no consequence for pay. This page alone joins people's ids at their panel with their visits."
    )
    sums = pay.sums(rows)
    table(pd.DataFrame({
        "status": sums["status"].str.replace("_", " "), "people": sums["people"], "paid": sums["paid"],
        "due": sums["due"].astype(str) + " " + sums["currency"],
        "to pay": sums["to_pay"].astype(str) + " " + sums["currency"],
    }))  # fmt: skip
    with st.container(horizontal=True):
        bulk, paid = pay.as_bulk(rows), not any(row.to_pay for row in rows)
        download("Download the list for the panel's bulk payment", bulk, "bulk.csv", mime="text/csv", disabled=paid)
        download("Download the whole table (CSV)", pay.as_csv(rows).encode("utf-8-sig"), "pay.csv", mime="text/csv")
    st.write("The list has id and amount of who is not paid yet, less what the panel pays by itself.")
    with folded("Everybody, and who was paid"):
        table(pd.DataFrame([
            {"id at the panel": row.person, "status": (row.status or "going on").replace("_", " "),
             "code": row.code or "", "due": f"{row.due} {row.currency}",
             "paid": "yes" if row.paid else "no"}
            for row in rows
        ]))  # fmt: skip
        with st.form("paid"):
            unpaid_ids = [row.person for row in rows if row.person and row.status is not None and not row.paid]
            label = f"Who was paid, of {so_many(len(unpaid_ids), 'person', 'people')} whose visit is over"
            chosen = st.multiselect(label, unpaid_ids, select_all=True, key=f"paid-{len(unpaid_ids)}")
            submit(
                "Note that they were paid",
                partial(pay.mark_paid, task.store, chosen, by=lead_name()),
                "Noted for {} who were not before.",
                missing="" if chosen else "Choose who was paid first.",
            )


@section()
def _erasures(task: LabelTask, asked: list[str]) -> None:
    unfinished = st.session_state.get("unfinished", [])
    to_finish = bool(unfinished) or task.store.database.reading(to_clean)
    told = st.session_state.pop("erased", ())
    if asked or to_finish or told:
        st.subheader("Erasing")
    for line in told:
        st.text(line)
    if to_finish:
        st.warning(
            "Another program used the database, so not all that was to be erased has left it and its files. Go on "
            "here; if that does not help, end this server and whatever else uses the database, and run:"
        )
        st.code(f"affectml label remove erase DATASET {' '.join(unfinished) or 'PARTICIPANT'}", language=None)
        if st.button("Go on erasing"):
            attempt(partial(_erase, task, unfinished), ERASED)
    if not asked:
        return
    with st.form("erase"):
        chosen = st.multiselect("Erase these participants", asked, default=asked, key="-".join(asked))
        st.write(
            "**This cannot be undone.** Their answers, questionnaire, notes and id at the panel leave this database, "
            "the data set and what runs by person know of them; their images need people again. Whoever is not "
            "paid yet stays on the pay table, by that id and the amount alone. The task's own backups are gone "
            "through, too; other copies, and what was exported or shared before, are yours to delete."
        )
        sure = st.checkbox("I have read this, and erase them for good", key="sure-" + "-".join(asked))
        missing = "" if sure and chosen else "Choose who, and tick that you have read this."
        submit("Erase", partial(_erase, task, chosen), ERASED, missing=missing)


@section()
def _changes(task: LabelTask) -> None:
    changes = overview.changes(task.store).rename(columns={"at": "when (UTC)"})
    if len(changes):
        with folded("Who changed what"):
            what = [", ".join(f"{name}: {value}" for name, value in each.items()) for each in changes["what"]]
            table(changes.assign(what=what))


def _erase(task: LabelTask, people: list[str]) -> None:
    """Erase them; without any, finish what was begun. The server's own connections are idle, and stand in no way."""
    root, url = task.dataset.root, task.store.database.engine.url
    own = url.database is not None and Path(url.database).resolve() == default_database(root).resolve()
    told = []
    try:
        with st.spinner("Erasing, and writing the database's files anew"):
            if people:
                db = None if own else url.render_as_string(hide_password=False)
                erased = erase_people(root, people, db=db, wait=PATIENCE)
                here = {"the label database": sum(erased.databases.values())}
                told = replace(erased, databases=here).told(root, people)
            else:
                erase_from_store([], stores=[task.store])
    except DatabaseAway:
        st.session_state["unfinished"] = people
        st.rerun()
    st.session_state.pop("unfinished", None)
    if people:
        with task.store.database.write() as connection:
            note_change(connection, lead_name(), {"erased": len(people)})
    st.session_state["erased"] = told
