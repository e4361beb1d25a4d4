"""Pictures inside pages: what is drawn where, and that names of users are escaped."""

import itertools
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from affectml.plots import MARKS, Canvas, dots, grid, marks, reliability

NAMES = [  # of labels, and what is seen of them
    ("a feeling of deep sorrow and of regret that does not go away for days", "a feeling of …"),
    ('<b>"joy" & 0.12345 #1d2127', '&lt;b&gt;"joy" &amp; 0.12345 #1d2127'),
]


def squares(values, name):
    return grid(values, [name, "joy"][: len(values)], name, hue="model", axis=("a", "b"))


@pytest.mark.parametrize(("name", "seen"), NAMES)
def test_names_of_users_are_shortened_and_escaped_but_whole_in_the_words_of_a_picture(name, seen):
    point = (0.5, 0.4, 0.6)
    for picture in (
        dots({name: {"model": point, "prior": point}}, ["model", "prior"], name),
        dots({name: {name: point}}, [name], name),
        squares(np.eye(2), name),
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


def test_every_picture_is_well_formed_whatever_its_figures():
    for picture in (
        *(dots({"joy": {"a": p, "b": p}}, "ab", "") for p in ((0.5,) * 3, (0.0,) * 3, (-0.5, -1, -0.2))),
        *(dots({"model": {"model": (x, x, x)}}, ["model"], "") for x in (0.0, 0.5, -1e-9)),
        *(squares(np.full((1, 1), value), "joy") for value in (0.0, 0.5)),
        reliability({"joy": []}, ""),
    ):
        assert ET.fromstring(picture).tag == "svg"
        assert not re.search(r"nan|inf", picture)


def test_systems_of_one_picture_are_told_apart_by_signs():
    assert len({sign for sign, _ in marks("abcdef").values()}) == 6
    assert len(set(marks(["run", "other", "zero_shot", "prior", "person"]).values())) == 5
    assert MARKS["person"] != MARKS["model"]
    others, known = marks("abcdef").values(), {mark for who, mark in MARKS.items() if who != "model"}
    assert not known & {*others}
    assert "people" not in {ink for _, ink in others}  # blue is people's in every picture


def test_a_system_looks_the_same_in_every_picture_of_a_page():
    rows = {"joy": {"b": (0.5, 0.4, 0.6)}}
    assert "var(--model" in dots(rows, ["b"], "")
    (_, ink), among = marks("ab")["b"], dots(rows, ["b"], "", ["a", "b"])
    assert f"var(--{ink}" in among
    assert "var(--model" not in among  # which is the first's, who is not in this picture
