"""A head whose rates are corrected, label by label, by what people said of rows that it was not fitted on."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads._base import HEADS, Head
from affectml.heads._blend import BlendConfig, CompositeHead
from affectml.heads._config import default_of
from affectml.heads._inputs import ArrayLike, Features, Rows, as_shares
from affectml.heads._kinds import ScoreKind
from affectml.heads._promise import Array

Floats = NDArray[np.float64]

SHRINK = (2.0, 10.0, 50.0)  # how many positives the identity is worth; the held-out folds choose
FOLDS = 5
SURE_SE = 2.0  # a label is corrected where the held-out log loss falls by more than this many standard errors
_EDGE = 1e-6  # a rate of exactly 0 or 1 is rounding
_STEPS = 50


@dataclasses.dataclass(frozen=True)
class BetaMaps:
    """Beta calibration of C labels: logit q = a ln p - b ln(1 - p) + c.

    parameters: [C, 3], a and b at least 0; (1, 1, 0) leaves a label as it is. shrink: what each label was drawn towards
    that with, None where it is left. gain, gain_se: how far the log loss of rows kept out fell by the best map, in nats
    a row, and its standard error; nan where none was tried. held_out: [N, C], each row's rates by maps of the other
    folds.
    """

    parameters: Floats
    shrink: tuple[float | None, ...]
    gain: tuple[float, ...]
    gain_se: tuple[float, ...]
    held_out: Floats


def beta_map(rates: Tensor, parameters: Tensor) -> Tensor:
    """Corrected rates [N, C] of rates [N, C]; parameters: [C, 3], see BetaMaps."""
    inside = rates.double().clamp(_EDGE, 1 - _EDGE)
    a, b, c = parameters.unbind(dim=1)
    left = (parameters == torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)).all(dim=1)
    return torch.where(left, rates.double(), (a * inside.log() - b * (1 - inside).log() + c).sigmoid())


def fit_beta_maps(
    rates: ArrayLike, shares: ArrayLike, *, groups: Array | None = None, generator: torch.Generator
) -> BetaMaps:
    """Beta calibration (Kull, Silva Filho & Flach 2017) for each label, shrunk, and only where it helps.

    The maps minimise the log loss of people's shares plus shrink / 2 * ((a - 1)^2 + (b - 1)^2 + c^2): with few
    positives the identity wins. Five folds choose the shrink of each label, and whether it is corrected at all: where
    the log loss of the folds kept out falls by more than two standard errors. Rankings within a label stay as they are,
    as a and b are not negative.

    Args:
        rates: a head's [N, C], of rows that it was not fitted on.
        shares: people's [N, C].
        groups: [N]; rows of one group go to one fold. None parts row by row.
        generator: of the folds.

    Returns:
        The maps; the identity for a label that nobody or everybody chose, and for all below 10 rows or 5 groups.
    """
    p, y = (np.asarray(as_shares(table, len(table), None, "rates").numpy()) for table in (rates, shares))
    if p.shape != y.shape:
        raise BadInput(f"shares: expected one cell per rate, shape {list(p.shape)}, got {list(y.shape)}")
    n, labels = p.shape
    unit = np.arange(n) if groups is None else np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
    units = int(unit.max()) + 1
    fold = (torch.randperm(units, generator=generator).numpy() % FOLDS)[unit]
    parameters = np.tile([1.0, 1.0, 0.0], (labels, 1))
    shrink: list[float | None] = [None] * labels
    gain, error, held_out = np.full(labels, np.nan), np.full(labels, np.nan), p.copy()
    for label in range(labels) if units >= (2 * FOLDS if groups is None else FOLDS) else ():
        x, said = p[:, label], y[:, label]
        if said.min() == said.max():
            continue
        before = _log_loss(x, said)
        tried = []
        for strength in SHRINK:
            out = np.empty(n)
            for k in range(FOLDS):
                here = fold == k
                out[here] = _apply(x[here], _fit(x[~here], said[~here], strength))
            tried.append((float((before - _log_loss(out, said)).mean()), strength, out))
        best, strength, out = max(tried, key=lambda each: each[0])
        of_unit = np.bincount(unit, weights=before - _log_loss(out, said)) * units / n
        gain[label], error[label] = best, of_unit.std(ddof=1) / np.sqrt(units)
        if best > SURE_SE * error[label]:
            parameters[label], shrink[label] = _fit(x, said, strength), strength
            held_out[:, label] = out
    return BetaMaps(parameters, tuple(shrink), tuple(gain.tolist()), tuple(error.tolist()), held_out)


def _terms(p: Floats) -> Floats:
    inside = np.clip(p, _EDGE, 1 - _EDGE)
    return np.stack([np.log(inside), -np.log1p(-inside), np.ones_like(inside)], axis=1)


def _apply(p: Floats, parameters: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-_terms(p) @ parameters)))


def _log_loss(p: Floats, y: Floats) -> Floats:
    inside = np.clip(p, _EDGE, 1 - _EDGE)
    return np.asarray(-(y * np.log(inside) + (1 - y) * np.log1p(-inside)))


def _fit(p: Floats, y: Floats, shrink: float) -> Floats:
    """One label's a, b and c; where a or b would be negative it is held at 0 and the rest fitted, as Kull et al. do."""
    free = np.ones(3, dtype=bool)
    while True:
        found = _newton(_terms(p), y, shrink, free)
        wrong = (found < 0) & np.array([True, True, False])
        if not wrong.any():
            return found
        free &= ~(found == found[wrong].min())


