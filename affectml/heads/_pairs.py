"""What a contrastive head learns from: pairs of an image and a text, and the loss of a batch of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from affectml.errors import BadInput
from affectml.heads.inputs import ArrayLike, as_matrix


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
    if weights is None:
        targets = likeness.softmax(dim=1)
        by_text = -(targets * logits.log_softmax(dim=1)).sum(dim=1)
        by_image = -(targets.T * logits.T.log_softmax(dim=1)).sum(dim=1)
        return (by_text + by_image) / 2
    copies = weights.log()
    targets = (likeness + copies).softmax(dim=1)  # of all copies of a pair together
    by_text = -(targets * (logits - (logits + copies).logsumexp(dim=1, keepdim=True))).sum(dim=1)
    among = logits.T - (logits.T + copies).logsumexp(dim=1, keepdim=True)
    # one copy's column: its share of the target, from every copy of every row
    by_image = -(targets.T / weights[:, None] * weights * among).sum(dim=1)
    return (by_text + by_image) / 2


@dataclass(frozen=True)
class PromptBank:
    """The texts of each label as one table: rows [P, T] float32 of unit length, counts [C], starts [C]."""

    rows: Tensor
    counts: Tensor
    starts: Tensor

    @classmethod
    def of(cls, texts: Sequence[ArrayLike], columns: int) -> "PromptBank":
        """From one [K, T] array per label; a label may have none."""
        parts = [as_matrix(part, f"prompts of label {c}", torch.float32) for c, part in enumerate(texts) if len(part)]
        for part in parts:
            if part.shape[1] != columns:
                raise BadInput(f"prompts: {part.shape[1]} features per text, expected {columns}")
        counts = torch.tensor([len(part) for part in texts])
        rows = normalize(torch.cat(parts)) if parts else torch.empty(0, columns)
        return cls(rows, counts, counts.cumsum(0) - counts)


@dataclass(frozen=True)
class Batch:
    """Pairs: image [B] is a row among the batch's images, text [B, T], weight [B]."""

    image: Tensor
    text: Tensor
    weight: Tensor


class Pairs:
    """All pairs of N images: each with its labels' prompts, weighed by the label's part of the row, and its caption."""

    def __init__(self, shares: Tensor, mass: Tensor, prompts: PromptBank, captions: Tensor | None, most: int) -> None:
        self._most = most
        usable = shares * (prompts.counts > 0)
        total = usable.sum(dim=1, keepdim=True)
        self._parts = (usable / total.clamp(min=1e-12) * mass[:, None]).float()
        self._mass = mass.float()
        self._prompts = prompts
        self._captions = None if captions is None else normalize(captions)
        has_caption = captions is not None and bool((captions.any(dim=1) & (mass > 0)).any())
        if not (self._parts > 0).any() and not has_caption:
            raise BadInput("targets: no image has a label with a text, nor a caption, so there is nothing to learn")

    def draw(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """The pairs of these images [B], each label's prompt drawn at random.

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
        pick = (torch.rand(len(label), generator=generator) * self._prompts.counts[label]).long()
        text = self._prompts.rows[self._prompts.starts[label] + pick]
        weight = parts[image, label]
        if self._captions is None:
            return Batch(image, text, weight)
        own = self._captions[rows]
        has = (own.any(dim=1) & (self._mass[rows] > 0)).nonzero()[:, 0]
        return Batch(torch.cat([image, has]), torch.cat([text, own[has]]), torch.cat([weight, self._mass[rows][has]]))
