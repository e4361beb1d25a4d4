"""`affectml evaluate` of runs: a page from what is stored, runs and ways of training compared, and other data sets."""

import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import affectml
from affectml.cli._command import LOG_WIDTH
from affectml.cli.models import print_evaluation
from affectml.data import Dataset
from affectml.errors import BadInput, BadRun
from affectml.evaluating import EvaluateConfig, evaluate_systems
from affectml.evaluating.evaluate import of_runs
from affectml.evaluating.systems import sources_of
from affectml.judging.compare import differences, holm, over_seeds
from affectml.judging.figures import Evaluation
from affectml.page.section import Page, Shown
from affectml.page.sections.overview import sentence
from affectml.page.tables import cell
from affectml.runs import RunFolder
from affectml.training import TrainConfig, train_run
from affectml_metrics.table import shown

from .checks import edited_copy, evaluated, refused

SLOW = {"runs"}  # fixtures, and so all that asks for them


@pytest.fixture(scope="module")
def runs(paintings, tmp_path_factory):
    """Two heads, each with two seeds, which part the images anew."""
    root = tmp_path_factory.mktemp("runs")
    for head, seed in itertools.product(("sigmoid", "topk"), (0, 1)):
        config = TrainConfig(dataset=str(paintings.root), multilabel=True, head=head, seed=seed, threads=1)
        train_run(config, out=root / f"{head}{seed}")
    return root


def compared(*folders):
    return of_runs(sources_of(folders))


def test_a_runs_page_is_written_again_without_its_head_or_its_data(runs, command, tmp_path):
    alone = edited_copy(runs / "sigmoid0", tmp_path / "alone", "run.json", config={"dataset": "gone"})
    for name in ("head.safetensors", "head.json", "answers.parquet", "report.html"):
        (alone / name).unlink(missing_ok=True)
    code, printed, said = command("evaluate", alone)
    assert (code, "set_f1_judgements" in printed) == (0, True)
    assert "report.html is written again, without pictures of images: name the data set for these, --on gone" in said
    assert "--on" in (alone / "report.html").read_text()  # how to get pictures
    (alone / "metrics.csv").unlink()
    refused(BadRun, "never judged; name the data set: on", compared, alone)


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


def test_what_was_found_of_a_run_is_said_of_its_name(runs, tmp_path):
    told = [{"system": name, "words": "is sure"} for name in ("model", "prior")]
    mine = edited_copy(runs / "sigmoid0", tmp_path / "mine", "facts.json", findings=told)
    for found, who in ((compared(mine, runs / "topk0"), "“mine”"), (RunFolder.open(mine).evaluation, "the model")):
        assert found.facts["findings"] == told
        assert Page.of(found, Shown("", "")).told(told) == [f"{who} is sure", "one constant answer is sure"]


def test_runs_that_differ_in_their_seed_are_one_way_of_training(runs, command, tmp_path):
    ways = {head: [f"{head}{seed}" for seed in (0, 1)] for head in ("sigmoid", "topk")}
    every = [runs / name for way in ways.values() for name in way]
    found, values = compared(*every), {run.name: RunFolder.open(run).evaluation.get("set_f1").value for run in every}
    mean = found.get("set_f1", "sigmoid (2 seeds)", by="seeds")
    assert (mean.value, mean.n) == (pytest.approx((values["sigmoid0"] + values["sigmoid1"]) / 2), 2)
    # on the same images, beside the same people
    for who, system in (("person", "person"), ("topk (2 seeds)", "model")):
        each = [RunFolder.open(runs / f"topk{seed}").evaluation.get("set_f1", system, "rest") for seed in (0, 1)]
        assert found.get("set_f1", who, "rest", by="seeds").value == pytest.approx(np.mean([f.value for f in each]))
    assert "people's with each other" in sentence(Page.of(found))
    apart = found.get("set_f1", "sigmoid (2 seeds)", "topk (2 seeds)", by="seeds", level="seed by seed")
    gaps = [values[f"sigmoid{seed}"] - values[f"topk{seed}"] for seed in (0, 1)]
    assert apart.value == pytest.approx(np.mean(gaps))
    assert apart.high - apart.value == pytest.approx(12.7062 * np.std(gaps, ddof=1) / 2**0.5, rel=1e-4)
    assert found.get("set_f1", "sigmoid0", "topk0") is None  # they were tested on different images
    assert "tested on different images" in found.facts["warnings"][-1]
    assert found.facts["ways"] == {f"{head} (2 seeds)": names for head, names in ways.items()}
    _, printed, _ = command("evaluate", *every, "--out", tmp_path / "all.csv")
    (row,) = (line.split() for line in printed.splitlines() if line.startswith(" set_f1 "))
    assert row[2::2] == [cell(found.get("set_f1", f"{head} (2 seeds)", by="seeds")).split()[0] for head in ways]


