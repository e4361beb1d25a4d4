"""Kinds of prompt, templates, ensembles, captions."""

import numpy as np
import pandas as pd
import pytest

from affectml.encoders import load_encoder
from affectml.errors import BadDataset, BadInput
from affectml.prompts import Prompts, asked_labels, caption_features, encoded, ensemble, label_features
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy

TWO = Taxonomy(
    name="two", labels=("joy", "fear"), synonyms={"joy": ("delight",)}, templates=("feel {label}", "{label}")
)


def letters(texts):
    """A text tower of three numbers: length, vowels, words."""
    return np.array([[len(t), sum(c in "aeiou" for c in t), t.count(" ") + 1] for t in texts], dtype=np.float32)


def test_kinds_are_mixed_with_a_plus():
    plan = Prompts.parse("sentiment+synonyms")
    assert plan.learned(TWO) == [["feel joy", "feel delight"], ["feel fear"]]
    assert plan.asked(TWO) == [["feel joy", "feel delight"], ["feel fear"]]
    assert Prompts.parse("captions").learned(TWO) == [[], []]
    assert Prompts.parse("captions").asked(TWO) == [["feel joy"], ["feel fear"]]
    assert Prompts.from_dict(plan.to_dict()) == plan


def test_templates_multiply():
    plan = Prompts.parse("sentiment", ["{label}!", "so {label}"])
    assert plan.learned(TWO) == [["joy!", "so joy"], ["fear!", "so fear"]]


def test_an_ensemble_is_the_mean_of_unit_rows():
    rows = ensemble([np.array([[2.0, 0.0], [0.0, 5.0]]), np.array([[0.0, 3.0]])])
    assert rows.tolist() == [pytest.approx([0.5**0.5, 0.5**0.5]), pytest.approx([0, 1])]


def test_a_text_is_encoded_once():
    asked = []

    def encode(texts):
        asked.extend(texts)
        return letters(texts)

    found = encoded([["a", "b c"], ["a"]], encode)
    assert asked == ["a", "b c"]
    assert found[0].tolist() == [[1, 1, 1], [3, 0, 2]]
    assert found[1].tolist() == [[1, 1, 1]]
    assert label_features(Prompts(), TWO, lambda texts: np.eye(3, dtype=np.float32)[: len(texts)]).shape == (2, 3)


def test_captions_come_in_the_images_order_with_zeros_where_there_is_none():
    images = pd.DataFrame({"image_id": ["a", "b", "c"], "caption": ["old sea", None, " "]})
    found = caption_features(images, ["c", "a", "b", "a"], letters, "here")
    assert found.tolist() == [[0, 0, 0], [7, 3, 2], [0, 0, 0], [7, 3, 2]]


def test_an_image_may_have_several_captions_whose_unit_rows_are_averaged():
    images = pd.DataFrame(
        {"image_id": ["a", "b", "c"], "caption": [["old sea", " "], np.array(["sea", "old sea"]), []]}
    )
    found = caption_features(images, ["a", "b", "c"], letters, "here")
    one, other = (letters([text])[0] / np.linalg.norm(letters([text])) for text in ("sea", "old sea"))
    assert found[0].tolist() == [7, 3, 2]  # a single one as it comes
    assert found[1] == pytest.approx((one + other) / np.linalg.norm(one + other))
    assert found[2].tolist() == [0, 0, 0]
    images["caption"] = [["old sea"], 7, None]
    with pytest.raises(BadDataset, match="caption of image 'b': expected a text or a list of texts, but found 7"):
        caption_features(images, ["a", "b"], letters, "here")


def test_labels_that_the_encoder_cannot_tell_apart_are_named():
    known = {"awe": [1.0, 0.0], "joy": [0.0, 1.0], "glee": [0.09, 1.0], "cheer": [0.11, 1.0]}

    def encode(texts):
        return np.array([known.get(text.split()[-1], [1.0, 1.0]) for text in texts], dtype=np.float32)

    unknown = asked_labels(["tractor", "awe", "algebra", "joy", "glee"], TWO)
    with pytest.warns(UserWarning, match=r"tell these labels apart \(.*0.995\): tractor, algebra; joy, glee\. It"):
        label_features(Prompts(), unknown, encode)
    label_features(Prompts(), asked_labels(["awe", "joy", "cheer", "tractor"], TWO), encode)  # a warning is an error


@pytest.mark.parametrize("name", builtin_names())
def test_affect_tiny_tells_the_labels_of_every_built_in_taxonomy_apart(name, tiny):
    label_features(Prompts(), get_taxonomy(name), tiny)  # a warning is an error


def test_affect_tiny_cannot_tell_words_apart_that_it_never_saw(tiny):
    labels = asked_labels(["tractor", "awe", "algebra", "ice cream"], get_taxonomy("mikels-8"))
    with pytest.warns(UserWarning, match="tractor, algebra, ice cream"):
        label_features(Prompts(), labels, tiny)


def test_a_single_new_label_that_the_encoder_does_not_know_is_named(tiny):
    mikels = get_taxonomy("mikels-8")
    known = label_features(Prompts(), asked_labels(["longing", "awe", "weariness"], mikels), tiny, new=True)
    assert known.shape == (3, 128)  # and no warning, which is an error
    with pytest.warns(UserWarning, match="boredom, a made-up word"):
        label_features(Prompts(), asked_labels(["longing", "awe", "boredom"], mikels), tiny, new=True)
    with pytest.warns(UserWarning, match="nostalgia, boredom, a made-up word"):
        label_features(Prompts(), asked_labels(["nostalgia", "awe", "boredom"], mikels), tiny, new=True)


@pytest.fixture(scope="module")
def tiny():
    encoder = load_encoder("affect-tiny", threads=1)
    return lambda texts: encoder.encode_texts(texts).numpy()


def test_what_cannot_be_is_named():
    with pytest.raises(BadInput, match="no kind 'synonym'; did you mean 'synonyms'"):
        Prompts.parse("sentiment+synonym")
    with pytest.raises(BadInput, match="named twice"):
        Prompts.parse("captions+captions")
    with pytest.raises(BadInput, match="at least one kind"):
        Prompts.parse("")
    with pytest.raises(BadInput, match=r"has no \{label\}"):
        Prompts.parse("sentiment", ["a photo"])
    with pytest.raises(BadInput, match="no synonyms of fear"):
        Prompts.parse("synonyms").learned(TWO)
    with pytest.raises(BadDataset, match="no column 'caption'"):
        caption_features(pd.DataFrame({"image_id": ["a"]}), ["a"], letters, "here")
    with pytest.raises(BadDataset, match="no image to learn from has a caption"):
        caption_features(pd.DataFrame({"image_id": ["a"], "caption": [None]}), ["a"], letters, "here")


def test_asked_labels_keep_the_runs_templates_and_synonyms():
    asked = asked_labels(["awe", " joy"], TWO)
    assert asked.labels == ("awe", "joy")
    assert Prompts.parse("sentiment+synonyms").asked(asked) == [["feel awe"], ["feel joy", "feel delight"]]
    with pytest.raises(BadInput, match="at least two"):
        asked_labels(["awe"], TWO)
    with pytest.raises(BadInput, match="'awe' is named twice"):
        asked_labels(["awe", "awe"], TWO)
