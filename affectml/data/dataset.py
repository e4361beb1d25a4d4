"""The data set folder: opening it with every check, and writing one."""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import read_frame, sha256, try_folder, write_json, write_parquet
from affectml.data.schema import Asked, DatasetMeta, read_meta
from affectml.data.targets import Targets, read_targets
from affectml.errors import BadDataset, BadInput, did_you_mean

SPLITS = ("train", "val", "test")
DIGITS = 9  # of a share in a fingerprint; the last bits of a sum differ between machines
STOPPED = (
    "images stopped early: how many people answered one depended on what the first of them said. All answers are "
    "counted, so rates, people's entropy and agreement are biased"
)
# How `made_by` begins where a target counts the judgements beside it: by the method's name, or in an importer's words.
_OF_JUDGEMENTS = re.compile(r"(?P<method>[a-z_]+): |votes (of the (judgements|annotators) in|in annotations\.parquet)")


class Dataset:
    """An opened data set folder. Reading changes nothing in it; tables are read when first asked for."""

    def __init__(self, root: Path, meta: DatasetMeta) -> None:
        self.root = root
        self.meta = meta

    @classmethod
    def open(cls, path: str | Path) -> "Dataset":
        """Open a folder; raises BadDataset if it is missing, a file, or without a usable dataset.json."""
        root = Path(path)
        if not root.exists():
            near = [file.parent.name for file in root.parent.glob("*/dataset.json")]
            raise BadDataset(f"{root}: no such folder{did_you_mean(root.name, near)}")
        if not root.is_dir():
            raise BadDataset(
                f"{root} is a file; a data set is a folder with a dataset.json "
                "(`affectml import table` makes one from a CSV or Parquet file)"
            )
        return cls(root, read_meta(root / "dataset.json"))

    def __fspath__(self) -> str:
        return str(self.root)

    @property
    def name(self) -> str:
        """The data set's name, from dataset.json."""
        return self.meta.name

    @cached_property
    def images(self) -> pd.DataFrame:
        """images.parquet, checked: image_id (str, unique), file or url, split, group, content_warning, your columns."""
        path = self.root / "images.parquet"
        table = _read_parquet(path, "image_id")
        table["image_id"] = table["image_id"].astype(str)
        for image in table["image_id"][table["image_id"].duplicated()]:
            raise BadDataset(f"{path}: image_id {image!r} stands in two rows")
        checks: dict[str, tuple[Callable[[object], bool], str]] = {
            "split": (lambda split: isinstance(split, str) and split in SPLITS, "is none of train, val, test"),
            "content_warning": (lambda text: isinstance(text, str) and "\0" not in text, "is no text"),
        }
        for column, (fits, what) in checks.items():
            if column in table.columns:
                odd = table[table[column].notna() & ~table[column].map(fits).astype(bool)]
                for image, cell in zip(odd["image_id"], odd[column], strict=True):
                    raise BadDataset(f"{path}: image {image!r}: {column} {cell!r} {what}")
        return table

    def image_path(self, file: str) -> Path:
        """The path of an image named in images.parquet; raises BadDataset if it leaves the folder."""
        relative = PurePosixPath(file)
        inside = not relative.is_absolute() and not PureWindowsPath(file).drive and ".." not in relative.parts
        path = self.root / relative
        if not inside or not path.resolve().is_relative_to(self.root.resolve()):
            raise BadDataset(f"{self.root / 'images.parquet'}: file {file!r} leaves the data set's folder")
        return path

    def target(self, name: str) -> Targets:
        """A target by name, checked; raises BadDataset naming the nearest one if there is none."""
        self.need_targets()
        if name not in self.meta.targets:
            have = ", ".join(self.meta.targets)
            raise BadDataset(f"{self.root}: no target {name!r}{did_you_mean(name, self.meta.targets)} (it has: {have})")
        entry = self.meta.targets[name]
        path = self.image_path(entry.file)
        targets = read_targets(_read_parquet(path), name, entry, str(path))
        # not `isin`, which takes half a second for 100,000 of Arrow's strings
        known = pd.Index(self.images["image_id"], dtype=object)
        unknown = known.get_indexer(pd.Index(targets.image_id, dtype=object)) < 0
        if unknown.any():
            raise BadDataset(f"{path}: image {targets.image_id[unknown][0]!r} is not in images.parquet")
        return targets

    def outdated(self, name: str) -> str | None:
        """Why a target no longer fits the data set's judgements, in one line with the way out; None where it does.

        It counts answers that are not there, of somebody who was erased, say, or checks. Only a target made of the
        judgements here can be told so; of published counts, or shares without a number of people, nothing is known.
        """
        from affectml_annotation.exchange.dataset_folder import noted

        entry, what = self.meta.targets[name], "answers that the data set has no longer, or attention checks"
        marks = [line.get("outdated") for line in noted(self.root)]
        path = self.image_path(entry.file)
        if any(isinstance(mark, dict) and name in mark and mark[name] == sha256(path) for mark in marks):
            what = "somebody who was erased"
        elif self.judgements is None or not counts_more(self, name, self.judgements):
            return None
        command = command_for(self, name)
        again = f"make it again: `{command}`" if command else "nobody's answers are left: remove it from dataset.json"
        return f"{self.root}: target {name} counts {what}; {again}"

    def pooled(self, targets: Targets, where: object = "DATASET") -> str | None:
        """What is to be said where a target is made of answers in several languages; None where it is not.

        Args:
            targets: one of its targets.
            where: what the data set is called in the command that is named.
        """
        from affectml_annotation.agreement.by_group import pooled_words

        if self.judgements is None or not _OF_JUDGEMENTS.match(targets.meta.made_by):
            return None
        return pooled_words(self.judgements, where)

    def stopped(self, targets: Targets) -> str | None:
        """What is to be said where a target is made of answers to images that stopped early; None where it is not."""
        return STOPPED if self.meta.stopping is not None and _OF_JUDGEMENTS.match(targets.meta.made_by) else None

    def need_targets(self) -> None:
        """Raise BadDataset, naming the ways to get one, where the data set has no target yet."""
        if self.meta.targets:
            return
        where = shlex.quote(str(self.root))
        labels = "" if self.meta.taxonomy else " --taxonomy NAME"
        raise BadDataset(
            f"{self.root}: no target yet, so there is nothing to learn or to judge by. Label its images (`affectml "
            f"label --on {where}{labels}`) and add the answers to it (`affectml label export --to {where}`), or join a "
            f"table of labels (`affectml import table LABELS.csv {where}`)"
        )

    @cached_property
    def judgements(self) -> pd.DataFrame | None:
        """annotations.parquet, one row per judgement, or None where the data set has none."""
        from affectml_annotation.judgements import of_now

        if (given := self._beside("annotations.parquet", "image_id")) is None:
            return None
        table = of_now(given)
        return table.assign(image_id=table["image_id"].astype(str))

    @cached_property
    def annotators(self) -> pd.DataFrame | None:
        """annotators.parquet: annotator_id and what people agreed to share, or None where the data set has none."""
        return self._beside("annotators.parquet", "annotator_id")

    @cached_property
    def truth(self) -> pd.DataFrame | None:
        """truth.parquet of a demo set (true rates per label), or None: real data have no such thing."""
        return self._beside("truth.parquet")

    def _beside(self, name: str, needed: str | None = None) -> pd.DataFrame | None:
        return _read_parquet(self.root / name, needed) if (self.root / name).exists() else None

    def selection(self, name: str) -> list[str]:
        """The image_ids of a selection that dataset.json names, in the order in which they were saved."""
        table = _read_parquet(self.image_path(self.meta.selections[name].file), "image_id")
        return table["image_id"].astype(str).tolist()

    def groups(self, image_ids: Sequence[str] | NDArray[Any], column: str = "group") -> NDArray[Any] | None:
        """The group of each image, [N] of str, an image without one being a group of its own; None without groups."""
        if column not in self.images.columns or self.images[column].isna().all():
            return None
        group = self.images.set_index("image_id")[column].reindex(pd.Index(image_ids))
        alone = pd.Series([f"image {i}" for i in image_ids], index=group.index)
        return np.asarray(group.astype(object).where(group.notna(), alone).astype(str), dtype=object)

    def __repr__(self) -> str:
        targets = ", ".join(f"{name} ({entry.kind})" for name, entry in self.meta.targets.items())
        return f"<Dataset {self.root}: {self.name}, targets: {targets or 'none'}>"

    def _repr_html_(self) -> str:
        """For notebooks: its targets, how many images, and the first pictures."""
        from html import escape

        from affectml._html import picture, table, thumbnail

        rows = [
            [escape(cell) for cell in (name, one.kind, one.construct, ", ".join(one.resolve_taxonomy().labels))]
            for name, one in self.meta.targets.items()
        ]
        title = f"<p><b>{escape(self.name)}</b>: {len(self.images)} images · <code>{escape(str(self.root))}</code></p>"
        files = [str(file) for file in self.images["file"].dropna()[:6]] if "file" in self.images.columns else []
        shown = "".join(picture(thumbnail(self.image_path(file), 96), file) + " " for file in files)
        return f"{title}{table(('target', 'kind', 'construct', 'labels'), rows)}<p>{shown}</p>"

    def fingerprint(self, target: str) -> dict[str, str]:
        """What a run knows its own data by, of one target: sha256 by part, of contents and not of files.

        `target`: its kind, labels, numbers and people asked; `split`: the split column; `images`: the size of each
        image file in bytes, absent where a file is missing. Each part is of the target's images in the order of their
        image_id. The order of rows and columns, other columns, other targets and what dataset.json says change nothing.
        """
        targets = self.target(target)
        targets = targets.take(np.array(sorted(targets.image_id), dtype=object))
        ids, labels = targets.image_id.tolist(), targets.taxonomy.labels
        columns = sorted(range(len(labels)), key=labels.__getitem__)
        table = np.round(targets.table[:, columns], DIGITS) + 0.0  # no -0
        people = b"" if targets.people is None else targets.people[:, columns].astype("<i8").tobytes()
        what = (targets.kind, targets.meta.values, [labels[at] for at in columns], targets.people is not None)
        parts = self.images.set_index("image_id").reindex(columns=["split"]).loc[ids, "split"]
        found = {
            "target": _digest(what, ids, table.astype("<f8").tobytes(), people),
            "split": _digest(ids, [None if pd.isna(part) else str(part) for part in parts]),
        }
        images = self.images_digest(ids)
        return found if images is None else {**found, "images": images}

    def has_fingerprint(self, recorded: Mapping[str, str], target: str | None) -> bool:
        """Whether `recorded` is a fingerprint of this target.

        `images` counts only where both have it.
        """
        if target is None or target not in self.meta.targets:
            return False
        now = self.fingerprint(target)
        return all(recorded.get(part) == now[part] for part in {"target", "split"} | (set(recorded) & set(now)))

    def images_digest(self, image_ids: Iterable[str]) -> str | None:
        """What `fingerprint` says under `images` of exactly these; None where the file of one is missing."""
        ids = sorted(map(str, image_ids))
        files = self.images.set_index("image_id").reindex(index=ids, columns=["file"])["file"]
        try:
            return None if files.isna().any() else _digest(ids, [(self.root / file).stat().st_size for file in files])
        except OSError:
            return None


