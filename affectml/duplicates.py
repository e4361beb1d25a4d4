"""Duplicates: copies with equal pixels, and near ones, which embeddings propose and pixels confirm."""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from affectml._files import with_column, write_parquet
from affectml._progress import track
from affectml._rows import PART, RowsOnDisk
from affectml.data import Dataset
from affectml.data.choose import names_of
from affectml.embeddings import EmbeddingStore
from affectml.errors import BadInput

COPY_COSINE = 0.99999  # equal pixels have equal embeddings up to rounding: .9999998 was measured, in bf16 too
PROPOSE = 0.90  # the cosine from which on pixels are compared
ALONE = 0.95  # where there are no pixels to confirm anything
MOST_PROPOSALS = 2_000_000
_BLOCK = 2048
_REACH = float(np.sqrt(2 - 2 * COPY_COSINE)) * 1.001  # of unit rows; float32 rounds

# Chosen on 598 photographs and copies of them, with `python benchmarks/duplicates.py`; see docs/audit.md.
LIKENESS = 0.93  # correlation from which on two pictures are the same
COARSE_SIDE, COARSE = 8, 0.5  # pixels, and the correlation of them below which nothing more is asked
SIDE = 24  # pixels of the grey pictures that are compared
MARGINS = (0.0, 0.025, 0.05, 0.075)  # what may be cut off at each side
WHOLE = 128
COMPARING = "comparing images"

Pair = tuple[str, str]
Vector = NDArray[np.float32]


class Copy(NamedTuple):
    """Two images that show one picture.

    kind: exact (equal pixels), near (pixels confirm what embeddings proposed) or alike (by embeddings alone, without
    image files to confirm it: they may well be two pictures). likeness: 1, a correlation of pixels, or a cosine.
    """

    kind: Literal["exact", "near", "alike"]
    pair: Pair
    likeness: float


@dataclass(frozen=True, eq=False)
class Duplicates:
    """What `find_duplicates` found in a data set.

    copies: of images with equal pixels, each beside the first of them that is in a part of the split. without_file:
    images without pixels to compare. lowest: the cosine of embeddings from which on pixels were compared.
    """

    dataset: Dataset
    copies: tuple[Copy, ...]
    without_file: int = 0
    lowest: float = PROPOSE

    @property
    def confirmed(self) -> list[Pair]:
        """The pairs that pixels confirm."""
        return [copy.pair for copy in self.copies if copy.kind != "alike"]

    def notes(self) -> list[str]:
        """What was compared, in words; what was found, the rows of an audit say."""
        without = f"{self.without_file:,} images have no file, so their pixels cannot be compared"
        above = f"of more than {MOST_PROPOSALS:,} pairs, none with a cosine below {self.lowest:.4f} is compared"
        return [without] * (self.without_file > 0) + [above] * (self.lowest > PROPOSE)

    def write_groups(self) -> Path | None:
        """Set the `group` column of images.parquet, so that no later split parts what pixels confirm.

        Groups that were there stay, and become one where copies join them. The old file stays beside the new.
        Returns its path, or None where nothing had to be written.
        """
        from affectml_annotation.exchange.files import keep, writing_in_turn

        path = self.dataset.root / "images.parquet"
        with writing_in_turn(self.dataset.root):
            table = pq.read_table(path)  # not as pandas reads it: integers with gaps would become fractions
            ids = [str(image) for image in table["image_id"].to_pylist()]
            before = table["group"].to_pylist() if "group" in table.column_names else [None] * len(ids)
            names = [None if pd.isna(name) else str(name) for name in before]
            now = names_of(ids, names, self.confirmed)
            if now == names:
                return None
            kept = keep(path)
            write_parquet(path, with_column(table, "group", now))
        return kept


