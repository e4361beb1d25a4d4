"""How many cores nobody uses: torch with more threads than those can take many times as long as with one."""

import os
import time
from contextlib import suppress
from pathlib import Path

_LOOK = 0.05  # seconds over which the cores are watched


def idle_cores() -> int:
    """Cores that this process may use and that are idle now, at least one.

    What limits the process counts: its affinity, a control group's quota, OMP_NUM_THREADS. Where the system does not
    tell how busy it is at this moment, the load average of the last minute does.
    """
    cores = usable_cores()
    if cores == 1:
        return 1
    busy = _busy_cores()
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


def _busy_cores() -> float:
    """Cores in use, by a look at the system's clock ticks before and after a moment."""
    try:
        total, idle = _ticks()
        time.sleep(_LOOK)
        total_after, idle_after = _ticks()
    except (OSError, ValueError):
        return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    passed = total_after - total
    return (1 - (idle_after - idle) / passed) * (os.cpu_count() or 1) if passed else 0.0


def _ticks() -> tuple[int, int]:
    """All ticks of the system's clock so far, and those in which a core was idle or waited for a disk."""
    with Path("/proc/stat").open(encoding="utf-8") as handle:
        ticks = [int(word) for word in handle.readline().split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]
