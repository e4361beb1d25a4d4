"""Heads as classes: what a name, a class of one's own and an option lead to; and as scikit-learn estimators."""

import inspect
import re
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from unittest import SkipTest

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import f1_score, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from affectml import heads
from affectml._own import import_module
from affectml.errors import BadInput, BadRun
from affectml.heads import Head, SoftmaxHead, load_head, registry
from affectml.heads.base import HEADS
from affectml.heads.config import Wanted
from affectml.heads.registry import build_plain, check_plain, head_class, offered
from affectml_metrics.functional import rate_cross_entropy, set_f1

from .checks import refused


@pytest.mark.parametrize("build", [build_plain, check_plain])
def test_a_mistyped_name_is_never_another_head(build):
    known = rf"no head 'sigmiod'; did you mean 'sigmoid'\? \(heads: {', '.join(offered())}; or"
    refused(BadInput, known, build, "sigmiod", Wanted())


def test_a_class_is_known_by_its_name_unless_it_has_none_or_anothers(heads_as_before):
    quiet = type(Head)("Quiet", (SoftmaxHead,), {})
    assert HEADS["softmax"] is SoftmaxHead
    assert quiet not in HEADS.values()
    taken = r"'softmax' belongs to affectml\.heads\.neural\.SoftmaxHead"
    for says, more in (
        (taken, {"name": "softmax"}),
        ("no 'rate'; did you mean 'rates'", {"name": "other", "learns": ("rate",)}),
    ):
        refused(BadInput, says, type(Head), "Other", (SoftmaxHead,), {}, **more)
    for name in ("mine", "my-own"):
        own = type(Head)("Own", (SoftmaxHead,), {}, name=name, learns=("single",))
        assert head_class(name) is type(build_plain(name, Wanted())) is own


def test_a_head_of_an_installed_package_is_known_by_its_name(neighbours, installed):
    installed("affectml-knn", heads={"knn": "my_heads:NeighbourHead"})
    assert "knn" in offered()
    assert "my_heads" not in sys.modules, "its name was enough"
    head_class("knn")(neighbours=1).fit(np.eye(4), np.eye(4)[:, :2]).save(neighbours / "head")
    del HEADS["knn"], sys.modules["my_heads"]
    assert load_head(neighbours / "head").config.neighbours == 1


NOT_TAKEN = [
    (["affectml-a"], "broken", r"package affectml-a 1\.0 fails \(ModuleNotFoundError: .*\); mend, "),
    (["affectml-a"], "path", "package affectml-a 1\\.0 names os:path, expected a head named 'path'; mend"),
    (["affectml-a"], "softmax", r"affectml and affectml-a 1\.0 have one of this name; uninstall the package$"),
    (["affectml-a", "affectml-b"], "path", r"affectml-[ab] 1\.0 and affectml-[ab] 1\.0 have .* all but one$"),
]


@pytest.mark.parametrize(("packages", "name", "says"), NOT_TAKEN)
def test_a_package_whose_head_cannot_be_taken_is_named_in_one_line(installed, packages, name, says):
    points = {"broken": "nowhere:Head", "path": "os:path", "softmax": "affectml.heads:SoftmaxHead"}
    for package in packages:
        installed(package, heads=points)
    refused(BadInput, f"^head '{name}': {says}", head_class, name)
    assert head_class("sigmoid").name == "sigmoid", "it stands in nobody's way"


TASKS = [("single", False), ("distribution", False), ("rates", True), ("sets", True), ("single", True)]


@pytest.mark.parametrize("head", offered())
@pytest.mark.parametrize(("target", "multilabel"), TASKS)
def test_a_head_is_built_for_what_it_learns_and_refuses_the_rest(head, target, multilabel):
    wanted = Wanted(target=target, multilabel=multilabel)
    if wanted.task in HEADS[head].learns:
        check_plain(head, wanted)
        assert build_plain(head, wanted, np.eye(3)).name == head
    else:
        refused(BadInput, rf"^an? {head} head .*: .*take head='(sigmoid|softmax)'$", check_plain, head, wanted)


