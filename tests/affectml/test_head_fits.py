"""Do heads learn what they should? Against scikit-learn, by hand, planted truth; and what auto and kernels choose."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances, rbf_kernel

from affectml import heads
from affectml.errors import BadInput
from affectml.heads.auto import fit_pool
from affectml.heads.blocks import one_thread_if_small
from affectml.heads.kernel import KernelSpace
from affectml.heads.linear import Standardiser, folds
from affectml.heads.objective import Objective
from affectml_metrics.functional import rate_cross_entropy

from .checks import refused

RNG = np.random.default_rng(0)
X = RNG.normal(loc=3.0, scale=RNG.uniform(0.1, 10, 10), size=(2000, 10))
LOGITS = (X - 3.0) @ (np.random.default_rng(99).normal(size=(10, 4)) / X.std(axis=0)[:, None]) * 0.7 - 0.5
RATES = expit(LOGITS)
FEW, FEW_RATES = X[:80], RATES[:80]


def drawn(logits):
    """One label a row, one-hot, with the chances of a softmax."""
    noise = np.random.default_rng(1).gumbel(size=logits.shape)
    return np.eye(logits.shape[1])[(logits + noise).argmax(axis=1)]


@pytest.mark.parametrize("l2", [0.02, 1e-6])
@pytest.mark.parametrize(("head", "labels"), [(heads.SigmoidHead, 2), (heads.SoftmaxHead, 3)])
def test_linear_heads_are_scikit_learns_logistic_regression(head, labels, l2):
    """With the heads' pseudo-row: the mean image, once for each label with its part."""
    one_hot, Z = drawn(LOGITS[:300, :labels]), (X[:300] - X[:300].mean(axis=0)) / X[:300].std(axis=0)
    rows, weights = np.vstack([Z, np.zeros((labels, 10))]), np.append(np.ones(300), np.full(labels, 1 / labels))
    oracle = LogisticRegression(C=1 / (l2 * 301), tol=1e-10, max_iter=10_000)
    oracle.fit(rows, [*one_hot.argmax(axis=1), *range(labels)], sample_weight=weights)
    np.testing.assert_allclose(head(l2=l2).fit(X[:300], one_hot).scores(X[:300]), oracle.predict_proba(Z), atol=2e-4)


def test_prior_by_hand():
    head, Z, one_hot = heads.PriorHead(), np.zeros((3, 2)), np.array([[1, 0], [1, 0], [0, 1.0]])
    assert head.fit(Z, [[1, 0], [1, 1], [0, 1.0]]).predict_rates(Z)[0].tolist() == [2.5 / 4, 2.5 / 4]
    assert head.fit(Z, one_hot).predict_distribution(Z)[0].tolist() == [2.5 / 4, 1.5 / 4]
    assert head.fit(Z, one_hot, weights=np.array([0, 0, 2.0])).scores(Z)[0].tolist() == [0.5 / 4, 3.5 / 4]


@pytest.mark.parametrize("head", [heads.SigmoidHead, heads.SoftmaxHead])
def test_features_that_say_nothing_give_the_prior(head):
    Z, targets = np.full((40, 3), 7.0), np.eye(2)[(np.arange(40) % 4 == 0).astype(int)]
    np.testing.assert_allclose(head().fit(Z, targets).scores(Z), heads.PriorHead().fit(Z, targets).scores(Z), atol=0.02)


def test_labels_that_nobody_or_everybody_chose_stay_finite():
    targets = np.column_stack([np.zeros(50), np.ones(50), LOGITS[:50, 0] > 0])
    rates = heads.SigmoidHead().fit(X[:50], targets).predict_rates(X[:50])
    assert torch.isfinite(rates).all()
    assert 0 < rates[:, 0].max() < 0.05 < 0.95 < rates[:, 1].min() < 1


def test_a_row_of_weight_two_is_two_rows():
    weights, twice = np.where(np.arange(80) < 30, 2.0, 1.0), [*range(80), *range(30)]
    weighted = heads.SigmoidHead(l2=0.0).fit(FEW, FEW_RATES, weights=weights)
    doubled = heads.SigmoidHead(l2=0.0).fit(FEW[twice], FEW_RATES[twice])
    # weights do not enter the standardisation
    np.testing.assert_allclose(weighted.predict_rates(FEW), doubled.predict_rates(FEW), atol=2e-2)


