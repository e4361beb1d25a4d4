"""Keyboards of the world, as the browser reports them: real key events with the key, code and text of each layout."""

import pytest

from affectml.taxonomies import NEGATIONS, get_taxonomy

from .conftest import join

SHIFT = 8

# layout: (key, code, modifiers, what it stands for: a label's key or a command; None: nothing)
LAYOUTS = {
    "US": [
        ("1", "Digit1", 0, "1"), ("0", "Digit0", 0, "none"), ("!", "Digit1", SHIFT, "flag"),
        ("@", "Digit2", SHIFT, None), ("q", "KeyQ", 0, "q"), ("Q", "KeyQ", SHIFT, None), (".", "Period", 0, "unsure"),
        (",", "Comma", 0, "skip"), ("/", "Slash", 0, "search"), ("?", "Slash", SHIFT, "help"), ("é", "KeyE", 0, "e"),
    ],
    "numeric keypad": [
        ("1", "Numpad1", 0, "1"), ("End", "Numpad1", 0, "1"), ("ArrowLeft", "Numpad4", 0, "4"),
        ("0", "Numpad0", 0, "none"),
    ],
    "French": [
        ("&", "Digit1", 0, "1"), ("é", "Digit2", 0, "2"), ("(", "Digit5", 0, "5"), ("ç", "Digit9", 0, "9"),
        ("à", "Digit0", 0, "none"), ("1", "Digit1", SHIFT, "1"), ("0", "Digit0", SHIFT, "none"), ("a", "KeyQ", 0, "a"),
        ("q", "KeyA", 0, "q"), (",", "KeyM", 0, "skip"), ("!", "Slash", 0, "flag"), (".", "Comma", SHIFT, "unsure"),
        ("/", "Period", SHIFT, "search"), ("?", "KeyM", SHIFT, "help"),
    ],
    "Czech": [
        ("+", "Digit1", 0, "1"), ("ě", "Digit2", 0, "2"), ("é", "Digit0", 0, "none"), ("1", "Digit1", SHIFT, "1"),
        ("y", "KeyZ", 0, "y"),
    ],
    "German": [
        ("1", "Digit1", 0, "1"), ("/", "Digit7", SHIFT, "search"), ("?", "Minus", SHIFT, "help"),
        ("ö", "Semicolon", 0, None),
    ],
    "Turkish": [("ı", "KeyI", 0, "i"), ("i", "Quote", 0, "i"), ("ö", "Comma", 0, None), ("ç", "Period", 0, None)],
    "Dvorak": [("q", "KeyX", 0, "q"), ("'", "KeyQ", 0, None), (",", "KeyW", 0, "skip"), ("w", "Comma", 0, "w")],
    "Russian": [
        ("й", "KeyQ", 0, "q"), ("1", "Digit1", 0, "1"), ("!", "Digit1", SHIFT, "flag"), ("б", "Comma", 0, "skip"),
        ("ю", "Period", 0, "unsure"), (".", "Slash", 0, "unsure"), (",", "Slash", SHIFT, "skip"),
        ("?", "Digit7", SHIFT, "help"), ("Й", "KeyQ", SHIFT, None),
    ],
    "Greek": [("ς", "KeyW", 0, "w"), (";", "KeyQ", 0, "q"), ("α", "KeyA", 0, "a"), ("1", "Digit1", 0, "1")],
    "Hebrew": [("ק", "KeyE", 0, "e"), ("/", "KeyQ", 0, "q"), ("'", "KeyW", 0, "w")],
    "Arabic": [
        ("١", "Digit1", 0, "1"), ("٠", "Digit0", 0, "none"), ("ض", "KeyQ", 0, "q"), ("؟", "Slash", SHIFT, "help"),
        ("،", "KeyK", SHIFT, "skip"),
    ],
    "Persian": [("۲", "Digit2", 0, "2"), ("۰", "Digit0", 0, "none"), ("!", "Digit1", SHIFT, "flag")],
    "Hindi": [("३", "Digit3", 0, "3"), ("ौ", "KeyQ", 0, "q")],
    "full width": [("１", "Digit1", 0, "1"), ("！", "Digit1", SHIFT, "flag"), ("．", "Period", 0, "unsure")],
}  # fmt: skip
KINDS = {"None of these": "none", "Unsure": "unsure", "Skip": "skip", "Flag": "flag"}
# of the labeller: what is open, and of what is chosen the name of a kind or the key of a label
EFFECTS = """at => [at.querySelector('dialog[open]') && 'help', at.querySelector('.search:focus') && 'search',
...[...at.querySelectorAll('.chip[aria-pressed=true]')].map(each => each.querySelector(
each.closest('.groups') ? 'kbd' : 'span:nth-last-child(2)').innerText)].filter(Boolean)"""


