"""The pages without a browser: what they show and do, by Streamlit's own AppTest."""

import json
import random
import re
import shutil
from unittest.mock import Mock

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from affectml_annotation import Answer, DatabaseFailed, StoreError
from affectml_annotation.store import keeping
from affectml_annotation.store import setup as store_setup
from affectml_apps.relabel import lead, queries
from affectml_apps.relabel.identity import may_lead
from affectml_apps.relabel.pages.who import may_see_lead_pages
from affectml_apps.relabel.preferences import change_preferences, read_preferences
from affectml_apps.relabel.sync import NotAllowed, exchange


def unescaped(text):
    """What Streamlit's Markdown shows."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


def page_of(module, who=None):
    """One page as a script of its own."""
    script = f"from affectml_apps.relabel.pages import {module}\n{module}.draw()\n"
    app = AppTest.from_string(script, default_timeout=300)
    if who is not None:
        app.session_state["who"] = who
    return app


def named(elements, label):
    """The element with this label."""
    return next(element for element in elements if element.label == label)


def press(app, label):
    return named(app.button, label).click().run()


def texts(app):
    kinds = ("markdown", "text", "info", "error", "success", "warning", "title", "subheader", "caption")
    return unescaped(" ".join(element.value for kind in kinds for element in app.get(kind)))


@pytest.fixture
def answered(task):
    """Three people's answers to thirty images, drawn at random."""
    chance = random.Random(4)
    task.store.invite(["ann", "bob", "eve"])

    def said(image, who):
        labels = tuple(label for label in task.settings.labels if chance.random() < 0.25)
        return Answer(image, who, "labels" if labels else "none", labels, seconds=chance.uniform(1, 4))

    for who in ("ann", "bob", "eve"):
        task.store.submit([said(claim.image_id, who) for claim in task.store.claim(who, 30)])
    return task


def test_nobody_sees_an_image_before_giving_a_name_and_agreeing(task):
    app = page_of("label").run()
    assert not app.exception
    assert "A name is no password" in texts(app)
    app.text_input[0].input("  ann ")
    app.button[0].click().run()
    assert "violence" in texts(app)
    assert queries.person(task.store, "ann") is None  # a name alone puts nobody into the task
    app.button[0].click().run()
    assert not app.exception
    assert queries.person(task.store, "ann").consented
    assert len(app.get("bidi_component")) == 1


def test_where_other_machines_reach_a_page_without_sign_in_the_door_says_so_and_nobody_leads(task):
    assert may_see_lead_pages()
    task.only_here = False
    assert not may_see_lead_pages()
    assert "it answers to other machines" in texts(page_of("label").run())


@pytest.mark.parametrize("name", ["", "   ", "<b>ann</b>"])
def test_what_is_no_name_is_refused(task, name):
    app = page_of("label").run()
    app.text_input[0].input(name)
    app.button[0].click().run()
    assert "1 to 80 characters" in texts(app)
    assert task.store.annotators().empty


@pytest.mark.slow
def test_a_name_of_another_case_or_width_is_the_person_known(task):
    task.store.invite(["fast1", "Ann", "ann"])  # two of an older database stay two
    task.leads = ("fast1",)
    for typed, who in (("ＦＡＳＴ１", "fast1"), ("FAST1", "fast1"), ("ann", "ann"), ("ANN", "Ann"), ("Fast2", "Fast2")):
        app = page_of("label").run()
        app.text_input[0].input(typed)
        app.button[0].click().run()
        assert app.session_state["who"] == who
        address = page_of("label")
        address.query_params["who"] = typed
        assert address.run().session_state["who"] == who
        assert may_lead(typed, task.leads, signed_in=False, only_here=True) == (who == "fast1")
        assert not may_lead(typed, task.leads, signed_in=True, only_here=True)  # another account's address
    lead.invite(task, ["Fast1", "Eve", "ＥＶＥ", "ANN"])
    assert queries.names(task.store) == ["fast1", "Ann", "ann", "Eve"]


