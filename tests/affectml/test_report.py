"""A page from rows: who stands in which table, what its sentences say, and that they say nothing that no row holds."""

import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
import torch

from affectml.judging.answers import SystemAnswers
from affectml.judging.evaluate import evaluate
from affectml.judging.figures import Evaluation, Figure, parsed
from affectml.judging.scoring import Answers
from affectml.judging.truth import fit_prior, read_truth
from affectml.page import WRITERS, Section, Shown, Table, terminal_lines, write_page, write_report
from affectml.page.section import Page
from affectml.page.sections import FOLDED, OPEN
from affectml.page.sections.labels import bias, instead, labels
from affectml.page.sections.overview import CLOSE, beside, cards, images, overview, sentence, three
from affectml.page.sections.parts import by_person, disagreement, made, subgroup_lines, subgroups
from affectml.page.sections.scores import bands, differences, every_score, levels, promise
from affectml.page.tables import PRECISION, STAR, matrix, number, p_value, pivot, scores_table
from affectml.page.write import caveats, missing, sections, warnings
from affectml.predicting.checks import Alike
from affectml.predicting.files import predict_to_file
from affectml.training import TrainConfig, train_run

LABELS = ("awe", "fear", "joy")
NOBODY = Shown("a page", "a heading")
PEOPLE = {"people": "judgements", "kind": "rates"}


def row(metric, value, system="model", half=0.05, **key):
    """A figure with an interval of this half width; none where it is None. A tested one has p alone given."""
    name, k = parsed(metric)
    ends = {} if half is None else {"low": value - half, "high": value + half}
    key |= {"p_holm": key["p"]} if "p" in key else {}
    return Figure(metric=name, k=k, value=value, system=system, **{"n": 45, "units": 45, "space": "s", **ends, **key})


def many(metric, values, half=0.05, **key):
    """Figures of one metric: {"SYSTEM" or "SYSTEM|AGAINST": value}."""
    named = [(who.partition("|"), value) for who, value in values.items()]
    return [row(metric, value, who, half, against=other or "people", **key) for (who, _, other), value in named]


def of_labels(metric, *values, **key):
    """Figures of one metric by label."""
    return [row(metric, value, label=label, **key) for label, value in zip(LABELS, values, strict=True)]


def found(*rows, **facts):
    known = {"split": "test", "n": 45, "space": "s", "labels": list(LABELS), "first": "model", "rules": {}}
    return Page(rows, facts={**known, "kind": "sets", "people": None, **facts})


def agreeing(*more, model=0.64, person=0.61, prior=0.3, p=0.4, **facts):
    """A run whose sets are set beside single people's answers."""
    values = {"model": model, "model|rest": model, "person|rest": person, "prior": prior, "prior|rest": prior}
    apart = row("set_f1_judgements", model - person, "model", against="person", p=p)
    return found(*many("set_f1_judgements", values), apart, *more, **PEOPLE, **facts)


def cells(table):
    return {line[0]: dict(zip(table.columns[1:], line[1:], strict=True)) for line in table.rows}


def test_who_was_judged_on_other_targets_stands_in_a_table_of_their_own():
    rates = {"model": 0.25, "consensus|person": 0.29, "model|person": 0.26, "prior|person": 0.46}
    page = agreeing(
        *many("set_f1", {"model": 0.7, "prior": 0.4, "model|rest": 0.69, "person|rest": 0.65, "half|half": 0.78}),
        *many("rate_cross_entropy", rates),
        row("rate_cross_entropy", 0.2, "floor", None),
        row("set_f1_judgements", 0.645, "consensus", against="person"),
    )
    people, rest, person, half = every_score(page).tables
    assert people.title == "test split, 45 images"
    heads = [("model", "prior", "floor"), ("model", "prior", "person"), ("model", "prior", "consensus"), ("half",)]
    assert [table.columns[1:] for table in (people, rest, person, half)] == heads
    assert cells(rest)["set_f1 ↑"] == {"model": ".690 ±.050", "prior": "–", "person": ".650 ±.050"}
    # a difference beside `person` is no score; single people's answers are the target in both tables
    shown = {"model": ".640 ±.050", "prior": ".300 ±.050", "consensus": ".645 ±.050"}
    assert cells(person)["set_f1_judgements ↑"] == shown
    assert cells(person)["rate_cross_entropy ↓"]["model"] == ".260 ±.050"
    drawn, what = beside(page, "set_f1_judgements")
    assert ([each.system for each in drawn], what) == (["model", "prior", "person", "consensus"], "one person's answer")


