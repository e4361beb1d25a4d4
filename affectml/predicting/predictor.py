"""Reading a run back: its predictions for images."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import compress, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from affectml import parts
from affectml._progress import Progress, Say
from affectml.data.choose import levels_of
from affectml.embeddings import EmbeddingStore
from affectml.encoders import Encoder
from affectml.encoders.threads import set_threads
from affectml.errors import BadInput, option
from affectml.heads import TextHead
from affectml.heads.base import sets_of
from affectml.pictures import Bad, ImageLike, Picture, as_bad, pictures
from affectml.predicting.checks import Ground
from affectml.predicting.features import features_of, run_encoder, say_of_precision, store_of, store_there, unreadable
from affectml.prompts import Prompts, asked_labels, label_features
from affectml.runs import RunFolder
from affectml.taxonomies import Taxonomy

if TYPE_CHECKING:
    from affectml.predicting.person import Person

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Prediction:
    """One image's labels. best: (label, score), highest first; labels: the predicted set, None without sets."""

    image: str
    best: list[tuple[str, float]]
    labels: list[str] | None

    def to_json(self) -> dict[str, Any]:
        """Plain values: image, scores by label, and labels (absent without sets)."""
        out: dict[str, Any] = {"image": self.image, "scores": dict(self.best)}
        return out if self.labels is None else out | {"labels": self.labels}


@dataclass(frozen=True)
class Predicted:
    """What a run says of N images that could be read, and which could not.

    labels: C of them. scores: [N, C] float64. sets: bool [N, C], None where the run predicts none. bad: name and
    reason of each image that could not be read.
    """

    images: list[str]
    labels: tuple[str, ...]
    scores: Array
    sets: Array | None
    bad: Bad

    def each(self) -> list[Prediction]:
        """An image at a time."""
        out = []
        for row, image in enumerate(self.images):
            ranked = sorted(zip(self.labels, self.scores[row].tolist(), strict=True), key=lambda pair: -pair[1])
            out.append(Prediction(image, ranked, None if self.sets is None else self.chosen(row)))
        return out

    def chosen(self, row: int) -> list[str]:
        """The set of one image."""
        assert self.sets is not None
        return list(compress(self.labels, self.sets[row]))