def counts_more(dataset: Dataset, name: str, judgements: pd.DataFrame | None) -> bool:
    """Whether a target made of judgements has more people for some image than answered it in these, checks left out."""
    from affectml_annotation.judgements import are_data

    targets = dataset.target(name)
    if targets.n is None or not _OF_JUDGEMENTS.match(targets.meta.made_by):
        return False
    there = pd.Series(0, index=targets.image_id)
    if judgements is not None and "annotator_id" in judgements:
        answers = judgements[are_data(judgements, rounds=1)]
        if "kind" in answers:
            answers = answers[answers["kind"].isna() | answers["kind"].isin(["labels", "none"])]
        people = answers[["image_id", "annotator_id"]].drop_duplicates()["image_id"].value_counts()
        there = people.reindex(targets.image_id, fill_value=0)
    return bool((targets.n.reshape(len(there), -1).max(axis=1) > there.to_numpy()).any())


def command_for(dataset: Dataset, name: str) -> str | None:
    """The command that makes a target anew of the judgements here; None where there are none."""
    entry = dataset.meta.targets[name]
    if dataset.judgements is None:
        return None
    told = _OF_JUDGEMENTS.match(entry.made_by)
    method = (told and told["method"]) or entry.vote_rule or entry.values
    rounds = entry.made_by.partition("; rounds: ")[2]
    options = ["--method", method, *(["--rounds", rounds] if rounds else []), "--target", name, "--replace"]
    return shlex.join(["affectml", "label", "aggregate", str(dataset.root), *options])


