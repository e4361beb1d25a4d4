"""Questions about a person: the order they come in, and whether an answer to one can be."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import sqlalchemy as sa

from affectml_annotation.errors import did_you_mean
from affectml_annotation.judgements import storable
from affectml_annotation.languages import _, ngettext, number
from affectml_annotation.store.claims import number_of
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.schema import annotator, questionnaire
from affectml_annotation.store.versions import all_versions
from affectml_annotation.study.file import Question, Questions

MOST_TEXT = 2_000  # characters of a free answer
MOST_NUMBER = 1e15  # beyond it, and at nan, nobody means a number


def in_order(asked: Questions, who: str, seed: int) -> list[Question]:
    """The questions as this person is asked them: always the same for one person."""
    questions = list(asked.questions)
    if asked.order == "random":
        questions.sort(key=lambda question: number_of(seed, who, "question", question.id))
    return questions


def read_answers(asked: Questions, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The answers as they are kept, and by question what is wrong with those that cannot be; nothing is kept then.

    A question left out that need not be answered is in neither.
    """
    questions = {question.id: question for question in asked.questions}
    kept: dict[str, Any] = {}
    wrong = {
        str(name)[:40]: f"there is no such question{did_you_mean(str(name)[:40], [*questions])}"
        for name in given
        if name not in questions
    }
    for name, question in questions.items():
        value = given.get(name)
        if isinstance(value, str) and question.kind == "text":
            value = value.strip()
        if value is None or value in ("", [], ()):
            if question.required:
                wrong[name] = _("please answer this question")
        elif problem := _problem(question, value):
            wrong[name] = problem
        else:
            kept[name] = list(value) if question.kind == "several" else value
    return kept, wrong


def _problem(question: Question, value: Any) -> str | None:
    """What is wrong with an answer by itself; None for one that can be."""
    match question.kind:
        case "choice":
            return None if value in question.options else _("please choose one of the options")
        case "several":
            good = isinstance(value, list | tuple) and all(one in question.options for one in value)
            return None if good and len(set(value)) == len(value) else _("please choose from the options, each once")
        case "text":
            if not isinstance(value, str) or len(value) > MOST_TEXT:
                return ngettext(
                    "please write {n:,} character at most",
                    "please write {n:,} characters at most",
                    MOST_TEXT,
                )
            return None if storable(value) else _("this contains a character that cannot be stored; please remove it")
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST_NUMBER <= value <= MOST_NUMBER:
        return _("please enter a number")
    low, high = question.low, question.high
    if (low is not None and value < low) or (high is not None and value > high):
        if low is None or high is None:
            return _("this number is outside the range")
        return _("please enter a number from {low} to {high}", low=number(low), high=number(high))
    return None


@dataclass(frozen=True)
class Answered:
    """How many answered a question, and what: by option, number or span of numbers, in order; the texts, sorted.

    In a span, the first number is in it and the second in the next one, but for the last.
    """

    question: Question
    people: int
    counts: dict[str, int]
    texts: tuple[str, ...]


def answers_to_questions(store: LabelStore) -> list[Answered]:
    """What people answered to each question, as the newest version with it asks it; nobody who withdrew is in it.

    Answers that are none to that version (its options have changed) are left out of counts and texts, not of people.
    """

    def work(connection: sa.Connection) -> list[Answered]:
        files = [version.file for version in all_versions(connection)]
        questions: dict[str, Question] = {}
        for one in chain.from_iterable((*file.before.questions, *file.after.questions) for file in files):
            questions.setdefault(one.id, one)
        given: dict[str, list[Any]] = {name: [] for name in questions}
        query = sa.select(questionnaire.c.question, questionnaire.c.value).join(
            annotator, annotator.c.annotator_id == questionnaire.c.annotator_id
        )
        for name, value in connection.execute(query.where(annotator.c.withdrawn_at.is_(None))):
            given[name].append(value)
        return [_answered(one, given[name]) for name, one in questions.items()]

    return store.database.reading(work)


def _answered(question: Question, given: Sequence[Any]) -> Answered:
    values = [value for value in given if _problem(question, value) is None]
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
