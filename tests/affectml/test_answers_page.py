"""The page of judged answers, and its other files: what stands there, who leads, and who cannot be told from it."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import pandas as pd
import pytest

import affectml
from affectml.answers import Gap
from affectml.answers._gaps import standing
from affectml.errors import BadInput
from affectml.page import Table
from affectml.training import TrainConfig, train_run


def quiet(line):
    pass


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=300, seed=31, models=True)


@pytest.fixture(scope="module")
def run(demo):
    config = TrainConfig(dataset=str(demo.root), multilabel=True, encoder="affect-tiny", threads=1)
    return train_run(config, out=demo.root.parent / "linear").folder


@pytest.fixture(scope="module")
def written(demo, run, tmp_path_factory):
    """Three systems, one of them with a name that is no HTML, and a run: everything written, and the judgement."""
    folder = tmp_path_factory.mktemp("out")
    files = {"<b>calm</b>": "calibrated", "overconfident": "overconfident", "words-only": "words-only"}
    answers = {name: demo.root / "answers" / f"{file}.jsonl" for name, file in files.items()}
    out = [folder / f"judged{ending}" for ending in (".html", ".json", ".parquet", ".csv", ".tex", ".md")]
    result = affectml.judge(demo, answers, run=[run], by="rate_cross_entropy", threads=1, say=quiet, out=out)
    return folder, result


class Page(HTMLParser):
    """The words of each section, how often each tag is there, and what is loaded from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.tags, self.elsewhere, self.at = {}, [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        if tag == "section":
            self.at = found["id"]
        self.elsewhere += [v for k, v in attrs if k in ("src", "href") and not v.startswith(("data:", "#"))]

    def handle_data(self, data):
        self.sections[self.at] = self.sections.get(self.at, "") + data


def test_the_page_has_all_that_was_found_and_loads_nothing(written):
    folder, result = written
    page = Page((folder / "judged.html").read_text())
    assert list(page.sections)[1:] == [
        "overview", "differences", "disagreement", "stated", "alone", "labels", "orders", "read", "systems",
    ]  # fmt: skip
    assert (page.elsewhere, "b" in page.tags) == ([], True)  # card's own <b>
    assert "<b>calm</b>" in page.sections["overview"]  # as text
    assert "human: one person against another" in page.sections["overview"]  # who has not what all are sorted by
    assert page.tags.count("article") == page.tags.count("img") > 0
    assert "overconfident is overconfident" in page.sections["stated"]
    assert "words-only" not in page.sections["stated"]  # what samples of sets make is not stated
    assert f"{sum(g.found for g in result.gaps)} of {len(result.gaps)} differences" in page.sections["differences"]
    assert "words-only: 1500 of 1500 batch responses count, on 45 of 45 images" in page.sections["read"]
    assert page.sections[None].count("<b>calm</b> has the best rate_cross_entropy") == 1


def test_everyone_stands_in_the_order_of_the_metric_that_was_asked_for(written):
    _, result = written
    values = {name: scores.get("rate_cross_entropy") for name, scores in result.metrics["systems"].items()}
    order = list(result.standing)
    assert order == sorted(order, key=lambda name: values[name]["value"])
    assert list(result.systems) == ["<b>calm</b>", "overconfident", "words-only"]
    assert {result.standing[name] for name in ("words-only", "prior")} == {"behind"}
    assert len(result.gaps) > 50


def test_files_hold_the_same_scores(written):
    folder, result = written
    table = pd.read_parquet(folder / "judged.parquet")
    row = table.set_index(["system", "metric"]).loc[("words-only", "set_f1")]
    score = result.metrics["systems"]["words-only"]["set_f1"]
    assert (row["value"], row["low"], row["high"]) == (score["value"], score["low"], score["high"])
    assert (row["kind"], row["better"], row["images"]) == ("system", "higher", 45)
    assert dict(table.groupby("kind")["system"].nunique()) == {"beside": len(result.metrics["systems"]) - 4, "run": 1,
                                                                "system": 3}  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_csv(folder / "judged.csv"), table, check_dtype=False)
    everything = json.loads((folder / "judged.json").read_text())
    assert everything["standing"] == result.standing
    assert len(everything["by_disagreement"]["scores"]) == 5
    assert everything["alone"]["of"] == 45
    assert list(everything["labels"]) == list(everything["bias"]) == list(result.systems)


def test_markdown_shows_words_as_they_are():
    assert Table("", ("set_f1", "_x_ **y**"), (("[a](b)", "`c` | <i>"),)).to_markdown().splitlines()[::2] == [
        r"| set_f1 | \_x\_ \*\*y\*\* |",
        r"| \[a\](b) | \`c\` \| &lt;i&gt; |",
    ]


