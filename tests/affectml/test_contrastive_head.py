"""The contrastive head: learning, any labels, what it keeps on disk, what it refuses; and labels it never saw."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from affectml.demo_set import write_demo
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder
from affectml.errors import BadInput
from affectml.heads import ContrastiveConfig, ContrastiveHead, load_head
from affectml.prompts import Prompts, encoded, label_features
from affectml_metrics.functional import top_k_accuracy

QUICK = ContrastiveConfig(hidden=32, batch_size=32, max_epochs=60, learning_rate=0.003)


@pytest.fixture(scope="module")
def planted():
    """Features that are a rotation of the text space: X, one-hot, rates, texts."""
    rng = np.random.default_rng(0)
    texts = np.eye(6)[:4] + 0.1
    turn = np.linalg.qr(rng.normal(size=(10, 10)))[0][:, :6]
    single = np.eye(4)[rng.integers(4, size=400)]
    near = single @ texts + 0.15 * rng.normal(size=(400, 6))
    return near @ turn.T + 0.3, single, single * 0.8 + 0.1, texts


def test_it_learns_what_zero_shot_cannot_see(planted):
    X, single, _, texts = planted
    head = ContrastiveHead(texts, QUICK).fit(X[:300], single[:300])
    assert (head.scores(X[300:]).argmax(1).numpy() == single[300:].argmax(1)).mean() > 0.9
    assert head.scores(X).sum(dim=1).tolist() == pytest.approx([1.0] * 400)
    assert torch.allclose(head.project(X).norm(dim=1), torch.ones(400, dtype=torch.float64))


def test_rates_are_calibrated_and_one_answer_has_none(planted):
    X, single, rates, texts = planted
    head = ContrastiveHead(texts, QUICK).fit(X[:300], rates[:300], val=(X[300:], rates[300:]))
    error = (head.predict_rates(X[300:]).numpy() - rates[300:]).mean(axis=0)
    assert np.abs(error).max() < 0.03
    with pytest.raises(BadInput, match="no rates"):
        ContrastiveHead(texts, QUICK).fit(X, single).predict_rates(X)


def test_any_labels_are_the_same_labels_when_they_are(planted):
    X, single, _, texts = planted
    head = ContrastiveHead(texts, QUICK).fit(X, single)
    assert torch.equal(head.scores(X, texts), head.scores(X))
    chosen = head.scores(X)[:, [2, 0]]
    assert torch.allclose(head.scores(X, texts[[2, 0]]), chosen / chosen.sum(dim=1, keepdim=True))


def test_saved_and_read_back_it_says_the_same(planted, tmp_path):
    X, _, rates, texts = planted
    head = ContrastiveHead(texts, QUICK).fit(X, rates).tune_thresholds(X, (rates > 0.5).astype(int))
    head.save(tmp_path)
    same = load_head(tmp_path)
    for ask in ("scores", "predict_rates", "predict_sets"):
        assert torch.equal(getattr(same, ask)(X), getattr(head, ask)(X))
    assert (type(same), same.config, same.report_["epochs"]) == (type(head), head.config, head.report_["epochs"])


def test_a_second_fit_forgets_the_first_and_the_seed_decides(planted):
    X, single, rates, texts = planted
    head = ContrastiveHead(texts, QUICK).fit(X[:100], rates[:100])
    again = head.fit(X, single).scores(X)
    assert torch.equal(again, ContrastiveHead(texts, QUICK).fit(X, single).scores(X))
    other = ContrastiveHead(texts, QUICK).fit(X, single, generator=torch.Generator().manual_seed(9))
    assert not torch.equal(again, other.scores(X))


def test_prompts_of_a_label_are_all_learned_from(planted):
    X, single, _, texts = planted
    bank = [np.stack([row, row[::-1]]) for row in texts]
    head = ContrastiveHead(texts, QUICK).fit(X, single, prompts=bank)
    assert head.report_["prompts"] == [2, 2, 2, 2]
    assert not torch.equal(head.scores(X), ContrastiveHead(texts, QUICK).fit(X, single).scores(X))


def test_captions_alone_teach_the_labels_too(planted):
    X, single, _, texts = planted
    rng = np.random.default_rng(1)
    captions = texts[single.argmax(1)] + 0.1 * rng.normal(size=(400, 6))
    none = [np.empty((0, 6))] * 4
    head = ContrastiveHead(texts, QUICK).fit(X[:300], single[:300], prompts=none, captions=captions[:300])
    assert (head.scores(X[300:]).argmax(1).numpy() == single[300:].argmax(1)).mean() > 0.9
    with pytest.raises(BadInput, match="nothing to learn"):
        ContrastiveHead(texts, QUICK).fit(X, single, prompts=none)


def test_bad_input_is_named(planted):
    X, single, _, texts = planted
    for asked, more, says in (
        (ContrastiveHead(texts, hidden=0), {}, "hidden must be a whole number, at least 1 and at most 65536, got 0"),
        (ContrastiveHead(texts[:3], QUICK), {}, "4 labels, expected 3"),
        (ContrastiveHead(texts, QUICK), {"captions": np.ones((3, 6))}, "captions: expected shape"),
        (ContrastiveHead(texts, QUICK), {"prompts": [np.ones((1, 5))] * 4}, "5 features per text, expected 6"),
        (ContrastiveHead(None, QUICK), {}, "no label texts"),
    ):
        with pytest.raises(BadInput, match=says):
            asked.fit(X, single, **more)
    head = ContrastiveHead(texts, QUICK).fit(X, single)
    with pytest.raises(BadInput, match="features per row"):
        head.scores(X, np.ones((2, 5)))


@pytest.mark.slow
def test_labels_the_head_never_saw_are_found_if_the_tower_knows_their_words(tmp_path):
    """Trained on Mikels' labels and all their synonyms but one each, then asked with the ones kept out."""
    dataset = write_demo(tmp_path / "demo", images=700, seed=17)
    encoder = load_encoder("affect-tiny", threads=1)
    store = embed_dataset(dataset, encoder).store
    targets = dataset.target("emotions")
    taxonomy = targets.taxonomy
    kept_out = [taxonomy.synonyms[label][-1] for label in taxonomy.labels]
    less = replace(taxonomy, synonyms={label: words[:-1] for label, words in taxonomy.synonyms.items()})
    assert len(set(kept_out)) == len(kept_out)
    unknown = ["tractor", "algebra", "carpet", "invoice", "gravel", "penguin", "trumpet", "turbine"]

    def encode(texts):
        return encoder.encode_texts(texts).numpy()

    plan = Prompts.parse("sentiment+synonyms")
    assert not {word for texts in plan.learned(less) for word in texts} & set(plan.asked(taxonomy)[0][-1:])
    X, shares = store.rows(targets.image_id), targets.shares()
    prompts = encoded(plan.learned(less), encode)
    head = ContrastiveHead(label_features(plan, less, encode)).fit(X[:450], shares[:450], prompts=prompts)
    truth = dataset.truth.set_index("image_id").loc[list(targets.image_id), list(taxonomy.labels)].to_numpy()[450:]
    mode = torch.from_numpy(np.eye(8, dtype=np.int64)[truth.argmax(axis=1)])

    def top_1(words):
        texts = encode([taxonomy.templates[0].format(label=word) for word in words])
        return float(top_k_accuracy(head.scores(X[450:], texts), mode, k=1, ties="expected").mean())

    found, chance_like = top_1(kept_out), top_1(unknown)
    said = f"kept-out synonyms {found:.3f}, words unknown to the tower {chance_like:.3f}, chance 0.125"
    assert found > 0.6, said
    assert abs(chance_like - 0.125) < 0.06, said
