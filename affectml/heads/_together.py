"""Several settings of a hidden layer as one problem: S heads on the same batches, their weights side by side.

With X [B, D] a batch, the first layers of all settings are one product X [B, D] @ W [D, S H], and their gradients one
more; a batch is read, standardised and masked once for all of them. Gradients are written out, since one hidden layer
has few. What differs from one head on few rows (`_mlp`):

- products in bfloat16 where the processor has instructions for it; weights, losses and AdamW's steps in float32;
- larger batches, and a learning rate that grows with the root of their size (Malladi et al. 2022);
- what is judged and kept is a running mean of the weights over about half an epoch (Polyak & Juditsky 1992);
- of several settings the worse half leaves, and again (successive halving, Jamieson & Talwalkar 2016); see `staying`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from affectml.encoders.ran import fast_bfloat16
from affectml.heads._blocks import Blocks
from affectml.heads._mlp import MLPFit, MLPOptions, Setting, he_uniform
from affectml.heads._objective import Objective

DECAYS_AFTER = 12  # the epoch after which the best weight decay stays alone
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # AdamW's, as torch has them
_JUDGED = 8192  # rows judged at a time
_LEVELS = 256  # dropout is decided by one random byte a unit


@dataclass
class _Weights:
    """Layers of S heads side by side, float32: weight1 [S, H, D], bias1 [S, H], weight2 [S, C, H], bias2 [S, C]."""

    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor

    def each(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.weight1, self.bias1, self.weight2, self.bias2

    def of(self, rows: Tensor) -> "_Weights":
        """Some of the heads, copied."""
        return _Weights(*(part[rows] for part in self.each()))

    def like(self) -> "_Weights":
        """Zeros of the same shapes."""
        return _Weights(*map(torch.zeros_like, self.each()))


class _Heads:
    """The heads that are still in the race, with what AdamW keeps of each."""

    def __init__(self, weights: _Weights, settings: tuple[Setting, ...], steps_per_epoch: float) -> None:
        self.now, self.mean = weights, weights.of(torch.arange(len(settings)))
        self.first, self.second = weights.like(), weights.like()
        self.settings = list(settings)
        self.half_epoch, self.steps = max(1.0, steps_per_epoch / 2), 0
        self.dtype = torch.bfloat16 if fast_bfloat16() else torch.float32
        self._tell()

    def _tell(self) -> None:
        """Each setting's numbers as tensors."""
        self.rate = torch.tensor([s.learning_rate for s in self.settings])
        self.decay = 1 - self.rate * torch.tensor([s.weight_decay for s in self.settings])
        self.cut = [round(s.dropout * _LEVELS) for s in self.settings]

    def keep(self, places: list[int]) -> None:
        """Let the others go."""
        rows = torch.tensor(places)
        self.now, self.mean, self.first, self.second = (
            part.of(rows) for part in (self.now, self.mean, self.first, self.second)
        )
        self.settings = [self.settings[place] for place in places]
        self._tell()

    def step(self, rows: Tensor, masses: Objective, scale: float, generator: torch.Generator) -> None:
        """One step of AdamW on a batch: rows [B, D], their masses, and what the summed loss is divided by."""
        now, hidden = self.now, self.now.weight1.shape[1]
        weight1, weight2 = now.weight1.flatten(0, 1).to(self.dtype), now.weight2.to(self.dtype)
        units = torch.addmm(now.bias1.flatten().to(self.dtype), rows, weight1.T).relu_()
        if any(self.cut):
            kept_units = _masks((len(rows), hidden), set(self.cut) - {0}, self.dtype, generator)
            for s, cut in enumerate(self.cut):
                if cut:
                    units[:, s * hidden : (s + 1) * hidden].view(kept_units[cut].dtype).bitwise_and_(kept_units[cut])
        back, slopes = torch.empty_like(units), now.like()
        for s, cut in enumerate(self.cut):
            part = slice(s * hidden, (s + 1) * hidden)
            kept = 1 - cut / _LEVELS  # units that are kept count for those that are not
            last = weight2[s] / kept
            slope = masses.gradient(torch.addmm(now.bias2[s].to(self.dtype), units[:, part], last.T).float()) / scale
            slopes.bias2[s] = slope.sum(dim=0)
            narrow = slope.to(self.dtype)
            slopes.weight2[s] = (narrow.T @ units[:, part]).float() / kept
            torch.mm(narrow, last, out=back[:, part])
        back = torch.ops.aten.threshold_backward(back, units, 0)  # nothing passes a unit that is off or left out
        slopes.weight1.copy_((back.T @ rows).view_as(slopes.weight1))
        slopes.bias1.copy_((back.new_ones(1, len(back)) @ back).view_as(slopes.bias1))  # a product sums bfloat16 faster
        self._move(slopes)

    def _move(self, slopes: _Weights) -> None:
        """AdamW (Loshchilov & Hutter 2019), each head with its own rate and decay; biases do not decay."""
        self.steps += 1
        first_part, second_part = 1 - BETA1**self.steps, 1 - BETA2**self.steps
        drift = 1 / min(self.half_epoch, (self.steps + 9) / 10)  # the mean of the first steps is a short one
        parts = zip(*(w.each() for w in (self.now, self.mean, self.first, self.second, slopes)), strict=True)
        for number, (now, mean, first, second, slope) in enumerate(parts):
            shape = (-1, *(1 for _ in now.shape[1:]))
            first.lerp_(slope, 1 - BETA1)
            second.mul_(BETA2).addcmul_(slope, slope, value=1 - BETA2)
            if number % 2 == 0:
                now.mul_(self.decay.view(shape))
            divisor = (second / second_part).sqrt_().add_(EPSILON)
            now.sub_((first / divisor).mul_(self.rate.view(shape) / first_part))
            mean.lerp_(now, drift)

    def losses(self, val: tuple[Tensor | Blocks, Objective], correction: Tensor) -> list[float]:
        """The mean loss of each head's mean weights on rows kept out."""
        features, objective = val
        layers = [part.to(self.dtype) for part in self.mean.each()]
        total = [0.0] * len(self.settings)
        for start in range(0, len(features), _JUDGED):
            here = slice(start, start + _JUDGED)
            rows = (features.read(here) if isinstance(features, Blocks) else features[here]).to(self.dtype)
            masses = objective.part(here)
            for s, (weight1, bias1, weight2, bias2) in enumerate(zip(*layers, strict=True)):
                units = torch.addmm(bias1, rows, weight1.T).relu_()
                logits = torch.addmm(bias2, units, weight2.T).float() - correction
                total[s] += float(masses.loss(logits))
        return [each / objective.total for each in total]