def test_where_an_invitation_is_needed_others_stay_out(task):
    change_preferences(task.store, invited_only=True)
    app = page_of("label", "stranger").run()
    assert "Nobody invited" in texts(app)
    assert task.store.annotators().empty


@pytest.mark.slow
def test_a_name_that_everybody_can_put_into_an_address_creates_nobody(task):
    for module in ("label", "own_part", "progress", "setup"):
        app = page_of(module)
        app.query_params["who"] = "x"
        assert not app.run().exception
    assert task.store.annotators().empty


def test_the_lead_takes_back_what_nobody_used_and_closes_the_entry_of_those_who_answered(answered):
    answered.store.invite(["new"])
    answered.store.consent("ann")
    before = answered.store.judgements()
    app = page_of("setup").run()
    named(app.multiselect, "Take off the list").set_value(["new", "ann"])
    press(app, "Take back the invitation")
    assert not app.exception
    assert "Taken back." in texts(app)
    assert "Closed: ann" in texts(app)
    assert answered.store.annotators()["annotator_id"].tolist() == ["ann", "bob", "eve"]
    assert answered.store.judgements().equals(before)
    assert "closed your entry" in texts(page_of("label", "ann").run())
    with pytest.raises(NotAllowed, match="closed your entry"):
        exchange(answered, "ann", {})
    named(app.text_area, "Names or e-mail addresses, one on each line").input("ann")
    press(app, "Invite")
    assert "Closed" not in texts(app)
    assert exchange(answered, "ann", {})["receipts"] == []


def test_people_are_told_by_the_languages_of_their_answers_where_there_are_any(task):
    task.store.invite(["ann", "bob", "eve"])
    assert "languages" not in page_of("progress").run().table[0].value
    for who, language in (("ann", "de"), ("bob", "ar")):
        for claim in task.store.claim(who, 2):
            task.store.submit([Answer(claim.image_id, who, "none", language=language)])
    app = page_of("progress").run()
    assert not app.exception
    assert "Answers by language: de 2 (people: 1), ar 2 (people: 1)." in texts(app)
    assert app.table[0].value["languages"].tolist() == ["de", "ar", ""]


def test_a_message_stands_once_and_only_for_the_form_whose_button_was_pressed(task):
    app = page_of("setup").run()
    press(app, "Save the page")
    assert [element.value for element in app.success] == ["Saved. People see it when they open the page again."]
    press(app, "Save")
    assert [element.value for element in app.success] == ["Saved. It holds for what is handed out from now on."]
    assert not app.run().success


@pytest.mark.slow
def test_leads_read_the_usual_spelling_of_a_label_that_its_source_misspells(serve):
    store = serve(taxonomy="parrott-25").store
    store.invite(["ann", "bob"])
    for who, labels in (("ann", ("irritabilty",)), ("bob", ("cheerfullness", "irritabilty"))):
        for claim in store.claim(who, 3):
            store.submit([Answer(claim.image_id, who, "labels", labels, seconds=1.0)])
    store.decide(store.images()["image_id"][0], ["irritabilty"], by="ann")
    for module in ("setup", "progress", "agreement", "disagreement"):
        app = page_of(module).run()
        assert not app.exception
        options = [each for field in app.multiselect for each in field.options]
        read = " ".join([texts(app), *(each.value.to_string() for each in app.table), *options])
        assert "irritability" in read, module
        assert "irritabilty" not in read, module
        assert "cheerfullness" not in read, module


