"""affectml's data set folder: judgements and targets added to one, or a new one made."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from affectml_annotation.aggregation import Aggregate
from affectml_annotation.errors import BadImport
from affectml_annotation.exchange._files import new_folder, write_json, write_parquet
from affectml_annotation.exchange.columns import for_files, from_files

if TYPE_CHECKING:  # the store imports the exchange
    from affectml_annotation.store.settings import TaskSettings


def write_dataset_folder(
    folder: str | Path,
    settings: "TaskSettings",
    images: pd.DataFrame,
    judgements: pd.DataFrame,
    targets: Mapping[str, Aggregate],
    *,
    annotators: pd.DataFrame | None = None,
    images_root: str | Path | None = None,
) -> list[str]:
    """Write annotations.parquet, targets-NAME.parquet and, last, dataset.json; returns notes on what changed.

    An existing data set keeps everything else of it; a target of the same name is replaced, and so are its
    annotations. A new folder gets images.parquet from `images` (image_id, file) and, with `images_root`, copies of
    the files. annotators: annotator_id and the attributes they share. Raises BadImport where the folder is about
    another construct, or lacks an image.
    """
    folder = Path(folder)
    if (folder / "dataset.json").is_file():
        return _extend(folder, settings, judgements, targets, annotators)
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise BadImport(str(folder), ["exists, and is no data set (no dataset.json); name a new folder"])
    meta: dict[str, Any] = {
        "schema": 1,
        "name": settings.name,
        "construct": settings.construct,
        "question": settings.question,
        "source": "labelled with affectml",
        "targets": {},
    }
    table = pd.DataFrame({"image_id": images["image_id"].astype("str")})
    if "file" in images and images_root is not None:
        table["file"] = images["file"].astype("str")
    notes = [] if "file" in table else ["no image files were copied: name their folder to have them in the data set"]
    with new_folder(folder) as fresh:
        for file in table.get("file", []):
            source = Path(str(images_root)) / file
            if not source.is_file() or not source.resolve().is_relative_to(Path(str(images_root)).resolve()):
                raise BadImport(str(source), ["no such image file under the images' folder"])
            (fresh / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, fresh / file)
        write_parquet(fresh / "images.parquet", table)
        _write(fresh, meta, settings, judgements, targets, annotators)
    return notes


def _extend(
    folder: Path,
    settings: "TaskSettings",
    judgements: pd.DataFrame,
    targets: Mapping[str, Aggregate],
    annotators: pd.DataFrame | None,
) -> list[str]:
    meta = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    if meta.get("construct") != settings.construct:
        raise BadImport(
            str(folder),
            [f"holds {meta.get('construct')} labels, the task asked for {settings.construct}; export to a new folder"],
        )
    known = set(pd.read_parquet(folder / "images.parquet", columns=["image_id"])["image_id"].astype("str"))
    strange = [image for image in judgements["image_id"] if image not in known]
    if strange:
        raise BadImport(
            str(folder), [f"has no image {strange[0]!r} ({len(set(strange))} such); export to a new folder"]
        )
    notes = [f"target {name} was replaced" for name in targets if name in meta.get("targets", {})]
    if not meta.get("question"):
        meta["question"] = settings.question
    elif meta["question"] != settings.question:
        notes.append(f"the data set's question stays {meta['question']!r}; the task's is in each target's made_by")
    if (folder / "annotations.parquet").exists():
        notes.append("annotations.parquet was replaced")
    _write(folder, meta, settings, judgements, targets, annotators)
    return notes


def _write(
    folder: Path,
    meta: dict[str, Any],
    settings: "TaskSettings",
    judgements: pd.DataFrame,
    targets: Mapping[str, Aggregate],
    annotators: pd.DataFrame | None,
) -> None:
    asked = "" if meta["question"] == settings.question else f"; asked: {settings.question}"
    write_parquet(folder / "annotations.parquet", for_files(judgements))
    if annotators is not None:
        write_parquet(folder / "annotators.parquet", annotators)
    for name, made in targets.items():
        file = f"targets-{name}.parquet"
        write_parquet(folder / file, made.table())
        taxonomy = settings.taxonomy
        if taxonomy is None:
            taxonomy = {"name": settings.name, "labels": {label: {} for label in settings.labels}}
        meta["targets"][name] = {
            "kind": made.kind,
            "taxonomy": taxonomy if isinstance(taxonomy, str) else dict(taxonomy),
            "values": made.values_are,
            "file": file,
            **({} if made.vote_rule is None else {"vote_rule": made.vote_rule}),
            "made_by": f"{made.method}: {made.made_by}{asked}",
        }
    write_json(folder / "dataset.json", meta)


def read_dataset_judgements(folder: str | Path) -> pd.DataFrame:
    """The judgements of a data set folder."""
    path = Path(folder) / "annotations.parquet"
    if not path.is_file():
        raise BadImport(str(folder), ["no annotations.parquet: this data set holds no judgements"])
    return from_files(pd.read_parquet(path), str(path))
