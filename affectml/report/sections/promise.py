"""What the run promises of its sets, and what came of it on the test images."""

from collections.abc import Mapping
from typing import Any

from affectml.evaluation.kept_promise import from_people, held
from affectml.report.data import ReportData
from affectml.report.section import Section
from affectml.report.tables import number, promise_table


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
    what = held(risk, people=people)
    sign = "at least" if risk == "recall" else "at most"
    levels = made["by_subgroup"].get(column, {}) if column is not None else {}
    against = [name for name, entry in levels.items() if risk in entry and _misses(entry[risk], risk, float(level))]
    verdict = "these images do not speak against it"
    if _misses(found, risk, float(level)):
        verdict = "the choice of test images alone does not explain the difference"
    within = "" if column is None else f" within each level of {column}"
    worse = f"; {', '.join(against)}, taken alone, did worse than promised" if against else ""
    shift = made.get("shift", {})
    warned = "" if shift.get("found") is not True else f"{shift['words'][:1].upper()}{shift['words'][1:]}. "
    return (
        f"{warned}On these test images the sets hold {number(found['value'])} {what} (95 % interval "
        f"{number(found['low'])} to {number(found['high'])}). Promised was {sign} {float(level):g} on average{within}: "
        f"{verdict}{worse}."
    )


def _misses(score: Mapping[str, float], risk: str, level: float) -> bool:
    """Whether the whole interval lies on the wrong side of what was promised."""
    return score["high"] < level if risk == "recall" else score["low"] > level