def test_a_paper_gets_a_row_for_everyone_with_those_bold_that_are_not_behind(written):
    folder, result = written
    rows = [line.split(" | ") for line in (folder / "judged.md").read_text().splitlines()]
    assert rows[0][:3] == ["| system", "beside &lt;b&gt;calm&lt;/b&gt;", "rate_cross_entropy ↓"]
    told = {unescape(row[0]).removeprefix("| "): row[2] for row in rows[2:]}
    bold = {name for name, cell in told.items() if cell.startswith("**")}
    assert bold == {name for name, place in result.standing.items() if place in ("best", "tied", "ahead")}
    assert (folder / "judged.tex").read_text().count(r"\textbf") == sum(r.count("**") for row in rows for r in row) / 2


def gap(system, other, value, p_holm):
    return Gap(system, other, "set_f1", {"value": value, "low": 0.0, "high": 0.0}, p_holm, p_holm)


def test_everyone_is_set_against_the_best_judged_system():
    gaps = [gap("a", "b", 0.1, 0.2), gap("a", "c", 0.3, 0.01), gap("a", "run", -0.2, 0.01), gap("b", "c", 0.2, 0.01),
            gap("a", "few", 0.1, None)]  # fmt: skip
    ranked = ["oracle", "run", "a", "few", "b", "c"]
    assert standing(ranked, ("a", "b", "c"), "set_f1", gaps) == {
        "oracle": "–", "run": "ahead", "a": "best", "few": "not known", "b": "tied", "c": "behind",
    }  # fmt: skip


def test_where_lower_is_better_the_lower_one_is_ahead():
    gaps = [Gap("a", "b", "rate_cross_entropy", {"value": -0.1}, 0.01, 0.01)]
    assert standing(["a", "b"], ("a", "b"), "rate_cross_entropy", gaps) == {"a": "best", "b": "behind"}
    assert standing(["b", "a"], ("b",), "rate_cross_entropy", gaps) == {"b": "best", "a": "ahead"}


def test_wordings_and_places_are_on_the_page_of_what_was_asked(demo, tmp_path):
    asked = affectml.ask(demo, tmp_path / "requests.jsonl", model="m", samples=2, side=16, say=quiet)
    lines = []
    for entry in map(json.loads, asked.index.read_text().splitlines()):
        reply = {"message": {"content": json.dumps({"labels": entry["labels"][:2]})}, "finish_reason": "stop"}
        response = {"status_code": 200, "body": {"choices": [reply]}}
        lines.append(json.dumps({"custom_id": entry["custom_id"], "response": response, "error": None}))
    (tmp_path / "first-two.jsonl").write_text("\n".join(lines))
    out, index = tmp_path / "page.html", (str(asked.index),)
    file = tmp_path / "first-two.jsonl"
    result = affectml.judge(demo, file, index=index, by="set_jaccard", threads=1, say=quiet, out=out)
    assert result.systems["first-two"].places.found
    assert {each.over for each in result.systems["first-two"].spread} == {"draws"}
    assert "set_jaccard" in {each.metric for each in result.systems["first-two"].spread}
    words = Page((tmp_path / "page.html").read_text()).sections
    assert "first-two prefers labels that stand in the first half of the list" in words["orders"]
    assert any("prefers labels that stand" in line for line in result.findings)
    assert "alone" not in words  # one system alone is no agreement
    asked.index.write_text(asked.index.read_text().replace('"answer": "sets"', '"answer": "shares"'))
    other = affectml.judge(demo, tmp_path / "first-two.jsonl", index=(str(asked.index),), threads=1, say=quiet)
    assert other.systems["first-two"].places is None
    assert "index has too few of its requests: no word of places" in other.summary()


def test_of_few_images_nothing_is_called_chance(demo, tmp_path):
    file, images = tmp_path / "sure.csv", demo.images["image_id"][:20]
    truth = pd.read_parquet(demo.root / "truth.parquet").set_index("image_id").loc[images]
    labels = list(demo.target("emotions").taxonomy.labels)
    truth[labels].round().to_csv(file)
    out = tmp_path / "few.html"
    result = affectml.judge(demo, file, shape="rates", split="all", threads=1, say=quiet, out=out)
    assert "beyond chance" not in " ".join(result.findings).replace("people, beyond chance (5%, Holm)", "")
    words = Page(out.read_text()).sections
    assert "too few for p values (below 30)" in words["stated"]
    assert "Too few images (below 30) to test the change" in words["disagreement"]
    assert words["overview"].count("not known: too few images for a p value (below 30)") == 1
    assert "all 20 images" in words["overview"]


def test_a_file_of_another_kind_is_refused_before_anything_is_read(demo, tmp_path):
    with pytest.raises(BadInput, match=re.escape("expected a file that ends in .html, .json, .parquet")):
        affectml.judge(demo, tmp_path / "nowhere.jsonl", out=tmp_path / "judged.pdf")
    (tmp_path / "judged.html").write_text("")
    with pytest.raises(BadInput, match=r"judged.html exists"):
        affectml.judge(demo, tmp_path / "nowhere.jsonl", out=tmp_path / "judged.html")
