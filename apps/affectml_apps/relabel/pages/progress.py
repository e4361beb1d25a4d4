"""How far it is: who came, how they work, which images still need people, who is let in, and the task itself."""

from collections.abc import Callable
from functools import partial
from math import ceil

import pandas as pd
import streamlit as st

from affectml.people.labelling import queued_words, task_words
from affectml_annotation.store import keeping
from affectml_annotation.study import overview, running
from affectml_annotation.study.file import IDS
from affectml_annotation.study.terms import so_many
from affectml_apps.relabel import lead
from affectml_apps.relabel.pages import setup
from affectml_apps.relabel.pages.drawing import bars, begin, folded, section, submit, table
from affectml_apps.relabel.pages.who import lead_name, offer_to_leave, who_is_there
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import attempt, sentence, with_code

BLOCK = 50
SHOWN = 60  # images that still need people
BRIEF = ["participant", "status", "languages", "images", "minutes", "last_answer"]
ALIKE = ["above_chance", "above_chance_low", "above_chance_high", "shared_images", "repeats", "self_agreement",
         "labels_per_answer"]  # fmt: skip
BESIDES = ["none", "unsure", "skip", "flag"]
MARKED = (
    f"“No more than chance”: on {overview.FEWEST} shared images or more, it is not sure that they agree with "
    "others more than the same answers would with answers to other images. “Fast”: a median of seconds below half "
    "of the others'. People may feel differently and work fast: look before you judge, and nothing here decides "
    "about pay."
)
AGREED = (
    "With others: mean similarity (1 - MASI distance) to the others' answers, checks left out, with 95 % intervals "
    "over images. By chance: the same against answers to other images; above chance: the difference, image by image. "
    "Later to earlier: seconds an image in the second half of their images over those in the first. A check has no "
    "right answer, and disagreeing is no mistake."
)
STATES = {
    "running": ("Start", "The study is running: newcomers are let in."),
    "paused": ("Pause", "The study is paused: newcomers are asked to come again; whoever is there goes on."),
    "ended": ("End", "The study has ended: nobody new is let in; whoever is there goes on."),
}
STEPS = {"before": "questions before", "after": "questions after", "code": "finished"}


def draw() -> None:
    """Draw it."""
    task = current()
    begin("Progress")
    judgements = task.store.judgements()
    _how_far(task, judgements)
    if task.is_study:
        _funnel(task)
    _pace(judgements)
    _people(task, judgements)
    _drift(task, judgements)
    st.subheader("Images that still need people")
    _wanting(task)
    _queue(task)
    st.subheader("How people come")
    if task.is_study:
        _ways_in(task)
    else:
        _invitations(task)
    setup.draw(task)


@section()
def _how_far(task: LabelTask, judgements: pd.DataFrame) -> None:
    now = task.store.progress()
    st.markdown(f"**{lead.progress_words(now, task.file.overlap)}**")
    if now.answered:
        st.text(lead.pace_words(now, judgements))
    draw = st.warning if keeping.about(task.store)["failed"] else st.write
    draw(with_code(sentence(keeping.said(task.store))))


@section()
def _funnel(task: LabelTask) -> None:
    now = overview.overview(task.store)
    st.text(lead.places_words(now))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(STATES[now.state][1], width="content")
        for state, (word, _) in STATES.items():
            if state != now.state and st.button(word):
                attempt(partial(running.change_state, task.store, state, by=lead_name()), "Done.")
    found = overview.funnel(now)
    if found.empty:
        return
    steps = [STEPS.get(step, step) for step in dict.fromkeys(("consent", *now.reached))]
    shown = found.assign(step=found["step"].replace(STEPS), what=found["fate"].str.replace("_", " "))
    people = {"field": "people", "type": "quantitative", "aggregate": "sum", "title": None, "axis": {"tickMinStep": 1}}
    rows = {"field": "step", "type": "nominal", "sort": steps, "title": None, "axis": {"labelOverlap": False}}
    # A legend at the side would take a phone's whole width; these colours are in sight on white and on black.
    legend = {"orient": "bottom", "columns": 2, "labelLimit": 130}
    colour = {"field": "what", "type": "nominal", "title": None, "sort": None, "legend": legend,
              "scale": {"scheme": "tableau10"}}  # fmt: skip
    became = (shown["people"].astype(str) + " " + shown["what"]).groupby(shown["step"], sort=False).agg(", ".join)
    reached = shown.groupby("step", sort=False)["people"].sum()
    numbers = pd.DataFrame({"reached": reached, "of whom": became}).reset_index()
    title = "Who reached each step, and what became of them there"
    bars(shown, title, numbers, height={"step": 30}, encoding={"y": rows, "x": people, "color": colour})


@section()
def _pace(judgements: pd.DataFrame) -> None:
    pace = lead.pace(judgements)
    if len(pace) < 2:
        return
    unit = str(pace.columns[0])
    time_unit = {"hour": "utcyearmonthdatehours", "day": "utcyearmonthdate"}[unit]
    across = {"field": unit, "title": None, "type": "temporal", "timeUnit": time_unit, "scale": {"type": "utc"},
              "axis": {"labelOverlap": True}}  # fmt: skip
    up = {"field": "answers", "type": "quantitative", "axis": {"tickMinStep": 1}}
    title = f"Pace: answers by the {unit} they were given in (UTC)"
    bars(pace, title, pace, height=240, encoding={"x": across, "y": up})


