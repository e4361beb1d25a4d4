"""Opening what Hugging Face `datasets` reads: a folder, files, a tar, an address, a repository on the Hub.

Code of a data set is never run: `datasets` runs none since version 4, only kinds of files that hold data alone are let
through, and archives are read here, by `_tar_samples`.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from affectml.errors import BadInput, MissingExtra, option
from affectml.importers._tar_samples import samples
from affectml.importers.find import SUFFIXES
from affectml.importers.read import SPLIT_OF

BATCH = 64  # rows that are Python's objects at once
_KINDS = {".parquet": "parquet", ".arrow": "arrow", ".tar": "webdataset", ".tgz": "webdataset"}
_READ = ("parquet", "arrow", "webdataset", "imagefolder", "json", "csv")
_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")
_SPLIT = re.compile(r"(?:^|[/_.\-])(" + "|".join(SPLIT_OF) + r")(?=[/_.\-]|$)", re.IGNORECASE)
_EXPECTED = "expected a folder of `save_to_disk`, of images with metadata, of Parquet files, or WebDataset tar files"


@dataclass(frozen=True)
class Row:
    """One row. cells: by column, an image as {"bytes", "path"}. prefix: what tells names of this part from others'."""

    where: str
    cells: dict[str, Any]
    prefix: str


@dataclass
class Container:
    """An opened source. root: what its files' addresses begin with. splits: by the container's name of each, its
    rows as `datasets` has them, or tar files. features: of each split's columns, None of tar files. total: its rows,
    where known.
    left: gets what was left out, for each reason. hub, commit: the repository, where it is one on the Hub.
    """

    address: str
    root: str
    splits: dict[str, Any]
    features: dict[str, dict[str, Any]] | None
    total: int | None = None
    left: dict[str, list[str]] = field(default_factory=dict)
    hub: str | None = None
    commit: str = ""

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split, in order; raises BadInput for what cannot be read on the way."""
        if self.features is None:
            for file in self.splits[split]:
                yield from self._samples(file)
            return
        number = 0
        try:
            for number, cells in enumerate(self.splits[split], start=1):
                yield Row(f"{self.address}, {split}, row {number}", dict(cells), split)
        except BadInput:
            raise
        except Exception as error:  # datasets, pyarrow and fsspec raise many kinds
            zipped = "; unpack its archives, and import the folder" if "class label" in str(error) else ""
            raise BadInput(f"{self.address}, {split}, after row {number}: {_line(error)}{zipped}") from None

    def _samples(self, file: str) -> Iterator[Row]:
        prefix = re.sub(r"\.(tar|tgz|gz)\b", "", re.split(r"[/\\]", file)[-1])
        with _open(file) as stream:
            for number, sample in enumerate(samples(stream, file, self.left), start=1):
                image = None if sample.name is None else {"bytes": sample.content, "path": sample.name}
                yield Row(f"{file}, sample {number} ({sample.key})", {**sample.columns, "image": image}, prefix)

    def read(self, path: str) -> bytes:
        """The content of a file of the container, by its address."""
        with _open(path) as handle:
            return bytes(handle.read())

    def beside(self, name: str) -> bytes | None:
        """The content of a file of this name in the container's folder, None where there is none."""
        try:
            return self.read(f"{self.root}{self.commit and '@'}{self.commit}/{name}")
        except Exception:  # each file system has its own way to say that there is no such file
            return None

    def contains(self, path: str) -> str | None:
        """A path of the container as one below its root; None where it leads out of it."""
        inner, _, outer = path.partition("::")
        if outer:  # a member of an archive: zip://a/b.jpg::ARCHIVE
            member = inner.partition("://")[2]
            return member if self.contains(outer) is not None and ".." not in member.split("/") else None
        plain = path.replace("\\", "/") if os.sep == "\\" else path
        if "://" not in plain and not Path(plain).is_absolute():
            below = plain
        else:
            root = re.escape(self.root.rstrip("/"))
            found = re.match(rf"{root}(?:@[^/]+)?/+(.+)", plain)  # the Hub's have the commit after the repository
            if found is None:
                return None
            below = found[1]
        return below.removeprefix("./") if ".." not in below.split("/") and "\0" not in below else None


def _open(path: str) -> Any:
    """A file of any file system, open for reading bytes."""
    from datasets.utils.file_utils import xopen

    return xopen(path, "rb")


