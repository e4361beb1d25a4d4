"""A study's page in a browser: from the link to the code, and what a browser may forge."""

import time

import pytest
from google.protobuf.json_format import ParseDict
from streamlit.proto.BackMsg_pb2 import BackMsg

from affectml_annotation import Answer, LabelStore
from affectml_annotation.study import visits
from affectml_annotation.study.overview import overview

from ..conftest import PHONE  # noqa: TID252
from .conftest import AGE, PANEL, STEPS, AtImages, bring, participant

pytestmark = pytest.mark.slow
RAN = "a script ran"
SCRIPT = (  # in texts of a study, by malice or by mistake
    f"<script>console.log('{RAN}')</script><img src='nowhere.png' onerror=\"console.log('{RAN}')\">"
    f"[here](javascript:console.log('{RAN}'))"
)
RETURN = {**PANEL, "study": "s1", "codes": {"completed": "DONE", "no_consent": "NOPE"},
          "return_to": "https://panel.example/?cc={code}"}  # fmt: skip


@pytest.fixture(scope="module")
def server(start_shared, study_folder):
    """One study for the tests of this module, each with people of its own."""
    questions = {"questions": [{**AGE, "text": f"How old are you? {SCRIPT}"}]}
    folder = study_folder(recruit=RETURN, before=questions, help=[f"Call 116 123. {SCRIPT}"])
    for name in ("consent", "instructions", "debriefing"):
        with (folder / f"{name}.md").open("a") as text:
            text.write(f"\n{SCRIPT}\n\n* {SCRIPT}\n")
    return start_shared(study=folder)


@pytest.fixture
def arrive(server, settle):
    """`arrive(page, "ann")`: somebody opens the page as their panel sends them."""

    def come(page, person):
        page.goto(f"{server.url}/?PROLIFIC_PID={person}&STUDY_ID=s1&SESSION_ID=session-of-{person}")
        page.wait_for_selector("h1")
        settle(page)

    return come


def agree(page):
    page.locator("[data-testid=stCheckbox] label").click()
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_role("button", name="Your part").wait_for()


def test_somebody_comes_through_on_a_phone_and_their_id_is_in_nothing_that_a_browser_is_sent(
    server, store, profile, arrive, settle, axe
):
    page = profile(**PHONE).new_page()
    sent, logged = [], []
    ways = ("framesent", "framereceived")
    page.on("console", lambda line: logged.append(line.text))
    page.on("websocket", lambda socket: [socket.on(way, lambda frame: sent.append(frame)) for way in ways])
    page.on("request", lambda request: sent.append(request.url) if "PROLIFIC_PID" not in request.url else None)
    arrive(page, "ann-at-the-panel")
    assert page.url == f"{server.url}/"
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_text("tick every box").wait_for()
    found = axe(page)
    agree(page)
    who = participant(store, "ann-at-the-panel")
    for following in (*list(STEPS)[1:], "code"):
        assert visits.where(store, who).status is None
        page.get_by_role("button", name="Leave the study").wait_for()
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        sent.append(page.content())
        assert page.locator("a[href^=javascript], img[onerror]").count() == 0
        bring(store, who, following)
        page.reload()
    for _ in range(2):  # and again on every later visit
        page.get_by_text("DONE").wait_for()
        page.reload()
    page.get_by_text("You will be paid €3.00").wait_for()
    settle(page)
    assert found + axe(page) == []
    assert [line for line in logged if RAN in line] == []
    back = page.get_by_role("link", name="Return with this code").get_attribute("href")
    reply = page.request.get(f"{server.url}/{back}", max_redirects=0)
    assert reply.headers["location"] == "https://panel.example/?cc=DONE"
    sent.append(page.content())
    told = [each if isinstance(each, str) else each.decode("latin-1") for each in (*sent, server.log.read_text())]
    assert len(told) > 30
    assert [each for each in told if "ann-at-the-panel" in each] == []
    own, streamlits = sorted(page.context.cookies(), key=lambda cookie: cookie["name"], reverse=True)
    assert own["name"].startswith("affectml-study-")
    assert (own["httpOnly"], round((own["expires"] - time.time()) / 86_400)) == (True, 30)
    assert (streamlits["name"], streamlits["expires"]) == ("_streamlit_xsrf", -1)


