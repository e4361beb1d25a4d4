"""Mappings between taxonomies: mass, judgements, bounds, choices; and in which labels two data sets are compared."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from affectml.errors import BadInput, NoMapping, UnknownLabel
from affectml.judging.evaluate import evaluate
from affectml.judging.scoring import Answers, row_scores
from affectml.judging.spaces import Choices, coarser, find_space, in_space, people_in
from affectml.judging.truth import fit_prior, read_truth
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy, mapping
from affectml.taxonomies._route import find_hop, tables
from affectml_annotation import count_votes

from .checks import one_target, refused

PAIRS = [(a, b) for a in builtin_names() for b in builtin_names() if a != b]
FINE = {"artemis-9", "ekman-6", "ekman-7", "emotic-26", "mikels-8", "parrott-25", "parrott-6", "plutchik-8"}
REFUSED = {
    **dict.fromkeys(("parrott-2", "polarity-2", "polarity-3"), FINE),
    "parrott-6": {"artemis-9", "emotic-26", "mikels-8", "parrott-25"},
    "plutchik-8": {"artemis-9", "emotic-26", "mikels-8", "parrott-25"},
    "ekman-6": {"emotic-26", "parrott-25"},
    "ekman-7": {"emotic-26", "parrott-25"},
}
UP = [("parrott-25", "parrott-6"), ("parrott-25", "parrott-2"), ("mikels-8", "ekman-6"), ("emotic-26", "parrott-6")]


def judgements(sets, labels):
    """One judgement of one image by each person; the empty set is an answer."""
    said = [[labels[i] for i in sorted(chosen)] for chosen in sets]
    table = pd.DataFrame({"labels": said, "kind": ["labels" if chosen else "none" for chosen in said], "round": 1})
    return table.assign(image_id=[f"i{at % 3}" for at in table.index], annotator_id=[f"p{at}" for at in table.index])


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_rows_keep_their_mass_or_are_dropped_and_listed(source, target):
    if target in REFUSED.get(source, ()):
        refused(NoMapping, f"{source} is coarser than {target}", mapping, source, target, drop=True)
        return
    found = mapping(source, target, drop=True)
    sums = found.matrix.sum(axis=1)
    assert set(sums.round(12)) <= {0.0, 1.0}
    assert [label for label, kept in zip(found.origin.labels, sums, strict=True) if kept == 0] == list(found.drops)
    assert set(found.source) == set(found.origin.labels)
    assert all(found.source.values())
    assert (found.path[0], found.path[-1]) == (source, target)


@pytest.mark.parametrize("pair", tables())
def test_tables_speak_of_labels_that_exist_and_give_reasons(pair):
    hop = tables()[pair]
    for label, decision in hop.decisions.items():
        hop.start.index(label)
        assert decision.take is None or decision.take in decision.options
        for option, why in decision.options.items():
            assert why.startswith(("our reasoning: ", "same word")) or any(c.isdigit() for c in why)
            assert option == "drop" or set(option.split("+")) <= set(hop.end.labels)
    if hop.via is not None:
        assert find_hop(hop.start, hop.via)
        assert find_hop(hop.via, hop.end)
    elif hop.kind == "table":
        assert set(hop.decisions) == set(hop.start.labels)


def test_webemo_by_hand():
    found = mapping("parrott-25", "parrott-6")
    assert found.merged["love"] == ("affection", "gratitude", "lust")
    assert (found.merged["fear"], found.drops) == (("horror", "nervousness"), ("confusion",))
    taken = [(c.label, c.taken, c.by) for c in found.choices]
    assert taken == [("confusion", "drop", "default"), ("disgust", "anger", "default")]
    assert "sadness" in found.choices[0].alternatives
    assert any("confusion -> drop" in line for line in found.lines())
    # WEBEmo says that confusion is negative, whatever its primary.
    poles = mapping("parrott-25", "parrott-2").merged
    assert "confusion" in poles["negative"]
    assert len(poles["negative"]) + len(poles["positive"]) == 25


def test_every_mapping_agrees_with_the_polarity_of_its_labels():
    # Going to another taxonomy and then to its poles is going to the poles, where both know the label.
    for source, target in [("mikels-8", "ekman-6"), ("mikels-8", "parrott-6"), ("parrott-25", "ekman-6"),
                           ("emotic-26", "ekman-6"), ("plutchik-8", "ekman-6"), ("ekman-6", "parrott-6")]:  # fmt: skip
        poles = mapping(source, target, drop=True).matrix @ mapping(target, "polarity-3", drop=True).matrix
        direct = mapping(source, "polarity-3", drop=True).matrix
        known = poles.any(axis=1) & direct.any(axis=1)
        assert known.sum() >= 4
        np.testing.assert_array_equal(poles[known], direct[known])


@given(st.lists(st.lists(st.floats(0, 1), min_size=25, max_size=25), min_size=1, max_size=5))
def test_distributions_keep_their_mass(rows):
    shares = np.array(rows) + 1e-6
    shares /= shares.sum(axis=1, keepdims=True)
    found = mapping("parrott-25", "parrott-6")
    mapped = found.map_distribution(shares)
    np.testing.assert_allclose(mapped.sum(axis=1), 1 - shares[:, found.origin.index("confusion")], atol=1e-12)


@pytest.mark.parametrize(("source", "target"), UP)
@given(data=st.data())
def test_bounds_contain_the_exact_rate_and_judgements_give_it(source, target, data):
    found = mapping(source, target, drop=True)
    labels = found.origin.labels
    picks = st.frozensets(st.integers(0, len(labels) - 1), max_size=6)
    table = judgements(data.draw(st.lists(picks, min_size=3, max_size=12)), labels)
    fine = count_votes(table, labels)
    coarse = count_votes(found.map_judgements(table), found.target.labels)
    np.testing.assert_array_equal(coarse.n, fine.n)
    exact = coarse.votes / coarse.n[:, None]
    low, high = found.bound_rates(fine.votes / fine.n[:, None])
    reached = np.array([label not in found.unreachable for label in found.target.labels])
    assert np.isnan(low[:, ~reached]).all()
    assert (low <= exact + 1e-12)[:, reached].all()
    assert (exact <= high + 1e-12)[:, reached].all()
    # The same people by hand: a person counts once for a parent, however many of its children they chose.
    by_hand = np.zeros_like(coarse.votes)
    for image, chosen in zip(table["image_id"], table["labels"], strict=True):
        row = coarse.image_id.tolist().index(image)
        by_hand[row] += found.matrix[[labels.index(label) for label in chosen]].any(axis=0)
    np.testing.assert_array_equal(coarse.votes, by_hand)


def test_an_answer_of_dropped_labels_only_says_that_none_applies():
    found = mapping("parrott-25", "parrott-6")
    table = judgements([{2}, {2, 10}, set()], found.origin.labels)
    assert found.map_judgements(table)["kind"].tolist() == ["none", "labels", "none"]
    assert table["kind"].tolist() == ["labels", "labels", "none"]
    unsure = table.assign(kind=["labels", "unsure", "none"], labels=[table["labels"][0], [], []])
    assert found.map_judgements(unsure)["kind"].tolist() == ["none", "unsure", "none"]


def test_intensities_follow_their_labels():
    found = mapping("mikels-8", "parrott-6")
    table = judgements([{0, 2, 6}], found.origin.labels).assign(intensities=[[0.2, 0.7, 0.4]])
    assert found.map_judgements(table)[["labels", "intensities"]].to_numpy().tolist() == [[["joy", "fear"], [0.7, 0.4]]]


def test_a_set_has_a_label_where_it_has_any_child():
    found = mapping("mikels-8", "polarity-2")
    sets = torch.zeros(3, 8)
    sets[[0, 0, 1, 1], [0, 1, 0, 4]] = 1
    assert found.map_sets(sets).tolist() == [[0, 1], [1, 1], [0, 0]]
    assert found.map_distribution(np.full((2, 8), 1 / 8)).tolist() == [[0.5, 0.5], [0.5, 0.5]]


NO_WAY = [
    ("polarity-2 mikels-8", {"drop": True}, NoMapping, r"coarser than mikels-8: 'negative' stands for anger, dis"),
    ("parrott-6 parrott-25", {"drop": True}, NoMapping, r"map parrott-25 to parrott-6 instead"),
    ("ekman-6 polarity-3", {}, NoMapping, r"no target; choose one \(surprise=positive \| neutral \| drop\)"),
    ("emotic-26 ekman-6", {}, NoMapping, r"'anticipation', 'confidence', .* have no target"),
    ("ekman-6 mikels-8", {}, NoMapping, r"'joy', 'surprise' have no target"),
    ("parrott-25 parrott-6", {"confusoin": "drop"}, UnknownLabel, r"has no label 'confusoin'; did you mean 'con"),
    ("parrott-25 parrott-6", {"confusion": "joyy"}, NoMapping, r"no label 'joyy'; did you mean 'joy'"),
    ("parrott-25 parrott-6", {"drop": ["confused"]}, UnknownLabel, r"drop: .* 'confused'; did you mean 'con"),
]


@pytest.mark.parametrize(("way", "options", "error", "says"), NO_WAY)
def test_a_way_that_is_none_is_refused_with_the_reason(way, options, error, says):
    refused(error, says, mapping, *way.split(), **options)


def test_a_label_without_a_target_goes_where_the_user_says():
    assert mapping("ekman-6", "polarity-3", drop=["surprise"]).drops == ("surprise",)
    assert mapping("ekman-6", "polarity-3", surprise="positive").drops == ()
    found = mapping("artemis-9", "ekman-6", something_else="surprise")
    assert (found.merged["surprise"], found.source["something else"]) == (("something else",), "chosen by the user")


def test_joy_is_shared_among_mikels_only_when_asked_and_never_in_sets():
    found = mapping("ekman-6", "mikels-8", joy="amusement+contentment+excitement", surprise="awe")
    np.testing.assert_allclose(found.matrix[3], [1 / 3, 0, 1 / 3, 1 / 3, 0, 0, 0, 0])
    assert found.split == ("joy",)
    for use in (found.map_sets, found.bound_rates):
        refused(NoMapping, r"'joy' is shared between amusement and contentment and excitement", use, np.ones((1, 6)))
    refused(NoMapping, "judgements: 'joy' is shared", found.map_judgements, judgements([{0}], found.origin.labels))
    assert mapping("ekman-6", "mikels-8", joy="contentment", surprise="drop").drops == ("surprise",)


def test_choices_reach_their_step():
    found = mapping("parrott-25", "ekman-6", love="drop", confusion="fear")
    assert found.drops == ("affection", "gratitude", "lust")
    assert "confusion" in found.merged["fear"]
    assert found.merged["disgust"] == ("disgust",)


def own_taxonomy(file, name, parent, **parents):
    """A taxonomy's file: its labels by their parents."""
    labels = {label: {"parent": above} for label, above in parents.items()}
    file.write_text(json.dumps({"name": name, "parent": parent, "labels": labels}))
    return str(file)


