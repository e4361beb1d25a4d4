"""The promises every head keeps, asked of all of them; head.json and head.safetensors, and what cannot be read."""

import contextlib
import copy
import functools
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_array

import affectml.heads.base as saving
from affectml import heads
from affectml.errors import BadInput, BadRun
from affectml.heads import SigmoidHead, load_head
from affectml.heads.load import offered

from .edited import edit

D, C = 6, 3
TEXTS = np.random.default_rng(7).normal(size=(C, D))


QUICK = {"hidden": 8, "weight_decay": 0.01, "max_epochs": 5}


@dataclass(frozen=True)
class Maker:
    """How to make a head, and what it learns: `kind` "distribution", "rates", "both", or "both, from rates"."""

    kind: str
    build: Callable[[], heads.Head]

    def __call__(self) -> heads.Head:
        return self.build()

    def case(self, seed: int = 0, rows: int = 60):
        """Features that every type of floats can hold, and distributions or rates that depend on them."""
        rng = np.random.default_rng(seed)
        features = torch.from_numpy(rng.normal(size=(rows, D))).to(torch.bfloat16).float().numpy()
        logits = features @ rng.normal(size=(D, C)) * 1.5
        if self.kind.endswith("rates"):
            return features, 1 / (1 + np.exp(-logits))
        return features, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def small_auto(kind):
    return heads.AutoHead(kind=kind, families=("linear", "exponential"))


def small_contrastive():
    return heads.ContrastiveHead(TEXTS, hidden=8, batch_size=16, max_epochs=3)


def ensemble(kind, head, **options):
    return heads.EnsembleHead(kind=kind, head=head, count=2, options=options)


HEADS: dict[str, Maker] = {
    "prior": Maker("both", heads.PriorHead),
    "softmax": Maker("distribution", lambda: heads.SoftmaxHead(l2=0.1)),
    "softmax hidden": Maker("distribution", lambda: heads.SoftmaxHead(**QUICK)),
    "sigmoid": Maker("rates", lambda: heads.SigmoidHead(l2=0.1)),
    "sigmoid hidden": Maker("rates", lambda: heads.SigmoidHead(**QUICK)),
    "sigmoid adjusted": Maker("rates", lambda: heads.SigmoidHead(logit_adjustment=1.0, l2=0.01)),
    "topk": Maker("rates", lambda: heads.TopKHead(l2=0.1)),
    "kernel softmax": Maker("distribution", lambda: heads.KernelHead(l2=0.01)),
    "kernel sigmoid": Maker("rates", lambda: heads.KernelHead(kind="rates", kernel="rbf", gamma=0.2, l2=0.01)),
    "kernel sampled": Maker("distribution", lambda: heads.KernelHead(exact_rows=9, landmarks=9, gamma=1, l2=1)),
    "ensemble hidden": Maker("distribution", lambda: ensemble("distribution", "softmax", **QUICK)),
    "ensemble linear": Maker("rates", lambda: ensemble("rates", "sigmoid", l2=0.1)),
    "ensemble kernel": Maker("rates", lambda: ensemble("rates", "kernel", gamma=0.5, l2=1e-3)),
    "auto": Maker("distribution", lambda: small_auto("distribution")),
    "auto rates": Maker("rates", lambda: small_auto("rates")),
    "zero_shot": Maker("both", lambda: heads.ZeroShotHead(TEXTS)),
    "contrastive": Maker("both", small_contrastive),
    "contrastive rates": Maker("both, from rates", small_contrastive),
}


def test_every_head_that_a_training_offers_is_here():
    assert {make().name for make in HEADS.values()} >= {*offered()}


@pytest.fixture(params=HEADS)
def make(request) -> Maker:
    return HEADS[request.param]


@functools.cache
def fitted(make: Maker) -> heads.Head:
    """The head after one fit, which the tests of this file share and leave as it is."""
    return make().fit(*make.case())


def predictions(head: heads.Head, X) -> list[torch.Tensor]:
    out = [head.scores(X)]
    for way in (head.predict_distribution, head.predict_rates):
        with contextlib.suppress(BadInput):  # a head has one or the other; which is asked elsewhere
            out.append(way(X))
    return out


def with_sets(head: heads.Head, X, sets) -> heads.Head:
    return head.tune_thresholds(X, sets) if not isinstance(head, heads.SetHead) else head


def test_scores_are_probabilities_as_detached_cpu_tensors(make):
    X, _ = make.case()
    for predicted in predictions(fitted(make), X):
        assert (predicted.shape, predicted.device.type, predicted.requires_grad) == ((len(X), C), "cpu", False)
        assert ((predicted >= 0) & (predicted <= 1)).all()
    for ask, other, kind in (("rates", "distribution", "distribution"), ("distribution", "rates", "rates")):
        if make.kind == kind:
            with pytest.raises(BadInput, match=f"predict_{other}"):
                getattr(fitted(make), f"predict_{ask}")(X)
    if make.kind != "rates":
        head, shares = fitted(make), fitted(make).predict_distribution(X)
        assert torch.allclose(shares.sum(dim=1), torch.ones(len(X), dtype=torch.float64))
        np.testing.assert_array_equal(head.predict_proba(X), shares)
        assert head.classes_.tolist() == list(range(C))
    else:
        assert [hasattr(fitted(make), name) for name in ("predict_proba", "classes_")] == [False, False]