def test_runs_that_were_tested_on_other_images_are_judged_on_the_data_set(runs, paintings):
    one, other = (set(RunFolder.open(runs / name).evaluation.scores["image_id"]) for name in ("sigmoid0", "topk1"))
    refused(BadInput, "different images: name the data set .*on", compared, runs / "sigmoid0", runs / "topk1")
    both = [runs / "sigmoid0", runs / "topk1"]
    found = affectml.evaluate(both, on=paintings, threads=1, out=runs.parent / "both.csv").evaluation
    assert found.n == found.get("set_f1", "topk1").n == len(one & other)


OTHERWISE = [
    ({"config": {"tau": 0.2}}, "another tau than"),
    ({"data": {"target": "other"}}, "another target than"),
    ({"data": {"fingerprint": {"target": "0"}}}, "another data set than"),
]


@pytest.mark.parametrize(("changes", "what"), OTHERWISE)
def test_what_cannot_be_compared_is_refused(runs, tmp_path, changes, what):
    other = edited_copy(runs / "topk0", tmp_path / "other", "run.json", **changes)
    refused(BadInput, f"{what} .*name a data set to judge both on: on", compared, runs / "sigmoid0", other)


def test_what_a_run_is_metered_and_judged_by_is_no_way_of_training(runs, tmp_path):
    judged = {"threads": 3, "groups": ["shapes"], "dataset": "x"}
    found = compared(runs / "topk0", edited_copy(runs / "topk1", tmp_path / "again", "run.json", config=judged))
    assert found.get("set_f1", "topk (2 seeds)", by="seeds").n == 2


def test_a_second_run_of_the_same_way_and_seed_is_a_system_of_its_own(runs, tmp_path):
    again = edited_copy(runs / "topk0", tmp_path / "again", "run.json")
    found = compared(runs / "topk0", again)
    assert found.get("set_f1", "again").value == found.get("set_f1", "topk0").value
    assert found.get("set_f1", "topk0", "again").value == 0
    other = edited_copy(runs / "topk1", tmp_path / "other", "run.json", config={"options": {"hidden": 8}})
    ways = compared(runs / "topk0", again, runs / "topk1", other)
    named = {"topk (2 seeds)": ["topk0", "topk1"], "topk (1 seed)": ["again"]}
    assert ways.facts["ways"] == {**named, "topk, hidden 8 (1 seed)": ["other"]}
    assert ways.get("set_f1", "topk (1 seed)", by="seeds").value == found.get("set_f1", "again").value


def test_every_kind_of_file_holds_the_same_figures(runs, tmp_path):
    for end in ("parquet", "csv", "tex", "md", "html"):
        affectml.evaluate([runs / "sigmoid0", runs / "topk0"], out=tmp_path / f"e.{end}")
    found = affectml.evaluate([runs / "sigmoid0", runs / "topk0"], out=tmp_path / "all").evaluation
    names = ["facts.json", "metrics.csv", "report.html", "scores.parquet"]
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == names
    assert Evaluation.read(tmp_path / "all").figures == found.figures
    assert (tmp_path / "e.csv").read_text() == (tmp_path / "all" / "metrics.csv").read_text()
    assert len(pd.read_parquet(tmp_path / "e.parquet")) == len(found.figures)
    assert r"\bottomrule" in (tmp_path / "e.tex").read_text()
    assert "| topk0 |" in (tmp_path / "e.md").read_text().replace("  ", " ")


@pytest.mark.slow
def test_missing_runs_are_trained_once_with_each_seed_and_mix_of_prompts(told, demo_set, tmp_path):
    options = "--head contrastive --prompts sentiment --prompts synonyms --seeds 2 --threads 1 --json"
    words = ["evaluate", "--train", demo_set(images=60, seed=31).root, *options.split(), "--out", tmp_path / "out"]
    printed = told(*words)
    named = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert named == [f"demo-contrastive-{mix}-seed{seed}" for mix in ("sentiment", "synonyms") for seed in (0, 1)]
    over = [f for f in json.loads(printed)["figures"] if f.get("by") == "seeds"]
    ways = {f"contrastive, prompts {mix} (2 seeds)" for mix in ("sentiment", "synonyms")}
    trained = {f["system"] for f in over if f.get("against", "people") == "people"}
    assert trained == ways | {f"zero_shot of {way}" for way in ways}
    before = (tmp_path / "out" / named[0] / "run.json").read_bytes()
    told(*words)
    assert (tmp_path / "out" / named[0] / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["run.json", "dataset.json", "report.html"])
