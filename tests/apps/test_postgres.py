"""The app on PostgreSQL: two people in browsers, a killed server, and the lead's pages."""

import pytest


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
        each.settled()
        assert [(image, labels[0]) for image, _, labels in each.stored] == given[each.who]
    lead = bob.page
    for path, shown in (("progress", "10 of 720"), ("export", "10 current answers"), ("setup", "ann, bob")):
        lead.goto(f"{server.url}/{path}")
        lead.get_by_text(shown).first.wait_for()
    lead.goto(f"{server.url}/export")
    assert "labels export --db 'postgresql+psycopg://postgres@" in lead.locator("code").inner_text()
