"""Contrastive head (CLIP-E contrastive): images are moved into the text tower's space, texts stay where they are.

It learns from pairs of an image and a text. The texts of labels that nobody trained on lie in that space too, so the
head scores any list of labels.
"""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Self, cast

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import normalize

from affectml.errors import BadInput
from affectml.heads.baselines import TextHead, ZeroShotHead
from affectml.heads.blocks import Blocks
from affectml.heads.config import MOST_HIDDEN, TASKS, HeadConfig
from affectml.heads.hidden import LAYERS, AdamW, folded, forward, glorot_uniform
from affectml.heads.inputs import ArrayLike, Features, Rows, as_matrix, feature_parts, is_distribution
from affectml.heads.linear import Standardiser, folds

_CALIBRATED = ("slope", "intercept")  # tensors of a head that learned rates


def contrastive_loss(
    images: Tensor, texts: Tensor, *, temperature: float = 0.075, weights: Tensor | None = None
) -> Tensor:
    """Symmetric contrastive loss with soft targets, one value per pair: [B].

    With I and T the unit rows and t the temperature, the logits are T I' / t and the targets softmax((T T' + I I') /
    2t) by rows: the more alike two pairs are, the less they count as wrong. Half the cross-entropy of the rows, half
    that of the columns against the transposed targets (which need not sum to one). Gradients reach the targets too.
    Source: Bustos et al. 2023 (CLIP-E), as in the authors' notebook.

    Args:
        images: [B, D]; row i is pair i; rows need not have length one.
        texts: [B, D], likewise.
        temperature: what cosines are divided by, above 0.
        weights: [B]; a pair of weight 2 is a pair that stands in the batch twice. The batch's loss is then the weighted
            mean of the values.

    Returns:
        [B], at least 0.

    >>> import torch
    >>> eye = torch.eye(2)
    >>> contrastive_loss(eye, eye, temperature=1.0)
    tensor([0.5822, 0.5822])
    """
    pictures, words = normalize(images), normalize(texts)
    logits = words @ pictures.T / temperature
    likeness = (words @ words.T + pictures @ pictures.T) / (2 * temperature)
    weights = torch.ones(len(images), dtype=logits.dtype) if weights is None else weights
    copies = weights.log()
    targets = (likeness + copies).softmax(dim=1)  # of all copies of a pair together
    by_text = -(targets * (logits - (logits + copies).logsumexp(dim=1, keepdim=True))).sum(dim=1)
    among = logits.T - (logits.T + copies).logsumexp(dim=1, keepdim=True)
    # one copy's column: its share of the target, from every copy of every row
    by_image = -(targets.T / weights[:, None] * weights * among).sum(dim=1)
    return (by_text + by_image) / 2


