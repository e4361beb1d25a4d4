"""A page from rows: who stands in which table, what its sentences say, and that they say nothing that no row holds."""

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from affectml.demo_set import write_demo
from affectml.embeddings import embed_dataset
from affectml.judging.answers import SystemAnswers
from affectml.judging.evaluate import evaluate
from affectml.judging.figures import Evaluation, Figure, parsed
from affectml.judging.scoring import Answers
from affectml.judging.truth import fit_prior, read_truth
from affectml.page import WRITERS, Shown, Table, in_words, write_report
from affectml.page.section import Section
from affectml.page.sections import FOLDED, OPEN
from affectml.page.sections.groups import by_person, learning, subgroup_lines, subgroups
from affectml.page.sections.images import cards, images
from affectml.page.sections.labels import bias, labels
from affectml.page.sections.made import made
from affectml.page.sections.overview import beside, sentence
from affectml.page.sections.people import alone, disagreement
from affectml.page.sections.scores import differences, every_score, levels, repeats
from affectml.page.sections.sets import co_occurrence, instead
from affectml.page.sections.shares import bands, promise, thresholds
from affectml.page.tables import ROWS, STAR, brief, matrix, number, p_value, pivot, scores_table
from affectml.page.words import missing, warnings
from affectml.page.write import caveats, files_of, sections, write_page
from affectml.predicting.alike import Alike
from affectml.predicting.files import predict_to_file
from affectml.training import TrainConfig, train_run

LABELS = ("awe", "fear", "joy")
NOBODY = Shown("a page", "a heading")
PEOPLE = {"people": "judgements", "kind": "rates"}


def row(metric, value, system="model", half=0.05, **key):
    """A figure with an interval of this half width; none where it is None."""
    name, k = parsed(metric)
    ends = {} if half is None else {"low": value - half, "high": value + half}
    return Figure(metric=name, k=k, value=value, system=system, **{"n": 45, "units": 45, "space": "s", **ends, **key})


def many(metric, values, half=0.05, **key):
    """Figures of one metric: {"SYSTEM" or "SYSTEM|AGAINST": value}."""
    named = [(who.partition("|"), value) for who, value in values.items()]
    return [row(metric, value, who, half, against=other or "people", **key) for (who, _, other), value in named]


def found(*rows, **facts):
    known = {"split": "test", "n": 45, "space": "s", "labels": list(LABELS), "first": "model", "rules": {}}
    return Evaluation(rows, facts={**known, "kind": "sets", "people": None, **facts})


def agreeing(*more, model=0.64, person=0.61, prior=0.3, p=0.4):
    """A run whose sets are set beside single people's answers."""
    values = {"model": model, "model|rest": model, "person|rest": person, "prior": prior, "prior|rest": prior}
    apart = row("set_f1_judgements", model - person, "model", against="person", p=p, p_holm=p)
    return found(*many("set_f1_judgements", values), apart, *more, **PEOPLE)


def cells(table):
    return {line[0]: dict(zip(table.columns[1:], line[1:], strict=True)) for line in table.rows}


def test_who_was_judged_on_other_targets_stands_in_a_table_of_their_own():
    rates = {"model": 0.25, "consensus|person": 0.29, "model|person": 0.26, "prior|person": 0.46}
    evaluation = agreeing(
        *many("set_f1", {"model": 0.7, "prior": 0.4, "model|rest": 0.69, "person|rest": 0.65, "half|half": 0.78}),
        *many("rate_cross_entropy", rates),
        row("rate_cross_entropy", 0.2, "floor", None),
        row("set_f1_judgements", 0.645, "consensus", against="person"),
    )
    people, rest, person, half, _ = [*every_score(evaluation, NOBODY).tables, None]
    assert people.title == "test split, 45 images"
    assert people.columns == ("metric", "model", "prior", "floor")
    assert rest.columns == ("metric", "model", "prior", "person")
    assert half.columns == ("metric", "half")
    assert cells(rest)["set_f1 ↑"] == {"model": ".690 ±.050", "prior": "–", "person": ".650 ±.050"}
    # a difference beside `person` is no score; single people's answers are the target in both tables
    assert cells(person)["set_f1_judgements ↑"] == {
        "model": ".640 ±.050",
        "prior": ".300 ±.050",
        "consensus": ".645 ±.050",
    }
    assert cells(person)["rate_cross_entropy ↓"]["model"] == ".260 ±.050"
    drawn, what = beside(evaluation, "set_f1_judgements")
    assert ([each.system for each in drawn], what) == (["model", "prior", "person", "consensus"], "one person's answer")


