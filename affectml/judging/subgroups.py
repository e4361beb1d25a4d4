"""For whom the model fails, and its promise: subgroups of images, each beside its own floor.

A raw gap misleads: a group of images on which people agree less has a worse score under any model, the true one
included. So what is tested is each group's excess over its own floor, which is what the truth itself would score
against these votes. Where no floor is known, raw scores are compared, and it is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectml.data import Dataset
from affectml.data.choose import as_text, from_people, levels_of
from affectml.errors import BadInput, did_you_mean, option
from affectml.heads import Head
from affectml.heads.promise import losses, unit_means
from affectml.heads.shift import find_shift
from affectml.judging.compare import LEAST, LEVEL, contrast, corrected, firsts, label_bias
from affectml.judging.figures import TAKEN, Figure, Rows
from affectml.judging.scoring import Answers, add_means, apart_within, row_scores
from affectml.judging.truth import Array, Floats, Ints, Truth
from affectml.judging.views import Case, people_behind
from affectml_metrics import functional as F
from affectml_metrics import human_reference, mean_interval
from affectml_metrics.table import better, shown

Levels: TypeAlias = "Mapping[str, pd.Series[Any]]"  # by column: the level of each row as words, missing where none
Tested: TypeAlias = tuple[Figure, tuple[str, str]]  # a difference, and in words the level and the people
OURS = ("image_id", "file", "url", "split", "fold", "group", "width", "height", "caption")
MAX_LEVELS = 12  # more is an identifier or a measurement, not a subgroup
OTHERS, EXPECTS = "the others", "expects"
SQUARED = {"rates": "rate_brier_score", "distribution": "brier_score"}
# Cross-entropy holds people's own entropy, so that agreement alone makes it small. Where no floor is known, a measure
# that is 0 for the truth itself is compared in its place.
ENTROPY = {"rates": "rate_cross_entropy", "distribution": "cross_entropy"}
INSTEAD = {"rates": "rate_brier_score", "distribution": "kl_divergence"}
# what a promise was made on
HERE = "images of this data set"
ELSEWHERE = "other data or another target: nothing is promised here, this is what came out"
NO_FLOOR = "no floor is known here: raw scores are compared"


def subgroups(case: Case) -> dict[str, Any]:
    """The first system by each column of the images: a view of `evaluate`.

    It needs `Case.images`; of `Case.more` it takes `groups` (only these columns, see `check_groups`; none takes all
    that fit the rule). A column splits the images where it has 2 to 12 levels among them, is none of affectml's own,
    counts no people (n, arousal_n) and is no measurement (valence_mean). A level with fewer than five images has their
    number and no scores, and is not tested.

    Adds rows `by` a column, `level` one of its levels (metric images: how many): scores against people, the excess of
    the squared error against the floor, people's own scores against the rest, and how often each label is named,
    label_bias being the difference. Of two levels, or one and all others, `level` "A less B": the difference of what is
    tested, with p, corrected for all tests on these images.

    Returns:
        subgroups: {"rules", "tests": how many, "columns": {COLUMN: "images"}, "findings"}.
    """
    if case.images is None:
        return {}
    table = case.images.set_index("image_id").reindex(case.truth.image_id)
    levels = columns_of(table, only=case.more.get("groups", ()))
    columns = {column_of_images(name): level for name, level in levels.items()}
    rules, tested = _images(case, columns)
    figures = corrected([figure for figure, _ in tested])
    case.rows.rows += figures
    ranked = sorted(zip(figures, tested, strict=True), key=lambda pair: pair[0].p or 0.0)
    findings = [{"system": gap.system, "words": _in_words(gap, where)} for gap, (_, where) in ranked if gap.found]
    split = dict.fromkeys(columns, "images")
    return {"subgroups": {"rules": rules, "tests": len(figures), "columns": split, "findings": findings}}


def _images(case: Case, columns: Levels) -> tuple[dict[str, str], list[Tested]]:
    """Add what is scored on the images of each level; the conventions in words, and what is tested."""
    truth, first = case.truth, case.first
    scores, floor = _scores(case)
    stated, chosen, how = _said(case.model, truth)
    against = "floor" if floor else "people"
    left = None if floor else ENTROPY.get(truth.kind)
    tried = {metric: score for metric, score in scores[against, first].items() if better(metric) and metric != left}
    keys: list[dict[str, Any]] = [{"name": metric, "against": against} for metric in tried]
    bounds = [(None, None) if floor else apart_within(metric) for metric in tried]
    values, step = [score.double().numpy() for score in tried.values()], [0.0] * len(tried)
    if stated is not None:
        people = people_behind(truth) if how == EXPECTS else None
        keys += [{"name": "label_bias", "label": label} for label in truth.labels]
        bounds += [(-2.0, 2.0)] * len(truth.labels)
        values += [*(stated - chosen).T]
        step += [1.0 if people is None else 1 / max(people.mean(), 1)] * len(truth.labels)
    for rows, index in each_level(case, columns):
        groups, at = None if truth.groups is None else truth.groups[index], torch.from_numpy(index)
        for (other, system), metrics in scores.items():
            here = {metric: score[at] for metric, score in metrics.items()}
            no_ends = {"bounds": ()} if other == "floor" else {}
            add_means(rows, here, groups, **no_ends, system=system, against=other)
        for metric, score in floor.items():
            rows.add(metric, score[at].nanmean(), system="floor")
        if stated is not None:
            _add_bias(rows, stated[index], chosen[index], truth.labels, groups, first)
    tested = list[Tested]()
    for column, levels in columns.items() if keys else ():
        table, how_far = np.stack(values, axis=1), {"step": np.array(step), "bounds": bounds}
        tested += _tested(case, column, levels, keys, table, truth.groups, **how_far)
    unit = "an image is one" if truth.groups is None else "all images of one group in one level are one"
    rules = {
        "test": f"each level against the rest, over units ({unit}): the jackknife's t, or t with one spread for all, "
        f"whichever is less sure; Holm over all tests of this run, {100 * LEVEL:g} %",
        "small": f"a level of fewer than {LEAST} images has no scores, one of fewer than {LEAST} units no test",
        "excess": f"{', '.join(floor)} over what the true shares would score against these votes"
        if floor
        else NO_FLOOR,
    }
    if how:
        rules["bias"] = f"how often the model {how} a label, less how often people choose it"
    return rules, tested


def each_level(case: Case, columns: Levels) -> Iterator[tuple[Rows, Ints]]:
    """Rows to add to, and the images, of each level that has enough of them; how many those are is added."""
    counted = {(figure.by, figure.level) for figure in case.rows.rows if figure.metric == "images"}
    for column, levels in columns.items():
        for level in _names(levels):
            rows, index = Rows(**case.rows.key, by=column, level=level), np.flatnonzero(levels == level)
            if (column, level) not in counted:
                rows.add("images", len(index), system="people")
            if len(index) >= LEAST:
                yield rows, index
            case.rows.rows += rows.rows


def _names(levels: "pd.Series[Any]") -> list[str]:
    """The levels, in order."""
    return sorted(levels.dropna().unique())


def _tested(
    case: Case, by: str, levels: "pd.Series[Any]", keys: Sequence[Mapping[str, Any]], values: Floats,
    groups: Array | None, **how: Any,
) -> list[Tested]:  # fmt: skip
    """Every comparison that has a p value, of two levels the first with the second, each of more with all others.

    levels: [N], missing where a row of the values [N, M] counts nowhere. how: see `contrast`.
    """
    names, known, tested = _names(levels), levels.notna().to_numpy(), []
    for level, other in [names] if len(names) == 2 else [(name, OTHERS) for name in names]:
        rows = Rows(**case.rows.key, system=case.first, by=by, level=f"{level} less {other}")
        inside = (levels == level).to_numpy()[known]
        gap = contrast(values[known], inside, None if groups is None else groups[known], **how)
        rows.add_all(keys, gap, n=None, units=None)
        where = f"{by} {level}", other if other == OTHERS else f"{by} {other}"
        tested += [(figure, where) for figure in rows.rows if figure.p is not None]
    return tested


def column_of_images(name: str) -> str:
    """What rows are `by` for a column of images.parquet: its name, unless that says something else there."""
    return f"images' {name}" if name in TAKEN else name


def check_groups(dataset: Dataset, columns: Sequence[str]) -> None:
    """Raise BadInput for a column that images do not have, or that splits none of them."""
    images = dataset.images
    for name in columns:
        if name not in images.columns:
            free = [column for column in map(str, images.columns) if column not in OURS]
            there = f"{did_you_mean(name, free)} (columns there: {', '.join(free) or 'none'})"
            raise BadInput(f"{option('groups', [name])}: images.parquet of {dataset.root} has no such column{there}")
        if as_levels(images[name], [name]) is None:
            has = f"images.parquet has {images[name].dropna().astype(str).nunique()} different values there"
            way = f"expected 2 to {MAX_LEVELS} levels: put numbers into bands, and rare levels into one"
            raise BadInput(f"{option('groups', [name])}: {has}; {way}")


def as_levels(values: pd.Series, asked: Sequence[str] = ()) -> pd.Series | None:
    """The levels of a column as words, missing where they are; None where it makes no subgroups.

    asked: where any, only these columns count, whatever they are called and however they were measured.
    """
    name, number = str(values.name), bool(pd.api.types.is_numeric_dtype(values))
    counts = number and (name == "n" or name.endswith("_n") or name.startswith(("n_", "n:")))  # how many were asked
    measures = pd.api.types.is_float_dtype(values) and bool((values.dropna() % 1 != 0).any())  # even a few are no group
    if name not in asked if asked else name in OURS or counts or measures:
        return None
    if values.map(lambda value: isinstance(value, list | dict | np.ndarray)).any():
        return None
    levels = as_text(values)
    return levels if 2 <= levels.nunique() <= MAX_LEVELS else None


def columns_of(table: pd.DataFrame, named: str | None = None, only: Sequence[str] = ()) -> dict[str, pd.Series]:
    """The columns that part these images into 2 to 12 subgroups, each as text, missing where an image has no level.

    Args:
        table: rows of images.parquet.
        named: a column that is one whatever its levels are, where the table has it.
        only: where any, only these columns, whatever they are called and however they were measured.
    """
    every = {str(name): as_levels(table[name], only) for name in table.columns}
    out = {name: levels for name, levels in every.items() if levels is not None}
    if named is not None and named in table.columns:
        out[named] = as_text(table[named])
    return out


def _squared_floor(truth: Truth) -> Tensor | None:
    """What the truth itself would have as squared error against these votes, [N]; nan where fewer than two answered."""
    one_choice = truth.kind == "distribution" and truth.vote_rule == "one_choice"
    n = people_behind(truth) if truth.kind == "rates" or one_choice else None
    if truth.votes is None or n is None:
        return None
    v, people = torch.from_numpy(np.asarray(truth.shares, dtype=np.float64)), torch.from_numpy(n)
    expected = torch.where(people > 1, v * (1 - v) / (people - 1), torch.nan)
    return expected.sum(dim=1) if one_choice else expected.mean(dim=1)


def _said(answers: Answers, truth: Truth) -> tuple[Floats | None, Floats, str]:
    """How often model and people name each label, image by image [N, C], and the verb for it; None where unknown."""
    people = np.asarray(truth.shares, dtype=np.float64)
    if truth.kind == "single":
        return firsts(answers.scores.double().numpy()), firsts(people), "names first"
    if answers.shares is not None:
        return answers.shares.double().numpy(), people, EXPECTS
    if answers.sets is not None and truth.kind in ("rates", "sets"):
        return answers.sets.double().numpy(), people, "says"
    return None, people, ""


def _scores(case: Case) -> tuple[dict[tuple[str, str], dict[str, Tensor]], dict[str, Tensor]]:
    """Scores by metric, image by image, of the model and of people, by whom they are set beside; and the floor.

    The squared error is tested among the scores of shares, since its floor is known without bias from the votes alone:
    v (1 - v) / (n - 1) for a share v of n. That of a logarithm is not, least of all for few votes.
    """
    answers, truth, squared = case.model, case.truth, SQUARED.get(case.truth.kind, "")
    every, floor, human = row_scores(answers, truth), _squared_floor(truth), dict[str, Tensor]()
    scores, excess = {name: every[name] for name in shown(every, "headline")}, {}
    if squared in every:
        scored = INSTEAD[truth.kind] if floor is None else squared
        scores[scored] = every[scored]
    floors = {squared: floor} if squared in every and floor is not None else {}
    excess = {name: scores[name].double() - least for name, least in floors.items()}
    if answers.sets is not None and truth.sets is not None and (panels := truth.panels) is not None:
        human = {"set_f1_judgements": human_reference(*panels, F.set_f1, against="people").rows["human"]}
    return {("people", case.first): scores, ("floor", case.first): excess, ("rest", "person"): human}, floors


def _add_bias(
    rows: Rows, said: Floats, chosen: Floats, labels: Sequence[str], groups: Array | None, first: str
) -> None:
    """How much more often the model names each label here than people; p belongs to no test."""
    biases = label_bias(said, chosen, labels, groups, system=first, **rows.key)
    rows.rows += [replace(bias, p=None, p_holm=None) for bias in biases]


def _in_words(gap: Figure, where: tuple[str, str]) -> str:
    """A finding, as what follows the system's name; where: the level, and whom it is compared with."""
    name, rest = where
    p = "< .001" if (gap.p_holm or 0) < 0.001 else f"{gap.p_holm:.3f}".replace("0.", ".", 1)
    sure = f"({gap.value:+.3f}, {gap.ends[0]:+.3f} to {gap.ends[1]:+.3f}; p {p} after Holm)"
    more = gap.value > 0
    if gap.label:
        higher = "higher" if more else "lower"
        return f"has a {higher} rate of {gap.label}, less people's, on {name} than on {rest} {sure}"
    good = more == (better(gap.name) == "higher")
    start = f"is {'better' if good else 'worse'} on {name} than on {rest} by"
    if gap.against == "floor":
        return f"{start} {gap.name} over its floor {sure}"
    may = "easier" if good else "harder"
    return f"{start} raw {gap.name} {sure}; no floor is known, so these images may just be {may}"


