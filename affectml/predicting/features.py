"""Features of images by a run's encoder: of files, as training saw them, and of data sets that have a store."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, suppress
from typing import Any

import numpy as np
import pandas as pd

from affectml._progress import Say
from affectml.data import Dataset
from affectml.data.splits import CALIBRATION
from affectml.embeddings import Batch, EmbeddingStore, embedded, ensure_embeddings, existing_store
from affectml.encoders import Encoder, EncoderIdentity, Ran, load_encoder
from affectml.encoders.identity import DECLARED, spoken, to_load
from affectml.errors import AffectmlError, BadDataset, BadInput, BadRun, EncoderUnavailable, few
from affectml.pictures import Bad, Picture
from affectml.runs import RunFolder

Array = np.ndarray[Any, Any]
# Scores of an image that are closer than this are those of the same image: embedded in one precision, or in any that
# agrees with fp32.
ONE_PRECISION, ANY_PRECISION = 1e-4, 2e-2


def run_encoder(run: RunFolder, threads: int | None, *, device: str | None = None) -> Encoder:
    """The encoder that a run was trained with, loaded and compared with what run.json says of it.

    It is in fp32 where the run's precision is computed no more (OpenVINO's, open_clip's mixed ones).

    Args:
        run: the run.
        threads: torch's; None leaves them as they are, and streams of images take the cores that there are.
        device: see `load_encoder`.

    Raises:
        BadRun: for a run on embeddings made elsewhere, whose encoder is not known.
        EncoderUnavailable: where its weights cannot be had, or are not those the run was trained with.
    """
    identity = EncoderIdentity.from_json(run.info.encoder.identity, str(run.folder / "run.json"))
    specs = run.info.encoder.specs
    if not specs:
        raise BadRun(
            f"{run.folder}: trained on embeddings made elsewhere ({identity.architecture}), so no encoder for image "
            "files is known: make features of the images the same way, import them (`affectml import embeddings`), and "
            "predict for that data set"
        )
    way = to_load(identity.precision)
    encoder = load_encoder(specs[0], precision=way, device=device, threads=threads, mapped=True)
    if not identity.may_use(encoder.identity):
        both = zip(encoder.identity.to_json().items(), identity.to_json().values(), strict=True)
        other = next((f"{name} {here}, not {then}" for (name, here), then in both if here != then), "in what it is")
        raise EncoderUnavailable(f"{run.folder}: {specs[0]} is not the encoder this run was trained with ({other})")
    return encoder


def say_of_precision(run: RunFolder, here: Sequence[Ran], say: Say) -> None:
    """That images are embedded in another precision than the run's were, where they are; it changes last digits."""
    learned, now = {str(each["precision"]) for each in run.info.encoder.ran}, {each.precision for each in here}
    if learned and now - learned:
        say(
            f"the run learned from embeddings in {' and '.join(sorted(map(spoken, learned)))}, and these are in "
            f"{' and '.join(sorted(map(spoken, now)))}: scores may differ in the third digit"
        )


def store_of(
    run: RunFolder, data: Dataset, threads: int | None, say: Say, device: str | None = None
) -> "EmbeddingStore | FromFiles":
    """Embeddings by the run's encoder, made where they are not there; see `store_there`."""
    if not _keeps(run):
        say("this head takes features before normalisation, which stores do not keep: embedding the images anew")
        return FromFiles(run, data, run_encoder(run, threads, device=device))
    if specs := run.info.encoder.specs:
        way = {"precision": run.info.encoder.identity["precision"], "threads": threads, "device": device}
        try:
            store = ensure_embeddings(data, specs[0], say=say, **way)
        except BadDataset as error:
            raise BadDataset(f"{error}; run {run.folder} needs them") from None
        return _of_the_run(run, store, say)
    return _of_the_run(run, EmbeddingStore.for_dataset(data), say)


def store_there(run: RunFolder, data: Dataset, say: Say) -> EmbeddingStore | None:
    """Embeddings by the run's encoder as they are: nothing is embedded. None where there are none that it can use.

    Imported ones are compared by dimension only, and that is said.
    """
    if specs := run.info.encoder.specs:
        store = existing_store(data, specs[0], run.info.encoder.identity["precision"]) if _keeps(run) else None
        return None if store is None else _of_the_run(run, store, say)
    return _of_the_run(run, EmbeddingStore.for_dataset(data), say)


def _keeps(run: RunFolder) -> bool:
    """Whether stores keep the features that a run's head takes."""
    identity = run.info.encoder.identity
    return bool(not run.info.encoder.specs or identity["normalised"] or identity["precision"] == DECLARED)


