"""What the run promises of its sets, and what came of it on the test images."""

from collections.abc import Mapping
from typing import Any

from affectml.judging.promise import from_people, held
from affectml.page.data import ReportData
from affectml.page.section import Section
from affectml.page.tables import number, promise_table


def promise(data: ReportData) -> Section | None:
    """None where the run promises nothing."""
    table = promise_table(data.metrics)
    if table is None:
        return None
    promised = data.judged.systems.model.promise_
    column = None if promised is None else promised.column
    words = in_words(data.metrics["promise"], column, people=from_people(data.truth.kind))
    return Section("promise", "The promise", words, tables=(table,), open=True)


def in_words(made: Mapping[str, Any], column: str | None = None, *, people: bool = True) -> str:
    """What came out beside what was promised, and whether these images speak against it.

    made: `promise` of metrics.json. column: of whose levels each has the promise; None where all images share it.
    people: whether images have the answers of people, else labels of their own.
    """
    risk, _, level = made["promise"].partition("=")
    found = made.get(risk)
    if found is None:
        return "No test image counts for the promise."
    sign = "at most" if risk == "extra" else "at least"
    levels = made["by_subgroup"].get(column, {}) if column is not None else {}
    against = [name for name, entry in levels.items() if risk in entry and _misses(entry[risk], risk, float(level))]
    verdict = "these images do not speak against it"
    if _misses(found, risk, float(level)):
        verdict = "the choice of test images alone does not explain the difference"
        if "probability" in made:
            verdict += f"; of the draws of calibration images, {100 * (1 - made['probability']):g} % may come out so"
    surely = f" with a probability of {100 * made['probability']:g} %" if "probability" in made else ""
    empty = f"{number(made['empty']['value'])} of the sets are empty. " if "empty" in made else ""
    within = "" if column is None else f" within each level of {column}"
    worse = f"; {', '.join(against)}, taken alone, did worse than promised" if against else ""
    shift = made["shift"]
    warned = f"{shift['words'][:1].upper()}{shift['words'][1:]}. " if shift["found"] else ""
    return (
        f"{warned}On these test images the sets hold {held(risk, number(found['value']), people=people)} "
        f"(95 % interval {number(found['low'])} to {number(found['high'])}). {empty}Promised was {sign} "
        f"{float(level):g} on average{surely}{within}: {verdict}{worse}."
    )


def _misses(score: Mapping[str, float], risk: str, level: float) -> bool:
    """Whether the whole interval lies on the wrong side of what was promised."""
    return score["low"] > level if risk == "extra" else score["high"] < level
