"""What a model's reply says: JSON in fences and prose, synonyms, what cannot be used; no traceback on any bytes."""

import contextlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectml.answers import REASONS, Words, parse_reply
from affectml.answers._names import Names, Requested, custom_id
from affectml.answers._reply import Why
from affectml.answers._rows import Reading, read_rows
from affectml.answers._said import gather
from affectml.errors import AffectmlError, BadInput
from affectml.taxonomies import Taxonomy, get_taxonomy

WORDS = Words(get_taxonomy("mikels-8"))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('{"labels": ["awe", "fear"]}', ("awe", "fear")),
        ('```json\n{"labels": ["awe"]}\n```', ("awe",)),
        ('The sky {deep blue} is vast.\n{"labels": ["awe"]} is my answer.', ("awe",)),
        ('First {"labels": ["fear"]}, but on a second look {"labels": ["awe"]}', ("awe",)),
        ('<think>maybe [fear]</think>{"labels": []}', ()),
        ('{"Emotions": "awe, fear and sorrow"}', ("awe", "fear", "sorrow")),
        ('{"labels": {"awe": true, "fear": false}}', ("awe",)),
        ('{"awe": true, "fear": false}', ("awe",)),
        ('{"labels": [{"label": "awe", "confidence": 0.9}]}', ("awe",)),
        ('["awe", "fear"]', ("awe", "fear")),
        ("Awe, Fear.", ("Awe", "Fear.")),
        ("none of these", ("none of these",)),
        ('{"labels": ["nostalgia"]}', ("nostalgia",)),
    ],
)
def test_labels_are_read_as_they_are_spelt(text, labels):
    assert parse_reply(text, WORDS).labels == labels


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", Why.EMPTY),
        ("I'm sorry, I can't help with that.", Why.REFUSED),
        ("As an AI, I do not have feelings.", Why.REFUSED),
        ("A landscape with a lake.", Why.NO_JSON),
        ('{"labels": ["awe"', Why.BROKEN),
        ('{"other": ["awe"], "labels": ["fear"', Why.BROKEN),
        ("{'labels': ['awe']}", Why.BROKEN),
        ('{"mood": "awe"}', Why.NO_LABELS),
        ('{"labels": null}', Why.NO_LABELS),
        ('{"labels": [1, 2]}', Why.NO_LABELS),
        ('{"labels": ' + "[" * 5000, Why.BROKEN),
        ("__import__('os').system('true')", Why.NO_JSON),
    ],
)
def test_what_cannot_be_used_has_a_reason(text, problem):
    assert parse_reply(text, WORDS).problem == problem
    assert problem in REASONS


def test_words_are_labels_synonyms_and_the_users_own():
    words = Words(get_taxonomy("mikels-8"), {"chill": "contentment"})
    found = [words.find(word) for word in ("AWE", " **Dread**", "chill", "nostalgia", "none")]
    assert found == ["awe", "fear", "contentment", None, None]
    assert words.says_none("None of these.")
    assert words.split("awe, chill/fear; 'dread' and fun") == ("awe", "chill", "fear", "dread", "fun")
    with pytest.raises(BadInput, match=r"mapping=\{'x': 'joyy'\}: no label 'joyy'"):
        Words(get_taxonomy("ekman-6"), {"x": "joyy"})


def test_a_synonym_of_two_labels_stands_for_neither_and_a_label_comes_before_synonyms():
    taxonomy = Taxonomy("t", ("a", "b", "c"), synonyms={"a": ("x", "b"), "c": ("x",)})
    assert Words(taxonomy).find("x") is None
    assert Words(taxonomy).find("b") == "b"


