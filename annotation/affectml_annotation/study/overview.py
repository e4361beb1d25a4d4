"""How a study goes: who came, how far they got, where they left, what still wants people, and how they work.

No panel's id: in a study people go by their random participant id, and in its order, which says nothing of them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from affectml_annotation.agreement.alpha import with_interval
from affectml_annotation.agreement.by_person import annotator_report
from affectml_annotation.judgements import are_data
from affectml_annotation.store import LabelStore
from affectml_annotation.store.engine import reading, table_of
from affectml_annotation.store.schema import (
    annotator,
    assignment,
    erasure,
    lead_change,
    questionnaire,
    study_tally,
    visit,
    visit_step,
)
from affectml_annotation.store.versions import all_versions
from affectml_annotation.study import running
from affectml_annotation.study.file import Question
from affectml_annotation.study.visits import give_back_places, problem_of

SPEEDING = 0.5  # of the others' median time
FEWEST = 10  # images that a verdict rests on, at least
_RENAMED = {"with_others_low": "low", "with_others_high": "high", "expected_by_chance": "by_chance"}
FIGURES = ("seconds", "speeder", "checks", "checks_failed", "slower", "with_others", "low", "high", "by_chance",
           "shared_images", "no_more_than_chance", "languages")  # fmt: skip


@dataclass(frozen=True)
class Overview:
    """A study as it is now.

    version: the one that newcomers see, since when (UTC), by which affectml, and how many people came in it. opened:
    how often the consent was shown, declined and full: how many went for that. reached: people by phase, the first of
    which is everybody who agreed; ended: people by status; at: where those are who did not complete it, by phase and
    status, going_on for who is there now. erased: people who are in no other of these counts any more.
    minutes: the median of who completed it. wanting: images that still want people, and answers: how many those want.
    """

    version: int
    since: str
    affectml: str
    came: int
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
    wanting = running.images_wanting(store)
    with store.database.read() as connection:
        version, setting = running.running_version(connection), running.steering(connection)
        tally = dict(map(tuple, connection.execute(sa.select(study_tally.c.name, study_tally.c.count))))
        steps = Counter(connection.scalars(sa.select(visit_step.c.phase)))
        erased = connection.scalar(sa.select(sa.func.count()).where(erasure.c.person.is_not(None)))
        people = table_of(connection, sa.select(visit))
    status = people["status"].fillna("going_on")
    done, unfinished = people["active_ms"][status == "completed"], status[status != "completed"]
    return Overview(
        version=version.number,
        since=f"{pd.Timestamp(version.at, unit='ms'):%Y-%m-%d %H:%M}",
        affectml=version.affectml,
        came=int((people["version"] == version.number).sum()),
        state=setting["state"],
        places=version.file.places.people + setting["more"],
        **{name: int(tally[name]) for name in running.TALLIES},
        reached={phase: steps[phase] for phase in (*version.file.phases, "code")},
        going_on=int((status == "going_on").sum()),
        ended=dict(Counter(status[status != "going_on"])),
        at={str(phase): dict(Counter(here)) for phase, here in unfinished.groupby(people["phase"])},
        erased=erased or 0,
        minutes=float(done.median()) / 60_000 if len(done) else None,
        wanting=len(wanting),
        answers=int((wanting["wanted"] - wanting["taken"]).sum()),
    )


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
    """
    give_back_places(store)
    answered = (assignment.c.purpose == "task", assignment.c.answered_at.is_not(None))
    images = sa.select(sa.func.count()).where(assignment.c.annotator_id == visit.c.annotator_id, *answered)
    table = store.database.table(
        sa.select(
            visit.c.annotator_id.label("participant"),
            sa.func.coalesce(visit.c.status, "going_on").label("status"),
            visit.c.phase,
            visit.c.version,
            (visit.c.active_ms / 60_000).label("minutes"),
            images.scalar_subquery().label("images"),
        ).order_by(visit.c.annotator_id)
    )
    return with_figures(table, how_people_work(store, store.judgements()) if report is None else report)


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
    in_order = first[are_data(first)].sort_values("at", kind="stable").groupby("annotator_id")["seconds"]
    report["slower"] = in_order.agg(lambda own: own.tail(len(own) // 2).median() / own.head(len(own) // 2).median())
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
        failed_checks=[f"{row['checks_failed'] or 0:.0f} of {row['checks'] or 0:.0f}" for row in rows],
        later_to_earlier=people["slower"],
        with_others=[with_interval(row["with_others"], row["low"], row["high"]) for row in rows],
        by_chance=people["by_chance"],
    )  # fmt: skip
    return told.loc[:, [not told[name].isin(["–", "0 of 0", "", None, np.nan]).all() for name in told]]


@reading
def changes(connection: sa.Connection) -> pd.DataFrame:
    """Who changed what of the study, and when, newest first: at, by (empty where they were erased), what."""
    newest_first = sa.select(*lead_change.c["at", "by", "what"]).order_by(lead_change.c.number.desc())
    table = table_of(connection, newest_first)
    return table.assign(at=pd.to_datetime(table["at"], unit="ms", utc=True))


@dataclass(frozen=True)
class Answered:
    """How many answered a question, and what: by option, number or span of numbers, in order; the texts, sorted.

    In a span, the first number is in it and the second in the next one, but for the last.
    """

    question: Question
    people: int
    counts: dict[str, int]
    texts: tuple[str, ...]


@reading
def answers_to_questions(connection: sa.Connection) -> list[Answered]:
    """What people answered to each question, as the newest version with it asks it; nobody who withdrew is in it.

    Answers that are none to that version (its options have changed) are left out of counts and texts, not of people.
    """
    questions = {one.id: one for version in reversed(all_versions(connection)) for one in version.file.questions}
    given: dict[str, list[Any]] = {name: [] for name in questions}
    stays = (annotator.c.annotator_id == questionnaire.c.annotator_id, annotator.c.withdrawn_at.is_(None))
    for name, value in connection.execute(sa.select(*questionnaire.c["question", "value"]).where(*stays)):
        given[name].append(value)
    return [_answered(one, given[name]) for name, one in questions.items()]


def _answered(question: Question, given: Sequence[Any]) -> Answered:
    values = [value for value in given if problem_of(question, value) is None]
    if question.kind == "text":
        return Answered(question, len(given), {}, tuple(sorted(values)))
    if question.kind in ("choice", "several"):
        chosen = list(chain.from_iterable([value] if isinstance(value, str) else value for value in values))
        return Answered(question, len(given), {option: chosen.count(option) for option in question.options}, ())
    ends = (question.low, question.high) if question.kind == "scale" else ()
    return Answered(question, len(given), _spans(values, [end for end in ends if end is not None]), ())


def _spans(values: Sequence[float], ends: Iterable[float]) -> dict[str, int]:
    """Numbers counted one by one where they are whole and few, else in at most a dozen spans of a round width."""
    every = [*values, *ends]
    if not every:
        return {}
    low, high = min(every), max(every)
    steps = (size * 10.0**power for power in range(-2, 16) for size in (1, 2, 5))
    step = next(step for step in steps if high - low < 12 * step)
    if all(float(value).is_integer() for value in every) and step <= 1:
        return {str(number): values.count(number) for number in range(int(low), int(high) + 1)}
    first, last = math.floor(low / step), math.ceil(high / step)
    edges = [float(f"{at * step:.12g}") for at in range(first, max(last, first + 1) + 1)]
    counts = np.histogram(values, edges)[0]
    return {f"{edges[at]:.12g} to {edges[at + 1]:.12g}": int(count) for at, count in enumerate(counts)}
