"""Any system's answers judged: every shape, by hand and beside what must score the same; what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import affectml
from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.errors import BadDataset, BadInput
from affectml.judging.truth import fit_prior, read_truth
from affectml.page.tables import main_table
from affectml.training import TrainConfig, train_run
from affectml_annotation import label_sets
from affectml_metrics import functional as F

from .answered import answered


def quiet(line):
    pass


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=200, seed=31)


@pytest.fixture(scope="module")
def run(demo):
    config = TrainConfig(dataset=str(demo.root), multilabel=True, encoder="affect-tiny", threads=1)
    return train_run(config, out=demo.root.parent / "linear")


@pytest.fixture(scope="module")
def parts(run):
    """image_ids by split, as the run has them."""
    return answered(run).groupby("split")["image_id"].apply(list)


@pytest.fixture(scope="module")
def truth(demo):
    table = pd.read_parquet(demo.root / "truth.parquet")
    return table[["image_id", *demo.target("emotions").taxonomy.labels]]


@pytest.fixture(scope="module")
def people(demo, parts):
    """What people said of the test images, and the prior of their rates."""
    targets = demo.target("emotions")
    beta = fit_prior(targets.take(parts["train"]))
    return read_truth(demo, targets, parts["test"], beta=beta), beta


@pytest.fixture
def judge(demo, tmp_path, run):
    """`judge(table, **options)`: a DataFrame as CSV, or a list of objects as JSON lines, judged as `vlm`."""

    def call(content, suffix="csv", **options):
        file = tmp_path / f"answers.{suffix}"
        if isinstance(content, pd.DataFrame):
            content.to_parquet(file) if suffix == "parquet" else content.to_csv(file, index=False)
        else:
            file.write_text("\n".join(map(json.dumps, content)))
        options = {"name": "vlm", "threads": 1, "say": quiet} | options
        return affectml.judge(options.pop("dataset", demo), file, **options)

    return call


@pytest.fixture
def judge_all(demo, tmp_path):
    """`judge_all({name: table}, **options)`: each table as CSV, judged side by side."""

    def call(tables, **options):
        files = {name: tmp_path / f"{name}.csv" for name in tables}
        for name, file in files.items():
            tables[name].to_csv(file, index=False)
        options = {"threads": 1, "say": quiet} | options
        return affectml.judge(demo, options.pop("answers", files), **options)

    return call


def system(result, name="vlm"):
    return {metric: score["value"] for metric, score in result.metrics["systems"][name].items()}


def received(result, name="vlm"):
    return result.systems[name].received


def sets_of(truth, cut=0.4):
    labels = list(truth.columns[1:])
    return [[label for label in labels if row[label] >= cut] for _, row in truth.iterrows()]


def test_the_true_rates_score_what_the_oracle_scores(judge, truth, parts):
    result = judge(truth[truth["image_id"].isin(parts["test"])])
    assert received(result)["shape"] == "rates"
    assert system(result) == pytest.approx(system(result, "oracle"))
    assert {"prior", "zero_shot", "human", "vlm_loo", "half_panel", "consensus"} <= set(result.metrics["systems"])
    assert result.metrics["sampling_floor"]
    assert not result.label_bias["p_holm"].lt(0.05).any()


def test_a_notebook_shows_scores_and_differences_in_short_tables(judge, truth):
    result = judge(truth, name="<vlm>")
    shown = result._repr_html_()
    assert (shown.count("<table>"), "<vlm>" in shown, "&lt;vlm&gt; minus" in shown) == (2, False, True)
    assert len(shown) < 20_000
    assert repr(result) == "<JudgedAnswers of <vlm> on demo, target emotions: 31 of 31 images>"


def test_thresholds_come_from_validation_where_it_is_answered(judge, truth, parts):
    known = truth[truth["image_id"].isin([*parts["test"], *parts["val"]])]
    result = judge(known)
    rule = result.metrics["rules"]["answers of vlm"]
    assert f"thresholds chosen on its answers to {len(parts['val'])} validation images" in rule
    assert f"{len(parts['val'])} answered images are not among those judged" in received(result)["notes"]
    shrunk = known.copy()
    shrunk[shrunk.columns[1:]] *= 0.3
    assert system(judge(shrunk))["set_f1"] > 0.7  # at tau nothing would be left


def test_every_way_to_write_sets_scores_the_same(judge, demo, truth):
    sets = sets_of(truth)
    ids, labels = list(truth["image_id"]), list(truth.columns[1:])
    files = dict(zip(demo.images["image_id"], demo.images["file"], strict=True))
    indicator = pd.DataFrame({"image": ids} | {c: [int(c in s) for s in sets] for c in labels})
    lines = [{"image_id": i, "labels": s} for i, s in zip(ids, sets, strict=True)]
    named = [{"file": files[i], "set": ", ".join(s) or "none"} for i, s in zip(ids, sets, strict=True)]
    delimited = pd.DataFrame({"file": [files[i] for i in ids], "labels": ["; ".join(s) or "none" for s in sets]})
    lists = pd.DataFrame({"image_id": ids, "emotions": sets})
    replies = pd.DataFrame({"image": ids, "response": [f"```json\n{json.dumps({'labels': s})}\n```" for s in sets]})
    bracketed = pd.DataFrame({"image": ids, "labels": [str(s) for s in sets]})
    results = [judge(table) for table in (indicator, delimited, replies, bracketed)]
    results += [judge(lists, "parquet"), judge(lines, "jsonl"), judge(named, "jsonl")]
    assert {received(result)["shape"] for result in results} == {"sets"}
    assert all(system(result) == system(results[0]) for result in results)
    assert "rate_cross_entropy" not in system(results[0])
    assert {"set_f1", "set_f1_judgements", "top_1_accuracy"} <= set(system(results[0]))


def test_an_empty_cell_is_no_answer_unless_it_is_said_to_be_the_empty_set(judge, truth, parts):
    table = pd.DataFrame({"image_id": parts["test"], "labels": ["awe"] * 25 + [None] * (len(parts["test"]) - 25)})
    assert received(judge(table))["problems"] == {"empty": [f"line {line}" for line in range(27, len(table) + 2)]}
    assert received(judge(table, empty="none"))["answered"] == len(parts["test"])


def test_a_runs_own_predictions_score_what_the_run_scores(judge, run, truth, parts):
    table = answered(run)
    mine = table[table["split"] == "test"][["image_id", *truth.columns[1:], "set"]]
    result = judge(mine, "parquet", run=[run.folder])
    assert system(result) == pytest.approx(system(result, "linear"))
    for metric, score in run.metrics["systems"]["model"].items():
        assert system(result)[metric] == pytest.approx(score["value"])
    gaps = result.differences.set_index(["other", "metric"])
    assert tuple(gaps.loc[("linear", "set_f1"), ["value", "p", "p_holm"]]) == (0, 1, 1)
    with pytest.raises(BadInput, match="with run the runs' own test images are judged; leave one out"):
        judge(truth, run=[str(run.folder)], split="all")


def test_a_difference_is_that_of_the_scores(judge, truth, parts):
    result = judge(truth[truth["image_id"].isin(parts["test"])])
    for _, gap in result.differences.iterrows():
        if gap["other"] in ("prior", "zero_shot"):
            assert gap["value"] == pytest.approx(
                system(result)[gap["metric"]] - system(result, gap["other"])[gap["metric"]]
            )
        elif gap["other"] == "human":
            ours, theirs = (system(result, name)[gap["metric"]] for name in ("vlm_loo", "human"))
            assert gap["value"] == pytest.approx(ours - theirs)
    assert set(result.differences["other"]) == {"prior", "zero_shot", "human", "consensus"}


def test_of_one_image_no_interval_is_shown(judge, truth, parts):
    result = judge(truth[truth["image_id"] == parts["test"][0]])
    assert result.metrics["rules"]["interval"] == "none: 1 image says nothing of others"
    assert not any("±" in cell for row in main_table(result.metrics).rows for cell in row)


def test_a_system_scores_the_same_alone_and_beside_others(judge, judge_all, truth, parts):
    here = truth[truth["image_id"].isin(parts["test"])]
    labels = list(truth.columns[1:])
    pale = here.assign(**here[labels] * 0.5 + 0.1)
    one, both = judge_all({"exact": here}), judge_all({"pale": pale, "exact": here}, by="rate_cross_entropy")
    assert list(both.systems) == ["exact", "pale"]  # best first
    assert one.metrics["systems"]["exact"] == both.metrics["systems"]["exact"]
    alone, beside = (r.differences.set_index(["system", "other", "metric"]).sort_index() for r in (one, both))
    shown = ["value", "low", "high"]
    np.testing.assert_allclose(beside.loc[alone.index, shown], alone[shown], rtol=1e-9, atol=1e-12)
    assert beside.loc[("exact", "pale", "rate_cross_entropy"), "value"] == pytest.approx(
        system(both, "exact")["rate_cross_entropy"] - system(both, "pale")["rate_cross_entropy"]
    )
    assert len(beside) == 2 * len(alone) + len(beside.loc[("exact", "pale")])
    standing = both.standing
    assert list(standing).index("exact") < list(standing).index("pale")
    assert (standing["oracle"], standing["exact"], standing["pale"]) == ("–", "best", "behind")


def test_systems_are_compared_by_whatever_mean_over_images_they_are_sorted_by(judge_all, truth):
    pale = truth.assign(**truth[list(truth.columns[1:])] * 0.5 + 0.1)
    given = {"pale": pale, "exact": truth}
    extra, over_all = (judge_all(dict(given), by=by) for by in ("rate_brier_score", "label_f1_macro"))
    row = extra.differences.set_index(["system", "other", "metric"]).loc[("exact", "pale", "rate_brier_score")]
    apart = system(extra, "exact")["rate_brier_score"] - system(extra, "pale")["rate_brier_score"]
    assert (row["value"], extra.standing["pale"]) == (pytest.approx(apart), "behind")
    assert set(over_all.standing.values()) == {"best", "–"}
    assert "label_f1_macro, which is no mean over images" in over_all.tables()[0].note


def test_systems_are_scored_on_the_images_that_all_of_them_answered(judge_all, truth, parts):
    test = parts["test"]
    tables = {name: truth[truth["image_id"].isin(ids)] for name, ids in {"a": test[:20], "b": test[8:]}.items()}
    result = judge_all(tables)
    assert result.metrics["n"] == 12
    assert {name: received(result, name)["answered"] for name in "ab"} == {"a": 20, "b": len(test) - 8}
    assert result.as_empty.unanswered == {"a": len(test) - 20, "b": 8}
    assert result.summary()[-1] == "everyone is scored on the 12 images that have an answer of every system"
    with pytest.raises(BadInput, match=r"no answer of every system|has an answer of every system .*: a 8, b 20"):
        judge_all({"a": truth[truth["image_id"].isin(test[:8])], "b": truth[truth["image_id"].isin(test[8:28])]})


def test_bias_is_corrected_for_the_labels_of_all_systems(judge_all, truth):
    sets = pd.DataFrame({"image_id": truth["image_id"], "labels": ["awe"] * len(truth)})
    both = judge_all({"one": sets, "two": sets}).label_bias
    alone = judge_all({"one": sets}).label_bias
    least = alone["p"].idxmin()
    assert both.loc[least, "p_holm"] == pytest.approx(min(1, 16 * alone.loc[least, "p"]))
    assert alone.loc[least, "p_holm"] == pytest.approx(min(1, 8 * alone.loc[least, "p"]))


def test_files_give_systems_their_names_and_two_of_one_name_are_told_apart(judge_all, truth, tmp_path):
    assert list(judge_all({"vlm": truth}, answers=tmp_path / "vlm.csv").systems) == ["vlm"]
    assert set(judge_all({"a": truth, "b": truth}, answers=[tmp_path / "a.csv", tmp_path / "b.csv"]).systems) == {
        "a",
        "b",
    }
    (tmp_path / "old").mkdir()
    shutil.copy(tmp_path / "a.csv", tmp_path / "old")
    two = [tmp_path / "a.csv", tmp_path / "old" / "a.csv"]
    with pytest.raises(BadInput, match="2 files are called 'a'; tell them apart: name, once for each file"):
        judge_all({}, answers=two)
    assert set(judge_all({}, answers=two, name=["new", "old"]).systems) == {"new", "old"}
    with pytest.raises(BadInput, match="name: 1 names for 2 files; expected one for each, or none"):
        judge_all({}, answers=two, name="new")
    with pytest.raises(BadInput, match="at least one file"):
        judge_all({}, answers=[])


def test_rankings_have_no_sets_unless_a_length_is_given(judge, truth):
    labels = np.array(truth.columns[1:])
    order = [labels[np.argsort(-row)].tolist() for row in truth[labels].to_numpy()]
    whole = [{"image": i, "labels": o} for i, o in zip(truth["image_id"], order, strict=True)]
    first = [{"image": i, "ranking": o[:3]} for i, o in zip(truth["image_id"], order, strict=True)]
    columns = pd.DataFrame({"image": truth["image_id"], **{f"top_{k + 1}": [o[k] for o in order] for k in range(3)}})
    arrows = pd.DataFrame({"image": truth["image_id"], "ranking": [" > ".join(o[:3]) for o in order]})
    found = [judge(whole, "jsonl", shape="ranked"), judge(first, "jsonl"), judge(columns), judge(arrows)]
    top = system(judge(truth))["top_1_accuracy"]
    for result in found:
        assert received(result)["shape"] == "ranked"
        assert system(result)["top_1_accuracy"] == pytest.approx(top)
        assert "set_f1" not in system(result)
        assert result.systems["vlm"].first
    assert "set_f1" in system(judge(first, "jsonl", k=2))
    sized = judge(first, "jsonl", k=2).metrics["systems"]["vlm"]["set_f1"]["value"]
    pairs = [{"image": i, "labels": o[:2]} for i, o in zip(truth["image_id"], order, strict=True)]
    assert sized == system(judge(pairs, "jsonl"))["set_f1"]


def test_an_unanswered_image_counts_as_the_empty_set_beside(judge, people, truth, parts):
    answered = parts["test"][:20]
    sets = dict(zip(truth["image_id"], sets_of(truth), strict=True))
    result = judge([{"image": i, "labels": sets[i]} for i in answered], "jsonl")
    assert result.metrics["n"] == 20
    assert (result.as_empty.images, result.as_empty.unanswered) == (
        len(parts["test"]),
        {"vlm": len(parts["test"]) - 20},
    )
    assert received(result)["without_an_answer"] == [i for i in parts["test"] if i not in answered]
    said, _ = people
    mine = np.array([[label in (sets[i] if i in answered else ()) for label in said.labels] for i in parts["test"]])
    by_hand = F.set_f1(torch.from_numpy(mine), torch.from_numpy(said.sets))
    assert result.as_empty.systems["vlm"]["set_f1"]["value"] == pytest.approx(float(by_hand.mean()))
    kept = np.isin(parts["test"], answered)
    assert system(result)["set_f1"] == pytest.approx(float(by_hand[kept].mean()))


def test_several_answers_are_smoothed_by_jeffreys_rule(judge, parts):
    first, second = parts["test"][:2]
    rows = [(first, "awe"), (first, "awe;fear"), (first, "none"), (second, "fear")]
    result = judge(pd.DataFrame(rows, columns=["image_id", "labels"]))
    assert (received(result)["samples"], received(result)["shape"]) == (3, "sets")
    assert "rates (k + 1/2) / (n + 1), Jeffreys' rule" in result.metrics["rules"]["answers of vlm"]
    often = result.label_bias.loc["vlm"]["system"]
    assert often["awe"] == pytest.approx((2 / 3 + 0) / 2)
    assert often["fear"] == pytest.approx((1 / 3 + 1) / 2)


def test_consensus_is_the_rest_of_the_panel_against_the_person_left_out(judge, people, truth, parts):
    result = judge(truth[truth["image_id"].isin(parts["test"])])
    said, beta = people
    images = []
    for chosen, asked in zip(said.chosen, said.asked, strict=True):
        people = chosen[asked].astype(np.int64)
        scores = []
        for person in range(len(people)):
            rest = np.delete(people, person, axis=0)
            answer = label_sets(rest.sum(axis=0)[None], np.array([len(rest)]), beta, said.tau)
            scores.append(float(F.set_f1(torch.from_numpy(answer), torch.from_numpy(people[person][None]))))
        if len(people) > 1:
            images.append(np.mean(scores))
    assert system(result, "consensus")["set_f1_judgements"] == pytest.approx(np.mean(images))
    assert system(result, "consensus")["rate_cross_entropy"] < system(result, "prior_loo")["rate_cross_entropy"]


def test_unknown_labels_are_named_and_the_users_words_are_taken(judge, parts):
    lines = [{"image": i, "labels": ["awe", "nostalgia", "chill"]} for i in parts["test"]]
    result = judge(lines, "jsonl", mapping={"chill": "contentment"})
    assert received(result)["unknown_labels"] == {"nostalgia": len(lines)}
    assert received(result)["renamed"] == {"chill": "contentment"}
    (line,) = (line for line in result.summary() if "unknown labels" in line)
    assert f"nostalgia ({len(lines)}); {len(lines)} answers count without them; " in line
    assert "mapping={'nostalgia': 'LABEL'} says what a word stands for" in line
    with pytest.raises(
        BadInput, match=r"no answer can be used of \d+: only unknown labels: \d+ \(unknown labels: bliss"
    ):
        judge([{"image": i, "labels": ["bliss"]} for i in parts["test"]], "jsonl")


def test_numbers_that_are_no_rates_are_counted(judge, truth, parts):
    table = truth[truth["image_id"].isin(parts["test"])].reset_index(drop=True)
    table["nostalgia"], table["note"] = 0.1, "x"
    table.loc[0, "awe"], table.loc[1, "fear"] = 7, None
    result = judge(table)
    assert received(result)["problems"] == {"no number for some label": ["line 3"], "number outside 0 to 1": ["line 2"]}
    assert "columns that are not used: nostalgia, note" in received(result)["notes"]


def test_a_distribution_is_judged_by_its_ranking_where_people_chose_several(judge, truth):
    labels = list(truth.columns[1:])
    shares = truth.assign(**truth[labels].div(truth[labels].sum(axis=1), axis=0))
    result = judge(shares)
    assert received(result)["shape"] == "distribution"
    assert system(result)["top_1_accuracy"] == system(judge(truth))["top_1_accuracy"]
    assert "rate_cross_entropy" not in system(result)
    assert "so it is judged by its ranking" in result.metrics["rules"]["answers of vlm"]


def test_answers_of_one_label_make_a_distribution_where_people_named_one(judge, tmp_path):
    demo = write_demo(tmp_path / "one", images=200, seed=5, answers="one")
    shares = pd.read_parquet(demo.root / "truth.parquet")
    labels = list(demo.target("emotions").taxonomy.labels)
    exact = judge(shares[["image_id", *labels]], dataset=demo)
    assert system(exact) == pytest.approx(system(exact, "oracle"))
    generator = np.random.default_rng(0)
    rows = [
        {"image": row["image_id"], "label": generator.choice(labels, p=row[labels].to_numpy(float))}
        for _, row in shares.iterrows()
        for _ in range(5)
    ]
    drawn = judge(rows, "jsonl", dataset=demo)
    assert "distribution (k + 1/2) / (n + 8/2)" in drawn.metrics["rules"]["answers of vlm"]
    assert system(exact)["kl_divergence"] < system(drawn)["kl_divergence"] < system(drawn, "prior")["kl_divergence"]
    assert not drawn.label_bias["p_holm"].lt(0.05).any()


def test_single_labels_are_judged_too_and_a_set_of_two_has_no_f1(judge, tmp_path, truth, demo):
    from affectml.importers import import_table

    best = truth[truth.columns[1:]].idxmax(axis=1)
    table = pd.DataFrame({"file": demo.images["file"], "label": best})
    table.to_csv(tmp_path / "single.csv", index=False)
    import_table(tmp_path / "single.csv", tmp_path / "single", images_root=demo.root, taxonomy="mikels-8")
    single = Dataset.open(tmp_path / "single")
    right = [{"image": i, "label": label} for i, label in zip(single.images["file"], best, strict=True)]
    result = judge(right, "jsonl", dataset=single)
    assert (system(result)["top_1_accuracy"], system(result)["label_f1_macro"]) == (1, 1)
    two = judge([{**line, "label": ["awe", "fear"]} for line in right], "jsonl", dataset=single)
    rules = judge(right, "jsonl", dataset=single, split="all").metrics["rules"]
    assert ("predicted_sets" in rules, rules["split"]) == (False, "all: the prior knows the judged images")
    assert "label_f1_macro" not in system(two)


def test_a_published_set_is_warned_of(judge, demo, truth, tmp_path):
    from affectml.importers import get_importer

    root = tmp_path / "public"
    shutil.copytree(demo.root, root, ignore=shutil.ignore_patterns("images"))
    meta = json.loads((root / "dataset.json").read_text())
    meta["source"] = get_importer("oasis").about.source
    (root / "dataset.json").write_text(json.dumps(meta))
    said = []
    result = judge(truth, dataset=root, say=said.append)
    assert said[-1].startswith("OASIS (Kurdi, Lozano & Banaji 2017) is a published set: vlm may have been trained on")
    assert result.to_json()["warning"] == said[-1]
    assert judge(truth).warning == ""


def test_small_data_sets_are_judged_whole_and_images_elsewhere_are_refused(judge, demo, truth, parts, tmp_path):
    train = truth[truth["image_id"].isin(parts["train"])]
    with pytest.raises(
        BadInput, match=rf"none of the {len(train)} images with an answer is among the \d+ of the test split"
    ):
        judge(train)
    assert judge(train, split="all").metrics["n"] == len(train)
    few = write_demo(tmp_path / "few", images=20, seed=1).root
    images = few / "images.parquet"
    pd.read_parquet(images).assign(split="train").to_parquet(images)
    with pytest.raises(BadDataset, match=r"split 'test' has no image .*or take all images: split='all'"):
        judge(truth, dataset=few)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "prior"}, "name='prior': that is the name of another system"),
        ({"shape": "list"}, "shape='list': expected one of sets, ranked, rates, distribution"),
        ({"shape": "sets"}, "shape='sets' does not fit: the answers are numbers by label"),
        ({"split": "train"}, "split='train': expected test, val, all"),
        ({"k": 0}, "k=0: expected a number of labels"),
        ({"image_column": "pic"}, "image_column: no column 'pic'"),
        ({"run": "runs/a"}, r"run: expected a list"),
        ({"runs": ["runs/a"]}, "no option 'runs'; did you mean 'run'"),
        ({"mapping": {"x": "aw"}}, "no label 'aw' in taxonomy mikels-8; did you mean 'awe'"),
        ({"by": "set_f2"}, "by='set_f2': not every system has that metric, or .*; did you mean 'set_f1'"),
        ({"by": "sampling_floor"}, "by='sampling_floor': not every system has that metric"),
        ({"trget": "emotions"}, "no option 'trget'; did you mean 'target'"),
    ],
)
def test_options_that_cannot_be_used_are_named(judge, truth, options, says):
    with pytest.raises(BadInput, match=says):
        judge(truth, **options)


def test_the_command_prints_tables_and_writes_everything(command, demo, truth, run, tmp_path):
    truth.assign(awe=1.0).to_csv(tmp_path / "answers.csv", index=False)
    words = ["judge", str(demo.root), str(tmp_path / "answers.csv"), "--name", "vlm", "--threads", "1"]
    code, printed, _ = command(*words, "--run", run.folder, "--out", tmp_path / "all.json")
    assert code == 0
    assert "vlm says awe more often than people: on 100.0% of the images" in printed
    assert "vlm minus ..." not in printed
    assert "  --verbose: " in printed
    told = command(*words, "--run", run.folder, "--verbose")[1]
    assert all(words in told for words in ("vlm minus ...", "How often each label is said", "  eps: ", "  ties: "))
    written = json.loads((tmp_path / "all.json").read_text())
    assert {bias["label"] for bias in written["bias"]["vlm"]["labels"] if bias["found"]} == {"awe"}
    assert list(written["systems"])[:2] == ["prior", "zero_shot"]
    code, _, said = command(*words, "--out", tmp_path / "all.json")
    assert code == 2
    assert "exists" in said
    code, _, said = command(*words, "--runs", run.folder)
    assert (code, "--run" in said.replace("--runs", "")) == (2, True)
