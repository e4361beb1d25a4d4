"""What deserves a second look: odd answers, people, copies and labels that were planted, and nothing where none was."""

import errno
import itertools
import json
import re
import runpy
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

import affectml
from affectml.auditing import CHECKS, _audit, queue_audit, write_audit
from affectml.auditing import _checks as checks
from affectml.auditing._audit import asked_again, read_queues
from affectml.auditing._expect import EDGE, Expected, Said, expect, nearest, read_said, surprise, widened
from affectml.cli import app
from affectml.data import Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.demo_set import write_demo
from affectml.duplicates import Copy, Duplicates
from affectml.embeddings import ensure_embeddings
from affectml.errors import BadDataset, BadInput
from affectml.heads import SoftmaxHead
from affectml.people.labelling import make_task
from affectml_annotation import Answer, LabelStore, Panel

IMAGES = 240
plant_faults = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "faults.py"))["plant_faults"]


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=IMAGES, seed=11)


@pytest.fixture(scope="module")
def faulty(demo, tmp_path_factory):
    made = plant_faults(demo, tmp_path_factory.mktemp("faulty") / "set", seed=1, copies=6)
    ensure_embeddings(made, "affect-tiny", threads=1, say=lambda line: None)
    return made


@pytest.fixture(scope="module")
def faults(faulty):
    return pd.read_parquet(faulty.root / "truth-faults.parquet")


@pytest.fixture(scope="module")
def audit(faulty):
    return affectml.audit(faulty)


@pytest.fixture
def task(faulty, tmp_path):
    with LabelStore(str(tmp_path / "labels.db")) as store:
        settings, images = make_task(faulty, overlap=5)
        store.init_task(settings, images)
        store.invite(["ann"])
        yield store


def data_set(folder, kind, values, columns, *said, **more):
    """A data set of one target, `some`: the columns of its table, with the image_ids, judgements and people."""
    table = pd.DataFrame(columns)
    meta = TargetMeta(kind, "evoked", more.pop("labels", "polarity-2"), values, "targets-some.parquet", **more)
    return write_dataset(folder, DatasetMeta("some", {"some": meta}), table[["image_id"]], {"some": table}, *said)


# How odd an outcome is


def test_the_odds_of_a_minority_worked_by_hand():
    """One label chosen by 10 %, another by half: only the first says anything."""
    chances = np.array([[[0.9, 0.1], [0.5, 0.5]]] * 2)
    assert surprise(chances, np.array([[1, 0], [0, 1]])) == pytest.approx([0.05, 0.55])


def test_what_is_as_likely_anywhere_says_nothing_and_what_is_likelier_does():
    chances, said = np.array([[[0.9, 0.1]]] * 2), np.array([[1], [1]])
    assert surprise(chances, said, np.array([[[0.9, 0.1]], [[0.5, 0.5]]])) == pytest.approx([0.5, 0.05])


def by_enumeration(chances, outcome):
    """Mid-p of the log loss over all outcomes of one row, their losses rounded as sums of floats are."""
    loss = -np.log(chances)
    seen = sum(loss[v, k] for v, k in enumerate(outcome))
    more = same = 0.0
    for each in itertools.product(range(chances.shape[1]), repeat=len(chances)):
        chance = np.prod([chances[v, k] for v, k in enumerate(each)])
        total = sum(loss[v, k] for v, k in enumerate(each))
        more, same = more + chance * (total > seen + 1e-9), same + chance * (abs(total - seen) <= 1e-9)
    return more + same / 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.03, 0.1, 0.2, 0.35, 0.6, 0.9]), min_size=1, max_size=6), st.data())
def test_it_is_what_counting_all_outcomes_gives(rates, data):
    chances = np.array([[1 - rate, rate] for rate in rates])
    outcome = [data.draw(st.integers(0, 1)) for _ in rates]
    found = surprise(chances[None], np.array([outcome]))[0]
    # losses nearer than a step of the grid count as equal there
    assert found == pytest.approx(by_enumeration(chances, outcome), abs=0.06)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
@pytest.mark.slow
def test_answers_without_errors_are_as_odd_as_chance_says(seed, labels):
    """The mean mid-p of outcomes drawn from the chances is one half, whatever the chances."""
    draw = np.random.default_rng(seed)
    rate = np.tile(draw.uniform(0.01, 0.99, labels), (4000, 1))
    said = (draw.random(rate.shape) < rate).astype(int)
    p = surprise(np.stack([1 - rate, rate], axis=2), said)
    assert p.mean() == pytest.approx(0.5, abs=0.03)
    assert (p <= 0.02).mean() <= 0.035