@pytest.fixture(scope="module")
def server(start_shared):
    """A server with 25 labels, whose keys are 1 to 9 and the letters from q to h."""
    return start_shared("--taxonomy", "parrott-25")


@pytest.fixture(scope="module")
def strike(at_work):
    """`strike(key, code, modifiers)`: one key down and up, as a keyboard of that layout sends it."""
    browser = at_work.page.context.new_cdp_session(at_work.page)

    def strike(key, code, modifiers=0):
        event = {"key": key, "code": code, "modifiers": modifiers, **({"text": key} if len(key) == 1 else {})}
        for kind in ("keyDown", "keyUp"):
            browser.send("Input.dispatchKeyEvent", {"type": kind, **event})

    return strike


def effect(ann):
    """What the page shows of the last key: the key of the label chosen, or the command given."""
    (shown,) = ann.root.evaluate(EFFECTS) or [None]
    return KINDS.get(shown, shown)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_key_means_what_it_types_and_else_what_its_place_stands_for(ann, strike, layout):
    image = ann.image
    found = []
    for key, code, modifiers, _ in LAYOUTS[layout]:
        strike(key, code, modifiers)
        found.append(effect(ann))
        if found[-1] in ("help", "search", "flag"):
            ann.press("Escape")  # leaves the dialog or the field
        if found[-1] not in ("help", "search", None):
            strike(key, code, modifiers)  # takes the choice back
        assert effect(ann) is None
    assert found == [meant for *_, meant in LAYOUTS[layout]]
    assert (ann.image, ann.stored) == (image, [])


def test_a_key_right_after_the_help_was_closed_counts(ann, strike):
    """The browser moves the focus out of a closed dialog only with its next frame."""
    ann.press("?")
    ann.page.locator("dialog[open] button").evaluate(
        """(button) => { button.closest('dialog').close();
        button.dispatchEvent(new KeyboardEvent('keydown', {key: '1', bubbles: true, composed: true})); }"""
    )
    assert effect(ann) == "1"
    strike("1", "Digit1")
    assert effect(ann) is None


