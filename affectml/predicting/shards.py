"""One file of predictions from what shards made of it: all is compared first, then joined as one process does it."""

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from affectml._files import replacing, try_folder
from affectml._progress import Progress, Say
from affectml.encoders.identity import spoken
from affectml.errors import BadInput, option
from affectml.pictures import Bad, ImageLike, Picture, pictures
from affectml.predicting._shift import Ground
from affectml.predicting.features import unreadable
from affectml.predicting.files import check_labels, contents, in_parts, refuse_existing, rows_of, shard_asked
from affectml.predicting.parts import CONTENTS, OTHER, WAY, Parts, PredictionFile, is_whole, shards_of
from affectml.predicting.predictor import Predictor
from affectml.runs import RunFolder
from affectml.shards import Shard, numbers, say_of_mixtures

MUST_AGREE = ("run", "images", "labels")  # of what was asked for; the rest moves last digits, and is said


def merge_predictions(
    run: str | Path | RunFolder,
    images: ImageLike | Iterable[ImageLike],
    out: str | Path,
    *,
    labels: Sequence[str] | None = None,
    replace: bool = False,
    check_images: bool = True,
    say: Say = print,
) -> PredictionFile:
    """Join what `predict_to_file(..., shard=...)` made of a file, and remove the shards' folders.

    The file is byte for byte that of one process with as many threads on such a machine. Killed at any moment, it is
    called again.

    Args:
        run: the run or its folder, as the shards had it.
        images: as the shards had them.
        out: as the shards had it.
        labels: as the shards had them.
        replace: write over a file that is there; the old one is kept beside it.
        check_images: read the images, or embeddings of them, that are here and compare them with those that were
            predicted.
        say: called with what one should know: a mixture of precisions, threads or versions, what was not compared.

    Raises:
        BadInput: where a part is in no shard (the message names the shards), where a shard is of another run, other
            images or labels, where an image here is another one, where a process still writes, and as
            `predict_to_file`.
    """
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    parts = Parts(Path(out))
    if not parts.finished:
        refuse_existing(parts.file, replace)
    try_folder(parts.file.parent)
    bad: Bad = []
    found = pictures(images, bad=bad, once=True, say=say)
    predictor = Predictor(opened, labels=labels, embed=False, say=say)
    check_labels(parts.file, predictor, say)
    if not found:
        raise unreadable(bad)
    asked = shard_asked(predictor, found, labels)
    shards = _there(parts.file)
    if not shards and not parts.finished:
        way = option("shard", "1/16")
        raise BadInput(f"{parts.file}: no shard of it is there to merge; the same command with {way} makes one of 16")
    for shard, made in shards.items():
        _agrees(shard, made, asked)
    with parts.held():
        kept = None
        if not parts.finished:  # else killed after the file was whole
            chosen = _each_part(found, shards)
            if check_images:
                _same_images(predictor, found, chosen, say)
            _say_of_mixtures(shards, chosen, say)
            first = next(iter(shards.values())).asked
            parts.begin({**asked, "threads": first["threads"], "versions": first["versions"]}, len(found), say)
            for number, (_, path) in enumerate(chosen):
                _link(path, parts.path(number))
            refuse_existing(parts.file, replace)
            kept = parts.join(bad, Ground(predictor, found))
        made_of = parts.finish(bad, kept)
        shutil.rmtree(shards_of(parts.file), ignore_errors=True)
        return made_of


def _there(file: Path) -> dict[Shard, Parts]:
    """The shards that began; raises BadInput where one is in work."""
    from filelock import FileLock, Timeout

    found = {}
    for path in shards_of(file).glob("*/manifest.json"):
        if (shard := Shard.of_folder(path.parent.name)) is not None:
            found[shard] = Parts(file, shard)
            try:
                with FileLock(path.parent / ".lock", timeout=0):
                    pass
            except Timeout:
                raise BadInput(f"{path.parent}: shard {shard} is being predicted; wait for it to end") from None
    return dict(sorted(found.items(), key=lambda pair: (pair[0].of, pair[0].number)))


