"""Spread over wordings and draws, and a liking for places: by hand, planted, and absent where nothing is planted."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import binom

from affectml.answers import AskConfig, ask
from affectml.answers._estimates import for_all
from affectml.answers._names import Names, custom_id
from affectml.answers._rows import Reading, Row, read_rows
from affectml.answers._said import Received, Said, gather
from affectml.answers._spread import (
    place_bias,
    place_bias_of,
    place_table,
    read_orders,
    spread_table,
    spreads,
)
from affectml.answers._words import Words
from affectml.errors import BadInput
from affectml.judging.scoring import Answers
from affectml.judging.truth import Truth

LABELS = ("awe", "fear", "joy", "anger")


def truth_of(sets):
    """Images whose people chose these sets."""
    sets = np.array(sets)
    unknown = dict.fromkeys(("vote_rule", "votes", "people", "chosen", "asked", "oracle", "groups", "beta"))
    return Truth(
        kind="sets", labels=LABELS, image_id=np.array([str(n) for n in range(len(sets))], dtype=object),
        shares=sets.astype(float), hits=sets, hit_rule="", sets=sets, no_sets="", tau=0.5, no_judgements="", **unknown,
    )  # fmt: skip


def asked(*which):
    return [Row(("awe",), place="line", image="0", wording=w, sample=s, asked="sets") for w, s in which]


def answering(parts, images=2):
    """answers_of: of wording or draw n the n-th of parts, {image: set}."""

    def of(only):
        chosen = next(part for n, part in parts.items() if only(Row(place="", wording=n, sample=n)))
        if not chosen:
            return None
        sets = torch.tensor([chosen.get(n, (0,) * 4) for n in range(images)])
        return np.array([n in chosen for n in range(images)]), Answers(sets.double(), None, sets)

    return of


AWE, FEAR, BOTH = (1, 0, 0, 0), (0, 1, 0, 0), (1, 1, 0, 0)


def test_the_spread_over_wordings_is_students_interval_of_their_scores():
    """set_f1 of the wordings is 1, 2/3 and 0 on two images of awe: mean 5/9, sd .509, t of 2 degrees 4.303."""
    parts = {1: {0: AWE, 1: AWE}, 2: {0: BOTH, 1: BOTH}, 3: {0: FEAR, 1: FEAR}}
    found = spreads(asked((1, 1), (2, 1), (3, 1)), answering(parts), truth_of([AWE, AWE]))
    f1 = next(each for each in found if each.metric == "set_f1")
    assert (f1.over, f1.values) == ("wordings", pytest.approx((1, 2 / 3, 0)))
    assert (f1.value, f1.low, f1.high) == pytest.approx((5 / 9, 0, 1))  # ± 1.265 ends where the score does
    assert f1.rough
    assert {each.over for each in found} == {"wordings"}  # one draw has no spread
    near = {n: {0: AWE, 1: AWE if n < 3 else BOTH} for n in range(1, 6)}  # 1, 1, 5/6, 5/6, 5/6
    found = spreads(asked(*((1, n) for n in range(1, 6))), answering(near), truth_of([AWE, AWE]))
    f1 = next(each for each in found if each.metric == "set_f1")
    assert f1.over == "draws"
    assert (f1.value, f1.value - f1.low) == pytest.approx(
        (0.9, 2.7764451 * np.std([0, 0, 1, 1, 1], ddof=1) / 6 / 5**0.5)
    )
    assert not f1.rough


def test_wordings_are_compared_on_the_images_that_each_of_them_answers():
    parts = {1: {0: AWE, 1: FEAR}, 2: {0: AWE}, 3: {}}
    found = spreads(asked((1, 1), (2, 1), (3, 1)), answering(parts), truth_of([AWE, AWE]))
    assert next(each for each in found if each.metric == "set_f1").values == (1, 1)
    apart = {1: {0: AWE}, 2: {1: AWE}}
    assert spreads(asked((1, 1), (2, 1)), answering(apart), truth_of([AWE, AWE])) == []
    unread = [*asked((1, 1)), Row(place="line", image="0", problem="refused", wording=2)]
    assert spreads(unread, answering(parts), truth_of([AWE, AWE])) == []


def test_the_table_says_each_interval_beside_the_other():
    parts = {1: {0: AWE, 1: AWE}, 2: {0: AWE, 1: BOTH}}
    found = spreads(asked((1, 1), (2, 1)), answering(parts), truth_of([AWE, AWE]))
    table = spread_table({"vlm": found}, {"vlm": {"set_f1": {"value": 0.9, "low": 0.8, "high": 1.0}}})
    row = next(row for row in table.rows if row[2] == "set_f1 ↑")
    assert row == ("vlm", "2 wordings (rough)", "set_f1 ↑", ".917 ±.500", ".833", "1.000", ".900 ±.100")
    assert spread_table({"vlm": []}, {}) is None


def test_a_liking_for_the_first_half_is_measured_against_the_images_other_requests():
    """Each of 2 images is asked twice, in an order and its reverse; the first half's label 0 or 3 is always named.

    By image 0 label 0 and label 3 are named once each: its other request and the mean of the three others (label 0: 1/3
    where it named it itself, 2/3 where not) say (0 + 1/3) / 2 = 1/6 of a label that is named, (1 + 2/3) / 2 = 5/6 of
    one that is not. So it is 5/6 over in the first half and 5/6 under in the second, which over two places is 5/6.
    """
    given = np.array([[1, 0, 0, 0], [0, 0, 0, 1]] * 2, dtype=float)
    places = np.array([[0, 1, 2, 3], [3, 2, 1, 0]] * 2)
    found = place_bias(given, places, np.array(["a", "a", "b", "b"]))
    assert (found.value, found.low, found.high, found.p, found.requests) == pytest.approx(
        (5 / 6, 5 / 6, 5 / 6, None, 4)
    )
    swapped = place_bias(given, 3 - places, np.array(["a", "a", "b", "b"]))
    assert swapped.value == pytest.approx(-5 / 6)
    assert place_bias(given, places, np.array(["a"] * 4)) is None
    assert place_bias(given, places, np.array(["a", "a", "b", "b"]), np.array(["one"] * 4)) is None


def test_who_always_says_the_same_prefers_no_place():
    places = np.argsort(np.random.default_rng(0).random((40, 5)), axis=1)
    found = place_bias(np.tile([1.0, 1, 0, 0, 0], (40, 1)), places, np.arange(40))
    assert (found.value, found.p, found.found) == (0, 1, False)


def simulated(runs, liking, *, draws, images=60, labels=8, several=True):
    """P values of systems that know something of each image, draw their answers, and add `liking` in the first half."""
    rng, found = np.random.default_rng(7), []
    for _ in range(runs):
        knows = rng.beta(0.5, 1.5, (images, labels))
        image = np.repeat(np.arange(images), draws)
        places = np.argsort(rng.random((len(image), labels)), axis=1)
        rates = knows[image] + liking * (places < labels // 2)
        if several:
            given = (rng.random(rates.shape) < rates).astype(float)
        else:
            given = (rates / rates.sum(axis=1, keepdims=True)).cumsum(axis=1) > rng.random((len(image), 1))
            given = np.diff(given.astype(float), axis=1, prepend=0)
        found.append(place_bias(given, places, image, image // 2).p)
    return np.array(found)


@pytest.mark.parametrize(("draws", "several", "liking"), [(1, True, 0.15), (3, True, 0.08), (3, False, 0.2)])
def test_a_planted_liking_is_found_and_none_where_none_is_planted(draws, several, liking):
    assert (simulated(100, liking, draws=draws, several=several) < 0.05).sum() >= 90
    false = (simulated(400, 0.0, draws=draws, several=several) < 0.05).sum()
    assert false <= binom.ppf(0.999, 400, 0.05)


def test_the_number_of_systems_counts_against_each_of_them():
    places = np.argsort(np.random.default_rng(1).random((60, 4)), axis=1)
    one = place_bias((places < 2).astype(float), places, np.arange(60))
    none = place_bias(np.random.default_rng(2).random((60, 4)), places, np.arange(60))
    both = for_all({"one": one, "none": none})
    assert [each.p_holm for each in both.values()] == pytest.approx([2 * one.p, none.p])
    assert [row[-1] for row in place_table(both).rows] == ["yes", ""]
    assert place_table(both).rows[0][2] == "+1.002 ±.020"  # each is measured against the mean of the others
    assert both["one"].in_words("vlm").startswith("vlm prefers labels that stand in the first half of the list")


def index(path, *entries):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def entry(image, sample, labels, **more):
    return {"custom_id": custom_id(image, sample), "image_id": image, "sample": sample, "labels": labels, **more}


def test_requests_are_found_in_the_index_by_image_wording_sample_and_form(tmp_path):
    """Image 1's second wording is asked in the reverse order; image 2 is in no index."""
    file = index(tmp_path / "i", entry("0", 1, LABELS), entry("1", 1, LABELS[::-1], wording=2, answer="shares"))
    orders = read_orders([file, file], LABELS)
    assert {which: places.tolist() for which, places in orders.items()} == {
        ("0", "1", "1", "sets", ""): [0, 1, 2, 3],
        ("1", "2", "1", "shares", ""): [3, 2, 1, 0],
    }
    rows = [Row(place="", asked="sets"), Row(place="", wording=2, asked="shares"), Row(place=""), Row(place="")]
    images = {(1, "sets"): ["0"], (2, "shares"): ["1"], (1, None): ["1", "2"]}

    def said_of(only):
        here = np.array(next(ids for (w, form), ids in images.items() if only(Row(place="", wording=w, asked=form))))
        often = np.tile([1.0, 0, 0, 0], (len(here), 1))
        return Said("sets", here.astype(object), often, None, None, often, Received())

    found = place_bias_of(rows, said_of, orders, lambda ids: None)
    assert (found.requests, found.value) == (2, 0)
    assert place_bias_of(rows[2:], said_of, orders, lambda ids: None) is None


