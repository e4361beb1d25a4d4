"""What a by-person run says of one person: somebody it learned from, somebody new after some answers, or anybody."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectml._progress import Progress, Say
from affectml.data import Dataset
from affectml.encoders import Encoder
from affectml.errors import BadInput, BadRun, option
from affectml.heads import ByPersonHead, ImageEffects, Normals
from affectml.heads.by_person import as_by_person
from affectml.importers.answers import Said, said_of
from affectml.people.known import KnownImages, features_key, read_image_effects, read_people
from affectml.pictures import ImageLike, Picture, pictures
from affectml.predicting.features import unreadable
from affectml.predicting.files import PredictionFile, predict_to_file
from affectml.predicting.predictions import Predictions, table_of
from affectml.predicting.predictor import Predictor
from affectml.runs import RunFolder

Answered: TypeAlias = Mapping[Any, str | Iterable[str]]  # image -> the label or labels that were chosen


@dataclass(frozen=True, repr=False, eq=False)
class Person:
    """One person, as a run knows them. This is personal data: thresholds and tastes tell who somebody is.

    run: the run. believed: mean [1, K] and covariance [1, K, K] of thresholds, then tastes. answers: how many
    answers that rests on; 0 is anybody: what people in general are like.
    """

    run: RunFolder
    believed: Normals
    answers: int
    _encoder: Callable[[], Encoder] | None = field(default=None)

    @property
    def thresholds(self) -> pd.DataFrame:
        """By label, in log-odds: `offset`, how much more readily than others they choose it, and its `sd`.

        The SD says how far the offset is known; before any answer it is how much people differ.
        """
        labels = self.run.taxonomy.labels
        offset = self.believed.mean[0, : len(labels)]
        sd = self.believed.covariance[0].diagonal()[: len(labels)].clamp(min=0).sqrt()
        return pd.DataFrame({"offset": offset.numpy(), "sd": sd.numpy()}, index=pd.Index(labels, name="label"))

    def predict(
        self,
        images: ImageLike | Iterable[ImageLike],
        *,
        errors: Literal["raise", "skip"] = "raise",
        threads: int | None = None,
    ) -> Predictions:
        """What this person would choose: a row per image with the probability of each label, and their set.

        Args:
            images: as `Run.predict` takes them. Of the run's own images it also uses what others said of them.
            errors: see `Run.predict`.
            threads: torch's; None is one less than the cores.

        Returns:
            As `Run.predict`; sets are cut by thresholds chosen on people's own answers about validation images.

        Raises:
            BadInput: at the first image that cannot be read, or if none can be read.
        """
        return table_of(self.run, images, errors, threads=threads, encoder_factory=self._encoder, person=self)

    def predict_to_file(
        self,
        images: ImageLike | Iterable[ImageLike],
        out: str | Path,
        *,
        replace: bool = False,
        threads: int | None = None,
        say: Say = print,
    ) -> PredictionFile:
        """Write what this person would choose for any number of images; see `Run.predict_to_file`."""
        return predict_to_file(
            self.run, images, out, replace=replace, threads=threads, encoder_factory=self._encoder, person=self, say=say
        )

    @property
    def _digest(self) -> str:
        """Changes with what is believed: by it, a file that was not finished knows whose it is."""
        parts = (self.believed.mean, self.believed.covariance)
        return hashlib.sha256(b"".join(part.double().contiguous().numpy().tobytes() for part in parts)).hexdigest()

    def _rates(self, X: Tensor) -> Tensor:
        """The probability that they choose each label of images with features X [N, D], [N, C]."""
        return head_of(self.run).person_rates(X, self.believed, known_effects(head_of(self.run), self._images, X))

    def _sets(self, rates: Tensor) -> Tensor:
        """Their sets, 0/1 [N, C], of these rates."""
        return head_of(self.run).person_sets(rates)

    @cached_property
    def _images(self) -> KnownImages:
        return read_image_effects(self.run.folder, self.run.taxonomy.labels)

    def __repr__(self) -> str:
        return f"<Person of {self.run.folder}, after {self.answers:,} answers>"


def head_of(run: RunFolder) -> ByPersonHead:
    """A run's head. Raises BadRun if it was not trained by person."""
    if (head := as_by_person(run.head)) is None:
        way = option("by_person", True)
        raise BadRun(f"{run.folder}: a {run.head.name} head, which tells no people apart: train again with {way}")
    return head


