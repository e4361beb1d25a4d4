"""An audit: all checks of one data set, put in order; nothing in the data set is changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from affectml._progress import Say
from affectml.auditing import _checks as checks
from affectml.auditing._again import Again, Fit, asked_again, read_queues
from affectml.auditing._expect import LEAST, Expected, expect, out_of_fold
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
from affectml.training.learned import uneven_panels

LEVEL = 0.05
LONG = 40_000  # images times labels, from which on an audit says beforehand that it is long: 5,000 images, 8 labels
MOST_PEOPLE = 10_000  # an image: the chance of each number of votes is kept
# In the order of the table and the page. The first line of each says what is listed; "fact" has no chance to compare.
CHECKS = {
    "broken file": "Files that cannot be used",
    "blank file": "Pictures with next to nothing in them",
    "dark or bright file": "Pictures too dark or too bright to see",
    "odd shape": "Pictures that are tiny, or far longer than wide",
    "blurred file": "Pictures far less sharp than the others",
    "split parts copies": "Copies that the split parts",
    "copies differ": "Copies with differing answers",
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

    table: a row per thing, ranked: rank, check (a key of `CHECKS`), listed (a fact, or beyond chance), image_id,
    other_id, annotator_id, label and group as far as they apply, figure, p, p_adjusted (nan for facts) and evidence in
    words. Of answers and images, the `top` most surprising are there, listed or not. frame: who was asked what, and
    what that cannot show. notes: how it was made. votes: image_id, n and one column of votes per label.
    tested: how many things each check compared with chance. suspected: by image_id, the label of whatever is oddest
    there, listed or not, and said: whether it is that it was chosen, or that it was not. again: what people said of
    queued images since, if any.
    """

    dataset: Dataset
    target: str
    table: pd.DataFrame
    frame: tuple[str, ...]
    notes: tuple[str, ...]
    votes: pd.DataFrame
    tested: Mapping[str, int]
    suspected: pd.DataFrame
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

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where a column does not apply."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        again = None if self.again is None else {"lines": list(self.again.lines), **self.again.figures}
        return {"dataset": self.dataset.name, "target": self.target, "level": LEVEL, "summary": self.summary(),
                "frame": list(self.frame), "notes": list(self.notes), "rows": rows,
                "again": again}  # fmt: skip


def audit_dataset(
    dataset: Dataset,
    run: RunFolder | None = None,
    *,
    target: str | None = None,
    encoder: str | None = None,
    people: int | None = None,
    queues: Path | None = None,
    top: int = 100,
    seed: int = 0,
    say: Say = lambda line: None,
) -> Audit:
    """Run every check on a data set; see `affectml.audit`."""
    if top < 1:
        raise BadInput(f"{option('top', top)}: expected at least 1")
    if run is not None and (target is not None or encoder is not None):
        raise BadInput("audit: a run names its target and its encoder: leave out target and encoder, or the run")
    notes: list[str] = []
    queued = {} if queues is None else read_queues(queues)
    targets = choose_target(dataset, multilabel=None, name=target if run is None else run.info.data.target)
    if people is not None and (not 1 <= people <= MOST_PEOPLE or targets.meta.values != "shares"):
        raise BadInput(
            f"{option('people', people)}: expected 1 to {MOST_PEOPLE:,}, and a target of shares; {targets.name} has "
            f"{targets.meta.values}"
        )
    store = _store(dataset, run, encoder, notes)
    if store is not None:
        ids = np.setdiff1d(targets.image_id, store.missing(targets.image_id))
        if len(ids) < len(targets.image_id):
            notes.append(
                f"{len(targets.image_id) - len(ids):,} images have no embedding; their answers are not checked"
            )
        targets = targets.take(ids)
        if targets.table.size >= LONG:
            say(
                f"audit: heads are fitted on {len(ids):,} images for {len(targets.taxonomy):,} labels in five folds, "
                "and each image is compared with every other: half a minute of computing, or several"
            )
    duplicates = find_duplicates(dataset, near=store is not None, encoder=store.folder.name if store else None)
    notes += duplicates.notes()
    said = read_said(dataset, targets, people)
    rows, again = checks.files(dataset), None
    votes = pd.DataFrame({"image_id": targets.image_id})
    if said is None:
        notes.append(
            "shares without the number of people asked: answers are not checked; where you know it, "
            f"{option('people', 15)} reads them as so many people's"
        )
    else:
        if people is not None:
            notes.append(f"shares are read as those of {people:,} people an image, who are not known")
        features = None if store is None else store.rows(said.image_id)
        groups, head = _groups(dataset, said, duplicates), _head(run, targets)
        expecting = partial(expect, features=features, groups=groups, make=head, seed=seed)
        rows += _of_answers(said, features, expecting, notes)
        again = asked_again(dataset, said, queued, groups, _fitting(said, features, groups, head, seed), seed)
        rows += checks.copies(duplicates, said) + checks.groups(dataset, said)
        votes = votes.assign(n=said.n.max(axis=1)).join(pd.DataFrame(said.votes, columns=list(said.labels)))
    for line in notes:
        say(line)
    return replace(_ranked(dataset, targets, rows, notes, top, votes), again=again)