@pytest.mark.parametrize("options", [{"l2": 0.01}, {}, {"hidden": 4, "max_epochs": 5}], ids=repr)
def test_a_cell_of_weight_zero_is_not_looked_at(options):
    weights = np.ones_like(FEW_RATES)
    weights[:20, 1] = 0
    spoilt = np.where(weights == 0, 1, FEW_RATES)
    a, b = (heads.SigmoidHead(**options).fit(FEW, said, weights=weights) for said in (FEW_RATES, spoilt))
    assert torch.equal(a.scores(FEW), b.scores(FEW))
    assert a.report_ == b.report_


FITTED_ON_ONE_ROW = [
    heads.SigmoidHead(),
    heads.SigmoidHead(hidden=4, learning_rate=0.01, max_epochs=50),
    heads.EnsembleHead(kind="rates", head="sigmoid", count=3, options={"l2": 0.1}),
]


@pytest.mark.parametrize("head", FITTED_ON_ONE_ROW, ids=repr)
def test_rows_that_weigh_nothing_are_not_learned_from(head):
    rates = (LOGITS[:40] > 0).astype(float)
    scores = head.fit(X[:40], rates, weights=np.eye(40)[14]).scores(X[:40])
    assert torch.isfinite(scores).all()
    assert torch.equal((scores[14] > 0.5).double(), torch.from_numpy(rates[14]))


def test_assumed_negatives_soften_and_keep_the_order():
    single, some = drawn(LOGITS[:400]), X[:400]
    hard, soft = (heads.SigmoidHead(l2=1e-3, assumed_negatives=p).fit(some, single).scores(some) for p in (0.0, 0.2))
    assert hard.min() < soft.min() < soft.max() < hard.max()
    # the mean target is single * .8 + .1
    np.testing.assert_allclose(soft.mean(dim=0), single.mean(axis=0) * 0.8 + 0.1, atol=0.01)


@pytest.mark.parametrize("hidden", [0, 16])
@pytest.mark.parametrize("with_val", [True, False])
def test_sigmoid_recovers_planted_rates(hidden, with_val):
    votes = np.random.default_rng(2).binomial(5, RATES) / 5
    fit, new, val = slice(0, 900), slice(900, 1200), slice(1200, 1500)
    head = heads.SigmoidHead(hidden=hidden, dropout=0.0, learning_rate=1e-2)
    head.fit(X[fit], votes[fit], val=(X[val], votes[val]) if with_val else None)
    prior = heads.PriorHead().fit(X[fit], votes[fit])
    error, most = (np.abs(each.predict_rates(X[new]).numpy() - RATES[new]).mean() for each in (head, prior))
    assert error < 0.2 * most


def test_val_is_not_fitted_on():
    vals = (None, (FEW, 1 - FEW_RATES))
    without, beside = (heads.SigmoidHead(l2=0.1).fit(FEW, FEW_RATES, val=val).scores(FEW) for val in vals)
    assert torch.equal(without, beside)


TEXTS = np.random.default_rng(0).normal(size=(3, 8))


def test_zero_shot_scores_by_hand_and_takes_any_list_of_labels():
    head = heads.ZeroShotHead(np.diag([2.0, 5.0]), logit_scale=2.0)
    # cosines with (3, 4): .6 and .8
    assert head.scores(np.array([[3.0, 4.0]]))[0].tolist() == pytest.approx(softmax([1.2, 1.6]))
    other = np.random.default_rng(1).normal(size=(7, 8))
    assert torch.equal(heads.ZeroShotHead(TEXTS).scores(TEXTS, texts=other), heads.ZeroShotHead(other).scores(TEXTS))
    says = "texts: 4 features per row, expected 8"
    refused(BadInput, says, heads.ZeroShotHead(TEXTS).scores, TEXTS, texts=other[:, :4])


