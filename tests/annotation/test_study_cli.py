"""`affectml study`: what is missing, the summary, links, steering, pay."""

import json
import re
import shutil
import sys
import types
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml

from affectml.errors import BadInput
from affectml.people import studies
from affectml.taxonomies import get_taxonomy
from affectml_annotation import DatabaseAway, LabelStore, StoreError, erasing
from affectml_annotation.errors import BadTask
from affectml_annotation.store.backup import write_backup
from affectml_annotation.store.claims import end
from affectml_annotation.store.engine import Database
from affectml_annotation.store.keeping import keep_backup
from affectml_annotation.store.people import to_clean
from affectml_annotation.store.place import backups_of
from affectml_annotation.study import door, overview, running, visits
from affectml_annotation.study.file import LabelWords
from affectml_annotation.study.folder import FILE, read_study
from affectml_annotation.study.screen import warnings_of

from .studies import write_file
from .tasks import new_task, refused


@pytest.fixture
def data(demo_set):
    return demo_set(images=20)


@pytest.fixture
def folder(run, data, tmp_path):
    """A new study of that data set."""
    run("study", "init", data.root, tmp_path / "study")
    return tmp_path / "study"


def agree(store, ids: door.Ids) -> str:
    boxes = store.database.reading(running.file_of).consent.boxes
    return door.agree(store, ids, 1, boxes).participant


def dictated(**changes) -> dict[str, object]:
    return {"images": [{"image": "000000", "labels": ["awe"], **changes}]}


AGE = {"id": "age", "text": "Age?", "kind": "choice", "options": ["18-29", "30+"]}
MISSING = [
    (
        {},
        "consent.md has places to fill in: [",
        "images_per_person is 50, and the data set has 20 images.",
        "pay.per_person is 0: nobody is paid.",
        "help is empty: people need somebody to turn to.",
    ),
    # 18 images times 3 people are 54 answers: 6 people with 10 each
    (
        {
            "images_per_person": 10, "places": {"people": 5}, "checks": {"rate": 0.3, **dictated()},
            "practice": dictated(image="000002", labels=["amusment"]),
            "pay": {"currency": "JPY", "per_minute_over": "0.50"},
            "recruit": {"panel": "sona", "return_to": "https://x.example/"},
        },
        "places.people is 5: for 18 images with 3 people each it takes 6 who label 10.",
        "checks: rate asks for 3 checks a person, and there are images for 1.",
        "practice: there is no label 'amusment'; did you mean 'amusement'?",
        "pay.per_minute_over is 0.50: JPY is paid in whole units; write such as 300.",
        "recruit.return_to has no {person}: sona would not know who comes back.",
    ),
    (
        {
            "images_per_person": 10, "checks": {"rate": 0.04, **dictated(images={"de": "no such", "nl": "000001"})},
            "practice": dictated(image="nowhere"), "pay": {"per_person": 3},
            "recruit": {"panel": "prolific", "return_to": "https://x.example/"},
            "before": {"questions": [{**AGE, "kind": "text", "options": [], "share": True}]},
        },
        "checks: rate is 0.04: of 10 images that is no check.",
        "checks: there is no image 'no such'.",
        "checks: there is no language 'nl'.",
        "practice: there is no image 'nowhere'.",
        "recruit.return_to has no {code}: prolific would not know who comes back.",
        "pay.paid_by_panel has no completed: prolific pays its reward itself",
        "question age is free text",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "says"), [(changes, says) for changes, *says in MISSING])
def test_what_is_missing_is_said_in_a_sentence(folder, changes, says):
    write_file(folder, **changes)
    found = studies.check(folder)
    told = (*found.missing, *found.unfilled, *found.refused)
    assert [words for words in says if not any(sentence.startswith(words) for sentence in told)] == []


