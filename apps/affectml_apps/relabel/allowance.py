"""How much one person may send: a token bucket of answers each, in this process's memory."""

import math
import threading
import time
from collections.abc import Callable

# More than anybody types, and enough at once for a browser that comes out of a long tunnel.
BURST = 2000
PER_SECOND = 10.0
FORGET_ABOVE = 10_000


class Allowance:
    """Counts answers. A call without any counts as one; nothing is lost by waiting, the browser keeps its answers.

    burst: at once; per_second: on the long run; clock: seconds that never go back, for tests.
    """

    def __init__(
        self, burst: int = BURST, per_second: float = PER_SECOND, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.burst, self.per_second, self.clock = burst, per_second, clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, who: str, count: int = 1) -> int:
        """Take `count` from this person's allowance: 0, or the whole seconds to wait before asking again.

        A count above the burst waits for a full bucket and then passes, so that no message waits for ever.
        """
        with self._lock:
            now = self.clock()
            left, at = self._left.get(who, (float(self.burst), now))
            left = min(self.burst, left + (now - at) * self.per_second)
            need = min(count, self.burst)
            if need > 0 and left < need:
                self._left[who] = left, now
                return max(1, math.ceil((need - left) / self.per_second))
            self._left[who] = left - max(need, 0), now
            if len(self._left) > FORGET_ABOVE:
                after = {name: left + (now - at) * self.per_second for name, (left, at) in self._left.items()}
                self._left = {name: kept for name, kept in self._left.items() if after[name] < self.burst}
            return 0
