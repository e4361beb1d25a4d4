"""A fine model judged at its coarser levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectml.errors import BadInput
from affectml.judging.hierarchy import errors_inside_parent, levels
from affectml.taxonomies import get_taxonomy, mapping

PARROTT = get_taxonomy("parrott-25")
TO_6 = mapping("parrott-25", "parrott-6")


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
        errors_inside_parent(np.ones((2, 6)), np.ones((2, 6)), TO_6)
    with pytest.raises(BadInput, match="preds has 2 rows, target 1"):
        errors_inside_parent(rows("zest", "rage"), rows("zest"), TO_6)
    shared = mapping("ekman-6", "mikels-8", joy="amusement+excitement", surprise="drop")
    with pytest.raises(BadInput, match="'joy' is shared among several"):
        errors_inside_parent(np.ones((1, 6)), np.ones((1, 6)), shared)
