"""Rates to learn from, by whom one trusts: two people who agree, and one who always says the opposite."""

import numpy as np
import pandas as pd
import pytest

from affectml.errors import BadInput
from affectml.heads import judged_targets

TRUE = {"a": True, "b": True, "c": False, "d": False}


def judgement(image, person, says):
    said = {"kind": "labels", "labels": ["awe"]} if says else {"kind": "none", "labels": []}
    return {"image_id": image, "annotator_id": person, "round": 1, **said}


@pytest.fixture
def table():
    """u and v say what is true, w the opposite; nobody can tell of image e."""
    rows = [judgement(i, p, TRUE[i] != (p == "w")) for i in TRUE for p in ("u", "v", "w")]
    rows += [{**judgement("e", p, says=False), "kind": "unsure"} for p in ("u", "v")]
    return pd.DataFrame(rows)


def test_votes_are_shares(table):
    found = judged_targets(table, ["awe"])
    assert found.image_id.tolist() == ["a", "b", "c", "d"]
    assert found.people.tolist() == [3, 3, 3, 3]
    np.testing.assert_allclose(found.values[:, 0], [2 / 3, 2 / 3, 1 / 3, 1 / 3])


def test_weighted_by_hand(table):
    # u and v are .5 away from the mean of the others, w is 1 away: weights go as 1 / .25, 1 / .25 and 1 / 1
    found = judged_targets(table, ["awe"], by="weighted")
    np.testing.assert_allclose(found.values[:, 0], [8 / 9, 8 / 9, 1 / 9, 1 / 9])


@pytest.mark.parametrize("by", ["votes", "weighted"])
def test_other_images_move_nothing(table, by):
    """Elsewhere it is u who stands alone."""
    more = [judgement(f"x{i}", p, says=(i % 2 == 0) != (p == "u")) for i in range(20) for p in ("u", "v", "w")]
    alone = judged_targets(table, ["awe"], list("dcba"), by=by)
    among = judged_targets(pd.concat([table, pd.DataFrame(more)]), ["awe"], list("dcba"), by=by)
    assert among.image_id.tolist() == list("dcba")
    np.testing.assert_array_equal(alone.values, among.values)
    if by != "votes":
        everywhere = judged_targets(pd.concat([table, pd.DataFrame(more)]), ["awe"], by=by).values[:4]
        assert not np.allclose(everywhere, alone.values[::-1], atol=1e-3)


def test_what_cannot_be_weighed_says_the_way_out(table):
    with pytest.raises(BadInput, match=r"by: no 'weigthed'.*'weighted'"):
        judged_targets(table, ["awe"], by="weigthed")
    nameless = table.drop(columns="annotator_id"), table.assign(annotator_id=None), table[table["annotator_id"] == "u"]
    for spoilt in nameless:
        with pytest.raises(BadInput, match=r"'weighted' weighs people.*annotator_id.*learn from plain rates"):
            judged_targets(spoilt, ["awe"], by="weighted")
