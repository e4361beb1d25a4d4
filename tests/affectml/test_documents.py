"""README and docs are run: every block of commands or Python, from top to bottom, in one folder for each document.

Comments in a document, which no reader sees, say what is special about the block that follows:

    <!-- first: COMMANDS -->    set-up that a reader has done already, or commands for a block that cannot run
    <!-- slow -->               the block runs in `make test-slow`
    <!-- not run: REASON -->    the block needs what a test has not; NOT_RUN counts them
    <!-- printed -->            the block is what the commands above it print, cut to some rows and columns;
                                a table in Markdown is the whole of one, under names of its own
"""

import csv
import itertools
import json
import re
import shlex
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from affectml.cli import main
from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.importers import registry
from affectml.people.labelling import taxonomy_of
from affectml.people.studies import begin, open_running
from affectml.training import TrainConfig, train_run
from affectml_annotation.columns import COLUMNS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PART = re.compile(
    r"<!-- (?P<said>first|slow|not run|printed)(?:: (?P<text>.*?))? -->"
    r"|^```(?P<language>\w*)\n(?P<fenced>.*?)^```"
    r"|(?<=\n\n)(?P<table>(?:\|[^\n]*\n)+)"
    r"|(?<=\n\n)(?P<indented>(?:    [^\n]*\n|\n(?=    ))+)",
    flags=re.MULTILINE | re.DOTALL,
)
PICTURE = re.compile(
    r'<picture>\s*<source media="[^"]*dark[^"]*" srcset="([^"]+)">\s*<img src="([^"]+)"[^>]* alt="([^"]+)">'
)
COMMAND = re.compile(r"(?:affectml|make|streamlit|python|pip|for) ")
NEW = ("OUT", "FOLDER")  # stand for a new folder each time
CLOSE = 0.005  # machines differ in the third digit

NOT_RUN = {"README.md": 1, "CONTRIBUTING.md": 1, "architecture.md": 1, "audit.md": 1, "data.md": 5, "labelling.md": 2}


def parts(page):
    """Comments and blocks in their order: (what, text)."""
    for found in PART.finditer(page.read_text(encoding="utf-8")):
        if found["said"]:
            yield found["said"], found["text"] or ""
            continue
        if found["table"]:
            yield "text", found["table"]
            continue
        text = found["fenced"] if found["fenced"] is not None else re.sub("^    ", "", found["indented"], flags=re.M)
        if found["language"] in ("sh", "bash") or (not found["language"] and COMMAND.match(text)):
            yield "commands", text
        elif (found["language"] == "python" and ">>>" not in text) or re.match("from |import ", text):
            yield "python", text
        elif re.match(r"name: \w+\n", text):
            yield "taxonomy", text
        else:
            yield "text", text


def blocks(page):
    """The blocks that can run, each with what the comments before it say: (what, text, said)."""
    said = {}
    for what, text in parts(page):
        if what in ("first", "slow", "not run", "printed"):
            said[what] = text
            if what == "first":
                yield "commands", text, dict(said)
                said.pop("first")
            continue
        if what != "text" or "printed" in said:
            yield what, text, said
        said = {}