def test_the_best_of_a_row_is_bold_with_all_whose_intervals_overlap_but_who_knows_the_truth():
    lower = many("rate_brier_score", {"model": 0.5, "a": 0.1, "prior": 0.3, "oracle": 0.01})
    table = scores_table(found(*many("set_f1", {"model": 0.6, "a": 0.52, "prior": 0.2, "oracle": 0.9}), *lower))
    best = {(table.rows[row][0].split()[0], table.columns[column]) for row, column in table.best}
    assert best == {("set_f1", "model"), ("set_f1", "a"), ("rate_brier_score", "a")}
    assert "| **.600 ±.050** | **.520 ±.050** | .200 ±.050 | .900 ±.050 |" in table.to_markdown()
    assert r"\textbf{.600 $\pm$.050}" in table.to_tex()


def test_tables_are_booktabs_for_papers():
    table = Table("T_1", ("label", "F1"), (("joy_a", "+.623 ±.018*"), ("fear", "–")), "a note", frozenset({(0, 1)}))
    assert r"joy\_a & \textbf{+.623 $\pm$.018*} \\" in table.to_tex()
    assert table.to_tex().startswith("% T_1\n% a note\n\\begin{tabular}{lr}\n\\toprule\n")
    assert [number(v) for v in (0.5, -0.25, 1.5, 0.0001, None)] == [".500", "-.250", "1.500", ".000", "–"]
    assert [p_value(p) for p in (0.0004, 0.04, None)] == ["<.001", ".040", "–"]


def test_few_images_have_a_star_and_one_image_no_interval():
    few = pivot("t", [row("set_f1", 0.5, units=20), row("set_f1", 0.5, "prior", 0, units=1)], "metric")
    assert few.rows == (("set_f1", ".500 ±.050*", ".500*"),)
    assert few.note.endswith(STAR)
    few = pivot("t", [row("mean_average_precision", 0.5, units=20)], "metric")
    assert few.note.endswith(f"{STAR}; {PRECISION}")


def compared(**others):
    """A run that was compared with others: {NAME: (difference, p)}."""
    return agreeing(*(row("set_f1_judgements", v, against=who, p=p) for who, (v, p) in others.items()))


EVEN = "; 45 images cannot tell the model from people."
LOSS = many("rate_cross_entropy", {"model": 0.25, "floor": 0.2})
AMONG = {"a": (0.1, 0.01), "b": (-0.1, 0.01), **dict.fromkeys("cde", (0, 0.9)), "prior": (0.3, 0.01)}
MEANS = "The model's mean F1 with one person's set is .640, people's with each other .610, one constant answer's .300"
TWO, OTHERS = many("set_f1", {"a": 0.6, "b": 0.5, "prior": 0.2}), "“b”'s .500, one constant answer's .200."
FIRST = "In 81 % of cases the model's first label is the image's own label, one constant answer's in 20 %."
SAID = [
    (agreeing(), MEANS + EVEN),
    (agreeing(p=0.01), "; the model does better than a person, beyond chance."),
    (agreeing(model=0.5, p=0.01), "; the model does worse than a person, beyond chance."),
    (compared(prior=(0.1, 0.3)), "; 45 images do not show it to be better than a constant answer."),
    (compared(prior=(-0.1, 0.01)), "; it is worse than a constant answer."),
    (compared(prior=(0.3, 0.01)), EVEN),
    (compared(**AMONG), "; it is ahead of “a”, behind “b”, not clearly different from 3 systems."),
    (found(*many("top_1_accuracy", {"model": 0.81, "prior": 0.2}), kind="single"), FIRST),
    (found(row("set_f1", 0.6, n=18, units=18)), "; 18 images are too few to tell a difference from chance."),
    (found(row("set_f1", 0.6, n=18, units=9)), "; 9 groups are too few to tell a difference from chance."),
    (found(*TWO, first="a", systems=["a", "b"]), "“a”'s mean F1 with the images' own sets is .600, " + OTHERS),
    (found(*LOSS), "The model has rate cross entropy .250 (lower is better), the truth .200."),
    (found(row("set_f1", 0.6, "mine"), first="mine"), "“mine”'s mean F1 with the images' own sets is .600."),
    (found(), ""),
]


@pytest.mark.parametrize(("page", "says"), SAID)
def test_the_first_sentence_holds_what_was_tested_in_at_most_35_words(page, says):
    assert sentence(page).endswith(says)
    assert len(sentence(page).split()) <= 35


