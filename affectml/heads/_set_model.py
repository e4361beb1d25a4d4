"""A distribution over label sets: how many labels, then which of them; and the best set under it.

Given logits z [N, C] and size logits u [N, K + 1],

    P(Y) = softmax(u)_{|Y|} * exp(sum of z over Y) / e_{|Y|}(exp z),

with e_s the s-th elementary symmetric polynomial: the n-choose-k model of Swersky, Tarlow, Adams, Zemel & Frey
2012 (conditional Bernoulli: Chen, Dempster & Liu 1994). With one label in every set it is the softmax; with
u_s = v_s + log e_s(exp z) it is the logistic model with a cardinality potential v. Fitting it to uncertain sets, and
deciding by expected F1 under it, are our extensions.
"""

import torch
from torch import Tensor

_NONE = -1e30  # log of nothing, finite so that gradients stay numbers


def log_symmetric(logits: Tensor, most: int) -> Tensor:
    """log e_s(exp z) of each row for s = 0..most: logits [N, C] -> [N, most + 1]; -1e30 where s > C."""
    table = torch.full((len(logits), most + 1), _NONE, dtype=logits.dtype)
    table[:, 0] = 0.0
    nothing = torch.full((len(logits), 1), _NONE, dtype=logits.dtype)
    for label in range(logits.shape[1]):
        grown = torch.cat([nothing, table[:, :-1] + logits[:, label : label + 1]], dim=1)
        table = torch.logaddexp(table, grown)
    return table


def size_distribution(membership: Tensor, most: int) -> Tensor:
    """How many of independent labels are in: membership [N, C] in 0..1 -> [N, most + 1], Poisson binomial.

    Sizes above `most` count as `most`. For 0/1 rows it is one-hot.
    """
    table = torch.zeros(len(membership), most + 1, dtype=membership.dtype)
    table[:, 0] = 1.0
    for label in range(membership.shape[1]):
        p = membership[:, label : label + 1]
        grown = torch.zeros_like(table)
        grown[:, 1:] = table[:, :-1]
        grown[:, -1] += table[:, -1]
        table = table * (1 - p) + grown * p
    return table


def joint(logits: Tensor, size_logits: Tensor) -> Tensor:
    """P(label in the set and the set has s labels), [N, C, K + 1]."""
    sizes = size_logits.softmax(dim=1)
    most = sizes.shape[1] - 1
    with torch.enable_grad():
        z = logits.detach().double().requires_grad_()
        table = log_symmetric(z, most)
        # the chance of a label given the size is the derivative of log e_s
        given = [
            torch.autograd.grad(table[:, s].sum(), z, retain_graph=s < most)[0] if s else torch.zeros_like(z)
            for s in range(most + 1)
        ]
    return torch.stack(given, dim=2).detach() * sizes[:, None, :].double()


def best_sets(together: Tensor, empty: Tensor) -> Tensor:
    """The sets of the highest expected F1, 0/1 int64 [N, C] (Dembczynski, Waegeman, Cheng & Huellermeier 2011).

    together: `joint`'s [N, C, K + 1]; empty: P(no label) [N]. For each number h of labels the best h are those with
    the largest sum over s of P(label, s) * 2 / (s + h); an empty answer is worth P(no label). Ties go to fewer
    labels, and to the first.
    """
    rows, labels, sizes = together.shape
    s = torch.arange(sizes, dtype=together.dtype)
    best, value = torch.zeros(rows, labels, dtype=torch.int64), empty.clone()
    for h in range(1, labels + 1):
        gain = together @ (2 / (s + h))
        order = gain.argsort(dim=1, descending=True, stable=True)[:, :h]
        worth = gain.gather(1, order).sum(dim=1)
        better = worth > value + 1e-12
        chosen = torch.zeros_like(best).scatter_(1, order, 1)
        best = torch.where(better[:, None], chosen, best)
        value = torch.where(better, worth, value)
    return best
