"""Every metric of a kind in one call, as a tidy table with intervals."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from affectml_metrics._domains import Domain, unchecked
from affectml_metrics._errors import ArgumentError, ShapeError, in_one_order, one_of, whole_number
from affectml_metrics._inputs import ArrayLike, as_float, as_tensor, at_least, marked, mass_beside, matrix, pair_asked
from affectml_metrics._jackknife import blocks_of, mean_interval, sums_interval, table_interval, values_without
from affectml_metrics._reference import Against, Panel, TargetRule
from affectml_metrics._two_way import two_way_interval
from affectml_metrics.functional.transport import Ground
from affectml_metrics.intervals import ALIKE, BLOCKS, Bounds, Interval, student_quantile, within
from affectml_metrics.spec import KINDS, Figure, Given, Kind
from affectml_metrics.table import better, figures

if TYPE_CHECKING:
    import pandas as pd

Scored: TypeAlias = tuple[Sequence[Figure], Interval]  # each of its fields [M], or 0-dim of a figure alone
_DOMAINS: dict[str, tuple[Domain, Domain]] = {
    "sets": ("labels", "labels"),
    "ranking": ("scores", "labels"),
    "distribution": ("distribution", "distribution"),
    "rates": ("rates", "rates"),
    "perspectives": ("scores", "scores"),
}
_RULES: dict[str, Against] = {"sets": "set", "ranking": "set", "distribution": "distribution", "rates": "rates"}


def score(
    preds: ArrayLike,
    target: ArrayLike | None = None,
    kind: Kind = "sets",
    *,
    judgements: ArrayLike | None = None,
    asked: ArrayLike | None = None,
    rule: TargetRule | None = None,
    tau: float = 1 / 3,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    from_logits: bool = False,
    eps: float | None = None,
    k: Sequence[int] = (1, 2, 3),
    shares: ArrayLike | None = None,
    votes: ArrayLike | None = None,
    n: ArrayLike | None = None,
    similarity: ArrayLike | None = None,
    ground: Ground | None = None,
    scale: float | None = None,
    threshold: float | None = None,
) -> "pd.DataFrame":
    """Every metric of `kind` over preds and target [N, C], with intervals, as a table.

    Returns one row a metric with the columns metric (its name in reports, k spelled in: top_3_accuracy), value, low,
    high, rows (how many it rests on), skipped (on how many it is not defined), units (how many rows, groups or people
    it rests on, whichever are fewer; fewer than 30 make a rough interval) and better ("higher", "lower" or "" for
    figures to read the others by).

    kind: "sets" (0/1 against 0/1), "ranking" (scores against 0/1), "distribution" or "rates" (from_logits for raw
    outputs of these two), or "perspectives": what was predicted for each person against what that person said, both
    [N, A], with `asked` 0/1 [N, A] for people who were absent. Options bring in more: `shares` [N, C] human mass and
    NDCG on soft labels (ranking), `votes` and `n` the binomial likelihood (rates), `similarity` [C, C] semantic F1
    (sets), `ground` the earth mover's distance (distribution), `scale` the normalised distance (perspectives).
    With `threshold`, preds of "sets" are rates, and a label is in from that rate on. A target may be [N], the index of
    the one right label of each row (but for rates); -1 in a target of sets or rates is a label nobody was asked about.

    Intervals are for other rows, or whole `groups` ([N] ids; a row without one is a group of its own), see
    `mean_interval`, and keep to the range of the metric. With `judgements` 0/1 [N, A, C] and `asked` 0/1 [N, A] in
    place of a target, the target is made from them (sets: what at least `tau` of the people chose; shares and rates:
    votes over their number; or `rule(votes, n)`), and the intervals are for other people (column a is one person
    throughout) and other images: each answer has a pseudo-value, from the metric without it (Tukey 1958), and their
    mean the interval of `two_way_interval`. This takes a pass for each person. Metrics over the table that are no
    function of sums add the variances over people and over images, and are too wide by up to the root of 2 where people
    do not differ. Raises MetricInputError.

    >>> table = score([[1, 0], [0, 1]], [[1, 0], [1, 1]], "sets")
    >>> table.set_index("metric").loc["set_f1", "value"].round(4)
    np.float64(0.8333)
    """
    one_of("kind", kind, KINDS)
    _fitting(kind, target, judgements, asked)
    in_one_order(preds, target)
    for value in k:
        whole_number("k", value, 1)
    p = _predicted(preds, kind, from_logits, threshold)
    options = Given(
        k=k,
        from_logits=from_logits,
        eps=eps,
        shares=mass_beside(shares, "shares", p),
        votes=mass_beside(votes, "votes", p),
        n=None if n is None else as_tensor(n, "n"),
        similarity=similarity,
        ground=ground,
        asked=asked if kind == "perspectives" else None,
        scale=scale,
    )
    if judgements is not None and asked is not None:
        if any(table is not None for table in (groups, shares, votes, n)):
            raise ArgumentError(
                "groups, shares, votes and n: expected none with judgements, whose intervals are over people, and "
                "which the other three are made from"
            )
        panel = Panel.of(judgements, asked, None, tau=tau)
        return _frame(_over_people(kind, options, p, panel, rule or _RULES[kind], level))
    assert target is not None
    _, t, cells = pair_asked(p, target, "labels" if kind == "sets" else "scores", _DOMAINS[kind][1])
    t = marked(t.detach(), cells)
    if not len(t):
        raise ShapeError("preds and target: expected at least one row, but received none")
    return _frame(_over_rows(figures(kind, options, p.shape[1]), p, t, groups=groups, level=level))


def _fitting(kind: Kind, target: ArrayLike | None, judgements: ArrayLike | None, asked: ArrayLike | None) -> None:
    """One target, given or to be made from judgements, that the kind can be scored against."""
    if (target is None) == (judgements is None):
        raise ArgumentError("target and judgements: expected exactly one of the two (a target is made from judgements)")
    if kind == "perspectives" and judgements is not None:
        raise ArgumentError("judgements: expected none for 'perspectives', whose target [N, A] is what people said")
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


def _over_rows(chosen: Sequence[Figure], p: Tensor, t: Tensor, **how: Any) -> Iterator[Scored]:
    """how: groups and level."""
    rows, sums, whole = _by_computation(chosen)
    with unchecked():  # preds and target were checked once
        table = torch.stack([figure.of(p, t).double() for figure in rows], dim=1)
    yield rows, mean_interval(table, bounds=_bounds(rows), **how)
    for together in sums:
        with unchecked():
            added = together[0].added(p, t)
        yield together, sums_interval(added, partial(_figures_of_sums, together), bounds=_bounds(together), **how)
    for figure in whole:
        with unchecked():
            weighted = figure.weighted(p, t)
        yield [figure], table_interval(weighted, len(p), bounds=_bounds([figure]), rests=figure.rests(t), **how)


def _bounds(chosen: Sequence[Figure]) -> list[Bounds]:
    return [figure.spec.bounds() for figure in chosen]


def _by_computation(chosen: Sequence[Figure]) -> tuple[list[Figure], list[list[Figure]], list[Figure]]:
    """Figures by rows; those over the table by sums, together where the sums are the same; the others over it."""
    rows = [figure for figure in chosen if figure.spec.over == "rows"]
    whole = [figure for figure in chosen if figure.spec.over == "table"]
    sums = groupby([figure for figure in whole if figure.spec.sums], key=lambda figure: id(figure.spec.sums))
    return rows, [list(group) for _, group in sums], [figure for figure in whole if not figure.spec.sums]


def _figures_of_sums(together: Sequence[Figure], sums: Tensor) -> Tensor:
    return torch.stack([figure.of_sums(sums) for figure in together], dim=1)


def _over_people(kind: Kind, given: Given, p: Tensor, panel: Panel, rule: Against, level: float) -> Iterator[Scored]:
    if p.shape != (panel.answers.shape[0], panel.answers.shape[2]):
        raise ShapeError(
            f"preds and judgements: expected [N, C] and [N, A, C] of one N and C, but received {list(p.shape)} "
            f"and {list(panel.answers.shape)}"
        )
    if (people := panel.asked.shape[1]) < 2:
        raise ShapeError(f"judgements: expected at least 2 people to judge by, but received {people}")
    by_row, sums, whole = _by_computation(figures(kind, replace(given, shares=p, votes=p, n=p), p.shape[1]))

    def judged(weights: Tensor) -> tuple[list[Tensor], list[Callable[[Tensor], Tensor]], Tensor]:
        """Of these people: figures by rows [N, M] and what images add to sums [N, S], others by weights, and images.

        An image is nan if these people make no target for it.
        """
        votes, n = panel.votes(weights)
        usable = panel.usable(votes, n, rule)
        votes, n, q = votes[usable], n[usable], p[usable]
        t = panel.target(votes, n, rule)
        rows, added, over = _by_computation(figures(kind, replace(given, shares=votes, votes=votes, n=n), p.shape[1]))
        tables = [torch.stack([figure.of(q, t).double() for figure in rows], dim=1)]
        tables += [together[0].added(q, t).double() for together in added]
        filled = [table.new_full((len(p), table.shape[1]), torch.nan) for table in tables]
        for every, table in zip(filled, tables, strict=True):
            every[usable] = table
        return filled, [figure.weighted(q, t) for figure in over], usable.nonzero()[:, 0]

    with unchecked():
        (rows, *added), over, images = judged(torch.ones(people, dtype=torch.float64))
        without = [judged(1 - left_out) for left_out in torch.eye(people, dtype=torch.float64)]  # each in turn
        values, slopes = [rows.nanmean(0)], []
        for together, table in zip(sums, added, strict=True):
            of, total = partial(_figures_of_sums, together), table.nansum(0, keepdim=True)
            values.append(of(total)[0])
            slope = torch.autograd.functional.jacobian(of, total)  # type: ignore[no-untyped-call]
            slopes.append(len(images) * slope[0, :, 0].nan_to_num().T)

        def linear(tables: Sequence[Tensor]) -> Tensor:
            """What each image makes of figures, [N, K], to first order where they are no means."""
            return torch.cat([tables[0], *(x @ slope for x, slope in zip(tables[1:], slopes, strict=True))], dim=1)

        every = linear([rows, *added])
        moved = torch.stack([linear(tables) for tables, *_ in without], dim=1) - every[:, None]  # [N, A, K]
        pseudo, image, person = _pseudo_values(every, moved, panel.asked)
        linearised = two_way_interval(pseudo, person, image, weights=1 / panel.asked.sum(1)[image], level=level)
        low, high = (torch.cat(values) + (end - linearised.value) for end in (linearised.low, linearised.high))
        for at, figure in enumerate(over):
            ones = [torch.ones(len(left), dtype=torch.float64) for left in (images, *(left for *_, left in without))]
            values.append(figure(ones[0])[None])
            of_images = values_without(figure, blocks_of(len(images))[1], min(len(images), BLOCKS))[:, 0]
            of_people = torch.stack([each[at](one) for (_, each, _), one in zip(without, ones[1:], strict=True)])
            half = _student_half([of_people, of_images], level)
            low, high = torch.cat([low, values[-1] - half]), torch.cat([high, values[-1] + half])
    value, units = torch.cat(values), min(people, len(p))
    used = torch.cat([(~rows.isnan()).sum(0), torch.full((len(value) - len(by_row),), len(images))])
    chosen = [*by_row, *(figure for together in sums for figure in together), *whole]
    counted = torch.full_like(used, units)
    alike = (high - low).abs() <= ALIKE * value.abs()
    low, high = within(_bounds(chosen), value, low, high, alike, counted, level)
    yield chosen, Interval(value, low, high, used, len(p) - used, counted)


def _pseudo_values(every: Tensor, moved: Tensor, asked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each answer [L, K], with its image and person; their mean over an image is its value in `every` [N, K].

    moved: [N, A, K], by how much the value changes without a person; what all people's absence changes alike is bias.
    """
    image, person = asked.nonzero(as_tuple=True)
    people = asked.sum(1)[image, None]
    moved = moved.nan_to_num(0.0)[image, person]
    even = torch.zeros_like(every).index_add_(0, image, moved)[image] / people
    return every[image] - (people - 1) * (moved - even), image, person


def _student_half(left_out: Sequence[Tensor], level: float) -> Tensor:
    """Half the width of Student's interval of one figure from its values with each unit of each kind left out."""
    parts = torch.stack([(x - x.nanmean()).square().nansum() * (len(x) - 1) / len(x) for x in left_out])
    sizes = torch.tensor([len(x) for x in left_out])
    freedom = parts.sum() ** 2 / (parts**2 / (sizes - 1)).sum()
    return student_quantile(0.5 + level / 2, float(freedom.nan_to_num(1.0))) * parts.sum().sqrt()


def _frame(parts: Iterable[Scored]) -> "pd.DataFrame":
    """A row for each figure, in their order."""
    import pandas as pd  # here, because it is slow to load and only this function needs it

    tables = []
    for chosen, interval in parts:
        columns = {key: field.reshape(-1).numpy() for key, field in interval._asdict().items()}
        tables.append(pd.DataFrame({"metric": [figure.name for figure in chosen], **columns}))
    frame = pd.concat(tables, ignore_index=True).astype({"rows": int, "skipped": int, "units": int})
    return frame.assign(better=frame["metric"].map(better))
