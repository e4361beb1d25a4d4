"""`affectml evaluate ANSWERS --on DATASET`: every shape, beside what must score the same; what is refused."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

import affectml
from affectml.data import Dataset
from affectml.errors import AffectmlError, BadDataset, BadInput
from affectml.importers import get_importer
from affectml.judging.answers import read_answers
from affectml.judging.truth import fit_prior, read_truth
from affectml.vlm import read_replies, together
from affectml.vlm.reply import shuffle_of
from affectml_annotation import label_sets
from affectml_metrics import functional as F
from affectml_metrics.table import find

from .checks import answered, edit, refused, single


@pytest.fixture(scope="module")
def parts(run):
    """image_ids by split, as the run has them."""
    return answered(run).groupby("split")["image_id"].apply(list)


@pytest.fixture(scope="module")
def truth(paintings):
    labels = paintings.target("emotions").taxonomy.labels
    return pd.read_parquet(paintings.root / "truth.parquet")[["image_id", *labels]]


@pytest.fixture(scope="module")
def people(paintings, parts):
    """What people said of the test images, and the prior of their rates."""
    targets = paintings.target("emotions")
    beta = fit_prior(targets.take(parts["train"]))
    return read_truth(paintings, targets, parts["test"], beta=beta), beta


def written(folder, name, content):
    """A table as CSV, or a list of objects as JSON lines."""
    if isinstance(content, pd.DataFrame):
        content.to_csv(folder / f"{name}.csv", index=False)
        return folder / f"{name}.csv"
    (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, content)))
    return folder / f"{name}.jsonl"


@pytest.fixture(scope="module")
def judge(paintings, tmp_path_factory):
    """`judge(content, **options)`: what is found of a table or of objects, as `vlm`; or of several by name."""

    def call(content, *, on=paintings, **options):
        folder = tmp_path_factory.mktemp("judged")
        systems = content if isinstance(content, dict) else {"vlm": content}
        files = [written(folder, name, said) for name, said in systems.items()]
        options = {"threads": 1, "say": lambda line: None, **options}
        return affectml.evaluate(files, on=on, out=folder / "out.csv", **options).evaluation

    return call


@pytest.fixture(scope="module")
def exact(judge, truth, parts):
    """The true rates of the test images, judged as `vlm`."""
    return judge(here(truth, parts["test"]))


@pytest.fixture(scope="module")
def several(judge, truth, parts):
    """Those rates, those of other labels, what each is of their sum, and rankings of three labels and of all."""
    known, labels = here(truth, parts["test"]), truth.columns[1:]
    rates = known[labels]
    other = pd.DataFrame(rates.to_numpy()[:, ::-1], rates.index, labels)
    tables = {"other": other, "exact": rates, "distribution": rates.div(rates.sum(axis=1), axis=0)}
    order = labels.to_numpy()[np.argsort(-rates.to_numpy())]
    rankings = {name: lines(known["image_id"], order[:, :n].tolist(), "ranking") for name, n in (("3", 3), ("all", 8))}
    systems = {name: known.assign(**table) for name, table in tables.items()} | rankings
    return judge(systems, sort="kendall_tau_b")


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


def test_the_true_rates_score_what_the_oracle_scores(exact):
    assert received(exact)["shape"] == "rates"
    assert scores(exact) == pytest.approx(scores(exact, "oracle"), rel=1e-6)
    assert {"prior", "zero_shot", "oracle", "floor"} <= set(exact.systems())
    assert {"person", "vlm"} <= set(exact.systems("rest"))
    assert "consensus" in exact.systems("person")
    assert not any(f.found for f in exact.where(metric="label_bias", label=None, system="vlm"))
    assert exact.facts["warnings"] == []


def test_thresholds_come_from_validation_where_it_is_answered(judge, truth, parts):
    known, count = here(truth, [*parts["test"], *parts["val"]]), len(parts["val"])
    found = judge(known.assign(**known[known.columns[1:]] * 0.3))
    assert f"thresholds chosen on its answers to {count} validation images" in found.facts["rules"]["answers of vlm"]
    assert f"{count} answered images are not among those judged" in received(found)["notes"]
    assert scores(found)["set_f1"] > 0.7  # at tau nothing would be left


def test_every_way_to_write_sets_is_read_alike(paintings, truth, tmp_path):
    sets, ids, labels = sets_of(truth), list(truth["image_id"]), list(truth.columns[1:])
    files = paintings.images.set_index("image_id")["file"].loc[ids].tolist()
    ways = [
        written(tmp_path, "a", pd.DataFrame({"image": ids} | {c: [int(c in s) for s in sets] for c in labels})),
        written(tmp_path, "b", pd.DataFrame({"file": files, "labels": ["; ".join(s) or "none" for s in sets]})),
        written(tmp_path, "c", lines(files, [", ".join(s) or "none" for s in sets], "set")),
        tmp_path / "d.parquet",
    ]
    pd.DataFrame({"image_id": ids, "emotions": sets}).to_parquet(ways[-1])
    for way in ways:
        said = together(read_replies(way, paintings, paintings.target("emotions")), one_label=False)
        assert (said.shape, said.image_id.tolist()) == ("sets", ids)
        assert [[*np.array(labels)[row > 0]] for row in said.sets] == sets


def test_a_runs_own_answers_score_what_the_run_scores(run, tmp_path):
    """Those of the model, of the prior and of zero-shot, each from the stored table alone."""
    systems, on = {"file": run.folder / "answers.parquet", "run": run.folder}, run.info.config.dataset
    for other in ("prior", "zero_shot"):
        systems[f"its {other}"] = tmp_path / f"{other}.parquet"
        read_answers(run.folder, system=other).assign(system="model").to_parquet(systems[f"its {other}"])
    found = affectml.evaluate(systems, on=on, out=tmp_path / "a.csv").evaluation
    for name in ("file", "run"):
        assert scores(found, name) == pytest.approx(scores(run.evaluation, "model"), rel=1e-12)
    for other in ("prior", "zero_shot"):
        assert scores(found, f"its {other}") == pytest.approx(scores(run.evaluation, other), abs=1e-7)
    same = found.get("set_f1", "file", "run") or found.get("set_f1", "run", "file")
    assert (same.value, same.p) == (0, 1)
    (tmp_path / "half.parquet").write_bytes((run.folder / "answers.parquet").read_bytes()[:900])
    with pytest.raises(BadInput, match="half.parquet: cannot be read .*: the file is damaged"):
        affectml.evaluate(tmp_path / "half.parquet", on=on, out=tmp_path / "b.csv")


def test_a_difference_is_that_of_the_scores_of_whom_it_is_set_beside(exact):
    for other, beside in (("prior", "people"), ("zero_shot", "people"), ("person", "rest"), ("consensus", "person")):
        gap = exact.get("rate_cross_entropy" if other == "consensus" else "set_f1", "vlm", other)
        ours, theirs = (exact.get(gap.name, name, beside) for name in ("vlm", other))
        assert gap.value == pytest.approx(ours.value - theirs.value)


def test_systems_stand_best_first_and_score_the_same_alone(several, exact):
    assert (several.facts["systems"][-1], several.facts["sort"]) == ("other", "kendall_tau_b")
    assert scores(several, "exact") == scores(exact)
    apart = several.get("rate_cross_entropy", "exact", "other")
    mine, other = (scores(several, name)["rate_cross_entropy"] for name in ("exact", "other"))
    assert (apart.value, apart.found) == (pytest.approx(mine - other), True)


def test_rankings_have_no_sets_and_a_distribution_where_people_chose_several_is_one(several, exact):
    for name, shape in (("3", "ranked"), ("all", "ranked"), ("distribution", "distribution")):
        assert received(several, name)["shape"] == shape
        assert scores(several, name)["top_1_accuracy"] == pytest.approx(scores(exact)["top_1_accuracy"])
        assert not {"set_f1", "rate_cross_entropy"} & scores(several, name).keys()
    assert "so it is judged by its ranking" in several.facts["rules"]["answers of distribution"]


def test_systems_are_scored_on_the_images_that_all_of_them_answered(judge, truth, people, parts):
    test, sets = parts["test"], dict(zip(truth["image_id"], sets_of(truth), strict=True))
    tables = {name: lines(ids, map(sets.get, ids)) for name, ids in {"a": test[:20], "b": test[8:]}.items()}
    found = judge(tables)
    assert found.n == 12
    assert {name: received(found, name)["answered"] for name in "ab"} == {"a": 20, "b": len(test) - 8}
    assert received(found, "a")["without_an_answer"] == test[20:]
    said, _ = people
    mine = np.array([[label in (sets[i] if i in test[:20] else ()) for label in said.labels] for i in test])
    by_hand = F.set_f1(torch.from_numpy(mine), torch.from_numpy(said.sets))
    whole = found.get("set_f1", "a", by="unanswered", level="as empty")
    assert (whole.value, whole.n) == (pytest.approx(float(by_hand.mean())), len(test))
    assert scores(found, "a")["set_f1"] == pytest.approx(float(by_hand[8:20].mean()))
    refused(BadInput, r"has an answer of every system .*: a 8, b 22", judge, {"a": tables["a"][:8], "b": tables["b"]})


def test_bias_is_corrected_for_the_labels_of_all_systems_and_the_users_words_are_taken(judge, truth):
    said, n, sets = [], len(truth), {"one": ["awe", "nostalgia"], "two": ["chill"]}
    content = {name: lines(truth["image_id"], [labels] * n) for name, labels in sets.items()}
    found = judge(content, mapping={"chill": "awe"}, say=said.append)
    least = min(found.where(metric="label_bias", label=None, system="one"), key=lambda f: f.p)
    assert least.p_holm == pytest.approx(min(1, 16 * least.p))
    assert found.get("label_bias", "two", label=least.label).p == least.p
    (first, *_) = found.facts["findings"]
    assert (first["system"], first["words"][:42]) == ("one", "says awe more often than people: on 100.0%")
    assert {"set_f1", "set_f1_judgements", "top_1_accuracy"} <= scores(found, "one").keys()
    assert "rate_cross_entropy" not in scores(found, "one")
    (line,) = (line for line in said if "unknown labels" in line)
    assert f"one: unknown labels: nostalgia ({n}); {n} answers count without them; mapping=" in line
    assert f"one: {n} JSON lines read as sets; {n} count" in said
    assert received(found, "one")["unknown_labels"] == {"nostalgia": n}
    assert received(found, "two")["renamed"] == {"chill": "awe"}


def test_consensus_is_the_rest_of_the_panel_against_the_person_left_out(exact, people):
    (said, beta), images = people, []
    for chosen, asked in zip(said.chosen, said.asked, strict=True):
        panel = chosen[asked].astype(np.int64)
        rest = panel.sum(axis=0) - panel  # of whom each person is left out
        if len(panel) > 1:
            answers = label_sets(rest, np.full(len(panel), len(panel) - 1), beta, said.tau)
            images.append(F.set_f1(torch.from_numpy(answers), torch.from_numpy(panel)).mean())
    assert exact.get("set_f1_judgements", "consensus", "person").value == pytest.approx(float(np.mean(images)))


def test_answers_of_one_label_make_a_distribution_where_people_named_one(judge, demo_set):
    one = demo_set(images=100, seed=5, answers="one")
    shares, labels = pd.read_parquet(one.root / "truth.parquet"), list(one.target("emotions").taxonomy.labels)
    generator = np.random.default_rng(0)
    five = [generator.choice(labels, 5, p=row) for row in shares[labels].to_numpy(float)]
    drawn = lines(shares["image_id"].repeat(5), np.concatenate(five), "label")
    found = judge({"exact": shares[["image_id", *labels]], "drawn": drawn}, on=one)
    assert scores(found, "exact") == pytest.approx(scores(found, "oracle"), rel=1e-5)
    assert "distribution (k + 1/2) / (n + 8/2)" in found.facts["rules"]["answers of drawn"]
    values = [scores(found, name)["kl_divergence"] for name in ("exact", "drawn", "prior")]
    assert sorted(values) == values
    assert not any(f.found for f in found.where(metric="label_bias", label=None, system="drawn"))  # there is no bias


def test_single_labels_of_a_published_set_are_judged_too_and_a_set_of_two_has_no_f1(judge, tmp_path, paintings):
    one = Dataset.open(single(paintings.root, tmp_path / "single"))
    edit(one.root / "dataset.json", source=get_importer("oasis").about.source)
    targets = one.target("emotions")
    right = lines(targets.image_id, np.array(targets.taxonomy.labels)[targets.shares().argmax(axis=1)], "label")
    two = lines(targets.image_id, [["awe", "fear"]] * len(right))
    found = judge({"right": right, "two": two}, on=one.root, split="all")
    assert (scores(found, "right")["top_1_accuracy"], scores(found, "right")["label_f1_macro"]) == (1, 1)
    assert "label_f1_macro" not in scores(found, "two")
    assert (found.n, found.facts["rules"]["split"]) == (len(right), "all: the prior knows the judged images")
    (warning,) = found.facts["warnings"]
    start = "OASIS (Kurdi, Lozano & Banaji 2017) is a published set: right and two may have been trained on"
    assert warning.startswith(start)


def test_places_are_told_of_what_was_asked(paintings, judge, tmp_path):
    out, replies = tmp_path / "requests.jsonl", []
    affectml.ask(paintings, out=out, model="m", samples=2, side=16, say=lambda line: None)
    for request in map(json.loads, out.read_text().splitlines()):
        listed = re.search("Labels: (.*)\n", request["body"]["messages"][0]["content"][0]["text"])[1].split(", ")
        choice = {"message": {"content": json.dumps({"labels": listed[:2]})}, "finish_reason": "stop"}
        replies.append({"custom_id": request["custom_id"], "response": {"body": {"choices": [choice]}}})
    drawn, other = (shuffle_of(paintings.target("emotions").taxonomy.labels, seed) for seed in (0, 9))
    found = judge({"vlm": replies, "other": json.loads(json.dumps(replies).replace(f"x{drawn}-", f"x{other}-"))})
    assert found.get("place_bias", "vlm").found
    assert any("prefers labels that stand in the first half" in each["words"] for each in found.facts["findings"])
    said = "drawn from another seed, so nothing is said of places of labels"
    assert (found.get("place_bias", "other"), said in received(found, "other")["notes"]) == (None, True)


def test_one_image_is_enough_and_images_elsewhere_are_refused(judge, demo_set, truth, parts):
    train = here(truth, parts["train"])
    refused(BadInput, rf"none of the {len(train)} images with an answer is among the \d+ of the test", judge, train)
    assert judge(here(truth, parts["test"][:1])).facts["rules"]["interval"] == "none: 1 image says nothing of others"
    few = demo_set(images=20).root
    pd.read_parquet(few / "images.parquet").assign(split="train").to_parquet(few / "images.parquet")
    refused(BadDataset, r"split 'test' has no image .*or take all images: split='all'", judge, truth, on=few)


REFUSED = [  # systems, with a file of answers on the data set; options; what is said of them
    ("FILE", {"shape": "list"}, "shape='list': expected one of sets, ranked, rates, distribution"),
    ("FILE", {"shape": "sets"}, "numbers where labels were asked: 200; shape says what they are"),
    ("FILE", {"split": "train"}, "split: no 'train' .expected one of test, val, all"),
    ("FILE", {"threads": 0}, "threads=0: expected 1 to 1,024"),
    ("FILE", {"tau": 1.5}, "tau=1.5: expected a rate between 0 and 1"),
    ("FILE", {"mapping": {"calm": "contentmnt"}}, "mapping=.* has no label 'contentmnt'; did you mean 'contentment'"),
    ("FILE", {"groups": ("shape",)}, "'shapes'"),
    ("FILE", {"on": ()}, "answers in a file are judged on a data set: name it with on"),
    ("", {}, "which systems"),
    ("DATA", {}, "is a data set, not a system: .*on="),
    ("OUT", {}, r"no run.json"),
    ("prior=RUN", {}, "prior is the name of another system"),
    ("=RUN", {}, "=.*run: expected NAME=PATH"),
    ("a=RUN a=RUN", {}, "the name of another system"),
    ("RUN", {"out": "OUT/x.pdf"}, r"expected a folder, or a file that ends in .html, .parquet"),
    ("RUN", {"trget": "emotions"}, "no option 'trget'; did you mean 'target'"),
    ("RUN", {"out": "FILE"}, "exists"),
    ("RUN", {"on": "OUT/no"}, "no such folder"),
    ("RUN", {"on": "DATA", "split": "all"}, "runs are judged on test images; leave it out"),
    ("RUN", {"on": "DATA", "mapping": {"joy": "purple"}}, "choice joy=purple: no mapping"),
    ("RUN", {"on": "DATA", "shape": "sets"}, "shape is for files of answers, and every system is a run: leave it out"),
    ("RUN", {"on": ("DATA", "OUT"), "gallery": True}, "gallery=True: a page of several data sets shows no images"),
    ("", {"train": "DATA", "heads": ("softmx",)}, "heads='softmx': no such head; did you mean 'softmax'"),
    ("", {"train": "DATA", "on": "DATA", "sort": "set_f2"}, "sort='set_f2': no such metric; did you mean 'set_f1'"),
    ("", {"train": "DATA", "groups": ("shapes",)}, "groups needs the data set: name it with on"),
    ("", {"train": "DATA", "prompts": ("sentimet",)}, "no kind 'sentimet'; did you mean 'sentiment'"),
]


@pytest.mark.parametrize(("systems", "options", "says"), REFUSED)
def test_what_cannot_be_evaluated_is_refused(paintings, run, truth, tmp_path, systems, options, says):
    places = {"FILE": tmp_path / "said.csv", "DATA": paintings.root, "RUN": run.folder, "OUT": tmp_path}
    truth.to_csv(places["FILE"], index=False)

    def put(value):
        if isinstance(value, tuple):
            return [put(part) for part in value]
        return re.sub("[A-Z]{3,}", lambda name: str(places[name[0]]), value) if isinstance(value, str) else value

    default = {"out": tmp_path / "out", **({"on": paintings} if systems == "FILE" else {})}
    options = default | {name: put(value) for name, value in options.items()}
    refused(AffectmlError, says, affectml.evaluate, put((*systems.split(),)), **options)
    assert not list(tmp_path.glob("out/*/run.json"))  # nor was anything trained before


def test_the_command_names_systems_prints_and_writes(command, paintings, truth, run, tmp_path):
    truth.assign(awe=1.0).to_csv(tmp_path / "answers.csv", index=False)
    words = ["evaluate", f"model={tmp_path / 'answers.csv'}", run.folder, "--on", paintings.root, "--threads", "1"]
    code, printed, _ = command(*words, "--out", tmp_path / "out")
    assert (code, "model" in printed, "run" in printed, "written: " in printed) == (0, True, True, True)
    code, _, said = command(*words, "--out", tmp_path / "out")
    assert (code, "exists" in said) == (2, True)
    more = ("--gallery", "--sort", "label_f1_macro", "--out", tmp_path / "many.html", "--json")
    found = json.loads(command(*words, *more)[1])
    assert {f["system"] for f in found["figures"]} >= {"model", "run", "prior", "person"}
    assert found["facts"]["sort"] == "label_f1_macro"  # which is over the whole table
    pages = [(tmp_path / name).read_text() for name in ("out/report.html", "many.html")]
    assert all("judged beside people</h1>" in page for page in pages)  # and not the page of a run, though it is `model`
    assert ["Where systems disagree most" in page for page in pages] == [False, True]
    assert pages[1].count("<img") > pages[0].count("<img") > 0
