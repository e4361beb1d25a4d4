"""What the training cost: seconds, energy and CO2e by step, and how much of the model it trained."""

from typing import Any

from affectml.report.data import ReportData
from affectml.report.section import Section
from affectml.report.tables import Table
from affectml.runs import RunInfo

_STEPS = {
    "embed": "embedding and splitting",
    "fit": "fitting",
    "evaluate": "judging",
    "learning_curve": "learning curve",
    "subgroups": "judging by subgroup",
}


def footprint(data: ReportData) -> Section | None:
    """The whole in a sentence, and a table by step; None for a run that was not metered."""
    energy = data.info.energy
    if energy is None:
        return None
    seconds = data.info.seconds
    rows = tuple(
        (_STEPS.get(name, name), f"{seconds.get(name, 0):.1f}", amount(step["kwh"], "Wh"), amount(step["kg_co2e"], "g"))
        for name, step in energy["steps"].items()
    )
    table = Table("By step", ("step", "seconds", "electricity", "CO2e"), rows)
    how = (f"{energy['how']} (by {energy['by']})", f"CO2e: {energy['grams_per_kwh']:g} g a kWh, {energy['grid']}")
    return Section("footprint", "Footprint", in_words(data.info, energy), tables=(table,), notes=how)


def in_words(info: RunInfo, energy: dict[str, Any]) -> str:
    """What it took, and whether that was measured; what was trained."""
    about = "" if energy["measured"] else "an estimated "
    cost = f"{amount(energy['kwh'], 'Wh')} of electricity and {amount(energy['kg_co2e'], 'g')} of CO2e"
    said = f"Training and judging took {about}{cost}; writing this report is not counted."
    trained = info.parameters
    if trained is None:
        return said
    if trained["frozen"] is None or trained["share"] is None:
        return f"{said} The head keeps {trained['trained']:,} numbers from training; the encoder was not trained."
    share = f"{100 * trained['share']:.2g} %"
    return (
        f"{said} The head keeps {trained['trained']:,} numbers from training, {share} of all that an image passes "
        f"through; the {trained['frozen']:,} of the encoder's image tower were not trained."
    )


def amount(thousands: float, unit: str) -> str:
    """kWh as Wh, or kg as g, with two digits that say something: `0.011 Wh`, `1,200 g`."""
    value = thousands * 1000
    return f"{value:,.0f} {unit}" if value >= 100 else f"{float(f'{value:.2g}'):g} {unit}"
