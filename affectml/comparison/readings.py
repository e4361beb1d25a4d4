"""What several runs say of the same images, and how far apart they are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.comparison._differences import Gain, gains_of
from affectml.data import Dataset, Targets
from affectml.errors import BadInput, NoMapping, option
from affectml.judging.asked import learned_from, scores_of
from affectml.judging.scoring import Answers
from affectml.judging.truth import hits_of
from affectml.page.tables import Table, arrow, cell, number, p_value, starred
from affectml.runs import RunFolder
from affectml.spaces import Choices, Space, find_space, system_in
from affectml.taxonomies import Mapping
from affectml.training import DEMO
from affectml_metrics import functional as F

Array = NDArray[np.object_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """One run's view of an image, or people's: its k best labels with scores (or shares of people), best first."""

    who: str
    best: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Seen:
    """An image, how far the runs are apart on it (0 alike, 1 disjoint), each run's reading, people's where known."""

    image_id: str
    distance: float
    readings: tuple[Reading, ...]
    people: Reading | None


@dataclass(frozen=True)
class Comparison:
    """Images from the most disputed to the most agreed on, and each pair of runs as a whole.

    pairs: (run, run, share of images with the same first label, mean distance, labels compared). gains: of each pair
    that speaks the labels of people's answers.
    """

    dataset: Dataset
    runs: tuple[str, ...]
    split: str
    images: tuple[Seen, ...]
    pairs: tuple[tuple[str, str, float, float, str], ...]
    notes: tuple[str, ...]
    gains: tuple[Gain, ...] = ()

    def pairs_table(self) -> Table:
        """How alike two runs are."""
        rows = tuple((f"{a} / {b}", number(same), number(apart), what) for a, b, same, apart, what in self.pairs)
        note = (
            "distance: total variation between the normalised scores, 0 alike and 1 disjoint; labels of different "
            "taxonomies are mapped first"
        )
        return Table(
            f"{len(self.images)} {self.split} images of {self.dataset.name}",
            ("runs", "same first label", "distance", "compared in"),
            rows,
            "\n  ".join([note, *self.notes]),
        )

    def gains_table(self) -> Table | None:
        """Who is nearer to people, pair by pair; None where no pair can be compared with them."""
        if not self.gains:
            return None
        rows = tuple(
            (" − ".join(g.runs), cell(g.score), p_value(g.p), p_value(g.p_holm), str(g.images)) for g in self.gains
        )
        note = (
            "first run less second, on the same images: ± is half the width of the 95 % interval of each difference by "
            "itself; p: how often chance alone would set two runs of one quality as far apart, from 30 images on; "
            "p (Holm): corrected for all differences in this table, below .05 beyond chance"
        )
        columns = ("runs", arrow("top_1_accuracy"), "p", "p (Holm)", "images")
        return starred(Table("Against people's most chosen label", columns, rows, note))

    def images_table(self, count: int = 10) -> Table:
        """The most disputed images."""
        shown = self.images[:count]
        asked = any(seen.people for seen in shown)
        rows = tuple(
            (seen.image_id, number(seen.distance), *map(words, [*seen.readings, *([seen.people] if asked else [])]))
            for seen in shown
        )
        who = [*self.runs, *(["people"] if asked else [])]
        return Table("Where they disagree most", ("image", "distance", *who), rows)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "dataset": self.dataset.name,
            "runs": list(self.runs),
            "split": self.split,
            "pairs": [
                {"runs": [a, b], "same_first_label": same, "distance": apart, "compared_in": what}
                for a, b, same, apart, what in self.pairs
            ],
            "gains": [asdict(gain) for gain in self.gains],
            "images": [asdict(seen) for seen in self.images],
            "notes": list(self.notes),
        }


class _Read(NamedTuple):
    """A run with its name among the others, and its scores [N, C] of the images that all are compared on."""

    run: RunFolder
    name: str
    scores: Floats


def words(reading: Reading | None, between: str = "  ") -> str:
    """A reading's labels and scores."""
    if reading is None:
        return "–"
    return between.join(f"{label} {value:.2f}" for label, value in reading.best) or "nothing applies"


def compare_runs(
    runs: Sequence[str | Path],
    *,
    dataset: str | Path | None = None,
    k: int = 3,
    threads: int | None = None,
    say: Say = lambda line: None,
) -> Comparison:
    """Compare at least two runs on the images that none of them was trained on.

    dataset: where the images and people's answers are; None is the data set of the first run. Scores come from the
    runs' answers, or are made anew where a run has none of these images (weights trained elsewhere, or on another
    data set, whose images are then all judged).

    Raises BadInput for fewer than two runs or where no image is left, BadRun for what is no run.
    """
    if len(runs) < 2:
        raise BadInput(f"compare: expected at least two runs, got {len(runs)}")
    opened = [RunFolder.open(run) for run in runs]
    names = names_of(opened)
    data = Dataset.open(_where(opened[0]) if dataset is None else dataset)
    tables = [_scores(run, data, threads, say) for run in opened]
    ids, split = _common(opened, tables, data)
    read = [
        _Read(run, name, table.reindex(ids).to_numpy(dtype=np.float64))
        for run, name, table in zip(opened, names, tables, strict=True)
    ]
    pairs, distance, notes = _pairs(read)
    people = _people(opened[0], data)
    images = []
    for row in np.lexsort((np.arange(len(ids)), -distance)):
        readings = tuple(Reading(each.name, _best(each.run.taxonomy.labels, each.scores[row], k)) for each in read)
        images.append(Seen(str(ids[row]), float(distance[row]), readings, said_by(people, str(ids[row]), k)))
    gains = _gains(read, ids, people, data)
    return Comparison(data, tuple(names), split, tuple(images), tuple(pairs), tuple(notes), tuple(gains))


