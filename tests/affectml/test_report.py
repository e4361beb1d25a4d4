"""The report of a run: what stands in it, that it says nothing untrue, and that it can be made again."""

import csv
import functools
import itertools
import json
import operator
import re
import shutil
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import torch
from affectml.comparison import report_runs
from affectml.page.sections.disagreement import asked
from affectml.page.sections.learning import _sentence as learning_sentence
from affectml.page.sections.per_label import _sentence as label_sentence
from affectml.page.sections.per_label import f1
from affectml.page.sections.per_label import per_label as per_label_section
from affectml.page.sections.subgroups import subgroup_lines

from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.embeddings import embed_dataset
from affectml.errors import BadInput, BadRun
from affectml.judging.people import against_the_rest
from affectml.page import WRITERS, Table, read_again, report_run, sections
from affectml.page.section import Section, drawing
from affectml.page.sections import SECTIONS
from affectml.page.sections.overview import sentence
from affectml.page.sections.sets import co_occurrence
from affectml.page.tables import number
from affectml.plots import curves, dots, grid, intervals, reliability, scatter
from affectml.plots._canvas import SIGNS, Canvas, marks
from affectml.predicting.alike import Alike
from affectml.predicting.files import predict_to_file
from affectml.runs import RunFolder
from affectml.training import TrainConfig, train_run
from affectml_metrics import functional as F

GOLDEN = Path(__file__).parents[1] / "golden" / "0.3.0.dev0"


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=200, seed=7).root


@pytest.fixture(scope="module")
def run(demo, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    asked = TrainConfig(dataset=str(demo), multilabel=True, threads=1, learning_curve=True)
    return train_run(asked, out=out, writers=WRITERS)


@pytest.fixture(scope="module")
def data(run):
    return read_again(run)


@pytest.fixture(scope="module")
def found(data):
    return {section.name: section for section in sections(data)}


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_every_section_has_an_address_and_every_picture_words(run, found):
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    tags = Tags(page).found
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert set(found) <= set(ids)
    pictures = [attrs for tag, attrs in tags if tag == "svg"]
    assert len(pictures) == sum(len(section.drawings) for section in found.values())
    assert len(pictures) >= 15
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 20 for attrs in pictures)
    assert all(attrs.get("alt") for tag, attrs in tags if tag == "img")


def test_the_page_is_one_file_without_scripts_that_loads_nothing(run):
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert not re.findall(r"url\((?!#)|@import|https?://", page)
    assert len(page) < 2_000_000


def test_pictures_take_the_pages_colours(run):
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    for picture in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        assert not re.findall(r"(?<!, )#[0-9a-f]{6}(?!\))", re.sub(r'(?:href="#|url\(#)[^")]*', "", picture))
        assert "font-family" not in picture


def test_what_the_demo_holds_is_shown(found):
    assert list(found) == [
        "overview", "labels", "instead", "together", "images", "reliability", "thresholds", "entropy",
        "learning", "systems", "levels", "subgroups", "split", "footprint", "run",
    ]  # fmt: skip
    assert len(found["overview"].galleries[0].cards) == 3
    assert [gallery.title for gallery in found["images"].galleries] == [
        "Where the model and people agree most",
        "Where the model and people agree least",
        "Where people disagree most among themselves",
    ]


def test_the_first_sentence_has_the_figures_of_metrics_json(data):
    said, systems = sentence(data), data.systems
    for name in ("model_loo", "human", "oracle"):
        assert f"{systems[name]['set_f1_judgements']['value']:.3f}"[1:] in said
    assert "consensus of the rest" in said


def test_the_report_is_made_again_to_the_byte(command, run, tmp_path):
    first = (run.folder / "report.html").read_bytes()
    code, printed, _ = command("report", run.folder, "--tables", tmp_path / "tables")
    assert code == 0
    assert printed == f"report: {run.folder / 'report.html'}\n"
    assert (run.folder / "report.html").read_bytes() == first
    tables = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert len(tables) == len(set(tables))
    assert {path.rpartition(".")[2] for path in tables} == {"csv", "tex"}
    with (tmp_path / "tables" / "systems-systems.csv").open() as handle:
        rows = {row["metric"]: row for row in csv.DictReader(handle)}
    score = run.metrics["systems"]["model"]["set_f1"]["value"]
    assert float(rows["set_f1 ↑"]["model"]) == pytest.approx(score, abs=0.0006)


