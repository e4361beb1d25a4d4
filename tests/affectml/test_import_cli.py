"""The import commands: made of the importers' options; they parse, call and print."""

import errno
import json
import shutil
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from affectml.cli import main
from affectml.cli.import_ import app
from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.importers import (
    ImportSummary,
    TableSpec,
    get_importer,
    import_folder,
    import_table,
    names,
    parse_list,
    parse_mapping,
)


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
    said = import_folder(classes / "in", classes / "out")
    again = ImportSummary.of(Dataset.open(classes / "out"))
    assert again.rows() == [row for row in said.rows() if row[0] != "skipped"]


OUTSIDE = '''
"""Two folders, good and bad."""

from typing import Annotated

from affectml.importers import About, Help, Source, importer
from affectml.importers.draft import draft, image_table, one_hot
from affectml.taxonomies import get_taxonomy

ABOUT = About(name="{name}", construct="evoked", question="Good?", source="me", licence="CC0")


@importer("{name}", ABOUT)
def read(source: Source, *, best_first: Annotated[bool, Help("Turn the order.")] = False):
    """Good and bad pictures: PATH holds good/ and bad/."""
    files = sorted(source.path.rglob("*.jpg"), reverse=best_first)
    ids = [file.relative_to(source.path).as_posix() for file in files]
    result = draft(source, image_table(ids, ids), files)
    target = one_hot(ids, [int(name.startswith("good")) for name in ids], get_taxonomy("polarity-2"))
    result.add("single", "single", target, get_taxonomy("polarity-2"), values="indicator", made_by="folder")
    return result
'''


@pytest.mark.parametrize("called", ["goodbad", "outside_importer:read"])
def test_an_importer_from_outside_the_package_is_a_command(tmp_path, monkeypatch, called):
    from affectml.importers import _registry

    monkeypatch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "outside_importer", raising=False)
    (tmp_path / "outside_importer.py").write_text(OUTSIDE.format(name="goodbad"))
    for name in ("good", "bad"):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.new("RGB", (5, 5)).save(tmp_path / "in" / name / "1.jpg")
    if ":" not in called:
        __import__("outside_importer")
        assert "Good and bad pictures" in run("--help").stdout
    assert "--best-first" in run(called, "--help").stdout
    run(called, tmp_path / "in", tmp_path / "out", "--best-first", "--name", "mine")
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.images["image_id"].tolist() == ["good/1.jpg", "bad/1.jpg"]
    assert (dataset.name, dataset.meta.licence, dataset.target("single").table.tolist()) == (
        "mine",
        "CC0",
        [[0, 1], [1, 0]],
    )


def test_an_importer_that_is_not_there_is_named_with_the_nearest(classes):
    assert "Did you mean 'emoset'" in " ".join(CliRunner().invoke(app, ["emosets", "a", "b"]).output.split())
    with pytest.raises(BadInput, match=r"no importer 'emosets'; did you mean 'emoset'\?"):
        get_importer("emosets")
    for name in ("no_such_module:read", "json:loads"):
        with pytest.raises(BadInput, match=name):
            get_importer(name)


def test_an_option_that_an_importer_lacks_is_named_with_the_nearest(classes):
    with pytest.raises(TypeError, match="no option 'label_colum'; did you mean 'label_column'"):
        import_table(classes / "t.csv", classes / "out", label_colum="happy")
    with pytest.raises(TypeError, match="'kind' belongs in spec"):
        import_table(classes / "t.csv", classes / "out", spec=TableSpec(), kind="rates")


def test_a_table_spec_and_its_fields_as_keywords_are_one(classes):
    fields = {"label_columns": ("happy", "fear"), "vote_rule": "set_split"}
    import_table(classes / "t.csv", classes / "a", **fields)
    import_table(classes / "t.csv", classes / "b", spec=TableSpec(**fields))
    a, b = Dataset.open(classes / "a"), Dataset.open(classes / "b")
    (target,) = a.meta.targets
    assert a.meta == b.meta
    assert a.fingerprint(target) == b.fingerprint(target)


def test_every_importer_states_what_each_of_its_options_does():
    for name in names():
        found = get_importer(name)
        assert all(option.help.text for option in found.options()), name
        assert found.summary


def test_embeddings_without_labels_are_summed_up(tmp_path):
    import numpy as np

    np.savez(tmp_path / "f.npz", image=np.array(["a.jpg", "b.jpg"]), embedding=np.ones((2, 3)))
    found = json.loads(run("embeddings", tmp_path / "f.npz", tmp_path / "out", "--json").stdout)
    assert (found["images"], found["labels"], found["targets"]) == (2, [], {})


def full_disk(source, target):
    target.write_bytes(b"half")
    raise OSError(errno.ENOSPC, "No space left on device", str(target))


def test_a_full_disk_is_one_line_and_leaves_nothing(classes, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "copyfile", full_disk)
    monkeypatch.setattr(sys, "argv", ["affectml", "import", "folder", str(classes / "in"), str(classes / "out")])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr().err.strip()
    assert stopped.value.code == 2
    assert said.endswith("1.jpg: No space left on device; nothing was written")
    assert "\n" not in said
    assert sorted(path.name for path in classes.iterdir()) == ["in", "t.csv"]


def test_a_folder_that_cannot_be_read_is_an_error_and_not_passed_over(classes, monkeypatch):
    import os

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


@pytest.mark.real_data
def test_oasis_and_embeddings(real_data, tmp_path):
    found = json.loads(run("oasis", real_data / "oasis", tmp_path / "o", "--images", "hardlink", "--json").stdout)
    assert (found["images"], found["construct"]) == (598, "evoked")
    source = real_data / "emotion6" / "emotion6_clip_vit_l_14.npz"
    found = json.loads(run("embeddings", source, tmp_path / "e", "--json").stdout)
    assert (found["images"], found["splits"]["test"], found["taxonomy"]) == (1980, 594, "ekman-6")
