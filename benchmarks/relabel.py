"""The labelling page: Enter to the next image painted, server and browser on the same cores; and 100,000 images.

    python benchmarks/relabel.py                 latency over 200 images, at three typing speeds
    python benchmarks/relabel.py --images 100000 also: opening the page, and memory

The browser measures: from the key event's own time stamp until after the frame in which the next image was painted.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, Page, sync_playwright

from affectml import checkup
from affectml.demo_set import write_demo

ROOT = Path(__file__).resolve().parents[1]
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@contextlib.contextmanager
def serving(script: Path, arguments: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`streamlit run`: the process and its address once it answers; stopped at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += [
        "--server.address",
        "127.0.0.1",
        "--server.headless",
        "true",
        "--server.fileWatcherType",
        "none",
        "--",
        *arguments,
    ]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    url = f"http://localhost:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit("the server did not start")
        yield process, url
    finally:
        process.terminate()
        process.wait()


def resident(process: subprocess.Popen[bytes]) -> float:
    """Resident memory in MB (Linux)."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def enter(page: Page, url: str, who: str) -> float:
    """Open the page twice (the first time agrees to take part); returns seconds until the first image is in sight."""
    page.goto(f"{url}/?who={who}")
    page.get_by_role("button", name="I have read this").click()
    page.wait_for_selector(".labeller[data-state=ready]")
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(f"{url}/?who={who}")
    page.wait_for_selector(".labeller[data-state=ready]")
    return time.perf_counter() - began


def latency(page: Page, images: int, pause: float) -> dict[str, float]:
    """Milliseconds from Enter to the next image painted, over `images` answers with `pause` seconds before each."""
    page.evaluate("performance.clearMeasures()")
    for number in range(images):
        before = page.locator(".labeller").get_attribute("data-image")
        time.sleep(pause)
        page.keyboard.press(str(number % 8 + 1))
        page.keyboard.press("Enter")
        page.wait_for_selector(f".labeller[data-state=ready]:not([data-image='{before}'])")
    page.wait_for_selector(".labeller[data-unsaved='0']")
    spans = page.evaluate("performance.getEntriesByName('relabel:next-image').map(entry => entry.duration)")
    return {
        "pause_s": pause,
        "images": len(spans),
        **{f"p{q}_ms": round(float(np.percentile(spans, q)), 1) for q in (50, 95, 99)},
        "max_ms": round(max(spans), 1),
        "load": round(os.getloadavg()[0], 2),
    }


def large_set(folder: Path, demo: Path, images: int) -> Path:
    """A data set of `images` rows over the demo set's files."""
    shutil.copytree(demo, folder)
    table = pd.read_parquet(folder / "images.parquet")
    rows = table.iloc[np.arange(images) % len(table)].reset_index(drop=True)
    rows["image_id"] = [f"{at:07d}" for at in range(images)]
    rows.to_parquet(folder / "images.parquet")
    meta = json.loads((folder / "dataset.json").read_text())
    for name in ("annotations.parquet", "annotators.parquet", "truth.parquet"):
        (folder / name).unlink()
    for entry in meta["targets"].values():
        table = pd.read_parquet(folder / entry["file"])
        table["image_id"] = rows["image_id"].iloc[: len(table)].to_numpy()
        table.to_parquet(folder / entry["file"])
    return folder


def main() -> None:
    """Run it and print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--images", type=int, default=0, help="size of the large data set; 0 leaves it out")
    options = parser.parse_args()
    chromium = checkup.chromium()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        demo = write_demo(folder / "demo", images=1000, seed=1, size=96).root
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        arguments = ["--dataset", str(demo), "--db", str(folder / "a.db")]
        with serving(ROOT / "apps" / "relabel.py", arguments, folder) as (_, url):
            for at, pause in enumerate((0.0, 0.2, 0.5)):
                page = browser.new_page(viewport={"width": 1280, "height": 720})
                enter(page, url, f"person{at}")
                print(json.dumps(latency(page, options.answers, pause)), flush=True)
                page.close()
        if options.images:
            print(json.dumps(large(folder, demo, options.images, browser)), flush=True)
        browser.close()


def large(folder: Path, demo: Path, images: int, browser: Browser) -> dict[str, float]:
    """Opening the page of a large task; memory with five sessions above a Streamlit page that shows only a title.

    Twice: in the process that set the task up, and in a later one. `empty` is the app on 1,000 images, later.
    """
    title = folder / "title.py"
    title.write_text("import streamlit as st\nst.title('nothing else')\n")
    found: dict[str, float] = {"images": images}
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    with serving(title, [], folder) as (process, url):
        page.goto(url)
        page.wait_for_selector("h1")
        bare = resident(process)
    small = ["--dataset", str(demo), "--db", str(folder / "a.db")]
    with serving(ROOT / "apps" / "relabel.py", small, folder) as (process, _):
        empty = resident(process)
    dataset = large_set(folder / "large", demo, images)
    arguments = ["--dataset", str(dataset), "--db", str(folder / "large.db")]
    for start in ("first", "later"):
        began = time.perf_counter()
        with serving(ROOT / "apps" / "relabel.py", arguments, folder) as (process, url):
            found[f"{start}_start_s"] = round(time.perf_counter() - began, 1)
            opened = [enter(page, url, f"{start}{at}") for at in range(5)]
            answered = latency(page, 100, 0.1)
            used = resident(process)
            found |= {
                f"{start}_page_open_s_median": round(float(np.median(opened)), 2),
                f"{start}_page_open_s_max": round(max(opened), 2),
                f"{start}_p95_ms": answered["p95_ms"],
                f"{start}_memory_above_bare_streamlit_mb": round(used - bare),
                f"{start}_memory_above_empty_app_mb": round(used - empty),
            }
    return found | {"load": round(os.getloadavg()[0], 2)}


if __name__ == "__main__":
    main()
