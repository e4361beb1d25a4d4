"""Commands that the disk or the user stops: one line, the right exit code, nothing half written."""

import errno
import itertools
import os
import pkgutil
import re
import shutil
from unittest.mock import Mock

import pytest

from affectml import train
from affectml._files import new_folder, replacing
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder


@pytest.fixture
def affectml(command):
    """`affectml(words)`: the command's exit code and what it wrote to standard error."""
    return lambda *words: command(*words)[::2]


WRITING = [["demo", "PLACE", "--images", "20"], ["train", "nowhere", "--out", "PLACE"]]


@pytest.mark.parametrize("place", ["file/new", "/proc/new"])
@pytest.mark.parametrize("words", WRITING, ids=lambda w: w[0])
def test_a_place_that_cannot_be_written_is_one_line(affectml, tmp_path, place, words):
    (tmp_path / "file").write_text("x")
    code, said = affectml(*[str(tmp_path / place) if word == "PLACE" else word for word in words])
    assert code == 2
    assert re.fullmatch("BadInput: .*; name another folder\n", said)


def test_a_full_disk_is_one_line_that_names_the_place_and_the_way_out(affectml, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    code, said = affectml("demo", tmp_path / "new", "--images", "20")
    reason = "No space left on device; free some space, or write elsewhere"
    assert (code, said, [*tmp_path.iterdir()]) == (2, f"OSError: {tmp_path / 'new'}: {reason}\n", [])


@pytest.mark.parametrize("inside", [None, "its own"])
def test_what_the_disk_refuses_is_said_of_the_file_that_was_asked_for(tmp_path, inside):
    for write in (replacing, new_folder):
        with pytest.raises(OSError, match="No space") as failed, write(tmp_path / "asked") as temporary:
            raise OSError(errno.ENOSPC, "No space", None if inside is None else str(temporary / "x"))
        assert failed.value.filename == str(tmp_path / "asked")
        with pytest.raises(FileNotFoundError) as failed, write(tmp_path / "asked"):
            (tmp_path / "other").read_text()
        assert failed.value.filename == str(tmp_path / "other")


def stop_at(patch, place, call):
    """Ctrl-C instead of that call of it."""
    module, _, name = place.rpartition(".")
    calls, original = itertools.count(1), getattr(pkgutil.resolve_name(module), name)

    def stop(*args, **options):
        if next(calls) == call:
            raise KeyboardInterrupt
        return original(*args, **options)

    patch.setattr(place, stop)


def files_in(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix() for path in paths}


PART = 10  # images; four parts make a data set
KEPT = "embedded and kept in new/embeddings/"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_clip, demo_set):
    """A folder with a run, the data set that it learned from, and two copies of it without embeddings."""
    folder = tmp_path_factory.mktemp("stopping")
    for copy in ("new", "data", "other"):
        shutil.copytree(demo_set(images=4 * PART, seed=3).root, folder / copy)
    encoder = f"local-dir:{tiny_clip}"
    embed_dataset(folder / "data", load_encoder(encoder, precision="fp32", threads=1))  # not what is fastest here
    train(folder / "data", encoder=encoder, out=folder / "run", threads=1, say=lambda line: None)
    return folder


GOING_ON = [
    (["embed", "new", "--encoder", "CLIP"], KEPT, 2),
    (["train", "new", "--multilabel", "--encoder", "CLIP"], KEPT, 4),
    (["evaluate", "--train", "new", "--on", "other", "--out", "grid"], KEPT, 4),
    (["evaluate", "run", "--on", "new", "--encoder", "CLIP", "--out", "a.csv"], KEPT, 2),
    (["predict", "run", "new"], KEPT, 4),
    (["predict", "run", "new/images", "--out", "out.csv"], "done and kept in out.csv.parts", 2),
    (["predict", "run", "new/images", "--out", "out.csv"], "done and kept in out.csv.parts", 4),
]


@pytest.mark.parametrize(("words", "kept", "at"), GOING_ON)
def test_what_a_stopped_command_says_is_kept_is_kept_and_gone_on_with(
    affectml, trained, tiny_clip, tmp_path, monkeypatch, words, kept, at
):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    words = [f"local-dir:{tiny_clip}" if word == "CLIP" else word for word in words]
    before = files_in(tmp_path)
    with monkeypatch.context() as patch:
        monkeypatch.setattr("affectml.parts.SIZE", PART)
        stop_at(patch, "affectml.embeddings._stream._done", at)
        code, said = affectml(*words, "--threads", "1")
    done = PART * (at - 1)
    stopped = rf"stopped: no result was written; {done} images are {kept}.*: the same command goes on from there"
    assert (code, bool(re.fullmatch(stopped, said.splitlines()[-1]))) == (130, True), said
    written = files_in(tmp_path) - before
    assert written
    assert all(name.startswith(("new/embeddings/", "out.csv.parts/")) for name in written)
    counted = []
    monkeypatch.setattr("affectml._progress.Progress.advance", lambda bar, count=1: counted.append(count))
    code, said = affectml(*words, "--threads", "1")
    assert code == 0, said
    if words[0] == "predict" and "--out" in words:
        assert f"going on after {done} of {4 * PART} images" in said
        assert sum(counted) == 4 * PART - done
    else:
        assert sum(counted[: 4 - (at - 1)]) == 4 * PART - done


STARTING_AGAIN = [
    ["demo", "new", "--images", "20"],
    ["import", "images", "data/images", "new", "--question", "What do you feel?", "--taxonomy", "mikels-8"],
    ["ask", "data", "--model", "m", "--out", "new.jsonl"],
]


@pytest.mark.parametrize("words", STARTING_AGAIN, ids=lambda words: words[0])
def test_a_stopped_command_that_says_nothing_was_written_wrote_nothing(affectml, trained, tmp_path, monkeypatch, words):
    shutil.copytree(trained / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    before = files_in(tmp_path)
    stop_at(monkeypatch, "os.fsync", 1)
    assert affectml(*words) == (130, "stopped: nothing was written: the same command starts again\n")
    assert files_in(tmp_path) == before


def test_other_commands_say_that_what_they_wrote_is_whole(affectml, monkeypatch):
    stop_at(monkeypatch, "affectml.data.Dataset.open", 1)
    assert affectml("audit", "nowhere") == (130, "stopped: what was written is whole\n")
