"""A labelling task of a data set: the same one from the command line and from the page."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from affectml._progress import Say
from affectml.data import Asked, Dataset, TargetMeta, was_asked
from affectml.errors import BadDataset, BadInput, did_you_mean, few
from affectml.importers import get_importer
from affectml.importers.images import add_images
from affectml.importers.labels import taxonomy_entry
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy
from affectml_annotation import LabelStore, TaskSettings
from affectml_annotation.store.settings import QUESTIONS


def asked_of(dataset: Dataset, target: str | None = None, construct: str | None = None) -> tuple[str, str]:
    """What people are asked about a data set's images: the construct, and the question word for word.

    It is what the people of the target were asked; without a target, those in annotations.parquet, else those of all
    targets. Where nobody was asked (search words, folders) or the question is not known, it is the question that goes
    with the construct, `evoked` unless another one is given. Raises BadDataset where targets differ in their construct.
    """
    meta = dataset.meta
    entries: list[TargetMeta | Asked] = [*meta.targets.values()]
    if target is not None:
        entries = [dataset.target(target).meta]
    elif meta.judgements is not None:
        entries = [meta.judgements]
    people = [entry for entry in entries if entry.construct != "query" or was_asked(entry.question)]
    constructs = list(dict.fromkeys(entry.construct for entry in people)) or ["evoked"]
    if construct is None and len(constructs) > 1:
        names = ", ".join(f"{name} ({entry.construct})" for name, entry in meta.targets.items())
        raise BadDataset(f"{dataset.root}: its targets are about different things; choose with --target: {names}")
    chosen = construct or constructs[0]
    questions = {entry.question for entry in people if entry.construct == chosen and was_asked(entry.question)}
    return chosen, questions.pop() if len(questions) == 1 else QUESTIONS[chosen]


def taxonomy_of(dataset: Dataset, target: str | None = None) -> Taxonomy:
    """The labels people choose from: those of a target; without one, the data set's own, or those of all its targets.

    Raises BadDataset where it names none and has no target, or targets with different labels, naming the way out.
    """
    if target is not None:
        return dataset.target(target).taxonomy
    own = dataset.meta.resolve_taxonomy()
    if own is not None:
        return own
    found = {entry.resolve_taxonomy().labels: entry for entry in dataset.meta.targets.values()}
    if not found:
        raise BadDataset(
            f"{dataset.root}: nothing says which labels there are; name a taxonomy: --taxonomy "
            f"{', '.join(builtin_names())}, or a YAML file"
        )
    if len(found) > 1:
        names = ", ".join(dataset.meta.targets)
        raise BadDataset(f"{dataset.root}: its targets have different labels; choose with --target ({names})")
    return next(iter(found.values())).resolve_taxonomy()


def open_photographs(
    photos: Path, folder: Path, *, taxonomy: str | None = None, say: Say = lambda line: None
) -> Dataset:
    """The data set of a folder of photographs: a new one, or the one that is there, with the photographs added since.

    Nothing is written into `photos`: the data set has hard links to its files, or copies where the disk allows none.
    folder: the data set's. taxonomy: the labels to choose among, a built-in name or a YAML file; needed for a new one.
    Raises BadInput or UnknownTaxonomy.
    """
    if folder.resolve().is_relative_to(photos.resolve()):
        beside = photos.resolve().with_name(f"{photos.resolve().name}-data")
        raise BadInput(
            f"the data set {folder} would lie inside {photos}, into which nothing is written: name a folder outside, "
            f"such as `affectml relabel {shlex.quote(str(beside))} --images {shlex.quote(str(photos))}`"
        )
    if (folder / "dataset.json").is_file():
        opened = Dataset.open(folder)
        before = len(opened.images)
        added = add_images(photos, opened, how="hardlink")
        say(f"data set {folder}: {len(added.ids):,} new images from {photos}, {before:,} there already")
        if added.changed:
            which = f"{len(added.changed):,} ({few(added.changed, 3)})"
            say(f"  {which}: another file by now; the data set keeps the one it has")
        _say_skipped(added.skipped, say)
        return Dataset.open(folder)
    if taxonomy is None:
        raise BadInput(
            f"--images {shlex.quote(str(photos))}: which labels are there to choose among? Name a taxonomy: --taxonomy "
            f"{', '.join(builtin_names())}, or a YAML file of your own (`affectml taxonomy show NAME` has the labels)"
        )
    summary = get_importer("images")(photos, folder, images="hardlink", taxonomy=taxonomy)
    say(f"data set {folder}: {summary.images:,} images from {photos}, where nothing is changed")
    _say_skipped(summary.skipped, say)
    return Dataset.open(folder)


def _say_skipped(skipped: Mapping[str, Sequence[str]], say: Say) -> None:
    for reason, names in skipped.items():
        say(f"  left out: {reason}: {len(names):,} ({few(names, 3)})")


def with_files(dataset: Dataset, images: pd.DataFrame) -> pd.DataFrame:
    """The images that have a file on this machine. Raises BadDataset where none has: there is nothing to show."""
    if "file" not in images.columns or not images["file"].notna().any():
        raise BadDataset(
            f"{dataset.root}: no image has a file on this machine, and a url is not shown (its site would learn who "
            "looks at what); download the images and name them in the column `file` of images.parquet, as `affectml "
            "import fetch` does"
        )
    return images.loc[images["file"].notna()]


def queued_words(images: int, raised: int, more: int | None) -> str:
    """What became of images that were queued: how many wait for more people than before, and what stays.

    raised: of them, as `LabelStore.enqueue` returns it. more: as it was asked for.
    """
    queued = f"{images:,} {'image' if images == 1 else 'images'}"
    if more is None:
        return queued
    people = f"{more:,} more {'person' if more == 1 else 'people'}"
    if raised == images:
        return f"{queued}, for {people} each"
    some = f"{raised:,} of them wait for more people than before, the other {images - raised:,}" if raised else "they"
    return f"{queued}, for at least {people} each: {some} waited for as many or more already, which stays"


def task_words(store: LabelStore, people: pd.DataFrame) -> Iterator[str]:
    """What a lead should know of a task: how many answers were given in each language, and by how many people, where
    there are two at least; and the images that too many people skipped.

    people: as `LabelStore.annotators` gives them.
    """
    answers, speakers = Counter[str](), Counter[str]()
    for counts in people["answered_in"][~people["withdrawn"]]:
        answers.update(counts)
        speakers.update(counts.keys())
    each = [f"{code} {n:,} (people: {speakers[code]:,})" for code, n in answers.most_common()]
    if len(each) > 1:
        yield f"answers by language: {', '.join(each)}"
    if skipped := store.skipped_images():
        more = "`affectml labels assign --queue FILE --more 1` asks one more person each"
        yield f"too many skipped these, so that fewer than wanted answer them ({more}): {few(skipped, 50)}"


def make_task(
    dataset: Dataset,
    *,
    taxonomy: str | None = None,
    target: str | None = None,
    construct: str | None = None,
    question: str | None = None,
    stratum: str | None = None,
    **options: Any,
) -> tuple[TaskSettings, pd.DataFrame]:
    """Settings and images (image_id, file, stratum) of a task on a data set's images.

    taxonomy: a built-in name or a YAML file; without it `taxonomy_of` the target. construct, question: `asked_of` the
    target unless given. stratum: a column of images.parquet. options: of `TaskSettings`. Raises BadDataset, BadInput or
    UnknownTaxonomy.
    """
    chosen = get_taxonomy(taxonomy) if taxonomy else taxonomy_of(dataset, target)
    images = dataset.images
    if stratum is not None:
        if stratum not in images:
            raise BadInput(f"{dataset.root}: images.parquet has no column {stratum!r} to stratify by")
        images = images.assign(stratum=images[stratum])
    if construct is not None and construct not in QUESTIONS:
        choices = ", ".join(QUESTIONS)
        raise BadInput(f"construct: no {construct!r}{did_you_mean(construct, QUESTIONS)} (choices: {choices})")
    about, own_question = asked_of(dataset, target, construct)
    settings = TaskSettings(
        labels=chosen.labels,
        question=question or own_question,
        construct=about,
        name=dataset.name,
        taxonomy=taxonomy_entry(chosen),
        **options,
    )
    return settings, images[[name for name in ("image_id", "file", "stratum") if name in images]]
