"""Task set-up: how images are handed out, what the page shows, who is invited, checks and queue."""

import streamlit as st

from affectml_annotation.languages import LANGUAGES, own_name, read_by, spoken
from affectml_annotation.store.settings import STRATEGIES
from affectml_apps.relabel import lead
from affectml_apps.relabel.finding import resolve
from affectml_apps.relabel.pages.drawing import attempt, folded, form, section
from affectml_apps.relabel.preferences import change_preferences
from affectml_apps.relabel.task import LabelTask, Text

STRATEGY_HELP = (
    "random: an order of each person's own. fill: finish images that somebody has begun. stratified: strata in turn. "
    "priority: what the model is least sure of, or people disagree on. queue: only queued images. "
    "Queued images always come first."
)
SHOWN = {
    "blur": "Blur each image until it is asked for",
    "show_original": "Show the data set's own label",
    "valence_colours": "Colours by valence (they prime people)",
    "invited_only": "Only people on the list below may label",
}
TEXTS: dict[Text, str] = {
    "question": "The question", "instructions": "Instructions", "content_warning": "Content warning"
}  # fmt: skip
ASKED = {"intensity": "Ask how strongly (the same key again)", "valence_arousal": "Ask for valence and arousal"}


def draw(task: LabelTask) -> None:
    """Draw it below a page."""
    st.subheader("The task")
    if task.study is not None:
        st.info(
            "A study runs here. Question, overlap, checks, instructions, warnings, breaks, backups and who may come "
            "are what study.yaml and the data set say: overlap, checks and backups are set to that whenever the page "
            "is started, and the others are not taken from this page. What else stands here holds for the study, too."
        )
    if left_out := task.left_out:
        st.warning(f"{left_out} images of the data set have no file on this machine and are not shown to anybody.")
    for title, part in PARTS.items():
        if task.study is None or title != "Languages":  # which its own files say
            with folded(title), section():
                part(task)


def _asked(task: LabelTask) -> None:
    now = task.settings
    with form("asked"):
        question = st.text_area("The question, word for word", now.question, height="content")
        st.text(f"Labels: {task.said(now.labels)}. About: what is {now.construct}.")
        st.write(
            "The question can change until the first image is given out. From then on answers to another question, or "
            "with other labels, are another task (--db with --taxonomy, or `affectml labels init`)."
        )
        if st.form_submit_button("Save the question"):
            attempt(lambda: task.store.update_settings(question=question.strip()), "The question is saved.", "asked")


def _handing_out(task: LabelTask) -> None:
    now = task.settings
    with form("handing-out"):
        left, right = st.columns(2)
        overlap = left.number_input("People per image (overlap)", 1, None, now.overlap)
        strategy = right.selectbox("Order", STRATEGIES, STRATEGIES.index(now.strategy), help=STRATEGY_HELP)
        checks = left.number_input("Attention checks, % of what a person sees", 0, 99, round(now.check_rate * 100))
        repeats = right.number_input("Repeats, % of what a person sees", 0, 99, round(now.repeat_rate * 100))
        gap = left.number_input("Images between an image and its repeat", 1, None, now.repeat_gap)
        minutes = right.number_input("Minutes until an image goes to somebody else", 1, None,
                                     max(round(now.lease_seconds / 60), 1))  # fmt: skip
        control = left.number_input("Second looks without a suggestion, %", 0, 100, round(now.control_share * 100))
        if st.form_submit_button("Save", type="primary"):
            attempt(
                lambda: task.store.update_settings(
                    overlap=int(overlap), strategy=strategy, lease_seconds=float(minutes * 60),
                    check_rate=checks / 100, repeat_rate=repeats / 100, repeat_gap=int(gap),
                    control_share=control / 100,
                ),
                "Saved. It holds for what is handed out from now on.", "handing-out",
            )  # fmt: skip


