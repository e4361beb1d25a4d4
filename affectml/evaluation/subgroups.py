"""The model's scores by subgroup: every column that the user keeps beside the images splits the report once."""

from typing import Any

import pandas as pd
import torch

from affectml.evaluation.scoring import Answers, Score, intervals, row_scores
from affectml.evaluation.truth import Truth, part_of
from affectml_metrics.table import shown

OURS = ("image_id", "file", "url", "split", "group", "width", "height", "caption")
MAX_LEVELS = 12  # more is an identifier or a measurement, not a subgroup
MIN_IMAGES = 5  # fewer would make an interval of noise


def by_subgroup(
    answers: Answers, truth: Truth, images: pd.DataFrame, generator: torch.Generator
) -> dict[str, dict[str, dict[str, Any]]]:
    """{column: {level: {"n", METRIC: score}}} for columns of images.parquet with 2 to 12 levels.

    Columns that count people (n, arousal_n) are none, nor are measurements (valence_mean). A level with fewer than five
    of these images has n and no scores. Differences between subgroups can come from their labels as well as from the
    model: read them beside the prevalence.
    """
    out: dict[str, dict[str, dict[str, Any]]] = {}
    table = images.set_index("image_id").reindex(truth.image_id)
    for column, of_row in columns_of(table).items():
        out[column] = {}
        for level in sorted(of_row.dropna().unique()):
            index = (of_row == level).to_numpy().nonzero()[0]
            entry: dict[str, Any] = {"n": len(index)}
            if len(index) >= MIN_IMAGES:
                entry |= _scores(answers.rows(index), part_of(truth, index), generator)
            out[column][level] = entry
    return out


def columns_of(table: pd.DataFrame, named: str | None = None) -> dict[str, pd.Series]:
    """The columns that part these images into 2 to 12 subgroups, each as text, missing where an image has no level.

    Args:
        table: rows of images.parquet.
        named: a column that is one whatever its levels are, where the table has it.
    """
    out: dict[str, pd.Series] = {}
    for column in table.columns:
        levels = table[column].dropna().astype(str)
        numbers = _counts(table[column]) or _measures(table[column])
        if column == named or not (column in OURS or numbers or not 2 <= levels.nunique() <= MAX_LEVELS):
            out[str(column)] = levels.reindex(table.index)
    return out


def _counts(column: pd.Series) -> bool:
    """Whether it says how many people were asked (n, arousal_n, n:joy), which is nothing that images have in common."""
    name = str(column.name)
    named = name == "n" or name.endswith("_n") or name.startswith(("n_", "n:"))
    return named and bool(pd.api.types.is_numeric_dtype(column))


def _measures(column: pd.Series) -> bool:
    """Whether it holds numbers with fractions, of which even a few different ones are no groups."""
    return pd.api.types.is_float_dtype(column) and bool((column.dropna() % 1 != 0).any())


def _scores(answers: Answers, truth: Truth, generator: torch.Generator) -> dict[str, Score]:
    rows = row_scores(answers, truth)
    return intervals({name: rows[name] for name in shown(rows, "headline")}, truth, generator)
