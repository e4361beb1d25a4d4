"""The import commands: made of the importers' options; they parse, call and print."""

import errno
import json
import os
import shutil
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from affectml import importers
from affectml._own import import_module
from affectml.cli.import_ import app
from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.importers import ImportSummary, get_importer, import_folder, import_table, registry

from .checks import refused
from .fuzz.sources import picture


@pytest.fixture
def classes(tmp_path):
    for name in ("happy", "fear"):
        picture(tmp_path / "in" / name / "1.jpg")
    (tmp_path / "in" / "fear" / "2.jpg").write_text("no image")
    (tmp_path / "t.csv").write_text("file,happy,fear\nin/happy/1.jpg,3,1\nin/fear/1.jpg,0,2\nin/fear/2.jpg,1,1\n")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_folder_prints_what_came_and_what_did_not(classes, told):
    facts = ["--map", "happy=joy", "--source", "me", "--licence", "CC0"]
    printed = " ".join(told("import", "folder", classes / "in", classes / "out", *facts).split())
    for expected in ("imported in", "fear, joy", "single (single)", "images: not an image: 1 (", "happy -> joy"):
        assert expected in printed
    meta = Dataset.open(classes / "out").meta
    assert (meta.source, meta.licence, meta.targets["single"].construct) == ("me", "CC0", "query")


def test_table_takes_its_options(classes):
    options = ("--label-columns", "happy,fear", "--vote-rule", "set_split", "--construct", "expressed", "--json")
    found = json.loads(run("table", classes / "t.csv", classes / "out", *options, "--images", "hardlink").stdout)
    assert (found["construct"], found["targets"]) == ("expressed", {"distribution": "distribution"})
    assert (found["images"], found["labels"]) == (2, ["fear", "happy"])
    assert found["skipped"] == {"images: not an image": [str(classes / "in" / "fear" / "2.jpg")]}
    assert (classes / "out/images/in/happy/1.jpg").samefile(classes / "in/happy/1.jpg")
    assert Dataset.open(classes / "out").meta.targets["distribution"].vote_rule == "set_split"


@pytest.mark.parametrize(
    ("pairs", "says"), [(["happy"], "--map 'happy': expected a pair"), (["a=b", "a=c"], "is both")]
)
def test_a_mapping_that_is_none_is_refused(pairs, says):
    refused(BadInput, says, importers.parse_mapping, pairs)


def test_a_written_data_set_sums_up_to_what_its_importer_said(classes):
    said = import_folder(classes / "in", classes / "out")
    again = ImportSummary.of(Dataset.open(classes / "out"))
    assert again.rows() == [row for row in said.rows() if row[0] != "skipped"]


