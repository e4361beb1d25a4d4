"""What a model would say of each image, read from a run's own predictions: no torch, no encoder."""

from collections.abc import Sequence
from pathlib import Path

from affectml.data import Dataset
from affectml.errors import BadRun
from affectml.predicting.features import check_images
from affectml.runs import RunFolder


def read_suggestions(run: Path, labels: Sequence[str], dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """image -> the set the model predicts, or its best label where it predicts no sets or an empty one.

    Only images of the data set. Raises BadRun where the run has other labels, or predictions of other images.
    """
    opened = RunFolder.open(run)
    own = opened.taxonomy.labels
    if set(own) != set(labels):
        raise BadRun(f"{run}: predicts {', '.join(own)}, but the task's labels are {', '.join(labels)}")
    table = opened.predictions
    check_images(opened, dataset, table["image_id"])
    table = table[table["image_id"].isin(dataset.images["image_id"].tolist())]
    best = table[list(own)].to_numpy().argmax(axis=1)
    sets = table["set"].tolist() if "set" in table.columns else [()] * len(table)
    return {
        str(name): tuple(chosen) if len(chosen) else (own[top],)
        for name, chosen, top in zip(table["image_id"], sets, best, strict=True)
    }
