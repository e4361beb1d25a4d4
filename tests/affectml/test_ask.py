"""Batch requests: the question that people were asked, shuffled labels, pictures, limits of files, all or nothing.

A simulated vision-language model answers the requests from the demo set's true rates, in code fences, synonyms and
capitals, and breaks in known ways: what broke is counted exactly, its planted bias is found.
"""

import base64
import io
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import affectml
from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput
from affectml.taxonomies import get_taxonomy
from affectml.vlm import AskConfig, ask
from affectml.vlm.names import custom_id
from affectml.vlm.reply import Why
from affectml_metrics import functional as F

MIKELS = get_taxonomy("mikels-8")


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


def asking(data, name="r.jsonl", *, say=quiet, **options):
    """What was asked beside a data set, its requests and its index."""
    out = data.root.parent / name
    asked = ask(data.root, AskConfig(**{"model": "m", "split": "all", "side": 16} | options), out, say=say)
    return asked, lines(out), lines(asked.index)


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
    from affectml.importers import import_images

    data = import_images(tmp_path / "photos", tmp_path / "bare", taxonomy="mikels-8", question="And you?")
    said = []
    asked, _, index = asking(data, split="test", say=said.append)
    assert (asked.requests, asked.images) == (6, 6)
    assert asked.prompt.startswith("And you?\nChoose every label that applies; several may, or none.\nLabels: ")
    assert set(index[0]["labels"]) == set(data.meta.resolve_taxonomy().labels)
    assert said == [f"{data.root} has neither a target nor a split: asking about all of its images"]
    split = data.images.assign(split=["test", "train", None, None, None, "test"])
    split.to_parquet(data.root / "images.parquet")
    assert [entry["image_id"] for entry in asking(data, "test.jsonl", split="test")[2]] == ["0", "5"]
    with pytest.raises(BadInput, match="no image can be sent; .*no image in this part"):
        asking(data, "val.jsonl", split="val")
    with pytest.raises(BadDataset, match="no target yet"):
        asking(import_images(tmp_path / "photos", tmp_path / "none"), "n.jsonl")


def test_the_order_of_labels_is_another_each_time_kept_in_the_index_and_the_same_for_a_seed(photos):
    orders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        _, found, index = asking(photos, name, samples=9, seed=seed)
        for request, entry in zip(found, index, strict=True):
            assert request["custom_id"] == entry["custom_id"]
            assert (entry["wording"], entry["answer"]) == (1, "sets")
            assert f"Labels: {', '.join(entry['labels'])}\n" in content(request)[0]
        orders.append([tuple(entry["labels"]) for entry in index])
    assert orders[0] == orders[1] != orders[2]
    first = Counter(order[0] for order in orders[0])
    assert len(first) == 8
    assert max(first.values()) < 20  # of 54; 6.75 are expected


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
    for taken in ("r.jsonl", "r-index.jsonl", "r-002.jsonl"):
        (tmp_path / taken).write_text("mine")
        with pytest.raises(BadInput, match=f"{taken} exists"):
            asking(photos)
        (tmp_path / taken).unlink()
    shown = iter(range(3))
    monkeypatch.setattr("affectml.vlm.requests.data_uri", lambda *_: f"data:{next(shown)}")
    with pytest.raises((RuntimeError, StopIteration)):
        asking(photos, max_requests=2)
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "labels.csv", "data"}


URLS = [f"https://example.org/{n}.jpg" for n in range(5)]


@pytest.mark.parametrize(
    ("columns", "options", "url", "left"),
    [
        ({"url": [*URLS, None]}, {"image_urls": True}, URLS[0], ["it has no url"]),
        ({"file": ["images/a b.jpg", *URLS[1:], None]}, {"image_base": "https://example.org/set/"},
         "https://example.org/set/images/a%20b.jpg", ["it has no file (image_urls=True sends urls)"]),
    ],
)  # fmt: skip
def test_addresses_are_sent_instead_where_asked_for(photos, columns, options, url, left):
    photos.images.assign(**columns).to_parquet(photos.root / "images.parquet")
    asked, found, _ = asking(photos, **options)
    assert (content(found[0])[1], asked.images, list(asked.left_out.values())) == (url, 5, left)


