"""Comparing groups of answers: by hand, against enumeration and brute force, found where planted."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectml_annotation import BadJudgement, agreement_report
from affectml_annotation.agreement.by_group import compare_groups, pooled_words

from .tasks import refused, sets

JOY = {"de1": "xx", "de2": "xx", "de3": "x-", "en1": "-x", "en2": "--", "en3": "--"}


def table(*rows) -> pd.DataFrame:
    """Rows of image, person, labels, language."""
    return sets(*(row[:3] for row in rows)).assign(language=[spoken for *_, spoken in rows])


def joyful(people: dict[str, str] = JOY) -> pd.DataFrame:
    """People whose names begin with their language; x: chose joy of this image, -: nothing, space: did not see it."""
    return table(*((f"i{at}", who, {"joy"} if sign == "x" else set(), who[:2])
                   for who, signs in people.items() for at, sign in enumerate(signs) if sign != " "))  # fmt: skip


def by_language(judgements, labels=("joy",), **options):
    return compare_groups(judgements, list(labels), "language", **options)


def simulated(seed: int, people: int = 18, images: int = 30, each: int = 4, more: float = 0.0) -> pd.DataFrame:
    """Three languages of as many people; `more` is added to the chance of fear in de."""
    g = np.random.default_rng(seed)
    rates = g.uniform(0.1, 0.6, size=(images, 3))
    habit = g.uniform(-0.1, 0.1, size=(people, 3))
    rows = []
    for image in range(images):
        for who in g.permutation(people)[:each]:
            spoken = ("de", "en", "fr")[who % 3]
            chance = rates[image] + habit[who] + np.array([0.0, more * (spoken == "de"), 0.0])
            names = np.array(["awe", "fear", "joy"])[g.random(3) < chance]
            rows.append((f"i{image:02d}", f"p{who:02d}", set(names), spoken))
    return table(*rows)


def stepped(seen: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Westfall & Young's step-down p values from |t| as seen [H] and under every permutation [B, H]."""
    order = np.argsort(-seen)
    p = [(drawn[:, order[at:]].max(axis=1) >= seen[order[at]] - 1e-9).mean() for at in range(len(seen))]
    found = np.empty(len(seen))
    found[order] = np.maximum.accumulate(p)
    return found


def test_a_table_worked_by_hand():
    # rates of people: 1, 1, 1/2 and 1/2, 0, 0: means 5/6 and 1/6, variances 1/12 each, so Welch's t is 2 sqrt 2. Of the
    # 20 ways to name three of six "de", those with both 1s and a half, or with both 0s and a half, are as far apart: 4.
    found = by_language(joyful(), ["joy"], permutations=19_999).differences.iloc[0]
    assert found["difference"] == pytest.approx(2 / 3, abs=1e-12)
    assert found["t"] == pytest.approx(2 * np.sqrt(2) * (1 - 1 / 6), abs=1e-12)
    half = 2.7764451 * np.sqrt(1 / 18) * 6 / 5  # Student's t of 4 degrees of freedom
    assert found[["difference_low", "difference_high"]].tolist() == pytest.approx([2 / 3 - half, 2 / 3 + half])
    assert found["p"] == pytest.approx(4 / 20, abs=0.01)
    assert found[["group", "against", "label"]].tolist() == ["de", "en", "joy"]


def test_p_values_are_those_of_all_permutations():
    g, names = np.random.default_rng(3), ["awe", "fear", "joy"]
    chances = g.uniform(0.2, 0.4, size=(7, 1, 3))
    chances[:3] += [0.2, 0.5, 0.0]
    chosen = g.random((7, 12, 3)) < chances
    said = table(*((f"i{image}", f"p{who}", {name for name, yes in zip(names, chosen[who, image], strict=True) if yes},
                    "de" if who < 3 else "en") for who, image in product(range(7), range(12))))  # fmt: skip
    rates = chosen.mean(axis=1)  # where everybody sees every image, t is Welch's of people's rates times 6 / 7
    every = [np.isin(np.arange(7), some) for some in combinations(range(7), 3)]
    sides = [(rates[of], rates[~of]) for of in every]
    t = np.abs([
        (one.mean(axis=0) - two.mean(axis=0)) / np.sqrt(one.var(axis=0, ddof=1) / 3 + two.var(axis=0, ddof=1) / 4)
        for one, two in sides
    ])  # fmt: skip
    found = by_language(said, names, permutations=19_999).differences
    assert np.abs(found.set_index("label")["t"][names]).tolist() == pytest.approx((t[0] * 6 / 7).tolist())
    assert found["p"].is_monotonic_increasing
    found = found.set_index("label").loc[names]
    assert found["p"].tolist() == pytest.approx(stepped(t[0], t).tolist(), abs=0.012)
    assert len(set(found["p"])) == 3


