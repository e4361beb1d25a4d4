"""answers.parquet: what systems say of images, from which `affectml_metrics.score` alone makes a run's figures."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from affectml.errors import BadRun
from affectml.judging.answers import FILE, SystemAnswers, read_answers, write_answers
from affectml.judging.scoring import Answers
from affectml.judging.truth import fit_prior, read_truth
from affectml.training import TrainConfig, train_run
from affectml_metrics import score

LABELS = ("image_id", "form", 'a "b", c', "label:joy")  # a label may be called as a column is
IDS, SPLIT = np.array(["x", "y"], dtype=object), np.array(["train", "test"], dtype=object)
SCORES = np.array([[0.5, 0.25, 1e-9, 0], [1, 0.125, 2, -3]])
SETS = np.array([[True, False, True, False], [False] * 4])


@pytest.fixture
def file(tmp_path):
    prior = Answers(torch.tensor(SCORES), torch.full((2, 4), 0.5))
    model = Answers(torch.tensor(SCORES), torch.tensor(SCORES / 4), torch.tensor(SETS))
    said = [("prior", IDS, SPLIT, prior), ("model", IDS, SPLIT, model), ("model", IDS + "2", SPLIT, model)]
    write_answers(tmp_path / FILE, "demo", LABELS, said)
    return tmp_path / FILE


def test_a_row_is_an_image_a_system_and_a_form(file):
    table = read_answers(file.parent)
    columns = [*("dataset", "image_id", "split", "system", "wording", "draw", "form"), *(f"label:{n}" for n in LABELS)]
    assert list(table.columns) == columns
    assert pq.read_schema(file).types == [pa.string()] * 5 + [pa.int32(), pa.string()] + [pa.float32()] * 4
    keys = table[["system", "image_id", "split", "form"]].agg(" ".join, axis=1).tolist()
    assert keys[:4] == ["prior x train score", "prior y test score", "prior x train share", "prior y test share"]
    assert keys[4:6] == ["model x train score", "model y test score"]
    assert keys[-2:] == ["model x2 train set", "model y2 test set"]
    assert table[["wording", "draw"]].isna().all(axis=None)
    np.testing.assert_array_equal(table.loc[[0, 1, 8, 9], columns[7:]], np.vstack([SCORES, SETS]).astype(np.float32))


def test_one_systems_answers_are_arrays(file):
    said = SystemAnswers.read(file, LABELS[::-1])
    assert (said.image_id.tolist(), said.split.tolist()) == (["x", "y", "x2", "y2"], ["train", "test"] * 2)
    np.testing.assert_array_equal(said.scores[:2], SCORES[:, ::-1].astype(np.float32))
    np.testing.assert_array_equal(said.shares[2:] * 4, said.scores[2:])
    assert [said.set_of(row) for row in (0, 1)] == [('a "b", c', "image_id"), ()]  # chose nothing: no missing answer
    prior = SystemAnswers.read(file.parent, system="prior")
    assert (prior.labels, prior.sets, prior.set_of(0)) == (LABELS, None, None)
    assert prior.frame.loc["y", "label:joy"] == -3


def test_a_system_need_not_answer_every_image_in_each_form(file):
    table = read_answers(file, system="model")
    table = table[(table["form"] != "score") & ~((table["form"] == "set") & (table["image_id"] == "y"))]
    table.sample(frac=1, random_state=0).to_parquet(file)
    said = SystemAnswers.read(file)
    at = said.image_id.tolist().index
    assert (said.set_of(at("y")), said.set_of(at("y2"))) == (None, ())
    np.testing.assert_array_equal(said.scores, said.shares)  # nothing else ranks the labels
    np.testing.assert_array_equal(said.scores[[at("x"), at("y2")]] * 4, SCORES.astype(np.float32))


DAMAGED = [
    (lambda t: t.drop(columns="split"), "no column split"),
    (lambda t: t.drop(columns="label:form"), "no column label:form"),
    (lambda t: t.assign(**{"label:form": "much"}), "column label:form: expected numbers"),
    (lambda t: pd.concat([t, t.iloc[[9]]]), "image 'y' has two rows of system model, form set"),
    (lambda t: pd.concat([t, t.assign(draw=2)]), "system model answered one image more than once"),
    (lambda t: t[t["system"] == "prior"], "no answer of system model"),
    (lambda t: t[t["form"] == "set"].assign(form="guess"), "no answer of system model"),
]


@pytest.mark.parametrize(("change", "why"), DAMAGED)
def test_what_is_no_table_of_answers_says_why(file, change, why):
    change(read_answers(file)).to_parquet(file)
    with pytest.raises(BadRun, match=f"answers.parquet: {why}.*train again"):
        SystemAnswers.read(file.parent, LABELS)


def test_without_the_file_the_way_out_is_said(file):
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BadRun, match="answers.parquet: cannot be read"):
        read_answers(file)
    file.unlink()
    with pytest.raises(BadRun, match="no answers.parquet, which a shared run and imported weights come without"):
        read_answers(file.parent)


@pytest.mark.parametrize(("kind", "answers", "compared"), [("rates", "sets", 42), ("distribution", "one", 30)])
def test_score_on_the_stored_table_gives_the_figures_of_the_run(demo_set, tmp_path, kind, answers, compared):
    """Of prior, zero-shot and model."""
    data = demo_set(images=300, seed=5, answers=answers)
    config = TrainConfig(str(data.root), multilabel=kind == "rates", threads=1)
    run = train_run(config, out=tmp_path / "run", say=lambda line: None)
    targets, equal = data.target("emotions"), 0
    for system in ("prior", "zero_shot", "model"):
        said = SystemAnswers.read(run.folder, system=system)
        assert set(said.image_id) == set(targets.image_id)
        train, test = (np.flatnonzero(said.split == part) for part in ("train", "test"))
        truth = read_truth(data, targets, said.image_id[test], beta=fit_prior(targets.take(said.image_id[train])))
        pairs = [(said.scores, truth.hits, "ranking"), (said.shares, truth.shares, kind)]
        pairs += [] if truth.sets is None else [(said.sets, truth.sets, "sets")]
        tables = [score(values[test].astype(float), target, of) for values, target, of in pairs]
        tables[0] = tables[0][tables[0]["metric"].str.startswith("top_")]  # of rates it ranks by sets
        made = pd.concat(tables).set_index("metric")["value"]
        found = {each.name: each.value for each in run.evaluation.scores_of(system) if each.name in made}
        assert made[[*found]].to_dict() == pytest.approx(found, abs=1e-7), system
        equal += len(found)
    assert equal == compared
