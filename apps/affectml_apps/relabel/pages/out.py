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
from affectml_annotation import DatabaseAway, pooled_words
from affectml_annotation.erasing import erase_people as erase_from_store
from affectml_annotation.erasing import erasures_asked
from affectml_annotation.judgements import are_data
from affectml_annotation.store.erasing import to_clean
from affectml_annotation.store.place import default_database
from affectml_annotation.store.setup import note_change
from affectml_annotation.study import overview, pay
from affectml_apps.relabel import lead
from affectml_apps.relabel.pages.drawing import done, folded, form, reading_width, section, show_done, table
from affectml_apps.relabel.pages.who import lead_name
from affectml_apps.relabel.task import PATIENCE, LabelTask, current
from affectml_apps.text import plain, searchable, sentence

CHANGES = {
    "version": "version {} runs", "state": "the study is {}", "more": "{} more places", "paid": "noted as paid: {}",
    "erased": "erased: {}", "forgotten": "ids at the panel forgotten: {}",
}  # fmt: skip


def draw() -> None:
    """Draw it."""
    task = current()
    reading_width(60)
    st.title("Out")
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
        with section(), folded("Who changed what"):
            table(_changes(overview.changes(task.store)))


def _answers(task: LabelTask, judgements: pd.DataFrame) -> None:
    st.subheader("Answers")
    with section():
        kind = st.selectbox("Format", list(lead.SUFFIXES), width=240)
        names = st.checkbox("With people's names (otherwise a1, a2, ...)")
        content, apart = lead.export_bytes(judgements, kind, names=names)
        st.download_button(
            "Download the answers", content, f"judgements{lead.SUFFIXES[kind]}", type="primary", on_click="ignore"
        )
        for line in apart:
            st.caption(plain(sentence(line)))
    with section():
        votes = lead.shares_csv(judgements, task.file.labels)
        if words := pooled_words(judgements):
            st.write(plain(words))
        st.download_button("Download votes per image (CSV)", votes, "votes.csv", on_click="ignore")
    with section():
        decisions = task.store.decisions()
        if len(decisions):
            content = lead.as_csv(decisions)
            st.download_button("Download the decisions (CSV)", content, "decisions.csv", on_click="ignore")
    with section():
        st.write("Into the data set, ready to be trained on; what it has stays, and the answers are added to it:")
        where, to = (shlex.quote(str(place)) for place in (task.store.database.where, task.dataset.root.resolve()))
        command = f"affectml label export --db {where} --to {to} --target collected"
        st.code(command, language=None, wrap_lines=True)


def _pay(task: LabelTask, rows: Sequence[pay.PayRow]) -> None:
    st.subheader("Pay")
    st.write(
        "What is due follows from status, images and minutes, never from what somebody answered; failed checks are "
        "noted, and of no consequence for pay. This page alone joins people's ids at their panel with their visits."
    )
    with section():
        sums = pay.sums(rows)
        table(pd.DataFrame({
            "status": sums["status"].str.replace("_", " "), "people": sums["people"], "paid": sums["paid"],
            "due": sums["due"].astype(str) + " " + sums["currency"],
            "to pay": sums["to_pay"].astype(str) + " " + sums["currency"],
        }))  # fmt: skip
        with st.container(horizontal=True):
            bulk = any(row.to_pay for row in rows)
            st.download_button(
                "Download the list for the panel's bulk payment", pay.as_bulk(rows), "bulk.csv", "text/csv",
                on_click="ignore", disabled=not bulk,
            )  # fmt: skip
            content = pay.as_csv(rows).encode("utf-8-sig")
            st.download_button("Download the whole table (CSV)", content, "pay.csv", "text/csv", on_click="ignore")
        st.write("The list has id and amount of who is not paid yet, less what the panel pays by itself.")
    _everybody(task, rows)
    _forget(task)


@section()
def _everybody(task: LabelTask, rows: Sequence[pay.PayRow]) -> None:
    with folded("Everybody, and who was paid"):
        table(pd.DataFrame([
            {"id at the panel": row.person, "status": (row.status or "going on").replace("_", " "),
             "code": row.code or "", "due": f"{row.due} {row.currency}",
             "paid": "yes" if row.paid else "no"}
            for row in rows
        ]))  # fmt: skip
        with form("paid") as submit:
            open_ones = [row.person for row in rows if row.person and row.status is not None and not row.paid]
            chosen = st.multiselect("Who was paid", open_ones, format_func=searchable, key=f"paid-{len(open_ones)}")
            everybody = st.checkbox(f"All {len(open_ones)} who are not paid yet and whose visit is over")
            people = open_ones if everybody else chosen
            submit(
                "Note that they were paid",
                partial(pay.mark_paid, task.store, people, by=lead_name()),
                "Noted for {} who were not before.",
                missing="" if people else "Choose who was paid first.",
            )


@section()
def _forget(task: LabelTask) -> None:
    with folded("Forget the panel's ids"), form("forget") as submit:
        st.write(
            "The ids at the panel of all who are paid, or have been owed nothing for a day, leave the database for "
            "good; a keyed hash stays, so that who comes back is known, and can still be erased by their id. What you "
            "downloaded, replaced databases and backups made by hand still have them, and are yours to delete."
        )
        sure = st.checkbox("I have downloaded what I need, and forget them")
        submit(
            "Forget these ids",
            lambda: pay.forget_ids(task.store, by=lead_name())[0],
            "They are forgotten; {} are kept.",
            missing="" if sure else "Tick that you have what you need: this cannot be undone.",
        )


@section()
def _erasures(task: LabelTask, asked: list[str]) -> None:
    unfinished = st.session_state.get("unfinished", [])
    to_finish = bool(unfinished) or task.store.database.reading(to_clean)
    if asked or to_finish:
        st.subheader("Erasing")
    show_done("erase")
    for line in st.session_state.pop("erased", ()):
        st.text(line)
    if to_finish:
        st.warning(
            "Another program used the database, so not all that was to be erased has left it and its files. Go on "
            "here; if that does not help, end this server and whatever else uses the database, and run:"
        )
        st.code(f"affectml label remove erase DATASET {' '.join(unfinished) or 'PARTICIPANT'}", language=None)
        if st.button("Go on erasing"):
            _erase(task, unfinished)
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
        if st.form_submit_button("Erase"):
            if not sure or not chosen:
                st.error("Choose who, and tick that you have read this.")
            else:
                _erase(task, chosen)


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
    done("Erased. What stays to be done, if anything, stands below.", "erase")


def _changes(changes: pd.DataFrame) -> pd.DataFrame:
    what = [
        "; ".join(CHANGES.get(name, f"{name}: {{}}").format(value) for name, value in each.items())
        for each in changes["what"]
    ]
    return changes.assign(what=what).rename(columns={"at": "when (UTC)"})
