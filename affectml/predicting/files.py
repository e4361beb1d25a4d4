"""Predictions for many images in a file, made and kept in parts."""

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from affectml._files import sha256, try_folder
from affectml._progress import Progress, Say
from affectml._version import __version__
from affectml.encoders import Encoder
from affectml.errors import BadInput, option
from affectml.pictures import Bad, ImageLike, Picture, pictures
from affectml.predicting._shift import Ground
from affectml.predicting.features import unreadable
from affectml.predicting.parts import DELIMITER, Parts, PredictionFile, shards_of
from affectml.predicting.predictions import score_columns
from affectml.predicting.predictor import PART, Predictor, Somebody
from affectml.runs import RunFolder
from affectml.shards import Shard

READERS = 8  # threads that read files to know them again


def predict_to_file(
    run: str | Path | RunFolder,
    images: ImageLike | Iterable[ImageLike],
    out: str | Path,
    *,
    labels: Sequence[str] | None = None,
    replace: bool = False,
    shard: Shard | str | None = None,
    threads: int | None = None,
    device: str | None = None,
    encoder_factory: Callable[[], Encoder] | None = None,
    person: Somebody | None = None,
    say: Say = print,
) -> PredictionFile:
    """Write what a run says of images: image, a score per label in single precision, set.

    Memory does not grow with the number of images. Stopped at any moment, the same call goes on: until OUT is whole,
    OUT.parts keeps what was done, but for the batches in hand and, where it was killed, the last ten seconds. An image
    that is named twice has one row.

    Args:
        run: the run or its folder.
        images: see `affectml.pictures.pictures`. Those that cannot be read are listed, and have no row.
        out: a .csv file (labels of a set joined by `|`), .parquet or .jsonl.
        labels: choose among these instead of the run's own, see `Predictor`.
        replace: write over a file that is there; the old one is kept beside it.
        shard: predict only these of the images, `3/16` say, in whole parts of 1,024, and keep what is done in
            OUT.shards/3-of-16 for `merge_predictions`. Images of a data set that have no embedding are then read from
            their files, and no embedding of them is kept.
        threads: torch's; None is one less than the cores, or what the interrupted call had.
        device: see `Predictor`.
        encoder_factory: see `Predictor`.
        person: whose answers they are, see `Person`; None is the population's. A person has no shards.
        say: called with what one should know.

    Raises:
        BadInput: where no image can be read; for an `out` that exists or cannot be written; for `labels` with a head
            that has no texts.
        BadRun: for image files and a run on embeddings made elsewhere.
        EncoderUnavailable: where the encoder is not the one that the run was trained with.
    """
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    shard = None if shard is None else Shard.parse(shard)
    if shard is not None and person is not None:
        raise BadInput(f"{option('shard', str(shard))}: a person is predicted by one process, where their data are")
    parts = Parts(Path(out), shard)
    if shard is None and not parts.finished:
        refuse_existing(parts.file, replace)
        if shards_of(parts.file).is_dir():
            say(f"{shards_of(parts.file)} has what shards made, which {option('merge', True)} joins; this does not")
    try_folder(parts.file.parent)
    bad: Bad = []
    found = pictures(images, bad=bad, once=True, say=say)
    threads = parts.threads if threads is None else threads
    predictor = Predictor(
        opened,
        labels=labels,
        threads=threads,
        device=device,
        encoder_factory=encoder_factory,
        embed=shard is None,
        padded=True,
        person=person,
        say=say,
    )
    check_labels(parts.file, predictor, say)
    if not found:
        raise unreadable(bad)
    mine = range(len(found)) if shard is None else rows_of(shard, found)
    if not mine:
        say(f"shard {shard} has nothing to do: {len(found):,} images are {len(in_parts(found))} parts of {PART:,}")
        return PredictionFile(parts.folder, 0, shard=shard)
    predictor.prepare(found[mine.start : mine.stop])
    if shard is None:
        asked = _asked(predictor, found, labels)
    else:
        asked = shard_asked(predictor, found, labels) | {"stamps": _stamps(predictor, found[mine.start : mine.stop])}
    with parts.held():
        parts.begin(asked, len(mine), say)
        if parts.finished:  # killed after the file was whole
            return parts.finish(bad)
        if shard is None:
            refuse_existing(parts.file, replace)
        predictor.way = parts.way()
        left = [start for start in mine[::PART] if not parts.path(start // PART).exists()]
        with Progress("predicting", sum(len(mine[at - mine.start :][:PART]) for at in left), "images") as bar:
            for start in left:
                some = found[start : start + PART]
                with parts.making(start // PART) as features:
                    predictor.way = predictor.way or features.way
                    made = predictor.predict(some, bar, features)
                read = None if shard is None else contents(predictor, some, set(made.images))
                parts.write(start // PART, made, predictor.way, read)
                features.path.unlink(missing_ok=True)
        if shard is not None:
            return PredictionFile(parts.folder, parts.images, None, bad + parts.bad(), shard)
        kept = parts.join(bad, Ground(predictor, found))
        return parts.finish(bad, kept)


def in_parts(found: Sequence[Picture]) -> list[Sequence[Picture]]:
    """The images of each part."""
    return [found[start : start + PART] for start in range(0, len(found), PART)]


def rows_of(shard: Shard, found: Sequence[Picture]) -> range:
    """Which of the images a shard predicts: whole parts."""
    return shard.rows(len(found), PART)


def refuse_existing(file: Path, replace: bool) -> None:
    """Raises BadInput for a file that is there, unless it may be written over."""
    if file.exists() and not replace:
        way = option("replace", True)
        raise BadInput(f"{file} exists; name another file, or write over it with {way}: the old one is kept beside it")


def check_labels(file: Path, predictor: Predictor, say: Say) -> None:
    """Before any work: say which labels have columns of other names; raise BadInput for those that CSV cannot hold."""
    for label, column in score_columns(predictor.labels).items():
        if column != label:
            say(f"the scores of label {label!r} are in column {column!r}: there is another column of its name")
    if file.suffix == ".csv" and predictor.predicts_sets:
        for label in predictor.labels:
            if DELIMITER in label or label != label.strip() or label.startswith("["):
                raise BadInput(
                    f"{file}: CSV cannot hold label {label!r} in sets, whose labels are joined by {DELIMITER!r}: "
                    "name a .parquet or .jsonl file"
                )


def _asked(predictor: Predictor, found: Sequence[Picture], labels: Sequence[str] | None) -> dict[str, Any]:
    """What parts of one file have in common, for manifest.json; its keys are those of OTHER."""
    whose = {} if predictor.person is None else {"person": predictor.person._digest}
    return {**shard_asked(predictor, found, labels), "images": _stamps(predictor, found), **whose}


def shard_asked(predictor: Predictor, found: Sequence[Picture], labels: Sequence[str] | None) -> dict[str, Any]:
    """What shards of one file have in common: images by their names, since other machines have copies of them."""
    files = [predictor.run.folder / name for name in ("run.json", "head.json", "head.safetensors")]
    images = hashlib.sha256()
    for picture in found:
        images.update(json.dumps(picture.name).encode())
    return {
        "run": [sha256(file) for file in files],
        "images": images.hexdigest(),
        "labels": None if labels is None else list(labels),
        "threads": predictor.threads,
        "versions": {"affectml": __version__, "torch": version("torch")},
    }


def _stamps(predictor: Predictor, found: Sequence[Picture]) -> str:
    """Changes when an image here does: by name, place, size and time."""
    images = hashlib.sha256()
    stores: dict[Path, str] = {}
    for picture in found:
        store = predictor.store(picture)
        if store is not None and store.folder not in stores:
            stores[store.folder] = store.stamp()
        stamp = picture.stamp() if store is None else stores[store.folder]
        images.update(json.dumps([picture.name, picture.key, stamp]).encode())
    return images.hexdigest()


def contents(predictor: Predictor, found: Sequence[Picture], names: Container[str]) -> dict[str, str]:
    """By name, what is read of each image whose name is among these: sha256 of its embedding, its file or its pixels.

    An image that is not here is left out.
    """

    def content(picture: Picture) -> str:
        store = predictor.store(picture)
        if store is not None:
            there = not store.missing([picture.image_id])
            return f"embedding {hashlib.sha256(store.rows([picture.image_id]).tobytes()).hexdigest()}" if there else ""
        with suppress(OSError):
            return f"pixels {picture.stamp()}" if picture.pixels is not None else f"file {sha256(Path(picture.file))}"
        return ""

    wanted = [picture for picture in found if picture.name in names]
    with ThreadPoolExecutor(READERS, "contents") as pool:
        read = dict(zip((picture.name for picture in wanted), pool.map(content, wanted), strict=True))
    return {name: what for name, what in read.items() if what}
