"""The label store, on SQLite and PostgreSQL: claims, answers, conflicts, rounds, and what must never happen."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace

import pandas as pd
import pytest
import sqlalchemy as sa

from affectml_annotation import Answer, LabelStore, StoreError, Task, UnknownLabel
from affectml_annotation.languages import PSEUDO, spoken
from affectml_annotation.store import claims, people, schema
from affectml_annotation.store.checking import check_store
from affectml_annotation.store.engine import Database
from affectml_annotation.store.migrations import MIGRATIONS

from .studies import pass_time
from .tasks import LABELS, all_rows, on_sqlite, refused

TASK = Task(labels=LABELS, question="What do you feel?", overlap=2, seed=7)


@pytest.fixture
def open_store(database_url):
    """Opens stores on one database, and closes them."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(LabelStore(database_url))


@pytest.fixture
def store(open_store):
    return make(open_store())


def make(store, images=30, people="uvwx", **changes):
    table = pd.DataFrame({"image_id": [f"i{n:03d}" for n in range(images)], "stratum": ["a", "b"] * (images // 2)})
    store.init_task(TASK.but(**changes), table)
    store.invite(people)
    return store


def answer(store, who, claim, labels=("awe",), **more):
    given = Answer(claim.image_id, who, "labels" if labels else "none", tuple(labels), round=claim.round, **more)
    return store.submit([given])[0]


def ids(claims):
    return [claim.image_id for claim in claims]


def work(store, who, most=1000, **more):
    """Answer until nothing is left; returns the claims in the order given."""
    done = []
    while len(done) < most and (claims := store.claim(who, 1, **more)):
        assert answer(store, who, claims[0]).status == "accepted"
        done.append(claims[0])
    return done


def test_overlap_counts_different_people_and_nobody_sees_an_image_twice(store):
    assert sorted(store.chip_order("u")) == sorted(LABELS)
    assert store.chip_order("u") == store.chip_order("u")
    assert len({tuple(ids(store.claim(who, 5))) for who in "uvwx"}) == 4  # an order of their own each
    seen = [(who, image) for who in "uvwx" for image in ids(work(store, who))]
    assert len(set(seen)) == len(seen)
    assert Counter(image for _, image in seen) == dict.fromkeys(store.images()["image_id"], 2)
    progress = store.progress()
    assert (progress.answered, progress.wanted, progress.complete, progress.seconds_left) == (60, 60, 30, 0)
    store.change_task(overlap=3)
    assert sum(len(work(store, who)) for who in "uvwx") == 30


def say(store, who, image_id, kind, revision=0):
    labels = ("awe",) if kind == "labels" else ()
    note = "upside down" if kind == "flag" else None
    (receipt,) = store.submit([Answer(image_id, who, kind, labels, base_revision=revision, note=note)])
    return receipt.status


def slots(store):
    """Wanted and taken of each image, by its id."""
    with store.database.read() as connection:
        query = sa.select(schema.image.c.image_id, schema.slot.c.wanted, schema.slot.c.taken)
        rows = connection.execute(query.join(schema.slot, schema.slot.c.position == schema.image.c.position))
        return {image: (wanted, taken) for image, wanted, taken in rows}


# too many: more than the task says, or else than the people wanted
@on_sqlite
@pytest.mark.parametrize(("kind", "skips", "free"), [("skip", 3, 3), ("flag", 3, 3), ("skip", None, 2)])
def test_overlap_counts_people_who_answered_until_too_many_did_not(open_store, kind, skips, free):
    store = make(open_store(), images=2, people="abcdefg", overlap=2, skips=1, strategy="fill")
    store.change_task(skips=skips)
    kinds = {"i000": [kind, "labels", kind, "none"], "i001": [kind] * 7}
    asked = Counter()
    for who in "abcdefg":
        for claim in store.claim(who, 2):
            say(store, who, claim.image_id, kinds[claim.image_id][asked[claim.image_id]])
            asked[claim.image_id] += 1
    assert asked == {"i000": 4, "i001": free + 2}  # two answers and two skips; two skips more than are free take places
    assert slots(store) == {"i000": (2, 2), "i001": (2, 2)}
    assert store.skipped_images() == ["i001"]
    assert check_store(store) == []


def test_a_place_goes_with_what_a_person_says_now(open_store):
    store = make(open_store(), images=2, people="abcd", overlap=1, skips=2)
    (claim,) = store.claim("a", 1)
    image, held = claim.image_id, lambda: slots(store)[claim.image_id][1]
    steps = [("skip", 0), ("unsure", 0), ("labels", 1), ("none", 1), ("skip", 0)]
    for revision, (kind, taken) in enumerate(steps):
        assert (say(store, "a", image, kind, revision), held(), check_store(store)) == ("accepted", taken, [])
    assert image in ids(store.claim("b", 2))  # who holds the place now
    assert say(store, "a", image, "labels", len(steps)) == say(store, "b", image, "labels") == "accepted"
    assert held() == 2  # somebody who thought again counts on top
    say(store, "b", image, "skip", 0)
    (met,) = store.conflicts()["event_id"]
    store.resolve_conflict(met, keep=True, by="lead")
    assert held() == 1
    for deed, taken in ((store.withdraw, 0), (store.undo_withdrawal, 1)):
        deed("a")
        assert (held(), check_store(store)) == (taken, [])
    say(store, "a", image, "skip")
    store.withdraw("a")
    store.resolve_conflict(store.conflicts()["event_id"][0], keep=True, by="lead")
    store.undo_withdrawal("a")
    assert (held(), check_store(store)) == (0, [])  # as the lead decided meanwhile


ANSWERS_TO_ONE_IMAGE = [
    ({"u": "skip", "v": "labels"}, "", 1, False),
    ({"u": "skip", "v": "labels"}, "u", 1, False),  # who held it gives the place up
    ({"u": "skip", "v": "unsure"}, "uv", 1, True),
    ({"u": "skip", "v": "skip", "w": "unsure", "x": "skip"}, "w", 3, True),
    ({"u": "none", "v": "labels", "w": "labels"}, "u", 3, False),
    ({"u": "skip", "v": "labels", "w": "skip"}, "x", 3, True),
]


@on_sqlite
@pytest.mark.parametrize("imported", [False, True])
@pytest.mark.parametrize(("said", "held", "taken", "skipped"), ANSWERS_TO_ONE_IMAGE)
def test_who_imports_follows_the_rule_of_who_answers(open_store, tmp_path, said, held, taken, skipped, imported):
    store = make(open_store(), images=2, overlap=4, skips=1, strategy="fill")
    for who in held if imported else {*said, *held}:
        store.claim(who, 2)
    for who, kind in () if imported else said.items():
        assert say(store, who, "i000", kind) == "accepted"
    for half in ([*said.items()][:1], [*said.items()][1:]) if imported else ():
        rows = [f"i000,{who},{kind},{'awe' * (kind == 'labels')}" for who, kind in half]
        (tmp_path / "said.csv").write_text("\n".join(["image_id,annotator_id,kind,labels", *rows]))
        store.import_file(tmp_path / "said.csv")
    assert slots(store)["i000"] == (4, taken)
    assert store.skipped_images() == ["i000"] * skipped
    assert check_store(store) == []


@on_sqlite
def test_claims_are_resumed_at_the_same_place(store, open_store):
    first = store.claim("u", 3)
    assert [c.place for c in first] == [0, 1, 2]
    answer(store, "u", first[0])
    after_a_crash = open_store().claim("u", 3)
    assert ids(after_a_crash[:2]) == ids(first[1:])
    answer(store, "u", first[1])
    assert store.history("u")["image_id"].tolist() == ids(first[1::-1])


def test_a_hold_whose_time_is_up_is_free_and_comes_again(store):
    first = store.claim("u", 4)
    answer(store, "u", first[0])
    held = store.claim("v", 2)
    with store.database.write() as connection:  # a hold whose time is up is free, though nobody has taken it back yet
        connection.execute(sa.text("UPDATE assignment SET lease_until = 1 WHERE annotator_id = 'v'"))
    assert (store.progress().claimed, store.progress().answered) == (3, 1)
    assert store.annotators()["claimed"].sum() == 3
    assert ids(store.claim("v", 2)) == ids(held)


def test_an_expired_claim_goes_to_somebody_else_and_a_late_answer_counts_where_the_image_still_wants_people(open_store):
    store = make(open_store(), images=2, people="uv", overlap=1)
    held = ids(store.claim("u", 2))
    pass_time(store, 60)
    (taken,) = ids(store.claim("v", 1))
    (left,) = {*held} - {taken}
    late = [Answer(image, "u", "labels", ("awe",)) for image in (taken, left)]
    assert [receipt.status for receipt in store.submit(late)] == ["surplus", "accepted"]
    assert store.judgements()["event_id"].tolist() == [late[1].event_id]
    assert store.judgements(surplus=True)["event_id"].tolist() == [given.event_id for given in late]
    assert (store.progress().answered, ids(store.claim("v", 2))) == (1, [taken])


@pytest.mark.parametrize(("filled", "imported"), [(False, False), (True, False), (False, True)])
def test_who_meets_the_release_of_their_claim_is_as_one_too_late(postgres_url, eventually, tmp_path, filled, imported):
    said = tmp_path / "said.csv"
    said.write_text("image_id,annotator_id,kind,labels\ni000,u,skip,\ni001,u,labels,awe\n")
    waits = sa.text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    with closing(LabelStore(postgres_url)) as store, ThreadPoolExecutor(1) as pool:
        held = make(store, images=2, people="uv", overlap=1, lease=1e-5).claim("u", 2)
        store.change_task(lease=15)
        eventually(lambda: schema.now_ms() > 1 + int(store.database.scalar(sa.select(schema.assignment.c.lease_until))))
        both = [Answer(claim.image_id, "u", "labels", ("awe",)) for claim in held]
        with store.database.write() as connection:
            assert claims.release_expired(connection) == 2
            if filled:
                people.invite(connection, ["w"])
                assert len(claims.claim(connection, "w", 2, 1, [0, 1])) == 2
            sent = pool.submit(store.import_file, said) if imported else pool.submit(store.submit, both)
            eventually(lambda: sent.done() or store.database.scalar(waits))
        if not imported:
            assert [receipt.status for receipt in sent.result()] == ["surplus" if filled else "accepted"] * 2
        else:
            assert sent.result() == 2
            assert slots(store) == {"i000": (1, 0), "i001": (1, 1)}
        assert check_store(store) == []


def test_sending_twice_is_harmless(store):
    claim = store.claim("u", 1)[0]
    given = Answer(claim.image_id, "u", "labels", ("awe",))
    first, again = store.submit([given]) + store.submit([given])
    assert (first.status, again.status, again.revision, again.again) == ("accepted", "accepted", 1, True)
    assert len(store.events()) == 1
    other = replace(given, labels=("fear",))
    assert "used for another answer" in store.submit([other])[0].error


@on_sqlite
def test_a_base_revision_that_was_never_given_out_is_refused(store):
    claim = store.claim("u", 1)[0]
    for base in (10**30, -1, 1, 2**40):
        assert "base_revision" in answer(store, "u", claim, base_revision=base).error
    assert answer(store, "u", claim).status == "accepted"
    for base in (10**30, 2, 2**40):
        assert "never given out; the answer here is 1" in answer(store, "u", claim, base_revision=base).error
    assert len(store.events()) == 1


@on_sqlite
def test_one_image_takes_twenty_answers_of_one_person_and_no_more(store):
    blind, corrected, other = store.claim("u", 3)
    for number, claim in enumerate((blind, corrected), start=1):
        turns = [turn if claim == corrected else 0 for turn in range(25)]
        receipts = [answer(store, "u", claim, base_revision=turn) for turn in turns]
        assert [receipt.status for receipt in receipts[20:]] == ["refused"] * 5
        assert "20 answers of yours" in receipts[20].error
        assert len(store.events()) == 20 * number
    assert answer(store, "u", other).status == "accepted"


@on_sqlite
def test_a_refusal_that_a_page_can_meet_is_said_in_the_language_spoken(store):
    claim = store.claim("u", 1)[0]
    with spoken(PSEUDO):
        receipts = [answer(store, "u", claim) for _ in range(21)][20:]
        flag = Answer(claim.image_id, "u", "flag")
        receipts += store.submit([flag, replace(flag, note="dark", event_id="ahead", at=time.time() + 3600)])
    assert [receipt.error.count("[") for receipt in receipts] == [2, 2, 2]


def test_a_correction_replaces_and_a_blind_one_is_kept_as_a_conflict(store):
    claim = store.claim("u", 1)[0]
    answer(store, "u", claim, ["awe"])
    assert answer(store, "u", claim, ["fear"], base_revision=1).revision == 2
    stale = answer(store, "u", claim, ["joy"], base_revision=1)
    assert (stale.status, stale.revision, len(store.events())) == ("conflict", 2, 3)
    assert (store.judgements()["labels"].tolist(), store.progress().conflicts) == ([["fear"]], 1)
    assert store.conflicts()[["labels", "against_labels"]].to_numpy().tolist() == [[["joy"], ["fear"]]]
    store.resolve_conflict(stale.event_id, keep=True, by="lead")
    assert (store.judgements()["labels"].tolist(), store.progress().conflicts) == ([["joy"]], 0)
    refused(StoreError, "no open conflict", store.resolve_conflict, stale.event_id, keep=True, by="lead")


def test_a_full_judgement_comes_back_as_it_went_in(store):
    claim = store.claim("u", 1)[0]
    store.submit([
        Answer(
            claim.image_id, "u", "labels", ["awe", "joy"], seconds=4.5, at=1_700_000_000.25, intensities=(2.0, None),
            valence=0.5, arousal=-0.25, note="hm", suggestions_visible=True, context={"chips": ["joy", "awe", "fear"]},
            language="pt-BR",
        )
    ])  # fmt: skip
    row = store.judgements().iloc[0]
    assert row[["labels", "intensities", "seconds", "valence", "arousal", "note", "language"]].tolist() == [
        ["awe", "joy"], [2.0, None], 4.5, 0.5, -0.25, "hm", "pt-BR",
    ]  # fmt: skip
    assert row[["at", "suggestions_visible", "purpose", "place"]].tolist() == [
        pd.Timestamp("2023-11-14T22:13:20.250Z"), True, "task", 0,
    ]  # fmt: skip
    assert store.events()["context"].iloc[0] == {"chips": ["joy", "awe", "fear"]}


@on_sqlite
def test_a_person_s_language_is_theirs_until_they_take_it_back(store):
    store.speak("u", "ZH-hant")  # kept in one form
    store.withdraw("u")
    assert store.annotators()["language"].fillna("none").tolist() == ["zh-Hant", "none", "none", "none"]
    store.speak("u", None)  # the page speaks on to somebody who withdrew
    assert store.annotators()["language"].isna().all()


@on_sqlite
def test_languages_count_by_current_answers(store):
    for who, languages in (("u", ("en", "de", "DE")), ("v", ("deu", None))):
        for claim, language in zip(store.claim(who, len(languages)), languages, strict=True):
            assert answer(store, who, claim, language=language).status == "accepted"
    again = store.history("u").iloc[-1]  # in English
    changed = Answer(again["image_id"], "u", "none", base_revision=1, language="fr")
    assert store.submit([changed])[0].status == "accepted"
    assert store.annotators()["answered_in"].tolist() == [{"de": 2, "fr": 1}, {"de": 1}, {}, {}]


BAD_ANSWERS = [
    ({"labels": ("jog",)}, "did you mean 'joy'"),
    ({"labels": ()}, "kind 'labels' with 0 labels"),
    ({"kind": "none"}, "kind 'none' with 1 labels"),
    ({"flag": True}, "a flag needs a note"),
    ({"labels": ("awe", "awe")}, "twice"),
    ({"kind": "maybe"}, "expected kind"),
    ({"annotator_id": "stranger"}, "nobody invited annotator 'stranger'"),
    ({"image_id": "i999"}, "no image 'i999'"),
    ({"round": 9}, "no round 9"),
    ({"at": time.time() + 3600}, "in the future"),
    ({"seconds": -1.0}, "zero or more"),
    ({"valence": float("nan")}, "finite"),
    ({"intensities": (1.0, 2.0)}, "1 labels but 2 intensities"),
    ({"language": "Deutsch"}, "expected a code such as de"),
    ({"note": "half a pair \ud83d"}, "no database stores"),
    ({"note": "a NUL \0"}, "no database stores"),
]


@on_sqlite
def test_what_cannot_be_is_refused_and_stops_no_other(store):
    good = Answer("i000", "u", "labels", {"awe"})  # whatever collection holds them
    bad = [replace(good, event_id=f"bad {at}", **change) for at, (change, _) in enumerate(BAD_ANSWERS)]
    *receipts, stored = store.submit([*bad, good])
    for receipt, (_, words) in zip(receipts, BAD_ANSWERS, strict=True):
        assert receipt.status == "refused"
        assert words in receipt.error
    assert stored.status == "accepted"
    assert store.events()["labels"].tolist() == [["awe"]]


BAD_DEEDS = [
    (lambda store: store.claim("stranger", 1), "nobody invited annotator 'stranger'"),
    (lambda store: store.speak("stranger", "de"), "nobody invited"),
    (lambda store: store.speak("u", "German"), "a code such as de"),
    (lambda store: store.speak("u", "xx"), "received 'xx'"),
    (lambda store: store.uninvite(["v", "zoe"]), "nobody invited annotator 'zoe'"),
    (lambda store: store.withdraw("u", "vv"), "nobody invited annotator 'vv'; did you mean 'v'"),
    (lambda store: store.undo_withdrawal("u"), "'u' has not withdrawn"),
    (lambda store: store.change_task(skips=-1), "skips: expected greater than or equal to 0, but this is -1"),
    (lambda store: store.change_task(labels=("x",)), "labels: cannot change"),
    (lambda store: store.change_task(question="Or now?"), "question: cannot change any more"),
    (lambda store: store.decide("i000", ["awful"], by="lead"), "decision on image"),
    (lambda store: store.decide("i999", [], by="lead"), "no image"),
    (lambda store: store.init_task(TASK, ["a"]), "a task already"),
]


@on_sqlite
def test_what_cannot_be_done_is_refused_and_changes_nothing(store):
    store.speak("u", "de")
    answer(store, "u", store.claim("u", 1)[0])
    before = all_rows(store)
    for deed, words in BAD_DEEDS:
        refused((StoreError, UnknownLabel), words, deed, store)
        assert all_rows(store) == before, words


def test_who_withdraws_no_longer_counts_and_makes_room(open_store):
    store = make(open_store(), images=2, people="uvw", overlap=1)
    work(store, "u", 1)
    store.claim("u", 1)
    store.consent("u")
    store.withdraw("u", "w", "u")
    assert (len(store.judgements()), len(store.events()), len(work(store, "v"))) == (0, 1, 2)
    refused(StoreError, "withdrawn", store.claim, "u", 1)
    people = store.annotators()
    assert people["withdrawn"].tolist() == [True, False, True]
    assert people["consented"].tolist() == [True, False, False]


@on_sqlite
def test_a_withdrawal_is_undone_for_a_week_with_every_answer_counted_again(open_store, monkeypatch):
    store = make(open_store(), images=4, people="uvw", overlap=1)
    work(store, "u", 3)
    said = store.judgements()

    def counts():
        now = store.progress()
        return now.answered, now.wanted, now.complete

    for _ in range(2):
        store.withdraw("u")
        assert counts() == (0, 4, 0)
        store.undo_withdrawal("u")
    pd.testing.assert_frame_equal(store.judgements(), said)
    assert counts() == (3, 4, 3)
    store.withdraw("u")
    assert len(work(store, "v")) == 4
    assert store.undoable_withdrawals() == ["u"]
    store.undo_withdrawal("u")
    assert Counter(store.judgements()["annotator_id"]) == {"u": 3, "v": 4}
    assert (counts(), len(store.events())) == ((7, 7, 4), 7)
    assert store.claim("u") == store.claim("w") == []
    store.withdraw("u")
    store.withdraw("v", proven=False)
    later = schema.now_ms() + people.UNDO_MS
    monkeypatch.setattr(people, "now_ms", lambda: later)
    assert store.undoable_withdrawals() == ["v"]
    refused(StoreError, "'u' withdrew more than 7 days ago: that is final", store.undo_withdrawal, "v", "u")
    assert store.judgements().empty
    store.undo_withdrawal("v")
    assert set(store.judgements()["annotator_id"]) == {"v"}
    store.withdraw("v")
    later += people.UNDO_MS
    assert store.undoable_withdrawals() == []


@on_sqlite
@pytest.mark.slow
def test_checks_and_repeats_are_mixed_in_at_their_rates(open_store):
    store = make(open_store(), images=150, people="u", overlap=1, checks={"rate": 0.1}, repeats={"rate": 0.1, "gap": 5})
    checks = pd.DataFrame({"image_id": [f"i{n:03d}" for n in range(30)]})
    checks["accepted"], checks["forbidden"] = [["joy"]] * 30, [["fear"]] * 30
    store.add_checks(checks)
    done = work(store, "u")
    purposes = Counter(c.purpose for c in done)
    assert purposes["task"] == 120
    assert all(5 <= purposes[name] <= 27 for name in ("check", "repeat"))
    first = {c.image_id: c.place for c in done if c.purpose == "task"}
    assert all(c.place - first[c.image_id] > 5 for c in done if c.purpose == "repeat")
    assert store.progress().answered == 120


def test_strategies_order_the_images(open_store):
    store = make(open_store(), images=20, people="uvwxyz", overlap=3)
    (begun,) = ids(store.claim("u", 1))
    store.enqueue(["i011", "i002"])
    assert ids(store.claim("v", 2)) == ["i011", "i002"]
    store.change_task(strategy="fill")
    assert ids(store.claim("w", 3)) == ["i011", "i002", begun]
    store.change_task(strategy="queue")
    assert ids(store.claim("x", 5)) == ["i011", "i002"]
    store.change_task(strategy="stratified")
    stratum = store.images().set_index("image_id")["stratum"]
    assert Counter(stratum[c.image_id] for c in store.claim("y", 12)[2:]) == {"a": 5, "b": 5}


def test_asking_for_more_people_never_takes_a_planned_one_away(open_store):
    store = make(open_store(), images=4, people="uv", overlap=3)
    work(store, "u", 2)
    names = list(store.images()["image_id"])
    assert store.enqueue(names, more=1) == 0
    assert store.progress().wanted == 12
    assert store.enqueue(names[:2], more=3) == len(set(names[:2]) & set(store.judgements()["image_id"]))
    store.enqueue(names[:2], more=4)
    wanted = store.progress().wanted
    assert wanted > 12
    store.change_task(overlap=3, strategy="fill")
    assert store.progress().wanted == wanted
    store.change_task(overlap=2)
    assert store.progress().wanted == wanted - 2
    assert store.steer(queue=names, more=1, lower=True) == 0
    assert store.progress().wanted == 4 + 2
    store.steer(changes={"overlap": 1}, lower=True)
    assert store.progress().wanted == 4


@on_sqlite
def test_a_discussion_round_shows_people_only_what_they_answered(open_store):
    store = make(open_store(), images=6, people="uv", overlap=1)
    mine = {*ids(work(store, "u", 3))}
    number = store.open_round()
    again = work(store, "u", round_number=number)
    assert ({*ids(again)}, {c.purpose for c in again}) == (mine, {"discussion"})
    assert (len(store.judgements()), len(store.judgements(rounds=[1]))) == (6, 3)


@on_sqlite
def test_a_decision_adds_and_overwrites_nothing(store):
    answer(store, "u", store.claim("u", 1)[0])
    before = store.judgements()
    store.decide("i000", ["awe"], by="lead", note="after discussion")
    store.decide("i000", [], by="lead")
    assert store.decisions()["labels"].tolist() == [["awe"], []]
    pd.testing.assert_frame_equal(store.judgements(), before)


@on_sqlite
def test_a_database_without_a_task_says_so_and_takes_no_image_twice(open_store):
    store = open_store()
    refused(StoreError, "no task yet", store.claim, "u", 1)
    refused(StoreError, "stands in two rows", store.init_task, TASK, ["a", "a"])
    assert not store.has_task


@on_sqlite
def test_opening_again_changes_nothing_and_a_newer_database_is_refused(store, open_store):
    assert store.change_task(question="And now?").question == "And now?"  # nobody was asked yet
    assert open_store().task == store.task
    with store.database.write() as connection:
        connection.execute(schema.schema_version.insert().values(version=99, applied_at=0))
    refused(StoreError, rf"schema 99, newer than the {len(MIGRATIONS)}.*upgrade", open_store)


@pytest.mark.parametrize(
    ("url", "words"), [("mysql://x/y", "not supported"), ("://", "no database URL"), (".", "is a folder")]
)
def test_other_databases_are_refused(url, words):
    refused(StoreError, words, LabelStore, url)


@on_sqlite
def test_an_invitation_that_was_not_used_can_be_taken_back_and_one_with_answers_stays(store):
    claim = store.claim("u", 1)[0]
    answer(store, "u", claim)
    held = store.claim("v", 3)
    assert store.uninvite(["u", "v"]) == ["u"]
    assert store.annotators()["annotator_id"].tolist() == ["u", "w", "x"]
    assert (store.progress().claimed, len(store.events())) == (0, 1)
    assert store.invite(["v", "y"]) == ["v", "y"]  # numbers of people stay apart
    assert {*ids(store.claim("v", 3))} == {*ids(held)}


@on_sqlite
def test_flags_and_notes_are_read_without_those_of_people_who_withdrew(store):
    first, second = store.claim("u", 2)
    (other,) = store.claim("v", 1)
    (gone,) = store.claim("w", 1)
    store.submit([Answer(first.image_id, "u", "none", flag=True, note="a face"), Answer(second.image_id, "u", "none")])
    store.submit([Answer(other.image_id, "v", "labels", ("awe",), note="so large")])
    store.submit([Answer(gone.image_id, "w", "flag")])
    store.withdraw("w")
    assert store.remarks().to_numpy().tolist() == [
        [first.image_id, "u", 1, "a face", True],
        [other.image_id, "v", 1, "so large", False],
    ]


@on_sqlite
def test_images_added_later_come_at_the_end_and_move_nothing(open_store):
    """Thirty images for two people each; ann holds five. Two more come, one of them known."""
    store = make(open_store())
    held, before = ids(store.claim("u", 5)), store.images()
    assert store.add_images(pd.DataFrame({"image_id": ["i003", "new"], "file": ["other.jpg", "new.jpg"]})) == 1
    after = store.images()
    pd.testing.assert_frame_equal(after.iloc[:30].drop(columns="file"), before.drop(columns="file"))
    assert after[["image_id", "position", "file"]].iloc[30].tolist() == ["new", 30, "new.jpg"]
    assert (ids(store.claim("u", 5)), store.progress().wanted) == (held, 62)
    assert "new" in ids(store.claim("u", 40))
    assert store.add_images(pd.DataFrame({"image_id": ["new"]})) == 0


@on_sqlite
def test_a_change_by_the_lead_at_the_same_moment_costs_nobody_an_image(store, monkeypatch):
    class Cleared(dict):
        def __setitem__(self, key, value):
            """The next moment nothing is proposed any more."""

    monkeypatch.setattr(store, "_proposed", Cleared())
    assert len(store.claim("u", 3)) == 3


@on_sqlite
def test_judgements_of_some_images_are_those_among_all_and_of_an_image_nobody_answered_there_are_none(store):
    for who in "uvw":
        for claim in store.claim(who, 4):
            answer(store, who, claim)
    every = store.judgements()
    some = every["image_id"].drop_duplicates().tolist()[1:3]
    found = store.judgements(image_ids=[*some, "i999"])
    assert found["event_id"].tolist() == every[every["image_id"].isin(some)]["event_id"].tolist()
    assert len(store.judgements(image_ids=["i999"])) == 0


def test_an_acknowledged_answer_is_on_disk(with_tables):
    made = []  # as connections are before the tests themselves let them not wait for the disk
    with closing(Database(with_tables)) as database:
        sa.event.listen(database.engine, "connect", lambda raw, _: made.extend(raw.execute("PRAGMA synchronous")))
        with database.write():
            pass
    assert made == [(2,)]  # FULL


def test_what_one_server_queues_comes_first_on_another_too_and_again_to_all_who_answered(open_store):
    page = make(open_store(), overlap=1)
    answer(page, "u", page.claim("u", 1)[0])
    with LabelStore(page.database.engine.url.render_as_string(hide_password=False)) as other:
        last = [name for name in other.images()["image_id"] if name not in set(other.events()["image_id"])][-1]
        other.enqueue([last], more=2)
    for who in "uv":
        (queued,) = page.claim(who, 1)
        assert queued.image_id == last
        answer(page, who, queued)
    again = page.open_round([last])
    assert [ids(page.claim(who, 1, round_number=again)) for who in "uv"] == [[last]] * 2