def test_a_run_folder_imports_no_code(neighbours):
    """A head is read by its name alone."""
    import_module("my_heads").NeighbourHead().fit(np.eye(4), np.eye(4)[:, :2]).save(neighbours / "head")
    del HEADS["knn"]
    refused(BadRun, "no head 'knn'.*import the module that defines it first", load_head, neighbours / "head")


TYPED = [
    ("sigmoid", {"l2": "0.1", "assumed_negatives": "0"}, {"l2": 0.1, "assumed_negatives": 0.0}),
    ("softmax", {"learning_rate": "none", "batch_size": "64"}, {"learning_rate": None, "batch_size": 64}),
    ("kernel", {"kernel": "rbf", "gamma": 0.4}, {"kernel": "rbf", "gamma": 0.4}),
    ("auto", {"families": "linear, rbf"}, {"families": ("linear", "rbf")}),
    ("zero_shot", {"logit_scale": "50"}, {"logit_scale": 50.0}),
]


@pytest.mark.parametrize(("head", "words", "values"), TYPED)
def test_options_are_read_as_the_types_of_the_config(head, words, values):
    found = registry.typed_options(HEADS[head], words)
    assert found == values
    assert [type(value) for value in found.values()] == [type(value) for value in values.values()]
    again = {name: registry.option_words(value) for name, value in found.items()}
    assert registry.typed_options(HEADS[head], again) == found


NO_OPTIONS = [
    ("sigmoid", {"dropuot": "1"}, r"a sigmoid head has no option 'dropuot'; did you mean 'dropout'\? \(options: a"),
    ("sigmoid", {"l2": "strong"}, "l2='strong': it should be a valid number, .* or none"),
    ("sigmoid", {"l2": "1e400"}, "l2='1e400': it should be a finite number or none"),
    ("sigmoid", {"batch_size": "2.5"}, "batch_size='2.5': it should be a valid integer"),
    ("sigmoid", {"l2": "-1"}, "l2='-1': it should be greater than or equal to 0 or none"),
    ("kernel", {"kernel": "linear"}, "it should be 'exponential' or 'rbf'"),
    ("sigmoid", {"dropout": "1"}, "dropout='1': it should be less than 1"),
    ("sigmoid", {"hidden": "99999999"}, "hidden='99999999': it should be less than or equal to 65536"),
    ("kernel", {"kind": "rates"}, "this is what multilabel says"),
    ("topk", {"hidden": 64}, "a topk head has no option 'hidden'"),
    ("sigmoid", {"k": 2}, "a sigmoid head has no option 'k'"),
]


@pytest.mark.parametrize(("head", "options", "says"), NO_OPTIONS)
def test_an_option_that_cannot_be_set_is_refused_with_the_way_out(head, options, says):
    refused(BadInput, says, check_plain, head, Wanted("rates", True, options))


