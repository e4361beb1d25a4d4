"""Targets: what people (or a folder name) say of each image, as one numeric table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import AffectmlError, BadDataset
from affectml.taxonomies import Taxonomy

if TYPE_CHECKING:
    from affectml.data.schema import TargetMeta

SUM_TOLERANCE = 1e-3  # published shares are rounded to three or four digits


@dataclass(frozen=True)
class Targets:
    """One target of a data set.

    table: float64 [N, C], one column per label of `taxonomy`, in its order: 0/1 (values "indicator"), vote
    counts ("votes") or shares ("shares"). n: people asked, int64 [N], or [N, C] where it differs by label, or
    None where unknown. Rows are images, named by image_id [N].
    """

    name: str
    meta: "TargetMeta"
    taxonomy: Taxonomy
    image_id: NDArray[Any]
    table: NDArray[Any]
    n: NDArray[Any] | None

    @property
    def kind(self) -> str:
        """single, sets, rates or distribution."""
        return self.meta.kind

    @property
    def votes(self) -> NDArray[Any] | None:
        """Integer votes [N, C], or None where only shares are known."""
        return self.table.astype(np.int64) if self.meta.values == "votes" else None

    @property
    def people(self) -> NDArray[Any] | None:
        """People asked, [N, C] int64, or None where unknown."""
        if self.n is None:
            return None
        return self.n if self.n.ndim == 2 else np.repeat(self.n[:, None], len(self.taxonomy), axis=1)

    def shares(self) -> NDArray[Any]:
        """The table on [0, 1]: votes over people asked (rates), or over the row's votes (distribution)."""
        if self.meta.values != "votes":
            return self.table
        whole = self.people if self.kind == "rates" else self.table.sum(axis=1, keepdims=True)
        return np.asarray(self.table / whole)

    def take(self, image_ids: Sequence[str] | NDArray[Any]) -> "Targets":
        """The rows of these images, in this order; every one must have a row."""
        rows = pd.Index(self.image_id).get_indexer(pd.Index(image_ids))
        if (rows < 0).any():
            missing = np.asarray(image_ids)[rows < 0][0]
            raise BadDataset(f"target {self.name}: no row for image {missing!r}")
        n = None if self.n is None else self.n[rows]
        return replace(self, image_id=self.image_id[rows], table=self.table[rows], n=n)


def read_targets(table: pd.DataFrame, name: str, meta: "TargetMeta", where: str) -> Targets:
    """Check a targets table against its entry in dataset.json; `where` names the file in errors.

    Raises BadDataset naming the first bad column or row: labels that the taxonomy lacks or that are missing,
    NaN, values out of range, votes above n, rows that do not sum to one (within 0.001).
    """
    try:
        taxonomy = meta.resolve_taxonomy()
    except AffectmlError as error:
        raise type(error)(f"{where}: {error}") from None
    if "image_id" not in table.columns:
        raise BadDataset(f"{where}: no column image_id")
    if table.empty:
        raise BadDataset(f"{where}: no rows in it")
    ids = table["image_id"].astype(str).to_numpy(dtype=object)
    doubled = pd.Index(ids).duplicated()
    if doubled.any():
        raise BadDataset(f"{where}: image {ids[doubled][0]!r} has two rows")
    label_columns = [c for c in table.columns if c not in ("image_id", "n") and not c.startswith("n:")]
    taxonomy.check(label_columns, where=where)
    if missing := [label for label in taxonomy.labels if label not in label_columns]:
        raise BadDataset(f"{where}: no column for label {missing[0]!r} of taxonomy {taxonomy.name}")

    def bad(rows: Any, what: str) -> None:
        if rows.any():
            raise BadDataset(f"{where}: image {ids[rows.argmax()]!r}: {what}")

    values = _numbers(table, taxonomy.labels, f"{where}: a label column")
    bad(~np.isfinite(values).all(axis=1), "a label's value is missing or not finite")
    bad((values < 0).any(axis=1), "a label's value is negative")

    n = _people(table, taxonomy, where)
    asked = None if n is None else n.reshape(len(ids), -1)
    if asked is not None:
        bad((asked < 0).any(axis=1), "n is negative")
    if meta.values == "votes":
        bad((values != np.round(values)).any(axis=1), "votes must be whole numbers")
        if meta.kind == "rates":
            if asked is None:
                raise BadDataset(f"{where}: votes for rates need a column n (people asked)")
            bad((values > asked).any(axis=1), "more votes than people asked (n)")
            bad((asked <= 0).any(axis=1), "nobody was asked (n = 0): leave the row out")
        else:
            bad(values.sum(axis=1) == 0, "no votes at all: leave the row out")
    else:
        bad((values > 1 + SUM_TOLERANCE).any(axis=1), "a value is above 1")
        values = np.minimum(values, 1.0)
        if meta.values == "indicator":
            bad(((values != 0) & (values != 1)).any(axis=1), "indicators must be 0 or 1")
    sums = values.sum(axis=1)
    if meta.kind == "single":
        bad(sums != 1, f"expected exactly one label, got {int(sums[(sums != 1).argmax()])}")
    if meta.kind == "distribution" and meta.values == "shares":
        off = np.abs(sums - 1) > SUM_TOLERANCE
        bad(off, f"the shares sum to {sums[off.argmax()]:.4g}, not to 1 (labels on their own are kind 'rates')")
        values = values / sums[:, None]
    return Targets(name, meta, taxonomy, ids, values, n)


def _numbers(table: pd.DataFrame, columns: Sequence[str], what: str) -> NDArray[Any]:
    try:
        return table[list(columns)].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadDataset(f"{what} is not numeric ({error})") from None


def _people(table: pd.DataFrame, taxonomy: Taxonomy, where: str) -> NDArray[Any] | None:
    """The n of a table: [N], [N, C] where columns n:LABEL are there, None where there is neither."""
    per_label = [c for c in table.columns if c.startswith("n:")]
    if not per_label and "n" not in table.columns:
        return None
    wanted = [f"n:{label}" for label in taxonomy.labels] if per_label else ["n"]
    if absent := [c for c in wanted if c not in table.columns]:
        raise BadDataset(f"{where}: n differs by label, but there is no column {absent[0]!r}")
    people = _numbers(table, wanted, f"{where}: n")
    if not np.isfinite(people).all() or (people != np.round(people)).any():
        raise BadDataset(f"{where}: n must be whole numbers without gaps")
    whole = people.astype(np.int64)
    return whole if per_label else whole[:, 0]
