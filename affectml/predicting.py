"""Reading a run back: predictions for image files, and evaluation on a data set."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from affectml._files import try_file, write_json
from affectml._progress import Progress, Say
from affectml.data import Dataset, Targets
from affectml.data._dataset import SPLITS
from affectml.data.splits import CALIBRATION
from affectml.embeddings import Batch, EmbeddingStore, embedded, ensure_embeddings
from affectml.encoders import Encoder, EncoderIdentity, Ran, load_encoder
from affectml.errors import BadDataset, BadInput, BadRun, EncoderUnavailable, option
from affectml.evaluation import Answers, Result, evaluate, read_truth
from affectml.evaluation.answerers import answerers
from affectml.evaluation.promised import add_promise, levels_of
from affectml.evaluation.scoring import unsure
from affectml.evaluation.subgroups import check_groups, subgroups
from affectml.evaluation.systems import answers_of, sets_of
from affectml.heads import TextHead
from affectml.pictures import Bad, ImageLike, Picture, as_bad, pictures
from affectml.prompts import Prompts, asked_labels, label_features
from affectml.runs import RunFolder
from affectml.runs.schema import BetaInfo, PriorInfo
from affectml.taxonomies import Taxonomy
from affectml.training import set_threads
from affectml_annotation import BetaPrior

Array = np.ndarray[Any, Any]
# Scores of an image that are closer than this are those of the same image: embedded in one precision, or in any that
# agrees with fp32.
ONE_PRECISION, ANY_PRECISION = 1e-4, 2e-2
PART = 1024  # images whose features are in memory at once; a kill loses at most these


@dataclass(frozen=True)
class Prediction:
    """One image's labels. best: (label, score), highest first; labels: the predicted set, None without sets.

    certainty: how many people's votes the distribution is worth, of a dirichlet head; None of any other.
    """

    image: str
    best: list[tuple[str, float]]
    labels: list[str] | None
    certainty: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values: image, scores by label, labels and certainty (absent where the head has none)."""
        out: dict[str, Any] = {"image": self.image, "scores": dict(self.best)}
        more = {"labels": self.labels, "certainty": self.certainty}
        return out | {name: value for name, value in more.items() if value is not None}


@dataclass(frozen=True)
class Predicted:
    """What a run says of N images that could be read, and which could not.

    labels: C of them. scores: [N, C] float64. sets: bool [N, C], None where the run predicts none. certainty: [N], None
    where the head does not know. bad: name and reason of each image that could not be read.
    """

    images: list[str]
    labels: tuple[str, ...]
    scores: Array
    sets: Array | None
    certainty: Array | None
    bad: Bad

    def each(self) -> list[Prediction]:
        """An image at a time."""
        out = []
        for row, image in enumerate(self.images):
            ranked = sorted(zip(self.labels, self.scores[row].tolist(), strict=True), key=lambda pair: -pair[1])
            sure = None if self.certainty is None else float(self.certainty[row])
            out.append(Prediction(image, ranked, None if self.sets is None else self.chosen(row), sure))
        return out

    def chosen(self, row: int) -> list[str]:
        """The set of one image."""
        assert self.sets is not None
        return [label for label, inside in zip(self.labels, self.sets[row], strict=True) if inside]


