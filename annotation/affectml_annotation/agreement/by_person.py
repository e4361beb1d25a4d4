"""Agreement person by person: each annotator against the others, every two of them, and groups of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

from affectml_annotation.agreement.distances import SetDistance, distance_table, set_distances
from affectml_annotation.agreement.resampling import image_weights, interval
from affectml_annotation.agreement.values import (
    BoolArray,
    FloatArray,
    IntArray,
    group_numbers,
    image_pairs,
    set_codes,
)
from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import KINDS, Panel, Rounds, encode

TABLE_VALUES = 2000


def _one_look(judgements: pd.DataFrame, labels: Sequence[str], rounds: Rounds) -> Panel:
    if rounds == "all":
        raise BadJudgement("rounds='all' would compare a person with themselves; choose a round, first or last")
    return encode(judgements, labels, rounds=rounds)


def _similar_pairs(answers: Panel, distance: SetDistance) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Every pair of answers to one image, with 1 - distance."""
    code, sets = set_codes(answers.chosen)
    table = distance_table(sets, sets, distance) if len(sets) <= TABLE_VALUES else None
    for i, j in image_pairs(answers.image):
        apart = table[code[i], code[j]] if table is not None else set_distances(sets[code[i]], sets[code[j]], distance)
        yield i, j, 1 - apart


