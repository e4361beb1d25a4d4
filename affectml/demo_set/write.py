"""The demo set as an ordinary data set folder, with the truth beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml._files import new_folder, write_parquet
from affectml.data import Dataset, DatasetMeta, TargetMeta, check_new, write_dataset
from affectml.demo_set.painting import SCHOOLS, SIZE, FloatArray, Look, Purpose, demo_stream, look_of, of_school, paint
from affectml.demo_set.people import (
    ANSWERS,
    AXES,
    NOTES,
    Annotators,
    Words,
    captions,
    draw_feeling,
    habits,
    judge,
    single_choices,
    true_rates,
    words_of,
    write_answers,
)
from affectml.errors import BadInput, did_you_mean
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy
from affectml_annotation import count_votes

QUESTIONS = {
    "sets": "Which of these feelings does this image evoke in you? Choose all that apply, or none.",
    "one": "Which of these feelings does this image evoke in you most? Choose one.",
}
Progress = Callable[[int], object]


def write_demo(
    out: Path,
    *,
    images: int = 2000,
    seed: int = 0,
    taxonomy: str = "mikels-8",
    look: str = "plain",
    answers: str = "sets",
    panel: str = "local",
    models: bool = False,
    size: int = SIZE,
    progress: Progress | None = None,
) -> Dataset:
    """Write a demo set of paintings into a new folder, and open it.

    The folder holds what any data set holds (dataset.json, images.parquet, targets-emotions.parquet: votes,
    annotations.parquet, annotators.parquet, images/*.png) and, beside it, the truth: truth.parquet (the share of people
    who would choose each label; valence, arousal and dominance of the image), truth-annotators.parquet (people's
    habits) and, for the local panel, truth-words.parquet (where its words lie). The same arguments give the same
    content, and image i of a seed is the same whatever `images`, `answers` and `panel` are.

    Args:
        out: the folder; it must not exist, or be empty.
        images: how many paintings, at least 1.
        seed: below 2^64.
        taxonomy: a built-in name or a YAML file, with at least two labels that have a place.
        look: one of `painting.SCHOOLS`: shifts every painting's brightness, saturation, hue or clutter, and leaves its
            truth alone.
        answers: "sets", people choose all labels that apply (the target is rates), or "one", the one that applies
            most (a one_choice distribution).
        panel: who judges, see `affectml.demo_set.people`. "local" feels otherwise than the textbook, and the images
            have captions; "textbook" has every word at its published place.
        models: whether to write what three simulated models answer into `out`/answers, see
            `affectml.demo_set.people`. What they see of an image goes by all others.
        size: pixels of each side of a painting, at least 16; another size draws the same shapes, larger or smaller.
        progress: called with 1 after each painting.

    Raises:
        BadInput: `out` is taken, or an argument is none of the above.
    """
    out = Path(out)
    check_new(out)
    if images < 1:
        raise BadInput(f"images: expected at least 1, got {images}")
    if not 16 <= size <= 2048:
        raise BadInput(f"size: expected 16 to 2048 pixels, got {size}")
    for name, value, known in (("look", look, SCHOOLS), ("answers", answers, ANSWERS)):
        if value not in known:
            raise BadInput(f"no {name} {value!r}{did_you_mean(value, known)} (choose from: {', '.join(known)})")
    chosen = get_taxonomy(taxonomy)
    demo = _Demo(images, seed, chosen, look, answers, panel, words_of(chosen, panel), models, size)
    with new_folder(out) as folder:
        demo.write(folder, progress)
    return Dataset.open(out)


def holds_demo(dataset: Dataset, **options: Any) -> bool:
    """Whether a data set is the demo set that `write_demo` draws with these options, as its dataset.json says."""
    own: dict[str, Any] = {name: each.default for name, each in signature(write_demo).parameters.items()} | options
    chosen = get_taxonomy(own["taxonomy"])
    drawn = {name: own[name] for name in ("images", "seed", "look", "answers", "panel", "size")}
    meta = _Demo(taxonomy=chosen, words=words_of(chosen, own["panel"]), **drawn).meta()
    answered = not own["models"] or (dataset.root / "answers").is_dir()
    return answered and (dataset.meta.name, dataset.meta.source) == (meta.name, meta.source)


@dataclass(frozen=True, eq=False)
class _Demo:
    """A demo set to be written; see `write_demo`. words: where the panel has the labels."""

    images: int
    seed: int
    taxonomy: Taxonomy
    look: str
    answers: str
    panel: str
    words: Words
    models: bool = False
    size: int = SIZE

    def write(self, folder: Path, progress: Progress | None) -> None:
        """Paint, let the panel judge, and write it all into an empty folder."""
        labels, people = self.taxonomy.labels, demo_stream(self.seed, Purpose.PEOPLE)
        table, feelings, looks = self._paint(folder, progress)
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
            write_parquet(folder / "truth-words.parquet", self._words_table())
            table["caption"] = [self._captions(*row) for row in zip(range(self.images), looks, rates, strict=True)]
        asked = {"emotions": _votes(judgements, labels, image_ids)}
        known = pd.DataFrame({"annotator_id": annotators.ids, "simulated": True})
        write_dataset(folder, self.meta(), table, asked, judgements, known)

    def _paint(self, folder: Path, progress: Progress | None) -> tuple[pd.DataFrame, FloatArray, list[Look]]:
        """Paint every image into `folder`/images; returns images.parquet's table, feelings [N, 3] and looks [N]."""
        (folder / "images").mkdir()
        textbook = Words.of(self.taxonomy)  # every panel sees the same paintings
        places = textbook.places[textbook.placed]
        feelings, looks, rows = np.empty((self.images, 3)), [], []
        for index in range(self.images):
            rng = demo_stream(self.seed, Purpose.PAINTING, index)
            feelings[index] = draw_feeling(places, rng)
            look = of_school(look_of(feelings[index], rng), self.look)
            name = f"{index:06d}"
            paint(look, rng, self.size).save(folder / "images" / f"{name}.png", compress_level=1)
            shapes = "jagged" if look.jaggedness > 0.5 else "round"
            rows.append({"image_id": name, "file": f"images/{name}.png", "shapes": shapes})
            looks.append(look)
            if progress is not None:
                progress(1)
        return pd.DataFrame(rows), feelings, looks

    def _captions(self, index: int, look: Look, rates: FloatArray) -> list[str]:
        return captions(look, rates, self.words, self.taxonomy, demo_stream(self.seed, Purpose.CAPTION, index))

    def _words_table(self) -> pd.DataFrame:
        """Where the panel has each label: its place, nan where it has none, and its lift in log-odds."""
        table = pd.DataFrame(self.words.places, columns=list(AXES))
        table.insert(0, "label", self.taxonomy.labels)
        return table.assign(lift=self.words.lift)

    def meta(self) -> DatasetMeta:
        """dataset.json, which says what was drawn."""
        one = self.answers == "one"
        said = [f"images={self.images}", f"seed={self.seed}"]
        said += [f"look={self.look}"] * (self.look != "plain") + ["answers=one"] * one
        said += [f"panel={self.panel}"] * (self.panel != "textbook")
        said += [f"size={self.size}"] * (self.size != 96)  # which sets had that were drawn before they said so
        variant = [self.taxonomy.name] * (self.taxonomy.name != "mikels-8") + [self.look] * (self.look != "plain")
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
                    taxonomy=self.taxonomy.name if self.taxonomy.name in builtin_names() else self.taxonomy.to_dict(),
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