def names_of(runs: Sequence[RunFolder]) -> list[str]:
    """The folders' names, with the head's where two are alike."""
    names = [run.folder.resolve().name for run in runs]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({number + 1})" for number, name in enumerate(names)]


def _where(run: RunFolder) -> Path:
    path = run.info.config.dataset
    if path is None and run.info.data.name != "demo":
        way = f"name one with {option('dataset')}"
        raise BadInput(f"{run.folder}: it does not say which data set it was trained on; {way}")
    return DEMO if path is None else Path(path)


def _scores(run: RunFolder, data: Dataset, threads: int | None, say: Say) -> pd.DataFrame:
    """Scores of every label by image_id: as predicted, else made from the data set's images."""
    if _trained_on(run, data):
        return run.model_answers.frame
    ids, scores = scores_of(run, data, threads=threads, say=say)
    return pd.DataFrame(scores, index=pd.Index(ids), columns=list(run.taxonomy.labels))


def _trained_on(run: RunFolder, data: Dataset) -> bool:
    """Whether the run's answers are of these very data: equal names of images do not make equal images."""
    return data.has_fingerprint(run.info.data.fingerprint, run.info.data.target)


def _common(runs: Sequence[RunFolder], tables: Sequence[pd.DataFrame], data: Dataset) -> tuple[Array, str]:
    """Images that every run scored and none was trained on."""
    kept = pd.Index(data.images["image_id"])
    split = "all"
    for run, table in zip(runs, tables, strict=True):
        kept = kept[kept.isin(table.index)]
        if _trained_on(run, data):
            kept = kept[kept.isin(run.model_answers.image_id[run.model_answers.split == "test"])]
            split = "test"
        elif run.has_answers:  # of data that were changed since, too
            kept = kept[~kept.isin(list(learned_from(run, table)))]
    if not len(kept):
        raise BadInput(
            f"compare: no image of {data.root} is in the test split of every run: train them on the same data set with "
            f"the same {option('seed')}"
        )
    return kept.to_numpy(dtype=object), split


def _pairs(read: Sequence[_Read]) -> tuple[list[tuple[str, str, float, float, str]], Floats, list[str]]:
    """Each pair as a whole, and the mean distance of each image over pairs."""
    found, notes = [], []
    total = np.zeros(len(read[0].scores))
    for a, b in combinations(read, 2):
        try:
            space = find_space(a.run.taxonomy, b.run.taxonomy, Choices({}, drop=True))
        except NoMapping as error:
            notes.append(f"{a.name} / {b.name}: compared by their first labels' names ({error})")
            first, second = (np.array(r.run.taxonomy.labels, dtype=object)[r.scores.argmax(axis=1)] for r in (a, b))
            same, apart, what = first == second, (first != second).astype(np.float64), "first labels"
        else:
            notes += [line for line in space.lines if line not in notes]
            one = _carried(a.scores, space.of_model, space, rates=_rates(a.run))
            two = _carried(b.scores, space.of_truth, space, rates=_rates(b.run))
            apart = np.abs(one - two).sum(axis=1) / 2
            same = one.argmax(axis=1) == two.argmax(axis=1)
            all_of = len(space.keep) == len(space.of_truth.target)
            what = space.taxonomy.name if all_of else f"{len(space.keep)} of {space.taxonomy.name}"
        total += apart
        found.append((a.name, b.name, float(np.mean(same)), float(apart.mean()), what))
    return found, total / len(found), notes


def _gains(read: Sequence[_Read], ids: Array, people: Targets | None, data: Dataset) -> list[Gain]:
    """The paired difference of each two runs against people, on the images that people answered."""
    if people is None:
        return []
    fitting = [each for each in read if each.run.taxonomy.labels == people.taxonomy.labels]
    asked = np.isin(ids, people.image_id)
    if len(fitting) < 2 or not asked.any():
        return []
    groups = data.groups(ids[asked])
    hits = torch.from_numpy(hits_of(people.kind, people.take(ids[asked]).shares())[0])
    right = [F.top_k_accuracy(torch.tensor(each.scores[asked]), hits, 1, ties="expected") for each in fitting]
    return gains_of([each.name for each in fitting], [{"top_1_accuracy": each} for each in right], groups)


def _rates(run: RunFolder) -> bool:
    """Whether the run's scores are rates, each label on its own, and not a distribution."""
    return run.info.several and run.head.scores_of != "texts"


def _carried(scores: Floats, to: Mapping, space: Space, *, rates: bool) -> Floats:
    """Scores as shares of the labels both runs have, [N, C]; even where a run gives none of them any."""
    mass = system_in(Answers(torch.tensor(scores)), to, space, rates=rates, kind="rates").scores.numpy()
    whole = mass.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(mass, whole, out=np.full_like(mass, 1 / mass.shape[1]), where=whole > 0))


def _people(run: RunFolder, data: Dataset) -> Targets | None:
    """People's answers: the target that the first run learned, else the only one."""
    name = run.info.data.target
    if name in data.meta.targets:
        return data.target(name)
    names = list(data.meta.targets)
    return data.target(names[0]) if len(names) == 1 else None


def said_by(people: Targets | None, image_id: str, k: int) -> Reading | None:
    """People's k best labels of an image; None where nobody was asked about it."""
    if people is None:
        return None
    row = np.flatnonzero(people.image_id == image_id)
    if not len(row):
        return None
    best = _best(people.taxonomy.labels, people.shares()[row[0]], k)
    return Reading("people", tuple((label, share) for label, share in best if share > 0))


def _best(labels: Sequence[str], scores: Floats, k: int) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-scores, kind="stable")[:k]
    return tuple((labels[c], float(scores[c])) for c in order)
