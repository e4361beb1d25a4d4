"""Which labels two data sets can be compared in, and what becomes of people's and systems' answers there."""

import numpy as np
import pandas as pd
import pytest
import torch

from affectml.data import DatasetMeta, TargetMeta, write_dataset
from affectml.errors import BadInput, NoMapping
from affectml.judging.scoring import Answers
from affectml.spaces import Choices, find_space, people_in, system_in
from affectml.taxonomies import Taxonomy, get_taxonomy

PLAIN = Choices({})
COARSE = Taxonomy(name="coarse", labels=("bad", "good"))


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


def dataset(tmp_path, taxonomy, kind, table, values="indicator", judgements=None, **columns):
    ids = [f"i{n}" for n in range(len(table))]
    targets = pd.DataFrame(table, columns=list(taxonomy.labels))
    targets.insert(0, "image_id", ids)
    for name, values_of in columns.items():
        targets.insert(1, name, values_of)
    meta = DatasetMeta(
        name="set",
        targets={
            "t": TargetMeta(
                kind=kind,
                construct="evoked",
                taxonomy=taxonomy.to_dict(),
                values=values,
                file="targets-t.parquet",
                vote_rule="unknown" if kind == "distribution" else None,
            )
        },
    )
    return write_dataset(tmp_path, meta, pd.DataFrame({"image_id": ids}), {"t": targets}, judgements)


def said(data, to, space, **more):
    targets = data.target("t")
    return people_in(data, targets, targets.image_id, targets.image_id, to, space, 1 / 3, **more)


def test_a_fine_model_meets_coarse_answers_in_the_coarse_labels(fine):
    space = find_space(fine, COARSE, PLAIN)
    assert space.taxonomy.labels == ("bad", "good")
    assert space.of_model.target is COARSE
    assert space.of_truth.matrix.tolist() == [[1, 0], [0, 1]]


def test_a_coarse_model_meets_fine_answers_in_its_own_labels(fine):
    space = find_space(COARSE, fine, PLAIN)
    assert space.taxonomy.labels == ("bad", "good")
    assert space.of_model.origin is space.of_model.target
    assert space.of_truth.origin is fine


def test_labels_that_one_side_lacks_are_left_out_and_named():
    space = find_space(get_taxonomy("mikels-8"), get_taxonomy("ekman-6"), PLAIN)
    assert space.unreachable == ("surprise",)
    assert "surprise" not in space.taxonomy.labels
    assert any("awe -> joy" in line for line in space.lines)


def test_an_undecided_label_refuses_the_pair_with_both_reasons_and_a_choice_opens_it():
    ekman, polarity = get_taxonomy("ekman-6"), get_taxonomy("polarity-2")
    with pytest.raises(NoMapping, match=r"'surprise' has no target.*the other way.*coarser"):
        find_space(ekman, polarity, PLAIN)
    chosen = find_space(ekman, polarity, Choices({"surprise": "positive"}))
    assert chosen.of_model.matrix[ekman.index("surprise")].tolist() == [0, 1]
    dropped = find_space(ekman, polarity, Choices({}, drop=True))
    assert dropped.of_model.drops == ("surprise",)


def test_two_fine_taxonomies_meet_in_the_finest_coarser_one_that_both_map_to():
    webemo, mikels = get_taxonomy("parrott-25"), get_taxonomy("mikels-8")
    for model, truth in ((webemo, mikels), (mikels, webemo)):
        space = find_space(model, truth, PLAIN)
        assert space.of_model.target.name == space.of_truth.target.name == "parrott-6"
        assert space.taxonomy.labels == ("joy", "anger", "sadness", "fear")
        assert space.unreachable == ("love", "surprise")
        assert {"parrott-25 -> parrott-6", "mikels-8 -> parrott-6"} <= set(space.lines)
    assert space.of_model.matrix[mikels.index("amusement"), space.of_model.target.index("joy")] == 1


def test_leaving_out_undecided_labels_takes_the_way_that_loses_the_fewest():
    mikels = get_taxonomy("mikels-8")
    # nothing need be left out here
    assert find_space(get_taxonomy("parrott-25"), mikels, Choices({}, drop=True)).of_model.target.name == "parrott-6"
    # by equal names 22 of EMOTIC's 26 labels would go, by polarity five
    space = find_space(get_taxonomy("emotic-26"), mikels, Choices({}, drop=True))
    assert space.of_truth.target.name == "polarity-3"
    assert len(space.of_model.drops) == 5