def test_the_best_of_a_row_is_bold_with_all_whose_intervals_overlap_but_who_knows_the_truth():
    evaluation = found(
        *(row("set_f1", v, s) for s, v in [("model", 0.6), ("a", 0.52), ("prior", 0.2), ("oracle", 0.9)])
    )
    table = scores_table(evaluation)
    assert {table.columns[column] for _, column in table.best} == {"model", "a"}
    assert "| **.600 ±.050** | **.520 ±.050** | .200 ±.050 | .900 ±.050 |" in table.to_markdown()
    assert r"\textbf{.600 $\pm$.050}" in table.to_tex()


def test_tables_are_numbers_for_programs_and_booktabs_for_papers():
    table = Table("T_1", ("label", "F1"), (("joy_a", "+.623 ±.018*"), ("fear", "–")), "a note", frozenset({(0, 1)}))
    assert table.to_csv() == "label,F1,F1 ±\r\njoy_a,0.623,0.018\r\nfear,,\r\n"
    assert r"joy\_a & \textbf{+.623 $\pm$.018*} \\" in table.to_tex()
    assert table.to_tex().startswith("% T_1\n% a note\n\\begin{tabular}{lr}\n\\toprule\n")
    assert table.file_name == "t_1"
    assert [number(v) for v in (0.5, -0.25, 1.5, 0.0001, None)] == [".500", "-.250", "1.500", ".000", "–"]
    assert [p_value(p) for p in (0.0004, 0.04, None)] == ["<.001", ".040", "–"]


def test_few_images_have_a_star_and_one_image_no_interval():
    few = pivot("t", [row("set_f1", 0.5, units=20), row("set_f1", 0.5, "prior", 0, units=1)], "metric")
    assert few.rows == (("set_f1", ".500 ±.050*", ".500*"),)
    assert few.note.endswith(STAR)


def test_a_terminal_has_eight_metrics_with_the_headlines_among_them():
    names = [*(f"top_{k}_accuracy" for k in range(1, 10)), "set_f1_judgements", "set_f1", "rate_cross_entropy"]
    table = brief(found(*(row(name, 0.5) for name in names)))
    assert len(table.rows) == ROWS
    assert {"set_f1_judgements ↑", "set_f1 ↑", "rate_cross_entropy ↓"} <= set(cells(table))
    full = brief(found(*(row(name, 0.5) for name in names), row("empty_share", 0.4, half=None)))
    assert (len(full.rows), cells(full)["empty_share"]) == (ROWS, {"model": ".400"})


def compared(**others):
    """A run that was compared with others: {NAME: (difference, p)}."""
    return agreeing(*(row("set_f1_judgements", v, against=who, p=p) for who, (v, p) in others.items()))


EVEN = "; 45 images cannot tell the model from people."
CONSTANT = "one constant answer to .300"
SAID = [
    (
        agreeing(),
        f"The model agrees with one person's set to .640 (F1), people with each other to .610, {CONSTANT}{EVEN}",
    ),
    (agreeing(p=0.01), "; the model does better than a person, beyond chance."),
    (agreeing(model=0.5, p=0.01), "; the model does worse than a person, beyond chance."),
    (compared(prior=(0.1, 0.3)), "; 45 images do not show it to be better than a constant answer."),
    (compared(prior=(-0.1, 0.01)), "; it is worse than a constant answer."),
    (compared(prior=(0.3, 0.01)), EVEN),
    (
        compared(a=(0.1, 0.01), b=(-0.1, 0.01), c=(0, 0.9), d=(0, 0.9), e=(0, 0.9), prior=(0.3, 0.01)),
        "; it is ahead of “a”, behind “b”, not clearly different from 3 systems.",
    ),
    (
        found(*many("top_1_accuracy", {"model": 0.81, "prior": 0.2}), kind="single"),
        "The model's first label is the image's own label in 81 % of cases, one constant answer's in 20 %.",
    ),
    (
        found(*many("rate_cross_entropy", {"model": 0.25, "floor": 0.2})),
        "The model has rate cross entropy .250 (lower is better), the truth .200.",
    ),
    (found(row("set_f1", 0.6, "mine"), first="mine"), "“mine” agrees with the images' own sets to .600 (F1)."),
    (found(), ""),
]


@pytest.mark.parametrize(("evaluation", "says"), SAID)
def test_the_first_sentence_holds_what_was_tested_in_at_most_35_words(evaluation, says):
    said = sentence(evaluation)
    assert said.endswith(says)
    assert len(said.split()) <= 35