def test_images_and_people_are_found_in_either_spelling(tmp_path, demo, serve):
    root = tmp_path / "accents"
    shutil.copytree(demo, root)
    images = pd.read_parquet(root / "images.parquet").head(2).assign(image_id=["cafe\u0301", "zebra"])
    images.to_parquet(root / "images.parquet")
    store = serve(root, taxonomy="mikels-8").store
    app = page_of("setup").run()
    named(app.text_area, "Images to be served before anything else, one on each line").input("caf\u00e9, ZEBRA")
    press(app, "Put in the queue")
    assert "Queued: 2 images." in texts(app)
    assert store.images()["queue_rank"].notna().all()
    store.invite([f"p{n}" for n in range(12)] + ["Jose\u0301"])
    app = page_of("progress").run()
    assert len(app.table[0].value) == 13
    named(app.text_input, "Find people").input("JOSÉ").run()
    assert app.table[0].value["annotator"].tolist() == ["Jose\u0301"]


def test_one_name_in_two_unicode_forms_is_one_person(task):
    app = page_of("setup").run()
    named(app.text_area, "Names or e-mail addresses, one on each line").input("Jose\u0301\nJos\u00e9\nJose")
    press(app, "Invite")
    assert task.store.annotators()["annotator_id"].tolist() == ["Jos\u00e9", "Jose"]


def test_withdrawing_needs_a_yes_and_takes_all_answers_out(answered):
    app = page_of("own_part", "ann").run()
    assert named(app.button, "Withdraw").disabled
    app.checkbox[0].check().run()
    press(app, "Withdraw")
    assert "You have withdrawn" in texts(app)
    assert set(answered.store.judgements()["annotator_id"]) == {"bob", "eve"}
    assert "you have withdrawn" in texts(page_of("label", "ann").run())


@pytest.mark.parametrize("only_here", [True, False])
def test_who_was_withdrawn_under_their_name_comes_back_by_the_lead(answered, monkeypatch, only_here):
    answered.only_here = only_here
    app = page_of("own_part", "ann").run()
    assert ("for a week; then it is final" if only_here else "at any time") in texts(app)
    app.checkbox[0].check().run()
    press(app, "Withdraw")
    monkeypatch.setattr(store_setup, "UNDO_MS", 0)
    assert answered.store.undoable_withdrawals() == ([] if only_here else ["ann"])
    monkeypatch.undo()
    app = page_of("setup").run()
    named(app.multiselect, "Undo a withdrawal").select("ann")
    press(app, "Undo it")
    assert "Undone." in texts(app)
    assert set(answered.store.judgements()["annotator_id"]) == {"ann", "bob", "eve"}
    assert "Undo a withdrawal" not in [element.label for element in app.multiselect]


def test_agreement_is_compared_between_languages_where_there_are_several(answered):
    assert "By language" not in texts(page_of("agreement").run())
    assert "are pooled" not in texts(page_of("export").run())
    answered.store.update_settings(overlap=9)
    for who in ("de1", "de2", "de3", "en1", "en2", "en3"):
        answered.store.invite([who])
        answered.store.submit([
            Answer(claim.image_id, who, "labels", ("awe",), language=who[:2]) for claim in answered.store.claim(who, 20)
        ])  # fmt: skip
    app = page_of("agreement").run()
    assert not app.exception
    for words in ("By language", "No label's rate is found to differ by language", "90 answers without a language"):
        assert words in texts(app)
    assert "Answers in 2 languages (de 60, en 60) are pooled" in texts(app)
    assert "Answers in 2 languages (de 60, en 60) are pooled" in texts(page_of("export").run())


@pytest.mark.parametrize("module", ["setup", "progress", "agreement", "disagreement", "export"])
@pytest.mark.parametrize("state", ["task", "answered"])
def test_every_lead_page_draws_with_and_without_answers(request, module, state):
    request.getfixturevalue(state)
    app = page_of(module).run()
    assert not app.exception
    assert app.title[0].value


