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
from affectml.heads import AutoHead, EnsembleHead, KernelHead, SigmoidHead, SoftmaxHead, TopKHead
from affectml.heads.blocks import one_thread_if_small
from affectml.heads.hidden import AdamW
from affectml.heads.kernel import KernelSpace
from affectml.heads.linear import Standardiser, folds
from affectml.heads.objective import Objective
from affectml_metrics.functional import rate_cross_entropy


def planted(rows: int, seed: int = 0, labels: int = 4, columns: int = 10):
    """Features and the true logits of each label."""
    rng = np.random.default_rng(seed)
    features = rng.normal(loc=3.0, scale=rng.uniform(0.1, 10, columns), size=(rows, columns))
    weight = np.random.default_rng(99).normal(size=(columns, labels)) / features.std(axis=0)[:, None]
    return features, (features - 3.0) @ weight * 0.7 - 0.5


def planted_rates(rows: int):
    features, logits = planted(rows)
    return features, expit(logits)


def logistic_regression(X, y, labels, l2):
    """Scikit-learn's answers with the head's pseudo-row: the mean image, once for each label with its part."""
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    rows = np.concatenate([Z, np.zeros((labels, Z.shape[1]))])
    weights = np.concatenate([np.ones(len(Z)), np.full(labels, 1 / labels)])
    oracle = LogisticRegression(C=1 / (l2 * (len(Z) + 1)), tol=1e-10, max_iter=10_000)
    return oracle.fit(rows, [*y, *range(labels)], sample_weight=weights).predict_proba(Z)


def test_sigmoid_is_scikit_learns_logistic_regression():
    X, logits = planted(300)
    y = (np.random.default_rng(1).random(300) < 1 / (1 + np.exp(-logits[:, 0]))).astype(int)
    ours = heads.SigmoidHead(l2=0.05).fit(X, y[:, None]).predict_rates(X)
    np.testing.assert_allclose(ours[:, 0], logistic_regression(X, y, 2, l2=0.05)[:, 1], atol=2e-4)


def test_softmax_is_scikit_learns_multinomial_regression():
    X, logits = planted(300, labels=3)
    y = (logits + np.random.default_rng(1).gumbel(size=logits.shape)).argmax(axis=1)
    ours = heads.SoftmaxHead(l2=0.02).fit(X, np.eye(3)[y]).predict_distribution(X)
    np.testing.assert_allclose(ours, logistic_regression(X, y, 3, l2=0.02), atol=2e-4)


def test_prior_by_hand():
    X = np.zeros((3, 2))
    rates = heads.PriorHead().fit(X, np.array([[1, 0], [1, 1], [0, 1.0]])).predict_rates(X)
    assert rates[0].tolist() == [2.5 / 4, 2.5 / 4]
    one_hot = np.array([[1, 0], [1, 0], [0, 1.0]])
    assert heads.PriorHead().fit(X, one_hot).predict_distribution(X)[0].tolist() == [2.5 / 4, 1.5 / 4]
    weighted = heads.PriorHead().fit(X, one_hot, weights=np.array([0, 0, 2.0])).scores(X)[0]
    assert weighted.tolist() == [0.5 / 4, 3.5 / 4]


@pytest.mark.parametrize("head", [heads.SigmoidHead, heads.SoftmaxHead])
def test_features_that_say_nothing_give_the_prior(head):
    X = np.full((40, 3), 7.0)
    targets = np.eye(2)[(np.arange(40) % 4 == 0).astype(int)]
    np.testing.assert_allclose(head().fit(X, targets).scores(X), heads.PriorHead().fit(X, targets).scores(X), atol=0.02)


def test_labels_that_nobody_or_everybody_chose_stay_finite():
    X, logits = planted(50)
    targets = np.column_stack([np.zeros(50), np.ones(50), logits[:, 0] > 0])
    rates = heads.SigmoidHead().fit(X, targets).predict_rates(X)
    assert torch.isfinite(rates).all()
    assert 0 < rates[:, 0].max() < 0.05 < 0.95 < rates[:, 1].min() < 1