def test_another_data_set_is_refused(run, demo, tmp_path):
    other = write_demo(tmp_path / "other", images=60, seed=9)
    with pytest.raises(BadRun, match="not the data set that it learned from"):
        report_run(run, dataset=other.root)
    gone = tmp_path / "run"
    gone.mkdir()
    (gone / "run.json").write_bytes((run.folder / "run.json").read_bytes())
    with pytest.raises(BadRun, match=r"no answers\.parquet"):
        report_run(gone)


def test_a_data_set_that_moved_is_asked_for(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()  # another folder of that name, as `make demo` leaves one
    monkeypatch.chdir(tmp_path)
    shutil.copytree(GOLDEN / "data", tmp_path / "moved")
    shutil.copytree(GOLDEN / "runs" / "sigmoid-ensemble", tmp_path / "run")
    with pytest.raises(BadRun, match="its data set data is not there: say where it is now with dataset"):
        report_run(tmp_path / "run")
    page = report_run(tmp_path / "run", dataset=tmp_path / "moved").read_text(encoding="utf-8")
    assert "At a glance" in page  # of an ensemble, too


def test_scores_without_the_models_are_damage(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadRun, match=r"metrics\.json: no scores of the model: the run is damaged, train again"):
        report_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("file", "path", "value", "says"),
    [
        ("metrics.json", ["systems", "model", "set_f1", "high"], None, "systems.model.set_f1.high: Input should be"),
        ("metrics.json", ["systems", "model", "set_f1"], {"value": 1, "low": 0}, "systems.model.set_f1.high: Field"),
        ("metrics.json", ["rules"], [], "rules: Input should be a valid dictionary"),
        ("subgroups.json", ["gaps", 0, "p"], "x", "gaps.0.p: Input should be a valid number"),
        ("run.json", ["split", "table", 0, "images"], "many", "split.table: images: Input should be"),
        ("run.json", ["learning_curve", 0, "scores", "set_f1", "low"], [], "learning_curve.0: scores.set_f1"),
        ("run.json", ["energy", "kwh"], "much", "energy: kwh: Input should be"),
        ("head.json", ["report", "prevalence"], [0.5], "report.prevalence: expected 8 shares, got 1"),
    ],
)
def test_a_run_with_another_form_is_refused_by_file_and_place(run, data, tmp_path, file, path, value, says):
    shutil.copytree(run.folder, tmp_path / "run")
    content = json.loads((tmp_path / "run" / file).read_text())
    *before, last = path
    functools.reduce(operator.getitem, before, content)[last] = value
    (tmp_path / "run" / file).write_text(json.dumps(content))
    with pytest.raises(BadRun) as refused:
        subgroup_lines(RunFolder.open(tmp_path / "run").subgroups)
        report_run(tmp_path / "run", dataset=data.dataset.root, out=tmp_path / "page.html")
    assert str(refused.value).startswith(f"{tmp_path / 'run' / file}: {says}")
    assert "\n" not in str(refused.value)


