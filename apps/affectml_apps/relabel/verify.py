"""A second kind of task: "is this label reasonable for this image?"

Each pair of an image and a label is an item of its own, with the answers reasonable and not reasonable, so that
overlap, agreement and export work as for any other task.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from affectml.data import Targets
from affectml_annotation import Task
from affectml_annotation.languages import marked

TASK_NAME = "label-check"
QUESTION = marked("Is this label reasonable for this image? It need not be the one you would choose.")
# Translators: answers to "Is this label reasonable for this image?"
REASONABLE = (marked("reasonable"), marked("not reasonable"))
MARK = " :: "
MAJORITY_CUT = 1 / 3


def task(construct: str) -> Task:
    """The file of such a task."""
    return Task(labels=REASONABLE, question=QUESTION, name=TASK_NAME).but(
        construct=construct, strategy="stratified", page={"chips": "taxonomy"}
    )


def pairs(images: pd.DataFrame, given: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """One row per image and label: image_id (`IMAGE :: LABEL`), file, stratum (the label)."""
    rows = [
        (f"{name}{MARK}{label}", file, label)
        for name, file in zip(images["image_id"], images["file"], strict=True)
        for label in given.get(str(name), ())
    ]
    return pd.DataFrame(rows, columns=["image_id", "file", "stratum"])


def label_of(item: str) -> str:
    """The label that an item of such a task asks about."""
    return item.rpartition(MARK)[2]


def labels_of(targets: Targets) -> dict[str, tuple[str, ...]]:
    """The labels a target gives each image: those with a share of at least a third, for single labels the one."""
    inside = targets.shares() >= MAJORITY_CUT - 1e-9
    names = np.array(targets.taxonomy.labels, dtype=object)
    return {str(image): tuple(names[row]) for image, row in zip(targets.image_id, inside, strict=True)}
