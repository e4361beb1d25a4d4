"""One image, large: what people answered, what each run says, the nearest images, and copies of it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data import Targets
from affectml.duplicates import LIKENESS, PROPOSE, Picture, digest, likenesses
from affectml.errors import AffectmlError, BadInput
from affectml.exploring._beside import Beside
from affectml.exploring._encoders import Encoders
from affectml.exploring._runs import KnownRun
from affectml.exploring._search import Searcher
from affectml.pictures import ImageLike, one_by_one, pictures
from affectml.taxonomies import Taxonomy

if TYPE_CHECKING:
    from PIL.Image import Image

    from affectml.encoders import Encoder
    from affectml.pictures import Picture as Given

NEAREST = 12
Array = NDArray[Any]


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


@dataclass(frozen=True)
class Details:
    """Tells what is known of one image of a collection, whose parts it is given; `encoder`: of its embeddings."""

    image_id: Array
    index: "pd.Index[Any]"
    targets: Targets | None
    taxonomy: Taxonomy | None
    runs: Mapping[str, KnownRun]
    searcher: Searcher | None
    beside: Beside
    encoders: Encoders
    encoder: Callable[[], "Encoder"]

    def of(self, index: int, *, names: bool = False) -> Detail:
        """See `Collection.detail`."""
        image_id = str(self.image_id[index])
        runs = tuple(said for run in self.runs.values() if (said := _run_said(run, index)) is not None)
        notes = [f"{run} says nothing of this image" for run in self.runs if run not in {said.run for said in runs}]
        near: tuple[Near, ...] = ()
        copies: tuple[Near, ...] = ()
        searcher = self.searcher
        if searcher is None or not searcher.has(index):
            notes.append("no embedding, so no nearest images")
        else:
            near = self._nearest(searcher.kept(f"like:{image_id}", lambda: searcher.vector(index)), but=index)
            own = self._read(index)
            copies = () if own is None else self._copies(own, near)
        return Detail(
            index, image_id, self.beside.file(index), self._people_said(index, names), runs, near, copies,
            self.beside.listed_in_words(image_id), tuple(notes),
        )  # fmt: skip

    def of_own(self, image: ImageLike) -> Detail:
        """See `Collection.look`."""
        given = pictures(one_by_one(image))
        if len(given) != 1:
            raise BadInput(f"expected one image, got {len(given):,}; name the file")
        picture = given[0]
        content = picture.read()
        said, notes = [], []
        for run in self.runs.values():
            try:
                said.append(self._predicted(run, picture))
            except AffectmlError as error:  # a run on embeddings made elsewhere, or weights that are not here
                notes.append(f"{run.name}: {error}")
        near: tuple[Near, ...] = ()
        try:
            vector = self.encoder().encode_images([content])[0].numpy().astype(np.float16)
        except AffectmlError as error:
            notes.append(f"no nearest images: {error}")
        else:
            assert self.searcher is not None
            near = self._nearest(self.searcher.cosines(vector))
        copies = self._copies(content, near)
        return Detail(-1, picture.name, "", None, tuple(said), near, copies, (), tuple(notes))

    def _predicted(self, run: KnownRun, picture: "Given") -> RunSaid:
        from affectml.predicting import predict_images

        (said,) = predict_images(run.folder, picture, encoder_factory=lambda: self.encoders.of_run(run.folder))
        rates = dict(said.best)
        labels = None if said.labels is None else tuple(said.labels)
        return RunSaid(run.name, {label: rates[label] for label in run.labels}, labels, "", run.promise)

    @cached_property
    def _target_rows(self) -> Array:
        out = np.full(len(self.image_id), -1, dtype=np.int64)
        if self.targets is not None:
            at = self.index.get_indexer(pd.Index(self.targets.image_id, dtype=object))
            out[at] = np.arange(len(self.targets.image_id))
        return out

    def _people(self, index: int) -> Targets | None:
        """What people say of an image, as a target with one row; None where nobody was asked about it."""
        row, all_of_them = int(self._target_rows[index]), self.targets
        if all_of_them is None or row < 0:
            return None
        here = slice(row, row + 1)
        n = None if all_of_them.n is None else all_of_them.n[here]
        return replace(all_of_them, image_id=all_of_them.image_id[here], table=all_of_them.table[here], n=n)

    def _people_said(self, index: int, names: bool) -> PeopleSaid | None:
        asked = self._people(index)
        judged, remarks = self.beside.judged(index, index + 1), self.beside.remarks_of(index)
        if asked is None and not len(judged) and not len(remarks):
            return None
        votes = None
        if asked is not None and asked.votes is not None:
            votes = dict(zip(asked.taxonomy.labels, asked.votes[0].tolist(), strict=True))
        n = None if asked is None or asked.n is None else int(np.max(asked.n))
        everybody = [*judged["annotator_id"], *remarks["annotator_id"]]
        who = _called(str(self.image_id[index]), everybody, names)
        shown = {} if self.taxonomy is None else self.taxonomy.displays
        answers = [
            (who[row["annotator_id"]], int(row["round"]), _answer(row["kind"], row["labels"], shown))
            for row in judged.to_dict("records")
        ]
        said = [
            (who[row["annotator_id"]], str(row["note"]) if pd.notna(row["note"]) else "flagged")
            for row in remarks.to_dict("records")
        ]
        order = list(dict.fromkeys(who.values()))
        answers.sort(key=lambda one: (order.index(one[0]), one[1]))
        return PeopleSaid(n, _shares(asked), votes, tuple(answers), tuple(sorted(said)))

    def _nearest(self, cosines: NDArray[np.float32], but: int = -1) -> tuple[Near, ...]:
        """The images of the highest cosines, best first."""
        known = np.where(np.isfinite(cosines), cosines, -np.inf)
        if but >= 0:
            known[but] = -np.inf
        some = np.argpartition(-known, min(NEAREST, len(known) - 1))[:NEAREST]
        some = some[np.lexsort((some, -known[some]))]
        return tuple(self._near(int(at), float(known[at]), "near") for at in some if np.isfinite(known[at]))

    def _near(self, index: int, likeness: float, kind: str) -> Near:
        return Near(index, str(self.image_id[index]), likeness, kind, _shares(self._people(index)))

    def _copies(self, own: "Image", nearest: Sequence[Near]) -> tuple[Near, ...]:
        """Those of the nearest that show the same picture, as an audit compares them."""
        others = {near.index: read for near in nearest if near.likeness >= PROPOSE and (read := self._read(near.index))}
        if not others:
            return ()
        compared: dict[str, Any] = {"own": Picture(own)} | {str(at): Picture(other) for at, other in others.items()}
        alike = likenesses(compared, [("own", str(at)) for at in others])
        out = []
        for (at, other), value in zip(others.items(), alike.tolist(), strict=True):
            exact = digest(own) == digest(other)
            if exact or value >= LIKENESS:
                out.append(self._near(at, 1.0 if exact else value, "exact" if exact else "cut"))
        return tuple(sorted(out, key=lambda copy: (-copy.likeness, copy.index)))

    def _read(self, index: int) -> "Image | None":
        """The image, where it has a file that can be read."""
        from affectml.encoders import read_image

        try:
            return read_image(self.beside.path(index))
        except AffectmlError:
            return None


def _run_said(run: KnownRun, index: int) -> RunSaid | None:
    """None where it says nothing of the image."""
    rates = run.rates[index]
    if np.isnan(rates).all():
        return None
    part = run.parts[int(run.part[index])]
    return RunSaid(run.name, dict(zip(run.labels, rates.tolist(), strict=True)), run.set_of(index), part, run.promise)


def _answer(kind: str, labels: Sequence[str] | None, shown: Mapping[str, str]) -> str:
    if labels is not None and len(labels):
        return ", ".join(shown.get(label, label) for label in map(str, labels))
    return "none of these" if kind == "none" else str(kind)


def _called(image_id: str, people: Sequence[str], names: bool) -> dict[str, str]:
    """What each of these is called: by name, or a number that says nothing across images."""
    ids = sorted(set(people), key=lambda who: who if names else hashlib.sha256(f"{image_id}\0{who}".encode()).digest())
    return {who: who if names else f"person {number}" for number, who in enumerate(ids, 1)}


def _shares(asked: Targets | None) -> dict[str, float]:
    """People's of one image, by label; nothing where nobody was asked."""
    return {} if asked is None else dict(zip(asked.taxonomy.labels, asked.shares()[0].tolist(), strict=True))
