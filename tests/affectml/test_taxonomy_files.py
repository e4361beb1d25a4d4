"""A user's own taxonomy file, and the commands that show taxonomies."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from affectml.cli.taxonomy import app
from affectml.errors import BadInput
from affectml.taxonomies import LabelName, Taxonomy, ancestors, builtin_names, describe, get_taxonomy, polarity_of

OWN = """
name: mine
source: "somebody 2020"
parent: polarity-2
wheel: [calm, glee]
labels:
  glee:
    parent: positive
    synonyms: [mirth]
    place: {valence: 0.7, arousal: 0.5, source: somebody 2020}
  calm: {parent: positive}
"""


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_file_reads_as_a_taxonomy(tmp_path):
    (tmp_path / "mine.yaml").write_text(OWN)
    mine = get_taxonomy(tmp_path / "mine.yaml")
    assert mine.labels == ("glee", "calm")
    assert mine.prompts() == ["a photo that evokes glee", "a photo that evokes calm"]
    assert Taxonomy.from_dict(mine.to_dict()) == mine


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", r"bad.yaml: not a readable YAML file"),
        ("- a\n- b\n", r"bad.yaml: expected keys such as name and labels, got list"),
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
        ("name: x\nother_wheels: {w: [a, b]}\nlabels: [a, b]\n", r"wheel 'w': expected the keys order and source"),
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
            r"taxonomy x: 'a' and 'c' are both called 'wut' in de; give one of them another name",
        ),
        # c has no German name, and so keeps its own
        ("name: x\nlabels: {a: {in: {de: {name: c}}}, c: }\n", r"'a' and 'c' are both called 'c' in de"),
        ("name: mikels-8\nlabels: [a, b]\n", r"the name mikels-8 is taken by a built-in taxonomy"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content, message):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(BadInput, match=message):
        get_taxonomy(str(tmp_path / "bad.yaml"))


NAMED = """
name: mine
labels:
  glee:
    synonyms: [mirth]
    definition: "laughing without a reason"
    in:
      de: {name: Heiterkeit, synonyms: [Frohsinn], definition: "Lachen ohne Grund", source: "somebody 2021"}
      pt-BR: {name: euforia}
  gloom: {display: gloominess}
"""


def written(folder):
    (folder / "mine.yaml").write_text(NAMED)
    return get_taxonomy(folder / "mine.yaml")


def test_a_file_names_its_labels_in_languages(tmp_path):
    mine = written(tmp_path)
    glee = LabelName("Heiterkeit", "Lachen ohne Grund", synonyms=("Frohsinn",), source="somebody 2021")
    assert mine.translations["de"]["glee"] == glee
    shown = [mine.display("glee", language) for language in ("de", "de-AT", "pt-BR", "pt", "en")]
    assert shown == ["Heiterkeit", "Heiterkeit", "euforia", "glee", "glee"]
    assert mine.display("gloom", "de") == mine.display("gloom") == "gloominess"
    meant = [mine.definition("glee", language) for language in ("de", "pt-BR", "en")]
    assert meant == ["Lachen ohne Grund", "laughing without a reason", "laughing without a reason"]
    assert mine.definition("gloom", "de") == ""
    assert mine.called("glee", ["de", "en"]) == {"Heiterkeit": "de", "Frohsinn": "de", "glee": "en", "mirth": "en"}
    assert mine.called("gloom", ["de"]) == {"gloominess": "en"}
    assert mine.names() == {"glee": "glee", "gloom": "gloom", "gloominess": "gloom", "mirth": "glee"}


def test_names_and_definitions_are_written_and_read_back_and_change_no_taxonomy(tmp_path):
    mine = written(tmp_path)
    back = Taxonomy.from_dict(json.loads(json.dumps(mine.to_dict())))
    assert (back.translations, back.definitions) == (mine.translations, mine.definitions)
    assert replace(mine, translations={}, definitions={}) == mine
    with pytest.raises(BadInput, match="translations to de names 'gleee', which is not a label"):
        replace(mine, translations={"de": {"gleee": LabelName("Heiterkeit")}})


def test_polarity_follows_the_parents():
    assert polarity_of(get_taxonomy("parrott-25"))["horror"] == "negative"
    assert "confusion" not in polarity_of(get_taxonomy("parrott-25"))
    assert polarity_of(get_taxonomy("ekman-7"))["neutral"] == "neutral"
    assert polarity_of(get_taxonomy("polarity-2")) == {"negative": "negative", "positive": "positive"}
    assert polarity_of(Taxonomy(name="x", labels=("a", "b"))) == {}


def test_list_names_all_of_them():
    shown = run("list").stdout
    found = json.loads(run("list", "--json").stdout)
    assert [entry["name"] for entry in found] == list(builtin_names())
    assert all(name in shown for name in builtin_names())


@pytest.mark.parametrize("name", builtin_names())
def test_show_says_what_is_known(name):
    found = json.loads(run("show", name, "--json").stdout)
    assert found == describe(get_taxonomy(name))
    assert list(found["labels"]) == list(get_taxonomy(name).labels)
    assert run("show", name).exit_code == 0


def test_show_a_file_and_a_mapping(tmp_path):
    (tmp_path / "mine.yaml").write_text(OWN)
    assert "somebody 2020" in run("show", tmp_path / "mine.yaml").stdout
    found = json.loads(run("show", tmp_path / "mine.yaml", "--to", "polarity-2", "--json").stdout)
    assert found["matrix"] == {"glee": {"positive": 1.0}, "calm": {"positive": 1.0}}
    assert found["unreachable"] == ["negative"]
    text = run("show", "parrott-25", "--to", "parrott-6", "--choose", "confusion=fear").stdout
    assert "choice: confusion -> fear (user: our reasoning" in text
    assert "choice: disgust -> anger (default" in text
    with pytest.raises(BadInput, match=r"--choose 'confusion': expected FROM=TO"):
        run("show", "parrott-25", "--to", "parrott-6", "--choose", "confusion")


def test_show_names_in_a_language(tmp_path):
    text = run("show", "mikels-8", "--language", "es").stdout
    assert "Barbosa-De-la-Torre" in text
    assert "4 of 8 names were chosen by a machine, and nobody is said to have read them" in text
    (tmp_path / "mine.yaml").write_text(NAMED)
    text = run("show", tmp_path / "mine.yaml", "--language", "de").stdout
    assert "Lachen ohne Grund" in text
    assert "without a name in de, so people read the label: gloom" in text
    found = json.loads(run("show", tmp_path / "mine.yaml", "--language", "pt-BR", "--json").stdout)
    assert found == {"glee": {"name": "euforia"}, "gloom": None}
    with pytest.raises(BadInput, match="'deutsch' is no language's code"):
        run("show", "mikels-8", "--language", "deutsch")
    with pytest.raises(BadInput, match="--language and --to show different things"):
        run("show", "mikels-8", "--language", "de", "--to", "polarity-2")


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
    with pytest.raises(BadInput, match="its parent a.yaml is among its own descendants"):
        get_taxonomy(tmp_path / "a.yaml")
