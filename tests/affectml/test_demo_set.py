"""The demo set: feelings, looks and people, each on its own, its panels; and its folder."""

import json
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy.special import expit

from affectml.data import Dataset
from affectml.demo_set import people, write_demo
from affectml.demo_set.painting import Purpose, demo_stream, group_stream, look_of, training_stream
from affectml.demo_set.people import RARE, Annotators, Words, squared_distances, true_rates
from affectml.errors import BadInput
from affectml.page.section import Page, Shown
from affectml.page.write import caveats
from affectml.taxonomies import builtin_names, get_taxonomy
from affectml.vlm import read_replies, together

from .checks import files_of, refused

feelings = hnp.arrays(np.float64, (5, 3), elements=st.floats(-1, 1))


def test_rates_worked_by_hand():
    words = Words(("left", "right", "neither"), np.array([[-0.5, 0, 0], [0.5, 0, 0], [np.nan] * 3]))
    assert people.reach(words) == 0.6  # 0.8 of the distance 1, cut at 0.6
    rates = true_rates(np.array([[-0.5, 0, 0], [0.1, 0, 0]]), words)
    assert rates[0, 0] == pytest.approx(expit(2.6))
    assert rates[1, 0] == pytest.approx(expit(2.6 - 1.3))  # one reach away
    assert rates[:, 2] == pytest.approx((1 - rates[:, 0]) * (1 - rates[:, 1]))


@given(feelings)
def test_the_nearest_word_is_the_mode_and_no_rate_is_zero_or_one(points):
    words = Words.of(get_taxonomy("mikels-8"))
    rates = true_rates(points, words)
    nearest = squared_distances(points, words.places).min(axis=1)
    at_mode = squared_distances(points, words.places)[np.arange(5), rates.argmax(axis=1)]
    far = rates.max(axis=1) == RARE  # beyond everything all rates are the same
    assert np.allclose(at_mode[~far], nearest[~far])
    assert RARE <= rates.min() <= rates.max() <= 1 - RARE


def test_brightness_and_saturation_obey_the_published_regressions():
    rng = np.random.default_rng(0)
    drawn = rng.uniform(-0.4, 0.4, size=(400, 3))  # small enough that nothing is cut off
    looks = [look_of(feeling, rng) for feeling in drawn]
    colour = np.array([((look.brightness - 0.52) / 0.30, (look.saturation - 0.48) / 0.26) for look in looks])
    affect = colour @ np.array([[0.69, -0.31], [0.22, 0.60]])
    assert np.abs((affect - drawn[:, :2]).mean(axis=0)).max() < 0.02
    assert min(np.corrcoef(affect[:, axis], drawn[:, axis])[0, 1] for axis in (0, 1)) > 0.95


def test_every_purpose_seed_and_place_has_numbers_of_its_own():
    seeds = [*range(50), 2**32, 2**32 + 1, 2**64 - 1]
    places = [(), *((i,) for i in range(4)), *((i, j) for i in range(4) for j in range(4))]
    drawn = [demo_stream(s, purpose, *at).integers(2**62) for s in seeds for purpose in Purpose for at in places]
    drawn += [training_stream(seed, i).integers(2**62) for seed in seeds for i in range(20)]
    drawn += [group_stream(number).integers(2**62) for number in range(50)]
    assert len(set(drawn)) == len(drawn)
    for seed in (-1, 2**64, 2**96 + 5):  # which would run into other purposes
        refused(BadInput, "at least 0 and below 2\\^64", demo_stream, seed, Purpose.PAINTING, 0)


@given(hnp.arrays(np.float64, (4, 3), elements=st.floats(RARE, 1 - RARE)), st.integers(0, 10))
def test_the_panel_as_a_whole_is_fair(rates, seed):
    panel = Annotators.draw(3, np.random.default_rng(seed))
    chances = people.choice_chances(rates, panel)
    assert chances.shape == (12, 4, 3)
    assert np.allclose(chances.mean(axis=0), rates, atol=1e-9)


def judgements(seed, **options):
    """Those of 4,000 images alike, to which people feel a, b and c with .05, .4 and .8; and the people."""
    rng = np.random.default_rng(seed)
    panel, ids = Annotators.draw(3, rng), np.arange(4000).astype(str).astype(object)
    return people.judge(np.tile([0.05, 0.4, 0.8], (4000, 1)), ("a", "b", "c"), ids, panel, rng, **options), panel


def test_shares_of_many_judgements_come_to_the_true_rates():
    table, _ = judgements(1)
    answers = table[table["kind"].isin(["labels", "none"])]
    shares = [answers["labels"].map(lambda chosen, label=label: label in chosen).mean() for label in "abc"]
    assert shares == pytest.approx([0.05, 0.4, 0.8], abs=0.015)  # 4 standard errors and more


