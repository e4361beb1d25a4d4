"""Exploring a data set: what is shown and in which order, what is kept, and what is never given away."""

import json
import math
import shutil
import sys
import types
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from affectml._files import write_json, write_parquet
from affectml.data import DatasetMeta, TargetMeta, write_dataset
from affectml.embeddings import write_store
from affectml.encoders import EncoderIdentity
from affectml.errors import AffectmlError, BadInput, BadRun
from affectml.exploring import Collection, Filter, View
from affectml.exploring._view import parse_rates
from affectml.judging.answers import SystemAnswers, write_answers
from affectml.judging.views import entropies
from affectml.people.labelling import make_task
from affectml.runs import RunInfo, TrainConfig
from affectml.runs.schema import DataInfo, EncoderInfo, HeadInfo
from affectml.taxonomies import Taxonomy, get_taxonomy
from affectml_annotation import Answer, LabelStore, Task

from .checks import edit, edited_copy, files_of, refused, write_answered

IDS = list("abcdef")
LABELS = ("awe", "joy", "fear")
FEELINGS = Taxonomy("feelings", LABELS, synonyms={"fear": ("sheer terror", "fright"), "joy": ("fear",)})
#       awe joy fear, of ten people each
VOTES = [[9, 0, 6], [4, 0, 1], [9, 0, 0], [7, 7, 0], [0, 0, 0], [0, 9, 9]]
IMPORTED = EncoderIdentity("imported-hand", None, None, {}, "float16", True, 3, False, "0" * 64)
# of a to e: f has no embedding
PLACES = np.array([[1, 0, 0], [3, 0.3, 0], [0, 1, 0], [0, 2, 0.2], [0, 0, 0.5]], dtype=np.float16)
SAID = [("a", "ann", "labels", ["awe"]), ("a", "ben", "labels", ["awe", "fear"]), ("b", "ann", "labels", ["joy"]),
        ("b", "ben", "labels", ["joy"]), ("c", "ann", "none", []), ("d", "ann", "flag", [])]  # fmt: skip


def write_run(folder, ids, rates, *, shares=True, **columns):
    """A run folder with no more than exploring reads."""
    data = DataInfo(name="hand", construct="evoked", target="rates", kind="rates")
    known = {"config": TrainConfig("hand"), "taxonomy": FEELINGS.to_dict(), "head": HeadInfo(name="sigmoid")}
    info = RunInfo(data=data, encoder=EncoderInfo(specs=[], identity=IMPORTED.to_json()), **known)
    table = pd.DataFrame({"image_id": ids, "split": ["train", "val", "test", "train", "train", "train"][: len(ids)]})
    table[list(LABELS)] = np.array(rates, dtype=np.float32)
    write_json(folder / "run.json", info.to_json())
    write_answered(folder, LABELS, table.assign(**columns), shares=shares)
    return folder


@pytest.fixture
def hand(tmp_path):
    """Six images with votes of ten people, some of whose answers are known; two runs, one of which lacks e and f."""
    judged = pd.DataFrame(SAID, columns=["image_id", "annotator_id", "kind", "labels"]).assign(round=1)
    judged["note"] = [None] * 5 + ["=blurred"]
    where, size = ["sea", "sea", "town", "town", "a, b", None], [1.5, 2, 3, 4, 5, np.nan]
    images = pd.DataFrame({"image_id": IDS, "split": ["train"] * 4 + ["test", None], "file": [None] * 6})
    votes = pd.DataFrame(VOTES, columns=list(LABELS)).assign(image_id=IDS, n=10)
    target = TargetMeta("rates", "evoked", FEELINGS.to_dict(), "votes", "targets-rates.parquet")
    images = images.assign(where=where, size=size)
    data = write_dataset(tmp_path / "hand", DatasetMeta("hand", {"rates": target}), images, {"rates": votes}, judged)
    write_store(data.root, IMPORTED, IDS[:5], [PLACES])
    rates = np.array(VOTES) / 10
    write_run(tmp_path / "whole", IDS, rates)
    write_run(tmp_path / "part", IDS[:4], 1 - rates[:4], set=[["awe"], [], ["awe", "joy"], []])
    return data


@pytest.fixture
def found(hand):
    return Collection(hand, [hand.root.parent / "whole", hand.root.parent / "part"])


@pytest.fixture(scope="module")
def demo(paintings, run):
    """A demo set and a run on it."""
    return Collection(paintings, [run.folder])