# How what is typed fits a name: 0 whole words, 1 where a word begins, 2 within one, None not at all.
FITS = {
    0: [("happiness", "happiness"), ("easy", "uneasy, easy"), ("GRÖSSE", "größe"), ("GRÖẞE", "Größe"),
        ("de\u0301ce\u0300lement", "décèlement"), ("detente", "de\u0301tente"), ("ερωσ", "Ἔρως"),
        ("spirits", "high spirits"), ("respect", "self-respect"), ("free", "fear-free"), ("Aerger", "Ärger", "de"),
        ("joie", "un peu de joie", "fr"), ("placer", "un gran placer", "es"), ("不安", "不安", "ja"),
        ("わくわく", "ワクワク", "ja"), ("ﾜｸﾜｸ", "わくわく", "ja"), ("ハ\u309aリ", "パリ", "ja"),
        ("الم", "ألم", "ar"), ("أمل", "امل", "ar"), ("آ", "ا", "ar"), ("الحزن", "حزن", "ar"), ("حزن", "الحُزْن", "ar"),
         ("ســعادة", "سعاده", "ar"), ("رضي", "رضى", "ar")],
    1: [("happ", "great happiness"), ("unhapp", "unhappiness"), ("hopel", "hopelessness"), ("décèl", "decelement"),
        ("high spi", "high spirits"), ("चि", "चिंता"), ("unbeh", "Unbehagen", "de"), ("ärg", "Aerger", "de"),
        ("miß", "Missfallen", "de"), ("ecoeur", "écœurement", "fr"), ("か", "が", "ja")],
    2: [("piness", "happiness"), ("ness", "sadness"), ("spiration", "Inspiration", "de"),
        ("freude", "Lebensfreude", "de"), ("実感", "充実感", "ja"), ("喜", "惊喜", "zh"), ("feliz", "infeliz", "pt")],
    None: [("happiness", "unhappiness"), ("approval", "disapproval"), ("hope", "hopelessness"),
           ("interest", "lack of interest"), ("easy", "un-easy feeling"), ("quiet", "disquiet"), ("gust", "disgust"),
           ("ness", "unhappiness"), ("x", "joy"), ("", "joy"), ("-", "self-respect"), ("fear", "fearless"),
           ("less", "fearless"), ("happiness", "un-happiness"), ("joy", "anti-joy"), ("fear", "fear-free"),
           ("fear", "fear less often"), ("Behagen", "Unbehagen", "de"), ("Hoffnung", "Hoffnungslosigkeit", "de"),
           ("contentement", "mécontentement", "fr"), ("agrado", "desagrado", "es"),
           ("interés", "falta de interés", "es"), ("安", "不安", "ja"), ("満", "不満", "ja"),
           ("興味", "興味なし", "ja"), ("满", "不满", "zh"), ("兴趣", "缺乏兴趣", "zh-Hans"),
           ("رضا", "عدم الرضا", "ar"), ("مبالاة", "لامبالاة", "ar")],
}  # fmt: skip


def test_the_page_s_search_finds_whole_words_first_and_nothing_that_is_negated(server, page):
    page.goto(f"{server.url}/relabel/client/search.js")
    pairs = [(pair, fit) for fit, several in FITS.items() for pair in several]
    asked = [(*pair[:2], NEGATIONS.get((*pair, "en")[2].partition("-")[0])) for pair, _ in pairs]
    found = page.evaluate("fits => import(location.href).then(({ rank }) => fits.map((pair) => rank(...pair)))", asked)
    assert list(zip(asked, found, strict=True)) == list(zip(asked, [fit for _, fit in pairs], strict=True))


def test_search_never_chooses_the_opposite_and_enter_only_what_is_marked(ann):
    marked, said = ann.page.locator(".chip[data-best] .name"), ann.page.locator(".found")
    ann.write("/", "happiness")  # sadness has the synonym unhappiness
    assert ann.page.locator(".groups .chip:visible").count() == marked.count() == 0
    assert said.inner_text() == "No label fits."
    ann.press("Enter")
    assert ann.chosen == []
    ann.write("/", "sorr")
    assert marked.all_inner_texts() == ["sadness (sorrow)"]
    assert said.inner_text() == "Enter: sadness (sorrow)"
    ann.press("Enter", "/")
    assert ann.page.locator(".chip[data-best]").count() == 0
    ann.press("Enter")  # nothing typed, nothing marked
    assert ann.chosen == ["sadness"]


def test_people_read_and_find_the_usual_spelling_and_the_source_s_is_stored(ann):
    assert {"irritability", "cheerfulness"} <= set(ann.labels)
    for typed in ("irritability", "cheerfull"):  # the source's spelling finds it too
        ann.write("/", typed).press("Enter")
    assert set(ann.chosen) == {"irritability", "cheerfulness"}
    ann.answer()
    assert [set(labels) for _, _, labels in ann.stored] == [{"irritabilty", "cheerfullness"}]