def test_ways_of_training_that_were_tested_on_different_images_come_first_by_their_means_over_seeds():
    def over_seeds(**values):
        return [row("set_f1", v, who, by="seeds", n=n, **key) for who, (v, n, key) in values.items()]

    apart = row("set_f1", 0.1, "way", by="seeds", level="two means", against="b", p=0.01)
    seeds = over_seeds(way=(0.7, 3, {}), b=(0.6, 2, {}))
    page = found(*many("set_f1", {"a": 0.9, "prior": 0.2}), *seeds, apart, first="a", systems=["a", "a2", "b", "b2"])
    page = replace(page, facts={**page.facts, "ways": {"b": ["b", "b2"], "way": ["a", "a2"]}})
    said = "“way”'s mean F1 with the images' own sets is .700, “b”'s .600; it is ahead of “b”."
    assert sentence(page) == said
    assert "way .700, .650 to .750; b .600, .550 to .650" in overview(page).drawings[0].svg
    resting = over_seeds(way=(0.65, 5, {"against": "rest"}), person=(0.5, 5, {"against": "rest"}))
    told = replace(page, figures=(*page.figures, *resting))
    said = "“way”'s mean F1 with the images' own sets is .650, one person's .500;"
    assert sentence(told).startswith(said)
    assert overview(told).drawings[0].note == "All beside the rest of a panel, on the test images of each seed."
    alike = replace(page, facts={**page.facts, "systems": ["a"]})
    assert sentence(alike).startswith("“a”'s mean F1 with the images' own sets is .900, one constant answer's .200")


def test_many_empty_sets_stand_beside_every_score_of_sets_and_the_constant_answer_is_named():
    shares = many("empty_share", {"people": 0.2, "model": 0.42, "prior": 1, "person": 0.1}, None)
    scores = many("set_f1", {"model": 0.6, "prior": 0.28})
    page = agreeing(*scores, *shares, *of_labels("set_share", 0, 0, 0, system="prior", half=None))
    words = "empty sets: people 20 %, model 42 %, prior 100 %; an empty set beside an empty set scores 1; the prior's "
    words += "answer to every image is the empty set"
    assert all("empty_share" in cells(table) and words in table.note for table in every_score(page).tables)
    assert cells(scores_table(page, "rest"))["empty_share"] == {"model": ".420", "prior": "1.000", "person": ".100"}
    assert f"E{words[1:]}." in warnings(page)
    drawn = ["Empty sets: people 20 %" in each.note for each in overview(page).drawings if "Set" in each.title]
    assert drawn == [True, True]
    few = agreeing(*scores, *(replace(each, value=0.1) for each in shares))
    assert "empty" not in f"{warnings(few)}{every_score(few)}"
    assert "every image is awe, joy." in warnings(agreeing(*scores, *shares, prior_set=["awe", "joy"]))[0]


def test_sets_that_hold_most_labels_and_a_promise_are_warned_of():
    fact = {"promise": "recall=0.9", "words": "w", "made_on": HERE}
    page = agreeing(row("promise_recall", 0.9), row("labels_per_set", 1.7, half=None), promise=fact)
    assert warnings(page) == [
        "The model's sets hold 1.7 of 3 labels on average: they rule little out.",
        "The model's sets are cut to keep a promise (recall=0.9), not for the best score.",
    ]


HERE = "images of this data set"
PROMISED = [  # asked, value, what is said of it
    ("recall=.8", 0.78, "(.730 to .830); at least 0.8 was promised on average; nothing here speaks against it."),
    ("recall=.8", 0.7, "the choice of images alone does not explain the difference."),
    ("extra=1", 1.2, "(1.150 to 1.250); at most 1 was promised on average; the choice of images alone does not"),
]


@pytest.mark.parametrize(("asked", "value", "says"), PROMISED)
def test_a_promise_says_what_came_of_it(asked, value, says):
    fact, name = {"promise": asked, "words": "w", "made_on": HERE}, f"promise_{asked.partition('=')[0]}"
    page = agreeing(row(name, value), row(name, 0.5, "other"), promise=fact)
    assert says in promise(page).sentence
    assert "nothing is promised" not in promise(page).sentence
    assert [line[1] for line in promise(page).tables[0].rows] == [f"{number(value)} ±.050"]
    one = found(row(name, 9 if "extra" in asked else 0, half=0, n=1, units=1), promise=fact)
    assert "nothing here speaks against it" in promise(one).sentence  # one image tells nothing of others
    level = row(name, 5 if "extra" in asked else 0.1, by="shapes", level="round")
    shift = {"column": "shapes", "shift": {"found": True, "words": "it moved"}}
    said = promise(agreeing(row(name, value), level, promise={**fact, **shift})).sentence
    assert re.fullmatch("It moved; the sets hold .* within each level of shapes; .*; round did worse.", said)
    assert promise(found(promise=fact)).sentence == "No image counts for the promise."
    away = promise(agreeing(row(name, value), promise={**fact, "made_on": "other data: nothing is promised here"}))
    assert away.sentence.startswith("Other data: nothing is promised here; the sets hold ")