def test_own_taxonomies_map_by_their_parents_wherever_a_name_does(tmp_path):
    own_taxonomy(tmp_path / "coarse.yaml", "mine", "polarity-2", warm="positive", cold="negative")
    fine = own_taxonomy(tmp_path / "fine.yaml", "mine-fine", "coarse.yaml", hot="warm", mild="warm", icy="cold")
    found = mapping(fine, "polarity-2")
    assert found.path == ("mine-fine", "mine", "polarity-2")
    assert found.merged == {"negative": ("icy",), "positive": ("hot", "mild")}
    strange = Taxonomy(name="colours", labels=("red", "blue"))
    refused(NoMapping, "nothing leads from colours to mikels-8", mapping, strange, "mikels-8", drop=True)
    chosen = mapping(strange, "mikels-8", red="anger", blue="sadness")
    assert [(c.label, c.taken, c.by) for c in chosen.choices] == [("red", "anger", "user"), ("blue", "sadness", "user")]
    odd = own_taxonomy(tmp_path / "t.yaml", "t", "ekman-6", glee="joyy", gloom="sadness")
    named = r"taxonomy t: the parent 'joyy' of 'glee' is no label of ekman-6; did you mean 'joy'"
    refused(UnknownLabel, named, mapping, odd, "ekman-6")


