"""What the lead's pages compute, by hand-worked tables."""

import codecs
import csv
import io
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from affectml_annotation import Alpha, Progress, aggregate, read_judgements
from affectml_annotation.study.pay import PayRow
from affectml_annotation.tables import read_table
from affectml_apps.relabel import lead

LABELS = ("awe", "fear", "joy")


def table(*rows):
    """Rows (image, annotator, labels)."""
    made = [
        (f"e{at}", image, who, 1, "labels" if labels else "none", list(labels), float(at), pd.Timestamp(at, unit="s"))
        for at, (image, who, labels) in enumerate(rows)
    ]
    columns = ["event_id", "image_id", "annotator_id", "round", "kind", "labels", "seconds", "at"]
    return pd.DataFrame(made, columns=columns).assign(note=None)


def progress(**changes):
    said = {"images": 100, "wanted": 300, "answered": 260, "complete": 41, "rate": 20.0, "seconds_left": 2 * 86_400.0}
    return Progress(**{"round": 1, "claimed": 0, "conflicts": 0, "annotators": 3, **said, **changes})


NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "overlap", "says"),
    [
        ({}, 3, "41 of 100 images have their 3 people; at this pace the rest takes about 2 days."),
        ({"wanted": 100}, 1, "41 of 100 images have their person; at this pace the rest takes about 2 days."),
        ({"wanted": 301, "seconds_left": 5000.0}, 3,
         "41 of 100 images have the people that they wait for; at this pace the rest takes about 83 minutes."),
        ({"answered": 2, "complete": 0, "rate": NAN, "seconds_left": NAN}, 3, "0 of 100 images have their 3 people."),
        ({"answered": 0, "complete": 0, "rate": NAN, "seconds_left": NAN}, 3,
         "0 of 100 images have their 3 people; nobody has answered yet."),
        ({"answered": 300, "complete": 100, "seconds_left": 0.0}, 3, "All 100 images have their 3 people."),
    ],
)  # fmt: skip
def test_how_far_it_is_stands_in_a_sentence(changes, overlap, says):
    assert lead.progress_words(progress(**changes), overlap) == says


@pytest.mark.parametrize(
    ("alpha", "says"),
    [
        (Alpha(NAN, undefined="no image has answers of two people"), "No image has two answers yet"),
        (
            Alpha(NAN, undefined="everybody always gave the same answer", images=2),
            "more, everybody always gave the",
        ),
        (Alpha(0.2, 0.1, 0.3, images=3), "On 3 images with two answers or more, too few images to say how well people"),
        (Alpha(0.2, images=4), "On 4 images with two answers or more, it cannot be said whether people agree"),
        (Alpha(0.2, 0.1, 0.3, images=9), "people agree more than chance would give: alpha is 0.20 [0.10, 0.30]."),
        (Alpha(0.1, -0.1, 0.3, images=9), "it is not sure that people agree more than chance would give"),
        (Alpha(-0.3, -0.5, -0.1, images=9), "people agree less than chance would give"),
    ],
)
def test_agreement_is_told_by_its_interval(alpha, says):
    assert says in lead.agreement_words(alpha)


def test_what_can_leave_stands_in_a_sentence():
    row = PayRow("P1", None, "completed", 5.0, 9, 0, None, "GBP", Decimal("3.00"), Decimal("0.00"), False)
    paid, by_panel = replace(row, paid=True), replace(row, by_panel=row.due)
    assert lead.out_words(0, 0, [], 0) == "There is nothing to export yet."
    assert lead.out_words(1, 1, [], 0) == "1 answer from 1 person is ready to export."
    ready = "9 answers from 2 people are ready to export"
    assert lead.out_words(9, 2, [paid, by_panel], 0) == f"{ready}; nothing is still to be paid."
    told = lead.out_words(9, 2, [row, paid, replace(row, currency="EUR", due=Decimal("0.50"))], 2)
    assert told == f"{ready}; 3.00 GBP and 0.50 EUR is still to be paid; 2 people asked to be erased."


def test_drift_by_hand():
    rows = [(str(at), "ann", ["awe"] if at < 4 else ["awe", "joy"]) for at in range(8)] + [("8", "ann", [])]
    found = lead.drift(table(*rows), LABELS, block=4)
    # the ninth answer is less than half a block
    assert found[["answers", "labels_per_answer", "none", "use:joy", "seconds"]].to_numpy().tolist() == [
        [4, 1.0, 0.0, 0.0, 1.5],
        [5, 8 / 5, 0.2, 0.8, 6.0],
    ]


