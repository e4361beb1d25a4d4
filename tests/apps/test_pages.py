"""The pages without a browser: what they show and do, by Streamlit's own AppTest."""

import re
import shutil
import time
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest

from affectml_annotation import Answer, DatabaseFailed, StoreError
from affectml_annotation.store import keeping
from affectml_annotation.store import people as of_task
from affectml_annotation.store.versions import all_versions
from affectml_annotation.uncertainty import disagreement
from affectml_apps.relabel import lead, queries
from affectml_apps.relabel.identity import known_as, may_lead
from affectml_apps.relabel.pages import out
from affectml_apps.relabel.sync import NotAllowed, exchange
from affectml_apps.text import with_code

from .conftest import fill, say
from .reading import in_file, named, page, press, read, said, submit, unescaped


def enter(name, app=None):
    """Give a name at the door."""
    app = app or page("label")
    app.text_input[0].input(name)
    return app.button[0].click().run()


@pytest.fixture
def answered(task):
    """Three people's answers to thirty images, drawn at random."""
    fill(task.store, ["ann", "bob", "eve"], 30)
    return task


def test_nobody_sees_an_image_before_giving_a_name_and_agreeing(task):
    app = enter("  ann ")
    assert "violence" in said(app)
    assert "Whoever uses this machine can see your answers." in said(app)
    task.leads = ("lea",)
    assert "The lead of this task sees your answers; other annotators do not." in said(page("label", who="ann"))
    assert queries.person(task.store, "ann") is None  # a name alone puts nobody into the task
    app.button[0].click().run()
    assert not app.exception
    assert queries.person(task.store, "ann").consented_at
    assert len(app.get("bidi_component")) == 1


def test_what_is_no_name_is_refused(task):
    for name in ("", "   ", "<b>ann</b>"):
        assert "1 to 80 characters" in said(enter(name))
    assert task.store.annotators().empty


def test_a_name_of_another_case_or_width_or_form_is_the_person_known(task):
    task.store.invite(["fast1", "Ann", "ann"])  # two of an older database stay two
    people = queries.names(task.store)
    for typed, who in (("ＦＡＳＴ１", "fast1"), ("FAST1", "fast1"), ("ann", "ann"), ("ANN", "Ann"), ("Fast2", "Fast2")):
        assert known_as(typed, people) == who
        assert may_lead(typed, ["fast1"], signed_in=False, only_here=True) == (who == "fast1")
        assert not may_lead(typed, ["fast1"], signed_in=True, only_here=True)  # another account's address
    assert enter("FAST1").session_state["who"] == page("label", who="FAST1").session_state["who"] == "fast1"
    lead.invite(task, ["Fast1", "Eve", "ＥＶＥ", "ANN", "Jose\u0301", "Jos\u00e9", "Jose"])
    assert queries.names(task.store) == ["fast1", "Ann", "ann", "Eve", "Jos\u00e9", "Jose"]


def test_where_an_invitation_is_needed_others_stay_out(task):
    task.store.change_task(invited_only=True)
    assert "“stranger” is not among the people invited" in said(page("label", who="stranger"))
    assert task.store.annotators().empty


def test_the_lead_takes_back_what_nobody_used_and_closes_the_entry_of_those_who_answered(answered):
    answered.store.invite(["new", "zoe"])
    answered.store.claim("bob", 2)
    before = answered.store.judgements()
    app = submit(page("progress"), "Take back the invitation", {"Take off the list": ["new", "ann"]})
    assert "Taken back." in said(app)
    assert app.table[0].value[["person", "status"]].to_numpy().tolist() == [
        ["ann", "closed"], ["bob", "takes part, holds 2"], ["eve", "takes part"], ["zoe", "invited"]
    ]  # fmt: skip
    assert answered.store.annotators()["annotator_id"].tolist() == ["ann", "bob", "eve", "zoe"]
    assert answered.store.judgements().equals(before)
    assert "closed your entry" in said(page("label", who="ann"))
    with pytest.raises(NotAllowed, match="closed your entry"):
        exchange(answered, "ann", {"answers": []})
    submit(app, "Invite", {"Names or e-mail addresses, one on each line": "ann"})
    assert "closed" not in app.table[0].value["status"].tolist()
    assert exchange(answered, "ann", {"answers": []})["receipts"] == []


