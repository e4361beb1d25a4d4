"""study.yaml and its texts: every key is written with a comment, read back alike, and refused with the way out."""

import re
from decimal import Decimal

import pytest

from affectml_annotation.errors import BadStudy
from affectml_annotation.study import check
from affectml_annotation.study.file import StudyFile, parse
from affectml_annotation.study.folder import FILE, as_yaml, read_study, write_study

from .studies import write_file
from .tasks import refused


@pytest.fixture
def folder(tmp_path):
    write_study(tmp_path / "photos", tmp_path / "study")
    return tmp_path / "study"


def test_the_file_that_is_written_has_every_key_with_its_default_and_a_comment(folder):
    lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    assert lines == list(as_yaml(StudyFile(dataset="../photos")))
    assert [line for line in lines if "#" not in line and not line.endswith(":")] == []
    assert read_study(folder).file == StudyFile(dataset="../photos")


def test_nothing_that_is_there_is_written_over(folder, tmp_path):
    (folder / FILE).unlink()
    (folder / "consent.md").write_text("my own words", encoding="utf-8")
    refused(BadStudy, r"consent\.md is there already", write_study, tmp_path / "photos", folder)
    assert not (folder / FILE).exists()


AWE = {"image": "i1", "labels": ["awe"]}
ASKED = {"id": "age", "text": "?", "kind": "number"}


def asks(**question: object) -> dict[str, object]:
    return {"before": {"questions": [{"id": "age", "text": "?", **question}]}}


BAD_CONTENTS = [
    ({"overlapp": 3}, "study.yaml: no key 'overlapp' here; did you mean 'overlap'?"),
    ({"overlap": 0}, "study.yaml: overlap: Input should be greater than or equal to 1"),
    ({"overlap": "few"}, "study.yaml: overlap: Input should be a valid integer"),
    ({"overlap": {"min": 3, "max": 12, "until": "F1"}}, "overlap: expected a whole number, such as 3"),
    ({"consent": {"boxs": []}}, "consent: no key 'boxs' here; did you mean 'boxes'?"),
    ({"schema": 2}, "schema: Input should be 1"),
    ({"practice": {"tries": 1}}, "practice.tries: Input should be greater than or equal to 2"),
    ({"practice": {"pass": 1}}, "practice: pass: 1 of 0 images cannot be"),
    ({"pay": {"per_person": 1.505}}, "pay.per_person: Decimal input should have no more than 2 decimal places"),
    ({"before": {"questions": [{"id": "age", "text": "?", "kind": "choice"}]}}, "question age needs options"),
    ({"places": {"per_answer": {"age": 20}}}, "per_answer: no choice 'age' before"),
    ({"checks": {"rate": 0.1}}, "checks: rate needs images whose own text dictates the answer"),
    ({"before": {"questions": [ASKED]}, "after": {"questions": [ASKED]}}, "two questions are called age"),
    (["a", "list"], "expected keys with values"),
    ({"breaks": float("inf")}, "breaks: Input should be a finite number"),
    ({"consent": {"version": 1.2}}, "Input should be a valid string, but this is 1.2; put it in quotes"),
    (asks(kind="scale", low=float("nan"), high=7), "low: Input should be a finite number"),
    (asks(kind="number", low=99, high=18), "question age: low must be below high"),
    ({"practice": {"images": [AWE]}, "checks": {"images": [AWE]}}, "image 'i1' stands twice among those for"),
    ({"practice": {"images": [AWE, AWE]}}, "image 'i1' stands twice among those for practice and checks"),
    ({"recruit": {"panel": "sona", "study": "s1"}}, "an address from sona names no study; leave it empty"),
]


@pytest.mark.parametrize(("content", "says"), BAD_CONTENTS)
def test_what_cannot_be_is_refused_with_its_place(content, says):
    refused(BadStudy, re.escape(says), parse, content, "study.yaml")


