"""Damaged sources: whatever the bytes, an import works or is one error that the user can mend, and leaves no half."""

import io
import json
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from affectml.cli import main
from affectml.data import Dataset
from affectml.errors import AffectmlError, BadInput
from affectml.importers import get_importer, import_coco, import_emotic, import_table
from affectml.importers.clip_e import import_clip_e

URL = "https://stock.example/"
COCO = {
    "images": [{"id": number, "file_name": f"{number}.jpg", "license": 1} for number in range(3)],
    "categories": [{"id": 1, "name": "joy"}, {"id": 2, "name": "awe"}],
    "annotations": [{"id": 1, "image_id": 0, "category_id": 1}, {"id": 2, "image_id": 0, "category_id": 2}],
    "licenses": [{"id": 1, "name": "CC0"}],
}
SOURCES = {
    "table": ("t.csv", b"file,label,split\n0.jpg,joy|awe,train\n1.jpg,awe,test\n2.jpg,joy,\n"),
    "votes": ("t.csv", b"file,joy,awe,n,width\n0.jpg,3,1,4,1990\n1.jpg,0,2,5,\n2.jpg,1,1,4,2001\n"),
    "judgements": (
        "t.csv",
        b"file,annotator,label,seconds\n0.jpg,ann,joy,1\n0.jpg,bob,none,2.5\n1.jpg,ann,awe;joy,\n",
    ),
    "coco": ("c.json", json.dumps(COCO).encode()),
    "webemo": ("train25.txt", f"{URL}a.jpg 0\n{URL}b.jpg 24\n{URL}a.jpg 19\n".encode()),
}
PIECES = [b'"', b",", b"\n", b"\r", b"\t", b"|", b"[", b"{", b"}", b"\\", b" ", b"-", b"9" * 20, b"e999", b"nan",
          b"\xff", b"\0", b"\\ud800", b"null", b"../", b"\xc3\xa9"]  # fmt: skip
EDIT = st.tuples(st.floats(0, 1), st.integers(0, 9), st.sampled_from(PIECES) | st.binary(max_size=3))


def outcome(name: str, folder: Path) -> Dataset | None:
    """The data set, or None after an error of ours that leaves nothing."""
    file = folder / SOURCES[name][0]
    try:
        get_importer({"votes": "table", "judgements": "table"}.get(name, name))(
            folder if name == "webemo" else file, folder.parent / "deep" / "out", images="none"
        )
    except AffectmlError:
        assert sorted(path.name for path in folder.parent.iterdir()) == ["in"], "nothing is left, nor folders above"
        return None
    return Dataset.open(folder.parent / "deep" / "out")


@pytest.mark.parametrize("name", SOURCES)
@given(edits=st.lists(EDIT, min_size=1, max_size=4))
@settings(max_examples=50)
def test_any_damage_is_an_error_of_ours_or_none(name, edits):
    file, content = SOURCES[name]
    for place, length, piece in edits:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + length :]
    with tempfile.TemporaryDirectory() as top:
        (Path(top) / "in").mkdir()
        (Path(top) / "in" / file).write_bytes(content)
        outcome(name, Path(top) / "in")


@pytest.mark.parametrize("name", SOURCES)
def test_without_damage_they_come_in(name, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / SOURCES[name][0]).write_bytes(SOURCES[name][1])
    dataset = outcome(name, tmp_path / "in")
    assert dataset is not None
    assert len(dataset.images) == 2 + (name in ("table", "votes", "coco"))


def test_half_of_a_character_in_json_is_refused(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps(COCO).replace("0.jpg", r"\uD83D.jpg"))
    with pytest.raises(BadInput, match=r"c\.json: not valid JSON \('utf-8' codec can't encode"):
        import_coco(tmp_path / "c.json", tmp_path / "out", images="none")
    (tmp_path / "c.json").write_text(json.dumps(COCO).replace("0.jpg", r"\uD83D\uDE00.jpg"))
    assert import_coco(tmp_path / "c.json", tmp_path / "out", images="none").images == 3, "both halves are a character"


