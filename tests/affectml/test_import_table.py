"""Tables of every shape, and what is said when one cannot be read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from affectml.data import Dataset
from affectml.errors import BadInput, UnknownLabel
from affectml.importers import import_table
from affectml_annotation import BadImport, read_judgements


@pytest.fixture
def load(tmp_path):
    """Import a text as a table beside four images; returns (summary, data set)."""
    for at in range(4):
        Image.new("RGB", (5, 5), (at * 40, 0, 0)).save(tmp_path / f"{at}.png")

    def run(content: str | bytes, **options):
        file = tmp_path / options.pop("file", "labels.csv")
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        summary = import_table(file, tmp_path / "out", **options)
        return summary, Dataset.open(tmp_path / "out")

    return run


def rows(dataset: Dataset, target: str) -> dict[str, list[float]]:
    found = dataset.target(target)
    return dict(zip(found.image_id, found.table.tolist(), strict=True))


# --- one label, or a list, in each row


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_one_label_whatever_the_line_ends_and_the_byte_order_mark(load, end, mark):
    text = mark + end.join(["file,label", "0.png,joy ", "", ' 1.png ,"fear"', ""])
    summary, dataset = load(text)
    assert summary.targets == {"single": "single"}
    assert dataset.target("single").taxonomy.labels == ("fear", "joy")
    assert rows(dataset, "single") == {"0.png": [0, 1], "1.png": [1, 0]}
    assert {"labels taken from column label", "images taken from column file", "kind single"} <= set(summary.notes)


@pytest.mark.parametrize(
    "cell", ["joy;fear", "joy | fear", '"joy, fear"', '"[""joy"", ""fear""]"', "\"['joy', 'fear']\""]
)
def test_lists_in_any_spelling_are_sets(load, cell):
    summary, dataset = load(f"file,labels\n0.png,{cell}\n1.png,{'[joy]' if '[' in cell else 'joy'}\n")
    assert summary.targets == {"sets": "sets"}
    assert rows(dataset, "sets") == {"0.png": [1, 1], "1.png": [0, 1]}


def test_two_possible_delimiters_are_for_the_user_to_choose(load, tmp_path):
    text = 'file,labels\n0.png,"joy, wild;fear"\n1.png,fear\n'
    with pytest.raises(BadInput, match=r"holds ';' and ','; say which one separates labels: delimiter"):
        load(text)
    _, dataset = load(text, delimiter=";")
    assert dataset.target("sets").taxonomy.labels == ("fear", "joy, wild")


def test_labels_of_a_given_taxonomy_are_never_split(load):
    _, dataset = load("file,label\n0.png,something else\n1.png,awe\n", taxonomy="artemis-9")
    assert dataset.target("single").kind == "single"


def test_an_empty_cell_is_not_the_same_as_none_of_these(load, tmp_path):
    text = "file,labels\n0.png,joy;fear\n1.png,\n2.png,joy\n"
    with pytest.raises(BadInput, match=r"line 3: column 'labels' is empty: does nothing apply \(empty='none'\)"):
        load(text)
    summary, dataset = load(text, empty="skip")
    assert list(rows(dataset, "sets")) == ["0.png", "2.png"]
    assert summary.skipped == {"rows without a label": [f"{tmp_path / 'labels.csv'}, line 3"]}


def test_empty_none_is_the_empty_set(load):
    _, dataset = load("file,labels\n0.png,joy;fear\n1.png,\n", empty="none")
    assert rows(dataset, "sets")["1.png"] == [0, 0]


def test_parquet_lists_and_integers(load, tmp_path):
    table = pd.DataFrame({"file": ["0.png", "1.png"], "labels": [["joy", "awe"], []], "year": [1901, 1920]})
    table.to_parquet(tmp_path / "p.parquet")
    import_table(tmp_path / "p.parquet", tmp_path / "o1")
    dataset = Dataset.open(tmp_path / "o1")
    assert rows(dataset, "sets") == {"0.png": [1, 1], "1.png": [0, 0]}
    assert dataset.images["year"].tolist() == [1901, 1920]
    table = pd.DataFrame({"file": ["0.png", "1.png"], "label": [0, 1]})
    table.to_parquet(tmp_path / "p.parquet")
    summary = import_table(tmp_path / "p.parquet", tmp_path / "o2", mapping={"0": "joy", "1": "fear"})
    assert summary.labels == ("fear", "joy")


def test_union_joins_the_lines_of_one_url(load):
    text = "url,label\nhttp://a/1.jpg,joy\nhttp://a/1.jpg,fear\nhttp://a/2.jpg,joy\n"
    with pytest.raises(BadInput, match=r"line 3: image 'http://a/1.jpg' stands in line 2 already"):
        load(text)
    summary, dataset = load(text, duplicates="union")
    assert rows(dataset, "sets") == {"http://a/1.jpg": [1, 1], "http://a/2.jpg": [0, 1]}
    assert dataset.images["url"].tolist() == ["http://a/1.jpg", "http://a/2.jpg"]
    assert summary.images == 2


def test_split_group_and_own_columns_come_along(load):
    text = "Image,Emotion,split,group,painter,year\n0.png,joy,Training,a,Kahlo,1940\n1.png,fear,dev,b,,\n"
    summary, dataset = load(text)
    assert summary.splits == {"train": 1, "val": 1}
    assert dataset.images["group"].tolist() == ["a", "b"]
    assert dataset.images["year"].fillna(-1).tolist() == [1940, -1], "whole numbers stay whole beside a gap"
    assert dataset.images["painter"].isna().tolist() == [False, True]


# --- one column per label


def test_whole_numbers_above_one_are_votes(load):
    summary, dataset = load("file,joy,fear\n0.png,3,1\n1.png,0,4\n")
    target = dataset.target("distribution")
    assert (target.meta.values, target.meta.vote_rule) == ("votes", "one_choice")
    assert rows(dataset, "distribution") == {"0.png": [1, 3], "1.png": [4, 0]}
    assert any("equally many votes" in note for note in summary.notes)


def test_votes_with_people_asked_are_rates(load):
    _, dataset = load("file,n,joy,fear\n0.png,5,5,3\n1.png,4,0,2\n2.png,0,0,0\n")
    target = dataset.target("rates")
    assert target.meta.values == "votes"
    np.testing.assert_allclose(target.shares(), [[0.6, 1.0], [0.5, 0.0]])
    assert list(target.image_id) == ["0.png", "1.png"], "nobody was asked about 2.png"


def test_people_asked_may_differ_by_label(load):
    _, dataset = load("file,n:joy,n:fear,joy,fear\n0.png,5,4,5,3\n1.png,4,2,0,2\n")
    np.testing.assert_allclose(dataset.target("rates").shares(), [[0.75, 1.0], [1.0, 0.0]])


def test_of_votes_that_add_up_to_n_it_has_to_be_said_whether_people_chose_one_label(load, tmp_path):
    text = "file,n,joy,fear\n0.png,5,2,3\n1.png,4,2,2\n"
    with pytest.raises(
        BadInput, match=r"did each choose one label \(kind='distribution'\), .* several \(kind='rates'\)"
    ):
        load(text)
    _, dataset = load(text, kind="distribution")
    assert dataset.target("distribution").meta.vote_rule == "one_choice"
    import_table(tmp_path / "labels.csv", tmp_path / "o2", kind="rates")
    assert Dataset.open(tmp_path / "o2").target("rates").people.tolist() == [[5, 5], [4, 4]]


def test_shares_that_sum_to_one_are_a_distribution_and_others_rates(load, tmp_path):
    _, dataset = load("file,joy,fear\n0.png,.25,.75\n1.png,1,0\n")
    assert dataset.target("distribution").meta.vote_rule == "unknown"
    (tmp_path / "r.csv").write_text("file,joy,fear\n0.png,.25,.5\n1.png,.5,.9\n")
    assert import_table(tmp_path / "r.csv", tmp_path / "o2").targets == {"rates": "rates"}


def test_zeros_and_ones_are_sets_and_one_hot_rows_single(load, tmp_path):
    _, dataset = load("file,joy,fear\n0.png,1,1\n1.png,0,0\n")
    assert rows(dataset, "sets") == {"0.png": [1, 1], "1.png": [0, 0]}
    (tmp_path / "h.csv").write_text("file,joy,fear\n0.png,1,0\n1.png,0,1\n")
    assert import_table(tmp_path / "h.csv", tmp_path / "o2").targets == {"single": "single"}
    assert import_table(tmp_path / "h.csv", tmp_path / "o3", kind="sets").targets == {"sets": "sets"}


def test_merged_columns_add_votes_and_shares_but_not_rates(load, tmp_path):
    text = "file,{n}happy,glad,fear\n0.png,{m}2,1,1\n1.png,{m}0,1,3\n"
    mapping = {"happy": "joy", "glad": "joy"}
    _, dataset = load(text.format(n="", m=""), mapping=mapping)
    assert rows(dataset, "distribution") == {"0.png": [1, 3], "1.png": [3, 1]}
    (tmp_path / "r.csv").write_text(text.format(n="n,", m="9,"))
    with pytest.raises(BadInput, match="columns happy and glad cannot become one label"):
        import_table(tmp_path / "r.csv", tmp_path / "o2", mapping=mapping)


def test_number_columns_that_are_not_emotions_make_it_ambiguous(load):
    text = "file,joy,fear,wobble\n0.png,3,1,7\n1.png,0,4,9\n"
    with pytest.raises(BadInput, match=r"joy, fear are emotions, but what of wobble; .*label_columns=\['A', 'B'\]"):
        load(text)
    _, dataset = load(text, label_columns=["joy", "fear"])
    assert dataset.images["wobble"].tolist() == [7, 9]


def test_a_column_for_every_label_of_the_taxonomy_is_needed(load):
    with pytest.raises(BadInput, match=r"label 'anger' of taxonomy ekman-6"):
        load("file,joy,fear\n0.png,3,1\n1.png,0,4\n", taxonomy="ekman-6")
    with pytest.raises(BadInput, match=r"no column for label 'anger'.*nobody was asked about it"):
        load("file,joy,fear\n0.png,3,1\n1.png,0,4\n", taxonomy="ekman-6", label_columns=["joy", "fear"])


# --- a label that is probably another, misspelt


def rows_of(**counts: int) -> str:
    labels = [label for label, number in counts.items() for _ in range(number)]
    return "file,label\n" + "".join(f"{at}.png,{label}\n" for at, label in enumerate(labels))


def test_a_slip_of_the_pen_beside_hundreds_is_warned_of_with_the_way_out(load):
    text = rows_of(joy=300, joyy=1, fear=200)
    summary, _ = load(text, images="none")
    (warning,) = summary.warnings
    assert "label 'joyy' occurs once, 'joy' 300 times" in warning
    assert "mapping={'joyy': 'joy'} makes them one" in warning
    assert ("warning", warning) in summary.rows()
    assert summary.to_json()["warnings"] == [warning]


@pytest.mark.parametrize(
    ("counts", "options"),
    [
        ({"joy": 300, "joyy": 1}, {"mapping": {"joyy": "joy"}, "taxonomy": "ekman-6"}),  # named by the user
        ({"joy": 300, "joyy": 30}, {}),  # not so rare
        ({"joy": 30, "joyy": 2}, {}),  # nobody knows yet
        ({"disgust": 1, "distrust": 300}, {}),  # a word for an emotion itself
        ({"joy": 300, "boredom": 1}, {}),  # no namesake
    ],
)
def test_labels_that_may_well_be_meant_are_not_warned_of(load, counts, options):
    assert load(rows_of(**counts), images="none", **options)[0].warnings == ()


# --- one row per judgement

JUDGED = (
    "file,annotator,labels,seconds,place\n"
    "0.png,ann,joy|fear,1.5,x\n0.png,bob,fear,2,x\n0.png,cy,none,2,x\n"
    "1.png,ann,skip,1,y\n1.png,bob,joy,1,y\n2.png,ann,unsure,9,y\n"
)


def test_judgements_become_votes_of_those_who_answered(load):
    summary, dataset = load(JUDGED)
    assert (summary.judgements, summary.people) == (6, 3)
    assert rows(dataset, "rates") == {"0.png": [2, 1], "1.png": [0, 1]}
    assert dataset.target("rates").people[:, 0].tolist() == [3, 1], "none counts as an answer, skip does not"
    judgements = dataset.judgements
    assert judgements["kind"].tolist() == ["labels", "labels", "none", "skip", "labels", "unsure"]
    assert judgements["seconds"].tolist() == [1.5, 2, 2, 1, 1, 9]
    assert dataset.images["place"].tolist() == ["x", "y", "y"], "the same for all judgements: the image's"
    assert list(summary.skipped.values()) == [["2.png"]]


def test_judgements_exported_come_back_the_same(load, tmp_path):
    _, dataset = load(JUDGED)
    (tmp_path / "out" / "annotations.parquet").rename(tmp_path / "again.parquet")
    import_table(tmp_path / "again.parquet", tmp_path / "o2", images_root=tmp_path)
    again = Dataset.open(tmp_path / "o2")
    assert rows(again, "rates") == rows(dataset, "rates")
    assert again.judgements["kind"].tolist() == ["labels", "labels", "none", "skip", "labels", "unsure"]
    assert again.judgements["event_id"].tolist() == [f"line-{line}" for line in range(2, 8)]


def test_the_language_of_each_judgement_is_kept_in_one_form(load):
    said = "0.png,ann,joy,DE\n0.png,bob,fear,\n1.png,ann,joy,pt_br\n1.png,bob,fear,German\n"
    _, dataset = load(f"file,annotator,label,language\n{said}")
    assert dataset.judgements["language"].fillna("unsaid").tolist() == ["de", "unsaid", "pt-BR", "de"]


def test_a_column_language_of_another_meaning_stops_no_import_and_a_note_says_that_it_is_left_alone(load):
    summary, dataset = load("file,annotator,label,language\n0.png,ann,joy,de\n0.png,bob,fear,formal\n")
    assert "language" not in dataset.judgements
    assert any("line 3: language 'formal' names no language" in note for note in summary.notes)


def test_a_column_flag_is_carried(load):
    _, dataset = load("file,annotator,label,flag\n0.png,ann,joy,1\n0.png,bob,fear,\n")
    assert dataset.judgements["flag"].tolist() == [True, False]


def test_a_column_flag_of_another_meaning_stops_no_import_and_a_note_says_that_it_is_left_alone(load):
    summary, dataset = load("file,annotator,label,flag\n0.png,ann,joy,ok\n0.png,bob,fear,bad\n")
    assert "flag" not in dataset.judgements
    assert any("line 2: flag 'ok' is not true or false" in note for note in summary.notes)


def test_one_choice_each_is_also_a_distribution(load):
    summary, dataset = load("file,annotator,emotion\n0.png,a,joy\n0.png,b,fear\n1.png,a,joy\n")
    assert summary.targets == {"rates": "rates", "distribution": "distribution"}
    assert dataset.target("distribution").meta.vote_rule == "one_choice"


def test_people_whose_images_are_all_missing_are_not_counted(load):
    summary, dataset = load("file,annotator,emotion\n0.png,a,joy\n9.png,b,fear\n")
    assert (summary.images, summary.people, summary.judgements) == (1, 1, 1)
    assert rows(dataset, "rates") == {"0.png": [0, 1]}


def test_people_without_names(load):
    summary, dataset = load("file,emotion\n0.png,joy\n0.png,fear\n0.png,joy\n1.png,joy\n", anonymous=True)
    assert summary.people is None
    assert rows(dataset, "rates") == {"0.png": [1, 2], "1.png": [0, 1]}
    assert dataset.judgements["annotator_id"].is_unique


def test_judgements_as_columns(load):
    _, dataset = load("file,worker_id,joy,fear\n0.png,a,1,1\n0.png,b,0,0\n1.png,a,1,0\n")
    assert [list(labels) for labels in dataset.judgements["labels"]] == [["fear", "joy"], [], ["joy"]]
    assert rows(dataset, "rates") == {"0.png": [1, 1], "1.png": [0, 1]}


def test_a_second_judgement_of_the_same_image_is_named(load):
    text = "file,annotator,emotion\n0.png,a,joy\n1.png,a,joy\n0.png,a,fear\n"
    with pytest.raises(BadInput, match=r"line 4: person 'a' judged image '0.png' already \(line 2\)"):
        load(text)
    _, dataset = load(text, duplicates="union")
    assert rows(dataset, "rates") == {"0.png": [1, 1], "1.png": [0, 1]}


# --- files


def test_windows_paths_and_folders(load, tmp_path):
    (tmp_path / "pics" / "joy").mkdir(parents=True)
    (tmp_path / "0.png").rename(tmp_path / "pics" / "joy" / "0.png")
    _, dataset = load("file,label\njoy\\0.png,joy\n.\\joy\\9.png,fear\n", images_root=tmp_path / "pics")
    assert dataset.images["file"].tolist() == ["images/joy/0.png"]


def test_missing_and_broken_files_are_counted(load, tmp_path):
    (tmp_path / "bad.png").write_text("<html>")
    summary, dataset = load("file,label\n0.png,joy\nbad.png,fear\n9.png,joy\n")
    assert summary.skipped == {
        "images: not an image": [str(tmp_path / "bad.png")],
        "images: no such file": [str(tmp_path / "9.png")],
    }
    assert list(rows(dataset, "single")) == ["0.png"]
    assert dataset.images["image_id"].tolist() == ["0.png"]


def test_two_images_never_become_one_file(load, tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "0.png")
    with pytest.raises(BadInput, match=r"0.png and .*images/0.png would both become images/0.png; rename one"):
        load("file,label\n0.png,joy\nimages/0.png,fear\n")


def test_labels_alone(load):
    summary, dataset = load("file,label\na/1.jpg,joy\nb/2.jpg,fear\n", images="none")
    assert dataset.images.columns.tolist() == ["image_id"]
    assert summary.images == 2


@pytest.mark.parametrize("cell", ["../0.png", "a/../../0.png", "/etc/passwd", "C:\\pictures\\0.png", "..\\0.png"])
def test_paths_that_leave_the_folder_are_refused(load, tmp_path, cell):
    with pytest.raises(BadInput, match=r"labels.csv, line 3: "):
        load(f"file,label\n1.png,joy\n{cell},fear\n")
    assert not (tmp_path / "out").exists()


@given(st.lists(st.sampled_from(["..", ".", "a", "/", "\\", "//", "b.jpg", "C:", " "]), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_name_leaves_the_root(parts):
    from affectml.importers.find import inside_name, is_usual

    name, root = "".join(parts), Path("/data/pics")
    try:
        inside = name if is_usual(name) else inside_name(name, root, "here")
    except BadInput:
        return
    assert (root / inside).resolve().is_relative_to(root)


# --- bad tables

BAD = {
    "latin-1": (b"file,label\n0.png,joy\n1.png,caf\xe9\n", {}, r"line 3: byte 0xe9 is not utf-8; .*encoding='cp1252'"),
    "utf-16": ("file,label\n0.png,joy\n".encode("utf-16"), {}, r"UTF-16; say so: encoding='utf-16'"),
    "excel": (b"PK\x03\x04\x14\0\x06\0", {}, r"not a readable Excel or .npz file"),
    "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1", {}, r"an Excel file of before 2007; save the table as .xlsx or CSV"),
    "empty": (b"", {}, r"empty file"),
    "quotes alone": (b"''", {}, r"no header and no rows"),
    "header only": (b"file,label\n", {}, r"a header and no rows"),
    "no header": (b"http://x/1.jpg,3\nhttp://x/2.jpg,4\n", {}, r"first line holds 'http://x/1.jpg'"),
    "ragged": (b"file,label\n0.png,joy\n1.png\n", {}, r"line 3: 1 cells, but the header has 2"),
    "quote": (b'file,label\n0.png,"joy\n1.png,fear\n', {}, r"line 2: unexpected end of data"),
    "twice": (b"file,label,label\n0.png,joy,fear\n", {}, r"two columns are called 'label'"),
    "no name": (b"file,url,label\n0.png,,joy\n,,fear\n", {}, r"line 3: neither file nor url"),
    "nan": (b"file,joy,fear\n0.png,1,nan\n1.png,0,2\n", {}, r"line 2: column 'fear': expected a number, .*'nan'"),
    "negative": (b"file,joy,fear\n0.png,1,-2\n1.png,0,2\n", {}, r"line 2: column 'fear': .*negative.*-2"),
    "above n": (b"file,n,joy,fear\n0.png,5,1,2\n1.png,4,0,6\n", {}, r"line 3: column 'fear': more votes than people"),
    "off one": (b"file,joy,fear\n0.png,.5,.5\n1.png,.9,.1\n2.png,.5,.4\n", {}, r"line 4: the shares sum to 0.9"),
    "off asked": (b"file,joy,fear\n0.png,.5,.1\n1.png,.9,0\n", {"kind": "distribution"}, r"line 2: .*sum to 0.6"),
    "percent": (b"file,joy,fear\n0.png,50.5,49.5\n1.png,90,10\n", {}, r"line 2: column 'joy': .*divide by 100"),
    "rates need n": (b"file,joy,fear\n0.png,5,1\n1.png,9,2\n", {"kind": "rates"}, r": n_column"),
    "two labels": (b"file,label,emotion\n0.png,a,b\n", {}, r"label, emotion could all hold the labels"),
    "two files": (b"file,path,label\n0.png,1.png,b\n", {}, r"'file' and 'path' could both be meant.*: file_column"),
    "no labels": (b"file,painter\n0.png,x\n", {}, r"say where the labels are: label_column"),
    "column": (b"file,label\n0.png,x\n", {"label_column": "lable"}, r"no column 'lable'; did you mean 'label'"),
    "split": (b"file,label,split\n0.png,joy,1\n1.png,fear,2\n", {}, r"line 2: column 'split': split '1' is none of"),
    "capitals": (b"file,label\n0.png,Joy\n1.png,joy\n", {}, r"'Joy' and 'joy' differ in capitals only"),
    "reserved": (b"file,label\n0.png,n\n1.png,joy\n", {}, r"a label cannot be called 'n'"),
    "nan label": (b"file,label\n0.png,joy\n1.png,NaN\n2.png,awe\n", {}, r"line 3: column 'label' is empty"),
    "kind": (b"file,label\n0.png,a\n1.png,joy\n", {"kind": "sigle"}, r"no 'sigle'; did you mean 'single'"),
    "judged": (b"file,rater,label\n0.png,,a\n1.png,u,b\n", {}, r"line 2: column 'rater' is empty"),
    "both": (b"file,rater,label\n0.png,u,a|none\n1.png,u,b\n", {}, r"line 2: a, none: a label and 'none' at once"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_naming_the_place_and_leaves_nothing(load, tmp_path, case):
    content, options, message = BAD[case]
    with pytest.raises(BadInput, match=message) as caught:
        load(content, **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".tmp")]


def test_a_label_the_taxonomy_lacks(load):
    with pytest.raises(UnknownLabel, match=r"line 3: no label 'joyfull' in taxonomy ekman-6; did you mean 'joy'"):
        load("file,label\n0.png,joy\n1.png,joyfull\n", taxonomy="ekman-6")


@pytest.mark.parametrize("sheets", [1, 2])
def test_one_sheet_of_an_excel_file_is_a_table(load, tmp_path, sheets):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.create_sheet("empty")
    for row in [("file", "joy", "awe", "n"), (None, None, None, None), ("0.png", 3, 1.0, 4), ("1.png", 0, 4, 4)]:
        book.active.append(row)
    if sheets == 2:
        book.create_sheet("more").append(["file", "joy"])
    book.save(tmp_path / "votes.xlsx")
    if sheets == 2:
        with pytest.raises(BadInput, match=r"votes.xlsx: 2 sheets \(Sheet, more\); leave the one that holds the table"):
            load((tmp_path / "votes.xlsx").read_bytes(), file="votes.xlsx")
        return
    _, dataset = load((tmp_path / "votes.xlsx").read_bytes(), file="votes.xlsx", kind="rates")
    assert rows(dataset, "rates") == {"0.png": [1, 3], "1.png": [4, 0]}


def test_judgements_of_an_excel_file_are_read_with_what_is_empty_in_it(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [("image_id", "annotator_id", "labels", "kind", "seconds"), ("a", "u", "awe|joy", None, 2),
                ("b", "u", None, "none", None), ("c", "v", "joy", None, "soon")]:  # fmt: skip
        book.active.append(row)
    book.save(tmp_path / "said.xlsx")
    with pytest.raises(BadImport, match="said.xlsx: row 4: seconds 'soon' is no number"):
        read_judgements(tmp_path / "said.xlsx")
    book.active["E4"] = 3.5
    book.save(tmp_path / "said.xlsx")
    found = read_judgements(tmp_path / "said.xlsx")
    assert found["labels"].tolist() == [["awe", "joy"], [], ["joy"]]
    assert found["kind"].tolist() == ["labels", "none", "labels"]
    assert found["seconds"].fillna(-1).tolist() == [2, -1, 3.5]


def test_encodings_can_be_named(load):
    summary, _ = load("file,label\n0.png,joie\n1.png,gaieté\n".encode("cp1252"), encoding="cp1252")
    assert summary.labels == ("gaieté", "joie")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.tsv", "[image_filename]\t[label]\n0.png\tjoy\n1.png\tfear\n"),
        ("t.txt", "images-name label\n0.png joy\n1.png fear\n"),
        ("t.csv", "file;label\n0.png;joy\n1.png;fear\n"),
        ("t.csv", "'file','label'\n'0.png','joy'\n'1.png','fear'\n"),
        ("t.csv", ",file,label\n0,0.png,joy\n1,1.png,fear\n"),
    ],
)
def test_separators_and_quotes_of_published_sets(load, name, text):
    _, dataset = load(text, file=name)
    assert rows(dataset, "single") == {"0.png": [0, 1], "1.png": [1, 0]}
    assert dataset.images.columns.tolist() == ["image_id", "file"]


@pytest.mark.real_data
def test_real_votes(real_data, tmp_path):
    """Ten taggers a face: rows without an image name are named, and without them all votes arrive."""
    published = real_data / "ferplus" / "fer2013new.csv"
    labels = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
    with pytest.raises(BadInput, match="line 19: neither file nor url"):
        import_table(published, tmp_path / "out", images="none", label_columns=labels)
    table = pd.read_csv(published)
    table = table[table["Image name"].notna()].drop_duplicates("Image name")
    table.to_csv(tmp_path / "named.csv", index=False)
    summary = import_table(tmp_path / "named.csv", tmp_path / "out", images="none", label_columns=labels)
    target = Dataset.open(tmp_path / "out").target("distribution")
    assert summary.images == len(table)
    order = [labels.index(label) for label in target.taxonomy.labels]
    np.testing.assert_array_equal(target.table, table[labels].to_numpy()[:, order])