def test_what_the_texts_name_and_is_not_there_is_refused(folder):
    write_file(folder, languages=["en", "de"])
    (folder / "instructions.md").write_text("![a painting](00000)", encoding="utf-8")
    (folder / "study.de.yaml").write_text("labels: {aw: {name: Ehrfurcht}}", encoding="utf-8")
    unknown = studies.check(folder).refused
    assert "instructions.md: there is no image '00000'; did you mean '000010'?" in unknown
    assert "study.de.yaml: there is no label 'aw'; did you mean 'awe'?" in unknown
    refused(BadInput, "names 'aw', which is not a label", studies.begin, folder, by="lead")
    (folder / "study.de.yaml").write_text("labels: {awe: {name: Wut}, anger: {name: Wut}}", encoding="utf-8")
    assert "are both called 'Wut' in de" in studies.check(folder).missing[-1]


NOWHERE = [("taxonomy", "nosuch.yaml"), ("taxonomy", "nosuch"), ("target", "nosuch"), ("dataset", "nosuch")]


@pytest.mark.parametrize(("key", "value"), NOWHERE)
def test_labels_that_a_study_cannot_have_are_said_by_the_check_and_not_first_by_the_run(key, value, folder):
    write_file(folder, **{key: value})
    assert value in studies.check(folder).refused[0]


def test_how_many_people_it_takes_is_said_before_it_begins(run, folder):
    skipped = "; if every image is skipped as often as `skips` counts, "
    write_file(folder, overlap=6, images_per_person=5, places={"people": 24})
    said = run("study", "check", folder)
    assert f"it takes 24 people (0.00 EUR){skipped}48 people (0.00 EUR)" in said
    assert "- places.people" not in said
    assert json.loads(run("study", "check", folder, "--json"))["people"] == 24
    write_file(folder, overlap=5, skips=2, places={"people": 19}, pay={"per_person": "1.25"})
    said = run("study", "check", folder)
    assert f"it takes 20 people (25.00 EUR){skipped}28 people (35.00 EUR)" in said
    assert "places.people is 19: for 20 images with 5 people each it takes 20 who label 5." in said
    assert "5 per image" in run("study", "check", folder, "--summary")


def test_a_list_of_who_was_paid_finds_everybody_whom_the_list_for_bulk_payment_named(run, tmp_path, folder):
    """Of earlier versions, too, which took ids with line breaks."""
    study = read_study(folder)
    people = ["plain", "two\nlines", "=formula", "UPPER", "'quoted"]
    with LabelStore(tmp_path / "paid.db") as store:
        paying = study.file.but(labels=("awe",), question="?", pay={"per_screen_out": Decimal(1)})
        store.init_task(paying, ["a", "b"], texts=study.texts)
        running.open_study(store, replace(study, file=paying), by="lead")
        for person in people:
            who = agree(store, door.Ids(person))
            store.database.writing(end, who, "screened_out", 1)
    listed = run("study", "pay", folder, "--db", tmp_path / "paid.db", "--bulk")
    (tmp_path / "paid.csv").write_text(listed.replace("UPPER", "upper"), encoding="utf-8")
    pay = ("study", "pay", folder, "--db", tmp_path / "paid.db")
    assert run(*pay, "--paid-list", tmp_path / "paid.csv") == f"noted for {len(people)} of {len(people)}\n"
    assert run(*pay, "--bulk") == ""


def test_every_file_that_still_holds_an_id_is_named(run, tmp_path, monkeypatch, folder):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    data = (folder / read_study(folder).file.dataset).resolve()
    with studies.begin(folder, by="lead") as store:
        db = Path(store.database.where)
        people = [agree(store, door.Ids(f"SECRET-{n}")) for n in range(3)]
        for who in people:
            visits.leave(store, who)
        keep_backup(store)  # is gone through by itself
        copies = [db.with_name("by-hand.db"), backups_of(db) / "own name.db"]
        for copy in copies:
            write_backup(store, copy)
        copies.append(shutil.copy(copies[0], db.with_name(f"{db.stem}.replaced-2026-01-02.db")))
        (folder / "other.csv").write_text("person,due\nSOMEBODY,1.00\n")
        for name in (folder / "pay.csv", elsewhere / "bulk.csv"):
            name.write_text(run("study", "pay", folder))
    run("study", "pay", folder, "--paid", "SECRET-0")
    commands = [
        ("study", "pay", folder, "--forget"), ("study", "erase", folder, "SECRET-1"),
        ("label", "remove", "erase", data, people[2]),  # which knows of no study's folder
    ]  # fmt: skip
    for command, pays in zip(commands, ([folder / "pay.csv"], [folder / "pay.csv"], []), strict=True):
        named = json.loads(run(*command, "--json"))["named"]
        assert sorted(map(Path, named)) == sorted([*copies, elsewhere / "bulk.csv", *pays])


