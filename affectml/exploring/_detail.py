"""One image, large: what people answered, what each run says, the nearest images, and copies of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.duplicates._find import PROPOSE
from affectml.duplicates._pixels import LIKENESS, Picture, digest, likenesses
from affectml.errors import AffectmlError, BadInput
from affectml.pictures import ImageLike, one_by_one, pictures

if TYPE_CHECKING:
    from PIL.Image import Image

    from affectml.data import Targets
    from affectml.exploring._collection import Collection
    from affectml.exploring._runs import KnownRun
    from affectml.pictures import Picture as Given

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


def detail_of(found: "Collection", index: int, *, names: bool = False) -> Detail:
    """See `Collection.detail`."""
    image_id = str(found.image_id[index])
    runs = tuple(said for run in found._runs_by_name.values() if (said := _run_said(run, index)) is not None)
    notes = [f"{run} says nothing of this image" for run in found.runs if run not in {said.run for said in runs}]
    nearest: tuple[Near, ...] = ()
    copies: tuple[Near, ...] = ()
    if found.searcher is None or not found.searcher.has(index):
        notes.append("no embedding, so no nearest images")
    else:
        near = _nearest(found, found.searcher.kept(f"like:{image_id}", lambda: found._vector(index)), but=index)
        own = _read(found, index)
        copies, nearest = (() if own is None else _copies(found, own, near)), near
    return Detail(
        index, image_id, found.file(index), _people_said(found, index, names), runs, nearest, copies,
        found._beside.listed_in_words(image_id), tuple(notes),
    )  # fmt: skip


def look_at(found: "Collection", image: ImageLike) -> Detail:
    """See `Collection.look`."""
    given = pictures(one_by_one(image))
    if len(given) != 1:
        raise BadInput(f"expected one image, got {len(given):,}; name the file")
    picture = given[0]
    content = picture.read()
    said, notes = [], []
    for run in found._runs_by_name.values():
        try:
            said.append(_predicted(found, run, picture))
        except AffectmlError as error:  # a run on embeddings made elsewhere, or weights that are not here
            notes.append(f"{run.name}: {error}")
    nearest: tuple[Near, ...] = ()
    copies: tuple[Near, ...] = ()
    try:
        vector = found._encoder.encode_images([content])[0].numpy().astype(np.float16)
    except AffectmlError as error:
        notes.append(f"no nearest images: {error}")
    else:
        assert found.searcher is not None
        nearest = _nearest(found, found.searcher.cosines(vector))
        copies = _copies(found, content, nearest)
    return Detail(-1, picture.name, "", None, tuple(said), nearest, copies, (), tuple(notes))


def _run_said(run: "KnownRun", index: int) -> RunSaid | None:
    """None where it says nothing of the image."""
    rates = run.rates[index]
    if np.isnan(rates).all():
        return None
    part = run.parts[int(run.part[index])]
    return RunSaid(run.name, dict(zip(run.labels, rates.tolist(), strict=True)), run.set_of(index), part, run.promise)


def _predicted(found: "Collection", run: "KnownRun", picture: "Given") -> RunSaid:
    from affectml.predicting import predict_images

    (said,) = predict_images(run.folder, picture, encoder_factory=lambda: found._encoder_of(run))
    rates = dict(said.best)
    labels = None if said.labels is None else tuple(said.labels)
    return RunSaid(run.name, {label: rates[label] for label in run.labels}, labels, "", run.promise)


def _people_said(found: "Collection", index: int, names: bool) -> PeopleSaid | None:
    asked = found._people(index)
    judged, remarks = found._beside.judged(index, index + 1), found._beside.remarks_of(index)
    if asked is None and not len(judged) and not len(remarks):
        return None
    votes, n = None, None
    if asked is not None:
        if asked.votes is not None:
            votes = dict(zip(asked.taxonomy.labels, asked.votes[0].tolist(), strict=True))
        n = None if asked.n is None else int(np.max(asked.n))
    everybody = [*judged["annotator_id"], *remarks["annotator_id"]]
    who = _called(str(found.image_id[index]), everybody, names)
    shown = {} if found.taxonomy is None else found.taxonomy.displays
    answers = [
        (who[person], int(turn), _answer(kind, labels, shown))
        for person, turn, kind, labels in zip(
            judged["annotator_id"], judged["round"], judged["kind"], judged["labels"], strict=True
        )
    ]
    said = [
        (who[row["annotator_id"]], str(row["note"]) if pd.notna(row["note"]) else "flagged")
        for row in remarks.to_dict("records")
    ]
    order = list(dict.fromkeys(who.values()))
    answers.sort(key=lambda one: (order.index(one[0]), one[1]))
    return PeopleSaid(n, _shares(asked), votes, tuple(answers), tuple(sorted(said)))


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
    return Near(index, str(found.image_id[index]), likeness, kind, _shares(found._people(index)))


def _shares(asked: "Targets | None") -> dict[str, float]:
    """People's of one image, by label; nothing where nobody was asked."""
    return {} if asked is None else dict(zip(asked.taxonomy.labels, asked.shares()[0].tolist(), strict=True))


def _copies(found: "Collection", own: "Image", nearest: Sequence[Near]) -> tuple[Near, ...]:
    """Those of the nearest that show the same picture, as `affectml duplicates --near` compares them."""
    others = {near.index: read for near in nearest if near.likeness >= PROPOSE and (read := _read(found, near.index))}
    if not others:
        return ()
    compared: dict[str, Any] = {"own": Picture(own)} | {str(at): Picture(other) for at, other in others.items()}
    alike = likenesses(compared, [("own", str(at)) for at in others])
    out = []
    for (at, other), value in zip(others.items(), alike.tolist(), strict=True):
        exact = digest(own) == digest(other)
        if exact or value >= LIKENESS:
            out.append(_near(found, at, 1.0 if exact else value, "exact" if exact else "cut"))
    return tuple(sorted(out, key=lambda copy: (-copy.likeness, copy.index)))


def _read(found: "Collection", index: int) -> "Image | None":
    """The image, where it has a file that can be read."""
    from affectml.encoders import read_image

    try:
        return read_image(found.path(index))
    except AffectmlError:
        return None
