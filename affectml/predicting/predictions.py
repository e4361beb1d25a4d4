"""A run's answers as a table, which a notebook shows with the pictures beside."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from affectml._html import bar, picture, table, thumbnail
from affectml._progress import Progress
from affectml.errors import BadInput
from affectml.pictures import Bad, ImageLike, pictures
from affectml.predicting.predictor import Prediction, predict_images
from affectml.runs import RunFolder

SHOWN = 10  # rows with pictures
LABELS = 4  # the first labels of each
COLUMNS = ("image", "set")  # beside the scores


class Predictions(pd.DataFrame):
    """A DataFrame: `image`, a score per label, and `set` where the head predicts sets.

    bad: name and reason of each image that could not be read, and has no row.
    """

    _metadata = ["_columns", "bad"]  # noqa: RUF012 (pandas' own way)
    _columns: dict[str, str]
    bad: Bad

    @property
    def _constructor(self) -> type["Predictions"]:
        return Predictions

    @classmethod
    def of(cls, found: Sequence[Prediction], labels: Sequence[str], bad: Bad) -> "Predictions":
        """The table of these predictions."""
        columns = score_columns(labels)
        rows: list[dict[str, Any]] = []
        for one in found:
            scores, chosen = dict(one.best), {} if one.labels is None else {"set": one.labels}
            rows.append({"image": one.image, **{columns[label]: scores[label] for label in labels}, **chosen})
        made = cls(rows)
        made._columns, made.bad = columns, bad
        return made

    def _repr_html_(self) -> str:
        """The first rows with their picture and the labels that come first; as any table where columns are gone."""
        columns: dict[str, str] = getattr(self, "_columns", None) or {}
        labels = {label: column for label, column in columns.items() if column in self.columns}
        if "image" not in self.columns or not labels:
            return pd.DataFrame(self).to_html(max_rows=SHOWN)
        rows = []
        for _, row in self.head(SHOWN).iterrows():
            name = str(row["image"])
            uri = thumbnail(Path(name), 96) if Path(name).is_file() else None
            scores = {label: float(row[column]) for label, column in labels.items()}
            best = sorted(scores.items(), key=lambda pair: -pair[1])[:LABELS]
            shares = "<br>".join(f"{bar(score)} {escape(label)}" for label, score in best)
            chosen = [escape(", ".join(row["set"]) or "none")] if "set" in self.columns else []
            rows.append([picture(uri, name), escape(name), shares, *chosen])
        shown = ["", "image", "scores", *(["set"] if "set" in self.columns else [])]
        more = f"<p><small>{len(self) - SHOWN} more</small></p>" if len(self) > SHOWN else ""
        return table(shown, rows) + more


def table_of(
    run: RunFolder,
    images: ImageLike | Iterable[ImageLike],
    errors: str,
    *,
    labels: Sequence[str] | None = None,
    **options: Any,
) -> Predictions:
    """What a run says of images, see `Run.predict`; options: of `predict_images`."""
    if errors not in ("raise", "skip"):
        raise BadInput(f'errors: expected "raise" or "skip", got {errors!r}')
    bad: Bad | None = [] if errors == "skip" else None
    every = pictures(images, bad=bad)
    bar = Progress("predicting", len(every), "images")
    found = predict_images(run, every, labels=labels, bad=bad, bar=bar, **options)
    names = run.taxonomy.labels if labels is None else [label for label, _ in found[0].best]
    return Predictions.of(found, names, bad or [])


def score_columns(labels: Sequence[str]) -> dict[str, str]:
    """The column of each label's score: the label, and `score of LABEL` where another column has that name.

    >>> score_columns(["joy", "set"])
    {'joy': 'joy', 'set': 'score of set'}
    """
    found: dict[str, str] = {}
    for label in labels:
        column = label
        while column in COLUMNS or (column != label and column in labels):
            column = f"score of {column}"
        found[label] = column
    return found
