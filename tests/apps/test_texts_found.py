"""Texts of the browser's modules: each that is to be translated is found by the script that writes the catalogues."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = sorted((ROOT / "apps" / "affectml_apps").rglob("client/*.js"))
SAID = re.compile(r'(?<![\w.])(?:_|marked|ngettext)\(\s*("(?:[^"\\]|\\.)*")')


@pytest.fixture(scope="module")
def found():
    """All texts found in the code, the first form where there are two."""
    catalog = runpy.run_path(str(ROOT / "scripts" / "texts.py"))["extracted"]()
    return {each.id if isinstance(each.id, str) else each.id[0] for each in catalog}


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.name)
def test_each_text_of_a_module_is_found(found, path):
    """Babel passes over what stands within `${}` of a template string."""
    assert [text for text in SAID.findall(path.read_text(encoding="utf-8")) if text[1:-1] not in found] == []


def test_texts_are_looked_for_where_there_are_some():
    assert sum(len(SAID.findall(path.read_text(encoding="utf-8"))) for path in CLIENTS) > 100
