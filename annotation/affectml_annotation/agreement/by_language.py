"""Whether people choose labels otherwise in one language than in another, beyond how people differ anyway."""

import shlex
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from affectml_annotation.agreement.alpha import Alpha, across_alpha, krippendorff_alpha
from affectml_annotation.agreement.by_person import one_look
from affectml_annotation.agreement.group_test import LEAST, group_test
from affectml_annotation.agreement.resampling import image_weights, interval
from affectml_annotation.agreement.values import BoolArray, FloatArray, IntArray, divided, set_values
from affectml_annotation.judgements import ANSWERS, Panel, Rounds, encode, languages_in

OTHERS = "the others"
ENDS = ("difference_low", "difference_high")


@dataclass(frozen=True, eq=False)
class LanguageComparison:
    """Answers by the language that they were given in.

    languages: language, people, images, answers, and alpha (Krippendorff's, MASI) of answers in it, with alpha_low and
    alpha_high over images. across: the same of pairs of answers in different languages. rates: a row per label, the
    share of answers in each language that hold it, with LANGUAGE_low and LANGUAGE_high over people. differences:
    language, against, label, difference (on the same images) with difference_low and difference_high, t and p, which is
    corrected for all of them; nan where nothing can be said. notes: what was left out or not tested, and why.
    """

    languages: pd.DataFrame
    across: Alpha
    rates: pd.DataFrame
    differences: pd.DataFrame
    notes: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """What was found, in sentences; the notes at the end."""
        tested = self.differences[self.differences["p"].notna()].sort_values("p", kind="stable")
        found = [self._sentence(row) for row in tested[tested["p"] < 0.05].to_dict("records")]
        if not found and len(tested):
            least = _p(tested["p"].iloc[0])
            found = [f"No label's rate is found to differ between languages beyond people (least p {least})."]
        return [*(found or ["Whether rates differ between languages cannot be tested."]), *self.notes]

    def _sentence(self, row: Mapping[Hashable, Any]) -> str:
        ends = sorted(row[name] * np.sign(row["difference"]) for name in ENDS)
        rates = self.rates[self.rates["label"] == row["label"]].iloc[0]
        return (
            f"On the same images {row['label']} is chosen {'more' if row['difference'] > 0 else 'less'} often in "
            f"{row['language']} than in {row['against']}, by {abs(row['difference']):.2f} ({ends[0]:.2f} to "
            f"{ends[1]:.2f}), beyond people: p {_p(row['p'])} (share of all answers: "
            + ", ".join(f"{name} {rates[name]:.2f}" for name in self.languages["language"])
            + ")."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; nan is None."""
        tables = {name: getattr(self, name) for name in ("languages", "rates", "differences")}
        rows = {k: t.astype(object).where(t.notna(), None).to_dict("records") for k, t in tables.items()}
        return {**rows, "across": self.across.as_dict(), "words": self.words()}


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.3f}".replace("0.", ".", 1)


def pooled_words(judgements: pd.DataFrame, where: object = "DATASET") -> str | None:
    """What is said before answers in several languages are put together; None where fewer than two are known.

    judgements: a judgement table. where: what `affectml labels agreement` is to be given.
    """
    if not {"kind", "language"} <= set(judgements.columns):
        return None
    counts = languages_in(judgements["language"])[0][judgements["kind"].isin(ANSWERS)].value_counts().sort_index()
    if len(counts) < 2:
        return None
    each = ", ".join(f"{language} {count}" for language, count in counts.items())
    return (
        f"Answers in {len(counts)} languages ({each}) are pooled: this takes the labels' words to mean the same in "
        f"each; `affectml labels agreement {shlex.quote(str(where))}` tests whether rates differ."
    )


def compare_languages(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    *,
    rounds: Rounds = "first",
    permutations: int = 999,
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> LanguageComparison | None:
    """Rates and agreement by language, and a test of whether rates differ beyond people.

    Each label is compared on the images that people of two languages or more answered, so that which images somebody
    saw does not matter: choosing it is regressed on reading the language, each image having a mean of its own. The
    standard error is one over people, all that a person said going together (Liang & Zeger 1986), of each answer less
    the share of all other people of the image who chose the label, with n / (n - 1) for the people on either side.
    Where everybody sees every image, t is Welch's of people's rates times 1 - 1 / people. The p value permutes
    languages among people, and is corrected for all labels and languages by the largest |t|, step by step (Westfall &
    Young 1993). A person's language is that of most of their answers; of several with as many, the first by code. Two
    languages are one comparison; of more, each is compared with all others together.

    Args:
        judgements: a judgement table with the column `language`; answers without one are left out.
        labels: the C labels in order.
        rounds: which looks count; see `encode`. "all" is refused.
        permutations: of languages among people; p is no less than 1 / (permutations + 1).
        bootstrap: replicates for intervals of rates, over people, and of alpha, over images; 0 for none.
        seed: of permutations and replicates; the same one gives the same result whatever the order of rows.
        level: of the intervals.

    Returns:
        The comparison; None where answers are of fewer than two languages. There is no test of a language with fewer
        than three people who share images with people of another, or with fewer than three of all others; the notes
        say so.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables, or rounds is "all".
        UnknownLabel: a row has a label that is not in `labels`.

    >>> said = {"de1": "xx", "de2": "xx", "de3": "x-", "en1": "-x", "en2": "--", "en3": "--"}
    >>> rows = [(image, who, joy) for who, both in said.items() for image, joy in zip("ab", both)]
    >>> table = pd.DataFrame(rows, columns=["image_id", "annotator_id", "joy"]).assign(round=1)
    >>> table["kind"] = table["joy"].map({"x": "labels", "-": "none"})
    >>> table["labels"] = table["joy"].map({"x": ["joy"], "-": []})
    >>> table["language"] = table["annotator_id"].str[:2]
    >>> found = compare_languages(table, ["joy"], bootstrap=0).differences
    >>> found[["language", "against", "difference", "t"]].round(3).values.tolist()
    [['de', 'en', 0.667, 2.357]]
    """
    if "language" not in judgements:
        return None
    judgements = judgements.assign(language=languages_in(judgements["language"])[0])
    looks = one_look(judgements, labels, rounds).answers()
    said = judgements.iloc[looks.row].sort_values(["annotator_id", "image_id"], kind="stable")
    unknown = int(said["language"].isna().sum())
    said = said[said["language"].notna()]
    code, found_names = pd.factorize(said["language"].astype("str"), sort=True)
    names, spoken = [str(name) for name in found_names], code.astype(np.int64)
    if len(names) < 2:
        return None
    panel = encode(said, labels)
    notes = [f"{unknown} answers without a language are left out."] if unknown else []
    use = np.bincount(panel.annotator * len(names) + spoken, minlength=len(panel.annotator_ids) * len(names))
    use = use.reshape(-1, len(names))
    if several := int(((use > 0).sum(axis=1) > 1).sum()):
        notes.append(f"People who answered in several languages ({several}) are tested as of that of most answers.")
    rates: dict[str, Any] = {"label": list(panel.labels)}
    rows = []
    for k, name in enumerate(names):
        mine = spoken == k
        alpha = krippendorff_alpha(said[mine], labels=labels, bootstrap=bootstrap, seed=seed, level=level)
        rows.append((name, int((use[:, k] > 0).sum()), len(np.unique(panel.image[mine])), int(mine.sum()),
                     alpha.value, alpha.low, alpha.high))  # fmt: skip
        rates[name], rates[f"{name}_low"], rates[f"{name}_high"] = _rates(panel, mine, bootstrap, seed, level)
    columns = ["language", "people", "images", "answers", "alpha", "alpha_low", "alpha_high"]
    tested, why = _differences(panel, use.argmax(axis=1), names, permutations, seed, level)
    return LanguageComparison(
        languages=pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[4:], np.float64)),
        across=across_alpha(set_values(panel), spoken, bootstrap=bootstrap, seed=seed, level=level),
        rates=pd.DataFrame(rates),
        differences=tested,
        notes=(*notes, *why),
    )


def _rates(panel: Panel, mine: BoolArray, bootstrap: int, seed: int, level: float) -> FloatArray:
    """The share of these answers that hold each label, low and high, [3, C]; people are drawn, with all they said."""
    person = np.unique(panel.annotator[mine], return_inverse=True)[1]
    chosen = np.stack([np.bincount(person, column) for column in panel.chosen[mine].T], axis=1)
    answers = np.bincount(person)
    weights = [*image_weights(len(answers), bootstrap, np.random.default_rng(seed)), np.zeros((0, len(answers)))]
    drawn = divided(np.concatenate(weights) @ chosen, np.concatenate(weights) @ answers[:, None])
    spans = [
        interval(float(rate), replicates, level=level)
        for rate, replicates in zip(chosen.sum(axis=0) / answers.sum(), drawn.T, strict=True)
    ]
    return np.array([(span.value, span.low, span.high) for span in spans], dtype=np.float64).T


def _differences(
    panel: Panel, of: IntArray, names: Sequence[str], permutations: int, seed: int, level: float
) -> tuple[pd.DataFrame, list[str]]:
    """Every comparison as `LanguageComparison.differences` has it, and what could not be tested. of [A]: languages."""
    mixed = np.bincount(np.unique(panel.image * len(names) + of[panel.annotator]) // len(names)) > 1
    shared = mixed[panel.image]
    people, person = np.unique(panel.annotator[shared], return_inverse=True)
    image = np.unique(panel.image[shared], return_inverse=True)[1]
    test = group_test(
        image, person, panel.chosen[shared], of[people], len(names), permutations=permutations, seed=seed, level=level
    )
    rows = [
        (names[k], OTHERS if len(names) > 2 else names[1], label, *(part[k, at] for part in test))
        for k in range(len(names) if len(names) > 2 else 1)
        for at, label in enumerate(panel.labels)
    ]
    columns = ["language", "against", "label", "difference", *ENDS, "t", "p"]
    if not len(people):
        return pd.DataFrame(rows, columns=columns), ["Nobody shares an image with people of another language."]
    sides = np.bincount(of[people], minlength=len(names))
    few = [f"{name} ({count})" for name, count in zip(names, sides, strict=True) if count < LEAST]
    why = f"Not tested, as fewer than {LEAST} people share images with other languages: {', '.join(few)}."
    return pd.DataFrame(rows, columns=columns), [why] if few else []
