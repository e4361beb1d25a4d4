"""CSV that people open in a spreadsheet: no text of it is a formula, and our readers give every text back as it was."""

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from affectml.importers.read import read_table
from affectml.predicting.files import WRITERS
from affectml_annotation import read_judgements, write_judgements
from affectml_annotation.exchange.files import csv_rows, csv_text, plain_text, spreadsheet_cell
from affectml_annotation.exchange.files import table_csv as csv_of

FORMULAS = ("=1+1", "+1|x", "-2+3", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", '=HYPERLINK("x")', "--1", "-.5x")
TEXTS = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.from_regex("^'*[=+@\\-\t\r\n'0-9.e]*$"))


def test_a_formula_gets_a_quote_before_it_and_numbers_and_other_texts_stay():
    for text in FORMULAS:
        assert (spreadsheet_cell(text), spreadsheet_cell(f"'{text}")) == (f"'{text}", f"''{text}")
    for text in ("-1.5", "+1e-9", "-.034", "7", "a=b", "'tis", "'-1.5", "", "'"):
        assert spreadsheet_cell(text) == plain_text(text) == text


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1))
def test_every_text_comes_back_and_no_two_have_one_cell(rows):
    assert csv_rows(csv_text(rows)) == rows


def test_numbers_are_never_escaped():
    assert csv_text([["=a", -0.5, 3]]) == "'=a,-0.5,3\r\n"
    assert csv_of(pd.DataFrame({"=a": [-0.5, np.nan], "b": ["-1", "=1"]})) == "'=a,b\r\n-0.5,-1\r\n,'=1\r\n"


def test_judgements_come_back_from_csv(tmp_path):
    texts = [*FORMULAS, "'=1", "'tis"]
    given = pd.DataFrame({"image_id": texts, "annotator_id": texts, "labels": [["joy"]] * len(texts), "note": texts})
    write_judgements(given.assign(kind="labels", round=1), tmp_path / "answers.csv")
    back = read_judgements(tmp_path / "answers.csv")
    assert back[list(given)].to_dict("list") == given.to_dict("list")


def test_predictions_come_back_from_csv(tmp_path):
    file, texts = tmp_path / "answers.csv", ["=1.png", "@x.png", "'=1.png", "-1.png"]
    scores = np.full(4, 0.25, dtype=np.float32)
    table = pa.table({"image": texts, "=awe": scores, "joy": scores, "set": [["=awe", "joy"]] * 3 + [[]]})
    WRITERS[".csv"](file, iter([table]))
    rows = [f"{spreadsheet_cell(text)},0.25,0.25,'=awe|joy" for text in texts[:3]]
    assert file.read_text().splitlines()[:4] == ["image,'=awe,joy,set", *rows]
    found = read_table(file).frame
    assert list(found.columns) == ["image", "=awe", "joy", "set"]
    assert found["image"].tolist() == texts
    assert found["set"].tolist() == ["=awe|joy"] * 3 + [""]
