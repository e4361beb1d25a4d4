"""Taxonomies: what the built-in ones say, a file of one's own, and the commands that show them."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from affectml.cli.taxonomy import app
from affectml.errors import BadInput, UnknownLabel
from affectml.taxonomies import LabelName, Taxonomy, ancestors, builtin_names, get_taxonomy, nearest
from affectml_annotation.languages import LANGUAGES

from .checks import refused

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
def test_a_built_in_taxonomy_holds_together_and_is_shown(name):
    taxonomy = get_taxonomy(name)
    assert Taxonomy.from_dict(taxonomy.to_dict()) == taxonomy
    above = get_taxonomy(taxonomy.parent).labels if taxonomy.parent else ()
    assert set(taxonomy.parents.values()) <= set(above)
    for label, place in taxonomy.places.items():
        assert all(-1 <= axis <= 1 for axis in (place.valence, place.arousal, place.dominance)), label
        assert place.source.startswith(("Russell & Mehrabian 1977: ", "placed by affectml")), label
        if taxonomy.parents.get(label) in ("positive", "negative"):
            assert (place.valence > 0) == (taxonomy.parents[label] == "positive"), label
    assert not taxonomy.wheel or sorted(taxonomy.wheel) == sorted(taxonomy.labels)
    assert bool(taxonomy.wheel) <= bool(taxonomy.wheel_source)
    assert json.loads(run("show", name, "--json").stdout) == taxonomy.to_dict()
    assert run("show", name).exit_code == 0


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


def test_default_prompts_are_the_published_ones():
    assert get_taxonomy("mikels-8").templates[0] == "a photo that evokes {label}"
    assert get_taxonomy("polarity-2").templates[0] == "a photo that evokes a {label} feeling"


def test_people_read_the_usual_spelling_and_files_keep_the_source_s():
    taxonomy = get_taxonomy("parrott-25")
    shown = {label: taxonomy.display(label) for label in taxonomy.labels if taxonomy.display(label) != label}
    assert shown == {"cheerfullness": "cheerfulness", "irritabilty": "irritability"}
    assert Taxonomy.from_dict(taxonomy.to_dict()).displays == shown
    assert replace(taxonomy, displays={}) == taxonomy  # what was written before there were any reads as the same
    assert taxonomy.names()["irritability"] == "irritabilty"
    refused(BadInput, "display 'zest' is another label's name", replace, taxonomy, displays={"irritabilty": "zest"})


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
    label_of = {called.name.casefold(): label for label, called in names.items()}
    assert len(label_of) == len(taxonomy)
    for label, called in names.items():
        assert {label_of.get(word.casefold(), label) for word in called.synonyms} == {label}
        assert called.name.casefold() not in map(str.casefold, called.synonyms)
        if language in ("ja", "zh", "ar"):
            assert not [word for word in (called.name, *called.synonyms) if word.isascii()]


def test_names_by_a_machine_that_nobody_read_are_told_from_published_ones():
    mikels = get_taxonomy("mikels-8")
    assert mikels.translation("fear", "es").source == "Barbosa-De-la-Torre et al. 2019"
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


NAMED = """
name: mine
source: "somebody 2020"
parent: polarity-2
wheel: [calm, glee]
labels:
  glee:
    parent: positive
    synonyms: [mirth]
    place: {valence: 0.7, arousal: 0.5, source: somebody 2020}
    definition: "laughing without a reason"
    in:
      de: {name: Heiterkeit, synonyms: [Frohsinn], definition: "Lachen ohne Grund", source: "somebody 2021"}
      pt-BR: {name: euforia}
  calm: {parent: positive, display: calmness}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "mine.yaml").write_text(NAMED)
    return tmp_path / "mine.yaml"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", r"bad.yaml: not a readable YAML file"),
        ("- a\n- b\n", r"bad.yaml: expected keys such as name and labels, got \['a', 'b'\]"),
        ("name: x\nlabel: [a, b]\n", r"bad.yaml: unknown key 'label'; did you mean 'labels'"),
        ("name: x\nlabels: [yes, no]\n", r"label True is read as bool; put it in quotes"),
        ("name: x\nlabels: joy\n", r"labels: expected a list of names, or names with their entries, got 'joy'"),
        ("name: x\nlabels: [a, a]\n", r"a label is listed twice"),
        ("name: x\nlabels: [a]\n", r"expected at least two labels"),
        ("name: x\nlabels: {a: {synonym: [b]}, c: }\n", r"label 'a': unknown key 'synonym'; did you mean 'synonyms'"),
        ("name: x\nlabels: {a: b, c: }\n", r"label 'a': expected keys such as parent, got 'b'"),
        ("name: x\nlabels: {a: {place: {valence: 2, arousal: 0, source: s}}, c: }\n", r"lie on \[-1, 1\]"),
        ("name: x\nlabels: {a: {place: {valence: 1}}, c: }\n", r"place: expected valence, arousal and source"),
        ("name: x\ntemplates: ['a photo']\nlabels: [a, b]\n", r"prompt template 'a photo' has no \{label\}"),
        ("name: x\ntemplates: ['{label} {x}']\nlabels: [a, b]\n", r"expected \{label\} alone, but it has \{x\}"),
        ("name: x\ntemplates: ['{label} {']\nlabels: [a, b]\n", r"prompt template '\{label\} \{'"),
        ("name: x\ntemplates: '{label}'\nlabels: [a, b]\n", r"templates: expected a list of texts"),
        ("name: x\nwheel: [a]\nlabels: [a, b]\n", r"wheel must name each label once"),
        ("name: x\nlabels: {a: {in: Freude}, c: }\n", r"label 'a': in: expected names by language"),
        ("name: x\nlabels: {a: {in: {no: {name: b}}}, c: }\n", r"language False is read as bool; put it in quotes"),
        ("name: x\nlabels: {a: {in: {deutsch: {name: b}}}, c: }\n", r"in: 'deutsch' is no language's code"),
        ("name: x\nlabels: {a: {in: {de: b}}, c: }\n", r"label 'a': in de: expected keys such as name, got 'b'"),
        ("name: x\nlabels: {a: {in: {de: {names: b}}}, c: }\n", r"in de: unknown key 'names'; did you mean 'name'"),
        ("name: x\nlabels: {a: {in: {de: {source: b}}}, c: }\n", r"in de: expected the key 'name', got \['source'\]"),
        ("name: x\nlabels: {a: {in: {de: {name: yes}}}, c: }\n", r"in de: name True is read as bool; put it in quotes"),
        ("name: x\nlabels: {a: {in: {de: {name: b, synonyms: c}}}, c: }", r"in de: synonyms: expected a list of texts"),
        (
            "name: x\nlabels: {a: {in: {de: {name: Wut}}}, c: {in: {de: {name: wut}}}}\n",
            r"x: .* called 'wut' in de",
        ),
        # c has no German name, and so keeps its own
        ("name: x\nlabels: {a: {in: {de: {name: c}}}, c: }\n", r"'a' and 'c' are both called 'c' in de"),
        ("name: mikels-8\nlabels: [a, b]\n", r"the name mikels-8 is taken by a built-in taxonomy"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content, message):
    (tmp_path / "bad.yaml").write_text(content)
    refused(BadInput, message, get_taxonomy, str(tmp_path / "bad.yaml"))


