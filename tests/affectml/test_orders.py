"""In which orders requests showed labels: found in the indexes of `ask`, and refused where they are others."""

import json

import numpy as np
import pytest

from affectml.errors import BadInput
from affectml.vlm.reply import custom_id
from affectml.vlm.requests import of_others, read_orders

LABELS = ("awe", "fear", "joy", "anger")


def index(path, *entries):
    path.write_text("".join(json.dumps({"custom_id": given, "labels": labels}) + "\n" for given, labels in entries))
    return path


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
