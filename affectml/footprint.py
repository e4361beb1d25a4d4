"""What a training costs: seconds, energy and CO2e of each step, and how much of the model is trained.

codecarbon (the extra `footprint`) measures where the machine has a counter of energy, and estimates where it has none.
Without it the energy is estimated from processor time and memory by the constants of Lannelongue, Grealey & Inouye 2021
("Green Algorithms", Advanced Science 8, 2100707). Either way the result says which it is. Nothing is sent anywhere.
"""

import inspect
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from affectml.errors import BadInput, MissingExtra, did_you_mean, option

WORLD = 475.0  # g CO2e per kWh of electricity, the world's mean in 2018: IEA, Global Energy & CO2 Status Report 2019
WATTS_PER_CORE = 12.0  # of a processor that is not known, in use
WATTS_PER_GB = 0.3725  # of memory
_COUNTERS = (
    "intel_rapl",
    "intel_power_gadget",
    "windows_emi",
    "raspberry",
    "powermetrics",
)  # codecarbon's, not its guesses
_NOT_LEARNED = ("texts", "features", "labels")  # of a head's arrays


class Footprint:
    """Meters the steps of one job.

    country: whose electricity it is, by three letters (DEU); None takes the world's mean. Raises BadInput for a country
    that codecarbon has no figures of, and MissingExtra for one without codecarbon.
    """

    def __init__(self, country: str | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._grams, self._grid = carbon_intensity(country)
        self._kwh: dict[str, float] = {}
        self._tracker = _tracker()
        self._guessed: list[str] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Meter what is done inside; steps come one after the other."""
        metered = self._start(name)
        wall, processor = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - wall
            kwh = self._stop(name) if metered else None
            if kwh is None:
                self._guessed.append(name)
                kwh = _guess(self.seconds[name], time.process_time() - processor)
            self._kwh[name] = kwh

    def energy(self) -> dict[str, Any]:
        """run.json's `energy`: {"by", "measured", "how", "grid", "grams_per_kwh", "steps": {STEP: {...}}, "kwh",
        "kg_co2e"}; a step has "kwh" and "kg_co2e".
        """
        by, measured, how = self._how()
        steps = {
            name: {"kwh": _short(kwh), "kg_co2e": _short(kwh * self._grams / 1000)} for name, kwh in self._kwh.items()
        }
        total = sum(self._kwh.values())
        return {
            "by": by,
            "measured": measured,
            "how": how,
            "grid": self._grid,
            "grams_per_kwh": self._grams,
            "steps": steps,
            "kwh": _short(total),
            "kg_co2e": _short(total * self._grams / 1000),
        }

    def close(self) -> None:
        """Stop codecarbon's threads."""
        if self._tracker is not None:
            with suppress(Exception):
                self._tracker.stop()

    def _start(self, name: str) -> bool:
        """Whether codecarbon meters this step. Whatever goes wrong in it, the work goes on, and is estimated."""
        if self._tracker is None:
            return False
        try:
            self._tracker.start_task(name)
        except Exception:
            return False
        return True

    def _stop(self, name: str) -> float | None:
        try:
            return float(self._tracker.stop_task(name).energy_consumed)
        except Exception:
            return None

    def _how(self) -> tuple[str, bool, str]:
        gpu = "; the GPU is not counted" if _has_gpu() else ""
        guess = (
            f"processor time at {WATTS_PER_CORE:g} W a core and memory at {WATTS_PER_GB:g} W a GB "
            f"(Lannelongue et al. 2021){gpu}"
        )
        if self._tracker is None or set(self._guessed) == set(self._kwh):
            return "affectml", False, f"an estimate: {guess}"
        by, measured, how = self._by_codecarbon()
        if not self._guessed:
            return by, measured, how
        steps = ", ".join(dict.fromkeys(self._guessed))
        return f"{by}; {steps}: affectml", False, f"{how}; of {steps}, where codecarbon failed, an estimate: {guess}"

    def _by_codecarbon(self) -> tuple[str, bool, str]:
        """by, measured and how of the steps that codecarbon metered."""
        name = f"codecarbon {version('codecarbon')}"
        modes = [str(getattr(each, "_mode", type(each).__name__.lower())) for each in self._tracker._hardware]
        counters = [mode for mode in modes if mode in _COUNTERS or mode in ("gpu", "raspberry", "applesiliconchip")]
        processor = any(mode in _COUNTERS or mode in ("raspberry", "applesiliconchip") for mode in modes)
        if processor:
            return name, True, f"processor and GPU by their own counters ({', '.join(counters)}), memory by its size"
        gpu = ", the GPU by its own counter" if counters else ""
        return name, False, f"an estimate: processor by its load and rated power, memory by its size{gpu}"