def test_flags_and_notes_stand_on_a_page(answered):
    assert "Flags and notes" not in said(page("said"))
    answered.store.invite(["lou"])
    for at, claim in enumerate(answered.store.claim("lou", 11)):
        kind, note = ("flag", "torn") if at else ("skip", "dark")
        answered.store.submit([Answer(claim.image_id, "lou", kind, note=note)])
        if at in (1, 10):
            app = page("said")
            shown = next(each.value for each in app.table if "flag" in each.value)
            assert shown["note"].tolist() == ["dark", *["torn"] * at]
            assert shown["flag"].tolist() == ["", *["flagged"] * at]
            assert f"Flags and notes: {at + 1}" in [each.label for each in app.expander]
    assert "(and 11 skipped or unsure)" in said(page("progress"))


@pytest.mark.parametrize("only_here", [True, False])
def test_withdrawing_needs_a_yes_takes_all_answers_out_and_is_undone_by_the_lead(answered, monkeypatch, only_here):
    answered.only_here = only_here
    app = page("who", who="ann")
    assert ("for a week; then it is final" if only_here else "at any time") in said(app)
    assert named(app.button, "Withdraw").disabled
    app.checkbox[0].check().run()
    press(app, "Withdraw")
    assert "You have withdrawn" in said(app)
    assert set(answered.store.judgements()["annotator_id"]) == {"bob", "eve"}
    assert "You have withdrawn from this task" in said(page("label", who="ann"))
    monkeypatch.setattr(of_task, "UNDO_MS", 0)
    assert answered.store.undoable_withdrawals() == ([] if only_here else ["ann"])
    monkeypatch.undo()
    app = submit(page("progress"), "Undo it", {"Who withdrew": ["ann"]})
    assert "Undone." in said(app)
    assert set(answered.store.judgements()["annotator_id"]) == {"ann", "bob", "eve"}
    assert "Who withdrew" not in [element.label for element in app.multiselect]


def test_languages_of_answers_are_told_of_people_and_that_they_are_pooled_where_there_are_several(answered):
    assert "languages" not in page("progress").table[0].value
    assert "are pooled" not in said(page("said"))
    answered.store.change_task(overlap=9)
    answered.store.invite(people := ["de1", "en1"])
    for who in people:
        say(answered.store, who, 20, "awe", language=who[:2])
    for name in ("said", "out"):
        assert "Answers in 2 languages (de 20, en 20) are pooled" in said(page(name))
    app = page("progress")
    assert "Answers by language: de 20 (people: 1), en 20 (people: 1)." in said(app)
    assert sorted(app.table[0].value["languages"]) == ["", "", "", "de", "en"]


def test_every_page_draws_without_answers_and_a_name_in_its_address_creates_nobody(task):
    for module in ("label", "who", "progress", "said", "out"):
        app = page(module, who="x")
        assert not app.exception
        assert app.title[0].value
    assert task.store.annotators().empty


def test_set_up_asks_for_three_answers_and_each_save_is_a_version_and_told_once(task):
    first = task.file
    app = submit(page("progress"), "Save", {"What people are asked": "Joy?", "People for each image": 5})
    assert task.file == first.but(question="Joy?", overlap=5)
    assert [*map(unescaped, page("out").table[0].value["what"])] == ["version: 2, changed: question, overlap"]
    app = submit(app, "Save", {"Who may label": True})
    assert task.file.invited_only
    assert [element.value for element in press(app, "Save").toast] == ["Saved."]
    assert not app.run().toast
    assert len(task.store.database.reading(all_versions)) == 3


