"""What stands beside every model: the prior, the same for every image, and zero-shot, the encoder's own texts."""

import dataclasses
from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat
from torch import Tensor
from torch.nn.functional import normalize

from affectml._progress import Say
from affectml.errors import BadInput
from affectml.heads.base import Head
from affectml.heads.config import TASKS, HeadConfig, Wanted
from affectml.heads.inputs import (
    ArrayLike,
    Features,
    Material,
    Rows,
    alike,
    as_features,
    as_matrix,
    feature_parts,
    is_distribution,
    on_disk,
)


class PriorHead(Head, name="prior"):
    """Predicts the training set's label shares for every row, whatever its features.

    Half a case for and half against is added to each label (Jeffreys' prior), so that a label nobody chose
    has a finite log loss; where every target row sums to one (one label, or a distribution) half a case is
    added to each label and the shares sum to one. One row is enough. It has no options.
    """

    reads_blocks = True
    says = "learns nothing of the images and stands in every report anyway"

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        mass = rows.mass.expand_as(rows.targets)
        mass = mass / mass.mean()
        chosen = (mass * rows.targets).sum(dim=0) + 0.5
        asked = chosen.sum() if is_distribution(rows.targets) else mass.sum(dim=0) + 1
        self._state = {"shares": chosen / asked, "features": torch.tensor(rows.X.shape[1])}
        self.report_ = {"prevalence": rows.prevalence}

    def scores(self, X: Features) -> Tensor:
        """The label shares, once per row: [N, C]."""
        state, rows = self._fitted(), on_disk(X, "X")  # what is on disk need not be read for this
        return state["shares"].repeat(len(as_features(X, int(state["features"])) if rows is None else rows), 1)

    def predict_rates(self, X: Features) -> Tensor:
        """The label shares, [N, C]."""
        return self.scores(X)

    def predict_distribution(self, X: Features) -> Tensor:
        """The label shares, scaled to sum to one: [N, C]."""
        scores = self.scores(X)
        return scores / scores.sum(dim=1, keepdim=True)

    def _state_keys(self) -> tuple[str, ...]:
        return ("shares", "features")


class TextHead(Head):
    """A head that can be asked for labels it has never seen.

    texts: [C, T], one row per label (mean of its prompts' features, say), for `scores` without texts of its own; rows
    need not have length one. None: only `scores(X, texts)` works, as for weights that come without texts. Scores are
    distributions over texts, whatever the head learned.
    """

    scores_of = "texts"

    def __init__(self, texts: ArrayLike | None, **options: Any) -> None:
        super().__init__(**options)
        self._given_texts = texts
        self.texts = None if texts is None else as_matrix(texts, "texts", torch.float64)

    @property
    def lacks_texts(self) -> bool:
        """See Head.lacks_texts."""
        return self.texts is None

    def from_material(self, material: Material) -> dict[str, Any]:
        """Texts beside shares."""
        return {**super().from_material(material), **material.texts()}

    @abstractmethod
    def scores(self, X: Features, texts: ArrayLike | None = None) -> Tensor:
        """Softmax over the labels, [N, C]; with `texts` [K, T], over the labels that those stand for, [N, K]."""

    def predict_distribution(self, X: Features) -> Tensor:
        """The scores, which sum to one: [N, C]."""
        return self.scores(X)

    def _arguments(self) -> dict[str, Any]:
        return {"texts": self._given_texts}

    def _checked(self, targets: ArrayLike, rows: int, columns: int | None, name: str) -> Tensor:
        labels = columns if self.texts is None else len(self.texts)
        return super()._checked(targets, rows, labels, name)


@dataclasses.dataclass(frozen=True)
class ZeroShotConfig(HeadConfig):
    """logit_scale: what the encoder multiplies cosines by before its softmax; 100 for OpenAI's CLIP."""

    logit_scale: PositiveFloat = 100.0