def _newton(terms: Floats, y: Floats, shrink: float, free: NDArray[np.bool_]) -> Floats:
    """The minimum over the free parameters, the others at 0; convex, so damped steps end there."""
    start = np.array([1.0, 1.0, 0.0])
    at = np.where(free, start, 0.0)

    def value(parameters: Floats) -> float:
        z = terms @ parameters
        return float((np.logaddexp(0, z) - y * z).sum() + shrink / 2 * ((parameters - start) ** 2)[free].sum())

    now = value(at)
    for _ in range(_STEPS):
        q = 1 / (1 + np.exp(-terms @ at))
        slope = (terms.T @ (q - y) + shrink * (at - start))[free]
        curve = (terms.T * (q * (1 - q))) @ terms + shrink * np.eye(3)
        step = np.zeros(3)
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], slope)
        size = 1.0
        while (then := value(at - size * step)) > now and size > 1e-6:
            size /= 2
        if then >= now - 1e-12 * abs(now):
            break
        at, now = at - size * step, then
    return at


@dataclasses.dataclass(frozen=True)
class CalibratedConfig(BlendConfig):
    """A head whose rates are corrected. head: one that predicts rates; options: its own options."""

    kind: ScoreKind = "rates"
    head: str = "sigmoid"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def check(self) -> None:
        """HeadConfig.check, and that there is such a head, which takes these options and predicts rates."""
        super().check()
        fitting = sorted(name for name, head in HEADS.items() if can_be_calibrated(head) and head.learns)
        if self.kind != "rates" or self.head not in fitting:
            raise BadInput(
                f"CalibratedConfig: no rates of {self.head!r} to correct as {self.kind} (heads: {', '.join(fitting)})"
            )
        self.member().config.check()

    @classmethod
    def around(cls, member: Head, **own: Any) -> Self:
        """With this head inside: its name and what is not at its default; own: options beside."""
        at_default = {f.name: default_of(f) for f in dataclasses.fields(member.config)}
        given = {name: getattr(member.config, name) for name in at_default if name != "kind"}
        options = {name: value for name, value in given.items() if value != at_default[name]}
        return cls(head=member.name, options=options, **own)

    def member(self) -> Head:
        """The head, not fitted."""
        head = HEADS[self.head]
        return head(**(self.options | ({"kind": "rates"} if len(head.kinds()) > 1 else {})))


def can_be_calibrated(head: type[Head]) -> bool:
    """Whether it predicts people's rates and cuts its sets from them."""
    return head.uses_thresholds and not head.needs_texts and "rates" in head.kinds()


class CalibratedHead(CompositeHead, name="calibrated"):
    """Another head's rates, corrected label by label by beta calibration; see `fit_beta_maps`.

    Targets: as that head takes them, as rates or sets. Options: CalibratedConfig. `fit` wants `val`: the head is fitted
    with it as any is, and corrected by it. Source: Kull, Silva Filho & Flach 2017. Degenerate: a label that nobody or
    everybody chose, and fewer than 10 rows of val, are left as they are.
    """

    says = "corrects the rates of another head; add `calibrate` to that"
    config_class = CalibratedConfig
    config: CalibratedConfig

    @classmethod
    def of(cls, member: Head, maps: BetaMaps) -> "CalibratedHead":
        """A fitted head with these maps."""
        head = cls(CalibratedConfig.around(member))
        head._take(member, maps)
        return head

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """The member with val as every head uses it, then its correction."""
        if rows.val is None:
            raise BadInput("val: a calibrated head is corrected by rows that it was not fitted on: give val")
        weights = None if rows.weights is None else rows.weights
        member = self.config.member().fit(rows.X, rows.targets, val=rows.val, weights=weights, generator=generator)
        self._take(member, fit_beta_maps(member.predict_rates(rows.val[0]), rows.val[1], generator=generator))

    def _take(self, member: Head, maps: BetaMaps) -> None:
        self.members_ = (member,)
        self.n_features_in_ = member.n_features_in_
        self._state = {"beta": torch.from_numpy(maps.parameters)}
        self.report_ = {
            **{key: member.report_[key] for key in ("rows", "prevalence") if key in member.report_},
            "calibration": {"shrink": list(maps.shrink), "gain": _plain(maps.gain), "gain_se": _plain(maps.gain_se)},
            "members": self._described(),
        }

    def scores(self, X: Features) -> Tensor:
        """The corrected rates, [N, C] float64."""
        return beta_map(self.before_calibration(X), self._fitted()["beta"])

    def before_calibration(self, X: Features) -> Tensor:
        """The rates as the head inside has them, [N, C]."""
        self._fitted()
        return self.members_[0].predict_rates(X)

    def _state_keys(self) -> tuple[str, ...]:
        return ("beta",)

    def __repr__(self) -> str:
        inside = self.members_[0] if self.members_ else self.config.member()
        return f"CalibratedHead({inside!r})"


def _plain(values: Sequence[float]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values]
