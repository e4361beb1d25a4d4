"""The package from outside: what importing it loads, what it exports, its types, and the examples of its page."""

import ast
import doctest
import importlib
import inspect
import pickle
import pkgutil
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import affectml_metrics
from affectml_metrics import functional, streaming
from affectml_metrics.table import specs

from .checks import refused

PACKAGE = Path(affectml_metrics.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "metrics.md"
page = runpy.run_path(str(ROOT / "scripts" / "metrics_page.py"))["page"]
stub = runpy.run_path(str(ROOT / "scripts" / "metrics_stub.py"))["stub"]


def loaded_by(code):
    code += "; import sys; print(*{name.split('.')[0] for name in sys.modules})"
    return {*subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()}


def test_importing_the_package_loads_nothing_heavy_and_functions_need_torch_alone():
    assert not loaded_by("import affectml_metrics") & {"torch", "torchmetrics", "pandas", "numpy"}
    code = "from affectml_metrics import mean_interval, functional, human_reference, sampling_floor, score"
    assert not loaded_by(code) & {"torchmetrics", "pandas", "scipy", "sklearn"}


@pytest.mark.slow
def test_using_everything_loads_nothing_of_ours_and_no_other_library():
    found = loaded_by(
        "import importlib, pkgutil, affectml_metrics as m; [getattr(m, name) for name in m.__all__];"
        "[importlib.import_module(each.name) for each in pkgutil.walk_packages(m.__path__, 'affectml_metrics.')]"
    )
    assert {"torch", "torchmetrics", "affectml_metrics"} <= found
    ours = {"affectml", "affectml_annotation", "affectml_apps"}
    assert not found & {*ours, "open_clip", "streamlit", "sqlalchemy", "crowdkit"}


def test_all_is_the_public_api():
    for module in (affectml_metrics, functional, streaming):
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None
    assert set(streaming.__all__) < set(affectml_metrics.__all__)
    assert set(affectml_metrics.__all__) <= set(dir(affectml_metrics))
    with pytest.raises(AttributeError, match="no attribute 'SetF2'"):
        _ = affectml_metrics.SetF2


def test_every_public_name_says_what_it_does_with_shapes_and_an_example():
    for name in functional.__all__:
        doc = " ".join(getattr(functional, name).__doc__.split())
        assert ">>>" in doc, name
        assert "[N" in doc, name
        assert "Raises MetricInputError" in doc or name == "set_size", name
    for name in affectml_metrics.__all__:
        assert getattr(affectml_metrics, name).__doc__, name


def test_the_examples_of_the_code_run():
    attempted = 0
    for module in pkgutil.walk_packages([str(PACKAGE)], "affectml_metrics."):
        result = doctest.testmod(importlib.import_module(module.name), optionflags=doctest.NORMALIZE_WHITESPACE)
        assert result.failed == 0, module.name
        attempted += result.attempted
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for name in functional.__all__:  # testmod passes over functions that are wrapped
        inner = inspect.unwrap(getattr(functional, name))
        if inner is not getattr(functional, name):
            for test in finder.find(inner, name, globs=dict(inner.__globals__)):
                attempted += runner.run(test).attempted
    assert runner.failures == 0
    assert attempted > 100


@pytest.mark.parametrize(("path", "least"), [(PAGE, 30), (ROOT / "metrics" / "README.md", 8)])
def test_the_examples_of_the_page_run(path, least):
    result = doctest.testfile(str(path), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    assert result.attempted > least


def test_the_stub_says_what_the_classes_are():
    written = ast.unparse(ast.parse((PACKAGE / "streaming.pyi").read_text(encoding="utf-8")))
    assert written == ast.unparse(ast.parse(stub())), "run `python scripts/metrics_stub.py`, and `make format`"


def test_a_class_is_real():
    """With a call that names its options, a docstring and a place; picklable by name, and a base for others."""

    class Mine(affectml_metrics.SetF1):
        """With one more option."""

        def __init__(self, *, named: str, **options):
            super().__init__(**options)
            self.named = named

    metric = Mine(named="mine", one_empty=0.5)
    metric.update([[1, 0], [0, 0]], [[1, 0], [1, 0]])
    assert float(metric.compute()) == 0.75
    assert (list(inspect.signature(Mine).parameters), Mine.higher_is_better) == (["named", "options"], True)
    for name in streaming.__all__:
        cls = getattr(streaming, name)
        assert pickle.loads(pickle.dumps(cls)) is cls
        assert (cls.__module__, cls.__qualname__) == (streaming.__name__, name)
        assert "more" in inspect.signature(cls).parameters
    refused(TypeError, "num_labels", affectml_metrics.LabelF1)
    refused(TypeError, "positional", affectml_metrics.SetF1, 1.0)
    refused(ValueError, "syncs", affectml_metrics.SetF1, syncs=True)  # by torchmetrics


def test_the_page_has_an_entry_for_every_function_and_class():
    named = set(re.findall(r"`(\w+)", PAGE.read_text(encoding="utf-8")))
    assert {*functional.__all__, *affectml_metrics.__all__} - named == set()


def test_the_page_says_of_every_metric_what_it_cannot_see():
    section = PAGE.read_text(encoding="utf-8").partition("## Which metric for which question")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| ")][1:]
    assert all(cell.strip() for row in rows for cell in row)
    asked = {name for _, take, _, beside in rows for name in re.findall(r"`(\w+)", take + beside)}
    assert {spec.function.__name__ for spec in specs()} - asked == set()


def test_the_tables_of_the_page_are_the_table_of_metrics():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run `python scripts/metrics_page.py docs/metrics.md`"
