"""What systems and people score: tables worked by hand, and the rules that decide who may have which score."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from affectml.data import Dataset
from affectml.errors import BadRun
from affectml.judging import scoring
from affectml.judging.answers import FILE, SystemAnswers, read_answers, write_answers
from affectml.judging.evaluate import _floor, evaluate
from affectml.judging.figures import FACTS, METRICS, SCORES, Evaluation, Rows
from affectml.judging.scoring import Answers, row_scores
from affectml.judging.truth import Truth, cut_sets, fit_prior, read_truth
from affectml.judging.views import Case
from affectml_annotation import fit_beta_prior

from .checks import one_target, refused

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
    said, votes = ([(f"{image}{t}", *row) for t in times for image, *row in rows] for rows in (SAID, VOTES))
    judgements = pd.DataFrame(said, columns=["image_id", "annotator_id", "kind", "labels"]).assign(round=1)
    votes = pd.DataFrame(votes, columns=["image_id", "n", *LABELS])
    return one_target(folder, votes, judgements, taxonomy=TAXONOMY)


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
    assert scoring.mean_over_people(said.sets, truth_of(judged)).tolist() == pytest.approx(expected)


def test_one_person_has_no_cross_entropy_and_is_scored_on_the_same_targets_as_the_systems(judged):
    said = answers([[0, 0, 1], [0, 1, 0], [0, 1, 0]])
    found = evaluate({"prior": said, "model": said}, truth_of(judged), split="test", seed=0)
    assert "rate_cross_entropy" not in found.names(system="person", against="rest")
    assert len({tuple(found.names(system=who, against="rest")) for who in ("person", "model", "prior")}) == 1
    # a: u meets {joy} 2/3, 2/3; v meets {awe, joy} 2/3, {joy} 1; w the same; b: 0, 0; c: 2/3, 2/3
    by_hand = np.mean([(2 * (2 / 3) + (2 / 3 + 1) + (2 / 3 + 1)) / 6, 0, 2 / 3])
    assert found.get("set_f1_judgements", "person", "rest").value == pytest.approx(by_hand)


def test_one_quantity_has_one_interval_in_every_system_that_has_it(tmp_path):
    said = answers([[0, 0, 1], [1, 1, 0], [1, 0, 0]] * 20)
    found = evaluate({"prior": said, "model": said}, truth_of(written(tmp_path, range(20))), split="test", seed=0)
    resting, whole = (found.get("set_f1_judgements", "model", against) for against in ("rest", "people"))
    assert replace(resting, against="people") == whole
    mine, priors = (found.scores_of(who, "rest") for who in ("model", "prior"))
    assert [replace(each, system="model") for each in priors] == mine


def test_intervals_hold_the_value_and_the_same_seed_gives_the_same_files(judged, tmp_path):
    said = answers([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    one, two = (evaluate({"model": said}, truth_of(judged), split="test", seed=3) for _ in range(2))
    assert (one.figures, one.facts) == (two.figures, two.facts)
    for each in one.figures:
        assert each.ends[0] <= each.value <= each.ends[1]
    one = one.with_([replace(one.figures[0], by="shelf", level=level) for level in ("a\r\nb", "a\nb", "a\rb", "=1")])
    one.write(tmp_path)
    again = Evaluation.read(tmp_path)
    assert (again.figures, again.facts) == (one.figures, one.facts)
    pd.testing.assert_frame_equal(again.scores, one.scores)
    assert not set(one.scores["system"]) & {"person", "half", "consensus", "people"}


@pytest.mark.parametrize("name", [METRICS, SCORES, FACTS])
def test_what_cannot_be_read_is_named(judged, tmp_path, name):
    found = evaluate({"model": answers([[0, 0, 1]] * 3)}, truth_of(judged), split="test", seed=0)
    found.write(tmp_path)
    (tmp_path / name).write_text("half")
    refused(BadRun, name, Evaluation.read, tmp_path)
    (tmp_path / name).unlink()
    if name != SCORES:  # which a shared run comes without
        refused(BadRun, name, Evaluation.read, tmp_path)
        return
    for scores, why in (
        (pd.concat([found.scores, found.scores.iloc[[1]]]), "image 'b' has two rows of model against people"),
        (found.scores.drop(columns="group"), "no column group"),
    ):
        scores.to_parquet(tmp_path / name)
        refused(BadRun, rf"{name}: cannot be read \({why}\)", Evaluation.read, tmp_path)


def test_the_cut_moves_the_sets(judged):
    truth = truth_of(judged)
    known = (truth.kind, truth.shares, truth.votes, truth.people, truth.beta)
    assert cut_sets(*known, 0.2).sum() > cut_sets(*known, 0.5).sum()
    found = evaluate({"model": answers([[0, 0, 1]] * 3)}, truth, split="test", seed=0)
    rows = [each for each in found.where(by="tau", level=None) if each.metric == "set_f1"]
    assert [(each.level, each.tau) for each in rows] == [("0.2", 0.2), ("0.333", 1 / 3), ("0.5", 0.5)]


def truth_about(tmp_path, kind, values, table, **more):
    """What is known of two images under a target of this kind."""
    table = pd.DataFrame(table).assign(image_id=["a", "b"])
    data = one_target(tmp_path, table, taxonomy=TAXONOMY, kind=kind, values=values, **more)
    return read_truth(data, data.target("t"), ["a", "b"], beta=None, single_positive=kind == "single")


def test_one_choice_counts_are_enough_for_a_human_reference(tmp_path):
    counts = {"awe": [3, 1], "fear": [1, 1], "joy": [0, 0]}
    truth = truth_about(tmp_path, "distribution", "votes", counts, vote_rule="one_choice")
    model = Answers(torch.tensor([[0.7, 0.2, 0.1]] * 2), torch.tensor([[0.7, 0.2, 0.1]] * 2))
    found = evaluate({"model": model}, truth, split="test", seed=0)
    # a: each of three awe-sayers meets a rest with mode awe (hit), the fear-sayer does not; b: nobody hits
    assert found.get("top_1_accuracy", "person", "rest").value == pytest.approx((3 / 4 + 0) / 2)
    assert found.get("kl_divergence", "person", "rest") is None
    assert found.get("kl_divergence", "floor").value > 0


def test_travel_is_along_the_taxonomys_circle_and_the_order_is_said():
    first = np.array([[1.0, 0, 0, 0]])
    truth = Truth("distribution", tuple("abcd"), np.array(["i"]), first, first.astype(int), wheel=(0, 2, 1, 3))
    one_each = torch.eye(4, dtype=torch.float64)[:, None]
    found = [float(row_scores(Answers(share, share), truth)["earth_movers_distance"]) for share in one_each]
    assert found == [0, 2, 1, 1]  # round the circle a, c, b, d
    assert "earth_movers_distance" not in scoring.share_metrics(replace(truth, wheel=()))


def test_unknown_shares_have_no_human_reference_and_no_floor_and_say_why(tmp_path):
    shares = {"awe": [0.5, 1], "fear": [0.5, 0], "joy": [0, 0]}
    truth = truth_about(tmp_path, "distribution", "shares", shares, vote_rule="unknown")
    model = Answers(torch.full((2, 3), 1 / 3), torch.full((2, 3), 1 / 3))
    found = evaluate({"model": model}, truth, split="test", seed=0)
    assert {each.system for each in found.figures} == {"model", "people"}  # of people how common each label is
    assert {each.name for each in found.figures if each.system == "people"} == {"prevalence"}
    for name in ("person", "floor"):
        assert found.facts["rules"][name].startswith("not available")


def test_moments_have_neither_sets_nor_people(tmp_path):
    content = {"awe": [0.5, 0.2], "fear": [0.5, 0.1], "joy": [0.1, 0.9]}
    truth = truth_about(tmp_path, "rates", "shares", content, vote_rule="moments")
    assert truth.sets is truth.chosen is None
    assert "marginals" in truth.no_sets


def test_single_positives_get_ranking_scores_only(tmp_path):
    truth = truth_about(tmp_path, "single", "indicator", {"awe": [1, 0], "fear": [0, 1], "joy": [0, 0]})
    rates = torch.tensor([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5]], dtype=torch.float64)
    rows = row_scores(Answers(rates, rates), truth)
    assert set(rows) == {
        "top_1_accuracy", "top_2_accuracy", "label_ranking_average_precision", "coverage_error", "ranking_loss",
    }  # fmt: skip
    assert rows["coverage_error"].tolist() == [1, 3]


@pytest.mark.parametrize("people", [3, 5, 15])
def test_the_floor_from_votes_alone_is_the_floor_of_the_unseen_truth(people):
    generator = np.random.default_rng(1)
    rates = generator.beta(0.5, 2, size=(4000, 2))
    votes = generator.binomial(people, rates)
    n = np.full((4000, 2), people)
    known = {"votes": votes, "people": n, "oracle": rates, "beta": fit_beta_prior(votes, n)}
    truth = Truth("rates", ("a", "b"), np.arange(4000).astype(str).astype(object), votes / people, 0 * votes, **known)
    (known, _), (unknown, why) = (floor_of(each) for each in (truth, replace(truth, oracle=None)))
    assert unknown["rate_cross_entropy"] == pytest.approx(known["rate_cross_entropy"], rel=0.03)
    assert "posterior" in why["floor"]


def floor_of(truth):
    """The floor by metric, and how it was had."""
    rows = Rows()
    why = _floor(Case({}, truth, "model", 0, rows))
    return {each.name: each.value for each in rows.rows}, why


def test_shared_votes_have_no_floor(tmp_path):
    counts = {"awe": [3, 1], "fear": [1, 1], "joy": [0, 0]}
    assert floor_of(truth_about(tmp_path, "distribution", "votes", counts, vote_rule="set_split"))[0] == {}


def test_one_person_an_image_is_no_panel(judged):
    table = pd.read_parquet(judged.root / "annotations.parquet")
    table.drop_duplicates("image_id").to_parquet(judged.root / "annotations.parquet")
    truth = truth_of(Dataset.open(judged.root))
    assert truth.chosen is None
    assert "two people" in truth.no_judgements


def test_whole_numbers_as_image_ids_find_their_judgements(tmp_path):
    said = {"image_id": 1, "round": 1, "kind": "labels"}
    judgements = pd.DataFrame({**said, "annotator_id": ["u", "v"], "labels": [["awe"], ["joy"]]})
    votes = pd.DataFrame({"image_id": [1], "n": [2], "awe": [1], "fear": [0], "joy": [1]})
    data = one_target(tmp_path, votes, judgements, taxonomy=TAXONOMY)
    assert read_truth(data, data.target("t"), ["1"], beta=None).asked.sum() == 2


def test_a_score_of_few_images_says_so_in_its_row(judged):
    found = evaluate({"model": answers([[0, 0, 1], [0, 1, 0], [1, 0, 0]])}, truth_of(judged), split="test", seed=0)
    assert found.get("set_f1").units == 3
    assert found.get("label_ranking_average_precision").units == 2  # one image has an empty set
    assert all(each.few for each in found.scores_of("model") if each.low is not None)
    assert found.facts["rules"]["interval"].startswith("95 %, Student's t")
    assert "3 images" in found.facts["rules"]["interval"]


def test_average_precision_rests_on_how_many_images_have_a_label():
    """Not on how many there are: 200 images of which 8 have one label and 40 the other read as 13.3 each."""
    target = torch.zeros(200, 3)
    target[:8, 0], target[:40, 1] = 1, 1
    assert scoring.typical_positives(target) == pytest.approx(2 / (1 / 8 + 1 / 40))  # the third label has none


# The table of answers

NAMES = ("image_id", "form", 'a "b", c', "label:joy")  # a label may be called as a column is
IDS, SPLIT = np.array(["x", "y"], dtype=object), np.array(["train", "test"], dtype=object)
NUMBERS = np.array([[0.5, 0.25, 1e-9, 0], [1, 0.125, 2, -3]])
SETS = np.array([[True, False, True, False], [False] * 4])


@pytest.fixture
def file(tmp_path):
    prior = Answers(torch.tensor(NUMBERS), torch.full((2, 4), 0.5))
    model = Answers(torch.tensor(NUMBERS), torch.tensor(NUMBERS / 4), torch.tensor(SETS))
    said = [("prior", IDS, SPLIT, prior), ("model", IDS, SPLIT, model), ("model", IDS + "2", SPLIT, model)]
    write_answers(tmp_path / FILE, "demo", NAMES, said)
    return tmp_path / FILE


def test_a_row_is_an_image_a_system_and_a_form(file):
    table = read_answers(file.parent)
    columns = [*("dataset", "image_id", "split", "system", "wording", "draw", "form"), *(f"label:{n}" for n in NAMES)]
    assert list(table.columns) == columns
    assert pq.read_schema(file).types == [pa.string()] * 5 + [pa.int32(), pa.string()] + [pa.float32()] * 4
    keys = table[["system", "image_id", "split", "form"]].agg(" ".join, axis=1).tolist()
    assert keys[:4] == ["prior x train score", "prior y test score", "prior x train share", "prior y test share"]
    assert keys[4:6] == ["model x train score", "model y test score"]
    assert keys[-2:] == ["model x2 train set", "model y2 test set"]
    assert table[["wording", "draw"]].isna().all(axis=None)
    np.testing.assert_array_equal(table.loc[[0, 1, 8, 9], columns[7:]], np.vstack([NUMBERS, SETS]).astype(np.float32))


def test_one_systems_answers_are_arrays(file):
    said = SystemAnswers.read(file, NAMES[::-1])
    assert (said.image_id.tolist(), said.split.tolist()) == (["x", "y", "x2", "y2"], ["train", "test"] * 2)
    np.testing.assert_array_equal(said.scores[:2], NUMBERS[:, ::-1].astype(np.float32))
    np.testing.assert_array_equal(said.shares[2:] * 4, said.scores[2:])
    assert [said.set_of(row) for row in (0, 1)] == [('a "b", c', "image_id"), ()]  # chose nothing: no missing answer
    prior = SystemAnswers.read(file.parent, system="prior")
    assert (prior.labels, prior.sets, prior.set_of(0)) == (NAMES, None, None)
    assert prior.frame.loc["y", "label:joy"] == -3


def test_a_system_need_not_answer_every_image_in_each_form(file):
    table = read_answers(file, system="model")
    table = table[(table["form"] != "score") & ~((table["form"] == "set") & (table["image_id"] == "y"))]
    table.sample(frac=1, random_state=0).to_parquet(file)
    said = SystemAnswers.read(file)
    at = said.image_id.tolist().index
    assert (said.set_of(at("y")), said.set_of(at("y2"))) == (None, ())
    np.testing.assert_array_equal(said.scores, said.shares)  # nothing else ranks the labels
    np.testing.assert_array_equal(said.scores[[at("x"), at("y2")]] * 4, NUMBERS.astype(np.float32))


DAMAGED = [
    (lambda t: t.drop(columns="split"), "no column split"),
    (lambda t: t.drop(columns="label:form"), "no column label:form"),
    (lambda t: t.assign(**{"label:form": "much"}), "column label:form: expected numbers"),
    (lambda t: pd.concat([t, t.iloc[[9]]]), "image 'y' has two rows of system model, form set"),
    (lambda t: pd.concat([t, t.assign(draw=2)]), "system model answered one image more than once"),
    (lambda t: t[t["system"] == "prior"], "no answer of system model"),
    (lambda t: t[t["form"] == "set"].assign(form="guess"), "no answer of system model"),
]


@pytest.mark.parametrize(("change", "why"), DAMAGED)
def test_what_is_no_table_of_answers_says_why(file, change, why):
    change(read_answers(file)).to_parquet(file)
    refused(BadRun, f"answers.parquet: {why}.*train again", SystemAnswers.read, file.parent, NAMES)


def test_without_the_file_the_way_out_is_said(file):
    file.write_bytes(file.read_bytes()[:-20])
    refused(BadRun, "answers.parquet: cannot be read", read_answers, file)
    file.unlink()
    with pytest.raises(BadRun, match="no answers.parquet, which a shared run and imported weights come without"):
        read_answers(file.parent)