def kept_promise(case: Case) -> dict[str, Any]:
    """What the first system's sets keep of its head's promise: a view of `evaluate`; nothing where it promises nothing.

    It needs `Case.images`, and of `Case.more` the `head`; `own`: whether these images and what people said of them come
    from the data that the promise was made on; and `made_on`: the kind of target of that data, since what people chose
    counts for a shift of the promise's ground only where it is of the same kind.

    Adds promise_recall (1 less the mean loss) or promise_extra (the mean loss) over images, or over groups where the
    promise is about groups, with a 95 % interval at the cuts as they are; and promise_size, the labels per set. The
    same `by` the columns that make subgroups, with n images and the units that count. Without any that counts, as where
    nobody chose a label, there is no figure. A level of few images has their number alone, which `subgroups` has added
    where it came before.

    Returns:
        promise: its words, what it was made on, spread (one SD of the expected loss between draws of the calibration
        images, which the intervals do not hold), and shift, which says whether its ground has shifted; and in rules,
        whose sets keep it.
    """
    head: Head | None = case.more.get("head")
    if head is None or head.promise_ is None or case.images is None:
        return {}
    promise, ground, truth, sets = head.promise_, head.ground_, case.truth, case.model.sets
    assert sets is not None
    assert ground is not None
    asked, own, scores, groups = promise.asked, case.more["own"], case.model.scores, truth.groups
    choices = truth.shares if truth.votes is None else truth.votes
    rows, size = losses(asked.risk, sets, choices), sets.sum(dim=1).double().numpy()
    unit = groups if promise.unit == "groups" else None
    most = {"size": sets.shape[1], asked.risk: asked.bound(sets.shape[1])}

    table = case.images.set_index("image_id").reindex(truth.image_id)
    columns = {column_of_images(name): levels for name, levels in columns_of(table, promise.column).items()}
    for into, at in chain([(case.rows, np.arange(len(rows)))], each_level(case, columns)):
        here = None if unit is None else unit[at]
        lost = unit_means(rows[at], here)
        figures = {asked.risk: lost, "size": unit_means(size[at], here)}
        for name, values in figures.items() if len(lost) else ():
            interval = mean_interval(values, bounds=[(0, most[name])])
            if name == "recall":
                interval = interval._replace(value=1 - interval.value, low=1 - interval.high, high=1 - interval.low)
            into.add(f"promise_{name}", interval, system=case.first, n=len(at))
    chosen = choices if truth.kind == case.more["made_on"] else None
    own_levels = levels_of(case.images, promise.column, truth.image_id)
    shift = find_shift(promise, ground, truth.labels, scores, choices=chosen, groups=groups, levels=own_levels)
    made = {
        "promise": str(asked),
        "risk": asked.risk,
        "level": asked.level,
        "words": promise.words(people=from_people(truth.kind)),
        "made_on": HERE if own else ELSEWHERE,
        "family": promise.family,
        "unit": promise.unit,
        "column": None if promise.column is None else column_of_images(promise.column),
        "calibration": promise.cut.units,
        "without_choices": promise.left_out,
        "spread": promise.spread,
        "shift": shift.to_json(),
    }
    cut = f"the model's {'keep' if own else 'are cut for'} its promise ({asked}); the others' by thresholds chosen on "
    return {"promise": made, "rules": {"predicted_sets": f"{cut}validation, the oracle's from tau"}}
