"""A model of fine labels judged at its coarser levels: how often it is right there, and how far its errors go.

Pure functions on arrays or tensors; mappings come from `affectml.taxonomies.mapping`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.errors import BadInput, UnknownLabel
from affectml.taxonomies import Mapping, Taxonomy, ancestors, mapping

Floats = NDArray[np.float64]
_TIE = 1e-9


@dataclass(frozen=True)
class ErrorsInside:
    """Top-1 errors by where they land.

    share: errors whose parent is a right label's parent, of all errors counted; nan without errors. chance: the
    share that wrong guesses drawn evenly from the wrong labels would have. errors, inside: counts. left_out: rows
    whose guess, or all of whose right labels, have no parent in this mapping.
    """

    share: float
    chance: float
    errors: int
    inside: int
    left_out: int


def levels(taxonomy: Taxonomy, *, drop: bool = True, **choices: str) -> list[Mapping]:
    """Mappings from a taxonomy to each coarser one above it, nearest first; empty where it has no parents.

    drop and choices as in `mapping`; a choice holds at every level that has it, and raises where none has.
    """
    above = ancestors(taxonomy)
    fits: list[dict[str, str]] = [{} for _ in above]
    for name, option in choices.items():
        refused: BadInput | UnknownLabel | None = None
        for coarse, fit in zip(above, fits, strict=True):
            try:
                mapping(taxonomy, coarse, drop=True, **{name: option})
            except (BadInput, UnknownLabel) as error:
                refused = refused or error
            else:
                fit[name] = option
        if refused is not None and not any(name in fit for fit in fits):
            raise refused
    return [mapping(taxonomy, coarse, drop=drop, **fit) for coarse, fit in zip(above, fits, strict=True)]


def level_accuracy(preds: Any, target: Any, to: Mapping) -> Floats:
    """Whether the most likely coarse label is a most chosen one, per row, after summing each parent's mass.

    preds: a distribution [N, S]; target: shares, votes of one choice each, or one-hot labels [N, S], S labels of
    `to.origin`. Returns [N] of 0 and 1; a tie among m predicted labels counts by the share of them that are right. A
    row whose target mass is all dropped is nan. Summing first is what makes the coarse guess the best one: the
    parent of the likeliest child need not be the likeliest parent.
    """
    both = (to.map_distribution(table) for table in _tables(preds, target, to))
    mass, truth = (np.asarray(each, dtype=np.float64) for each in both)
    asked = np.zeros(len(to.target), dtype=bool)
    asked[[to.target.index(label) for label in to.merged]] = True
    mass = np.where(asked, mass, -np.inf)
    guessed = mass >= mass.max(axis=1, keepdims=True) - _TIE
    right = (truth >= truth.max(axis=1, keepdims=True) - _TIE) & asked
    hits: Floats = (guessed & right).sum(axis=1) / guessed.sum(axis=1)
    hits[truth.sum(axis=1) <= 0] = np.nan
    return hits


def errors_inside_parent(preds: Any, target: Any, to: Mapping) -> ErrorsInside:
    """Of the wrong top-1 guesses among fine labels, the share that stay inside a right label's parent.

    preds: scores [N, S], the first of equal ones is the guess; target: the right labels, [N, S] of 0/1, or any
    numbers, of which the row's largest are right. Raises BadInput where a mapping shares a label among parents.
    """
    if to.split:
        raise BadInput(f"{to.split[0]!r} is shared among several labels of {to.target.name}: its parent is not one")
    scores, truth = _tables(preds, target, to)
    parent = np.where(to.matrix.any(axis=1), to.matrix.argmax(axis=1), -1)
    right = (truth >= truth.max(axis=1, keepdims=True) - _TIE) & (truth > 0)
    guess = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    wrong = ~right[rows, guess] & right.any(axis=1)
    families = right.astype(np.float64) @ to.matrix > 0
    known = wrong & (parent[guess] >= 0) & families.any(axis=1)
    inside = known & families[rows, np.maximum(parent[guess], 0)]
    wrong_labels = ~right & (parent >= 0)
    near = wrong_labels & (families.astype(np.float64) @ to.matrix.T > 0)
    possible = wrong_labels.sum(axis=1)
    even = np.divide(near.sum(axis=1), possible, out=np.zeros(len(rows)), where=possible > 0)
    errors = int(known.sum())
    return ErrorsInside(
        share=float(inside.sum() / errors) if errors else float("nan"),
        chance=float(even[known].mean()) if errors else float("nan"),
        errors=errors,
        inside=int(inside.sum()),
        left_out=int((wrong & ~known).sum()),
    )


def _tables(preds: Any, target: Any, to: Mapping) -> tuple[Floats, Floats]:
    first, second = (np.asarray(values, dtype=np.float64) for values in (preds, target))
    for table in (first, second):
        if table.ndim != 2 or table.shape[1] != len(to.origin):
            raise BadInput(
                f"expected [N, {len(to.origin)}], a column per label of {to.origin.name}, but received "
                f"{list(table.shape)}"
            )
    if len(first) != len(second):
        raise BadInput(f"preds has {len(first)} rows, target {len(second)}; expected the same images")
    return first, second
