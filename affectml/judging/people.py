"""The human reference: people scored like models, beside the model and the prior on the very same targets.

It is not a ceiling. One person predicts the rest of the panel, so a model that has learned what people tend to
say can beat one person; it is the figure that a model's score has to be read next to.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.judging.scoring import Answers, figures_of
from affectml.judging.truth import Truth, cut_sets
from affectml_metrics import functional as F
from affectml_metrics import human_reference

Array = NDArray[Any]


def against_rest(
    truth: Truth, others: Mapping[str, Answers], generator: torch.Generator
) -> dict[tuple[str, str], dict[str, Tensor]]:
    """People, and systems on the same targets, image by image: (system, against) -> metric -> [N]; {} without panels.

    person against rest: one person against the rest, on sets and rankings only, for one answer is no probability. The
    labels of one answer share a place in its ranking, and so do the labels it leaves out: ties count as the average
    over their orders. NAME against rest: each of `others` on the same leave-one-out targets. half against half: half of
    an image's people against the other half. consensus against person: what the rest of a panel, as one answer, says of
    the person left out: its set, by the data set's own rule, against that person's set (set_f1_judgements), and its
    smoothed shares against that person's answer, which is 0 or 1 for each label; NAME against person beside it.
    """
    if (panels := truth.panels) is None:
        return {}
    rows: dict[tuple[str, str], dict[str, Tensor]] = {}

    def keep(metric: str, found: Mapping[str, Tensor], human: tuple[str, str] = ("person", "rest")) -> None:
        for name, values in found.items():
            place = (name.removesuffix("_loo"), human[1]) if name.endswith("_loo") else human
            rows.setdefault(place, {})[metric] = values

    scores = {name: answers.scores for name, answers in others.items()}
    for figure in figures_of(truth, "ranking", "people"):
        modes = figure.spec.right == "modes"
        if modes or truth.kind != "distribution":
            against = _modes if modes else _sets(truth)
            keep(figure.name, human_reference(*panels, figure.of, scores, against=against).rows)
    if truth.sets is None:
        return rows
    sets = {name: a.sets for name, a in others.items() if a.sets is not None}
    for figure in figures_of(truth, "sets", "people"):
        keep(figure.name, human_reference(*panels, figure.of, sets, against=_sets(truth)).rows)
    keep("set_f1_judgements", human_reference(*panels, F.set_f1, sets, against="people").rows)
    turned = human_reference(*panels, lambda p, t: F.set_f1(t, p), against=_sets(truth))
    keep("set_f1_judgements", turned.rows, ("consensus", "person"))
    base = None if truth.beta is None else torch.from_numpy(truth.beta.mean)
    half: dict[str, Any] = {"predictor": "half", "generator": generator, "base": base}
    keep("set_f1", human_reference(*panels, F.set_f1, against=_sets(truth), **half).rows, ("half", "half"))
    shares = {name: answers.shares for name, answers in others.items() if answers.shares is not None}
    for figure in figures_of(truth, "rates", "people"):
        keep(figure.name, human_reference(*panels, figure.of, against="rates", **half).rows, ("half", "half"))
        found = human_reference(*panels, figure.of, shares, against="rates", predictor="rest", base=base).rows
        keep(figure.name, found, ("consensus", "person"))
    return rows


def against_the_rest(truth: Truth) -> tuple[Array, Array, Array, Array] | None:
    """Each person's answer beside what the rest of their panel says: image [M], rest [M, C], said [M, C], weight [M].

    image: the row of `truth`. rest: the set of the others by the data set's own rule, or where people name one label
    each the labels that most of them chose. weight: one image's answers together count one. None where no image has
    two people, or their single answers are not known.
    """
    if truth.panels is None or truth.chosen is None or truth.asked is None:
        return None
    asked = truth.asked.astype(bool) & (truth.asked.sum(axis=1) >= 2)[:, None]
    image, person = np.nonzero(asked)
    said = truth.chosen[image, person].astype(np.int64)
    votes = (truth.chosen * asked[:, :, None]).sum(axis=1)[image].astype(np.int64) - said
    people = asked.sum(axis=1)[image].astype(np.int64) - 1
    rule = _sets(truth) if truth.sets is not None else _modes
    rest = rule(torch.from_numpy(votes), torch.from_numpy(people)).numpy()
    return image, rest, said, 1 / asked.sum(axis=1)[image]


def _sets(truth: Truth) -> Any:
    """The data set's own rule for label sets, for panels of other sizes: the same prior, the same cut."""

    def rule(votes: Tensor, n: Tensor) -> Tensor:
        counts, people = votes.numpy().astype(np.int64), n.numpy().astype(np.int64)
        shares = counts / people[:, None]
        return torch.from_numpy(cut_sets("rates", shares, counts, people, truth.beta, truth.tau).astype(np.int64))

    return rule


def _modes(votes: Tensor, n: Tensor) -> Tensor:
    """The labels most chosen by the rest of the panel; none where they chose nothing."""
    return ((votes == votes.amax(dim=1, keepdim=True)) & (votes > 0)).long()
