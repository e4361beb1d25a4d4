"""study.yaml and its texts: every key is written with a comment, read back alike, and refused with the way out."""

import json
import re
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from affectml_annotation import yaml_files
from affectml_annotation.errors import BadTask
from affectml_annotation.judgements import storable
from affectml_annotation.study import terms
from affectml_annotation.study.file import changed_keys, parse
from affectml_annotation.study.folder import FILE, as_yaml, read_study, write_study
from affectml_annotation.yaml_files import load_yaml

from .studies import write_file
from .tasks import refused


@pytest.fixture
def folder(tmp_path):
    write_study(tmp_path / "photos", tmp_path / "study")
    return tmp_path / "study"


def test_the_file_that_is_written_has_every_key_with_its_default_and_a_comment(folder):
    lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    file = parse({"dataset": "../photos", "recruit": {"panel": "links"}}, "")
    assert lines == list(as_yaml(file))
    assert [line for line in lines if "#" not in line and not line.endswith(":")] == []
    assert read_study(folder).file == file


def test_a_study_of_schema_1_is_read_as_it_was_meant(folder):
    before = {"dataset": "../photos", "labels": {"awe": {"name": "wonder"}}, "overlap": {"min": 2, "max": 4}}
    for schema in ({}, {"schema": 1}):
        (folder / FILE).write_text(yaml.safe_dump(before | schema), encoding="utf-8")
        now = {"dataset": "../photos", "words": before["labels"], "overlap": 2, "recruit": {"panel": "links"}}
        assert read_study(folder).file == parse(now, "")


@pytest.mark.parametrize("page", [{}, {"blur": True}])
def test_a_file_with_keys_that_have_left_is_read_without_them(page):
    before = {"page": page | {"blind_first": True, "control": 0.3}, "strategy": "priority"}
    assert parse(before, "") == parse({"page": page}, "")


def test_a_study_says_where_people_come_from(folder):
    (folder / FILE).write_text("schema: 2", encoding="utf-8")
    refused(BadTask, "study.yaml: recruit: panel: say where people come from: prolific, mturk", read_study, folder)


def test_nothing_that_is_there_is_written_over(folder, tmp_path):
    (folder / FILE).unlink()
    (folder / "consent.md").write_text("my own words", encoding="utf-8")
    refused(BadTask, r"consent\.md is there already", write_study, tmp_path / "photos", folder)
    assert not (folder / FILE).exists()


AWE = {"image": "i1", "labels": ["awe"]}
ASKED = {"id": "age", "text": "?", "kind": "number"}


def asks(**question: object) -> dict[str, object]:
    return {"before": {"questions": [{"id": "age", "text": "?", **question}]}}


