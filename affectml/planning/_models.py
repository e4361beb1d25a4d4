"""A model's score of each answer: that of a run, or of a stand-in made of the pilot itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.data import Dataset
from affectml.data.choose import SEVERAL
from affectml.errors import BadInput
from affectml.planning._pilot import Pilot
from affectml_annotation import fit_beta_prior, label_sets, smoothed_rates
from affectml_metrics import functional as F

Array = NDArray[Any]
TAU = 1 / 3


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model says of the image of each answer: rates and sets [A, C]; nan rates where it says nothing.

    unit: [A], numbers of what one prediction was made for: images, or an image before one half of the people.
    """

    name: str
    rates: Array
    sets: Array
    unit: Array

    def scores(self, pilot: Pilot) -> dict[str, Array]:
        """Each answer's set F1 and cross-entropy, [A]; nan where the model says nothing."""
        known = np.isfinite(self.rates.sum(axis=1))
        rates, answer = torch.from_numpy(np.nan_to_num(self.rates, nan=0.5)), torch.from_numpy(pilot.chosen)
        found = {
            "set_f1": F.set_f1(torch.from_numpy(self.sets.astype(np.int64)), answer.long()),
            "rate_cross_entropy": F.rate_cross_entropy(rates, answer),
        }
        return {name: np.where(known, values.numpy(), np.nan) for name, values in found.items()}


def of_run(run: Path, dataset: Dataset, target: str | None, pilot: Pilot, say: Say) -> Predicted:
    """A run's rates and sets of the pilot's images by which it may be judged. Raises BadRun, BadDataset or BadInput."""
    from affectml.evaluation.run import answers_on
    from affectml.runs import RunFolder

    opened = RunFolder.open(run)
    name = target or next((n for n, entry in dataset.meta.targets.items() if entry.kind in SEVERAL), "")
    ids, answers, _ = answers_on(opened, dataset, name, say=say)
    if answers.shares is None or answers.sets is None or opened.taxonomy.labels != pilot.labels:
        raise BadInput(f"{run}: expected a run that predicts rates and sets of the pilot's labels; leave it out")
    assert pilot.image_ids is not None
    at = pd.Index(ids).get_indexer(pd.Index(pilot.image_ids))[pilot.image]
    rates = np.where((at < 0)[:, None], np.nan, answers.shares.double().numpy()[at])
    return Predicted(opened.folder.resolve().name, rates, answers.sets.numpy()[at] > 0, pilot.image)


def stand_ins(pilot: Pilot, *, tau: float = TAU, seed: int = 0) -> tuple[Predicted, Predicted]:
    """A good model and a poor one, where no model is at hand, both made of the pilot; no answer is judged by itself.

    The people are dealt into two halves. The good one gives each half what the other half said of the image: smoothed
    rates, and the labels that `label_sets` takes at `tau`. The poor one gives every image the other half's mean rates,
    and the labels of at least `tau`, or the most frequent one.
    """
    people, who = np.unique(pilot.person, return_inverse=True)
    half = np.random.default_rng(seed).permutation(len(people))[who] % 2
    if pilot.anonymous:  # then each image's answers are halved
        half = np.arange(len(who)) % 2
    images, labels = int(pilot.image.max()) + 1, len(pilot.labels)
    rates, sets = np.empty((2, len(who), labels)), np.empty((2, len(who), labels), dtype=bool)
    for side in (0, 1):
        theirs, mine = half != side, half == side
        where = pilot.image[theirs]
        votes = np.stack([np.bincount(where, column, images) for column in pilot.chosen[theirs].T], axis=1)
        n = np.bincount(where, minlength=images)
        prior = fit_beta_prior(votes, n)
        usual = prior.mean >= min(tau, prior.mean.max())
        at = pilot.image[mine]
        rates[0, mine], rates[1, mine] = smoothed_rates(votes, n, prior)[at], prior.mean
        sets[0, mine] = np.where((n > 0)[:, None], label_sets(votes, n, prior, tau), usual)[at]
        sets[1, mine] = usual
    unit = pilot.image * 2 + half
    return Predicted("half of the people", rates[0], sets[0], unit), Predicted("prior", rates[1], sets[1], unit)