def open_container(address: str, config: str | None = None, revision: str | None = None) -> Container:
    """Open a source that Hugging Face `datasets` reads, a row at a time.

    Args:
        address: a folder, a file, a pattern of files (`data/*.parquet`), an address that fsspec knows (`s3://...`,
            `memory://...`, `https://.../a.tar`), or a repository on the Hub (`ORG/NAME`).
        config: which of a repository's or a folder's configurations.
        revision: of a repository on the Hub: a branch, tag or commit.

    Raises:
        MissingExtra: without the package `datasets`.
        BadInput: for what is not there, cannot be reached, or is of a kind that is not read.
    """
    if find_spec("datasets") is None:
        raise MissingExtra("datasets", "datasets", "reading data sets in Hugging Face's forms")
    with quiet():
        address = address.removeprefix("file://")
        if "://" in address and not address.startswith("hf://datasets/"):
            return _elsewhere(address)
        path = Path(address.removeprefix("hf://datasets/")).expanduser()
        if "://" not in address and path.is_dir():
            return _folder(address, path.resolve(), config)
        if "://" not in address and (path.is_file() or re.search(r"[*?\[]", address)):
            return _files(address, path)
        return _repository(address.removeprefix("hf://datasets/"), config, revision)


@contextmanager
def quiet() -> Iterator[None]:
    """`datasets` without its own bars and log lines."""
    import datasets

    before, bars = datasets.logging.get_verbosity(), datasets.is_progress_bar_enabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(before)
        if bars:
            datasets.enable_progress_bars()


def _folder(address: str, path: Path, config: str | None) -> Container:
    import datasets

    if (path / "images.parquet").is_file() and (path / "dataset.json").is_file():
        raise BadInput(f"{address}: an affectml data set already; every command reads it as it is")
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        with _readable(address):
            return _loaded(address, path.as_posix(), datasets.load_from_disk(path.as_posix()))
    return _built(address, path.as_posix(), None, path.as_posix(), name=config)


def _files(address: str, path: Path) -> Container:
    import fsspec

    pattern = path.absolute().as_posix()
    files = [pattern] if path.is_file() else sorted(fsspec.filesystem("file").glob(pattern))
    if not files:
        raise BadInput(f"{address}: no file of that name; {_EXPECTED}")
    return _of_files(address, Path(os.path.commonpath([str(Path(file).parent) for file in files])).as_posix(), files)


def _elsewhere(address: str) -> Container:
    """What lies in another file system, by fsspec."""
    import datasets
    import fsspec

    protocol = address.partition("://")[0]
    try:
        system, place = fsspec.core.url_to_fs(address)
    except ImportError as error:
        named = re.findall(r"[Ii]nstall [`'\"]?(\w+)|[\"'](\w+)[\"']", str(error))
        packages = " ".join(one or other for one, other in named) or protocol
        raise BadInput(
            f"{address}: reading {protocol}:// needs what is not installed: pip install {packages} ({_line(error)}); "
            "or copy the files to this machine"
        ) from None
    except ValueError as error:
        raise BadInput(f"{address}: {_line(error)}; expected an address that fsspec knows, such as s3://") from None
    with _readable(address):
        if system.isfile(f"{place}/dataset_dict.json") or system.isfile(f"{place}/state.json"):
            return _loaded(address, address, datasets.load_from_disk(address))
        pattern = re.search(r"[*?\[]", place)
        found = system.glob(place) if pattern else system.find(place)
        files = [system.unstrip_protocol(file) for file in sorted(found)]
    if not files:
        raise BadInput(f"{address}: nothing there; {_EXPECTED}")
    whole = system.unstrip_protocol(place.partition("*")[0] if pattern else place)
    root = whole if whole not in files and not pattern else whole.rpartition("/")[0]
    return _of_files(address, root.rstrip("/"), files)


def _of_files(address: str, root: str, files: list[str]) -> Container:
    """Files of the kind that most bytes of such folders are in: Parquet before tar before images."""
    kinds = {file: _kind(file) for file in files}
    for kind in ("parquet", "arrow", "webdataset", "imagefolder"):
        mine = [file for file, found in kinds.items() if found == kind]
        if kind == "imagefolder":
            mine += [file for file in files if PurePosixPath(file).name in _METADATA and mine]
        if mine:
            by_split: dict[str, list[str]] = {}
            for file in mine:
                said = _SPLIT.findall(file.removeprefix(root))
                by_split.setdefault(said[-1].lower() if said else "train", []).append(file)
            return _built(address, root, by_split, kind)
    raise BadInput(f"{address}: {PurePosixPath(files[0]).name} is of a kind that is not read; {_EXPECTED}")


_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def _kind(file: str) -> str | None:
    suffix = "." + file.rpartition(".")[2].lower()
    if file.lower().endswith(".tar.gz"):
        return "webdataset"
    return "imagefolder" if suffix in SUFFIXES else _KINDS.get(suffix)


