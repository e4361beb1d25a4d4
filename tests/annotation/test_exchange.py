"""Files in and out: round trips lose nothing the format can hold, and bad files are refused row by row."""

import json
import re
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import affectml_annotation as aa
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.exchange.tables import import_problems

from .tasks import LABELS, by, new_task, refused

ENGINES = ("sqlite",)  # what is imported into either engine is in test_store.py
FILES = ["j.parquet", "j.csv", "j.jsonl", "j.json"]
TASK = aa.Task(labels=LABELS, question="What do you feel?", overlap=2, name="feelings", construct="evoked")


def full() -> pd.DataFrame:
    """One row of each kind, with everything a judgement can have."""
    return pd.DataFrame({
        "event_id": [f"e{n}" for n in range(5)],
        "image_id": ["a", "a", "b", "b", "c"],
        "annotator_id": ["u", "v", "u", "v", "zoë"],
        "round": [1, 2, 1, 1, 1],
        "kind": ["labels", "none", "unsure", "skip", "skip"],
        "labels": [["awe", "joy"], [], [], [], []],
        "intensities": [[2.0, None], None, None, None, None],
        "valence": [0.25, np.nan, np.nan, np.nan, np.nan],
        "arousal": [-0.5, np.nan, np.nan, np.nan, np.nan],
        "flag": [True, False, False, False, True],
        "suggestions_visible": [False, True, False, False, False],
        "seconds": [3.125, 2.0, np.nan, 1.0, 9.0],
        "at": pd.to_datetime(["2026-01-05T09:00:00.125Z"] * 5).astype("datetime64[ms, UTC]"),
        "note": [None, None, None, None, 'does "not" load, | at all'],
        "language": ["de", "zh-Hant", None, "de", "pt-BR"],
        "purpose": ["task", "second", "task", "check", "task"],
    }).astype({"note": "str", "language": "str"})  # fmt: skip


def plain(table: pd.DataFrame) -> list[dict]:
    clean = table.astype(object).where(table.notna(), None)
    return clean.to_dict("records")


@pytest.mark.parametrize("name", FILES)
def test_a_round_trip_loses_nothing(tmp_path, name):
    aa.write_judgements(full(), tmp_path / name)
    again = aa.read_judgements(tmp_path / name)
    assert list(again.columns) == list(full().columns)
    assert plain(again) == plain(full())
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["j.parquet", "j.csv", "j.jsonl"])
def test_a_flag_of_before_is_a_skip_with_a_flag(tmp_path, name):
    before = full().drop(columns="flag").assign(kind=["labels", "none", "unsure", "skip", "flag"])
    aa.write_judgements(before, tmp_path / name)
    again = aa.read_judgements(tmp_path / name)
    assert again["kind"].tolist() == ["labels", "none", "unsure", "skip", "skip"]
    assert again["flag"].tolist() == [False, False, False, False, True]
    assert aa.count_votes(before, LABELS).n.tolist() == aa.count_votes(again, LABELS).n.tolist() == [2, 0, 0]


def test_label_studio_exports_of_others_are_read(tmp_path):
    """As Label Studio itself writes them: numeric annotators, a control by any name, an empty result."""
    said = {"from_name": "emotion", "to_name": "img", "type": "choices", "value": {"choices": ["joy", "awe"]}}
    tasks = [
        {"id": 7, "data": {"image": "/data/upload/1.jpg"}, "predictions": [], "annotations": [
            {"completed_by": 3, "was_cancelled": False, "lead_time": 4.2, "created_at": "2026-02-01T10:00:00.000000Z",
             "result": [said]},
            {"completed_by": {"id": 4, "email": "v@example.org"}, "was_cancelled": False, "result": []},
            {"completed_by": 5, "was_cancelled": True, "result": []},
        ]},
    ]  # fmt: skip
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(tasks))
    table = aa.read_judgements(path)[["image_id", "annotator_id", "kind", "labels"]]
    people = [("3", "labels", ["joy", "awe"]), ("v@example.org", "none", []), ("5", "skip", [])]
    assert table.to_numpy().tolist() == [["/data/upload/1.jpg", *said] for said in people]
    second = {"from_name": "style", "to_name": "img", "type": "choices", "value": {"choices": ["oil"]}}
    tasks[0]["annotations"][0]["result"].append(second)
    path.write_text(json.dumps(tasks))
    refused(aa.BadImport, r"task 7.*several controls.*emotion, style", aa.read_judgements, path)
    said["from_name"] = "labels"
    for labels, kinds in ((["joy", "awe"], ["labels", "none", "skip"]), ([], ["none", "none", "skip"])):
        said["value"]["choices"] = labels
        path.write_text(json.dumps(tasks))
        table = aa.read_judgements(path)
        assert (table["labels"].tolist(), table["kind"].tolist()) == ([labels, [], []], kinds)