def test_labels_ahead_by_chance_are_not_counted_as_clear():
    rows = of_labels("prevalence", 0.1, 0.2, 0.3, system="people", half=None)
    for who, *values in (("model", 0.5, 0.4, 0.8), ("person", 0.45, 0.1, 0.9), ("prior", 0.1, 0.1, 0.1)):
        rows += of_labels("label_f1_judgements", *values, system=who, against="rest" if who == "person" else "people")
    section = labels(found(*rows, **PEOPLE))
    assert section.sentence == (
        "The model does best at joy (.800), worst at fear (.400); it beats one person on 2 of 3 labels (1 of them "
        "clearly); it beats one constant answer on 3 of 3 labels (3 of them clearly)."
    )
    assert [line[0] for line in section.tables[0].rows] == ["joy", "fear", "awe"]  # the commonest first
    assert section.tables[0].columns[1:] == ("model", "prior", "person")
    one = labels(found(*of_labels("label_f1", 1, 0, 0, half=0, n=1, units=1)))
    assert one.sentence.endswith("worst at fear (.000), but no interval tells them apart.")
    assert labels(found(*of_labels("label_f1", 0, 0, 0))).sentence == "The model does the same at all labels: .000."


def test_labels_said_too_often_are_counted_where_that_is_beyond_chance():
    tested = zip(LABELS, (0.1, 0.02, -0.2), (0.01, 0.5, 0.02), strict=True)
    rows = [row("label_bias", v, "a", label=label, p=p) for label, v, p in tested]
    section = bias(found(*rows))
    assert section.sentence == "Of 3 labels, “a” names 2 more often or less often than people."
    assert (section.tables[0].rows[0], section.tables[0].best) == (("awe", "+.100 ±.050"), {(0, 1), (2, 1)})
    assert bias(found(rows[1])).sentence.startswith("No system is shown")


def test_mistakes_that_are_equally_common_are_all_named():
    def mistakes(*rows, who="model"):
        return [row("images", v, who, None, by="instead_of", level=level, label=label) for level, label, v in rows]

    tied = mistakes(("awe", "fear", 3.5), ("joy", "fear", 3.5), ("awe", "(nothing)", 2), ("(nothing)", "joy", 1))
    section = instead(found(*tied, *mistakes(("awe", "joy", 4), who="person")))
    assert section.sentence == (
        "The model most often says fear in place of awe and fear in place of joy (3.5 of 45 images each); the model "
        "leaves out 2 labels without naming another, and adds 1 to sets that are otherwise complete; one person most "
        "often says joy in place of awe (4 of 45 images)."
    )
    assert [table.title for table in section.tables] == ["The model, in images", "One person, in images"]
    assert cells(section.tables[0])["awe"] == {"fear": "3.5", "joy": "0", "(nothing)": "2"}
    assert instead(found(*mistakes(("awe", "fear", 1.5)))).sentence == ""
    assert section.tables[0].columns[0] == "the image's label"  # nobody was asked


def test_undecided_is_said_by_the_interval():
    def said(value, half=0.05, **key):
        return disagreement(found(row("entropy_rank_correlation", value, half=half, **key))).sentence

    assert "is more undecided" in said(0.3)
    assert "is more decided" in said(-0.3)
    assert "is not shown to be more undecided" in said(0.01)
    assert "is not shown to be" in said(1, half=0, n=3, units=3)  # three images happen to lie in one order


def test_bands_that_miss_the_line_are_counted_beside_those_that_chance_makes_miss():
    def bins(*pairs):
        return [(row("stated_share", said, label="joy"), row("seen_share", seen, label="joy")) for said, seen in pairs]

    line = "the line on which shares mean what they say"
    assert bands(bins((0.1, 0.12), (0.5, 0.5))) == [f"all 2 bands reach {line}"]
    told = [f"6 of 10 bands miss {line}", "about 1 would by chance", "the farthest off is joy, by .200"]
    assert bands(bins(*[(0.5, 0.7)] * 6, *[(0.1, 0.1)] * 4)) == told
    assert bands([]) == []