def test_a_study_in_two_languages_does_not_begin_until_its_consent_was_read(run, tmp_path, data, monkeypatch):
    server = types.SimpleNamespace(main=lambda arguments: sys.exit(0))
    monkeypatch.setitem(sys.modules, "streamlit.web.cli", server)
    study = tmp_path / "study"
    assert "study.de.yaml" in run("study", "init", data.root, study, "--languages", "en, de")
    german = run("study", "init", data.root, tmp_path / "other", "--languages", "en,german", fails=True)
    assert "'german' is no language's code" in german
    said = run("study", "check", study, code=1)
    assert "\nrefused: consent.de.md: nobody is said to have read it." in said
    assert "\nwarning: instructions.de.md: nobody is said to have read it" in said
    assert "\nwarning: names in German that a machine chose: Belustigung (amusement)" in said
    assert json.loads(run("study", "check", study, "--json", code=1))["refused"][0].startswith("consent.de.md: ")
    assert "BadTask: consent.de.md: nobody is said to have read it" in run("study", "run", study, fails=True)
    refused(BadTask, "nobody is said to have read it", studies.begin, study, by="lead")
    german = (study / "study.de.yaml").read_text(encoding="utf-8")
    read = german.replace("consent: ''", "consent: Anna Muster")
    (study / "study.de.yaml").write_text(read, encoding="utf-8")
    assert "\n- consent.de.md has places to fill in: [" in run("study", "check", study)
    said = run("study", "run", study)
    for missing in ("consent.md has places to fill in", "consent.de.md has places to fill in", "pay.per_person is 0"):
        assert f"still missing: {missing}" in said
    reached = run("study", "run", study, "--allow-host", "study.example.org", fails=True)
    assert "BadTask: consent.md has places to fill in: [" in reached
    agreed = run("study", "check", study, "--summary")
    consent = read_study(study).hashes["consent.de"]
    assert f"consent.de.md, sha256 {consent}, read by Anna Muster; ticked: I am" in agreed
    assert "and when, and in which of the languages en, de; what images evoke" in agreed
    studies.begin(study, by="lead").close()


def test_a_taxonomy_is_read_by_the_same_limits(tmp_path):
    (tmp_path / "endless.yaml").write_text("name: own\nlabels: &a [*a]")
    endless = r"endless.yaml: not a readable YAML file \(more than 50 levels"
    refused(BadInput, endless, get_taxonomy, tmp_path / "endless.yaml")


def test_a_studys_own_words_for_labels_go_before_the_taxonomys():
    mikels = get_taxonomy("mikels-8")
    own = {"en": {"awe": LabelWords(definition="wonder and fear")}, "de": {"awe": LabelWords(name="Staunen")}}
    named = studies.with_words(mikels, own)
    assert (named.display("awe"), named.definition("awe")) == ("awe", "wonder and fear")
    assert (named.display("awe", "de"), named.display("fear", "de")) == ("Staunen", mikels.display("fear", "de"))
    assert mikels.display("awe", "de") != "Staunen"
    both = {"de": dict.fromkeys(("awe", "fear"), LabelWords(name="Angst"))}
    refused(BadInput, "are both called 'Angst' in de", studies.with_words, mikels, both)


