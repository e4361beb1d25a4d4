"""What the explore page costs in a browser: opening, a filter, a lasso, searches, one image, and the server's memory.

    python benchmarks/explore_page.py [--images 100000] [--runs 3] [--again 5] [--data FOLDER]

The data are those of `explore.py`. Seconds are from the key or the pointer until the grid has its images and the map is
drawn, in headless Chromium on the same cores; a second passes between two times. Peaks are of the server's process once
it answers, with the pages of files that it has read, which the system can drop, and without.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from affectml import checkup
from explore import write_images, write_run
from relabel import QUIET, ROOT, serving

LAPTOP = {"width": 1440, "height": 900}
LOADED = """turn => {
const all = [...document.querySelectorAll('*')];
const at = all.map(each => each.shadowRoot?.querySelector('.explorer')).find(Boolean);
if (at?.dataset.state !== 'ready' || Number(at.dataset.turn) <= turn) return false;
const images = [...at.querySelectorAll('.cell img')];
return images.length > 0 && images.every(each => each.src.startsWith('http') && each.complete); }"""
FRAMES = """async (stage) => {
const box = stage.getBoundingClientRect();
let count = 0;
for (const start = performance.now(); performance.now() - start < 2000; count += 1) {
  const more = { deltaY: count % 2 ? 40 : -40, clientX: box.x + 200, clientY: box.y + 200 };
  stage.dispatchEvent(new WheelEvent("wheel", more));
  await new Promise(requestAnimationFrame);
}
return count; }"""


def watched(process: subprocess.Popen[bytes], most: dict[str, float]) -> None:
    """Keep the most that it held, MiB: in all, and without pages of files, which can be dropped (Linux)."""
    while process.poll() is None:
        held = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        if not most.keys() <= held.keys():  # it is ending
            return
        for name in most:
            most[name] = max(most[name], int(held[name].split()[0]) / 1024)
        time.sleep(0.02)


def measure(page: Page, url: str, most: dict[str, float], again: int) -> list[tuple[str, float, float, float]]:
    """What is done, median seconds of `again` times, and the server's peaks until then."""
    found: list[tuple[str, float, float, float]] = []
    root = page.locator(".explorer")

    def timed(name: str, does: Callable[[int], float | None], times: int = again, *, fresh: bool = False) -> None:
        """does: what is measured; returns when it began, where that is not when it was called."""
        seconds = []
        for turn in range(times):
            before = 0 if fresh else int(root.get_attribute("data-turn") or 0)
            start = time.perf_counter()
            start = does(turn) or start
            page.wait_for_function(LOADED, arg=before)
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            seconds.append(time.perf_counter() - start)
            time.sleep(1)  # nobody asks again at once: the page's script runs after what is asked for is there
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        found.append((name, statistics.median(seconds), *most.values()))
        print(*found[-1], file=sys.stderr, flush=True)

    timed("open, the first time", lambda _: page.goto(url) and None, 1, fresh=True)
    timed("open", lambda _: page.reload() and None, fresh=True)
    page.goto(f"{url}/?f.people.rate.optimism=0..0.6&colour=run-001.rate_cross_entropy")
    page.wait_for_function(LOADED, arg=0)
    page.get_by_role("slider").first.focus()
    timed("a filter: one step of its slider", lambda _: page.keyboard.press("ArrowRight"))
    page.goto(url)
    page.wait_for_function(LOADED, arg=0)
    box = page.locator(".stage").bounding_box() or {}
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def lasso(turn: int) -> float:
        page.mouse.move(middle[0] - 90, middle[1] - 90)
        page.keyboard.down("Shift")
        page.mouse.down()
        for x, y in ((90, -90), (90, 90 + turn), (-90, 90)):
            page.mouse.move(middle[0] + x, middle[1] + y, steps=10)
        began = time.perf_counter()
        page.mouse.up()
        page.keyboard.up("Shift")
        return began

    timed("a lasso, from letting go", lasso)
    page.goto(url)
    page.wait_for_function(LOADED, arg=0)
    for kind, name, words in (
        ("rates query", "How it feels", "optimism without {}"),
        ("text search", "What it shows", "{} people by the sea"),
    ):
        field = page.get_by_role("textbox", name=name)

        def search(turn: int, field: object = field, words: str = words) -> float:
            more = ("rage", "shame", "pride", "relief", "envy", "lust")[turn % 6]
            field.fill(words.format(more))  # type: ignore[attr-defined]
            began = time.perf_counter()
            page.keyboard.press("Enter")
            return began

        if kind == "text search":
            timed("text search, with loading the tower", lambda _, search=search: search(5), 1)  # type: ignore[misc]
        timed(kind, search)
    frames = page.locator(".stage").evaluate(FRAMES)
    page.locator(".grid").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open][data-of]")
    seconds = []
    for _ in range(again):
        before, start = page.locator("dialog").get_attribute("data-of"), time.perf_counter()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(f"dialog[data-of]:not([data-of='{before}']) .facts:not([aria-busy])")
        seconds.append(time.perf_counter() - start)
    found.append(("the next image, large", statistics.median(seconds), *most.values()))
    return [*found, ("a frame of the map while it is zoomed", 2 / frames, *most.values())]


def main() -> None:
    """Make the data set, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--again", type=int, default=5)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    chromium = checkup.chromium()
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = given.data or Path(temporary)
        data, runs = folder / "drawn", [folder / f"run-{number + 1:03d}" for number in range(given.runs)]
        if not (data / "dataset.json").exists():
            write_images(data, given.images)
        for seed, run in enumerate(runs):
            if not run.exists():
                write_run(run, data, seed)
        arguments = [str(data), *(word for run in runs for word in ("--run", str(run)))]
        start = time.perf_counter()
        with serving(ROOT / "apps" / "explore.py", arguments, Path(temporary)) as (process, url):
            seconds, most = time.perf_counter() - start, {"VmRSS": 0.0, "RssAnon": 0.0}
            threading.Thread(target=watched, args=(process, most), daemon=True).start()
            time.sleep(0.1)
            rows = [("start the server", seconds, *most.values())]
            browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
            page = browser.new_page(viewport=LAPTOP)
            page.set_default_timeout(120_000)
            rows += measure(page, url, most, given.again)
            browser.close()
    print(f"{given.images:,} images, {given.runs} runs. The server's peak: {max(row[2] for row in rows):,.0f} MiB.\n")
    print("| what | seconds |\n|---|--:|")
    for name, seconds, *_ in rows:
        print(f"| {name} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
