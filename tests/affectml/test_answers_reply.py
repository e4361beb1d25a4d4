"""What a model's reply says: JSON alone, synonyms, what cannot be used; no traceback on any bytes."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectml.answers._names import Names, Requested, custom_id
from affectml.answers._reply import REASONS, Why, parse_reply
from affectml.answers._rows import Reading, Row, Rows, read_rows
from affectml.answers._said import gather
from affectml.answers._wording import PEOPLE, Form
from affectml.answers._words import Words
from affectml.errors import AffectmlError, BadInput
from affectml.taxonomies import Taxonomy, get_taxonomy

from . import replies

WORDS = Words(get_taxonomy("mikels-8"))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('{"labels": ["awe", "fear"]}', ("awe", "fear")),
        (' \n{"labels": ["awe"]}\n', ("awe",)),
        ('```json\n{"labels": ["awe"]}\n```', ("awe",)),
        ('```\n["awe"]\n```\n', ("awe",)),
        ('```JSON {"labels": []}```', ()),
        ('{"Emotions": "awe, fear and sorrow"}', ("awe", "fear", "sorrow")),
        ('{"labels": ["Awe", "Fear."]}', ("Awe", "Fear.")),
        ('{"labels": ["none of these"]}', ("none of these",)),
        ('{"labels": ["nostalgia"]}', ("nostalgia",)),
    ],
)
def test_labels_are_read_as_they_are_spelt(text, labels):
    assert parse_reply(text, WORDS).labels == labels


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", Why.EMPTY),
        ("Awe, Fear.", Why.NO_JSON),
        ('{"labels": ["awe"', Why.BROKEN),
        ('```json\n{"labels": ["awe"]}\n```\nI hope that helps.', Why.BROKEN),
        ('<think>maybe fear</think>{"labels": []}', Why.BROKEN),
        ('{"labels": ["awe"], "labels": ["awe"]}', Why.BROKEN),
        ('{"labels": ' + "[" * 5000, Why.BROKEN),
        ('{"labels": [1, 2]}', Why.NO_LABELS),
        ("__import__('os').system('true')", Why.NO_JSON),
    ],
)
def test_what_cannot_be_used_has_a_reason(text, problem):
    assert parse_reply(text, WORDS).problem == problem
    assert problem in REASONS


def test_words_are_labels_synonyms_and_the_users_own():
    words = Words(get_taxonomy("mikels-8"), {"chill": "contentment"})
    found = [words.find(word) for word in ("AWE", " **Dread**", "chill", "nostalgia", "none")]
    assert found == ["awe", "fear", "contentment", None, None]
    assert words.says_none("None of these.")
    assert words.split("awe, chill/fear; 'dread' and fun") == ("awe", "chill", "fear", "dread", "fun")
    with pytest.raises(BadInput, match=r"mapping=\{'x': 'joyy'\}: no label 'joyy'"):
        Words(get_taxonomy("ekman-6"), {"x": "joyy"})


def test_a_synonym_of_two_labels_stands_for_neither_and_a_label_comes_before_synonyms():
    taxonomy = Taxonomy("t", ("a", "b", "c"), synonyms={"a": ("x", "b"), "c": ("x",)})
    assert Words(taxonomy).find("x") is None
    assert Words(taxonomy).find("b") == "b"


@given(st.text())
def test_no_reply_breaks_the_parser(text):
    reply = parse_reply(text, WORDS)
    assert (reply.labels is None and reply.numbers is None) == (reply.problem in REASONS)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.sampled_from(["awe", "labels"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["labels", "awe", "custom_id", "response", "body", "choices", "message", "content", "error",
                         "image", "rates", "ranking", "finish_reason", "status_code", "refusal"]) | st.text(max_size=3),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_json_in_a_reply_is_read_or_has_a_reason(value):
    reply = parse_reply(json.dumps(value), WORDS)
    assert (reply.labels is None and reply.numbers is None) == (reply.problem in REASONS)


@pytest.fixture(scope="module")
def reading():
    return Reading(WORDS, Names(pd.DataFrame({"image_id": ["1", "a b"], "file": ["images/x.png", "images/y.png"]})))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "answers"


KEYS = ("custom_id", "image", "response", "error", "labels", "rates", "ranking", "reply")


@given(lines=st.lists(st.dictionaries(st.sampled_from(KEYS), JSON)))
def test_lines_of_any_json_are_rows_or_an_error_in_words(lines, file, reading):
    known = [{"image": "1", **line} for line in lines] + [{"custom_id": custom_id("a b", 1), **line} for line in lines]
    for some in (lines, known[: len(lines)], known[len(lines) :]):
        file.write_bytes(b"\n".join(json.dumps(line).encode() for line in some) or b"{")
        with contextlib.suppress(AffectmlError):
            assert all(row.problem in (*REASONS, "") for row in read_rows(file, reading).rows)


@given(content=st.binary(max_size=300) | st.binary(max_size=300).map(lambda raw: b'{"image": "1"}\n' + raw))
def test_no_bytes_break_the_reader(content, file, reading):
    file.write_bytes(content)
    with contextlib.suppress(AffectmlError):
        assert all(row.problem in (*REASONS, "") for row in read_rows(file, reading).rows)


SAID = st.dictionaries(st.sampled_from(["labels", "rates", "ranking", "reply", "awe"]), JSON)


@given(lines=st.lists(SAID, min_size=1), one_label=st.booleans())
def test_what_is_gathered_are_shares_and_sets_or_an_error_in_words(lines, one_label, file, reading):
    images = ("1", "a b")
    content = [{"image": images[at % 2], **line} for at, line in enumerate(lines)]
    file.write_text("\n".join(map(json.dumps, content)))
    with contextlib.suppress(AffectmlError):
        said = gather(read_rows(file, reading), WORDS, one_label=one_label, shape=None, k=None)
        assert np.isfinite(said.scores).all()
        assert ((said.often >= 0) & (said.often <= 1)).all()
        if said.shares is not None:
            assert ((said.shares >= 0) & (said.shares <= 1)).all()
        if said.shape == "distribution":
            assert said.shares.sum(axis=1) == pytest.approx(1)
        if said.sets is not None:
            assert np.isin(said.sets, (0, 1)).all()


def responses(file, *lines):
    said = [{"message": {"content": text}, "finish_reason": "stop"} for text in ('{"labels": ["awe"]}', "no idea")]
    kinds = {
        "awe": {"response": {"status_code": 200, "body": {"choices": said[:1]}}},
        "both": {"response": {"status_code": 200, "body": {"choices": said}}},
        "fails": {"response": {"status_code": 500, "body": None}},
    }
    file.write_text("\n".join(json.dumps({"custom_id": given, **kinds[kind]}) for given, kind in lines))
    return file


def test_of_several_responses_to_a_request_the_first_that_can_be_used_counts(file, reading):
    one, two = custom_id("1", 1), custom_id("1", 2)
    lines = [(one, "fails"), (two, "awe"), (one, "awe"), (one, "awe"), (two, "fails"), (two, "awe")]
    rows = read_rows(responses(file, *lines), reading).rows
    assert [row.problem for row in rows] == [Why.TWICE, "", "", Why.TWICE, Why.TWICE, Why.TWICE]
    failing = read_rows(responses(file, (one, "fails"), (one, "fails")), reading).rows
    assert [(row.problem, row.detail) for row in failing] == [("request failed", "HTTP 500"), (Why.TWICE, "as line 1")]


def test_each_choice_of_a_response_is_an_answer(file, reading):
    asked = custom_id("a b", 4, wording=2, answer="shares")
    rows = read_rows(responses(file, (asked, "both"), (custom_id("1", 1), "awe")), reading).rows
    assert [(row.sample, row.wording, row.asked) for row in rows] == [(4, 2, "shares")] * 2 + [(1, 1, "sets")]
    assert [(row.image, row.labels, row.problem) for row in rows] == [
        ("a b", ("awe",), ""),
        ("a b", None, Why.NO_JSON),
        ("1", ("awe",), ""),
    ]


def test_responses_and_other_lines_in_one_file_are_refused(file, reading):
    file.write_text(responses(file, (custom_id("1", 1), "awe")).read_text() + '\n{"image": "1", "labels": []}')
    with pytest.raises(BadInput, match="some lines are batch responses"):
        read_rows(file, reading)


def test_a_line_that_is_nested_too_deeply_is_broken_and_the_others_count(file, reading):
    deep = '{"image": "1", "labels": ' + '{"labels": ' * 600 + '["joy"]' + "}" * 600 + "}"
    file.write_text(deep + '\n{"image": "1", "labels": ["joy"]}\n')
    rows = read_rows(file, reading).rows
    assert [(row.problem, row.labels) for row in rows] == [(Why.BROKEN, None), ("", ("joy",))]


def test_requests_in_the_place_of_responses_are_refused(file, reading):
    file.write_text(json.dumps({"custom_id": custom_id("1", 1), "method": "POST", "url": "/", "body": {}}))
    with pytest.raises(BadInput, match=r"line 1: a request, not a response; judge the file that the server writes"):
        read_rows(file, reading)


IDS = st.text(min_size=1, max_size=90)


@given(st.lists(IDS, unique=True, min_size=1))
def test_a_custom_id_of_any_request_finds_it_again(ids):
    names = Names(pd.DataFrame({"image_id": ids}))
    asked = [
        Requested(image, *which)
        for image in ids
        for which in ((1, 1, "sets"), (12, 1, "ranking"), (1, 2, "shares"), (999_999, 999, "shares"))
    ]
    given_ids = [custom_id(one.image, one.sample, wording=one.wording, answer=one.answer) for one in asked]
    assert len(set(given_ids)) == 4 * len(ids)
    assert all(
        len(one) <= 64 and one.isascii() and one.replace("-", "").replace("_", "").isalnum() for one in given_ids
    )
    assert [names.of_custom_id(one) for one in given_ids] == asked
    assert names.of_custom_id(f"s1x-{given_ids[0][3:]}") is None


def test_the_custom_id_says_sample_wording_and_form_of_answer():
    assert custom_id("cat", 3) == "s3-p-cat"
    assert custom_id("cat", 3, wording=2) == "s3w2-p-cat"
    assert custom_id("cat", 3, answer="shares") == "s3h-p-cat"
    assert custom_id("cat", 3, wording=2, answer="ranking") == "s3w2r-p-cat"
    assert custom_id("cat", 3, wording=2, answer="ranking", shuffle="0a1b") == "s3w2rx0a1b-p-cat"


@pytest.mark.parametrize("name", ["3", "images/cat.png", "cat.png", "cat", "/home/me/images/cat.png", "data\\cat.png"])
def test_an_image_is_found_by_id_file_or_name(name):
    names = Names(pd.DataFrame({"image_id": ["3", "4", "5"], "file": ["images/cat.png", "a/dog.png", "b/dog.png"]}))
    assert names.find(name) == "3"
    assert names.find("dog.png") is None
    assert names.find("a/dog.png") == "4"


FOUR = Words(Taxonomy("four", replies.LABELS, synonyms=replies.SYNONYMS))


def rows_of(texts, asked=None):
    read = [parse_reply(text, FOUR) for text in texts]
    return [
        Row(**vars(reply), place=f"line {at}", image=f"image {at}", asked=asked)
        for at, reply in enumerate(read, start=1)
    ]


def gathered(texts, asked=None, *, one_label=False, shape=None):
    return gather(Rows(rows_of(texts, asked), "replies"), FOUR, one_label=one_label, shape=shape, k=None)


def read_alone(text, asked, one_label):
    """What a file of one reply says: a set, a ranking, or shares of the four labels; else the reason why not."""
    try:
        said = gathered([text], asked, one_label=one_label)
    except BadInput as error:
        return next((reason for reason in REASONS if f"used of 1: {reason}: 1" in str(error)), str(error))
    if asked == "shares":
        return tuple(said.shares[0].round(6))
    order = np.argsort(-said.scores[0], kind="stable")[: np.count_nonzero(said.scores[0])]
    return [replies.LABELS[at] for at in (order if asked == "ranking" else np.sort(order))]


def is_json_alone(text):
    fenced = text.strip().removeprefix(replies.FENCE).removeprefix("json").removesuffix(replies.FENCE)
    try:
        return isinstance(json.loads(fenced), dict | list)
    except (ValueError, RecursionError):
        return False


PLAIN = [
    *(("sets", text, sorted(wanted.split(), key=replies.LABELS.index), *why) for text, wanted, *why in replies.SETS),
    *(("ranking", text, wanted.split()) for text, wanted in replies.RANKINGS),
    *(("shares", *reply) for reply in replies.SHARES),
    *(("one", *reply) for reply in replies.ONE),
]
NOBODY_COULD = [
    (asked, *((reply, None) if isinstance(reply, str) else (reply[0], None, reply[1])))
    for asked, some in {**replies.NONE, "one": replies.NONE_OF_ONE}.items()
    for reply in some
]


@pytest.mark.parametrize("corpus", [PLAIN, NOBODY_COULD, replies.TRAPS], ids=["plain", "nobody could", "traps"])
def test_json_alone_is_read_as_a_person_reads_it_or_refused_for_its_reason_and_all_else_is_refused(corpus):
    wrong = []
    for asked, text, wanted, *why in corpus:
        got = read_alone(text, "shares" if asked == "one" else asked, asked == "one")
        ends = why or [Why.EMPTY, Why.NO_JSON, Why.BROKEN]
        if is_json_alone(text) and not why:
            ends = [tuple(np.round(wanted, 6)) if isinstance(wanted, tuple) else wanted]
        wrong += [(text, got)] if got not in ends else []
    assert wrong == []


def test_how_many_of_the_replies_are_read_is_what_the_documentation_says():
    def read(corpus):
        return sum(is_json_alone(text) and not why for _, text, _, *why in corpus)

    alone, hard = sum(is_json_alone(text) for _, text, *_ in PLAIN), NOBODY_COULD + replies.TRAPS
    said = (
        f"has {len(PLAIN + hard)} replies written by hand, each with what a person reads in it and how it ends. Of "
        f"{len(PLAIN)} plain ones {alone} are JSON alone, and {read(PLAIN)} of these are read as the person reads them",
        f"Of {len(hard)} others, which nobody could use or which are easily misread, {read(hard)} are read so, ",
    )
    docs = " ".join((Path(__file__).parents[2] / "docs" / "answers.md").read_text(encoding="utf-8").split())
    assert [line for line in said if line not in docs] == []


@given(data=st.data(), taxonomy=st.sampled_from(["mikels-8", "ekman-7", "emotic-26", "parrott-25", "polarity-3"]))
def test_whatever_the_schema_of_a_request_allows_is_read_as_it_stands(data, taxonomy):
    words = Words(get_taxonomy(taxonomy))
    labels = data.draw(st.permutations(words.taxonomy.labels))
    some = data.draw(st.lists(st.sampled_from(labels), unique=True, min_size=1))
    counts = data.draw(st.lists(st.integers(0, PEOPLE), min_size=len(labels), max_size=len(labels)))
    counts = counts if max(counts) > 1 else [PEOPLE, *counts[1:]]  # of zeros and ones alone see the scales
    answers = {
        "sets": {"labels": some},
        "ranking": {"ranking": labels},
        "shares": dict(zip(labels, counts, strict=True)),
    }
    said = {}
    for asked, answer in answers.items():
        schema = Form(asked, one=False).schema(labels)
        assert list(answer) == schema["required"] == list(schema["properties"])
        text = data.draw(st.sampled_from(["{}", "```json\n{}\n```"])).replace("{}", json.dumps(answer))
        row = Row(**vars(parse_reply(text, words)), place="line 1", image="a", asked=asked)
        said[asked] = gather(Rows([row], "replies"), words, one_label=False, shape=None, k=None)
    named = np.array(words.taxonomy.labels)
    assert {*named[said["sets"].sets[0] > 0]} == {*some}
    assert named[np.argsort(-said["ranking"].scores[0])].tolist() == list(labels)
    assert dict(zip(named, said["shares"].shares[0], strict=True)) == {
        label: pytest.approx(count / PEOPLE) for label, count in answers["shares"].items()
    }


SHARES = '{{"joy": {}, "awe": {}, "fear": {}, "anger": {}}}'


def test_numbers_without_a_unit_are_on_the_scale_of_most_answers_of_their_file():
    counts = [SHARES.format(12, 5, 0, 1), SHARES.format(20, 3, 3, 3), SHARES.format(8, 8, 2, 0)]
    said = gathered([*counts, SHARES.format(60, 25, 0, 5), SHARES.format(0.6, 0.25, 0, 0.05)], "shares")
    assert said.shares[0] == pytest.approx([0.6, 0.25, 0, 0.05])
    assert said.received.problems == {Why.OTHER_SCALE: ["line 4", "line 5"]}
    assert "numbers without a unit are taken as counts of 20" in said.received.notes[0]
    percent = [SHARES.format(60, 25, 0, 5), SHARES.format(90, 10, 15, 0), SHARES.format(12, 5, 10, 15)]
    said = gathered([*percent, SHARES.format(0.6, 0.25, 0, 0.05)], "shares")
    assert said.shares[2] == pytest.approx([0.12, 0.05, 0.1, 0.15])
    assert said.received.problems == {Why.OTHER_SCALE: ["line 4"]}
    said = gathered([SHARES.format(0.6, 0.2, 0, 0), SHARES.format(1, 0, 0, 0), SHARES.format(60, 25, 0, 5)], "shares")
    assert said.shares[1] == pytest.approx([1, 0, 0, 0])
    assert said.received.problems == {Why.OUTSIDE: ["line 3"]}


def test_each_wording_has_a_scale_of_its_own():
    rows = rows_of([SHARES.format(12, 5, 0, 1), SHARES.format(60, 25, 0, 5)], "shares")
    rows = Rows([replace(row, wording=at) for at, row in enumerate(rows, start=1)], "replies")
    said = gather(rows, FOUR, one_label=False, shape=None, k=None)
    assert said.shares == pytest.approx(np.array([[0.6, 0.25, 0, 0.05]] * 2))
    assert "taken as counts of 20 or, by wording, percentages" in said.received.notes[0]


def test_marked_numbers_speak_for_themselves_in_any_file():
    texts = [
        SHARES.format(12, 5, 0, 1),
        SHARES.format('"60%"', '"25%"', 0, '"5%"'),
        '{"n": 40, "joy": 24, "awe": 10, "fear": 0, "anger": 0}',
        SHARES.format(*['"0%"'] * 4),
    ]
    said = gathered(texts, "shares")
    assert said.shares[:, 0] == pytest.approx([0.6, 0.6, 0.6, 0])


def test_numbers_of_which_nobody_knows_the_scale_are_not_read():
    for numbers in ((5, 1, 4, 2), (3, 0, 0, 1), (7.5, 2, 3, 1), (12, 5, 0, 1)):
        with pytest.raises(BadInput, match=r"no answer can be used of 1: numbers of no known scale: 1"):
            gathered([SHARES.format(*numbers)])
    assert gathered([SHARES.format(60, 25, 0, 5)]).shares[0] == pytest.approx([0.6, 0.25, 0, 0.05])


def test_votes_of_which_a_few_sum_to_100_by_chance_are_no_percentages():
    by_chance, others = SHARES.format(45, 40, 5, 10), [SHARES.format(48, 20, 0, 5), SHARES.format(40, 40, 30, 9)]
    with pytest.raises(BadInput, match=r"no answer can be used of 3: numbers of no known scale: 3"):
        gathered([by_chance, *others])
    said = gathered([by_chance, by_chance, others[0]])
    assert said.shares[0] == pytest.approx([0.45, 0.4, 0.05, 0.1])


def test_zeros_and_ones_are_read_as_yes_and_no():
    said = gathered([SHARES.format(1, 0, 0, 1), SHARES.format(1, 0, 0, 0)])
    assert (said.shape, said.sets.tolist()) == ("sets", [[1, 0, 0, 1], [1, 0, 0, 0]])
    assert gathered([SHARES.format(1, 0, 0, 1)], "shares").shares.tolist() == [[1, 0, 0, 1]]


def test_a_list_is_a_ranking_only_where_one_was_asked():
    texts = ['["joy", "awe", "fear", "anger"]', '{"labels": ["awe", "fear", "anger", "joy"]}']
    said = gathered(texts)
    assert (said.shape, said.sets.tolist()) == ("sets", [[1, 1, 1, 1]] * 2)
    assert "2 lists name all labels: sets of all, or rankings with shape='ranked'" in said.received.notes
    for ranked in (gathered(texts, "ranking"), gathered(texts, shape="ranked")):
        assert ranked.scores.argmax(axis=1).tolist() == [0, 1]
        assert ranked.shape == "ranked"


def test_numbers_beside_labels_are_never_ignored():
    shares = [{"label": "joy", "share": 0}, {"label": "awe", "share": 0}, {"label": "fear", "share": 0.1}]
    text = json.dumps({"labels": [*shares, {"label": "anger", "share": 1}]})
    said = gathered([text])
    assert (said.shape, said.shares.tolist()) == ("rates", [[0, 0, 0.1, 1]])
    with pytest.raises(BadInput, match=r"numbers where labels were asked: 1; shape says what they are"):
        gathered([text], "sets")
    assert gathered([text], "sets", shape="rates").shares.tolist() == said.shares.tolist()


def test_answers_in_another_form_than_was_asked_have_a_reason():
    texts = [SHARES.format(12, 5, 0, 1), '{"labels": ["joy"]}', '{"ranking": ["joy", "awe"]}']
    assert gathered(texts, "shares").received.problems == {Why.LABELS: ["line 2", "line 3"]}
    assert gathered(texts, "sets").received.problems == {Why.NUMBERS: ["line 1"], Why.RANKED: ["line 3"]}
    assert gathered(texts, "ranking").received.problems == {Why.UNRANKED: ["line 1"]}


def test_where_nothing_was_asked_answers_of_several_forms_are_an_error_with_the_way_out():
    texts = ['{"labels": ["joy"]}', '{"labels": ["awe"]}', SHARES.format(0.6, 0, 0, 0.1)]
    found = r"\(2 are lists of labels, 1 are numbers by label\); judge them one by one, or say which form counts: shape"
    with pytest.raises(BadInput, match=found):
        gathered(texts)
    assert gathered(texts, shape="sets").received.problems == {Why.NUMBERS: ["line 3"]}
    mixed = [*rows_of(texts[:2], "sets"), *rows_of(texts[2:], "shares")]
    with pytest.raises(BadInput, match=r"several forms of answer \(2 for sets, 1 for shares\); judge them one by one"):
        gather(Rows(mixed, "replies"), FOUR, one_label=False, shape=None, k=None)


def test_shares_of_one_label_each_sum_to_one_but_for_rounding():
    texts = [
        SHARES.format('"33%"', '"33%"', '"33%"', '"0%"'),
        '{"joy": "75%", "awe": "25%"}',
        SHARES.format('"90%"', '"50%"', '"0%"', '"0%"'),
    ]
    said = gathered(texts, "shares", one_label=True)
    assert said.shares == pytest.approx(np.array([[1 / 3, 1 / 3, 1 / 3, 0], [0.75, 0.25, 0, 0]]))
    assert said.received.problems == {Why.NO_SUM: ["line 3"]}
    assert "1 answers sum to one but for rounding, and are divided by their sum" in said.received.notes


def test_stated_shares_of_several_draws_are_averaged_and_one_draw_can_be_gathered_alone():
    rows = rows_of([SHARES.format(12, 5, 0, 1), SHARES.format(16, 5, 0, 1)], "shares")
    rows = Rows([replace(row, image="a", sample=at) for at, row in enumerate(rows, start=1)], "replies")
    both, second = (
        gather(rows, FOUR, one_label=False, shape=None, k=None, only=only)
        for only in (None, lambda row: row.sample == 2)
    )
    assert both.shares.tolist() == [[0.7, 0.25, 0, 0.05]]
    assert (second.shares.tolist(), second.received.rows) == ([[0.8, 0.25, 0, 0.05]], 1)


def test_a_table_may_hold_percentages_or_counts_beside_n(file, reading):
    four = replace(reading, words=FOUR)
    tables = (
        "image,joy,awe,fear,anger,n\n1,12,5,0,1,20\na b,24,10,0,2,40",
        "image,joy,awe,fear,anger\n1,60%,25%,0%,5%",
    )
    for table in tables:
        file.write_text(table)
        said = gather(read_rows(file, four), FOUR, one_label=False, shape=None, k=None)
        assert said.shares == pytest.approx(np.array([[0.6, 0.25, 0, 0.05]] * len(said.shares)))