def test_a_second_fit_forgets_the_first_and_the_global_random_state_neither_matters_nor_moves(make):
    X, P = make.case(0)
    other_X, other_P = make.case(1)
    once = fitted(make)
    torch.rand(3)
    before = torch.get_rng_state()
    twice = with_sets(make().fit(other_X, other_P), other_X, other_P.round()).fit(X, P)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(predictions(once, X), predictions(twice, X), strict=True))
    assert (twice.thresholds_, twice.report_) == (None, once.report_)


def test_same_seed_same_bits(make, tmp_path):
    X, P = make.case()
    for name in ("a", "b"):
        make().fit(X, P, generator=torch.Generator().manual_seed(5)).save(tmp_path / name)
    for file in ("head.json", "head.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("convert", [np.float16, np.float64, torch.bfloat16])
def test_any_float_type_as_array_or_tensor(make, convert):
    X, P = make.case()
    given = torch.from_numpy(X).to(convert) if isinstance(convert, torch.dtype) else X.astype(convert)
    same = make().fit(given, P)
    assert torch.allclose(fitted(make).scores(X), same.scores(given), atol=1e-4)


def test_fit_returns_the_head_itself_and_leaves_its_inputs_alone(make):
    given, head = make.case(), make()
    assert head.fit(*given, val=given) is head
    head.scores(given[0])
    for after, before in zip(given, make.case(), strict=True):
        np.testing.assert_array_equal(after, before)


def test_a_loaded_head_predicts_the_same(make, tmp_path):
    X, P = make.case()
    head = with_sets(copy.deepcopy(fitted(make)), X, (P > 0.3).astype(int))
    head.save(tmp_path)
    loaded = heads.load_head(tmp_path)
    assert (type(loaded), loaded.config, loaded.report_) == (type(head), head.config, head.report_)
    assert torch.equal(loaded.predict_sets(X), head.predict_sets(X))
    assert all(torch.equal(a, b) for a, b in zip(predictions(head, X), predictions(loaded, X), strict=True))


def test_rows_are_predicted_independently(make):
    X, _ = make.case()
    head = fitted(make)
    one_by_one = torch.cat([head.scores(row[None]) for row in X])
    assert torch.allclose(head.scores(X), one_by_one, atol=1e-12)


def test_sets_need_thresholds(make):
    X, P = make.case()
    head = copy.deepcopy(fitted(make))
    if not isinstance(head, heads.SetHead):
        assert not head.predicts_sets
        with pytest.raises(BadInput, match="tune_thresholds"):
            head.predict_sets(X)
    sets = with_sets(head, X, (P > 0.3).astype(int)).predict_sets(X)
    assert (head.predicts_sets, sets.shape, sets.dtype) == (True, (len(X), C), torch.int64)
    assert set(sets.unique().tolist()) <= {0, 1}


def test_an_unfitted_head_says_so(make, tmp_path):
    head, X = make(), make.case()[0]
    asked = {head.scores: X, head.save: tmp_path}
    for ask, given in ({head.predict_rates: X} if isinstance(head, heads.ZeroShotHead) else asked).items():
        with pytest.raises(BadInput, match="call fit"):
            ask(given)
    assert not list(tmp_path.iterdir())


def test_a_failed_fit_leaves_the_last_one(make):
    X, P = make.case()
    head = copy.deepcopy(fitted(make))
    before = head.scores(X)
    with pytest.raises(BadInput):
        head.fit(X, P[:-1])
    assert torch.equal(before, head.scores(X))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X, P: (with_cell(X, 4, np.nan), P), "X: row 4 .*NaN"),
        (lambda X, P: (X, with_cell(P, 2, np.inf)), "targets: row 2 .*infinite"),
        (lambda X, P: (X[:, 0], P), "X: expected a matrix"),
        (lambda X, P: (X, P[:-1]), "59 rows for 60 rows"),
        (lambda X, P: (csr_array(X), P), r"X: a sparse matrix is not supported; give X\.toarray\(\)"),
        (lambda X, P: (X, P - 0.5), "targets: row 0 .*outside 0..1"),
        (lambda X, P: (X[:0], P[:0]), "expected a matrix with rows"),
        (lambda X, P: (X.astype(str).astype(object), P), "X: not a numeric"),
        (lambda X, P: (X, np.array(["joy", "awe"] * 30)), r"column per label, got 'joy' as a row; pandas.get_dummies"),
        (lambda X, P: (X, P.argmax(1)), r"a column per label, got \d as a row; pandas.get_dummies\(y\) makes one"),
        (lambda X, P: (X, [[], ["joy", "awe"], ["awe"]] * 20), r"got \['joy', 'awe'\] as a row; .*MultiLabelBinarizer"),
    ],
)
def test_bad_arrays_are_named(make, spoil, message):
    X, P = spoil(*make.case())
    with pytest.raises(BadInput, match=message) as refused:
        make().fit(X, P)
    assert isinstance(refused.value, ValueError)


