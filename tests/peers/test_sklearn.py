"""scikit-learn's own tests of its metrics, put to ours: an adapter gives our functions its signatures, and its test
modules import them under its names. What fails has its reason in DIFFERS; a failure or a pass beyond it fails here.

What is not asked of us goes to scikit-learn itself: a test counts only if one of our functions answered in it. So do
refusals of bad input, whose words are not ours; tests/metrics/test_metrics_bad_input.py has ours.
"""

import importlib
import inspect
import itertools
import unittest
import warnings
from collections.abc import Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.preprocessing import label_binarize

from affectml_metrics import functional as F

MODULES = ("test_ranking", "test_classification", "test_common")
SEED = {"global_random_seed": 42}  # the one fixture that its tests of metrics take
PARAM = type(pytest.param())
asked = []  # names of ours that answered in the test that runs


class NotOursError(Exception):
    """A question that our functions are not for, as of one class against another."""


def array(y):
    return y.toarray() if hasattr(y, "toarray") else np.asarray(y)


def tables(y_true, y_pred, *, positive=None, classes=True):
    """Both as 0/1 tables: tables as they are, answers of three classes or more as sets of one, of two as a column."""
    true, pred = array(y_true), array(y_pred)
    if true.ndim == pred.ndim == 2 and true.shape[1] > 1:
        return true, pred
    if true.ndim != 1 or pred.ndim != 1 or true.dtype.kind != pred.dtype.kind:
        raise NotOursError
    known = np.unique(np.concatenate([true, pred]))
    if len(known) < 3 and not classes:
        positive = known[-1] if positive is None else positive
        return (true == positive)[:, None], (pred == positive)[:, None]
    if not classes or len(known) < 3:
        raise NotOursError
    return label_binarize(true, classes=known), label_binarize(pred, classes=known)


def scores(y_true, y_score, positive=1):
    """A 0/1 table with scores; of two classes the column of one."""
    true, score = array(y_true), array(y_score)
    if score.ndim == 1:
        true, score = (true.ravel() == positive)[:, None], score[:, None]
    if true.ndim != 2 or true.shape != score.shape or true.dtype.kind not in "biuf":
        raise NotOursError
    return true, score


def mean(rows, sample_weight=None):
    """The mean of rows that are not nan."""
    rows = np.asarray(rows, dtype=float)
    known = ~np.isnan(rows)
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=float)[known]
    return float(np.average(rows[known], weights=weights)) if known.any() else np.nan


def of_labels(over_table, of_row, y_true, y_pred, *, labels=None, pos_label=1, average="binary",
              sample_weight=None, zero_division="warn"):  # fmt: skip
    """Precision, recall, F1, MCC and Jaccard, by label or by row."""
    if labels is not None or (average != "samples" and over_table is None):
        raise NotOursError
    true, pred = tables(y_true, y_pred, positive=pos_label, classes=average != "binary")
    none = 0.0 if zero_division == "warn" else float(zero_division)
    if average == "samples":
        one = {"one_empty": none} if of_row in (F.set_precision, F.set_recall) else {}
        return mean(of_row(pred, true, both_empty=none, **one), sample_weight)
    kind = "none" if average is None else "macro" if average == "binary" else average
    found = over_table(pred, true, average=kind, zero_division=none, weights=sample_weight).numpy()
    return found if average is None else float(found)


precision = partial(of_labels, F.label_precision, F.set_precision)
recall = partial(of_labels, F.label_recall, F.set_recall)
f1 = partial(of_labels, F.label_f1, F.set_f1)
jaccard = partial(of_labels, None, F.set_jaccard)


def all_three(y_true, y_pred, *, beta=1.0, average=None, warn_for=(), sample_weight=None, **more):
    if beta != 1.0:
        raise NotOursError
    more |= {"average": average, "sample_weight": sample_weight}
    found = [metric(y_true, y_pred, **more) for metric in (precision, recall, f1)]
    if average is not None:
        return (*found, None)
    true, _ = tables(y_true, y_pred)
    return (*found, (true if sample_weight is None else true * np.asarray(sample_weight)[:, None]).sum(axis=0))


def top_k(y_true, y_score, *, k=2, sample_weight=None, labels=None, normalize=True):
    true, score = array(y_true), array(y_score)
    if score.ndim != 2 or score.shape[1] < 2 or not normalize:
        raise NotOursError
    right = np.searchsorted(np.unique(true) if labels is None else np.asarray(labels), true)
    return mean(F.top_k_accuracy(score, right, k=min(k, score.shape[1]), ties="first"), sample_weight)


def by_row(of_row, gather, y_true, y_pred, *, sample_weight=None, normalize=True, k=None, **more):
    """The mean over rows; k: of top-k. ignore_ties and classes by name are not asked of ours."""
    if more or not normalize:
        raise NotOursError
    true, pred = gather(y_true, y_pred)
    return mean(of_row(pred, true) if k is None else of_row(pred, true, k=k), sample_weight)


def ranked(over_table, y_true, y_score, *, average="macro", sample_weight=None, pos_label=None, **more):
    """Average precision and the area under the ROC curve."""
    if any(value not in (None, "raise") for value in more.values()):
        raise NotOursError
    last = np.unique(np.asarray(y_true))[-1] if np.ndim(y_score) == 1 and over_table is F.label_auroc else 1
    true, score = scores(y_true, y_score, last if pos_label is None else pos_label)
    if average == "samples":
        if sample_weight is not None or true.shape[1] == 1:
            raise NotOursError
        true, score, average = true.T, score.T, "macro"
    found = over_table(score, true, average="none" if average is None else average, weights=sample_weight).numpy()
    return found if average is None else float(found)


