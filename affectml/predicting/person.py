"""What a by-person run says of one person: somebody it learned from, somebody new after some answers, or anybody."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
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
from affectml.people.known import features_key, read_image_effects, read_people
from affectml.pictures import ImageLike, Picture, pictures
from affectml.predicting.features import unreadable
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

    @property
    def _digest(self) -> str:
        """Changes with what is believed: by it, a file that was not finished knows whose it is."""
        parts = (self.believed.mean, self.believed.covariance)
        return hashlib.sha256(b"".join(part.double().contiguous().numpy().tobytes() for part in parts)).hexdigest()

    def _rates(self, X: Tensor) -> Tensor:
        """The probability that they choose each label of images with features X [N, D], [N, C]."""
        return head_of(self.run).person_rates(X, self.believed, self._effects(X))

    def _sets(self, rates: Tensor) -> Tensor:
        """Their sets, 0/1 [N, C], of these rates."""
        return head_of(self.run).person_sets(rates)

    def _effects(self, X: Tensor) -> ImageEffects:
        """What is known of images with features X [N, D]: of the run's own what answers said, of others nothing."""
        effects = self._known_images.reindex([features_key(row) for row in X.float().numpy()]).to_numpy(copy=True)
        mean, variance = torch.from_numpy(effects).chunk(2, dim=1)
        prior = head_of(self.run).population.image_variance.double()
        return ImageEffects(mean.nan_to_num(0.0), torch.where(variance.isnan(), prior, variance))

    @cached_property
    def _known_images(self) -> pd.DataFrame:
        return read_image_effects(self.run.folder, self.run.taxonomy.labels)

    def __repr__(self) -> str:
        return f"<Person of {self.run.folder}, after {self.answers:,} answers>"


def head_of(run: RunFolder) -> ByPersonHead:
    """A run's head. Raises BadRun if it was not trained by person."""
    try:
        return as_by_person(run.head)
    except BadInput as error:
        raise BadRun(f"{run.folder}: {error}: train again with {option('by_person', True)}") from None


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
    judgements = said_of(answers, run.taxonomy)
    anybody = Person(run, head.everybody(), 0, encoder_factory)
    if not judgements:
        return anybody
    images = _pictures_of(judgements, run, dataset)
    chosen = np.zeros((len(judgements), len(run.taxonomy)), dtype=np.int64)
    for row, (_, _, labels) in enumerate(judgements):
        chosen[row, [run.taxonomy.index(label) for label in labels]] = 1
    predictor = Predictor(run, threads=threads, encoder_factory=encoder_factory, embed=False, say=say)
    predictor.prepare(images)
    with Progress("reading answers", len(images), "images") as bar:
        _, X, bad = predictor.features(images, bar)
    if bad:
        raise unreadable(bad[:1])
    return replace(anybody, believed=head.person(X, chosen, anybody._effects(X)), answers=len(judgements))


def _pictures_of(judgements: Said, run: RunFolder, dataset: str | Path | Dataset | None) -> list[Picture]:
    """The picture of each answer; raises BadInput for one that is not there, and for two answers about one."""
    data: Dataset | None = None  # opened for the first name that is no file
    own: dict[str, Picture] = {}
    images: dict[str, tuple[str, Picture]] = {}
    for where, name, _ in judgements:
        if isinstance(name, str | Path) and not os.path.isfile(name):  # noqa: PTH113 (raises for a name too long)
            data = data or _opened(run, dataset, f"{where}: no file {str(name)!r}")
            own = own or {picture.image_id: picture for picture in pictures(data)}
            if str(name) not in own:
                raise BadInput(f"{where}: neither a file nor an image_id of {data.root}: {str(name)!r}")
            several = [own[str(name)]]
        else:
            several = pictures(name)
        if len(several) != 1:
            raise BadInput(f"{where}: {len(several)} images; an answer is about one")
        before, _ = images.setdefault(several[0].key or f"\0{len(images)}", (where, several[0]))
        if before != where:
            raise BadInput(f"{where}: the image is answered already ({before}); keep one of the two answers")
    return [picture for _, picture in images.values()]


def _opened(run: RunFolder, dataset: str | Path | Dataset | None, absent: str) -> Dataset:
    """The data set that is given, or the run's own; raises BadInput that begins with what is absent."""
    if isinstance(dataset, Dataset):
        return dataset
    place = run.info.config.dataset
    if dataset is None and (place is None or not Path(place, "dataset.json").is_file()):
        why = f"the run's own data set is not at {place}" if place else "the run does not say where its data set is"
        raise BadInput(f"{absent}, and {why}; name the files, or give {option('dataset')}")
    return Dataset.open(dataset or place or "")
