"""Which labels two data sets can be compared in, what becomes of answers there, and a run at its coarser levels."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from affectml.errors import BadInput, NoMapping
from affectml.judging.evaluate import evaluate
from affectml.judging.scoring import Answers, row_scores
from affectml.judging.spaces import Choices, coarser, errors_inside_parent, find_space, in_space, levels, people_in
from affectml.judging.truth import fit_prior, read_truth
from affectml.taxonomies import Taxonomy, get_taxonomy, mapping

from .written import one_target

PLAIN = Choices({})
COARSE = Taxonomy(name="coarse", labels=("bad", "good"))
EKMAN, MIKELS, PARROTT = map(get_taxonomy, ("ekman-6", "mikels-8", "parrott-25"))
TO_6 = mapping("parrott-25", "parrott-6")


@pytest.fixture
def fine(tmp_path):
    """Three labels, two of which are good."""
    (tmp_path / "coarse.yaml").write_text("name: coarse\nlabels: [bad, good]\n")
    return Taxonomy(
        name="fine",
        labels=("fear", "joy", "awe"),
        parent=str(tmp_path / "coarse.yaml"),
        parents={"fear": "bad", "joy": "good", "awe": "good"},
    )


def dataset(folder, taxonomy, kind, table, values="indicator", *said, **columns):
    ids, labels = [f"i{n}" for n in range(len(table))], dict(zip(taxonomy.labels, np.transpose(table), strict=True))
    rule = "unknown" if kind == "distribution" else None
    own = {"kind": kind, "values": values, "taxonomy": taxonomy.to_dict(), "vote_rule": rule}
    return one_target(folder, {"image_id": ids, **columns, **labels}, *said, **own)


def said(tmp_path, model, truth, *table, **more):
    """What people said of all images in the labels of both, and these."""
    data, space = dataset(tmp_path, truth, *table, **more), find_space(model, truth, PLAIN)
    targets = data.target("t")
    return people_in(data, targets, targets.image_id, targets.image_id, space.of_truth, space, 1 / 3), space


def test_a_fine_side_meets_a_coarse_one_in_the_coarse_labels(fine):
    for model, truth in ((fine, COARSE), (COARSE, fine)):
        space = find_space(model, truth, PLAIN)
        same, mapped = (space.of_truth, space.of_model) if truth is COARSE else (space.of_model, space.of_truth)
        assert space.taxonomy.labels == ("bad", "good")
        assert (mapped.origin, mapped.target) == (fine, COARSE)
        assert same.origin is same.target
        assert same.matrix.tolist() == [[1, 0], [0, 1]]


def test_labels_that_one_side_lacks_are_left_out_and_named():
    space = find_space(MIKELS, EKMAN, PLAIN)
    assert space.unreachable == ("surprise",)
    assert "surprise" not in space.taxonomy.labels
    assert any("awe -> joy" in line for line in space.lines)


def test_an_undecided_label_refuses_the_pair_with_both_reasons_and_a_choice_opens_it():
    polarity = get_taxonomy("polarity-2")
    with pytest.raises(NoMapping, match=r"'surprise' has no target.*the other way.*coarser"):
        find_space(EKMAN, polarity, PLAIN)
    chosen = find_space(EKMAN, polarity, Choices({"surprise": "positive"}))
    assert chosen.of_model.matrix[EKMAN.index("surprise")].tolist() == [0, 1]
    dropped = find_space(EKMAN, polarity, Choices({}, drop=True))
    assert dropped.of_model.drops == ("surprise",)


def test_two_fine_taxonomies_meet_in_the_finest_coarser_one_that_both_map_to():
    for model, truth in ((PARROTT, MIKELS), (MIKELS, PARROTT)):
        space = find_space(model, truth, PLAIN)
        assert space.of_model.target.name == space.of_truth.target.name == "parrott-6"
        assert space.taxonomy.labels == ("joy", "anger", "sadness", "fear")
        assert space.unreachable == ("love", "surprise")
        assert {"parrott-25 -> parrott-6", "mikels-8 -> parrott-6"} <= set(space.lines)
    assert space.of_model.matrix[MIKELS.index("amusement"), space.of_model.target.index("joy")] == 1


def test_leaving_out_undecided_labels_takes_the_way_that_loses_the_fewest():
    # nothing need be left out here
    assert find_space(PARROTT, MIKELS, Choices({}, drop=True)).of_model.target.name == "parrott-6"
    # by equal names 22 of EMOTIC's 26 labels would go, by polarity five
    space = find_space(get_taxonomy("emotic-26"), MIKELS, Choices({}, drop=True))
    assert space.of_truth.target.name == "polarity-3"
    assert len(space.of_model.drops) == 5


def test_a_choice_that_fits_nowhere_is_refused():
    taxonomies = [EKMAN, get_taxonomy("polarity-2")]
    Choices({"surprise": "positive"}).check(taxonomies)
    for label, option in (("surprise", "purple"), ("suprise", "positive")):
        with pytest.raises(BadInput, match=f"choice {label}={option}: no mapping"):
            Choices({label: option}).check(taxonomies)


def test_single_labels_are_mapped_and_images_outside_are_left_out(tmp_path):
    found, _ = said(tmp_path, MIKELS, EKMAN, "single", np.eye(6, dtype=int)[[3, 5, 2]])
    assert [EKMAN.labels[c] for c in (3, 5, 2)] == ["joy", "surprise", "fear"]
    assert found.truth.image_id.tolist() == ["i0", "i2"]
    assert found.mass == pytest.approx(2 / 3)
    assert [found.truth.labels[c] for c in found.truth.shares.argmax(axis=1)] == ["joy", "fear"]


def test_distributions_keep_their_proportions_and_say_what_was_lost(tmp_path):
    row = [{"joy": 0.3, "surprise": 0.5, "fear": 0.2}.get(label, 0) for label in EKMAN.labels]
    found, _ = said(tmp_path, MIKELS, EKMAN, "distribution", [row], "shares")
    assert found.mass == pytest.approx(0.5)
    assert dict(zip(found.truth.labels, found.truth.shares[0], strict=True))["joy"] == pytest.approx(0.6)


def test_a_person_who_chose_two_children_counts_once_for_the_parent(tmp_path, fine):
    columns = ["event_id", "image_id", "annotator_id", "round", "kind", "labels"]
    rows = [
        ("a", "i0", "u", 1, "labels", ["joy", "awe"]),
        ("b", "i0", "v", 1, "labels", ["awe", "fear"]),
        ("c", "i0", "w", 1, "none", []),
    ]
    judgements = pd.DataFrame(rows, columns=columns)
    found, _ = said(tmp_path, COARSE, fine, "rates", [[1, 1, 2]], "votes", judgements, n=[3])
    assert found.truth.votes.tolist() == [[1, 2]]
    assert found.truth.shares.tolist() == [[pytest.approx(1 / 3), pytest.approx(2 / 3)]]
    assert found.truth.hits.tolist() == [[0, 1]]
    assert found.mass == 1.0


def test_rates_without_people_are_only_bounded_and_that_is_said(tmp_path, fine):
    found, space = said(tmp_path, COARSE, fine, "rates", [[0.2, 0.3, 0.5]], "shares")
    assert found.truth.shares.tolist() == [[pytest.approx(0.2), pytest.approx((0.5 + 0.8) / 2)]]
    assert "rates of good are only bounded" in found.notes[0]
    answers = Answers(torch.tensor([[0.1, 0.9]]), torch.tensor([[0.1, 0.9]]))
    mapped = in_space(answers, space.of_model, space, rates=True, kind=found.kind)
    assert set(row_scores(mapped, found.truth)) == {"top_1_accuracy"}
    assert found.truth.sets is None


def test_a_distribution_adds_up_and_rates_do_not(fine):
    space = find_space(fine, COARSE, PLAIN)
    scores = torch.tensor([[0.2, 0.5, 0.3]])
    answers = Answers(scores, scores, torch.tensor([[0, 1, 0]]))
    masses = in_space(answers, space.of_model, space, rates=False, kind="single")
    assert masses.scores.tolist() == [pytest.approx([0.2, 0.8])]
    assert masses.sets.tolist() == [[0, 1]]
    rates = in_space(answers, space.of_model, space, rates=True, kind="rates")
    assert rates.shares.tolist() == [pytest.approx([0.2, 1 - 0.5 * 0.7])]
    across = in_space(answers, space.of_model, space, rates=True, kind="single")
    assert across.shares is None


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=250, seed=51, taxonomy="parrott-25")


def judged(demo, rates, **scores):
    """Systems on all images at the levels of parrott-25."""
    targets = demo.target("emotions")
    answers = {name: Answers(torch.from_numpy(each), torch.from_numpy(each)) for name, each in scores.items()}
    truth = read_truth(demo, targets, targets.image_id, beta=fit_prior(targets))
    more = {"data": demo, "targets": targets, "train": targets.image_id, "rates": rates}
    return evaluate(answers, truth, split="test", seed=0, space=targets.taxonomy.name, also=(coarser,), **more)


def test_every_system_is_judged_at_each_level_and_the_choices_taken_are_said(demo):
    shares = demo.target("emotions").shares()
    even = np.repeat(shares.mean(axis=0, keepdims=True), len(shares), axis=0)
    found = judged(demo, ("model", "prior"), model=shares, prior=even)
    facts = found.facts["levels"]
    assert [(name, len(level["labels"])) for name, level in facts.items()] == [("parrott-6", 6), ("parrott-2", 2)]
    assert any(line.startswith("choice: disgust -> anger") for line in facts["parrott-6"]["lines"])
    assert facts["parrott-6"]["mass"] < 1  # confusion has no primary
    assert facts["parrott-2"]["mass"] == pytest.approx(1)
    for space in facts:
        first, other = (found.get("rate_cross_entropy", name, space=space) for name in ("model", "prior"))
        assert first.value < other.value
        assert first.low < first.value < first.high
        assert found.systems(space=space) == ["model", "prior"]
    assert found.get("rate_cross_entropy").space == "parrott-25"  # the coarser ones are asked for by name
    assert not list(found.where(metric="errors_inside_parent", space=None))  # there is no error


def test_errors_inside_the_parent_are_told_apart_from_wild_ones(demo):
    targets = demo.target("emotions")
    labels, n = targets.taxonomy.labels, len(targets.image_id)
    mode = targets.shares().argmax(axis=1)
    parent = np.array([targets.taxonomy.parents.get(label, label) for label in labels])

    def guess(choose):
        scores = np.full((n, len(labels)), 0.01)
        scores[np.arange(n), [choose(label) for label in mode]] = 0.9
        found = judged(demo, (), model=scores)
        return [found.get("errors_inside_parent", name, space="parrott-6").value for name in ("model", "chance")]

    def sibling(label):
        return next((c for c in range(len(labels)) if parent[c] == parent[label] and c != label), label)

    def stranger(label):
        return next(c for c in range(len(labels)) if parent[c] not in (parent[label], "confusion"))

    (near, chance), (far, _) = guess(sibling), guess(stranger)
    assert near > 0.9 > 0.5 > far
    assert 0 < chance < 0.5


def test_of_parents_with_one_child_no_error_is_said_to_stay_inside(tmp_path):
    (tmp_path / "two.yaml").write_text("name: two\nlabels: [bad, good]\n")
    parents = {"fear": "bad", "joy": "good"}
    alone = Taxonomy(name="alone", labels=("fear", "joy"), parent=str(tmp_path / "two.yaml"), parents=parents)
    data = dataset(tmp_path, alone, "single", [[1, 0], [0, 1], [1, 0]])
    targets, scores = data.target("t"), torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    truth = read_truth(data, targets, targets.image_id, beta=None)
    more = {"data": data, "targets": targets, "train": targets.image_id, "rates": ()}
    found = evaluate({"model": Answers(scores)}, truth, split="test", seed=0, also=(coarser,), **more)
    assert found.get("top_1_accuracy", space="two").value == pytest.approx(1 / 3)
    assert "errors_inside_parent" not in {each.metric for each in found.figures}


def rows(*labels):
    return np.eye(25)[[PARROTT.index(label) for label in labels]]


def test_levels_are_the_ancestors():
    assert [to.target.name for to in levels(PARROTT)] == ["parrott-6", "parrott-2"]
    assert levels(get_taxonomy("polarity-2")) == []


def test_errors_inside_by_hand():
    preds = rows("horror", "rage", "zest", "sadness", "horror", "confusion")
    target = rows("nervousness", "rage", "horror", "confusion", "nervousness", "zest")
    found = errors_inside_parent(preds, target, TO_6)
    # Errors: horror for nervousness (inside, twice), zest for horror (outside); two touch confusion (no parent).
    assert found.errors == 3
    assert found.share == pytest.approx(2 / 3)
    # Of the 23 wrong labels with a parent, one is fear.
    assert found.chance == pytest.approx(1 / 23)


def test_several_right_labels_have_several_parents():
    target = rows("zest") + rows("horror")
    for guess, share in (("nervousness", 1), ("pride", 1), ("rage", 0)):
        assert errors_inside_parent(rows(guess), target, TO_6).share == share
    assert errors_inside_parent(rows("zest"), target, TO_6).errors == 0
    assert np.isnan(errors_inside_parent(rows("zest"), target, TO_6)[:2]).all()


@given(st.integers(0, 10_000))
def test_even_guesses_land_inside_as_often_as_chance_says(seed):
    rng = np.random.default_rng(seed)
    preds, target = rng.random((4000, 25)), np.eye(25)[rng.integers(25, size=4000)]
    found = errors_inside_parent(preds, target, TO_6)
    assert abs(found.share - found.chance) < 4 * np.sqrt(found.chance / found.errors)


def test_a_label_with_two_parents_is_named():
    shared = mapping("ekman-6", "mikels-8", joy="amusement+excitement", surprise="drop")
    with pytest.raises(BadInput, match="'joy' is shared among several"):
        errors_inside_parent(np.ones((1, 6)), np.ones((1, 6)), shared)
