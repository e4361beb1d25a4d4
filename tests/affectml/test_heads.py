"""The promises every head keeps, asked of all of them; head.json and head.safetensors, and what cannot be read."""

import contextlib
import copy
import functools
import json
import shutil
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
from affectml.heads.registry import offered

from .checks import edit, files_of, refused

D, C = 6, 3
TEXTS = np.random.default_rng(7).normal(size=(C, D))
QUICK = {"hidden": 8, "weight_decay": 0.01, "max_epochs": 5}
CONTRASTIVE = heads.ContrastiveHead(TEXTS, hidden=8, batch_size=16, max_epochs=3)


@dataclass(frozen=True, eq=False)
class Maker:
    """A head not fitted, of which calls give copies, and what it learns.

    kind: "distribution", "rates", "both", or "both, from rates".
    """

    kind: str
    head: heads.Head

    def __call__(self) -> heads.Head:
        return copy.deepcopy(self.head)

    def case(self, seed: int = 0):
        """Features that every type of floats can hold, and distributions or rates that depend on them."""
        rng = np.random.default_rng(seed)
        features = torch.from_numpy(rng.normal(size=(60, D))).to(torch.bfloat16).float().numpy()
        logits = features @ rng.normal(size=(D, C)) * 1.5
        if self.kind.endswith("rates"):
            return features, 1 / (1 + np.exp(-logits))
        return features, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


