"""Heads with one hidden layer: ReLU, dropout, AdamW on minibatches, early stopping.

Shape of the paper that proposed heads on CLIP for emotion (CLIP-E): D -> hidden, ReLU -> C. Few rows are fitted one
setting after another; rows in blocks with all settings at once, see `_together`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import linear, relu

from affectml.heads._adamw import AdamW
from affectml.heads._linear import Standardiser
from affectml.heads._objective import Objective

WEIGHT_DECAY_GRID = (1.0, 0.1, 0.01)
LAYERS = ("weight1", "bias1", "weight2", "bias2")  # as heads save them


@dataclass(frozen=True)
class Setting:
    """What a search chooses among."""

    weight_decay: float
    learning_rate: float
    dropout: float


@dataclass(frozen=True)
class MLPOptions:
    """What the fit of a hidden layer depends on, beside the data and the generator; settings: one or more."""

    hidden: int
    settings: tuple[Setting, ...]
    batch_size: int
    max_epochs: int
    patience: int


@dataclass(frozen=True)
class MLPFit:
    """Layers as torch.nn.Linear has them: weight1 [H, D], bias1 [H], weight2 [C, H], bias2 [C]; float32.

    curve: the loss on `val` after each epoch that was run; the layers are those of number `epochs`, from 1.
    """

    layers: tuple[Tensor, ...]
    setting: Setting
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


def fit_mlp(
    features: Tensor,
    objective: Objective,
    val: tuple[Tensor, Objective],
    correction: Tensor,
    options: MLPOptions,
    generator: torch.Generator,
) -> MLPFit:
    """Fit on standardised float32 features; the setting and the number of epochs are chosen on `val`.

    correction: what is taken off the logits [C] before `val` judges them. Every setting starts from the same initial
    weights and meets the same batches.
    """
    if len(options.settings) > 1:
        state, fits = generator.get_state(), []
        for each in options.settings:
            generator.set_state(state)
            fits.append(fit_mlp(features, objective, val, correction, replace(options, settings=(each,)), generator))
        return min(fits, key=lambda fit: fit.held_out_loss)
    [setting] = options.settings
    rows, columns = features.shape
    labels = objective.positive.shape[1]
    mean_mass = objective.total / rows
    masses = objective.to(torch.float32)
    val_features, val_objective = val
    layers = (
        he_uniform(options.hidden, columns, generator),
        torch.zeros(options.hidden),
        torch.zeros(labels, options.hidden),  # the head starts as the prior
        objective.intercept().float(),
    )
    decays = [((layers[0], layers[2]), setting.weight_decay), ((layers[1], layers[3]), 0.0)]
    optimiser = AdamW(decays, setting.learning_rate)
    best: tuple[Tensor, ...] = tuple(part.clone() for part in layers)
    best_loss, best_epoch = math.inf, 0
    curve: list[float] = []
    for epoch in range(1, options.max_epochs + 1):
        for batch in torch.split(torch.randperm(rows, generator=generator), options.batch_size):
            rows_here = features[batch]
            hidden = torch.addmm(layers[1], rows_here, layers[0].T).relu_()
            if setting.dropout:
                # torch's own dropout draws from the global generator, which others may have moved
                hidden.mul_(torch.rand(hidden.shape, generator=generator).ge_(setting.dropout))
            last = layers[2] / (1 - setting.dropout)
            slope = masses.rows(batch).gradient(torch.addmm(layers[3], hidden, last.T)) / (mean_mass * len(batch))
            # one hidden layer has few gradients: written out they take a quarter less time than autograd
            back = torch.ops.aten.threshold_backward(slope @ last, hidden, 0)
            layers[0].grad, layers[1].grad = back.T @ rows_here, back.sum(dim=0)
            layers[2].grad, layers[3].grad = (slope.T @ hidden).div_(1 - setting.dropout), slope.sum(dim=0)
            optimiser.step()
        logits = forward(val_features, layers) - correction
        held_out = float(val_objective.loss(logits.double())) / val_objective.total
        curve.append(held_out)
        if held_out < best_loss:
            best, best_loss, best_epoch = tuple(part.clone() for part in layers), held_out, epoch
        elif epoch - best_epoch >= options.patience:
            break
    return MLPFit(best, setting, best_epoch, best_loss, tuple(curve))


def he_uniform(out: int, into: int, generator: torch.Generator) -> Tensor:
    """He initialisation for ReLU (He et al. 2015), from the given generator."""
    bound = math.sqrt(6 / into)
    return (torch.rand(out, into, generator=generator) * 2 - 1) * bound