def test_set_up_changes_what_is_handed_out_and_what_the_page_shows(task):
    app = page_of("setup").run()
    named(app.number_input, "People per image (overlap)").set_value(5)
    press(app, "Save")
    assert task.store.settings.overlap == 5
    named(app.text_area, "Instructions").input("Trust your first feeling.")
    meanings = "What the labels mean: one line each, label: meaning"
    named(app.text_area, meanings).input("awe: something vast")
    press(app, "Save the page")
    preferences = read_preferences(task.store)
    assert preferences.instructions == "Trust your first feeling."
    assert preferences.definitions == {"awe": "something vast"}
    named(app.text_area, meanings).input("aww: cute")
    press(app, "Save the page")
    assert "did you mean 'awe'?" in texts(app)


def test_the_question_changes_until_the_first_image_is_given_out(task):
    app = page_of("setup").run()
    field = "The question, word for word"
    named(app.text_area, field).input("What do you feel?")
    press(app, "Save the question")
    assert "The question is saved." in texts(app)
    assert task.settings.question == task.store.settings.question == "What do you feel?"
    task.store.invite(["ann"])
    task.store.claim("ann", 1)
    named(app.text_area, field).input("Another one?")
    press(app, "Save the question")
    assert "until the first image" in texts(app)
    assert task.store.settings.question == "What do you feel?"


def test_blind_first_needs_a_model(task):
    app = page_of("setup").run()
    named(app.checkbox, "Blind first, then a suggestion").check()
    press(app, "Save the page")
    assert "--model RUN" in texts(app)
    assert not read_preferences(task.store).blind_first


def test_names_are_hidden_until_asked_for(answered):
    app = page_of("disagreement").run()
    shown = app.table[0].value
    assert not set(shown["who"]) & {"ann", "bob", "eve"}
    named(app.checkbox, "Show names").check().run()
    assert set(app.table[0].value["who"]) <= {"ann", "bob", "eve"}


def test_a_decision_is_added_and_no_answer_changes(answered):
    before = answered.store.judgements()
    app = page_of("disagreement", "lead").run()
    app.multiselect[0].select("awe")
    press(app, "Add this decision")
    assert not app.exception
    decisions = answered.store.decisions()
    assert decisions["labels"].tolist() == [["awe"]]
    assert decisions["decided_by"].tolist() == ["lead"]
    assert answered.store.judgements().equals(before)


def test_that_no_label_applies_is_decided_only_by_saying_so(answered):
    app = page_of("disagreement", "lead").run()
    press(app, "Add this decision")
    assert "one of the two" in texts(app)
    app.multiselect[0].select("awe")
    none = named(app.checkbox, "None of these labels applies").check()
    press(app, "Add this decision")
    assert "one of the two" in texts(app)
    assert answered.store.decisions().empty
    app.multiselect[0].unselect("awe")
    press(app, "Add this decision")
    assert none.value
    assert answered.store.decisions()["labels"].tolist() == [[]]
    assert "Decided by lead: none of these" in texts(app)


@pytest.mark.parametrize(
    ("module", "broken", "below"),
    [
        ("setup", "affectml_apps.relabel.lead.write_definitions", ["Invitations", "Attention checks", "Queue"]),
        ("progress", "affectml_apps.relabel.pages.progress.hours", ["Everybody invited", "Label use (shares)"]),
        ("progress", "affectml_apps.relabel.pages.progress.annotator_report", ["Drift: how people change"]),
        ("agreement", "affectml_apps.relabel.pages.agreement.krippendorff_alpha", ["By label", "What suggestions did"]),
        ("agreement", "affectml_apps.relabel.lead.label_confusion", ["What suggestions did"]),
        ("disagreement", "affectml_apps.relabel.lead.answers_to", ["Second round", "Conflicts: 0 open"]),
        ("disagreement", "affectml_apps.relabel.lead.most_disputed", ["Conflicts: 0 open"]),
        ("export", "affectml_apps.relabel.lead.export_bytes", ["Into the data set"]),
        ("export", "affectml_apps.relabel.lead.shares_csv", ["Into the data set"]),
    ],
)
def test_a_part_that_fails_says_so_in_its_place_and_hides_nothing_below(answered, monkeypatch, module, broken, below):
    def fail(error):
        monkeypatch.setattr(broken, Mock(side_effect=error))
        app = page_of(module).run()
        assert [words for words in below if words not in texts(app)] == []
        return app

    foreseen = fail(StoreError("the *disk* is away"))
    assert [unescaped(each.value) for each in foreseen.error] == ["the *disk* is away"]
    assert not foreseen.exception
    unforeseen = fail(ZeroDivisionError())
    assert not unforeseen.error
    assert len(unforeseen.exception) == 1