def test_tables_that_have_no_place_leave_no_page(run, tmp_path):
    (tmp_path / "file").write_text("mine")
    for runs, made in (([run.folder], report_run), ([run.folder, run.folder], report_runs)):
        with pytest.raises(BadInput, match="file: cannot write there"):
            made(runs if len(runs) > 1 else runs[0], out=tmp_path / "page.html", tables=tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_page_that_has_no_place_is_said_before_the_work(run, tmp_path, monkeypatch):
    monkeypatch.setattr("affectml.page.again.read_again", None)  # a call of it would fail otherwise
    with pytest.raises(BadInput, match="cannot write there.*name another folder"):
        report_run(run, out="/proc/page.html")
    with pytest.raises(BadInput, match="is a folder; name a file in it"):
        report_run(run, out=tmp_path)


def test_a_learning_curve_ends_with_the_run_itself(run):
    points = run.info.learning_curve
    images = [point["images"] for point in points]
    assert images == sorted(images)
    assert [point["share"] for point in points] == [0.1, 0.2, 0.4, 0.7, 1.0]
    model = run.metrics["systems"]["model"]
    assert points[-1]["scores"]["set_f1"]["value"] == model["set_f1"]["value"]
    assert points[0]["scores"]["rate_cross_entropy"]["value"] > model["rate_cross_entropy"]["value"]
    assert "--learning-curve" in run.info.command


def single(demo, tmp_path, construct):
    """A copy of the demo with one label an image, found by the word or answered by people."""
    folder = tmp_path / "single"
    shutil.copytree(demo, folder)
    meta = json.loads((folder / "dataset.json").read_text())
    name, target = next(iter(meta["targets"].items()))
    table = pd.read_parquet(folder / target["file"])
    labels = list(Dataset.open(demo).target(name).taxonomy.labels)
    best = table[labels].to_numpy().argmax(axis=1)
    table = pd.DataFrame(np.eye(len(labels), dtype=int)[best], columns=labels).assign(image_id=table["image_id"])
    table[["image_id", *labels]].to_parquet(folder / "targets-word.parquet")
    entry = {**target, "kind": "single", "construct": construct, "question": "", "values": "indicator"}
    meta["targets"] = {"word": {**entry, "file": "targets-word.parquet", "vote_rule": None}}
    (folder / "dataset.json").write_text(json.dumps(meta))
    for file in ("annotations.parquet", "annotators.parquet", "truth.parquet"):
        (folder / file).unlink(missing_ok=True)
    return folder


def test_search_words_are_not_called_people(demo, tmp_path):
    folder = single(demo, tmp_path, "query")
    run = train_run(TrainConfig(dataset=str(folder), threads=1), out=tmp_path / "run")
    data = read_again(run)
    said = sentence(data)
    assert "the word that it was found by" in said
    assert "How far people agree is not known" in said
    found = {section.name: section for section in sections(data)}
    assert not {"together", "entropy", "people", "thresholds"} & set(found)
    for section in found.values():
        words = " ".join([section.sentence, *(d.title + d.note for d in section.drawings)])
        assert "people" not in words.lower().replace("people agree", ""), section.name


def test_votes_without_whole_answers_are_not_said_to_be_unknown(data):
    votes = seen_by(data, chosen=None, asked=None)
    assert "people" in f1(votes)
    assert "How far people agree is not known" not in sentence(votes)
    assert "How far people's whole answers agree is not known" in sentence(votes)


def test_a_labels_prevalence_is_one_figure_on_the_whole_page(data):
    per_label = {label: {**entry, "prevalence": 0.1235} for label, entry in data.metrics["per_label"].items()}
    result = replace(data.judged.result, metrics={**data.metrics, "per_label": per_label})
    other = replace(data, judged=replace(data.judged, result=result))
    for table in per_label_section(other).tables:
        at = next(i for i, column in enumerate(table.columns) if "prevalence" in column)
        assert {row[at] for row in table.rows} == {".123"}
    assert ": people .123, " in str(per_label_section(other).drawings[-1].svg)


def test_the_models_mean_shares_stand_beside_peoples(data, found):
    table = found["labels"].tables[0]
    at = table.columns.index("model: mean share")
    means = dict(zip(data.labels, data.model.shares.mean(dim=0).tolist(), strict=True))
    assert {row[0]: row[at] for row in table.rows} == {label: number(mean) for label, mean in means.items()}


def test_the_models_columns_come_first(found):
    for table in (*found["systems"].tables, *found["levels"].tables, found["labels"].tables[0]):
        names = [name for name in table.columns[1:] if name != "metric"]
        assert names[0].startswith("model"), table.title


def test_no_section_fails_where_its_data_are_not(data):
    poor = seen_by(
        data, chosen=None, asked=None, votes=None, people=None, oracle=None, sets=None, no_sets="none", groups=None
    )
    names = {section.name for part in SECTIONS if (section := part(poor)) is not None}
    assert {"overview", "labels", "reliability", "entropy"} <= names
    assert not {"together", "instead", "people", "thresholds"} & names


def test_where_every_set_is_empty_the_first_sentence_says_so(command, run, data, tmp_path, monkeypatch):
    nothing = replace(data.model, sets=torch.zeros_like(data.model.sets))
    empty = replace(data, judged=replace(data.judged, answers={**data.answers, "model": nothing}))
    first = (
        f"The predicted set is empty for {len(nothing.sets)} of {len(nothing.sets)} images; more images and answers "
    )
    assert sentence(empty).startswith(first)
    assert "`affectml train --promise recall=.8`" in sentence(empty)
    assert not sentence(data).startswith("The predicted set")
    said = per_label_section(empty).sentence
    assert said == "The model does the same at all labels: its F1 is .000."
    monkeypatch.setattr(
        "affectml.predicting.predictor.sets_of", lambda head, X, levels: torch.zeros(len(X), len(data.labels))
    )
    made = predict_to_file(run, data.dataset, tmp_path / "all.csv", threads=1, say=lambda line: None)
    assert made.alike.startswith("the predicted set is empty for 200 of 200 images; ")
    _, _, said = command("predict", run.folder, data.dataset.root)
    assert "the predicted set is empty for 50 of 50 images; " in said


def test_features_that_are_the_same_for_all_images_are_said(tmp_path):
    demo = write_demo(tmp_path / "demo", images=40, seed=1)
    folder = embed_dataset(demo, "affect-tiny").store.folder
    rows = np.load(folder / "shard-00000.npy")
    np.save(folder / "shard-00000.npy", np.repeat(rows[:1], len(rows), axis=0))
    said = []
    asked = TrainConfig(str(demo.root), multilabel=True, threads=1)
    run = train_run(asked, out=tmp_path / "run", say=said.append, writers=WRITERS)
    words = "the scores are the same for all {} images, as where all have the same features: "
    count = run.metrics["n"]
    assert any(line.startswith(f"on the test images {words.format(count)}") for line in said)
    assert f'<p class="first">T{words.format(count)[1:]}' in (run.folder / "report.html").read_text()
    made = predict_to_file(run, demo, tmp_path / "all.csv", threads=1, say=said.append)
    assert made.alike.startswith(words.format(40))
    assert made.to_json()["alike"] == made.alike


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ([("joy",)] * 19 + [()], "the predicted set is joy for 19 of 20 images; "),
        ([()] * 19 + [("joy",)], "the predicted set is empty for 19 of 20 images; "),
        ([("joy",)] * 18 + [()] * 2, ""),
        ([()] * 4, ""),
        (None, "the first label is joy for 20 of 20 images; "),
    ],
)
def test_only_nearly_all_answers_alike_are_spoken_of(sets, says):
    answers = Alike(("awe", "joy"))
    for start in range(0, 20 if sets is None else len(sets), 5):  # part by part
        some = None if sets is None else sets[start : start + 5]
        scores = np.arange(10).reshape(5, 2) / 10 + start
        answers.add(scores[: 5 if some is None else len(some)], some)
    assert answers.words.startswith(says)
    assert bool(answers.words) == bool(says)