class Predictor:
    """A run that is asked about images, some at a time.

    labels: what it chooses among. way: what image files are embedded in (`Ran.way`), None before the first are; set it
    beforehand to go on as earlier images were embedded.

    Args:
        run: the run.
        labels: choose among these instead of the run's own, which only text heads can (contrastive, zero_shot): scores
            are then a softmax over them, and there are no sets.
        threads: torch's; None is one less than the cores.
        encoder_factory: gives the run's encoder, where it is loaded already; see `run_encoder`.
        say: called with what one should know.

    Raises:
        BadInput: for `labels` with another head.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        labels: Sequence[str] | None = None,
        threads: int | None = None,
        encoder_factory: Callable[[], Encoder] | None = None,
        say: Say = lambda line: None,
    ) -> None:
        self.run, self._new, self._say = run, labels is not None, say
        self._asked = None if labels is None else _asked(run, labels)
        if labels is None and run.head.needs_texts and run.head.texts is None:
            self._asked = run.taxonomy  # weights that came without texts: the encoder is asked
        self.labels = (self._asked or run.taxonomy).labels
        self.predicts_sets = self._asked is None and run.head.predicts_sets
        self._given_threads, self._told = threads, False
        self.way: str | None = None
        self.threads = set_threads(threads)
        self._factory = encoder_factory or (lambda: run_encoder(run, threads))
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
        for data in {
            picture.dataset.root: picture.dataset for picture in found if picture.dataset is not None
        }.values():
            if data.root not in self._stores:
                store = _store(self.run, data, self._given_threads, self._say)
                self._stores[data.root] = store if isinstance(store, EmbeddingStore) else None
        if self._asked is not None or any(self.store(picture) is None for picture in found):
            _ = self.encoder

    def store(self, picture: Picture) -> EmbeddingStore | None:
        """Where the embedding of an image is, if it is of a data set that has them."""
        return None if picture.dataset is None else self._stores[picture.dataset.root]

    def predict(self, found: Sequence[Picture], bar: Progress) -> Predicted:
        """What the run says of these.

        Args:
            found: pictures that `prepare` has seen.
            bar: counts each one.
        """
        images: list[str] = []
        rows: list[Array] = []
        levels: list[str | None] = []
        bad: Bad = []
        for store, some in groupby(found, self.store):
            part = list(some)
            names, X = self._from_files(part, bad, bar) if store is None else _from_store(store, part, bad, bar)
            images += names
            rows += [X] if names else []
            levels += self._levels(part, names)
        if not images:
            return Predicted([], self.labels, np.empty((0, len(self.labels))), None, None, bad)
        features, head = torch.from_numpy(np.concatenate(rows)), self.run.head
        sets = None
        if self._asked is not None:
            scores = cast("TextHead", head).scores(features, self._texts)
        else:
            scores = head.scores(features)
            sets = (
                sets_of(head, features, np.array(levels, dtype=object)).bool().numpy() if head.predicts_sets else None
            )
        votes = head.certainty(features)
        return Predicted(
            images, self.labels, scores.double().numpy(), sets, None if votes is None else votes.numpy(), bad
        )

    def _levels(self, found: Sequence[Picture], names: list[str]) -> list[str | None]:
        """The level of each image in the column of the run's promise; None where it is of no data set that has it."""
        column = self.run.info.config.promise_group
        level: dict[str, str | None] = {}
        for picture in found if column is not None else ():
            if picture.dataset is not None and picture.image_id is not None:
                root = picture.dataset.root
                if root not in self._columns:
                    ids = picture.dataset.images["image_id"].to_numpy(dtype=object)
                    values = levels_of(picture.dataset.images, column, ids)
                    self._columns[root] = {} if values is None else dict(zip(ids, values, strict=True))
                level[picture.name] = self._columns[root].get(picture.image_id)
        return [level.get(name) for name in names]

    @cached_property
    def _texts(self) -> Array:
        """Features of the labels that are asked for, [C, D]."""
        assert self._asked is not None
        return label_features(
            _prompts(self.run), self._asked, lambda rows: self.encoder.encode_texts(rows).numpy(), new=self._new
        )

    def _from_files(self, found: Sequence[Picture], bad: Bad, bar: Progress) -> tuple[list[str], Array]:
        """Names and features [N, D] of the images that can be read; the others go to `bad`.

        Features are rounded to half precision as stores keep them, so that prediction sees what training saw.
        """
        names: list[str] = []
        rows: list[Array] = []
        with closing(_stream(self.run, self.encoder, found, bar, self._say, self.way)) as stream:
            for batch in stream:
                names += [picture.name for picture in batch.items]
                rows.append(batch.rows)
                bad += [as_bad(picture, why) for picture, why in batch.bad]
        if names:
            self.way = self.encoder.ran.way
        if not self._told:
            self._told = True
            _say_of_precision(self.run, [self.encoder.ran], self._say)
        return names, np.concatenate(rows).astype(np.float16).astype(np.float32)


