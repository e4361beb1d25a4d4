"""Heads with one hidden layer: ReLU, dropout, AdamW on minibatches, early stopping.

Shape of the paper that proposed heads on CLIP for emotion (CLIP-E): D -> hidden, ReLU -> C. Several weight decays are
one problem: S heads on the same batches, from the same first weights. With X [B, D] a batch, the first layers of all
are one product X [B, D] @ W [D, S H], and their gradients one more; a batch is read, standardised and masked once for
all. Gradients are written out, since one hidden layer has few. Beside what is usual:

- products of rows in blocks in bfloat16 where the processor has instructions for it; weights, losses and AdamW's steps
  in float32;
- what is judged and kept is a running mean of the weights over about half an epoch (Polyak & Juditsky 1992);
- of several weight decays the best stays alone after twelve epochs: a strong one pays late.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import linear, relu

from affectml.encoders.threads import fast_bfloat16
from affectml.heads.blocks import Blocks
from affectml.heads.linear import Standardiser
from affectml.heads.objective import Objective

WEIGHT_DECAY_GRID = (1.0, 0.1, 0.01)
LAYERS = ("weight1", "bias1", "weight2", "bias2")  # as heads save them
DECAYS_AFTER = 12  # the epoch after which the best weight decay stays alone
_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # AdamW's, as torch has them
_JUDGED = 8192  # rows judged at a time
_LEVELS = 256  # dropout is decided by one random byte a unit


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), to the bit what torch.optim.AdamW does on a CPU.

    That class loads torch's compiler when it is made, 1.5 seconds of CPU, which a head has no use for. groups: arrays
    with the weight decay of each group. Arrays without a gradient stay as they are.
    """

    def __init__(self, groups: Sequence[tuple[Sequence[Tensor], float]], rate: float) -> None:
        self.rate, self.steps = rate, 0
        self._arrays = [
            (array, decay, torch.zeros_like(array), torch.zeros_like(array))
            for arrays, decay in groups
            for array in arrays
        ]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for array, *_ in self._arrays:
            array.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every array by its gradient."""
        self.steps += 1
        first, second = _BETAS
        size = self.rate / (1 - first**self.steps)
        root = (1 - second**self.steps) ** 0.5
        for array, decay, mean, square in self._arrays:
            if array.grad is None:
                continue
            if decay:
                array.mul_(1 - self.rate * decay)
            mean.lerp_(array.grad, 1 - first)
            square.mul_(second).addcmul_(array.grad, array.grad, value=1 - second)
            array.addcdiv_(mean, (square.sqrt() / root).add_(_EPSILON), value=-size)


@dataclass(frozen=True)
class HiddenOptions:
    """What the fit of a hidden layer depends on, beside the data and the generator; weight_decays: one or more."""

    hidden: int
    weight_decays: tuple[float, ...]
    learning_rate: float
    dropout: float
    batch_size: int
    max_epochs: int
    patience: int
    input_dropout: float = 0.0


@dataclass(frozen=True)
class HiddenFit:
    """Layers as torch.nn.Linear has them: weight1 [H, D], bias1 [H], weight2 [C, H], bias2 [C]; float32.

    curve: the loss on `val` after each epoch that was run; the layers are those of number `epochs`, from 1.
    """

    layers: tuple[Tensor, ...]
    weight_decay: float
    epochs: int
    held_out_loss: float
    curve: tuple[float, ...]


def forward(features: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """Logits [N, C], without dropout."""
    weight1, bias1, weight2, bias2 = layers
    return linear(relu(linear(features, weight1, bias1)), weight2, bias2)


def folded(standard: Standardiser, layers: Sequence[Tensor]) -> dict[str, Tensor]:
    """Layers by name, float64, that do on raw features what the given ones do on standardised ones."""
    weight1, bias1, weight2, bias2 = layers
    raw, raw_bias = standard.fold(weight1.T, bias1)
    return dict(zip(LAYERS, (raw.T.contiguous(), raw_bias, weight2.double(), bias2.double()), strict=True))


class Racer:
    """One weight decay in the race: its layers, what AdamW keeps of them, and their running mean, which is judged."""

    def __init__(self, weight_decay: float, learning_rate: float, layers: Sequence[Tensor]) -> None:
        self.weight_decay, self.curve = weight_decay, list[float]()
        self.layers, self.mean = ([part.clone() for part in layers] for _ in range(2))
        weights, biases = self.layers[::2], self.layers[1::2]
        self._optimiser = AdamW([(weights, weight_decay), (biases, 0.0)], learning_rate)

    def move(self, slopes: Sequence[Tensor], half_epoch: float) -> None:
        """One step by the slopes of its layers; half_epoch: about how many steps the mean is over."""
        for part, slope in zip(self.layers, slopes, strict=True):
            part.grad = slope
        self._optimiser.step()
        drift = 1 / min(half_epoch, (self._optimiser.steps + 9) / 10)  # the mean of the first steps is a short one
        for mean, part in zip(self.mean, self.layers, strict=True):
            mean.lerp_(part, drift)


def step(
    racers: Sequence[Racer], rows: Tensor, masses: Objective, scale: float, half_epoch: float, dropout: float,
    generator: torch.Generator,
) -> None:  # fmt: skip
    """One step of all on a batch: rows [B, D], their masses, and what the summed loss is divided by."""
    hidden, dtype, cut = len(racers[0].layers[1]), rows.dtype, _cut(dropout)
    weight1, bias1 = (torch.cat([each.layers[part] for each in racers]).to(dtype) for part in (0, 1))
    units = torch.addmm(bias1, rows, weight1.T).relu_()
    mask, kept = _mask((len(rows), hidden), cut, dtype, generator), 1 - cut / _LEVELS
    back = torch.empty_like(units)
    slopes = []
    for s, each in enumerate(racers):
        own = units[:, s * hidden : (s + 1) * hidden]
        if cut:
            own.view(mask.dtype).bitwise_and_(mask)
        last = each.layers[2].to(dtype) / kept  # units that are kept count for those that are not
        slope = masses.gradient(torch.addmm(each.layers[3].to(dtype), own, last.T).float()) / scale
        narrow = slope.to(dtype)
        slopes.append(((narrow.T @ own).float() / kept, slope.sum(dim=0)))
        torch.mm(narrow, last, out=back[:, s * hidden : (s + 1) * hidden])
    back = torch.ops.aten.threshold_backward(back, units, 0)  # nothing passes a unit that is off or left out
    first = (back.T @ rows).float().split(hidden)
    level = (back.new_ones(1, len(back)) @ back).float()[0].split(hidden)  # a product sums bfloat16 faster
    for each, (weight2, bias2), weight, bias in zip(racers, slopes, first, level, strict=True):
        each.move((weight, bias, weight2, bias2), half_epoch)


def losses(racers: Sequence[Racer], val: tuple[Tensor | Blocks, Objective], dtype: torch.dtype) -> list[float]:
    """The mean loss of each one's mean layers on rows kept out."""
    features, objective = val
    layers = [[part.to(dtype) for part in each.mean] for each in racers]
    total = [0.0] * len(racers)
    for start in range(0, len(features), _JUDGED):
        here = slice(start, start + _JUDGED)
        rows = (features.read(here) if isinstance(features, Blocks) else features[here]).to(dtype)
        for s, own in enumerate(layers):
            total[s] += float(objective.part(here).loss(forward(rows, own).float()))
    return [each / max(objective.total, 1e-300) for each in total]


