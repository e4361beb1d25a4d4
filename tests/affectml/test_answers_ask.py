"""Batch requests: the question that people were asked, shuffled labels, pictures, limits of files, all or nothing."""

import base64
import io
import json
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import affectml
from affectml.answers import AskConfig, ask
from affectml.answers._names import custom_id
from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput


@pytest.fixture
def photos(tmp_path):
    """Six photographs with two people's sets each; one lies on its side, one is no picture, one has no file."""
    from affectml.importers import import_table

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
    return Dataset.open(tmp_path / "data")


def quiet(line):
    pass


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def picture(request):
    url = request["body"]["messages"][0]["content"][1]["image_url"]["url"]
    kind, _, data = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def words(request):
    return request["body"]["messages"][0]["content"][0]["text"]


def test_a_request_has_the_question_the_labels_and_the_upright_picture(photos, tmp_path):
    asked = ask(photos.root, AskConfig("vlm", samples=2, split="all", side=64), tmp_path / "r.jsonl", say=quiet)
    found = lines(tmp_path / "r.jsonl")
    assert (asked.requests, asked.images, len(found)) == (12, 6, 12)
    first = found[0]
    assert (first["method"], first["url"]) == ("POST", "/v1/chat/completions")
    assert (first["body"]["model"], first["body"]["temperature"]) == ("vlm", 1.0)
    assert words(first).startswith("What do you feel?\nChoose every label that applies; several may, or none.")
    assert picture(first).size == (32, 64)
    assert len({request["custom_id"] for request in found}) == 12


def test_a_data_set_without_a_target_is_asked_for_its_own_taxonomy(photos, tmp_path):
    from affectml.importers import import_images

    data = import_images(tmp_path / "photos", tmp_path / "bare", taxonomy="mikels-8", question="And you?")
    said = []
    asked = ask(data.root, AskConfig("m", side=16), tmp_path / "r.jsonl", say=said.append)
    assert (asked.requests, asked.images) == (6, 6)
    assert asked.prompt.startswith("And you?\nChoose every label that applies; several may, or none.\nLabels: ")
    assert set(lines(asked.index)[0]["labels"]) == set(data.meta.resolve_taxonomy().labels)
    assert said == [f"{data.root} has neither a target nor a split: asking about all of its images"]

    split = data.images.assign(split=["test", "train", None, None, None, "test"])
    split.to_parquet(data.root / "images.parquet")
    ask(data.root, AskConfig("m", side=16), tmp_path / "test.jsonl", say=quiet)
    assert [entry["image_id"] for entry in lines(tmp_path / "test-index.jsonl")] == ["0", "5"]
    with pytest.raises(BadInput, match="no image can be sent; .*no image in this part"):
        ask(data.root, AskConfig("m", split="val", side=16), tmp_path / "val.jsonl", say=quiet)
    with pytest.raises(BadDataset, match="no target yet"):
        ask(import_images(tmp_path / "photos", tmp_path / "none").root, AskConfig("m"), tmp_path / "n.jsonl", say=quiet)


def test_the_order_of_labels_is_another_each_time_kept_in_the_index_and_the_same_for_a_seed(photos, tmp_path):
    orders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        asked = ask(photos.root, AskConfig("m", samples=9, split="all", side=16, seed=seed), tmp_path / name, say=quiet)
        index = lines(asked.index)
        for request, entry in zip(lines(tmp_path / name), index, strict=True):
            assert request["custom_id"] == entry["custom_id"]
            assert (entry["wording"], entry["answer"]) == (1, "sets")
            assert f"Labels: {', '.join(entry['labels'])}\n" in words(request)
        orders.append([tuple(entry["labels"]) for entry in index])
    assert orders[0] == orders[1] != orders[2]
    first = Counter(order[0] for order in orders[0])
    assert len(first) == 8
    assert max(first.values()) < 20  # of 54; 6.75 are expected


