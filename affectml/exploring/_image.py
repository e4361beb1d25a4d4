"""One image, large: what people answered, what each run says, the nearest images, and copies of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.duplicates import PROPOSE, copies_of
from affectml.errors import AffectmlError, BadInput
from affectml.exploring._columns import Run
from affectml.pictures import ImageLike, one_by_one, pictures

if TYPE_CHECKING:
    from PIL.Image import Image

    from affectml.exploring._collection import Collection
    from affectml.pictures import Picture

NEAREST = 12


@dataclass(frozen=True)
class PeopleSaid:
    """What people say of an image. n: how many were asked, None where nobody knows. shares: by label; votes: how many
    chose it, None where only shares are known. answers: who, in which round, and what, in words; without names people
    are numbered in an order of no meaning. remarks: who, and the note, or "flagged"."""

    n: int | None
    shares: Mapping[str, float]
    votes: Mapping[str, int] | None
    answers: tuple[tuple[str, int, str], ...]
    remarks: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunSaid:
    """What a run says of an image: the rate or share of each label, its set (None where it predicts none), the part of
    the split that the image was in ("" where in none), what sets promise in words ("" where nothing)."""

    run: str
    rates: Mapping[str, float]
    labels: tuple[str, ...] | None
    part: str
    promise: str


@dataclass(frozen=True)
class Near:
    """Another image, and how like it is: a cosine of embeddings, or of copies a likeness of pixels. kind: near, or of
    copies exact (equal pixels) or cut (the same picture, resized, cut or compressed). shares: people's, by label."""

    index: int
    image_id: str
    likeness: float
    kind: str
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Detail:
    """What is known of one image. index: its place, -1 for an image of one's own. file: its path in the data set, ""
    without one. people: None where nobody was asked about it. listed: what an audit says of it, in words. notes: what
    could not be said, and why."""

    index: int
    image_id: str
    file: str
    people: PeopleSaid | None
    runs: tuple[RunSaid, ...]
    nearest: tuple[Near, ...]
    copies: tuple[Near, ...]
    listed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def detail_of(found: "Collection", index: int, names: bool) -> Detail:
    """See `Collection.detail`."""
    image_id, searcher = str(found.image_id[index]), found.searcher
    runs = tuple(said for run in found.runs_by_name.values() if (said := _run_said(run, index)) is not None)
    notes = [f"{run} says nothing of this image" for run in found.runs if run not in {said.run for said in runs}]
    near: tuple[Near, ...] = ()
    copies: tuple[Near, ...] = ()
    if searcher is None or not searcher.has(index):
        notes.append("no embedding, so no nearest images")
    else:
        near = _nearest(found, searcher.fits(index), but=index)
        copies = _copies(found, _read(found, index), near)
    return Detail(
        index, image_id, found.file(index), _people_said(found, index, names), runs, near, copies,
        found.listed_of(image_id), tuple(notes),
    )  # fmt: skip


def detail_of_own(found: "Collection", image: ImageLike) -> Detail:
    """See `Collection.look`."""
    given = pictures(one_by_one(image))
    if len(given) != 1:
        raise BadInput(f"expected one image, got {len(given):,}; name the file")
    content = given[0].read()
    said, notes = [], []
    for run in found.runs_by_name.values():
        try:
            said.append(_predicted(found, run, given[0]))
        except AffectmlError as error:  # a run on embeddings made elsewhere, or weights that are not here
            notes.append(f"{run.name}: {error}")
    near: tuple[Near, ...] = ()
    try:
        searcher = found.searching()
        vector = searcher.encoder().encode_images([content])[0].numpy().astype(np.float16)
        near = _nearest(found, searcher.cosines(vector))
    except AffectmlError as error:
        notes.append(f"no nearest images: {error}")
    return Detail(
        -1, given[0].name, "", None, tuple(said), near, _copies(found, content, near), (), tuple(notes)
    )  # fmt: skip


