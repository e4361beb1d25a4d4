"""How many people an image is to get where that depends on what the first ones said. Within a transaction.

A slot's `wanted` begins at `min`, or at `max` for the images that keep all people, and grows by one whenever all who
were wanted have answered and the rule of `stopping` says so. The rule is fitted anew whenever answers have grown by a
tenth. Who decides holds the image's slot, and then the fit: who fits waits for no slot, so nobody waits in a circle.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import sqlalchemy as sa

from affectml_annotation.judgements import ANSWERS
from affectml_annotation.smoothing import BetaPrior, FloatArray, fit_beta_prior
from affectml_annotation.stopping import Overlap, expected_change, threshold, whole
from affectml_annotation.store.schema import annotator, answer, assignment, event, image, setting, slot
from affectml_annotation.store.settings import TaskSettings, read_setting, read_settings, write_setting

MAIN = 1
FIT = "stopping"  # of the rule: how many events there were, the prior of each label, and the threshold
WHOLE = "whole"  # the ids of the images that keep all people
FORMER = "stopped"  # of a task that has one number for all now: its last rule, and how many events came under it
FEW = 500  # images that are asked for one by one
GROWN, GROWN_AT_THE_END = 1.1, 1.01
_IS_MAIN = slot.c.round == MAIN
_LABELLED = sa.select(slot.c.position).where(_IS_MAIN, slot.c.wanted > 0)
_KEPT = sa.select(setting.c.value).where(setting.c.key == FIT)
_EVENTS = sa.select(sa.func.coalesce(sa.func.max(event.c.number), 0))
_IS_OUT = (assignment.c.round == MAIN, assignment.c.holds_slot, assignment.c.answered_at.is_(None))
_OUT = sa.exists().where(*_IS_OUT, assignment.c.position == slot.c.position)
_IS_COMPLETE = (_IS_MAIN, slot.c.wanted <= slot.c.taken, ~_OUT)
# Built once, for every answer: of these images, and of these positions.
_COMPLETE = sa.select(slot.c.position, slot.c.taken).where(*_IS_COMPLETE)
_there = sa.bindparam("there", type_=sa.Integer, expanding=True)
_ids = sa.bindparam("ids", type_=sa.String, expanding=True)
_COMPLETE_THERE = _COMPLETE.where(slot.c.position.in_(_there))
_NAMED = sa.select(image.c.position).where(image.c.image_id.in_(_ids))
_ALL_SLOTS = _LABELLED.order_by(slot.c.position).with_for_update(skip_locked=True)
_SLOTS = _LABELLED.where(slot.c.position.in_(_NAMED)).order_by(slot.c.position).with_for_update()
_WANTING = sa.union_all(
    sa.select(slot.c.position).where(_IS_MAIN, slot.c.taken < slot.c.wanted),
    sa.select(assignment.c.position).where(*_IS_OUT),
).limit(1)
_SAID = (  # by way of the assignments, which can be found by image
    sa.select(assignment.c.position, event.c.kind, event.c.labels)
    .select_from(assignment)
    .join(image, image.c.position == assignment.c.position)
    .join(answer, sa.and_(answer.c.annotator_id == assignment.c.annotator_id, answer.c.round == MAIN,
                          answer.c.image_id == image.c.image_id))
    .join(event, event.c.event_id == answer.c.event_id)
    .join(annotator, annotator.c.annotator_id == answer.c.annotator_id)
    .where(assignment.c.round == MAIN, ~answer.c.surplus, annotator.c.withdrawn_at.is_(None))
)  # fmt: skip
_SAID_THERE = _SAID.where(assignment.c.position.in_(_there))


def wanted_of(connection: sa.Connection, settings: TaskSettings, image_ids: Sequence[str]) -> dict[str, int]:
    """How many people these new images are to get at first."""
    overlap = settings.overlap
    if not isinstance(overlap, Overlap):
        return dict.fromkeys(image_ids, overlap)
    others = int(connection.scalar(sa.select(sa.func.count()).select_from(_LABELLED.subquery())) or 0)
    there = read_setting(connection, WHOLE) or []
    chosen = whole(image_ids, settings.seed, of=others, there=len(there))
    write_setting(connection, WHOLE, [*there, *sorted(chosen)])
    if read_setting(connection, FIT) is None:
        write_setting(connection, FIT, {"events": 0})
    return {name: overlap.max if name in chosen else overlap.min for name in image_ids}


def follow(connection: sa.Connection, before: TaskSettings, settings: TaskSettings) -> None:
    """After another overlap was set: which images keep all people, and who is asked on."""
    if isinstance(before.overlap, Overlap) or isinstance(settings.overlap, Overlap):
        write_setting(connection, FIT, {"events": 0})  # never taken away: somebody may wait for it with an answer
    if not isinstance(settings.overlap, Overlap):
        if isinstance(before.overlap, Overlap):
            former = {"rule": asdict(before.overlap), "events": connection.scalar(_EVENTS)}
            write_setting(connection, FORMER, former)
        return
    names = _names(connection)
    settings.overlap.check(len(names))
    keep = set(read_setting(connection, WHOLE) or ())
    others = [name for name in names.values() if name not in keep]
    there = len(names) - len(others)
    keep |= whole(others, settings.seed, of=there, there=there)
    write_setting(connection, WHOLE, sorted(keep))
    least = slot.update().where(_IS_MAIN, slot.c.position == sa.bindparam("at"), slot.c.wanted < settings.most)
    rows = [{"at": at} for at, name in names.items() if name in keep]
    if rows:
        connection.execute(least.values(wanted=settings.most), rows)
    ask_on(connection)


def _names(connection: sa.Connection) -> dict[int, str]:
    """The images that people label, by position; without what a study sets apart."""
    named = sa.select(image.c.position, image.c.image_id).where(image.c.position.in_(_LABELLED))
    return {row.position: row.image_id for row in connection.execute(named.order_by(image.c.position))}


def rule(connection: sa.Connection) -> Mapping[str, Any] | None:
    """The fields of the Overlap by which images stop, or stopped while answers came that are still there, else None."""
    overlap = (read_setting(connection, "task") or {}).get("overlap")  # there may be no task yet
    if isinstance(overlap, Mapping):
        return overlap
    former = read_setting(connection, FORMER) or {"events": 0}
    under_it = sa.select(event.c.number).where(event.c.number <= former["events"], event.c.round == MAIN).limit(1)
    return None if connection.scalar(under_it) is None else dict(former["rule"])


def stopping(connection: sa.Connection) -> dict[str, Any] | None:
    """min, max, mean, until and `whole`, the ids of images that keep all people; None where no image stopped early."""
    if (found := rule(connection)) is None:
        return None
    keep = set(read_setting(connection, WHOLE))
    return {**found, "whole": [name for name in _names(connection).values() if name in keep]}


def stopped(connection: sa.Connection) -> dict[int, int] | None:
    """How many images are complete, by the number of their people; None where all get the same number."""
    if not isinstance(read_settings(connection).overlap, Overlap):
        return None
    here = sa.select(slot.c.taken, sa.func.count()).where(*_IS_COMPLETE, slot.c.wanted > 0).group_by(slot.c.taken)
    return {int(people): int(images) for people, images in connection.execute(here.order_by(slot.c.taken))}


def ask_on(connection: sa.Connection, image_ids: Collection[str] | None = None) -> None:
    """Want one more person for each of these images (all: None) that is complete and worth it, if that depends."""
    if not isinstance(read_settings(connection).overlap, Overlap):
        return
    complete = _complete(connection, image_ids)
    settings = read_settings(connection)  # as the lead has left them who held the slots
    if (not complete and image_ids is not None) or not isinstance(settings.overlap, Overlap):
        return
    fit, fresh = _fit(connection, settings)
    if fresh or image_ids is None:
        complete |= _complete(connection, None)
    _raise(connection, settings, fit, complete)
    if connection.execute(_WANTING).first() is None and (again := _fit(connection, settings, GROWN_AT_THE_END))[1]:
        _raise(connection, settings, again[0], _complete(connection, None))


def _complete(connection: sa.Connection, image_ids: Collection[str] | None) -> dict[int, int]:
    """Lock these images' slots, and say which have all the people they want, with how many those are.

    None: those of all images but for slots that others hold, who are about to judge them.
    """
    if image_ids is None:
        locked = set(connection.scalars(_ALL_SLOTS))
        found = connection.execute(_COMPLETE)
    else:
        locked = set(connection.scalars(_SLOTS, {"ids": [*image_ids]}))
        # A look of its own: what others did before we had the lock is seen only now.
        found = connection.execute(_COMPLETE_THERE, {"there": [*locked]})
    return {row.position: row.taken for row in found if row.position in locked}


def _raise(connection: sa.Connection, settings: TaskSettings, fit: Mapping[str, Any], complete: dict[int, int]) -> None:
    overlap = settings.overlap
    assert isinstance(overlap, Overlap)
    able = [position for position, taken in complete.items() if taken < overlap.max]
    if not able:
        return
    votes, n, _ = _counts(connection, _SAID if len(able) > FEW else _SAID_THERE, able, settings.labels)
    prior = BetaPrior(np.array(fit["alpha"]), np.array(fit["beta"]), np.zeros(len(settings.labels), dtype=bool))
    change = expected_change(votes, n, prior, overlap.until)
    more = [{"at": position} for position, c in zip(able, change, strict=True) if c > fit["threshold"]]
    if more:
        one_more = slot.update().where(_IS_MAIN, slot.c.position == sa.bindparam("at")).values(wanted=slot.c.taken + 1)
        connection.execute(one_more, more)


def _fit(connection: sa.Connection, settings: TaskSettings, grown: float = GROWN) -> tuple[Mapping[str, Any], bool]:
    """The rule as it was last fitted, or fitted anew where it is time; and whether it was."""
    events = int(connection.scalar(_EVENTS) or 0)
    if events < grown * read_setting(connection, FIT)["events"]:
        return connection.execute(_KEPT.with_for_update(read=True)).scalar_one(), False
    last: dict[str, Any] = connection.execute(_KEPT.with_for_update()).scalar_one()
    if events < grown * last["events"]:  # somebody else has just done it
        return last, False
    overlap, keep = settings.overlap, set(read_setting(connection, WHOLE))
    assert isinstance(overlap, Overlap)
    names = _names(connection)
    votes, n, skipped = _counts(connection, _SAID, list(names), settings.labels)
    prior = fit_beta_prior(votes, n)
    rest = np.array([name not in keep for name in names.values()], dtype=bool)
    people = overlap.mean * len(names) - overlap.max * (~rest).sum()
    answers = people * n.sum() / max(n.sum() + skipped, 1)
    limit = threshold(votes[rest], n[rest], prior, overlap, answers, seed=settings.seed)
    fit = {"events": events, "alpha": prior.alpha.tolist(), "beta": prior.beta.tolist(), "threshold": limit}
    write_setting(connection, FIT, fit)
    return fit, True


def _counts(
    connection: sa.Connection, said: sa.Select[Any], positions: Sequence[int], labels: Sequence[str]
) -> tuple[FloatArray, FloatArray, int]:
    """Votes by image and label, answers by image, and how many people skipped one of these images."""
    row, column = {at: i for i, at in enumerate(positions)}, {label: i for i, label in enumerate(labels)}
    votes, n, skipped = np.zeros((len(positions), len(labels))), np.zeros(len(positions)), 0
    for position, kind, chosen in connection.execute(said, {} if said is _SAID else {"there": [*positions]}):
        if position not in row:
            continue
        if kind not in ANSWERS:
            skipped += 1
            continue
        n[row[position]] += 1
        votes[row[position], [column[label] for label in chosen]] += 1
    return votes, n, skipped
