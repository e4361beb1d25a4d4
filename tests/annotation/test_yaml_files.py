"""YAML from anywhere: plain values within limits, read by one loader."""

import pytest

from affectml.errors import BadInput
from affectml.taxonomies import get_taxonomy
from affectml_annotation import yaml_files
from affectml_annotation.errors import BadTask
from affectml_annotation.study.folder import read_study
from affectml_annotation.yaml_files import load_yaml

from .tasks import refused

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))


BAD_YAML = [
    ("a: &a [*a]", "more than 50 levels in one another, or an alias of what it is in"),
    ("[" * 60 + "]" * 60, "more than 50 levels"),
    ("[" * 9_000, "more than 50 levels"),
    ("#" * 1_000_001, "more than 1,000,000 characters"),
    ("a: {b: 1, b: 2}", "key 'b' stands twice, the second time in line 1"),
    ("a: b: c", "line 1, column 5: mapping values are not allowed here; a text with"),
    ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ("{[1]: 2}", "found unhashable key"),
    ("2001-13-45", "month must be in 1..12"),
    (f"a: {'9' * 5000}", "a number of 5,000 characters"),
    (f"a: 1{':1' * 240_000}", "a number of 480,001 characters"),  # to base 60, which takes minutes
    ("a: \x07", "special characters are not allowed"),
]


@pytest.mark.parametrize(("text", "says"), BAD_YAML)
def test_what_is_no_plain_yaml_within_the_limits_is_refused_with_its_reason(text, says):
    refused(ValueError, says, load_yaml, text)


def test_values_are_counted_without_aliases_too(monkeypatch):
    monkeypatch.setattr(yaml_files, "MOST_VALUES", 1_000)
    refused(ValueError, "more than 1,000 values, with each alias", load_yaml, BOMB)
    merges = [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 5)]
    merged = "a0: &a0 {x: 1}\n" + "".join(merges)
    refused(ValueError, "more than 1,000 values, with each alias", load_yaml, merged)
    assert len(load_yaml("- x\n" * 999)) == 999
    refused(ValueError, "more than 1,000 values", load_yaml, "- x\n" * 1_000)


def test_aliases_and_merged_keys_within_the_limits_are_read():
    assert load_yaml("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}
    assert load_yaml("") is None


def test_taxonomies_and_studies_are_read_by_it(tmp_path):
    (tmp_path / "endless.yaml").write_text("name: own\nlabels: &a [*a]")
    endless = r"endless.yaml: not a readable YAML file \(more than 50 levels"
    refused(BadInput, endless, get_taxonomy, tmp_path / "endless.yaml")
    (tmp_path / "study.yaml").write_text(BOMB)
    refused(BadTask, "study.yaml: not valid YAML: more than 100,000 values", read_study, tmp_path)