@pytest.fixture
def outside(tmp_path, monkeypatch, contributed):
    """The working folder with CONTRIBUTING.md's own importer, which nobody has imported yet; and its data."""
    contributed("my_importers")
    get_importer("folder")  # registered for good, before what follows is forgotten again
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    for number in (1, 2, 3):
        picture(tmp_path / f"{number}.jpg")
    boxes = [(1, 7, 0), (1, 8, 0), (2, 8, 1)]
    keys = ("image_id", "category_id", "iscrowd")
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2, 3)],
        "categories": [{"id": 7, "name": "joy"}, {"id": 8, "name": "awe"}],
        "annotations": [{"id": at, **dict(zip(keys, box, strict=True))} for at, box in enumerate(boxes)],
    }
    (tmp_path / "people.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(("called", "by"), [("boxes", "module"), ("boxes", "package"), ("my_importers:boxes", "place")])
def test_an_importer_from_outside_the_package_is_a_command(outside, installed, called, by):
    if by == "module":  # as `affectml --import my_importers import boxes` does
        import_module("my_importers")
        assert "Boxes around people" in run("--help").stdout
    elif by == "package":
        installed("affectml-boxes", importers={"boxes": "my_importers:boxes"})
        assert "Of the installed package affectml-boxes 1.0." in " ".join(run("--help").stdout.split())
        assert "my_importers" not in sys.modules
    assert "--crowds" in run(called, "--help").stdout
    said = run(called, outside / "people.json", outside / "out", "--crowds", "--name", "mine", "--licence", "CC0")
    assert "expressed" in said.stdout
    data = Dataset.open(outside / "out")
    meta, sets = data.meta, data.target("sets")
    assert (meta.name, meta.licence, sets.meta.question) == ("mine", "CC0", "What does this person feel?")
    assert sets.image_id.tolist() == ["1.jpg", "2.jpg"], "nobody spoke of 3.jpg"
    assert sets.table.tolist() == [[1, 1], [1, 0]], "awe, joy"


def test_a_package_whose_importer_fails_is_named_in_one_line(outside, installed):
    (outside / "broken.py").write_text("raise RuntimeError('two\\nlines')")
    installed("affectml-boxes", importers={"boxes": "broken:boxes", "folder": "broken:folder"})
    with pytest.raises(BadInput, match=r"^importer 'boxes': package affectml-boxes 1\.0 fails \(.*: two lines\)"):
        run("boxes", outside / "people.json", outside / "out")
    with pytest.raises(BadInput, match=r"^importer 'folder': affectml and affectml-boxes 1\.0 have one of this name"):
        run("folder", outside, outside / "out")


def test_no_importer_writes_outside_its_folder(outside):
    (outside / "in").mkdir()
    content = (outside / "people.json").read_text().replace('"1.jpg"', '"../../1.jpg"')
    (outside / "in" / "people.json").write_text(content)
    before = sorted(outside.rglob("*"))
    with pytest.raises(BadInput, match=r"'images/../../1\.jpg' leads out of the data set"):
        run("my_importers:boxes", outside / "in" / "people.json", outside / "in" / "out")
    assert [path for path in sorted(outside.rglob("*")) if "__pycache__" not in path.parts] == before


def test_an_importer_that_is_not_there_is_named_with_the_nearest(classes):
    assert "Did you mean 'emoset'" in " ".join(CliRunner().invoke(app, ["emosets", "a", "b"]).output.split())
    refused(BadInput, r"no importer 'emosets'; did you mean 'emoset'\?", get_importer, "emosets")
    for name, says in (("no_such_module:read", "cannot import 'no_such_module'"), ("json:loads", "json:loads: exp")):
        refused(BadInput, says, get_importer, name)


def test_an_option_that_an_importer_lacks_is_named_with_the_nearest(classes):
    with pytest.raises(TypeError, match="no option 'label_colum'; did you mean 'label_column'"):
        import_table(classes / "t.csv", classes / "out", label_colum="happy")


def test_every_importer_states_what_each_of_its_options_does():
    for name in registry.names():
        found = get_importer(name)
        assert all(option.help.text for option in found.options()), name
        assert found.summary


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(errno.ENOSPC, "full"), 2, "BadInput: {}: No space left on device; nothing was written\n"),
        (KeyboardInterrupt(), 130, "stopped: nothing was written: the same command starts again\n"),
    ],
    ids=["full disk", "Ctrl-C"],
)
def test_an_import_that_cannot_end_is_one_line_and_leaves_nothing(classes, monkeypatch, command, error, code, says):
    def stop(source, target):
        target.write_bytes(b"half")
        raise error

    monkeypatch.setattr(shutil, "copyfile", stop)
    out = classes / "deep" / "out"
    for words in (("folder", classes / "in"), ("table", classes / "t.csv", "--label-columns", "happy,fear")):
        assert command("import", *words[:2], out, *words[2:]) == (code, "", says.format(out))
    assert sorted(path.name for path in classes.iterdir()) == ["in", "t.csv"]


def test_a_folder_that_cannot_be_read_is_an_error_and_not_passed_over(classes, monkeypatch):
    scan = os.scandir

    def closed(path):
        if str(path).endswith("deep"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    (classes / "in" / "fear" / "deep").mkdir()
    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(BadInput, match=r"fear/deep: cannot be read \(Permission denied\)"):
        import_folder(classes / "in", classes / "out")
    assert not (classes / "out").exists()


def test_a_huge_picture_comes_in_without_a_warning(classes):
    Image.new("1", (12_000, 12_000)).save(classes / "in" / "fear" / "huge.png")  # warnings are errors here
    assert import_folder(classes / "in", classes / "out").images == 3
