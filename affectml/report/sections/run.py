"""What it takes to repeat the run."""

from affectml.report.data import ReportData
from affectml.report.section import Section


def run(data: ReportData) -> Section:
    """Versions, hardware and fingerprints."""
    info = data.info
    hardware = info.hardware
    threads = "1 thread" if info.threads == 1 else f"{info.threads} threads"
    return Section(
        "run",
        "The run",
        notes=(
            "; ".join(f"{name} {value}" for name, value in info.versions.items()),
            f"{hardware.processor}, {hardware.cores} cores; {threads}, seed {info.config.seed}",
            *(f"{name}: {value}" for name, value in info.data.fingerprint.items()),
            f"encoder weights: {info.encoder.identity['weights_sha256']}",
        ),
    )