def _stream(
    run: RunFolder,
    encoder: Encoder,
    found: Iterable[Picture],
    bar: Progress | None = None,
    say: Say = lambda line: None,
    prefer: str | None = None,
) -> Generator[Batch[Picture], None, None]:
    """Features as the run's head takes them."""
    normalised = bool(run.info.encoder.identity["normalised"])
    return embedded(encoder, found, normalised=normalised, prefer=prefer, bar=bar, say=say)


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
    labels: Sequence[str] | None = None,
    threads: int | None = None,
    encoder_factory: Callable[[], Encoder] | None = None,
    bad: Bad | None = None,
    at_most: int | None = None,
    say: Say = lambda line: None,
) -> list[Prediction]:
    """Predictions for images, in their order.

    Args:
        run: a run's folder.
        images: paths, folders, patterns, data sets, PIL images or arrays; see `pictures`.
        labels: see `Predictor`.
        threads: torch's; None is one less than the cores.
        encoder_factory: see `Predictor`.
        bad: takes name and reason of each image that cannot be read; None raises for the first.
        at_most: stop after so many predictions.
        say: called with what one should know.

    Raises:
        BadInput: for `labels` with another head; for the first image that cannot be read, or where none can.
        BadRun: for image files and a run on embeddings made elsewhere, whose encoder is not known.
        EncoderUnavailable: where the encoder is not the one that the run was trained with.
    """
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    predictor = Predictor(opened, labels=labels, threads=threads, encoder_factory=encoder_factory, say=say)
    listed: Bad = [] if bad is None else bad
    found = pictures(images, bad=bad)
    predictor.prepare(found)
    limit, start = len(found) if at_most is None else at_most, 0
    out: list[Prediction] = []
    with Progress("predicting", min(len(found), limit), "images") as bar:
        while start < len(found) and len(out) < limit:
            step = min(PART, limit - len(out))
            part = predictor.predict(found[start : start + step], bar)
            start += step
            if bad is None and part.bad:
                raise unreadable(part.bad[:1])
            listed += part.bad
            out += part.each()
    if not out:
        raise unreadable(listed)
    return out


def unreadable(bad: Bad) -> BadInput:
    """The error where no image could be predicted."""
    if not bad:
        return BadInput("no image to predict for")
    first = "; ".join(map(": ".join, bad[:3])) + ("; ..." if len(bad) > 3 else "")
    return BadInput(first if len(bad) == 1 else f"none of {len(bad):,} images could be predicted: {first}")


def _asked(run: RunFolder, labels: Sequence[str]) -> Taxonomy:
    """The labels asked for as a taxonomy; refused for a head that has no texts."""
    if not run.head.needs_texts:
        raise BadInput(
            f"{run.folder}: a {run.head.name} head knows only its own labels ({', '.join(run.taxonomy.labels)}); "
            f"for labels of your own train with {option('head', 'contrastive')} or {option('head', 'zero_shot')}"
        )
    return asked_labels(labels, run.taxonomy)


def _prompts(run: RunFolder) -> Prompts:
    return Prompts(tuple(run.info.prompts.kinds), tuple(run.info.prompts.templates))


def run_encoder(run: RunFolder, threads: int | None) -> Encoder:
    """The encoder that a run was trained with, loaded and compared with what run.json says of it.

    Args:
        run: the run.
        threads: torch's; None leaves them as they are, and streams of images take the idle cores.

    Raises:
        BadRun: for a run on embeddings made elsewhere, whose encoder is not known.
        EncoderUnavailable: where its weights cannot be had, or are not those the run was trained with.
    """
    identity = EncoderIdentity.from_json(run.info.encoder.identity, str(run.folder / "run.json"))
    specs = run.info.encoder.specs
    if not specs:
        raise BadRun(
            f"{run.folder}: trained on embeddings made elsewhere ({identity.architecture}), so no encoder for image "
            "files is known: embed the images the same way, `affectml import embeddings`, then `affectml evaluate`"
        )
    encoder = load_encoder(specs[0], precision=identity.precision, threads=threads)
    if not _same_encoder(encoder.identity, identity):
        raise EncoderUnavailable(
            f"{run.folder}: {specs[0]} is not the encoder this run was trained with "
            f"(weights {encoder.identity.weights_sha256}, not {identity.weights_sha256})"
        )
    return encoder


def _same_encoder(loaded: EncoderIdentity, recorded: EncoderIdentity) -> bool:
    """Whether it is the run's encoder; weights that came from elsewhere name an architecture only."""
    if recorded.weights_sha256 is not None or recorded.source_sha256 is not None:
        return loaded == recorded
    names = ("architecture", "activation", "dim")
    return all(getattr(loaded, name) == getattr(recorded, name) for name in names)


