"""A simulated vision-language model is asked and judged: what broke is counted exactly, its planted bias is found.

The model answers the requests of `ask` from the demo set's true rates, in code fences, synonyms and capitals, and
breaks in known ways.
"""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from affectml.answers._reply import REASONS

import affectml
from affectml.errors import BadInput
from affectml_metrics import functional as F

SYNONYMS = {"fear": "dread", "sadness": "sorrow", "anger": "outrage", "awe": "wonder"}
FORMS = (
    lambda text: text,
    lambda text: f"```json\n{text}\n```",
    lambda text: f"\n```\n{text}\n```\n",
    lambda text: text.replace('"labels"', '"Labels"'),
)


def message(content, finish="stop", **more):
    said = {"role": "assistant", "content": content, **more}
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish}]}


def ok(body):
    return {"response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}


# as OpenAI, vLLM and LM Studio say it
NOT_SUPPORTED = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
NO_FEATURE = "The provided JSON schema contains features not supported by xgrammar."


def schema_refused(body):
    return {"response": {"status_code": 400, "body": body}, "error": None}


BREAKS = {
    "refused": [lambda labels: ok(message(None, refusal="I cannot do that."))],
    "request failed for its JSON schema": [
        lambda labels: schema_refused({"error": {"message": NOT_SUPPORTED, "param": "response_format", "code": None}}),
        lambda labels: schema_refused(
            {"object": "error", "message": NO_FEATURE, "type": "BadRequestError", "code": 400}
        ),
        lambda labels: schema_refused({"error": "'response_format.json_schema.schema' must be an object"}),
    ],
    "request failed": [
        lambda labels: {"response": {"status_code": 429, "body": {"error": {"code": "rate_limit"}}}, "error": None},
        lambda labels: {"response": None, "error": {"code": "batch_expired", "message": "too late"}},
    ],
    "stopped by a content filter": [lambda labels: ok(message("", "content_filter"))],
    "cut off (finish_reason length)": [lambda labels: ok(message('{"labels": ["aw', "length"))],
    "empty": [lambda labels: ok(message("  \n"))],
    "no JSON in the reply": [
        lambda labels: ok(message("The picture has many colours.")),
        lambda labels: ok(message("I'm sorry, but I can't help with identifying feelings.")),
        lambda labels: ok(message(f"Answer: {', '.join(labels)}.")),
    ],
    "broken JSON, or text around it": [
        lambda labels: ok(message('{"labels": ["awe", "joy"')),
        lambda labels: ok(message("{'labels': 'awe'")),
        lambda labels: ok(message(f"Looking at the colours I would say:\n\n{json.dumps({'labels': labels})}")),
        lambda labels: ok(message(f"<think>Hmm.</think>{json.dumps({'labels': labels})}")),
    ],
    "JSON without labels": [lambda labels: ok(message('{"mood": 3}'))],
    "only unknown labels": [lambda labels: ok(message('{"labels": ["nostalgia", "ennui"]}'))],
}


class SimulatedVLM:
    """Answers the requests of an index.

    rates: DataFrame by image_id, a column per label. more, never: a label over-said by 30 points, and one never said.
    broken: share of responses that break. expected: Counter of reasons; answered: image_id -> usable answers.
    """

    def __init__(self, rates, seed, *, more=None, never=None, broken=0.0):
        self.rates, self.rng = rates, np.random.default_rng(seed)
        self.more, self.never, self.broken = more, never, broken
        self.expected, self.answered, self.usable = Counter(), Counter(), set()

    def answer(self, index, out):
        entries = [json.loads(line) for line in index.read_text().splitlines()]
        lines = [self._line(entry) for entry in entries]
        if self.broken:
            lines += self._oddities(entries)
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return out

    def says(self, image, labels):
        chance = dict(self.rates.loc[image])
        if self.more:
            chance[self.more] = min(1, chance[self.more] + 0.3)
        if self.never:
            chance[self.never] = 0
        return [label for label in labels if self.rng.random() < chance[label]]

    def _line(self, entry):
        labels = self.says(entry["image_id"], entry["labels"])
        if self.rng.random() < self.broken:
            reason = sorted(BREAKS)[self.rng.integers(len(BREAKS))]
            made = BREAKS[reason][self.rng.integers(len(BREAKS[reason]))](labels)
            self.expected[reason] += 1
        else:
            spelt = [SYNONYMS.get(x, x) if self.rng.random() < 0.3 else x.title() for x in labels]
            made = ok(message(FORMS[self.rng.integers(len(FORMS))](json.dumps({"labels": spelt}))))
            self.answered[entry["image_id"]] += 1
            self.usable.add(entry["custom_id"])
        return json.dumps({"id": "batch_req_1", "custom_id": entry["custom_id"], **made})

    def _oddities(self, entries):
        """An id that nobody asked with, a line of no JSON, and an answer that comes twice more."""
        usable = next(entry["custom_id"] for entry in entries if entry["custom_id"] in self.usable)
        again, strange = (
            json.dumps({"custom_id": given, **ok(message('{"labels": []}'))}) for given in (usable, "s1-p-nowhere")
        )
        self.expected.update(
            {"image that the data set does not have": 1, "line that is no JSON object": 1, "answered before": 2}
        )
        return [strange, "{not json", again, again]

    def counts(self):
        """As `judge` says them."""
        return {reason: self.expected[reason] for reason in REASONS if self.expected[reason]}


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=240, seed=11)


@pytest.fixture(scope="module")
def rates(demo):
    table = pd.read_parquet(demo.root / "truth.parquet").set_index("image_id")
    return table[list(demo.target("emotions").taxonomy.labels)]


