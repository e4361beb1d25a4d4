"""At typing speed: what lies in the database is what was typed, in a real browser against a real server."""

import pytest

SETS = 50
GAPS = [0, 20, 50, 100, 200]

pytestmark = pytest.mark.slow


def digits(number):
    """The keys of the number-th set: the places of its binary digits, so that every set is another one."""
    return [str(place + 1) for place in range(8) if number >> place & 1]


def number_of(labels, order):
    """The number whose set this is."""
    return sum(1 << order.index(label) for label in labels)


@pytest.mark.parametrize("gap", GAPS)
def test_waiting_for_each_image_every_set_is_stored_as_typed(server, person, gap):
    ann = person(server, f"waits{gap}").enter()
    order = ann.labels
    seen = []
    for number in range(1, SETS + 1):
        seen.append(ann.image)
        ann.press(*digits(number), "Enter", gap=gap)
        ann.ready(after=seen[-1])
    ann.settled()
    assert [(image, number_of(labels, order)) for image, _, labels in ann.stored] == [
        (image, number) for number, image in enumerate(seen, 1)
    ]


@pytest.mark.parametrize("gap", GAPS)
def test_without_waiting_a_set_is_stored_whole_or_not_at_all(server, person, gap):
    """Keys typed before an image was there are dropped with their whole set; no set is ever mixed or doubled."""
    ann = person(server, f"hurries{gap}").enter()
    order = ann.labels
    for number in range(1, SETS + 1):
        ann.press(*digits(number), "Enter", gap=gap)
    ann.ready().settled()
    stored = ann.stored
    numbers = [number_of(labels, order) for _, _, labels in stored]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(1, SETS + 1))
    assert len({image for image, _, _ in stored}) == len(stored)
    assert len(stored) >= SETS // (2 if gap >= 100 else 5)


def test_a_burst_faster_than_any_paint_answers_one_image_only(server, person, request):
    """All keys of five sets within one task of the browser: nobody can have seen the second image."""
    ann = person(server, request.node.name).enter()
    order = ann.labels
    ann.page.evaluate(
        """sets => { for (const keys of sets) for (const key of [...keys, 'Enter'])
        document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, composed: true})); }""",
        [digits(number) for number in range(1, 6)],
    )
    ann.page.wait_for_timeout(500)
    ann.settled()
    assert [number_of(labels, order) for _, _, labels in ann.stored] == [1]
    ann.answer(*digits(6))
    ann.settled()
    assert [number_of(labels, order) for _, _, labels in ann.stored] == [1, 6]


def test_enter_twice_stores_once(server, person, request):
    ann = person(server, request.node.name).enter()
    first = ann.image
    ann.press("1", "Enter", "Enter", "Enter")
    ann.ready(after=first).settled()
    assert [image for image, _, _ in ann.stored] == [first]
    assert "Nothing is chosen" in ann.page.locator(".notice").inner_text() or ann.chosen == []


def test_a_held_key_counts_once(server, person, request):
    ann = person(server, request.node.name).enter()
    ann.page.keyboard.down("1")
    for _ in range(4):
        ann.page.keyboard.down("1")  # Playwright marks these as repeats
    ann.page.keyboard.up("1")
    assert ann.chosen == [ann.labels[0]]


def test_typing_a_note_chooses_no_labels(server, person, request):
    ann = person(server, request.node.name).enter()
    first = ann.image
    ann.press("!")
    ann.page.keyboard.type("cut off at 12 / r c 3?")
    assert ann.page.locator(".chip[aria-pressed=true]").count() == 1
    ann.press("Enter")
    ann.ready(after=first).settled()
    events = server.events()
    events = events[events["annotator_id"] == ann.who]
    assert events["kind"].tolist() == ["flag"]
    assert events["note"].tolist() == ["cut off at 12 / r c 3?"]


def test_searching_does_not_choose_by_keys(server, person, request):
    ann = person(server, request.node.name).enter()
    ann.press("/")
    ann.page.keyboard.type("sadn")
    ann.press("Enter")
    assert ann.chosen == ["sadness"]