def evaluate_run(
    run: str | Path,
    dataset: str | Path,
    *,
    target: str | None = None,
    groups: Sequence[str] = (),
    out: Path | None = None,
    threads: int | None = None,
    say: Say = lambda line: None,
) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Score a run's head and its training prior on a data set with the same labels, beside people.

    It judges the images of the data set's test split; on the very data that the run was trained on, the run's own test
    images; and where there is no split, all images.

    Args:
        run: the run's folder.
        dataset: the data set's folder.
        target: which of its targets to judge by. None takes the one of the run's kind; a run of rates can be judged by
            sets as well.
        groups: the columns of images.parquet and annotators.parquet to judge the model by; none takes all of few
            levels.
        out: a file to write metrics.json to; it must not exist yet.
        threads: torch's; None is one less than the cores.
        say: called with what one should know.

    Returns:
        metrics.json's content, with what subgroups.json holds as `subgroups`, and how set_f1 moves with tau.

    Raises:
        BadDataset: for a data set without a target that fits, or without an image to judge.
        BadInput: where `out` exists or cannot be written, and for a column that makes no subgroups.
    """
    opened = RunFolder.open(run)
    if out is not None:
        try_file(out)
    data = Dataset.open(dataset)
    targets = _fitting_target(opened, data, target)
    check_groups(data, groups)
    set_threads(threads)
    store = _store(opened, data, threads, say)
    ids, split = _judged(opened, data, targets, store, say)
    missing = set(store.missing(ids))
    if missing:
        say(f"{len(missing)} of {len(ids)} images have no embedding and are left out")
        ids = np.array([i for i in ids if i not in missing], dtype=object)
    if not len(ids):
        raise BadDataset(f"{data.root}: no image to judge by target {targets.name}")
    info = opened.info
    single_positive = targets.kind == "single" and bool(info.config.multilabel)
    beta, tau = _beta(info.beta_prior), info.config.tau
    truth = read_truth(data, targets, ids, beta=beta, tau=tau, single_positive=single_positive)
    levels = levels_of(data.images, info.config.promise_group, ids)
    answers = {"model": answers_of(opened.head, store.rows(ids), targets.kind, levels)}
    if info.prior is not None:
        answers = {"prior": _prior_answers(info.prior, len(ids), targets.kind), **answers}
    why = {"zero_shot": "not scored here: `affectml train` on this data set shows it"}
    result: Result = evaluate(answers, truth, split=split, seed=info.config.seed, why_not=why)
    own = targets.name == info.data.target and data.has_fingerprint(info.data.fingerprint, info.data.target)
    add_promise(result.metrics, opened.head, answers["model"], truth, data.images, info.config.seed, own=own)
    if targets.kind != info.data.kind:
        say(f"the run learned {info.data.kind} and is judged by {targets.kind} ({targets.name})")
    if targets.meta.construct != info.data.construct:
        say(
            f"across constructs: the run learned {info.data.construct} labels and is judged by "
            f"{targets.meta.construct} ones"
        )
    found = subgroups(
        answers["model"], truth, data.images, answerers(data, truth), columns=groups, split=split, seed=info.config.seed
    )
    metrics = {**result.metrics, "subgroups": found}
    if out is not None:
        write_json(out, metrics)
    return metrics, result.by_tau


def scores_of(
    run: RunFolder, data: Dataset, *, threads: int | None = None, say: Say = lambda line: None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A run's scores of a data set's images, whatever was judged.

    Contrastive weights without texts are asked with the run's own labels.

    Args:
        run: the run.
        data: the data set.
        threads: torch's; None is one less than the cores.
        say: called with what one should know.

    Returns:
        image_id [N] of the images that can be embedded, and their scores [N, C].

    Raises:
        BadDataset: where no image has features that the run can read.
    """
    count = set_threads(threads)
    store = _store(run, data, threads, say)
    every = data.images["image_id"].to_numpy(dtype=object)
    missing = set(store.missing(every))
    ids = np.array([i for i in every if i not in missing], dtype=object)
    if not len(ids):
        raise BadDataset(f"{data.root}: no image has features that {run.folder} can read")
    head, X = run.head, store.rows(ids)
    if head.needs_texts and head.texts is None:
        encoder = run_encoder(run, count)
        texts = label_features(_prompts(run), run.taxonomy, lambda rows: encoder.encode_texts(rows).numpy())
        return ids, cast("TextHead", head).scores(X, texts).double().numpy()
    return ids, head.scores(X).double().numpy()


