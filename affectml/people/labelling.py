"""A labelling task of a data set: the same one from the command line and from the page."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from affectml._progress import Say
from affectml.data import Asked, Dataset, TargetMeta, was_asked
from affectml.errors import BadDataset, BadInput, few
from affectml.importers import get_importer
from affectml.importers.images import add_images
from affectml.importers.labels import taxonomy_entry
from affectml.taxonomies import LabelName, Taxonomy, builtin_names, get_taxonomy
from affectml_annotation import LabelStore, Task
from affectml_annotation.errors import check_labels
from affectml_annotation.store.setup import filled
from affectml_annotation.study.file import QUESTIONS, LabelWords, parse
from affectml_annotation.study.folder import inside, read_yaml


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
    by_labels = {entry.resolve_taxonomy().labels: entry for entry in dataset.meta.targets.values()}
    if not by_labels:
        raise BadDataset(
            f"{dataset.root}: nothing says which labels there are; name a taxonomy: --taxonomy "
            f"{', '.join(builtin_names())}, or a YAML file"
        )
    if len(by_labels) > 1:
        names = ", ".join(dataset.meta.targets)
        raise BadDataset(f"{dataset.root}: its targets have different labels; choose with --target ({names})")
    return next(iter(by_labels.values())).resolve_taxonomy()


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
            f"such as `affectml label --on {shlex.quote(str(beside))} --images {shlex.quote(str(photos))}`"
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
    languages = [f"{code} {n:,} (people: {speakers[code]:,})" for code, n in answers.most_common()]
    if len(languages) > 1:
        yield f"answers by language: {', '.join(languages)}"
    if skipped := store.skipped_images():
        more = "`affectml label assign --queue FILE --more 1` asks one more person each"
        yield f"too many skipped these, so that fewer than wanted answer them ({more}): {few(skipped, 50)}"


def complete(file: Task, dataset: Dataset, folder: Path = Path()) -> Task:
    """A task's file with what it leaves to the data set: labels, taxonomy, construct, question and name.

    folder: where a taxonomy's file lies. Raises BadDataset, BadInput or UnknownTaxonomy, and BadTask for a taxonomy
    outside the folder.
    """
    target = file.target or None
    if (taxonomy := _named(file, folder)) is None:
        own_labels = Taxonomy(dataset.name, file.labels) if file.labels else None
        taxonomy = own_labels or taxonomy_of(dataset, target)
    if file.labels not in ((), taxonomy.labels):
        own = ", ".join(taxonomy.labels)
        raise BadInput(f"labels: those of the taxonomy {taxonomy.name} are {own}; leave out labels, or taxonomy")
    about, question = asked_of(dataset, target, file.about or None)
    return file.but(
        name=file.name or dataset.name,
        labels=taxonomy.labels,
        taxonomy=taxonomy_entry(taxonomy),
        construct=about,
        question=file.question or question,
    )


def _named(file: Task, folder: Path) -> Taxonomy | None:
    """The taxonomy that a task's file names or holds; None where it leaves that open."""
    if isinstance(file.taxonomy, str) and file.taxonomy:
        own = inside(folder, file.taxonomy)
        return get_taxonomy(str(own) if own.suffix in (".yaml", ".yml") or own.is_file() else file.taxonomy)
    return Taxonomy.from_dict(dict(file.taxonomy), "taxonomy") if isinstance(file.taxonomy, Mapping) else None


def fitted(file: Task, before: Task, folder: Path = Path()) -> Task:
    """A task's file, as somebody wrote it, for the task that is there: what it leaves open is as it was.

    Raises BadInput for a taxonomy with other labels, UnknownLabel for words of what is no label, and BadInput for two
    labels of one name.
    """
    file = filled(file, before)
    taxonomy = _named(file, folder)
    if taxonomy is not None:
        if taxonomy.labels != before.labels:
            raise BadInput(f"taxonomy: {taxonomy.name} has other labels than the task; name another --db")
        file = file.but(taxonomy=taxonomy_entry(taxonomy))
    check_labels(file.words, file.labels, "words")
    with_words(labels_of(file), {file.languages[0]: file.words})
    return file


def with_words(taxonomy: Taxonomy, words: Mapping[str, Mapping[str, LabelWords]]) -> Taxonomy:
    """A taxonomy with a task's own words for labels, by language (`Study.labels`), before those that it has.

    Raises BadInput for words of what is no label, and for two labels that would have one name.
    """
    translations = {language: dict(names) for language, names in taxonomy.translations.items()}
    for language, own in words.items():
        for label, word in own.items():
            there = taxonomy.translation(label, language) or LabelName(taxonomy.display(label, language))
            name = LabelName(word.name or there.name, word.definition or there.definition, there.synonyms, "the study")
            translations.setdefault(language, {})[label] = name
    return replace(taxonomy, translations=translations)


def task_file(path: Path | None, taxonomy: str | None = None, **keys: Any) -> tuple[Task, Path]:
    """A task's file as somebody wrote it, with other values of some keys, and the folder that it lies in.

    path: None for a file with nothing in it. taxonomy: a built-in name, or a YAML file that may lie anywhere. Raises
    BadTask, BadInput or UnknownTaxonomy.
    """
    folder = Path() if path is None else path.parent
    file = Task() if path is None else parse(read_yaml(path), str(path))
    if taxonomy is not None:
        keys |= {"taxonomy": taxonomy_entry(get_taxonomy(taxonomy)), "labels": ()}
    return (file.but(**keys) if keys else file), folder


def make_task(dataset: Dataset, file: Task = Task(), folder: Path = Path()) -> tuple[Task, pd.DataFrame]:  # noqa: B008
    """The complete file, and the images (image_id, file, stratum), of a task on a data set's images.

    file, folder, and what is raised: as of `complete`; and BadInput for a stratum that images.parquet has not.
    """
    images = dataset.images
    if file.stratum:
        if file.stratum not in images:
            raise BadInput(f"stratum: {dataset.root} has no column {file.stratum!r} in images.parquet")
        images = images.assign(stratum=images[file.stratum])
    return complete(file, dataset, folder), images[[n for n in ("image_id", "file", "stratum") if n in images]]


def labels_of(task: Task) -> Taxonomy:
    """The taxonomy that a task was set up with; one of its labels alone, where it has none."""
    alone = {"name": task.name, "labels": {label: {} for label in task.labels}}
    return _named(task, Path()) or Taxonomy.from_dict(alone, "the task's labels")
