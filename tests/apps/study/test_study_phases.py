"""Practice and images of a study in a browser, what a page does whose words are lost, and what a browser may forge."""

import pytest
import sqlalchemy as sa
from google.protobuf.json_format import ParseDict
from streamlit.proto.BackMsg_pb2 import BackMsg

from affectml_annotation.store.schema import content_warning, image, visit
from affectml_annotation.study import visits
from affectml_apps.relabel.component import CLIENT

from ..conftest import NO_SCROLLING, PHONE, change, say, settle  # noqa: TID252
from .conftest import PRACTISED, AtImages, bring, participant

pytestmark = pytest.mark.slow
MAIN = CLIENT / "main.js"


@pytest.fixture(scope="module")
def server(start_shared, study_folder):
    """One study for the tests of this module: three images each, no checks."""
    folder = study_folder(checks={"rate": 0.0}, instructions={"links": ["https://ethics.example/board"]})
    with (folder / "instructions.md").open("a") as file:
        file.write("\nSee [the board](https://ethics.example/board).\n\n<script>document.title = 'run'</script>\n")
    return start_shared(study=folder)


def agree(page, server, name):
    """Come as the panel sends somebody who was never here, and take part."""
    page.context.clear_cookies()
    page.goto(f"{server.url}/?PROLIFIC_PID={name}&STUDY_ID=s1&SESSION_ID=x")
    page.locator("[data-testid=stCheckbox] label").click()
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_role("heading", name="A few questions about you").wait_for()


@pytest.fixture
def practising(server, store):
    """`practising(page, "P1")`: somebody who agreed, answered, and is at the instructions, or in a later phase."""

    def come(page, name, phase=None):
        agree(page, server, name)
        change(store, content_warning.delete())  # a covered image is never ready by itself
        who = bring(store, participant(store, name), "instructions")
        page.reload()
        page.get_by_role("heading", name="What to do").wait_for()
        settle(page)
        return AtImages(page, server, bring(store, who, phase or "instructions"))

    return come


def choose(ann, *names, then="Save"):
    for name in names:
        ann.page.locator(".groups .chip", has_text=name).click()
    ann.page.get_by_role("button", name=then, exact=True).click()


def progress(ann, text):
    ann.page.locator(".progress", has_text=text).wait_for()


def test_from_the_instructions_to_the_questions_after(server, store, practising, page):
    ann = practising(page, "P1")
    shows_a_picture(page.locator("[data-testid=stHtml] img"))
    link = page.get_by_role("link", name="the board")
    assert [link.get_attribute(name) for name in ("target", "rel")] == ["_blank", "noopener noreferrer"]
    assert "<script>" in page.locator("[data-testid=stHtml]", has_text="What to do").inner_text()
    assert page.title() != "run"
    page.get_by_role("button", name="Continue").click()

    assert ann.ready().image == PRACTISED
    progress(ann, "Practice: 2 images left · 2 tries")
    assert "Choose every feeling" in page.get_by_role("region", name="Instructions").inner_text()
    choose(ann, "awe")
    said = page.locator("[role=alert]", has_text="The text under the image says what to choose.")
    assert "one more try" in said.inner_text()
    assert ann.ready().chosen == []
    page.reload()  # comes back to the same image and the same tries
    ann.ready()
    progress(ann, "Practice: 2 images left · one try")
    page.get_by_role("button", name="Help").click()
    dialog = page.get_by_role("dialog", name="Help")
    assert "Choose every feeling" in dialog.inner_text()
    shows_a_picture(dialog.locator("img"))
    page.keyboard.press("Escape")
    choose(ann, "fear")
    page.locator("[role=alert]", has_text="Correct.").wait_for()
    ann.ready(after=PRACTISED)
    progress(ann, "Practice: last image · 2 tries")
    choose(ann, "awe")
    page.get_by_role("heading", name="The practice is over").wait_for()
    settle(page)
    first = warn_of_the_next(store, ann.who)
    page.get_by_role("button", name="Start").click()

    cover = page.locator(".over", has_text="Blood is to be seen.")
    cover.wait_for()
    progress(ann, "Image 1 of 3")
    assert page.locator(".stage img").evaluate("e => getComputedStyle(e).opacity") == "0"
    choose(ann, "awe")
    assert (ann.notice, ann.chosen) == ("Uncover the image first.", [])
    cover.get_by_role("button", name="Show the image").click()
    assert ann.notice == ""
    assert ann.ready().image == first
    choose(ann, "fear")
    progress(ann, "Image 2 of 3")
    ann.answer("1")
    choose(ann, "awe")
    go_on = page.locator(".over", has_text="You have answered all your images.").get_by_role("button", name="Go on")
    go_on.wait_for()
    page.get_by_role("button", name="Back").click()  # the last one can be mended until then
    ann.ready()
    choose(ann, "fear", then="Save the correction")
    go_on.click()
    page.get_by_role("heading", name="A few last questions").wait_for()
    assert [len(labels) for _, _, labels in server.stored(ann.who)] == [1, 1, 1, 2]
    assert visits.where(store, ann.who).phase == "after"