def test_what_would_be_endless_if_it_were_told_is_not_told():
    told = "x"
    for _ in range(40):  # a few lines of YAML with aliases
        told = [told] * 9
    refused(BadStudy, "question: Input should be a valid string$", parse, {"question": told}, "study.yaml")


def test_money_is_exact():
    assert parse({"pay": {"per_person": 0.1, "per_screen_out": "0.30"}}, "x").pay.per_person == Decimal("0.1")


@pytest.mark.parametrize(
    ("currency", "amount", "whole"), [("JPY", "0.50", False), ("JPY", "50", True), ("EUR", ".5", True)]
)
def test_what_a_currency_cannot_pay_is_said(folder, currency, amount, whole):
    write_file(folder, pay={"currency": currency, "per_minute_over": amount})
    says = "pay.per_minute_over is 0.50: JPY is paid in whole units; write such as 300."
    assert (says in check.check_study(folder).missing) != whole


@pytest.mark.parametrize("place", ["../secret.md", "/etc/hostname", "a/../../secret.md", "linked.md", "nul\0.md"])
def test_no_text_is_read_from_outside_the_folder(folder, place):
    (folder.parent / "secret.md").write_text("secret", encoding="utf-8")
    (folder / "linked.md").symlink_to(folder.parent / "secret.md")
    write_file(folder, consent={"text": place})
    refused(BadStudy, "lies outside the study's folder", read_study, folder)


BAD_FILES = [
    (FILE, b"pay: {per_person: 3}\n\npay: {per_person: 5}\n", "key 'pay' stands twice, the second time in line 3"),
    (FILE, b"help: !!python/object/apply:os.system ['true']", "no YAML"),
    (FILE, b"consent: {version: 2026-02-30}", "no YAML"),
    (FILE, b"overlap: " + b"9" * 5000, "no YAML"),
    (FILE, b"help: " + b"[" * 2000, "no YAML"),
    (
        FILE,
        b"seed: 1\nbefore:\n  questions:\n  - {text: How old?, kind: choice}\n",
        "no YAML: line 4, column 19: .*goes in quotes$",
    ),
    ("consent.md", b"x" * 200_001, "more than 200,000 bytes"),
    ("consent.md", "Größe".encode("latin-1"), "not in UTF-8"),
]


@pytest.mark.parametrize(("name", "content", "says"), BAD_FILES)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(folder, name, content, says):
    (folder / name).write_bytes(content)
    refused(BadStudy, says, read_study, folder)


def test_a_changed_text_has_another_hash(folder):
    before = read_study(folder).hashes
    (folder / "consent.md").write_text("other words", encoding="utf-8")
    after = read_study(folder).hashes
    assert [name for name in before if before[name] != after[name]] == ["consent"]


def test_the_steps_come_in_order_with_minutes(folder):
    for name, words in (("consent", 400), ("instructions", 100), ("debriefing", 50)):  # 200 words a minute
        (folder / f"{name}.md").write_text("word " * words, encoding="utf-8")
    shown = [{"image": "a", "labels": ["awe"]}, {"image": "b", "labels": []}]
    write_file(folder, before={"questions": [ASKED]}, images_per_person=60, practice={"images": shown},
          checks={"rate": 0.25, "images": [{"image": "c", "labels": ["awe"]}]})  # fmt: skip
    found = check.steps(read_study(folder))
    minutes = {step.phase: step.minutes for step in found}
    # 60 images and a check, of which there is one image, a quarter of a minute each
    assert minutes == {"consent": 2, "before": 0.25, "instructions": 0.5, "practice": 0.5, "start": 0, "images": 15.25,
                       "debriefing": 0.25}  # fmt: skip
    assert list(minutes) == ["consent", *read_study(folder).file.phases]
    assert check.announced_minutes(read_study(folder)) == 19  # of 18.75
    assert found[5].what == "60 images, and 1 attention check among them"