def test_people_read_labels_in_their_language_and_find_them_by_names_in_all_that_are_offered(server, prefer, person):
    prefer(languages=("en", "de", "ja"))
    join(server.store, "deutsch")
    server.store.speak("deutsch", "de")
    ann = person(server, "deutsch").open()
    assert {"Gereiztheit", "Neid", "Lebenslust"} <= set(ann.labels)
    assert {"Freude", "Wut"} <= set(ann.page.locator(".heading").all_inner_texts())
    marked = ann.page.locator(".chip[data-best] .name")
    for typed, found in (
        ("neid", "Neid"), ("envy", "Neid (envy)"), ("羨望", "Neid (羨望)"), ("Aerger", None),
        ("MISSG", "Neid (Missgunst)"), ("gratitude", "Dankbarkeit (gratitude)"), ("stolz", "Stolz"),
    ):  # fmt: skip
        ann.write("/", typed)
        assert marked.all_inner_texts() == ([] if found is None else [found])
        ann.press("Escape")
    ann.write("/", "妬み").answer("Enter")
    assert [set(labels) for _, _, labels in ann.stored] == [{"envy"}]


def test_after_enter_on_an_empty_note_or_saving_one_goes_on_typing_the_note(ann):
    ann.press("!", "Escape")
    ann.page.get_by_role("button", name="Save").click()
    ann.press("Enter")
    assert "what is wrong" in ann.notice
    ann.page.keyboard.type("  ")
    ann.write("Enter", "1, 0. blurred / c?")
    assert ann.chosen == ["Flag"]
    ann.answer()
    ann.press("2")  # a command again
    assert ann.chosen == [ann.labels[1]]
    assert ann.events[["kind", "flag", "note"]].to_numpy().tolist() == [["skip", True, "  1, 0. blurred / c?"]]


def test_a_flag_stands_beside_what_is_chosen_and_taking_it_away_leaves_that(ann):
    ann.press("1", "2", "!")
    assert ann.chosen == [*ann.labels[:2], "Flag"]
    ann.page.get_by_role("button", name="Flag").click()
    assert ann.chosen == ann.labels[:2]
    ann.write("!", "turned").answer()
    assert ann.events[["kind", "flag", "note"]].to_numpy().tolist() == [["labels", True, "turned"]]
    assert {get_taxonomy("parrott-25").display(label) for label in ann.events["labels"][0]} == set(ann.labels[:2])
    ann.press("ArrowLeft")  # a correction begins with what was said
    assert ann.chosen == [*ann.labels[:2], "Flag"]


def test_keys_before_the_image_was_visible_do_not_count_and_the_page_says_so(ann):
    """All keys of three sets within one task of the browser: the first set is for the image in sight."""
    first = ann.image
    ann.burst("1", "Enter", "2", "3", "Enter", "4", "5", "Enter")
    ann.ready(after=first)
    assert (ann.notice, ann.chosen) == ("Not counted: the image has to be in view first.", [])
    ann.answer("1")
    assert (ann.notice, len(ann.stored)) == ("", 2)


EVENT = """([key, time]) => { const event = new KeyboardEvent('keydown', {key, bubbles: true, composed: true});
Object.defineProperty(event, 'timeStamp', {value: time}); document.body.dispatchEvent(event); }"""


def test_a_set_begun_too_early_is_dropped_as_long_as_one_goes_on_within_a_second(ann):
    first = ann.image
    dropped = ann.page.evaluate(
        f"""() => {{ const now = performance.now(); for (const key of ['1', 'Enter', '2']) ({EVENT})([key, now]);
        return now; }}"""
    )
    ann.ready(after=first)
    ann.page.evaluate(EVENT, ["3", dropped + 900])
    assert ann.chosen == []
    ann.page.evaluate(EVENT, ["4", ann.page.evaluate("performance.now()") + 3000])
    assert ann.chosen == [ann.labels[3]]


def test_enter_twice_stores_once(ann):
    first = ann.image
    ann.press("1", "Enter", "Enter", "Enter")
    ann.ready(after=first)
    assert [image for image, _, _ in ann.stored] == [first]
    assert "Nothing is chosen" in ann.notice or ann.chosen == []


def test_a_held_key_counts_once(ann):
    ann.page.keyboard.down("1")
    for _ in range(4):
        ann.page.keyboard.down("1")  # Playwright marks these as repeats
    ann.page.keyboard.up("1")
    assert ann.chosen == [ann.labels[0]]