def test_many_empty_sets_stand_beside_every_score_of_sets_and_the_constant_answer_is_named():
    shares = [
        row("empty_share", v, s, None) for s, v in [("people", 0.2), ("model", 0.42), ("prior", 1), ("person", 0.1)]
    ]
    constant = [row("set_share", 0, "prior", None, label=label) for label in LABELS]
    evaluation = agreeing(row("set_f1", 0.6), row("set_f1", 0.28, "prior"), *shares, *constant)
    words = "empty sets: people 20 %, model 42 %, prior 100 %; an empty set beside an empty set scores 1; the prior's "
    words += "answer to every image is the empty set"
    for table in every_score(evaluation, NOBODY).tables:
        assert "empty_share" in cells(table)
        assert words in table.note
    assert cells(scores_table(evaluation, "rest"))["empty_share"] == {
        "model": ".420",
        "prior": "1.000",
        "person": ".100",
    }
    assert f"E{words[1:]}." in warnings(evaluation)
    assert all(
        "Empty sets: people 20 %" in each.note for each in OPEN[0](evaluation, NOBODY).drawings if "Set" in each.title
    )
    few = agreeing(row("set_f1", 0.6), *(replace(each, value=0.1) for each in shares))
    assert "empty" not in f"{warnings(few)}{every_score(few, NOBODY)}"
    named = replace(evaluation, facts={**evaluation.facts, "prior_set": ["awe", "joy"]})
    assert "every image is awe, joy." in warnings(named)[0]


def test_sets_that_hold_most_labels_and_a_promise_are_warned_of_and_chosen_by_anybody_has_a_name_of_its_own():
    fact = {"promise": "precision=0.7", "words": "w", "made_on": "m", "spread": 0.01, "probability": 0.9}
    rows = [row(f"promise_{name}", v) for name, v in [("precision", 0.6), ("size", 1.7), ("empty", 0.1)]]
    evaluation = agreeing(*rows, row("labels_per_set", 1.7, half=None), row("set_precision", 0.4)).with_(
        (), promise=fact
    )
    (table,) = promise(evaluation, NOBODY).tables
    assert table.columns == ("images", "chosen by somebody", "labels per set", "empty sets")
    assert "set_precision counts labels of the panel's set" in table.note
    said = warnings(evaluation)
    assert said[0] == "The model's sets hold 1.7 of 3 labels on average: they rule little out."
    assert said[1] == "The model's sets are cut to keep a promise (precision=0.7), not for the best score."


PROMISED = [  # asked, value, what is said of it
    ("recall=.8", 0.78, "(.730 to .830); at least 0.8 was promised on average; nothing here speaks against it."),
    ("recall=.8", 0.7, "the choice of images alone does not explain the difference."),
    ("extra=1", 1.2, "(1.150 to 1.250); at most 1 was promised on average; the choice of images alone does not"),
]


@pytest.mark.parametrize(("asked", "value", "says"), PROMISED)
def test_a_promise_says_what_came_of_it(asked, value, says):
    fact, name = {"promise": asked, "words": "w", "made_on": "m"}, f"promise_{asked.partition('=')[0]}"
    evaluation = agreeing(row(name, value), row(name, 0.5, "other")).with_((), promise=fact)
    section = promise(evaluation, NOBODY)
    assert says in section.sentence
    assert [line[1] for line in section.tables[0].rows] == [f"{number(value)} ±.050"]
    alone = found(row(name, 9 if "extra" in asked else 0, half=0, n=1, units=1), promise=fact)
    assert "nothing here speaks against it" in promise(alone, NOBODY).sentence  # one image tells nothing of others
    level = row(name, 5 if "extra" in asked else 0.1, by="shapes", level="round")
    moved = {**fact, "column": "shapes", "shift": {"found": True, "words": "it moved"}}
    said = promise(evaluation.with_([level], promise=moved), NOBODY).sentence
    assert re.fullmatch("It moved; the sets hold .* within each level of shapes; .*; round did worse.", said)
    assert promise(found(promise=fact), NOBODY).sentence == "No image counts for the promise."


def test_labels_ahead_by_chance_are_not_counted_as_clear():
    rows = []
    for label, common, values in zip(LABELS, (0.1, 0.2, 0.3), ((0.5, 0.45), (0.4, 0.1), (0.8, 0.9)), strict=True):
        scores = dict(zip(("model", "person|rest", "prior"), (*values, 0.1), strict=True))
        rows += [
            *many("label_f1_judgements", scores, label=label),
            row("prevalence", common, "people", None, label=label),
        ]
    section = labels(found(*rows, **PEOPLE), NOBODY)
    assert section.sentence == (
        "The model does best at joy (.800), worst at fear (.400); it beats one person on 2 of 3 labels (1 of them "
        "clearly); it beats one constant answer on 3 of 3 labels (3 of them clearly)."
    )
    assert [line[0] for line in section.tables[0].rows] == ["joy", "fear", "awe"]  # the commonest first
    assert section.tables[0].columns[1:] == ("model", "prior", "person")
    one = [row("label_f1", v, half=0, n=1, units=1, label=name) for name, v in zip(LABELS, (1, 0, 0), strict=True)]
    assert labels(found(*one), NOBODY).sentence.endswith("worst at fear (.000), but no interval tells them apart.")
    alike = labels(found(*(row("label_f1", 0, label=label) for label in LABELS)), NOBODY)
    assert alike.sentence == "The model does the same at all labels: .000."