def test_files_keep_to_their_limits_and_hold_every_request_once(photos, tmp_path):
    one = ask(photos.root, AskConfig("m", samples=5, split="all", side=16), tmp_path / "one.jsonl", say=quiet)
    largest = max(len(line) for line in one.files[0].read_bytes().splitlines(keepends=True))
    for limits in ({"max_requests": 7}, {"max_megabytes": 3 * (largest + 50) / 1e6}):
        out = tmp_path / f"{next(iter(limits))}.jsonl"
        many = ask(photos.root, AskConfig("m", samples=5, split="all", side=16, **limits), out, say=quiet)
        assert [file.name for file in many.files[:2]] == [out.name, f"{out.stem}-002.jsonl"]
        assert b"".join(file.read_bytes() for file in many.files) == one.files[0].read_bytes()
        for file in many.files:
            assert len(lines(file)) <= limits.get("max_requests", 99)
            assert file.stat().st_size <= limits.get("max_megabytes", 99) * 1e6
    with pytest.raises(BadInput, match=r"a request of .* bytes is more than max_megabytes"):
        ask(photos.root, AskConfig("m", split="all", side=16, max_megabytes=0.001), tmp_path / "huge.jsonl", say=quiet)
    assert not list(tmp_path.glob("*huge*"))


def test_nothing_is_overwritten_and_nothing_half_is_left(photos, tmp_path, monkeypatch):
    for taken in ("r.jsonl", "r-index.jsonl", "r-002.jsonl"):
        (tmp_path / taken).write_text("mine")
        with pytest.raises(BadInput, match=f"{taken} exists"):
            ask(photos.root, AskConfig("m", split="all"), tmp_path / "r.jsonl", say=quiet)
        (tmp_path / taken).unlink()
    shown = iter(range(3))
    monkeypatch.setattr("affectml.answers._ask.data_uri", lambda *_: f"data:{next(shown)}")
    with pytest.raises((RuntimeError, StopIteration)):
        ask(photos.root, AskConfig("m", split="all", max_requests=2), tmp_path / "r.jsonl", say=quiet)
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "labels.csv", "data"}


def test_pictures_that_cannot_be_sent_are_listed_and_the_rest_is_asked(photos, tmp_path):
    photos.image_path(photos.images["file"][1]).write_bytes(b"no picture")
    said = []
    asked = ask(photos.root, AskConfig("m", split="all"), tmp_path / "r.jsonl", say=said.append)
    assert (asked.images, list(asked.left_out)) == (5, [photos.images["image_id"][1]])
    assert "not an image that Pillow can read" in said[0]


def test_urls_are_sent_instead_where_asked_for(photos, tmp_path):
    table = photos.images.assign(url=[f"https://example.org/{n}.jpg" for n in range(5)] + [None])
    table.to_parquet(photos.root / "images.parquet")
    asked = ask(photos.root, AskConfig("m", split="all", image_urls=True), tmp_path / "r.jsonl", say=quiet)
    url = lines(tmp_path / "r.jsonl")[0]["body"]["messages"][0]["content"][1]["image_url"]["url"]
    assert url == "https://example.org/0.jpg"
    assert list(asked.left_out.values()) == ["it has no url"]


def test_an_address_of_ones_own_stands_before_the_files(photos, tmp_path):
    table = photos.images.assign(file=["images/a b.jpg", *photos.images["file"][1:5], None])
    table.to_parquet(photos.root / "images.parquet")
    config = AskConfig("m", split="all", image_base="https://example.org/set/")
    asked = ask(photos.root, config, tmp_path / "r.jsonl", say=quiet)
    url = lines(tmp_path / "r.jsonl")[0]["body"]["messages"][0]["content"][1]["image_url"]["url"]
    assert (url, asked.images) == ("https://example.org/set/images/a%20b.jpg", 5)


def strict_schema(request):
    """The schema that a request sends, which is as strict as OpenAI's structured outputs want it.

    Without limits of numbers and lengths, for which Azure, Anthropic and Groq refuse it.
    """
    form = request["body"]["response_format"]
    assert (form["type"], form["json_schema"]["strict"], form["json_schema"]["name"]) == ("json_schema", True, "answer")
    schema = form["json_schema"]["schema"]
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
    assert list(schema["properties"]) == schema["required"]
    assert not {"minimum", "maximum", "minItems", "maxItems", "uniqueItems"} & {*re.findall(r"\w+", json.dumps(schema))}
    return schema


def one_label(folder):
    """A data set of people who chose one label each."""
    return affectml.demo(folder, images=40, answers="one", say=quiet)


