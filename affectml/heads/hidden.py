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

import dataclasses
import math
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import linear, relu

from affectml.encoders.threads import fast_bfloat16
from affectml.heads.blocks import Blocks
from affectml.heads.config import MOST_HIDDEN, HeadConfig
from affectml.heads.linear import Standardiser
from affectml.heads.objective import Objective

WEIGHT_DECAY_GRID = (1.0, 0.1, 0.01)
SMALL_BATCH, LARGE_BATCH = 256, 2048
LEARNING_RATE = 1e-3
LAYERS = ("weight1", "bias1", "weight2", "bias2")  # as heads save them
Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
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

    @torch.no_grad()
    def step(self) -> None:
        """Move every array by its gradient, which is then forgotten."""
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
            array.grad = None


@dataclasses.dataclass(frozen=True)
class NeuralConfig(HeadConfig):
    """Options of softmax and sigmoid heads; the defaults are what measured best on real features.

    hidden: 0 is a linear head, which is hard to beat below some 10,000 rows; 512 is CLIP-E's hidden layer.
    l2: strength of a linear head's penalty (see docs); None chooses it from a grid on rows kept out.
    The rest concerns hidden layers only. input_dropout: share of the features left out at each step. weight_decay:
    AdamW's; None chooses it from a grid, on rows kept out. learning_rate: None is 0.001, times the root of batch_size /
    256 where X is large. batch_size: None is 256, 2048 where X is large (docs/data.md).
    """

    hidden: Annotated[int, Field(ge=0, le=MOST_HIDDEN)] = 0
    l2: NonNegativeFloat | None = None
    input_dropout: Share = 0.0
    dropout: Share = 0.5
    weight_decay: NonNegativeFloat | None = None
    learning_rate: PositiveFloat | None = None
    batch_size: PositiveInt | None = None
    max_epochs: PositiveInt = 200
    patience: PositiveInt = 10


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
    weight1, bias1 = (torch.cat([racer.layers[part] for racer in racers]).to(dtype) for part in (0, 1))
    units = torch.addmm(bias1, rows, weight1.T).relu_()
    mask, kept = _mask((len(rows), hidden), cut, dtype, generator), 1 - cut / _LEVELS
    back = torch.empty_like(units)
    slopes = []
    for s, racer in enumerate(racers):
        own = units[:, s * hidden : (s + 1) * hidden]
        if cut:
            own.view(mask.dtype).bitwise_and_(mask)
        last = racer.layers[2].to(dtype) / kept  # units that are kept count for those that are not
        slope = masses.gradient(torch.addmm(racer.layers[3].to(dtype), own, last.T).float()) / scale
        narrow = slope.to(dtype)
        slopes.append(((narrow.T @ own).float() / kept, slope.sum(dim=0)))
        torch.mm(narrow, last, out=back[:, s * hidden : (s + 1) * hidden])
    back = torch.ops.aten.threshold_backward(back, units, 0)  # nothing passes a unit that is off or left out
    first = (back.T @ rows).float().split(hidden)
    level = (back.new_ones(1, len(back)) @ back).float()[0].split(hidden)  # a product sums bfloat16 faster
    for racer, (weight2, bias2), weight, bias in zip(racers, slopes, first, level, strict=True):
        racer.move((weight, bias, weight2, bias2), half_epoch)


def losses(racers: Sequence[Racer], val: tuple[Tensor | Blocks, Objective], dtype: torch.dtype) -> list[float]:
    """The mean loss of each one's mean layers on rows kept out."""
    features, objective = val
    layers = [[part.to(dtype) for part in racer.mean] for racer in racers]
    total = [0.0] * len(racers)
    for start in range(0, len(features), _JUDGED):
        here = slice(start, start + _JUDGED)
        rows = (features.read(here) if isinstance(features, Blocks) else features[here]).to(dtype)
        for s, own in enumerate(layers):
            total[s] += float(objective.rows(here).loss(forward(rows, own).float()))
    return [loss / max(objective.total, 1e-300) for loss in total]


def fit_hidden(
    features: Tensor | Blocks,
    objective: Objective,
    val: tuple[Tensor | Blocks, Objective],
    config: NeuralConfig,
    generator: torch.Generator,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Fit on features [N, D], standardised here; the weight decay and the number of epochs are chosen on `val`.

    Every weight decay starts from the same initial weights and meets the same batches.

    Returns the head's layers by name, float64, and what it reports: the weight decay, whether the features have one
    scale, and the loss on `val` after each epoch that was run; the layers are those of number `epochs`, from 1.
    """
    standard, (rows, columns) = Standardiser.of(features), features.shape
    features, held = standard.apply(features, torch.float32), standard.apply(val[0], torch.float32)
    mean_mass, masses = objective.total / rows, objective.to(torch.float32)
    judge = (held, val[1].to(torch.float32))
    table = features if isinstance(features, Blocks) else Blocks(features)
    large = table is features
    batch_size = config.batch_size or (LARGE_BATCH if large else SMALL_BATCH)
    rate = config.learning_rate or LEARNING_RATE * (math.sqrt(batch_size / SMALL_BATCH) if large else 1)
    dtype = torch.bfloat16 if large and fast_bfloat16() else torch.float32
    half_epoch = max(1.0, rows / batch_size / 2)
    start: tuple[Tensor, ...] = (
        he_uniform(config.hidden, columns, generator),
        torch.zeros(config.hidden),
        torch.zeros(objective.positive.shape[1], config.hidden),  # the head starts as the prior
        objective.intercept().float(),
    )
    decays = WEIGHT_DECAY_GRID if config.weight_decay is None else (config.weight_decay,)
    racers = [Racer(decay, rate, start) for decay in decays]
    best, layers, least_loss, epochs = racers[0], start, math.inf, 0
    for epoch in range(1, config.max_epochs + 1):
        for index, batch in table.epoch(batch_size, generator, dtype):
            if cut := _cut(config.input_dropout):
                mask = _mask((len(batch), columns), cut, dtype, generator)
                batch.view(mask.dtype).bitwise_and_(mask)
                batch.div_(1 - cut / _LEVELS)
            scale = mean_mass * len(index)
            step(racers, batch, masses.rows(index), scale, half_epoch, config.dropout, generator)
        held_out = losses(racers, judge, dtype)
        for racer, loss in zip(racers, held_out, strict=True):
            racer.curve.append(loss)
        leader = racers[held_out.index(min(held_out))]
        if min(held_out) < least_loss:
            best, layers = leader, tuple(part.clone() for part in leader.mean)
            least_loss, epochs = min(held_out), epoch
        elif epoch - epochs >= config.patience:
            break
        if epoch >= DECAYS_AFTER:
            racers = [leader]
    report = {"weight_decay": best.weight_decay, "epochs": epochs, "one_scale": standard.shared}
    return folded(standard, layers), {**report, "held_out_loss": least_loss, "held_out_curve": best.curve}


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
    return (torch.rand(out, into, generator=generator) * 2 - 1) * math.sqrt(6 / into)


def glorot_uniform(out: int, into: int, generator: torch.Generator) -> Tensor:
    """Glorot's uniform initialisation, Keras' default for Dense layers, from the given generator."""
    return (torch.rand(out, into, generator=generator) * 2 - 1) * math.sqrt(6 / (into + out))
