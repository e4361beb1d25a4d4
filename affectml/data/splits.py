"""Train, validation and test: stratified by label, never parting a group, seeded, and shown as a table.

Stratification needs 0/1 labels. Soft targets are binarised by a rule that is stated (`strata`), because the
stratifier would silently read every rate above zero as a label.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data.dataset import SPLITS, Dataset
from affectml.data.groups import Copies, crossing_copies, joined
from affectml.data.targets import Targets
from affectml.errors import BadDataset

STRATA_RULE = "labels at or above 1/3 of the people, or the most chosen one where none is"
STRATA_CUT = 1 / 3
TEST_SHARE = VAL_SHARE = 0.15
CALIBRATION = "calibration"  # the part that a promise is made on; cut from train, and only where one is made
CALIBRATION_SHARE = 0.2  # of the training images
MIN_POSITIVES = 3  # one each for train, validation and test

Parts: TypeAlias = NDArray[np.object_]
Cut: TypeAlias = Callable[[Parts, str, float, int], tuple[int, int]]


@dataclass(frozen=True)
class Split:
    """Which image goes where: `assignment` is train|calibration|val|test|unused beside `image_id`; `notes` say how."""

    image_id: Parts
    assignment: Parts
    notes: tuple[str, ...]

    def ids(self, part: str) -> Parts:
        """The image ids of one part, in the data set's order."""
        return np.asarray(self.image_id[self.assignment == part])


def strata(targets: Targets) -> NDArray[np.int64]:
    """Labels as 0/1 [N, C] for stratifying, by STRATA_RULE; single labels and sets are 0/1 already."""
    shares = targets.shares()
    if targets.meta.values == "indicator":
        return shares.astype(np.int64)
    # The tolerance keeps 2 of 6 on the right side of 1/3 whatever the rounding of published shares.
    chosen = shares >= STRATA_CUT - 1e-6
    none = ~chosen.any(axis=1) & (shares.sum(axis=1) > 0)  # nobody chose anything: no label
    chosen[none, shares[none].argmax(axis=1)] = True
    return chosen.astype(np.int64)


def check_labels(dataset: Dataset, targets: Targets) -> tuple[str, ...]:
    """Raise BadDataset naming the first label with fewer than three positive images.

    Where several labels of an image may hold, the others can be learned without it: then a note names such labels, and
    only where no label has three positive images it is an error.
    """
    present = (targets.table > 0).sum(axis=0)
    rare = present < MIN_POSITIVES
    if targets.kind in ("rates", "sets") and rare.any() and not rare.all():
        names = [f"{targets.taxonomy.labels[at]} ({present[at]})" for at in np.flatnonzero(rare)]
        few = f"fewer than {MIN_POSITIVES} positive images: {', '.join(names)}"
        return (f"{few}; such labels are hardly learned, and not judged where the test split has none: collect more",)
    if rare.any():
        label = int(np.argmax(rare))
        raise BadDataset(
            f"{dataset.root}: target {targets.name}: label {targets.taxonomy.labels[label]!r} has "
            f"{int(present[label])} positive images, expected at least {MIN_POSITIVES} (one each for train, "
            "validation and test): collect more, or import again with the label merged into another (--map) "
            "or left out of the taxonomy"
        )
    return ()


def split_dataset(
    dataset: Dataset, targets: Targets, seed: int, copies: Copies = (), *, calibration: bool = False
) -> Split:
    """The data set's own split where it has one (validation cut from train if missing), else a new one.

    New splits are 70 / 15 / 15 by iterative stratification (Sechidis et al. 2011), or by StratifiedGroupKFold
    for single labels with groups; sets with groups are stratified over groups, each carrying the labels that
    occur in it. copies: sets of image_ids that a new split must not part, as `same_pixels` finds them; where the data
    set's own split parts some, a note says so. calibration: cut a fifth of the training images off for a promise,
    stratified and with groups whole; validation and test are the same with and without it. Raises BadDataset for an
    empty part, and as `check_labels` does.
    """
    table = dataset.images.set_index("image_id")
    ids = targets.image_id
    few = check_labels(dataset, targets)
    groups = joined(dataset.groups(ids), ids, copies)
    labels = strata(targets)

    def cut(assignment: Parts, part: str, share: float, seed: int) -> tuple[int, int]:
        """Give a share of the training images to another part: how many of how many."""
        train = np.flatnonzero(assignment == "train")
        own = None if groups is None else groups[train]
        picked = pick(labels[train], share, seed, own, single=targets.kind == "single")
        assignment[train[picked]] = part
        return len(picked), len(train)

    if "split" in table.columns and table["split"].notna().any():
        assignment, notes = _given(table["split"].reindex(ids).to_numpy(dtype=object), targets, groups, cut, seed)
    else:
        assignment, notes = _new(targets, groups, cut, seed)
    if calibration:
        cut_off, train = cut(assignment, CALIBRATION, CALIBRATION_SHARE, seed + 2)
        notes.append(f"{cut_off} of {train} training images became the calibration part, which only the promise uses")
    for part in SPLITS:
        if not (assignment == part).any():
            raise BadDataset(
                f"{dataset.root}: split {part!r} has no image with target {targets.name}: fill the "
                "split column of images.parquet, or remove it to have all images split anew"
            )
    return Split(ids, assignment, (*notes, *_of_copies(ids, assignment, copies), *few))