def find_duplicates(dataset: Dataset, store: EmbeddingStore | None = None) -> Duplicates:
    """Copies in a data set, and with embeddings also images that show one picture in another size, cut or compression.

    Args:
        dataset: it is read, and not written to; see `Duplicates.write_groups`.
        store: embeddings of its images; without them, only copies with equal pixels are found.
    """
    ids = np.array(sorted(dataset.images["image_id"]), dtype=object)
    files = _files(dataset, ids)
    known = ids if store is None else np.setdiff1d(ids, store.missing(ids))
    features = None if store is None else store.rows(known)
    # An image without an embedding may be a copy, too: then all pixels are read.
    groups = same_pixels(dataset, ids, features if len(known) == len(ids) else None)
    parts = set(dataset.images.dropna(subset="split")["image_id"]) if "split" in dataset.images.columns else set()
    ordered = [sorted(group, key=lambda image: image not in parts) for group in groups]
    copies = [Copy("exact", (first, other), 1.0) for first, *others in ordered for other in others]
    if features is None:
        return Duplicates(dataset, tuple(copies), without_file=len(ids) - len(files))
    once = ~np.isin(known, [copy.pair[1] for copy in copies])
    cosines, lowest = proposals(known[once], features[once])
    proposed = sorted({image for pair in cosines if files.keys() >= {*pair} for image in pair})
    contents = read_each({image: files[image] for image in proposed}, COMPARING)
    pictures = {image: grey(content) for image, content in contents if not isinstance(content, BadInput)}
    compared = [pair for pair in cosines if pictures.keys() >= {*pair}]
    likeness = dict(zip(compared, likenesses(pictures, compared).tolist(), strict=True))
    copies += [Copy("near", pair, value) for pair, value in likeness.items() if value >= LIKENESS]
    copies += [Copy("alike", pair, value) for pair, value in cosines.items() if value >= ALONE and pair not in likeness]
    return Duplicates(dataset, tuple(copies), len(ids) - len(files), lowest)


def same_pixels(
    dataset: Dataset, image_ids: Iterable[str], features: NDArray[Any] | RowsOnDisk | None = None
) -> list[tuple[str, ...]]:
    """Groups of images with equal pixels (upright, 8-bit RGB), each sorted; images without a readable file have none.

    features: embeddings [N, D] of `image_ids`, in their order. Equal pixels have equal embeddings, so only the few
    images are read that have a twin there; without embeddings, every image.
    """
    asked = image_ids if features is None else itertools.compress(image_ids, twins(features))
    groups = defaultdict(list)
    for image, content in read_each(_files(dataset, asked), COMPARING):
        if not isinstance(content, BadInput):
            groups[digest(content)].append(image)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def digest(image: Image.Image) -> str:
    """sha256 of the size and the pixels of an RGB image."""
    return hashlib.sha256(f"{image.width} {image.height} ".encode() + image.tobytes()).hexdigest()


def _files(dataset: Dataset, image_ids: Iterable[str]) -> dict[str, Path]:
    """The image files that are there, by image_id."""
    named = dataset.images.set_index("image_id").get("file", pd.Series(dtype=object)).reindex(list(image_ids)).dropna()
    paths = {str(image): dataset.image_path(str(name)) for image, name in named.items()}
    return {image: path for image, path in paths.items() if path.is_file()}


def read_each(files: Mapping[str, Path], doing: str) -> Iterator[tuple[str, Image.Image | BadInput]]:
    """Each image by its name, or why it cannot be read whole."""
    from affectml.encoders import read_image

    for name, file in track(files.items(), doing, len(files), "images"):
        try:
            yield name, read_image(file)
        except BadInput as error:
            yield name, error


def twins(features: NDArray[Any] | RowsOnDisk) -> NDArray[np.bool_]:
    """Rows [N] that may have another at a cosine of COPY_COSINE or more: all of those, and few others.

    A projection on eight directions never makes a distance longer, and in so few dimensions a tree finds neighbours of
    many.
    """
    from scipy.spatial import cKDTree  # a quarter of a second to load

    parts = [_projected(unit_rows(features[start : start + PART])) for start in range(0, max(len(features), 1), PART)]
    places, row, count = np.unique(np.concatenate(parts), axis=0, return_inverse=True, return_counts=True)
    distance, _ = cKDTree(places).query(places, k=2, distance_upper_bound=_REACH)
    return np.asarray((count > 1) | np.isfinite(distance[:, 1]))[row.ravel()]


