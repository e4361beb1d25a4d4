"""The demo set as a folder: an ordinary data set, the same on every run, all or nothing."""

import json
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.errors import BadInput
from affectml.taxonomies import builtin_names
from affectml.vlm import read_replies, together

IMAGES = 60


@pytest.fixture(scope="module")
def demo(demo_set) -> Dataset:
    return demo_set(images=IMAGES, seed=5)


def bytes_of(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_it_is_an_ordinary_data_set(demo):
    target = Dataset.open(demo.root).target("emotions")
    assert (target.kind, target.taxonomy.name, target.votes.shape) == ("rates", "mikels-8", (IMAGES, 8))
    assert demo.meta.constructs == ("evoked",)
    for file in demo.images["file"]:
        with Image.open(demo.image_path(file)) as picture:
            assert (picture.size, picture.mode) == ((96, 96), "RGB")


def test_the_truth_lies_beside_and_is_no_target(demo):
    assert list(demo.meta.targets) == ["emotions"]
    labels = list(demo.target("emotions").taxonomy.labels)
    assert list(demo.truth.columns) == ["image_id", "valence", "arousal", "dominance", *labels]
    assert demo.truth["image_id"].tolist() == demo.images["image_id"].tolist()
    assert len(pd.read_parquet(demo.root / "truth-annotators.parquet")) == 12


def test_the_same_arguments_give_the_same_bytes(demo, tmp_path):
    again = write_demo(tmp_path / "again", images=IMAGES, seed=5)
    assert (demo.root / "truth.parquet").is_file()
    assert bytes_of(again.root) == bytes_of(demo.root)


def test_an_image_does_not_depend_on_how_many_are_drawn(demo, tmp_path):
    fewer = write_demo(tmp_path / "fewer", images=10, seed=5)
    pd.testing.assert_frame_equal(fewer.truth, demo.truth.head(10))
    for file in fewer.images["file"]:
        assert fewer.image_path(file).read_bytes() == demo.image_path(file).read_bytes()


@pytest.mark.parametrize("taxonomy", builtin_names())
def test_every_built_in_taxonomy_has_a_demo_set(taxonomy, tmp_path):
    dataset = write_demo(tmp_path / "set", images=20, taxonomy=taxonomy)
    assert dataset.target("emotions").taxonomy.name == taxonomy
    assert dataset.target("emotions").votes.sum() > 0


def test_a_taxonomy_of_ones_own_travels_with_the_set(tmp_path):
    own = tmp_path / "own.yaml"
    places = {name: {"place": {"valence": at, "arousal": 0, "source": "me"}} for name, at in (("up", 1), ("down", -1))}
    own.write_text(json.dumps({"name": "own", "labels": places}))  # which is YAML too
    dataset = write_demo(tmp_path / "set", images=10, taxonomy=str(own))
    own.unlink()
    assert Dataset.open(dataset.root).target("emotions").taxonomy.labels == ("up", "down")


def test_progress_hears_of_every_painting(tmp_path):
    heard = []
    write_demo(tmp_path / "set", images=7, progress=heard.append)
    assert heard == [1] * 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": 7, "progress": Mock(side_effect=KeyboardInterrupt("stopped"))}, "stopped"),
        ({"images": 0}, "images: expected at least 1, got 0"),
        ({"seed": -1}, "seed: .* at least 0 .*, got -1"),
        ({"look": "darkk"}, "no look 'darkk'; did you mean 'dark'"),
        ({"answers": "ones"}, "no answers 'ones'; did you mean 'one'"),
        ({"panel": "locl"}, "no panel 'locl'; did you mean 'local'"),
    ],
)
def test_bad_arguments_are_named_and_of_these_and_what_is_stopped_nothing_is_written(arguments, message, tmp_path):
    with pytest.raises((BadInput, KeyboardInterrupt), match=message):
        write_demo(tmp_path / "set", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(BadInput, match="not empty"):
        write_demo(tmp_path, images=5)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_look_changes_the_paintings_and_nothing_that_is_true_of_them(demo, tmp_path):
    dark = write_demo(tmp_path / "dark", images=IMAGES, seed=5, look="dark")
    pd.testing.assert_frame_equal(dark.truth, demo.truth)
    pd.testing.assert_frame_equal(dark.judgements, demo.judgements)

    def light(data):
        return np.mean([np.asarray(Image.open(data.image_path(file)).convert("L")) for file in data.images["file"]])

    assert light(dark) < light(demo) - 15
    assert (demo.name, dark.name) == ("demo", "demo dark")


@pytest.fixture(scope="module", params=["sets", "one"])
def answered(request, demo_set):
    """truth [N, C], and by model a row of answers per image and label: stated shares, or shares of named sets."""
    demo = demo_set(images=400, seed=5, answers=request.param, models=True)
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


def test_the_calibrated_model_means_what_it_states(answered):
    truth, said = (table.to_numpy().ravel() for table in (answered[0], answered[1]["calibrated"]))
    assert np.polyfit(said, truth, 1)[0] == pytest.approx(1, abs=0.1)
    assert 0.01 < np.abs(said - truth).mean() < 0.2  # and does not know the truth


def test_the_overconfident_model_states_too_much_of_the_same(answered):
    truth, found = answered
    said = found["overconfident"].to_numpy().ravel()
    assert np.polyfit(said, truth.to_numpy().ravel(), 1)[0] < 0.93
    firsts = [np.argmax(found[name], axis=1) for name in ("overconfident", "calibrated")]
    assert (firsts[0] == firsts[1]).mean() > 0.95  # but for ties by rounding


def test_the_model_that_knows_words_does_not_look(answered):
    truth, found = answered
    assert found["words-only"].mean().to_numpy() == pytest.approx(truth.mean().to_numpy(), abs=0.05)
    centred = [(table - table.mean()).to_numpy().ravel() for table in (found["words-only"], truth)]
    assert abs(np.corrcoef(*centred)[0, 1]) < 0.1


def test_simulated_models_leave_the_rest_as_it_is(demo_set):
    plain, more = demo_set(images=20, seed=7), demo_set(images=20, seed=7, models=True)
    assert bytes_of(plain.root).items() < bytes_of(more.root).items()
    assert not (plain.root / "answers").exists()
