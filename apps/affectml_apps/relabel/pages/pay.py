"""Who of a study is due what. This page alone shows people's ids at their panel."""

from dataclasses import asdict

import pandas as pd
import streamlit as st

from affectml_annotation.study import pay
from affectml_apps.relabel.finding import searchable
from affectml_apps.relabel.pages.drawing import attempt, form, section, table
from affectml_apps.relabel.pages.study import by
from affectml_apps.relabel.task import LabelTask, current

AMOUNTS = ("due", "by_panel", "to_pay")


def draw() -> None:
    """Draw it."""
    task = current()
    st.title("Pay")
    rows = pay.pay_rows(task.store)
    if not rows:
        st.info("Nobody has taken part yet.")
        return
    st.write(
        "This page and `affectml study pay` alone join people's ids at their panel with their visits. What is due "
        "follows from status, images and minutes, never from what somebody answered; failed checks are noted, and of "
        "no consequence."
    )
    with section():
        _sums(rows)
    with section():
        _everybody(task, rows)
    with section():
        _forget(task)


def _sums(rows: list[pay.PayRow]) -> None:
    sums = pay.sums(rows)
    currencies = list(dict.fromkeys(each.currency for each in sums))
    for column, currency in zip(st.columns(max(2, len(currencies))), currencies, strict=False):
        to_pay = sum(each.to_pay for each in sums if each.currency == currency)
        column.metric("Still to be paid by you", f"{pay.amount(to_pay)} {currency}")
    shown = pd.DataFrame([asdict(each) for each in sums])
    for name in AMOUNTS:
        shown[name] = shown[name].map(pay.amount)
    table(shown.assign(status=shown["status"].str.replace("_", " ")), "By status")
    left, right = st.columns(2)
    left.download_button(
        "Download the list for the panel's bulk payment", pay.as_bulk(rows), "bulk.csv", "text/csv", on_click="ignore",
        disabled=not any(each.to_pay for each in sums), width="stretch",
    )  # fmt: skip
    content = pay.as_csv(rows).encode("utf-8-sig")
    right.download_button(
        "Download the whole table (CSV)", content, "pay.csv", "text/csv", on_click="ignore", width="stretch"
    )
    st.write("The list has id and amount of who is not paid yet, less what the panel pays by itself.")


def _everybody(task: LabelTask, rows: list[pay.PayRow]) -> None:
    shown = pd.DataFrame([asdict(row) for row in rows]).rename(columns={"person": "id at the panel"})
    for name in ("due", "by_panel"):
        shown[name] = shown[name].map(pay.amount)
    for name in ("session", "code"):
        shown[name] = shown[name].fillna("–")
    table(shown.assign(status=shown["status"].fillna("going on").str.replace("_", " ")), "Everybody")
    with form("paid"):
        open_ones = [row.person for row in rows if row.person and row.status is not None and not row.paid]
        chosen = st.multiselect("Who was paid", open_ones, format_func=searchable, key=f"paid-{len(open_ones)}")
        everybody = st.checkbox(f"All {len(open_ones)} who are not paid yet and whose visit is over")
        if st.form_submit_button("Note that they were paid"):
            people = open_ones if everybody else chosen
            attempt(lambda: pay.mark_paid(task.store, people, by=by()), "Noted for {} who were not before.", "paid")


def _forget(task: LabelTask) -> None:
    st.subheader("Forget the panel's ids")
    with form("forget"):
        st.write(
            "The ids at the panel of all who are paid, or are due nothing since a day, leave the database for good; "
            "a keyed hash stays, so that who comes back is known, and can still be erased by their id. What you "
            "downloaded, replaced databases and backups made by hand have them yet, and are yours to delete."
        )
        sure = st.checkbox("I have downloaded what I need, and forget them")
        if st.form_submit_button("Forget these ids"):
            if not sure:
                st.error("Tick that you have what you need: this cannot be undone.")
            else:
                attempt(lambda: pay.forget_ids(task.store, by=by())[0], "They are forgotten; {} are kept.", "forget")
