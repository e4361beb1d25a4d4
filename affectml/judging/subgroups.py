"""For whom the model fails: subgroups of images and of the people who answered, each beside its own floor.

A raw gap misleads: a group of images on which people agree less has a worse score under any model, the true one
included. So what is tested is each group's excess over its own floor, which is what the truth itself would score
against these votes. Where no floor is known, raw scores are compared, and it is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectml.data import Dataset
from affectml.data.levels import as_text
from affectml.errors import BadDataset, BadInput, did_you_mean, option
from affectml.judging.compare import LEAST, LEVEL, Array, Floats, Ints, contrasts, corrected, firsts, label_bias
from affectml.judging.figures import TAKEN, Figure, Rows, parsed
from affectml.judging.scoring import Answers, add_means, first_label, row_scores
from affectml.judging.truth import Truth, part_of
from affectml.judging.views import Case, people_behind
from affectml_annotation import BadJudgement, UnknownLabel, encode
from affectml_metrics import functional as F
from affectml_metrics import human_reference, mean_interval
from affectml_metrics.table import better, shown

Names: TypeAlias = "pd.Index[Any]"
ByImage: TypeAlias = Mapping[str, Tensor]  # metric -> [N]
OURS = ("image_id", "file", "url", "split", "group", "width", "height", "caption")
MAX_LEVELS = 12  # more is an identifier or a measurement, not a subgroup
OTHERS, EXPECTS = "the others", "expects"
SQUARED = {"rates": "rate_brier_score", "distribution": "brier_score"}
# Cross-entropy holds people's own entropy, so that agreement alone makes it small. Where no floor is known, a measure
# that is 0 for the truth itself is compared in its place.
ENTROPY = {"rates": "rate_cross_entropy", "distribution": "cross_entropy"}
INSTEAD = {"rates": "rate_brier_score", "distribution": "kl_divergence"}
NO_FLOOR = "no floor is known here: raw scores are compared"


@dataclass(frozen=True, eq=False)
class Answerers:
    """M answers of A people: image, person [M], chosen [M, C]; attributes: a row per person, in their order."""

    image: Ints
    person: Ints
    chosen: Array
    attributes: pd.DataFrame


def answerers(dataset: Dataset, truth: Truth) -> Answerers | None:
    """Who answered the images of `truth`; None where annotators shared nothing, or single answers are not known."""
    shared, said = dataset.annotators, dataset.judgements
    if shared is None or said is None or truth.kind not in ("rates", "sets", "distribution"):
        return None
    try:
        panel = encode(said[said["image_id"].isin(truth.image_id)], truth.labels, list(truth.image_id)).answers()
    except UnknownLabel:
        return None  # the judgements are in other labels than this target
    except BadJudgement as error:
        raise BadDataset(f"{dataset.root / 'annotations.parquet'}: {error}") from None
    attributes = shared.drop_duplicates("annotator_id").set_index("annotator_id").reindex(panel.annotator_ids)
    return Answerers(panel.image, panel.annotator, panel.chosen, attributes)


def subgroups(case: Case) -> dict[str, Any]:
    """The first system by each column of the images and by each attribute of who answered: a view of `evaluate`.

    It needs `Case.images`; of `Case.more` it takes `answerers` (who answered, and what they shared of themselves; None
    where that is not known) and `groups` (only these columns and attributes, see `check_groups`; none takes all that
    fit the rule). A column splits the images where it has 2 to 12 levels among them, is none of affectml's own, counts
    no people (n, arousal_n) and is no measurement (valence_mean); an attribute of people likewise. A level with fewer
    than five images has their number and no scores, and is not tested. The case's seed is that of the permutations.

    Adds rows `by` a column, `level` one of its levels (metric images: how many): scores against people, the excess of
    the squared error against the floor, people's own scores against the rest, and how often each label is named,
    label_bias being the difference. Of people, `by` an attribute (metric people: how many): set_f1_judgements against
    people, that of other people against the rest, and the excess against person. Of two levels, or one and all others,
    `level` "A less B": the difference of what is tested, with p, corrected for all tests on these images.

    Returns:
        subgroups: {"rules", "tests": how many, "columns": {COLUMN: "images" or "people"}, "findings": [sentence]}.
    """
    if case.images is None:
        return {}
    answers, truth, first, only = case.model, case.truth, case.first, case.more.get("groups", ())
    people: Answerers | None = case.more.get("answerers")
    whose, floor = _scores(answers, truth, first)
    scores, excess = whose["people", first], whose["floor", first]
    said, chosen, how = _said(answers, truth)
    columns = _coded(case.images.set_index("image_id").reindex(truth.image_id), only)
    asked = {} if people is None else _coded(people.attributes, only)
    asked = {f"people's {name}" if name in (*columns, *TAKEN) else name: levels for name, levels in asked.items()}
    columns = {column_of_images(name): levels for name, levels in columns.items()}
    tried, against = excess, "floor"
    if not excess:
        left, against = ENTROPY.get(truth.kind), "people"
        tried = {name: each for name, each in scores.items() if better(name) and name != left}
    values = [each.double().numpy() for each in tried.values()]
    keys: list[dict[str, Any]] = [{"metric": m, "k": k, "against": against} for m, k in map(parsed, tried)]
    if said is not None:
        values += list((said - chosen).T)
        keys += [{"metric": "label_bias", "label": label} for label in truth.labels]
    step = np.array([_step(truth, how) if "label" in key else 0.0 for key in keys])
    compared = [(len(keys), columns), (1, asked)]
    tests = sum(times * len(_pairs(names)) for times, table in compared for _, names in table.values())

    tested: list[tuple[Figure, str, str]] = []
    for column, (codes, names) in columns.items():
        for k, name in enumerate(names):
            index = np.flatnonzero(codes == k)
            rows = Rows(**case.rows.key, by=column, level=name)
            rows.add("images", len(index), system="people")
            if len(index) >= LEAST:
                part, at = part_of(truth, index), torch.from_numpy(index)
                for (other, system), metrics in whose.items():
                    here = {metric: each[at] for metric, each in metrics.items()}
                    add_means(rows, here, part, system=system, against=other)
                for metric, each in floor.items():
                    rows.add(metric, each[at].nanmean(), system="floor")
                if said is not None:
                    _add_bias(rows, said[index], chosen[index], part, first)
            case.rows.rows += rows.rows
        if keys:
            test = contrasts(np.stack(values, 1), codes, truth.groups, seed=case.seed, tests=tests, step=step)
            tested += _tested(case, column, names, keys, test)
    if people is not None and asked:
        agreed = agreement(people, answers)
        for by, (codes, names) in asked.items():
            test = _people(case, agreed, by, names, codes, tests)
            tested += _tested(case, by, names, [{"metric": "set_f1_judgements", "against": "person"}], test)
    figures = corrected([each for each, _, _ in tested])
    case.rows.rows += figures
    told = sorted(zip(figures, tested, strict=True), key=lambda each: each[0].p or 0.0)
    found = {
        "rules": _rules(truth, excess, how, bool(asked)),
        "tests": len(figures),
        "columns": dict.fromkeys(columns, "images") | dict.fromkeys(asked, "people"),
        "findings": [_in_words(each, *pair) for each, (_, *pair) in told if each.found],
    }
    return {"subgroups": found}


def column_of_images(name: str) -> str:
    """What rows are `by` for a column of images.parquet: its name, unless that says something else there."""
    return f"images' {name}" if name in TAKEN else name


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
            raise BadInput(
                f"{option('groups', [name])}: {file} has {values.dropna().astype(str).nunique()} different values "
                f"there; expected 2 to {MAX_LEVELS} levels: put numbers into bands, and rare levels into one"
            )


def as_levels(values: pd.Series, asked: Sequence[str] = ()) -> pd.Series | None:
    """The levels of a column as words, missing where they are; None where it makes no subgroups.

    asked: where any, only these columns count, whatever they are called and however they were measured.
    """
    name, number = str(values.name), bool(pd.api.types.is_numeric_dtype(values))
    counts = number and (name == "n" or name.endswith("_n") or name.startswith(("n_", "n:")))  # how many were asked
    measures = pd.api.types.is_float_dtype(values) and bool((values.dropna() % 1 != 0).any())  # even a few are no group
    if name not in asked if asked else name in (*OURS, "annotator_id") or counts or measures:
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
    found = {str(name): as_levels(table[name], only) for name in table.columns}
    out = {name: levels for name, levels in found.items() if levels is not None}
    if named is not None and named in table.columns:
        out[named] = as_text(table[named])
    return out


def _coded(table: pd.DataFrame, only: Sequence[str]) -> dict[str, tuple[Ints, Names]]:
    """By column that makes subgroups: each row's place among the levels, -1 where it is missing, and these in order."""
    return {name: pd.factorize(levels, sort=True) for name, levels in columns_of(table, only=only).items()}


