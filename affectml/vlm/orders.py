"""Where requests showed each label, from the index that `ask` writes beside them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml._files import need_file
from affectml.errors import BadInput
from affectml.judging.readings import Requests

Array = NDArray[Any]
Orders = Mapping[str, NDArray[np.int64]]  # by custom_id, the place of each label [C], from 0


def read_orders(paths: Sequence[str | Path], labels: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Where each label [C] stood in each request, from 0, by custom_id.

    Raises:
        BadInput: for a file that is no index of these labels, and for two orders of one request.
    """
    at = {label: c for c, label in enumerate(labels)}
    found: dict[str, NDArray[np.int64]] = {}
    for path in map(Path, paths):
        need_file(path, "; `ask` writes it beside the requests")
        for line, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            try:
                entry = json.loads(text)
                given, order = str(entry["custom_id"]), [at[label] for label in entry["labels"]]
            except (ValueError, TypeError, KeyError, RecursionError):
                order = []
            if sorted(order) != list(range(len(labels))):
                raise BadInput(
                    f"{path}, line {line}: expected an entry of an index that `ask` wrote, with the labels "
                    f"{', '.join(labels)} in some order"
                )
            places = np.argsort(order)
            if not np.array_equal(found.setdefault(given, places), places):
                raise BadInput(
                    f"{path}, line {line}: another order of labels than before for request {given!r}; judge systems "
                    "that were asked in other orders each with its own index"
                )
    return found


def of_others(custom_ids: Iterable[str], orders: Orders) -> bool:
    """Whether `orders` has requests of such samples, wordings and forms, but drawn from another seed or other labels.

    A custom_id (`affectml.vlm.names.custom_id`) begins with these, and with the drawing behind an x.
    """
    asked, known = ({each.partition("-")[0] for each in ids} for ids in (custom_ids, orders))
    drawn = {kind.partition("x")[0] for kind in known}
    return not drawn.isdisjoint(kind.partition("x")[0] for kind in asked - known)


def requests_of(
    custom_ids: Sequence[str], often: Array, images: Array, groups: Array | None, orders: Orders
) -> Requests | None:
    """What a system's requests gave to labels and where they showed them, as far as `orders` has them; None of none.

    Args:
        custom_ids: of R requests.
        often: how often the answers to each name each label, or its share [R, C].
        images, groups: of each request [R], as `Dataset.groups` has them.
        orders: see `read_orders`.
    """
    at = [row for row, given in enumerate(custom_ids) if given in orders]
    if not at:
        return None
    places = np.stack([orders[custom_ids[row]] for row in at])
    return Requests(often[at], places, images[at], None if groups is None else groups[at])
