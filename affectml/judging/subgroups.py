"""For whom the model fails: subgroups of images and of the people who answered, each beside its own floor.

A raw gap misleads: a group of images on which people agree less has a worse score under any model, the true one
included. So what is tested is each group's excess over its own floor, which is what the truth itself would score
against these votes. Where no floor is known, raw scores are compared, and it is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affectml.data import Dataset
from affectml.data.levels import as_text
from affectml.errors import BadInput, did_you_mean, option
from affectml.judging.answerers import Answerers, agreement
from affectml.judging.bias import LEVEL, firsts, holm, label_bias
from affectml.judging.contrasts import LEAST, Contrasts, contrasts
from affectml.judging.scoring import Answers, intervals, row_scores
from affectml.judging.truth import Truth, part_of
from affectml_metrics import functional as F
from affectml_metrics import human_reference
from affectml_metrics.table import better, shown

OURS = ("image_id", "file", "url", "split", "group", "width", "height", "caption")
MAX_LEVELS = 12  # more is an identifier or a measurement, not a subgroup
MIN_IMAGES = LEAST  # fewer would make an interval of noise
SCHEMA = 1
AGREEMENT, OTHERS, EXPECTS = "agreement", "the others", "expects"
SQUARED = {"rates": "rate_brier_score", "distribution": "brier_score"}
# Cross-entropy holds people's own entropy, so that agreement alone makes it small. Where no floor is known, a measure
# that is 0 for the truth itself is compared in its place.
WITHOUT_ENTROPY = {
    "rates": ("rate_cross_entropy", "rate_brier_score"),
    "distribution": ("cross_entropy", "kl_divergence"),
}
NO_FLOOR = "no floor is known here: raw scores are compared"
Floats = NDArray[np.float64]
Rows = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Gap:
    """One level less the rest, in the excess of a metric over its floor, or in how often a label is said.

    column, level, against: of which column, which level, and what it is compared with. metric: what is compared; None
    for a label. label: whose bias is compared; None for a metric. value, low, high: with its 95 % interval. p: of no
    difference; p_holm: corrected for all tests on these images. found: whether it is beyond chance.
    """

    column: str
    level: str
    against: str
    metric: str | None
    label: str | None
    value: float
    low: float
    high: float
    p: float
    p_holm: float = 1.0
    found: bool = False


def subgroups(
    answers: Answers,
    truth: Truth,
    images: pd.DataFrame,
    people: Answerers | None = None,
    *,
    columns: Sequence[str] = (),
    split: str = "test",
    seed: int = 0,
) -> dict[str, Any]:
    """What subgroups.json holds: the model by each column of the images and by each attribute of who answered.

    A column splits the images where it has 2 to 12 levels among them, is none of affectml's own, counts no people (n,
    arousal_n) and is no measurement (valence_mean); an attribute of people likewise. A level with fewer than five
    images has their number and no scores, and is not tested.

    Args:
        answers: the model's, of the images of `truth`.
        truth: what people said.
        images: images.parquet.
        people: who answered, and what they shared of themselves; None where that is not known.
        columns: only these columns and attributes, see `check_groups`; none takes all that fit the rule.
        split: the name of this part of the images.
        seed: of the permutations; the same one gives the same result.

    Returns:
        {"schema", "split", "n", "rules", "tests", "images": {COLUMN: {LEVEL: {...}}}, "people": {ATTRIBUTE: {LEVEL:
        {...}}}, "gaps": [Gap, ...], "findings": [sentence, ...]}; docs/subgroups.md says what each holds.
    """
    rows, floors = _rows(answers, truth)
    excess = rows["excess"]
    said, chosen, how = _said(answers, truth)
    table = images.set_index("image_id").reindex(truth.image_id)
    split_by = columns_of(table, only=columns)
    by_person = {} if people is None else columns_of(people.attributes, only=columns)
    said_of_people = agreement(people, answers, truth) if people is not None and by_person else None
    compared = {name: excess[name] for name in SQUARED.values() if name in excess}
    raw = not compared
    left, _ = WITHOUT_ENTROPY.get(truth.kind, ("", ""))
    compared = compared or {
        name: values.double() for name, values in rows["scores"].items() if better(name) and name != left
    }
    tested = len(compared) + (0 if said is None else len(truth.labels))
    tests = sum(_contrasted(levels) for levels in split_by.values()) * tested
    tests += sum(_contrasted(levels) for levels in by_person.values())

    found: dict[str, dict[str, Any]] = {}
    gaps: list[Gap] = []
    for column, levels in split_by.items():
        names, codes = _coded(levels)
        found[column] = {
            name: _level(np.flatnonzero(codes == k), rows, floors, said, chosen, truth) for k, name in enumerate(names)
        }
        values = [values.numpy() for values in compared.values()]
        keys: list[tuple[str | None, str | None]] = [(metric, None) for metric in compared]
        if said is not None:
            values += list((said - chosen).T)
            keys += [(None, label) for label in truth.labels]
        if values:
            test = contrasts(
                np.stack(values, axis=1), codes, truth.groups, np.random.default_rng(seed), tests=tests,
                step=np.array([0.0 if label is None else _step(truth, how) for _, label in keys]),
            )  # fmt: skip
            gaps += _gaps(column, names, keys, test)
    whom: dict[str, dict[str, Any]] = {}
    for attribute, levels in by_person.items():
        assert said_of_people is not None
        names, codes = _coded(levels)
        whom[attribute] = said_of_people.by_level(names, codes)
        test = said_of_people.contrasts(codes, np.random.default_rng(seed), tests)
        gaps += _gaps(attribute, names, [(AGREEMENT, None)], test)
    gaps = _corrected(gaps)
    return {
        "schema": SCHEMA,
        "split": split,
        "n": len(truth.image_id),
        "rules": _rules(truth, excess, how, said_of_people is not None),
        "tests": len(gaps),
        "images": found,
        "people": whom,
        "gaps": [asdict(gap) for gap in gaps],
        "findings": [in_words(gap, raw=raw) for gap in sorted(gaps, key=lambda gap: gap.p) if gap.found],
    }


def check_groups(dataset: Dataset, columns: Sequence[str]) -> None:
    """Raise BadInput for a column that neither images nor annotators have, or that splits none of them."""
    tables = {"images.parquet": dataset.images, "annotators.parquet": dataset.annotators}
    for name in columns:
        where = {file: table[name] for file, table in tables.items() if table is not None and name in table.columns}
        if not where:
            have = [str(c) for table in tables.values() if table is not None for c in table.columns]
            free = [c for c in dict.fromkeys(have) if c not in (*OURS, "annotator_id")]
            raise BadInput(
                f"{option('groups', [name])}: neither images.parquet nor annotators.parquet of {dataset.root} has this "
                f"column{did_you_mean(name, free)} (columns there: {', '.join(free) or 'none'})"
            )
        if all(as_levels(values, [name]) is None for values in where.values()):
            file, values = next(iter(where.items()))
            count = values.dropna().astype(str).nunique()
            raise BadInput(
                f"{option('groups', [name])}: {file} has {count} different values there; "
                f"expected 2 to {MAX_LEVELS} levels: put numbers into bands, and rare levels into one"
            )


def as_levels(values: pd.Series, asked: Sequence[str] = ()) -> pd.Series | None:
    """The levels of a column as words, missing where they are; None where it makes no subgroups.

    asked: where any, only these columns count, whatever they are called and however they were measured.
    """
    ours = values.name in (*OURS, "annotator_id") or _counts(values) or _measures(values)
    if values.name not in asked if asked else ours:
        return None
    if values.map(lambda value: isinstance(value, list | dict | np.ndarray)).any():
        return None
    levels = as_text(values)
    return levels if 2 <= levels.nunique() <= MAX_LEVELS else None


def _counts(column: pd.Series) -> bool:
    """Whether it says how many people were asked (n, arousal_n, n:joy), which is nothing that images have in common."""
    name = str(column.name)
    named = name == "n" or name.endswith("_n") or name.startswith(("n_", "n:"))
    return named and bool(pd.api.types.is_numeric_dtype(column))


def _measures(column: pd.Series) -> bool:
    """Whether it holds numbers with fractions, of which even a few different ones are no groups."""
    return pd.api.types.is_float_dtype(column) and bool((column.dropna() % 1 != 0).any())


def columns_of(table: pd.DataFrame, named: str | None = None, only: Sequence[str] = ()) -> dict[str, pd.Series]:
    """The columns that part these images into 2 to 12 subgroups, each as text, missing where an image has no level.

    Args:
        table: rows of images.parquet.
        named: a column that is one whatever its levels are, where the table has it.
        only: where any, only these columns, whatever they are called and however they were measured.
    """
    found = {str(name): as_levels(table[name], only) for name in table.columns}
    out = {name: levels for name, levels in found.items() if levels is not None}
    if named is not None and named in table.columns:
        out[named] = as_text(table[named])
    return out


def _coded(levels: pd.Series) -> tuple[list[str], NDArray[np.int64]]:
    """The levels in order, and each row's place among them; -1 where it is missing."""
    names = sorted(levels.dropna().unique())
    return names, np.asarray(levels.map({name: k for k, name in enumerate(names)}).fillna(-1), dtype=np.int64)