def test_nothing_is_written_over_that_no_evaluation_wrote(paintings, tmp_path, name):
    (tmp_path / name).write_text("mine")
    refused(BadInput, f"holds {name}, which no evaluation wrote", affectml.evaluate, train=paintings, out=tmp_path)
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
    even = {"one": {0: one[0], 1: {"set_f1": 0.85}}, "two": {0: {"set_f1": 0.75}, 1: one[0]}}
    same = over_seeds(even, ["set_f1"])[-1]
    assert (same.value, same.low, same.p) == (pytest.approx(0.05), None, None)  # alike but for rounding
    (mean,) = over_seeds({"one": {0: {"set_f1": 0.99}, 1: {"set_f1": 0.8}}}, ["set_f1"])
    assert (mean.low, mean.high) == (0, 1)  # ± 1.21 ends where the score does


def test_p_values_are_corrected_for_all_that_a_sentence_names():
    def by_image(*values):
        rows = {"set_f1": values, "top_1_accuracy": (0.5,) * len(values)}
        runs = range(len(values))
        return {(str(run), "people"): {m: torch.full((40,), v[run]) for m, v in rows.items()} for run in runs}

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


# On other data sets: other labels, images learned from, drops, refusals


VARIANTS = {"m": ("mikels-8", "plain"), "e": ("ekman-6", "pale"), "p": ("polarity-2", "dark")}
FIVE = "ekman-6 (5 of 6 labels)"
CALLED = {"m": "demo", "e": "demo ekman-6 pale", "p": "demo polarity-2 dark"}


@pytest.fixture(scope="module")
def folders(demo_set):
    seeds = zip(VARIANTS.items(), range(3), strict=True)
    more = {"images": 90, "embedded": True}
    return {name: demo_set(name, seed=seed, taxonomy=t, look=look, **more).root for (name, (t, look)), seed in seeds}


@pytest.fixture(scope="module")
def crossed(folders, tmp_path_factory):
    """A run of each data set, judged on all of them; and the folder that holds the runs."""
    out = tmp_path_factory.mktemp("crossed") / "out"
    paths = tuple(map(str, folders.values()))
    return evaluate_systems([], EvaluateConfig(train=paths, on=paths, threads=1), out=out), out


@pytest.fixture(scope="module")
def trained(crossed):
    return {name: crossed[1] / f"{called}-sigmoid" for name, called in CALLED.items()}


def on(run, folder, **options):
    """What is found of a run on a data set, and what is said meanwhile."""
    said = []
    return evaluated(run, folder, said.append, **options), said


def test_every_pair_has_scores_beside_people_and_the_prior_or_a_reason(crossed):
    found = crossed[0].evaluation
    for here, train in itertools.product(CALLED.values(), repeat=2):
        rows = found.where(dataset=here, system=f"{train}-sigmoid", against="people")
        top = next((f for f in rows if f.name == "top_1_accuracy"), None)
        refused = {train, here} == {CALLED["e"], CALLED["p"]}
        assert (top is None) == refused, (train, here)
        if top is not None:
            every = found.where(dataset=here, space=top.space, metric="top_k_accuracy", k=1)
            assert top.low <= top.value <= top.high
            assert min(f.value for f in every if f.system.startswith("prior")) < top.value
    assert sum("'surprise' has no target" in line for line in found.facts["warnings"]) == 2


def test_a_run_has_scores_on_its_own_test_images_in_the_labels_of_each_pair(crossed):
    found = crossed[0].evaluation
    away, home = (found.get("top_1_accuracy", "demo-sigmoid", dataset=at, space=FIVE) for at in (CALLED["e"], "demo"))
    assert home.value > away.value
    assert found.facts["datasets"][CALLED["e"]]["spaces"][FIVE]["lines"]


def test_the_matrix_is_a_pivot_of_rows_and_files_hold_all(crossed):
    found, out = crossed
    names = {"answers.parquet", "facts.json", "metrics.csv", "report.html", "scores.parquet"}
    assert names == {path.name for path in out.iterdir() if path.is_file()}
    table, said = pd.read_csv(out / "metrics.csv"), pd.read_parquet(out / "answers.parquet")
    assert not table.duplicated(list(table.columns[:12])).any()
    assert {*CALLED.values()} == {*table["dataset"]} == {*said["dataset"]} == found.evaluation.facts["datasets"].keys()
    ekman = said[said["dataset"] == CALLED["e"]]
    assert ekman["label:awe"].isna().all()
    assert ekman[ekman["form"] == "score"]["label:joy"].notna().all()