def _pairs(names: Names) -> list[tuple[str, str]]:
    """Whom each level is compared with: with all others, but of two levels the first with the second."""
    return [(names[0], names[1])] if len(names) == 2 else [(name, OTHERS) for name in names]


def _squared_floor(truth: Truth) -> Tensor | None:
    """What the truth itself would have as squared error against these votes, [N]; nan where fewer than two answered."""
    if truth.votes is None:
        return None
    rates, n = truth.kind == "rates", truth.people
    if truth.kind == "distribution" and truth.vote_rule == "one_choice":
        n = truth.votes.sum(axis=1, keepdims=True)
    elif not rates or n is None:
        return None
    v, people = (torch.from_numpy(np.asarray(each, dtype=np.float64)) for each in (truth.shares, n))
    each = torch.where(people > 1, v * (1 - v) / (people - 1), torch.nan)
    return each.mean(dim=1) if rates else each.sum(dim=1)


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
    people = people_behind(truth) if how == EXPECTS else None
    return 1.0 if people is None else float(1 / max(people.mean(), 1))


def _scores(answers: Answers, truth: Truth, first: str) -> tuple[dict[tuple[str, str], ByImage], ByImage]:
    """Scores by metric, image by image, of the model and of people, by whom they are set beside; and the floor.

    The squared error is tested among the scores of shares, since its floor is known without bias from the votes alone:
    v (1 - v) / (n - 1) for a share v of n. That of a logarithm is not, least of all for few votes.
    """
    every, squared, floor = row_scores(answers, truth), SQUARED.get(truth.kind, ""), _squared_floor(truth)
    scores, floors = {name: every[name] for name in shown(every, "headline")}, {}
    if squared in every:
        scored = INSTEAD[truth.kind] if floor is None else squared
        scores[scored], floors = every[scored], {} if floor is None else {squared: floor}
    excess = {name: scores[name].double() - each for name, each in floors.items()}
    human: ByImage = {}
    if answers.sets is not None and truth.sets is not None and (panels := truth.panels) is not None:
        human = {"set_f1_judgements": human_reference(*panels, F.set_f1, against="people").rows["human"]}
    return {("people", first): scores, ("floor", first): excess, ("rest", "person"): human}, floors


