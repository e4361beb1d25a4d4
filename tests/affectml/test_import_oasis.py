"""OASIS and the maximum-entropy distribution behind its targets."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import entr

from affectml.data import Dataset
from affectml.importers import import_oasis
from affectml.importers.oasis import maximum_entropy_shares, sd_bounds

from .fuzz.sources import OASIS, oasis_folder

SCALE = np.arange(1, 8)


def test_flat_is_flat_and_wide_is_u_shaped():
    flat, bell, wide = maximum_entropy_shares(np.array([4.0, 4.0, 4.0]), np.array([2.0, 1.0, 2.6]))
    np.testing.assert_allclose(flat, 1 / 7, atol=1e-9)
    assert (bell.argmax(), wide.argmin(), wide[0]) == (3, 3, pytest.approx(wide[6]))


def test_the_edges_are_the_only_distributions_there_are():
    mean, sd = np.array([1.0, 4.0, 2.25, 4.0, 7.0]), np.array([0.0, 0.0, np.sqrt(3 / 16), 3.0, 0.0])
    by_point = [{1: 1}, {4: 1}, {2: 0.75, 3: 0.25}, {1: 0.5, 7: 0.5}, {7: 1}]
    expected = [[shares.get(point, 0) for point in SCALE] for shares in by_point]
    np.testing.assert_allclose(maximum_entropy_shares(mean, sd), expected, atol=1e-9)


@given(st.lists(st.tuples(st.floats(1, 7), st.floats(0, 1)), min_size=1, max_size=20))
@settings(deadline=None, max_examples=25)
def test_every_possible_pair_gets_its_moments(pairs):
    mean, part = np.array(pairs).T
    low, high = sd_bounds(mean)
    sd = low + part * (high - low)
    shares = maximum_entropy_shares(mean, sd)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(shares @ SCALE, mean, atol=2e-6)
    np.testing.assert_allclose(((SCALE - mean[:, None]) ** 2 * shares).sum(axis=1), sd**2, atol=2e-6)


@given(st.floats(1.5, 6.5), st.floats(0.1, 0.9))
@settings(deadline=None, max_examples=10)
def test_no_other_distribution_with_these_moments_has_more_entropy(mean, part):
    low, high = (float(bound[0]) for bound in sd_bounds(np.array([mean])))
    sd = low + part * (high - low)
    ours = maximum_entropy_shares(np.array([mean]), np.array([sd]))[0]
    constraints = [
        {"type": "eq", "fun": lambda p: p.sum() - 1},
        {"type": "eq", "fun": lambda p: p @ SCALE - mean},
        {"type": "eq", "fun": lambda p: p @ SCALE**2 - mean**2 - sd**2},
    ]
    start = np.clip(ours + 0.02 * np.cos(np.arange(7)), 1e-4, 1)
    how = {"bounds": [(1e-9, 1)] * 7, "constraints": constraints, "options": {"ftol": 1e-13, "maxiter": 500}}
    oracle = minimize(lambda p: -entr(p).sum(), start / start.sum(), method="SLSQP", **how)
    if oracle.success and max(abs(c["fun"](oracle.x)) for c in constraints) < 1e-8:
        assert entr(ours).sum() >= -oracle.fun - 1e-6


def test_cr_line_ends_trailing_spaces_and_images_that_are_not_there(tmp_path, bring):
    summary, data = bring("oasis", oasis_folder(tmp_path / "in", OASIS, ["Dog 2", "Fence 1 "], end="\r"))
    assert summary.skipped == {"images: not in the folder": ["Dog 1"]}
    rows = data.images[["image_id", "group", "category"]].to_numpy().tolist()
    assert rows == [["Dog 2", "Dog", "Animal"], ["Fence 1", "Fence", "Object"]]
    assert all((data.root / file).is_file() for file in data.images["file"])


def test_one_row_by_hand(tmp_path, bring):
    # Mean 4 and SD 2 on seven points is the flat distribution: three sevenths on each side, one in the middle.
    _, dataset = bring("oasis", oasis_folder(tmp_path / "in", OASIS, ["Dog 1"]))
    polarity, affect = dataset.target("polarity"), dataset.target("affect")
    np.testing.assert_allclose(polarity.table[0], [3 / 7, 1 / 7, 3 / 7], atol=1e-8)
    np.testing.assert_allclose(affect.table[0], [3 / 7] * 4, atol=1e-8)
    assert (polarity.people.tolist(), affect.people.tolist()) == ([[100] * 3], [[100, 100, 101, 101]])
    assert (polarity.meta.vote_rule, affect.meta.vote_rule) == ("moments", "moments")
    assert (polarity.kind, affect.kind) == ("distribution", "rates")


@pytest.mark.real_data
def test_the_real_set(real_data, tmp_path):
    summary = import_oasis(real_data / "oasis", tmp_path / "out")
    assert (summary.images, summary.targets) == (598, {"polarity": "distribution", "affect": "rates"})
    dataset = Dataset.open(tmp_path / "out")
    images = dataset.images.set_index("image_id")
    polarity = pd.DataFrame(dataset.target("polarity").table, index=dataset.target("polarity").image_id)
    assert images["group"].nunique() < 598
    # Published means order the images, and so must the shares: pleasant dogs and lakes, unpleasant injuries.
    assert polarity[2].corr(images["valence_mean"], method="spearman") > 0.98
    assert polarity.loc[["Dog 6", "Injury 4"]].idxmax(axis=1).tolist() == [2, 0]
    # "Alcohol 1": valence 4.685, SD 1.189; a normal with these moments has .158 below 3.5 and .247 in 3.5-4.5.
    np.testing.assert_allclose(polarity.loc["Alcohol 1"], [0.158, 0.279, 0.563], atol=0.02)
