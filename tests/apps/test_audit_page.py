"""The audit's page in a browser: it fits a phone, loads nothing, and axe finds nothing serious."""

import runpy
from pathlib import Path

import pytest

import affectml
from affectml.auditing import write_audit
from affectml.data import Dataset

plant_faults = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "faults.py"))["plant_faults"]


@pytest.fixture(scope="module")
def audit_page(demo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    faulty = plant_faults(Dataset.open(demo), folder / "set", copies=4)
    return write_audit(affectml.audit(faulty), folder)[0].as_uri()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_and_axe_finds_nothing_serious(audit_page, profile, axe, theme):
    page = profile(viewport={"width": 390, "height": 844}, color_scheme=theme).new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda asked: said.append(asked.url) if asked.url[:5] not in ("data:", "file:") else None)
    page.goto(audit_page)
    assert page.locator("#split-parts-copies .card img").count() == 2  # without embeddings, equal pixels alone
    assert page.locator("#person tbody tr").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert axe(page) == []
    assert said == []