BAD_CONTENTS = [
    ({"overlapp": 3}, "study.yaml: no key 'overlapp' here; did you mean 'overlap'?"),
    ({"overlap": 0}, "study.yaml: overlap: expected greater than or equal to 1, but this is 0"),
    ({"overlap": "few"}, "overlap: expected a valid integer, but this is few"),
    ({"skips": 1.5}, "skips: expected a valid integer, but this is 1.5"),
    ({"lease": 0}, "lease: expected greater than 0, but this is 0"),
    ({"strategy": "rondom"}, "strategy: expected 'random', 'fill', 'stratified' or 'queue'"),
    ({"construct": "felt"}, "construct: expected '', 'evoked', 'expressed', 'intended' or 'query', but this is felt"),
    ({"labels": ["awe", "awe"]}, "labels: 'awe' stands twice"),
    ({"question": " "}, "question: it is blank"),
    ({"page": {"blurr": True}}, "page: no key 'blurr' here; did you mean 'blur'?"),
    ({"page": {"blur": "so"}}, "page.blur: expected a valid boolean, unable to interpret input, but this is so"),
    ({"page": {"seconds": 1e5}}, "page.seconds: expected less than 86400, but this is 100000.0"),
    ({"checks": {"rate": 0.5}, "repeats": {"rate": 0.5}}, "checks: rate and repeats: rate leave no room"),
    ({"languages": ["en", "german"]}, "'german' is no language's code; write such as en, de, pt-BR or zh-Hant"),
    ({"languages": []}, "languages: expected a list with one thing in it at least, but it is empty"),
    ({"languages": "en"}, "languages: expected a list, such as [one, another]"),
    ({"languages": ["en-XA"]}, "'en-XA' is no language's code"),  # which shows what is not translated
    ({"languages": ["de", "DE"]}, "languages: 'de' stands twice"),
    ({"languages": ["en", False]}, "expected a text; put it in quotes"),  # what YAML makes of Norwegian
    ({"schema": 3}, "schema: expected 2, but this is 3"),
    ({"practice": {"tries": 1}}, "practice.tries: expected greater than or equal to 2, but this is 1"),
    ({"practice": {"pass": 1}}, "practice: pass: 1 of 0 images cannot be"),
    ({"pay": {"per_person": 1.505}}, "Decimal input should have no more than 2 decimal places, but this is 1.505"),
    ({"before": {"questions": [{"id": "age", "text": "?", "kind": "choice"}]}}, "question age needs options"),
    ({"places": {"per_answer": {"age": 20}}}, "per_answer: no choice 'age' before"),
    (asks(kind="number", low_label="never"), "age: low_label and high_label stand at the ends of a scale"),
    (
        {"practice": {"images": [AWE]}, "checks": {"images": [{**AWE, "image": "i2", "images": {"de": "i1"}}]}},
        "practice and checks: 'i1' stands twice",
    ),
    ({"before": {"questions": [ASKED]}, "after": {"questions": [ASKED]}}, "questions: 'age' stands twice"),
    (["a", "list"], "expected keys with values"),
    ({"consent": {"version": 1.2}}, "consent.version: expected a text; put it in quotes"),
    (asks(kind="scale", low=float("nan"), high=7), "low: expected a finite number"),
    (asks(kind="number", low=99, high=18), "question age: low must be below high"),
    ({"recruit": {"panel": "sona", "study": "s1"}}, "an address from sona names no study; leave it empty"),
]


@pytest.mark.parametrize(("content", "says"), BAD_CONTENTS)
def test_what_cannot_be_is_refused_with_its_place(content, says):
    refused(BadTask, re.escape(says), parse, content, "study.yaml")


def test_what_would_be_endless_if_it_were_told_is_not_told():
    told = "x"
    for _ in range(40):  # a few lines of YAML with aliases
        told = [told] * 9
    refused(BadTask, "question: expected a text; put it in quotes$", parse, {"question": told}, "study.yaml")


def test_money_is_exact():
    assert parse({"pay": {"per_person": 0.1, "per_screen_out": "0.30"}}, "x").pay.per_person == Decimal("0.1")


@pytest.mark.parametrize("place", ["../secret.md", "/etc/hostname", "a/../../secret.md", "linked.md", "nul\0.md"])
def test_no_text_is_read_from_outside_the_folder(folder, place):
    (folder.parent / "secret.md").write_text("secret", encoding="utf-8")
    (folder / "linked.md").symlink_to(folder.parent / "secret.md")
    write_file(folder, consent={"text": place})
    refused(BadTask, "lies outside the study's folder", read_study, folder)


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
BAD_FILES = [
    (FILE, b"pay: {per_person: 3}\n\npay: {per_person: 5}\n", "key 'pay' stands twice, the second time in line 3"),
    (FILE, b"after:\n- {text: How old?, kind: choice}\n", "not valid YAML: line 2, column 17: .*goes in quotes$"),
    (FILE, BOMB.encode(), "study.yaml: not valid YAML: more than 100,000 values"),
    ("consent.md", b"x" * 200_001, "more than 200,000 bytes"),
    ("consent.md", "Größe".encode("latin-1"), "not in UTF-8"),
]


@pytest.mark.parametrize(("name", "content", "says"), BAD_FILES)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(folder, name, content, says):
    (folder / name).write_bytes(content)
    refused(BadTask, says, read_study, folder)


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
    found = terms.steps(read_study(folder))
    minutes = {step.phase: step.minutes for step in found}
    # 60 images and a check, of which there is one image, a quarter of a minute each
    assert minutes == {"consent": 2, "before": 0.25, "instructions": 0.5, "practice": 0.5, "start": 0, "images": 15.25,
                       "debriefing": 0.25}  # fmt: skip
    assert list(minutes) == ["consent", *read_study(folder).file.phases]
    assert terms.announced_minutes(read_study(folder)) == 19  # of 18.75
    assert found[5].what == "60 images, and 1 attention check among them"


