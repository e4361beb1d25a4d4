"""What a training costs: the seconds of its steps, its electricity, and how much of the model is trained.

codecarbon (the extra `footprint`) measures where the machine has a counter of energy, estimates where it has none, and
the result says which it is. Without it no energy is told. Nothing is sent anywhere.
"""

import inspect
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

# codecarbon's ways to know a processor's energy, and not to guess it
_COUNTERS = {"intel_rapl", "intel_power_gadget", "windows_emi", "raspberry", "powermetrics", "applesiliconchip"}
_NOT_LEARNED = ("texts", "features", "labels")  # of a head's arrays


class Footprint:
    """Meters one job from here to `close`, whose steps come one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._tracker = _tracker()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what is done inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - start

    def close(self) -> None:
        """Stop codecarbon and its threads."""
        if self._tracker is not None:
            with suppress(Exception):
                self._tracker.stop()

    def energy(self) -> dict[str, Any] | None:
        """run.json's `energy`, after `close`: {"by", "measured", "how", "kwh"}; None where nothing metered it."""
        if self._tracker is not None:
            with suppress(Exception):  # a meter that breaks must not end a training
                return _by_codecarbon(self._tracker)
        return None


def trained_share(head: Mapping[str, Any], encoder: int | None) -> dict[str, Any]:
    """How much of the model is trained: {"trained", "frozen", "share"}.

    trained: numbers that the head keeps from training. frozen: those of the encoder's image tower. share: the first
    over both. `frozen` and `share` are None where the encoder's are not known.

    head: its arrays by name; features of texts are not learned.
    """
    trained = sum(int(array.numel()) for name, array in head.items() if name.rpartition(".")[2] not in _NOT_LEARNED)
    share = None if encoder is None else _short(trained / (trained + encoder))
    return {"trained": trained, "frozen": encoder, "share": share}


def _tracker() -> Any:
    """codecarbon's meter in offline mode, started; None without codecarbon.

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
            "force_carbon_intensity_g_co2e_kwh": 1.0, "send_telemetry": False, "telemetry": False,
            "tracking_mode": "process", "log_level": "error", "allow_multiple_runs": True, "measure_power_secs": 5,
        }  # fmt: skip
        tracker = OfflineEmissionsTracker(
            **{name: value for name, value in silent.items() if name in known},
            country_iso_code=None, region=None, cloud_provider=None, cloud_region=None, country_2letter_iso_code=None,
        )  # fmt: skip
        tracker.start()
    except Exception:  # a meter that breaks must not end a training
        return None
    return tracker


def _by_codecarbon(tracker: Any) -> dict[str, Any]:
    kwh = float(tracker.final_emissions_data.energy_consumed)
    modes = {str(getattr(each, "_mode", type(each).__name__.lower())) for each in tracker._hardware}
    measured = bool(modes & _COUNTERS)
    how = "processor by its own counter" if measured else "an estimate: processor by its load and rated power"
    gpu = ", GPU by its own counter" if "gpu" in modes else ""
    by = f"codecarbon {version('codecarbon')}"
    return {"by": by, "measured": measured, "how": f"{how}{gpu}, memory by its size", "kwh": _short(kwh)}


def _short(value: float) -> float:
    return float(f"{value:.4g}")