def test_a_database_that_fails_at_a_button_is_told_without_its_place(task, monkeypatch):
    app = page_of("setup").run()
    monkeypatch.setattr(task.store, "update_settings", Mock(side_effect=DatabaseFailed("meg@db.local: no")))
    press(app, "Save")
    assert [unescaped(each.value)[:24] for each in app.error] == ["The database failed at t"]
    assert "Queue" in texts(app)


def test_a_label_that_holds_a_vertical_bar_is_exported(tmp_path, serve):
    labels = tmp_path / "odd.yaml"
    labels.write_text("name: odd\nlabels: ['joy|awe', '[\"joy\"]', joy]\n")
    store = serve(taxonomy=str(labels)).store
    store.invite(["ann"])
    store.submit([Answer(store.claim("ann", 1)[0].image_id, "ann", "labels", ("joy|awe", "joy"))])
    app = page_of("export").run()
    assert not app.exception
    assert not app.error
    buttons = [button.label for button in app.get("download_button")]
    assert buttons == ["Download the answers", "Download votes per image (CSV)"]
    assert "--target collected" in app.get("code")[0].value


def test_every_setting_that_a_task_can_have_is_shown(task):
    task.store.update_settings(
        overlap=2000, check_rate=0.001, repeat_rate=0.99, repeat_gap=20_000, lease_seconds=1e6, control_share=1.0,
        backup_hours=1e4, backups_kept=5000, backup_days=5000,
    )  # fmt: skip
    change_preferences(task.store, min_view_seconds=86_000, break_minutes=86_000)
    app = page_of("setup").run()
    assert not app.exception
    assert named(app.number_input, "Repeats, % of what a person sees").value == 99
    assert "Queue" in texts(app)


def test_the_lead_sets_the_schedule_of_backups_and_is_warned_where_one_failed(task):
    app = page_of("setup").run()
    assert "No backup yet; the page makes one every hour in " in texts(app)
    named(app.number_input, "Hours from one backup to the next (0: none)").set_value(12.0)
    named(app.number_input, "How many of the newest are kept").set_value(3)
    named(app.number_input, "Days before them of which one is kept").set_value(30)
    press(app, "Save the schedule")
    settings = task.store.settings
    assert (settings.backup_hours, settings.backups_kept, settings.backup_days) == (12.0, 3, 30)
    keeping.note_failure(task.store, "too little room in *this* folder")
    (warning,) = page_of("progress").run().warning
    assert unescaped(warning.value).endswith("; the last try failed: too little room in *this* folder.")
    assert "\\*this" in warning.value


def test_whoever_finished_the_first_round_lands_on_the_second(answered):
    answered.store.consent("ann")
    judged = answered.store.judgements()
    mine = judged[judged["annotator_id"] == "ann"]["image_id"].tolist()
    answered.store.open_round("discussion", mine[:3])
    assert page_of("label", "ann").run().get("button_group")[0].value == 1
    while rest := answered.store.claim("ann", 120):
        answered.store.submit([Answer(claim.image_id, "ann", "labels", ("awe",)) for claim in rest])
    app = page_of("label", "ann").run()
    number = int(answered.store.rounds()["round"].max())
    assert app.get("button_group")[0].options == ["First look", "Second round: 3 left"]
    assert app.get("button_group")[0].value == number
    app.get("button_group")[0].set_value(1).run()
    assert app.run().get("button_group")[0].value == 1