class Predictor:
    """A run that is asked about images, some at a time.

    labels: what it chooses among. way: what image files are embedded in (`Ran.precision`), None before the first are;
    set it beforehand to go on as earlier images were embedded.

    Args:
        run: the run.
        labels: choose among these instead of the run's own, which only text heads can (contrastive, zero_shot): scores
            are then a softmax over them, and there are no sets.
        threads: torch's; None is one less than the cores.
        device: where image files are encoded, see `load_encoder`.
        encoder_factory: gives the run's encoder, where it is loaded already; see `run_encoder`.
        embed: embed what is missing in data sets, and keep it there; else those images are read from their files.
        padded: see `affectml.embeddings.embedded`.
        person: whose answers they are; None is the population's.
        say: called with each line for the user.

    Raises:
        BadInput: for `labels` with another head.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        labels: Sequence[str] | None = None,
        threads: int | None = None,
        device: str | None = None,
        encoder_factory: Callable[[], Encoder] | None = None,
        embed: bool = True,
        padded: bool = False,
        person: "Person | None" = None,
        say: Say = lambda line: None,
    ) -> None:
        self._embed, self._padded, self.person = embed, padded, person
        self.run, self._say = run, say
        self.asked = None if labels is None else _asked(run, labels)
        self.labels = (self.asked or run.taxonomy).labels
        self.promises = person is None and self.asked is None and not run.head.lacks_texts  # sets are the head's own
        self.predicts_sets = person is not None or (self.promises and run.head.predicts_sets)
        self._given_threads, self._device, self._told = threads, device, False
        self.way: str | None = None
        self.threads = set_threads(threads)
        self._factory = encoder_factory or (lambda: run_encoder(run, threads, device=device))
        self._stores: dict[Path, EmbeddingStore | None] = {}
        self._columns: dict[Path, dict[str, str | None]] = {}

    @cached_property
    def encoder(self) -> Encoder:
        """The run's encoder, loaded when it is first needed."""
        return self._factory()

    def prepare(self, found: Sequence[Picture]) -> None:
        """Open the stores of the data sets among these, and embed what is missing there; load what will be needed.

        Raises:
            BadRun: for image files and a run on embeddings made elsewhere, whose encoder is not known.
            EncoderUnavailable: where the encoder is not the one that the run was trained with.
            BadDataset: for a data set whose embeddings the run cannot read.
        """
        for picture in found:
            data = picture.dataset
            if data is not None and data.root not in self._stores:
                embed = (self._given_threads, self._say, self._device)
                store = store_of(self.run, data, *embed) if self._embed else store_there(self.run, data, self._say)
                self._stores[data.root] = store if isinstance(store, EmbeddingStore) else None
        if self.asked is not None or self.run.head.lacks_texts or any(self.store(picture) is None for picture in found):
            _ = self.encoder

    def store(self, picture: Picture) -> EmbeddingStore | None:
        """Where the embedding of an image is, if it is of a data set that has them."""
        store = None if picture.dataset is None else self._stores[picture.dataset.root]
        if store is None or self._embed or not store.specs:
            return store
        return None if store.missing([picture.image_id]) else store

    def predict(self, found: Sequence[Picture], bar: Progress) -> Predicted:
        """What the run says of these.

        Args:
            found: pictures that `prepare` has seen.
            bar: counts each one.
        """
        images, features, bad = self.features(found, bar)
        if not images:
            return Predicted([], self.labels, np.empty((0, len(self.labels))), None, bad)
        sets = None
        if self.person is not None:
            scores = self.person._rates(features)
            sets = self.person._sets(scores)
        else:
            scores = self._scores(features)
            if self.predicts_sets:
                sets = sets_of(self.run.head, features, np.array(self.levels(found, images), dtype=object))
        chosen = None if sets is None else sets.bool().numpy()
        return Predicted(images, self.labels, scores.double().numpy(), chosen, bad)

    def features(self, found: Sequence[Picture], bar: Progress) -> tuple[list[str], Tensor, Bad]:
        """Names and features [N, D] of those that can be read, as the run's head takes them, and the others.

        Args:
            found: pictures that `prepare` has seen.
            bar: counts each one.
        """
        images: list[str] = []
        rows: list[Array] = []
        bad: Bad = []
        for store, some in groupby(found, self.store):
            part = list(some)
            names, X = self._from_files(part, bad, bar) if store is None else _from_store(store, part, bad, bar)
            images += names
            rows += [X] if names else []
        return images, torch.from_numpy(np.concatenate(rows)) if rows else torch.empty(0, 0), bad

    def levels(self, found: Sequence[Picture], names: list[str]) -> list[str | None]:
        """The level of each image in the column of the run's promise; None if the data set does not record it."""
        column, level = self.run.info.config.promise_group, dict[str, str | None]()
        for picture in found if column is not None else ():
            if (data := picture.dataset) is not None:
                if data.root not in self._columns:
                    ids = data.images["image_id"].to_numpy(dtype=object)
                    values = levels_of(data.images, column, ids)
                    self._columns[data.root] = {} if values is None else dict(zip(ids, values, strict=True))
                level[picture.name] = self._columns[data.root].get(picture.image_id)
        return [level.get(name) for name in names]

    @cached_property
    def _scores(self) -> Callable[[Tensor], Tensor]:
        return scores_by(self.run, lambda: self.encoder, self.asked)

    def _from_files(self, found: Sequence[Picture], bad: Bad, bar: Progress) -> tuple[list[str], Array]:
        """Names and features [N, D] of the images that can be read; the others go to `bad`.

        Features are rounded to half precision as stores keep them, so that prediction sees what training saw.
        """
        names: list[str] = []
        rows: list[Array] = []
        how = {"bar": bar, "say": self._say, "prefer": self.way, "padded": self._padded}
        with closing(features_of(self.run, self.encoder, found, **how)) as stream:
            for batch in stream:
                names += [picture.name for picture in batch.items]
                rows.append(batch.rows.astype(np.float16).astype(np.float32))
                bad += [as_bad(picture, why) for picture, why in batch.bad]
                if batch.items:
                    self.way = self.encoder.ran.precision
        if not self._told:
            self._told = True
            say_of_precision(self.run, [self.encoder.ran], self._say)
        return names, np.concatenate(rows)