def ids(found, **view):
    return "".join(found.image_id[found.shown(View(**view))])


# Rates as a query


def test_a_query_of_rates_orders_by_the_geometric_mean(found):
    """awe .9, .4, .9, .7 and fear .6, .1, 0, 0: the roots of .36, .36, .9 and .7; a and b fit alike."""
    assert ids(found, rates="awe without fear") == "cdabef"
    assert found.fits(View(rates="awe without fear")) == pytest.approx([0.6, 0.6, 0.9**0.5, 0.7**0.5, 0, 0])
    assert ids(found, rates="awe without fear", order="people.rate.fear")[2:4] == "ba"


QUERIES = {
    "awe": ("awe", ""),
    "Awe and JOY": ("awe joy", ""),
    "awe, joy; without fear": ("awe joy", "fear"),
    "joy without fear and awe": ("joy", "fear awe"),
    "not fear, joy": ("joy", "fear"),
    "without fear": ("", "fear"),
    "joy but not sheer terror": ("joy", "fear"),
    "awe joy awe": ("awe joy", ""),
    "fear": ("fear", ""),
}


def test_what_a_query_of_rates_says():
    """A label's own name comes before another's synonym, and the longest name before a shorter one."""
    assert {text: tuple(map(" ".join, parse_rates(text, FEELINGS))) for text in QUERIES} == QUERIES
    odd = Taxonomy("odd", ("awe", "awe and wonder", "no feeling"))
    assert parse_rates("awe and wonder without no feeling", odd) == (("awe and wonder",), ("no feeling",))
    assert parse_rates("irritability", get_taxonomy("parrott-25")) == (("irritabilty",), ())


