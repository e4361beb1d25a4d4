"""What a model is asked and what its replies say: the question that people were asked, files of requests; from file to
table and together; what cannot be used; no traceback on any bytes.
"""

import base64
import io
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

import affectml
from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput
from affectml.importers import import_images, import_table
from affectml.judging.answers import FILE, read_answers
from affectml.taxonomies import Taxonomy, get_taxonomy
from affectml.vlm import AskConfig, ask, read_replies, together
from affectml.vlm.config import PEOPLE
from affectml.vlm.reply import Names, Requested, Unread, Why, Words, custom_id, parse_reply, shuffle_of
from affectml.vlm.requests import schema, shuffled

from . import replies
from .checks import edit, refused

MIKELS = get_taxonomy("mikels-8")
FOUR = Taxonomy("four", replies.LABELS, synonyms=replies.SYNONYMS)
IMAGES = pd.DataFrame({"image_id": ["1", "a b", "c"], "file": ["images/x.png", "images/y.png", "images/z.png"]})
SHARES = '{{"joy": {}, "awe": {}, "fear": {}, "anger": {}}}'


# Requests


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Six photographs with two people's sets each, one on its side, and the data set of them."""
    tmp_path = tmp_path_factory.mktemp("imported")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        Image.new("RGB", (200, 100), (40 * number, 90, 120)).save(folder / f"{number}.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (200, 100), "red").save(folder / "0.jpg", exif=turned)
    rows = [f"photos/{n}.jpg,{who},{label}" for n in range(6) for who, label in (("ann", "awe"), ("ben", "awe;fear"))]
    (tmp_path / "labels.csv").write_text("\n".join(["file,annotator,labels", *rows]) + "\n")
    options = {"taxonomy": "mikels-8", "question": "What do you feel?", "images_root": tmp_path}
    import_table(tmp_path / "labels.csv", tmp_path / "data", **options)
    return tmp_path


@pytest.fixture
def photos(imported, tmp_path):
    """A copy of them, to change."""
    return Dataset.open(shutil.copytree(imported, tmp_path, dirs_exist_ok=True) / "data")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asking(data, name="r.jsonl", *, say=print, **options):
    """What was asked beside a data set, its requests, and of each what its custom_id and its words say."""
    out = data.root.parent / name
    asked = ask(data.root, AskConfig(**{"model": "m", "split": "all", "side": 16} | options), out, say=say)
    names = Names(Dataset.open(data.root).images)
    return asked, lines(out), [(names.of_custom_id(each["custom_id"]), listed(each)) for each in lines(out)]


def listed(request):
    """The labels of a request in their order."""
    return re.search("Labels: (.*)\n", content(request)[0])[1].split(", ")


def content(request):
    """The words and the address of the picture."""
    words, picture = request["body"]["messages"][0]["content"]
    return words["text"], picture["image_url"]["url"]


def test_a_request_has_the_question_the_labels_and_the_upright_picture(photos):
    asked, found, _ = asking(photos, samples=2, side=64)
    assert (asked.requests, asked.images, len(found)) == (12, 6, 12)
    assert (found[0]["method"], found[0]["url"]) == ("POST", "/v1/chat/completions")
    assert (found[0]["body"]["model"], found[0]["body"]["temperature"]) == ("m", 1.0)
    kind, _, data = content(found[0])[1].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (32, 64)
    assert len({request["custom_id"] for request in found}) == 12


def test_a_data_set_without_a_target_is_asked_for_its_own_taxonomy(photos, tmp_path):
    data = import_images(tmp_path / "photos", tmp_path / "bare", taxonomy="mikels-8", question="And you?")
    said = []
    asked, _, index = asking(data, split="test", say=said.append)
    assert (asked.requests, asked.images) == (6, 6)
    assert asked.prompt.startswith("And you?\nChoose every label that applies; several may, or none.\nLabels: ")
    assert set(index[0][1]) == set(data.meta.resolve_taxonomy().labels)
    assert said == [f"{data.root} has neither a target nor a split: asking about all of its images"]
    data.images.assign(split=["test", "train", None, None, None, "test"]).to_parquet(data.root / "images.parquet")
    assert [one.image for one, _ in asking(data, "test.jsonl", split="test")[2]] == ["0", "5"]
    refused(BadInput, "no image can be sent; .*no image in this part", asking, data, "val.jsonl", split="val")
    refused(BadDataset, "no target yet", asking, import_images(tmp_path / "photos", tmp_path / "none"), "n.jsonl")


def test_the_order_of_labels_is_another_each_time_and_follows_from_the_seed_and_the_custom_id(photos):
    orders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        said = asking(photos, name, samples=9, seed=seed)[2]
        for one, labels in said:
            assert (one.answer, one.shuffle) == ("sets", shuffle_of(MIKELS.labels, seed))
            assert tuple(labels) == shuffled(MIKELS.labels, seed, one.image, one.sample)
        orders.append([tuple(labels) for _, labels in said])
    assert orders[0] == orders[1] != orders[2]
    first = Counter(order[0] for order in orders[0])
    assert (len(first), max(first.values()) < 20) == (8, True)  # of 54; 6.75 are expected


def test_files_keep_to_their_limits_and_hold_every_request_once(photos, tmp_path):
    one = asking(photos, "one.jsonl", samples=5)[0].files[0].read_bytes()
    largest = max(map(len, one.splitlines(keepends=True)))
    for limits in ({"max_requests": 7}, {"max_megabytes": 3 * (largest + 50) / 1e6}):
        name = next(iter(limits))
        many, *_ = asking(photos, f"{name}.jsonl", samples=5, **limits)
        assert [file.name for file in many.files[:2]] == [f"{name}.jsonl", f"{name}-002.jsonl"]
        assert b"".join(file.read_bytes() for file in many.files) == one
        for file in many.files:
            assert len(lines(file)) <= limits.get("max_requests", 99)
            assert file.stat().st_size <= limits.get("max_megabytes", 99) * 1e6
    with pytest.raises(BadInput, match=r"a request of .* bytes is more than max_megabytes"):
        asking(photos, "huge.jsonl", max_megabytes=0.001)
    assert not list(tmp_path.glob("*huge*"))


def test_nothing_is_overwritten_and_nothing_half_is_left(photos, tmp_path, monkeypatch):
    for taken in ("r.jsonl", "r-002.jsonl"):
        (tmp_path / taken).write_text("mine")
        refused(BadInput, f"{taken} exists", asking, photos)
        (tmp_path / taken).unlink()
    shown = iter(range(3))
    monkeypatch.setattr("affectml.vlm.requests.data_uri", lambda *_: f"data:{next(shown)}")
    with pytest.raises((RuntimeError, StopIteration)):
        asking(photos, max_requests=2)
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "labels.csv", "data"}


