"""Votes with the number of people asked, from JSON and CSV: every shape, what is refused, and the way to a page."""

import json

import numpy as np
import pytest

import affectml
from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.importers import import_table
from affectml.taxonomies import get_taxonomy

ROWS = [{"image": "a.jpg", "joy": 12, "awe": 3, "n": 20}, {"image": "b.jpg", "joy": 0, "awe": 17, "n": 18}]
VOTES = {row["image"]: {"joy": row["joy"], "awe": row["awe"]} for row in ROWS}
N = {"a.jpg": 20, "b.jpg": 18}
SHAPES = {
    "a list of objects": ROWS,
    "a list of objects in objects": [{"id": name, "n": N[name], "votes": row} for name, row in VOTES.items()],
    "by image, n among the votes": {name: {**row, "n": N[name]} for name, row in VOTES.items()},
    "by image, n beside the votes": {k: {"n": N[k], "counts": dict(reversed(row.items()))} for k, row in VOTES.items()},
    "images under a key": {"name": "x", "images": ROWS},
    "numbers as text": [{key: str(value) for key, value in row.items()} for row in ROWS],
}


@pytest.fixture
def load(tmp_path):
    """Import this as JSON without pictures; text as it is."""

    def run(content, name="votes.json", **options):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text, encoding="utf-8")
        summary = import_table(tmp_path / name, tmp_path / "out", images="none", **options)
        return summary, Dataset.open(tmp_path / "out")

    return run


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
def test_votes_in_any_shape_of_json_are_rates_of_the_people_asked(load, content):
    _, dataset = load(content)
    target = dataset.target("rates")
    assert target.taxonomy.labels == ("awe", "joy")
    assert (target.image_id.tolist(), target.votes.tolist()) == (["a.jpg", "b.jpg"], [[3, 12], [17, 0]])
    assert target.n.ravel().tolist() == [20, 18]


def test_json_lines_are_rows_too(load):
    _, dataset = load("\n".join(map(json.dumps, ROWS)), name="votes.jsonl")
    assert dataset.target("rates").votes.tolist() == [[3, 12], [17, 0]]


def test_lists_of_labels_in_json_are_sets_and_other_lists_stay_text(load):
    rows = [{"image": "a", "labels": ["joy", "awe"], "by": [1]}, {"image": "b", "labels": [], "by": "me"}]
    _, dataset = load(rows)
    assert dataset.target("sets").table.tolist() == [[1, 1], [0, 0]]
    assert dataset.images["by"].tolist() == ["[1]", "me"]


@pytest.mark.parametrize("name", ["votes.json", "votes.csv"])
def test_one_n_for_all_is_an_option_or_stands_once_in_the_file(load, name):
    _, dataset = load(VOTES if name.endswith("json") else "image,joy,awe\na.jpg,12,3\nb.jpg,0,17\n", name, n=20)
    assert dataset.target("rates").n.ravel().tolist() == [20, 20]


def test_n_beside_the_list_of_images_is_that_of_all_who_have_none(load):
    summary, dataset = load({"n": 25, "version": 2, "images": [{"image": "a.jpg", **VOTES["a.jpg"]}, ROWS[1]]})
    assert dataset.target("rates").n.ravel().tolist() == [25, 18]
    assert "left out beside 'images': version" in summary.notes


def test_votes_of_nobody_knows_how_many_people_say_how_to_make_them_rates(load):
    summary, _ = load(VOTES)
    assert any("no column n, unequal votes per row; n=20 where 20 were asked" in note for note in summary.notes)


def test_labels_that_are_no_words_of_emotions_are_known_by_where_they_stand(load):
    content = {"a.jpg": {"tender": 3, "cosy": 4, "age": 40}, "b.jpg": {"tender": 0, "cosy": 5, "age": 9}}
    summary, dataset = load(content, n=5)
    assert dataset.target("rates").taxonomy.labels == ("cosy", "tender")
    assert dataset.images["age"].tolist() == [40, 9]
    assert "labels taken from tender, cosy" in summary.notes


def test_a_label_that_is_left_out_is_not_known_until_one_says_that_nobody_chose_it(load, tmp_path):
    content = VOTES | {"b.jpg": {"awe": 17}}
    with pytest.raises(BadInput, match=r"row 2: column 'joy': expected a number, but received ''.*empty='none' where"):
        load(content, n=20)
    _, dataset = load(content, n=20, empty="none")
    assert dataset.target("rates").votes.tolist() == [[3, 12], [17, 0]]


TRUE = [{"id": "a", "n": 2, "votes": {"joy": True, "awe": 1}}]
REFUSED = {
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
    "COCO": ({"images": [], "annotations": [], "categories": []}, {}, r"COCO's form: `affectml import coco`"),
    "another shape": ({"a": 1, "b": [1], "c": [2]}, {}, r'expected \[\{"image"'),
    "a number alone": ("[5", {}, r"broken JSON"),
    "nothing": ([], {}, r"no rows"),
    "half a character": ('[{"image": "\\ud800", "joy": 1, "awe": 2, "n": 3}]', {}, r"broken JSON"),
    "too deep": ("[" * 100_000, {}, r"broken JSON"),
}


@pytest.mark.parametrize(("content", "options", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_by_row_and_label(load, content, options, says):
    with pytest.raises(BadInput, match=says):
        load(content, **options)


def test_a_table_whose_header_begins_with_a_bracket_is_no_json(load):
    _, dataset = load("[image],[joy],[awe],[n]\na.jpg,12,3,20\nb.jpg,0,17,18\n", name="votes.csv")
    assert dataset.target("rates").votes.tolist() == [[3, 12], [17, 0]]


def test_from_a_table_of_twenty_peoples_votes_to_a_page_of_two_systems(load, tmp_path):
    """MultiEmo-Bench's shape: Mikels' eight, twenty people an image who choose all they feel, nobody named."""
    draw, labels = np.random.default_rng(0), get_taxonomy("mikels-8").labels
    rates = draw.beta(0.4, 1.2, size=(60, 8))
    counts = [dict(zip(labels, map(int, row), strict=True)) for row in draw.binomial(20, rates)]
    images = [{"id": f"{at:03}", "file": f"{at:03}.jpg", "votes": row} for at, row in enumerate(counts)]
    _, dataset = load({"n": 20, "images": images})
    assert dataset.target("rates").taxonomy.name == "mikels-8"
    for name, said in (("near", rates), ("words", np.tile(rates.mean(axis=0), (60, 1)))):
        rows = [{"image": f"{at:03}", "rates": dict(zip(labels, said[at].tolist(), strict=True))} for at in range(60)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    answers, page = [tmp_path / "words.jsonl", tmp_path / "near.jsonl"], tmp_path / "judged.html"
    judged = {"split": "all", "sort": "rate_cross_entropy", "out": page, "say": lambda line: None}
    found = affectml.evaluate(answers, on=dataset, **judged).evaluation
    assert found.systems()[:3] == ["near", "words", "prior"]
    assert found.get("rate_cross_entropy", "near", "words").high < 0
    assert found.get("top_1_accuracy", "near", "words").p_holm < 0.05
    assert found.systems("rest") == found.systems("person") == []
    assert "words" in page.read_text(encoding="utf-8")
