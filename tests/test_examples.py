"""The notebooks in examples/: whole, without outputs, and every cell runs in a real kernel."""

import copy
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))

SLOW = {"after"}  # fixtures, and so all that asks for them


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def before(request):
    """A notebook as it is in the repository."""
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(scope="module")
def after(before, tmp_path_factory):
    """The same after its cells have run in an empty folder."""
    run = copy.deepcopy(before)
    resources = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    return nbclient.NotebookClient(run, timeout=300, resources=resources).execute()


def cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_two_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["metrics_and_judgements", "train_and_read_a_run"]


def test_a_notebook_is_valid_and_committed_without_outputs(before):
    nbformat.validate(before)
    assert not [cell for cell in cells(before) if cell.outputs or cell.execution_count]


def test_every_cell_runs_and_warns_of_nothing(after):
    assert all(cell.execution_count for cell in cells(after))
    printed = [out.text for cell in cells(after) for out in cell.outputs if out.output_type == "stream"]
    ours = [text for text in printed if "IProgress" not in text]  # tqdm, which open_clip brings, asks for widgets
    assert not [text for text in ours if re.search(r"[Ww]arning|Traceback", text)]


def test_tables_are_html(after):
    pages = [out.get("data", {}).get("text/html", "") for cell in cells(after) for out in cell.outputs]
    assert [page for page in pages if "<table" in page]


def test_a_run_shows_its_scores_and_predictions_their_pictures(after):
    if "affectml.train" not in "".join(cell.source for cell in cells(after)):
        return
    shown = {cell.source.splitlines()[0]: cell.outputs for cell in cells(after)}
    last = {line: found[-1].get("data", {}).get("text/html", "") for line, found in shown.items()}
    [run] = [page for line, page in last.items() if line.startswith("run = affectml.train")]
    assert "zero_shot" in run
    [predicted] = [page for line, page in last.items() if line.startswith("from PIL")]
    assert predicted.count("data:image/jpeg;base64,") == 3