class ZeroShotHead(TextHead, name="zero_shot", learns=TASKS):
    """Softmax of the scaled cosines between image features and one text feature per label (Radford et al. 2021).

    texts: [C, D], as TextHead says. Scores need no `fit`. Rates do: `fit` learns, for each label, a slope and an
    intercept on validation rows (Platt 1999), as cosines say how labels compare within an image and not how many
    people would choose one. Targets: rates or 0/1, [N, C]; weights: [N] or [N, C], of X's rows, so refused with `val`.

    Options: ZeroShotConfig. An image or a text of zeros has the cosine 0 to everything. Rates of labels that nobody or
    everybody chose stay inside 0 and 1. One row is enough.
    """

    reads_blocks = True
    config_class = ZeroShotConfig
    config: ZeroShotConfig
    texts: Tensor

    @classmethod
    def decided(cls, wanted: Wanted) -> dict[str, Any]:
        """The encoder's own scale."""
        return {"logit_scale": wanted.logit_scale or ZeroShotConfig.logit_scale}

    def learn(self, material: Material, say: Say = lambda line: None) -> Self:
        """See Head.learn; only rates have something to be calibrated by."""
        return super().learn(material, say) if material.kind in ("rates", "sets") else self

    def from_material(self, material: Material) -> dict[str, Any]:
        """Validation images alone, whose texts are there."""
        X, shares = material.val
        return {"X": X, "targets": shares}

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """Calibrate rates on `val`, else on the rows themselves: pass validation rows then."""
        if rows.val is not None and rows.weights is not None:
            raise BadInput("weights: a zero-shot head is calibrated on val alone, whose rows have no weights")
        X, shares = (rows.X, rows.targets) if rows.val is None else rows.val
        logits = self._logits(X if isinstance(X, Tensor) else X.raw())
        mass = (rows.mass if rows.val is None else alike(len(X))).expand_as(shares)
        slope, intercept = _platt(logits.numpy(), shares.numpy(), (mass / mass.mean()).numpy())
        self._state = {"slope": torch.from_numpy(slope), "intercept": torch.from_numpy(intercept)}
        self.report_ = {"rows": len(logits), "prevalence": shares.mean(dim=0).tolist()}

    def scores(self, X: Features, texts: ArrayLike | None = None) -> Tensor:
        """Softmax over the labels of the scaled cosines, [N, C]; with `texts` [K, D], over those, [N, K]."""
        return self._logits(X, texts).softmax(dim=1)

    def predict_rates(self, X: Features) -> Tensor:
        """Calibrated rates, [N, C]; raises BadInput before `fit`."""
        state = self._fitted()
        return (self._logits(X) * state["slope"] + state["intercept"]).sigmoid()

    @classmethod
    def from_saved(cls, config: dict[str, Any], report: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The head that `save` wrote; see Head.from_saved."""
        head = cls._read(config, texts=tensors.pop("texts"))
        if set(tensors) - {"thresholds"}:
            return head._restored(report, tensors)
        head.thresholds_, head.report_ = tensors.pop("thresholds", None), report
        return head

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        return dataclasses.replace(super().__sklearn_tags__(), requires_fit=False)

    def _logits(self, X: Features, texts: ArrayLike | None = None) -> Tensor:
        rows = self.texts if texts is None else as_matrix(texts, "texts", torch.float64)
        if rows.shape[1] != self.texts.shape[1]:
            raise BadInput(f"texts: {rows.shape[1]} features per row, expected {self.texts.shape[1]}")
        unit, scale = normalize(rows).T, self.config.logit_scale
        parts = feature_parts(X, rows.shape[1])
        return torch.cat([scale * (normalize(part.double()) @ unit) for part in parts])

    def _state_keys(self) -> tuple[str, ...]:
        return ("slope", "intercept")

    def _saved(self) -> dict[str, Tensor]:
        return {"texts": self.texts, **self._state}

    def _set_scores(self, X: Features) -> Tensor:
        return self.predict_rates(X) if self._state else self.scores(X)


def _platt(
    logits: NDArray[np.float64], rates: NDArray[np.float64], mass: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slope and intercept [C] of each label's own logistic regression on its own logit.

    One pseudo-case at the mean logit, half for and half against, and a penalty worth one case on the slope
    of the standardised logit keep labels without positives finite.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    centre, spread = logits.mean(axis=0), logits.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    z = (logits - centre) / spread
    labels = z.shape[1]

    def value_and_gradient(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        a, b = parameters[:labels], parameters[labels:]
        margin = a * z + b
        loss = (mass * (np.logaddexp(0, margin) - rates * margin)).sum() + (np.logaddexp(0, b) - b / 2).sum()
        residual = mass * (expit(margin) - rates)
        gradient = np.concatenate([(residual * z).sum(axis=0) + a, residual.sum(axis=0) + expit(b) - 0.5])
        return float(loss + (a**2).sum() / 2) / len(z), gradient / len(z)

    options = {"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-8}
    start = np.zeros(2 * labels)
    optimum = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options).x
    slope = optimum[:labels] / spread
    return slope, optimum[labels:] - slope * centre