def test_nobody_is_in_without_a_link_and_who_does_not_agree_is_a_count(server, store, profile, arrive):
    page = profile().new_page()
    page.goto(f"{server.url}/?who=ann")
    page.get_by_text("open the link that you were sent").wait_for()
    assert page.locator("input").count() == 0
    before = overview(store)
    arrive(page, "no")
    page.get_by_role("button", name="I do not agree").click()
    page.get_by_text("NOPE").wait_for()
    after = overview(store)
    assert (after.declined, after.opened) == (before.declined + 1, before.opened + 1)
    assert participant(store, "no") is None
    assert page.get_by_role("link", name="Progress").count() == 0
    page.goto(f"{server.url}/progress")  # whoever runs the study on this machine
    page.get_by_role("heading", name="How people come").wait_for()
    page.get_by_role("link", name="Out").wait_for()


def test_a_page_whose_word_was_lost_says_again_that_its_images_are_done(server, store, profile, arrive, eventually):
    page, lost, deaf = profile().new_page(), [], False

    def between(socket):
        there = socket.connect_to_server()
        socket.on_message(lambda said: lost.append(said) if deaf else there.send(said))

    page.route_web_socket("**/_stcore/stream", between)
    arrive(page, "far")
    agree(page)
    who = bring(store, participant(store, "far"), "images")
    while claims := store.claim(who, 1):
        store.submit([Answer(claims[0].image_id, who, "labels", ("awe",), seconds=4.0)])
    page.reload()
    page.locator(".over", has_text="You have answered all your images").wait_for()
    deaf = True
    page.get_by_role("button", name="Go on").click()
    eventually(lambda: page.title() and lost)  # what the page sends comes in while it is asked something
    deaf = False
    page.get_by_role("button", name="Continue").wait_for()
    assert visits.where(store, who).phase == "after"


def test_what_is_answered_while_the_server_is_away_is_kept_and_the_study_goes_on(
    start, study_folder, context, page, settle
):
    server = start(study=study_folder(recruit=RETURN, checks={}))
    page.goto(f"{server.url}/?PROLIFIC_PID=ann&STUDY_ID=s1&SESSION_ID=x")
    agree(page)
    with LabelStore(server.db) as store:
        ann = AtImages(page, server, bring(store, participant(store, "ann"), "images"))
    page.reload()
    uncover(ann)
    server.kill()
    for _ in range(2):
        before = ann.image
        ann.press("1", "Enter")
        uncover(ann, after=before)
    server.start()
    ann.settled().press("1", "Enter")
    page.locator(".over", has_text="You have answered all your images").get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    settle(page)
    page.get_by_role("button", name="Finish").click()
    page.get_by_text("DONE").wait_for()
    assert len({image for image, *_ in server.stored(ann.who)}) == 3


def uncover(ann, after=None):
    """Wait for the next image, which may come with a warning."""
    other = "" if after is None else f":not([data-image='{ann.names[after]}'])"
    ready, cover = ann.page.locator(f".labeller[data-state=ready]{other}"), ann.page.get_by_text("Show the image")
    ready.or_(cover).first.wait_for()
    if cover.is_visible():
        cover.click()
    ann.ready(after=after)


@pytest.mark.parametrize("sent", [{"int_array_value": {"data": [3]}}, {"json_value": "{"}])
def test_a_radio_button_with_a_value_of_another_kind_is_refused_like_any_other(store, profile, arrive, sent):
    page, seen, forged = profile().new_page(), [], []

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
    arrive(page, f"forger-{next(iter(sent))}")
    agree(page)
    page.get_by_text("30+").click()
    page.get_by_role("button", name="Continue").click()
    page.locator("[data-testid=stException], [data-testid=stAlert]").first.wait_for(timeout=20_000)
    assert forged
    assert [frame for frame in seen if b'File "' in frame] == []
    assert visits.where(store, participant(store, f"forger-{next(iter(sent))}")).phase == "before"