def test_one_choice_each_comes_to_the_true_distribution():
    table, panel = judgements(2, answers="one")
    answers = table[table["kind"] == "labels"]
    assert (set(answers["labels"].map(len)), "none" in set(table["kind"])) == ({1}, False)
    true = people.single_choices(np.array([[0.05, 0.4, 0.8]]), panel).mean(axis=0)[0]
    assert true.sum() == pytest.approx(1)
    assert list(true) == sorted(true)
    shares = [(answers["labels"].map(lambda chosen: chosen[0]) == label).mean() for label in "abc"]
    assert shares == pytest.approx(true, abs=0.015)  # 4 standard errors and more


MIKELS = get_taxonomy("mikels-8")
IMAGES = 60


@pytest.fixture(scope="module")
def local(demo_set) -> Dataset:
    return demo_set(images=IMAGES, seed=5)


@pytest.mark.parametrize("name", builtin_names())
def test_the_local_panel_finds_about_as_many_labels_as_the_textbook_and_other_ones(name):
    taxonomy = get_taxonomy(name)
    here, there = people.words_of(taxonomy, "textbook"), people.words_of(taxonomy, "local")
    places = here.places[here.placed]
    feelings = np.array([people.draw_feeling(places, demo_stream(0, Purpose.PAINTING, i)) for i in range(300)])
    before, after = (true_rates(feelings, words)[:, here.placed] for words in (here, there))
    assert 0.7 < after.sum() / before.sum() < 1.4
    assert np.abs(after - before).mean() > 0.08
    assert np.isnan(there.places[~there.placed]).all()  # neutral has no place in either


def test_all_demo_sets_are_judged_by_one_local_group(local, demo_set):
    other = demo_set(images=5, seed=6)
    words = [pd.read_parquet(demo.root / "truth-words.parquet") for demo in (local, other)]
    pd.testing.assert_frame_equal(*words)
    assert words[0]["label"].tolist() == list(MIKELS.labels)
    feelings = local.truth[["valence", "arousal", "dominance"]].to_numpy()
    places = words[0][["valence", "arousal", "dominance"]].to_numpy()
    planted = Words(MIKELS.labels, places, words[0]["lift"].to_numpy())
    assert local.truth[list(MIKELS.labels)].to_numpy() == pytest.approx(true_rates(feelings, planted))


def test_the_data_set_and_the_report_say_that_the_difference_is_planted(local, demo_set):
    assert "panel=local" in local.meta.source
    (note,) = local.meta.notes
    assert "affectml invented the difference" in note
    encoder, about = {"identity": {"architecture": "affect-tiny"}}, {"construct": "evoked", "question": "?"}
    info = SimpleNamespace(encoder=SimpleNamespace(**encoder), data=SimpleNamespace(**about))
    for data, said in ((local, True), (demo_set(images=IMAGES, seed=5, panel="textbook"), False)):
        assert (note in caveats(Page((), shown=Shown("", "", info=info, dataset=data)))) is said


def test_the_same_arguments_give_the_same_bytes_and_an_image_does_not_depend_on_how_many_are_drawn(local, tmp_path):
    fewer, again = (write_demo(tmp_path / name, images=10, seed=5, size=96) for name in ("fewer", "again"))
    assert files_of(again.root) == files_of(fewer.root)
    pd.testing.assert_frame_equal(fewer.truth, local.truth.head(10))
    for file in fewer.images["file"]:
        assert fewer.image_path(file).read_bytes() == local.image_path(file).read_bytes()


def test_paintings_are_256_pixels_wide_and_the_same_at_any_size(tmp_path):
    large = write_demo(tmp_path / "large", images=6, seed=2)
    small = write_demo(tmp_path / "small", images=6, seed=2, size=96)
    pd.testing.assert_frame_equal(large.judgements, small.judgements)
    assert [set_.meta.source.count("size=256") for set_ in (large, small)] == [1, 0]
    for file in large.images["file"]:
        with Image.open(large.image_path(file)) as one, Image.open(small.image_path(file)) as other:
            assert (one.size, other.size) == ((256, 256), (96, 96))
            apart = np.abs(np.asarray(one.resize((24, 24)), float) - np.asarray(other.resize((24, 24)), float))
        assert apart.mean() < 6, file  # of 255


