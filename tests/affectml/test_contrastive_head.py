"""The contrastive head and its loss: by the formula written out, learning, any labels, what is refused; and prompts."""

import math
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from affectml.encoders import load_encoder
from affectml.errors import BadInput
from affectml.heads import ContrastiveHead, contrastive_loss
from affectml.heads.contrastive import Pairs
from affectml.prompts import Prompts, asked_labels, encoded, ensemble, label_features
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy

from .checks import refused


def spelled_out(images, texts, temperature):
    """The formula with loops: nothing shared with the code under test."""
    pictures, words = ([row / row.norm() for row in rows] for rows in (images, texts))
    logit = [[float(w @ p) / temperature for p in pictures] for w in words]
    pairs = list(zip(words, pictures, strict=True))
    alike = [[(float(w @ v) + float(p @ q)) / (2 * temperature) for v, q in pairs] for w, p in pairs]
    target = [[math.exp(a) / sum(math.exp(b) for b in row) for a in row] for row in alike]

    def cross_entropy(wanted, logits):
        norm = math.log(sum(math.exp(logit) for logit in logits))
        return -sum(share * (logit - norm) for share, logit in zip(wanted, logits, strict=True))

    by_text = map(cross_entropy, target, logit)
    by_image = map(cross_entropy, zip(*target, strict=True), zip(*logit, strict=True))
    return [(one + other) / 2 for one, other in zip(by_text, by_image, strict=True)]


@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from([0.075, 0.3, 1.0]))
def test_it_is_the_published_formula(seed, count, temperature):
    generator = torch.Generator().manual_seed(seed)
    images, texts = torch.randn(2, count, 4, generator=generator, dtype=torch.float64)
    found = contrastive_loss(images, texts, temperature=temperature)
    assert found.tolist() == pytest.approx(spelled_out(images, texts, temperature), abs=1e-6)


@given(st.integers(0, 10_000), st.lists(st.integers(1, 3), min_size=2, max_size=4))
def test_a_weight_of_two_is_a_pair_that_stands_there_twice(seed, times):
    generator = torch.Generator().manual_seed(seed)
    images, texts = torch.randn(2, len(times), 3, generator=generator, dtype=torch.float64)
    index = torch.repeat_interleave(torch.arange(len(times)), torch.tensor(times))
    twice = contrastive_loss(images[index], texts[index], temperature=0.5)
    weighted = contrastive_loss(images, texts, temperature=0.5, weights=torch.tensor(times, dtype=torch.float64))
    assert weighted[index].tolist() == pytest.approx(twice.tolist(), abs=1e-9)


def test_gradients_reach_the_soft_targets_as_in_the_notebook():
    generator = torch.Generator().manual_seed(2)
    images, texts = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    images.requires_grad_()
    contrastive_loss(images, texts).mean().backward()
    way = torch.zeros_like(texts)
    way[1, 2] = 1e-6
    further, back = (float(contrastive_loss(images.detach() + step, texts).mean()) for step in (way, 0))
    assert float(images.grad[1, 2]) == pytest.approx((further - back) / 1e-6, rel=1e-3)


def pairs(shares, prompts=(1, 1, 1), most=9):
    texts = [torch.eye(3)[c : c + 1].repeat(k, 1) for c, k in enumerate(prompts)]
    table = torch.tensor(shares, dtype=torch.float64)
    return Pairs(table, torch.ones(len(table), dtype=torch.float64), texts, most)


DRAWN = [
    # two labels make two pairs by their parts, and labels without texts none
    ([[0.6, 0.2, 0.0], [0, 0, 1]], (1, 1, 1), [0, 0, 1], [0, 1, 2], [0.75, 0.25, 1.0]),
    ([[0.5, 0.5, 0]], (0, 2, 1), [0], [1], [1.0]),
]


@pytest.mark.parametrize(("shares", "prompts", "images", "labels", "weights"), DRAWN)
def test_labels_of_an_image_make_pairs_and_nothing_at_all_is_refused(shares, prompts, images, labels, weights):
    image, text, weight = pairs(shares, prompts).draw(torch.arange(len(shares)), torch.Generator())
    assert (image.tolist(), text.argmax(dim=1).tolist()) == (images, labels)
    assert weight.tolist() == pytest.approx(weights)
    refused(BadInput, "nothing to learn", pairs, [[0, 0, 0]])


def test_drawing_some_of_many_labels_keeps_their_parts_on_average():
    drawn = pairs([[0.6, 0.3, 0.1]], most=2)
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(3)
    for _ in range(2000):
        _, text, weight = drawn.draw(torch.tensor([0]), generator)
        assert float(weight.sum()) == pytest.approx(1.0)
        assert len(weight) <= 2
        total += torch.zeros(3).scatter_add_(0, text.argmax(dim=1), weight)
    assert (total / 2000).tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


QUICK = {"hidden": 32, "batch_size": 32, "max_epochs": 40, "learning_rate": 0.003}


# features that are a rotation of the text space, one-hot labels, rates and texts
RNG = np.random.default_rng(0)
TEXTS = np.eye(6)[:4] + 0.1
TURN = np.linalg.qr(RNG.normal(size=(10, 10)))[0][:, :6]
SINGLE = np.eye(4)[RNG.integers(4, size=400)]
RATES = SINGLE * 0.8 + 0.1
X = (SINGLE @ TEXTS + 0.15 * RNG.normal(size=(400, 6))) @ TURN.T + 0.3


@pytest.fixture(scope="module")
def learned():
    """The head, fitted on 300 rows."""
    return ContrastiveHead(TEXTS, **QUICK).fit(X[:300], SINGLE[:300])


