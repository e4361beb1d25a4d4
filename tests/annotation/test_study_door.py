"""At a study's door: which device goes on by itself, and who is let in no more."""

import pytest

from affectml_annotation import StoreError, erasing
from affectml_annotation.store import schema
from affectml_annotation.study import door, visits
from affectml_annotation.study.door import Ids, NotInStudy
from affectml_annotation.study.overview import overview
from affectml_annotation.study.screen import screen

from .studies import pass_time
from .tasks import refused, rows

ENGINES = ("sqlite",)  # what may differ between the engines is in test_study_whole.py


def agree(store, ids, own) -> str:
    return door.agree(store, ids, door.enter(store, ids, own).version, ["I agree."], own).participant


def test_the_device_on_which_somebody_agreed_goes_on_and_another_by_the_resume_code(opened):
    store, ids = opened(), Ids("P1")
    who = agree(store, ids, "laptop")
    assert door.enter(store, ids, "laptop").participant == who
    assert [door.enter(store, ids, own).kind for own in ("phone", "")] == ["known", "known"]
    other = agree(store, Ids("P2"), "laptop")  # on a computer that two share
    assert other != who
    assert [door.enter(store, Ids(person), "laptop").kind for person in ("P1", "P2")] == ["visit", "visit"]
    visits.leave(store, other)  # from then on whoever comes next does not open it
    assert door.enter(store, Ids("P2"), "laptop").kind == "visit"
    assert door.resume(store, ids, screen(store, who).resume_code, "laptop") == who
    assert [door.enter(store, Ids(person), "laptop").kind for person in ("P1", "P2")] == ["visit", "known"]
    with pytest.raises(NotInStudy, match="code"):
        door.resume(store, ids, screen(store, agree(store, Ids("P3"), "tablet")).resume_code, "phone")
    assert door.enter(store, ids, "phone").kind == "known"
    assert door.resume(store, ids, screen(store, who).resume_code.lower(), "phone") == who
    assert [door.enter(store, ids, own).participant for own in ("phone", "laptop")] == [who, who]
    assert not any("laptop" in row.digest or "phone" in row.digest for row in rows(store, schema.device))


def test_whoever_opens_another_persons_address_in_between_locks_nobody_out(opened):
    store = opened()
    first, other = door.make_links(store, 2, ends_at=schema.now_ms() / 1000 + 600)
    for mine, others in ((Ids("P1"), Ids("P2")), (door.ids_of_link(store, first), door.ids_of_link(store, other))):
        assert [door.enter(store, ids, "laptop").shared for ids in (mine, others)] == [False, False]
        who = agree(store, mine, "laptop")
        entry = door.enter(store, others, "laptop")
        assert (entry.kind, entry.shared) == ("consent", True)  # as the page tells before anybody agrees
        assert door.enter(store, mine, "laptop").participant == who
        agree(store, others, "laptop")
        assert door.enter(store, mine, "laptop").participant == who
        assert not door.enter(store, Ids("P3"), "phone").shared
        for ids in (mine, others):
            visits.leave(store, door.enter(store, ids, "laptop").participant)
        assert not door.enter(store, Ids("P3"), "laptop").shared


def test_who_comes_again_is_not_counted_again(opened, store):
    for again in (False, True, True):
        assert door.enter(store, Ids("P1"), "laptop", again=again).kind == "consent"
    assert overview(store).opened == 1


def test_devices_leave_with_their_person(store):
    who, other = (agree(store, Ids(person), "laptop") for person in ("P1", "P2"))
    erasing.erase_people([who], stores=[store])
    assert [row.annotator_id for row in rows(store, schema.device)] == [other]
    refused(NotInStudy, "erased because you asked", door.enter, store, Ids("P1"), "laptop")


def test_who_withdrew_is_told_so_where_they_are_known_for_sure(store):
    who = agree(store, Ids("P1"), "laptop")
    store.withdraw(who, proven=True)
    refused(NotInStudy, "withdrawn", door.enter, store, Ids("P1"), "laptop")
    assert door.enter(store, Ids("P1"), "phone").kind == "known"


def test_a_signed_link_is_one_persons_on_any_device_and_keeps_nobody_out_who_began_once_it_is_over(opened):
    store = opened(places={"minutes": 60 * 24 * 14})
    mine, other, late = door.make_links(store, 3, ends_at=schema.now_ms() / 1000 + 600)
    who = agree(store, door.ids_of_link(store, mine), "laptop")
    assert door.enter(store, door.ids_of_link(store, mine), "phone").participant == who
    assert door.enter(store, door.ids_of_link(store, other)).kind == "consent"
    swapped = f"{other.split('.')[0]}.{mine.split('.')[1]}"
    for token in (mine.replace("1.", "2."), swapped, "1.", "", "x", "9.AAAA", "1" * 40, "1.\ud800"):
        refused(door.NotInStudy, "is not valid", door.ids_of_link, store, token)
    pass_time(store, 11)
    refused(door.NotInStudy, "has expired", door.ids_of_link, store, late)
    ids = door.ids_of_link(store, mine)
    assert door.enter(store, ids, "laptop").participant == who
    assert door.enter(store, ids, "phone").kind == "known"
    for number, token in ((1, mine), (2, other)):
        door.revoke_link(store, number)
        refused(door.NotInStudy, "revoked", door.ids_of_link, store, token)


@pytest.mark.parametrize("ends_at", [0.0, 1e300, float("inf"), float("nan")])
def test_a_link_ends_at_a_time_that_can_be(store, ends_at):
    refused(StoreError, "an end that is to come before the year 3000", door.make_links, store, 1, ends_at)