def _repository(name: str, config: str | None, revision: str | None) -> Container:
    """A repository on the Hub, at the commit that its revision means now."""
    if not _HUB.fullmatch(name):
        raise BadInput(f"{name}: no such file or folder; {_EXPECTED}, an address (s3://...) or a repository ORG/NAME")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    way_out = (
        f"on a machine that reaches it, `hf download --repo-type dataset {name} --local-dir FOLDER`; then import FOLDER"
    )
    try:
        info = HfApi().dataset_info(name, revision=revision, timeout=15)
    except (GatedRepoError, RepositoryNotFoundError):
        raise BadInput(
            f"{name}: no file or folder here, and no repository for data sets on the Hub that may be read without "
            "asking; mend the name, or `hf auth login` and ask for access on its page"
        ) from None
    except RevisionNotFoundError:
        raise BadInput(f"{name}: {option('revision', revision)}: the repository has no such revision") from None
    except Exception as error:  # httpx and huggingface_hub raise many kinds
        raise BadInput(
            f"{name}: no file or folder here, and the Hub's repository of that name could not be reached "
            f"({type(error).__name__}: {_line(error)}); mend the name, or {way_out}"
        ) from None
    name = info.id  # an old name leads to the new one
    found = _built(name, f"hf://datasets/{name}", None, name, name=config, revision=info.sha)
    found.commit = info.sha or ""
    found.hub = f"https://huggingface.co/datasets/{name} at {info.sha}"
    return found


def _built(address: str, root: str, files: dict[str, list[str]] | None, path: str, **more: Any) -> Container:
    """What `datasets` makes of files, a folder or a repository; tar files stay files."""
    import datasets

    with _readable(address):
        builder = datasets.load_dataset_builder(path, data_files=files, **more)
        kind = type(builder).__module__.rpartition(".")[2]
        if kind not in _READ:
            raise BadInput(f"{address}: holds files that are read as {kind!r}, which is not done here; {_EXPECTED}")
        given = [str(file) for named in (builder.config.data_files or {}).values() for file in named]
        inside = Container(address, root, {}, None)
        if outside := [file for file in given if inside.contains(file) is None]:
            raise BadInput(f"{address}: its README.md names {outside[0]}, which lies outside; nothing was read")
        if kind in ("webdataset", "parquet"):
            named = {str(split): list(of) for split, of in builder.config.data_files.items()}
            if kind == "webdataset":
                return Container(address, root, named, None)
            return _loaded(address, root, {k: ParquetRows(v, builder.info.features) for k, v in named.items()})
        for file in given:
            if file.lower().endswith(".jsonl"):
                _check_lines(file)
        return _loaded(address, root, builder.as_streaming_dataset())


def _check_lines(file: str) -> None:
    """Raises BadInput for a line that is no JSON object: pyarrow, which reads them next, ends the process at `null`."""
    import fsspec

    with fsspec.open(file, "rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                whole = not line.strip() or isinstance(json.loads(line), dict)
            except (ValueError, RecursionError):
                whole = False
            if not whole:
                raise BadInput(f'{file}, line {number}: expected a JSON object, such as {{"file_name": "a.jpg"}}')


class ParquetRows:
    """Rows of Parquet files, a row group in memory at a time: `datasets` itself reads a good part of a file ahead."""

    def __init__(self, files: list[str], features: Any) -> None:
        import datasets
        import pyarrow.parquet as pq

        self._files, self._rows = files, 0
        for at, file in enumerate(files):
            with _open(file) as handle:
                if at == 0 and features is None:
                    features = datasets.Features.from_arrow_schema(pq.read_schema(handle))
                    handle.seek(0)
                self._rows += pq.read_metadata(handle).num_rows
        self.features = features

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        import pyarrow.parquet as pq
        from datasets.table import table_cast

        schema = self.features.arrow_schema
        for file in self._files:
            with _open(file) as handle:
                parquet = pq.ParquetFile(handle)
                for group in range(parquet.num_row_groups):
                    table = table_cast(parquet.read_row_group(group, use_threads=False), schema)
                    for batch in table.to_batches(BATCH):
                        yield from batch.to_pylist()


def _loaded(address: str, root: str, found: Any) -> Container:
    """Splits with undecoded images, and without sound and video."""
    import datasets

    splits = dict(found) if isinstance(found, dict) else {str(found.split or "train"): found}
    features: dict[str, dict[str, Any]] = {}
    for name, rows in splits.items():
        rows = rows if rows.features is not None else rows._resolve_features()
        for column, feature in dict(rows.features or {}).items():
            if isinstance(rows, ParquetRows):
                continue
            if isinstance(feature, datasets.Image):
                rows = rows.cast_column(column, datasets.Image(decode=False))
            elif isinstance(feature, datasets.Audio | datasets.Video):
                rows = rows.remove_columns([column])
        splits[name], features[name] = rows, dict(rows.features or {})
    known = [len(rows) for rows in splits.values() if isinstance(rows, datasets.Dataset | ParquetRows)]
    return Container(address, root, splits, features, sum(known) if known else None)


@contextmanager
def _readable(address: str) -> Iterator[None]:
    """What `datasets` and file systems raise, in one line that says what was expected."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # each has errors of its own
        ask = f"; name one: {option('config')}" if "onfig name is missing" in str(error) else f"; {_EXPECTED}"
        raise BadInput(f"{address}: {_line(error)}{ask}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