def test_a_question_that_cannot_change_is_told_with_the_reason_and_is_no_field(task):
    task.store.invite(["ann"])
    task.store.claim("ann", 1)
    app = page("progress")
    assert "The question stays: images were given out." in said(app)
    assert "What people are asked" not in [field.label for field in app.text_area]
    words = f"question: {task.file.question}"
    app = in_file(app, words, "question: Another one?")
    assert "question: cannot change any more, since an image was given to somebody" in said(app)
    assert task.file.question != "Another one?"


def test_the_file_is_shown_whole_and_saved_as_a_version(task):
    app = in_file(page("progress"), "blur: false", "blur: true")
    assert "Saved: version 2." in said(app)
    assert [*map(unescaped, page("out").table[0].value["what"])] == ["version: 2, changed: page.blur"]
    assert task.file.page.blur
    assert "blur: true" in app.text_area(key="task-file").value


def test_a_file_that_cannot_be_is_told_and_stays_as_it_was_typed(task):
    for before, after, why in (
        ("overlap: 3", "overlap: 0", "overlap: expected greater than or equal to 1, but this is 0"),
        ("overlap: 3", "overlap: [", "not valid YAML"),
        ("seed: 0", "seed: 4", "seed: cannot change in a task that is set up"),
        ("words: {}", "words: {aww: {definition: cute}}", "did you mean 'awe'?"),
    ):
        app = in_file(page("progress"), before, after)
        assert why in said(app)
        assert after in app.text_area(key="task-file").value
    assert len(task.store.database.reading(all_versions)) == 1


def test_a_file_that_somebody_else_changed_meanwhile_is_not_written_over(task):
    app = page("progress")
    task.store.change_task(overlap=7)
    app = in_file(app, "overlap: 3", "overlap: 4")
    assert "somebody made version 2 of the task meanwhile" in said(app)
    assert task.file.overlap == 7


def test_names_are_hidden_on_the_page_and_in_exports_until_asked_for(answered):
    def people(app):
        (answers,) = (each.value for each in app.table if "who" in each.value)
        return set(answers["who"])

    app = page("said")
    assert {who.split()[0] for who in people(app)} == {"person"}
    assert people(named(app.checkbox, "Show names").check().run()) <= {"ann", "bob", "eve"}
    for kind in lead.SUFFIXES:
        hidden, shown = (lead.export_bytes(answered.store.judgements(), kind, names=show)[0] for show in (False, True))
        assert (b"bob" in hidden, b"bob" in shown) == (False, True)


def test_that_no_label_applies_is_decided_only_by_saying_so(answered):
    app = page("said", who="lead")
    press(app, "Add this decision")
    assert "one of the two" in said(app)
    app.multiselect[0].select("awe")
    none = named(app.checkbox, "None of these labels applies").check()
    press(app, "Add this decision")
    assert "one of the two" in said(app)
    assert answered.store.decisions().empty
    app.multiselect[0].unselect("awe")
    press(app, "Add this decision")
    assert none.value
    assert answered.store.decisions()["labels"].tolist() == [[]]
    assert "Decided by lead: none of these" in said(app)


@pytest.mark.parametrize(
    ("module", "broken", "below"),
    [
        ("progress", "relabel.pages.setup.question_stays", ["The task's file", "Put in the queue"]),
        ("progress", "relabel.lead.people", ["Images that still need people", "Invite people", "The task"]),
        ("said", "relabel.pages.said.krippendorff_alpha", ["Image by image", "Conflicts: 1 open"]),
        ("said", "relabel.lead.answers_to", ["Add this decision", "Open a second round", "Conflicts: 1"]),
        ("out", "relabel.lead.out_words", ["Download the answers", "Into a table"]),
    ],
)
def test_a_part_that_fails_says_so_in_its_place_and_hides_nothing_below(answered, monkeypatch, module, broken, below):
    answered.store.submit([Answer(answered.store.history("ann", 1)["image_id"][0], "ann", "labels", ("awe",))])

    def fail(error):
        monkeypatch.setattr(f"affectml_apps.{broken}", Mock(side_effect=error))
        app = page(module)
        assert [words for words in below if words not in read(app)] == []
        return app

    foreseen, unforeseen = fail(StoreError("the *disk* is away")), fail(ZeroDivisionError())
    assert {unescaped(each.value) for each in foreseen.error} == {"the *disk* is away"}
    assert (len(foreseen.error), len(foreseen.exception)) == (len(unforeseen.exception), 0)
    assert len(unforeseen.error) == 0


