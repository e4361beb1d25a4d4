"""Agreement against published values, NLTK, krippendorff, and what must not change it."""

from functools import partial

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from nltk.metrics.agreement import AnnotationTask
from nltk.metrics.distance import jaccard_distance, masi_distance
from scipy import optimize, stats

import affectml_annotation as aa
from affectml_annotation.agreement import alpha as alpha_module
from affectml_annotation.agreement.alpha import interval, set_codes, set_distances, with_interval
from affectml_annotation.agreement.by_group import compare_groups

from .tasks import COLUMNS, refused, sets

_ = None
A = ["0100000010", "1110010000"]
B = ["aabbdcccedda", "babbbccceddd"]
C = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]


def one_choice(raters) -> pd.DataFrame:
    """One label each, and the same as a number."""
    rows = [
        (f"i{image}", f"u{person}", 1, "labels", [str(value)], value)
        for person, row in enumerate(raters)
        for image, value in enumerate(row)
        if value is not None
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS, "number"])


def alpha_of(raters, distance) -> aa.Alpha:
    return aa.krippendorff_alpha(one_choice(raters), distance, value="number" if distance == "interval" else None)


PUBLISHED = [(A, "nominal", 0.0952), (B, "nominal", 0.6920), (C, "nominal", 0.7434), (C, "interval", 0.8491)]


@pytest.mark.parametrize(("raters", "distance", "published"), PUBLISHED)
def test_krippendorffs_own_examples(raters, distance, published):
    assert alpha_of(raters, distance).value == pytest.approx(published, abs=5e-5)


def test_a_shift_of_all_numbers_costs_interval_alpha_no_digit():
    far = [[value if value is _ else value + 100_000_000 for value in rater] for rater in C]
    assert alpha_of(far, "interval").value == pytest.approx(alpha_of(C, "interval").value, abs=1e-9)


def test_the_prevalence_of_a_label_is_over_every_image_with_an_answer():
    found = aa.label_agreement(sets(("a", "u", {"joy"}), ("a", "v", {"joy"}), ("b", "u", {"fear"})), ["joy", "fear"])
    assert found["prevalence"].tolist() == [0.5, 0.5]


def test_empty_sets_are_answers():
    empty = np.zeros((1, 3), dtype=bool)
    some = np.array([[True, False, False]])
    for distance in ("masi", "jaccard", "nominal"):
        assert set_distances(empty, empty, distance).tolist() == [0.0]
        assert set_distances(empty, some, distance).tolist() == [1.0]
    agreed = sets(("a", "u", set()), ("a", "v", set()), ("b", "u", {"x"}), ("b", "v", {"x"}))
    assert aa.krippendorff_alpha(agreed).value == 1.0


CHOSEN = st.frozensets(st.sampled_from(["awe", "fear", "joy", "rage"]), min_size=1)
ROW = st.tuples(st.sampled_from("abcde"), st.sampled_from("uvwx"), CHOSEN)
SET_ROWS = st.lists(ROW, unique_by=lambda row: row[:2], min_size=4, max_size=20)


@given(SET_ROWS, st.sampled_from(["masi", "jaccard"]))
def test_nltk_agrees_on_random_sets(rows, distance):
    paired = [row for row in rows if sum(other[0] == row[0] for other in rows) > 1]
    assume(len({row[2] for row in paired}) > 1)
    function = masi_distance if distance == "masi" else jaccard_distance
    oracle = AnnotationTask([(person, image, chosen) for image, person, chosen in paired], distance=function).alpha()
    assert aa.krippendorff_alpha(sets(*rows), distance).value == pytest.approx(oracle, abs=1e-12)


@given(
    st.lists(st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=6, max_size=6), min_size=2, max_size=4),
    st.sampled_from(["nominal", "interval"]),
)
def test_krippendorff_agrees_on_random_numbers(raters, distance):
    data = np.array([[np.nan if v is None else v for v in row] for row in raters])
    pairable = data[:, (~np.isnan(data)).sum(axis=0) >= 2]
    assume(len(np.unique(pairable[~np.isnan(pairable)])) > 1)
    oracle = krippendorff.alpha(reliability_data=data, level_of_measurement=distance)
    assert alpha_of(raters, distance).value == pytest.approx(oracle, abs=1e-10)


@given(SET_ROWS, st.randoms(use_true_random=False))
def test_names_and_order_change_nothing(rows, random):
    before = aa.krippendorff_alpha(sets(*rows)).value
    person = dict(zip("uvwx", random.sample("uvwx", 4), strict=True))
    image = dict(zip("abcde", random.sample("abcde", 5), strict=True))
    label = dict(zip(["awe", "fear", "joy", "rage"], random.sample("1234", 4), strict=True))
    other = [(image[i], person[p], {label[x] for x in chosen}) for i, p, chosen in rows]
    random.shuffle(other)
    assert aa.krippendorff_alpha(sets(*other)).value == pytest.approx(before, abs=1e-12, nan_ok=True)