def test_subgroups_show_what_was_tested_and_a_small_level_its_size():
    part, test = {"by": "shapes", "level": "round"}, {"by": "shapes", "level": "jagged less round"}
    rows = [
        row("images", 23, "people", None, **part),
        row("images", 2, "people", None, by="shapes", level="odd"),
        row("set_f1", 0.5, n=23, **part),
        row("rate_brier_score", 0.01, against="floor", n=23, **part),
        row("label_bias", 0.03, label="joy", **part),
        replace(row("rate_brier_score", -0.02, against="floor", p=0.2, **test), p_holm=0.9),
        replace(row("label_bias", 0.09, label="joy", p=0.1, **test), p_holm=0.8),
    ]
    content = {"columns": {"shapes": "images"}, "tests": 2, "findings": [], "rules": {"test": "permuted"}}
    others = [replace(each, system="other", value=0.1) for each in rows if each.system == "model"]
    tests, scores, biases = subgroups(found(*rows, *others, subgroups=content)).tables
    assert tests.title.startswith("The least likely")
    assert tests.note.startswith("2 of 2 tests")
    assert tests.rows[0] == ("shapes: jagged less round", "bias: joy", ".090 [.040, .140]", ".100", ".800", "")
    assert tests.rows[1][1] == "rate_brier_score, excess over the floor"
    assert [(level, each["images"]) for level, each in cells(scores).items()] == [("round (23)", "–"), ("odd (2)", "2")]
    assert cells(scores)["round (23)"]["set_f1 ↑"] == ".500 ±.050"
    assert biases.rows == (("joy", "+.030 ±.050"),)

    def lines(**more):
        return subgroup_lines(found(subgroups={**content, **more}))

    assert lines() == ["subgroups by shapes: no difference beyond chance (2 tests, Holm, 5 %)"]
    assert lines(tests=0) == ["subgroups by shapes: too few images to compare them"]
    assert len(lines(findings=[{"system": "", "words": each} for each in "abcdefg"])) == 6
    assert subgroup_lines(found()) == []


def test_what_knowing_a_person_is_worth_is_said_by_the_interval():
    k, rows = "unseen_people_new_images_k", []
    for level, value in {"seen_people_new_images": -0.05, f"{k}0": 0, f"{k}5": -0.01, f"{k}9": 0.04}.items():
        key = {"by": "answers_known", "level": level}
        rows += many("rate_cross_entropy", {"model|anybody": value, "model": 0.5}, 0.02, **key)
        rows.append(row("people", 12, "people", None, **key))
    section = by_person(found(*rows))
    assert section.sentence == (
        "What the model learned of a person is worth (.050, .030 to .070); 5 answers of a new person are worth nothing "
        "beyond chance (.010, -.010 to .030); 9 answers of a new person are worth less than nothing (-.040, -.060 to "
        "-.020); in rate_cross_entropy about new images."
    )
    assert cells(section.tables[0])["seen people new images (12)"]["model"] == ".500 ±.020"


def test_scores_at_a_coarser_level_have_its_name_and_how_labels_got_there():
    fact = {"levels": {"two": {"labels": ["a", "b"], "lines": ["awe: left out"]}}}
    said = levels(found(row("set_f1", 0.8, space="two"), **fact))
    assert cells(said.tables[0])["two (2): set_f1 ↑"] == {"model": ".800 ±.050"}
    assert "two: awe: left out" in said.tables[0].note


def test_differences_are_counted_and_their_signs_shown():
    rows = [row("set_f1", v, against=who, p=p) for who, v, p in [("prior", 0.1, 0.001), ("a", -0.02, 0.5)]]
    rows.append(row("set_f1", 0.5, by="seeds"))
    section = differences(found(*rows))
    assert section.sentence == "1 of 2 differences is beyond chance."
    tested, seeds = section.tables
    assert tested.columns == ("metric", "model − prior", "model − a")
    assert tested.rows == (("set_f1 ↑", "+.100 ±.050", "-.020 ±.050"),)
    assert (tested.best, seeds.title) == ({(0, 1)}, "Means over seeds")
    few = differences(found(*(replace(each, p=None, p_holm=None) for each in rows)))
    assert few.sentence == "Too few images or groups to test a difference."
    assert not few.tables[0].best


def test_several_data_sets_stand_in_one_table_and_keep_their_own_sections(tmp_path):
    values = [("one", "a", 0.6), ("one", "b", 0.3), ("two", "a", 0.4)]
    rows = [replace(row("set_f1", v, who), dataset=data) for data, who, v in values]
    parted = [
        row("set_f1", v, by="disagreement", level=level) for level, v in (("most agree", 0.5), ("least agree", 0.4))
    ]
    rows += [replace(each, dataset="two") for each in parted]
    each = {"n": 45, "space": "s", "first": "a", "split": "all", "rules": {}}
    page = found(*rows, first="a", datasets={"one": each, "two": {**each, "n": 9}})
    (table,) = matrix(page)
    assert cells(table) == {"one": {"a": ".600 ±.050", "b": ".300 ±.050"}, "two": {"a": ".400 ±.050", "b": "–"}}
    # and no data set's name with nothing behind it
    assert sentence(page) == "By set_f1, “a” leads on one." == " ".join(terminal_lines(page))
    made = {section.name: section for section in sections(page)}
    assert (made["systems-1"].heading, made["systems-1"].tables[0].title) == ("two: Every score", "all 9 images")
    assert made["systems-0"].folded
    assert made["disagreement-1"].sentence == ""
    source, _ = opened(write_report(page, NOBODY, tmp_path / "page.html"))
    (about,) = re.findall(".*pictures of images.*", source)  # nothing of the first data set's images
    assert about == '<p class="soft">pictures of images need one data set alone: give --on once</p>'
    assert matrix(found(*rows[:2])) == []
    other_rows = [replace(f, space="t") if f.dataset == "two" else f for f in rows]
    (table,) = matrix(found(*other_rows, first="a", datasets={"one": each, "two": {**each, "space": "t"}}))
    assert [*cells(table)] == ["one, s", "two, t"]  # each with its own labels