def test_a_database_that_fails_at_a_button_is_told_without_its_place(task, monkeypatch):
    app = page("progress")
    monkeypatch.setattr(task.store, "set_task", Mock(side_effect=DatabaseFailed("meg@db.local: no")))
    press(app, "Save the file")
    assert [unescaped(each.value)[:24] for each in app.error] == ["the database cannot be r"]
    assert "Put in the queue" in said(app)


def test_a_label_that_holds_a_vertical_bar_is_exported(tmp_path, serve):
    labels = tmp_path / "odd.yaml"
    labels.write_text("name: odd\nlabels: ['joy|awe', '[\"joy\"]', joy]\n")
    store = serve(taxonomy=str(labels)).store
    store.invite(["ann"])
    store.submit([Answer(store.claim("ann", 1)[0].image_id, "ann", "labels", ("joy|awe", "joy"))])
    app = page("out")
    assert (app.exception, app.error) == ([], [])
    buttons = [button.label for button in app.get("download_button")]
    assert buttons == ["Download the answers", "Download votes per image (CSV)"]


def test_a_rehearsals_answers_are_exported_beside_the_data_set(answered, monkeypatch):
    own = Path(answered.store.database.where)
    monkeypatch.setattr(out, "default_database", lambda _dataset: own.resolve())
    assert page("out").get("code")[0].value.endswith("--target collected")
    monkeypatch.setattr(out, "default_database", lambda _dataset: own.with_name("another.db"))
    assert page("out").get("code")[0].value == f"affectml label export --db {own} --to {own.with_suffix('.csv')}"


def test_the_lead_is_warned_where_a_backup_failed(task):
    keeping.note_failure(task.store, "too little room in *this* folder")
    (warning,) = page("progress").warning
    assert unescaped(warning.value).endswith("; the last try failed: too little room in *this* folder.")
    assert "\\*this" in warning.value


def test_a_later_round_comes_first_while_it_has_images_for_somebody(answered):
    store, seen = answered.store, answered.store.judgements().query("annotator_id == 'ann'")["image_id"].tolist()
    number = store.open_round(seen[:3])

    def rounds():
        return [queries.round_for(store, who) for who in ("ann", "newcomer")]

    assert rounds() == [number, 1]
    held = store.claim("ann", 3, round_number=number)
    assert rounds() == [number, 1]
    store.submit([Answer(claim.image_id, "ann", "none", round=number) for claim in held])
    assert rounds() == [1, 1]


def test_the_lead_goes_on_to_the_next_image_and_decides_and_no_answer_changes(answered):
    app, before = page("said", who="lead"), answered.store.judgements()
    first, second = disagreement(before, answered.file.labels).index[:2]
    assert app.selectbox[0].value == first
    press(app, "Next image")
    assert app.selectbox[0].value == second
    app.multiselect[0].select("awe")
    press(app, "Add this decision")
    assert app.selectbox[0].value == second
    decided = answered.store.decisions()[["image_id", "labels", "decided_by"]].to_numpy().tolist()
    assert decided == [[second, ["awe"], "lead"]]
    assert answered.store.judgements().equals(before)


def test_a_second_round_reaches_those_who_answered_before(answered):
    app = page("said")
    press(app, "Open a second round")
    assert "Choose the images" in said(app)
    assert set(answered.store.rounds()["purpose"]) == {"main", "repeat"}
    chosen = app.multiselect[1].options[:2]
    app.multiselect[1].set_value(chosen)
    press(app, "Open a second round")
    (number,) = answered.store.rounds().query("purpose == 'discussion'")["round"]
    mine = set(answered.store.judgements().query("annotator_id == 'ann'")["image_id"]) & set(chosen)
    assert {claim.image_id for claim in answered.store.claim("ann", 9, round_number=number)} == mine


