"""Zero-shot: the encoder's own text tower as a head; nothing is trained but, on request, its calibration."""

import dataclasses
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat
from torch import Tensor
from torch.nn.functional import normalize

from affectml._progress import Say
from affectml.errors import BadInput
from affectml.heads._material import Material
from affectml.heads._texts import TextHead
from affectml.heads.config import TASKS, HeadConfig, Wanted
from affectml.heads.inputs import ArrayLike, Features, Rows, alike, as_matrix, feature_parts

_CHUNK = 65_536  # rows per matrix product


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
        head = cls(tensors.pop("texts"), ZeroShotConfig.from_saved(config))
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
        parts = feature_parts(X, rows.shape[1], _CHUNK)
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
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options).x
    slope = found[:labels] / spread
    return slope, found[labels:] - slope * centre