@pytest.fixture(scope="module")
def asked(demo, tmp_path_factory):
    out = tmp_path_factory.mktemp("asked") / "requests.jsonl"
    return affectml.ask(demo, out, model="vlm", samples=3, split="all", side=16, say=lambda line: None)


def judged(demo, answers, **options):
    options = {"name": "vlm", "split": "all", "threads": 1, "say": lambda line: None} | options
    return affectml.judge(demo, answers, **options)


@pytest.fixture(scope="module")
def broken(demo, rates, asked, tmp_path_factory):
    model = SimulatedVLM(rates, 0, more="awe", never="disgust", broken=0.25)
    return model, judged(demo, model.answer(asked.index, tmp_path_factory.mktemp("out") / "responses.jsonl"))


def test_what_could_not_be_used_is_counted_by_reason_exactly(broken):
    model, result = broken
    counts = {reason: len(places) for reason, places in result.systems["vlm"].received["problems"].items()}
    assert counts == model.counts()
    assert len(counts) == len(BREAKS) + 3
    assert result.systems["vlm"].received["used"] == sum(model.answered.values())
    assert result.systems["vlm"].received["unknown_labels"] == dict.fromkeys(
        ("nostalgia", "ennui"), model.expected["only unknown labels"]
    )


def test_a_server_that_refuses_the_json_schema_is_reported_with_the_way_out(broken, demo, asked, tmp_path):
    model, result = broken
    refused = model.expected["request failed for its JSON schema"]
    said = f"the server refused the JSON schema of {refused} requests; `ask` json_schema=False sends none"
    assert said in result.summary()
    lines = [{"custom_id": json.loads(line)["custom_id"], **schema_refused({"error": {"message": NO_FEATURE}})}
             for line in asked.index.read_text().splitlines()]  # fmt: skip
    (tmp_path / "refused.jsonl").write_text("\n".join(map(json.dumps, lines)))
    every = (
        rf"request failed for its JSON schema: {len(lines)}; the server refused .* `ask` json_schema=False sends none"
    )
    with pytest.raises(BadInput, match=every):
        judged(demo, tmp_path / "refused.jsonl")


def test_images_with_an_answer_are_those_that_the_model_answered(broken, demo):
    model, result = broken
    assert result.systems["vlm"].received["answered"] == len(model.answered)
    silent = set(demo.target("emotions").image_id) - set(model.answered)
    assert set(result.systems["vlm"].received["without_an_answer"]) == silent


def test_the_planted_bias_is_named_and_no_other(broken):
    _, result = broken
    assert {each.label for each in result.systems["vlm"].bias if each.found} == {"awe", "disgust"}
    assert any("says awe more often than people" in line for line in result.findings)
    assert any("says disgust less often than people: never" in line for line in result.findings)
    assert sum("often than people" in line for line in result.findings) == 2


@pytest.mark.parametrize("seed", range(1, 6))
def test_without_a_planted_bias_none_is_named(demo, rates, asked, tmp_path, seed):
    model = SimulatedVLM(rates, seed)
    result = judged(demo, model.answer(asked.index, tmp_path / "responses.jsonl"))
    assert [each.label for each in result.systems["vlm"].bias if each.found] == []
    assert "no label more or less often" in result.findings[0]


def test_its_cross_entropy_is_what_smoothed_draws_from_the_true_rates_must_have(demo, rates, asked, tmp_path):
    model = SimulatedVLM(rates, 6)
    result = judged(demo, model.answer(asked.index, tmp_path / "responses.jsonl"))
    r = torch.tensor(rates.loc[demo.target("emotions").image_id].to_numpy())
    chance = [r**k * (1 - r) ** (3 - k) * (1, 3, 3, 1)[k] for k in range(4)]
    smoothed = [torch.full_like(r, (k + 0.5) / 4) for k in range(4)]
    by_label = [
        torch.stack([F.rate_cross_entropy(q[:, c : c + 1], r[:, c : c + 1]) for c in range(r.shape[1])], dim=1)
        for q in smoothed
    ]
    expected = float(sum(p * x for p, x in zip(chance, by_label, strict=True)).mean())
    score = result.metrics["systems"]["vlm"]["rate_cross_entropy"]
    assert abs(score["value"] - expected) < 1.5 * (score["high"] - score["low"]) / 2


def test_an_index_that_was_written_with_other_requests_is_refused(demo, rates, asked, tmp_path):
    answers = SimulatedVLM(rates, 0).answer(asked.index, tmp_path / "responses.jsonl")
    other = affectml.ask(
        demo, tmp_path / "other.jsonl", model="vlm", samples=3, split="all", side=16, seed=1, say=print
    )
    with pytest.raises(BadInput, match=r"other-index.jsonl'?: written with other requests than .*responses.jsonl ans"):
        judged(demo, answers, index=(str(other.index),))


def test_requests_and_an_index_of_before_such_ids_still_belong_together(demo, rates, asked, tmp_path):
    """Neither their custom_ids nor the index said which shuffle an order was drawn from."""
    entries = [json.loads(line) for line in asked.index.read_text().splitlines()]
    old = tmp_path / "old-index.jsonl"
    for entry in entries:
        entry["custom_id"] = entry["custom_id"].replace(f"x{entry.pop('shuffle')}-", "-")
    old.write_text("\n".join(map(json.dumps, entries)))
    answers = SimulatedVLM(rates, 0).answer(old, tmp_path / "responses.jsonl")
    assert judged(demo, answers, index=(str(old),)).systems["vlm"].places.requests == len(entries)
    with pytest.raises(BadInput, match="written with other requests"):
        judged(demo, answers, index=(str(asked.index),))