def test_it_learns_what_zero_shot_cannot_see(learned):
    assert (learned.scores(X[300:]).argmax(1).numpy() == SINGLE[300:].argmax(1)).mean() > 0.9
    other = ContrastiveHead(TEXTS, **QUICK).fit(X[:300], SINGLE[:300], generator=torch.Generator().manual_seed(9))
    assert not torch.equal(learned.scores(X), other.scores(X))
    assert torch.allclose(learned.project(X).norm(dim=1), torch.ones(400, dtype=torch.float64))


def test_rates_are_calibrated_and_one_answer_has_none(learned):
    head = ContrastiveHead(TEXTS, **QUICK).fit(X[:300], RATES[:300], val=(X[300:], RATES[300:]))
    assert np.abs((head.predict_rates(X[300:]).numpy() - RATES[300:]).mean(axis=0)).max() < 0.03
    refused(BadInput, "no rates", learned.predict_rates, X)


def test_any_labels_are_the_same_labels_when_they_are(learned):
    assert torch.equal(learned.scores(X, TEXTS), learned.scores(X))
    chosen = learned.scores(X)[:, [2, 0]]
    assert torch.allclose(learned.scores(X, TEXTS[[2, 0]]), chosen / chosen.sum(dim=1, keepdim=True))


def test_prompts_of_a_label_are_all_learned_from(learned):
    head = ContrastiveHead(TEXTS, **QUICK)
    head.fit(X[:300], SINGLE[:300], prompts=[np.stack([row, row[::-1]]) for row in TEXTS])
    assert head.report_["prompts"] == [2, 2, 2, 2]
    assert not torch.equal(head.scores(X), learned.scores(X))


TWO = Taxonomy(
    name="two", labels=("joy", "fear"), synonyms={"joy": ("delight",)}, templates=("feel {label}", "{label}")
)


def test_kinds_are_mixed_and_templates_multiply():
    for plan, prompts in (
        (Prompts.parse("sentiment+synonyms", []), [["feel joy", "feel delight"], ["feel fear"]]),
        (Prompts.parse("sentiment", ["{label}!", "so {label}"]), [["joy!", "so joy"], ["fear!", "so fear"]]),
    ):
        assert plan.learned(TWO) == plan.asked(TWO) == prompts


def test_an_ensemble_is_the_mean_of_unit_rows():
    rows = ensemble([np.array([[2.0, 0.0], [0.0, 5.0]]), np.array([[0.0, 3.0]])])
    assert rows.tolist() == [pytest.approx([0.5**0.5, 0.5**0.5]), pytest.approx([0, 1])]


def test_a_text_is_encoded_once():
    encode = Mock(side_effect=lambda texts: np.array([[len(text), text.count(" ")] for text in texts]))
    assert [rows.tolist() for rows in encoded([["a", "b c"], ["a"]], encode)] == [[[1, 0], [3, 1]], [[1, 0]]]
    encode.assert_called_once_with(["a", "b c"])


def test_labels_that_the_encoder_cannot_tell_apart_are_named():
    known = {"awe": [1.0, 0.0], "joy": [0.0, 1.0], "glee": [0.09, 1.0], "cheer": [0.11, 1.0]}

    def encode(texts):
        return np.array([known.get(text.split()[-1], [1.0, 1.0]) for text in texts], dtype=np.float32)

    unknown = asked_labels(["tractor", "awe", "algebra", "joy", "glee"], TWO)
    with pytest.warns(UserWarning, match=r"tell these labels apart \(.*0.995\): tractor, algebra; joy, glee\. It"):
        label_features(Prompts(), unknown, encode)
    label_features(Prompts(), asked_labels(["awe", "joy", "cheer", "tractor"], TWO), encode)  # a warning is an error


def test_affect_tiny_tells_the_labels_of_every_built_in_taxonomy_apart():
    encoder = load_encoder("affect-tiny", threads=1)
    for name in builtin_names():  # a warning, which names the labels, is an error
        label_features(Prompts(), get_taxonomy(name), lambda texts: encoder.encode_texts(texts).numpy())


def test_what_cannot_be_is_named(learned):
    def fit(labels, prompts=None):
        ContrastiveHead(labels, **QUICK).fit(X, SINGLE, prompts=prompts)

    for says, deed, *asked in (
        ("4 labels, expected 3", fit, TEXTS[:3]),
        ("expected texts of 4 labels with 6 features each", fit, TEXTS, [np.ones((1, 5))] * 4),
        ("no label texts", fit, None),
        ("features per row", learned.scores, X, np.ones((2, 5))),
        ("no kind 'synonym'; did you mean 'synonyms'", Prompts.parse, "sentiment+synonym"),
        ("named twice", Prompts.parse, "synonyms+synonyms"),
        ("at least one kind", Prompts.parse, ""),
        (r"has no \{label\}", Prompts.parse, "sentiment", ["a photo"]),
        ("no synonyms of fear", Prompts.parse("synonyms").learned, TWO),
        ("at least two", asked_labels, ["awe"], TWO),
        ("'awe' is named twice", asked_labels, ["awe", "awe"], TWO),
    ):
        refused(BadInput, says, deed, *asked)


def test_asked_labels_keep_the_runs_templates_and_synonyms():
    asked = asked_labels(["awe", " joy"], TWO)
    assert asked.labels == ("awe", "joy")
    assert Prompts.parse("sentiment+synonyms").asked(asked) == [["feel awe"], ["feel joy", "feel delight"]]