NAMES = [  # of labels, and what is seen of them
    ("a feeling of deep sorrow and of regret that does not go away for days", "a feeling of …"),
    ('<b>"joy" & 0.12345 #1d2127', '&lt;b&gt;"joy" &amp; 0.12345 #1d2127'),
]


@pytest.mark.parametrize(("name", "seen"), NAMES)
def test_names_of_users_are_shortened_and_escaped_but_whole_in_the_words_of_a_picture(name, seen):
    for picture in (
        dots([name], {"model": [(0.5, 0.4, 0.6)]}, name),
        grid(np.eye(2), [name, "joy"], [name, "joy"], name),
        intervals([(name, {"value": 0.5, "low": 0.4, "high": 0.6})], name),
    ):
        assert ET.fromstring(picture).get("aria-label") == name
        assert seen in re.sub(r"<[^>]*>", "", picture)


AXES = [  # what an axis begins and ends with, how many numbers at most, and which
    ((0.0, 1.0), 5, "0.0 0.2 0.4 0.6 0.8 1.0"),
    ((-0.31, 0.12), 5, "−0.3 −0.2 −0.1 0.0 0.1"),
    ((0.0, 0.87), 4, "0.00 0.25 0.50 0.75"),
    ((3.0, 42.0), 4, "10 20 30 40"),
    ((-0.2, 0.05), 9, "−0.2 0.0"),  # so that they stand apart where a long name leaves little room
]