def _label_use(answers: Panel, people: int) -> FloatArray:
    """Share of each person's answers that hold each label, [A, C]; nan without answers."""
    given = np.bincount(answers.annotator, minlength=people).astype(np.float64)
    use = np.stack([np.bincount(answers.annotator[column], minlength=people) for column in answers.chosen.T], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: FloatArray = use / given[:, None]
    return shares


def annotator_report(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    *,
    distance: SetDistance = "masi",
    rounds: Rounds = "first",
    checks: pd.DataFrame | None = None,
    repeats: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What each annotator did, and how it fits with the others.

    Args:
        judgements: a judgement table.
        labels: all labels in use.
        distance: how far two sets are apart: `masi`, `jaccard` or `nominal`.
        rounds: which looks count; see `encode`.
        checks: attention checks, if any: columns image_id, and accepted and forbidden (lists of labels). A check fails
            when the answer holds a forbidden label, or when there are accepted labels and the answer holds none.
        repeats: rounds that repeat others, if any: columns round and of.

    Returns:
        One row per annotator, in order of appearance: annotator_id; judgements, and how many of each kind (none,
        unsure, skip, flag); labels_per_answer; with_others, the mean over their images of 1 - distance to each other
        person's answer; shared_images, on how many that rests; expected_by_chance, the same against answers to other
        images drawn at random (somebody who always says the common thing agrees a lot by chance); seconds, the
        median, where the table has it; use:LABEL, the share of their answers that hold it; checks and checks_failed;
        repeats and self_agreement. A figure is nan where there is nothing to go by.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables, or rounds is "all".
        UnknownLabel: a row has a label that is not in `labels`.
    """
    panel = _one_look(judgements, labels, rounds)
    answers = panel.answers()
    people = len(panel.annotator_ids)
    kind = pd.Index(KINDS).get_indexer(pd.Index(judgements["kind"].iloc[panel.row]))
    found = pd.DataFrame({
        "annotator_id": panel.annotator_ids,
        "judgements": np.bincount(panel.annotator, minlength=people),
    })  # fmt: skip
    for at, name in enumerate(KINDS):
        if name != "labels":
            found[name] = np.bincount(panel.annotator[kind == at], minlength=people)
    given = np.bincount(answers.annotator, minlength=people)
    with np.errstate(invalid="ignore", divide="ignore"):
        sizes = answers.chosen.sum(axis=1).astype(np.float64)
        found["labels_per_answer"] = np.bincount(answers.annotator, weights=sizes, minlength=people) / given
        found["with_others"], found["shared_images"] = _with_others(answers, people, distance)
        found["expected_by_chance"] = _by_chance(answers, people, distance)
    if "seconds" in judgements.columns:
        seconds = pd.to_numeric(judgements["seconds"].iloc[panel.row]).astype(float)
        medians = seconds.groupby(panel.annotator).median()
        found["seconds"] = medians.reindex(range(people)).to_numpy()
    for label, shares in zip(panel.labels, _label_use(answers, people).T, strict=True):
        found[f"use:{label}"] = shares
    if checks is not None:
        found["checks"], found["checks_failed"] = _checks(answers, people, checks)
    if repeats is not None:
        found["repeats"], found["self_agreement"] = _self_agreement(judgements, panel, repeats, distance)
    return found


def _with_others(answers: Panel, people: int, distance: SetDistance) -> tuple[FloatArray, IntArray]:
    """Mean over a person's images of their mean similarity to the others there; and the number of images."""
    total, others = np.zeros(len(answers.row)), np.zeros(len(answers.row))
    for i, j, alike in _similar_pairs(answers, distance):
        for side in (i, j):
            total += np.bincount(side, weights=alike, minlength=len(total))
            others += np.bincount(side, minlength=len(total))
    shared = others > 0
    who = answers.annotator[shared]
    images = np.bincount(who, minlength=people)
    mean = np.bincount(who, weights=total[shared] / others[shared], minlength=people) / images
    return mean, images


def _by_chance(answers: Panel, people: int, distance: SetDistance) -> FloatArray:
    """Mean similarity of a person's answers to all answers of other people, whatever the image."""
    code, sets = set_codes(answers.chosen)
    counts = np.zeros((people, len(sets)))
    np.add.at(counts, (answers.annotator, code), 1)
    others = counts.sum(axis=0) - counts
    alike = np.empty((people, len(sets)))
    for at in range(0, len(sets), 512):
        part = slice(at, at + 512)
        alike[:, part] = others @ (1 - distance_table(sets, sets[part], distance))
    chance: FloatArray = (counts * alike).sum(axis=1) / (counts.sum(axis=1) * others.sum(axis=1))
    return chance


def _checks(answers: Panel, people: int, checks: pd.DataFrame) -> tuple[IntArray, IntArray]:
    place = {label: at for at, label in enumerate(answers.labels)}
    rule: dict[object, tuple[BoolArray, BoolArray]] = {}
    for image, accepted, forbidden in zip(checks["image_id"], checks["accepted"], checks["forbidden"], strict=True):
        masks = np.zeros((2, len(place)), dtype=bool)
        for mask, names in zip(masks, (accepted, forbidden), strict=True):
            mask[[place[name] for name in names if name in place]] = True
        rule[image] = (masks[0], masks[1])
    seen, failed = np.zeros(people, dtype=np.int64), np.zeros(people, dtype=np.int64)
    of_check = np.flatnonzero(np.isin(answers.image, np.flatnonzero([i in rule for i in answers.image_ids])))
    for at in of_check:
        accepted, forbidden = rule[answers.image_ids[answers.image[at]]]
        said = answers.chosen[at]
        seen[answers.annotator[at]] += 1
        bad = bool((said & forbidden).any()) or (bool(accepted.any()) and not (said & accepted).any())
        failed[answers.annotator[at]] += bad
    return seen, failed


def _self_agreement(
    judgements: pd.DataFrame, panel: Panel, repeats: pd.DataFrame, distance: SetDistance
) -> tuple[IntArray, FloatArray]:
    people = len(panel.annotator_ids)
    total, count = np.zeros(people), np.zeros(people, dtype=np.int64)
    number = {name: at for at, name in enumerate(panel.annotator_ids)}
    for again, of in zip(repeats["round"], repeats["of"], strict=True):
        looks = [encode(judgements, panel.labels, rounds=int(which)).answers() for which in (of, again)]
        frames = [
            pd.DataFrame({"image": look.image, "person": look.annotator, f"at{n}": np.arange(len(look.row))})
            for n, look in enumerate(looks)
        ]
        both = frames[0].merge(frames[1], on=["image", "person"])
        alike = 1 - set_distances(looks[0].chosen[both["at0"]], looks[1].chosen[both["at1"]], distance)
        who = np.array([number[looks[0].annotator_ids[p]] for p in both["person"]], dtype=np.int64)
        total += np.bincount(who, weights=alike, minlength=people)
        count += np.bincount(who, minlength=people)
    return count, np.where(count > 0, total / np.maximum(count, 1), np.nan)


def pairwise_agreement(
    judgements: pd.DataFrame, labels: Sequence[str], *, distance: SetDistance = "masi", rounds: Rounds = "first"
) -> pd.DataFrame:
    """Mean 1 - distance of every two annotators over the images that both answered.

    Args:
        judgements: a judgement table.
        labels: all labels in use.
        distance: how far two sets are apart: `masi`, `jaccard` or `nominal`.
        rounds: which looks count; see `encode`.

    Returns:
        A square table [A, A] by annotator id. The diagonal, and pairs without a common image, are nan.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables, or rounds is "all".
        UnknownLabel: a row has a label that is not in `labels`.
    """
    answers = _one_look(judgements, labels, rounds).answers()
    people = len(answers.annotator_ids)
    total, count = np.zeros(people * people), np.zeros(people * people)
    for i, j, alike in _similar_pairs(answers, distance):
        for first, second in ((i, j), (j, i)):
            cell = answers.annotator[first] * people + answers.annotator[second]
            total += np.bincount(cell, weights=alike, minlength=len(total))
            count += np.bincount(cell, minlength=len(count))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (total / count).reshape(people, people)
    ids = pd.Index(answers.annotator_ids, name="annotator_id")
    return pd.DataFrame(mean, index=ids, columns=ids)


def group_agreement(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    attribute: Mapping[str, object],
    *,
    distance: SetDistance = "masi",
    rounds: Rounds = "first",
    bootstrap: int = 0,
    seed: int = 0,
    level: float = 0.95,
    groups: Mapping[str, object] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Agreement within and between groups of annotators, and what each group says.

    Args:
        judgements: a judgement table.
        labels: all labels in use.
        attribute: annotator id to group, for those who agreed to share it; the others are left out.
        distance: how far two sets are apart: `masi`, `jaccard` or `nominal`.
        rounds: which looks count; see `encode`.
        bootstrap: replicates over images for the intervals; 0 for none.
        seed: of the replicates.
        level: of the intervals.
        groups: image id to what a replicate must not part.

    Returns:
        Two tables, agreement and shares. Agreement has one row per two groups (a group with itself is agreement
        within it): group, other, people, agreement (mean 1 - distance over pairs of answers to one image by different
        people), pairs, images, and low and high with `bootstrap`. Shares has one row per group: group, people,
        answers, and the share of its answers that hold each label.

    Raises:
        BadJudgement: nobody has the attribute, a row breaks the contract, or rounds is "all".
        UnknownLabel: a row has a label that is not in `labels`.
    """
    answers = _one_look(judgements, labels, rounds).answers()
    known = [str(attribute[a]) if attribute.get(a) is not None else None for a in answers.annotator_ids]
    names = sorted({name for name in known if name is not None})
    if not names:
        raise BadJudgement("no annotator of this table has the attribute; nothing to compare")
    of_person = np.array([-1 if name is None else names.index(name) for name in known])
    member = of_person[answers.annotator]
    images, kinds = len(answers.image_ids), len(names)
    total = np.zeros((kinds, kinds, images))
    count = np.zeros((kinds, kinds, images))
    for i, j, alike in _similar_pairs(answers, distance):
        both = (member[i] >= 0) & (member[j] >= 0)
        low, high = np.minimum(member[i], member[j])[both], np.maximum(member[i], member[j])[both]
        cell = (low * kinds + high) * images + answers.image[i[both]]
        total += np.bincount(cell, weights=alike[both], minlength=total.size).reshape(total.shape)
        count += np.bincount(cell, minlength=count.size).reshape(count.shape)
    people = np.bincount(of_person[of_person >= 0], minlength=kinds)
    together = group_numbers(answers.image_ids, groups)
    rows = []
    for a, b in combinations_with_replacement(range(kinds), 2):
        t, c = total[a, b], count[a, b]
        value = float(t.sum() / c.sum()) if c.sum() else float("nan")
        who = {"group": names[a], "other": names[b], "people": int(people[a] + people[b] * (a != b))}
        row = {**who, "agreement": value, "pairs": int(c.sum()), "images": int((c > 0).sum())}
        if bootstrap:
            drawn = []
            for w in image_weights(images, bootstrap, np.random.default_rng(seed), together):
                with np.errstate(invalid="ignore", divide="ignore"):
                    drawn.append((w @ t) / (w @ c))
            span = interval(value, np.concatenate(drawn), level=level)
            row |= {"low": span.low, "high": span.high}
        rows.append(row)
    shares = {"group": names, "people": people, "answers": np.bincount(member[member >= 0], minlength=kinds)}
    return pd.DataFrame(rows), pd.DataFrame(shares | _label_shares(answers, member, kinds))


def _label_shares(answers: Panel, member: IntArray, kinds: int) -> dict[str, list[float]]:
    """For each label the share of each group's answers that hold it; nan for a group without answers."""
    said = [answers.chosen[member == group] for group in range(kinds)]
    return {
        label: [float(rows[:, at].mean()) if len(rows) else float("nan") for rows in said]
        for at, label in enumerate(answers.labels)
    }
