"""What deserves a second look: what was planted, and nothing where nothing was; and what files promise."""

import errno
import itertools
import json
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
from scipy.stats import norm

import affectml
from affectml.auditing import CHECKS, _expect, audit_files, write_audit
from affectml.auditing import _checks as checks
from affectml.auditing._expect import EDGE, Expected, Said, expect, read_said, surprise
from affectml.data import DatasetMeta, write_dataset
from affectml.duplicates import Copy, Duplicates
from affectml.embeddings import ensure_embeddings
from affectml.errors import BadDataset, BadInput
from affectml_annotation import LabelStore, Panel, Task

from .checks import edit, files_of, one_target, pictures_alone, refused

NAMES = np.array([f"i{at:03d}" for at in range(1000)], dtype=object)
plant_faults = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "faults.py"))["plant_faults"]


@pytest.fixture(scope="module")
def faulty(paintings, tmp_path_factory):
    made = plant_faults(paintings, tmp_path_factory.mktemp("faulty") / "set", seed=1, copies=6)
    shutil.copytree(paintings.root / "embeddings", made.root / "embeddings")  # to which those of the copies come
    ensure_embeddings(made, "affect-tiny", threads=1, say=lambda line: None)
    return made


@pytest.fixture(scope="module")
def audit(faulty):
    return affectml.audit(faulty)


def said_by(chosen, **more):
    """What everybody says of all images, chosen [A, N, C]."""
    chosen = np.array(chosen, dtype=bool)
    people, images, labels = chosen.shape
    names, ids, who = np.array(list("abcdefgh"[:labels]), dtype=object), NAMES[:images], NAMES[:people]
    place = np.arange(people * images)
    flat = chosen.reshape(-1, labels)
    single = Panel(tuple(names), ids, who, place % images, place // images, flat, place >= 0, place)
    return replace(Said(names, ids, *_expect.counted(single), single, exclusive=False, known=True), **more)


def panel(chosen, rate=0.5, strength=10.0):
    """The same, where nothing is known of images that are alike."""
    said = said_by(chosen)
    return said, Expected(np.full(said.votes.shape, rate), False, np.full(len(said.labels), strength))


def checked(rows):
    return [row["check"] for row in rows]


# How odd an outcome is


def test_what_is_as_likely_anywhere_says_nothing_and_what_is_likelier_does():
    chances, said = np.array([[[0.9, 0.1]]] * 2), np.array([[1], [1]])
    assert surprise(chances, said, np.array([[[0.9, 0.1]], [[0.5, 0.5]]])) == pytest.approx([0.5, 0.05])


def by_enumeration(chances, outcome):
    """Mid-p of the log loss over all outcomes of one row, their losses rounded as sums of floats are."""
    each = np.array(list(itertools.product(range(chances.shape[1]), repeat=len(chances))))
    chance = chances[np.arange(len(chances)), each]
    loss, seen = (-np.log(of).sum(axis=-1) for of in (chance, chances[np.arange(len(chances)), outcome]))
    same = abs(loss - seen) <= 1e-9
    return chance.prod(axis=1) @ ((loss > seen) & ~same) + chance.prod(axis=1) @ same / 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.03, 0.1, 0.2, 0.35, 0.6, 0.9]), min_size=1, max_size=6), st.data())
def test_it_is_what_counting_all_outcomes_gives(rates, data):
    chances = np.array([[1 - rate, rate] for rate in rates])
    outcome = [data.draw(st.integers(0, 1)) for _ in rates]
    found = surprise(chances[None], np.array([outcome]))[0]
    # losses nearer than a step of the grid count as equal there
    assert found == pytest.approx(by_enumeration(chances, outcome), abs=0.06)


@pytest.mark.parametrize("spread", [1, 1.5])
def test_scores_that_spread_as_chance_does_stay_and_others_are_divided(spread):
    p = (np.arange(2000) + 0.5) / 2000
    found, factor = _expect.widened(norm.sf(spread * norm.isf(p)))
    assert factor == pytest.approx(spread, abs=0.01)
    assert found == pytest.approx(p, abs=0.01)