@pytest.mark.parametrize("name", FILES)
def test_languages_are_written_where_there_are_any_and_a_column_of_another_meaning_is_left_alone(tmp_path, name):
    """Files of tasks in which nobody did are byte for byte what they were without the column."""
    silent = full().drop(columns="language")
    said = {"old": None, "new": [None] * 5, "words": ["DE", "German", None, "de", "pt_br"],
            "own": ["de", "formal", None, "de", "German"]}  # fmt: skip
    for where, languages in said.items():
        (tmp_path / where).mkdir()
        table = silent if languages is None else silent.assign(language=languages)
        aa.write_judgements(table, tmp_path / where / name)
    files = [(tmp_path / where).rglob("*") for where in ("old", "new")]
    old, new = ({path.name: path.read_bytes() for path in some if path.is_file()} for some in files)
    assert old == new
    read = aa.read_judgements(tmp_path / "words" / name)["language"]
    assert read.fillna("unsaid").tolist() == ["de", "de", "unsaid", "de", "pt-BR"]
    with pytest.warns(UserWarning, match="row 1: language 'formal' names no language.*only codes such as de"):
        assert "language" not in aa.read_judgements(tmp_path / "own" / name)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=12)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.sets(st.sampled_from(LABELS)))
@example("one\rtwo", {"awe"})  # old Mac line ends, and the separators that Python takes for line ends
@example("one\r\ntwo\n\rthree\r", {"awe", "joy"})
@example("one\x85two\u2028three\u2029four\x0bfive", set())
@example("=HYPERLINK(A1)", set())
@example("NA", set())
@example("\0", set())
def test_any_note_and_any_name_survive_every_format(tmp_path_factory, name, text, labels):
    table = pd.DataFrame({
        "image_id": ["a", "b"], "annotator_id": [f"{text}u", f"u{text}u"], "round": 1,
        "kind": ["labels" if labels else "none", "skip"], "labels": [sorted(labels), []], "note": [text, None],
    })  # fmt: skip
    path = tmp_path_factory.mktemp("files") / name
    aa.write_judgements(table, path)
    again = aa.read_judgements(path)
    assert plain(again[list(table.columns)]) == plain(table)


def test_rows_of_parquet_keep_their_labels_whatever_index_pandas_kept_with_them(tmp_path):
    said = pd.DataFrame({"image_id": ["a", "b", "c"], "annotator_id": "u", "labels": [["awe"], ["fear"], ["joy"]]})
    said.sort_values("image_id", ascending=False).to_parquet(tmp_path / "j.parquet")
    read = aa.read_judgements(tmp_path / "j.parquet")
    assert dict(zip(read["image_id"], read["labels"], strict=True)) == {"a": ["awe"], "b": ["fear"], "c": ["joy"]}