def _of_the_run(run: RunFolder, store: EmbeddingStore, say: Say) -> EmbeddingStore:
    """The store; raises BadDataset where it is by another encoder than the run's."""
    identity = EncoderIdentity.from_json(run.info.encoder.identity, str(run.folder / "run.json"))
    specs = run.info.encoder.specs
    if not specs and store.dim != identity.dim:
        raise BadDataset(
            f"{store.folder}: {store.dim} features per image, but run {run.folder} was trained on {identity.dim} of "
            "another encoder: import such features of these images (`affectml import embeddings`), or leave the run out"
        )
    if not specs and store.identity.to_json() != identity.to_json():
        say(f"embeddings made elsewhere: taken to be by the encoder behind {identity.architecture}")
    if specs and (not identity.may_use(store.identity) or identity.normalised != store.identity.normalised):
        raise BadDataset(f"{store.folder}: embeddings by another encoder than run {run.folder}'s ({specs[0]})")
    if specs:
        say_of_precision(run, store.ran, say)
    return store


def check_images(run: RunFolder, dataset: Dataset, image_ids: Iterable[str]) -> None:
    """Raise BadRun where what a run predicted is not of a data set's images: equal names do not make equal images.

    A data set that has grown passes. Where some of the run's images are not in it, those of both are compared as long
    as the run's own data set is where it was; nothing shows if not, or if the run recorded no sizes.

    Args:
        run: the run.
        dataset: whose images are named as the run's.
        image_ids: all those of its predictions.
    """
    ids = set(map(str, image_ids))
    common = ids.intersection(dataset.images["image_id"])
    way = f"it learned from {run.info.config.dataset or 'the demo set'}: open that with it, or train on {dataset.root}"
    if not common:
        raise BadRun(f"{run.folder}: {dataset.root} has none of its {len(ids):,} images; {way}")
    recorded = run.info.data.fingerprint.get("images")
    if recorded is not None and common != ids:
        whole, recorded = recorded, None
        with suppress(AffectmlError):
            own = Dataset.open(run.info.config.dataset or "")
            recorded = own.images_digest(common) if own.images_digest(ids) == whole else None
    here = None if recorded is None else dataset.images_digest(common)
    if here is not None and here != recorded:
        raise BadRun(
            f"{run.folder}: {dataset.root} has other files for some of the {len(common):,} images that are called as "
            f"its own: they are others, or have changed since; {way}"
        )


class FromFiles:
    """Features of a data set's image files, made when asked for; in the place of a store."""

    def __init__(self, run: RunFolder, data: Dataset, encoder: Encoder) -> None:
        self._run, self._data, self._encoder = run, data, encoder
        table = data.images.set_index("image_id")
        self._files = table["file"].dropna().to_dict() if "file" in table.columns else {}

    def missing(self, image_ids: Iterable[str]) -> list[str]:
        """Those of `image_ids` that have no file."""
        return [i for i in image_ids if i not in self._files]

    def rows(self, image_ids: Iterable[str]) -> np.ndarray[Any, Any]:
        """Features in this order, [N, D]; raises BadInput naming the first file that is not an image."""
        found = [Picture(i, str(self._data.image_path(str(self._files[i])))) for i in image_ids]
        rows = []
        with closing(features_of(self._run, self._encoder, found)) as stream:
            for batch in stream:
                if batch.bad:
                    raise unreadable([(picture.file, why) for picture, why in batch.bad[:1]])
                rows.append(batch.rows)
        return np.concatenate(rows)

    features = rows  # what is not kept anywhere cannot be read in parts


def features_of(
    run: RunFolder, encoder: Encoder, found: Sequence[Picture], **options: Any
) -> Generator[Batch[Picture], None, None]:
    """Features as the run's head takes them; options: of `embedded`."""
    normalised = bool(run.info.encoder.identity["normalised"])
    return embedded(encoder, [found], images=len(found), normalised=normalised, **options)


def unreadable(bad: Bad) -> BadInput:
    """The error where no image could be predicted."""
    if not bad:
        return BadInput("no image to predict for")
    first = few([": ".join(each) for each in bad], 3, "; ")
    return BadInput(first if len(bad) == 1 else f"none of {len(bad):,} images could be predicted: {first}")


def learned_from(run: RunFolder, scores: pd.DataFrame) -> set[str]:
    """Images that the run learned from, calibration and validation too: of the same image_id, and scored the same.

    Other collections may use the same ids; another image under a known id gets other scores.

    Args:
        run: the run, with its answers.
        scores: the head's scores now, a column per label, by image_id.

    Returns:
        Their image_ids.
    """
    said = run.model_answers
    table = said.frame[pd.Index(said.split).isin(("train", CALIBRATION, "val"))]
    ids = table.index.intersection(scores.index)
    far = np.abs(scores.loc[ids, table.columns].to_numpy(np.float64) - table.loc[ids].to_numpy(np.float64))
    near = ANY_PRECISION if run.info.encoder.identity["precision"] == "auto" else ONE_PRECISION
    return set(ids[far.max(axis=1) < near]) if len(ids) else set()
