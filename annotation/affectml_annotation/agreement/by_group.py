"""Groups of people: how far they agree within and between, and whether they choose labels otherwise on the same images.

The test is a regression whose groups are permuted.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd

from affectml_annotation.agreement.alpha import (
    LEVEL,
    BoolArray,
    FloatArray,
    IntArray,
    blocks_of,
    divided,
    interval,
    plain_rows,
    similar_pairs,
)
from affectml_annotation.agreement.by_person import label_use
from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import ANSWERS, Panel, Rounds, are_data, encode, languages_in, one_look

LEAST = 3  # people on either side; with fewer there is no test
OTHERS = "the others"
SHOWN = 8  # labels that a sentence names
_NUMBERS = 4_000_000  # in one array of permutations
Parts = tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # difference, standard error, degrees of freedom, t
Compare = Callable[[BoolArray], Parts]


@dataclass(frozen=True, eq=False)
class GroupComparison:
    """What groups of answers say, by a column of them.

    by: the column. agreement: a row per two groups (a group with itself is agreement within it): group, other, people,
    agreement (mean 1 - MASI distance over pairs of people's answers to one image) with low and high over images, none
    where all pairs are of one image, pairs, images. shares: a row per group: group, people, answers, and the share of
    its answers that hold each label. differences: group, against, label, difference (on
    the same images) with difference_low and difference_high, t and p, which is corrected for all of them, and rate (the
    share of the group's answers that hold the label); nan where nothing can be said; least p first. notes: what was
    left out or not tested, and why.
    """

    by: str
    agreement: pd.DataFrame
    shares: pd.DataFrame
    differences: pd.DataFrame
    notes: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """What was found, in a sentence; how far groups agree, in another; the notes."""
        tested = self.differences[self.differences["p"].notna()]
        apart = tested[tested["p"] < 0.05]
        if len(apart):
            each = [
                f"{row['label']} (p {_p(row['p'])}: {row['group']} {'more' if row['difference'] > 0 else 'less'} than "
                f"{row['against']}, by {abs(row['difference']):.2f})"
                for row in apart.head(SHOWN).to_dict("records")
            ]
            more = [f"and {len(apart) - SHOWN} more"] if len(apart) > SHOWN else []
            said = f"On the same images rates differ by {self.by}, beyond people: {', '.join([*each, *more])}."
        elif len(tested):
            said = f"No label's rate is found to differ by {self.by} beyond people (least p {_p(tested['p'].iloc[0])})."
        else:
            said = f"Whether rates differ by {self.by} cannot be tested."
        return [said, *self._alike(), *self.notes]

    def _alike(self) -> list[str]:
        same = self.agreement["group"] == self.agreement["other"]
        within, between = (
            float(divided((part["agreement"] * part["pairs"]).sum(), part["pairs"].sum()))
            for part in (self.agreement[same], self.agreement[~same])
        )
        if np.isnan(within) or np.isnan(between):
            return []
        return [f"Two people of one group agree by {within:.2f} on an image, two of different groups by {between:.2f}."]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; nan is None."""
        tables = {"groups": self.agreement, "shares": self.shares, "differences": self.differences}
        return {**{k: plain_rows(t) for k, t in tables.items()}, "by": self.by, "words": self.words()}


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.3f}".replace("0.", ".", 1)


def pooled_words(judgements: pd.DataFrame, where: object = "DATASET") -> str | None:
    """What is said before answers in several languages are put together; None where fewer than two are known.

    judgements: a judgement table. where: what `affectml label agreement` is to be given.
    """
    if not {"kind", "language"} <= set(judgements.columns):
        return None
    answers = judgements["kind"].isin(ANSWERS) & are_data(judgements)
    counts = languages_in(judgements["language"])[0][answers].value_counts().sort_index()
    if len(counts) < 2:
        return None
    each = ", ".join(f"{language} {count}" for language, count in counts.items())
    return (
        f"Answers in {len(counts)} languages ({each}) are pooled: this takes the labels' words to mean the same in "
        f"each; `affectml label agreement {shlex.quote(str(where))} --by language` tests whether rates differ."
    )


def groups_in(judgements: pd.DataFrame, by: str) -> "pd.Series[Any]":
    """The group of each judgement by a column, as text; missing where it has none. Languages have one form each.

    Raises BadJudgement where no judgement has one.
    """
    column = judgements.get(by)
    if column is not None and by == "language":
        column = languages_in(column)[0]
    if column is None or column.isna().all():
        raise BadJudgement(f"no judgement of this table has a {by}; nothing to compare")
    return column.astype(object).map(str, na_action="ignore")


def _agreement(panel: Panel, code: IntArray, names: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Agreement within and between groups of answers, and what each group says, as `GroupComparison` has them.

    code: the group of each judgement, a position in `names`; below 0 none.
    """
    answers, member = panel.answers(), code[panel.answered]
    images, kinds = len(answers.image_ids), len(names)
    total = np.zeros((kinds, kinds, images))
    count = np.zeros((kinds, kinds, images))
    for i, j, alike in similar_pairs(answers.image, answers.chosen):
        both = (member[i] >= 0) & (member[j] >= 0)
        low, high = np.minimum(member[i], member[j])[both], np.maximum(member[i], member[j])[both]
        cell = (low * kinds + high) * images + answers.image[i[both]]
        total += np.bincount(cell, weights=alike[both], minlength=total.size).reshape(total.shape)
        count += np.bincount(cell, minlength=count.size).reshape(count.shape)
    people = np.bincount(np.unique(panel.annotator[code >= 0] * kinds + code[code >= 0]) % kinds, minlength=kinds)
    blocks = blocks_of(images)
    rows = []
    for a, b in combinations_with_replacement(range(kinds), 2):
        t, c = total[a, b], count[a, b]
        value = float(divided(t.sum(), c.sum()))
        of_block, pairs = np.bincount(blocks, t), np.bincount(blocks, c)
        span = interval(value, divided(t.sum() - of_block, c.sum() - pairs)[pairs > 0], bounds=(0.0, 1.0))
        who = {"group": names[a], "other": names[b], "people": int(people[a] + people[b] * (a != b))}
        seen = {"pairs": int(c.sum()), "images": int((c > 0).sum()), "low": span.low, "high": span.high}
        rows.append({**who, "agreement": value, **seen})
    shares = {"group": list(names), "people": people, "answers": np.bincount(member[member >= 0], minlength=kinds)}
    use = dict(zip(answers.labels, label_use(answers, member, kinds).T, strict=True))
    return pd.DataFrame(rows), pd.DataFrame(shares | use)


def compare_groups(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    by: str,
    *,
    rounds: Rounds = "first",
    permutations: int = 999,
    seed: int = 0,
) -> GroupComparison:
    """Rates and agreement by a column of the answers, and a test of whether rates differ beyond people.

    Each label is compared on the images that people of two groups or more answered, so that which images somebody
    saw does not matter: choosing it is regressed on being of the group, each image having a mean of its own. The
    standard error is one over people, all that a person said going together (Liang & Zeger 1986), of each answer less
    the share of all other people of the image who chose the label, with n / (n - 1) for the people on either side.
    Where everybody sees every image, t is Welch's of people's rates times 1 - 1 / people. The p value permutes
    groups among people, and is corrected for all labels and groups by the largest |t|, step by step (Westfall &
    Young 1993). A person's group is that of most of their answers, as of languages; of several with as many, the first
    by name. Two groups are one comparison; of more, each is compared with all others together.

    Args:
        judgements: a judgement table with the column `by`; answers without a value are left out.
        labels: the C labels in order.
        by: the column: `language`, or an attribute of who answered. Codes of languages count in one form.
        rounds: which looks count; see `encode`. "all" is refused.
        permutations: of groups among people; p is no less than 1 / (permutations + 1).
        seed: of the permutations; the same one gives the same differences whatever the order of rows.

    Returns:
        The comparison. There is no test of a group with fewer than three people who share images with people of
        another, or with fewer than three of all others; the notes say so.

    Raises:
        BadJudgement: no answer has a value, a row breaks the contract of judgement tables, or rounds is "all".
        UnknownLabel: a row has a label that is not in `labels`.

    >>> said = {"de1": "xx", "de2": "xx", "de3": "x-", "en1": "-x", "en2": "--", "en3": "--"}
    >>> rows = [(image, who, joy) for who, both in said.items() for image, joy in zip("ab", both)]
    >>> table = pd.DataFrame(rows, columns=["image_id", "annotator_id", "joy"]).assign(round=1)
    >>> table["kind"] = table["joy"].map({"x": "labels", "-": "none"})
    >>> table["labels"] = table["joy"].map({"x": ["joy"], "-": []})
    >>> table["language"] = table["annotator_id"].str[:2]
    >>> found = compare_groups(table, ["joy"], "language").differences
    >>> found[["group", "against", "rate", "difference", "t"]].round(3).values.tolist()
    [['de', 'en', 0.833, 0.667, 2.357]]
    """
    said = judgements.assign(**{by: groups_in(judgements, by)})
    looks = one_look(said, labels, rounds=rounds)
    code, names = pd.factorize(said[by].iloc[looks.row], sort=True)
    agreement, shares = _agreement(looks, code, [*names])
    said = said.iloc[looks.row[looks.answered]].sort_values(["annotator_id", "image_id"], kind="stable")
    unknown = int(said[by].isna().sum())
    notes = [f"{unknown} answers without a {by} are left out."] if unknown else []
    said = said[said[by].notna()]
    code, names = pd.factorize(said[by].astype("str"), sort=True)
    panel = encode(said, labels)
    use = pd.crosstab(panel.annotator, code).to_numpy()
    if several := int(((use > 0).sum(axis=1) > 1).sum()):
        notes.append(f"People who answered in several ({several}) are tested as of the {by} of most of their answers.")
    tested, why = _differences(panel, use.argmax(axis=1), [*map(str, names)], permutations, seed)
    rates = shares.drop(columns=["people", "answers"]).melt("group", var_name="label", value_name="rate")
    tested = tested.merge(rates, how="left").sort_values("p", kind="stable", ignore_index=True)
    return GroupComparison(by, agreement, shares, tested, (*notes, *why))


def _differences(
    panel: Panel, of: IntArray, names: Sequence[str], permutations: int, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Every comparison as `GroupComparison.differences` has it, and what could not be tested. of [A]: groups.

    Of two groups the second is compared with nothing: the first says it all.
    """
    groups = len(names)
    mixed = np.bincount(np.unique(panel.image * groups + of[panel.annotator]) // groups) > 1
    shared = mixed[panel.image]
    people, person = np.unique(panel.annotator[shared], return_inverse=True)
    image = np.unique(panel.image[shared], return_inverse=True)[1]
    sides = np.bincount(of[people], minlength=groups)
    compared = range({1: 0, 2: 1}.get(groups, groups))
    found = np.full((5, groups, len(panel.labels)), np.nan)
    if tested := [k for k in compared if min(sides[k], len(people) - sides[k]) >= LEAST]:
        compare = _regressions(image, person, panel.chosen[shared])
        step = max(1, _NUMBERS // (len(panel.labels) * len(people) + len(image)))
        found[:, tested] = _test(compare, of[people], tested, permutations, seed, step)
    rows = [
        (names[k], OTHERS if groups > 2 else names[1], label, *found[:, k, at])
        for k in compared
        for at, label in enumerate(panel.labels)
    ]
    columns = ["group", "against", "label", "difference", "difference_low", "difference_high", "t", "p"]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[3:], np.float64))
    if not len(people):
        return table, ["Nobody shares an image with people of another group."]
    few = [f"{name} ({count})" for name, count in zip(names, sides, strict=True) if count < LEAST]
    why = f"Not tested, as fewer than {LEAST} people share images with other groups: {', '.join(few)}."
    return table, [why] if few else []


def _test(compare: Compare, group: IntArray, tested: list[int], permutations: int, seed: int, step: int) -> FloatArray:
    """Difference, its two ends, t and p of each group tested less all others, in C labels, [5, K, C].

    group [P]: of each person. p is corrected for all of them. step: how many permutations are looked at together.
    """
    from scipy.special import stdtrit  # scipy.stats takes half a second to load

    value, error, freedom, t = (part.T for part in compare(group == np.array(tested)[:, None]))
    half = stdtrit(np.nan_to_num(freedom, nan=1.0), (1 + LEVEL) / 2) * error
    bar = np.abs(t).ravel()
    order = np.argsort(-bar, kind="stable")  # nan last
    order = order[~np.isnan(bar[order])]
    generator, reached = np.random.default_rng(seed), np.zeros(len(order))
    for start in range(0, permutations, step):
        rows = min(step, permutations - start)
        drawn = generator.permuted(np.broadcast_to(group, (rows, len(group))), axis=1)
        permuted = np.concatenate([compare(drawn == k)[3] for k in tested])[order]
        # what is not defined under a permutation counts as far apart, which accuses nobody
        largest = np.maximum.accumulate(np.nan_to_num(np.abs(permuted), nan=np.inf)[::-1])[::-1]
        reached += (largest >= bar[order, None] * (1 - 1e-9)).sum(axis=1)
    p = np.full(len(bar), np.nan)
    p[order] = np.maximum.accumulate((reached + 1) / (permutations + 1))
    return np.stack([value, value - half, value + half, t, p.reshape(t.shape)])


def _regressions(image: IntArray, person: IntArray, chosen: BoolArray) -> Compare:
    """Of each label on membership in a group of people, images being fixed effects; a function of groups.

    For each group [B, P] of people that function gives its difference from the others, the standard error, degrees of
    freedom and t, [C, B]: 0 for no difference at all, infinite where nobody differs within a group. score and spread
    are sums over each person's answers: of their membership less the image's mean, times what they chose, and times
    their membership, less the mean of the other people of the image.
    """
    from scipy.sparse import csr_array

    size = np.bincount(image)
    votes = np.stack([np.bincount(image, column) for column in chosen.T], axis=1)
    own = (chosen - votes[image] / size[image, None]).T
    others = (size / (size - 1))[image]  # from less the mean of all to less that of the others
    weights = (1 / size[image], others, *(others * own))
    share, seen, *labels = (csr_array((weight, (person, image))) for weight in weights)
    sums = np.stack([np.bincount(person, column) for column in own])

    def compare(members: BoolArray) -> Parts:
        x = members.T.astype(np.float64)
        mean = share.T @ x
        total, inside = size @ (mean * (1 - mean)), x.sum(axis=0)
        spread = x * (seen.sum(axis=1)[:, None] - 2 * (seen @ mean)) + seen @ mean**2
        score = np.stack([label.sum(axis=1)[:, None] * x - label @ mean for label in labels])
        outside = len(x) - inside
        with np.errstate(divide="ignore", invalid="ignore"):
            value = sums @ x / total
            off = (score - value[:, None] * spread) ** 2
            one = np.einsum("cpb,pb->cb", off, x) * inside / (inside - 1)
            two = np.einsum("cpb,pb->cb", off, 1 - x) * outside / (outside - 1)
            freedom = (one + two) ** 2 / (one**2 / (inside - 1) + two**2 / (outside - 1))
            error = np.sqrt(one + two) / total
            return value, error, freedom, np.where(np.abs(value) < 1e-12, 0.0, value / error)

    return compare
