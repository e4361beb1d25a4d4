"""A run's image tower in fp32 and its head behind it: from pixels to rates."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from affectml.encoders import Encoder

BATCH = 64  # images that pass the tower at once
Rates = Callable[[Tensor], Tensor]  # features [N, D] -> each label's rate or share, [N, C]


class Tower:
    """An encoder's image tower in fp32, whatever it embeds in, so that small changes of an image show.

    visual: open_clip's module. normalised: whether features are divided by their norm, as the head wants them.
    """

    def __init__(self, model: Any, *, normalised: bool, device: str = "cpu") -> None:
        visual = model.visual
        if any(parameter.dtype != torch.float32 for parameter in visual.parameters()):
            model = copy.copy(model)
            model._modules = dict(model._modules)
            visual = model._modules["visual"] = copy.deepcopy(visual).float()
        self.visual, self.normalised = visual, normalised
        self._model, self._device = model, device

    @classmethod
    def of(cls, encoder: Encoder, *, normalised: bool) -> "Tower":
        """The tower of a loaded encoder."""
        return cls(encoder.image_tower, normalised=normalised, device=encoder.device)

    def features(self, pixels: Tensor) -> Tensor:
        """Features [N, D], float32 on the CPU, of preprocessed pixels [N, 3, H, W]."""
        with torch.inference_mode():
            parts = [self._model.encode_image(part.to(self._device)) for part in torch.split(pixels, BATCH)]
            rows = torch.cat(parts)
            return (normalize(rows, dim=-1) if self.normalised else rows).cpu()


def log_odds(rates: Tensor) -> Tensor:
    """log(p / (1 - p)) of rates or shares, float64, which must be at least 1e-9 away from 0 and 1 to count."""
    return rates.double().clamp(1e-9, 1 - 1e-9).logit()