def test_wrong_shapes_are_named():
    says = r"expected \[N, 8\], a column per label of mikels-8, but received \[2, 7\]"
    refused(NoMapping, says, mapping("mikels-8", "polarity-2").map_distribution, np.ones((2, 7)))


def test_dropping_a_label_of_the_origin_drops_no_namesake_further_on():
    assert mapping("parrott-25", "parrott-2", drop=["sadness"]).drops == ("sadness",)


# Which labels two data sets can be compared in, and a run at its coarser levels


PLAIN = Choices({})
COARSE = Taxonomy(name="coarse", labels=("bad", "good"))
EKMAN, MIKELS, PARROTT = map(get_taxonomy, ("ekman-6", "mikels-8", "parrott-25"))


@pytest.fixture
def fine(tmp_path):
    """Three labels, two of which are good."""
    (tmp_path / "coarse.yaml").write_text("name: coarse\nlabels: [bad, good]\n")
    parents = {"fear": "bad", "joy": "good", "awe": "good"}
    return Taxonomy(name="fine", labels=tuple(parents), parent=str(tmp_path / "coarse.yaml"), parents=parents)


def said(folder, model, truth, kind, table, values="indicator", *judged, **columns):
    """What people said of all images in the labels of both, and these."""
    ids, labels = [f"i{n}" for n in range(len(table))], dict(zip(truth.labels, np.transpose(table), strict=True))
    rule = "unknown" if kind == "distribution" else None
    own = {"kind": kind, "values": values, "taxonomy": truth.to_dict(), "vote_rule": rule}
    data = one_target(folder, {"image_id": ids, **columns, **labels}, *judged, **own)
    space = find_space(model, truth, PLAIN)
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
    refused(NoMapping, r"'surprise' has no target.*the other way.*coarser", find_space, EKMAN, polarity, PLAIN)
    chosen = find_space(EKMAN, polarity, Choices({"surprise": "positive"}))
    assert chosen.of_model.matrix[EKMAN.index("surprise")].tolist() == [0, 1]
    assert find_space(EKMAN, polarity, Choices({}, drop=True)).of_model.drops == ("surprise",)


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
        refused(BadInput, f"choice {label}={option}: no mapping", Choices({label: option}).check, taxonomies)


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
    said_by = {"event_id": list("abc"), "image_id": "i0", "annotator_id": list("uvw"), "round": 1}
    kinds, chosen = ["labels", "labels", "none"], [["joy", "awe"], ["awe", "fear"], []]
    judgements = pd.DataFrame(said_by).assign(kind=kinds, labels=chosen)
    found, _ = said(tmp_path, COARSE, fine, "rates", [[1, 1, 2]], "votes", judgements, n=[3])
    assert (found.truth.votes.tolist(), found.truth.hits.tolist(), found.mass) == ([[1, 2]], [[0, 1]], 1.0)
    assert found.truth.shares.tolist() == [[pytest.approx(1 / 3), pytest.approx(2 / 3)]]


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
    assert (masses.scores.tolist(), masses.sets.tolist()) == ([pytest.approx([0.2, 0.8])], [[0, 1]])
    rates = in_space(answers, space.of_model, space, rates=True, kind="rates")
    assert rates.shares.tolist() == [pytest.approx([0.2, 1 - 0.5 * 0.7])]
    assert in_space(answers, space.of_model, space, rates=True, kind="single").shares is None


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=120, seed=51, taxonomy="parrott-25")


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