@given(st.text())
def test_no_reply_breaks_the_parser(text):
    reply = parse_reply(text, WORDS)
    assert (reply.labels is None) == (reply.problem in REASONS)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.sampled_from(["awe", "labels"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["labels", "awe", "custom_id", "response", "body", "choices", "message", "content", "error",
                         "image", "rates", "ranking", "finish_reason", "status_code", "refusal"]) | st.text(max_size=3),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_json_in_a_reply_is_read_or_has_a_reason(value):
    reply = parse_reply(f"So: {json.dumps(value)}", WORDS)
    assert (reply.labels is None) == (reply.problem in REASONS)


@pytest.fixture(scope="module")
def reading():
    return Reading(WORDS, Names(pd.DataFrame({"image_id": ["1", "a b"], "file": ["images/x.png", "images/y.png"]})))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "answers"


KEYS = ("custom_id", "image", "response", "error", "labels", "rates", "ranking", "reply")


@given(lines=st.lists(st.dictionaries(st.sampled_from(KEYS), JSON)))
def test_lines_of_any_json_are_rows_or_an_error_in_words(lines, file, reading):
    known = [{"image": "1", **line} for line in lines] + [{"custom_id": custom_id("a b", 1), **line} for line in lines]
    for some in (lines, known[: len(lines)], known[len(lines) :]):
        file.write_bytes(b"\n".join(json.dumps(line).encode() for line in some) or b"{")
        with contextlib.suppress(AffectmlError):
            assert all(row.problem in (*REASONS, "") for row in read_rows(file, reading).rows)


@given(content=st.binary(max_size=300) | st.binary(max_size=300).map(lambda raw: b'{"image": "1"}\n' + raw))
def test_no_bytes_break_the_reader(content, file, reading):
    file.write_bytes(content)
    with contextlib.suppress(AffectmlError):
        assert all(row.problem in (*REASONS, "") for row in read_rows(file, reading).rows)


SAID = st.dictionaries(st.sampled_from(["labels", "rates", "ranking", "reply", "awe"]), JSON)


@given(lines=st.lists(SAID, min_size=1), one_label=st.booleans())
def test_what_is_gathered_are_shares_and_sets_or_an_error_in_words(lines, one_label, file, reading):
    images = ("1", "a b")
    content = [{"image": images[at % 2], **line} for at, line in enumerate(lines)]
    file.write_text("\n".join(map(json.dumps, content)))
    with contextlib.suppress(AffectmlError):
        said = gather(read_rows(file, reading), WORDS, one_label=one_label, shape=None, k=None)
        assert np.isfinite(said.scores).all()
        assert ((said.often >= 0) & (said.often <= 1)).all()
        if said.shares is not None:
            assert ((said.shares >= 0) & (said.shares <= 1)).all()
        if said.shape == "distribution":
            assert said.shares.sum(axis=1) == pytest.approx(1)
        if said.sets is not None:
            assert np.isin(said.sets, (0, 1)).all()


def responses(file, *lines):
    said = [{"message": {"content": text}, "finish_reason": "stop"} for text in ('{"labels": ["awe"]}', "no idea")]
    kinds = {
        "awe": {"response": {"status_code": 200, "body": {"choices": said[:1]}}},
        "both": {"response": {"status_code": 200, "body": {"choices": said}}},
        "fails": {"response": {"status_code": 500, "body": None}},
    }
    file.write_text("\n".join(json.dumps({"custom_id": given, **kinds[kind]}) for given, kind in lines))
    return file


def test_of_several_responses_to_a_request_the_first_that_can_be_used_counts(file, reading):
    one, two = custom_id("1", 1), custom_id("1", 2)
    lines = [(one, "fails"), (two, "awe"), (one, "awe"), (one, "awe"), (two, "fails"), (two, "awe")]
    rows = read_rows(responses(file, *lines), reading).rows
    assert [row.problem for row in rows] == [Why.TWICE, "", "", Why.TWICE, Why.TWICE, Why.TWICE]
    failing = read_rows(responses(file, (one, "fails"), (one, "fails")), reading).rows
    assert [(row.problem, row.detail) for row in failing] == [("request failed", "HTTP 500"), (Why.TWICE, "as line 1")]


def test_each_choice_of_a_response_is_an_answer(file, reading):
    asked = custom_id("a b", 4, wording=2, answer="shares")
    rows = read_rows(responses(file, (asked, "both"), (custom_id("1", 1), "awe")), reading).rows
    assert [(row.sample, row.wording, row.asked) for row in rows] == [(4, 2, "shares")] * 2 + [(1, 1, "sets")]
    assert [(row.image, row.labels, row.problem) for row in rows] == [
        ("a b", ("awe",), ""),
        ("a b", None, Why.NO_JSON),
        ("1", ("awe",), ""),
    ]


def test_responses_and_other_lines_in_one_file_are_refused(file, reading):
    file.write_text(responses(file, (custom_id("1", 1), "awe")).read_text() + '\n{"image": "1", "labels": []}')
    with pytest.raises(BadInput, match="some lines are batch responses"):
        read_rows(file, reading)


def test_requests_in_the_place_of_responses_are_refused(file, reading):
    file.write_text(json.dumps({"custom_id": custom_id("1", 1), "method": "POST", "url": "/", "body": {}}))
    with pytest.raises(BadInput, match=r"line 1: a request, not a response; judge the file that the server writes"):
        read_rows(file, reading)


IDS = st.text(min_size=1, max_size=90)


@given(st.lists(IDS, unique=True, min_size=1))
def test_a_custom_id_of_any_request_finds_it_again(ids):
    names = Names(pd.DataFrame({"image_id": ids}))
    asked = [
        Requested(image, *which)
        for image in ids
        for which in ((1, 1, "sets"), (12, 1, "ranking"), (1, 2, "shares"), (999_999, 999, "shares"))
    ]
    given_ids = [custom_id(one.image, one.sample, wording=one.wording, answer=one.answer) for one in asked]
    assert len(set(given_ids)) == 4 * len(ids)
    assert all(
        len(one) <= 64 and one.isascii() and one.replace("-", "").replace("_", "").isalnum() for one in given_ids
    )
    assert [names.of_custom_id(one) for one in given_ids] == asked
    assert names.of_custom_id(f"s1x-{given_ids[0][3:]}") is None


def test_the_custom_id_says_sample_wording_and_form_of_answer():
    assert custom_id("cat", 3) == "s3-p-cat"
    assert custom_id("cat", 3, wording=2) == "s3w2-p-cat"
    assert custom_id("cat", 3, answer="shares") == "s3h-p-cat"
    assert custom_id("cat", 3, wording=2, answer="ranking") == "s3w2r-p-cat"


@pytest.mark.parametrize("name", ["3", "images/cat.png", "cat.png", "cat", "/home/me/images/cat.png", "data\\cat.png"])
def test_an_image_is_found_by_id_file_or_name(name):
    names = Names(pd.DataFrame({"image_id": ["3", "4", "5"], "file": ["images/cat.png", "a/dog.png", "b/dog.png"]}))
    assert names.find(name) == "3"
    assert names.find("dog.png") is None
    assert names.find("a/dog.png") == "4"