def test_a_choice_that_fits_nowhere_is_refused():
    taxonomies = [get_taxonomy("ekman-6"), get_taxonomy("polarity-2")]
    Choices({"surprise": "positive"}).check(taxonomies)
    for label, option in (("surprise", "purple"), ("suprise", "positive")):
        with pytest.raises(BadInput, match=f"choice {label}={option}: no mapping"):
            Choices({label: option}).check(taxonomies)


def test_single_labels_are_mapped_and_images_outside_are_left_out(tmp_path):
    ekman = get_taxonomy("ekman-6")
    table = np.eye(6, dtype=int)[[ekman.index(label) for label in ("joy", "surprise", "fear")]]
    data = dataset(tmp_path, ekman, "single", table)
    space = find_space(get_taxonomy("mikels-8"), ekman, PLAIN)
    found = said(data, space.of_truth, space)
    assert found.truth.image_id.tolist() == ["i0", "i2"]
    assert found.mass == pytest.approx(2 / 3)
    assert [found.truth.labels[c] for c in found.truth.shares.argmax(axis=1)] == ["joy", "fear"]


def test_distributions_keep_their_proportions_and_say_what_was_lost(tmp_path):
    ekman = get_taxonomy("ekman-6")
    row = np.zeros(6)
    row[[ekman.index("joy"), ekman.index("surprise"), ekman.index("fear")]] = 0.3, 0.5, 0.2
    data = dataset(tmp_path, ekman, "distribution", [row], values="shares")
    space = find_space(get_taxonomy("mikels-8"), ekman, PLAIN)
    found = said(data, space.of_truth, space)
    assert found.mass == pytest.approx(0.5)
    assert dict(zip(found.truth.labels, found.truth.shares[0], strict=True))["joy"] == pytest.approx(0.6)


def test_a_person_who_chose_two_children_counts_once_for_the_parent(tmp_path, fine):
    judgements = pd.DataFrame(
        {
            "event_id": ["a", "b", "c"],
            "image_id": ["i0"] * 3,
            "annotator_id": ["u", "v", "w"],
            "round": 1,
            "kind": ["labels", "labels", "none"],
            "labels": [["joy", "awe"], ["awe", "fear"], []],
        }
    )
    data = dataset(tmp_path, fine, "rates", [[1, 1, 2]], values="votes", judgements=judgements, n=[3])
    space = find_space(COARSE, fine, PLAIN)
    found = said(data, space.of_truth, space)
    assert found.truth.votes.tolist() == [[1, 2]]
    assert found.truth.shares.tolist() == [[pytest.approx(1 / 3), pytest.approx(2 / 3)]]
    assert found.truth.hits.tolist() == [[0, 1]]
    assert found.mass == 1.0


def test_rates_without_people_are_only_bounded_and_that_is_said(tmp_path, fine):
    data = dataset(tmp_path, fine, "rates", [[0.2, 0.3, 0.5]], values="shares")
    space = find_space(COARSE, fine, PLAIN)
    found = said(data, space.of_truth, space)
    assert found.truth.shares.tolist() == [[pytest.approx(0.2), pytest.approx((0.5 + 0.8) / 2)]]
    assert "rates of good are only bounded" in found.notes[0]
    answers = Answers(torch.tensor([[0.1, 0.9]]), torch.tensor([[0.1, 0.9]]))
    assert set(found.score(answers)) == {"top_1_accuracy"}
    assert found.truth.sets is None


def test_a_distribution_adds_up_and_rates_do_not(fine):
    space = find_space(fine, COARSE, PLAIN)
    scores = torch.tensor([[0.2, 0.5, 0.3]])
    answers = Answers(scores, scores, torch.tensor([[0, 1, 0]]))
    masses = system_in(answers, space.of_model, space, rates=False, kind="single")
    assert masses.scores.tolist() == [pytest.approx([0.2, 0.8])]
    assert masses.sets.tolist() == [[0, 1]]
    rates = system_in(answers, space.of_model, space, rates=True, kind="rates")
    assert rates.shares.tolist() == [pytest.approx([0.2, 1 - 0.5 * 0.7])]
    across = system_in(answers, space.of_model, space, rates=True, kind="single")
    assert across.shares is None