def test_the_lead_steers_from_the_command_line(run, tmp_path, folder):
    said = run("study", "status", folder, fails=True)
    assert f"no such database; `affectml study run {tmp_path / 'study'}` makes it" in said
    no_file = f"BadTask: {tmp_path / FILE}: no such file; `affectml study init"
    assert run("study", "status", tmp_path, fails=True).startswith(no_file)
    with studies.begin(folder, by="lead") as store:
        assert store.has_task
        printed = run("study", "links", folder, "--people", 2, "--address", "https://lab.example/", "--days", 1e5)
        assert re.match(r"link 1, until 2\d{3}-\d\d-\d\d: https://lab.example/\?link=1\.", printed)
        assert printed.endswith("note whom you send which: affectml never knows\n")
        links = re.findall("https:.*", printed)
        ids = door.ids_of_link(store, links[0].partition("=")[2])
        who = agree(store, ids)
        visits.leave(store, who)
        assert json.loads(run("study", "links", folder, "--revoke", 2, "--json")) == {"revoked": 2}
        refused(door.NotInStudy, "revoked", door.ids_of_link, store, links[1].partition("=")[2])
        erasing.ask_for_erasure(store, who)
    run("study", "steer", folder, "paused")
    said = json.loads(run("study", "status", folder, "--json"))
    assert (said["at"], len(said["images"]), said["erasures"]) == ({"instructions": {"left": 1}}, 20, [who])
    (person,) = said["people"]
    assert (person["participant"], person["status"], person["images"], person["seconds"]) == (who, "left", 0, None)
    assert [change["what"] for change in said["changes"]] == [{"state": "paused"}, {"version": 1}]
    printed = run("study", "status", folder)
    assert f"to be erased, as they asked (`affectml label remove erase`): {who}" in printed
    assert ["instructions", "left", "1"] in [line.split() for line in printed.splitlines()]
    said = json.loads(run("study", "more", folder, "--people", 5, "--json"))
    assert (said["state"], said["places"], said["ended"], said["wanting"]) == ("paused", 55, {"left": 1}, 20)
    assert run("study", "pay", folder).splitlines()[1].startswith("link 1,,left,")
    assert run("study", "pay", folder, "--paid", "link 1") == "noted for 1 of 1\n"
    assert json.loads(run("study", "pay", folder, "--paid", "link 1", "--json")) == {"noted": 0}
    assert json.loads(run("study", "pay", folder, "--forget", "--json")) == {"kept": 0, "named": []}
    assert "&link=3." in run("study", "links", folder, "--people", 1, "--address", "https://lab.example/?a=1")
    assert "nobody with the id 'link 9'" in run("study", "erase", folder, "link 1", "link 9", fails=True)
    assert "0 answers taken out of" in run("study", "erase", folder, "link 1")
    assert run("study", "pay", folder).count("\n") == 1
    assert "did you mean 'paused'" in run("study", "steer", folder, "pausd", fails=True)


def test_what_the_lead_chose_on_the_page_and_the_file_leaves_out_stays_when_a_study_starts_again(folder):
    file = folder / FILE
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({key: said for key, said in content.items() if key != "page"}), encoding="utf-8")
    with studies.begin(folder, by="lead") as store:
        store.change_task(page={"blur": True, "intensity": True}, overlap=content["overlap"] + 1)
    with studies.begin(folder, by="lead") as store:
        assert (store.task.page.blur, store.task.page.intensity) == (True, True)
        assert store.task.overlap == content["overlap"]  # which the file names


def test_a_study_begins_with_the_question_and_labels_of_its_task_alone(folder, tmp_path):
    write_file(folder, question="What do you feel?")
    with studies.begin(folder, by="lead") as store:
        assert store.task.question == "What do you feel?"
    write_file(folder, question="What do you feel now?")
    with studies.begin(folder, by="lead") as store:
        assert store.task.question == "What do you feel now?"
        store.invite(["ann"])
        store.claim("ann", 1)
    write_file(folder, question="What do others feel?")
    refused(StoreError, "question: cannot change any more", studies.begin, folder, by="lead")
    with studies.open_running(folder) as store:
        assert overview.overview(store).version == 2
    new_task(tmp_path / "x.db", ["i"], labels=("a", "b")).close()
    others = "a task with other labels than the study's"
    refused(BadInput, others, studies.begin, folder, str(tmp_path / "x.db"), by="lead")


