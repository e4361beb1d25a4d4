"""An audit: all checks of one data set, put in order; no answer is changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from affectml._progress import Say
from affectml.auditing import _checks as checks
from affectml.auditing._expect import Ground, expect
from affectml.auditing._queue import Again, asked_again, read_queues
from affectml.auditing._said import Said, read_said
from affectml.data import Dataset, Targets, was_asked
from affectml.data.choose import SEVERAL, choose_target
from affectml.data.groups import joined
from affectml.duplicates import Duplicates, find_duplicates
from affectml.embeddings import EmbeddingStore
from affectml.errors import BadDataset, BadInput, option
from affectml.heads import Head, SigmoidHead, SoftmaxHead, load_head
from affectml.predicting.features import store_there
from affectml.runs import RunFolder

LEVEL = 0.05
LONG = 40_000  # images times labels, from which on an audit says beforehand that it is long: 5,000 images, 8 labels
MOST_PEOPLE = 10_000  # an image: the chance of each number of votes is kept
# In the order of the table and the page. The first line of each says what is listed; "fact" has no chance to compare.
CHECKS = {
    "broken file": "Files that do not keep what they promise",
    "blank file": "Pictures with next to nothing in them",
    "dark or bright file": "Pictures too dark or too bright to see",
    "odd shape": "Pictures that are tiny, or far longer than wide",
    "blurred file": "Pictures far less sharp than the others",
    "split parts copies": "Copies that the split parts",
    "copies differ": "Copies with differing answers",
    "copies": "Copies that no split parts",
    "alike embeddings": "Embeddings as alike as those of copies, without files to compare",
    "person": "People whose answers carry no information",
    "image": "Images whose answers are unlike those of similar images",
    "answer": "Answers unlike what is expected of the image",
    "unused label": "Labels that nobody uses",
    "labels together": "Labels that always go together",
    "label for two things": "Labels used for two things",
    "small group": "Groups that few stand for",
}
COLUMNS = ("rank", "check", "listed", "image_id", "other_id", "annotator_id", "label", "group", "figure", "p",
           "p_adjusted", "evidence")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Audit:
    """What deserves a second look, as `affectml.audit` found it. Nobody's answer is called an error.

    target: None where the data set has none. table: a row per thing, ranked: rank, check (a key of `CHECKS`), listed (a
    fact, or beyond chance), image_id, other_id, annotator_id, label and group as far as they apply, figure, p,
    p_adjusted (nan for facts) and evidence in words. Of answers and images, the `top` most surprising are there, listed
    or not. frame: who was asked what, and what that cannot show. notes: how it was made. votes: image_id, n and one
    column of votes per label. tested: how many things each check compared with chance. suspected: by image_id, the
    label of whatever is oddest there, listed or not, and said: whether it is that it was chosen, or that it was not.
    duplicates: images that show one picture. again: what people said of queued images since, if any.
    """

    dataset: Dataset
    target: str | None
    table: pd.DataFrame
    frame: tuple[str, ...]
    notes: tuple[str, ...]
    votes: pd.DataFrame
    tested: Mapping[str, int]
    suspected: pd.DataFrame
    duplicates: Duplicates
    again: Again | None = None

    @property
    def listed(self) -> pd.DataFrame:
        """The rows that are facts, or beyond what chance explains."""
        return self.table[self.table["listed"]]

    def summary(self) -> str:
        """What was found, in a sentence."""
        counts = self.listed["check"].value_counts(sort=False)
        if not len(counts):
            return "No check found anything beyond what chance explains."
        words = "; ".join(f"{CHECKS[check].lower()}: {counts[check]:,}" for check in CHECKS if check in counts.index)
        things = "1 thing deserves" if len(self.listed) == 1 else f"{len(self.listed):,} things deserve"
        return f"{things} a second look: {words}."

    def write_groups(self) -> Path | None:
        """Make copies groups in images.parquet, which no new split parts; returns the old file, None for no change."""
        return self.duplicates.write_groups()

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where a column does not apply."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        again = None if self.again is None else {"lines": list(self.again.lines), **self.again.figures}
        return {"dataset": self.dataset.name, "target": self.target, "level": LEVEL, "summary": self.summary(),
                "frame": list(self.frame), "notes": list(self.notes), "rows": rows,
                "again": again}  # fmt: skip


def audit(
    dataset: str | Path | Dataset,
    run: str | PathLike[str] | None = None,
    *,
    target: str | None = None,
    encoder: str | None = None,
    people: int | None = None,
    queues: str | Path | None = None,
    top: int = 100,
    seed: int = 0,
    say: Say = print,
) -> Audit:
    """What in a data set deserves a second look, as `affectml audit` finds it; nothing in it is changed.

    Args:
        dataset: the data set or its folder, embedded; without embeddings people are compared among each other alone,
            and where nobody knows who they are, the votes of an image. Without a target, files and copies are all.
        run: a run on its target, whose encoder and kind of head are taken; None takes the only embeddings, and a linear
            head. The head is fitted anew in five folds: no image is judged by a head that saw it.
        target: which of its targets to look at, where several are there.
        encoder: whose embeddings, where there are several.
        people: shares whose number of people is not known are read as those of so many an image.
        queues: folder of an earlier audit, whose queue-NNN.csv files are compared with what people said since; the
            command looks into its own folder.
        top: of images and of answers, keep so many of the most surprising, beyond chance or not.
        seed: of the folds.
        say: called with how it was made, a line at a time.

    Returns:
        An Audit: a ranked table with the evidence of each row; `affectml.auditing` writes it as a page and queues
        images.

    Raises:
        AffectmlError: one of its subclasses, for what can be mended.
    """
    if top < 1:
        raise BadInput(f"{option('top', top)}: expected at least 1")
    if run is not None and (target is not None or encoder is not None):
        raise BadInput("audit: a run names its target and its encoder: leave out target and encoder, or the run")
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    opened = None if run is None else RunFolder.open(run)
    notes: list[str] = []
    queued = {} if queues is None else read_queues(Path(queues))
    targets = _targets(dataset, opened.info.data.target if opened else target, people)
    store = _store(dataset, opened, encoder, notes)
    if targets is not None and store is not None:
        targets = _embedded(targets, store, notes, say)
    duplicates = find_duplicates(dataset, store)
    notes += duplicates.notes()
    said = None if targets is None else read_said(dataset, targets, people)
    rows, again = [*checks.promises(dataset), *checks.pictures(dataset), *checks.copies(duplicates)], None
    ids = np.array([], dtype=object) if targets is None else targets.image_id
    votes = pd.DataFrame({"image_id": ids})
    if targets is None:
        notes.append("the data set has no target yet, so there are no answers to check")
    elif said is None:
        notes.append(
            "shares without the number of people asked: answers are not checked; where you know it, "
            f"{option('people', 15)} reads them as so many people's"
        )
    else:
        if people is not None:
            notes.append(f"shares are read as those of {people:,} people an image, who are not known")
        own = joined(dataset.groups(ids), ids, duplicates.confirmed)
        groups = np.arange(len(ids)).astype(str) if own is None else own
        ground = Ground(None if store is None else store.rows(ids), groups, _head(opened, targets), seed)
        rows += _of_answers(said, ground, notes)
        again = asked_again(dataset, said, queued)
        rows += checks.differing(duplicates, said) + checks.groups(dataset, said)
        votes = votes.assign(n=said.n.max(axis=1)).join(pd.DataFrame(said.votes, columns=list(said.labels)))
    for line in notes:
        say(line)
    table, tested = _ranked(rows, top)
    frame, name = _frame(dataset, targets, votes), None if targets is None else targets.name
    return Audit(dataset, name, table, frame, tuple(notes), votes, tested, _suspected(rows), duplicates, again)


def _targets(dataset: Dataset, name: str | None, people: int | None) -> Targets | None:
    """The target to look at; None where the data set has none, and nothing was asked that needs one."""
    if not dataset.meta.targets and name is None and people is None:
        return None
    targets = choose_target(dataset, multilabel=None, name=name)
    if people is not None and (not 1 <= people <= MOST_PEOPLE or targets.meta.values != "shares"):
        raise BadInput(
            f"{option('people', people)}: expected 1 to {MOST_PEOPLE:,}, and a target of shares; {targets.name} has "
            f"{targets.meta.values}"
        )
    return targets


def _embedded(targets: Targets, store: EmbeddingStore, notes: list[str], say: Say) -> Targets:
    """What is said of images that have an embedding; says beforehand where work on it will be long."""
    ids = np.setdiff1d(targets.image_id, store.missing(targets.image_id))
    if len(ids) < len(targets.image_id):
        notes.append(f"{len(targets.image_id) - len(ids):,} images have no embedding; their answers are not checked")
    targets = targets.take(ids)
    if targets.table.size >= LONG:
        say(
            f"audit: heads are fitted on {len(ids):,} images for {len(targets.taxonomy):,} labels in five folds, "
            "and each image is compared with every other: half a minute of computing, or several"
        )
    return targets


def _of_answers(said: Said, ground: Ground, notes: list[str]) -> list[checks.Row]:
    """People, answers, images and labels. Whoever is listed does not tell what to expect of the others."""
    expected = expect(said, ground)
    who = checks.people(said, expected)
    odd = [row["annotator_id"] for row, p in zip(who, _adjusted(who), strict=True) if not p > LEVEL]
    if odd:
        left = said.without(np.flatnonzero(np.isin(said.people.astype(str), odd)))
        notes.append(
            f"expectations leave out the answers of {', '.join(odd)}, who are listed as people; their single answers "
            "are not listed again"
        )
        said, expected = left, expect(left, ground)
    answers, sharp = checks.answers(said, expected)
    images, sharp_images = checks.images(said, expected)
    for what, factor in (("answers", sharp), ("images", sharp_images)):
        if factor >= 1.005:
            notes.append(
                f"{what} spread {factor:.2f} times as far as the expected rates say; scores are divided by that"
            )
    if expected.beside is not None:
        notes.append(
            f"no embeddings: votes are judged by the other votes of the same image, as they go together in "
            f"{expected.beside.kinds} kinds of images; {len(said.n) - len(expected.beside.image):,} images have fewer "
            "than 3 votes and are left out, and what everybody took for something else cannot be seen"
        )
    elif expected.head is None:
        notes.append("no embeddings, or too few images: answers are compared among people alone")
    return [*who, *answers, *images, *checks.labels(said, ground.features)]


def _store(dataset: Dataset, run: RunFolder | None, encoder: str | None, notes: list[str]) -> EmbeddingStore | None:
    if run is not None:
        store = store_there(run, dataset, notes.append)
        if store is None:
            raise BadDataset(
                f"{dataset.root}: no embeddings by the run's encoder: run `affectml embed {dataset.root} --encoder "
                f"{run.info.encoder.specs[0]}`"
            )
        return store
    if encoder is None and not any((dataset.root / "embeddings").glob("*/encoder.json")):
        return None
    return EmbeddingStore.for_dataset(dataset, encoder)


def _head(run: RunFolder | None, targets: Targets) -> Callable[[], Head]:
    """The run's kind of head, fitted afresh in each fold, where it learns from features and such targets alone."""
    several = targets.kind in SEVERAL
    if run is not None:
        head = load_head(run.folder)
        if head.scores_of != "texts" and ("rates" if several else "distribution") in type(head).learns:
            return lambda: type(head)(head.config)
    return SigmoidHead if several else SoftmaxHead


