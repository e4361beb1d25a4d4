"""What a labelling task is: the labels, the question, and how images are handed out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any, Literal

import sqlalchemy as sa

from affectml_annotation.errors import StoreError, did_you_mean
from affectml_annotation.languages import marked
from affectml_annotation.store.earlier import as_now, stopped_early
from affectml_annotation.store.engine import where_of
from affectml_annotation.store.place import way_back
from affectml_annotation.store.schema import setting

Strategy = Literal["random", "fill", "stratified", "priority", "queue"]
STRATEGIES = ("random", "fill", "stratified", "priority", "queue")
# What people are asked, by what the labels are about, unless a task says otherwise.
QUESTIONS = {
    "evoked": marked("Which of these feelings does this image evoke in you? Choose all that apply, or none."),
    "expressed": marked("Which of these feelings does the person in this image show? Choose all that apply, or none."),
    "intended": marked("Which of these feelings did the maker of this image intend? Choose all that apply, or none."),
    "query": marked("Which of these words fit this image? Choose all that apply, or none."),
}
CONSTRUCTS = tuple(QUESTIONS)
STOPPED = "stopped_early"  # the key of how images stopped early, in a task from when they could


@dataclass(frozen=True)
class TaskSettings:
    """One task, kept in the store and exported with its answers.

    labels: in taxonomy order. question: what people are asked, word for word. construct: what the labels are
    about. taxonomy: a name or a taxonomy's content, for the exported data set; None makes one of the labels.
    """

    labels: tuple[str, ...]
    question: str
    construct: str = "evoked"
    name: str = "labels"
    taxonomy: str | Mapping[str, Any] | None = None
    # How many different people answer each image. More people show more of the spread; 5 is common.
    overlap: int = 3
    # So many skips at an image (and answers that somebody is unsure, and flags) let one more person see it; None: as
    # many as `overlap`.
    skips: int | None = None
    # random; fill: finish started images first; stratified: strata in turn; priority: highest first (a model's
    # uncertainty, people's disagreement); queue: only images put in the queue. Queued images always come first.
    strategy: Strategy = "random"
    # An image claimed and not answered for so long goes to somebody else.
    lease_seconds: float = 900.0
    # Shares of what a person sees that are attention checks, and images they have answered before.
    check_rate: float = 0.0
    repeat_rate: float = 0.0
    # How many other images lie at least between an image and its repeat.
    repeat_gap: int = 20
    # Of second looks, the share that sees no suggestion: without them anchoring cannot be told from second thoughts.
    control_share: float = 0.5
    # random: an order of label chips per annotator, always the same for one person; taxonomy: the labels' order.
    chip_order: Literal["random", "taxonomy"] = "random"
    seed: int = 0
    # A backup is made so many hours after the one before, once something has changed; 0: none. So many of the newest
    # are kept, and of older ones the newest of each of so many days: see `store.keeping`.
    backup_hours: float = 1.0
    backups_kept: int = 24
    backup_days: int = 7

    def __post_init__(self) -> None:
        problems = {
            "labels": bool(self.labels) and len(set(self.labels)) == len(self.labels),
            "construct": self.construct in CONSTRUCTS,
            "strategy": self.strategy in STRATEGIES,
            "overlap": self.overlap >= 1,
            "skips": self.most_skips >= 0,
            "lease_seconds": self.lease_seconds > 0,
            "check_rate": 0 <= self.check_rate < 1,
            "repeat_rate": 0 <= self.repeat_rate < 1 and self.check_rate + self.repeat_rate < 1,
            "repeat_gap": self.repeat_gap >= 1,
            "control_share": 0 <= self.control_share <= 1,
            "chip_order": self.chip_order in ("random", "taxonomy"),
            "question": bool(self.question.strip()),
            "backup_hours": isfinite(self.backup_hours) and self.backup_hours >= 0,
            "backups_kept": self.backups_kept >= 1,
            "backup_days": self.backup_days >= 0,
        }
        for name, good in problems.items():
            if not good:
                choices = {"strategy": STRATEGIES, "construct": CONSTRUCTS}.get(name)
                expected = f"expected one of {', '.join(choices)}" if choices else "see TaskSettings"
                raise StoreError(f"task setting {name}: {getattr(self, name)!r} cannot be; {expected}")

    @property
    def most_skips(self) -> int:
        """So many skips at an image let one more person see it."""
        return self.overlap if self.skips is None else self.skips

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"labels": list(self.labels)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TaskSettings":
        """Read what `to_dict` gave; an unknown name is an error that names the nearest one."""
        check_names(values, cls, "task setting")
        return cls(**{**values, "labels": tuple(values["labels"])})


def check_names(values: Mapping[str, Any], known: type, what: str) -> None:
    """Raise StoreError for the first name that a dataclass has not, with the nearest one that it has."""
    names = [field.name for field in fields(known)]
    for name in values:
        if name not in names:
            raise StoreError(f"no {what} {name!r}{did_you_mean(name, names)}")


def read_setting(connection: sa.Connection, key: str) -> Any:
    """What is kept under a key; None where nothing is."""
    return connection.scalar(sa.select(setting.c.value).where(setting.c.key == key))


def write_setting(connection: sa.Connection, key: str, value: Any) -> None:
    """Keep a value under a key, in place of what was there."""
    if not connection.execute(setting.update().where(setting.c.key == key).values(value=value)).rowcount:
        connection.execute(setting.insert().values(key=key, value=value))


def how_stopped(connection: sa.Connection) -> Mapping[str, Any] | None:
    """How images of this task stopped early, in one from when they could (min, max, mean, until, whole); else None."""
    kept: Mapping[str, Any] | None = read_setting(connection, STOPPED)
    return kept or stopped_early(*(read_setting(connection, key) for key in ("task", "stopped", "whole")))


def read_settings(connection: sa.Connection) -> TaskSettings:
    """The task's settings."""
    value = read_setting(connection, "task")
    if value is None:
        raise StoreError("this database holds no task yet; `affectml label init DATASET --db URL` makes one")
    try:
        return TaskSettings.from_dict(as_now(value))  # a database that is only read may be an earlier version's
    except (TypeError, AttributeError, LookupError) as error:
        where = where_of(connection.engine.url)
        raise StoreError(f"{where}: the task's settings are damaged ({error!r:.200}); {way_back(where)}") from None
