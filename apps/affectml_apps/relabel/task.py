"""A data set and its label store, opened once per process and shared by every page and route."""

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow.parquet as pq

from affectml.cli.pages import Labelling, read_page
from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.people import labelling
from affectml.people.studies import begin
from affectml.taxonomies import Taxonomy, get_taxonomy
from affectml_annotation import LabelStore, Task, languages
from affectml_annotation.store.place import default_database
from affectml_annotation.store.schema import read_setting
from affectml_annotation.study import running
from affectml_annotation.study.screen import label_words, offered
from affectml_apps.relabel import queries
from affectml_apps.relabel.identity import read_secret
from affectml_apps.serving import Served

DATA = Path("data")  # where data sets are made that nobody named a place for
DEMO = DATA / "demo"
Text = Literal["question", "instructions", "warning"]  # that the lead writes for people
RECENT_SECONDS = 5.0
PATIENCE = 4.0  # seconds that a page waits for the database before it says so: a slow disk is no outage


class Options(Labelling):
    """Where the images are, where the answers go, who may lead."""

    @property
    def root(self) -> Path:
        """The data set's folder."""
        if self.named is not None:
            return self.named
        if self.images is None:
            return DEMO
        name = self.images.resolve().name or "images"
        return DATA / (f"{name}-images" if name == DEMO.name else name)

    @property
    def store_url(self) -> str:
        """The database: without --db that of `affectml label` too."""
        if self.db is not None:
            return self.db
        return str(default_database(self.root))


@dataclass
class LabelTask:
    """One labelling task: what is labelled, where answers go, what the page may show.

    originals: image -> the data set's own single label.
    only_here: nobody but this machine reaches the server. starter: who started it to label images of their own; no
    page asks them anything first.
    """

    dataset: Dataset
    store: LabelStore
    taxonomy: Taxonomy
    secret: str
    originals: Mapping[str, str] = field(default_factory=dict)
    leads: tuple[str, ...] = ()
    only_here: bool = True
    starter: str | None = None

    def __post_init__(self) -> None:
        # one for each annotator: two tabs of one person go one after the other
        self.locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._left: dict[tuple[str, int], tuple[tuple[int, int], float]] = {}
        self.is_study = self.file.is_study  # whether strangers take part, which stays while a page is open

    @property
    def file(self) -> Task:
        """The task's file as it is now: it may have been changed here, on another server, or on the command line."""
        return self.store.task

    def said(self, labels: Iterable[str]) -> str:
        """Labels as people read them, in one line."""
        return ", ".join(map(self.taxonomy.display, labels))

    def offered(self, who: str | None = None) -> tuple[str, ...]:
        """The languages that somebody may choose from, the task's own first: the study's, or those the lead chose."""
        return offered(self.store, who) if self.is_study else self.file.languages

    def taxonomy_for(self, who: str) -> Taxonomy:
        """The labels as somebody reads them: in the task's own words, of a study in those that they agreed to."""
        file = self.file
        words = label_words(self.store, who) if file.is_study else {file.languages[0]: file.words}
        return labelling.with_words(self.taxonomy, words)

    def text(self, name: Text) -> str:
        """What the lead wrote for people, in the language that is spoken if it is there; ours, from the catalogue."""
        file = self.file
        own = file.question if name == "question" else str(getattr(file.page, name))
        return getattr(file.texts.get(languages.current()), name, "") or (own and languages._(own))

    @property
    def left_out(self) -> int:
        """How many images of the data set have no file on this machine (only a url), and so are not shown."""
        return int(pq.read_table(self.dataset.root / "images.parquet", columns=["file"])["file"].null_count)

    def begin_as(self, who: str) -> None:
        """Let the person who started the server label their own images at once, without door and consent."""
        if queries.person(self.store, who) is None:
            self.store.invite([who])
            self.store.consent(who)
        self.starter = who

    def left_for(self, who: str, round_number: int, rounds: list[int]) -> tuple[int, int]:
        """How many images of a round this person could still be given, and of how many in all.

        rounds: those whose answers count with it. At most some seconds old: counting a large task takes a while.
        """
        found, then = self._left.get((who, round_number), (None, -math.inf))
        if found is None or time.monotonic() - then > RECENT_SECONDS:
            left = queries.left_for(self.store, who, round_number)
            found = left, left + queries.answered_count(self.store, who, rounds)
            self._left[who, round_number] = found, time.monotonic()
        return found