def test_pictures_that_cannot_be_sent_are_listed_and_the_rest_is_asked(photos):
    photos.image_path(photos.images["file"][1]).write_bytes(b"no picture")
    said = []
    asked, *_ = asking(photos, say=said.append)
    assert (asked.images, list(asked.left_out)) == (5, [photos.images["image_id"][1]])
    assert "not an image that Pillow can read" in said[0]


def a_list(labels):
    return {"type": "array", "items": {"type": "string", "enum": labels}}


@pytest.mark.parametrize(
    ("answer", "words", "form", "properties"),
    [
        ("sets", "{}\nChoose every label that applies; several may, or none.",
         '{"labels": [...]}, with the labels, or [] if none applies.', lambda labels: {"labels": a_list(labels)}),
        ("shares", "People are asked: {}\nOf 20 people who look at this image, how many would choose each label? Each "
         'may choose several, or none.', '{"LABEL": NUMBER, ...}, with every label and how many of 20 people would '
         "choose it.", lambda labels: {label: {"type": "integer"} for label in labels}),
        ("ranking", "{}\nRank all labels.", '{"ranking": [...]}, with all labels, from the most to the least fitting.',
         lambda labels: {"ranking": a_list(labels)}),
    ],
)  # fmt: skip
def test_each_form_is_asked_in_words_and_by_a_strict_schema_without_limits(photos, answer, words, form, properties):
    """As strict as OpenAI wants it; for limits of numbers and lengths Azure, Anthropic and Groq refuse it."""
    asked, found, index = asking(photos, answer=answer)
    shown = index[0]["labels"]
    words = words.format("What do you feel?")
    assert content(found[0])[0] == f"{words}\nLabels: {', '.join(shown)}\nAnswer with JSON only: {form}"
    assert asked.prompt == content(found[0])[0].replace(", ".join(shown), ", ".join(MIKELS.labels))
    given = custom_id(index[0]["image_id"], 1, answer=answer, shuffle=index[0]["shuffle"])
    assert (index[0]["answer"], found[0]["custom_id"]) == (answer, given)
    fields = properties(shown)
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    named = {"name": "answer", "strict": True, "schema": schema}
    assert found[0]["body"]["response_format"] == {"type": "json_schema", "json_schema": named}
    assert list(found[0]["body"]["response_format"]["json_schema"]["schema"]["properties"]) == list(fields)


def test_people_who_named_one_label_are_asked_for_one_and_a_question_nobody_wrote_down_is_said(tmp_path):
    said, one_label = [], affectml.demo(tmp_path / "one", images=40, answers="one", say=quiet)
    meta = json.loads((one_label.root / "dataset.json").read_text())
    meta["targets"]["emotions"]["question"] = "In our words: whatever"
    (one_label.root / "dataset.json").write_text(json.dumps(meta))
    asked, found, _ = asking(one_label, temperature=None, say=said.append)
    assert asked.prompt.startswith("What does this image make you feel?\nChoose the one label that fits best.\n")
    assert asked.prompt.endswith('{"labels": [...]}, with the one label.')
    shares = asking(one_label, "shares.jsonl", answer="shares")[0].prompt
    assert "Each chooses one.\n" in shares
    assert shares.endswith("how many of 20 people would choose it, 20 in all.")
    assert "does not have the words that people were asked" in said[0]
    assert "temperature" not in found[0]["body"]


WORDINGS = ["What is felt here?\nChoose any.", "Of {labels}, which are felt here?"]