@pytest.mark.parametrize(("ends", "most", "numbers"), AXES)
def test_numbers_along_an_axis_are_round_written_alike_and_stand_apart(ends, most, numbers):
    drawn = Canvas(300, 240, (180 if most == 9 else 40, 10, 10, 34), ends, (0, 1))
    drawn.numbers(most=most)
    found = re.findall(r'<text x="([\d.]+)"[^>]*text-anchor: middle[^>]*>([−\d.]+)<', drawn.svg("numbers"))
    assert " ".join(number for _, number in found) == numbers
    assert all(float(b) - float(a) >= 36 for (a, _), (b, _) in itertools.pairwise(found))


def test_values_stand_where_their_axis_says():
    drawn = Canvas(100, 100, (10, 10, 10, 10), (0, 2), (0, 1))
    drawn.lines([[(0, 0), (1, 0.5), (3, 1)]], "ink", 1)  # the last lies beyond the area, and stays at its edge
    assert 'd="M10 90 50 50 90 10"' in drawn.svg("a line")
    assert Canvas(100, 100, (10, 10, 10, 10), (1, 100), (0, 1), log=True).across(10) == pytest.approx(50)


def test_every_picture_is_well_formed_whatever_its_figures():
    for picture in (
        *(dots(["joy"], {"model": [p]}, "") for p in (None, (0.5,) * 3, (0.0,) * 3, (-0.5, -1, -0.2))),
        *(intervals([("model", {"value": x, "low": x, "high": x})], "") for x in (0.0, 0.5, -1e-9)),
        *(grid(np.full((1, 1), value), ["joy"], ["joy"], "") for value in (0.0, np.nan)),
        scatter(np.zeros(2), np.zeros(2), "", axis=("a", "b")),
        curves({"model": ([10], [0.0])}, "", axis=("a", "b"), log=True),
        reliability([("joy", [])], "", axis=("a", "b")),
    ):
        assert ET.fromstring(picture).tag == "svg"
        assert not re.search(r"nan|inf", picture)


def test_tables_are_numbers_for_programs_and_booktabs_for_papers():
    table = Table("T_1", ("label", "F1"), (("joy_a", ".623 ±.018*"), ("fear", "–")), "a note", frozenset({(0, 1)}))
    assert table.to_csv() == "label,F1,F1 ±\r\njoy_a,0.623,0.018\r\nfear,,\r\n"
    tex = table.to_tex()
    assert r"joy\_a & \textbf{.623 $\pm$.018*} \\" in tex
    assert tex.startswith("% T_1\n% a note\n\\begin{tabular}{lr}\n\\toprule\n")
    assert table.file_name == "t_1"


def seen_by(data, **truth):
    """The same run, with other truths about its test images."""
    prepared = replace(data.judged.prepared)
    vars(prepared)["test"] = replace(data.truth, **truth)
    return replace(data, judged=replace(data.judged, prepared=prepared))


