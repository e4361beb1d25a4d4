"""Earth mover's distance: how far answers would have to travel, when some labels lie closer together than others."""

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from affectml_metrics._errors import DomainError, one_of
from affectml_metrics._inputs import ArrayLike, as_tensor, square, wide
from affectml_metrics.functional.logs import distributions
from affectml_metrics.functional.order import chunks
from affectml_metrics.functional.rows import float_of

__all__ = ["earth_movers_distance"]

Ground: TypeAlias = Literal["line", "circle"] | ArrayLike


def earth_movers_distance(preds: ArrayLike, target: ArrayLike, ground: Ground, *, from_logits: bool = False) -> Tensor:
    """Least total of share x distance that turns the predicted distribution into people's, per row.

    preds, target: distributions [N, C]. ground: "line", labels in order on a line, neighbours 1 apart; "circle",
    evenly spaced on a wheel in the order of the columns, neighbours 1 apart; or costs [C, C], 0 or more and finite,
    row = from (preds), column = to (target). A label that has no place (neutral, something else) needs an explicit
    cost to each other label. Returns [N], in the unit of the ground distance; with cost 1 between any two labels it
    is `total_variation`.

    The line and the circle have closed forms (Vallender 1974; Rabin et al. 2011), which hold only for even spacing.
    Costs that are places on a line, or all equal, are recognised; any others are solved exactly by successive
    shortest paths (Ahuja et al. 1993), many rows at a time, in float64: milliseconds for hundreds of rows, but minutes
    for hundreds of thousands at 25 labels. Each of these rows is checked against its dual, a bound from below; one
    that misses it by more than rounding is solved again by scipy's HiGHS. Rows are scaled to sum to 1 exactly.
    Gradients are the dual prices. Source: Rubner et al. 2000. Raises MetricInputError.

    >>> p, t = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.0, 1.0]])
    >>> earth_movers_distance(p, t, "line"), earth_movers_distance(p, t, "circle")
    (tensor([3.]), tensor([1.]))
    """
    p, t = distributions(preds, target, from_logits)
    result, dtype = float_of(p, t) if not from_logits else float_of(as_tensor(preds, "preds"), t), wide(p.device)
    p, t = (x.to(dtype) / x.to(dtype).sum(-1, keepdim=True) for x in (p, t))
    if isinstance(ground, str):
        one_of("ground", ground, ("line", "circle"))
        flow = (p - t).cumsum(-1)  # the last is 0 but for rounding
        flow = flow - flow.median(-1, keepdim=True).values if ground == "circle" else flow[:, :-1]
        return flow.abs().sum(-1).to(result)
    cost = square(ground, "ground", p.shape[1], p)
    if bool((cost < 0).any()):
        raise DomainError("ground: expected costs of 0 or more, but received a negative one")
    return _at_cost(p, t, cost).to(result)


def _at_cost(p: Tensor, t: Tensor, cost: Tensor) -> Tensor:
    """The distance for any costs: by a closed form where there is one, else as a flow."""
    if len(cost) == 1:
        return p[:, 0] * cost[0, 0]
    places = _places_on_a_line(cost)
    if places is not None:
        order = places.argsort()
        flow = (p - t)[:, order].cumsum(-1)[:, :-1]
        return (flow.abs() * places[order].diff()).sum(-1)
    between = cost[~torch.eye(len(cost), dtype=torch.bool, device=cost.device)]
    if bool((cost.diagonal() == 0).all() & (between == between[0]).all()):
        return between[0] * (p - t).abs().sum(-1) / 2
    parts = [_solved(p[part], t[part], cost) for part in chunks(*p.shape)]
    return torch.cat(parts) if parts else p.sum(-1)


def _solved(p: Tensor, t: Tensor, cost: Tensor) -> Tensor:
    """The least cost of each row, [n], proved by a dual solution; its gradients are the prices of that."""
    with torch.no_grad():
        stays = torch.minimum(p, t) if _is_metric(cost) else torch.zeros_like(p)  # by the triangle inequality
        flow = _cheapest_flow(p - stays, t - stays, cost) + torch.diag_embed(stays)
        value = (flow * cost).sum((-1, -2))
        source, sink = _prices(flow, cost)
        bound = (sink * t).sum(-1) - (source * p).sum(-1)
        placed = torch.maximum((flow.sum(2) - p).abs().amax(-1), (flow.sum(1) - t).abs().amax(-1))
        exact = 1e-12 * len(cost)
        unproved = ~(((value - bound).abs() <= exact * cost.max()) & (placed <= exact))
        for row in unproved.nonzero()[:, 0].tolist():
            value[row], source[row], sink[row] = _by_linear_programme(p[row], t[row], cost)
    if not (torch.is_grad_enabled() and (p.requires_grad or t.requires_grad)):
        return value
    slope = (sink * t).sum(-1) - (source * p).sum(-1)
    return value + (slope - slope.detach())