URLS = [f"https://example.org/{n}.jpg" for n in range(5)]


def test_addresses_are_sent_instead_where_asked_for(photos):
    photos.images.assign(url=[*URLS, None], file=None).to_parquet(photos.root / "images.parquet")
    asked, found, _ = asking(photos, image_urls=True)
    assert (content(found[0])[1], asked.images, [*asked.left_out.values()]) == (URLS[0], 5, ["it has no url"])
    refused(BadInput, r"it has no file \(image_urls=True sends urls\)", asking, photos, "files.jsonl")


def test_pictures_that_cannot_be_sent_are_listed_and_the_rest_is_asked(photos):
    photos.image_path(photos.images["file"][1]).write_bytes(b"no picture")
    said = []
    asked, *_ = asking(photos, say=said.append)
    assert (asked.images, list(asked.left_out)) == (5, [photos.images["image_id"][1]])
    assert "not an image that Pillow can read" in said[0]


def a_list(labels):
    return {"type": "array", "items": {"type": "string", "enum": labels}}


FORMS = [
    ("sets", "{}\nChoose every label that applies; several may, or none.",
     '{"labels": [...]}, with the labels, or [] if none applies.', lambda labels: {"labels": a_list(labels)}),
    ("shares", "People are asked: {}\nOf 20 people who look at this image, how many would choose each label? Each "
     'may choose several, or none.', '{"LABEL": NUMBER, ...}, with every label and how many of 20 people would '
     "choose it.", lambda labels: {label: {"type": "integer"} for label in labels}),
    ("ranking", "{}\nRank all labels.", '{"ranking": [...]}, with all labels, from the most to the least fitting.',
     lambda labels: {"ranking": a_list(labels)}),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "words", "form", "properties"), FORMS)
