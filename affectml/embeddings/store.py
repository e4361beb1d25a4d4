"""Reading an embedding store, DATASET/embeddings/SLUG.

    encoder.json                   the encoder's identity, the specs it was loaded by
    list-0000-1a2b3c4d.parquet     image_id, part, size: images in order, the part each is in, the size of its file;
                                   new and changed images have a list of their own, named by its number and content
    part-0000-1a2b3c4d-00007.npy   the rows of part 7 of that list in its order, nan where an image cannot be read, and
                                   a line of JSON after them: what computed them, and why an image cannot be read
    unreadable.csv                 image_id, file, reason: for people

A file is written once and never changes, so that several processes can fill a store, and folders of parts that were
made on machines without a common disk can be copied together.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from affectml._files import read_frame, read_json, replacing, sha256, write_json
from affectml._rows import BIG, RowsOnDisk
from affectml.encoders import TINY_SPEC, EncoderIdentity, Ran, local_weights
from affectml.encoders.identity import DECLARED
from affectml.errors import BadDataset, EncoderUnavailable

if TYPE_CHECKING:
    from affectml.data import Dataset
    from affectml.encoders import Encoder

FOLDER = "embeddings"
LIST, PART, SHARD, TEXTS = "list-", "part-", "shard-", "texts-"  # how names of files begin
AGAIN = "remove the folder and run `affectml embed` again"
MADE_AGAIN = "`affectml embed` makes it again"


class Description(BaseModel):
    """What encoder.json says; see `EmbeddingStore`. made_with: versions of libraries, for its reader."""

    identity: EncoderIdentity
    specs: tuple[str, ...] = ()
    logit_scale: float | None = None
    made_with: dict[str, str] | None = None


class EmbeddingStore:
    """An opened store, as it was when it was first asked. Parts are memory-mapped.

    identity: of the encoder. ids: image_id of every row, str objects [N]. dim: columns. specs: the specs under
    which its encoder was loaded. logit_scale: the encoder's factor on cosines, None for imported embeddings.
    """

    def __init__(self, folder: Path, description: "Description") -> None:
        self.folder, self.identity, self.dim = folder, description.identity, description.identity.dim
        self.specs, self.logit_scale = description.specs, description.logit_scale
        self.made_with = description.made_with or {}

    def __repr__(self) -> str:
        return f"EmbeddingStore({str(self.folder)!r}, {len(self.ids)} x {self.dim})"

    @classmethod
    def open(cls, folder: str | Path) -> "EmbeddingStore":
        """Open a store's folder; raises BadDataset if it is none."""
        path = Path(folder) / "encoder.json"
        try:
            content = json.dumps(read_json(path, BadDataset, AGAIN))
            return cls(Path(folder), Description.model_validate_json(content, strict=True))
        except (FileNotFoundError, NotADirectoryError):
            raise BadDataset(f"{folder}: no encoder.json there, so it is no embedding store") from None
        except ValidationError as error:
            first = error.errors()[0]
            said = ": ".join([*map(str, first["loc"]), first["msg"]])
            raise BadDataset(f"{path}: {said}; is it an encoder.json of affectml's? {AGAIN}") from None

    @classmethod
    def all_of(cls, dataset: "Dataset") -> "list[EmbeddingStore]":
        """The data set's stores by name, also such as an interruption left without an embedding."""
        files = (dataset.root / FOLDER).glob("[!.]*/encoder.json")
        return [cls.open(path.parent) for path in sorted(files)]

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
        stores = [store for store in cls.all_of(dataset) if len(store.ids)]
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
    def lists(self) -> list[Path]:
        """The lists of its images, in order, as they were when they were first asked for."""
        return sorted(self.folder.glob(f"{LIST}*.parquet"))

    @cached_property
    def _listed(self) -> tuple[pd.DataFrame, list[Path]]:
        """Every image that a list names, in the order of the lists, and the parts that hold or are to hold them.

        A row is image_id, part (a number of the second), row, and size: of the image's file when it was listed, -1
        where there was none, nan where that is not known. An image that has changed has several rows.
        """
        table, parts = _of_before(self.folder)
        tables = [table]
        for path in self.lists:
            table = _read_list(path)
            table["row"] = table.groupby("part").cumcount()
            names = [part_path(path, number) for number in range(int(table["part"].max()) + 1)]
            tables.append(table.assign(part=table["part"] + len(parts)))
            parts = parts + names
        return pd.concat([one for one in tables if len(one)] or tables, ignore_index=True), parts

    @cached_property
    def _there(self) -> dict[int, NDArray[Any]]:
        """The parts that are there, memory-mapped, by number."""
        _, parts = self._listed
        names = {entry.name for entry in os.scandir(self.folder)}
        return {number: _mapped(path) for number, path in enumerate(parts) if path.name in names}

    @cached_property
    def _said(self) -> dict[int, dict[str, Any]]:
        """What each part says of itself, by number: what computed it, and why rows of it are nan."""
        found = {}
        for number, array in self._there.items():
            path = self._listed[1][number]
            found[number] = said = {} if path.name.startswith(SHARD) else _said_at_the_end(path, array)
            if said and said["encoder"] != self.identity.fingerprint:
                raise BadDataset(f"{path}: by another encoder than encoder.json says; remove it, and {MADE_AGAIN}")
        return found

    @cached_property
    def _rows(self) -> pd.DataFrame:
        """Of each image what the last part has that is there: image_id, part, row, and why there is no embedding."""
        table, parts = self._listed
        counts = np.bincount(table["part"], minlength=len(parts)) if len(table) else np.zeros(0, dtype=np.int64)
        starts = counts.cumsum() - counts
        reasons = np.full(len(table), None, dtype=object)
        for number, said in self._said.items():
            array, path = self._there[number], parts[number]
            rows = int(table["row"].iloc[starts[number] : starts[number] + counts[number]].max()) + 1
            if array.ndim != 2 or len(array) < rows or array.shape[1] != self.dim:
                raise BadDataset(
                    f"{path}: expected {rows} rows of {self.dim}, got {array.shape}; remove it, and {MADE_AGAIN}"
                )
            for row, reason in said.get("unreadable", {}).items():
                reasons[starts[number] + int(row)] = reason
        there = table.assign(reason=reasons)[table["part"].isin(list(self._there))]
        return there.drop_duplicates("image_id", keep="last", ignore_index=True)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per embedding, in the order of the lists: image_id, part (a number), row."""
        rows = self._rows
        return rows.loc[rows["reason"].isna(), ["image_id", "part", "row"]].reset_index(drop=True)

    @property
    def unreadable(self) -> dict[str, str]:
        """Why the image of an image_id has no embedding, of those that could not be read."""
        rows = self._rows.dropna(subset="reason")
        return dict(zip(rows["image_id"], rows["reason"], strict=True))

    @property
    def sizes(self) -> pd.Series:
        """By image_id, how large its file was when it was listed last: -1 without a file, nan where not known."""
        table = self._listed[0].drop_duplicates("image_id", keep="last")
        return pd.Series(table["size"].to_numpy(np.float64), index=table["image_id"].to_numpy(dtype=object))

    @property
    def unmade(self) -> list[tuple[Path, list[str]]]:
        """The parts that are still to be made, each with the image_ids of its rows."""
        table, parts = self._listed
        missing = table[~table["part"].isin(list(self._there))]
        return [(parts[int(str(at))], ids.tolist()) for at, ids in missing.groupby("part", sort=True)["image_id"]]

    @property
    def ran(self) -> list[Ran]:
        """What computed the embeddings, in the order of the parts; nothing of imported ones."""
        entries = [entry for each in self._said.values() for entry in each.get("ran", [])]
        if (path := self.folder / "provenance.json").exists():  # of before 0.3
            with _reading(path, "not a list of what computed which shards", "remove it"):
                before = read_json(path, BadDataset)
                entries = [{name: entry[name] for name in entry if name != "shards"} for entry in before] + entries
        found: list[Ran] = []
        for entry in entries:
            with _reading(self.folder, "a part does not say what computed it", AGAIN):
                found += [ran] if (ran := Ran.from_json(entry)) not in found else []
        return found

    def misfits(self) -> list[str]:
        """Files of parts that no list names, such as those that were copied here without their list."""
        known = {path.name for path in self._listed[1]}
        return sorted(path.name for path in self.folder.glob(f"{PART}*.npy") if path.name not in known)

    @cached_property
    def ids(self) -> NDArray[Any]:
        """image_id of every row, [N] of str."""
        return self.table["image_id"].to_numpy(dtype=object)

    @cached_property
    def _index(self) -> "pd.Index[Any]":
        index: pd.Index[Any] = pd.Index(self.ids, dtype=object)
        return index

    def missing(self, image_ids: Iterable[str]) -> list[str]:
        """Those of `image_ids` that have no embedding, in their order."""
        ids = pd.Index(list(image_ids), dtype=object)
        return list(ids[self._index.get_indexer(ids) < 0])

    def stamp(self) -> str:
        """Changes when an embedding does: encoder.json, and the name, size and time of each other file."""
        patterns = ("ids*.parquet", f"{SHARD}*.npy", f"{LIST}*.parquet", f"{PART}*.npy")
        files = {path.name: path.stat() for pattern in patterns for path in sorted(self.folder.glob(pattern))}
        stats = [(name, found.st_size, found.st_mtime_ns) for name, found in files.items()]
        return json.dumps([sha256(self.folder / "encoder.json"), stats])

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
        part, row = self.table["part"].to_numpy()[at], self.table["row"].to_numpy()[at]

        def named(place: int) -> BadDataset:
            what = f"the embedding of image {ids[place]!r} is not finite"
            return BadDataset(f"{self._listed[1][part[place]]}: {what}; remove it, and {MADE_AGAIN}")

        return RowsOnDisk(self._there, part, row, self.dim, named)

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
        path = self.folder / f"{TEXTS}{key}.npy"
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
            write_json(self.folder / f"{TEXTS}{key}.json", texts)
            save_array(path, features)
        return features


def part_path(listed: Path, number: int) -> Path:
    """The file of a part of a list."""
    return listed.with_name(f"{PART}{listed.stem.removeprefix(LIST)}-{number:05d}.npy")


@contextmanager
def _reading(path: Path, wrong: str, way: str) -> Iterator[None]:
    """Raises BadDataset with what is wrong and the way out where a library raises one of its many errors."""
    try:
        yield
    except BadDataset:
        raise
    except Exception as error:
        raise BadDataset(f"{path}: {wrong} ({error}); {way}") from None


def _read_list(path: Path) -> pd.DataFrame:
    """A list: image_id, part, size. Raises BadDataset for another table."""
    with _reading(path, "not a readable list of images", AGAIN):
        table = read_frame(path)[["image_id", "part", "size"]]
        numbers = table["part"].to_numpy()
        if not len(table) or numbers[0] != 0 or not np.isin(np.diff(numbers), (0, 1)).all():
            raise ValueError("column part: expected 0, 1, 2 and so on, in order")
        return table.astype({"image_id": str, "part": np.int64, "size": np.float64})


def _mapped(path: Path) -> NDArray[Any]:
    """A part, memory-mapped; raises BadDataset for a damaged one."""
    with _reading(path, "not a readable part", f"remove it, and {MADE_AGAIN}"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            raise ValueError("expected an array of numbers")
        return array


def _said_at_the_end(path: Path, array: NDArray[Any]) -> dict[str, Any]:
    """What follows a part's rows in its file."""
    with _reading(path, "does not end with what made it", f"remove it, and {MADE_AGAIN}"), path.open("rb") as handle:
        handle.seek(array.offset + array.nbytes)  # type: ignore[attr-defined]  # of a memory map
        said = json.loads(handle.read())
        if not isinstance(said["unreadable"], dict) or not isinstance(said["ran"], list) or "encoder" not in said:
            raise TypeError("expected encoder, ran and unreadable")
        [reason.strip() for reason in said["unreadable"].values()]
        if any(not 0 <= int(row) < len(array) for row in said["unreadable"]):
            raise ValueError("unreadable: no such row")
        return dict(said)


