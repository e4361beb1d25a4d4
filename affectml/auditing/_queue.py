"""The most surprising images back to people, asked blind among as many that look ordinary; and what they said then."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count as count_from
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.auditing._said import Said, single_answers
from affectml.data import Dataset
from affectml.errors import BadInput, option
from affectml_annotation import LabelStore, Panel
from affectml_annotation.exchange.files import from_spreadsheet, table_csv, write_text
from affectml_metrics import paired_difference

if TYPE_CHECKING:
    from affectml.auditing._audit import Audit

ASKED = ("copies differ", "image", "answer")  # the checks that people can say more about
COLUMNS = ("place", "image_id", "role", "match", "check", "rank", "p", "n", "rarity", "label", "said", "target",
           "seed", "at")  # fmt: skip
NEEDED = ("image_id", "role", "match", "n", "label", "said", "at")
SOME = 3  # images to name
ROLES = {"listed": "listed images", "control": "controls"}
PULLED = (
    "images are listed because what was said of them is odd, so others often say otherwise, whether somebody slipped "
    "or few feel so; what was said of the controls is about as rare, and less odd for its image"
)


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


def queue_audit(audit: "Audit", store: LabelStore, folder: Path, *, count: int, more: int = 1, seed: int = 0) -> Queued:
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
    write_text(file, table_csv(table[list(COLUMNS)]))
    try:
        raised = store.enqueue(list(table["image_id"]), more=more)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return Queued(file, table[list(COLUMNS)], raised)


def _facts(audit: "Audit") -> pd.DataFrame:
    """n and rarity of each image that people answered, by image_id."""
    votes = audit.votes.set_index("image_id")
    if "n" not in votes:
        return pd.DataFrame({"n": [], "rarity": []}, dtype=float)
    votes = votes[votes["n"] > 0]
    chosen = votes.drop(columns="n").to_numpy(dtype=float)
    share = (chosen.sum(axis=0) + 0.5) / (votes["n"].sum() + 1)
    rarity = (chosen @ -np.log(share)) / np.maximum(chosen.sum(axis=1), 1)
    return pd.DataFrame({"n": votes["n"], "rarity": rarity}, index=votes.index)


@dataclass(frozen=True, eq=False)
class Again:
    """Images that were queued, and what was said of them since.

    table: a row per image and queue: queue, image_id, role, match, n people before, label and said (what was odd), new
    answers, and otherwise (the share of them that say otherwise of that label). nan and no new answers where nothing
    can be said: left_out (the earlier answers are not those that were queued) and gone (there are none, or there is no
    embedding) say why. figures: by queue, that share of the listed and of the controls, and value, low, high, p and
    rows of the paired difference. lines: the same in words.
    """

    table: pd.DataFrame
    figures: dict[str, dict[str, Any]]
    lines: tuple[str, ...]


def read_queues(folder: Path) -> dict[str, pd.DataFrame]:
    """The queue files of an audit's folder, by name. Raises BadInput for one that is none, or was changed."""
    found = {}
    for file in sorted(folder.glob("queue-*.csv")):
        try:
            table = pd.read_csv(file, dtype="str", keep_default_na=False, encoding="utf-8")
            found[file.name] = _queue(from_spreadsheet(table))
        except (ValueError, OSError) as error:
            raise BadInput(
                f"{file}: not as `affectml audit --queue` wrote it ({' '.join(str(error).split())}); "
                "put an unchanged copy there, or move it away"
            ) from None
    return found


