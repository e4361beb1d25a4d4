"""A labelling task of a data set: the same one from the command line and from the page."""

from typing import Any

import pandas as pd

from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy
from affectml_annotation import TaskSettings
from affectml_annotation.store.settings import QUESTIONS

# How our importers begin what is nobody's question word for word.
NOT_ASKED = ("In our words:", "Nobody was asked:")


def question_of(dataset: Dataset) -> str:
    """What people are asked about a data set: its own question where it has one in words, else its construct's."""
    own = dataset.meta.question
    return own if own and not own.startswith(NOT_ASKED) else QUESTIONS[dataset.meta.construct]


def taxonomy_of(dataset: Dataset, target: str | None = None) -> Taxonomy:
    """The labels people choose from: those of a target; without one, those that all targets have in common.

    Raises BadDataset where there is no target, or targets with different labels, naming the way out.
    """
    if target is not None:
        return dataset.target(target).taxonomy
    found = {entry.resolve_taxonomy().labels: entry for entry in dataset.meta.targets.values()}
    if not found:
        raise BadDataset(f"{dataset.root}: no target says which labels there are; name some with --taxonomy")
    if len(found) > 1:
        names = ", ".join(dataset.meta.targets)
        raise BadDataset(f"{dataset.root}: its targets have different labels; choose with --target ({names})")
    return next(iter(found.values())).resolve_taxonomy()


def with_files(dataset: Dataset, images: pd.DataFrame) -> pd.DataFrame:
    """The images that have a file on this machine. Raises BadDataset where none has: there is nothing to show."""
    if "file" not in images.columns or not images["file"].notna().any():
        raise BadDataset(
            f"{dataset.root}: no image has a file on this machine, and a url is not shown (its site would learn who "
            "looks at what); download the images and name them in the column `file` of images.parquet"
        )
    return images.loc[images["file"].notna()]


def make_task(
    dataset: Dataset,
    *,
    taxonomy: str | None = None,
    target: str | None = None,
    question: str | None = None,
    stratum: str | None = None,
    **options: Any,
) -> tuple[TaskSettings, pd.DataFrame]:
    """Settings and images (image_id, file, stratum) of a task on a data set's images.

    taxonomy: a built-in name or a YAML file; without it `taxonomy_of` the target. question: `question_of` unless given.
    stratum: a column of images.parquet. options: of `TaskSettings`. Raises BadDataset, BadInput or UnknownTaxonomy.
    """
    chosen = get_taxonomy(taxonomy) if taxonomy else taxonomy_of(dataset, target)
    images = dataset.images
    if stratum is not None:
        if stratum not in images:
            raise BadInput(f"{dataset.root}: images.parquet has no column {stratum!r} to stratify by")
        images = images.assign(stratum=images[stratum])
    builtin = chosen.name in builtin_names() and taxonomy in (None, chosen.name)
    settings = TaskSettings(
        labels=chosen.labels,
        question=question or question_of(dataset),
        construct=dataset.meta.construct,
        name=dataset.name,
        taxonomy=chosen.name if builtin else chosen.to_dict(),
        **options,
    )
    return settings, images[[name for name in ("image_id", "file", "stratum") if name in images]]
