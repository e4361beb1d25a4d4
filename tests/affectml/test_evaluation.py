"""What systems and people score: tables worked by hand, and the rules that decide who may have which score."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from affectml.data import Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.judging.asked import _prior_answers
from affectml.judging.evaluate import _floor, evaluate
from affectml.judging.scoring import (
    Answers,
    apart,
    intervals,
    mean_over_people,
    row_scores,
    share_metrics,
    typical_positives,
    unsure,
)
from affectml.judging.subgroups import subgroups
from affectml.judging.truth import Truth, fit_prior, part_of, read_truth
from affectml.runs.schema import PriorInfo
from affectml_annotation import fit_beta_prior

LABELS = ["awe", "fear", "joy"]
TAXONOMY = {"name": "three", "labels": LABELS}
# image a: three people; b: two, one of whom said "none of these"; c: three, of whom one was unsure
SAID = [
    ("a", "u", "labels", ["awe", "joy"]),
    ("a", "v", "labels", ["joy"]),
    ("a", "w", "labels", ["joy"]),
    ("b", "u", "labels", ["fear"]),
    ("b", "v", "none", []),
    ("c", "u", "labels", ["fear"]),
    ("c", "v", "labels", ["awe", "fear"]),
    ("c", "w", "unsure", []),
]
VOTES = [("a", 3, 1, 0, 3), ("b", 2, 0, 1, 0), ("c", 2, 1, 2, 0)]  # how many answered, and chose each label


@pytest.fixture
def judged(tmp_path):
    return written(tmp_path)


def written(folder, times=("",)):
    """Those images, once for each ending of their names."""
    judgements = pd.DataFrame(
        [(f"{image}{t}", *said) for t in times for image, *said in SAID],
        columns=["image_id", "annotator_id", "kind", "labels"],
    ).assign(round=1)
    votes = pd.DataFrame(
        [(f"{image}{t}", *row) for t in times for image, *row in VOTES], columns=["image_id", "n", *LABELS]
    )
    entry = TargetMeta(kind="rates", construct="evoked", taxonomy=TAXONOMY, values="votes", file="targets-t.parquet")
    meta = DatasetMeta(name="judged", targets={"t": entry})
    return write_dataset(folder, meta, votes[["image_id"]], {"t": votes}, annotations=judgements)


def truth_of(dataset):
    targets = dataset.target("t")
    return read_truth(dataset, targets, list(targets.image_id), beta=fit_prior(targets), tau=0.5)


def answers(sets, shares=None):
    shares = torch.tensor(shares if shares is not None else np.where(sets, 0.9, 0.1), dtype=torch.float64)
    return Answers(shares, shares, torch.tensor(sets))


def test_hits_are_all_tied_modes(judged):
    assert truth_of(judged).hits.tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_the_mean_over_judgements_counts_none_of_these_and_leaves_out_the_unsure(judged):
    said = answers([[0, 0, 1], [0, 1, 0], [1, 1, 0]])
    # a: against {awe, joy} 2/3, {joy} 1, {joy} 1; b: {fear} 1, {} 0; c: {fear} 2/3, {awe, fear} 1
    expected = [(2 / 3 + 1 + 1) / 3, 0.5, (2 / 3 + 1) / 2]
    assert mean_over_people(said.sets, truth_of(judged)).tolist() == pytest.approx(expected)


def test_cross_entropy_is_the_mean_over_labels(judged):
    said = answers([[0, 0, 1]] * 3, shares=[[0.25, 0.5, 0.5]] * 3)
    first = row_scores(said, truth_of(judged))["rate_cross_entropy"][0]
    awe = -(1 / 3 * np.log(0.25) + 2 / 3 * np.log(0.75))
    assert float(first) == pytest.approx((awe + 2 * np.log(2)) / 3)


def test_one_person_has_no_cross_entropy_and_is_scored_on_the_same_targets_as_the_systems(judged):
    said = answers([[0, 0, 1], [0, 1, 0], [0, 1, 0]])
    result = evaluate({"prior": said, "model": said}, truth_of(judged), split="test", seed=0)
    systems = result.metrics["systems"]
    assert "rate_cross_entropy" not in systems["human"]
    assert set(systems["human"]) == set(systems["model_loo"]) == set(systems["prior_loo"])
    # a: u meets {joy} 2/3, 2/3; v meets {awe, joy} 2/3, {joy} 1; w the same; b: 0, 0; c: 2/3, 2/3
    by_hand = np.mean([(2 * (2 / 3) + (2 / 3 + 1) + (2 / 3 + 1)) / 6, 0, 2 / 3])
    assert systems["human"]["set_f1_judgements"]["value"] == pytest.approx(by_hand)


def test_one_quantity_has_one_interval_in_every_system_that_has_it(tmp_path):
    truth = truth_of(written(tmp_path, range(20)))
    said = answers([[0, 0, 1], [1, 1, 0], [1, 0, 0]] * 20)
    systems = evaluate({"prior": said, "model": said}, truth, split="test", seed=0).metrics["systems"]
    assert systems["model_loo"]["set_f1_judgements"] == systems["model"]["set_f1_judgements"]
    assert systems["prior_loo"] == systems["model_loo"]


def test_intervals_hold_the_value_and_the_same_seed_gives_the_same_file(judged):
    said = answers([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    one, two = (evaluate({"model": said}, truth_of(judged), split="test", seed=3) for _ in range(2))
    assert one.metrics == two.metrics
    for scores in one.metrics["systems"].values():
        for score in scores.values():
            assert score["low"] <= score["value"] <= score["high"]


def test_the_cut_moves_the_sets(judged):
    truth = truth_of(judged)
    assert truth.sets_at(0.2).sum() > truth.sets_at(0.5).sum()
    result = evaluate({"model": answers([[0, 0, 1]] * 3)}, truth, split="test", seed=0)
    assert list(result.by_tau) == ["0.2", "0.333", "0.5"]


def truth_about(tmp_path, kind, values, table, **more):
    """What is known of two images under a target of this kind."""
    entry = TargetMeta(
        kind=kind, construct="evoked", taxonomy=TAXONOMY, values=values, file="targets-t.parquet", **more
    )
    meta = DatasetMeta(name="d", targets={"t": entry})
    frame = pd.DataFrame(table).assign(image_id=["a", "b"])
    data = write_dataset(tmp_path, meta, frame[["image_id"]], {"t": frame})
    return read_truth(data, data.target("t"), ["a", "b"], beta=None, single_positive=kind == "single")


def test_one_choice_counts_are_enough_for_a_human_reference(tmp_path):
    counts = {"awe": [3, 1], "fear": [1, 1], "joy": [0, 0]}
    truth = truth_about(tmp_path, "distribution", "votes", counts, vote_rule="one_choice")
    model = Answers(torch.tensor([[0.7, 0.2, 0.1]] * 2), torch.tensor([[0.7, 0.2, 0.1]] * 2))
    metrics = evaluate({"model": model}, truth, split="test", seed=0).metrics
    # a: each of three awe-sayers meets a rest with mode awe (hit), the fear-sayer does not; b: nobody hits
    assert metrics["systems"]["human"]["top_1_accuracy"]["value"] == pytest.approx((3 / 4 + 0) / 2)
    assert "kl_divergence" not in metrics["systems"]["human"]
    assert metrics["sampling_floor"]["kl_divergence"] > 0


def test_travel_is_along_the_taxonomys_circle_and_the_order_is_said():
    truth = Truth(
        kind="distribution", labels=("a", "b", "c", "d"), image_id=np.array(["i"]), shares=np.array([[1.0, 0, 0, 0]]),
        hits=np.array([[1, 0, 0, 0]]), hit_rule="", sets=None, no_sets="", tau=0.5, vote_rule="unknown", votes=None,
        people=None, chosen=None, asked=None, no_judgements="", oracle=None, groups=None, beta=None, wheel=(0, 2, 1, 3),
    )  # fmt: skip
    found = [
        float(row_scores(Answers(share, share), truth)["earth_movers_distance"])
        for share in torch.eye(4, dtype=torch.float64)[:, None]
    ]
    assert found == [0, 2, 1, 1]  # round the circle a, c, b, d
    assert "earth_movers_distance" not in share_metrics(replace(truth, wheel=()))


def test_unknown_shares_have_no_human_reference_and_no_floor_and_say_why(tmp_path):
    shares = {"awe": [0.5, 1], "fear": [0.5, 0], "joy": [0, 0]}
    truth = truth_about(tmp_path, "distribution", "shares", shares, vote_rule="unknown")
    model = Answers(torch.full((2, 3), 1 / 3), torch.full((2, 3), 1 / 3))
    metrics = evaluate({"model": model}, truth, split="test", seed=0).metrics
    assert "human" not in metrics["systems"]
    assert metrics["rules"]["human"].startswith("not available")
    assert metrics["sampling_floor"] == {}


def test_moments_have_neither_sets_nor_people(tmp_path):
    content = {"awe": [0.5, 0.2], "fear": [0.5, 0.1], "joy": [0.1, 0.9]}
    truth = truth_about(tmp_path, "rates", "shares", content, vote_rule="moments")
    assert truth.sets is None
    assert truth.chosen is None
    assert "marginals" in truth.no_sets


def test_single_positives_get_ranking_scores_only(tmp_path):
    truth = truth_about(tmp_path, "single", "indicator", {"awe": [1, 0], "fear": [0, 1], "joy": [0, 0]})
    rates = torch.tensor([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5]], dtype=torch.float64)
    rows = row_scores(Answers(rates, rates), truth)
    assert set(rows) == {
        "top_1_accuracy", "top_2_accuracy", "label_ranking_average_precision", "coverage_error", "ranking_loss",
    }  # fmt: skip
    assert rows["coverage_error"].tolist() == [1, 3]


def test_subgroups_are_the_users_columns_and_small_ones_have_no_scores(judged):
    images = pd.DataFrame({"image_id": ["a", "b", "c"] * 5, "look": ["round", "jagged", "round"] * 5})
    images["image_id"] = [f"{i}{k // 3}" for k, i in enumerate(images["image_id"])]
    truth = truth_of(judged)
    index = np.arange(15) % 3
    many = replace(part_of(truth, index), image_id=images["image_id"].to_numpy(dtype=object))
    said = answers([[0, 0, 1], [0, 1, 0], [0, 1, 0]]).rows(index)
    found = subgroups(said, many, images)["images"]
    assert {level: entry["n"] for level, entry in found["look"].items()} == {"jagged": 5, "round": 10}
    assert found["look"]["jagged"]["scores"]["set_f1_judgements"]["value"] == pytest.approx(0.5)
    few = subgroups(answers([[0, 0, 1]] * 3), truth, images.assign(image_id=["a", "b", "c"] * 5)[:3])
    assert few["images"] == {"look": {"jagged": {"n": 1, "small": True}, "round": {"n": 2, "small": True}}}
    assert few["tests"] == 0


@pytest.mark.parametrize("people", [3, 5, 15])
def test_the_floor_from_votes_alone_is_the_floor_of_the_unseen_truth(people):
    generator = np.random.default_rng(1)
    rates = generator.beta(0.5, 2, size=(4000, 2))
    votes = generator.binomial(people, rates)
    n = np.full((4000, 2), people)
    blank = dict.fromkeys(("chosen", "asked", "groups", "sets", "vote_rule"))
    truth = Truth(
        kind="rates", labels=("a", "b"), image_id=np.arange(4000).astype(str).astype(object), shares=votes / people,
        hits=np.zeros((4000, 2), dtype=int), hit_rule="", no_sets="", tau=0.3, votes=votes, people=n,
        no_judgements="", oracle=rates, beta=fit_beta_prior(votes, n), **blank,
    )  # fmt: skip
    known, _ = _floor(truth, 0)
    unknown, why = _floor(replace(truth, oracle=None), 0)
    assert unknown["rate_cross_entropy"] == pytest.approx(known["rate_cross_entropy"], rel=0.03)
    assert "posterior" in why["sampling_floor"]


def test_shared_votes_have_no_floor(tmp_path):
    counts = {"awe": [3, 1], "fear": [1, 1], "joy": [0, 0]}
    assert _floor(truth_about(tmp_path, "distribution", "votes", counts, vote_rule="set_split"), 0)[0] == {}


def test_judgements_by_many_people_need_seats_for_one_image_only(judged):
    truth = truth_of(judged)
    assert truth.chosen.shape == (3, 3, 3)
    assert truth.asked.sum(axis=1).tolist() == [3, 2, 2]


def test_one_person_an_image_is_no_panel(judged):
    table = pd.read_parquet(judged.root / "annotations.parquet")
    table.drop_duplicates("image_id").to_parquet(judged.root / "annotations.parquet")
    truth = truth_of(Dataset.open(judged.root))
    assert truth.chosen is None
    assert "two people" in truth.no_judgements


def test_whole_numbers_as_image_ids_find_their_judgements(tmp_path):
    judgements = pd.DataFrame(
        {"image_id": [1, 1], "annotator_id": ["u", "v"], "round": 1, "kind": "labels", "labels": [["awe"], ["joy"]]}
    )
    votes = pd.DataFrame({"image_id": [1], "n": [2], "awe": [1], "fear": [0], "joy": [1]})
    entry = TargetMeta(kind="rates", construct="evoked", taxonomy=TAXONOMY, values="votes", file="targets-t.parquet")
    meta = DatasetMeta(name="numbers", targets={"t": entry})
    data = write_dataset(tmp_path, meta, votes[["image_id"]], {"t": votes}, annotations=judgements)
    truth = read_truth(data, data.target("t"), ["1"], beta=None)
    assert truth.asked.sum() == 2


def test_a_score_of_few_images_says_so_in_metrics_and_under_the_table(judged):
    from affectml.page.tables import STAR, main_table

    said = answers([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    metrics = evaluate({"model": said}, truth_of(judged), split="test", seed=0).metrics
    model = metrics["systems"]["model"]
    assert model["set_f1"]["few"] == 3
    assert model["label_ranking_average_precision"]["few"] == 2  # one image has an empty set
    assert metrics["rules"]["interval"].startswith("95 %, Student's t")
    assert "3 images" in metrics["rules"]["interval"]
    table = main_table(metrics)
    assert STAR in table.note
    assert all(row[1].endswith("*") for row in table.rows)


def test_average_precision_rests_on_how_many_images_have_a_label():
    """Not on how many there are: 200 images of which 8 have one label and 40 the other read as 13.3 each."""
    target = torch.zeros(200, 3)
    target[:8, 0], target[:40, 1] = 1, 1
    assert typical_positives(target) == pytest.approx(2 / (1 / 8 + 1 / 40))  # the third label has none


def test_an_interval_of_few_images_ends_where_the_score_does():
    rows = {"top_1_accuracy": torch.tensor([0.0, 1.0]), "kl_divergence": torch.tensor([0.0, 1.0])}
    found = intervals(rows, SimpleNamespace(groups=None))
    assert (found["top_1_accuracy"]["low"], found["top_1_accuracy"]["high"]) == (0, 1)
    # Student's t: .5 and 12.706 standard errors of .5; a divergence has no largest value
    assert found["kl_divergence"]["low"] == 0
    assert found["kl_divergence"]["high"] == pytest.approx(0.5 + 12.7062 * 0.5, abs=1e-3)


def test_many_images_need_no_note():
    rows = {"set_f1": torch.rand(40, generator=torch.Generator().manual_seed(0))}
    truth = SimpleNamespace(groups=None)
    few = SimpleNamespace(groups=np.arange(40) // 8)
    assert "few" not in intervals(rows, truth)["set_f1"]
    assert intervals(rows, few)["set_f1"]["few"] == 5


def test_a_difference_over_other_images_adds_the_ends_in_quadrature():
    found = apart({"value": 0.8, "low": 0.7, "high": 0.9}, {"value": 0.5, "low": 0.5, "high": 0.7, "few": 12})
    assert found["value"] == pytest.approx(0.3)
    assert found["low"] == pytest.approx(0.3 - np.hypot(0.1, 0.2))
    assert found["high"] == pytest.approx(0.4)
    assert found["few"] == 12


@pytest.mark.parametrize("kind", ["rates", "distribution"])
def test_a_prior_read_back_from_a_run_is_no_surer_than_any_head(kind):
    again = _prior_answers(PriorInfo(shares=[0.0, 0.25, 0.75]), 2, kind)
    assert again.scores.tolist() == [[0.0, 0.25, 0.75]] * 2
    assert torch.equal(again.shares, unsure(again.scores, rates=kind == "rates"))
    assert 0 < float(again.shares[0, 0]) < 2e-6
