"""What it takes to repeat the run, and what it cost: seconds by step, electricity, how much it trained."""

from affectml.page.data import ReportData
from affectml.page.section import Section
from affectml.page.tables import Table
from affectml.runs import RunInfo

_STEPS = {
    "embed": "embedding and splitting",
    "fit": "fitting",
    "evaluate": "judging",
    "learning_curve": "learning curve",
    "subgroups": "judging by subgroup",
}


def run(data: ReportData) -> Section:
    """Versions, hardware and fingerprints."""
    info = data.info
    hardware = info.hardware
    threads = "1 thread" if info.threads == 1 else f"{info.threads} threads"
    notes = (
        "; ".join(f"{name} {value}" for name, value in info.versions.items()),
        f"{hardware.processor}, {hardware.cores} cores; {threads}, seed {info.config.seed}",
        *(f"{name}: {value}" for name, value in info.data.fingerprint.items()),
        f"encoder weights: {info.encoder.identity['weights_sha256']}",
    )
    return Section("run", "The run", notes=notes)


def footprint(data: ReportData) -> Section | None:
    """The whole in a sentence, and a table by step; None for a run that was not metered."""
    energy = data.info.energy
    if energy is None:
        return None
    seconds = data.info.seconds
    rows = tuple((said, f"{seconds[name]:.1f}") for name, said in _STEPS.items() if name in seconds)
    table = Table("By step", ("step", "seconds"), rows)
    how = f"{energy['how']} (by {energy['by']})"
    return Section("footprint", "Footprint", in_words(data.info), tables=(table,), notes=(how,))


def in_words(info: RunInfo) -> str:
    """What it took, and whether that was measured; what was trained."""
    assert info.energy is not None
    assert info.parameters is not None
    about = "" if info.energy["measured"] else "an estimated "
    said = f"Training and judging took {about}{watt_hours(info.energy['kwh'])}; writing this report is not counted."
    trained = info.parameters
    said += f" The head keeps {trained['trained']:,} numbers from training"
    if trained["share"] is None:
        return f"{said}; the encoder was not trained."
    return (
        f"{said}, {100 * trained['share']:.2g} % of all that an image passes through; the {trained['frozen']:,} of the "
        "encoder's image tower were not trained."
    )


def watt_hours(kwh: float) -> str:
    """With two digits that say something: `0.011 Wh`, `1,200 Wh`."""
    value = kwh * 1000
    return f"{value:,.0f} Wh" if value >= 100 else f"{float(f'{value:.2g}'):g} Wh"
