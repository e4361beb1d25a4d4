"""Several runs in one page: differences on the same images, and over seeds."""

import re
import shutil
from dataclasses import replace
from html import escape

import pytest
import torch

from affectml.comparison import report_runs
from affectml.comparison._differences import Gain, SeedGap, _gap, by_seed, gains_of
from affectml.comparison.page import in_words, seeds_in_words
from affectml.demo_set import write_demo
from affectml.errors import BadInput, BadRun
from affectml.page.tables import p_value
from affectml.runs import RunFolder
from affectml.training import TrainConfig, train_run

SLOW = {"runs"}  # fixtures, and so all that asks for them


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    demo = write_demo(root / "demo", images=200, seed=3)
    base = TrainConfig(dataset=str(demo.root), multilabel=True, threads=1)
    wanted = {"a0": base, "a1": replace(base, seed=1), "b0": replace(base, options={"l2": 100.0})}
    return {name: train_run(config, out=root / name) for name, config in wanted.items()}


def test_two_runs_are_told_apart_on_the_same_images(runs, tmp_path):
    pair = [runs["a0"].folder, runs["b0"].folder]
    found = report_runs(pair, out=tmp_path / "page.html", tables=tmp_path / "tables")
    gains = {gain.metric: gain for gain in found.gains}
    for metric, gain in gains.items():
        one, two = (runs[name].metrics["systems"]["model"][metric]["value"] for name in ("a0", "b0"))
        assert gain.score["value"] == pytest.approx(one - two, abs=1e-9), metric
    assert gains["rate_cross_entropy"].found  # an l2 of 100 learns next to nothing
    assert "a0 is better than b0 in rate_cross_entropy" in found.sections[0].sentence
    assert (tmp_path / "tables" / "differences-pairs.csv").is_file()
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("<article") == 12


def test_a_notebook_shows_the_differences_in_short_tables(runs, tmp_path):
    found = report_runs([runs["a0"].folder, runs["b0"].folder], out=tmp_path / "page.html")
    shown = found._repr_html_()
    assert shown.count("<table>") == len(found.sections[0].tables)
    assert escape(found.sections[0].sentence) in shown
    assert len(shown) < 20_000
    assert repr(found) == f"<RunsCompared {tmp_path / 'page.html'}: {len(found.gains)} differences>"


def test_a_page_of_differences_is_no_gallery_and_needs_a_place(runs, tmp_path):
    pair = [shutil.copytree(runs[name].folder, tmp_path / name) for name in ("a0", "b0")]
    assert report_runs(pair).page == pair[0] / "differences.html"
    page = pair[0] / "differences.html"
    assert re.findall(r"<h([1-6])", page.read_text(encoding="utf-8"))[:2] == ["1", "2"]
    with pytest.raises(BadInput, match="cannot write there.*name another folder"):
        report_runs(pair, out="/proc/page.html")
    with pytest.raises(BadInput, match="is a folder; name a file in it"):
        report_runs(pair, out=tmp_path)


def test_a_run_is_not_told_apart_from_itself(runs, tmp_path):
    found = report_runs([runs["a0"].folder, runs["a0"].folder], out=tmp_path / "page.html")
    assert not any(gain.found for gain in found.gains)
    assert "tell none of these runs apart" in found.sections[0].sentence


def test_seeds_are_grouped_and_one_seed_says_nothing(runs, tmp_path):
    groups = by_seed([runs[name] for name in ("b0", "a1", "a0")])
    assert {name: [run.folder.name for run in each] for name, each in groups.items()} == {
        "b0": ["b0"],
        "a1": ["a0", "a1"],
    }
    folders = [runs[name].folder for name in ("a0", "a1", "b0")]
    found = report_runs(folders, seeds=True, out=tmp_path / "page.html")
    assert all(gap.score is None and not gap.found for gap in found.seeds)
    assert "With a single seed on one side nothing can be said" in found.sections[0].sentence
    with pytest.raises(BadInput, match="differ in nothing but the seed"):
        report_runs(folders[:2], seeds=True)


def test_what_a_run_is_metered_and_judged_by_is_no_way_of_training(runs):
    def asked(run, **more):
        return RunFolder(run.folder, replace(run.info, config=replace(run.info.config, **more)))

    other = asked(runs["a1"], groups=("shapes",))
    assert [len(each) for each in by_seed([runs["a0"], other]).values()] == [2]
    assert len(by_seed([runs["a0"], asked(runs["a1"], tau=0.5)])) == 2


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    other = write_demo(tmp_path / "other", images=100, seed=4)
    config = TrainConfig(dataset=str(other.root), multilabel=True, threads=1)
    run = train_run(config, out=tmp_path / "run")
    with pytest.raises(BadInput, match="another data set than"):
        report_runs([runs["a0"].folder, run.folder])
    with pytest.raises(BadInput, match="at least two"):
        report_runs([run.folder])
    for name in ("answers.parquet", "metrics.json"):
        (run.folder / name).unlink()
    with pytest.raises(BadRun, match="no answers.parquet, which a shared run and imported weights come without"):
        report_runs([run.folder, run.folder])


