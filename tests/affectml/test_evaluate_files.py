"""`affectml evaluate ANSWERS --on DATASET`: every shape, beside what must score the same; what is refused."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import affectml
from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.errors import AffectmlError, BadDataset, BadInput
from affectml.evaluating import EvaluateConfig, evaluate_systems
from affectml.judging.answers import read_answers
from affectml.judging.truth import fit_prior, read_truth
from affectml.training import TrainConfig, train_run
from affectml_annotation import label_sets
from affectml_metrics import functional as F
from affectml_metrics.table import find

from .answered import answered
from .edited import edit


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
    return pd.read_parquet(demo.root / "truth.parquet")[["image_id", *demo.target("emotions").taxonomy.labels]]


@pytest.fixture(scope="module")
def people(demo, parts):
    """What people said of the test images, and the prior of their rates."""
    targets = demo.target("emotions")
    beta = fit_prior(targets.take(parts["train"]))
    return read_truth(demo, targets, parts["test"], beta=beta), beta


@pytest.fixture
def judge(demo, tmp_path, run):
    """`judge(content, **options)`: a DataFrame as CSV, or a list of objects as JSON lines, judged as `vlm`; of several
    by name each. Returns the evaluation.
    """

    def written(content, name, suffix):
        file = tmp_path / f"{name}.{suffix}"
        if isinstance(content, pd.DataFrame):
            content.to_parquet(file) if suffix == "parquet" else content.to_csv(file, index=False)
        else:
            file.write_text("\n".join(map(json.dumps, content)))
        return file

    def call(content, suffix="csv", *, on=demo, say=lambda line: None, **options):
        given = content if isinstance(content, dict) else {"vlm": content}
        systems = [written(each, name, suffix) for name, each in given.items()]
        out = tmp_path / "out.csv"
        out.unlink(missing_ok=True)
        return affectml.evaluate(systems, on=on, out=out, say=say, **options).evaluation

    return call


def scores(found, system="vlm"):
    return {f.name: f.value for f in found.scores_of(system) if find(f.name) is not None}


def received(found, name="vlm"):
    return found.facts["received"][name]


def sets_of(truth, cut=0.4):
    labels = truth.columns[1:]
    return [labels[row >= cut].tolist() for row in truth[labels].to_numpy()]


def here(table, ids):
    return table[table["image_id"].isin(ids)]


def lines(ids, answers, key="labels"):
    return [{"image": image, key: answer} for image, answer in zip(ids, answers, strict=True)]


def test_the_true_rates_score_what_the_oracle_scores(judge, truth, parts):
    found = judge(here(truth, parts["test"]))
    assert received(found)["shape"] == "rates"
    assert scores(found) == pytest.approx(scores(found, "oracle"), rel=1e-6)
    assert {"prior", "zero_shot", "oracle", "floor"} <= set(found.systems())
    assert {"person", "vlm"} <= set(found.systems("rest"))
    assert "consensus" in found.systems("person")
    assert not any(f.found for f in found.where(metric="label_bias", label=None, system="vlm"))


def test_thresholds_come_from_validation_where_it_is_answered(judge, truth, parts):
    known = here(truth, [*parts["test"], *parts["val"]])
    found = judge(known)
    count = len(parts["val"])
    assert f"thresholds chosen on its answers to {count} validation images" in found.facts["rules"]["answers of vlm"]
    assert f"{count} answered images are not among those judged" in received(found)["notes"]
    labels = known.columns[1:]
    assert scores(judge(known.assign(**known[labels] * 0.3)))["set_f1"] > 0.7  # at tau nothing would be left


def test_every_way_to_write_sets_scores_the_same(judge, demo, truth):
    sets, ids, labels = sets_of(truth), list(truth["image_id"]), list(truth.columns[1:])
    files = demo.images.set_index("image_id")["file"].loc[ids].tolist()
    found = [
        judge(pd.DataFrame({"image": ids} | {c: [int(c in s) for s in sets] for c in labels})),
        judge(pd.DataFrame({"file": files, "labels": ["; ".join(s) or "none" for s in sets]})),
        judge(pd.DataFrame({"image_id": ids, "emotions": sets}), "parquet"),
        judge(lines(files, [", ".join(s) or "none" for s in sets], "set"), "jsonl"),
    ]
    assert {received(each)["shape"] for each in found} == {"sets"}
    assert all(scores(each) == scores(found[0]) for each in found)
    assert {"set_f1", "set_f1_judgements", "top_1_accuracy"} <= scores(found[0]).keys() - {"rate_cross_entropy"}


def test_an_empty_cell_is_no_answer_and_none_is_the_empty_set(judge, parts):
    table = pd.DataFrame({"image_id": parts["test"], "labels": ["awe"] * 25 + [None] * (len(parts["test"]) - 25)})
    assert received(judge(table))["problems"] == {"empty": [f"line {line}" for line in range(27, len(table) + 2)]}
    assert received(judge(table.fillna("none")))["answered"] == len(parts["test"])


def test_a_runs_own_answers_score_what_the_run_scores(run, tmp_path):
    """Those of the model, of the prior and of zero-shot, each from the stored table alone."""
    systems, on = {"file": run.folder / "answers.parquet", "run": run.folder}, run.info.config.dataset
    for other in ("prior", "zero_shot"):
        systems[f"its {other}"] = tmp_path / f"{other}.parquet"
        read_answers(run.folder, system=other).assign(system="model").to_parquet(systems[f"its {other}"])
    found = affectml.evaluate(systems, on=on, out=tmp_path / "a.csv").evaluation
    assert scores(found, "file") == scores(found, "run") == scores(run.evaluation, "model")
    for other in ("prior", "zero_shot"):
        assert scores(found, f"its {other}") == pytest.approx(scores(run.evaluation, other), abs=1e-7)
    same = found.get("set_f1", "file", "run") or found.get("set_f1", "run", "file")
    assert (same.value, same.p) == (0, 1)
    (tmp_path / "half.parquet").write_bytes((run.folder / "answers.parquet").read_bytes()[:900])
    with pytest.raises(BadInput, match="half.parquet: cannot be read .*: the file is damaged"):
        affectml.evaluate(tmp_path / "half.parquet", on=on, out=tmp_path / "b.csv")


def test_a_page_of_a_run_and_a_file_called_model_is_not_the_runs(run, demo, truth, tmp_path):
    truth.to_csv(tmp_path / "said.csv", index=False)
    config = EvaluateConfig(on=(str(demo.root),), threads=1)
    evaluate_systems([run.folder, f"model={tmp_path / 'said.csv'}"], config, out=tmp_path / "page.html")
    assert "judged beside people</h1>" in (tmp_path / "page.html").read_text()


def test_a_difference_is_that_of_the_scores_of_whom_it_is_set_beside(judge, truth, parts):
    found = judge(here(truth, parts["test"]))
    for other, beside in (("prior", "people"), ("zero_shot", "people"), ("person", "rest"), ("consensus", "person")):
        gap = found.get("rate_cross_entropy" if other == "consensus" else "set_f1", "vlm", other)
        ours, theirs = (found.get(gap.name, name, beside) for name in ("vlm", other))
        assert gap.value == pytest.approx(ours.value - theirs.value)


def test_systems_stand_best_first_and_score_the_same_alone(judge, truth, parts):
    exact, labels = here(truth, parts["test"]), list(truth.columns[1:])
    given = {"pale": exact.assign(**exact[labels] * 0.5 + 0.1), "exact": exact}
    one, both = judge({"exact": exact}), judge(given, sort="rate_cross_entropy")
    assert (both.facts["systems"], both.facts["sort"]) == (["exact", "pale"], "rate_cross_entropy")
    assert scores(one, "exact") == scores(both, "exact")
    apart = both.get("rate_cross_entropy", "exact", "pale")
    mine, other = (scores(both, name)["rate_cross_entropy"] for name in ("exact", "pale"))
    assert (apart.value, apart.found) == (pytest.approx(mine - other), True)
    assert judge(given, sort="label_f1_macro").facts["sort"] == "label_f1_macro"  # which is over the whole table


def test_systems_are_scored_on_the_images_that_all_of_them_answered(judge, truth, people, parts):
    test, sets = parts["test"], dict(zip(truth["image_id"], sets_of(truth), strict=True))
    tables = {name: lines(ids, map(sets.get, ids)) for name, ids in {"a": test[:20], "b": test[8:]}.items()}
    found = judge(tables, "jsonl")
    assert found.n == 12
    assert {name: received(found, name)["answered"] for name in "ab"} == {"a": 20, "b": len(test) - 8}
    assert received(found, "a")["without_an_answer"] == test[20:]
    said, _ = people
    mine = np.array([[label in (sets[i] if i in test[:20] else ()) for label in said.labels] for i in test])
    by_hand = F.set_f1(torch.from_numpy(mine), torch.from_numpy(said.sets))
    whole = found.get("set_f1", "a", by="unanswered", level="as empty")
    assert (whole.value, whole.n) == (pytest.approx(float(by_hand.mean())), len(test))
    assert scores(found, "a")["set_f1"] == pytest.approx(float(by_hand[8:20].mean()))
    with pytest.raises(BadInput, match=r"has an answer of every system .*: a 8, b 20"):
        judge({"a": tables["a"][:8], "b": tables["b"][:20]}, "jsonl")


def test_bias_is_corrected_for_the_labels_of_all_systems(judge, truth):
    sets = pd.DataFrame({"image_id": truth["image_id"], "labels": ["awe"] * len(truth)})
    both, alone = judge({"one": sets, "two": sets}), judge({"one": sets})
    least = min(alone.where(metric="label_bias", label=None, system="one"), key=lambda f: f.p)
    again = both.get("label_bias", "one", label=least.label)
    assert (least.p_holm, again.p_holm) == pytest.approx((min(1, 8 * least.p), min(1, 16 * least.p)))
    (said, *_) = alone.facts["findings"]
    assert said["system"] == "one"
    assert said["words"].startswith("says awe more often than people: on 100.0%")


def test_rankings_have_no_sets(judge, truth):
    labels = np.array(truth.columns[1:])
    ids, order = truth["image_id"], [labels[np.argsort(-row)].tolist() for row in truth[labels].to_numpy()]
    first, whole = lines(ids, [each[:3] for each in order], "ranking"), lines(ids, order)
    top = scores(judge(truth))["top_1_accuracy"]
    for found in (judge(whole, "jsonl", shape="ranked"), judge(first, "jsonl")):
        assert (received(found)["shape"], scores(found)["top_1_accuracy"]) == ("ranked", pytest.approx(top))
        assert "set_f1" not in scores(found)


def test_consensus_is_the_rest_of_the_panel_against_the_person_left_out(judge, people, truth, parts):
    found, (said, beta) = judge(here(truth, parts["test"])), people
    images = []
    for chosen, asked in zip(said.chosen, said.asked, strict=True):
        panel = chosen[asked].astype(np.int64)
        rest = panel.sum(axis=0) - panel  # of whom each person is left out
        if len(panel) > 1:
            answers = label_sets(rest, np.full(len(panel), len(panel) - 1), beta, said.tau)
            images.append(F.set_f1(torch.from_numpy(answers), torch.from_numpy(panel)).mean())
    assert found.get("set_f1_judgements", "consensus", "person").value == pytest.approx(float(np.mean(images)))


def test_unknown_labels_are_named_and_the_users_words_are_taken(judge, parts):
    n, said = len(parts["test"]), []
    given = lines(parts["test"], [["awe", "nostalgia", "chill"]] * n)
    found = received(judge(given, "jsonl", mapping={"chill": "contentment"}, say=said.append))
    (line,) = (line for line in said if "unknown labels" in line)
    assert f"vlm: unknown labels: nostalgia ({n}); {n} answers count without them; mapping=" in line
    assert f"vlm: {n} JSON lines read as sets; {n} count" in said
    assert (found["unknown_labels"], found["renamed"]) == ({"nostalgia": n}, {"chill": "contentment"})
    with pytest.raises(BadInput, match=r"no answer can be used of \d+: only unknown labels"):
        judge(lines(parts["test"], [["bliss"]] * n), "jsonl")


def test_a_distribution_is_judged_by_its_ranking_where_people_chose_several(judge, truth):
    labels = list(truth.columns[1:])
    found = judge(truth.assign(**truth[labels].div(truth[labels].sum(axis=1), axis=0)))
    assert (received(found)["shape"], "rate_cross_entropy" in scores(found)) == ("distribution", False)
    assert scores(found)["top_1_accuracy"] == scores(judge(truth))["top_1_accuracy"]
    assert "so it is judged by its ranking" in found.facts["rules"]["answers of vlm"]


def test_answers_of_one_label_make_a_distribution_where_people_named_one(judge, tmp_path):
    one = write_demo(tmp_path / "one", images=200, seed=5, answers="one")
    shares, labels = pd.read_parquet(one.root / "truth.parquet"), list(one.target("emotions").taxonomy.labels)
    exact = judge(shares[["image_id", *labels]], on=one)
    assert scores(exact) == pytest.approx(scores(exact, "oracle"), rel=1e-5)
    generator = np.random.default_rng(0)
    five = [generator.choice(labels, 5, p=row) for row in shares[labels].to_numpy(float)]
    drawn = judge(lines(shares["image_id"].repeat(5), np.concatenate(five), "label"), "jsonl", on=one)
    assert "distribution (k + 1/2) / (n + 8/2)" in drawn.facts["rules"]["answers of vlm"]
    values = [each["kl_divergence"] for each in (scores(exact), scores(drawn), scores(drawn, "prior"))]
    assert sorted(values) == values
    assert not any(f.found for f in drawn.where(metric="label_bias", label=None, system="vlm"))  # no bias, none found


def test_single_labels_are_judged_too_and_a_set_of_two_has_no_f1(judge, tmp_path, demo, single):
    one = Dataset.open(single(demo.root, tmp_path / "single"))
    targets = one.target("emotions")
    right = lines(targets.image_id, np.array(targets.taxonomy.labels)[targets.shares().argmax(axis=1)], "label")
    found = scores(judge(right, "jsonl", on=one))
    assert (found["top_1_accuracy"], found["label_f1_macro"]) == (1, 1)
    two = judge(lines(targets.image_id, [["awe", "fear"]] * len(right)), "jsonl", on=one)
    assert "label_f1_macro" not in scores(two)
    whole = judge(right, "jsonl", on=one, split="all")
    assert whole.facts["rules"]["split"] == "all: the prior knows the judged images"


def test_places_are_told_of_what_was_asked(demo, judge, tmp_path):
    out, replies = tmp_path / "requests.jsonl", []
    affectml.ask(demo, out=out, model="m", samples=2, side=16, say=lambda line: None)
    for request in map(json.loads, out.read_text().splitlines()):
        listed = re.search("Labels: (.*)\n", request["body"]["messages"][0]["content"][0]["text"])[1].split(", ")
        choice = {"message": {"content": json.dumps({"labels": listed[:2]})}, "finish_reason": "stop"}
        replies.append({"custom_id": request["custom_id"], "response": {"body": {"choices": [choice]}}})
    found = judge(replies, "jsonl")
    assert found.get("place_bias", "vlm").found
    assert any("prefers labels that stand in the first half" in each["words"] for each in found.facts["findings"])
    other, said = judge(replies, "jsonl", seed=9), "drawn from another seed, so nothing is said of places of labels"
    assert (other.get("place_bias", "vlm"), said in received(other)["notes"]) == (None, True)


def test_a_published_set_is_warned_of(judge, demo, truth, tmp_path):
    from affectml.importers import get_importer

    root = shutil.copytree(demo.root, tmp_path / "public", ignore=shutil.ignore_patterns("images"))
    edit(root / "dataset.json", source=get_importer("oasis").about.source)
    (warning,) = judge(truth, on=root).facts["warnings"]
    assert warning.startswith("OASIS (Kurdi, Lozano & Banaji 2017) is a published set: vlm may have been trained on")
    assert judge(truth).facts["warnings"] == []


def test_small_data_sets_are_judged_whole_and_images_elsewhere_are_refused(judge, demo, truth, parts, tmp_path):
    train = here(truth, parts["train"])
    with pytest.raises(BadInput, match=rf"none of the {len(train)} images with an answer is among the \d+ of the test"):
        judge(train)
    assert judge(train, split="all").n == len(train)
    assert judge(here(truth, parts["test"][:1])).facts["rules"]["interval"] == "none: 1 image says nothing of others"
    few = write_demo(tmp_path / "few", images=20, seed=1).root
    pd.read_parquet(few / "images.parquet").assign(split="train").to_parquet(few / "images.parquet")
    with pytest.raises(BadDataset, match=r"split 'test' has no image .*or take all images: split='all'"):
        judge(truth, on=few)


REFUSED = [  # systems, with a file of answers on the data set; options; what is said of them
    ("FILE", {"shape": "list"}, "shape='list': expected one of sets, ranked, rates, distribution"),
    ("FILE", {"shape": "sets"}, "numbers where labels were asked: 200; shape says what they are"),
    ("FILE", {"split": "train"}, "split: no 'train' .expected one of test, val, all"),
    ("FILE", {"threads": 0}, "threads=0: expected 1 to 1,024"),
    ("FILE", {"tau": 1.5}, "tau=1.5: expected a rate between 0 and 1"),
    ("FILE", {"mapping": {"calm": "contentmnt"}}, "mapping=.* has no label 'contentmnt'; did you mean 'contentment'"),
    ("FILE", {"sort": "set_f2"}, "sort='set_f2': no such metric; did you mean 'set_f1'"),
    ("FILE", {"groups": ("shape",)}, "'shapes'"),
    ("FILE", {"on": ()}, "answers in a file are judged on a data set: name it with on"),
    ("", {}, "which systems"),
    ("DATA", {}, "is a data set, not a system: .*on="),
    ("OUT", {}, r"no run.json"),
    ("prior=RUN", {}, "prior is the name of another system"),
    ("=RUN", {}, "=.*linear: expected NAME=PATH"),
    ("a=RUN a=RUN", {}, "the name of another system"),
    ("RUN", {"groups": ("shapes",)}, "groups needs the data set: name it with on"),
    ("RUN", {"out": "OUT/x.pdf"}, r"expected a folder, or a file that ends in .html, .parquet"),
    ("RUN", {"trget": "emotions"}, "no option 'trget'; did you mean 'target'"),
    ("RUN", {"out": "FILE"}, "exists"),
    ("RUN", {"on": "OUT/no"}, "no such folder"),
    ("RUN", {"on": "DATA", "split": "all"}, "runs are judged on test images; leave it out"),
    ("RUN", {"on": "DATA", "mapping": {"joy": "purple"}}, "choice joy=purple: no mapping"),
    ("RUN", {"on": "DATA", "shape": "sets"}, "shape is for files of answers, and every system is a run: leave it out"),
    ("RUN", {"on": ("DATA", "OUT"), "gallery": True}, "gallery=True: a page of several data sets shows no images"),
    ("", {"train": "DATA", "heads": ("softmx",)}, "heads='softmx': no such head; did you mean 'softmax'"),
    ("", {"train": "DATA", "on": "DATA", "sort": "set_f2"}, "no such metric; did you mean 'set_f1'"),
    ("", {"train": "DATA", "groups": ("shapes",)}, "groups needs the data set: name it with on"),
    ("", {"train": "DATA", "prompts": ("sentimet",)}, "no kind 'sentimet'; did you mean 'sentiment'"),
]


@pytest.mark.parametrize(("systems", "options", "says"), REFUSED)
def test_what_cannot_be_evaluated_is_refused(demo, run, truth, tmp_path, systems, options, says):
    places = {"FILE": tmp_path / "said.csv", "DATA": demo.root, "RUN": run.folder, "OUT": tmp_path}
    truth.to_csv(places["FILE"], index=False)

    def put(value):
        if isinstance(value, tuple):
            return [put(each) for each in value]
        return re.sub("[A-Z]{3,}", lambda found: str(places[found[0]]), value) if isinstance(value, str) else value

    default = {"out": tmp_path / "out", **({"on": demo} if systems == "FILE" else {})}
    with pytest.raises(AffectmlError, match=says):
        affectml.evaluate(put((*systems.split(),)), **default | {name: put(each) for name, each in options.items()})
    assert not list(tmp_path.glob("out/*/run.json"))  # nor was anything trained before


def test_the_command_names_systems_prints_and_writes(command, demo, truth, run, tmp_path):
    truth.assign(awe=1.0).to_csv(tmp_path / "answers.csv", index=False)
    words = ["evaluate", f"vlm={tmp_path / 'answers.csv'}", run.folder, "--on", demo.root, "--threads", "1"]
    code, printed, _ = command(*words, "--out", tmp_path / "out")
    assert code == 0
    assert ("vlm" in printed, "linear" in printed, "written: " in printed) == (True, True, True)
    assert "<img" in (tmp_path / "out" / "report.html").read_text()
    code, _, said = command(*words, "--out", tmp_path / "out")
    assert (code, "exists" in said) == (2, True)
    assert command(*words, "--gallery", "--out", tmp_path / "many.html")[0] == 0
    pages = [(tmp_path / name).read_text() for name in ("out/report.html", "many.html")]
    assert ["Where systems disagree most" in page for page in pages] == [False, True]
    assert pages[1].count("<img") > pages[0].count("<img")
    code, printed, _ = command(*words, "--out", tmp_path / "e.csv", "--json")
    assert {f["system"] for f in json.loads(printed)["figures"]} >= {"vlm", "linear", "prior", "person"}
