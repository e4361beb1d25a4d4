"""A model of fine labels judged at its coarser levels: how far its errors go.

Pure functions on arrays or tensors; mappings come from `affectml.taxonomies.mapping`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.errors import BadInput
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


def levels(taxonomy: Taxonomy) -> list[Mapping]:
    """Mappings from a taxonomy to each coarser one above it, nearest first; empty where it has no parents.

    Labels that no coarser one covers are dropped.
    """
    return [mapping(taxonomy, coarse, drop=True) for coarse in ancestors(taxonomy)]


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
