"""The first step of a training: every choice made and checked, before anything is embedded."""

from dataclasses import dataclass, replace
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
from affectml.data.splits import check_labels
from affectml.encoders.threads import spare_threads, usable_device
from affectml.errors import BadDataset, BadInput, option
from affectml.evaluation.subgroups import check_groups
from affectml.heads import Head, Wanted, check_plain, head_class
from affectml.heads.build import PLAIN
from affectml.heads.config import in_words
from affectml.heads.kinds import only_shares
from affectml.heads.option_words import typed_options
from affectml.prompts import Prompts
from affectml.runs import TrainConfig
from affectml.training.by_person import check_by_person
from affectml.training.learned import check_judgements
from affectml.training.promised import check_promise

DEMO = Path("data/demo")
RUNS = Path("runs")
# How far single labels are trusted as negatives of all the others; see SigmoidConfig.
ASSUMED_NEGATIVES = 0.1


@dataclass(frozen=True, eq=False)
class Plan:
    """What a training will do.

    asked: the configuration as it was given, which the run's command repeats. config: the same with every choice made
    but the encoder's, which is the store's where None. head, wanted: the class of the head and what it is told;
    thresholds, texts and votes follow from the data. out: the folder to write; None takes runs/NAME-NNN, NAME being
    the data set's folder.
    """

    asked: TrainConfig
    config: TrainConfig
    dataset: Dataset
    targets: Targets
    head: type[Head]
    wanted: Wanted
    prompts: Prompts
    threads: int
    out: Path | None = None

    @property
    def single_positive(self) -> bool:
        """Whether the labels are single ones, of which the absent are unknown and not wrong."""
        return self.targets.kind == "single" and bool(self.config.multilabel)

    @property
    def rates(self) -> bool:
        """Whether each label has a rate of its own: the target is of rates or of sets."""
        return self.targets.kind in SEVERAL


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
    check_types(config)
    if config.device is not None:
        usable_device(config.device)
    check_new(out) if out is not None else try_folder(RUNS)
    dataset = open_or_draw(config.dataset, say)
    targets = choose_target(dataset, multilabel=config.multilabel, name=config.target)
    plan = plan_for(dataset, targets, config, out=out)
    if why := dataset.outdated(targets.name):
        say(why)
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
    check_rates(dataset, targets)
    check_labels(dataset, targets)  # before hours of embedding, not after
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
    prompts = Prompts.parse(config.prompts, config.templates)
    check_numbers(config, targets)
    check_plain(head, wanted)
    if head.scores_of == "texts":
        prompts.learned(targets.taxonomy)
    check_judgements(config.judgements, head, targets.kind, dataset)
    check_by_person(config, head, targets, dataset)
    check_promise(config, head, targets, dataset)
    check_groups(dataset, config.groups)
    threads = config.threads if config.threads is not None else spare_threads()
    resolved = replace(
        config,
        dataset=str(dataset.root),
        target=targets.name,
        head=head.name,
        options=typed_options(head, config.options),
        threads=threads,
    )
    return Plan(config, resolved, dataset, targets, head, wanted, prompts, threads, out)


def check_rates(dataset: Dataset, targets: Targets) -> None:
    """Raises BadDataset for rates from which nothing of sets can be learned, and which no other head takes."""
    if targets.kind == "rates" and only_shares(torch.from_numpy(targets.shares())):
        raise BadDataset(
            f"{dataset.root}: target {targets.name} is of rates, but every row sums to 1, so these are shares of one "
            f"choice and say nothing of sets: import them again with {option('kind', 'distribution')}, and train on "
            f"that without {option('multilabel', True)}"
        )


def check_types(config: TrainConfig) -> None:
    """Raises BadInput for the first option whose value is of another type than TrainConfig says."""
    for name, hint in get_type_hints(TrainConfig, include_extras=True).items():
        value = getattr(config, name)
        try:
            TypeAdapter(hint).validate_python(value.item() if isinstance(value, np.generic) else value, strict=True)
        except ValidationError:
            raise BadInput(f"{option(name, value)}: expected {in_words(hint)}") from None


def check_numbers(config: TrainConfig, targets: Targets) -> None:
    """Raises BadInput for a number that is out of range."""
    for each in options_of(TrainConfig):
        if each.help.most is not None and (number := getattr(config, each.name) or 0) > each.help.most:
            raise BadInput(f"{option(each.name, number)}: expected at most {each.help.most:,}")
    if config.k is not None and not 1 <= config.k <= len(targets.taxonomy):
        labels = f"{len(targets.taxonomy)}, the labels of {targets.taxonomy.name}"
        raise BadInput(f"{option('k', config.k)}: expected 1 to {labels}")
    if not 0 < config.tau < 1:
        raise BadInput(f"{option('tau', config.tau)}: expected a rate between 0 and 1")


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