def test_the_lead_goes_on_to_the_next_image_and_past_decided_ones(answered):
    app = page_of("disagreement", "lead").run()
    first, second = lead.most_disputed(answered.store.judgements(), answered.settings.labels, 2)["image_id"]
    assert app.selectbox[0].value == first
    press(app, "Next image")
    assert app.selectbox[0].value == second
    app.multiselect[0].select("awe")
    press(app, "Add this decision")
    assert app.selectbox[0].value == second
    named(app.checkbox, "Leave out decided images").check().run()
    assert not app.exception
    assert not any(option.startswith(second) for option in app.selectbox[0].options)
    assert app.selectbox[0].value == first


def test_a_second_round_reaches_those_who_answered_before(answered):
    app = page_of("disagreement").run()
    press(app, "Open a second round")
    assert "Choose the images" in texts(app)
    assert set(answered.store.rounds()["purpose"]) == {"main", "repeat"}
    chosen = app.multiselect[1].options[:2]
    app.multiselect[1].set_value(chosen)
    press(app, "Open a second round")
    rounds = answered.store.rounds()
    number = int(rounds[rounds["purpose"] == "discussion"]["round"].iloc[0])
    judged = answered.store.judgements()
    mine = set(judged[judged["annotator_id"] == "ann"]["image_id"]) & set(chosen)
    further = queries.further_rounds(answered.store, "ann", inline_second=False)
    assert further == ([(number, "discussion", len(mine))] if mine else [])
    assert {claim.image_id for claim in answered.store.claim("ann", 9, round_number=number)} == mine


def test_exports_hide_names_unless_asked(answered):
    judgements = answered.store.judgements()
    for kind in lead.SUFFIXES:
        hidden, _ = lead.export_bytes(judgements, kind, names=False)
        named, _ = lead.export_bytes(judgements, kind, names=True)
        assert b"bob" not in hidden
        assert b"bob" in named


def test_drift_is_drawn_once_somebody_has_a_second_block(task):
    task.store.invite(["ann"])
    for _ in range(7):
        claims = task.store.claim("ann", 12)
        task.store.submit([Answer(claim.image_id, "ann", "labels", ("awe",), seconds=2.0) for claim in claims])
    assert "nobody has a second block" not in texts(page_of("progress").run())
    assert titles(page_of("progress").run())[-2:] == [
        "Median seconds, by blocks of 50 answers", "Labels per answer, by blocks of 50 answers"
    ]  # fmt: skip


def titles(app):
    """What each picture on a page says to whoever cannot see it; beside it stands the same as a table."""
    return [json.loads(each.proto.spec)["description"] for each in app.get("vega_lite_chart")]


def test_tables_of_people_and_labels_are_pictures_too(answered):
    assert titles(page_of("progress").run()) == [
        "Pace: answers by the hour they were given in (UTC)",
        "Agreement with the others, and what chance would give",
        "Label use by person: the share of their answers that hold a label",
    ]
    app = page_of("agreement").run()
    assert titles(app) == ["Agreement by label, with 95 % intervals"]
    (picture,) = app.get("vega_lite_chart")
    spans, marks = json.loads(picture.proto.spec)["layer"]
    assert [spans["encoding"][name]["field"] for name in ("x", "x2")] == ["low", "high"]
    assert {"color", "shape"} <= set(marks["encoding"])  # told apart without colour too


def test_images_without_a_file_are_counted_in_the_set_up(task, serve, demo, tmp_path):
    assert not page_of("setup").run().warning
    shutil.copytree(demo, tmp_path / "partly")
    images = pd.read_parquet(demo / "images.parquet")
    images.loc[:2, "file"] = None
    images.to_parquet(tmp_path / "partly" / "images.parquet")
    assert len(serve(tmp_path / "partly").store.images()) == len(images) - 3
    assert "3 images of the data set have no file" in page_of("setup").run().warning[0].value
