"""What this process may compute on: how many cores, however busy they are, which processor, and which devices."""

import os
import platform
from contextlib import suppress
from pathlib import Path

from affectml.errors import BadInput, option

_WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")  # oneDNN's names


def usable_cores() -> int:
    """At least one. What limits the process counts: its affinity, a control group's quota, OMP_NUM_THREADS."""
    limits = [_cores()]
    with suppress(OSError, ValueError):  # control groups, version 2; "max" where there is no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        limits.append(int(quota) // int(period))
    with suppress(ValueError):
        limits.append(int(os.environ.get("OMP_NUM_THREADS", "")))
    return max(1, min(limits))


def usable_device(name: str) -> None:
    """Raises BadInput where this machine has no device of this name of torch's, naming those that it has."""
    import torch

    there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    there += ["mps"] if torch.backends.mps.is_available() else []
    if name not in there and not (name == "cuda" and "cuda:0" in there):
        raise BadInput(f"{option('device', name)}: there is no such device here; it has {', '.join(there)}")


def spare_threads() -> int:
    """One less than the cores, so that a busy neighbour does not stall torch."""
    return max(1, _cores() - 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(threads: int | None) -> int:
    """Set torch's threads: as asked, or `spare_threads`."""
    number = threads if threads is not None else spare_threads()
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(number)
    threadpool_limits(limits=number)  # BLAS keeps threads of its own
    return number


def processor() -> str:
    """The processor's name; Linux has it only in /proc/cpuinfo."""
    return cpuinfo("model name") or platform.processor() or "unknown"


def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32, as far as it tells.

    Instructions that ONEDNN_MAX_CPU_ISA keeps from the library that torch multiplies by count as not there.
    """
    left_out = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _WITHOUT_BFLOAT16
    return not left_out and bool({"avx512_bf16", "amx_bf16"} & set(cpuinfo("flags").split()))


def cpuinfo(key: str) -> str:
    """The first line of /proc/cpuinfo with this key, "" where there is none."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.partition(":")[0].strip() == key:
                return line.partition(":")[2].strip()
    return ""