def carbon_intensity(country: str | None) -> tuple[float, str]:
    """Grams of CO2e per kWh of a country's electricity, and what it is in words.

    Args:
        country: ISO 3166 alpha-3 (DEU); None takes the world's mean.

    Raises:
        BadInput: for a country without a figure.
        MissingExtra: for a country without codecarbon, which has the figures.
    """
    if country is None:
        return WORLD, "the world's mean (IEA 2019): no country was named"
    if find_spec("codecarbon") is None:
        raise MissingExtra("codecarbon", "footprint", f"{option('country', country)}: a country's electricity")
    from codecarbon.input import DataSource

    source: Any = DataSource
    known = source().get_global_energy_mix_data()
    entry = known.get(country.upper(), {})
    if entry.get("carbon_intensity") is None:
        raise BadInput(
            f"{option('country', country)}: no figure of this country's electricity{did_you_mean(country, known)}; "
            "expected three letters such as DEU or USA, or leave it out for the world's mean"
        )
    of = f"{entry['country_name']}, {entry.get('year', 'year unknown')} (codecarbon {version('codecarbon')})"
    return float(entry["carbon_intensity"]), of


def trained_share(head: Mapping[str, Any], encoder: int | None) -> dict[str, Any]:
    """How much of the model is trained: {"trained", "frozen", "share"}.

    trained: numbers that the head keeps from training. frozen: those of the encoder's image tower. share: the first
    over both. `frozen` and `share` are None where the encoder's are not known.

    head: its arrays by name; features of texts are not learned.
    """
    trained = sum(int(array.numel()) for name, array in head.items() if name.rpartition(".")[2] not in _NOT_LEARNED)
    share = None if encoder is None else float(f"{trained / (trained + encoder):.4g}")
    return {"trained": trained, "frozen": encoder, "share": share}


def _tracker() -> Any:
    """codecarbon's meter in offline mode, or None without codecarbon.

    Everything by which it could send something is set here and so cannot come from a .codecarbon.config: no output, no
    endpoint, no token, no cloud; a fixed carbon intensity, which asks no service; no telemetry, where a version has it.
    """
    if find_spec("codecarbon") is None:
        return None
    try:
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.emissions_tracker import BaseEmissionsTracker

        logging.getLogger("codecarbon").setLevel(logging.ERROR)  # which the import has set
        known = inspect.signature(BaseEmissionsTracker.__init__).parameters
        silent: dict[str, Any] = {
            "output_methods": [], "output_handlers": [], "emissions_endpoint": None, "electricitymaps_api_token": None,
            "force_carbon_intensity_g_co2e_kwh": WORLD, "send_telemetry": False, "telemetry": False,
            "tracking_mode": "process", "log_level": "error", "allow_multiple_runs": True, "measure_power_secs": 5,
        }  # fmt: skip
        tracker = OfflineEmissionsTracker(
            **{name: value for name, value in silent.items() if name in known},
            country_iso_code=None, region=None, cloud_provider=None, cloud_region=None, country_2letter_iso_code=None,
        )  # fmt: skip
        tracker._ensure_hardware_ready()  # looks for counters now, so that the first step is not charged with it
    except Exception:  # a meter that breaks must not end a training: the estimate takes its place, and says so
        return None
    return tracker


def _guess(seconds: float, processor: float) -> float:
    """kWh of a step from its seconds and its seconds of processor time."""
    joules = processor * WATTS_PER_CORE + seconds * _memory_gb() * WATTS_PER_GB
    return joules / 3.6e6


def _memory_gb() -> float:
    """Memory that this process holds; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e9
    with suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # macOS, in bytes
    return 0.0


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _short(value: float) -> float:
    return float(f"{value:.4g}")
