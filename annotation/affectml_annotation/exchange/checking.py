"""Every problem of a table of judgements, row by row: an import takes all of a file or nothing."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from affectml_annotation.columns import COLUMNS
from affectml_annotation.judgements import UNSTORABLE, answer_problems, storable

FUTURE = pd.Timedelta(minutes=5)


def import_problems(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    *,
    images: Collection[str] | None = None,
    annotators: Collection[str] | None = None,
    now: pd.Timestamp | None = None,
) -> list[str]:
    """Everything that is wrong with a table of judgements, for an import that takes all of it or nothing.

    Args:
        judgements: a table as `read_judgements` gives it.
        labels: all labels in use.
        images: the images that the task has, where that is to be checked.
        annotators: the people who were invited, where that is to be checked.
        now: from when on a time lies in the future; without it, the present.

    Returns:
        One line for each problem, in the order of the rows, which count from 0. Empty where there is none.
    """
    known = dict.fromkeys(labels)
    found: list[tuple[int, str]] = []
    kinds, lists = judgements["kind"].tolist(), judgements["labels"].tolist()
    for row, (kind, chosen) in enumerate(zip(kinds, lists, strict=True)):
        found += [(row, what) for what in answer_problems(kind, chosen, known)]
    for name, task in (("image_id", images), ("annotator_id", annotators)):
        empty = (judgements[name].isna() | (judgements[name].astype(str).str.strip() == "")).to_numpy()
        found += [(int(row), f"{name} is empty") for row in np.flatnonzero(empty)]
        if task is not None:
            strange = ~judgements[name].isin(list(task)).to_numpy() & ~empty
            what = "is no image of this task" if name == "image_id" else "was not invited"
            found += [(int(row), f"{judgements[name].iloc[row]!r} {what}") for row in np.flatnonzero(strange)]
    for column in COLUMNS:
        texts = judgements[column.name].tolist() if column.type == "text" and column.name in judgements else []
        bad = [row for row, text in enumerate(texts) if isinstance(text, str) and not storable(text)]
        found += [(row, f"{column.name} {UNSTORABLE}") for row in bad]
    numbers = judgements["round"].to_numpy(dtype=float)
    odd = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)))
    found += [(int(row), f"round {numbers[row]} is no whole number") for row in np.flatnonzero(odd)]
    key = ["image_id", "annotator_id", "round"]
    again = judgements.duplicated(key).to_numpy()
    found += [(int(row), "the same person, image and round as a row before") for row in np.flatnonzero(again)]
    if "event_id" in judgements:
        twice = (judgements["event_id"].duplicated() & judgements["event_id"].notna()).to_numpy()
        found += [(int(row), f"event_id {judgements['event_id'].iloc[row]!r} again") for row in np.flatnonzero(twice)]
    latest = (now if now is not None else pd.Timestamp.now(tz="UTC")) + FUTURE
    for name in (column.name for column in COLUMNS if column.type == "time" and column.name in judgements):
        future = (judgements[name] > latest).to_numpy()
        found += [
            (int(row), f"{name} {judgements[name].iloc[row]} lies in the future") for row in np.flatnonzero(future)
        ]
    for name in (column.name for column in COLUMNS if column.type == "numbers" and column.name in judgements):
        for row, (chosen, numbers) in enumerate(zip(lists, judgements[name], strict=True)):
            if numbers is not None and not np.isscalar(numbers) and len(numbers) != len(chosen):
                found.append((row, f"{len(chosen)} labels but {len(numbers)} {name}"))
    return [f"row {row}: {what}" for row, what in sorted(found, key=lambda one: one[0])]
