"""The whole of crosseval on three small demo variants: matrix, files, drops, refusals."""

import csv
import json
from dataclasses import replace

import pytest

from affectml.cross_evaluation import (
    Cell,
    CrossConfig,
    CrossResult,
    cells_table,
    crosseval,
    main_metric,
    matrix_table,
    write_crosseval,
)
from affectml.cross_evaluation._grid import grid_of
from affectml.cross_evaluation._matrix import draw_heatmap, latex
from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.errors import BadDataset, BadInput
from affectml.page.tables import escape_tex

VARIANTS = {"m": ("mikels-8", "plain"), "e": ("ekman-6", "pale"), "p": ("polarity-2", "dark")}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("variants")
    for seed, (name, (taxonomy, look)) in enumerate(VARIANTS.items()):
        write_demo(root / name, images=240, seed=seed, taxonomy=taxonomy, look=look)
    return {name: str(root / name) for name in VARIANTS}


@pytest.fixture(scope="module")
def result(folders):
    paths = tuple(folders.values())
    return crosseval(CrossConfig(train=paths, test=paths, heads=("plain",), threads=1))


def crossed(train, test, *, heads=("plain",), say=lambda line: None, **options):
    return crosseval(CrossConfig((str(train),), (str(test),), heads, threads=1, **options), say=say)


@pytest.fixture
def on_polarity(command, folders):
    """`on_polarity(*words)`: the command on the smallest data set, with a head that learns nothing."""
    words = ["--train", folders["p"], "--test", folders["p"], "--head", "zero-shot", "--threads", "1"]
    return lambda *more: command("crosseval", *words, *more)


def pair(result, train, test):
    return next(c for c in result.cells if (c.train, c.test) == (train, test))


def test_every_pair_has_scores_or_a_reason(result):
    assert len(result.cells) == 9
    empty = [(c.train, c.test) for c in result.cells if c.reason]
    ekman, polarity = "demo ekman-6 pale", "demo polarity-2 dark"
    assert empty == [(ekman, polarity), (polarity, ekman)]
    assert all("surprise" in c.reason for c in result.cells if c.reason)
    for c in result.cells:
        assert bool(c.scores) != bool(c.reason)
        for score in (*c.scores.values(), *c.in_domain.values(), *c.prior.values(), *c.zero_shot.values()):
            assert score["low"] <= score["value"] <= score["high"]


def test_the_drop_compares_like_with_like_and_is_real(result):
    c = pair(result, "demo", "demo ekman-6 pale")
    assert c.taxonomy == "ekman-6"
    assert c.unreachable == ("surprise",)
    assert 0 < c.mass < 1
    assert set(c.in_domain) == set(c.scores)
    drop = c.drop("top_1_accuracy")
    assert drop["value"] == pytest.approx(c.in_domain["top_1_accuracy"]["value"] - c.scores["top_1_accuracy"]["value"])
    assert drop["value"] > 0
    assert pair(result, "demo", "demo").drop("top_1_accuracy") is None


def test_the_model_beats_its_prior_everywhere(result):
    for c in result.cells:
        if not c.reason:
            assert c.scores["top_1_accuracy"]["value"] > c.prior["top_1_accuracy"]["value"]