def test_shares_are_asked_as_numbers_of_20_people(photos, tmp_path):
    config = AskConfig("m", answer="shares", split="all", side=16)
    asked = ask(photos.root, config, tmp_path / "r.jsonl", say=quiet)
    request, entry = lines(tmp_path / "r.jsonl")[0], lines(asked.index)[0]
    question, task, shown, form = words(request).split("\n")
    assert question == "People are asked: What do you feel?"
    assert task.startswith("Of 20 people who look at this image, how many would choose each label?")
    assert task.endswith("Each may choose several, or none.")
    assert shown == f"Labels: {', '.join(entry['labels'])}"
    assert form.startswith('Answer with JSON only: {"LABEL": NUMBER, ...}, with every label')
    assert entry["answer"] == "shares"
    assert request["custom_id"] == custom_id(entry["image_id"], 1, answer="shares", shuffle=entry["shuffle"])
    schema = strict_schema(request)
    assert list(schema["properties"]) == entry["labels"]
    assert schema["properties"]["awe"] == {"type": "integer"}
    demo = one_label(tmp_path / "one")
    asked = ask(demo.root, AskConfig("m", answer="shares", split="all", side=16), tmp_path / "o.jsonl", say=quiet)
    assert "Each chooses one.\n" in asked.prompt
    assert asked.prompt.endswith("how many of 20 people would choose it, 20 in all.")


def test_a_ranking_is_asked_of_all_labels(photos, tmp_path):
    config = AskConfig("m", answer="ranking", split="all", side=16)
    asked = ask(photos.root, config, tmp_path / "r.jsonl", say=quiet)
    first = lines(tmp_path / "r.jsonl")[0]
    assert words(first).splitlines()[1] == "Rank all labels."
    assert '{"ranking": [...]}, with all labels, from the most to the least fitting.' in asked.prompt
    ranking = strict_schema(first)["properties"]["ranking"]
    assert ranking == {"type": "array", "items": {"type": "string", "enum": lines(asked.index)[0]["labels"]}}


WORDINGS = ["What is felt here?\nChoose any.", "Of {labels}, which are felt here?"]


def test_each_wording_is_asked_as_often_as_there_are_samples(photos, tmp_path):
    (tmp_path / "wordings.txt").write_text(f"{WORDINGS[0]}\n---\n\n{WORDINGS[1]}\n")
    config = AskConfig("m", wording=str(tmp_path / "wordings.txt"), samples=2, split="all", side=16)
    asked = ask(photos.root, config, tmp_path / "r.jsonl", say=quiet)
    assert asked.requests == 24
    found, index = lines(tmp_path / "r.jsonl")[:4], lines(asked.index)[:4]
    assert [(entry["wording"], entry["sample"]) for entry in index] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert [request["custom_id"] for request in found] == [
        custom_id(entry["image_id"], entry["sample"], wording=entry["wording"], shuffle=entry["shuffle"])
        for entry in index
    ]
    end = '\nAnswer with JSON only: {"labels": [...]}, with the labels, or [] if none applies.'
    shown = [", ".join(entry["labels"]) for entry in index]
    assert words(found[1]) == f"{WORDINGS[0]}\nLabels: {shown[1]}{end}"
    assert words(found[2]) == f"Of {shown[2]}, which are felt here?{end}"
    assert len(set(shown)) == 4
    assert asked.prompt.count("\n---\n") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected wordings apart by lines of ---"),
        ("one\n---\n\n---\ntwo", "none of them empty"),
        ("one\n---\none\n", "a wording is there twice: 'one'"),
    ],
)
def test_wordings_that_cannot_be_asked_are_refused(photos, tmp_path, text, says):
    (tmp_path / "wordings.txt").write_text(text)
    with pytest.raises(BadInput, match=says):
        affectml.ask(photos, tmp_path / "r.jsonl", model="m", wording=str(tmp_path / "wordings.txt"), say=quiet)