@section()
def _people(task: LabelTask, judgements: pd.DataFrame) -> None:
    report = overview.how_people_work(task.store, judgements)
    people = lead.people(task, report)
    if people.empty:
        return
    st.subheader(f"People: {len(people)}")
    told = overview.as_text(people).replace("–", "")
    marked = told.pop("marked") if "marked" in told else None
    if marked is not None:
        told["status"] = [", ".join(filter(None, both)) for both in zip(told["status"], marked, strict=True)]
    brief = told.join(people.filter(["last_answer"]))
    table(brief[[name for name in BRIEF if name in brief]])
    for words in task_words(task.store, task.store.annotators()):
        st.write(with_code(sentence(words)))
    if marked is not None:
        st.write(MARKED)
    if len(report):
        with folded("Agreement with the others, checks and repeats"):
            alike = lead.with_intervals(report[ALIKE]).rename_axis("participant").reset_index()
            more = alike.dropna(axis="columns", how="all")
            table(told[["participant", *told.columns.difference(BRIEF, sort=False)]].merge(more))
            st.write(AGREED)
        with folded("What each person answers"):
            besides = report[BESIDES].apply(lambda row: ", ".join(f"{of} {n}" for of, n in row.items() if n), axis=1)
            said = lead.uses_in_words(report.filter(regex="^use:"), task.taxonomy.display)
            table(said.assign(besides=besides).reset_index())


@section()
def _drift(task: LabelTask, judgements: pd.DataFrame) -> None:
    changes = lead.drift(judgements, task.file.labels, block=BLOCK)
    changes = changes[changes["annotator_id"].duplicated(keep=False)]  # of whoever has a second block
    if len(changes):
        with folded("How people change as they go on"):
            st.write(f"By blocks of {BLOCK} answers, in the order in which each person gave them.")
            table(lead.uses_in_words(changes, task.taxonomy.display))


@section()
def _wanting(task: LabelTask) -> None:
    wanting = running.images_wanting(task.store)
    if wanting.empty:
        st.text("No image needs anybody any more.")
        return
    answers = int((wanting["wanted"] - wanting["taken"]).sum())
    many = f"{so_many(len(wanting), 'image')}, {so_many(answers, 'answer')} beside those that people are giving now"
    if not task.is_study:
        st.text(f"{many}.")
    else:
        per_person = task.file.images_per_person
        st.text(f"{many}; a person gives {per_person} at most.")
        with folded("Open more places"), st.form("more"):
            places = max(1, ceil(answers / per_person) - overview.overview(task.store).free)
            label = "Places for so many more people, who are given just these images"
            people = int(st.number_input(label, 1, None, places))
            change = partial(running.more_places, task.store, people, by=lead_name())
            submit("Open these places", change, f"{people} more places.")
    with folded("These images"):
        if len(wanting) > SHOWN:
            st.text(f"The first {SHOWN} of them:")
        table(wanting.head(SHOWN)[["image_id", "wanted", "taken"]])


@section()
def _queue(task: LabelTask) -> None:
    with folded("Put images first, and ask more people"), st.form("queue"):
        names = lead.read_names(st.text_area("Images to be served before anything else, one on each line"))
        more = int(st.number_input("At least so many more people for each (0: the overlap decides)", 0, 100, 0)) or None
        submit(
            "Put in the queue",
            lambda: queued_words(len(names), task.store.enqueue(names, more=more), more),
            "Queued: {}.",
            missing="" if names else "Write at least one image.",
        )


@section()
def _invitations(task: LabelTask) -> None:
    with folded("Invite people"), st.form("invite"):
        names = st.text_area("Names or e-mail addresses, one on each line", key="invited-names")
        submit("Invite", lambda: lead.invite(task, lead.read_names(names)), "Invited.")
    _choose(
        "Take an invitation back", list(task.store.annotators()["annotator_id"]), "Take off the list",
        "An invitation that nobody used is removed. Whoever has answered keeps their answers, which count, and their "
        "entry is closed; inviting them again opens it. Where everybody may label, a removed name can come again.",
        "Take back the invitation", task.store.uninvite, "Taken back.",
    )  # fmt: skip
    _choose(
        "Undo a withdrawal", task.store.undoable_withdrawals(), "Who withdrew",
        "For whoever did not mean it, or did not do it: their answers count again, and they may label on.",
        "Undo it", lambda names: task.store.undo_withdrawal(*names), "Undone.",
    )  # fmt: skip


def _choose(
    title: str, people: list[str], label: str, says: str, button: str, act: Callable[[list[str]], object], told: str
) -> None:
    """A form in which people are chosen for something, where there are any."""
    if people:
        with folded(title), st.form(title):
            chosen = st.multiselect(label, people)
            st.write(says)
            submit(button, partial(act, chosen), told, missing="" if chosen else "Choose people first.")


@section()
def _ways_in(task: LabelTask) -> None:
    here, recruit = (st.context.url or "").rpartition("/")[0], task.file.recruit
    if recruit.names:
        fills = {"prolific": "{{{{%{}%}}}}", "sona": "%SURVEY_CODE%"}.get(recruit.panel or "", "…")
        own = IDS[recruit.panel]
        ids = [
            f"{name}={(what == 'study' and recruit.study) or fills.format(own.get(what, name))}"
            for what, name in recruit.names.items()
        ]
        st.text("From the panel, by this address; the panel fills in the ids:")
        st.code(f"{here}/?{'&'.join(ids)}", language=None)
        st.text("Nobody signs these ids: whoever knows the address can make some up. So places are limited.")
    st.text("By a signed link for one person each, which nobody can make up:")
    st.code("affectml study links OUT --people 20", language=None)
    now = overview.overview(task.store)
    st.text(
        f"Newcomers see version {now.version}, since {now.since} UTC (affectml {now.affectml}); {now.came} came in it. "
        "No participant is shown the menu of this page."
    )
    if task.only_here and not task.leads:
        st.text(
            "Whoever sits at this machine can open its pages by their addresses; --lead NAME keeps a list of leads."
        )
    if who_is_there() is not None:
        offer_to_leave()
