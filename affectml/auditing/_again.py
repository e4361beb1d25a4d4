"""What people said when they were asked again: listed images beside their controls, and what a head had from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affectml.auditing._said import Said, single_answers
from affectml.auditing._surprise import hypergeometric
from affectml.data import Dataset
from affectml.errors import BadInput
from affectml_annotation import Panel
from affectml_metrics import paired_difference

Floats = NDArray[np.float64]
Fit = Callable[[Said], Floats]
NEEDED = ("image_id", "role", "match", "n", "at")
EDGE = 1e-6
ROLES = {"listed": "the listed images", "control": "their controls"}
PULLED = (
    "images are listed for what was said of them, and what was odd by chance is less odd the next time: the difference "
    "is what asking again changes, not how many people erred"
)


@dataclass(frozen=True, eq=False)
class Again:
    """Images that were queued, and what was said of them since.

    table: a row per image and queue: queue, image_id, role, match, n people before, new answers, changed (whether the
    labels that most chose are others with the new answers), apart (new shares from old ones), by_chance (what is to be
    expected of that where the same answers came in another order); nan and no new answers where nothing can be said.
    figures: per queue, and "head": value, low, high, p and rows of paired differences. lines: the same in words.
    """

    table: pd.DataFrame
    figures: dict[str, dict[str, Any]]
    lines: tuple[str, ...]


def read_queues(folder: Path) -> dict[str, pd.DataFrame]:
    """The queue files of an audit's folder, by name. Raises BadInput for one that is none."""
    found = {}
    for file in sorted(folder.glob("queue-*.csv")):
        try:
            table = pd.read_csv(file, dtype="str", keep_default_na=False, encoding="utf-8")
            missing = [name for name in NEEDED if name not in table]
            if missing:
                raise ValueError(f"no column {missing[0]}")
            table = table[list(NEEDED)].assign(n=table["n"].astype(int), at=pd.to_datetime(table["at"], utc=True))
        except (ValueError, OSError) as error:
            raise BadInput(
                f"{file}: no file that `affectml audit --queue` wrote ({' '.join(str(error).split())}); move it away"
            ) from None
        found[file.name] = table.drop_duplicates("image_id")
    return found


def asked_again(
    dataset: Dataset,
    said: Said,
    queues: dict[str, pd.DataFrame],
    groups: NDArray[Any],
    fit: Fit | None,
    seed: int = 0,
) -> Again | None:
    """Compare what was said of queued images since with what was said before; None where nothing was queued.

    New is a first look that is dated after the queue was made. An image whose earlier answers are not as many as the
    queue file says is left out: some were taken out, changed or came without a date.

    Args:
        dataset: with its judgements.
        said: what all people said, new answers included where single answers are known.
        queues: of `read_queues`.
        groups: [N], which images are drawn together.
        fit: gives rates [N, C] out of fold; None where there are no embeddings.
        seed: of the intervals.
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
        figures[str(name)], words = compared(rows, seed)
        lines += [f"{name}: {words}"]
    if panel is not None and fit is not None and (table["new"] > 0).any():
        figures["head"], words = worth(dataset, said, panel, queues, table, groups, fit, seed)
        lines += [words] * bool(words)
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
    """The rows of one queue with new, changed, apart and by_chance; see `Again`."""
    rows = pd.Index(said.image_id).get_indexer(pd.Index(table["image_id"]))
    known = rows >= 0
    new = np.where(known, (now.n - old.n).max(axis=1)[rows], 0)
    whole = known & (old.n.max(axis=1)[rows] == table["n"].to_numpy())
    votes, n = old.votes[rows], np.maximum(old.n[rows], 1)
    more, m = now.votes[rows] - votes, np.maximum(now.n[rows] - old.n[rows], 1)
    apart = np.abs(votes / n - more / m)
    count = np.arange(int(n.max(initial=0)) + 1)
    by_chance = hypergeometric(n, m, votes + more) * np.abs(
        count / n[..., None] - (votes[..., None] + more[..., None] - count) / m[..., None]
    )
    parts = 2 if said.exclusive else len(said.labels)
    changed = (_most(old, rows) != _most(now, rows)).any(axis=1)
    told = whole & (new > 0)
    return table[["image_id", "role", "match", "n"]].assign(
        new=np.where(told, new, 0),
        left_out=known & ~whole,
        changed=np.where(told, changed, np.nan),
        apart=np.where(told, apart.sum(axis=1) / parts, np.nan),
        by_chance=np.where(told, by_chance.sum(axis=(1, 2)) / parts, np.nan),
    )


def _most(said: Said, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Labels that more than half chose; where people named one, those that most named."""
    votes = said.votes[rows]
    return np.asarray(votes == votes.max(axis=1, keepdims=True) if said.exclusive else 2 * votes > said.n[rows])


