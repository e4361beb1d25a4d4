"""The first two steps of a training: every choice made and checked, then images embedded and parted."""

import re
from dataclasses import replace
from pathlib import Path

import torch

from affectml._files import try_folder
from affectml._options import options_of
from affectml._progress import Progress, Say
from affectml.data import Dataset, check_new
from affectml.data.choose import SEVERAL, choose_target
from affectml.data.splits import check_labels, own_parts, split_dataset
from affectml.duplicates import same_pixels
from affectml.embeddings import ensure_embeddings, with_embeddings
from affectml.encoders import DEFAULT_SPEC, TINY_SPEC
from affectml.encoders.threads import set_threads, spare_threads, usable_device
from affectml.errors import BadDataset, BadInput, option
from affectml.heads.config import Wanted, check_fields, plain
from affectml.heads.objective import only_shares
from affectml.heads.registry import PLAIN, check_plain, head_class, typed_options
from affectml.judging.subgroups import check_groups
from affectml.prompts import Prompts
from affectml.runs import TrainConfig
from affectml.training.by_person import check_by_person
from affectml.training.promise import check_calibration, check_promise
from affectml.training.steps import Plan, Prepared

DEMO = Path("data/demo")
RUNS = Path("runs")
# How far single labels are trusted as negatives of all the others; see SigmoidConfig.
ASSUMED_NEGATIVES = 0.1


def plan_run(config: TrainConfig, *, out: Path | None = None, say: Say = lambda line: None) -> Plan:
    """Open the data set, choose the target and the head, and try the place to write to.

    Args:
        config: what to train.
        out: the folder to write; None takes the next free runs/NAME-NNN.
        say: called with each line for the user.

    Returns:
        The plan. Nothing has been embedded, and nothing written.

    Raises:
        AffectmlError: one of its subclasses, for what the user can mend.
    """
    config = plain(config)
    check_fields(config, lambda name, value, wanted: f"{option(name, value)}: it should be {wanted}")
    if config.device is not None:
        usable_device(config.device)
    check_new(out) if out is not None else try_folder(RUNS)
    dataset = open_or_draw(config.dataset, say)
    targets = choose_target(dataset, multilabel=config.multilabel, name=config.target)
    multilabel = config.multilabel if config.multilabel is not None else targets.kind in SEVERAL
    config = replace(config, multilabel=multilabel)
    head = head_class(config.head or PLAIN[multilabel])
    negatives = ASSUMED_NEGATIVES if targets.kind == "single" else None
    wanted = Wanted(targets.kind, multilabel, config.options, config.seed, negatives)
    threads = config.threads if config.threads is not None else spare_threads()
    resolved = replace(config, dataset=str(dataset.root), target=targets.name, head=head.name)
    resolved = replace(resolved, options=typed_options(head, config.options), threads=threads)
    prompts = Prompts.parse(config.prompts, config.templates)
    plan = Plan(config, resolved, dataset, targets, head, wanted, prompts, threads, out)
    _check(plan)
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


def prepare(plan: Plan, say: Say = lambda line: None) -> Prepared:
    """Embed what has no embedding yet, leave out what cannot be embedded, and split.

    Interrupted, it keeps what was embedded, and goes on from there next time.

    Args:
        plan: what to prepare for.
        say: called with each line for the user.

    Raises:
        EncoderUnavailable: where the encoder's weights cannot be had.
        BadDataset: where no image has an embedding, or too few are left to split.
        BadInput: where the calibration part is too small for a promise.
    """
    set_threads(plan.threads)
    dataset, config, asked = plan.dataset, plan.config, plan.asked
    store = ensure_embeddings(dataset, config.encoder, threads=asked.threads, say=say, device=asked.device)
    targets = with_embeddings(dataset, plan.targets, store, say)
    copies, apart = same_pixels(dataset, targets.image_id, store.features(targets.image_id)), config.promise is not None
    split = split_dataset(dataset, targets, config.seed, copies, calibration=apart, fold=config.fold)
    for note in split.notes:
        say(note)
    if store.identity.architecture == TINY_SPEC:
        say(f"affect-tiny knows the demo paintings alone; photographs need {option('encoder', DEFAULT_SPEC)}")
    prepared = Prepared(plan, store, targets, split)
    if config.promise is not None:
        check_calibration(prepared)
    return prepared


def _check(plan: Plan) -> None:
    """Raises an error for what the head, the target or the data set does not allow: before hours of embedding."""
    config, dataset, targets = plan.config, plan.dataset, plan.targets
    if targets.kind == "rates" and only_shares(torch.from_numpy(targets.shares())):
        way = f"import them as a distribution (a table with {option('kind', 'distribution')}, an array called shares)"
        if re.match(r"[a-z_]+: ", targets.meta.made_by):  # of a labelling task
            method, target = option("method", "one_choice"), option("target", "NAME")
            way = f"make a distribution of the same answers (label export with {method} and {target})"
        raise BadDataset(
            f"{dataset.root}: target {targets.name} is of rates, but every row sums to 1, so these are shares of one "
            f"choice and say nothing of sets: {way}, and train on that without {option('multilabel', True)}"
        )
    check_labels(dataset, targets)
    own_parts(dataset, targets.image_id, config.fold)
    for choice in options_of(TrainConfig):
        if choice.help.most is not None and (number := getattr(config, choice.name) or 0) > choice.help.most:
            raise BadInput(f"{option(choice.name, number)}: expected at most {choice.help.most:,}")
    k, labels = config.options.get("k"), len(targets.taxonomy)
    if k is not None and not 1 <= k <= labels:
        raise BadInput(f"{option('k', k, of_head=True)}: expected 1 to {labels}, the labels of {targets.taxonomy.name}")
    if not 0 < config.tau < 1:
        raise BadInput(f"{option('tau', config.tau)}: expected a rate between 0 and 1")
    check_plain(plan.head, plan.wanted)
    if plan.head.scores_of == "texts":
        plan.prompts.learned(targets.taxonomy)
    check_groups(dataset, config.groups)
    if config.promise is not None or config.promise_group is not None:
        check_promise(plan)
    if config.by_person:
        check_by_person(plan)


def open_or_draw(path: str | Path | None, say: Say) -> Dataset:
    """The data set in a folder, or without one the demo set in data/demo, drawn if it is not there."""
    if path is not None:
        return Dataset.open(path)
    there = (DEMO / "dataset.json").exists()
    how = f"{'using' if there else 'drawing'} the demo set in {DEMO}"
    say(f"no data set named: {how} (simulated people judging paintings drawn by code)")
    if there:
        return Dataset.open(DEMO)
    from affectml.demo_set import write_demo

    with Progress("painting", 2000, "images") as bar:
        return write_demo(DEMO, images=2000, seed=0, progress=bar.advance)
