"""A fine run at its coarser levels: people counted anew, errors inside the parent, in the run and in its report."""

import numpy as np
import pytest
import torch

from affectml.judging.scoring import Answers
from affectml.page import WRITERS
from affectml.page.tables import levels_table
from affectml.spaces import by_level
from affectml.training import TrainConfig, train_run


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=250, seed=51, taxonomy="parrott-25")


def judged(demo, scores, **more):
    targets = demo.target("emotions")
    ids = targets.image_id
    answers = {"model": Answers(torch.from_numpy(scores), torch.from_numpy(scores))}
    settings = {"rates": ("model",), "tau": 1 / 3, **more}
    return by_level(demo, targets, ids, ids, answers, **settings)


def test_the_levels_are_six_and_two_with_the_choices_taken(demo):
    shares = demo.target("emotions").shares()
    found = judged(demo, shares)
    assert list(found) == ["parrott-6", "parrott-2"]
    assert [len(level["labels"]) for level in found.values()] == [6, 2]
    assert any(line.startswith("choice: disgust -> anger") for line in found["parrott-6"]["lines"])
    assert found["parrott-6"]["mass"] < 1  # confusion has no primary
    assert found["parrott-2"]["mass"] == pytest.approx(1)


def test_errors_inside_the_parent_are_told_apart_from_wild_ones(demo):
    targets = demo.target("emotions")
    labels, n = targets.taxonomy.labels, len(targets.image_id)
    mode = targets.shares().argmax(axis=1)
    parent = np.array([targets.taxonomy.parents.get(label, label) for label in labels])

    def guess(choose):
        scores = np.full((n, len(labels)), 0.01)
        for row in range(n):
            scores[row, choose(mode[row])] = 0.9
        return judged(demo, scores, rates=())["parrott-6"]["errors_inside"]

    def sibling(label):
        others = [c for c in range(len(labels)) if parent[c] == parent[label] and c != label]
        return others[0] if others else label

    def stranger(label):
        return next(c for c in range(len(labels)) if parent[c] not in (parent[label], "confusion"))

    near, far = guess(sibling), guess(stranger)
    assert near["share"] > 0.9 > 0.5 > far["share"]
    assert 0 < near["chance"] < 0.5


def test_a_run_says_it_in_run_json_and_in_the_report(demo, tmp_path):
    asked = TrainConfig(dataset=str(demo.root), multilabel=True, threads=1)
    run = train_run(asked, out=tmp_path / "run", writers=WRITERS)
    levels = run.info.levels
    assert set(levels["parrott-2"]["systems"]) == {"prior", "zero_shot", "model"}
    model, prior = (levels["parrott-2"]["systems"][name]["top_1_accuracy"]["value"] for name in ("model", "prior"))
    assert model > prior
    fine = run.metrics["systems"]["model"]["top_1_accuracy"]["value"]
    assert fine < levels["parrott-6"]["systems"]["model"]["top_1_accuracy"]["value"] < model
    table = levels_table(levels)
    assert table.title in (run.folder / "report.html").read_text()
    assert "right parent" in table.note
    assert levels_table({}) is None