def test_zero_shot_rates_are_calibrated_on_validation():
    head, Z = heads.ZeroShotHead(TEXTS, logit_scale=10.0), np.random.default_rng(1).normal(size=(600, 8))
    rates = expit(10 * cosine_similarity(Z, TEXTS) * [0.2, 0.3, 0.5] - [1.0, 2.0, 0.0])
    head.fit(np.zeros((2, 8)), np.zeros((2, 3)), val=(Z, rates))
    np.testing.assert_allclose(head.predict_rates(Z), rates, atol=0.01)
    refused(BadInput, "weights", head.fit, Z, rates, val=(Z, rates), weights=np.ones(600))


def test_so_few_rows_leave_nothing_to_choose_on():
    for head, rows, says in (
        (heads.SigmoidHead(), 1, "one row is too few"),
        (heads.SigmoidHead(hidden=4), 1, "one row is too few"),
        (heads.AutoHead(), 9, "9 rows are too few to keep any out for choices; give val, or take one head"),
    ):
        refused(BadInput, says, head.fit, X[:rows], np.eye(4)[np.arange(rows) % 4])
    assert heads.SigmoidHead(l2=1.0).fit(X[:1], np.eye(2)[:1]).scores(X[:1])[0, 0] > 0.7


def test_bad_weights():
    for head, weights, says in (
        (heads.SigmoidHead(), np.zeros(4), "all are zero"),
        (heads.SigmoidHead(), np.array([1, 1, -1, 1.0]), "row 2 is negative"),
        (heads.SigmoidHead(), np.ones(3), r"expected shape \[4\] or \[4, 2\], got \[3\]"),
        (heads.SigmoidHead(), np.ones((4, 3)), r"expected shape \[4\] or \[4, 2\], got \[4, 3\]"),
        (heads.SoftmaxHead(), np.ones((4, 2)), r"expected shape \[4\], got \[4, 2\]"),
    ):
        refused(BadInput, says, head.fit, X[:4], np.eye(2)[[0, 1, 0, 1]], weights=weights)


IMPOSSIBLE = [
    (heads.SigmoidHead(), "hidden", -1, "SigmoidConfig: hidden must be greater than or equal to 0, got -1"),
    (heads.SigmoidHead(), "l2", "0.1", "l2 must be a valid number or None, got '0.1'"),
    (heads.SigmoidHead(), "l2", float("nan"), "l2 must be a finite number"),
    (heads.SigmoidHead(hidden=8), "dropout", 1, "dropout must be less than 1"),
    (heads.SigmoidHead(), "patience", 0, "patience must be greater than 0"),
    (heads.SigmoidHead(), "assumed_negatives", 1.5, "assumed_negatives must be"),
    (heads.TopKHead(), "k", 0, "k must be greater than 0 or None"),
    (heads.TopKHead(), "k", 5, "k: 5 labels asked for, but there are 4; choose a smaller k"),
    (heads.ContrastiveHead(np.eye(4)), "hidden", 0, "hidden must be greater than or equal to 1"),
    (heads.AutoHead(), "kind", "rate", "kind must be 'distribution' or 'rates', got 'rate'"),
    (heads.AutoHead(), "families", ("linaer",), r"'exponential', 'rbf' or 'hidden', got \('linaer',\)"),
    (heads.AutoHead(), "families", (), "families is empty"),
]


@pytest.mark.parametrize(("head", "name", "value", "message"), IMPOSSIBLE)
def test_impossible_options_are_stored_and_refused_by_fit(head, name, value, message):
    assert head.set_params(**{name: value}).get_params()[name] is value
    few, targets = (2, [[1, 1, 0, 0], [0, 1, 1, 0]]) if isinstance(head, heads.TopKHead) else (4, np.eye(4))
    refused(BadInput, message, head.fit, X[:few], np.array(targets))


def test_options_may_be_numpys_numbers(tmp_path):
    head = heads.SigmoidHead(l2=np.float32(0.5), hidden=np.int64(0)).fit(FEW, FEW_RATES)
    assert torch.equal(head.scores(FEW), heads.SigmoidHead(l2=0.5).fit(FEW, FEW_RATES).scores(FEW))
    head.save(tmp_path)  # JSON knows no numpy