def test_each_form_is_asked_in_words_and_by_a_strict_schema_without_limits(photos, answer, words, form, properties):
    """As strict as OpenAI wants it; for limits of numbers and lengths Azure, Anthropic and Groq refuse it."""
    asked, found, said = asking(photos, answer=answer)
    one, shown = said[0]
    words = words.format("What do you feel?")
    assert content(found[0])[0] == f"{words}\nLabels: {', '.join(shown)}\nAnswer with JSON only: {form}"
    assert asked.prompt == content(found[0])[0].replace(", ".join(shown), ", ".join(MIKELS.labels))
    assert found[0]["custom_id"] == custom_id(one.image, 1, answer=answer, shuffle=one.shuffle)
    fields = properties(shown)
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    named = {"name": "answer", "strict": True, "schema": schema}
    assert found[0]["body"]["response_format"] == {"type": "json_schema", "json_schema": named}
    assert list(found[0]["body"]["response_format"]["json_schema"]["schema"]["properties"]) == list(fields)


def test_people_who_named_one_label_are_asked_for_one_and_a_question_nobody_wrote_down_is_said(demo_set):
    said, one_label = [], demo_set(images=20, answers="one")
    edit(one_label.root / "dataset.json", targets={"emotions": {"question": "In our words: whatever"}})
    asked, found, _ = asking(one_label, temperature=None, say=said.append)
    assert asked.prompt.startswith("What does this image make you feel?\nChoose the one label that fits best.\n")
    assert asked.prompt.endswith('{"labels": [...]}, with the one label.')
    shares = asking(one_label, "shares.jsonl", answer="shares")[0].prompt
    assert "Each chooses one.\n" in shares
    assert shares.endswith("how many of 20 people would choose it, 20 in all.")
    assert "does not have the words that people were asked" in said[0]
    assert "temperature" not in found[0]["body"]


REFUSED = [
    ({"samples": 0}, "samples=0: expected at least 1"),
    ({"temperature": 3}, "temperature=3: expected 0 to 2"),
    ({"split": "train"}, "split: no 'train' .expected one of test, val, all"),
    ({"answer": "share"}, "answer: no 'share'; did you mean 'shares'"),
    ({"body": {"model": "other"}}, "body: not for model, which model sets"),
    ({"body": {"messages": []}}, "body: not for messages, which the question and the image sets"),
    ({"smaples": 2}, "no option 'smaples'; did you mean 'samples'"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED)
def test_options_that_cannot_be_used_are_named(photos, tmp_path, options, says):
    refused(BadInput, says, affectml.ask, photos, out=tmp_path / "r.jsonl", model="m", say=print, **options)


BODIES = [
    (["--temperature", "none", "--no-json-schema", "--body", '{"reasoning": {"effort": "low"}}', "--body",
      '{"top_p": 0.9}'],
     {"model": "m", "reasoning": {"effort": "low"}, "top_p": 0.9}),
    (["--body", '{"response_format": {"type": "json_object"}}'],  # in the place of the schema
     {"model": "m", "temperature": 1.0, "response_format": {"type": "json_object"}}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "body"), BODIES)
def test_the_command(command, photos, tmp_path, words, body):
    options = ["--model", "m", "--split", "all", "--samples", "2", "--out", tmp_path / "r.jsonl"]
    code, printed, _ = command("ask", photos.root, *options, *words)
    assert (code, "12 requests about 6 images" in printed) == (0, True)
    sent = lines(tmp_path / "r.jsonl")[0]["body"]
    assert {key: value for key, value in sent.items() if key != "messages"} == body


NOT_TAKEN = [
    ("--temperature hot", "--temperature"),
    ("--temperature 2.5", "--temperature 2.5: expected 0 to 2"),
    ("--body low", "--body low: expected a JSON object, e.g. --body '{"),
    ("--body [1]", "--body [1]: expected a JSON object"),
]


@pytest.mark.parametrize(("words", "says"), NOT_TAKEN)
def test_what_the_command_cannot_take_is_said_with_the_way_out(command, photos, tmp_path, words, says):
    code, _, said = command("ask", photos.root, "--model", "m", "--out", tmp_path / "r.jsonl", *words.split())
    assert (code, says in said) == (2, True), said


# Replies


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