def fit_together(
    features: Blocks,
    objective: Objective,
    val: tuple[Tensor | Blocks, Objective],
    correction: Tensor,
    options: MLPOptions,
    generator: torch.Generator,
) -> MLPFit:
    """See fit_mlp."""
    rows, columns = features.shape
    labels, count = objective.positive.shape[1], len(options.settings)
    intercept = objective.intercept().float()
    mean_mass, masses = objective.total / rows, objective.to(torch.float32)
    judge = (val[0], val[1].to(torch.float32))
    weights = _Weights(
        he_uniform(options.hidden, columns, generator).repeat(count, 1, 1),
        torch.zeros(count, options.hidden),
        torch.zeros(count, labels, options.hidden),  # the heads start as the prior
        intercept.repeat(count, 1),
    )
    heads = _Heads(weights, options.settings, rows / options.batch_size)
    curves: dict[Setting, list[float]] = {setting: [] for setting in options.settings}
    best: MLPFit | None = None
    for epoch in range(1, options.max_epochs + 1):
        for index, batch in features.epoch(options.batch_size, generator, heads.dtype):
            heads.step(batch, masses.rows(index), mean_mass * len(index), generator)
        losses = heads.losses(judge, correction)
        for setting, loss in zip(heads.settings, losses, strict=True):
            curves[setting].append(loss)
        place = min(range(len(losses)), key=losses.__getitem__)
        if best is None or losses[place] < best.held_out_loss:
            layers = heads.mean.of(torch.tensor([place])).each()
            best = MLPFit(tuple(each[0] for each in layers), heads.settings[place], epoch, losses[place], ())
        elif epoch - best.epochs >= options.patience:
            break
        if len(places := staying(heads.settings, losses, epoch)) < len(losses):
            heads.keep(places)
    assert best is not None
    return replace(best, curve=tuple(curves[best.setting]))


def staying(settings: Sequence[Setting], losses: Sequence[float], epoch: int) -> list[int]:
    """The places of the settings that stay after an epoch, in order.

    Of learning rates with dropouts, each judged by its best weight decay, the worse half leaves after every epoch. A
    strong decay pays late: weight decays all stay until epoch 12 has ended, or as long as there are such pairs.
    """
    pairs: dict[tuple[float, float], float] = {}
    for setting, loss in zip(settings, losses, strict=True):
        pair = (setting.learning_rate, setting.dropout)
        pairs[pair] = min(loss, pairs.get(pair, math.inf))
    places = list(range(len(settings)))
    if len(pairs) > 1:
        kept = sorted(pairs, key=pairs.__getitem__)[: math.ceil(len(pairs) / 2)]
        return [place for place in places if (settings[place].learning_rate, settings[place].dropout) in kept]
    return places if epoch < DECAYS_AFTER else [min(places, key=losses.__getitem__)]


def _masks(shape: tuple[int, int], cuts: set[int], dtype: torch.dtype, generator: torch.Generator) -> dict[int, Tensor]:
    """For each cut which units stay, all bits set or none: integers as wide as the units, for bitwise and.

    A unit is left out where its random byte is below the cut. Products with booleans take ten times as long.
    """
    count = shape[0] * shape[1]
    words = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    whole, sign = (torch.int16, 15) if dtype == torch.bfloat16 else (torch.int32, 31)
    noise = words.view(torch.uint8)[:count].view(shape).to(whole)
    return {cut: (cut - 1 - noise).bitwise_right_shift_(sign) for cut in sorted(cuts)}