def test_a_difference_is_that_of_a_regression_with_a_mean_for_each_image_and_errors_over_people():
    said = simulated(0)
    found = by_language(said, ["awe", "fear", "joy"], permutations=9).differences.set_index(["group", "label"])
    fear = np.array(["fear" in labels for labels in said["labels"]], dtype=float)
    de = (said["language"] == "de").to_numpy(dtype=float)
    image, person = (pd.factorize(said[name])[0] for name in ("image_id", "annotator_id"))
    both = said.groupby("image_id")["language"].agg(["min", "max"])
    several = (both["min"] != both["max"])[said["image_id"]].to_numpy()
    fear, de, image, person = fear[several], de[several], image[several], person[several]
    value = np.linalg.lstsq(np.column_stack([de, image[:, None] == np.unique(image)]), fear, rcond=None)[0][0]
    assert found.loc[("de", "fear"), "difference"] == pytest.approx(value, abs=1e-12)
    others = np.array([
        (fear[at] - value * de[at]) - (fear - value * de)[(image == image[at]) & (np.arange(len(de)) != at)].mean()
        for at in range(len(de))
    ])  # fmt: skip
    apart = de - np.array([de[image == one].mean() for one in image])
    sums = np.bincount(person, apart * others)
    of = np.arange(18) % 3 == 0
    error = np.sqrt((6 / 5) * (sums[of] ** 2).sum() + (12 / 11) * (sums[~of] ** 2).sum()) / (apart**2).sum()
    assert found.loc[("de", "fear"), "t"] == pytest.approx(value / error, abs=1e-12)
    assert found["t"].dtype == np.float64


def test_which_images_somebody_saw_does_not_matter():
    # i0 to i3 are joyful to everybody, the others to nobody; de saw mostly those, en mostly the others
    german, english = ("xxxx- -", "xxxx - ", "xxx   -"), ("x   ---", " x  ---", "  xx---")
    found = by_language(joyful(dict(zip(JOY, german + english, strict=True))), ["joy"])
    assert found.shares["joy"][0] > found.shares["joy"][1] + 0.3
    assert found.differences[["difference", "t", "p"]].iloc[0].tolist() == [0.0, 0.0, 1.0]
    assert "No label's rate is found to differ" in found.words()[0]


def test_what_is_planted_is_found_and_said_in_words():
    found = by_language(simulated(1, people=60, images=150, each=6, more=0.3), ["awe", "fear", "joy"])
    said = "On the same images rates differ by language, beyond people: fear (p = .001: de more than the others, by 0."
    assert found.words()[0].startswith(said)
    assert found.differences.groupby("label")["p"].min()[["awe", "joy"]].min() > 0.05
    assert "Two people of one group agree by 0." in found.words()[1]
    less = by_language(joyful({who: "x-x-x-" if who[:2] == "de" else "xxxxx-" for who in
                                     [f"{k}{n}" for k in ("de", "en") for n in range(8)]}), ["joy"])  # fmt: skip
    assert less.words()[0].endswith("joy (p = .001: de less than en, by 0.33).")


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 999), names=st.permutations(["de", "en", "ja"]))
def test_names_of_languages_and_the_order_of_rows_change_nothing(seed, names):
    said, labels = simulated(seed, people=12, images=10), ["awe", "fear", "joy"]
    renamed = dict(zip(("de", "en", "fr"), names, strict=True))
    other = said.assign(language=said["language"].map(renamed)).sample(frac=1, random_state=seed)
    one, two = (by_language(each, labels, permutations=50, seed=seed) for each in (said, other))
    for name, keys in (("agreement", ["group", "other"]), ("shares", ["group"]), ("differences", ["group", "label"])):
        before, after = (getattr(each, name) for each in (one, two))
        before = before.replace({"group": renamed, "other": renamed})
        if name == "agreement":  # of two groups either may come first, and images are drawn in the order of rows
            before, after = (each.drop(columns=["low", "high"]) for each in (before, after))
            before[keys], after[keys] = (np.sort(each[keys].to_numpy(dtype=str)) for each in (before, after))
        before, after = (each.set_index(keys).sort_index() for each in (before, after))
        pd.testing.assert_frame_equal(before, after, rtol=1e-9)


def test_an_answer_counts_in_its_own_language_and_a_person_is_tested_as_of_most_answers():
    said = joyful({"de1": "xx--", "de2": "xx--", "de3": "x---", "en1": "----", "en2": "x---", "en3": "-x--"})
    two = said["annotator_id"].eq("de1") & said["image_id"].isin(["i0", "i1"])  # of four: a tie
    said.loc[two, "language"] = "en"
    found = by_language(said, ["joy"])
    assert found.shares.values.tolist() == [["de", 3, 10, 3 / 10], ["en", 4, 14, 4 / 14]]
    assert found.differences[["rate", "difference"]].iloc[0].tolist() == pytest.approx([3 / 10, 5 / 12 - 2 / 12])
    tested = "People who answered in several (1) are tested as of the language of most of their answers."
    assert found.notes == (tested,)


