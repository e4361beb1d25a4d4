"""`affectml label import`: what is asked, what is found, what each message names."""

import re
import shutil
from pathlib import Path

import pytest

from affectml_annotation import LabelStore

PAGE = Path(__file__).resolve().parents[2] / "docs" / "photographs.md"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def task(run, made, tmp_path):
    """A task on six photographs, whose images are called 0 to 5: the first of its kind, or a copy."""
    from PIL import Image

    if not (made / "photos").exists():
        (made / "photos").mkdir()
        for number in range(6):
            Image.new("RGB", (8, 8), (40 * number, 0, 90)).save(made / "photos" / f"{number}.jpg")
        run("import", "images", made / "photos", made / "set", "--taxonomy", "mikels-8")
        run("label", "init", made / "set", "--overlap", "60")
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "set-labels.db"


def write(folder: Path, *rows: str, header: str = "image_id,annotator_id,labels") -> Path:
    (folder / "people.csv").write_text("\n".join([header, *rows, ""]))
    return folder / "people.csv"


def said(db) -> list[tuple[str, str, str, list[str]]]:
    with LabelStore(db) as store:
        table = store.judgements()
    return list(table[["image_id", "annotator_id", "kind", "labels"]].itertuples(index=False, name=None))


def test_the_file_that_the_documentation_shows_is_imported(run, task, tmp_path):
    shown = re.search(r"((?:    [^\n]+\n)+)", PAGE.read_text(encoding="utf-8").split("## Answers given elsewhere")[1])
    (tmp_path / "people.csv").write_text(re.sub("^    ", "", shown[1], flags=re.M))
    with LabelStore(task) as store:
        first = store.images()["image_id"].iloc[0]
    run("label", "import", tmp_path / "people.csv", "--db", task, "--invite")
    assert said(task) == [
        (first, "ann", "labels", ["awe", "contentment"]),
        (first, "ben", "none", []),
        (first.replace("0", "1"), "ann", "labels", ["fear"]),
        (first.replace("0", "1"), "ben", "skip", []),
    ]


def test_a_photograph_is_found_by_what_people_call_it(run, task, tmp_path):
    names = ["0", "0.jpg", "images/0.jpg", "photos\\0.jpg", "/home/ann/photos/0.JPG"]
    rows = [f"{name},p{at},awe" for at, name in enumerate(names)]
    run("label", "import", write(tmp_path, *rows), "--db", task, "--invite")
    with LabelStore(task) as store:
        files = dict(zip(store.images()["image_id"], store.images()["file"], strict=True))
    assert [files[image] for image, *_ in said(task)] == ["images/0.jpg"] * len(names)


def test_an_empty_cell_is_asked_about_and_nothing_comes_in(run, task, tmp_path):
    file = write(tmp_path, "0.jpg,ann,awe", "0.jpg,ben,")
    error = run("label", "import", file, "--db", task, "--invite", fails=True)
    assert re.search(r"line 3: labels is empty.*\(--empty none.*\(--empty skip", error)
    assert said(task) == []
    run("label", "import", file, "--db", task, "--invite", "--empty", "skip")
    assert [kind for _, _, kind, _ in said(task)] == ["labels", "skip"]
    assert "(--empty none" in run("label", "agreement", file, fails=True)
    assert "not readable" not in run("label", "aggregate", file, "--empty", "none")


def test_fifty_equal_problems_are_one_line_with_a_count(run, task, tmp_path):
    file = write(tmp_path, *(f"{n % 6}.jpg,p{n // 6},hapiness" for n in range(50)))
    error = run("label", "import", file, "--db", task, "--invite", fails=True)
    assert "50 problems, nothing was imported: line 2 and 49 more: no label 'hapiness'" in error
    assert error.count("hapiness") == 1


OPTION_THAT_HELPS = [
    ("image_id", "0.jpg,ann,awe", "'ann' was not invited; --invite (invite=True) invites"),
    ("picture", "0.jpg,ann,awe", "(columns: picture, annotator_id, labels); --map THEIRS=image_id"),
    ("image_id", "0.jpg,ann,awe;fear", "joined by '|', or by another mark with --delimiter ';'"),
    ("image_id", "x.jpg,ann,awe", "this task's images are called '0"),
]


def test_a_message_names_the_option_that_helps_and_it_does(run, task, tmp_path):
    for image, row, words in OPTION_THAT_HELPS:
        file = write(tmp_path, row, header=f"{image},annotator_id,labels")
        error = run("label", "import", file, "--db", task, fails=True)
        assert words in error
        assert error.count("\n") == 1
    file = write(tmp_path, "0.jpg;ann;awe,fear", header="picture;annotator_id;labels")
    run("label", "import", file, "--db", task, "--invite", "--map", "picture=image_id", "--delimiter", ",")
    assert [labels for *_, labels in said(task)] == [["awe", "fear"]]