@given(st.integers(0, 2**31 - 1), st.integers(1, 5), st.booleans())
def test_the_gradient_is_autograds(seed, labels, softmax):
    generator = torch.Generator().manual_seed(seed)
    masses = torch.rand(2, 6, labels, generator=generator, dtype=torch.float64)
    objective = Objective(masses[0], None if softmax else masses[1])
    logits = torch.randn(6, labels, generator=generator, dtype=torch.float64).requires_grad_()
    objective.loss(logits).backward()
    torch.testing.assert_close(objective.gradient(logits.detach()), logits.grad)


FACTORS = [([], True), ([100], False), ([0.01, 0.01], False), ([0], True), ([0] * 20, True)]


@pytest.mark.parametrize(("factors", "one"), FACTORS)
def test_features_of_one_unit_have_one_scale_and_those_of_several_their_own(factors, one):
    Z = np.random.default_rng(0).normal(size=(500, 20)) * np.linspace(0.5, 2, 20)
    Z = Z * [*factors, *[1] * (20 - len(factors))] + 3
    found, own = Standardiser.of(torch.from_numpy(Z)), Z.std(axis=0)
    scale = np.sqrt((own[own > 1e-9] ** 2).mean()) if one and own.any() else own
    np.testing.assert_allclose(found.deviation, np.where(own > 1e-9, scale, np.inf))  # a constant says nothing
    assert found.shared == one


@pytest.mark.parametrize(("columns", "small", "one"), [(3, 1, False), (20, 1, False), (120, 6, True), (120, 7, False)])
def test_of_a_hundred_features_one_in_twenty_may_be_small(columns, small, one):
    Z = torch.from_numpy(np.random.default_rng(0).normal(size=(400, columns)))
    Z[:, :small] *= 1e-3
    assert Standardiser.of(Z).shared == one


@pytest.mark.parametrize("head", [heads.SigmoidHead(), heads.SigmoidHead(hidden=8), heads.KernelHead(kind="rates")])
def test_a_feature_that_was_constant_says_nothing_when_it_moves(head):
    here, moved = (np.column_stack([FEW, np.full(len(FEW), value)]) for value in (0.0, 5.0))
    head.fit(here, FEW_RATES)
    assert torch.equal(head.scores(here), head.scores(moved))


@given(st.integers(2, 60), st.integers(1, 5), st.integers(0, 1000))
def test_folds_part_the_rows_evenly(rows, labels, seed):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.eye(labels)[torch.randint(labels, (rows,), generator=generator)]
    parts = folds(targets, 5, generator)
    for every in (torch.cat([left_out for _, left_out in parts]), *map(torch.cat, parts)):
        assert sorted(every.tolist()) == list(range(rows))
    assert np.ptp([len(left_out) for _, left_out in parts]) <= 1
    assert (np.ptp([targets[left_out].sum(dim=0).numpy() for _, left_out in parts], axis=0) <= 1).all()


