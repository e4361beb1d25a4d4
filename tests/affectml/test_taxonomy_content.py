"""What the built-in taxonomies say: checked against their sources and against each other."""

from dataclasses import replace

import pytest

from affectml.errors import BadInput, UnknownLabel
from affectml.taxonomies import LabelName, Taxonomy, builtin_names, get_taxonomy
from affectml.taxonomies.near import nearest, plain
from affectml_annotation.languages import LANGUAGES

NAMES = "artemis-9 ekman-6 ekman-7 emotic-26 mikels-8 parrott-2 parrott-25 parrott-6 plutchik-8 polarity-2 polarity-3"

# Pleasure, arousal and dominance as Russell & Mehrabian (1977) print them, for the words most relied on.
PRINTED = {
    "angry": (-0.51, 0.59, 0.25),
    "disgusted": (-0.60, 0.35, 0.11),
    "fearful": (-0.64, 0.60, -0.43),
    "sad": (-0.63, -0.27, -0.33),
    "joyful": (0.76, 0.48, 0.35),
    "happy": (0.81, 0.51, 0.46),
    "surprised": (0.40, 0.67, -0.13),
    "excited": (0.62, 0.75, 0.38),
    "confused": (-0.53, 0.27, -0.32),
    "enraged": (-0.44, 0.72, 0.32),
    "hopeful": (0.51, 0.23, 0.14),
}


def test_these_and_no_others_are_built_in():
    assert [f"{name.split('-')[0]}-{len(get_taxonomy(name))}" for name in builtin_names()] == NAMES.split()
    assert list(builtin_names()) == NAMES.split()


def test_webemo_ids_and_spellings_are_kept():
    labels = get_taxonomy("parrott-25").labels
    kept = "affection cheerfullness confusion irritabilty sadness zest"
    assert [labels[i] for i in (0, 1, 2, 11, 19, 24)] == kept.split()


def test_webemo_primaries_and_the_one_without():
    parrott = get_taxonomy("parrott-25")
    assert set(parrott.labels) - set(parrott.parents) == {"confusion"}
    counts = {p: list(parrott.parents.values()).count(p) for p in get_taxonomy("parrott-6").labels}
    assert counts == {"love": 3, "joy": 7, "surprise": 1, "anger": 5, "sadness": 6, "fear": 2}


@pytest.mark.parametrize("name", builtin_names())
def test_parents_are_labels_of_the_parent_taxonomy(name):
    taxonomy = get_taxonomy(name)
    above = get_taxonomy(taxonomy.parent).labels if taxonomy.parent else ()
    assert set(taxonomy.parents.values()) <= set(above)


@pytest.mark.parametrize("name", builtin_names())
def test_places_have_sources_and_agree_with_the_parent_polarity(name):
    taxonomy = get_taxonomy(name)
    for label, place in taxonomy.places.items():
        assert all(-1 <= axis <= 1 for axis in (place.valence, place.arousal, place.dominance)), label
        assert place.source.startswith(("Russell & Mehrabian 1977: ", "placed by affectml")), label
        if taxonomy.parents.get(label) in ("positive", "negative"):
            assert (place.valence > 0) == (taxonomy.parents[label] == "positive"), label


def test_only_neutral_and_something_else_have_no_place():
    taxonomies = [get_taxonomy(name) for name in builtin_names()]
    without = {label for each in taxonomies for label in set(each.labels) - set(each.places)}
    assert without == {"neutral", "something else"}


def test_places_are_those_that_were_printed():
    seen = set()
    for name in builtin_names():
        for place in get_taxonomy(name).places.values():
            word = place.source.removeprefix("Russell & Mehrabian 1977: ")
            if word in PRINTED:
                assert (place.valence, place.arousal, place.dominance) == PRINTED[word]
                seen.add(word)
    assert seen == set(PRINTED)


def test_a_word_means_one_place_wherever_it_stands():
    places = {}
    for name in builtin_names():
        taxonomy = get_taxonomy(name)
        for label, place in taxonomy.places.items():
            for word in (label, *taxonomy.synonyms.get(label, ())):
                assert places.setdefault(word, place) == place, f"{word} in {name}"


@pytest.mark.parametrize("name", builtin_names())
def test_wheels_are_the_labels_in_another_order(name):
    taxonomy = get_taxonomy(name)
    if taxonomy.wheel:
        assert sorted(taxonomy.wheel) == sorted(taxonomy.labels)
        assert taxonomy.wheel_source


