"""Several runs on the same images: distances by hand, people beside them, the page, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from affectml.comparison import compare_runs, write_gallery
from affectml.comparison._differences import gains_of
from affectml.comparison.readings import _carried
from affectml.demo_set import write_demo
from affectml.errors import BadInput, BadRun
from affectml.judging.bias import holm
from affectml.page.tables import p_value
from affectml.spaces import Choices, find_space
from affectml.taxonomies import Taxonomy, get_taxonomy
from affectml.training import TrainConfig, train_run

from .answered import answered

SLOW = {"runs"}  # fixtures, and so all that asks for them


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("compare")
    demo = write_demo(root / "demo", images=200, seed=31)
    heads = {"rates": "sigmoid", "texts": "contrastive", "words": "zero_shot"}
    for name, head in heads.items():
        config = TrainConfig(dataset=str(demo.root), multilabel=True, head=head, threads=1)
        train_run(config, out=root / name)
    return root


@pytest.fixture(scope="module")
def result(runs):
    return compare_runs([runs / name for name in ("rates", "texts", "words")], threads=1)


def test_only_images_that_no_run_was_trained_on_are_compared(result, runs):
    from affectml.runs import RunFolder

    table = answered(RunFolder.open(runs / "rates"))
    test = set(table["image_id"][table["split"] == "test"])
    assert {seen.image_id for seen in result.images} == test
    assert result.split == "test"


def test_the_most_disputed_come_first_with_each_reading(result):
    distances = [seen.distance for seen in result.images]
    assert distances == sorted(distances, reverse=True)
    seen = result.images[0]
    assert [reading.who for reading in seen.readings] == ["rates", "texts", "words"]
    assert all(len(reading.best) == 3 for reading in seen.readings)
    assert all(value > 0 for image in result.images for _, value in image.people.best)


def test_pairs_are_summed_up(result):
    assert [pair[:2] for pair in result.pairs] == [("rates", "texts"), ("rates", "words"), ("texts", "words")]
    assert all(0 <= same <= 1 and 0 <= apart <= 1 for _, _, same, apart, _ in result.pairs)
    mean = np.mean([seen.distance for seen in result.images])
    assert mean == pytest.approx(np.mean([pair[3] for pair in result.pairs]))


def test_pairs_are_set_against_people_on_the_same_images(result, runs):
    assert [gain.runs for gain in result.gains] == [pair[:2] for pair in result.pairs]
    for gain in result.gains:
        scores = []
        for name in gain.runs:
            metrics = json.loads((runs / name / "metrics.json").read_text())
            scores.append(metrics["systems"]["model"]["top_1_accuracy"]["value"])
        assert gain.score["value"] == pytest.approx(scores[0] - scores[1])
        assert gain.score["low"] <= gain.score["value"] <= gain.score["high"]
        assert 0 < gain.p <= 1
    table = result.gains_table()
    assert table.columns == ("runs", "top_1_accuracy ↑", "p", "p (Holm)", "images")
    assert [row[2:4] for row in table.rows] == [(p_value(gain.p), p_value(gain.p_holm)) for gain in result.gains]
    assert [gain.p_holm for gain in result.gains] == holm([gain.p for gain in result.gains]).tolist()
    assert "first run less second" in table.note


def test_a_run_agrees_with_itself(runs):
    twice = compare_runs([runs / "rates", runs / "rates"], threads=1)
    assert (twice.gains[0].score["value"], twice.gains[0].p) == (0, 1)
    assert twice.runs == ("rates (1)", "rates (2)")
    assert twice.pairs[0][2:4] == (1.0, 0.0)


def test_distance_by_hand():
    taxonomy = Taxonomy(name="t", labels=("a", "b"))
    space = find_space(taxonomy, replace(taxonomy, name="u"), Choices({}))
    rates = _carried(np.array([[0.2, 0.2], [0.0, 0.0]]), space.of_model, space, rates=True)
    shares = _carried(np.array([[0.9, 0.1], [0.5, 0.5]]), space.of_truth, space, rates=False)
    assert rates.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert (np.abs(rates - shares).sum(axis=1) / 2).tolist() == pytest.approx([0.4, 0.0])


def test_merged_rates_are_those_of_any_child_and_merged_masses_add_up():
    mikels = get_taxonomy("mikels-8")
    space = find_space(mikels, get_taxonomy("polarity-2"), Choices({}))
    four_joys = np.array([[0.3, 0.3, 0.3, 0.3, 0.9, 0.0, 0.0, 0.0]])
    as_rates = _carried(four_joys, space.of_model, space, rates=True)[0, space.taxonomy.index("positive")]
    assert as_rates == pytest.approx((1 - 0.7**4) / (1 - 0.7**4 + 0.9))
    as_masses = _carried(four_joys, space.of_model, space, rates=False)[0, space.taxonomy.index("positive")]
    assert as_masses == pytest.approx(1.2 / 2.1)


def test_runs_of_other_labels_are_mapped_and_of_other_data_are_asked_anew(runs, tmp_path):
    coarse = write_demo(tmp_path / "coarse", images=200, seed=32, taxonomy="polarity-2")
    config = TrainConfig(dataset=str(coarse.root), multilabel=True, threads=1)
    train_run(config, out=tmp_path / "two")
    found = compare_runs([runs / "rates", tmp_path / "two"], threads=1)
    assert found.pairs[0][4] == "polarity-2"
    assert found.pairs[0][2] > 0.7
    assert found.images[0].people is not None


def test_the_gallery_is_one_page_that_loads_nothing(result, tmp_path):
    write_gallery(result, tmp_path / "page.html", count=5)
    page = (tmp_path / "page.html").read_text()
    assert page.count("<article") == 5
    assert page.count("data:image/jpeg") == 5
    assert "http" not in page.replace("http-equiv", "")
    assert page.count(">people<") == 5
    with pytest.raises(BadInput, match="exists"):
        write_gallery(result, tmp_path / "page.html")


def test_bad_input_is_named(runs, tmp_path):
    with pytest.raises(BadInput, match="at least two"):
        compare_runs([runs / "rates"])
    with pytest.raises(BadRun, match="no run.json"):
        compare_runs([runs / "rates", tmp_path])


def test_the_command(command, runs, tmp_path):
    out = tmp_path / "g.html"
    words = ["compare", str(runs / "rates"), str(runs / "words"), "--gallery", "--out", str(out), "--threads", "1"]
    code, printed, _ = command(*words, "--json")
    assert code == 0
    assert json.loads(printed)["runs"] == ["rates", "words"]
    assert out.is_file()
    short, told = (command(*words[:3], "--threads", 1, *more)[1] for more in ([], ["--verbose"]))
    assert ("same first label" in short, "Where they disagree most" in short) == (True, False)
    assert "Where they disagree most" in told


def test_a_clear_difference_is_found_among_many_pairs():
    noise = torch.rand(11, 60, generator=torch.Generator().manual_seed(0)).double()
    rows = [{"top_1_accuracy": row + (1 if run == 0 else 0)} for run, row in enumerate(noise)]
    gains = gains_of([f"run {run}" for run in range(11)], rows, None)
    assert len(gains) == 55
    assert [gain.found for gain in gains if gain.runs[0] == "run 0"] == [True] * 10
