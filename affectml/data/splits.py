"""Train, validation and test: stratified by label, never parting a group, seeded, and shown as a table.

Stratification needs 0/1 labels. Soft targets are binarised by a rule that is stated (`strata`), because the
stratifier would silently read every rate above zero as a label.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data.choose import Copies, crossing_copies, joined, levels_in, levels_of
from affectml.data.dataset import SPLITS, Dataset
from affectml.data.targets import Targets
from affectml.errors import BadDataset, BadInput, option

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
    """What a note says of labels with fewer than three positive images, one each for train, validation and test.

    They stop nobody; only where no image has any label, there is nothing to learn, and BadDataset is raised.
    """
    present = (targets.table > 0).sum(axis=0)
    if not present.any():
        raise BadDataset(f"{dataset.root}: target {targets.name}: no image has any of its labels: collect more")
    names = [f"{targets.taxonomy.labels[at]} ({present[at]})" for at in np.flatnonzero(present < MIN_POSITIVES)]
    few = f"fewer than {MIN_POSITIVES} positive images: {', '.join(names)}"
    words = f"{few}; such labels are hardly learned, and not judged where the test split has none: collect more"
    return (words,) if names else ()


def split_dataset(
    dataset: Dataset,
    targets: Targets,
    seed: int,
    copies: Copies = (),
    *,
    calibration: bool = False,
    fold: int | None = None,
) -> Split:
    """The data set's own split where it has one (validation cut from train if missing), else a new one.

    New splits are 70 / 15 / 15 by iterative stratification (Sechidis et al. 2011), or by StratifiedGroupKFold
    for single labels with groups; sets with groups are stratified over groups, each carrying the labels that
    occur in it. copies: sets of image_ids that a new split must not part, as `same_pixels` finds them; where the data
    set's own split parts some, a note says so. calibration: cut a fifth of the training images off for a promise,
    stratified and with groups whole; validation and test are the same with and without it. fold: test on that one
    of the data set's own folds, and learn from the others. Raises BadDataset for an empty part, and as `check_labels`
    and `own_parts` do.
    """
    ids = targets.image_id
    few = check_labels(dataset, targets)
    groups = joined(dataset.groups(ids), ids, copies)
    cut = cutter(strata(targets), groups, single=targets.kind == "single")
    own = own_parts(dataset, ids, fold)
    assignment, notes = _new(targets, groups, cut, seed) if own is None else _given(*own, targets, groups, cut, seed)
    if calibration:
        cut_off, train = cut(assignment, CALIBRATION, CALIBRATION_SHARE, seed + 2)
        notes.append(f"{cut_off} of {train} training images became the calibration part, which only the promise uses")
    for part in SPLITS:
        if not (assignment == part).any():
            raise BadDataset(
                f"{dataset.root}: split {part!r} has no image with target {targets.name}: fill the split column of "
                f"images.parquet, or have all images split anew: `affectml split {dataset.root} --replace`"
            )
    return Split(ids, assignment, (*notes, *of_copies(ids, assignment, copies), *few))


def has_parts(dataset: Dataset, column: str) -> bool:
    """Whether any image has a part in a column of images.parquet, `split` or `fold`."""
    return column in dataset.images.columns and bool(dataset.images[column].notna().any())


def parts_in(dataset: Dataset, column: str, ids: Parts) -> Parts:
    """The part of each image [N] in a column that is there, in words; None where it has none."""
    return np.asarray(levels_of(dataset.images, column, ids), dtype=object)


def own_parts(dataset: Dataset, ids: Parts, fold: int | None = None) -> tuple[Parts, str] | None:
    """The part of each image [N] that the data set gives it, and in words what gives it; None without a split.

    With a fold, that one is the test part and the others are train; raises BadDataset for one that is not there.
    """
    if fold is None:
        return (parts_in(dataset, "split", ids), "the data set's own split") if has_parts(dataset, "split") else None
    if str(fold) not in (have := levels_in(dataset.images, "fold", ids)):
        way = f"it has {', '.join(have)}" if have else f"`affectml split {dataset.root} --folds 5` writes five"
        raise BadDataset(f"{dataset.root / 'images.parquet'}: {option('fold', fold)}: no image is in that fold; {way}")
    folds = pd.Series(parts_in(dataset, "fold", ids))
    parts = folds.map(lambda each: "test" if each == str(fold) else "train", na_action="ignore")
    return parts.to_numpy(), f"the data set's own folds, fold {fold} as the test part"


def cutter(labels: NDArray[np.int64], groups: Parts | None, *, single: bool) -> Cut:
    """A function that gives a share of the training images to another part, and says how many of how many."""

    def cut(assignment: Parts, part: str, share: float, seed: int) -> tuple[int, int]:
        train = np.flatnonzero(assignment == "train")
        picked = pick(labels[train], share, seed, None if groups is None else groups[train], single=single)
        assignment[train[picked]] = part
        return len(picked), len(train)

    return cut


def drawn(cut: Cut, count: int, seed: int, val: float = VAL_SHARE, test: float = TEST_SHARE) -> Parts:
    """A new split [N] into train, val and test; without a share for it, there is no val."""
    if not (val >= 0 < test and val + test < 1):
        raise BadInput(f"{option('val', val)}, {option('test', test)}: expected less than 1 together, and test above 0")
    assignment = np.full(count, "train", dtype=object)
    cut(assignment, "test", test, seed)
    if val:
        cut(assignment, "val", val / (1 - test), seed + 1)
    return assignment


def of_copies(ids: Parts, assignment: Parts, copies: Copies) -> tuple[str, ...]:
    """What a note says of images with equal pixels; those in no part, or unused, lie nowhere."""
    here, crossing = set(ids), crossing_copies(ids, assignment, copies)
    more = sum(max(0, sum(image in here for image in group) - 1) for group in copies)
    parted = f", and {crossing} pairs of them lie in two parts: scores on its test images are too good"
    where = f"{parted} (`affectml audit` lists them)" if crossing else "; they are in one part with it"
    return (f"{more} images have the pixels of another{where}",) if more else ()


def _new(targets: Targets, groups: Parts | None, cut: Cut, seed: int) -> tuple[Parts, list[str]]:
    assignment = drawn(cut, len(targets.image_id), seed)
    shares = "/".join(f"{100 * (assignment == part).mean():.0f}" for part in SPLITS)
    by_folds = groups is not None and targets.kind == "single"
    whole = "" if groups is None else f", keeping {len(np.unique(groups))} groups whole"
    rule = "" if targets.meta.values == "indicator" else f" on {STRATA_RULE}"
    return assignment, [
        f"split {shares} by {'StratifiedGroupKFold' if by_folds else 'iterative stratification'}{whole}{rule}"
    ]


def _given(
    given: Parts, source: str, targets: Targets, groups: Parts | None, cut: Cut, seed: int
) -> tuple[Parts, list[str]]:
    notes = [source]
    kept = ~pd.isna(given)
    if not kept.all():
        notes.append(f"{int((~kept).sum())} images without a split are left out")
    assignment = np.where(kept, given, "unused")
    if not (assignment == "val").any() and (assignment == "train").any():
        val, train = cut(assignment, "val", VAL_SHARE, seed)
        notes.append(f"{val} of its {train} train images became the validation part")
        if targets.meta.values != "indicator":
            notes.append(f"validation stratified on {STRATA_RULE}")
    return assignment, [*notes, *of_groups(groups, given)]


def of_groups(groups: Parts | None, parts: Parts) -> tuple[str, ...]:
    """What a note says of groups with images in several parts; an image without a part counts nowhere."""
    of_group = pd.Series(parts).groupby(np.arange(len(parts)) if groups is None else groups).nunique()
    count = int((of_group > 1).sum())
    return (f"it parts {count} groups: scores on its test images are too good",) if count else ()


def pick(
    labels: NDArray[np.int64], share: float, seed: int, groups: Parts | None = None, *, single: bool = False
) -> NDArray[np.int64]:
    """Sorted row numbers of about `share` of the rows [N, C], with each label in proportion.

    With `groups` [N], whole groups are picked. Deterministic for a seed. Raises BadDataset for a single image or group,
    which cannot be parted.
    """
    of_unit, unit = _units(labels, groups)
    count = math.ceil(share * len(of_unit))
    if count >= len(of_unit):
        what, way = ("images", "") if groups is None else ("groups", ", or group the images finer")
        need = "train, validation and test need at least three, none of them shared"
        raise BadDataset(f"too few {what} to split: {need}; collect more{way}")
    most = int(labels.sum(axis=0).max())
    if groups is not None and single and most > 1:
        from sklearn.model_selection import StratifiedGroupKFold

        parts = min(max(2, round(1 / share)), len(of_unit), most)
        folds = StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=seed)
        picked = unit[next(iter(folds.split(labels, labels.argmax(axis=1), groups)))[1]]
    else:
        from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

        # Only test_size is given: with train_size too, the sizes come out wrong (iterative-stratification 0.1.9).
        splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
        picked = next(iter(splitter.split(np.zeros(len(of_unit)), of_unit)))[1]
    if len(np.unique(picked)) in (0, len(of_unit)):  # where every label is rare, all its images go to one side
        picked = np.random.default_rng(seed).permutation(len(of_unit))[:count]
    return np.flatnonzero(np.isin(unit, picked))


def folds_of(labels: NDArray[np.int64], count: int, seed: int, groups: Parts | None = None) -> NDArray[np.int64]:
    """The fold of each row [N], 0 to count - 1, with each label in proportion and groups whole.

    Raises BadDataset for fewer images or groups than folds.
    """
    of_unit, unit = _units(labels, groups)
    if not 2 <= count <= len(of_unit):
        what = "images" if groups is None else "groups"
        raise BadDataset(f"{option('folds', count)}: expected 2 to {len(of_unit)}, the number of {what}")
    return _stratified(of_unit, np.full(count, 1 / count), seed)[unit]


def filled(parts: Parts, labels: NDArray[np.int64], groups: Parts | None = None) -> Parts:
    """Parts [N] with those that are missing filled: where an image of the group has one, by that, else by chance.

    By chance new images and groups get parts in the shares that the others have, with each label in proportion. The
    seed is how many have a part, so that images that come one at a time do not all go to the same.
    """
    every = pd.Series(parts, dtype=object)
    names, counts = np.unique(parts[every.notna()], return_counts=True)
    if groups is not None:
        every = every.fillna(every.groupby(groups).transform("first"))
    if len(new := np.flatnonzero(every.isna())):
        of_unit, unit = _units(labels[new], None if groups is None else groups[new])
        sizes = np.random.default_rng(counts.sum()).multinomial(len(of_unit), counts / counts.sum())
        every.iloc[new] = names[_stratified(of_unit, sizes / len(of_unit), counts.sum())[unit]]
    return every.to_numpy()


def _units(labels: NDArray[np.int64], groups: Parts | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels of what stays whole [U, C], a group having all that occur in it, and the unit of each row [N]."""
    if groups is None:
        return labels, np.arange(len(labels))
    names, unit = np.unique(groups, return_inverse=True)
    of_unit = np.zeros((len(names), labels.shape[1]), dtype=np.int64)
    np.maximum.at(of_unit, unit, labels)
    return of_unit, unit


def _stratified(labels: NDArray[np.int64], shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """The part of each row [N], 0 to len(shares) - 1, by iterative stratification (Sechidis et al. 2011)."""
    from iterstrat.ml_stratifiers import IterativeStratification

    found = IterativeStratification(labels.astype(bool), shares, np.random.RandomState(seed))
    return np.asarray(found, dtype=np.int64)


def split_table(split: Split, targets: Targets) -> pd.DataFrame:
    """How many images each part has, and the mean share of each label in it: one row per part."""
    shares, rows = targets.shares(), []
    parts = {*split.assignment} - {None, "unused"}
    known = [part for part in ("train", CALIBRATION, "val", "test") if part in parts or part in SPLITS]
    for part in known if parts <= {*known} else sorted(parts, key=lambda fold: (len(fold), fold)):
        here = split.assignment == part
        means = shares[here].mean(axis=0) if here.any() else np.full(shares.shape[1], np.nan)
        rows.append([part, int(here.sum()), *means])
    return pd.DataFrame(rows, columns=["split", "images", *targets.taxonomy.labels])