def test_labels_said_too_often_are_counted_where_that_is_beyond_chance():
    rows = [
        row("label_bias", v, "a", label=label, p=p, p_holm=p)
        for label, v, p in zip(LABELS, (0.1, 0.02, -0.2), (0.01, 0.5, 0.02), strict=True)
    ]
    section = bias(found(*rows), NOBODY)
    assert section.sentence == "Of 3 labels, “a” names 2 more often or less often than people."
    assert section.tables[0].rows[0] == ("awe", "+.100 ±.050")
    assert section.tables[0].best == {(0, 1), (2, 1)}
    assert bias(found(rows[1]), NOBODY).sentence.startswith("No system is shown")


def test_mistakes_that_are_equally_common_are_all_named():
    def mistakes(*rows, who="model"):
        return [row("images", v, who, None, by="instead_of", level=level, label=label) for level, label, v in rows]

    tied = mistakes(("awe", "fear", 3.5), ("joy", "fear", 3.5), ("awe", "(nothing)", 2), ("(nothing)", "joy", 1))
    section = instead(found(*tied, *mistakes(("awe", "joy", 4), who="person")), NOBODY)
    assert section.sentence == (
        "The model most often says fear in place of awe and fear in place of joy (3.5 of 45 images each); the model "
        "leaves out 2 labels without naming another, and adds 1 to sets that are otherwise complete; one person most "
        "often says joy in place of awe (4 of 45 images)."
    )
    assert [table.name for table in section.tables] == ["model", "person"]
    assert cells(section.tables[0])["awe"] == {"fear": "3.5", "joy": "0", "(nothing)": "2"}
    assert instead(found(*mistakes(("awe", "fear", 1.5))), NOBODY).sentence == ""
    assert section.tables[0].columns[0] == "the image's label"  # nobody was asked


def test_what_stands_of_labels_together_is_true():
    def together(who, n, *rows):
        return [row("share", v, who, None, by="with", level=level, label=label, n=n) for level, label, v in rows]

    every = {"person": (40, 0.71), "people": (12, 0.8), "model": (11, 0.36)}
    rows = [each for who, (n, v) in every.items() for each in together(who, n, ("awe", "joy", v))]
    section = co_occurrence(found(*rows, **PEOPLE), NOBODY)
    assert section.sentence == (
        "Of people's answers with awe, 71 % have joy as well; the largest gap is joy beside awe: 36 % of the model's "
        "11 sets, 80 % of the images' 12."
    )
    assert [table.name for table in section.tables] == ["person", "people", "model"]
    assert "people" not in co_occurrence(found(*rows[1:]), NOBODY).sentence
    assert co_occurrence(found(*(replace(each, n=9) for each in rows)), NOBODY).sentence == ""


ENTROPY = [(0.3, "is more undecided"), (-0.3, "is more decided"), (0.01, "is not shown to be more undecided")]


@pytest.mark.parametrize(("value", "says"), ENTROPY)
def test_undecided_is_said_by_the_interval_and_by_the_number_of_people_asked(value, says):
    asked = [row("absolute_error", v, by="people_asked", level=level) for level, v in [("3", 0.2), ("5", 0.11)]]
    said = disagreement(found(row("entropy_rank_correlation", value), *asked), NOBODY).sentence
    assert says in said
    assert "off by .200 with 3 people asked and .110 with 5, which may be chance" in said
    three = row("entropy_rank_correlation", 1, half=0, n=3, units=3)  # which happen to lie in one order
    assert "is not shown to be" in disagreement(found(three), NOBODY).sentence
    assert disagreement(found(), NOBODY) is None


def test_bands_that_miss_the_line_are_counted_beside_those_that_chance_makes_miss():
    def bins(*pairs):
        return [(row("stated_share", said, label="joy"), row("seen_share", seen, label="joy")) for said, seen in pairs]

    assert bands(bins((0.1, 0.12), (0.5, 0.5))) == "All 2 bands reach the line on which shares mean what they say."
    assert bands(bins(*[(0.5, 0.7)] * 6, *[(0.1, 0.1)] * 4)) == (
        "6 of 10 bands miss the line on which shares mean what they say; about 1 would by chance; the farthest "
        "off is joy, by .200."
    )
    assert bands([]) == ""


