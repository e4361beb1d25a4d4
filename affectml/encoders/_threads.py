"""How many cores this process may use, however busy they are."""

import os
from contextlib import suppress
from pathlib import Path


def usable_cores() -> int:
    """At least one. What limits the process counts: its affinity, a control group's quota, OMP_NUM_THREADS."""
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    with suppress(OSError, ValueError):  # control groups, version 2; "max" where there is no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        limits.append(int(quota) // int(period))
    with suppress(ValueError):
        limits.append(int(os.environ.get("OMP_NUM_THREADS", "")))
    return max(1, min(limits))
