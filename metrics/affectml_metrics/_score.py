"""Every metric of a kind in one call, as a tidy table with intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from affectml_metrics._arguments import one_of, whole_number
from affectml_metrics._asked import UNASKED, holds_unasked, marked, target_asked
from affectml_metrics._bootstrap import bootstrap, bootstrap_sums, bootstrap_table
from affectml_metrics._domains import Domain, unchecked
from affectml_metrics._errors import ArgumentError, ShapeError
from affectml_metrics._inputs import ArrayLike, as_float, as_tensor, at_least, matrix, same
from affectml_metrics._intervals import Interval, recentred
from affectml_metrics._panel import Against, Panel, TargetRule
from affectml_metrics.functional.transport import Ground
from affectml_metrics.kinds import Figure, Given, figures
from affectml_metrics.spec import KINDS, Kind
from affectml_metrics.table import better

if TYPE_CHECKING:
    import pandas as pd

_DOMAINS: dict[str, tuple[Domain, Domain]] = {
    "sets": ("labels", "labels"),
    "ranking": ("scores", "labels"),
    "distribution": ("distribution", "distribution"),
    "rates": ("rates", "rates"),
    "perspectives": ("scores", "scores"),
}
_RULES: dict[str, Against] = {
    "sets": "set",
    "ranking": "set",
    "distribution": "distribution",
    "rates": "rates",
}


def score(
    preds: ArrayLike,
    target: ArrayLike | None = None,
    kind: Kind = "sets",
    *,
    generator: torch.Generator,
    judgements: ArrayLike | None = None,
    asked: ArrayLike | None = None,
    rule: TargetRule | None = None,
    tau: float = 1 / 3,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    from_logits: bool = False,
    eps: float | None = None,
    k: Sequence[int] = (1, 2, 3),
    shares: ArrayLike | None = None,
    votes: ArrayLike | None = None,
    n: ArrayLike | None = None,
    similarity: ArrayLike | None = None,
    ground: Ground | ArrayLike | None = None,
    scale: float | None = None,
    threshold: float | None = None,
) -> "pd.DataFrame":
    """Every metric of `kind` over preds and target [N, C], with bootstrap intervals, as a table.

    Returns one row a metric with the columns metric (its name in reports, k spelled in: top_3_accuracy), value, low,
    high, rows (how many it rests on), skipped (on how many it is not defined), units (how many rows, groups or
    people were drawn, whichever are fewer; fewer than 30 make a rough interval) and better ("higher", "lower" or "" for
    figures to read the others by). The same generator in the same state gives the same table.

    kind: "sets" (0/1 against 0/1), "ranking" (scores against 0/1), "distribution" or "rates" (from_logits for raw
    outputs of these two), or "perspectives": what was predicted for each person against what that person said, both
    [N, A], with `asked` 0/1 [N, A] for people who were absent. Options bring in more: `shares` [N, C] human mass and
    NDCG on soft labels (ranking), `votes` and `n` the binomial likelihood (rates), `similarity` [C, C] semantic F1
    (sets), `ground` the earth mover's distance (distribution), `scale` the normalised distance (perspectives).
    With `threshold`, preds of "sets" are rates, and a label is in from that rate on. A target may be [N], the index of
    the one right label of each row (but for rates); -1 in a target of sets or rates is a label nobody was asked about.

    Intervals resample rows, or whole `groups` ([N] ids; a row without one is a group of its own). With `judgements` 0/1
    [N, A, C] and `asked` 0/1 [N, A] in place of a target, the target is made from them (sets: what at least `tau` of
    the people chose; shares and rates: votes over their number; or `rule(votes, n)`), and the intervals resample people
    (column a is one person throughout) and images together (Owen 2007), recentred on the value: people drawn twice make
    every target noisier than the real one. They hold for other people and other images, and are too wide where people
    do not differ. Images that nobody drawn was asked about drop out of that replicate. Every replicate is then a pass
    of its own, so take fewer of them on large tables. Raises MetricInputError.

    >>> table = score([[1, 0], [0, 1]], [[1, 0], [1, 1]], "sets", generator=torch.Generator().manual_seed(0))
    >>> table.set_index("metric").loc["set_f1", "value"].round(4)
    np.float64(0.8333)
    """
    one_of("kind", kind, KINDS)
    _fitting(kind, target, judgements, asked)
    for value in k:
        whole_number("k", value, 1)
    p = _predicted(preds, kind, from_logits, threshold)
    given = Given(
        k=k,
        from_logits=from_logits,
        eps=eps,
        shares=_beside(shares, "shares", p),
        votes=_beside(votes, "votes", p),
        n=None if n is None else as_tensor(n, "n"),
        similarity=similarity,
        ground=ground,
        asked=asked if kind == "perspectives" else None,
        scale=scale,
    )
    if judgements is not None and asked is not None:
        if any(given is not None for given in (groups, shares, votes, n)):
            raise ArgumentError(
                "groups, shares, votes and n: expected none with judgements, whose intervals resample people and which "
                "the other three are made from"
            )
        panel = Panel.of(judgements, asked, tau=tau)
        intervals = _over_people(kind, given, p, panel, rule or _RULES[kind], replicates, level, generator)
    elif target is not None:
        t, cells = target_asked(target, p, _DOMAINS[kind][1])
        t = marked(t if t.dtype == torch.bool else as_float(t, p), cells)
        if not len(t):
            raise ShapeError("preds and target: expected at least one row, but received none")
        drawing = {"groups": groups, "replicates": replicates, "level": level, "generator": generator}
        intervals = _over_rows(figures(kind, given, p.shape[1]), p, t, **drawing)
    return _table(intervals)


def _fitting(kind: Kind, target: ArrayLike | None, judgements: ArrayLike | None, asked: ArrayLike | None) -> None:
    """One target, given or to be made from judgements, that the kind can be scored against."""
    if (target is None) == (judgements is None):
        raise ArgumentError("target and judgements: expected exactly one of the two (a target is made from judgements)")
    if kind == "perspectives" and judgements is not None:
        raise ArgumentError(
            "judgements: expected none for kind='perspectives', whose target [N, A] is what people said"
        )
    if kind != "perspectives" and (judgements is None) != (asked is None):
        raise ArgumentError("judgements and asked: expected both or neither")


def _predicted(preds: ArrayLike, kind: Kind, from_logits: bool, threshold: float | None) -> Tensor:
    """Predictions [N, C] in the kind's domain, without a gradient."""
    if from_logits and kind not in ("distribution", "rates"):
        raise ArgumentError(f"from_logits: expected False for kind={kind!r}, whose metrics take no probabilities")
    if threshold is not None:
        if kind != "sets":
            raise ArgumentError(f"threshold: expected None for kind={kind!r}, whose metrics take no predicted sets")
        return at_least(preds, threshold).detach()
    domain = _DOMAINS[kind][0]
    if from_logits:
        domain = "logits" if kind == "distribution" else "scores"
    p = matrix(preds, "preds", domain).detach()
    return p if kind == "sets" else as_float(p)