def figures(app):
    """Each column of numbers on a page, and what stands in it: those of numbers that are not all alike."""
    columns = [(name, tuple(map(str, each.value[name]))) for each in app.table for name in each.value]
    return {(name, cells) for name, cells in columns if len(set(cells)) > 1 and re.search(r"\d", "".join(cells))}


def test_a_number_stands_on_one_page_only(answered):
    answered.store.change_task(checks={"rate": 0.2})
    for who in ("ann", "bob"):  # at two times of day
        say(answered.store, who, 1, at=time.time() - 7200, seconds=2.0)
    apps = {name: page(name) for name in ("progress", "said", "out")}
    for name, app in apps.items():
        first = next(each.value for each in app.markdown if each.value.startswith("**"))
        assert [other for other in apps if unescaped(first.strip("*")) in said(apps[other])] == [name]
    cells = [each.value.astype(str) for app in apps.values() for each in app.table]
    assert not any(table.isin(["", "–", "nan", "None", "<NA>"]).all().any() for table in cells)  # none of dashes
    shown = [figures(apps[name]) for name in ("progress", "said")]
    assert min(map(len, shown)) > 2
    assert shown[0] & shown[1] == figures(apps["out"]) == set()


def test_no_figure_of_one_image_has_an_interval(task):
    task.store.invite(["ann", "bob"])
    task.store.enqueue(task.store.images()["image_id"][:1])
    for who, labels in (("ann", ("awe", "fear")), ("bob", ("awe",))):
        say(task.store, who, 1, *labels, seconds=2.0)
    for name in ("progress", "said", "out"):
        app = page(name)
        shown = " ".join([said(app), *(each.value.to_string() for each in app.table)])
        assert not re.search(r"\[-?\d", shown), name
    assert "On 1 image with two answers or more, too few images to say how well people agree." in said(page("said"))


def test_nothing_is_asked_for_by_an_empty_list(task):
    app = page("progress")
    assert "No backup yet; the page makes one every hour in " in said(app)
    for button, says in (("Invite", "Write at least one name."), ("Put in the queue", "Write at least one image.")):
        assert [unescaped(each.value) for each in press(app, button).error] == [says]
    assert task.store.annotators().empty


def test_what_the_library_has_in_backticks_is_code_and_what_people_typed_never_is(task):
    told = with_code("the queue `a *b*` of *ann*; ![x](y)")
    assert told == "the queue `a *b*` of \\*ann\\*; \\!\\[x\\](y)"
    for typed in ("a ` *b*", "`a\n\n![x](y)`", "`` ![x](y)"):
        assert "`" not in with_code(typed).replace("\\`", "")
        assert "![" not in with_code(typed)
    task.store.change_task(overlap=1, skips=0)
    task.store.invite(["ann"])
    say(task.store, "ann", 1, kind="unsure")
    app = page("progress")
    assert "`affectml label assign --queue FILE --more 1` asks one more person each" in said(app)
    assert [each.value for each in app.text if "`" in each.value] == []


def test_drift_is_shown_once_somebody_has_a_second_block(task):
    task.store.invite(["ann"])
    say(task.store, "ann", 72, "awe", seconds=2.0)
    assert "How people change" not in said(page("progress"))
    say(task.store, "ann", 12, "awe", seconds=2.0)
    (blocks,) = (each.value for each in page("progress").table if "block" in each.value)
    shown = blocks[["block", "answers", "labels"]].to_numpy().tolist()
    assert shown == [[1, 50, "awe 100\xa0%"], [2, 34, "awe 100\xa0%"]]


def test_images_without_a_file_are_counted_in_the_set_up(task, serve, demo, tmp_path):
    assert not page("progress").warning
    shutil.copytree(demo, tmp_path / "partly")
    images = pd.read_parquet(demo / "images.parquet")
    images.loc[:2, "file"] = None
    images.to_parquet(tmp_path / "partly" / "images.parquet")
    assert len(serve(tmp_path / "partly").store.images()) == len(images) - 3
    assert "3 images of the data set have no file" in page("progress").warning[0].value
