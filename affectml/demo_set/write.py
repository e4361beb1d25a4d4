"""The demo set as an ordinary data set folder, with the truth beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml._files import new_folder, write_parquet
from affectml._options import check_choice
from affectml.data import Dataset, DatasetMeta, TargetMeta, check_new, write_dataset
from affectml.demo_set import Drawing
from affectml.demo_set.painting import SCHOOLS, FloatArray, Purpose, demo_stream, look_of, of_school, paint
from affectml.demo_set.people import (
    ANSWERS,
    AXES,
    NOTES,
    PANELS,
    Annotators,
    Words,
    draw_feeling,
    habits,
    judge,
    single_choices,
    true_rates,
    words_of,
    write_answers,
)
from affectml.errors import BadInput, option
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy
from affectml_annotation import count_votes

QUESTIONS = {
    "sets": "Which of these feelings does this image evoke in you? Choose all that apply, or none.",
    "one": "Which of these feelings does this image evoke in you most? Choose one.",
}
Progress = Callable[[int], object]


def write_demo(out: Path, *, progress: Progress | None = None, **options: Any) -> Dataset:
    """Write a demo set of paintings into a new folder, and open it.

    The folder holds what any data set holds (dataset.json, images.parquet, targets-emotions.parquet: votes, or with
    answers="one" a one_choice distribution, annotations.parquet, annotators.parquet, images/*.png) and, beside it, the
    truth: truth.parquet (the share of people who would choose each label; valence, arousal and dominance of the image),
    truth-annotators.parquet (people's habits) and, for the local panel, truth-words.parquet (where its words lie).

    Args:
        out: the folder; it must not exist, or be empty.
        progress: called with 1 after each painting.
        options: of `Drawing`; images at least 1, seed below 2^64.

    Raises:
        BadInput: `out` is taken, or an option has no such value.
    """
    out, demo = Path(out), _Demo(**options)
    check_new(out)
    with new_folder(out) as folder:
        demo.write(folder, progress)
    return Dataset.open(out)


def holds_demo(dataset: Dataset, drawing: Drawing) -> bool:
    """Whether a data set is the demo set of a drawing, as its dataset.json says."""
    meta = _Demo(**vars(drawing)).meta()
    answered = not drawing.models or (dataset.root / "answers").is_dir()
    return answered and (dataset.meta.name, dataset.meta.source) == (meta.name, meta.source)


@dataclass(frozen=True)
class _Demo(Drawing):
    """A demo set to be written. Raises BadInput for what cannot be drawn."""

    def __post_init__(self) -> None:
        if self.images < 1:
            raise BadInput(f"images: expected at least 1, got {self.images}")
        if not 16 <= self.size <= 2048:
            raise BadInput(f"size: expected 16 to 2048 pixels, got {self.size}")
        for name, choices in {"look": SCHOOLS, "answers": ANSWERS, "panel": PANELS}.items():
            check_choice(option(name), getattr(self, name), [*choices])

    @cached_property
    def chosen(self) -> Taxonomy:
        """The taxonomy whose labels the panel chooses from."""
        return get_taxonomy(self.taxonomy)

    @cached_property
    def words(self) -> Words:
        """Where the panel has the labels."""
        return words_of(self.chosen, self.panel)

    def write(self, folder: Path, progress: Progress | None) -> None:
        """Paint, let the panel judge, and write it all into an empty folder."""
        labels, people = self.words.labels, demo_stream(self.seed, Purpose.PEOPLE)
        table, feelings = self._paint(folder, progress)
        image_ids = table["image_id"].to_numpy(dtype=object)
        rates = true_rates(feelings, self.words)
        annotators = Annotators.draw(len(labels), people)
        judgements = judge(rates, labels, image_ids, annotators, people, answers=self.answers)
        shares = single_choices(rates, annotators).mean(axis=0) if self.answers == "one" else rates
        felt, shown = pd.DataFrame(feelings, columns=list(AXES)), pd.DataFrame(shares, columns=list(labels))
        write_parquet(folder / "truth.parquet", pd.concat([table[["image_id"]], felt, shown], axis=1))
        write_parquet(folder / "truth-annotators.parquet", habits(annotators, labels))
        if self.models:
            seen = demo_stream(self.seed, Purpose.MODELS)
            write_answers(folder / "answers", shares, labels, image_ids, seen)
        if self.panel != "textbook":
            places = pd.DataFrame(self.words.places, columns=list(AXES)).assign(lift=self.words.lift)
            places.insert(0, "label", self.chosen.labels)
            write_parquet(folder / "truth-words.parquet", places)
        asked = {"emotions": _votes(judgements, labels, image_ids)}
        known = pd.DataFrame({"annotator_id": annotators.ids, "simulated": True})
        write_dataset(folder, self.meta(), table, asked, judgements, known)

    def _paint(self, folder: Path, progress: Progress | None) -> tuple[pd.DataFrame, FloatArray]:
        """Paint every image into `folder`/images; returns images.parquet's table, and feelings [N, 3]."""
        (folder / "images").mkdir()
        textbook = Words.of(self.chosen)  # every panel sees the same paintings
        places = textbook.places[textbook.placed]
        feelings, rows = np.empty((self.images, 3)), []
        for index in range(self.images):
            rng = demo_stream(self.seed, Purpose.PAINTING, index)
            feelings[index] = draw_feeling(places, rng)
            look = of_school(look_of(feelings[index], rng), self.look)
            name = f"{index:06d}"
            paint(look, rng, self.size).save(folder / "images" / f"{name}.png", compress_level=1)
            shapes = "jagged" if look.jaggedness > 0.5 else "round"
            rows.append({"image_id": name, "file": f"images/{name}.png", "shapes": shapes})
            if progress is not None:
                progress(1)
        return pd.DataFrame(rows), feelings

    def meta(self) -> DatasetMeta:
        """dataset.json, which says what was drawn."""
        one = self.answers == "one"
        said = [f"images={self.images}", f"seed={self.seed}"]
        said += [f"look={self.look}"] * (self.look != "plain") + ["answers=one"] * one
        said += [f"panel={self.panel}"] * (self.panel != "textbook")
        said += [f"size={self.size}"] * (self.size != 96)  # which sets had that were drawn before they said so
        variant = [self.chosen.name] * (self.chosen.name != "mikels-8") + [self.look] * (self.look != "plain")
        return DatasetMeta(
            name=" ".join(["demo", *variant, *["one choice"] * one]),
            source=f"painted and judged by affectml's own code ({', '.join(said)}); no people took part",
            licence="CC0-1.0",
            notes=[NOTES[self.panel]] if self.panel in NOTES else [],
            targets={
                "emotions": TargetMeta(
                    kind="distribution" if one else "rates",
                    construct="evoked",
                    question=QUESTIONS[self.answers],
                    vote_rule="one_choice" if one else None,
                    taxonomy=self.chosen.name if self.chosen.name in builtin_names() else self.chosen.to_dict(),
                    values="votes",
                    file="targets-emotions.parquet",
                    made_by="votes in annotations.parquet",
                )
            },
        )


def _votes(judgements: pd.DataFrame, labels: tuple[str, ...], image_ids: np.ndarray) -> pd.DataFrame:
    """targets-emotions.parquet: votes per label and n, without images that nobody answered."""
    table = count_votes(judgements, labels, list(image_ids)).table()
    return table[table["n"] > 0].reset_index(drop=True)
