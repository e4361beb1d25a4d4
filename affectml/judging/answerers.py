"""Whose side the model takes: its agreement with each person who answered, beside how other people agree with them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affectml.data import Dataset
from affectml.errors import BadDataset
from affectml.judging.contrasts import LEAST, Contrasts, contrasts
from affectml.judging.scoring import Answers, as_scores
from affectml.judging.truth import Truth
from affectml_annotation import BadJudgement, UnknownLabel, encode
from affectml_metrics import functional as F
from affectml_metrics import mean_interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Answerers:
    """M answers of A people: image, person [M], chosen [M, C]; attributes: a row per person, in their order."""

    image: Ints
    person: Ints
    chosen: NDArray[np.bool_]
    attributes: pd.DataFrame


def answerers(dataset: Dataset, truth: Truth) -> Answerers | None:
    """Who answered the images of `truth`; None where annotators shared nothing, or single answers are not known."""
    shared = dataset.annotators
    said = dataset.judgements
    if shared is None or said is None or truth.kind not in ("rates", "sets", "distribution"):
        return None
    here = said[said["image_id"].isin(truth.image_id)]
    try:
        panel = encode(here, truth.labels, list(truth.image_id))
    except UnknownLabel:
        return None  # the judgements are in other labels than this target
    except BadJudgement as error:
        raise BadDataset(f"{dataset.root / 'annotations.parquet'}: {error}") from None
    panel = panel.answers()
    attributes = shared.drop_duplicates("annotator_id").set_index("annotator_id").reindex(panel.annotator_ids)
    return Answerers(panel.image, panel.annotator, panel.chosen, attributes)


@dataclass(frozen=True, eq=False)
class Agreement:
    """Of M answers: image, person, the model's set F1 with each, and that of the other people of its image."""

    image: Ints
    person: Ints
    people: int
    model: Floats
    others: Floats
    groups: NDArray[Any] | None

    def contrasts(self, codes: Ints, generator: np.random.Generator, tests: int) -> Contrasts:
        """Each level of people against the rest, people being the units; codes: the level of each person, -1 unknown.

        What is compared is the model's excess over other people, less the mean of the same image, so that a person who
        was asked about easy images is not taken for one whom the model sides with.
        """
        known = codes[self.person] >= 0
        image, person = self.image[known], self.person[known]
        excess = (self.model - self.others)[known]
        count = np.bincount(image, minlength=image.max(initial=0) + 1)
        mean = np.bincount(image, excess, minlength=len(count)) / np.maximum(count, 1)
        several = count[image] > 1
        centred = (excess - mean[image])[several]
        sums = np.bincount(person[several], centred, minlength=self.people)[:, None].astype(np.float64)
        sizes = np.bincount(person[several], minlength=self.people)[:, None].astype(np.float64)
        level = np.where(sizes[:, 0] > 0, codes, -1)
        return contrasts(sums, level, None, generator, tests=tests, sizes=sizes)

    def by_level(self, names: list[str], codes: Ints) -> dict[str, dict[str, Any]]:
        """Of each level: people, answers, and with intervals over images the model's and other people's agreement."""
        out: dict[str, dict[str, Any]] = {}
        for k, name in enumerate(names):
            mine = np.flatnonzero(codes[self.person] == k)
            people = len(np.unique(self.person[mine]))
            entry: dict[str, Any] = {"people": people, "answers": len(mine)}
            out[name] = entry
            if people < LEAST:
                entry["small"] = True
            if not len(mine):
                continue
            images, at = np.unique(self.image[mine], return_inverse=True)
            count = np.bincount(at)
            rows = [np.bincount(at, values[mine]) / count for values in (self.model, self.others)]
            table = torch.from_numpy(np.stack([*rows, rows[0] - rows[1]], axis=1))
            groups = None if self.groups is None else self.groups[images]
            found = mean_interval(table, groups=groups, bounds=[(0, 1), (0, 1), (-1, 1)])
            entry |= dict(zip(("model", "others", "excess"), as_scores(found), strict=True))
        return out


def agreement(people: Answerers, answers: Answers, truth: Truth) -> Agreement:
    """The model's set, or its first label where it predicts none, against each answer; only images with two or more."""
    sets = answers.sets
    if sets is None:
        best = answers.scores.argsort(dim=1, descending=True, stable=True)[:, :1]
        sets = torch.zeros_like(answers.scores, dtype=torch.long).scatter_(1, best, 1)
    count = np.bincount(people.image, minlength=len(truth.image_id))
    kept = np.flatnonzero(count[people.image] > 1)
    image, chosen = people.image[kept], torch.from_numpy(people.chosen[kept].astype(np.int64))
    model = F.set_f1(sets[torch.from_numpy(image)], chosen).numpy()
    return Agreement(
        image, people.person[kept], len(people.attributes), model, _others(image, people.chosen[kept]), truth.groups
    )


def _others(image: Ints, chosen: NDArray[np.bool_]) -> Floats:
    """Set F1 of each answer with the others of its image, the mean over them, [M]; every image has two or more."""
    out = np.empty(len(image))
    order = np.argsort(image, kind="stable")
    sizes = np.bincount(image)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 0]):  # images with as many answers together
        at = order[starts[sizes == size][:, None] + np.arange(size)]
        seats = chosen[at].astype(np.float64)  # [n, size, C]
        both = np.einsum("nsc,ntc->nst", seats, seats)
        total = seats.sum(axis=2)[:, :, None] + seats.sum(axis=2)[:, None, :]
        f1 = np.divide(2 * both, total, out=np.ones_like(both), where=total > 0)
        f1[:, np.arange(size), np.arange(size)] = 0
        out[at] = f1.sum(axis=2) / (size - 1)
    return out