def test_pace_by_hand():
    """Three answers in an hour, one in the next but one; with a fourth two days and a second later: by day."""
    hours = table(*((str(at), "ann", ["awe"]) for at in range(4)))
    begun = pd.Timestamp("2026-03-01 09:00", tz="UTC")
    hours["at"] = begun + pd.to_timedelta([0, 59, 59, 120], unit="min")
    found = lead.pace(hours)
    assert found["hour"].tolist() == [begun, begun + pd.Timedelta(hours=2)]
    assert found["answers"].tolist() == [3, 1]
    days = hours.assign(at=[*hours["at"][:2], pd.NaT, begun + pd.Timedelta(days=2, seconds=1)])
    assert lead.pace(days)["day"].dt.strftime("%d").tolist() == ["01", "03"]
    assert lead.pace(days)["answers"].tolist() == [2, 1]
    assert lead.pace(days.iloc[2:3]).empty


def test_the_labels_that_somebody_uses_are_told_in_words():
    shares = pd.DataFrame({"block": [1, 2], "use:awe": [0.5, 0.0], "use:cheerfullness": [0.666, 0.0]})
    found = lead.uses_in_words(shares, {"awe": "awe", "cheerfullness": "cheerfulness"}.__getitem__)
    assert found.to_dict("list") == {"block": [1, 2], "labels": ["cheerfulness 67\xa0%, awe 50\xa0%", ""]}


def test_coefficients_stand_with_their_intervals():
    row = {"label": "awe", "answers": 5, "prevalence": 0.25, "alpha": 0.126, "alpha_low": -0.1, "alpha_high": 0.3}
    found = lead.with_intervals(pd.DataFrame([{**row, "ac1": np.nan, "ac1_low": np.nan, "ac1_high": np.nan}]))
    assert found.to_dict("records") == [
        {"label": "awe", "answers": 5, "prevalence": 0.25, "alpha": "0.13 [-0.10, 0.30]", "ac1": "–"}
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1|x", "-2+3", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", '=HYPERLINK("x")'])
def test_no_cell_of_a_csv_for_people_is_a_formula(text):
    content = pd.DataFrame({"note": [text, "plain", "a=b"], text: [-0.5, 1e-9, 2.0]})
    rows = list(csv.reader(io.StringIO(lead.as_csv(content).decode("utf-8-sig"), newline="")))
    assert [row[0] for row in rows] == ["note", f"'{text}", "plain", "a=b"]
    assert [row[1] for row in rows] == [f"'{text}", "-0.5", "1e-09", "2.0"]


def test_the_downloads_are_neutral_and_parquet_is_exact():
    judgements = table(("1", "=cmd", ["awe"]), ("1", "b", ["fear"])).assign(note="@x\ry")
    found, _ = lead.export_bytes(judgements, "CSV", names=True)
    assert all(cell in found for cell in (b"'=cmd", b"'@x\ry"))
    exact = pd.read_parquet(io.BytesIO(lead.export_bytes(judgements, "Parquet", names=True)[0]))
    assert exact[["annotator_id", "note"]].to_numpy().tolist() == [["=cmd", "@x\ry"], ["b", "@x\ry"]]
    assert b"\r\n'=1," in lead.as_csv(aggregate(table(("=1", "a", ["awe"])), LABELS).table())


def test_csv_for_people_says_that_it_is_utf_8_and_our_own_readers_take_it(tmp_path):
    judgements = table(("1", "zoë", ["awe"]), ("1", "b", ["a|b", "joy"]))
    labels = (*LABELS, "a|b")
    (tmp_path / "answers.csv").write_bytes(lead.export_bytes(judgements, "CSV", names=True)[0])
    (tmp_path / "votes.csv").write_bytes(lead.as_csv(aggregate(judgements, labels).table()))
    again = read_judgements(tmp_path / "answers.csv")
    assert again["annotator_id"].tolist() == ["zoë", "b"]
    assert again["labels"].tolist() == [["awe"], ["a|b", "joy"]]
    assert read_table(tmp_path / "votes.csv").frame["image_id"].tolist() == ["1"]
    assert {path.read_bytes()[:3] for path in tmp_path.glob("*.csv")} == {codecs.BOM_UTF8}