def random_sets(images=60, people=4, labels=5, seed=0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    truth = random.random((images, labels)) < 0.4
    names = np.array(list("abcdefgh"[:labels]))
    return sets(*(
        (f"i{image}", f"u{person}", set(names[truth[image] ^ (random.random(labels) < 0.15)]))
        for image in range(images)
        for person in range(people)
    ))  # fmt: skip


def test_many_distinct_sets_are_compared_block_by_block(monkeypatch):
    table = random_sets()
    whole = aa.krippendorff_alpha(table, intervals=True)
    monkeypatch.setattr(alpha_module, "BLOCK", 7)
    blocks = aa.krippendorff_alpha(table, intervals=True)
    assert [blocks.value, blocks.low, blocks.high] == pytest.approx([whole.value, whole.low, whole.high], abs=1e-12)


def ends(value, without):
    """Where the farther of Student's t and Hall's reaches its quantile: an independent calculation, by bisection."""
    apart, n = value - np.array(without), len(without)
    error, skew = ((n - 1) / n * (apart**2).sum()) ** 0.5, (apart**3).sum() / (apart**2).sum() ** 1.5

    def beyond(at):
        t = (value - at) / error
        hall = t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6 if n >= 15 else t
        return min(abs(t), abs(hall)) - stats.t.ppf(0.975, n - 1)

    return [optimize.brentq(beyond, value, value + side * 9 * error) for side in (-1, 1)]


@pytest.mark.parametrize("distance", ["masi", "jaccard", "nominal", "interval"])
@pytest.mark.parametrize("size", [12, 30])
def test_the_interval_is_that_of_tables_without_each_image(distance, size):
    table, value = (one_choice(C), "number") if distance == "interval" else (random_sets(images=size), None)
    alpha = partial(aa.krippendorff_alpha, distance=distance, value=value)
    images = [image for image, answers in table.groupby("image_id", sort=False) if len(answers) > 1]
    without = [alpha(table[table["image_id"] != image]).value for image in images]
    found = alpha(table, intervals=True)
    assert [found.low, min(found.high, 1)] == pytest.approx(np.minimum(ends(found.value, without), 1), abs=1e-9)


def test_intervals_of_both_packages_are_the_same():
    """Neither package needs the other, so that each has the method; here it meets its twin, where that is installed."""
    metrics = pytest.importorskip("affectml_metrics")
    values = np.random.default_rng(0).lognormal(size=(40, 3))
    values[:, 2] = 0.25
    for column in (values, values[:9]):
        theirs = metrics.mean_interval(column, bounds=[(0, None), (0, 3), (0, 1)])
        for at, high in enumerate((np.inf, 3.0, 1.0)):
            x = column[:, at]
            ours = interval(x.mean(), (x.sum() - x) / (len(x) - 1), bounds=(0.0, high))
            assert [ours.low, ours.high] == pytest.approx([float(theirs.low[at]), float(theirs.high[at])], rel=1e-9)


@pytest.mark.parametrize(("rate", "spread", "covers"), [(0.3, 1.0, 0.95), (0.1, 1.0, 0.89), (0.3, 4.0, 0.93)])
def test_fifty_images_are_covered(rate, spread, covers):
    """Alpha and AC1 of a label among three people. Percentiles held alpha in .92, .86 and .93 of such tables.

    Of a rare label (.1) the events that make it reliable may not be there at all: .90 is what this reaches.
    """
    rng, labels = np.random.default_rng(0), 400  # each label is a table of its own

    def votes(images):
        return rng.binomial(3, rng.beta(rate * spread, (1 - rate) * spread, size=(images, labels)))

    def judged(images):
        names = tuple(map(str, range(labels)))
        return aa.Votes(names, np.arange(images).astype(str).astype(object), votes(images), np.full(images, 3))

    truth = aa.label_agreement(judged(5_000))[["alpha", "ac1"]].mean()
    found = aa.label_agreement(judged(50), intervals=True).dropna()
    for name in ("alpha", "ac1"):
        assert ((found[f"{name}_low"] <= truth[name]) & (truth[name] <= found[f"{name}_high"])).mean() >= covers


def test_what_rests_on_one_image_has_no_interval():
    table = sets(("a", "u", {"x"}), ("a", "v", {"x", "y"}), ("b", "u", {"y"})).assign(language="de")
    assert aa.krippendorff_alpha(table, intervals=True).low is None
    assert aa.label_agreement(table, ["x", "y"], intervals=True).filter(regex="_(low|high)$").isna().all(axis=None)
    assert compare_groups(table, ["x", "y"], "language").agreement[["low", "high"]].isna().all(axis=None)
    people = aa.annotator_report(table, ["x", "y"], intervals=True)
    assert people[["with_others_low", "with_others_high"]].isna().all(axis=None)
    assert with_interval(0.8, *people.loc[0, ["with_others_low", "with_others_high"]]) == "0.80"


def test_undefined_where_there_is_no_variation_to_agree_on():
    same = aa.krippendorff_alpha(sets(("a", "u", {"x"}), ("a", "v", {"x"})), intervals=True)
    why = "everybody always gave the same answer"
    assert same.as_dict() == {"value": None, "low": None, "high": None, "undefined": why}
    assert (np.isnan(same.value), str(same)) == (True, f"undefined ({why})")
    alone = aa.krippendorff_alpha(sets(("a", "u", {"x"}), ("b", "v", {"y"})))
    assert alone.undefined == "no image has answers of two people"
    table = sets(("a", "u", {"x"}), ("a", "v", {"x"}), ("b", "u", {"x"}), ("b", "v", {"x"}))
    per_label = aa.label_agreement(table, ["x", "y"])
    assert (per_label["alpha"].isna().all(), per_label["ac1"].tolist()) == (True, [1.0, 1.0])


def gwets_ac1(table, label) -> float:
    """Gwet 2008, of two categories: share of agreeing pairs of people, and what chance gives of it."""
    n = table.groupby("image_id").size().to_numpy()
    yes = table.assign(yes=[label in chosen for chosen in table["labels"]]).groupby("image_id")["yes"].sum().to_numpy()
    agreed = ((yes * (yes - 1) + (n - yes) * (n - yes - 1)) / (n * (n - 1))).mean()
    share = (yes / n).mean()
    return (agreed - 2 * share * (1 - share)) / (1 - 2 * share * (1 - share))


def test_each_label_by_itself_is_nominal_alpha_on_yes_and_no():
    table = random_sets()
    found = aa.label_agreement(table, list("abcde"), intervals=True).set_index("label")
    for label in "abcde":
        said = [["yes"] if label in chosen else ["no"] for chosen in table["labels"]]
        binary = table.assign(labels=said, kind="labels")
        assert found.loc[label, "alpha"] == pytest.approx(aa.krippendorff_alpha(binary, "nominal").value, abs=1e-12)
        assert found.loc[label, "ac1"] == pytest.approx(gwets_ac1(table, label), abs=1e-12)
        assert found.loc[label, "alpha_low"] < found.loc[label, "alpha"] < found.loc[label, "alpha_high"]


def test_what_would_be_undefined_without_one_image_has_no_interval():
    """Nobody chose `once` on any image but the first: without that one there is nothing to agree on."""
    rows = [(f"i{n}", person, {"often"} if n % 2 else set()) for n in range(20) for person in "uv"]
    rows[0] = ("i0", "u", {"once"})
    found = aa.label_agreement(sets(*rows), ["once", "often"], intervals=True)
    known = found[["alpha", "ac1_low", "alpha_low", "alpha_high"]].notna().to_numpy().tolist()
    assert known == [[True, True, False, False], [True] * 4]
    one = aa.krippendorff_alpha(sets(*rows[:3], ("i2", "v", set())), labels=["once", "often"], intervals=True)
    assert (one.low, one.high) == (None, None)


def test_valence_and_intensities_as_numbers():
    table = sets(*((i, p, {"awe"}) for i in "abc" for p in "uv"))
    table["valence"] = [1.0, 1.2, 3.0, 2.8, 5.0, np.nan]
    table["intensities"] = [[1.0], [1.0], [3.0], [2.0], [2.0], [3.0]]
    same = {"valence": [[1.0, 3.0], [1.2, 2.8]], "intensities:awe": [[1, 3, 2], [1, 2, 3]]}
    for value, raters in same.items():
        expected = alpha_of(raters, "interval").value
        assert aa.krippendorff_alpha(table, "interval", value=value).value == pytest.approx(expected)


@pytest.mark.parametrize("labels", [5, 70])
def test_sets_of_few_and_of_many_labels_are_told_apart(labels):
    chosen = np.zeros((4, labels), dtype=bool)
    chosen[1:3, -1] = chosen[3, 0] = True
    codes, found = set_codes(chosen)
    assert len(found) == 3
    assert (found[codes] == chosen).all()


BAD_QUESTIONS = [
    ("cosine", {}, "distance: expected one of masi"),
    ("interval", {}, "interval compares numbers"),
    ("interval", {"value": "mood"}, "no column 'mood'"),
    ("interval", {"value": "intensities:awe"}, "no intensities of 'awe'"),
    ("masi", {"value": "valence"}, "compare sets"),
    ("masi", {"rounds": "all"}, "count a person twice"),
]


@pytest.mark.parametrize(("distance", "options", "words"), BAD_QUESTIONS)
def test_bad_questions_are_refused(distance, options, words):
    refused(aa.BadJudgement, words, aa.krippendorff_alpha, random_sets(images=4), distance, **options)


def test_each_annotator_worked_by_hand():
    table = sets(("a", "u", {"x"}), ("a", "v", {"x"}), ("a", "w", {"y"}), ("b", "u", set()), ("b", "v", {"x", "y"}))
    table["seconds"] = [1.0, 2.0, 3.0, 5.0, 4.0]
    skip = table.iloc[:1].assign(image_id="b", annotator_id="w", kind="skip", labels=[[]], seconds=9.0)
    checks = pd.DataFrame({"image_id": ["a"], "accepted": [["x"]], "forbidden": [["y"]]})
    both = pd.concat([table, skip], ignore_index=True)
    found = aa.annotator_report(both, ["x", "y"], checks=checks).set_index("annotator_id")
    assert found["with_others"].tolist() == pytest.approx([(0.5 + 0) / 2, (0.5 + 0) / 2, 0])
    counts = found[["shared_images", "judgements", "skip", "checks", "checks_failed"]]
    assert counts.to_numpy().tolist() == [[2, 2, 0, 1, 0], [2, 2, 0, 1, 0], [1, 2, 1, 1, 1]]
    means = found[["labels_per_answer", "seconds", "use:x"]]
    assert means.to_numpy().tolist() == [[0.5, 3.0, 0.5], [1.5, 3.0, 1.0], [1.0, 6.0, 0.0]]
    # u's answers {x}, {} against v's and w's {x}, {x, y}, {y}; MASI of {x} and {x, y}: 1/2 * 2/3
    assert found.loc["u", "expected_by_chance"] == pytest.approx((1 + 1 / 3 + 0 + 0 + 0 + 0) / 6)


def test_agreement_above_chance_is_told_with_an_interval_for_each_annotator():
    """u and v agree wherever they met; w says what most say, always, which chance gives too."""
    images = [f"i{n}" for n in range(40)]
    said = [{"x"} if n % 4 else {"y"} for n in range(40)]
    rows = [(image, who, given) for image, given in zip(images, said, strict=True) for who in "uv"]
    rows += [(image, "w", {"x"}) for image in images] + [("alone", "z", {"x"})]
    found = aa.annotator_report(sets(*rows), ["x", "y"], intervals=True).set_index("annotator_id")
    # w meets {x} on 30 of 40 images. Of the others' 81 answers 61 are {x}, of which one is z's.
    assert found.loc["w", "with_others"] == 0.75
    assert found.loc["w", "above_chance"] == pytest.approx(30 / 40 - 61 / 81)
    assert found.loc["w", "above_chance_low"] < 0 < found.loc["w", "above_chance_high"]
    # u meets v always, and w on 30 images: (2 * 30 + 1 * 10) / 80. Of the others' 81 answers 71 are {x}, 10 {y}.
    by_chance = (30 * 71 / 81 + 10 * 10 / 81) / 40
    assert found.loc["u", "above_chance"] == pytest.approx(70 / 80 - by_chance)
    assert 0 < found.loc["u", "above_chance_low"] < found.loc["u", "above_chance"] < found.loc["u", "above_chance_high"]
    assert found.loc["u", "with_others_low"] < found.loc["u", "with_others"] < found.loc["u", "with_others_high"]
    assert found.loc["z", ["with_others", "above_chance", "above_chance_low"]].isna().all()
    again = aa.annotator_report(sets(*rows[40:], *rows[:40]), ["x", "y"], intervals=True).set_index("annotator_id")
    assert again.loc["w", "above_chance_low"] == found.loc["w", "above_chance_low"]  # by nobody's place in the table


def test_repeats_give_self_agreement():
    first = sets(("a", "u", {"x"}), ("b", "u", {"x"}), ("a", "v", {"y"}))
    again = sets(("a", "u", {"x"}), ("b", "u", {"y"})).assign(round=2)
    repeats = pd.DataFrame({"round": [2], "of": [1]})
    found = aa.annotator_report(pd.concat([first, again], ignore_index=True), ["x", "y"], repeats=repeats)
    assert found["repeats"].tolist() == [2, 0]
    assert found["self_agreement"].tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
