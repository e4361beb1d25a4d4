"""Top-k head: ranks the labels, estimates how many apply, and answers with the set that it expects to score best.

Its distribution over label sets: how many labels, then which. Given logits z [N, C] and size logits u [N, K + 1],

    P(Y) = softmax(u)_{|Y|} * exp(sum of z over Y) / e_{|Y|}(exp z),

with e_s the s-th elementary symmetric polynomial: the n-choose-k model of Swersky, Tarlow, Adams, Zemel & Frey
2012 (conditional Bernoulli: Chen, Dempster & Liu 1994). With one label in every set it is the softmax; with
u_s = v_s + log e_s(exp z) it is the logistic model with a cardinality potential v. Fitting it to uncertain sets, and
deciding by expected F1 under it, are our extensions.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads.base import Head
from affectml.heads.config import HeadConfig, Task
from affectml.heads.inputs import ArrayLike, Features, Material, Rows, alike, as_features, weighted_mean
from affectml.heads.linear import fit_linear
from affectml.heads.objective import Objective, Sums
from affectml.heads.promise import Array

_CHUNK = 16_384  # rows whose recursion is kept for the gradient
_NONE = -1e30  # log of nothing, finite so that gradients stay numbers


def log_symmetric(logits: Tensor, most: int) -> Tensor:
    """log e_s(exp z) of each row for s = 0..most: logits [N, C] -> [N, most + 1]; -1e30 where s > C."""
    table = torch.full((len(logits), most + 1), _NONE, dtype=logits.dtype)
    table[:, 0] = 0.0
    nothing = torch.full((len(logits), 1), _NONE, dtype=logits.dtype)
    for label in range(logits.shape[1]):
        grown = torch.cat([nothing, table[:, :-1] + logits[:, label : label + 1]], dim=1)
        table = torch.logaddexp(table, grown)
    return table


def size_distribution(membership: Tensor, most: int) -> Tensor:
    """How many of independent labels are in: membership [N, C] in 0..1 -> [N, most + 1], Poisson binomial.

    Sizes above `most` count as `most`. For 0/1 rows it is one-hot.
    """
    table = torch.zeros(len(membership), most + 1, dtype=membership.dtype)
    table[:, 0] = 1.0
    for label in range(membership.shape[1]):
        p = membership[:, label : label + 1]
        grown = torch.zeros_like(table)
        grown[:, 1:] = table[:, :-1]
        grown[:, -1] += table[:, -1]
        table = table * (1 - p) + grown * p
    return table


def joint(logits: Tensor, size_logits: Tensor) -> Tensor:
    """P(label in the set and the set has s labels), [N, C, K + 1]."""
    sizes = size_logits.softmax(dim=1)
    most = sizes.shape[1] - 1
    with torch.enable_grad():
        z = logits.detach().double().requires_grad_()
        table = log_symmetric(z, most)
        # the chance of a label given the size is the derivative of log e_s
        conditional = [
            torch.autograd.grad(table[:, s].sum(), z, retain_graph=s < most)[0] if s else torch.zeros_like(z)
            for s in range(most + 1)
        ]
    return torch.stack(conditional, dim=2).detach() * sizes[:, None, :].double()


def best_sets(together: Tensor, empty: Tensor) -> Tensor:
    """The sets of the highest expected F1, 0/1 int64 [N, C] (Dembczynski, Waegeman, Cheng & Huellermeier 2011).

    together: `joint`'s [N, C, K + 1]; empty: P(no label) [N]. For each number h of labels the best h are those with
    the largest sum over s of P(label, s) * 2 / (s + h); an empty answer is worth P(no label). Ties go to fewer
    labels, and to the first.
    """
    rows, labels, sizes = together.shape
    s = torch.arange(sizes, dtype=together.dtype)
    best, value = torch.zeros(rows, labels, dtype=torch.int64), empty.clone()
    for h in range(1, labels + 1):
        gain = together @ (2 / (s + h))
        order = gain.argsort(dim=1, descending=True, stable=True)[:, :h]
        worth = gain.gather(1, order).sum(dim=1)
        better = worth > value + 1e-12
        chosen = torch.zeros_like(best).scatter_(1, order, 1)
        best = torch.where(better[:, None], chosen, best)
        value = torch.where(better, worth, value)
    return best


@dataclass(frozen=True)
class SetObjective(Objective):
    """Objective over [label logits | size logits]; `positive` is [membership | size distribution] times weight.

    - log P(Y) of the logistic model with a cardinality potential, P(Y) ~ exp(sum of z over Y + u_|Y|) (Tarlow,
    Swersky, Zemel, Adams & Frey 2012): plain logistic regressions where u is 0.
    """

    labels: int = 0

    @classmethod
    def of(cls, membership: Tensor, weights: Tensor, most: int) -> "SetObjective":
        """From membership [N, C] in 0..1 and weights [N, 1], for sets of up to `most` labels."""
        sizes = size_distribution(membership, most)
        return cls(torch.cat([membership, sizes], dim=1) * weights, None, membership.shape[1])

    @cached_property
    def total(self) -> float:
        """The rows' summed weight."""
        return float(self.positive[:, self.labels :].sum())

    def pseudo_row(self) -> Self:
        """A row of average weight at the average image: every size as likely, every label as likely."""
        most = self.positive.shape[1] - self.labels - 1
        mass = self.total / len(self.positive)
        labels = self.positive.new_full((1, self.labels), mass * most / (2 * self.labels))
        sizes = self.positive.new_full((1, most + 1), mass / (most + 1))
        return dataclasses.replace(self, positive=torch.cat([labels, sizes], dim=1))

    def intercept(self) -> Tensor:
        """Logits of the mean membership, with the pseudo row; no potentials."""
        even = self.pseudo_row()
        mean = (self.positive.sum(dim=0) + even.positive[0]) / (self.total + even.total)
        return torch.cat([mean[: self.labels].clamp(1e-6, 1 - 1e-6).logit(), torch.zeros_like(mean[self.labels :])])

    def centred(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """As they are: label and size logits are tied to each other."""
        return weight, bias

    def loss(self, logits: Tensor) -> Tensor:
        """Summed loss of [label logits | size logits], [N, C + K + 1]."""
        parts = zip(torch.split(self.positive, _CHUNK), torch.split(logits, _CHUNK), strict=True)
        return torch.stack([self._loss(target, logits_here) for target, logits_here in parts]).sum()

    def gradient(self, logits: Tensor) -> Tensor:
        """Derivative of the summed loss by the logits, but for the potentials of sizes 0 and 1, which stay at 0.

        A constant in z and a slope in u would cancel.
        """
        out = torch.empty_like(logits)
        parts = zip(*(torch.split(x, _CHUNK) for x in (self.positive, logits, out)), strict=True)
        for target, logits_here, into in parts:
            with torch.enable_grad():
                z = logits_here.detach().requires_grad_()
                into.copy_(torch.autograd.grad(self._loss(target, z), z)[0])
        out[:, self.labels : self.labels + 2] = 0
        return out

    def sums(self, logits: Tensor) -> Sums:
        """See Objective.sums; slopes' products are the curvatures of a log likelihood in the mean (Fisher)."""
        slope, weight = self.gradient(logits), self.positive[:, self.labels :].sum(dim=1, keepdim=True)
        return Sums(self.loss(logits)[None], slope, slope.T @ (slope / weight.clamp(min=1e-30)))

    def _loss(self, positive: Tensor, logits: Tensor) -> Tensor:
        inside, sizes = positive[:, : self.labels], positive[:, self.labels :]
        z, u = logits[:, : self.labels], logits[:, self.labels :]
        possible = (u + log_symmetric(z, u.shape[1] - 1)).logsumexp(dim=1)
        return (sizes.sum(dim=1) * possible).sum() - (inside * z).sum() - (sizes * u).sum()


@dataclasses.dataclass(frozen=True)
class TopKConfig(HeadConfig):
    """k: how many labels to answer with; None lets the head decide for each image.

    l2: None chooses it on rows kept out.
    """

    k: PositiveInt | None = None
    l2: NonNegativeFloat | None = None


class SetHead(Head):
    """A head that learns label sets, one weight per row, and decides its sets itself: no thresholds cut its scores."""

    scores_of = "sets"

    @property
    def predicts_sets(self) -> bool:
        """True once fitted."""
        return bool(self._state)

    def from_material(self, material: Material) -> dict[str, Any]:
        """Sets in place of shares."""
        sets, val_sets = material.sets()
        return super().from_material(material) | {"targets": sets, "val": (material.val[0], val_sets)}

    def tune_thresholds(self, X: Features, sets: ArrayLike) -> Self:
        """Raises BadInput: this head decides its sets itself."""
        raise BadInput(
            f"{self.described()} decides its sets itself and has no thresholds: call predict_sets(X) right away"
        )

    def keep_promise(self, *args: Any, **options: Any) -> Self:
        """Raises BadInput: there is no cut by which a promise could be kept."""
        raise BadInput(f"{self.described()} decides its sets otherwise: promises are kept by heads that cut rates")

    def _per_cell(self) -> bool:
        return False


class TopKHead(SetHead, name="topk", learns=("rates", "sets")):
    """A linear model of label sets: how many labels (sizes), then which (logits), fitted together.

    Targets: sets as 0/1 [N, C], or each label's chance to be in the set (P(rate >= tau | votes), say); weights: [N].
    It needs no thresholds: `predict_sets` is the set of the highest expected F1 under the model, or exactly
    `config.k` labels. `scores` are each label's chance to be in the set. An image's set may be empty.

    Options: TopKConfig. Source: the logistic model with a cardinality potential (Tarlow, Swersky, Zemel, Adams & Frey
    2012), answered by the highest expected F1 (Dembczynski, Waegeman, Cheng & Huellermeier 2011). No set is larger than
    the largest in training; rows with exactly one label each are refused. One row needs `l2` or `val`.
    """

    says = "predicts sets"
    refusals: ClassVar[Mapping[Task, str]] = {
        "single-positive": "learns how many labels an image has, which single labels do not tell"
    }
    config_class = TopKConfig
    config: TopKConfig

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """L2 is chosen on `val`, else by 5-fold cross-validation."""
        c, inside = self.config, rows.targets
        if c.k is not None and c.k > inside.shape[1]:
            raise BadInput(f"k: {c.k} labels asked for, but there are {inside.shape[1]}; choose a smaller k")
        if c.l2 is None:
            rows.need(2, "give val, or l2")
        # sizes cut short would contradict the labels that make them
        most = max(1, int((inside > 0)[rows.mass[:, 0] > 0].sum(dim=1).max()))
        held = None if rows.val is None else (rows.val[0], SetObjective.of(rows.val[1], alike(len(rows.val[0])), most))
        objective = SetObjective.of(inside, rows.mass, most)
        fitted, chosen = fit_linear(rows.X, objective, l2=c.l2, val=held, generator=generator)
        self._state = {**fitted, "labels": torch.tensor(inside.shape[1])}
        self.report_ = {
            "rows": len(rows.X),
            "prevalence": rows.prevalence,
            "sizes": weighted_mean(size_distribution(inside, most), rows.mass).tolist(),
            **chosen,
        }

    def scores(self, X: Features) -> Tensor:
        """Each label's chance to be in the image's set, [N, C] float64: rates of images, not of people."""
        return joint(*self._logits(X)).sum(dim=2).clamp(0, 1)

    def predict_sets(self, X: Features, k: int | None = None, *, levels: Array | None = None) -> Tensor:
        """Label sets as 0/1 int64 [N, C]: the k likeliest labels, or the set of the highest expected F1.

        k: None takes `config.k`. levels: not used, as this head makes no promise. Raises BadInput for k below 1 or
        above the number of labels.
        """
        k = k if k is not None else self.config.k
        logits, size_logits = self._logits(X)
        together = joint(logits, size_logits)
        if k is None:
            return best_sets(together, size_logits.softmax(dim=1)[:, 0])
        if not 1 <= k <= logits.shape[1]:
            raise BadInput(f"k: expected 1 to {logits.shape[1]} labels, got {k}")
        order = together.sum(dim=2).argsort(dim=1, descending=True, stable=True)[:, :k]
        return torch.zeros(logits.shape, dtype=torch.int64).scatter_(1, order, 1)

    def _logits(self, X: Features) -> tuple[Tensor, Tensor]:
        state = self._fitted()
        features = as_features(X, state["weight"].shape[0]).double()
        both = torch.addmm(state["bias"], features, state["weight"])
        labels = int(state["labels"])
        logits, sizes = both[:, :labels], both[:, labels:]
        return logits, sizes + log_symmetric(logits, sizes.shape[1] - 1)

    def _checked(self, targets: ArrayLike, rows: int, columns: int | None, name: str) -> Tensor:
        """Sets or rates; BadInput where every row has exactly one label, as there are no set sizes to learn then."""
        inside = super()._checked(targets, rows, columns, name)
        if len(inside) > 1 and bool(((inside == 0) | (inside == 1)).all()) and bool((inside.sum(dim=1) == 1).all()):
            raise BadInput(
                f"{name}: every row has exactly one label, so there are no set sizes to learn: take SoftmaxHead, "
                "whose scores rank the labels"
            )
        return inside

    def _state_keys(self) -> tuple[str, ...]:
        return ("weight", "bias", "labels")
