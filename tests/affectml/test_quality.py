"""What the main job reaches: on the demo set, where the truth is known, and on real features and photographs."""

import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.io import loadmat

from affectml.demo_set import write_demo
from affectml.heads import AutoHead, SoftmaxHead
from affectml.importers.embeddings import import_embeddings
from affectml.training import TrainConfig, train_run

SYSTEMS = {"prior": "prior", "zero_shot": "zero-shot", "model": "sigmoid head", "oracle": "the true rates"}
SCORES = ("set_f1", "rate_cross_entropy", "top_1_accuracy")


def shown_in_the_page(panel):
    """The panel's four rows in docs/demo.md: by system, for each score its mean and, in per cent, the way."""
    lines = (Path(__file__).parents[2] / "docs" / "demo.md").read_text(encoding="utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(f"| {panel} | prior |"))
    cells = {row[2].strip(): row[3:6] for row in (line.split("|") for line in lines[start : start + len(SYSTEMS)])}
    return {
        name: [[float(n) for n in re.findall(r"[.\d]+", c)] for c in cells[shown]] for name, shown in SYSTEMS.items()
    }


@pytest.mark.parametrize("panel", ["local", "textbook"])
def test_the_page_shows_each_panel_with_the_head_between_prior_and_true_rates(panel):
    prior, _, model, oracle = (np.array([mean for mean, *_ in cells]) for cells in shown_in_the_page(panel).values())
    better = np.array([1, -1, 1])  # cross-entropy is better where it is lower
    assert (better * prior < better * model).all()
    assert (better * model < better * oracle).all()


PAINTED = {}
"""By seed, a demo set of its paintings and their embeddings, which are the same whoever looks at them."""


def linked(folder):
    """In the place of painting, which takes longest: a link to the painting of that name in a folder."""
    return lambda *_: SimpleNamespace(save=lambda path, **_: os.link(folder / path.name, path))


@pytest.mark.slow
@pytest.mark.parametrize("panel", ["local", "textbook"])
def test_the_sigmoid_head_closes_the_gap_between_the_prior_and_the_true_rates(panel, tmp_path, monkeypatch):
    runs = []
    for seed in range(5):
        if seed in PAINTED:
            monkeypatch.setattr("affectml.demo_set.write.paint", linked(PAINTED[seed] / "images"))
        demo = write_demo(tmp_path / f"demo-{seed}", images=2000, seed=seed, panel=panel, size=96)
        if seed in PAINTED:
            shutil.copytree(PAINTED[seed] / "embeddings", demo.root / "embeddings")
        PAINTED.setdefault(seed, demo.root)
        config = TrainConfig(dataset=str(demo.root), multilabel=True, encoder="affect-tiny", seed=seed, threads=1)
        found = train_run(config, out=tmp_path / f"run-{seed}").evaluation
        runs.append([[found.get(score, name).value for score in SCORES] for name in SYSTEMS])
    scores = np.array(runs)  # [5, systems, scores]
    prior, zero_shot, model, oracle = scores.transpose(1, 0, 2)
    between = {"zero_shot": zero_shot, "model": model}
    way = {name: ((of - prior) / (oracle - prior)).mean(axis=0) for name, of in between.items()}
    assert way["model"][0] >= 0.85
    assert way["model"][1] >= 0.90
    if panel == "textbook":
        assert zero_shot[:, 2].mean() >= 0.75  # affect-tiny learned these words at these places
    else:
        assert (model - zero_shot)[:, 0].min() >= 0.08  # training pays where people feel otherwise
    for row, (name, cells) in enumerate(shown_in_the_page(panel).items()):
        for column, (mean, *share) in enumerate(cells):
            assert scores.mean(axis=0)[row, column] == pytest.approx(mean, abs=0.005), (name, SCORES[column])
            assert share == pytest.approx([100 * way[name][column]] if share else [], abs=2), (name, SCORES[column])


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(("hidden", "seeds"), [(0, 5), (512, 2)])
def test_emotion6_clip_features_single_label(real_data, tmp_path, hidden, seeds):
    found = []
    for seed in range(seeds):
        data = import_embeddings(real_data / "emotion6" / "emotion6_clip_vit_l_14.npz", tmp_path / f"data-{seed}")
        config = TrainConfig(dataset=str(data.root), seed=seed, options={"hidden": hidden})
        run = train_run(config, out=tmp_path / f"run-{seed}")
        found.append([run.evaluation.get(f"top_{k}_accuracy").value for k in (1, 2)])
    assert (np.mean(found, axis=0) >= [0.745, 0.905]).all()


MEASURED = [
    ("hand", SoftmaxHead(), 5, 0, 0.566),  # measured at .566, the prior at .611
    ("clip", SoftmaxHead(), 5, 0.21, 0.233),  # measured at .230, scikit-learn's ridge at .250, the prior at .548
    # the first result of docs/training.md, measured at .232 (five folds: .227); below .21 test rows have come in
    ("clip", AutoHead(), 2, 0.21, 0.2345),
]


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(("features", "head", "folds", "least", "most"), MEASURED)
def test_the_kl_of_peoples_shares_on_emotion6_is_what_was_measured(real_data, features, head, folds, least, most):
    """Mean over the rows of so many of five folds; every choice is made inside the training rows.

    Of 1,980 images with features made by hand, or of 801 of them with CLIP's.
    """
    hand = loadmat(real_data / "emotion6" / "emotion6_features_distributions.mat")
    with np.load(real_data / "emotion6" / "emotion6_clip_vit_l_14_people.npz", allow_pickle=False) as clip:
        X, shares = (clip[name].astype(float) for name in ("embedding", "shares"))
    if features == "hand":
        X, shares = hand["features"], hand["labels"]
    P = torch.from_numpy(shares / shares.sum(axis=1, keepdims=True))
    parts, losses = np.array_split(np.random.RandomState(0).permutation(len(X)), 5), []
    for k, test in enumerate(parts[:folds]):
        train = np.concatenate(parts[:k] + parts[k + 1 :])
        predicted = head.fit(X[train], P[train]).predict_distribution(X[test])
        losses += (torch.xlogy(P[test], P[test]) - torch.xlogy(P[test], predicted)).sum(dim=1).tolist()
    assert least <= np.mean(losses) <= most
