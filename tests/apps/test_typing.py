"""At typing speed: what lies in the database is what was typed, in a real browser against a real server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, islice

import pytest
from playwright.async_api import async_playwright

from .conftest import join

SLOW = {"typed"}  # fixtures, and so all that asks for them

SETS = list(islice((set_ for size in (1, 2, 3) for set_ in combinations(range(8), size)), 20))  # 20 different ones
GAPS = [0, 20, 100]


def number_of(labels, order):
    """The number whose set this is."""
    return SETS.index(tuple(sorted(order.index(label) for label in labels)))


async def type_sets(browser, server, who, gap, waiting):
    """One person at work: types all sets, with or without waiting for each image; returns what was in sight."""
    context = await browser.new_context(viewport={"width": 1280, "height": 720})
    page = await context.new_page()
    page.set_default_timeout(300_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(f"{server.url}/?who={who}")
    await page.wait_for_selector(".labeller[data-state=ready]")
    order = await page.locator(".groups .chip span:nth-last-child(2)").all_inner_texts()
    seen = []
    for places in SETS:
        seen.append(await page.locator(".labeller").get_attribute("data-image"))
        for key in [*(str(place + 1) for place in places), "Enter"]:
            await page.keyboard.press(key)
            await asyncio.sleep(gap / 1000)
        if waiting:
            await page.wait_for_selector(f".labeller[data-state=ready]:not([data-image='{seen[-1]}'])")
    await page.wait_for_selector(".labeller[data-state=ready]")
    await page.wait_for_selector(".labeller[data-unsaved='0']")
    await context.close()
    assert problems == []
    return order, seen


@pytest.fixture(scope="module")
def server(start_shared):
    """A server of which three answers are asked for each image."""
    return start_shared()


@pytest.fixture(scope="module")
def typed(server, chromium):
    """Six people at once, one for each gap, waiting and not; (gap, waiting) -> labels in key order, images seen."""
    found = {}
    grid = {(gap, waiting): f"types-{gap}-{waiting}" for gap in GAPS for waiting in (True, False)}
    join(server.store, *grid.values())

    async def all_at_once():
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**chromium)
            people = [type_sets(browser, server, who, *how) for how, who in grid.items()]
            found.update(zip(grid, await asyncio.gather(*people), strict=True))
            await browser.close()

    with ThreadPoolExecutor(1) as elsewhere:  # this thread has a loop already, Playwright's
        elsewhere.submit(asyncio.run, all_at_once()).result()
    return found


@pytest.mark.parametrize("gap", GAPS)
def test_waiting_for_each_image_every_set_is_stored_as_typed(server, typed, gap):
    order, seen = typed[gap, True]
    assert [(image, number_of(labels, order)) for image, _, labels in server.stored(f"types-{gap}-True")] == [
        (image, number) for number, image in enumerate(seen)
    ]


@pytest.mark.parametrize("gap", GAPS)
def test_without_waiting_a_set_is_stored_whole_or_not_at_all(server, typed, gap):
    """Keys typed before an image was there are dropped with their whole set; no set is ever mixed or doubled."""
    order, _ = typed[gap, False]
    stored = server.stored(f"types-{gap}-False")
    numbers = [number_of(labels, order) for _, _, labels in stored]
    assert numbers == sorted(set(numbers))
    assert len({image for image, _, _ in stored}) == len(stored)
    assert numbers[0] == 0  # its image was waited for; how many of the others are in time is up to the machine


def test_people_at_once_never_answer_an_image_more_often_than_wanted(server, typed):
    events = server.events()
    events = events[events["annotator_id"].str.startswith("types-")]
    assert events["annotator_id"].nunique() == len(typed) == 6
    assert events.groupby("image_id")["annotator_id"].nunique().max() <= 3  # the task's overlap
    assert not events.duplicated(["annotator_id", "image_id"]).any()
