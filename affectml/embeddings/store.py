"""Reading an embedding store: DATASET/embeddings/SLUG/{encoder.json, ids.parquet, shard-00000.npy ...}."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import read_frame, read_json, replacing, sha256, write_json
from affectml._rows import BIG, RowsOnDisk
from affectml.encoders import TINY_SPEC, EncoderIdentity, Ran, local_weights
from affectml.encoders.identity import DECLARED
from affectml.errors import BadDataset, BadInput, EncoderUnavailable
from affectml_annotation.exchange.files import from_spreadsheet

if TYPE_CHECKING:
    from affectml.data import Dataset
    from affectml.encoders import Encoder

FOLDER = "embeddings"
PROVENANCE = "provenance.json"
SHARDS = "shards"  # a folder in a store: what each shard of the work made, until they are merged
DIGEST = "sha256"
AGAIN = "remove the folder and run `affectml embed` again"


class EmbeddingStore:
    """An opened store. Shards are memory-mapped; a store that nothing was written to yet has no ids.

    identity: of the encoder. ids: image_id of every row, str objects [N]. dim: columns. specs: the specs under
    which its encoder was loaded. logit_scale: the encoder's factor on cosines, None for imported embeddings.
    """

    def __init__(self, folder: Path, description: dict[str, Any]) -> None:
        self.folder = folder
        where = str(folder / "encoder.json")
        try:
            self.identity = EncoderIdentity.from_json(description["identity"], where)
        except (KeyError, TypeError):
            raise BadDataset(f"{where}: no identity in it, so it is not an encoder.json of affectml's") from None
        except BadInput as error:
            raise BadDataset(str(error)) from None
        self.dim = self.identity.dim
        specs, scale = description.get("specs", []), description.get("logit_scale")
        if not isinstance(specs, list) or not all(isinstance(spec, str) for spec in specs):
            raise BadDataset(f"{where}: specs: expected a list of texts, got {specs!r}; {AGAIN}")
        if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float)):
            raise BadDataset(f"{where}: logit_scale: expected a number, got {scale!r}; {AGAIN}")
        made_with = description.get("made_with") or {}
        if not isinstance(made_with, dict):
            raise BadDataset(f"{where}: made_with: expected an object, got {made_with!r}; {AGAIN}")
        self.specs: tuple[str, ...] = tuple(specs)
        self.logit_scale: float | None = scale
        self.made_with: dict[str, str] = made_with

    def __repr__(self) -> str:
        return f"EmbeddingStore({str(self.folder)!r}, {len(self.ids)} x {self.dim})"

    @classmethod
    def open(cls, folder: str | Path) -> "EmbeddingStore":
        """Open a store's folder; raises BadDataset if it is none."""
        path = Path(folder) / "encoder.json"
        try:
            description = read_json(path, BadDataset, AGAIN)
        except (FileNotFoundError, NotADirectoryError):
            raise BadDataset(f"{folder}: no encoder.json there, so it is no embedding store") from None
        if not isinstance(description, dict):
            raise BadDataset(f"{path}: expected an object, got {type(description).__name__}; {AGAIN}")
        return cls(Path(folder), description)

    @classmethod
    def for_dataset(
        cls, dataset: "Dataset", spec: str | None = None, *, precision: str | None = None
    ) -> "EmbeddingStore":
        """The data set's store for an encoder spec (or a store's folder name), or the only one there is.

        Needs no encoder. A spec that names a file is matched by the weights' sha256, so that changed weights
        do not pass for the old ones; a tag by the spec recorded in the store. precision, as encoder.json has it,
        narrows further.

        Raises BadDataset if there is none, or if several would do: the message names them.
        """
        root = dataset.root / FOLDER
        folders = sorted(p.parent for p in root.glob("*/encoder.json") if not p.parent.name.startswith("."))
        stores = [store for store in map(cls.open, folders) if len(store.ids)]
        names = ", ".join(store.folder.name for store in stores)
        if not stores:
            raise BadDataset(f"{dataset.root}: no embeddings yet; run `affectml embed {dataset.root}`")
        if spec is not None:
            wanted = matcher(spec)
            stores = [store for store in stores if wanted(store)]
        if precision is not None:
            stores = [store for store in stores if store.identity.precision == precision]
        if not stores:
            asked = f"{spec or 'any encoder'}{f' in {precision}' if precision else ''}"
            raise BadDataset(
                f"{dataset.root}: no embeddings of {asked} (it has: {names}); run "
                f"`affectml embed {dataset.root} --encoder {spec or 'SPEC'}`"
            )
        if len(stores) > 1:
            names = ", ".join(store.folder.name for store in stores)
            raise BadDataset(f"{dataset.root}: several embedding stores, name the encoder or one of: {names}")
        return stores[0]

    @cached_property
    def table(self) -> pd.DataFrame:
        """ids.parquet: image_id, shard, row; one row per embedding, in the order of writing.

        What one shard of the work made also has `sha256`, of each image file. While a store is written, and where that
        was cut short, its last rows are in files of their own, ids-SHARD.parquet, from that shard on.
        """
        path = self.folder / "ids.parquet"
        parts = [read_ids(part) for part in ids_parts(self.folder)]  # first, for a writer may just be joining them
        table = read_ids(path)
        for part in parts:
            if part is not None and (table is None or part["shard"].min() > table["shard"].max()):
                table = part if table is None else pd.concat([table, part], ignore_index=True)
        if table is None:
            empty = {"image_id": object, "shard": np.int64, "row": np.int64}
            return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in empty.items()})
        for name in ("shard", "row"):
            if not pd.api.types.is_integer_dtype(table[name]) or (table[name] < 0).any() or table[name].isna().any():
                raise BadDataset(f"{path}: column {name}: expected whole numbers from 0 on; {AGAIN}")
        doubled = table["image_id"].duplicated()
        if doubled.any():
            raise BadDataset(f"{path}: image {table['image_id'][doubled].iloc[0]!r} has two rows; {AGAIN}")
        return table

    @property
    def provenance(self) -> list[tuple[Ran, range]]:
        """What computed which shards, in the order of writing; nothing of imported ones."""
        path = self.folder / PROVENANCE
        try:
            entries = read_json(path, BadDataset, "remove it")
            found = [
                (Ran.from_json({key: value for key, value in entry.items() if key != "shards"}), entry["shards"])
                for entry in entries
            ]
            if not all(isinstance(shard, int) for _, (first, last) in found for shard in (first, last)):
                raise TypeError("shards are numbered")
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadDataset(f"{path}: not a list of what computed which shards ({error}); remove it") from None
        there = int(self.table["shard"].max()) + 1 if len(self.table) else 0  # a kill may have left more than that
        return [(ran, range(first, min(last + 1, there))) for ran, (first, last) in found if first < there]

    @cached_property
    def ids(self) -> NDArray[Any]:
        """image_id of every row, [N] of str."""
        return self.table["image_id"].to_numpy(dtype=object)

    @cached_property
    def _index(self) -> "pd.Index[Any]":
        index: pd.Index[Any] = pd.Index(self.ids, dtype=object)
        return index

    @cached_property
    def _shards(self) -> dict[int, NDArray[Any]]:
        """Memory-mapped shards, each checked to have the rows that the ids table says."""
        return {number: self.array(number) for number in self._last}

    @cached_property
    def _last(self) -> dict[int, int]:
        """The last row of each shard that the ids table names."""
        last = self.table.groupby("shard", sort=True)["row"].max()
        return {int(str(number)): int(row) for number, row in last.items()}

    def array(self, number: int) -> NDArray[Any]:
        """A shard, memory-mapped; raises BadDataset where it has not the rows that the ids table says."""
        path, rows = shard_path(self.folder, number), self._last[number]
        try:
            shard = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise BadDataset(f"{path}: no such shard, but ids.parquet names it; {AGAIN}") from None
        except Exception as error:  # numpy raises many kinds for a damaged file
            raise BadDataset(f"{path}: not a readable shard ({error}); {AGAIN}") from None
        if not isinstance(shard, np.ndarray) or shard.dtype.kind not in "fiu":
            raise BadDataset(f"{path}: expected an array of numbers; {AGAIN}")
        if shard.ndim != 2 or shard.shape[0] <= rows or shard.shape[1] != self.dim:
            raise BadDataset(f"{path}: expected at least {rows + 1} rows of {self.dim}, got {shard.shape}; {AGAIN}")
        return shard

    def missing(self, image_ids: Iterable[str]) -> list[str]:
        """Those of `image_ids` that have no embedding, in their order."""
        ids = list(image_ids)
        return [i for i, at in zip(ids, self._index.get_indexer(pd.Index(ids, dtype=object)), strict=True) if at < 0]

    def stamp(self) -> str:
        """Changes when an embedding does: encoder.json, ids.parquet and each shard's size and time."""
        shards = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in self.folder.glob("shard-*.npy")]
        named = [self.folder / "encoder.json", self.folder / "ids.parquet", *ids_parts(self.folder)]
        digests = [sha256(path) for path in named if path.exists()]
        return json.dumps([digests, sorted(shards)])

    @property
    def unreadable(self) -> dict[str, str]:
        """Why the image of an image_id has no embedding, of those that could not be read."""
        return {image_id: reason for image_id, _, reason in unreadable_in(self.folder)}

    def rows(self, image_ids: Iterable[str]) -> NDArray[np.float32]:
        """Embeddings of these images in this order: float32 [N, dim]; an image may be asked for twice.

        Raises BadDataset naming the first image without an embedding, or with one that is not finite.
        """
        return np.asarray(self.on_disk(image_ids))

    def features(self, image_ids: Iterable[str]) -> NDArray[np.float32] | RowsOnDisk:
        """Rows as heads take them: `rows` up to 20 million values, beyond that `on_disk`."""
        found = self.on_disk(image_ids)
        return found if math.prod(found.shape) > BIG else np.asarray(found)

    def on_disk(self, image_ids: Iterable[str]) -> RowsOnDisk:
        """The same, read only when rows of it are asked for; raises BadDataset for an image without an embedding."""
        ids = list(image_ids)
        at = self._index.get_indexer(pd.Index(ids, dtype=object))
        if (at < 0).any():
            absent = self.missing(ids)
            raise BadDataset(
                f"{self.folder}: no embedding for image {absent[0]!r} ({len(absent)} of {len(ids)} missing; "
                "`affectml embed` adds new images and lists those it cannot read)"
            )
        shard, row = self.table["shard"].to_numpy()[at], self.table["row"].to_numpy()[at]

        def named(place: int) -> BadDataset:
            return BadDataset(f"{self.folder}: the embedding of image {ids[place]!r} is not finite; {AGAIN}")

        return RowsOnDisk(self._shards, shard, row, self.dim, named)

    def need_texts_of(self, encoder: "Encoder") -> None:
        """Raise EncoderUnavailable, which says what differs, for another encoder than made the embeddings."""
        if not encoder.identity.same_texts(self.identity):
            raise EncoderUnavailable(
                f"{self.folder}: encoder {encoder.spec!r} is not the one that made these embeddings "
                f"({differences(encoder.identity, self.identity)})"
            )

    def text_features(
        self, encoder_factory: "Callable[[], Encoder] | None", texts: Sequence[str]
    ) -> NDArray[np.float32]:
        """The store's encoder's embeddings of `texts`, float32 [T, dim]: from the cache beside the shards, or made.

        encoder_factory is called only when the texts are not cached, and must give the encoder that filled the
        store; None asks for cached texts only. Raises EncoderUnavailable if the encoder has no text tower, is
        another one, or is needed and not given.
        """
        texts = list(texts)
        key = hashlib.sha256(json.dumps(texts, ensure_ascii=False).encode()).hexdigest()[:16]
        path = self.folder / f"texts-{key}.npy"
        if path.exists():
            with suppress(Exception):  # numpy raises many kinds for a damaged file; the texts are embedded again
                cached = np.load(path, allow_pickle=False)
                if cached.shape == (len(texts), self.dim) and cached.dtype == np.float32:
                    return np.asarray(cached)
        if not self.identity.has_text:
            raise EncoderUnavailable(f"{self.folder}: imported embeddings come without a text tower")
        if encoder_factory is None:
            raise EncoderUnavailable(f"{self.folder}: these {len(texts)} texts are not cached, and no encoder is given")
        encoder = encoder_factory()
        self.need_texts_of(encoder)
        features: NDArray[np.float32] = encoder.encode_texts(texts).numpy()
        with suppress(OSError):  # a data set that cannot be written to can still be trained on
            write_json(self.folder / f"texts-{key}.json", texts)
            save_array(path, features)
        return features