def _of_copies(ids: Parts, assignment: Parts, copies: Copies) -> tuple[str, ...]:
    """What a note says of images with equal pixels."""
    here = set(ids)
    more = sum(max(0, sum(image in here for image in group) - 1) for group in copies)
    if not more:
        return ()
    crossing = crossing_copies(ids, assignment, copies)
    if not crossing:
        return (f"{more} images have the pixels of another; they are in one part with it",)
    return (
        f"{more} images have the pixels of another, and {crossing} pairs of them lie in two parts: scores on its test "
        f"images are too good (`affectml audit` lists them)",
    )


def _new(targets: Targets, groups: Parts | None, cut: Cut, seed: int) -> tuple[Parts, list[str]]:
    assignment = np.full(len(targets.image_id), "train", dtype=object)
    cut(assignment, "test", TEST_SHARE, seed)
    cut(assignment, "val", VAL_SHARE / (1 - TEST_SHARE), seed + 1)
    how = "split {} by {}".format(
        "/".join(f"{100 * (assignment == part).mean():.0f}" for part in SPLITS),
        "StratifiedGroupKFold" if groups is not None and targets.kind == "single" else "iterative stratification",
    )
    if groups is not None:
        how += f", keeping {len(np.unique(groups))} groups whole"
    if targets.meta.values != "indicator":
        how += f" on {STRATA_RULE}"
    return assignment, [how]


def _given(given: Parts, targets: Targets, groups: Parts | None, cut: Cut, seed: int) -> tuple[Parts, list[str]]:
    notes = ["the data set's own split"]
    kept = ~pd.isna(given)
    if not kept.all():
        notes.append(f"{int((~kept).sum())} images without a split are left out")
    assignment = np.where(kept, given, "unused")
    if not (assignment == "val").any() and (assignment == "train").any():
        val, train = cut(assignment, "val", VAL_SHARE, seed)
        notes.append(f"{val} of its {train} train images became the validation part")
        if targets.meta.values != "indicator":
            notes.append(f"validation stratified on {STRATA_RULE}")
    if groups is not None:
        parts = pd.DataFrame({"group": groups, "part": assignment})[kept].groupby("group")["part"].nunique()
        if (parts > 1).any():
            notes.append(f"it parts {int((parts > 1).sum())} groups: scores on its test images are too good")
    return assignment, notes


def pick(
    labels: NDArray[np.int64], share: float, seed: int, groups: Parts | None = None, *, single: bool = False
) -> NDArray[np.int64]:
    """Sorted row numbers of about `share` of the rows [N, C], with each label in proportion.

    With `groups` [N], whole groups are picked. Deterministic for a seed. Raises BadDataset for fewer than three
    groups, which cannot fill three parts.
    """
    if groups is not None and len(np.unique(groups)) < 2:
        raise BadDataset("too few groups to split: train, validation and test need at least three, none of them shared")
    if groups is None:
        return _stratified(labels, share, seed)
    if single:
        from sklearn.model_selection import StratifiedGroupKFold

        largest = int(labels.sum(axis=0).max())
        folds = min(max(2, round(1 / share)), len(np.unique(groups)), max(2, largest))
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        _, picked = next(iter(splitter.split(labels, labels.argmax(axis=1), groups)))
        return np.sort(picked)
    names, row_group = np.unique(groups, return_inverse=True)
    of_group = np.zeros((len(names), labels.shape[1]), dtype=np.int64)
    np.maximum.at(of_group, row_group, labels)
    picked_groups = _stratified(of_group, share, seed)
    return np.flatnonzero(np.isin(row_group, picked_groups))


def _stratified(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    # Only test_size is given: with train_size too, the sizes come out wrong (iterative-stratification 0.1.9).
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    _, picked = next(iter(splitter.split(np.zeros(len(labels)), labels)))
    return np.sort(picked)


def split_table(split: Split, targets: Targets) -> pd.DataFrame:
    """How many images each part has, and the mean share of each label in it: one row per part."""
    shares, rows = targets.shares(), []
    parts = ("train", CALIBRATION, "val", "test") if (split.assignment == CALIBRATION).any() else SPLITS
    for part in parts:
        here = split.assignment == part
        means = shares[here].mean(axis=0) if here.any() else np.full(shares.shape[1], np.nan)
        rows.append(
            {"split": part, "images": int(here.sum()), **dict(zip(targets.taxonomy.labels, means, strict=True))}
        )
    return pd.DataFrame(rows)
