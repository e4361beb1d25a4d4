"""Opening what Hugging Face `datasets` reads: a folder, files, a tar, an address, a repository on the Hub.

Code of a data set is never run: `datasets` runs none since version 4, only kinds of files that hold data alone are let
through, and tar files are read here, since `datasets` would unpickle their members `.pyd` and `.pth`. Of a WebDataset
tar, the members of one key are one sample, and nothing but images and text is taken.
"""

import json
import os
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from affectml.errors import BadInput, MissingExtra, option
from affectml.importers.find import SUFFIXES, is_usual
from affectml.importers.read import SPLIT_OF

BATCH = 64  # rows that are Python's objects at once
MOST_BYTES = 256 * 2**20  # of an image
MOST_TEXT = 16 * 2**20  # of a sample's JSON or text
MOST_HEADER = 2**20
_HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
)  # fmt: skip
_TEXTS = ("json", "jsn", "txt", "text", "cls", "transcript")
_PICKLED = ("pyd", "pickle", "pkl", "pth", "pt")
# By the kind that `datasets` calls it: of files of several kinds, the first that is there is read.
_KINDS = {
    "parquet": (".parquet",),
    "arrow": (".arrow",),
    "webdataset": (".tar", ".tgz", ".tar.gz"),
    "imagefolder": tuple(SUFFIXES),
}
_MARKS = ("dataset_dict.json", "state.json", "dataset.json", "images.parquet")  # what folders are known by
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")
_SPLIT = re.compile(r"(?:^|[/_.\-])(" + "|".join(SPLIT_OF) + r")(?=[/_.\-]|$)", re.IGNORECASE)
_EXPECTED = "expected a folder of `save_to_disk`, of images with metadata, of Parquet files, or WebDataset tar files"


class Row(NamedTuple):
    """One row. cells: by column, an image as {"bytes", "path"}. prefix: what tells names of this part from others'."""

    where: str
    cells: dict[str, Any]
    prefix: str