def answers_on(
    run: RunFolder, data: Dataset, target: str, *, threads: int | None = None, say: Say = lambda line: None
) -> tuple[Array, Answers, str]:
    """What a run answers on the images of a data set that it may be judged by.

    Args:
        run: the run.
        data: the data set.
        target: which of its targets it is judged by.
        threads: torch's; None is one less than the cores.
        say: called with what one should know.

    Returns:
        image_id [N] of those images, without what the run learned from; its answers; and the name of that part.

    Raises:
        BadDataset: for a target that does not fit, or without an image to judge.
    """
    targets = _fitting_target(run, data, target)
    set_threads(threads)
    store = _store(run, data, threads, say)
    ids, split = _judged(run, data, targets, store, say)
    missing = set(store.missing(ids))
    ids = np.array([i for i in ids if i not in missing], dtype=object)
    if not len(ids):
        raise BadDataset(f"{data.root}: no image on which {run.folder} can be judged by target {targets.name}")
    levels = levels_of(data.images, run.info.config.promise_group, ids)
    return ids, answers_of(run.head, store.rows(ids), targets.kind, levels), split


def _fitting_target(run: RunFolder, data: Dataset, name: str | None) -> Targets:
    """The target of the run's labels and kind, or of sets for a run of rates: it predicts those too."""
    data.need_targets()
    own, labels = run.info.data.kind, run.taxonomy.labels
    kinds = (own, "sets") if own == "rates" else (own,)
    for kind in kinds:
        names = [name] if name is not None else [k for k, entry in data.meta.targets.items() if entry.kind == kind]
        fitting = [t for t in map(data.target, names) if t.kind == kind and t.taxonomy.labels == labels]
        if len(fitting) > 1:
            would = ", ".join(each.name for each in fitting)
            raise BadDataset(f"{data.root}: targets {would} would do; choose with {option('target')}")
        if fitting:
            return fitting[0]
    if name is not None:
        given = data.target(name)
        raise BadDataset(
            f"{data.root}: target {name} does not fit: it is of kind {given.kind} with the labels of "
            f"{given.taxonomy.name} ({', '.join(given.taxonomy.labels)}), and the run predicts {own} of "
            f"{run.taxonomy.name} ({', '.join(labels)})"
        )
    have = ", ".join(f"{k} ({e.kind}, {e.resolve_taxonomy().name})" for k, e in data.meta.targets.items())
    raise BadDataset(
        f"{data.root}: no target of kind {' or '.join(kinds)} with the run's labels "
        f"({run.taxonomy.name}: {', '.join(labels)}); it has {have or 'none'}"
    )


def _store(run: RunFolder, data: Dataset, threads: int | None, say: Say) -> "EmbeddingStore | FromFiles":
    """Embeddings by the run's encoder: imported ones are compared by dimension only, and that is said."""
    identity, specs = run.info.encoder.identity, run.info.encoder.specs
    if specs and not identity["normalised"]:
        say("this head takes features before normalisation, which stores do not keep: embedding the images anew")
        return FromFiles(run, data, run_encoder(run, threads))
    if specs:
        store = ensure_embeddings(data, specs[0], threads=threads, say=say, precision=identity["precision"])
        if not EncoderIdentity.from_json(identity, str(run.folder / "run.json")).may_use(store.identity):
            raise BadDataset(f"{store.folder}: embeddings by another encoder than the run's ({specs[0]})")
        _say_of_precision(run, [ran for ran, _ in store.provenance], say)
        return store
    store = EmbeddingStore.for_dataset(data)
    if store.dim != identity["dim"]:
        raise BadDataset(
            f"{store.folder}: {store.dim} features per image, but the run was trained on {identity['dim']}"
        )
    if store.identity.to_json() != identity:
        say(f"embeddings made elsewhere: taken to be by the encoder behind {identity['architecture']}")
    return store