def _prices(flow: Tensor, cost: Tensor) -> tuple[Tensor, Tensor]:
    """Dual prices of the sources and sinks, [n, C] each, with sink - source <= cost everywhere, and equal under flow.

    Shortest ways through what is left of the costs (Bellman & Ford). Whatever comes out is a bound from below, so
    that a flow which is not the cheapest shows.
    """
    source = flow.new_zeros(flow.shape[:2])
    back = torch.where(flow > 0, -cost, torch.inf)
    sink = (source[:, :, None] + cost).amin(1)
    for _ in range(len(cost) + 1):
        lower = torch.minimum(source, (sink[:, None, :] + back).amin(2))
        if not bool((lower < source).any()):
            break
        source = lower
        sink = (source[:, :, None] + cost).amin(1)
    return source, sink


def _by_linear_programme(supply: Tensor, demand: Tensor, cost: Tensor) -> tuple[float, Tensor, Tensor]:
    """One row's least cost and prices from scipy's HiGHS."""
    from scipy.optimize import linprog  # here, because hardly any row needs it

    labels = len(cost)
    rows = torch.eye(labels, dtype=cost.dtype)
    sums = torch.cat([rows.repeat_interleave(labels, 1), rows.repeat(1, labels)])
    right = torch.cat([supply, demand]).cpu()
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    best = linprog(cost.flatten().cpu().numpy(), A_eq=sums.numpy(), b_eq=right.numpy(), method="highs", options=tight)
    if not best.success:
        raise DomainError(f"earth_movers_distance: no solution of a row was found ({best.message})")
    prices = torch.from_numpy(best.eqlin.marginals).to(cost)
    return float(best.fun), -prices[:labels], prices[labels:]


def _places_on_a_line(cost: Tensor) -> Tensor | None:
    """Positions x with cost = |x_i - x_j|, if there are any."""
    end = int(cost.argmax()) // len(cost)
    places = cost[end]
    exact = (places[:, None] - places).abs()
    return places if bool(((exact - cost).abs() <= 1e-12 * cost.max()).all()) else None


def _is_metric(cost: Tensor) -> bool:
    detour = (cost[:, :, None] + cost[None, :, :]).amin(1)
    return bool((cost.diagonal() == 0).all() & (detour >= cost * (1 - 1e-12)).all())


def _cheapest_flow(supply: Tensor, demand: Tensor, cost: Tensor) -> Tensor:
    """The flow of least cost for each row, [n, C, C]: augment along a cheapest path until all supply is placed."""
    rows, labels = supply.shape
    flow = supply.new_zeros(rows, labels, labels)
    # rows that sum to 1 only up to rounding leave a crumb on one side; it is far below any distance worth telling
    crumb = torch.finfo(supply.dtype).eps * 16
    left, wanted = supply.clone(), demand.clone()
    for _ in range(8 * labels * labels):  # each step empties a supply, a demand or an edge: about 2C in practice
        active = ((left.amax(-1) > crumb) & (wanted.amax(-1) > crumb)).nonzero()[:, 0]
        if not len(active):
            break
        a, b, f = left[active], wanted[active], flow[active]
        _augment(a, b, f, cost, crumb)
        left[active], wanted[active], flow[active] = a, b, f
    return flow


def _augment(a: Tensor, b: Tensor, f: Tensor, cost: Tensor, crumb: float) -> None:
    """Send as much as fits along one cheapest path in every row; changes the supply a, the demand b and the flow f."""
    n, labels = a.shape
    row = torch.arange(n, device=a.device)
    gain = 1e-12 * float(cost.max())  # a rounding error must not pass for a shorter path
    inf = torch.full_like(a, torch.inf)
    u, v = torch.where(a > crumb, torch.zeros_like(a), inf), inf.clone()  # cheapest ways to sources, to sinks
    into_sink = torch.zeros_like(a, dtype=torch.int64)
    into_source = torch.full_like(into_sink, -1)  # -1: the path starts here
    back = torch.where(f > crumb, -cost, torch.inf)
    for _ in range(labels):
        reach, by = (u[:, :, None] + cost).min(1)
        better = reach < v - gain
        v, into_sink = torch.where(better, reach, v), torch.where(better, by, into_sink)
        reach, by = (v[:, None, :] + back).min(2)
        better = reach < u - gain
        if not bool(better.any()):
            break
        u, into_source = torch.where(better, reach, u), torch.where(better, by, into_source)

    end = v.masked_fill(b <= crumb, torch.inf).argmin(-1)
    amount = b[row, end]
    path: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    sink, going = end, torch.ones(n, dtype=torch.bool, device=a.device)
    for _ in range(labels):
        source = into_sink[row, sink]
        previous = into_source[row, source]
        turns = going & (previous >= 0)  # the path came back over an edge that carries flow
        path.append((going, source, sink, turns))
        first = going & ~turns
        amount = torch.where(first, torch.minimum(amount, a[row, source]), amount)
        sink = torch.where(turns, previous.clamp(min=0), sink)
        amount = torch.where(turns, torch.minimum(amount, f[row, source, sink]), amount)
        going = turns
        if not bool(going.any()):
            break
    b[row, end] -= amount
    for i, (on, source, sink, turns) in enumerate(path):
        f[row, source, sink] += amount * on
        f[row, source, path[i + 1][2] if i + 1 < len(path) else sink] -= amount * turns
        a[row, source] -= amount * (on & ~turns)
