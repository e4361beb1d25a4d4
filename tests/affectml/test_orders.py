"""In which orders requests showed labels: found in the indexes of `ask`, and refused where they are others."""

import json

import numpy as np
import pytest

from affectml.errors import BadInput
from affectml.judging.readings import place_bias
from affectml.vlm import AskConfig, ask
from affectml.vlm.names import custom_id
from affectml.vlm.requests import of_others, read_orders, requests_of

LABELS = ("awe", "fear", "joy", "anger")


def index(path, *entries):
    path.write_text("".join(json.dumps({"custom_id": given, "labels": labels}) + "\n" for given, labels in entries))
    return path


def test_requests_are_found_by_image_wording_sample_and_form(tmp_path):
    """Image 1's second wording is asked in the reverse order; image 2 is in no index."""
    given = [custom_id("0", 1), custom_id("1", 1, wording=2, answer="shares"), custom_id("1", 1), custom_id("2", 1)]
    file = index(tmp_path / "i", (given[0], LABELS), (given[1], LABELS[::-1]))
    orders = read_orders([file, file], LABELS)
    assert [orders[each].tolist() for each in given[:2]] == [[0, 1, 2, 3], [3, 2, 1, 0]]
    often, images = np.eye(4), np.array(["0", "1", "1", "2"])
    found = requests_of(given, often, images, images, orders)
    assert (found.given.tolist(), found.images.tolist()) == (often[:2].tolist(), ["0", "1"])
    assert (found.places.tolist(), found.groups.tolist()) == ([[0, 1, 2, 3], [3, 2, 1, 0]], ["0", "1"])
    assert requests_of(given[2:], often[2:], images[2:], None, orders) is None


@pytest.mark.parametrize(
    ("shuffle", "sample", "others"), [("0a1b", 1, False), ("ffff", 1, True), ("ffff", 2, False), ("", 1, True)]
)
def test_an_index_of_such_requests_drawn_otherwise_is_told(shuffle, sample, others):
    orders = {custom_id("x-1", 1, shuffle="0a1b"): np.arange(4)}
    assert of_others([custom_id("2", sample, shuffle=shuffle)], orders) == others


WANTED = "expected an entry of an index .* labels awe, fear, joy, anger"
REFUSED = {
    **dict.fromkeys(["[]", "{", "\xff", "[" * 9999, '{"custom_id": [], "labels": [[]]}'], WANTED),
    '{"custom_id": "s1-p-1", "labels": ["awe", "fear", "joy"]}': WANTED,
    json.dumps({"custom_id": "s1-p-0", "labels": LABELS[::-1]}): "another order of labels than before for .* 's1-p-0'",
}


@pytest.mark.parametrize("line", REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_index_of_these_labels_or_says_something_else_is_refused_with_its_line(tmp_path, line):
    file = index(tmp_path / "i", (custom_id("0", 1), LABELS))
    file.write_bytes(file.read_bytes() + line.encode("latin-1"))
    with pytest.raises(BadInput, match=f"i, line 2: {REFUSED[line]}"):
        read_orders([file], LABELS)
    with pytest.raises(BadInput, match="no such file; `ask` writes it"):
        read_orders([tmp_path / "none"], LABELS)


@pytest.mark.parametrize("liked", [True, False])
def test_from_request_to_finding_a_model_that_takes_what_it_sees_first_is_found(demo_set, tmp_path, liked):
    """It gives its all to the first label of the request, or always to the same one."""
    data = demo_set(images=60, seed=31)
    asked = ask(data.root, AskConfig("m", samples=2, split="all", side=16), tmp_path / "r", say=print)
    labels = data.target("emotions").taxonomy.labels
    entries = [json.loads(line) for line in asked.index.read_text().splitlines()]
    often = np.array([[label == (each["labels"] if liked else labels)[0] for label in labels] for each in entries])
    images = np.array([each["image_id"] for each in entries], dtype=object)
    ids, orders = [each["custom_id"] for each in entries], read_orders([asked.index], labels)
    liking = place_bias(*requests_of(ids, often.astype(float), images, data.groups(images), orders))
    assert (int(liking.rows), bool(liking.p < 0.001)) == (120, liked)
    assert float(liking.value) == pytest.approx(1 / 4 if liked else 0, abs=0.01)  # one of the four first of eight