ADAPTERS = {
    "precision_score": precision,
    "recall_score": recall,
    "f1_score": f1,
    "jaccard_score": jaccard,
    "precision_recall_fscore_support": all_three,
    "accuracy_score": partial(by_row, F.exact_match, tables),
    "zero_one_loss": partial(by_row, lambda p, t: 1 - F.exact_match(p, t), tables),
    "hamming_loss": partial(by_row, F.hamming_loss, partial(tables, classes=False)),
    "matthews_corrcoef": partial(of_labels, F.label_mcc, None, pos_label=None),
    "average_precision_score": partial(ranked, partial(F.mean_average_precision, no_labels=0.0)),
    "roc_auc_score": partial(ranked, F.label_auroc),
    "label_ranking_average_precision_score": partial(
        by_row, partial(F.label_ranking_average_precision, ties="lowest", no_labels=1.0), scores,
    ),
    "top_k_accuracy_score": top_k,
    "coverage_error": partial(by_row, partial(F.coverage_error, no_labels=0.0), scores),
    "label_ranking_loss": partial(by_row, partial(F.ranking_loss, tie_cost=1.0, no_labels=0.0), scores),
    "ndcg_score": partial(by_row, partial(F.ndcg, no_labels=0.0), scores),
}  # fmt: skip

DIFFERS = {  # why: its tests, with the parameters that fail
    "no `UndefinedMetricWarning` where a figure is 0/0: the value is what `zero_division` or `no_labels` says": (
        "test_roc_curve_toydata",
        "test_auc_score_non_binary_class",
        "test_precision_recall_curve_toydata[0|1]",
        "test_zero_division_nan_warning[f1_score-0|precision_score-0|recall_score-0]",
        "test_multilabel_jaccard_score",
        "test_jaccard_score_zero_division_warning",
        "test_precision_recall_f1_no_labels_check_warnings[macro|micro|weighted|samples]",
        "test_precision_recall_f1_no_labels_average_none_warn",
        "test_prf_warnings",
        "test_recall_warnings[warn]",
        "test_precision_warnings[warn]",
        "test_fscore_warnings[warn]",
    ),
    "no warning where k is all labels, on which every top k is right": ("test_top_k_accuracy_score_warning[0|1]",),
    'equal scores at place k: scikit-learn takes the last labels, `ties="first"` the first, the default the mean over '
    "all orders": ("test_top_k_accuracy_score_ties[0|1|2]",),
}


def labels_of(tests) -> Iterator[str]:
    for each in tests:
        name, bracket, given = each.rstrip("]").partition("[")
        yield from (f"{name}[{one}]" for one in given.split("|")) if bracket else (name,)


def under(name):
    """Ours where it can answer, else scikit-learn's, which refuses what it refuses before."""
    theirs = getattr(sklearn_metrics, name)

    @wraps(theirs)
    def metric(*args, **more):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs(*args, **more)
        asked.append(name)
        try:
            return ADAPTERS[name](*args, **more)
        except NotOursError:
            asked.pop()
            return theirs(*args, **more)

    return metric


def cases(module) -> Iterator[tuple[str, Any]]:
    """Each of its tests that may ask ours, with each of its parameters."""
    metrics = vars(module).get("ALL_METRICS", {})
    others = {name for name, metric in metrics.items() if getattr(metric, "func", metric).__name__ not in ADAPTERS}
    for name, test in list(vars(module).items()):
        if not name.startswith("test_") or "array_api" in name:  # arrays of other libraries
            continue
        axes = [mark.args for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        for chosen in itertools.product(*(enumerate(values) for _, values in axes)):
            given, words = {}, []
            for (names, _), (at, value) in zip(axes, chosen, strict=True):
                names = [each.strip() for each in names.split(",")] if isinstance(names, str) else list(names)
                values = value.values if isinstance(value, PARAM) else value if len(names) > 1 else [value]
                given |= dict(zip(names, values, strict=True))
                words.append(values[0] if isinstance(values[0], str) else getattr(values[0], "__name__", str(at)))
            fixtures = set(inspect.signature(test).parameters) - set(given)
            if fixtures <= set(SEED) and not others & set(words):
                label = f"{name}[{'-'.join(words)}]" if words else name
                yield label, partial(test, **given, **{name: SEED[name] for name in fixtures})


def outcomes() -> dict[str, bool]:
    """Whether each of its tests in which ours answered passes; those that skip themselves are left out."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in ADAPTERS:
            patch.setattr(sklearn_metrics, name, under(name))
        modules = [importlib.import_module(f"sklearn.metrics.tests.{name}") for name in MODULES]
    for label, test in itertools.chain.from_iterable(map(cases, modules)):
        asked.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                test()
                passed = True
            except (unittest.SkipTest, pytest.skip.Exception):
                continue
            except (Exception, pytest.fail.Exception):
                passed = False
        if asked:
            found[label] = passed
    return found


@pytest.mark.slow
def test_its_own_tests_pass_but_for_those_whose_reason_is_named():
    found = outcomes()
    named = {label for tests in DIFFERS.values() for label in labels_of(tests)}
    assert {label for label, passed in found.items() if not passed} == named & set(found)
    assert sum(found.values()) > 300


def test_the_documentation_names_them():
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    for why, tests in DIFFERS.items():
        names = ", ".join(f"`{test.partition('[')[0]}`" for test in tests)
        assert f"| {why} | {names} |" in page