def _contrasted(levels: pd.Series) -> int:
    """How many levels are compared with the rest: two levels are one comparison."""
    names = levels.nunique()
    return 1 if names == 2 else int(names)


def _rows(answers: Answers, truth: Truth) -> tuple[dict[str, Rows], Rows]:
    """scores, excess over the floor, and human, people's own scores, by metric, image by image; and the floor.

    The squared error is tested among the scores of shares, since its floor is known without bias from the votes alone:
    v (1 - v) / (n - 1) for a share v of n. That of a logarithm is not, least of all for few votes.
    """
    every = row_scores(answers, truth)
    rows = {name: every[name] for name in shown(every, "headline")}
    excess: Rows = {}
    floors: Rows = {}
    human: Rows = {}
    squared, floor = SQUARED.get(truth.kind, ""), _squared_floor(truth)
    if squared in every and floor is not None:
        rows[squared], floors[squared] = every[squared], floor
        excess[squared] = every[squared].double() - floor
    elif squared in every:
        instead = WITHOUT_ENTROPY[truth.kind][1]
        rows[instead] = every[instead]
    if answers.sets is not None and truth.sets is not None and (panels := truth.panels) is not None:
        human["set_f1_judgements"] = human_reference(*panels, F.set_f1, against="people").rows["human"]
    return {"scores": rows, "excess": excess, "human": human}, floors