UNREADABLE = [
    ("awe wihtout fear", "no label 'wihtout'", FEELINGS), ("joyy", "did you mean 'joy'", FEELINGS),
    ("and, ,", "expected labels", FEELINGS), ("awe without awe", "wanted and not wanted", FEELINGS),
    ("sorow", r"did you mean 'sadness' \(sorrow\)", "mikels-8"),
    ("happiness", r"no label 'happiness' \(", "mikels-8"),  # nothing is near, least of all its opposite
    ("approval", r"no label 'approval' \(", "emotic-26"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words", "taxonomy"), UNREADABLE)
def test_a_query_that_cannot_be_read_is_named(text, words, taxonomy):
    refused(AffectmlError, words, parse_rates, text, get_taxonomy(taxonomy) if isinstance(taxonomy, str) else taxonomy)


# The view and its address

WORDS = st.text(max_size=8)
CORNERS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8)
ENDS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
FILTERS = st.one_of(
    st.builds(Filter, WORDS, ENDS, ENDS),
    st.builds(Filter, WORDS, levels=st.lists(WORDS, min_size=1, max_size=3).map(tuple)),
    st.builds(Filter, WORDS, has=st.text(min_size=1, max_size=8)),
)
SEARCHES = st.one_of(*(st.fixed_dictionaries({name: WORDS}) for name in ("text", "like", "rates")))
VIEWS = st.builds(
    lambda search, filters, **rest: View(filters=filters, **search, **rest),
    SEARCHES,
    st.lists(FILTERS, max_size=3, unique_by=lambda each: each.column).map(tuple),
    of=WORDS, lasso=st.just(()) | CORNERS.map(tuple), selection=WORDS, order=WORDS, descending=st.booleans(),
    colour=WORDS, image=WORDS, name=WORDS,
)  # fmt: skip


@given(VIEWS)
@settings(max_examples=10)  # each draws a view of eleven parts
def test_an_address_gives_its_view_back(view):
    query = view.to_query()
    assert View.from_query(query) == view
    assert View.from_query({**query, "who": "ann"}).to_query() == query


def test_an_address_is_short_and_refused_where_it_says_nothing():
    filters = (Filter("people.entropy", low=0.5), Filter("split", levels=("test", "a,b")))
    view = View(filters=filters, order="notes", descending=True, lasso=((0.123456, 0), (1, 0), (1, 1)))
    query = {"f.people.entropy": "0.5..", "in.split": "test,a%2Cb", "order": "-notes", "lasso": "0.1235,0 1,0 1,1"}
    assert (View().to_query(), view.to_query()) == ({}, query)
    ends, lassos = ("1", "1..b"), ("1,2 3", "0,0 1,1", "0,0 1,1 nan,0")
    wrong = [*({"f.x": end} for end in ends), *({"lasso": each} for each in lassos), {"text": "a", "rates": "awe"}]
    for query in wrong:
        refused(BadInput, "expected|leave", View.from_query, query)


# Columns and filters


def test_what_is_known_of_each_image(found):
    values = {name: column.values.tolist() for name, column in found.columns.items()}
    levels = {name: [[*column.levels, None][at] for at in values[name]] for name, column in found.columns.items()
              if column.levels}  # fmt: skip
    assert values["people.rate.awe"] == pytest.approx([0.9, 0.4, 0.9, 0.7, 0, 0])
    assert levels["people.mode"] == ["awe", "awe", "awe", "several tie", None, "several tie"]
    assert values["people.asked"] == [10] * 6
    assert levels["split"] == ["train"] * 4 + ["test", None]
    assert levels["image.where"] == ["sea", "sea", "town", "town", "a, b", None]
    assert values["image.size"] == pytest.approx([1.5, 2, 3, 4, 5, math.nan], nan_ok=True)
    assert (levels["flagged"], values["notes"]) == (["no"] * 3 + ["yes"] + ["no"] * 2, [0, 0, 0, 1, 0, 0])
    assert levels["whole.split"] == ["train", "val", "test", "train", "train", "train"]


def test_every_column_of_the_images_is_one_to_filter_by(hand):
    """But the id and the file, which are searched in."""
    images = hand.images.assign(
        file=["images/Beach 1.jpg", *[None] * 5], group=list("aabbcc"), url=[f"http://x/{k}" for k in range(6)],
        words=[["Wild", "horses"], ["a", "b"], None, ["a"], ["b"], ["a", "b"]], day=pd.Timestamp("2020-01-01"),
        caption=["A CAFE\u0301", *["at sea"] * 5], empty=None, many=[1e4, 2, 3, 4, 5, None], same=[True] * 6,
    )  # fmt: skip
    found = Collection(write_dataset(hand.root.parent / "all", DatasetMeta("all"), images, {}))
    own = [name.removeprefix("image.") for name, column in found.columns.items() if column.group == "images"]
    assert own == ["split", "where", "size", "group", "url", "words", "day", "caption", "many", "same"]
    assert ids(found, filters=(Filter("image.group", levels=("b", "c")),)) == "cdef"
    assert ids(found, filters=(Filter("image.url", has="X/3"),)) == "d"
    found.columns["image.url"] = replace(found.columns["image.url"], levels=tuple(f"url {k}" for k in range(500)))
    with pytest.raises(BadInput, match=r"no level 'url 7777'; did you mean .*\(there are: url 0, .*url 11, \.\.\.\)$"):
        found.shown(View(filters=(Filter("image.url", levels=("url 7777",)),)))
    assert ids(found, filters=(Filter("image.words", has="wild, h"),)) == "a"
    assert ids(found, filters=(Filter("image.words", has="a"),)) == "bdf"
    assert ids(found, filters=(Filter("image.caption", has="caf\u00e9"),)) == "a"
    assert (ids(found, name="beach"), ids(found, name="B"), ids(found, name="zz")) == ("a", "ab", "")
    with pytest.raises(BadInput, match=r"image\.size: expected a range such as 0\.2\.\.0\.8, got 4"):
        found.shown(View(filters=(Filter("image.size", has="4"),)))


def test_one_name_gives_one_figure(found, demo):
    """Entropy and errors are those that pages and metrics.csv have under these names."""
    assert found.columns["people.entropy"].values == pytest.approx(entropies(np.array(VOTES) / 10, rates=True))
    stored = demo.runs["run"].folder.evaluation
    test = View(filters=(Filter("run.split", levels=("test",)),))
    mean = demo.columns["run.rate_cross_entropy"].values[demo.shown(test)].mean()
    assert mean == pytest.approx(stored.get("rate_cross_entropy").value, rel=1e-5)


def test_a_run_that_lacks_images_says_nothing_of_them(found):
    assert "part: it says nothing of 2 of 6 images" in found.notes
    assert np.isnan(found.columns["part.rate.awe"].values[4:]).all()
    assert ids(found, filters=(Filter("part.rate.awe"),)) == "abcd"
    assert ids(found, order="part.rate.awe") == "acdbef"
    assert ids(found, rates="awe", of="part") == "bdac"
    assert [said.run for said in found.detail(4).runs] == ["whole"]
    assert "part says nothing of this image" in found.detail(4).notes
    assert (found.detail(2).runs[1].labels, found.detail(1).runs[1].labels) == (("awe", "joy"), ())


def test_a_run_is_compared_with_people_only_where_it_can_be(hand, tmp_path):
    """A run of top-k, one of a distribution and one of another data set; only the last one's rates are people's."""
    changes = {"topk": {"head": {"name": "topk"}}, "soft": {"data": {"kind": "distribution"}}}
    changes["other"] = {"data": {"name": "other"}}
    folders = [write_run(tmp_path / name, IDS, np.full((6, 3), 1 / 3), shares=name != "topk") for name in changes]
    for folder, change in zip(folders, changes.values(), strict=True):
        edit(folder / "run.json", **change)
    found = Collection(hand, folders)
    errors = [name for name in found.columns if name.endswith(("cross_entropy", "manhattan", "variation"))]
    assert errors == ["other.rate_cross_entropy"]
    assert found.notes[:-1] == [
        "topk: not compared with people's rates: its scores are no shares of people",
        "soft: not compared with people's rates: it predicts a distribution",
        "other: trained on other; it is taken that images of one image_id are the same",
    ]
    # cosines of a text head rank labels; its calibrated rates are what people are compared with
    said = SystemAnswers(LABELS, np.array(IDS), np.full(6, "test"), np.full((6, 3), 7.0), np.array(VOTES) / 10)
    write_answers(tmp_path / "other/answers.parquet", "hand", LABELS, [("model", said.image_id, said.split, said)])
    found = Collection(hand, [tmp_path / "other"])
    assert found.detail(1).runs[0].rates == pytest.approx({"awe": 0.4, "joy": 0, "fear": 0.1})


def test_a_run_on_other_images_of_the_same_names_is_refused(demo, demo_set, tmp_path):
    """Every demo set has a 000000. A data set may lose images."""
    run = demo.runs["run"].folder.folder
    other, fewer = demo_set("other", images=40, seed=1), demo_set("fewer", images=20)
    images = other.images.assign(image_id=[f"z{each}" for each in other.images["image_id"]])
    none = write_dataset(tmp_path / "none", DatasetMeta("none"), images.drop(columns="file"), {})
    for data, why in ((other, "other has other files for some of the 40 images.*learned from .*demo"),
                      (fewer, "fewer has other files for some of the 20 images"),
                      (none, "none has none of its 200 images; it learned from .*demo")):  # fmt: skip
        refused(BadRun, why, Collection, data, [run])
    moved = edited_copy(run, tmp_path / "moved", "run.json", config={"dataset": str(tmp_path / "nowhere")})
    gone = "{} of its images are not here; it is taken that the others are the same"
    assert f"moved: {gone.format(180)}" in Collection(fewer, [moved]).notes
    less = shutil.copytree(demo.dataset.root, tmp_path / "less")
    for name in ("images", "targets-emotions"):
        write_parquet(less / f"{name}.parquet", pd.read_parquet(less / f"{name}.parquet").iloc[1:])
    assert f"run: {gone.format(1)}" in Collection(less, [run]).notes


SHOWN = [
    ({"filters": (Filter("people.rate.awe", low=0.7),)}, "acd"),  # .7 is no float32, and still at least .7
    ({"filters": (Filter("people.rate.awe", 0.4, 0.7),)}, "bd"),
    ({"filters": (Filter("image.where", levels=("sea", "a, b")),)}, "abe"),
    ({"filters": (Filter("image.where"),)}, "abcde"),
    ({"filters": (Filter("people.mode", levels=("awe",)), Filter("split", levels=("train",)))}, "abc"),
    ({"order": "image.size", "descending": True}, "edcbaf"),  # f, of which nothing is known, comes last either way
    ({"order": "split"}, "abcdef"),
    ({"order": "split", "descending": True}, "eabcdf"),
]


def test_what_a_view_shows_in_which_order(found):
    for view, wanted in SHOWN:
        again = View.from_query(View(**view).to_query())
        assert (ids(found, **view), "".join(found.image_id[found.shown(again)])) == (wanted, wanted)


UNSHOWN = [
    (View(order="people.entrop"), "no column 'people.entrop'; did you mean 'people.entropy'"),
    (View(filters=(Filter("split", levels=("tset",)),)), "no level 'tset'; did you mean 'test'"),
    (View(filters=(Filter("split", low=1),)), "expected levels"),
    (View(filters=(Filter("people.asked", levels=("10",)),)), "expected a range"),
    (View(rates="awe", of="hwole"), "no run 'hwole'; did you mean 'whole'"),
    (View(like="zz"), "no image 'zz'"),
    (View(like="f"), "no embedding"),
    (View(selection="mine"), "no selection 'mine'"),
    (View(text="joy"), "no text tower"),
]


def test_a_view_that_cannot_be_shown_says_why(found):
    for view, words in UNSHOWN:
        refused(AffectmlError, words, found.shown, view)


# Search and map


def test_a_search_orders_by_cosine_whatever_the_length(found, demo):
    """b is three times as long as a and a little off its direction."""
    unit = PLACES / np.linalg.norm(PLACES.astype(float), axis=1, keepdims=True)
    assert ids(found, like="a")[:2] == "ab"
    assert found.fits(View(like="c")) == pytest.approx([*unit @ unit[2], math.nan], abs=1e-6, nan_ok=True)
    text = "a photo that evokes awe"
    rows = demo.searcher.store.rows(demo.image_id)
    cosines = rows @ demo.searcher.encoder().encode_texts([text]).numpy()[0] / np.linalg.norm(rows, axis=1)
    shown = demo.shown(View(text=text))
    assert len(shown) == len(demo)
    assert (np.diff(cosines[shown]) < 2e-6).all()  # but for rounding


def test_the_map_by_main_axes_is_that_of_scikit_learn(found):
    places, axes = found.map(), PCA(2).fit_transform(PLACES.astype(float))
    for k in range(2):
        assert abs(np.corrcoef(places[:5, k], axes[:, k])[0, 1]) == pytest.approx(1, abs=1e-5)
    assert np.isnan(places[5]).all()
    assert 0 <= places[:5].min() < places[:5].max() <= 1
    assert ids(found, lasso=((-1, -1), (2, -1), (2, 2), (-1, 2))) == "abcde"


# What is kept


def test_a_selection_is_kept_with_its_view_shown_again_and_never_overwritten(found, hand):
    view = View(rates="awe without fear")
    file = found.selections.save("calm awe", found.image_id[found.shown(view)[:2]], view)
    assert file == hand.root / "explore" / "selections" / "calm awe.json"
    before, content = file.read_bytes(), json.loads(file.read_text())
    assert (content["images"], View.from_query(content["view"])) == (["c", "d"], view)
    assert Collection(hand).selections.counts() == {"calm awe": 2}
    assert ids(found, selection="calm awe", order="people.rate.awe") == "dc"
    for name, images, why in (("calm awe", ["c"], "exists; nothing was written"), ("none", [], "no images")):
        refused(BadInput, why, found.selections.save, name, images)
    assert file.read_bytes() == before
    found.selections.save("calm awe", ["c"], replace=True)
    (kept,) = set(file.parent.iterdir()) - {file}
    assert (kept.read_bytes(), found.selections.counts()) == (before, {"calm awe": 1})


LEADING_OUT = ["", ".", "..", "../mine", "a/b", "a\\b", "/etc/mine", ".mine", "mine.", "mine ", "a\nb", "a" * 81,
               "C:mine", "x.replaced-20260101T000000Z"]  # fmt: skip


def test_no_name_of_a_selection_leads_out_of_its_folder(found, hand):
    before = sorted(hand.root.parent.rglob("*"))
    for name in LEADING_OUT:
        refused(BadInput, "expected a name", found.selections.save, name, ["a"])
        refused(BadInput, "expected a name", found.shown, View(selection=name or "."))
    assert sorted(hand.root.parent.rglob("*")) == before


def test_words_that_the_encoder_takes_for_made_up_ones_are_named_and_order_nothing(demo, hand):
    unheard = demo.searcher.unheard
    assert unheard("an awe of tractors, Algebra and joy") == ("of", "tractors", "Algebra", "and")
    assert (unheard("awe"), demo.fits(View(text="zq tractors!"))) == ((), None)
    assert demo.shown(View(text="of the tractors, awe")).tolist() == demo.shown(View(text=", awe")).tolist()
    assert demo.shown(View(text="zq tractors!")).tolist() == list(range(len(demo)))
    refused(AffectmlError, "no text tower", Collection(hand).searcher.unheard, "awe")


def test_a_selection_that_cannot_be_read_or_written_says_why_and_hides_no_other(found, hand):
    folder = found.selections.save("mine", ["a"]).parent
    (folder / "broken.json").write_text("{")
    (folder / ".hidden.json").write_text("{}")
    assert found.selections.counts() == {"mine": 1}
    assert "broken.json: not valid JSON" in found.notes[-1]
    refused(BadInput, "not valid JSON", found.shown, View(selection="broken"))
    shutil.rmtree(hand.root / "explore")
    (hand.root / "explore").write_text("a file where the folder would be")
    refused(BadInput, r"mine.json: cannot be written \(.+\); nothing was kept", found.selections.save, "mine", ["a"])


def test_a_table_of_images_is_safe_in_a_spreadsheet(found):
    found.dataset.images["where"] = ["=1+2", "sea", "sea", "sea", "=1+2", "sea"]
    again = Collection(found.dataset, [])
    lines = again.csv([0, 1]).splitlines()
    place = lines[0].split(",").index("image.where")
    assert [line.split(",")[place] for line in lines[1:]] == ["'=1+2", "sea"]
    assert again.table([0, 1])["image.where"].tolist() == ["=1+2", "sea"]


def test_a_queue_takes_what_the_task_has_and_flags_and_notes_come_back_from_it(demo, tmp_path):
    db, flagged = tmp_path / "labels.db", {}
    with LabelStore(db) as store:
        settings, images = make_task(demo.dataset, Task(overlap=1))
        store.init_task(settings, images.iloc[:10])
        store.invite(["ann", "ben"])
        for who, note in (("ann", "is this a face?"), ("ben", "not mine to say")):
            (claim,) = store.claim(who, 1)
            store.submit([Answer(claim.image_id, who, "flag", note=note)])
            flagged[who] = claim.image_id
        store.withdraw("ben")
    before = db.read_bytes()
    found = Collection(demo.dataset, db=str(db))
    at = found.place(flagged["ann"])
    assert np.flatnonzero(found.columns["flagged"].values).tolist() == [at]
    assert [note for _, note in found.detail(at).people.remarks] == ["is this a face?"]
    assert db.read_bytes() == before
    wanted = images["image_id"].iloc[[7, 3]].tolist()
    known = [*map(found.place, wanted)]
    assert found.queue([*known, len(found) - 1], more=2) == (2, 2)
    assert found.queue(known, more=1) == (2, 0)
    with LabelStore(db) as store:
        assert store.images().dropna(subset="queue_rank").sort_values("queue_rank")["image_id"].tolist() == wanted
    refused(BadInput, "none of these 1 images", found.queue, [len(found) - 1])


def labelled(db, said, ids=IDS):
    """Answer images of a labelling task, which is made where there is none: image and labels, by person."""
    with LabelStore(db) as store:
        if not len(store.annotators()):
            store.init_task(Task(labels=LABELS, question="What do you feel?", overlap=5), ids)
            store.invite(["ann", "ben"])
        store.submit([Answer(*key, "labels" if given else "none", tuple(given)) for key, given in said.items()])


def test_a_photograph_that_was_just_labelled_has_its_answers(tmp_path):
    """Nobody made a target of them: they are in the labelling task alone."""
    data = write_dataset(tmp_path / "set", DatasetMeta("set"), pd.DataFrame({"image_id": ["a", "b"]}), {})
    bare, db = Collection(data), tmp_path / "set-labels.db"  # images alone can be looked at, too
    assert (bare.taxonomy, bare.labels, bare.people, bare.searcher) == (None, (), None, None)
    assert (bare.shown(View()).tolist(), bare.detail(0).people) == ([0, 1], None)
    refused(BadInput, "no embeddings", bare.map)
    labelled(db, {}, ["a", "b"])
    found = Collection(data.root)
    assert (found.people, found.labels, found.detail(0).people, found.judgements.is_old) == (None, LABELS, None, False)
    labelled(db, {("a", "ann"): ["awe"], ("a", "ben"): []})
    said = found.detail(0).people
    assert (said.n, said.shares, len(said.answers)) == (2, {"awe": 0.5, "joy": 0, "fear": 0}, 2)
    assert found.judgements.is_old
    again = Collection(data.root)
    assert again.columns["people.rate.awe"].values == pytest.approx([0.5, math.nan], nan_ok=True)
    assert again.columns["people.asked"].values == pytest.approx([2, math.nan], nan_ok=True)
    assert again.detail(0).people == said


def test_of_an_image_with_a_target_the_newest_answers_are_shown_and_the_target_s_shares(hand):
    found = Collection(hand, db=str(hand.root / "task.db"))
    labelled(hand.root / "task.db", {("a", "ann"): ["joy"]})
    said = found.detail(0, names=True).people
    assert said.answers == (("ann", 1, "joy"), ("ben", 1, "awe, fear"))
    assert (said.n, said.shares["awe"]) == (10, pytest.approx(0.9))
    assert not found.judgements.is_old  # what it counts is the target


# One image


def test_answers_have_names_only_where_they_are_asked_for(found):
    said = found.detail(0).people
    assert (said.n, said.shares) == (10, pytest.approx({"awe": 0.9, "joy": 0, "fear": 0.6}))
    assert sorted(what for _, _, what in said.answers) == ["awe", "awe, fear"]
    assert {who for who, _, _ in said.answers} == {"person 1", "person 2"}
    assert found.detail(0, names=True).people.answers == (("ann", 1, "awe"), ("ben", 1, "awe, fear"))
    assert found.detail(2).people.answers == (("person 1", 1, "none of these"),)
    for at in range(6):
        assert not any(who in repr(found.detail(at)) for who in ("'ann'", "'ben'"))
    assert found.detail(3, names=True).people.remarks == (("ann", "=blurred"),)
    near = found.detail(0).nearest
    assert (near[0].image_id, len(near), found.detail(5).nearest) == ("b", 4, ())
    assert near[0].shares == pytest.approx({"awe": 0.4, "joy": 0, "fear": 0.1})


def test_a_run_explains_an_image_with_the_encoder_that_is_loaded(demo, monkeypatch):
    asked = []
    monkeypatch.setattr("affectml.explanation.explain_image", lambda *given, **more: asked.append((given, more)))
    demo.explain(3, "run", "awe")
    ((folder, path), more), run = asked[0], demo.runs["run"].folder
    assert (folder, path, more["label"]) == (run, demo.path(3), "awe")
    assert more["encoder_factory"]() is demo.encoders.of_run(run)
    refused(BadInput, "no run 'rnu'; did you mean 'run'", demo.explain, 3, "rnu")


def test_what_an_audit_lists_is_a_column(hand):
    rows = [("image", True, "b", None, "odd"), ("blank file", True, "b", None, "one colour"),
            ("copies differ", True, "c", "d", "said"), ("image", False, "a", None, "not beyond chance")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["check", "listed", "image_id", "other_id", "evidence"])
    write_parquet(hand.root.with_name("hand-audit") / "audit.parquet", table)
    found, none = Collection(hand), "not listed"
    column = found.columns["listed"]
    listed = [none, "blank file", "copies differ", "copies differ", none, none]
    assert [column.levels[at] for at in column.values] == listed
    assert set(found.detail(1).listed) == {"image: odd", "blank file: one colour"}


# Opening


def test_opening_and_looking_write_nothing(hand):
    before, found = files_of(hand.root), Collection(hand, [hand.root.parent / "whole"])
    found.map(), found.detail(0), found.shown(View(like="a")), found.table(range(6))
    assert files_of(hand.root) == before


def test_the_command_starts_the_page_with_what_was_asked_for(hand, monkeypatch, command):
    calls, runs = [], [str(hand.root.parent / name) for name in ("whole", "part")]
    monkeypatch.setitem(sys.modules, "streamlit.web.cli", types.SimpleNamespace(main=calls.append))
    assert command("explore", hand.root, "--run", runs[0], "--run", runs[1], "--port", 8600)[0] == 0
    ((_, page, *given),) = calls
    assert page.endswith("entry/explore.py")
    asked = [str(hand.root), *(f"--run={run}" for run in runs)]
    assert given == ["--server.address", "127.0.0.1", "--server.port", "8600", "--", *asked]
    words = ("explore", hand.root, "--address", "0.0.0.0")
    told = [command(*words, *more)[2] for more in ((), ("--allow-host", "10.0.0.2"))]
    assert ["--allow-host NAME-or-IP" in each for each in told] == [True, False]
