"""The figures of docs/training.md on Emotion6's published CLIP features: our head beside logistic regression."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affectml.errors import EncoderUnavailable
from affectml.heads import SoftmaxHead
from affectml.importers.embeddings import import_embeddings
from affectml.training import TrainConfig, train_run

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def emotion6(real_data, tmp_path_factory):
    """The data set folder, and features and labels of its own train and test."""
    file = real_data / "emotion6" / "emotion6_clip_vit_l_14.npz"
    folder = tmp_path_factory.mktemp("emotion6") / "data"
    import_embeddings(file, folder, name="Emotion6", construct="query")
    with np.load(file, allow_pickle=False) as arrays:
        X = arrays["embedding"].astype(np.float32)
        names, y = np.unique(arrays["label"], return_inverse=True)
        test = arrays["split"] == "test"
    return folder, X, np.eye(len(names))[y], test


@pytest.mark.slow
def test_softmax_is_as_good_as_logistic_regression_on_the_same_split(emotion6):
    _, X, labels, test = emotion6
    y = labels.argmax(axis=1)
    head = SoftmaxHead().fit(X[~test], labels[~test], generator=torch.Generator().manual_seed(0))
    scores = head.scores(X[test]).numpy()
    ours = (scores.argmax(axis=1) == y[test]).mean()
    second = np.take_along_axis(labels[test], np.argsort(-scores, axis=1)[:, :2], axis=1).any(axis=1).mean()
    peer = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        {"logisticregression__C": [1e-4, 1e-3, 1e-2]},
        scoring="neg_log_loss",
        cv=5,
    )
    theirs = (peer.fit(X[~test], y[~test]).predict(X[test]) == y[test]).mean()
    said = f"softmax {ours:.3f} (top-2 {second:.3f}), logistic regression {theirs:.3f}"
    print(said)
    assert ours > theirs - 0.02, said
    assert 0.74 < ours < 0.79, said
    assert second > 0.89, said


def test_a_text_head_on_features_without_a_text_tower_says_what_is_missing(emotion6):
    folder, *_ = emotion6
    for head in ("contrastive", "zero_shot"):
        with pytest.raises(EncoderUnavailable, match=f"a {head} head compares images with texts.*take head='softmax'"):
            train_run(TrainConfig(dataset=str(folder), head=head, threads=1))
