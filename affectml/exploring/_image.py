"""One image, large: what people answered, what each run says, the nearest images, and copies of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectml.duplicates import PROPOSE, copies_of
from affectml.errors import AffectmlError, BadInput
from affectml.pictures import ImageLike, one_by_one, pictures
from affectml_annotation.judgements import ANSWERS

if TYPE_CHECKING:
    from PIL.Image import Image

    from affectml.exploring._collection import Collection

NEAREST = 12


@dataclass(frozen=True)
class PeopleSaid:
    """What people say of an image. n: how many were asked, None where nobody knows. shares: by label. answers: who, in
    which round, and what, in words; without names people are numbered in an order of no meaning. remarks: who, and the
    note, or "flagged"."""

    n: int | None
    shares: Mapping[str, float]
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
    said, notes, near = [], [], []
    for run in found.runs_by_name.values():
        if rates := run.of(index):
            said.append(RunSaid(run.name, rates, run.set_of(index), str(run.split[index]), run.promise))
        else:
            notes.append(f"{run.name} says nothing of this image")
    if searcher is None or not searcher.has(index):
        notes.append("no embedding, so no nearest images")
    else:
        near = _nearest(found, searcher.fits(index), but=index)
    copies = _copies(found, _read(found, index), near) if near else ()
    file, listed, people = found.file(index), found.listed_of(image_id), _people_said(found, index, names)
    return Detail(index, image_id, file, people, tuple(said), tuple(near), copies, listed, tuple(notes))


def detail_of_own(found: "Collection", image: ImageLike) -> Detail:
    """See `Collection.look`."""
    from affectml.predicting import predict_images

    given = pictures(one_by_one(image))
    if len(given) != 1:
        raise BadInput(f"expected one image, got {len(given):,}; name the file")
    content = given[0].read()
    said, notes, near = [], [], []
    for run in found.runs_by_name.values():
        try:
            encoder = partial(found.encoders.of_run, run.folder)
            (answer,) = predict_images(run.folder, given[0], encoder_factory=encoder)
        except AffectmlError as error:  # a run on embeddings made elsewhere, or weights that are not here
            notes.append(f"{run.name}: {error}")
            continue
        best, labels = dict(answer.best), None if answer.labels is None else tuple(answer.labels)
        said.append(RunSaid(run.name, {label: best[label] for label in run.taxonomy.labels}, labels, "", run.promise))
    try:
        vector = found.searching().encoder().encode_images([content])[0].numpy().astype(np.float16)
        near = _nearest(found, found.searching().cosines(vector))
    except AffectmlError as error:
        notes.append(f"no nearest images: {error}")
    copies = _copies(found, content, near)
    return Detail(-1, given[0].name, "", None, tuple(said), tuple(near), copies, (), tuple(notes))


def _people_said(found: "Collection", index: int, names: bool) -> PeopleSaid | None:
    people, (judged, remarks) = found.people, found.judgements.of(index)
    shares = {} if people is None else people.of(index)
    n = int(people.asked[index]) if people is not None and people.asked is not None and shares else None
    answered = judged[judged["kind"].isin(ANSWERS)].drop_duplicates("annotator_id")
    if not shares and len(answered):  # since the data set was opened
        n = len(answered)
        shares = {label: sum(label in chosen for chosen in answered["labels"]) / n for label in found.labels}
    if not shares and not len(judged) and not len(remarks):
        return None
    who = _called(str(found.image_id[index]), [*judged["annotator_id"], *remarks["annotator_id"]], names)
    shown, order = {} if found.taxonomy is None else found.taxonomy.displays, list(who.values())
    answers = [
        (who[row["annotator_id"]], int(row["round"]), _answer(row["kind"], row["labels"], shown))
        for row in judged.to_dict("records")
    ]
    answers.sort(key=lambda one: (order.index(one[0]), one[1]))
    notes = zip(remarks["annotator_id"].map(who), remarks["note"].fillna("flagged").astype(str), strict=True)
    return PeopleSaid(n, shares, tuple(answers), tuple(sorted(notes)))


def _answer(kind: str, labels: Sequence[str] | None, shown: Mapping[str, str]) -> str:
    if labels is not None and len(labels):
        return ", ".join(shown.get(label, label) for label in map(str, labels))
    return "none of these" if kind == "none" else str(kind)


def _called(image_id: str, people: Sequence[str], names: bool) -> dict[str, str]:
    """What each of these is called: by name, or a number that says nothing across images."""
    ids = sorted(set(people), key=lambda who: who if names else hashlib.sha256(f"{image_id}\0{who}".encode()).digest())
    return {who: who if names else f"person {number}" for number, who in enumerate(ids, 1)}


def _nearest(found: "Collection", cosines: NDArray[np.float32], but: int = -1) -> list[Near]:
    """The images of the highest cosines, best first."""
    known = np.where(np.isfinite(cosines), cosines, -np.inf)
    if but >= 0:
        known[but] = -np.inf
    some = np.argpartition(-known, min(NEAREST, len(known) - 1))[:NEAREST]
    some = some[np.lexsort((some, -known[some]))]
    return [_near(found, int(at), float(known[at]), "near") for at in some if np.isfinite(known[at])]


def _near(found: "Collection", index: int, likeness: float, kind: str) -> Near:
    shares = {} if found.people is None else found.people.of(index)
    return Near(index, str(found.image_id[index]), likeness, kind, shares)


def _copies(found: "Collection", own: "Image | None", nearest: Sequence[Near]) -> tuple[Near, ...]:
    """Those of the nearest that show the same picture, as an audit compares them."""
    near = [each.index for each in nearest if own is not None and each.likeness >= PROPOSE]
    others = {str(at): image for at in near if (image := _read(found, at)) is not None}
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
