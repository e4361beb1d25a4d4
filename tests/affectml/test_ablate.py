"""The ablation over prompts: rows, intervals over seeds, captions, what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from affectml.cross_evaluation.ablate import AblateConfig, AblateRow, _mixes, ablate_prompts, t_interval
from affectml.demo_set import write_demo
from affectml.errors import BadInput

SLOW = {"result"}  # fixtures, and so all that asks for them


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=200, seed=21, panel="textbook")


@pytest.fixture(scope="module")
def result(demo):
    return ablate_prompts(AblateConfig(dataset=str(demo.root), seeds=2, threads=1))


def test_every_kind_the_data_allow_is_a_row_of_both_heads(result):
    mixes = ["sentiment", "synonyms", "sentiment+synonyms"]
    assert [(row.head, row.prompts) for row in result.rows] == [
        *(("zero_shot", mix) for mix in mixes), *(("contrastive", mix) for mix in mixes)
    ]  # fmt: skip
    assert all(len(values) == 2 for row in result.rows for values in row.values.values())
    assert "no column 'caption'" in result.notes[0]


def test_the_table_has_means_and_intervals_over_seeds(result):
    table = result.table()
    assert table.columns[0] == "head, prompts"
    assert "±" in table.rows[0][1]
    row = result.rows[0]
    score = row.score("top_1_accuracy")
    assert score["value"] == pytest.approx(np.mean(row.values["top_1_accuracy"]))
    assert json.loads(json.dumps(result.to_json()))["rows"][0]["scores"]["top_1_accuracy"] == score


def test_students_t_by_hand():
    # three values: t(.975, 2) = 4.303, sd 1, so half is 4.303 / sqrt(3)
    score = t_interval(np.array([1.0, 2.0, 3.0]))
    assert (score["value"], score["high"] - 2) == (2.0, pytest.approx(4.3027 / 3**0.5, abs=1e-3))
    assert AblateRow("h", "p", {"m": [1.0, float("nan")]}).score("m") is None


@pytest.mark.slow
def test_the_demos_captions_are_a_kind_of_prompt_in_every_mix(tmp_path):
    captioned = write_demo(tmp_path / "captioned", images=200, seed=21)
    images = pd.read_parquet(captioned.root / "images.parquet")
    images.loc[:20, "caption"] = None
    images.to_parquet(captioned.root / "images.parquet", index=False)
    config = AblateConfig(dataset=str(captioned.root), mixes=("captions", "sentiment+captions"), seeds=2, threads=1)
    result = ablate_prompts(config)
    assert [(row.head, row.prompts) for row in result.rows] == [
        ("contrastive", "captions"), ("contrastive", "sentiment+captions")
    ]  # fmt: skip
    assert result.rows[0].score("top_1_accuracy")["value"] > 0.4
    default, notes = _mixes(AblateConfig(dataset=str(captioned.root)), captioned, captioned.target("emotions"))
    assert notes == []
    assert default == [
        "sentiment", "synonyms", "sentiment+synonyms", "captions", "sentiment+captions", "synonyms+captions",
        "sentiment+synonyms+captions",
    ]  # fmt: skip


def test_bad_input_is_named(demo):
    with pytest.raises(BadInput, match="at least 2"):
        ablate_prompts(AblateConfig(dataset=str(demo.root), seeds=1))
    with pytest.raises(BadInput, match="no kind 'sentimet'; did you mean 'sentiment'"):
        ablate_prompts(AblateConfig(dataset=str(demo.root), mixes=("sentimet",), seeds=2, threads=1))


@pytest.mark.slow
def test_the_command_writes_json_and_a_table(command, demo, tmp_path):
    out = tmp_path / "a.json"
    words = ["ablate", "prompts", str(demo.root), "--mix", "sentiment", "--seeds", "2", "--threads", "1"]
    code, printed, _ = command(*words, "--out", out)
    assert code == 0
    assert "contrastive, sentiment" in printed
    assert len(json.loads(out.read_text())["rows"]) == 2
