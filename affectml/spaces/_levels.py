"""A run of fine labels judged at the coarser levels of its taxonomy, with intervals, for its report."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch

from affectml.data import Dataset, Targets
from affectml.errors import NoMapping
from affectml.judging.hierarchy import errors_inside_parent, levels
from affectml.judging.scoring import Answers
from affectml.spaces._sides import Ids, people_in, system_in
from affectml.spaces._space import space_of


def by_level(
    dataset: Dataset,
    targets: Targets,
    test_ids: Ids,
    train_ids: Ids,
    answers: Mapping[str, Answers],
    *,
    rates: Collection[str],
    tau: float,
) -> dict[str, dict[str, Any]]:
    """{taxonomy: {labels, images, mass, lines, systems: {SYSTEM: {METRIC: score}}, errors_inside}}, finest first.

    answers: of the test images, in the fine labels. rates: the systems whose scores are rates and not a distribution.
    People's coarse answers are counted anew from their judgements where there are any. errors_inside: of the model's
    wrong first labels, the share whose parent at this level is right, and what wrong guesses at random would have. A
    level whose mapping shares a label among several is left out; {} for a taxonomy without parents.
    """
    out: dict[str, dict[str, Any]] = {}
    for to in levels(targets.taxonomy):
        try:
            space = space_of(to)
            people = people_in(dataset, targets, test_ids, train_ids, to, space, tau)
        except NoMapping:
            continue
        rows = {image: row for row, image in enumerate(test_ids)}
        index = np.array([rows[image] for image in people.truth.image_id])
        systems = {}
        for name, given in answers.items():
            mapped = system_in(given.rows(index), to, space, rates=name in rates, kind=people.truth.kind)
            systems[name] = people.score(mapped)
        fine = targets.take(people.truth.image_id).shares()
        inside = errors_inside_parent(answers["model"].scores[torch.from_numpy(index)], fine, to)
        chance = {"share": inside.share, "chance": inside.chance, "errors": inside.errors}
        out[to.target.name] = {
            "labels": list(space.taxonomy.labels),
            "images": len(index),
            "mass": people.mass,
            "lines": [*to.lines(), *people.notes],
            "systems": systems,
            "errors_inside": chance if inside.errors else None,
        }
    return out
