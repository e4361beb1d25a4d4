"""The demo's panels of people: the textbook's, and the local one, which has its words elsewhere; and its captions."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import open_clip
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

import affectml
from affectml.data import Dataset
from affectml.demo_set.captions import NOTHING, TEMPLATES, captions
from affectml.demo_set.feelings import Words, draw_feeling, true_rates
from affectml.demo_set.painting import Look, look_of
from affectml.demo_set.panels import words_of
from affectml.demo_set.streams import Purpose, demo_stream
from affectml.page.section import Page, Shown
from affectml.page.write import caveats
from affectml.taxonomies import builtin_names, get_taxonomy

MIKELS = get_taxonomy("mikels-8")
IMAGES = 40


@pytest.fixture(scope="module")
def local(demo_set) -> Dataset:
    return demo_set(images=IMAGES, seed=5)


@pytest.fixture(scope="module")
def textbook(demo_set) -> Dataset:
    return demo_set(images=IMAGES, seed=5, panel="textbook")


def test_the_textbook_panel_has_every_word_at_its_published_place():
    words = words_of(MIKELS, "textbook")
    assert words.places[0].tolist() == [0.77, 0.44, 0.42]
    assert not np.any(words.lift)


def test_for_the_local_panel_words_lie_elsewhere_on_the_plane():
    here, there = words_of(MIKELS, "textbook"), words_of(MIKELS, "local")
    moved = np.hypot(*(there.places - here.places)[:, :2].T)
    assert 0.1 < moved.min() < 0.3 < moved.mean() < 0.5
    assert there.places[:, 2].tolist() == here.places[:, 2].tolist()  # dominance stays
    assert np.ptp(there.lift) > 1  # one word is more common than another


def test_words_that_are_alike_move_alike():
    here, there = (words_of(get_taxonomy("parrott-25"), panel).places for panel in ("textbook", "local"))
    apart, differ = pdist(here), pdist(there - here)
    assert differ[apart < 0.2].mean() < 0.15 < 0.4 < differ[apart > 1].mean()


@pytest.mark.parametrize("name", builtin_names())
def test_the_local_panel_finds_about_as_many_labels_as_the_textbook_and_other_ones(name):
    taxonomy = get_taxonomy(name)
    here, there = words_of(taxonomy, "textbook"), words_of(taxonomy, "local")
    places = here.places[here.placed]
    feelings = np.array([draw_feeling(places, demo_stream(0, Purpose.PAINTING, i)) for i in range(300)])
    before, after = (true_rates(feelings, words)[:, here.placed] for words in (here, there))
    assert 0.7 < after.sum() / before.sum() < 1.4
    assert np.abs(after - before).mean() > 0.08
    assert np.isnan(there.places[~there.placed]).all()  # neutral has no place in either


def test_both_panels_see_the_same_paintings_and_have_the_same_habits(local, textbook):
    for file in local.images["file"]:
        assert local.image_path(file).read_bytes() == textbook.image_path(file).read_bytes()
    habits = [pd.read_parquet(demo.root / "truth-annotators.parquet") for demo in (local, textbook)]
    pd.testing.assert_frame_equal(*habits)
    axes = ["image_id", "valence", "arousal", "dominance"]
    pd.testing.assert_frame_equal(local.truth[axes], textbook.truth[axes])
    assert np.abs(local.truth["awe"] - textbook.truth["awe"]).mean() > 0.05


def test_all_demo_sets_are_judged_by_one_local_group(local, demo_set):
    other = demo_set(images=5, seed=6)
    words = [pd.read_parquet(demo.root / "truth-words.parquet") for demo in (local, other)]
    pd.testing.assert_frame_equal(*words)
    assert words[0]["label"].tolist() == list(MIKELS.labels)
    feelings = local.truth[["valence", "arousal", "dominance"]].to_numpy()
    places = words[0][["valence", "arousal", "dominance"]].to_numpy()
    planted = Words(MIKELS.labels, places, words[0]["lift"].to_numpy())
    assert local.truth[list(MIKELS.labels)].to_numpy() == pytest.approx(true_rates(feelings, planted))


def test_the_data_set_and_the_report_say_that_the_difference_is_planted(local, textbook):
    assert "panel=local" in local.meta.source
    (note,) = local.meta.notes
    assert "affectml invented the difference" in note
    encoder, about = {"identity": {"architecture": "affect-tiny"}}, {"construct": "evoked", "question": "?"}
    info = SimpleNamespace(encoder=SimpleNamespace(**encoder), data=SimpleNamespace(**about))
    for data, said in ((local, True), (textbook, False)):
        assert (note in caveats(Page((), shown=Shown("", "", info=info, dataset=data)))) is said


def test_every_painting_of_the_local_panel_has_captions_in_several_wordings(local, textbook, demo_set):
    assert "caption" not in textbook.images.columns
    assert local.images["caption"].map(len).tolist() == [len(TEMPLATES)] * IMAGES
    assert local.images["caption"].map(lambda texts: len(set(texts))).min() == len(TEMPLATES)
    again = demo_set(images=10, seed=5)
    assert [list(texts) for texts in again.images["caption"]] == [list(texts) for texts in local.images["caption"][:10]]


def test_a_caption_says_how_a_painting_looks_and_what_it_evokes():
    words = words_of(MIKELS, "textbook")
    sad, plain = np.full((2, 8), 0.002)
    sad[7] = 0.998
    look = Look(brightness=0.3, saturation=0.2, hue=0.55, jaggedness=0.8, shapes=9)
    said = captions(look, sad, words, MIKELS, demo_stream(0, Purpose.CAPTION, 0))
    names = ("sadness", *MIKELS.synonyms["sadness"])
    assert all(text.split(" evokes ")[-1].split(", in ")[0] in names for text in said), said
    assert said[0].startswith("many jagged shapes in dark blue: a painting that evokes ")
    look = Look(brightness=0.8, saturation=0.2, hue=0.01, jaggedness=0.1, shapes=2)
    said = captions(look, plain, words, MIKELS, demo_stream(0, Purpose.CAPTION, 0))
    assert said[2] == f"{NOTHING}, in few round shapes"
    assert "bright red" in said[1]


def test_captions_name_a_label_as_often_as_people_choose_it_and_never_one_without_a_place():
    taxonomy = get_taxonomy("artemis-9")
    words = words_of(taxonomy, "local")
    rates = np.full(len(taxonomy), 0.05)
    rates[[0, 5]] = 0.6, 0.3
    look = look_of(np.zeros(3), np.random.default_rng(0))
    streams = [demo_stream(1, Purpose.CAPTION, i) for i in range(400)]
    said = [text for stream in streams for text in captions(look, rates, words, taxonomy, stream)]

    def share(label):
        names = (label, *taxonomy.synonyms.get(label, ()))
        return np.mean([any(f"{name}," in text or text.endswith(f" {name}") for name in names) for text in said])

    none = np.prod(1 - rates[words.placed])
    for label in (0, 5):
        part = (1 - none) * rates[label] / rates[words.placed].sum()
        assert share(taxonomy.labels[label]) == pytest.approx(part, abs=0.05)
    assert np.mean([NOTHING in text for text in said]) == pytest.approx(none, abs=0.05)
    assert not any("something else" in text for text in said)


def test_no_caption_is_too_long_for_affect_tiny():
    tokenizer = open_clip.get_tokenizer(f"local-dir:{Path(affectml.__file__).parent / 'encoders' / 'affect_tiny'}")
    longest = {"amount": "several", "form": "jagged", "light": "bright", "hue": "orange"}
    names = {word for name in builtin_names() for label in get_taxonomy(name).labels
             for word in (label, *get_taxonomy(name).synonyms.get(label, ()))}  # fmt: skip
    texts = [template.format(feeling=word, **longest) for template in TEMPLATES for word in [*sorted(names), NOTHING]]
    assert (tokenizer(texts)[:, -1] == 0).all()