def test_what_is_missing_is_said_once_with_its_reason():
    rules = {"person": "not available: no answers", "label_set": "none: single", "kl": "not finite: a", "tau": 0.3}
    people = "How far people agree is not known: no answers"
    assert missing(found(rules=rules)) == [f"{people}.", "There are no label sets: single.", "kl is infinite for a."]
    votes = row("label_f1_judgements", 0.5, "person", against="rest", label="joy")
    assert missing(found(votes, rules=rules))[0] == f"{people}; how far they do label by label is."
    stopped = found(rules={"stopping": "images stopped early"}, warnings=["all sets are empty"])
    assert warnings(stopped) == ["All sets are empty.", "Images stopped early."]
    lines = {"warnings": ["m learned sets"], "lines": ["mikels-8 -> polarity-2", "choice: awe"], "systems": ["m"]}
    assert warnings(found(**lines)) == ["m learned sets.", "Labels: mikels-8 -> polarity-2.", "Choice: awe."]


def test_the_last_table_says_how_files_of_answers_were_read():
    read = {"answered": 4, "judged": 5, "notes": ["late"], "unknown_labels": {"joyy": 3}}
    read |= {"problems": {"no label": ["1", "2"]}}
    (table,) = made(found(received={"a": read}, rules={"tau": 0.3333})).tables
    said = "4 of 5 images answered; late; unknown label joyy: 3; no label: 2 (1, 2)"
    assert table.rows == (("answers of a", said), ("tau", ".333"))


def opened(file):
    """The source of a page, and its text without pictures."""
    source = file.read_text(encoding="utf-8")
    return source, unescape(re.sub(r"<svg.*?</svg>|<style.*?</style>|<[^>]+>", " ", source, flags=re.DOTALL))


def given(source, name):
    """The values of an attribute, tag by tag."""
    return [unescape(value) for value in re.findall(f' {name}="([^"]*)"', source)]


USER = '<b>"joy" & 0.5</b>'


def test_a_users_words_are_escaped_wherever_they_stand(tmp_path):
    rows = [row("set_f1", 0.6, USER), row("label_f1", 0.5, USER, label=USER)]
    rows.append(row("prevalence", 0.2, "people", None, label=USER))
    rows.append(row("images", 3, USER, None, by="instead_of", level=USER, label="fear"))
    facts = {"warnings": [USER], "findings": [{"system": USER, "words": USER}], "rules": {"a": USER}}
    page = found(*rows, first=USER, labels=[USER, "fear"], **facts)
    source, text = opened(write_report(page, Shown(USER, USER, (USER,), command=USER), tmp_path / "page.html"))
    assert "<b>" not in re.sub(r'<b class="\w+">', "", source)
    assert text.count(USER) > 8
    assert "<b>" not in scores_table(page).to_markdown()


def test_a_page_of_plain_sections_opens_with_the_first_of_them(tmp_path):
    table = Table("t", ("a", "b"), (("1", "2"),))
    plain = [Section("first", "F", "One.", tables=(table,), open=True), Section("two", "T", "Two.")]
    write_page(tmp_path / "p.html", plain, Shown("t", "h", ("x",), "c"), caveats=["careful", "more"])
    source, text = opened(tmp_path / "p.html")
    assert re.search(r"h\s+One\.\s+careful", text)
    assert (given(source, "id"), given(source, "download")) == (["first", "two", "two-heading"], ["first-t.tex"])


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=120, seed=3)


@pytest.fixture(scope="module")
def truth(demo):
    targets = demo.target("emotions")
    return read_truth(demo, targets, targets.image_id[:60], beta=fit_prior(targets.take(targets.image_id[60:])))


def judged(truth, shares, *, names=("model", "prior"), **more):
    """An evaluation of rates, with sets from them, and of the prior."""
    rates = torch.from_numpy(np.clip(shares, 0, 1))
    given = {"model": rates, "prior": rates.mean(dim=0, keepdim=True).repeat(len(rates), 1)}
    sets = {name: None if truth.sets is None else (given[name] > 0.3).long() for name in names}
    answers = {name: Answers(given[name], given[name], sets[name]) for name in names}
    return evaluate(answers, truth, split="test", seed=0, dataset="demo", target="emotions", space="mikels-8", **more)