# Checks by hand


def test_an_answers_chance_is_the_rate_moved_by_what_the_others_said_and_stays_inside_the_edge():
    """Strength 10 at .5, and three others of whom all chose it: (5 + 3) / 13."""
    said, expected = panel([[[1]], [[1]], [[1]], [[0]]])
    assert expected.of_answers(said)[:, 0] == pytest.approx([7 / 13, 7 / 13, 7 / 13, 8 / 13])
    said, expected = panel([[[1, 0]], [[1, 0]]], rate=0.999, strength=300)
    chance = expected.of_answers(said)
    assert EDGE <= chance.min() <= chance.max() <= 1 - EDGE


def test_a_person_who_answers_at_random_and_one_who_never_changes():
    draw = np.random.default_rng(0)
    truth = draw.random((200, 4)) < 0.5
    careful = [np.where(draw.random(truth.shape) < 0.1, ~truth, truth) for _ in range(5)]
    careless = careful[0][draw.permutation(200)]
    *others, random, same = checks.people(*panel([*careful, careless, np.tile([1, 0, 0, 0], (200, 1))], strength=2.0))
    assert [row["p"] for row in others] == [1] * 5
    assert max(random["p"], same["p"]) < 1e-6
    assert (same["annotator_id"], same["evidence"]) == ("i006", "the same answer to all 200 images")


def test_labels_nobody_uses_and_that_go_together():
    chosen = np.zeros((2, 12, 4))
    chosen[:, :, 0] = chosen[:, :, 1] = [1, 0] * 6
    chosen[:, ::3, 2] = 1
    found = checks.labels(said_by(chosen))
    assert [(row["check"], row["label"]) for row in found] == [("unused label", "d"), ("labels together", "a")]
    assert found[1]["evidence"] == "with b in 12 of the 12 answers that have either"


def test_files_that_are_missing_cut_short_or_blank_and_no_file_at_all_is_one_row(tmp_path):
    draw = np.random.default_rng(0)

    def noise():
        return draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)

    nearly = np.full((64, 64, 3), 200, dtype=np.uint8)
    nearly[:4, :4] = 0
    blank = {"blank.png": np.full((64, 64, 3), (255, 0, 0), dtype=np.uint8), "nearly blank.png": nearly}
    made = pictures_alone(tmp_path / "some", {"fine.png": noise(), "cut.png": noise(), "missing.png": None, **blank})
    cut = made.root / "images" / "cut.png"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    found = {row["image_id"]: row["check"] for row in checks.pictures(made)}
    assert found == {**dict.fromkeys(("cut.png", "missing.png"), "broken file"), **dict.fromkeys(blank, "blank file")}
    (none,) = checks.pictures(pictures_alone(tmp_path / "none", {"a.png": None, "b.png": None}))
    assert (none["check"], none["evidence"][:29]) == ("broken file", "none of the 2 files is there ")


SPLITS = [(["train", "test"], "split parts copies"), (["train", "train"], "copies"), (["train", None], "copies")]


@pytest.mark.parametrize(("split", "listed"), SPLITS)
def test_a_pair_is_listed_once_and_alike_embeddings_that_no_pixels_confirm_are_no_copies(tmp_path, split, listed):
    said = said_by([[[1, 0], [0, 1]]] * 6)
    made = write_dataset(tmp_path, DatasetMeta("some"), pd.DataFrame({"image_id": said.image_id, "split": split}), {})
    for kind, rows, differ in (("near", [listed], ["copies differ"]), ("alike", ["alike embeddings"], [])):
        found = Duplicates(made, (Copy(kind, tuple(said.image_id), 0.99),))
        assert (checked(checks.copies(found)), checked(checks.differing(found, said))) == (rows, differ)


