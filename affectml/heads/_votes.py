"""How much an image's votes are worth: 2 of 3 is not 20 of 30, and 30 votes on one image are not 30 images."""

import torch
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads.inputs import ArrayLike, as_matrix, refuse_rows


def vote_weights(people: ArrayLike, rho: float) -> Tensor:
    """How much the votes of n people asked about one image are worth: n / (1 + (n - 1) rho).

    rho = 0 counts every vote (binomial), rho = 1 every image once. In between it is the beta-binomial's
    effective sample size (Kish 1965; Williams 1982): what people say of an image strays from the prediction
    together, since the prediction does not know all about the image.

    Args:
        people: how many were asked, [N] or [N, C].
        rho: 0 to 1.

    Returns:
        Weights of the same shape; 0 where nobody was asked.

    Raises:
        BadInput: for rho outside 0..1, and for numbers below 0.
    """
    if not 0 <= rho <= 1:
        raise BadInput(f"rho: expected 0 (every vote counts) to 1 (every image counts once), got {rho!r}")
    flat = people[:, None] if people.ndim == 1 else people
    n = as_matrix(flat, "people", torch.float64)
    refuse_rows(n < 0, "people", "is negative")
    found = torch.where(n > 0, n / (1 + (n - 1) * rho).clamp(min=1e-300), 0.0)
    return found[:, 0] if people.ndim == 1 else found


def vote_correlation(shares: Tensor, people: Tensor, predicted: Tensor) -> float:
    """rho of `vote_weights`, by moments, from rows that were not fitted on.

    The beta-binomial has E (k - n p)^2 = n p (1 - p) (1 + (n - 1) rho); both sides summed over all cells, and solved
    for rho.

    Args:
        shares: what people said, [N, C].
        people: how many were asked, [N, 1] or [N, C].
        predicted: rates, [N, C].

    Returns:
        rho, 0 to 1; 0 where nobody was asked twice, since it cannot be known then.
    """
    p = predicted.double()
    n = people.double().expand_as(p)
    variance = n * p * (1 - p)
    beyond = (n * (shares - p)).square() - variance
    repeats = float((variance * (n - 1).clamp(min=0)).sum())
    return min(1.0, max(0.0, float(beyond.sum()) / repeats)) if repeats > 0 else 0.0