def unreadable_in(folder: Path) -> list[tuple[str, str, str]]:
    """What a store's unreadable.csv lists: image_id, file, reason."""
    path = folder / "unreadable.csv"
    if not path.exists():
        return []
    try:
        table = from_spreadsheet(pd.read_csv(path, dtype=str, keep_default_na=False))
        return list(zip(table["image_id"], table["file"], table["reason"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise BadDataset(f"{path}: not a list of images and reasons ({error}); remove it") from None


def shard_path(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return folder / f"shard-{number:05d}.npy"


def ids_part(folder: Path, shard: int) -> Path:
    """The file of ids that are not in ids.parquet yet, from this shard on."""
    return folder / f"ids-{shard:05d}.parquet"


def ids_parts(folder: Path) -> list[Path]:
    """Files of ids that are not in ids.parquet yet, in the order of their shards."""
    return sorted(folder.glob("ids-*.parquet"), key=lambda path: (len(path.name), path.name))


def read_ids(path: Path) -> pd.DataFrame | None:
    """A file of ids, as it is but for other columns; None where there is none."""
    try:
        table = read_frame(path)
        table = table[["image_id", "shard", "row", *(name for name in (DIGEST,) if name in table)]]
        table["image_id"] = table["image_id"].astype(str)
    except FileNotFoundError:
        return None
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise BadDataset(f"{path}: not a readable ids table ({error}); {AGAIN}") from None
    return table


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an .npy file atomically."""
    # to a file open for reading too numpy writes by its methods, which say why they fail: a full disk
    with replacing(path) as temporary, temporary.open("w+b") as handle:
        np.save(handle, array, allow_pickle=False)


def differences(got: EncoderIdentity, wanted: EncoderIdentity) -> str:
    """The middle of an error message: what differs between two identities."""
    ours, theirs = got.to_json(), wanted.to_json()
    return "; ".join(f"{key}: {ours[key]}, not {theirs[key]}" for key in ours if ours[key] != theirs[key])


def matcher(spec: str) -> Callable[[EmbeddingStore], bool]:
    """Whether a store holds what a spec names."""
    try:
        weights = local_weights(spec)
    except EncoderUnavailable:  # the weights have gone, their embeddings are still there
        weights = None
    digest = sha256(weights) if weights is not None else None
    architecture = spec.partition(":")[0]

    def fits(store: EmbeddingStore) -> bool:
        if store.folder.name == spec:
            return True
        if digest is None or store.identity.precision == DECLARED:
            return spec in store.specs
        same = architecture in ("local-dir", TINY_SPEC, store.identity.architecture)
        return same and store.identity.weights_sha256 == digest

    return fits
