"""Tables of every shape, and what is said when one cannot be read."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from affectml.data import Dataset
from affectml.errors import BadInput, UnknownLabel, command_line
from affectml.importers.find import inside_name
from affectml.taxonomies import Taxonomy

from .fuzz.sources import picture


@pytest.fixture
def laid(tmp_path):
    """`laid(content)`: the file of a text, a frame, or the content of a JSON file, beside four images."""
    for at in range(4):
        Image.new("RGB", (5, 5), (at * 40, 0, 0)).save(tmp_path / f"{at}.png")

    def lay(content, file=""):
        is_json = isinstance(content, list | dict) or (isinstance(content, str) and content[:1] in ("[", "{"))
        place = tmp_path / (file or ("labels.json" if is_json else "labels.csv"))
        if isinstance(content, pd.DataFrame):
            content.to_parquet(place)
        else:
            text = json.dumps(content) if isinstance(content, list | dict) else content
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
        return place

    return lay


@pytest.fixture
def load(laid, bring):
    """Import such a content as a table: (summary, data set)."""
    return lambda content, file="", **options: bring("table", laid(content, file), **options)


def rows(dataset: Dataset, target: str) -> dict[str, list[float]]:
    found = dataset.target(target)
    return dict(zip(found.image_id, found.table.tolist(), strict=True))


def table(columns: str, *cells: str) -> str:
    """A table of the files 0.png, 1.png and so on: the names of the other columns, and the cells of each row."""
    return "\n".join([f"file,{columns}", *(f"{at}.png,{row}" for at, row in enumerate(cells))])


def frame(**columns: list) -> pd.DataFrame:
    """The same of two files as a Parquet file has it."""
    return pd.DataFrame({"file": ["0.png", "1.png"], **columns})


# --- from a table to its target: the labels are fear, joy unless said otherwise

MERGED = {"happy": "joy", "glad": "joy"}
LISTS = ["joy;fear", "joy | fear", '"joy, fear"', '"[""joy"", ""fear""]"', "\"['joy', 'fear']\""]
TWICE = "url,label\nhttp://a,joy\nhttp://a,fear\nhttp://b,joy\n"
AGAIN = "file,annotator,emotion\n0.png,a,joy\n1.png,a,joy\n0.png,a,fear\n"
ALL_CHOSE = table("n,joy,fear", "5,2,3", "4,2,2")
TARGETS = [
    # one label, or a list, in each row
    *[(table("labels", cell, "[joy]" if "[" in cell else "joy"), {}, "sets", [[1, 1], [0, 1]]) for cell in LISTS],
    (table("labels", "joy;fear", ""), {"empty": "none"}, "sets", [[1, 1], [0, 0]]),
    (table("labels", "joy;fear", "", "joy"), {"empty": "skip"}, "sets", {"0.png": [1, 1], "2.png": [0, 1]}),
    (frame(labels=[["joy", "fear"], []]), {}, "sets", [[1, 1], [0, 0]]),
    (frame(labels=[["joy"], ["fear"]]), {"delimiter": ""}, "sets", [[0, 1], [1, 0]]),
    (frame(label=[0, 1]), {"mapping": {"0": "joy", "1": "fear"}}, "single", [[0, 1], [1, 0]]),
    (TWICE, {"duplicates": "union"}, "sets", {"http://a": [1, 1], "http://b": [0, 1]}),
    (TWICE, {"duplicates": "first"}, "single", {"http://a": [0, 1], "http://b": [0, 1]}),
    # one column per label
    (table("joy,fear", "1,1", "0,0"), {}, "sets", [[1, 1], [0, 0]]),
    (table("joy,fear", "1,0", "0,1"), {}, "single", [[0, 1], [1, 0]]),
    (table("joy,fear", "1,0", "0,1"), {"kind": "sets"}, "sets", [[0, 1], [1, 0]]),
    (table("joy,fear", "3,1", "0,4"), {}, "distribution one_choice", [[1, 3], [4, 0]]),
    (table("joy,fear", "3,1", "0,5"), {}, "distribution unknown", [[1, 3], [5, 0]]),
    (table("n,joy,fear", "5,5,3", "4,0,2", "0,0,0"), {}, "rates", [[0.6, 1], [0.5, 0]]),
    (ALL_CHOSE, {"kind": "distribution"}, "distribution one_choice", [[3, 2], [2, 2]]),
    (ALL_CHOSE, {"kind": "rates"}, "rates", [[0.6, 0.4], [0.5, 0.5]]),
    (table("joy,fear", ".25,.75", "1,0"), {}, "distribution unknown", [[0.75, 0.25], [0, 1]]),
    (table("joy,fear", ".25,.5", ".5,.9"), {}, "rates", [[0.5, 0.25], [0.9, 0.5]]),
    (table("happy,glad,fear", "2,1,1", "0,1,3"), {"mapping": MERGED}, "distribution one_choice", [[1, 3], [3, 1]]),
    # one row per judgement
    ("file,emotion\n0.png,joy\n0.png,fear\n1.png,joy\n", {"anonymous": True}, "rates", [[0.5, 0.5], [0, 1]]),
    ("file,worker_id,joy,fear\n0.png,a,1,1\n0.png,b,0,0\n1.png,a,1,0\n", {}, "rates", [[0.5, 0.5], [0, 1]]),
    (AGAIN, {"duplicates": "union"}, "rates", [[1, 1], [0, 1]]),
    (AGAIN, {"duplicates": "first"}, "distribution one_choice", [[0, 1], [0, 1]]),
]


@pytest.mark.parametrize(("content", "options", "target", "expected"), TARGETS)
def test_a_table_becomes_the_target_of_its_shape(load, content, options, target, expected):
    kind, _, rule = target.partition(" ")
    _, dataset = load(content, **options)
    found = dataset.target(kind)
    assert (found.kind, found.meta.vote_rule or "") == (kind, rule)
    assert found.taxonomy.labels == ("fear", "joy")
    expected = expected if isinstance(expected, dict) else {f"{at}.png": row for at, row in enumerate(expected)}
    assert found.image_id.tolist() == list(expected)
    values = found.shares() if kind == "rates" else found.table
    np.testing.assert_allclose(values, list(expected.values()))


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_one_label_whatever_the_line_ends_and_the_byte_order_mark(load, end, mark):
    text = mark + end.join(["file,label", "0.png,joy ", "", ' 1.png ,"fear"', ""])
    summary, dataset = load(text)
    assert rows(dataset, "single") == {"0.png": [0, 1], "1.png": [1, 0]}
    assert {"labels taken from column label", "images taken from column file", "kind single"} <= set(summary.notes)


def test_what_separates_labels_is_for_the_user_to_say_and_never_stands_in_a_label_of_the_taxonomy(load):
    _, dataset = load('file,labels\n0.png,"joy, wild;fear"\n1.png,fear\n', delimiter=";")
    assert dataset.target("sets").taxonomy.labels == ("fear", "joy, wild")
    text = "file,label\n0.png,something else\n1.png,awe\n"
    assert load(text, taxonomy="artemis-9", delimiter=" ")[0].targets == {"sets": "sets"}
    assert load(text, taxonomy="artemis-9")[0].targets == {"single": "single"}
    wild = Taxonomy(name="wild", labels=("joy, wild", "fear"))
    assert load(table("label", '"joy, wild"', "fear"), taxonomy=wild)[0].targets == {"single": "single"}


def test_split_group_url_and_own_columns_come_along(load, tmp_path):
    text = "Image,Emotion,split,group,painter,year\n0.png,joy,Training,a,Kahlo,1940\n1.png,fear,dev,b,,\n"
    summary, dataset = load(text)
    assert summary.splits == {"train": 1, "val": 1}
    assert dataset.images["group"].tolist() == ["a", "b"]
    assert dataset.images["year"].fillna(-1).tolist() == [1940, -1], "whole numbers stay whole beside a gap"
    assert dataset.images["painter"].isna().tolist() == [False, True]
    _, dataset = load("url,joy,fear,wobble\nhttp://a,3,1,7\nhttp://b,0,4,9", label_columns=["joy", "fear"])
    assert (dataset.images["wobble"].tolist(), dataset.images["url"].tolist()) == ([7, 9], ["http://a", "http://b"])
    summary, _ = load("file,label\n0.png,joy\n1.png,\n2.png,fear\n", empty="skip")
    assert summary.skipped == {"rows without a label": [f"{tmp_path / 'labels.csv'}, line 3"]}


# --- a label that is probably another, misspelt


SLIPS = [
    ({"joy": 300, "joyy": 1, "fear": 200}, {}, "300 times"),
    ({"joy": 2, "joyy": 1}, {}, "twice"),
    ({"joy": 1, "joyy": 1}, {}, "once"),
    ({"joy": 300, "joyy": 1}, {"mapping": {"joyy": "joy"}, "taxonomy": "ekman-6"}, ""),  # named by the user
    ({"joy": 300, "joyy": 30}, {}, ""),  # not so rare
    ({"joy": 30, "joyy": 2}, {}, ""),  # nobody knows yet
    ({"disgust": 1, "distrust": 300}, {}, ""),  # a word for an emotion itself
    ({"joy": 300, "boredom": 1}, {}, ""),  # no namesake
]


@pytest.mark.parametrize(("counts", "options", "often"), SLIPS)
def test_a_label_that_is_probably_a_slip_of_the_pen_is_warned_of_with_the_way_out(load, counts, options, often):
    labels = [label for label, number in counts.items() for _ in range(number)]
    with command_line():
        summary, _ = load(table("label", *labels), images="none", **options)
    says = f"label 'joyy' occurs once, 'joy' {often}; if it is a typing mistake, --map joyy=joy makes them one"
    assert [says in warning for warning in summary.warnings] == [True] * bool(often)
    assert [value for what, value in summary.rows() if what == "warning"] == summary.to_json()["warnings"]
    assert summary.to_json()["warnings"] == list(summary.warnings)


# --- one row per judgement

JUDGED = (
    "file,annotator,labels,seconds,place\n"
    "0.png,ann,joy|fear,1.5,x\n0.png,bob,fear,2,x\n0.png,cy,none,2,x\n"
    "1.png,ann,skip,1,y\n1.png,bob,joy,1,y\n2.png,ann,unsure,9,y\n"
)


def test_judgements_become_votes_of_those_who_answered_and_come_back_the_same(load):
    summary, dataset = load(JUDGED)
    assert (summary.judgements, summary.people, summary.targets) == (6, 3, {"rates": "rates"})
    assert dataset.meta.name == dataset.root.name  # not "labels", as the file is called
    assert rows(dataset, "rates") == {"0.png": [2, 1], "1.png": [0, 1]}
    assert dataset.target("rates").people[:, 0].tolist() == [3, 1], "none counts as an answer, skip does not"
    assert dataset.judgements["kind"].tolist() == ["labels", "labels", "none", "skip", "labels", "unsure"]
    assert dataset.judgements["seconds"].tolist() == [1.5, 2, 2, 1, 1, 9]
    assert dataset.images["place"].tolist() == ["x", "y", "y"], "the same for all judgements: the image's"
    assert "differ between judgements of one image, so kept there: seconds" in summary.notes
    assert list(summary.skipped.values()) == [["2.png"]]
    _, again = load((dataset.root / "annotations.parquet").read_bytes(), file="again.parquet")
    assert rows(again, "rates") == rows(dataset, "rates")
    assert again.judgements["kind"].tolist() == dataset.judgements["kind"].tolist()
    assert again.judgements["event_id"].tolist() == [f"line-{line}" for line in range(2, 8)]


LANGUAGES_AND_FLAGS = [
    ("language", ["DE", "", "pt_br", "German"], ["de", "unsaid", "pt-BR", "de"]),
    ("language", ["de", "formal", "", ""], "line 3: language 'formal' names no language"),
    ("flag", ["1", "", "0", "true"], [True, False, False, True]),
    ("flag", ["ok", "bad", "", ""], "line 2: flag 'ok' is not true or false"),
]


@pytest.mark.parametrize(("column", "cells", "kept"), LANGUAGES_AND_FLAGS)
def test_language_and_flag_have_one_form_and_others_of_that_name_are_left_with_a_note(load, column, cells, kept):
    said = [f"{at // 2}.png,{at},{'fear' if at % 2 else 'joy'},{cell}" for at, cell in enumerate(cells)]
    summary, dataset = load("\n".join([f"file,annotator,label,{column}", *said]))
    if isinstance(kept, str):
        assert column not in dataset.judgements
        assert any(kept in note for note in summary.notes)
    else:
        assert dataset.judgements[column].fillna("unsaid").tolist() == kept


def test_one_choice_each_is_also_a_distribution_and_people_without_images_or_names_are_not_counted(load):
    summary, _ = load("file,annotator,emotion\n0.png,a,joy\n9.png,b,fear\n")
    assert summary.targets == {"rates": "rates", "distribution": "distribution"}
    assert (summary.images, summary.people, summary.judgements) == (1, 1, 1)
    summary, dataset = load("file,emotion\n0.png,joy\n0.png,fear\n", anonymous=True)
    assert summary.people is None
    assert dataset.judgements["annotator_id"].is_unique


# --- votes of the people asked, in JSON and CSV

ROWS = [{"image": "a.jpg", "joy": 12, "awe": 3, "n": 20}, {"image": "b.jpg", "joy": 0, "awe": 17, "n": 18}]
VOTES = {row["image"]: {"joy": row["joy"], "awe": row["awe"]} for row in ROWS}
UNSAID = VOTES | {"b.jpg": {"awe": 17}}
N = {"a.jpg": 20, "b.jpg": 18}
CSV = "[image],[joy],[awe]{n}\na.jpg,12,3{a}\nb.jpg,0,17{b}\n"  # whose header begins as JSON does
SHAPES = {
    "a list of objects": (ROWS, N),
    "by image, n among the votes": ({name: {**row, "n": N[name]} for name, row in VOTES.items()}, N),
    "lines": ("\n".join(map(json.dumps, ROWS)), N),
    "n as an option": (VOTES, 20),
    "a label left out that nobody chose": (UNSAID, 20),
    "CSV": (CSV.format(n=",n", a=",20", b=",18"), N),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_votes_in_any_shape_are_rates_of_the_people_asked(load, shape):
    content, n = SHAPES[shape]
    options = {"n": n, "empty": "none"} if isinstance(n, int) else {}
    file = f"votes.{'jsonl' if shape == 'lines' else 'csv' if 'CSV' in shape else 'json'}"
    target = load(content, file, images="none", **options)[1].target("rates")
    assert (target.image_id.tolist(), target.votes.tolist()) == (["a.jpg", "b.jpg"], [[3, 12], [17, 0]])
    assert target.n.ravel().tolist() == ([n, n] if isinstance(n, int) else list(n.values()))


def test_votes_of_nobody_knows_how_many_people_say_how_to_make_them_rates(load):
    summary, _ = load(VOTES, images="none")
    assert any("no column n, unequal votes per row; n=20 where 20 were asked" in note for note in summary.notes)


def test_labels_that_are_no_words_of_emotions_are_known_by_where_they_stand(load):
    content = {"a.jpg": {"tender": 3, "cosy": 4, "age": 40}, "b.jpg": {"tender": 0, "cosy": 5, "age": 9}}
    summary, dataset = load(content, n=5, images="none")
    assert dataset.target("rates").taxonomy.labels == ("cosy", "tender")
    assert dataset.images["age"].tolist() == [40, 9]
    assert "labels taken from tender, cosy" in summary.notes


# --- files


def test_windows_paths_and_folders(load, tmp_path):
    (tmp_path / "pics" / "joy").mkdir(parents=True)
    (tmp_path / "0.png").rename(tmp_path / "pics" / "joy" / "0.png")
    _, dataset = load("file,label\njoy\\0.png,joy\n.\\joy\\9.png,fear\n", images_root=tmp_path / "pics")
    assert dataset.images["file"].tolist() == ["images/joy/0.png"]


def test_missing_and_broken_files_are_counted(load, tmp_path):
    (tmp_path / "bad.png").write_text("<html>")
    summary, dataset = load("file,label\n0.png,joy\nbad.png,fear\n9.png,joy\n")
    why = {"not an image": "bad.png", "no such file": "9.png"}
    assert summary.skipped == {f"images: {reason}": [str(tmp_path / name)] for reason, name in why.items()}
    assert list(rows(dataset, "single")) == dataset.images["image_id"].tolist() == ["0.png"]


def test_two_images_never_become_one_file(laid, refused, tmp_path):
    picture(tmp_path / "images" / "0.png")
    says = r"0.png and .*images/0.png would both become images/0.png; rename one"
    refused(says, "table", laid("file,label\n0.png,joy\nimages/0.png,fear\n"))


@given(st.lists(st.sampled_from(["..", ".", "a", "/", "\\", "//", "b.jpg", "C:", " "]), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_name_leaves_the_root(parts):
    root = Path("/data/pics")
    try:
        inside = inside_name("".join(parts), root, "here")
    except BadInput:
        return
    assert (root / inside).resolve().is_relative_to(root)


# --- bad tables

LEAVING = ["../0.png", "a/../../0.png", "/etc/passwd", "C:\\pictures\\0.png", "..\\0.png"]
WOBBLE = table("joy,fear,wobble", "3,1,7", "0,4,9")
ASKED = {"taxonomy": "ekman-6", "label_columns": ["joy", "fear"]}
TRUE = [{"image": "a", "n": 2, "votes": {"joy": True, "awe": 1}}]
BAD = {
    "latin-1": (b"file,label\n0.png,joy\n1.png,caf\xe9\n", {}, r"line 3: byte 0xe9 is not utf-8; .*encoding='cp1252'"),
    "utf-16": (table("label", "joy").encode("utf-16"), {}, r"UTF-16; say so: encoding='utf-16'"),
    "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1", {}, r"an Excel file of before 2007; save the table as .xlsx or CSV"),
    "empty": (b"", {}, r"empty file"),
    "quotes alone": (b"''", {}, r"no header and no rows"),
    "no header": (b"http://x/1.jpg,3\nhttp://x/2.jpg,4\n", {}, r"first line holds 'http://x/1.jpg'"),
    "quote": (table("label", '"joy', "fear"), {}, r"line 2: unexpected end of data"),
    "twice": (table("label,label", "joy,fear"), {}, r"two columns are called 'label'"),
    "no name": (b"file,url,label\n0.png,,joy\n,,fear\n", {}, r"line 3: neither file nor url"),
    "nan": (table("joy,fear", "1,nan", "0,2"), {}, r"line 2: column 'fear': expected a number, .*'nan'"),
    "uncountable": (table("joy,fear", "9007199254740993000,1"), {}, r"line 2: column 'joy': .*'9007199254740993000'"),
    "negative": (table("joy,fear", "1,-2", "0,2"), {}, r"line 2: column 'fear': .*negative.*-2"),
    "above n": (table("n,joy,fear", "5,1,2", "4,0,6"), {}, r"line 3: column 'fear': more votes than people"),
    "off one": (table("joy,fear", ".5,.5", ".9,.1", ".5,.4"), {}, r"line 4: the shares sum to 0.9"),
    "off asked": (table("joy,fear", ".5,.1", ".9,0"), {"kind": "distribution"}, r"line 2: .*sum to 0.6"),
    "percent": (table("joy,fear", "50.5,49.5", "90,10"), {}, r"line 2: column 'joy': .*divide by 100"),
    "rates need n": (table("joy,fear", "5,1", "9,2"), {"kind": "rates"}, r": n_column"),
    "add up to n": (ALL_CHOSE, {}, r"each choose one label \(kind='distribution'\), .* several \(kind='rates'\)"),
    "merged": (table("n,happy,glad,fear", "9,2,1,1"), {"mapping": MERGED}, "happy and glad cannot become one label"),
    "single of two": (table("joy,fear", "1,1"), {"kind": "single"}, r"line 2: kind single needs .* got 2"),
    "single of two cells": (table("labels", "joy", "joy;fear"), {"kind": "single"}, r"line 3: kind single"),
    "two marks": (table("labels", '"joy, a;b"'), {}, r"holds ';' and ','; say which .* separates labels: delimiter"),
    "empty cell": (table("labels", "joy;fear", ""), {}, r"line 3: column 'labels' is empty: .* apply \(empty='none'\)"),
    "image twice": (TWICE, {}, r"line 3: image 'http://a' stands in line 2 already"),
    "union of numbers": (b"file,joy,fear\n0.png,1,2\n0.png,1,3\n", {"duplicates": "union"}, r"duplicates='first'"),
    "another number": (WOBBLE, {}, r"joy, fear are emotions, but what of wobble; .*columns=\['joy', .*'wobble'\]"),
    "no such label": (WOBBLE, {"taxonomy": "ekman-6"}, r"label 'anger' of taxonomy ekman-6"),
    "misspelt": (table("label", "joy", "joyfull"), {"taxonomy": "ekman-6"}, r"line 3: no label 'joyfull' .*mean 'joy'"),
    "not asked": (WOBBLE, ASKED, r"no column for label 'anger'.*nobody was asked about it"),
    "two labels": (table("label,emotion", "a,b"), {}, r"label, emotion could all hold the labels"),
    "two files": (table("path,label", "1.png,b"), {}, r"'file' and 'path' could both be meant.*: file_column"),
    "no labels": (table("painter", "x"), {}, r"say where the labels are: label_column"),
    "column": (table("label", "x"), {"label_column": "lable"}, r"no column 'lable'; did you mean 'label'"),
    "split": (table("label,split", "joy,1", "fear,2"), {}, r"line 2: column 'split': split '1' is none of"),
    "capitals": (table("label", "Joy", "joy"), {}, r"'Joy' and 'joy' differ in capitals only"),
    "reserved": (table("label", "n", "joy"), {}, r"a label cannot be called 'n'"),
    "nan label": (table("label", "joy", "NaN", "awe"), {}, r"line 3: column 'label' is empty"),
    "kind": (table("label", "a", "joy"), {"kind": "sigle"}, r"no 'sigle'; did you mean 'single'"),
    "judged": (table("rater,label", ",a", "u,b"), {}, r"line 2: column 'rater' is empty"),
    "both": (table("rater,label", "u,a|none", "u,b"), {}, r"line 2: a, none: a label and 'none' at once"),
    "judged twice": (AGAIN, {}, r"line 4: person 'a' judged image '0.png' already \(line 2\)"),
    "a label left out": (UNSAID, {"n": 20}, r"row 2: column 'joy': .* received ''.*empty='none'"),
    "more votes than people": ([ROWS[0], {**ROWS[1], "awe": 19}], {}, r"row 2: column 'awe': more votes than people"),
    "no n in one row": ([ROWS[0], {"image": "b.jpg", "joy": 1, "awe": 2}], {}, r"row 2: column 'n': expected a number"),
    "a vote that is true": (TRUE, {}, r"row 1: column 'joy': expected a num.* 'true'"),
    "half a vote": ([ROWS[0], {**ROWS[1], "awe": 1.5}], {}, r"row 2: column 'awe': .*votes are whole .*1.5"),
    "rates without n": ({"a": {"joy": 3, "awe": 2}}, {"kind": "rates"}, r"need the number of people asked: .*n=20"),
    "n twice": (ROWS, {"n": 20}, r"column 'n' says how many were asked; leave n=20 out"),
    "an image twice": ('{"a": {"joy": 1, "awe": 2}, "a": {"joy": 0, "awe": 1}}', {"n": 5}, r"'a' stands twice"),
    "a row that is no object": ([ROWS[0], 5], {}, r"row 2: expected an object, but received '5'"),
    "two objects in a row": ([{"id": "a", "votes": {"joy": 1}, "meta": {"by": "me"}}], {}, r"'votes' and 'meta' are"),
    "a label beside and in it": ([{"id": "a", "joy": 1, "votes": {"joy": 1}}], {}, r"row 1: 'joy' stands twice"),
    "another shape": ({"images": [], "annotations": []}, {}, r'expected \[\{"image".* but received \{"images": \[\]'),
    "a number alone": ("[5", {}, r"broken JSON"),
    "half a character": ('[{"image": "\\ud800", "joy": 1, "awe": 2, "n": 3}]', {}, r"broken JSON"),
    "too deep": ("[" * 100_000, {}, r"broken JSON"),
    **{cell: (f"file,label\n1.png,joy\n{cell},fear\n".encode(), {}, r"labels.csv, line 3: ") for cell in LEAVING},
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_naming_the_place_and_leaves_nothing(laid, refused, case):
    content, options, message = BAD[case]
    refused(message, "table", laid(content), UnknownLabel if "no label '" in message else BadInput, **options)


def test_one_sheet_of_an_excel_file_is_a_table(bring, refused, tmp_path):
    votes = pytest.importorskip("openpyxl").Workbook()
    votes.create_sheet("empty")
    for row in [("file", "joy", "awe", "n"), (None, None, None, None), ("0.png", 3, 1.0, 4), ("1.png", 0, 4, 4)]:
        votes.active.append(row)
    votes.save(tmp_path / "votes.xlsx")
    _, dataset = bring("table", tmp_path / "votes.xlsx", kind="rates", images="none")
    assert rows(dataset, "rates") == {"0.png": [1, 3], "1.png": [4, 0]}
    votes.create_sheet("more").append(["file", "joy"])
    votes.save(tmp_path / "votes.xlsx")
    says = r"votes.xlsx: 2 sheets \(Sheet, more\); leave the one that holds the table"
    refused(says, "table", tmp_path / "votes.xlsx")


def test_encodings_can_be_named(load):
    summary, _ = load("file,label\n0.png,joie\n1.png,gaieté\n".encode("cp1252"), encoding="cp1252")
    assert summary.labels == ("gaieté", "joie")
