"""`import affectml`: light, lazy, and all that a notebook needs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from PIL import Image

import affectml
from affectml._progress import track
from affectml.cli import app
from affectml.errors import BadInput
from affectml.heads import SigmoidHead

from .checks import refused


@pytest.fixture(scope="module")
def run(paintings, tmp_path_factory):
    said, out = [], tmp_path_factory.mktemp("runs") / "run"
    run = affectml.train(paintings, head="topk", k=2, threads=1, out=out, say=said.append)
    assert said
    return run


AT_THE_DOOR = """
import json, sys
before = set(sys.modules)
import affectml
loaded, errors = set(sys.modules) - before, affectml.errors.__name__
try:
    affectml.load_run("nowhere")
except affectml.errors.BadRun as error:
    caught = type(error).__name__
import affectml.heads
sklearn = "sklearn" in sys.modules
import importlib, pkgutil
for name in affectml.__all__:
    getattr(affectml, name)
for module in pkgutil.iter_modules(affectml.__path__, "affectml."):
    importlib.import_module(module.name)
kinds = {name: type(getattr(affectml, name)).__name__ for name in affectml.__all__}
print(json.dumps({"loaded": list(loaded), "errors": errors, "caught": caught, "sklearn": sklearn, "kinds": kinds}))
"""


@pytest.fixture(scope="module")
def in_a_fresh_process():
    """What a new process found as it went from `import affectml` to every name and module of it."""
    command = [sys.executable, "-c", AT_THE_DOOR]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)


def test_the_door_loads_the_standard_library_and_itself_alone_and_heads_load_no_scikit_learn(in_a_fresh_process):
    found = {name for name in in_a_fresh_process["loaded"] if name.split(".")[0] not in sys.stdlib_module_names}
    assert found == {"affectml", "affectml._lazy", "affectml._version"}
    assert in_a_fresh_process["sklearn"] is False


def test_what_the_door_names_is_there_and_stays_a_function_after_every_import(in_a_fresh_process):
    kinds = in_a_fresh_process["kinds"]
    assert "module" not in kinds.values()
    assert kinds["Run"] == "type"
    assert (in_a_fresh_process["errors"], in_a_fresh_process["caught"]) == ("affectml.errors", "BadRun")
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        affectml.trian  # noqa: B018


HOME = {  # where the functions of commands are that stand elsewhere
    "runs": "list_runs",  # affectml.runs is the module of run folders
    "label": None, "study": None,  # methods of LabelStore, functions of affectml_annotation.study
}  # fmt: skip


def test_every_command_has_a_function_of_its_name():
    for name, command in typer.main.get_command(app).commands.items():
        if name == "import":
            for importer in set(command.whole.list_commands(typer.Context(command))) - {"fetch", "clip-e"}:
                assert getattr(affectml, f"import_{importer.replace('-', '_')}").name == importer
        elif (function := HOME.get(name, name)) is not None:
            assert function in affectml.__all__
            assert callable(getattr(affectml, function))
    assert callable(affectml.fetch)
    with pytest.raises(AttributeError, match="no importer 'tabel'; did you mean 'table'"):
        _ = affectml.import_tabel
    assert {"train", "import_table"} <= set(dir(affectml))


def test_functions_do_what_their_commands_do(run, paintings, tmp_path):
    summary = affectml.embed(paintings, encoder="affect-tiny", threads=1, say=str)
    assert (summary.done, summary.skipped_existing) == (0, 200)
    assert list(affectml.explore(paintings, [run]).runs) == ["run"]
    assert [each.folder for each in affectml.list_runs(run.folder.parent)] == [run.folder]
    assert affectml.taxonomy("mikels-8") == run.taxonomy
    assert affectml.export(run, hub=tmp_path / "hub").facts == {"hub": str(tmp_path / "hub")}
    refused(BadInput, "export: say what to write: onnx=True, hub='FOLDER'", affectml.export, run)


def test_train_infers_several_labels_and_hands_options_to_the_head(run):
    assert run.info.config.multilabel is True
    assert (run.head.name, run.head.config.k) == ("topk", 2)
    assert "--head topk" in run.info.command


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"patiance": 1}, "no option 'patiance'; did you mean 'patience'"),
        ({"sede": 1}, r"^train: no option 'sede'; did you mean 'seed'\?"),
        ({"hed": "sigmoid"}, r"^train: no option 'hed'; did you mean 'head'\?"),
        ({"head": SigmoidHead(l2=0.1)}, r"^head: expected a name, got SigmoidHead\(l2=0.1\)"),
        ({"seed": -1}, "^seed=-1: it should be greater than or equal to 0$"),
        ({"hidden": 99_999_999}, "^hidden='99999999': it should be less than or equal to 65536$"),
        ({"device": "cuda:99"}, "^device='cuda:99': there is no such device here; it has cpu"),
        ({"l2": float("inf")}, r"^l2='inf': it should be a finite number or none$"),
        ({"tau": "half"}, "^tau='half': it should be a valid number$"),
    ],
)
def test_an_option_that_is_not_there_or_of_another_type_is_named_before_any_work(paintings, options, says):
    refused(BadInput, says, affectml.train, paintings, **options)


def test_scores_are_a_table_of_systems_and_metrics_with_intervals(run):
    table, rows = run.scores, run.metrics
    assert list(table.index) == ["model", "zero_shot", "prior", "oracle", "floor"]
    assert list(table["set_f1"].columns) == ["value", "low", "high"]
    whole = rows[(rows["against"] == "people") & (rows["by"] == "") & (rows["space"] == "mikels-8")]
    (found,) = whole[(whole["system"] == "model") & (whole["metric"] == "set_f1")].itertuples()
    assert tuple(table.loc["model", "set_f1"]) == (found.value, found.low, found.high)
    assert np.isnan(table.loc["floor", ("set_f1", "value")])


def test_predict_takes_paths_folders_pictures_and_arrays(run, paintings, tmp_path):
    file = Path(shutil.copy(next((paintings.root / "images").glob("*.png")), tmp_path))
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    array = np.asarray(picture)
    table = run.predict([str(file), file, picture, array, array / 255, tmp_path])
    assert list(table["image"]) == [str(file), str(file), "image 3", "image 4", "image 5", str(file)]
    assert np.ptp(table[list(run.taxonomy.labels)].to_numpy(), axis=0).max() < 1e-12
    assert all(len(found) == 2 for found in table["set"])
    assert affectml.predict(run.folder, file)["set"].iloc[0] == table["set"].iloc[0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, "^image 1: expected a path, .* got int$"),
        (None, "^image 1: expected a path, .* got NoneType$"),
        (torch.zeros(3, 8, 8), "^image 1: expected a path, .* got Tensor$"),
        (pd.DataFrame({"file": ["a.png"]}), "^image 1: expected a path, .* got DataFrame$"),
        ([3], "expected a path, a PIL image or an array"),
        (["nowhere.png"], "no such file"),
        ("", "^image 1: an empty name; name a file, or . for this folder"),
        ("https://example.org/a.png", "^https://example.org/a.png: an address; save the picture, and name its file"),
        ([np.zeros((4, 4, 4))], r"expected an array \[H, W, 3\]"),
        ([np.full((4, 4, 3), 2.0)], "from 0 to 1"),
        ([np.zeros((4, 4, 3), dtype=np.int64)], "uint8"),
        ([], "no image"),
        (Path(__file__).parent / "fuzz" / "corpus", "no image file in this folder"),
    ],
)
def test_what_is_no_image_is_refused(run, given, says):
    refused(BadInput, says, run.predict, given)


def test_evaluate_and_load_run(run, paintings, tmp_path):
    runs, quiet = {"this": affectml.load_run(run.folder), "that": run.folder}, {"threads": 1, "say": lambda line: None}
    found = affectml.evaluate(runs, on=[paintings.root], out=tmp_path / "both.csv", **quiet).evaluation
    pd.testing.assert_series_equal(found.across().loc["this"], run.scores.loc["model"], check_names=False)
    assert found.get("set_f1", "this", "that").value == 0
    refused(BadInput, "no option 'sede'; did you mean 'seed'", affectml.evaluate, run, on=paintings, sede=1)


def test_notebooks_show_runs_and_predictions_with_pictures_and_escape_what_users_wrote(run, paintings, tmp_path):
    evil = tmp_path / "<img src=x onerror=alert(1)>.png"
    evil.write_bytes(next((paintings.root / "images").glob("*.png")).read_bytes())
    table = run.predict([evil, Image.new("RGB", (8, 8))])
    page = table._repr_html_()
    assert page.count("data:image/jpeg;base64,") == 1
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert "data:image" not in table[["image"]]._repr_html_()
    assert type(table.head(1)) is type(table)


def test_a_notebook_shows_a_data_set(paintings):
    page = paintings._repr_html_()
    assert "emotions" in page
    assert page.count("data:image/jpeg;base64,") == 6


def test_the_demo_set_is_opened_again_by_the_options_that_drew_it(tmp_path):
    first, again = (affectml.demo(tmp_path / "a", images=20, seed=4, look="dark") for _ in range(2))
    assert again.fingerprint("emotions") == first.fingerprint("emotions")
    with pytest.raises(BadInput, match="not drawn with these options: leave out images, look to open it"):
        affectml.demo(tmp_path / "a", images=20, look="dark")
    with pytest.raises(BadInput, match="leave out images, seed, look, models"):  # it has no answers of models
        affectml.demo(tmp_path / "a", images=20, seed=4, look="dark", models=True)
    refused(BadInput, "no option 'image'; did you mean 'images'", affectml.demo, tmp_path / "a", image=20)


@pytest.mark.parametrize(("watched", "things"), [(False, [1, 2]), (True, [])])
def test_where_nobody_watches_or_nothing_is_to_be_done_no_progress_is_drawn(capsys, monkeypatch, watched, things):
    monkeypatch.setattr("sys.stderr.isatty", lambda: watched)
    assert list(track(things, "counting", len(things), "numbers")) == things
    assert capsys.readouterr() == ("", "")
