"""One thread where the work is too small to share: torch's default of one per core can take many times longer."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from affectml.heads._blocks import Blocks

# Values in X. Below, two threads on two idle cores were slower than one: fitting `auto` on 1,584 x 168 took 47 s
# against 19, and the tests of all heads on a few hundred rows over ten minutes against one and a half.
_SMALL = 4_000_000


@contextmanager
def one_thread_if_small(features: Tensor | Blocks) -> Iterator[None]:
    """Inside, torch works with one thread on few features; afterwards it has its own number again."""
    before = torch.get_num_threads()
    if before == 1 or features.numel() >= _SMALL:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
