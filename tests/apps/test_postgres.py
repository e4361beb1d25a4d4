"""The app on PostgreSQL: two people in browsers, a killed server, the lead's pages, and a database that is away."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Caller, answer_to, refused_for_now

TRIAL = Path(__file__).parents[2] / "benchmarks" / "outages.py"


@pytest.mark.slow
def test_two_people_label_into_postgresql_through_a_kill_and_the_lead_sees_it(start, person, context, postgres_url):
    server = start(db=postgres_url)
    ann = person(server, "ann").enter()
    bob = person(server, "bob", context.new_page()).enter()
    given = {"ann": [], "bob": []}

    def work(turns):
        for turn in range(turns):
            for each in (ann, bob):
                given[each.who].append((each.image, each.labels[turn]))
                each.answer(str(turn + 1))

    work(3)
    for each in (ann, bob):
        each.settled().stocked()
    server.kill()
    work(2)  # from the queue
    assert ann.root.get_attribute("data-unsaved") != "0"
    server.start()
    for each in (ann, bob):
        assert [(image, labels[0]) for image, _, labels in each.stored] == given[each.who]
    lead = bob.page
    for path, shown in (("progress", "10 of 720"), ("progress", "People: 2"), ("out", "10 answers from 2 people")):
        lead.goto(f"{server.url}/{path}")
        lead.get_by_text(shown).first.wait_for()
    lead.goto(f"{server.url}/out")
    assert "label export --db 'postgresql+psycopg://postgres@" in lead.locator("code").inner_text()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_who_calls_while_the_database_is_away_is_told_to_wait_and_not_where_it_is(postgres, postgres_url, serve, mode):
    task = serve(db=postgres_url)
    task.begin_as("ann")
    client = Caller(task, "ann")
    (item,) = client.say(want=1)["items"]

    def calls():
        bodies = ({"answers": [answer_to(item)]}, {})
        return [*(client.post("/relabel/sync", json=body) for body in bodies), client.image(item["image"])]

    postgres.stop(mode)
    try:
        for reply in calls():
            refused_for_now(reply)
    finally:
        postgres.start()
    assert [reply.status_code for reply in calls()] == [200] * 3
    assert task.store.events()["event_id"].tolist() == ["e1"]


@pytest.mark.slow
def test_a_page_waits_for_the_database_with_what_was_typed_and_goes_on_by_itself(start, postgres, postgres_url, page):
    server = start(db=postgres_url)
    page.goto(f"{server.url}/progress?who=ann")
    question = page.get_by_label("What people are asked", exact=True)
    question.fill("What do you feel now?")
    postgres.stop("fast")
    try:
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("The database does not answer at the moment. This page goes on by itself.").wait_for()
        assert question.input_value() == "What do you feel now?"
        said = page.locator("body").inner_text()
    finally:
        postgres.start()
    page.get_by_text("The database was away for a moment.").wait_for()
    page.get_by_text("This page goes on by itself.").wait_for(state="detached")
    assert question.input_value() == "What do you feel now?"
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.", exact=True).wait_for()
    assert not re.search("postgres|psycopg|Error|Traceback", said)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["postgresql-immediate-1", "sqlite-killed-1"])
def test_an_outage_costs_nobody_an_answer_and_the_page_goes_on_by_itself(fault):
    """benchmarks/outages.py ends with an error if an answer is lost, doubled or changed, or a place is named."""
    command = [sys.executable, str(TRIAL), fault, "--clients", "3", "--browsers", "1", "--around", "2"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    _, away, typed, stored, *_ = (cell.strip() for cell in run.stdout.splitlines()[-1].strip("|").split("|"))
    assert int(stored) == int(typed) > 0
    assert float(away) >= int(fault[-1])