def test_warnings_of_images_come_from_the_data_set_and_change_when_it_is_begun_again(folder, data):
    first, second, third = data.images["image_id"][:3]
    for words in ({first: " Blood. ", second: "", third: None}, {second: "Spiders."}, {}):
        table = data.images.assign(content_warning=data.images["image_id"].map(words))
        table.to_parquet(data.root / "images.parquet")
        with studies.begin(folder, by="lead") as store:
            shown = warnings_of(store, [first, second, third])
            assert shown == {image: text.strip() for image, text in words.items() if text}
            assert warnings_of(store, [third, "nowhere"]) == {}


def test_the_summary_answers_what_an_ethics_board_asks(run, folder):
    age = {"id": "age", "text": "How old are you | really?", "kind": "number", "share": True}
    why = {"id": "why", "text": "Why?", "kind": "text", "share": True}
    write_file(folder, before={"questions": [age]}, after={"questions": [why]}, keep_months=36,
          pay={"per_person": "3.50", "unfinished": "all", "per_minute_over": "0.20", "most_minutes_over": 5},
          recruit={"panel": "prolific"}, help=["lab@example.org"],
          checks={"rate": 0.1, "images": [{"image": "000000", "labels": ["awe"]}], "then": "end"})  # fmt: skip
    said = run("study", "check", folder, "--summary")
    for row, words in {
        "Agreed to": read_study(folder).hashes["consent"],
        "Questions about the person": "age: How old are you / really?; why: Why?",
        "Shared with the data set": "the answers, under a random name, age, why",
        "Identity": "prolific's id of the person, and of this participation, in a table of its own",
        "In the browser": "one cookie (HttpOnly, 30 days)",
        "Who sees it": "prolific learns who took part, and how it ended",
        "How long": "answers 36 months; ids until the payment",
        "Payment": "If it takes you longer, you are paid €0.20 more for each further minute, for up to 5 minutes.",
        "Attention checks": "If you miss 2 of them, the images end soon after, and the rest of the study follows.",
        "Protection": "where to turn to: lab@example.org",
    }.items():
        (line,) = [line for line in said.splitlines() if line.startswith(f"| {row} |")]
        assert words in line


def test_an_erasure_goes_on_where_a_backup_or_another_program_stood_in_its_way(run, monkeypatch, folder):
    before = "erased before; the database's files are clean\n"
    with studies.begin(folder, by="lead") as store:
        run("study", "links", folder, "--people", 3)
        for number in (1, 2, 3):
            agree(store, door.Ids(f"link {number}"))
        backups = [keep_backup(store).file for _ in range(2)]
    said = run("study", "erase", folder, "link 1")
    assert f"they are in none of the 2 backups in {backups[0].parent} any more" in said
    with monkeypatch.context() as patch:
        patch.setattr(Database, "rewrite", refusal := Mock(side_effect=DatabaseAway("another program reads")))
        for calls in (1, 2):
            assert "another program reads" in run("study", "erase", folder, "link 2", fails=True)
            assert refusal.call_count == calls
    assert run("study", "erase", folder, "link 2") == before
    backups[1].write_bytes(backups[1].read_bytes()[:5000])
    said = run("study", "erase", folder, "link 3", fails=True)
    assert said.count("\n") == 1
    assert f"what was erased may still be in {backups[1]}, and is nowhere else: delete or mend that, and give" in said
    assert f"({backups[1]}: the database cannot be read (database disk image is malformed)" in said
    backups[1].unlink()
    assert run("study", "erase", folder, "link 3") == before
    with studies.open_running(folder) as store:
        assert not store.database.reading(to_clean)
