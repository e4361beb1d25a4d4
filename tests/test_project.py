"""The habits around the code: the module as a command, the list of what is public, the documentation as a site."""

import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from html import unescape
from pathlib import Path

import pytest
import yaml

import affectml
from affectml.runs import RunInfo

ROOT = Path(__file__).resolve().parents[1]
SLOW = {"site"}  # fixtures, and so all that asks for them


def python(*arguments, **options):
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The documentation, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = python("-m", "mkdocs", "build", "--strict", "--site-dir", folder, env=quiet)
    assert done.returncode == 0, done.stderr
    return folder


def test_python_m_affectml_is_the_command():
    assert python("-m", "affectml", "--version").stdout == f"affectml {affectml.__version__}\n"


def test_a_python_without_docstrings_is_refused_and_loses_no_option_silently():
    done = python("-B", "-OO", "-m", "affectml", "train", "--multilabel")
    assert done.returncode != 0
    assert "run it without -OO" in done.stderr


@pytest.mark.slow
def test_functions_methods_and_options_are_public_and_a_name_that_is_gone_is_named(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("public_api", ROOT / "scripts" / "public_api.py")
    public_api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(public_api)
    names = [*public_api.python_lines(), *public_api.command_lines()]
    for line in ("affectml_metrics.functional.set_f1(", "affectml_annotation.krippendorff_alpha(",
                 "affectml.Dataset.open(", "affectml train [DATASET] [--multilabel]",
                 "affectml import table PATH OUT"):  # fmt: skip
        assert any(name.startswith(line) for name in names), line
    gone = "affectml_metrics.functional.gone(x: int) -> int"
    (tmp_path / "public.txt").write_text("\n".join([gone, *names[1:]]))
    monkeypatch.setattr(public_api, "python_lines", lambda: names)
    monkeypatch.setattr(public_api, "command_lines", list)
    monkeypatch.setattr("sys.argv", ["public_api.py", str(tmp_path / "public.txt")])
    with pytest.raises(SystemExit, match="1"):
        public_api.main()
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [f"-{gone}", f"+{names[0]}"]
    assert "docs/architecture.md" in printed.err


def test_every_page_is_on_the_site_with_the_names_of_every_package(site):
    pages = [page.stem for page in (ROOT / "docs").glob("*.md")]
    assert [page for page in pages if not (site / page / "index.html").is_file()] == []
    assert "which emotion does this image evoke" in (site / "index.html").read_text().lower()
    for package, name in [("affectml", "load_head"), ("affectml_metrics", "set_f1"), ("affectml_annotation", "Alpha")]:
        assert f">{name}<" in re.sub(r"<(?!/)span[^>]*>", "", (site / "api" / package / "index.html").read_text())


def test_every_picture_that_the_site_names_is_on_it(site):
    named = [
        page.parent / name
        for page in site.rglob("*.html")
        for name in re.findall(r'\bsrc(?:set)?="([^"]+\.webp)"', page.read_text(encoding="utf-8"))
    ]
    assert len(named) >= 2 * 3
    assert [name for name in named if not name.is_file()] == []


def test_every_key_of_run_json_is_on_the_site_with_what_it_says(site):
    page = (site / "api" / "affectml" / "index.html").read_text(encoding="utf-8")
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    said = " ".join(inspect.getdoc(RunInfo).split())
    for part in re.split("`[^`]+`", said):
        assert part.strip(" ;") in words
    for each in fields(RunInfo):
        assert re.search(rf"\b{each.name}\b[,:]", said), each.name


def test_the_site_loads_nothing_from_elsewhere(site):
    loads = re.compile(
        r"""<(?:script|img|iframe|source)\b[^>]*\bsrc="?(?:https?:)?//|<link\b[^>]*rel="?(?:stylesheet|preconnect|icon)"?[^>]*(?:https?:)?//|@import\b|url\(["']?(?:https?:)?//"""
    )
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        found = loads.search(file.read_text(encoding="utf-8"))
        assert found is None, f"{file.relative_to(site)}: {found and found[0]}"


@pytest.mark.slow
def test_a_test_that_hangs_is_named_once_and_all_other_files_are_run(tmp_path):
    """With a worker in the place of the one that ended, the file began again, and hung again, and again."""
    options = re.search(r"^PYTEST = \S+ -n \S+ (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    for number in range(3):
        (tmp_path / f"test_{number}.py").write_text("def test_passes():\n    pass\n")
    (tmp_path / "test_hung.py").write_text("import time\n\n\ndef test_hangs():\n    time.sleep(600)\n")
    limit = ("-o", "faulthandler_timeout=3", "-o", "faulthandler_exit_on_timeout=true")
    done = python("-m", "pytest", "-n", "2", *options, *limit, "-p", "no:cacheprovider", tmp_path, timeout=600)
    assert done.returncode == 1
    assert re.search("crashed while running '.*test_hung.py::test_hangs'", done.stdout)
    assert re.search(r"^=* ?1 failed, 3 passed", done.stdout, re.MULTILINE)


@pytest.mark.slow
def test_what_a_machine_lacks_is_skipped_and_in_ci_a_failure_but_for_data_nobody_promised(tmp_path):
    folder = tmp_path / "a" / "tests"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_it.py").write_text(
        "import pytest\n\n"
        "def test_data(real_data): ...\n\n"
        "def test_extra(): import no_such_package\n\n"
        "def test_other(): pytest.skip('no reason')\n"
    )
    given = {name: value for name, value in os.environ.items() if name not in ("AFFECTML_TEST_DATA", "CI")}
    code = """
import os, pytest
for more in ({}, {"CI": "true"}, {"CI": "true", "AFFECTML_TEST_DATA": "promised"}):
    os.environ.update(more)
    pytest.main(["-q", "-p", "no:cacheprovider", FOLDER])
"""
    done = python("-c", code.replace("FOLDER", repr(str(folder))), env=given)
    counts = [line.split(" in ")[0] for line in done.stdout.splitlines() if re.search(r" in \d", line)]
    assert counts == ["3 skipped", "2 failed, 1 skipped", "2 failed, 1 error"]  # a fixture errs


def test_lines_of_code_are_those_without_blanks_comments_and_docstrings(tmp_path):
    file = tmp_path / "some.py"
    function = 'def f():\n    """One."""\n    # no\n    return TEXT\n'
    file.write_text(f'"""A module."""\n\nTEXT = """two\nlines"""  # counted\n\n\n{function}')
    assert python("scripts/count_lines.py", file).stdout.split()[-1] == "4"


def test_every_family_of_mutants_can_be_listed_and_another_is_refused_with_their_names():
    assert python("scripts/mutants.py", "--list", "--count", "3").stdout.count("\n") >= 3
    assert "there are logs, order" in python("scripts/mutants.py", "_logs", check=False).stderr


def test_the_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["license"] == "Apache-2.0"
    assert citation["authors"] == [{"name": "The affectml authors"}]
    [paper] = citation["references"]
    assert paper["title"] in (ROOT / "README.md").read_text(encoding="utf-8").replace("\n", " ")
    assert (paper["authors"][0]["family-names"], paper["year"]) == ("Bustos", 2023)
