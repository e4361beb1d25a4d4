"""The first step of a training: every choice made and checked, before anything is embedded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from affectml._files import try_folder
from affectml._options import options_of
from affectml._progress import Say, Watch
from affectml.data import Dataset, Targets, check_new
from affectml.data.choose import SEVERAL, choose_target
from affectml.data.splits import check_labels, own_parts
from affectml.encoders.threads import spare_threads, usable_device
from affectml.errors import BadDataset, BadInput, option
from affectml.heads import Wanted, check_plain, head_class
from affectml.heads.build import PLAIN, typed_options
from affectml.heads.config import in_words
from affectml.heads.objective import only_shares
from affectml.judging.subgroups import check_groups
from affectml.prompts import Prompts
from affectml.runs import TrainConfig
from affectml.training.by_person import ByPerson
from affectml.training.learned import Judgements
from affectml.training.promised import Promise
from affectml.training.steps import Plan, Step

DEMO = Path("data/demo")
RUNS = Path("runs")
# How far single labels are trusted as negatives of all the others; see SigmoidConfig.
ASSUMED_NEGATIVES = 0.1
STEPS: tuple[Step, ...] = (Judgements(), Promise(), ByPerson())


def plan_run(config: TrainConfig, *, out: Path | None = None, say: Say = lambda line: None) -> Plan:
    """Open the data set, choose the target and the head, and try the place to write to.

    Args:
        config: what to train.
        out: the folder to write; None takes the next free runs/NAME-NNN.
        say: called with what a user should know.

    Returns:
        The plan. Nothing has been embedded, and nothing written.

    Raises:
        AffectmlError: one of its subclasses, for what the user can mend.
    """
    of_numpy = {name: value.item() for name, value in vars(config).items() if isinstance(value, np.generic)}
    config = replace(config, **of_numpy)  # run.json takes Python's numbers
    check_types(config)
    if config.device is not None:
        usable_device(config.device)
    check_new(out) if out is not None else try_folder(RUNS)
    dataset = open_or_draw(config.dataset, say)
    targets = choose_target(dataset, multilabel=config.multilabel, name=config.target)
    plan = plan_for(dataset, targets, config, out=out)
    if why := dataset.outdated(targets.name):
        say(why)
    if words := dataset.pooled(targets, dataset.root):
        say(words)
    if plan.single_positive:
        say(
            "single labels are not negatives: an absent label is unknown. Training as single-positive multi-label "
            f"(assumed negatives, smoothed by {ASSUMED_NEGATIVES}); top-k and ranking scores only."
        )
    return plan


def plan_for(dataset: Dataset, targets: Targets, config: TrainConfig, *, out: Path | None = None) -> Plan:
    """The plan for a data set that is open and a target that is chosen.

    Args:
        dataset: the data set.
        targets: one of its targets.
        config: what to train.
        out: the folder to write, not tried here.

    Raises:
        AffectmlError: one of its subclasses, for an option that the head or the data set does not allow.
    """
    plan = planned(dataset, targets, config, out=out)
    for check in (*CHECKS, *(step.check for step in plan.steps)):
        check(plan)
    return plan


def planned(dataset: Dataset, targets: Targets, config: TrainConfig, *, out: Path | None = None) -> Plan:
    """The same of what was checked before, as a run's configuration was."""
    multilabel = config.multilabel if config.multilabel is not None else targets.kind in SEVERAL
    config = replace(config, multilabel=multilabel)
    head = head_class(config.head or PLAIN[multilabel])
    wanted = Wanted(
        target=targets.kind,
        multilabel=multilabel,
        hidden=config.hidden,
        k=config.k,
        ensemble=config.ensemble,
        options=config.options,
        seed=config.seed,
        assumed_negatives=ASSUMED_NEGATIVES if targets.kind == "single" else None,
    )
    threads = config.threads if config.threads is not None else spare_threads()
    resolved = replace(
        config,
        dataset=str(dataset.root),
        target=targets.name,
        head=head.name,
        options=typed_options(head, config.options),
        threads=threads,
    )
    prompts = Prompts.parse(config.prompts, config.templates)
    steps = tuple(step for step in STEPS if step.asked(config))
    return Plan(config, resolved, dataset, targets, head, wanted, prompts, threads, out, steps)


def check_rates(plan: Plan) -> None:
    """Raises BadDataset for rates from which nothing of sets can be learned, and which no other head takes."""
    dataset, targets = plan.dataset, plan.targets
    if targets.kind == "rates" and only_shares(torch.from_numpy(targets.shares())):
        raise BadDataset(
            f"{dataset.root}: target {targets.name} is of rates, but every row sums to 1, so these are shares of one "
            "choice and say nothing of sets: import them as a distribution (a table with "
            f"{option('kind', 'distribution')}, an array called shares), and train on that without "
            f"{option('multilabel', True)}"
        )


def check_types(config: TrainConfig) -> None:
    """Raises BadInput for the first option whose value is of another type than TrainConfig says."""
    for name, hint in get_type_hints(TrainConfig, include_extras=True).items():
        value = getattr(config, name)
        try:
            TypeAdapter(hint).validate_python(value, strict=True)
        except ValidationError:
            raise BadInput(f"{option(name, value)}: expected {in_words(hint)}") from None


def check_numbers(plan: Plan) -> None:
    """Raises BadInput for a number that is out of range."""
    config, targets = plan.config, plan.targets
    for each in options_of(TrainConfig):
        if each.help.most is not None and (number := getattr(config, each.name) or 0) > each.help.most:
            raise BadInput(f"{option(each.name, number)}: expected at most {each.help.most:,}")
    if config.k is not None and not 1 <= config.k <= len(targets.taxonomy):
        labels = f"{len(targets.taxonomy)}, the labels of {targets.taxonomy.name}"
        raise BadInput(f"{option('k', config.k)}: expected 1 to {labels}")
    if not 0 < config.tau < 1:
        raise BadInput(f"{option('tau', config.tau)}: expected a rate between 0 and 1")


def check_head(plan: Plan) -> None:
    """Raises BadInput where the head does not learn this, or has no texts to learn from."""
    check_plain(plan.head, plan.wanted)
    if plan.head.scores_of == "texts":
        plan.prompts.learned(plan.targets.taxonomy)


# Before hours of embedding, not after.
CHECKS: tuple[Callable[[Plan], object], ...] = (
    check_rates,
    lambda plan: check_labels(plan.dataset, plan.targets),
    lambda plan: own_parts(plan.dataset, plan.targets.image_id, plan.config.fold),
    check_numbers,
    check_head,
    lambda plan: check_groups(plan.dataset, plan.config.groups),
)


def open_or_draw(path: str | Path | None, say: Say) -> Dataset:
    """The data set in a folder, or without one the demo set in data/demo, drawn if it is not there."""
    if path is not None:
        return Dataset.open(path)
    if (DEMO / "dataset.json").exists():
        say(f"no data set named: using the demo set in {DEMO} (simulated people judging paintings drawn by code)")
        return Dataset.open(DEMO)
    from affectml.demo_set import write_demo

    say(f"no data set named: drawing the demo set in {DEMO} (simulated people judging paintings drawn by code)")
    with Watch.of(say).bar("painting", 2000, "images") as bar:
        return write_demo(DEMO, images=2000, seed=0, progress=bar.advance)