def test_three_columns_are_enough_and_others_can_be_renamed(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("picture,who,labels\na.jpg,u,awe|joy\na.jpg,v,[]\n")
    table = aa.read_judgements(path, rename={"picture": "image_id", "who": "annotator_id"})
    assert table[["round", "kind"]].to_numpy().tolist() == [[1, "labels"], [1, "none"]]
    columns = r"\(columns: picture, who, labels\)"
    refused(aa.BadImport, f"no column image_id {columns}; --map THEIRS=image_id", aa.read_judgements, path)
    unknown = f"no column 'pic' to take as 'image_id' {columns}"
    refused(aa.BadImport, unknown, aa.read_judgements, path, rename={"pic": "image_id"})
    rename = {"picture": "image_id", "who": "labels"}
    refused(aa.BadImport, "two columns are called 'labels'", aa.read_judgements, path, rename=rename)


EMPTY_CELLS = [
    ("x.csv", "image_id,annotator_id,labels\na,u,joy\na,v,\na,w, \na,x,[]\n"),
    ("x.tsv", "image_id\tannotator_id\tlabels\na\tu\tjoy\na\tv\t\na\tw\t|\na\tx\t[]\n"),
    ("x.jsonl", '{"image_id": "a", "annotator_id": "u", "labels": "joy"}\n{"image_id": "a", "annotator_id": "v"}\n'
                '{"image_id": "a", "annotator_id": "w", "labels": null}\n'
                '{"image_id": "a", "annotator_id": "x", "labels": []}\n'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content"), EMPTY_CELLS)
def test_an_empty_cell_is_no_answer_until_it_is_said_what_it_is(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    lines = "line 2 and 1 more" if name == "x.jsonl" else "line 3 and 1 more"
    says = f"2 problems.*{lines}: labels is empty.*--empty none.*--empty skip"
    with pytest.raises(aa.BadImport, match=says) as asked:
        aa.read_judgements(path)
    assert asked.value.problems[0].startswith(lines.removesuffix(" and 1 more") + ":")
    for empty in ("none", "skip"):
        assert aa.read_judgements(path, empty=empty)["kind"].tolist() == ["labels", empty, empty, "none"]
    refused(aa.BadImport, "expected none or skip, but received 'nothing'", aa.read_judgements, path, empty="nothing")


def parquet(**columns: pa.Array) -> pa.Table:
    return pa.table({"image_id": ["a"], "annotator_id": ["u"], "labels": [["awe"]], **columns})


NAMELESS = {"from_name": "labels", "type": "choices", "value": {"choices": [None]}}
OTHERS = [{"data": {"image": "a"}, "annotations": [{"completed_by": 1, "result": [NAMELESS]}]}]
HEAD, ROW = b"image_id,annotator_id,labels", b'{"image_id": "a", "annotator_id": "u", "labels": %b}\n'
BAD_FILES = [
    ("x.csv", b"image_id,annotator_id,labels\na,zo\xeb,awe\n", "line 2: byte 0xeb is not utf-8; convert it to UTF-8"),
    ("x.csv", b"image_id,annotator_id,labels\na,u,joy,awe\n", "line 2: 4 cells, but the header has 3; .* quotes"),
    ("x.csv", b"image_id,annotator_id,labels,seconds\na,u,awe,fast\n", "line 2: seconds 'fast' is no number"),
    ("x.csv", b"image_id,annotator_id,labels,at\na,u,awe,yesterday\n", "line 2: at 'yesterday' is no time"),
    ("x.csv", b"image_id,annotator_id,labels,suggestions_visible\na,u,awe,perhaps\n", "not true or false"),
    ("x.csv", HEAD + b",intensities\na,u,awe,strong\n", "line 2: intensities 'strong' .* read as a list of numbers"),
    ("x.jsonl", b"\n" + ROW % b"5", "line 2: labels 5 cannot be read as a list of names"),
    ("x.jsonl", ROW % b'[["b"], ""]', "labels .* cannot be read as a list of names"),
    ("x.jsonl", b'{"image_id": "a"\n', "line 1: not JSON"),
    ("x.jsonl", b"[1]\n", "line 1: expected an object"),
    ("x.json", b"{}", "expected a list of tasks"),
    ("x.json", json.dumps(OTHERS).encode(), "cannot be read as a list"),
    ("x.json", b'[{"data": {"text": "hi"}}]', "data has no image_id or image"),
    ("x.parquet", b"PAR1", "not a readable Parquet file"),
    ("x.parquet", parquet(image_id=pa.array([b"\xff"]).view(pa.string())), "not a readable Parquet file .*UTF"),
    ("x.parquet", parquet(at=pa.array([False])).slice(0, 0), "x.parquet: no rows"),
    ("x.txt", b"", "empty file"),
]


@pytest.mark.parametrize(("name", "content", "words"), BAD_FILES)
def test_bad_files_are_refused(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content) if isinstance(content, bytes) else pq.write_table(content, path)
    refused(aa.BadImport, words, aa.read_judgements, path)


def test_labels_of_a_table_may_be_json_lists(tmp_path):
    path = tmp_path / "x.csv"
    cells = ["[]", '"[""joy""]"', '" [""joy"", ""awe""]"', "joy|awe", "[joy", "[1]"]
    lines = [f"a,{who},{cell}" for who, cell in enumerate(cells)]
    path.write_text("\n".join(["image_id,annotator_id,labels", *lines]))
    both = ["joy", "awe"]
    assert aa.read_judgements(path)["labels"].tolist() == [[], ["joy"], both, both, ["[joy"], ["[1]"]]
    path = tmp_path / "x.jsonl"
    rows = [{"image_id": "a", "annotator_id": str(at), "labels": (["joy"], "joy|awe")[at]} for at in range(2)]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert aa.read_judgements(path)["labels"].tolist() == [["joy"], ["joy", "awe"]]


@pytest.mark.parametrize("label", ["a|b", "|", '["a"]', " a", '"', "ö|ü"])
def test_a_label_that_holds_the_delimiter_comes_back_from_csv(tmp_path, label):
    said = [[label], ["joy", label], ["joy", "awe"]]
    table = pd.DataFrame({
        "image_id": "a", "annotator_id": ["u", "v", "w"], "round": 1, "kind": "labels", "labels": said,
        "intensities": [[2.0], [1.0, 3.0], None],
    })  # fmt: skip
    aa.write_judgements(table, tmp_path / "x.csv")
    again = aa.read_judgements(tmp_path / "x.csv")
    assert again["labels"].tolist() == said
    assert again["intensities"].tolist() == [[2.0], [1.0, 3.0], None]
    assert "joy|awe" in (tmp_path / "x.csv").read_text()


def test_problems_of_a_text_file_count_its_lines(store, tmp_path):
    """Notes with line ends and blank lines stand between: the editor's line number, not the record's."""
    path = tmp_path / "x.csv"
    path.write_text('image_id,annotator_id,labels,note\n\na,u,awe,"one\n\nthree"\n   \nb,u,joyful,"x\ny"\nzzz,u,awe,\n')
    refused(aa.BadImport, r"line 7: no label 'joyful'.*line 9: 'zzz' is no image", store.import_file, path, invite=True)
    path = tmp_path / "x.jsonl"
    path.write_text('\n{"image_id": "zzz", "annotator_id": "u", "labels": ["awe"]}\n')
    refused(aa.BadImport, "line 2: 'zzz' is no image", store.import_file, path, invite=True)


def test_every_bad_row_is_named():
    table = full().drop(columns=["intensities"])
    table["labels"] = [["awe", "joyful"], ["awe"], [], [], []]
    table["at"] = pd.Timestamp("2036-01-01", tz="UTC")
    table.loc[4, ["image_id", "annotator_id", "kind"]] = ["a", "u", "none"]
    table.loc[3, "event_id"] = "e2"
    now = pd.Timestamp("2036-01-01", tz="UTC")
    found = import_problems(table, LABELS, images={"a", "b"}, annotators={"u"}, now=now)
    wanted = ["row 0: .*did you mean 'joy'", "row 1: .*kind 'none' with 1 labels", "row 1: 'v' was not invited",
              "row 3: ", "row 3: event_id 'e2' again", "row 4: the same person, image and round"]  # fmt: skip
    assert [bool(re.match(words, line)) for words, line in zip(wanted, found, strict=True)] == [True] * 6, found
    late = import_problems(full(), LABELS, now=pd.Timestamp("2025-01-01", tz="UTC"))
    assert (len(late), "lies in the future" in late[0]) == (5, True)


@pytest.fixture
def store(database_url):
    with new_task(database_url, ["a", "b", "c"], overlap=2) as opened:
        yield opened


def test_an_import_is_all_or_nothing(store, tmp_path):
    bad = full().drop(columns="intensities").assign(labels=[["joyful"], [], [], [], []], round=[1, 7, 1, 1, 1])
    aa.write_judgements(bad, tmp_path / "bad.parquet")
    says = "2 problems, nothing was imported: row 1: no label 'joyful'.*no round 7"
    refused(aa.BadImport, says, store.import_file, tmp_path / "bad.parquet", invite=True)
    assert store.events().empty
    assert store.annotators().empty


def test_a_file_is_imported_once_and_comes_back_as_it_was(store, tmp_path):
    aa.write_judgements(full(), tmp_path / "j.parquet")
    store.invite(["u", "v"])
    refused(aa.BadImport, "row 5: 'zoë' was not invited", store.import_file, tmp_path / "j.parquet")
    assert store.import_file(tmp_path / "j.parquet", invite=True) == 5
    again = store.judgements()
    assert plain(again[list(full().columns)]) == plain(full())
    refused(aa.StoreError, r"imported already, as j.parquet", store.import_file, tmp_path / "j.parquet")
    aa.write_judgements(full().drop(columns="event_id"), tmp_path / "k.csv")
    says = "5 problems.*'u' has answered image 'a' in round 1 already"
    refused(aa.BadImport, says, store.import_file, tmp_path / "k.csv")
    assert store.progress().answered == 1  # a check does not count, nor do a skip and an unsure
    assert [c.image_id for c in store.claim("u", 5)] == ["c"]


def collected(table: pd.DataFrame, images: pd.DataFrame | None = None) -> Collected:
    return Collected(TASK, pd.DataFrame({"image_id": ["a", "b", "c"]}) if images is None else images, table)


def test_the_exported_data_set_is_one_that_affectml_reads(tmp_path):
    from affectml.data import Dataset

    images = pd.DataFrame({"image_id": ["a", "b", "c"], "file": ["x/a.png", "b.png", "c.png"]})
    for file in images["file"]:
        (tmp_path / "pictures" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / file).write_bytes(b"png")
    targets = {"feelings": by("votes"), "sets": by("posterior")}
    done = write_dataset_folder(tmp_path / "out", collected(full(), images), targets, images_root=tmp_path / "pictures")
    assert (done.new, done.same, done.replaced, done.kept) == (5, 0, 0, ())
    dataset = Dataset.open(tmp_path / "out")
    questions = {name: entry.question for name, entry in dataset.meta.targets.items()}
    assert questions == dict.fromkeys(["feelings", "sets"], TASK.question)
    assert dataset.target("feelings").image_id.tolist() == ["a"]
    assert dataset.image_path("x/a.png").is_file()
    assert plain(aa.read_judgements(tmp_path / "out")) == plain(full())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "pictures"]


def test_a_failed_export_leaves_nothing_behind(tmp_path):
    images = pd.DataFrame({"image_id": ["a"], "file": ["missing.png"]})
    add = partial(write_dataset_folder, tmp_path / "out")
    strange = full().assign(image_id="zzz", annotator_id=list("abcde"), event_id=list("vwxyz"))
    refused(aa.BadExport, "no such image file", add, collected(full(), images), {}, images_root=tmp_path)
    refused(aa.BadExport, "has no image 'zzz'", add, collected(strange), {"old": by("votes")})
    assert list(tmp_path.iterdir()) == []


def test_a_column_flag_of_another_meaning_is_left_alone(tmp_path):
    (tmp_path / "j.csv").write_text("image_id,annotator_id,labels,flag\na,u,awe,ok\na,v,joy,bad\n")
    with pytest.warns(UserWarning, match="row 0: flag 'ok' is not true or false.*one of your own"):
        assert "flag" not in aa.read_judgements(tmp_path / "j.csv")
