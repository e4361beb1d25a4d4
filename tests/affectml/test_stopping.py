"""Commands that the disk or the user stops: one line, the right exit code, nothing half written."""

import errno
import os
import sys

import pytest

from affectml._files import new_folder, replacing
from affectml.cli import main


@pytest.fixture
def affectml(monkeypatch, capsys):
    """`affectml(words)`: the command's exit code and what it wrote to standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["affectml", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.fixture
def nothing_is_looked_up(monkeypatch):
    """Folders that are not there get as far as the work itself."""
    monkeypatch.setattr("affectml.cli.runs.there", lambda **folders: None)


@pytest.fixture
def no_room(monkeypatch):
    """From now on, whatever is renamed into place finds the disk full."""

    def refuse(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("affectml._files.os.fsync", refuse)


@pytest.mark.parametrize("place", ["file/new", "/proc/new"])
@pytest.mark.parametrize(
    "words", [["demo-data", "PLACE", "--images", "20"], ["train", "nowhere", "--out", "PLACE"]], ids=lambda w: w[0]
)
def test_a_place_that_cannot_be_written_is_one_line(affectml, nothing_is_looked_up, tmp_path, place, words):
    (tmp_path / "file").write_text("x")
    code, said = affectml(*[str(tmp_path / place) if word == "PLACE" else word for word in words])
    assert code == 2
    assert said.startswith("BadInput: ")
    assert said.endswith("; name another folder\n")
    assert said.count("\n") == 1


def test_a_full_disk_is_one_line_that_names_the_place_and_the_way_out(affectml, tmp_path, no_room):
    code, said = affectml("demo-data", tmp_path / "new", "--images", "20")
    reason = "No space left on device; free some space, or write elsewhere"
    assert (code, said) == (2, f"OSError: {tmp_path / 'new'}: {reason}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", [None, "its own"])
def test_what_the_disk_refuses_is_said_of_the_file_that_was_asked_for(tmp_path, inside):
    for write in (replacing, new_folder):
        with pytest.raises(OSError, match="No space") as failed, write(tmp_path / "asked") as temporary:
            raise OSError(errno.ENOSPC, "No space", None if inside is None else str(temporary / "x"))
        assert failed.value.filename == str(tmp_path / "asked")
        with pytest.raises(FileNotFoundError) as failed, write(tmp_path / "asked"):
            (tmp_path / "other").read_text()
        assert failed.value.filename == str(tmp_path / "other")


@pytest.mark.parametrize(
    ("words", "where", "says"),
    [
        (["train", "x"], "affectml.training.train_run", "Images embedded so far are kept: the same command goes on"),
        (["embed", "x"], "affectml.data.Dataset.open", "the same command goes on from there"),
        (["demo-data", "x"], "affectml.demo_set.write_demo", "nothing was written: the same command starts again"),
        (["predict", "x", "y"], "affectml.predicting.predict_images", "the same command goes on from there"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(affectml, nothing_is_looked_up, monkeypatch, words, where, says):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, stop)
    code, said = affectml(*words)
    assert code == 130
    assert said.startswith("stopped: ")
    assert said.count("\n") == 1
    assert says in said
