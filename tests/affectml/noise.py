"""Images of noise, no two alike and quickly drawn, and a data set of them."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from affectml.data import Dataset, DatasetMeta, write_dataset


def noise(number: int) -> Image.Image:
    """The image of this number, 50 by 40 pixels."""
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 50, 3), dtype=np.uint8))


def noise_set(folder: Path, count: int = 6) -> Dataset:
    """A data set of i0, i1 ..., whose files are images/0.png, images/1.png ..."""
    (folder / "images").mkdir(parents=True)
    files = [f"images/{i}.png" for i in range(count)]
    for i, file in enumerate(files):
        noise(i).save(folder / file)
    table = pd.DataFrame({"image_id": [f"i{i}" for i in range(count)], "file": files})
    return write_dataset(folder, DatasetMeta(name="noise"), table, {})
