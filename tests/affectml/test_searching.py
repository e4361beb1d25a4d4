"""How heads search: rows in blocks, the same fit wherever they are; settings of a hidden layer."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.base import clone

from affectml import heads, parts
from affectml._rows import RowsOnDisk
from affectml.embeddings import store as stores
from affectml.embeddings import write_store
from affectml.encoders import EncoderIdentity
from affectml.errors import BadArray, BadDataset
from affectml.heads import base, blocks, hidden, linear
from affectml.heads.blocks import Blocks
from affectml.heads.hidden import Racer
from affectml.heads.linear import Standardiser
from affectml.heads.objective import Objective

from .checks import refused

ROWS, COLUMNS, LABELS = 900, 12, 4


def drawn(rows=ROWS, seed=0):
    """Features float16, not standardised, and rates that follow from them."""
    own = np.random.default_rng(seed)
    X = (own.normal(size=(rows, COLUMNS)) * np.linspace(0.5, 2, COLUMNS) + 3).astype(np.float16)
    logits = (X.astype(float) - 3) @ np.random.default_rng(9).normal(size=(COLUMNS, LABELS)) / 2
    return X, np.round(1 / (1 + np.exp(-logits)), 1)


def stored(folder, X):
    """A store of several parts."""
    identity = EncoderIdentity("imported-drawn", None, None, {}, "float16", False, COLUMNS, False, "0" * 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "SIZE", len(X) // 3 + 1)
        return write_store(folder, identity, [f"{row:04d}" for row in range(len(X))], np.array_split(X, 5))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("data"), drawn()[0])


@pytest.fixture
def large(monkeypatch):
    """Every X counts as large, and its blocks are small."""
    sizes = {"BIG": 0, "PART": 64, "SAMPLE": 128, "RUN": 16, "RUNS": 8}
    for module, (name, value) in itertools.product((base, blocks, linear), sizes.items()):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)


def mapped(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def test_few_rows_are_an_array_for_heads_that_know_nothing_else(store, monkeypatch):
    few = store.features(store.ids)
    monkeypatch.setattr(stores, "BIG", ROWS * COLUMNS - 1)
    many = store.features(store.ids)
    assert (type(few), type(many)) == (np.ndarray, RowsOnDisk)
    np.testing.assert_array_equal(few, np.asarray(many))


ROWS_TAKEN = [slice(10, 20), slice(250, 650), np.array([5]), np.array([700, 3, 3, 299, 300]), np.array([], dtype=int)]


@pytest.mark.parametrize("index", ROWS_TAKEN)
def test_rows_on_disk_are_those_of_the_array(store, index):
    X = drawn()[0].astype(np.float32)
    rows = store.on_disk(store.ids)
    assert rows.shape == X.shape
    np.testing.assert_array_equal(rows[index], X[index])
    some = np.random.default_rng(1).permutation(ROWS)[:400]
    np.testing.assert_array_equal(np.asarray(rows.take(some)), X[some])
    np.testing.assert_array_equal(rows.take(some)[10:20], X[some][10:20])
    np.testing.assert_array_equal(store.rows(store.ids[::-1]), X[::-1])
    rows.let_go()
    np.testing.assert_array_equal(rows[index], X[index])  # read again


def test_a_value_that_is_no_number_is_named_by_its_image_or_row(tmp_path):
    X, _ = drawn(20)
    X[7, 2] = np.nan
    store = stored(tmp_path, X)
    rows = store.on_disk(store.ids)
    assert rows[:7].shape == (7, COLUMNS)
    refused(BadDataset, "'0007' is not finite", rows.__getitem__, slice(5, 9))
    refused(BadDataset, "'0007'", rows.take(np.array([9, 7, 1])).__getitem__, slice(1, None))
    refused(BadArray, "row 7 ", RowsOnDisk.of(mapped(X, tmp_path)).__getitem__, np.array([3, 7]))


HEADS = {
    "linear": heads.SigmoidHead(),
    "linear, one L2": heads.SigmoidHead(l2=0.01),
    "softmax": heads.SoftmaxHead(),
    "hidden": heads.SigmoidHead(hidden=8, batch_size=32, max_epochs=2),
    "softmax, hidden": heads.SoftmaxHead(hidden=8, batch_size=32, max_epochs=2, dropout=0.3),
    "contrastive": heads.ContrastiveHead(torch.eye(LABELS, 6), hidden=8, batch_size=32, max_epochs=2),
    "prior": heads.PriorHead(),
    "zero_shot": heads.ZeroShotHead(np.random.default_rng(0).normal(size=(LABELS, COLUMNS))),
}


def fitted(name, rows, Y, kept_out=200):
    """That head on these rows, with so many others as `val`."""
    Xv, Yv = drawn(kept_out or 1, seed=1)
    if name.startswith("softmax"):
        Y, Yv = (each / each.sum(axis=1, keepdims=True) for each in (Y, Yv))
    return clone(HEADS[name]).fit(rows, Y, val=(Xv, Yv) if kept_out else None)


FOLDS = pytest.param("linear", 0, marks=pytest.mark.slow)  # which searches for an L2 by folds
LEARNED = [*((name, 200) for name in HEADS), ("hidden", 0), FOLDS]


@pytest.mark.parametrize(("name", "kept_out"), LEARNED)
def test_rows_on_disk_and_in_memory_give_the_same_weights_to_the_last_bit(large, store, tmp_path, name, kept_out):
    X, Y = drawn()
    first = fitted(name, X, Y, kept_out)
    for rows in (mapped(X, tmp_path), store.on_disk(store.ids)):
        head = fitted(name, rows, Y, kept_out)
        assert torch.equal(head.scores(rows), first.scores(X))
        assert head.report_ == first.report_
        assert all(torch.equal(head._state[key], value) for key, value in first._state.items())


@pytest.mark.parametrize(("name", "most"), [("linear", 5e-3), ("linear, one L2", 2e-3), ("softmax", 5e-3)])
def test_linear_heads_in_blocks_predict_as_those_in_memory(monkeypatch, name, most):
    X, Y = drawn(3000)
    usual = fitted(name, X, Y, 600).scores(X)
    monkeypatch.setattr(base, "BIG", 0)
    assert 0 < float((fitted(name, X, Y, 600).scores(X) - usual).abs().max()) < most


def test_a_hidden_layer_in_blocks_learns_what_it_does_in_memory(monkeypatch):
    (X, Y), (Xv, Yv) = drawn(1500), drawn(300, seed=1)
    losses = []
    for cells in (base.BIG, 0):
        monkeypatch.setattr(base, "BIG", cells)
        head = heads.SigmoidHead(hidden=32, batch_size=64, max_epochs=30, weight_decay=0.01, learning_rate=0.003)
        losses.append(head.fit(X, Y, val=(Xv, Yv)).report_["held_out_loss"])
    prior = -heads.PriorHead().fit(X, Y).score(Xv, Yv)
    assert losses[1] < losses[0] + 0.02 * (prior - losses[0])


@pytest.mark.parametrize("name", ["linear", "hidden", "contrastive"])
def test_only_some_rows_are_in_memory_at_once(large, store, monkeypatch, name):
    read, whole, (_, Y) = [], RowsOnDisk.__getitem__, drawn()
    monkeypatch.setattr(RowsOnDisk, "__getitem__", lambda self, index: read.append(whole(self, index)) or read[-1])
    monkeypatch.setattr(RowsOnDisk, "__array__", None)
    clone(HEADS[name]).fit(store.on_disk(store.ids), Y, val=(store.on_disk(store.ids[:100]), Y[:100]))
    assert 0 < max(len(rows) for rows in read) <= 16 * 16  # of 900


def test_other_heads_read_all_rows(store):
    _, Y = drawn()
    rows, head = store.on_disk(store.ids), heads.KernelHead(kind="rates", gamma=0.1, l2=0.1)
    assert torch.equal(head.fit(rows, Y).scores(rows), head.fit(rows[:], Y).scores(rows[:]))


def test_an_epoch_has_every_row_once_in_an_order_of_its_own(large):
    X = torch.arange(ROWS * 2, dtype=torch.float32).view(ROWS, 2)
    generator = torch.Generator().manual_seed(0)
    epochs = [list(Blocks(X).epoch(50, generator)) for _ in range(2)]
    for epoch in epochs:
        assert torch.cat([index for index, _ in epoch]).sort().values.tolist() == list(range(ROWS))
        assert all(torch.equal(rows, X[index]) for index, rows in epoch)
        assert {len(index) for index, _ in epoch} <= set(range(30, 70))
    assert not torch.equal(epochs[0][0][0], epochs[1][0][0])


def test_statistics_in_blocks_are_those_of_all_rows(large):
    X = torch.from_numpy(drawn()[0].astype(np.float32)) + 100
    X[:, 3] = 7.0
    parted, usual = Standardiser.of(Blocks(X)), Standardiser.of(X)
    torch.testing.assert_close(parted.mean, usual.mean, rtol=1e-7, atol=0)
    torch.testing.assert_close(parted.deviation, usual.deviation, rtol=1e-4, atol=0)
    assert parted.deviation[3] == torch.inf


def racers_of(*decays):
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(shape, generator=generator) for shape in ((8, COLUMNS), (8,), (LABELS, 8), (LABELS,))]
    return [Racer(decay, 0.01, parts) for decay in decays]


@pytest.mark.parametrize(("softmax", "dropout"), [(False, 0.0), (True, 0.0), (False, 0.25)])
def test_steps_of_several_weight_decays_are_those_of_torch_for_each(softmax, dropout):
    trained, cut = racers_of(1.0, 0.01), int(256 * dropout)
    own, same = (torch.Generator().manual_seed(0) for _ in range(2))
    X, Y = (torch.from_numpy(part.astype(np.float32)) for part in drawn(200))
    masses, others = Objective(Y, None if softmax else 1 - Y), []
    for racer in trained:
        layers = [part.clone().requires_grad_() for part in racer.layers]
        groups = [{"params": layers[::2], "weight_decay": racer.weight_decay}]
        groups.append({"params": layers[1::2], "weight_decay": 0.0})
        others.append((layers, [*map(torch.clone, racer.layers)], torch.optim.AdamW(groups, lr=0.01)))
    for number, batch in enumerate(torch.split(torch.arange(200), 40)):
        hidden.step(trained, X[batch], masses.rows(batch), 40.0, 1.2, dropout, own)
        kept = hidden._mask((40, 8), cut, torch.float32, same) != 0
        for layers, means, optimiser in others:
            units = torch.relu(X[batch] @ layers[0].T + layers[1]) * kept / (1 - dropout)
            optimiser.zero_grad()
            (masses.rows(batch).loss(units @ layers[2].T + layers[3]) / 40).backward()
            optimiser.step()
            for mean, part in zip(means, layers, strict=True):
                mean.lerp_(part.detach(), 1 / min(1.2, 1 + number / 10))
    for racer, (layers, means, _) in zip(trained, others, strict=True):
        for ours, theirs in zip([*racer.layers, *racer.mean], [*layers, *means], strict=True):
            torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-5)


def test_the_best_weight_decay_and_epoch_stay():
    X, Y = (torch.from_numpy(part.astype(np.float32)) for part in drawn(200))
    objective = Objective(Y, 1 - Y)
    config = hidden.NeuralConfig(hidden=8, learning_rate=0.01, batch_size=50, max_epochs=20, patience=20)
    _, report = hidden.fit_hidden(X, objective, (X, objective), config, torch.Generator().manual_seed(0))
    curve = report["held_out_curve"]
    assert report["weight_decay"] in hidden.WEIGHT_DECAY_GRID
    assert (len(curve), curve[report["epochs"] - 1], report["held_out_loss"]) == (20, min(curve), min(curve))


@pytest.mark.parametrize("cut", [64, 128])
def test_dropout_leaves_out_the_share_that_was_asked_for(cut):
    mask = hidden._mask((500, 400), cut, torch.bfloat16, torch.Generator().manual_seed(0))
    assert set(mask.unique().tolist()) == {0, -1}
    assert abs(float((mask == 0).double().mean()) - cut / 256) < 0.005


def test_features_that_are_left_out_are_counted_for_by_those_that_stay(monkeypatch):
    batches, objective = [], Objective(torch.full((400, 2), 0.5), None)
    monkeypatch.setattr(hidden, "step", lambda racers, rows, *rest: batches.append(rows.clone()))
    config = hidden.NeuralConfig(hidden=4, weight_decay=0.1, batch_size=100, max_epochs=3, input_dropout=0.25)
    X = torch.ones(400, 50)
    X[::2] = -1  # so that they are standardised already
    hidden.fit_hidden(X, objective, (X, objective), config, torch.Generator().manual_seed(0))
    values = torch.cat(batches)
    torch.testing.assert_close(values.unique(), torch.tensor([-4 / 3, 0.0, 4 / 3]))
    assert abs(float((values == 0).double().mean()) - 0.25) < 0.005
    assert (X.abs() == 1).all()
