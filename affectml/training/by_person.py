"""People told apart in a training: checked before any work, then learned over the head from single judgements."""

from pathlib import Path

import numpy as np
import torch

from affectml._progress import Say
from affectml.errors import BadInput, option
from affectml.heads import ByPersonHead, Head, ImageEffects
from affectml.heads.by_person import as_by_person, cuts_rates
from affectml.heads.mixed_logit import Fit
from affectml.heads.registry import heads_that
from affectml.judging.figures import Evaluation
from affectml.people.known import people_file, write_image_effects, write_people
from affectml.runs import RunFolder, TrainConfig
from affectml.training.crosswise import crosswise
from affectml.training.steps import Judged, Plan, Step, Writers

LEAST = 6  # people: two for each fold of the judging


class ByPerson(Step):
    """People told apart over the head, judged crosswise, and written: what was learned of images, and of people."""

    def asked(self, config: TrainConfig) -> bool:
        """With `by_person`."""
        return config.by_person

    def check(self, plan: Plan) -> None:
        """Raise BadInput where people cannot be told apart with this head, target or data set, with the way out."""
        config, head, targets, dataset = plan.config, plan.head, plan.targets, plan.dataset
        given = option("by_person", True)
        if targets.kind != "rates":
            raise BadInput(
                f"{given} learns who chose which labels, and target {targets.name} is of kind {targets.kind}: take a "
                "target of rates, or leave it out"
            )
        if not cuts_rates(head):
            way = option("head")
            raise BadInput(
                f"{given}: {head.described()} has no rates to begin with; take {way} {heads_that(cuts_rates)}"
            )
        for other, value in (("judgements", config.judgements), ("ensemble", config.ensemble)):
            if value:
                raise BadInput(f"{given} has rates of its own: leave {option(other, value)} out")
        if dataset.judgements is None:
            raise BadInput(
                f"{given}: {dataset.root} has no annotations.parquet, which says who chose what: leave it out"
            )
        people = dataset.judgements["annotator_id"].nunique()
        if people < LEAST:
            raise BadInput(
                f"{given}: {dataset.root} has answers of {people} people; it takes at least {LEAST} to compare them"
            )

    def unfitted(self, head: Head) -> Head:
        """The head with people over it."""
        return ByPersonHead.over(head)

    def judge(self, judged: Judged, say: Say) -> Evaluation:
        """See `crosswise`; what it returns is the fact by_person."""
        rows = judged.evaluation.rows()
        sizes = crosswise(judged.prepared, _learned(judged)[0], rows, say)
        return judged.evaluation.with_(rows.rows, by_person=sizes)

    def files(self) -> Writers:
        """What the head learned of images."""
        return {"image_effects.parquet": write_effects}

    def files_beside(self, folder: Path) -> Writers:
        """What the head learned of people."""
        return {str(people_file(folder)): write_judges}


def _learned(judged: Judged) -> tuple[ByPersonHead, Fit]:
    """The head, and what its fit knows of images and people."""
    head = as_by_person(judged.systems.model)
    assert head is not None  # see ByPerson.unfitted
    assert head.fit_ is not None
    return head, head.fit_


def write_effects(run: RunFolder, judged: Judged) -> None:
    """Write what answers said of the training and validation images beyond their features into the run's folder."""
    prepared, images = judged.prepared, _learned(judged)[1].images
    every = np.concatenate([prepared.train.image_id, prepared.val.image_id])
    effects = ImageEffects(images.effect, images.effect_variance)
    write_image_effects(run.folder, every, prepared.targets.taxonomy.labels, effects, prepared.store.features(every))


def write_judges(run: RunFolder, judged: Judged) -> None:
    """Write what the head learned of each person whose answers it had, beside the run's folder."""
    judges, people = judged.prepared.judges, _learned(judged)[1].people
    learned_from = torch.cat([judges.parts[part].person for part in ("train", "val")])
    counts = torch.bincount(learned_from, minlength=len(judges.names))
    who = torch.nonzero(counts)[:, 0]
    write_people(run, [judges.names[row] for row in who.tolist()], people.take(who), counts[who])