def _queue(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that are needed, n and at as numbers and times; ValueError names the first row that cannot be."""
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise ValueError(f"no column {missing[0]}")
    if not len(table):
        raise ValueError("no rows")
    table = table[list(NEEDED)].fillna("")
    table["said"] = table["said"].str.capitalize()  # a spreadsheet writes TRUE
    at = pd.to_datetime(table["at"], utc=True, format="ISO8601", errors="coerce")
    wrong = {
        "role": (~table["role"].isin(ROLES), " or ".join(ROLES)),
        "n": (~table["n"].str.fullmatch("[0-9]{1,9}"), "a whole number"),
        "said": (~table["said"].isin(("True", "False", "")), "True or False"),
        "at": (at.isna(), "a time as 2026-01-31T12:00:00+00:00"),
        "image_id": (table["image_id"].duplicated(), "each image once"),
        "match": (~table["match"].isin({"", *table["image_id"]}), "an image of the same file: rows are missing?"),
    }
    for name, (rows, expected) in wrong.items():
        if rows.any():
            first = int(rows.to_numpy().argmax())
            raise ValueError(f"line {first + 2}: {name} {table[name].iloc[first]!r}, expected {expected}")
    return table.assign(n=table["n"].astype(int), at=at)


def asked_again(
    dataset: Dataset,
    said: Said,
    queues: dict[str, pd.DataFrame],
) -> Again | None:
    """Compare what was said of queued images since with what was said before; None where nothing was queued.

    New is a first look that is dated after the queue was made. An image whose earlier answers are not as many as the
    queue file says is left out: some were taken out, changed or came without a date. So is one that is gone.

    Args:
        dataset: with its judgements.
        said: what all people said, new answers included where single answers are known.
        queues: of `read_queues`.
    """
    if not queues:
        return None
    panel = single_answers(dataset, said.labels, said.image_id, exclusive=said.exclusive)
    tables = [
        of_queue(said, *parted(dataset, said, panel, table), table).assign(queue=name) for name, table in queues.items()
    ]
    table = pd.concat(tables, ignore_index=True)[["queue", *(c for c in tables[0] if c != "queue")]]
    figures: dict[str, dict[str, Any]] = {}
    lines: list[str] = []
    for name, rows in table.groupby("queue", sort=True):
        figures[str(name)], words = compared(rows)
        lines += [f"{name}: {words}"]
    return Again(table, figures, tuple(lines))


def parted(dataset: Dataset, said: Said, panel: Panel | None, table: pd.DataFrame) -> tuple[Said, Said]:
    """What was said before a queue was made and with what was said of its images since."""
    if panel is None:
        return said, said
    late = _late(dataset, panel, table["at"].min()) & np.isin(said.image_id[panel.image], table["image_id"])
    return (said.before(panel, late), said) if len(said.image) else (said, said.after(panel, late))


def _late(dataset: Dataset, panel: Panel, when: pd.Timestamp) -> NDArray[np.bool_]:
    judgements = dataset.judgements
    if judgements is None or "at" not in judgements:
        return np.zeros(len(panel.row), dtype=bool)
    at = pd.to_datetime(judgements["at"].iloc[panel.row], utc=True)
    return np.asarray((at > when).fillna(False), dtype=bool)


def of_queue(said: Said, old: Said, now: Said, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of one queue with new, left_out, gone and otherwise; see `Again`."""
    rows = pd.Index(said.image_id).get_indexer(pd.Index(table["image_id"]))
    known = rows >= 0
    new = np.where(known, (now.n - old.n).max(axis=1)[rows], 0)
    whole = known & (old.n.max(axis=1)[rows] == table["n"].to_numpy())
    told = whole & (new > 0)
    label = pd.Index(said.labels).get_indexer(pd.Index(table["label"]))
    chosen = (now.votes - old.votes)[rows, label] / np.maximum(new, 1)
    otherwise = np.where(table["said"].astype(str) == "True", 1 - chosen, chosen)
    return table[["image_id", "role", "match", "n", "label", "said"]].assign(
        new=np.where(told, new, 0),
        left_out=~whole,
        gone=~known,
        otherwise=np.where(told & (label >= 0), otherwise, np.nan),
    )


def compared(rows: pd.DataFrame) -> tuple[dict[str, Any], str]:
    """Listed images less the controls that stand beside them, and the words for it."""
    by_image = rows.set_index("image_id")
    parts = {role: by_image[by_image["role"] == role] for role in ROLES}
    answered = {role: part[part["new"] > 0] for role, part in parts.items()}
    gone, changed = rows["gone"], rows["left_out"] & ~rows["gone"]
    out = ""
    if changed.any():
        out += f" {_images(changed)} left out: their earlier answers are not the ones that were queued."
    if gone.any():
        some = ", ".join(rows["image_id"][gone].head(SOME))
        some += f" and {gone.sum() - SOME:,} more" if gone.sum() > SOME else ""
        out += f" {_images(gone)} left out: the data set has no answers, or no embedding, of {some}."
    if not any(map(len, answered.values())):
        none = "no new answers in the data set yet; `affectml labels export` brings them in."
        return {}, f"{none}{out}" if not rows["left_out"].all() else out.strip()
    there = " and ".join(f"{len(answered[role])} of {len(parts[role])} {ROLES[role]}" for role in ROLES)
    mean = pd.concat(list(answered.values()))["new"].mean()
    words = f"{there} have new answers, {mean:.1f} on average.{out}"
    pairs = answered["listed"][answered["listed"]["match"].isin(answered["control"].index)]
    beside = answered["control"].loc[pairs["match"]]
    one, other = (part["otherwise"].to_numpy(dtype=float) for part in (pairs, beside))
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 2:
        return {}, f"{words} Nothing can be compared before two pairs have some."
    found = paired_difference(one[both], other[both], bounds=[(-1, 1)])
    value, low, high = (float(part) for part in found[:3])
    figures = {"listed": float(one[both].mean()), "control": float(other[both].mean()), "value": value, "low": low,
               "high": high, "p": float(found.p), "rows": int(found.rows)}  # fmt: skip
    beyond = "" if low > 0 or high < 0 else ", nothing beyond chance"
    return figures, (
        f"{words} Of {both.sum()} pairs, of the label that was odd, new people say otherwise in "
        f"{figures['listed']:.0%} of the listed and {figures['control']:.0%} of the controls, a difference of "
        f"{100 * value:.0f} (95 %: {100 * low:.0f} to {100 * high:.0f}) points{beyond}."
    )


def _images(which: "pd.Series[bool]") -> str:
    count = int(which.sum())
    return f"{count:,} images are" if count != 1 else "1 image is"
