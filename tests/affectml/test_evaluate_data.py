"""`affectml evaluate RUN --on DATASET`: other labels, images learned from, drops, refusals."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest

import affectml
from affectml.cli._print import LOG_WIDTH
from affectml.cli._runs_print import print_evaluation
from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.errors import BadInput, BadRun
from affectml.evaluating import EvaluateConfig, evaluate_systems
from affectml.runs import RunFolder

from .edited import edit

VARIANTS = {"m": ("mikels-8", "plain"), "e": ("ekman-6", "pale"), "p": ("polarity-2", "dark")}
FIVE = "ekman-6 (5 of 6 labels)"
CALLED = {"m": "demo", "e": "demo ekman-6 pale", "p": "demo polarity-2 dark"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("variants")
    for seed, (name, (taxonomy, look)) in enumerate(VARIANTS.items()):
        write_demo(root / name, images=240, seed=seed, taxonomy=taxonomy, look=look)
    return {name: root / name for name in VARIANTS}


@pytest.fixture(scope="module")
def crossed(folders):
    """A run of each data set, judged on all of them; and the folder that holds the runs."""
    out = folders["m"].parent / "crossed"
    paths = tuple(map(str, folders.values()))
    return evaluate_systems([], EvaluateConfig(train=paths, on=paths, threads=1), out=out), out


@pytest.fixture(scope="module")
def runs(crossed):
    return {name: crossed[1] / f"{called}-sigmoid" for name, called in CALLED.items()}


@pytest.fixture
def on(tmp_path):
    """`on(run, *data_sets, **options)`: what is found, and what is said meanwhile."""

    def judge(run, *folders, **options):
        config, said = EvaluateConfig(on=tuple(map(str, folders)), threads=1, **options), []
        out = tmp_path / f"{len([*tmp_path.iterdir()])}.csv"
        return evaluate_systems([run], config, out=out, say=said.append).evaluation, said

    return judge


def test_every_pair_has_scores_beside_people_and_the_prior_or_a_reason(crossed):
    found = crossed[0].evaluation
    for here in CALLED.values():
        for train, called in CALLED.items():
            rows = list(found.where(dataset=here, system=f"{called}-sigmoid", against="people"))
            top = next((f for f in rows if f.name == "top_1_accuracy"), None)
            refused = {called, here} == {CALLED["e"], CALLED["p"]}
            assert (top is None) == refused, (train, here)
            if top is not None:
                priors = [f.value for f in found.where(dataset=here, space=top.space, metric="top_k_accuracy", k=1)
                          if f.system.startswith("prior")]  # fmt: skip
                assert top.low <= top.value <= top.high
                assert min(priors) < top.value
    assert sum("'surprise' has no target" in line for line in found.facts["warnings"]) == 2


def test_the_drop_is_in_the_pairs_labels_and_from_the_runs_own_test_images(crossed):
    found, run = crossed[0].evaluation, "demo-sigmoid"
    key = {"space": FIVE, "system": run}
    away = found.get("top_1_accuracy", run, dataset=CALLED["e"], space=FIVE)
    home = found.get("top_1_accuracy", run, dataset="demo", space=FIVE)
    (drop,) = found.where(
        **key, against=run, by="dataset", level=f"demo less {CALLED['e']}", metric="top_k_accuracy", k=1
    )
    assert drop.value == pytest.approx(home.value - away.value)
    assert drop.value > 0
    assert found.facts["datasets"][CALLED["e"]]["spaces"][FIVE]["lines"]
    assert not list(found.where(dataset="demo", system=run, against=run, by="dataset", level=None))


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


def test_an_existing_run_is_judged_in_other_labels_as_it_was_when_it_was_trained(crossed, runs, folders, on):
    again = crossed[0].evaluation.get("top_1_accuracy", "demo-sigmoid", dataset=CALLED["p"], space="polarity-2")
    here = on(runs["m"], folders["p"])[0].get("top_1_accuracy")
    assert (here.space, here.system) == ("polarity-2", "model")
    assert here.value == pytest.approx(again.value, abs=0.1)  # other runs' images do not count there


def test_a_choice_fills_the_cell_and_a_label_may_be_left_out(runs, folders, on):
    with pytest.raises(BadInput, match=r"no system could be compared: .*surprise.*mapping says"):
        on(runs["e"], folders["p"])
    found, _ = on(runs["e"], folders["p"], mapping={"surprise": "positive"})
    assert any("surprise -> positive (user" in line for line in found.facts["lines"])
    assert on(runs["e"], folders["p"], drop=True)[0].get("top_1_accuracy") is not None


def test_images_that_a_run_learned_from_are_left_out_under_any_name(runs, folders, on, tmp_path):
    other = shutil.copytree(folders["m"], tmp_path / "query")
    edit(other / "dataset.json", name="found", targets={"emotions": {"construct": "query"}})
    for file in ("images.parquet", "annotations.parquet", "targets-emotions.parquet", "truth.parquet"):
        table = pd.read_parquet(other / file)
        table.assign(image_id="z" + table["image_id"].astype(str)).to_parquet(other / file)
    shutil.rmtree(other / "embeddings")
    found, said = on(runs["m"], other)
    count = len(Dataset.open(other).images)
    test = RunFolder.open(runs["m"]).info.split.images["test"]
    assert found.n == test
    assert any(f"{count - test} of {count} images are among those that" in line for line in said)
    told = "across constructs: model learned from evoked labels and is judged by query"
    assert any(line.startswith(told) for line in said)
    moved = shutil.copytree(runs["m"], tmp_path / "moved")
    edit(moved / "run.json", config={"dataset": "gone"})
    assert on(moved, other)[0].n == count  # nothing tells: other names, and the own data are gone


def test_a_set_named_by_two_paths_is_one_set(runs, folders, on):
    assert "datasets" not in on(runs["m"], folders["m"], folders["m"] / ".")[0].facts


def test_a_shared_run_is_not_judged_on_what_it_may_have_learned_from(runs, folders, on, tmp_path):
    shared = shutil.copytree(runs["m"], tmp_path / "shared")
    (shared / "answers.parquet").unlink()
    with pytest.raises(BadRun, match="would flatter it"):
        on(shared, folders["m"])
    assert on(shared, folders["p"])[0].get("top_1_accuracy").system == "model"


@pytest.mark.slow
def test_masses_of_every_distribution_head_add_up_and_who_cannot_learn_is_left_out(tmp_path):
    one = write_demo(tmp_path / "one", images=100, seed=4, answers="one", taxonomy="mikels-8")
    two = write_demo(tmp_path / "two", images=100, seed=5, answers="one", taxonomy="polarity-2")
    said = []
    found = affectml.evaluate(train=one, on=two, heads=("softmax", "kernel", "topk"), threads=1, out=tmp_path / "out",
                              say=said.append).evaluation  # fmt: skip
    softmax, kernel = (
        {f.name for f in found.where(system=f"{one.name}-{head}", against="people", dataset=two.name)}
        for head in ("softmax", "kernel")
    )
    assert softmax == kernel >= {"kl_divergence"}
    assert any(f"{one.name}-topk is left out" in line for line in said)