# YAML from anywhere: plain values within limits, read by one loader


BAD_YAML = [
    ("a: &a [*a]", "more than 50 levels in one another, or an alias of what it is in"),
    ("[" * 60 + "]" * 60, "more than 50 levels"),
    ("[" * 3_000, "more than 50 levels"),
    ("#" * 1_000_001, "more than 1,000,000 characters"),
    ("a: {b: 1, b: 2}", "key 'b' stands twice, the second time in line 1"),
    ("a: b: c", "line 1, column 5: mapping values are not allowed here; a text with"),
    ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ("{[1]: 2}", "found unhashable key"),
    ("2001-13-45", "month must be in 1..12"),
    (f"a: {'9' * 5000}", "a number of 5,000 characters"),
    (f"a: 1{':1' * 60_000}", "a number of 120,001 characters"),  # to base 60, which takes long
    ("a: \x07", "special characters are not allowed"),
]


@pytest.mark.parametrize(("text", "says"), BAD_YAML)
def test_what_is_no_plain_yaml_within_the_limits_is_refused_with_its_reason(text, says):
    refused(ValueError, says, load_yaml, text)


def test_values_are_counted_without_aliases_too(monkeypatch):
    monkeypatch.setattr(yaml_files, "MOST_VALUES", 1_000)
    refused(ValueError, "more than 1,000 values, with each alias", load_yaml, BOMB)
    merges = [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 5)]
    merged = "a0: &a0 {x: 1}\n" + "".join(merges)
    refused(ValueError, "more than 1,000 values, with each alias", load_yaml, merged)
    assert len(load_yaml("- x\n" * 999)) == 999
    refused(ValueError, "more than 1,000 values", load_yaml, "- x\n" * 1_000)


def test_aliases_and_merged_keys_within_the_limits_are_read():
    assert load_yaml("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}
    assert load_yaml("") is None


# Task -> YAML -> Task

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30).filter(storable)
WORDS = TEXT.filter(bool)
NAMES = st.lists(WORDS.filter(str.strip), min_size=1, max_size=4, unique=True)
SAID = st.fixed_dictionaries({"name": TEXT.map(str.strip), "definition": TEXT.map(str.strip)})
PAGES = st.fixed_dictionaries({}, optional={
    "instructions": TEXT, "warning": TEXT, "blur": st.booleans(), "seconds": st.floats(0, 80_000),
    "chips": st.sampled_from(["random", "taxonomy"]),
})  # fmt: skip
QUESTION = st.fixed_dictionaries({"id": st.just("one"), "text": WORDS, "kind": st.just("choice"), "options": NAMES})
FILES = st.fixed_dictionaries({}, optional={
    "name": TEXT, "question": TEXT.filter(lambda text: not text or text.strip()), "labels": NAMES, "page": PAGES,
    "words": st.dictionaries(WORDS, SAID, max_size=3), "overlap": st.integers(1, 99), "help": st.lists(WORDS),
    "skips": st.none() | st.integers(0, 9), "seed": st.integers(-(2**63), 2**63 - 1), "lease": st.floats(0.1, 5e7),
    "taxonomy": TEXT | st.fixed_dictionaries({"name": TEXT, "labels": st.dictionaries(TEXT, st.just({}), max_size=3)}),
    "before": QUESTION.map(lambda one: {"questions": [one]}), "repeats": st.just({"rate": 0.25, "gap": 3}),
    "pay": st.decimals(0, 999, places=2).map(lambda amount: {"per_person": amount, "currency": "GBP"}),
    "recruit": st.sampled_from([{"panel": "links"}, {"panel": "prolific", "study": "s1"}]),
    "texts": st.dictionaries(st.sampled_from(["de", "fr"]), st.fixed_dictionaries({"question": TEXT})),
})  # fmt: skip


@given(FILES)
def test_a_task_that_is_written_and_read_again_is_the_same(content):
    task = parse(content, "")
    written = "\n".join(as_yaml(task))
    assert parse(load_yaml(written), "") == task
    stored = json.loads(json.dumps(task.model_dump(mode="json", by_alias=True)))
    assert parse(stored, "") == task
    assert changed_keys(task, parse(stored, "")) == []
