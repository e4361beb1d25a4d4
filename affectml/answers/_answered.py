"""From a file to answers that can be judged: scores, shares and sets of each image, and how often labels are said."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectml.answers._config import JudgeConfig
from affectml.answers._names import Names
from affectml.answers._rows import Reading, Rows, read_rows
from affectml.answers._said import Said, gather
from affectml.answers._spread import Only
from affectml.answers._words import Words
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.errors import BadInput
from affectml.heads import apply_thresholds, choose_thresholds
from affectml.judging.bias import LabelBias, firsts, label_bias
from affectml.judging.scoring import Answers, unsure
from affectml.judging.truth import Truth

FEWEST_VAL = 20  # validation images with an answer, from which thresholds are chosen


@dataclass(frozen=True, eq=False)
class AnswerFile:
    """A file of answers, read; one_label: whether people were asked for one label."""

    path: Path
    rows: Rows
    words: Words
    one_label: bool
    config: JudgeConfig

    def said(self, only: Only | None = None) -> Said:
        """The answers in the target's labels; only: of the rows that it chooses. Raises BadInput where none is left."""
        config = self.config
        try:
            return gather(self.rows, self.words, one_label=self.one_label, shape=config.shape, k=config.k, only=only)
        except BadInput as error:
            raise _placed(error, self.path) from None

    def part(self, only: Only) -> Said | None:
        """The same, None where none of these rows can be used."""
        try:
            return self.said(only)
        except BadInput:
            return None


def _placed(error: BadInput, path: Path) -> BadInput:
    return error if str(path) in str(error) else BadInput(f"{path}: {error}")


def read_file(path: Path, dataset: Dataset, targets: Targets, config: JudgeConfig) -> AnswerFile:
    """Read a file of answers to a target; raises BadInput for one that cannot be read."""
    words = Words(targets.taxonomy, config.mapping)
    reading = Reading(words, Names(dataset.images), config.image_column, config.label_column, config.empty)
    try:
        return AnswerFile(path, read_rows(path, reading), words, targets.kind in ("single", "distribution"), config)
    except BadInput as error:
        raise _placed(error, path) from None


def judged_as(
    said: Said, rows: np.ndarray[Any, Any], truth: Truth, val: Truth | None, tau: float
) -> tuple[Answers, str]:
    """What the system answers on the judged images, zeros where it says nothing, and by which rules, in words."""
    fits = said.shape == ("rates" if truth.kind in SEVERAL else "distribution")
    asked = rows >= 0

    def placed(values: np.ndarray[Any, Any]) -> Tensor:
        out = np.zeros((len(rows), values.shape[1]), dtype=values.dtype)
        out[asked] = values[rows[asked]]
        return torch.from_numpy(out)

    scores = placed(said.scores)
    shares = unsure(placed(said.shares), rates=truth.kind in SEVERAL) if fits and said.shares is not None else None
    said_how = _how(said, fits, truth)
    if truth.sets is None or (said.shape == "ranked" and said.sets is None):
        return Answers(scores, shares), said_how
    if said.sets is not None:
        return Answers(scores, shares, placed(said.sets)), f"{said_how}; sets as it gives them"
    at = np.zeros(0, dtype=int) if val is None else pd.Index(said.image_id).get_indexer(pd.Index(val.image_id))
    have = np.flatnonzero(at >= 0)
    if val is not None and val.sets is not None and len(have) >= FEWEST_VAL:
        cuts = choose_thresholds(said.scores[at[have]], val.sets[have].astype(np.int64))
        how = f"thresholds chosen on its answers to {len(have)} validation images"
        sets = apply_thresholds(scores, cuts) * torch.from_numpy(asked)[:, None]
        return Answers(scores, shares, sets), f"{said_how}; {how}"
    if not fits:
        return Answers(scores, shares), f"{said_how}; no sets: too few validation images ({len(have)}) have an answer"
    how = (
        f"its sets are the labels with a rate of at least tau ({tau:.3g}): {len(have)} validation images have an answer"
    )
    return Answers(scores, shares, (scores >= tau - 1e-9).long()), f"{said_how}; {how}"


def _how(said: Said, fits: bool, truth: Truth) -> str:
    """What the answers are, in words."""
    received = said.received
    if received.shape == "sets" and said.shape != "sets":
        rule = "(k + 1/2) / (n + 1)" if said.shape == "rates" else f"(k + 1/2) / (n + {len(truth.labels)}/2)"
        return f"k of n answers to an image name a label: {said.shape} {rule}, Jeffreys' rule"
    if said.shape in ("sets", "ranked"):
        return f"a {'set' if said.shape == 'sets' else 'ranking'} has no rates, so no cross-entropy"
    several = ", the mean of several answers to an image" if received.samples > 1 else ""
    ranked = "" if fits else f"; people's answers are {truth.kind}, so it is judged by its ranking"
    return f"{said.shape}{several}{ranked}"


def has_ties(scores: Tensor) -> bool:
    """Whether some image has no single first label."""
    return bool(((scores == scores.amax(dim=1, keepdim=True)).sum(dim=1) > 1).any())


def bias_of(said: Said, rows: np.ndarray[Any, Any], truth: Truth) -> tuple[list[LabelBias], bool]:
    """How often each label is named, by the system and by people; or named first, where that alone can be compared."""
    several = truth.kind in SEVERAL
    first = said.shape == "ranked" or said.shape == ("distribution" if several else "rates")
    often, people = said.often[rows], truth.shares
    if first:
        often, people = firsts(often if said.shape == "ranked" else said.scores[rows]), firsts(truth.shares)
    return label_bias(often, people, truth.labels, truth.groups), first
