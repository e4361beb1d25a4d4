"""The import commands: parse, call, print."""

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from affectml.cli.import_ import app
from affectml.errors import BadInput
from affectml.importers import ImportSummary, import_folder, parse_list, parse_mapping


@pytest.fixture
def classes(tmp_path):
    for name in ("happy", "fear"):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.new("RGB", (5, 5)).save(tmp_path / "in" / name / "1.jpg")
    (tmp_path / "in" / "fear" / "2.jpg").write_text("no image")
    (tmp_path / "t.csv").write_text("file,happy,fear\nin/happy/1.jpg,3,1\nin/fear/1.jpg,0,2\n")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_folder_prints_what_came_and_what_did_not(classes):
    result = run("folder", classes / "in", classes / "out", "--map", "happy=joy", "--source", "me", "--licence", "CC0")
    assert result.exit_code == 0
    for expected in ("imported in", "fear, joy", "single (single)", "1 images: not an image", "happy -> joy"):
        assert expected in " ".join(result.stdout.split())
    meta = json.loads((classes / "out" / "dataset.json").read_text())
    assert (meta["source"], meta["licence"], meta["targets"]["single"]["construct"]) == ("me", "CC0", "query")


def test_json_is_the_summary(classes):
    result = run("folder", classes / "in", classes / "out", "--json")
    found = json.loads(result.stdout)
    assert (found["images"], found["labels"], found["targets"]) == (2, ["fear", "happy"], {"single": "single"})
    assert found["skipped"] == {"images: not an image": [str(classes / "in" / "fear" / "2.jpg")]}


def test_table_takes_its_options(classes):
    options = ("--label-columns", "happy,fear", "--vote-rule", "set_split", "--construct", "expressed", "--json")
    found = json.loads(run("table", classes / "t.csv", classes / "out", *options, "--images", "hardlink").stdout)
    assert (found["construct"], found["targets"]) == ("expressed", {"distribution": "distribution"})
    assert (classes / "out/images/in/happy/1.jpg").samefile(classes / "in/happy/1.jpg")
    meta = json.loads((classes / "out" / "dataset.json").read_text())
    assert meta["targets"]["distribution"]["vote_rule"] == "set_split"


def test_errors_are_left_to_the_command_line(classes):
    with pytest.raises(BadInput, match=r"--map 'happy': expected FROM=TO"):
        run("folder", classes / "in", classes / "out", "--map", "happy")
    with pytest.raises(BadInput, match=r"'a' is renamed to both 'b' and 'c'"):
        parse_mapping(["a=b", "a=c"])
    assert parse_list(None) is None


def test_a_written_data_set_sums_up_to_what_its_importer_said(classes):
    from affectml.data import Dataset

    said = import_folder(classes / "in", classes / "out")
    again = ImportSummary.of(Dataset.open(classes / "out"))
    assert again.rows() == [row for row in said.rows() if row[0] != "skipped"]


@pytest.mark.real_data
def test_oasis_and_embeddings(real_data, tmp_path):
    found = json.loads(run("oasis", real_data / "oasis", tmp_path / "o", "--images", "hardlink", "--json").stdout)
    assert (found["images"], found["construct"]) == (598, "evoked")
    source = real_data / "emotion6" / "emotion6_clip_vit_l_14.npz"
    found = json.loads(run("embeddings", source, tmp_path / "e", "--json").stdout)
    assert (found["images"], found["splits"]["test"], found["taxonomy"]) == (1980, 594, "ekman-6")