def test_a_small_step_of_a_learning_curve_is_no_gain():
    def points(*values):
        levels = enumerate(values, 1)
        rows = [row("set_f1", v, half=0.02, by="training_images", level=str(10 * at)) for at, v in levels]
        other = [replace(each, system="other", value=0.9) for each in rows]
        return found(*rows, *other, row("set_f1", values[-1]), learning_curve=[0.3, 0.7, 1])

    section = learning(points(0.5, 0.700, 0.703), NOBODY)
    said = "With 20 training images set_f1 is .700, with all 30 .703, which may be chance; each point is one fit."
    assert section.sentence == said
    assert section.tables[0].columns == ("metric", "10 images (30%)", "20 images (70%)", "30 images (100%)")
    assert section.tables[0].rows[0][1:] == (".500 ±.020", ".700 ±.020", ".703 ±.020")  # of the first system alone
    assert "chance" not in learning(points(0.5, 0.6, 0.7), NOBODY).sentence
    assert learning(points(0.5), NOBODY) is None


def test_subgroups_show_what_was_tested_and_a_small_level_its_size():
    part, test = {"by": "shapes", "level": "round"}, {"by": "shapes", "level": "jagged less round"}
    rows = [
        row("images", 23, "people", None, **part),
        row("images", 2, "people", None, by="shapes", level="odd"),
        row("set_f1", 0.5, n=23, **part),
        row("rate_brier_score", 0.01, against="floor", n=23, **part),
        row("label_bias", 0.03, label="joy", **part),
        row("rate_brier_score", -0.02, against="floor", p=0.2, p_holm=0.9, **test),
        row("label_bias", 0.09, label="joy", p=0.1, p_holm=0.8, **test),
    ]
    content = {"columns": {"shapes": "images"}, "tests": 2, "findings": [], "rules": {"test": "permuted"}}
    others = [replace(each, system="other", value=0.1) for each in rows if each.system == "model"]
    tests, scores, biases = subgroups(found(*rows, *others, subgroups=content), NOBODY).tables
    assert tests.note.startswith("2 of 2 tests")
    assert cells(scores)["round (23)"]["set_f1 ↑"] == ".500 ±.050"
    assert [line[1] for line in tests.rows] == ["bias: joy", "rate_brier_score, excess over the floor"]
    assert tests.title.startswith("The least likely")
    assert [line[0] for line in scores.rows] == ["round (23)", "odd (2)"]
    assert (cells(scores)["round (23)"]["images"], cells(scores)["odd (2)"]["images"]) == ("–", "2")
    assert biases.rows == (("joy", "+.030 ±.050"),)
    lines = {"subgroups by shapes: no difference beyond chance (2 tests, Holm, 5 %)": {}}
    lines |= {"subgroups by shapes: too few images or people to compare them": {"tests": 0}}
    for line, more in lines.items():
        assert subgroup_lines(found(subgroups={**content, **more})) == [line]
    assert (
        len(
            subgroup_lines(
                found(subgroups={**content, "findings": [{"system": "", "words": each} for each in "abcdefg"]})
            )
        )
        == 6
    )
    assert subgroup_lines(found()) == []


def test_what_knowing_a_person_is_worth_is_said_by_the_interval():
    def cell(level, value):
        key = {"by": "answers_known", "level": level}
        people = row("people", 12, "people", None, **key)
        both = many("rate_cross_entropy", {"model|anybody": value, "model": 0.5}, 0.02, **key)
        return [*both, people]

    k = "unseen_people_new_images_k"
    values = {"seen_people_new_images": -0.05, f"{k}0": 0, f"{k}5": -0.01, f"{k}9": 0.04}
    section = by_person(found(*(each for pair in values.items() for each in cell(*pair))), NOBODY)
    assert section.sentence.startswith("What the model learned of a person is worth (.050, .030 to .070); 5 answers")
    assert "5 answers of a new person are worth nothing beyond chance" in section.sentence
    assert "9 answers of a new person are worth less than nothing" in section.sentence
    assert cells(section.tables[0])["seen people new images (12)"]["model"] == ".500 ±.020"
    assert len(section.drawings) == 1
    assert by_person(found(), NOBODY) is None


def test_a_right_parent_at_random_is_not_spoken_of_where_parents_have_one_child():
    fact = {"levels": {"two": {"labels": ["a", "b"], "lines": ["awe: left out"]}}}
    rows = [row("set_f1", 0.8, space="two"), row("errors_inside_parent", 0.6, half=None, space="two", n=8)]
    chance = row("errors_inside_parent", 0.4, "chance", None, space="two")
    said = levels(found(*rows, chance, **fact), NOBODY)
    assert said.sentence == "At two, 60 % of 8 wrong first labels have the right parent; of random ones 40 % would."
    assert cells(said.tables[0])["two (2): set_f1 ↑"] == {"model": ".800 ±.050"}
    assert "two: awe: left out" in said.tables[0].note
    for none in ((), (replace(chance, value=0.0),)):
        assert "parent" not in levels(found(*rows, *none, **fact), NOBODY).sentence