def test_the_page_has_every_option_of_every_head():
    page = Path(__file__).parents[2] / "docs" / "training.md"
    if not page.is_file():
        pytest.skip("tests run away from the repository, without its docs")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([a-z_, ]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    told = {(head, name) for names, heads in rows for name in re.findall(r"\w+", names) for head in heads.split(", ")}
    assert {head for head in offered() if registry.free_options(HEADS[head])} <= {head for head, _ in told}
    assert told == {(head, name) for head, _ in told for name in registry.free_options(HEADS[head])}


@pytest.mark.parametrize("head", ["prior", "ensemble"])
def test_a_head_that_is_not_trained_is_not_offered_and_says_what_it_is(head):
    assert head not in offered()
    refused(BadInput, f"^head='{head}': an? {head} head .*; take one of {', '.join(offered())}$", head_class, head)


RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)) * 10 + 3
RATES = 1 / (1 + np.exp(-(X - 3) / 10 @ RNG.normal(size=(6, 3)) * 2))
TARGETS = {"rates": RATES, "sets": (RATES > 0.5).astype(int), "distribution": RATES / RATES.sum(axis=1, keepdims=True)}
TEXTS = np.eye(3, 6)
WRITTEN = {
    "SigmoidHead(hidden=64, l2=0.1)": heads.SigmoidHead(l2=0.1, hidden=64),
    "SoftmaxHead()": heads.SoftmaxHead(l2=None),
    "TopKHead(k=2)": heads.TopKHead(k=2),
    "KernelHead(kind='rates', gamma=0.2)": heads.KernelHead(kind="rates", gamma=0.2),
    "AutoHead(kind='rates', families=('linear',))": heads.AutoHead(kind="rates", families=("linear",)),
    "EnsembleHead(options={'l2': 0.1})": heads.EnsembleHead(options={"l2": 0.1}),
    "ContrastiveHead(texts=[3, 6], hidden=8)": heads.ContrastiveHead(TEXTS, hidden=8),
    "ZeroShotHead(texts=[3, 6])": heads.ZeroShotHead(TEXTS),
    "PriorHead()": heads.PriorHead(),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_head_is_shown_as_it_is_written_and_a_clone_has_the_same_arguments_and_no_fit(written):
    head = WRITTEN[written]
    assert repr(head) == written
    head._state = {"fitted": torch.ones(1)}
    copy = clone(head)
    assert (type(copy), copy.config, repr(copy), copy._state) == (type(head), head.config, written, {})
    assert head.get_params().keys() == copy.get_params().keys()


def test_keywords_are_the_config_are_shown_as_arguments_and_change_it():
    assert list(inspect.signature(heads.TopKHead).parameters) == list(heads.TopKHead().get_params())
    assert str(inspect.signature(heads.ZeroShotHead)).endswith("logit_scale=100.0)")
    head = heads.SigmoidHead(l2=0.1).fit(X, RATES)
    assert head.set_params().scores(X).shape == RATES.shape  # nothing is changed, and no fit forgotten
    assert repr(head.set_params(l2=1.0, patience=5)) == repr(head) == "SigmoidHead(l2=1.0, patience=5)"
    refused(BadInput, "has not been fitted", head.scores, X)
    refused(BadInput, "did you mean 'patience'", head.set_params, pateince=1)
    refused(BadInput, "no option 'hiden'; did you mean 'hidden'", heads.SigmoidHead, hiden=64)


@pytest.fixture
def fitted():
    """A head of rates, and one of distributions."""
    return heads.SigmoidHead(l2=0.1).fit(X, RATES), heads.SoftmaxHead(l2=0.1).fit(X, TARGETS["distribution"])


def test_predictions_are_sets_where_thresholds_were_chosen_and_else_the_mode(fitted):
    head, shares = fitted
    np.testing.assert_array_equal(head.predict(X), (head.predict_rates(X) >= 0.5).numpy())
    head.tune_thresholds(X, TARGETS["sets"])
    np.testing.assert_array_equal(head.predict(X), head.predict_sets(X).numpy())
    np.testing.assert_array_equal(shares.predict(X), np.eye(3)[shares.scores(X).argmax(dim=1)])


def test_the_score_is_minus_the_log_loss_of_the_rows_that_weigh(fitted):
    (head, shares), sets, one = fitted, TARGETS["sets"], np.eye(3)[RATES.argmax(axis=1)]
    by_hand = -sum(log_loss(sets[:, c], head.scores(X)[:, c].numpy()) for c in range(3))
    assert head.score(X, sets) == pytest.approx(by_hand, abs=1e-7)
    assert shares.score(X, one) == pytest.approx(-log_loss(one, shares.scores(X).numpy()), abs=1e-7)
    prior = heads.PriorHead().fit(X, one)
    assert shares.score(X, TARGETS["distribution"]) > prior.score(X, TARGETS["distribution"])
    first = (np.arange(len(X)) < 10).astype(float)
    assert head.score(X, RATES, sample_weight=first) == pytest.approx(head.score(X[:10], RATES[:10]))


SEARCHED = [
    (heads.SigmoidHead(l2=0.1), "rates"),
    (heads.SoftmaxHead(l2=0.1), "distribution"),
    (heads.TopKHead(l2=0.1), "sets"),
    (heads.KernelHead(gamma=1.0, l2=0.1), "distribution"),
]


@pytest.mark.parametrize(("head", "kind"), SEARCHED)
def test_a_pipeline_is_searched_and_cross_validated(head, kind):
    y, pipe = TARGETS[kind], Pipeline([("scale", StandardScaler()), ("head", head)])
    assert (cross_val_score(pipe, X, y, cv=2, error_score="raise") < 0).all()
    search = GridSearchCV(pipe, {"head__l2": [1e-3, 1e3]}, cv=2, error_score="raise").fit(X, y)
    assert (search.best_params_, search.predict(X).shape) == ({"head__l2": 1e-3}, y.shape)
    assert search.score(X, y) == pytest.approx(search.best_estimator_.score(X, y))


class OneHot:
    """scikit-learn's checks give class labels, and heads take a row of shares for each row of X: so they are told."""

    def fit(self, X, y, **more):
        return super().fit(X, shares_of_classes(y), **more)

    def score(self, X, y, **more):
        return super().score(X, shares_of_classes(y), **more)


def shares_of_classes(y):
    """A one-hot row for each class label; what is no number is passed on as it is."""
    values = np.asarray(y)
    if values.dtype.kind not in "iuf" or not values.size or not np.isfinite(values).all():
        return y
    found, which = np.unique(values.reshape(len(values), -1)[:, 0], return_inverse=True)
    return np.eye(max(3, len(found)))[which]


CHECKED = {
    heads.PriorHead: {},
    heads.SigmoidHead: {"l2": 0.1},
    heads.SoftmaxHead: {"l2": 0.1},
    heads.KernelHead: {"gamma": 1.0, "l2": 0.1},
    heads.EnsembleHead: {"count": 2, "options": {"l2": 0.1}},
}


EXPECTED = {
    "check_no_attributes_set_in_init",  # report_ and thresholds_ are there before a fit, empty
    "check_estimators_unfitted",  # NotFittedError is scikit-learn's, which heads do not import
    "check_array_api_input",  # heads turn what they are given into CPU tensors; the check skips itself
    # the error says it in other words: what came, what was wanted, the way out
    "check_estimators_empty_data_messages", "check_complex_data", "check_dtype_object", "check_fit2d_predict1d",
    "check_n_features_in_after_fitting", "check_requires_y_none",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Estimator .* does not inherit from `sklearn.base.BaseEstimator`")
@pytest.mark.parametrize("head", CHECKED, ids=lambda head: head.__name__)
def test_scikit_learns_checks_pass_but_for_those_named_with_their_reason(monkeypatch, head):
    own = type(f"OneHot{head.__name__}", (OneHot, head), {"__module__": __name__})
    monkeypatch.setitem(globals(), own.__name__, own)  # where a check that pickles it looks for it
    passed = 0
    for estimator, check in estimator_checks_generator(own(**CHECKED[head])):
        name = getattr(check, "func", check).__name__
        with suppress(Exception, SkipTest) if name in EXPECTED else nullcontext():
            check(estimator)
            passed += 1
    assert passed > 25


def test_metrics_of_scikit_learn_and_affectml_metrics_judge_sets_and_rates():
    def validated(kind, scoring):
        return cross_val_score(heads.SigmoidHead(l2=0.01), X, TARGETS[kind], cv=3, scoring=scoring, error_score="raise")

    def by_rates(head, X, y):
        return -rate_cross_entropy(head.predict_rates(X), y).mean().item()

    theirs = validated("sets", make_scorer(f1_score, average="samples", zero_division=1.0))
    assert min(theirs) > 0.8
    assert validated("sets", make_scorer(lambda y, said: set_f1(said, y).mean().item())) == pytest.approx(theirs)
    assert 3 * validated("rates", by_rates) == pytest.approx(validated("rates", None))  # score sums the labels
    labels = np.eye(3)[RATES.argmax(axis=1)]
    assert max(cross_val_score(heads.SoftmaxHead(l2=0.1), X, labels, scoring="neg_log_loss", error_score="raise")) < 0