def test_scores_that_spread_as_chance_does_stay_and_others_are_divided():
    p = (np.arange(2000) + 0.5) / 2000
    same, factor = widened(p)
    assert factor == pytest.approx(1, abs=0.01)
    assert same == pytest.approx(p, abs=0.01)
    from scipy.stats import norm

    wide, factor = widened(norm.sf(1.5 * norm.isf(p)))
    assert factor == pytest.approx(1.5, abs=0.01)
    assert wide == pytest.approx(p, abs=0.01)


# Checks by hand


def again_of(made, queue):
    """What people said of queued images since."""
    targets = made.target("some")
    queues = {} if queue is None else {"queue-001.csv": queue}
    return asked_again(read_said(made, targets), made.judgements, targets, queues)


def panel(chosen, rate=0.5, strength=10.0):
    """Four images, each answered by everybody: chosen [A, N, C]; nothing is known of images that are alike."""
    chosen = np.array(chosen, dtype=bool)
    people, images, labels = chosen.shape
    place = np.arange(people * images)
    names, ids = (
        np.array(list("abcdefgh"[:labels]), dtype=object),
        np.array([f"i{at}" for at in range(images)], dtype=object),
    )
    who = np.array([f"p{at}" for at in range(people)], dtype=object)
    single = Panel(
        tuple(names), ids, who, place % images, place // images, chosen.reshape(-1, labels), place >= 0, place
    )
    votes = chosen.sum(axis=0).astype(np.int64)
    said = Said(names, ids, votes, np.full_like(votes, people), single, exclusive=False, known=True)
    return said, Expected(np.full((images, labels), rate), None, None, np.full(labels, strength))


def test_an_answers_chance_is_the_rate_moved_by_what_the_others_said():
    """Strength 10 at .5, and three others of whom all chose it: (5 + 3) / 13."""
    said, expected = panel([[[1]], [[1]], [[1]], [[0]]])
    assert expected.of_answers(said, habits=False)[:, 0] == pytest.approx([7 / 13, 7 / 13, 7 / 13, 8 / 13])


def test_who_says_it_always_is_not_odd_for_saying_it():
    chosen = np.zeros((3, 30, 1))
    chosen[0] = 1
    said, expected = panel(chosen, rate=0.3)
    mine = said.single.annotator == 0
    assert (expected.of_answers(said)[mine] > expected.of_answers(said, habits=False)[mine] + 0.2).all()


def test_chances_stay_inside_the_edge():
    said, expected = panel([[[1, 0]], [[1, 0]]], rate=0.999, strength=300)
    chance = expected.of_answers(said)
    assert chance.max() <= 1 - EDGE
    assert chance.min() >= EDGE


def test_a_person_who_answers_at_random_and_one_who_never_changes():
    draw = np.random.default_rng(0)
    truth = draw.random((200, 4)) < 0.5
    careful = [np.where(draw.random(truth.shape) < 0.1, ~truth, truth) for _ in range(5)]
    careless = careful[0][draw.permutation(200)]
    said, expected = panel([*careful, careless, np.tile([1, 0, 0, 0], (200, 1))], strength=2.0)
    found = {row["annotator_id"]: row for row in checks.people(said, expected)}
    assert all(found[f"p{at}"]["p"] == 1 for at in range(5))
    assert found["p5"]["p"] < 1e-6
    assert found["p6"]["p"] < 1e-6
    assert found["p6"]["evidence"] == "the same answer to all 200 images"


def test_labels_nobody_uses_and_labels_that_go_together():
    chosen = np.zeros((2, 12, 4))
    chosen[:, :, 0] = chosen[:, :, 1] = [1, 0] * 6
    chosen[:, ::3, 2] = 1
    said, _ = panel(chosen)
    found = checks.labels(said, None)
    assert [(row["check"], row["label"]) for row in found] == [("unused label", "d"), ("labels together", "a")]
    assert found[1]["evidence"] == "with b in 12 of the 12 answers that have either"


def test_images_of_a_group_are_not_each_others_neighbours():
    features = np.array([[1, 0], [1, 0.01], [0.9, 0.3], [0, 1]])
    rows, there = nearest(features, np.array(["a", "a", "b", "c"]), 2)
    assert rows[0].tolist() == [2, 3]
    assert there[0].tolist() == [1, 1]
    rows, there = nearest(features[:2], np.array(["a", "a"]), 5)
    assert there.tolist() == [[0], [0]]


