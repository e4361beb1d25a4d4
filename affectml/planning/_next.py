"""Which images should get the next answers: those that one more would change most."""

from typing import get_args

import numpy as np
import pandas as pd

from affectml._options import check_choice
from affectml.data import Dataset
from affectml.errors import BadInput, option
from affectml.planning._pilot import read_pilot
from affectml_annotation import expected_change, fit_beta_prior
from affectml_annotation.smoothing import Until


def next_images(
    dataset: Dataset, count: int, *, until: Until = "F1", target: str | None = None, tau: float = 1 / 3
) -> pd.DataFrame:
    """The images that the next answers should go to, one each: `image_id`, `people` so far, `change` expected of one.

    By `affectml_annotation.expected_change`, from counts alone: the largest change first, equal ones in the data set's
    order, images that nobody has answered among them.

    Raises:
        BadDataset: where there are no answers to go by.
        BadInput: for more images than there are.
    """
    check_choice(option("until"), until, get_args(Until))
    pilot = read_pilot(dataset, target)
    names = dataset.images["image_id"].to_numpy(dtype=object)
    if not 1 <= count <= len(names):
        raise BadInput(f"{option('next', count)}: expected 1 to {len(names):,}, the images of {dataset.root}")
    assert pilot.image_ids is not None
    seen = pd.Index(names).get_indexer(pd.Index(pilot.image_ids))[pilot.image]
    kept = seen >= 0
    where, chosen = seen[kept], np.nan_to_num(pilot.chosen[kept])
    votes = np.stack([np.bincount(where, column, len(names)) for column in chosen.T], axis=1)
    n = np.bincount(where, minlength=len(names))
    change = expected_change(votes, n, fit_beta_prior(votes, n), until, tau=tau)
    first = np.argsort(-change, kind="stable")[:count]
    return pd.DataFrame({"image_id": names[first], "people": n[first], "change": change[first]})
