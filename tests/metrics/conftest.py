"""Data that several metric tests share: random tables with ties and empty rows, and the votes of FER+."""

import csv
from dataclasses import dataclass

import pytest
import torch


@dataclass(frozen=True)
class Table:
    scores: torch.Tensor  # with many ties
    chosen: torch.Tensor
    sets: torch.Tensor  # with empty and full rows
    preds: torch.Tensor  # distribution
    target: torch.Tensor  # distribution
    rates: torch.Tensor
    shares: torch.Tensor  # rates of people


@pytest.fixture(scope="session", params=[5, 13])
def table(request):
    labels = request.param
    g = torch.Generator().manual_seed(labels)

    def rand():
        return torch.rand(400, labels, generator=g, dtype=torch.float64)

    sets = rand() < 0.3
    sets[0], sets[1] = False, True
    chosen = rand() < 0.3
    chosen[:3] = False
    return Table((rand() * 6).round() / 6, chosen, sets, *((rand() * 3).softmax(-1) for _ in range(2)), rand(), rand())


@pytest.fixture(scope="session")
def ferplus(real_data):
    """FER+: shares of the eight emotions over faces with a vote for one, a perturbed copy as preds, and the counts."""
    with (real_data / "ferplus" / "fer2013new.csv").open(newline="") as file:
        rows = [[int(x) for x in row[2:10]] for row in list(csv.reader(file))[1:]]
    counts = torch.tensor([row for row in rows if sum(row)], dtype=torch.float64)
    shares = counts / counts.sum(-1, keepdim=True)
    g = torch.Generator().manual_seed(0)
    noise = torch.rand(shares.shape, generator=g, dtype=torch.float64)
    preds = 0.7 * shares + 0.2 * shares.roll(1, 0) + 0.1 * noise / noise.sum(-1, keepdim=True)
    return preds, shares, counts
