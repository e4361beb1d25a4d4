"""The pictures in README.md and docs/, taken of the demo in Chromium, light and dark: `make pictures`.

    PYTHONPATH=benchmarks python scripts/pictures.py

The demo's seeds give the same content each time. In docs/pictures/ lie WebP files of at most 120 kB.
"""

import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from unittest.mock import patch

import pandas as pd
from explore_page import LOADED
from faults import plant_faults
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from affectml import checkup
from affectml.data import Dataset
from affectml.people.studies import begin
from affectml_annotation import Answer, LabelStore
from affectml_annotation.store.schema import visit
from affectml_annotation.study import door, visits
from relabel import QUIET, ROOT, serving

PICTURES = ROOT / "docs" / "pictures"
MOST = 120_000  # bytes
DESKTOP = {"viewport": {"width": 1080, "height": 660}, "device_scale_factor": 1.5}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
EDGE, FOOT = 16, 4  # pixels above and below a part of a page
DRAWN = """() => !document.querySelector('[data-testid=stSkeleton], [data-stale=true]')
    && document.getAnimations().every(each => each.playState !== 'running')"""


def affectml(folder: Path, *words: str) -> None:
    """A command, typed in that folder."""
    subprocess.run([sys.executable, "-m", "affectml", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def settled(page: Page) -> None:
    """Wait until Streamlit has drawn everything."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_function(DRAWN)


def part(page: Page, first: str, last: str) -> bytes:
    """The page's whole width from the top of one element to the foot of another."""
    top, foot = (page.locator(each).first.bounding_box() for each in (first, last))
    begins, ends = top["y"] - EDGE, foot["y"] + foot["height"] + FOOT
    clip = {"x": 0, "y": begins, "width": page.viewport_size["width"], "height": ends - begins}
    return page.screenshot(full_page=True, clip=clip)


def prepared(folder: Path) -> None:
    """The demo with a run; a copy with faults, audited; a labelling task that three of the demo's people have begun."""
    affectml(folder, "train", "--multilabel")
    plant_faults(Dataset.open(folder / "data" / "demo"), folder / "faulty")
    affectml(folder, "embed", "faulty", "--encoder", "affect-tiny")
    affectml(folder, "audit", "faulty")
    affectml(folder, "label", "init", "data/demo", "--db", "labels.db", "--invite", "a01,a02,a03")
    said = pd.read_parquet(folder / "data" / "demo" / "annotations.parquet")
    said[said["annotator_id"].isin(["a01", "a02", "a03"])].to_parquet(folder / "said.parquet")
    affectml(folder, "label", "import", "said.parquet", "--db", "labels.db")
    (folder / "first.txt").write_text("000033\n")
    affectml(folder, "label", "assign", "--queue", "first.txt", "--db", "labels.db")
    with LabelStore(folder / "labels.db") as store:
        store.consent("a01")


def report(page: Page, folder: Path) -> Iterator[bytes]:
    """What stands first, and label by label."""
    page.goto((folder / "runs" / "demo-001" / "report.html").as_uri())
    yield part(page, "h1", ".overview .gallery")
    yield part(page, "#labels h2", "#labels .plots")


def audit(page: Page, folder: Path) -> Iterator[bytes]:
    """What was looked for and found, and the first answers that deserve a second look."""
    page.goto((folder / "faulty-audit" / "audit.html").as_uri())
    yield part(page, "h1", "table")
    yield part(page, "#answer h2", "#answer .card")


def labelling(page: Page, folder: Path) -> Iterator[bytes]:
    """A painting with two labels chosen."""
    with serving(ROOT / "apps" / "relabel.py", ["--on", "data/demo", "--db", "labels.db"], folder) as (_, url):
        page.goto(f"{url}/?who=a01")
        page.wait_for_selector(".labeller[data-state=ready]")
        for label in ("amusement", "excitement"):
            page.locator(".groups .chip", has_text=label).click()
        settled(page)
        yield page.screenshot()


def exploring(page: Page, folder: Path) -> Iterator[bytes]:
    """The map in the run's colours beside a search by feeling; the list of filters is folded away."""
    with serving(ROOT / "apps" / "explore.py", ["data/demo", "--run", "runs/demo-001"], folder) as (_, url):
        page.goto(f"{url}/?colour=demo-001.mode&rates=excitement+without+fear&of=demo-001")
        page.wait_for_selector(".explorer[data-state=ready]")
        page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
        settled(page)
        page.wait_for_function(LOADED, arg=0)
        yield part(page, ".explorer header", ".explorer .legend")


def studied(folder: Path) -> None:
    """The example study, to which 20 people came: some completed it, others stopped somewhere, or are there still."""
    shutil.copytree(ROOT / "examples" / "study", folder, ignore=shutil.ignore_patterns("data*", "demo"))
    affectml(folder, "demo", "pictures/demo", "--images", "40")
    affectml(folder, "import", "images", "pictures", "data", "--taxonomy", "mikels-8")
    pace = count(round(time.time() * 1000), 30_000)  # an answer every half a minute
    with begin(folder, by="lead") as store, patch("affectml_annotation.store.submits.now_ms", lambda: next(pace)):
        boxes = store.task.consent.boxes
        tokens = door.make_links(store, 20, time.time() + 86_400)
        for token, steps in zip(tokens, [7, 7, 0, 7, 4, 7, 2, 1, 7, 3, 7, 0, 7, 5, 7, 7, 2, 4, 6, 7], strict=True):
            ids = door.ids_of_link(store, token)
            if door.enter(store, ids).kind == "consent" and steps:
                take_steps(store, door.agree(store, ids, 1, boxes).participant, steps)
        with store.database.write() as connection:
            connection.execute(visit.update().values(active_ms=420_000))


def take_steps(store: LabelStore, who: str, steps: int) -> None:
    """So many steps of the way through the study; after three, somebody fails the practice, after four they leave."""
    visits.answer_questions(store, who, "before", {"age_group": "18-29", "paintings": 2})
    if steps > 1:
        visits.go_on(store, who, "instructions")
    for image, labels in (("practice-1", ["awe"]), ("practice-2", ["fear", "disgust"])) if steps > 2 else ():
        for _ in range(2 if steps == 3 else 1):
            visits.practise(store, who, image, labels if steps > 3 else ["anger"])
    if steps > 3:
        visits.go_on(store, who, "start")
    while steps > 4 and (claims := store.claim(who, 1)):
        store.submit([Answer(claims[0].image_id, who, "labels", ("awe",))])
    if steps == 4:
        visits.leave(store, who)
    if steps > 5:
        visits.finish_images(store, who)
        visits.answer_questions(store, who, "after", {})
    if steps > 6:
        visits.go_on(store, who, "debriefing")


def study(page: Page, folder: Path) -> Iterator[bytes]:
    """How a study goes: the funnel and its numbers."""
    if not (folder / "study").exists():
        studied(folder / "study")
    with serving(ROOT / "apps" / "relabel.py", ["--study", "study"], folder) as (_, url):
        page.goto(url)
        page.get_by_role("link", name="Progress").click()
        page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first.wait_for()
        settled(page)
        yield part(page, "h1", "[data-testid=stVegaLiteChart]")


TAKEN = {
    ("report", "report-labels"): (report, DESKTOP),
    ("audit", "audit-answers"): (audit, DESKTOP),
    ("labelling",): (labelling, DESKTOP),
    ("labelling-phone",): (labelling, PHONE),
    ("explore",): (exploring, DESKTOP),
    ("study",): (study, DESKTOP | {"viewport": {"width": 1080, "height": 900}}),
}


def keep(name: str, png: bytes) -> None:
    """Write it as WebP, as good as its size allows."""
    image, kept, quality = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO(), 95
    while not 0 < kept.tell() <= MOST:
        quality -= 5
        kept = io.BytesIO()
        image.save(kept, "WEBP", quality=quality, method=6)
    (PICTURES / f"{name}.webp").write_bytes(kept.getvalue())
    print(f"{name}: {image.width} x {image.height}, quality {quality}, {kept.tell():,} bytes", flush=True)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = Path(made)
        prepared(folder)
        browser = playwright.chromium.launch(executable_path=checkup.chromium(), args=QUIET)
        for names, (take, device) in TAKEN.items():
            for theme in ("light", "dark"):
                page = browser.new_page(**device, color_scheme=theme)
                for name, png in zip(names, take(page, folder), strict=True):
                    keep(name + "-dark" * (theme == "dark"), png)
                page.close()
        browser.close()
