"""What a plan assumes, and what its pilot cannot tell, in sentences."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from affectml.errors import few
from affectml_metrics import FEW

if TYPE_CHECKING:
    from affectml.planning._plan import Plan


def assumptions(plan: "Plan") -> Iterator[str]:
    """In the order in which they matter."""
    pilot, costs, config = plan.pilot, plan.costs, plan.config
    if pilot.assumed:
        yield (
            f"all is assumed: answers drawn from a mixed logit with SDs in log-odds of {config.images_sd:g} (images), "
            f"{config.people_sd:g} (people, label by label) and {config.talk_sd:g} (people, all labels)"
        )
    else:
        who = "answers of nobody knows whom" if pilot.anonymous else f"answers of {pilot.people:,} people"
        yield f"planned from {len(pilot.image):,} {who} about {pilot.images:,} images"
        which = "the same images" if config.these_images else "images of the same kind"
        yield f"the study asks the same question, of people like these, about {which}; everybody answers equally often"
    if plan.models:
        yield f"the model is {' less '.join(plan.models)}, on the pilot's images that it can be judged by"
    elif pilot.sets:
        yield (
            "no run was named (--run), so the model is a stand-in: what one half of the people said of an image, "
            "smoothed, is judged by the other half; its difference is that from their mean rates"
        )
    took = " (the median of the pilot)" if config.seconds is None and pilot.seconds is not None else ""
    paid = f", {config.per_hour:g} {config.currency} an hour" if config.per_hour else ""
    before = f", {costs.minutes_before:g} minutes of each person before them" if costs.minutes_before else ""
    each = f"at most {plan.place.design.each:,} images a person (--each)"
    yield f"{each}, {costs.seconds:g} seconds an answer{took}{before}{paid}"


def limits(plan: "Plan") -> Iterator[str]:
    """What the pilot cannot tell."""
    pilot, widths = plan.pilot, plan.place.widths
    if pilot.anonymous:
        yield (
            "the votes are anonymous, so nobody knows how people differ: planned as if each answer were somebody "
            "else's, which is too narrow where few people answer much"
        )
    elif not pilot.assumed and pilot.people < FEW:
        half, low, high = widths["label_rates"]
        yield (
            f"{pilot.people} people say little of how far people differ: at the pilot's own place a rate's "
            f"±{half:.3f} may be {low:.3f} to {high:.3f} (90 %)"
        )
    if not pilot.assumed and pilot.images < FEW:
        yield f"{pilot.images} images say little of how far images differ"
    rates = np.nanmean(pilot.chosen, axis=0)
    for share, what in ((0.0, "nobody chose"), (1.0, "everybody always chose")):
        if names := [label for label, rate in zip(pilot.labels, rates, strict=True) if rate == share]:
            yield f"{what} {few(names, 6)}: nothing is planned for {'it' if len(names) == 1 else 'them'}"
    if not pilot.sets:
        yield "only counts by label are known, not whole answers: no alpha and no model's scores"
    elif np.isnan(widths["alpha"].half) and (pilot.chosen == pilot.chosen[0]).all():
        yield "everybody always gave the same answer: there is no alpha"
    elif np.isnan(widths["alpha"].half):
        yield "alpha is planned from images with three answers or more, and there are none"
    elif np.bincount(pilot.image).max() < 4:
        yield "no image has four answers: how much pairs of answers add to the spread of alpha is assumed"
    if "set_f1" in widths and np.isnan(widths["set_f1"].half) and pilot.people == 2:
        yield "each half of two people is one of them: a model's scores want a run (--run), or a pilot of more people"