def compared(rows: pd.DataFrame, seed: int) -> tuple[dict[str, Any], str]:
    """Listed images less the controls that stand beside them, and the words for it."""
    by_image = rows.set_index("image_id")
    parts = {role: by_image[by_image["role"] == role] for role in ROLES}
    answered = {role: part[part["new"] > 0] for role, part in parts.items()}
    left = int(rows["left_out"].sum())
    out = f" {left} images are left out: their earlier answers are not the ones that were queued." if left else ""
    if not any(map(len, answered.values())):
        return {}, f"no new answers in the data set yet; `affectml labels export` brings them in.{out}"
    there = " and ".join(f"{len(answered[role])} of {len(parts[role])} of {ROLES[role]}" for role in ROLES)
    mean = pd.concat(list(answered.values()))["new"].mean()
    words = f"{there} have new answers, {mean:.1f} on average.{out}"
    listed = answered["listed"]
    pairs = listed[listed["match"].isin(answered["control"].index)]
    if len(pairs) < 2:
        return {}, f"{words} Nothing can be compared before two pairs have some."
    beside = answered["control"].loc[pairs["match"]]
    figures: dict[str, Any] = {}
    for name, of in (("changed", _changed), ("apart", _excess)):
        one, other = of(pairs), of(beside)
        figures[name] = {"listed": float(one.mean()), "control": float(other.mean()), **_paired(one, other, seed)}
    changed, apart = figures["changed"], figures["apart"]
    return figures, (
        f"{words} Of {len(pairs)} pairs, the labels that most people chose are others now for "
        f"{changed['listed']:.0%} of the listed images and {changed['control']:.0%} of the controls: "
        f"{_gap(changed, 100, ' points')}. New shares lie {apart['listed']:.3f} farther from the old ones than chance "
        f"puts them, of the controls {apart['control']:.3f}: {_gap(apart)}."
    )


def _changed(rows: pd.DataFrame) -> Floats:
    return rows["changed"].to_numpy(dtype=float)


def _excess(rows: pd.DataFrame) -> Floats:
    return (rows["apart"] - rows["by_chance"]).to_numpy(dtype=float)


def worth(
    dataset: Dataset, said: Said, panel: Panel, queues: dict[str, pd.DataFrame], table: pd.DataFrame,
    groups: NDArray[Any], fit: Fit, seed: int,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """How far the cross-entropy of images that were never queued falls with the new answers of either role.

    A head is fitted in five folds without any answer to a queued image that came after its first queue, with those of
    the listed images, and with those of the controls; all answers to the other images judge it, nats a label.
    """
    known = pd.concat([queue[["image_id", "role", "at"]] for queue in queues.values()])
    first = known.sort_values("at", kind="stable").drop_duplicates("image_id").set_index("image_id")
    late = np.zeros(len(panel.row), dtype=bool)
    for when, queued in first.groupby("at"):
        late |= _late(dataset, panel, when) & np.isin(said.image_id[panel.image], queued.index)  # type: ignore[arg-type]
    others = ~np.isin(said.image_id, first.index) & (said.n.max(axis=1) > 0)
    if others.sum() < 2 or not late.any():
        return {}, ""
    base = said.before(panel, late) if len(said.image) else said
    role = first["role"].reindex(said.image_id[panel.image]).to_numpy(dtype=object)
    loss = {"before": _cross_entropy(fit(base), said)[others]}
    for name in ROLES:
        loss[name] = _cross_entropy(fit(base.after(panel, late & (role == name))), said)[others]
    found: dict[str, Any] = {
        name: {"answers": int((late & (role == name)).sum())}
        | _paired(loss["before"], loss[name], seed, groups[others])
        for name in ROLES
    }
    words = " and ".join(
        f"by {_interval(found[name], 1, 5)} with {found[name]['answers']:,} new answers to {ROLES[name]}"
        for name in ROLES
    )
    worth_it = found["listed"]["low"] > 0
    return found, (
        f"What it is worth: a head fitted in five folds, judged on the {others.sum():,} images that were not asked "
        f"again, loses {loss['before'].mean():.4f} nats a label without the new answers; that falls {words}: "
        f"{'more than chance explains' if worth_it else 'nothing that can be told from chance'}."
    )


def _cross_entropy(rate: Floats, said: Said) -> Floats:
    """Of each image's answers under the rates, nats a label (of one label each: nats an answer) [N]."""
    share, rate = said.votes / np.maximum(said.n, 1), np.clip(rate, EDGE, 1 - EDGE)
    if said.exclusive:
        return np.asarray(-(share * np.log(rate)).sum(axis=1))
    return np.asarray(-(share * np.log(rate) + (1 - share) * np.log1p(-rate)).mean(axis=1))


def _paired(one: Floats, other: Floats, seed: int, groups: NDArray[Any] | None = None) -> dict[str, float]:
    made = torch.Generator().manual_seed(seed)
    units = None if groups is None else np.unique(groups, return_inverse=True)[1]
    found = paired_difference(one, other, groups=units, generator=made)
    names: Sequence[str] = ("value", "low", "high", "p")
    return {name: float(getattr(found, name)) for name in names} | {"rows": int(found.rows)}


def _gap(of: dict[str, Any], times: float = 1, unit: str = "") -> str:
    beyond = "" if of["low"] > 0 or of["high"] < 0 else ", nothing beyond chance"
    return f"{_interval(of, times, 0 if times > 1 else 3)}{unit} more{beyond}"


def _interval(of: dict[str, Any], times: float, digits: int) -> str:
    value, low, high = (f"{times * of[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} (95 %: {low} to {high})"