def test_a_row_of_weight_two_is_two_rows():
    X, rates = planted_rates(80)
    weights = np.where(np.arange(80) < 30, 2.0, 1.0)
    doubled = np.concatenate([X, X[:30]]), np.concatenate([rates, rates[:30]])
    # the same standardisation for both: weights do not enter it
    once = heads.SigmoidHead(l2=0.0).fit(X, rates, weights=weights).predict_rates(X)
    twice = heads.SigmoidHead(l2=0.0).fit(*doubled).predict_rates(X)
    np.testing.assert_allclose(once, twice, atol=2e-2)


def test_a_cell_of_weight_zero_is_not_looked_at():
    X, rates = planted_rates(80)
    weights = np.ones_like(rates)
    weights[:20, 1] = 0
    spoilt = np.where(weights == 0, 1, rates)
    a, b = (heads.SigmoidHead(l2=0.01).fit(X, said, weights=weights) for said in (rates, spoilt))
    assert torch.equal(a.scores(X), b.scores(X))
    assert a.report_ == b.report_


def test_scaling_every_weight_changes_nothing():
    X, rates = planted_rates(80)
    weights = np.random.default_rng(0).uniform(0.5, 2, 80)
    a, b = (heads.SigmoidHead(l2=0.01).fit(X, rates, weights=w) for w in (weights, 1000 * weights))
    np.testing.assert_allclose(a.scores(X), b.scores(X), atol=1e-4)


@pytest.mark.parametrize("balance", [0.5, 1.0])
def test_balance_keeps_the_mean_rate(balance):
    X, logits = planted(2000)
    truth = 1 / (1 + np.exp(-(logits - 2.5)))
    sets = (np.random.default_rng(3).random(truth.shape) < truth).astype(float)
    head = heads.SigmoidHead(balance=balance, l2=1e-3).fit(X, sets)
    np.testing.assert_allclose(head.predict_rates(X).mean(dim=0), sets.mean(axis=0), atol=0.02)
    assert max(head.report_["label_weights"]) > 2
    assert head.report_["prevalence"] == pytest.approx(sets.mean(axis=0))


def test_balance_keeps_the_mean_distribution():
    X, logits = planted(2000, labels=3)
    y = (logits * 0.5 + [0, 0, 3] + np.random.default_rng(1).gumbel(size=logits.shape)).argmax(axis=1)
    shares = heads.SoftmaxHead(balance=1.0, l2=1e-3).fit(X, np.eye(3)[y]).scores(X).mean(dim=0)
    np.testing.assert_allclose(shares, np.bincount(y) / 2000, atol=0.02)


def test_assumed_negatives_soften_and_keep_the_order():
    X, logits = planted(400)
    single = np.eye(4)[(logits + np.random.default_rng(1).gumbel(size=logits.shape)).argmax(axis=1)]
    hard, soft = (heads.SigmoidHead(l2=1e-3, assumed_negatives=part).fit(X, single).scores(X) for part in (0.0, 0.2))
    assert hard.min() < soft.min() < soft.max() < hard.max()
    # the mean target is single * .8 + .1
    np.testing.assert_allclose(soft.mean(dim=0), single.mean(axis=0) * 0.8 + 0.1, atol=0.01)


@pytest.mark.parametrize("hidden", [0, 16])
@pytest.mark.parametrize("with_val", [True, False])
def test_sigmoid_recovers_planted_rates(hidden, with_val):
    X, truth = planted_rates(1500)
    votes = np.random.default_rng(2).binomial(5, truth) / 5
    fit, new, val = np.arange(900), np.arange(900, 1200), np.arange(1200, 1500)
    head = heads.SigmoidHead(hidden=hidden, dropout=0.0, learning_rate=1e-2)
    head.fit(X[fit], votes[fit], val=(X[val], votes[val]) if with_val else None)
    prior = heads.PriorHead().fit(X[fit], votes[fit])
    error, most = (np.abs(each.predict_rates(X[new]).numpy() - truth[new]).mean() for each in (head, prior))
    assert error < 0.2 * most


def test_val_is_not_fitted_on():
    X, rates = planted_rates(200)
    without, beside = (heads.SigmoidHead(l2=0.1).fit(X, rates, val=val).scores(X) for val in (None, (X, 1 - rates)))
    assert torch.equal(without, beside)


