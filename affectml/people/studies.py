"""A study and the task that it runs on: the same one from the command line and from the page."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from affectml._version import __version__
from affectml.data import Dataset
from affectml.errors import AffectmlError, BadInput, few
from affectml.people.labelling import make_task, with_files
from affectml.taxonomies import LabelName, Taxonomy, get_taxonomy, is_read
from affectml_annotation import LabelStore, StoreError, TaskSettings
from affectml_annotation.languages import ENGLISH, _, english_name, spoken, written
from affectml_annotation.store.place import default_database, shown
from affectml_annotation.store.settings import QUESTIONS
from affectml_annotation.study.check import Checked, check_study
from affectml_annotation.study.file import FILE, LabelWords, StudyFile
from affectml_annotation.study.folder import Study, inside, read_study
from affectml_annotation.study.running import open_study, warn_of
from affectml_annotation.study.unread import refuse_unread


def make_study_task(folder: Path, study: StudyFile) -> tuple[Dataset, TaskSettings, pd.DataFrame]:
    """The data set that a study in `folder` is about, and its task as `make_task` gives it; errors as of that.

    Raises BadStudy for a taxonomy in a file outside the folder.
    """
    dataset = Dataset.open(folder / study.dataset)
    own = inside(folder, study.taxonomy)
    is_file = own.suffix in (".yaml", ".yml") or own.is_file()
    settings, images = make_task(
        dataset, taxonomy=str(own) if study.taxonomy and is_file else study.taxonomy or None,
        target=study.target or None, question=study.question or None, overlap=study.overlap,
        check_rate=study.checks.rate, seed=study.seed, backup_hours=study.backups.hours,
        backups_kept=study.backups.keep, backup_days=study.backups.days,
    )  # fmt: skip
    return dataset, settings, images


def with_words(taxonomy: Taxonomy, words: Mapping[str, Mapping[str, LabelWords]]) -> Taxonomy:
    """A taxonomy with a study's own words for labels, by language (`Study.labels`), before those that it has.

    Raises BadInput for words of what is no label, and for two labels that would have one name.
    """
    translations = {language: dict(names) for language, names in taxonomy.translations.items()}
    for language, own in words.items():
        for label, said in own.items():
            there = taxonomy.translation(label, language) or LabelName(taxonomy.display(label, language))
            name = LabelName(said.name or there.name, said.definition or there.definition, there.synonyms, "the study")
            translations.setdefault(language, {})[label] = name
    return replace(taxonomy, translations=translations)


def check(folder: Path) -> Checked:
    """As `check_study`; where the data set says what people choose from, with what is to be said of those words."""
    study, settings, why = read_study(folder), None, []
    if (folder / study.file.dataset / "dataset.json").is_file():  # else the check says so
        try:
            settings = make_study_task(folder, study.file)[1]
        except AffectmlError as error:
            why = [f"{error}."]
    found = check_study(folder, None if settings is None else settings.labels)
    if settings is None:
        return replace(found, refused=[*found.refused, *why])
    taxonomy = _taxonomy(settings)
    known = {
        language: {label: said for label, said in words.items() if label in taxonomy.labels}
        for language, words in study.labels.items()
    }
    try:
        named = with_words(taxonomy, known)
    except BadInput as error:
        return replace(found, missing=[*found.missing, f"labels: {error}."])
    return replace(found, warnings=[*found.warnings, *_words_of_the_task(study, named, settings.question)])


def _words_of_the_task(study: Study, taxonomy: Taxonomy, question: str) -> Iterator[str]:
    """What of question and labels a language does not have, and what of ours nobody is said to have read there."""
    own, *_others = study.file.languages
    for language in study.file.languages:
        if written(language) == ENGLISH:
            continue
        reading, file = english_name(language), study.file.text_files(language).get(f"study.{language}", FILE)
        with spoken(language):
            unsaid = _(question) == question and not (study.translation(language).question or study.file.question)
        if unsaid and (language != own or question in QUESTIONS.values()):
            yield f"{file} leaves out the question, and people who read {reading} are asked: {question}"
        names = {label: taxonomy.translation(label, language) for label in taxonomy.labels}
        if without := [label for label, name in names.items() if name is None]:
            yield f"labels without a name in {reading}: {few(without, 5)}; {file} takes names for them, at labels."
        ours = [f"{name.name} ({label})" for label, name in names.items() if name and name.source == "affectml"]
        if ours and not is_read(language):
            yield f"names in {reading} that a machine chose: {few(ours, 5)}; nobody is said to have read them."


def _taxonomy(settings: TaskSettings) -> Taxonomy:
    """The taxonomy that a task was set up with."""
    own = settings.taxonomy
    return Taxonomy.from_dict(dict(own), "the task's taxonomy") if isinstance(own, Mapping) else get_taxonomy(str(own))


def open_running(folder: Path, db: str | None = None) -> LabelStore:
    """The store that a study in `folder` runs on: `DATASET-labels.db` beside its data set, or another by `db`.

    Raises StoreError where it is not there: the study has not begun.
    """
    place = db or str(default_database(folder / read_study(folder).file.dataset))
    if "://" not in place and not Path(place).exists():
        raise StoreError(
            f"{shown(place)}: no such database; `affectml study run {folder}` makes it, --db names another"
        )
    return LabelStore(place, must_exist=True)


def warnings_in(dataset: Dataset) -> dict[str, str]:
    """The words of images.parquet's column `content_warning`, by image id; images without any are left out."""
    if "content_warning" not in dataset.images:
        return {}
    words = dataset.images.set_index("image_id")["content_warning"].dropna()
    return {str(image): text.strip() for image, text in words.items() if text.strip()}


def begin(folder: Path, db: str | None = None, *, by: str) -> LabelStore:
    """Let the study run, or go on with it: its task is set up where there is none, and what changed is a new version.

    Images are covered by what their `content_warning` says now. by: who does. Raises BadInput where the database holds
    a task with other labels, and BadStudy for a consent in another language that nobody is said to have read.
    """
    study = read_study(folder)
    refuse_unread(study)
    dataset, settings, images = make_study_task(folder, study.file)
    with_words(_taxonomy(settings), study.labels)  # which refuses words that the page could not show
    store = LabelStore(db or default_database(dataset.root))
    try:
        if not store.has_task:
            store.init_task(settings, with_files(dataset, images), dataset=dataset.root)
        elif store.settings.labels != settings.labels:
            raise BadInput(f"{store.database.where} holds a task with other labels than the study's; name another --db")
        else:
            if study.file.question and store.settings.question != study.file.question:
                store.update_settings(question=study.file.question)
            store.update_settings(
                check_rate=settings.check_rate,
                backup_hours=settings.backup_hours,
                backups_kept=settings.backups_kept,
                backup_days=settings.backup_days,
            )
        store.note_dataset(dataset.root)
        open_study(store, study, affectml=__version__, by=by)
        warn_of(store, warnings_in(dataset))
    except BaseException:
        store.close()
        raise
    return store