def parse_arguments(arguments: Sequence[str]) -> Options:
    """What stands after `streamlit run apps/relabel.py --`; a usage message for anything else ends the program."""
    return read_page("relabel", Options, arguments)


def open_task(options: Options, say: Callable[[str], None] = lambda line: None) -> LabelTask:
    """Open the data set and the store; draw the demo set and set the task up where they are not there yet.

    Raises AffectmlError or AnnotationError, one line each, for anything the user can mend.
    """
    folder = options.study
    if folder is None:
        dataset = _open_dataset(options, say)
        store = LabelStore(options.store_url)
    else:
        store = begin(folder, options.db, by="the server", say=say)
    try:
        what = "study" if folder else "labelling task" if store.has_task else "new labelling task"
        if folder is None:
            task = _task_of(options, dataset, store)
        else:
            dataset, taxonomy = Dataset.open(folder / store.task.dataset), labelling.labels_of(store.task)
            task = LabelTask(dataset, store, taxonomy, read_secret(store), leads=options.lead)
        file = store.task
        say(f"{what} in {store.database.where}: {len(file.labels)} labels, {file.question}")
        store.database.wait_at_most(PATIENCE)
        return task
    except BaseException:
        store.close()
        raise


def _task_of(options: Options, dataset: Dataset, store: LabelStore) -> LabelTask:
    """The task of a database without strangers, which is set up if it has none."""
    there = store.task if store.has_task else None
    if there and store.database.reading(read_setting, running.KEY) is not None:
        raise BadInput(
            f"{options.store_url} holds a study, whose people come in by a door of its own: "
            "`affectml study run OUT` starts it, or name another --db"
        )
    if there:
        shown = labelling.with_files(dataset, dataset.images)  # such a task can only take judgements made elsewhere
        if options.images is not None:
            store.add_images(shown[["image_id", "file"]])
    taxonomy = _taxonomy(dataset, options, there)
    file = there or _set_up(options, dataset, store)
    if not set(file.labels) <= set(taxonomy.labels):
        raise BadInput(
            f"{options.store_url} holds a task with the labels {', '.join(file.labels)}, not those of "
            f"{taxonomy.name}; name another --db, or the task's own --taxonomy"
        )
    store.note_dataset(dataset.root)
    originals = _originals(dataset, options.target)
    dataset = Dataset.open(dataset.root)  # afresh: tables that were read for the set-up are not kept
    secret = read_secret(store)
    return LabelTask(dataset, store, taxonomy, secret, originals, options.lead)


def _open_dataset(options: Options, say: Callable[[str], None]) -> Dataset:
    if options.images is not None:
        return labelling.open_photographs(options.images, options.root, taxonomy=options.taxonomy, say=say)
    if options.named is not None or (DEMO / "dataset.json").exists():
        return Dataset.open(options.root)
    from affectml.demo_set import write_demo

    say(f"no data set named: drawing the demo set in {DEMO} (paintings by our own code)")
    return write_demo(DEMO)


def _taxonomy(dataset: Dataset, options: Options, there: Task | None) -> Taxonomy:
    """The labels asked for; else those that the task was set up with; else the data set's."""
    if options.taxonomy is not None:
        return get_taxonomy(options.taxonomy)
    if there is None or options.target is not None or not there.taxonomy:
        return labelling.taxonomy_of(dataset, options.target)
    return labelling.labels_of(there)


def _set_up(options: Options, dataset: Dataset, store: LabelStore) -> Task:
    keys = {"overlap": 1} if options.images is not None else {}  # one's own photographs; more by the task's file
    file, images = labelling.make_task(
        dataset, *labelling.task_file(None, options.taxonomy, target=options.target or "", **keys)
    )
    store.init_task(file, labelling.with_files(dataset, images)[["image_id", "file"]], dataset=dataset.root)
    return store.task


def _originals(dataset: Dataset, target: str | None) -> dict[str, str]:
    """The single label of each image, where the data set has one."""
    single = [name for name, entry in dataset.meta.targets.items() if entry.kind == "single"]
    if not single:
        return {}
    targets = dataset.target(target if target in single else single[0])
    names = pd.Series(targets.taxonomy.labels)
    return dict(zip(map(str, targets.image_id), names[targets.table.argmax(axis=1)], strict=True))


current: Served[LabelTask] = Served("apps/relabel.py")