def test_each_wording_is_asked_as_often_as_there_are_samples(photos, tmp_path):
    (tmp_path / "wordings.txt").write_text(f"{WORDINGS[0]}\n---\n\n{WORDINGS[1]}\n")
    asked, found, index = asking(photos, wording=str(tmp_path / "wordings.txt"), samples=2)
    assert asked.requests == 24
    assert [(entry["wording"], entry["sample"]) for entry in index[:4]] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert [request["custom_id"] for request in found] == [
        custom_id(entry["image_id"], entry["sample"], wording=entry["wording"], shuffle=entry["shuffle"])
        for entry in index
    ]
    end = '\nAnswer with JSON only: {"labels": [...]}, with the labels, or [] if none applies.'
    shown = [", ".join(entry["labels"]) for entry in index[:4]]
    assert content(found[1])[0] == f"{WORDINGS[0]}\nLabels: {shown[1]}{end}"
    assert content(found[2])[0] == f"Of {shown[2]}, which are felt here?{end}"
    assert len(set(shown)) == 4
    assert asked.prompt.count("\n---\n") == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"samples": 0}, "samples=0: expected at least 1"),
        ({"temperature": 3}, "temperature=3: expected 0 to 2"),
        ({"split": "train"}, "split: no 'train' .expected one of test, val, all"),
        ({"answer": "share"}, "answer: no 'share'; did you mean 'shares'"),
        ({"wording": "nowhere.txt"}, "wording='nowhere.txt': cannot be read"),
        ({"wording": "w.txt", "question": "What?"}, "question and wording both say what to ask"),
        ({"wording": ""}, "expected wordings apart by lines of ---"),
        ({"wording": "one\n---\n\n---\ntwo"}, "none of them empty"),
        ({"wording": "one\n---\none\n"}, "none of them empty or there twice"),
        ({"body": {"model": "other"}}, "body: not for model, which model sets"),
        ({"body": {"messages": []}}, "body: not for messages, which the question and the image sets"),
        ({"body": {"top_p": float("nan")}}, "body: expected values that JSON can hold"),
        ({"image_base": "/images"}, "image_base='/images': expected an address"),
        ({"image_base": "https://a.org", "image_urls": True}, "both say addresses"),
        ({"smaples": 2}, "no option 'smaples'; did you mean 'samples'"),
    ],
)
def test_options_that_cannot_be_used_are_named(photos, tmp_path, options, says):
    if not options.get("wording", ".txt").endswith(".txt"):  # what stands in the file
        (tmp_path / "wordings").write_text(options["wording"])
        options = {"wording": str(tmp_path / "wordings")}
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


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["--temperature", "none", "--no-json-schema", "--body", "reasoning.effort=low", "--body", "top_p=0.9"],
         {"model": "m", "reasoning": {"effort": "low"}, "top_p": 0.9}),
        (["--body", "response_format.type=json_object"],  # in the place of the schema
         {"model": "m", "temperature": 1.0, "response_format": {"type": "json_object"}}),
    ],
)  # fmt: skip
def test_the_command(command, photos, tmp_path, words, body):
    options = ["--model", "m", "--split", "all", "--samples", "2", "--out", tmp_path / "r.jsonl"]
    code, printed, _ = command("ask", photos.root, *options, *words)
    assert (code, "12 requests about 6 images" in printed) == (0, True)
    sent = lines(tmp_path / "r.jsonl")[0]["body"]
    assert {key: value for key, value in sent.items() if key != "messages"} == body


