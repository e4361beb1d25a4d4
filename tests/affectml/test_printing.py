"""What a command that judges shows on a terminal: one table, how to read it in three lines, and what --verbose adds."""

import re

import pytest

from affectml.cli._command import LINES, LOG_WIDTH, show, show_result
from affectml.judging.figures import Evaluation, Rows
from affectml.page.tables import ROWS, STAR, Table, brief, scores_table

NOTE = "± is half the width of the 95 % interval; ↑ higher is better; an empty answer ranks nothing and scores chance"


def table(rows, note=NOTE):
    return Table("Scores", ("metric", "model"), tuple((f"m{at}", f".{at:03}") for at in range(rows)), note)


@pytest.fixture
def printed(capsys):
    """`printed(...)`: the names of the rows that `show_result` prints, and the lines below the table."""

    def call(*given, **options):
        show_result(*given, **{"verbose": False} | options)
        lines = [line.rstrip() for line in capsys.readouterr().out.rstrip().splitlines()]
        start = next(at for at, line in enumerate(lines) if "─" in line) + 1
        end = lines.index("", start)
        return [line.split()[0] for line in lines[start:end]], lines[end + 1 :]

    return call


def test_a_small_table_is_all_there_is(printed):
    rows, below = printed(table(3, "one line; and another"))
    assert (rows, below) == (["m0", "m1", "m2"], ["  one line; and another"])


def test_a_large_one_has_eight_rows_and_what_is_left_is_counted(printed):
    rows, below = printed(table(11), [table(2), None, table(0)], ["ties: the mean over their orders"])
    assert rows == [f"m{at}" for at in range(ROWS)]
    assert below == [f"  {NOTE}", "  --verbose: 3 more rows, 1 more table, how each figure was counted"]


@pytest.mark.parametrize("times", [1, 4, 40])
def test_however_much_there_is_to_say_it_is_three_lines_and_the_star_is_among_them(printed, times):
    _, below = printed(table(2, "\n  ".join([NOTE] * times + [STAR])), rules=["eps: 0"])
    assert len(below) == LINES
    assert all(len(line) <= LOG_WIDTH for line in below)
    assert below[0].startswith("  * rests on fewer than 30 images or groups: its interval is rough")
    assert below[-1] == "  --verbose: how each figure was counted"


def test_verbose_prints_everything(printed):
    rows, below = printed(table(11), [table(9, "the second"), None], ["ties: the mean", "eps: 0"], verbose=True)
    assert len(rows) == 11
    assert below[0] == f"  {NOTE}"
    assert [line.split()[0] for line in below if line.startswith(" m")][1:] == [f"m{at}" for at in range(9)]
    assert below[-3:] == ["", "  ties: the mean", "  eps: 0"]


def test_on_a_terminal_of_40_columns_no_word_breaks_and_columns_go_on_below_the_first(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    names = ("figure", "set_f1 of people", "rate_cross_entropy", "alpha")
    show(Table("Scores", names, (("joy", ".623 ±.018", "–", "1"), ("fear", ".5", ".25", "-2"))))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert all(word in shown for word in ("set_f1", "rate_cross_entropy", ".623 ±.018"))
    assert (shown.count("Scores, continued"), shown.count("figure"), shown.count("joy")) == (1, 2, 2)
    assert max(map(len, shown.splitlines())) <= 40


def test_in_a_log_no_word_breaks_either(capsys):
    names = [f"mypeople-00{n} − mypeople-00{n + 1}" for n in range(9)]
    show(Table("Differences", ("metric", *names), (("set_f1", *[".010 ±.020"] * 9),)))
    out = capsys.readouterr().out
    assert "Differences, continued" in out
    assert out.split().count("mypeople-004") == 2
    assert all(len(line) <= LOG_WIDTH for line in out.splitlines())


def test_of_many_metrics_the_headlines_are_among_the_first_eight():
    names = [*(f"top_{k}_accuracy" for k in range(1, 10)), "set_f1_judgements", "set_f1", "rate_cross_entropy"]
    rows = Rows(system="model")
    for name in names:
        rows.add(name, 0.5)
    found = Evaluation(tuple(rows.rows), facts={"split": "test", "n": 40})
    shown = [[row[0].split()[0] for row in made.rows] for made in (brief(found), scores_table(found))]
    assert shown == [[*names[:5], *names[-3:]], names]
    rows.add("empty_share", 0.4)  # many: one metric less
    found = Evaluation(tuple(rows.rows), facts={**found.facts, "first": "model"})
    assert [row[0].split()[0] for row in brief(found).rows] == [*names[:4], *names[-3:-1], "empty_share", names[-1]]