def _from_store(store: EmbeddingStore, found: Sequence[Picture], bad: Bad, bar: Progress) -> tuple[list[str], Array]:
    """Names and features [N, D] of a data set's images that have an embedding; the others go to `bad`."""
    missing = set(store.missing(picture.image_id for picture in found))
    why = store.unreadable if missing else {}
    for picture in found:
        if picture.image_id in missing:
            reason = "no embedding" if picture.file else "neither an image file nor an embedding"
            bad.append((picture.name, why.get(picture.image_id, reason)))
    kept = [picture for picture in found if picture.image_id not in missing]
    bar.advance(len(found))
    return [picture.name for picture in kept], store.rows(picture.image_id for picture in kept)


def predict_images(
    run: str | Path | RunFolder,
    images: ImageLike | Iterable[ImageLike],
    *,
    bad: Bad | None = None,
    at_most: int | None = None,
    bar: Progress | None = None,
    say: Say = lambda line: None,
    **options: Any,
) -> list[Prediction]:
    """Predictions for images, in their order.

    Args:
        run: a run's folder.
        images: paths, folders, patterns, data sets, PIL images or arrays; see `pictures`.
        bad: takes name and reason of each image that cannot be read; None raises for the first.
        at_most: stop after so many predictions.
        bar: begins once all is prepared, which may have bars of its own, and counts each image.
        say: called with each line for the user.
        options: of `Predictor`.

    Raises:
        BadInput: for `labels` with another head; at the first image that cannot be read, or if none can be read.
        BadRun: for image files and a run on embeddings made elsewhere, whose encoder is not known.
        EncoderUnavailable: where the encoder is not the one that the run was trained with.
    """
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    predictor = Predictor(opened, say=say, **options)
    listed: Bad = [] if bad is None else bad
    found = pictures(images, bad=bad)
    predictor.prepare(found)
    out: list[Prediction] = []
    ground = Ground(predictor, found)
    left, most = found, len(found) if at_most is None else at_most
    with bar or Progress("", 0, "") as counted:
        while left and len(out) < most:
            size = min(parts.SIZE, most - len(out))
            part, left = predictor.predict(left[:size], counted), left[size:]
            if bad is None and part.bad:
                raise unreadable(part.bad[:1])
            listed += part.bad
            ground.add(part.images, part.scores)
            out += part.each()
    if not out:
        raise unreadable(listed)
    if words := ground.words:
        say(words)
    return out


def _asked(run: RunFolder, labels: Sequence[str]) -> Taxonomy:
    """The labels asked for as a taxonomy; refused for a head that has no texts."""
    if run.head.scores_of != "texts":
        raise BadInput(
            f"{run.folder}: a {run.head.name} head knows only its own labels ({', '.join(run.taxonomy.labels)}); "
            f"for labels of your own train with {option('head', 'contrastive')} or {option('head', 'zero_shot')}"
        )
    return asked_labels(labels, run.taxonomy)


def scores_by(
    run: RunFolder, encoder: Callable[[], Encoder], asked: Taxonomy | None = None
) -> Callable[[Tensor], Tensor]:
    """What gives a head's scores [N, C] of features [N, D], of its own labels or those asked for.

    The encoder is asked for texts that the run lacks, such as weights that came without any.
    """
    if asked is None and not run.head.lacks_texts:
        return run.head.scores
    prompts = Prompts(tuple(run.info.prompts.kinds), tuple(run.info.prompts.templates))
    texts = label_features(
        prompts, asked or run.taxonomy, lambda rows: encoder().encode_texts(rows).numpy(), new=asked is not None
    )
    return partial(cast("TextHead", run.head).scores, texts=texts)