def test_noise_is_penalised_more_than_signal():
    X, rates = planted_rates(150)
    noise = np.random.default_rng(0).random((150, 4))
    assert heads.SigmoidHead().fit(X, noise).report_["l2"] > heads.SigmoidHead().fit(X, rates).report_["l2"]


def test_zero_shot_scores_by_hand():
    head = heads.ZeroShotHead(np.array([[2.0, 0.0], [0.0, 5.0]]), logit_scale=2.0)
    # cosines with (3, 4): .6 and .8
    assert head.scores(np.array([[3.0, 4.0]]))[0].tolist() == pytest.approx(softmax([1.2, 1.6]))


def test_zero_shot_takes_any_list_of_labels():
    rng = np.random.default_rng(0)
    texts, other, X = rng.normal(size=(3, 5)), rng.normal(size=(7, 5)), rng.normal(size=(4, 5))
    assert torch.equal(heads.ZeroShotHead(texts).scores(X, texts=other), heads.ZeroShotHead(other).scores(X))
    with pytest.raises(BadInput, match="texts: 4 features per row, expected 5"):
        heads.ZeroShotHead(texts).scores(X, texts=other[:, :4])


def test_zero_shot_rates_are_calibrated_on_validation():
    rng = np.random.default_rng(0)
    texts, X = rng.normal(size=(3, 8)), rng.normal(size=(600, 8))
    head = heads.ZeroShotHead(texts, logit_scale=10.0)
    logits = 10 * cosine_similarity(X, texts)
    rates = expit(logits * [0.2, 0.3, 0.5] - [1.0, 2.0, 0.0])
    head.fit(np.zeros((2, 8)), np.zeros((2, 3)), val=(X, rates))
    np.testing.assert_allclose(head.predict_rates(X), rates, atol=0.01)
    with pytest.raises(BadInput, match="weights"):
        head.fit(X, rates, val=(X, rates), weights=np.ones(600))


@pytest.mark.parametrize("hidden", [0, 4])
def test_one_row_leaves_nothing_to_choose_on(hidden):
    X, one_hot = np.ones((1, 2)), np.eye(2)[:1]
    with pytest.raises(BadInput, match="one row is too few"):
        heads.SigmoidHead(hidden=hidden).fit(X, one_hot)
    assert heads.SigmoidHead(l2=1.0).fit(X, one_hot).scores(X)[0, 0] > 0.7


def test_rows_that_weigh_nothing_are_not_learned_from():
    X, logits = planted(40)
    weights = np.zeros(40)
    weights[7] = 1
    rates = (logits > 0).astype(float)
    scores = heads.SigmoidHead().fit(X, rates, weights=weights).scores(X)
    assert torch.isfinite(scores).all()
    assert torch.equal((scores[7] > 0.5).double(), torch.from_numpy(rates[7]))


@pytest.mark.parametrize(
    ("head", "weights", "message"),
    [
        (heads.SigmoidHead, np.zeros(4), "all are zero"),
        (heads.SigmoidHead, np.array([1, 1, -1, 1.0]), "row 2 is negative"),
        (heads.SigmoidHead, np.ones(3), r"expected shape \[4\] or \[4, 2\], got \[3\]"),
        (heads.SigmoidHead, np.ones((4, 3)), r"expected shape \[4\] or \[4, 2\], got \[4, 3\]"),
        (heads.SoftmaxHead, np.ones((4, 2)), r"expected shape \[4\], got \[4, 2\]"),
    ],
)
def test_bad_weights(head, weights, message):
    X = np.random.default_rng(0).normal(size=(4, 2))
    with pytest.raises(BadInput, match=message):
        head().fit(X, np.eye(2)[[0, 1, 0, 1]], weights=weights)