def _say_of_precision(run: RunFolder, here: Sequence[Ran], say: Say) -> None:
    """That images are embedded in another precision than the run's were, where they are; it changes last digits."""
    learned, now = {str(each["precision"]) for each in run.info.encoder.ran}, {each.precision for each in here}
    if learned and now - learned:
        say(
            f"the run learned from embeddings in {' and '.join(sorted(learned))}, and these are in "
            f"{' and '.join(sorted(now))}: scores may differ in the third digit"
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
        parts = []
        with closing(_stream(self._run, self._encoder, found)) as stream:
            for batch in stream:
                if batch.bad:
                    raise unreadable([(picture.file, why) for picture, why in batch.bad[:1]])
                parts.append(batch.rows)
        return np.concatenate(parts)


def _judged(
    run: RunFolder, data: Dataset, targets: Targets, store: "EmbeddingStore | FromFiles", say: Say
) -> tuple[Array, str]:
    """Which images to judge, and the name of that part."""
    known = (run.folder / "predictions.parquet").exists()  # a shared run and imported weights come without
    if data.has_fingerprint(run.info.data.fingerprint, run.info.data.target):
        if not known:
            raise BadRun(
                f"{run.folder}: a shared run does not say which images of {data.root} it learned from, so judging it "
                "there would flatter it: evaluate the run that it was made of"
            )
        table = run.predictions
        test = table["image_id"][table["split"] == "test"]
        return test[test.isin(targets.image_id)].to_numpy(dtype=object), "test"
    images = data.images.set_index("image_id")
    parted = "split" in images.columns and bool(images["split"].isin(SPLITS).any())
    ids = targets.image_id
    if parted:
        ids = ids[images["split"].reindex(ids).to_numpy(dtype=object) == "test"]
    learned = _learned_from(run, store, ids) if known else set()
    if learned:
        say(f"{len(learned)} images that the run was trained or tuned on are left out; the rest is judged")
        ids = np.array([i for i in ids if i not in learned], dtype=object)
    elif not parted:
        say("this data set has no split: all of its images are judged")
    return ids, "test" if parted else "unseen" if learned else "all"


def _learned_from(run: RunFolder, store: "EmbeddingStore | FromFiles", image_ids: Array) -> set[str]:
    """Those of `image_ids` that the run learned from, see `learned_from`; none for a head that has no texts."""
    absent = set(store.missing(image_ids))
    ids = [i for i in image_ids if i not in absent]
    if not ids or (run.head.needs_texts and run.head.texts is None):
        return set()
    scores = run.head.scores(store.rows(ids)).double().numpy()
    return learned_from(run, pd.DataFrame(scores, index=ids, columns=list(run.taxonomy.labels)))


def learned_from(run: RunFolder, scores: pd.DataFrame) -> set[str]:
    """Images that the run learned from, calibration and validation too: of the same image_id, and scored the same.

    Other collections may use the same ids; another image under a known id gets other scores.

    Args:
        run: the run, with its predictions.
        scores: the head's scores now, a column per label, by image_id.

    Returns:
        Their image_ids.
    """
    table = run.predictions.set_index("image_id")
    ids = table.index[table["split"].isin(("train", CALIBRATION, "val"))].intersection(scores.index)
    labels = list(run.taxonomy.labels)
    far = np.abs(scores.loc[ids, labels].to_numpy(np.float64) - table.loc[ids, labels].to_numpy(np.float64))
    near = ANY_PRECISION if run.info.encoder.identity["precision"] == "auto" else ONE_PRECISION
    return set(ids[far.max(axis=1) < near]) if len(ids) else set()


def _beta(found: BetaInfo | None) -> BetaPrior | None:
    if found is None:
        return None
    alpha, beta = np.array(found.alpha), np.array(found.beta)
    return BetaPrior(alpha, beta, np.zeros(len(alpha), dtype=bool))


def _prior_answers(prior: PriorInfo, n: int, kind: str) -> Answers:
    scores = torch.tensor(prior.shares, dtype=torch.float64).expand(n, -1)
    sets = None if prior.set is None else torch.tensor(prior.set).expand(n, -1)
    return Answers(scores, unsure(scores, rates=kind in ("rates", "sets")), sets)