def pages(case, truth):
    pairs = [("model", "prior"), ("model", "person")]
    if case == "no signal":
        noise = np.random.default_rng(0).normal(0, 0.02, truth.shares.shape)
        return judged(truth, truth.shares.mean(axis=0) + noise, pairs=pairs)
    if case == "no people":
        nobody = dict.fromkeys(("chosen", "asked", "votes", "people", "oracle", "beta"))
        return judged(replace(truth, **nobody, kind="sets", no_judgements="none kept"), truth.oracle)
    if case == "one image":
        one = {name: value[:1] for name, value in vars(truth).items() if isinstance(value, np.ndarray)}
        return judged(replace(truth, **one), truth.oracle[:1])
    more = {"names": ("model",)} if case == "one system" else {"pairs": pairs}
    return judged(truth, truth.oracle, **more)


CASES = {  # what stands in the sentences and the text of a page, and what does not in its sentences and notes
    "signal": (r"[1-9]\d* of \d+ differences are beyond chance", "do not show"),
    "no signal": ("60 images do not show it to be better than a constant answer", "better than a person"),
    "no people": ("How far people agree is not known: none kept", r"person|people(?! agree is)"),
    "one image": ("There is no interval", r"\d of them clearly|\d of \d+ differences|does better|do not show"),
    "one system": ("", r"constant answer|^.{0,240}prior"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_page_says_nothing_that_its_rows_do_not_hold(case, truth, tmp_path):
    evaluation, (holds, never) = pages(case, truth), CASES[case]
    made_, page = sections(Page.of(evaluation)), write_report(evaluation, NOBODY, tmp_path / "page.html")
    source, text = opened(page)
    assert len(given(source, "id")) == len(set(given(source, "id")))
    drawn = re.findall("<svg[^>]*>", source)
    assert len(drawn) == sum(len(section.drawings) for section in made_)
    assert all('role="img"' in each and len(given(each, "aria-label")[0]) > 20 for each in drawn)
    assert "<script" not in source
    assert not re.findall(r'(?:src|href)="(?!data:|#)|url\((?!#)|@import', source)
    assert not re.search(r"\bnan\b|\bNone\b(?! of)|\{|\}", text)
    first, *others = [section.sentence for section in made_]
    assert 0 < len(first.split()) <= 35
    assert not [said for said in others if re.search(r"[.!?] [A-Z]", said) or (said and said[-1] != ".")]
    assert text.count("pictures of images need the data set: add --on") == 1
    said, notes = " ".join([first, *others]), " ".join(each.note for s in made_ for each in s.drawings)
    assert re.search(holds, f"{said} {text}")
    assert text.count("How far people agree is not known") == (case == "no people")
    assert not re.search(never, f"{said} {notes}" if case == "no people" else said)


@pytest.fixture(scope="module")
def shown(demo, truth):
    """A page with images: of shares, and of the same as scores that rank labels and are none."""
    rates, split = truth.oracle.astype(np.float32)[::-1], np.full(len(truth.oracle), "test", dtype=object)
    answers = SystemAnswers(truth.labels, truth.image_id[::-1], split, rates, rates, (rates > 0.3).astype(np.float32))
    return Page.of(judged(truth, truth.oracle), replace(NOBODY, dataset=demo, answers={"model": answers}, truth=truth))


def best(page, metric):
    rows = page.scores[(page.scores["system"] == "model") & (page.scores["against"] == "people")]
    return rows.set_index("image_id")[metric]


def test_images_are_shown_where_they_are_at_hand_those_that_agree_most_first(shown, truth, tmp_path):
    section = images(shown)
    titles = ["Where the model and people agree most", "Where the model and people agree least"]
    titles.append("Where people disagree most: entropy of their rates, test split, 60 images")
    assert [gallery.title for gallery in section.galleries] == titles
    assert [card.line.partition(":")[0] for card in three(shown)[0].cards] == list(CLOSE)  # not "a poor one"
    scores = best(shown, "set_f1_judgements")
    first = section.galleries[0].cards[0]
    assert scores[first.image_id] == scores.max()
    assert scores[section.galleries[1].cards[0].image_id] == scores.min()
    at = list(truth.image_id).index(first.image_id)
    names, people, model, oracle, in_people, _ = zip(*first.bars, strict=True)
    assert names == truth.labels
    for drawn, rates in ((people, truth.shares), (model, truth.oracle), (oracle, truth.oracle)):
        assert drawn == pytest.approx(tuple(100 * rates[at]), abs=0.06)
    assert list(in_people) == truth.sets[at].astype(bool).tolist()
    assert not {"people", "model"} & {who for who, *_ in first.said}  # whose answers the bars are
    assert {who: ink for who, _, ink in cards(shown, {at: ""})[0].said if ink} == {"people": "people", "model": "model"}
    source, text = opened(write_report(shown, shown.shown, tmp_path / "page.html"))
    assert source.count("<img") == 3 + 12
    assert "add --on" not in text
    (few,) = cards(shown, {0: "a line"})
    assert few.line == f"{truth.image_id[0]} · a line · {truth.people[0].max()} people"


def test_galleries_follow_the_metric_that_systems_are_sorted_by(shown):
    section = images(replace(shown, facts={**shown.facts, "sort": "rate_cross_entropy"}))
    scores = best(shown, "rate_cross_entropy").sort_values(kind="stable")
    assert section.galleries[0].note.startswith("By rate_cross_entropy. ")
    assert [card.image_id for card in section.galleries[0].cards] == scores.index[:4].tolist()
    assert section.galleries[1].cards[0].image_id == scores.index[-1]


def test_bars_of_scores_that_are_no_shares_say_so_and_stay_inside_their_scale(shown, tmp_path):
    known = shown.shown.answers["model"]
    also = replace(shown.shown, answers={"model": replace(known, scores=3 * known.scores - 1, shares=None)})
    page = Page.of(shown, also)
    assert "orange: the model's scores, which rank labels and are no shares;" in images(page).galleries[0].note
    assert "no shares" not in images(shown).galleries[0].note
    drawn = [bar[2] for gallery in images(page).galleries for card in gallery.cards for bar in card.bars]
    assert 0 <= min(drawn) < max(drawn) <= 100
    assert len(set(drawn)) > 10
    labels = given(opened(write_report(page, also, tmp_path / "page.html"))[0], "aria-label")
    assert any(re.fullmatch(r"people [\d.]+ %, system's score [\d.]+ %", label) for label in labels)


def test_the_demo_says_that_it_is_and_the_same_rows_give_the_same_page(shown, tmp_path):
    assert caveats(shown)[0].startswith("This is the demo set")
    one, two = (write_report(shown, shown.shown, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert one == two
    shown.write(tmp_path)
    assert write_report(Evaluation.read(tmp_path), shown.shown, tmp_path / "c.html").read_bytes() == one
    assert json.loads((tmp_path / "facts.json").read_text())["first"] == "model"
    assert sentence(shown) == terminal_lines(shown)[0]


def test_every_section_does_without_any_row():
    assert [part.__name__ for part in (*OPEN[1:], *FOLDED) if part(Page(())) is not None] == []


ALIKE = [
    ([("joy",)] * 19 + [()], "the predicted set is joy for 19 of 20 images; "),
    ([()] * 19 + [("joy",)], "the predicted set is empty for 19 of 20 images; "),
    ([("joy",)] * 18 + [()] * 2, ""),
    ([()] * 4, ""),
    (None, "the first label is joy for 20 of 20 images; "),
]


@pytest.mark.parametrize(("sets", "says"), ALIKE)
def test_only_nearly_all_answers_alike_are_spoken_of(sets, says):
    answers = Alike(("awe", "joy"))
    for start in range(0, 20 if sets is None else len(sets), 5):  # part by part
        some = None if sets is None else sets[start : start + 5]
        scores = np.arange(10).reshape(5, 2) / 10 + start
        answers.add(scores[: 5 if some is None else len(some)], some)
    assert (answers.words.startswith(says), bool(answers.words)) == (True, bool(says))


def test_features_that_are_the_same_for_all_images_are_said(demo_set, tmp_path):
    demo = demo_set(images=40, seed=1, embedded=True)
    (part,) = demo.root.glob("embeddings/*/part-*.npy")
    rows = np.load(part, mmap_mode="r+")
    rows[:] = rows[0].copy()
    rows.flush()
    said, asked = [], TrainConfig(str(demo.root), multilabel=True, threads=1)
    run = train_run(asked, out=tmp_path / "run", say=said.append, writers=WRITERS)
    words = "the scores are the same for all {} images, as if all had the same features: "
    here = f"n the test images {words.format(run.evaluation.n)}"
    assert any(line.startswith(f"o{here}") for line in said)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert f"<p>O{here}" in page
    assert "The labels say what viewers report feeling" in page
    assert terminal_lines(run.evaluation)[1].startswith(f"O{here}")
    made_ = predict_to_file(run, demo, tmp_path / "all.csv", threads=1, say=said.append)
    assert made_.alike.startswith(words.format(40))
    assert made_.to_json()["alike"] == made_.alike
