"""A fine model judged at its coarser levels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from affectml.errors import BadInput
from affectml.evaluation.hierarchy import errors_inside_parent, level_accuracy, levels
from affectml.taxonomies import get_taxonomy, mapping

PARROTT = get_taxonomy("parrott-25")
TO_6 = mapping("parrott-25", "parrott-6")


def rows(*labels):
    return np.eye(25)[[PARROTT.index(label) for label in labels]]


def test_levels_are_the_ancestors():
    assert [to.target.name for to in levels(PARROTT)] == ["parrott-6", "parrott-2"]
    assert levels(get_taxonomy("polarity-2")) == []
    assert levels(PARROTT, confusion="sadness")[0].drops == ()
    with pytest.raises(BadInput, match="choice confusion=nothing"):
        levels(PARROTT, confusion="nothing")


def test_mass_is_summed_before_the_guess():
    # Three kinds of joy at .2 each beat one fear at .4: fear is the fine guess, joy the coarse one.
    preds = 0.2 * (rows("zest") + rows("pride") + rows("relief")) + 0.4 * rows("horror")
    assert level_accuracy(preds, rows("zest"), mapping("parrott-25", "parrott-25")).tolist() == [0]
    assert level_accuracy(preds, rows("zest"), TO_6).tolist() == [1]
    assert level_accuracy(preds, rows("horror"), TO_6).tolist() == [0]


def test_accuracy_at_a_level_by_hand():
    preds = rows("horror", "rage", "zest", "sadness")
    target = rows("nervousness", "rage", "horror", "confusion")
    # Fine: rage. Six: fear, anger, not fear, confusion left out. Two: negative, negative, wrong, negative.
    found = [
        np.nanmean(level_accuracy(torch.from_numpy(preds), torch.from_numpy(target), to)) for to in levels(PARROTT)
    ]
    assert found == [pytest.approx(2 / 3), 0.75]


def test_a_tie_counts_by_its_right_share():
    preds = 0.5 * (rows("horror") + rows("rage"))
    assert level_accuracy(preds, rows("rage"), TO_6).tolist() == [0.5]


def test_errors_inside_by_hand():
    preds = rows("horror", "rage", "zest", "sadness", "horror", "confusion")
    target = rows("nervousness", "rage", "horror", "confusion", "nervousness", "zest")
    found = errors_inside_parent(preds, target, TO_6)
    # Errors: horror for nervousness (inside, twice), zest for horror (outside); two touch confusion (no parent).
    assert (found.errors, found.inside, found.left_out) == (3, 2, 2)
    assert found.share == pytest.approx(2 / 3)
    # Of the 23 wrong labels with a parent, one is fear.
    assert found.chance == pytest.approx(1 / 23)


def test_several_right_labels_have_several_parents():
    target = rows("zest") + rows("horror")
    assert errors_inside_parent(rows("nervousness"), target, TO_6).share == 1
    assert errors_inside_parent(rows("pride"), target, TO_6).share == 1
    assert errors_inside_parent(rows("rage"), target, TO_6).share == 0
    assert errors_inside_parent(rows("zest"), target, TO_6).errors == 0
    assert np.isnan(errors_inside_parent(rows("zest"), target, TO_6).share)


@given(st.integers(0, 10_000))
def test_even_guesses_land_inside_as_often_as_chance_says(seed):
    rng = np.random.default_rng(seed)
    preds, target = rng.random((4000, 25)), np.eye(25)[rng.integers(25, size=4000)]
    found = errors_inside_parent(preds, target, TO_6)
    assert abs(found.share - found.chance) < 4 * np.sqrt(found.chance / found.errors)


def test_wrong_shapes_and_shared_parents_are_named():
    with pytest.raises(BadInput, match=r"expected \[N, 25\]"):
        level_accuracy(np.ones((2, 6)), np.ones((2, 6)), TO_6)
    with pytest.raises(BadInput, match="preds has 2 rows, target 1"):
        errors_inside_parent(rows("zest", "rage"), rows("zest"), TO_6)
    shared = mapping("ekman-6", "mikels-8", joy="amusement+excitement", surprise="drop")
    with pytest.raises(BadInput, match="'joy' is shared among several"):
        errors_inside_parent(np.ones((1, 6)), np.ones((1, 6)), shared)