def test_differences_over_seeds_by_hand():
    one, two = {0: 0.80, 1: 0.82, 2: 0.84}, {0: 0.70, 1: 0.74, 2: 0.72}
    gap = _gap(("one", "two"), "set_f1", one, two)
    # seed by seed .10, .08, .12: mean .10, SD .02, standard error .011547, times t(2) 4.302653
    assert gap.paired
    assert gap.score["high"] - gap.value == pytest.approx(4.302653 * 0.0115470, abs=1e-6)
    assert gap.p == pytest.approx(0.0131, abs=1e-4)  # t = 8.660
    apart = _gap(("one", "two"), "set_f1", one, {5: 0.70, 6: 0.74, 7: 0.72})
    # Welch: both SE .011547, together .016330, 4 degrees of freedom, t 2.776445
    assert not apart.paired
    assert apart.score["high"] - apart.value == pytest.approx(2.776445 * 0.0163299, abs=1e-6)


def test_holm_is_over_all_that_a_sentence_names():
    rows = [{"set_f1": torch.full((40,), v), "top_1_accuracy": torch.full((40,), 0.5)} for v in (0.5, 0.5, 0.9)]
    gains = gains_of(["a", "b", "c"], rows, None)
    assert [gain.found for gain in gains] == [False, True, True, False, False, False]
    assert gains[1].p_holm == pytest.approx(6 * gains[1].p)  # three pairs in two main metrics
    with_others = [{**each, "set_recall": each["set_f1"]} for each in rows]
    gains = gains_of(["a", "b", "c"], with_others, None)
    assert gains[1].p_holm == pytest.approx(6 * gains[1].p)
    assert gains[-1].p_holm == pytest.approx(3 * gains[-1].p)  # a family of its own


def test_too_few_images_have_no_p_value_and_take_no_part_in_the_correction():
    apart, few = torch.linspace(0.0, 0.9, 40), torch.full((40,), torch.nan)
    few[:29] = 1.0
    rows = [{"set_f1": apart * 0, "top_1_accuracy": few * 0}, {"set_f1": apart, "top_1_accuracy": few}]
    first, second = gains_of(["a", "b"], rows, None)
    assert first.p_holm == first.p
    assert (second.p, second.p_holm, second.found) == (None, None, False)
    assert p_value(second.p) == "–"
    assert "too few for a p value" in in_words([second], ["top_1_accuracy"], 29)


def test_words_name_the_better_run_whichever_way_a_metric_goes():
    score = {"value": 0.1, "low": 0.05, "high": 0.15}
    up = Gain(("a", "b"), score, 0.001, 50, "set_f1", 0.002)
    down = Gain(("a", "b"), score, 0.001, 50, "rate_cross_entropy", 0.002)
    assert "a is better than b in set_f1 by .100" in in_words([up], ["set_f1"], 50)
    assert "b is better than a in rate_cross_entropy by .100" in in_words([down], ["rate_cross_entropy"], 50)
    gap = SeedGap(("a", "b"), "rate_cross_entropy", 0.1, score, True, (3, 3), 0.001, 0.002)
    assert "runs like b are better than runs like a in rate_cross_entropy by .100" in seeds_in_words([gap])
    near = [replace(gap, metric=metric, p_holm=0.5) for metric in ("set_f1", "top_1_accuracy")]
    assert seeds_in_words(near) == "3 seeds each do not tell runs like a from runs like b in set_f1, top_1_accuracy."


def test_words_on_the_main_metrics_do_not_hide_the_others():
    score = {"value": 0.1, "low": 0.05, "high": 0.15}
    even = Gain(("a", "b"), score, 0.4, 50, "set_f1", 0.4)
    up = Gain(("a", "b"), score, 0.001, 50, "set_precision", 0.002)
    said = in_words([even, up], ["set_f1"], 50)
    assert "tell none of these runs apart in set_f1" in said
    assert "In other metrics 1 of 1 difference is beyond chance, corrected for all of these together" in said
    assert "other metrics" not in in_words([even], ["set_f1"], 50)
