"""How far it is: who came, how they work, what still wants people, who is let in, and the task itself."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import ceil

import pandas as pd
import streamlit as st

from affectml.errors import AffectmlError
from affectml.people.labelling import queued_words, task_words
from affectml_annotation import Progress
from affectml_annotation.study import overview, running
from affectml_apps.pictures import preview
from affectml_apps.relabel import lead
from affectml_apps.relabel.pages import setup
from affectml_apps.relabel.pages.drawing import (
    attempt,
    bars,
    by_colour,
    dots,
    folded,
    form,
    line_chart,
    picture,
    reading_width,
    section,
    show_backups,
    show_done,
    table,
    with_code,
)
from affectml_apps.relabel.pages.who import lead_name, offer_to_leave, who_is_there
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import find, resolve, searchable, sentence

BLOCK = 50
MANY = 10
LINES = 8  # more cannot be told apart
LABELS = 30  # nor more labels side by side
SHOWN, SIDE = 60, 96  # images with a thumbnail, and its pixels
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
STEPS = {
    "consent": "consent shown",
    "before": "questions before",
    "start": "practice over",
    "after": "questions after",
    "code": "finished",
}
FATES = {  # in the order of the picture, with a colour of its own and a word for it
    "went_on": ("went on", "#2f6fc4"),
    "completed": ("completed it", "#1b7a4b"),
    "going_on": ("is there now", "#8fb8ea"),
    "screened_out": ("screened out", "#b07d1a"),
    "quota_full": ("quota full", "#8a6fb0"),
    "timed_out": ("timed out", "#8c8c8c"),
    "left": ("left", "#c2483b"),
    "declined": ("declined", "#d98a80"),
    "went_away": ("went away", "#c9c9c9"),
}
UNSIGNED = (
    "Nobody signs these ids: whoever knows the address can make some up. So places are limited, the study's id has to "
    "be the one in study.yaml, where one stands there, and answers and code are shown on the device on which somebody "
    "began, or for their resume code."
)


def draw() -> None:
    """Draw it."""
    task = current()
    reading_width(60)
    st.title("Progress")
    with section():
        _how_far(task, task.store.progress())
    if task.is_study:
        with section():
            _funnel(overview.overview(task.store))
    judgements = task.store.judgements()
    with section():
        _pace(judgements)
    with section():
        _people(task, judgements)
    with section():
        _drift(task, judgements)
    st.subheader("What still wants people")
    with section():
        _wanting(task)
    with section():
        _queue(task)
    st.subheader("How people come")
    with section():
        _ways_in(task) if task.is_study else _invitations(task)
    setup.draw(task)


def _how_far(task: LabelTask, now: Progress) -> None:
    st.markdown(f"**{lead.progress_words(now, task.file.overlap)}**")
    if now.answered:
        st.text(lead.pace_words(now))
    show_backups(task.store)


def _funnel(now: overview.Overview) -> None:
    st.text(lead.places_words(now))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(STATES[now.state][1], width="content")
        for state, (word, _) in STATES.items():
            if state != now.state and st.button(word):
                attempt(partial(running.change_state, current().store, state, by=lead_name()), "Done.", "state")
    show_done("state")
    found = overview.funnel(now)
    if found.empty:
        return
    steps = [STEPS.get(step, step) for step in dict.fromkeys(("consent", *now.reached))]
    shown = found.assign(
        step=[STEPS.get(step, step) for step in found["step"]],
        what=[FATES[fate][0] for fate in found["fate"]],
        order=[list(FATES).index(fate) for fate in found["fate"]],
    )
    words, colours = zip(*(FATES[fate] for fate in FATES if fate in set(found["fate"])), strict=True)
    colour = by_colour("what") | {"scale": {"domain": words, "range": colours}}
    across = {"field": "people", "type": "quantitative", "aggregate": "sum", "title": None}
    number = {"mark": {"type": "text", "align": "left", "dx": 4, "color": "gray"}, "encoding": {"text": across}}
    rows = {"field": "step", "type": "nominal", "sort": steps, "title": None, "axis": {"labelOverlap": False}}
    picture(
        shown, "Who reached each step, and what became of them there", height={"step": 30},
        encoding={"y": rows, "x": {**across, "axis": {"tickMinStep": 1}}},
        layer=[{"mark": "bar", "encoding": {"order": {"field": "order"}, "color": colour}}, number],
    )  # fmt: skip
    with folded("The same as a table", "funnel"):
        became = (shown["people"].astype(str) + " " + shown["what"]).groupby(shown["step"], sort=False).agg(", ".join)
        reached = shown.groupby("step", sort=False)["people"].sum()
        table(pd.DataFrame({"reached": reached, "of whom": became}).reset_index())


def _pace(judgements: pd.DataFrame) -> None:
    pace = lead.pace(judgements)
    if len(pace) < 2:
        return
    unit = str(pace.columns[0])
    bars(pace, unit, "answers", f"Pace: answers by the {unit} they were given in (UTC)")
    with folded("The same as a table", "pace"):
        table(pace)


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
    brief = brief[[name for name in BRIEF if name in brief]]
    if len(brief) > MANY:
        wanted = st.text_input("Find people", placeholder="part of a name, accents or not")
        brief = brief[brief["participant"].isin(find(wanted, brief["participant"]))]
    table(brief)
    for words in task_words(task.store, task.store.annotators()):
        st.write(with_code(sentence(words)))
    if marked is not None:
        st.write(MARKED)
    if len(report):
        with folded("Agreement with the others, checks and repeats"):
            _with_others(told, report)
        with folded("What each person answers"):
            _label_use(lead.label_use(report.reset_index(), LABELS))
            besides = report[BESIDES].apply(lambda row: ", ".join(f"{of} {n}" for of, n in row.items() if n), axis=1)
            said = lead.uses_in_words(report.filter(regex="^use:"), task.taxonomy.display)
            table(said.assign(besides=besides).reset_index())


def _with_others(people: pd.DataFrame, report: pd.DataFrame) -> None:
    agreed = {"with_others": "others", "expected_by_chance": "chance"}
    dots(report.reset_index(), "annotator_id", agreed, "Agreement with the others, and what chance would give")
    more = lead.with_intervals(report[ALIKE]).rename_axis("participant").reset_index().dropna(axis="columns", how="all")
    table(people[["participant", *people.columns.difference(BRIEF, sort=False)]].merge(more))
    st.write(AGREED)


def _label_use(shares: pd.DataFrame) -> None:
    across = {"field": "label", "type": "nominal", "title": None, "sort": None,
              "axis": {"labelAngle": -45, "labelLimit": 120}}  # fmt: skip
    down = {"field": "annotator_id", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 100}}
    size = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0, 400]},
            "legend": {"orient": "bottom", "format": ".0%", "values": [0.1, 0.5, 1]}}  # fmt: skip
    encoding = {"x": across, "y": down, "size": size}
    picture(shares, "Label use by person: the share of their answers that hold a label", height={"step": 24},
            mark={"type": "circle", "opacity": 1}, encoding=encoding)  # fmt: skip


def _drift(task: LabelTask, judgements: pd.DataFrame) -> None:
    changes = lead.drift(judgements, task.file.labels, block=BLOCK)
    if not changes["block"].max() > 1:  # nobody has a second one, or there is none
        return
    with folded("How people change as they go on"):
        told = lead.changed_most(changes, LINES)
        if len(told) < len(changes):
            st.write(f"Drawn are the {LINES} people whose pace changed most; the table below holds everybody.")
        for column, what in (("seconds", "Median seconds"), ("labels_per_answer", "Labels per answer")):
            line_chart(told, "block", column, "annotator_id", f"{what}, by blocks of {BLOCK} answers")
        table(lead.uses_in_words(changes, task.taxonomy.display))


def _wanting(task: LabelTask) -> None:
    wanting = running.images_wanting(task.store)
    if wanting.empty:
        st.text("No image wants anybody any more.")
        return
    answers = int((wanting["wanted"] - wanting["taken"]).sum())
    if not task.is_study:
        st.text(f"{lead.so_many(len(wanting), 'image')}, {lead.so_many(answers, 'answer')} in all.")
    else:
        _places(task, len(wanting), answers)
    with folded("These images"):
        if len(wanting) > SHOWN:
            st.text(f"The first {SHOWN} of them:")
        _images(task, wanting.head(SHOWN))


def _places(task: LabelTask, images: int, answers: int) -> None:
    per_person, free = task.running.images_per_person, overview.overview(task.store).free
    many = f"{lead.so_many(images, 'image')}, {lead.so_many(answers, 'answer')} in all"
    st.text(f"{many}; a person gives {per_person} at most.")
    with folded("Open more places"), form("more"):
        people = st.number_input(
            "Places for so many more people, who are given just these images", 1, None,
            max(1, ceil(answers / per_person) - free),
        )  # fmt: skip
        if st.form_submit_button("Open these places"):
            change = partial(running.more_places, task.store, int(people), by=lead_name())
            attempt(change, f"{people} more places.", "more")


def _images(task: LabelTask, wanting: pd.DataFrame) -> None:
    files = task.store.images().set_index("image_id")["file"]
    st.dataframe(
        wanting.assign(picture=[_picture(task, str(files[image_id])) for image_id in wanting["image_id"]]),
        hide_index=True, row_height=64, height=260, alt="Images that still want people",
        column_order=["picture", "image_id", "wanted", "taken"],
        column_config={
            "picture": st.column_config.ImageColumn(""), "image_id": "image", "taken": "answered or held now",
        },
    )  # fmt: skip


def _picture(task: LabelTask, file: str) -> str:
    """A thumbnail as a data URI; empty where there is none to show."""
    with suppress(AffectmlError, OSError):
        return preview(task.dataset.image_path(file), SIDE)
    return ""


def _queue(task: LabelTask) -> None:
    with folded("Put images first, and ask more people"), form("queue"):
        wanted = st.text_area("Images to be served before anything else, one on each line")
        more = int(st.number_input("At least so many more people for each (0: the overlap decides)", 0, 100, 0))
        if st.form_submit_button("Put in the queue"):
            names = resolve(lead.read_names(wanted), task.store.images()["image_id"])
            if not names:
                st.error("Write at least one image.")
            else:
                attempt(lambda: queued_words(len(names), task.store.enqueue(names, more=more or None), more or None),
                        "Queued: {}.", "queue")  # fmt: skip


def _invitations(task: LabelTask) -> None:
    with folded("Invite people"), form("invite"):
        names = st.text_area("Names or e-mail addresses, one on each line", key="invited-names")
        if st.form_submit_button("Invite"):
            attempt(lambda: lead.invite(task, lead.read_names(names)), "Invited.", "invite")
    _choose(
        "uninvite", "Take an invitation back", list(task.store.annotators()["annotator_id"]), "Take off the list",
        "An invitation that nobody used is removed. Whoever has answered keeps their answers, which count, and their "
        "entry is closed; inviting them again opens it. Where everybody may label, a removed name can come again.",
        "Take back the invitation", task.store.uninvite, "Taken back.",
    )  # fmt: skip
    _choose(
        "withdrawn", "Undo a withdrawal", task.store.undoable_withdrawals(), "Who withdrew",
        "For whoever did not mean it, or did not do it: their answers count again, and they may label on.",
        "Undo it", lambda names: task.store.undo_withdrawal(*names), "Undone.",
    )  # fmt: skip


def _choose(
    place: str, title: str, people: list[str], label: str, says: str, button: str,
    act: Callable[[list[str]], object], told: str,
) -> None:  # fmt: skip
    """A form in which people are chosen for something, where there are any."""
    if not people:
        show_done(place)
        return
    with folded(title), form(place):
        chosen = st.multiselect(label, people, format_func=searchable)
        st.write(says)
        if st.form_submit_button(button):
            if not chosen:
                st.error("Choose people first.")
            else:
                attempt(partial(act, chosen), told, place)


def _ways_in(task: LabelTask) -> None:
    here, recruit = (st.context.url or "").rpartition("/")[0], task.running.recruit
    if recruit.names:
        fills = {"prolific": "{{{{%{}%}}}}", "sona": "%SURVEY_CODE%"}.get(recruit.panel or "", "…")
        own = recruit.usual
        ids = [
            f"{name}={(what == 'study' and recruit.study) or fills.format(own.get(what, name))}"
            for what, name in recruit.names.items()
        ]
        st.text("From the panel, by this address; the panel fills in the ids:")
        st.code(f"{here}/?{'&'.join(ids)}", language=None)
        st.text(UNSIGNED)
    st.text("By a signed link for one person each, which nobody can make up:")
    st.code("affectml study links OUT --people 20", language=None)
    first = overview.versions(task.store).iloc[0]
    st.text(
        f"Newcomers see version {first['version']}, since {first['at']:%Y-%m-%d %H:%M} UTC (affectml "
        f"{first['affectml']}); {first['people']} came in it. No participant is shown the menu of this page."
    )
    if task.only_here and not task.leads:
        st.text(
            "Whoever sits at this machine can open its pages by their addresses; --lead NAME keeps a list of leads."
        )
    if who_is_there() is not None:
        offer_to_leave()
