"""The labelling page: Enter to the next image painted, server and browser on the same cores; and 100,000 images.

    python benchmarks/relabel.py                 latency over 200 images, at three typing speeds
    python benchmarks/relabel.py --images 100000 also: opening the page, and memory

The browser measures: from the key event's own time stamp until after the frame in which the next image was painted.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Page, sync_playwright

from affectml.demo import write_demo

ROOT = Path(__file__).resolve().parents[1]
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def serve(script: Path, arguments: list[str], folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start `streamlit run`; returns the process and its address once it answers."""
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
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
            return process, url
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


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
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        demo = write_demo(folder / "demo", images=1000, seed=1).root
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        process, url = serve(
            ROOT / "apps" / "relabel.py", ["--dataset", str(demo), "--db", str(folder / "a.db")], folder
        )
        try:
            for at, pause in enumerate((0.0, 0.2, 0.5)):
                page = browser.new_page(viewport={"width": 1280, "height": 720})
                enter(page, url, f"person{at}")
                print(json.dumps(latency(page, options.answers, pause)), flush=True)
                page.close()
        finally:
            process.terminate()
            process.wait()
        if options.images:
            print(json.dumps(large(folder, demo, options.images, browser.new_page())), flush=True)
        browser.close()


def large(folder: Path, demo: Path, images: int, page: Page) -> dict[str, float]:
    """Opening the page of a large task; memory with sessions above the app on 1,000 images before anybody came."""
    title = folder / "title.py"
    title.write_text("import streamlit as st\nst.title('nothing else')\n")
    process, url = serve(title, [], folder)
    page.goto(url)
    page.wait_for_selector("h1")
    streamlit = resident(process)
    process.terminate()
    process.wait()
    small = ["--dataset", str(demo), "--db", str(folder / "small.db")]
    process, url = serve(ROOT / "apps" / "relabel.py", small, folder)
    empty = resident(process)
    process.terminate()
    process.wait()
    dataset = large_set(folder / "large", demo, images)
    began = time.perf_counter()
    arguments = ["--dataset", str(dataset), "--db", str(folder / "large.db")]
    process, url = serve(ROOT / "apps" / "relabel.py", arguments, folder)
    setting_up = time.perf_counter() - began
    try:
        opened = [enter(page, url, f"large{at}") for at in range(5)]
        answered = latency(page, 100, 0.1)
        app = resident(process)
    finally:
        process.terminate()
        process.wait()
    return {
        "images": images,
        "first_start_s": round(setting_up, 1),
        "page_open_s_median": round(float(np.median(opened)), 2),
        "page_open_s_max": round(max(opened), 2),
        "memory_above_empty_app_mb": round(app - empty),
        "memory_above_bare_streamlit_mb": round(app - streamlit),
        "p95_ms": answered["p95_ms"],
        "load": round(os.getloadavg()[0], 2),
    }


if __name__ == "__main__":
    main()