def _squared_floor(truth: Truth) -> torch.Tensor | None:
    """What the truth itself would have as squared error against these votes, [N]; nan where fewer than two answered."""
    if truth.votes is None:
        return None
    v = torch.from_numpy(np.asarray(truth.shares, dtype=np.float64))
    if truth.kind == "rates" and truth.people is not None:
        n = torch.from_numpy(np.asarray(truth.people, dtype=np.float64))
    elif truth.kind == "distribution" and truth.vote_rule == "one_choice":
        n = torch.from_numpy(truth.votes.sum(axis=1, keepdims=True).astype(np.float64)).expand_as(v)
    else:
        return None
    each = torch.where(n > 1, v * (1 - v) / (n - 1), torch.nan)
    return each.mean(dim=1) if truth.kind == "rates" else each.sum(dim=1)


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


def _step(truth: Truth, how: str) -> float:
    """What one answer more changes in how often a label is named less how often people name it: one vote of n, or 1."""
    if how != EXPECTS or truth.votes is None:
        return 1.0
    people = truth.votes.sum(axis=1) if truth.people is None or truth.kind == "distribution" else truth.people
    return float(1 / max(people.mean(), 1))


def _level(
    index: NDArray[np.int64],
    rows: Mapping[str, Rows],
    floors: Rows,
    said: Floats | None,
    chosen: Floats,
    truth: Truth,
) -> dict[str, Any]:
    """One level of a column: its scores, excess over its floor, people's own scores, and bias."""
    entry: dict[str, Any] = {"n": len(index)}
    if len(index) < MIN_IMAGES:
        return {**entry, "small": True}
    part, at = part_of(truth, index), torch.from_numpy(index)
    for kind, each in rows.items():
        over = "excess of " if kind == "excess" else ""  # which may lie below the metric's range
        found = intervals({f"{over}{name}": values[at] for name, values in each.items()}, part)
        entry[kind] = {name.removeprefix(over): score for name, score in found.items()}
    entry["floor"] = {name: float(values[at].nanmean()) for name, values in floors.items() if name in entry["excess"]}
    if said is not None:
        entry["bias"] = {
            bias.label: {"model": bias.system, "people": bias.people, "difference": bias.difference,
                         "low": bias.low, "high": bias.high}
            for bias in label_bias(said[index], chosen[index], truth.labels, part.groups)
        }  # fmt: skip
    return entry


