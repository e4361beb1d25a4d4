"""The demo set as an ordinary data set folder, with the truth beside it."""

from collections.abc import Callable
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
from affectml.taxonomies import builtin_names, get_taxonomy
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
    out, drawing = Path(out), Drawing(**options)
    if drawing.images < 1:
        raise BadInput(f"images: expected at least 1, got {drawing.images}")
    if not 16 <= drawing.size <= 2048:
        raise BadInput(f"size: expected 16 to 2048 pixels, got {drawing.size}")
    for name, choices in {"look": SCHOOLS, "answers": ANSWERS, "panel": PANELS}.items():
        check_choice(option(name), getattr(drawing, name), [*choices])
    check_new(out)
    with new_folder(out) as folder:
        _write(folder, drawing, progress)
    return Dataset.open(out)


def holds_demo(dataset: Dataset, drawing: Drawing) -> bool:
    """Whether a data set is the demo set of a drawing, as its dataset.json says."""
    meta = _meta_of(drawing)
    answered = not drawing.models or (dataset.root / "answers").is_dir()
    return answered and (dataset.meta.name, dataset.meta.source) == (meta.name, meta.source)


def _write(folder: Path, drawing: Drawing, progress: Progress | None) -> None:
    """Paint, let the panel judge, and write it all into an empty folder."""
    people, one = demo_stream(drawing.seed, Purpose.PEOPLE), drawing.answers == "one"
    taxonomy = get_taxonomy(drawing.taxonomy)
    words, labels = words_of(taxonomy, drawing.panel), taxonomy.labels
    table, feelings = _paint(folder, drawing, Words.of(taxonomy), progress)  # every panel sees the same paintings
    image_ids = table["image_id"].to_numpy(dtype=object)
    rates = true_rates(feelings, words)
    annotators = Annotators.draw(len(labels), people)
    judgements = judge(rates, labels, image_ids, annotators, people, answers=drawing.answers)
    shares = single_choices(rates, annotators).mean(axis=0) if one else rates
    felt, shown = pd.DataFrame(feelings, columns=list(AXES)), pd.DataFrame(shares, columns=list(labels))
    write_parquet(folder / "truth.parquet", pd.concat([table[["image_id"]], felt, shown], axis=1))
    write_parquet(folder / "truth-annotators.parquet", habits(annotators, labels))
    if drawing.models:
        write_answers(folder / "answers", shares, labels, image_ids, demo_stream(drawing.seed, Purpose.MODELS))
    if drawing.panel != "textbook":
        places = pd.DataFrame(words.places, columns=list(AXES)).assign(lift=words.lift)
        places.insert(0, "label", labels)
        write_parquet(folder / "truth-words.parquet", places)
    votes = count_votes(judgements, labels, list(image_ids)).table()
    asked = {"emotions": votes[votes["n"] > 0].reset_index(drop=True)}  # without images that nobody answered
    known = pd.DataFrame({"annotator_id": annotators.ids, "simulated": True})
    write_dataset(folder, _meta_of(drawing), table, asked, judgements, known)


def _paint(folder: Path, drawing: Drawing, words: Words, progress: Progress | None) -> tuple[pd.DataFrame, FloatArray]:
    """Paint every image into `folder`/images; returns images.parquet's table, and feelings [N, 3]."""
    (folder / "images").mkdir()
    places = words.places[words.placed]
    feelings, rows = np.empty((drawing.images, 3)), []
    for index in range(drawing.images):
        rng = demo_stream(drawing.seed, Purpose.PAINTING, index)
        feelings[index] = draw_feeling(places, rng)
        look = of_school(look_of(feelings[index], rng), drawing.look)
        name = f"{index:06d}"
        paint(look, rng, drawing.size).save(folder / "images" / f"{name}.png", compress_level=1)
        shapes = "jagged" if look.jaggedness > 0.5 else "round"
        rows.append({"image_id": name, "file": f"images/{name}.png", "shapes": shapes})
        if progress is not None:
            progress(1)
    return pd.DataFrame(rows), feelings


def _meta_of(drawing: Drawing) -> DatasetMeta:
    """dataset.json, which says what was drawn."""
    one, taxonomy = drawing.answers == "one", get_taxonomy(drawing.taxonomy)
    said = [f"images={drawing.images}", f"seed={drawing.seed}"]
    said += [f"look={drawing.look}"] * (drawing.look != "plain") + ["answers=one"] * one
    said += [f"panel={drawing.panel}"] * (drawing.panel != "textbook")
    said += [f"size={drawing.size}"] * (drawing.size != 96)  # which sets had that were drawn before they said so
    variant = [taxonomy.name] * (taxonomy.name != "mikels-8") + [drawing.look] * (drawing.look != "plain")
    target = TargetMeta(
        kind="distribution" if one else "rates",
        construct="evoked",
        question=QUESTIONS[drawing.answers],
        vote_rule="one_choice" if one else None,
        taxonomy=taxonomy.name if taxonomy.name in builtin_names() else taxonomy.to_dict(),
        values="votes",
        file="targets-emotions.parquet",
        made_by="votes in annotations.parquet",
    )
    return DatasetMeta(
        name=" ".join(["demo", *variant, *["one choice"] * one]),
        source=f"painted and judged by affectml's own code ({', '.join(said)}); no people took part",
        licence="CC0-1.0",
        notes=[NOTES[drawing.panel]] if drawing.panel in NOTES else [],
        targets={"emotions": target},
    )
