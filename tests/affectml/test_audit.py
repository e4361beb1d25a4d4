"""What deserves a second look: odd answers, people, copies and labels that were planted, and nothing where none was."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import hypergeom
from typer.testing import CliRunner

import affectml
from affectml.auditing import CHECKS, audit_dataset, queue_audit, write_audit
from affectml.auditing import _checks as checks
from affectml.auditing._expect import EDGE, Expected, nearest
from affectml.auditing._said import Said, read_said
from affectml.auditing._surprise import beta_binomial, hypergeometric, surprise, widened
from affectml.cli import app
from affectml.data import Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.demo_set import write_demo
from affectml.demo_set.faults import plant_faults
from affectml.embeddings import ensure_embeddings
from affectml.errors import BadDataset, BadInput
from affectml.labelling import make_task
from affectml_annotation import LabelStore

IMAGES = 240


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("audit") / "demo", images=IMAGES, seed=11)


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
    return audit_dataset(faulty)


@pytest.fixture
def task(faulty, tmp_path):
    with LabelStore(str(tmp_path / "labels.db")) as store:
        settings, images = make_task(faulty, overlap=5)
        store.init_task(settings, images)
        store.invite(["ann"])
        yield store


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
        chance, total = (
            np.prod([chances[v, k] for v, k in enumerate(each)]),
            sum(loss[v, k] for v, k in enumerate(each)),
        )
        more, same = more + chance * (total > seen + 1e-9), same + chance * (abs(total - seen) <= 1e-9)
    return more + same / 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.03, 0.1, 0.2, 0.35, 0.6, 0.9]), min_size=1, max_size=6), st.data())
def test_it_is_what_counting_all_outcomes_gives(rates, data):
    chances = np.array([[1 - rate, rate] for rate in rates])
    outcome = [data.draw(st.integers(0, 1)) for _ in rates]
    found = surprise(chances[None], np.array([outcome]))[0]
    near = [by_enumeration(chances, outcome)]
    # losses nearer than a step of the grid count as equal there
    assert found == pytest.approx(near[0], abs=0.06)


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


def test_chances_of_votes_sum_to_one_and_have_the_rate_as_their_mean():
    chances = beta_binomial(np.array([[5, 3]]), np.array([[0.3, 0.7]]), np.array([4.0, 9.0]))
    assert chances.shape == (1, 2, 6)
    assert chances.sum(axis=2) == pytest.approx(np.ones((1, 2)))
    assert (chances @ np.arange(6)) / [5, 3] == pytest.approx(np.array([[0.3, 0.7]]))
    assert chances[0, 1, 4:].tolist() == [0, 0]


def test_two_panels_of_one_picture_share_votes_as_an_urn_does():
    found = hypergeometric(np.array([3]), np.array([2]), np.array([4]))[0]
    assert found == pytest.approx(hypergeom.pmf(np.arange(4), 5, 4, 3))
    assert hypergeometric(np.array([1]), np.array([1]), np.array([1]))[0] == pytest.approx([0.5, 0.5])


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


def panel(chosen, rate=0.5, strength=10.0):
    """Four images, each answered by everybody: chosen [A, N, C]; nothing is known of images that are alike."""
    chosen = np.array(chosen, dtype=bool)
    people, images, labels = chosen.shape
    image, person = np.tile(np.arange(images), people), np.repeat(np.arange(people), images)
    said = Said(
        tuple("abcdefgh"[:labels]), np.array([f"i{at}" for at in range(images)], dtype=object),
        chosen.sum(axis=0).astype(np.int64), np.full((images, labels), people), image, person,
        chosen.reshape(-1, labels), np.array([f"p{at}" for at in range(people)], dtype=object), False, True,
    )  # fmt: skip
    return said, Expected(np.full((images, labels), rate), None, None, np.full(labels, strength))


def test_an_answers_chance_is_the_rate_moved_by_what_the_others_said():
    """Strength 10 at .5, and three others of whom all chose it: (5 + 3) / 13."""
    said, expected = panel([[[1]], [[1]], [[1]], [[0]]])
    assert expected.of_answers(said, habits=False)[:, 0] == pytest.approx([7 / 13, 7 / 13, 7 / 13, 8 / 13])


def test_who_says_it_always_is_not_odd_for_saying_it():
    chosen = np.zeros((3, 30, 1))
    chosen[0] = 1
    said, expected = panel(chosen, rate=0.3)
    mine = said.person == 0
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


def test_files_that_are_missing_cut_short_blank_or_blurred(tmp_path):
    (tmp_path / "images").mkdir()
    draw = np.random.default_rng(0)
    for at in range(12):
        Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{at}.png")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "images" / "1.png")
    sharp = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    sharp.resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / "images" / "2.png")
    whole = (tmp_path / "images" / "3.png").read_bytes()
    (tmp_path / "images" / "3.png").write_bytes(whole[: len(whole) // 2])
    images = pd.DataFrame({"image_id": [str(at) for at in range(13)], "file": [f"images/{at}.png" for at in range(13)]})
    made = write_dataset(tmp_path, DatasetMeta("some"), images, {})
    found = {row["image_id"]: row["check"] for row in checks.files(made)}
    assert found == {"1": "blank file", "2": "blurred file", "3": "broken file", "12": "broken file"}


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
    images = pd.DataFrame({"image_id": [f"{at:03d}" for at in range(120)]})
    meta = TargetMeta("single", "evoked", "polarity-2", "indicator", "targets-one.parquet")
    table = images.assign(negative=1 - shown, positive=shown)
    made = write_dataset(tmp_path, DatasetMeta("some", {"one": meta}), images, {"one": table})
    said = read_said(made, made.target("one"))
    assert said.exclusive
    assert not said.known
    from affectml.auditing._expect import expect
    from affectml.heads import SoftmaxHead

    expected = expect(said, features, np.arange(120).astype(str), SoftmaxHead, 0)
    assert expected.rate.sum(axis=1) == pytest.approx(np.ones(120))
    rows, _ = checks.images(said, expected)
    rows.sort(key=lambda row: row["p"])
    assert {row["image_id"] for row in rows[:3]} == {"000", "001", "002"}


def test_shares_without_people_are_not_checked(tmp_path):
    images = pd.DataFrame({"image_id": ["a", "b"]})
    meta = TargetMeta("rates", "evoked", "polarity-2", "shares", "targets-shares.parquet")
    table = images.assign(negative=[0.2, 0.4], positive=[0.8, 0.1])
    found = audit_dataset(write_dataset(tmp_path, DatasetMeta("some", {"shares": meta}), images, {"shares": table}))
    assert len(found.table) == 0
    assert "answers are not checked" in " ".join(found.notes)


# The page, the files and the queue


def test_page_and_tables_say_the_same_and_load_nothing(audit, tmp_path):
    page, csv, parquet = write_audit(audit, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "deserves a second look" in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert pd.read_csv(csv, dtype={"image_id": "str"})["rank"].tolist() == audit.table["rank"].tolist()
    assert pd.read_parquet(parquet)["evidence"].tolist() == audit.table["evidence"].tolist()
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
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        "audit.csv", "audit.html", "audit.parquet", "queue-001.csv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "kind", "match"),
    [
        (["nowhere"], BadDataset, "no such folder"),
        (["DATASET", "--target", "emotion"], BadDataset, "did you mean 'emotions'"),
        (["DATASET", "--encoder", "ViT-B-32"], BadDataset, "no embeddings"),
        (["DATASET", "--queue", "3", "--db", "none.db"], Exception, "none.db"),
        (["DATASET", "--out", "DATASET/dataset.json"], BadInput, "cannot write"),
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
        audit_dataset(demo, top=0)
    images = pd.DataFrame({"image_id": ["a"]})
    plain = write_dataset(tmp_path / "plain", DatasetMeta("some"), images, {})
    with pytest.raises(BadDataset, match="demo-data"):
        plant_faults(plain, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert isinstance(plain, Dataset)