def _agrees(shard: Shard, made: Parts, asked: dict[str, object]) -> None:
    other = [OTHER[key] for key in MUST_AGREE if made.asked.get(key) != asked[key]]
    if other:
        raise BadInput(
            f"{made.folder}: shard {shard} was made with {', '.join(other)}; name what it was made of, or remove it"
        )


def _each_part(found: Sequence[Picture], shards: dict[Shard, Parts]) -> list[tuple[Shard, Path]]:
    """The shard and the file of each part; raises BadInput that says in which shards parts are missing."""
    each = in_parts(found)
    paths: list[tuple[Shard, Path]] = []
    missing: list[int] = []
    for number in range(len(each)):
        there = ((shard, made.path(number)) for shard, made in shards.items())
        path = next(((shard, path) for shard, path in there if path.exists() and is_whole(path)), None)
        paths += [path] if path is not None else []
        missing += [number] if path is None else []
    if missing:
        of = max((shard.of for shard in shards), key=lambda of: sum(shard.of == of for shard in shards))
        starts = {number * len(each[0]) for number in missing}
        every = [Shard(number, of) for number in range(1, of + 1)]
        lacking = [shard for shard in every if not starts.isdisjoint(rows_of(shard, found))]
        raise BadInput(
            f"{shards_of(next(iter(shards.values())).file)}: {sum(len(each[number]) for number in missing):,} of "
            f"{len(found):,} images are in no shard, the first {each[missing[0]][0].name!r}; they belong to "
            f"{numbers(lacking)}: predict as before with {option('shard', str(lacking[0]))}, and so on, and merge "
            "again; what is there is kept"
        )
    return paths


def _same_images(predictor: Predictor, found: Sequence[Picture], chosen: list[tuple[Shard, Path]], say: Say) -> None:
    """Raises BadInput where an image that is here is not the one that was predicted."""
    predictor.open_stores(found)
    other: list[tuple[str, Shard, Path]] = []
    absent = 0
    with Progress("comparing images", len(found), "images") as bar:
        for (shard, path), some in zip(chosen, in_parts(found), strict=True):
            then = json.loads(pq.read_schema(path).metadata[CONTENTS])
            here = contents(predictor, some, then)
            for name, what in then.items():
                if here.get(name, " ").split()[:1] != what.split()[:1]:
                    absent += 1
                elif here[name] != what:
                    other.append((name, shard, path.parent))
            bar.advance(len(some))
    if other:
        name, shard, folder = other[0]
        raise BadInput(
            f"{name}: not the image that shard {shard} predicted ({len(other):,} such images): make the copies equal, "
            f"remove {folder} and predict that shard again"
        )
    if absent:
        say(f"{absent:,} images are not here as they were read, so they were not compared with what was predicted")


def _say_of_mixtures(shards: dict[Shard, Parts], chosen: list[tuple[Shard, Path]], say: Say) -> None:
    """That shards had several precisions, numbers of threads, or versions."""
    ways: dict[str, list[Shard]] = defaultdict(list)
    for shard, path in chosen:
        if way := pq.read_schema(path).metadata[WAY].decode():
            ways[spoken(way)].append(shard)
    several = {"embedded in several precisions": ways}
    for key, what in (("threads", "several numbers of threads"), ("versions", "several versions")):
        by: dict[str, list[Shard]] = defaultdict(list)
        for shard, made in shards.items():
            value = made.asked[key]
            by[str(value) if key == "threads" else ", ".join(f"{k} {v}" for k, v in value.items())].append(shard)
        several[f"predicted with {what}"] = by
    say_of_mixtures(several, say)


def _link(there: Path, path: Path) -> None:
    """The same file in another place; a copy where the disk has no links."""
    with replacing(path) as temporary:
        temporary.unlink()
        try:
            os.link(there, temporary)
        except OSError:
            shutil.copyfile(there, temporary)
