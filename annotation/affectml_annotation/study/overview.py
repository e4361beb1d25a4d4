"""How a study goes: who came, how far they got, where they left, what still wants people, and how they work.

No panel's id: in a study people go by their random participant id, and in its order, which says nothing of them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from affectml_annotation.agreement.by_person import annotator_report
from affectml_annotation.agreement.values import with_interval
from affectml_annotation.judgements import are_data
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.schema import (
    assignment,
    erasure,
    lead_change,
    read_setting,
    slot,
    study_tally,
    study_version,
    visit,
    visit_step,
)
from affectml_annotation.study import running
from affectml_annotation.study.visits import give_back_places

SPEEDING = 0.5  # of the others' median time
FEWEST = 10  # images that a verdict rests on, at least
_RENAMED = {"with_others_low": "low", "with_others_high": "high", "expected_by_chance": "by_chance"}
FIGURES = ("seconds", "speeder", "checks", "checks_failed", "slower", "with_others", "low", "high", "by_chance",
           "shared_images", "no_more_than_chance", "languages")  # fmt: skip


@dataclass(frozen=True)
class Overview:
    """A study as it is now.

    opened: how often the consent was shown, declined and full: how many went for that. reached: people by phase, the
    first of which is everybody who agreed; ended: people by status; at: where those are who did not complete it, by
    phase and status, going_on for who is there now. erased: people who are in no other of these counts any more.
    minutes: the median of who completed it. wanting: images that still want people, and answers: how many those want.
    """

    version: int
    state: running.State
    places: int
    opened: int
    declined: int
    full: int
    reached: dict[str, int]
    going_on: int
    ended: dict[str, int]
    at: dict[str, dict[str, int]]
    erased: int
    minutes: float | None
    wanting: int
    answers: int

    @property
    def free(self) -> int:
        """Places that nobody has."""
        return max(0, self.places - self.going_on - self.ended.get("completed", 0))


def overview(store: LabelStore) -> Overview:
    """How the study goes. Raises StoreError where there is none."""
    give_back_places(store)

    def work(connection: sa.Connection) -> Overview:
        version, study = running.study_of(connection)
        setting = read_setting(connection, running.KEY)
        counts = connection.execute(sa.select(study_tally.c.name, study_tally.c.count))
        tally = {str(name): int(count) for name, count in counts}
        people = connection.execute(sa.select(visit)).all()
        steps = Counter(connection.scalars(sa.select(visit_step.c.phase)))
        done = [row.active_ms / 60_000 for row in people if row.status == "completed"]
        wanted = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(slot.c.wanted - slot.c.taken), 0))
        images, answers = connection.execute(wanted.where(slot.c.round == 1, slot.c.taken < slot.c.wanted)).one()
        return Overview(
            version=version,
            state=setting["state"],
            places=study.file.places.people + setting["more"],
            **{name: tally[name] for name in running.TALLIES},
            reached={phase: steps[phase] for phase in (*study.file.phases, "code")},
            going_on=sum(row.status is None for row in people),
            ended=dict(Counter(row.status for row in people if row.status is not None)),
            at={phase: dict(here) for phase in study.file.phases if (here := _fates(people, phase))},
            erased=connection.scalar(sa.select(sa.func.count()).where(erasure.c.person.is_not(None))) or 0,
            minutes=median(done) if done else None,
            wanting=int(images),
            answers=int(answers),
        )

    return store.database.reading(work)


def _fates(people: Sequence[sa.Row[Any]], phase: str) -> Counter[str]:
    return Counter(row.status or "going_on" for row in people if row.phase == phase and row.status != "completed")


def funnel(now: Overview) -> pd.DataFrame:
    """Each step, and what became of the people who reached it: step, fate, people; only what happened.

    Steps are consent, the phases, and code, which those have reached who completed it. Fates are went_on, a visit's
    status, and going_on; at consent also declined, and went_away: nothing was ever heard of them. Whoever was erased
    went on there, and is nowhere else.
    """
    phases = [phase for phase in now.reached if phase != "code"]
    agreed = now.reached[phases[0]] + now.erased
    rows = [
        ("consent", "went_on", agreed),
        ("consent", "declined", now.declined),
        ("consent", "went_away", now.opened - now.declined - agreed),
    ]
    for phase in phases:
        fates = now.at.get(phase, {})
        rows.append((phase, "went_on", now.reached[phase] - sum(fates.values())))
        rows += [(phase, fate, count) for fate, count in fates.items()]
    rows.append(("code", "completed", now.reached["code"]))
    return pd.DataFrame([row for row in rows if row[2] > 0], columns=["step", "fate", "people"])


def people(store: LabelStore, report: pd.DataFrame | None = None) -> pd.DataFrame:
    """How everybody of a study works, a row each by participant id; nothing of it decides about anybody's pay.

    report: as `how_people_work` gives it, where that is there already.

    Returns:
        participant, status (going_on while it does), phase, version, minutes, images (answered, without checks), and
        the columns of `with_figures`.

    Raises:
        StoreError: there is no study.
    """
    give_back_places(store)

    def work(connection: sa.Connection) -> tuple[Sequence[sa.Row[Any]], dict[str, int]]:
        running.file_of(connection)
        done = sa.select(assignment.c.annotator_id, sa.func.count()).where(
            assignment.c.purpose == "task", assignment.c.answered_at.is_not(None)
        )
        counts = connection.execute(done.group_by(assignment.c.annotator_id))
        visits = connection.execute(sa.select(visit).order_by(visit.c.annotator_id)).all()
        return visits, {str(who): int(count) for who, count in counts}

    visits, images = store.database.reading(work)
    found = pd.DataFrame({
        "participant": [row.annotator_id for row in visits],
        "status": [row.status or "going_on" for row in visits],
        "phase": [row.phase for row in visits],
        "version": [row.version for row in visits],
        "minutes": [row.active_ms / 60_000 for row in visits],
        "images": [images.get(row.annotator_id, 0) for row in visits],
    })  # fmt: skip
    return with_figures(found, how_people_work(store, store.judgements()) if report is None else report)


def how_people_work(store: LabelStore, said: pd.DataFrame) -> pd.DataFrame:
    """`annotator_report` of all that is said, with checks, repeats and intervals, a row per annotator_id, and more.

    slower: the median seconds of the later half of their images over those of the earlier. languages: those in which
    they answered, the most used first. What there is nothing to go by for is missing.

    speeder: whether their median of seconds is below half of the median of the other people's. Half the typical time is
    where a relative speed index of 2 lies (Leiner 2019, Survey Research Methods 13(3)), and the mildest of the three
    limits that Greszki, Meyer and Schoen (2015, Public Opinion Quarterly 79(2)) compare; who is fast need not be
    careless.

    no_more_than_chance: whether the interval of what they agree above chance reaches 0 or below. With few images or
    strong feelings of their own that is so of honest people too. Missing below ten shared images.
    """
    rounds = store.rounds()
    repeats = rounds[rounds["purpose"] == "repeat"]
    report = annotator_report(
        said, store.task.labels, checks=store.checks(), repeats=repeats, intervals=True
    ).set_index("annotator_id")
    report[["checks", "checks_failed"]] = report[["checks", "checks_failed"]].where(report["checks"] > 0)
    report["repeats"] = report["repeats"].where(report["repeats"] > 0)
    first = said[said["round"] == 1]
    report["slower"] = report.index.map(_slower(first[are_data(first)]))
    spoken = first.dropna(subset=["language"]).groupby("annotator_id")["language"]
    report["languages"] = spoken.agg(lambda own: ", ".join(own.value_counts().index))
    seconds = report["seconds"]
    others = pd.Series([seconds.drop(who).median() for who in seconds.index], index=seconds.index, dtype="float64")
    fast = (seconds < SPEEDING * others).astype("boolean")
    report["speeder"] = fast.where(others.notna() & seconds.notna())
    chance = (report["above_chance_low"] <= 0).astype("boolean")
    report["no_more_than_chance"] = chance.where(report["shared_images"] >= FEWEST)
    return report


def with_figures(people: pd.DataFrame, report: pd.DataFrame) -> pd.DataFrame:
    """A table of people (their column participant) with what `how_people_work` says of them: `FIGURES`.

    low, high and by_chance belong to with_others: its 95 % interval over images, and what chance would give.
    """
    figures = report.rename(columns=_RENAMED)[[*FIGURES]]
    return people.astype({"participant": object}).join(figures.set_axis(figures.index.astype(object)), on="participant")


def as_text(people: pd.DataFrame) -> pd.DataFrame:
    """The table of `with_figures` as it is read: agreement with its interval in one column, marks in another.

    A column in which nothing stands of anybody is left out.
    """
    rows = people.astype(object).where(people.notna(), None).to_dict("records")
    marks = {"speeder": "fast", "no_more_than_chance": "no more than chance"}
    told = people[["participant"]].assign(
        status=people["status"].str.replace("_", " "),
        marked=[", ".join(said for name, said in marks.items() if row[name]) for row in rows],
        languages=[row["languages"] or "–" for row in rows],
        images=people["images"],
        minutes=people.get("minutes"),
        seconds=people["seconds"],
        failed_checks=["–" if row["checks"] is None else f"{row['checks_failed']:.0f} of {row['checks']:.0f}"
                       for row in rows],
        later_to_earlier=people["slower"],
        with_others=[with_interval(row["with_others"], row["low"], row["high"]) for row in rows],
        by_chance=people["by_chance"],
    )  # fmt: skip
    return told.loc[:, [not told[name].isin(["–", "", None, np.nan]).all() for name in told]]


def _slower(judgements: pd.DataFrame) -> dict[str, float]:
    """Each person's median seconds in the later half of what they said, over those in the earlier half."""
    found = {}
    for who, mine in judgements.sort_values("at", kind="stable").groupby("annotator_id"):
        half = len(mine) // 2
        if half:
            found[str(who)] = mine["seconds"].iloc[-half:].median() / mine["seconds"].iloc[:half].median()
    return found


def versions(store: LabelStore) -> pd.DataFrame:
    """The versions of the study, the one that newcomers see first: version, at, affectml, people who came in it."""
    came = sa.select(visit.c.version, sa.func.count().label("people")).group_by(visit.c.version).subquery()
    query = sa.select(
        study_version.c.number.label("version"), study_version.c.at, study_version.c.affectml,
        sa.func.coalesce(came.c.people, 0).label("people"),
    ).outerjoin(came, came.c.version == study_version.c.number)  # fmt: skip
    return _timed(store.database.table(query.order_by(study_version.c.number.desc())))


def changes(store: LabelStore) -> pd.DataFrame:
    """Who changed what of the study, and when, newest first: at, by (empty where they were erased), what."""
    query = sa.select(lead_change.c.at, lead_change.c.by, lead_change.c.what)
    return _timed(store.database.table(query.order_by(lead_change.c.number.desc())))


def _timed(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(at=pd.to_datetime(table["at"], unit="ms", utc=True))
