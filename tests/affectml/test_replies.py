"""What a model's replies say, from file to table and together; what cannot be used; no traceback on any bytes."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from affectml.errors import BadInput
from affectml.judging.answers import FILE, read_answers
from affectml.taxonomies import Taxonomy, get_taxonomy
from affectml.vlm import read_replies, together
from affectml.vlm.config import PEOPLE
from affectml.vlm.reply import Names, Requested, Unread, Why, Words, custom_id, parse_reply
from affectml.vlm.requests import schema

from . import replies
from .checks import refused

MIKELS = get_taxonomy("mikels-8")
FOUR = Taxonomy("four", replies.LABELS, synonyms=replies.SYNONYMS)
IMAGES = pd.DataFrame({"image_id": ["1", "a b", "c"], "file": ["images/x.png", "images/y.png", "images/z.png"]})
SHARES = '{{"joy": {}, "awe": {}, "fear": {}, "anger": {}}}'


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("replies") / "answers"


def read(file, taxonomy=FOUR, *, one=False, images=IMAGES, **config):
    targets = SimpleNamespace(taxonomy=taxonomy, kind="distribution" if one else "rates")
    return read_replies(file, SimpleNamespace(images=images, name="data"), targets, **config)


def read_lines(file, lines, *given, **more):
    """What a file of these lines says."""
    file.write_text("\n".join(lines))
    return read(file, *given, **more)


def line(text, asked=None, *, image="1", sample=1, shuffle=""):
    """A line of a file with a reply: a response where something was asked, else a line of any system.

    text: several for as many choices; None for a request that failed.
    """
    if asked is None:
        return json.dumps({"image": image, "reply": text})
    choices = [{"message": {"content": each}} for each in ([text] if isinstance(text, str) else text or ())]
    response = {"status_code": 200, "body": {"choices": choices}} if text else {"status_code": 500, "body": None}
    return json.dumps({"custom_id": custom_id(image, sample, answer=asked, shuffle=shuffle), "response": response})


def said_of(file, texts, asked=None, *, one=False, **config):
    """What replies about as many images say."""
    images = pd.DataFrame({"image_id": [str(at) for at in range(1, len(texts) + 1)]})
    lines = [line(text, asked, image=str(at)) for at, text in enumerate(texts, start=1)]
    return together(read_lines(file, lines, images=images, one=one, **config), one_label=one)


@pytest.mark.parametrize("why", replies.NOT_ALONE)
def test_what_is_no_json_alone_is_refused_with_its_reason(why):
    for text in replies.NOT_ALONE[why]:
        with pytest.raises(Unread) as unread:
            parse_reply(text, Words(MIKELS))
        assert unread.value.why == why, text


def test_words_are_labels_synonyms_and_the_users_own():
    words = Words(MIKELS, {"chill": "contentment"})
    found = [words.find(word) for word in ("AWE", " **Dread**", "chill", "nostalgia", "none")]
    assert found == ["awe", "fear", "contentment", None, None]
    assert words.says_none("None of these.")
    assert words.split("[awe, chill/fear; 'dread' and fun]") == ("awe", "chill", "fear", "dread", "fun")
    refused(BadInput, r"mapping=\{'x': 'joyy'\}: no label 'joyy'", Words, get_taxonomy("ekman-6"), {"x": "joyy"})


def test_a_synonym_of_two_labels_stands_for_neither_and_a_label_comes_before_synonyms():
    taxonomy = Taxonomy("t", ("a", "b", "c"), synonyms={"a": ("x", "b"), "c": ("x",)})
    assert [Words(taxonomy).find(word) for word in "xb"] == [None, "b"]


def replied(text, finish="stop", **more):
    message = {"role": "assistant", "content": text, **more}
    return responded(200, {"choices": [{"index": 0, "message": message, "finish_reason": finish}]})


def responded(status, body):
    return {"response": {"status_code": status, "body": body}, "error": None}


# as OpenAI, vLLM and LM Studio say it
NO_FEATURE = "The provided JSON schema contains features not supported by xgrammar."
NOT_SUPPORTED = [
    {"error": {"message": "'response_format' of type 'json_schema' is not supported.", "code": None}},
    {"object": "error", "message": NO_FEATURE, "type": "BadRequestError", "code": 400},
    {"error": "'response_format.json_schema.schema' must be an object"},
]
AWE = '{"labels": ["awe"]}'
BREAKS = {
    Why.NO_SCHEMA: [responded(400, body) for body in NOT_SUPPORTED],
    Why.FAILED: [
        responded(429, {"error": {"code": "rate_limit"}}),
        {"response": None, "error": {"code": "batch_expired", "message": "too late"}},
    ],
    Why.REFUSED: [replied(None, refusal="I cannot do that.")],
    Why.FILTERED: [replied("", "content_filter")],
    Why.CUT_OFF: [replied('{"labels": ["aw', "length")],
    Why.EMPTY: [replied("  \n")],
    Why.NO_JSON: [replied("The picture has many colours."), replied("Answer: awe, joy.")],
    Why.BROKEN: [replied('{"labels": ["awe", "joy"'), replied('<think>Hmm.</think>{"labels": ["awe"]}')],
    Why.NO_LABELS: [replied('{"mood": 3}')],
    Why.UNKNOWN_ONLY: [replied('{"labels": ["nostalgia", "ennui"]}')],
}


def test_what_cannot_be_used_of_a_batch_is_counted_by_reason_and_a_refused_schema_has_a_way_out(file):
    broken = [response for some in BREAKS.values() for response in some]
    said = [{"custom_id": custom_id("1", at), **each} for at, each in enumerate(broken, start=1)]
    others = [{"custom_id": given, **replied(AWE)} for given in ("s1-p-nowhere", custom_id("c", 1))]
    found = read_lines(file, [*map(json.dumps, said + others), "{not json"], MIKELS).received
    expected = {Why.NOT_JSON: 1, Why.UNKNOWN_IMAGE: 1} | {why: len(some) for why, some in BREAKS.items()}
    assert {why: len(places) for why, places in found.problems.items()} == expected
    assert found.problems[Why.FAILED] == ["line 4 (HTTP 429 rate_limit)", "line 5 (batch_expired)"]
    assert (found.used, found.unknown_labels) == (1, {"nostalgia": 1, "ennui": 1})
    way = "the server refused the JSON schema of 3 requests; `ask` json_schema=False sends none"
    assert found.notes == [way]
    refused(BadInput, f"{Why.NO_SCHEMA}: 3; {way}", read_lines, file, map(json.dumps, said[:3]), MIKELS)


def test_of_several_responses_to_a_request_the_first_that_can_be_used_counts(file):
    one, two = ({text: line(text, "sets", sample=sample) for text in (AWE, None)} for sample in (1, 2))
    found = read_lines(file, [one[None], two[AWE], one[AWE], one[AWE], two[None], two[AWE]])
    twice = [f"line {at} (line {counts})" for at, counts in ((1, 3), (4, 3), (5, 2), (6, 2))]
    assert found.received.problems == {Why.TWICE: twice}
    assert found.table["draw"].tolist() == [2, 1]
    failed = read_lines(file, [one[None], one[None], two[AWE]]).received.problems
    assert failed == {Why.TWICE: ["line 2 (line 1)"], Why.FAILED: ["line 1 (HTTP 500)"]}


def test_each_choice_of_a_response_is_a_reply_and_keeps_its_request(file):
    both = line((AWE, "no idea"), "sets", image="a b", sample=4, shuffle="0a1b")
    found = read_lines(file, [both, line(AWE, "sets"), line(None, "sets", image="c")])
    asked = custom_id("a b", 4, shuffle="0a1b")
    assert list(zip(found.table.index, found.table["image_id"], strict=True)) == [(asked, "a b"), ("s1-p-1", "1")]
    assert found.received.problems == {Why.FAILED: ["line 3 (HTTP 500)"], Why.NO_JSON: ["line 1"]}
    assert found.requests[asked] == Requested("a b", 4, "sets", "0a1b")
    assert list(found.requests) == [asked, "s1-p-1", "s1-p-c"]


def test_the_table_has_the_form_of_answers(file, tmp_path):
    """A row for each usable reply and form, as the reply said it; it can be stored beside what a run said."""
    texts = ['{"labels": ["joy", "fear"]}', '{"labels": []}']
    asked = [line(text, "sets", sample=at) for at, text in enumerate(texts, start=1)]
    found = read_lines(file, asked, images=IMAGES.assign(split=["test", "train", "val"]))
    found.table.to_parquet(tmp_path / FILE)
    keys = {"dataset": "data", "image_id": "1", "split": "test", "system": "answers", "wording": None, "form": "set"}
    none = dict.fromkeys(map("label:{}".format, replies.LABELS), 0)
    rows = [{**keys, "draw": 1, **none, "label:joy": 1, "label:fear": 1}, {**keys, "draw": 2, **none}]
    assert read_answers(tmp_path).to_dict("records") == rows
    assert {str(found.table[name].dtype) for name in none} == {"float32"}
    row = read_lines(file, ['{"image": "c", "ranking": ["awe", "rage"]}']).table.iloc[0]
    assert (row["form"], row["wording"], row["draw"], row.name) == ("ranking", None, pd.NA, "line 1")
    assert row.iloc[7:].tolist() == pytest.approx([np.nan, 1, np.nan, 2], nan_ok=True)
    two = '{"image": "c", "labels": ["joy"], "rates": {"joy": 0.5, "awe": 0.1, "fear": 0, "anger": 0}}'
    both = read_lines(file, [two], shape="rates").table.set_index("form")["label:joy"]
    assert both.to_dict() == {"share": 0.5, "set": 1}


NO_FILE = [
    (line('{"labels": []}', "sets") + '\n{"image": "1", "labels": []}', "some lines are batch responses"),
    (json.dumps({"custom_id": "s1-p-1", "method": "POST", "url": "/", "body": {}}),
     "line 1: a request, not a response; judge the file that the server writes"),
    ("image,seconds\n1,2", "no answer can be used of 1: JSON without labels: 1"),
    ("picture_of,joy\n1,2", "no answer can be used of 1: no image named: 1"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), NO_FILE)
def test_what_is_no_file_of_replies_is_refused(file, content, says):
    refused(BadInput, rf"answers.*{says}", read_lines, file, [content])


UNUSABLE = [
    ({"ranking": ["joy"], "rates": {"joy": 0.5, "awe": 0.5}}, None, Why.CONTRADICTS),
    ({"labels": ["joy"], "votes": {"joy": True, "awe": False}}, None, Why.CONTRADICTS),
    ({"ranking": []}, "sets", Why.NO_MASS),
    ({"seconds": 3}, None, Why.NO_LABELS),
    ({"labels": ["joy"], "rates": {"joy": 5, "awe": 0.5}, "total": 20, "seconds": 3}, None, Why.NO_SCALE),
    ({"reply": 3}, None, Why.NO_JSON),
    ({}, None, Why.EMPTY),
    ({"error": "too late"}, None, Why.FAILED),
    ({"refusal": "no"}, None, Why.REFUSED),
]


@pytest.mark.parametrize(("content", "shape", "why"), UNUSABLE)
def test_a_line_that_says_two_things_or_nothing_has_a_reason(file, content, shape, why):
    line = json.dumps({"image": "1", **content})
    refused(BadInput, f"no answer can be used of 1: {re.escape(why)}: 1", read_lines, file, [line], shape=shape)


def test_a_line_that_is_nested_too_deeply_is_broken_and_the_others_count(file):
    deep = '{"image": "1", "labels": ' + "[" * 9999 + "]" * 9999 + "}"
    found = read_lines(file, [deep, '{"image": "1", "labels": ["joy"]}'])
    assert (found.received.problems, len(found.table)) == ({Why.NOT_JSON: ["line 1"]}, 1)


IDS = st.text(min_size=1, max_size=90)


@given(st.lists(IDS, unique=True, min_size=1, max_size=4))
def test_a_custom_id_of_any_request_finds_it_again(ids):
    names = Names(pd.DataFrame({"image_id": ids}))
    forms = [(1, "sets"), (12, "ranking"), (2, "shares"), (999_999, "shares")]
    asked = [Requested(image, *which) for image in ids for which in forms]
    given_ids = [custom_id(one.image, one.sample, answer=one.answer) for one in asked]
    assert len(set(given_ids)) == 4 * len(ids)
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,64}", one) for one in given_ids)
    assert [names.of_custom_id(one) for one in given_ids] == asked
    assert names.of_custom_id(f"s1x-{given_ids[0][3:]}") is None
    assert custom_id("cat", 3, answer="ranking", shuffle="0a1b") == "s3rx0a1b-p-cat"


@pytest.mark.parametrize("name", ["3", "images/cat.png", "cat.png", "cat", "/home/me/images/cat.png", "data\\cat.png"])
def test_an_image_is_found_by_id_file_or_name(name):
    names = Names(pd.DataFrame({"image_id": ["3", "4", "5"], "file": ["images/cat.png", "a/dog.png", "b/dog.png"]}))
    assert [names.find(each) for each in (name, "dog.png", "a/dog.png")] == ["3", None, "4"]


def read_alone(file, asked, text):
    """What a file of one reply says: a set, a ranking, or shares of the four labels; else the reason why not."""
    try:
        said = said_of(file, [text], "shares" if asked == "one" else asked, one=asked == "one")
    except BadInput as error:
        return next((reason for reason in Why if f"used of 1: {reason}: 1" in str(error)), str(error))
    if said.shares is not None:
        return tuple(said.shares[0].round(6))
    order = np.argsort(-said.scores[0], kind="stable")[: np.count_nonzero(said.scores[0])]
    return " ".join(replies.LABELS[at] for at in (order if asked == "ranking" else np.sort(order)))


def test_json_alone_is_read_as_a_person_reads_it_or_refused_for_its_reason(file):
    wanted = {(asked, text): what for what, asked, *texts in replies.REPLIES for text in texts}
    assert {key: read_alone(file, *key) for key in wanted} == wanted
    read = sum(not isinstance(what, Why) for what in wanted.values())
    count = f"{len(wanted)} replies that are JSON alone: {read} are read as a person"
    docs = " ".join((Path(__file__).parents[2] / "docs" / "judging.md").read_text(encoding="utf-8").split())
    assert count in docs


@given(data=st.data(), taxonomy=st.sampled_from(["mikels-8", "ekman-7", "emotic-26", "parrott-25", "polarity-3"]))
def test_whatever_the_schema_of_a_request_allows_is_read_as_it_stands(data, taxonomy, file):
    taxonomy = get_taxonomy(taxonomy)
    labels = data.draw(st.permutations(taxonomy.labels))
    some = data.draw(st.lists(st.sampled_from(labels), unique=True, min_size=1))
    counts = data.draw(st.lists(st.integers(0, PEOPLE), min_size=len(labels), max_size=len(labels)))
    assume(sum(counts) != 100)  # percentages, for all that anybody knows
    shares = dict(zip(labels, counts, strict=True))
    said = {}
    for asked, answer in (("sets", {"labels": some}), ("ranking", {"ranking": labels}), ("shares", shares)):
        allowed = schema(labels, asked)
        assert list(answer) == allowed["required"] == list(allowed["properties"])
        text = data.draw(st.sampled_from(["{}", "```json\n{}\n```"])).replace("{}", json.dumps(answer))
        said[asked] = said_of(file, [text], asked, taxonomy=taxonomy)
    named = np.array(taxonomy.labels)
    assert {*named[said["sets"].sets[0] > 0]} == {*some}
    assert named[np.argsort(-said["ranking"].scores[0])].tolist() == list(labels)
    assert said["shares"].shares[0].tolist() == pytest.approx([shares[label] / PEOPLE for label in taxonomy.labels])


def test_whole_numbers_count_the_people_who_were_asked_about_and_are_yes_and_no_or_nothing_where_nobody_asked(file):
    one, mixed = SHARES.format(1, 0, 0, 1), SHARES.format(12, 0.5, 0, 0)
    said = said_of(file, [one, mixed], "shares")
    assert said.shares[0] == pytest.approx([0.05, 0, 0, 0.05])
    assert said.received.problems == {Why.NO_SCALE: ["line 2"]}
    unasked = said_of(file, [one])
    assert (unasked.shape, unasked.sets.tolist()) == ("sets", [[1, 0, 0, 1]])
    for row in ((60, 25, 0, 5), (5, 1, 4, 2), (7.5, 2, 3, 1)):
        refused(BadInput, f"used of 1: {re.escape(Why.NO_SCALE)}: 1", said_of, file, [SHARES.format(*row)])


def test_the_users_word_comes_before_what_was_asked_and_how_it_looks(file):
    ranked = said_of(file, ['{"ranking": ["fear", "joy"]}'], shape="sets")
    assert (ranked.sets.tolist(), ranked.scores.tolist()) == ([[1, 0, 1, 0]], [[1, 0, 1, 0]])
    rates = said_of(file, [SHARES.format(*replies.SAID)], "sets", shape="rates")
    assert rates.shares[0] == pytest.approx(replies.SAID)


def test_a_list_is_a_ranking_only_where_one_was_asked(file):
    texts = ['["joy", "awe", "fear", "anger"]', '{"labels": ["awe", "fear", "anger", "joy"]}']
    said = said_of(file, texts)
    assert (said.shape, said.sets.tolist()) == ("sets", [[1, 1, 1, 1]] * 2)
    assert "2 lists name all labels: sets of all, or rankings with shape='ranked'" in said.received.notes
    for options in ({"asked": "ranking"}, {"shape": "ranked"}):
        ranked = said_of(file, texts, **options)
        assert (ranked.shape, ranked.scores.argmax(axis=1).tolist()) == ("ranked", [0, 1])


def test_answers_of_several_forms_are_an_error_with_the_way_out(file):
    texts = ['{"labels": ["joy"]}', '{"labels": ["awe"]}', SHARES.format(0.6, 0, 0, 0.1)]
    found = r"\(2 are lists of labels, 1 are numbers by label\); judge them one by one, or say which form counts: shape"
    refused(BadInput, found, said_of, file, texts)
    assert said_of(file, texts, shape="sets").received.problems == {Why.NUMBERS: ["line 3"]}
    numbers = f"no answer can be used of 1: {Why.NUMBERS}: 1; shape says what they are"
    refused(BadInput, numbers, said_of, file, texts[2:], shape="sets")
    asked = [line(texts[0], "sets"), line(texts[1], "sets", sample=2), line(texts[2], "shares")]
    refused(BadInput, r"several forms of answer \(2 for sets, 1 for shares\); judge them", read_lines, file, asked)


def test_shares_of_one_label_each_sum_to_one_but_for_rounding(file):
    rounded = [(0.33, 0.33, 0.33, 0), (0.75, 0.25, 0, 0), (0.9, 0.5, 0, 0)]
    said = said_of(file, [SHARES.format(*each) for each in rounded], "shares", one=True)
    assert said.shares == pytest.approx(np.array([[1 / 3, 1 / 3, 1 / 3, 0], [0.75, 0.25, 0, 0]]))
    assert said.received.problems == {Why.NO_SUM: ["line 3"]}
    assert "1 answers sum to one but for rounding, and are divided by their sum" in said.received.notes


SMOOTHED = [
    (False, "rates", [[5 / 6, 1 / 2, 1 / 6, 1 / 6], [3 / 4, 1 / 4, 1 / 4, 1 / 4], [1 / 4] * 4]),
    (True, "distribution", [[2 / 4, 1 / 4, 1 / 8, 1 / 8], [1.5 / 3, 0.5 / 3, 0.5 / 3, 0.5 / 3]]),
]


@pytest.mark.parametrize(("one", "shape", "shares"), SMOOTHED)
def test_several_sets_of_an_image_are_smoothed_by_jeffreys_rule(file, one, shape, shares):
    """(k + 1/2) / (n + 1); of one label each (k + 1/2) / (n + 4/2), where a set shares its vote and none has none."""
    labels = {"1": ["joy", ["joy", "awe"]], "a b": ["joy"], "c": [[]]}
    said = [(image, each) for image, some in labels.items() for each in some]
    given = [json.dumps({"image": image, "labels": each}) for image, each in said]
    both = together(read_lines(file, given, one=one), one_label=one)
    assert (both.shape, both.sets) == (shape, None)
    assert both.shares == pytest.approx(np.array(shares))
    assert both.received.problems == ({Why.NO_MASS: ["line 4"]} if one else {})
    assert (both.received.used, both.received.samples, both.received.shape) == (3 if one else 4, 2, "sets")


def test_stated_shares_of_several_draws_are_averaged_and_some_rows_can_be_taken_alone(file):
    texts = [SHARES.format(12, 5, 0, 1), SHARES.format(16, 5, 0, 1)]
    found = read_lines(file, [line(text, "shares", sample=at) for at, text in enumerate(texts, start=1)])
    assert together(found, one_label=False).shares == pytest.approx(np.array([[0.7, 0.25, 0, 0.05]]))
    second = replace(found, table=found.table[found.table["draw"] == 2])
    assert together(second, one_label=False).shares == pytest.approx(np.array([[0.8, 0.25, 0, 0.05]]))
    none = together(replace(found, table=found.table[:0]), one_label=False)
    assert (none.scores.shape, len(none.image_id)) == ((0, 4), 0)


def test_of_rankings_the_mean_place_counts(file):
    rankings = [["joy", "awe", "fear"], ["awe", "joy"]]
    found = read_lines(file, [json.dumps({"image": "1", "ranking": each}) for each in rankings])
    said = together(found, one_label=False)
    assert said.scores.tolist() == [[0.875, 0.875, 0.25, 0]]
    assert (said.sets, said.often.tolist()) == (None, [[0.5, 0.5, 0, 0]])


JOY_AWE, FIRST = [[1, 1, 0, 0], [0] * 4], [[1, 0, 0, 0]]
COLUMNS = [
    ("id,labels\n1,joy\na b,\nc,none", "sets", [*FIRST, [0] * 4]),  # an empty cell is no answer
    ("image,joy,awe,fear,anger,n\n1,0.6,0.25,0,0.05,20", "rates", [replies.SAID]),
    (f'[{{"image": "1", {replies.SHARES}}}]', "rates", [replies.SAID]),
    ("id,labels,n\n1,joy|awe,7\na b,none,7", "sets", JOY_AWE),
    ("id,emotion,score\n1,\"['joy', 'awe']\",0.9\na b,[],0.1", "sets", JOY_AWE),
    ("id,joy,awe\n1,yes,no\na b,no,no", "sets", [*FIRST, [0] * 4]),
    ("id,top_2,top_1\n1,awe,joy\na b,fear,fear", "ranked", [[1, 0.75, 0, 0], [0, 0, 1, 0]]),
    ('id,reply\n1,"{""labels"": [""joy""]}"\na b,"[""awe""]"', "sets", [*FIRST, [0, 1, 0, 0]]),
]


@pytest.mark.parametrize(("table", "shape", "scores"), COLUMNS)
def test_the_columns_of_a_table_say_what_its_answers_are_and_others_are_left_alone(file, table, shape, scores):
    said = together(read_lines(file, [table]), one_label=False)
    assert said.shape == shape
    assert said.scores == pytest.approx(np.array(scores))