def fit_hidden(
    features: Tensor | Blocks,
    objective: Objective,
    val: tuple[Tensor | Blocks, Objective],
    options: HiddenOptions,
    generator: torch.Generator,
) -> HiddenFit:
    """Fit on standardised float32 features; the weight decay and the number of epochs are chosen on `val`.

    Every weight decay starts from the same initial weights and meets the same batches.
    """
    rows, columns = features.shape
    mean_mass, masses = objective.total / rows, objective.to(torch.float32)
    judge = (val[0], val[1].to(torch.float32))
    table = features if isinstance(features, Blocks) else Blocks(features)
    dtype = torch.bfloat16 if table is features and fast_bfloat16() else torch.float32
    half_epoch = max(1.0, rows / options.batch_size / 2)
    start = (
        he_uniform(options.hidden, columns, generator),
        torch.zeros(options.hidden),
        torch.zeros(objective.positive.shape[1], options.hidden),  # the head starts as the prior
        objective.intercept().float(),
    )
    racers = [Racer(decay, options.learning_rate, start) for decay in options.weight_decays]
    best, curve = HiddenFit(start, racers[0].weight_decay, 0, math.inf, ()), racers[0].curve
    for epoch in range(1, options.max_epochs + 1):
        for index, batch in table.epoch(options.batch_size, generator, dtype):
            if cut := _cut(options.input_dropout):
                mask = _mask((len(batch), columns), cut, dtype, generator)
                batch.view(mask.dtype).bitwise_and_(mask)
                batch.div_(1 - cut / _LEVELS)
            scale = mean_mass * len(index)
            step(racers, batch, masses.rows(index), scale, half_epoch, options.dropout, generator)
        found = losses(racers, judge, dtype)
        for racer, loss in zip(racers, found, strict=True):
            racer.curve.append(loss)
        least = racers[found.index(min(found))]
        if min(found) < best.held_out_loss:
            layers, curve = tuple(part.clone() for part in least.mean), least.curve
            best = HiddenFit(layers, least.weight_decay, epoch, min(found), ())
        elif epoch - best.epochs >= options.patience:
            break
        if epoch >= DECAYS_AFTER:
            racers = [least]
    return replace(best, curve=tuple(curve))


def _cut(share: float) -> int:
    """How many of the levels leave a unit out; never all."""
    return min(round(share * _LEVELS), _LEVELS - 1)


def _mask(shape: tuple[int, int], cut: int, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Which units stay, all bits set or none: integers as wide as the units, for bitwise and.

    A unit is left out where its random byte is below the cut. Products with booleans take ten times as long.
    """
    count = shape[0] * shape[1]
    words = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    whole, sign = (torch.int16, 15) if dtype == torch.bfloat16 else (torch.int32, 31)
    noise = words.view(torch.uint8)[:count].view(shape).to(whole)
    return (cut - 1 - noise).bitwise_right_shift_(sign)


def he_uniform(out: int, into: int, generator: torch.Generator) -> Tensor:
    """He initialisation for ReLU (He et al. 2015), from the given generator."""
    bound = math.sqrt(6 / into)
    return (torch.rand(out, into, generator=generator) * 2 - 1) * bound