@pytest.mark.parametrize(
    ("head", "name", "value", "message"),
    [
        (heads.SigmoidHead(), "hidden", -1, "hidden must be a whole number, at least 0 and at most 65536, got -1"),
        (heads.SigmoidHead(), "hidden", 2.5, "hidden must be a whole number"),
        (heads.SigmoidHead(), "l2", -0.1, "l2 must be a number, at least 0, or None, got -0.1"),
        (heads.SigmoidHead(), "l2", "0.1", "l2 must be a number"),
        (heads.SigmoidHead(), "balance", 2, "balance must be a number, at least 0 and at most 1, got 2"),
        (heads.SigmoidHead(), "balance", float("nan"), "balance must be"),
        (heads.SigmoidHead(), "dropout", 1.0, "dropout must be a number, at least 0 and below 1"),
        (heads.SigmoidHead(hidden=8), "dropout", (), "dropout must be"),
        (heads.SigmoidHead(), "patience", 0, "patience must be a whole number, at least 1"),
        (heads.SigmoidHead(), "assumed_negatives", 1.5, "assumed_negatives must be"),
        (heads.SigmoidHead(), "rho", "fti", "rho must be .* or fit, or None, got 'fti'; did you mean 'fit'"),
        (heads.SigmoidHead(), "rho", 2.0, "rho must be a number, at least 0 and at most 1, or fit, or None, got 2.0"),
        (heads.TopKHead(), "k", 0, "k must be a whole number, at least 1, or None"),
        (heads.TopKHead(), "k", 5, "k: 5 labels asked for, but there are 4; choose a smaller k"),
        (heads.ContrastiveHead(np.eye(4)), "hidden", 0, "hidden must be a whole number, at least 1 and at most 65536"),
        (heads.AutoHead(), "kind", "rate", "kind must be distribution or rates, got 'rate'; did you mean 'rates'"),
        (heads.AutoHead(), "families", ("linaer",), r"must be .*, got \('linaer',\); did you mean 'linear'"),
        (heads.AutoHead(), "families", (), "families is empty"),
    ],
    ids=repr,
)
def test_impossible_options_are_stored_and_refused_by_fit(head, name, value, message):
    assert head.set_params(**{name: value}).get_params()[name] is value
    targets = np.array([[1, 1, 0, 0], [0, 1, 1, 0]] * 5)
    with pytest.raises(BadInput, match=message):
        head.fit(np.eye(10), targets if isinstance(head, heads.TopKHead) else np.eye(4)[np.arange(10) % 4])


def test_options_may_be_numpys_numbers(tmp_path):
    X, rates = planted_rates(30)
    head = heads.SigmoidHead(l2=np.float32(0.5), hidden=np.int64(0)).fit(X, rates)
    assert torch.equal(head.scores(X), heads.SigmoidHead(l2=0.5).fit(X, rates).scores(X))
    head.save(tmp_path)  # JSON knows no numpy


@given(st.integers(0, 2**31 - 1), st.integers(1, 5), st.booleans())
def test_the_gradient_is_autograds(seed, labels, softmax):
    generator = torch.Generator().manual_seed(seed)
    masses = torch.rand(2, 6, labels, generator=generator, dtype=torch.float64)
    objective = Objective(masses[0], None if softmax else masses[1])
    logits = torch.randn(6, labels, generator=generator, dtype=torch.float64).requires_grad_()
    objective.loss(logits).backward()
    torch.testing.assert_close(objective.gradient(logits.detach()), logits.grad)


@given(st.integers(0, 2**31 - 1), st.integers(2, 40), st.integers(1, 6))
def test_folding_the_standardisation_changes_no_logit(seed, rows, labels):
    rng = np.random.default_rng(seed)
    X = torch.from_numpy(rng.normal(rng.uniform(-50, 50, 4), rng.uniform(0.1, 20, 4), size=(rows, 4)))
    X[:, 2] = 0.1  # a constant feature, whose deviation float arithmetic does not make zero
    standard = Standardiser.of(X)
    weight, bias = torch.from_numpy(rng.normal(size=(4, labels))), torch.from_numpy(rng.normal(size=labels))
    raw, raw_bias = standard.fold(weight, bias)
    torch.testing.assert_close(X @ raw + raw_bias, standard.apply(X, torch.float64) @ weight + bias)
    assert standard.deviation[2] == 1


@given(st.integers(2, 60), st.integers(1, 5), st.integers(0, 1000))
def test_folds_part_the_rows_evenly(rows, labels, seed):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.eye(labels)[torch.randint(labels, (rows,), generator=generator)]
    parts = folds(targets, 5, generator)
    assert sorted(torch.cat([left_out for _, left_out in parts]).tolist()) == list(range(rows))
    assert np.ptp([len(left_out) for _, left_out in parts]) <= 1
    for kept, left_out in parts:
        assert sorted([*kept.tolist(), *left_out.tolist()]) == list(range(rows))
    counts = torch.stack([targets[left_out].sum(dim=0) for _, left_out in parts])
    assert (counts.max(dim=0).values - counts.min(dim=0).values <= 1).all()


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


