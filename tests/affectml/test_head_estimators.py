"""Heads as scikit-learn estimators: written by keywords, copied, searched, put into pipelines, light to import."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import f1_score, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from affectml.errors import BadInput
from affectml.heads import (
    AutoHead,
    ContrastiveHead,
    DirichletHead,
    EnsembleHead,
    KernelHead,
    PriorHead,
    SigmoidConfig,
    SigmoidHead,
    SoftmaxHead,
    TopKHead,
    ZeroShotHead,
)

TEXTS = np.eye(3, 6)
WRITTEN = {
    "SigmoidHead(hidden=64, l2=0.1)": lambda: SigmoidHead(l2=0.1, hidden=64),
    "SoftmaxHead()": lambda: SoftmaxHead(l2=None),
    "TopKHead(k=2)": lambda: TopKHead(k=2),
    "DirichletHead(votes=5.0)": lambda: DirichletHead(votes=5.0),
    "KernelHead(kind='rates', gamma=0.2)": lambda: KernelHead(kind="rates", gamma=0.2),
    "AutoHead(kind='rates', families=('linear',))": lambda: AutoHead(kind="rates", families=("linear",)),
    "EnsembleHead(options={'l2': 0.1})": lambda: EnsembleHead(options={"l2": 0.1}),
    "ContrastiveHead(texts=[3, 6], hidden=8)": lambda: ContrastiveHead(TEXTS, hidden=8),
    "ZeroShotHead(texts=[3, 6])": lambda: ZeroShotHead(TEXTS),
    "PriorHead()": PriorHead,
}


def case(rows=90, labels=3):
    """Features, rates that depend on them, and the sets of labels whose rate is above one half."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 6)) * 10 + 3
    rates = 1 / (1 + np.exp(-(X - 3) / 10 @ rng.normal(size=(6, labels)) * 2))
    return X, rates, (rates > 0.5).astype(int)


def distribution(rates):
    return rates / rates.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("written", WRITTEN)
def test_a_head_is_shown_as_it_is_written_without_its_defaults(written):
    assert repr(WRITTEN[written]()) == written


@pytest.mark.parametrize("written", WRITTEN)
def test_a_clone_has_the_same_arguments_and_no_fit(written):
    head = WRITTEN[written]()
    head._state = {"fitted": torch.ones(1)}
    copy = clone(head)
    assert (type(copy), copy.config, repr(copy)) == (type(head), head.config, written)
    assert not copy._state
    assert head.get_params().keys() == copy.get_params().keys()


def test_keywords_are_the_config():
    assert SigmoidHead(l2=0.1, hidden=64).config == SigmoidConfig(l2=0.1, hidden=64)
    assert SigmoidHead(l2=0.1).get_params()["l2"] == 0.1
    with pytest.raises(BadInput, match="no option 'hiden'; did you mean 'hidden'"):
        SigmoidHead(hiden=64)
    with pytest.raises(BadInput, match="give a config or l2, not both"):
        SigmoidHead(SigmoidConfig(), l2=0.1)


def test_arguments_are_changed_by_name_and_the_fit_is_forgotten():
    X, rates, _ = case()
    head = SigmoidHead(l2=0.1).fit(X, rates)
    assert head.set_params() is head
    assert head.scores(X).shape == rates.shape
    assert head.set_params(l2=1.0, balance=0.5) is head
    assert repr(head) == "SigmoidHead(l2=1.0, balance=0.5)"
    with pytest.raises(BadInput, match="has not been fitted"):
        head.scores(X)
    with pytest.raises(BadInput, match="did you mean 'balance'"):
        head.set_params(ballance=1)


def test_predictions_are_sets_where_thresholds_were_chosen_and_else_the_mode():
    X, rates, sets = case()
    head = SigmoidHead(l2=0.1).fit(X, rates)
    np.testing.assert_array_equal(head.predict(X), (head.predict_rates(X) >= 0.5).numpy())
    head.tune_thresholds(X, sets)
    np.testing.assert_array_equal(head.predict(X), head.predict_sets(X).numpy())
    shares = SoftmaxHead(l2=0.1).fit(X, distribution(rates))
    np.testing.assert_array_equal(shares.predict(X).argmax(axis=1), shares.scores(X).argmax(dim=1).numpy())
    assert (shares.predict(X).sum(axis=1) == 1).all()


def test_the_score_is_minus_the_log_loss():
    X, rates, sets = case()
    head = SigmoidHead(l2=0.1).fit(X, rates)
    by_hand = -sum(log_loss(sets[:, c], head.scores(X)[:, c].numpy()) for c in range(3))
    assert head.score(X, sets) == pytest.approx(by_hand, abs=1e-7)
    shares = SoftmaxHead(l2=0.1).fit(X, distribution(rates))
    one = np.eye(3)[rates.argmax(axis=1)]
    assert shares.score(X, one) == pytest.approx(-log_loss(one, shares.scores(X).numpy()), abs=1e-7)
    assert shares.score(X, distribution(rates)) > PriorHead().fit(X, one).score(X, distribution(rates))


def test_weights_of_the_score_choose_the_rows():
    X, rates, _ = case()
    head = SigmoidHead(l2=0.1).fit(X, rates)
    first = (np.arange(len(X)) < 10).astype(float)
    assert head.score(X, rates, sample_weight=first) == pytest.approx(head.score(X[:10], rates[:10]))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (SigmoidHead(), "rates"),
        (SoftmaxHead(), "distribution"),
        (TopKHead(), "sets"),
        (KernelHead(gamma=1.0), "distribution"),
    ],
)
def test_a_pipeline_is_searched_and_cross_validated(head, kind):
    X, rates, sets = case()
    y = {"rates": rates, "sets": sets, "distribution": distribution(rates)}[kind]
    pipe = Pipeline([("scale", StandardScaler()), ("head", head)])
    scores = cross_val_score(pipe, X, y, cv=3, error_score="raise")
    assert len(scores) == 3
    assert (scores < 0).all()
    search = GridSearchCV(pipe, {"head__l2": [1e-3, 1e3]}, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_ == {"head__l2": 1e-3}
    assert search.predict(X).shape == y.shape
    assert search.score(X, y) == pytest.approx(search.best_estimator_.score(X, y))


def test_scikit_learns_own_scorers_judge_the_predicted_sets():
    X, _, sets = case()
    scorer = make_scorer(f1_score, average="samples", zero_division=1.0)
    assert (cross_val_score(SigmoidHead(l2=0.01), X, sets, cv=3, scoring=scorer, error_score="raise") > 0.8).all()


def test_importing_heads_does_not_import_scikit_learn():
    code = "import sys, affectml.heads; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == "False"