def _page(task: LabelTask) -> None:
    now = task.preferences
    with form("page"):
        instructions = st.text_area("Instructions", now.instructions)
        definitions = st.text_area("What the labels mean: one line each, label: meaning",
                                   lead.write_definitions(now.definitions),
                                   placeholder="awe: something vast, larger than you")  # fmt: skip
        warning = st.text_area("Content warning, shown before the first image", now.content_warning)
        left, right = st.columns(2)
        chosen = {name: left.checkbox(text, getattr(now, name)) for name, text in SHOWN.items()}
        chosen |= {name: right.checkbox(text, getattr(now, name)) for name, text in ASKED.items()}
        blind = right.checkbox("Blind first, then a suggestion", now.blind_first,
                               help="The model's. The share without a suggestion, above, is the control.")  # fmt: skip
        left, right = st.columns(2)
        seconds = left.number_input("Seconds an image must be in sight", 0.0, None, float(now.min_view_seconds), 0.5)
        minutes = right.number_input("Minutes of work before a break (0: never)", 0.0, None, float(now.break_minutes))
        if st.form_submit_button("Save the page", type="primary"):

            def change() -> None:
                meanings = lead.read_definitions(definitions, task.settings.labels)
                if blind != now.blind_first:
                    lead.set_blind_first(task, blind)
                change_preferences(
                    task.store, instructions=instructions, definitions=meanings, content_warning=warning,
                    min_view_seconds=seconds, break_minutes=minutes, **chosen,
                )  # fmt: skip

            attempt(change, "Saved. People see it when they open the page again.", "page")


def _languages(task: LabelTask) -> None:
    now = task.preferences
    with form("languages"):
        chosen = st.multiselect(
            "People choose from these; the first is that of the texts above",
            list(dict.fromkeys((*LANGUAGES, *now.languages))), now.languages, format_func=own_name,
        )  # fmt: skip
        texts = {code: _texts_in(task, code) for code in now.languages[1:]}
        st.write("Your texts in another language are asked for here once it is saved.")
        if unread := [own_name(code) for code in now.languages if not read_by(code)]:
            st.write(f"Nobody is said to have read the page's own texts in: {', '.join(unread)}.")
        if st.form_submit_button("Save the languages"):
            attempt(
                lambda: change_preferences(task.store, languages=chosen, texts={**now.texts, **texts}),
                "Saved.",
                "languages",
            )


def _texts_in(task: LabelTask, code: str) -> dict[str, str]:
    """The lead's texts in a language; what is left empty is said in ours where we have it, else as it stands above."""
    there = task.preferences.texts.get(code, {})
    with folded(own_name(code)), spoken(code):
        return {
            name: st.text_area(title, there.get(name, ""), key=f"{name}-{code}", placeholder=task.text(name))
            for name, title in TEXTS.items()
        }


def _checks(task: LabelTask) -> None:
    st.write("A feeling has no right answer, so a check only says which labels are accepted and which forbidden.")
    with form("checks"):
        text = st.text_area("One line each: image; accepted, labels; forbidden, labels",
                            placeholder="000012; joy, love; anger")  # fmt: skip
        if st.form_submit_button("Add the checks"):

            def add() -> None:
                checks = lead.read_checks(text)
                checks["image_id"] = resolve(list(checks["image_id"]), task.store.images()["image_id"])
                task.store.add_checks(checks)

            attempt(add, "Added.", "checks")
    st.text(f"{len(task.store.checks())} checks so far")


def _backups(task: LabelTask) -> None:
    now = task.settings
    with form("backups"):
        left, middle, right = st.columns(3)
        hours = left.number_input(
            "Hours from one backup to the next (0: none)", 0.0, None, float(now.backup_hours), 1.0
        )
        kept = middle.number_input("How many of the newest are kept", 1, None, now.backups_kept)
        days = right.number_input("Days before them of which one is kept", 0, None, now.backup_days)
        if st.form_submit_button("Save the schedule"):
            attempt(
                lambda: task.store.update_settings(
                    backup_hours=float(hours), backups_kept=int(kept), backup_days=int(days)
                ),
                "Saved.", "backups",
            )  # fmt: skip


PARTS = {
    "What people are asked": _asked,
    "How images are handed out": _handing_out,
    "What the page shows and asks for": _page,
    "Languages": _languages,
    "Attention checks": _checks,
    "Backups": _backups,
}