def shows_a_picture(image):
    """Wait until it has come."""
    image.page.wait_for_function("image => image.naturalWidth > 0", arg=image.element_handle())


def warn_of_the_next(store, who):
    """Have the first image that this person will be given come with a warning; which it is."""
    visits.practise(store, who, "000001", ["awe"])
    visits.go_on(store, who, "start")
    (claim,) = store.claim(who, 1)
    with store.database.write() as connection:
        at = connection.scalar(sa.select(image.c.position).where(image.c.image_id == claim.image_id))
        connection.execute(content_warning.insert().values(position=at, text="Blood is to be seen. " * 20))
    return claim.image_id


def test_on_a_phone_instructions_are_one_tap_away_and_a_covered_image_can_be_skipped_unseen(store, practising, profile):
    page = profile(**PHONE).new_page()
    ann = practising(page, "P2", "practice")
    visits.practise(store, ann.who, PRACTISED, ["fear"])
    covered = warn_of_the_next(store, ann.who)
    page.route("**/relabel/sync", lambda route: route.abort())
    page.reload()
    page.wait_for_selector(".labeller[data-state=waiting]")
    assert "undefined" not in page.locator(".labeller").inner_text()
    page.unroute("**/relabel/sync")
    page.reload()
    page.get_by_role("button", name="Skip this image").wait_for()
    show, skip = (page.locator(f".{name}").bounding_box() for name in ("cover", "pass"))
    assert show["y"] + show["height"] + 4 < skip["y"]  # a finger meets one of them
    assert page.locator(".beside").is_hidden()
    page.get_by_role("button", name="Help").tap()
    assert "Choose every feeling" in page.get_by_role("dialog", name="Help").inner_text()
    page.get_by_role("button", name="Close").tap()
    assert page.evaluate(NO_SCROLLING)
    page.evaluate("window.keep = Storage.prototype.setItem; Storage.prototype.setItem = () => { throw Error() }; 0")
    page.get_by_role("button", name="Skip this image").tap()
    page.locator(".notice", has_text="no room").wait_for()
    page.evaluate("Storage.prototype.setItem = keep; 0")
    page.locator(".cover").tap()
    choose(ann)
    page.locator(".notice", has_text="Nothing is chosen").wait_for()  # what was not taken is no choice
    page.reload()
    page.get_by_role("button", name="Skip this image").tap()
    ann.ready(after=covered)
    assert ann.stored == [(covered, "skip", ())]


def test_a_second_tab_waits_and_follows_to_the_next_phase(store, practising, page):
    ann, statuses = practising(page, "P3", "practice"), []
    page.on("response", lambda reply: statuses.append(reply.status))
    page.reload()
    ann.ready()
    other = page.context.new_page()
    other.goto(ann.server.url)
    other.locator(".over", has_text="another tab").wait_for()
    choose(ann, "fear")
    ann.ready(after=PRACTISED)
    choose(ann, "awe")
    here, there = (tab.get_by_role("button", name="Start") for tab in (page, other))
    there.wait_for()  # it has come here, too
    here.click()
    progress(ann, "Image 1 of 3")  # whichever tab comes first has the images, and the other one waits
    there.click()
    other.locator(".over", has_text="another tab").wait_for()
    assert 403 not in statuses  # nothing is asked for once the practice is over
    page.close()
    other.locator(".progress", has_text="Image 1 of 3").wait_for()
    other.wait_for_selector(".labeller[data-state=ready]")
    assert visits.where(store, ann.who).phase == "images"
    other.close()


