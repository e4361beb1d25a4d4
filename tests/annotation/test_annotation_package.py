"""What the package promises: its names, and what importing it costs."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import affectml_annotation
from affectml_annotation import BadCounts
from affectml_annotation.uncertainty import disagreement, model_uncertainty

from .tasks import refused, sets


def test_every_public_name_is_there():
    for name in affectml_annotation.__all__:
        assert getattr(affectml_annotation, name).__doc__, name
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        affectml_annotation.nothing_of_ours  # noqa: B018


OTHERS = {"torch", "streamlit", "affectml", "affectml_metrics"}


def test_importing_it_and_opening_a_store_load_nothing_heavy():
    loaded = f"sorted({OTHERS | {'sqlalchemy', 'scipy', 'crowdkit'}} & set(sys.modules))"
    opens = f"affectml_annotation.LabelStore('sqlite://').close(); print(sorted({OTHERS} & set(sys.modules)))"
    code = f"import sys, affectml_annotation; print({loaded}); {opens}"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["[]", "[]"]


def test_a_model_is_most_uncertain_at_one_half():
    rates = pd.DataFrame({"image_id": ["a", "b", "c"], "awe": [0.0, 0.5, 0.9], "joy": [1.0, 0.5, 0.9]})
    found = model_uncertainty(rates, ["awe", "joy"])
    assert found.index.tolist() == ["b", "c", "a"]
    assert found["b"] == pytest.approx(np.log(2))
    assert found["a"] == pytest.approx(0, abs=1e-9)
    refused(BadCounts, "no column for label 'fear'", model_uncertainty, rates, ["fear"])
    refused(BadCounts, "image 'a' has a rate outside", model_uncertainty, rates.assign(awe=2.0), ["awe"])


def test_people_disagree_most_where_their_sets_are_disjoint():
    awe, joy = {"awe"}, {"joy"}
    table = sets(("a", "u", awe), ("a", "v", joy), ("b", "u", awe), ("b", "v", awe), ("c", "u", awe))
    assert disagreement(table, ["awe", "joy"]).to_dict() == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize("page", ["docs/labelling.md", "annotation/README.md"])
def test_the_examples_in_the_documentation_run(page):
    path = Path(__file__).parents[2] / page
    found = doctest.testfile(str(path), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted >= 6
    assert found.failed == 0


def test_every_command_is_documented(options_by_command):
    page = (Path(__file__).parents[2] / "docs" / "labelling.md").read_text(encoding="utf-8")
    absent = [words for words in options_by_command if f"affectml {words}" not in page]
    assert [words for words in absent if words.startswith("label ")] == []