def test_the_same_seed_gives_the_same_files_and_they_agree(result, folders, tmp_path):
    metric = main_metric(result)
    assert metric == "top_1_accuracy"
    for name in ("one", "two"):
        write_crosseval(result, tmp_path / name, metric)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["cells.csv", "crosseval.json", "heatmap.png", "heatmap.svg", "matrix.csv", "matrix.tex"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with (tmp_path / "one" / "cells.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert sum(bool(row["reason"]) for row in rows) == 2
    wanted = {"train": "demo", "test": "demo", "system": "model", "metric": metric}
    row = next(r for r in rows if wanted.items() <= r.items())
    assert float(row["value"]) == pair(result, "demo", "demo").scores[metric]["value"]
    stored = json.loads((tmp_path / "one" / "crosseval.json").read_text())
    assert len(stored["cells"]) == 9
    with (tmp_path / "one" / "matrix.csv").open() as handle:
        matrix = list(csv.reader(handle))
    assert [len(line) for line in matrix] == [13] * 8  # three heads, zero-shot, three priors, the header
    assert matrix[1][-3:] == ["", "5", ""]  # demo's own eight labels, five of ekman-6, polarity-2's own two
    assert crossed(folders["m"], folders["m"]).cells[0].scores == pair(result, "demo", "demo").scores


def test_tables_name_the_reasons_and_latex_is_escaped(result):
    table = matrix_table(result, "top_1_accuracy")
    assert [row[0] for row in table.rows][-4:] == [
        "zero_shot", "prior, demo", "prior, demo ekman-6 pale", "prior, demo polarity-2 dark"
    ]  # fmt: skip
    assert "'surprise' has no target" in table.note
    assert len(cells_table(result, "top_1_accuracy").rows) == 4
    tex = latex(result, "top_1_accuracy")
    assert tex.count(r"\\") == 8 + 3  # two kinds of fewer labels, and what bold means
    assert tex.count("--") >= 3
    assert "zero\\_shot" in tex
    assert escape_tex("50 % & a_b > c") == r"50 \% \& a\_b $>$ c"
    assert escape_tex("[0] a|b") == r"{[}0] a\textbar{}b"  # after \\ a bracket would be the height of a line


def scored(value, spread=0.01):
    return {"top_1_accuracy": {"value": value, "low": value - spread, "high": value + spread}}


def test_only_cells_in_the_same_labels_stand_beside_each_other(tmp_path):
    own, five, other = tuple("abcdefgh"), tuple("abcde"), tuple("abcdx")
    cells = (
        Cell("sigmoid", "A", "A", "eight", own, scores=scored(0.5), prior=scored(0.1)),
        Cell("sigmoid", "B", "A", "five", five, scores=scored(0.9), prior=scored(0.2)),
        Cell("sigmoid", "C", "A", "five", five, scores=scored(0.895), prior=scored(0.2)),
        Cell("sigmoid", "D", "A", "other", other, scores=scored(0.3), prior=scored(0.31)),
    )
    result = CrossResult(CrossConfig((), ()), "e", cells, {"A": scored(0.52)}, {"A": own}, ())
    grid = grid_of(result, "top_1_accuracy")
    found = {name: (entries[0].mark, entries[0].best) for name, entries in grid.rows}
    assert found == {
        "sigmoid, A": ("", True),  # .5 overlaps with zero-shot's .52; .9 is of other labels and beats nobody here
        "sigmoid, B": ("5", True),
        "sigmoid, C": ("5", True),
        "sigmoid, D": ("5b", True),
        "zero_shot": ("", True),
        "prior, A": ("", False),
        "prior, B": ("5", False),
        "prior, C": ("5", False),
        "prior, D": ("5b", True),
    }
    assert grid.marks == {"5": "5 labels of five", "5b": "5 labels of other"}
    tex = latex(result, "top_1_accuracy")
    assert r"sigmoid, B & \textbf{.900}{\scriptsize$\,\pm\,.010$ (5)} \\" in tex
    assert "prior, C & .200{" in tex
    table = matrix_table(result, "top_1_accuracy")
    assert table.rows[3][1] == ".300 ±.010 (5b)"
    assert table.best == {(row, 1) for row, (_, best) in enumerate(found.values()) if best}
    draw_heatmap(grid, [tmp_path / "a.svg"])
    assert ".300 (5b)" in (tmp_path / "a.svg").read_text()


def test_a_choice_fills_the_cell(folders):
    (c,) = crossed(folders["e"], folders["p"], choices={"surprise": "positive"}).cells
    assert not c.reason
    assert c.mass == 1.0
    assert any("surprise -> positive (user" in line for line in c.lines)


def test_across_constructs_is_said(folders, tmp_path):
    import shutil

    other = shutil.copytree(folders["m"], tmp_path / "query")
    meta = json.loads((other / "dataset.json").read_text())
    meta["targets"]["emotions"]["construct"] = "query"
    (other / "dataset.json").write_text(json.dumps({**meta, "name": "found"}))
    lines = []
    found = crossed(folders["m"], other, say=lines.append)
    (copy,) = found.cells  # the same images, so that only the part not learned from is judged
    assert copy.images < 0.2 * 240
    assert f"of {len(Dataset.open(other).images)} images are among those that demo learned from" in copy.lines[-1]
    assert "across constructs: demo -> found: learned from evoked labels, judged by query ones" in found.notes[0]
    assert found.notes[0] in lines
    assert Dataset.open(other).meta.constructs == ("query",)


def test_a_set_named_by_two_paths_is_one_set(folders, result):
    (c,) = crossed(folders["m"], folders["m"] + "/.").cells
    assert c.scores == pair(result, "demo", "demo").scores


@pytest.mark.slow
def test_masses_of_every_distribution_head_add_up(tmp_path):
    one = write_demo(tmp_path / "one", images=100, seed=4, answers="one", taxonomy="mikels-8")
    two = write_demo(tmp_path / "two", images=100, seed=5, answers="one", taxonomy="polarity-2")
    heads = ("softmax", "kernel", "topk")
    cells = crossed(one.root, two.root, heads=heads).cells
    measured = {c.head: set(c.scores) for c in cells}
    assert measured["kernel"] == measured["softmax"]
    assert "kl_divergence" in measured["softmax"]
    assert measured["topk"] == set()
    assert "topk" in cells[-1].reason


def test_a_name_is_no_formula_on_the_picture(result, tmp_path):
    cells = tuple(replace(c, test=c.test.replace("demo", r"cost $5 and \frac$")) for c in result.cells)
    named = {"zero_shot": {c.test: {} for c in cells}, "labels": {c.test: c.labels for c in cells}}
    write_crosseval(replace(result, cells=cells, **named), tmp_path / "out", "top_1_accuracy")
    assert r"cost $5" in (tmp_path / "out" / "heatmap.svg").read_text()


def test_bad_input_is_named(folders, tmp_path, result):
    with pytest.raises(BadInput, match="choice joy=purple: no mapping"):
        crossed(folders["m"], folders["m"], choices={"joy": "purple"})
    with pytest.raises(BadDataset, match="no such folder"):
        crossed(tmp_path / "no", folders["m"])
    with pytest.raises(BadInput, match="no metric 'top1_accuracy'; did you mean 'top_1_accuracy'"):
        main_metric(result, "top1_accuracy")
    with pytest.raises(BadInput, match="no head 'softmx'; did you mean 'softmax'"):
        crossed(folders["m"], folders["m"], heads=("softmx",))
    with pytest.raises(BadInput, match="no pair could be compared"):
        main_metric(crossed(folders["e"], folders["p"]))


def test_a_metric_that_these_data_have_not_loses_no_work(on_polarity, tmp_path):
    code, _, said = on_polarity("--metric", "kl_divergence", "--out", tmp_path / "out")
    assert code == 2
    assert "has the matrix of top_1_accuracy" in said
    assert (tmp_path / "out" / "matrix.csv").is_file()


def test_the_command_writes_and_prints(on_polarity, tmp_path):
    code, printed, _ = on_polarity("--metric", "set_f1", "--out", tmp_path / "out")
    assert code == 0
    assert "set_f1 ↑ across data sets" in printed
    assert "zero_shot, demo polarity-2 dark" in printed
    assert (tmp_path / "out" / "heatmap.svg").is_file()