@pytest.mark.parametrize(
    ("words", "says"),
    {
        "--temperature hot": "--temperature",
        "--temperature 2.5": "--temperature 2.5: expected 0 to 2",
        "--body low": "--body low: expected KEY=VALUE, e.g. --body reasoning_effort=low",
        "--body a.=1": "--body a.=1: expected KEY=VALUE",
        "--body a=1 --body a.b=1": "--body a.b=1: a.b is set twice",
        "--body a.b=1 --body a=1": "--body a=1: a is set twice",
    }.items(),
)
def test_what_the_command_cannot_take_is_said_with_the_way_out(command, photos, tmp_path, words, says):
    code, _, said = command("ask", photos.root, "--model", "m", "--out", tmp_path / "r.jsonl", *words.split())
    assert (code, says in said) == (2, True), said


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
SYNONYMS = {"fear": "dread", "sadness": "sorrow", "anger": "outrage", "awe": "wonder"}
FORMS = ("{}", "```json\n{}\n```", "\n```\n{}\n```\n")
BREAKS = {
    Why.REFUSED: [replied(None, refusal="I cannot do that.")],
    Why.NO_SCHEMA: [responded(400, body) for body in NOT_SUPPORTED],
    Why.FAILED: [
        responded(429, {"error": {"code": "rate_limit"}}),
        {"response": None, "error": {"code": "batch_expired", "message": "too late"}},
    ],
    Why.FILTERED: [replied("", "content_filter")],
    Why.CUT_OFF: [replied('{"labels": ["aw', "length")],
    Why.EMPTY: [replied("  \n")],
    Why.NO_JSON: [replied("The picture has many colours."), replied("Answer: awe, joy.")],
    Why.BROKEN: [replied('{"labels": ["awe", "joy"'), replied('<think>Hmm.</think>{"labels": ["awe"]}')],
    Why.NO_LABELS: [replied('{"mood": 3}')],
    Why.UNKNOWN_ONLY: [replied('{"labels": ["nostalgia", "ennui"]}')],
}


class SimulatedVLM:
    """Answers the requests of an index.

    rates: DataFrame by image_id, a column per label. more, never: a label over-said by 30 points, and one never said.
    broken: share of responses that break. expected: Counter of reasons; answered: image_id -> usable answers; used:
    their custom_ids.
    """

    def __init__(self, rates, seed, *, more=None, never=None, broken=0.0):
        self.rates, self.rng, self.broken = rates.copy(), np.random.default_rng(seed), broken
        if more:
            self.rates[more] = (self.rates[more] + 0.3).clip(upper=1)
        if never:
            self.rates[never] = 0
        self.expected, self.answered, self.used = Counter(), Counter(), []

    def answer(self, index, out):
        said = [(entry["custom_id"], self._response(entry)) for entry in lines(index)]
        if self.broken:  # an id that nobody asked with, a line of no JSON, and an answer that comes twice more
            said += [(given, replied('{"labels": []}')) for given in ("s1-p-nowhere", *self.used[:1] * 2)]
            self.expected.update({Why.UNKNOWN_IMAGE: 1, Why.NOT_JSON: 1, Why.TWICE: 2})
        text = "\n".join(json.dumps({"custom_id": given, **response}) for given, response in said)
        out.write_text(text + "\n{not json" * bool(self.broken), encoding="utf-8")
        return out

    def _response(self, entry):
        labels = [x for x in entry["labels"] if self.rng.random() < self.rates.loc[entry["image_id"], x]]
        if self.rng.random() < self.broken:
            reason = sorted(BREAKS)[self.rng.integers(len(BREAKS))]
            self.expected[reason] += 1
            return BREAKS[reason][self.rng.integers(len(BREAKS[reason]))]
        self.answered[entry["image_id"]] += 1
        self.used.append(entry["custom_id"])
        spelt = [SYNONYMS.get(x, x) if self.rng.random() < 0.3 else x.title() for x in labels]
        form = FORMS[self.rng.integers(len(FORMS))]
        return replied(form.replace("{}", json.dumps({"Labels" if len(labels) % 2 else "labels": spelt})))


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=240, seed=11)


@pytest.fixture(scope="module")
def rates(demo):
    return demo.truth.set_index("image_id")[list(demo.target("emotions").taxonomy.labels)]


@pytest.fixture(scope="module")
def asked(demo, tmp_path_factory):
    out = tmp_path_factory.mktemp("asked") / "requests.jsonl"
    return affectml.ask(demo, out, model="vlm", samples=3, split="all", side=16, say=quiet)


