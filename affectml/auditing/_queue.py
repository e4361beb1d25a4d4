"""The most surprising images back to people, asked blind: mixed with as many that look ordinary."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count as count_from
from pathlib import Path

import numpy as np
import pandas as pd

from affectml._files import replacing
from affectml.auditing._audit import Audit
from affectml.errors import BadInput, option
from affectml_annotation import LabelStore

ASKED = ("copies differ", "image", "answer")  # the checks that people can say more about
COLUMNS = ("place", "image_id", "role", "match", "check", "rank", "p", "n", "rarity", "label", "said", "target",
           "seed", "at")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Queued:
    """What was queued.

    table: place in the queue, image_id, role (listed or control) and match, the image it stands beside; check, rank and
    p of the listed; n people who had answered, and the mean rarity (nats) of what they said; label and said, what was
    oddest of the image: that the label was chosen (True) or that it was not; at, when it was made.
    raised: how many of the images wait for more people than before.
    """

    file: Path
    table: pd.DataFrame
    raised: int


def queue_audit(audit: Audit, store: LabelStore, folder: Path, *, count: int, more: int = 1, seed: int = 0) -> Queued:
    """Put the `count` most surprising images of an audit into a task's queue, each with a control, in one random order.

    A control is an image that is not listed, was answered by as many people (or nearly), and whose answers are about
    as rare: the mean of -log of the share of the labels that people chose. Nobody sees which is which; the file
    queue-NNN.csv in `folder` keeps it, so that the new answers can be compared later. It is written first: what is
    queued is never without it.

    Args:
        audit: of the data set whose images the task has.
        store: the task.
        folder: for the file; the next free number is taken.
        count: how many images; controls come on top.
        more: at least so many more people answer each of them; see `LabelStore.enqueue`.
        seed: of the order.

    Raises:
        BadInput: for a count or `more` below 1, and where no image of the task is among the audit's images and answers,
            or none is left as a control.
    """
    for name, number in (("queue", count), ("more", more)):
        if number < 1:
            raise BadInput(f"{option(name, number)}: expected at least 1")
    known = set(store.images()["image_id"].astype(str))
    facts = _facts(audit)
    rows = audit.table[audit.table["check"].isin(ASKED) & audit.table["image_id"].isin(known & set(facts.index))]
    rows = rows.sort_values(["p_adjusted", "p"], kind="stable").drop_duplicates("image_id").head(count)
    listed = set(audit.listed["image_id"].dropna()) | set(audit.listed["other_id"].dropna())
    pool = facts[facts.index.isin(known - listed - set(rows["image_id"]))]
    if not len(rows):
        raise BadInput(f"{store.database.where}: none of the images that deserve a second look is in this task")
    if not len(pool):
        raise BadInput(f"{store.database.where}: every image is listed or asked for, so none is left as a control")
    chosen = []
    for _, row in rows.iterrows():
        image = str(row["image_id"])
        chosen.append({"image_id": image, "role": "listed", "match": "", **row[["check", "rank", "p"]].to_dict()})
        if len(pool):
            apart = np.abs(pool.to_numpy(dtype=float) - facts.loc[image].to_numpy(dtype=float))
            best = pool.index[np.lexsort((apart[:, 1], apart[:, 0]))[0]]
            chosen[-1]["match"] = str(best)
            chosen.append({"image_id": str(best), "role": "control", "match": image})
            pool = pool.drop(best)
    order = np.random.default_rng(seed).permutation(len(chosen))
    table = pd.DataFrame([chosen[at] for at in order], columns=["image_id", "role", "match", "check", "rank", "p"])
    table = table.join(facts, on="image_id").join(audit.suspected, on="image_id")
    table = table.assign(place=range(1, len(table) + 1), target=audit.target, seed=seed)
    table["at"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    file = next(free for number in count_from(1) if not (free := folder / f"queue-{number:03d}.csv").exists())
    with replacing(file) as temporary:
        table[list(COLUMNS)].to_csv(temporary, index=False, lineterminator="\n")
    try:
        raised = store.enqueue(list(table["image_id"]), more=more)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return Queued(file, table[list(COLUMNS)], raised)


def _facts(audit: Audit) -> pd.DataFrame:
    """n and rarity of each image that people answered, by image_id."""
    votes = audit.votes.set_index("image_id")
    if "n" not in votes:
        return pd.DataFrame({"n": [], "rarity": []}, dtype=float)
    votes = votes[votes["n"] > 0]
    chosen = votes.drop(columns="n").to_numpy(dtype=float)
    share = (chosen.sum(axis=0) + 0.5) / (votes["n"].sum() + 1)
    rarity = (chosen @ -np.log(share)) / np.maximum(chosen.sum(axis=1), 1)
    return pd.DataFrame({"n": votes["n"], "rarity": rarity}, index=votes.index)
