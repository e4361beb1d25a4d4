"""What stands at a path that somebody names is said, whatever it is, and a pipe is never waited for."""

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from affectml_annotation.exchange.files import no_file


@pytest.fixture(autouse=True)
def no_waiting():
    """A reader that waits for a pipe ends here, and not never."""

    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for a pipe"))
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("empty").touch()
    Path("text").write_text("x")
    os.mkfifo("pipe")
    os.mkfifo("pipe.yaml")
    os.mkfifo("folder/study.yaml")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        yield


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("text", ""),
        ("empty", "empty file"),
        ("folder", "a folder, not a file"),
        ("pipe", "a pipe (FIFO), not a file"),
        ("socket", "a socket, not a file"),
        ("/dev/null", "a device, not a file"),
        ("nowhere", "no such file"),
        ("text/below", "no such file"),
        ("x" * 5000, "cannot be read (File name too long)"),
    ],
)
def test_what_stands_there_is_said(places, place, says):
    assert no_file(Path(place)) == says


@pytest.mark.parametrize(
    "words",
    [
        "import table pipe out", "import embeddings pipe out", "import folder pipe out",
        "import embeddings x.npz out --csv pipe", "import webemo pipe out",
        "import datasets pipe out", "import clip-e pipe out", "embed pipe", "train pipe",
        "label attention --db x.db --add pipe", "label agreement pipe", "study pay folder --paid-list pipe",
        "evaluate pipe", "taxonomy show pipe.yaml", "label import pipe --db x.db", "study check folder",
    ],
)  # fmt: skip
def test_no_command_waits_for_a_pipe_or_calls_it_missing(places, command, words):
    code, _, said = command(*words.split())
    assert code == 2
    assert re.search(r"(pipe|\.yaml): a pipe \(FIFO\), not a file", said)