def test_default_prompts_are_the_published_ones():
    assert get_taxonomy("mikels-8").prompts()[1] == "a photo that evokes awe"
    both = [f"a photo that evokes a {feeling} feeling" for feeling in ("negative", "positive")]
    assert get_taxonomy("polarity-2").prompts() == both


def test_content_survives_a_round_trip():
    for name in builtin_names():
        assert Taxonomy.from_dict(get_taxonomy(name).to_dict()) == get_taxonomy(name)


def test_people_read_the_usual_spelling_and_files_keep_the_source_s():
    taxonomy = get_taxonomy("parrott-25")
    shown = {label: taxonomy.display(label) for label in taxonomy.labels if taxonomy.display(label) != label}
    assert shown == {"cheerfullness": "cheerfulness", "irritabilty": "irritability"}
    assert Taxonomy.from_dict(taxonomy.to_dict()).displays == shown
    assert replace(taxonomy, displays={}) == taxonomy  # what was written before there were any reads as the same
    assert taxonomy.names()["irritability"] == "irritabilty"
    with pytest.raises(BadInput, match="display 'zest' is another label's name"):
        replace(taxonomy, displays={"irritabilty": "zest"})


@pytest.mark.parametrize(
    ("name", "word", "said"),
    [
        ("mikels-8", "happiness", ""),  # sadness has the synonym unhappiness
        ("emotic-26", "approval", ""),  # there is disapproval
        ("parrott-25", "irritability", "; did you mean 'irritabilty' (irritability)?"),
        ("mikels-8", "unhapiness", "; did you mean 'sadness' (unhappiness)?"),
        ("mikels-8", "excitment", "; did you mean 'excitement'?"),
    ],
)
def test_did_you_mean_never_names_the_opposite(name, word, said):
    taxonomy = get_taxonomy(name)
    assert nearest(word, taxonomy.names()) == said
    with pytest.raises(UnknownLabel) as error:
        taxonomy.index(word)
    assert (said in str(error.value), "did you mean" in str(error.value)) == (True, bool(said))


OTHERS = [language for language in LANGUAGES if language != "en"]


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", builtin_names())
def test_every_label_is_called_something_of_its_own_in_every_language(name, language):
    taxonomy = get_taxonomy(name)
    names = {label: taxonomy.translation(label, language) for label in taxonomy.labels}
    assert None not in names.values()
    assert all(called.source and 1 <= len(called.synonyms) <= 4 for called in names.values())
    label_of = {plain(called.name): label for label, called in names.items()}
    assert len(label_of) == len(taxonomy)
    for label, called in names.items():
        assert {label_of.get(plain(word), label) for word in called.synonyms} == {label}
        assert plain(called.name) not in map(plain, called.synonyms)
        if language in ("ja", "zh", "ar"):
            assert not [word for word in (called.name, *called.synonyms) if word.isascii()]


def test_names_by_a_machine_that_nobody_read_are_told_from_published_ones():
    mikels = get_taxonomy("mikels-8")
    assert mikels.unread("es") == ("amusement", "awe", "contentment", "excitement")
    assert mikels.translation("fear", "es").source == "Barbosa-De-la-Torre et al. 2019"
    assert mikels.unread("de-CH") == mikels.unread("de")
    assert mikels.unread("pt") == mikels.unread("en") == ()  # there are none
    assert mikels.display("fear", "pt") == "fear"


def test_a_word_may_be_a_name_in_one_taxonomy_and_another_word_for_a_label_in_the_next():
    assert get_taxonomy("emotic-26").display("annoyance", "de") == "Ärger"
    assert "Ärger" not in get_taxonomy("emotic-26").synonyms_in("anger", "de")
    assert "Ärger" in get_taxonomy("mikels-8").synonyms_in("anger", "de")


def test_a_taxonomy_s_own_names_go_before_the_built_in_ones_and_must_differ_from_them():
    mikels = get_taxonomy("mikels-8")
    own = replace(mikels, translations={"de": {"awe": LabelName("Staunen")}})
    assert [own.display(label, "de") for label in ("awe", "fear")] == ["Staunen", "Angst"]
    assert Taxonomy.from_dict(own.to_dict()).display("awe", "de") == "Staunen"
    assert "in" not in mikels.to_dict()["labels"]["awe"]  # what is built in is written nowhere
    with pytest.raises(BadInput, match="'awe' and 'fear' are both called 'Angst' in de"):
        replace(mikels, translations={"de": {"awe": LabelName("Angst")}})
