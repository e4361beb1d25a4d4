"""How far a system's score moves with wordings and draws, and whether it prefers labels for where they are shown."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from affectml._files import need_file
from affectml.answers._estimates import Estimate, mean_of
from affectml.answers._rows import Row
from affectml.answers._said import Said
from affectml.errors import BadInput
from affectml.judging.scoring import Answers, row_scores
from affectml.judging.truth import Truth, part_of
from affectml.page.tables import Table, arrow, cell, number, p_value
from affectml_metrics.table import better, find, shown

Over = Literal["wordings", "draws"]
Which = tuple[str, ...]  # image, wording, sample, form of answer and shuffle of a request
Orders = Mapping[Which, NDArray[np.int64]]
Only = Callable[[Row], bool]
ROUGH = 5  # wordings or draws: from fewer, Student's t makes an interval that says little
_NUMBER: dict[Over, Callable[[Row], int]] = {"wordings": attrgetter("wording"), "draws": attrgetter("sample")}


@dataclass(frozen=True)
class Spread:
    """A system's score by wording, all draws of it together, or by the number of the draw, all wordings together.

    values: one for each, on the same images. value: their mean; low, high: its 95 % interval by Student's t, for other
    wordings or draws of that kind about the same images. Draws differ in the order of the labels and by sampling.
    """

    metric: str
    over: Over
    values: tuple[float, ...]
    value: float
    low: float
    high: float

    @property
    def rough(self) -> bool:
        """Whether there are too few wordings or draws for Student's t to say much."""
        return len(self.values) < ROUGH


def spreads(
    rows: Sequence[Row],
    answers_of: Callable[[Only], tuple[NDArray[np.bool_], Answers] | None],
    truth: Truth,
    by: str = "",
) -> list[Spread]:
    """The spread of each metric by rows of the brief tables, and of `by`, over wordings and over draws, where there are
    two.

    Args:
        rows: all of a system's.
        answers_of: what those rows that a test chooses say of the N images, and which of these they answer [N]; None
            where none can be used.
        truth: of these N images. All wordings, or draws, are scored on the images that each of them answers.
    """
    found = []
    for over in get_args(Over):
        numbers = sorted({_NUMBER[over](row) for row in rows if not row.problem})
        given = [answers_of(partial(_is, _NUMBER[over], n)) for n in numbers] if len(numbers) > 1 else []
        parts = [part for part in given if part is not None]
        at = np.flatnonzero(np.logical_and.reduce([answered for answered, _ in parts]))
        if len(parts) > 1 and len(at):
            here = part_of(truth, at)
            found += _spreads(over, [row_scores(answers.rows(at), here) for _, answers in parts], by)
    return found


def _is(of: Callable[[Row], object], wanted: object, row: Row) -> bool:
    return of(row) == wanted


def _spreads(over: Over, scores: Sequence[Mapping[str, Any]], by: str) -> list[Spread]:
    known, found = [m for m in scores[0] if better(m) and all(m in each for each in scores)], []
    for metric in dict.fromkeys([*shown(known, "brief"), *(m for m in known if m == by)]):
        values = np.array([float(each[metric].double().nanmean()) for each in scores])
        spec = find(metric)
        if spec is not None and (mean := mean_of(values, spec.bounds())):
            found.append(Spread(metric, over, tuple(values.tolist()), mean.value, mean.low, mean.high))
    return found


