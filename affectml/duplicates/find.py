"""Duplicates: copies with equal pixels, and near ones, which embeddings propose and pixels confirm.

Nothing is chained: every image of a group was compared with the group's first one. Two images that are both like a
third are in one group only if that third one is the first.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affectml._files import replacing, with_column
from affectml._progress import track
from affectml._rows import RowsOnDisk
from affectml.data import Dataset
from affectml.data.groups import names_of, stars
from affectml.duplicates.alike import proposals, twins
from affectml.duplicates.pixels import LIKENESS, Picture, digest, likenesses
from affectml.errors import BadInput, option

if TYPE_CHECKING:
    from PIL.Image import Image

    from affectml.embeddings import EmbeddingStore

PROPOSE = 0.90
ALONE = 0.95  # where there are no pixels to confirm anything

DuplicateKind = Literal["exact", "near", "proposed"]
Pair = tuple[str, str]


@dataclass(frozen=True)
class DuplicateGroup:
    """Images that show one picture.

    kind: exact (equal pixels), near (each confirmed by pixels against the first) or proposed (by embeddings alone,
    without image files to confirm it). image_ids: sorted, but for the first of near and proposed ones. likeness: the
    lowest of an image with the first: 1 (exact), a correlation of pixels (near), or a cosine (proposed).
    """

    kind: DuplicateKind
    image_ids: tuple[str, ...]
    likeness: float


@dataclass(frozen=True)
class Crossing:
    """Two images of one group in different parts of the split."""

    kind: str
    image_id: str
    part: str
    other_id: str
    other_part: str


@dataclass(frozen=True)
class Contradiction:
    """Images of one group with different answers to one target: image_id and labels of each."""

    kind: str
    target: str
    answers: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, eq=False)
class Duplicates:
    """What `find_duplicates` found in a data set.

    pairs: of near and proposed ones, image_id and image_id, each pair compared with each other. proposed, confirmed:
    how many pairs the embeddings proposed, and of how many the pixels agreed. without_file: images whose pixels could
    not be compared.
    """

    dataset: Dataset
    groups: tuple[DuplicateGroup, ...]
    pairs: tuple[tuple[str, str, str], ...]
    proposed: int
    confirmed: int
    without_file: int

    def crossings(self) -> list[Crossing]:
        """Pairs of duplicates that the data set's own split parts; of near ones, pairs that were compared."""
        if "split" not in self.dataset.images.columns:
            return []
        parts = self.dataset.images.set_index("image_id")["split"].dropna().to_dict()
        exact = (("exact", *pair) for group in self.of("exact") for pair in itertools.combinations(group.image_ids, 2))
        return [
            Crossing(kind, one, parts[one], other, parts[other])
            for kind, one, other in (*exact, *self.pairs)
            if one in parts and other in parts and parts[one] != parts[other]
        ]

    def contradictions(self) -> list[Contradiction]:
        """Groups whose images have different labels: other sets, or votes without a common most chosen label."""
        found = []
        for name in self.dataset.meta.targets:
            targets = self.dataset.target(name)
            rows = {str(image): row for row, image in enumerate(targets.image_id)}
            plain = targets.meta.values == "indicator"
            for group in self.groups:
                answers = []
                for image in (image for image in group.image_ids if image in rows):
                    shares = targets.table[rows[image]]
                    top = shares == 1 if plain else (shares == shares.max()) & (shares > 0)
                    answers.append((image, tuple(np.array(targets.taxonomy.labels, dtype=object)[top])))
                sets = {frozenset(labels) for _, labels in answers}
                if len(sets) > 1 and (plain or not frozenset.intersection(*sets)):
                    found.append(Contradiction(group.kind, name, tuple(answers)))
        return found

    def notes(self) -> list[str]:
        """What was compared and found, in words."""
        images = len(self.dataset.images)
        exact = self.of("exact")
        more = sum(len(group.image_ids) - 1 for group in exact)
        lines = [f"{images:,} images: {more:,} have the pixels of another, in {len(exact):,} groups"]
        if self.without_file:
            lines.append(f"{self.without_file:,} of them have no image file, so their pixels cannot be compared")
        if self.proposed:
            alone = sum(kind == "proposed" for kind, *_ in self.pairs)
            lines.append(f"{self.proposed:,} pairs proposed by embeddings: pixels confirm {self.confirmed:,}")
            if alone:
                lines[-1] += f", and {alone:,} have no pixels to confirm them (they are not written)"
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain values: notes, groups, the pairs that the split parts, and groups with contradicting labels."""
        return {
            "images": len(self.dataset.images),
            "without_file": self.without_file,
            "proposed": self.proposed,
            "confirmed": self.confirmed,
            "groups": [asdict(group) for group in self.groups],
            "crossings": [asdict(pair) for pair in self.crossings()],
            "contradictions": [
                {"kind": found.kind, "target": found.target, "answers": {i: list(said) for i, said in found.answers}}
                for found in self.contradictions()
            ],
        }

    def of(self, *kinds: str) -> list[DuplicateGroup]:
        """The groups of these kinds."""
        return [group for group in self.groups if group.kind in kinds]

    def write(self) -> Path | None:
        """Set the `group` column of images.parquet, so that no later split parts duplicates; proposed ones are not.

        Groups that were there stay, and become one where duplicates join them. The old file stays beside the new.
        Returns its path, or None where nothing had to be written.
        """
        from affectml_annotation.exchange.files import keep, writing_in_turn

        path = self.dataset.root / "images.parquet"
        with writing_in_turn(self.dataset.root):
            table = pq.read_table(path)  # not as pandas reads it: integers with gaps would become fractions
            ids = [str(image) for image in table["image_id"].to_pylist()]
            before = table["group"].to_pylist() if "group" in table.column_names else [None] * len(ids)
            names = [None if pd.isna(name) else str(name) for name in before]
            now = names_of(ids, names, [group.image_ids for group in self.of("exact", "near")])
            if now == names:
                return None
            kept = keep(path)
            with replacing(path) as temporary:
                pq.write_table(with_column(table, "group", now), temporary)
        return kept


def find_duplicates(
    dataset: Dataset, *, near: bool = False, cosine: float | None = None, encoder: str | None = None
) -> Duplicates:
    """Copies in a data set, and with `near` also images that show one picture in another size, cut or compression.

    Args:
        dataset: it is read, and not written to; see `Duplicates.write`.
        near: look for near duplicates too; needs embeddings.
        cosine: how alike embeddings must be to propose a pair. None takes .90; .95 among images without a file.
        encoder: whose embeddings to look at, where there are several.

    Raises:
        BadDataset: for `near` without embeddings, or with several stores and no `encoder`.
        BadInput: for a cosine outside (0, 1], or one so low that it proposes more than two million pairs.
    """
    if cosine is not None and not 0 < cosine <= 1:
        raise BadInput(f"{option('cosine', cosine)}: expected a cosine above 0 and at most 1")
    ids = np.array(sorted(dataset.images["image_id"]), dtype=object)
    files = _files(dataset, ids)
    store = _store(dataset, encoder, near)
    known = ids if store is None else np.setdiff1d(ids, store.missing(ids))
    features = None if store is None else store.rows(known)
    # An image without an embedding may be a copy, too: then all pixels are read.
    copies = same_pixels(dataset, ids, features if len(known) == len(ids) else None)
    groups = [DuplicateGroup("exact", images, 1.0) for images in copies]
    if not near or features is None:
        return Duplicates(dataset, tuple(groups), (), 0, 0, len(ids) - len(files))
    copies_of = {image: group for group in copies for image in group}
    first = np.array([copies_of.get(image, (image,))[0] == image for image in known], dtype=bool)
    alike, proposed = _near(known[first], features[first], cosine, files)
    pairs: list[tuple[str, str, str]] = []
    for kind, found in alike.items():
        for one, other in found:
            both = itertools.product(copies_of.get(one, (one,)), copies_of.get(other, (other,)))
            pairs += [(kind, min(pair), max(pair)) for pair in both]
        for star, likeness in stars(found):
            images = tuple(image for member in star for image in copies_of.get(member, (member,)))
            groups.append(DuplicateGroup(kind, images, likeness))
    return Duplicates(dataset, tuple(groups), tuple(sorted(pairs)), proposed, len(alike["near"]), len(ids) - len(files))


def same_pixels(
    dataset: Dataset, image_ids: Collection[str], features: NDArray[Any] | RowsOnDisk | None = None
) -> list[tuple[str, ...]]:
    """Groups of images with equal pixels (upright, 8-bit RGB), each sorted; images without a readable file have none.

    features: embeddings [N, D] of `image_ids`, in their order. Equal pixels have equal embeddings, so only the few
    images are read that have a twin there; without embeddings, every image that shares its size with another.
    """
    if "file" not in dataset.images.columns:
        return []
    asked = list(image_ids if features is None else itertools.compress(image_ids, twins(features)))
    files = _files(dataset, asked)
    if features is None:
        asked = [image for group in _of_one_size(files) for image in group]
    found = defaultdict(list)
    for image, content in _read(files, [image for image in asked if image in files]):
        found[digest(content)].append(image)
    return sorted(tuple(sorted(group)) for group in found.values() if len(group) > 1)


def _store(dataset: Dataset, encoder: str | None, near: bool) -> "EmbeddingStore | None":
    """The embeddings to look at. Copies are found without any, so several stores only matter for near ones."""
    from affectml.embeddings import EmbeddingStore

    if near or encoder is not None:
        return EmbeddingStore.for_dataset(dataset, encoder)
    stores = [EmbeddingStore.open(path.parent) for path in (dataset.root / "embeddings").glob("*/encoder.json")]
    stores = [store for store in stores if len(store.ids)]
    return stores[0] if len(stores) == 1 else None


def _files(dataset: Dataset, image_ids: Iterable[str]) -> dict[str, Path]:
    """The image files that are there, by image_id."""
    if "file" not in dataset.images.columns:
        return {}
    names = dataset.images.set_index("image_id")["file"].dropna()
    found = {image: dataset.image_path(str(names[image])) for image in image_ids if image in names.index}
    return {image: path for image, path in found.items() if path.is_file()}


def _read(files: Mapping[str, Path], asked: Sequence[str]) -> Iterator[tuple[str, "Image"]]:
    """Each image that can be read whole."""
    from affectml.encoders import read_image

    for image in track(asked, "comparing images", len(asked), "images"):
        try:
            yield image, read_image(files[image])
        except BadInput:
            continue


def _of_one_size(files: Mapping[str, Path]) -> list[list[str]]:
    """Images that share width and height with another, turned or not; only the heads of the files are read."""
    from PIL import Image

    found = defaultdict(list)
    for image, path in files.items():
        with suppress(Exception), Image.open(path) as opened:  # as in read_image: decoders raise many kinds
            found[tuple(sorted(opened.size))].append(image)
    return [group for group in found.values() if len(group) > 1]


def _near(
    ids: NDArray[Any], features: NDArray[Any], cosine: float | None, files: Mapping[str, Path]
) -> tuple[dict[DuplicateKind, dict[Pair, float]], int]:
    """Likeness of pairs that pixels confirm (near), or that have none to confirm (proposed); how many were asked."""
    found = list(proposals(ids, features, PROPOSE if cosine is None else cosine))
    seen = sorted({image for one, other, _ in found if one in files and other in files for image in (one, other)})
    pictures = {image: Picture(content) for image, content in _read(files, seen)}
    asked = [(one, other) for one, other, _ in found if one in pictures and other in pictures]
    alike = zip(asked, likenesses(pictures, asked), strict=True)
    near = {pair: float(value) for pair, value in alike if value >= LIKENESS}
    lowest = ALONE if cosine is None else cosine
    compared = set(asked)
    alone = {(one, other): value for one, other, value in found if value >= lowest and (one, other) not in compared}
    return {"near": near, "proposed": alone}, len(asked) + len(alone)
