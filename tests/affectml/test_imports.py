"""Imports go one way, and light paths stay light: asked of fresh processes."""

import ast
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import affectml
from affectml.runs import surroundings

HEAVY = {"open_clip", "streamlit", "crowdkit"}


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(' '.join(m.split('.')[0] for m in sys.modules))"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_lower_package_knows_nothing_of_the_upper():
    """Of affectml_annotation; tests/metrics/test_metrics_package.py asks the same of affectml_metrics."""
    everything = """
import importlib, pkgutil
import affectml_annotation as package
for module in pkgutil.walk_packages(package.__path__, "affectml_annotation."):
    importlib.import_module(module.name)
for name in package.__all__:
    getattr(package, name)
"""
    assert not modules_after(everything) & {"affectml", "torch", *HEAVY}


ROOT = Path(__file__).resolve().parents[2]
ROOTS = {"affectml": ROOT, **{f"affectml_{name}": ROOT / name for name in ("annotation", "apps", "metrics")}}


def test_no_import_crosses_packages_into_a_private_module():
    """What a package shares has a name without an underscore; benchmarks and tests may look inside."""
    inside, crossing = 0, []
    for package, root in ROOTS.items():
        for file in (root / package).rglob("*.py"):
            importer = ".".join(file.relative_to(root).with_suffix("").parts)
            nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
            for named in (f"{node.module}.{alias.name}" for node in froms for alias in node.names):
                home, _, private = named.partition("._")
                if home.partition(".")[0] in ROOTS and private and not private.startswith("_"):
                    inside += (own := importer.startswith(f"{home}."))
                    crossing += [] if own else [f"{importer} -> {named}"]
    assert crossing == []
    assert inside > 500


@pytest.mark.parametrize("words", [["--help"], ["import", "--help"]])
def test_help_loads_neither_torch_nor_pandas(words):
    code = f"""
sys.argv = ["affectml", *{words!r}]
import contextlib, io
from affectml.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()"""
    assert not modules_after(code) & {"torch", "pandas", "numpy", *HEAVY}


ALL_IN_TURN = """
import contextlib, io, os
from affectml.cli import app, main
def run(*words):
    sys.argv = ["affectml", *words]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
    assert "torch" not in sys.modules, f"{' '.join(words)} loads torch"
    return code, said.getvalue()
"""


def test_every_command_answers_to_h_without_torch():
    code = f"""{ALL_IN_TURN}
from typer.main import get_command
asked = [((), get_command(app))]
assert run("--version")[0] == 0
for words, command in asked:
    code, said = run(*words, "-h")
    assert (code, "Usage:" in said) == (0, True), said
    command = getattr(command, "whole", command)
    if hasattr(command, "list_commands"):
        asked += [((*words, name), command.get_command(None, name)) for name in command.list_commands(None)]
assert len(asked) > 50"""
    modules_after(code)


@pytest.mark.slow
def test_no_command_loads_torch_before_it_needs_it(tmp_path):
    """Data sets, labels and cards need none."""
    pd.DataFrame({"image": ["a.png", "b.png"], "label": ["awe", "joy"]}).to_csv(tmp_path / "labels.csv", index=False)
    (tmp_path / "album").mkdir()
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / name)
        Image.new("RGB", (8, 8), colour).save(tmp_path / "album" / name)
    done = ["taxonomy list", "taxonomy show mikels-8", "demo demo --images 40", "import table labels.csv mine",
            "import images album photos", "audit demo --files", "ask demo --model m --out asked.jsonl",
            "export demo --hub shared", "label init demo --overlap 2 --invite ann", "label status",
            "label attention", "label agreement demo", "label aggregate demo", "label assign",
            "label remove withdraw ann", "label remove erase demo a03"]  # fmt: skip
    code = f"""{ALL_IN_TURN}
os.chdir({str(tmp_path)!r})
for words in {done!r}:
    code, said = run(*words.split())
    assert code == 0, (words, said)"""
    modules_after(code)


def test_runs_record_the_version(monkeypatch):
    monkeypatch.setattr("affectml.runs.schema.version", lambda package: f"installed {package}")
    assert surroundings()["versions"]["affectml"] == affectml.__version__
