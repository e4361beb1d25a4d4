"""What goes in and out of the store, as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

Status = Literal["accepted", "conflict", "surplus", "refused"]


@dataclass(frozen=True)
class Claim:
    """An image handed to one person. Until `lease_until` (seconds since 1970) it is theirs to answer.

    place: where it stands in what this person sees, from 0. purpose: task, check, repeat, or the purpose of its
    round. revision: of their current answer here (0: none). draft: what they had begun to say.
    """

    image_id: str
    file: str | None
    round: int
    place: int
    purpose: str
    suggestions_visible: bool
    lease_until: float
    revision: int = 0
    draft: dict[str, Any] | None = None


@dataclass(frozen=True)
class Answer:
    """One judgement as a client sends it.

    event_id: made by the client once per answer, so that sending twice is harmless. base_revision: of the answer
    that the client saw there (0: none). at: seconds since 1970, when it was given. intensities: one number per
    label, in the order of labels. flag: something is wrong with the image, as the note says. language: the code of the
    one in which the page spoke. more: values of further columns (see `columns.COLUMNS`). context: what else is to be
    remembered (order of the chips, client).
    """

    image_id: str
    annotator_id: str
    kind: str
    labels: tuple[str, ...] = ()
    round: int = 1
    event_id: str = field(default_factory=lambda: str(uuid4()))
    base_revision: int = 0
    seconds: float | None = None
    at: float | None = None
    intensities: tuple[float | None, ...] | None = None
    valence: float | None = None
    arousal: float | None = None
    flag: bool = False
    note: str | None = None
    suggestions_visible: bool | None = None
    context: dict[str, Any] | None = None
    language: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipt:
    """What became of an answer. Anything but `refused` is stored for good.

    accepted: it is the current answer, of this revision. conflict: somebody changed the answer in between; both
    are kept, and the current one (revision) stands until a person decides. surplus: its lease had expired and
    others have filled the image; kept, not counted. refused: `error` says why; nothing was stored.
    again: the store had this event_id already; the rest is as the first time.
    """

    event_id: str
    status: Status
    revision: int = 0
    error: str | None = None
    again: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a round is. Times in seconds; rate in answers per hour over the last hour of work, nan before any.

    wanted: answers needed in all; answered: those there (surplus ones not counted); claimed: images out now;
    complete: images with all the answers wanted; seconds_left: at the present rate, nan without one.
    """

    round: int
    images: int
    wanted: int
    answered: int
    claimed: int
    complete: int
    conflicts: int
    annotators: int
    rate: float
    seconds_left: float