def test_differences_are_counted_and_their_signs_shown():
    rows = [
        row("set_f1", 0.1, against="prior", p=0.001, p_holm=0.002),
        row("set_f1", -0.02, against="a", p=0.5, p_holm=0.5),
        row("set_f1", 0.5, by="seeds"),
    ]
    section = differences(found(*rows), NOBODY)
    assert section.sentence == "1 of 2 differences is beyond chance."
    assert section.tables[0].rows == (("set_f1 ↑", "+.100 ±.050", "-.020 ±.050"),)
    assert section.tables[0].best == {(0, 1)}
    assert section.tables[1].title == "Means over seeds"
    few = differences(found(*(replace(each, p=None, p_holm=None) for each in rows)), NOBODY)
    assert few.sentence == "Too few images or groups to test a difference."
    assert not few.tables[0].best


def test_wordings_thresholds_and_images_where_all_stand_alone():
    over = [row("set_f1", v, by="wordings", level=level) for level, v in [("", 0.5), ("1", 0.4), ("2", 0.6)]]
    assert repeats(found(*over), NOBODY).sentence == "The model's set_f1 lies between .400 and .600 over wordings."
    cuts = [row("set_f1", v, half=None, by="threshold", level=level) for level, v in [("0.2", 0.5), ("0.4", 0.7)]]
    assert thresholds(found(*cuts, row("set_f1", 0.65)), NOBODY).sentence == (
        "The model's sets reach .650; one threshold for all labels (0.4), chosen afterwards on these very images, .700."
    )
    assert thresholds(found(*cuts), NOBODY) is None
    fact = {
        "images": [{"image_id": "i", "label": "joy", "people": 0.1, "said": {"a": ["joy"], "b": ["joy", "awe"]}}],
        "of": 45,
        "chance": [None, 0.4],
        "p": 0.01,
    }
    section = alone(found(alone=fact), NOBODY)
    assert section.sentence == "On 1 of 45 images all systems say a label that people do not; by chance on 0.4."
    assert section.tables[0].rows == (("i", "joy", "10 %", "a: joy; b: joy, awe"),)


def test_several_data_sets_stand_in_one_table_and_keep_their_own_sections():
    rows = [
        replace(row("set_f1", v, who), dataset=data)
        for data, who, v in [("one", "a", 0.6), ("one", "b", 0.3), ("two", "a", 0.4)]
    ]
    each = {"n": 45, "space": "s", "first": "a", "split": "all", "rules": {}}
    evaluation = found(*rows, first="a", datasets={"one": each, "two": {**each, "n": 9}})
    (table,) = matrix(evaluation)
    assert cells(table) == {"one": {"a": ".600 ±.050", "b": ".300 ±.050"}, "two": {"a": ".400 ±.050", "b": "–"}}
    assert sentence(evaluation) == "By set_f1, “a” leads on one."
    made = {section.name: section for section in sections(evaluation, NOBODY)}
    assert made["systems-1"].heading == "two: Every score"
    assert made["systems-1"].tables[0].title == "all 9 images"
    assert made["systems-0"].folded
    assert matrix(found(*rows[:2])) == []


def test_what_is_missing_is_said_once_with_its_reason():
    rules = {"person": "not available: no answers", "label_set": "none: single", "kl": "not finite: a", "tau": 0.3}
    why = [
        "How far people agree is not known: no answers.",
        "There are no label sets: single.",
        "kl is infinite for a.",
    ]
    assert missing(found(rules=rules)) == why
    votes = [row("label_f1_judgements", 0.5, "person", against="rest", label="joy")]
    assert missing(found(*votes, rules=rules))[0].endswith("no answers; how far they do label by label is.")
    told = found(rules={"stopping": "images stopped early"}, warnings=["all sets are empty"])
    assert warnings(told) == ["All sets are empty.", "Images stopped early."]