def _run_said(run: Run, index: int) -> RunSaid | None:
    """None where it says nothing of the image."""
    rates = run.of(index)
    return RunSaid(run.name, rates, run.set_of(index), run.parts[run.part[index]], run.promise) if rates else None


def _predicted(found: "Collection", run: Run, picture: "Picture") -> RunSaid:
    from affectml.predicting import predict_images

    (said,) = predict_images(run.folder, picture, encoder_factory=lambda: found.encoders.of_run(run.folder))
    rates, labels = dict(said.best), None if said.labels is None else tuple(said.labels)
    return RunSaid(run.name, {label: rates[label] for label in run.taxonomy.labels}, labels, "", run.promise)


def _people_said(found: "Collection", index: int, names: bool) -> PeopleSaid | None:
    people, (judged, remarks) = found.people, found.judgements.of(index)
    shares = {} if people is None else people.of(index)
    if not shares and not len(judged) and not len(remarks):
        return None
    n = int(people.asked[index]) if people is not None and people.asked is not None and shares else None
    votes = None
    if people is not None and people.counted and n is not None:
        votes = {label: round(share * n) for label, share in shares.items()}
    who = _called(str(found.image_id[index]), [*judged["annotator_id"], *remarks["annotator_id"]], names)
    shown = {} if found.taxonomy is None else found.taxonomy.displays
    answers = [
        (who[row["annotator_id"]], int(row["round"]), _answer(row["kind"], row["labels"], shown))
        for row in judged.to_dict("records")
    ]
    said = [
        (who[row["annotator_id"]], str(row["note"]) if pd.notna(row["note"]) else "flagged")
        for row in remarks.to_dict("records")
    ]
    order = list(who.values())
    answers.sort(key=lambda one: (order.index(one[0]), one[1]))
    return PeopleSaid(n, shares, votes, tuple(answers), tuple(sorted(said)))


def _answer(kind: str, labels: Sequence[str] | None, shown: Mapping[str, str]) -> str:
    if labels is not None and len(labels):
        return ", ".join(shown.get(label, label) for label in map(str, labels))
    return "none of these" if kind == "none" else str(kind)


def _called(image_id: str, people: Sequence[str], names: bool) -> dict[str, str]:
    """What each of these is called: by name, or a number that says nothing across images."""
    ids = sorted(set(people), key=lambda who: who if names else hashlib.sha256(f"{image_id}\0{who}".encode()).digest())
    return {who: who if names else f"person {number}" for number, who in enumerate(ids, 1)}


def _nearest(found: "Collection", cosines: NDArray[np.float32], but: int = -1) -> tuple[Near, ...]:
    """The images of the highest cosines, best first."""
    known = np.where(np.isfinite(cosines), cosines, -np.inf)
    if but >= 0:
        known[but] = -np.inf
    some = np.argpartition(-known, min(NEAREST, len(known) - 1))[:NEAREST]
    some = some[np.lexsort((some, -known[some]))]
    return tuple(_near(found, int(at), float(known[at]), "near") for at in some if np.isfinite(known[at]))


def _near(found: "Collection", index: int, likeness: float, kind: str) -> Near:
    shares = {} if found.people is None else found.people.of(index)
    return Near(index, str(found.image_id[index]), likeness, kind, shares)


def _copies(found: "Collection", own: "Image | None", nearest: Sequence[Near]) -> tuple[Near, ...]:
    """Those of the nearest that show the same picture, as an audit compares them."""
    near = [each.index for each in nearest if each.likeness >= PROPOSE]
    others = {str(at): image for at in near if own is not None and (image := _read(found, at)) is not None}
    copies = [] if own is None else copies_of(own, others)
    out = [_near(found, int(at), value, "exact" if exact else "cut") for at, value, exact in copies]
    return tuple(sorted(out, key=lambda copy: (-copy.likeness, copy.index)))


def _read(found: "Collection", index: int) -> "Image | None":
    """The image, where it has a file that can be read."""
    from affectml.encoders import read_image

    try:
        return read_image(found.path(index))
    except AffectmlError:
        return None