def with_cell(table, row, value):
    table = table.copy()
    table[row, 1] = value
    return table


def test_other_features_than_fitted_on_are_refused(make):
    with pytest.raises(BadInput, match=r"features per row"):
        fitted(make).scores(make.case()[0][:, :-1])


@pytest.mark.parametrize("name", [name for name in HEADS if name != "prior"])
def test_val_of_other_labels_is_refused(name):
    X, P = HEADS[name].case()
    with pytest.raises(BadInput, match="labels, expected 3"):
        HEADS[name]().fit(X, P, val=(X, np.full((len(X), 2), 0.5)))


def test_a_head_with_epochs_keeps_the_loss_of_each():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(60, 4, generator=generator)
    y = torch.nn.functional.one_hot((X[:, 0] > 0).long(), 2).double()
    report = heads.SoftmaxHead(hidden=4, max_epochs=7).fit(X, y, generator=generator).report_
    assert 1 <= report["epochs"] <= len(report["held_out_curve"]) <= 7
    assert report["held_out_curve"][report["epochs"] - 1] == min(report["held_out_curve"]) == report["held_out_loss"]


@pytest.fixture
def saved(tmp_path):
    rng = np.random.default_rng(0)
    head = SigmoidHead(l2=0.1).fit(rng.normal(size=(20, 3)), rng.random((20, 2)))
    head.save(tmp_path)
    return tmp_path


def refused(says, folder):
    with pytest.raises(BadRun, match=says):
        load_head(folder)


def test_a_head_is_two_files(saved):
    assert sorted(file.name for file in saved.iterdir()) == ["head.json", "head.safetensors"]
    content = json.loads((saved / "head.json").read_text())
    assert (content["schema"], content["head"], content["config"]["l2"]) == (1, "sigmoid", 0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hed": 1}, "unknown key 'hed'; did you mean 'head'"),
        ({"head": "sigmoyd"}, "no head 'sigmoyd'; did you mean 'sigmoid'"),
        ({"config": {"hiden": 1}}, "no option 'hiden'; did you mean 'hidden'"),
        ({"config": {"hidden": -3}}, "hidden must be"),
        ({"config": {"hidden": "many"}}, "head.json"),
        ({"config": {"hidden": 8}}, "no tensor 'weight1'"),
        ({"config": []}, "'config' is missing or not of type dict"),
        ({"schema": 0}, "schema 0, but this affectml reads 1: use the version that wrote it, or train again"),
        ({"schema": 2}, "schema 2, but this affectml reads 1"),
        ({"schema": "1"}, "schema '1', but this affectml reads 1"),
        ({"tensors_sha256": "0"}, "not the file that head.json was written with"),
    ],
)
def test_an_edited_description(saved, changes, message):
    edit(saved / "head.json", **changes)
    refused(message, saved)


def with_tensors(write):
    """What writes other tensors, and their digest."""

    def spoil(folder):
        write(folder / "head.safetensors")
        edit(folder / "head.json", tensors_sha256=saving.sha256(folder / "head.safetensors"))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (shutil.rmtree, r"no head\.json"),
        (lambda folder: (folder / "head.json").unlink(), "no head.json"),
        (lambda folder: (folder / "head.safetensors").unlink(), "no head.safetensors"),
        (lambda folder: (folder / "head.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "head.json").write_text("[]"), "expected a JSON object"),
        (with_tensors(lambda file: file.write_bytes(b"nonsense")), "not a safetensors file"),
        (with_tensors(lambda file: save_file(load_file(file) | {"a": torch.ones(1)}, file)), "unknown tensor 'a'"),
    ],
)
def test_a_file_that_is_missing_or_something_else(saved, spoil, says):
    spoil(saved)
    refused(says, saved)


def test_an_interrupted_save_leaves_the_old_head_or_an_error(saved, monkeypatch):
    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    rng = np.random.default_rng(1)
    other = SigmoidHead(l2=0.1).fit(rng.normal(size=(20, 3)), rng.random((20, 2)))

    stop = Mock(side_effect=KeyboardInterrupt)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("safetensors.torch.save", stop)
        other.save(saved)
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
    monkeypatch.setattr(saving, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        other.save(saved)
    refused("not the file", saved)  # half old, half new: never taken for a head