def test_votes_that_no_computer_counts_exactly_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("file,joy,awe\n0.jpg,3,1\n1.jpg,9007199254740993000,1\n")
    with pytest.raises(BadInput, match=r"line 3: column 'joy': expected a number, but received '9007199254740993000'"):
        import_table(tmp_path / "t.csv", tmp_path / "out", images="none")


def test_a_column_of_numbers_that_do_not_fit_stays_text(tmp_path):
    (tmp_path / "t.csv").write_text("file,label,code,year\n0.jpg,joy,1e400,1990\n1.jpg,awe,,\n2.jpg,awe,7,2001\n")
    import_table(tmp_path / "t.csv", tmp_path / "out", images="none")
    images = Dataset.open(tmp_path / "out").images
    assert images["code"].fillna("-").tolist() == ["1e400", "-", "7"]
    assert images["year"].fillna(0).tolist() == [1990, 0, 2001]


def test_parquet_with_bytes_that_are_no_text_is_refused(tmp_path):
    names = pa.array([b"0.jpg", b"\xff.jpg"]).view(pa.string())
    pq.write_table(pa.table({"file": names, "label": ["joy", "awe"]}), tmp_path / "t.parquet")
    with pytest.raises(BadInput, match=r"t\.parquet: not a readable Parquet file"):
        import_table(tmp_path / "t.parquet", tmp_path / "out", images="none")


@pytest.mark.parametrize("damage", [(b"{'descr'", b"(((((((("), (b"NUM", b"")])
def test_a_damaged_npy_is_refused(tmp_path, damage):
    buffer = io.BytesIO()
    np.save(buffer, np.eye(2))
    assert damage[0] in buffer.getvalue()
    (tmp_path / "f.npy").write_bytes(buffer.getvalue().replace(*damage, 1))
    pd.DataFrame({"file": ["a", "b"], "label": ["joy", "awe"]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(BadInput, match=r"f\.npy: not a readable \.npz or \.npy file"):
        get_importer("embeddings")(tmp_path / "f.npy", tmp_path / "out", csv=tmp_path / "t.csv")


@pytest.mark.parametrize("damage", [(b"SNOD", b"XNOD"), (b"HEAP", b"HELP"), (b"TREE", b"FREE")])
def test_a_damaged_hdf5_is_refused(tmp_path, damage):
    with h5py.File(tmp_path / "w.hdf5", "w") as handle:
        for name, shape in (("img_fc1", (8, 4)), ("preds", (4, 6))):
            handle[f"{name}/kernel:0"], handle[f"{name}/bias:0"] = np.ones(shape), np.ones(shape[1])
    content = (tmp_path / "w.hdf5").read_bytes()
    assert damage[0] in content
    (tmp_path / "w.hdf5").write_bytes(content.replace(*damage))
    with pytest.raises(BadInput, match=r"w\.hdf5: not a readable HDF5 file"):
        import_clip_e(tmp_path / "w.hdf5", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_called_like_the_one_inside_it_is_not_taken_for_it(tmp_path):
    root = tmp_path / "EMOTIC"
    (root / "emotic" / "mscoco" / "images").mkdir(parents=True)
    Image.new("RGB", (10, 10)).save(root / "emotic" / "mscoco" / "images" / "a.jpg")
    person = {"body_bbox": [0, 0, 5, 5], "annotations_categories": {"categories": np.array(["Anger"], dtype=object)}}
    photo = {"filename": "a.jpg", "folder": "mscoco/images", "person": person}
    savemat(root / "Annotations.mat", {"train": photo})
    assert import_emotic(root, tmp_path / "out").images == 1


def test_ctrl_c_says_that_nothing_was_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "t.csv").write_bytes(SOURCES["table"][1])
    for number in range(3):
        Image.new("RGB", (5, 5)).save(tmp_path / "in" / f"{number}.jpg")

    def stop(source, target):
        Path(target).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", stop)
    out = tmp_path / "deep" / "out"
    monkeypatch.setattr(sys, "argv", ["affectml", "import", "table", str(tmp_path / "in" / "t.csv"), str(out)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "stopped: nothing was written: the same command starts again\n"
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