HEADS = {
    "prior": Maker("both", heads.PriorHead()),
    "softmax": Maker("distribution", heads.SoftmaxHead(l2=0.1)),
    "softmax hidden": Maker("distribution", heads.SoftmaxHead(**QUICK)),
    "sigmoid": Maker("rates", heads.SigmoidHead(l2=0.1)),
    "sigmoid hidden": Maker("rates", heads.SigmoidHead(**QUICK)),
    "topk": Maker("rates", heads.TopKHead(l2=0.1)),
    "kernel softmax": Maker("distribution", heads.KernelHead(l2=0.01)),
    "kernel sigmoid": Maker("rates", heads.KernelHead(kind="rates", kernel="rbf", gamma=0.2, l2=0.01)),
    "kernel sampled": Maker("distribution", heads.KernelHead(exact_rows=9, landmarks=9, gamma=1, l2=1)),
    "ensemble hidden": Maker("distribution", heads.EnsembleHead(count=2, options=QUICK)),
    "ensemble linear": Maker("rates", heads.EnsembleHead(kind="rates", head="sigmoid", count=2, options={"l2": 0.1})),
    "ensemble kernel": Maker(
        "rates", heads.EnsembleHead(kind="rates", head="kernel", count=2, options={"gamma": 0.5, "l2": 1e-3})
    ),
    "auto": Maker("distribution", heads.AutoHead(families=("linear",), seed=3)),
    "zero_shot": Maker("both", heads.ZeroShotHead(TEXTS)),
    "contrastive": Maker("both", CONTRASTIVE),
    "contrastive rates": Maker("both, from rates", CONTRASTIVE),
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


def with_sets(head: heads.Head, X, P) -> heads.Head:
    return head if isinstance(head, heads.SetHead) else head.tune_thresholds(X, (P > 0.3).astype(int))


def test_scores_are_probabilities_as_detached_cpu_tensors(make):
    (X, _), head = make.case(), fitted(make)
    for predicted in predictions(head, X):
        assert (predicted.shape, predicted.device.type, predicted.requires_grad) == ((len(X), C), "cpu", False)
        assert ((predicted >= 0) & (predicted <= 1)).all()
    for kind, other in (("distribution", "rates"), ("rates", "distribution")):
        if make.kind == kind:
            refused(BadInput, f"predict_{kind}", getattr(head, f"predict_{other}"), X)
    if make.kind == "rates":
        assert [hasattr(head, name) for name in ("predict_proba", "classes_")] == [False, False]
    else:
        shares = head.predict_distribution(X)
        assert torch.allclose(shares.sum(dim=1), torch.ones(len(X), dtype=torch.float64))
        np.testing.assert_array_equal(head.predict_proba(X), shares)
        assert head.classes_.tolist() == list(range(C))


def test_a_second_fit_is_the_first_to_the_bit_and_the_global_random_state_neither_matters_nor_moves(make, tmp_path):
    fitted(make).save(tmp_path / "once")
    head = with_sets(make().fit(*make.case(1)), *make.case(1))
    torch.rand(3)
    before = torch.get_rng_state()
    seed = getattr(head.config, "seed", 0)  # as without a generator
    head.fit(*make.case(), generator=torch.Generator().manual_seed(seed)).save(tmp_path / "twice")
    assert torch.equal(before, torch.get_rng_state())
    for file in ("head.json", "head.safetensors"):
        assert (tmp_path / "once" / file).read_bytes() == (tmp_path / "twice" / file).read_bytes()


def test_any_float_type_as_array_or_tensor(make):
    X, P = make.case()
    head = make().fit(torch.from_numpy(X).bfloat16(), P)
    assert torch.allclose(fitted(make).scores(X), head.scores(X.astype(np.float64)), atol=1e-4)


def test_fit_returns_the_head_itself_and_leaves_its_inputs_alone(make):
    given, head = make.case(), make()
    assert head.fit(*given, val=given) is head
    head.scores(given[0])
    for after, before in zip(given, make.case(), strict=True):
        np.testing.assert_array_equal(after, before)


def test_a_loaded_head_predicts_the_same_and_sets_need_thresholds(make, tmp_path):
    X, P = make.case()
    head = copy.deepcopy(fitted(make))
    if not isinstance(head, heads.SetHead):
        assert not head.predicts_sets
        refused(BadInput, "tune_thresholds", head.predict_sets, X)
    sets = with_sets(head, X, P).predict_sets(X)
    assert (head.predicts_sets, sets.shape, sets.dtype) == (True, (len(X), C), torch.int64)
    assert set(sets.unique().tolist()) <= {0, 1}
    head.save(tmp_path)
    loaded = heads.load_head(tmp_path)
    assert (type(loaded), loaded.config, loaded.report_) == (type(head), head.config, head.report_)
    assert torch.equal(loaded.predict_sets(X), sets)
    assert all(torch.equal(a, b) for a, b in zip(predictions(head, X), predictions(loaded, X), strict=True))


def test_rows_are_predicted_independently(make):
    X, _ = make.case()
    assert torch.allclose(fitted(make).scores(X), torch.cat([fitted(make).scores(row[None]) for row in X]), atol=1e-12)


def test_an_unfitted_head_says_so(make, tmp_path):
    head, X = make(), make.case()[0]
    asked = {head.scores: X, head.save: tmp_path}
    for ask, given in ({head.predict_rates: X} if isinstance(head, heads.ZeroShotHead) else asked).items():
        refused(BadInput, "call fit", ask, given)
    assert not list(tmp_path.iterdir())


ROW = np.arange(60)[:, None]
SPOILT = [
    (lambda X, P: (np.where(ROW == 4, np.nan, X), P), "X: row 4 .*NaN"),
    (lambda X, P: (X, np.where(ROW == 2, np.inf, P)), "targets: row 2 .*infinite"),
    (lambda X, P: (X[:, 0], P), "X: expected a matrix"),
    (lambda X, P: (X, P[:-1]), "59 rows for 60 rows"),
    (lambda X, P: (csr_array(X), P), r"X: a sparse matrix is not supported; give X\.toarray\(\)"),
    (lambda X, P: (X, P - 0.5), "targets: row 0 .*outside 0..1"),
    (lambda X, P: (X[:0], P[:0]), "expected a matrix with rows"),
    (lambda X, P: (X.astype(str).astype(object), P), "X: not a numeric"),
    (lambda X, P: (X, np.array(["joy", "awe"] * 30)), r"column per label, got 'joy' as a row; pandas.get_dummies"),
    (lambda X, P: (X, P.argmax(1)), r"a column per label, got \d as a row; pandas.get_dummies\(y\) makes one"),
    (lambda X, P: (X, [[], ["joy", "awe"], ["awe"]] * 20), r"got \['joy', 'awe'\] as a row; .*MultiLabelBinarizer"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_bad_arrays_are_named(make, spoil, message):
    """And a failed fit leaves the last one."""
    X, P = spoil(*make.case())
    head = copy.copy(fitted(make))
    for error in (BadInput, ValueError):
        refused(error, message, head.fit, X, P)
    assert torch.equal(head.scores(make.case()[0]), fitted(make).scores(make.case()[0]))


def test_other_features_than_fitted_on_are_refused(make):
    refused(BadInput, "features per row", fitted(make).scores, make.case()[0][:, :-1])


def test_val_of_other_labels_is_refused(make):
    X, P = make.case()
    if make.head.name != "prior":
        refused(BadInput, "labels, expected 3", make().fit, X, P, val=(X, P[:, :2]))


@pytest.fixture
def saved(tmp_path):
    fitted(HEADS["sigmoid"]).save(tmp_path)
    return tmp_path


EDITED = [
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
]


@pytest.mark.parametrize(("changes", "message"), EDITED)
def test_an_edited_description(saved, changes, message):
    edit(saved / "head.json", **changes)
    refused(BadRun, message, heads.load_head, saved)


def with_tensors(write):
    """What writes other tensors, and their digest."""

    def spoil(folder):
        write(folder / "head.safetensors")
        edit(folder / "head.json", tensors_sha256=saving.sha256(folder / "head.safetensors"))

    return spoil


BROKEN = [
    (shutil.rmtree, r"no head\.json"),
    (lambda folder: (folder / "head.json").unlink(), "no head.json"),
    (lambda folder: (folder / "head.safetensors").unlink(), "no head.safetensors"),
    (lambda folder: (folder / "head.json").write_text("{"), "not valid JSON"),
    (lambda folder: (folder / "head.json").write_text("[]"), "expected a JSON object"),
    (with_tensors(lambda file: file.write_bytes(b"nonsense")), "not a safetensors file"),
    (with_tensors(lambda file: save_file(load_file(file) | {"a": torch.ones(1)}, file)), "unknown tensor 'a'"),
]


@pytest.mark.parametrize(("spoil", "says"), BROKEN)
def test_a_file_that_is_missing_or_something_else(saved, spoil, says):
    spoil(saved)
    refused(BadRun, says, heads.load_head, saved)


def test_an_interrupted_save_leaves_the_old_head_or_an_error(saved, monkeypatch):
    before = files_of(saved)
    content = json.loads(before["head.json"])
    assert (len(before), content["schema"], content["head"], content["config"]["l2"]) == (2, 1, "sigmoid", 0.1)
    other, stop = fitted(HEADS["softmax"]), Mock(side_effect=KeyboardInterrupt)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("safetensors.torch.save", stop)
        other.save(saved)
    assert files_of(saved) == before
    monkeypatch.setattr(saving, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        other.save(saved)
    refused(BadRun, "not the file", heads.load_head, saved)  # half old, half new: never taken for a head
