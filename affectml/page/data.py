"""What a report is made from: a run with its judged systems, and figures that several sections share."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._html import thumbnail as made

if TYPE_CHECKING:
    from affectml.data import Dataset
    from affectml.judging.scoring import Answers
    from affectml.judging.truth import Truth
    from affectml.runs import RunFolder, RunInfo
    from affectml.training import Judged


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that a section may show.

    run: with run.json. judged: the systems and what they answered of the test images; its scores are those of
    metrics.json. A section reads and draws; it writes nothing, and what it draws is the same for the same run.
    """

    run: "RunFolder"
    judged: "Judged"

    @property
    def info(self) -> "RunInfo":
        """run.json."""
        return self.run.info

    @property
    def dataset(self) -> "Dataset":
        """What the run learned from."""
        return self.judged.prepared.plan.dataset

    @property
    def truth(self) -> "Truth":
        """What people said of the test images."""
        return self.judged.prepared.test

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of every table's columns."""
        return self.truth.labels

    @property
    def answers(self) -> "Mapping[str, Answers]":
        """What each system says of the test images: prior, model, and zero_shot where there is a text tower."""
        return self.judged.answers

    @property
    def model(self) -> "Answers":
        """What the model says of the test images."""
        return self.judged.answers["model"]

    @property
    def metrics(self) -> dict[str, Any]:
        """metrics.json."""
        return self.judged.result.metrics

    @property
    def systems(self) -> dict[str, dict[str, Any]]:
        """The scores of metrics.json, by system and metric."""
        found: dict[str, dict[str, Any]] = self.metrics["systems"]
        return found

    @cached_property
    def prevalence(self) -> NDArray[np.float64]:
        """Each label's mean share of people, or of images, [C], of metrics.json: added up again it might round up."""
        return np.array([self.metrics["per_label"][label]["prevalence"] for label in self.labels])

    @property
    def them(self) -> str:
        """Whom the model is compared with: people, or the images' labels where nobody's answers are known."""
        truth = self.truth
        return "people" if truth.kind in ("rates", "distribution") or truth.chosen is not None else "labels"

    @property
    def theirs(self) -> str:
        """The same as an owner: people's, the labels'."""
        return "people's" if self.them == "people" else "the labels'"

    @cached_property
    def _named(self) -> pd.DataFrame:
        return self.dataset.images.set_index("image_id")

    def thumbnail(self, image_id: str) -> str | None:
        """A small picture of an image as a data URL; None where there is no readable file (embeddings only)."""
        return thumbnail(self.dataset, self._named, image_id)


def thumbnail(dataset: "Dataset", named: pd.DataFrame, image_id: str) -> str | None:
    """A thumbnail as a data URL; None where there is no readable file (embeddings only).

    named: the data set's images by image_id.
    """
    file = named["file"].get(image_id) if "file" in named.columns else None
    if file is None or pd.isna(file):
        return None
    return made(dataset.image_path(str(file)))
