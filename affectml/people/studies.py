"""A study and the task that it runs on: the same one from the command line and from the page."""

from contextlib import suppress
from pathlib import Path

import pandas as pd

from affectml._version import __version__
from affectml.data import Dataset
from affectml.errors import AffectmlError, BadInput
from affectml.people.labelling import make_task, with_files
from affectml_annotation import LabelStore, StoreError, TaskSettings
from affectml_annotation.store.place import default_database, shown
from affectml_annotation.study.file import StudyFile
from affectml_annotation.study.folder import inside, read_study
from affectml_annotation.study.running import open_study, warn_of


def make_study_task(folder: Path, study: StudyFile) -> tuple[Dataset, TaskSettings, pd.DataFrame]:
    """The data set that a study in `folder` is about, and its task as `make_task` gives it; errors as of that.

    Raises BadStudy for a taxonomy in a file outside the folder.
    """
    dataset = Dataset.open(folder / study.dataset)
    own = inside(folder, study.taxonomy)
    labelled = len(set(dataset.images["image_id"].astype(str)))
    is_file = own.suffix in (".yaml", ".yml") or own.is_file()
    settings, images = make_task(
        dataset, taxonomy=str(own) if study.taxonomy and is_file else study.taxonomy or None,
        target=study.target or None, question=study.question or None, overlap=study.overlap_of(labelled),
        check_rate=study.checks.rate, seed=study.seed,
    )  # fmt: skip
    return dataset, settings, images


def labels_of(folder: Path, study: StudyFile) -> tuple[str, ...] | None:
    """The labels that people choose from; None where the data set is not there, or says none."""
    with suppress(AffectmlError):
        return make_study_task(folder, study)[1].labels if study.dataset else None
    return None


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
    a task with other labels.
    """
    study = read_study(folder)
    dataset, settings, images = make_study_task(folder, study.file)
    store = LabelStore(db or default_database(dataset.root))
    try:
        if not store.has_task:
            store.init_task(settings, with_files(dataset, images), dataset=dataset.root)
        elif store.settings.labels != settings.labels:
            raise BadInput(f"{store.database.where} holds a task with other labels than the study's; name another --db")
        else:
            if study.file.question and store.settings.question != study.file.question:
                store.update_settings(question=study.file.question)
            store.update_settings(check_rate=settings.check_rate)
        open_study(store, study, affectml=__version__, by=by)
        warn_of(store, warnings_in(dataset))
    except BaseException:
        store.close()
        raise
    return store
