"""A study and the task that it runs on: the same one from the command line and from the page."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from affectml._progress import Say
from affectml.data import Dataset
from affectml.errors import AffectmlError, BadInput, few
from affectml.people.labelling import complete, fitted, labels_of, make_task, with_files, with_words
from affectml.taxonomies import Taxonomy, is_read
from affectml_annotation import LabelStore, StoreError
from affectml_annotation.errors import BadTask
from affectml_annotation.languages import ENGLISH, _, english_name, spoken, written
from affectml_annotation.store.place import default_database, shown
from affectml_annotation.study.check import Checked, check_study, unread_consents
from affectml_annotation.study.file import FILE, QUESTIONS, changed_keys
from affectml_annotation.study.folder import Study, read_study
from affectml_annotation.study.running import open_study
from affectml_annotation.study.screen import warn_of


def check(folder: Path) -> Checked:
    """As `check_study`; where the data set says what people choose from, with what is to be said of those words."""
    study = read_study(folder)
    images: list[str] | None = None
    try:
        dataset = Dataset.open(folder / study.file.dataset)
        images = dataset.images["image_id"].tolist()
        task = complete(study.file, dataset, folder)
    except (AffectmlError, BadTask) as error:
        checked = check_study(study, images)
        return replace(checked, refused=[*checked.refused, f"{error}."])
    checked = check_study(study, images, task.labels)
    taxonomy = labels_of(task)
    known = {
        language: {label: name for label, name in words.items() if label in taxonomy.labels}
        for language, words in study.labels.items()
    }
    try:
        named = with_words(taxonomy, known)
    except BadInput as error:
        return replace(checked, missing=[*checked.missing, f"labels: {error}."])
    return replace(checked, warnings=[*checked.warnings, *_words_of_the_task(study, named, task.question)])


def _words_of_the_task(study: Study, taxonomy: Taxonomy, question: str) -> Iterator[str]:
    """What of question and labels a language does not have, and what of ours nobody is said to have read there."""
    own, *_others = study.file.languages
    for language in study.file.languages:
        if written(language) == ENGLISH:
            continue
        reading, file = english_name(language), study.file.text_files.get(f"study.{language}", FILE)
        with spoken(language):
            unsaid = _(question) == question and not (study.translation(language).question or study.file.question)
        if unsaid and (language != own or question in QUESTIONS.values()):
            yield f"{file} leaves out the question, and people who read {reading} are asked: {question}"
        names = {label: taxonomy.translation(label, language) for label in taxonomy.labels}
        if without := [label for label, name in names.items() if name is None]:
            yield f"labels without a name in {reading}: {few(without, 5)}; {file} takes names for them, at labels."
        ours = [f"{name.name} ({label})" for label, name in names.items() if name and name.source == "affectml"]
        if ours and not is_read(language):
            yield f"names in {reading} that a machine chose: {', '.join(ours)}; nobody is said to have read them."


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


def begin(folder: Path, db: str | None = None, *, by: str, say: Say = lambda line: None) -> LabelStore:
    """Let the study run, or go on with it: its task is set up where there is none, and what changed is a new version.

    Images are covered by what their `content_warning` says now. by: who does. Raises BadInput where the database holds
    a task with other labels, and BadTask for a consent in another language that nobody is said to have read.
    """
    study = read_study(folder)
    for sentence in unread_consents(study):
        raise BadTask(sentence)
    dataset = Dataset.open(folder / study.file.dataset)
    file, images = make_task(dataset, study.file, folder)
    with_words(labels_of(file), Study(file, study.texts).labels)  # which refuses words that the page could not show
    store = LabelStore(db or default_database(dataset.root))
    try:
        if not store.has_task:
            shown_ones = with_files(dataset, images)
            try:
                store.init_task(file, shown_ones, dataset=dataset.root, texts=study.texts, apart=study.apart)
            except StoreError:
                if not store.has_task:
                    raise  # else another server has begun it meanwhile
        elif store.task.labels != file.labels:
            raise BadInput(f"{store.database.where} holds a task with other labels than the study's; name another --db")
        before = store.task
        if study.file.seed != before.seed:  # a study may have begun on a task that was set up with another one
            say(f"seed: stays {before.seed}, by which images are handed out")
        file = fitted(study.file.model_copy(update={"seed": before.seed}), before, folder)
        store.note_dataset(dataset.root)
        number = open_study(store, Study(file, study.texts), by=by)
        if keys := changed_keys(before, file):
            say(f"{folder / FILE} differs: version {number} of the task ({', '.join(keys)})")
        warn_of(store, warnings_in(dataset))
    except BaseException:
        store.close()
        raise
    return store
