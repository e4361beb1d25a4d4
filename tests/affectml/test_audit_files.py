"""What the files of a data set promise is so when they are written, and told when it is not."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from affectml.auditing import audit_files
from affectml_annotation import LabelStore, Task


@pytest.fixture(scope="module")
def written(demo_set):
    """A folder with a data set, embedded; read only."""
    return demo_set(images=20, seed=3, embedded=True).root.parent


@pytest.fixture
def place(written, tmp_path):
    """A copy of it, to break."""
    shutil.copytree(written, tmp_path / "place")
    return tmp_path / "place"


def wrong(folder: Path) -> dict[str, str]:
    """What is wrong, by promise."""
    return {each.promise: "\n".join(each.wrong) for each in audit_files(folder) if each.wrong}


def first_twice(table):
    return pd.concat([table, table.iloc[:1]])


def nan_in_it(content: bytes) -> bytes:
    return content[:128] + b"\xff" * 8 + content[136:]  # behind numpy's header


def damage(folder: Path, file: str, change: object) -> None:
    """Write a file anew, changed: None takes it away, bytes take its place, and of JSON these keys are others."""
    path = next(folder.glob(file))
    if change is None:
        path.unlink()
    elif isinstance(change, bytes):
        path.write_bytes(change)
    elif isinstance(change, dict):
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    elif path.suffix == ".parquet":
        change(pd.read_parquet(path)).to_parquet(path)
    else:
        path.write_bytes(change(path.read_bytes()))


# A file of the copy, what is done to it, and the promise with the words that say so.
STORE = "embeddings/*/"
FEW = {"selections": {"few": {"file": "few.parquet"}}}
FAULTS = [
    ("dataset.json", b"{", "dataset.json describes", "not valid JSON"),
    ("dataset.json", FEW, "few.parquet holds selection few", "no such file"),
    ("images.parquet", b"PAR1", "images.parquet", "Parquet"),
    ("images.parquet", first_twice, "images.parquet names each", "two rows"),
    ("images/*", None, "every image file can be read", "no such file"),
    ("images/*", lambda content: content[:200], "every image file can be read", "cannot be read whole"),
    ("targets-emotions.parquet", lambda t: t.assign(n=1), "emotions.parquet holds target", "more votes than people"),
    ("annotations.parquet", lambda t: t.iloc[200:], "target emotions counts answers that are there", "make it again"),
    ("annotations.parquet", first_twice, "annotations.parquet", "same person, image"),
    ("annotators.parquet", first_twice, "annotators.parquet", "two rows"),
    (f"{STORE}list-*.parquet", None, "the parts have a finite", "no list names its images"),
    (f"{STORE}encoder.json", None, "encoder.json says", "no encoder.json there"),
    (f"{STORE}part-*.npy", nan_in_it, "the parts have a finite", "is not finite"),
    (f"{STORE}part-*.npy", lambda content: content[:99], "the lists say which image", "not a readable part"),
    (f"{STORE}part-*.npy", lambda content: content[:-9], "the lists say which image", "does not end with what made it"),
]


def test_what_was_just_written_keeps_every_promise(written):
    folder = written / "demo"
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert len(audit_files(folder)) >= 4
    assert wrong(folder) == {}
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_nothing_is_said_of_files_that_a_data_set_has_not(place):
    for name in ("annotations", "annotators"):
        (place / f"demo/{name}.parquet").unlink()
        assert not any(each.promise.startswith(name) for each in audit_files(place / "demo"))


def test_an_image_that_a_selection_alone_has_is_named(place):
    damage(place, "demo/dataset.json", FEW)
    pd.DataFrame({"image_id": ["nobody", "000001"]}).to_parquet(place / "demo" / "few.parquet")
    assert "image 'nobody' is not in images.parquet" in wrong(place / "demo")["few.parquet holds selection few"]


@pytest.mark.parametrize(("file", "change", "promise", "words"), FAULTS)
def test_a_broken_promise_is_told_by_name_with_the_file(place, file, change, promise, words):
    damage(place / "demo", file, change)
    (told,) = (said for name, said in wrong(place / "demo").items() if promise in name)
    assert words in told
    assert str(place / "demo") in told


def test_the_command_ends_with_1_where_a_promise_is_broken_and_writes_nothing(place, command):
    before, asked = sorted(place.rglob("*")), ("audit", place / "demo", "--files")
    code, out, _ = command(*asked)
    assert (code, "promises are kept" in out, sorted(place.rglob("*"))) == (0, True, before)
    next(place.glob("demo/images/*")).unlink()
    code, out, _ = command(*asked)
    assert (code, "WRONG  every image file can be read" in out) == (1, True)
    wrong = [each["promise"] for each in json.loads(command(*asked, "--json")[1])["promises"] if each["wrong"]]
    assert wrong == ["every image file can be read"]
    assert command(*asked, "--write-groups")[2] == "BadInput: --files writes nothing: leave out --write-groups\n"
    code, _, said = command("audit", place, "--files")
    assert (code, "no dataset.json there; name a data set or a label database" in " ".join(said.split())) == (2, True)


def test_the_command_checks_a_label_database_too(tmp_path, command):
    with LabelStore(tmp_path / "labels.db") as store:
        store.init_task(Task(labels=("awe", "fear"), question="What do you feel?"), ["a", "b"])
        assert command("audit", tmp_path / "labels.db", "--files")[0] == 0
        with store.database.write() as connection:
            connection.exec_driver_sql("UPDATE slot SET taken = 2")
        assert command("audit", tmp_path / "labels.db", "--files", "--json")[0] == 1
