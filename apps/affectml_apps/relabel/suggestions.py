"""What a model would say of each image, read from a run's own answers: no torch, no encoder."""

from collections.abc import Sequence
from pathlib import Path

from affectml.data import Dataset
from affectml.errors import BadRun
from affectml.predicting.features import check_images
from affectml.runs import RunFolder


def read_suggestions(run: Path, labels: Sequence[str], dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """image -> the set the model predicts, or its best label where it predicts no sets or an empty one.

    Only images of the data set. Raises BadRun where the run has other labels, or answers of other images.
    """
    opened = RunFolder.open(run)
    own = opened.taxonomy.labels
    if set(own) != set(labels):
        raise BadRun(f"{run}: predicts {', '.join(own)}, but the task's labels are {', '.join(labels)}")
    said = opened.model_answers
    check_images(opened, dataset, said.image_id)
    known, best = set(dataset.images["image_id"]), said.scores.argmax(axis=1)
    return {name: said.set_of(row) or (own[best[row]],) for row, name in enumerate(said.image_id) if name in known}
