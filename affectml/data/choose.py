"""Which of a data set's targets is meant."""

from affectml.data.dataset import Dataset
from affectml.data.targets import Targets
from affectml.errors import BadDataset, option

SEVERAL = ("rates", "sets")  # the kinds of target by which several labels of an image may hold


def choose_target(dataset: Dataset, *, multilabel: bool | None, name: str | None) -> Targets:
    """The target that fits what was asked for.

    Args:
        dataset: with its targets.
        multilabel: True takes rates or sets, else single labels; False single labels, else a distribution; None the
            only target there is, of any kind.
        name: of one target, which has to fit.

    Raises:
        BadDataset: for none that fits, and where several do; it names the option that decides.
    """
    if name is not None:
        return _named_target(dataset, name, multilabel)
    dataset.need_targets()
    kinds = {key: entry.kind for key, entry in dataset.meta.targets.items()}
    have = ", ".join(f"{key} ({kind})" for key, kind in kinds.items())
    if multilabel is None:
        if len(kinds) == 1:
            return dataset.target(next(iter(kinds)))
        several = {kind in SEVERAL for kind in kinds.values()}
        if len(several) != 1:
            way = f"choose with {option('target')}, or pass {option('multilabel')}"
            raise BadDataset(f"{dataset.root}: which target to learn? It has {have}: {way}")
        multilabel = several.pop()
    asked = option("multilabel", True)
    for group in (SEVERAL, ("single",)) if multilabel else (("single",), ("distribution",)):
        fitting = [key for key, kind in kinds.items() if kind in group]
        if len(fitting) > 1:
            names = ", ".join(fitting)
            raise BadDataset(f"{dataset.root}: targets {names} would both do; choose with {option('target')}")
        if fitting:
            return dataset.target(fitting[0])
    needs = f"{asked} needs rates, sets or single labels: leave it out"
    way = needs if multilabel else f"rates and sets are learned with {asked}"
    raise BadDataset(f"{dataset.root}: no target for this; it has {have}. {way}")


def _named_target(dataset: Dataset, name: str, multilabel: bool | None) -> Targets:
    targets = dataset.target(name)
    if multilabel and targets.kind == "distribution":
        raise BadDataset(
            f"{dataset.root}: target {name} is a distribution over the labels, which says nothing of sets: "
            f"leave out {option('multilabel')}, or import rates or sets"
        )
    if multilabel is False and targets.kind in SEVERAL:
        raise BadDataset(f"{dataset.root}: target {name} has {targets.kind}: add {option('multilabel', True)}")
    return targets


def from_people(kind: str) -> bool:
    """Whether a target of this kind holds people's answers, and not labels that images have."""
    return kind in ("rates", "distribution")