def test_a_file_names_its_labels_in_languages(file):
    mine = get_taxonomy(file)
    assert mine.labels == ("glee", "calm")
    assert mine.templates == ("a photo that evokes {label}",)
    glee = LabelName("Heiterkeit", "Lachen ohne Grund", synonyms=("Frohsinn",), source="somebody 2021")
    assert mine.translations["de"]["glee"] == glee
    shown = [mine.display("glee", language) for language in ("de", "de-AT", "pt-BR", "pt", "en")]
    assert shown == ["Heiterkeit", "Heiterkeit", "euforia", "glee", "glee"]
    assert mine.display("calm", "de") == mine.display("calm") == "calmness"
    meant = [mine.definition("glee", language) for language in ("de", "pt-BR", "en")]
    assert meant == ["Lachen ohne Grund", "laughing without a reason", "laughing without a reason"]
    assert mine.definition("calm", "de") == ""
    assert mine.called("glee", ["de", "en"]) == {"Heiterkeit": "de", "Frohsinn": "de", "glee": "en", "mirth": "en"}
    assert mine.called("calm", ["de"]) == {"calmness": "en"}
    assert mine.names() == {"glee": "glee", "calm": "calm", "calmness": "calm", "mirth": "glee"}


def test_names_and_definitions_are_written_and_read_back_and_change_no_taxonomy(file):
    mine = get_taxonomy(file)
    assert Taxonomy.from_dict(mine.to_dict()) == mine
    back = Taxonomy.from_dict(json.loads(json.dumps(mine.to_dict())))
    assert (back.translations, back.definitions) == (mine.translations, mine.definitions)
    assert replace(mine, translations={}, definitions={}) == mine
    with pytest.raises(BadInput, match="translations to de names 'gleee', which is not a label"):
        replace(mine, translations={"de": {"gleee": LabelName("Heiterkeit")}})


def test_show_a_file_and_a_mapping(file):
    assert "somebody 2020" in run("show", file).stdout
    found = json.loads(run("show", file, "--to", "polarity-2", "--json").stdout)
    assert found["matrix"] == {"glee": {"positive": 1.0}, "calm": {"positive": 1.0}}
    assert found["unreachable"] == ["negative"]
    text = run("show", "parrott-25", "--to", "parrott-6", "--choose", "confusion=fear").stdout
    assert "choice: confusion -> fear (user: our reasoning" in text
    assert "choice: disgust -> anger (default" in text
    with pytest.raises(BadInput, match=r"--choose 'confusion': expected a pair"):
        run("show", "parrott-25", "--to", "parrott-6", "--choose", "confusion")


def test_a_parent_in_a_file_travels_with_the_taxonomy(tmp_path):
    labels = "{fear: {parent: bad}, joy: {parent: good}}"
    (tmp_path / "coarse.yaml").write_text("name: coarse\nlabels: [bad, good]\n")
    (tmp_path / "fine.yaml").write_text(f"name: fine\nparent: coarse.yaml\nlabels: {labels}\n")
    fine = get_taxonomy(tmp_path / "fine.yaml")
    for file in tmp_path.iterdir():
        file.unlink()
    kept = Taxonomy.from_dict(fine.to_dict())
    assert kept == fine
    assert [above.labels for above in ancestors(kept)] == [("bad", "good")]
    assert str(tmp_path) not in json.dumps(fine.to_dict())


def test_parents_that_go_in_circles_are_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("name: a\nparent: b.yaml\nlabels: {x: {parent: y}, w: {parent: y}}\n")
    (tmp_path / "b.yaml").write_text("name: b\nparent: a.yaml\nlabels: {y: {parent: x}, z: {parent: x}}\n")
    refused(BadInput, "its parent a.yaml is among its own descendants", get_taxonomy, tmp_path / "a.yaml")


def test_only_neutral_and_something_else_have_no_place():
    taxonomies = [get_taxonomy(name) for name in builtin_names()]
    without = {label for each in taxonomies for label in set(each.labels) - set(each.places)}
    assert without == {"neutral", "something else"}