def _add_bias(rows: Rows, said: Floats, chosen: Floats, part: Truth, first: str) -> None:
    """How often the model and people name each label here, and the difference, whose p belongs to no test."""
    for c, each in enumerate(label_bias(said, chosen, part.labels, part.groups, system=first, **rows.key)):
        rows.add("named_share", said[:, c].mean(), system=first, label=each.label)
        rows.add("named_share", chosen[:, c].mean(), system="people", label=each.label)
        rows.rows.append(replace(each, p=None, p_holm=None))


def _tested(
    case: Case, by: str, names: Names, keys: Sequence[Mapping[str, Any]], test: Floats
) -> list[tuple[Figure, str, str]]:
    """Every comparison that has a p value, of two levels the first with the second, and whom it compares."""
    found = []
    for k, (level, other) in enumerate(_pairs(names)[: test.shape[1]]):  # of the last levels nobody may be left
        place = {**case.rows.key, "system": case.first, "by": by, "level": f"{level} less {other}"}
        for key, value, low, high, p in zip(keys, *test[:, k].tolist(), strict=True):
            if np.isfinite(p) and np.isfinite(low):
                found.append((Figure(**place, **key, value=value, low=low, high=high, p=p), level, other))
    return found


def _in_words(gap: Figure, level: str, other: str) -> str:
    """A finding as a sentence."""
    who = "the model" if gap.system == "model" else f"“{gap.system}”"
    name, rest = f"{gap.by} {level}", other if other == OTHERS else f"{gap.by} {other}"
    p = "< .001" if (gap.p_holm or 0) < 0.001 else f"{gap.p_holm:.3f}".replace("0.", ".", 1)
    sure = f"({gap.value:+.3f}, {gap.ends[0]:+.3f} to {gap.ends[1]:+.3f}; p {p} after Holm)"
    if gap.label:
        higher = "higher" if gap.value > 0 else "lower"
        return f"{gap.label}: {who}'s rate less people's is {higher} on {name} than on {rest} {sure}"
    if gap.against == "person":
        more = "more" if gap.value > 0 else "less"
        return f"{who} agrees {more} with people of {name} than with {rest}, beyond how other people do {sure}"
    word = "better" if (gap.value > 0) == (better(gap.name) == "higher") else "worse"
    said = f"{who} is {word} on {name} than on {rest} by"
    if gap.against == "floor":
        return f"{said} {gap.name} over its floor {sure}"
    may = "easier" if word == "better" else "harder"
    return f"{said} raw {gap.name} {sure}; no floor is known, so these images may just be {may}"