class Session:
    """A reader who types what a document says, in one folder."""

    def __init__(self, folder, capsys, monkeypatch, take_part):
        self.folder, self.capsys, self.monkeypatch, self.take_part = folder, capsys, monkeypatch, take_part
        self.names, self.printed = {}, ""

    def run(self, what, text):
        if what == "text":
            (is_the_table if text.startswith("|") else shown_in)(text, self.printed)
        elif what == "taxonomy":
            name = text.splitlines()[0].removeprefix("name: ")
            (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        elif what == "python":
            self.python(text)
        else:
            self.printed = "".join(self.command(line) for line in text.replace("\\\n", " ").splitlines())

    def python(self, code):
        file = re.match(r'"""(\w+\.py):', code)  # a module to be imported by name
        if file:
            (self.folder / file[1]).write_text(code, encoding="utf-8")
            return
        for name in NEW:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.capsys.readouterr()
        exec(compile(code, "document", "exec"), self.names)
        printed = self.capsys.readouterr().out
        for promised in re.findall(r"print\(.*\) +# (.*)$", code, flags=re.MULTILINE):
            assert promised in printed.splitlines(), f"{promised}: printed was {printed}"

    def command(self, line):
        words = shlex.split(line, comments=True)
        if not words:
            return ""
        assert words[0] == "affectml", f"{line}: only commands of affectml run here"
        for name in NEW:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        to = words[words.index(">") :] if ">" in words else []
        if words[1:3] == ["study", "run"] and "--allow-host" in words:  # a reader has filled in the [BRACKETS]
            for text in Path(words[3]).glob("*.md"):
                text.write_text(re.sub(r"\[[A-Z][^]]*\]", "...", text.read_text(encoding="utf-8")), encoding="utf-8")
        self.monkeypatch.setattr(sys, "argv", words[: len(words) - len(to)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:  # a warning is an error: what documents show is free of them
            main()
        out, err = self.capsys.readouterr()
        assert ended.value.code == 0, f"{line}\n{err}"
        if to:
            (self.folder / to[1]).write_text(out, encoding="utf-8")
        if words[1:3] == ["label", "init"]:
            write_people(Dataset.open(words[3]), self.folder)
        if words[1:3] == ["study", "run"]:  # as the page would
            begin(Path(words[3]), dict(itertools.pairwise(words)).get("--db"), by="lead").close()
        if words[1:4] == ["study", "links", "examples/study"]:
            with open_running(Path(words[3])) as store:
                for _, _, token in (word.partition("link=") for word in out.split() if "link=" in word):
                    self.take_part(store, token)
        return out


def shown_in(shown, printed):
    """Every cell of the table that a document shows is in the table that was printed."""
    (head, *rows), lines = lines_of(shown), lines_of(printed)
    start = next(place for place, cells in enumerate(lines) if set(head) <= set(cells))
    assert rows
    for name, *cells in rows:
        found = next(line for line in lines[start:] if line[0] == name)
        for column, cell in zip(head[1:], cells, strict=True):
            same(cell, found[lines[start].index(column)], f"{name}, {column}")


def is_the_table(markdown, printed):
    """The rows and columns of a table in Markdown are those of the printed one, in their order."""
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines())
    lines = lines_of(printed)
    start = next(place for place, cells in enumerate(lines) if cells[0] == head[0] and len(cells) == len(head))
    for row, real in zip(rows, lines[start + 2 : start + 2 + len(rows)], strict=True):
        for cell, other in zip(row[1:], real[1:], strict=True):
            same(cell, other, row[0])


def same(cell, real, where):
    """Two cells hold the same numbers, or none; a figure and its ± may differ by half of that ±.

    Rounding on another processor flips single images: .720 ± .052 here was .706 ± .053 there, and .717 ± .017 of a few
    seeds was .720 ± .024, at the same commit.
    """
    shown = numbers(cell)
    near = max(CLOSE, shown[1] / 2) if "±" in cell else CLOSE
    assert numbers(real) == pytest.approx(shown, abs=near, rel=0), f"{where}: {cell}, printed {real}"


def lines_of(text):
    """Each line that is not blank as its cells, which two spaces or more part."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip()]


def numbers(cell):
    return [float(number) for number in re.findall(r"-?\d*\.?\d+", cell)]


def write_people(dataset, folder):
    """people.csv and checks.csv for the data set: what ann, ben and cem said elsewhere."""
    labels = taxonomy_of(dataset).labels
    with (folder / "people.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image_id", "annotator_id", "round", "kind", "labels"])
        for place, image in enumerate(dataset.images["image_id"][:-1]):
            for number, who in enumerate(("ann", "ben", "cem")):
                chosen = {labels[place % len(labels)], labels[(place * (number + 1)) % len(labels)]}
                rows.writerow([image, who, 1, "labels", "|".join(sorted(chosen))])
    last = dataset.images["image_id"].iloc[-1]
    (folder / "checks.csv").write_text(f"image_id,accepted,forbidden\n{last},{labels[0]},{labels[1]}\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """What a reader has: data sets, runs, pictures in folders, labels in files, features."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        demo = write_demo(Path("DATASET"), images=80, seed=5, size=96)
        for run, head in (("RUN", "contrastive"), ("RUN2", "sigmoid")):
            config = TrainConfig(dataset="DATASET", multilabel=True, head=head, encoder="affect-tiny", threads=1)
            train_run(config, out=Path(run))
        pictures = [demo.image_path(file) for file in demo.images["file"]]
        for name in ("IMAGE", "image.jpg", "holiday.jpg", "beach.jpg"):
            shutil.copy(pictures[0], name)
        write_labels(pictures)
        drawn = shutil.ignore_patterns("data*", "demo")  # what a reader may have made there
        shutil.copytree(ROOT / "examples" / "study", "examples/study", ignore=drawn)
        write_features()
    return folder


def write_labels(pictures):
    """photos has a folder of pictures for each of two labels; tables have these labels and votes, and JSON has COCO's.

    PICTURES is the same; LABELS.csv names its files from there.
    """
    lines, images, boxes, votes = ["file,emotion"], [], [], ["file,n,joy,awe,fear"]
    for number, picture in enumerate(pictures):
        label = ("happy", "fear")[number % 2]
        file = Path("photos", label, picture.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, file)
        lines.append(f"{file},{label}{';awe' * (number % 3 == 0)}")
        votes.append(f"{file},5,{number % 5},{number % 3},{number % 4}")
        images.append({"id": number, "file_name": str(file)})
        boxes.append({"id": number, "image_id": number, "category_id": number % 2})
    names = [{"id": 0, "name": "happy"}, {"id": 1, "name": "fear"}]
    Path("labels.csv").write_text("\n".join([*lines, ""]))
    Path("votes.csv").write_text("\n".join([*votes, ""]))
    Path("PEOPLE.json").write_text(json.dumps({"images": images, "annotations": boxes, "categories": names}))
    shutil.copytree("photos", "PICTURES")
    Path("LABELS.csv").write_text("\n".join([*lines, ""]).replace("photos/", ""))


def write_features():
    """Forty embeddings as .npz with names and labels, and as .npy with a table."""
    features = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    names, labels = np.array([f"{i}.jpg" for i in range(40)]), np.array(["joy", "fear"] * 20)
    np.savez("FEATURES.npz", image=names, embedding=features, label=labels)
    np.save("FEATURES.npy", features)
    Path("ROWS.csv").write_text("file,label\n" + "".join(map("{},{}\n".format, names, labels)))


@pytest.fixture
def session(world, tmp_path, capsys, monkeypatch, heads_as_before, take_part):
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    # `affectml label` ends at once: tests/apps start the real server
    monkeypatch.setitem(sys.modules, "streamlit.web.cli", types.SimpleNamespace(main=lambda arguments: sys.exit(0)))
    yield Session(tmp_path, capsys, monkeypatch, take_part)
    for module in ("my_heads", "my_importers"):  # CONTRIBUTING.md's own
        sys.modules.pop(module, None)
    registry._REGISTERED.pop("boxes", None)


def runnable(page, *, slow):
    return [(what, text) for what, text, said in blocks(page) if "not run" not in said and ("slow" in said) is slow]


@pytest.mark.parametrize(
    ("page", "slow"),
    [
        pytest.param(page, slow, marks=[pytest.mark.slow] * slow, id="long " * slow + page.name)
        for page, slow in itertools.product(PAGES, (False, True))
        if runnable(page, slow=slow)
    ],
)
def test_the_blocks_of_a_document_run_in_their_order_and_print_what_is_shown(page, slow, session):
    for what, text in runnable(page, slow=slow):
        session.run(what, text)


def test_what_the_readme_reads_in_its_table_stands_there():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    table, text = page.split("<!-- printed -->\n\n")[1].split("\n\n")[:2]
    read = re.findall(r"\.\d{3}", text)
    assert read
    assert set(read) <= set(re.findall(r"\.\d{3}", table))


def test_no_other_block_is_left_out():
    left_out = {page.name: sum("not run" in said for _, _, said in blocks(page)) for page in PAGES}
    assert {name: count for name, count in left_out.items() if count} == NOT_RUN


def test_every_column_of_a_judgement_is_explained():
    rows = "".join(f"| `{column.name}` | {column.about} |\n" for column in COLUMNS)
    assert f"|---|---|\n{rows}\n" in (ROOT / "docs" / "labelling.md").read_text(encoding="utf-8")


def test_every_promise_has_a_test_that_is_there():
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [
        line for line in page.splitlines() if line.startswith("|") and line.strip("|-") and "promise | test" not in line
    ]
    assert len(rows) > 50
    for row in rows:
        tests = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row)
        assert tests, row
        for file, name in tests:
            code = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert re.search(rf"^ *(?:async )?def {name}\(", code, flags=re.M), f"{file} has no {name}"


def test_every_picture_is_there_light_and_dark_small_described_and_shown():
    shown = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for dark, light, said in PICTURE.findall(text):
            assert dark == light.replace(".webp", "-dark.webp")
            assert len(said) > 50
            for each in (light, dark):
                assert (page.parent / each).stat().st_size <= 120_000
                shown.setdefault(Path(each).name, []).append(page.name)
        assert len(PICTURE.findall(text)) == text.count("<picture>"), page.name
    assert set(shown) == {file.name for file in (ROOT / "docs" / "pictures").iterdir()}
    assert sum("README.md" in pages for pages in shown.values()) == 2