COPIES = [
    (False, [[1, 0], [0, 1]], 1, np.nan),
    (False, [[1, 1], [0, 1]], 1, np.nan),
    (False, [[0, 0], [0, 0]], 1, None),
    # of three people and two, four say yes: all three with a chance of 2/5, two of the three with one of 3/5
    (True, [[3], [1]], [[3], [2]], 0.4 / 2),
    (True, [[2], [2]], [[3], [2]], 0.4 + 0.6 / 2),
    (True, [[5, 0], [0, 5]], 5, 2 * (1 / 252) ** 2),  # both labels at an end of ten answers' urn, of two ends each
]


@pytest.mark.parametrize(("known", "votes", "n", "p"), COPIES)
def test_answers_to_copies_differ_where_agreed_ones_are_others_or_votes_more_than_an_urn_shares_them(
    known, votes, n, p
):
    votes = np.array(votes)
    said = said_by(np.zeros((1, *votes.shape)), votes=votes, n=np.zeros_like(votes) + n, known=known)
    rows = checks.differing(Duplicates(None, (Copy("exact", tuple(said.image_id), 1.0),)), said)
    assert checked(rows) == ["copies differ"] * (p is not None)
    assert [row["p"] for row in rows] == ([] if p is None else [pytest.approx(p, nan_ok=True)])


# Planted faults


def test_what_was_planted_is_found(audit, faulty):
    faults = pd.read_parquet(faulty.root / "truth-faults.parquet").set_index("fault")
    listed = {check: audit.listed[audit.listed["check"] == check] for check in CHECKS}
    assert set(listed["person"]["annotator_id"]) == set(faults.loc["person", "annotator_id"])
    found, planted = (set(map(frozenset, table[["image_id", "other_id"]].to_numpy()))
                      for table in (listed["split parts copies"], faults.loc["copy"]))  # fmt: skip
    assert planted <= found
    assert listed["unused label"]["label"].tolist() == faults["other"].dropna().tolist()
    ranked = audit.table[audit.table["check"] == "answer"]
    columns, both = ["image_id", "annotator_id"], (faults.loc["answer"], ranked)
    swapped, first = (table[columns].apply(tuple, axis=1) for table in both)
    assert first.head(len(swapped)).isin(set(swapped)).mean() >= 0.25  # 3 % by chance
    assert audit.table["rank"].tolist() == list(range(1, len(audit.table) + 1))
    assert audit.table["listed"].is_monotonic_decreasing
    assert not audit.table["evidence"].str.contains("error|wrong", regex=True).any()


def test_without_embeddings_people_are_compared_among_themselves(demo_set):
    said, demo = [], demo_set(images=200, seed=3)
    assert affectml.audit(demo, say=said.append).summary() == "No check found anything beyond what chance explains."
    assert any("among people alone" in line for line in said)
    refused(BadInput, "at least 1", affectml.audit, demo, top=0)


def test_one_label_per_image_is_compared_with_alike_images(tmp_path):
    draw = np.random.default_rng(0)
    kind = draw.integers(0, 2, 120)
    features = np.where(kind[:, None] == np.arange(2), 3.0, 0.0) + draw.normal(0, 0.3, (120, 2))
    shown = np.where(np.arange(120) < 3, 1 - kind, kind)
    table = {"image_id": NAMES[:120], "negative": 1 - shown, "positive": shown}
    made = one_target(tmp_path, table, kind="single", values="indicator")
    said = read_said(made, made.target("t"))
    assert (said.exclusive, said.known) == (True, False)
    expected = expect(said, features, np.arange(120).astype(str), 0)
    assert expected.rate.sum(axis=1) == pytest.approx(np.ones(120))
    rows = sorted(checks.images(said, expected)[0], key=lambda row: row["p"])
    assert {row["image_id"] for row in rows[:3]} == {"i000", "i001", "i002"}


