"""Batch requests: the question that people were asked, shuffled labels, pictures, limits of files, all or nothing."""

import base64
import io
import json
import re
import shutil
from collections import Counter

import pytest
from PIL import Image

import affectml
from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput
from affectml.importers import import_images, import_table
from affectml.taxonomies import get_taxonomy
from affectml.vlm import AskConfig, ask
from affectml.vlm.reply import Names, custom_id, shuffle_of
from affectml.vlm.requests import shuffled

from .checks import edit, refused

MIKELS = get_taxonomy("mikels-8")


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
