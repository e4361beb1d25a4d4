"""A run as one torch module: features or pixels in, what the run predicts out."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from affectml.encoders import Encoder
from affectml.encoders.identity import spoken
from affectml.errors import BadRun
from affectml.heads import Head
from affectml.heads.inputs import traced


class HeadModule(torch.nn.Module):
    """scores [N, C] float32 and, where the head cuts sets, sets [N, C] int64, from features [N, D] float32.

    scores are the rates where the head predicts those, else the distribution.
    """

    def __init__(self, head: Head, *, rates: bool) -> None:
        super().__init__()
        self._head = head
        self._rates = rates
        cuts = head.thresholds_ is not None or head.promise_ is not None
        self.outputs = ("scores", "sets") if cuts else ("scores",)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """The head's own arithmetic, without its checks of the input's values."""
        head = self._head
        with traced():
            scores = head.predict_rates(features) if self._rates else head.scores(features)
            if len(self.outputs) == 1:
                return (scores.float(),)
            return scores.float(), (head._above_cut(head._set_scores(features)) >= 0).long()


class WholeModule(torch.nn.Module):
    """The same from preprocessed pixels [N, 3, H, W]: the encoder's image tower, then the head."""

    def __init__(self, encoder: Encoder, head: HeadModule, *, normalised: bool) -> None:
        super().__init__()
        if encoder.identity.precision not in ("auto", "fp32"):
            raise BadRun(
                f"one graph of encoder and head needs fp32 embeddings, and this run's are "
                f"{spoken(encoder.identity.precision)}: export the head alone"
            )
        self._tower = encoder.image_tower
        self._head = head
        self._normalised = normalised
        self.outputs = head.outputs

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Embed, round as stores do, predict."""
        features = self._tower.encode_image(pixels)
        if self._normalised:
            features = normalize(features, dim=-1)
        out: tuple[Tensor, ...] = self._head(features.half().float())
        return out