def test_neighbours_are_those_of_a_whole_sort_and_of_equally_near_ones_the_first():
    features = np.random.default_rng(0).choice([-1, 1, 2, 3], (1100, 3)).astype(np.float32)  # many are alike
    groups = np.arange(1100) // 2
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alike = np.concatenate([unit[:1024] @ unit.T, unit[1024:] @ unit.T])
    alike[groups[:, None] == groups] = -np.inf
    assert (nearest(features, groups)[0] == np.argsort(-alike, axis=1, kind="stable")[:, :20]).all()


def test_files_that_are_missing_cut_short_blank_blurred_dark_or_odd(tmp_path):
    (tmp_path / "images").mkdir()
    draw = np.random.default_rng(0)
    for at in range(12):
        Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{at}.png")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "images" / "1.png")
    sharp = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    sharp.resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / "images" / "2.png")
    whole = (tmp_path / "images" / "3.png").read_bytes()
    (tmp_path / "images" / "3.png").write_bytes(whole[: len(whole) // 2])
    dim = draw.integers(0, 12, (64, 64, 3), dtype=np.uint8)
    nearly = np.full((64, 64, 3), 200, dtype=np.uint8)
    nearly[:4, :4] = 0
    for name, pixels in (("4", dim), ("5", dim + 240), ("6", nearly)):
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
    Image.fromarray(draw.integers(0, 256, (40, 200, 3), dtype=np.uint8)).save(tmp_path / "images" / "7.png")
    images = pd.DataFrame({"image_id": [str(at) for at in range(13)], "file": [f"images/{at}.png" for at in range(13)]})
    made = write_dataset(tmp_path, DatasetMeta("some"), images, {})
    found = {row["image_id"]: row["check"] for row in checks.pictures(made)}
    assert found == {
        "1": "blank file", "2": "blurred file", "3": "broken file", "12": "broken file", "4": "dark or bright file",
        "5": "dark or bright file", "6": "blank file", "7": "odd shape",
    }  # fmt: skip


def test_a_dark_picture_among_dark_ones_is_nothing_to_list(tmp_path):
    (tmp_path / "images").mkdir()
    draw = np.random.default_rng(0)
    for at in range(9):
        pixels = draw.integers(0, 12 + 12 * at, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{at}.png")
    names = [f"{at}.png" for at in range(9)]
    images = pd.DataFrame({"image_id": names, "file": [f"images/{name}" for name in names]})
    assert checks.pictures(write_dataset(tmp_path, DatasetMeta("night"), images, {})) == []


def test_where_no_file_is_there_that_is_one_row(tmp_path):
    images = pd.DataFrame({"image_id": ["a", "b"], "file": ["images/a.png", "images/b.png"]})
    (found,) = checks.pictures(write_dataset(tmp_path, DatasetMeta("some"), images, {}))
    assert found["check"] == "broken file"
    assert found["evidence"].startswith("none of the 2 files is there (")


def two_images(folder, said, **columns):
    images = pd.DataFrame({"image_id": said.image_id, **columns})
    made = write_dataset(folder, DatasetMeta("some"), images, {})
    return made, tuple(map(str, said.image_id))


@pytest.mark.parametrize(
    ("split", "listed"),
    [(["train", "test"], "split parts copies"), (["train", "train"], "copies"), (["train", None], "copies")],
)
def test_a_pair_is_listed_once_and_alike_embeddings_that_no_pixels_confirm_are_no_copies(tmp_path, split, listed):
    said, _ = panel(np.array([[[1, 0], [0, 1]]] * 6))
    made, pair = two_images(tmp_path, said, split=split)
    for kind, rows, differ in (("near", [listed], ["copies differ"]), ("alike", ["alike embeddings"], [])):
        found = Duplicates(made, (Copy(kind, pair, 0.99),))
        assert [row["check"] for row in checks.copies(found)] == rows
        assert [row["check"] for row in checks.differing(found, said)] == differ


@pytest.mark.parametrize(
    ("known", "votes", "n", "listed"),
    [
        (False, [[1, 0], [0, 1]], 1, True),
        (False, [[1, 1], [0, 1]], 1, True),
        (False, [[0, 0], [0, 0]], 1, False),
        (True, [[3, 1], [2, 1]], 5, False),
        (True, [[3, 1], [1, 2]], 5, False),  # as two panels of five may well differ
        (True, [[29, 1], [10, 20]], 30, True),
    ],
)
def test_answers_to_copies_differ_where_agreed_ones_are_others_or_votes_more_than_those_of_two_panels(
    tmp_path, known, votes, n, listed
):
    said, _ = panel(np.zeros((1, 2, 2)))
    said = replace(said, votes=np.array(votes), n=np.full((2, 2), n), known=known)
    made, pair = two_images(tmp_path, said)
    rows = checks.differing(Duplicates(made, (Copy("exact", pair, 1.0),)), said)
    assert [row["check"] for row in rows if not row["p"] > 0.05] == ["copies differ"] * listed


# Planted faults


def test_faults_are_drawn_apart_and_leave_the_demo_set_as_it_was(demo, faulty, faults, tmp_path):
    again = write_demo(tmp_path / "demo", images=IMAGES, seed=11)
    for name in ("annotations.parquet", "images.parquet", "targets-emotions.parquet"):
        assert (again.root / name).read_bytes() == (demo.root / name).read_bytes()
    twin = plant_faults(demo, tmp_path / "faulty", seed=1, copies=6)
    assert (twin.root / "annotations.parquet").read_bytes() == (faulty.root / "annotations.parquet").read_bytes()
    assert faults["fault"].value_counts().to_dict()["copy"] == 6
    key = ["image_id", "annotator_id"]
    before, after = (each.judgements.set_index(key)["labels"].map(set) for each in (demo, faulty))
    label = faults[faults["fault"] == "label"].iloc[0]
    renamed = before.map(lambda said: {label["label"] if name == label["other"] else name for name in said})
    careless = set(faults[faults["fault"] == "person"]["annotator_id"])
    changed = {pair for pair in before.index if after[pair] != renamed[pair] and pair[1] not in careless}
    swapped = faults[faults["fault"] == "answer"]
    assert changed <= set(zip(swapped["image_id"], swapped["annotator_id"], strict=True))


def test_what_was_planted_is_found(audit, faults):
    listed = {check: audit.listed[audit.listed["check"] == check] for check in CHECKS}
    careless = set(faults[faults["fault"] == "person"]["annotator_id"])
    assert set(listed["person"]["annotator_id"]) == careless
    copies = faults[faults["fault"] == "copy"]
    found = {frozenset(pair) for pair in listed["split parts copies"][["image_id", "other_id"]].to_numpy()}
    assert {frozenset(pair) for pair in copies[["image_id", "other_id"]].to_numpy()} <= found
    assert listed["unused label"]["label"].tolist() == faults["other"].dropna().tolist()
    swapped = faults[faults["fault"] == "answer"]
    planted = set(zip(swapped["image_id"], swapped["annotator_id"], strict=True))
    ranked = audit.table[audit.table["check"] == "answer"].head(len(planted))
    hits = sum(pair in planted for pair in zip(ranked["image_id"], ranked["annotator_id"], strict=True))
    assert hits >= 0.25 * len(planted)  # 3 % by chance


def test_listed_things_come_first_and_every_rank_once(audit):
    assert audit.table["rank"].tolist() == list(range(1, len(audit.table) + 1))
    assert audit.table["listed"].is_monotonic_decreasing
    assert not audit.table["evidence"].str.contains("error|wrong", regex=True).any()


@pytest.mark.parametrize(("more", "announced"), [(0, True), (1, False)])
def test_a_long_audit_is_announced_by_its_size_before_it_begins(faulty, monkeypatch, more, announced):
    targets, said = faulty.target("emotions"), []
    monkeypatch.setattr(_audit, "LONG", targets.table.size + more)
    monkeypatch.setattr(_audit, "find_duplicates", Mock(side_effect=InterruptedError))  # the first long work
    with pytest.raises(InterruptedError):
        affectml.audit(faulty, say=said.append)
    line = f"audit: heads are fitted on {len(targets.image_id):,} images for {len(targets.taxonomy)} labels"
    assert [each.startswith(line) for each in said] == [True] * announced


def test_without_embeddings_people_are_compared_among_themselves(demo):
    said = []
    found = affectml.audit(demo, say=said.append)
    assert not len(found.listed)
    assert found.summary() == "No check found anything beyond what chance explains."
    assert any("among people alone" in line for line in said)


def test_one_label_per_image_is_compared_with_alike_images(tmp_path):
    draw = np.random.default_rng(0)
    kind = draw.integers(0, 2, 120)
    features = np.where(kind[:, None] == np.arange(2), 3.0, 0.0) + draw.normal(0, 0.3, (120, 2))
    shown = kind.copy()
    shown[:3] = 1 - shown[:3]
    table = {"image_id": [f"{at:03d}" for at in range(120)], "negative": 1 - shown, "positive": shown}
    made = data_set(tmp_path, "single", "indicator", table)
    said = read_said(made, made.target("some"))
    assert said.exclusive
    assert not said.known
    expected = expect(said, features, np.arange(120).astype(str), SoftmaxHead, 0)
    assert expected.rate.sum(axis=1) == pytest.approx(np.ones(120))
    rows, _ = checks.images(said, expected)
    rows.sort(key=lambda row: row["p"])
    assert {row["image_id"] for row in rows[:3]} == {"000", "001", "002"}


def test_the_page_says_of_how_many_people_an_attribute_is_not_known(tmp_path):
    judged = pd.DataFrame({"image_id": "a", "annotator_id": ["p", "q", "r"], "round": 1, "kind": "labels",
                           "labels": [["positive"]] * 3})  # fmt: skip
    people = pd.DataFrame({"annotator_id": ["p", "q", "r"], "left_handed": [True, None, None]})
    table = {"image_id": ["a"], "n": 3, "negative": 0, "positive": 3}
    made = data_set(tmp_path, "rates", "votes", table, judged, people)
    assert "Of 3 people, left_handed: not given 2, True 1." in affectml.audit(made).frame


def test_embeddings_that_are_all_the_same_part_no_label(recwarn):
    said, _ = panel(np.ones((1, 60, 2)))
    assert "label for two things" not in [row["check"] for row in checks.labels(said, np.zeros((60, 3)))]
    assert not recwarn.list


def test_shares_without_people_are_not_checked(tmp_path):
    table = {"image_id": ["a", "b"], "negative": [0.2, 0.4], "positive": [0.8, 0.1]}
    found = affectml.audit(data_set(tmp_path, "rates", "shares", table))
    assert len(found.table) == 0
    assert "answers are not checked" in " ".join(found.notes)


def photographs(folder):
    """Four files of two scenes, each twice; of one pair the split parts the two."""
    (folder / "images").mkdir(parents=True)
    draw = np.random.default_rng(0)
    scenes = [Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(2)]
    names = [f"{at}.png" for at in range(4)]
    for at, name in enumerate(names):
        scenes[at // 2].save(folder / "images" / name)
    files = [f"images/{name}" for name in names]
    images = pd.DataFrame({"image_id": names, "file": files, "split": ["train", "test", "val", "val"]})
    return write_dataset(folder, DatasetMeta("photographs"), images, {})


def test_a_data_set_without_a_target_is_looked_through_for_copies_which_become_groups(tmp_path, command):
    made = photographs(tmp_path / "set")
    before = (made.root / "images.parquet").read_bytes()
    code, out, said = command("audit", made.root)
    words = " ".join(out.split())
    assert code == 0
    assert "no target yet, so there are no answers to check" in said
    assert "0.png 1.png the same pixels, in train and in test: what is learned there is judged here" in words
    assert "2.png 3.png the same pixels" in words
    assert "copies that the split parts: 1; copies that no split parts: 1." in words
    assert (made.root / "images.parquet").read_bytes() == before
    code, out, _ = command("audit", made.root, "--write-groups", "--json")
    told = json.loads(out)
    assert (code, told["target"], Path(told["kept"]).read_bytes()) == (0, None, before)
    now = pd.read_parquet(made.root / "images.parquet")
    assert now["group"].tolist() == [f"duplicates of {name}" for name in ("0.png", "0.png", "2.png", "2.png")]
    assert "no copies, or all in groups already" in command("audit", made.root, "--write-groups")[1]
    with pytest.raises(BadDataset, match="no target yet"):
        affectml.audit(made, people=5)


def test_what_files_do_not_keep_is_listed_beside_everything_else(demo, tmp_path):
    shutil.copytree(demo.root, tmp_path / "set")
    file = tmp_path / "set" / "annotators.parquet"
    people = pd.read_parquet(file)
    pd.concat([people, people.iloc[:1]]).to_parquet(file)
    (row,) = affectml.audit(tmp_path / "set").listed.to_dict("records")
    assert (row["check"], row["evidence"].startswith(f"{file}: ")) == ("broken file", True)
    assert row["evidence"].endswith("has two rows; take one out")


# The page, the files and the queue


def test_page_and_tables_say_the_same_and_load_nothing(audit, tmp_path):
    page, csv, parquet = write_audit(audit, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "deserves a second look" in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert pd.read_csv(csv, dtype={"image_id": "str"})["rank"].tolist() == audit.table["rank"].tolist()
    assert pd.read_parquet(parquet)["evidence"].tolist() == audit.table["evidence"].tolist()
    assert '<th scope="col" class="prose">evidence</th>' in text  # breaks its lines
    write_audit(audit, tmp_path)  # over the earlier one


def test_the_queue_mixes_each_image_with_a_control_like_it(audit, task, tmp_path):
    queued = queue_audit(audit, task, tmp_path, count=8, seed=3)
    table = pd.read_csv(queued.file, dtype={"image_id": "str", "match": "str"}).set_index("image_id")
    assert table["role"].value_counts().to_dict() == {"listed": 8, "control": 8}
    assert table.loc[table["match"], "match"].tolist() == table.index.tolist()
    assert table["role"].tolist() != sorted(table["role"])
    for image, row in table.iterrows():
        assert abs(row["n"] - table.loc[row["match"], "n"]) <= 1, image
    listed = set(audit.listed["image_id"].dropna()) | set(audit.listed["other_id"].dropna())
    assert not listed & set(table.index[table["role"] == "control"])
    given = [claim.image_id for claim in task.claim("ann", 16)]
    assert given == table.index.tolist()
    assert queue_audit(audit, task, tmp_path, count=2).file.name == "queue-002.csv"


def test_a_full_disk_leaves_the_earlier_page_and_tables_together(audit, tmp_path, monkeypatch):
    write_audit(audit, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_given, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(OSError, match="No space") as refused:
        write_audit(replace(audit, notes=("another",)), tmp_path)
    assert refused.value.filename == str(tmp_path / "audit.parquet")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_queue_that_cannot_be_leaves_no_file(audit, task, tmp_path, monkeypatch):
    for count, more in ((0, 1), (3, 0)):
        with pytest.raises(BadInput, match="expected at least 1"):
            queue_audit(audit, task, tmp_path, count=count, more=more)

    def refuse(**_):
        raise OSError("no more room")

    monkeypatch.setattr(task, "steer", refuse)
    with pytest.raises(OSError, match="no more room"):
        queue_audit(audit, task, tmp_path, count=3)
    assert not list(tmp_path.glob("queue-*"))


# Asked again

QUEUED = pd.Timestamp("2026-02-01T12:00:00Z")


def asked_set(folder, rows):
    """A data set of the labels negative and positive: (image, person, labels, day of February or None)."""
    said = pd.DataFrame(
        {
            "image_id": [row[0] for row in rows], "annotator_id": [row[1] for row in rows], "round": 1,
            "kind": ["labels" if row[2] else "none" for row in rows], "labels": [list(row[2]) for row in rows],
            "at": pd.to_datetime([f"2026-02-{row[3]:02d}" if row[3] else None for row in rows], utc=True),
        }
    )  # fmt: skip
    images = sorted({row[0] for row in rows} | {"x", "y"})
    table = {"image_id": images, "n": 1, "negative": 0, "positive": 1}  # audits count judgements, if there are any
    return data_set(folder, "rates", "votes", table, said)


def queue_of(*rows, at=QUEUED):
    """(image, role, match, n, label, said) as queue-NNN.csv has them."""
    return pd.DataFrame(rows, columns=["image_id", "role", "match", "n", "label", "said"]).assign(at=at)


OLD = [("a", "p", ["negative"], 0), ("a", "q", ["positive"], 1), ("a", "r", ["positive"], 1),
       ("b", "p", ["positive"], 1), ("b", "q", ["positive"], 1), ("c", "p", ["positive"], 1),
       ("d", "p", ["positive"], 1), ("d", "q", ["negative"], 1)]  # fmt: skip
NEW = [("a", "s", ["positive"], 2), ("a", "t", ["positive"], 3), ("b", "s", ["positive"], 2),
       ("b", "t", ["negative"], 2), ("d", "s", ["negative"], 2), ("c", "s", ["negative"], 2)]  # fmt: skip
PAIRS = queue_of(
    ("a", "listed", "b", 3, "negative", "True"), ("b", "control", "a", 2, "positive", "True"),
    ("c", "listed", "d", 9, "positive", "True"), ("d", "control", "c", 2, "negative", "False"),
)  # fmt: skip


def test_new_answers_are_set_beside_old_ones_by_hand(tmp_path):
    made = asked_set(tmp_path, OLD + NEW)
    again = again_of(made, PAIRS)
    table = again.table.set_index("image_id")
    assert table["new"].to_dict() == {"a": 2, "b": 2, "c": 0, "d": 1}
    assert table["left_out"].tolist() == [False, False, True, False]  # nine had answered c, the queue says: one is here
    assert table["otherwise"].tolist()[:2] == [1.0, 0.5]  # nobody repeats a's negative, one of two b's positive
    assert table.loc["d", "otherwise"] == 1  # the odd thing about d was that negative was not chosen, and it is now
    assert again.figures["queue-001.csv"] == {}
    assert "1 of 2 listed images and 2 of 2 controls have new answers, 1.7 on average" in again.lines[0]
    assert "1 image is left out" in again.lines[0]


def test_pairs_are_compared_and_an_undated_answer_is_no_new_one(tmp_path):
    more = [("c", "t", ["negative"], 0)]
    queue = PAIRS.assign(n=[3, 2, 2, 2])  # c: p's, and the one without a date
    again = again_of(asked_set(tmp_path, OLD + NEW + more), queue)
    assert not again.table["left_out"].any()
    found = again.figures["queue-001.csv"]
    assert (found["listed"], found["control"], found["value"]) == (1.0, 0.75, pytest.approx(0.25))
    assert -1 <= found["low"] <= found["high"] <= 1
    assert "new people say otherwise in 100% of the listed and 75% of the controls" in again.lines[0]
    assert "nothing beyond chance" in again.lines[0]


def test_nothing_new_is_said_with_the_way_to_bring_it_in(tmp_path):
    made = asked_set(tmp_path, OLD)
    again = again_of(made, PAIRS)
    assert again.lines[0].startswith("queue-001.csv: no new answers in the data set yet; `affectml labels export`")
    assert again_of(made, None) is None


def test_a_queue_file_is_read_back_and_another_one_is_refused(audit, task, tmp_path):
    queued = queue_audit(audit, task, tmp_path, count=3)
    (read,) = read_queues(tmp_path).values()
    assert read["image_id"].tolist() == queued.table["image_id"].tolist()
    assert read["n"].tolist() == queued.table["n"].tolist()
    assert len(set(read["at"])) == 1
    assert set(read["label"]) <= {*audit.votes.columns}
    assert set(read["said"]) <= {"True", "False"}
    (tmp_path / "queue-002.csv").write_text("image_id,role\na,listed\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"queue-002\.csv: not as .* wrote it \(no column match\)"):
        read_queues(tmp_path)


QUEUE = """image_id,role,match,n,label,said,at
a,listed,b,5,awe,True,2026-02-01T12:00:00+00:00
b,control,a,4,joy,False,2026-02-01T12:00:00+00:00
"""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[: text.index("a,")], "no rows"),
        (lambda text: text[: text.index("b,control")], "line 2: match 'b', expected an image of the same file"),
        (lambda text: text[:-40], "line 3: n '', expected a whole number"),
        (lambda text: text.replace("listed", "Listed"), "line 2: role 'Listed', expected listed or control"),
        (lambda text: text.replace("False", "perhaps"), "line 3: said 'Perhaps', expected True or False"),
        (lambda text: text.replace("2026-02-01T12:00:00+00:00", "1.2.2026 12:00"), "line 2: at '1.2.2026 12:00'"),
        (lambda text: text + text.splitlines()[1], "line 4: image_id 'a', expected each image once"),
    ],
)
def test_a_queue_file_that_was_edited_or_cut_is_refused_by_its_line(tmp_path, change, reason):
    (tmp_path / "queue-001.csv").write_text(change(QUEUE), encoding="utf-8")
    with pytest.raises(BadInput, match=re.escape(reason)):
        read_queues(tmp_path)


def test_what_a_spreadsheet_makes_of_true_says_the_same(tmp_path):
    (tmp_path / "queue-001.csv").write_text(QUEUE.replace("True", "TRUE").replace("False", "FALSE"), encoding="utf-8")
    assert read_queues(tmp_path)["queue-001.csv"]["said"].tolist() == ["True", "False"]


def test_images_that_are_gone_are_counted_and_named(tmp_path):
    made = asked_set(tmp_path, OLD + NEW)
    one = "1 of 2 listed images and 2 of 2 controls have new answers, 1.3 on average. 1 image is left out:"
    no = "the data set has no answers, or no embedding, of"
    for gone, words in (
        ({"a": "e"}, f"{one} {no} e."),
        ({each: 2 * each for each in "abcd"}, f"4 images are left out: {no} aa, bb, cc and 1 more."),
    ):
        queue = PAIRS.assign(n=[3, 2, 1, 2]).replace({"image_id": gone, "match": gone})
        again = again_of(made, queue)
        assert again.lines[0].startswith(f"queue-001.csv: {words}")
        assert again.table["gone"].sum() == again.table["left_out"].sum() == len(gone)


def test_counts_are_not_forgotten_for_a_few_single_answers(tmp_path):
    counts = {"image_id": ["a", "b"], "n": 10, "negative": [2, 7], "positive": [8, 3]}
    one = pd.DataFrame({"image_id": ["a"], "annotator_id": "p", "round": 1, "kind": "labels",
                        "labels": [["negative"]], "at": pd.to_datetime(["2026-02-02"], utc=True)})  # fmt: skip
    made = data_set(tmp_path, "rates", "votes", counts, one)
    said = read_said(made, made.target("some"))
    assert said.votes.tolist() == [[2, 8], [7, 3]]
    queue = queue_of(("a", "listed", "b", 10, "negative", "True"), ("b", "control", "a", 10, "positive", "True"))
    assert again_of(made, queue).table["new"].tolist() == [1, 0]


def test_shares_are_read_as_those_of_people_where_somebody_says_how_many(tmp_path):
    table = {"image_id": ["a", "b"], "negative": [1 / 3, 0.5], "neutral": [1 / 3, 0.26], "positive": [1 / 3, 0.24]}
    made = data_set(tmp_path, "distribution", "shares", table, labels="polarity-3", vote_rule="unknown")
    assert read_said(made, made.target("some")) is None
    said = read_said(made, made.target("some"), people=5)
    assert said.votes.sum(axis=1).tolist() == [5, 5]
    assert said.votes[1].tolist() == [3, 1, 1]  # 2.5, 1.3 and 1.2: the largest remainder is rounded up
    assert affectml.audit(made, people=5).votes["n"].tolist() == [5, 5]
    for people in (0, 10_001, 10**23):
        with pytest.raises(BadInput, match=rf"{people}: expected 1 to 10,000, and a target of shares"):
            affectml.audit(made, people=people)


@pytest.mark.slow
def test_the_command_prints_writes_and_queues(faulty, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner, where = CliRunner(), str(faulty.root)
    db = str(tmp_path / "task.db")
    assert runner.invoke(app, ["labels", "init", where, "--db", db, "--invite", "ann"]).exit_code == 0
    done = runner.invoke(app, ["audit", where, "--out", "found", "--queue", "3", "--db", db, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["queue"] == "found/queue-001.csv"
    assert {row["check"] for row in told["rows"]} >= {"person", "answer", "image"}
    assert told["again"] is None
    done = runner.invoke(app, ["audit", where, "--out", "found"])
    assert "asked again: queue-001.csv: no new answers in the data set yet" in done.stdout
    assert "Asked again" in (tmp_path / "found" / "audit.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        "audit.csv", "audit.html", "audit.parquet", "queue-001.csv",
    ]  # fmt: skip


@pytest.mark.slow
def test_answers_come_back_through_the_task_and_are_compared(faulty, tmp_path):
    where, db, runner = tmp_path / "set", str(tmp_path / "task.db"), CliRunner()
    shutil.copytree(faulty.root, where)
    assert runner.invoke(app, ["labels", "init", str(where), "--db", db, "--invite", "ann,ben"]).exit_code == 0
    done = runner.invoke(app, ["audit", str(where), "--queue", "3", "--more", "2", "--db", db])
    assert done.exit_code == 0, done.output
    with LabelStore(db, must_exist=True) as store:
        for who in ("ann", "ben"):
            store.submit([Answer(claim.image_id, who, "labels", ("awe",)) for claim in store.claim(who, 6)])
    words = ["labels", "export", "--db", db, "--to", str(where), "--target", "emotions", "--replace"]
    assert runner.invoke(app, words).exit_code == 0
    done = runner.invoke(app, ["audit", str(where), "--json"])
    assert done.exit_code == 0, done.output
    again = json.loads(done.stdout)["again"]
    assert "3 of 3 listed images and 3 of 3 controls have new answers, 2.0 on average. Of 3 pairs" in again["lines"][0]
    assert again["queue-001.csv"]["rows"] == 3
    assert "Images asked again" in (tmp_path / "set-audit" / "audit.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "kind", "match"),
    [
        (["nowhere"], BadDataset, "no such folder"),
        (["DATASET", "--target", "emotion"], BadDataset, "did you mean 'emotions'"),
        (["DATASET", "--encoder", "ViT-B-32"], BadDataset, "no embeddings"),
        (["DATASET", "--queue", "3", "--db", "none.db"], Exception, "none.db"),
        (["DATASET", "--out", "DATASET/dataset.json"], BadInput, "cannot write"),
        (["DATASET", "--people", "5"], BadInput, "emotions has votes"),
    ],
)
def test_what_cannot_be_is_said(demo, tmp_path, monkeypatch, words, kind, match):
    monkeypatch.chdir(tmp_path)
    words = [word.replace("DATASET", str(demo.root)) for word in words]
    done = CliRunner().invoke(app, ["audit", *words])
    assert done.exit_code != 0
    assert isinstance(done.exception, kind)
    assert match in str(done.exception)


def test_a_run_names_its_target_and_a_fault_needs_a_demo_set(demo, tmp_path):
    with pytest.raises(BadInput, match="at least 1"):
        affectml.audit(demo, top=0)
    images = pd.DataFrame({"image_id": ["a"]})
    plain = write_dataset(tmp_path / "plain", DatasetMeta("some"), images, {})
    with pytest.raises(BadDataset, match="demo-data"):
        plant_faults(plain, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert isinstance(plain, Dataset)
