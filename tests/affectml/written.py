"""Small data sets as a test writes them: one target with its table, or pictures alone."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from affectml.data import DatasetMeta, TargetMeta, write_dataset

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "0.3.0"  # data sets and runs of this version, only to be read


def one_target(folder, table, *said, **target):
    """A data set of one target, `t`, of these columns; said: its judgements, then its people.

    target: what is other than of votes for rates of polarity-2.
    """
    table, own = pd.DataFrame(table), {"kind": "rates", "values": "votes", "taxonomy": "polarity-2"}
    meta = TargetMeta(**{"construct": "evoked", "file": "targets-t.parquet", **own, **target})
    return write_dataset(folder, DatasetMeta("some", {"t": meta}), table[["image_id"]], {"t": table}, *said)


def words(target):
    """The labels of each image."""
    labels = np.array(target.taxonomy.labels)
    return {image: set(labels[row > 0]) for image, row in zip(target.image_id, target.table, strict=True)}


def pictures_alone(folder, files, **columns):
    """A data set without a target: pictures or pixels by file name, None for a file that is not there."""
    (folder / "images").mkdir(parents=True)
    for name, picture in files.items():
        if picture is not None:
            shown = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
            shown.save(folder / "images" / name)
    images = pd.DataFrame({"image_id": list(files), "file": [f"images/{name}" for name in files], **columns})
    return write_dataset(folder, DatasetMeta("some"), images, {})