def test_a_taxonomy_of_ones_own_travels_with_the_set(tmp_path):
    own = tmp_path / "own.yaml"
    places = {name: {"place": {"valence": at, "arousal": 0, "source": "me"}} for name, at in (("up", 1), ("down", -1))}
    own.write_text(json.dumps({"name": "own", "labels": places}))  # which is YAML too
    dataset = write_demo(tmp_path / "set", images=10, size=32, taxonomy=str(own))
    own.unlink()
    assert Dataset.open(dataset.root).target("emotions").taxonomy.labels == ("up", "down")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": 7, "progress": Mock(side_effect=KeyboardInterrupt("stopped"))}, "stopped"),
        ({"images": 0}, "images: expected at least 1, got 0"),
        ({"seed": -1}, "seed: .* at least 0 .*, got -1"),
        ({"look": "darkk"}, "look: no 'darkk'; did you mean 'dark'"),
        ({"answers": "ones"}, "answers: no 'ones'; did you mean 'one'"),
        ({"panel": "locl"}, "panel: no 'locl'; did you mean 'local'"),
        ({"size": 5}, "size: expected 16 to 2048 pixels, got 5"),
        ({"taxonomy": "placeless.yaml"}, "at least two labels with a place"),
    ],
)
def test_bad_arguments_are_named_and_of_these_and_what_is_stopped_nothing_is_written(
    arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "placeless.yaml").write_text("name: own\nlabels: [a, b]\n")
    refused((BadInput, KeyboardInterrupt), message, write_demo, tmp_path / "set", **arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["placeless.yaml"]


def test_a_look_changes_the_paintings_and_nothing_that_is_true_of_them(local, demo_set):
    dark = demo_set(images=IMAGES, seed=5, look="dark")
    pd.testing.assert_frame_equal(dark.truth, local.truth)
    pd.testing.assert_frame_equal(dark.judgements, local.judgements)

    def light(data):
        return np.mean([np.asarray(Image.open(data.image_path(file)).convert("L")) for file in data.images["file"]])

    assert light(dark) < light(local) - 15
    assert (local.name, dark.name) == ("demo", "demo dark")


@pytest.fixture(scope="module", params=["sets", "one"])
def answered(request, demo_set):
    """truth [N, C], and by model a row of answers per image and label: stated shares, or shares of named sets."""
    demo = demo_set(images=400, seed=5, size=16, answers=request.param, models=True)
    target = demo.target("emotions")
    truth = demo.truth.set_index("image_id")[list(target.taxonomy.labels)]
    found = {}
    for file in (demo.root / "answers").glob("*.jsonl"):
        said = together(read_replies(file, demo, target), one_label=request.param == "one")
        assert said.received.used == said.received.rows == 400 * (5 if file.stem == "words-only" else 1)
        assert said.image_id.tolist() == truth.index.tolist()
        shares = said.often if said.shares is None or file.stem == "words-only" else said.shares
        found[file.stem] = pd.DataFrame(shares, index=truth.index, columns=truth.columns)
    assert len(found) == 3
    return truth, found


def test_each_simulated_model_answers_as_it_is_called(answered):
    truth, found = answered
    calibrated, overconfident, of_words = (found[name] for name in ("calibrated", "overconfident", "words-only"))
    true = truth.to_numpy().ravel()
    assert np.polyfit(calibrated.to_numpy().ravel(), true, 1)[0] == pytest.approx(1, abs=0.1)
    assert 0.01 < np.abs(calibrated - truth).to_numpy().mean() < 0.2  # and does not know the truth
    assert np.polyfit(overconfident.to_numpy().ravel(), true, 1)[0] < 0.93
    firsts = [np.argmax(said, axis=1) for said in (overconfident, calibrated)]
    assert (firsts[0] == firsts[1]).mean() > 0.95  # but for ties by rounding
    assert of_words.mean().to_numpy() == pytest.approx(truth.mean().to_numpy(), abs=0.05)
    centred = [(table - table.mean()).to_numpy().ravel() for table in (of_words, truth)]
    assert abs(np.corrcoef(*centred)[0, 1]) < 0.1  # it does not look


def test_simulated_models_leave_the_rest_as_it_is(demo_set):
    plain, more = demo_set(images=20, seed=7), demo_set(images=20, seed=7, models=True)
    assert files_of(plain.root).items() < files_of(more.root).items()
    assert not (plain.root / "answers").exists()


def test_dominance_parts_anger_from_fear():
    words = Words.of(get_taxonomy("mikels-8"))
    anger, fear = (words.labels.index(label) for label in ("anger", "fear"))
    assert np.linalg.norm(words.places[anger, :2] - words.places[fear, :2]) < 0.15
    rates = true_rates(words.places, words)
    assert rates[anger, anger] - rates[anger, fear] > 0.3
