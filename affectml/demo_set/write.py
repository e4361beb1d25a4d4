"""The demo set as an ordinary data set folder, with the truth beside it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from affectml._files import new_folder, write_parquet
from affectml.data import Dataset, DatasetMeta, TargetMeta, check_new, write_dataset
from affectml.demo_set.annotators import ANSWERS, Annotators, habits, judge, single_choices
from affectml.demo_set.feelings import AXES, Words, draw_feeling, true_rates
from affectml.demo_set.painting import SCHOOLS, look_of, of_school, paint
from affectml.demo_set.streams import painting_stream, people_stream
from affectml.errors import BadInput, did_you_mean
from affectml.taxonomies import builtin_names, get_taxonomy
from affectml_annotation import count_votes

QUESTIONS = {
    "sets": "Which of these feelings does this image evoke in you? Choose all that apply, or none.",
    "one": "Which of these feelings does this image evoke in you most? Choose one.",
}


def write_demo(
    out: Path,
    *,
    images: int = 2000,
    seed: int = 0,
    taxonomy: str = "mikels-8",
    look: str = "plain",
    answers: str = "sets",
    progress: Callable[[int], object] | None = None,
) -> Dataset:
    """Write a demo set of `images` paintings into the new folder `out` and return it, opened.

    The folder holds what any data set holds (dataset.json, images.parquet, targets-emotions.parquet: votes,
    annotations.parquet, annotators.parquet, images/*.png) and, beside it, truth.parquet (the share of people who
    would choose each label; valence, arousal and dominance of the image) and truth-annotators.parquet (their
    habits). Same arguments, same content; image i of a seed is the same whatever `images` is.

    taxonomy: a built-in name or a YAML file, with at least two placed labels. look: one of `painting.SCHOOLS`, which
    shifts every painting's brightness, saturation, hue or clutter and leaves its truth alone. answers: "sets", people
    choose all labels that apply (the target is rates), or "one", the one that applies most (a one_choice
    distribution). progress: called with 1 after each painting. Raises BadInput if `out` is taken, for an unknown look
    or kind of answers, fewer than one image or a seed that is negative or of more than 64 bits.
    """
    out = Path(out)
    check_new(out)
    if images < 1:
        raise BadInput(f"images: expected at least 1, got {images}")
    if look not in SCHOOLS:
        raise BadInput(f"no look {look!r}{did_you_mean(look, SCHOOLS)} (looks: {', '.join(SCHOOLS)})")
    if answers not in ANSWERS:
        raise BadInput(f"no answers {answers!r}{did_you_mean(answers, ANSWERS)} (answers: {', '.join(ANSWERS)})")
    chosen = get_taxonomy(taxonomy)
    words = Words.of(chosen)
    people = people_stream(seed)
    with new_folder(out) as folder:
        table, feelings = _paint_all(folder, images, seed, words, look, progress)
        rates = true_rates(feelings, words)
        panel = Annotators.draw(len(chosen), people)
        image_ids = table["image_id"].to_numpy(dtype=object)
        judgements = judge(rates, chosen.labels, image_ids, panel, people, answers=answers)
        one = answers == "one"
        truth = pd.concat(
            [
                table[["image_id"]],
                pd.DataFrame(feelings, columns=list(AXES)),
                pd.DataFrame(single_choices(rates, panel).mean(axis=0) if one else rates, columns=list(chosen.labels)),
            ],
            axis=1,
        )
        write_parquet(folder / "truth.parquet", truth)
        write_parquet(folder / "truth-annotators.parquet", habits(panel, chosen.labels))
        write_dataset(
            folder,
            DatasetMeta(
                name=_name(chosen.name, look, answers),
                source=f"painted and judged by affectml's own code (images={images}, seed={seed}"
                f"{'' if look == 'plain' else f', look={look}'}{', answers=one' if one else ''}); no people took part",
                licence="CC0-1.0",
                targets={
                    "emotions": TargetMeta(
                        kind="distribution" if one else "rates",
                        construct="evoked",
                        question=QUESTIONS[answers],
                        vote_rule="one_choice" if one else None,
                        taxonomy=taxonomy if taxonomy in builtin_names() else chosen.to_dict(),
                        values="votes",
                        file="targets-emotions.parquet",
                        made_by="votes in annotations.parquet",
                    )
                },
            ),
            table,
            {"emotions": _votes(judgements, chosen.labels, image_ids)},
            judgements,
            pd.DataFrame({"annotator_id": panel.ids, "simulated": True}),
        )
    return Dataset.open(out)


def _name(taxonomy: str, look: str, answers: str) -> str:
    """demo, or what sets a variant apart from it."""
    variant = [taxonomy] * (taxonomy != "mikels-8") + [look] * (look != "plain")
    variant += ["one choice"] * (answers == "one")
    return " ".join(["demo", *variant])


def _paint_all(
    folder: Path, images: int, seed: int, words: Words, school: str, progress: Callable[[int], object] | None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Paint every image into `folder`/images; returns images.parquet's table and the feelings [N, 3]."""
    (folder / "images").mkdir()
    feelings = np.empty((images, 3))
    places = words.places[words.placed]
    rows = []
    for index in range(images):
        rng = painting_stream(seed, index)
        feelings[index] = draw_feeling(places, rng)
        look = of_school(look_of(feelings[index], rng), school)
        name = f"{index:06d}"
        paint(look, rng).save(folder / "images" / f"{name}.png", compress_level=1)
        shapes = "jagged" if look.jaggedness > 0.5 else "round"
        rows.append({"image_id": name, "file": f"images/{name}.png", "shapes": shapes})
        if progress is not None:
            progress(1)
    return pd.DataFrame(rows), feelings


def _votes(judgements: pd.DataFrame, labels: tuple[str, ...], image_ids: np.ndarray) -> pd.DataFrame:
    """targets-emotions.parquet: votes per label and n, without images that nobody answered."""
    counted = count_votes(judgements, labels, list(image_ids))
    table = pd.DataFrame(counted.votes, columns=list(labels))
    table.insert(0, "image_id", counted.image_id)
    table.insert(1, "n", counted.n)
    return table[table["n"] > 0].reset_index(drop=True)