def test_people_who_named_one_label_are_asked_for_one_and_a_question_nobody_wrote_down_is_said(tmp_path):
    said = []
    demo = one_label(tmp_path / "one")
    meta = json.loads((demo.root / "dataset.json").read_text())
    meta["targets"]["emotions"]["question"] = "In our words: whatever"
    (demo.root / "dataset.json").write_text(json.dumps(meta))
    config = AskConfig("m", split="all", temperature=None, side=16)
    asked = ask(demo.root, config, tmp_path / "r.jsonl", say=said.append)
    assert "Choose the one label that fits best.\n" in asked.prompt
    assert asked.prompt.startswith("What does this image make you feel?")
    assert "does not have the words that people were asked" in said[0]
    first, order = lines(tmp_path / "r.jsonl")[0], lines(asked.index)[0]["labels"]
    assert strict_schema(first)["properties"]["labels"]["items"]["enum"] == order
    assert "temperature" not in first["body"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"samples": 0}, "samples=0: expected at least 1"),
        ({"temperature": 3}, "temperature=3: expected 0 to 2"),
        ({"split": "train"}, "split='train': expected test, val, all"),
        ({"answer": "share"}, "answer: no 'share'; did you mean 'shares'"),
        ({"wording": "nowhere.txt"}, "wording='nowhere.txt': cannot be read"),
        ({"wording": "w.txt", "question": "What?"}, "question and wording both say what to ask"),
        ({"body": {"model": "other"}}, "body: not for model, which model sets"),
        ({"body": {"messages": []}}, "body: not for messages, which the question and the image sets"),
        ({"body": {"top_p": float("nan")}}, "body: expected values that JSON can hold"),
        ({"image_base": "/images"}, "image_base='/images': expected an address"),
        ({"image_base": "https://a.org", "image_urls": True}, "both say addresses"),
        ({"smaples": 2}, "no option 'smaples'; did you mean 'samples'"),
    ],
)
def test_options_that_cannot_be_used_are_named(photos, tmp_path, options, says):
    with pytest.raises(BadInput, match=says):
        affectml.ask(photos, tmp_path / "r.jsonl", model="m", say=quiet, **options)


def test_memory_does_not_grow_with_the_requests(tmp_path, photos):
    import tracemalloc

    peaks = []
    pixels = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    for file in photos.images["file"]:
        Image.fromarray(pixels).save(photos.image_path(file))
    for samples in (2, 40):
        tracemalloc.start()
        ask(photos.root, AskConfig("m", samples=samples, split="all"), tmp_path / f"{samples}.jsonl", say=quiet)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (tmp_path / "40.jsonl").stat().st_size > 10_000_000
    assert peaks[1] < peaks[0] + 1_000_000


def test_the_command(command, photos, tmp_path):
    words = ["--model", "m", "--split", "all", "--samples", "2", "--out", tmp_path / "r.jsonl"]
    more = ["--temperature", "none", "--no-json-schema", "--body", "reasoning.effort=low", "--body", "top_p=0.9"]
    code, printed, _ = command("ask", photos.root, *words, *more)
    assert code == 0
    assert "12 requests about 6 images" in printed
    body = lines(tmp_path / "r.jsonl")[0]["body"]
    assert (body.pop("messages") is not None, body) == (
        True,
        {"model": "m", "reasoning": {"effort": "low"}, "top_p": 0.9},
    )


def test_a_field_of_the_users_own_takes_the_place_of_the_schema(command, photos, tmp_path):
    words = ["--model", "m", "--split", "all", "--out", tmp_path / "r.jsonl"]
    assert command("ask", photos.root, *words, "--body", "response_format.type=json_object")[0] == 0
    assert lines(tmp_path / "r.jsonl")[0]["body"]["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--temperature", "hot"], "--temperature"),
        (["--temperature", "2.5"], "--temperature 2.5: expected 0 to 2"),
        (["--body", "low"], "--body low: expected KEY=VALUE, e.g. --body reasoning_effort=low"),
        (["--body", "a.=1"], "--body a.=1: expected KEY=VALUE"),
        (["--body", "a=1", "--body", "a.b=1"], "--body a.b=1: a.b is set twice"),
        (["--body", "a.b=1", "--body", "a=1"], "--body a=1: a is set twice"),
    ],
)
def test_what_the_command_cannot_take_is_said_with_the_way_out(command, photos, tmp_path, words, says):
    code, _, said = command("ask", photos.root, "--model", "m", "--out", tmp_path / "r.jsonl", *words)
    assert (code, says in said) == (2, True), said