def _of_before(folder: Path) -> tuple[pd.DataFrame, list[Path]]:
    """What a store of before 0.3 holds, read where it lies: ids.parquet (image_id, shard, row) and shard-00000.npy ...

    The last rows of one that was cut short are in files of their own, ids-SHARD.parquet, from that shard on.
    """
    kinds = {"image_id": object, "shard": np.int64, "row": np.int64}
    tables = [pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})]
    later = sorted(folder.glob("ids-*.parquet"), key=lambda path: (len(path.name), path.name))
    for path in (path for path in [folder / "ids.parquet", *later] if path.exists()):
        with _reading(path, "not a readable ids table", AGAIN):
            table = read_frame(path)[list(kinds)].astype({**kinds, "image_id": str})
            if table["image_id"].duplicated().any() or (table[["shard", "row"]] < 0).any(axis=None):
                raise ValueError("expected each image once, and whole numbers from 0 on")
        if not table["shard"].min() <= tables[-1]["shard"].max():
            tables.append(table)
    whole = pd.concat(tables, ignore_index=True).rename(columns={"shard": "part"}).assign(size=np.nan)
    names = [folder / f"{SHARD}{number:05d}.npy" for number in range(int(whole["part"].max()) + 1 if len(whole) else 0)]
    if absent := [path for number, path in enumerate(names) if not path.exists() and (whole["part"] == number).any()]:
        raise BadDataset(f"{absent[0]}: no such shard, but ids.parquet names it; {AGAIN}")
    return whole.sort_values(["part", "row"], kind="stable", ignore_index=True), names


def save_array(path: Path, array: NDArray[Any], after: bytes = b"", *, first_stays: bool = False) -> None:
    """Write an .npy file atomically, with what comes after the array; first_stays: unless it is there."""
    # to a file open for reading too numpy writes by its methods, which say why they fail: a full disk
    with replacing(path, first_stays=first_stays) as temporary, temporary.open("w+b") as handle:
        np.save(handle, array, allow_pickle=False)
        handle.write(after)


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