@dataclass
class Container:
    """An opened source, to be read once.

    root: what its files' addresses begin with. splits: by the container's name of each, its rows, or tar
    files. features: of each split's columns, None of tar files. total: its rows, where known. left: gets what was
    left out, for each reason. hub, commit: the repository, where it is one on the Hub.
    """

    address: str
    root: str
    splits: Mapping[str, Iterable[Any]]
    features: dict[str, dict[str, Any]] | None
    total: int | None = None
    left: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    hub: str | None = None
    commit: str = ""

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split, in order; raises BadInput for what cannot be read on the way."""
        if self.features is None:
            for file in self.splits[split]:
                prefix = re.sub(r"\.(tar|tgz|gz)\b", "", re.split(r"[/\\]", file)[-1])
                with _open(file) as stream:
                    for number, (key, cells) in enumerate(_samples(stream, file, self.left), start=1):
                        yield Row(f"{file}, sample {number} ({key})", cells, prefix)
            return
        number = 0
        try:
            for number, cells in enumerate(self.splits[split], start=1):
                yield Row(f"{self.address}, {split}, row {number}", dict(cells), split)
        except Exception as error:  # datasets, pyarrow and fsspec raise many kinds
            zipped = "; unpack its archives, and import the folder" if "class label" in str(error) else ""
            raise BadInput(f"{self.address}, {split}, after row {number}: {_line(error)}{zipped}") from None

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
        plain = path.replace("\\", "/") if os.sep == "\\" else path
        if outer:  # a member of an archive: zip://a/b.jpg::ARCHIVE
            below = None if self.contains(outer) is None else inner.partition("://")[2]
        elif "://" not in plain and not Path(plain).is_absolute():
            below = plain
        else:  # the Hub's have the commit after the repository
            found = re.match(rf"{re.escape(self.root.rstrip('/'))}(?:@[^/]+)?/+(.+)", plain)
            below = found and found[1]
        return None if below is None or ".." in below.split("/") or "\0" in below else below.removeprefix("./")


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
    address = address.removeprefix("file://")
    hub = address.removeprefix("hf://datasets/")
    with quiet():
        try:
            return _repository(hub, config, revision) if hub != address else _found(address, config, revision)
        except BadInput:
            raise
        except Exception as error:  # datasets and each file system have errors of their own
            ask = f"name one: {option('config')}" if "onfig name is missing" in str(error) else _EXPECTED
            raise BadInput(f"{address}: {_line(error)}; {ask}") from None


@contextmanager
def quiet() -> Iterator[None]:
    """`datasets` without its own bars and log lines."""
    import datasets

    with ExitStack() as after:
        after.callback(datasets.logging.set_verbosity, datasets.logging.get_verbosity())
        if datasets.is_progress_bar_enabled():
            after.callback(datasets.enable_progress_bars)
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        datasets.disable_progress_bars()
        yield


def _found(address: str, config: str | None, revision: str | None) -> Container:
    """What is at an address, here or in another file system; of files of several kinds, Parquet before images."""
    import datasets
    import fsspec

    elsewhere, path = "://" in address, Path(address).expanduser()
    here = path.resolve() if path.is_dir() else path.absolute()
    try:
        system, place = fsspec.core.url_to_fs(address if elsewhere else here)
    except ImportError as error:  # names the package
        raise BadInput(f"{address}: {_line(error)} (pip), or copy the files to this machine") from None
    except ValueError as error:
        raise BadInput(f"{address}: {_line(error)}; expected an address that fsspec knows, such as s3://") from None
    root = system.unstrip_protocol(place).rstrip("/") if elsewhere else place
    has = {name for name in _MARKS if system.isfile(f"{place}/{name}")}
    if has & {"dataset_dict.json", "state.json"}:
        return _loaded(address, root, datasets.load_from_disk(address if elsewhere else root))
    if not elsewhere and has == {"dataset.json", "images.parquet"}:
        raise BadInput(f"{address}: an affectml data set already; every command reads it as it is")
    if not elsewhere and system.isdir(place):
        return _built(address, root, None, root, name=config)
    inside = system.find(place)
    files = [system.unstrip_protocol(file) if elsewhere else file for file in sorted(inside or system.glob(place))]
    if not files and not elsewhere:
        return _repository(address, config, revision)
    if not files:
        raise BadInput(f"{address}: nothing there; {_EXPECTED}")
    if not inside or inside == [place]:  # a pattern or a file
        root = fsspec.utils.common_prefix([file.rpartition("/")[0] for file in files])
    for kind, suffixes in _KINDS.items():
        mine = [file for file in files if file.lower().endswith(suffixes)]
        if not mine:
            continue
        if kind == "imagefolder":
            mine += [file for file in files if PurePosixPath(file).name in _METADATA]
        by_split = defaultdict(list)
        for file in mine:
            said = _SPLIT.findall(file.removeprefix(root))
            by_split[said[-1].lower() if said else "train"].append(file)
        return _built(address, root, by_split, kind)
    raise BadInput(f"{address}: {PurePosixPath(files[0]).name} is of a kind that is not read; {_EXPECTED}")


def _repository(name: str, config: str | None, revision: str | None) -> Container:
    """A repository on the Hub, at the commit that its revision means now."""
    if not _HUB.fullmatch(name):
        raise BadInput(f"{name}: no such file or folder; {_EXPECTED}, an address (s3://...) or a repository ORG/NAME")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().dataset_info(name, revision=revision, timeout=15)
    except (GatedRepoError, RepositoryNotFoundError):
        none = "no file or folder here, and no repository for data sets on the Hub that may be read without asking"
        raise BadInput(f"{name}: {none}; mend the name, or `hf auth login` and ask for access on its page") from None
    except RevisionNotFoundError:
        raise BadInput(f"{name}: {option('revision', revision)}: the repository has no such revision") from None
    except Exception as error:  # httpx and huggingface_hub raise many kinds
        download = f"`hf download --repo-type dataset {name} --local-dir FOLDER`; then import FOLDER"
        raise BadInput(
            f"{name}: no file or folder here, and the Hub's repository of that name could not be reached "
            f"({type(error).__name__}: {_line(error)}); mend the name, or on a machine that reaches it, {download}"
        ) from None
    name = info.id  # an old name leads to the new one
    found = _built(name, f"hf://datasets/{name}", None, name, name=config, revision=info.sha)
    found.commit = info.sha or ""
    found.hub = f"https://huggingface.co/datasets/{name} at {info.sha}"
    return found


def _built(address: str, root: str, files: dict[str, list[str]] | None, path: str, **more: Any) -> Container:
    """What `datasets` makes of files, a folder or a repository; tar files stay files."""
    import datasets

    builder = datasets.load_dataset_builder(path, data_files=files, **more)
    kind = type(builder).__module__.rpartition(".")[2]
    if kind not in (*_KINDS, "json", "csv"):
        raise BadInput(f"{address}: holds files that are read as {kind!r}, which is not done here; {_EXPECTED}")
    found = {str(split): list(map(str, of)) for split, of in (builder.config.data_files or {}).items()}
    container = Container(address, root, found, None)
    for file in chain(*found.values()):
        if container.contains(file) is None:
            raise BadInput(f"{address}: its README.md names {file}, which lies outside; nothing was read")
        if file.lower().endswith(".jsonl"):
            _check_lines(file)
    if kind == "webdataset":
        return container
    if kind != "parquet":
        return _loaded(address, root, builder.as_streaming_dataset())
    parts = {split: _Parquet(of, builder.info.features) for split, of in found.items()}
    features = {split: dict(part.features) for split, part in parts.items()}
    return Container(address, root, parts, features, sum(part.rows for part in parts.values()))


def _check_lines(file: str) -> None:
    """Raises BadInput for a line that is no JSON object: pyarrow, which reads them next, ends the process at `null`."""
    with _open(file) as handle:
        for number, line in enumerate(handle, start=1):
            try:
                whole = not line.strip() or isinstance(json.loads(line), dict)
            except (ValueError, RecursionError):
                whole = False
            if not whole:
                raise BadInput(f'{file}, line {number}: expected a JSON object, such as {{"file_name": "a.jpg"}}')


class _Parquet:
    """Rows of Parquet files, a row group in memory at a time: `datasets` itself reads a good part of a file ahead."""

    def __init__(self, files: list[str], features: Any) -> None:
        import datasets
        import pyarrow.parquet as pq

        self.files, self.features, self.rows = files, features, 0
        for file in files:
            with _open(file) as handle:
                said = pq.ParquetFile(handle)
                self.features = self.features or datasets.Features.from_arrow_schema(said.schema_arrow)
                self.rows += said.metadata.num_rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        import pyarrow.parquet as pq
        from datasets.table import table_cast

        for file in self.files:
            with _open(file) as handle:
                parquet = pq.ParquetFile(handle)
                for group in range(parquet.num_row_groups):
                    rows = parquet.read_row_group(group, use_threads=False)
                    for batch in table_cast(rows, self.features.arrow_schema).to_batches(BATCH):
                        yield from batch.to_pylist()


def _loaded(address: str, root: str, found: Any) -> Container:
    """Splits with undecoded images, and without sound and video."""
    import datasets

    splits = dict(found) if isinstance(found, dict) else {str(found.split or "train"): found}
    known = [len(rows) for rows in splits.values() if isinstance(rows, datasets.Dataset)]
    features: dict[str, dict[str, Any]] = {}
    for name, rows in splits.items():
        rows = rows if rows.features is not None else rows._resolve_features()
        for column, feature in dict(rows.features or {}).items():
            if isinstance(feature, datasets.Image):
                rows = rows.cast_column(column, datasets.Image(decode=False))
            elif isinstance(feature, datasets.Audio | datasets.Video):
                rows = rows.remove_columns([column])
        splits[name], features[name] = rows, dict(rows.features or {})
    return Container(address, root, splits, features, sum(known) if known else None)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__


class _Member(tarfile.TarInfo):
    """A member whose long name or further header is read whole by `tarfile`: a small archive could fill the memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _HEADERS and self.size > MOST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def _samples(stream: Any, where: str, left: dict[str, list[str]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and columns, `image` among them, of the samples of a tar file, in its order.

    Args:
        stream: the file, open for reading bytes; it is read once, from its beginning to its end.
        where: what error messages call it.
        left: gets, for each reason, the members that were left out.

    Raises:
        BadInput: for a damaged archive, a name that leads out of it, and text that cannot be read; names the member.
    """
    key = ""
    said: dict[str, Any] = {}
    image = None
    try:
        with tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Member) as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # else tarfile remembers every member
                name = member.name.removeprefix("./")
                if not is_usual(name):
                    leads = f"member {member.name!r} leads out of the archive"
                    raise BadInput(f"{where}: {leads}; nothing was written: pack it again")
                path = PurePosixPath(name)
                stem, _, extension = path.name.partition(".")
                if not (member.isfile() and stem and extension):
                    if not member.isdir():
                        left["members of an archive that are no plain file with a suffix"].append(name)
                    continue
                mine = (path.parent / stem).as_posix()
                if key and mine != key:
                    yield key, {**said, "image": image}
                    said, image = {}, None
                key = mine
                extension = extension.lower()
                if reason := _not_taken(member, extension, image is not None):
                    left[reason].append(name)
                    continue
                content = archive.extractfile(member).read()  # type: ignore[union-attr]  # it is a file
                if extension in _TEXTS:
                    said.update(_columns(content, extension, f"{where}: member {name!r}"))
                else:
                    image = {"bytes": content, "path": name}
    except (tarfile.TarError, EOFError, OSError, RecursionError) as error:
        raise BadInput(f"{where}: not a whole tar file ({error}); copy or download it again") from None
    if key:
        yield key, {**said, "image": image}


def _not_taken(member: tarfile.TarInfo, extension: str, has_image: bool) -> str:
    """Why a member is no part of its sample; nothing where it is."""
    last = extension.rpartition(".")[2]
    image = f".{last}" in SUFFIXES
    most = MOST_BYTES if image else MOST_TEXT
    if last in _PICKLED:
        return "members that may hold pickled Python, never opened"
    if not image and extension not in _TEXTS:
        return "members of a kind that is not read"
    if member.size > most:
        return f"members above {most // 2**20} MiB"
    return "members: a second image of one key" if image and has_image else ""


def _columns(content: bytes, extension: str, where: str) -> dict[str, Any]:
    """What a text member says: an object's keys, or one column called by the extension."""
    try:
        text = content.decode("utf-8-sig")
        if extension not in ("json", "jsn"):
            return {extension: text.strip()}
        said = json.loads(text)
        if "\\ud" in text.lower():  # half of a character: JSON allows it, UTF-8 and Parquet do not
            json.dumps(said, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not {'JSON' if extension[0] == 'j' else 'text'} in UTF-8 ({error})") from None
    return dict(said) if isinstance(said, dict) else {extension: said}