def copies_among(features: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """Rows [N] that `others` [M] hold too: whose nearest there, as `twins` looks for it, has COPY_COSINE or more."""
    from scipy.spatial import cKDTree

    mine, theirs = unit_rows(features), unit_rows(others)
    distance, place = cKDTree(_projected(theirs)).query(_projected(mine), distance_upper_bound=_REACH)
    copied = np.isfinite(distance)
    copied[copied] = (mine[copied] * theirs[place[copied]]).sum(axis=1) >= COPY_COSINE
    return np.asarray(copied)


def proposals(ids: NDArray[Any], features: NDArray[Any]) -> tuple[dict[Pair, float], float]:
    """The cosine of each pair of images that have one of PROPOSE or more, in the order of `ids`; and the lowest.

    Of more than MOST_PROPOSALS pairs the most alike are taken: `lowest` rises until they are no more. Pairs that are
    as alike as the first one too many are left out together.
    """
    unit, lowest = unit_rows(features), PROPOSE
    pairs = np.empty((0, 3))
    for start in range(0, len(ids), _BLOCK):
        alike = unit[start : start + _BLOCK] @ unit[start:].T
        rows, columns = np.nonzero(np.triu(alike >= lowest, 1))
        pairs = np.concatenate([pairs, np.stack([start + rows, start + columns, alike[rows, columns]], axis=1)])
        if len(pairs) > MOST_PROPOSALS:
            one_too_many = np.float32(np.partition(pairs[:, 2], -MOST_PROPOSALS - 1)[-MOST_PROPOSALS - 1])
            lowest = float(np.nextafter(one_too_many, np.float32(2)))
            pairs = pairs[pairs[:, 2] >= lowest]
    return {(str(ids[int(image)]), str(ids[int(other)])): value for image, other, value in pairs.tolist()}, lowest


def _projected(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows on at most eight directions, the same ones each time."""
    width = unit.shape[1]
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(width, min(8, width))))[0]
    return unit @ directions.astype(np.float32)


def unit_rows(features: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays one."""
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(norm, 1e-12), dtype=np.float32)


def grey(image: Image.Image) -> Image.Image:
    """A grey picture of an image, small enough to keep many."""
    return image.convert("L").resize((WHOLE, WHOLE), Image.Resampling.BOX)


def _parts(picture: Image.Image, side: int, margins: tuple[float, ...] = (0.0,)) -> Vector:
    """The picture cut in every way that `margins` allow, each `side` x `side`: rows of mean 0 and norm 1.

    The first row is the whole. A part without any contrast is a row of zeros, which correlates with nothing.
    """
    cuts = np.array(list(itertools.product(margins, repeat=4)))  # at the left, the top, the right and the bottom
    boxes = WHOLE * np.abs(cuts - (0, 0, 1, 1))
    parts = [picture.resize((side, side), Image.Resampling.BILINEAR, box=tuple(box)) for box in boxes]
    rows = np.stack([np.asarray(part, dtype=np.float32).ravel() for part in parts])
    rows -= rows.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 1e-3), dtype=np.float32)


def likenesses(pictures: Mapping[str, Image.Image], pairs: Sequence[Pair]) -> Vector:
    """Likeness of each pair [P]: the highest correlation of one's whole picture with a part of the other's, either way.

    0 where even the coarse pictures hardly correlate: those are not looked at closely.

    pictures: of `grey`, by name.
    """
    likeness, row = np.zeros(len(pairs), dtype=np.float32), {name: at for at, name in enumerate(pictures)}
    coarse, whole = (
        np.array([_parts(picture, side)[0] for picture in pictures.values()]) for side in (COARSE_SIDE, SIDE)
    )
    # Each pair twice: the parts of every picture are made once, and asked of all that it is close to.
    both = pd.DataFrame([*pairs, *(pair[::-1] for pair in pairs)], columns=["one", "other"])
    for name, others in both["other"].map(row).groupby(both["one"]):
        close = others[coarse[others] @ coarse[row[str(name)]] >= COARSE]
        if len(close):
            alike = (whole[close] @ _parts(pictures[str(name)], SIDE, MARGINS).T).max(axis=1)
            pair = close.index % len(pairs)
            likeness[pair] = np.maximum(likeness[pair], alike)
    return likeness