def check_new(out: Path) -> None:
    """Raise BadInput unless `out` can become a folder of ours: absent or an empty folder, in a place to write to."""
    with suppress(OSError):  # what cannot even be looked up cannot be written either
        if out.is_file():
            raise BadInput(f"{out} is a file; name a folder that does not exist yet")
        if out.is_dir() and any(out.iterdir()):
            raise BadInput(f"{out} exists and is not empty; nothing was written: choose another folder or remove it")
    try_folder(out)


def write_dataset(
    folder: Path,
    meta: DatasetMeta,
    images: pd.DataFrame,
    targets: Mapping[str, pd.DataFrame],
    annotations: pd.DataFrame | None = None,
    annotators: pd.DataFrame | None = None,
) -> Dataset:
    """Write a data set's tables into `folder`, read everything back with all checks, and return it.

    targets: one table per entry of `meta.targets`. Where `meta` does not say what the people in `annotations` were
    asked, it is what all targets agree on. For an all-or-nothing result, call it inside
    `affectml._files.new_folder(out)`. dataset.json is written last. Raises BadInput for a folder that is a data set
    already: judgements and targets are added to it by `affectml label export`.
    """
    if (folder / "dataset.json").exists():
        raise BadInput(
            f"{folder} is a data set already; nothing was written: choose another folder "
            "(`affectml label export --to` adds judgements and targets to one)"
        )
    if set(targets) != set(meta.targets):
        raise BadInput(f"targets {sorted(targets)} do not match those described: {sorted(meta.targets)}")
    tables = {"images.parquet": images, **{meta.targets[name].file: table for name, table in targets.items()}}
    for file, table in {**tables, "annotators.parquet": annotators, "annotations.parquet": annotations}.items():
        if table is not None:
            write_parquet(folder / file, table)
    if annotations is not None and meta.judgements is None:
        said = {(entry.construct, entry.question) for entry in meta.targets.values()}
        meta = replace(meta, judgements=Asked(*said.pop()) if len(said) == 1 else None)
    write_json(folder / "dataset.json", meta.to_json())
    dataset = Dataset.open(folder)
    for name in meta.targets:
        dataset.target(name)
    return dataset


def _digest(*parts: object) -> str:
    """sha256 of bytes, and of anything else as JSON; the length before each keeps neighbours apart."""
    found = hashlib.sha256()
    for part in parts:
        content = (
            part if isinstance(part, bytes) else json.dumps(part, ensure_ascii=False).encode(errors="surrogatepass")
        )
        found.update(f"{len(content)} ".encode() + content)
    return found.hexdigest()


def _read_parquet(path: Path, needed: str | None = None) -> pd.DataFrame:
    """A table of the folder; raises BadDataset where it cannot be read, or lacks the column that is needed."""
    try:
        table = read_frame(path)
        for name in ("image_id", "file", "url", "group"):
            if name in table.columns and pd.api.types.infer_dtype(table[name], skipna=True) == "bytes":
                table[name] = table[name].map(bytes.decode, na_action="ignore")
    except FileNotFoundError:
        raise BadDataset(f"{path}: no such file") from None
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise BadDataset(f"{path}: not a readable Parquet file ({error})") from None
    if needed is not None and needed not in table.columns:
        raise BadDataset(f"{path}: no column {needed}")
    return table