def _rules(truth: Truth, excess: ByImage, said: str, people: bool) -> dict[str, str]:
    """The conventions behind the numbers, in words."""
    unit = "an image is one" if truth.groups is None else "all images of one group in one level are one"
    over = f"{', '.join(excess)} over what the true shares would score against these votes"
    rules = {
        "test": f"each level against the rest; membership is permuted among units ({unit}), and the difference over "
        f"its standard error compared; Holm over all tests of this run, {100 * LEVEL:g} %",
        "small": f"a level of fewer than {LEAST} images has no scores, one of fewer than {LEAST} units no test",
        "excess": over if excess else NO_FLOOR,
    }
    if said:
        rules["bias"] = f"how often the model {said} a label, less how often people choose it"
    if people:
        rules["agreement"] = (
            "set F1 of the model with one person's answer, less that of the other people of the same image; units are "
            "people, among whom the attribute is permuted"
        )
    return rules


def agreement(people: Answerers, answers: Answers) -> pd.DataFrame:
    """Set F1 of each answer with the model's set, or with its first label where it predicts none, and with the others'.

    Returns:
        image, person, model and others (the mean over them), a row for each answer to an image with two or more.
    """
    sets = first_label(answers.scores) if answers.sets is None else answers.sets
    kept = np.flatnonzero(np.bincount(people.image)[people.image] > 1)
    image, person, chosen = (each[kept] for each in (people.image, people.person, people.chosen))
    model = F.set_f1(sets[torch.from_numpy(image)], torch.from_numpy(chosen.astype(np.int64))).numpy()
    return pd.DataFrame({"image": image, "person": person, "model": model, "others": _others(image, chosen)})


def _people(case: Case, agreed: pd.DataFrame, by: str, names: Names, codes: Ints, tests: int) -> Floats:
    """Add the agreement with people of each level, with intervals over images; their `contrasts`, people being units.

    What is tested is the model's excess over other people, less the mean of the same image, so that a person who was
    asked about easy images is not taken for one whom the model sides with. codes: the level of each person, -1 unknown.
    """
    whose = ((case.first, "people"), ("person", "rest"), (case.first, "person"))
    agreed = agreed.assign(excess=agreed["model"] - agreed["others"], level=codes[agreed["person"]])
    for k, name in enumerate(names):
        mine, rows = agreed[agreed["level"] == k], Rows(**case.rows.key, by=by, level=name)
        size = {"n": len(mine), "units": mine["person"].nunique()}
        rows.add("people", size["units"], system="people", n=len(mine))
        means = mine.groupby("image")[["model", "others", "excess"]].mean()
        groups = None if case.truth.groups is None else case.truth.groups[means.index]
        for (system, against), values, end in zip(whose, means.to_numpy().T, (0, 0, -1), strict=True):
            if len(means):
                one = mean_interval(values, groups=groups, bounds=[(end, 1)])
                rows.add("set_f1_judgements", one, system=system, against=against, **size)
        case.rows.rows += rows.rows
    known = agreed[agreed["level"] >= 0]
    image = known.groupby("image")["excess"]
    centred = (known["excess"] - image.transform("mean"))[image.transform("size") > 1]
    by_person = centred.groupby(known["person"]).agg(["sum", "size"]).reindex(range(len(codes)), fill_value=0)
    sums, sizes = by_person.to_numpy(np.float64).T[..., None]
    return contrasts(sums, np.where(sizes[:, 0] > 0, codes, -1), None, seed=case.seed, tests=tests, sizes=sizes)


def _others(image: Ints, chosen: Array) -> Floats:
    """Set F1 of each answer with the others of its image, the mean over them, [M]; every image has two or more."""
    out = np.empty(len(image))
    order, sizes = np.argsort(image, kind="stable"), np.bincount(image)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 0]):  # images with as many answers together
        at = order[starts[sizes == size][:, None] + np.arange(size)]
        seats = chosen[at].astype(np.float64)  # [n, size, C]
        both = np.einsum("nsc,ntc->nst", seats, seats)
        total = seats.sum(axis=2)[:, :, None] + seats.sum(axis=2)[:, None, :]
        f1 = np.divide(2 * both, total, out=np.ones_like(both), where=total > 0)
        f1[:, np.arange(size), np.arange(size)] = 0
        out[at] = f1.sum(axis=2) / (size - 1)
    return out