@pytest.mark.parametrize(("rows", "inside"), [(10, 1), (4_000_000, 2)])
def test_small_fits_take_one_thread_and_give_the_others_back(rows, inside):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with one_thread_if_small(torch.empty(1).expand(rows, 1)):
            assert torch.get_num_threads() == inside
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_landmarks_drawn_from_many_rows_are_nearly_as_good_as_all_of_them():
    Z = torch.randn(800, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rates = torch.sigmoid(2 * Z[:, :3] * Z[:, 3:])  # nothing that a linear head could learn
    learn, new = slice(0, 600), slice(600, 800)

    def excess(head):
        said = head.fit(Z[learn], rates[learn], generator=torch.Generator().manual_seed(1)).predict_rates(Z[new])
        return float((rate_cross_entropy(said, rates[new]) - rate_cross_entropy(rates[new], rates[new])).mean())

    how = {"kind": "rates", "kernel": "rbf", "gamma": 0.4, "l2": 1e-5}
    prior, every = excess(heads.PriorHead()), excess(heads.KernelHead(**how))
    sample = heads.KernelHead(**how, exact_rows=100, landmarks=300)
    assert every < 0.5 * prior
    assert excess(sample) < every + 0.2 * (prior - every)
    assert sample.report_["landmarks"] == 300
    assert sample.told()[0].startswith("kernel: 300 of 600 training rows, drawn by the seed, are its landmarks")


def material(kind="rates", **more):
    """What a training of 60 images has, 40 of them to fit on, and 3 to 30 people behind each."""
    Z, shares = X[:60], softmax(LOGITS[:60], axis=1) if kind == "distribution" else RATES[:60]
    sets = (shares > 0.5).astype(float)
    votes = np.random.default_rng(2).integers(3, 30, 40).astype(float)
    more = {"votes": votes, "sets": lambda: (sets[:40], sets[40:]), **more}
    return heads.Material(kind, Z[:40], shares[:40], (Z[40:], shares[40:]), val_sets=sets[40:].astype(int), **more)


def test_to_learn_is_to_fit_and_to_choose_thresholds_which_a_head_of_sets_has_not():
    some, said = material(uneven=True), []
    learned = heads.SigmoidHead().learn(some, said.append)
    fitted = heads.SigmoidHead().fit(some.X, some.shares, val=some.val, weights=some.votes)
    fitted.tune_thresholds(some.val[0], some.val_sets)
    for way in ("scores", "predict_sets"):
        assert torch.equal(getattr(learned, way)(some.X), getattr(fitted, way)(some.X))
    assert said == ["people per image differ much: votes count as votes of n, not as shares"]
    sets, val_sets = some.sets()
    head = heads.TopKHead(l2=0.1).learn(some)
    fitted = heads.TopKHead(l2=0.1).fit(some.X, sets, val=(some.val[0], val_sets))
    assert head.thresholds_ is None
    assert torch.equal(head.scores(some.X), fitted.scores(some.X))


@pytest.mark.parametrize("head", [heads.TopKHead(), heads.ContrastiveHead(np.eye(4)), heads.ByPersonHead()])
def test_material_without_what_a_head_learns_from_is_refused(head):
    some = heads.Material("rates", FEW, FEW_RATES, (FEW, FEW_RATES))
    refused(BadInput, "^material: it lacks what this head learns from: sets, texts or people$", head.learn, some)


def test_nothing_of_one_answer_each_calibrates_a_zero_shot_head():
    head = heads.ZeroShotHead(np.eye(4, 10))
    assert head.learn(material("distribution")) is head
    assert not head._state
    assert head.learn(material("rates")).predict_rates(material().X).shape == (40, 4)


def curved(rows=240, seed=0):
    """Distributions that no linear head can tell: they depend on squares."""
    Z = np.random.default_rng(seed).normal(size=(rows, 4))
    return Z, softmax(2 * np.stack([Z[:, 0] ** 2 - 1, Z[:, 1] ** 2 - 1, np.zeros(rows)], axis=1), axis=1)


def test_same_seed_same_result_and_the_clock_has_no_say(monkeypatch):
    X, P = curved(40)
    first, again = (heads.AutoHead(families=("linear", "hidden"), seed=3) for _ in range(2))
    first.fit(X, P)
    for clock in ("time", "perf_counter", "process_time", "monotonic"):
        monkeypatch.setattr(time, clock, lambda: pytest.fail("auto looked at the clock"))
    assert again.fit(X, P).report_ == first.report_
    assert torch.equal(first.scores(X), again.scores(X))


@pytest.mark.slow
def test_auto_is_no_worse_than_a_linear_head_on_new_rows():
    Z, P = curved(400)
    new, truth = (torch.from_numpy(a) for a in curved(400, seed=1))

    def excess(head):
        said = head.fit(Z, P).predict_distribution(new)
        return float((truth * (truth / said).log()).sum(dim=1).mean())

    assert excess(heads.AutoHead()) < 0.25 * excess(heads.SoftmaxHead())


def test_val_decides_and_is_not_fitted_on():
    Z, P = curved(160)
    head = heads.AutoHead(families=("linear", "rbf")).fit(Z[:100], P[:100], val=(Z[100:], P[100:]))
    rows = [len(m._state["landmarks"]) for m in head.members_ if m.name == "kernel"]
    assert (head.report_["rows"], rows) == (100, [100])
    for said in (member.predict_distribution(Z[100:]).numpy() for member in head.members_):
        loss = pytest.approx(-(P[100:] * np.log(said)).sum(axis=1).mean(), abs=1e-6)
        assert loss in head.report_["held_out_loss"].values()


def test_weights_of_a_pool_are_those_with_the_least_loss_on_rows_kept_out():
    truth, rates = torch.from_numpy(LOGITS[:400]), torch.from_numpy(RATES[:400])
    judge = Objective(rates, 1 - rates)
    noise = torch.randn(2, 400, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    members = [truth + noise[0], truth + noise[1], -truth]
    weights = fit_pool(members, judge)
    assert (weights[:2] > 0.2).all()
    assert weights[2] == 0

    def loss(weights):
        return float(judge.loss(torch.einsum("m,mnc->nc", weights.double(), torch.stack(members))))

    for moved in (weights + change * torch.eye(3)[which] for change in (0.01, -0.01) for which in (0, 1)):
        assert loss(weights) < loss(moved)


def test_why_names_what_was_kept_with_its_weight_and_is_said():
    (Z, P), said = curved(), []
    head = heads.AutoHead(families=("linear", "rbf")).learn(heads.Material("distribution", Z, P, None), said.append)
    assert head.report_["why"] == said
    assert said[-1].startswith("kept ")
    assert len(head.report_["weights"]) == len(head.members_)
    for words, loss in head.report_["held_out_loss"].items():
        assert f"{words}: held-out loss {loss:.4f}" in said


def test_inner_products_in_a_kernels_space_are_scikit_learns_kernel():
    Z, new = (torch.from_numpy(curved(rows, seed)[0]) for rows, seed in ((40, 0), (9, 1)))
    kernels = {"rbf": rbf_kernel(Z, gamma=0.5 / 4), "exponential": np.exp(-0.5 * euclidean_distances(Z) / 2)}
    for name, values in kernels.items():
        space = KernelSpace.of(name, 0.5, Z)
        np.testing.assert_allclose(space.features(Z) @ space.features(Z).T, values, atol=1e-5)
        alike = np.linalg.solve(values, space.values(new).numpy().T)  # Nystroem: what the landmarks tell of a new row
        np.testing.assert_allclose(space.features(new) @ space.features(Z).T, alike.T @ values, atol=1e-4)


OTHER_KIND = [
    (heads.SigmoidHead(), "these are distributions .*SoftmaxHead"),
    (heads.TopKHead(), "these are distributions .*SoftmaxHead"),
    (heads.KernelHead(kind="rates"), r"AutoHead\(kind=\"distribution\"\)"),
    (heads.AutoHead(kind="rates"), r"AutoHead\(kind=\"distribution\"\)"),
    (heads.EnsembleHead(kind="rates", head="sigmoid"), "these are distrib"),
    (heads.SoftmaxHead(), r"row \d+ sums to [23], not to 1.*for sets or rates take SigmoidHead"),
    (heads.KernelHead(), "not to 1.*for sets or rates take"),
    (heads.AutoHead(), "not to 1.*for sets or rates take"),
]


@pytest.mark.parametrize(("head", "says"), OTHER_KIND)
def test_targets_of_the_other_kind_are_refused_with_the_way_out(head, says):
    Z, P = curved(40)
    refused(BadInput, says, head.fit, Z, P if "distrib" in says else (P > 0.3).astype(int) | [0, 0, 1])


def test_sets_do_not_depend_on_how_weights_are_counted():
    one, many = (
        heads.TopKHead(l2=0.01).fit(FEW, FEW_RATES > 0.5, weights=weights).scores(FEW)
        for weights in (np.ones(len(FEW)), [1000.0] * len(FEW))
    )
    torch.testing.assert_close(one, many, rtol=0, atol=1e-6)


def test_noise_is_penalised_more_than_signal():
    noise = np.random.default_rng(0).random((150, 4))
    noisy, planted = (heads.SigmoidHead().fit(X[:150], said).report_["l2"] for said in (noise, RATES[:150]))
    assert noisy > planted