def _fitting(
    said: Said, features: NDArray[Any] | None, groups: NDArray[Any], head: Callable[[], Head], seed: int
) -> Fit:
    """Rates out of fold of what some of the people said; images count the same where they do in training."""
    alike = not uneven_panels(said.n)

    def fit(these: Said) -> NDArray[Any] | None:
        if features is None or (said.n.sum(axis=1) > 0).sum() < LEAST:
            return None
        return out_of_fold(these, features, groups, head, seed, np.full(these.votes.shape, 0.5), alike=alike)

    return fit


def _of_answers(
    said: Said, features: NDArray[Any] | None, expecting: Callable[[Said], Expected], notes: list[str]
) -> list[checks.Row]:
    """People, answers, images and labels. Whoever is listed does not tell what to expect of the others."""
    expected = expecting(said)
    who = checks.people(said, expected)
    odd = [row["annotator_id"] for row, p in zip(who, _adjusted(who), strict=True) if not p > LEVEL]
    if odd:
        left = said.without(np.flatnonzero(np.isin(said.people.astype(str), odd)))
        notes.append(
            f"expectations leave out the answers of {', '.join(odd)}, who are listed as people; their single answers "
            "are not listed again"
        )
        said, expected = left, expecting(left)
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
    return [*who, *answers, *images, *checks.labels(said, features)]


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


def _groups(dataset: Dataset, said: Said, duplicates: Duplicates) -> NDArray[Any]:
    """What folds and neighbours keep together: the data set's groups, and copies."""
    own = joined(dataset.groups(said.image_id), said.image_id, [group.image_ids for group in duplicates.groups])
    return np.arange(len(said.image_id)).astype(str) if own is None else own


def _adjusted(rows: list[checks.Row]) -> NDArray[np.float64]:
    """p_adjusted of the rows of one check (Benjamini & Hochberg 1995); nan for facts."""
    p = np.array([row["p"] for row in rows], dtype=float)
    adjusted = np.full(len(p), np.nan)
    if np.isfinite(p).any():
        adjusted[np.isfinite(p)] = false_discovery_control(p[np.isfinite(p)])
    return adjusted


def _ranked(
    dataset: Dataset, targets: Targets, rows: list[checks.Row], notes: list[str], top: int, votes: pd.DataFrame
) -> Audit:
    """Listed rows first, check by check in the order of CHECKS; within a check the most surprising first."""
    kept, tested = [], {}
    for place, check in enumerate(CHECKS):
        mine = [row for row in rows if row["check"] == check]
        adjusted = _adjusted(mine)
        listed = ~(adjusted > LEVEL)  # facts are
        if np.isfinite(adjusted).any():
            tested[check] = len(mine)
        p, figure = (np.nan_to_num([row[name] for row in mine]) for name in ("p", "figure"))
        order = np.lexsort((-abs(figure), p, ~listed))[: max(top, listed.sum())]
        kept += [{**mine[at], "p_adjusted": adjusted[at], "listed": bool(listed[at]), "place": place} for at in order]
    for each in kept:
        each["evidence"] = each["evidence"]() if callable(each["evidence"]) else each["evidence"]
    kept.sort(key=lambda row: (not row["listed"], row["place"]))  # stable: the order within a check stays
    table = pd.DataFrame([{"rank": at + 1, **row} for at, row in enumerate(kept)], columns=list(COLUMNS))
    table["listed"] = table["listed"].astype(bool)
    frame = _frame(dataset, targets, votes)
    return Audit(dataset, targets.name, table, frame, tuple(notes), votes, tested, _suspected(rows))


def _suspected(rows: list[checks.Row]) -> pd.DataFrame:
    odd = [(r["image_id"], r["p"], r["label"], r["said"]) for r in rows if r["said"] is not None]
    table = pd.DataFrame(odd, columns=["image_id", "p", "label", "said"])
    return table.sort_values("p", kind="stable").drop_duplicates("image_id").set_index("image_id")[["label", "said"]]


def _frame(dataset: Dataset, targets: Targets, votes: pd.DataFrame) -> tuple[str, ...]:
    """Who was asked what, as far as the files say, and what that cannot show."""
    meta = targets.meta
    lines = [f"Construct: {meta.construct}."]
    lines.append(
        f"People were asked: “{meta.question}”" if was_asked(meta.question)
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