def test_errors_by_people_asked_are_compared_where_there_are_images_enough(data):
    people = np.where(np.arange(len(data.truth.image_id)) % 2, 3, 5)[:, None].repeat(len(data.labels), axis=1)
    section = asked(seen_by(data, people=people))
    off = np.abs(data.model.shares.numpy() - data.truth.shares).mean(axis=1)
    for n in (3, 5):
        assert f"{off[people[:, 0] == n].mean():.3f}"[1:] in section.sentence
    people[:3] = 1
    people[3:] = 5
    assert asked(seen_by(data, people=people)) is None  # three images are no group


def test_what_stands_of_labels_together_is_true(data, monkeypatch):
    monkeypatch.setattr(sys.modules["affectml.page.sections.sets"], "FEW", 3)
    section = co_occurrence(data)
    said = section.sentence
    column, row, its, model, theirs, panels = re.search(
        r"the panels' on (\w+) beside (\w+): of those with \w+, (\d+) % of the model's (\d+) and (\d+) % of the "
        r"panels' (\d+) have",
        said,
    ).groups()
    at, beside = data.labels.index(row), data.labels.index(column)
    for sets, share, count in ((data.model.sets.numpy(), its, model), (data.truth.sets, theirs, panels)):
        assert str(int(sets[:, at].sum())) == count
        assert f"{100 * sets[sets[:, at] > 0, beside].mean():.0f}" == share
    assert [table.name for table in section.tables] == ["people", "panel", "model"]


def test_one_person_beside_the_rest_is_the_human_of_the_scores(data, found):
    image, rest, one, weight = against_the_rest(data.truth)
    f1 = F.set_f1(torch.from_numpy(one), torch.from_numpy(rest)).numpy()
    images = len(np.unique(image))
    assert weight.sum() == pytest.approx(images)
    assert (f1 * weight).sum() / images == pytest.approx(data.systems["human"]["set_f1"]["value"], abs=1e-9)
    model, people = found["instead"].tables
    assert (model.name, people.name) == ("images", "people")
    labels = [row for row in people.rows if row[0] in data.labels]
    assert sum(float(cell) for row in labels for cell in row[1:]) == pytest.approx(
        (rest * weight[:, None]).sum(), abs=2
    )


def test_a_wide_table_takes_the_width_of_the_page():
    picture, wide = drawing("a", "<svg></svg>"), Table("b", tuple("abcde"), ())
    assert Section("a", "A", drawings=(picture,)).narrow
    assert not Section("a", "A", drawings=(picture,), tables=(wide,)).narrow


def test_systems_of_one_picture_are_told_apart_by_signs(found):
    assert len(set(SIGNS.values())) == len(SIGNS)
    assert len({sign for sign, _ in marks("abcdef").values()}) == 6
    shapes = re.findall(r'd="M[\d.]+ [\d.]+([a-z][^M"]*)', str(found["split"].drawings[0].svg))
    assert {re.sub(r"[^a-z]", "", shape) for shape in shapes} >= {"h", "mlhz", "mlllz"}  # dot, triangle, diamond


def test_a_small_step_of_a_learning_curve_is_no_gain():
    def points(*values):
        return [
            {"images": 10 * (i + 1), "scores": {"set_f1": {"value": v, "low": v - 0.02, "high": v + 0.02}}}
            for i, v in enumerate(values)
        ]

    assert "may be chance" in learning_sentence(points(0.5, 0.700, 0.703), ["set_f1"])
    assert "chance" not in learning_sentence(points(0.5, 0.6, 0.7), ["set_f1"])
    assert learning_sentence(points(0.5, 0.6, 0.7), []) == ""


def test_labels_on_which_the_model_is_ahead_by_chance_are_not_counted_as_clear(data):
    near, far = (0.50, 0.45, 0.55), (0.40, 0.36, 0.44)
    points = {
        "model": [near, far] + [None] * (len(data.labels) - 2),
        "zero_shot": [(0.49, 0.4, 0.58), (0.2, 0.1, 0.3)] + [None] * (len(data.labels) - 2),
    }
    said = label_sentence(data, {"f1": points, "ap": {}, "off": {}})
    assert "better than zero-shot on 2 of 2 labels, and on 1 of them by intervals that do not overlap" in said
