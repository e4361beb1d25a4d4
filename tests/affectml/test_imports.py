"""Imports go one way, and light paths stay light: asked of fresh processes."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import affectml
from affectml.runs import surroundings

HEAVY = {"open_clip", "streamlit", "crowdkit"}  # torchmetrics itself loads transformers where that is installed


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(' '.join(m.split('.')[0] for m in sys.modules))"],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("package", "never"),
    [
        ("affectml_metrics", {"affectml", "affectml_annotation", *HEAVY}),
        ("affectml_annotation", {"affectml", "torch", *HEAVY}),
    ],
)
def test_the_lower_packages_know_nothing_of_the_upper(package, never):
    everything = f"""
import importlib, pkgutil
import {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    importlib.import_module(module.name)
for name in {package}.__all__:
    getattr({package}, name)
"""
    assert not modules_after(everything) & never


def test_importing_affectml_loads_neither_torch_nor_pandas():
    assert not modules_after("import affectml, affectml.errors, affectml.taxonomies") & {"torch", "pandas", *HEAVY}


@pytest.mark.parametrize("words", [["--help"], ["import", "--help"]])
def test_help_loads_neither_torch_nor_pandas(words):
    code = f"""
sys.argv = ["affectml", *{words!r}]
import contextlib, io
from affectml.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()"""
    assert not modules_after(code) & {"torch", "pandas", "numpy", *HEAVY}


def test_the_version_is_written_once_and_runs_record_it(monkeypatch):
    monkeypatch.setattr("affectml.runs.schema.version", lambda package: f"installed {package}")
    assert surroundings()["versions"]["affectml"] == affectml.__version__
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"] == {"path": "affectml/__init__.py"}
