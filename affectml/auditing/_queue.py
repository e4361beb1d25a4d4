"""Images of an audit back to people, each beside a control in one random order, and what people said of them since."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count as count_from
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affectml.auditing._expect import Counts, Said, counted, single_answers
from affectml.data import Targets
from affectml.errors import BadInput, option
from affectml_annotation import LabelStore
from affectml_annotation.exchange.files import from_spreadsheet, table_csv, write_text
from affectml_metrics import paired_difference

if TYPE_CHECKING:
    from affectml.auditing._audit import Audit

ASKED = ("copies differ", "image", "answer")  # the checks that people can say more about
ROLES = {"listed": "listed images", "control": "controls"}
COLUMNS = ("place", "image_id", "role", "match", "check", "rank", "p", "n", "rarity", "label", "said", "target",
           "seed", "at")  # fmt: skip
NEEDED = ["image_id", "role", "match", "n", "label", "said", "at"]  # of a queue file, what is needed again
SOME = 3  # images to name


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
    for name, value in (("queue", count), ("more", more)):
        if value < 1:
            raise BadInput(f"{option(name, value)}: expected at least 1")
    votes = audit.votes[audit.votes["n"] > 0].set_index("image_id")
    chosen = votes.drop(columns="n").to_numpy(dtype=float)
    share = (chosen.sum(axis=0) + 0.5) / (votes["n"].sum() + 1)
    facts = votes[["n"]].assign(rarity=(chosen @ -np.log(share)) / np.maximum(chosen.sum(axis=1), 1))
    facts = facts[facts.index.isin(store.images()["image_id"].astype(str))]
    rows = audit.table[audit.table["check"].isin(ASKED) & audit.table["image_id"].isin(facts.index)]
    rows = rows.sort_values(["p_adjusted", "p"], kind="stable").drop_duplicates("image_id").head(count)
    pool = facts.drop(
        pd.concat([audit.listed["image_id"], audit.listed["other_id"], rows["image_id"]]), errors="ignore"
    )
    if not len(rows):
        raise BadInput(f"{store.database.where}: none of the images that deserve a second look is in this task")
    if not len(pool):
        raise BadInput(f"{store.database.where}: every image is listed or asked for, so none is left as a control")
    queued = []
    for row in rows[["image_id", "check", "rank", "p"]].to_dict("records"):
        queued.append({**row, "role": "listed", "match": ""})
        if len(pool):
            control = (pool - facts.loc[row["image_id"]]).abs().sort_values(["n", "rarity"], kind="stable").index[0]
            queued[-1]["match"] = control
            queued.append({"image_id": control, "role": "control", "match": row["image_id"]})
            pool = pool.drop(control)
    table = pd.DataFrame(queued).iloc[np.random.default_rng(seed).permutation(len(queued))].reset_index(drop=True)
    table = table.join(facts, on="image_id").join(audit.suspected, on="image_id")
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    table = table.assign(place=table.index + 1, target=audit.target, seed=seed, at=at)[[*COLUMNS]]
    file = next(free for number in count_from(1) if not (free := folder / f"queue-{number:03d}.csv").exists())
    write_text(file, table_csv(table))
    try:
        return Queued(file, table, store.enqueue(list(table["image_id"]), more=more))
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def read_queues(folder: Path) -> dict[str, pd.DataFrame]:
    """The queue files of an audit's folder, by name. Raises BadInput if a file is not a queue or was changed."""
    queues = {}
    for file in sorted(folder.glob("queue-*.csv")):
        try:
            queues[file.name] = _queue(pd.read_csv(file, dtype="str", keep_default_na=False, encoding="utf-8"))
        except (ValueError, OSError) as error:
            why = f"({' '.join(str(error).split())}); put an unchanged copy there, or move it away"
            raise BadInput(f"{file}: not as `affectml audit --queue` wrote it {why}") from None
    return queues