def test_a_page_in_front_of_which_nobody_is_keeps_no_place(store, practising, page):
    ann = practising(page, "P4", "images")
    quick = MAIN.read_text().replace("HEARTBEAT_MS = 60000", "HEARTBEAT_MS = 50")
    quick = quick.replace("ABSENT_MS = 300000", "ABSENT_MS = 1000")
    page.route("**/client/main.js*", lambda route: route.fulfill(body=quick, content_type="text/javascript"))
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/relabel/sync") else None)
    page.reload()
    ann.ready().settled()
    for _ in range(2):
        since = len(asked)
        while len(asked) < since + 3:
            page.mouse.move(300, 300)
        gone = page.evaluate("performance.now() + 1500")
        page.wait_for_function("gone => performance.now() > gone", arg=gone)
        beats = len(asked)
        page.wait_for_function("gone => performance.now() > gone + 1000", arg=gone)  # twenty beats
        assert len(asked) <= beats + 1  # what a beat asked for that met another one on its way


def test_what_a_browser_still_holds_once_the_place_is_gone_is_sent(store, practising, page, eventually):
    ann = practising(page, "P5", "images")
    page.reload()
    given = ann.ready().image
    ann.cut_off()
    choose(ann, "fear")
    page.wait_for_selector(".labeller[data-unsaved='1']")
    change(store, visit.update().where(visit.c.annotator_id == ann.who).values(place_until=1))
    page.reload()
    page.get_by_role("heading", name="Your place was given to somebody else").wait_for()
    assert eventually(lambda: ann.server.stored(ann.who)) == [(given, "labels", ("fear",))]
    page.get_by_text("You will be paid €1.00").wait_for()  # one image of three


def test_a_page_whose_word_was_lost_says_again_that_its_images_are_done(store, practising, page, eventually):
    lost, deaf = [], False

    def between(socket):
        there = socket.connect_to_server()
        socket.on_message(lambda said: lost.append(said) if deaf else there.send(said))

    page.route_web_socket("**/_stcore/stream", between)
    who = practising(page, "far", "images").who
    say(store, who, 99, "awe")
    page.reload()
    page.locator(".over", has_text="You have answered all your images").wait_for()
    deaf = True
    page.get_by_role("button", name="Go on").click()
    eventually(lambda: page.title() and lost)  # what the page sends comes in while it is asked something
    deaf = False
    page.get_by_role("button", name="Continue").wait_for()
    assert visits.where(store, who).phase == "after"


@pytest.mark.parametrize("sent", [{"int_array_value": {"data": [3]}}, {"json_value": "{"}])
def test_a_radio_button_with_a_value_of_another_kind_is_refused_like_any_other(server, store, page, sent):
    seen, forged = [], []

    def forge(frame):
        message = BackMsg()
        message.ParseFromString(frame)
        for state in message.rerun_script.widget_states.widgets:
            if "question-age" in state.id and state.WhichOneof("value") == "string_value":
                state.ClearField("value")
                ParseDict(sent, state)
                forged.append(state)
        return message.SerializeToString()

    def between(browser):
        server = browser.connect_to_server()
        browser.on_message(lambda frame: server.send(forge(frame)))

        def back(frame):
            seen.append(bytes(frame) if isinstance(frame, bytes) else frame.encode())
            browser.send(frame)

        server.on_message(back)

    page.route_web_socket("**/_stcore/stream", between)
    agree(page, server, f"forger-{next(iter(sent))}")
    page.get_by_text("30+").click()
    page.get_by_role("button", name="Continue").click()
    page.locator("[data-testid=stException], [data-testid=stAlert]").first.wait_for(timeout=20_000)
    assert forged
    assert [frame for frame in seen if b'File "' in frame] == []
    assert visits.where(store, participant(store, f"forger-{next(iter(sent))}")).phase == "before"
