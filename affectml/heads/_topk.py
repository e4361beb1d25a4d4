"""Top-k head: ranks the labels, estimates how many apply, and answers with the set that it expects to score best."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads._linear import fit_linear
from affectml.heads._material import Material
from affectml.heads._set_model import SetObjective, best_sets, joint, log_symmetric, size_distribution
from affectml.heads.base import Head
from affectml.heads.config import HeadConfig, Task
from affectml.heads.inputs import ArrayLike, Features, Rows, alike, as_features
from affectml.heads.promise import Array


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


class TopKHead(SetHead, name="topk", learns=("rates", "sets"), takes=("k",)):
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
        most = max(1, int((inside > 0).sum(dim=1).max()))  # sizes cut short would contradict the labels that make them
        held = None
        if rows.val is not None:
            held = (rows.val[0], SetObjective.of(rows.val[1], alike(len(rows.val[0])), most))
        objective = SetObjective.of(inside, rows.mass, most)
        fitted, chosen = fit_linear(rows.X, objective, l2=c.l2, val=held, generator=generator)
        self._state = {**fitted, "labels": torch.tensor(inside.shape[1])}
        self.report_ = {
            "rows": len(rows.X),
            "prevalence": inside.mean(dim=0).tolist(),
            "sizes": size_distribution(inside, most).mean(dim=0).tolist(),
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
