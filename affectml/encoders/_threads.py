"""How many cores nobody uses: torch with more threads than those can take many times as long as with one."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_LOOK = 0.05  # seconds over which the cores are watched


def idle_cores(meanwhile: Callable[[], object] | None = None) -> int:
    """Cores that this process may use and that are idle now, at least one.

    What limits the process counts: its affinity, a control group's quota, OMP_NUM_THREADS. Where the system does not
    tell how busy it is at this moment, the load average of the last minute does.

    meanwhile: what this process has to do anyhow; it is done once, while the cores are watched, and what this process
    takes of them by then counts as idle.
    """
    cores, before = usable_cores(), _ticks()
    start, start_own = time.perf_counter(), time.process_time()
    if meanwhile is not None:
        meanwhile()
    if cores == 1:
        return 1
    own = time.process_time() - start_own if meanwhile is not None else 0.0
    if before is None:
        busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    else:
        time.sleep(max(0.0, _LOOK - (time.perf_counter() - start)))
        wall, after = time.perf_counter() - start, _ticks() or before
        passed, idle = (now - then for now, then in zip(after, before, strict=True))
        busy = (1 - idle / passed) * (os.cpu_count() or 1) - own / wall if passed else 0.0
    return max(1, min(cores, round((os.cpu_count() or 1) - busy)))


def usable_cores() -> int:
    """Cores that this process may use, however busy they are."""
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    with suppress(OSError, ValueError):  # control groups, version 2; "max" where there is no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        limits.append(int(quota) // int(period))
    with suppress(ValueError):
        limits.append(int(os.environ.get("OMP_NUM_THREADS", "")))
    return max(1, min(limits))


def _ticks() -> tuple[int, int] | None:
    """The system's clock ticks so far, and those in which a core was idle or awaited a disk; None if it is silent."""
    with suppress(OSError, ValueError), Path("/proc/stat").open(encoding="utf-8") as handle:
        ticks = [int(word) for word in handle.readline().split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]
    return None
