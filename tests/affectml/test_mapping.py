"""Mappings between taxonomies: mass, judgements, bounds, choices, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from affectml.errors import AffectmlError, BadInput, NoMapping, UnknownLabel
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy, mapping, wheel_choice
from affectml.taxonomies._route import find_hop
from affectml.taxonomies._tables import tables
from affectml_annotation import count_votes

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
        with pytest.raises(NoMapping, match=f"{source} is coarser than {target}"):
            mapping(source, target, drop=True)
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
    table = tables()[pair]
    source, target = get_taxonomy(table.source), get_taxonomy(table.target)
    middle = get_taxonomy(table.via) if table.via else None
    for label, decision in table.decisions.items():
        source.index(label)
        assert decision.take is None or decision.take in decision.options
        for option, why in decision.options.items():
            assert why.startswith(("our reasoning: ", "same word")) or any(c.isdigit() for c in why)
            assert option == "drop" or set(option.split("+")) <= set(target.labels)
    if middle is not None:
        assert find_hop(source, middle)
        assert find_hop(middle, target)
    elif table.base is None:
        assert set(table.decisions) == set(source.labels)


def test_webemo_by_hand():
    found = mapping("parrott-25", "parrott-6")
    assert found.merged["love"] == ("affection", "gratitude", "lust")
    assert found.merged["fear"] == ("horror", "nervousness")
    assert found.drops == ("confusion",)
    taken = [(c.label, c.taken, c.by) for c in found.choices]
    assert taken == [("confusion", "drop", "default"), ("disgust", "anger", "default")]
    assert "sadness" in found.choices[0].alternatives
    assert any("confusion -> drop" in line for line in found.lines())
    # WEBEmo says that confusion is negative, whatever its primary.
    poles = mapping("parrott-25", "parrott-2")
    assert poles.drops == ()
    assert "confusion" in poles.merged["negative"]
    assert len(poles.merged["negative"]) + len(poles.merged["positive"]) == 25


def test_composition_equals_the_direct_mapping():
    middle = mapping("parrott-25", "parrott-6").then(mapping("parrott-6", "parrott-2"))
    direct = mapping("parrott-25", "parrott-2")
    rows = [label != "confusion" for label in direct.origin.labels]
    np.testing.assert_array_equal(middle.matrix[rows], direct.matrix[rows])
    for confusion in ("sadness", "fear"):
        both = mapping("parrott-25", "parrott-6", confusion=confusion).then(mapping("parrott-6", "parrott-2"))
        np.testing.assert_array_equal(both.matrix, direct.matrix)
    chained = mapping("mikels-8", "ekman-6").then(mapping("ekman-6", "ekman-7"))
    np.testing.assert_array_equal(chained.matrix, mapping("mikels-8", "ekman-7").matrix)
    assert chained.path == ("mikels-8", "ekman-6", "ekman-7")


def test_every_mapping_agrees_with_the_polarity_of_its_labels():
    # Going to another taxonomy and then to its poles is going to the poles, where both know the label.
    for source, target in [("mikels-8", "ekman-6"), ("mikels-8", "parrott-6"), ("parrott-25", "ekman-6"),
                           ("emotic-26", "ekman-6"), ("plutchik-8", "ekman-6"), ("ekman-6", "parrott-6")]:  # fmt: skip
        there = mapping(source, target, drop=True)
        poles = there.then(mapping(target, "polarity-3", drop=True)).matrix
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
    dropped = shares[:, found.origin.index("confusion")]
    np.testing.assert_allclose(mapped.sum(axis=1), 1 - dropped, atol=1e-12)
    np.testing.assert_allclose(found.map_distribution(shares, renormalise=True).sum(axis=1), 1, atol=1e-9)


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


def test_bounds_of_two_people_by_hand():
    # One chose rage and envy, the other horror: half of them fear; from rates anger is .5 to 1.
    found = mapping("parrott-25", "parrott-6")
    table = judgements([{7, 17}, {10}], found.origin.labels).assign(image_id="one")
    fine = count_votes(table, found.origin.labels)
    low, high = found.bound_rates(fine.votes / fine.n[:, None])
    anger, fear = found.target.index("anger"), found.target.index("fear")
    assert (low[0, anger], high[0, anger], low[0, fear], high[0, fear]) == (0.5, 1.0, 0.5, 0.5)


def test_an_answer_of_dropped_labels_only_is_none_or_skip():
    found = mapping("parrott-25", "parrott-6")
    table = judgements([{2}, {2, 10}, set()], found.origin.labels)
    assert found.map_judgements(table)["kind"].tolist() == ["none", "labels", "none"]
    assert found.map_judgements(table, only_dropped="skip")["kind"].tolist() == ["skip", "labels", "none"]
    assert table["kind"].tolist() == ["labels", "labels", "none"]
    unsure = table.assign(kind=["labels", "unsure", "none"], labels=[table["labels"][0], [], []])
    assert found.map_judgements(unsure, only_dropped="skip")["kind"].tolist() == ["skip", "unsure", "none"]


def test_intensities_follow_their_labels():
    found = mapping("mikels-8", "parrott-6")
    table = judgements([{0, 2, 6}], found.origin.labels)
    table["intensities"] = [[0.2, 0.7, 0.4]]
    mapped = found.map_judgements(table)
    assert mapped["labels"][0] == ["joy", "fear"]
    assert mapped["intensities"][0] == [0.7, 0.4]


@given(st.permutations(range(8)), st.permutations(range(6)))
def test_the_order_of_labels_changes_nothing(order, target_order):
    mikels, ekman = get_taxonomy("mikels-8"), get_taxonomy("ekman-6")
    shuffled = replace(mikels, labels=tuple(mikels.labels[i] for i in order))
    other = replace(ekman, labels=tuple(ekman.labels[i] for i in target_order))
    found, plain = mapping(shuffled, other), mapping(mikels, ekman)
    np.testing.assert_array_equal(found.matrix, plain.matrix[np.ix_(order, target_order)])
    assert found.source == {**plain.source}


def test_sets_and_tensors():
    found = mapping("mikels-8", "polarity-2")
    sets = torch.zeros(3, 8)
    sets[[0, 0, 1, 1], [0, 1, 0, 4]] = 1
    mapped = found.map_sets(sets)
    assert isinstance(mapped, torch.Tensor)
    assert (mapped.dtype, mapped.tolist()) == (sets.dtype, [[0, 1], [1, 1], [0, 0]])
    shares = torch.full((2, 8), 1 / 8, dtype=torch.float64)
    assert found.map_distribution(shares).tolist() == [[0.5, 0.5], [0.5, 0.5]]


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
    with pytest.raises(error, match=says):
        mapping(*way.split(), **options)


def test_a_label_without_a_target_goes_where_the_user_says():
    assert mapping("ekman-6", "polarity-3", drop=["surprise"]).drops == ("surprise",)
    assert mapping("ekman-6", "polarity-3", surprise="positive").drops == ()
    found = mapping("artemis-9", "ekman-6", something_else="surprise")
    assert found.merged["surprise"] == ("something else",)
    assert found.source["something else"] == "chosen by the user"


def test_joy_is_shared_among_mikels_only_when_asked_and_never_in_sets():
    found = mapping("ekman-6", "mikels-8", joy="amusement+contentment+excitement", surprise="awe")
    np.testing.assert_allclose(found.matrix[3], [1 / 3, 0, 1 / 3, 1 / 3, 0, 0, 0, 0])
    assert found.split == ("joy",)
    for use in (found.map_sets, found.bound_rates):
        with pytest.raises(NoMapping, match=r"'joy' is shared between amusement and contentment and excitement"):
            use(np.ones((1, 6)))
    with pytest.raises(NoMapping, match="judgements: 'joy' is shared"):
        found.map_judgements(judgements([{0}], found.origin.labels))
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
    with pytest.raises(NoMapping, match="nothing leads from colours to mikels-8"):
        mapping(strange, "mikels-8", drop=True)
    chosen = mapping(strange, "mikels-8", red="anger", blue="sadness")
    assert chosen.merged == {"anger": ("red",), "sadness": ("blue",)}
    assert [c.by for c in chosen.choices] == ["user", "user"]
    odd = own_taxonomy(tmp_path / "t.yaml", "t", "ekman-6", glee="joyy", gloom="sadness")
    named = r"taxonomy t: the parent 'joyy' of 'glee' is no label of ekman-6; did you mean 'joy'"
    with pytest.raises(UnknownLabel, match=named):
        mapping(odd, "ekman-6")


def test_wrong_shapes_are_named():
    with pytest.raises(NoMapping, match=r"expected \[N, 8\], a column per label of mikels-8, but received \[2, 7\]"):
        mapping("mikels-8", "polarity-2").map_distribution(np.ones((2, 7)))
    assert issubclass(NoMapping, BadInput)
    assert issubclass(NoMapping, AffectmlError)


def test_the_wheel_in_use_is_a_choice_that_can_be_printed():
    mikels = get_taxonomy("mikels-8")
    choice, other = wheel_choice(mikels), mikels.with_wheel("amusement-first")
    assert (choice.by, choice.taken[:16]) == ("default", "fear, excitement")
    first = "amusement-first: amusement, excitement, anger, disgust, fear, sadness, awe, contentment"
    assert list(choice.alternatives) == [first]
    assert (other.wheel[0], wheel_choice(other).by) == ("amusement", "user")
    assert wheel_choice(get_taxonomy("plutchik-8")) is None
    with pytest.raises(BadInput, match=r"no wheel 'amusement'; did you mean 'amusement-first'"):
        mikels.with_wheel("amusement")


def test_dropping_a_label_of_the_origin_drops_no_namesake_further_on():
    assert mapping("parrott-25", "parrott-2", drop=["sadness"]).drops == ("sadness",)