def _over_rows(chosen: Sequence[Figure], p: Tensor, t: Tensor, **drawing: Any) -> Iterator[tuple[str, Interval]]:
    """drawing: what the bootstraps take: groups, replicates, level and generator."""
    rows, sums, whole = _parted(chosen)
    with unchecked():  # preds and target were checked once
        table = torch.stack([figure.of(p, t).double() for figure in rows], dim=1)
    yield from _split(rows, bootstrap(table, **drawing))
    for together in sums:
        with unchecked():
            added = together[0].added(p, t)
        yield from _split(together, bootstrap_sums(added, partial(_statistics, together), **drawing))
    for figure in whole:
        with unchecked():
            weighted = figure.weighted(p, t)
        yield figure.name, bootstrap_table(weighted, len(p), **drawing)


def _parted(chosen: Sequence[Figure]) -> tuple[list[Figure], list[list[Figure]], list[Figure]]:
    """Figures by rows; those over the table by sums, together where the sums are the same; the others over it."""
    rows = [figure for figure in chosen if figure.spec.over == "rows"]
    whole = [figure for figure in chosen if figure.spec.over == "table"]
    sums = groupby([figure for figure in whole if figure.spec.sums], key=lambda figure: id(figure.spec.sums))
    return rows, [list(group) for _, group in sums], [figure for figure in whole if not figure.spec.sums]