def test_the_last_table_says_how_files_of_answers_were_read():
    read = {"answered": 4, "judged": 5, "notes": ["late"], "unknown_labels": {"joyy": 3}}
    read |= {"problems": {"no label": ["1", "2"]}}
    (table,) = made(found(received={"a": read}, rules={"tau": 0.3333}), NOBODY).tables
    said = "4 of 5 images answered; late; unknown label joyy: 3; no label: 2 (1, 2)"
    assert table.rows == (("answers of a", said), ("tau", ".333"))


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text without pictures."""

    def __init__(self, file):
        super().__init__()
        self.tags, self.source = [], file.read_text(encoding="utf-8")
        self.feed(self.source)
        self.text = unescape(re.sub(r"<svg.*?</svg>|<style.*?</style>|<[^>]+>", " ", self.source, flags=re.DOTALL))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


USER = '<b>"joy" & 0.5</b>'


def test_a_users_words_are_escaped_wherever_they_stand(tmp_path):
    rows = [
        row("set_f1", 0.6, USER),
        row("label_f1", 0.5, USER, label=USER),
        row("prevalence", 0.2, "people", None, label=USER),
    ]
    wrong = row("images", 3, USER, None, by="instead_of", level=USER, label="fear")
    evaluation = found(
        *rows,
        wrong,
        first=USER,
        labels=[USER, "fear"],
        warnings=[USER],
        findings=[{"system": USER, "words": USER}],
        rules={"a": USER},
    )
    page = Page(write_report(evaluation, Shown(USER, USER, (USER,), command=USER), tmp_path / "page.html"))
    assert "<b>" not in re.sub(r'<b class="\w+">', "", page.source)
    assert page.text.count(USER) > 8
    assert "<b>" not in scores_table(evaluation).to_markdown()


def test_a_page_of_plain_sections_opens_with_the_first_of_them(tmp_path):
    plain = [
        Section("first", "F", "One.", tables=(Table("t", ("a", "b"), (("1", "2"),)),), open=True),
        Section("two", "T", "Two.", notes=("n",)),
    ]
    write_page(
        tmp_path / "p.html", plain, title="t", heading="h", about=["x"], command="c", caveats=["careful", "more"]
    )
    page = Page(tmp_path / "p.html")
    assert re.search(r"h\s+One\.\s+careful", page.text)
    assert [attrs["id"] for _, attrs in page.tags if "id" in attrs] == ["first", "two", "two-heading"]
    assert [name for _, name, _ in files_of(plain[0], plain[0].tables[0])] == ["first-t.csv", "first-t.tex"]


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
    prior = rates.mean(dim=0, keepdim=True).repeat(len(rates), 1)
    given = dict(zip(("model", "prior"), (rates, prior), strict=True))
    answers = {
        name: Answers(v, v, None if truth.sets is None else (v > 0.3).long())
        for name, v in given.items()
        if name in names
    }
    return evaluate(answers, truth, split="test", seed=0, dataset="demo", target="emotions", space="mikels-8", **more)


def pages(truth):
    drawn = np.random.default_rng(0)
    noise = np.broadcast_to(truth.shares.mean(axis=0), truth.shares.shape) + drawn.normal(0, 0.02, truth.shares.shape)
    nobody = {
        "chosen": None,
        "asked": None,
        "votes": None,
        "people": None,
        "oracle": None,
        "beta": None,
        "kind": "sets",
        "no_judgements": "none kept",
    }
    one = {name: value[:1] for name, value in vars(truth).items() if isinstance(value, np.ndarray)}
    return {
        "signal": judged(truth, truth.oracle, pairs=[("model", "prior"), ("model", "person")]),
        "no signal": judged(truth, noise, pairs=[("model", "prior"), ("model", "person")]),
        "no people": judged(replace(truth, **nobody), truth.oracle),
        "one image": judged(replace(truth, **one), truth.oracle[:1]),
        "one system": judged(truth, truth.oracle, names=("model",)),
    }


@pytest.mark.parametrize("case", ["signal", "no signal", "no people", "one image", "one system"])
def test_a_page_says_nothing_that_its_rows_do_not_hold(case, truth, tmp_path):
    evaluation = pages(truth)[case]
    page, made_ = Page(write_report(evaluation, NOBODY, tmp_path / "page.html")), sections(evaluation, NOBODY)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    drawn = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(drawn) == sum(len(section.drawings) for section in made_)
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 20 for attrs in drawn)
    assert "<script" not in page.source
    assert not re.findall(r'(?:src|href)="(?!data:|#)|url\((?!#)|@import', page.source)
    assert not re.search(r"\bnan\b|\bNone\b(?! of)|\{|\}", page.text)
    first, *others = [section.sentence for section in made_]
    assert 0 < len(first.split()) <= 35
    assert not [said for said in others if re.search(r"[.!?] [A-Z]", said) or (said and said[-1] != ".")]
    assert page.text.count("pictures of images need the data set: add --on") == 1
    said = " ".join([first, *others])
    if case == "signal":
        assert "do not show" not in first
        assert re.search(r"[1-9]\d* of \d+ differences are beyond chance", said)
    if case == "no signal":
        assert "60 images do not show it to be better than a constant answer" in first
        assert "better than a person" not in said
    if case == "no people":
        assert page.text.count("How far people agree is not known: none kept") == 1
        assert not re.search(
            r"person|people(?! agree is)", f"{said} {' '.join(each.note for s in made_ for each in s.drawings)}"
        )
    if case == "one image":
        assert not re.search(r"\d of them clearly|\d of \d+ differences|does better|do not show", said)
        assert "There is no interval" in page.text
    if case == "one system":
        assert "constant answer" not in said
        assert "prior" not in first


@pytest.fixture(scope="module")
def shown(demo, truth):
    evaluation = judged(truth, truth.oracle)
    rates = truth.oracle.astype(np.float32)
    split = np.full(len(rates), "test", dtype=object)
    answers = {
        "model": SystemAnswers(
            truth.labels, truth.image_id[::-1], split, rates[::-1], rates[::-1], (rates > 0.3).astype(np.float32)[::-1]
        )
    }
    return evaluation, replace(NOBODY, dataset=demo, answers=answers, truth=truth)


def test_images_are_shown_where_they_are_at_hand_those_that_agree_most_first(shown, truth, tmp_path):
    evaluation, also = shown
    section = images(evaluation, also)
    titles = ["Where the model and people agree most", "Where the model and people agree least"]
    titles.append("Where people disagree most among themselves")
    assert [gallery.title for gallery in section.galleries] == titles
    scores = evaluation.scores[(evaluation.scores["system"] == "model") & (evaluation.scores["against"] == "people")]
    best = scores.set_index("image_id")["rate_cross_entropy"].sort_values(kind="stable").index[0]
    first = section.galleries[0].cards[0]
    assert first.image_id == best
    at = list(truth.image_id).index(best)
    assert [bar.people for bar in first.bars] == pytest.approx(100 * truth.shares[at], abs=0.06)
    assert [bar.model for bar in first.bars] == pytest.approx(100 * truth.oracle[at], abs=0.06)
    assert [bar.in_people for bar in first.bars] == truth.sets[at].astype(bool).tolist()
    page = Page(write_report(evaluation, also, tmp_path / "page.html"))
    assert sum(tag == "img" for tag, _ in page.tags) == 3 + 12
    assert "add --on" not in page.text
    (few,) = cards(evaluation, also, {0: "a line"})
    assert few.line == f"{truth.image_id[0]} · a line · {truth.people[0].max()} people"


def test_the_demo_says_that_it_is_and_the_same_rows_give_the_same_page(shown, tmp_path):
    evaluation, also = shown
    assert caveats(evaluation, also)[0].startswith("This is the demo set")
    one, two = (write_report(evaluation, also, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert one == two
    evaluation.write(tmp_path)
    again = Evaluation.read(tmp_path)
    assert write_report(again, also, tmp_path / "c.html").read_bytes() == one
    assert json.loads((tmp_path / "facts.json").read_text())["first"] == "model"
    assert sentence(evaluation) == in_words(evaluation)[0]


def test_every_section_does_without_any_row():
    assert [part.__name__ for part in (*OPEN[1:], *FOLDED) if part(Evaluation(()), NOBODY) is not None] == []


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ([("joy",)] * 19 + [()], "the predicted set is joy for 19 of 20 images; "),
        ([()] * 19 + [("joy",)], "the predicted set is empty for 19 of 20 images; "),
        ([("joy",)] * 18 + [()] * 2, ""),
        ([()] * 4, ""),
        (None, "the first label is joy for 20 of 20 images; "),
    ],
)
def test_only_nearly_all_answers_alike_are_spoken_of(sets, says):
    answers = Alike(("awe", "joy"))
    for start in range(0, 20 if sets is None else len(sets), 5):  # part by part
        some = None if sets is None else sets[start : start + 5]
        scores = np.arange(10).reshape(5, 2) / 10 + start
        answers.add(scores[: 5 if some is None else len(some)], some)
    assert answers.words.startswith(says)
    assert bool(answers.words) == bool(says)


def test_features_that_are_the_same_for_all_images_are_said(tmp_path):
    demo = write_demo(tmp_path / "demo", images=40, seed=1)
    folder = embed_dataset(demo, "affect-tiny").store.folder
    rows = np.load(folder / "shard-00000.npy")
    np.save(folder / "shard-00000.npy", np.repeat(rows[:1], len(rows), axis=0))
    said = []
    asked = TrainConfig(str(demo.root), multilabel=True, threads=1)
    run = train_run(asked, out=tmp_path / "run", say=said.append, writers=WRITERS)
    words = "the scores are the same for all {} images, as where all have the same features: "
    here = words.format(run.evaluation.n)
    assert any(line.startswith(f"on the test images {here}") for line in said)
    assert f"<p>On the test images {here}" in (run.folder / "report.html").read_text(encoding="utf-8")
    assert in_words(run.evaluation)[1].startswith(f"On the test images {here}")
    made_ = predict_to_file(run, demo, tmp_path / "all.csv", threads=1, say=said.append)
    assert made_.alike.startswith(words.format(40))
    assert made_.to_json()["alike"] == made_.alike