def judged(demo, answers, **options):
    out = tempfile.mkdtemp(dir=Path(answers).parent)
    how = {"on": demo, "split": "all", "threads": 1, "out": out, "say": quiet}
    return affectml.evaluate({"vlm": answers}, **how, **options).evaluation


def biased(found):
    """The labels that a system is found to name too often or too seldom."""
    return {each.label for each in found.where(metric="label_bias", system="vlm", label=None) if each.found}


@pytest.fixture(scope="module")
def broken(demo, rates, asked, tmp_path_factory):
    model = SimulatedVLM(rates, 0, more="awe", never="disgust", broken=0.25)
    return model, judged(demo, model.answer(asked.index, tmp_path_factory.mktemp("out") / "responses.jsonl"))


def test_what_could_not_be_used_is_counted_by_reason_exactly(broken, demo):
    model, result = broken
    received = result.facts["received"]["vlm"]
    counts = {reason: len(places) for reason, places in received["problems"].items()}
    assert counts == {reason: model.expected[reason] for reason in Why if model.expected[reason]}
    assert len(counts) == len(BREAKS) + 3
    assert received["used"] == sum(model.answered.values())
    assert received["unknown_labels"] == dict.fromkeys(("nostalgia", "ennui"), model.expected[Why.UNKNOWN_ONLY])
    assert received["answered"] == len(model.answered)
    assert set(received["without_an_answer"]) == set(demo.target("emotions").image_id) - set(model.answered)


def test_a_server_that_refuses_the_json_schema_is_reported_with_the_way_out(broken, demo, asked, tmp_path):
    model, result = broken
    said = "the server refused the JSON schema of {} requests; `ask` json_schema=False sends none"
    assert said.format(model.expected[Why.NO_SCHEMA]) in result.facts["received"]["vlm"]["notes"]
    refused = [{"custom_id": entry["custom_id"], **responded(400, NOT_SUPPORTED[1])} for entry in lines(asked.index)]
    (tmp_path / "refused.jsonl").write_text("\n".join(map(json.dumps, refused)))
    with pytest.raises(BadInput, match=f"{Why.NO_SCHEMA}: {len(refused)}; {said.format(len(refused))}"):
        judged(demo, tmp_path / "refused.jsonl")


def test_the_planted_bias_is_named_and_no_other(broken):
    _, result = broken
    assert biased(result) == {"awe", "disgust"}
    said = result.facts["findings"]
    awe, disgust = sorted(each["words"] for each in said if "often than people" in each["words"])
    assert awe.startswith("says awe more often than people")
    assert disgust.startswith("says disgust less often than people: never")


@pytest.mark.parametrize("seed", range(1, 6))
def test_without_a_planted_bias_none_is_named(demo, rates, asked, tmp_path, seed):
    result = judged(demo, SimulatedVLM(rates, seed).answer(asked.index, tmp_path / "responses.jsonl"))
    assert not biased(result)
    assert sum("no label more often or less often" in each["words"] for each in result.facts["findings"]) == 1


def test_its_cross_entropy_is_what_smoothed_draws_from_the_true_rates_must_have(demo, rates, asked, tmp_path):
    result = judged(demo, SimulatedVLM(rates, 6).answer(asked.index, tmp_path / "responses.jsonl"))
    r = torch.tensor(rates.loc[demo.target("emotions").image_id].to_numpy())
    expected = 0.0
    for k, ways in enumerate((1, 3, 3, 1)):
        chance, smoothed = ways * r**k * (1 - r) ** (3 - k), torch.full_like(r, (k + 0.5) / 4)
        loss = [F.rate_cross_entropy(smoothed[:, [c]], r[:, [c]]) for c in range(r.shape[1])]
        expected += float((chance * torch.stack(loss, dim=1)).mean())
    score = result.get("rate_cross_entropy", "vlm")
    assert abs(score.value - expected) < 1.5 * (score.high - score.low) / 2