def _adjusted(rows: list[checks.Row]) -> NDArray[np.float64]:
    """p_adjusted of the rows of one check (Benjamini & Hochberg 1995); nan for facts."""
    p = np.array([row["p"] for row in rows], dtype=float)
    adjusted = np.full(len(p), np.nan)
    if np.isfinite(p).any():
        adjusted[np.isfinite(p)] = false_discovery_control(p[np.isfinite(p)])
    return adjusted


def _ranked(rows: list[checks.Row], top: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Listed rows first, check by check in the order of CHECKS, the most surprising first; how many were tested."""
    kept, tested = [], {}
    for check in CHECKS:
        mine = [row for row in rows if row["check"] == check]
        adjusted = _adjusted(mine)
        listed = ~(adjusted > LEVEL)  # facts are
        if np.isfinite(adjusted).any():
            tested[check] = len(mine)
        p, figure = (np.nan_to_num([row[name] for row in mine]) for name in ("p", "figure"))
        order = np.lexsort((-abs(figure), p, ~listed))[: max(top, listed.sum())]
        kept += [{**mine[at], "p_adjusted": adjusted[at], "listed": bool(listed[at])} for at in order]
    for each in kept:
        each["evidence"] = each["evidence"]() if callable(each["evidence"]) else each["evidence"]
    kept.sort(key=lambda row: not row["listed"])  # stable: the order of checks, and within one, stays
    table = pd.DataFrame([{"rank": at + 1, **row} for at, row in enumerate(kept)], columns=list(COLUMNS))
    return table.astype({"listed": bool}), tested


def _suspected(rows: list[checks.Row]) -> pd.DataFrame:
    odd = [(r["image_id"], r["p"], r["label"], r["said"]) for r in rows if r["said"] is not None]
    table = pd.DataFrame(odd, columns=["image_id", "p", "label", "said"])
    return table.sort_values("p", kind="stable").drop_duplicates("image_id").set_index("image_id")[["label", "said"]]


def _frame(dataset: Dataset, targets: Targets | None, votes: pd.DataFrame) -> tuple[str, ...]:
    """Who was asked what, as far as the files say, and what that cannot show."""
    lines, asked = [], dataset.meta.judgements if targets is None else targets.meta
    if asked is not None:
        lines.append(f"Construct: {asked.construct}.")
        lines.append(
            f"People were asked: “{asked.question}”" if was_asked(asked.question)
            else "The files do not say what people were asked, word for word."
        )  # fmt: skip
    lines.append(f"Source: {dataset.meta.source or 'the files do not say'}.")
    lines += dataset.meta.notes
    if "n" in votes:
        n = votes["n"]
        lines.append(f"{len(n):,} images, {n.min():,} to {n.max():,} answers each ({n.sum():,} in all).")
    people = dataset.annotators
    given = [] if people is None else [str(name) for name in people.columns if name != "annotator_id"]
    if not given:
        lines.append("Nothing is known of who answered (no attributes in annotators.parquet).")
    for name in given:
        counts = people[name].astype(object).fillna("not given").astype(str).value_counts()  # type: ignore[index]
        shown = ", ".join(f"{level} {count}" for level, count in counts.head(8).items())
        lines.append(f"Of {len(people):,} people, {name}: {shown}{', ...' if len(counts) > 8 else ''}.")  # type: ignore[arg-type]
    lines.append(
        "What this cannot show: how people who were not asked would answer, how images that were not collected "
        "would be seen, and what any one person felt. A group without a column here cannot be checked."
    )
    return tuple(lines)
