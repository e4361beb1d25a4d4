"""People told apart in a training: checked before any work, then learned over the head from single judgements."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from affectml.data import Dataset, Targets
from affectml.errors import BadInput, option
from affectml.heads import Head, ImageEffects, PersonAnswers
from affectml.heads.build import heads_that
from affectml.heads.by_person import as_by_person, cuts_rates
from affectml.people.known import write_image_effects, write_people
from affectml.runs import RunFolder, TrainConfig
from affectml_annotation import UnknownLabel, encode

if TYPE_CHECKING:
    from affectml.training.prepare import Prepared

PARTS = ("train", "val", "test")
LEAST = 6  # people: two for each fold of the judging


@dataclass(frozen=True, eq=False)
class Judges:
    """Who answered what: names [J], and the answers about each part of the images, by rows of that part."""

    names: tuple[str, ...]
    parts: dict[str, PersonAnswers]


def check_by_person(config: TrainConfig, head: type[Head], targets: Targets, dataset: Dataset) -> None:
    """Raises BadInput where people cannot be told apart with this head, target or data set, with the way out."""
    if not config.by_person:
        return
    given = option("by_person", True)
    if targets.kind != "rates":
        raise BadInput(
            f"{given} learns who chose which labels, and target {targets.name} is of kind {targets.kind}: take a "
            "target of rates, or leave it out"
        )
    if not cuts_rates(head):
        way = option("head")
        raise BadInput(f"{given}: {head.described()} has no rates to begin with; take {way} {heads_that(cuts_rates)}")
    for other, value in (("judgements", config.judgements), ("ensemble", config.ensemble)):
        if value:
            raise BadInput(f"{given} has rates of its own: leave {option(other, value)} out")
    if dataset.judgements is None:
        raise BadInput(f"{given}: {dataset.root} has no annotations.parquet, which says who chose what: leave it out")
    people = dataset.judgements["annotator_id"].nunique()
    if people < LEAST:
        raise BadInput(
            f"{given}: {dataset.root} has answers of {people} people; it takes at least {LEAST} to compare them"
        )


def read_judges(prepared: "Prepared") -> Judges:
    """Every answer about the images of the split; raises BadInput for judgements in other labels than the target's."""
    dataset, split = prepared.plan.dataset, prepared.split
    assert dataset.judgements is not None  # see check_by_person
    labels = prepared.targets.taxonomy.labels
    ids = {part: [str(image) for image in split.ids(part)] for part in PARTS}
    every = [image for part in PARTS for image in ids[part]]
    here = dataset.judgements[dataset.judgements["image_id"].isin(every)]
    try:
        panel = encode(here, labels, every).answers()
    except UnknownLabel as error:
        raise BadInput(
            f"{option('by_person', True)}: the judgements are in other labels than target {prepared.targets.name} "
            f"({error}); take a target in the judgements' own labels"
        ) from None
    image, person, chosen = (torch.from_numpy(np.asarray(a)) for a in (panel.image, panel.annotator, panel.chosen))
    parts, start = {}, 0
    for part in PARTS:
        at = (image >= start) & (image < start + len(ids[part]))
        parts[part] = PersonAnswers(image[at] - start, person[at], chosen[at], len(panel.annotator_ids))
        start += len(ids[part])
    return Judges(tuple(map(str, panel.annotator_ids)), parts)


def write_effects(folder: Path, prepared: "Prepared", head: Head) -> None:
    """Write what answers said of the training and validation images beyond their features into the run's folder."""
    model = as_by_person(head)
    if model is None or model.fit_ is None:
        return
    images, ids = model.fit_.images, [prepared.train.image_id, prepared.val.image_id]
    every = np.concatenate(ids)
    effects = ImageEffects(images.effect, images.effect_variance)
    write_image_effects(folder, every, prepared.targets.taxonomy.labels, effects, prepared.store.features(every))


def write_judges(run: RunFolder, prepared: "Prepared", head: Head) -> None:
    """Write what the head learned of each person whose answers it had, beside the run's folder."""
    model = as_by_person(head)
    if model is None or model.fit_ is None:
        return
    judges = prepared.judges
    learned_from = (judges.parts["train"], judges.parts["val"])
    counts = torch.stack([torch.bincount(part.person, minlength=part.people) for part in learned_from]).sum(0)
    who = torch.nonzero(counts)[:, 0]
    names = [judges.names[row] for row in who.tolist()]
    write_people(run, names, model.fit_.people.take(who), counts[who])


def panel_rates(answers: PersonAnswers, images: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Votes [N, C] and people asked [N] of each image."""
    votes = torch.zeros(images, answers.chosen.shape[1], dtype=torch.float64)
    votes.index_add_(0, answers.image, answers.chosen.double())
    return votes.numpy(), torch.bincount(answers.image, minlength=images).double().numpy()