def known_effects(head: ByPersonHead, images: KnownImages, X: Tensor) -> ImageEffects:
    """What is known of images with features X [N, D]: of the run's own what answers said, of others nothing."""
    prior = head.population.image_variance
    mean, variance = torch.zeros(len(X), len(prior), dtype=torch.float64), prior.double().repeat(len(X), 1)
    if images.row:
        at = np.array([images.row.get(features_key(row), -1) for row in X.float().numpy()], dtype=np.int64)
        own, at = torch.from_numpy(at >= 0), at[at >= 0]
        mean[own], variance[own] = torch.from_numpy(images.mean[at]), torch.from_numpy(images.variance[at])
    return ImageEffects(mean, variance)


def for_person(
    run: RunFolder,
    answers: str | Answered | pd.DataFrame | os.PathLike[str] | None,
    *,
    dataset: str | Path | Dataset | None = None,
    threads: int | None = None,
    encoder_factory: Callable[[], Encoder] | None = None,
    say: Say = lambda line: None,
) -> Person:
    """Get one person from a run.

    Args:
        run: a run trained by person.
        answers: the id of somebody that the run learned from; or somebody's answers: {image: label or labels}, where
            an empty list says that no label applies, a table with a column of images (image_id, image, file, ...) and
            one of labels, or a Path to such a table. None or no answers: anybody.
        dataset: whose image_ids answers may name; None is the run's own. Files may be named in any case.
        threads: torch's; None is one less than the cores.
        encoder_factory: see `Predictor`.
        say: called with each line for the user.

    Raises:
        BadRun: if the run was not trained by person, or its people cannot be read.
        BadInput: if nobody has this id, an image is missing or answered twice, or the table is damaged.
        UnknownLabel: if the run does not have a label.
    """
    head = head_of(run)
    if isinstance(answers, str):
        people = read_people(run)
        if people.mean.shape[1] != len(head.population.covariance):
            raise BadRun(f"{people.file}: its people do not fit the head of {run.folder}: remove it, and train again")
        row = people.row(answers)
        mean, covariance = torch.from_numpy(people.mean[row]), torch.from_numpy(people.covariance[row])
        return Person(run, Normals(mean[None], covariance[None]), int(people.answers[row]), encoder_factory)
    said = said_of(answers, run.taxonomy)
    if not said:
        return Person(run, head.everybody(), 0, encoder_factory)
    found = _found(run, said, dataset)
    chosen = np.zeros((len(said), len(run.taxonomy)), dtype=np.int64)
    for row, (_, _, labels) in enumerate(said):
        chosen[row, [run.taxonomy.index(label) for label in labels]] = 1
    predictor = Predictor(run, threads=threads, encoder_factory=encoder_factory, embed=False, say=say)
    predictor.prepare(found)
    with Progress("reading answers", len(found), "images") as bar:
        _, X, bad = predictor.features(found, bar)
    if bad:
        raise unreadable(bad[:1])
    known = known_effects(head, read_image_effects(run.folder, run.taxonomy.labels), X)
    return Person(run, head.person(X, chosen, known), len(said), encoder_factory)


def _found(run: RunFolder, said: Said, dataset: str | Path | Dataset | None) -> list[Picture]:
    """The picture of each answer; raises BadInput for one that is not there, and for two answers about one."""
    data: Dataset | None = None  # opened for the first that is no file
    own: dict[str, Picture] = {}
    found: list[Picture] = []
    first: dict[str, str] = {}
    for where, image, _ in said:
        if isinstance(image, str | Path) and not _is_file(image):
            if data is None:
                data = _opened(run, dataset, f"{where}: no file {str(image)!r}")
                own = {picture.image_id: picture for picture in pictures(data)}
            if str(image) not in own:
                raise BadInput(f"{where}: neither a file nor an image_id of {data.root}: {str(image)!r}")
            picture = own[str(image)]
        else:
            several = pictures(image)
            if len(several) != 1:
                raise BadInput(f"{where}: {len(several)} images; an answer is about one")
            picture = several[0]
        before = first.setdefault(picture.key or f"\0{len(found)}", where)
        if before != where:
            raise BadInput(f"{where}: the image is answered already ({before}); keep one of the two answers")
        found.append(picture)
    return found


def _opened(run: RunFolder, given: str | Path | Dataset | None, absent: str) -> Dataset:
    """The data set that is given, or the run's own; raises BadInput that begins with what is absent."""
    if isinstance(given, Dataset):
        return given
    place = run.info.config.dataset
    if given is None and (place is None or not Path(place, "dataset.json").is_file()):
        why = f"the run's own data set is not at {place}" if place else "the run does not say where its data set is"
        raise BadInput(f"{absent}, and {why}; name the files, or give {option('dataset')}")
    return Dataset.open(given or place or "")


def _is_file(name: str | Path) -> bool:
    with suppress(OSError, ValueError):  # a name too long, or with a zero byte
        return Path(name).is_file()
    return False
