"""`affectml evaluate` of runs alone: a page from what is stored, runs and ways of training compared."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import affectml
from affectml.errors import BadInput, BadRun
from affectml.evaluating import EvaluateConfig, evaluate_systems
from affectml.evaluating.evaluate import of_runs
from affectml.evaluating.systems import sources_of
from affectml.judging.compare import agreement, differences, holm, over_seeds
from affectml.judging.figures import Evaluation
from affectml.page.section import Page, Shown
from affectml.page.sections.overview import sentence
from affectml.page.tables import cell
from affectml.runs import RunFolder
from affectml.training import TrainConfig, train_run
from affectml_metrics.table import shown

from .edited import edit

SLOW = {"runs"}  # fixtures, and so all that asks for them


@pytest.fixture(scope="module")
def data(demo_set):
    return demo_set(images=200, seed=31)


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """Two heads, each with two seeds, which part the images anew."""
    root = tmp_path_factory.mktemp("runs")
    for head in ("sigmoid", "topk"):
        for seed in (0, 1):
            config = TrainConfig(dataset=str(data.root), multilabel=True, head=head, seed=seed, threads=1)
            train_run(config, out=root / f"{head}{seed}")
    return root


def compared(*folders):
    return of_runs(sources_of(folders))


def changed(run, out, file="run.json", **changes):
    """A copy of a run of which a file says otherwise."""
    edit(shutil.copytree(run, out) / file, **changes)
    return out


def test_a_runs_page_is_written_again_without_its_head_or_its_data(runs, command, tmp_path):
    alone = changed(runs / "sigmoid0", tmp_path / "alone", config={"dataset": "gone"})
    for name in ("head.safetensors", "head.json", "answers.parquet", "report.html"):
        (alone / name).unlink(missing_ok=True)
    code, printed, said = command("evaluate", alone)
    assert (code, "set_f1_judgements" in printed) == (0, True)
    assert "report.html is written again, without pictures of images: name the data set for these, --on gone" in said
    assert "--on" in (alone / "report.html").read_text()  # how to get pictures
    (alone / "metrics.csv").unlink()
    with pytest.raises(BadRun, match="never judged; name the data set: on"):
        compared(alone)


def test_runs_are_told_apart_on_the_images_of_all(runs):
    found = compared(runs / "sigmoid0", runs / "topk0")
    one, other = (RunFolder.open(runs / name).evaluation for name in ("sigmoid0", "topk0"))
    apart = found.get("set_f1", "sigmoid0", "topk0")
    assert apart.value == pytest.approx(one.get("set_f1").value - other.get("set_f1").value)
    assert apart.p_holm >= apart.p > 0
    assert replace(found.get("set_f1", "topk0"), system="model") == other.get("set_f1")
    assert found.get("set_f1", "prior") == one.get("set_f1", "prior")
    pairs = [f for f in found.where(metric="set_f1_judgements") if f.p is not None]
    assert {(f.system, f.against) for f in pairs} > {("sigmoid0", "topk0"), ("sigmoid0", "prior"), ("topk0", "prior")}
    main = set(shown({f.name for f in found.figures}, "headline"))
    family = [f for f in found.where() if f.p is not None and f.name in main]
    assert [f.p_holm for f in family] == pytest.approx(list(holm([f.p for f in family])))  # all of them together
    assert found.facts["systems"] == ["sigmoid0", "topk0"]
    assert {f.metric for f in found.where(by="agreement")} == {"same_first_label", "total_variation"}


def test_a_run_is_not_told_apart_from_itself(runs):
    twice = compared(runs / "topk0", runs / "topk0")
    same = twice.get("set_f1", "topk0", "topk0 (2)")
    assert (same.value, same.p, same.p_holm) == (0, 1, 1)
    assert [f.value for f in twice.where(by="agreement")] == [1.0, 0.0]


def test_what_was_found_of_a_run_is_said_of_its_name(runs, tmp_path):
    told = [{"system": name, "words": "is sure"} for name in ("model", "prior")]
    mine = changed(runs / "sigmoid0", tmp_path / "mine", "facts.json", findings=told)
    for found, who in ((compared(mine, runs / "topk0"), "“mine”"), (RunFolder.open(mine).evaluation, "the model")):
        assert found.facts["findings"] == told
        assert Page.of(found, Shown("", "")).told(told) == [f"{who} is sure", "one constant answer is sure"]


def test_distance_by_hand():
    tables = {"rates": [[0.2, 0.2], [0.0, 0.0]], "shares": [[0.9, 0.1], [0.5, 0.5]]}
    same, apart = agreement({name: pd.DataFrame(rows) for name, rows in tables.items()})
    assert (same.value, apart.value) == (1.0, pytest.approx(0.2))


def test_runs_that_differ_in_their_seed_are_one_way_of_training(runs, command, tmp_path):
    ways = {head: [f"{head}{seed}" for seed in (0, 1)] for head in ("sigmoid", "topk")}
    every = [runs / name for way in ways.values() for name in way]
    found, values = compared(*every), {run.name: RunFolder.open(run).evaluation.get("set_f1").value for run in every}
    mean = found.get("set_f1", "sigmoid0", by="seeds")
    assert (mean.value, mean.n) == (pytest.approx((values["sigmoid0"] + values["sigmoid1"]) / 2), 2)
    for who, system in (("person", "person"), ("topk0", "model")):  # on the same test images, beside the same people
        each = [RunFolder.open(runs / f"topk{seed}").evaluation.get("set_f1", system, "rest") for seed in (0, 1)]
        assert found.get("set_f1", who, "rest", by="seeds").value == pytest.approx(np.mean([f.value for f in each]))
    assert "people's with each other" in sentence(Page.of(found))
    apart = found.get("set_f1", "sigmoid0", "topk0", by="seeds", level="seed by seed")
    gaps = [values[f"sigmoid{seed}"] - values[f"topk{seed}"] for seed in (0, 1)]
    assert apart.value == pytest.approx(np.mean(gaps))
    assert apart.high - apart.value == pytest.approx(12.7062 * np.std(gaps, ddof=1) / 2**0.5, rel=1e-4)
    assert found.get("set_f1", "sigmoid0", "topk0") is None  # they were tested on different images
    assert "tested on different images" in found.facts["warnings"][-1]
    assert found.facts["ways"] == {f"{head}0": names for head, names in ways.items()}
    _, printed, _ = command("evaluate", *every, "--out", tmp_path / "all.csv")
    (row,) = (line.split() for line in printed.splitlines() if line.startswith(" set_f1 "))
    assert row[2::2] == [cell(found.get("set_f1", f"{head}0", by="seeds")).split()[0] for head in ways]


def test_of_other_images_those_in_the_test_part_of_all_are_compared(runs):
    found = compared(runs / "sigmoid0", runs / "topk1")
    one, other = (set(RunFolder.open(runs / name).evaluation.scores["image_id"]) for name in ("sigmoid0", "topk1"))
    assert found.n == found.get("set_f1", "topk1").n == len(common := one & other)
    scores = found.scores[(found.scores["system"] == "topk1") & (found.scores["against"] == "people")]
    assert set(scores["image_id"]) == common
    assert found.get("set_f1", "topk1").value == pytest.approx(scores["set_f1"].mean())
    assert found.get("label_f1_macro", "topk1") is None  # of the whole table
    assert not {"subgroups", "promise", "levels"} & found.facts.keys()  # found on a run's own test images
    assert "interval" not in found.facts["rules"]


OTHERWISE = [
    ({"config": {"tau": 0.2}}, "another tau than"),
    ({"data": {"target": "other"}}, "another target than"),
    ({"data": {"fingerprint": {"target": "0"}}}, "another data set than"),
]


@pytest.mark.parametrize(("changes", "what"), OTHERWISE)
def test_what_cannot_be_compared_is_refused(runs, tmp_path, changes, what):
    other = changed(runs / "topk0", tmp_path / "other", **changes)
    with pytest.raises(BadInput, match=f"{what} .*name a data set to judge both on: on"):
        compared(runs / "sigmoid0", other)


def test_what_a_run_is_metered_and_judged_by_is_no_way_of_training(runs, tmp_path):
    judged = {"threads": 3, "groups": ["shapes"], "dataset": "x"}
    found = compared(runs / "topk0", changed(runs / "topk1", tmp_path / "again", config=judged))
    assert found.get("set_f1", "topk0", by="seeds").n == 2


def test_every_kind_of_file_holds_the_same_figures(runs, tmp_path):
    for end in ("parquet", "csv", "tex", "md", "html"):
        affectml.evaluate([runs / "sigmoid0", runs / "topk0"], out=tmp_path / f"e.{end}")
    found = affectml.evaluate([runs / "sigmoid0", runs / "topk0"], out=tmp_path / "all").evaluation
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == [
        "facts.json", "metrics.csv", "report.html", "scores.parquet"
    ]  # fmt: skip
    assert Evaluation.read(tmp_path / "all").figures == found.figures
    assert (tmp_path / "e.csv").read_text() == (tmp_path / "all" / "metrics.csv").read_text()
    assert len(pd.read_parquet(tmp_path / "e.parquet")) == len(found.figures)
    assert r"\bottomrule" in (tmp_path / "e.tex").read_text()
    assert "| topk0 |" in (tmp_path / "e.md").read_text().replace("  ", " ")


def test_on_its_own_data_a_run_scores_what_it_stored(runs, data, tmp_path):
    (judged,) = evaluate_systems([runs / "topk0"], EvaluateConfig(on=(str(data.root),)), out=tmp_path / "own").judged
    old = {f for f in RunFolder.open(runs / "topk0").evaluation.figures if f.by != "split"}  # of the training
    assert old <= set(judged.evaluation.figures)
    assert (tmp_path / "own" / "answers.parquet").is_file()


@pytest.mark.slow
def test_missing_runs_are_trained_once_with_each_seed_and_mix_of_prompts(command, data, tmp_path):
    words = ["evaluate", "--train", data.root, "--head", "contrastive", "--prompts", "sentiment", "--prompts",
             "synonyms", "--seeds", 2, "--threads", 1, "--out", tmp_path / "out", "--json"]  # fmt: skip
    code, printed, _ = command(*words)
    assert code == 0
    named = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert named == [f"demo-contrastive-{mix}-seed{seed}" for mix in ("sentiment", "synonyms") for seed in (0, 1)]
    ways = {
        f["system"]
        for f in json.loads(printed)["figures"]
        if f.get("by") == "seeds" and f.get("against", "people") == "people"
    }
    assert ways == {f"{what}demo-contrastive-{mix}-seed0" for what in ("", "zero_shot of ") for mix in
                    ("sentiment", "synonyms")}  # fmt: skip
    before = (tmp_path / "out" / named[0] / "run.json").read_bytes()
    assert command(*words)[0] == 0
    assert (tmp_path / "out" / named[0] / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["run.json", "dataset.json", "report.html"])
def test_nothing_is_written_over_that_no_evaluation_wrote(data, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(BadInput, match=f"holds {name}, which no evaluation wrote"):
        affectml.evaluate(train=data, out=tmp_path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "mine")]


def test_differences_over_seeds_by_hand():
    one, two = ({s: {"set_f1": v} for s, v in enumerate(values)} for values in ((0.80, 0.82, 0.84), (0.70, 0.74, 0.72)))
    apart = over_seeds({"one": one, "two": two}, ["set_f1"])[-1]
    # seed by seed .10, .08, .12: mean .10, SD .02, standard error .011547, times t(2) 4.302653
    assert apart.high - apart.value == pytest.approx(4.302653 * 0.0115470, abs=1e-6)
    assert (apart.level, apart.p) == ("seed by seed", pytest.approx(0.0131, abs=1e-4))  # t = 8.660
    other = over_seeds({"one": one, "two": {seed + 5: found for seed, found in two.items()}}, ["set_f1"])[-1]
    # Welch: both SE .011547, together .016330, 4 degrees of freedom, t 2.776445
    assert (other.level, other.high - other.value) == ("two means", pytest.approx(2.776445 * 0.0163299, abs=1e-6))
    alone = over_seeds({"one": {0: one[0]}, "two": two}, ["set_f1"])
    assert [f.low is None for f in alone] == [True, False, True]  # with a single seed no spread is known
    (mean,) = over_seeds({"one": {0: {"set_f1": 0.99}, 1: {"set_f1": 0.8}}}, ["set_f1"])
    assert (mean.low, mean.high) == (0, 1)  # ± 1.21 ends where the score does


def test_p_values_are_corrected_for_all_that_a_sentence_names():
    def by_image(*values):
        rows = {"set_f1": values, "top_1_accuracy": (0.5,) * len(values)}
        return {
            (f"{run}", "people"): {m: torch.full((40,), v[run]) for m, v in rows.items()} for run in range(len(values))
        }

    pairs = [("0", "1"), ("0", "2"), ("1", "2")]
    scores = by_image(0.5, 0.5, 0.9)
    found = differences(scores, pairs, None)
    first = {(f.system, f.against, f.name): f for f in found}
    assert [f.found for f in found if f.name == "set_f1"] == [False, True, True]
    assert first["0", "2", "set_f1"].p_holm == pytest.approx(6 * first["0", "2", "set_f1"].p)  # 3 pairs, 2 main metrics
    more = differences({k: {**v, "set_recall": v["set_f1"]} for k, v in scores.items()}, pairs, None)
    again = {(f.system, f.against, f.name): f for f in more}
    assert again["0", "2", "set_f1"].p_holm == first["0", "2", "set_f1"].p_holm
    assert again["1", "2", "set_recall"].p_holm == pytest.approx(3 * again["1", "2", "set_recall"].p)  # its own family


def test_too_few_images_have_no_p_value_and_take_no_part_in_the_correction():
    apart, few = torch.linspace(0.0, 0.9, 40), torch.full((40,), torch.nan)
    few[:29] = 1.0
    scores = {(name, "people"): {"set_f1": apart * k, "top_1_accuracy": few * k} for k, name in enumerate("ab")}
    first, second = differences(scores, [("a", "b")], None)
    assert first.p_holm == first.p
    assert (second.p, second.p_holm, second.found) == (None, None, False)