def spread_table(found: Mapping[str, Sequence[Spread]], scores: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """By system, what it scores over wordings and draws beside its score over images; None without any spread.

    scores: {SYSTEM: {METRIC: score}} of all answers together, as in metrics.json.
    """
    rows = tuple(
        (name, f"{len(each.values)} {each.over}{' (rough)' * each.rough}", arrow(each.metric),
         cell(vars(each)), number(min(each.values)),
         number(max(each.values)), cell(scores.get(name, {}).get(each.metric)))
        for name, spread in found.items()
        for each in spread
    )  # fmt: skip
    note = (
        "mean of the scores that each wording, or draw, has alone, ± half the width of its 95 % interval over wordings "
        "or draws (Student's t; rough below 5); beside it all answers together, with the interval over images. A "
        "wording's draws are pooled; a draw is one sample of every wording. Draws differ in the order of the labels "
        "and by sampling, both at once"
    )
    columns = ("system", "over", "metric", "mean", "lowest", "highest", "all together, over images")
    return Table("Spread over wordings and draws", columns, rows, note) if rows else None


@dataclass(frozen=True)
class PlaceBias(Estimate):
    """How much more a system gives to labels in the first half of the places of a request than to those in the second.

    value: mean over requests, in shares of answers to a label. p: of no difference.
    """

    requests: int = 0

    def in_words(self, name: str) -> str:
        """The finding as a sentence."""
        where = "first" if self.value > 0 else "second"
        span = f"{self.value:+.1%}, {self.low:+.1%} to {self.high:+.1%}"
        return f"{name} prefers labels that stand in the {where} half of the list it is shown (difference {span})"


def place_bias(
    given: NDArray[np.float64], places: NDArray[np.int64], images: NDArray[Any], groups: NDArray[Any] | None = None
) -> PlaceBias | None:
    """The liking for places of R requests; None where fewer than two images or groups have one.

    What a request gives its labels is taken against what can be expected of the image without it: the mean of the
    image's other requests and, as one more of them, of all other requests. As orders are drawn at random, the mean
    difference of a system that does not look at places is 0 whatever is expected.

    Args:
        given: whether each label is named, or its share [R, C].
        places: where each label stood, from 0 [R, C]. Of an odd number the middle place counts for neither half.
        images: which image each request is about [R].
        groups: images that are no independent evidence [R]; None: each image is its own. The interval is Student's t
            over them.
    """
    n, labels = given.shape
    units = images if groups is None else groups
    if len(np.unique(units)) < 2:
        return None
    image = np.unique(images, return_inverse=True)[1]
    sums, sizes = np.zeros((int(image.max()) + 1, labels)), np.bincount(image)
    np.add.at(sums, image, given)
    rest = (given.sum(axis=0) - given) / (n - 1)
    over = given - (sums[image] - given + rest) / sizes[image][:, None]
    half = labels // 2
    sign = np.where(places < half, 1, np.where(places >= labels - half, -1, 0))
    mean = mean_of(((over * sign).sum(axis=1) / max(half, 1)).round(12), (None, None), units, null=0.0)
    return None if mean is None else PlaceBias(**vars(mean), requests=n)


def place_bias_of(
    rows: Sequence[Row],
    said_of: Callable[[Only], Said | None],
    orders: Orders,
    groups_of: Callable[[NDArray[Any]], NDArray[Any] | None],
) -> PlaceBias | None:
    """The liking for places of a system's rows, as far as `orders` has the requests; None where it has none of them.

    said_of: what the rows that a test chooses say; None where none can be used. groups_of: the groups of images, as
    `Dataset.groups`.
    """
    known = {which[1:] for which in orders}
    found = [
        (often, order, image)
        for request in sorted({_request(row) for row in rows if not row.problem} & known)
        if (said := said_of(partial(_is, _request, request))) is not None
        for image, often in zip(said.image_id, said.often, strict=True)
        if (order := orders.get((str(image), *request))) is not None
    ]
    if not found:
        return None
    given, places, images = zip(*found, strict=True)
    names = np.array(images, dtype=object)
    return place_bias(np.stack(given), np.stack(places), names, groups_of(names))


def _request(row: Row) -> Which:
    return str(row.wording), str(row.sample), str(row.asked), row.shuffle


def place_table(found: Mapping[str, PlaceBias]) -> Table | None:
    """A row per system; None without any."""
    rows = tuple(
        (name, str(b.requests), f"{'+' * (b.value > 0)}{b}", p_value(b.p_holm), "yes" if b.found else "")
        for name, b in found.items()
    )
    note = (
        "what labels get in the first half of the list that is shown, less what they get in the second: how often they "
        "are named (first, in a ranking), or their stated share; ± is half the width of the 95 % interval over images, "
        "judged here or not"
    )
    columns = ("system", "requests", "first half − second half", "p (Holm)", "beyond chance")
    return Table("Liking for places", columns, rows, note) if rows else None


def of_others(rows: Sequence[Row], orders: Orders) -> bool:
    """Whether `orders` has such requests, but drawn from another seed or other labels than those that rows answer."""
    known = {which[1:] for which in orders}
    strange = {_request(row) for row in rows} - known
    return not {request[:-1] for request in strange}.isdisjoint(request[:-1] for request in known)


def read_orders(paths: Sequence[str | Path], labels: Sequence[str]) -> dict[Which, NDArray[np.int64]]:
    """Where each label [C] stood in each request, from 0, as the indexes that `ask` wrote have it.

    Raises:
        BadInput: for a file that is no index of these labels, and for two orders of one request.
    """
    at = {label: c for c, label in enumerate(labels)}
    found: dict[Which, NDArray[np.int64]] = {}
    for path in map(Path, paths):
        need_file(path, "; `ask` writes it beside the requests")
        for line, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            try:
                entry = {"wording": 1, "answer": "sets", "shuffle": "", **json.loads(text)}
                which = tuple(str(entry[key]) for key in ("image_id", "wording", "sample", "answer", "shuffle"))
                order = [at[label] for label in entry["labels"]]
            except (ValueError, TypeError, KeyError, RecursionError):
                order = []
            if sorted(order) != list(range(len(labels))):
                raise BadInput(
                    f"{path}, line {line}: expected an entry of an index that `ask` wrote, with the labels "
                    f"{', '.join(labels)} in some order"
                )
            places = np.argsort(order)
            if not np.array_equal(found.setdefault(which, places), places):
                raise BadInput(
                    f"{path}, line {line}: another order of labels than before for sample {which[2]} of image "
                    f"{which[0]!r}; judge systems that were asked in other orders each with its own index"
                )
    return found