def test_adamw_steps_as_torchs_does():
    def walked(own: bool) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        weight, bias = (torch.randn(*shape, generator=generator).requires_grad_() for shape in ((5, 7), (5,)))
        groups = [{"params": [weight], "weight_decay": 0.1}, {"params": [bias], "weight_decay": 0.0}]
        ours = AdamW([((weight,), 0.1), ((bias,), 0.0)], 0.01)
        optimiser = ours if own else torch.optim.AdamW(groups, lr=0.01)
        for _ in range(50):
            loss = (torch.randn(9, 7, generator=generator) @ weight.T + bias).sin().square().sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return [weight.detach(), bias.detach()]

    for ours, theirs in zip(walked(own=True), walked(own=False), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_landmarks_drawn_from_many_rows_are_nearly_as_good_as_all_of_them():
    X = torch.randn(800, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rates = torch.sigmoid(2 * X[:, :3] * X[:, 3:])  # nothing that a linear head could learn
    learn, new = slice(0, 600), slice(600, 800)

    def excess(head):
        said = head.fit(X[learn], rates[learn], generator=torch.Generator().manual_seed(1)).predict_rates(X[new])
        return float((rate_cross_entropy(said, rates[new]) - rate_cross_entropy(rates[new], rates[new])).mean())

    how = {"kind": "rates", "kernel": "rbf", "gamma": 0.4, "l2": 1e-5}
    prior, every = excess(heads.PriorHead()), excess(heads.KernelHead(**how))
    sample = heads.KernelHead(**how, exact_rows=100, landmarks=300)
    assert every < 0.5 * prior
    assert excess(sample) < every + 0.2 * (prior - every)
    assert sample.report_["landmarks"] == 300


def test_that_landmarks_are_drawn_is_said_before_the_fit():
    assert heads.KernelHead().foretold(2_000) == []
    assert heads.KernelHead().foretold(2_001)[0].startswith("kernel: 2,000 of 2,001 training rows, drawn by the seed")
    assert heads.AutoHead().foretold(2_001) == heads.KernelHead().foretold(2_001)


def material(kind="rates", **more):
    """What a training of 60 images has, 40 of them to fit on, and 3 to 30 people behind each."""
    X, logits = planted(60)
    shares = softmax(logits, axis=1) if kind == "distribution" else expit(logits)
    sets = (shares > 0.5).astype(float)
    votes = np.random.default_rng(2).integers(3, 30, 40).astype(float)
    more = {"votes": votes, "sets": lambda: (sets[:40], sets[40:]), **more}
    return heads.Material(kind, X[:40], shares[:40], (X[40:], shares[40:]), val_sets=sets[40:].astype(int), **more)


@pytest.mark.parametrize(
    ("head", "kind", "uneven", "weighs"),
    [
        (heads.SigmoidHead(), "rates", False, False),
        (heads.SigmoidHead(), "rates", True, True),
        (heads.SigmoidHead(rho=0.1), "rates", False, True),
        (heads.EnsembleHead(kind="rates", head="sigmoid", options={"rho": 0.1}), "rates", False, True),
        (heads.KernelHead(kind="rates"), "rates", True, False),
    ],
    ids=repr,
)
def test_a_head_takes_votes_where_it_counts_them(head, kind, uneven, weighs):
    some = material(kind, uneven=uneven)
    given = head.from_material(some)
    assert given.get("weights") is (some.votes if weighs else None)
    assert given["targets"] is some.shares


def test_to_learn_is_to_fit_and_to_choose_thresholds():
    some = material(uneven=True)
    said: list[str] = []
    learned = heads.SigmoidHead().learn(some, said.append)
    fitted = heads.SigmoidHead().fit(some.X, some.shares, val=some.val, weights=some.votes)
    fitted.tune_thresholds(some.val[0], some.val_sets)
    assert torch.equal(learned.scores(some.X), fitted.scores(some.X))
    assert torch.equal(learned.predict_sets(some.X), fitted.predict_sets(some.X))
    assert said == ["people per image differ much: votes count as votes of n, not as shares"]


def test_a_head_of_sets_learns_sets_and_chooses_no_thresholds():
    some = material()
    sets, val_sets = some.sets()
    head = heads.TopKHead(l2=0.1).learn(some)
    fitted = heads.TopKHead(l2=0.1).fit(some.X, sets, val=(some.val[0], val_sets))
    assert head.thresholds_ is None
    assert torch.equal(head.scores(some.X), fitted.scores(some.X))


@pytest.mark.parametrize(
    ("head", "lacks"),
    [
        (heads.TopKHead(), "label sets"),
        (heads.ContrastiveHead(np.eye(4)), "texts"),
        (heads.ByPersonHead(), "answers of single people"),
    ],
    ids=repr,
)
def test_material_without_what_a_head_learns_from_is_refused(head, lacks):
    X, shares = planted_rates(20)
    with pytest.raises(BadInput, match=f"^material: no {lacks}, which this head learns from$"):
        head.learn(heads.Material("rates", X, shares, (X, shares)))


def test_nothing_of_one_answer_each_calibrates_a_zero_shot_head():
    head = heads.ZeroShotHead(np.eye(4, 10))
    assert head.learn(material("distribution")) is head
    assert not head._state
    assert head.learn(material("rates")).predict_rates(material().X).shape == (40, 4)


def curved(rows=240, seed=0):
    """Distributions that no linear head can tell: they depend on squares."""
    X = np.random.default_rng(seed).normal(size=(rows, 4))
    return X, softmax(2 * np.stack([X[:, 0] ** 2 - 1, X[:, 1] ** 2 - 1, np.zeros(rows)], axis=1), axis=1)


def straight(rows=240, seed=0):
    X = np.random.default_rng(seed).normal(size=(rows, 4))
    return X, softmax(1.5 * X[:, :3], axis=1)


def test_where_nobody_says_anything_all_labels_are_alike():
    X, chosen = np.random.default_rng(0).normal(size=(10, 3)), np.arange(10) % 3
    head = AutoHead().fit(X, np.eye(3)[chosen])
    assert torch.allclose(head.scores(X), torch.tensor(1 / 3, dtype=torch.float64), atol=0.01)


def test_same_seed_same_result_and_the_clock_has_no_say(monkeypatch):
    X, P = curved(40)
    first, again = (AutoHead(kind="distribution", seed=3) for _ in range(2))
    first.fit(X, P)
    for clock in ("time", "perf_counter", "process_time", "monotonic"):
        monkeypatch.setattr(time, clock, lambda: pytest.fail("auto looked at the clock"))
    assert again.fit(X, P).report_ == first.report_
    assert torch.equal(first.scores(X), again.scores(X))


@pytest.mark.slow
def test_auto_prefers_what_predicts_better():
    for make, better, worse in ((curved, "rbf", "linear"), (straight, "linear", "exponential")):
        X, P = make()
        losses = AutoHead(families=("linear", "exponential", "rbf")).fit(X, P).report_["held_out_loss"]
        [a], [b] = ([v for words, v in losses.items() if words.startswith(name)] for name in (better, worse))
        assert a < b


@pytest.mark.slow
def test_auto_is_no_worse_than_a_linear_head_on_new_rows():
    X, P = curved(400)
    new, truth = (torch.from_numpy(a) for a in curved(400, seed=1))

    def loss(head):
        return float(-(truth * head.fit(X, P).predict_distribution(new).log()).sum(dim=1).mean())

    entropy = float(-(truth * truth.log()).sum(dim=1).mean())
    assert loss(AutoHead()) - entropy < 0.25 * (loss(SoftmaxHead()) - entropy)


def test_val_decides_and_is_not_fitted_on():
    X, P = curved(160)
    head = AutoHead(families=("linear", "rbf")).fit(X[:100], P[:100], val=(X[100:], P[100:]))
    rows = [len(m._state["landmarks"]) for m in head.members_ if m.name == "kernel"]
    assert (head.report_["rows"], rows) == (100, [100])


def test_why_names_what_was_kept_with_its_weight():
    X, P = curved()
    head = AutoHead(families=("linear", "rbf")).fit(X, P)
    assert head.report_["why"][-1].startswith("kept ")
    assert len(head.report_["weights"]) == len(head.members_)
    for words, loss in head.report_["held_out_loss"].items():
        assert f"{words}: held-out loss {loss:.4f}" in head.report_["why"]


def test_inner_products_in_a_kernels_space_are_scikit_learns_kernel():
    Z, new = (torch.from_numpy(curved(rows, seed)[0]) for rows, seed in ((40, 0), (9, 1)))
    kernels = {"rbf": rbf_kernel(Z, gamma=0.5 / 4), "exponential": np.exp(-0.5 * euclidean_distances(Z) / 2)}
    for name, values in kernels.items():
        space = KernelSpace.of(name, 0.5, Z)
        np.testing.assert_allclose(space.features(Z) @ space.features(Z).T, values, atol=1e-5)
        alike = np.linalg.solve(values, space.values(new).numpy().T)  # Nystroem: what the landmarks tell of a new row
        np.testing.assert_allclose(space.features(new) @ space.features(Z).T, alike.T @ values, atol=1e-4)


def test_features_of_one_unit_have_one_scale_and_those_of_several_their_own():
    X = np.random.default_rng(0).normal(size=(500, 20)) * np.linspace(0.5, 2, 20) + 3
    deviations = X.std(axis=0)
    one, own = Standardiser.of(torch.from_numpy(X)), Standardiser.of(torch.from_numpy(X * ([100] + [1] * 19)))
    np.testing.assert_allclose(one.deviation, np.sqrt((deviations**2).mean()))
    np.testing.assert_allclose(own.deviation, deviations * ([100] + [1] * 19))
    small = Standardiser.of(torch.from_numpy(X * ([0.01, 0.01] + [1] * 18)))
    assert (one.shared, own.shared, small.shared) == (True, False, False)
    X[:, 0] = 7  # says nothing
    assert Standardiser.of(torch.from_numpy(X)).deviation[0] == 1


def test_every_row_a_landmark_makes_nystroem_exact():
    X, P = curved(100)
    new, _ = curved(50, seed=1)
    options = {"kernel": "rbf", "gamma": 0.4, "l2": 1e-3}
    exact = KernelHead(**options).fit(X, P)
    sampled = KernelHead(**options, exact_rows=10, landmarks=100).fit(X, P)
    few = KernelHead(**options, exact_rows=10, landmarks=8).fit(X, P)
    assert few.report_["landmarks"] == 8
    np.testing.assert_allclose(exact.scores(new), sampled.scores(new), atol=1e-3)
    assert not torch.allclose(exact.scores(new), few.scores(new), atol=1e-2)


def sets():
    return (curved(40)[1] > 0.3).astype(int) | np.array([0, 0, 1])


@pytest.mark.parametrize(
    ("head", "targets", "says"),
    [
        (SigmoidHead, "distribution", "these are distributions .*SoftmaxHead"),
        (TopKHead, "distribution", "these are distributions .*SoftmaxHead"),
        (lambda: KernelHead(kind="rates"), "distribution", r"AutoHead\(kind=\"distribution\"\)"),
        (lambda: AutoHead(kind="rates"), "distribution", r"AutoHead\(kind=\"distribution\"\)"),
        (SoftmaxHead, "sets", r"row \d+ sums to [23], not to 1.*for sets or rates take SigmoidHead"),
        (KernelHead, "sets", "not to 1.*for sets or rates take"),
        (AutoHead, "sets", "not to 1.*for sets or rates take"),
        (lambda: EnsembleHead(kind="rates", head="sigmoid"), "distribution", "these are distrib"),
    ],
)
def test_targets_of_the_other_kind_are_refused_with_the_way_out(head, targets, says):
    X, P = curved(40)
    with pytest.raises(BadInput, match=says):
        head().fit(X, P if targets == "distribution" else sets())


def test_auto_needs_rows_to_choose_on():
    X, P = curved(9)
    with pytest.raises(BadInput, match="9 rows are too few to keep any out for choices; give val, or take one head"):
        AutoHead().fit(X, P)
