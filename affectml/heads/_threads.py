"""One thread where the work is too small to share: torch's default of one per core can take many times longer."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch

Fit = TypeVar("Fit", bound=Callable[..., Any])

# Values in X. Below, two threads on two idle cores were slower than one: fitting `auto` on 1,584 x 168 took 47 s
# against 19, and the tests of all heads on a few hundred rows over ten minutes against one and a half.
_SMALL = 4_000_000


def one_thread_if_small(fit: Fit) -> Fit:
    """For a head's `fit(self, X, ...)`: on small X torch works with one thread, and has its own number again after."""

    @wraps(fit)
    def fitting(self: Any, X: Any, *args: Any, **options: Any) -> Any:
        before = torch.get_num_threads()
        size = getattr(X, "shape", (_SMALL,))
        if before == 1 or torch.Size(size).numel() >= _SMALL:
            return fit(self, X, *args, **options)
        torch.set_num_threads(1)
        try:
            return fit(self, X, *args, **options)
        finally:
            torch.set_num_threads(before)

    return cast(Fit, fitting)