def _gaps(
    column: str, names: Sequence[str], keys: Sequence[tuple[str | None, str | None]], test: Contrasts
) -> list[Gap]:
    """Every comparison that has a p value; of two levels the first with the second."""
    levels = names[:1] if len(names) == 2 else names
    return [
        Gap(column, name, names[1] if len(names) == 2 else OTHERS, metric, label, float(test.value[k, at]),
            float(test.low[k, at]), float(test.high[k, at]), float(test.p[k, at]))
        for k, name in enumerate(levels)
        for at, (metric, label) in enumerate(keys)
        if np.isfinite(test.p[k, at]) and np.isfinite(test.low[k, at])
    ]  # fmt: skip


def _corrected(gaps: Sequence[Gap]) -> list[Gap]:
    """All gaps with p values that keep the chance of any false finding at 5 %, all tests together."""
    if not gaps:
        return []
    p = holm([gap.p for gap in gaps])
    return [replace(gap, p_holm=float(each), found=bool(each < LEVEL)) for gap, each in zip(gaps, p, strict=True)]


def in_words(gap: Gap, *, raw: bool = False) -> str:
    """The finding as a sentence; raw: whether scores are compared as they are, for want of a floor."""
    name = f"{gap.column} {gap.level}"
    rest = gap.against if gap.against == OTHERS else f"{gap.column} {gap.against}"
    sure = f"({gap.value:+.3f}, {gap.low:+.3f} to {gap.high:+.3f}; p {_p(gap.p_holm)} after Holm)"
    if gap.label is not None:
        higher = "higher" if gap.value > 0 else "lower"
        return f"{gap.label}: the model's rate less people's is {higher} on {name} than on {rest} {sure}"
    if gap.metric == AGREEMENT:
        more = "more" if gap.value > 0 else "less"
        return f"the model agrees {more} with people of {name} than with {rest}, beyond how other people do {sure}"
    assert gap.metric is not None
    word = "better" if (gap.value > 0) == (better(gap.metric) == "higher") else "worse"
    what = f"raw {gap.metric}" if raw else f"{gap.metric} over its floor"
    may = (
        f"; no floor is known, so these images may just be {'easier' if word == 'better' else 'harder'}" if raw else ""
    )
    return f"the model is {word} on {name} than on {rest} by {what} {sure}{may}"


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}".replace("0.", ".", 1)


def _rules(truth: Truth, excess: Mapping[str, Any], said: str, people: bool) -> dict[str, str]:
    """The conventions behind the numbers, in words."""
    unit = "an image is one" if truth.groups is None else "all images of one group in one level are one"
    rules = {
        "test": f"each level against the rest; membership is permuted among units ({unit}), and the difference over "
        f"its standard error compared; Holm over all tests of this run, {100 * LEVEL:g} %",
        "small": f"a level of fewer than {MIN_IMAGES} images has no scores, one of fewer than {LEAST} units no test",
        "excess": f"{', '.join(excess)} over what the true shares would score against these votes"
        if excess
        else NO_FLOOR,
    }
    if said:
        rules["bias"] = f"how often the model {said} a label, less how often people choose it"
    if people:
        rules[AGREEMENT] = (
            "set F1 of the model with one person's answer, less that of the other people of the same image; units are "
            "people, among whom the attribute is permuted"
        )
    return rules
