"""Every example in a docstring runs, and every command that the documents name exists."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("affectml", "affectml_metrics", "affectml_annotation")
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def test_examples_in_docstrings_run():
    packages = map(importlib.import_module, PACKAGES)
    walked = [module.name for each in packages for module in pkgutil.walk_packages(each.__path__, f"{each.__name__}.")]
    failed, attempted = {}, 0
    for name in (*PACKAGES, *(name for name in walked if "__main__" not in name)):
        result = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
        attempted += result.attempted
        if result.failed:
            failed[name] = result.failed
    assert not failed
    assert attempted > 50


def documents():
    parts = [ROOT / "metrics" / "README.md", ROOT / "annotation" / "README.md"]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *parts, *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which is not there"


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_commands_in_documents_exist_with_their_options(path, options_by_command):
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    fenced = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^(?:\$ )?affectml ([a-z][^\n#|>]*)", fenced, flags=re.MULTILINE)
    lines += re.findall(r"^    affectml ([a-z][^\n#|>]*)", text, flags=re.MULTILINE)
    lines += re.findall(r"`affectml ([a-z][^\n#|>`]*)`", text)
    for line in lines:
        words = line.replace("`", " ").split()
        known = next((name for n in (3, 2, 1) if (name := " ".join(words[:n])) in options_by_command), None)
        assert known is not None, f"{path.name}: no command {line!r}"
        named = {word.split("=")[0] for word in words if word.startswith("--")}
        assert named <= options_by_command[known], f"{path.name}: `affectml {line}`"
