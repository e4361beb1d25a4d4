"""Agreement person by person: each annotator against the others."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from affectml_annotation.agreement.alpha import (
    FloatArray,
    IntArray,
    add_bounds,
    distance_table,
    divided,
    interval,
    set_codes,
    set_distances,
    similar_pairs,
)
from affectml_annotation.judgements import KINDS, Panel, Rounds, encode, of_now, one_look


def label_use(answers: Panel, of: IntArray, groups: int) -> FloatArray:
    """Share of each person's or group's answers that hold each label, [groups, C]; nan without answers.

    of [M]: whose each answer is, below 0 nobody's.
    """
    known = of >= 0
    use = [np.bincount(of[known & column], minlength=groups) for column in answers.chosen.T]
    return divided(use, np.bincount(of[known], minlength=groups)).T


def annotator_report(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    *,
    rounds: Rounds = "first",
    checks: pd.DataFrame | None = None,
    repeats: pd.DataFrame | None = None,
    intervals: bool = False,
) -> pd.DataFrame:
    """What each annotator did, and how it fits with the others.

    Args:
        judgements: a judgement table.
        labels: all labels in use.
        rounds: which looks count; see `encode`.
        checks: attention checks, if any: columns image_id, and accepted and forbidden (lists of labels). A check fails
            when the answer holds a forbidden label, or when there are accepted labels and the answer holds none.
            Answers to them are those whose `purpose` is check; in a table without it, all to these images.
        repeats: rounds that repeat others, if any: columns round and of.
        intervals: whether to have intervals, over each person's images.

    Returns:
        One row per annotator, in order of appearance: annotator_id; judgements, and how many of each
        kind (none, unsure, skip), and with a flag; labels_per_answer; with_others, the mean over their images of
        1 - MASI distance to each other person's answer; shared_images, on how many that rests; expected_by_chance, that
        against answers to other images drawn at random (somebody who always says the common thing agrees a lot by
        chance); seconds, the median, where the table has it; use:LABEL, the share of their answers that hold it; checks
        and checks_failed; repeats and self_agreement. With `intervals` also with_others_low and _high, and above_chance
        with its _low and _high: over shared images, the mean of what the answer agrees with the others there less what
        the same answer agrees with answers of others at random, image by image, so that always saying the common thing
        gains nothing.
        Figures are of data (see `are_data`), but for those of checks and repeats.
        A figure is nan where there is nothing to go by.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables, or rounds is "all".
        UnknownLabel: a row has a label that is not in `labels`.
    """
    panel = one_look(judgements, labels, rounds=rounds)
    answers = panel.answers()
    people = len(panel.annotator_ids)
    said = of_now(judgements).iloc[panel.row]
    kind = pd.Index(KINDS).get_indexer(pd.Index(said["kind"]))
    found = pd.DataFrame({
        "annotator_id": panel.annotator_ids,
        "judgements": np.bincount(panel.annotator, minlength=people),
    })  # fmt: skip
    for at, name in enumerate(KINDS):
        if name != "labels":
            found[name] = np.bincount(panel.annotator[kind == at], minlength=people)
    if "flag" in said:
        found["flag"] = np.bincount(panel.annotator[said["flag"].eq(True)], minlength=people)
    given = np.bincount(answers.annotator, minlength=people)
    sizes = np.bincount(answers.annotator, weights=answers.chosen.sum(axis=1), minlength=people)
    found["labels_per_answer"] = divided(sizes, given)
    alike, chance = _with_others(answers), _by_chance(answers, people)
    shared = ~np.isnan(alike)
    found["shared_images"] = np.bincount(answers.annotator[shared], minlength=people)
    found["with_others"] = _means(alike[shared], answers.annotator[shared], people)
    found["expected_by_chance"] = _means(chance, answers.annotator, people)
    if intervals:
        found["above_chance"] = _means((alike - chance)[shared], answers.annotator[shared], people)
        for name, values, least in (("with_others", alike, 0.0), ("above_chance", alike - chance, -1.0)):
            theirs = [values[shared & (answers.annotator == person)] for person in range(people)]
            spans = [
                interval(value, divided(mine.sum() - mine, len(mine) - 1), bounds=(least, 1.0))
                for value, mine in zip(found[name], theirs, strict=True)
            ]
            add_bounds(found, name, spans)
    if "seconds" in judgements.columns:
        seconds = pd.to_numeric(judgements["seconds"].iloc[panel.row]).astype(float)
        medians = seconds.groupby(panel.annotator).median()
        found["seconds"] = medians.reindex(range(people)).to_numpy()
    for label, shares in zip(panel.labels, label_use(answers, answers.annotator, people).T, strict=True):
        found[f"use:{label}"] = shares
    if checks is not None:
        found["checks"], found["checks_failed"] = _checks(judgements, panel, rounds, checks)
    if repeats is not None:
        found["repeats"], found["self_agreement"] = _self_agreement(judgements, panel, repeats)
    return found


def _means(values: FloatArray, of: IntArray, people: int) -> FloatArray:
    return divided(np.bincount(of, weights=values, minlength=people), np.bincount(of, minlength=people))


def _with_others(answers: Panel) -> FloatArray:
    """Mean similarity of each answer to the others' at its image, [M]; nan where there is no other."""
    total, others = np.zeros(len(answers.row)), np.zeros(len(answers.row))
    for i, j, alike in similar_pairs(answers.image, answers.chosen):
        for side in (i, j):
            total += np.bincount(side, weights=alike, minlength=len(total))
            others += np.bincount(side, minlength=len(total))
    return divided(total, others)