def _queue(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that are needed, n and at as numbers and times; ValueError names the first row that cannot be."""
    if missing := [name for name in NEEDED if name not in table]:
        raise ValueError(f"no column {missing[0]}")
    if not len(table):
        raise ValueError("no rows")
    table = from_spreadsheet(table)[NEEDED].fillna("")
    table["said"] = table["said"].str.capitalize()  # a spreadsheet writes TRUE
    at = pd.to_datetime(table["at"], utc=True, format="ISO8601", errors="coerce")
    for name, right, expected in (
        ("role", table["role"].isin(ROLES), " or ".join(ROLES)),
        ("n", table["n"].str.fullmatch("[0-9]{1,9}"), "a whole number"),
        ("said", table["said"].isin(("True", "False", "")), "True or False"),
        ("at", at.notna(), "a time as 2026-01-31T12:00:00+00:00"),
        ("image_id", ~table["image_id"].duplicated(), "each image once"),
        ("match", table["match"].isin({"", *table["image_id"]}), "an image of the same file: rows are missing?"),
    ):
        for row in np.flatnonzero(~right):
            raise ValueError(f"line {row + 2}: {name} {table[name].iloc[row]!r}, expected {expected}")
    return table.assign(n=table["n"].astype(int), at=at)


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


def asked_again(
    said: Said, judgements: pd.DataFrame | None, targets: Targets, queues: dict[str, pd.DataFrame]
) -> Again:
    """Compare what was said of queued images since with what was said before.

    New is a first look that is dated after the queue was made. An image whose earlier answers are not as many as the
    queue file says is left out: some were taken out, changed or came without a date. So is one that is gone.

    Args:
        said: what all people said of these targets, new answers included where single answers are known.
        judgements: of the data set, if it has any.
        targets: of the data set.
        queues: of `read_queues`.
    """
    single, tables = single_answers(judgements, targets), {}
    table = pd.DataFrame() if judgements is None else judgements
    at = pd.to_datetime(table.get("at", pd.Series(pd.NaT, table.index)).iloc[single.row], utc=True)
    for name, queue in queues.items():
        votes, new = counted(single.where((at > queue["at"].min()).to_numpy()))
        tables[name] = of_queue(said, queue, votes, new, said.n - new if len(said.single.image) else said.n)
    told = {name: compared(rows) for name, rows in tables.items()}
    rows = pd.concat(tables, names=["queue"]).reset_index("queue").reset_index(drop=True)
    figures = {name: figures for name, (figures, _) in told.items()}
    return Again(rows, figures, tuple(f"{name}: {words}" for name, (_, words) in told.items()))


def of_queue(said: Said, table: pd.DataFrame, votes: Counts, new: Counts, before: Counts) -> pd.DataFrame:
    """The rows of one queue with new, left_out, gone and otherwise; see `Again`.

    votes, new: of the new answers, [N, C]. before: how many had answered, [N, C].
    """
    row, label = (pd.Index(names).get_indexer(pd.Index(table[name])) for names, name in
                  ((said.image_id, "image_id"), (said.labels, "label")))  # fmt: skip
    whole = (row >= 0) & (before.max(axis=1)[row] == table["n"].to_numpy())
    count = np.where(whole, new.max(axis=1)[row], 0)
    chosen = votes[row, label] / np.maximum(count, 1)
    otherwise = np.where(table["said"].astype(str) == "True", 1 - chosen, chosen)
    otherwise = np.where((count > 0) & (label >= 0), otherwise, np.nan)
    table = table[["image_id", "role", "match", "n", "label", "said"]]
    return table.assign(new=count, left_out=~whole, gone=row < 0, otherwise=otherwise)


def compared(rows: pd.DataFrame) -> tuple[dict[str, Any], str]:
    """Listed images less the controls that stand beside them, and the words for it."""
    answered = rows[rows["new"] > 0]
    gone, changed, words = rows["image_id"][rows["gone"]], (rows["left_out"] & ~rows["gone"]).sum(), []
    if len(answered):
        counts = [f"{sum(answered['role'] == role)} of {sum(rows['role'] == role)} {ROLES[role]}" for role in ROLES]
        words.append(f"{' and '.join(counts)} have new answers, {answered['new'].mean():.1f} on average.")
    elif not rows["left_out"].all():
        words.append("no new answers in the data set yet; `affectml label export` brings them in.")
    if changed:
        words.append(f"{_images(changed)} left out: their earlier answers are not the ones that were queued.")
    if len(gone):
        some = ", ".join(gone.head(SOME)) + (f" and {len(gone) - SOME:,} more" if len(gone) > SOME else "")
        words.append(f"{_images(len(gone))} left out: the data set has no answers, or no embedding, of {some}.")
    controls = answered[answered["role"] == "control"].set_index("image_id")["otherwise"].rename("control")
    pairs = answered[answered["role"] == "listed"].join(controls, on="match")[["otherwise", "control"]].dropna()
    if len(pairs) < 2:
        words += ["Nothing can be compared before two pairs have some."] * (len(answered) > 0)
        return {}, " ".join(words)
    listed, control = pairs.to_numpy(dtype=float).T
    difference = paired_difference(listed, control, bounds=[(-1, 1)])
    figures: dict[str, Any] = {"listed": listed.mean().item(), "control": control.mean().item()}
    figures |= {name: getattr(difference, name).item() for name in ("value", "low", "high", "p", "rows")}
    value, low, high = (f"{100 * figures[name]:.0f}" for name in ("value", "low", "high"))
    beyond = "" if figures["low"] > 0 or figures["high"] < 0 else ", nothing beyond chance"
    shares = f"{figures['listed']:.0%} of the listed and {figures['control']:.0%} of the controls"
    say = f"Of {len(pairs)} pairs, of the label that was odd, new people say otherwise in {shares}"
    words.append(f"{say}, a difference of {value} (95 %: {low} to {high}) points{beyond}.")
    return figures, " ".join(words)


def _images(count: int) -> str:
    return f"{count:,} images are" if count != 1 else "1 image is"
