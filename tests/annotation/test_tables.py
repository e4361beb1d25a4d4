"""One reader of tables: the same rows in every form, each with its place, and errors that name it."""

import io
import json
import zipfile

import pandas as pd
import pytest

from affectml_annotation.errors import BadImport
from affectml_annotation.tables import read_table

from .tasks import refused

ROWS = [{"image": "a b.png", "joy": "0.25", "awe": "0.75"}, {"image": "c.png", "joy": "1", "awe": "0"}]


def lines(separator, decimal="."):
    rows = [[row["image"], *(row[name].replace(".", decimal) for name in ("joy", "awe"))] for row in ROWS]
    return "\n".join(map(separator.join, [list(ROWS[0]), *rows])).encode()


def parquet():
    out = io.BytesIO()
    pd.DataFrame(ROWS).to_parquet(out)
    return out.getvalue()


FORMS = {  # name -> content, unit, places, what the notes say
    "comma.csv": (lines(","), "line", [2, 3], ""),
    "semicolon.csv": (lines(";"), "line", [2, 3], "separated by semicolon"),
    "decimal commas.csv": (lines(";", ","), "line", [2, 3], "decimal commas in joy, awe"),
    "tab.tsv": (lines("\t", ","), "line", [2, 3], "decimal commas in joy, awe"),
    "list.json": (json.dumps(ROWS).encode(), "row", [1, 2], ""),
    "by image.json": (json.dumps({row["image"]: {k: row[k] for k in ("joy", "awe")} for row in ROWS}).encode(), "row",
                      [1, 2], ""),
    "lines.jsonl": (("\n\n".join(map(json.dumps, ROWS)) + "\n").encode(), "line", [1, 3], ""),
    "rows.parquet": (parquet(), "row", [1, 2], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_form_holds_the_same_rows_and_where_they_stand(tmp_path, name):
    content, unit, places, said = FORMS[name]
    (tmp_path / name).write_bytes(content)
    table = read_table(tmp_path / name)
    assert table.frame.to_dict("records") == ROWS
    assert (table.unit, table.place.tolist()) == (unit, places)
    assert said in "; ".join(table.notes)
    assert table.where(1) == f"{tmp_path / name}, {unit} {places[1]}"


def test_a_data_frame_is_a_table():
    table = read_table(pd.DataFrame(ROWS, index=[7, 8]).rename(columns={"joy": 5}))
    assert list(table.frame) == ["image", "5", "awe"]
    assert table.where(1) == "the data frame, row 2"


@pytest.mark.parametrize("cells", ["1,5;joy,awe", "1,5;1.5", "1,5;,", "12;13"])
def test_commas_that_are_no_decimal_commas_stay(tmp_path, cells):
    (tmp_path / "t.csv").write_text(f"image;a;b\n0.png;{cells}\n1.png;2;{cells.split(';')[1]}\n")
    assert read_table(tmp_path / "t.csv").frame["b"].tolist() == [cells.split(";")[1]] * 2


def packed(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name.replace("_", "."), content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed(word_xml="x"), "a zip archive, not a table; save the table as CSV"),
        (packed(a_xml=bytes(600_000_000)), "unpacks to 0.6 GB, as no table does"),
        (b"PK\x03\x04", "not a readable Excel file"),
        (b"a,b\n1,2,3\n", "line 2: 3 cells, but the header has 2"),
        (b"a,b\n", "a header and no rows"),
        (b"[]", "no rows"),
    ],
)
def test_what_is_no_table_is_refused_by_place(tmp_path, content, words):
    (tmp_path / "t").write_bytes(content)
    refused(BadImport, f"{tmp_path / 't'}.*{words}", read_table, tmp_path / "t")
