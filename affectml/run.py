"""A run as one holds it in Python: its scores, its answers, and its answers for new images."""

import webbrowser
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd

from affectml._progress import Say
from affectml.data import Dataset
from affectml.encoders import Encoder
from affectml.errors import BadRun
from affectml.explanation import Explanation, explain_image
from affectml.heads import Head
from affectml.judging.answers import read_answers
from affectml.judging.figures import Evaluation
from affectml.pictures import ImageLike
from affectml.predicting.features import run_encoder
from affectml.predicting.files import PredictionFile, predict_to_file
from affectml.predicting.person import Answered, Person, for_person
from affectml.predicting.predictions import Predictions, table_of
from affectml.runs import RunFolder, RunInfo
from affectml.taxonomies import Taxonomy


class Run:
    """A trained run. `affectml.train` returns one, `affectml.load_run` opens one again.

    folder: where it is; functions that take a run's path take a Run too. Only the run's own files are read, and
    not before they are needed.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._opened = folder
        self.folder = folder.folder

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def info(self) -> RunInfo:
        """run.json."""
        return self._opened.info

    @property
    def head(self) -> Head:
        """The trained head; needs neither data nor encoder weights."""
        return self._opened.head

    @property
    def taxonomy(self) -> Taxonomy:
        """The labels that the run predicts."""
        return self._opened.taxonomy

    @property
    def evaluation(self) -> Evaluation:
        """Its evaluation on the test images: figures, scores image by image, and facts."""
        return self._opened.evaluation

    @property
    def metrics(self) -> pd.DataFrame:
        """metrics.csv: a row for each figure of a system, label or subgroup, with its interval (docs/judging.md)."""
        return self.evaluation.table()

    @property
    def scores(self) -> pd.DataFrame:
        """Each system's scores on the test images: a row per system, and columns value, low and high per metric.

        `run.scores["set_f1"]` are the three columns of one metric. A score that a system cannot have is NaN.
        People, and systems scored on the targets of the rest of a panel, are in `metrics`.
        """
        return self.evaluation.across()

    @property
    def answers(self) -> pd.DataFrame:
        """answers.parquet: the answers of prior, zero_shot and model about each image of the data set.

        A row per image, `system` and `form` (score, share or set), with a column `label:NAME` for each label; `split`
        says which part of the data the image is in. Raises BadRun for a shared run, which comes without.
        """
        return read_answers(self.folder)

    @property
    def report(self) -> Path:
        """The report's file. Raises BadRun if the run has none."""
        file = self.folder / "report.html"
        if not file.is_file():
            raise BadRun(f"{self.folder}: no report.html; a shared run and imported weights come without one")
        return file

    def open(self) -> None:
        """Show the report in the browser."""
        webbrowser.open(self.report.absolute().as_uri())

    def predict(
        self,
        images: ImageLike | Iterable[ImageLike],
        *,
        labels: Sequence[str] | None = None,
        errors: Literal["raise", "skip"] = "raise",
        threads: int | None = None,
    ) -> Predictions:
        """Predict the labels of images: a row per image with a score per label.

        Args:
            images: paths (str or Path), folders (all images in them, at any depth), patterns ("photos/**/*.jpg"), data
                sets, PIL images or arrays [H, W, 3]; one or several, also one array [N, H, W, 3].
            labels: choose among these instead of the run's own; only heads that compare images with texts can.
            errors: "raise" at the first image that cannot be read, or "skip" it: the others get their rows, and the
                result's `bad` lists it with the reason.
            threads: for torch; None is one less than the cores.

        Returns:
            Predictions: a DataFrame with `image` (the path, or the image_id in a data set), a column per label, and
            `set` if the run predicts sets.

        Raises:
            BadInput: at the first image that cannot be read, if none can be read, and for `labels` with another head.
        """
        return table_of(self._opened, images, errors, labels=labels, threads=threads, encoder_factory=self._the_encoder)

    def predict_to_file(
        self,
        images: ImageLike | Iterable[ImageLike],
        out: str | Path,
        *,
        labels: Sequence[str] | None = None,
        replace: bool = False,
        threads: int | None = None,
        say: Say = print,
    ) -> PredictionFile:
        """Write predictions for any number of images to a file, as `affectml predict --out` does.

        Memory does not grow with the number of images, and the same call resumes an interrupted one.

        Args:
            images: as `predict` takes them. Those that cannot be read are listed, and one that is named twice has
                one row.
            out: a .csv, .parquet or .jsonl file.
            labels: as `predict` takes them.
            replace: replace an existing file; the old one is kept beside it.
            threads: for torch; None is one less than the cores.
            say: called with each line for the user.

        Returns:
            A PredictionFile: the file, how many rows it has, and what could not be read.

        Raises:
            BadInput: if no image can be read, `out` exists or cannot be written, or `labels` is given for a head
                without texts.
        """
        return predict_to_file(
            self._opened, images, out, labels=labels, replace=replace, threads=threads,
            encoder_factory=self._the_encoder, say=say,
        )  # fmt: skip

    def explain(
        self,
        image: ImageLike,
        *,
        label: str | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> Explanation:
        """Show which parts of an image speak for a label, and whether its maps are better than chance.

        Args:
            image: one: a path (str or Path), a PIL image or an array [H, W, 3].
            label: one of the run's; None takes the likeliest.
            seed: for the random maps.
            threads: for torch; None is one less than the cores.

        Returns:
            An Explanation: maps [H, W], their curves beside those of controls, and the verdict in words.

        Raises:
            UnknownLabel: if the run does not have a label.
            BadInput: if the image cannot be read, or there are several.
            BadRun: if the run's embeddings were made elsewhere, by an unknown encoder.
        """
        return explain_image(
            self._opened, image, label=label, seed=seed, threads=threads, encoder_factory=self._the_encoder
        )

    def for_person(
        self,
        answers: "str | Answered | pd.DataFrame | Path | None" = None,
        *,
        dataset: str | Path | Dataset | None = None,
        threads: int | None = None,
    ) -> Person:
        """One person, as a run trained by person knows them; see docs/training.md.

        Args:
            answers: the id of a person that the run learned from, or a new person's choices: {image: label or labels}
                (an empty list: no label applies), a table with columns image and labels, or a Path to one. Images are
                paths, or image_ids of the run's data set. None is the population.
            dataset: if the image_ids belong to another data set, or the run's own has moved.
            threads: for torch; None is one less than the cores.

        Returns:
            A Person: their `thresholds`, and `predict` for what they would choose.

        Raises:
            BadRun: if the run was not trained by person, or its people file is missing or damaged.
            BadInput: if nobody has this id, or an image is missing or answered twice.
            UnknownLabel: if the run does not have a label.
        """
        return for_person(self._opened, answers, dataset=dataset, threads=threads, encoder_factory=self._the_encoder)

    def _the_encoder(self) -> Encoder:
        return self._encoder

    @cached_property
    def _encoder(self) -> Encoder:
        return run_encoder(self._opened, None)

    def __repr__(self) -> str:
        data = self.info.data
        return f"<Run {self.folder}: {self.info.head.name} on {data.name}, {data.kind} of {self.taxonomy.name}>"
