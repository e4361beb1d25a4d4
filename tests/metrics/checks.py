"""What the files of metric tests share: drawing with a seed, comparing with an oracle, and being refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from affectml_metrics.intervals import Batched, Prepared


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(ours: torch.Tensor, theirs: torch.Tensor, atol: float = 1e-9) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol, equal_nan=True, check_dtype=False)


def agree(ours: Any, theirs: Any, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=atol, atol=atol)


def many(prepared: Prepared, weights: torch.Tensor) -> torch.Tensor:
    """The metric of many rows of weights, at once where it takes them so."""
    return prepared.of(weights) if isinstance(prepared, Batched) else torch.stack([*map(prepared, weights)])


def refused(error: type[Exception], says: str, deed: Callable, *given: Any, **more: Any) -> None:
    """This deed is refused, with an error in whose text the pattern is found."""
    with pytest.raises(error, match=says):
        deed(*given, **more)
