"""Heads saved from Python with options that `affectml train` does not reach, and what they say."""

from pathlib import Path

import numpy as np
import torch

from affectml.data import Dataset
from affectml.embeddings import EmbeddingStore
from affectml.errors import BadInput
from affectml.heads import (
    AutoHead,
    ByPersonHead,
    ContrastiveHead,
    EnsembleHead,
    Head,
    KernelHead,
    PersonAnswers,
    PriorHead,
    SigmoidHead,
    SoftmaxHead,
    TopKHead,
    ZeroShotHead,
    choose_thresholds,
    load_head,
)

FEATURES = 10  # of the store's columns: small files
TUNED = ("prior-rates", "sigmoid-l2", "kernel-landmarks", "contrastive-prompts", "zero-shot-calibrated",
         "ensemble-sigmoid", "auto-rates")  # fmt: skip


def write_expected(folder: Path, X: np.ndarray) -> None:
    """expected.npz: everything that the saved head says of these rows, by the name of the method."""
    head = load_head(folder)
    said: dict[str, np.ndarray] = {"rows": np.array(len(X))}
    own_texts = not (isinstance(head, ContrastiveHead) and head.texts is None)
    if own_texts:
        said["scores"] = head.scores(X).numpy()
        for method in ("predict_rates", "predict_distribution", "predict_sets"):
            try:
                said[method] = getattr(head, method)(X).numpy()
            except BadInput:
                continue
    if isinstance(head, ByPersonHead):
        said["chosen"] = np.eye(len(head.scores(X)[0]), dtype=np.int64)[:4]  # of somebody new, of the first images
        person = head.person(X[:4], said["chosen"])
        said["rates_of_somebody"] = head.person_rates(X, person).numpy()
        said["sets_of_somebody"] = head.person_sets(head.person_rates(X, person)).numpy()
    if isinstance(head, ContrastiveHead | ZeroShotHead):
        width = X.shape[1] if head.texts is None else head.texts.shape[1]
        said["other_texts"] = np.random.default_rng(5).normal(size=(3, width))
        said["scores_of_other_texts"] = head.scores(X, said["other_texts"]).numpy()
    np.savez_compressed(folder / "expected.npz", **said)


def make_heads(answered: int) -> None:
    """heads/NAME/{head.json, head.safetensors, expected.npz}; answered: images whose predictions are kept."""
    data = Dataset.open("data")
    store = EmbeddingStore.for_dataset(data)
    emotions, one = data.target("emotions"), data.target("one")
    X = store.rows(emotions.image_id)[:, :FEATURES]
    R, S = emotions.shares(), (emotions.shares() >= 0.4).astype(np.int64)
    Z, P = store.rows(one.image_id)[:, :FEATURES], one.shares()
    texts = np.random.default_rng(3).normal(size=(8, FEATURES))
    prompts = [np.random.default_rng(10 + c).normal(size=(1 + c % 3, FEATURES)) for c in range(8)]

    aligned = ContrastiveHead(texts, hidden=5, temperature=0.2, positives=1, dropout=0.2, max_epochs=10)
    pair = EnsembleHead(kind="distribution", head="softmax", count=2, options={"hidden": 4, "max_epochs": 20})
    kernels = EnsembleHead(kind="rates", head="kernel", count=2, options={"gamma": 0.5, "l2": 1e-3})
    heads: dict[str, Head] = {
        "prior-rates": PriorHead().fit(X, R),
        "prior-distribution": PriorHead().fit(Z, P),
        "sigmoid-l2": SigmoidHead(l2=0.1).fit(X, R),
        "sigmoid-hidden": SigmoidHead(hidden=6, dropout=0.2, weight_decay=0.01, max_epochs=20).fit(X, R),
        "sigmoid-assumed-negatives": SigmoidHead(assumed_negatives=0.2).fit(X, S),
        "softmax-l2-zero": SoftmaxHead(l2=0.0).fit(Z, P),
        "softmax-hidden": SoftmaxHead(hidden=6, learning_rate=0.01, batch_size=32, patience=3).fit(Z, P),
        "topk-three": TopKHead(k=3, l2=0.01).fit(X, R),
        "topk": TopKHead().fit(X, S),
        **{
            f"kernel-{kind}-{name}": KernelHead(kind=kind, kernel=name).fit(A, T)
            for kind, A, T in (("distribution", Z, P), ("rates", X, R))
            for name in ("exponential", "rbf")
        },
        "kernel-landmarks": KernelHead(kind="rates", exact_rows=20, landmarks=15, gamma=0.5, l2=1e-3).fit(X, R),
        "contrastive-prompts": aligned.fit(X, R, prompts=prompts),
        "contrastive-one-answer": ContrastiveHead(texts, hidden=5, max_epochs=10).fit(Z, P),
        "zero-shot": ZeroShotHead(texts, logit_scale=20.0),
        "zero-shot-calibrated": ZeroShotHead(texts).fit(X, R),
        "ensemble-softmax-hidden": pair.fit(Z, P),
        "ensemble-sigmoid": EnsembleHead(kind="rates", head="sigmoid", count=3, options={"l2": 0.1}).fit(X, R),
        "ensemble-kernel": kernels.fit(X, R),
        "auto-rates": AutoHead(kind="rates", seed=2).fit(X, R),
        "auto-linear-hidden": AutoHead(kind="rates", families=("hidden", "linear")).fit(X, R),
        "auto-distribution": AutoHead(kind="distribution", seed=1).fit(Z, P),
    }
    for name in TUNED:
        heads[name].tune_thresholds(X, S)
    given = np.random.default_rng(6).random((len(X), 6, 8)) < R[:, None]  # what six people chose of each image
    images, people = torch.arange(len(X)).repeat_interleave(6), torch.arange(6).repeat(len(X))
    answers = PersonAnswers(images, people, torch.from_numpy(given * 1).flatten(0, 1), 6)
    person = ByPersonHead(head="sigmoid", options={"l2": 0.1}, tastes=2, ridge=30.0)
    heads["by-person"] = person.fit(X, R, answers=answers)
    generous = SigmoidHead(l2=0.1).fit(X, R)
    generous.thresholds_ = generous.predict_rates(X).mean(dim=0)
    heads["thresholds-given"] = generous
    own = SigmoidHead(l2=0.1).fit(X, R)
    nobody = S * (np.arange(8) != 3)  # a label that is in no set: its cut lets nothing in
    own.thresholds_ = choose_thresholds(own.scores(X), nobody, shrinkage=0.0)
    own.thresholds_[3] = float(np.nextafter(1.0, 2.0))
    heads["thresholds-own"] = own
    fitted = {name: value.clone() for name, value in heads["contrastive-one-answer"]._fitted().items()}
    heads["contrastive-without-texts"] = ContrastiveHead.from_saved({"hidden": 5}, {}, fitted)
    for name, head in heads.items():
        folder = Path("heads") / name
        folder.mkdir(parents=True)
        head.save(folder)
        write_expected(folder, store.rows(data.images["image_id"][:answered])[:, :FEATURES])