def test_the_terminal_breaks_long_lines_and_says_once_how_many_sets_are_empty(crossed, capsys):
    found = crossed[0].evaluation
    print_evaluation(found, verbose=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= LOG_WIDTH
    assert any(line.startswith("    ") and "our reasoning" in line for line in lines)  # goes on in the next line
    home = {name: facts for name, facts in found.facts["datasets"]["demo"].items() if name != "spaces"}
    print_evaluation(replace(found, facts=home), verbose=False)
    assert capsys.readouterr().out.count("mpty sets: people") == 1


def test_an_existing_run_is_judged_in_other_labels_as_it_was_when_it_was_trained(crossed, trained, folders, tmp_path):
    twice, column = (folders["p"], folders["p"] / "."), "top_k_accuracy@1"
    here = affectml.evaluate(trained["m"], on=twice, threads=1, out=tmp_path / "here.csv").evaluation
    assert "datasets" not in here.facts  # which two paths name
    assert here.get("top_1_accuracy").space == "polarity-2"
    key = "dataset == @CALLED['p'] and space == 'polarity-2' and against == 'people' and system == "
    again = crossed[0].evaluation.scores.query(f"{key}'demo-sigmoid'").set_index("image_id")[column]
    whole = here.scores.query(f"{key}'model'").set_index("image_id")[column]
    assert 0 < len(again) < len(whole)  # other runs' images do not count there
    assert again.equals(whole.reindex(again.index))


def test_a_choice_fills_the_cell_and_a_label_may_be_left_out(trained, folders):
    refused(BadInput, r"no system could be compared: .*surprise.*mapping says", on, trained["e"], folders["p"])
    found, _ = on(trained["e"], folders["p"], mapping={"surprise": "positive"})
    assert any("surprise -> positive (user" in line for line in found.facts["lines"])
    assert on(trained["e"], folders["p"], drop=True)[0].get("top_1_accuracy") is not None


def test_images_that_a_run_learned_from_are_left_out_under_any_name(trained, folders, tmp_path):
    other = edited_copy(folders["m"], tmp_path / "query", "dataset.json", name="found")
    tables = ("images.parquet", "annotations.parquet", "targets-emotions.parquet", "truth.parquet")
    for file in [*(other / name for name in tables), *other.glob("embeddings/*/list-*.parquet")]:
        table = pd.read_parquet(file)
        table.assign(image_id="z" + table["image_id"].astype(str)).to_parquet(file)
    found, said = on(trained["m"], other)
    count, test = len(Dataset.open(other).images), RunFolder.open(trained["m"]).info.split.images["test"]
    assert found.n == test
    assert any(f"{count - test} of {count} images are among those that" in line for line in said)
    moved = edited_copy(trained["m"], tmp_path / "moved", "run.json", config={"dataset": "gone"})
    assert on(moved, other)[0].n == count  # nothing tells: other names, and the own data are gone


def test_a_shared_run_is_not_judged_on_what_it_may_have_learned_from(trained, folders, tmp_path):
    shared = shutil.copytree(trained["m"], tmp_path / "shared")
    (shared / "answers.parquet").unlink()
    refused(BadRun, "would flatter it", on, shared, folders["m"])
    assert on(shared, folders["p"])[0].get("top_1_accuracy").system == "model"


def test_a_run_that_is_there_is_taken_only_for_what_it_was_trained_on_and_how(crossed, folders, demo_set, tmp_path):
    out = shutil.copytree(crossed[1], tmp_path / "out")
    asked = {"train": folders["m"], "on": folders["m"], "threads": 1, "out": out, "say": str}
    assert affectml.evaluate(**asked).evaluation.get("top_1_accuracy", "model") is not None
    refused(BadRun, "trained with another tau than is asked now", affectml.evaluate, **asked, tau=0.6)
    namesake = demo_set("m", images=40, seed=9).root
    refused(BadRun, "trained with another data than", affectml.evaluate, **{**asked, "train": namesake})


@pytest.mark.slow
def test_masses_of_every_distribution_head_add_up_and_who_cannot_learn_is_left_out(demo_set, tmp_path):
    one = demo_set("one", images=60, seed=4, answers="one", taxonomy="mikels-8")
    two, said = demo_set("two", images=60, seed=5, answers="one", taxonomy="polarity-2"), []
    found = affectml.evaluate(train=one, on=two, heads=("softmax", "kernel", "topk"), threads=1, out=tmp_path / "out",
                              say=said.append).evaluation  # fmt: skip
    systems = (f"{one.name}-softmax", f"{one.name}-kernel")
    judged = [list(found.where(system=name, against="people", dataset=two.name)) for name in systems]
    softmax, kernel = ({f.name for f in rows} for rows in judged)
    assert softmax == kernel >= {"kl_divergence"}
    assert any(f"{one.name}-topk is left out" in line for line in said)