def _statistics(together: Sequence[Figure], sums: Tensor) -> Tensor:
    return torch.stack([figure.of_sums(sums) for figure in together], dim=1)


def _over_people(
    kind: Kind,
    given: Given,
    p: Tensor,
    panel: Panel,
    rule: Against,
    replicates: int,
    level: float,
    generator: torch.Generator,
) -> Iterator[tuple[str, Interval]]:
    if p.shape != (panel.answers.shape[0], panel.answers.shape[2]):
        raise ShapeError(
            f"preds and judgements: expected [N, C] and [N, A, C] of one N and C, but received {list(p.shape)} "
            f"and {list(panel.answers.shape)}"
        )
    people = panel.answers.shape[1]
    if people < 2:
        raise ShapeError(f"judgements: expected at least 2 people to resample, but received {people}")

    def once(weights: Tensor, images: Tensor) -> Tensor:
        """Values, rows used and rows skipped of every metric, [3, M], people and images counted so often."""
        votes, n = panel.votes(weights)
        usable = panel.usable(votes, n, rule)
        votes, n, q, w = votes[usable], n[usable], p[usable], images[usable]
        t = panel.target(votes, n, rule)
        by_row, sums, whole = _parted(figures(kind, replace(given, shares=votes, votes=votes, n=n), p.shape[1]))
        rows = torch.stack([figure.of(q, t).double() for figure in by_row], dim=1)
        defined = ~rows.isnan()
        counted = rows.masked_fill(~defined | (w == 0)[:, None], 0.0) * w[:, None]
        values, used = list(counted.sum(0) / (w @ defined.double())), list(defined.sum(0).double())
        for together in sums:
            values += _statistics(together, (w @ together[0].added(q, t).double())[None])[0]
        values += [figure.weighted(q, t)(w) for figure in whole]
        used += [torch.tensor(len(q), dtype=torch.float64)] * (len(values) - len(used))
        count = torch.stack(used)
        return torch.stack([torch.stack(values), count, len(p) - count])

    def drawn(size: int) -> Tensor:
        return torch.randint(size, (size,), generator=generator).bincount(minlength=size).double()

    with unchecked():
        value, rows, skipped = once(*(torch.ones(size, dtype=torch.float64) for size in (people, len(p))))
        spread = torch.stack([once(drawn(people), drawn(len(p)))[0] for _ in range(replicates)])
    units = min(people, len(p))
    low, high = recentred(value, spread, units, level)
    by_row, sums, whole = _parted(figures(kind, replace(given, shares=p, votes=p, n=p), p.shape[1]))
    every = [*by_row, *(figure for together in sums for figure in together), *whole]
    yield from _split(every, Interval(value, low, high, rows, skipped, torch.full_like(rows, units)))


def _split(chosen: Sequence[Figure], interval: Interval) -> Iterator[tuple[str, Interval]]:
    """One interval of [M] fields as M intervals, under the names of the figures in order."""
    for i, figure in enumerate(chosen):
        yield figure.name, Interval(*(field[i] for field in interval))


def _table(intervals: Iterator[tuple[str, Interval]]) -> "pd.DataFrame":
    import pandas as pd  # here, because it is slow to load and only this function needs it

    rows = [
        {"metric": name, **{key: field.item() for key, field in interval._asdict().items()}, "better": better(name)}
        for name, interval in intervals
    ]
    return pd.DataFrame(rows).astype({"rows": int, "skipped": int, "units": int})


def _beside(value: ArrayLike | None, name: str, preds: Tensor) -> Tensor | None:
    """An optional [N, C] matrix of counts or shares that goes with preds; -1 is a label nobody was asked about."""
    if value is None:
        return None
    tensor = as_tensor(value, name)
    known = tensor.masked_fill(tensor == UNASKED, 0) if holds_unasked(tensor) else tensor
    same(preds, matrix(known, name, "mass"), ("preds", name))
    return tensor