class Pairs:
    """All pairs of N images: each with its labels' prompts, weighed by the label's part of the row.

    shares: [N, C]. mass: [N]. prompts: for each label its texts [K, T], perhaps none. most: how many labels of an image
    are drawn.
    """

    def __init__(self, shares: Tensor, mass: Tensor, prompts: Sequence[Tensor], most: int) -> None:
        self._most = most
        self._counts = torch.tensor([len(texts) for texts in prompts])
        self._prompts, self._starts = normalize(torch.cat(list(prompts))), self._counts.cumsum(0) - self._counts
        usable = shares * (self._counts > 0)
        total = usable.sum(dim=1, keepdim=True)
        self._parts = (usable / total.clamp(min=1e-12) * mass[:, None]).float()
        if not (self._parts > 0).any():
            raise BadInput("targets: no image has a label with a text, so there is nothing to learn")

    def draw(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The pairs of these images, each label's prompt drawn at random: image [B], text [B, T] and weight [B].

        Of an image with more labels than `most`, only `most` are drawn, in proportion to their parts: a batch's work
        grows with the square of its pairs.
        """
        parts = self._parts[rows]
        many = (parts > 0).sum(dim=1) > self._most
        if many.any():
            drawn = torch.multinomial(parts[many], self._most, replacement=True, generator=generator)
            times = torch.zeros_like(parts[many]).scatter_add_(1, drawn, torch.ones(drawn.shape))
            parts = parts.clone()
            parts[many] = times * (parts[many].sum(dim=1, keepdim=True) / self._most)
        image, label = (parts > 0).nonzero(as_tuple=True)
        pick = (torch.rand(len(label), generator=generator) * self._counts[label]).long()
        return image, self._prompts[self._starts[label] + pick], parts[image, label]


@dataclasses.dataclass(frozen=True)
class ContrastiveConfig(HeadConfig):
    """The authors' shape and temperature (Bustos et al. 2023); the other defaults are ours.

    hidden: units of the hidden layer. temperature: what cosines are divided by in the loss; lower parts labels of
    similar meaning more sharply. positives: labels of one image that enter one batch; more of them is slower.
    The rest is AdamW's and early stopping's.
    """

    hidden: Annotated[int, Field(ge=1, le=MOST_HIDDEN)] = 512
    temperature: PositiveFloat = 0.075
    positives: PositiveInt = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: NonNegativeFloat = 0.01
    learning_rate: PositiveFloat = 1e-3
    batch_size: PositiveInt = 256
    max_epochs: PositiveInt = 100
    patience: PositiveInt = 10


class ContrastiveHead(TextHead, name="contrastive", learns=TASKS):
    """Image features -> Dense relu -> Dense linear, compared with text features by cosine (Bustos et al. 2023).

    Each label of an image makes a pair of the image and one of the label's texts, weighed by the label's part of the
    row; an image with several labels has several pairs in its batch. A row of zeros makes none. `val`, else a fifth of
    the rows, which is not fitted on, chooses the epoch and calibrates rates, or the sharpness of the distribution.
    `fit` also takes prompts: for each label the texts to learn from, [K, T] each, drawn anew for every pair; None
    learns from `texts`.

    Options: ContrastiveConfig. A label without a text of its own to learn from is still scored by `texts`; where no
    image has a label with a text, `fit` says so. One row needs `val`.
    """

    reads_blocks = True
    config_class = ContrastiveConfig
    config: ContrastiveConfig

    def _fit(self, rows: Rows, generator: torch.Generator, prompts: Sequence[ArrayLike] | None = None) -> None:
        texts = cast("Tensor", self.texts)  # see _checked
        labels, columns = texts.shape
        bank = [
            as_matrix(part, f"prompts of label {c}", torch.float32) if len(part) else torch.empty(0, columns)
            for c, part in enumerate(torch.split(texts, 1) if prompts is None else prompts)
        ]
        if [part.shape[1] for part in bank] != [columns] * labels:
            raise BadInput(f"prompts: expected texts of {labels} labels with {columns} features each")
        features, shares, mass = cast("Tensor | Blocks", rows.X), rows.targets, rows.mass[:, 0]
        held: Tensor | Blocks
        kept = torch.arange(len(features))
        if rows.val is not None:
            held, held_shares = rows.val
        else:
            rows.need(2, "give val")
            kept, left_out = folds(shares, 5, generator)[0]
            held, held_shares = features[left_out], shares[left_out]
        pairs = Pairs(shares[kept], mass[kept], bank, self.config.positives)
        standard = Standardiser.of(features[kept])
        table, judged = standard.apply(features[kept], torch.float32), standard.apply(held, torch.float32)
        layers, epochs, curve = self._learn(table, pairs, texts, (judged, held_shares), generator)
        self._state = folded(standard, layers)
        # sharpness of the distribution on rows kept out and, where it learned rates, each label's rate
        projected = self.project(held if isinstance(held, Tensor) else held.raw())
        scale = _sharpness(projected @ normalize(texts).T, held_shares)
        self._state["scale"] = torch.tensor(scale, dtype=torch.float64)
        if not is_distribution(shares):
            self._state |= self._match().fit(projected, held_shares)._state
        self.report_ = {
            "rows": len(kept),
            "prevalence": shares[kept].mean(dim=0).tolist(),
            "prompts": [len(part) for part in bank],
            "epochs": epochs,
            "held_out_loss": curve[epochs - 1],
            "held_out_curve": curve,
            "scale": scale,
        }

    def _checked(self, targets: ArrayLike, rows: int, columns: int | None, name: str) -> Tensor:
        if self.texts is None:
            raise BadInput("this contrastive head has no label texts to learn from: ContrastiveHead(texts)")
        return super()._checked(targets, rows, columns, name)

    def _per_cell(self) -> bool:
        return False

    def project(self, X: Features) -> Tensor:
        """Where the images lie in the text space: unit rows [N, T], float64."""
        return self._asked(X, lambda places: places)

    def _asked(self, X: Features, ask: Callable[[Tensor], Tensor]) -> Tensor:
        """What is asked of where the images lie, some images at a time: places take more memory than answers."""
        layers = [self._fitted()[key] for key in LAYERS]
        parts = feature_parts(X, layers[0].shape[1])
        return torch.cat([ask(normalize(forward(part.double(), layers))) for part in parts])

    def scores(self, X: Features, texts: ArrayLike | None = None) -> Tensor:
        """Softmax over the labels of the sharpened cosines, [N, C]; with `texts` [K, T], over those, [N, K]."""
        if texts is None:
            return self._asked(X, self._match().scores)
        return self._asked(X, ZeroShotHead(texts, logit_scale=float(self._fitted()["scale"])).scores)

    def predict_rates(self, X: Features) -> Tensor:
        """Rates [N, C], calibrated label by label on validation rows; BadInput after a fit on one answer each."""
        matcher = self._match()
        if not matcher._state:
            raise BadInput(
                "this contrastive head learned from one answer per image, so it knows no rates: "
                "call predict_distribution"
            )
        return self._asked(X, matcher.predict_rates)

    @classmethod
    def from_saved(cls, config: dict[str, Any], report: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The head that `save` wrote, or one of given weights.

        These are weight1 [H, D], bias1 [H], weight2 [T, H], bias2 [T], scale [], and perhaps texts.
        """
        head = cls._read(config, texts=tensors.pop("texts", None))
        calibrated = {key: tensors.pop(key) for key in _CALIBRATED if key in tensors}
        head._restored(report, tensors)
        head._state |= calibrated
        return head

    def _match(self) -> ZeroShotHead:
        """Its own labels, to be compared with where images lie; with rates once it has been calibrated."""
        state = self._fitted()
        if self.texts is None:
            raise BadInput(
                "this contrastive head has no label texts of its own: call scores(X, texts) with the text features of "
                f"the labels to choose among, [K, {len(state['bias2'])}]"
            )
        matcher = ZeroShotHead(self.texts, logit_scale=float(state["scale"]))
        matcher._state = {key: state[key] for key in _CALIBRATED if key in state}
        return matcher

    def _learn(
        self,
        features: Tensor | Blocks,
        pairs: Pairs,
        texts: Tensor,
        held: tuple[Tensor | Blocks, Tensor],
        generator: torch.Generator,
    ) -> tuple[Sequence[Tensor], int, list[float]]:
        """Layers of the epoch with the lowest held-out cross-entropy, that epoch, and the loss of every epoch."""
        c = self.config
        columns, texts = texts.shape[1], normalize(texts)
        layers = (
            glorot_uniform(c.hidden, features.shape[1], generator).requires_grad_(),
            torch.zeros(c.hidden, requires_grad=True),
            glorot_uniform(columns, c.hidden, generator).requires_grad_(),
            torch.zeros(columns, requires_grad=True),
        )
        decays = [((layers[0], layers[2]), c.weight_decay), ((layers[1], layers[3]), 0.0)]
        optimiser = AdamW(decays, c.learning_rate)
        best, best_loss, best_epoch = copy.deepcopy(layers), math.inf, 0
        curve: list[float] = []
        for epoch in range(1, c.max_epochs + 1):
            for rows, batch_features in _epoch(features, c.batch_size, generator):
                image, text, weight = pairs.draw(rows, generator)
                if len(weight) < 2:
                    continue
                hidden = torch.relu(torch.nn.functional.linear(batch_features, layers[0], layers[1]))
                if c.dropout:
                    keep = torch.rand(hidden.shape, generator=generator) >= c.dropout
                    hidden = hidden * keep / (1 - c.dropout)
                images = torch.nn.functional.linear(hidden, layers[2], layers[3])[image]
                losses = contrastive_loss(images, text, temperature=c.temperature, weights=weight)
                loss = (losses * weight).sum() / weight.sum()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            with torch.no_grad():
                parts = held[0].parts() if isinstance(held[0], Blocks) else [(None, held[0])]
                cosines = torch.cat([normalize(forward(part, layers).double()) @ texts.T for _, part in parts])
                held_out = _cross_entropy(cosines, held[1], _sharpness(cosines, held[1]))
            curve.append(held_out)
            if held_out < best_loss:
                best, best_loss, best_epoch = copy.deepcopy(layers), held_out, epoch
            elif epoch - best_epoch >= c.patience:
                break
        return [part.detach() for part in best], best_epoch, curve

    def _state_keys(self) -> tuple[str, ...]:
        return (*LAYERS, "scale")

    def _saved(self) -> dict[str, Tensor]:
        return {**({} if self.texts is None else {"texts": self.texts}), **self._fitted()}

    def _set_scores(self, X: Features) -> Tensor:
        return self._asked(X, self._match()._set_scores)


def _epoch(features: Tensor | Blocks, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Every row once, in batches: row numbers [B] and features [B, D]."""
    if isinstance(features, Blocks):
        yield from features.epoch(batch_size, generator)
        return
    for rows in torch.split(torch.randperm(len(features), generator=generator), batch_size):
        yield rows, features[rows]


def _sharpness(cosines: Tensor, shares: Tensor) -> float:
    """The factor on cosines [N, C] before a softmax that fits shares [N, C] best, by cross-entropy, in [1, 1000]."""
    from scipy.optimize import minimize_scalar

    optimum = minimize_scalar(
        lambda log: _cross_entropy(cosines, shares, math.exp(log)),
        bounds=(0.0, math.log(1000.0)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return math.exp(float(optimum.x))


def _cross_entropy(cosines: Tensor, shares: Tensor, scale: float) -> float:
    """Mean soft cross-entropy of the labels' parts of each row; rows without any label say nothing."""
    chosen = shares.sum(dim=1) > 0
    parts = shares[chosen] / shares[chosen].sum(dim=1, keepdim=True)
    if not len(parts):
        return math.inf
    return float(-(parts * (scale * cosines[chosen]).log_softmax(dim=1)).sum(dim=1).mean())