def test_one_group_has_nothing_to_be_compared_with():
    found = by_language(joyful().assign(language="de"))
    assert found.shares.values.tolist() == [["de", 6, 12, 6 / 12]]
    assert (len(found.differences), found.words()[0]) == (0, "Whether rates differ by language cannot be tested.")
    for said in (joyful().drop(columns="language"), joyful().assign(language=None)):
        refused(BadJudgement, "no judgement of this table has a language; nothing to compare", by_language, said)
    assert agreement_report(joyful(), ["joy"], intervals=False).groups is None


def test_what_is_not_compared_says_why():
    few = "Not tested, as fewer than 3 people share images with other groups:"
    apart = {f"de{n}": "x-x   " for n in range(4)} | {f"en{n}": "   ---" for n in range(4)}
    for people, note in (
        (apart, "Nobody shares an image with people of another group."),
        ({"de1": "xx", "de2": "xx", **{f"en{n}": "-x" for n in range(5)}}, f"{few} de (2)."),
    ):
        found = by_language(joyful(people))
        assert found.differences["p"].isna().all()
        assert found.words()[0] == "Whether rates differ by language cannot be tested."
        assert (found.notes, found.to_dict()["differences"][0]["p"]) == ((note,), None)
    three = by_language(joyful({**JOY, "fr1": "x-", "fr2": "xx"}))
    assert three.differences.set_index("group")["p"].isna().to_dict() == {"de": False, "en": False, "fr": True}
    assert three.notes == (f"{few} fr (2).",)


def test_answers_without_a_language_are_left_out():
    said = joyful({**JOY, "no1": "xx"})
    said.loc[said["annotator_id"] == "no1", "language"] = None
    found, without = by_language(said), by_language(joyful())
    pd.testing.assert_frame_equal(found.differences, without.differences)
    assert found.notes == ("2 answers without a language are left out.",)


def test_what_is_said_before_languages_are_pooled():
    said = joyful({"de1": "xx", "en1": "x-x"})
    said.loc[len(said)] = ["i9", "en1", 1, "skip", [], "en"]
    assert pooled_words(said, "my set") == (
        "Answers in 2 languages (de 2, en 3) are pooled: this takes the labels' words to mean the same in each; "
        "`affectml label agreement 'my set' --by language` tests whether rates differ."
    )
    assert pooled_words(said.assign(language="de")) is pooled_words(said.drop(columns="language")) is None


def test_a_language_counts_as_one_in_any_form_and_a_column_of_another_meaning_as_none():
    said = joyful()
    forms = said.assign(language=said["language"].str.upper().mask(said["annotator_id"] == "de1", "German"))
    assert by_language(forms, ["joy"]).words() == by_language(said, ["joy"]).words()
    assert pooled_words(forms) == pooled_words(said)
    other = said.assign(language=said["language"].replace("en", "formal"))
    refused(BadJudgement, "nothing to compare", by_language, other, ["joy"])
    assert pooled_words(other) is None


def test_an_attribute_of_people_is_compared_like_a_language():
    said = joyful().assign(country=lambda table: table["annotator_id"].map(lambda who: {"de": 1, "en": 2}[who[:2]]))
    found, spoken = compare_groups(said, ["joy"], "country"), by_language(said)
    names = {"1": "de", "2": "en"}
    for name in ("agreement", "shares", "differences"):
        of = getattr(found, name).replace({"group": names, "other": names, "against": names})
        pd.testing.assert_frame_equal(of, getattr(spoken, name))
    assert found.words()[0] == "No label's rate is found to differ by country beyond people (least p = .204)."
    assert found.agreement["agreement"].tolist() == pytest.approx([4 / 6, 4 / 18, 4 / 6])
    pairs = [["1", "1", 6], ["1", "2", 18], ["2", "2", 6]]
    assert found.agreement[["group", "other", "pairs"]].to_numpy().tolist() == pairs
    alone = by_language(joyful({"de1": "xx", "de2": "x-", "en1": "--"})).agreement
    assert alone["agreement"].tolist() == pytest.approx([1 / 2, 1 / 4, np.nan], nan_ok=True)
    refused(BadJudgement, "nothing to compare", compare_groups, said, ["joy"], "age")
    assert "Two people of one group agree by 0.67 on an image, two of different groups by 0.22." in found.words()