def _by_chance(answers: Panel, people: int) -> FloatArray:
    """Mean similarity of each answer to all answers of other people, whatever the image, [M]."""
    code, sets = set_codes(answers.chosen)
    counts = np.zeros((people, len(sets)))
    np.add.at(counts, (answers.annotator, code), 1)
    others = counts.sum(axis=0) - counts
    alike = np.empty((people, len(sets)))
    for at in range(0, len(sets), 512):
        part = slice(at, at + 512)
        alike[:, part] = others @ (1 - distance_table(sets, sets[part]))
    return divided(alike, others.sum(axis=1, keepdims=True))[answers.annotator, code]


def _checks(judgements: pd.DataFrame, panel: Panel, rounds: Rounds, checks: pd.DataFrame) -> tuple[IntArray, IntArray]:
    if "purpose" in judgements:
        judgements = judgements[judgements["purpose"] == "check"].drop(columns="purpose")
    checks, people = checks.drop_duplicates("image_id", keep="last"), len(panel.annotator_ids)
    answers = encode(judgements, panel.labels, list(checks["image_id"]), rounds=rounds).answers()
    rules = [*checks["accepted"], *checks["forbidden"]]
    masks = np.array([[label in named for label in panel.labels] for named in rules], dtype=bool)
    accepted, forbidden = masks.reshape(2, len(checks), len(panel.labels))[:, answers.image]
    hit, bad = (answers.chosen & accepted).any(axis=1), (answers.chosen & forbidden).any(axis=1)
    failed = bad | (accepted.any(axis=1) & ~hit)
    person = pd.Index(panel.annotator_ids).get_indexer(pd.Index(answers.annotator_ids))[answers.annotator]
    return np.bincount(person, minlength=people), np.bincount(person[failed], minlength=people)


def _self_agreement(judgements: pd.DataFrame, panel: Panel, repeats: pd.DataFrame) -> tuple[IntArray, FloatArray]:
    people = len(panel.annotator_ids)
    total, count = np.zeros(people), np.zeros(people, dtype=np.int64)
    for again, of in zip(repeats["round"], repeats["of"], strict=True):
        looks = [encode(judgements, panel.labels, rounds=int(which)).answers() for which in (of, again)]
        one, two = (look.image * people + look.annotator for look in looks)
        _, at, at_again = np.intersect1d(one, two, return_indices=True)
        alike = 1 - set_distances(looks[0].chosen[at], looks[1].chosen[at_again])
        total += np.bincount(looks[0].annotator[at], weights=alike, minlength=people)
        count += np.bincount(looks[0].annotator[at], minlength=people)
    return count, divided(total, count)
