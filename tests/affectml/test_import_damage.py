"""Damaged sources: whatever the bytes, an import works or is one error that the user can mend, and leaves no half."""

import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from affectml.errors import BadInput
from affectml.importers import import_emoset, import_emotic
from affectml.importers.clip_e import import_clip_e

from .fuzz.sources import emoset_folder, emotic_folder, keras_weights, picture


def test_half_of_a_character_in_json_is_refused(tmp_path, refused):
    (file,) = emoset_folder(tmp_path / "in", splits=("train",)).glob("train.json")
    whole = file.read_text()
    file.write_text(whole.replace("_00000.jpg", r"\uD83D.jpg"))
    refused(r"train\.json: not valid JSON \('utf-8' codec can't encode", "emoset", tmp_path / "in")
    file.write_text(whole.replace("_00000.jpg", r"\uD83D\uDE00.jpg"))
    summary = import_emoset(tmp_path / "in", tmp_path / "out", images="none")
    assert summary.images == 1, "both halves are a character"


def test_a_column_of_numbers_that_do_not_fit_stays_text(tmp_path, bring):
    (tmp_path / "t.csv").write_text("file,label,code,year\n0.jpg,joy,1e400,1990\n1.jpg,awe,,\n2.jpg,awe,7,2001\n")
    _, data = bring("table", tmp_path / "t.csv", images="none")
    assert data.images["code"].fillna("-").tolist() == ["1e400", "-", "7"]
    assert data.images["year"].fillna(0).tolist() == [1990, 0, 2001]


def test_parquet_with_bytes_that_are_no_text_is_refused(tmp_path, refused):
    names = pa.array([b"0.jpg", b"\xff.jpg"]).view(pa.string())
    pq.write_table(pa.table({"file": names, "label": ["joy", "awe"]}), tmp_path / "t.parquet")
    refused(r"t\.parquet: not a readable Parquet file", "table", tmp_path / "t.parquet", images="none")


@pytest.mark.parametrize("damage", [(b"SNOD", b"XNOD"), (b"HEAP", b"HELP")])
def test_a_damaged_hdf5_is_refused(tmp_path, damage):
    content = keras_weights(tmp_path / "w.hdf5").read_bytes()
    assert damage[0] in content
    (tmp_path / "w.hdf5").write_bytes(content.replace(*damage))
    with pytest.raises(BadInput, match=r"w\.hdf5: not a readable HDF5 file"):
        import_clip_e(tmp_path / "w.hdf5", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_called_like_the_one_inside_it_is_not_taken_for_it(tmp_path):
    root = emotic_folder(tmp_path / "EMOTIC")
    (root / "Annotations" / "Annotations.mat").rename(root / "Annotations.mat")
    assert import_emotic(root, tmp_path / "out").images == 3


def test_a_small_file_that_unpacks_to_much_is_not_unpacked(tmp_path, monkeypatch, refused):
    monkeypatch.setattr("affectml.importers.embeddings.MOST_UNPACKED", 10**6)
    np.savez_compressed(tmp_path / "f.npz", embedding=np.zeros((10**3, 10**3)), image=np.arange(10**3).astype(str))
    monkeypatch.setattr("numpy.lib.npyio.NpzFile.__getitem__", lambda *_: pytest.fail("unpacked"))
    refused(r"f\.npz: 0\.0 MB that unpack to 0\.0 GB", "embeddings", tmp_path / "f.npz")


def test_a_name_that_is_no_utf_8_is_said(tmp_path, refused):
    for label in ("joy", "fear"):
        picture(tmp_path / "in" / label / "1.png")
    shutil.copy(tmp_path / "in" / "joy" / "1.png", os.fsencode(tmp_path / "in" / "joy") + b"/caf\xe9.png")
    refused(r"caf\\udce9\.png': the name is not UTF-8.*rename the file", "folder", tmp_path / "in")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_a_table_too_wide_for_labels_is_refused_before_it_is_read(tmp_path, refused, suffix):
    names = ["file", *(f"c{at}" for at in range(10_000))]
    file = tmp_path / f"t.{suffix}"
    if suffix == "csv":
        file.write_text(f"{','.join(names)}\n{','.join('1' for _ in names)}\n")
    elif suffix == "json":
        file.write_text(json.dumps([dict.fromkeys(names, 1)]))
    else:
        pq.write_table(pa.table({name: [1] for name in names}), file)
    refused(rf"t.{suffix}: 10,001 columns, and at most 10,000 are read; are they its rows", "table", file)