FEWER = '{"image_id": "1", "sample": 1, "labels": ["awe", "fear", "joy"]}'
ODD = '{"image_id": [], "sample": 1, "labels": [[]]}'


@pytest.mark.parametrize("line", ["[]", "{", "\xff", FEWER, ODD, pytest.param("[" * 9999, id="deep")])
def test_what_is_no_index_of_these_labels_is_refused_with_its_line(tmp_path, line):
    file = index(tmp_path / "i", entry("0", 1, LABELS))
    file.write_bytes(file.read_bytes() + line.encode("latin-1"))
    with pytest.raises(BadInput, match="i, line 2: expected an entry of an index .* labels awe, fear, joy, anger"):
        read_orders([file], LABELS)
    with pytest.raises(BadInput, match="no such file; `ask` writes it"):
        read_orders([tmp_path / "none"], LABELS)


def test_two_orders_of_one_request_are_refused(tmp_path):
    one, two = index(tmp_path / "a", entry("0", 1, LABELS)), index(tmp_path / "b", entry("0", 1, LABELS[::-1]))
    with pytest.raises(BadInput, match="b, line 1: another order of labels than before for sample 1 of image '0'"):
        read_orders([one, two], LABELS)


@pytest.mark.parametrize(("answer", "liked"), [("sets", True), ("shares", True), ("ranking", True), ("shares", False)])
def test_from_request_to_finding_a_model_that_takes_what_it_sees_first_is_found(demo_set, tmp_path, answer, liked):
    """It gives its all to the first label of the request, or always to the same one."""
    data = demo_set(images=60, seed=31)
    asked = ask(data.root, AskConfig("m", answer=answer, samples=2, split="all", side=16), tmp_path / "r", say=print)
    labels = data.target("emotions").taxonomy.labels
    with (tmp_path / "responses").open("w") as file:
        for entry in map(json.loads, asked.index.read_text().splitlines()):
            first = entry["labels"][0] if liked else labels[0]
            rest = [label for label in entry["labels"] if label != first]
            said = {
                "sets": {"labels": [first]},
                "shares": {first: 20, **dict.fromkeys(rest, 0)},
                "ranking": {"ranking": [first, *rest]},
            }[answer]
            message = {"choices": [{"message": {"content": json.dumps(said)}}]}
            file.write(json.dumps({"custom_id": entry["custom_id"], "response": message}) + "\n")
    words = Words(data.target("emotions").taxonomy, {})
    found = read_rows(tmp_path / "responses", Reading(words, Names(data.images)))

    def said_of(only):
        return gather(found, words, one_label=False, shape=None, k=None, only=only)

    liking = place_bias_of(found.rows, said_of, read_orders([asked.index], labels), data.groups)
    assert (liking.requests, liking.p < 0.001) == (120, liked)
    assert liking.value == pytest.approx(1 / 4 if liked else 0, abs=0.01)  # one of the four first of eight