def test_a_data_set_without_a_target_is_looked_through_for_copies_which_become_groups(tmp_path, command):
    scenes = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    files = {f"{at}.png": scenes[at // 2] for at in range(4)}
    made = pictures_alone(tmp_path / "set", files, split=["train", "test", "val", "val"])
    before = (made.root / "images.parquet").read_bytes()
    code, out, said = command("audit", made.root)
    words = " ".join(out.split())
    assert (code, "no target yet, so there are no answers to check" in said) == (0, True)
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
    refused(BadDataset, "no target yet", affectml.audit, made, target="emotions")


def test_what_files_do_not_keep_is_listed_beside_everything_else(demo_set):
    data = demo_set(images=40, seed=3)
    file = data.root / "annotators.parquet"
    people = pd.read_parquet(file)
    pd.concat([people, people.iloc[:1]]).to_parquet(file)
    (row,) = affectml.audit(data.root).listed.to_dict("records")
    assert (row["check"], row["evidence"].startswith(f"{file}: ")) == ("broken file", True)
    assert row["evidence"].endswith("has two rows; take one out")


# The page and the files


def test_page_and_tables_say_the_same_and_load_nothing(audit, tmp_path, monkeypatch):
    page, csv, parquet = write_audit(audit, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "deserves a second look" in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert pd.read_csv(csv, dtype={"image_id": "str"})["rank"].tolist() == audit.table["rank"].tolist()
    assert pd.read_parquet(parquet)["evidence"].tolist() == audit.table["evidence"].tolist()
    assert '<th scope="col" class="prose">evidence</th>' in text  # breaks its lines
    write_audit(audit, tmp_path)  # over the earlier one
    before = files_of(tmp_path)
    monkeypatch.setattr(pd.DataFrame, "to_parquet", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="No space") as full:
        write_audit(replace(audit, notes=("another",)), tmp_path)
    assert (full.value.filename, files_of(tmp_path)) == (str(tmp_path / "audit.parquet"), before)


def test_counts_are_not_forgotten_for_a_few_single_answers(tmp_path):
    one = pd.DataFrame({"image_id": ["a"], "annotator_id": "p", "round": 1, "kind": "labels", "labels": [["negative"]]})
    one["at"] = pd.to_datetime(["2026-02-02"], utc=True)
    made = one_target(tmp_path, {"image_id": ["a", "b"], "n": 10, "negative": [2, 7], "positive": [8, 3]}, one)
    assert read_said(made, made.target("t")).votes.tolist() == [[2, 8], [7, 3]]


def test_shares_of_nobody_knows_how_many_people_are_not_checked(tmp_path):
    table = {"image_id": ["a", "b"], "negative": [1 / 3, 0.5], "neutral": [1 / 3, 0.26], "positive": [1 / 3, 0.24]}
    made = one_target(tmp_path, table, kind="distribution", values="shares", taxonomy="polarity-3", vote_rule="unknown")
    found = affectml.audit(made)
    assert len(found.table) == 0
    assert "answers are not checked" in " ".join(found.notes)


# What the files promise


@pytest.fixture(scope="module")
def whole(demo_set):
    """A folder with a data set, embedded; read only."""
    return demo_set(images=20, seed=3, embedded=True).root.parent


@pytest.fixture
def place(whole, tmp_path):
    """A copy of it, to break."""
    shutil.copytree(whole, tmp_path / "place")
    return tmp_path / "place"


def wrong(folder: Path) -> dict[str, str]:
    """What is wrong, by promise."""
    return {each.promise: "\n".join(each.wrong) for each in audit_files(folder) if each.wrong}


def first_twice(table):
    return pd.concat([table, table.iloc[:1]])


def nan_in_it(content: bytes) -> bytes:
    return content[:128] + b"\xff" * 8 + content[136:]  # behind numpy's header


def damage(folder: Path, file: str, change: object) -> None:
    """Write a file anew, changed: None takes it away, bytes take its place, and of JSON these keys are others."""
    path = next(folder.glob(file))
    if change is None:
        path.unlink()
    elif isinstance(change, bytes):
        path.write_bytes(change)
    elif isinstance(change, dict):
        edit(path, **change)
    elif path.suffix == ".parquet":
        change(pd.read_parquet(path)).to_parquet(path)
    else:
        path.write_bytes(change(path.read_bytes()))


# A file of the copy, what is done to it, and the promise with the words that say so.
STORE = "embeddings/*/"
FEW = {"selections": {"few": {"file": "few.parquet"}}}
FAULTS = [
    ("dataset.json", b"{", "dataset.json describes", "not valid JSON"),
    ("dataset.json", FEW, "few.parquet holds selection few", "no such file"),
    ("images.parquet", b"PAR1", "images.parquet", "Parquet"),
    ("images.parquet", first_twice, "images.parquet names each", "two rows"),
    ("images/*", None, "every image file can be read", "no such file"),
    ("images/*", lambda content: content[:200], "every image file can be read", "cannot be read whole"),
    ("targets-emotions.parquet", lambda t: t.assign(n=1), "emotions.parquet holds target", "more votes than people"),
    ("annotations.parquet", lambda t: t.iloc[200:], "target emotions counts answers that are there", "make it again"),
    ("annotations.parquet", first_twice, "annotations.parquet", "same person, image"),
    ("annotators.parquet", first_twice, "annotators.parquet", "two rows"),
    (f"{STORE}list-*.parquet", None, "the parts have a finite", "no list names its images"),
    (f"{STORE}encoder.json", None, "encoder.json says", "no encoder.json there"),
    (f"{STORE}part-*.npy", nan_in_it, "the parts have a finite", "is not finite"),
    (f"{STORE}part-*.npy", lambda content: content[:99], "the lists say which image", "not a readable part"),
    (f"{STORE}part-*.npy", lambda content: content[:-9], "the lists say which image", "does not end with what made it"),
]


def test_what_was_just_written_keeps_every_promise(whole):
    before = files_of(whole)
    assert len(audit_files(whole / "demo")) >= 4
    assert (wrong(whole / "demo"), files_of(whole)) == ({}, before)


def test_nothing_is_said_of_files_that_a_data_set_has_not_and_an_image_that_a_selection_alone_has_is_named(place):
    for name in ("annotations", "annotators"):
        (place / f"demo/{name}.parquet").unlink()
        assert not any(each.promise.startswith(name) for each in audit_files(place / "demo"))
    damage(place, "demo/dataset.json", FEW)
    pd.DataFrame({"image_id": ["nobody", "000001"]}).to_parquet(place / "demo" / "few.parquet")
    assert "image 'nobody' is not in images.parquet" in wrong(place / "demo")["few.parquet holds selection few"]


@pytest.mark.parametrize(("file", "change", "promise", "words"), FAULTS)
def test_a_broken_promise_is_told_by_name_with_the_file(place, file, change, promise, words):
    damage(place / "demo", file, change)
    (told,) = (said for name, said in wrong(place / "demo").items() if promise in name)
    assert words in told
    assert str(place / "demo") in told


def test_the_command_ends_with_1_where_a_promise_is_broken_and_writes_nothing(place, command):
    before, asked = files_of(place), ("audit", place / "demo", "--files")
    code, out, _ = command(*asked)
    assert (code, "promises are kept" in out, files_of(place)) == (0, True, before)
    next(place.glob("demo/images/*")).unlink()
    code, out, _ = command(*asked)
    assert (code, "WRONG  every image file can be read" in out) == (1, True)
    wrong = [each["promise"] for each in json.loads(command(*asked, "--json")[1])["promises"] if each["wrong"]]
    assert wrong == ["every image file can be read"]
    assert command(*asked, "--write-groups")[2] == "BadInput: --files writes nothing: leave out --write-groups\n"
    code, _, said = command("audit", place, "--files")
    assert (code, "no dataset.json there; name a data set or a label database" in " ".join(said.split())) == (2, True)


def test_the_command_checks_a_label_database_too(tmp_path, command):
    with LabelStore(tmp_path / "labels.db") as store:
        store.init_task(Task(labels=("awe", "fear"), question="What do you feel?"), ["a", "b"])
        assert command("audit", tmp_path / "labels.db", "--files")[0] == 0
        with store.database.write() as connection:
            connection.exec_driver_sql("UPDATE slot SET taken = 2")
        assert command("audit", tmp_path / "labels.db", "--files", "--json")[0] == 1
